/* The roofline of a training step, and how many trials are to share its launches: by hand, and by what has to hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "step_cost.h"

static void make(struct step_cost *s, int side, int channels, int batch)
{
  struct network_config c = {.num_conv_layers = 3,
                             .learning_rate = 0.001,
                             .optimizer = OPTIMIZER_ADAM,
                             .epochs = 1,
                             .stride = 1,
                             .padding = PADDING_SAME,
                             .kernel = 3,
                             .num_fc_units = 64,
                             .batch_size = batch,
                             .model = {.filters = 32, .momentum = 0.9}};
  struct plan p;
  struct device_trial t;
  plan_make(&p, &c, side, side, channels, 10, 4000, 1000);
  assert_true(p.feasible);
  assert_true(device_network_make(&t, &p, 0) > 0);
  step_cost_make(s, &t, &p);
}

static void the_work_is_that_of_the_network(void **state)
{
  struct step_cost s;
  double flops = 0;
  (void)state;
  make(&s, 28, 1, 32);
  for (int i = 0; i < s.n; i++) flops += s.stages[i].flops;
  assert_true(fabs(flops / 0.47e9 - 1) < 0.1); /* 0.47 GFLOP a step of the 3-layer network of 32 filters at batch 32 */
  assert_in_range(s.n, 8, 16);
  make(&s, 64, 3, 128);
  flops = 0;
  for (int i = 0; i < s.n; i++) flops += s.stages[i].flops;
  assert_true(fabs(flops / 11e9 - 1) < 0.1);
}

static void a_floor_grows_with_the_trials_and_falls_with_the_rates(void **state)
{
  struct step_cost s;
  (void)state;
  make(&s, 28, 1, 32);
  for (int g = 0; g < gpu_rates_n; g++) {
    double one = step_floor_us(&s, &gpu_rates[g], false, 1);
    assert_true(fabs(step_floor_us(&s, &gpu_rates[g], false, 7) - 7 * one) < 1e-9 * one);
    assert_true(step_floor_us(&s, &gpu_rates[g], true, 1) <= one);
  }
}

static void a_gpu_is_known_by_its_drivers_name(void **state)
{
  (void)state;
  assert_string_equal(gpu_rates_find("NVIDIA H100 80GB HBM3")->name, "H100 SXM");
  assert_string_equal(gpu_rates_find("A100 SXM 80GB")->name, "A100 SXM 80GB");
  assert_null(gpu_rates_find("NVIDIA H100 PCIe"));
}

static void small_networks_share_launches_and_large_ones_do_not(void **state)
{
  struct step_cost small, large;
  (void)state;
  make(&small, 28, 1, 32);
  make(&large, 64, 3, 128);
  const struct gpu_rates *h100 = gpu_rates_find("H100 SXM");
  assert_int_equal(step_cohort(&small, h100, false, 2), 16);
  assert_int_equal(step_cohort(&small, h100, true, 2), 32);
  assert_int_equal(step_cohort(&large, h100, false, 2), 1);
  assert_in_range(step_cohort(&large, h100, true, 2), 1, 2);
  for (int g = 0; g < gpu_rates_n; g++) {
    for (int tf32 = 0; tf32 < 2; tf32++) {
      int two = step_cohort(&small, &gpu_rates[g], tf32, 2), four = step_cohort(&small, &gpu_rates[g], tf32, 4);
      assert_in_range(two, 1, 32);
      assert_true((two & (two - 1)) == 0 && four <= two && step_cohort(&large, &gpu_rates[g], tf32, 2) <= two);
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_work_is_that_of_the_network),
      cmocka_unit_test(a_floor_grows_with_the_trials_and_falls_with_the_rates),
      cmocka_unit_test(a_gpu_is_known_by_its_drivers_name),
      cmocka_unit_test(small_networks_share_launches_and_large_ones_do_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
