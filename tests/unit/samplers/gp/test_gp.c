/* The Gaussian process: likelihood, gradient and posterior against a long-double reference,
 * expected improvement against an integral, and the parts around them.
 *
 *   test_gp --write FILE   writes random problems and what the model says of them, for
 *                          tests/peers/gp_sklearn.py
 *
 * Not under ThreadSanitizer: one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <float.h>

#include "host/samplers/gp/gp_acquisition.h"
#include "host/samplers/gp/gp_fit.h"
#include "tests/unit/samplers/gp/gp_fixture.h"
#include "host/samplers/gp/sobol.h"

/* --- likelihood --- */

static void likelihood_and_gradient_are_the_references(void **state)
{
  (void)state;
  for (int s = 0; s < SIZES; s++) {
    struct problem p;
    struct reference f;
    struct gp_room room;
    struct error e;
    double gradient[GP_PARAMETERS_MAX], largest_part = 1;
    problem_make(&p, sizes[s].n, sizes[s].d, sizes[s].twins, sizes[s].noise, 100 + (uint64_t)s);
    reference_make(&f, &p);
    assert_int_equal(gp_room_make(&room, p.n, &e), 0);
    double value = gp_log_likelihood(&p.data, &p.hyper, &room, gradient), bound = tolerance(&f);
    if (!(fabs(value - (double)f.value) <= bound * fmax(1, fabs((double)f.value))))
      fail_msg("n %d: likelihood %.17g, reference %.17g, condition %g", p.n, value, (double)f.value,
               (double)f.condition);
    for (int i = 0; i < p.d + 3; i++) largest_part = fmax(largest_part, fabs((double)f.gradient[i]));
    for (int i = 0; i < p.d + 3; i++) {
      if (!(fabs(gradient[i] - (double)f.gradient[i]) <= bound * largest_part))
        fail_msg("n %d: gradient %d is %.17g, reference %.17g, condition %g", p.n, i, gradient[i],
                 (double)f.gradient[i], (double)f.condition);
    }
    assert_true(gp_log_likelihood(&p.data, &p.hyper, &room, NULL) == value);
    gp_room_destroy(&room);
    reference_destroy(&f);
    problem_destroy(&p);
  }
}

static double *parameter(struct gp_hyper *h, int i, int d)
{
  return i < d ? &h->lengthscale[i] : i == d ? &h->signal : i == d + 1 ? &h->noise : &h->mean;
}

/* Central differences in the logarithm (the mean's in itself): an error of about h² and ε/h. */
static void gradients_are_those_of_finite_differences(void **state)
{
  (void)state;
  struct problem p;
  struct gp_room room;
  struct error e;
  enum { PRIORS = 3 };
  static const double narrowness[PRIORS] = {0, 0.4, 1};
  double gradient[GP_PARAMETERS_MAX], by_prior[PRIORS][GP_PARAMETERS_MAX];
  const double h = 1e-4;
  problem_make(&p, 40, 7, 0, 1e-2, 5);
  assert_int_equal(gp_room_make(&room, p.n, &e), 0);
  gp_log_likelihood(&p.data, &p.hyper, &room, gradient);
  for (int k = 0; k < PRIORS; k++) gp_log_prior(&p.hyper, p.d, narrowness[k], by_prior[k]);
  for (int i = 0; i < p.d + 3; i++) {
    double value[2], prior[PRIORS][2];
    for (int side = 0; side < 2; side++) {
      struct gp_hyper moved = p.hyper;
      double step = side ? h : -h, *at = parameter(&moved, i, p.d);
      *at = i == p.d + 2 ? *at + step : *at * exp(step);
      value[side] = gp_log_likelihood(&p.data, &moved, &room, NULL);
      for (int k = 0; k < PRIORS; k++) prior[k][side] = gp_log_prior(&moved, p.d, narrowness[k], NULL);
    }
    assert_true(fabs((value[1] - value[0]) / (2 * h) - gradient[i]) < 1e-5 * fmax(1, fabs(gradient[i])));
    for (int k = 0; k < PRIORS; k++) {
      double by = by_prior[k][i];
      assert_true(fabs((prior[k][1] - prior[k][0]) / (2 * h) - by) < 1e-5 * fmax(1, fabs(by)));
    }
  }
  gp_room_destroy(&room);
  problem_destroy(&p);
}

/* --- posterior --- */

static void posterior_is_the_references(void **state)
{
  (void)state;
  enum { POINTS = 150 }; /* more than one block */
  for (int s = 3; s < SIZES; s += 3) {
    struct problem p, q;
    struct reference f;
    struct gp_model m;
    struct error e;
    double mean[POINTS], sd[POINTS];
    problem_make(&p, sizes[s].n, sizes[s].d, sizes[s].twins, sizes[s].noise, 300 + (uint64_t)s);
    problem_make(&q, POINTS, sizes[s].d, 0, 1, 900 + (uint64_t)s);
    reference_make(&f, &p);
    assert_int_equal(gp_model_make(&m, &p.data, &p.hyper, 0, NULL, &e), 0);
    gp_model_predict(&m, POINTS, q.data.x, mean, sd);
    for (int c = 0; c < POINTS; c++) {
      long double k[GP_TEST_MAX], expected = p.hyper.mean, variance = p.hyper.signal;
      for (int a = 0; a < p.n; a++) {
        long double r2 = 0;
        for (int i = 0; i < p.d; i++) {
          long double t = (long double)q.x[i][c] - p.x[i][a], l = p.hyper.lengthscale[i];
          r2 += (p.categorical[i] ? t != 0 : t * t) / (l * l);
        }
        k[a] = kernel(p.hyper.signal, sqrtl(r2));
        expected += k[a] * f.alpha[a];
      }
      for (int a = 0; a < p.n; a++) {
        for (int b = 0; b < p.n; b++) variance -= k[a] * f.inverse[a * p.n + b] * k[b];
      }
      double bound = tolerance(&f) * fmax(1, p.hyper.signal), point[GP_DIMENSIONS_MAX], one, one_sd;
      assert_true(fabs(mean[c] - (double)expected) <= bound * fmax(1, fabs((double)expected)));
      assert_true(fabs(sd[c] * sd[c] - (double)variance) <= bound);
      for (int i = 0; i < p.d; i++) point[i] = q.x[i][c];
      gp_model_predict_one(&m, point, &one, &one_sd, NULL, NULL);
      assert_true(fabs(one - mean[c]) <= bound && fabs(one_sd * one_sd - sd[c] * sd[c]) <= bound);
    }
    gp_model_destroy(&m);
    reference_destroy(&f);
    problem_destroy(&p);
    problem_destroy(&q);
  }
}

static void gradients_by_the_point_are_those_of_finite_differences(void **state)
{
  (void)state;
  struct problem p;
  struct gp_model m;
  struct error e;
  const double h = 1e-5;
  problem_make(&p, 50, 6, 0, 1e-2, 6);
  assert_int_equal(gp_model_make(&m, &p.data, &p.hyper, 0, NULL, &e), 0);
  for (int trial = 0; trial < 20; trial++) {
    struct rng rng = rng_make((uint64_t)trial, 1);
    double point[6], mean, sd, by_mean[6], by_sd[6];
    for (int i = 0; i < 6; i++) point[i] = p.categorical[i] ? rng_below(&rng, 4) : 0.05 + 0.9 * rng_uniform(&rng);
    gp_model_predict_one(&m, point, &mean, &sd, by_mean, by_sd);
    for (int i = 0; i < 6; i++) {
      double up[6], down[6], mean_up, mean_down, sd_up, sd_down;
      if (p.categorical[i]) {
        assert_true(by_mean[i] == 0 && by_sd[i] == 0);
        continue;
      }
      memcpy(up, point, sizeof(up));
      memcpy(down, point, sizeof(down));
      up[i] += h;
      down[i] -= h;
      gp_model_predict_one(&m, up, &mean_up, &sd_up, NULL, NULL);
      gp_model_predict_one(&m, down, &mean_down, &sd_down, NULL, NULL);
      assert_true(fabs((mean_up - mean_down) / (2 * h) - by_mean[i]) < 1e-5 * fmax(1, fabs(by_mean[i])));
      assert_true(fabs((sd_up - sd_down) / (2 * h) - by_sd[i]) < 1e-5 * fmax(1, fabs(by_sd[i])));
    }
  }
  gp_model_destroy(&m);
  problem_destroy(&p);
}

static void a_believed_point_is_an_observation_of_the_posterior_mean(void **state)
{
  (void)state;
  believing_is_observing(30, 6, NULL);
}

static void a_covariance_that_is_singular_is_factored_all_the_same(void **state)
{
  (void)state;
  struct problem p;
  struct gp_model m;
  struct error e;
  double mean, sd, point[3];
  problem_make(&p, 60, 3, 0, 0, 9);
  for (int k = 0; k < 60; k++) {
    for (int i = 0; i < 3; i++) p.x[i][k] = 0.5;
  }
  assert_int_equal(gp_model_make(&m, &p.data, &p.hyper, 0, NULL, &e), 0);
  assert_true(m.hyper.noise > 0);
  for (int i = 0; i < 3; i++) point[i] = 0.5;
  gp_model_predict_one(&m, point, &mean, &sd, NULL, NULL);
  assert_true(isfinite(mean) && isfinite(sd) && sd > 0);
  gp_model_destroy(&m);
  problem_destroy(&p);
}

/* --- the fit --- */

static void a_fit_finds_which_dimensions_matter_and_keeps_its_cap(void **state)
{
  (void)state;
  struct problem p;
  struct gp_hyper fit, few;
  struct gp_room room;
  struct error e;
  problem_make(&p, 150, 4, 0, 1e-4, 10);
  for (int k = 0; k < p.n; k++) p.z[k] = sin(8 * p.x[0][k]) + (p.x[2][k] == 1 ? 1 : 0);
  assert_int_equal(gp_fit(&p.data, GP_PRIOR_WIDE, 200, NULL, &fit, &e), 0);
  assert_true(fit.lengthscale[0] < 2 && fit.lengthscale[2] < 50);
  assert_true(fit.lengthscale[1] > 100 && fit.lengthscale[3] > 100);
  assert_true(fit.noise < 1e-3);
  assert_int_equal(gp_fit(&p.data, GP_PRIOR_WIDE, 8, NULL, &few, &e), 0); /* two evaluations a start */
  assert_int_equal(gp_room_make(&room, p.n, &e), 0);
  double good = gp_log_likelihood(&p.data, &fit, &room, NULL) + gp_log_prior(&fit, p.d, 0, NULL);
  double poor = gp_log_likelihood(&p.data, &few, &room, NULL) + gp_log_prior(&few, p.d, 0, NULL);
  assert_true(good > poor + 1);
  gp_room_destroy(&room);
  problem_destroy(&p);
}

/* The same data, of which a part is few trials. */
static void a_search_has_a_narrow_prior_while_trials_are_few(void **state)
{
  (void)state;
  enum { MANY = 60 };
  struct problem p;
  struct gp_hyper search, wide;
  struct error e;
  double last = 1;
  for (int n = 0; n <= MANY; n++) {
    double narrowness = gp_prior_narrowness(GP_PRIOR_SEARCH, n);
    assert_true(narrowness <= last && narrowness >= 0);
    assert_true(gp_prior_narrowness(GP_PRIOR_WIDE, n) == 0);
    last = narrowness;
  }
  assert_true(gp_prior_narrowness(GP_PRIOR_SEARCH, 20) == 1 && last == 0);
  problem_make(&p, MANY, 4, 0, 1e-4, 10);
  for (int k = 0; k < p.n; k++) p.z[k] = sin(8 * p.x[0][k]) + (p.x[2][k] == 1 ? 1 : 0);
  memset(&search, 0, sizeof(search));
  memset(&wide, 0, sizeof(wide));
  assert_int_equal(gp_fit(&p.data, GP_PRIOR_SEARCH, 200, NULL, &search, &e), 0);
  assert_int_equal(gp_fit(&p.data, GP_PRIOR_WIDE, 200, NULL, &wide, &e), 0);
  assert_memory_equal(&search, &wide, sizeof(search));
  p.data.n = 20;
  assert_int_equal(gp_fit(&p.data, GP_PRIOR_SEARCH, 200, NULL, &search, &e), 0);
  assert_int_equal(gp_fit(&p.data, GP_PRIOR_WIDE, 200, NULL, &wide, &e), 0);
  for (int i = 0; i < p.d; i++) assert_true(search.lengthscale[i] < 5); /* none is of no account */
  assert_true(wide.lengthscale[1] > 10 && wide.lengthscale[3] > 10);
  problem_destroy(&p);
}

/* --- expected improvement --- */

static void log_expected_improvement_is_the_references(void **state)
{
  (void)state;
  for (long double z = -2000; z < 50; z += z < -60 ? 97.3L : z < -6 ? 1.7L : 0.0625L) {
    for (double sd = 1e-6; sd < 1e4; sd *= 97) {
      double best = 0.75, mean = best + (double)z * sd;
      long double exact = ((long double)mean - best) / sd, expected = log_h(exact) + logl(sd);
      double value = gp_log_expected_improvement(mean, sd, best, NULL, NULL);
      if (!(fabsl(value - expected) <= 1e-10L * fmaxl(1, fabsl(expected))))
        fail_msg("z %.6Lg, sd %g: %.17g, reference %.17Lg", exact, sd, value, expected);
    }
  }
}

static void log_expected_improvement_is_finite_and_rises_everywhere(void **state)
{
  (void)state;
  double before = -INFINITY;
  for (double z = -1e100; z < 1e100; z = z < -1e-3 ? z / 1.01 : z < 1e-3 ? z + 1e-4 : z * 1.01) {
    double by_mean, by_sd, value = gp_log_expected_improvement(z, 1, 0, &by_mean, &by_sd);
    assert_true(isfinite(value) && value > before);
    assert_true(isfinite(by_mean) && by_mean > 0 && isfinite(by_sd) && by_sd >= 0);
    before = value;
  }
}

static void derivatives_of_log_expected_improvement_are_those_of_finite_differences(void **state)
{
  (void)state;
  for (double z = -300; z < 10; z += 0.37) {
    double sd = 0.3, h = 1e-6, by_mean, by_sd;
    gp_log_expected_improvement(z * sd, sd, 0, &by_mean, &by_sd);
    double mean_slope = (gp_log_expected_improvement(z * sd + h, sd, 0, NULL, NULL) -
                         gp_log_expected_improvement(z * sd - h, sd, 0, NULL, NULL)) /
                        (2 * h);
    double sd_slope = (gp_log_expected_improvement(z * sd, sd + h, 0, NULL, NULL) -
                       gp_log_expected_improvement(z * sd, sd - h, 0, NULL, NULL)) /
                      (2 * h);
    assert_true(fabs(mean_slope - by_mean) < 1e-4 * fmax(1, fabs(by_mean)));
    assert_true(fabs(sd_slope - by_sd) < 1e-4 * fmax(1, fabs(by_sd)));
  }
}

/* --- outputs --- */

static void outputs_keep_the_order_and_failures_are_the_worst(void **state)
{
  (void)state;
  enum { N = 60 };
  double values[N], z[N], mean = 0, squares = 0;
  struct rng rng = rng_make(3, 1);
  for (int i = 0; i < N; i++) values[i] = i % 7 == 5 ? NAN : 1 - exp(3 * normal(&rng) - 4);
  gp_outputs(N, values, z);
  int count = 0;
  double worst = INFINITY;
  for (int i = 0; i < N; i++) {
    if (isnan(values[i])) continue;
    mean += z[i];
    squares += z[i] * z[i];
    worst = fmin(worst, z[i]);
    count++;
    for (int k = 0; k < N; k++) {
      if (!isnan(values[k])) assert_true((values[i] < values[k]) == (z[i] < z[k]));
    }
  }
  assert_true(fabs(mean / count) < 1e-12 && fabs(squares / count - 1) < 1e-12);
  for (int i = 0; i < N; i++) {
    if (isnan(values[i])) assert_true(z[i] == worst);
  }
}

/* A step of an accuracy near the best counts more than the same step among the bad ones. */
static void outputs_spread_what_is_near_the_best(void **state)
{
  (void)state;
  enum { N = 40 };
  double values[N], z[N];
  for (int i = 0; i < N; i++) values[i] = i < 30 ? 0.95 + 0.001 * i : 0.1 + 0.01 * (i - 30);
  gp_outputs(N, values, z);
  assert_true((z[29] - z[28]) / 0.001 > 3 * (z[31] - z[30]) / 0.01);
}

static void outputs_of_any_values_are_finite(void **state)
{
  (void)state;
  static const double some[] = {0,       -0.0,     1,        1e300,     -1e300, 1e-300,  -1e-300,   NAN,
                                DBL_MAX, -DBL_MAX, INFINITY, -INFINITY, 5e-324, -5e-324, 1 + 1e-16, 0.5};
  struct rng rng = rng_make(4, 1);
  for (int t = 0; t < 20000; t++) {
    double values[16], z[16];
    int n = (int)rng_below(&rng, 17), kinds = 1 + (int)rng_below(&rng, 16), from = (int)rng_below(&rng, 16);
    for (int i = 0; i < n; i++) values[i] = some[(from + (int)rng_below(&rng, (uint32_t)kinds)) % 16];
    gp_outputs(n, values, z);
    for (int i = 0; i < n; i++) assert_true(isfinite(z[i]) && fabs(z[i]) < 100);
  }
}

/* --- Sobol points --- */

/* Of 2^k points every coordinate has one in each interval of 2^-k, scrambled or not, and two
 * coordinates of the first pair one in each box of 2^-a by 2^-(k-a). */
static void sobol_points_cover_every_coordinate_evenly(void **state)
{
  (void)state;
  enum { K = 8, N = 1 << K };
  struct sobol s;
  sobol_make(&s, SOBOL_DIMENSIONS, 99);
  double x[SOBOL_DIMENSIONS];
  for (int i = 0; i < SOBOL_DIMENSIONS; i++) {
    bool plain[N] = {0}, scrambled[N] = {0};
    for (uint32_t k = 0; k < N; k++) {
      uint32_t y[SOBOL_DIMENSIONS];
      sobol_plain(&s, k, y);
      sobol_point(&s, k, x);
      plain[y[i] >> (32 - K)] = true;
      scrambled[(int)(x[i] * N)] = true;
    }
    for (int k = 0; k < N; k++) assert_true(plain[k] && scrambled[k]);
  }
  for (int a = 0; a <= K; a++) {
    bool box[N] = {0};
    for (uint32_t k = 0; k < N; k++) {
      sobol_point(&s, k, x);
      box[((int)(x[0] * (1 << a)) << (K - a)) + (int)(x[1] * (1 << (K - a)))] = true;
    }
    for (int k = 0; k < N; k++) assert_true(box[k]);
  }
}

static void sobol_points_differ_by_key(void **state)
{
  (void)state;
  struct sobol a, b;
  double x[6], y[6];
  sobol_make(&a, 6, 1);
  sobol_make(&b, 6, 2);
  for (uint32_t k = 0; k < 10; k++) {
    sobol_point(&a, k, x);
    sobol_point(&b, k, y);
    for (int i = 0; i < 6; i++) assert_true(x[i] != y[i] && x[i] > 0 && x[i] < 1);
  }
}

/* --- for scikit-learn --- */

/* Lines of numbers: "problem n d", categorical, lengthscales, signal noise mean, log likelihood and
 * its gradient, then a line a point, its coordinates and z; "predict m", then a line a point, its
 * coordinates, mean and deviation. */
static int write_problems(const char *path)
{
  FILE *file = fopen(path, "w");
  if (!file) return 1;
  for (int s = 1; s < SIZES; s++) {
    struct problem p, q;
    struct gp_room room;
    struct gp_model m;
    struct error e;
    enum { POINTS = 20 };
    double gradient[GP_PARAMETERS_MAX], mean[POINTS], sd[POINTS];
    problem_make(&p, sizes[s].n, sizes[s].d, 0, fmax(sizes[s].noise, 1e-4), 500 + (uint64_t)s);
    problem_make(&q, POINTS, sizes[s].d, 0, 1, 700 + (uint64_t)s);
    if (gp_room_make(&room, p.n, &e) || gp_model_make(&m, &p.data, &p.hyper, 0, NULL, &e)) return 1;
    double value = gp_log_likelihood(&p.data, &p.hyper, &room, gradient);
    gp_model_predict(&m, POINTS, q.data.x, mean, sd);
    fprintf(file, "problem %d %d\n", p.n, p.d);
    for (int i = 0; i < p.d; i++) fprintf(file, "%d ", p.categorical[i]);
    fprintf(file, "\n");
    for (int i = 0; i < p.d; i++) fprintf(file, "%.17g ", p.hyper.lengthscale[i]);
    fprintf(file, "\n%.17g %.17g %.17g\n%.17g ", p.hyper.signal, p.hyper.noise, p.hyper.mean, value);
    for (int i = 0; i < p.d + 2; i++) fprintf(file, "%.17g ", gradient[i]);
    fprintf(file, "\n");
    for (int k = 0; k < p.n; k++) {
      for (int i = 0; i < p.d; i++) fprintf(file, "%.17g ", p.x[i][k]);
      fprintf(file, "%.17g\n", p.z[k]);
    }
    fprintf(file, "predict %d\n", POINTS);
    for (int k = 0; k < POINTS; k++) {
      for (int i = 0; i < p.d; i++) fprintf(file, "%.17g ", q.x[i][k]);
      fprintf(file, "%.17g %.17g\n", mean[k], sd[k]);
    }
    gp_room_destroy(&room);
    gp_model_destroy(&m);
    problem_destroy(&p);
    problem_destroy(&q);
  }
  return fclose(file) != 0;
}

int main(int argc, char **argv)
{
  if (argc == 3 && !strcmp(argv[1], "--write")) return write_problems(argv[2]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(likelihood_and_gradient_are_the_references),
      cmocka_unit_test(gradients_are_those_of_finite_differences),
      cmocka_unit_test(posterior_is_the_references),
      cmocka_unit_test(gradients_by_the_point_are_those_of_finite_differences),
      cmocka_unit_test(a_believed_point_is_an_observation_of_the_posterior_mean),
      cmocka_unit_test(a_covariance_that_is_singular_is_factored_all_the_same),
      cmocka_unit_test(a_fit_finds_which_dimensions_matter_and_keeps_its_cap),
      cmocka_unit_test(a_search_has_a_narrow_prior_while_trials_are_few),
      cmocka_unit_test(log_expected_improvement_is_the_references),
      cmocka_unit_test(log_expected_improvement_is_finite_and_rises_everywhere),
      cmocka_unit_test(derivatives_of_log_expected_improvement_are_those_of_finite_differences),
      cmocka_unit_test(outputs_keep_the_order_and_failures_are_the_worst),
      cmocka_unit_test(outputs_spread_what_is_near_the_best),
      cmocka_unit_test(outputs_of_any_values_are_finite),
      cmocka_unit_test(sobol_points_cover_every_coordinate_evenly),
      cmocka_unit_test(sobol_points_differ_by_key),
  };
  return cmocka_run_group_tests_name("gp", tests, NULL, NULL);
}
