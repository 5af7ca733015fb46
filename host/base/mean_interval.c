/* Mean, deviation and Student's interval.
 *
 * The distribution by its finite series for whole degrees of freedom (Abramowitz and Stegun,
 * Handbook of Mathematical Functions, 26.7.3 and 26.7.4), in the angle theta = atan(t / sqrt(nu)):
 * all terms are positive, so that nothing cancels, and A(t | nu) rises with the angle, so that
 * halving finds the one of a probability. */
#include "host/base/mean_interval.h"

#include <math.h>

/* P(|T| < sqrt(nu) tan(theta)). */
static double probability_within(double theta, int nu)
{
  double c = cos(theta), term = nu % 2 ? c : 1, sum = nu == 1 ? 0 : term;
  for (int k = nu % 2 ? 3 : 2; k <= nu - 2; k += 2) {
    term *= c * c * (k - 1) / k;
    sum += term;
  }
  return nu % 2 ? M_2_PI * (theta + sin(theta) * sum) : sin(theta) * sum;
}

double student_t_below(double t, int degrees)
{
  double half = probability_within(atan(fabs(t) / sqrt(degrees)), degrees) / 2;
  return t < 0 ? 0.5 - half : 0.5 + half;
}

double student_t_95(int degrees)
{
  double low = 0, high = M_PI_2;
  for (int i = 0; i < 60; i++) { /* of the angle's 53 bits */
    double middle = (low + high) / 2;
    *(probability_within(middle, degrees) < 0.95 ? &low : &high) = middle;
  }
  return sqrt(degrees) * tan(low);
}

struct mean_interval mean_interval_of(const double *values, int n)
{
  struct mean_interval m = {.n = n, .sd = NAN, .half = NAN};
  double squares = 0;
  for (int i = 0; i < n; i++) m.mean += values[i] - values[0]; /* so that equal ones have deviation 0 */
  if (n > 0) m.mean = values[0] + m.mean / n;
  for (int i = 0; i < n; i++) squares += (values[i] - m.mean) * (values[i] - m.mean);
  if (n < 2) return m;
  m.sd = sqrt(squares / (n - 1));
  m.half = student_t_95(n - 1) * m.sd / sqrt(n);
  return m;
}
