/* CUDA on the CPU: the language of kernels.
 *
 * Each thread of a block is a fiber of the thread that called the runtime (../runtime/block.cpp).
 * What a thread of the GPU waits at, a fiber waits at: __syncthreads and everything that a warp
 * does together are calls into the runtime, which take the caller's file and line along for
 * reports.
 *
 * The indices are constants to a kernel, and so stay in registers over barriers; the runtime sets
 * them at each switch.
 *
 * What a .cu file keeps to, so that nvcc and a C++ compiler both take it and it computes the same:
 *   launches and dynamic shared memory by kernels/launch.h, null pointers as nullptr; fmaf where a
 *   product is added: nvcc makes one of a * b + c, here it stays two roundings; no __device__
 *   variables, no float atomics, no printf of more than a line, no intrinsics in host code. */
#ifndef CUDACPU_DEVICE_H
#define CUDACPU_DEVICE_H

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <tuple>
#include <utility>

#include "tests/cudacpu/include/cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ /* libstdc++ writes __attribute__((__noinline__)) */
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __grid_constant__
#define __constant__ __attribute__((section("cudacpu_constant")))

/* Shared memory is one for all blocks, since they run one after the other.  The checked build wants
 * to know its addresses: there it is thread-local, in one known range.  AddressSanitizer puts red
 * zones around statics only. */
#ifdef CUDACPU_CHECKED
#define __shared__ static thread_local
#else
#define __shared__ static
#endif

#ifndef CUDACPU_RUNTIME /* which sets them */
/* Without constructors, all four: an access to a constant that a constructor could make is one that
 * g++ lets the checked build look at. */
extern const uint3 threadIdx, blockIdx, blockDim, gridDim;
#endif
static constexpr int warpSize = 32;

extern "C" {

void *cudacpu_dynamic_shared(void);

enum cudacpu_barrier_kind { CUDACPU_BARRIER, CUDACPU_BARRIER_COUNT, CUDACPU_BARRIER_AND, CUDACPU_BARRIER_OR };
int cudacpu_barrier(enum cudacpu_barrier_kind kind, int predicate, const char *file, int line);

enum cudacpu_warp_kind {
  CUDACPU_SYNCWARP,
  CUDACPU_SHFL,
  CUDACPU_SHFL_UP,
  CUDACPU_SHFL_DOWN,
  CUDACPU_SHFL_XOR,
  CUDACPU_BALLOT,
  CUDACPU_ANY,
  CUDACPU_ALL,
  CUDACPU_MATCH_ANY,
  CUDACPU_REDUCE_ADD,
  CUDACPU_REDUCE_MIN,
  CUDACPU_REDUCE_MAX,
  CUDACPU_REDUCE_MIN_UNSIGNED,
  CUDACPU_REDUCE_MAX_UNSIGNED,
  CUDACPU_REDUCE_AND,
  CUDACPU_REDUCE_OR,
  CUDACPU_REDUCE_XOR,
  CUDACPU_MMA_TF32,
  CUDACPU_MMA_TF32_REGISTERS,
  CUDACPU_MMA_F64,
  CUDACPU_MMA_F64_REGISTERS,
};
void cudacpu_cluster_sync(const char *file, int line);
void *cudacpu_cluster_map(const void *shared, unsigned rank, const char *file, int line);
unsigned cudacpu_cluster_rank(void);
uint64_t cudacpu_warp(enum cudacpu_warp_kind kind, unsigned mask, uint64_t value, int operand, int width,
                      const char *file, int line);

enum cudacpu_atomic_kind {
  CUDACPU_ATOMIC_ADD,
  CUDACPU_ATOMIC_EXCH,
  CUDACPU_ATOMIC_MIN,
  CUDACPU_ATOMIC_MAX,
  CUDACPU_ATOMIC_AND,
  CUDACPU_ATOMIC_OR,
  CUDACPU_ATOMIC_XOR,
  CUDACPU_ATOMIC_INC,
  CUDACPU_ATOMIC_DEC,
  CUDACPU_ATOMIC_CAS,
};
int cudacpu_atomic_int(enum cudacpu_atomic_kind kind, int *p, int value, int compare);
unsigned cudacpu_atomic_uint(enum cudacpu_atomic_kind kind, unsigned *p, unsigned value, unsigned compare);
uint64_t cudacpu_atomic_uint64(enum cudacpu_atomic_kind kind, uint64_t *p, uint64_t value, uint64_t compare);

void cudacpu_trap(const char *file, int line);
void cudacpu_wait_for_launch(void);

cudaError_t cudacpu_launch(const cudaLaunchConfig_t *config, const void *kernel, void (*call)(void *), void *arguments,
                           size_t arguments_bytes, void (*destroy)(void *));
}

/* Where a call stands in the kernel, for reports. */
#define CUDACPU_HERE const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define CUDACPU_DEVICE static __forceinline__

/* -------------------------------------------------------------------------- barriers and fences */

CUDACPU_DEVICE void __syncthreads(CUDACPU_HERE)
{
  cudacpu_barrier(CUDACPU_BARRIER, 0, file, line);
}
CUDACPU_DEVICE int __syncthreads_count(int predicate, CUDACPU_HERE)
{
  return cudacpu_barrier(CUDACPU_BARRIER_COUNT, predicate, file, line);
}
CUDACPU_DEVICE int __syncthreads_and(int predicate, CUDACPU_HERE)
{
  return cudacpu_barrier(CUDACPU_BARRIER_AND, predicate, file, line);
}
CUDACPU_DEVICE int __syncthreads_or(int predicate, CUDACPU_HERE)
{
  return cudacpu_barrier(CUDACPU_BARRIER_OR, predicate, file, line);
}
/* Fences order a thread's own accesses, which one processor does anyway; the compiler must not move
 * them either. */
CUDACPU_DEVICE void __threadfence_block()
{
  __asm__ volatile("" ::: "memory");
}
CUDACPU_DEVICE void __threadfence()
{
  __asm__ volatile("" ::: "memory");
}
CUDACPU_DEVICE void __threadfence_system()
{
  __asm__ volatile("" ::: "memory");
}
/* Until the launches before a kernel that begins early have ended. */
CUDACPU_DEVICE void cudaGridDependencySynchronize()
{
  cudacpu_wait_for_launch();
}
CUDACPU_DEVICE void __trap(CUDACPU_HERE)
{
  cudacpu_trap(file, line);
}

/* ------------------------------------------------------------------------------------- clusters */

/* All of a cluster's threads (kernels/cluster.cuh). */
CUDACPU_DEVICE void cluster_sync(CUDACPU_HERE)
{
  cudacpu_cluster_sync(file, line);
}
CUDACPU_DEVICE unsigned cluster_rank()
{
  return cudacpu_cluster_rank();
}
template <typename T> CUDACPU_DEVICE T *cluster_shared(T *own, unsigned rank, CUDACPU_HERE)
{
  return (T *)cudacpu_cluster_map((const void *)own, rank, file, line);
}

/* ---------------------------------------------------------------------------------------- warps */

CUDACPU_DEVICE void __syncwarp(unsigned mask = 0xffffffffu, CUDACPU_HERE)
{
  cudacpu_warp(CUDACPU_SYNCWARP, mask, 0, 0, 32, file, line);
}

template <typename T>
CUDACPU_DEVICE T cudacpu_shuffle(cudacpu_warp_kind kind, unsigned mask, T value, int operand, int width,
                                 const char *file, int line)
{
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shuffles move 4 or 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = cudacpu_warp(kind, mask, bits, operand, width, file, line);
  memcpy(&value, &bits, sizeof value);
  return value;
}
template <typename T> CUDACPU_DEVICE T __shfl_sync(unsigned mask, T value, int source, int width = 32, CUDACPU_HERE)
{
  return cudacpu_shuffle(CUDACPU_SHFL, mask, value, source, width, file, line);
}
template <typename T>
CUDACPU_DEVICE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, CUDACPU_HERE)
{
  return cudacpu_shuffle(CUDACPU_SHFL_UP, mask, value, (int)delta, width, file, line);
}
template <typename T>
CUDACPU_DEVICE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, CUDACPU_HERE)
{
  return cudacpu_shuffle(CUDACPU_SHFL_DOWN, mask, value, (int)delta, width, file, line);
}
template <typename T>
CUDACPU_DEVICE T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, CUDACPU_HERE)
{
  return cudacpu_shuffle(CUDACPU_SHFL_XOR, mask, value, lane_mask, width, file, line);
}
CUDACPU_DEVICE unsigned __ballot_sync(unsigned mask, int predicate, CUDACPU_HERE)
{
  return (unsigned)cudacpu_warp(CUDACPU_BALLOT, mask, predicate != 0, 0, 32, file, line);
}
CUDACPU_DEVICE int __any_sync(unsigned mask, int predicate, CUDACPU_HERE)
{
  return (int)cudacpu_warp(CUDACPU_ANY, mask, predicate != 0, 0, 32, file, line);
}
CUDACPU_DEVICE int __all_sync(unsigned mask, int predicate, CUDACPU_HERE)
{
  return (int)cudacpu_warp(CUDACPU_ALL, mask, predicate != 0, 0, 32, file, line);
}
template <typename T> CUDACPU_DEVICE unsigned __match_any_sync(unsigned mask, T value, CUDACPU_HERE)
{
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "matches compare 4 or 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  return (unsigned)cudacpu_warp(CUDACPU_MATCH_ANY, mask, bits, 0, 32, file, line);
}

#define CUDACPU_REDUCTION(name, type, kind)                                                                            \
  CUDACPU_DEVICE type name(unsigned mask, type value, CUDACPU_HERE)                                                    \
  {                                                                                                                    \
    return (type)cudacpu_warp(kind, mask, (uint64_t)value, 0, 32, file, line);                                         \
  }
CUDACPU_REDUCTION(__reduce_add_sync, unsigned, CUDACPU_REDUCE_ADD)
CUDACPU_REDUCTION(__reduce_add_sync, int, CUDACPU_REDUCE_ADD)
CUDACPU_REDUCTION(__reduce_min_sync, unsigned, CUDACPU_REDUCE_MIN_UNSIGNED)
CUDACPU_REDUCTION(__reduce_min_sync, int, CUDACPU_REDUCE_MIN)
CUDACPU_REDUCTION(__reduce_max_sync, unsigned, CUDACPU_REDUCE_MAX_UNSIGNED)
CUDACPU_REDUCTION(__reduce_max_sync, int, CUDACPU_REDUCE_MAX)
CUDACPU_REDUCTION(__reduce_and_sync, unsigned, CUDACPU_REDUCE_AND)
CUDACPU_REDUCTION(__reduce_or_sync, unsigned, CUDACPU_REDUCE_OR)
CUDACPU_REDUCTION(__reduce_xor_sync, unsigned, CUDACPU_REDUCE_XOR)
#undef CUDACPU_REDUCTION

/* -------------------------------------------------------------------------------------- atomics */

/* On integers only: a sum of floats in the order in which threads come is not the same from run to
 * run. */
#define CUDACPU_ATOMIC(name, kind)                                                                                     \
  CUDACPU_DEVICE int name(int *p, int value)                                                                           \
  {                                                                                                                    \
    return cudacpu_atomic_int(kind, p, value, 0);                                                                      \
  }                                                                                                                    \
  CUDACPU_DEVICE unsigned name(unsigned *p, unsigned value)                                                            \
  {                                                                                                                    \
    return cudacpu_atomic_uint(kind, p, value, 0);                                                                     \
  }                                                                                                                    \
  CUDACPU_DEVICE unsigned long long name(unsigned long long *p, unsigned long long value)                              \
  {                                                                                                                    \
    return cudacpu_atomic_uint64(kind, (uint64_t *)p, value, 0);                                                       \
  }
CUDACPU_ATOMIC(atomicAdd, CUDACPU_ATOMIC_ADD)
CUDACPU_ATOMIC(atomicExch, CUDACPU_ATOMIC_EXCH)
CUDACPU_ATOMIC(atomicMin, CUDACPU_ATOMIC_MIN)
CUDACPU_ATOMIC(atomicMax, CUDACPU_ATOMIC_MAX)
CUDACPU_ATOMIC(atomicAnd, CUDACPU_ATOMIC_AND)
CUDACPU_ATOMIC(atomicOr, CUDACPU_ATOMIC_OR)
CUDACPU_ATOMIC(atomicXor, CUDACPU_ATOMIC_XOR)
#undef CUDACPU_ATOMIC
CUDACPU_DEVICE int atomicSub(int *p, int value)
{
  return cudacpu_atomic_int(CUDACPU_ATOMIC_ADD, p, (int)-(unsigned)value, 0);
}
CUDACPU_DEVICE unsigned atomicSub(unsigned *p, unsigned value)
{
  return cudacpu_atomic_uint(CUDACPU_ATOMIC_ADD, p, -value, 0);
}
CUDACPU_DEVICE unsigned atomicInc(unsigned *p, unsigned limit)
{
  return cudacpu_atomic_uint(CUDACPU_ATOMIC_INC, p, limit, 0);
}
CUDACPU_DEVICE unsigned atomicDec(unsigned *p, unsigned limit)
{
  return cudacpu_atomic_uint(CUDACPU_ATOMIC_DEC, p, limit, 0);
}
CUDACPU_DEVICE int atomicCAS(int *p, int compare, int value)
{
  return cudacpu_atomic_int(CUDACPU_ATOMIC_CAS, p, value, compare);
}
CUDACPU_DEVICE unsigned atomicCAS(unsigned *p, unsigned compare, unsigned value)
{
  return cudacpu_atomic_uint(CUDACPU_ATOMIC_CAS, p, value, compare);
}
CUDACPU_DEVICE unsigned long long atomicCAS(unsigned long long *p, unsigned long long compare, unsigned long long value)
{
  return cudacpu_atomic_uint64(CUDACPU_ATOMIC_CAS, (uint64_t *)p, value, compare);
}

/* ---------------------------------------------------------------------------- loads with a hint */

#define CUDACPU_LOAD(name)                                                                                             \
  template <typename T> CUDACPU_DEVICE T name(const T *p)                                                              \
  {                                                                                                                    \
    return *p;                                                                                                         \
  }
#define CUDACPU_STORE(name)                                                                                            \
  template <typename T> CUDACPU_DEVICE void name(T *p, T value)                                                        \
  {                                                                                                                    \
    *p = value;                                                                                                        \
  }
CUDACPU_LOAD(__ldg)
CUDACPU_LOAD(__ldca)
CUDACPU_LOAD(__ldcg)
CUDACPU_LOAD(__ldcs)
CUDACPU_LOAD(__ldlu)
CUDACPU_LOAD(__ldcv)
CUDACPU_STORE(__stwb)
CUDACPU_STORE(__stcg)
CUDACPU_STORE(__stcs)
CUDACPU_STORE(__stwt)
#undef CUDACPU_LOAD
#undef CUDACPU_STORE

/* ------------------------------------------------------------------------------------- launches */

/* A kernel and its arguments, by value, as a launch keeps them. */
template <typename... P> struct cudacpu_call {
  void (*kernel)(P...);
  std::tuple<P...> arguments;

  static void run(void *self)
  {
    struct cudacpu_call *c = (struct cudacpu_call *)self;
    std::apply(c->kernel, c->arguments);
  }
  static void destroy(void *self)
  {
    delete (struct cudacpu_call *)self;
  }
};

template <typename... P, typename... A>
static inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(P...), A &&...arguments)
{
  static_assert(sizeof(std::tuple<P...>) <= 32764, "a kernel's parameters take at most 32,764 bytes");
  auto *c = new cudacpu_call<P...>{kernel, std::tuple<P...>(std::forward<A>(arguments)...)};
  return cudacpu_launch(config, (const void *)kernel, c->run, c, sizeof *c, c->destroy);
}

#endif
