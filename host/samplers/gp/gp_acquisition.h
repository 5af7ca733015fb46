/* Expected improvement over a Gaussian process, and its maximum over a mixed space.  Private to the
 * samplers. */
#ifndef GSOS_GP_ACQUISITION_H
#define GSOS_GP_ACQUISITION_H

#include "host/samplers/gp/gp_model.h"
#include "host/samplers/sampler_common.h"

/* Logarithm of the expected improvement over `best` (maximisation) of a normal variable; finite
 * where the improvement itself underflows, for (mean - best) / sd down to -1e150.
 *   sd               > 0
 *   by_mean, by_sd   its derivatives, out; both may be NULL
 * Ament et al., "Unexpected improvements to expected improvement for Bayesian optimization",
 * NeurIPS 2023, eq. 8; how the tail is computed: kernels/expected_improvement.h. */
double gp_log_expected_improvement(double mean, double sd, double best, double *by_mean, double *by_sd);

/* The model's dimensions: which hyperparameter each is (those with more than one value). */
struct gp_axes {
  int n;
  int param[GP_DIMENSIONS_MAX];
};

struct gp_cost; /* gp_cost.h */

/* What the maximum is sought with. */
struct gp_search {
  const struct sampler_request *request;
  const struct gp_axes *axes;
  struct gp_model *model;
  const struct seen *seen;
  double best;          /* the output to improve on */
  struct gp_cost *cost; /* what expected improvement is weighed by */
  int n_incumbents;
  const double *incumbents[8]; /* [space->n] each: configurations to look around, the best first */
};

/* A model coordinate of an internal value: its place in the unit interval, or a categorical's
 * index. */
double gp_coordinate(const struct param *p, double value);

/* Configurations that a walk ranks at most, where no candidate is new and feasible. */
enum { GP_WALK = 4096 };

/* Candidates, which depend on the request, the axes and the incumbents alone: who waits for a
 * device to make the rest of a search may draw them beside (sampler_gp.c). */
struct gp_candidates;

/* request->settings->gp_candidates of them, in *c; NULL after an error: ERROR_MACHINE without
 * memory. */
int gp_candidates_draw(struct gp_candidates **c, const struct gp_search *s, struct rng *rng, struct error *e);
void gp_candidates_destroy(struct gp_candidates *c); /* takes NULL */

/* The configuration of largest expected improvement, by cost, that is feasible and new, as far as
 * these candidates, used once, and a local search from the best of them find it; fixed
 * hyperparameters are copied.  Where nothing new is left, the best at all.  ERROR_CONFIG where
 * nothing is feasible.
 *   score  its log expected improvement, out, or -INFINITY where it is not new; may be NULL */
int gp_maximise(const struct gp_search *s, struct gp_candidates *c, struct rng *rng, double *values, double *score,
                struct error *e);

#endif
