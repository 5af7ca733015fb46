/* Steps between measured ones: what was measured comes out as it was, and what lies between lies
 * between.
 *
 * Not under ThreadSanitizer: one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "tests/bench/gpu_steps.h"

static const char path[] = "tests/gpu/results/h100-sxm-b661a9c/results.json";

static struct gpu_steps *measured(const char *precision)
{
  struct gpu_steps *g;
  struct error e = {0};
  if (gpu_steps_read(&g, path, precision, &e)) fail_msg("%s", e.message);
  return g;
}

/* That many equal trials in a cohort of the measured networks' 12 launches. */
static struct gpu_cohort cohort_of(const struct gpu_steps *g, double trials, double floor_us)
{
  return (struct gpu_cohort){.floor_us = trials * floor_us,
                             .square = trials * floor_us * floor_us,
                             .full_us = trials * gpu_full_us(g, floor_us),
                             .launches = 12};
}

/* Microseconds of a step of `streams` such cohorts side by side. */
static double step_us(const struct gpu_steps *g, int streams, double trials, double floor_us)
{
  struct gpu_cohort c = cohort_of(g, trials, floor_us);
  double load = gpu_cohort_load(g, &c), alone = gpu_step_alone_us(g, &c);
  return streams == 1 ? alone : alone * gpu_slowdown(g, load, streams * load);
}

/* Lines of the file, in FP32. */
static const struct {
  int streams, trials;
  double floor_us, step_us; /* floor of all trials */
} lines[] = {
    {1, 1, 7.73988, 165.205}, {1, 8, 61.919, 335.479},   {1, 32, 247.676, 1017.97}, {1, 1, 170.202, 1185.11},
    {1, 4, 680.81, 3285.85},  {1, 16, 2723.24, 10359.2}, {2, 8, 61.919, 307.4},     {4, 32, 247.676, 919.1},
    {4, 4, 680.81, 2513.6},   {2, 16, 2723.24, 9732.3},  {4, 16, 123.838, 492.2},
};

static void what_was_measured_comes_out(void **state)
{
  struct gpu_steps *g = measured("fp32");
  (void)state;
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    double us =
        step_us(g, lines[i].streams, (double)lines[i].trials / lines[i].streams, lines[i].floor_us / lines[i].trials);
    /* side by side it goes by the load alone, and two points of like loads differ by as much */
    assert_true(fabs(us / lines[i].step_us - 1) < (lines[i].streams == 1 ? 1e-3 : 0.12));
  }
  gpu_steps_free(g);
}

static void more_work_takes_longer_and_a_gpu_does_no_more_than_it_can(void **state)
{
  static const char *const precisions[] = {"fp32", "tf32"};
  (void)state;
  for (int k = 0; k < 2; k++) {
    struct gpu_steps *g = measured(precisions[k]);
    for (double f = 0.5; f < 2000; f *= 1.7)
      for (int streams = 1; streams <= 4; streams *= 2) {
        double before = 0;
        for (double trials = 1; trials <= 32; trials += 0.5) {
          double us = step_us(g, streams, trials, f);
          assert_true(us > before);
          assert_true(us >= streams * trials * gpu_full_us(g, f) * (1 - 1e-9) || streams == 1);
          assert_true(step_us(g, streams, trials, 1.7 * f) > us);
          before = us;
        }
      }
    gpu_steps_free(g);
  }
}

static void a_light_trial_waits_for_the_heavy_ones_of_its_cohort(void **state)
{
  struct gpu_steps *g = measured("fp32");
  struct gpu_cohort light = cohort_of(g, 1, 7.74), heavy = cohort_of(g, 2, 170), both = heavy;
  (void)state;
  both.floor_us += light.floor_us;
  both.square += light.square;
  both.full_us += light.full_us;
  assert_true(gpu_step_alone_us(g, &both) > 5 * gpu_step_alone_us(g, &light));
  assert_true(gpu_step_alone_us(g, &both) < 1.1 * gpu_step_alone_us(g, &heavy));
  struct gpu_cohort more = heavy;
  more.launches++;
  assert_true(gpu_step_alone_us(g, &more) > gpu_step_alone_us(g, &heavy) + 5);
  gpu_steps_free(g);
}

static void a_file_without_steps_is_refused(void **state)
{
  struct gpu_steps *g;
  struct error e = {0};
  (void)state;
  assert_true(gpu_steps_read(&g, "tests/gpu/results/h100-sxm-b661a9c/peers.json", "fp32", &e) != 0);
  assert_null(g);
  assert_non_null(strstr(e.message, "peers.json"));
  assert_true(gpu_steps_read(&g, path, "fp64", &e) != 0);
  assert_non_null(strstr(e.message, "fp64"));
  assert_true(gpu_steps_read(&g, "tests/gpu/results/METHOD.md", "fp32", &e) != 0);
  assert_true(gpu_steps_read(&g, "no/such", "fp32", &e) != 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_measured_comes_out),
      cmocka_unit_test(more_work_takes_longer_and_a_gpu_does_no_more_than_it_can),
      cmocka_unit_test(a_light_trial_waits_for_the_heavy_ones_of_its_cohort),
      cmocka_unit_test(a_file_without_steps_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
