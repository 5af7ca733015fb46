/* Kernels with a fault each, and right ones that resemble them (planted.h). */
#include <cuda_pipeline.h>
#include <mma.h>

#include "launch.h"
#include "planted.h"

#define KERNEL(name) static __global__ void name(float *out, const float *in, float *host)
/* What many kernels have in common. */
#define INDICES                                                                                                        \
  const unsigned t = threadIdx.x, g = blockIdx.x * blockDim.x + threadIdx.x;                                           \
  (void)t, (void)g, (void)out, (void)in, (void)host

/* ------------------------------------------------------------------------------- races on shared memory */

KERNEL(write_read)
{
  INDICES;
  __shared__ float a[64];
  a[t] = 0;
  __syncthreads();
  a[t] = in[g];      /* FAULT write_read */
  out[g] = a[t ^ 1]; /* FAULT write_read */
}

KERNEL(write_barrier_read)
{
  INDICES;
  __shared__ float a[64];
  a[t] = in[g];
  __syncthreads();
  out[g] = a[t ^ 1];
}

KERNEL(read_write)
{
  INDICES;
  __shared__ float a[65];
  a[t] = in[g];
  if (t == 0) a[64] = 0;
  __syncthreads();
  float next = a[t + 1]; /* FAULT read_write */
  a[t] = next;           /* FAULT read_write */
  __syncthreads();
  out[g] = a[t];
}

KERNEL(loop_without_second_barrier)
{
  INDICES;
  __shared__ float a[64];
  float sum = 0;
  for (int i = 0; i < 2; i++) {
    a[t] = in[g] + (float)i; /* FAULT loop_without_second_barrier */
    __syncthreads();
    sum += a[63 - t]; /* FAULT loop_without_second_barrier */
  }
  out[g] = sum;
}

KERNEL(loop_with_both_barriers)
{
  INDICES;
  __shared__ float a[64];
  float sum = 0;
  for (int i = 0; i < 2; i++) {
    a[t] = in[g] + (float)i;
    __syncthreads();
    sum += a[63 - t];
    __syncthreads();
  }
  out[g] = sum;
}

template <int N> static __device__ float neighbour(float x)
{
  __shared__ float a[N];
  a[threadIdx.x] = 0;
  __syncthreads();
  a[threadIdx.x] = x;              /* FAULT in_a_template */
  return a[(threadIdx.x + 1) % N]; /* FAULT in_a_template */
}
KERNEL(in_a_template)
{
  INDICES;
  out[g] = neighbour<64>(in[g]);
}

KERNEL(dynamic_write_read)
{
  INDICES;
  DYNAMIC_SHARED(float, a);
  a[t] = 0;
  __syncthreads();
  a[t] = in[g];      /* FAULT dynamic_write_read */
  out[g] = a[t ^ 2]; /* FAULT dynamic_write_read */
}

/* --------------------------------------------------------------------------------------- within a warp */

KERNEL(syncwarp_across_warps)
{
  INDICES;
  __shared__ float a[64];
  a[t] = 0;
  __syncthreads();
  a[t] = in[g]; /* FAULT syncwarp_across_warps */
  __syncwarp();
  out[g] = a[t ^ 32]; /* FAULT syncwarp_across_warps */
}

KERNEL(syncwarp_within_a_warp)
{
  INDICES;
  __shared__ float a[64];
  a[t] = in[g];
  __syncwarp();
  float x = a[t ^ 1];
  __syncwarp();
  a[t] = x;
  __syncwarp();
  out[g] = a[t ^ 16];
}

/* All read; then one reads again and writes. */
KERNEL(read_by_all_changed_by_one)
{
  INDICES;
  __shared__ float a[1];
  if (t == 0) a[0] = in[g];
  __syncthreads();
  if (t >= 32) return;
  float x = a[0];
  __syncwarp();
  if (t == 5) a[0] = a[0] + 1;
  __syncwarp();
  out[g] = x + a[0];
}

KERNEL(shuffle_as_a_fence)
{
  INDICES;
  __shared__ float a[64];
  a[t] = 0;
  __syncthreads();
  a[t] = in[g]; /* FAULT shuffle_as_a_fence */
  float x = __shfl_sync(0xffffffffu, in[g], 0);
  out[g] = x + a[t ^ 1]; /* FAULT shuffle_as_a_fence */
}

/* Each half of the warp waits for itself. */
KERNEL(halves_apart)
{
  INDICES;
  __shared__ float a[64];
  a[t] = in[g];
  __syncwarp(t & 16 ? 0xffff0000u : 0x0000ffffu);
  out[g] = a[t ^ 8];
}

KERNEL(halves_across)
{
  INDICES;
  __shared__ float a[64];
  a[t] = 0;
  __syncthreads();
  a[t] = in[g]; /* FAULT halves_across */
  __syncwarp(t & 16 ? 0xffff0000u : 0x0000ffffu);
  out[g] = a[t ^ 16]; /* FAULT halves_across */
}

/* Lane 0 hands over to lane 1, which hands over to lane 2: ordered through it. */
KERNEL(handed_on)
{
  INDICES;
  __shared__ float a[2];
  if (t == 0) a[blockIdx.x] = in[g];
  if (t < 2) __syncwarp(3);
  if (t == 1 || t == 2) __syncwarp(6);
  out[g] = t == 2 ? a[blockIdx.x] : 0;
}

/* ----------------------------------------------------------------------------------------- global memory */

KERNEL(two_blocks_one_word)
{
  INDICES;
  out[t] = in[g]; /* FAULT two_blocks_one_word */
}

KERNEL(one_block_reads_what_another_writes)
{
  INDICES;
  float x = out[127 - g]; /* FAULT one_block_reads_what_another_writes */
  __syncthreads();
  out[g] = x + 1; /* FAULT one_block_reads_what_another_writes */
}

KERNEL(within_one_block)
{
  INDICES;
  out[g] = in[g];
  __syncthreads();
  float x = out[g ^ 1];
  __syncthreads();
  out[g] = x + 1;
}

KERNEL(global_write_read)
{
  INDICES;
  out[g] = in[g];            /* FAULT global_write_read */
  out[128 + g] = out[g ^ 1]; /* FAULT global_write_read */
}

KERNEL(bytes_of_one_word)
{
  INDICES;
  unsigned char *b = (unsigned char *)out;
  b[g] = (unsigned char)in[g];
  __syncthreads();
  b[128 + g] = b[g ^ 1];
}

KERNEL(one_byte_twice)
{
  INDICES;
  unsigned char *b = (unsigned char *)out;
  b[g] = (unsigned char)in[g]; /* FAULT one_byte_twice */
  if (t == 5) b[g + 1] = 7;    /* FAULT one_byte_twice */
}

KERNEL(a_word_over_bytes)
{
  INDICES;
  unsigned char *b = (unsigned char *)out;
  b[g] = (unsigned char)in[g];               /* FAULT a_word_over_bytes */
  if (t == 63) ((unsigned *)out)[g / 4] = 1; /* FAULT a_word_over_bytes */
}

KERNEL(atomics)
{
  INDICES;
  unsigned *u = (unsigned *)out;
  if (t < 32) atomicAdd(&u[128 + t], 1u);
  atomicMax(&u[160], g);
  u[g] = 0;
}

KERNEL(atomic_and_plain)
{
  INDICES;
  unsigned *u = (unsigned *)out;
  atomicAdd(&u[128 + blockIdx.x], 1u);    /* FAULT atomic_and_plain */
  if (t == 9) u[g] = u[128 + blockIdx.x]; /* FAULT atomic_and_plain */
}

/* ------------------------------------------------------------------------------------------- never written */

KERNEL(unwritten_shared)
{
  INDICES;
  __shared__ float a[64];
  if (blockIdx.x == 0 || t != 7) a[t] = in[g];
  __syncthreads();
  out[g] = a[t]; /* FAULT unwritten_shared */
}

KERNEL(unwritten_dynamic)
{
  INDICES;
  DYNAMIC_SHARED(float, a);
  if (t != 7) a[t] = in[g];
  __syncthreads();
  out[g] = a[t ^ 4]; /* FAULT unwritten_dynamic */
}

KERNEL(unwritten_global)
{
  INDICES;
  out[g] = in[g + 128]; /* FAULT unwritten_global */
}

KERNEL(copy_without_wait)
{
  INDICES;
  __shared__ float a[64];
  __pipeline_memcpy_async(&a[t], &in[g], sizeof(float));
  __pipeline_commit();
  float x = a[t]; /* FAULT copy_without_wait */
  __pipeline_wait_prior(0);
  out[g] = x + a[t];
}

KERNEL(copy_with_wait)
{
  INDICES;
  __shared__ float a[2][64];
  __pipeline_memcpy_async(&a[0][t], &in[g], sizeof(float));
  __pipeline_commit();
  __pipeline_memcpy_async(&a[1][t], &in[g ^ 1], sizeof(float));
  __pipeline_commit();
  __pipeline_wait_prior(1);
  __syncthreads();
  float x = a[0][t ^ 3];
  __pipeline_wait_prior(0);
  __syncthreads();
  out[g] = x + a[1][t ^ 5];
}

KERNEL(copy_never_waited_for)
{
  INDICES;
  __shared__ float a[64];
  out[g] = in[g];
  __pipeline_memcpy_async(&a[t], &in[g], sizeof(float)); /* FAULT copy_never_waited_for */
}

/* -------------------------------------------------------------------------------------------- out of bounds */

KERNEL(behind_an_allocation)
{
  INDICES;
  out[g] = in[g];
  if (g == 100) out[256] = 1; /* FAULT behind_an_allocation */
}

KERNEL(before_an_allocation)
{
  INDICES;
  out[g] = g == 3 ? in[-1] : in[g]; /* FAULT before_an_allocation */
}

KERNEL(behind_dynamic_shared)
{
  INDICES;
  DYNAMIC_SHARED(float, a);
  a[t + 1] = in[g]; /* FAULT behind_dynamic_shared */
  __syncthreads();
  out[g] = a[t + 1];
}

/* AddressSanitizer sees it; the checked build does not know where one static array ends and the next begins. */
KERNEL(behind_static_shared)
{
  INDICES;
  __shared__ float a[64];
  a[t] = in[g];
  __syncthreads();
  const float *volatile p = a; /* UBSan would know the array's size */
  out[g] = p[t + (unsigned)in[1]];
}

KERNEL(memory_of_the_host)
{
  INDICES;
  out[g] = host[t]; /* FAULT memory_of_the_host */
}

static __device__ void to_all(float **p, float *x)
{
  *p = x;
}
KERNEL(stack_of_another)
{
  INDICES;
  __shared__ float *p;
  float mine[4] = {in[g], 1, 2, 3};
  if (t == 0) to_all(&p, mine);
  __syncthreads();
  out[g] = p[t & 3] + mine[g & 3]; /* FAULT stack_of_another */
  __syncthreads();
}

KERNEL(nothing_there)
{
  INDICES;
  out[g] = *(const float *)(0x1000 + (size_t)in[g] * 0); /* FAULT nothing_there */
}

static __device__ __noinline__ float deep(float *p, int n)
{ /* FAULT stack_overflow */
  volatile float a[1024];
  a[n & 1023] = *p;                               /* FAULT stack_overflow */
  return n ? deep(p, n - 1) + a[n & 1023] : a[0]; /* FAULT stack_overflow */
}
KERNEL(stack_overflow)
{
  INDICES;
  out[g] = in[g];
  out[g] = deep(&out[g], t == 33 ? 1000 : 0);
}

KERNEL(trap)
{
  INDICES;
  out[g] = in[g];
  if (g == 77) __trap(); /* FAULT trap */
}

/* ------------------------------------------------------------------- barriers and warps that go wrong */

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

/* ------------------------------------------------------------------------------------------ tensor cores */

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

/* ------------------------------------------------------------------------------------------------ the table */

#define RIGHT(name)                                                                                                    \
  {                                                                                                                    \
#name, -1, BY_ALL, cudaSuccess                                                                                     \
  }
#define FOR_ASAN(name)                                                                                                 \
  {                                                                                                                    \
#name, CUDACPU_OUT_OF_BOUNDS, BY_ASAN, cudaSuccess                                                                 \
  }
#define SEEN(name, kind)                                                                                               \
  {                                                                                                                    \
#name, kind, BY_CHECKED, cudaSuccess                                                                               \
  }
#define STOPPED(name, kind)                                                                                            \
  {                                                                                                                    \
#name, kind, BY_CHECKED, cudaErrorIllegalAddress                                                                   \
  }
#define ALWAYS(name, kind, error)                                                                                      \
  {                                                                                                                    \
#name, kind, BY_ALL, error                                                                                         \
  }
#define CASES(X)                                                                                                       \
  X(write_read, SEEN(write_read, CUDACPU_RACE))                                                                        \
  X(write_barrier_read, RIGHT(write_barrier_read))                                                                     \
  X(read_write, SEEN(read_write, CUDACPU_RACE))                                                                        \
  X(loop_without_second_barrier, SEEN(loop_without_second_barrier, CUDACPU_RACE))                                      \
  X(loop_with_both_barriers, RIGHT(loop_with_both_barriers))                                                           \
  X(in_a_template, SEEN(in_a_template, CUDACPU_RACE))                                                                  \
  X(dynamic_write_read, SEEN(dynamic_write_read, CUDACPU_RACE))                                                        \
  X(syncwarp_across_warps, SEEN(syncwarp_across_warps, CUDACPU_RACE))                                                  \
  X(syncwarp_within_a_warp, RIGHT(syncwarp_within_a_warp))                                                             \
  X(read_by_all_changed_by_one, RIGHT(read_by_all_changed_by_one))                                                     \
  X(shuffle_as_a_fence, SEEN(shuffle_as_a_fence, CUDACPU_RACE))                                                        \
  X(halves_apart, RIGHT(halves_apart))                                                                                 \
  X(halves_across, SEEN(halves_across, CUDACPU_RACE))                                                                  \
  X(handed_on, RIGHT(handed_on))                                                                                       \
  X(two_blocks_one_word, SEEN(two_blocks_one_word, CUDACPU_RACE))                                                      \
  X(one_block_reads_what_another_writes, SEEN(one_block_reads_what_another_writes, CUDACPU_RACE))                      \
  X(within_one_block, RIGHT(within_one_block))                                                                         \
  X(global_write_read, SEEN(global_write_read, CUDACPU_RACE))                                                          \
  X(bytes_of_one_word, RIGHT(bytes_of_one_word))                                                                       \
  X(one_byte_twice, SEEN(one_byte_twice, CUDACPU_RACE))                                                                \
  X(a_word_over_bytes, SEEN(a_word_over_bytes, CUDACPU_RACE))                                                          \
  X(atomics, RIGHT(atomics))                                                                                           \
  X(atomic_and_plain, SEEN(atomic_and_plain, CUDACPU_RACE))                                                            \
  X(unwritten_shared, SEEN(unwritten_shared, CUDACPU_UNWRITTEN))                                                       \
  X(unwritten_dynamic, SEEN(unwritten_dynamic, CUDACPU_UNWRITTEN))                                                     \
  X(unwritten_global, SEEN(unwritten_global, CUDACPU_UNWRITTEN))                                                       \
  X(copy_without_wait, SEEN(copy_without_wait, CUDACPU_UNWRITTEN))                                                     \
  X(copy_with_wait, RIGHT(copy_with_wait))                                                                             \
  X(copy_never_waited_for, ALWAYS(copy_never_waited_for, CUDACPU_ASYNC_COPY, cudaSuccess))                             \
  X(behind_an_allocation, STOPPED(behind_an_allocation, CUDACPU_OUT_OF_BOUNDS))                                        \
  X(before_an_allocation, STOPPED(before_an_allocation, CUDACPU_OUT_OF_BOUNDS))                                        \
  X(behind_dynamic_shared, ALWAYS(behind_dynamic_shared, CUDACPU_OUT_OF_BOUNDS, cudaErrorIllegalAddress))              \
  X(behind_static_shared, FOR_ASAN(behind_static_shared))                                                              \
  X(memory_of_the_host, STOPPED(memory_of_the_host, CUDACPU_HOST_MEMORY))                                              \
  X(stack_of_another, STOPPED(stack_of_another, CUDACPU_HOST_MEMORY))                                                  \
  X(nothing_there, ALWAYS(nothing_there, CUDACPU_FAULT, cudaErrorIllegalAddress))                                      \
  X(stack_overflow, ALWAYS(stack_overflow, CUDACPU_STACK, cudaErrorIllegalAddress))                                    \
  X(trap, ALWAYS(trap, CUDACPU_FAULT, cudaErrorLaunchFailure))                                                         \
  X(left_before_a_barrier, ALWAYS(left_before_a_barrier, CUDACPU_PARTIAL_BARRIER, cudaSuccess))                        \
  X(block_left, RIGHT(block_left))                                                                                     \
  X(two_barriers, ALWAYS(two_barriers, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure))                                    \
  X(barriers_of_two_kinds, ALWAYS(barriers_of_two_kinds, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure))                  \
  X(barrier_against_warp, ALWAYS(barrier_against_warp, CUDACPU_DEADLOCK, cudaErrorLaunchFailure))                      \
  X(not_in_the_mask, ALWAYS(not_in_the_mask, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure))                              \
  X(two_operations, ALWAYS(two_operations, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure))                                \
  X(two_masks, ALWAYS(two_masks, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure))                                          \
  X(absent_lane, ALWAYS(absent_lane, CUDACPU_DIVERGENCE, cudaErrorLaunchFailure))                                      \
  X(not_rounded, ALWAYS(not_rounded, CUDACPU_NOT_ROUNDED, cudaSuccess))                                                \
  X(rounded, RIGHT(rounded))                                                                                           \
  X(stored_and_read_at_once, SEEN(stored_and_read_at_once, CUDACPU_RACE))                                              \
  X(crooked_matrix, ALWAYS(crooked_matrix, CUDACPU_MISALIGNED, cudaErrorIllegalAddress))

#define KERNEL_OF(name, ...) name,
#define ROW_OF(name, ...) __VA_ARGS__,
extern "C" const struct planted planted[] = {CASES(ROW_OF)};
extern "C" const int n_planted = sizeof planted / sizeof *planted;

extern "C" cudaError_t planted_launch(int i, float *out, const float *in, float *host, cudaStream_t stream)
{
  static void (*const kernels[])(float *, const float *, float *) = {CASES(KERNEL_OF)};
  return launch(kernels[i], 2, 64, 64 * sizeof(float), stream, out, in, host);
}
