/* The Gaussian process's kernels: likelihood, gradient and posterior against LAPACK (gp_model.c)
 * and long doubles, expected improvement against an integral, the best candidates against a sort;
 * and the same bits alone, in batches and in any order of threads and blocks.
 *
 * Not under ThreadSanitizer: the host has one thread here, and a sweep over shapes runs under one
 * sanitizer. */
#include "tests/unit/samplers/gp/kernels_gp_fixture.h"

#include "host/samplers/gp/gp_fit.h"

enum { POINTS = 150 };

/* ---- likelihood ------------------------------------------------------------------------------ */

static void near_by(const char *what, const struct problem *p, const double *got, const double *gradient,
                    double expected, const long double *expected_gradient, double bound)
{
  double largest_part = 1;
  if (!(fabs(*got - expected) <= bound * fmax(1, fabs(expected))))
    fail_msg("n %d: likelihood %.17g, %s %.17g, bound %g", p->n, *got, what, expected, bound);
  for (int i = 0; i < p->d + 3; i++) largest_part = fmax(largest_part, fabs((double)expected_gradient[i]));
  for (int i = 0; i < p->d + 3; i++) {
    if (!(fabs(gradient[i] - (double)expected_gradient[i]) <= bound * largest_part))
      fail_msg("n %d: gradient %d is %.17g, %s %.17g, bound %g", p->n, i, gradient[i], what,
               (double)expected_gradient[i], bound);
  }
}

/* The problem's own hyperparameters between two others: a batch of three. */
static void others(const struct problem *p, struct gp_hyper *h)
{
  for (int b = 0; b < 3; b++) {
    h[b] = p->hyper;
    for (int i = 0; i < p->d; i++) h[b].lengthscale[i] *= 1 + 0.4 * (b - 1);
    h[b].noise *= b == 0 ? 10 : b == 2 ? 3 : 1;
  }
}

/* Sizes of the table, and some that are drawn; KERNELS_SEED=N draws others. */
static void draw_problem(struct problem *p, int s)
{
  const char *given = getenv("KERNELS_SEED");
  uint64_t seed = 1100 + (uint64_t)s + 1000 * (given ? strtoull(given, NULL, 10) : 0);
  struct rng rng = rng_make(seed, 2);
  if (s < SIZES) {
    problem_make(p, sizes[s].n, sizes[s].d, sizes[s].twins, sizes[s].noise, seed);
    return;
  }
  int n = 2 + (int)rng_below(&rng, is_slow() ? 100 : 250), d = 1 + (int)rng_below(&rng, 20);
  problem_make(p, n, d, (int)rng_below(&rng, (uint32_t)n / 2), pow(10, -6 + 5 * rng_uniform(&rng)), seed);
}

static void likelihood_and_gradient_are_lapacks_and_the_references(void **state)
{
  enum { DRAWN = 10 };
  (void)state;
  for (int s = 0; s < SIZES + DRAWN; s++) {
    struct problem p;
    struct reference f;
    struct gp_room room;
    struct error e;
    struct gp_hyper h[3];
    double value[3], gradient[3][GP_PARAMETERS_MAX], lapacks[GP_PARAMETERS_MAX];
    long double widened[GP_PARAMETERS_MAX];
    if (s < SIZES && too_large(sizes[s].n)) continue;
    draw_problem(&p, s);
    reference_make(&f, &p);
    others(&p, h);
    struct gp_workspace *w = gp_workspace_take(devices);
    gp_workspace_observe(w, &p.data, 0);
    gp_workspace_likelihoods(w, 3, h, value, gradient);
    give_back(w);
    near_by("reference", &p, &value[1], gradient[1], (double)f.value, f.gradient, tolerance(&f));
    assert_int_equal(gp_room_make(&room, p.n, &e), 0);
    for (int b = 0; b < 3; b++) { /* noise above the reference's conditions better; lengthscales are not far */
      double lapack = gp_log_likelihood(&p.data, &h[b], &room, lapacks);
      for (int i = 0; i < p.d + 3; i++) widened[i] = lapacks[i];
      near_by("LAPACK", &p, &value[b], gradient[b], lapack, widened, 10 * tolerance(&f));
    }
    gp_room_destroy(&room);
    reference_destroy(&f);
    problem_destroy(&p);
  }
}

static void a_covariance_that_is_not_positive_definite_is_told_and_harms_no_other(void **state)
{
  (void)state;
  struct problem p;
  struct gp_hyper h[3];
  double value[3], gradient[3][GP_PARAMETERS_MAX], alone, by[1][GP_PARAMETERS_MAX], alpha[70];
  problem_make(&p, 70, 4, 0, 1e-3, 21);
  for (int k = 40; k < 70; k++) {
    for (int i = 0; i < 4; i++) p.x[i][k] = 0.5;
  }
  for (int b = 0; b < 3; b++) h[b] = p.hyper;
  h[1].noise = -1e-9; /* rounding might leave 0 positive */
  struct gp_workspace *w = gp_workspace_take(devices);
  gp_workspace_observe(w, &p.data, 0);
  gp_workspace_likelihoods(w, 3, h, value, gradient);
  gp_workspace_likelihoods(w, 1, h, &alone, by);
  assert_true(isinf(value[1]) && value[1] < 0);
  for (int i = 0; i < p.d + 3; i++) assert_true(gradient[1][i] == 0);
  for (int b = 0; b < 3; b += 2) {
    assert_true(value[b] == alone && isfinite(alone));
    assert_memory_equal(gradient[b], by[0], (size_t)(p.d + 3) * sizeof(double));
  }
  assert_false(gp_workspace_condition(w, &h[1], alpha));
  assert_true(gp_workspace_condition(w, &h[0], alpha));
  give_back(w);
  problem_destroy(&p);
}

static void a_covariance_that_is_singular_is_factored_all_the_same(void **state)
{
  (void)state;
  struct problem p;
  struct gp_model m;
  struct error e;
  double mean, sd, point[3] = {0.5, 0.5, 0.5};
  problem_make(&p, 60, 3, 0, -1e-9, 9);
  for (int k = 0; k < 60; k++) {
    for (int i = 0; i < 3; i++) p.x[i][k] = 0.5;
  }
  struct gp_workspace *w = gp_workspace_take(devices);
  assert_int_equal(gp_model_make(&m, &p.data, &p.hyper, 0, w, &e), 0);
  assert_true(m.hyper.noise > 0);
  gp_model_predict_one(&m, point, &mean, &sd, NULL, NULL);
  assert_true(isfinite(mean) && isfinite(sd) && sd > 0);
  gp_model_destroy(&m);
  give_back(w);
  problem_destroy(&p);
}

/* ---- posterior ------------------------------------------------------------------------------- */

static void *on_device(const void *host, size_t bytes)
{
  void *p;
  assert_int_equal(cudaMalloc(&p, bytes), cudaSuccess);
  if (host) assert_int_equal(cudaMemcpy(p, host, bytes, cudaMemcpyHostToDevice), cudaSuccess);
  return p;
}

static cudaStream_t stream_open(void)
{
  cudaStream_t s;
  assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
  assert_int_equal(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), cudaSuccess);
  return s;
}

/* A posterior of made-up numbers: L⁻¹ and α are drawn, so that whatever size costs no factor. */
static struct device_gp drawn_posterior(const struct problem *p, double *inverse, double *alpha, int capability)
{
  struct rng rng = rng_make(17, 3);
  struct device_gp_hyper hyper = {.signal = p->hyper.signal, .noise = p->hyper.noise, .mean = p->hyper.mean};
  struct device_gp g = {.n = p->n, .d = p->d, .rows = (p->n + GP_TILE - 1) / GP_TILE * GP_TILE};
  double(*x)[GP_ROWS_MAX] = calloc((size_t)p->d, sizeof *x);
  g.capability = capability;
  for (int i = 0; i < p->d; i++) {
    hyper.weight[i] = 1 / (p->hyper.lengthscale[i] * p->hyper.lengthscale[i]);
    if (p->categorical[i]) g.categorical |= (uint64_t)1 << i;
    memcpy(x[i], p->x[i], (size_t)p->n * sizeof(double));
  }
  for (int i = 0; i < g.rows * g.rows; i++) {
    int row = i / g.rows, column = i % g.rows;
    inverse[i] = row == column;
    if (row < p->n) inverse[i] = column > row ? 0 : normal(&rng) / (p->hyper.signal * p->n);
  }
  for (int i = 0; i < g.rows; i++) alpha[i] = i < p->n ? normal(&rng) : 0;
  g.x = on_device(x, (size_t)p->d * sizeof *x);
  g.hyper = on_device(&hyper, sizeof hyper);
  g.inverse = on_device(inverse, (size_t)(g.rows * g.rows) * sizeof(double));
  g.alpha = on_device(alpha, (size_t)g.rows * sizeof(double));
  g.packed = on_device(NULL, (size_t)GP_ROWS_MAX * GP_ROWS_MAX * sizeof(double));
  g.scaled = on_device(NULL, (size_t)p->d * GP_ROWS_MAX * sizeof(double));
  free(x);
  return g;
}

/* What the posterior at point c is, and the sum of what the mean is a sum of, in absolute value. */
static void plain_posterior(const struct problem *p, const struct problem *q, int c, const double *inverse, int rows,
                            const double *alpha, long double *mean, long double *variance, long double *size)
{
  long double k[GP_ROWS_MAX];
  *mean = *size = p->hyper.mean;
  *variance = p->hyper.signal;
  for (int j = 0; j < p->n; j++) {
    long double r2 = 0;
    for (int i = 0; i < p->d; i++) {
      long double t = (long double)p->x[i][j] - q->x[i][c];
      r2 += (p->categorical[i] ? t != 0 : t * t) / ((long double)p->hyper.lengthscale[i] * p->hyper.lengthscale[i]);
    }
    k[j] = kernel(p->hyper.signal, sqrtl(r2));
    *mean += k[j] * alpha[j];
    *size = fabsl(*size) + fabsl(k[j] * alpha[j]);
  }
  for (int i = 0; i < p->n; i++) {
    long double v = 0;
    for (int j = 0; j <= i; j++) v += inverse[i * rows + j] * k[j];
    *variance -= v * v;
  }
}

/* Sizes about which the kernels for many points go another way; each sum is of at most some hundred
 * terms whose roundings are 1e-16 of the largest. */
static void many_points_have_the_posterior_of_a_plain_loop(int capability)
{
  static const int n[] = {1, 15, 17, 100, 208, 209, 256, 257, 272, 300, 511, 512};
  enum { MOST = 70 };
  for (size_t s = 0; s < sizeof n / sizeof *n; s++) {
    struct problem p, q;
    double mean[MOST], sd[MOST], x[9][MOST];
    int d = n[s] == 100 ? 9 : 1 + (int)s % 4, count = is_slow() ? 3 : s % 2 ? MOST : 64;
    if (is_slow() && n[s] != 17 && n[s] != 209 && n[s] != 272) continue;
    problem_make(&p, n[s], d, n[s] / 8, 1e-4, 61 + s);
    problem_make(&q, count, d, 0, 1, 71 + s);
    double *inverse = calloc((size_t)GP_ROWS_MAX * GP_ROWS_MAX, sizeof *inverse), alpha[GP_ROWS_MAX];
    struct device_gp g = drawn_posterior(&p, inverse, alpha, capability);
    for (int i = 0; i < d; i++) memcpy(x[i], q.x[i], (size_t)count * sizeof(double));
    x[0][0] = q.x[0][0] = 1e6; /* so far that nothing is known of it */
    if (d > 1) x[0][1] = q.x[0][1] = p.x[0][0];
    double *device_x = on_device(x, sizeof x), *device_mean = on_device(NULL, sizeof mean),
           *device_sd = on_device(NULL, sizeof sd);
    cudaStream_t stream = stream_open();
    assert_int_equal(gp_predict_prepare(capability), cudaSuccess);
    assert_int_equal(gp_predict(&g, count, MOST, device_x, device_mean, device_sd, stream), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    assert_int_equal(cudaMemcpy(mean, device_mean, (size_t)count * sizeof *mean, cudaMemcpyDeviceToHost), cudaSuccess);
    assert_int_equal(cudaMemcpy(sd, device_sd, (size_t)count * sizeof *sd, cudaMemcpyDeviceToHost), cudaSuccess);
    for (int c = 0; c < count; c++) {
      long double of_mean, variance, size;
      plain_posterior(&p, &q, c, inverse, g.rows, alpha, &of_mean, &variance, &size);
      if (!(fabsl(mean[c] - of_mean) <= 1e-13L * size) ||
          !(fabsl((long double)sd[c] * sd[c] - variance) <= 1e-13L * p.hyper.signal))
        fail_msg("n %d, d %d, point %d: mean %.17g, %.17Lg; variance %.17g, %.17Lg", n[s], d, c, mean[c], of_mean,
                 sd[c] * sd[c], variance);
    }
    void *const memory[] = {g.x,      (void *)g.hyper, g.inverse,   g.alpha,  g.packed,
                            g.scaled, device_x,        device_mean, device_sd};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) cudaFree(memory[i]);
    cudaStreamDestroy(stream);
    free(inverse);
    problem_destroy(&p);
    problem_destroy(&q);
    no_reports();
  }
}

static void many_points_are_those_of_a_plain_loop(void **state)
{
  (void)state;
  many_points_have_the_posterior_of_a_plain_loop(8);
}

/* By the products of compute capability 9.0. */
static void many_points_by_larger_products_are_those_of_a_plain_loop(void **state)
{
  int capability = 0;
  (void)state;
  assert_int_equal(gp_capability(&capability), cudaSuccess);
  if (capability < GP_CAPABILITY_90) skip();
  many_points_have_the_posterior_of_a_plain_loop(capability);
}

/* At points of their own, near the observations and far from them. */
static void posterior_and_its_gradients_are_lapacks(void **state)
{
  (void)state;
  for (int s = 0; s < SIZES; s++) {
    struct problem p, q;
    struct reference f;
    struct gp_model there, here;
    struct error e;
    double mean[POINTS], sd[POINTS], expected[POINTS], expected_sd[POINTS];
    int count = too_large(100 + sizes[s].n) ? 20 : POINTS;
    if (too_large(sizes[s].n)) continue;
    problem_make(&p, sizes[s].n, sizes[s].d, sizes[s].twins, sizes[s].noise, 1300 + (uint64_t)s);
    problem_make(&q, count, sizes[s].d, 0, 1, 1900 + (uint64_t)s);
    for (int i = 0; i < p.d; i++) q.x[i][0] = p.x[i][0];
    reference_make(&f, &p);
    double bound = tolerance(&f) * fmax(1, p.hyper.signal);
    struct gp_workspace *w = gp_workspace_take(devices);
    assert_int_equal(gp_model_make(&here, &p.data, &p.hyper, 0, NULL, &e), 0);
    assert_int_equal(gp_model_make(&there, &p.data, &p.hyper, 0, w, &e), 0);
    for (int k = 0; k < p.n; k++)
      assert_true(fabs(there.alpha[k] - (double)f.alpha[k]) <=
                  bound * fmax(1, fabs((double)f.alpha[k])) / p.hyper.noise);
    gp_model_predict(&here, count, q.data.x, expected, expected_sd);
    gp_model_predict(&there, count, q.data.x, mean, sd);
    for (int c = 0; c < count; c++) {
      double point[GP_DIMENSIONS_MAX], one, one_sd, by_mean[GP_DIMENSIONS_MAX], by_sd[GP_DIMENSIONS_MAX];
      double each[GP_EACH_MAX][GP_DIMENSIONS_MAX], each_mean[GP_EACH_MAX], each_sd[GP_EACH_MAX], plain, plain_sd;
      double host_mean, host_sd, host_by_mean[GP_DIMENSIONS_MAX], host_by_sd[GP_DIMENSIONS_MAX], largest_part = 1;
      assert_true(fabs(mean[c] - expected[c]) <= bound * fmax(1, fabs(expected[c])));
      assert_true(fabs(sd[c] * sd[c] - expected_sd[c] * expected_sd[c]) <= bound);
      if (c % 10 > 0) continue;
      for (int i = 0; i < p.d; i++) point[i] = q.x[i][c];
      gp_model_predict_one(&there, point, &one, &one_sd, by_mean, by_sd);
      gp_model_predict_one(&here, point, &host_mean, &host_sd, host_by_mean, host_by_sd);
      for (int i = 0; i < GP_EACH_MAX; i++) memcpy(each[i], point, sizeof point);
      each[3][0] += 0.1;
      gp_model_predict_each(&there, GP_EACH_MAX, (const double(*)[GP_DIMENSIONS_MAX])each, each_mean, each_sd);
      for (int i = 0; i < GP_EACH_MAX; i++) {
        if (i != 3) assert_true(each_mean[i] == one && each_sd[i] == one_sd);
      }
      gp_model_predict_one(&there, each[3], &plain, &plain_sd, NULL, NULL);
      assert_true(each_mean[3] == plain && each_sd[3] == plain_sd);
      assert_true(fabs(one - mean[c]) <= bound * fmax(1, fabs(one)));
      assert_true(fabs(one_sd * one_sd - sd[c] * sd[c]) <= bound);
      for (int i = 0; i < p.d; i++) {
        largest_part = fmax(largest_part, fmax(fabs(host_by_mean[i]), fabs(host_by_sd[i] * host_sd)));
      }
      for (int i = 0; i < p.d; i++) { /* that of the variance, 2 σ dσ, has no division by a σ near 0 */
        assert_true(fabs(by_mean[i] - host_by_mean[i]) <= bound * largest_part);
        assert_true(fabs(by_sd[i] * one_sd - host_by_sd[i] * host_sd) <= bound * largest_part);
      }
    }
    gp_model_destroy(&there);
    gp_model_destroy(&here);
    give_back(w);
    reference_destroy(&f);
    problem_destroy(&p);
    problem_destroy(&q);
  }
}

/* 60 and 10 of them: from one tile into the next. */
static void a_believed_point_is_an_observation_of_the_posterior_mean(void **state)
{
  (void)state;
  struct gp_workspace *w = gp_workspace_take(devices);
  believing_is_observing(60, 10, w);
  give_back(w);
}

/* ---- expected improvement, and the best ------------------------------------------------------ */

static void log_expected_improvement_is_the_references(void **state)
{
  (void)state;
  enum { MOST = 4000 };
  const double best = 0.75;
  double mean[MOST], sd[MOST], score[MOST];
  int n = 0;
  for (double z = -2000; z < 50; z += z < -60 ? 97.3 : z < -6 ? 1.7 : is_slow() ? 0.5 : 0.125) {
    for (double s = 1e-6; s < 1e4; s *= 97, n++) {
      mean[n] = best + z * s;
      sd[n] = s;
    }
  }
  assert_true(n < MOST);
  size_t bytes = (size_t)n * sizeof(double);
  double *device_mean = on_device(mean, bytes), *device_sd = on_device(sd, bytes),
         *device_score = on_device(NULL, bytes);
  cudaStream_t stream = stream_open();
  assert_int_equal(gp_score(n, device_mean, device_sd, best, device_score, stream), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
  assert_int_equal(cudaMemcpy(score, device_score, bytes, cudaMemcpyDeviceToHost), cudaSuccess);
  for (int i = 0; i < n; i++) {
    long double exact = ((long double)mean[i] - best) / sd[i], expected = log_h(exact) + logl(sd[i]);
    if (!(fabsl(score[i] - expected) <= 1e-10L * fmaxl(1, fabsl(expected))))
      fail_msg("z %.6Lg, sd %g: %.17g, reference %.17Lg", exact, sd[i], score[i], expected);
  }
  cudaFree(device_mean);
  cudaFree(device_sd);
  cudaFree(device_score);
  cudaStreamDestroy(stream);
  no_reports();
}

static int by_rank(const void *a, const void *b)
{
  const struct gp_top *x = a, *y = b;
  return x->score > y->score ? -1 : x->score < y->score ? 1 : x->index - y->index;
}

/* Scores of the turn's size: within one block, over two levels of them, and over three. */
static int scores_of(int turn, struct rng *rng)
{
  if (turn == 0) return 1;
  if (turn == 10) return GP_TOP_SPAN + 1 + (int)rng_below(rng, is_slow() ? 100 : 3 * GP_TOP_SPAN);
  if (turn == 11) return GP_TOP_SPAN / GP_TOP_MAX * GP_TOP_SPAN + 1;
  return 1 + (int)rng_below(rng, is_slow() ? 200 : 1500);
}

/* What comes next of a part, of which `seen` have come, and the last of it. */
static void assert_next(const struct device_gp_ranked *top, int most, const struct gp_top *sorted,
                        struct device_gp_part *part, int *seen)
{
  for (int i = 0; i < most; i++, ++*seen) {
    int at = part->from + *seen, want = at < part->to ? sorted[at].index : -1;
    assert_int_equal(top[i].index, want);
    if (want >= 0) assert_true(top[i].score == sorted[at].score);
  }
  part->after = top[most - 1];
}

/* Many equal, some NaN or infinite; all of them fetched, GP_TOP_MAX or fewer at a time, of one
 * part, or of two at once, whose ends are anywhere. */
static void the_best_come_in_order_and_none_twice(void **state)
{
  (void)state;
  struct device_gp_ranked top[GP_PARTS_MAX * GP_TOP_MAX];
  struct rng rng = rng_make(22, 1);
  cudaStream_t stream = stream_open();
  struct device_gp_ranked *device_top = on_device(NULL, sizeof top);
  for (int turn = 0; turn < (is_slow() ? 11 : 12); turn++) {
    int n = scores_of(turn, &rng), from = turn < 10 ? (int)rng_below(&rng, (uint32_t)n) : turn == 10;
    int most = n > 100 * GP_TOP_SPAN ? GP_TOP_MAX : 1 + (int)rng_below(&rng, GP_TOP_MAX), kinds = turn % 2 ? 5 : 100000;
    int parts = turn % 3 ? GP_PARTS_MAX : 1, seen[GP_PARTS_MAX] = {0};
    double *score = malloc((size_t)n * sizeof *score);
    struct gp_top *sorted = malloc((size_t)n * sizeof *sorted);
    for (int i = 0; i < n; i++) {
      score[i] = (double)rng_below(&rng, (uint32_t)kinds) - 3;
      if (rng_below(&rng, 20) == 0) score[i] = rng_below(&rng, 2) ? NAN : -INFINITY;
      sorted[i] = (struct gp_top){isnan(score[i]) ? -INFINITY : score[i], i};
    }
    qsort(sorted, (size_t)from, sizeof *sorted, by_rank);
    qsort(sorted + from, (size_t)(n - from), sizeof *sorted, by_rank);
    double *device_score = on_device(score, (size_t)n * sizeof *score);
    struct device_gp_ranked *room = on_device(NULL, (size_t)(1 + parts * gp_top_room(n, most)) * sizeof *room);
    cudaDeviceSynchronize();
    struct device_gp_part part[GP_PARTS_MAX] = {{from, n, {.index = -1}}, {0, from, {.index = -1}}};
    bool ended = false; /* after the last it would begin again */
    for (int round = 0; !ended && (round < (turn < 10 ? 4 : 2) || n < 100); round++) {
      assert_int_equal(gp_top(device_score, parts, part, most, room, device_top, stream), cudaSuccess);
      assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
      assert_int_equal(cudaMemcpy(top, device_top, (size_t)(parts * most) * sizeof *top, cudaMemcpyDeviceToHost),
                       cudaSuccess);
      for (int k = 0; k < parts; k++) assert_next(top + k * most, most, sorted, &part[k], &seen[k]);
      for (int k = 0; k < parts; k++) ended |= part[k].after.index < 0;
    }
    cudaFree(device_score);
    cudaFree(room);
    free(score);
    free(sorted);
  }
  cudaFree(device_top);
  cudaStreamDestroy(stream);
  no_reports();
}

/* ---- climbs ---------------------------------------------------------------------------------- */

/* Log expected improvement by the CPU's model. */
static double improvement_at(struct gp_model *here, const double *point, double best)
{
  double mean, sd;
  gp_model_predict_one(here, point, &mean, &sd, NULL, NULL);
  return gp_log_expected_improvement(mean, sd, best, NULL, NULL);
}

/* None ends lower than it started, and along none of the coordinates that move is anything near by
 * higher by more than the tolerance; others stay.  One whose improvement is not finite stays where
 * it is; and each has the bits that it has alone, and in any order of threads and blocks. */
static void climbs_end_at_the_top_and_do_not_disturb_each_other(void **state)
{
  enum { CLIMBS = 5 };
  (void)state;
  for (int turn = 0; turn < (is_slow() ? 1 : 2); turn++) {
    struct problem p;
    struct gp_model here, there;
    struct error e;
    double start[CLIMBS][GP_DIMENSIONS_MAX], end[CLIMBS][GP_DIMENSIONS_MAX], again[CLIMBS][GP_DIMENSIONS_MAX];
    bool smooth[GP_DIMENSIONS_MAX];
    struct rng rng = rng_make((uint64_t)turn, 5);
    problem_make(&p, is_slow() ? 12 : 25 + 40 * turn, 4 + 3 * turn, 0, 1e-3, 31);
    for (int i = 0; i < p.d; i++) smooth[i] = !p.categorical[i] && i != 1;
    const struct gp_climb climb = {.smooth = smooth, .best = 1, .tolerance = 1e-7, .evaluations = is_slow() ? 12 : 100};
    struct gp_workspace *w = gp_workspace_take(devices);
    assert_int_equal(gp_model_make(&here, &p.data, &p.hyper, 0, NULL, &e), 0);
    assert_int_equal(gp_model_make(&there, &p.data, &p.hyper, 0, w, &e), 0);
    memset(start, 0, sizeof start);
    for (int c = 0; c < CLIMBS; c++) {
      for (int i = 0; i < p.d; i++) start[c][i] = p.categorical[i] ? rng_below(&rng, 4) : rng_uniform(&rng);
    }
    start[2][1] = NAN;
    memcpy(end, start, sizeof end);
    gp_workspace_climb(w, &climb, CLIMBS, end);
    assert_memory_equal(end[2], start[2], sizeof end[2]);
    for (int c = 0; c < CLIMBS; c++) {
      memcpy(again[c], start[c], sizeof again[c]);
      gp_workspace_climb(w, &climb, 1, &again[c]);
      assert_memory_equal(again[c], end[c], sizeof end[c]);
      if (c == 2) continue;
      double top = improvement_at(&here, end[c], climb.best), near[GP_DIMENSIONS_MAX];
      assert_true(top >= improvement_at(&here, start[c], climb.best));
      for (int i = 0; i < p.d; i++) {
        if (!smooth[i]) assert_true(end[c][i] == start[c][i]);
        assert_true(!smooth[i] || (end[c][i] >= 0 && end[c][i] < 1));
        memcpy(near, end[c], sizeof near);
        for (int way = -1; way <= 1 && smooth[i] && climb.evaluations == 100; way += 2) {
          near[i] = fmin(fmax(end[c][i] + 1e-3 * way, 0), 0x1.fffffffffffffp-1);
          assert_true(improvement_at(&here, near, climb.best) < top + 1e-4);
        }
      }
    }
    for (int order = 1; order < 3; order++) {
      cudacpu_set_order((enum cudacpu_order)order, (enum cudacpu_order)order, 7);
      memcpy(again, start, sizeof again);
      gp_workspace_climb(w, &climb, CLIMBS, again);
      assert_memory_equal(again, end, sizeof end);
    }
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, 1);
    give_back(w);
    gp_model_destroy(&here);
    gp_model_destroy(&there);
    problem_destroy(&p);
  }
}

/* ---- the same bits --------------------------------------------------------------------------- */

/* Everything that a proposal asks of a workspace. */
struct outcome {
  double value, gradient[GP_PARAMETERS_MAX], alpha[GP_TEST_MAX], believed, mean[64], sd[64], score[64];
  double one[2], by_mean[GP_DIMENSIONS_MAX], by_sd[GP_DIMENSIONS_MAX];
  struct gp_top top[1][GP_TOP];
};

/* `at`: which of a batch of `count` the problem's own hyperparameters are. */
static void outcome_of(const struct problem *p, const struct problem *q, int count, int at, struct outcome *o)
{
  struct gp_hyper h[3];
  double value[3], gradient[3][GP_PARAMETERS_MAX], point[GP_DIMENSIONS_MAX];
  memset(o, 0, sizeof *o);
  for (int b = 0; b < 3; b++) {
    h[b] = p->hyper;
    if (b != at) h[b].signal *= 2 + b;
    if (b != at && b == 2) h[b].noise = -5; /* one that fails */
  }
  struct gp_workspace *w = gp_workspace_take(devices);
  gp_workspace_observe(w, &p->data, 1);
  gp_workspace_likelihoods(w, count, h, value, gradient);
  o->value = value[at];
  memcpy(o->gradient, gradient[at], (size_t)(p->d + 3) * sizeof(double));
  assert_true(gp_workspace_condition(w, &p->hyper, o->alpha));
  for (int i = 0; i < p->d; i++) point[i] = q->x[i][0];
  o->believed = gp_workspace_believe(w, point);
  gp_workspace_rank(w, q->n, q->data.x, 0.3);
  gp_workspace_read(w, q->n, o->mean, o->sd, o->score);
  gp_workspace_top(w, 1, &(struct gp_range){.from = 1, .to = q->n, .after = {.index = -1}}, o->top);
  for (int i = 0; i < p->d; i++) point[i] = q->x[i][1];
  gp_workspace_predict_one(w, point, &o->one[0], &o->one[1], o->by_mean, o->by_sd);
  give_back(w);
}

static void the_same_bits_alone_and_in_batches_and_in_any_order(void **state)
{
  static const int n[] = {1, 2, 31, 32, 33, 64, 95, 130, 250};
  (void)state;
  for (size_t s = 0; s < sizeof n / sizeof *n; s++) {
    struct problem p, q;
    static struct outcome first, again;
    int d = 1 + (int)s * 5 % 13;
    if (too_large(n[s])) continue;
    problem_make(&p, n[s], d, n[s] / 8, 1e-4, 31 + s);
    problem_make(&q, 40, d, 0, 1, 51 + s);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, 1);
    outcome_of(&p, &q, 1, 0, &first);
    assert_true(isfinite(first.value) && first.top[0][0].index >= 1);
    for (int turn = 0; turn < 4; turn++) {
      enum cudacpu_order order = turn == 0 ? CUDACPU_REVERSE : CUDACPU_SHUFFLED;
      cudacpu_set_order(order, order, 77 + (uint64_t)turn);
      outcome_of(&p, &q, turn < 2 ? 1 : 3, turn < 2 ? 0 : turn - 1, &again);
      assert_memory_equal(&first, &again, sizeof first);
    }
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, 1);
    problem_destroy(&p);
    problem_destroy(&q);
  }
}

#ifndef REAL_GPU
/* Consumers' cards give a block less than half of the shared memory that an H100 gives, whatever
 * their compute capability, and a slice of a GPU may have multiprocessors for half a cluster: they
 * go by the kernels of 8.0, with their bits, and say so.  How many observations are one block's is
 * another matter: few where products of FP64 are slow. */
static void devices_without_room_for_clusters_work_as_older_ones_do(void **state)
{
  static const struct {
    int major, minor, multiprocessors;
    bool clusters;
    int climbs; /* up to so many observations */
    const char *name;
  } kinds[] = {{8, 0, 0, false, 256, "runtime 13.0"},
               {8, 6, 0, false, 64, "runtime 13.0"},
               {8, 7, 0, false, 64, "runtime 13.0"},
               {8, 9, 0, false, 64, "runtime 13.0"},
               {12, 0, 0, false, 64, "runtime 13.0, by kernels for 8.0"},
               {9, 0, 7, false, 256, "runtime 13.0, by kernels for 8.0"},
               {9, 0, 8, true, 512, "runtime 13.0"},
               {10, 0, 0, true, 512, "runtime 13.0"}};
  static const int sizes_near[] = {1, 64, 65, 256, 257, 511};
  static struct outcome first[2], here;
  struct problem p, q, large;
  bool seen[2] = {false};
  problem_make(&p, 33, 4, 3, 1e-4, 33);
  problem_make(&large, 511, 2, 0, 1e-4, 34);
  problem_make(&q, 40, 4, 0, 1, 53);
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    const bool clusters = kinds[k].clusters;
    gp_devices_close(devices);
    assert_int_equal(open_device_of(state, kinds[k].major, kinds[k].minor, kinds[k].multiprocessors), 0);
    const char *name = gp_devices_name(devices);
    assert_string_equal(name + strlen(name) - strlen(kinds[k].name), kinds[k].name);
    struct gp_workspace *w = gp_workspace_take(devices);
    for (size_t i = 0; i < sizeof sizes_near / sizeof *sizes_near; i++) {
      struct gp_data part = large.data;
      part.n = sizes_near[i];
      gp_workspace_observe(w, &part, 0);
      assert_int_equal(gp_workspace_fits(w), sizes_near[i] <= kinds[k].climbs);
    }
    give_back(w);
    outcome_of(&p, &q, 1, 0, &here);
    assert_true(isfinite(here.value));
    if (seen[clusters]) assert_memory_equal(&first[clusters], &here, sizeof here);
    first[clusters] = here;
    seen[clusters] = true;
  }
  problem_destroy(&large);
  problem_destroy(&p);
  problem_destroy(&q);
}

/* Slices of a GPU, of which one has fewer multiprocessors. */
static void devices_go_by_what_all_of_them_can(void **state)
{
  (void)state;
  struct gp_devices *both;
  struct error e;
  const int numbers[] = {0, 1};
  cudacpu_properties(1)->multiProcessorCount = 4;
  assert_int_equal(gp_devices_open(&both, 2, numbers, POINTS_ROOM, 3, &e), 0);
  struct gp_workspace *w[4];
  struct problem p;
  problem_make(&p, 257, 2, 0, 1e-4, 3);
  for (int i = 0; i < 4; i++) w[i] = gp_workspace_take(both);
  for (int i = 0; i < 4; i++) {
    gp_workspace_observe(w[i], &p.data, 0);
    assert_false(gp_workspace_fits(w[i]));
    gp_workspace_give_back(w[i]);
  }
  gp_devices_close(both);
  problem_destroy(&p);
}
#endif

/* Starts about the problem's own hyperparameters; `first` ... of three.  False where the device
 * does not climb over so many. */
static bool climb_of(const struct problem *p, int first, int count, double *value, double (*at)[GP_PARAMETERS_MAX])
{
  const struct device_gp_prior settings = {.narrowness = 0.3,
                                           .centre = -0.4,
                                           .noise_floor = 1e-6,
                                           .low = {-5, -4, -18, -10},
                                           .high = {7, 4, 0.7, 10},
                                           .tolerance = 1e-3,
                                           .evaluations = is_slow() ? 3 : 8};
  double starts[3][GP_PARAMETERS_MAX] = {{0}};
  for (int b = 0; b < 3; b++) {
    for (int i = 0; i < p->d; i++) starts[b][i] = log(p->hyper.lengthscale[i]) + 0.3 * b;
    starts[b][p->d + 1] = log(p->hyper.noise) - b;
  }
  struct gp_workspace *w = gp_workspace_take(devices);
  gp_workspace_observe(w, &p->data, 0);
  const bool climbs = gp_workspace_fits(w);
  if (climbs) gp_workspace_fit(w, &settings, count, (const double(*)[GP_PARAMETERS_MAX])(starts + first), value, at);
  give_back(w);
  return climbs;
}

static void a_climb_has_the_same_bits_alone_and_beside_others_and_in_any_order(void **state)
{
  static const int n[] = {1, 33, 70, 130};
  (void)state;
  for (size_t s = 0; s < (is_slow() ? 2 : sizeof n / sizeof *n); s++) {
    struct problem p;
    double value[3], at[3][GP_PARAMETERS_MAX] = {{0}}, alone, alone_at[1][GP_PARAMETERS_MAX] = {{0}};
    problem_make(&p, n[s], 1 + (int)s * 3, n[s] / 8, 1e-3, 91 + s);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, 1);
    if (!climb_of(&p, 0, 3, value, at)) {
      assert_true(n[s] > 64);
      problem_destroy(&p);
      continue;
    }
    struct gp_workspace *other = gp_workspace_take(devices); /* so that the next is another one */
    for (int b = 0; b < 3; b++) {
      enum cudacpu_order order = b == 0 ? CUDACPU_REVERSE : CUDACPU_SHUFFLED;
      cudacpu_set_order(order, order, 5 + (uint64_t)b);
      assert_true(climb_of(&p, b, 1, &alone, alone_at));
      assert_true(isfinite(alone) && alone == value[b]);
      assert_memory_equal(alone_at[0], at[b], sizeof at[b]);
    }
    give_back(other);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, 1);
    problem_destroy(&p);
  }
}

#ifndef REAL_GPU
/* A batch's likelihoods and gradients, the posterior, and climbs, all of which a block alone and a
 * cluster add in the same order; 33 dimensions and more have sums in global memory. */
struct evaluated {
  double value[3], gradient[3][GP_PARAMETERS_MAX], alpha[GP_TEST_MAX], believed;
  double risen[3], at[3][GP_PARAMETERS_MAX];
};

static void evaluate_by(bool clusters, const struct problem *p, struct evaluated *e, uint64_t *launches)
{
  struct gp_hyper h[3];
  double point[GP_DIMENSIONS_MAX] = {0.4, 0.2};
  memset(e, 0, sizeof *e);
  others(p, h);
  struct gp_workspace *w = gp_workspace_take(devices), *same;
  gp_workspace_use_clusters(w, clusters);
  gp_workspace_observe(w, &p->data, 1);
  *launches = cudacpu_counts().launches;
  gp_workspace_likelihoods(w, 3, h, e->value, e->gradient);
  assert_true(gp_workspace_condition(w, &p->hyper, e->alpha));
  *launches = cudacpu_counts().launches - *launches;
  e->believed = gp_workspace_believe(w, point);
  give_back(w);
  assert_true(climb_of(p, 0, 3, e->risen, e->at));
  same = gp_workspace_take(devices);
  assert_true(same == w);
  gp_workspace_use_clusters(w, true);
  give_back(w);
}

static void a_block_alone_adds_in_the_order_of_a_cluster(void **state)
{
  static const struct {
    int n, d;
  } shapes[] = {{1, 1}, {31, 64}, {32, 2}, {63, 33}, {64, 5}, {96, 32}, {130, 64}, {200, 10}, {255, 3}};
  static struct evaluated cluster, block;
  gp_devices_close(devices);
  assert_int_equal(open_device_of(state, 9, 0, 0), 0);
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
    struct problem p;
    uint64_t launches;
    if (too_large(shapes[s].n)) continue;
    problem_make(&p, shapes[s].n, shapes[s].d, shapes[s].n / 8, 1e-3, 71 + s);
    evaluate_by(true, &p, &cluster, &launches);
    assert_int_equal(launches, 2);
    evaluate_by(false, &p, &block, &launches);
    assert_int_equal(launches, 2);
    assert_true(isfinite(block.value[1]) && isfinite(block.risen[0]));
    assert_memory_equal(&cluster, &block, sizeof block);
    problem_destroy(&p);
  }
}
#endif

/* The start's value is the likelihood and the prior; a climb ends no lower, and within the bounds.
 * From a start of which nothing is known, it ends there. */
static void a_climb_rises_from_the_log_posterior_that_the_host_has(void **state)
{
  (void)state;
  struct problem p;
  struct gp_room room;
  struct error e;
  problem_make(&p, 60, 4, 0, 1e-2, 17);
  for (int narrow = 0; narrow < 2; narrow++) {
    struct device_gp_prior settings = {.narrowness = narrow,
                                       .centre = log(0.6) + 0.5 * log(p.d),
                                       .noise_floor = 1e-6,
                                       .low = {-5, -4, -18, -10},
                                       .high = {7, 4, 0.7, 10},
                                       .tolerance = 1e-3,
                                       .evaluations = 1};
    double start[1][GP_PARAMETERS_MAX] = {{0}}, value, at[1][GP_PARAMETERS_MAX], risen;
    struct gp_hyper h = p.hyper;
    for (int i = 0; i < p.d; i++) h.lengthscale[i] = exp(start[0][i] = 0.2 * i);
    h.signal = exp(start[0][p.d] = 0.3);
    h.noise = 1e-6 + exp(start[0][p.d + 1] = -3);
    h.mean = start[0][p.d + 2] = 0.1;
    struct gp_workspace *w = gp_workspace_take(devices);
    gp_workspace_observe(w, &p.data, 0);
    const double(*starts)[GP_PARAMETERS_MAX] = (const double(*)[GP_PARAMETERS_MAX])start;
    assert_int_equal(gp_workspace_fit(w, &settings, 1, starts, &value, at), 1);
    assert_int_equal(gp_room_make(&room, p.n, &e), 0);
    double expected = gp_log_likelihood(&p.data, &h, &room, NULL) + gp_log_prior(&h, p.d, narrow, NULL);
    gp_room_destroy(&room);
    assert_true(fabs(value - expected) <= 1e-9 * fabs(expected));
    assert_memory_equal(at[0], start[0], (size_t)(p.d + 3) * sizeof(double));
    settings.evaluations = is_slow() ? 4 : 20;
    assert_true(gp_workspace_fit(w, &settings, 1, starts, &risen, at) <= settings.evaluations);
    assert_true(risen > value);
    for (int i = 0; i < p.d + 3; i++) {
      int kind = i < p.d ? 0 : i - p.d + 1;
      assert_true(at[0][i] >= settings.low[kind] && at[0][i] <= settings.high[kind]);
    }
    settings.noise_floor = -5; /* not positive definite */
    assert_int_equal(gp_workspace_fit(w, &settings, 1, starts, &value, at), 1);
    assert_true(isinf(value) && value < 0);
    assert_memory_equal(at[0], start[0], (size_t)(p.d + 3) * sizeof(double));
    give_back(w);
  }
  problem_destroy(&p);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST_ON_DEVICE(likelihood_and_gradient_are_lapacks_and_the_references),
      TEST_ON_DEVICE(a_covariance_that_is_not_positive_definite_is_told_and_harms_no_other),
      TEST_ON_DEVICE(a_covariance_that_is_singular_is_factored_all_the_same),
      TEST_ON_DEVICE(many_points_are_those_of_a_plain_loop),
      TEST_ON_DEVICE(many_points_by_larger_products_are_those_of_a_plain_loop),
      TEST_ON_DEVICE(posterior_and_its_gradients_are_lapacks),
      TEST_ON_DEVICE(climbs_end_at_the_top_and_do_not_disturb_each_other),
      TEST_ON_DEVICE(a_believed_point_is_an_observation_of_the_posterior_mean),
      TEST_ON_DEVICE(log_expected_improvement_is_the_references),
      TEST_ON_DEVICE(the_best_come_in_order_and_none_twice),
      TEST_ON_DEVICE(the_same_bits_alone_and_in_batches_and_in_any_order),
      TEST_ON_DEVICE(a_climb_has_the_same_bits_alone_and_beside_others_and_in_any_order),
      TEST_ON_DEVICE(a_climb_rises_from_the_log_posterior_that_the_host_has),
#ifndef REAL_GPU
      TEST_ON_DEVICE(devices_without_room_for_clusters_work_as_older_ones_do),
      TEST_ON_DEVICE(devices_go_by_what_all_of_them_can),
      TEST_ON_DEVICE(a_block_alone_adds_in_the_order_of_a_cluster),
      TEST_ON_OLDER_DEVICE(likelihood_and_gradient_are_lapacks_and_the_references),
      TEST_ON_OLDER_DEVICE(a_covariance_that_is_not_positive_definite_is_told_and_harms_no_other),
      TEST_ON_OLDER_DEVICE(posterior_and_its_gradients_are_lapacks),
      TEST_ON_OLDER_DEVICE(climbs_end_at_the_top_and_do_not_disturb_each_other),
      TEST_ON_OLDER_DEVICE(a_believed_point_is_an_observation_of_the_posterior_mean),
      TEST_ON_OLDER_DEVICE(the_same_bits_alone_and_in_batches_and_in_any_order),
      TEST_ON_OLDER_DEVICE(a_climb_has_the_same_bits_alone_and_beside_others_and_in_any_order),
      TEST_ON_OLDER_DEVICE(a_climb_rises_from_the_log_posterior_that_the_host_has),
      TEST_ON_DEVICE_OF_SMALL_BLOCKS(likelihood_and_gradient_are_lapacks_and_the_references),
      TEST_ON_DEVICE_OF_SMALL_BLOCKS(a_covariance_that_is_not_positive_definite_is_told_and_harms_no_other),
      TEST_ON_DEVICE_OF_SMALL_BLOCKS(posterior_and_its_gradients_are_lapacks),
      TEST_ON_DEVICE_OF_SMALL_BLOCKS(the_same_bits_alone_and_in_batches_and_in_any_order),
#endif
  };
  return cmocka_run_group_tests_name("kernels_gp", tests, NULL, NULL);
}
