/* The Gaussian process on devices: fits and proposals, which are the CPU's but for rounding, and
 * what becomes of them where a device fails, has no memory or is not there. */
#include "tests/unit/samplers/gp/kernels_gp_fixture.h"

#include "tests/unit/samplers/sampler_fixture.h"

/* ---- fits and proposals ---------------------------------------------------------------------- */

static double posterior_density(const struct problem *p, const struct gp_hyper *h)
{
  double narrowness = gp_prior_narrowness(GP_PRIOR_SEARCH, p->n);
  struct gp_room room;
  struct error e;
  assert_int_equal(gp_room_make(&room, p->n, &e), 0);
  double value = gp_log_likelihood(&p->data, h, &room, NULL) + gp_log_prior(h, p->d, narrowness, NULL);
  gp_room_destroy(&room);
  return value;
}

/* A device that climbs by itself has another L-BFGS than NLopt's: its climbs may end higher, and
 * lower by as much as ends that were below the tolerance of 1e-3 may differ, so long as the
 * evaluations suffice.  One that does not has the CPU's own, but for rounding.  150 are more than a
 * part. */
static void a_fit_finds_what_the_cpus_finds(void **state)
{
  (void)state;
  struct gp_workspace *w = gp_workspace_take(devices);
  bool climbs = gp_workspace_fits(w);
  for (int n = is_slow() ? 20 : 40; n <= (is_slow() ? 20 : 150); n += 110) {
    struct problem p;
    struct gp_hyper here, there, again;
    struct error e;
    int evaluations = is_slow() ? 20 : climbs ? 120 : 60;
    problem_make(&p, n, 4, 0, 1e-4, 10);
    for (int k = 0; k < p.n; k++) p.z[k] = sin(8 * p.x[0][k]) + (p.x[2][k] == 1 ? 1 : 0);
    memset(&there, 0, sizeof there);
    memset(&again, 0, sizeof again);
    assert_int_equal(gp_fit(&p.data, GP_PRIOR_SEARCH, evaluations, NULL, &here, &e), 0);
    assert_int_equal(gp_fit(&p.data, GP_PRIOR_SEARCH, evaluations, w, &there, &e), 0);
    cudacpu_set_order(CUDACPU_SHUFFLED, CUDACPU_SHUFFLED, 5);
    assert_int_equal(gp_fit(&p.data, GP_PRIOR_SEARCH, evaluations, w, &again, &e), 0);
    assert_memory_equal(&there, &again, sizeof there);
    double difference = posterior_density(&p, &here) - posterior_density(&p, &there);
    if (!climbs)
      assert_true(fabs(difference) < (is_slow() ? 1e-6 : 1e-2));
    else
      assert_true(difference < (is_slow() ? INFINITY : 1e-2));
    problem_destroy(&p);
  }
  give_back(w);
}

/* Histories as searches have them: smooth or rough, with noise or without, of few dimensions and
 * many, some with points a hair beside others. */
static void draw_history(struct problem *p, int k)
{
  struct rng rng = rng_make(2300 + (uint64_t)k, philox_subsequence(PHILOX_TEST, 0, 0));
  int n = 8 + (int)rng_below(&rng, 55), d = 1 + (int)rng_below(&rng, 8);
  problem_make(p, n, d, k % 5 == 0 ? n / 6 : 0, 1e-4, 2300 + (uint64_t)k);
  double rough = exp(1.5 * rng_uniform(&rng) + 0.5), noise = k % 3 == 0 ? 0 : pow(10, -3 * rng_uniform(&rng));
  double sum = 0, square = 0;
  for (int i = 0; i < n; i++) {
    double f = 0;
    for (int a = 0; a < d; a++) f += sin(rough * p->x[a][i] + a) / (1 + a);
    p->z[i] = f + noise * normal(&rng);
    sum += p->z[i];
    square += p->z[i] * p->z[i];
  }
  double mean = sum / n, sd = sqrt(square / n - mean * mean);
  for (int i = 0; i < n; i++) p->z[i] = (p->z[i] - mean) / (sd > 0 ? sd : 1);
}

static int by_size(const void *a, const void *b)
{
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Where both climbs end below the tolerance of 1e-3 they differ by about as much; either may find
 * the better of two summits, and from a flat start the one or the other may have used up its
 * evaluations. */
static void a_fit_ends_as_high_as_nlopts(void **state)
{
  enum { HISTORIES = 24 };
  (void)state;
  double lower[HISTORIES], sum = 0;
  if (is_slow()) skip(); /* the numbers would be the same */
  struct gp_workspace *w = gp_workspace_take(devices);
  for (int k = 0; k < HISTORIES; k++) {
    struct problem p;
    struct gp_hyper here, there;
    struct error e;
    draw_history(&p, k);
    assert_int_equal(gp_fit(&p.data, GP_PRIOR_SEARCH, 200, NULL, &here, &e), 0);
    assert_int_equal(gp_fit(&p.data, GP_PRIOR_SEARCH, 200, w, &there, &e), 0);
    lower[k] = posterior_density(&p, &here) - posterior_density(&p, &there);
    sum += lower[k];
    problem_destroy(&p);
  }
  give_back(w);
  qsort(lower, HISTORIES, sizeof(*lower), by_size);
  if (!(sum / HISTORIES <= 1e-2 && lower[HISTORIES / 2] <= 1e-3 && lower[HISTORIES - 2] <= 2e-2))
    fail_msg("lower than NLopt's by %g on average, half of them by %g, all but one by %g, one by %g", sum / HISTORIES,
             lower[HISTORIES / 2], lower[HISTORIES - 2], lower[HISTORIES - 1]);
}

static const char *const mixed_lines[] = {"lr",     "float 1e-5 .. 1 log default 0.01",
                                          "rate",   "float 0 .. 1 default 0.3",
                                          "layers", "int 1 .. 6 default 2",
                                          "units",  "int 16 .. 512 log default 64",
                                          "kind",   "categorical p, q, r default q",
                                          NULL};
enum { MIXED = 5 };

static double quality(const double *v)
{
  double a = log10(v[0] / 0.003), b = v[1] - 0.6, c = (v[2] - 4) / 6, d = log(v[3] / 100) / 3;
  return -(a * a + 3 * b * b + c * c + d * d + (v[4] == 2 ? 0 : 0.3));
}

static void open_history(struct fixture *f, int n)
{
  struct rng rng = rng_make(12, philox_subsequence(PHILOX_TEST, 0, 0));
  fixture_open(f, mixed_lines);
  f->settings.gp_candidates = is_slow() ? 32 : 128;
  f->settings.gp_evaluations = is_slow() ? 8 : 40;
  for (int t = 0; t < n; t++) {
    double v[SPACE_MAX];
    for (int i = 0; i < f->space.n; i++) v[i] = param_from_unit(&f->space.params[i], rng_uniform(&rng));
    bool fails = t % 9 == 8;
    fixture_tell(f, v, fails ? OBSERVATION_FAILED : OBSERVATION_COMPLETE, fails ? NAN : quality(v));
  }
}

/* The device's bits are the same whichever workspace it is and whatever runs beside. */
static void a_proposal_has_the_same_bits_whatever_runs_beside_it(void **state)
{
  (void)state;
  struct fixture f;
  double alone[SPACE_MAX], flying[SPACE_MAX];
  open_history(&f, is_slow() ? 12 : 40);
  f.settings.gp_devices = devices;
  for (int t = 0; t < 2; t++) { /* in flight */
    fixture_ask(&f, "gp", 3, flying);
    fixture_tell(&f, flying, OBSERVATION_IN_FLIGHT, 1e9);
  }
  fixture_ask(&f, "gp", 18, alone);
  assert_false(fixture_has(&f, alone));
  fixture_ask_beside(&f, "gp", 18, 3, alone); /* one more than there are workspaces */
  fixture_close(&f);
  no_reports();
}

/* Three in turn, each with those before it in flight, and side by side: one fit, and the bits of
 * proposals that remember nothing. */
static void proposals_that_see_the_same_results_share_a_fit(void **state)
{
  (void)state;
  struct fixture f;
  struct error e = {0};
  double alone[3][SPACE_MAX], v[SPACE_MAX];
  open_history(&f, 12);
  f.settings.gp_devices = devices;
  for (int remembers = 0; remembers < 2; remembers++) {
    if (remembers) assert_int_equal(gp_fits_open(&f.settings.gp_fits, &e), 0);
    for (int t = 0; t < 3; t++) {
      fixture_ask(&f, "gp", 3, v);
      if (remembers) assert_memory_equal(alone[t], v, (size_t)f.space.n * sizeof(double));
      memcpy(alone[t], v, sizeof v);
      fixture_tell(&f, v, OBSERVATION_IN_FLIGHT, NAN);
    }
    fixture_ask(&f, "gp", 3, v);
    f.n -= 3;
    for (int t = 0; t < 3; t++) free((void *)f.history[f.n + t].values);
  }
  assert_int_equal(gp_fits_made(f.settings.gp_fits), 1);
  fixture_tell(&f, alone[0], OBSERVATION_COMPLETE, 0.1);
  fixture_ask(&f, "gp", 3, v);
  assert_int_equal(gp_fits_made(f.settings.gp_fits), 2);
  fixture_ask_beside(&f, "gp", 3, 3, v);
  assert_int_equal(gp_fits_made(f.settings.gp_fits), 2);
  gp_fits_close(f.settings.gp_fits);
  fixture_close(&f);
  no_reports();
}

/* With one categorical that has two values left, and one: the walk, new and repeated. */
static void small_spaces_are_filled_and_then_repeated(void **state)
{
  (void)state;
  struct fixture f;
  double v[SPACE_MAX];
  fixture_open(&f, (const char *const[]){"a", "int 1 .. 3 default 1", "b", "categorical p, q default p", "c",
                                         "float 0.5 .. 0.5 default 0.5", NULL});
  f.settings.gp_startup = 1;
  f.settings.gp_candidates = 16;
  f.settings.gp_evaluations = 8;
  f.settings.gp_devices = devices;
  for (int k = 0; k < 5; k++) fixture_tell(&f, (double[]){1 + k % 3, k / 3, 0.5}, OBSERVATION_COMPLETE, k);
  fixture_ask(&f, "gp", 1, v);
  assert_true(v[0] == 3 && v[1] == 1);
  fixture_tell(&f, v, OBSERVATION_COMPLETE, 9);
  fixture_ask(&f, "gp", 1, v);
  assert_true(fixture_has(&f, v));
  fixture_close(&f);
}

#ifndef REAL_GPU

/* Each stage is one, whatever it evaluates, where clusters or one block climb; elsewhere there are
 * six for each batch of likelihoods. */
static uint64_t launches_of_a_fit(int n)
{
  struct problem p;
  struct gp_hyper hyper;
  struct error e;
  problem_make(&p, n, 3, 0, 1e-2, 5);
  struct gp_workspace *w = gp_workspace_take(devices);
  uint64_t before = cudacpu_counts().launches;
  assert_int_equal(gp_fit(&p.data, GP_PRIOR_SEARCH, 40, w, &hyper, &e), 0);
  uint64_t launches = cudacpu_counts().launches - before;
  give_back(w);
  problem_destroy(&p);
  return launches;
}

static void a_fit_is_two_launches(void **state)
{
  static const struct {
    int major, minor, n;   /* 0.0: one of small blocks */
    int climbed, at_least; /* stages of one launch, and likelihoods of the others */
  } fits[] = {{9, 0, 20, 2, 0},  {8, 0, 20, 2, 0},  {8, 6, 20, 2, 0},  {0, 0, 20, 0, 12},
              {9, 0, 110, 2, 0}, {8, 0, 110, 2, 0}, {12, 0, 64, 2, 0}, {8, 6, 110, 0, 12},
              {8, 0, 256, 2, 0}, {8, 0, 257, 1, 3}, {9, 0, 257, 2, 0}};
  for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
    if (is_slow() && fits[i].n > 20) continue;
    gp_devices_close(devices);
    assert_int_equal(
        fits[i].major ? open_device_of(state, fits[i].major, fits[i].minor, 0) : open_device_of_small_blocks(state), 0);
    const int launches = (int)launches_of_a_fit(fits[i].n), others = launches - fits[i].climbed;
    print_message("a fit of at most 40 likelihoods, %d.%d, n %d: %d launches\n", fits[i].major, fits[i].minor,
                  fits[i].n, launches);
    assert_true(others % 6 == 0 && others >= 6 * fits[i].at_least && (others > 0) == (fits[i].at_least > 0));
  }
}

static double units_of(void *context, const double *values)
{
  (void)context;
  return 1e9 * values[3];
}

/* Rounding leads L-BFGS along another way now and then, and that to another proposal; rarely.  On a
 * device that climbs by itself all ways are others, and where they end, if there are as many
 * evaluations as they need, is the same hill more often than the same place on it: how high, is
 * held by a_fit_ends_as_high_as_nlopts, and of the search by test_kernels_gp_search.c. */
static void proposals_of_the_device_are_mostly_those_of_the_cpu(void **state)
{
  (void)state;
  struct fixture f;
  double here[MIXED], there[MIXED];
  int near = 0, asks = 0;
  uint64_t launches = cudacpu_counts().launches;
  struct gp_workspace *w = gp_workspace_take(devices);
  bool climbs = gp_workspace_fits(w);
  give_back(w);
  for (int n = 12; n <= (is_slow() ? 12 : 60); n += 12) {
    open_history(&f, n);
    f.flops = units_of;
    if (climbs) f.settings.gp_evaluations = is_slow() ? 8 : 200;
    for (uint64_t seed = 0; seed < 4; seed += climbs ? 2 : 1, asks++) {
      f.settings.gp_cost = seed < 2 ? GP_COST_NONE : GP_COST_FLOPS;
      double largest = 0;
      f.settings.gp_devices = NULL;
      fixture_ask(&f, "gp", seed, here);
      f.settings.gp_devices = devices;
      fixture_ask(&f, "gp", seed, there);
      for (int i = 0; i < MIXED; i++) {
        const struct param *p = &f.space.params[i];
        largest = fmax(largest, fabs(param_to_unit(p, here[i]) - param_to_unit(p, there[i])));
      }
      near += largest < (climbs ? 0.02 : 0.01);
    }
    fixture_close(&f);
  }
  assert_true(near * 20 >= asks * (!climbs ? 15 : is_slow() ? 0 : 12));
  assert_true(cudacpu_counts().launches >= launches + 5 * (uint64_t)asks);
}

static void more_trials_than_a_device_takes_are_the_cpus(void **state)
{
  (void)state;
  struct fixture f;
  double v[MIXED];
  open_history(&f, 60);
  f.settings.gp_evaluations = 8;
  f.settings.gp_devices = devices;
  while (f.n <= GP_DEVICE_OBSERVATIONS) fixture_tell(&f, f.history[f.n % 60].values, OBSERVATION_IN_FLIGHT, NAN);
  uint64_t launches = cudacpu_counts().launches;
  fixture_ask(&f, "gp", 5, v);
  assert_true(cudacpu_counts().launches == launches);
  fixture_close(&f);
}

/* ---- failures -------------------------------------------------------------------------------- */

static void a_proposal_is_made_again_where_a_device_has_failed(void **state)
{
  (void)state;
  struct fixture f;
  struct error e = {0};
  struct gp_devices *two;
  const int numbers[] = {0, 1};
  double expected[MIXED], v[MIXED];
  open_history(&f, 15);
  f.settings.gp_devices = devices;
  uint64_t before = cudacpu_counts().launches;
  fixture_ask(&f, "gp", 1, expected);
  int launches = (int)(cudacpu_counts().launches - before);
  assert_true(launches >= 8);
  assert_int_equal(gp_devices_open(&two, 2, numbers, POINTS_ROOM, MIXED, &e), 0);
  f.settings.gp_devices = two;
  /* It does not stick: the device's other workspace may do. */
  cudacpu_fail_launch(launches / 4, cudaErrorLaunchOutOfResources);
  fixture_ask(&f, "gp", 1, v);
  assert_memory_equal(v, expected, sizeof v);
  cudacpu_lose_device(1, launches / 2, cudaErrorLaunchFailure);
  fixture_ask(&f, "gp", 1, v);
  assert_memory_equal(v, expected, sizeof v);
  fixture_ask(&f, "gp", 1, v);
  assert_memory_equal(v, expected, sizeof v);
  cudacpu_lose_device(0, 3 * launches / 4, cudaErrorLaunchFailure);
  struct sampler_request request = fixture_request(&f, 1);
  for (int turn = 0; turn < 2; turn++) {
    assert_int_equal(sampler_find("gp")->ask(&request, v, &e), ERROR_MACHINE);
    assert_non_null(strstr(e.message, turn ? "every workspace" : "cudaErrorLaunchFailure"));
  }
  gp_devices_close(two);
  gp_devices_close(devices);
  devices = NULL;
  fixture_close(&f);
  cudacpu_reset(1, NULL); /* for what could not be freed */
  cudacpu_clear_reports();
}

/* What a device left behind that failed during the fit is nobody's. */
static void a_fit_that_failed_is_not_remembered(void **state)
{
  (void)state;
  struct fixture f;
  struct error e = {0};
  double expected[MIXED], v[MIXED];
  open_history(&f, 15);
  f.settings.gp_devices = devices;
  fixture_ask(&f, "gp", 1, expected);
  assert_int_equal(gp_fits_open(&f.settings.gp_fits, &e), 0);
  cudacpu_fail_launch(2, cudaErrorLaunchOutOfResources); /* the last climb's */
  fixture_ask(&f, "gp", 1, v);
  assert_memory_equal(v, expected, sizeof v);
  assert_int_equal(gp_fits_made(f.settings.gp_fits), 2);
  gp_fits_close(f.settings.gp_fits);
  fixture_close(&f);
}

static void a_device_without_memory_is_not_opened(void **state)
{
  (void)state;
  struct gp_devices *other;
  struct error e;
  const int number = 1;
  for (int n = 1; n <= 43; n++) { /* twenty-one allocations of each workspace, and one more */
    size_t before = cudacpu_counts().allocations;
    cudacpu_fail_allocation(n);
    int code = gp_devices_open(&other, 1, &number, 100, 3, &e);
    if (n <= 42) {
      assert_int_equal(code, ERROR_MACHINE);
      assert_non_null(strstr(e.message, "no memory left for the Gaussian process"));
      assert_null(other);
    } else {
      assert_int_equal(code, 0);
      gp_devices_close(other);
    }
    assert_int_equal(cudacpu_counts().allocations, before);
  }
  cudacpu_fail_allocation(0);
}

static void devices_of_two_models_are_not_used_together(void **state)
{
  (void)state;
  struct gp_devices *other;
  struct error e;
  const int numbers[] = {0, 1};
  strcpy(cudacpu_properties(1)->name, "Another GPU");
  assert_int_equal(gp_devices_open(&other, 2, numbers, 100, 3, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "Another GPU"));
  assert_non_null(strstr(e.message, "devices = cuda:0"));
}

static void devices_auto_is_what_there_is(void **state)
{
  (void)state;
  struct space space = {.n = 3};
  struct sampler_settings s = default_sampler_settings();
  struct error e;
  char text[500];
  const struct sampler *gp = sampler_find("gp");
  assert_int_equal(gp->open(&s, &space, "cpu", &e), 0);
  assert_null(s.gp_devices);
  gp->description(&s, text, sizeof text);
  assert_null(strstr(text, "cuda"));
  gp->close(&s);
  assert_int_equal(gp->open(&s, &space, "cuda:7", &e), ERROR_CONFIG);
  assert_int_equal(gp->open(&s, &space, "auto", &e), 0);
  assert_non_null(s.gp_devices);
  gp->description(&s, text, sizeof text);
  assert_non_null(
      strstr(text, "Gaussian process of up to 512 trials on cuda (CUDA on the CPU, compute capability 9.0"));
  assert_non_null(strstr(text, "OpenBLAS "));
  gp->close(&s);
  assert_null(s.gp_devices);
  assert_null(s.gp_fits);
  gp->close(&s);
}

#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
#ifndef REAL_GPU
      TEST_ON_OLDER_DEVICE(a_fit_finds_what_the_cpus_finds),
      TEST_ON_OLDER_DEVICE(proposals_of_the_device_are_mostly_those_of_the_cpu),
#endif
      TEST_ON_DEVICE(a_fit_finds_what_the_cpus_finds),
      TEST_ON_DEVICE(a_fit_ends_as_high_as_nlopts),
      TEST_ON_DEVICE(a_proposal_has_the_same_bits_whatever_runs_beside_it),
      TEST_ON_DEVICE(proposals_that_see_the_same_results_share_a_fit),
      TEST_ON_DEVICE(small_spaces_are_filled_and_then_repeated),
#ifndef REAL_GPU
      TEST_ON_DEVICE(a_fit_is_two_launches),
      TEST_ON_DEVICE(proposals_of_the_device_are_mostly_those_of_the_cpu),
      TEST_ON_DEVICE(more_trials_than_a_device_takes_are_the_cpus),
      TEST_ON_DEVICE(a_proposal_is_made_again_where_a_device_has_failed),
      TEST_ON_DEVICE(a_fit_that_failed_is_not_remembered),
      TEST_ON_DEVICE(devices_of_two_models_are_not_used_together),
      TEST_ON_DEVICE(devices_auto_is_what_there_is),
      TEST_ON_DEVICE(a_device_without_memory_is_not_opened),
#endif
  };
  return cmocka_run_group_tests_name("kernels_gp_sampler", tests, NULL, NULL);
}
