/* The minimum within bounds that a block seeks (kernels/lbfgs.cuh), beside NLopt's, which has the
 * same bounds, tolerance and number of evaluations, on functions with known minima; and what is not
 * finite.  test_lbfgs_checked includes this file.
 *
 * Not under ThreadSanitizer: one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nlopt.h>

#include "tests/cudacpu/cudacpu.h"
#include "host/base/rng.h"
#include "tests/unit/kernels/lbfgs_functions.h"

/* As enum lbfgs_end, which is C++. */
enum { CONVERGED = 1, EVALUATIONS, FAILED };
enum { CLIMBS = 24, FEW = 3 };

static cudaStream_t stream;

static bool is_slow(void)
{
#ifdef CUDACPU_WITH_ASAN
  return true;
#else
  return cudacpu_is_checked();
#endif
}

static int one_stream(void **state)
{
  (void)state;
  const size_t memory[1] = {(size_t)1 << 26};
  cudacpu_clear_reports();
  cudacpu_reset(1, memory);
  return cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess;
}

static int no_stream(void **state)
{
  (void)state;
  return cudaStreamDestroy(stream) != cudaSuccess || cudacpu_report_count() > 0 || cudacpu_counts().allocations > 0;
}

/* From x to the minimum. */
static void run(struct lbfgs_task task, int count, struct lbfgs_climb *climbs, int cluster)
{
  void *device;
  const size_t bytes = (size_t)count * sizeof *climbs;
  assert_int_equal(cudaMalloc(&device, bytes), cudaSuccess);
  assert_int_equal(cudaMemcpy(device, climbs, bytes, cudaMemcpyHostToDevice), cudaSuccess);
  assert_int_equal(lbfgs_climb_all(task, count, device, cluster, stream), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
  assert_int_equal(cudaMemcpy(climbs, device, bytes, cudaMemcpyDeviceToHost), cudaSuccess);
  assert_int_equal(cudaFree(device), cudaSuccess);
  if (cudacpu_report_count()) fail_msg("%s", cudacpu_report(0)->text);
}

static void draw_starts(const struct lbfgs_task *task, struct lbfgs_climb *climbs)
{
  struct rng rng = rng_make(5, philox_subsequence(PHILOX_TEST, 0, 0));
  memset(climbs, 0, CLIMBS * sizeof *climbs);
  for (int c = 0; c < CLIMBS; c++) {
    for (int i = 0; i < task->n; i++) climbs[c].x[i] = task->low + (task->high - task->low) * rng_uniform(&rng);
  }
}

static double nlopt_function(unsigned n, const double *x, double *gradient, void *context)
{
  const struct lbfgs_task *task = context;
  double sum = 0, derivative;
  for (unsigned i = 0; i < n; i++) {
    sum += lbfgs_part_of(task->function, task->n, x, (int)i, &derivative);
    if (gradient) gradient[i] = derivative;
  }
  return sum;
}

static double minimum_of_nlopt(struct lbfgs_task task, const struct lbfgs_climb *start)
{
  double x[LBFGS_DIMENSIONS_MAX], value = 0;
  nlopt_opt opt = nlopt_create(NLOPT_LD_LBFGS, (unsigned)task.n);
  memcpy(x, start->x, sizeof x);
  nlopt_set_min_objective(opt, nlopt_function, &task);
  nlopt_set_lower_bounds1(opt, task.low);
  nlopt_set_upper_bounds1(opt, task.high);
  nlopt_set_maxeval(opt, task.evaluations);
  nlopt_set_ftol_abs(opt, task.tolerance);
  nlopt_optimize(opt, x, &value);
  nlopt_destroy(opt);
  return nlopt_function((unsigned)task.n, x, NULL, &task);
}

static void within_bounds(const struct lbfgs_task *task, const struct lbfgs_climb *c)
{
  for (int i = 0; i < task->n; i++) assert_true(c->x[i] >= task->low && c->x[i] <= task->high);
}

/* The least that a function of the table comes to within its bounds, known by its definition. */
static double known_minimum(const struct lbfgs_task *task)
{
  double x[LBFGS_DIMENSIONS_MAX] = {0}, value = 0, derivative;
  for (int i = 0; i < task->n; i++) { /* parts that depend on one dimension alone */
    double centre = task->n > 1 ? -1 + 3.0 * (i * 7 % task->n) / (task->n - 1) : 0;
    x[i] = task->function == ROSENBROCK ? 1
           : task->function == ELLIPSE  ? fmin(fmax(centre, task->low), task->high)
                                        : 0.4;
  }
  for (int i = 0; i < task->n; i++) value += lbfgs_part_of(task->function, task->n, x, i, &derivative);
  return value;
}

/* To the end: within the tolerance of the known minimum, or, as NLopt from there, in Rosenbrock's
 * other one, 3.986 from it. */
static void the_known_minima_are_found(void **state)
{
  static const struct lbfgs_task tasks[] = {
      {ROSENBROCK, 2, 100, -2, 2, 1e-9, 1},   {ROSENBROCK, 10, 200, -2, 2, 1e-9, 1},
      {ROSENBROCK, 64, 1000, -2, 2, 1e-9, 1}, {ELLIPSE, 1, 20, -2, 2, 1e-9, 1},
      {ELLIPSE, 5, 50, 0, 1, 1e-9, 1},        {ELLIPSE, 64, 300, 0, 1, 1e-9, 1},
      {ELLIPSE, 67, 500, -3, 3, 1e-9, 1},     {ELLIPSE, 33, 500, -1.5, 0.25, 1e-9, 10},
  };
  (void)state;
  for (size_t k = 0; k < sizeof tasks / sizeof *tasks; k++) {
    struct lbfgs_climb c[CLIMBS];
    int count = tasks[k].n > 10 ? FEW : CLIMBS;
    if (is_slow() && tasks[k].n > 10) continue;
    draw_starts(&tasks[k], c);
    run(tasks[k], count, c, 0);
    for (int i = 0; i < count; i++) {
      double above = c[i].value - known_minimum(&tasks[k]);
      bool other = tasks[k].function == ROSENBROCK && tasks[k].n > 3 && fabs(above - 3.986) < 0.002;
      within_bounds(&tasks[k], &c[i]);
      assert_int_equal(c[i].end, CONVERGED);
      if (!(above > -1e-9 && above < 1e-6) && !other)
        fail_msg("function %d of %d dimensions: %g above its minimum", tasks[k].function, tasks[k].n, above);
    }
  }
}

/* With as few evaluations as a search has they are as far as NLopt is, on average: what is left is
 * at most an eighth more, or the tolerance. */
static void few_evaluations_bring_what_they_bring_nlopt(void **state)
{
  static const struct lbfgs_task tasks[] = {
      {ROSENBROCK, 2, 25, -2, 2, 1e-4, 1}, {ROSENBROCK, 10, 50, -2, 2, 1e-3, 1}, {ROSENBROCK, 64, 50, -2, 2, 1e-3, 1},
      {ELLIPSE, 5, 25, 0, 1, 1e-4, 1},     {ELLIPSE, 64, 25, 0, 1, 1e-4, 1},     {VALLEY, 3, 25, 0, 1, 1e-4, 0.25},
      {VALLEY, 20, 25, 0, 1, 1e-4, 0.25},
  };
  (void)state;

  for (size_t k = 0; k < sizeof tasks / sizeof *tasks; k++) {
    struct lbfgs_climb c[CLIMBS], start[CLIMBS];
    double left = 0, left_by_nlopt = 0, least = known_minimum(&tasks[k]);
    if (is_slow() && tasks[k].n > 5) continue;
    draw_starts(&tasks[k], c);
    memcpy(start, c, sizeof c);
    run(tasks[k], CLIMBS, c, 0);
    for (int i = 0; i < CLIMBS; i++) {
      within_bounds(&tasks[k], &c[i]);
      assert_true(c[i].evaluations <= tasks[k].evaluations);
      assert_true(c[i].end == (c[i].evaluations == tasks[k].evaluations ? EVALUATIONS : CONVERGED) ||
                  c[i].end == CONVERGED);
      left += (c[i].value - least) / CLIMBS;
      left_by_nlopt += (minimum_of_nlopt(tasks[k], &start[i]) - least) / CLIMBS;
    }
    if (!(left < 1.125 * left_by_nlopt + tasks[k].tolerance))
      fail_msg("function %d of %d dimensions: %g left, by NLopt %g", tasks[k].function, tasks[k].n, left,
               left_by_nlopt);
  }
}

/* A start of which nothing is known stays; of the others each has the bits that it has alone. */
static void what_is_not_finite_is_gone_round_and_harms_no_other(void **state)
{
  (void)state;
  for (int function = CLIFF; function <= TORN; function++) {
    const struct lbfgs_task task = {function, 3, 60, 0, 1, 1e-9, 1};
    struct lbfgs_climb c[CLIMBS], start[CLIMBS];
    int failed = 0;
    draw_starts(&task, c);
    c[1].x[0] = 0.499;
    c[1].x[1] = 0.2;
    memcpy(start, c, sizeof c);
    run(task, CLIMBS, c, 0);
    for (int i = 0; i < CLIMBS; i++) {
      struct lbfgs_climb alone = start[i];
      bool fails = start[i].x[0] > 0.5 || (function == CLIFF && start[i].x[1] < 0.2);
      run(task, 1, &alone, 0);
      assert_memory_equal(&alone, &c[i], sizeof alone);
      failed += fails;
      assert_int_equal(c[i].end, fails ? FAILED : CONVERGED);
      if (fails)
        assert_memory_equal(c[i].x, start[i].x, sizeof c[i].x);
      else
        assert_true(c[i].value < 1e-6);
    }
    assert_true(failed > 0 && failed < CLIMBS);
  }
}

static void what_has_no_way_down_ends_at_once(void **state)
{
  (void)state;
  for (int function = FLAT; function <= NOWHERE; function += NOWHERE - FLAT) {
    const struct lbfgs_task task = {function, 64, 25, 0, 1, 1e-4, 1};
    struct lbfgs_climb c[CLIMBS], start[CLIMBS];
    draw_starts(&task, c);
    memcpy(start, c, sizeof c);
    run(task, CLIMBS, c, 0);
    for (int i = 0; i < CLIMBS; i++) {
      assert_int_equal(c[i].evaluations, 1);
      assert_int_equal(c[i].end, function == FLAT ? CONVERGED : FAILED);
      assert_memory_equal(c[i].x, start[i].x, sizeof c[i].x);
    }
  }
}

/* None at all, no width, one evaluation, no dimension. */
static void bounds_and_numbers_at_their_edges(void **state)
{
  (void)state;
  struct lbfgs_climb c = {.x = {0.7, -0.3, 1.1, 0.2}};
  struct lbfgs_task task = {ELLIPSE, 4, 100, -INFINITY, INFINITY, 1e-12, 1};
  run(task, 1, &c, 0);
  assert_int_equal(c.end, CONVERGED);
  assert_true(c.value < 1e-9);
  c = (struct lbfgs_climb){.x = {0.5, 0.5, 0.5, 0.5}};
  task.low = task.high = 0.5;
  run(task, 1, &c, 0);
  assert_true(c.evaluations == 1 && c.end == CONVERGED && c.x[0] == 0.5 && c.x[3] == 0.5);
  task.low = -9;
  task.evaluations = 1;
  run(task, 1, &c, 0);
  assert_true(c.evaluations == 1 && c.end == EVALUATIONS && c.x[1] == 0.5);
  task.n = 0;
  task.evaluations = 9;
  run(task, 1, &c, 0);
  assert_true(c.evaluations == 1 && c.end == CONVERGED && c.value == 0);
}

/* The whole cluster's evaluations have the block's bits here, and so has what comes of them. */
static void the_same_bits_by_a_cluster_and_in_any_order(void **state)
{
  (void)state;
  for (int n = 3; n <= LBFGS_DIMENSIONS_MAX; n += 32) {
    const struct lbfgs_task task = {ROSENBROCK, n, is_slow() ? 12 : 20, -2, 0.8, 1e-6, 1};
    struct lbfgs_climb expected[CLIMBS];
    draw_starts(&task, expected);
    run(task, FEW, expected, 0);
    for (int order = 0; order < 6; order++) {
      struct lbfgs_climb c[CLIMBS];
      draw_starts(&task, c);
      cudacpu_set_order((enum cudacpu_order)(order / 2), (enum cudacpu_order)(order / 2), (uint64_t)order);
      run(task, FEW, c, order % 2);
      assert_memory_equal(c, expected, FEW * sizeof *c);
    }
    if (is_slow()) break;
  }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, one_stream, no_stream)
  const struct CMUnitTest tests[] = {
      TEST(the_known_minima_are_found),
      TEST(few_evaluations_bring_what_they_bring_nlopt),
      TEST(what_is_not_finite_is_gone_round_and_harms_no_other),
      TEST(what_has_no_way_down_ends_at_once),
      TEST(bounds_and_numbers_at_their_edges),
      TEST(the_same_bits_by_a_cluster_and_in_any_order),
  };
  return cmocka_run_group_tests_name("lbfgs", tests, NULL, NULL);
}
