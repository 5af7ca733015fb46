/* Kendall's W: against sums made by hand, with ties and without, and chi-squared's tables. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/importance/rank_agreement.h"

static struct rank_agreement agreement(int m, int n, const double weight[m][n])
{
  const double *rows[8];
  struct rank_agreement a;
  for (int i = 0; i < m; i++) rows[i] = weight[i];
  rank_agreement_measure(rows, m, n, &a);
  return a;
}

static void assert_near(double is, double expected)
{
  if (!(fabs(is - expected) < 1e-12)) fail_msg("%.17g, not %.17g", is, expected);
}

/* Ranks 1 2 3 4, 1 3 2 4, 2 1 3 4; their sums 4 6 8 12 are off 7.5 by -3.5 -1.5 0.5 4.5, S = 35;
 * W = 12 35 / (9 60) = 7/9, chi-squared 3 3 7/9 = 7. */
static void without_ties_it_is_the_sum_made_by_hand(void **state)
{
  static const double weight[3][4] = {{0.4, 0.3, 0.2, 0.1}, {0.9, 0.02, 0.07, 0.01}, {5, 6, 4, 3}};
  (void)state;
  struct rank_agreement a = agreement(3, 4, weight);
  assert_true(a.rankings == 3 && a.things == 4 && a.has_w && a.has_p);
  assert_near(a.w, 7.0 / 9);
  assert_near(a.chi_squared, 7);
  assert_near(a.p, 0.07189777249646512);
  assert_near(a.mean_rank[0], 4.0 / 3);
  assert_near(a.mean_rank[3], 4);
}

/* Ranks 1.5 1.5 3 4, 1 2.5 2.5 4, 2 2 2 4; their sums 4.5 6 7.5 12 are off by -3 -1.5 0 4.5,
 * S = 31.5; T = 6 + 6 + 24; W = 378 / (9 60 - 3 36) = 0.875.  Without the correction: 0.7. */
static void ties_have_the_mean_of_their_ranks_and_are_corrected_for(void **state)
{
  static const double weight[3][4] = {{0.4, 0.4, 0.2, 0}, {0.5, 0.2, 0.2, 0.1}, {0.3, 0.3, 0.3, 0.1}};
  (void)state;
  struct rank_agreement a = agreement(3, 4, weight);
  assert_near(a.w, 0.875);
  assert_near(a.chi_squared, 7.875);
  assert_near(a.mean_rank[0], 1.5);
  assert_near(a.mean_rank[2], 2.5);
}

static void the_same_ranking_is_full_agreement_and_opposite_ones_none(void **state)
{
  static const double same[3][3] = {{3, 2, 1}, {0.7, 0.2, 0.1}, {1, 0.5, 0}}, opposite[2][3] = {{3, 2, 1}, {1, 2, 3}};
  static const double tied[3][3] = {{1, 1, 0}, {2, 2, 1}, {0.5, 0.5, 0}};
  (void)state;
  assert_near(agreement(3, 3, same).w, 1);
  assert_near(agreement(3, 3, tied).w, 1);
  struct rank_agreement a = agreement(2, 3, opposite);
  assert_true(a.has_w && !a.has_p); /* too few rankings for a p-value */
  assert_near(a.w, 0);
}

static void where_nothing_can_be_compared_there_is_no_w(void **state)
{
  static const double tied[2][3] = {{1, 1, 1}, {2, 2, 2}}, one[1][3] = {{3, 1, 2}}, single[2][1] = {{1}, {1}};
  (void)state;
  assert_false(agreement(2, 3, tied).has_w);
  assert_false(agreement(1, 3, one).has_w);
  assert_near(agreement(1, 3, one).mean_rank[2], 2);
  assert_false(agreement(2, 1, single).has_w);
}

/* Upper 5 % and 0.1 % points of the usual tables, to their digits. */
static void chi_squared_agrees_with_its_tables(void **state)
{
  static const struct {
    int degrees;
    double x, above;
  } points[] = {{1, 3.841, 0.05},   {2, 5.991, 0.05},   {3, 7.815, 0.05},   {9, 16.919, 0.05},
                {10, 18.307, 0.05}, {1, 10.828, 0.001}, {9, 27.877, 0.001}, {30, 59.703, 0.001}};
  (void)state;
  for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
    double p = chi_squared_above(points[i].x, points[i].degrees);
    if (!(fabs(p / points[i].above - 1) < 5e-4)) fail_msg("%d degrees, %g: %g", points[i].degrees, points[i].x, p);
  }
  for (int degrees = 1; degrees <= 63; degrees++) {
    assert_near(chi_squared_above(0, degrees), 1);
    assert_true(chi_squared_above(1e4, degrees) < 1e-300);
    assert_true(chi_squared_above(degrees, degrees) > 0.3 && chi_squared_above(degrees, degrees) < 0.6);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_ties_it_is_the_sum_made_by_hand),
      cmocka_unit_test(ties_have_the_mean_of_their_ranks_and_are_corrected_for),
      cmocka_unit_test(the_same_ranking_is_full_agreement_and_opposite_ones_none),
      cmocka_unit_test(where_nothing_can_be_compared_there_is_no_w),
      cmocka_unit_test(chi_squared_agrees_with_its_tables),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
