/* Data sets and networks in words, for people: lines of at most 80 columns that begin with two spaces. */
#ifndef GSOS_DESCRIBE_H
#define GSOS_DESCRIBE_H

#include <stdio.h>

#include "dataset.h"
#include "plan.h"

/* Size, classes, parts, and what was left out. */
void describe_dataset(FILE *out, const struct dataset *d);

/* A feasible plan: a row for each layer, parameters, FLOPs of a step and of the trial, memory. */
void describe_plan(FILE *out, const struct plan *p);

#endif
