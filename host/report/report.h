/* The tables that a run ends with, made from the study database alone: the paper's Tables 3 and 4
 * for this experiment, the best configuration, a table of trials. */
#ifndef GSOS_REPORT_H
#define GSOS_REPORT_H

#include <stdio.h>

#include "host/base/error.h"
#include "host/base/mean_interval.h"
#include "host/samplers/sampler.h"
#include "host/space/space.h"
#include "host/store/store.h"
#include "host/store/study_attributes.h"

struct text_table;

/* A study as it was read. */
struct report_study {
  int id;
  char name[520];
  bool maximize;
  struct study_record record;
  struct space space;          /* from the stored distributions; without trials empty */
  struct stored_trial *trials; /* [n] */
  int n, complete, failed, pruned, running, waiting;
  int best;       /* index of the best complete trial by contract 5 (loss in gsos:loss), -1: none */
  bool finished;  /* all trials that were asked for have ended, or the target was reached */
  char gone[300]; /* "process 13196 is gone": what is stored as running was interrupted; "": somebody may run it */
  /* contract 8: sums over trials 0 ... best, and over all that ended.  Stored figures that are
   * negative or no number count as 0 */
  double time_to_best_s, time_s;
  double flops_to_best, flops;
  int64_t images;
  /* What its best network took the images of the test set for; classes 0: not known. */
  struct class_counts classes;
};

/* A study of another program that gsos cannot read. */
struct report_left_out {
  char name[520], why[300];
};

struct report {
  int n;
  struct report_study *studies; /* [n] in the order of the database */
  int n_left_out;
  struct report_left_out *left_out; /* [n_left_out] */
};

/* A study of another program that cannot be read (of several objectives, of a hyperparameter that
 * is none here) is left out, and named by the tables; one that gsos made is an error. */
int report_load(struct report *r, struct store *s, struct error *e);
void report_free(struct report *r); /* accepts a zero-initialised struct */

/* The study whose best trial is the best of all by contract 5, ties to the earlier study; -1 where
 * no trial is complete.  Where there are studies that gsos made, the others do not count; nor do
 * those of the other direction than the first. */
int report_best(const struct report *r);

/* Tables 3 and 4: a row a strategy (means over its finished rounds; with more than one the standard
 * deviation), then the differences of each other strategy to the control (names.h), or to the last
 * one where that is missing; these again paired by round, with 95 % intervals, where both
 * strategies have two or more rounds; then notes: whose time it is, that there is one round,
 * unfinished studies, targets reached, failed trials, accepted changes, what results depend on.  A
 * network's exact cost comes before its time, and shares of a device's time are compared with
 * nothing (contract 8).  Studies of another program get a line each instead, and those that were
 * left out a line that says why.  At most 80 columns wide; ends with an empty line. */
void report_print_tables(FILE *out, const struct report *r);
/* "left out: NAME: why" of each study that was. */
void report_print_left_out(FILE *out, const struct report *r);
/* The trial that has the defaults of the space: 0, or -1 where trial 0 is another or there is
 * none. */
int report_baseline(const struct report_study *study);
/* Standard error of the difference in accuracy between the defaults and the best trial, as a share
 * of 1: sqrt((p (1 - p) + q (1 - q)) / n), as if each had been measured on n images of its own.
 * Both are measured on the same ones, of which some are hard for either, so the true one is mostly
 * smaller; how much, the two accuracies do not say.  Nor does it hold that the best of many looks
 * better than it is.  NaN where it is not known: no accuracy, no such trial, or n is not stored. */
double report_gain_error(const struct report_study *study);
/* What the search brought over the defaults, in the study of the best trial of all: a line or two
 * and an empty one; nothing where its trial 0 has not the defaults. */
void report_print_baseline(FILE *out, const struct report *r);
/* The repeats of the winners, a row a study that has any: mean and standard deviation of validation
 * and test, and what they cost, which no other table counts; how to read them; an empty line. */
void report_print_repeats(FILE *out, const struct report *r);
/* Are there repeats, of the trial that is the best now? */
bool report_has_repeats(const struct report_study *s);
/* Their mean, of those that reached something, on validation or on the test set; .n 0: none has. */
struct mean_interval report_repeats_mean(const struct report_study *s, bool test);
/* "0.9712 ± 0.0012" of the repeats that reached something, "0.9712" of one; false: there is none.
 * `test`: on the test set.
 *   *n      out: how many
 *   text    [REPORT_REPEATS_TEXT] */
enum { REPORT_REPEATS_TEXT = 140 };
bool report_repeats_text(const struct report_study *s, bool test, char *text, int *n);
/* The configuration of the best trial of all: every hyperparameter, which study and trial it
 * was. */
void report_print_best(FILE *out, const struct report *r);
/* What there is of a study, then one line a trial, then why trials failed. */
void report_print_trials(FILE *out, const struct report_study *study);
/* The same for a screen of `width` columns: the hyperparameters that do not fit stand below.  0:
 * however wide. */
void report_print_trials_within(FILE *out, const struct report_study *study, int width);
/* A table of several runs, a row each: its name, how many trials have ended and of how many,
 * whether it is finished, the best value of all its studies (report_best) and the test accuracy of
 * that network. */
void report_run_columns(struct text_table *t);
void report_run_row(struct text_table *t, const char *name, const struct report *r);
/* All trials of all studies as CSV (RFC 4180, but lines end in a newline alone), one header line:
 *   study,strategy,round,trial,state,group,value,loss,epochs,seconds,wall_s,flops,images,reason,
 *   free,best
 * and then every hyperparameter of any study, under its name ("params_NAME" where that is one of
 * the names above), as the ini file would say it.  best: 1 for the best trial of its study.  free:
 * names between spaces.  What is not stored is empty; numbers read back as they were. */
void report_print_csv(FILE *out, const struct report *r);

#endif
