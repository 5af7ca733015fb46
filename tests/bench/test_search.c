/* What samplers are compared with: the functions' optima, and the statistics.
 *
 * Not under ThreadSanitizer: one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "host/base/rng.h"
#include "tests/bench/search_functions.h"
#include "tests/bench/search_statistics.h"
#include "tests/bench/search_tables.h"

/* Zero at the optimum, and nowhere less: at random, and a step of one coordinate or several away
 * from it. */
static void a_function_is_least_where_it_says(void **state)
{
  (void)state;
  for (int i = 0; i < SEARCH_FUNCTIONS; i++) {
    for (int form = 0; form < SEARCH_FORMS; form++) {
      struct search_function f;
      struct error e;
      struct rng rng = rng_make((uint64_t)i, philox_subsequence(PHILOX_TEST, 0, 0));
      assert_int_equal(search_function_make(&f, i, (enum search_form)form, &e), 0);
      double least = search_function_regret(&f, f.optimum);
      assert_true(fabs(least) < 1e-12);
      for (int k = 0; k < 20000; k++) {
        double values[SEARCH_DIMENSIONS], share = rng_uniform(&rng), step = rng_uniform(&rng);
        memcpy(values, f.optimum, sizeof(values));
        for (int d = 0; d < f.space.n; d++) {
          const struct param *p = &f.space.params[d];
          if (rng_uniform(&rng) > share) continue;
          double unit = param_to_unit(p, values[d]) + step * (rng_uniform(&rng) - 0.5);
          values[d] = param_from_unit(p, unit < 0 ? 0 : unit >= 1 ? 0.999 : unit);
        }
        double regret = search_function_regret(&f, values);
        assert_true(regret > -1e-12);
        if (!memcmp(values, f.optimum, sizeof(values))) assert_true(regret == least);
      }
      space_destroy(&f.space);
    }
  }
}

static void an_optimum_is_away_from_bounds_centre_and_default(void **state)
{
  (void)state;
  for (int i = 0; i < SEARCH_FUNCTIONS; i++) {
    double places[SEARCH_FORMS][SEARCH_DIMENSIONS];
    for (int form = 0; form < SEARCH_FORMS; form++) {
      struct search_function f;
      struct error e;
      assert_int_equal(search_function_make(&f, i, (enum search_form)form, &e), 0);
      assert_true(f.space.n >= 5 && f.space.n <= 20);
      for (int d = 0; d < f.space.n; d++) {
        const struct param *p = &f.space.params[d];
        double unit = param_to_unit(p, f.optimum[d]);
        assert_true(f.optimum[d] != p->default_value);
        if (p->type == PARAM_CATEGORICAL) continue;
        assert_true(fabs(unit - 0.5) > 0.1 && unit > 0.1 && unit < 0.9);
        assert_true(fabs(unit - param_to_unit(p, p->default_value)) > 0.1);
      }
      memcpy(places[form], f.place, sizeof(f.place));
      space_destroy(&f.space);
    }
    assert_memory_not_equal(places[0], places[1], sizeof(places[0]));
  }
}

/* From the folder of the sources, as all tests run. */
static void a_table_answers_with_a_regret_near_zero_at_its_best_trial(void **state)
{
  (void)state;
  struct search_table t;
  struct error e;
  assert_int_equal(search_tables_count(SEARCH_DEV), 1);
  assert_int_equal(search_tables_count(SEARCH_BENCH), 2);
  assert_string_equal(search_table_name(1, SEARCH_BENCH), "flowers32");
  assert_int_equal(search_table_make(&t, "tests/bench/tables", 0, SEARCH_DEV, &e), 0);
  assert_string_equal(t.name, "mnist");
  int n = t.table.space.n;
  double least = INFINITY, most = 0;
  for (int i = 0; i < t.table.n; i++) {
    if (!t.table.complete[i]) continue;
    double regret = search_table_regret(&t, t.table.values + (size_t)i * (size_t)n);
    assert_true(regret >= 0);
    least = fmin(least, regret);
    most = fmax(most, regret);
  }
  assert_true(least < 0.02 && most > 0.5); /* accuracies from about one in ten to nearly all */
  assert_true(t.best > 0.9 && t.best <= 1);
  search_table_destroy(&t);
  assert_int_not_equal(search_table_make(&t, "tests/bench", 0, SEARCH_DEV, &e), 0);
}

/* Values of SciPy 1.17.1 (mannwhitneyu, method="asymptotic") and NumPy's percentile. */
static void statistics_are_those_of_scipy(void **state)
{
  (void)state;
  const double a[] = {1.1, 2.5, 3.0, 0.4, 7.7, 2.5, 9.1}, b[] = {2.5, 8.8, 10.2, 11.0, 3.0, 12.5};
  double low[10], high[12];
  for (int i = 0; i < 10; i++) low[i] = i;
  for (int i = 0; i < 12; i++) high[i] = 100 + i;
  assert_true(fabs(mann_whitney(a, 7, b, 6) - 0.0614795287735599) < 1e-12);
  assert_true(fabs(mann_whitney(b, 6, a, 7) - 0.0614795287735599) < 1e-12);
  assert_true(fabs(mann_whitney(low, 10, high, 12) - 8.73392658835783e-05) < 1e-15);
  assert_true(mann_whitney(low, 1, low, 1) == 1);
  struct quartiles q = quartiles_of(a, 7);
  assert_true(fabs(q.low - 1.8) < 1e-12 && q.median == 2.5 && fabs(q.high - 5.35) < 1e-12);
}

/* By hand.  Sizes 0.5 (three times), 1, 1.5, 2, 3.25, 4 have ranks 2, 4, 5, 6, 7, 8; the positive
 * ones sum to 2 + 4 + 5 + 6 + 7 = 24, where 18 are expected, with a variance of 8 9 17 / 24 -
 * (27 - 3) / 48.  Of twelve that are all positive: 78 of 39, and 12 13 25 / 24. */
static void signed_ranks_are_summed_with_ties_and_without_zeros(void **state)
{
  (void)state;
  const double differences[] = {1.5, -0.5, 2.0, 0.0, -0.5, 3.25, 0.5, -4.0, 1.0}, zero = 0;
  double positive[12];
  for (int i = 0; i < 12; i++) positive[i] = 100 - i;
  assert_true(fabs(signed_rank(differences, 9) - erfc(5.5 / sqrt(50.5) / sqrt(2))) < 1e-14);
  assert_true(fabs(signed_rank(positive, 12) - erfc(38.5 / sqrt(162.5) / sqrt(2))) < 1e-14);
  assert_true(signed_rank(&zero, 1) == 1 && signed_rank(&zero, 0) == 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_function_is_least_where_it_says),
      cmocka_unit_test(an_optimum_is_away_from_bounds_centre_and_default),
      cmocka_unit_test(a_table_answers_with_a_regret_near_zero_at_its_best_trial),
      cmocka_unit_test(statistics_are_those_of_scipy),
      cmocka_unit_test(signed_ranks_are_summed_with_ties_and_without_zeros),
  };
  return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
