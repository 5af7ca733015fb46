/* Student's t test of paired differences.  See paired_difference.h. */
#include "host/report/paired_difference.h"

#include <math.h>

void paired_difference_of(struct paired_difference *d, const struct mean_interval *m)
{
  double error = m->sd / sqrt(m->n);
  *d = (struct paired_difference){m->n, m->mean, m->sd, m->mean - m->half, m->mean + m->half, NAN};
  if (m->n < 2) return;
  if (error > 0)
    d->p = 2 * student_t_below(-fabs(d->mean) / error, m->n - 1);
  else
    d->p = d->mean == 0 ? 1 : 0; /* all differences are the same */
}

void paired_difference_make(struct paired_difference *d, const double *difference, int n)
{
  struct mean_interval m = mean_interval_of(difference, n);
  paired_difference_of(d, &m);
}

void share_interval(int good, int n, double *low, double *high)
{
  const double z = 1.959963984540054;
  double p = (double)good / n, scale = 1 / (1 + z * z / n), middle = (p + z * z / (2.0 * n)) * scale;
  double reach = z * scale * sqrt(p * (1 - p) / n + z * z / (4.0 * n * n));
  *low = fmax(middle - reach, 0);
  *high = fmin(middle + reach, 1);
}
