/* What is measured of a study, for every table and figure that shows it. */
#include <math.h>
#include <string.h>

#include "host/report/report_internal.h"
#include "host/report/report_page.h"

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

bool report_wall_time(const struct report_study *s, double *value)
{
  *value = s->record.wall_s;
  return s->record.ran_alone && s->record.wall_s > 0;
}

/* By what results depend on, which begins with the trainer's name (objective_cnn.h), and by what
 * that was before an accepted change. */
enum report_clock report_clock_of(const struct study_record *r)
{
  if (strcmp(r->objective, "cnn") != 0) return CLOCK_TRIAL;
  bool device = !strncmp(r->depends_on, "cuda, ", 6);
  for (int i = 0; i < r->n_changes; i++) device = device || strstr(r->changes[i], "cuda, ");
  return device ? CLOCK_DEVICE : CLOCK_CPU;
}

enum report_clock report_clock_of_page(const struct report_page *p)
{
  enum report_clock clock = CLOCK_TRIAL;
  for (int i = 0; i < p->n; i++) {
    enum report_clock of = report_clock_of(&p->studies[i].s->record);
    if (of > clock) clock = of;
  }
  return clock;
}

const struct report_clock_names report_clock_names[CLOCKS] = {
    [CLOCK_TRIAL] = {"seconds", "time", "time to best", "whole time"},
    [CLOCK_CPU] = {"CPU seconds", "CPU time", "CPU time to best", "CPU time"},
    [CLOCK_DEVICE] = {"device seconds", "device time", "device time to best", "device time"},
};

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
