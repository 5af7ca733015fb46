/* Candidates in the order of their expected improvement, by cost, the largest first.  Inside
 * gp_acquisition.c only.
 *
 * On the CPU, and where they are weighed by cost, all are sorted; on a device they stay where they
 * are, and the best few come over at a time.  Of equal ones the first comes first. */
#ifndef GSOS_GP_RANKING_H
#define GSOS_GP_RANKING_H

#include "host/samplers/gp/gp_device.h"

struct gp_ranking {
  struct gp_model *model;
  struct gp_top *scored; /* [count] on the CPU, or by cost */
};

/* Predicts and scores all of them.
 *   x     [d][count]
 *   best  what is to be improved on
 *   cost  [count] taken off each score; NULL: nothing
 * ERROR_MACHINE without memory. */
int gp_ranking_make(struct gp_ranking *r, struct gp_model *model, int count, const double *const *x, double best,
                    const double *cost, struct error *e);
void gp_ranking_destroy(struct gp_ranking *r); /* accepts a zero-initialised struct */

/* Candidates from ... to - 1 one after another; no two parts at once have some in common. */
struct gp_part {
  int from, to, next;
  struct gp_top top[GP_TOP]; /* what came over last from a device */
};
/* Begins n parts, at most GP_RANGES_MAX: part k is of candidates edges[k] ... edges[k + 1] - 1. */
void gp_parts_begin(struct gp_part *parts, int n, const struct gp_ranking *r, const int *edges);
/* The next one; false at the end. */
bool gp_part_next(struct gp_part *p, const struct gp_ranking *r, struct gp_top *candidate);

#endif
