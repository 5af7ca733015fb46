/* Strategies: which hyperparameters are free, for how many trials, around which configuration.
 *
 * A study is a sequence of *groups*.  A group starts at a barrier: everything before its first
 * trial has ended (contract 2), and the strategy sees all of it.  A strategy keeps no state: the
 * next group is a pure function of the experiment and the history.  All strategies are one table; a
 * new one is one new file and one line in host/experiment/names.h. */
#ifndef GSOS_STRATEGY_H
#define GSOS_STRATEGY_H

#include <stdbool.h>

#include "host/base/error.h"
#include "host/experiment/experiment.h"
#include "host/samplers/sampler.h"

struct group {
  char name[SPACE_NAME_MAX]; /* the group's name, for people */
  int index;                 /* its place in the strategy's group_names */
  int first;                 /* its first trial's number */
  int count;                 /* its trials */
  /* Trial whose values are the current configuration; -1: the defaults, or the best of start.h.
   * Where there is one it is the first observation of the group, neither trained again nor
   * counted. */
  int incumbent;
  bool is_random; /* its trials are drawn at random, whatever the sampler: a warm start */
  /* Its proposals learn from all trials of the study, whatever the sampler's settings, and the
   * sampler's startup is counted over the study, not over the group. */
  bool learns_from_all;
  bool free[SPACE_MAX];
  double current[SPACE_MAX]; /* the current configuration: the values of what is not free */
  /* What a strategy has to know of its last group. */
  struct groups groups; /* those that it stands among, made of the trials before `sweep_first` */
  int place;            /* which of them; -1: none, everything is free */
  int sweep;            /* 0: the warm start, then 1, 2, ... */
  int sweep_first;      /* the first trial of the sweep */
};

/* What the study's sampler expects; NULL in place of it: it cannot say. */
struct outlook {
  /* The largest expected improvement among configurations in which free[k] are free and all else is
   * `current`, by all of the history that next_group was given, as a logarithm in expected[k], k =
   * 0 ... n - 1: -INFINITY where there is nothing new.  False where it is not known: too few trials
   * as yet, or no memory. */
  bool (*expect)(void *context, const double *current, int n, const bool (*free)[SPACE_MAX], double *expected);
  void *context;
};

struct strategy {
  const char *name;
  const char *summary;
  /* The group after `last` (NULL: the first one), when all trials before its first have ended.
   *   history [n]  all trials of the study so far, by number, each complete, failed or pruned
   *   outlook      may be NULL
   * Returns 0, and 1 where the study is at its end. */
  int (*next_group)(const struct experiment *x, const struct group *last, const struct observation *history, int n,
                    const struct outlook *outlook, struct group *next);
  /* Names of the groups that a study may have, by index; returns how many. */
  int (*group_names)(const struct experiment *x, char names[SPACE_MAX][SPACE_NAME_MAX]);
  bool more_trials_extend; /* a larger `trials` continues the same history (no shares of groups that would shift) */
  bool more_cycles_extend; /* so do more `cycles` */
};

extern const struct strategy *const strategies[]; /* ends with NULL */
const struct strategy *strategy_find(const char *name);

#endif
