/* The tables that a run ends with, made from the study database alone: the paper's Tables 3 and 4 for this experiment, the best
 * configuration, a table of trials. */
#ifndef GSOS_REPORT_H
#define GSOS_REPORT_H

#include <stdio.h>

#include "error.h"
#include "sampler.h"
#include "space.h"
#include "store.h"
#include "study_record.h"

/* A study as it was read. */
struct report_study {
  int id;
  char name[520];
  bool maximize;
  struct study_record record;
  struct space space;          /* from the stored distributions; without trials empty */
  struct stored_trial *trials; /* [n] */
  int n, complete, failed, pruned, running, waiting;
  int best;      /* index of the best complete trial by contract 5 (loss in gsos:loss), -1: none */
  bool finished; /* all trials that were asked for have ended, or the target was reached */
  /* contract 8: sums over trials 0 ... best, and over all that ended.  Stored figures that are negative or no number count as 0 */
  double time_to_best_s, time_s;
  double flops;
  int64_t images;
};

struct report {
  int n;
  struct report_study *studies; /* [n] in the order of the database */
};

int report_load(struct report *r, struct store *s, struct error *e);
void report_free(struct report *r); /* takes a zeroed one */

/* The study whose best trial is the best of all by contract 5, ties to the earlier study; -1 where no trial is complete.  Where there are
 * studies of ours, the others do not count; nor do those of the other direction than the first. */
int report_best(const struct report *r);

/* Tables 3 and 4: a row a strategy (means over its finished rounds; with more than one the standard deviation), then the differences
 * of each other strategy to simultaneous, or to the last one where that is missing; then notes: unfinished studies, targets
 * reached, failed trials, accepted changes, what results depend on.  Studies of another program get a line each instead.  At
 * most 80 columns wide; ends with an empty line. */
void report_print_tables(FILE *out, const struct report *r);
/* The configuration of the best trial of all: every hyperparameter, which study and trial it was. */
void report_print_best(FILE *out, const struct report *r);
/* What there is of a study, then one line a trial, then why trials failed. */
void report_print_trials(FILE *out, const struct report_study *study);
/* The same for a screen of so many columns: the hyperparameters that do not fit stand below.  0: however wide. */
void report_print_trials_within(FILE *out, const struct report_study *study, int width);
/* All trials of all studies as CSV (RFC 4180, but lines end in a newline alone), one header line:
 *   study,strategy,round,trial,state,group,value,loss,epochs,seconds,wall_s,flops,images,reason,free,best
 * and then every hyperparameter of any study, under its name ("params_NAME" where that is one of the names above), as the ini
 * file would say it.  best: 1 for the best trial of its study.  free: names between spaces.  What is not stored is empty;
 * numbers read back as they were. */
void report_print_csv(FILE *out, const struct report *r);

#endif
