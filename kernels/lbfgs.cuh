/* The minimum of a smooth function within bounds, sought by one block: L-BFGS (Nocedal 1980; two
 * loops over the last eight steps, Nocedal and Wright, "Numerical Optimization", 2006, algorithm
 * 7.4), projected (Bertsekas 1982): parameters that are at a bound which the gradient pushes
 * against stay there, the others move along
 *
 *   x(t) = P(x + t d),  P the nearest point within the bounds
 *
 * and t becomes shorter, to the minimum of the cubic through both values and slopes (Nocedal and
 * Wright, eq. 3.59), until f(x(t)) <= f(x) + 1e-4 gᵀ(x(t) - x) (Armijo).  A step along which the
 * function bends down says nothing of its curvature: what was remembered is forgotten, and the next
 * step is along the gradient and twice as long.
 *
 * A value or a gradient that is not finite counts as one that is too large.  Ends where an accepted
 * step has brought less than `tolerance` (ftol_abs, as NLopt has it), where none is left, or after
 * so many evaluations; the best point is in `at` then.
 *
 * The function is an object whose members are called by all threads, and by the first warp:
 *
 *   void evaluate(const double *x, double *value, double *gradient)
 *       all threads, after a barrier; whichever thread writes the results, shared memory of the
 *       block: a barrier follows.  It may be the work of a whole cluster, each of whose blocks then
 *       runs lbfgs_minimise on a state of its own: given the same values all come to the same
 *       points, bit for bit, and to the same end, so that nothing more has to be exchanged.
 *   double low(int k), double high(int k)
 *       the bounds of parameter k; they may be infinite.
 *
 * Between two evaluations the first warp steps, a lane has the parameters lane, lane + 32 ...  Sums
 * are by shuffles, in one order. */
#ifndef GSOS_LBFGS_CUH
#define GSOS_LBFGS_CUH

#include "kernels/launch.h"

enum { LBFGS_PAIRS = 8 };

enum lbfgs_end {
  LBFGS_GOES_ON,
  LBFGS_CONVERGED,   /* below the tolerance, or no way down is left */
  LBFGS_EVALUATIONS, /* as many as there may be */
  LBFGS_FAILED,      /* nothing is known of the start: its value or its gradient is not finite */
};

struct lbfgs_settings {
  double tolerance; /* of the value */
  double reach;     /* the first step's length at most */
  int evaluations;  /* at most */
};

/* In shared memory. */
template <int most> struct lbfgs_state {
  double at[most], gradient[most];          /* the best point yet */
  double trial[most], trial_gradient[most]; /* the one that is evaluated; first, the start */
  double direction[most];
  double s[LBFGS_PAIRS][most], y[LBFGS_PAIRS][most]; /* steps and differences of gradients: a ring */
  double value, trial_value;
  double slope; /* gᵀ(trial - at) */
  double step, reach;
  int pairs, evaluations; /* pairs that there have been */
  enum lbfgs_end end;
};

/* ---- sums over the warp ---------------------------------------------------------------------- */

/* The same bits in each lane. */
__device__ __forceinline__ double lbfgs_sum(double x)
{
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

__device__ __forceinline__ double lbfgs_largest(double x)
{
  for (int step = 16; step > 0; step /= 2) {
    const double other = __shfl_xor_sync(0xffffffffu, x, step);
    x = other > x ? other : x;
  }
  return x;
}

/* What the code below goes over: this lane's parameters. */
#define LBFGS_EACH(k, n) for (int k = (int)threadIdx.x; k < (n); k += 32)

/* ---- steps ----------------------------------------------------------------------------------- */

/* Whether parameter k may move: not against the bound that it is at. */
template <int most, class Function>
__device__ __forceinline__ bool lbfgs_is_free(const lbfgs_state<most> &c, const Function &f, int k)
{
  const double x = c.at[k], g = c.gradient[k];
  return g > 0 ? x > f.low(k) : g < 0 && x < f.high(k);
}

/* The trial at x(t); its slope.  What is at a bound is so to the bit. */
template <int most, class Function>
__device__ __forceinline__ double lbfgs_place(lbfgs_state<most> &c, int n, double t, const Function &f)
{
  double slope = 0;
  LBFGS_EACH(k, n)
  {
    const double x = c.at[k], low = f.low(k), high = f.high(k), to = fma(t, c.direction[k], x);
    c.trial[k] = to < low ? low : to > high ? high : to;
    slope = fma(c.gradient[k], c.trial[k] - x, slope);
  }
  return lbfgs_sum(slope);
}

/* The direction is the gradient's, downwards.  How far is a step of `reach`, or of the gradient
 * where that is less and nothing else is known. */
template <int most, class Function>
__device__ __forceinline__ double lbfgs_steepest(lbfgs_state<most> &c, int n, double reach, const Function &f)
{
  double squares = 0;
  LBFGS_EACH(k, n)
  {
    const double g = lbfgs_is_free(c, f, k) ? c.gradient[k] : 0;
    c.direction[k] = -g;
    squares = fma(g, g, squares);
  }
  const double norm = sqrt(lbfgs_sum(squares));
  if (!(norm > 0)) return 0;
  return c.evaluations == 1 && norm < reach ? 1 : reach / norm;
}

/* The direction by the pairs, over what is free: of each the part that is free counts, and none
 * whose product is not positive.  Lane i keeps what belongs to pair i of the ring.  Returns where
 * all of it has come to a bound, at most 1. */
template <int most, class Function>
__device__ __forceinline__ double lbfgs_direction(lbfgs_state<most> &c, int n, const Function &f)
{
  const int lane = (int)threadIdx.x, first = c.pairs > LBFGS_PAIRS ? c.pairs - LBFGS_PAIRS : 0;
  double alpha_of_lane = 0, by_of_lane = 0, scale = 0; /* by: 1 / sᵀy, or 0 */
  LBFGS_EACH(k, n) c.direction[k] = lbfgs_is_free(c, f, k) ? -c.gradient[k] : 0;
  NO_UNROLL
  for (int p = c.pairs - 1; p >= first; p--) {
    const double *s = c.s[p % LBFGS_PAIRS], *y = c.y[p % LBFGS_PAIRS];
    double sd = 0, sy = 0, yy = 0;
    LBFGS_EACH(k, n)
    {
      const double is_free = lbfgs_is_free(c, f, k) ? 1 : 0;
      sd = fma(s[k], c.direction[k], sd);
      sy = fma(is_free * s[k], y[k], sy);
      yy = fma(is_free * y[k], y[k], yy);
    }
    sd = lbfgs_sum(sd);
    sy = lbfgs_sum(sy);
    yy = lbfgs_sum(yy);
    const double by = sy > 1e-10 * yy ? 1 / sy : 0, alpha = by * sd;
    if (scale == 0 && by > 0) scale = sy / yy;
    if (lane == p % LBFGS_PAIRS) {
      alpha_of_lane = alpha;
      by_of_lane = by;
    }
    LBFGS_EACH(k, n) c.direction[k] = lbfgs_is_free(c, f, k) ? fma(-alpha, y[k], c.direction[k]) : 0;
  }
  if (scale == 0) return 0;
  LBFGS_EACH(k, n) c.direction[k] *= scale;
  NO_UNROLL
  for (int p = first; p < c.pairs; p++) {
    const double *s = c.s[p % LBFGS_PAIRS], *y = c.y[p % LBFGS_PAIRS];
    double yd = 0;
    LBFGS_EACH(k, n) yd = fma(y[k], c.direction[k], yd);
    yd = lbfgs_sum(yd);
    const double alpha = __shfl_sync(0xffffffffu, alpha_of_lane, p % LBFGS_PAIRS);
    const double beta = __shfl_sync(0xffffffffu, by_of_lane, p % LBFGS_PAIRS) * yd;
    LBFGS_EACH(k, n) c.direction[k] = lbfgs_is_free(c, f, k) ? fma(alpha - beta, s[k], c.direction[k]) : 0;
  }
  double far = 0;
  LBFGS_EACH(k, n)
  {
    const double d = c.direction[k], room = d > 0 ? f.high(k) - c.at[k] : c.at[k] - f.low(k);
    if (d != 0 && room / fabs(d) > far) far = room / fabs(d);
  }
  far = lbfgs_largest(far);
  return far < 1 ? far : 1;
}

/* The trial becomes the best point; what lay between is remembered where it says something of the
 * curvature. */
template <int most> __device__ __forceinline__ void lbfgs_accept(lbfgs_state<most> &c, int n, bool first)
{
  const int lane = (int)threadIdx.x, slot = c.pairs % LBFGS_PAIRS;
  double sy = 0, yy = 0, ss = 0;
  LBFGS_EACH(k, n)
  {
    const double s = first ? 0 : c.trial[k] - c.at[k], y = first ? 0 : c.trial_gradient[k] - c.gradient[k];
    c.s[slot][k] = s;
    c.y[slot][k] = y;
    c.at[k] = c.trial[k];
    c.gradient[k] = c.trial_gradient[k];
    sy = fma(s, y, sy);
    yy = fma(y, y, yy);
    ss = fma(s, s, ss);
  }
  sy = lbfgs_sum(sy);
  yy = lbfgs_sum(yy);
  ss = lbfgs_sum(ss);
  __syncwarp();
  if (lane == 0) {
    c.value = c.trial_value;
    if (!first) c.reach = 2 * sqrt(ss);
    if (!first) c.pairs = sy > 1e-10 * yy ? c.pairs + 1 : 0;
  }
  __syncwarp();
}

/* Where the trial was too far: the part of the step that is tried next. */
template <int most> __device__ __forceinline__ double lbfgs_part(const lbfgs_state<most> &c, int n, bool usable)
{
  double slope = 0;
  LBFGS_EACH(k, n) slope = fma(c.trial_gradient[k], c.trial[k] - c.at[k], slope);
  slope = lbfgs_sum(slope);
  if (!usable) return 0.1;
  const double a = c.slope + slope - 3 * (c.trial_value - c.value), square = a * a - c.slope * slope;
  const double root = sqrt(square > 0 ? square : 0), part = 1 - (slope + root - a) / (slope - c.slope + 2 * root);
  return part > 0.1 ? part < 0.5 ? part : 0.5 : 0.1; /* NaN: 0.1 */
}

/* Whether value and gradient of the trial are finite. */
template <int most> __device__ __forceinline__ bool lbfgs_is_usable(const lbfgs_state<most> &c, int n)
{
  double zero = 0 * c.trial_value;
  LBFGS_EACH(k, n) zero = fma(0.0, c.trial_gradient[k], zero);
  return lbfgs_sum(zero) == 0;
}

/* The first trial on the way from a new best point; a slope of 0 where there is none. */
template <int most, class Function>
__device__ __forceinline__ double lbfgs_set_out(lbfgs_state<most> &c, int n, const Function &f, double *step)
{
  double slope = 0;
  *step = c.pairs ? lbfgs_direction(c, n, f) : 0;
  if (*step > 0) slope = lbfgs_place(c, n, *step, f);
  if (slope < 0) return slope;
  *step = lbfgs_steepest(c, n, c.reach, f);
  return *step > 0 ? lbfgs_place(c, n, *step, f) : 0;
}

/* The trial is known: the next one, or the end.  By the first warp. */
template <int most, class Function>
__device__ __forceinline__ void lbfgs_step(lbfgs_state<most> &c, int n, const lbfgs_settings &settings,
                                           const Function &f)
{
  const int evaluations = c.evaluations + 1;
  const bool first = evaluations == 1, usable = lbfgs_is_usable(c, n);
  const bool accepted = usable && (first || c.trial_value <= c.value + 1e-4 * c.slope);
  const double brought = c.value - c.trial_value;
  enum lbfgs_end end = evaluations >= settings.evaluations ? LBFGS_EVALUATIONS : LBFGS_GOES_ON;
  double step = 0, slope = 0;
  __syncwarp();
  if (threadIdx.x == 0) c.evaluations = evaluations;
  __syncwarp();
  if (accepted) {
    lbfgs_accept(c, n, first);
    if (!first && brought < settings.tolerance) end = LBFGS_CONVERGED;
    if (!end) slope = lbfgs_set_out(c, n, f, &step);
  } else if (first) {
    LBFGS_EACH(k, n) c.at[k] = c.trial[k];
    end = LBFGS_FAILED;
  } else if (!end) {
    step = c.step * lbfgs_part(c, n, usable);
    slope = lbfgs_place(c, n, step, f);
    if (-slope < 1e-3 * settings.tolerance) slope = 0; /* what it would bring is less than rounding, or not worth it */
  }
  if (!end && !(slope < 0)) end = LBFGS_CONVERGED;
  __syncwarp();
  if (threadIdx.x) return;
  c.step = step;
  c.slope = slope;
  c.end = end;
}

#undef LBFGS_EACH

/* By one thread, before the first evaluation. */
template <int most> __device__ __forceinline__ void lbfgs_begin(lbfgs_state<most> &c, const lbfgs_settings &settings)
{
  c.pairs = c.evaluations = 0;
  c.value = c.trial_value = c.slope = c.step = 0;
  c.reach = settings.reach;
  c.end = LBFGS_GOES_ON;
}

/* From c.trial, which any threads have written, within the bounds.  By all threads of a block of
 * whole warps, and of all blocks of a cluster where one evaluates; after a barrier c.at, c.value
 * and what else there is are for all of them. */
template <int most, class Function>
__device__ __forceinline__ void lbfgs_minimise(lbfgs_state<most> &c, int n, const lbfgs_settings &settings,
                                               const Function &f)
{
  if (threadIdx.x == 0) lbfgs_begin(c, settings);
  do {
    __syncthreads();
    f.evaluate(c.trial, &c.trial_value, c.trial_gradient);
    __syncthreads();
    if (threadIdx.x < 32) lbfgs_step(c, n, settings, f);
    __syncthreads();
  } while (c.end == LBFGS_GOES_ON);
}

#endif
