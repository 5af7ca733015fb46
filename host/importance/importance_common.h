/* What the methods share.  Private to host/importance. */
#ifndef GSOS_IMPORTANCE_COMMON_H
#define GSOS_IMPORTANCE_COMMON_H

#include "host/base/rng.h"
#include "host/importance/importance.h"

/* Weights from what a method computed: max(raw, 0) over their sum, 0 for a hyperparameter that has
 * one value; where the sum is not above 0, all others equally.  n = s->n of each. */
void importance_normalise(const struct space *s, const double *raw, double *weight);

/* Ranks from weights: 1 is the heaviest, ties go to the earlier one.  n of each. */
void importance_rank(int n, const double *weight, int *rank);

/* The 95 % intervals, low, high, rank_low and rank_high, from the weights of resamples
 * [resamples][n].  Those that weigh the same in a resample share the ranks that they take together,
 * so that the interval of each holds them all.  out->weight and out->rank are those of all trials.
 * ERROR_MACHINE. */
int importance_intervals(const double *weights, int resamples, int n, struct importance *out, struct error *e);

/* The random numbers of resample r: as many draws of rng_below(n) as there are trials. */
static inline struct rng importance_resample_rng(const struct importance_settings *s, int r)
{
  return rng_make(s->seed, philox_subsequence(PHILOX_IMPORTANCE, 1, (uint64_t)r));
}

/* Has a stop been asked for?  Then ERROR_INTERRUPTED with its message, else 0. */
int importance_stopped(const struct importance_settings *s, struct error *e);

#endif
