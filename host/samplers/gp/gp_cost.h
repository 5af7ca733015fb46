/* What a trial would cost, which expected improvement is weighed by: log EI - w log(cost), so that
 * w = 1 is improvement per cost (Snoek, Larochelle, Adams, "Practical Bayesian Optimization of
 * Machine Learning Algorithms", 2012, section 3.2).
 *
 * The weight falls with the share of the cycle's trials that is left, from [gp] cost_weight to 0
 * (Lee, Perrone, Archambeau, Seeger, "Cost-aware Bayesian Optimization", 2020, EI-cool, where the
 * budget is one of cost): at first what is cheap is tried out, and at the end what is best is
 * looked for, wherever it is.
 *
 * FLOPs are those of the configuration's plan, exactly.  Seconds are predicted: the mean of a
 * second Gaussian process over the same space, of the logarithms of what the complete trials took,
 * on the CPU always.  Private to the Gaussian process. */
#ifndef GSOS_GP_COST_H
#define GSOS_GP_COST_H

#include "host/samplers/gp/gp_acquisition.h"

struct gp_cost {
  const struct sampler_request *request;
  double weight;         /* 0: not weighed; none of the rest is used then */
  struct gp_model model; /* of seconds */
  double scale;          /* of seconds: a deviation of the logarithm */
};

/* Of a request's settings.
 *   data    what the improvement's model is fitted to, observation k of which is trials[k]
 *   trials  [data->n]
 * ERROR_MACHINE without memory. */
int gp_cost_make(struct gp_cost *c, const struct sampler_request *request, const struct gp_data *data,
                 const struct observation *const *trials, struct error *e);
void gp_cost_destroy(struct gp_cost *c); /* accepts a zero-initialised struct */

/* What is taken off log EI, up to a constant that all configurations share.
 *   values  [space->n]
 *   point   [d] the same in the model's coordinates */
double gp_cost_of(struct gp_cost *c, const double *values, const double *point);

/* The same of `count` configurations.
 *   values  [count][space->n]
 *   x       [d][count]
 *   cost    [count] out */
void gp_cost_of_each(struct gp_cost *c, int count, const double *values, const double *const *x, double *cost);

#endif
