/* A random forest beside a plain search for the best split, and what its settings promise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "host/base/rng.h"
#include "host/importance/forest.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { ROWS = 60, FEATURES = 4 };
static const int mixed[FEATURES] = {0, 6, 0, 3};

/* Rows at random, whose values follow all four features and some noise; choices are not equally
 * frequent, nor in the order of their effects. */
struct rows {
  double x[ROWS * FEATURES], y[ROWS], weight[ROWS];
  struct forest_data data;
};

static double uniform(struct rng *rng, int choices)
{
  if (choices) return (rng_below(rng, (uint32_t)choices) + 0.5) / choices;
  return rng_uniform(rng);
}

static void rows_make(struct rows *r, uint64_t seed, int n)
{
  struct rng rng = rng_make(seed, philox_subsequence(PHILOX_TEST, 0, 0));
  const double effect[6] = {0.3, 0, 0.5, 0.1, 0.9, 0.2};
  for (int i = 0; i < n; i++) {
    double *x = r->x + i * FEATURES;
    for (int f = 0; f < FEATURES; f++) x[f] = uniform(&rng, mixed[f]);
    if (i % 3 == 0) x[0] = 0.25; /* values that many rows share */
    x[1] = ((int)(6 * x[1] * x[1]) + 0.5) / 6;
    r->y[i] = x[0] * effect[(int)(6 * x[1])] + (x[3] > 0.3 && x[3] < 0.6) + 0.5 * x[2] + 0.2 * rng_uniform(&rng);
    r->weight[i] = 0.25 + rng_uniform(&rng);
  }
  r->data = (struct forest_data){n, FEATURES, mixed, r->x, r->y, NULL};
}

/* One tree of all rows. */
static struct forest_settings one_tree(void)
{
  struct forest_settings s = forest_settings_default();
  s.key = 7;
  s.trees = 1;
  s.bootstrap = false;
  s.threads = 1;
  return s;
}

static struct forest fitted(const struct forest_data *d, const struct forest_settings *s)
{
  struct forest f;
  struct error e = {0};
  assert_int_equal(forest_fit(&f, d, s, &e), 0);
  return f;
}

/* --- a tree --- */

static void a_tree_of_all_rows_gives_the_training_values_back(void **state)
{
  (void)state;
  struct rows r;
  for (uint64_t seed = 0; seed < 5; seed++) {
    rows_make(&r, seed, ROWS);
    struct forest_settings s = one_tree();
    s.key = seed;
    struct forest f = fitted(&r.data, &s);
    for (int i = 0; i < ROWS; i++) assert_true(forest_predict(&f, r.x + i * FEATURES, NULL) == r.y[i]);
    forest_destroy(&f);
  }
}

static void a_split_that_gains_nothing_is_made_where_values_differ(void **state)
{
  (void)state;
  const double x[] = {0.2, 0.2, 0.2, 0.8, 0.8, 0.2, 0.8, 0.8}, y[] = {0, 1, 1, 0};
  const int choices[] = {0, 0};
  struct forest_data d = {4, 2, choices, x, y, NULL};
  struct forest_settings s = one_tree();
  struct forest f = fitted(&d, &s);
  for (int i = 0; i < 4; i++) assert_true(forest_predict(&f, x + 2 * i, NULL) == y[i]);
  forest_destroy(&f);
}

static void rows_of_one_value_are_a_leaf(void **state)
{
  (void)state;
  struct rows r;
  rows_make(&r, 1, ROWS);
  for (int i = 0; i < ROWS; i++) r.y[i] = 0.1;
  struct forest_settings s = one_tree();
  struct forest f = fitted(&r.data, &s);
  assert_int_equal(f.trees[0].n_nodes, 1);
  assert_true(forest_predict(&f, r.x, NULL) == 0.1);
  forest_destroy(&f);
}

/* What a division of rows gains: the weighted sum of squares about the mean that it takes away.  -1
 * where a side has fewer than min_leaf rows. */
static double plain_gain(const struct rows *r, const int *rows, int n, const bool *left, int min_leaf)
{
  double weight[3] = {0}, mean[3] = {0}, squares[3] = {0};
  int count[3] = {0};
  for (int pass = 0; pass < 2; pass++) {
    for (int k = 0; k < n; k++) {
      double w = r->data.weight ? r->weight[rows[k]] : 1, y = r->y[rows[k]];
      const int sides[2] = {left[k], 2};
      for (int s = 0; s < 2; s++) {
        int side = sides[s];
        if (pass) {
          squares[side] += w * (y - mean[side]) * (y - mean[side]);
          continue;
        }
        count[side]++;
        mean[side] = (mean[side] * weight[side] + w * y) / (weight[side] + w);
        weight[side] += w;
      }
    }
  }
  if (count[0] < min_leaf || count[1] < min_leaf) return -1;
  return squares[2] - squares[0] - squares[1];
}

/* The most that any cut of a numeric feature and any subset of a categorical gains. */
static double best_plain_gain(const struct rows *r, const int *rows, int n, int min_leaf)
{
  double best = -1;
  bool left[ROWS] = {false};
  for (int f = 0; f < FEATURES; f++) {
    int ways = mixed[f] ? 1 << mixed[f] : n;
    for (int way = 0; way < ways; way++) {
      for (int k = 0; k < n; k++) {
        double x = r->x[rows[k] * FEATURES + f];
        left[k] = mixed[f] ? way >> (int)(x * mixed[f]) & 1 : x <= r->x[rows[way] * FEATURES + f];
      }
      double gain = plain_gain(r, rows, n, left, min_leaf);
      if (gain > best) best = gain;
    }
  }
  return best;
}

static bool goes_left(const struct forest *f, const struct forest_node *node, const double *x)
{
  if (node->set < 0) return x[node->feature] <= node->cut;
  return choice_set_has(&f->trees[0].sets[node->set], (int)(x[node->feature] * mixed[node->feature]));
}

/* Is the cut in the middle between a value to its left and the next one? */
static void assert_a_midpoint(const struct rows *r, const int *rows, int n, const struct forest_node *node)
{
  double below = 0, above = 1;
  for (int k = 0; k < n; k++) {
    double x = r->x[rows[k] * FEATURES + node->feature];
    if (x <= node->cut && x > below) below = x;
    if (x > node->cut && x < above) above = x;
  }
  assert_near(node->cut, (below + above) / 2, 1e-15);
}

/* Holds a node and all below it against the plain search. */
static void check_node(const struct rows *r, const struct forest *f, int at, const int *rows, int n, int min_leaf)
{
  const struct forest_node *node = &f->trees[0].nodes[at];
  double weight = 0, sum = 0;
  bool pure = true;
  for (int k = 0; k < n; k++) {
    double w = r->data.weight ? r->weight[rows[k]] : 1;
    weight += w;
    sum += w * r->y[rows[k]];
    pure = pure && r->y[rows[k]] == r->y[rows[0]];
  }
  assert_near(node->value, sum / weight, 1e-12);
  double best = best_plain_gain(r, rows, n, min_leaf);
  if (node->feature < 0) {
    assert_true(pure || best < 0);
    return;
  }
  bool left[ROWS] = {false};
  int sides[2][ROWS], count[2] = {0};
  for (int k = 0; k < n; k++) {
    left[k] = goes_left(f, node, r->x + rows[k] * FEATURES);
    sides[left[k]][count[left[k]]++] = rows[k];
  }
  assert_near(plain_gain(r, rows, n, left, min_leaf), best, 1e-12);
  if (node->set < 0) assert_a_midpoint(r, rows, n, node);
  check_node(r, f, node->left, sides[1], count[1], min_leaf);
  check_node(r, f, node->left + 1, sides[0], count[0], min_leaf);
}

static void every_split_is_the_best_of_all(void **state)
{
  (void)state;
  struct rows r;
  int all[ROWS];
  for (int i = 0; i < ROWS; i++) all[i] = i;
  for (uint64_t seed = 0; seed < 6; seed++) {
    rows_make(&r, seed, ROWS);
    if (seed % 2) r.data.weight = r.weight;
    struct forest_settings s = one_tree();
    s.min_leaf = 1 + (int)seed / 2 * 3;
    struct forest f = fitted(&r.data, &s);
    check_node(&r, &f, 0, all, ROWS, s.min_leaf);
    forest_destroy(&f);
  }
}

/* One row far below, twenty a little below and twenty-one above: the first alone is the better
 * side, though the second has more of what is below. */
static void a_rare_choice_far_away_is_told_apart_first(void **state)
{
  (void)state;
  enum { N = 42 };
  const int choices[] = {3};
  double x[N], y[N];
  for (int i = 0; i < N; i++) {
    int choice = i == 0 ? 1 : i <= 20 ? 0 : 2;
    x[i] = (choice + 0.5) / 3;
    y[i] = choice == 1 ? -10 : choice == 0 ? -1 : 30.0 / 21;
  }
  struct forest_data d = {N, 1, choices, x, y, NULL};
  struct forest_settings s = one_tree();
  s.max_depth = 1;
  struct forest f = fitted(&d, &s);
  assert_true(forest_predict(&f, &x[0], NULL) == -10);
  assert_near(forest_predict(&f, &x[1], NULL), 10.0 / 41, 1e-12);
  forest_destroy(&f);
}

static void a_tree_is_no_deeper_than_it_may_be(void **state)
{
  (void)state;
  struct rows r;
  rows_make(&r, 1, ROWS);
  struct forest_settings s = one_tree();
  s.max_depth = 3;
  struct forest f = fitted(&r.data, &s);
  assert_int_equal(f.trees[0].n_nodes, 15);
  forest_destroy(&f);
  s.max_depth = 4;
  f = fitted(&r.data, &s);
  assert_true(f.trees[0].n_nodes > 15 && f.trees[0].n_nodes <= 31);
  forest_destroy(&f);
}

static void a_row_of_weight_two_is_two_rows(void **state)
{
  (void)state;
  struct rows once, twice;
  rows_make(&once, 3, ROWS / 2);
  rows_make(&twice, 3, ROWS / 2);
  for (int i = 0; i < ROWS / 2; i++) {
    once.weight[i] = 1 + i % 2;
    int copy = ROWS / 2 + i / 2;
    if (i % 2 == 0) continue;
    memcpy(twice.x + copy * FEATURES, twice.x + i * FEATURES, FEATURES * sizeof(double));
    twice.y[copy] = twice.y[i];
  }
  once.data.weight = once.weight;
  twice.data.n = ROWS / 2 + ROWS / 4;
  struct forest_settings s = one_tree();
  s.max_depth = 4;
  struct forest f = fitted(&once.data, &s), g = fitted(&twice.data, &s);
  struct rng rng = rng_make(5, philox_subsequence(PHILOX_TEST, 0, 1));
  for (int i = 0; i < 500; i++) {
    double x[FEATURES];
    for (int k = 0; k < FEATURES; k++) x[k] = uniform(&rng, mixed[k]);
    assert_near(forest_predict(&f, x, NULL), forest_predict(&g, x, NULL), 1e-12);
  }
  forest_destroy(&f);
  forest_destroy(&g);
}

static void a_choice_that_no_row_has_goes_with_the_heavier_child(void **state)
{
  (void)state;
  const int choices[] = {70};
  const double y[] = {1, 1, 1, 5};
  double x[4];
  for (int heavy = 0; heavy < 2; heavy++) { /* the heavier child is that of the smaller mean, or of the larger */
    const double weight[] = {1, 1, 1, heavy ? 5 : 1};
    for (int i = 0; i < 4; i++) x[i] = ((i < 3 ? 68 : 3) + 0.5) / 70;
    struct forest_data d = {4, 1, choices, x, y, weight};
    struct forest_settings s = one_tree();
    struct forest f = fitted(&d, &s);
    for (int c = 0; c < 70; c++) {
      double at = (c + 0.5) / 70, expected = c == 68 ? 1 : c == 3 || heavy ? 5 : 1;
      assert_true(forest_predict(&f, &at, NULL) == expected);
    }
    forest_destroy(&f);
  }
}

/* --- a forest --- */

static void assert_same_tree(const struct forest_tree *a, const struct forest_tree *b)
{
  assert_int_equal(a->n_nodes, b->n_nodes);
  assert_int_equal(a->n_sets, b->n_sets);
  for (int i = 0; i < a->n_nodes; i++) {
    const struct forest_node *p = &a->nodes[i], *q = &b->nodes[i];
    assert_int_equal(p->feature, q->feature);
    assert_int_equal(p->left, q->left);
    assert_int_equal(p->set, q->set);
    assert_true(p->cut == q->cut && p->value == q->value);
  }
  if (a->n_sets) assert_memory_equal(a->sets, b->sets, (size_t)a->n_sets * sizeof *a->sets);
}

static void trees_are_the_same_whatever_the_threads_and_the_number_of_trees(void **state)
{
  (void)state;
  struct rows r;
  rows_make(&r, 1, ROWS);
  struct forest_settings s = forest_settings_default();
  s.key = 11;
  s.trees = 12;
  s.threads = 1;
  s.tried = 2;
  struct forest alone = fitted(&r.data, &s);
  const int threads[] = {0, 2, 5}, trees[] = {12, 5, 7};
  for (int k = 0; k < 3; k++) {
    s.threads = threads[k];
    s.trees = trees[k];
    struct forest f = fitted(&r.data, &s);
    for (int t = 0; t < trees[k]; t++) assert_same_tree(&f.trees[t], &alone.trees[t]);
    forest_destroy(&f);
  }
  s.subsequence = 3; /* trees 3, 4, ... of the same stream */
  struct forest later = fitted(&r.data, &s);
  for (int t = 0; t < s.trees; t++)
    if (t + 3 < 12) assert_same_tree(&later.trees[t], &alone.trees[t + 3]);
  forest_destroy(&later);
  s.key = 12;
  s.subsequence = 0;
  struct forest other = fitted(&r.data, &s);
  const double x[FEATURES] = {0.6, 0.5, 0.7, 0.5};
  assert_true(forest_predict(&other, x, NULL) != forest_predict(&alone, x, NULL));
  forest_destroy(&other);
  forest_destroy(&alone);
}

/* A fully grown tree knows the rows that it drew, 1 - 1/e of them, and counts each as often as it
 * was drawn: of values 0 and 1 its root has a whole number. */
static void a_tree_draws_its_rows_with_replacement(void **state)
{
  (void)state;
  enum { TREES = 200 };
  struct rows r;
  rows_make(&r, 2, ROWS);
  struct forest_settings s = forest_settings_default();
  s.trees = TREES;
  struct forest f = fitted(&r.data, &s);
  int known = 0;
  for (int t = 0; t < TREES; t++)
    for (int i = 0; i < ROWS; i++) known += forest_tree_predict(&f, t, r.x + i * FEATURES) == r.y[i];
  double expected = 1;
  for (int i = 0; i < ROWS; i++) expected *= 1 - 1.0 / ROWS;
  assert_near((double)known / (TREES * ROWS), 1 - expected, 0.02);
  forest_destroy(&f);
  for (int i = 0; i < ROWS; i++) r.y[i] = i % 2;
  f = fitted(&r.data, &s);
  for (int t = 0; t < TREES; t++) {
    double ones = f.trees[t].nodes[0].value * ROWS;
    assert_near(ones, round(ones), 1e-9);
  }
  forest_destroy(&f);
}

static void fewer_features_tried_lets_each_have_its_turn(void **state)
{
  (void)state;
  enum { TREES = 100 };
  struct rows r;
  rows_make(&r, 4, ROWS);
  struct forest_settings s = forest_settings_default();
  s.trees = TREES;
  s.tried = 1;
  struct forest f = fitted(&r.data, &s);
  int roots[FEATURES] = {0};
  for (int t = 0; t < TREES; t++) roots[f.trees[t].nodes[0].feature]++;
  for (int k = 0; k < FEATURES; k++) assert_in_range(roots[k], 10, 45);
  forest_destroy(&f);
}

static void a_constant_feature_is_not_counted_as_tried(void **state)
{
  (void)state;
  struct rows r;
  rows_make(&r, 4, ROWS);
  for (int i = 0; i < ROWS; i++)
    for (int k = 0; k < FEATURES; k++)
      if (k != 2) r.x[i * FEATURES + k] = mixed[k] ? 0.5 : 0.25;
  struct forest_settings s = one_tree();
  s.tried = 1;
  struct forest f = fitted(&r.data, &s);
  assert_int_equal(f.trees[0].n_nodes, 2 * ROWS - 1);
  forest_destroy(&f);
}

static void mean_and_variance_are_those_over_trees(void **state)
{
  (void)state;
  struct rows r;
  rows_make(&r, 5, ROWS);
  struct forest_settings s = forest_settings_default();
  s.trees = 20;
  struct forest f = fitted(&r.data, &s);
  for (int i = 0; i < ROWS; i++) {
    double sum = 0, squares = 0, variance, mean = forest_predict(&f, r.x + i * FEATURES, &variance);
    for (int t = 0; t < 20; t++) sum += forest_tree_predict(&f, t, r.x + i * FEATURES);
    for (int t = 0; t < 20; t++) {
      double above = forest_tree_predict(&f, t, r.x + i * FEATURES) - sum / 20;
      squares += above * above;
    }
    assert_near(mean, sum / 20, 1e-12);
    assert_near(variance, squares / 20, 1e-12);
  }
  forest_destroy(&f);
}

static void what_it_has_not_seen_it_predicts(void **state)
{
  (void)state;
  enum { N = 1000 };
  static double x[2 * N * 3], y[2 * N];
  const int choices[3] = {0, 0, 4};
  struct rng rng = rng_make(6, philox_subsequence(PHILOX_TEST, 0, 2));
  double sum = 0, squares = 0, errors = 0;
  for (int i = 0; i < 2 * N; i++) {
    double *row = x + 3 * i;
    for (int k = 0; k < 3; k++) row[k] = uniform(&rng, choices[k]);
    y[i] = row[0] * row[0] + row[0] * row[1] + (row[2] > 0.25 && row[2] < 0.75);
  }
  struct forest_data d = {N, 3, choices, x, y, NULL};
  struct forest_settings s = forest_settings_default();
  struct forest f = fitted(&d, &s);
  for (int i = N; i < 2 * N; i++) sum += y[i] / N;
  for (int i = N; i < 2 * N; i++) {
    double error = forest_predict(&f, x + 3 * i, NULL) - y[i];
    errors += error * error;
    squares += (y[i] - sum) * (y[i] - sum);
  }
  assert_true(errors < 0.02 * squares);
  forest_destroy(&f);
}

/* --- threads, stops --- */

struct counts {
  int done[50];
  int fails_at;
};

static int count_one(void *context, int i, struct error *e)
{
  struct counts *c = context;
  c->done[i]++; /* one thread has i */
  return i == c->fails_at ? error_set(e, ERROR_MACHINE, "no memory for %d", i) : 0;
}

static void work_that_is_shared_is_done_once_and_its_error_is_told(void **state)
{
  (void)state;
  for (int threads = 0; threads < 70; threads += 23) {
    struct counts c = {.fails_at = -1};
    assert_int_equal(forest_share(50, threads, NULL, count_one, &c, NULL), 0);
    for (int i = 0; i < 50; i++) assert_int_equal(c.done[i], 1);
    struct error e = {0};
    c.fails_at = 20;
    assert_int_equal(forest_share(50, threads, NULL, count_one, &c, &e), ERROR_MACHINE);
    assert_string_equal(e.message, "no memory for 20");
  }
}

static void a_stop_is_heard(void **state)
{
  (void)state;
  struct rows r;
  rows_make(&r, 5, ROWS);
  volatile int stop = 1;
  struct forest_settings s = forest_settings_default();
  s.stop = &stop;
  struct forest f;
  struct error e = {0};
  assert_int_equal(forest_fit(&f, &r.data, &s, &e), ERROR_INTERRUPTED);
  assert_null(f.trees);
  assert_non_null(strstr(e.message, "interrupted"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tree_of_all_rows_gives_the_training_values_back),
      cmocka_unit_test(a_split_that_gains_nothing_is_made_where_values_differ),
      cmocka_unit_test(rows_of_one_value_are_a_leaf),
      cmocka_unit_test(every_split_is_the_best_of_all),
      cmocka_unit_test(a_rare_choice_far_away_is_told_apart_first),
      cmocka_unit_test(a_tree_is_no_deeper_than_it_may_be),
      cmocka_unit_test(a_row_of_weight_two_is_two_rows),
      cmocka_unit_test(a_choice_that_no_row_has_goes_with_the_heavier_child),
      cmocka_unit_test(trees_are_the_same_whatever_the_threads_and_the_number_of_trees),
      cmocka_unit_test(a_tree_draws_its_rows_with_replacement),
      cmocka_unit_test(fewer_features_tried_lets_each_have_its_turn),
      cmocka_unit_test(a_constant_feature_is_not_counted_as_tried),
      cmocka_unit_test(mean_and_variance_are_those_over_trees),
      cmocka_unit_test(what_it_has_not_seen_it_predicts),
      cmocka_unit_test(work_that_is_shared_is_done_once_and_its_error_is_told),
      cmocka_unit_test(a_stop_is_heard),
  };
  return cmocka_run_group_tests_name("forest", tests, NULL, NULL);
}
