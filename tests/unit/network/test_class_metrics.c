/* Metrics over classes, held against figures worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "host/network/class_metrics.h"

#define TEST(name) cmocka_unit_test(name)

/* Four images of class 0, two of 1, one of 2, none of 3.  Three of class 0 are right and one is
 * taken for 1; one of 1 is right and one is taken for 3; that of 2 is taken for 0. */
static uint16_t labels[] = {0, 1, 0, 2, 0, 1, 0};
static int32_t rows[] = {0, 1, 2, 3, 4, 5, 6};
static const int32_t tally[2][4] = {{3, 1, 0, 0}, {4, 2, 0, 1}};

static void metrics_are_those_of_a_hand(void **state)
{
  (void)state;
  struct dataset_split part = {.n = 7, .rows = rows, .labels = labels};
  double balanced = metric_of_classes(METRIC_BALANCED_ACCURACY, &part, 4, tally[0]);
  double f1 = metric_of_classes(METRIC_MACRO_F1, &part, 4, tally[0]);
  assert_true(fabs(balanced - (3.0 / 4 + 1.0 / 2 + 0) / 3) < 1e-15);
  assert_true(fabs(f1 - (6.0 / 8 + 2.0 / 4 + 0 + 0) / 4) < 1e-15);
}

/* A class that is nowhere and that nothing is taken for is in no mean. */
static void a_class_that_is_nowhere_does_not_count(void **state)
{
  (void)state;
  static const int32_t right[2][4] = {{4, 2, 1, 0}, {4, 2, 1, 0}};
  struct dataset_split part = {.n = 7, .rows = rows, .labels = labels};
  assert_true(metric_of_classes(METRIC_BALANCED_ACCURACY, &part, 4, right[0]) == 1);
  assert_true(metric_of_classes(METRIC_MACRO_F1, &part, 4, right[0]) == 1);
  part.n = 0;
  assert_true(isnan(metric_of_classes(METRIC_BALANCED_ACCURACY, &part, 4, (int32_t[8]){0})));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(metrics_are_those_of_a_hand),
      TEST(a_class_that_is_nowhere_does_not_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
