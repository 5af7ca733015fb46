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

/* Climbs from a feasible configuration of a known score, and offers what it finds. */
void gp_refine(const struct gp_search *s, const double *values, double score, struct gp_choice *choice);

#endif
