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
  double since;       /* monotonic seconds at its start */
  double epoch_since; /* at the end of its last epoch, or its start */
  int shown_epoch;    /* under the lock: for the progress line */
  double shown_value;
  uint64_t range; /* its own (ranges.h) */
};

struct worker {
  struct runner *runner;
  pthread_t thread;
  int device;
  struct place *place;
  volatile int stop; /* the trainer looks at it after every step */
  bool lost;         /* its place can train no more */
  struct error why;
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

/* ---- telling of it -------------------------------------------------------------------------------------------------------- */

static struct event event_of(const struct worker *w, const struct member *m, enum event_kind kind)
{
  const struct runner *r = w->runner;
  const struct study *s = &m->study->study;
  return (struct event){.kind = kind,
                        .study = m->study->title,
                        .strategy = s->strategy->name,
                        .round = s->round,
                        .trial = m->trial.number,
                        .group = m->trial.group,
                        .device = w->device,
                        .place = (int)(w - r->workers),
                        .member = (int)(m - w->members),
                        .epoch = m->trial.epochs,
                        .epochs = m->cost.epochs,
                        .state = m->trial.state,
                        .value = m->trial.value,
                        .loss = m->trial.loss,
                        .seconds = m->trial.seconds,
                        .images = m->trial.images,
                        .began_s = m->since - r->began,
                        .reason = m->trial.reason[0] ? m->trial.reason : NULL};
}

static void tell_epoch(const struct worker *w, struct member *m, const struct trial_event *e)
{
  struct event event = event_of(w, m, EVENT_EPOCH);
  double now = runner_now();
  event.seconds = e->seconds;
  event.images = e->images;
  event.from_s = m->epoch_since - w->runner->began;
  event.to_s = now - w->runner->began;
  m->epoch_since = now;
  events_emit(w->runner->events, event);
}

/* Of all studies together: begin and end of a run. */
static void tell_run(struct runner *r, enum event_kind kind, const char *reason)
{
  struct event event = {.kind = kind, .trials = r->n_studies * r->x->trials, .reason = reason};
  for (int i = 0; i < r->n_studies; i++) event.done += r->studies[i].study.done;
  events_emit(r->events, event);
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

static struct queue_study *queued(struct runner *r, const struct run_study *s)
{
  return &r->queue.studies[s - r->studies];
}

/* Proposes a trial and takes it into its study, which is ours (busy) meanwhile.  Under the lock, which is given back meanwhile. */
static void propose(struct runner *r, const struct job *job)
{
  struct study *s = &r->studies[job->study].study;
  struct stored_trial trial;
  struct objective_cost cost;
  struct error e = {0};
  r->queue.studies[job->study].busy = true;
  study_look(s);
  pthread_mutex_unlock(&r->lock);
  int code = study_propose(s, &trial, &e);
  if (!code) code = r->objective->cost(r->objective, trial.values, &cost, &e);
  if (code) fail(r, &e);
  pthread_mutex_lock(&r->lock);
  r->queue.studies[job->study].busy = false;
  pthread_cond_broadcast(&r->changed);
  if (code) return;
  study_add(s, &trial);
  queue_proposed(&r->queue, job, &cost);
}

/* A trial that runs alone and still needs more than there is ends the run.  Under the lock. */
static bool fits_alone(struct runner *r, const struct job *job)
{
  int64_t bytes = r->queue.studies[job->study].trials[job->number].bytes, available;
  if (r->queue.running > 0 || bytes <= r->queue.bytes_limit) return true;
  available = machine_memory_available(); /* whatever the machine has now */
  if (bytes <= available) return true;
  if (!r->failure.code)
    error_set(&r->failure, ERROR_MACHINE,
              "%s, trial %d needs %.2f GiB of memory and this machine has %.2f GiB free; the same command goes on "
              "when there is more, or on a larger machine (a smaller [scheduler] trial_memory, in another output, "
              "leaves such configurations out)",
              r->studies[job->study].title, job->number, (double)bytes / 0x1p30, (double)available / 0x1p30);
  stop_all(r);
  return false;
}

/* Starts a trial in the database, after those before it that have not been started yet: numbers have no gaps there. */
static int store_start(struct runner *r, struct run_study *s, int number, struct error *e)
{
  int code = 0;
  for (; s->stored < number && !code; s->stored += !code) {
    struct stored_trial waiting = s->study.trials[s->stored];
    waiting.state = STORED_WAITING;
    code = store_trial_start(r->store, s->store_id, &r->x->space, &waiting, e);
  }
  if (!code) code = store_trial_start(r->store, s->store_id, &r->x->space, &s->study.trials[number], e);
  if (!code && s->stored == number) s->stored++;
  return code;
}

/* Gives back what queue_take took.  Under the lock. */
static void release(struct runner *r, const struct run_study *s, int number, bool again)
{
  queue_release(&r->queue, (int)(s - r->studies), number, again);
  pthread_cond_broadcast(&r->changed);
}

/* ---- what becomes of a trial ------------------------------------------------------------------------------------------------ */

enum outcome { OUTCOME_GOES_ON, OUTCOME_ENDED, OUTCOME_STOPPED, OUTCOME_MACHINE, OUTCOME_LOST, OUTCOME_ERROR };

/* Commits an epoch's value and tells of it.  *prune out: the trial is to end with it. */
static enum outcome take_epoch(struct worker *w, struct member *m, const struct trial_event *event, bool *prune,
                               struct error *e)
{
  struct runner *r = w->runner;
  int number = m->trial.number;
  if (store_trial_epoch(r->store, m->study->store_id, number, event->epoch, event->value, e)) return OUTCOME_ERROR;
  tell_epoch(w, m, event);
  pthread_mutex_lock(&r->lock);
  m->shown_epoch = event->epoch;
  m->shown_value = event->value;
  r->images[w->device] += event->images;
  int code = study_epoch(&m->study->study, number, event->epoch, event->value, e);
  *prune = !code && event->kind == TRIAL_EPOCH && study_prunes(&m->study->study, number);
  pthread_mutex_unlock(&r->lock);
  return code ? OUTCOME_MACHINE : OUTCOME_GOES_ON;
}

/* Takes what an event tells into the trial. */
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
  bool prune = false;
  if (r->objective->has_epochs && new_epoch) {
    enum outcome outcome = take_epoch(w, m, event, &prune, e);
    if (outcome != OUTCOME_GOES_ON) return outcome;
  }
  if (event->kind == TRIAL_EPOCH && !prune) return OUTCOME_GOES_ON;
  t->state = prune ? STORED_PRUNED : STORED_COMPLETE;
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
    s->ended_s = runner_now() - r->began;
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
static void put_back(struct runner *r, const struct run_study *s, int number, const struct error *why)
{
  if (r->queue.running > 1) {
    r->queue.at_once = r->queue.running - 1;
  } else if (!r->failure.code) {
    r->failure = *why;
    error_prefix(&r->failure, "%s, trial %d could not run although nothing ran beside it", s->title, number);
    stop_all(r);
  }
}

/* Tells the user of a device that is lost; once, however many places it had. */
static void notice_lost(const struct worker *w)
{
  struct runner *r = w->runner;
  char name[64];
  objective_device_name(r->objective, w->device, name, sizeof name);
  pthread_mutex_lock(&r->lock);
  if (!r->gone[w->device]) {
    snprintf(r->notice, sizeof r->notice, "%s is not used any more: %.380s", name, w->why.message);
    r->notices++;
  }
  r->gone[w->device] = true;
  pthread_mutex_unlock(&r->lock);
}

static void lose(struct worker *w, const struct error *why)
{
  if (w->lost) return;
  w->lost = true;
  w->why = *why;
  events_emit(w->runner->events, (struct event){.kind = EVENT_DEVICE_LOST,
                                                .device = w->device,
                                                .place = (int)(w - w->runner->workers),
                                                .reason = w->why.message});
  notice_lost(w);
}

/* A member leaves its place, as `outcome` says. */
static void end_member(struct worker *w, struct member *m, enum outcome outcome, struct error *e)
{
  struct runner *r = w->runner;
  m->trial.wall_s = runner_now() - m->since;
  if (outcome == OUTCOME_ENDED && commit(w, m, e)) outcome = e->code == ERROR_LOST ? OUTCOME_LOST : OUTCOME_ERROR;
  if (outcome == OUTCOME_LOST) lose(w, e);
  r->objective->remove(w->place, (int)(m - w->members));
  range_end(&m->range);
  struct event event = event_of(w, m, outcome == OUTCOME_ENDED ? EVENT_TRIAL_END : EVENT_TRIAL_LEFT);
  if (outcome != OUTCOME_ENDED) event.reason = e->code ? e->message : NULL;
  events_emit(r->events, event);
  if (outcome == OUTCOME_ERROR) fail(r, e);
  pthread_mutex_lock(&r->lock);
  m->used = false;
  w->n--;
  if (outcome == OUTCOME_MACHINE) put_back(r, m->study, m->trial.number, e);
  if (outcome != OUTCOME_ENDED) m->study->interrupted = true;
  release(r, m->study, m->trial.number, outcome == OUTCOME_MACHINE || outcome == OUTCOME_LOST);
  pthread_mutex_unlock(&r->lock);
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

/* What becomes of a trial that a place would not take. */
static enum outcome outcome_of(int code)
{
  return code == ERROR_MACHINE ? OUTCOME_MACHINE : code == ERROR_LOST ? OUTCOME_LOST : OUTCOME_ERROR;
}

/* Starts a trial that has been taken (queue_take): in the database, then in the place.  Under the lock, which is given back
 * meanwhile. */
static void start(struct worker *w, const struct job *job)
{
  struct runner *r = w->runner;
  struct run_study *s = &r->studies[job->study];
  struct error e = {0};
  struct member *m = w->members;
  while (m->used) m++;
  *m = (struct member){.study = s, .since = runner_now(), .shown_value = NAN};
  m->epoch_since = m->since;
  if (s->began_s == 0) s->began_s = m->since - r->began;
  queued(r, s)->busy = true;
  m->trial = s->study.trials[job->number]; /* only its end could change it, and it has not begun */
  m->trial.value = NAN;
  pthread_mutex_unlock(&r->lock);
  int code = r->objective->cost(r->objective, m->trial.values, &m->cost, &e);
  if (!code) code = store_start(r, s, job->number, &e);
  if (code) fail(r, &e);
  pthread_mutex_lock(&r->lock);
  queued(r, s)->busy = false;
  pthread_cond_broadcast(&r->changed);
  if (code) {
    release(r, s, job->number, true);
    return;
  }
  m->range = range_begin("%s, trial %d, place %d", s->title, job->number, (int)(m - w->members));
  m->used = true;
  if (++w->n == 1) __atomic_store_n(&w->stop, r->stopping, __ATOMIC_RELAXED); /* a timeout may have set it before */
  pthread_mutex_unlock(&r->lock);
  events_emit(r->events, event_of(w, m, EVENT_TRIAL_BEGIN));
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
    if (code) end_member(w, m, outcome_of(code), &e);
  }
  pthread_mutex_lock(&r->lock);
}

/* Is there memory on the place's device?  Otherwise nothing else starts before this trial, here or on another device.  Under the lock. */
static bool admit(struct worker *w, const struct job *job)
{
  struct runner *r = w->runner;
  const double *values = r->studies[job->study].study.trials[job->number].values;
  if (!r->objective->admit || r->objective->admit(w->place, values)) return true;
  r->queue.waiting = job->study;
  return false;
}

/* Takes a trial into the place, or proposes one.  Under the lock, which is given back meanwhile.  False where there is nothing to
 * do, or no memory for it yet. */
static bool take(struct worker *w)
{
  struct runner *r = w->runner;
  struct job job;
  if (r->stopping || !queue_find(&r->queue, &job)) return false;
  if (job.propose) {
    propose(r, &job);
    return true;
  }
  if (!fits_alone(r, &job) || !admit(w, &job)) return false;
  if (queue_take(&r->queue, &job) == ROOM_LATER) {
    if (r->objective->admit) r->objective->admit(w->place, NULL);
    return false;
  }
  start(w, &job);
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

/* Trains until something ends.  Where the place is lost, its trials go to others. */
static void advance(struct worker *w)
{
  struct runner *r = w->runner;
  struct trial_event events[RUNNER_CAPACITY_MAX];
  struct error e = {0};
  int n;
  int code = r->objective->advance(w->place, events, r->capacity, &n, &w->stop, &e);
  if (!code && n == 0) code = error_set(&e, ERROR_FAILED, "%s ended without a result", r->objective->name);
  if (code) {
    bool lost = code == ERROR_MACHINE || code == ERROR_LOST;
    end_all(w, lost ? OUTCOME_LOST : code == ERROR_INTERRUPTED ? OUTCOME_STOPPED : OUTCOME_ERROR, &e);
    return;
  }
  for (int i = 0; i < n && !w->lost; i++) { /* what is not taken up here runs again */
    struct member *m = &w->members[events[i].id];
    enum outcome outcome = take_event(w, m, &events[i], &e);
    if (outcome == OUTCOME_GOES_ON && r->capacity > 1 && is_late(r, m)) outcome = time_out(r, m);
    if (outcome != OUTCOME_GOES_ON) end_member(w, m, outcome, &e);
  }
}

/* May this worker take one more?  Not before the others have as many. */
static bool its_turn(const struct worker *w)
{
  const struct runner *r = w->runner;
  return w->n < r->capacity && w->n * r->alive <= r->queue.running;
}

/* A worker leaves.  The last one whose place is lost while there are trials left ends the run.  Under the lock. */
static void leave(struct worker *w)
{
  struct runner *r = w->runner;
  if (--r->alive == 0 && w->lost && !r->failure.code && !r->stopping && !queue_ended(&r->queue)) {
    r->failure = w->why;
    error_prefix(&r->failure, "no device is left that could go on; the same command goes on when there is one");
    stop_all(r);
  }
  pthread_cond_broadcast(&r->changed);
}

static void *worker_thread(void *context)
{
  struct worker *w = context;
  struct runner *r = w->runner;
  struct error e = {0};
  int code = r->objective->open(r->objective, &w->place, w->device, r->capacity, &e);
  if (code == ERROR_MACHINE || code == ERROR_LOST)
    lose(w, &e); /* others may be better off */
  else if (code)
    fail(r, &e);
  pthread_mutex_lock(&r->lock);
  while (!code && !w->lost && (!r->stopping || w->n > 0)) {
    while (!w->lost && its_turn(w) && take(w)) {
    }
    if (w->lost) break;
    if (w->n > 0) {
      pthread_mutex_unlock(&r->lock);
      advance(w);
      pthread_mutex_lock(&r->lock);
    } else if (!r->stopping && queue_ended(&r->queue)) {
      break;
    } else if (!r->stopping) {
      pthread_cond_wait(&r->changed, &r->lock);
    }
  }
  if (w->n > 0) { /* lost */
    pthread_mutex_unlock(&r->lock);
    end_all(w, OUTCOME_LOST, &w->why);
    pthread_mutex_lock(&r->lock);
  }
  leave(w);
  pthread_mutex_unlock(&r->lock);
  if (!code) r->objective->close(w->place);
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

/* A study's wall time in this run: all of the run's where studies run together. */
static double wall_of(struct runner *r, const struct run_study *s)
{
  double elapsed = runner_now() - r->began;
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
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    if (!s->study.ended || s->study.done < s->study.n || s->over) continue;
    range_end(&s->range);
    s->over = true;
  }
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

/* Studies that ended since the last time; in the caller's thread. */
static void tell_ended(struct runner *r)
{
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    if (!s->over || s->told) continue; /* only this thread sets it */
    s->told = true;
    events_emit(r->events, (struct event){.kind = EVENT_STUDY_END,
                                          .study = s->title,
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
  sigfillset(&all); /* signals are the caller's thread's */
  pthread_sigmask(SIG_SETMASK, &all, &old);
  *has_keeper = pthread_create(keeper, NULL, keeper_thread, r) == 0;
  pthread_mutex_lock(&r->lock);
  r->alive =
      *has_keeper ? r->slots : 0; /* before the first one runs: one that leaves at once must not seem to be the last */
  pthread_mutex_unlock(&r->lock);
  for (int i = 0; i < r->slots && *has_keeper; i++) {
    r->workers[i].runner = r;
    r->workers[i].device = i % r->n_devices;
    if (pthread_create(&r->workers[i].thread, NULL, worker_thread, &r->workers[i]) == 0) continue;
    pthread_mutex_lock(&r->lock);
    r->alive -= r->slots - i;
    r->slots = i; /* fewer will do */
    pthread_mutex_unlock(&r->lock);
    break;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (!*has_keeper || r->slots == 0)
    code = error_set(e, ERROR_MACHINE, "no thread can be started: %s", strerror(errno));
  return code;
}

/* What a pruner compares with: the epochs of the trials that have ended. */
static int load_epochs(struct runner *r, struct run_study *s, struct error *e)
{
  int code = 0;
  for (int t = 0; s->study.pruner && t < s->study.n && !code; t++) {
    double *values = NULL;
    int n = 0;
    if (s->study.trials[t].state == STORED_RUNNING) continue;
    code = store_epochs(r->store, s->store_id, t, &values, &n, e);
    for (int i = 0; i < n && !code; i++) code = study_epoch(&s->study, t, i + 1, values[i], e);
    free(values);
  }
  return code;
}

static int prepare(struct runner *r, struct error *e)
{
  if (store_trials_wait(r->store, e)) return e->code; /* those of a run that died */
  r->workers = calloc((size_t)r->slots, sizeof *r->workers);
  r->images = calloc((size_t)r->n_devices, sizeof *r->images);
  r->gone = calloc((size_t)r->n_devices, sizeof *r->gone);
  if (!r->workers || !r->images || !r->gone) return error_set(e, ERROR_MACHINE, "no memory for %d workers", r->slots);
  for (int i = 0; i < r->slots; i++) {
    r->workers[i].members = calloc((size_t)r->capacity, sizeof *r->workers[i].members);
    if (!r->workers[i].members) return error_set(e, ERROR_MACHINE, "no memory for %d workers", r->slots);
  }
  if (queue_create(&r->queue, r->n_studies, r->x->studies == STUDIES_ONE_BY_ONE, r->slots * r->capacity,
                   machine_memory_available() / 10 * 9, e))
    return e->code;
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    pthread_mutex_init(&s->commit, NULL);
    s->range = range_begin("%s", s->title);
    s->stored = s->study.n;
    if (load_epochs(r, s, e) || queue_add(&r->queue, i, &s->study, e)) return e->code;
  }
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  r->began = r->events ? r->events->began : runner_now();
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
  tell_run(r, EVENT_RUN_BEGIN, NULL);
  code = start_threads(r, &keeper, &has_keeper, e);
  if (code) fail(r, e);
  pthread_mutex_lock(&r->lock);
  while (r->alive > 0) {
    watch(r);
    pthread_mutex_unlock(&r->lock);
    tell_ended(r);
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
  watch(r);
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
  if (code) store_trials_wait(r->store, &walls); /* worth an attempt: a run that dies leaves them as they are */
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
  for (int i = 0; i < slots && r->workers; i++) free(r->workers[i].members);
  free(r->workers);
  free(r->images);
  free(r->gone);
  r->workers = NULL;
  r->images = NULL;
  r->gone = NULL;
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
                                .running = r->queue.studies ? queued(r, s)->running : 0,
                                .failed = t->failed,
                                .best = t->best,
                                .best_value = t->best >= 0 ? t->trials[t->best].value : NAN,
                                .ended = t->ended && t->done == t->n,
                                .target_reached = t->target_reached,
                                .waits_for_memory = r->queue.waiting == i,
                                .elapsed_s = runner_now() - r->began,
                                .done_before = s->done_before,
                                .phase_trials = t->in_phase ? t->phase.count : 0};
  if (t->in_phase) {
    memcpy(status->phase, t->phase.name, sizeof status->phase);
    for (int k = t->phase.first; k < t->n; k++) status->phase_done += t->trials[k].state != STORED_RUNNING;
  }
  pthread_mutex_unlock(&r->lock);
}

int runner_trials(struct runner *r, int device, struct run_trial *trials, int max)
{
  int n = 0;
  pthread_mutex_lock(&r->lock);
  for (int i = 0; r->workers && i < r->slots; i++) {
    const struct worker *w = &r->workers[i];
    for (int k = 0; k < r->capacity && w->device == device; k++) {
      const struct member *m = &w->members[k];
      if (!m->used) continue;
      if (n < max)
        trials[n] = (struct run_trial){.study = m->study->title,
                                       .number = m->trial.number,
                                       .epoch = m->shown_epoch,
                                       .epochs = m->cost.epochs,
                                       .value = m->shown_value};
      n++;
    }
  }
  pthread_mutex_unlock(&r->lock);
  return n;
}

bool runner_notice(struct runner *r, int *seen, char *text, size_t size)
{
  pthread_mutex_lock(&r->lock);
  bool is_new = r->notices > *seen;
  if (is_new) snprintf(text, size, "%s", r->notice);
  *seen = r->notices;
  pthread_mutex_unlock(&r->lock);
  return is_new;
}

void runner_device(struct runner *r, int device, struct run_device *d)
{
  pthread_mutex_lock(&r->lock);
  *d = (struct run_device){.images = r->images ? r->images[device] : 0};
  for (int i = 0; r->workers && i < r->slots; i++) {
    if (r->workers[i].device != device) continue;
    d->places++;
    d->busy += r->workers[i].n > 0;
    d->running += r->workers[i].n;
    d->room += r->capacity;
  }
  pthread_mutex_unlock(&r->lock);
}
