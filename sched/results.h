/* What a run leaves beside its database: networks, the test of each best one, tables. */
#ifndef GSOS_RESULTS_H
#define GSOS_RESULTS_H

#include <stdio.h>

#include "runner.h"

/* Removes the networks that a killed run left half done or no longer best. */
void results_clean_networks(const struct run_study *s);

/* Evaluates the best network of a study that has ended on the test set, unless the database says that it has been (contract 5). */
int results_test(struct objective *o, struct store *store, const struct run_study *s, const volatile int *stop,
                 struct error *e);

/* Writes best.safetensors, best.ini, report.txt and trials.csv, and prints the tables and what was written where to `out`. */
int results_write(const struct experiment *x, struct store *store, FILE *out, struct error *e);

#endif
