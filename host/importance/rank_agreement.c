/* Kendall's W.  See rank_agreement.h. */
#include "host/importance/rank_agreement.h"

#include <math.h>

/* A finite sum: Abramowitz, Stegun, "Handbook of Mathematical Functions", 1964, 26.4.4 and 26.4.5.
 * With h = x / 2 it is
 *
 *   even degrees   exp(-h) (1 + h + h^2 / 2! + ...)
 *   odd            erfc(sqrt(h)) + exp(-h) (h^(1/2) / Gamma(3/2) + h^(3/2) / Gamma(5/2) + ...)
 *
 * with degrees / 2 terms, rounded down. */
double chi_squared_above(double x, int degrees)
{
  double h = x / 2, power = degrees % 2 ? 0.5 : 0;
  double sum = degrees % 2 ? erfc(sqrt(h)) : 0;
  double term = exp(-h) * (degrees % 2 ? sqrt(h) / tgamma(1.5) : 1);
  for (int k = 0; k < degrees / 2; k++) {
    sum += term;
    power++;
    term *= h / power;
  }
  return sum < 1 ? sum : 1;
}

/* Ranks from 1, the heaviest; of equal weights the mean of theirs.  Returns the sum of t^3 - t over
 * groups of t equal ones. */
static double rank_with_ties(const double *weight, int n, double *rank)
{
  double ties = 0;
  for (int i = 0; i < n; i++) {
    int heavier = 0, equal = 0;
    for (int k = 0; k < n; k++) {
      heavier += weight[k] > weight[i];
      equal += weight[k] == weight[i];
    }
    rank[i] = heavier + (equal + 1) / 2.0;
    ties += (double)equal * equal - 1; /* t of them: t (t^2 - 1) */
  }
  return ties;
}

void rank_agreement_measure(const double *const *weight, int m, int n, struct rank_agreement *out)
{
  double rank[SPACE_MAX], sum[SPACE_MAX] = {0}, ties = 0, s = 0;
  *out = (struct rank_agreement){.rankings = m, .things = n};
  for (int i = 0; i < m; i++) {
    ties += rank_with_ties(weight[i], n, rank);
    for (int k = 0; k < n; k++) sum[k] += rank[k];
  }
  for (int k = 0; k < n; k++) {
    double off = sum[k] - m * (n + 1) / 2.0;
    s += off * off;
    out->mean_rank[k] = sum[k] / m;
  }
  double most = (double)m * m * ((double)n * n * n - n) - m * ties;
  out->has_w = m >= 2 && n >= 2 && most > 0;
  if (!out->has_w) return;
  out->w = 12 * s / most;
  out->has_p = m >= RANK_AGREEMENT_P_MIN;
  if (!out->has_p) return;
  out->chi_squared = m * (n - 1) * out->w;
  out->p = chi_squared_above(out->chi_squared, n - 1);
}
