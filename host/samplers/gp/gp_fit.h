/* Hyperparameters of a Gaussian process by their posterior's maximum (MAP), and the outputs that it
 * is fitted to. */
#ifndef GSOS_GP_FIT_H
#define GSOS_GP_FIT_H

#include "host/samplers/gp/gp_model.h"

/* Which lengthscales are likely beforehand; see gp_fit.c.  WIDE is for what is fitted once: a
 * dimension may be found to count for nothing.  SEARCH is for the trials of a search: narrow while
 * they are few, and WIDE's once they are many. */
enum gp_prior { GP_PRIOR_SEARCH, GP_PRIOR_WIDE };

/* The weight of the narrow prior at n observations, from 1 to 0; the rest is the wide one's. */
double gp_prior_narrowness(enum gp_prior prior, int n);

/* Log prior density of the hyperparameters, up to a constant; see gp_fit.c.
 *   narrowness  in [0, 1], gp_prior_narrowness's
 *   gradient    [d + 3] out, or NULL: as gp_log_likelihood's */
double gp_log_prior(const struct gp_hyper *h, int d, double narrowness, double *gradient);

/* The hyperparameters that maximise likelihood and prior, from fixed starts.
 *   evaluations  upper bound of likelihoods in all, of which the dear ones over all data are a
 *                third or less
 *   w            where likelihoods are computed, those of all starts at once; NULL: on the CPU, one
 *                after another
 * ERROR_MACHINE without memory. */
int gp_fit(const struct gp_data *data, enum gp_prior prior, int evaluations, struct gp_workspace *w, struct gp_hyper *h,
           struct error *e);

/* Values of trials (larger is better; NaN: failed) to outputs of mean 0 and variance 1: a monotone
 * transform that spreads the values near the best, as far as the values ask for it, and for a
 * failed trial the worst output of all.
 *   z  [n] out, finite whatever the values are */
void gp_outputs(int n, const double *values, double *z);

#endif
