/* Kernels with a fault in what the blocks of a cluster do together, and right ones that resemble
 * them (planted.h); both blocks are one cluster. */
#include "kernels/cluster.cuh"
#include "tests/cudacpu/selftest/planted_kernels.h"

#define CLUSTER                                                                                                        \
  INDICES;                                                                                                             \
  DYNAMIC_SHARED(float, a);                                                                                            \
  const unsigned other = cluster_rank() ^ 1;                                                                           \
  (void)other;                                                                                                         \
  a[t] = 0;                                                                                                            \
  cluster_sync()

KERNEL(anothers_shared_memory)
{
  CLUSTER;
  a[t] = in[g];
  cluster_sync();
  out[g] = cluster_shared(a, other)[t ^ 1];
  cluster_sync();
}

KERNEL(anothers_before_the_barrier)
{
  CLUSTER;
  a[t] = in[g]; /* FAULT anothers_before_the_barrier */
  __syncthreads();
  out[g] = cluster_shared(a, other)[t]; /* FAULT anothers_before_the_barrier */
  cluster_sync();
}

KERNEL(written_while_another_reads)
{
  CLUSTER;
  out[g] = cluster_shared(a, other)[t]; /* FAULT written_while_another_reads */
  __syncthreads();
  a[t] = in[g]; /* FAULT written_while_another_reads */
  cluster_sync();
}

KERNEL(written_to_another)
{
  CLUSTER;
  cluster_shared(a, other)[t] = in[g];
  cluster_sync();
  out[g] = a[t ^ 1];
}

KERNEL(global_memory_of_a_cluster)
{
  CLUSTER;
  out[g] = in[g];
  cluster_sync();
  const float v = out[g ^ 64];
  out[128 + g] = v;
}

KERNEL(global_memory_without_the_barrier)
{
  CLUSTER;
  out[g] = in[g]; /* FAULT global_memory_without_the_barrier */
  __syncthreads();
  const float v = out[g ^ 64]; /* FAULT global_memory_without_the_barrier */
  out[128 + g] = v;
}

KERNEL(read_by_both_blocks)
{
  CLUSTER;
  out[128 + g] = out[0]; /* FAULT read_by_both_blocks */
  __syncthreads();
  if (g == 0) out[0] = 1; /* FAULT read_by_both_blocks */
}

/* Each block has barriers of its own, and as many as it likes. */
KERNEL(barriers_of_one_block)
{
  CLUSTER;
  for (unsigned i = 0; i < 1 + 3 * other; i++) {
    a[t] += in[g];
    __syncthreads();
    const float next = a[t ^ 1];
    __syncthreads();
    a[t] = next;
  }
  cluster_sync();
  out[g] = cluster_shared(a, other)[t ^ 33];
  cluster_sync();
}

KERNEL(race_within_a_block)
{
  CLUSTER;
  a[t] = in[g];       /* FAULT race_within_a_block */
  out[g] = a[t ^ 33]; /* FAULT race_within_a_block */
}

KERNEL(warps_of_a_cluster)
{
  CLUSTER;
  a[t] = in[g];
  __syncwarp();
  const float next = a[t ^ 1];
  __syncthreads();
  __syncwarp();
  a[t ^ 1] = next;
  __syncwarp();
  out[g] = a[t];
}

KERNEL(block_that_has_ended)
{
  CLUSTER;
  if (other == 1) return;
  for (int i = 0; i < 40; i++) {
    __syncthreads();
    out[g] = cluster_shared(a, other)[t]; /* FAULT block_that_has_ended */
  }
}

KERNEL(static_memory_of_a_cluster)
{
  CLUSTER;
  __shared__ float b[64];
  b[t] = in[g]; /* FAULT static_memory_of_a_cluster */
  __syncthreads();
  out[g] = b[t ^ 1];
}

KERNEL(behind_the_memory_of_a_block)
{
  CLUSTER;
  if (other == 1) a[t + 1] = in[g]; /* FAULT behind_the_memory_of_a_block */
}

KERNEL(beyond_the_cluster)
{
  CLUSTER;
  out[g] = *cluster_shared(a, 2); /* FAULT beyond_the_cluster */
}

KERNEL(one_block_is_elsewhere)
{
  CLUSTER;
  if (other == 0 && t < 32)
    __syncthreads(); /* FAULT one_block_is_elsewhere */
  else
    cluster_sync(); /* FAULT one_block_is_elsewhere */
}

/* Those that have ended are waited for by nobody. */
KERNEL(one_block_left)
{
  CLUSTER;
  if (other == 0) return;
  cluster_sync();
  out[g] = in[g];
}

/* ------------------------------------------------------------------------------------ the table */

#define CASES(X)                                                                                                       \
  RIGHT(X, anothers_shared_memory)                                                                                     \
  SEEN(X, anothers_before_the_barrier, CUDACPU_RACE)                                                                   \
  SEEN(X, written_while_another_reads, CUDACPU_RACE)                                                                   \
  RIGHT(X, written_to_another)                                                                                         \
  RIGHT(X, global_memory_of_a_cluster)                                                                                 \
  SEEN(X, global_memory_without_the_barrier, CUDACPU_RACE)                                                             \
  SEEN(X, read_by_both_blocks, CUDACPU_RACE)                                                                           \
  RIGHT(X, barriers_of_one_block)                                                                                      \
  SEEN(X, race_within_a_block, CUDACPU_RACE)                                                                           \
  RIGHT(X, warps_of_a_cluster)                                                                                         \
  STOPPED(X, block_that_has_ended, CUDACPU_OUT_OF_BOUNDS)                                                              \
  STOPPED(X, static_memory_of_a_cluster, CUDACPU_FAULT)                                                                \
  STOPPED(X, behind_the_memory_of_a_block, CUDACPU_OUT_OF_BOUNDS)                                                      \
  ALWAYS(X, beyond_the_cluster, CUDACPU_FAULT, cudaErrorIllegalAddress)                                                \
  ALWAYS(X, one_block_is_elsewhere, CUDACPU_DEADLOCK, cudaErrorLaunchFailure)                                          \
  RIGHT(X, one_block_left)

PLANTED_TABLE_OF(planted_cluster, "tests/cudacpu/selftest/planted_cluster.cu", launch_cluster, 2)
