/* Workers: threads that take trials, propose what is new, and train what is in their place. */
#include "sched/run/runner_internal.h"

#include <math.h>
#include <stdio.h>

#include "sched/run/resources.h"
#include "host/base/monotonic.h"
#include "host/base/profiler_ranges.h"
#include "host/base/text_escape.h"

/* ---- the next trial -------------------------------------------------------------------------- */

static struct queue_study *queued(struct runner *r, const struct run_study *s)
{
  return &r->queue.studies[s - r->studies];
}

/* Proposes a trial and takes it into its study, which is ours (busy) meanwhile.  Under the lock,
 * which is given back meanwhile. */
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
  if (code) runner_fail(r, &e);
  pthread_mutex_lock(&r->lock);
  r->queue.studies[job->study].busy = false;
  pthread_cond_broadcast(&r->changed);
  if (code) return;
  study_add(s, &trial);
  queue_proposed(&r->queue, job, &cost);
  paused_forget(r, &r->studies[job->study]);
}

/* A trial that runs alone and still needs more than there is ends the run.  Under the lock. */
static bool fits_alone(struct runner *r, const struct job *job)
{
  int64_t bytes = r->queue.studies[job->study].trials[job->number].bytes, available;
  if (r->queue.all.n > 0 || bytes <= r->queue.limits.bytes) return true;
  available = machine_memory_available(); /* whatever the machine has now */
  if (bytes <= available) return true;
  if (!r->failure.code)
    error_set(&r->failure, ERROR_MACHINE,
              "%s, trial %d needs %.2f GiB of memory and this machine has %.2f GiB free; the same command goes on "
              "when there is more, or on a larger machine (a smaller [scheduler] trial_memory, in another output, "
              "leaves such configurations out)",
              r->studies[job->study].title, job->number, (double)bytes / 0x1p30, (double)available / 0x1p30);
  runner_stop(r);
  return false;
}

/* Trials 0 ... n - 1 in the database, as waiting ones where they have not been started yet. */
static int store_waiting(struct runner *r, struct run_study *s, int n, struct error *e)
{
  int code = 0;
  for (; s->stored < n && !code; s->stored += !code) {
    struct stored_trial waiting = s->study.trials[s->stored];
    waiting.state = STORED_WAITING;
    code = store_trial_start(r->store, s->store_id, &r->x->space, &waiting, e);
  }
  return code;
}

/* Starts a trial in the database, after those before it: numbers have no gaps there. */
static int store_start(struct runner *r, struct run_study *s, int number, struct error *e)
{
  int code = store_waiting(r, s, number, e);
  if (!code) code = store_trial_start(r->store, s->store_id, &r->x->space, &s->study.trials[number], e);
  if (!code && s->stored == number) s->stored++;
  return code;
}

/* ---- threads --------------------------------------------------------------------------------- */

/* As if nothing had been trained of it; where it goes on, what is kept of it says what was. */
static void begin_figures(struct stored_trial *t)
{
  t->value = NAN;
  t->loss = t->seconds = t->wall_s = t->flops = 0;
  t->epochs = 0;
  t->images = 0;
}

/* Starts a trial that has been taken (queue_take): in the database, then in the place.  Under the
 * lock, which is given back meanwhile. */
static void start(struct worker *w, const struct job *job)
{
  struct runner *r = w->runner;
  struct run_study *s = &r->studies[job->study];
  struct error e = {0};
  struct place_member *m = w->members;
  while (m->used) m++;
  *m = (struct place_member){.study = s, .since = monotonic_seconds(), .shown_value = NAN};
  m->epoch_since = m->since;
  if (s->began_s == 0) s->began_s = m->since - r->began;
  queued(r, s)->busy = true;
  m->trial = s->study.trials[job->number]; /* only its end could change it, and it has not begun */
  m->again = study_has_paused(&s->study, job->number);
  int proposed = m->again ? study_proposed_before(&s->study, job->number) : 0;
  begin_figures(&m->trial);
  pthread_mutex_unlock(&r->lock);
  int code = r->objective->cost(r->objective, m->trial.values, &m->cost, &e);
  if (!code) code = m->again ? store_waiting(r, s, proposed, &e) : store_start(r, s, job->number, &e);
  if (code) runner_fail(r, &e);
  pthread_mutex_lock(&r->lock);
  queued(r, s)->busy = false;
  pthread_cond_broadcast(&r->changed);
  if (code) {
    worker_release(w, s, job->number, true);
    return;
  }
  m->range = range_begin("%s, trial %d, place %d", s->title, job->number, (int)(m - w->members));
  m->used = true;
  if (++w->n == 1) __atomic_store_n(&w->stop, r->stopping, __ATOMIC_RELAXED); /* a timeout may have set it before */
  pthread_mutex_unlock(&r->lock);
  enum outcome outcome = m->cost.feasible ? worker_place(w, m, &e) : OUTCOME_ENDED;
  events_emit(r->events, worker_event(w, m, EVENT_TRIAL_BEGIN));
  if (!m->cost.feasible) { /* an enqueued one: no sampler proposes it */
    m->trial.state = STORED_FAIL;
    text_format(m->trial.reason, sizeof m->trial.reason, "infeasible: %s", m->cost.reason);
  }
  if (outcome != OUTCOME_GOES_ON) worker_end_member(w, m, outcome, &e);
  pthread_mutex_lock(&r->lock);
}

/* Is there memory on the place's device?  Otherwise nothing else starts before this trial, here or
 * on another device.  Under the lock. */
static bool admit(struct worker *w, const struct job *job)
{
  struct runner *r = w->runner;
  const double *values = r->studies[job->study].study.trials[job->number].values;
  if (objective_admit(r->objective, w->place, values)) return true;
  r->queue.waiting = job->study;
  return false;
}

/* Takes a trial into the place, or proposes one.  Under the lock, which is given back meanwhile.
 * False where there is nothing to do, or no memory for it yet. */
static bool take(struct worker *w)
{
  struct runner *r = w->runner;
  struct job job;
  if (r->stopping || !queue_find(&r->queue, &w->filled, &job)) return false;
  if (job.propose) {
    propose(r, &job);
    return true;
  }
  if (!fits_alone(r, &job) || !admit(w, &job)) return false;
  if (queue_take(&r->queue, &w->filled, &job) == ROOM_LATER) {
    objective_admit(r->objective, w->place, NULL);
    return false;
  }
  start(w, &job);
  return true;
}

/* Is a member's time up? */
static bool is_late(struct runner *r, const struct place_member *m)
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
    struct place_member *m = &w->members[i];
    struct error e = *why;
    bool late = m->used && outcome == OUTCOME_STOPPED && is_late(w->runner, m);
    if (m->used) worker_end_member(w, m, late ? worker_time_out(w, m) : outcome, &e);
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
    struct place_member *m = &w->members[events[i].id];
    enum outcome outcome = worker_take_event(w, m, &events[i], &e);
    if (outcome == OUTCOME_GOES_ON && r->capacity > 1 && is_late(r, m)) outcome = worker_time_out(w, m);
    if (outcome != OUTCOME_GOES_ON) worker_end_member(w, m, outcome, &e);
  }
}

/* A worker leaves.  The last one whose place is lost while there are trials left ends the run.
 * Under the lock. */
static void worker_ended(struct worker *w)
{
  struct runner *r = w->runner;
  if (--r->alive == 0 && w->lost && !r->failure.code && !r->stopping && !queue_ended(&r->queue)) {
    r->failure = w->why;
    error_prefix(&r->failure, "no device is left that could go on; the same command goes on when there is one");
    runner_stop(r);
  }
  pthread_cond_broadcast(&r->changed);
}

void *worker_thread(void *context)
{
  struct worker *w = context;
  struct runner *r = w->runner;
  struct error e = {0};
  int code = r->objective->open(r->objective, &w->place, w->device, r->capacity, &e);
  if (code == ERROR_MACHINE || code == ERROR_LOST)
    worker_device_lost(w, &e); /* others may be better off */
  else if (code)
    runner_fail(r, &e);
  pthread_mutex_lock(&r->lock);
  while (!code && !w->lost && (!r->stopping || w->n > 0)) {
    while (!w->lost && queue_turn(&r->queue, &w->filled, r->alive) && take(w)) {
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
  worker_ended(w);
  pthread_mutex_unlock(&r->lock);
  if (!code) r->objective->close(w->place);
  return NULL;
}
