/* What a running run can be asked: for the progress display. */
#include "sched/run/runner_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/monotonic.h"
#include "host/base/text_escape.h"
#include "host/base/text_escape.h"

void runner_status(struct runner *r, int i, struct run_status *status)
{
  pthread_mutex_lock(&r->lock);
  const struct run_study *s = &r->studies[i];
  const struct study *t = &s->study;
  *status = (struct run_status){.trials = r->x->trials,
                                .done = t->done,
                                .running = r->queue.studies ? r->queue.studies[i].running : 0,
                                .failed = t->failed,
                                .best = t->best,
                                .best_value = t->best >= 0 ? t->trials[t->best].value : NAN,
                                .ended = t->ended && t->done == t->n,
                                .target_reached = t->target_reached,
                                .waits_for_memory = r->queue.waiting == i,
                                .elapsed_s = monotonic_seconds() - r->began,
                                .done_before = s->done_before,
                                .group_trials = t->in_group ? t->group.count : 0};
  if (t->in_group) {
    memcpy(status->group, t->group.name, sizeof status->group);
    for (int k = t->group.first; k < t->n; k++) status->group_done += t->trials[k].state != STORED_RUNNING;
  }
  pthread_mutex_unlock(&r->lock);
}

int runner_trials(struct runner *r, int device, struct run_trial *trials, int max)
{
  int n = 0;
  pthread_mutex_lock(&r->lock);
  for (int i = 0; r->workers && i < r->places; i++) {
    const struct worker *w = &r->workers[i];
    for (int k = 0; k < r->capacity && w->device == device; k++) {
      const struct place_member *m = &w->members[k];
      if (!m->used) continue;
      if (n < max)
        trials[n] = (struct run_trial){.study = m->study->title,
                                       .number = m->trial.number,
                                       .epoch = m->shown_epoch,
                                       .epochs = m->cost.epochs,
                                       .value = m->shown_value,
                                       .runs_s = monotonic_seconds() - m->since};
      n++;
    }
  }
  pthread_mutex_unlock(&r->lock);
  return n;
}

bool runner_notice(struct runner *r, int *seen, char *text, size_t size)
{
  pthread_mutex_lock(&r->lock);
  bool is_new = notices_next(&r->notices, seen, text, size);
  pthread_mutex_unlock(&r->lock);
  return is_new;
}

bool runner_failure(struct runner *r, int *seen, char *text, size_t size)
{
  pthread_mutex_lock(&r->lock);
  bool is_new = r->failures > *seen;
  if (r->failures > 0) text_format(text, size, "%s", r->failed);
  *seen = r->failures;
  pthread_mutex_unlock(&r->lock);
  return is_new;
}

void runner_device(struct runner *r, int device, struct run_device *d)
{
  pthread_mutex_lock(&r->lock);
  *d = (struct run_device){.images = r->images ? r->images[device] : 0};
  for (int i = 0; r->workers && i < r->places; i++) {
    if (r->workers[i].device != device) continue;
    d->places++;
    d->busy += r->workers[i].n > 0;
    d->running += r->workers[i].n;
  }
  /* trials are spread evenly (its_turn in worker.c) */
  d->room = r->places > 0 ? d->places * ((r->at_once + r->places - 1) / r->places) : 0;
  if (d->room > r->at_once) d->room = r->at_once;
  pthread_mutex_unlock(&r->lock);
}
