/* How well a GPU is used by a random search of heavy and light trials: cohorts of one size, as many
 * trials as the default configuration's plan asks for, and cohorts by the weight of their trials,
 * played through the scheduler's own code with the step times that were measured on a GPU.
 *
 *   bench_cohorts [--steps results.json] [--trials N]
 *
 * The trials are random configurations of the default space on 4,000 images of 28×28×1 to train on
 * and 1,000 to validate with, in 10 classes; of `larger half` those with more FLOPs than the median
 * of twice as many.  Which trial starts when, and in which place, is decided by study.c and
 * queue.c, as in a run; the objective's costs are those of a run on that GPU.  A place's trials
 * share its steps; how long a step takes is gpu_steps.h's to say.  A validation batch counts as a
 * step with a third of the work.  What the host does between epochs, proposals and the database are
 * left out, so the images a second are more than a run's: compare them with each other.  For each
 * number of streams:
 *
 *   one size   places and the trials in each by the default's plan alone, the most FLOPs first, as
 *              gsos 0.1.0 had it: so many images a second
 *   by weight  by objective_cost.share and alone_s: trials at once in the mean, images a second
 *   ratio      of the two
 *   GPU full   images a second if the GPU were full all the time: no schedule is faster in this
 *              model */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/rng.h"
#include "host/cuda/roofline.h"
#include "sched/run/queue.h"
#include "tests/bench/gpu_steps.h"

enum { SEEDS = 5, STREAMS_MAX = 4, CAPACITY_MAX = 32 };
enum { TRAIN = 4000, VALIDATION = 1000, SIDE = 28, CLASSES = 10 };

static void must(int code, const struct error *e)
{
  if (!code) return;
  fprintf(stderr, "bench_cohorts: %s\n", e->message);
  exit(1);
}

static void *memory(size_t n, size_t size)
{
  void *p = calloc(n, size);
  struct error e = {.message = "no memory"};
  must(!p, &e);
  return p;
}

/* ---- trials ---------------------------------------------------------------------------------- */

struct trial {
  double flops, images, steps; /* of the whole; steps with a full step's work */
  double floor_us, full_us;    /* of a step */
  double share, alone_s;
  uint32_t launches[STEP_LAUNCHES_MAX / 32 + 1]; /* by their place in a step of as many layers as can be */
};

/* Which launches a trial makes, of all that there are. */
static void find_launches(struct trial *t, const struct device_trial *d, bool tf32)
{
  struct step_launch all[STEP_LAUNCHES_MAX];
  int n = step_launches(all, DEVICE_CONV_MAX);
  for (int i = 0; i < n; i++)
    if (step_launch_is_of(&all[i], d, tf32 ? PRECISION_TF32 : PRECISION_FP32))
      t->launches[i / 32] |= UINT32_C(1) << i % 32;
}

struct bench {
  const struct gpu_steps *steps;
  const struct gpu_rates *rates;
  bool tf32;
  int streams;
};

static bool make_trial(struct trial *t, const struct bench *b, const struct experiment *x,
                       const struct network_names *names, const double *values)
{
  struct network_config config;
  struct plan p;
  struct device_trial d;
  struct step_cost cost;
  network_config_from_values(&config, names, &x->space, values, &x->model);
  plan_make(&p, &config, SIDE, SIDE, 1, CLASSES, TRAIN, VALIDATION);
  *t = (struct trial){0};
  if (!p.feasible || device_network_make(&d, &p, 0, DEVICE_SHARED_LARGE) < 0) return false;
  step_cost_make(&cost, &d, &p);
  int batch = config.batch_size;
  t->flops = p.flops_total;
  t->images = (double)p.images;
  t->steps = config.epochs * ((TRAIN + batch - 1) / batch + (VALIDATION + batch - 1) / batch / 3.0);
  t->floor_us = step_floor_us(&cost, b->rates, b->tf32, 1);
  t->full_us = gpu_full_us(b->steps, t->floor_us);
  t->share = step_share(&cost, b->rates, b->tf32, b->streams);
  t->alone_s = 1e-6 * t->steps * (step_wait_us(&cost) + step_work_us(&cost, b->rates, b->tf32));
  find_launches(t, &d, b->tf32);
  return true;
}

static int by_flops(const void *a, const void *b)
{
  double x = ((const struct trial *)a)->flops, y = ((const struct trial *)b)->flops;
  return (x < y) - (x > y);
}

/* n random trials in the order in which they are drawn; of the larger half of the space: each of
 * the 2n that were drawn whose FLOPs are above the median. */
static struct trial *draw(const struct bench *b, const struct experiment *x, int n, bool larger_half)
{
  int all = larger_half ? 2 * n : n, kept = 0;
  struct trial *trials = memory((size_t)all, sizeof *trials), *sorted = memory((size_t)all, sizeof *sorted);
  struct network_names names;
  struct error e = {0};
  must(network_names_find(&names, &x->space, &e), &e);
  for (int i = 0, drawn = 0; i < all; drawn++) {
    struct rng rng = rng_make(philox_trial_key(x->seed, 0, drawn), 0);
    double values[SPACE_MAX];
    for (int k = 0; k < x->space.n; k++) values[k] = param_from_unit(&x->space.params[k], rng_uniform(&rng));
    i += make_trial(&trials[i], b, x, &names, values);
  }
  memcpy(sorted, trials, (size_t)all * sizeof *trials);
  qsort(sorted, (size_t)all, sizeof *sorted, by_flops);
  for (int i = 0; i < all && larger_half; i++)
    if (trials[i].flops > sorted[n].flops) trials[kept++] = trials[i];
  free(sorted);
  return trials;
}

/* ---- the simulation -------------------------------------------------------------------------- */

struct member {
  struct job job;
  const struct trial *trial;
  double left; /* steps */
};

struct cohort {
  struct queue_place place;
  struct member members[CAPACITY_MAX];
  double step_us, load;
};

struct simulation {
  struct objective objective; /* first: costs are asked of it */
  const struct bench *bench;
  const struct trial *trials; /* [x->trials] */
  bool by_weight;
  struct queue queue;
  struct cohort cohorts[STREAMS_MAX];
  double now, busy; /* seconds; member-seconds */
};

static const struct trial *trial_of(const struct simulation *s, const struct job *job)
{
  return &s->trials[job->number];
}

static int simulated_cost(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  (void)o, (void)values, (void)e;
  *cost = (struct objective_cost){.feasible = true};
  return 0;
}

static void propose(struct simulation *s, const struct job *job)
{
  struct study *study = s->queue.studies[job->study].study;
  const struct trial *t = trial_of(s, job);
  struct stored_trial stored;
  struct error e = {0};
  struct objective_cost cost = {.feasible = true, .flops = t->flops};
  study_look(study);
  must(study_propose(study, &stored, &e), &e);
  study_add(study, &stored);
  if (s->by_weight) cost.share = t->share, cost.alone_s = t->alone_s;
  queue_proposed(&s->queue, job, &cost);
}

/* A place takes what it may; whether it took anything. */
static bool fill_one(struct simulation *s, struct cohort *c)
{
  struct job job;
  while (queue_turn(&s->queue, &c->place, s->bench->streams) && queue_find(&s->queue, &c->place, &job)) {
    if (job.propose) {
      propose(s, &job);
      continue;
    }
    int n = c->place.n;
    if (queue_take(&s->queue, &c->place, &job) != ROOM) return false;
    c->members[n] = (struct member){job, trial_of(s, &job), trial_of(s, &job)->steps};
    return true;
  }
  return false;
}

static void fill(struct simulation *s)
{
  for (bool any = true; any;) {
    any = false;
    for (int i = 0; i < s->bench->streams; i++) any |= fill_one(s, &s->cohorts[i]);
  }
}

/* How long a step takes in each cohort now. */
static void time_steps(struct simulation *s)
{
  double all = 0;
  for (int i = 0; i < s->bench->streams; i++) {
    struct cohort *c = &s->cohorts[i];
    struct gpu_cohort g = {0};
    uint32_t launches[STEP_LAUNCHES_MAX / 32 + 1] = {0};
    c->load = 0;
    for (int k = 0; k < c->place.n; k++) {
      const struct trial *t = c->members[k].trial;
      g.floor_us += t->floor_us;
      g.square += t->floor_us * t->floor_us;
      g.full_us += t->full_us;
      for (int j = 0; j < STEP_LAUNCHES_MAX / 32 + 1; j++) launches[j] |= t->launches[j];
    }
    if (c->place.n == 0) continue;
    for (int j = 0; j < STEP_LAUNCHES_MAX / 32 + 1; j++) g.launches += __builtin_popcount(launches[j]);
    c->step_us = gpu_step_alone_us(s->bench->steps, &g);
    c->load = gpu_cohort_load(s->bench->steps, &g);
    all += c->load;
  }
  for (int i = 0; i < s->bench->streams; i++)
    if (s->cohorts[i].place.n > 0) s->cohorts[i].step_us *= gpu_slowdown(s->bench->steps, s->cohorts[i].load, all);
}

static void end(struct simulation *s, struct cohort *c, int k)
{
  struct member m = c->members[k];
  struct study *study = s->queue.studies[m.job.study].study;
  struct stored_trial t = study->trials[m.job.number];
  t.state = STORED_COMPLETE;
  t.value = 0;
  for (int i = 0; i < study->x->space.n; i++) t.value -= fabs(t.values[i]);
  study_end(study, &t);
  queue_release(&s->queue, &c->place, m.job.study, m.job.number, false);
  c->members[k] = c->members[c->place.n];
}

/* Time goes on to the next end of a trial. */
static void advance(struct simulation *s)
{
  double next = INFINITY;
  for (int i = 0; i < s->bench->streams; i++)
    for (int k = 0; k < s->cohorts[i].place.n; k++)
      next = fmin(next, s->cohorts[i].members[k].left * s->cohorts[i].step_us);
  for (int i = 0; i < s->bench->streams; i++) {
    struct cohort *c = &s->cohorts[i];
    s->busy += 1e-6 * next * c->place.n;
    for (int k = c->place.n - 1; k >= 0; k--) {
      c->members[k].left -= next / c->step_us;
      if (c->members[k].left < 1e-6) end(s, c, k);
    }
  }
  s->now += 1e-6 * next;
}

struct outcome {
  double seconds, at_once; /* trials, in the mean */
};

static struct outcome simulate(const struct bench *b, const struct experiment *x, const struct trial *trials,
                               int capacity, bool by_weight)
{
  struct simulation *s = memory(1, sizeof *s);
  struct study study;
  struct error e = {0};
  s->objective = (struct objective){.name = "simulated", .maximize = true, .cost = simulated_cost};
  s->bench = b;
  s->trials = trials;
  s->by_weight = by_weight;
  const struct queue_limits limits = {
      .at_once = b->streams * capacity, .capacity = capacity, .by_share = by_weight, .bytes = INT64_MAX / 2};
  must(queue_create(&s->queue, 1, false, &limits, &e), &e);
  must(study_create(&study, x, &s->objective, "simultaneous", 0, &e), &e);
  must(queue_add(&s->queue, 0, &study, &e), &e);
  for (fill(s); s->queue.all.n > 0; fill(s)) {
    time_steps(s);
    advance(s);
  }
  struct outcome o = {.seconds = s->now, .at_once = s->busy / s->now};
  study_destroy(&study);
  queue_destroy(&s->queue);
  free(s);
  return o;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* What gsos 0.1.0 took for a cohort: by the floor of the default configuration, and launches of 2
 * us. */
static int capacity_before(const struct bench *b, const struct experiment *x)
{
  struct network_names names;
  struct trial t;
  struct error e = {0};
  double values[SPACE_MAX];
  int launches = 0, capacity = 1;
  space_defaults(&x->space, values);
  must(network_names_find(&names, &x->space, &e), &e);
  make_trial(&t, b, x, &names, values);
  for (int j = 0; j < STEP_LAUNCHES_MAX / 32 + 1; j++) launches += __builtin_popcount(t.launches[j]);
  double wanted = 4 * launches * 2.0 / ((b->streams > 2 ? b->streams - 1 : 1) * t.floor_us);
  while (capacity < wanted && capacity < CAPACITY_MAX) capacity *= 2;
  return capacity;
}

static struct experiment *experiment(const char *trials, int seed)
{
  char number[2][60];
  snprintf(number[0], sizeof number[0], "experiment.trials=%s", trials);
  snprintf(number[1], sizeof number[1], "experiment.seed=%d", seed);
  const char *settings[] = {number[0], number[1], "experiment.strategies=simultaneous", "experiment.sampler=random",
                            "experiment.rounds=1"};
  struct experiment *x = memory(1, sizeof *x);
  struct error e = {0};
  must(experiment_load(x, NULL, settings, 5, &e), &e);
  return x;
}

/* Images a second of all seeds together. */
struct rates {
  double images, seconds_before, seconds_after, at_once, full;
  int capacity;
};

static void play(struct rates *r, const struct bench *b, const struct experiment *x, bool larger_half)
{
  struct trial *trials = draw(b, x, x->trials, larger_half);
  r->capacity = capacity_before(b, x);
  r->seconds_before += simulate(b, x, trials, r->capacity, false).seconds;
  struct outcome after = simulate(b, x, trials, CAPACITY_MAX, true);
  r->seconds_after += after.seconds;
  r->at_once += after.at_once / SEEDS;
  for (int i = 0; i < x->trials; i++) {
    r->images += trials[i].images;
    r->full += 1e-6 * trials[i].steps * trials[i].full_us;
  }
  free(trials);
}

static void print_rows(struct bench *b, struct experiment *const *x, bool larger_half)
{
  double usual = 0;
  for (b->streams = 1; b->streams <= 4; b->streams *= 2) {
    struct rates r = {0};
    for (int i = 0; i < SEEDS; i++) play(&r, b, x[i], larger_half);
    if (b->streams == 2) usual = r.seconds_before;
    printf("%-12s %-4s %7d  %5d x %2d %11.0f  %9.1f %11.0f %6.2f %11.0f\n", larger_half ? "larger half" : "all",
           b->tf32 ? "tf32" : "fp32", b->streams, b->streams, r.capacity, r.images / r.seconds_before, r.at_once,
           r.images / r.seconds_after, r.seconds_before / r.seconds_after, r.images / r.full);
    if (b->streams == 4)
      printf("%-12s %-4s as it comes: 2 streams and one size before, now 4 by weight: %20.2f\n", "", "",
             usual / r.seconds_after);
  }
}

int main(int argc, char **argv)
{
  static const struct option options[] = {{"steps", required_argument, NULL, 's'},
                                          {"trials", required_argument, NULL, 't'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
  const char *path = "tests/gpu/results/h100-sxm-b661a9c/results.json", *trials = "300";
  int option;
  while ((option = getopt_long(argc, argv, "s:t:v", options, NULL)) != -1) {
    if (option == 's') path = optarg;
    if (option == 't') trials = optarg;
    if (option == '?') return 2;
  }
  struct experiment *x[SEEDS];
  for (int i = 0; i < SEEDS; i++) x[i] = experiment(trials, i + 1);
  printf("%s: %d x %s random trials of the default space, 28x28x1\n\n", path, SEEDS, trials);
  printf("%-12s %-4s %7s  %10s %11s  %9s %11s %6s %11s\n", "trials", "prec", "streams", "one size", "images/s",
         "by weight", "images/s", "ratio", "GPU full");
  for (int tf32 = 0; tf32 < 2; tf32++) {
    struct gpu_steps *steps;
    struct error e = {0};
    must(gpu_steps_read(&steps, path, tf32 ? "tf32" : "fp32", &e), &e);
    struct bench b = {.steps = steps, .rates = gpu_rates_find("H100 SXM"), .tf32 = tf32};
    for (int half = 0; half < 2; half++) print_rows(&b, x, half);
    gpu_steps_free(steps);
  }
  for (int i = 0; i < SEEDS; i++) {
    experiment_destroy(x[i]);
    free(x[i]);
  }
  return 0;
}
