/* Bayesian optimisation with a Gaussian process (Jones, Schonlau, Welch 1998; Snoek, Larochelle,
 * Adams 2012).
 *
 *   1. While the history has fewer than gp_startup trials: the defaults first, then points of a
 *      scrambled Sobol sequence that all trials of the study share (or random ones, a setting).
 *   2. The values of the trials become outputs (gp_outputs.c).  A failed trial, and one without a
 *      number for a value, is learnt from as the worst output of all; a pruned one by the value
 *      that it had.
 *   3. A Gaussian process is fitted to them over all hyperparameters that have more than one value,
 *      those that are fixed now among them: what earlier groups found out counts (gp_fit.c).
 *      Proposals that differ in what is in flight alone share the fit (gp_fits.c).
 *   4. Trials in flight are believed to end at the posterior mean, one after another
 *      (gp_model_believe): the deviation around them is gone, and proposals spread.
 *   5. The feasible new configuration of largest expected improvement over the best is proposed
 *      (gp_acquisition.c), by cost where the settings have one (gp_cost.c).  The best is the
 *      largest posterior mean at a complete trial or one believed, not the largest output: noise
 *      that was lucky is no incumbent.
 *
 * With devices (settings->gp_devices) 3 to 5 are done there for up to GP_DEVICE_OBSERVATIONS
 * trials, in flight included: the same mathematics, whose roundings the device decides.
 *
 * A fit costs the cube of the trials.  Of a history of more than OBSERVATIONS_MAX ended trials as
 * many are used: the best eighth and, of the rest, a selection spread over their ranks. */
#include "host/samplers/sampler.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nlopt.h>

#include "host/base/cpu_isa.h"
#include "host/cuda/device_list.h"
#include "host/samplers/gp/gp_acquisition.h"
#include "host/samplers/gp/gp_cost.h"
#include "host/samplers/gp/gp_device.h"
#include "host/samplers/gp/gp_fits.h"
#include "host/samplers/sampler_common.h"
#include "host/samplers/gp/sobol.h"
#include "host/base/text_escape.h"

/* Of OpenBLAS's own cblas.h; some systems have another. */
char *openblas_get_config(void);
char *openblas_get_corename(void);

enum { OBSERVATIONS_MAX = 1024, INCUMBENTS = 5 };

/* --- the first points --- */

static void design_point(const struct sampler_request *request, const struct sobol *sobol, uint32_t index,
                         double *values)
{
  double unit[SOBOL_DIMENSIONS];
  int next = 0;
  sobol_point(sobol, index, unit);
  for (int i = 0; i < request->space->n; i++) {
    values[i] = request->free[i] ? param_from_unit(&request->space->params[i], unit[next++]) + 0.0 : request->fixed[i];
  }
}

/* The defaults, then point n of the sequence, or, where that is infeasible or there already, point
 * n + 1024, n + 2048, ... */
static bool design(const struct sampler_request *request, const struct seen *seen, double *values)
{
  enum { TRIES = 64, APART = 1024 };
  struct sobol sobol;
  int n_free = 0;
  for (int i = 0; i < request->space->n; i++) {
    n_free += request->free[i];
    values[i] = request->free[i] ? request->space->params[i].default_value : request->fixed[i];
  }
  if (request->n_history == 0 && sampler_feasible(request, values)) return true;
  if (request->settings->gp_design == GP_DESIGN_RANDOM || n_free == 0) return false;
  sobol_make(&sobol, n_free, request->study_key);
  for (uint32_t k = 0; k < TRIES; k++) {
    design_point(request, &sobol, (uint32_t)request->n_history + APART * k, values);
    if (sampler_feasible(request, values) && !seen_has(seen, values)) return true;
  }
  return false;
}

/* --- what is learnt from --- */

struct learnt {
  struct gp_axes axes;
  const struct observation **ended; /* [n], at most OBSERVATIONS_MAX */
  int n;
  const struct observation **flying; /* [n_flying] */
  int n_flying;
  struct gp_data data;
  bool categorical[GP_DIMENSIONS_MAX];
  const double *column[GP_DIMENSIONS_MAX];
  double *values, *z;
  double *memory;
};

static bool is_complete(const struct observation *o)
{
  return o->state == OBSERVATION_COMPLETE && !isnan(o->value);
}

/* Complete ones from the best, then pruned, then failed. */
static int by_best(const void *a, const void *b)
{
  const struct observation *x = *(const struct observation *const *)a, *y = *(const struct observation *const *)b;
  int left = is_complete(x) ? 0 : x->state == OBSERVATION_PRUNED ? 1 : 2;
  int right = is_complete(y) ? 0 : y->state == OBSERVATION_PRUNED ? 1 : 2;
  if (left != right) return left - right;
  if (left < 2) return observation_better(x, y) ? -1 : observation_better(y, x) ? 1 : 0;
  return x->number - y->number;
}

/* The best eighth of `most`, then ranks spread evenly over the others. */
static int thin(const struct observation **order, int n, int most)
{
  int first = most / 8;
  if (n <= most) return n;
  for (int k = first; k < most; k++) {
    order[k] = order[first + (int)((long long)(k - first) * (n - first) / (most - first))];
  }
  return most;
}

static int learnt_make(struct learnt *l, const struct sampler_request *request, struct error *e)
{
  const struct space *space = request->space;
  int n = request->n_history;
  memset(l, 0, sizeof(*l));
  l->ended = malloc((size_t)(2 * n + 1) * sizeof(*l->ended));
  if (!l->ended) return error_set(e, ERROR_MACHINE, "out of memory for a history of %d trials", n);
  l->flying = l->ended + n;
  for (int i = 0; i < n; i++) {
    const struct observation *o = &request->history[i];
    if (o->state == OBSERVATION_IN_FLIGHT) {
      l->flying[l->n_flying++] = o;
    } else {
      l->ended[l->n++] = o;
    }
  }
  qsort(l->ended, (size_t)l->n, sizeof(*l->ended), by_best);
  l->n = thin(l->ended, l->n, OBSERVATIONS_MAX);
  for (int i = 0; i < space->n; i++) {
    if (param_count(&space->params[i]) == 1) continue;
    l->categorical[l->axes.n] = space->params[i].type == PARAM_CATEGORICAL;
    l->axes.param[l->axes.n++] = i;
  }
  l->memory = malloc((size_t)(l->n + 1) * (size_t)(l->axes.n + 2) * sizeof(double));
  if (!l->memory) return error_set(e, ERROR_MACHINE, "out of memory for a history of %d trials", n);
  double *at = l->memory;
  for (int i = 0; i < l->axes.n; i++, at += l->n) {
    const struct param *p = &space->params[l->axes.param[i]];
    for (int k = 0; k < l->n; k++) at[k] = gp_coordinate(p, param_clamp(p, l->ended[k]->values[l->axes.param[i]]));
    l->column[i] = at;
  }
  l->values = at;
  l->z = at + l->n;
  for (int k = 0; k < l->n; k++) l->values[k] = l->ended[k]->state == OBSERVATION_FAILED ? NAN : l->ended[k]->value;
  gp_outputs(l->n, l->values, l->z);
  l->data = (struct gp_data){.n = l->n, .d = l->axes.n, .x = l->column, .categorical = l->categorical, .z = l->z};
  return 0;
}

static void learnt_destroy(struct learnt *l)
{
  free(l->memory);
  free(l->ended);
}

/* --- the proposal --- */

/* Believes the trials in flight; returns the best mean. */
static double believe(const struct learnt *l, const struct sampler_request *request, struct gp_model *model)
{
  double best = -INFINITY, point[GP_DIMENSIONS_MAX];
  for (int k = 0; k < l->n; k++) { /* the posterior mean at an observation is z - noise · alpha */
    if (is_complete(l->ended[k])) best = fmax(best, l->z[k] - model->hyper.noise * model->alpha[k]);
  }
  for (int f = 0; f < l->n_flying; f++) {
    for (int i = 0; i < l->axes.n; i++) {
      const struct param *p = &request->space->params[l->axes.param[i]];
      point[i] = gp_coordinate(p, param_clamp(p, l->flying[f]->values[l->axes.param[i]]));
    }
    double mean = gp_model_believe(model, point);
    best = fmax(best, mean);
  }
  return isfinite(best) ? best : model->hyper.mean;
}

struct search {
  struct gp_search s; /* points at the other two */
  struct gp_model model;
  struct gp_cost cost;
};

static void search_destroy(struct search *s)
{
  gp_model_destroy(&s->model);
  gp_cost_destroy(&s->cost);
}

/* What of a search the history says, without a model. */
static void search_begin(struct search *own, const struct sampler_request *request, const struct learnt *l,
                         const struct seen *seen)
{
  struct gp_search *s = &own->s;
  own->model = (struct gp_model){0};
  *s = (struct gp_search){.request = request, .axes = &l->axes, .model = &own->model, .seen = seen, .cost = &own->cost};
  for (int k = 0; k < l->n && s->n_incumbents < INCUMBENTS && is_complete(l->ended[k]); k++) {
    s->incumbents[s->n_incumbents++] = l->ended[k]->values;
  }
}

/* The model of what was learnt, to be searched: on the CPU where w is NULL.  After an error there
 * is nothing to destroy. */
static int search_make(struct search *own, const struct learnt *l, struct gp_workspace *w, struct error *e)
{
  struct gp_hyper hyper;
  struct gp_model *model = &own->model;
  struct gp_search *s = &own->s;
  const struct sampler_settings *settings = s->request->settings;
  int code = gp_fits_get(settings->gp_fits, &l->data, GP_PRIOR_SEARCH, settings->gp_evaluations, w, &hyper, e);
  if (!code) code = gp_model_make(model, &l->data, &hyper, l->n_flying, w, e);
  if (code) return code;
  s->best = believe(l, s->request, model);
  code = gp_cost_make(&own->cost, s->request, &l->data, l->ended, e);
  if (code) search_destroy(own);
  return code;
}

/* Candidates that are drawn while a device makes the model, which takes longer. */
struct drawing {
  const struct gp_search *s;
  struct rng *rng;
  struct gp_candidates *candidates;
  int code;
  struct error error;
  pthread_t thread;
  bool is_beside;
};

static void *draw(void *argument)
{
  struct drawing *d = argument;
  d->code = gp_candidates_draw(&d->candidates, d->s, d->rng, &d->error);
  return NULL;
}

/* Where no thread can be started they are drawn at once. */
static void drawing_begin(struct drawing *d, const struct gp_search *s, struct rng *rng, bool beside)
{
  *d = (struct drawing){.s = s, .rng = rng};
  d->is_beside = beside && pthread_create(&d->thread, NULL, draw, d) == 0;
  if (!d->is_beside) draw(d);
}

/* Until then rng is its own. */
static void drawing_end(struct drawing *d)
{
  if (d->is_beside) pthread_join(d->thread, NULL);
}

static int propose(const struct sampler_request *request, const struct learnt *l, struct gp_workspace *w,
                   const struct seen *seen, struct rng *rng, double *values, struct error *e)
{
  struct search search;
  struct drawing drawing;
  search_begin(&search, request, l, seen);
  drawing_begin(&drawing, &search.s, rng, w != NULL);
  int code = search_make(&search, l, w, e);
  drawing_end(&drawing);
  if (!code) {
    code = drawing.code;
    if (code)
      *e = drawing.error;
    else
      code = gp_maximise(&search.s, drawing.candidates, rng, values, NULL, e);
    search_destroy(&search);
  }
  gp_candidates_destroy(drawing.candidates);
  return code;
}

static bool sees_all(const struct sampler_settings *settings)
{
  return settings->gp_history == GP_HISTORY_ALL;
}

static int startup(const struct sampler_settings *settings)
{
  return settings->gp_startup;
}

static bool is_blind(const struct sampler_request *request)
{
  return request->n_history < startup(request->settings) || request->n_history == 0;
}

/* On the first workspace that does not fail: all give the same bits. */
static int propose_on_device(const struct sampler_request *request, const struct learnt *l, const struct seen *seen,
                             struct rng *rng, double *values, struct error *e)
{
  struct error failure = {.message = "every workspace of the Gaussian process has failed before"};
  struct gp_workspace *w;
  const struct rng start = *rng;
  while ((w = gp_workspace_take(request->settings->gp_devices))) {
    *rng = start;
    int code = propose(request, l, w, seen, rng, values, e);
    bool failed = gp_workspace_check(w, &failure) != 0; /* whatever came of it */
    gp_workspace_give_back(w);
    if (!failed) return code;
  }
  return error_set(e, ERROR_MACHINE, "%s", failure.message);
}

static int gp_ask(const struct sampler_request *request, double *values, struct error *e)
{
  struct rng rng = rng_make(request->key, philox_subsequence(PHILOX_SAMPLER, 0, 0));
  struct seen seen = {0};
  struct learnt l;
  int code = seen_make(&seen, request, e);
  if (code) goto done;
  if (!is_blind(request)) {
    code = learnt_make(&l, request, e);
    bool fits = l.n > 0 && l.n + l.n_flying <= GP_DEVICE_OBSERVATIONS;
    if (!code && request->settings->gp_devices && fits)
      code = propose_on_device(request, &l, &seen, &rng, values, e);
    else if (!code)
      code = propose(request, &l, NULL, &seen, &rng, values, e);
    learnt_destroy(&l);
  } else if (!design(request, &seen, values)) {
    code = sampler_draw_random(request, &rng, values, e);
  }
done:
  seen_destroy(&seen);
  return code;
}

/* One model for all; on the CPU, since nothing here can wait for a device that proposals use. */
static int expect_each(const struct sampler_request *request, const struct learnt *l, const struct seen *seen, int n,
                       const bool (*free)[SPACE_MAX], double *expected, struct error *e)
{
  struct search search;
  double values[SPACE_MAX];
  search_begin(&search, request, l, seen);
  int code = search_make(&search, l, NULL, e);
  if (code) return code;
  for (int k = 0; k < n && !code; k++) {
    struct rng rng = rng_make(request->key, philox_subsequence(PHILOX_SAMPLER, 0, 0));
    struct sampler_request part = *request;
    part.free = free[k];
    search.s.request = &part;
    struct gp_candidates *candidates;
    code = gp_candidates_draw(&candidates, &search.s, &rng, e);
    if (!code) code = gp_maximise(&search.s, candidates, &rng, values, &expected[k], e);
    gp_candidates_destroy(candidates);
    if (code != ERROR_CONFIG) continue;
    expected[k] = -INFINITY;
    code = 0;
  }
  search_destroy(&search);
  return code;
}

static int gp_expect(const struct sampler_request *request, int n, const bool (*free)[SPACE_MAX], double *expected,
                     struct error *e)
{
  struct seen seen = {0};
  struct learnt l;
  if (is_blind(request))
    return error_set(e, ERROR_FAILED, "%d trial%s too few to expect something", request->n_history,
                     request->n_history == 1 ? " is" : "s are");
  int code = seen_make(&seen, request, e);
  if (!code) {
    code = learnt_make(&l, request, e);
    if (!code) code = expect_each(request, &l, &seen, n, free, expected, e);
    learnt_destroy(&l);
  }
  seen_destroy(&seen);
  return code;
}

/* --- where it computes --- */

static void gp_close(struct sampler_settings *settings)
{
  gp_devices_close(settings->gp_devices);
  gp_fits_close(settings->gp_fits);
  settings->gp_devices = NULL;
  settings->gp_fits = NULL;
}

/* Two devices are enough: for the studies that run side by side, and should one of them fail.  A
 * context on each GPU of a box would take memory of programs that train there. */
static int gp_open(struct sampler_settings *settings, const struct space *space, const char *devices, struct error *e)
{
  enum { ENOUGH = 2 };
  int list[DEVICES_MAX], n;
  char why[300];
  int most = settings->gp_candidates > GP_WALK ? settings->gp_candidates : GP_WALK;
  int code = devices_choose(devices, list, &n, why, sizeof(why), e);
  if (n > ENOUGH) n = ENOUGH;
  if (!code) code = gp_fits_open(&settings->gp_fits, e);
  if (code || n == 0) return code;
  code = gp_devices_open(&settings->gp_devices, n, list, most, space->n, e);
  if (code) gp_close(settings);
  return code;
}

/* The loops are ours (GSOS_ISA caps them); OpenBLAS chooses its code by the processor before main
 * begins, and the environment may choose another (OPENBLAS_CORETYPE). */
static void description(const struct sampler_settings *settings, char *text, size_t size)
{
  int major, minor, patch;
  char version[40] = "?";
  size_t used = 0;
  if (settings->gp_devices) {
    used = text_format(text, size, "Gaussian process of up to %d trials on cuda (%s), of more on the CPU, ",
                       GP_DEVICE_OBSERVATIONS, gp_devices_name(settings->gp_devices));
  }
  sscanf(openblas_get_config(), "OpenBLAS %39s", version); /* "OpenBLAS 0.3.21 NO_AFFINITY ..." */
  nlopt_version(&major, &minor, &patch);
  text_format(text + used, size - used, "%s loops, OpenBLAS %s for %s, NLopt %d.%d.%d", cpu_isa_name(cpu_isa_detect()),
              version, openblas_get_corename(), major, minor, patch);
}

const struct sampler sampler_gp = {.name = "gp",
                                   .summary = "Gaussian process with expected improvement, over the whole history",
                                   .sees_all = sees_all,
                                   .startup = startup,
                                   .ask = gp_ask,
                                   .expect = gp_expect,
                                   .is_blind = is_blind,
                                   .open = gp_open,
                                   .close = gp_close,
                                   .description = description};
