/* What is important by construction is found to be, and the formulas are what is computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/rng.h"
#include "host/importance/importance.h"

/* --- trials in memory --- */

struct data {
  struct space space;
  int n;
  double *cells;         /* [n][space.n] */
  const double **values; /* [n] rows of cells */
  double *value, *weight;
};

static void add_param(struct space *s, const char *line)
{
  char name[SPACE_NAME_MAX];
  struct error e;
  snprintf(name, sizeof(name), "h%d", s->n);
  int code = param_parse(&s->params[s->n], name, line, &e);
  if (code) print_error("%s\n", e.message);
  assert_int_equal(code, 0);
  s->n++;
}

/* lines: as in [space], NULL at the end.  The trials are uniform draws, their values 0. */
static void data_open(struct data *d, const char *const *lines, int n, uint64_t seed)
{
  memset(d, 0, sizeof(*d));
  space_init(&d->space);
  for (; *lines; lines++) add_param(&d->space, *lines);
  d->n = n;
  d->cells = calloc((size_t)n * (size_t)d->space.n, sizeof(*d->cells));
  d->values = calloc((size_t)n, sizeof(*d->values));
  d->value = calloc((size_t)n, sizeof(*d->value));
  d->weight = calloc((size_t)n, sizeof(*d->weight));
  assert_true(d->cells && d->values && d->value && d->weight);
  struct rng rng = rng_make(seed, philox_subsequence(PHILOX_TEST, 0, 0));
  for (int t = 0; t < n; t++) {
    double *row = d->cells + (size_t)t * (size_t)d->space.n;
    for (int i = 0; i < d->space.n; i++) row[i] = param_from_unit(&d->space.params[i], rng_uniform(&rng));
    d->values[t] = row;
    d->weight[t] = 1;
  }
}

static void data_close(struct data *d)
{
  free(d->cells);
  free(d->values);
  free(d->value);
  free(d->weight);
  space_destroy(&d->space);
}

static struct importance_trials trials_of(const struct data *d)
{
  return (struct importance_trials){.space = &d->space, .n = d->n, .values = d->values, .value = d->value};
}

static double *cell(struct data *d, int trial, int param)
{
  return d->cells + (size_t)trial * (size_t)d->space.n + (size_t)param;
}

/* Noise, and of each hyperparameter its factor times its value in the unit cube, brought to mean 0
 * and deviation 1 over the trials. */
static void plant(struct data *d, const double *factor, double noise, uint64_t seed)
{
  struct rng rng = rng_make(seed, philox_subsequence(PHILOX_TEST, 1, 0));
  for (int t = 0; t < d->n; t++) d->value[t] = noise * sqrt(12) * (rng_uniform(&rng) - 0.5);
  for (int i = 0; i < d->space.n; i++) {
    double mean = 0, square = 0;
    for (int t = 0; t < d->n; t++) {
      double u = param_to_unit(&d->space.params[i], *cell(d, t, i));
      mean += u / d->n;
      square += u * u / d->n;
    }
    double deviation = sqrt(square - mean * mean);
    for (int t = 0; t < d->n && deviation > 1e-9; t++) {
      d->value[t] += factor[i] * (param_to_unit(&d->space.params[i], *cell(d, t, i)) - mean) / deviation;
    }
  }
}

static struct importance measured(const struct importance_method *method, const struct importance_trials *t,
                                  const struct importance_settings *s)
{
  struct importance out;
  struct error e = {0};
  int code = importance_measure(method, t, s, &out, &e);
  if (code) print_error("%s: %s\n", method->name, e.message);
  assert_int_equal(code, 0);
  return out;
}

static const char *const mixed[] = {"float -2 .. 6 default 0",
                                    "float 1e-5 .. 1 log default 0.01",
                                    "int 3 .. 40 default 3",
                                    "ordinal 1, 2, 4, 8, 16 default 1",
                                    "categorical p, q, r default p",
                                    "int 1 .. 1000 log default 1",
                                    NULL};
enum { MIXED = 6 };

/* The two that are tested here; the forest has its own test. */
static const char *const names[] = {"nrrelieff", "pedanova", NULL};

/* --- the table --- */

static void every_method_is_found_by_its_name(void **state)
{
  (void)state;
  for (int i = 0; importance_methods[i]; i++) {
    assert_ptr_equal(importance_method_find(importance_methods[i]->name), importance_methods[i]);
    assert_string_equal(importance_methods[i]->name, importance_method_names[i]);
  }
  for (int i = 0; names[i]; i++) assert_non_null(importance_method_find(names[i]));
  assert_null(importance_method_find("relief"));
  assert_null(importance_method_find(""));
}

static void enough_are_ten_trials_for_each_that_varies(void **state)
{
  (void)state;
  struct data d;
  data_open(&d,
            (const char *const[]){"float 0 .. 1 default 0", "float 2 .. 2 default 2", "categorical a default a",
                                  "int 1 .. 2 default 1", NULL},
            1, 1);
  assert_int_equal(importance_trials_enough(&d.space), 20);
  data_close(&d);
}

/* --- what is planted is found --- */

/* In so many dimensions of all types three, at places of their own, have influence, and each is
 * heavier than the next, and than all that have none.  (RReliefF leaves much weaker ones, in few
 * dimensions, without a weight: see importance_nrrelieff.c.) */
static void assert_planted(const char *name, int dimensions, int n, double ratio, const int *place)
{
  struct data d;
  const char *lines[32] = {0};
  double factor[SPACE_MAX] = {0};
  for (int i = 0; i < dimensions; i++) lines[i] = mixed[(5 * i + 2) % MIXED];
  data_open(&d, lines, n, (uint64_t)dimensions);
  for (int i = 0; i < 3; i++) factor[place[i]] = pow(ratio, i);
  plant(&d, factor, 0.1, 1);
  struct importance_trials t = trials_of(&d);
  struct importance_settings s = importance_settings_default();
  s.resamples = 0;
  struct importance out = measured(importance_method_find(name), &t, &s);
  for (int i = 0; i < 3; i++) {
    if (out.rank[place[i]] == i + 1 && out.weight[place[i]] > 0.02) continue;
    for (int j = 0; j < dimensions; j++) print_error("%d: planted %.2f, weight %.4f\n", j, factor[j], out.weight[j]);
    fail_msg("%s, %d dimensions: number %d has rank %d", name, dimensions, place[i], out.rank[place[i]]);
  }
  data_close(&d);
}

static void the_planted_order_is_recovered(void **state)
{
  (void)state;
  for (int i = 0; names[i]; i++) {
    assert_planted(names[i], 5, 1500, 0.8, (const int[]){3, 1, 0});  /* int log, float log, int */
    assert_planted(names[i], 10, 1500, 0.7, (const int[]){5, 1, 4}); /* ordinal, float log, categorical */
    assert_planted(names[i], 30, 3000, 0.7, (const int[]){2, 3, 4}); /* float, int log, categorical */
  }
  assert_planted("nrrelieff", 10, 1500, 0.7, (const int[]){4, 5, 1}); /* PED-ANOVA gives few values less */
  assert_planted("nrrelieff", 30, 3000, 0.7, (const int[]){4, 29, 2});
}

/* What no marginal shows, RReliefF sees: two that matter only together. */
static void rrelieff_sees_what_matters_together(void **state)
{
  (void)state;
  struct data d;
  data_open(&d,
            (const char *const[]){"float 0 .. 1 default 0", "float 0 .. 1 default 0", "float 0 .. 1 default 0",
                                  "float 0 .. 1 default 0", NULL},
            600, 4);
  for (int t = 0; t < d.n; t++) d.value[t] = (*cell(&d, t, 1) > 0.5) == (*cell(&d, t, 3) > 0.5);
  struct importance_trials t = trials_of(&d);
  struct importance_settings s = importance_settings_default();
  struct importance out = measured(importance_method_find("nrrelieff"), &t, &s);
  assert_true(out.rank_high[1] <= 2 && out.rank_high[3] <= 2);
  assert_true(out.weight[1] > 0.4 && out.weight[3] > 0.4);
  data_close(&d);
}

/* --- RReliefF as its formulas say --- */

struct place {
  double distance;
  int trial;
};

static int by_distance(const void *a, const void *b)
{
  const struct place *x = a, *y = b;
  if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
  return x->trial - y->trial;
}

static double difference(const struct param *p, const struct importance_settings *s, double a, double b)
{
  if (isnan(a) || isnan(b)) return isnan(a) != isnan(b);
  if (p->type == PARAM_CATEGORICAL) return a != b;
  if (p->low == p->high) return 0;
  double low = p->log ? log(p->low) : p->low, high = p->log ? log(p->high) : p->high;
  double x = ((p->log ? log(a) : a) - low) / (high - low), y = ((p->log ? log(b) : b) - low) / (high - low);
  return fmin(fmax((fabs(x - y) - s->alike) * (1 / (s->apart - s->alike)), 0), 1);
}

static void reference_rrelieff(const struct importance_trials *t, const struct importance_settings *s, double *w)
{
  int n = t->n, d = t->space->n, k = s->neighbours < n - 1 ? s->neighbours : n - 1;
  struct philox_permutation order =
      philox_permutation_make(s->seed, philox_subsequence(PHILOX_IMPORTANCE, 0, 0), (uint32_t)n);
  bool all = s->samples == 0 || s->samples >= n;
  double low = INFINITY, high = -INFINITY, m = 0, dc = 0, da[SPACE_MAX] = {0}, dcda[SPACE_MAX] = {0};
  struct place *near = calloc((size_t)n, sizeof(*near));
  assert_non_null(near);
  for (int i = 0; i < n; i++) low = fmin(low, t->value[i]), high = fmax(high, t->value[i]);
  for (int at = 0; at < (all ? n : s->samples); at++) {
    int i = all ? at : (int)philox_permutation_at(&order, (uint32_t)at);
    double own = t->weight ? t->weight[i] : 1, sum = 0;
    for (int j = 0; j < n; j++) {
      near[j] = (struct place){j == i ? INFINITY : 0, j};
      for (int p = 0; p < d; p++) {
        near[j].distance += difference(&t->space->params[p], s, t->values[i][p], t->values[j][p]);
      }
    }
    qsort(near, (size_t)n, sizeof(*near), by_distance);
    for (int r = 0; r < k; r++) {
      sum += exp(-pow((r + 1) / s->sigma, 2)) * (t->weight ? t->weight[near[r].trial] : 1);
    }
    for (int r = 0; r < k; r++) {
      int j = near[r].trial;
      double influence = own * exp(-pow((r + 1) / s->sigma, 2)) * (t->weight ? t->weight[j] : 1) / sum;
      double c = fabs(t->value[i] - t->value[j]) / (high - low);
      m += influence;
      dc += c * influence;
      for (int p = 0; p < d; p++) {
        double a = difference(&t->space->params[p], s, t->values[i][p], t->values[j][p]);
        da[p] += a * influence;
        dcda[p] += c * a * influence;
      }
    }
  }
  for (int p = 0; p < d; p++) w[p] = dcda[p] / dc - (da[p] - dcda[p]) / (m - dc);
  free(near);
}

static void rrelieff_is_that_of_a_double_loop(void **state)
{
  (void)state;
  static const int sizes[] = {4, 5, 63, 256, 257, 600};
  for (int round = 0; round < 24; round++) {
    struct data d;
    int n = sizes[round % 6];
    data_open(&d, mixed, n, (uint64_t)(100 + round));
    struct rng rng = rng_make((uint64_t)round, philox_subsequence(PHILOX_TEST, 2, 0));
    for (int t = 0; t < n; t++) {
      d.value[t] = rng_uniform(&rng) + *cell(&d, t, 0);
      d.weight[t] = 0.5 + rng_uniform(&rng);
      for (int i = 0; i < MIXED && round % 2; i++) {
        if (rng_below(&rng, 8) == 0) *cell(&d, t, i) = NAN;
      }
    }
    struct importance_trials t = trials_of(&d);
    if (round % 4 < 2) t.weight = d.weight;
    struct importance_settings s = importance_settings_default();
    s.seed = (uint64_t)round;
    s.neighbours = round % 3 ? 70 : 10;
    s.samples = round % 5 ? 0 : 3 * n / 4;
    if (round % 7 < 3) s.alike = 0, s.apart = 1;
    struct importance out;
    double expected[SPACE_MAX], sum = 0;
    memset(&out, 0, sizeof(out));
    assert_int_equal(importance_method_find("nrrelieff")->measure(&t, &s, &out, NULL), 0);
    reference_rrelieff(&t, &s, expected);
    for (int i = 0; i < MIXED; i++) sum += fmax(expected[i], 0);
    for (int i = 0; i < MIXED; i++) {
      if (fabs(out.raw[i] - expected[i]) > 1e-12) {
        fail_msg("round %d: W of %d is %.17g, not %.17g", round, i, out.raw[i], expected[i]);
      }
      assert_true(fabs(out.weight[i] - (sum > 0 ? fmax(expected[i], 0) / sum : 1.0 / MIXED)) <= 1e-12);
    }
    data_close(&d);
  }
}

/* --- PED-ANOVA by hand --- */

/* Two of the four are good.  Of all, each label has half; of the good, whose counts are 2 and 0, a
 * has 2/3 (1 + 1/2) / 2 + 1/3 · 1/2 = 2/3, so the divergence is (1/3)^2, times (2/4)^2.  The int's
 * two densities over three cells, of a bandwidth of 0.76840 cells for all and of 0.5 / 1.64 for the
 * good, were worked out apart from this program. */
static void pedanova_is_what_a_small_example_gives(void **state)
{
  (void)state;
  struct data d;
  data_open(&d,
            (const char *const[]){"categorical a, b default a", "int 0 .. 2 default 0", "float 1 .. 1 default 1", NULL},
            4, 1);
  static const double cells[4][3] = {{0, 0, 1}, {1, 2, 1}, {0, 0, 1}, {1, 1, 1}}, value[4] = {4, 1, 3, 2};
  for (int t = 0; t < 4; t++) {
    for (int i = 0; i < 3; i++) *cell(&d, t, i) = cells[t][i];
    d.value[t] = value[t];
  }
  struct importance_trials t = trials_of(&d);
  struct importance_settings s = importance_settings_default();
  for (int k = 0; k < 2; k++) {
    s.top = k ? 0.1 : 0.5; /* two are good in any case */
    struct importance out = measured(importance_method_find("pedanova"), &t, &s);
    assert_true(fabs(out.raw[0] - 1.0 / 36) < 1e-9);
    assert_true(fabs(out.raw[1] - 0.135511128620868) < 1e-9);
    assert_true(out.raw[2] == 0 && out.weight[2] == 0);
    assert_true(fabs(out.weight[0] - out.raw[0] / (out.raw[0] + out.raw[1])) < 1e-12);
  }
  d.value[3] = 3; /* as good as the second: three are good */
  struct importance out = measured(importance_method_find("pedanova"), &t, &s);
  /* a: 3/4 (2/3 (1 + 1/3) / (5/3) + 1/3 (1/3) / (5/3)) + 1/4 · 1/2 = 23/40 */
  assert_true(fabs(out.raw[0] - 9.0 / 16 * pow(2 * 23.0 / 40 - 1, 2)) < 1e-9);
  data_close(&d);
}

/* Here the middle half of all trials lies so close that it decides on their bandwidth, 0.4808
 * cells; the good ones are 4, 5 and 9. */
static void pedanovas_bandwidth_is_not_led_by_what_lies_far_out(void **state)
{
  (void)state;
  static const double cells[12] = {0, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 9};
  struct data d;
  data_open(&d, (const char *const[]){"int 0 .. 9 default 0", NULL}, 12, 1);
  for (int t = 0; t < d.n; t++) {
    *cell(&d, t, 0) = cells[t];
    d.value[t] = t % 5 == 1 ? 10 + t : -t;
  }
  struct importance_trials t = trials_of(&d);
  struct importance_settings s = importance_settings_default();
  s.top = 0.25;
  struct importance out = measured(importance_method_find("pedanova"), &t, &s);
  assert_true(fabs(out.raw[0] - 0.196662507667125) < 1e-9);
  data_close(&d);
}

/* --- what holds for every method --- */

static void weights_sum_to_one_and_intervals_contain_them(void **state)
{
  (void)state;
  for (int m = 0; importance_methods[m]; m++) {
    struct data d;
    data_open(&d, mixed, 120, 7);
    plant(&d, (const double[]){1, 0.5, 0, 0.2, 0.2, 0}, 0.5, 7);
    struct importance_trials t = trials_of(&d);
    struct importance_settings s = importance_settings_default();
    s.resamples = 30;
    struct importance out = measured(importance_methods[m], &t, &s);
    double sum = 0;
    bool taken[MIXED + 1] = {0};
    assert_true(out.has_intervals);
    for (int i = 0; i < MIXED; i++) {
      sum += out.weight[i];
      assert_true(out.weight[i] >= 0 && out.low[i] >= 0 && out.high[i] <= 1);
      assert_true(out.low[i] <= out.weight[i] && out.weight[i] <= out.high[i]);
      assert_in_range(out.rank[i], 1, MIXED);
      assert_in_range(out.rank_low[i], 1, out.rank[i]);
      assert_in_range(out.rank_high[i], out.rank[i], MIXED);
      assert_false(taken[out.rank[i]]);
      taken[out.rank[i]] = true;
      for (int j = 0; j < MIXED; j++) assert_true(out.weight[i] <= out.weight[j] || out.rank[i] < out.rank[j]);
    }
    assert_true(fabs(sum - 1) < 1e-12);
    s.resamples = 0;
    assert_false(measured(importance_methods[m], &t, &s).has_intervals);
    data_close(&d);
  }
}

static double widths(const char *name, int n)
{
  struct data d;
  data_open(&d, mixed, n, 9);
  plant(&d, (const double[]){1, 0.7, 0.5, 0.4, 0.3, 0}, 0.3, 9);
  struct importance_trials t = trials_of(&d);
  struct importance_settings s = importance_settings_default();
  struct importance out = measured(importance_method_find(name), &t, &s);
  double sum = 0;
  for (int i = 0; i < MIXED; i++) sum += out.high[i] - out.low[i];
  data_close(&d);
  return sum;
}

static void intervals_shrink_with_the_number_of_trials(void **state)
{
  (void)state;
  for (int i = 0; names[i]; i++) {
    double few = widths(names[i], 100), more = widths(names[i], 800), many = widths(names[i], 3200);
    if (!(more < 0.7 * few && many < 0.7 * more)) fail_msg("%s: %g, %g, %g", names[i], few, more, many);
  }
}

/* The intervals of many samples are as wide as the samples' weights differ, and most contain their
 * mean. */
static void rrelieffs_intervals_are_as_wide_as_samples_differ(void **state)
{
  (void)state;
  enum { SAMPLES = 60, N = 300, HEAVY = 3 }; /* the others have no weight in most */
  static struct importance out[SAMPLES];
  for (int k = 0; k < SAMPLES; k++) {
    struct data d;
    data_open(&d, mixed, N, (uint64_t)(1000 + k));
    plant(&d, (const double[]){1, 0.7, 0.6, 0.2, 0, 0}, 0.3, (uint64_t)(1000 + k));
    struct importance_trials t = trials_of(&d);
    struct importance_settings s = importance_settings_default();
    out[k] = measured(importance_method_find("nrrelieff"), &t, &s);
    data_close(&d);
  }
  int covered = 0;
  for (int i = 0; i < HEAVY; i++) {
    double mean = 0, square = 0, width = 0;
    for (int k = 0; k < SAMPLES; k++) {
      mean += out[k].weight[i] / SAMPLES;
      width += (out[k].high[i] - out[k].low[i]) / SAMPLES;
    }
    for (int k = 0; k < SAMPLES; k++) {
      covered += out[k].low[i] <= mean && mean <= out[k].high[i];
      square += (out[k].weight[i] - mean) * (out[k].weight[i] - mean) / (SAMPLES - 1);
    }
    double expected = 2 * 1.96 * sqrt(square);
    if (!(width > 0.75 * expected && width < 1.5 * expected)) fail_msg("%d: %g, not %g", i, width, expected);
  }
  assert_in_range(covered, 85 * HEAVY * SAMPLES / 100, HEAVY * SAMPLES);
}

static void rank_intervals_tell_what_can_be_told_apart(void **state)
{
  (void)state;
  static const char *const floats[] = {"float 0 .. 1 default 0", "float 0 .. 1 default 0", "float 0 .. 1 default 0",
                                       "float 0 .. 1 default 0", NULL};
  for (int i = 0; names[i]; i++) {
    struct data d;
    data_open(&d, floats, 500, 3);
    plant(&d, (const double[]){0.1, 1, 0.1, 0.1}, 0.2, 3);
    struct importance_trials t = trials_of(&d);
    struct importance_settings s = importance_settings_default();
    struct importance out = measured(importance_method_find(names[i]), &t, &s);
    assert_true(out.rank[1] == 1 && out.rank_low[1] == 1 && out.rank_high[1] == 1);
    for (int j = 0; j < 4; j++) assert_true(j == 1 || (out.rank_low[j] == 2 && out.rank_high[j] >= 3));
    data_close(&d);
  }
}

static bool same(const struct importance *a, const struct importance *b, int n)
{
  size_t doubles = (size_t)n * sizeof(double), ints = (size_t)n * sizeof(int);
  return !memcmp(a->weight, b->weight, doubles) && !memcmp(a->raw, b->raw, doubles) &&
         !memcmp(a->deviation, b->deviation, doubles) && !memcmp(a->low, b->low, doubles) &&
         !memcmp(a->high, b->high, doubles) && !memcmp(a->rank, b->rank, ints) &&
         !memcmp(a->rank_low, b->rank_low, ints) && !memcmp(a->rank_high, b->rank_high, ints) &&
         !memcmp(a->interaction, b->interaction, sizeof(a->interaction));
}

static void a_measurement_is_a_function_of_its_arguments(void **state)
{
  (void)state;
  for (int m = 0; importance_methods[m]; m++) {
    struct data d;
    data_open(&d, mixed, 90, 5);
    plant(&d, (const double[]){1, 0.5, 0.3, 0.2, 0.2, 0.1}, 0.5, 5);
    struct importance_trials t = trials_of(&d);
    struct importance_settings s = importance_settings_default();
    s.seed = 11;
    s.resamples = 20;
    struct importance first = measured(importance_methods[m], &t, &s), second = measured(importance_methods[m], &t, &s);
    assert_true(same(&first, &second, MIXED));
    t.weight = d.weight; /* all 1 */
    second = measured(importance_methods[m], &t, &s);
    assert_true(same(&first, &second, MIXED));
    data_close(&d);
  }
}

static void another_seed_draws_other_resamples(void **state)
{
  (void)state;
  for (int i = 0; names[i]; i++) {
    struct data d;
    data_open(&d, mixed, 90, 5);
    plant(&d, (const double[]){1, 0.5, 0.3, 0.2, 0.2, 0.1}, 0.5, 5);
    struct importance_trials t = trials_of(&d);
    struct importance_settings s = importance_settings_default();
    struct importance first = measured(importance_method_find(names[i]), &t, &s);
    s.seed = 1;
    struct importance second = measured(importance_method_find(names[i]), &t, &s);
    assert_memory_equal(first.weight, second.weight, MIXED * sizeof(double));
    assert_memory_not_equal(first.high, second.high, MIXED * sizeof(double));
    data_close(&d);
  }
}

/* To the bit, with many trials at the same distance and several of the same contents. */
static void the_order_of_the_trials_changes_nothing(void **state)
{
  (void)state;
  for (int m = 0; importance_methods[m]; m++) {
    struct data d;
    data_open(&d,
              (const char *const[]){"categorical a, b, c default a", "int 1 .. 3 default 1",
                                    "ordinal 1, 2, 4 default 1", "categorical a, b default a", NULL},
              80, 6);
    plant(&d, (const double[]){1, 0.5, 0.3, 0}, 0, 6);
    struct rng rng = rng_make(6, philox_subsequence(PHILOX_TEST, 3, 0));
    for (int i = 0; i < d.n; i++) {
      d.value[i] = floor(2 * d.value[i]);
      d.weight[i] = 0.5 + rng_uniform(&rng);
    }
    struct importance_trials t = trials_of(&d);
    struct importance_settings s = importance_settings_default();
    t.weight = d.weight;
    s.neighbours = 7;
    s.resamples = 20;
    s.samples = 50;
    struct importance first = measured(importance_methods[m], &t, &s);
    for (int i = d.n - 1; i > 0; i--) {
      int j = (int)rng_below(&rng, (uint32_t)i + 1);
      const double *row = d.values[i];
      double value = d.value[i], weight = d.weight[i];
      d.values[i] = d.values[j], d.value[i] = d.value[j], d.weight[i] = d.weight[j];
      d.values[j] = row, d.value[j] = value, d.weight[j] = weight;
    }
    struct importance second = measured(importance_methods[m], &t, &s);
    assert_true(same(&first, &second, 4));
    data_close(&d);
  }
}

/* Half of the trials follow the first hyperparameter, half the second: what counts more decides. */
static void trials_count_by_their_weights(void **state)
{
  (void)state;
  for (int i = 0; names[i]; i++) {
    struct data d;
    data_open(&d, mixed, 600, 8);
    struct importance_trials t = trials_of(&d);
    t.weight = d.weight;
    for (int k = 0; k < d.n; k++) d.value[k] = param_to_unit(&d.space.params[k % 2], *cell(&d, k, k % 2));
    struct importance_settings s = importance_settings_default();
    s.resamples = 0;
    s.top = 0.3;
    for (int heavy = 0; heavy < 2; heavy++) {
      for (int k = 0; k < d.n; k++) d.weight[k] = k % 2 == heavy ? 1.9 : 0.1;
      struct importance out = measured(importance_method_find(names[i]), &t, &s);
      assert_int_equal(out.rank[heavy], 1);
      assert_true(out.weight[heavy] > 2 * out.weight[1 - heavy]);
    }
    data_close(&d);
  }
}

/* --- where there is little to measure --- */

static void values_that_do_not_differ_give_equal_weights(void **state)
{
  (void)state;
  for (int m = 0; importance_methods[m]; m++) {
    struct data d;
    data_open(&d, mixed, 20, 2);
    for (int i = 0; i < d.n; i++) d.value[i] = 0.7;
    struct importance_trials t = trials_of(&d);
    struct importance_settings s = importance_settings_default();
    struct importance out = measured(importance_methods[m], &t, &s);
    assert_true(out.flat && out.has_intervals);
    for (int i = 0; i < MIXED; i++) {
      assert_true(out.weight[i] == 1.0 / MIXED && out.low[i] == out.weight[i] && out.high[i] == out.weight[i]);
      assert_int_equal(out.rank[i], i + 1);
      assert_true(out.rank_low[i] == 1 && out.rank_high[i] == MIXED);
    }
    d.value[3] = 0.8;
    assert_false(measured(importance_methods[m], &t, &s).flat);
    data_close(&d);
  }
}

static void a_hyperparameter_of_one_value_has_no_weight(void **state)
{
  (void)state;
  for (int m = 0; importance_methods[m]; m++) {
    struct data d;
    data_open(&d,
              (const char *const[]){"float 2 .. 2 default 2", "float 0 .. 1 default 0", "categorical a default a",
                                    "int 1 .. 4 default 1", "int 5 .. 5 log default 5", NULL},
              50, 2);
    struct importance_settings s = importance_settings_default();
    struct importance_trials t = trials_of(&d);
    s.resamples = 10;
    for (int flat = 0; flat < 2; flat++) {
      for (int i = 0; i < d.n; i++) d.value[i] = flat ? 1 : *cell(&d, i, 1);
      struct importance out = measured(importance_methods[m], &t, &s);
      for (int i = 0; i < 5; i += 2) assert_true(out.weight[i] == 0 && out.high[i] == 0);
      assert_true(fabs(out.weight[1] + out.weight[3] - 1) < 1e-12);
      if (flat) assert_true(out.weight[1] == 0.5);
    }
    data_close(&d);
    data_open(&d, (const char *const[]){"float 2 .. 2 default 2", "categorical a default a", NULL}, 50, 2);
    t = trials_of(&d);
    for (int i = 0; i < d.n; i++) d.value[i] = i;
    struct importance out = measured(importance_methods[m], &t, &s);
    assert_true(out.weight[0] == 0.5 && out.weight[1] == 0.5);
    data_close(&d);
  }
}

/* A hyperparameter that is often inactive, or always, and values as far apart as doubles are. */
static void inactive_and_extreme_values_are_stood(void **state)
{
  (void)state;
  for (int i = 0; names[i]; i++) {
    struct data d;
    data_open(&d, mixed, 200, 4);
    for (int k = 0; k < d.n; k++) {
      d.value[k] = (*cell(&d, k, 0) - 2) * 0x1p1021;
      if (k % 3) *cell(&d, k, 1) = *cell(&d, k, 4) = NAN;
      *cell(&d, k, 5) = NAN;
    }
    struct importance_trials t = trials_of(&d);
    struct importance_settings s = importance_settings_default();
    struct importance out = measured(importance_method_find(names[i]), &t, &s);
    assert_int_equal(out.rank[0], 1);
    for (int p = 0; p < MIXED; p++) assert_true(isfinite(out.raw[p]) && isfinite(out.low[p]) && isfinite(out.high[p]));
    assert_true(out.weight[5] == 0);
    data_close(&d);
  }
}

static void too_few_trials_and_wrong_settings_are_errors_of_the_configuration(void **state)
{
  (void)state;
  const struct importance_settings defaults = importance_settings_default();
  enum { WRONG = 11 };
  struct importance_settings wrong[WRONG];
  for (int k = 0; k < WRONG; k++) wrong[k] = defaults;
  wrong[0].resamples = -1;
  wrong[1].top = 0;
  wrong[2].top = NAN;
  wrong[3].top = 1;
  wrong[4].neighbours = 0;
  wrong[5].sigma = 0;
  wrong[6].samples = -1;
  wrong[7].trees = 0;
  wrong[8].alike = -0.1;
  wrong[9].alike = wrong[9].apart;
  wrong[10].apart = 1.1;
  struct data d;
  struct error e;
  static struct importance out;
  data_open(&d, mixed, 10, 2);
  for (int i = 0; i < d.n; i++) d.value[i] = i;
  struct importance_trials t = trials_of(&d);
  for (int m = 0; importance_methods[m]; m++) {
    for (int k = 0; k < WRONG; k++) {
      assert_int_equal(importance_measure(importance_methods[m], &t, &wrong[k], &out, &e), ERROR_CONFIG);
    }
    t.n = IMPORTANCE_TRIALS_MIN - 1;
    assert_int_equal(importance_measure(importance_methods[m], &t, &defaults, &out, &e), ERROR_CONFIG);
    assert_non_null(strstr(e.message, "there are 3"));
    t.n = IMPORTANCE_TRIALS_MIN;
    assert_int_equal(importance_measure(importance_methods[m], &t, &defaults, &out, &e), 0);
    t.n = d.n;
  }
  data_close(&d);
}

static void a_stop_is_heard(void **state)
{
  (void)state;
  struct data d;
  static struct importance out;
  data_open(&d, mixed, 50, 2);
  for (int i = 0; i < d.n; i++) d.value[i] = i;
  struct importance_trials t = trials_of(&d);
  struct importance_settings s = importance_settings_default();
  volatile int stop = 0;
  s.stop = &stop;
  for (int m = 0; importance_methods[m]; m++) {
    struct error e = {0};
    stop = 0;
    assert_int_equal(importance_measure(importance_methods[m], &t, &s, &out, &e), 0);
    stop = 1;
    assert_int_equal(importance_measure(importance_methods[m], &t, &s, &out, &e), ERROR_INTERRUPTED);
    assert_true(e.message[0]);
  }
  for (int i = 0; names[i]; i++) { /* not only before the method begins */
    const struct importance_method *method = importance_method_find(names[i]);
    assert_int_equal(method->measure(&t, &s, &out, NULL), ERROR_INTERRUPTED);
    if (method->resample) assert_int_equal(method->resample(&t, &s, &out, NULL), ERROR_INTERRUPTED);
  }
  data_close(&d);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_method_is_found_by_its_name),
      cmocka_unit_test(enough_are_ten_trials_for_each_that_varies),
      cmocka_unit_test(the_planted_order_is_recovered),
      cmocka_unit_test(rrelieff_sees_what_matters_together),
      cmocka_unit_test(rrelieff_is_that_of_a_double_loop),
      cmocka_unit_test(pedanova_is_what_a_small_example_gives),
      cmocka_unit_test(pedanovas_bandwidth_is_not_led_by_what_lies_far_out),
      cmocka_unit_test(weights_sum_to_one_and_intervals_contain_them),
      cmocka_unit_test(intervals_shrink_with_the_number_of_trials),
      cmocka_unit_test(rrelieffs_intervals_are_as_wide_as_samples_differ),
      cmocka_unit_test(rank_intervals_tell_what_can_be_told_apart),
      cmocka_unit_test(a_measurement_is_a_function_of_its_arguments),
      cmocka_unit_test(another_seed_draws_other_resamples),
      cmocka_unit_test(the_order_of_the_trials_changes_nothing),
      cmocka_unit_test(trials_count_by_their_weights),
      cmocka_unit_test(values_that_do_not_differ_give_equal_weights),
      cmocka_unit_test(a_hyperparameter_of_one_value_has_no_weight),
      cmocka_unit_test(inactive_and_extreme_values_are_stood),
      cmocka_unit_test(too_few_trials_and_wrong_settings_are_errors_of_the_configuration),
      cmocka_unit_test(a_stop_is_heard),
  };
  return cmocka_run_group_tests_name("importance", tests, NULL, NULL);
}
