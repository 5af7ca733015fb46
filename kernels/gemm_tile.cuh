/* A block's tile of a matrix product: 64 rows × 32 columns, 128 threads, 4 × 4 sums a thread.
 *
 *   C[m][n] = Σ_k A[m][k] · B[k][n]
 *
 * A and B are *operands*: small structs that fetch four neighbouring elements at a time from
 * wherever they lie (a convolution's input around a pixel, a gradient behind a max pool), so that
 * no matrix is ever written out.  An operand says along which of its indices the four lie
 * (`along_depth`), which is how it is read fastest.  Outside of the product it gives zeros.
 *
 * Each round brings 16 deep slices of both into shared memory, [k][m] and [k][n], while the slices
 * of the next round are already on their way into registers.  Every thread reads a float4 of each
 * for 16 multiply-adds, two wavefronts of shared memory for four cycles of arithmetic of a warp.
 * 64 × 32 because the networks' layers have 32 filters: a block computes all of them, and the 64
 * rows are 16 pooling windows of four, each within one thread.
 *
 * In FP32 a sum is one chain of fmaf over k = 0, 1, ...: the same bits as a plain loop.  In TF32
 * operands are rounded as they enter shared memory and a warp multiplies 16 × 32 by tensor cores;
 * the sums are FP32 in the hardware's order. */
#ifndef GSOS_GEMM_TILE_CUH
#define GSOS_GEMM_TILE_CUH

#include <cuda_runtime.h>
#include <mma.h>

#include "kernels/launch.h"
#include "kernels/step.h"

/* A row of 64 or 32 floats, and 4 more: rows begin in other banks, and float4 stays aligned. */
enum { TILE_A_STRIDE = TILE_ROWS + 4, TILE_B_STRIDE = TILE_COLUMNS + 4 };

/* Blocks that a multiprocessor holds at least: 96 registers a thread in FP32; tensor cores and the
 * more complicated operands want 128. */
enum { TILE_BLOCKS = 5, TILE_BLOCKS_WIDE = 4 };

/* Tensor cores load from addresses that 32 divides. */
union alignas(32) gemm_shared {
  struct {
    float a[TILE_DEPTH][TILE_A_STRIDE];
    float b[TILE_DEPTH][TILE_B_STRIDE];
  } in;
  float out[TILE_ROWS][TILE_B_STRIDE];
};

/* The thread's rows 4·tile_row() ... + 3 and columns 4·tile_column() ... + 3 of the tile. */
__device__ __forceinline__ int tile_row()
{
  return (int)threadIdx.x / (TILE_COLUMNS / 4);
}
__device__ __forceinline__ int tile_column()
{
  return (int)threadIdx.x % (TILE_COLUMNS / 4);
}

/* The places that a thread fetches from A (two of them) and from B: row or column within the tile,
 * and depth within the round. */
template <bool along_depth> __device__ __forceinline__ int fetch_row(int which)
{
  int i = (int)threadIdx.x + TILE_THREADS * which;
  return along_depth ? i / (TILE_DEPTH / 4) : i % (TILE_ROWS / 4) * 4;
}
template <bool along_depth> __device__ __forceinline__ int fetch_depth_a(int which)
{
  int i = (int)threadIdx.x + TILE_THREADS * which;
  return along_depth ? i % (TILE_DEPTH / 4) * 4 : i / (TILE_ROWS / 4);
}
template <bool along_depth> __device__ __forceinline__ int fetch_column()
{
  int i = (int)threadIdx.x;
  return along_depth ? i / (TILE_DEPTH / 4) : i % (TILE_COLUMNS / 4) * 4;
}
template <bool along_depth> __device__ __forceinline__ int fetch_depth_b()
{
  int i = (int)threadIdx.x;
  return along_depth ? i % (TILE_DEPTH / 4) * 4 : i / (TILE_COLUMNS / 4);
}

template <bool tf32> __device__ __forceinline__ float operand(float x)
{
  return tf32 ? nvcuda::wmma::__float_to_tf32(x) : x;
}

template <bool tf32, bool along_depth, int stride>
__device__ __forceinline__ void put(float (*to)[stride], int depth, int place, float4 x)
{
  if (along_depth) {
    to[depth][place] = operand<tf32>(x.x);
    to[depth + 1][place] = operand<tf32>(x.y);
    to[depth + 2][place] = operand<tf32>(x.z);
    to[depth + 3][place] = operand<tf32>(x.w);
  } else {
    float4 y = make_float4(operand<tf32>(x.x), operand<tf32>(x.y), operand<tf32>(x.z), operand<tf32>(x.w));
    *(float4 *)&to[depth][place] = y;
  }
}

/* Fragments from shared memory and to it.  wmma::load_matrix_sync takes a generic address, and what
 * it becomes are generic loads, which look for the kind of memory each time; these name the shared
 * memory, with an address of 32 bits (PTX, wmma.load, wmma.store). */
typedef nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 8, nvcuda::wmma::precision::tf32,
                               nvcuda::wmma::col_major>
    fragment_a;
typedef nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 8, nvcuda::wmma::precision::tf32,
                               nvcuda::wmma::row_major>
    fragment_b;
typedef nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 8, float> fragment_c;
#ifdef __CUDACC__
__device__ __forceinline__ void load_fragment(fragment_a &f, const float *p, unsigned stride)
{
  unsigned x[4];
  asm volatile("wmma.load.a.sync.aligned.col.m16n16k8.shared.tf32 {%0, %1, %2, %3}, [%4], %5;"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"((unsigned)__cvta_generic_to_shared(p)), "r"(stride)
               : "memory");
  UNROLL
  for (int i = 0; i < 4; i++) f.x[i] = __uint_as_float(x[i]);
}
__device__ __forceinline__ void load_fragment(fragment_b &f, const float *p, unsigned stride)
{
  unsigned x[4];
  asm volatile("wmma.load.b.sync.aligned.row.m16n16k8.shared.tf32 {%0, %1, %2, %3}, [%4], %5;"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"((unsigned)__cvta_generic_to_shared(p)), "r"(stride)
               : "memory");
  UNROLL
  for (int i = 0; i < 4; i++) f.x[i] = __uint_as_float(x[i]);
}
__device__ __forceinline__ void store_fragment(float *p, const fragment_c &f, unsigned stride)
{
  asm volatile("wmma.store.d.sync.aligned.row.m16n16k8.shared.f32 [%0], {%1, %2, %3, %4, %5, %6, %7, %8}, %9;"
               :
               : "r"((unsigned)__cvta_generic_to_shared(p)), "f"(f.x[0]), "f"(f.x[1]), "f"(f.x[2]), "f"(f.x[3]),
                 "f"(f.x[4]), "f"(f.x[5]), "f"(f.x[6]), "f"(f.x[7]), "r"(stride)
               : "memory");
}
#else
#define load_fragment nvcuda::wmma::load_matrix_sync
#define store_fragment(p, f, stride) nvcuda::wmma::store_matrix_sync(p, f, stride, nvcuda::wmma::mem_row_major)
#endif

/* An operand A has: along_depth;  fetch(which, k): elements at fetch_row(which) of the tile and
 * depth k (four deep, or four rows).  An operand B has: along_depth;  fetch(k): at fetch_column()
 * and depth k.  Both are made for the tile that is computed. */
template <bool tf32, class A, class B>
__device__ void gemm_tile(const A &a, const B &b, int depth, float sum[4][4], gemm_shared &s)
{
  using namespace nvcuda;
  UNROLL
  for (int i = 0; i < 4; i++) UNROLL
  for (int j = 0; j < 4; j++) sum[i][j] = 0;
  fragment_c c[2];
  if constexpr (tf32) UNROLL
  for (int i = 0; i < 2; i++) wmma::fill_fragment(c[i], 0.0f);

  const int row0 = fetch_row<A::along_depth>(0), row1 = fetch_row<A::along_depth>(1);
  const int deep0 = fetch_depth_a<A::along_depth>(0), deep1 = fetch_depth_a<A::along_depth>(1);
  const int column = fetch_column<B::along_depth>(), deep = fetch_depth_b<B::along_depth>();
  float4 a0 = a.fetch(0, deep0), a1 = a.fetch(1, deep1), b0 = b.fetch(deep);
  for (int k = 0; k < depth; k += TILE_DEPTH) {
    put<tf32, A::along_depth>(s.in.a, deep0, row0, a0);
    put<tf32, A::along_depth>(s.in.a, deep1, row1, a1);
    put<tf32, B::along_depth>(s.in.b, deep, column, b0);
    __syncthreads();
    if (k + TILE_DEPTH < depth) {
      a0 = a.fetch(0, k + TILE_DEPTH + deep0);
      a1 = a.fetch(1, k + TILE_DEPTH + deep1);
      b0 = b.fetch(k + TILE_DEPTH + deep);
    }
    if constexpr (tf32) {
      int warp = (int)threadIdx.x / 32;
      for (int kk = 0; kk < TILE_DEPTH; kk += 8) {
        fragment_a fa;
        fragment_b fb;
        load_fragment(fa, &s.in.a[kk][16 * warp], TILE_A_STRIDE);
        for (int j = 0; j < 2; j++) {
          load_fragment(fb, &s.in.b[kk][16 * j], TILE_B_STRIDE);
          wmma::mma_sync(c[j], fa, fb, c[j]);
        }
      }
    } else {
      UNROLL
      for (int kk = 0; kk < TILE_DEPTH; kk++) {
        float4 x = *(const float4 *)&s.in.a[kk][4 * tile_row()], y = *(const float4 *)&s.in.b[kk][4 * tile_column()];
        const float xs[4] = {x.x, x.y, x.z, x.w}, ys[4] = {y.x, y.y, y.z, y.w};
        UNROLL
        for (int i = 0; i < 4; i++) UNROLL
        for (int j = 0; j < 4; j++) sum[i][j] = fmaf(xs[i], ys[j], sum[i][j]);
      }
    }
    __syncthreads();
  }
  if constexpr (tf32) {
    for (int j = 0; j < 2; j++) store_fragment(&s.out[16 * ((int)threadIdx.x / 32)][16 * j], c[j], TILE_B_STRIDE);
    __syncthreads();
    UNROLL
    for (int i = 0; i < 4; i++) {
      float4 y = *(const float4 *)&s.out[4 * tile_row() + i][4 * tile_column()];
      sum[i][0] = y.x, sum[i][1] = y.y, sum[i][2] = y.z, sum[i][3] = y.w;
    }
  }
}

/* ---- operands that are plain matrices -------------------------------------------------------- */

__device__ __forceinline__ float4 zero4()
{
  return make_float4(0, 0, 0, 0);
}
__device__ __forceinline__ float4 load4(const float *p)
{
  return *(const float4 *)p;
}

/* A[m][k] = x[(row + m)·stride + k]; rows and depth as many as there are, depth a multiple of 4. */
struct matrix_rows {
  static constexpr bool along_depth = true;
  const float *row[2];
  int depth;
  __device__ matrix_rows(const float *x, int stride, int rows, int depth_, int first) : depth(depth_)
  {
    UNROLL
    for (int i = 0; i < 2; i++) {
      int m = first + fetch_row<true>(i);
      row[i] = m < rows ? x + (int64_t)m * stride : nullptr;
    }
  }
  __device__ float4 fetch(int which, int k) const
  {
    return row[which] && k < depth ? load4(row[which] + k) : zero4();
  }
};

/* A[m][k] = x[k·stride + row + m], and a row of ones below the last: the gradient of the biases.
 * rows is a multiple of 4. */
struct matrix_columns_and_ones {
  static constexpr bool along_depth = false;
  const float *x;
  int stride, depth;
  int kind[2]; /* 0: of the matrix, 1: begins with the ones, 2: beyond */
  int at[2];
  __device__ matrix_columns_and_ones(const float *x_, int stride_, int rows, int depth_, int first)
      : x(x_), stride(stride_), depth(depth_)
  {
    UNROLL
    for (int i = 0; i < 2; i++) {
      at[i] = first + fetch_row<false>(i);
      kind[i] = at[i] < rows ? 0 : at[i] == rows ? 1 : 2;
    }
  }
  __device__ float4 fetch(int which, int k) const
  {
    if (k >= depth || kind[which] == 2) return zero4();
    return kind[which] ? make_float4(1, 0, 0, 0) : load4(x + (int64_t)k * stride + at[which]);
  }
};

/* B[k][n] = x[k·stride + column + n]; columns a multiple of 4. */
struct matrix_plain {
  static constexpr bool along_depth = false;
  const float *x;
  int stride, depth;
  __device__ matrix_plain(const float *x_, int stride_, int columns, int depth_, int first)
      : x(x_ + first + fetch_column<false>()), stride(stride_),
        depth(first + fetch_column<false>() < columns ? depth_ : 0)
  {
  }
  __device__ float4 fetch(int k) const
  {
    return k < depth ? load4(x + (int64_t)k * stride) : zero4();
  }
};

/* B[k][n] = x[(column + n)·stride + k]: a transposed matrix; depth a multiple of 4. */
struct matrix_transposed {
  static constexpr bool along_depth = true;
  const float *x;
  int depth;
  __device__ matrix_transposed(const float *x_, int stride, int columns, int depth_, int first)
      : x(x_ + (int64_t)(first + fetch_column<true>()) * stride),
        depth(first + fetch_column<true>() < columns ? depth_ : 0)
  {
  }
  __device__ float4 fetch(int k) const
  {
    return k < depth ? load4(x + k) : zero4();
  }
};

/* ---- what every kernel begins and ends with -------------------------------------------------- */

/* The block's trial and tile; false where there is none.  Each lane looks at one trial: as many as
 * end before this block come before its own.  A warp has one load to wait for. */
__device__ __forceinline__ bool find_tile(const device_trial *trials, const device_tiles &tiles,
                                          const device_trial **trial, int *index)
{
  static_assert(COHORT_MAX == 32, "a lane looks at one trial");
  const int block = (int)blockIdx.x, end = tiles.first[threadIdx.x % 32 + 1], all = tiles.first[COHORT_MAX];
  wait_for_launch_before(); /* blocks without a trial, too; the host alone writes `first` */
  if (block >= all) return false;
  const int before = __popc(__ballot_sync(0xffffffffu, end <= block));
  const int first = __shfl_sync(0xffffffffu, end, before > 0 ? before - 1 : 0);
  *trial = &trials[before];
  *index = before > 0 ? block - first : block;
  return true;
}

/* As find_tile; false also where the trial takes no part. */
__device__ __forceinline__ bool take_tile(const device_trial *trials, const device_tiles &tiles, int least_phase,
                                          const device_trial **trial, int *index)
{
  if (!find_tile(trials, tiles, trial, index)) return false;
  int phase = (*trial)->state->phase;
  return least_phase == DEVICE_TRAIN ? phase == DEVICE_TRAIN : phase != DEVICE_IDLE;
}

/* Writes the part of a gradient that a tile has computed: rows first_row ... of a matrix [rows +
 * 1][columns]. */
__device__ __forceinline__ void store_partial(const device_trial *t, const device_matrix &m, int split, int first_row,
                                              int first_column, const float sum[4][4])
{
  int column = first_column + 4 * tile_column();
  if (column >= m.columns) return;
  float *to = t->partial + m.partial + (int64_t)split * (m.rows + 1) * m.columns + column;
  UNROLL
  for (int i = 0; i < 4; i++) {
    int row = first_row + 4 * tile_row() + i;
    if (row <= m.rows)
      *(float4 *)(to + (int64_t)row * m.columns) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
  }
}

__device__ __forceinline__ int divide(int n, device_divisor by)
{
  return (int)((__umulhi((uint32_t)n, by.multiplier) + (uint32_t)n) >> by.shift);
}

static inline __host__ __device__ int divide_up(int n, int by)
{
  return (n + by - 1) / by;
}

#endif
