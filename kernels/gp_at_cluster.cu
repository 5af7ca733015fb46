/* The Gaussian process at one point, on GPUs of compute capability 9.0 and above: what gp_at
 * (gp_points.cu) computes, by a cluster of blocks, since what one multiprocessor can read of L⁻¹
 * in a time is what that waits for.
 *
 * Every block computes all covariances k, and has every eighth of four rows of L⁻¹: of those it
 * makes v = L⁻¹ k and at once its part of b = L⁻ᵀ v, while they are near.  After a barrier of the
 * cluster each adds the parts of b for 64 observations, in the order of the blocks, and makes of
 * them its part of the gradients; the first block adds those. */
#include "kernels/cluster.cuh"
#include "kernels/gp_block.cuh"
#include "kernels/gp_climb.cuh"

enum {
  CLUSTER = 8,
  PART_THREADS = 128,
  PART_WARPS = PART_THREADS / 32,
  SLICE = GP_ROWS_MAX / CLUSTER, /* observations whose parts a block adds */
  ROWS_AT_ONCE = 4,              /* of L⁻¹, by a warp */
};

/* Dynamic, so that the cluster's other blocks can read it. */
struct part_shared {
  double x[GP_AXES_MAX]; /* the point, where it is not that of a climb */
  double k[GP_ROWS_MAX], slope[GP_ROWS_MAX], v[GP_ROWS_MAX];
  double b[GP_ROWS_MAX];               /* of the block's rows */
  double by_mean[SLICE], by_sd[SLICE]; /* of its observations */
  double of_mean[GP_AXES_MAX], of_sd[GP_AXES_MAX];
  double warp_explained[PART_WARPS], warp_mean[PART_WARPS];
  double explained, mean;
};

/* k and dk/dr² of all observations; x [d], in shared memory, is the point. */
__device__ __forceinline__ void part_covariances(const device_gp &g, part_shared &s, const double *x)
{
  for (int j = (int)threadIdx.x; j < GP_ROWS_MAX; j += PART_THREADS) {
    double r2 = 0, slope = 0, k = 0;
    if (j < g.n) {
      for (int i = 0; i < g.d; i++) r2 = fma(g.hyper->weight[i], gp_distance(g, i, g.x[i * GP_ROWS_MAX + j], x[i]), r2);
      k = gp_matern(r2, g.hyper->signal, &slope);
    }
    s.k[j] = k;
    s.slope[j] = slope;
  }
}

/* v of the block's rows, and the sum of their squares: a warp has every 32nd row, four of them at a
 * time, so that it waits for the L2 cache and for the sums over the lanes once for all.  It goes
 * tile by tile, since L⁻¹ is 0 above the diagonal of one; a row is a tile longer than the one
 * before.  What is beyond the last observation, but in the same four, is 0. */
__device__ __forceinline__ void part_rows(const device_gp &g, part_shared &s, int rank)
{
  static_assert(PART_WARPS * CLUSTER == GP_TILE, "a warp's rows are in successive tiles");
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  const int end = (g.n + PART_WARPS - 1) / PART_WARPS * PART_WARPS;
  const int64_t apart = (int64_t)GP_TILE * g.rows;
  double explained = 0;
  NO_UNROLL
  for (int i = PART_WARPS * rank + warp; i < end; i += ROWS_AT_ONCE * GP_TILE) {
    const int rows = (end - 1 - i) / GP_TILE + 1; /* that there are, of the four */
    const double *row[ROWS_AT_ONCE], *k = s.k + lane;
    double sum[ROWS_AT_ONCE] = {};
    UNROLL
    for (int r = 0; r < ROWS_AT_ONCE; r++) row[r] = g.inverse + (int64_t)i * g.rows + (r < rows ? r * apart : 0) + lane;
    UNROLL_BY(4)
    for (int tile = 0; tile <= i / GP_TILE; tile++, k += GP_TILE) {
      UNROLL
      for (int r = 0; r < ROWS_AT_ONCE; r++) {
        sum[r] = fma(*row[r], *k, sum[r]);
        row[r] += GP_TILE;
      }
    }
    UNROLL
    for (int further = 1; further < ROWS_AT_ONCE; further++) {
      if (further >= rows) break;
      UNROLL
      for (int r = further; r < ROWS_AT_ONCE; r++)
        if (r < rows) sum[r] = fma(row[r][(further - 1) * GP_TILE], k[(further - 1) * GP_TILE], sum[r]);
    }
    UNROLL
    for (int r = 0; r < ROWS_AT_ONCE; r++) sum[r] = gp_warp_sum(sum[r]);
    UNROLL
    for (int r = 0; r < ROWS_AT_ONCE; r++) {
      if (r >= rows) continue;
      if (lane == 0) s.v[i + r * GP_TILE] = sum[r];
      explained = fma(sum[r], sum[r], explained);
    }
  }
  if (lane == 0) s.warp_explained[warp] = explained;
}

/* What the block's rows add to b, from the four on which row j is of or comes before. */
__device__ __forceinline__ void part_columns(const device_gp &g, part_shared &s, int rank)
{
  for (int j = (int)threadIdx.x; j < g.n; j += PART_THREADS) {
    const int four = j / PART_WARPS, skipped = four > rank ? (four - rank + CLUSTER - 1) / CLUSTER : 0;
    const int first = PART_WARPS * (rank + CLUSTER * skipped);
    const double *at = g.inverse + (int64_t)first * g.rows + j;
    double sum = 0;
    for (int i = first; i < g.n; i += PART_WARPS * CLUSTER, at += (int64_t)PART_WARPS * CLUSTER * g.rows) {
      UNROLL
      for (int w = 0; w < PART_WARPS; w++) sum = fma(at[(int64_t)w * g.rows], s.v[i + w], sum);
    }
    s.b[j] = sum;
  }
}

/* The mean, and with `gradients` by_mean and by_sd, of the block's observations. */
__device__ __forceinline__ void part_slice(const device_gp &g, part_shared &s, int rank, bool gradients)
{
  const int t = (int)threadIdx.x, j = SLICE * rank + t;
  const bool there = t < SLICE && j < g.n;
  double b = 0;
  for (unsigned r = 0; r < CLUSTER && there && gradients; r++) b += cluster_shared(s.b, r)[j];
  const double alpha = there ? g.alpha[j] : 0, mean = gp_warp_sum(there ? s.k[j] * alpha : 0);
  if (t % 32 == 0) s.warp_mean[t / 32] = mean;
  if (t >= SLICE) return;
  s.by_mean[t] = there ? alpha * s.slope[j] : 0;
  s.by_sd[t] = there ? b * s.slope[j] : 0;
}

/* Its part of the gradients' sums: a dimension a warp. */
__device__ __forceinline__ void part_gradients(const device_gp &g, part_shared &s, const double *x, int rank)
{
  const int lane = (int)threadIdx.x % 32;
  for (int i = (int)threadIdx.x / 32; i < g.d; i += PART_WARPS) {
    double of_mean = 0, of_sd = 0;
    for (int t = lane; t < SLICE && SLICE * rank + t < g.n && !(g.categorical >> i & 1); t += 32) {
      const double offset = x[i] - g.x[i * GP_ROWS_MAX + SLICE * rank + t];
      of_mean = fma(s.by_mean[t], offset, of_mean);
      of_sd = fma(s.by_sd[t], offset, of_sd);
    }
    of_mean = gp_warp_sum(of_mean);
    of_sd = gp_warp_sum(of_sd);
    if (lane == 0) {
      s.of_mean[i] = of_mean;
      s.of_sd[i] = of_sd;
    }
  }
}

/* The sum of what each block has at `own`, in the order of the blocks. */
__device__ __forceinline__ double cluster_sum(double *own)
{
  double sum = 0;
  for (unsigned r = 0; r < CLUSTER; r++) sum += *cluster_shared(own, r);
  return sum;
}

/* Each block's part of everything; after it each may add what all have found, until it calls for
 * the cluster's next barrier. */
__device__ __forceinline__ void part_all(const device_gp &g, part_shared &s, const double *x, bool gradients)
{
  const int rank = (int)cluster_rank();
  part_covariances(g, s, x);
  __syncthreads();
  part_rows(g, s, rank);
  __syncthreads();
  if (gradients) part_columns(g, s, rank);
  cluster_sync();
  part_slice(g, s, rank, gradients);
  __syncthreads();
  if (gradients) part_gradients(g, s, x, rank);
  if (threadIdx.x == 0) {
    s.explained = s.mean = 0;
    for (int w = 0; w < PART_WARPS; w++) {
      s.explained += s.warp_explained[w];
      s.mean += s.warp_mean[w];
    }
  }
  cluster_sync();
}

__device__ __forceinline__ gp_moments cluster_moments(const device_gp &g, part_shared &s)
{
  const double explained = cluster_sum(&s.explained);
  return gp_moments_of(g, g.hyper->mean + cluster_sum(&s.mean), explained);
}

/* The gradients by dimension i, of one thread. */
__device__ __forceinline__ void cluster_gradient(const device_gp &g, part_shared &s, int i, const gp_moments &m,
                                                 double *by_mean, double *by_sd)
{
  *by_mean = 2 * g.hyper->weight[i] * cluster_sum(&s.of_mean[i]);
  const double of_sd = cluster_sum(&s.of_sd[i]);
  *by_sd = m.is_rounded ? 0 : -2 * g.hyper->weight[i] / m.sd * of_sd;
}

/* The first block writes what all have found. */
__device__ __forceinline__ void part_result(const device_gp &g, part_shared &s, bool gradients, double *out)
{
  const int t = (int)threadIdx.x;
  const gp_moments m = cluster_moments(g, s);
  if (t == 0) {
    out[0] = m.mean;
    out[1] = m.sd;
  }
  if (gradients && t < g.d) cluster_gradient(g, s, t, m, &out[2 + t], &out[2 + g.d + t]);
}

/* As gp_at: the cluster's point is the one of its number, or `point` where points is null. */
__global__ void __launch_bounds__(PART_THREADS, 1)
    gp_at_by_cluster(const device_gp g, const device_gp_point point, const device_gp_point *points, int gradients,
                     double *out)
{
#if defined(CUDACPU) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  DYNAMIC_SHARED(part_shared, s);
  const int t = (int)threadIdx.x, number = (int)blockIdx.x / CLUSTER;
  if (t < g.d) s->x[t] = points ? points[number].x[t] : point.x[t];
  __syncthreads();
  part_all(g, *s, s->x, gradients != 0);
  if (cluster_rank() == 0) part_result(g, *s, gradients != 0, out + 2 * number); /* several have no gradients */
  cluster_sync(); /* nobody's memory is gone before it was read */
#endif
}

/* ---- climbs ---------------------------------------------------------------------------------- */

struct climb_shared {
  part_shared part; /* first: it is what the other blocks read */
  lbfgs_state<GP_AXES_MAX> state;
};

/* Log expected improvement for lbfgs_minimise, which makes it least: so its negative.  Every block
 * adds what all have found, in one order, and so knows the same. */
struct part_improvement : gp_climb_bounds {
  const device_gp *g;
  part_shared *s;
  double best;

  __device__ __forceinline__ void evaluate(const double *x, double *value, double *gradient) const
  {
    const int t = (int)threadIdx.x;
    part_all(*g, *s, x, true);
    if (t >= GP_AXES_MAX) return;
    const gp_moments m = cluster_moments(*g, *s);
    const gp_improvement f = gp_improvement_of(m, best);
    if (t == 0) *value = -f.log;
    if (t >= g->d) return;
    double by_mean, by_sd;
    cluster_gradient(*g, *s, t, m, &by_mean, &by_sd);
    gradient[t] = is_smooth(t) ? -gp_slope_of(f, by_mean, by_sd) : 0;
  }
};

/* A climb a cluster: each of its blocks keeps the same state. */
__global__ void __launch_bounds__(PART_THREADS, 1)
    gp_climb_by_cluster(const device_gp g, const device_gp_climb climb, device_gp_point *points)
{
#if defined(CUDACPU) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  DYNAMIC_SHARED(climb_shared, s);
  part_improvement f;
  f.smooth = climb.smooth;
  f.g = &g;
  f.s = &s->part;
  f.best = climb.best;
  gp_climb_from(g, climb, s->state, f, points + blockIdx.x / CLUSTER, cluster_rank() == 0);
  cluster_sync(); /* nobody's memory is gone before it was read */
#endif
}

/* ---- launchers ------------------------------------------------------------------------------- */

int gp_predict_by_cluster(const struct device_gp *g, int count, const struct device_gp_point *point,
                          const struct device_gp_point *points, int gradients, double *out, void *stream)
{
  return launch_cluster(gp_at_by_cluster, CLUSTER, dim3((unsigned)(CLUSTER * count)), dim3(PART_THREADS),
                        sizeof(part_shared), (cudaStream_t)stream, *g, point ? *point : device_gp_point(), points,
                        gradients, out);
}

int gp_climb_by_clusters(const struct device_gp *g, const struct device_gp_climb *climb, int count,
                         struct device_gp_point *points, void *stream)
{
  return launch_cluster(gp_climb_by_cluster, CLUSTER, dim3((unsigned)(CLUSTER * count)), dim3(PART_THREADS),
                        sizeof(climb_shared), (cudaStream_t)stream, *g, *climb, points);
}
