/* A run: its threads, signals and clocks. */
#include "sched/run/runner_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/text_escape.h"
#include "sched/run/resources.h"
#include "host/base/monotonic.h"
#include "host/base/profiler_ranges.h"
#include "host/store/study_attributes.h"

enum { TICK_MS = 100, HEARTBEAT_MS = 10000 };

void runner_network_path(const struct run_study *s, int trial, char *path, size_t size)
{
  snprintf(path, size, "%s/trial-%d.safetensors", s->networks, trial);
}

/* ---- ending the run -------------------------------------------------------------------------- */

/* Under the lock: no new trials, and those that run stop after their step. */
void runner_stop(struct runner *r)
{
  r->stopping = true;
  for (int i = 0; i < r->places; i++) __atomic_store_n(&r->workers[i].stop, 1, __ATOMIC_RELAXED);
  pthread_cond_broadcast(&r->changed);
}

void runner_notify(struct runner *r, const char *text)
{
  notices_add(&r->notices, text);
}

void runner_fail(struct runner *r, const struct error *e)
{
  pthread_mutex_lock(&r->lock);
  if (!r->failure.code) r->failure = *e;
  runner_stop(r);
  pthread_mutex_unlock(&r->lock);
}

/* ---- threads --------------------------------------------------------------------------------- */

/* "cuda:0, cuda:1" */
static void name_devices(const struct runner *r, char *text, size_t size)
{
  size_t used = 0;
  for (int i = 0; i < r->n_devices && used < size; i++) {
    char name[64];
    objective_device_name(r->objective, i, name, sizeof name);
    used += text_format(text + used, size - used, "%s%s", i ? ", " : "", name);
  }
}

/* Of all studies together: begin and end of a run. */
static void tell_run(struct runner *r, enum event_kind kind, const char *reason)
{
  struct event event = {.kind = kind, .trials = r->n_studies * r->x->trials, .reason = reason};
  char devices[400] = "";
  if (kind == EVENT_RUN_BEGIN) {
    name_devices(r, devices, sizeof devices);
    event.name = r->x->name;
    event.output = r->x->output;
    event.devices = devices;
    event.depends_on = r->depends_on;
    event.value_name = r->objective->value_name;
  }
  for (int i = 0; i < r->n_studies; i++) event.done += r->studies[i].study.done;
  events_emit(r->events, event);
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

/* A study's wall time in this run: all of the run's where studies run together. */
static double wall_of(struct runner *r, const struct run_study *s)
{
  double elapsed = monotonic_seconds() - r->began;
  if (!r->queue.one_by_one) return elapsed;
  pthread_mutex_lock(&r->lock);
  double wall = s->began_s > 0 ? (s->over ? s->ended_s : elapsed) - s->began_s : 0;
  pthread_mutex_unlock(&r->lock);
  return wall;
}

static bool ran_alone(const struct runner *r, const struct run_study *s)
{
  return (r->n_studies == 1 || r->queue.one_by_one) && !s->shared_before;
}

static int write_walls(struct runner *r, struct error *e)
{
  int code = 0;
  for (int i = 0; i < r->n_studies && !code; i++) {
    const struct run_study *s = &r->studies[i];
    code = study_record_write_wall(r->store, s->store_id, s->wall_before_s + wall_of(r, s), ran_alone(r, s), e);
  }
  return code;
}

static void *keeper_thread(void *context)
{
  struct runner *r = context;
  double next = monotonic_seconds() + HEARTBEAT_MS / 1000.0;
  pthread_mutex_lock(&r->lock);
  while (!r->keeper_stop) {
    double left = next - monotonic_seconds();
    if (left > 0) {
      timed_wait(r, (int)(left * 1000) + 1);
      continue;
    }
    pthread_mutex_unlock(&r->lock);
    struct error e = {0};
    int code = store_heartbeat(r->store, &e);
    if (!code) code = write_walls(r, &e);
    if (code == ERROR_FAILED) runner_fail(r, &e); /* taken over; a full disk is found by the commits */
    next = monotonic_seconds() + HEARTBEAT_MS / 1000.0;
    pthread_mutex_lock(&r->lock);
  }
  pthread_mutex_unlock(&r->lock);
  return NULL;
}

/* Looks at signals and clocks.  Under the lock. */
static void watch(struct runner *r)
{
  double now = monotonic_seconds();
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    if (!s->study.ended || s->study.done < s->study.n || s->over) continue;
    range_end(&s->range);
    s->over = true;
    paused_forget(r, s);
  }
  if (!r->stopping && r->signal && __atomic_load_n(r->signal, __ATOMIC_RELAXED)) runner_stop(r);
  if (!r->stopping && r->x->time_limit_s > 0 && now - r->began >= r->x->time_limit_s) {
    r->time_is_up = true;
    runner_stop(r);
  }
  if (r->x->timeout_s <= 0) return;
  for (int i = 0; i < r->places; i++) {
    struct worker *w = &r->workers[i];
    for (int k = 0; k < r->capacity; k++) {
      struct place_member *m = &w->members[k];
      if (!m->used || m->timed_out || m->wall_before_s + now - m->since < r->x->timeout_s) continue;
      m->timed_out = true; /* looked at when its epoch ends; a trial that is alone is stopped within it */
      if (r->capacity == 1) __atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
    }
  }
}

/* What the objective has to say; in the caller's thread. */
static void tell_notice(struct runner *r)
{
  char text[NOTICE_MAX];
  if (!objective_notice(r->objective, text, sizeof text)) return;
  pthread_mutex_lock(&r->lock);
  runner_notify(r, text);
  pthread_mutex_unlock(&r->lock);
  events_emit(r->events, (struct event){.kind = EVENT_NOTICE, .reason = text});
}

/* Studies that ended since the last time; in the caller's thread. */
static void tell_ended(struct runner *r)
{
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    if (!s->over || s->told) continue; /* only this thread sets it */
    s->told = true;
    events_emit(r->events, (struct event){.kind = EVENT_STUDY_END,
                                          .study = s->name,
                                          .strategy = s->study.strategy->name,
                                          .round = s->study.round,
                                          .trials = r->x->trials,
                                          .done = s->study.done});
  }
}

static int start_threads(struct runner *r, pthread_t *keeper, bool *has_keeper, struct error *e)
{
  sigset_t all, old;
  int code = 0;
  sigfillset(&all);        /* signals are the caller's thread's, */
  sigdelset(&all, SIGBUS); /* but for that of a thread which reads a file that was cut meanwhile */
  pthread_sigmask(SIG_SETMASK, &all, &old);
  *has_keeper = pthread_create(keeper, NULL, keeper_thread, r) == 0;
  pthread_mutex_lock(&r->lock);
  r->alive =
      *has_keeper ? r->places : 0; /* before the first one runs: one that leaves at once must not seem to be the last */
  pthread_mutex_unlock(&r->lock);
  for (int i = 0; i < r->places && *has_keeper; i++) {
    r->workers[i].runner = r;
    r->workers[i].device = r->objective->device_of_place ? r->objective->device_of_place[i] : i % r->n_devices;
    if (pthread_create(&r->workers[i].thread, NULL, worker_thread, &r->workers[i]) == 0) continue;
    pthread_mutex_lock(&r->lock);
    r->alive -= r->places - i;
    r->places = i; /* fewer will do */
    pthread_mutex_unlock(&r->lock);
    break;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (!*has_keeper || r->places == 0)
    code = error_set(e, ERROR_MACHINE, "no thread can be started: %s", strerror(errno));
  return code;
}

/* What a pruner compares with: the epochs of trials that have ended. */
static int load_epochs(struct store *store, struct run_study *s, const struct stored_trial *trials, int n,
                       struct error *e)
{
  int code = 0;
  for (int t = 0; s->study.pruner && t < n && !code; t++) {
    double *values = NULL;
    int n_values = 0;
    if (trials[t].state == STORED_RUNNING || trials[t].state == STORED_WAITING) continue;
    code = store_epochs(store, s->store_id, t, &values, &n_values, e);
    for (int i = 0; i < n_values && !code; i++) code = study_epoch(&s->study, t, i + 1, values[i], e);
    free(values);
  }
  return code;
}

int runner_resume(struct store *store, struct run_study *s, const struct stored_trial *trials, int n, bool retried,
                  struct error *e)
{
  int most = n < s->study.x->trials ? n : s->study.x->trials; /* more are refused */
  if (load_epochs(store, s, trials, most, e)) return e->code;
  return (retried ? study_resume_retried : study_resume)(&s->study, trials, n, e);
}

static int prepare(struct runner *r, struct error *e)
{
  if (store_trials_wait(r->store, NULL, 0, e)) return e->code; /* those of a run that died */
  r->workers = calloc((size_t)r->places, sizeof *r->workers);
  r->images = calloc((size_t)r->n_devices, sizeof *r->images);
  r->gone = calloc((size_t)r->n_devices, sizeof *r->gone);
  r->kept = calloc((size_t)(r->places * r->capacity), sizeof *r->kept);
  if (!r->workers || !r->images || !r->gone || !r->kept)
    return error_set(e, ERROR_MACHINE, "no memory for %d workers", r->places);
  for (int i = 0; i < r->places; i++) {
    r->workers[i].members = calloc((size_t)r->capacity, sizeof *r->workers[i].members);
    if (!r->workers[i].members) return error_set(e, ERROR_MACHINE, "no memory for %d workers", r->places);
  }
  const struct queue_limits limits = {.at_once = r->at_once,
                                      .capacity = r->capacity,
                                      .by_share = r->by_share,
                                      .bytes = r->objective->memory_bytes > 0 ? r->objective->memory_bytes
                                                                              : machine_memory_available() / 10 * 9};
  if (queue_create(&r->queue, r->n_studies, r->x->studies == STUDIES_ONE_BY_ONE, &limits, e)) return e->code;
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    pthread_mutex_init(&s->commit, NULL);
    s->range = range_begin("%s", s->title);
    s->stored = s->study.n;
    s->first = s->study.known;
    if (queue_add(&r->queue, i, &s->study, e)) return e->code;
  }
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  r->began = r->events ? r->events->began : monotonic_seconds();
  return 0;
}

int runner_run(struct runner *r, runner_tick tick, void *context, struct error *e)
{
  pthread_t keeper;
  bool has_keeper = false;
  if (r->n_devices < 1) r->n_devices = 1;
  int places = r->places, code = prepare(r, e);
  if (code) goto done;
  tell_run(r, EVENT_RUN_BEGIN, NULL);
  code = start_threads(r, &keeper, &has_keeper, e);
  if (code) runner_fail(r, e);
  pthread_mutex_lock(&r->lock);
  while (r->alive > 0) {
    watch(r);
    pthread_mutex_unlock(&r->lock);
    tell_ended(r);
    tell_notice(r);
    if (tick) tick(context, r);
    pthread_mutex_lock(&r->lock);
    if (r->alive > 0) timed_wait(r, TICK_MS);
  }
  r->keeper_stop = true;
  pthread_cond_broadcast(&r->changed);
  pthread_mutex_unlock(&r->lock);
  for (int i = 0; i < r->places && has_keeper; i++) pthread_join(r->workers[i].thread, NULL);
  if (has_keeper) pthread_join(keeper, NULL);
  r->over = true;
  watch(r);
  paused_write(r);
  tell_ended(r);
  if (tick) tick(context, r);
  if (r->failure.code) {
    *e = r->failure;
    code = e->code;
  } else if (r->stopping && !queue_ended(&r->queue)) {
    code = error_set(e, ERROR_INTERRUPTED, "stopped");
  }
  tell_run(r, EVENT_RUN_END, code ? e->message : NULL);
  struct error walls;
  if (code)
    store_trials_wait(r->store, r->kept, r->n_kept,
                      &walls); /* worth an attempt: a run that dies leaves them as they are */
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
  }
  queue_destroy(&r->queue);
  paused_destroy(r);
  for (int i = 0; i < places && r->workers; i++) free(r->workers[i].members);
  free(r->workers);
  free(r->images);
  free(r->gone);
  free(r->kept);
  r->workers = NULL;
  r->images = NULL;
  r->gone = NULL;
  r->kept = NULL;
  return code;
}
