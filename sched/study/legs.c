/* The order of legs.  See legs.h. */
#include "sched/study/legs.h"

#include <math.h>
#include <stdlib.h>

int legs_create(struct legs *l, const struct brackets *b, int trials, struct error *e)
{
  *l = (struct legs){.brackets = *b, .capacity = trials * b->n};
  l->legs = malloc(sizeof *l->legs * (size_t)l->capacity);
  return l->legs ? 0 : error_set(e, ERROR_MACHINE, "no memory for a study of %d trials", trials);
}

void legs_destroy(struct legs *l)
{
  free(l->legs);
  *l = (struct legs){0};
}

void legs_begin_group(struct legs *l)
{
  l->group = l->barrier = l->n;
  l->closing = false;
}

static void add(struct legs *l, int trial, int bracket, int rung)
{
  l->legs[l->n++] = (struct leg){.trial = trial, .bracket = bracket, .rung = rung, .value = NAN};
}

void legs_add(struct legs *l, int trial, int bracket)
{
  add(l, trial, bracket, bracket);
}

/* The trial's last leg that has begun; a trial that runs is among the last. */
static struct leg *last_of(const struct legs *l, int trial)
{
  for (int j = l->n - 1; j >= 0; j--)
    if (l->legs[j].trial == trial) return &l->legs[j];
  return NULL;
}

void legs_end(struct legs *l, int trial, double value, bool last)
{
  struct leg *leg = last_of(l, trial);
  leg->ended = true;
  leg->last = last;
  leg->value = value;
  while (l->known < l->n && l->legs[l->known].ended) l->known++;
}

int legs_seen(const struct legs *l, int parallel)
{
  int back = l->n - parallel + 1;
  return back > l->barrier ? back : l->barrier;
}

/* Leg `at` has a next one. */
static enum legs_next go_on(struct legs *l, int at, int *trial)
{
  struct leg *from = &l->legs[at];
  *trial = from->trial;
  from->promoted = true;
  add(l, from->trial, from->bracket, from->rung + 1);
  return LEGS_GO_ON;
}

enum legs_next legs_next(struct legs *l, int parallel, bool all_begun, int *trial)
{
  int seen = legs_seen(l, parallel);
  if (l->known < seen) return LEGS_WAIT;
  int at = l->closing ? -1 : brackets_promotes(&l->brackets, l->legs, l->group, seen);
  if (at >= 0) return go_on(l, at, trial);
  if (!all_begun) return LEGS_BEGIN;
  at = l->closing ? brackets_closes(&l->brackets, l->legs, l->group, l->barrier, l->n) : -1;
  if (at >= 0) return go_on(l, at, trial);
  if (l->known < l->n) return LEGS_WAIT;
  if (l->closing && l->barrier == l->n) return LEGS_OVER;
  l->closing = true;
  l->barrier = l->n;
  return legs_next(l, parallel, all_begun, trial);
}

int legs_pause(const struct legs *l, int trial)
{
  const struct leg *leg = last_of(l, trial);
  return leg && leg->rung < l->brackets.n - 1 ? l->brackets.epochs[leg->rung] : 0;
}

bool legs_paused(const struct legs *l, int trial)
{
  const struct leg *leg = last_of(l, trial);
  return leg && leg->rung > leg->bracket;
}

int legs_begun_before(const struct legs *l, int trial)
{
  const struct leg *leg = last_of(l, trial);
  int n = 0;
  for (const struct leg *j = l->legs; leg && j < leg; j++)
    if (j->trial >= n) n = j->trial + 1;
  return n;
}
