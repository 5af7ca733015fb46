/* Workers, and the choice of the next trial. */
#include "runner.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"
#include "ranges.h"
#include "study_record.h"

enum { TICK_MS = 100, HEARTBEAT_MS = 10000 };

/* A trial in a place. */
struct member {
  bool used, timed_out;
  struct run_study *study;
  struct stored_trial trial;
  struct objective_cost cost;
  double since;   /* monotonic seconds at its start */
  uint64_t range; /* its own (ranges.h) */
};

struct worker {
  struct runner *runner;
  pthread_t thread;
  int device;
  struct place *place;
  volatile int stop;      /* the trainer looks at it after every step */
  struct member *members; /* [runner->capacity]; a member's place in it is its id */
  int n;                  /* members: changed under the runner's lock */
};

double runner_now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void runner_network_path(const struct run_study *s, int trial, char *path, size_t size)
{
  snprintf(path, size, "%s/trial-%d.safetensors", s->networks, trial);
}

/* ---- ending the run ------------------------------------------------------------------------------------------------------- */

/* Under the lock: no new trials, and those that run stop after their step. */
static void stop_all(struct runner *r)
{
  r->stopping = true;
  for (int i = 0; i < r->slots; i++) __atomic_store_n(&r->workers[i].stop, 1, __ATOMIC_RELAXED);
  pthread_cond_broadcast(&r->changed);
}

static void fail(struct runner *r, const struct error *e)
{
  pthread_mutex_lock(&r->lock);
  if (!r->failure.code) r->failure = *e;
  stop_all(r);
  pthread_mutex_unlock(&r->lock);
}

/* ---- the next trial ------------------------------------------------------------------------------------------------------- */

struct job {
  struct run_study *study;
  bool propose; /* else trial `number` has its configuration */
  int number;
};

/* The first trial that has a configuration and nobody who runs it: left by an earlier run, put back, or waiting for memory. */
static int untaken(const struct run_study *s)
{
  for (int i = s->study.known; i < s->study.n; i++)
    if (s->study.trials[i].state == STORED_RUNNING && !s->taken[i]) return i;
  return -1;
}

/* What study i could start now. */
static bool startable(struct run_study *s, struct job *job)
{
  if (s->busy) return false;
  *job = (struct job){.study = s, .number = untaken(s)};
  if (job->number >= 0) return true;
  job->propose = study_next(&s->study) == STUDY_PROPOSE;
  job->number = s->study.n;
  return job->propose;
}

/* Under the lock.  The study that is furthest behind comes first, so that all end at about the same time. */
static bool find_job(struct runner *r, struct job *job)
{
  double least = INFINITY;
  *job = (struct job){0};
  if (r->stopping || r->running >= r->at_once) return false;
  for (int i = 0; i < r->n_studies; i++) {
    struct job candidate;
    if (r->waiting >= 0 && r->waiting != i) continue;
    if (!startable(&r->studies[i], &candidate)) continue;
    double share = (double)candidate.number / r->x->trials;
    if (share >= least) continue;
    least = share;
    *job = candidate;
  }
  return least < INFINITY;
}

static bool all_ended(struct runner *r)
{
  if (r->running > 0) return false;
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    if (s->busy || untaken(s) >= 0 || study_next(&s->study) != STUDY_ENDED) return false;
  }
  return true;
}

/* Room for a trial of so many bytes?  Under the lock. */
static bool admit(struct runner *r, const struct job *job, int64_t bytes)
{
  if (r->running > 0 && r->bytes + bytes > r->bytes_limit) {
    r->waiting = (int)(job->study - r->studies);
    return false;
  }
  if (r->running == 0 && bytes > r->bytes_limit) { /* alone: whatever the machine has now */
    int64_t available = machine_memory_available();
    if (bytes > available) {
      if (!r->failure.code)
        error_set(&r->failure, ERROR_MACHINE,
                  "%s, trial %d needs %.2f GiB of memory and this machine has %.2f GiB free; the same command goes on "
                  "when there is more, or on a larger machine (a smaller [scheduler] trial_memory, in another output, "
                  "leaves such configurations out)",
                  job->study->title, job->number, (double)bytes / 0x1p30, (double)available / 0x1p30);
      stop_all(r);
      return false;
    }
  }
  r->waiting = -1;
  r->bytes += bytes;
  r->running++;
  job->study->running++;
  job->study->taken[job->number] = true;
  return true;
}

/* Gives back what admit took.  Under the lock. */
static void release(struct runner *r, struct run_study *s, int64_t bytes)
{
  r->bytes -= bytes;
  r->running--;
  s->running--;
  pthread_cond_broadcast(&r->changed);
}

/* Proposes where the trial is new, and starts it in the database.  The study is ours (busy) meanwhile.  Returns 1 where there is
 * no memory for it yet. */
static int start(struct worker *w, struct job *job, struct objective_cost *cost, struct error *e)
{
  struct runner *r = w->runner;
  struct run_study *s = job->study;
  struct stored_trial trial;
  int code = 0;
  if (job->propose) {
    code = study_propose(&s->study, &trial, e);
    if (code) return code;
    pthread_mutex_lock(&r->lock);
    study_add(&s->study, &trial);
    pthread_mutex_unlock(&r->lock);
  }
  trial = s->study.trials[job->number]; /* only its end could change it, and it has not begun */
  code = r->objective->cost(r->objective, trial.values, cost, e);
  if (code) return code;
  if (!cost->feasible) cost->bytes = 0; /* an enqueued one, which is not trained */
  pthread_mutex_lock(&r->lock);
  bool admitted = !r->stopping && admit(r, job, cost->bytes);
  pthread_mutex_unlock(&r->lock);
  if (!admitted) return 1;
  code = store_trial_start(r->store, s->store_id, &r->x->space, &trial, e);
  if (code) {
    pthread_mutex_lock(&r->lock);
    s->taken[job->number] = false;
    release(r, s, cost->bytes);
    pthread_mutex_unlock(&r->lock);
  }
  return code;
}

/* ---- what becomes of a trial ------------------------------------------------------------------------------------------------ */

enum outcome { OUTCOME_GOES_ON, OUTCOME_ENDED, OUTCOME_STOPPED, OUTCOME_MACHINE, OUTCOME_LOST, OUTCOME_ERROR };

/* Takes what an event tells into the trial, and commits an epoch's value. */
static enum outcome take_event(struct worker *w, struct member *m, const struct trial_event *event, struct error *e)
{
  struct runner *r = w->runner;
  struct stored_trial *t = &m->trial;
  t->seconds += event->seconds;
  t->images += event->images;
  bool new_epoch = event->epoch > t->epochs;
  t->epochs = event->epoch;
  if (m->cost.epochs > 0) t->flops = m->cost.flops * event->epoch / m->cost.epochs;
  switch (event->kind) {
  case TRIAL_MACHINE_FAILED:
    error_set(e, ERROR_MACHINE, "%s", event->reason);
    return OUTCOME_MACHINE;
  case TRIAL_FAILED:
    t->state = STORED_FAIL;
    memcpy(t->reason, event->reason, sizeof t->reason);
    return OUTCOME_ENDED;
  case TRIAL_EPOCH:
  case TRIAL_DONE:
    break;
  }
  t->value = event->value;
  t->loss = event->loss;
  if (r->objective->has_epochs && new_epoch &&
      store_trial_epoch(r->store, m->study->store_id, t->number, event->epoch, event->value, e))
    return OUTCOME_ERROR;
  if (event->kind == TRIAL_EPOCH) return OUTCOME_GOES_ON;
  t->state = STORED_COMPLETE;
  return OUTCOME_ENDED;
}

static enum outcome time_out(struct runner *r, struct member *m)
{
  m->trial.state = STORED_FAIL;
  snprintf(m->trial.reason, sizeof m->trial.reason, "timeout: took longer than %g s", r->x->timeout_s);
  return OUTCOME_ENDED;
}

static int save_network(struct worker *w, const struct member *m, struct error *e)
{
  struct run_study *s = m->study;
  char path[1200];
  for (char *slash = s->networks + 1; (slash = strchr(slash, '/')); slash++) { /* as mkdir -p does */
    *slash = 0;
    int made = mkdir(s->networks, 0777);
    *slash = '/';
    if (made && errno != EEXIST) break; /* the last one tells */
  }
  if (mkdir(s->networks, 0777) && errno != EEXIST) return error_errno(e, "%s: cannot be made", s->networks);
  runner_network_path(s, m->trial.number, path, sizeof path);
  return w->runner->objective->save(w->place, (int)(m - w->members), path, NULL, e);
}

/* Commits the end of a trial: its network first where it is the best, then the database, then the study hears of it. */
static int commit(struct worker *w, const struct member *m, struct error *e)
{
  struct runner *r = w->runner;
  struct run_study *s = m->study;
  const struct stored_trial *t = &m->trial;
  char old[1200];
  int code = 0;
  pthread_mutex_lock(&s->commit);
  pthread_mutex_lock(&r->lock);
  bool best = study_is_best(&s->study, t);
  int before = s->study.best;
  pthread_mutex_unlock(&r->lock);
  if (best && r->objective->has_network) code = save_network(w, m, e);
  if (!code) code = store_trial_end(r->store, s->store_id, t, e);
  if (!code) {
    pthread_mutex_lock(&r->lock);
    study_end(&s->study, t);
    pthread_mutex_unlock(&r->lock);
    if (best && before >= 0 && r->objective->has_network) {
      runner_network_path(s, before, old, sizeof old);
      unlink(old);
    }
  }
  pthread_mutex_unlock(&s->commit);
  return code;
}

/* The machine could not go on with a trial: it runs again later, with fewer beside it, or on another place where its own is lost.
 * Under the lock. */
static void put_back(struct runner *r, struct run_study *s, int number, bool lost, const struct error *why)
{
  s->taken[number] = false;
  if (lost ? r->alive > 1 : r->running > 1) {
    if (!lost) r->at_once = r->running - 1;
  } else if (!r->failure.code) {
    r->failure = *why;
    error_prefix(&r->failure,
                 lost ? "%s, trial %d: no device is left that could run it; the same command goes on when there is one"
                      : "%s, trial %d could not run although nothing ran beside it",
                 s->title, number);
    stop_all(r);
  }
}

/* A member leaves its place, as `outcome` says. */
static void end_member(struct worker *w, struct member *m, enum outcome outcome, struct error *e)
{
  struct runner *r = w->runner;
  m->trial.wall_s = runner_now() - m->since;
  if (outcome == OUTCOME_ENDED && commit(w, m, e)) outcome = OUTCOME_ERROR;
  r->objective->remove(w->place, (int)(m - w->members));
  range_end(&m->range);
  if (outcome == OUTCOME_ERROR) fail(r, e);
  pthread_mutex_lock(&r->lock);
  m->used = false;
  w->n--;
  if (outcome == OUTCOME_MACHINE || outcome == OUTCOME_LOST)
    put_back(r, m->study, m->trial.number, outcome == OUTCOME_LOST, e);
  if (outcome != OUTCOME_ENDED) m->study->interrupted = true;
  release(r, m->study, m->cost.bytes);
  pthread_mutex_unlock(&r->lock);
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

/* Takes one trial into the place.  Under the lock, which is given back meanwhile.  False where there is no memory for it yet. */
static bool take(struct worker *w, struct job *job)
{
  struct runner *r = w->runner;
  struct error e = {0};
  struct member *m = w->members;
  while (m->used) m++;
  *m = (struct member){.study = job->study};
  job->study->busy = true;
  pthread_mutex_unlock(&r->lock);
  int code = start(w, job, &m->cost, &e);
  if (code < 0) fail(r, &e);
  pthread_mutex_lock(&r->lock);
  job->study->busy = false;
  pthread_cond_broadcast(&r->changed);
  if (code) return false;
  m->trial = job->study->study.trials[job->number];
  m->trial.value = NAN;
  m->since = runner_now();
  m->range = range_begin("%s, trial %d, place %d", job->study->title, job->number, (int)(m - w->members));
  m->used = true;
  if (++w->n == 1) __atomic_store_n(&w->stop, r->stopping, __ATOMIC_RELAXED); /* a timeout may have set it before */
  pthread_mutex_unlock(&r->lock);
  if (!m->cost.feasible) { /* an enqueued one: no sampler proposes it */
    m->trial.state = STORED_FAIL;
    snprintf(m->trial.reason, sizeof m->trial.reason, "infeasible: %.180s", m->cost.reason);
    end_member(w, m, OUTCOME_ENDED, &e);
  } else {
    struct trial_spec spec = {.id = (int)(m - w->members),
                              .key = m->trial.key,
                              .values = m->trial.values,
                              .strategy = m->study->study.strategy->name,
                              .round = m->study->study.round,
                              .number = m->trial.number};
    code = r->objective->add(w->place, &spec, &e);
    if (code) end_member(w, m, code == ERROR_MACHINE ? OUTCOME_MACHINE : OUTCOME_ERROR, &e);
  }
  pthread_mutex_lock(&r->lock);
  return true;
}

/* Is a member's time up? */
static bool is_late(struct runner *r, const struct member *m)
{
  pthread_mutex_lock(&r->lock);
  bool yes = m->timed_out;
  pthread_mutex_unlock(&r->lock);
  return yes;
}

/* All members leave: stopped, or their place is lost. */
static void end_all(struct worker *w, enum outcome outcome, const struct error *why)
{
  for (int i = 0; i < w->runner->capacity; i++) {
    struct member *m = &w->members[i];
    struct error e = *why;
    bool late = m->used && outcome == OUTCOME_STOPPED && is_late(w->runner, m);
    if (m->used) end_member(w, m, late ? time_out(w->runner, m) : outcome, &e);
  }
}

/* Trains until something ends.  Returns false where the place is lost: its trials go to others. */
static bool advance(struct worker *w)
{
  struct runner *r = w->runner;
  struct trial_event events[RUNNER_CAPACITY_MAX];
  struct error e = {0};
  int n;
  int code = r->objective->advance(w->place, events, r->capacity, &n, &w->stop, &e);
  if (!code && n == 0) code = error_set(&e, ERROR_FAILED, "%s ended without a result", r->objective->name);
  if (code == ERROR_INTERRUPTED || code == ERROR_MACHINE) {
    end_all(w, code == ERROR_MACHINE ? OUTCOME_LOST : OUTCOME_STOPPED, &e);
    return code == ERROR_INTERRUPTED;
  }
  if (code) {
    end_all(w, OUTCOME_ERROR, &e);
    return true;
  }
  for (int i = 0; i < n; i++) {
    struct member *m = &w->members[events[i].id];
    enum outcome outcome = take_event(w, m, &events[i], &e);
    if (outcome == OUTCOME_GOES_ON && r->capacity > 1 && is_late(r, m)) outcome = time_out(r, m);
    if (outcome != OUTCOME_GOES_ON) end_member(w, m, outcome, &e);
  }
  return true;
}

/* May this worker take one more?  Not before the others have as many. */
static bool its_turn(const struct worker *w)
{
  const struct runner *r = w->runner;
  return w->n < r->capacity && w->n * r->alive <= r->running;
}

static void *worker_thread(void *context)
{
  struct worker *w = context;
  struct runner *r = w->runner;
  struct error e = {0};
  bool open = r->objective->open(r->objective, &w->place, w->device, r->capacity, &e) == 0, good = open;
  if (!open) fail(r, &e);
  pthread_mutex_lock(&r->lock);
  while (good && (!r->stopping || w->n > 0)) {
    struct job job;
    bool waits = false;
    while (!waits && its_turn(w) && find_job(r, &job)) waits = !take(w, &job);
    if (w->n > 0) {
      pthread_mutex_unlock(&r->lock);
      good = advance(w);
      pthread_mutex_lock(&r->lock);
    } else if (!r->stopping && all_ended(r)) {
      break;
    } else if (!r->stopping) {
      pthread_cond_wait(&r->changed, &r->lock);
    }
  }
  r->alive--;
  pthread_cond_broadcast(&r->changed);
  pthread_mutex_unlock(&r->lock);
  if (open) r->objective->close(w->place);
  return NULL;
}

static void timed_wait(struct runner *r, int ms)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += (long)(ms % 1000) * 1000000;
  t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  pthread_cond_timedwait(&r->changed, &r->lock, &t);
}

static int write_walls(struct runner *r, struct error *e)
{
  double elapsed = runner_now() - r->began;
  int code = 0;
  for (int i = 0; i < r->n_studies && !code; i++) {
    const struct run_study *s = &r->studies[i];
    code = study_record_write_wall(r->store, s->store_id, s->wall_before_s + elapsed,
                                   r->n_studies == 1 && !s->shared_before, e);
  }
  return code;
}

static void *keeper_thread(void *context)
{
  struct runner *r = context;
  double next = runner_now() + HEARTBEAT_MS / 1000.0;
  pthread_mutex_lock(&r->lock);
  while (!r->keeper_stop) {
    double left = next - runner_now();
    if (left > 0) {
      timed_wait(r, (int)(left * 1000) + 1);
      continue;
    }
    pthread_mutex_unlock(&r->lock);
    struct error e = {0};
    int code = store_heartbeat(r->store, &e);
    if (!code) code = write_walls(r, &e);
    if (code == ERROR_FAILED) fail(r, &e); /* taken over; a full disk is found by the commits */
    next = runner_now() + HEARTBEAT_MS / 1000.0;
    pthread_mutex_lock(&r->lock);
  }
  pthread_mutex_unlock(&r->lock);
  return NULL;
}

/* Looks at signals and clocks.  Under the lock. */
static void watch(struct runner *r)
{
  double now = runner_now();
  for (int i = 0; i < r->n_studies; i++)
    if (r->studies[i].study.ended && r->studies[i].study.done == r->studies[i].study.n) range_end(&r->studies[i].range);
  if (!r->stopping && r->signal && __atomic_load_n(r->signal, __ATOMIC_RELAXED)) stop_all(r);
  if (!r->stopping && r->x->time_limit_s > 0 && now - r->began >= r->x->time_limit_s) {
    r->time_is_up = true;
    stop_all(r);
  }
  if (r->x->timeout_s <= 0) return;
  for (int i = 0; i < r->slots; i++) {
    struct worker *w = &r->workers[i];
    for (int k = 0; k < r->capacity; k++) {
      struct member *m = &w->members[k];
      if (!m->used || m->timed_out || now - m->since < r->x->timeout_s) continue;
      m->timed_out = true; /* looked at when its epoch ends; a trial that is alone is stopped within it */
      if (r->capacity == 1) __atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
    }
  }
}

static int start_threads(struct runner *r, pthread_t *keeper, bool *has_keeper, struct error *e)
{
  sigset_t all, old;
  int code = 0;
  sigfillset(&all); /* signals are the caller's thread's */
  pthread_sigmask(SIG_SETMASK, &all, &old);
  *has_keeper = pthread_create(keeper, NULL, keeper_thread, r) == 0;
  for (int i = 0; i < r->slots && *has_keeper; i++) {
    r->workers[i].runner = r;
    r->workers[i].device = i % r->n_devices;
    pthread_mutex_lock(&r->lock);
    r->alive++;
    pthread_mutex_unlock(&r->lock);
    if (pthread_create(&r->workers[i].thread, NULL, worker_thread, &r->workers[i]) == 0) continue;
    pthread_mutex_lock(&r->lock);
    r->alive--;
    r->slots = i; /* fewer will do */
    pthread_mutex_unlock(&r->lock);
    break;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (!*has_keeper || r->slots == 0)
    code = error_set(e, ERROR_MACHINE, "no thread can be started: %s", strerror(errno));
  return code;
}

static int prepare(struct runner *r, struct error *e)
{
  r->workers = calloc((size_t)r->slots, sizeof *r->workers);
  if (!r->workers) return error_set(e, ERROR_MACHINE, "no memory for %d workers", r->slots);
  for (int i = 0; i < r->slots; i++) {
    r->workers[i].members = calloc((size_t)r->capacity, sizeof *r->workers[i].members);
    if (!r->workers[i].members) return error_set(e, ERROR_MACHINE, "no memory for %d workers", r->slots);
  }
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    pthread_mutex_init(&s->commit, NULL);
    s->range = range_begin("%s", s->title);
    s->taken = calloc((size_t)r->x->trials, sizeof *s->taken);
    if (!s->taken) return error_set(e, ERROR_MACHINE, "no memory for a study of %d trials", r->x->trials);
  }
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  r->at_once = r->slots * r->capacity;
  r->waiting = -1;
  r->began = runner_now();
  r->bytes_limit = machine_memory_available() / 10 * 9;
  return 0;
}

int runner_run(struct runner *r, runner_tick tick, void *context, struct error *e)
{
  pthread_t keeper;
  bool has_keeper = false;
  if (r->capacity < 1) r->capacity = 1;
  if (r->n_devices < 1) r->n_devices = 1;
  int slots = r->slots, code = prepare(r, e);
  if (code) goto done;
  code = start_threads(r, &keeper, &has_keeper, e);
  if (code) fail(r, e);
  pthread_mutex_lock(&r->lock);
  while (r->alive > 0) {
    watch(r);
    pthread_mutex_unlock(&r->lock);
    if (tick) tick(context, r);
    pthread_mutex_lock(&r->lock);
    if (r->alive > 0) timed_wait(r, TICK_MS);
  }
  r->keeper_stop = true;
  pthread_cond_broadcast(&r->changed);
  pthread_mutex_unlock(&r->lock);
  for (int i = 0; i < r->slots && has_keeper; i++) pthread_join(r->workers[i].thread, NULL);
  if (has_keeper) pthread_join(keeper, NULL);
  r->over = true;
  if (tick) tick(context, r);
  if (r->failure.code) {
    *e = r->failure;
    code = e->code;
  } else if (r->stopping && !all_ended(r)) {
    code = error_set(e, ERROR_INTERRUPTED, "stopped");
  }
  struct error walls;
  if (!code || code == ERROR_INTERRUPTED) {
    int written = write_walls(r, code ? &walls : e);
    if (!code) code = written;
  }
  pthread_cond_destroy(&r->changed);
  pthread_mutex_destroy(&r->lock);
done:
  for (int i = 0; i < r->n_studies; i++) {
    range_end(&r->studies[i].range);
    pthread_mutex_destroy(&r->studies[i].commit);
    free(r->studies[i].taken);
    r->studies[i].taken = NULL;
  }
  for (int i = 0; i < slots && r->workers; i++) free(r->workers[i].members);
  free(r->workers);
  r->workers = NULL;
  return code;
}

/* ---- progress ------------------------------------------------------------------------------------------------------------- */

void runner_status(struct runner *r, int i, struct run_status *status)
{
  pthread_mutex_lock(&r->lock);
  const struct run_study *s = &r->studies[i];
  const struct study *t = &s->study;
  *status = (struct run_status){.trials = r->x->trials,
                                .done = t->done,
                                .running = s->running,
                                .failed = t->failed,
                                .best = t->best,
                                .best_value = t->best >= 0 ? t->trials[t->best].value : NAN,
                                .ended = t->ended && t->done == t->n,
                                .target_reached = t->target_reached,
                                .waits_for_memory = r->waiting == i,
                                .elapsed_s = runner_now() - r->began,
                                .done_before = s->done_before,
                                .phase_trials = t->in_phase ? t->phase.count : 0};
  if (t->in_phase) {
    memcpy(status->phase, t->phase.name, sizeof status->phase);
    for (int k = t->phase.first; k < t->n; k++) status->phase_done += t->trials[k].state != STORED_RUNNING;
  }
  pthread_mutex_unlock(&r->lock);
}
