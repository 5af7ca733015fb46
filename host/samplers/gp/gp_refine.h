/* Local search from a candidate of the Gaussian process.  Inside gp_acquisition.c only. */
#ifndef GSOS_GP_REFINE_H
#define GSOS_GP_REFINE_H

#include "host/samplers/gp/gp_acquisition.h"

/* The best configuration so far that is new, and the best at all; all of them feasible. */
struct gp_choice {
  bool has_new, has_any, has_last;
  double new_score, any_score;
  double new_values[SPACE_MAX], any_values[SPACE_MAX];
};

/* Of equal scores the earlier stays. */
void gp_choice_offer(struct gp_choice *c, int n, const double *values, double score, bool is_new);

/* A feasible configuration and its score. */
struct gp_start {
  const double *values; /* [space->n] */
  double score;
};
enum { GP_STARTS_MAX = 5 };

/* Climbs from each of n starts, at most GP_STARTS_MAX, and offers what it finds.  On the CPU one
 * after the other; on a device side by side, where a turn of all is one launch for the floats and
 * one for each other hyperparameter, and what is found is offered turn by turn, in the order of the
 * starts.  Where a start leads does not depend on the others. */
void gp_refine(const struct gp_search *s, int n, const struct gp_start *starts, struct gp_choice *choice);

#endif
