/* The runner from within: what its threads share.  For runner.c, worker.c, worker_trial.c and runner_status.c alone. */
#ifndef GSOS_RUNNER_INTERNAL_H
#define GSOS_RUNNER_INTERNAL_H

#include "runner.h"

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

/* What becomes of a trial. */
enum outcome { OUTCOME_GOES_ON, OUTCOME_ENDED, OUTCOME_STOPPED, OUTCOME_MACHINE, OUTCOME_LOST, OUTCOME_ERROR };

/* runner.c: no new trials, and those that run stop after their step (under the lock); the same for what failed first. */
void runner_stop(struct runner *r);
void runner_fail(struct runner *r, const struct error *e);

/* worker.c: the thread of a worker (context). */
void *worker_thread(void *context);

/* worker_trial.c, without the lock.  Takes what an event tells into a member's trial. */
enum outcome worker_take_event(struct worker *w, struct member *m, const struct trial_event *event, struct error *e);
/* Its time was up. */
enum outcome worker_time_out(struct runner *r, struct member *m);
/* A member leaves its place, as `outcome` says; `e`: why, where it has not ended. */
void worker_end_member(struct worker *w, struct member *m, enum outcome outcome, struct error *e);
/* The worker's place can train no more. */
void worker_lose(struct worker *w, const struct error *why);
/* Gives back what queue_take took.  Under the lock. */
void worker_release(struct runner *r, const struct run_study *s, int number, bool again);
/* What is told of a member. */
struct event worker_event(const struct worker *w, const struct member *m, enum event_kind kind);

#endif
