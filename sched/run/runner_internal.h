/* The runner from within: what its threads share.  For runner*.c and worker*.c alone. */
#ifndef GSOS_RUNNER_INTERNAL_H
#define GSOS_RUNNER_INTERNAL_H

#include "sched/run/runner.h"

/* A trial in a place. */
struct place_member {
  bool used, timed_out;
  bool has_state; /* there is, or was, a file of its state */
  bool again;     /* it has paused before, and stands as PRUNED in the database */
  struct run_study *study;
  struct stored_trial trial;
  struct objective_cost cost;
  double since;         /* monotonic seconds at its start */
  double wall_before_s; /* in earlier runs, where it goes on */
  double epoch_since;   /* at the end of its last epoch, or its start */
  int shown_epoch;      /* under the lock: for the progress line */
  double shown_value;
  uint64_t range; /* its own (profiler_ranges.h) */
};

struct worker {
  struct runner *runner;
  pthread_t thread;
  int device;
  struct place *place;
  volatile int stop; /* the trainer looks at it after every step */
  bool lost;         /* its place can train no more */
  struct error why;
  struct place_member *members; /* [runner->capacity]; a member's place in it is its id */
  int n;                        /* members: changed under the runner's lock */
  struct queue_place filled;    /* by them, and by the trial that is on its way; under the lock */
};

/* What becomes of a trial. */
enum outcome {
  OUTCOME_GOES_ON,
  OUTCOME_ENDED,
  OUTCOME_PAUSED,
  OUTCOME_STOPPED,
  OUTCOME_MACHINE,
  OUTCOME_LOST,
  OUTCOME_ERROR
};

/* runner.c: no new trials, and those that run stop after their step (under the lock); the same for
 * what failed first. */
void runner_stop(struct runner *r);
void runner_fail(struct runner *r, const struct error *e);
/* A user has to know this at once.  Under the lock. */
void runner_notify(struct runner *r, const char *text);

/* worker.c: the thread of a worker (context). */
void *worker_thread(void *context);

/* worker_trial.c, without the lock.  Takes what an event tells into a member's trial. */
enum outcome worker_take_event(struct worker *w, struct place_member *m, const struct trial_event *event,
                               struct error *e);
/* Its time was up. */
enum outcome worker_time_out(struct worker *w, struct place_member *m);
/* A member leaves its place, as `outcome` says; `e`: why, where it has not ended. */
void worker_end_member(struct worker *w, struct place_member *m, enum outcome outcome, struct error *e);
/* The worker's place can train no more. */
void worker_device_lost(struct worker *w, const struct error *why);
/* Gives back what queue_take took.  Under the lock. */
void worker_release(struct worker *w, const struct run_study *s, int number, bool again);
/* worker_state.c, without the lock.  Puts a member's trial into the place: as it was kept, or from
 * its start. */
enum outcome worker_place(struct worker *w, struct place_member *m, struct error *e);
/* Keeps its state; false: it will begin again, and where that is not as it should be it is
 * reported. */
bool worker_keep(struct worker *w, struct place_member *m);
/* Its trial has ended. */
void worker_forget_state(const struct worker *w, const struct place_member *m);

/* paused.c.  Takes the state of a trial that pauses, as a block of the objective's; its own from
 * now on.  False: there is no room for it among those in memory. */
bool paused_put(struct runner *r, const struct run_study *s, const struct stored_trial *trial, void *block,
                size_t bytes);
/* Gives back what is kept of a member in memory, the caller's to free (p->block).  False: nothing
 * is. */
bool paused_take(struct runner *r, const struct place_member *m, struct paused_trial *p);
/* States of trials that do not go on any more are given up: of a study that begins a group, or is
 * over.  Under the lock. */
void paused_forget(struct runner *r, struct run_study *s);
/* The run ends: what may go on in the next one goes to disk. */
void paused_write(struct runner *r);
void paused_destroy(struct runner *r);

/* worker_state.c: writes a trial's state, that block, to its file. */
int runner_write_state(struct runner *r, const struct run_study *s, const struct stored_trial *trial, void *block,
                       size_t bytes, struct error *e);

/* Tells the user, by the progress display and the log, of what went wrong with a trial's state. */
void worker_warn(struct worker *w, const struct place_member *m, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What is reported of a member. */
struct event worker_event(const struct worker *w, const struct place_member *m, enum event_kind kind);

#endif
