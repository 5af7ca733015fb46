/* The Gaussian process at many points, on GPUs of compute capability 9.0 and above: the posterior
 * of gp_posterior (gp_points.cu) by larger tensor core products.
 *
 * A block takes 64 points.  Their covariances with up to 256 observations, a panel, lie in shared
 * memory in the order in which tensor cores want them, written so by the threads that compute them.
 * L⁻¹, packed in that order too (gp_pack), goes from the L2 cache straight to registers, a step
 * ahead: no two warps of a block want the same of it, so there is no barrier in the main loop.  A
 * warp has 16 rows and all 64 points at a time, and of these rows no more columns than the triangle
 * has.  With more than 256 observations the sums of the rows beyond stay in registers while the
 * panel is replaced.
 *
 * Two instances, chosen by the number of observations alone: eight warps and two blocks a
 * multiprocessor, one of which computes covariances while the other multiplies, where the panel is
 * small enough for that; else sixteen warps. */
#include "kernels/gp_block.cuh"
#include "kernels/tensor_core.cuh"

enum {
  PANEL_POINTS = 64,
  PANEL_ROWS = 256, /* observations in shared memory at a time */
  BLOCK_ROWS = 16,  /* of L⁻¹, a warp's */
  FEW_ROWS = 208,   /* up to so many two blocks have room in a multiprocessor's shared memory */
  FEW_WARPS = 8,
  MANY_WARPS = PANEL_ROWS / BLOCK_ROWS,
  PACK_THREADS = 256,
};

static __host__ __device__ __forceinline__ int panel_rows(int n)
{
  const int rows = (n + BLOCK_ROWS - 1) / BLOCK_ROWS * BLOCK_ROWS;
  return rows < PANEL_ROWS ? rows : PANEL_ROWS;
}

/* Doubles that the panel takes, and, where it was, the parts of what is explained, [MANY_WARPS]
 * [points]. */
static __host__ __device__ __forceinline__ int panel_doubles(int n)
{
  const int k = panel_rows(n) * PANEL_POINTS, parts = MANY_WARPS * PANEL_POINTS;
  return k > parts ? k : parts;
}

/* Coordinates in units in which q = 5 r² is a sum of squares; a categorical's stay, and are
 * weighted where they differ. */
__device__ __forceinline__ double panel_scale(const device_gp &g, int axis)
{
  return g.categorical >> axis & 1 ? 1 : sqrt(5 * g.hyper->weight[axis]);
}

/* ---- packing --------------------------------------------------------------------------------- */

/* packed [16 rows][4 columns][lane]: rows lane / 4 and lane / 4 + 8, column lane % 4; zeros above
 * the diagonal and from observation n on. */
__global__ void __launch_bounds__(PACK_THREADS) gp_pack(const device_gp g)
{
  const int rows = (g.n + BLOCK_ROWS - 1) / BLOCK_ROWS * BLOCK_ROWS, step = (int)gridDim.x * PACK_THREADS;
  const int first = (int)blockIdx.x * PACK_THREADS + (int)threadIdx.x;
  double2 *packed = (double2 *)g.packed;
  for (int i = first; i < rows / BLOCK_ROWS * (rows / 4) * 32; i += step) {
    const int lane = i % 32, columns = i / 32 % (rows / 4), block = i / 32 / (rows / 4);
    const int row = BLOCK_ROWS * block + lane / 4, column = 4 * columns + lane % 4;
    const double *at = g.inverse + (int64_t)row * g.rows + column;
    double2 v = make_double2(0, 0);
    if (row < g.n && column <= row) v.x = at[0];
    if (row + 8 < g.n && column <= row + 8) v.y = at[8 * (int64_t)g.rows];
    packed[(block * (GP_ROWS_MAX / 4) + columns) * 32 + lane] = v;
  }
  for (int i = first; i < g.d * GP_ROWS_MAX; i += step)
    g.scaled[i] = i % GP_ROWS_MAX < g.n ? panel_scale(g, i / GP_ROWS_MAX) * g.x[i] : 0;
}

/* ---- covariances ----------------------------------------------------------------------------- */

/* Of half of the block's points with 4 TIMES observations from `first` on, signal 1, by a warp: a
 * lane has four points and TIMES observations.
 *   points  [d][64] scaled
 *   k       [TIMES / 2][8][lane] out: observations lane % 4 of eight and four on; of point 8 i +
 *           lane / 4 */
template <int TIMES>
__device__ __forceinline__ void panel_unit(const device_gp &g, int first, int half, const double *points, double2 *k)
{
  const int lane = (int)threadIdx.x % 32, j = first + lane % 4;
  double q[TIMES][4];
  UNROLL
  for (int b = 0; b < TIMES; b++) {
    UNROLL
    for (int c = 0; c < 4; c++) q[b][c] = GP_LEAST_SQUARE;
  }
  NO_UNROLL
  for (int a = 0; a < g.d; a++) {
    double of_point[4], of_row[TIMES];
    UNROLL
    for (int c = 0; c < 4; c++) of_point[c] = points[a * PANEL_POINTS + 32 * half + 8 * c + lane / 4];
    UNROLL
    for (int b = 0; b < TIMES; b++) of_row[b] = g.scaled[a * GP_ROWS_MAX + j + 4 * b];
    if (gp_is_categorical(g, a)) {
      const double weight = 5 * g.hyper->weight[a];
      UNROLL
      for (int b = 0; b < TIMES; b++) {
        UNROLL
        for (int c = 0; c < 4; c++) q[b][c] += of_point[c] != of_row[b] ? weight : 0;
      }
    } else {
      UNROLL
      for (int b = 0; b < TIMES; b++) {
        UNROLL
        for (int c = 0; c < 4; c++) q[b][c] = fma(of_point[c] - of_row[b], of_point[c] - of_row[b], q[b][c]);
      }
    }
  }
  UNROLL
  for (int b = 0; b < TIMES; b++) { /* all of them, so that they run side by side: no branch around one */
    UNROLL
    for (int c = 0; c < 4; c++) q[b][c] = gp_matern_of_square(q[b][c]);
  }
  UNROLL
  for (int b = 0; b < TIMES; b += 2) {
    const bool there = j + 4 * b < g.n, next_there = j + 4 * b + 4 < g.n;
    UNROLL
    for (int c = 0; c < 4; c++)
      k[(4 * b + 4 * half + c) * 32 + lane] = make_double2(there ? q[b][c] : 0, next_there ? q[b + 1][c] : 0);
  }
}

/* Of all of the block's points with observations first ... first + count - 1. */
template <int WARPS>
__device__ __forceinline__ void panel_fill(const device_gp &g, int first, int count, const double *points, double2 *k)
{
  constexpr int TIMES = WARPS == MANY_WARPS ? 2 : 4; /* as many as registers suffice for */
  const int warp = (int)threadIdx.x / 32;
  NO_UNROLL
  for (int unit = warp / 2; unit < count / (4 * TIMES); unit += WARPS / 2)
    panel_unit<TIMES>(g, first + unit * 4 * TIMES, warp % 2, points, k + unit * TIMES * 128);
}

/* Adds to of_mean [WARPS / 2][64] what a panel's observations, `first` on, say of the mean: row i
 * has the sum over every WARPS / 2-th of them from the i-th on.  By eight warps, those whose rows
 * of L⁻¹ are the shortest: a thread has a point and, as the products have it, two observations of
 * eight. */
template <int WARPS>
__device__ __forceinline__ void panel_mean(const device_gp &g, int first, int count, const double2 *k, double *of_mean)
{
  const int t = (int)threadIdx.x, lane = t % 32, last = first + count < g.n ? first + count : g.n;
  if (t >= 4 * PANEL_POINTS) return;
  double sum = 0, other = 0;
  k += t;
  for (int j = first + lane % 4; j < last; j += 8, k += 4 * PANEL_POINTS) {
    const double2 of_pair = *k;
    sum = fma(of_pair.x, g.alpha[j], sum);
    if (j + 4 >= last) break;
    double &to = WARPS == MANY_WARPS ? other : sum;
    to = fma(of_pair.y, g.alpha[j + 4], to);
  }
  of_mean += lane % 4 * PANEL_POINTS + t / 32 * 8 + lane / 4;
  of_mean[0] += sum;
  if (WARPS == MANY_WARPS) of_mean[4 * PANEL_POINTS] += other;
}

/* ---- products -------------------------------------------------------------------------------- */

/* sum += L⁻¹ K of the warp's 16 rows, over `count` times four of the panel's columns, an even
 * number.
 *   a    the rows' packed elements at the panel's first column
 *   sum  [8 points][as tensor_multiply has it] */
__device__ __forceinline__ void panel_multiply(double (&sum)[8][4], const double2 *a, const double2 *k, int count)
{
  const int lane = (int)threadIdx.x % 32;
  if (count == 0) return;
  a += lane;
  k += lane;
  double2 left = a[0], right = a[32];
  NO_UNROLL
  for (int i = 0; i < 32 * count; i += 64) {
    const double2 now_left = left, now_right = right;
    const int ahead = i + 64 < 32 * count ? i + 64 : i; /* the last turn loads once more what it has */
    left = a[ahead];
    right = a[ahead + 32];
    UNROLL
    for (int b = 0; b < 8; b++) {
      const double2 of_points = k[4 * i + 32 * b];
      tensor_multiply(sum[b], now_left, now_right, of_points.x, of_points.y);
    }
  }
}

/* Squares of the sums, over the rows: a lane keeps those of points 8 (lane / 4) + 2 (lane % 4) + 0
 * and 1. */
__device__ __forceinline__ void panel_square(const double (&sum)[8][4], double (&explained)[2])
{
  const int lane = (int)threadIdx.x % 32;
  UNROLL
  for (int b = 0; b < 8; b++) {
    double first = fma(sum[b][2], sum[b][2], sum[b][0] * sum[b][0]);
    double second = fma(sum[b][3], sum[b][3], sum[b][1] * sum[b][1]);
    for (int step = 4; step < 32; step *= 2) {
      first += __shfl_xor_sync(0xffffffffu, first, step);
      second += __shfl_xor_sync(0xffffffffu, second, step);
    }
    if (lane / 4 != b) continue;
    explained[0] += first;
    explained[1] += second;
  }
}

/* The packed rows of a 16-row block. */
__device__ __forceinline__ const double2 *packed_rows(const device_gp &g, int block)
{
  return (const double2 *)g.packed + (int64_t)block * (GP_ROWS_MAX / 4) * 32;
}

/* Rows up to the panel's last, by all warps. */
template <int WARPS>
__device__ __forceinline__ void panel_explain(const device_gp &g, int rows, const double2 *k, double (&explained)[2])
{
  NO_UNROLL
  for (int block = (int)threadIdx.x / 32; block < rows / BLOCK_ROWS; block += WARPS) {
    double sum[8][4] = {};
    panel_multiply(sum, packed_rows(g, block), k, 4 * (block + 1));
    panel_square(sum, explained);
  }
}

/* ---- the kernel ------------------------------------------------------------------------------ */

template <int WARPS, int BLOCKS>
__global__ void __launch_bounds__(32 * WARPS, BLOCKS)
    gp_posterior_panel(const device_gp g, int count, int stride, const double *x, double *mean, double *sd)
{
#if defined(CUDACPU) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  DYNAMIC_SHARED(double2, k);
  const int t = (int)threadIdx.x, warp = t / 32, lane = t % 32, first_point = (int)blockIdx.x * PANEL_POINTS;
  double *points = (double *)k + panel_doubles(g.n), *of_mean = points + g.d * PANEL_POINTS, explained[2] = {0, 0};
  for (int i = t; i < g.d * PANEL_POINTS; i += 32 * WARPS) {
    const int axis = i / PANEL_POINTS, point = first_point + i % PANEL_POINTS;
    points[i] = point < count ? panel_scale(g, axis) * x[(int64_t)axis * stride + point] : 0;
  }
  of_mean[t] = 0;
  __syncthreads();
  panel_fill<WARPS>(g, 0, panel_rows(g.n), points, k);
  __syncthreads();
  panel_mean<WARPS>(g, 0, panel_rows(g.n), k, of_mean);
  panel_explain<WARPS>(g, panel_rows(g.n), k, explained);
  if (WARPS == MANY_WARPS && g.n > PANEL_ROWS) { /* rows beyond: a block of them a warp */
    const int rest = (g.n - PANEL_ROWS + BLOCK_ROWS - 1) / BLOCK_ROWS * BLOCK_ROWS;
    const bool there = warp < rest / BLOCK_ROWS;
    const double2 *a = packed_rows(g, PANEL_ROWS / BLOCK_ROWS + warp);
    double2 *kept = (double2 *)(of_mean + 32 * WARPS) + t; /* registers are few */
    *kept = make_double2(explained[0], explained[1]);
    double sum[8][4] = {};
    panel_multiply(sum, a, k, there ? PANEL_ROWS / 4 : 0);
    __syncthreads();
    panel_fill<WARPS>(g, PANEL_ROWS, rest, points, k);
    __syncthreads();
    panel_mean<WARPS>(g, PANEL_ROWS, rest, k, of_mean);
    panel_multiply(sum, a + PANEL_ROWS / 4 * 32, k, there ? 4 * (warp + 1) : 0);
    explained[0] = explained[1] = 0;
    panel_square(sum, explained);
    explained[0] += kept->x;
    explained[1] += kept->y;
  }
  __syncthreads(); /* the panel's memory is for what is explained now, [WARPS][points] */
  double *part = (double *)k;
  part[warp * PANEL_POINTS + 8 * (lane / 4) + 2 * (lane % 4)] = explained[0];
  part[warp * PANEL_POINTS + 8 * (lane / 4) + 2 * (lane % 4) + 1] = explained[1];
  __syncthreads();
  const int point = first_point + t;
  if (t >= PANEL_POINTS || point >= count) return;
  double m = 0, v = 0;
  for (int i = t; i < 32 * WARPS; i += PANEL_POINTS) m += of_mean[i];
  for (int w = 0; w < WARPS; w++) v += part[w * PANEL_POINTS + t];
  const double signal = g.hyper->signal, variance = signal * (1 - signal * v), least = gp_least_variance(signal);
  mean[point] = fma(signal, m, g.hyper->mean);
  sd[point] = sqrt(variance > least ? variance : least);
#endif
}

/* ---- launchers ------------------------------------------------------------------------------- */

/* The panel, points, means, and, where there are more rows, what is kept of the first ones. */
static size_t panel_bytes(int n, int d, int warps)
{
  const int kept = n > PANEL_ROWS ? 2 * 32 * warps : 0;
  return (size_t)(panel_doubles(n) + d * PANEL_POINTS + 32 * warps + kept) * sizeof(double);
}

int gp_predict_panel_bytes(void)
{
  return (int)panel_bytes(GP_ROWS_MAX, GP_AXES_MAX, MANY_WARPS);
}

int gp_predict_panel_prepare(void)
{
  const int few = (int)panel_bytes(FEW_ROWS, GP_AXES_MAX, FEW_WARPS), many = gp_predict_panel_bytes();
  cudaError_t error =
      cudaFuncSetAttribute(gp_posterior_panel<FEW_WARPS, 2>, cudaFuncAttributeMaxDynamicSharedMemorySize, few);
  if (!error)
    error = cudaFuncSetAttribute(gp_posterior_panel<MANY_WARPS, 1>, cudaFuncAttributeMaxDynamicSharedMemorySize, many);
  return error;
}

int gp_predict_panel(const struct device_gp *g, int count, int stride, const double *x, double *mean, double *sd,
                     void *stream)
{
  const dim3 blocks((unsigned)((count + PANEL_POINTS - 1) / PANEL_POINTS));
  const unsigned packing = (unsigned)(GP_ROWS_MAX / 4);
  const size_t bytes = panel_bytes(g->n, g->d, g->n <= FEW_ROWS ? FEW_WARPS : MANY_WARPS);
  cudaStream_t s = (cudaStream_t)stream;
  cudaError_t error = launch(gp_pack, dim3(packing), dim3(PACK_THREADS), 0, s, *g);
  if (error) return error;
  if (g->n <= FEW_ROWS)
    return launch(gp_posterior_panel<FEW_WARPS, 2>, blocks, dim3(32 * FEW_WARPS), bytes, s, *g, count, stride, x, mean,
                  sd);
  return launch(gp_posterior_panel<MANY_WARPS, 1>, blocks, dim3(32 * MANY_WARPS), bytes, s, *g, count, stride, x, mean,
                sd);
}
