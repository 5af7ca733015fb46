/* What the studies of an experiment start from: trials of earlier studies, put into its space
 * ([experiment] start_from).
 *
 * They are known before trial 0, and every proposal sees them, as if they stood before it; they are
 * no trials of the study: they have no number in it, are in none of its tables, and no strategy and
 * no pruner looks at them.  The best of them are configurations to try first, and are trained anew.
 * All of it is kept as text in the study database, so that a study stays a function of what is
 * there (contract 2) when the earlier one goes on, or is gone. */
#ifndef GSOS_START_H
#define GSOS_START_H

#include <stdbool.h>

#include "host/base/error.h"
#include "host/samplers/sampler.h"
#include "host/space/space.h"

enum {
  START_FROM_MAX = 16,      /* databases */
  START_BEST_MAX = 64,      /* configurations to try first */
  START_TRIALS_MAX = 10000, /* trials that are seen: some hundred bytes of text each */
  START_TEXT = 300
};

struct start_trial {
  enum observation_state state; /* COMPLETE, PRUNED or FAILED */
  double value;                 /* as the objective gives it; 0 of a failed one */
  double loss;                  /* 0 where there is none */
  int step;                     /* PRUNED: the epoch that it reached */
  double values[SPACE_MAX];     /* internal, [space->n] */
  bool free[SPACE_MAX];         /* [space->n] searched when it was proposed (struct observation) */
};

struct start {
  int n;
  struct start_trial *trials; /* [n] in the order of the databases */
  int n_best;
  double best[START_BEST_MAX][SPACE_MAX]; /* configurations to try first, the best one first; all are different */
  int n_sources;
  char sources[START_FROM_MAX][START_TEXT]; /* what was taken of each database, for people */
};

/* The configuration that a study starts from: the best of start's; else, and where start is NULL,
 * the defaults. */
void start_values(const struct start *start, const struct space *space, double *values);

/* Trials that say something of what is free: those in which some of it was searched.  free
 * [space->n] */
int start_trials_of(const struct start *start, const struct space *space, const bool *free);

/* Trial i as a proposal sees it.  Numbers count up to -1, before those of the study. */
struct observation start_observation(const struct start *start, int i, bool maximize);

/* As JSON text, malloc'ed; NULL without memory.  Values are internal; the space is that of the
 * search text beside which it is stored. */
char *start_text(const struct start *start, const struct space *space);
/* The text read back: start_free frees *start, which is NULL after an error.  ERROR_FAILED where it
 * is damaged. */
int start_read(struct start **start, const struct space *space, const char *text, struct error *e);
void start_free(struct start *start); /* takes NULL */

#endif
