/* Student's interval: against printed tables of t, and against how often it holds the true mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>

#include "host/base/mean_interval.h"
#include "host/base/rng.h"

static void quantiles_are_those_of_printed_tables(void **state)
{
  (void)state;
  static const struct {
    int degrees;
    double t;
  } table[] = {{1, 12.706}, {2, 4.303},  {3, 3.182},   {4, 2.776},      {5, 2.571},  {6, 2.447},
               {7, 2.365},  {8, 2.306},  {9, 2.262},   {10, 2.228},     {11, 2.201}, {20, 2.086},
               {30, 2.042}, {60, 2.000}, {120, 1.980}, {1000000, 1.960}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++)
    if (fabs(student_t_95(table[i].degrees) - table[i].t) > 0.00051)
      fail_msg("%d degrees: %.6f, tables have %.3f", table[i].degrees, student_t_95(table[i].degrees), table[i].t);
}

static void mean_deviation_and_interval_of_a_few(void **state)
{
  (void)state;
  struct mean_interval m = mean_interval_of((const double[]){2, 4, 9}, 3);
  assert_true(m.n == 3 && m.mean == 5 && fabs(m.sd - sqrt(13)) < 1e-14);
  assert_true(fabs(m.half - 4.302652729911275 * sqrt(13.0 / 3)) < 1e-9);
  m = mean_interval_of((const double[]){0.1, 0.1, 0.1}, 3); /* whose sum is not three times 0.1 */
  assert_true(m.mean == 0.1 && m.sd == 0 && m.half == 0);
  m = mean_interval_of((const double[]){7}, 1);
  assert_true(m.n == 1 && m.mean == 7 && isnan(m.sd) && isnan(m.half));
  m = mean_interval_of(NULL, 0);
  assert_true(m.n == 0 && m.mean == 0 && isnan(m.sd) && isnan(m.half));
}

/* A normal number, by the sum of twelve uniform ones: near enough for a share of 0.95. */
static double nearly_normal(struct rng *r)
{
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += rng_uniform(r);
  return sum;
}

/* Its standard error over 20,000 samples is 0.0015. */
static void interval_holds_the_true_mean_as_often_as_it_says(void **state)
{
  (void)state;
  struct rng r = rng_make(5, philox_subsequence(PHILOX_TEST, 0, 1));
  for (int n = 2; n <= 5; n++) {
    int held = 0;
    for (int i = 0; i < 20000; i++) {
      double values[5];
      for (int k = 0; k < n; k++) values[k] = 3 + 2 * nearly_normal(&r);
      struct mean_interval m = mean_interval_of(values, n);
      held += fabs(m.mean - 3) <= m.half;
    }
    if (fabs(held / 20000.0 - 0.95) > 0.006) fail_msg("of %d values: in %d of 20000", n, held);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quantiles_are_those_of_printed_tables),
      cmocka_unit_test(mean_deviation_and_interval_of_a_few),
      cmocka_unit_test(interval_holds_the_true_mean_as_often_as_it_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
