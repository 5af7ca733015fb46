/* Medians with quartiles, and the two-sided tests of Mann and Whitney and of Wilcoxon, for runs of
 * samplers. */
#ifndef GSOS_TESTS_SEARCH_STATISTICS_H
#define GSOS_TESTS_SEARCH_STATISTICS_H

struct quartiles {
  double low, median, high;
};

/* Of n >= 1 numbers, in any order; linear between neighbours (type 7 of Hyndman and Fan 1996, R's
 * and NumPy's default). */
struct quartiles quartiles_of(const double *x, int n);

/* Two-sided p value of the hypothesis that a [n] and b [m] come from one distribution: Mann and
 * Whitney 1947, by the normal distribution with corrections for ties and continuity (SciPy's
 * mannwhitneyu(method="asymptotic")).  1 where all are equal. */
double mann_whitney(const double *a, int n, const double *b, int m);

/* Two-sided p value of the hypothesis that differences x [n] are symmetric about 0: Wilcoxon's
 * signed-rank test (1945), zeros left out, by the normal distribution with corrections for ties and
 * continuity.  1 where nothing differs. */
double signed_rank(const double *x, int n);

#endif
