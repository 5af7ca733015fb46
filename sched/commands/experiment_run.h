/* A run of one experiment, as `gsos run` makes it, and `gsos study` of each of its data sets.
 *
 *   OUTPUT/study.db           the study database, in Optuna's schema
 *   OUTPUT/run.ini            the experiment, complete; `gsos run OUTPUT` goes on from it
 *   OUTPUT/networks/STUDY/    of each study the best network (safetensors)
 *   OUTPUT/best.safetensors   the best of all, and best.ini, its configuration
 *   OUTPUT/report.txt         the tables;  OUTPUT/trials.csv  every trial
 *   OUTPUT/confusion.csv      what each study's best network took the test images for
 *   OUTPUT/mistakes/STUDY/    pictures of those that it was surest about and wrong
 *   OUTPUT/report.html        the same and more as a page;  OUTPUT/plots/  data of its figures
 *   OUTPUT/timeline.json      what ran when and where, for https://ui.perfetto.dev
 *   OUTPUT/states/            where the trials stood that a stop interrupted (worker_state.c) */
#ifndef GSOS_EXPERIMENT_RUN_H
#define GSOS_EXPERIMENT_RUN_H

#include <stdbool.h>
#include <stdio.h>

#include "sched/commands/command.h"

/* The command line of a run. */
struct run_options {
  struct command_ini ini;
  const char *output;
  bool quiet, log, take_over, accept_change, retry_failed, fresh;
  bool progress; /* neither quiet nor log: lines for a person on standard error */
  bool sample;   /* of gsos study, where strategies and rounds are given */
};

/* Reads the options and the one ini file; o->ini has been opened.  `name`: "gsos run".  0: go on;
 * else the command ends, and *status is its exit status. */
int run_options_parse(struct run_options *o, const char *name, const char *help, int argc, char **argv, int *status);

/* An output folder in place of an ini file: o->ini.path is then its run.ini, as a string that the
 * caller frees (*path; else NULL), and o->output the folder, unless another one is given.
 * ERROR_CONFIG where the folder has none. */
int run_options_folder(struct run_options *o, char **path, struct error *e);

/* --output in place of the file's. */
int run_options_output(const struct run_options *o, struct experiment *x, struct error *e);

/* Runs what is left to run of the experiment, and writes what the output folder has.
 *   tables     where the tables are printed, too; NULL: nowhere
 *   complete   out: every study has ended
 * 0 also where time_limit ended it.  The message of ERROR_INTERRUPTED is "stopped" where how to go
 * on has been said already. */
int experiment_run(const struct run_options *o, struct experiment *x, FILE *tables, bool *complete, struct error *e);

#endif
