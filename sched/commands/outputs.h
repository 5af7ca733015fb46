/* What a run leaves beside its database: networks, the test of each best one, tables. */
#ifndef GSOS_OUTPUTS_H
#define GSOS_OUTPUTS_H

#include <stdio.h>

#include "sched/run/runner.h"

/* Can a run of x write what it leaves at its end, but for the page, without which it goes on?
 * ERROR_CONFIG where the output folder is the root of the file system, where a folder has the name
 * of one of those files or a file that of a folder, or where one of them is what x reads.
 * `begun`: a run has, so that what is there is its own; else run.ini, best.ini and best.safetensors
 * must be what a run has left. */
int results_check(const struct experiment *x, bool begun, struct error *e);

/* The files and folders that an experiment reads: its ini file, the data set's, the table's;
 * some may be "". */
enum { RESULTS_INPUTS = 10 };
void results_inputs(const struct experiment *x, const char *inputs[RESULTS_INPUTS]);

/* Removes the networks that a killed run left half done or no longer best. */
void results_clean_networks(const struct run_study *s);

/* Removes the states (state_file.h) that a run left half written, or of trials that have ended or
 * are not in the database; and their folder, where it is empty then. */
void results_clean_states(const struct runner *r, const struct run_study *s);

/* Evaluates the best network of a study that has ended on the test set, unless the database says
 * that it has been (contract 5).  In that one look: what it took the images of each class for, and
 * pictures of its surest mistakes in the output folder. */
int results_test(struct objective *o, struct store *store, const char *output, const struct run_study *s,
                 const volatile int *stop, struct error *e);

/* Has any trial succeeded, of those that have ended?  Else ERROR_FAILED, with how many failed, and
 * how the first one did.  `early`: the run stopped because of that. */
int results_success(struct store *store, bool early, struct error *e);

/* Writes best.safetensors, best.ini, report.txt, trials.csv, confusion.csv and report.html, and
 * prints the tables and what was written where to `out`, unless that is NULL.  What prevents
 * report.html is told to `told`, unless that is NULL, and is no error. */
int results_write(const struct experiment *x, struct store *store, FILE *out, FILE *told, struct error *e);

#endif
