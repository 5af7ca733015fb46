/* How much each hyperparameter mattered in a run, in short: by the first method, without intervals,
 * which take longer than all else.  `gsos importance` (report_importance.h) says more. */
#ifndef GSOS_REPORT_IMPORTANCE_RUN_H
#define GSOS_REPORT_IMPORTANCE_RUN_H

#include "host/report/report_importance.h"

struct run_importance {
  struct report_importance importance;
  struct report_study *studies;          /* what was measured: copies, which own nothing */
  const struct measured_study *measured; /* all of them together; NULL: not measured */
  char why[600];                         /* not; "": all values are the same */
};

/* Measures on the studies that belong together: of the direction and the search space of the best
 * one, all of gsos or, where there are none, all of another program; those whose strategy varies
 * all hyperparameters at once, where there are some.  r must outlive it.  ERROR_MACHINE,
 * ERROR_INTERRUPTED; that there is nothing to measure is none.  run_importance_free afterwards,
 * also after an error. */
int run_importance_measure(struct run_importance *i, const struct report *r, const volatile int *stop, struct error *e);
void run_importance_free(struct run_importance *i); /* accepts a zero-initialised struct */

/* A bar a hyperparameter, the heaviest first, below a heading; ends with an empty line.  Nothing
 * where nothing was measured. */
void run_importance_print(FILE *out, const struct run_importance *i);

/* The studies that belong together, as above, in the order of the report.  NULL without memory.
 *   studies  [*n] out, malloc'ed */
const struct report_study **report_one_space(const struct report *r, int *n);

#endif
