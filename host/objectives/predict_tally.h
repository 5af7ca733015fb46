/* How often a network is right, where the classes of images are known: accuracy, of each class too,
 * and the confusion matrix. */
#ifndef GSOS_PREDICT_TALLY_H
#define GSOS_PREDICT_TALLY_H

#include <stdint.h>
#include <stdio.h>

#include "host/base/error.h"
#include "host/objectives/predict.h"

struct predict_tally {
  int classes;
  int64_t n, right;
  int64_t *counts; /* [classes][classes] images of a class (row) that were given a class (column) */
};

int predict_tally_begin(struct predict_tally *t, int classes, struct error *e); /* ERROR_MACHINE without memory */
void predict_tally_add(struct predict_tally *t, int label, int predicted);
void predict_tally_free(struct predict_tally *t); /* takes a zero-initialised struct */

/* For people: the accuracy, and a row for each class that there are images of: how many, how many
 * are right, and what the others are most often taken for; of many classes those with the lowest
 * accuracy. Lines of at most 80 columns. */
void predict_tally_print(FILE *out, const struct predict_tally *t, const struct predictor *p);

/* The confusion matrix as CSV (RFC 4180), put in the place of `path` when it is whole: a row for
 * each class that an image is of, a column for each that it is given. */
int predict_tally_write(const struct predict_tally *t, const struct predictor *p, const char *path, struct error *e);

#endif
