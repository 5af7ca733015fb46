/* What a network reaches on a part of the data, as one number: accuracy counts images, the others
 * count classes, so that a small class weighs as much as a large one. */
#ifndef GSOS_CLASS_METRICS_H
#define GSOS_CLASS_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/name_list.h"
#include "host/data/dataset.h"

#define METRICS(ROW)                                                                                                   \
  ROW(METRIC_ACCURACY, "accuracy")                                                                                     \
  ROW(METRIC_BALANCED_ACCURACY, "balanced_accuracy")                                                                   \
  ROW(METRIC_MACRO_F1, "macro_f1")                                                                                     \
  ROW(METRIC_LOSS, "loss")
enum metric { METRICS(NAME_VALUE) };

/* "balanced accuracy": for people. */
const char *metric_title(enum metric metric);
/* Needs the metric to know what the images of each class were taken for? */
bool metric_by_class(enum metric metric);

/* Of a part of the data.
 *   tally  [2][classes] images of a class that were taken for it; images that were taken for it at
 *          all
 * Balanced accuracy is the mean over the classes that the part has of the share of their images
 * that were taken for them (recall).  Macro F1 is the mean over the classes that the part has, or
 * that any image was taken for, of 2·hit / (images of it + taken for it).  As scikit-learn has them
 * (balanced_accuracy_score; f1_score, average = macro). */
double metric_of_classes(enum metric metric, const struct dataset_split *s, int classes, const int32_t *tally);

#endif
