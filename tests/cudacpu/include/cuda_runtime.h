/* CUDA on the CPU: what nvcc includes by itself in front of a .cu file, for g++ and clang++.
 *
 * From C, and from C++ code that has no kernels, this is the runtime's interface alone.  Compiled
 * as CUDA (-DCUDACPU, which cudacpu.mk sets for .cu files) it brings the language as well:
 *
 *   device.h             __global__, __shared__, threadIdx ..., barriers, warps, atomics, launches
 *   device_arithmetic.h  intrinsics on numbers */
#ifndef CUDACPU_CUDA_RUNTIME_H
#define CUDACPU_CUDA_RUNTIME_H

#include "tests/cudacpu/include/cuda_runtime_api.h"

#ifdef __cplusplus
template <typename T> static inline cudaError_t cudaMalloc(T **pointer, size_t bytes)
{
  return cudaMalloc((void **)pointer, bytes);
}
template <typename T> static inline cudaError_t cudaMallocHost(T **pointer, size_t bytes)
{
  return cudaMallocHost((void **)pointer, bytes);
}
template <typename T> static inline cudaError_t cudaHostAlloc(T **pointer, size_t bytes, unsigned flags)
{
  return cudaHostAlloc((void **)pointer, bytes, flags);
}
template <typename... P>
static inline cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), enum cudaFuncAttribute attribute, int value)
{
  return cudaFuncSetAttribute((const void *)kernel, attribute, value);
}
template <typename... P>
static inline cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, void (*kernel)(P...))
{
  return cudaFuncGetAttributes(attributes, (const void *)kernel);
}
template <typename... P>
static inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void (*kernel)(P...), int threads,
                                                                        size_t dynamic_shared)
{
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, (const void *)kernel, threads, dynamic_shared);
}
template <typename... P>
static inline cudaError_t cudaOccupancyMaxActiveClusters(int *clusters, void (*kernel)(P...),
                                                         const cudaLaunchConfig_t *config)
{
  return cudaOccupancyMaxActiveClusters(clusters, (const void *)kernel, config);
}
#ifdef CUDACPU
#include "device.h"
#include "tests/cudacpu/include/device_arithmetic.h"
#endif
#endif

#endif
