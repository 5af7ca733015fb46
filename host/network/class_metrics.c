/* Metrics over classes.  See class_metrics.h. */
#include "host/network/class_metrics.h"

#include <math.h>
#include <stdlib.h>

const char *metric_title(enum metric metric)
{
  static const char *const titles[] = {[METRIC_ACCURACY] = "accuracy",
                                       [METRIC_BALANCED_ACCURACY] = "balanced accuracy",
                                       [METRIC_MACRO_F1] = "macro F1",
                                       [METRIC_LOSS] = "loss"};
  return titles[metric];
}

bool metric_by_class(enum metric metric)
{
  return metric == METRIC_BALANCED_ACCURACY || metric == METRIC_MACRO_F1;
}

double metric_of_classes(enum metric metric, const struct dataset_split *s, int classes, const int32_t *tally)
{
  const int32_t *hit = tally, *taken = tally + classes;
  int64_t *there = calloc((size_t)classes, sizeof *there);
  double sum = 0;
  int n = 0;
  if (!there) return NAN;
  for (int i = 0; i < s->n; i++) there[dataset_label(s, i)]++;
  for (int c = 0; c < classes; c++) {
    if (there[c] == 0 && (metric == METRIC_BALANCED_ACCURACY || taken[c] == 0)) continue;
    n++;
    if (metric == METRIC_BALANCED_ACCURACY)
      sum += (double)hit[c] / (double)there[c];
    else
      sum += 2.0 * hit[c] / (double)(there[c] + taken[c]);
  }
  free(there);
  return n > 0 ? sum / n : NAN;
}
