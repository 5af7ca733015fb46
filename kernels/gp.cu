/* The Gaussian process: log marginal likelihood and its gradient, for a batch of hyperparameters at
 * once (gp.h), with many blocks for each matrix.  gp_evaluate.cu does the same in one launch where
 * there are clusters of blocks, from compute capability 9.0 on, and where one block is enough: what
 * is left are more rows than that.
 *
 *   gp_covariance  K tile by tile
 *   gp_cholesky    K = L Lᵀ, one block a matrix
 *   gp_inverse     L⁻¹, 32 columns a block
 *   gp_weights     α and the likelihood
 *   gp_slopes      K⁻¹ tile by tile, and at once what the gradient wants of it
 *   gp_collect     the tiles' sums to the gradient
 *
 * Rasmussen and Williams 2006, algorithm 2.1 and eq. 5.9; the terms of the gradient are written out
 * in host/samplers/gp/gp_model.c. */
#include "kernels/gp_block.cuh"

enum {
  COVARIANCE_THREADS = 256, /* four elements each of a tile */
  CHOLESKY_THREADS = 512,   /* one for each row that there may be */
  INVERSE_THREADS = 128,    /* a warp for each eight rows of a tile */
  WEIGHTS_THREADS = 512,
  SLOPES_THREADS = 128,
  COLLECT_THREADS = 128,      /* at least GP_AXES_MAX + 1 */
  PANEL_STRIDE = GP_TILE + 4, /* in shared memory: rows in other banks, and tensor cores can store */
};

/* The tile-th of the lower triangle, row by row. */
__device__ __forceinline__ void tile_place(int tile, int *row, int *column)
{
  int i = 0;
  while (tile > i) tile -= ++i;
  *row = i * GP_TILE;
  *column = tile * GP_TILE;
}

/* Coordinates of 32 observations from `first` on. */
__device__ __forceinline__ void load_points(const device_gp &g, int first, double (*to)[GP_TILE])
{
  for (int i = (int)threadIdx.x; i < g.d * GP_TILE; i += (int)blockDim.x) {
    const int row = first + i % GP_TILE;
    to[i / GP_TILE][i % GP_TILE] = row < g.n ? g.x[i / GP_TILE * GP_ROWS_MAX + row] : 0;
  }
}

/* ---- covariance ------------------------------------------------------------------------------ */

__global__ void __launch_bounds__(COVARIANCE_THREADS) gp_covariance(const device_gp g)
{
  __shared__ double row_x[GP_AXES_MAX][GP_TILE], column_x[GP_AXES_MAX][GP_TILE];
  const device_gp_hyper *h = &g.hyper[blockIdx.y];
  double *factor = g.factor + (int64_t)blockIdx.y * g.rows * g.rows;
  int row, column;
  tile_place((int)blockIdx.x, &row, &column);
  load_points(g, row, row_x);
  load_points(g, column, column_x);
  __syncthreads();
  const int c = (int)threadIdx.x % GP_TILE, j = column + c;
  for (int r = (int)threadIdx.x / GP_TILE; r < GP_TILE; r += COVARIANCE_THREADS / GP_TILE) {
    const int i = row + r;
    double r2 = 0, slope, k = i == j;
    if (i < g.n && j < g.n) {
      for (int a = 0; a < g.d; a++) r2 = fma(h->weight[a], gp_distance(g, a, row_x[a][r], column_x[a][c]), r2);
      k = i == j ? h->signal + h->noise : gp_matern(r2, h->signal, &slope);
    }
    factor[(int64_t)i * g.rows + j] = k;
  }
}

/* ---- Cholesky -------------------------------------------------------------------------------- */

/* Factors the 32 × 32 at `a`; lane r has row r in registers.  L into `diagonal`, 1/L_cc into
 * `reciprocal`.  False where a pivot is not positive. */
__device__ __forceinline__ bool factor_diagonal(double *a, int stride, double (*diagonal)[GP_TILE + 1],
                                                double *reciprocal)
{
  __shared__ double column[2][GP_TILE];
  const int lane = (int)threadIdx.x % 32;
  double row[GP_TILE];
  bool good = true;
  UNROLL
  for (int c = 0; c < GP_TILE; c++) row[c] = c <= lane ? a[(int64_t)lane * stride + c] : 0;
  UNROLL
  for (int c = 0; c < GP_TILE; c++) {
    double *shared = column[c % 2]; /* two in turn: one barrier a column */
    shared[lane] = row[c];
    __syncwarp();
    const double pivot = shared[c], root = sqrt(pivot), inverse = 1 / root;
    good = good && pivot > 0 && root < INFINITY;
    row[c] = lane == c ? root : row[c] * inverse;
    if (lane == c) reciprocal[c] = inverse;
    UNROLL
    for (int k = c + 1; k < GP_TILE; k++) row[k] = fma(-row[c], shared[k] * inverse, row[k]);
  }
  UNROLL
  for (int c = 0; c < GP_TILE; c++) {
    diagonal[lane][c] = row[c];
    if (c <= lane) a[(int64_t)lane * stride + c] = row[c];
  }
  return good;
}

/* Row of the panel below the diagonal block: x Lᵀ = a, column after column. */
__device__ __forceinline__ void solve_row(double *a, const double (*diagonal)[GP_TILE + 1], const double *reciprocal)
{
  double x[GP_TILE];
  UNROLL
  for (int c = 0; c < GP_TILE; c++) x[c] = a[c];
  UNROLL
  for (int c = 0; c < GP_TILE; c++) {
    x[c] *= reciprocal[c];
    UNROLL
    for (int k = c + 1; k < GP_TILE; k++) x[k] = fma(-x[c], diagonal[k][c], x[k]);
  }
  UNROLL
  for (int c = 0; c < GP_TILE; c++) a[c] = x[c];
}

/* Left-looking, 32 columns at a time: a panel takes off what the columns before it account for, 8
 * rows a warp and turn; one warp factors its diagonal block; then every thread solves for one row
 * below. */
__global__ void __launch_bounds__(CHOLESKY_THREADS) gp_cholesky(const device_gp g)
{
  using namespace nvcuda;
  __shared__ double diagonal[GP_TILE][GP_TILE + 1], reciprocal[GP_TILE];
  const int warp = (int)threadIdx.x / 32, stride = g.rows;
  double *a = g.factor + (int64_t)blockIdx.x * g.rows * g.rows;
  bool good = true;
  for (int panel = 0; panel < g.rows; panel += GP_TILE) {
    for (int row = panel + 8 * warp; row < g.rows && panel > 0; row += 8 * (CHOLESKY_THREADS / 32)) {
      gp_sum sum[GP_TILE / 8];
      double *at = a + (int64_t)row * stride + panel;
      UNROLL
      for (int q = 0; q < GP_TILE / 8; q++)
        wmma::load_matrix_sync(sum[q], at + 8 * q, (unsigned)stride, wmma::mem_row_major);
      gp_multiply<by_rows, by_columns>(sum, -1, a + (int64_t)row * stride, stride, a + (int64_t)panel * stride, stride,
                                       panel);
      UNROLL
      for (int q = 0; q < GP_TILE / 8; q++)
        wmma::store_matrix_sync(at + 8 * q, sum[q], (unsigned)stride, wmma::mem_row_major);
    }
    __syncthreads();
    if (warp == 0) good = factor_diagonal(a + (int64_t)panel * stride + panel, stride, diagonal, reciprocal);
    if (!__syncthreads_and(good)) break;
    const int row = panel + GP_TILE + (int)threadIdx.x;
    if (row < g.rows) solve_row(a + (int64_t)row * stride + panel, diagonal, reciprocal);
    __syncthreads();
  }
  good = __syncthreads_and(good);
  if (threadIdx.x == 0) g.failed[blockIdx.x] = !good;
}

/* ---- the inverse of the factor --------------------------------------------------------------- */

/* Columns `first` ... of L⁻¹, tile after tile down: L_II X_I = E_I - Σ L_IK X_K, the sum by all
 * warps, the rest a column a lane. */
__global__ void __launch_bounds__(INVERSE_THREADS) gp_inverse(const device_gp g)
{
  using namespace nvcuda;
  __shared__ __align__(32) double right[GP_TILE][PANEL_STRIDE];
  __shared__ double diagonal[GP_TILE][GP_TILE + 1];
  if (g.failed[blockIdx.y]) return;
  const int first = (int)blockIdx.x * GP_TILE, warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  const double *l = g.factor + (int64_t)blockIdx.y * g.rows * g.rows;
  double *x = g.inverse + (int64_t)blockIdx.y * g.rows * g.rows;
  for (int row = first; row < g.rows; row += GP_TILE) {
    gp_sum sum[GP_TILE / 8];
    UNROLL
    for (int q = 0; q < GP_TILE / 8; q++) wmma::fill_fragment(sum[q], 0.0);
    gp_multiply<by_rows, by_rows>(sum, -1, l + (int64_t)(row + 8 * warp) * g.rows + first, g.rows,
                                  x + (int64_t)first * g.rows + first, g.rows, row - first);
    UNROLL
    for (int q = 0; q < GP_TILE / 8; q++)
      wmma::store_matrix_sync(&right[8 * warp][8 * q], sum[q], PANEL_STRIDE, wmma::mem_row_major);
    for (int r = warp; r < GP_TILE; r += INVERSE_THREADS / 32)
      diagonal[r][lane] = lane <= r ? l[(int64_t)(row + r) * g.rows + row + lane] : 0;
    __syncthreads();
    if (warp == 0) {
      double column[GP_TILE];
      UNROLL
      for (int r = 0; r < GP_TILE; r++) column[r] = right[r][lane] + (row == first && r == lane);
      UNROLL
      for (int r = 0; r < GP_TILE; r++) {
        column[r] /= diagonal[r][r];
        UNROLL
        for (int k = r + 1; k < GP_TILE; k++) column[k] = fma(-diagonal[k][r], column[r], column[k]);
      }
      UNROLL
      for (int r = 0; r < GP_TILE; r++) x[(int64_t)(row + r) * g.rows + first + lane] = column[r];
    }
    __syncthreads();
  }
}

/* ---- weights and likelihood ------------------------------------------------------------------ */

/* One block a matrix: y = L⁻¹ (z - mean), a row a warp; α = L⁻ᵀ y, a column a thread. */
__global__ void __launch_bounds__(WEIGHTS_THREADS) gp_weights(const device_gp g)
{
  __shared__ double right[GP_ROWS_MAX], y[GP_ROWS_MAX];
  const int t = (int)threadIdx.x, lane = t % 32, batch = (int)blockIdx.x;
  const double *l = g.factor + (int64_t)batch * g.rows * g.rows, *x = g.inverse + (int64_t)batch * g.rows * g.rows;
  double *result = g.result + (int64_t)batch * (g.d + 4);
  if (g.failed[batch]) {
    for (int i = t; i < g.d + 4; i += WEIGHTS_THREADS) result[i] = i ? 0 : -INFINITY;
    if (t < g.rows) g.alpha[(int64_t)batch * g.rows + t] = 0;
    return;
  }
  right[t] = t < g.n ? g.z[t] - g.hyper[batch].mean : 0;
  __syncthreads();
  for (int i = t / 32; i < g.rows; i += WEIGHTS_THREADS / 32) {
    double sum = 0;
    for (int j = lane; j <= i; j += 32) sum = fma(x[(int64_t)i * g.rows + j], right[j], sum);
    sum = gp_warp_sum(sum);
    if (lane == 0) y[i] = sum;
  }
  __syncthreads();
  if (t < g.rows) {
    double sum = 0;
    for (int i = t / GP_TILE * GP_TILE; i < g.rows; i++) sum = fma(x[(int64_t)i * g.rows + t], y[i], sum);
    g.alpha[(int64_t)batch * g.rows + t] = sum;
  }
  const double fit = gp_block_sum(t < g.rows ? y[t] * y[t] : 0);
  const double determinant = gp_block_sum(t < g.n ? log(l[(int64_t)t * g.rows + t]) : 0);
  if (t == 0) {
    result[0] = -0.5 * fit - determinant - 0.5 * g.n * 1.8378770664093454836;
    result[g.d + 1] = fit; /* gp_collect makes the gradient by the signal of it */
  }
}

/* ---- gradient -------------------------------------------------------------------------------- */

/* One tile of K⁻¹ = L⁻ᵀ L⁻¹.  Of it remain Σ g_ij δ_d(i, j) for each dimension, g_ij = (α_i α_j -
 * K⁻¹_ij) dk_ij/dr², i > j, and the trace: a dimension a warp, a column a lane. */
__global__ void __launch_bounds__(SLOPES_THREADS) gp_slopes(const device_gp g)
{
  using namespace nvcuda;
  __shared__ double row_x[GP_AXES_MAX][GP_TILE], column_x[GP_AXES_MAX][GP_TILE];
  __shared__ __align__(32) double tile[GP_TILE][PANEL_STRIDE];
  if (g.failed[blockIdx.y]) return;
  const device_gp_hyper *h = &g.hyper[blockIdx.y];
  const double *x = g.inverse + (int64_t)blockIdx.y * g.rows * g.rows, *alpha = g.alpha + (int64_t)blockIdx.y * g.rows;
  double *sums = g.sums + ((int64_t)blockIdx.y * gridDim.x + blockIdx.x) * (g.d + 1);
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  int row, column;
  tile_place((int)blockIdx.x, &row, &column);
  load_points(g, row, row_x);
  load_points(g, column, column_x);
  gp_sum sum[GP_TILE / 8];
  UNROLL
  for (int q = 0; q < GP_TILE / 8; q++) wmma::fill_fragment(sum[q], 0.0);
  const double *below = x + (int64_t)row * g.rows;
  gp_multiply<by_columns, by_rows>(sum, 1, below + row + 8 * warp, g.rows, below + column, g.rows, g.rows - row);
  UNROLL
  for (int q = 0; q < GP_TILE / 8; q++)
    wmma::store_matrix_sync(&tile[8 * warp][8 * q], sum[q], PANEL_STRIDE, wmma::mem_row_major);
  __syncthreads();
  double trace = 0;
  const int j = column + lane;
  for (int r = warp; r < GP_TILE; r += SLOPES_THREADS / 32) {
    const int i = row + r;
    double slope = 0, r2 = 0;
    if (i == j && i < g.n) trace += tile[r][lane];
    if (i > j && i < g.n) {
      for (int a = 0; a < g.d; a++) r2 = fma(h->weight[a], gp_distance(g, a, row_x[a][r], column_x[a][lane]), r2);
      gp_matern(r2, h->signal, &slope);
    }
    tile[r][lane] = (alpha[i] * alpha[j] - tile[r][lane]) * slope;
  }
  trace = gp_block_sum(trace); /* a barrier, too */
  if (threadIdx.x == 0) sums[g.d] = trace;
  for (int a = warp; a < g.d; a += SLOPES_THREADS / 32) {
    double by_weight = 0;
    for (int r = 0; r < GP_TILE; r++)
      by_weight = fma(tile[r][lane], gp_distance(g, a, row_x[a][r], column_x[a][lane]), by_weight);
    by_weight = gp_warp_sum(by_weight);
    if (lane == 0) sums[a] = by_weight;
  }
}

__global__ void __launch_bounds__(COLLECT_THREADS) gp_collect(const device_gp g, int tiles)
{
  if (g.failed[blockIdx.x]) return;
  __shared__ double total[GP_AXES_MAX + 1];
  const device_gp_hyper *h = &g.hyper[blockIdx.x];
  const double *sums = g.sums + (int64_t)blockIdx.x * tiles * (g.d + 1),
               *alpha = g.alpha + (int64_t)blockIdx.x * g.rows;
  double *result = g.result + (int64_t)blockIdx.x * (g.d + 4), *gradient = result + 1;
  const int t = (int)threadIdx.x;
  double square = 0, sum = 0;
  if (t <= g.d) {
    double of_tiles = 0;
    for (int i = 0; i < tiles; i++) of_tiles += sums[(int64_t)i * (g.d + 1) + t];
    total[t] = of_tiles;
  }
  for (int i = t; i < g.rows; i += COLLECT_THREADS) {
    square = fma(alpha[i], alpha[i], square);
    sum += alpha[i];
  }
  square = gp_block_sum(square);
  sum = gp_block_sum(sum);
  if (t < g.d) gradient[t] = -2 * h->weight[t] * total[t];
  if (t == 0) {
    const double by_noise = 0.5 * h->noise * (square - total[g.d]);
    gradient[g.d] = 0.5 * (result[g.d + 1] - g.n) - by_noise;
    gradient[g.d + 1] = by_noise;
    gradient[g.d + 2] = sum;
  }
}

/* ---- launchers ------------------------------------------------------------------------------- */

static cudaError_t factor(const struct device_gp *g, int batch, cudaStream_t s)
{
  const unsigned tiles = (unsigned)gp_tiles(g->rows), panels = (unsigned)(g->rows / GP_TILE), n = (unsigned)batch;
  cudaError_t error = launch(gp_covariance, dim3(tiles, n), dim3(COVARIANCE_THREADS), 0, s, *g);
  if (!error) error = launch(gp_cholesky, dim3(n), dim3(CHOLESKY_THREADS), 0, s, *g);
  if (!error) error = launch(gp_inverse, dim3(panels, n), dim3(INVERSE_THREADS), 0, s, *g);
  if (!error) error = launch(gp_weights, dim3(n), dim3(WEIGHTS_THREADS), 0, s, *g);
  return error;
}

int gp_likelihood(const struct device_gp *g, int batch, void *stream)
{
  const int tiles = gp_tiles(g->rows);
  cudaStream_t s = (cudaStream_t)stream;
  if (g->capability >= GP_CAPABILITY_90) return gp_evaluate_by_cluster(g, batch, 1, stream);
  if (gp_is_one_launch(g)) return gp_evaluate_by_block(g, batch, 1, stream);
  cudaError_t error = factor(g, batch, s);
  if (!error) error = launch(gp_slopes, dim3((unsigned)tiles, (unsigned)batch), dim3(SLOPES_THREADS), 0, s, *g);
  if (!error) error = launch(gp_collect, dim3((unsigned)batch), dim3(COLLECT_THREADS), 0, s, *g, tiles);
  return error;
}

int gp_condition(const struct device_gp *g, void *stream)
{
  if (g->capability >= GP_CAPABILITY_90) return gp_evaluate_by_cluster(g, 1, 0, stream);
  if (gp_is_one_launch(g)) return gp_evaluate_by_block(g, 1, 0, stream);
  return factor(g, 1, (cudaStream_t)stream);
}
