/* Trials over a clean stop: the state of each that runs goes into a file (host/store/state_file.h),
 * and the next run goes on with it, to the same bits.
 *
 * A state is kept between two steps (objective.h, advance), so nothing that was trained is lost.  A
 * file is removed when its trial has ended, and not before: one of a run that was then killed
 * serves again.  What is of no use (damaged, another version, another configuration) is renamed to
 * NAME.unusable and told, and the trial begins again, as one does whose state could not be
 * written. */
#include "sched/run/runner_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/base/folder.h"
#include "host/base/text_escape.h"
#include "host/store/state_file.h"

void runner_state_path(const struct runner *r, const struct run_study *s, int trial, char *path, size_t size)
{
  snprintf(path, size, "%s/%s-%d-trial-%d.state", r->states, s->study.strategy->name, s->study.round, trial);
}

static struct state_owner owner_of(const struct runner *r, const struct run_study *s)
{
  return (struct state_owner){.study = s->name, .search = r->search, .depends_on = r->depends_on};
}

void worker_warn(struct worker *w, const struct place_member *m, const char *format, ...)
{
  char text[NOTICE_MAX], what[NOTICE_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  text_format(text, sizeof text, "%s, trial %d: %s", m->study->title, m->trial.number, what);
  struct event event = worker_event(w, m, EVENT_WARNING);
  event.reason = text;
  events_emit(w->runner->events, event);
  pthread_mutex_lock(&w->runner->lock);
  runner_notify(w->runner, text);
  pthread_mutex_unlock(&w->runner->lock);
}

/* ---- keeping --------------------------------------------------------------------------------- */

int runner_write_state(struct runner *r, const struct run_study *s, const struct stored_trial *trial, void *block,
                       size_t bytes, struct error *e)
{
  struct kept_state kept = {.block = block, .bytes = bytes};
  char path[RUNNER_PATH_MAX];
  int code = 0;
  if (r->objective->has_epochs) code = store_epochs(r->store, s->store_id, trial->number, &kept.values, &kept.n, e);
  if (!code && folder_make(r->states) != 0) code = error_errno(e, "%s: cannot be made", r->states);
  if (!code) {
    struct state_owner owner = owner_of(r, s);
    runner_state_path(r, s, trial->number, path, sizeof path);
    code = state_file_write(path, &owner, r->x->space.n, trial, &kept, e);
  }
  free(kept.values);
  return code;
}

bool worker_keep(struct worker *w, struct place_member *m)
{
  struct runner *r = w->runner;
  struct error e = {0};
  void *block = NULL;
  size_t bytes = 0;
  if (!r->states[0]) return false;
  int code = objective_checkpoint(r->objective, w->place, (int)(m - w->members), &block, &bytes, &e);
  bool there_is_one = code || block; /* a program's cannot be kept */
  if (!code && there_is_one) code = runner_write_state(r, m->study, &m->trial, block, bytes, &e);
  free(block);
  if (code) worker_warn(w, m, "its state cannot be kept, and it will begin again: %s", e.message);
  if (code || !there_is_one) return false;
  pthread_mutex_lock(&r->lock);
  r->kept[r->n_kept++] = (struct store_trial){m->study->store_id, m->trial.number};
  pthread_mutex_unlock(&r->lock);
  return true;
}

void worker_forget_state(const struct worker *w, const struct place_member *m)
{
  char path[RUNNER_PATH_MAX];
  if (!m->has_state) return;
  runner_state_path(w->runner, m->study, m->trial.number, path, sizeof path);
  unlink(path);
}

/* ---- going on -------------------------------------------------------------------------------- */

static void set_aside(struct worker *w, const struct place_member *m, const char *path, const struct error *why)
{
  char unusable[RUNNER_PATH_MAX + 16];
  snprintf(unusable, sizeof unusable, "%s.unusable", path);
  rename(path, unusable);
  worker_warn(w, m, "begins again: %s (set aside as *.unusable)", why->message);
}

/* Takes what came of the trial before into the member, the database and the study. */
static enum outcome go_on(struct worker *w, struct place_member *m, const struct stored_trial *before,
                          const struct kept_state *kept, struct error *e)
{
  struct runner *r = w->runner;
  int number = m->trial.number, code = 0;
  pthread_mutex_lock(&r->lock); /* the main thread looks at both */
  m->trial = *before;
  m->wall_before_s = before->wall_s;
  pthread_mutex_unlock(&r->lock);
  for (int i = 0; i < kept->n && !code; i++)
    if (!isnan(kept->values[i]))
      code = store_trial_epoch(r->store, m->study->store_id, number, i + 1, kept->values[i], e);
  if (code) return OUTCOME_ERROR;
  pthread_mutex_lock(&r->lock);
  for (int i = 0; i < kept->n && !code; i++) code = study_epoch(&m->study->study, number, i + 1, kept->values[i], e);
  m->shown_epoch = before->epochs;
  if (kept->n > 0) m->shown_value = kept->values[kept->n - 1];
  pthread_mutex_unlock(&r->lock);
  return code ? OUTCOME_MACHINE : OUTCOME_GOES_ON;
}

/* What becomes of a trial that a place would not take. */
static enum outcome outcome_of(int code)
{
  return !code                   ? OUTCOME_GOES_ON
         : code == ERROR_MACHINE ? OUTCOME_MACHINE
         : code == ERROR_LOST    ? OUTCOME_LOST
                                 : OUTCOME_ERROR;
}

/* Puts the trial into the place as it was kept; *restored false: there is nothing that serves. */
static enum outcome restore(struct worker *w, struct place_member *m, const struct trial_spec *spec, bool *restored,
                            struct error *e)
{
  struct runner *r = w->runner;
  struct stored_trial before = m->trial;
  struct kept_state kept = {0};
  struct error why = {0};
  char path[RUNNER_PATH_MAX];
  enum outcome outcome = OUTCOME_GOES_ON;
  *restored = false;
  if (!r->states[0]) return outcome;
  struct state_owner owner = owner_of(r, m->study);
  runner_state_path(r, m->study, m->trial.number, path, sizeof path);
  int code = state_file_read(path, &owner, r->x->space.n, &before, &kept, &m->has_state, &why);
  if (!m->has_state) return outcome;
  bool usable = !code;
  if (usable) {
    code = objective_restore(r->objective, w->place, spec, kept.block, kept.bytes, &why);
    usable = !code || code == ERROR_MACHINE || code == ERROR_LOST;
  }
  if (!usable) {
    set_aside(w, m, path, &why);
  } else if (code) {
    *e = why;
    outcome = outcome_of(code);
  } else {
    *restored = true;
    outcome = go_on(w, m, &before, &kept, e);
  }
  kept_state_free(&kept);
  return outcome;
}

/* The same from what is in memory of a trial that had paused. */
static enum outcome restore_paused(struct worker *w, struct place_member *m, const struct trial_spec *spec,
                                   bool *restored, struct error *e)
{
  struct runner *r = w->runner;
  struct paused_trial p;
  struct error why = {0};
  *restored = false;
  if (!paused_take(r, m, &p)) return OUTCOME_GOES_ON;
  int code = objective_restore(r->objective, w->place, spec, p.block, p.bytes, &why);
  bool elsewhere = code == ERROR_MACHINE || code == ERROR_LOST;
  if (code && !elsewhere) worker_warn(w, m, "begins again: %s", why.message);
  if (!elsewhere || !paused_put(r, m->study, &p.trial, p.block, p.bytes)) free(p.block);
  if (elsewhere) {
    *e = why;
    return outcome_of(code);
  }
  if (code) return OUTCOME_GOES_ON;
  pthread_mutex_lock(&r->lock); /* the main thread looks at both */
  m->trial = p.trial;
  m->trial.state = STORED_RUNNING;
  m->wall_before_s = p.trial.wall_s;
  m->shown_epoch = p.trial.epochs;
  m->shown_value = p.trial.value;
  pthread_mutex_unlock(&r->lock);
  *restored = true;
  return OUTCOME_GOES_ON;
}

enum outcome worker_place(struct worker *w, struct place_member *m, struct error *e)
{
  struct trial_spec spec = {.id = (int)(m - w->members),
                            .key = m->trial.key,
                            .values = m->trial.values,
                            .strategy = m->study->study.strategy->name,
                            .round = m->study->study.round,
                            .number = m->trial.number};
  bool restored;
  enum outcome outcome = restore_paused(w, m, &spec, &restored, e);
  if (outcome == OUTCOME_GOES_ON && !restored) outcome = restore(w, m, &spec, &restored, e);
  if (outcome != OUTCOME_GOES_ON || restored) return outcome;
  return outcome_of(w->runner->objective->add(w->place, &spec, e));
}
