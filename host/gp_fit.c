/* Fitting the Gaussian process: maximum a posteriori by L-BFGS (NLopt's; Nocedal 1980) from fixed starts.
 *
 * Priors, in d dimensions:
 *   lengthscale   log ℓ ~ N(log(0.6 √d), √3²).  The typical distance of two points grows with √d, and so has ℓ to: Hvarfner,
 *                 Hellsten, Nardi, "Vanilla Bayesian optimization performs great in high dimensions", ICML 2024.  They have
 *                 log(√d) + √2 for the centre, whose density in ℓ has its mode at 0.2 √d; we maximise in log ℓ, and on the `dev`
 *                 functions of bench_search 0.6 √d lies between what suits few and many dimensions.
 *   signal        Gamma(2, 1): about 1, since outputs are standardised
 *   noise         Gamma(1.1, 30), above a floor of 1e-6: small, as training twice the same differs by little (as Optuna has it)
 *   mean          N(0, 2²): most trials of a search are near its best, and their mean is not that of the space; with a mean of 0
 *                 the search stays where it is
 *
 * A sampler keeps nothing between calls (contract 2), so a fit cannot start from the last one.  It starts from three fixed points
 * (short, middle, long lengthscales) on a part of the data, where a likelihood costs a fraction, and goes on over all data from the
 * best of what they found.  The part is spread over the ranks of the outputs, the best included.  Every stage has its share of the
 * evaluations, so that the time is bounded whatever the data are. */
#include "gp_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <nlopt.h>

enum { PART = 100, STARTS = 3 };

static const double noise_floor = 1e-6;

/* --- priors --- */

double gp_log_prior(const struct gp_hyper *h, int d, double *gradient)
{
  double centre = log(0.6) + 0.5 * log(d > 0 ? d : 1), value = 0;
  for (int i = 0; i < d; i++) {
    double t = log(h->lengthscale[i]) - centre;
    value += -0.5 * t * t / 3;
    if (gradient) gradient[i] = -t / 3;
  }
  value += log(h->signal) - h->signal;
  value += 0.1 * log(h->noise) - 30 * h->noise;
  value += -0.5 * h->mean * h->mean / 4;
  if (!gradient) return value;
  gradient[d] = 1 - h->signal;
  gradient[d + 1] = 0.1 - 30 * h->noise;
  gradient[d + 2] = -h->mean / 4;
  return value;
}

/* --- the search; its variables are log ℓ, log signal, log (noise - floor), mean --- */

struct search {
  const struct gp_data *data;
  struct gp_room *room;
  double best;
  double best_at[GP_PARAMETERS_MAX];
};

static void to_hyper(const double *t, int d, struct gp_hyper *h)
{
  for (int i = 0; i < d; i++) h->lengthscale[i] = exp(t[i]);
  h->signal = exp(t[d]);
  h->noise = noise_floor + exp(t[d + 1]);
  h->mean = t[d + 2];
}

/* NLopt's callback: minimised.  What was best is remembered here, since NLopt may end in an error of rounding. */
static double objective(unsigned n, const double *t, double *gradient, void *context)
{
  struct search *s = context;
  int d = s->data->d;
  struct gp_hyper h;
  double by_likelihood[GP_PARAMETERS_MAX], by_prior[GP_PARAMETERS_MAX];
  (void)n;
  to_hyper(t, d, &h);
  double value = gp_log_likelihood(s->data, &h, s->room, by_likelihood) + gp_log_prior(&h, d, by_prior);
  if (!isfinite(value)) value = -1e100;
  if (value > s->best) {
    s->best = value;
    memcpy(s->best_at, t, (size_t)(d + 3) * sizeof(*t));
  }
  if (gradient) {
    for (int i = 0; i < d + 3; i++) gradient[i] = -(by_likelihood[i] + by_prior[i]);
    gradient[d + 1] *= (h.noise - noise_floor) / h.noise;
  }
  return -value;
}

static int climb(struct search *s, const double *start, int evaluations, struct error *e)
{
  int d = s->data->d;
  double low[GP_PARAMETERS_MAX], high[GP_PARAMETERS_MAX], t[GP_PARAMETERS_MAX], least;
  for (int i = 0; i < d; i++) {
    low[i] = log(0.005);
    high[i] = log(1000.0);
  }
  low[d] = log(0.02), high[d] = log(50.0);
  low[d + 1] = log(1e-8), high[d + 1] = log(2.0);
  low[d + 2] = -10, high[d + 2] = 10;
  memcpy(t, start, (size_t)(d + 3) * sizeof(*t));
  nlopt_opt opt = nlopt_create(NLOPT_LD_LBFGS, (unsigned)(d + 3));
  if (!opt) return error_set(e, ERROR_MACHINE, "out of memory for the fit of a Gaussian process");
  nlopt_set_min_objective(opt, objective, s);
  nlopt_set_lower_bounds(opt, low);
  nlopt_set_upper_bounds(opt, high);
  nlopt_set_maxeval(opt, evaluations);
  nlopt_set_ftol_abs(opt, 1e-3);
  nlopt_set_vector_storage(opt, 10);
  nlopt_optimize(opt, t, &least);
  nlopt_destroy(opt);
  return 0;
}

/* --- a part of the data --- */

struct part {
  struct gp_data data;
  double *memory;
  const double *column[GP_DIMENSIONS_MAX];
};

struct ranked {
  double z;
  int index;
};

static int by_output(const void *a, const void *b)
{
  const struct ranked *x = a, *y = b;
  return x->z > y->z ? -1 : x->z < y->z ? 1 : x->index - y->index;
}

/* `count` of the observations: ranks 0, n/count, 2n/count, ... */
static int part_make(struct part *p, const struct gp_data *all, int count, struct error *e)
{
  struct ranked *order = malloc((size_t)all->n * sizeof(*order));
  p->memory = malloc((size_t)count * (size_t)(all->d + 1) * sizeof(double));
  if (!order || !p->memory) {
    free(order);
    return error_set(e, ERROR_MACHINE, "out of memory for a history of %d trials", all->n);
  }
  for (int i = 0; i < all->n; i++) order[i] = (struct ranked){all->z[i], i};
  qsort(order, (size_t)all->n, sizeof(*order), by_output);
  double *z = p->memory;
  for (int k = 0; k < count; k++) {
    int from = order[(int)((long long)k * all->n / count)].index;
    z[k] = all->z[from];
    for (int i = 0; i < all->d; i++) p->memory[(size_t)count * (size_t)(i + 1) + (size_t)k] = all->x[i][from];
  }
  for (int i = 0; i < all->d; i++) p->column[i] = p->memory + (size_t)count * (size_t)(i + 1);
  p->data = (struct gp_data){.n = count, .d = all->d, .x = p->column, .categorical = all->categorical, .z = z};
  free(order);
  return 0;
}

/* --- the fit --- */

static void start_at(double *t, int d, double lengthscale, double noise)
{
  for (int i = 0; i < d; i++) t[i] = log(lengthscale * sqrt(d > 0 ? d : 1));
  t[d] = 0;
  t[d + 1] = log(noise);
  t[d + 2] = 0;
}

int gp_fit(const struct gp_data *data, int evaluations, struct gp_hyper *h, struct error *e)
{
  static const double lengthscales[STARTS] = {0.3, 0.1, 1.0}, noises[STARTS] = {1e-3, 1e-4, 1e-2};
  struct search s = {.data = data, .best = -INFINITY};
  struct gp_room room = {0};
  struct part part = {0};
  double start[GP_PARAMETERS_MAX];
  int d = data->d, each = evaluations / 4 > 1 ? evaluations / 4 : 1, code;
  start_at(s.best_at, d, lengthscales[0], noises[0]);
  code = gp_room_make(&room, data->n, e);
  if (code) goto done;
  s.room = &room;
  if (data->n > PART) {
    code = part_make(&part, data, PART, e);
    if (code) goto done;
    s.data = &part.data;
  }
  for (int k = 0; k < STARTS; k++) {
    start_at(start, d, lengthscales[k], noises[k]);
    code = climb(&s, start, each, e);
    if (code) goto done;
  }
  memcpy(start, s.best_at, sizeof(start));
  if (data->n > PART) s.best = -INFINITY;
  s.data = data;
  code = climb(&s, start, each, e);
  to_hyper(s.best_at, d, h);
done:
  free(part.memory);
  gp_room_destroy(&room);
  return code;
}
