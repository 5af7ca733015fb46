/* Trials that have paused: their states wait in memory for the study to let them go on, and in
 * files where there are too many (PAUSED_BYTES_MAX), or when the run stops.
 *
 * Which of them go on is known to nobody before their group is over; then all of its states are
 * given up.  What a killed run loses of them is trained anew, to the same bits. */
#include "sched/run/runner_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host/base/text_escape.h"

static int index_of(const struct runner *r, const struct run_study *s, int number)
{
  for (int i = 0; i < r->n_paused; i++)
    if (r->paused[i].study == s && r->paused[i].trial.number == number) return i;
  return -1;
}

static void remove_at(struct runner *r, int i)
{
  r->paused_bytes -= r->paused[i].bytes;
  free(r->paused[i].block);
  r->paused[i] = r->paused[--r->n_paused];
}

static bool has_room(struct runner *r, size_t bytes)
{
  if (r->paused_bytes + bytes > PAUSED_BYTES_MAX) return false;
  if (r->n_paused < r->paused_capacity) return true;
  int capacity = r->paused_capacity ? 2 * r->paused_capacity : 64;
  struct paused_trial *paused = realloc(r->paused, sizeof *paused * (size_t)capacity);
  if (!paused) return false;
  r->paused = paused;
  r->paused_capacity = capacity;
  return true;
}

bool paused_put(struct runner *r, const struct run_study *s, const struct stored_trial *trial, void *block,
                size_t bytes)
{
  pthread_mutex_lock(&r->lock);
  int before = index_of(r, s, trial->number);
  if (before >= 0) remove_at(r, before);
  bool room = has_room(r, bytes);
  if (room) {
    r->paused[r->n_paused++] = (struct paused_trial){s, *trial, block, bytes};
    r->paused_bytes += bytes;
  }
  pthread_mutex_unlock(&r->lock);
  return room;
}

bool paused_take(struct runner *r, const struct place_member *m, struct paused_trial *p)
{
  pthread_mutex_lock(&r->lock);
  int at = index_of(r, m->study, m->trial.number);
  if (at >= 0) {
    *p = r->paused[at];
    r->paused_bytes -= p->bytes;
    r->paused[at] = r->paused[--r->n_paused];
  }
  pthread_mutex_unlock(&r->lock);
  return at >= 0;
}

/* ---- giving up ------------------------------------------------------------------------------- */

void paused_forget(struct runner *r, struct run_study *s)
{
  char path[RUNNER_PATH_MAX];
  int first = s->study.legs ? study_first_paused(&s->study) : s->forgotten;
  for (int i = r->n_paused - 1; i >= 0; i--)
    if (r->paused[i].study == s && r->paused[i].trial.number < first) remove_at(r, i);
  for (; s->forgotten < first; s->forgotten++) {
    runner_state_path(r, s, s->forgotten, path, sizeof path);
    if (r->states[0]) unlink(path);
  }
}

void paused_write(struct runner *r)
{
  char text[NOTICE_MAX];
  struct error e = {0};
  for (int i = 0; i < r->n_paused && r->states[0]; i++) {
    const struct paused_trial *p = &r->paused[i];
    if (p->study->over) continue;
    if (!runner_write_state(r, p->study, &p->trial, p->block, p->bytes, &e)) continue;
    text_format(text, sizeof text,
                "%s: the states of trials that have paused cannot be kept, and those that go on "
                "will begin again: %s",
                p->study->title, e.message);
    runner_notify(r, text);
    return;
  }
}

void paused_destroy(struct runner *r)
{
  while (r->n_paused > 0) remove_at(r, r->n_paused - 1);
  free(r->paused);
  r->paused = NULL;
}
