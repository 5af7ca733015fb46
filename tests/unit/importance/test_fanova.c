/* fANOVA beside a plain sum over all cells of a tree, and on functions whose shares are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <sched.h>

#include "host/base/number_order.h"
#include "host/base/rng.h"
#include "host/importance/forest.h"
#include "host/importance/forest_anova.h"
#include "host/importance/importance.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

extern const struct importance_method importance_method_fanova;

/* --- a tree, cell by cell --- */

enum { GRID_FEATURES_MAX = 4, GRID_CELLS_MAX = 80 };

/* All cells of a tree: between the cuts of each feature, or its choices. */
struct grid {
  int n_features;
  int n[GRID_FEATURES_MAX];
  double edges[GRID_FEATURES_MAX][GRID_CELLS_MAX + 1];
};

static void grid_make(struct grid *g, const struct forest *f, int tree)
{
  g->n_features = f->n_features;
  for (int k = 0; k < f->n_features; k++) {
    int n = 0;
    double *edges = g->edges[k];
    for (int c = 0; c <= f->choices[k]; c++) edges[n++] = f->choices[k] ? (double)c / f->choices[k] : 0;
    for (int i = 0; i < f->trees[tree].n_nodes; i++) {
      const struct forest_node *node = &f->trees[tree].nodes[i];
      if (node->feature == k && node->set < 0) edges[n++] = node->cut;
      assert_true(n < GRID_CELLS_MAX);
    }
    if (!f->choices[k]) edges[n++] = 1;
    qsort(edges, (size_t)n, sizeof *edges, number_order);
    g->n[k] = n - 1;
  }
}

/* Sums value(x) * volume over the cells of the features not in `kept`, where those in it are at
 * `cell`; feature k and those after it are walked. */
static double mean_over(const struct grid *g, const struct forest *f, int tree, unsigned kept, const int *cell,
                        double *x, int k)
{
  if (k == g->n_features) return forest_tree_predict(f, tree, x);
  int from = kept >> k & 1 ? cell[k] : 0, to = kept >> k & 1 ? cell[k] + 1 : g->n[k];
  double sum = 0;
  for (int c = from; c < to; c++) {
    double width = g->edges[k][c + 1] - g->edges[k][c];
    if (width == 0) continue;
    x[k] = (g->edges[k][c] + g->edges[k][c + 1]) / 2;
    sum += (kept >> k & 1 ? 1 : width) * mean_over(g, f, tree, kept, cell, x, k + 1);
  }
  return sum;
}

/* Variance of the marginal of the features in `kept`. */
static double plain_variance(const struct grid *g, const struct forest *f, int tree, unsigned kept)
{
  int cell[GRID_FEATURES_MAX] = {0};
  double x[GRID_FEATURES_MAX], mean = mean_over(g, f, tree, 0, cell, x, 0), sum = 0;
  for (bool more = true; more;) {
    double volume = 1;
    for (int k = 0; k < g->n_features; k++)
      if (kept >> k & 1) volume *= g->edges[k][cell[k] + 1] - g->edges[k][cell[k]];
    if (volume > 0) {
      double above = mean_over(g, f, tree, kept, cell, x, 0) - mean;
      sum += volume * above * above;
    }
    more = false;
    for (int k = 0; k < g->n_features && !more; k++) {
      if (!(kept >> k & 1)) continue;
      if (++cell[k] < g->n[k]) more = true;
      if (!more) cell[k] = 0;
    }
  }
  return sum;
}

static void check_forest(const int *choices, int features, int n, uint64_t seed)
{
  enum { TREES = 4 };
  struct rng rng = rng_make(seed, philox_subsequence(PHILOX_TEST, 0, 0));
  double *x = malloc((size_t)(n * features) * sizeof *x), *y = malloc((size_t)n * sizeof *y);
  assert_true(x && y);
  for (int i = 0; i < n; i++) {
    y[i] = 0.3 * rng_uniform(&rng);
    double product = 1;
    for (int k = 0; k < features; k++) {
      double *at = &x[i * features + k];
      *at = choices[k] ? (rng_below(&rng, (uint32_t)choices[k]) + 0.5) / choices[k] : rng_uniform(&rng);
      product *= cos(9 * (k + 1) * *at);
    }
    y[i] += product;
  }
  struct forest_data d = {n, features, choices, x, y, NULL};
  struct forest_settings s = forest_settings_default();
  s.key = seed;
  s.trees = TREES;
  struct forest f;
  assert_int_equal(forest_fit(&f, &d, &s, NULL), 0);
  for (int t = 0; t < TREES; t++) {
    struct grid g;
    double variance, effect[GRID_FEATURES_MAX * GRID_FEATURES_MAX], plain[GRID_FEATURES_MAX];
    grid_make(&g, &f, t);
    assert_int_equal(forest_anova(&f, t, true, &variance, effect, NULL, NULL), 0);
    assert_true(variance > 1e-3);
    assert_near(variance, plain_variance(&g, &f, t, (1u << features) - 1), 1e-9);
    for (int i = 0; i < features; i++) {
      plain[i] = plain_variance(&g, &f, t, 1u << i);
      assert_near(effect[i * features + i], plain[i], 1e-9);
    }
    for (int i = 0; i < features; i++) {
      for (int j = 0; j < i; j++) {
        double both = plain_variance(&g, &f, t, 1u << i | 1u << j);
        assert_near(effect[i * features + j], both - plain[i] - plain[j], 1e-9);
        assert_true(effect[i * features + j] == effect[j * features + i]);
      }
    }
  }
  forest_destroy(&f);
  free(x);
  free(y);
}

static void effects_are_those_of_a_sum_over_all_cells(void **state)
{
  (void)state;
  check_forest((const int[]){0, 0, 0}, 3, 60, 1);
  check_forest((const int[]){3, 0, 2, 0}, 4, 60, 2);
  check_forest((const int[]){0, 70, 5}, 3, 90, 3);
  check_forest((const int[]){66, 4, 7}, 3, 200, 4);
  check_forest((const int[]){0}, 1, 40, 5);
}

static void without_pairs_there_are_main_effects_alone(void **state)
{
  (void)state;
  const double x[] = {0.1, 0.1, 0.1, 0.9, 0.9, 0.1, 0.9, 0.9}, y[] = {0, 1, 2, 5};
  struct forest_data d = {4, 2, (const int[]){0, 0}, x, y, NULL};
  struct forest_settings s = forest_settings_default();
  s.trees = 1;
  s.bootstrap = false;
  struct forest f;
  double variance, both[4], alone[4];
  assert_int_equal(forest_fit(&f, &d, &s, NULL), 0);
  assert_int_equal(forest_anova(&f, 0, true, &variance, both, NULL, NULL), 0);
  assert_near(variance, 3.5, 1e-12); /* of 0, 1, 2, 5, a quarter of the square each */
  assert_near(both[0], 2.25, 1e-12); /* means 0.5 and 3.5 */
  assert_near(both[3], 1, 1e-12);    /* 1 and 3 */
  assert_near(both[1], 0.25, 1e-12);
  assert_int_equal(forest_anova(&f, 0, false, &variance, alone, NULL, NULL), 0);
  assert_true(alone[0] == both[0] && alone[3] == both[3] && alone[1] == 0 && alone[2] == 0);
  forest_destroy(&f);
}

/* --- trials --- */

struct study {
  struct space space;
  struct importance_trials trials;
  double *room;
  const double **values;
  double *value;
};

/* n random configurations of the hyperparameters of the lines, values 0. */
static void study_open(struct study *s, const char *const *lines, int dimensions, int n, uint64_t seed)
{
  struct error e = {0};
  struct rng rng = rng_make(seed, philox_subsequence(PHILOX_TEST, 0, 1));
  space_init(&s->space);
  for (int k = 0; k < dimensions; k++) {
    char name[16];
    snprintf(name, sizeof name, "x%d", k);
    assert_int_equal(param_parse(&s->space.params[k], name, lines ? lines[k] : "float 0 .. 1 default 0", &e), 0);
    s->space.n++;
  }
  s->room = malloc((size_t)(n * dimensions) * sizeof *s->room);
  s->values = malloc((size_t)n * sizeof *s->values);
  s->value = calloc((size_t)n, sizeof *s->value);
  assert_true(s->room && s->values && s->value);
  for (int i = 0; i < n; i++) {
    s->values[i] = s->room + i * dimensions;
    for (int k = 0; k < dimensions; k++)
      s->room[i * dimensions + k] = param_from_unit(&s->space.params[k], rng_uniform(&rng));
  }
  s->trials = (struct importance_trials){&s->space, n, s->values, s->value, NULL};
}

static void study_close(struct study *s)
{
  free(s->room);
  free(s->values);
  free(s->value);
  space_destroy(&s->space);
}

static double unit_at(const struct study *s, int trial, int k)
{
  return param_to_unit(&s->space.params[k], s->values[trial][k]);
}

static struct importance_settings settings_of(uint64_t seed)
{
  return (struct importance_settings){.seed = seed, .resamples = 40, .trees = 64};
}

static void measure(const struct study *s, struct importance *out)
{
  struct importance_settings settings = settings_of(1);
  struct error e = {0};
  memset(out, 0xff, sizeof *out); /* what it leaves unwritten shows */
  assert_int_equal(importance_method_fanova.measure(&s->trials, &settings, out, &e), 0);
  double sum = 0;
  for (int k = 0; k < s->space.n; k++) {
    assert_true(out->weight[k] >= 0);
    sum += out->weight[k];
  }
  assert_near(sum, 1, 1e-12);
}

static const char *const mixed_lines[] = {
    "float 0 .. 1 default 0",          "categorical a, b, c, d default a", "int 1 .. 16 default 1",
    "float 1e-5 .. 1 log default 0.1", "ordinal 1, 2, 4, 8 default 1",
};

/* --- planted functions --- */

/* Each weighs `ratio` times the one before: the first `sure` come out in their order, before all
 * others. */
static void check_planted_order(const char *const *lines, int dimensions, int n, double ratio, int sure)
{
  struct study s;
  struct importance out;
  study_open(&s, lines, dimensions, n, 3);
  for (int i = 0; i < n; i++) {
    double weight = 1;
    for (int k = 0; k < dimensions; k++, weight *= ratio) s.value[i] += weight * cos(3 * unit_at(&s, i, k));
  }
  measure(&s, &out);
  for (int k = 0; k < sure; k++)
    for (int other = k + 1; other < dimensions; other++) assert_true(out.weight[k] > out.weight[other]);
  study_close(&s);
}

static void a_planted_order_is_found(void **state)
{
  (void)state;
  check_planted_order(mixed_lines, 5, 300, 0.7, 5);
  check_planted_order(NULL, 10, 1000, 0.7, 7);
  check_planted_order(NULL, 30, 2000, 0.7, 5); /* the others have 3 % of the variance together */
}

static void a_centred_product_is_an_interaction(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  study_open(&s, NULL, 3, 1000, 4);
  for (int i = 0; i < 1000; i++) s.value[i] = (s.values[i][0] - 0.5) * (s.values[i][1] - 0.5);
  measure(&s, &out);
  assert_true(out.interaction[0][1] > 0.8);
  assert_true(out.interaction[0][1] == out.interaction[1][0]);
  assert_true(out.interaction[0][2] < 0.05 && out.interaction[1][2] < 0.05);
  for (int k = 0; k < 3; k++) {
    assert_true(out.raw[k] < 0.1);
    assert_true(out.interaction[k][k] == 0);
  }
  study_close(&s);
}

static void shares_of_two_hyperparameters_are_the_whole(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  study_open(&s, mixed_lines, 2, 200, 5);
  for (int i = 0; i < 200; i++) s.value[i] = unit_at(&s, i, 0) * unit_at(&s, i, 1);
  measure(&s, &out);
  assert_near(out.raw[0] + out.raw[1] + out.interaction[0][1], 1, 1e-12);
  study_close(&s);
}

static void shares_of_more_are_at_most_the_whole(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  study_open(&s, mixed_lines, 5, 200, 6);
  for (int i = 0; i < 200; i++)
    s.value[i] = unit_at(&s, i, 0) * unit_at(&s, i, 1) * unit_at(&s, i, 2) + unit_at(&s, i, 3);
  measure(&s, &out);
  double sum = 0;
  for (int i = 0; i < 5; i++) {
    sum += out.raw[i];
    for (int j = 0; j < i; j++) sum += out.interaction[i][j];
  }
  assert_true(sum < 1);
  assert_true(sum > 0.8);
  study_close(&s);
}

/* In the unit cube both have the same effect; in the values themselves nine tenths of the first
 * one's range would have none. */
static void a_logarithmic_scale_is_measured_in_the_logarithm(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  study_open(&s, (const char *const[]){"float 1e-5 .. 1 log default 0.1", "float 0 .. 1 default 0"}, 2, 400, 7);
  for (int i = 0; i < 400; i++) s.value[i] = log10(s.values[i][0]) / 5 + s.values[i][1];
  measure(&s, &out);
  assert_near(out.weight[0], 0.5, 0.05);
  study_close(&s);
}

static void one_choice_of_many_counts_by_its_share_of_them(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  study_open(&s, mixed_lines, 2, 400, 8);
  for (int i = 0; i < 400; i++) s.value[i] = (s.values[i][1] == 2) + (s.values[i][0] < 0.25);
  measure(&s, &out);
  assert_near(out.weight[0], 0.5, 0.02); /* a quarter of either makes the same step */
  study_close(&s);
}

/* Choices that were never tried go with the heavier side, and not with their neighbours in the
 * list: of five, one makes a step. */
static void a_categorical_has_no_order(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  study_open(&s, (const char *const[]){"float 0 .. 1 default 0", "categorical a, b, c, d, e default a"}, 2, 400, 8);
  for (int i = 0; i < 400; i++) {
    s.room[2 * i + 1] = i % 4 ? 0 : 4;
    s.value[i] = (s.values[i][0] < 0.5) + (s.values[i][1] == 4);
  }
  measure(&s, &out);
  assert_near(out.weight[1], 0.16 / (0.25 + 0.16), 0.02);
  study_close(&s);
}

static void a_trial_counts_by_its_weight(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  double weight[300];
  study_open(&s, NULL, 3, 300, 9);
  for (int i = 0; i < 300; i++) {
    s.value[i] = s.values[i][i % 2];
    weight[i] = i % 2 ? 1.999 : 0.001;
  }
  measure(&s, &out);
  assert_near(out.weight[0], out.weight[1], 0.25);
  s.trials.weight = weight;
  measure(&s, &out);
  assert_true(out.weight[1] > 2 * out.weight[0]);
  study_close(&s);
}

/* --- values without a difference, and odd ones --- */

static void flat_values_weigh_all_alike(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  struct importance_settings settings = settings_of(1);
  study_open(&s, mixed_lines, 5, 50, 10);
  for (int i = 0; i < 50; i++) s.value[i] = 0.1;
  measure(&s, &out);
  assert_true(out.flat);
  assert_int_equal(importance_method_fanova.resample(&s.trials, &settings, &out, NULL), 0);
  for (int k = 0; k < 5; k++) {
    assert_true(out.weight[k] == 0.2 && out.raw[k] == 0 && out.deviation[k] == 0);
    assert_near(out.low[k], 0.2, 1e-15);
    assert_near(out.high[k], 0.2, 1e-15);
    for (int j = 0; j < 5; j++) assert_true(out.interaction[k][j] == 0);
  }
  study_close(&s);
}

static void one_configuration_with_different_values_weighs_all_alike(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  study_open(&s, NULL, 4, 20, 11);
  for (int i = 0; i < 20; i++) {
    s.values[i] = s.values[0];
    s.value[i] = i;
  }
  measure(&s, &out);
  assert_false(out.flat);
  for (int k = 0; k < 4; k++) assert_true(out.weight[k] == 0.25);
  study_close(&s);
}

static void a_fixed_hyperparameter_weighs_nothing(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  study_open(&s,
             (const char *const[]){"float 0 .. 1 default 0", "float 0.9 .. 0.9 default 0.9", "categorical a default a"},
             3, 50, 12);
  for (int i = 0; i < 50; i++) s.value[i] = s.values[i][0];
  measure(&s, &out);
  assert_near(out.weight[0], 1, 1e-12);
  assert_true(out.weight[1] == 0 && out.weight[2] == 0);
  study_close(&s);
}

static void a_value_that_is_missing_stands_for_the_default(void **state)
{
  (void)state;
  struct study s;
  struct importance missing, filled;
  study_open(&s, mixed_lines, 5, 60, 13);
  for (int i = 0; i < 60; i++) s.value[i] = unit_at(&s, i, 0) + unit_at(&s, i, 1) * unit_at(&s, i, 3);
  for (int i = 0; i < 60; i += 4) s.room[i * 5 + 1] = s.room[i * 5 + 3] = NAN;
  measure(&s, &missing);
  for (int i = 0; i < 60; i += 4) {
    s.room[i * 5 + 1] = s.space.params[1].default_value;
    s.room[i * 5 + 3] = s.space.params[3].default_value;
  }
  measure(&s, &filled);
  assert_memory_equal(missing.weight, filled.weight, 5 * sizeof(double));
  study_close(&s);
}

static void very_large_values_weigh_as_small_ones(void **state)
{
  (void)state;
  struct study s;
  struct importance small, large;
  study_open(&s, mixed_lines, 5, 60, 14);
  for (int i = 0; i < 60; i++) s.value[i] = unit_at(&s, i, 0) - 0.5 * unit_at(&s, i, 2);
  measure(&s, &small);
  for (int i = 0; i < 60; i++) s.value[i] *= 0x1p1022;
  measure(&s, &large);
  assert_memory_equal(small.weight, large.weight, 5 * sizeof(double));
  study_close(&s);
}

/* --- what it promises of threads, stops and intervals --- */

static void weights_do_not_depend_on_how_many_processors_there_are(void **state)
{
  (void)state;
  struct study s;
  struct importance all, one;
  cpu_set_t allowed, first;
  study_open(&s, mixed_lines, 5, 100, 15);
  for (int i = 0; i < 100; i++) s.value[i] = unit_at(&s, i, 0) * unit_at(&s, i, 2) + unit_at(&s, i, 1);
  assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  measure(&s, &all);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) cpu++;
  CPU_ZERO(&first);
  CPU_SET(cpu, &first);
  assert_int_equal(sched_setaffinity(0, sizeof first, &first), 0);
  measure(&s, &one);
  assert_int_equal(sched_setaffinity(0, sizeof allowed, &allowed), 0);
  assert_memory_equal(all.weight, one.weight, 5 * sizeof(double));
  assert_memory_equal(all.deviation, one.deviation, 5 * sizeof(double));
  assert_memory_equal(all.interaction, one.interaction, sizeof all.interaction);
  study_close(&s);
}

static void a_stop_ends_it(void **state)
{
  (void)state;
  struct study s;
  struct importance out = {.weight = {0.6, 0.2, 0.2}};
  volatile int stop = 1;
  struct importance_settings settings = settings_of(1);
  settings.stop = &stop;
  study_open(&s, NULL, 3, 50, 16);
  for (int i = 0; i < 50; i++) s.value[i] = s.values[i][0];
  struct error e = {0};
  assert_int_equal(importance_method_fanova.measure(&s.trials, &settings, &out, &e), ERROR_INTERRUPTED);
  assert_non_null(strstr(e.message, "interrupted"));
  assert_int_equal(importance_method_fanova.resample(&s.trials, &settings, &out, &e), ERROR_INTERRUPTED);
  study_close(&s);
}

/* The deviation over trees is that of shares which are 1 or less. */
static void trees_agree_where_one_hyperparameter_does_it_all(void **state)
{
  (void)state;
  struct study s;
  struct importance out;
  study_open(&s, NULL, 3, 200, 17);
  for (int i = 0; i < 200; i++) s.value[i] = s.values[i][0];
  measure(&s, &out);
  assert_true(out.weight[0] > 0.99 && out.deviation[0] < 0.01);
  for (int i = 0; i < 200; i++) s.value[i] = s.values[i][0] + s.values[i][1] + sin(1e6 * s.values[i][2]);
  measure(&s, &out);
  assert_true(out.deviation[0] > 0.01 && out.deviation[0] < 0.5);
  study_close(&s);
}

static void the_deviation_is_over_trees_on_the_scale_of_the_weight(void **state)
{
  (void)state;
  struct study s;
  struct importance one = {0}, two = {0};
  struct importance_settings settings = settings_of(3);
  study_open(&s, NULL, 3, 80, 19);
  for (int i = 0; i < 80; i++) s.value[i] = s.values[i][0] + 3 * s.values[i][1] * s.values[i][2];
  settings.trees = 1;
  assert_int_equal(importance_method_fanova.measure(&s.trials, &settings, &one, NULL), 0);
  settings.trees = 2;
  assert_int_equal(importance_method_fanova.measure(&s.trials, &settings, &two, NULL), 0);
  for (int k = 0; k < 3; k++) {
    double first = one.raw[k], second = 2 * two.raw[k] - first;
    assert_true(one.deviation[k] == 0);
    assert_near(two.deviation[k], fabs(first - second) * M_SQRT1_2 * two.weight[k] / two.raw[k], 1e-12);
  }
  study_close(&s);
}

static void another_seed_is_another_forest(void **state)
{
  (void)state;
  struct study s;
  struct importance one = {0}, again = {0}, other = {0};
  struct importance_settings settings = settings_of(1), others = settings_of(2);
  study_open(&s, mixed_lines, 3, 80, 20);
  for (int i = 0; i < 80; i++) s.value[i] = unit_at(&s, i, 0) + unit_at(&s, i, 1) * unit_at(&s, i, 2);
  assert_int_equal(importance_method_fanova.measure(&s.trials, &settings, &one, NULL), 0);
  assert_int_equal(importance_method_fanova.measure(&s.trials, &settings, &again, NULL), 0);
  assert_int_equal(importance_method_fanova.measure(&s.trials, &others, &other, NULL), 0);
  for (int k = 0; k < 3; k++) {
    assert_true(one.weight[k] == again.weight[k] && one.weight[k] != other.weight[k]);
    assert_near(one.weight[k], other.weight[k], 0.1);
  }
  study_close(&s);
}

/* 2,000 trials, and each of them four times: resamples draw the same, and errors are halved. */
static void intervals_of_many_trials_shrink_with_the_root_of_their_number(void **state)
{
  (void)state;
  struct importance_settings settings = settings_of(4);
  struct importance once = {.weight = {0.5, 0.5}}, often = {.weight = {0.5, 0.5}};
  settings.resamples = 5;
  struct study s, large;
  study_open(&s, NULL, 2, 2000, 21);
  study_open(&large, NULL, 2, 8000, 21);
  for (int i = 0; i < 8000; i++) {
    large.values[i] = s.values[i / 4];
    large.value[i] = s.value[i / 4] = s.values[i / 4][0] + s.values[i / 4][1];
  }
  assert_int_equal(importance_method_fanova.resample(&s.trials, &settings, &once, NULL), 0);
  assert_int_equal(importance_method_fanova.resample(&large.trials, &settings, &often, NULL), 0);
  for (int k = 0; k < 2; k++) {
    assert_true(once.high[k] - once.low[k] > 1e-4);
    assert_near(often.high[k] - 0.5, (once.high[k] - 0.5) / 2, 1e-12);
    assert_near(often.low[k] - 0.5, (once.low[k] - 0.5) / 2, 1e-12);
  }
  study_close(&s);
  study_close(&large);
}

static void intervals_hold_the_weight_and_shrink_with_the_trials(void **state)
{
  (void)state;
  struct importance_settings settings = settings_of(2);
  double width[2];
  for (int large = 0; large < 2; large++) {
    struct study s;
    struct importance out, again;
    struct rng rng = rng_make(18, philox_subsequence(PHILOX_TEST, 0, 2));
    int n = large ? 2400 : 100; /* more than a resample draws */
    study_open(&s, NULL, 4, n, 18);
    for (int i = 0; i < n; i++)
      s.value[i] = 4 * s.values[i][0] + s.values[i][1] + s.values[i][2] + 2 * rng_uniform(&rng);
    measure(&s, &out);
    assert_int_equal(importance_method_fanova.resample(&s.trials, &settings, &out, NULL), 0);
    for (int k = 0; k < 4; k++) {
      assert_true(0 <= out.low[k] && out.low[k] <= out.weight[k]);
      assert_true(out.weight[k] <= out.high[k] && out.high[k] <= 1);
      assert_in_range(out.rank_low[k], 1, 4);
      assert_in_range(out.rank_high[k], out.rank_low[k], 4);
    }
    assert_int_equal(out.rank_high[0], 1);
    assert_int_equal(out.rank_low[1], 2); /* and the third may be before it */
    assert_int_equal(out.rank_low[2], 2);
    if (large) assert_int_equal(out.rank_low[3], 4);
    width[large] = out.high[0] - out.low[0];
    again = out;
    assert_int_equal(importance_method_fanova.resample(&s.trials, &settings, &again, NULL), 0);
    assert_memory_equal(again.low, out.low, 4 * sizeof(double));
    assert_memory_equal(again.high, out.high, 4 * sizeof(double));
    study_close(&s);
  }
  assert_true(width[0] > 0.02);
  assert_true(width[1] < width[0] / 2);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(effects_are_those_of_a_sum_over_all_cells),
      cmocka_unit_test(without_pairs_there_are_main_effects_alone),
      cmocka_unit_test(a_planted_order_is_found),
      cmocka_unit_test(a_centred_product_is_an_interaction),
      cmocka_unit_test(shares_of_two_hyperparameters_are_the_whole),
      cmocka_unit_test(shares_of_more_are_at_most_the_whole),
      cmocka_unit_test(a_logarithmic_scale_is_measured_in_the_logarithm),
      cmocka_unit_test(one_choice_of_many_counts_by_its_share_of_them),
      cmocka_unit_test(a_categorical_has_no_order),
      cmocka_unit_test(a_trial_counts_by_its_weight),
      cmocka_unit_test(flat_values_weigh_all_alike),
      cmocka_unit_test(one_configuration_with_different_values_weighs_all_alike),
      cmocka_unit_test(a_fixed_hyperparameter_weighs_nothing),
      cmocka_unit_test(a_value_that_is_missing_stands_for_the_default),
      cmocka_unit_test(very_large_values_weigh_as_small_ones),
      cmocka_unit_test(weights_do_not_depend_on_how_many_processors_there_are),
      cmocka_unit_test(a_stop_ends_it),
      cmocka_unit_test(trees_agree_where_one_hyperparameter_does_it_all),
      cmocka_unit_test(the_deviation_is_over_trees_on_the_scale_of_the_weight),
      cmocka_unit_test(another_seed_is_another_forest),
      cmocka_unit_test(intervals_of_many_trials_shrink_with_the_root_of_their_number),
      cmocka_unit_test(intervals_hold_the_weight_and_shrink_with_the_trials),
  };
  return cmocka_run_group_tests_name("fanova", tests, NULL, NULL);
}
