/* How well the scheduler fills a box: recorded trials played through the scheduler's own code, in
 * time that is only counted.
 *
 *   bench_sched [--lengths FILE.csv] [--slots N] [--verbose]
 *
 * FILE.csv is a trials.csv of a run, or what is kept of one in tests/bench/sched_lengths.csv:
 * study, strategy, round, trial and seconds of each trial.  A study of the simulation is one of the
 * recorded ones: its trial t takes as long as trial t took there.  Which trial is proposed when is
 * decided by study.c and queue.c, as in a run; the sampler is the recorded one's (tpe) and sees
 * values that are made up, which changes no length.  Nothing is trained.
 *
 * For each box, of 1 to 8 devices of that many slots (a slot runs one trial at full speed), and
 * each set of studies:
 *
 *   busy       slot-seconds that trials took, of those that there were until the last one ended
 *   bound      what `busy` would be if the makespan were the largest of (a) all trials' time over
 *              the slots, (b) each study's makespan alone on a box without an end of slots: no
 *              scheduler that keeps the order can do better
 *   makespan   of the schedule, and what it is above its lower bound
 *   idle       slot-seconds that were not used */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/run/queue.h"

enum { STUDIES_KEPT = 64, TRIALS_KEPT = 1000, SLOTS_MAX = 1024 };

/* ---- recorded lengths ------------------------------------------------------------------------ */

struct recorded {
  char strategy[32];
  int round, n;
  double seconds[TRIALS_KEPT];
};

static struct recorded recorded[STUDIES_KEPT];
static int n_recorded;

static void give_up(const char *path, const char *why)
{
  fprintf(stderr, "bench_sched: %s: %s\n", path, why);
  exit(1);
}

static int column(const char *heading, const char *name)
{
  int at = 0;
  for (const char *p = heading; *p; at++) {
    size_t n = strcspn(p, ",\n");
    if (strlen(name) == n && !strncmp(p, name, n)) return at;
    p += n + (p[n] != 0);
  }
  return -1;
}

static bool field(const char *line, int at, char *text, size_t size)
{
  for (; at > 0 && line; at--) line = strchr(line, ',') ? strchr(line, ',') + 1 : NULL;
  if (line) snprintf(text, size, "%.*s", (int)strcspn(line, ",\n"), line);
  return line;
}

static struct recorded *recorded_of(const char *strategy, int round)
{
  for (int i = 0; i < n_recorded; i++)
    if (recorded[i].round == round && !strcmp(recorded[i].strategy, strategy)) return &recorded[i];
  if (n_recorded == STUDIES_KEPT) return NULL;
  struct recorded *r = &recorded[n_recorded++];
  snprintf(r->strategy, sizeof r->strategy, "%s", strategy);
  r->round = round;
  return r;
}

static void read_lengths(const char *path)
{
  char line[4096], strategy[32], round[32], trial[32], seconds[64];
  FILE *f = fopen(path, "r");
  if (!f || !fgets(line, sizeof line, f)) give_up(path, "cannot be read");
  int of_strategy = column(line, "strategy"), of_round = column(line, "round"), of_trial = column(line, "trial"),
      of_seconds = column(line, "seconds");
  if (of_strategy < 0 || of_round < 0 || of_trial < 0 || of_seconds < 0)
    give_up(path, "lacks one of the columns strategy, round, trial, seconds");
  while (fgets(line, sizeof line, f)) {
    if (line[0] == '#') continue;
    if (!field(line, of_strategy, strategy, sizeof strategy) || !field(line, of_round, round, sizeof round) ||
        !field(line, of_trial, trial, sizeof trial) || !field(line, of_seconds, seconds, sizeof seconds))
      give_up(path, "a line has too few columns");
    struct recorded *r = recorded_of(strategy, atoi(round));
    int t = atoi(trial);
    if (!r || t < 0 || t >= TRIALS_KEPT) give_up(path, "more studies or trials than are kept");
    r->seconds[t] = strtod(seconds, NULL);
    if (r->n <= t) r->n = t + 1;
  }
  fclose(f);
  if (n_recorded == 0) give_up(path, "no trials");
}

/* ---- the simulation -------------------------------------------------------------------------- */

/* A made-up objective; the cost of a trial is its recorded length.  Which trial it is asked for is
 * in `asked`. */
struct simulated {
  struct objective objective;
  double asked;
};

static int simulated_cost(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  (void)values, (void)e;
  *cost = (struct objective_cost){.feasible = true, .flops = ((struct simulated *)o)->asked};
  return 0;
}

struct outcome {
  double work, makespan; /* seconds */
  int trials;
};

struct running {
  double ends;
  struct job job;
};

static double length(const struct study *s, int number)
{
  const struct recorded *r = recorded_of(s->strategy->name, s->round);
  return r->seconds[number];
}

static void must(int code, const struct error *e)
{
  if (!code) return;
  fprintf(stderr, "bench_sched: %s\n", e->message);
  exit(1);
}

static void propose(struct queue *q, struct simulated *o, const struct job *job)
{
  struct study *s = q->studies[job->study].study;
  struct stored_trial t;
  struct objective_cost cost;
  struct error e = {0};
  study_look(s);
  must(study_propose(s, &t, &e), &e);
  o->asked = length(s, t.number);
  simulated_cost(&o->objective, t.values, &cost, &e);
  study_add(s, &t);
  queue_proposed(q, job, &cost);
}

/* Starts what can be started. */
static void fill(struct queue *q, struct queue_place *place, struct simulated *o, double now, struct running *running,
                 int *n)
{
  struct job job;
  while (queue_find(q, place, &job)) {
    if (job.propose) {
      propose(q, o, &job);
      continue;
    }
    if (queue_take(q, place, &job) != ROOM) return;
    running[(*n)++] = (struct running){now + length(q->studies[job.study].study, job.number), job};
  }
}

/* The first of those that run ends. */
static double end_first(struct queue *q, struct queue_place *place, struct running *running, int *n)
{
  int first = 0;
  for (int i = 1; i < *n; i++)
    if (running[i].ends < running[first].ends) first = i;
  struct running r = running[first];
  running[first] = running[--*n];
  struct study *s = q->studies[r.job.study].study;
  struct stored_trial t = s->trials[r.job.number];
  t.state = STORED_COMPLETE;
  t.value = 0;
  for (int i = 0; i < s->x->space.n; i++) t.value -= fabs(t.values[i]);
  study_end(s, &t);
  queue_release(q, place, r.job.study, r.job.number, false);
  return r.ends;
}

/* Studies first ... first + n - 1 of those recorded, together on `slots` slots. */
static struct outcome simulate(const struct experiment *x, int first, int n, int slots)
{
  struct simulated o = {.objective = {.name = "recorded", .maximize = true, .cost = simulated_cost}};
  struct study *studies = calloc((size_t)n, sizeof *studies);
  struct running *running = calloc((size_t)slots, sizeof *running);
  struct queue q;
  struct outcome outcome = {0};
  struct error e = {0};
  int n_running = 0;
  if (!studies || !running) give_up("simulation", "no memory");
  const struct queue_limits limits = {.at_once = slots, .capacity = slots, .bytes = INT64_MAX / 2};
  struct queue_place place = {0}; /* all slots, since each is as fast as any other */
  must(queue_create(&q, n, false, &limits, &e), &e);
  for (int i = 0; i < n; i++) {
    must(study_create(&studies[i], x, &o.objective, recorded[first + i].strategy, recorded[first + i].round, &e), &e);
    must(queue_add(&q, i, &studies[i], &e), &e);
  }
  do {
    fill(&q, &place, &o, outcome.makespan, running, &n_running);
    if (n_running > 0) outcome.makespan = end_first(&q, &place, running, &n_running);
  } while (n_running > 0 || !queue_ended(&q));
  for (int i = 0; i < n; i++) {
    for (int t = 0; t < studies[i].n; t++) outcome.work += length(&studies[i], t);
    outcome.trials += studies[i].done;
    study_destroy(&studies[i]);
  }
  queue_destroy(&q);
  free(studies);
  free(running);
  return outcome;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static struct experiment *experiment(int parallel, bool asynchronous, struct error *e)
{
  char trials[40], in_flight[40];
  struct experiment *x = calloc(1, sizeof *x);
  snprintf(trials, sizeof trials, "experiment.trials=%d", recorded[0].n);
  snprintf(in_flight, sizeof in_flight, "scheduler.parallel=%d", parallel);
  const char *settings[] = {trials, in_flight,
                            asynchronous ? "scheduler.order=asynchronous" : "scheduler.order=sequential",
                            "experiment.strategies=grouped, simultaneous", "experiment.sampler=tpe"};
  if (!x) give_up("simulation", "no memory");
  must(experiment_load(x, NULL, settings, 5, e), e);
  return x;
}

static void print_row(const char *label, const struct experiment *x, int first, int n, int slots)
{
  struct outcome o = simulate(x, first, n, slots);
  double least = o.work / slots;
  for (int i = 0; i < n; i++) {
    double alone = simulate(x, first + i, 1, SLOTS_MAX).makespan;
    if (alone > least) least = alone;
  }
  printf("%-24s %5d %5d  %5.1f %% %5.1f %% %8.0f s %+6.1f %% %10.0f s\n", label, x->parallel, slots,
         100 * o.work / (slots * o.makespan), 100 * o.work / (slots * least), o.makespan,
         100 * (o.makespan / least - 1), slots * o.makespan - o.work);
}

int main(int argc, char **argv)
{
  static const struct option options[] = {{"lengths", required_argument, NULL, 'l'},
                                          {"slots", required_argument, NULL, 's'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
  const char *path = "tests/bench/sched_lengths.csv";
  int slots = 16, option;
  while ((option = getopt_long(argc, argv, "l:s:v", options, NULL)) != -1) {
    if (option == 'l') path = optarg;
    if (option == 's') slots = atoi(optarg);
    if (option == '?') return 2;
  }
  if (slots < 1 || slots > SLOTS_MAX / 8) give_up("--slots", "not from 1 to 128");
  read_lengths(path);
  double longest = 0, work = 0;
  int trials = 0;
  for (int i = 0; i < n_recorded; i++) {
    for (int t = 0; t < recorded[i].n; t++, trials++) {
      work += recorded[i].seconds[t];
      longest = fmax(longest, recorded[i].seconds[t]);
    }
  }
  printf("%s: %d studies, %d trials; mean %.2f s, longest %.1f s\n\n", path, n_recorded, trials, work / trials,
         longest);
  printf("%-24s %5s %5s  %7s %7s %10s %8s %12s\n", "studies", "in fl", "slots", "busy", "bound", "makespan", "above",
         "idle");
  for (int asynchronous = 0; asynchronous < 2; asynchronous++) {
    for (int parallel = 4; parallel <= 16; parallel *= 2) {
      struct error e = {0};
      struct experiment *x = experiment(parallel, asynchronous, &e);
      const char *order = asynchronous ? ", asynchronous" : "";
      char label[64];
      for (int i = 0; i < 2 && i < n_recorded; i++) {
        snprintf(label, sizeof label, "one %.20s%s", recorded[i].strategy, asynchronous ? ", async." : "");
        print_row(label, x, i, 1, slots);
      }
      snprintf(label, sizeof label, "all %d%s", n_recorded, order);
      for (int devices = 1; devices <= 8; devices *= 2) print_row(label, x, 0, n_recorded, devices * slots);
      experiment_destroy(x);
      free(x);
    }
  }
  return 0;
}
