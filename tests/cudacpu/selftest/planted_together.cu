/* Kernels with a fault in what their threads do together, and right ones that resemble them
 * (planted.h). */
#include <mma.h>

#include "kernels/tensor_core.cuh"
#include "tests/cudacpu/selftest/planted_kernels.h"

/* ------------------------------------------------------------- barriers and warps that go wrong */

KERNEL(left_before_a_barrier)
{
  INDICES;
  if (t == 40) return;
  __syncthreads(); /* FAULT left_before_a_barrier */
  out[g] = in[g];
}

KERNEL(block_left)
{
  INDICES;
  if (blockIdx.x == 0) return;
  __syncthreads();
  out[g] = in[g];
}

KERNEL(two_barriers)
{
  INDICES;
  if (t < 32)
    __syncthreads(); /* FAULT two_barriers */
  else
    __syncthreads(); /* FAULT two_barriers */
  out[g] = in[g];
}

KERNEL(barriers_of_two_kinds)
{
  INDICES;
  if (t < 32)
    __syncthreads(); /* FAULT barriers_of_two_kinds */
  else
    out[g] = (float)__syncthreads_count(1); /* FAULT barriers_of_two_kinds */
}

KERNEL(barrier_against_warp)
{
  INDICES;
  if (t == 3)
    __syncthreads(); /* FAULT barrier_against_warp */
  else if (t < 32)
    __syncwarp(); /* FAULT barrier_against_warp */
  out[g] = in[g];
}

KERNEL(not_in_the_mask)
{
  INDICES;
  if (t < 8) out[g] = __shfl_sync(0x0fu, in[g], 0); /* FAULT not_in_the_mask */
}

KERNEL(two_operations)
{
  INDICES;
  if (t & 1)
    out[g] = (float)__ballot_sync(0xffffffffu, 1); /* FAULT two_operations */
  else
    out[g] = __shfl_sync(0xffffffffu, in[g], 0); /* FAULT two_operations */
}

KERNEL(two_masks)
{
  INDICES;
  __syncwarp(t & 16 ? 0xffff8000u : 0x0000ffffu); /* FAULT two_masks */
  __syncwarp();                                   /* FAULT two_masks */
  out[g] = in[g];
}

KERNEL(absent_lane)
{
  INDICES;
  if (t < 8) out[g] = __shfl_sync(0xffu, in[g], 8); /* FAULT absent_lane */
}

/* --------------------------------------------------------------------------------- tensor cores */

using namespace nvcuda;
typedef wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> tf32_a;
typedef wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> tf32_b;
typedef wmma::fragment<wmma::accumulator, 16, 16, 8, float> tf32_c;

static __device__ void product(float *out, const float *in, bool round)
{
  tf32_a a;
  tf32_b b;
  tf32_c c;
  wmma::load_matrix_sync(a, in, 8);
  wmma::load_matrix_sync(b, in, 16);
  wmma::fill_fragment(c, 0.0f);
  for (int i = 0; i < a.num_elements; i++) a.x[i] = round ? wmma::__float_to_tf32(a.x[i] / 3) : a.x[i] / 3;
  wmma::mma_sync(c, a, b, c); /* FAULT not_rounded */
  wmma::store_matrix_sync(out, c, 16, wmma::mem_row_major);
}
KERNEL(not_rounded)
{
  INDICES;
  if (blockIdx.x == 0 && t < 32) product(out, in, false);
}
KERNEL(rounded)
{
  INDICES;
  if (blockIdx.x == 0 && t < 32) product(out, in, true);
}

static __device__ void product_of_registers(float *out, float x)
{
  float sum[4] = {0, 0, 0, 0};
  tensor_multiply(sum, make_float4(1, 2, 3, x), 1, 2); /* FAULT not_rounded_registers */
  *out = sum[3];
}
KERNEL(not_rounded_registers)
{
  INDICES;
  if (blockIdx.x == 0 && t < 32) product_of_registers(out + t, in[t] / 3);
}
KERNEL(rounded_registers)
{
  INDICES;
  if (blockIdx.x == 0 && t < 32) product_of_registers(out + t, to_tf32(in[t] / 3));
}
/* What a lane has stored for another's operand is read before a barrier. */
KERNEL(operand_read_at_once)
{
  INDICES;
  __shared__ float x[64];
  x[t] = 0;
  __syncthreads();
  x[t] = in[t];                                                                     /* FAULT operand_read_at_once */
  if (blockIdx.x == 0 && t < 32) product_of_registers(out + t, to_tf32(x[t ^ 33])); /* FAULT operand_read_at_once */
}

KERNEL(stored_and_read_at_once)
{
  INDICES;
  __shared__ __align__(32) float d[256];
  tf32_c c;
  wmma::fill_fragment(c, in[0]);
  for (int i = 0; i < 4; i++) d[64 * i + t] = 0;
  __syncthreads();
  if (t < 32) {
    wmma::store_matrix_sync(d, c, 16, wmma::mem_row_major); /* FAULT stored_and_read_at_once */
    out[t] = d[8 * (t ^ 1)];                                /* FAULT stored_and_read_at_once */
  }
}

KERNEL(crooked_matrix)
{
  INDICES;
  __shared__ __align__(32) float d[512];
  tf32_c c;
  wmma::fill_fragment(c, in[0]);
  if (t < 32) wmma::store_matrix_sync(d, c, 18, wmma::mem_row_major); /* FAULT crooked_matrix */
}

/* ------------------------------------------------------------------------------------ the table */

#define CASES(X)                                                                                                       \
  ALWAYS(X, left_before_a_barrier, CUDACPU_PARTIAL_BARRIER, cudaSuccess)                                               \
  RIGHT(X, block_left)                                                                                                 \
  ALWAYS(X, two_barriers, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure)                                                  \
  ALWAYS(X, barriers_of_two_kinds, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure)                                         \
  ALWAYS(X, barrier_against_warp, CUDACPU_DEADLOCK, cudaErrorLaunchFailure)                                            \
  ALWAYS(X, not_in_the_mask, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure)                                               \
  ALWAYS(X, two_operations, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure)                                                \
  ALWAYS(X, two_masks, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure)                                                     \
  ALWAYS(X, absent_lane, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure)                                                   \
  ALWAYS(X, not_rounded, CUDACPU_NOT_ROUNDED, cudaSuccess)                                                             \
  RIGHT(X, rounded)                                                                                                    \
  ALWAYS(X, not_rounded_registers, CUDACPU_NOT_ROUNDED, cudaSuccess)                                                   \
  RIGHT(X, rounded_registers)                                                                                          \
  SEEN(X, operand_read_at_once, CUDACPU_RACE)                                                                          \
  SEEN(X, stored_and_read_at_once, CUDACPU_RACE)                                                                       \
  ALWAYS(X, crooked_matrix, CUDACPU_MISALIGNED, cudaErrorMisalignedAddress)

PLANTED_TABLE(planted_together, "tests/cudacpu/selftest/planted_together.cu")
