/* Speed of the Gaussian process on a GPU, through host/samplers/gp/gp_device.h: what each of its
 * pieces takes a proposal, from the call until the answer is there.
 *
 *   bench_gp [OPTION]...     options are those of rows.h
 *
 * likelihood  Log likelihood and gradient, of 1 and of GP_DEVICE_BATCH settings of hyperparameters
 *             at once, as a fit asks for them.
 * condition   The posterior: factor, inverse, alpha.
 * fit         Hyperparameters by all of their climbs, of at most FIT_EVALUATIONS likelihoods.
 * send        Candidates' way to the device, alone: through pinned memory, by one copy.
 * rank        Mean, deviation and log expected improvement of candidates, which are sent first:
 *             what is beyond `send` is the device's work.
 * top         The GP_TOP best of them.
 *
 * On a GPU of compute capability 9.0 and above the first three are measured once more by the
 * kernels for older ones (gp_workspace_use_clusters), on the same numbers; "older" is how many
 * times as long those take.
 *
 * Ten dimensions, as the paper's space has.  A row is the median and the best of some calls; the
 * first, which may load a kernel, is not counted. */
#include <getopt.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cuda_runtime_api.h>

#include "host/base/monotonic.h"
#include "host/base/number_order.h"
#include "host/samplers/gp/gp_device.h"
#include "host/samplers/gp/gp_fit.h"
#include "tests/bench/rows.h"
#include "tests/unit/samplers/gp/gp_fixture.h"

enum { DIMENSIONS = 10, ROUNDS_MIN = 3, ROUNDS_MAX = 25, FIT_EVALUATIONS = 200 };
static const double rounds_s = 0.1;

static struct rows rows;

static void check(int code, const struct error *e)
{
  if (!code) return;
  fprintf(stderr, "bench_gp: %s\n", e->message);
  exit(1);
}

/* ---- the pieces ------------------------------------------------------------------------------ */

struct bench {
  struct gp_workspace *w;
  const struct problem *p;
  int count;              /* settings, or candidates */
  const double *const *x; /* [DIMENSIONS][count] candidates */
  struct way *way;
};

/* The candidates' way, as a workspace has it. */
struct way {
  double *pinned, *device; /* [DIMENSIONS][count of the most] */
  cudaStream_t stream;
};

static void must(cudaError_t error, const char *what)
{
  if (error == cudaSuccess) return;
  fprintf(stderr, "bench_gp: %s: %s\n", what, cudaGetErrorString(error));
  exit(1);
}

static void way_open(struct way *w, int most)
{
  const size_t bytes = DIMENSIONS * (size_t)most * sizeof(double);
  must(cudaMallocHost((void **)&w->pinned, bytes), "cudaMallocHost");
  must(cudaMalloc((void **)&w->device, bytes), "cudaMalloc");
  must(cudaStreamCreateWithFlags(&w->stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

static void way_close(struct way *w)
{
  cudaStreamDestroy(w->stream);
  cudaFree(w->device);
  cudaFreeHost(w->pinned);
}

static void send(const struct bench *b)
{
  const size_t each = (size_t)b->count;
  for (size_t i = 0; i < DIMENSIONS; i++) memcpy(b->way->pinned + i * each, b->x[i], each * sizeof(double));
  must(cudaMemcpyAsync(b->way->device, b->way->pinned, DIMENSIONS * each * sizeof(double), cudaMemcpyHostToDevice,
                       b->way->stream),
       "cudaMemcpyAsync");
  must(cudaStreamSynchronize(b->way->stream), "cudaStreamSynchronize");
}

static void likelihood(const struct bench *b)
{
  struct gp_hyper hyper[GP_DEVICE_BATCH];
  double value[GP_DEVICE_BATCH];
  static double gradient[GP_DEVICE_BATCH][GP_PARAMETERS_MAX];
  for (int i = 0; i < b->count; i++) {
    hyper[i] = b->p->hyper;
    hyper[i].signal *= 1 + i;
  }
  gp_workspace_likelihoods(b->w, b->count, hyper, value, gradient);
}

static void condition(const struct bench *b)
{
  double alpha[GP_TEST_MAX];
  if (!gp_workspace_condition(b->w, &b->p->hyper, alpha)) fprintf(stderr, "bench_gp: not positive definite\n");
}

static void fit(const struct bench *b)
{
  struct gp_hyper hyper;
  struct error e = {0};
  check(gp_fit(&b->p->data, GP_PRIOR_SEARCH, rows.tiny ? 8 : FIT_EVALUATIONS, b->w, &hyper, &e), &e);
  gp_workspace_observe(b->w, &b->p->data, 0); /* a part of it may have been the last */
}

/* The scores stay on the device: reading one of them waits for all. */
static void rank(const struct bench *b)
{
  double score;
  gp_workspace_rank(b->w, b->count, b->x, 0.5);
  gp_workspace_read(b->w, 1, NULL, NULL, &score);
}

static void top(const struct bench *b)
{
  struct gp_top best[1][GP_TOP];
  gp_workspace_top(b->w, 1, &(struct gp_range){.from = 0, .to = b->count, .after = {.index = -1}}, best);
}

/* ---- timing ---------------------------------------------------------------------------------- */

struct times {
  double median_ms, best_ms;
  int rounds;
};

static struct times time_of(void (*call)(const struct bench *), const struct bench *b)
{
  double ms[ROUNDS_MAX], sum = 0;
  int n = 0, most = rows.tiny ? 1 : ROUNDS_MAX, least = rows.tiny ? 1 : ROUNDS_MIN;
  call(b);
  while (n < most && (n < least || sum < 1e3 * rounds_s)) {
    double t = monotonic_seconds();
    call(b);
    sum += ms[n++] = 1e3 * (monotonic_seconds() - t);
  }
  qsort(ms, (size_t)n, sizeof *ms, number_order);
  return (struct times){n % 2 ? ms[n / 2] : (ms[n / 2 - 1] + ms[n / 2]) / 2, ms[0], n};
}

/* older: what the kernels for older GPUs take, or 0 rounds. */
static void write_row(const char *what, const struct bench *b, struct times t, struct times older)
{
  printf("%-10s %6d %9d %11.3f %9.3f", what, b->p->n, b->count, t.median_ms, t.best_ms);
  if (older.rounds) printf(" %8.2f", older.median_ms / t.median_ms);
  printf("\n");
  fflush(stdout);
  if (!rows.json) return;
  fprintf(rows.json,
          "{\"kind\": \"gp\", \"what\": \"%s\", \"trials\": %d, \"count\": %d, \"median_ms\": %.6g, \"best_ms\": %.6g, "
          "\"rounds\": %d",
          what, b->p->n, b->count, t.median_ms, t.best_ms, t.rounds);
  if (older.rounds)
    fprintf(rows.json, ", \"older_median_ms\": %.6g, \"older_best_ms\": %.6g", older.median_ms, older.best_ms);
  fprintf(rows.json, "}\n");
  fflush(rows.json);
}

static void measure(const char *what, void (*call)(const struct bench *), const struct bench *b)
{
  if (rows_time_is_up(&rows)) return;
  write_row(what, b, time_of(call, b), (struct times){.rounds = 0});
}

/* By the kernels for clusters, and by the others. */
static void measure_both(const char *what, void (*call)(const struct bench *), const struct bench *b)
{
  struct times t, older = {.rounds = 0};
  if (rows_time_is_up(&rows)) return;
  t = time_of(call, b);
  if (gp_workspace_use_clusters(b->w, false)) {
    older = time_of(call, b);
    gp_workspace_use_clusters(b->w, true);
  }
  write_row(what, b, t, older);
}

static void measure_problem(struct gp_devices *devices, int n, const int *candidates, int sizes, const double *const *x,
                            struct way *way)
{
  struct problem p;
  struct error e = {0};
  problem_make(&p, n, DIMENSIONS, 0, 1e-2, (uint64_t)n);
  struct bench b = {.w = gp_workspace_take(devices), .p = &p, .x = x, .way = way};
  gp_workspace_observe(b.w, &p.data, 0);
  for (b.count = 1; b.count <= GP_DEVICE_BATCH; b.count += GP_DEVICE_BATCH - 1)
    measure_both("likelihood", likelihood, &b);
  b.count = 1;
  measure_both("fit", fit, &b);
  measure_both("condition", condition, &b);
  condition(&b); /* also where the limit left it out */
  for (int i = 0; i < sizes; i++) {
    b.count = candidates[i];
    measure("send", send, &b);
    measure("rank", rank, &b);
    rank(&b);
    measure("top", top, &b);
  }
  check(gp_workspace_check(b.w, &e), &e);
  gp_workspace_give_back(b.w);
  problem_destroy(&p);
}

static void measure_all(void)
{
  static const int full[] = {64, 128, 200, 256, GP_DEVICE_OBSERVATIONS}, full_candidates[] = {2048, 100000, 1000000};
  static const int tiny[] = {20}, tiny_candidates[] = {40};
  const int *n = rows.tiny ? tiny : full, *candidates = rows.tiny ? tiny_candidates : full_candidates;
  int problems = rows.tiny ? 1 : 5, counts = rows.tiny ? 1 : 3, most = candidates[counts - 1];
  const int number = 0;
  struct gp_devices *devices;
  struct error e = {0};
  double *x[DIMENSIONS];
  struct rng rng = rng_make(3, philox_subsequence(PHILOX_TEST, 0, 0));
  struct way way;
  check(gp_devices_open(&devices, 1, &number, most, DIMENSIONS, &e), &e);
  must(cudaSetDevice(number), "cudaSetDevice");
  way_open(&way, most);
  for (int d = 0; d < DIMENSIONS; d++) {
    x[d] = malloc((size_t)most * sizeof(double));
    for (int i = 0; x[d] && i < most; i++) x[d][i] = d % 3 == 2 ? rng_below(&rng, 4) : rng_uniform(&rng);
    if (!x[d]) check(error_set(&e, ERROR_MACHINE, "no memory"), &e);
  }
  printf("the Gaussian process in %d dimensions; ms until the answer is there\n", DIMENSIONS);
  printf("%-10s %6s %9s %11s %9s %8s\n", "what", "trials", "count", "median ms", "best ms", "older");
  for (int i = 0; i < problems; i++) measure_problem(devices, n[i], candidates, counts, (const double *const *)x, &way);
  way_close(&way);
  for (int d = 0; d < DIMENSIONS; d++) free(x[d]);
  gp_devices_close(devices);
}

/* ---- the command line ------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
  static const struct option names[] = {ROWS_OPTIONS, {NULL, 0, NULL, 0}};
  bool good = true;
  rows = rows_begin(HARNESS);
  for (int option; good && (option = getopt_long(argc, argv, "", names, NULL)) != -1;)
    good = rows_option(&rows, option);
  if (!good || optind < argc) {
    fprintf(stderr, "usage: bench_gp [--tiny] [--limit SECONDS] [--json FILE]\n");
    return 2;
  }
  if (!rows_device("bench_gp", HARNESS, NULL, 0)) return 1;
  measure_all();
  return rows_end(&rows);
}
