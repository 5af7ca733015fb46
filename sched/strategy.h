/* Strategies: which hyperparameters are free, for how many trials, around which configuration.
 *
 * A study is a sequence of *phases*.  A phase starts at a barrier: everything before its first trial has ended (contract 2), and
 * the strategy sees all of it.  A strategy keeps no state: the next phase is a pure function of the experiment and the history.
 * All strategies are one table; a new one is one new file and one line in strategy.c. */
#ifndef GSOS_STRATEGY_H
#define GSOS_STRATEGY_H

#include <stdbool.h>

#include "error.h"
#include "experiment.h"
#include "sampler.h"

struct phase {
  char name[SPACE_NAME_MAX]; /* the group's name, for people */
  int index;                 /* 0, 1, ... within the study */
  int first;                 /* its first trial's number */
  int count;                 /* its trials */
  int incumbent; /* trial whose values are the current configuration; -1: the defaults.  Where there is one it is the
                                first observation of the phase, neither trained again nor counted */
  bool free[SPACE_MAX];
  double current[SPACE_MAX]; /* the current configuration: the values of what is not free */
};

struct strategy {
  const char *name;
  const char *summary;
  /* The phase after `last` (NULL: the first one), when all trials before its first have ended.
   *   history [n]  all trials of the study so far, by number, each complete, failed or pruned
   * Returns 0, and 1 where the study is at its end. */
  int (*next_phase)(const struct experiment *x, const struct phase *last, const struct observation *history, int n,
                    struct phase *next);
  /* Names of the phases that a study may have, by index; returns how many. */
  int (*phase_names)(const struct experiment *x, char names[SPACE_MAX][SPACE_NAME_MAX]);
  bool more_trials_extend; /* a larger `trials` continues the same history (no shares of groups that would shift) */
};

extern const struct strategy *const strategies[]; /* ends with NULL */
const struct strategy *strategy_find(const char *name);

#endif
