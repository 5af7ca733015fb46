/* How far several rankings of the same things agree: Kendall's coefficient of concordance (Kendall,
 * Babington Smith, "The problem of m rankings", Annals of Mathematical Statistics 10, 1939), with
 * the correction for ties (Kendall, Gibbons, "Rank Correlation Methods", 1990, chapter 6).
 *
 * Of m rankings of n things, tied ones having the mean of their ranks, with R_i the sum of the
 * ranks of thing i, S the sum of the squares of R_i - m (n + 1) / 2, and T the sum of t^3 - t over
 * all groups of t tied things in all rankings,
 *
 *   W = 12 S / (m^2 (n^3 - n) - m T)
 *
 * is 1 where all rankings are the same and near 0 where they have nothing in common.  Without any
 * agreement, m (n - 1) W is about as chi-squared with n - 1 degrees of freedom (Friedman, "The use
 * of ranks to avoid the assumption of normality", 1937).  That is an approximation, rough where
 * both m and n are small; of two rankings no p-value is told. */
#ifndef GSOS_RANK_AGREEMENT_H
#define GSOS_RANK_AGREEMENT_H

#include <stdbool.h>

#include "host/space/space.h"

enum { RANK_AGREEMENT_P_MIN = 3 }; /* rankings, at least, that a p-value is told of */

struct rank_agreement {
  int rankings, things;
  bool has_w; /* there are two rankings and two things, and not every ranking ties all things */
  double w;   /* 0 ... 1 */
  bool has_p; /* has_w, and RANK_AGREEMENT_P_MIN rankings */
  double chi_squared, p;
  double mean_rank[SPACE_MAX]; /* [things] from 1, the heaviest */
};

/* weight [m][n]: the heaviest has rank 1, equal ones are tied.  m >= 1, 1 <= n <= SPACE_MAX. */
void rank_agreement_measure(const double *const *weight, int m, int n, struct rank_agreement *out);

/* The probability that chi-squared with so many degrees of freedom, 1 or more, is above x >= 0. */
double chi_squared_above(double x, int degrees);

#endif
