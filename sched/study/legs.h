/* The legs of a study whose trials pause (hyperband.h): their order, and what comes next.
 *
 * With `parallel` = P the decision for leg j – the first leg of a new trial, or one that paused
 * goes on – sees exactly what legs 0 ... max(j - P, barrier - 1) brought; the barrier is the first
 * leg of the group, and, when all trials of the group have begun and that tells of none that goes
 * on, the end of all legs there are.  So the sequence is a pure function of what the legs bring,
 * and is made anew from the curves in the database where a run goes on.
 *
 * Nothing here knows trials but by their number. */
#ifndef GSOS_LEGS_H
#define GSOS_LEGS_H

#include "sched/study/hyperband.h"

struct legs {
  struct brackets brackets;
  struct leg *legs; /* [n], room for `capacity` */
  int n, capacity;
  int known;    /* legs 0 ... known - 1 have ended */
  int group;    /* the first leg of the present group */
  int barrier;  /* all before it are seen */
  bool closing; /* no trial of the group begins any more, and the barrier is after the group's first */
};

/* Room for all legs of so many trials.  ERROR_MACHINE without memory. */
int legs_create(struct legs *l, const struct brackets *b, int trials, struct error *e);
void legs_destroy(struct legs *l); /* accepts a zero-initialised struct */

/* A group begins; all legs have ended. */
void legs_begin_group(struct legs *l);
/* A trial begins, in that bracket; in the last one it trains to its end. */
void legs_add(struct legs *l, int trial, int bracket);
/* The trial's leg has ended.  last: and the trial with it. */
void legs_end(struct legs *l, int trial, double value, bool last);

enum legs_next {
  LEGS_WAIT,  /* a leg has to end first */
  LEGS_BEGIN, /* a new trial, by legs_add */
  LEGS_GO_ON, /* *trial goes on: its leg has been added */
  LEGS_OVER   /* of the group, all of whose legs have ended */
};
/* What comes next.  all_begun: the group has no more new trials. */
enum legs_next legs_next(struct legs *l, int parallel, bool all_begun, int *trial);

/* How many legs the next decision sees; not before legs->known is as large. */
int legs_seen(const struct legs *l, int parallel);

/* The epoch at which the trial is to pause, if it has not ended by then; 0: none. */
int legs_pause(const struct legs *l, int trial);
/* Has it paused before? */
bool legs_paused(const struct legs *l, int trial);
/* How many trials had begun when the trial's last leg was decided. */
int legs_begun_before(const struct legs *l, int trial);

#endif
