/* CUDA on the CPU: what a warp computes together: shuffles, votes, matches, reductions, products of
 * small matrices.
 *
 * By the PTX manual (shfl.sync, vote.sync, match.sync, redux.sync), with each lane's request in
 * hand. */
#define CUDACPU_RUNTIME
#include "tests/cudacpu/include/device.h"
#include "tests/cudacpu/runtime/internal.h"

#include <string.h>

namespace cudacpu
{

const char *warp_operation_name(int kind)
{
  static const char *const names[] = {
      "__syncwarp",        "__shfl_sync",       "__shfl_up_sync",    "__shfl_down_sync",  "__shfl_xor_sync",
      "__ballot_sync",     "__any_sync",        "__all_sync",        "__match_any_sync",  "__reduce_add_sync",
      "__reduce_min_sync", "__reduce_max_sync", "__reduce_min_sync", "__reduce_max_sync", "__reduce_and_sync",
      "__reduce_or_sync",  "__reduce_xor_sync", "mma_sync (TF32)",   "mma.sync (TF32)",   "mma_sync (FP64)",
      "mma.sync (FP64)"};
  return names[kind];
}

/* The lane whose value lane l gets. */
static unsigned shuffle_source(const struct warp_operation *o, unsigned l)
{
  unsigned width = (unsigned)o->width, first = l & ~(width - 1), n = (unsigned)o->operand;
  switch (o->kind) {
  case CUDACPU_SHFL:
    return first + (n & (width - 1));
  case CUDACPU_SHFL_UP:
    return l < first + n || n > 31 ? l : l - n;
  case CUDACPU_SHFL_DOWN:
    return n > 31 || l + n > first + width - 1 ? l : l + n;
  default:
    return (l ^ n) > first + width - 1 ? l : l ^ n;
  }
}

static uint64_t reduce(int kind, uint64_t x, uint64_t y)
{
  uint32_t a = (uint32_t)x, b = (uint32_t)y;
  switch (kind) {
  case CUDACPU_REDUCE_ADD:
    return a + b;
  case CUDACPU_REDUCE_MIN:
    return (uint32_t)((int32_t)a < (int32_t)b ? a : b);
  case CUDACPU_REDUCE_MAX:
    return (uint32_t)((int32_t)a > (int32_t)b ? a : b);
  case CUDACPU_REDUCE_MIN_UNSIGNED:
    return a < b ? a : b;
  case CUDACPU_REDUCE_MAX_UNSIGNED:
    return a > b ? a : b;
  case CUDACPU_REDUCE_AND:
    return a & b;
  case CUDACPU_REDUCE_OR:
    return a | b;
  default:
    return a ^ b;
  }
}

/* Which element of a matrix [rows][columns] lane l holds as its i-th.  Of wmma's the n that begin
 * at l·n; of mma.sync's, with g = l / 4 and t = l % 4 (PTX ISA, "Matrix Fragments for
 * mma.m16n8k8"): A (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4); B (t, g), (t + 4, g);
 * C (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1). */
struct by_lanes {
  template <int count> static int a(int l, int i)
  {
    return l * count + i;
  }
  template <int count> static int b(int l, int i)
  {
    return l * count + i;
  }
  template <int count> static int c(int l, int i)
  {
    return l * count + i;
  }
};
struct by_fragments {
  template <int> static int a(int l, int i)
  {
    return (l / 4 + i % 2 * 8) * 8 + l % 4 + i / 2 * 4;
  }
  template <int> static int b(int l, int i)
  {
    return (l % 4 + 4 * i) * 8 + l / 4;
  }
  template <int> static int c(int l, int i)
  {
    return (l / 4 + i / 2 * 8) * 8 + l % 4 * 2 + i % 2;
  }
};

/* D = A · B + C, [M][K] · [K][N] + [M][N]. */
template <typename T, int M, int N, int K, class Place = by_lanes>
static void multiply(struct warp_operation *const lane[32])
{
  constexpr int A = M * K / 32, B = K * N / 32, C = M * N / 32; /* of a lane */
  T a[M * K], b[K * N], c[M * N];
  for (int l = 0; l < 32; l++) {
    for (int i = 0; i < A; i++) a[Place::template a<A>(l, i)] = ((const T *)lane[l]->a)[i];
    for (int i = 0; i < B; i++) b[Place::template b<B>(l, i)] = ((const T *)lane[l]->b)[i];
    for (int i = 0; i < C; i++) c[Place::template c<C>(l, i)] = ((const T *)lane[l]->c)[i];
  }
  if (sizeof(T) == 4) {
    uint32_t low = 0, bits[M * K + K * N];
    memcpy(bits, a, sizeof(float) * M * K);
    memcpy(bits + M * K, b, sizeof(float) * K * N);
    for (int i = 0; i < M * K + K * N; i++) low |= bits[i] & 0x1fffu;
    if (low) {
      report(CUDACPU_NOT_ROUNDED, {lane[0]->file, lane[0]->line, NULL},
             "%s of an operand that is not TF32: __float_to_tf32 has been forgotten",
             warp_operation_name(lane[0]->kind));
      for (int i = 0; i < M * K + K * N; i++) bits[i] &= ~0x1fffu;
      memcpy(a, bits, sizeof(float) * M * K);
      memcpy(b, bits + M * K, sizeof(float) * K * N);
    }
  }
  for (int m = 0; m < M; m++)
    for (int k = 0; k < K; k++)
      for (int n = 0; n < N; n++) {
        if (sizeof(T) == 4)
          c[m * N + n] += a[m * K + k] * b[k * N + n]; /* the product is exact */
        else
          c[m * N + n] = (T)__builtin_fma(a[m * K + k], b[k * N + n], c[m * N + n]);
      }
  for (int l = 0; l < 32; l++)
    for (int i = 0; i < C; i++) ((T *)lane[l]->d)[i] = c[Place::template c<C>(l, i)];
}

int warp_compute(struct warp_operation *const lane[32], unsigned lanes)
{
  int kind = lane[__builtin_ctz(lanes)]->kind;
  uint64_t votes = 0, all = 0;
  bool begun = false;
  switch (kind) {
  case CUDACPU_SYNCWARP:
    break;

  case CUDACPU_SHFL:
  case CUDACPU_SHFL_UP:
  case CUDACPU_SHFL_DOWN:
  case CUDACPU_SHFL_XOR:
    for (unsigned l = 0; l < 32; l++) {
      if (!(lanes >> l & 1)) continue;
      unsigned source = shuffle_source(lane[l], l);
      if (source > 31 || !(lanes >> source & 1)) return (int)l;
      lane[l]->result = lane[source]->value;
    }
    break;

  case CUDACPU_BALLOT:
  case CUDACPU_ANY:
  case CUDACPU_ALL:
    for (unsigned l = 0; l < 32; l++)
      if (lanes >> l & 1 && lane[l]->value) votes |= 1u << l;
    for (unsigned l = 0; l < 32; l++)
      if (lanes >> l & 1)
        lane[l]->result = kind == CUDACPU_BALLOT ? votes : kind == CUDACPU_ANY ? votes != 0 : votes == lanes;
    break;

  case CUDACPU_MATCH_ANY:
    for (unsigned l = 0; l < 32; l++) {
      if (!(lanes >> l & 1)) continue;
      lane[l]->result = 0;
      for (unsigned m = 0; m < 32; m++)
        if (lanes >> m & 1 && lane[m]->value == lane[l]->value) lane[l]->result |= 1u << m;
    }
    break;

  case CUDACPU_MMA_TF32:
  case CUDACPU_MMA_TF32_REGISTERS:
  case CUDACPU_MMA_F64:
  case CUDACPU_MMA_F64_REGISTERS:
    if (lanes != ~0u) { /* of a block that is not whole warps, or a lane has ended */
      report(CUDACPU_DIVERGENCE, {lane[__builtin_ctz(lanes)]->file, lane[__builtin_ctz(lanes)]->line, NULL},
             "mma_sync with %d of the warp's 32 lanes", __builtin_popcount(lanes));
      abort_launch(cudaErrorLaunchFailure);
    }
    if (kind == CUDACPU_MMA_TF32)
      multiply<float, 16, 16, 8>(lane);
    else if (kind == CUDACPU_MMA_TF32_REGISTERS)
      multiply<float, 16, 8, 8, by_fragments>(lane);
    else if (kind == CUDACPU_MMA_F64_REGISTERS)
      multiply<double, 16, 8, 8, by_fragments>(lane);
    else
      multiply<double, 8, 8, 4>(lane);
    break;

  default: /* reductions */
    for (unsigned l = 0; l < 32; l++) {
      if (!(lanes >> l & 1)) continue;
      all = begun ? reduce(kind, all, lane[l]->value) : (uint32_t)lane[l]->value;
      begun = true;
    }
    for (unsigned l = 0; l < 32; l++)
      if (lanes >> l & 1) lane[l]->result = all;
  }
  return -1;
}

/* -------------------------------------------------------------------------------------- atomics */

template <typename T> static T atomic(enum cudacpu_atomic_kind kind, T *p, T value, T compare, const void *pc)
{
  if (checker) checker->atomic(p, sizeof *p, pc);
  T old = *p;
  switch (kind) {
  case CUDACPU_ATOMIC_ADD:
    *p = (T)((uint64_t)old + (uint64_t)value);
    break;
  case CUDACPU_ATOMIC_EXCH:
    *p = value;
    break;
  case CUDACPU_ATOMIC_MIN:
    *p = value < old ? value : old;
    break;
  case CUDACPU_ATOMIC_MAX:
    *p = value > old ? value : old;
    break;
  case CUDACPU_ATOMIC_AND:
    *p = old & value;
    break;
  case CUDACPU_ATOMIC_OR:
    *p = old | value;
    break;
  case CUDACPU_ATOMIC_XOR:
    *p = old ^ value;
    break;
  case CUDACPU_ATOMIC_INC:
    *p = old >= value ? 0 : old + 1;
    break;
  case CUDACPU_ATOMIC_DEC:
    *p = old == 0 || old > value ? value : old - 1;
    break;
  case CUDACPU_ATOMIC_CAS:
    *p = old == compare ? value : old;
    break;
  }
  return old;
}

extern "C" int cudacpu_atomic_int(enum cudacpu_atomic_kind kind, int *p, int value, int compare)
{
  return atomic(kind, p, value, compare, __builtin_return_address(0));
}
extern "C" unsigned cudacpu_atomic_uint(enum cudacpu_atomic_kind kind, unsigned *p, unsigned value, unsigned compare)
{
  return atomic(kind, p, value, compare, __builtin_return_address(0));
}
extern "C" uint64_t cudacpu_atomic_uint64(enum cudacpu_atomic_kind kind, uint64_t *p, uint64_t value, uint64_t compare)
{
  return atomic(kind, p, value, compare, __builtin_return_address(0));
}

/* ------------------------------------------------------------------------------- small services */

extern "C" void cudacpu_trap(const char *file, int line)
{
  report(CUDACPU_FAULT, {file, line, NULL}, "__trap()");
  abort_launch(cudaErrorLaunchFailure);
}

extern "C" void cudacpu_matrix_aligned(const void *p, size_t row_bytes, const char *file, int line)
{
  if ((uintptr_t)p % 32 == 0 && row_bytes % 16 == 0) return;
  report(CUDACPU_MISALIGNED, {file, line, NULL},
         "a matrix at %p with rows of %zu bytes: wmma wants it at a multiple of 32 bytes, rows of multiples of 16", p,
         row_bytes);
  abort_launch(cudaErrorMisalignedAddress);
}

extern "C" void *cudacpu_dynamic_shared(void)
{
  return dynamic_shared + current->rank * shared_stride();
}

} // namespace cudacpu
