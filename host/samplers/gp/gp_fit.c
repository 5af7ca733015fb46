/* Fitting the Gaussian process: maximum a posteriori by L-BFGS (Nocedal 1980) from fixed starts.
 * It is NLopt's, but where a device climbs by itself (gp_device.h): that ends about as high, and
 * waits for no host between evaluations.
 *
 * Priors, in d dimensions:
 *   lengthscale   Wide: log ℓ ~ N(log(0.6 √d), √3²).  The typical distance of two points grows with
 *                 √d, and so has ℓ to: Hvarfner, Hellsten, Nardi, "Vanilla Bayesian optimization
 *                 performs great in high dimensions", ICML 2024.  They have log(√d) + √2 for the
 *                 centre, whose density in ℓ has its mode at 0.2 √d; we maximise in log ℓ, and on
 *                 the `dev` functions of bench_search 0.6 √d lies between what suits few and many
 *                 dimensions.
 *                 Narrow: log density -0.1 (ℓ² + 1/ℓ²), as Optuna has it: about the same between
 *                 a third of a range and three of them, and falling fast outside.
 *                 A search begins with the narrow one: a few trials make no dimension count for
 *                 nothing, nor a single one count for all.  It fades to the wide one: many trials
 *                 do tell which dimensions count for nothing.  docs/results/search.md has what
 *                 either is worth when.
 *   signal        Gamma(2, 1): about 1, since outputs are standardised
 *   noise         Gamma(1.1, 30), above a floor of 1e-6: small, as training twice the same differs
 *                 by little (as Optuna has it)
 *   mean          N(0, 2²): most trials of a search are near its best, and their mean is not that
 *                 of the space; with a mean of 0 the search stays where it is
 *
 * A sampler keeps nothing between calls that a proposal would depend on (contract 2), so a fit
 * cannot start from the last one.  It starts from three fixed points (short, middle, long
 * lengthscales) on a part of the data, where a likelihood costs a fraction, and goes on over all
 * data from the best of what they found.  The part is spread over the ranks of the outputs, the
 * best included.  Every stage has its share of the evaluations, so that the time is bounded
 * whatever the data are. */
#include "host/samplers/gp/gp_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <nlopt.h>

#include "host/samplers/gp/gp_device.h"
#include "host/samplers/gp/lockstep.h"

enum { PART = 100, STARTS = 3 };
_Static_assert((int)STARTS <= (int)GP_DEVICE_BATCH, "a device has no room for the starts");

static const double noise_floor = 1e-6, tolerance = 1e-3;

/* Bounds of log ℓ, log signal, log (noise - floor) and mean. */
enum { KINDS = 4 };
static const double least[KINDS] = {0.005, 0.02, 1e-8, -10}, most[KINDS] = {1000, 50, 2, 10};

static double lower(int kind)
{
  return kind == KINDS - 1 ? least[kind] : log(least[kind]);
}

static double upper(int kind)
{
  return kind == KINDS - 1 ? most[kind] : log(most[kind]);
}

/* --- priors --- */

double gp_prior_narrowness(enum gp_prior prior, int n)
{
  const double from = 25, to = 50;
  return prior == GP_PRIOR_WIDE ? 0 : fmin(1, fmax(0, (to - n) / (to - from)));
}

/* Of log ℓ. */
static double prior_centre(int d)
{
  return log(0.6) + 0.5 * log(d > 0 ? d : 1);
}

double gp_log_prior(const struct gp_hyper *h, int d, double narrowness, double *gradient)
{
  double centre = prior_centre(d), value = 0;
  for (int i = 0; i < d; i++) {
    double t = log(h->lengthscale[i]) - centre, square = h->lengthscale[i] * h->lengthscale[i];
    value += (1 - narrowness) * (-0.5 * t * t / 3) + narrowness * (-0.1 * (square + 1 / square));
    if (gradient) gradient[i] = (1 - narrowness) * (-t / 3) + narrowness * (-0.2 * (square - 1 / square));
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

/* One climb from one start. */
struct climb {
  struct fit *fit;
  struct lockstep *lockstep; /* NULL: it climbs alone */
  double start[GP_PARAMETERS_MAX];
  double best, best_at[GP_PARAMETERS_MAX];
  int code;
  /* the likelihood that it waits for */
  struct gp_hyper hyper;
  double value, gradient[GP_PARAMETERS_MAX];
};

struct fit {
  const struct gp_data *data;
  double narrowness;
  int evaluations; /* of each climb */
  struct gp_room *room;
  struct gp_workspace *workspace; /* NULL: on the CPU */
  struct climb climbs[STARTS];
};

static void to_hyper(const double *t, int d, struct gp_hyper *h)
{
  for (int i = 0; i < d; i++) h->lengthscale[i] = exp(t[i]);
  h->signal = exp(t[d]);
  h->noise = noise_floor + exp(t[d + 1]);
  h->mean = t[d + 2];
}

/* The likelihoods that these climbs wait for. */
static void answer(void *context, int n, const int *numbers)
{
  struct fit *f = context;
  struct gp_hyper hyper[STARTS] = {0};
  double value[STARTS], gradient[STARTS][GP_PARAMETERS_MAX];
  if (!f->workspace) {
    for (int i = 0; i < n; i++) {
      struct climb *c = &f->climbs[numbers[i]];
      c->value = gp_log_likelihood(f->data, &c->hyper, f->room, c->gradient);
    }
    return;
  }
  for (int i = 0; i < n; i++) hyper[i] = f->climbs[numbers[i]].hyper;
  gp_workspace_likelihoods(f->workspace, n, hyper, value, gradient);
  for (int i = 0; i < n; i++) {
    struct climb *c = &f->climbs[numbers[i]];
    c->value = value[i];
    memcpy(c->gradient, gradient[i], sizeof(gradient[i]));
  }
}

/* NLopt's callback: minimised.  What was best is remembered here, since NLopt may end in an error
 * of rounding. */
static double objective(unsigned n, const double *t, double *gradient, void *context)
{
  struct climb *c = context;
  int d = c->fit->data->d, number = (int)(c - c->fit->climbs);
  double by_prior[GP_PARAMETERS_MAX];
  (void)n;
  to_hyper(t, d, &c->hyper);
  if (c->lockstep)
    lockstep_wait(c->lockstep, number);
  else
    answer(c->fit, 1, &number);
  double value = c->value + gp_log_prior(&c->hyper, d, c->fit->narrowness, by_prior);
  if (!isfinite(value)) value = -1e100;
  if (value > c->best) {
    c->best = value;
    memcpy(c->best_at, t, (size_t)(d + 3) * sizeof(*t));
  }
  if (gradient) {
    for (int i = 0; i < d + 3; i++) gradient[i] = -(c->gradient[i] + by_prior[i]);
    gradient[d + 1] *= (c->hyper.noise - noise_floor) / c->hyper.noise;
  }
  return -value;
}

static void climb(void *context, struct lockstep *lockstep, int number)
{
  struct fit *f = context;
  struct climb *c = &f->climbs[number];
  int d = f->data->d;
  double low[GP_PARAMETERS_MAX], high[GP_PARAMETERS_MAX], t[GP_PARAMETERS_MAX], value;
  for (int i = 0; i < d + 3; i++) {
    low[i] = lower(i < d ? 0 : i - d + 1);
    high[i] = upper(i < d ? 0 : i - d + 1);
  }
  memcpy(t, c->start, (size_t)(d + 3) * sizeof(*t));
  c->lockstep = lockstep;
  c->best = -INFINITY;
  memcpy(c->best_at, c->start, sizeof(c->start));
  nlopt_opt opt = nlopt_create(NLOPT_LD_LBFGS, (unsigned)(d + 3));
  c->code = opt ? 0 : ERROR_MACHINE;
  if (!opt) return;
  nlopt_set_min_objective(opt, objective, c);
  nlopt_set_lower_bounds(opt, low);
  nlopt_set_upper_bounds(opt, high);
  nlopt_set_maxeval(opt, f->evaluations);
  nlopt_set_ftol_abs(opt, tolerance);
  nlopt_set_vector_storage(opt, 10);
  nlopt_optimize(opt, t, &value);
  nlopt_destroy(opt);
}

/* The first `n` climbs, by the device itself. */
static void climb_on_device(struct fit *f, int n)
{
  struct device_gp_prior settings = {.narrowness = f->narrowness,
                                     .centre = prior_centre(f->data->d),
                                     .noise_floor = noise_floor,
                                     .tolerance = tolerance,
                                     .evaluations = f->evaluations};
  double starts[STARTS][GP_PARAMETERS_MAX], at[STARTS][GP_PARAMETERS_MAX], value[STARTS];
  for (int i = 0; i < KINDS; i++) {
    settings.low[i] = lower(i);
    settings.high[i] = upper(i);
  }
  for (int k = 0; k < n; k++) memcpy(starts[k], f->climbs[k].start, sizeof(starts[k]));
  gp_workspace_fit(f->workspace, &settings, n, (const double(*)[GP_PARAMETERS_MAX])starts, value, at);
  for (int k = 0; k < n; k++) {
    struct climb *c = &f->climbs[k];
    c->code = 0;
    c->best = value[k];
    memcpy(c->best_at, c->start, sizeof(c->start));
    memcpy(c->best_at, at[k], (size_t)(f->data->d + 3) * sizeof(double));
  }
}

/* The first `n` climbs; side by side where there is a device, which has room for all.  The bits are
 * the same: a climb depends on its start alone.  The best of them is *at. */
static int climb_all(struct fit *f, int n, double *at, struct error *e)
{
  int code = 0;
  double best = -INFINITY;
  if (f->workspace) gp_workspace_observe(f->workspace, f->data, 0);
  if (f->workspace && gp_workspace_fits(f->workspace)) {
    climb_on_device(f, n);
  } else if (f->workspace && n > 1) {
    code = lockstep_run(n, climb, answer, f, e);
  } else {
    for (int k = 0; k < n; k++) climb(f, NULL, k);
  }
  for (int k = 0; k < n && !code; k++) {
    const struct climb *c = &f->climbs[k];
    if (c->code) code = error_set(e, c->code, "out of memory for the fit of a Gaussian process");
    if (k > 0 && !(c->best > best)) continue;
    best = c->best;
    memcpy(at, c->best_at, sizeof(c->best_at));
  }
  return code;
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

int gp_fit(const struct gp_data *data, enum gp_prior prior, int evaluations, struct gp_workspace *w, struct gp_hyper *h,
           struct error *e)
{
  static const double lengthscales[STARTS] = {0.3, 0.1, 1.0}, noises[STARTS] = {1e-3, 1e-4, 1e-2};
  struct fit f = {.data = data,
                  .narrowness = gp_prior_narrowness(prior, data->n),
                  .workspace = w,
                  .evaluations = evaluations / 4 > 1 ? evaluations / 4 : 1};
  struct gp_room room = {0};
  struct part part = {0};
  double best[GP_PARAMETERS_MAX];
  int code = w ? 0 : gp_room_make(&room, data->n, e);
  if (code) goto done;
  f.room = &room;
  if (data->n > PART) {
    code = part_make(&part, data, PART, e);
    if (code) goto done;
    f.data = &part.data;
  }
  for (int k = 0; k < STARTS; k++) {
    start_at(f.climbs[k].start, data->d, lengthscales[k], noises[k]);
    f.climbs[k].fit = &f;
  }
  code = climb_all(&f, STARTS, best, e);
  if (code) goto done;
  memcpy(f.climbs[0].start, best, sizeof(best));
  f.data = data;
  code = climb_all(&f, 1, best, e);
  to_hyper(best, data->d, h);
done:
  free(part.memory);
  gp_room_destroy(&room);
  return code;
}
