/* Weights of classes: the numbers of scikit-learn's compute_class_weight("balanced"), by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "host/network/class_weights.h"

static void a_small_class_counts_more(void **state)
{
  (void)state;
  struct error e = {0};
  float w[4];
  double mean = 0;
  /* 6, 3 and 1 images; rows in an order of their own; class 2 has none */
  static const uint16_t labels[] = {0, 0, 1, 3, 0, 1, 0, 1, 0, 0, 2};
  static const int32_t rows[] = {9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
  const struct dataset_split train = {.n = 10, .rows = rows, .labels = labels};
  assert_int_equal(class_weights_balanced(&train, 4, w, &e), 0);
  assert_true(fabs(w[0] - 10 / (3 * 6.0)) < 1e-6 && fabs(w[1] - 10 / (3 * 3.0)) < 1e-6);
  assert_true(fabs(w[3] - 10 / (3 * 1.0)) < 1e-6 && w[2] == 0);
  for (int i = 0; i < 10; i++) mean += (double)w[labels[rows[i]]] / 10;
  assert_true(fabs(mean - 1) < 1e-6);
}

static void classes_of_one_size_count_1(void **state)
{
  (void)state;
  struct error e = {0};
  float w[7];
  uint16_t labels[70];
  int32_t rows[70];
  for (int i = 0; i < 70; i++) {
    labels[i] = (uint16_t)(i % 7);
    rows[i] = i;
  }
  assert_int_equal(class_weights_balanced(&(struct dataset_split){.n = 70, .rows = rows, .labels = labels}, 7, w, &e),
                   0);
  for (int c = 0; c < 7; c++) assert_true(w[c] == 1);
}

static void no_images_have_no_weights(void **state)
{
  (void)state;
  struct error e = {0};
  float w[2] = {7, 7};
  assert_int_equal(class_weights_balanced(&(struct dataset_split){.n = 0}, 2, w, &e), 0);
  assert_true(w[0] == 0 && w[1] == 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_small_class_counts_more),
      cmocka_unit_test(classes_of_one_size_count_1),
      cmocka_unit_test(no_images_have_no_weights),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
