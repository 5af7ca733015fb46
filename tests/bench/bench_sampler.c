/* What a proposal costs: the paper's ten hyperparameters with up to 10,000 trials of history, one
 * core.
 *
 *   bench_sampler [samplers | gp | optuna]...   what to measure; all where nothing is said
 *     and the options of rows.h
 *
 * Printed is the best and the median of many asks, each with a key of its own.  The history is
 * random, a tenth of it failed or in flight; `bunched` has the good trials in a corner, where
 * kernels overlap and none may be left out.
 *
 * The Gaussian process is timed where it has something to learn, on values of the function
 * `tuning`: one proposal, and eight one after another, each with those before it in flight, which
 * share a fit, beside the times aimed at; and on a GPU, where there is one, by the clock on the
 * wall.  Optuna's GPSampler on the same history, where build/venv-search has it
 * (tests/bench/search_optuna.py says how to make it), is a child,
 * tests/bench/bench_sampler_optuna.py. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/number_order.h"
#include "host/space/function_space.h"
#include "host/space/functions.h"
#include "host/base/rng.h"
#include "host/samplers/sampler.h"
#include "tests/bench/rows.h"
#include "tests/unit/experiment/defaults.h"

static struct rows rows;

static double seconds_of(clockid_t clock)
{
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds(void)
{
  return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

/* A row as a line of JSON: `on` is cpu (CPU time) or cuda (by the clock on the wall). */
static void tell(const char *sampler, const char *on, int dimensions, const char *what, int trials, int proposals,
                 double best_s, double median_s)
{
  fflush(stdout);
  if (!rows.json) return;
  fprintf(rows.json,
          "{\"kind\": \"proposal\", \"sampler\": \"%s\", \"on\": \"%s\", \"dimensions\": %d, \"history\": \"%s\", "
          "\"trials\": %d, \"proposals\": %d, \"median_ms\": %.6g, \"best_ms\": %.6g}\n",
          sampler, on, dimensions, what, trials, proposals, 1e3 * median_s, 1e3 * best_s);
  fflush(rows.json);
}

/* The paper's rule in small: a map of 28 vanishes under a valid kernel, halved by stride and
 * pooling in each layer. */
static bool map_remains(void *context, const double *values)
{
  (void)context;
  int size = 28, kernel = values[7] == 0 ? 3 : 5, stride = values[5] == 0 ? 1 : 2,
      pad = values[6] == 0 ? 0 : kernel / 2;
  for (int layer = 0; layer < (int)values[0] && size > 0; layer++) {
    size = size + 2 * pad < kernel ? 0 : (size + 2 * pad - kernel) / stride + 1;
    size /= 2;
  }
  return size > 0;
}

static void measure(const struct sampler *sampler, const char *function, int n_history, bool bunched, const char *what)
{
  enum { ASKS = 201 };
  struct space space;
  struct groups groups;
  struct error error;
  bool maximize, free_all[SPACE_MAX];
  double fixed[SPACE_MAX], proposal[SPACE_MAX], times[ASKS], sum = 0;
  int asks = rows.tiny ? 3 : ASKS;
  if (rows_time_is_up(&rows)) return;
  if (rows.tiny) n_history = 50;
  if (function_space(function, &space, &groups, &maximize, &error)) return;
  struct observation *history = calloc((size_t)n_history, sizeof(*history));
  double *values = calloc((size_t)(n_history * space.n), sizeof(*values));
  struct rng rng = rng_make(1, philox_subsequence(PHILOX_TEST, 0, 0));
  for (int t = 0; t < n_history; t++) {
    double *row = values + (size_t)t * (size_t)space.n;
    bool good = t % 4 == 0;
    for (int i = 0; i < space.n; i++) {
      row[i] = param_from_unit(&space.params[i], (bunched && good ? 0.05 : 1.0) * rng_uniform(&rng));
    }
    history[t] = (struct observation){.number = t, .values = row, .value = rng_uniform(&rng) + (bunched && good)};
    if (t % 10 == 9) history[t].state = t % 20 == 9 ? OBSERVATION_FAILED : OBSERVATION_IN_FLIGHT;
  }
  struct sampler_settings settings = default_sampler_settings();
  for (int i = 0; i < space.n; i++) free_all[i] = true;
  space_defaults(&space, fixed);
  struct sampler_request request = {.space = &space,
                                    .free = free_all,
                                    .fixed = fixed,
                                    .history = history,
                                    .n_history = n_history,
                                    .n_group = n_history,
                                    .group_size = 2 * n_history,
                                    .feasible = strcmp(function, "tuning") ? NULL : map_remains,
                                    .settings = &settings};
  for (int k = 0; k < asks; k++) {
    request.key = philox_trial_key(7, 0, k);
    double start = seconds();
    if (sampler->ask(&request, proposal, &error)) {
      fprintf(stderr, "bench_sampler: %s: %s\n", sampler->name, error.message);
      exit(1);
    }
    times[k] = seconds() - start;
    sum += proposal[0];
  }
  qsort(times, (size_t)asks, sizeof(*times), number_order);
  printf("sampler %-6s %2d dimensions, %5d trials%s: best %.3f ms, median %.3f ms a proposal%s\n", sampler->name,
         space.n, n_history, what, 1e3 * times[0], 1e3 * times[asks / 2], sum == 0 ? " " : "");
  tell(sampler->name, "cpu", space.n, *what ? what + 2 : "", n_history, 1, times[0], times[asks / 2]);
  free(values);
  free(history);
  space_destroy(&space);
}

/* --- the Gaussian process --- */

enum { BATCH_MAX = 8 };

/* Writes the history where a program that is not ours can read it: a line a trial, unit coordinates
 * and the value. */
static void export_history(const char *path, const struct space *space, const struct observation *history, int n)
{
  FILE *file = fopen(path, "w");
  if (!file) return;
  for (int t = 0; t < n; t++) {
    for (int i = 0; i < space->n; i++) fprintf(file, "%.17g ", history[t].values[i]);
    fprintf(file, "%.17g\n", history[t].value);
  }
  fclose(file);
}

/* devices: "cpu", or "cuda" for the GPUs; nothing is measured where there is none. */
static void measure_gp(const char *devices, int n_history, int batch, int asks, double aim_ms)
{
  const struct sampler *sampler = sampler_find("gp");
  const bool on_cpu = !strcmp(devices, "cpu");
  const clockid_t clock = on_cpu ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const struct function *function = function_find("tuning");
  struct space space;
  struct groups groups;
  struct error error;
  bool maximize, free_all[SPACE_MAX];
  double fixed[SPACE_MAX], times[64];
  if (rows_time_is_up(&rows)) return;
  if (rows.tiny || (HARNESS && !on_cpu)) {
    if (n_history > 200) return;
    n_history = 24;
    batch = batch > 2 ? 2 : batch;
    asks = 1;
  }
  if (function_space("tuning", &space, &groups, &maximize, &error)) return;
  struct sampler_settings settings = default_sampler_settings();
  if (sampler->open(&settings, &space, devices, &error)) {
    if (!on_cpu) printf("(no GPU for the Gaussian process: %s)\n", error.message);
    space_destroy(&space);
    return;
  }
  struct observation *history = calloc((size_t)(n_history + batch), sizeof(*history));
  double *values = calloc((size_t)(n_history + batch) * (size_t)space.n, sizeof(*values));
  struct rng rng = rng_make(2, philox_subsequence(PHILOX_TEST, 0, 0));
  for (int t = 0; t < n_history + batch; t++) {
    double *row = values + (size_t)t * (size_t)space.n, numbers[SPACE_MAX];
    for (int i = 0; i < space.n; i++) {
      row[i] = param_from_unit(&space.params[i], rng_uniform(&rng));
      numbers[i] = param_number(&space.params[i], row[i]);
    }
    struct function_call call = {.function = function, .x = numbers, .epoch = 1};
    function->value(&call);
    history[t] = (struct observation){.number = t, .values = row, .value = call.value};
  }
  if (on_cpu && batch == 1 && !rows.tiny) export_history("build/bench_sampler.txt", &space, history, n_history);
  for (int i = 0; i < space.n; i++) free_all[i] = true;
  space_defaults(&space, fixed);
  struct sampler_request request = {.space = &space,
                                    .free = free_all,
                                    .fixed = fixed,
                                    .history = history,
                                    .group_size = 2 * n_history,
                                    .feasible = map_remains,
                                    .settings = &settings};
  for (int k = 0; k < asks; k++) {
    times[k] = 0;
    history[0].value *= 1 + 1e-12; /* the fit of the asks before is remembered, and costs nothing */
    for (int b = 0; b < batch; b++) {
      request.key = philox_trial_key(7, k, b);
      request.n_history = request.n_group = n_history + b;
      double start = seconds_of(clock);
      if (sampler->ask(&request, values + (size_t)(n_history + b) * (size_t)space.n, &error)) {
        fprintf(stderr, "bench_sampler: gp: %s\n", error.message);
        exit(1);
      }
      times[k] += seconds_of(clock) - start;
      history[n_history + b].state = OBSERVATION_IN_FLIGHT;
    }
  }
  qsort(times, (size_t)asks, sizeof(*times), number_order);
  printf("sampler gp     %2d dimensions, %5d trials%s: best %.1f ms, median %.1f ms for %d proposal%s", space.n,
         n_history,
         on_cpu    ? ""
         : HARNESS ? ", on the harness"
                   : ", on the GPU",
         1e3 * times[0], 1e3 * times[asks / 2], batch, batch > 1 ? "s" : "");
  if (on_cpu && !rows.tiny)
    printf(" (aim: %.0f ms)%s", aim_ms, 1e3 * times[asks / 2] < aim_ms ? "" : "  DOES NOT HOLD");
  printf("\n");
  tell("gp", devices, space.n, "", n_history, batch, times[0], times[asks / 2]);
  sampler->close(&settings);
  free(values);
  free(history);
  space_destroy(&space);
}

static void measure_optuna(void)
{
  static const char command[] =
      "test -x build/venv-search/bin/python && OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "
      "build/venv-search/bin/python -W ignore tests/bench/bench_sampler_optuna.py build/bench_sampler.txt";
  fflush(stdout);
  if (system(command)) printf("(no Optuna with torch in build/venv-search: its GPSampler is not timed)\n");
}

static void measure_samplers(void)
{
  measure(sampler_find("random"), "tuning", 1000, false, "");
  measure(sampler_find("grid"), "tuning", 1000, false, "");
  measure(sampler_find("tpe"), "tuning", 100, false, "");
  measure(sampler_find("tpe"), "tuning", 1000, false, "");
  measure(sampler_find("tpe"), "tuning", 1000, true, ", bunched");
  measure(sampler_find("tpe"), "ackley", 1000, false, ", all floats");
  measure(sampler_find("tpe"), "ackley", 1000, true, ", all floats, bunched");
  measure(sampler_find("tpe"), "tuning", 10000, false, "");
}

/* The last of those on the CPU writes the history that Optuna is asked with. */
static void measure_gps(void)
{
  measure_gp("cuda", 200, 1, 21, 0);
  measure_gp("cuda", 200, BATCH_MAX, 5, 0);
  measure_gp("cuda", 500, 1, 5, 0);
  measure_gp("cpu", 1000, 1, 3, 3000);
  measure_gp("cpu", 200, BATCH_MAX, 5, 400);
  measure_gp("cpu", 200, 1, 21, 150);
}

/* ---- the command line ------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
  enum { PARTS = 3 };
  static const struct option options[] = {ROWS_OPTIONS, {NULL, 0, NULL, 0}};
  static const char *const names[PARTS] = {"samplers", "gp", "optuna"};
  static void (*const run[PARTS])(void) = {measure_samplers, measure_gps, measure_optuna};
  bool wanted[PARTS] = {false}, good = true;
  rows = rows_begin(false);
  for (int option; good && (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
    good = rows_option(&rows, option);
  if (!good || !rows_parts(argc, argv, PARTS, names, wanted)) {
    fprintf(stderr, "usage: bench_sampler [--tiny] [--limit SECONDS] [--json FILE] [samplers | gp | optuna]...\n");
    return 2;
  }
  for (int i = 0; i < PARTS; i++)
    if (wanted[i] || optind == argc) run[i]();
  return rows_end(&rows);
}
