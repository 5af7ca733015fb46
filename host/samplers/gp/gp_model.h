/* A Gaussian process with a Matérn 5/2 kernel and a lengthscale for every dimension.
 *
 *   k(x, y) = s (1 + √5 r + 5 r²/3) exp(-√5 r),   r² = Σ_d δ_d(x, y) / ℓ_d²
 *
 * δ is (x - y)², of a categorical 0 where the labels are the same and 1 where they differ (Hamming
 * distance).  Observations are mean + f(x) + noise.  Rasmussen and Williams, "Gaussian Processes
 * for Machine Learning", 2006: eqs. 2.25-2.26 and algorithm 2.1 (posterior), eq. 2.30 (likelihood),
 * 5.9 (its gradient), 4.14 (kernel).
 *
 * Cholesky factors, inverses and solves of whole blocks are LAPACK's and BLAS's, on one thread;
 * everything else is gp_loops.h.  A model made with a device's workspace is there instead
 * (gp_device.h): the same mathematics, other roundings.  Everything here is a function of its
 * arguments alone. */
#ifndef GSOS_GP_MODEL_H
#define GSOS_GP_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "host/base/error.h"
#include "host/samplers/gp/gp_loops.h"
#include "host/space/space.h"

enum { GP_DIMENSIONS_MAX = SPACE_MAX, GP_PARAMETERS_MAX = SPACE_MAX + 3 };

struct gp_workspace; /* gp_device.h */

/* What a model is fitted to.  `x` lies by dimension: x[d] has n values in [0, 1], or a
 * categorical's indices. */
struct gp_data {
  int n, d;
  const double *const *x;  /* [d][n] */
  const bool *categorical; /* [d] */
  const double *z;         /* [n] about standardised */
};

struct gp_hyper {
  double lengthscale[GP_DIMENSIONS_MAX]; /* [d] */
  double signal, noise;                  /* variances */
  double mean;
};

/* Room for gp_log_likelihood over up to n observations; made once for many evaluations. */
struct gp_room {
  int n;
  double *matrix, *slope, *alpha, *row; /* [n][n], [n][n], [n], [n] */
};
int gp_room_make(struct gp_room *r, int n, struct error *e); /* ERROR_MACHINE without memory */
void gp_room_destroy(struct gp_room *r);                     /* accepts a zero-initialised struct */

/* Log marginal likelihood of the observations.
 *   gradient  [d + 3] out, or NULL: by log ℓ_1 ... log ℓ_d, log signal, log noise, mean
 * -INFINITY, and a gradient of zeros, where the covariance is not positive definite in double
 * precision. */
double gp_log_likelihood(const struct gp_data *data, const struct gp_hyper *h, struct gp_room *room, double *gradient);

struct gp_model {
  struct gp_workspace *workspace; /* NULL: on the CPU.  Else of what follows only hyper, n, d and alpha are used */
  struct gp_hyper hyper;
  double weight[GP_DIMENSIONS_MAX]; /* 1 / ℓ² */
  int n, d, capacity;               /* observations, with those believed */
  bool categorical[GP_DIMENSIONS_MAX];
  double *x[GP_DIMENSIONS_MAX]; /* [d][capacity] */
  double *factor;               /* [capacity][capacity] lower Cholesky factor, by columns */
  double *alpha;                /* [n] K⁻¹ (z - mean) */
  double *k, *slope, *b;        /* [capacity] scratch */
  double *block;                /* [GP_BLOCK][capacity] scratch */
  void *memory;
};

enum { GP_BLOCK = 128 }; /* points predicted at once */

/* The posterior under given hyperparameters, with room for `extra` believed observations.  Where
 * the covariance is not positive definite the noise is raised tenfold until it is.
 *   w  where it is to be, and stays until something else is observed there; NULL: on the CPU
 * ERROR_MACHINE without memory. */
int gp_model_make(struct gp_model *m, const struct gp_data *data, const struct gp_hyper *h, int extra,
                  struct gp_workspace *w, struct error *e);
void gp_model_destroy(struct gp_model *m); /* accepts a zero-initialised struct */

/* Takes the posterior mean at a point for an observation there (the kriging believer of
 * Ginsbourger, Le Riche, Carraro 2010): the mean stays everywhere as it is, the deviation around
 * the point shrinks.  Returns that mean. */
double gp_model_believe(struct gp_model *m, const double *point);

/* Posterior mean and standard deviation of f (without noise) at `count` points; x [d][count]. */
void gp_model_predict(struct gp_model *m, int count, const double *const *x, double *mean, double *sd);

/* The same at one point, and, where by_mean is not NULL, the gradients of the mean and the
 * deviation by the point's coordinates (0 for categoricals), [d] each. */
void gp_model_predict_one(struct gp_model *m, const double *point, double *mean, double *sd, double *by_mean,
                          double *by_sd);

/* What gp_model_predict_one says of `count` points, at most GP_EACH_MAX; on a device all at
 * once. */
enum { GP_EACH_MAX = 80 };
void gp_model_predict_each(struct gp_model *m, int count, const double (*points)[GP_DIMENSIONS_MAX], double *mean,
                           double *sd);

#endif
