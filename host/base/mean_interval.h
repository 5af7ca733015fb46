/* The mean of a few measurements, and how far off it may be. */
#ifndef GSOS_MEAN_INTERVAL_H
#define GSOS_MEAN_INTERVAL_H

struct mean_interval {
  int n;
  double mean; /* 0 of none */
  double sd;   /* standard deviation of the sample, by n - 1; NaN of fewer than two */
  double half; /* the 95 % interval of the mean is mean - half ... mean + half; NaN of fewer than two */
};

/* Of values [n].  The interval is Student's, with n - 1 degrees of freedom: it holds the true mean
 * in 95 of 100 cases where the values are normal and independent. */
struct mean_interval mean_interval_of(const double *values, int n);

/* The t that |T| stays below with probability 0.95, for T of Student's distribution with so many
 * degrees of freedom (1 or more): 12.706 of 1, 2.776 of 4, 1.960 of infinitely many. */
double student_t_95(int degrees);

/* Probability that T is at most t. */
double student_t_below(double t, int degrees);

#endif
