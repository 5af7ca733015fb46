/* The choice of the next trial.  See queue.h. */
#include "sched/run/queue.h"

#include <math.h>
#include <stdlib.h>

/* Trials of a study that are proposed ahead of their turn, at most: a grid of a million is not. */
enum { AHEAD_MAX = 256 };

int queue_create(struct queue *q, int n_studies, bool one_by_one, const struct queue_limits *limits, struct error *e)
{
  *q = (struct queue){.n_studies = n_studies, .one_by_one = one_by_one, .limits = *limits, .waiting = -1};
  q->studies = calloc((size_t)n_studies, sizeof *q->studies);
  return q->studies ? 0 : error_set(e, ERROR_MACHINE, "no memory for %d studies", n_studies);
}

double queue_share(const struct queue_limits *l, const struct objective_cost *cost)
{
  return l->by_share && cost->share > 0 ? fmin(cost->share, 1) : 1.0 / l->capacity;
}

static void note_cost(const struct queue *q, struct queue_trial *t, const struct objective_cost *cost)
{
  t->work = cost->alone_s > 0 ? cost->alone_s : cost->flops > 0 ? cost->flops : cost->epochs;
  t->share = queue_share(&q->limits, cost);
  t->bytes = cost->feasible ? cost->bytes : 0; /* an infeasible one that the user enqueued is not trained */
}

int queue_add(struct queue *q, int i, struct study *study, struct error *e)
{
  struct queue_study *s = &q->studies[i];
  s->study = study;
  s->trials = calloc((size_t)study->x->trials, sizeof *s->trials);
  if (!s->trials) return error_set(e, ERROR_MACHINE, "no memory for a study of %d trials", study->x->trials);
  for (int k = 0; k < study->n; k++) {
    struct objective_cost cost;
    enum stored_state state = study->trials[k].state;
    bool may_go_on = state == STORED_PRUNED && study->legs; /* it has paused */
    s->trials[k].taken = state != STORED_RUNNING && !may_go_on;
    s->taken += s->trials[k].taken;
    if (s->trials[k].taken) continue;
    int code = study->objective->cost(study->objective, study->trials[k].values, &cost, e);
    if (code) return code;
    note_cost(q, &s->trials[k], &cost);
  }
  return 0;
}

void queue_destroy(struct queue *q)
{
  for (int i = 0; q->studies && i < q->n_studies; i++) free(q->studies[i].trials);
  free(q->studies);
  q->studies = NULL;
}

/* Of the trials that have a configuration and nobody who runs them the longest, of equal ones the
 * first; -1: there is none.  They were left by an earlier run, put back, wait for memory, or are
 * known ahead.  *n: how many they are. */
static int longest_untaken(const struct queue_study *s, int *n)
{
  int longest = -1;
  *n = 0;
  for (int i = s->study->known; i < s->study->n; i++) {
    if (s->trials[i].taken || s->study->trials[i].state != STORED_RUNNING) continue;
    ++*n;
    if (longest < 0 || s->trials[i].work > s->trials[longest].work) longest = i;
  }
  return longest;
}

/* What study i could do now. */
static bool possible(const struct queue *q, int i, struct job *job)
{
  const struct queue_study *s = &q->studies[i];
  int n;
  if (s->busy) return false;
  bool may_propose = study_next(s->study) == STUDY_PROPOSE; /* first: it lets go on what paused */
  *job = (struct job){.study = i, .number = longest_untaken(s, &n)};
  if (n >= AHEAD_MAX) return true;
  if (!may_propose || (n > 0 && !study_is_blind(s->study))) return n > 0;
  job->propose = true;
  job->number = s->study->n;
  return true;
}

static bool has_ended(const struct queue_study *s)
{
  int n;
  return !s->busy && s->running == 0 && longest_untaken(s, &n) < 0 && study_next(s->study) == STUDY_ENDED;
}

/* Sums of shares are compared with a little room for rounding. */
#define SHARE_ROOM 1e-9

bool queue_place_turn(const struct queue_limits *l, const struct queue_place *p, const struct queue_place *all,
                      int places)
{
  if (p->n >= l->capacity) return false;
  return l->by_share ? p->share * places <= all->share + SHARE_ROOM : p->n * places <= all->n;
}

bool queue_place_fits(const struct queue_limits *l, const struct queue_place *p, double share)
{
  return p->n == 0 || !l->by_share || p->share + share / 2 <= 1 + SHARE_ROOM;
}

void queue_place_add(struct queue_place *p, double share)
{
  p->n++;
  p->share += share;
}

void queue_place_remove(struct queue_place *p, double share)
{
  p->share = --p->n > 0 ? p->share - share : 0; /* what rounding leaves goes with the last one */
}

bool queue_turn(const struct queue *q, const struct queue_place *p, int places)
{
  return queue_place_turn(&q->limits, p, &q->all, places);
}

bool queue_find(struct queue *q, const struct queue_place *p, struct job *job)
{
  double least = INFINITY;
  if (q->all.n >= q->limits.at_once) return false;
  for (int i = 0; i < q->n_studies; i++) {
    const struct queue_study *s = &q->studies[i];
    struct job candidate;
    double share = (double)s->taken / s->study->x->trials;
    bool ended = q->one_by_one && has_ended(s);
    if ((q->waiting < 0 || q->waiting == i) && share < least && possible(q, i, &candidate)) {
      least = share;
      *job = candidate;
    }
    if (q->one_by_one && !ended) break;
  }
  if (least == INFINITY) return false;
  return job->propose || queue_place_fits(&q->limits, p, q->studies[job->study].trials[job->number].share);
}

bool queue_ended(struct queue *q)
{
  if (q->all.n > 0) return false;
  for (int i = 0; i < q->n_studies; i++)
    if (!has_ended(&q->studies[i])) return false;
  return true;
}

void queue_proposed(struct queue *q, const struct job *job, const struct objective_cost *cost)
{
  note_cost(q, &q->studies[job->study].trials[job->number], cost);
}

enum queue_room queue_take(struct queue *q, struct queue_place *p, const struct job *job)
{
  struct queue_study *s = &q->studies[job->study];
  struct queue_trial *t = &s->trials[job->number];
  if (q->all.n > 0 && q->bytes + t->bytes > q->limits.bytes) {
    q->waiting = job->study;
    return ROOM_LATER;
  }
  q->waiting = -1;
  q->bytes += t->bytes;
  queue_place_add(&q->all, t->share);
  queue_place_add(p, t->share);
  s->running++;
  s->taken++;
  t->taken = true;
  return ROOM;
}

void queue_release(struct queue *q, struct queue_place *p, int study, int number, bool again)
{
  struct queue_study *s = &q->studies[study];
  struct queue_trial *t = &s->trials[number];
  q->bytes -= t->bytes;
  queue_place_remove(p, t->share);
  queue_place_remove(&q->all, t->share);
  s->running--;
  if (!again) return;
  s->taken--;
  t->taken = false;
}
