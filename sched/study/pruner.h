/* Pruners: whether a trial that does badly is ended after an epoch, before its last.
 *
 * One that `pauses` (hyperband.h) says of no trial that it ends: trials pause at their rungs, and
 * the study decides which of them go on (legs.h).  What follows is of all others.
 *
 * A pruner keeps no state: its verdict is a pure function of the trial's own curve, of the complete
 * curves of the trials that this one may see (contract 2: those that its proposal saw, all of which
 * have ended when it begins), and of the settings.  So a history with pruning is the same whatever
 * ends first, and a trial that runs again is ended at the same epoch.
 *
 * The others are those of the trial's group, failed and pruned ones among them as far as they came,
 * and the one whose configuration the group started from.  Since the number of epochs may be
 * searched itself, curves differ in length: at an epoch all count that reached it, whatever their
 * full length.
 *
 * All pruners are one table; a new one is one new file and one line in host/experiment/names.h. */
#ifndef GSOS_PRUNER_H
#define GSOS_PRUNER_H

#include <stdbool.h>

#include "host/experiment/experiment.h"

/* Values after epochs 1 ... n of a trial, larger being better; no epoch, no value: NaN. */
struct curve {
  double *values; /* [n] */
  int n;
};

struct pruner_request {
  struct curve own;           /* the last one is of the epoch that has just ended; more are to come */
  const struct curve *others; /* [n_others] */
  int n_others;
  const struct pruner_settings *settings;
};

struct pruner {
  const char *name;
  const char *summary;
  bool (*prune)(const struct pruner_request *request); /* NULL where it pauses */
};

extern const struct pruner *const pruners[]; /* ends with NULL; "none" is none of them */
const struct pruner *pruner_find(const char *name);

/* Is value a worse than value b?  One that is no number is the worst. */
bool pruner_worse(double a, double b);

#endif
