/* The roofline of a training step, and how many trials are to share its launches: by hand, and by
 * what has to hold.
 *
 * Not under ThreadSanitizer: one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "tests/unit/network/network_config.h"
#include "host/cuda/roofline.h"

static void make_of(struct step_cost *s, int side, int channels, int batch, int classes)
{
  struct network_config c = usual_network();
  struct plan p;
  struct device_trial t;
  c.batch_size = batch;
  plan_make(&p, &c, side, side, channels, classes, 4000, 1000);
  assert_true(p.feasible);
  assert_true(device_network_make(&t, &p, 0, DEVICE_SHARED_LARGE) > 0);
  step_cost_make(s, &t, &p);
}

static void make(struct step_cost *s, int side, int channels, int batch)
{
  make_of(s, side, channels, batch, 10);
}

static void the_work_is_that_of_the_network(void **state)
{
  struct step_cost s;
  double flops = 0;
  (void)state;
  make(&s, 28, 1, 32);
  for (int i = 0; i < s.n; i++) flops += s.costs[i].flops;
  assert_true(fabs(flops / 0.47e9 - 1) < 0.1); /* 0.47 GFLOP a step of the 3-layer network of 32 filters at batch 32 */
  make(&s, 64, 3, 128);
  flops = 0;
  for (int i = 0; i < s.n; i++) flops += s.costs[i].flops;
  assert_true(fabs(flops / 11e9 - 1) < 0.1);
}

/* Forward by five kernels, and backward by ten, of each convolution; both ways of a first one
 * that has no patches; two dense layers, their gradients, the optimiser, the end.  A network makes
 * those launches that are for its shapes: with kernel 3 the first convolution has one backward, the
 * others two gradients; the gradients of the second dense layer are a launch of their own where
 * classes are many. */
static void a_step_has_a_launch_for_each_layer_and_stage_and_each_has_its_cost(void **state)
{
  struct step_launch launches[STEP_LAUNCHES_MAX];
  struct step_cost s;
  (void)state;
  for (int layers = 1; layers <= DEVICE_CONV_MAX; layers++) {
    int n = step_launches(launches, layers), forward = 0, backward = 0;
    assert_int_equal(n, (5 + 10) * layers + 8);
    for (int i = 0; i < n; i++) {
      if (launches[i].stage->order == FIRST_LAYER_FIRST) assert_int_equal(launches[i].layer, forward++ / 5);
      if (launches[i].stage->order == LAST_LAYER_FIRST)
        assert_int_equal(launches[i].layer, layers - 1 - backward++ / 10);
      for (int j = 0; j < i; j++)
        assert_true(launches[j].stage != launches[i].stage || launches[j].layer != launches[i].layer);
    }
    assert_int_equal(forward, 5 * layers);
    assert_int_equal(backward, 10 * layers);
  }
  make_of(&s, 28, 1, 32, DEVICE_HEAD_CLASSES + 1);
  assert_int_equal(s.n, 3 + (1 + 2 * 2) + 6);
  make_of(&s, 28, 1, 32, DEVICE_HEAD_CLASSES);
  assert_int_equal(s.n, 3 + (1 + 2 * 2) + 5);
  for (int i = 0; i < s.n; i++) {
    assert_true(s.costs[i].bytes > 0);
    assert_true(s.costs[i].flops > 0 || s.launches[i].stage->launch == step_advance);
  }
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

/* What an H100 took for these, tests/gpu/results/h100-sxm-b661a9c: 165 us a step alone on 28×28×1
 * and 1,185 on 64×64×3; 29 and 585 us a trial where it was full. */
static void steps_are_reckoned_as_they_were_measured(void **state)
{
  struct step_cost small, large;
  (void)state;
  make(&small, 28, 1, 32);
  make(&large, 64, 3, 128);
  const struct gpu_rates *h100 = gpu_rates_find("H100 SXM");
  assert_true(fabs(step_work_us(&small, h100, false) / 28.7 - 1) < 0.15);
  assert_true(fabs(step_work_us(&large, h100, false) / 585 - 1) < 0.15);
  assert_true(fabs((step_wait_us(&small) + step_work_us(&small, h100, false)) / 165 - 1) < 0.15);
  double alone = step_wait_us(&large) + step_work_us(&large, h100, false);
  assert_true(alone > 0.5 * 1185 && alone < 1185); /* a large launch alone has a tail that this leaves out */
}

static void small_networks_share_launches_and_large_ones_do_not(void **state)
{
  struct step_cost small, large;
  (void)state;
  make(&small, 28, 1, 32);
  make(&large, 64, 3, 128);
  const struct gpu_rates *h100 = gpu_rates_find("H100 SXM");
  assert_true(step_share(&small, h100, false, 4) < 1.0 / 24); /* full with 24 on 4 streams, or more */
  assert_true(step_share(&large, h100, false, 4) > 1.0 / 3);
  for (int g = 0; g < gpu_rates_n; g++) {
    for (int tf32 = 0; tf32 < 2; tf32++) {
      const struct gpu_rates *r = &gpu_rates[g];
      double two = step_share(&small, r, tf32, 2), four = step_share(&small, r, tf32, 4);
      assert_true(two > 0 && fabs(four - 3 * two) < 1e-9 && step_share(&small, r, tf32, 1) == two);
      assert_true(step_share(&small, r, tf32, 2) <= step_share(&small, r, false, 2));
      assert_true(step_share(&large, r, tf32, 2) > 8 * two); /* it does more than 20 times as much */
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_work_is_that_of_the_network),
      cmocka_unit_test(a_step_has_a_launch_for_each_layer_and_stage_and_each_has_its_cost),
      cmocka_unit_test(a_floor_grows_with_the_trials_and_falls_with_the_rates),
      cmocka_unit_test(a_gpu_is_known_by_its_drivers_name),
      cmocka_unit_test(steps_are_reckoned_as_they_were_measured),
      cmocka_unit_test(small_networks_share_launches_and_large_ones_do_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
