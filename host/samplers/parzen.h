/* One-dimensional Parzen estimators: the densities l and g of TPE, one per hyperparameter.  Private
 * to the samplers.
 *
 * A float has a density in its coordinate (the value, or its logarithm), an int or ordinal the mass
 * of each value, a categorical smoothed frequencies.  Nothing here allocates: the caller hands down
 * room. */
#ifndef GSOS_PARZEN_H
#define GSOS_PARZEN_H

#include "host/base/rng.h"
#include "host/space/space.h"

struct parzen_kernel {
  double mean, inverse_sigma;
  double coefficient; /* float: weight / (sigma sqrt(2 pi) truncated mass), else weight / (2 truncated mass) */
};

struct parzen {
  const struct param *param;
  double low, high; /* of the coordinate; an int or ordinal reaches half a step beyond its ends */
  int n_kernels;    /* numeric; the prior is the last one */
  struct parzen_kernel *kernels;
  double *cumulative; /* numeric: [n_kernels] weights summed up; categorical: [n_choices] frequencies summed up */
  int n_table;        /* values of an int, ordinal or categorical, where few enough for a table; else 0 */
  double *table;      /* [n_table] log mass of each value; NaN: not computed yet */
};

enum { PARZEN_TABLE_MAX = 1024 };

/* Room, in doubles, that an estimator over at most n observations of p takes. */
size_t parzen_room(const struct param *p, int n);

/* Fits to n observations (internal values; `x` is overwritten).  What is not one of p's values is
 * brought to the nearest, NaN left out.  prior_weight: beside each observation's 1.  room
 * [parzen_room(p, n)] is used until the estimator is done with. */
void parzen_fit(struct parzen *z, const struct param *p, double *x, int n, double prior_weight, double *room);

/* Logarithm of the density (float, in its coordinate) or mass at an internal value of p; finite. */
double parzen_log(struct parzen *z, double value);

/* A draw from the estimator: an internal value of p. */
double parzen_draw(const struct parzen *z, struct rng *rng);

#endif
