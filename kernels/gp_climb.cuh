/* What climbs of expected improvement share, by a block (gp_points.cu) and by a cluster
 * (gp_at_cluster.cu): what is climbed, within which bounds, from where to where.
 *
 * log EI = log σ + log h(z), z = (μ - best)/σ (expected_improvement.h); its derivatives by μ and σ
 * are Φ/h/σ and φ/h/σ. */
#ifndef GSOS_GP_CLIMB_CUH
#define GSOS_GP_CLIMB_CUH

#include "kernels/expected_improvement.h"
#include "kernels/gp_block.cuh"
#include "kernels/lbfgs.cuh"

/* The posterior of a point. */
struct gp_moments {
  double mean, sd;
  bool is_rounded; /* the deviation is the least there is: it has no gradient */
};

__device__ __forceinline__ gp_moments gp_moments_of(const device_gp &g, double mean, double explained)
{
  const double variance = g.hyper->signal - explained, least = gp_least_variance(g.hyper->signal);
  return {mean, sqrt(variance > least ? variance : least), !(variance > least)};
}

struct gp_improvement {
  double log, by_mean, by_sd;
};

__device__ __forceinline__ gp_improvement gp_improvement_of(const gp_moments &m, double best)
{
  double cdf_by_h, pdf_by_h;
  const double log_h = log_improvement((m.mean - best) / m.sd, &cdf_by_h, &pdf_by_h);
  return {log(m.sd) + log_h, cdf_by_h / m.sd, pdf_by_h / m.sd};
}

/* By a coordinate by which mean and deviation have these derivatives. */
__device__ __forceinline__ double gp_slope_of(const gp_improvement &f, double by_mean, double by_sd)
{
  return f.by_mean * by_mean + f.by_sd * by_sd;
}

/* Smooth coordinates are in [0, 1), the others, whose gradient is 0, stay what they are. */
struct gp_climb_bounds {
  uint64_t smooth;

  __device__ __forceinline__ bool is_smooth(int i) const
  {
    return smooth >> i & 1;
  }
  __device__ __forceinline__ double low(int i) const
  {
    return is_smooth(i) ? 0 : -INFINITY;
  }
  __device__ __forceinline__ double high(int i) const
  {
    return is_smooth(i) ? 0x1.fffffffffffffp-1 : INFINITY;
  }
};

/* From *point to where f is least, which becomes *point; only one of a cluster's blocks writes
 * it. */
template <class Function>
__device__ __forceinline__ void gp_climb_from(const device_gp &g, const device_gp_climb &climb,
                                              lbfgs_state<GP_AXES_MAX> &state, const Function &f,
                                              device_gp_point *point, bool writes)
{
  const int t = (int)threadIdx.x;
  if (t < g.d) state.trial[t] = point->x[t];
  lbfgs_minimise(state, g.d, lbfgs_settings{climb.tolerance, climb.reach, climb.evaluations}, f);
  if (writes && t < g.d) point->x[t] = state.at[t];
}

#endif
