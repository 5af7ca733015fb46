/* A table: the recorded trials of one or more studies with their learning curves, from a study
 * database of gsos or of Optuna, plain or packed by gzip.
 *
 * What counts:
 *   complete, pruned   a trial's values after each epoch, as far as they are there and finite.  A
 *                      complete trial without any counts with its value, at its last epoch
 *   failed             where it diverged ("diverged: ..."), or the program said so ("failed: ..."),
 *                      or no reason is known: a configuration that fails.  Its values before are
 *                      not used.  Where the machine or the clock ended it, it is left out
 *   running, waiting, and trials that lack a hyperparameter or a finite value: left out
 *
 * Curves: without a schedule of the learning rate the first e values of a curve are those of a
 * trial of e epochs, so the hyperparameter that is the number of epochs may be anything from 1 to
 * the longest curve, whatever was recorded.  A table without curves (no trial has a value of a
 * second epoch) has a value a trial, and its number of epochs is a hyperparameter like others. */
#ifndef GSOS_TABLE_H
#define GSOS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/error.h"
#include "host/space/space.h"

#define TABLE_EPOCH "epoch" /* the number of epochs where [table] epoch names nothing else */

struct table {
  struct space space; /* defaults: those that the studies were made with, else the lowest values */
  int epoch;          /* place of the number of epochs in the space; -1: there is none */
  bool curves;
  int epochs; /* of the longest curve; 1 without curves */
  bool maximize;
  int n;          /* trials that count */
  double *values; /* [n][space.n] internal */
  bool *complete; /* [n] neither pruned nor failed */
  bool *failed;   /* [n] */
  int *order;     /* [n] how many before it did not fail */
  double *curve;  /* [n][epochs] values after each epoch; NaN: not there, and all of a failed trial */
  int n_complete, n_pruned, n_failed, n_left_out;
  uint64_t fingerprint; /* of all that counts */
  char value_name[64];  /* "validation accuracy"; "value" where the study says nothing */
  char *search;         /* search keys that the first study was made with; "" where there are none */
  char depends_on[600]; /* what its results depend on; "" */
};

/* Reads the database `path`.  epoch: name of the number of epochs, "" for TABLE_EPOCH where there
 * is such a one.  Studies without a trial are passed over; the others must be of the same
 * hyperparameters, choices and direction.  ERROR_CONFIG: there is no such file, or no such
 * hyperparameter; ERROR_FAILED: damaged, no database, nothing that counts; messages begin with
 * `path`.  After an error the table owns nothing. */
int table_read(struct table *t, const char *path, const char *epoch, struct error *e);
void table_destroy(struct table *t); /* accepts a zero-initialised struct */

static inline const double *table_values(const struct table *t, int trial)
{
  return t->values + (size_t)trial * (size_t)t->space.n;
}

static inline const double *table_curve(const struct table *t, int trial)
{
  return t->curve + (size_t)trial * (size_t)t->epochs;
}

/* Epochs up to the last value that a curve has; 0 where it has none. */
int table_curve_length(const struct table *t, int trial);

#endif
