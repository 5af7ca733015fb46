/* The Gaussian process as a sampler: what it proposes from histories good and degenerate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <float.h>

#include "host/base/cpu_isa.h"
#include "tests/unit/samplers/sampler_fixture.h"

void openblas_set_num_threads(int num_threads);

static const char *const mixed_lines[] = {"lr",     "float 1e-5 .. 1 log default 0.01",
                                          "rate",   "float 0 .. 1 default 0.3",
                                          "layers", "int 1 .. 6 default 2",
                                          "units",  "int 16 .. 512 log default 64",
                                          "size",   "ordinal 1, 2, 4, 8, 16 default 2",
                                          "kind",   "categorical p, q, r default q",
                                          NULL};
enum { MIXED = 6 };

/* Larger is better; 0 at lr 0.003, rate 0.6, layers 4, units 100, size 8, kind r. */
static double quality(const double *v)
{
  double a = log10(v[0] / 0.003), b = v[1] - 0.6, c = (v[2] - 4) / 6, d = log(v[3] / 100) / 3, e = (v[4] - 3) / 5;
  return -(a * a + 3 * b * b + c * c + d * d + e * e + (v[5] == 2 ? 0 : v[5] == 1 ? 0.4 : 0.2));
}

static void random_values(const struct fixture *f, struct rng *rng, double *v)
{
  for (int i = 0; i < f->space.n; i++) v[i] = param_from_unit(&f->space.params[i], rng_uniform(rng));
}

/* A history of n random trials with their quality. */
static void tell_random(struct fixture *f, int n, uint64_t seed)
{
  struct rng rng = rng_make(seed, philox_subsequence(PHILOX_TEST, 0, 0));
  for (int t = 0; t < n; t++) {
    double v[SPACE_MAX];
    random_values(f, &rng, v);
    fixture_tell(f, v, OBSERVATION_COMPLETE, quality(v));
  }
}

/* Euclidean distance in the unit cube; another label counts as 1. */
static double far_apart(const struct fixture *f, const double *a, const double *b)
{
  double sum = 0;
  for (int i = 0; i < f->space.n; i++) {
    const struct param *p = &f->space.params[i];
    double t = p->type == PARAM_CATEGORICAL ? a[i] != b[i] : param_to_unit(p, a[i]) - param_to_unit(p, b[i]);
    sum += t * t;
  }
  return sqrt(sum);
}

/* --- the beginning --- */

static void the_first_trials_are_the_defaults_and_a_design(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, mixed_lines);
  bool seen[8] = {0};
  for (int t = 0; t < 9; t++) {
    double v[MIXED];
    fixture_ask(&f, "gp", 5, v);
    if (t == 0) assert_true(space_equal(&f.space, v, f.fixed)); /* the fixture's fixed values are the defaults */
    if (t > 0) seen[(int)(8 * v[1])] = true;
    assert_false(fixture_has(&f, v));
    fixture_tell(&f, v, OBSERVATION_COMPLETE, quality(v));
  }
  int covered =
      0; /* eight Sobol points in a row: no two thirds of an axis stay empty, as random ones might leave them */
  for (int k = 0; k < 8; k++) covered += seen[k];
  assert_true(covered >= 6);
  fixture_close(&f);
}

static void a_design_belongs_to_the_study_or_is_random(void **state)
{
  (void)state;
  struct fixture f;
  struct error e;
  double a[MIXED], b[MIXED];
  fixture_open(&f, mixed_lines);
  fixture_tell(&f, f.fixed, OBSERVATION_COMPLETE, 0);
  struct sampler_request request = fixture_request(&f, 1), other = fixture_request(&f, 2);
  assert_int_equal(sampler_find("gp")->ask(&request, a, &e), 0);
  assert_int_equal(sampler_find("gp")->ask(&other, b, &e), 0);
  assert_memory_equal(a, b, sizeof(a)); /* the study's key is the same, the trials' are not */
  other.study_key = 77;
  assert_int_equal(sampler_find("gp")->ask(&other, b, &e), 0);
  assert_memory_not_equal(a, b, sizeof(a));
  f.settings.gp_design = GP_DESIGN_RANDOM;
  other = fixture_request(&f, 2);
  assert_int_equal(sampler_find("gp")->ask(&request, a, &e), 0);
  assert_int_equal(sampler_find("gp")->ask(&other, b, &e), 0);
  assert_memory_not_equal(a, b, sizeof(a));
  fixture_close(&f);
}

/* --- what it finds --- */

static double best_after(const char *sampler, int trials, int parallel, uint64_t seed)
{
  struct fixture f;
  double best = -INFINITY;
  fixture_open(&f, mixed_lines);
  for (int t = 0; t < trials; t++) {
    double v[MIXED];
    fixture_ask(&f, sampler, seed, v);
    fixture_tell(&f, v, OBSERVATION_IN_FLIGHT, NAN);
    best = fmax(best, quality(v));
    if (t + 1 >= parallel) {
      struct observation *known = &f.history[t + 1 - parallel];
      known->state = OBSERVATION_COMPLETE;
      known->value = quality(known->values);
    }
  }
  fixture_close(&f);
  return best;
}

static void it_finds_the_best_of_a_mixed_space_whatever_is_in_flight(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 3; seed++) {
    double random = best_after("random", 50, 1, seed);
    assert_true(best_after("gp", 50, 1, seed) > -0.002 && best_after("gp", 50, 2, seed) > -0.005);
    double eight = best_after("gp", 50, 8, seed);
    assert_true(eight > -0.03 && eight > random);
  }
}

/* While one group is free, the model knows from earlier trials what the others do: with the first
 * hyperparameter fixed at another value than in the history, it still goes to the best of the
 * second. */
static void what_is_fixed_is_learnt_from_too(void **state)
{
  (void)state;
  struct fixture f;
  double v[2];
  fixture_open(&f, (const char *const[]){"x", "float 0 .. 1 default 0.5", "y", "float 0 .. 1 default 0.5", NULL});
  struct rng rng = rng_make(1, 1);
  for (int t = 0; t < 40; t++) {
    random_values(&f, &rng, v);
    double z = v[1] - 0.2 - 0.6 * v[0]; /* the best y goes with x */
    fixture_tell(&f, v, OBSERVATION_COMPLETE, -z * z);
  }
  f.free[0] = false;
  for (int k = 0; k < 2; k++) {
    f.fixed[0] = k ? 0.9 : 0.1;
    fixture_ask(&f, "gp", 3, v);
    assert_true(fabs(v[1] - 0.2 - 0.6 * f.fixed[0]) < 0.1);
  }
  fixture_close(&f);
}

/* --- in flight --- */

static void proposals_in_flight_are_spread(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, mixed_lines);
  tell_random(&f, 40, 11);
  double v[8][MIXED], alone[MIXED];
  for (int b = 0; b < 8; b++) {
    fixture_ask(&f, "gp", 5, v[b]);
    assert_false(fixture_has(&f, v[b]));
    fixture_tell(&f, v[b], OBSERVATION_IN_FLIGHT, 1e9); /* a value that is not to be looked at */
  }
  for (int a = 0; a < 8; a++) {
    for (int b = 0; b < a; b++) assert_true(far_apart(&f, v[a], v[b]) > 1e-3);
  }
  /* Without the belief all of them are where the first one is, whatever their keys. */
  double spread = 0, heap = 0;
  while (f.n > 40) free((void *)f.history[--f.n].values);
  for (int b = 1; b < 8; b++) {
    fixture_ask(&f, "gp", 5 + (uint64_t)b, alone);
    spread += far_apart(&f, v[0], v[b]) / 7;
    heap += far_apart(&f, v[0], alone) / 7;
  }
  assert_true(spread > 0.02 && spread > 100 * heap);
  fixture_close(&f);
}

static void what_is_in_flight_has_no_value(void **state)
{
  (void)state;
  struct fixture f;
  double a[MIXED], b[MIXED];
  fixture_open(&f, mixed_lines);
  tell_random(&f, 30, 12);
  for (int t = 20; t < 30; t++) f.history[t].state = OBSERVATION_IN_FLIGHT;
  fixture_ask(&f, "gp", 5, a);
  for (int t = 20; t < 30; t++) f.history[t].value = t % 2 ? NAN : 1e10;
  fixture_ask(&f, "gp", 5, b);
  assert_memory_equal(a, b, sizeof(a));
  fixture_close(&f);
}

/* --- failures --- */

static void failed_trials_are_avoided_but_no_wall(void **state)
{
  (void)state;
  struct fixture f, g;
  double v[MIXED];
  int there = 0, there_too = 0;
  fixture_open(&f, mixed_lines);
  fixture_open(&g, mixed_lines);
  struct rng rng = rng_make(13, 1);
  for (int t = 0; t < 40; t++) {
    random_values(&f, &rng, v);
    bool fails = v[1] > 0.5; /* where the best would be, at 0.6 */
    fixture_tell(&f, v, fails ? (t % 2 ? OBSERVATION_FAILED : OBSERVATION_COMPLETE) : OBSERVATION_COMPLETE,
                 fails ? NAN : quality(v));
    fixture_tell(&g, v, OBSERVATION_COMPLETE, quality(v));
  }
  for (uint64_t seed = 0; seed < 12; seed++) {
    fixture_ask(&f, "gp", seed, v);
    there += v[1] > 0.55;
    fixture_ask(&g, "gp", seed, v);
    there_too += v[1] > 0.55;
  }
  assert_true(there <= 2 && there_too >= 8);
  fixture_close(&f);
  fixture_close(&g);
}

static bool in_a_corner(void *context, const double *v)
{
  (void)context;
  return v[1] < 0.3 && (int)v[2] % 2 == 0 && v[5] != 2;
}

static void an_infeasible_configuration_is_never_proposed(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, mixed_lines);
  f.feasible = in_a_corner;
  for (int t = 0; t < 40; t++) {
    double v[MIXED];
    fixture_ask(&f, "gp", 14, v); /* asserts that it is feasible */
    assert_false(fixture_has(&f, v));
    fixture_tell(&f, v, OBSERVATION_COMPLETE, quality(v)); /* whose best lies outside */
  }
  fixture_close(&f);
}

/* --- degenerate histories --- */

static void ask_some(struct fixture *f, int times)
{
  for (int t = 0; t < times; t++) {
    double v[SPACE_MAX];
    fixture_ask(f, "gp", 15, v);
    fixture_tell(f, v, t % 3 == 2 ? OBSERVATION_FAILED : OBSERVATION_COMPLETE, 0.5);
  }
}

static void degenerate_histories_do_no_harm(void **state)
{
  (void)state;
  static const double extremes[] = {1e300,   -1e300,   1e-300, -1e-300, NAN,  INFINITY,  -INFINITY, 0,
                                    DBL_MAX, -DBL_MAX, 5e-324, 1,       -0.0, 1 + 1e-15, NAN,       1e300};
  enum {
    ONE,
    EQUAL_VALUES,
    EQUAL_POINTS,
    DUPLICATES,
    EXTREMES,
    ALL_NAN,
    ALL_FAILED,
    ALL_PRUNED,
    ALL_IN_FLIGHT,
    INFINITE,
    KINDS
  };
  for (int kind = 0; kind < KINDS; kind++) {
    struct fixture f;
    double v[MIXED];
    struct rng rng = rng_make(16, (uint64_t)kind);
    fixture_open(&f, mixed_lines);
    f.settings.gp_startup = 1;
    random_values(&f, &rng, v);
    int n = kind == ONE ? 1 : kind == DUPLICATES ? 1000 : 30;
    for (int t = 0; t < n; t++) {
      if (kind != EQUAL_POINTS && kind != DUPLICATES) random_values(&f, &rng, v);
      enum observation_state as = kind == ALL_FAILED      ? OBSERVATION_FAILED
                                  : kind == ALL_PRUNED    ? OBSERVATION_PRUNED
                                  : kind == ALL_IN_FLIGHT ? OBSERVATION_IN_FLIGHT
                                                          : OBSERVATION_COMPLETE;
      double value = kind == EXTREMES       ? extremes[t % 16]
                     : kind == ALL_NAN      ? NAN
                     : kind == INFINITE     ? (t % 2 ? INFINITY : -INFINITY)
                     : kind == EQUAL_POINTS ? t
                                            : 0.25;
      fixture_tell(&f, v, as, value);
    }
    ask_some(&f, 4);
    fixture_close(&f);
  }
}

static void a_space_with_one_value_left_is_filled_and_then_repeated(void **state)
{
  (void)state;
  struct fixture f;
  double v[3];
  fixture_open(&f, (const char *const[]){"a", "int 1 .. 3 default 1", "b", "categorical p, q default p", "c",
                                         "float 0.5 .. 0.5 default 0.5", NULL});
  f.settings.gp_startup = 1;
  for (int k = 0; k < 5; k++) fixture_tell(&f, (double[]){1 + k % 3, k / 3, 0.5}, OBSERVATION_COMPLETE, k);
  fixture_ask(&f, "gp", 1, v);
  assert_true(v[0] == 3 && v[1] == 1);
  fixture_tell(&f, v, OBSERVATION_COMPLETE, 9);
  fixture_ask(&f, "gp", 1, v);
  assert_true(fixture_has(&f, v));
  fixture_close(&f);
}

static void a_history_beyond_its_cap_is_thinned(void **state)
{
  (void)state;
  struct fixture f;
  double v[MIXED];
  fixture_open(&f, mixed_lines);
  tell_random(&f, 1500, 17);
  f.settings.gp_evaluations = 8;
  f.settings.gp_candidates = 256;
  fixture_ask(&f, "gp", 1, v);
  assert_false(fixture_has(&f, v));
  assert_true(quality(v) > -0.3); /* random ones: a tenth are above -0.5 */
  fixture_close(&f);
}

/* --- the same bits --- */

static void a_proposal_has_the_same_bits_whatever_runs_beside_it(void **state)
{
  (void)state;
  struct fixture f;
  double alone[SPACE_MAX];
  fixture_open(&f, mixed_lines);
  tell_random(&f, 250, 19);
  fixture_ask(&f, "gp", 18, alone);
  openblas_set_num_threads(2); /* as another library in the process might */
  fixture_ask_beside(&f, "gp", 18, 4, alone);
  fixture_close(&f);
}

/* --- cost and what is expected --- */

/* A history whose trials take as long as they have units, with everything else in the dark. */
static void tell_with_seconds(struct fixture *f, int n)
{
  tell_random(f, n, 5);
  for (int t = 0; t < n; t++) f->history[t].seconds = f->history[t].values[3] * 0.01;
}

static double units_of(void *context, const double *values)
{
  (void)context;
  return 1e9 * values[3];
}

/* Units of the proposals of 10 trials, in the mean, with so much of the study left. */
static double mean_units(struct fixture *f, enum gp_cost_kind cost, double left)
{
  double sum = 0, v[MIXED];
  struct error e = {0};
  f->settings.gp_cost = cost;
  for (uint64_t seed = 0; seed < 10; seed++) {
    struct sampler_request request = fixture_request(f, seed);
    request.left = left;
    assert_int_equal(sampler_find("gp")->ask(&request, v, &e), 0);
    sum += v[3] / 10;
  }
  return sum;
}

static void by_cost_cheaper_ones_are_proposed(void **state)
{
  (void)state;
  struct fixture f;
  fixture_open(&f, mixed_lines);
  f.settings.gp_candidates = 512;
  f.flops = units_of;
  tell_with_seconds(&f, 24);
  f.history[3].seconds = 0; /* not known */
  f.history[4].state = OBSERVATION_FAILED;
  double plain = mean_units(&f, GP_COST_NONE, 1);
  assert_true(mean_units(&f, GP_COST_FLOPS, 1) < 0.8 * plain);
  assert_true(mean_units(&f, GP_COST_TIME, 1) < 0.8 * plain);
  assert_true(mean_units(&f, GP_COST_FLOPS, 0) == plain); /* at the end cost counts for nothing */
  assert_true(mean_units(&f, GP_COST_TIME, 0) == plain);
  for (int t = 0; t < f.n; t++) f.history[t].seconds = 7; /* all the same */
  assert_true(mean_units(&f, GP_COST_TIME, 1) == plain);
  fixture_close(&f);
}

static void most_is_expected_where_the_best_is_far(void **state)
{
  (void)state;
  struct fixture f;
  struct error e = {0};
  bool free[3][SPACE_MAX] = {{false}};
  double expected[3], current[MIXED] = {0.003, 0.05, 4, 100, 3, 2}; /* all but `rate` is right */
  fixture_open(&f, mixed_lines);
  f.settings.gp_candidates = 256;
  free[0][0] = free[0][3] = free[1][1] = free[2][5] = true;
  tell_random(&f, 5, 5);
  struct sampler_request request = fixture_request(&f, 1);
  assert_int_equal(sampler_find("gp")->expect(&request, 3, free, expected, &e), ERROR_FAILED); /* too few */
  tell_random(&f, 60, 6);
  for (int kind = 0; kind < 3; kind++) { /* all labels around the current one have been tried */
    double v[MIXED];
    memcpy(v, current, sizeof v);
    v[5] = kind;
    fixture_tell(&f, v, OBSERVATION_COMPLETE, quality(v));
  }
  request = fixture_request(&f, 1);
  request.fixed = current;
  assert_int_equal(sampler_find("gp")->expect(&request, 3, free, expected, &e), 0);
  assert_true(expected[1] > expected[0] + 1 && isinf(expected[2]) && expected[2] < 0);
  double again[3];
  assert_int_equal(sampler_find("gp")->expect(&request, 3, free, again, &e), 0);
  assert_memory_equal(expected, again, sizeof expected);
  fixture_close(&f);
}

static void it_says_which_libraries_decide_its_bits(void **state)
{
  (void)state;
  char text[200], cut[12];
  int major, minor, patch;
  struct sampler_settings settings = default_sampler_settings();
  sampler_find("gp")->description(&settings, text, sizeof(text));
  char isa[20], right[20];
  assert_int_equal(sscanf(text, "%19s loops, OpenBLAS %d.%d.%d for ", isa, &major, &minor, &patch), 4);
  snprintf(right, sizeof(right), "%s", cpu_isa_name(cpu_isa_detect()));
  assert_string_equal(isa, right);
  assert_non_null(strstr(text, ", NLopt 2."));
  sampler_find("gp")->description(&settings, cut, sizeof(cut));
  assert_memory_equal(cut, text, sizeof(cut) - 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_trials_are_the_defaults_and_a_design),
      cmocka_unit_test(a_design_belongs_to_the_study_or_is_random),
      cmocka_unit_test(it_finds_the_best_of_a_mixed_space_whatever_is_in_flight),
      cmocka_unit_test(what_is_fixed_is_learnt_from_too),
      cmocka_unit_test(proposals_in_flight_are_spread),
      cmocka_unit_test(what_is_in_flight_has_no_value),
      cmocka_unit_test(failed_trials_are_avoided_but_no_wall),
      cmocka_unit_test(an_infeasible_configuration_is_never_proposed),
      cmocka_unit_test(degenerate_histories_do_no_harm),
      cmocka_unit_test(a_space_with_one_value_left_is_filled_and_then_repeated),
      cmocka_unit_test(a_history_beyond_its_cap_is_thinned),
      cmocka_unit_test(a_proposal_has_the_same_bits_whatever_runs_beside_it),
      cmocka_unit_test(by_cost_cheaper_ones_are_proposed),
      cmocka_unit_test(most_is_expected_where_the_best_is_far),
      cmocka_unit_test(it_says_which_libraries_decide_its_bits),
  };
  return cmocka_run_group_tests_name("gp_sampler", tests, NULL, NULL);
}
