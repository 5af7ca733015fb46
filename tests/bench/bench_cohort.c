/* Speed of the CUDA trainer, through host/cuda/cohort.h: what a step takes beside the least that it
 * could, and how many trials an hour.
 *
 *   bench_cohort [steps | trials | profile]...   what to measure; steps and trials where nothing
 *                                                is said
 *     --precision NAME    fp32 or tf32 alone
 *     --gpu NAME          floors of this GPU (host/cuda/roofline.h) where the device's own name is
 *                         none of the table
 *     and the options of rows.h
 *
 * steps     Cohorts of 1 ... 32 trials on 1, 2 and 4 streams, each with a thread of its own as in a
 *           run.  An epoch has some training steps and one of validation; all streams start it
 *           together, and the time until the last is through is divided by its steps.  The first
 *           epoch, which captures the graph, is not counted.  The median and the fastest of some
 *           epochs are reported.  The floor is that of all trials together, one launch after the
 *           other.
 * trials    Whole trials of the default network, 10 epochs of 4,000 images and 1,000 for
 *           validation, that many at once on two streams; where one ends the next one takes its
 *           place, twice in each.  What a run does besides (proposals, the database) is not here.
 * profile   One epoch of two steps with 16 trials, between cudaProfilerStart and cudaProfilerStop,
 *           for Nsight Compute. */
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/monotonic.h"
#include "host/base/number_order.h"
#include "host/cuda/cohort.h"
#include "host/cuda/roofline.h"
#include "tests/bench/rows.h"
#include "tests/unit/network/network_config.h"

#ifdef REAL_GPU
#include <cuda_profiler_api.h>
#else
static int cudaProfilerStart(void)
{
  return 0;
}
static int cudaProfilerStop(void)
{
  return 0;
}
#endif

static struct rows rows;
static struct {
  int precision;               /* -1: both */
  const struct gpu_rates *gpu; /* NULL: no floors */
} options = {.precision = -1};

static void check(int code, const struct error *e)
{
  if (!code) return;
  fprintf(stderr, "bench_cohort: %s\n", e->message);
  exit(1);
}

static const char *name_of(int precision)
{
  return precision == PRECISION_TF32 ? "tf32" : "fp32";
}

/* ---- what is trained ------------------------------------------------------------------------- */

enum { CLASSES = 10, STORED = 1024 };

struct shape {
  const char *name;
  int size, channels, batch, filters;
  int steps; /* training steps of an epoch */
};
static const struct shape full_shapes[] = {{"28x28x1", 28, 1, 32, 32, 191}, {"64x64x3", 64, 3, 128, 32, 63}};
static const struct shape tiny_shapes[] = {{"16x16x1", 16, 1, 8, 8, 2}, {"12x12x3", 12, 3, 8, 8, 2}};
enum { SHAPES = 2 };

static const struct shape *shapes(void)
{
  return rows.tiny ? tiny_shapes : full_shapes;
}

/* Noise: speed does not depend on what images show. */
static void make_data(struct dataset *d, const struct shape *s, int train, int validation)
{
  size_t bytes = (size_t)STORED * (size_t)s->size * (size_t)s->size * (size_t)s->channels;
  uint8_t *images = malloc(bytes);
  uint16_t *labels = malloc(STORED * sizeof *labels);
  int32_t *stored = malloc((size_t)(train + validation) * sizeof *stored);
  if (!images || !labels || !stored) {
    fprintf(stderr, "bench_cohort: no memory\n");
    exit(1);
  }
  uint32_t x = 1;
  for (size_t i = 0; i < bytes; i++) images[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
  for (int i = 0; i < STORED; i++) labels[i] = (uint16_t)(i * 7 % CLASSES);
  for (int i = 0; i < train + validation; i++) stored[i] = i % STORED;
  *d = (struct dataset){.n_classes = CLASSES, .channels = s->channels, .height = s->size, .width = s->size};
  for (int c = 0; c < s->channels; c++) {
    d->mean[c] = 0.5f;
    d->deviation[c] = 0.29f;
  }
  d->train = (struct dataset_split){.n = train, .rows = stored, .images = images, .labels = labels};
  d->validation = (struct dataset_split){.n = validation, .rows = stored + train, .images = images, .labels = labels};
}

static void free_data(struct dataset *d)
{
  free((void *)d->train.rows);
  free((void *)d->train.images);
  free((void *)d->train.labels);
}

static void make_plan(struct plan *p, const struct shape *s, const struct dataset *d, int epochs)
{
  struct network_config c = usual_network();
  if (rows.tiny) {
    c.num_conv_layers = 2;
    c.num_fc_units = 16;
  }
  c.epochs = epochs;
  c.batch_size = s->batch;
  c.model.filters = s->filters;
  plan_make(p, &c, s->size, s->size, s->channels, CLASSES, d->train.n, d->validation.n);
}

/* ---- cohorts side by side -------------------------------------------------------------------- */

enum { STREAMS_MAX = 4, WHOLE = 1000000 /* epochs: never ends */ };

struct crew;
struct lane { /* a stream: a cohort and its thread */
  struct crew *crew;
  pthread_t thread;
  struct cohort *cohort;
  int trials, first;
  double busy_s; /* of the device, since it was set to 0 */
  int code;
  struct error e;
};

struct crew {
  struct lane lanes[STREAMS_MAX];
  int streams;
  struct device_data *on_device;
  const struct plan *plan;
  enum precision precision;
  pthread_barrier_t begin, end;
  bool stop; /* set before `begin` */
};

/* One epoch of all trials of the lane: they are alike, and end it together. */
static void run_epoch(struct lane *l)
{
  struct cohort_event events[COHORT_MAX];
  int n = 0;
  for (int ended = 0; ended < l->trials && !l->code; ended += n) {
    l->code = cohort_advance(l->cohort, events, COHORT_MAX, &n, NULL, &l->e);
    for (int i = 0; i < n && !l->code; i++) {
      l->busy_s += events[i].seconds;
      if (events[i].failed) l->code = error_set(&l->e, ERROR_FAILED, "trial %d diverged", events[i].id);
    }
  }
}

static void *lane_thread(void *context)
{
  struct lane *l = context;
  struct crew *c = l->crew;
  l->code = cohort_open(&l->cohort, c->on_device, l->trials, c->precision, &l->e);
  for (int i = 0; i < l->trials && !l->code; i++)
    l->code = cohort_add(l->cohort, l->first + i, c->plan, (uint64_t)(l->first + i), &l->e);
  for (;;) { /* a lane that failed still comes to the barriers */
    pthread_barrier_wait(&c->begin);
    if (c->stop) break;
    if (!l->code) run_epoch(l);
    pthread_barrier_wait(&c->end);
  }
  cohort_close(l->cohort);
  return NULL;
}

static void crew_start(struct crew *c, int trials, int streams)
{
  c->streams = streams;
  pthread_barrier_init(&c->begin, NULL, (unsigned)streams + 1);
  pthread_barrier_init(&c->end, NULL, (unsigned)streams + 1);
  for (int i = 0, first = 0; i < streams; i++) {
    struct lane *l = &c->lanes[i];
    *l = (struct lane){.crew = c, .first = first, .trials = trials / streams + (i < trials % streams)};
    first += l->trials;
    if (pthread_create(&l->thread, NULL, lane_thread, l)) {
      fprintf(stderr, "bench_cohort: no thread can be started\n");
      exit(1);
    }
  }
}

/* Seconds of one epoch of all lanes. */
static double crew_epoch(struct crew *c)
{
  pthread_barrier_wait(&c->begin);
  double t = monotonic_seconds();
  pthread_barrier_wait(&c->end);
  return monotonic_seconds() - t;
}

/* Returns the first error of a lane. */
static int crew_stop(struct crew *c, struct error *e)
{
  int code = 0;
  c->stop = true;
  pthread_barrier_wait(&c->begin);
  for (int i = 0; i < c->streams; i++) {
    pthread_join(c->lanes[i].thread, NULL);
    if (!code && c->lanes[i].code) {
      code = c->lanes[i].code;
      *e = c->lanes[i].e;
    }
  }
  pthread_barrier_destroy(&c->begin);
  pthread_barrier_destroy(&c->end);
  return code;
}

/* ---- steps ----------------------------------------------------------------------------------- */

enum { ROUNDS_MIN = 3, ROUNDS_MAX = 15 };
static const double rounds_s = 0.15;

static void print_number(FILE *f, const char *key, double value)
{
  if (isfinite(value))
    fprintf(f, ", \"%s\": %.6g", key, value);
  else
    fprintf(f, ", \"%s\": null", key);
}

static void tell_step(const struct shape *s, const struct plan *p, int precision, int trials, int streams, double best,
                      double median, double busy, int rounds)
{
  struct device_trial t;
  struct step_cost cost;
  double floor = NAN, images = 1e6 * trials * s->batch / median;
  device_network_make(&t, p, 0, DEVICE_SHARED_LARGE);
  step_cost_make(&cost, &t, p);
  if (options.gpu) floor = step_floor_us(&cost, options.gpu, precision == PRECISION_TF32, trials);
  printf("%-8s %5d  %s %7d %8d %11.1f %11.1f", s->name, s->batch, name_of(precision), trials, streams, median, best);
  if (options.gpu)
    printf(" %10.1f %6.1f %%", floor, 100 * floor / median);
  else
    printf(" %10s %8s", "-", "-");
  printf(" %11.0f %9.0f\n", images, images * p->flops_image_training * 1e-9);
  fflush(stdout);
  if (!rows.json) return;
  fprintf(
      rows.json,
      "{\"kind\": \"step\", \"shape\": \"%s\", \"batch\": %d, \"precision\": \"%s\", \"trials\": %d, \"streams\": %d",
      s->name, s->batch, name_of(precision), trials, streams);
  print_number(rows.json, "step_us", median);
  print_number(rows.json, "best_us", best);
  print_number(rows.json, "device_us", streams == 1 ? busy : NAN);
  print_number(rows.json, "floor_us", floor);
  print_number(rows.json, "images_per_s", images);
  print_number(rows.json, "gflops", images * p->flops_image_training * 1e-9);
  fprintf(rows.json, ", \"launches\": %d, \"rounds\": %d}\n", cost.n, rounds);
  fflush(rows.json);
}

static void measure_step(const struct shape *s, const struct dataset *d, struct device_data *on_device, int precision,
                         int trials, int streams)
{
  struct plan p;
  struct crew c = {.on_device = on_device, .plan = &p, .precision = (enum precision)precision};
  struct error e = {0};
  double walls[ROUNDS_MAX], sum = 0, busy = 0;
  int n = 0;
  make_plan(&p, s, d, WHOLE);
  crew_start(&c, trials, streams);
  crew_epoch(&c);
  for (int i = 0; i < streams; i++) c.lanes[i].busy_s = 0;
  int most = rows.tiny ? 1 : ROUNDS_MAX, least = rows.tiny ? 1 : ROUNDS_MIN;
  while (n < most && (n < least || sum < rounds_s)) sum += walls[n++] = crew_epoch(&c);
  for (int i = 0; i < streams; i++) busy += c.lanes[i].busy_s;
  check(crew_stop(&c, &e), &e);
  qsort(walls, (size_t)n, sizeof *walls, number_order);
  double median = n % 2 ? walls[n / 2] : (walls[n / 2 - 1] + walls[n / 2]) / 2, us = 1e6 / (s->steps + 1);
  tell_step(s, &p, precision, trials, streams, us * walls[0], us * median, us * busy / n, n);
}

/* The data set on device 0, with room for `trials` trials of a plan in `cohorts` cohorts. */
static struct device_data *on_a_device(const struct dataset *d, const struct plan *p, int cohorts, int trials)
{
  struct error e = {0};
  struct device_data *data;
  struct device_need need = {cohorts, trials, cohort_trial_bytes(p)};
  check(device_data_open(&data, d, 0, &need, &e), &e);
  return data;
}

static void steps(void)
{
  struct dataset data[SHAPES];
  struct device_data *on_device[SHAPES];
  const struct shape *shape = shapes();
  printf("steps: 3 convolutions, Adam; floor of %s; us a step of all trials together\n",
         options.gpu ? options.gpu->name : "none (a GPU that host/cuda/roofline.c does not know)");
  printf("%-8s %5s  %s %7s %8s %11s %11s %10s %8s %11s %9s\n", "images", "batch", "prec", "trials", "streams",
         "median us", "best us", "floor us", "reached", "images/s", "GFLOP/s");
  for (int i = 0; i < SHAPES; i++) {
    struct plan p;
    make_data(&data[i], &shape[i], shape[i].steps * shape[i].batch, 1);
    make_plan(&p, &shape[i], &data[i], WHOLE);
    on_device[i] = on_a_device(&data[i], &p, rows.tiny ? 2 : STREAMS_MAX, rows.tiny ? 2 : 32);
  }
  for (int streams = 1; streams <= (rows.tiny ? 2 : STREAMS_MAX); streams *= 2)
    for (int i = 0; i < SHAPES; i++)
      for (int precision = PRECISION_FP32; precision <= PRECISION_TF32; precision++)
        for (int trials = streams; trials <= (rows.tiny ? 2 : 32); trials *= 2)
          if ((options.precision < 0 || options.precision == precision) && !rows_time_is_up(&rows))
            measure_step(&shape[i], &data[i], on_device[i], precision, trials, streams);
  for (int i = 0; i < SHAPES; i++) {
    device_data_close(on_device[i]);
    free_data(&data[i]);
  }
}

/* ---- trials an hour -------------------------------------------------------------------------- */

enum { WAVES = 2 };

struct shift { /* a stream that trains one trial after another in each of its places */
  struct device_data *on_device;
  const struct plan *plan;
  enum precision precision;
  int places, trials, first;
  int code;
  struct error e;
  pthread_t thread;
};

static void *shift_thread(void *context)
{
  struct shift *s = context;
  struct cohort *c = NULL;
  struct cohort_event events[COHORT_MAX];
  int added = 0, running = 0, n;
  s->code = cohort_open(&c, s->on_device, s->places, s->precision, &s->e);
  while (!s->code && (added < s->trials || running > 0)) {
    for (; !s->code && running < s->places && added < s->trials; added++, running++)
      s->code = cohort_add(c, s->first + added, s->plan, (uint64_t)(s->first + added), &s->e);
    if (!s->code) s->code = cohort_advance(c, events, COHORT_MAX, &n, NULL, &s->e);
    for (int i = 0; i < n && !s->code; i++) {
      if (events[i].failed) s->code = error_set(&s->e, ERROR_FAILED, "trial %d diverged", events[i].id);
      if (events[i].epoch < s->plan->config.epochs) continue;
      cohort_remove(c, events[i].id);
      running--;
    }
  }
  cohort_close(c);
  return NULL;
}

static double measure_trials(const struct plan *p, struct device_data *on_device, int precision, int at_once,
                             int trials)
{
  struct shift shifts[2];
  int streams = at_once > 1 ? 2 : 1;
  double began = monotonic_seconds();
  for (int i = 0; i < streams; i++) {
    shifts[i] = (struct shift){.on_device = on_device,
                               .plan = p,
                               .precision = (enum precision)precision,
                               .places = at_once / streams,
                               .trials = trials / streams,
                               .first = i * 1000};
    if (pthread_create(&shifts[i].thread, NULL, shift_thread, &shifts[i])) {
      fprintf(stderr, "bench_cohort: no thread can be started\n");
      exit(1);
    }
  }
  for (int i = 0; i < streams; i++) pthread_join(shifts[i].thread, NULL);
  double seconds = monotonic_seconds() - began;
  for (int i = 0; i < streams; i++) check(shifts[i].code, &shifts[i].e);
  return seconds;
}

static void trials(void)
{
  struct dataset d;
  struct device_data *on_device;
  struct plan p;
  const struct shape *s = &shapes()[0];
  make_data(&d, s, rows.tiny ? 16 : 4000, rows.tiny ? 8 : 1000);
  make_plan(&p, s, &d, rows.tiny ? 2 : 10);
  on_device = on_a_device(&d, &p, 2, rows.tiny ? 2 : 64);
  printf("\ntrials: %s, batch %d, %d epochs of %d images and %d for validation; streams: 1 for one at once, else 2\n",
         s->name, s->batch, p.config.epochs, d.train.n, d.validation.n);
  printf("%s %8s %7s %9s %12s %8s\n", "prec", "at once", "trials", "seconds", "trials/hour", "speed-up");
  for (int precision = PRECISION_FP32; precision <= PRECISION_TF32; precision++) {
    double alone = NAN;
    if (options.precision >= 0 && options.precision != precision) continue;
    for (int at_once = 1; at_once <= (rows.tiny ? 2 : 64); at_once *= 2) {
      if (rows_time_is_up(&rows)) continue;
      int n = WAVES * at_once;
      double seconds = measure_trials(&p, on_device, precision, at_once, n), hour = 3600 * n / seconds;
      if (at_once == 1) alone = hour;
      printf("%s %8d %7d %9.3f %12.0f %8.2f\n", name_of(precision), at_once, n, seconds, hour, hour / alone);
      fflush(stdout);
      if (!rows.json) continue;
      fprintf(
          rows.json,
          "{\"kind\": \"trials_per_hour\", \"shape\": \"%s\", \"batch\": %d, \"precision\": \"%s\", \"at_once\": %d, "
          "\"streams\": %d, \"trials\": %d",
          s->name, s->batch, name_of(precision), at_once, at_once > 1 ? 2 : 1, n);
      print_number(rows.json, "seconds", seconds);
      print_number(rows.json, "trials_per_hour", hour);
      fprintf(rows.json, "}\n");
      fflush(rows.json);
    }
  }
  device_data_close(on_device);
  free_data(&d);
}

/* ---- a step for a profiler ------------------------------------------------------------------- */

static void profile(void)
{
  struct error e = {0};
  struct dataset d;
  struct device_data *on_device;
  struct plan p;
  const struct shape *s = &shapes()[0];
  int precision = options.precision < 0 ? PRECISION_FP32 : options.precision, n = rows.tiny ? 2 : 16;
  make_data(&d, s, s->batch, 1);
  make_plan(&p, s, &d, WHOLE);
  on_device = on_a_device(&d, &p, 1, n);
  struct crew c = {.on_device = on_device, .plan = &p, .precision = (enum precision)precision};
  crew_start(&c, n, 1);
  crew_epoch(&c);
  cudaProfilerStart();
  crew_epoch(&c);
  cudaProfilerStop();
  check(crew_stop(&c, &e), &e);
  printf("profile: one epoch of %d trials, %s: a training step and one of validation\n", n, name_of(precision));
  device_data_close(on_device);
  free_data(&d);
}

/* ---- the command line ------------------------------------------------------------------------ */

static int usage(void)
{
  fprintf(stderr, "usage: bench_cohort [--tiny] [--precision fp32|tf32] [--gpu NAME] [--limit SECONDS] [--json FILE] "
                  "[steps | trials | profile]...\n");
  return 2;
}

static bool take_option(int option)
{
  switch (option) {
  case 'p':
    options.precision = !strcmp(optarg, "fp32") ? PRECISION_FP32 : !strcmp(optarg, "tf32") ? PRECISION_TF32 : -1;
    return options.precision >= 0;
  case 'g':
    options.gpu = gpu_rates_find(optarg);
    return options.gpu != NULL;
  default:
    return rows_option(&rows, option);
  }
}

int main(int argc, char **argv)
{
  enum { PARTS = 3 };
  static const struct option names[] = {{"precision", required_argument, NULL, 'p'},
                                        {"gpu", required_argument, NULL, 'g'},
                                        ROWS_OPTIONS,
                                        {NULL, 0, NULL, 0}};
  static const char *const parts[PARTS] = {"steps", "trials", "profile"};
  static void (*const run[PARTS])(void) = {steps, trials, profile};
  bool wanted[PARTS] = {false};
  char device[400];
  rows = rows_begin(HARNESS);
  for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;)
    if (!take_option(option)) return usage();
  if (!rows_parts(argc, argv, PARTS, parts, wanted)) return usage();
  if (optind == argc) wanted[0] = wanted[1] = true;
  if (!rows_device("bench_cohort", HARNESS, device, sizeof device)) return 1;
  if (!options.gpu) options.gpu = gpu_rates_find(device);
  for (int i = 0; i < PARTS; i++)
    if (wanted[i]) run[i]();
  return rows_end(&rows);
}
