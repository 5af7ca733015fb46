/* Expected improvement in logarithm, for the host and for kernels: one formula, so that both find
 * the same maximum.
 *
 * EI = sd h(z), h(z) = φ(z) + z Φ(z), z = (mean - best) / sd.  Below `tail` the two terms cancel.
 * There, with t = -z and Mills' ratio as Laplace's continued fraction, Φ(z)/φ(z) = 1/(t + c), c =
 * 1/(t + 2/(t + 3/(t + ...))):
 *
 *   h(z) = φ(z) (1 - t/(t + c)) = φ(z) c/(t + c)
 *
 * without a difference.  Ament et al., "Unexpected improvements to expected improvement for
 * Bayesian optimization", NeurIPS 2023, eq. 8, take erfcx there, which C has not. */
#ifndef GSOS_EXPECTED_IMPROVEMENT_H
#define GSOS_EXPECTED_IMPROVEMENT_H

#include <math.h>

#include "kernels/host_device.h"

/* log h(z), Φ/h and φ/h; finite for z down to -1e150. */
HOST_DEVICE double log_improvement(double z, double *cdf_by_h, double *pdf_by_h)
{
  const double tail = -4, log_sqrt_2pi = 0.91893853320467274178, sqrt_half = 0.70710678118654752440;
  enum { TERMS = 30 }; /* the fraction's error at -4 is below exp(-60) */
  if (z > tail) {
    double pdf = exp(-0.5 * z * z - log_sqrt_2pi), cdf = 0.5 * erfc(-z * sqrt_half), h = pdf + z * cdf;
    *cdf_by_h = cdf / h;
    *pdf_by_h = pdf / h;
    return log(h);
  }
  double t = -z, c = t;
  for (int k = TERMS; k > 1; k--) c = t + k / c;
  c = 1 / c;
  *cdf_by_h = 1 / c;
  *pdf_by_h = (t + c) / c;
  return -0.5 * z * z - log_sqrt_2pi + log(c / (t + c));
}

#endif
