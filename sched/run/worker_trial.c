/* What becomes of a trial in its place: its events, its end, its commit, and what is reported of
 * it. */
#include "sched/run/runner_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/folder.h"
#include "host/base/monotonic.h"
#include "host/base/profiler_ranges.h"
#include "host/base/text_escape.h"

/* ---- telling of it --------------------------------------------------------------------------- */

struct event worker_event(const struct worker *w, const struct place_member *m, enum event_kind kind)
{
  const struct runner *r = w->runner;
  const struct study *s = &m->study->study;
  return (struct event){.kind = kind,
                        .study = m->study->name,
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
                        .space = &r->x->space,
                        .values = kind == EVENT_TRIAL_BEGIN ? m->trial.values : NULL,
                        .reason = m->trial.reason[0] ? m->trial.reason : NULL};
}

static void tell_epoch(const struct worker *w, struct place_member *m, const struct trial_event *e)
{
  struct event event = worker_event(w, m, EVENT_EPOCH);
  double now = monotonic_seconds();
  event.seconds = e->seconds;
  event.images = e->images;
  event.from_s = m->epoch_since - w->runner->began;
  event.to_s = now - w->runner->began;
  m->epoch_since = now;
  events_emit(w->runner->events, event);
}

/* ---- events, and the end --------------------------------------------------------------------- */

/* Commits an epoch's value and tells of it.  *prune, *pause out: the trial is to end with it, to
 * pause after it. */
static enum outcome take_epoch(struct worker *w, struct place_member *m, const struct trial_event *event, bool *prune,
                               bool *pause, struct error *e)
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
  bool more = !code && event->kind == TRIAL_EPOCH;
  *prune = more && study_prunes(&m->study->study, number);
  *pause = more && study_pauses(&m->study->study, number, event->epoch);
  pthread_mutex_unlock(&r->lock);
  return code ? OUTCOME_MACHINE : OUTCOME_GOES_ON;
}

/* Takes what an event tells into the trial. */
enum outcome worker_take_event(struct worker *w, struct place_member *m, const struct trial_event *event,
                               struct error *e)
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
  bool prune = false, pause = false;
  if (r->objective->has_epochs && new_epoch) {
    enum outcome outcome = take_epoch(w, m, event, &prune, &pause, e);
    if (outcome != OUTCOME_GOES_ON) return outcome;
  }
  if (event->kind == TRIAL_EPOCH && !prune && !pause) return OUTCOME_GOES_ON;
  t->state = prune || pause ? STORED_PRUNED : STORED_COMPLETE;
  return pause ? OUTCOME_PAUSED : OUTCOME_ENDED;
}

enum outcome worker_time_out(struct worker *w, struct place_member *m)
{
  const struct runner *r = w->runner;
  char why[200] = "";
  objective_overtime(r->objective, w->place, (int)(m - w->members), why, sizeof why);
  m->trial.state = STORED_FAIL;
  text_format(m->trial.reason, sizeof m->trial.reason, "timeout: took longer than %g s%s%s", r->x->timeout_s,
              why[0] ? "; " : "", why);
  return OUTCOME_ENDED;
}

static int save_network(struct worker *w, const struct place_member *m, struct error *e)
{
  struct run_study *s = m->study;
  char path[1200];
  if (folder_make(s->networks) != 0) return error_errno(e, "%s: cannot be made", s->networks);
  runner_network_path(s, m->trial.number, path, sizeof path);
  return w->runner->objective->save(w->place, (int)(m - w->members), path, NULL, e);
}

/* Commits the end of a trial: its network first where it is the best, then the database, then the
 * study hears of it. */
static int commit(struct worker *w, const struct place_member *m, struct error *e)
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
  if (!code) code = (m->again ? store_trial_end_again : store_trial_end)(r->store, s->store_id, t, e);
  if (!code) {
    pthread_mutex_lock(&r->lock);
    study_end(&s->study, t);
    s->ended_s = monotonic_seconds() - r->began;
    pthread_mutex_unlock(&r->lock);
    if (best && before >= 0 && r->objective->has_network) {
      runner_network_path(s, before, old, sizeof old);
      unlink(old);
    }
  }
  pthread_mutex_unlock(&s->commit);
  return code;
}

/* Gives back what queue_take took.  Under the lock. */
void worker_release(struct worker *w, const struct run_study *s, int number, bool again)
{
  struct runner *r = w->runner;
  queue_release(&r->queue, &w->filled, (int)(s - r->studies), number, again);
  pthread_cond_broadcast(&r->changed);
}

/* The machine could not go on with a trial: it runs again later, with fewer beside it.  Under the
 * lock. */
static void put_back(struct runner *r, const struct run_study *s, int number, const struct error *why)
{
  if (r->queue.all.n > 1) {
    r->queue.limits.at_once = r->queue.all.n - 1;
  } else if (!r->failure.code) {
    r->failure = *why;
    error_prefix(&r->failure, "%s, trial %d could not run although nothing ran beside it", s->title, number);
    runner_stop(r);
  }
}

/* Tells the user of a device that is lost; once, however many places it had. */
static void report_lost_device(const struct worker *w)
{
  struct runner *r = w->runner;
  char name[64];
  objective_device_name(r->objective, w->device, name, sizeof name);
  pthread_mutex_lock(&r->lock);
  if (!r->gone[w->device]) {
    char text[NOTICE_MAX];
    text_format(text, sizeof text, "%s is not used any more: %s", name, w->why.message);
    runner_notify(r, text);
  }
  r->gone[w->device] = true;
  pthread_mutex_unlock(&r->lock);
}

void worker_device_lost(struct worker *w, const struct error *why)
{
  if (w->lost) return;
  w->lost = true;
  w->why = *why;
  events_emit(w->runner->events, (struct event){.kind = EVENT_DEVICE_LOST,
                                                .device = w->device,
                                                .place = (int)(w - w->runner->workers),
                                                .reason = w->why.message});
  report_lost_device(w);
}

/* A trial of the study has failed: the run stops where nothing else ever happens, unless it is at
 * its end.  Under the lock. */
static void take_failure(struct runner *r, const struct run_study *s, const struct stored_trial *t)
{
  text_format(r->failed, sizeof r->failed, "%s, trial %d: %s", s->title, t->number, t->reason);
  r->failures++;
  if (!r->x->stop_if_all_fail || r->stopping || !study_only_fails(&s->study, s->first) || queue_ended(&r->queue))
    return;
  r->only_fails = true;
  runner_stop(r);
}

/* Commits that a trial pauses, and keeps its state: in memory while there is room, else on disk.
 * Where it cannot be kept it begins again if it goes on, with the same bits. */
static enum outcome pause_member(struct worker *w, struct place_member *m, struct error *e)
{
  struct error why = {0};
  void *block = NULL;
  size_t bytes = 0;
  int code = objective_checkpoint(w->runner->objective, w->place, (int)(m - w->members), &block, &bytes, &why);
  if (code == ERROR_LOST) {
    *e = why;
    return OUTCOME_LOST;
  }
  if (commit(w, m, e)) {
    free(block);
    return e->code == ERROR_LOST ? OUTCOME_LOST : OUTCOME_ERROR;
  }
  if (!code && block && paused_put(w->runner, m->study, &m->trial, block, bytes)) return OUTCOME_PAUSED;
  if (!code && block) code = runner_write_state(w->runner, m->study, &m->trial, block, bytes, &why);
  if (code) worker_warn(w, m, "its state cannot be kept; if it goes on, it will begin again: %s", why.message);
  free(block);
  return OUTCOME_PAUSED;
}

/* A member leaves its place, as `outcome` says. */
void worker_end_member(struct worker *w, struct place_member *m, enum outcome outcome, struct error *e)
{
  struct runner *r = w->runner;
  m->trial.wall_s = m->wall_before_s + monotonic_seconds() - m->since;
  if (outcome == OUTCOME_ENDED && commit(w, m, e)) outcome = e->code == ERROR_LOST ? OUTCOME_LOST : OUTCOME_ERROR;
  if (outcome == OUTCOME_PAUSED) outcome = pause_member(w, m, e);
  if (outcome == OUTCOME_PAUSED) error_set(e, 0, "paused; it may go on after epoch %d", m->trial.epochs);
  if (outcome == OUTCOME_ENDED) worker_forget_state(w, m);
  if (outcome == OUTCOME_STOPPED && worker_keep(w, m))
    error_set(e, ERROR_INTERRUPTED, "stopped; it goes on after epoch %d", m->trial.epochs);
  if (outcome == OUTCOME_LOST) worker_device_lost(w, e);
  r->objective->remove(w->place, (int)(m - w->members));
  range_end(&m->range);
  struct event event = worker_event(w, m, outcome == OUTCOME_ENDED ? EVENT_TRIAL_END : EVENT_TRIAL_LEFT);
  if (outcome != OUTCOME_ENDED) event.reason = e->code || outcome == OUTCOME_PAUSED ? e->message : NULL;
  events_emit(r->events, event);
  if (outcome == OUTCOME_ERROR) runner_fail(r, e);
  pthread_mutex_lock(&r->lock);
  m->used = false;
  w->n--;
  if (outcome == OUTCOME_MACHINE) put_back(r, m->study, m->trial.number, e);
  bool again = outcome == OUTCOME_MACHINE || outcome == OUTCOME_LOST || outcome == OUTCOME_PAUSED;
  if (outcome != OUTCOME_ENDED && outcome != OUTCOME_PAUSED) m->study->interrupted = true;
  worker_release(w, m->study, m->trial.number, again);
  if (outcome == OUTCOME_ENDED && m->trial.state == STORED_FAIL) take_failure(r, m->study, &m->trial);
  pthread_mutex_unlock(&r->lock);
}
