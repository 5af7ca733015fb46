/* How long kernels take on the CPU: a convolution of 32 to 32 channels, 3x3, 14x14, batch 32 (115.6 MFLOP), and empty
 * launches.  Linked with the plain and, as bench_cudacpu_checked, with the checked kernels. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cudacpu/sound.h"

/* Of the processor: others may have the machine, too. */
static double now_ms(void)
{
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static float *device_floats(size_t n)
{
  float *p, *host = malloc(n * sizeof *host);
  for (size_t i = 0; i < n; i++) host[i] = (float)(i * 2654435761u % 1000) / 1000.0f - 0.5f;
  if (cudaMalloc((void **)&p, n * sizeof *p) || cudaMemcpy(p, host, n * sizeof *p, cudaMemcpyHostToDevice)) exit(1);
  free(host);
  return p;
}

int main(void)
{
  const int n = 32;
  cudaStream_t stream;
  if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)) return 1;
  float *x = device_floats((size_t)n * 32 * 196), *y = device_floats((size_t)n * 32 * 196), *w = device_floats(9216);
  const char *kernels = cudacpu_is_checked() ? "checked" : "plain";
  for (int tf32 = 0; tf32 < 2; tf32++) {
    double best = 1e9;
    for (int i = 0; i < 15; i++) {
      double began = now_ms();
      if (sound_convolution(tf32, n, y, x, w, stream) || cudaStreamSynchronize(stream)) return 1;
      double ms = now_ms() - began;
      if (ms < best) best = ms;
    }
    printf("%-8s convolution 32->32 3x3 14x14 b32, %s: %7.1f ms a launch, %5.2f GFLOP/s\n", kernels,
           tf32 ? "tf32" : "fp32", best, 0.1156e3 / best);
  }
  double began = now_ms();
  const int launches = 2000, threads = 256;
  for (int i = 0; i < launches; i++)
    if (sound_launch("add_one", (dim3){1, 1, 1}, (dim3){threads, 1, 1}, 0, stream, y, NULL, 0) ||
        cudaStreamSynchronize(stream))
      return 1;
  printf("%-8s launch of %d threads that do nothing: %.1f us\n", kernels, threads, (now_ms() - began) * 1e3 / launches);
  return 0;
}
