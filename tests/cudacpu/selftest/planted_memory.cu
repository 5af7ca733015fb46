/* Kernels with a fault in what they do to memory, and right ones that resemble them (planted.h). */
#include <cuda_pipeline.h>

#include "tests/cudacpu/selftest/planted_kernels.h"

/* ----------------------------------------------------------------------- races on shared memory */

KERNEL(write_read)
{
  INDICES;
  __shared__ float a[64];
  a[t] = 0;
  __syncthreads();
  a[t] = in[g];      /* FAULT write_read */
  out[g] = a[t ^ 1]; /* FAULT write_read */
}

/* As a compiler fills it: by memset. */
KERNEL(fill_read)
{
  INDICES;
  struct whole {
    float x[64];
  };
  __shared__ struct whole a[2];
  a[0].x[t] = a[1].x[t] = in[g];
  __syncthreads();
  if (t == 40) a[0] = whole();        /* FAULT fill_read */
  out[g] = a[0].x[t] + a[1].x[t ^ 1]; /* FAULT fill_read */
}

KERNEL(fill_barrier_read)
{
  INDICES;
  struct whole {
    float x[64];
  };
  __shared__ struct whole a[2];
  if (t == 40) a[0] = whole();
  __syncthreads();
  if (t == 3) a[1] = a[0];
  __syncthreads();
  out[g] = a[0].x[t] + a[1].x[t ^ 1];
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

KERNEL(read_by_all_written_by_one)
{
  INDICES;
  __shared__ float a;
  float x = 0;
  if (t == 0) a = in[g];
  __syncthreads();
  if (t <= 32) x = a;     /* FAULT read_by_all_written_by_one */
  if (t == 32) a = x + 1; /* FAULT read_by_all_written_by_one */
  __syncthreads();
  out[g] = x + a;
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

/* -------------------------------------------------------------------------------- within a warp */

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

KERNEL(written_after_syncwarp)
{
  INDICES;
  __shared__ float a[64];
  a[t] = 0;
  __syncwarp();
  a[t] = in[g];      /* FAULT written_after_syncwarp */
  out[g] = a[t ^ 1]; /* FAULT written_after_syncwarp */
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

/* All read, lane 0 writes and reads, lane 1 writes after it: what lanes 2 to 31 read is long
 * over. */
KERNEL(handed_to_one)
{
  INDICES;
  __shared__ float a[2];
  float x = 0, y = 0;
  if (t == 0) a[blockIdx.x] = in[g];
  __syncwarp();
  if (t < 32) x = a[blockIdx.x];
  __syncwarp();
  if (t == 0) {
    a[blockIdx.x] = x + 1;
    y = *(volatile float *)&a[blockIdx.x];
  }
  if (t < 2) __syncwarp(3);
  if (t == 1) a[blockIdx.x] = x + 2;
  __syncwarp();
  out[g] = t < 32 ? a[blockIdx.x] + x + y : 0;
}

/* -------------------------------------------------------------------------------- global memory */

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

KERNEL(one_block_writes_what_another_reads)
{
  INDICES;
  if (blockIdx.x == 0) out[128 + t] = out[t]; /* FAULT one_block_writes_what_another_reads */
  __syncthreads();
  if (blockIdx.x == 1) out[t] = in[g]; /* FAULT one_block_writes_what_another_reads */
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

/* -------------------------------------------------------------------------------- never written */

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

/* The second round reads what the first one left. */
KERNEL(copy_seen_before_the_wait)
{
  INDICES;
  __shared__ float a[64];
  float sum = 0;
  for (int round = 0; round < 2; round++) {
    __pipeline_memcpy_async(&a[t], &in[g ^ round], sizeof(float));
    __pipeline_commit();
    if (round == 0) __pipeline_wait_prior(0);
    __syncthreads();
    sum += a[t ^ 3]; /* FAULT copy_seen_before_the_wait */
    __pipeline_wait_prior(0);
    __syncthreads();
  }
  out[g] = sum;
}

KERNEL(copy_of_another_group_is_waited_for)
{
  INDICES;
  __shared__ float a[2][64];
  a[1][t] = 0;
  __pipeline_memcpy_async(&a[0][t], &in[g], sizeof(float));
  __pipeline_commit();
  __pipeline_memcpy_async(&a[1][t], &in[g], sizeof(float));
  __pipeline_commit();
  __pipeline_wait_prior(1);
  float x = a[1][t]; /* FAULT copy_of_another_group_is_waited_for */
  __pipeline_wait_prior(0);
  out[g] = x + a[0][t];
}

/* The wait is behind a barrier, the copy is not. */
KERNEL(copy_over_what_others_read)
{
  INDICES;
  __shared__ float a[64];
  a[t] = in[g];
  __syncthreads();
  float x = a[t ^ 3];                                        /* FAULT copy_over_what_others_read */
  __pipeline_memcpy_async(&a[t], &in[g ^ 1], sizeof(float)); /* FAULT copy_over_what_others_read */
  __pipeline_commit();
  __syncthreads();
  __pipeline_wait_prior(0);
  __syncthreads();
  out[g] = x + a[t ^ 5];
}

KERNEL(copy_over_what_is_written)
{
  INDICES;
  __shared__ float a[64];
  __pipeline_memcpy_async(&a[t], &in[g], sizeof(float));
  __pipeline_commit();
  a[t] = 1; /* FAULT copy_over_what_is_written */
  __pipeline_wait_prior(0);
  out[g] = a[t];
}

KERNEL(copies_in_a_ring)
{
  INDICES;
  __shared__ float a[3][64];
  float sum = 0;
  for (int i = 0; i < 2; i++) {
    __pipeline_memcpy_async(&a[i][t], &in[g ^ i], sizeof(float));
    __pipeline_commit();
  }
  for (int i = 0; i < 7; i++) {
    __pipeline_wait_prior(1);
    __syncthreads();
    if (i + 2 < 7) __pipeline_memcpy_async(&a[(i + 2) % 3][t], &in[g ^ i], sizeof(float), i == 1 ? 4 : 0);
    __pipeline_commit();
    sum += a[i % 3][t ^ 9];
  }
  out[g] = sum;
}

KERNEL(copy_never_waited_for)
{
  INDICES;
  __shared__ float a[64];
  out[g] = in[g];
  __pipeline_memcpy_async(&a[t], &in[g], sizeof(float)); /* FAULT copy_never_waited_for */
}

/* -------------------------------------------------------------------------------- out of bounds */

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

/* AddressSanitizer sees it; the checked build does not know where one static array ends and the
 * next begins. */
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

/* ----------------------------------------------------------------------------------- misaligned */

/* What a GPU refuses and the CPU mostly does not mind.  Vectors whose elements are used one by one
 * come as so many floats, here and only here. */
KERNEL(float4_between_two)
{
  INDICES;
  const float4 v = *(const float4 *)(in + 4 * (t % 16) + 2); /* FAULT float4_between_two */
  out[g] = v.x + v.w;
}

static __device__ __forceinline__ int4 load_int4(const int *p)
{
  return *(const int4 *)p; /* FAULT int4_behind_a_word */
}
KERNEL(int4_behind_a_word)
{
  INDICES;
  const int4 v = load_int4((const int *)in + (t == 5 ? 9 : 8));
  out[g] = (float)(v.x + v.w);
}

KERNEL(double2_between_two)
{
  INDICES;
  DYNAMIC_SHARED(double, a);
  if (t < 32) a[t] = 1;
  __syncthreads();
  const double2 v = *(const double2 *)(a + 2 * (t % 8) + t / 63); /* FAULT double2_between_two */
  out[g] = (float)(v.x * v.y);
}

KERNEL(float2_written_between_two)
{
  INDICES;
  __shared__ __align__(16) float a[132];
  *(float2 *)(a + 2 * t + t / 40) = make_float2(1, in[g]); /* FAULT float2_written_between_two */
  __syncthreads();
  out[g] = a[1];
}

KERNEL(hinted_load_between_two)
{
  INDICES;
  const uint4 v = __ldg((const uint4 *)in + 1);
  const float2 w = __ldca((const float2 *)(in + g % 63)); /* FAULT hinted_load_between_two */
  out[g] = (float)v.x + w.x + w.y;
}

KERNEL(vectors_where_they_belong)
{
  INDICES;
  DYNAMIC_SHARED(float, a);
  if (t < 16) *(float4 *)(a + 4 * t) = __ldg((const float4 *)in + t);
  __syncthreads();
  const float2 v = *(const float2 *)(a + t / 2 * 2);
  const double2 w = *(const double2 *)(a + t % 16 * 4);
  const ulonglong2 u = *(const ulonglong2 *)(a + t % 16 * 4);
  out[g] = v.x + v.y + (float)(w.x > 1e300) + (float)(u.y == 0);
}

KERNEL(copy_of_sixteen_between_two)
{
  INDICES;
  DYNAMIC_SHARED(float, a);
  if (t < 8) __pipeline_memcpy_async(a + 4 * t, in + 4 * t + 2, 16); /* FAULT copy_of_sixteen_between_two */
  __pipeline_commit();
  __pipeline_wait_prior(0);
}

KERNEL(copy_of_eight_between_two)
{
  INDICES;
  DYNAMIC_SHARED(float, a);
  if (t < 8) __pipeline_memcpy_async(a + 2 * t + 1, in + 2 * t, 8); /* FAULT copy_of_eight_between_two */
  __pipeline_commit();
  __pipeline_wait_prior(0);
}

/* ------------------------------------------------------------------------------------ the table */

#define CASES(X)                                                                                                       \
  SEEN(X, write_read, CUDACPU_RACE)                                                                                    \
  SEEN(X, fill_read, CUDACPU_RACE)                                                                                     \
  RIGHT(X, fill_barrier_read)                                                                                          \
  RIGHT(X, write_barrier_read)                                                                                         \
  SEEN(X, read_write, CUDACPU_RACE)                                                                                    \
  SEEN(X, read_by_all_written_by_one, CUDACPU_RACE)                                                                    \
  SEEN(X, loop_without_second_barrier, CUDACPU_RACE)                                                                   \
  RIGHT(X, loop_with_both_barriers)                                                                                    \
  SEEN(X, in_a_template, CUDACPU_RACE)                                                                                 \
  SEEN(X, dynamic_write_read, CUDACPU_RACE)                                                                            \
  SEEN(X, syncwarp_across_warps, CUDACPU_RACE)                                                                         \
  RIGHT(X, syncwarp_within_a_warp)                                                                                     \
  RIGHT(X, read_by_all_changed_by_one)                                                                                 \
  SEEN(X, written_after_syncwarp, CUDACPU_RACE)                                                                        \
  SEEN(X, shuffle_as_a_fence, CUDACPU_RACE)                                                                            \
  RIGHT(X, halves_apart)                                                                                               \
  SEEN(X, halves_across, CUDACPU_RACE)                                                                                 \
  RIGHT(X, handed_on)                                                                                                  \
  RIGHT(X, handed_to_one)                                                                                              \
  SEEN(X, two_blocks_one_word, CUDACPU_RACE)                                                                           \
  SEEN(X, one_block_reads_what_another_writes, CUDACPU_RACE)                                                           \
  SEEN(X, one_block_writes_what_another_reads, CUDACPU_RACE)                                                           \
  RIGHT(X, within_one_block)                                                                                           \
  SEEN(X, global_write_read, CUDACPU_RACE)                                                                             \
  RIGHT(X, bytes_of_one_word)                                                                                          \
  SEEN(X, one_byte_twice, CUDACPU_RACE)                                                                                \
  SEEN(X, a_word_over_bytes, CUDACPU_RACE)                                                                             \
  RIGHT(X, atomics)                                                                                                    \
  SEEN(X, atomic_and_plain, CUDACPU_RACE)                                                                              \
  SEEN(X, unwritten_shared, CUDACPU_UNWRITTEN)                                                                         \
  SEEN(X, unwritten_dynamic, CUDACPU_UNWRITTEN)                                                                        \
  SEEN(X, unwritten_global, CUDACPU_UNWRITTEN)                                                                         \
  SEEN(X, copy_without_wait, CUDACPU_RACE)                                                                             \
  SEEN(X, copy_seen_before_the_wait, CUDACPU_RACE)                                                                     \
  SEEN(X, copy_of_another_group_is_waited_for, CUDACPU_RACE)                                                           \
  SEEN(X, copy_over_what_others_read, CUDACPU_RACE)                                                                    \
  SEEN(X, copy_over_what_is_written, CUDACPU_RACE)                                                                     \
  RIGHT(X, copies_in_a_ring)                                                                                           \
  RIGHT(X, copy_with_wait)                                                                                             \
  ALWAYS(X, copy_never_waited_for, CUDACPU_ASYNC_COPY, cudaSuccess)                                                    \
  STOPPED(X, behind_an_allocation, CUDACPU_OUT_OF_BOUNDS)                                                              \
  STOPPED(X, before_an_allocation, CUDACPU_OUT_OF_BOUNDS)                                                              \
  ALWAYS(X, behind_dynamic_shared, CUDACPU_OUT_OF_BOUNDS, cudaErrorIllegalAddress)                                     \
  FOR_ASAN(X, behind_static_shared)                                                                                    \
  STOPPED(X, memory_of_the_host, CUDACPU_HOST_MEMORY)                                                                  \
  STOPPED(X, stack_of_another, CUDACPU_HOST_MEMORY)                                                                    \
  ALWAYS(X, nothing_there, CUDACPU_FAULT, cudaErrorIllegalAddress)                                                     \
  ALWAYS(X, stack_overflow, CUDACPU_STACK, cudaErrorIllegalAddress)                                                    \
  ALWAYS(X, trap, CUDACPU_FAULT, cudaErrorLaunchFailure)                                                               \
  CROOKED(X, float4_between_two)                                                                                       \
  CROOKED(X, int4_behind_a_word)                                                                                       \
  CROOKED(X, double2_between_two)                                                                                      \
  CROOKED(X, float2_written_between_two)                                                                               \
  CROOKED(X, hinted_load_between_two)                                                                                  \
  RIGHT(X, vectors_where_they_belong)                                                                                  \
  ALWAYS(X, copy_of_sixteen_between_two, CUDACPU_MISALIGNED, cudaErrorMisalignedAddress)                               \
  ALWAYS(X, copy_of_eight_between_two, CUDACPU_MISALIGNED, cudaErrorMisalignedAddress)

PLANTED_TABLE(planted_memory, "tests/cudacpu/selftest/planted_memory.cu")
