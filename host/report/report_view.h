/* Which trials of a study are shown, and in which order: `gsos show --top`, `--sort`, `--trial`. */
#ifndef GSOS_REPORT_VIEW_H
#define GSOS_REPORT_VIEW_H

#include <stdbool.h>

#include "host/base/error.h"
#include "host/report/report.h"

/* What is asked for.  Zero-initialised but for `trial`, -1, it is all trials by number. */
struct report_view {
  int top;          /* the best so many complete trials by contract 5, the best first; 0: all trials */
  const char *sort; /* "value", "number", "loss", "epochs", "seconds", "flops", "images", or a hyperparameter; a "-"
                       before it turns the order round; NULL: as `top` has it */
  int trial;        /* that one alone; -1: any */
};

/* Places in study->trials, malloc'ed [*n].  Numbers ascend, of values the best comes first; what
 * has no number comes last, in either order.  ERROR_MACHINE. */
int report_view_order(const struct report_study *study, const struct report_view *v, int **order, int *n,
                      struct error *e);

/* Is `sort` something that trials of some study of these are sorted by?  ERROR_CONFIG says what
 * is. */
int report_view_check(const struct report *reports, int n, const char *sort, struct error *e);

/* As report_print_trials_within, of the trials at order [n] alone. */
void report_print_trials_of(FILE *out, const struct report_study *study, const int *order, int n, int width);

/* As report_print_csv, of the trials that are asked for, of n runs; runs [n] their names, for a
 * column "run" before the others; NULL: without it. */
void report_print_csv_of(FILE *out, const struct report *reports, const char *const *runs, int n,
                         const struct report_view *v);

/* A trial for people: what became of it, its configuration, with what was held, and its value after
 * each epoch, NaN: not stored.
 *   epochs  [n] */
void report_print_trial(FILE *out, const struct report_study *study, const struct stored_trial *t, const double *epochs,
                        int n);

/* The same for programs: one JSON object on one line (the keys stand in man/gsos.1), malloc'ed;
 * NULL: ERROR_MACHINE, ERROR_INTERRUPTED, ERROR_FAILED of a database.  Numbers read back as they
 * were.  Epochs of trials are among it, where one trial is asked for, and else what was learnt.
 *   runs   [n] the databases' paths
 *   s      [n] the databases */
char *report_view_json(const struct report *reports, const char *const *runs, struct store *const *s, int n,
                       const struct report_view *v, const volatile int *stop, struct error *e);

/* Is the study called so: by its name, by "STRATEGY/ROUND", or by its strategy? */
bool report_view_is_study(const struct report_study *study, const char *name);
/* Leaves those alone; returns how many there are. */
int report_keep(struct report *r, const char *name);

#endif
