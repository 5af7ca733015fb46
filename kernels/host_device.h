/* A function that the host and kernels share, so that both compute the same: HOST_DEVICE int f(int
 * x) { ... } in a header that C, a C++ compiler and nvcc read. */
#ifndef GSOS_HOST_DEVICE_H
#define GSOS_HOST_DEVICE_H

#ifdef __CUDACC__
#define HOST_DEVICE static __host__ __device__ __forceinline__
#else
#define HOST_DEVICE static inline
#endif

#endif
