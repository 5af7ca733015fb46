/* The Gaussian process in one launch, where gp.cu takes six: a team of blocks for each setting of
 * hyperparameters.  On GPUs of compute capability 9.0 and above that is a cluster of eight; where
 * there are none, a block alone.
 *
 *   covariance, inverse of its factor   gp_tiles.cuh
 *   y = L⁻¹ (z - mean), α = L⁻ᵀ y       a tile a warp, and then the tiles' sums
 *   likelihood
 *   gradient     half a tile of K⁻¹ a warp, and at once what the gradient wants of it
 *   posterior    L⁻¹ by rows, as the kernels for points want it
 *
 * gp_fit_climb is a whole climb of the log posterior in one launch, a team for each start: L-BFGS
 * (lbfgs.cuh) between evaluations, without a round trip to the host.
 *
 * The gradient is a sum of GP_CLUSTER parts, in their order: a cluster's blocks have one each, a
 * block alone makes one after the other.  So the order of all sums is the same for both; the bits
 * are, as far as one instruction for a product of eight columns adds what two for four do.
 *
 * Up to where a block alone is worth it, counted for 10 dimensions, in µs; the prototype of such
 * kernels took about 1.7 times as long as its counts.
 *
 *   A100: 64 multiply-adds of FP64 a clock by tensor cores, 32 by others, 1.41 GHz
 *              covariances  elimination  its diagonals  K⁻¹  slopes  rest  sum
 *     n = 200           35           58             18   30      22    10  173
 *     n = 256           45           84             21   44      28    10  232
 *     gp.cu took 265 at 200 on an H100 and by its growth about 390 at 256, of which nearly all is
 *     one block's latency: 330 and 480 by the A100's clock.  Of 512, the prototype's block took 1.4
 *     times as long as gp.cu: there is no count that would speak for more than 256.
 *   RTX 3090, 4090, 5090: 2 a clock of either kind, about 1.7 GHz
 *     n = 64   200; gp.cu's kernels 120, its launches and the host's answers to NLopt about 85
 *     n = 96   450; gp.cu's 200 and 85: so many products belong on many multiprocessors
 *
 * Rasmussen and Williams 2006, algorithm 2.1 and eq. 5.9; the terms of the gradient are written out
 * in host/samplers/gp/gp_model.c. */
#include "kernels/gp_tiles.cuh"
#include "kernels/lbfgs.cuh"

/* Dynamic, as all shared memory of clusters here. */
struct alignas(16) evaluate_shared {
  double y[GP_ROWS_MAX], alpha[GP_ROWS_MAX]; /* first: they are read in pairs */
  double of_warp[TILES_WARPS];
  device_gp_hyper hyper;
  int failed; /* the first block's */
};

/* And the room behind, which is first tiles_invert's, then the gradient's. */
static size_t evaluate_room(int team, int rows, int d)
{
  if (team == 1 && d > GP_BLOCK_AXES) d = GP_BLOCK_AXES;
  const size_t tiles = gp_tiles_bytes(rows / GP_TILE), lanes = (size_t)d * TILES_THREADS * sizeof(double);
  return tiles > lanes ? tiles : lanes;
}

/* [TILES_THREADS] of the latter, dimension a's; of many dimensions a block alone has the last in
 * global memory. */
template <int TEAM> __device__ __forceinline__ double *lanes_of(const gp_matrix &m, double *room, int a)
{
  return TEAM > 1 || a < GP_BLOCK_AXES ? room + a * TILES_THREADS : m.scratch->lanes[a - GP_BLOCK_AXES];
}

/* Parts of the gradient that are not 0. */
__device__ __forceinline__ int parts_of_gradient(const gp_matrix &m)
{
  const int units = m.count * (m.count + 1);
  return units < GP_CLUSTER * TILES_WARPS ? (units + TILES_WARPS - 1) / TILES_WARPS : GP_CLUSTER;
}

/* ---- weights --------------------------------------------------------------------------------- */

/* What each tile of X adds to y, a row a lane. */
template <int TEAM> __device__ __forceinline__ void parts_of_y(const device_gp &g, const gp_matrix &m, int rank)
{
  const int lane = (int)threadIdx.x % 32, pairs = m.count * (m.count + 1) / 2;
  for (int pair = rank * TILES_WARPS + (int)threadIdx.x / 32; pair < pairs; pair += TEAM * TILES_WARPS) {
    int i, j;
    pair_place(pair, &i, &j);
    const int column = GP_TILE * j + lane;
    const double right = column < g.n ? g.z[column] - m.hyper->mean : 0, *x = tile_of(m, i, j) + lane;
    double sum = 0;
    UNROLL
    for (int k = 0; k < GP_TILE; k++) sum = fma(x[k * GP_TILE], __shfl_sync(0xffffffffu, right, k), sum);
    m.scratch->part[pair][lane] = sum;
  }
}

/* And to α, a column a lane; s.y is y. */
template <int TEAM>
__device__ __forceinline__ void parts_of_alpha(const gp_matrix &m, const evaluate_shared &s, int rank)
{
  const int lane = (int)threadIdx.x % 32, pairs = m.count * (m.count + 1) / 2;
  for (int pair = rank * TILES_WARPS + (int)threadIdx.x / 32; pair < pairs; pair += TEAM * TILES_WARPS) {
    int i, j;
    pair_place(pair, &i, &j);
    const double *x = tile_of(m, i, j) + lane * GP_TILE, *y = s.y + GP_TILE * i;
    double sum = 0;
    UNROLL
    for (int k = 0; k < GP_TILE; k += 2) {
      const double2 of_x = *(const double2 *)(x + k), of_y = *(const double2 *)(y + k);
      sum = fma(of_x.x, of_y.x, sum);
      sum = fma(of_x.y, of_y.y, sum);
    }
    m.scratch->part[pair][lane] = sum;
  }
}

/* The sums of both, in the order of the tiles, for the block itself: of a row of tiles, or of a
 * column of them. */
__device__ __forceinline__ void sum_rows(const gp_matrix &m, double *y)
{
  for (int k = (int)threadIdx.x; k < GP_TILE * m.count; k += TILES_THREADS) {
    const int i = k / GP_TILE;
    double sum = 0;
    for (int j = 0; j <= i; j++) sum += m.scratch->part[i * (i + 1) / 2 + j][k % GP_TILE];
    y[k] = sum;
  }
}

__device__ __forceinline__ void sum_columns(const gp_matrix &m, double *alpha)
{
  for (int k = (int)threadIdx.x; k < GP_TILE * m.count; k += TILES_THREADS) {
    const int j = k / GP_TILE;
    double sum = 0;
    for (int i = j; i < m.count; i++) sum += m.scratch->part[i * (i + 1) / 2 + j][k % GP_TILE];
    alpha[k] = sum;
  }
}

/* y and α into s; all blocks have all of them. */
template <int TEAM>
__device__ __forceinline__ void evaluate_weights(const device_gp &g, const gp_matrix &m, evaluate_shared &s, int rank)
{
  parts_of_y<TEAM>(g, m, rank);
  team_sync<TEAM>();
  sum_rows(m, s.y);
  team_sync<TEAM>(); /* all have read the parts of y */
  parts_of_alpha<TEAM>(m, s, rank);
  team_sync<TEAM>();
  sum_columns(m, s.alpha);
  __syncthreads();
}

/* ---- gradient -------------------------------------------------------------------------------- */

/* A lane's elements of K⁻¹, 16 rows from `row` on of 32 columns from `column` on, become those of
 * g_ij = (α_i α_j - K⁻¹_ij) dk_ij/dr², i > j; what they add to the trace is returned.
 *   slopes  of these rows and columns */
__device__ __forceinline__ double weigh_inverse(int n, const double *alpha, const double *slopes, double (&sum)[4][4],
                                                int row, int column)
{
  const int t = (int)threadIdx.x, r = row + t % 32 / 4, c = column + 2 * (t % 4);
  const lane_place<false, const double> slope_of(slopes, t);
  const double of_row[2] = {alpha[r], alpha[r + 8]};
  double trace = 0;
  UNROLL
  for (int q = 0; q < 4; q++) {
    const double2 of_column = two_of(alpha + c + 8 * q);
    UNROLL
    for (int half = 0; half < 2; half++) {
      const int i = r + 8 * half, j = c + 8 * q;
      const double2 slope = two_of(slope_of.at(8 * half, 8 * q));
      double *of = sum[q] + 2 * half;
      if (i == j && i < n) trace += of[0];
      if (i == j + 1 && i < n) trace += of[1];
      of[0] = (of_row[half] * of_column.x - of[0]) * slope.x;
      of[1] = (of_row[half] * of_column.y - of[1]) * slope.y;
    }
  }
  return trace;
}

/* Σ g_ij δ_a(i, j) over a lane's elements, of dimension a; x has its coordinates. */
template <bool CATEGORICAL>
__device__ __forceinline__ double sum_distances(const double *x, const double (&sum)[4][4], int row, int column)
{
  const double *of_row = x + row + (int)threadIdx.x % 32 / 4, *of_column = x + column + 2 * ((int)threadIdx.x % 4);
  const double top = of_row[0], bottom = of_row[8];
  double total = 0;
  UNROLL
  for (int q = 0; q < 4; q++) {
    const double2 at = two_of(of_column + 8 * q);
    total = fma(sum[q][0], gp_distance<CATEGORICAL>(top, at.x), total);
    total = fma(sum[q][1], gp_distance<CATEGORICAL>(top, at.y), total);
    total = fma(sum[q][2], gp_distance<CATEGORICAL>(bottom, at.x), total);
    total = fma(sum[q][3], gp_distance<CATEGORICAL>(bottom, at.y), total);
  }
  return total;
}

/* A part's halves of tiles of K⁻¹ = XᵀX: lanes_of(a) of the thread gets its share of what the
 * gradient wants of dimension a; its share of the trace is returned. */
template <int TEAM>
__device__ __forceinline__ double evaluate_slopes(const device_gp &g, const gp_matrix &m, const evaluate_shared &s,
                                                  double *room, int part)
{
  const int t = (int)threadIdx.x, pairs = m.count * (m.count + 1) / 2;
  double trace = 0;
  for (int a = 0; a < g.d; a++) lanes_of<TEAM>(m, room, a)[t] = 0;
  NO_UNROLL
  for (int unit = part * TILES_WARPS + t / 32; unit < 2 * pairs; unit += GP_CLUSTER * TILES_WARPS) {
    const int half = unit % 2;
    int i, j;
    pair_place(unit / 2, &i, &j);
    double sum[4][4] = {};
    NO_UNROLL
    for (int k = i; k < m.count; k++)
      multiply_rows<false, false>(sum, tile_of(m, k, i) + half * HALF, tile_of(m, k, j));
    const int row = GP_TILE * i + 16 * half, column = GP_TILE * j;
    trace += weigh_inverse(g.n, s.alpha, m.slopes + (int64_t)unit * HALF, sum, row, column);
    NO_UNROLL
    for (int a = 0; a < g.d; a++) {
      const double *x = g.x + a * GP_ROWS_MAX;
      lanes_of<TEAM>(m, room, a)[t] += gp_is_categorical(g, a) ? sum_distances<true>(x, sum, row, column)
                                                               : sum_distances<false>(x, sum, row, column);
    }
  }
  return trace;
}

/* The part's sums of both. */
template <int TEAM>
__device__ __forceinline__ void sum_slopes(const device_gp &g, const gp_matrix &m, evaluate_shared &s, double *room,
                                           double trace, int part)
{
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  trace = gp_block_sum(trace, s.of_warp, TILES_WARPS); /* a barrier, too */
  if (threadIdx.x == 0) m.scratch->sums[part][g.d] = trace;
  for (int a = warp; a < g.d; a += TILES_WARPS) {
    const double *lanes = lanes_of<TEAM>(m, room, a);
    double sum = 0;
    for (int w = 0; w < TILES_WARPS; w++) sum += lanes[32 * w + lane];
    sum = gp_warp_sum(sum);
    if (lane == 0) m.scratch->sums[part][a] = sum;
  }
}

/* ---- results --------------------------------------------------------------------------------- */

/* The sum over k of what f(k) is. */
template <typename F> __device__ __forceinline__ double sum_over(evaluate_shared &s, int n, F f)
{
  double sum = 0;
  for (int k = (int)threadIdx.x; k < n; k += TILES_THREADS) sum += f(k);
  return gp_block_sum(sum, s.of_warp, TILES_WARPS);
}

/* By the first block: the likelihood, and with `gradient` the rest of what `result` is. */
template <int TEAM>
__device__ __forceinline__ void evaluate_result(const device_gp &g, const gp_matrix &m, evaluate_shared &s,
                                                bool gradient, double *result)
{
  const int t = (int)threadIdx.x;
  const double *y = s.y, *alpha = s.alpha, *diagonal = m.scratch->diagonal;
  const double fit = sum_over(s, g.n, [y](int k) { return y[k] * y[k]; });
  const double determinant = sum_over(s, g.n, [diagonal](int k) { return log(diagonal[k]); });
  const double square = sum_over(s, g.n, [alpha](int k) { return alpha[k] * alpha[k]; });
  const double total = sum_over(s, g.n, [alpha](int k) { return alpha[k]; });
  if (s.failed) {
    if (t < g.d + 4) result[t] = t ? 0 : -INFINITY;
    return;
  }
  if (t == 0) result[0] = -0.5 * fit - determinant - 0.5 * g.n * 1.8378770664093454836;
  if (!gradient || t > g.d) return;
  const int parts = TEAM > 1 ? (int)GP_CLUSTER : parts_of_gradient(m);
  double sum = 0;
  for (int r = 0; r < parts; r++) sum += m.scratch->sums[r][t];
  if (t < g.d) {
    result[1 + t] = -2 * m.hyper->weight[t] * sum;
    return;
  }
  const double by_noise = 0.5 * m.hyper->noise * (square - sum);
  result[1 + g.d] = 0.5 * (fit - g.n) - by_noise;
  result[2 + g.d] = by_noise;
  result[3 + g.d] = total;
}

/* L⁻¹ by rows: tiles of Xᵀ turned, a tile a warp. */
template <int TEAM>
__device__ __forceinline__ void evaluate_inverse(const gp_matrix &m, double *inverse, int rows, int rank)
{
  const int lane = (int)threadIdx.x % 32, pairs = m.count * (m.count + 1) / 2;
  for (int pair = rank * TILES_WARPS + (int)threadIdx.x / 32; pair < pairs; pair += TEAM * TILES_WARPS) {
    int i, j;
    pair_place(pair, &i, &j);
    const double *x = tile_of(m, i, j) + lane * GP_TILE;
    double *to = inverse + (int64_t)GP_TILE * i * rows + GP_TILE * j + lane;
    UNROLL
    for (int k = 0; k < GP_TILE; k += 2) {
      const double2 of = *(const double2 *)(x + k);
      to[(int64_t)k * rows] = of.x;
      to[(int64_t)(k + 1) * rows] = of.y;
    }
  }
}

/* All of it, for the batch-th setting, whose hyperparameters all blocks have in s.  The first block
 * writes the results last. */
template <int TEAM>
__device__ __forceinline__ void evaluate(const device_gp &g, evaluate_shared &s, double *room, int batch, bool gradient)
{
  static_assert(TEAM == 1 || TEAM == GP_CLUSTER, "a part of the gradient a block, or all of them");
  const int t = (int)threadIdx.x, rank = team_rank<TEAM>();
  const int64_t matrix = (int64_t)batch * g.rows * g.rows;
  const gp_matrix m = {g.rows / GP_TILE, &s.hyper, g.factor + matrix, gradient ? g.inverse + matrix : nullptr,
                       g.scratch + batch};
  if (t == 0) s.failed = 0;
  tiles_covariance<TEAM>(g, m, rank);
  team_sync<TEAM>();
  tiles_invert<TEAM>(m, room, rank, &s.failed);
  evaluate_weights<TEAM>(g, m, s, rank);
  if (!gradient) {
    evaluate_inverse<TEAM>(m, g.inverse + matrix, g.rows, rank);
  } else if constexpr (TEAM > 1) {
    const double trace = evaluate_slopes<TEAM>(g, m, s, room, rank);
    sum_slopes<TEAM>(g, m, s, room, trace, rank);
  } else {
    NO_UNROLL
    for (int part = 0; part < parts_of_gradient(m); part++) {
      const double trace = evaluate_slopes<TEAM>(g, m, s, room, part);
      sum_slopes<TEAM>(g, m, s, room, trace, part);
      __syncthreads(); /* the room is the next part's */
    }
  }
  team_sync<TEAM>();
  if (rank == 0) {
    double *alpha = g.alpha + (int64_t)batch * g.rows;
    for (int k = t; k < g.rows; k += TILES_THREADS) alpha[k] = s.failed ? 0 : s.alpha[k];
    if (t == 0) g.failed[batch] = s.failed;
    evaluate_result<TEAM>(g, m, s, gradient, g.result + (int64_t)batch * (g.d + 4));
  }
}

/* The batch-th setting of g's. */
template <int TEAM> __device__ __forceinline__ void evaluate_setting(const device_gp &g, bool gradient)
{
  DYNAMIC_SHARED(evaluate_shared, s);
  const int t = (int)threadIdx.x, batch = (int)blockIdx.x / TEAM;
  const device_gp_hyper *hyper = g.hyper + batch;
  if (t < g.d) s->hyper.weight[t] = hyper->weight[t];
  if (t == 0) {
    s->hyper.signal = hyper->signal;
    s->hyper.noise = hyper->noise;
    s->hyper.mean = hyper->mean;
  }
  __syncthreads();
  evaluate<TEAM>(g, *s, (double *)(s + 1), batch, gradient);
}

/* A cluster for each of the batch, or a block. */
__global__ void __launch_bounds__(TILES_THREADS, 1) gp_evaluate(const device_gp g, int gradient)
{
#if defined(CUDACPU) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  evaluate_setting<GP_CLUSTER>(g, gradient != 0);
#endif
}

__global__ void __launch_bounds__(TILES_THREADS, 1) gp_evaluate_alone(const device_gp g, int gradient)
{
  evaluate_setting<1>(g, gradient != 0);
}

/* ---- climbs ---------------------------------------------------------------------------------- */

struct alignas(16) climb_shared {
  evaluate_shared evaluation;
  lbfgs_state<GP_AXES_MAX + 3> climb; /* the first block's */
};

/* Parameters are log ℓ_1 ... log ℓ_d, log signal, log (noise - floor) and mean. */
__device__ __forceinline__ int kind_of(int k, int d)
{
  return k < d ? 0 : 1 + k - d;
}

struct climb_bounds {
  const device_gp_prior &prior;
  int d;

  static __device__ __forceinline__ double of_kind(const double (&of)[4], int kind) /* no local memory */
  {
    return kind == 0 ? of[0] : kind == 1 ? of[1] : kind == 2 ? of[2] : of[3];
  }
  __device__ __forceinline__ double low(int k) const
  {
    return of_kind(prior.low, kind_of(k, d));
  }
  __device__ __forceinline__ double high(int k) const
  {
    return of_kind(prior.high, kind_of(k, d));
  }
};

__device__ __forceinline__ void climb_hyper(device_gp_hyper &h, const device_gp_prior &prior, const double *x, int d)
{
  const int t = (int)threadIdx.x;
  if (t < d) h.weight[t] = exp(-2 * x[t]);
  if (t > 0) return;
  h.signal = exp(x[d]);
  h.noise = prior.noise_floor + exp(x[d + 1]);
  h.mean = x[d + 2];
}

/* The log prior of a parameter, and its derivative by log ℓ, log signal, log noise or mean. */
__device__ __forceinline__ double prior_part(const device_gp_prior &prior, const device_gp_hyper &h, int kind, double x,
                                             double *slope)
{
  const double narrow = prior.narrowness, wide = 1 - narrow;
  if (kind == 0) {
    const double t = x - prior.centre, square = exp(2 * x), inverse = 1 / square;
    *slope = wide * (-t / 3) + narrow * (-0.2 * (square - inverse));
    return wide * (-0.5 * t * t / 3) + narrow * (-0.1 * (square + inverse));
  }
  if (kind == 1) {
    *slope = 1 - h.signal;
    return x - h.signal;
  }
  if (kind == 2) {
    *slope = 0.1 - 30 * h.noise;
    return 0.1 * log(h.noise) - 30 * h.noise;
  }
  *slope = -x / 4;
  return -0.5 * x * x / 4;
}

/* Minus the log posterior and its gradient at the trial, from the likelihood's `result`; by a warp
 * (host/samplers/gp/gp_fit.c has the priors, and says why). */
__device__ __forceinline__ void climb_posterior(climb_shared &s, const device_gp_prior &prior, const double *result,
                                                int d)
{
  const device_gp_hyper &h = s.evaluation.hyper;
  const double *x = s.climb.trial;
  double sum = 0;
  for (int k = (int)threadIdx.x; k < d + 3; k += 32) {
    double slope;
    sum += prior_part(prior, h, kind_of(k, d), x[k], &slope);
    const double of_noise = k == d + 1 ? (h.noise - prior.noise_floor) / h.noise : 1;
    s.climb.trial_gradient[k] = -(result[1 + k] + slope) * of_noise;
  }
  sum = gp_warp_sum(sum);
  if (threadIdx.x == 0) s.climb.trial_value = -(result[0] + sum);
  __syncwarp();
}

/* A team for each start: all its blocks evaluate, the first climbs. */
template <int TEAM>
__device__ __forceinline__ void climb_start(const device_gp &g, const device_gp_prior &prior,
                                            const device_gp_fit_start *starts, device_gp_fitted *out)
{
  DYNAMIC_SHARED(climb_shared, s);
  const int t = (int)threadIdx.x, batch = (int)blockIdx.x / TEAM, parameters = g.d + 3;
  const lbfgs_settings settings = {prior.tolerance, 1, prior.evaluations};
  lbfgs_state<GP_AXES_MAX + 3> &c = s->climb;
  const lbfgs_state<GP_AXES_MAX + 3> &first = *team_shared<TEAM>(&c, 0);
  if (team_rank<TEAM>() == 0) {
    if (t < parameters) c.trial[t] = starts[batch].at[t];
    if (t == 0) lbfgs_begin(c, settings);
  }
  for (;;) {
    team_sync<TEAM>();
    if (first.end != LBFGS_GOES_ON) break;
    climb_hyper(s->evaluation.hyper, prior, first.trial, g.d);
    __syncthreads();
    evaluate<TEAM>(g, s->evaluation, (double *)(s + 1), batch, true);
    __syncthreads();
    if (team_rank<TEAM>() || t >= 32) continue;
    climb_posterior(*s, prior, g.result + (int64_t)batch * (g.d + 4), g.d);
    lbfgs_step(c, parameters, settings, climb_bounds{prior, g.d});
  }
  if (team_rank<TEAM>() == 0) {
    if (t < GP_AXES_MAX + 3) out[batch].at[t] = t < parameters ? c.at[t] : 0;
    if (t == 0) {
      out[batch].unused = 0;
      out[batch].value = c.end == LBFGS_FAILED ? -INFINITY : -c.value;
      out[batch].evaluations = c.evaluations;
    }
  }
  team_sync<TEAM>(); /* the first block's memory is there until all have read its end */
}

__global__ void __launch_bounds__(TILES_THREADS, 1)
    gp_fit_climb(const device_gp g, const device_gp_prior prior, const device_gp_fit_start *starts,
                 device_gp_fitted *out)
{
#if defined(CUDACPU) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  climb_start<GP_CLUSTER>(g, prior, starts, out);
#endif
}

__global__ void __launch_bounds__(TILES_THREADS, 1)
    gp_fit_climb_alone(const device_gp g, const device_gp_prior prior, const device_gp_fit_start *starts,
                       device_gp_fitted *out)
{
  climb_start<1>(g, prior, starts, out);
}

/* ---- launchers ------------------------------------------------------------------------------- */

/* The most that any may ever have: a bound that changed from launch to launch would be another
 * thread's, too. */
static int most_bytes(size_t own)
{
  return (int)(own + evaluate_room(GP_CLUSTER, GP_ROWS_MAX, GP_AXES_MAX));
}

static int most_bytes_alone(size_t own)
{
  return (int)(own + evaluate_room(1, GP_BLOCK_ROWS, GP_AXES_MAX));
}

int gp_evaluate_prepare(int capability, int block_rows)
{
  const cudaFuncAttribute most = cudaFuncAttributeMaxDynamicSharedMemorySize;
  cudaError_t error = cudaSuccess;
  if (capability >= GP_CAPABILITY_90) {
    error = cudaFuncSetAttribute(gp_evaluate, most, most_bytes(sizeof(evaluate_shared)));
    if (!error) error = cudaFuncSetAttribute(gp_fit_climb, most, most_bytes(sizeof(climb_shared)));
  }
  if (!error && block_rows) {
    error = cudaFuncSetAttribute(gp_evaluate_alone, most, most_bytes_alone(sizeof(evaluate_shared)));
    if (!error) error = cudaFuncSetAttribute(gp_fit_climb_alone, most, most_bytes_alone(sizeof(climb_shared)));
  }
  return error;
}

/* gp_fit_climb has the largest clusters of all: whoever has room for them has for the others'. */
int gp_capability(int *capability)
{
  static_assert(sizeof(climb_shared) >= sizeof(evaluate_shared), "gp_fit_climb's block is the larger one");
  const int most = most_bytes(sizeof(climb_shared));
  int device = 0, given = 0, clusters = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (!error) error = cudaDeviceGetAttribute(capability, cudaDevAttrComputeCapabilityMajor, device);
  if (!error) error = cudaDeviceGetAttribute(&given, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error || *capability < GP_CAPABILITY_90) return error;
  if (given >= most && given >= gp_predict_panel_bytes()) {
    error = (cudaError_t)gp_evaluate_prepare(*capability, 0);
    if (!error) error = active_clusters(gp_fit_climb, GP_CLUSTER, dim3(TILES_THREADS), (size_t)most, &clusters);
    if (error == cudaErrorInvalidClusterSize || error == cudaErrorNotSupported) { /* as good as none */
      cudaGetLastError();
      error = cudaSuccess;
      clusters = 0;
    }
  }
  if (clusters == 0) *capability = GP_CAPABILITY_90 - 1;
  return error;
}

/* FP32 and FP64 differ by 2 or so where FP64 is fast (A100, H100, B200), by 32 or 64 elsewhere. */
int gp_block_rows(int *rows)
{
  int device = 0, given = 0, ratio = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (!error) error = cudaDeviceGetAttribute(&given, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (!error) error = cudaDeviceGetAttribute(&ratio, cudaDevAttrSingleToDoublePrecisionPerfRatio, device);
  *rows = given < most_bytes_alone(sizeof(climb_shared)) ? 0 : ratio <= 4 ? GP_BLOCK_ROWS : GP_BLOCK_ROWS_SLOW;
  return error;
}

int gp_evaluate_by_cluster(const struct device_gp *g, int batch, int gradient, void *stream)
{
  return launch_cluster(gp_evaluate, GP_CLUSTER, dim3((unsigned)(GP_CLUSTER * batch)), dim3(TILES_THREADS),
                        sizeof(evaluate_shared) + evaluate_room(GP_CLUSTER, g->rows, g->d), (cudaStream_t)stream, *g,
                        gradient);
}

int gp_evaluate_by_block(const struct device_gp *g, int batch, int gradient, void *stream)
{
  return launch(gp_evaluate_alone, dim3((unsigned)batch), dim3(TILES_THREADS),
                sizeof(evaluate_shared) + evaluate_room(1, g->rows, g->d), (cudaStream_t)stream, *g, gradient);
}

int gp_fit_climbs(const struct device_gp *g, int count, const struct device_gp_prior *prior,
                  const struct device_gp_fit_start *starts, struct device_gp_fitted *out, void *stream)
{
  cudaStream_t s = (cudaStream_t)stream;
  if (g->capability < GP_CAPABILITY_90)
    return launch(gp_fit_climb_alone, dim3((unsigned)count), dim3(TILES_THREADS),
                  sizeof(climb_shared) + evaluate_room(1, g->rows, g->d), s, *g, *prior, starts, out);
  return launch_cluster(gp_fit_climb, GP_CLUSTER, dim3((unsigned)(GP_CLUSTER * count)), dim3(TILES_THREADS),
                        sizeof(climb_shared) + evaluate_room(GP_CLUSTER, g->rows, g->d), s, *g, *prior, starts, out);
}
