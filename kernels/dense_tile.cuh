/* A block's tile of a dense layer's matrix product: 32 rows × 64 columns, 128 threads, 4 × 4 sums a
 * thread.
 *
 *   C[m][n] = Σ_k A[m][k] · B[k][n]
 *
 * The dense layers are small and wait more than they compute, so the tile differs from that of the
 * convolutions (gemm_tile.cuh): it is flatter, which gives a batch of 32 images more blocks, and a
 * slice is 64 deep, so that most products are one slice, all of whose twelve float4 a thread are on
 * their way at once.  The columns are those of the default 64 units.
 *
 * A and B are plain matrices in device memory, either of which may lie along the depth or across
 * it; outside of the product they count as zeros.
 *
 * In FP32 slices lie [k][place] in shared memory, and the quads of a row are exchanged by place / 4
 * ^ k / 4 % 8: without that, what lies along the depth would be written into one bank.  A thread
 * reads a float4 of each for 16 multiply-adds: three wavefronts of shared memory for four cycles of
 * arithmetic of a warp.  A sum is one chain of fmaf over the slice's k in order: the same bits as a
 * plain loop.
 *
 * In TF32 operands are rounded as they enter shared memory, where they lie as in device memory,
 * since tensor cores load either way; a warp multiplies 16 × 32; the sums are FP32 in the
 * hardware's order. */
#ifndef GSOS_DENSE_TILE_CUH
#define GSOS_DENSE_TILE_CUH

#include "kernels/gemm_tile.cuh"

enum { DENSE_ROWS = 32, DENSE_COLUMNS = 64, DENSE_DEPTH = 64, DENSE_THREADS = 128, DENSE_BLOCKS = 4 };

/* Of TF32 alone: 4 floats more than a row has, so that rows begin in other banks. */
enum {
  DENSE_A_STRIDE = DENSE_ROWS + 4,
  DENSE_B_STRIDE = DENSE_COLUMNS + 4,
  DENSE_DEPTH_STRIDE = DENSE_DEPTH + 4,
};

struct alignas(128) dense_shared {
  union {
    struct {
      float a[DENSE_DEPTH * DENSE_A_STRIDE]; /* or [DENSE_ROWS][DENSE_DEPTH_STRIDE], which is less */
      float b[DENSE_DEPTH * DENSE_B_STRIDE]; /* or the same transposed */
    } in;
    float out[DENSE_ROWS][DENSE_B_STRIDE];
  };
};

/* The thread's rows 4·dense_row() ... + 3 and columns 4·dense_column() ... + 3 of the tile. */
__device__ __forceinline__ int dense_row()
{
  return (int)threadIdx.x / (DENSE_COLUMNS / 4);
}
__device__ __forceinline__ int dense_column()
{
  return (int)threadIdx.x % (DENSE_COLUMNS / 4);
}

/* Where an operand lies: element (place, k), place being a row of A or a column of B, at
 * x[place·stride + k] along the depth, else at x[k·stride + place].  Places count from the tile's
 * first, of `places` that are there; along the depth, depths are multiples of 4, else places. */
struct dense_operand {
  const float *x;
  int stride, places;
};

/* One thread's part of a slice, PLACES × DENSE_DEPTH, on its way from device memory to shared. */
template <int PLACES, bool along_depth> struct dense_slice {
  static constexpr int QUADS = PLACES * DENSE_DEPTH / 4 / DENSE_THREADS;
  static constexpr int ROW = (along_depth ? DENSE_DEPTH : PLACES) / 4; /* quads of a row in device memory */
  static constexpr int STRIDE = along_depth ? DENSE_DEPTH_STRIDE : PLACES + 4;
  float4 quad[QUADS];

  static constexpr int APART = DENSE_THREADS / ROW; /* rows from one of a thread's quads to its next */
  __device__ __forceinline__ static int row(int i)
  {
    return (int)threadIdx.x / ROW + APART * i;
  }
  __device__ __forceinline__ static int column()
  {
    return (int)threadIdx.x % ROW * 4;
  }
  /* Depths first_k ... first_k + depth - 1; the slice is complete with zeros. */
  __device__ __forceinline__ void fetch(const dense_operand &o, int first_k, int depth)
  {
    const float *from =
        o.x + (along_depth ? (int64_t)first_k : (int64_t)first_k * o.stride) + column() + (int64_t)row(0) * o.stride;
    const int64_t apart = (int64_t)APART * o.stride;
    const int rows = along_depth ? o.places : depth, columns = along_depth ? depth : o.places;
    const int left = column() < columns ? rows - row(0) : 0;
    UNROLL
    for (int i = 0; i < QUADS; i++, from += apart) quad[i] = APART * i < left ? load4(from) : zero4();
  }
  template <bool tf32> __device__ __forceinline__ void put(float *to) const
  {
    UNROLL
    for (int i = 0; i < QUADS; i++) {
      const float4 x = quad[i];
      if (tf32)
        *(float4 *)(to + row(i) * STRIDE + column()) =
            make_float4(operand<true>(x.x), operand<true>(x.y), operand<true>(x.z), operand<true>(x.w));
      else if (along_depth) {
        const int k = column(), place = row(i);
        float *at = to + k * PLACES + 4 * (place / 4 ^ (k / 4 & 7)) + place % 4;
        at[0] = x.x;
        at[PLACES] = x.y;
        at[2 * PLACES] = x.z;
        at[3 * PLACES] = x.w;
      } else {
        const int k = row(i), place = column();
        *(float4 *)(to + k * PLACES + 4 * (place / 4 ^ (k / 4 & 7))) = x;
      }
    }
  }
};

/* ---- products of a slice --------------------------------------------------------------------- */

__device__ __forceinline__ void dense_multiply(float sum[4][4], const dense_shared &s, int depth)
{
  for (int k = 0; k < depth; k += 4) {
    const float *a = s.in.a + k * DENSE_ROWS + 4 * (dense_row() ^ (k / 4 & 7));
    const float *b = s.in.b + k * DENSE_COLUMNS + 4 * (dense_column() ^ (k / 4 & 7));
    UNROLL
    for (int kk = 0; kk < 4; kk++) {
      const float4 x = load4(a + kk * DENSE_ROWS), y = load4(b + kk * DENSE_COLUMNS);
      const float xs[4] = {x.x, x.y, x.z, x.w}, ys[4] = {y.x, y.y, y.z, y.w};
      UNROLL
      for (int i = 0; i < 4; i++) UNROLL
      for (int j = 0; j < 4; j++) sum[i][j] = fmaf(xs[i], ys[j], sum[i][j]);
    }
  }
}

template <bool along_depth> struct dense_fragments {
  typedef nvcuda::wmma::row_major a_layout; /* A lies [m][k] */
  typedef nvcuda::wmma::col_major b_layout; /* B lies [n][k] */
};
template <> struct dense_fragments<false> {
  typedef nvcuda::wmma::col_major a_layout;
  typedef nvcuda::wmma::row_major b_layout;
};
template <bool along_depth>
using dense_fragment_a = nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 8, nvcuda::wmma::precision::tf32,
                                                typename dense_fragments<along_depth>::a_layout>;
template <bool along_depth>
using dense_fragment_b = nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 8, nvcuda::wmma::precision::tf32,
                                                typename dense_fragments<along_depth>::b_layout>;
/* As load_fragment of gemm_tile.cuh, in the layouts that it has not. */
#ifdef __CUDACC__
#define DENSE_LOAD(type, instruction)                                                                                  \
  __device__ __forceinline__ void load_fragment(type &f, const float *p, unsigned stride)                              \
  {                                                                                                                    \
    unsigned x[4];                                                                                                     \
    asm volatile(instruction " {%0, %1, %2, %3}, [%4], %5;"                                                            \
                 : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])                                                      \
                 : "r"((unsigned)__cvta_generic_to_shared(p)), "r"(stride)                                             \
                 : "memory");                                                                                          \
    UNROLL                                                                                                             \
    for (int i = 0; i < 4; i++) f.x[i] = __uint_as_float(x[i]);                                                        \
  }
DENSE_LOAD(dense_fragment_a<true>, "wmma.load.a.sync.aligned.row.m16n16k8.shared.tf32")
DENSE_LOAD(dense_fragment_b<true>, "wmma.load.b.sync.aligned.col.m16n16k8.shared.tf32")
#undef DENSE_LOAD
#endif

/* A warp's 16 × 32 of the tile: rows and columns from these on. */
__device__ __forceinline__ int warp_row()
{
  return (int)threadIdx.x / 64 * 16;
}
__device__ __forceinline__ int warp_column()
{
  return (int)threadIdx.x / 32 % 2 * 32;
}

template <bool a_along, bool b_along>
__device__ __forceinline__ void dense_multiply_tf32(fragment_c c[2], const dense_shared &s, int depth)
{
  for (int k = 0; k < depth; k += 8) {
    dense_fragment_a<a_along> fa;
    dense_fragment_b<b_along> fb;
    load_fragment(fa, s.in.a + (a_along ? warp_row() * DENSE_DEPTH_STRIDE + k : k * DENSE_A_STRIDE + warp_row()),
                  a_along ? DENSE_DEPTH_STRIDE : DENSE_A_STRIDE);
    UNROLL
    for (int j = 0; j < 2; j++) {
      const int column = warp_column() + 16 * j;
      load_fragment(fb, s.in.b + (b_along ? column * DENSE_DEPTH_STRIDE + k : k * DENSE_B_STRIDE + column),
                    b_along ? DENSE_DEPTH_STRIDE : DENSE_B_STRIDE);
      nvcuda::wmma::mma_sync(c[j], fa, fb, c[j]);
    }
  }
}

/* ---- the tile -------------------------------------------------------------------------------- */

/* Element (k, column) of a slice of B that lies across the depth. */
template <bool tf32> __device__ __forceinline__ float dense_b(const float *b, int k, int column)
{
  return tf32 ? b[k * DENSE_B_STRIDE + column] : b[k * DENSE_COLUMNS + 4 * (column / 4 ^ (k / 4 & 7)) + column % 4];
}

/* Depths begin ... end - 1.  column_sums: *column_sum becomes Σ_k B[k][thread], as operands are
 * rounded, of B that lies across the depth; for threads below DENSE_COLUMNS. */
template <bool tf32, bool a_along, bool b_along>
__device__ __forceinline__ void dense_tile(const dense_operand &a, const dense_operand &b, int begin, int end,
                                           float sum[4][4], dense_shared &s, bool column_sums = false,
                                           float *column_sum = nullptr)
{
  dense_slice<DENSE_ROWS, a_along> of_a;
  dense_slice<DENSE_COLUMNS, b_along> of_b;
  fragment_c c[2];
  UNROLL
  for (int i = 0; i < 4; i++) UNROLL
  for (int j = 0; j < 4; j++) sum[i][j] = 0;
  if constexpr (tf32) UNROLL
  for (int i = 0; i < 2; i++) nvcuda::wmma::fill_fragment(c[i], 0.0f);
  float column = 0;
  of_a.fetch(a, begin, end - begin);
  of_b.fetch(b, begin, end - begin);
  for (int k = begin; k < end; k += DENSE_DEPTH) {
    const int depth = end - k < DENSE_DEPTH ? end - k : DENSE_DEPTH;
    of_a.template put<tf32>(s.in.a);
    of_b.template put<tf32>(s.in.b);
    __syncthreads();
    if (k + DENSE_DEPTH < end) {
      of_a.fetch(a, k + DENSE_DEPTH, end - k - DENSE_DEPTH);
      of_b.fetch(b, k + DENSE_DEPTH, end - k - DENSE_DEPTH);
    }
    if constexpr (tf32)
      dense_multiply_tf32<a_along, b_along>(c, s, depth);
    else
      dense_multiply(sum, s, depth);
    if (!b_along && column_sums && threadIdx.x < DENSE_COLUMNS)
      for (int i = 0; i < depth; i++) column += dense_b<tf32>(s.in.b, i, (int)threadIdx.x);
    __syncthreads();
  }
  if (column_sum) *column_sum = column;
  if constexpr (tf32) {
    UNROLL
    for (int j = 0; j < 2; j++) store_fragment(&s.out[warp_row()][warp_column() + 16 * j], c[j], DENSE_B_STRIDE);
    __syncthreads();
    UNROLL
    for (int i = 0; i < 4; i++) {
      const float4 y = load4(&s.out[4 * dense_row() + i][4 * dense_column()]);
      sum[i][0] = y.x, sum[i][1] = y.y, sum[i][2] = y.z, sum[i][3] = y.w;
    }
  }
}

#endif
