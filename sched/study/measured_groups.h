/* What strategies share that measure importance in their own study: the warm start, and groups from
 * the trials so far. */
#ifndef GSOS_MEASURED_GROUPS_H
#define GSOS_MEASURED_GROUPS_H

#include "sched/study/strategy.h"

#define WARM_START_NAME "warm_start"

/* Random trials of the warm start: the share of [importance] warm_start of a cycle's, less one for
 * the baseline, at least the few that importance can be measured on, and fewer than all where there
 * is more than one; those of [enqueue] come before them and are no part of either. */
int warm_start_trials(const struct experiment *x);

/* The warm start: the baseline and what is enqueued, then random trials over the whole space. */
void warm_start_group(const struct experiment *x, struct group *out);

/* Groups by the importance that the settings' method measures on the complete trials of history
 * [n], but for the baseline and those of [enqueue], a pure function of both.  weight [n]: how much
 * each counts, > 0; NULL: all alike.  Where there are too few trials, or no memory, all
 * hyperparameters weigh the same. */
void measured_groups(const struct experiment *x, const struct observation *history, const double *weight, int n,
                     struct groups *out);

/* The best complete observation of history [n]; NULL: none. */
const struct observation *best_observation(const struct observation *history, int n);

#endif
