/* The difference of two strategies over the same rounds: mean, interval, test.
 *
 * Trial t of a round starts from the same random numbers in every strategy (contract 1), so that
 * the rounds' differences are what varies, and Student's t test on them is the paired one (Student,
 * "The probable error of a mean", 1908). */
#ifndef GSOS_PAIRED_DIFFERENCE_H
#define GSOS_PAIRED_DIFFERENCE_H

#include "host/base/mean_interval.h"

struct paired_difference {
  int n;            /* differences */
  double mean, sd;  /* sd: of a sample, n - 1; NaN of one */
  double low, high; /* 95 % interval of the mean; NaN of fewer than two */
  double p;         /* of so large a mean, in either direction, if there were no difference; NaN as above */
};

/* difference [n], finite, n >= 1.  Also of plain values, for the interval of their mean. */
void paired_difference_make(struct paired_difference *d, const double *difference, int n);
/* The same of a mean that is there already, of one difference or more. */
void paired_difference_of(struct paired_difference *d, const struct mean_interval *m);

/* The 95 % interval of a share, of `good` in `n`, that of Wilson, "Probable inference, the law of
 * succession, and statistical inference", 1927. */
void share_interval(int good, int n, double *low, double *high);

#endif
