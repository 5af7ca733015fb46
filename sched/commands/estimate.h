/* How long an experiment may take, before it runs.
 *
 * Two parts.  *Rehearsal*: each strategy is played through with random configurations and random
 * results, which tells what its trials cost on average.  *Measurement*: some of those
 * configurations run for a moment each, as many side by side as the experiment will have, which
 * tells how long that cost takes here and now. */
#ifndef GSOS_ESTIMATE_H
#define GSOS_ESTIMATE_H

#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"

enum { REHEARSAL_KEPT = 256 };

struct rehearsal {
  int draws;                        /* configurations drawn in all */
  double mean_work[STRATEGIES_MAX]; /* of a trial of each strategy: FLOPs, or epochs where the objective has no FLOPs */
  /* Of training its winner again ([experiment] repeats), if that may be any of the draws: how many
   * times, and the work of all of them; 0: not at all. */
  double mean_repeats[STRATEGIES_MAX], mean_repeats_work[STRATEGIES_MAX];
  int n_kept;                             /* some of them, for the measurement */
  double kept[REHEARSAL_KEPT][SPACE_MAX]; /* [n_kept][space->n] */
  double kept_work[REHEARSAL_KEPT];
  int64_t kept_bytes[REHEARSAL_KEPT];
};

/* ERROR_CONFIG where a strategy can propose nothing. */
int rehearsal_make(struct rehearsal *r, struct objective *o, const struct experiment *x, const volatile int *stop,
                   struct error *e);

struct measurement {
  int configurations, side_by_side;
  double piece_s;   /* each ran for so long */
  double work_s;    /* seconds of a unit of work; 0: nothing could be measured */
  double longest_s; /* of the trial that was asked for; 0: not measured */
};

/* Takes a second or two.  longest (may be NULL): a configuration that is measured for itself,
 * beside the others.  `memory`: bytes that all of it may take; configurations that need more than
 * their share are left out. m->work_s is 0 where none is left or the objective cannot measure. */
int measurement_make(struct measurement *m, struct objective *o, const struct rehearsal *r, const double *longest,
                     int side_by_side, int64_t memory, const volatile int *stop, struct error *e);

#endif
