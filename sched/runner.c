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
#include "study_record.h"

enum { TICK_MS = 100, HEARTBEAT_MS = 10000 };

struct worker {
  struct runner *runner;
  pthread_t thread;
  struct place *place;
  volatile int stop;      /* the trainer looks at it after every step */
  bool active, timed_out; /* under the runner's lock: a trial is being trained; its time was up */
  double since;           /* monotonic seconds at its start */
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

/* ---- one trial ------------------------------------------------------------------------------------------------------------ */

enum outcome { OUTCOME_ENDED, OUTCOME_STOPPED, OUTCOME_MACHINE, OUTCOME_ERROR };

static enum outcome fail_trial(struct stored_trial *t, const char *format, double number)
{
  t->state = STORED_FAIL;
  snprintf(t->reason, sizeof t->reason, format, number);
  return OUTCOME_ENDED;
}

/* Takes what an event tells into the trial. */
static void take_event(struct stored_trial *t, const struct trial_event *event, const struct objective_cost *cost)
{
  t->seconds += event->seconds;
  t->images += event->images;
  t->epochs = event->epoch;
  if (event->kind == TRIAL_EPOCH || event->kind == TRIAL_DONE) {
    t->value = event->value;
    t->loss = event->loss;
  }
  if (cost->epochs > 0) t->flops = cost->flops * event->epoch / cost->epochs;
}

/* Trains to the end.  The place holds the trial afterwards. */
static enum outcome train(struct worker *w, const struct run_study *s, struct stored_trial *t,
                          const struct objective_cost *cost, struct error *e)
{
  struct runner *r = w->runner;
  struct objective *o = r->objective;
  struct trial_spec spec = {t->number, t->key, t->values};
  if (!cost->feasible) {
    t->state = STORED_FAIL;
    snprintf(t->reason, sizeof t->reason, "infeasible: %.180s", cost->reason);
    return OUTCOME_ENDED;
  }
  int code = o->add(w->place, &spec, e);
  if (code) return code == ERROR_MACHINE ? OUTCOME_MACHINE : OUTCOME_ERROR;
  for (;;) {
    struct trial_event event;
    int n;
    code = o->advance(w->place, &event, 1, &n, &w->stop, e);
    if (code == ERROR_INTERRUPTED) {
      pthread_mutex_lock(&r->lock);
      bool timed_out = w->timed_out && !r->stopping;
      pthread_mutex_unlock(&r->lock);
      return timed_out ? fail_trial(t, "timeout: took longer than %g s", r->x->timeout_s) : OUTCOME_STOPPED;
    }
    if (code) return code == ERROR_MACHINE ? OUTCOME_MACHINE : OUTCOME_ERROR;
    if (n == 0) return error_set(e, ERROR_FAILED, "%s ended without a result", o->name), OUTCOME_ERROR;
    take_event(t, &event, cost);
    if (event.kind == TRIAL_MACHINE_FAILED) {
      error_set(e, ERROR_MACHINE, "%s", event.reason);
      return OUTCOME_MACHINE;
    }
    if (event.kind == TRIAL_FAILED) {
      t->state = STORED_FAIL;
      memcpy(t->reason, event.reason, sizeof t->reason);
      return OUTCOME_ENDED;
    }
    if (o->has_epochs && store_trial_epoch(r->store, s->store_id, t->number, event.epoch, event.value, e))
      return OUTCOME_ERROR;
    if (event.kind == TRIAL_DONE) {
      t->state = STORED_COMPLETE;
      return OUTCOME_ENDED;
    }
  }
}

static int save_network(struct worker *w, struct run_study *s, int trial, struct error *e)
{
  char path[1200];
  for (char *slash = s->networks + 1; (slash = strchr(slash, '/')); slash++) { /* as mkdir -p does */
    *slash = 0;
    int made = mkdir(s->networks, 0777);
    *slash = '/';
    if (made && errno != EEXIST) break; /* the last one tells */
  }
  if (mkdir(s->networks, 0777) && errno != EEXIST) return error_errno(e, "%s: cannot be made", s->networks);
  runner_network_path(s, trial, path, sizeof path);
  return w->runner->objective->save(w->place, trial, path, NULL, e);
}

/* Commits the end of a trial: its network first where it is the best, then the database, then the study hears of it. */
static int commit(struct worker *w, struct run_study *s, const struct stored_trial *t, struct error *e)
{
  struct runner *r = w->runner;
  char old[1200];
  int code = 0;
  pthread_mutex_lock(&s->commit);
  pthread_mutex_lock(&r->lock);
  bool best = study_is_best(&s->study, t);
  int before = s->study.best;
  pthread_mutex_unlock(&r->lock);
  if (best && r->objective->has_network) code = save_network(w, s, t->number, e);
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

/* The machine could not go on with a trial: it runs again later, with fewer beside it.  Under the lock. */
static void put_back(struct runner *r, struct run_study *s, int number, const struct error *why)
{
  s->taken[number] = false;
  if (r->running > 1) {
    r->at_once = r->running - 1;
  } else if (!r->failure.code) {
    r->failure = *why;
    error_prefix(&r->failure, "%s, trial %d could not run although nothing ran beside it", s->title, number);
    stop_all(r);
  }
}

static void run_trial(struct worker *w, const struct job *job, const struct objective_cost *cost)
{
  struct runner *r = w->runner;
  struct run_study *s = job->study;
  struct error e = {0};
  struct stored_trial t = s->study.trials[job->number];
  t.value = NAN;
  enum outcome outcome = train(w, s, &t, cost, &e);
  t.wall_s = runner_now() - w->since;
  if (outcome == OUTCOME_ENDED && commit(w, s, &t, &e)) outcome = OUTCOME_ERROR;
  r->objective->remove(w->place, t.number);
  if (outcome == OUTCOME_ERROR) fail(r, &e);
  pthread_mutex_lock(&r->lock);
  w->active = false;
  if (outcome == OUTCOME_MACHINE) put_back(r, s, t.number, &e);
  if (outcome != OUTCOME_ENDED) s->interrupted = true;
  release(r, s, cost->bytes);
  pthread_mutex_unlock(&r->lock);
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

/* Takes one trial through.  Under the lock, which is given back meanwhile. */
static void work(struct worker *w, struct job *job)
{
  struct runner *r = w->runner;
  struct objective_cost cost;
  struct error e = {0};
  job->study->busy = true;
  pthread_mutex_unlock(&r->lock);
  int code = start(w, job, &cost, &e);
  if (code < 0) fail(r, &e);
  pthread_mutex_lock(&r->lock);
  job->study->busy = false;
  pthread_cond_broadcast(&r->changed);
  if (code) {
    if (code == 1 && !r->stopping) pthread_cond_wait(&r->changed, &r->lock); /* until something ends */
    return;
  }
  w->active = true;
  w->timed_out = false;
  w->since = runner_now();
  __atomic_store_n(&w->stop, r->stopping, __ATOMIC_RELAXED);
  pthread_mutex_unlock(&r->lock);
  run_trial(w, job, &cost);
  pthread_mutex_lock(&r->lock);
}

static void *worker_thread(void *context)
{
  struct worker *w = context;
  struct runner *r = w->runner;
  struct error e = {0};
  bool open = r->objective->open(r->objective, &w->place, 0, 1, &e) == 0;
  if (!open) fail(r, &e);
  pthread_mutex_lock(&r->lock);
  while (open && !r->stopping) {
    struct job job;
    if (find_job(r, &job))
      work(w, &job);
    else if (all_ended(r))
      break;
    else
      pthread_cond_wait(&r->changed, &r->lock);
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
  if (!r->stopping && r->signal && __atomic_load_n(r->signal, __ATOMIC_RELAXED)) stop_all(r);
  if (!r->stopping && r->x->time_limit_s > 0 && now - r->began >= r->x->time_limit_s) {
    r->time_is_up = true;
    stop_all(r);
  }
  if (r->x->timeout_s <= 0) return;
  for (int i = 0; i < r->slots; i++) {
    struct worker *w = &r->workers[i];
    if (!w->active || w->timed_out || now - w->since < r->x->timeout_s) continue;
    w->timed_out = true;
    __atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
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
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    pthread_mutex_init(&s->commit, NULL);
    s->taken = calloc((size_t)r->x->trials, sizeof *s->taken);
    if (!s->taken) return error_set(e, ERROR_MACHINE, "no memory for a study of %d trials", r->x->trials);
  }
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  r->at_once = r->slots;
  r->waiting = -1;
  r->began = runner_now();
  r->bytes_limit = machine_memory_available() / 10 * 9;
  return 0;
}

int runner_run(struct runner *r, runner_tick tick, void *context, struct error *e)
{
  pthread_t keeper;
  bool has_keeper = false;
  int code = prepare(r, e);
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
    pthread_mutex_destroy(&r->studies[i].commit);
    free(r->studies[i].taken);
    r->studies[i].taken = NULL;
  }
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
