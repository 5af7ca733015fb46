/* Functions with known minima, for the test of kernels/lbfgs.cuh: for the host, and for blocks and
 * clusters that seek their minima. */
#ifndef GSOS_TESTS_LBFGS_FUNCTIONS_H
#define GSOS_TESTS_LBFGS_FUNCTIONS_H

#include <math.h>

#include "kernels/host_device.h"

enum { LBFGS_DIMENSIONS_MAX = 67 };

enum lbfgs_function {
  ROSENBROCK, /* Σ 100 (xᵢ₊₁ - xᵢ²)² + (1 - xᵢ)²; 0 at 1 1 1 ... */
  ELLIPSE,    /* Σ 1000^(i/(n-1)) (x - c)²/2, c from -1 to 2; in [0, 1] half of the minimum is at bounds */
  FLAT,       /* 1 */
  CLIFF,      /* Σ (x - 0.4)², but NaN where x₀ > 0.5, infinite where x₁ < 0.2 */
  TORN,       /* the same, but its gradient is NaN where x₀ > 0.5 */
  NOWHERE,    /* NaN */
  VALLEY,     /* -Σ exp(-25 (x - 0.4)²): flat far away, bends down half way */
  LBFGS_FUNCTIONS
};

/* The part of dimension i of the value, which is the sum of all, and the derivative by x[i]. */
HOST_DEVICE double lbfgs_part_of(int function, int n, const double *x, int i, double *derivative)
{
  const double t = x[i] - 0.4, next = i + 1 < n ? x[i + 1] - x[i] * x[i] : 0;
  const double before = i > 0 ? x[i] - x[i - 1] * x[i - 1] : 0;
  double factor, centre;
  *derivative = 0;
  switch (function) {
  case ROSENBROCK:
    if (i + 1 < n) *derivative = -400 * next * x[i] - 2 * (1 - x[i]);
    *derivative += 200 * before;
    return i + 1 < n ? 100 * next * next + (1 - x[i]) * (1 - x[i]) : 0;
  case ELLIPSE:
    factor = n > 1 ? pow(1000, (double)i / (n - 1)) : 1;
    centre = n > 1 ? -1 + 3.0 * (i * 7 % n) / (n - 1) : 0;
    *derivative = factor * (x[i] - centre);
    return 0.5 * factor * (x[i] - centre) * (x[i] - centre);
  case CLIFF:
    *derivative = 2 * t;
    return i == 0 && x[i] > 0.5 ? NAN : i == 1 && x[i] < 0.2 ? INFINITY : t * t;
  case TORN:
    *derivative = i == 0 && x[i] > 0.5 ? NAN : 2 * t;
    return t * t;
  case NOWHERE:
    *derivative = NAN;
    return NAN;
  case VALLEY:
    *derivative = 50 * t * exp(-25 * t * t);
    return -exp(-25 * t * t);
  default:
    return i ? 0 : 1;
  }
}

struct lbfgs_climb {
  double x[LBFGS_DIMENSIONS_MAX]; /* the start, and then the minimum */
  double value;
  int evaluations, end;
};

struct lbfgs_task {
  int function, n, evaluations;
  double low, high, tolerance, reach;
};

#ifdef __cplusplus
extern "C" {
#endif
/* A climb a block of 128 threads, or, where `cluster` is not 0, a cluster of 8 blocks that evaluate
 * together.  climbs [count], in device memory. */
int lbfgs_climb_all(struct lbfgs_task task, int count, struct lbfgs_climb *climbs, int cluster, void *stream);
#ifdef __cplusplus
}
#endif
#endif
