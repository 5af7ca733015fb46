/* What the kernels of the Gaussian process share: the Matérn 5/2 kernel of two points, products of
 * FP64 tiles by a warp, and sums over a block in a fixed order. */
#ifndef GSOS_GP_BLOCK_CUH
#define GSOS_GP_BLOCK_CUH

#include <mma.h>

#include "kernels/gp.h"
#include "kernels/launch.h"

/* ---- the kernel function --------------------------------------------------------------------- */

__device__ __forceinline__ bool gp_is_categorical(const device_gp &g, int i)
{
  return g.categorical >> i & 1;
}

/* δ of a dimension: the square of the difference, of a categorical 0 or 1. */
template <bool CATEGORICAL> __device__ __forceinline__ double gp_distance(double a, double b)
{
  const double t = a - b;
  return CATEGORICAL ? (t != 0 ? 1.0 : 0.0) : t * t;
}

/* Of dimension i.  Where one dimension is that of many pairs, a branch over the loop that goes
 * through them is cheaper: both are computed here, and one is taken. */
__device__ __forceinline__ double gp_distance(const device_gp &g, int i, double a, double b)
{
  return gp_is_categorical(g, i) ? gp_distance<true>(a, b) : gp_distance<false>(a, b);
}

/* k = s (1 + u + u²/3) exp(-u), u = √5 r; *slope is dk/dr². */
__device__ __forceinline__ double gp_matern(double r2, double signal, double *slope)
{
  const double u = 2.2360679774997896964 * sqrt(r2), e = signal * exp(-u);
  *slope = -5.0 / 6.0 * (1.0 + u) * e;
  return (1.0 + u + u * u / 3.0) * e;
}

/* About 1/√x to 20 bits, x positive and normal: the hardware's. */
#ifdef CUDACPU
#define gp_rsqrt_approximate(x) cudacpu_rsqrt_approx(x)
#else
__device__ __forceinline__ double gp_rsqrt_approximate(double x)
{
  double y;
  asm("rsqrt.approx.ftz.f64 %0, %1;" : "=d"(y) : "d"(x));
  return y;
}
#endif

/* The same to the last bit or two, by one step of third order. */
__device__ __forceinline__ double gp_rsqrt(double x)
{
  const double y = gp_rsqrt_approximate(x), e = fma(-x * y, y, 1.0);
  return fma(y, fma(e, 0.375, 0.5) * e, y);
}

/* Where sums of squares begin that gp_matern_of_square is asked for, so that none is 0. */
#define GP_LEAST_SQUARE 1e-280

/* The same by q = 5 r² > 0, with signal 1, in 25 operations without a branch: √q by one step of
 * third order from the hardware's estimate, exp(-√q) by its Taylor polynomial of degree 12 on ±½
 * log 2, whose rest is below 2e-16.  What is beyond exp(-700) stays there.  *slope is dk/dr². */
__device__ __forceinline__ double gp_matern_of_square(double q, double *slope)
{
  const int most = 0x411de848; /* the high word of 490000 */
  q = __double2hiint(q) > most ? 490000.0 : q;
  const double y = gp_rsqrt_approximate(q), t = q * y, e = fma(-t, y, 1.0);
  const double u = fma(t, fma(e, 0.375, 0.5) * e, t);
  /* 1.5 · 2⁵²: what is added to it is rounded to an integer, whose bits are the low word */
  const double shifted = fma(u, -1.4426950408889634074, 6755399441055744.0), k = shifted - 6755399441055744.0;
  double r = fma(k, -6.93147180369123816490e-01, -u);
  r = fma(k, -1.90821492927058770002e-10, r);
  double p = 1.0 / 479001600;
  p = fma(p, r, 1.0 / 39916800);
  p = fma(p, r, 1.0 / 3628800);
  p = fma(p, r, 1.0 / 362880);
  p = fma(p, r, 1.0 / 40320);
  p = fma(p, r, 1.0 / 5040);
  p = fma(p, r, 1.0 / 720);
  p = fma(p, r, 1.0 / 120);
  p = fma(p, r, 1.0 / 24);
  p = fma(p, r, 1.0 / 6);
  p = fma(p, r, 0.5);
  p = fma(p, r, 1.0);
  p = fma(p, r, 1.0);
  const unsigned power_high = (unsigned)__double2hiint(p) + ((unsigned)__double2loint(shifted) << 20); /* times 2ᵏ */
  const double power = __hiloint2double((int)power_high, __double2loint(p));
  *slope = -5.0 / 6.0 * (1.0 + u) * power;
  return fma(q, 1.0 / 3.0, 1.0 + u) * power;
}

__device__ __forceinline__ double gp_matern_of_square(double q)
{
  double slope;
  return gp_matern_of_square(q, &slope);
}

/* As in host/samplers/gp/gp_model.c: a posterior variance below this share of the signal's is
 * rounding. */
__device__ __forceinline__ double gp_least_variance(double signal)
{
  return 1e-14 * signal;
}

/* ---- products -------------------------------------------------------------------------------- */

typedef nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 8, 8, 4, double> gp_sum;
typedef nvcuda::wmma::row_major by_rows;
typedef nvcuda::wmma::col_major by_columns;

/* sum[q] += sign · A B, A 8 × depth, B depth × 8·columns, by the warp.  depth is a multiple of 4; a
 * matrix begins where 32 bytes do.
 *   by_rows     element (r, c) at r·stride + c
 *   by_columns  at c·stride + r */
template <class LayoutA, class LayoutB, int columns>
__device__ __forceinline__ void gp_multiply(gp_sum (&sum)[columns], double sign, const double *a, int a_stride,
                                            const double *b, int b_stride, int depth)
{
  using namespace nvcuda;
  constexpr bool a_rows = std::is_same<LayoutA, by_rows>::value, b_rows = std::is_same<LayoutB, by_rows>::value;
  for (int k = 0; k < depth; k += 4) {
    wmma::fragment<wmma::matrix_a, 8, 8, 4, double, LayoutA> fa;
    wmma::fragment<wmma::matrix_b, 8, 8, 4, double, LayoutB> fb;
    wmma::load_matrix_sync(fa, a + (int64_t)k * (a_rows ? 1 : a_stride), (unsigned)a_stride);
    UNROLL
    for (int i = 0; i < fa.num_elements; i++) fa.x[i] *= sign;
    UNROLL
    for (int q = 0; q < columns; q++) {
      const int64_t at = b_rows ? (int64_t)k * b_stride + 8 * q : 8 * (int64_t)q * b_stride + k;
      wmma::load_matrix_sync(fb, b + at, (unsigned)b_stride);
      wmma::mma_sync(sum[q], fa, fb, sum[q]);
    }
  }
}

/* ---- sums ------------------------------------------------------------------------------------ */

__device__ __forceinline__ double gp_warp_sum(double x)
{
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

/* The sum of x over the block's threads, `warps` whole warps, for all of them; of_warp [warps] is
 * shared memory. */
__device__ __forceinline__ double gp_block_sum(double x, double *of_warp, unsigned warps)
{
  x = gp_warp_sum(x);
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = x;
  __syncthreads();
  double sum = 0;
  for (unsigned w = 0; w < warps; w++) sum += of_warp[w];
  __syncthreads(); /* of_warp may be used again */
  return sum;
}

__device__ __forceinline__ double gp_block_sum(double x)
{
  __shared__ double of_warp[32];
  return gp_block_sum(x, of_warp, blockDim.x / 32);
}

#endif
