/* The search for the largest expected improvement on a device, whose local searches go side by
 * side, beside the CPU's, where one follows the other with NLopt: the same model, the same
 * candidates, on histories of the functions that gsos has and of a mixed space. */
#include "tests/unit/samplers/gp/kernels_gp_fixture.h"

#include "host/samplers/gp/gp_cost.h"
#include "host/samplers/gp/gp_fit.h"
#include "host/samplers/gp/gp_refine.h"
#include "host/space/function_space.h"
#include "host/space/functions.h"
#include "tests/unit/samplers/sampler_fixture.h"

/* ---- histories and models -------------------------------------------------------------------- */

/* Every kind of axis: those that are climbed, swept at once, and swept by steps. */
static const char *const mixed_lines[] = {"lr",     "float 1e-5 .. 1 log default 0.01",
                                          "units",  "int 16 .. 512 log default 64",
                                          "layers", "int 1 .. 6 default 2",
                                          "batch",  "ordinal 16, 32, 64, 128, 256 default 32",
                                          "width",  "int 1 .. 40 default 9",
                                          "kind",   "categorical p, q, r default q",
                                          NULL};

static const char *const no_lines[] = {NULL}; /* a function brings its own */

static double mixed_value(const double *v)
{
  double a = log10(v[0] / 0.003), b = log(v[1] / 100) / 3, c = (v[2] - 4) / 6, d = (v[3] - 2) / 4, e = (v[4] - 23) / 30;
  return -(a * a + b * b + c * c + d * d * a + 2 * e * e + (v[5] == 2 ? 0 : 0.3));
}

static double value_of(const struct function *f, const struct space *space, const double *values)
{
  double x[FUNCTION_PARAMS_MAX];
  if (!f) return mixed_value(values);
  for (int i = 0; i < f->n; i++) x[i] = param_number(&space->params[i], values[i]);
  struct function_call call = {.function = f, .x = x, .epoch = 1};
  f->value(&call);
  return f->maximize ? call.value : -call.value;
}

/* A history of n trials, of which a part is near the best, as in a search that has been going
 * on. */
static void open_history(struct fixture *fixture, int index, int n, uint64_t seed)
{
  struct rng rng = rng_make(seed, philox_subsequence(PHILOX_TEST, 0, (uint64_t)index));
  const struct function *f = function_at(index);
  struct error e = {0};
  bool maximize;
  double best = -INFINITY;
  int best_at = 0;
  fixture_open(fixture, f ? no_lines : mixed_lines);
  if (f) {
    struct groups groups;
    assert_int_equal(function_space(f->name, &fixture->space, &groups, &maximize, &e), 0);
  }
  for (int i = 0; i < fixture->space.n; i++) fixture->free[i] = true;
  space_defaults(&fixture->space, fixture->fixed);
  for (int t = 0; t < n; t++) {
    double v[SPACE_MAX];
    for (int i = 0; i < fixture->space.n; i++) {
      const struct param *p = &fixture->space.params[i];
      double unit = rng_uniform(&rng), near = t ? param_to_unit(p, fixture->history[best_at].values[i]) : 0.5;
      v[i] = param_from_unit(p, t % 3 == 2 ? fmin(fmax(near + 0.2 * (unit - 0.5), 0), 0.999) : unit);
    }
    double value = value_of(f, &fixture->space, v);
    if (!isfinite(value)) value = best;
    fixture_tell(fixture, v, OBSERVATION_COMPLETE, value);
    if (value > best) best_at = t;
    best = fmax(best, value);
  }
}

/* What both search: a model of the history on the CPU, and one of the same hyperparameters on the
 * device. */
struct search {
  struct gp_axes axes;
  struct gp_data data;
  struct gp_hyper hyper;
  struct gp_model model;
  struct gp_cost cost;
  struct seen seen;
  struct sampler_request request;
  struct gp_search s;
  double *x[GP_DIMENSIONS_MAX], *z;
  bool categorical[GP_DIMENSIONS_MAX];
};

static void search_open(struct search *s, const struct fixture *f, struct gp_workspace *w, const struct gp_hyper *hyper)
{
  struct error e = {0};
  double values[GP_TEST_MAX];
  memset(s, 0, sizeof *s);
  s->request = fixture_request(f, 1);
  s->z = malloc((size_t)f->n * sizeof(double));
  for (int i = 0; i < f->space.n; i++) {
    s->axes.param[s->axes.n++] = i;
    s->categorical[i] = f->space.params[i].type == PARAM_CATEGORICAL;
    s->x[i] = malloc((size_t)f->n * sizeof(double));
    for (int k = 0; k < f->n; k++) s->x[i][k] = gp_coordinate(&f->space.params[i], f->history[k].values[i]);
  }
  for (int k = 0; k < f->n; k++) values[k] = f->history[k].value;
  gp_outputs(f->n, values, s->z);
  s->data = (struct gp_data){
      .n = f->n, .d = f->space.n, .x = (const double *const *)s->x, .categorical = s->categorical, .z = s->z};
  if (hyper)
    s->hyper = *hyper;
  else
    assert_int_equal(gp_fit(&s->data, GP_PRIOR_SEARCH, 40, NULL, &s->hyper, &e), 0);
  assert_int_equal(gp_model_make(&s->model, &s->data, &s->hyper, 0, w, &e), 0);
  assert_int_equal(seen_make(&s->seen, &s->request, &e), 0);
  s->s = (struct gp_search){.request = &s->request, .axes = &s->axes, .model = &s->model, .seen = &s->seen};
  s->s.cost = &s->cost;
  s->s.best = -INFINITY;
  for (int k = 0; k < f->n; k++) s->s.best = fmax(s->s.best, s->z[k]);
  for (int k = 0; k < 8 && k < f->n; k++) s->s.incumbents[s->s.n_incumbents++] = f->history[f->n - 1 - k].values;
}

static void search_close(struct search *s)
{
  gp_model_destroy(&s->model);
  seen_destroy(&s->seen);
  for (int i = 0; i < s->axes.n; i++) free(s->x[i]);
  free(s->z);
}

static double found_by(const struct search *s, uint64_t seed, double *values)
{
  struct rng rng = rng_make(seed, 3);
  struct gp_candidates *candidates;
  struct error e = {0};
  double score;
  assert_int_equal(gp_candidates_draw(&candidates, &s->s, &rng, &e), 0);
  assert_int_equal(gp_maximise(&s->s, candidates, &rng, values, &score, &e), 0);
  gp_candidates_destroy(candidates);
  return score;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static int kinds(void)
{
  int functions = 0;
  while (function_at(functions)) functions++;
  return functions + 1; /* the last is the mixed space */
}

/* What the device says of its choice is what the CPU's model does. */
static void is_what_the_model_says(struct search *here, const struct fixture *f, const double *values, double score)
{
  double point[GP_DIMENSIONS_MAX], mean, sd;
  for (int i = 0; i < f->space.n; i++) point[i] = gp_coordinate(&f->space.params[i], values[i]);
  gp_model_predict_one(&here->model, point, &mean, &sd, NULL, NULL);
  assert_true(fabs(gp_log_expected_improvement(mean, sd, here->s.best, NULL, NULL) - score) < 1e-8);
}

/* Log expected improvement on histories of every function and of the mixed space.  Rounding leads a
 * climb to another top now and then, of either; so what is held is that at most one in twelve is
 * lower by more than a hundredth, and the others, on average, by no more than climbs that end at
 * 1e-4 differ. */
static void compare(int histories)
{
  int lower = 0;
  double difference = 0;
  for (int k = 0; k < histories; k++) {
    struct fixture f;
    struct search here, there;
    double v[SPACE_MAX];
    struct gp_workspace *w = gp_workspace_take(devices);
    open_history(&f, is_slow() ? (k ? kinds() - 1 : 0) : k % kinds(), 12 + (is_slow() ? 0 : k), (uint64_t)k);
    f.settings.gp_candidates = is_slow() ? 16 : 64;
    search_open(&here, &f, NULL, NULL);
    search_open(&there, &f, w, &here.hyper);
    double cpu = found_by(&here, (uint64_t)k, v), device = found_by(&there, (uint64_t)k, v);
    is_what_the_model_says(&here, &f, v, device);
    assert_false(fixture_has(&f, v));
    lower += device < cpu - 0.01;
    difference += device < cpu - 0.01 ? 0 : device - cpu;
    give_back(w);
    search_close(&here);
    search_close(&there);
    fixture_close(&f);
  }
  if (!(lower * 12 <= histories && difference > -1e-3 * histories))
    fail_msg("of %d searches %d found less than the CPU's, the others %g in all", histories, lower, difference);
}

static void both_find_improvements_as_large(void **state)
{
  (void)state;
  compare(is_slow() ? 2 : 2 * kinds());
}

#ifndef REAL_GPU

static void an_older_device_finds_them_too(void **state)
{
  (void)state;
  compare(is_slow() ? 2 : 4);
}

/* Floats alone: the candidates' posterior, which is two, their scores, the best of both halves, the
 * climbs, and the posterior of where they lead to; each answer is waited for once.  With others,
 * which mean nothing: the sweeps that bring nothing besides, for whose points there is room in two
 * launches, not one for each of five hyperparameters.  Whatever is searched, no more than three
 * turns, each of those and a few for each other hyperparameter. */
static void a_search_is_a_few_launches(void **state)
{
  enum { FLOATS, MEANINGLESS, MIXED, KINDS_OF_SEARCH };
  (void)state;
  for (int kind = 0; kind < KINDS_OF_SEARCH; kind++) {
    struct fixture f;
    struct search s;
    double v[SPACE_MAX];
    struct gp_hyper hyper = {.signal = 1, .noise = 1e-4};
    struct gp_workspace *w = gp_workspace_take(devices);
    open_history(&f, kind == FLOATS ? 0 : kinds() - 1, 12, 4);
    f.settings.gp_candidates = 32;
    for (int i = 0; i < f.space.n; i++) {
      const bool is_float = f.space.params[i].type == PARAM_FLOAT;
      hyper.lengthscale[i] = kind == MEANINGLESS && !is_float ? 1e9 : 0.7;
    }
    search_open(&s, &f, w, &hyper);
    struct cudacpu_counts before = cudacpu_counts();
    found_by(&s, 1, v);
    struct cudacpu_counts after = cudacpu_counts();
    uint64_t launches = after.launches - before.launches, copies = after.copies - before.copies;
    uint64_t waits = after.waits - before.waits;
    print_message("a search of %d dimensions: %d launches, %d copies, %d waits\n", f.space.n, (int)launches,
                  (int)copies, (int)waits);
    if (kind == FLOATS) assert_true(launches == 6 && copies == 6 && waits == 3);
    if (kind == MEANINGLESS) assert_true(launches == 8 && copies == 10 && waits == 5);
    assert_true(launches <= 4 + 3 * (2 + 5 * 3) && waits == launches - 3 && copies == 2 * waits);
    give_back(w);
    search_close(&s);
    fixture_close(&f);
  }
}

#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST_ON_DEVICE(both_find_improvements_as_large),
#ifndef REAL_GPU
      TEST_ON_OLDER_DEVICE(an_older_device_finds_them_too),
      TEST_ON_DEVICE(a_search_is_a_few_launches),
#endif
  };
  return cmocka_run_group_tests_name("kernels_gp_search", tests, NULL, NULL);
}
