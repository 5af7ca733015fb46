/* What is measured of a study, for every table and figure that shows it. */
#include <math.h>

#include "host/report/report_internal.h"

bool report_best_value(const struct report_study *s, double *value)
{
  if (s->best >= 0) *value = s->trials[s->best].value;
  return s->best >= 0 && isfinite(*value);
}

bool report_images(const struct report_study *s, double *value)
{
  *value = (double)s->images;
  return s->images > 0;
}

bool report_tflop(const struct report_study *s, double *value)
{
  *value = s->flops * 1e-12;
  return s->flops > 0;
}

bool report_tflop_to_best(const struct report_study *s, double *value)
{
  *value = s->flops_to_best * 1e-12;
  return s->flops > 0 && s->best >= 0;
}

bool report_time(const struct report_study *s, double *value)
{
  *value = s->time_s;
  return s->time_s > 0;
}

bool report_time_to_best(const struct report_study *s, double *value)
{
  *value = s->time_to_best_s;
  return s->time_s > 0 && s->best >= 0;
}
