/* Right kernels that use everything the harness has, for its tests: what each computes is said in
 * sound.cu. */
#ifndef CUDACPU_SOUND_H
#define CUDACPU_SOUND_H

#include "tests/cudacpu/cudacpu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Launches the kernel of this name. */
cudaError_t sound_launch(const char *name, dim3 grid, dim3 block, size_t dynamic_shared, cudaStream_t stream, void *out,
                         const void *in, int n);
/* Lets it have so much dynamic shared memory, on the current device. */
cudaError_t sound_allow_shared(const char *name, int bytes);

/* Convolution 3x3, 32 to 32 channels, 14x14 images with zeros around, the synthetic kernel of the
 * benchmark: x [n][32][14][14], w [32][32][3][3], y [n][32][14][14].  In fp32 a sum goes over
 * channels, rows, columns, each step one fmaf; in TF32 as the tensor cores go. */
cudaError_t sound_convolution(int tf32, int n, float *y, const float *x, const float *w, cudaStream_t stream);

/* Eight blocks of 256 threads as one cluster, of so many words of dynamic shared memory each: in
 * [2048], out [4096].  With waits 0 there is a race between thread g and thread g + 1024 of all. */
cudaError_t sound_hand_on(int words, int waits, unsigned *out, const unsigned *in, cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
