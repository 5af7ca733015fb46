/* Data sets and networks in words, for people: lines of at most 80 columns that begin with two
 * spaces. */
#ifndef GSOS_DESCRIBE_H
#define GSOS_DESCRIBE_H

#include <stdio.h>

#include "host/data/dataset.h"
#include "host/network/plan.h"

/* Size, classes, parts, and what was left out. */
void describe_dataset(FILE *out, const struct dataset *d);
/* Images of each class and part, what guessing reaches, the noise of an accuracy, images that are
 * there more than once, and warnings of classes and parts that are too small to measure by.  Reads
 * all images, once. */
void describe_classes(FILE *out, const struct dataset *d);
/* What was left out, and what lies beside the data and was not used; nothing where there is
 * nothing. */
void describe_left_out(FILE *out, const struct dataset *d);

/* A feasible plan: a row for each layer, parameters, FLOPs of a step and of the trial, memory. */
void describe_plan(FILE *out, const struct plan *p);

#endif
