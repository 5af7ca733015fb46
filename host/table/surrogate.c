/* See surrogate.h. */
#include "host/table/surrogate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <lapacke.h>

#include "host/base/number_order.h"
#include "host/samplers/gp/gp_fit.h"

enum { EVALUATIONS = 100 }; /* likelihoods of a fit; with 200 no cross-validation was better */

struct surrogate {
  const struct table *table;
  struct gp_model model; /* its factor is that of all epochs */
  int d;                 /* dimensions */
  int param[SPACE_MAX];  /* [d] their hyperparameters */
  bool categorical[SPACE_MAX];
  int n;                /* trials */
  double *alpha;        /* [epochs][n] K^-1 z */
  double *mean, *scale; /* [epochs] output = mean + scale * z */
  double *worst, *end;  /* [epochs] between which values are; of minimized ones the negative */
  bool shares;          /* all that is recorded is in [0, 1], and so are predictions */
};

/* --- data --- */

/* The trials that a fit is made of, as the Gaussian process takes them. */
struct fit_data {
  int n, epochs;
  int *trial;           /* [n] */
  double *memory;       /* of x */
  double *x[SPACE_MAX]; /* [d][n] */
  double *y;            /* [epochs][n] curves without gaps, larger is better; then outputs */
  double *z;            /* [n] the mean of each curve, standardised */
};

static void fit_data_free(struct fit_data *f)
{
  free(f->trial);
  free(f->memory);
  free(f->y);
  free(f->z);
}

static int fit_data_allocate(struct fit_data *f, const struct surrogate *s, int room, struct error *e)
{
  size_t n = (size_t)room + 1, epochs = (size_t)s->table->epochs;
  *f = (struct fit_data){.epochs = s->table->epochs,
                         .trial = malloc(n * sizeof *f->trial),
                         .memory = malloc(n * (size_t)s->d * sizeof *f->memory),
                         .y = malloc(n * epochs * sizeof *f->y),
                         .z = malloc(n * sizeof *f->z)};
  return f->trial && f->memory && f->y && f->z ? 0 : error_set(e, ERROR_MACHINE, "no memory for the table's trials");
}

static double coordinate(const struct surrogate *s, int d, const double *values)
{
  const struct param *p = &s->table->space.params[s->param[d]];
  double value = values[s->param[d]];
  return s->categorical[d] ? param_clamp(p, value) : param_to_unit(p, value);
}

/* The curve of a trial that did not fail, its gaps filled, to y[epoch * stride]; larger is
 * better. */
static void fill_curve(const struct table *t, int trial, double *y, size_t stride)
{
  const double *curve = table_curve(t, trial);
  double last = NAN;
  for (int k = 0; k < t->epochs && isnan(last); k++) last = curve[k];
  for (int k = 0; k < t->epochs; k++) {
    if (!isnan(curve[k])) last = curve[k];
    y[(size_t)k * stride] = t->maximize ? last : -last;
  }
}

/* Worst value and end of an epoch, of its n values, 1 or more, which it sorts. */
static void find_ends(double *values, int n, double *worst, double *end)
{
  qsort(values, (size_t)n, sizeof *values, number_order);
  double best = values[n - 1], beyond = best - values[n - 1 - n / 10];
  *worst = values[0];
  if (beyond <= 1e-6 * (best - *worst)) beyond = 0.05 * (best - *worst); /* a tenth that does not differ */
  *end = best + (beyond > 0 ? beyond : 1);
}

/* Values to outputs; those of failed trials become the worst of the others. */
static int to_outputs(struct surrogate *s, struct fit_data *f, struct error *e)
{
  double *sorted = malloc((size_t)f->n * sizeof *sorted);
  if (!sorted) return error_set(e, ERROR_MACHINE, "no memory for the table's trials");
  for (int k = 0; k < f->epochs; k++) {
    double *y = f->y + (size_t)k * (size_t)f->n;
    int n = 0;
    for (int i = 0; i < f->n; i++)
      if (!s->table->failed[f->trial[i]]) sorted[n++] = y[i];
    find_ends(sorted, n, &s->worst[k], &s->end[k]);
    for (int i = 0; i < f->n; i++) {
      double value = s->table->failed[f->trial[i]] ? s->worst[k] : y[i];
      y[i] = -log(s->end[k] - value);
    }
  }
  free(sorted);
  return 0;
}

static void mean_and_scale(const double *y, int n, double *mean, double *scale)
{
  double sum = 0, squares = 0;
  for (int i = 0; i < n; i++) sum += y[i];
  *mean = sum / n;
  for (int i = 0; i < n; i++) squares += (y[i] - *mean) * (y[i] - *mean);
  *scale = squares > 0 ? sqrt(squares / n) : 1;
}

/* The folds have equally many of the trials that did not fail, so that none has them all. */
static int fold_of(const struct table *t, int trial)
{
  return t->order[trial] % SURROGATE_FOLDS;
}

/* All trials but those of `fold` (-1: all). */
static int fit_data_make(struct fit_data *f, struct surrogate *s, int fold, struct error *e)
{
  const struct table *t = s->table;
  if (fit_data_allocate(f, s, t->n, e)) return e->code;
  for (int i = 0; i < t->n; i++)
    if (fold_of(t, i) != fold) f->trial[f->n++] = i;
  for (int d = 0; d < s->d; d++) {
    f->x[d] = f->memory + (size_t)d * (size_t)f->n;
    for (int i = 0; i < f->n; i++) f->x[d][i] = coordinate(s, d, table_values(t, f->trial[i]));
  }
  for (int i = 0; i < f->n; i++)
    if (!t->failed[f->trial[i]]) fill_curve(t, f->trial[i], f->y + i, (size_t)f->n);
  if (to_outputs(s, f, e)) return e->code;
  double mean, scale;
  for (int i = 0; i < f->n; i++) {
    f->z[i] = 0;
    for (int k = 0; k < f->epochs; k++) f->z[i] += f->y[(size_t)k * (size_t)f->n + (size_t)i] / f->epochs;
  }
  mean_and_scale(f->z, f->n, &mean, &scale);
  for (int i = 0; i < f->n; i++) f->z[i] = (f->z[i] - mean) / scale;
  return 0;
}

/* --- fitting --- */

static void find_dimensions(struct surrogate *s)
{
  const struct table *t = s->table;
  for (int i = 0; i < t->space.n; i++) {
    const struct param *p = &t->space.params[i];
    if ((t->curves && i == t->epoch) || param_count(p) == 1) continue;
    s->categorical[s->d] = p->type == PARAM_CATEGORICAL;
    s->param[s->d++] = i;
  }
}

static bool all_shares(const struct table *t)
{
  for (size_t i = 0; i < (size_t)t->n * (size_t)t->epochs; i++)
    if (t->curve[i] < 0 || t->curve[i] > 1) return false; /* not of a NaN */
  return true;
}

/* alpha of every epoch: z, and then K^-1 z, of all with the one factor. */
static void solve_epochs(struct surrogate *s, const struct fit_data *f)
{
  for (int k = 0; k < f->epochs; k++) {
    const double *y = f->y + (size_t)k * (size_t)f->n;
    double *alpha = s->alpha + (size_t)k * (size_t)f->n;
    mean_and_scale(y, f->n, &s->mean[k], &s->scale[k]);
    for (int i = 0; i < f->n; i++) alpha[i] = (y[i] - s->mean[k]) / s->scale[k] - s->model.hyper.mean;
  }
  LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'L', f->n, f->epochs, s->model.factor, s->model.capacity, s->alpha, f->n);
}

static int fit(struct surrogate *s, const struct fit_data *f, struct error *e)
{
  struct gp_data data = {
      .n = f->n, .d = s->d, .x = (const double *const *)f->x, .categorical = s->categorical, .z = f->z};
  struct gp_hyper hyper;
  size_t epochs = (size_t)f->epochs;
  s->n = f->n;
  s->alpha = malloc(epochs * (size_t)f->n * sizeof *s->alpha);
  if (!s->alpha) return error_set(e, ERROR_MACHINE, "no memory for the table's trials");
  if (gp_fit(&data, GP_PRIOR_WIDE, EVALUATIONS, NULL, &hyper, e)) return e->code;
  if (gp_model_make(&s->model, &data, &hyper, 0, NULL, e)) return e->code;
  solve_epochs(s, f);
  return 0;
}

static int allocate_epochs(struct surrogate *s, struct error *e)
{
  size_t epochs = (size_t)s->table->epochs;
  s->mean = malloc(4 * epochs * sizeof *s->mean);
  if (!s->mean) return error_set(e, ERROR_MACHINE, "no memory for %d epochs", s->table->epochs);
  s->scale = s->mean + epochs;
  s->worst = s->mean + 2 * epochs;
  s->end = s->mean + 3 * epochs;
  return 0;
}

static int check_size(const struct surrogate *s, struct error *e)
{
  const struct table *t = s->table;
  if (t->n - t->n_failed < SURROGATE_TRIALS_MIN)
    return error_set(e, ERROR_FAILED, "has %d trial%s and did not fail; it takes %d at the least", t->n - t->n_failed,
                     t->n - t->n_failed == 1 ? " that counts" : "s that count", SURROGATE_TRIALS_MIN);
  if (t->n > SURROGATE_TRIALS_MAX)
    return error_set(e, ERROR_FAILED, "has %d trials that count; %d are the most", t->n, SURROGATE_TRIALS_MAX);
  if (s->d == 0) return error_set(e, ERROR_FAILED, "no hyperparameter has more than one value");
  return 0;
}

/* Fitted to all trials but those of `fold` (-1: all). */
static int fit_fold(struct surrogate **out, const struct table *t, int fold, struct error *e)
{
  struct surrogate *s = calloc(1, sizeof *s);
  struct fit_data f = {0};
  *out = NULL;
  if (!s) return error_set(e, ERROR_MACHINE, "no memory for the table's trials");
  s->table = t;
  s->shares = all_shares(t);
  find_dimensions(s);
  int code = check_size(s, e);
  if (!code) code = allocate_epochs(s, e);
  if (!code) code = fit_data_make(&f, s, fold, e);
  if (!code) code = fit(s, &f, e);
  fit_data_free(&f);
  if (code)
    surrogate_destroy(s);
  else
    *out = s;
  return code;
}

int surrogate_fit(struct surrogate **s, const struct table *t, struct error *e)
{
  return fit_fold(s, t, -1, e);
}

void surrogate_destroy(struct surrogate *s)
{
  if (!s) return;
  gp_model_destroy(&s->model);
  free(s->alpha);
  free(s->mean);
  free(s);
}

/* --- prediction --- */

int surrogate_curve(const struct surrogate *s, const double *values, int epochs, double *curve, struct error *e)
{
  const struct gp_loops *loops = gp_loops_find();
  const struct gp_model *m = &s->model;
  double point[SPACE_MAX], *k = malloc((size_t)s->n * sizeof *k);
  if (!k) return error_set(e, ERROR_MACHINE, "no memory to ask the table");
  for (int d = 0; d < s->d; d++) point[d] = coordinate(s, d, values);
  loops->matern(0, s->n, s->d, (const double *const *)m->x, m->categorical, m->weight, point, m->hyper.signal, k, NULL);
  for (int i = 0; i < epochs; i++) {
    double z = m->hyper.mean + loops->dot(s->n, k, s->alpha + (size_t)i * (size_t)s->n);
    double value = fmax(s->end[i] - exp(-(s->mean[i] + s->scale[i] * z)), s->worst[i]);
    curve[i] = s->table->maximize ? value : -value;
    if (s->shares) curve[i] = fmin(fmax(curve[i], 0), 1);
  }
  free(k);
  return 0;
}

/* --- cross-validation --- */

/* Sums for R²: of values y that were predicted as p. */
struct fit_sums {
  double first; /* y are summed less the first one */
  double n, sum, squares, errors;
};

static void add_value(struct fit_sums *s, double y, double p)
{
  if (s->n == 0) s->first = y;
  s->n++;
  s->sum += y - s->first;
  s->squares += (y - s->first) * (y - s->first);
  s->errors += (y - p) * (y - p);
}

static double r_squared(const struct fit_sums *s)
{
  double differences = s->n > 0 ? s->squares - s->sum * s->sum / s->n : 0;
  return differences > 0 ? 1 - s->errors / differences : 0;
}

static int validate_fold(const struct table *t, int fold, double *predicted, struct fit_sums *last,
                         struct fit_sums *all, struct error *e)
{
  struct surrogate *s;
  int code = fit_fold(&s, t, fold, e);
  for (int i = 0; i < t->n && !code; i++) {
    if (fold_of(t, i) != fold) continue;
    const double *curve = table_curve(t, i);
    int length = t->failed[i] ? 0 : table_curve_length(t, i);
    code = surrogate_curve(s, table_values(t, i), length, predicted, e);
    for (int k = 0; k < length && !code; k++)
      if (!isnan(curve[k])) add_value(all, curve[k], predicted[k]);
    if (!code && t->complete[i]) add_value(last, curve[length - 1], predicted[length - 1]);
  }
  surrogate_destroy(s);
  return code;
}

int surrogate_validate(const struct table *t, struct surrogate_quality *q, struct error *e)
{
  struct fit_sums last = {0}, all = {0};
  double *predicted = malloc((size_t)t->epochs * sizeof *predicted);
  int code = predicted ? 0 : error_set(e, ERROR_MACHINE, "no memory to ask the table");
  for (int fold = 0; fold < SURROGATE_FOLDS && !code; fold++) code = validate_fold(t, fold, predicted, &last, &all, e);
  free(predicted);
  *q = (struct surrogate_quality){.last = r_squared(&last), .all = r_squared(&all)};
  return code;
}
