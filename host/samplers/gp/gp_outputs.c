/* What the Gaussian process learns from: values to outputs.
 *
 * Values near the best are close together and many (accuracies of 0.98 and 0.985, say), bad ones
 * are far away and each at a place of its own.  A Gaussian process with one lengthscale a dimension
 * cannot follow both, and which of the good ones is best is what counts.  So values are transformed
 * by their distance from the best, g = (best - value) / scale with scale the median distance:
 *
 *   t = -log(c + g)
 *
 * which is monotone, about linear where g is well below c and logarithmic above: with c = 1 and
 * accuracies whose best is 0.99 and whose median 0.90, a step near 0.99 counts ten times what it
 * does near 0.10.  c is chosen from a grid, linear (c = ∞) included, by the likelihood of a normal
 * distribution, as Box and Cox (1964) choose their exponent, but not below 1: what is nearest to
 * the best would be told apart so well that a search stays there (bench_search: on `dev` functions
 * worse than no transform).
 *
 *   L(c) = -n/2 log var(t) + Σ log |dt/dg|,   dt/dg = -1 / (c + g)
 *
 * A failed trial gets the worst output that there is: it is avoided like the worst place known, and
 * no more than that, so that a cliff does not decide the lengthscales of everything else
 * (Forrester, Keane, Bressloff 2006 impute likewise). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/number_order.h"
#include "host/samplers/gp/gp_fit.h"

/* Fewer than this say nothing about their distribution: c = 1. */
enum { CHOOSE_FROM = 8 };
static const double softenings[] = {INFINITY, 30, 10, 3, 1};
enum { SOFTENINGS = sizeof(softenings) / sizeof(softenings[0]) };

static double transform(double gap, double softening)
{
  return isinf(softening) ? -gap : -log(softening + gap);
}

/* Mean and variance of the transformed gaps, failed ones (NaN) left out. */
static void moments(int n, const double *gap, double softening, double *mean, double *variance)
{
  double sum = 0, squares = 0;
  int count = 0;
  for (int i = 0; i < n; i++) {
    if (isnan(gap[i])) continue;
    sum += transform(gap[i], softening);
    count++;
  }
  *mean = sum / count;
  for (int i = 0; i < n; i++) {
    if (isnan(gap[i])) continue;
    double t = transform(gap[i], softening) - *mean;
    squares += t * t;
  }
  *variance = squares / count;
}

static double choose_softening(int n, int count, const double *gap)
{
  double best = -INFINITY, chosen = 1;
  if (count < CHOOSE_FROM) return chosen;
  for (int s = 0; s < SOFTENINGS; s++) {
    double mean, variance, likelihood;
    moments(n, gap, softenings[s], &mean, &variance);
    likelihood = -0.5 * count * log(variance);
    for (int i = 0; i < n && !isinf(softenings[s]); i++) {
      if (!isnan(gap[i])) likelihood -= log(softenings[s] + gap[i]);
    }
    if (likelihood > best) {
      best = likelihood;
      chosen = softenings[s];
    }
  }
  return chosen;
}

/* Values to distances from the best, between 0 and 2 whatever their size, NaN staying NaN.
 * Infinite ones become the worst and the best of the finite ones.  Returns how many are no NaN. */
static int gaps_of(int n, const double *values, double *gap)
{
  double low = INFINITY, high = -INFINITY;
  int count = 0;
  for (int i = 0; i < n; i++) {
    count += !isnan(values[i]);
    if (!isfinite(values[i])) continue;
    low = fmin(low, values[i]);
    high = fmax(high, values[i]);
  }
  if (low > high) low = -1, high = 1; /* nothing finite */
  double largest = fmax(fmax(fabs(low), fabs(high)), 1e-300);
  for (int i = 0; i < n; i++) {
    gap[i] = isnan(values[i]) ? NAN : high / largest - fmin(fmax(values[i], low), high) / largest;
  }
  return count;
}

/* The median of what is no NaN; the mean where more than half are the best; 0 where all are. */
static double scale_of(int n, int count, const double *gap, double *scratch)
{
  int k = 0;
  double sum = 0;
  for (int i = 0; i < n; i++) {
    if (isnan(gap[i])) continue;
    scratch[k++] = gap[i];
    sum += gap[i];
  }
  qsort(scratch, (size_t)count, sizeof(*scratch), number_order);
  return scratch[count / 2] > 0 ? scratch[count / 2] : sum / count;
}

void gp_outputs(int n, const double *values, double *z)
{
  int count = gaps_of(n, values, z);
  double *scratch = count ? malloc((size_t)count * sizeof(*scratch)) : NULL;
  double scale = scratch ? scale_of(n, count, z, scratch) : 0, mean = 0, variance = 0, worst = 0, softening = 1;
  free(scratch);
  if (scale > 0) {
    for (int i = 0; i < n; i++) z[i] /= scale;
    softening = choose_softening(n, count, z);
    moments(n, z, softening, &mean, &variance);
  }
  if (!(variance > 1e-20)) { /* all alike: what failed is worse, that is all */
    for (int i = 0; i < n; i++) z[i] = isnan(z[i]) && count ? -1 : 0;
    return;
  }
  double deviation = sqrt(variance);
  for (int i = 0; i < n; i++) {
    if (isnan(z[i])) continue;
    z[i] = (transform(z[i], softening) - mean) / deviation;
    worst = fmin(worst, z[i]);
  }
  for (int i = 0; i < n; i++) {
    if (isnan(z[i])) z[i] = worst;
  }
}
