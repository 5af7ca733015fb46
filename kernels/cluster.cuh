/* Blocks that run side by side as a cluster, from compute capability 9.0 on: a barrier of all, and
 * each other's shared memory (PTX ISA, "Cluster of Cooperative Thread Arrays").  They are launched
 * by launch_cluster (launch.h).
 *
 *   cluster_rank()             which of the cluster's blocks this is
 *   cluster_sync()             waits for all threads of the cluster, and sees what they have done
 *   cluster_shared(own, rank)  where block `rank` has what is at `own` in this block's dynamic
 *                              shared memory.  A block must not end before others have read its.
 *
 * The harness that runs kernels on the CPU has the same. */
#ifndef GSOS_CLUSTER_CUH
#define GSOS_CLUSTER_CUH

#include <cuda_runtime.h>

#ifndef CUDACPU
__device__ __forceinline__ unsigned cluster_rank()
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  return __clusterRelativeBlockRank();
#else
  return 0;
#endif
}

__device__ __forceinline__ void cluster_sync()
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  __cluster_barrier_arrive();
  __cluster_barrier_wait();
#else
  __trap();
#endif
}

template <typename T> __device__ __forceinline__ T *cluster_shared(T *own, unsigned rank)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  return (T *)__cluster_map_shared_rank(own, rank);
#else
  (void)rank;
  return own;
#endif
}
#endif

#endif
