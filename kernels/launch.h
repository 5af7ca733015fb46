/* Launches of kernels and dynamic shared memory, in the words that both compilers of .cu files
 * know: nvcc, and a C++ compiler with the harness that runs kernels on the CPU (tests/cudacpu). */
#ifndef GSOS_LAUNCH_H
#define GSOS_LAUNCH_H

#include <cuda_runtime.h>

/* ---- launches that begin early ---------------------------------------------------------------
 *
 * Programmatic dependent launch (CUDA C++ Programming Guide): a kernel's blocks may begin when
 * those of the launch before it on the stream have ended, but not all that they wrote is to be seen
 * yet.  It hides what lies between two launches.  What has to hold:
 *
 *   Every thread of such a kernel, one without work, too, calls wait_for_launch_before() before it
 *   touches memory that any kernel of the same graph writes, and before it writes any.  So a launch
 *   has ended only when the one before it has, and whoever waits for one has waited for all.
 *   Memory that a kernel writes is read by plain loads, not by __ldg.
 *   Nothing but a kernel, and that alone, comes before it on its stream: no event that was waited
 *   for, no copy.
 *
 * Nothing calls for the next launch before a kernel ends: blocks that wait would take the room of
 * those that work.  Kernels compiled for less than sm_90 have no such wait, and begin when the
 * launch before them has ended, as do those of a graph where the driver is older than CUDA 12.3,
 * which knows of no such edges in graphs. */
__device__ __forceinline__ void wait_for_launch_before()
{
#if defined(CUDACPU) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  cudaGridDependencySynchronize();
#endif
}

/* An argument may say so of the launch that it is of (struct device_tiles). */
template <typename T> static inline bool may_begin_early(const T &)
{
  return false;
}

/* Whether the kernel's code for this device waits. */
static inline bool can_begin_early(const void *kernel)
{
  int driver = 0;
  cudaFuncAttributes attributes;
  return CUDART_VERSION >= 12030 && cudaDriverGetVersion(&driver) == cudaSuccess && driver >= 12030 &&
         cudaFuncGetAttributes(&attributes, kernel) == cudaSuccess && attributes.ptxVersion >= 90;
}

/* ---- launches -------------------------------------------------------------------------------- */

/* Queues kernel(arguments...) on a stream.  Arguments become what the kernel's parameters are; a
 * null pointer is written as nullptr. */
template <typename... P, typename... A>
static inline cudaError_t launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t dynamic_shared_bytes,
                                 cudaStream_t stream, A... arguments)
{
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  cudaLaunchConfig_t config = {};
  cudaLaunchAttribute early = {};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &early;
  config.numAttrs = (may_begin_early(arguments) || ...) && can_begin_early((const void *)kernel) ? 1 : 0;
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = dynamic_shared_bytes;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
}

/* A launch in clusters of so many blocks side by side in x, at most 8; its attribute is the
 * caller's memory. */
static inline cudaLaunchConfig_t cluster_config(cudaLaunchAttribute *attribute, unsigned cluster, dim3 grid, dim3 block,
                                                size_t dynamic_shared_bytes, cudaStream_t stream)
{
  *attribute = {};
  attribute->id = cudaLaunchAttributeClusterDimension;
  attribute->val.clusterDim.x = cluster;
  attribute->val.clusterDim.y = attribute->val.clusterDim.z = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = dynamic_shared_bytes;
  config.stream = stream;
  config.attrs = attribute;
  config.numAttrs = 1;
  return config;
}

/* Queues such a launch; from compute capability 9.0 on (cluster.cuh). */
template <typename... P, typename... A>
static inline cudaError_t launch_cluster(void (*kernel)(P...), unsigned cluster, dim3 grid, dim3 block,
                                         size_t dynamic_shared_bytes, cudaStream_t stream, A... arguments)
{
  static_assert(sizeof...(P) == sizeof...(A), "as many arguments as the kernel has parameters");
  cudaLaunchAttribute attribute;
  const cudaLaunchConfig_t config = cluster_config(&attribute, cluster, grid, block, dynamic_shared_bytes, stream);
  return cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
}

/* How many such clusters the present device has room for at once. */
template <typename... P>
static inline cudaError_t active_clusters(void (*kernel)(P...), unsigned cluster, dim3 block,
                                          size_t dynamic_shared_bytes, int *clusters)
{
  cudaLaunchAttribute attribute;
  const cudaLaunchConfig_t config =
      cluster_config(&attribute, cluster, dim3(cluster), block, dynamic_shared_bytes, nullptr);
  return cudaOccupancyMaxActiveClusters(clusters, kernel, &config);
}

/* As launch, with more dynamic shared memory than the 48 KB that every kernel may have. */
template <typename... P, typename... A>
static inline cudaError_t launch_large(void (*kernel)(P...), dim3 grid, dim3 block, int dynamic_shared_bytes,
                                       cudaStream_t stream, A... arguments)
{
  cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, dynamic_shared_bytes);
  if (error != cudaSuccess) return error;
  return launch(kernel, grid, block, (size_t)dynamic_shared_bytes, stream, arguments...);
}

/* Before a loop that is to be unrolled, by so much, or not to be; pragmas that the C++ compiler
 * does not know. */
#ifdef __CUDACC__
#define PRAGMA(text) _Pragma(#text)
#define UNROLL _Pragma("unroll")
#define UNROLL_BY(times) PRAGMA(unroll(times))
#define NO_UNROLL _Pragma("unroll 1")
#else
#define UNROLL
#define UNROLL_BY(times)
#define NO_UNROLL
#endif

/* Hides from the compiler what x was made of: what follows from it is made where it is needed, not
 * kept in a register that is wanted for something else, and what is added to an address is added to
 * that, not to one of its parts. */
#if defined(__CUDA_ARCH__) && !defined(CUDACPU)
__device__ __forceinline__ void apart(int &x)
{
  asm volatile("" : "+r"(x));
}
__device__ __forceinline__ void apart(const float *&x)
{
  asm volatile("" : "+l"(x));
}
#else
template <typename T> __device__ __forceinline__ void apart(T &)
{
}
#endif

/* Within a kernel: declares `name`, a pointer to the block's dynamic shared memory. */
#ifdef CUDACPU
#define DYNAMIC_SHARED(type, name) type *const name = (type *)cudacpu_dynamic_shared()
#else
#define DYNAMIC_SHARED(type, name)                                                                                     \
  extern __shared__ __align__(128) unsigned char dynamic_shared_bytes[];                                               \
  type *const name = (type *)dynamic_shared_bytes
#endif

#endif
