/* The table of samplers, the order of best, random draws and the grid.
 *
 * Not under ThreadSanitizer: one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/samplers/sampler_fixture.h"

static const char *const paper_lines[] = {"num_conv_layers",
                                          "int 2 .. 4 default 3",
                                          "lr",
                                          "float 1e-5 .. 1 log default 0.01",
                                          "dropout_rate",
                                          "float 0 .. 0.9 default 0",
                                          "optimizer",
                                          "categorical adam, sgd default adam",
                                          "epoch",
                                          "int 10 .. 100 default 10",
                                          "stride",
                                          "ordinal 1, 2 default 1",
                                          "padding",
                                          "categorical valid, same default same",
                                          "kernel",
                                          "ordinal 3, 5 default 3",
                                          "num_fc_units",
                                          "int 64 .. 256 default 64",
                                          "batch_size",
                                          "ordinal 32, 64, 128, 256 default 32",
                                          NULL};

/* --- the table and the order --- */

static void every_sampler_is_found_by_its_name(void **state)
{
  (void)state;
  for (int i = 0; samplers[i]; i++) assert_ptr_equal(sampler_find(samplers[i]->name), samplers[i]);
  assert_non_null(sampler_find("random"));
  assert_non_null(sampler_find("grid"));
  assert_non_null(sampler_find("tpe"));
  assert_non_null(sampler_find("gp"));
  assert_null(sampler_find("tp"));
  assert_null(sampler_find(""));
}

static void best_is_higher_value_then_lower_loss_then_lower_number(void **state)
{
  (void)state;
  struct observation order[] = {{.number = 9, .value = INFINITY},       {.number = 5, .value = 2, .loss = 0.1},
                                {.number = 1, .value = 2, .loss = 0.3}, {.number = 2, .value = 2, .loss = 0.3},
                                {.number = 0, .value = 2, .loss = NAN}, {.number = 3, .value = 1, .loss = 0},
                                {.number = 4, .value = -INFINITY},      {.number = 6, .value = NAN, .loss = 0}};
  int n = (int)(sizeof(order) / sizeof(order[0]));
  for (int i = 0; i < n; i++) {
    for (int j = 0; j < n; j++) assert_int_equal(observation_better(&order[i], &order[j]), i < j);
  }
}

/* --- random --- */

static void random_is_uniform_in_each_scale(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, (const char *const[]){"a", "float -2 .. 6 default 0", "b", "float 1e-4 .. 1 log default 0.01", "c",
                                         "int 3 .. 6 default 3", "d", "int 1 .. 100 log default 1", "e",
                                         "ordinal 1, 2, 4, 8 default 1", "g", "categorical p, q, r default p", NULL});
  enum { N = 20000 };
  int bins[6][8] = {{0}}, log_int_small = 0;
  for (int t = 0; t < N; t++) {
    double v[6];
    struct sampler_request request = fixture_request(&f, 1);
    request.key = philox_trial_key(1, 0, t);
    assert_int_equal(sampler_find("random")->ask(&request, v, NULL), 0);
    bins[0][(int)((v[0] + 2) / 2)]++;
    bins[1][(int)(log10(v[1]) + 4)]++;
    bins[2][(int)v[2] - 3]++;
    bins[4][(int)v[4]]++;
    bins[5][(int)v[5]]++;
    log_int_small += v[3] <= 10;
  }
  /* Five standard deviations of a count with probability p: below one in a million. */
  for (int i = 0; i < 6; i++) {
    int cells = i == 5 ? 3 : 4;
    double p = 1.0 / cells, slack = 5 * sqrt(N * p * (1 - p));
    if (i == 3) continue;
    for (int c = 0; c < cells; c++) assert_true(fabs(bins[i][c] - N * p) < slack);
  }
  double p = log(10.5 / 0.5) / log(100.5 / 0.5); /* each value has the share of [v - 1/2, v + 1/2] in the logarithm */
  assert_true(fabs(log_int_small - N * p) < 5 * sqrt(N * p * (1 - p)));
  fixture_close(&f);
}

/* One point of 5,000 is feasible, so that a thousand draws miss it four times out of five. */
static bool one_in_5000(void *context, const double *v)
{
  (void)context;
  return v[0] == 37 && v[1] == 3 && v[2] == 7;
}

static void random_finds_the_only_feasible_point_and_repeats_it(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, (const char *const[]){"a", "int 1 .. 100 default 1", "b", "categorical p, q, r, s, t default p", "c",
                                         "ordinal 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 default 1", NULL});
  f.feasible = one_in_5000;
  for (int t = 0; t < 5; t++) {
    double v[3];
    fixture_ask(&f, "random", (uint64_t)t, v);
    fixture_tell(&f, v, OBSERVATION_COMPLETE, 0);
  }
  fixture_close(&f);
}

/* Feasible only in a corner of the floats, a share of 1e-4 for one of the 12 combinations: draws
 * alone hardly find it. */
static bool corner_feasible(void *context, const double *v)
{
  (void)context;
  return v[0] == 4 && v[1] == 2 && v[2] < 0.02 && v[3] > 0.995;
}

static void a_corner_of_the_floats_is_found(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, (const char *const[]){"a", "int 1 .. 4 default 1", "b", "categorical p, q, r default p", "x",
                                         "float 0 .. 1 default 0", "y", "float 0 .. 1 default 0", NULL});
  f.feasible = corner_feasible;
  f.settings.tpe_startup = f.settings.gp_startup = 2;
  const char *const names[] = {"random", "tpe", "gp"};
  for (int s = 0; s < 3; s++) {
    for (int t = 0; t < 4; t++) {
      double v[4];
      fixture_ask(&f, names[s], 3, v);
      fixture_tell(&f, v, OBSERVATION_COMPLETE, t);
    }
  }
  fixture_close(&f);
}

static bool never(void *context, const double *v)
{
  (void)context;
  (void)v;
  return false;
}

static void nothing_feasible_is_an_error_of_the_configuration(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, (const char *const[]){"alpha", "int 1 .. 5 default 1", "beta", "float 0 .. 1 default 0", NULL});
  f.feasible = never;
  f.settings.tpe_startup = f.settings.gp_startup = 0;
  for (int i = 0; samplers[i]; i++) {
    struct error e = {0};
    struct sampler_request request = fixture_request(&f, 1);
    double v[2];
    assert_int_equal(samplers[i]->ask(&request, v, &e), ERROR_CONFIG);
    assert_non_null(strstr(e.message, "alpha, beta"));
    bool none[2] = {false, false};
    request.free = none;
    assert_int_equal(samplers[i]->ask(&request, v, &e), ERROR_CONFIG);
    assert_non_null(strstr(e.message, "no hyperparameter is free"));
  }
  fixture_close(&f);
}

/* --- what holds for every sampler --- */

static bool some_feasible(void *context, const double *v)
{
  (void)context;
  return (int)(v[0] + v[1] + v[2]) % 3 != 0;
}

static void no_sampler_repeats_or_is_infeasible_while_anything_new_is_left(void **state)
{
  (void)state;
  for (int i = 0; samplers[i]; i++) {
    struct fixture f;
    fixture_open(&f,
                 (const char *const[]){"a", "int 1 .. 5 default 1", "b", "categorical p, q, r, s default p", "c",
                                       "ordinal 1, 2, 4, 8, 16, 32 default 1", "fixed", "int 0 .. 9 default 4", NULL});
    f.feasible = some_feasible;
    f.free[3] = false;
    f.settings.tpe_startup = f.settings.gp_startup = 7;
    int all = 0;
    for (int k = 0; k < 5 * 4 * 6; k++) {
      double v[3] = {1 + k % 5, k / 5 % 4, k / 20};
      all += some_feasible(NULL, v);
    }
    for (int t = 0; t < all; t++) {
      double v[4];
      fixture_ask(&f, samplers[i]->name, 11, v);
      assert_false(fixture_has(&f, v));
      enum observation_state kind = t % 7 == 3   ? OBSERVATION_FAILED
                                    : t % 5 == 4 ? OBSERVATION_IN_FLIGHT
                                                 : OBSERVATION_COMPLETE;
      fixture_tell(&f, v, kind, -fabs(v[0] - 3) - v[2]);
    }
    for (int t = 0; t < 3; t++) { /* everything has been tried: a repeat, feasible still */
      double v[4];
      fixture_ask(&f, samplers[i]->name, 11, v);
      assert_true(fixture_has(&f, v));
      fixture_tell(&f, v, OBSERVATION_COMPLETE, 0);
    }
    fixture_close(&f);
  }
}

static void a_proposal_is_a_function_of_its_request_alone(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, paper_lines);
  struct rng rng = rng_make(5, philox_subsequence(PHILOX_TEST, 0, 0));
  for (int t = 0; t < 60; t++) {
    double v[10];
    for (int i = 0; i < 10; i++) v[i] = param_from_unit(&f.space.params[i], rng_uniform(&rng));
    fixture_tell(&f, v, t % 9 == 8 ? OBSERVATION_IN_FLIGHT : OBSERVATION_COMPLETE, rng_uniform(&rng));
  }
  for (int i = 0; samplers[i]; i++) {
    double a[10], b[10], c[10];
    fixture_ask(&f, samplers[i]->name, 21, a);
    double *heap = malloc(4096); /* other memory, other garbage */
    memset(heap, 0xA5, 4096);
    fixture_ask(&f, samplers[i]->name, 99, c);
    free(heap);
    fixture_ask(&f, samplers[i]->name, 21, b);
    assert_memory_equal(a, b, sizeof(a));
    if (strcmp(samplers[i]->name, "grid")) assert_memory_not_equal(a, c, sizeof(a));
  }
  fixture_close(&f);
}

/* How many of 200 proposals lie below x where three trials each stand at four places, complete (or
 * pruned at epoch 9 with the worst value), pruned at epochs `first` and `second` with values 0.5
 * and 0.9, and failed: half of the nine that are ranked are good. */
static int proposals_below(double x, bool complete, int first, int second)
{
  static const char *const lines[] = {"x", "float 0 .. 1 default 0.5", NULL};
  static const double places[] = {0.9, 0.7, 0.1, 0.4}, values[] = {0.1, 0.5, 0.9, 1};
  struct fixture f;
  int below = 0;
  fixture_open(&f, lines);
  f.settings.tpe_startup = 1;
  f.settings.tpe_quantile = 0.65; /* 6 of 9 */
  for (int t = 0; t < 12; t++) {
    int place = t % 4;
    double at = places[place] + 0.01 * (t / 4);
    enum observation_state kind = place == 3               ? OBSERVATION_FAILED
                                  : place == 0 && complete ? OBSERVATION_COMPLETE
                                                           : OBSERVATION_PRUNED;
    fixture_tell(&f, &at, kind, values[place]);
    f.history[f.n - 1].step = place == 0 ? 9 : place == 1 ? first : second;
  }
  for (uint64_t seed = 0; seed < 200; seed++) {
    double proposal;
    fixture_ask(&f, "tpe", seed, &proposal);
    below += proposal < x;
  }
  fixture_close(&f);
  return below;
}

static void tpe_ranks_pruned_trials_after_complete_ones_by_step_and_value(void **state)
{
  (void)state;
  assert_int_equal(proposals_below(0.5, true, 9, 3), 0);  /* good: at 0.9 and 0.7, which came further */
  assert_true(proposals_below(0.5, true, 3, 9) > 50);     /* 0.9 and 0.1 */
  assert_true(proposals_below(0.5, true, 3, 3) > 50);     /* as far, and the better value */
  assert_int_equal(proposals_below(0.5, false, 3, 1), 0); /* none complete */
}

static void a_space_without_choice_is_proposed_as_it_is(void **state)
{
  (void)state;
  for (int i = 0; samplers[i]; i++) {
    struct fixture f;
    double v[4];
    fixture_open(&f, (const char *const[]){"a", "int 4 .. 4 default 4", "x", "float 0.25 .. 0.25 default 0.25", "c",
                                           "categorical p default p", "o", "ordinal 8 default 8", NULL});
    f.settings.tpe_startup = f.settings.gp_startup = 1;
    for (int t = 0; t < 4; t++) {
      fixture_ask(&f, samplers[i]->name, 1, v);
      assert_true(v[0] == 4 && v[1] == 0.25 && v[2] == 0 && v[3] == 0);
      fixture_tell(&f, v, t == 2 ? OBSERVATION_FAILED : OBSERVATION_COMPLETE, 1);
    }
    for (int k = 0; k < 4; k++) f.free[k] = false; /* and nothing free at all */
    fixture_ask(&f, samplers[i]->name, 1, v);
    fixture_close(&f);
  }
}

/* --- grid --- */

static void the_grid_takes_every_point_once(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, (const char *const[]){"x", "float 0 .. 1 default 0", "lr", "float 1e-4 .. 1 log default 0.01", "n",
                                         "int 10 .. 100 default 10", "k", "int 2 .. 4 default 3", "o",
                                         "ordinal 32, 64 default 32", "c", "categorical p, q, r default p", NULL});
  enum { POINTS = 5 * 5 * 5 * 3 * 2 * 3 };
  for (int t = 0; t < POINTS; t++) {
    double v[6];
    fixture_ask(&f, "grid", (uint64_t)t, v);
    assert_false(fixture_has(&f, v));
    double fifth = v[0] * 4, decade = log10(v[1]) + 4, step = (v[2] - 10) / 22.5;
    assert_true(fabs(fifth - nearbyint(fifth)) < 1e-12 && fabs(decade - nearbyint(decade)) < 1e-9);
    assert_true(fabs(step - nearbyint(step)) < 0.03); /* 10, 33 (32.5), 55, 78 (77.5), 100 */
    fixture_tell(&f, v, OBSERVATION_COMPLETE, 0);
  }
  for (int t = 0; t < 10; t++) { /* anew, in the same order */
    double v[6];
    fixture_ask(&f, "grid", (uint64_t)t, v);
    assert_true(space_equal(&f.space, v, f.history[t].values));
    fixture_tell(&f, v, OBSERVATION_COMPLETE, 0);
  }
  fixture_close(&f);
}

static void a_logarithmic_int_has_no_level_twice(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, (const char *const[]){"n", "int 1 .. 7 log default 1", NULL});
  f.settings.grid_points = 6; /* 1, 1.5, 2.2, 3.2, 4.7, 7: rounded 1, 1 or 2, 2, 3, 5, 7 */
  int times[8] = {0};
  for (int t = 0; t < 5; t++) {
    double v;
    fixture_ask(&f, "grid", 1, &v);
    times[(int)v]++;
    fixture_tell(&f, &v, OBSERVATION_COMPLETE, 0);
  }
  assert_true(times[1] == 1 && times[2] == 1 && times[3] == 1 && times[5] == 1 && times[7] == 1);
  fixture_close(&f);
}

/* The promise of sampler_grid.c: in any K trials in a row from a multiple of the largest count, a
 * hyperparameter of K levels takes each once; so the beginning of a grid far too large covers every
 * range. */
static void the_beginning_of_a_large_grid_covers_every_range(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, paper_lines);
  enum { N = 40 };
  for (int t = 0; t < N; t++) {
    double v[10];
    fixture_ask(&f, "grid", 1, v);
    fixture_tell(&f, v, OBSERVATION_COMPLETE, 0);
  }
  for (int i = 0; i < 10; i++) {
    double levels[8];
    int n = 0, count[8] = {0};
    for (int t = 0; t < N; t++) {
      int k = 0;
      while (k < n && levels[k] != f.history[t].values[i]) k++;
      if (k == n) levels[n++] = f.history[t].values[i];
      assert_true(n <= 5);
      count[k]++;
    }
    const struct param *p = &f.space.params[i];
    int expected = param_count(p) > 0 && param_count(p) < 5 ? (int)param_count(p) : 5;
    assert_int_equal(n, expected);
    for (int k = 0; k < n; k++) assert_in_range(count[k], N / n - 4, N / n + 4);
    for (int block = 0; block < N; block += 5) {
      for (int a = block; a < block + expected; a++) {
        for (int b = a + 1; b < block + expected; b++) {
          assert_true(f.history[a].values[i] != f.history[b].values[i]);
        }
      }
    }
  }
  fixture_close(&f);
}

static void a_grid_of_astronomical_size_is_walked(void **state)
{
  (void)state;
  struct fixture f;
  const char *lines[2 * SPACE_MAX + 1];
  char names[SPACE_MAX][16];
  for (int i = 0; i < SPACE_MAX; i++) {
    snprintf(names[i], sizeof(names[i]), "x%d", i);
    lines[2 * i] = names[i];
    lines[2 * i + 1] = "float 0 .. 1 default 0";
  }
  lines[2 * SPACE_MAX] = NULL;
  fixture_open(&f, lines);
  f.settings.grid_points = 100;
  for (int t = 0; t < 150; t++) {
    double v[SPACE_MAX];
    fixture_ask(&f, "grid", 1, v);
    assert_false(fixture_has(&f, v));
    fixture_tell(&f, v, OBSERVATION_COMPLETE, 0);
  }
  fixture_close(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_sampler_is_found_by_its_name),
      cmocka_unit_test(best_is_higher_value_then_lower_loss_then_lower_number),
      cmocka_unit_test(random_is_uniform_in_each_scale),
      cmocka_unit_test(random_finds_the_only_feasible_point_and_repeats_it),
      cmocka_unit_test(a_corner_of_the_floats_is_found),
      cmocka_unit_test(nothing_feasible_is_an_error_of_the_configuration),
      cmocka_unit_test(no_sampler_repeats_or_is_infeasible_while_anything_new_is_left),
      cmocka_unit_test(a_proposal_is_a_function_of_its_request_alone),
      cmocka_unit_test(tpe_ranks_pruned_trials_after_complete_ones_by_step_and_value),
      cmocka_unit_test(a_space_without_choice_is_proposed_as_it_is),
      cmocka_unit_test(the_grid_takes_every_point_once),
      cmocka_unit_test(a_logarithmic_int_has_no_level_twice),
      cmocka_unit_test(the_beginning_of_a_large_grid_covers_every_range),
      cmocka_unit_test(a_grid_of_astronomical_size_is_walked),
  };
  return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
