/* The Gaussian process at points: posterior, expected improvement, the best of many (gp.h).
 *
 * With v = L⁻¹ k, k the covariances of a point with the observations:
 *
 *   μ = mean + kᵀα,  σ² = signal - ‖v‖²
 *
 * For many points v is a product of tiles by tensor cores (gp_posterior, and gp_panel.cu where they
 * are larger); for one, L⁻¹ is read once
 * by rows and, for gradients, once by columns: b = L⁻ᵀ v = K⁻¹ k (gp_at, and gp_at_cluster.cu where
 * blocks can be clusters). */
#include "kernels/expected_improvement.h"
#include "kernels/gp_block.cuh"
#include "kernels/gp_climb.cuh"

enum {
  AT_THREADS = 512, /* one for each observation that there may be */
  POSTERIOR_THREADS = 256,
  POSTERIOR_WARPS = POSTERIOR_THREADS / 32,
  POSTERIOR_STRIDE = GP_POINTS + 2, /* four rows are a multiple of 32 bytes, as tensor cores load */
  SCORE_THREADS = 128,
  TOP_THREADS = 256,
  TOP_EACH = GP_TOP_SPAN / TOP_THREADS,
  TOP_SPAN = GP_TOP_SPAN,
};

/* ---- one point ------------------------------------------------------------------------------- */

struct at_shared {
  double k[GP_ROWS_MAX], v[GP_ROWS_MAX], by_mean[GP_ROWS_MAX], by_sd[GP_ROWS_MAX];
};

/* What L⁻¹ says of a point, for thread t's observation. */
struct at {
  double slope, b;        /* dk_t/dr²; (K⁻¹ k)_t */
  double mean, explained; /* of all threads */
};

/* Of the point x [d], in shared memory.  Where `back` is false b is 0. */
__device__ __forceinline__ at observe(const device_gp &g, at_shared &s, const double *x, bool back)
{
  const device_gp_hyper *h = g.hyper;
  const int t = (int)threadIdx.x, lane = t % 32;
  at a = {0, 0, 0, 0};
  double k = 0, r2 = 0;
  if (t < g.n) {
    for (int i = 0; i < g.d; i++) r2 = fma(h->weight[i], gp_distance(g, i, g.x[i * GP_ROWS_MAX + t], x[i]), r2);
    k = gp_matern(r2, h->signal, &a.slope);
  }
  s.k[t] = k;
  a.mean = h->mean + gp_block_sum(t < g.n ? k * g.alpha[t] : 0);
  for (int i = t / 32; i < g.n; i += AT_THREADS / 32) {
    double sum = 0;
    for (int j = lane; j <= i; j += 32) sum = fma(g.inverse[(int64_t)i * g.rows + j], s.k[j], sum);
    sum = gp_warp_sum(sum);
    if (lane == 0) s.v[i] = sum;
  }
  __syncthreads();
  a.explained = gp_block_sum(t < g.n ? s.v[t] * s.v[t] : 0);
  if (back && t < g.n)
    for (int i = t; i < g.n; i++) a.b = fma(g.inverse[(int64_t)i * g.rows + t], s.v[i], a.b);
  return a;
}

/* What a gradient is a sum of: α_j dk_j/dr², b_j dk_j/dr². */
__device__ __forceinline__ void at_parts(const device_gp &g, at_shared &s, const at &a)
{
  const int t = (int)threadIdx.x;
  s.by_mean[t] = t < g.n ? g.alpha[t] * a.slope : 0;
  s.by_sd[t] = a.b * a.slope;
}

/* Gradients by dimension i, for all lanes of the warp:
 * dμ/dx = Σ α_j dk_j/dx,  dσ/dx = -Σ b_j dk_j/dx / σ,  dk_j/dx_i = 2 w_i (x_i - x_ji) dk_j/dr². */
__device__ __forceinline__ void at_gradient(const device_gp &g, const at_shared &s, const double *x, int i,
                                            const gp_moments &m, double *by_mean, double *by_sd)
{
  double of_mean = 0, of_sd = 0;
  if (!(g.categorical >> i & 1)) {
    for (int j = (int)threadIdx.x % 32; j < g.n; j += 32) {
      const double offset = x[i] - g.x[i * GP_ROWS_MAX + j];
      of_mean = fma(s.by_mean[j], offset, of_mean);
      of_sd = fma(s.by_sd[j], offset, of_sd);
    }
    of_mean = gp_warp_sum(of_mean);
    of_sd = gp_warp_sum(of_sd);
  }
  *by_mean = 2 * g.hyper->weight[i] * of_mean;
  *by_sd = m.is_rounded ? 0 : -2 * g.hyper->weight[i] / m.sd * of_sd;
}

/* The block's point is points[block], or `point` where points is null.  A dimension a warp. */
__global__ void __launch_bounds__(AT_THREADS)
    gp_at(const device_gp g, const device_gp_point point, const device_gp_point *points, int gradients, double *out)
{
  __shared__ at_shared s;
  __shared__ double x[GP_AXES_MAX];
  const int t = (int)threadIdx.x;
  if (t < g.d) x[t] = points ? points[blockIdx.x].x[t] : point.x[t];
  __syncthreads();
  const at a = observe(g, s, x, gradients != 0);
  const gp_moments m = gp_moments_of(g, a.mean, a.explained);
  out += 2 * blockIdx.x; /* several points have no gradients */
  if (t == 0) {
    out[0] = m.mean;
    out[1] = m.sd;
  }
  if (!gradients) return;
  at_parts(g, s, a);
  __syncthreads();
  for (int i = t / 32; i < g.d; i += AT_THREADS / 32) {
    double by_mean, by_sd;
    at_gradient(g, s, x, i, m, &by_mean, &by_sd);
    if (t % 32) continue;
    out[2 + i] = by_mean;
    out[2 + g.d + i] = by_sd;
  }
}

/* Log expected improvement for lbfgs_minimise, which makes it least: so its negative. */
struct at_improvement : gp_climb_bounds {
  const device_gp *g;
  at_shared *s;
  double best;

  __device__ __forceinline__ void evaluate(const double *x, double *value, double *gradient) const
  {
    __shared__ gp_improvement improvement;
    const int t = (int)threadIdx.x;
    const at a = observe(*g, *s, x, true);
    const gp_moments m = gp_moments_of(*g, a.mean, a.explained);
    at_parts(*g, *s, a);
    if (t < 32) {
      const gp_improvement of_point = gp_improvement_of(m, best);
      if (t == 0) improvement = of_point;
      if (t == 0) *value = -of_point.log;
    }
    __syncthreads();
    for (int i = t / 32; i < g->d; i += AT_THREADS / 32) {
      double by_mean, by_sd;
      at_gradient(*g, *s, x, i, m, &by_mean, &by_sd);
      if (t % 32 == 0) gradient[i] = is_smooth(i) ? -gp_slope_of(improvement, by_mean, by_sd) : 0;
    }
  }
};

/* A climb a block. */
__global__ void __launch_bounds__(AT_THREADS, 1)
    gp_climb_by_block(const device_gp g, const device_gp_climb climb, device_gp_point *points)
{
  __shared__ at_shared s;
  __shared__ lbfgs_state<GP_AXES_MAX> state;
  at_improvement f;
  f.smooth = climb.smooth;
  f.g = &g;
  f.s = &s;
  f.best = climb.best;
  gp_climb_from(g, climb, state, f, points + blockIdx.x, true);
}

/* A new row of L is (vᵀ, δ), δ² what is left of the variance; so that of L⁻¹ is (-vᵀ L⁻¹, 1)/δ.
 * With α = 0 for it the mean stays. */
__global__ void __launch_bounds__(AT_THREADS)
    gp_believe_row(const device_gp g, const device_gp_point point, double *out)
{
  __shared__ at_shared s;
  __shared__ double x[GP_AXES_MAX];
  const int t = (int)threadIdx.x;
  if (t < g.d) x[t] = point.x[t];
  __syncthreads();
  const at a = observe(g, s, x, true);
  const double signal = g.hyper->signal, left = signal + g.hyper->noise - a.explained,
               least = gp_least_variance(signal);
  const double delta = sqrt(left > least ? left : least);
  if (t < g.n) g.inverse[(int64_t)g.n * g.rows + t] = -a.b / delta;
  if (t == g.n) {
    g.inverse[(int64_t)g.n * g.rows + t] = 1 / delta;
    g.alpha[t] = 0;
  }
  if (t < g.d) g.x[t * GP_ROWS_MAX + g.n] = x[t];
  if (t == 0) *out = a.mean;
}

/* ---- many points ----------------------------------------------------------------------------- */

/* Covariances of the block's points with all observations into k; rows beyond are 0. */
__device__ __forceinline__ void posterior_covariances(const device_gp &g, int count, int stride, const double *x,
                                                      double *k)
{
  const int p = (int)threadIdx.x % GP_POINTS, point = (int)blockIdx.x * GP_POINTS + p;
  for (int j = (int)threadIdx.x / GP_POINTS; j < g.rows; j += POSTERIOR_THREADS / GP_POINTS) {
    double r2 = 0, slope, of_pair = 0;
    if (j < g.n && point < count) {
      for (int i = 0; i < g.d; i++) {
        const double distance = gp_distance(g, i, g.x[i * GP_ROWS_MAX + j], x[(int64_t)i * stride + point]);
        r2 = fma(g.hyper->weight[i], distance, r2);
      }
      of_pair = gp_matern(r2, g.hyper->signal, &slope);
    }
    k[j * POSTERIOR_STRIDE + p] = of_pair;
  }
}

/* ‖L⁻¹ k‖² of the warp's eight rows at a time, for all of the block's points; in of_warp
 * [points]. */
__device__ __forceinline__ void posterior_explained(const device_gp &g, const double *k, double (*scratch)[8],
                                                    double *of_warp)
{
  using namespace nvcuda;
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  double explained[GP_POINTS / 8] = {};
  for (int row = 8 * warp; row < g.rows; row += 8 * POSTERIOR_WARPS) {
    gp_sum sum[GP_POINTS / 8];
    UNROLL
    for (int q = 0; q < GP_POINTS / 8; q++) wmma::fill_fragment(sum[q], 0.0);
    gp_multiply<by_rows, by_rows>(sum, 1, g.inverse + (int64_t)row * g.rows, g.rows, k, POSTERIOR_STRIDE, row + 8);
    UNROLL
    for (int q = 0; q < GP_POINTS / 8; q++) {
      wmma::store_matrix_sync(&scratch[0][0], sum[q], 8, wmma::mem_row_major);
      __syncwarp();
      const double a = scratch[lane / 8][lane % 8], b = scratch[lane / 8 + 4][lane % 8];
      explained[q] = fma(a, a, explained[q]);
      explained[q] = fma(b, b, explained[q]);
      __syncwarp();
    }
  }
  UNROLL
  for (int q = 0; q < GP_POINTS / 8; q++) {
    for (int step = 8; step < 32; step *= 2) explained[q] += __shfl_xor_sync(0xffffffffu, explained[q], step);
    if (lane < 8) of_warp[8 * q + lane] = explained[q];
  }
}

/* Sixteen points a block; their covariances stay in shared memory, so that L⁻¹ alone is read. */
__global__ void __launch_bounds__(POSTERIOR_THREADS)
    gp_posterior(const device_gp g, int count, int stride, const double *x, double *mean, double *sd)
{
  DYNAMIC_SHARED(double, k);
  __shared__ __align__(32) double scratch[POSTERIOR_WARPS][8][8];
  __shared__ double part[POSTERIOR_THREADS / GP_POINTS][GP_POINTS], explained[POSTERIOR_WARPS][GP_POINTS];
  const int t = (int)threadIdx.x, p = t % GP_POINTS;
  posterior_covariances(g, count, stride, x, k);
  __syncthreads();
  double sum = 0;
  for (int j = t / GP_POINTS; j < g.n; j += POSTERIOR_THREADS / GP_POINTS)
    sum = fma(k[j * POSTERIOR_STRIDE + p], g.alpha[j], sum);
  part[t / GP_POINTS][p] = sum;
  posterior_explained(g, k, scratch[t / 32], explained[t / 32]);
  __syncthreads();
  const int point = (int)blockIdx.x * GP_POINTS + t;
  if (t >= GP_POINTS || point >= count) return;
  double of_mean = g.hyper->mean, variance = g.hyper->signal;
  for (int i = 0; i < POSTERIOR_THREADS / GP_POINTS; i++) of_mean += part[i][t];
  for (int w = 0; w < POSTERIOR_WARPS; w++) variance -= explained[w][t];
  const double least = gp_least_variance(g.hyper->signal);
  mean[point] = of_mean;
  sd[point] = sqrt(variance > least ? variance : least);
}

__global__ void __launch_bounds__(SCORE_THREADS)
    gp_log_improvement(int count, const double *mean, const double *sd, double best, double *score)
{
  const int i = (int)(blockIdx.x * SCORE_THREADS + threadIdx.x);
  double cdf_by_h, pdf_by_h;
  if (i < count) score[i] = log(sd[i]) + log_improvement((mean[i] - best) / sd[i], &cdf_by_h, &pdf_by_h);
}

/* ---- the best of them ------------------------------------------------------------------------ */

__device__ __forceinline__ bool comes_before(double a, int index_a, double b, int index_b)
{
  return a > b || (a == b && index_a < index_b);
}

/* The first of two, where an index of -1 is none. */
__device__ __forceinline__ void take_first(double *score, int *index, double other, int other_index)
{
  if (other_index < 0 || (*index >= 0 && !comes_before(other, other_index, *score, *index))) return;
  *score = other;
  *index = other_index;
}

struct top_parts {
  device_gp_part part[GP_PARTS_MAX];
};
static_assert(GP_PARTS_MAX == 2, "gp_best has a choice of two");

/* The `most` best of the block's TOP_SPAN scores of its part, which blockIdx.y says, or, where
 * `ranked` is not null, of as many that other blocks have found; each thread keeps TOP_EACH in
 * registers.  A round is one maximum over the block, by two buffers in turn: one barrier a round.
 *   out  [parts][blocks][most] */
__global__ void __launch_bounds__(TOP_THREADS)
    gp_best(const double *score, const device_gp_ranked *ranked, const top_parts parts, int most, device_gp_ranked *out)
{
  __shared__ double warp_score[2][TOP_THREADS / 32];
  __shared__ int warp_index[2][TOP_THREADS / 32];
  const device_gp_part part = blockIdx.y ? parts.part[1] : parts.part[0];
  const device_gp_ranked after = part.after;
  const int t = (int)threadIdx.x, first = part.from + (int)blockIdx.x * TOP_SPAN + t, to = part.to;
  out += (int64_t)(blockIdx.y * gridDim.x + blockIdx.x) * most;
  double s[TOP_EACH];
  int index[TOP_EACH];
  UNROLL
  for (int e = 0; e < TOP_EACH; e++) {
    const int i = first + e * TOP_THREADS;
    s[e] = 0;
    index[e] = -1;
    if (i >= to) continue;
    if (ranked) {
      s[e] = ranked[i].score;
      index[e] = ranked[i].index;
      continue;
    }
    s[e] = isnan(score[i]) ? -INFINITY : score[i];
    if (after.index < 0 || comes_before(after.score, after.index, s[e], i)) index[e] = i;
  }
  for (int round = 0; round < most; round++) {
    double best = s[0];
    int at = index[0];
    UNROLL
    for (int e = 1; e < TOP_EACH; e++) take_first(&best, &at, s[e], index[e]);
    for (int step = 16; step > 0; step /= 2) {
      const double other = __shfl_xor_sync(0xffffffffu, best, step);
      take_first(&best, &at, other, __shfl_xor_sync(0xffffffffu, at, step));
    }
    if (t % 32 == 0) {
      warp_score[round % 2][t / 32] = best;
      warp_index[round % 2][t / 32] = at;
    }
    __syncthreads();
    UNROLL
    for (int w = 0; w < TOP_THREADS / 32; w++)
      take_first(&best, &at, warp_score[round % 2][w], warp_index[round % 2][w]);
    if (t == 0) out[round] = device_gp_ranked{at < 0 ? 0 : best, at, 0};
    UNROLL
    for (int e = 0; e < TOP_EACH; e++)
      if (index[e] == at) index[e] = -1;
  }
}

/* ---- launchers ------------------------------------------------------------------------------- */

static size_t posterior_bytes(int rows)
{
  return (size_t)rows * POSTERIOR_STRIDE * sizeof(double);
}

int gp_predict_prepare(int capability)
{
  if (capability >= GP_CAPABILITY_90) return gp_predict_panel_prepare();
  return cudaFuncSetAttribute(gp_posterior, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              (int)posterior_bytes(GP_ROWS_MAX));
}

int gp_predict_one(const struct device_gp *g, const struct device_gp_point *point, int gradients, double *out,
                   void *stream)
{
  if (g->capability >= GP_CAPABILITY_90) return gp_predict_by_cluster(g, 1, point, nullptr, gradients, out, stream);
  return launch(gp_at, dim3(1), dim3(AT_THREADS), 0, (cudaStream_t)stream, *g, *point, nullptr, gradients, out);
}

int gp_predict_each(const struct device_gp *g, int count, const struct device_gp_point *points, double *out,
                    void *stream)
{
  if (g->capability >= GP_CAPABILITY_90) return gp_predict_by_cluster(g, count, nullptr, points, 0, out, stream);
  return launch(gp_at, dim3((unsigned)count), dim3(AT_THREADS), 0, (cudaStream_t)stream, *g, device_gp_point(), points,
                0, out);
}

int gp_climb(const struct device_gp *g, const struct device_gp_climb *climb, int count, struct device_gp_point *points,
             void *stream)
{
  if (g->capability >= GP_CAPABILITY_90) return gp_climb_by_clusters(g, climb, count, points, stream);
  return launch(gp_climb_by_block, dim3((unsigned)count), dim3(AT_THREADS), 0, (cudaStream_t)stream, *g, *climb,
                points);
}

int gp_believe(const struct device_gp *g, const struct device_gp_point *point, double *out, void *stream)
{
  return launch(gp_believe_row, dim3(1), dim3(AT_THREADS), 0, (cudaStream_t)stream, *g, *point, out);
}

int gp_predict(const struct device_gp *g, int count, int stride, const double *x, double *mean, double *sd,
               void *stream)
{
  if (g->capability >= GP_CAPABILITY_90) return gp_predict_panel(g, count, stride, x, mean, sd, stream);
  const unsigned blocks = (unsigned)((count + GP_POINTS - 1) / GP_POINTS);
  return launch(gp_posterior, dim3(blocks), dim3(POSTERIOR_THREADS), posterior_bytes(g->rows), (cudaStream_t)stream, *g,
                count, stride, x, mean, sd);
}

int gp_score(int count, const double *mean, const double *sd, double best, double *score, void *stream)
{
  const unsigned blocks = (unsigned)((count + SCORE_THREADS - 1) / SCORE_THREADS);
  return launch(gp_log_improvement, dim3(blocks), dim3(SCORE_THREADS), 0, (cudaStream_t)stream, count, mean, sd, best,
                score);
}

int gp_top(const double *score, int parts, const struct device_gp_part *part, int most, struct device_gp_ranked *room,
           struct device_gp_ranked *out, void *stream)
{
  const struct device_gp_ranked *ranked = nullptr;
  top_parts of = {};
  for (int p = 0; p < parts; p++) of.part[p] = part[p];
  for (;;) { /* what a level's blocks have found is the next one's; the last is one block a part */
    int blocks = 1;
    for (int p = 0; p < parts; p++) {
      const int spans = (of.part[p].to - of.part[p].from + TOP_SPAN - 1) / TOP_SPAN;
      blocks = spans > blocks ? spans : blocks;
    }
    struct device_gp_ranked *found = blocks > 1 ? room : out;
    const cudaError_t error = launch(gp_best, dim3((unsigned)blocks, (unsigned)parts), dim3(TOP_THREADS), 0,
                                     (cudaStream_t)stream, score, ranked, of, most, found);
    if (error || blocks == 1) return error;
    ranked = found;
    room += parts * blocks * most;
    for (int p = 0; p < parts; p++) {
      of.part[p].from = p * blocks * most;
      of.part[p].to = (p + 1) * blocks * most;
    }
  }
}
