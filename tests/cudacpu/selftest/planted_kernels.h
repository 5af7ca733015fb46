/* CUDA on the CPU: what the files of kernels with planted faults have in common: a kernel's head,
 * and the table at the end.
 *
 * A row names a kernel and says what should become of it: RIGHT gives no report; SEEN one in the
 * checked build; STOPPED the same, and the launch ends there; CROOKED as well, by an access that is
 * misaligned; ALWAYS one in every build, and that error; FOR_ASAN is AddressSanitizer's. */
#ifndef CUDACPU_PLANTED_KERNELS_H
#define CUDACPU_PLANTED_KERNELS_H

#include "kernels/launch.h"
#include "tests/cudacpu/selftest/planted.h"

#define KERNEL(name) static __global__ void name(float *out, const float *in, float *host)
#define INDICES                                                                                                        \
  const unsigned t = threadIdx.x, g = blockIdx.x * blockDim.x + threadIdx.x;                                           \
  (void)t, (void)g, (void)out, (void)in, (void)host

#define RIGHT(X, name) X(name, -1, BY_ALL, cudaSuccess)
#define SEEN(X, name, kind) X(name, kind, BY_CHECKED, cudaSuccess)
#define STOPPED(X, name, kind) X(name, kind, BY_CHECKED, cudaErrorIllegalAddress)
#ifdef __clang__ /* which asks nothing of where a whole vector is copied from or to */
#define CROOKED(X, name) X(name, CUDACPU_MISALIGNED, BY_ASAN, cudaErrorMisalignedAddress)
#else
#define CROOKED(X, name) X(name, CUDACPU_MISALIGNED, BY_CHECKED, cudaErrorMisalignedAddress)
#endif
#define ALWAYS(X, name, kind, error) X(name, kind, BY_ALL, error)
#define FOR_ASAN(X, name) X(name, CUDACPU_OUT_OF_BOUNDS, BY_ASAN, cudaSuccess)

#define PLANTED_ROW(name, kind, seen, error) {#name, kind, seen, error},
#define PLANTED_KERNEL(name, kind, seen, error) name,
/* Defines the table of a file, of the rows that CASES has; `how` launches them, with what follows
 * the kernel there. */
#define PLANTED_TABLE(table, file) PLANTED_TABLE_OF(table, file, launch)
#define PLANTED_TABLE_OF(table, file, how, ...)                                                                        \
  static const struct planted rows[] = {CASES(PLANTED_ROW)};                                                           \
  static cudaError_t launch_row(int i, float *out, const float *in, float *host, cudaStream_t stream)                  \
  {                                                                                                                    \
    static void (*const kernels[])(float *, const float *, float *) = {CASES(PLANTED_KERNEL)};                         \
    return how(kernels[i], ##__VA_ARGS__, 2, 64, 64 * sizeof(float), stream, out, in, host);                           \
  }                                                                                                                    \
  extern "C" const struct planted_table table = {file, rows, sizeof rows / sizeof *rows, launch_row};

#endif
