/* The queue: which trial of which study starts next, and whether there is room for it.
 *
 * What each study may do is decided in study.c, so that no choice made here changes a history; it
 * changes how well a machine is filled.  Of the studies the one that is furthest behind comes
 * first, so that all end at about the same time; with one_by_one only the first one that has not
 * ended.  Trials of a study that are known ahead (study_is_blind) are proposed at once, and of
 * those that wait to be run the longest starts first: what is long and starts last is what a
 * machine waits for in the end (Graham 1969).
 *
 * Where trials differ in what they take of a place (objective_cost.share), a place is full when
 * their shares add up to 1: few heavy trials, or many light ones.  A trial that does not fit waits,
 * and the place with it, until so much has ended there: what is lighter and comes later does not
 * pass it by.  Trials of like shares are not brought together: longest first nearly does so, and
 * more of it was no faster when it was played with measured steps (tests/bench/bench_cohorts.c).
 *
 * Nothing here knows threads or time; bench_sched drives it without training.  The caller holds one
 * lock around each call. */
#ifndef GSOS_QUEUE_H
#define GSOS_QUEUE_H

#include "sched/study/study.h"

/* A trial that has its configuration. */
struct queue_trial {
  bool taken;    /* it runs, or has ended */
  double work;   /* how long it takes, in a unit of its own: seconds alone, FLOPs, or epochs, whichever is known */
  double share;  /* of a place */
  int64_t bytes; /* of host memory while it runs */
};

/* What the trials of a place take of it; all zero: there are none. */
struct queue_place {
  int n;
  double share;
};

/* What a machine has. */
struct queue_limits {
  int at_once;   /* trials that may run */
  int capacity;  /* trials in a place, at most */
  bool by_share; /* a place is full by the shares of its trials, too; else each counts as 1 / capacity */
  int64_t bytes; /* of host memory */
};

/* How trials are placed, whatever they belong to.  `all`: what the trials of all places take.
 *
 * What a trial of that cost takes of a place. */
double queue_share(const struct queue_limits *l, const struct objective_cost *cost);
/* May this place take one more?  Not before the others of `places` have as much. */
bool queue_place_turn(const struct queue_limits *l, const struct queue_place *p, const struct queue_place *all,
                      int places);
/* Is the place nearer to full with a trial of that share than without?  One that is empty takes
 * any. */
bool queue_place_fits(const struct queue_limits *l, const struct queue_place *p, double share);
void queue_place_add(struct queue_place *p, double share);
void queue_place_remove(struct queue_place *p, double share);

struct queue_study {
  struct study *study;
  bool busy; /* the caller is proposing or starting a trial, without the lock */
  int running, taken;
  struct queue_trial *trials; /* [x->trials] */
};

struct queue {
  struct queue_study *studies;
  int n_studies;
  bool one_by_one;
  struct queue_limits limits;
  struct queue_place all; /* what the trials that run take of their places, together */
  int64_t bytes;          /* of host memory that they take */
  int waiting;            /* study whose next trial waits for memory, before which no other starts; -1: none */
};

/* What is to be done next: propose trial `number` of a study (study_look and study_propose, then
 * queue_proposed), or start it. */
struct job {
  int study;
  bool propose;
  int number;
};

/* ERROR_MACHINE without memory. */
int queue_create(struct queue *q, int n_studies, bool one_by_one, const struct queue_limits *limits, struct error *e);
/* Study i of the queue is `study`, from now on and while the queue lives.  What an earlier run left
 * is known to it by now. */
int queue_add(struct queue *q, int i, struct study *study, struct error *e);
void queue_destroy(struct queue *q); /* accepts a zero-initialised struct */

/* May this place take one more?  Not before the others of `places` have as much. */
bool queue_turn(const struct queue *q, const struct queue_place *p, int places);
/* What this place could do.  False: nothing before a trial ends. */
bool queue_find(struct queue *q, const struct queue_place *p, struct job *job);
/* Has every study ended, and every trial? */
bool queue_ended(struct queue *q);

/* Trial `number` has been taken into its study. */
void queue_proposed(struct queue *q, const struct job *job, const struct objective_cost *cost);

enum queue_room {
  ROOM,      /* the trial is taken */
  ROOM_LATER /* it waits until another one has ended */
};
enum queue_room queue_take(struct queue *q, struct queue_place *p, const struct job *job);

/* A trial of that place no longer runs.  again: it has not ended and is to be run anew, or it has
 * paused and may go on. */
void queue_release(struct queue *q, struct queue_place *p, int study, int number, bool again);

#endif
