/* Running studies: worker threads that take the next trial of any study that has one, train it, and
 * commit it.
 *
 * Studies run side by side; what each of them does is decided in study.c, so that neither the
 * number of workers nor the order in which trials end changes a history.  One worker has one place
 * of the objective: a core with the CPU trainer, a cohort of trials with the CUDA trainer.
 *
 *   worker.c         a worker takes trials (queue.h), proposes what is new, starts them in the
 *                    database, trains them
 *   worker_trial.c   what becomes of a trial: its epochs, its end and commit, what is reported of
 *                    it (events.h)
 *   worker_state.c   trials over a clean stop: what is kept of each that runs, and how the next run
 *                    goes on with it
 *   paused.c         trials that have paused (study_pauses), whose state waits in memory
 *   runner.c         the keeper, which beats the database's heart every 10 s; and the caller's
 *                    part: signals, time limits, progress (runner_run calls `tick` ten times a
 *                    second)
 *   runner_status.c  what the progress display asks
 *
 * Contract 3: a trial's end is committed before its study hears of it, and a network that will be
 * the best is on disk before that.  Contract 4: what the machine fails at runs again under its
 * number, with fewer at once, or on another place where its own is lost; alone, or where no place
 * is left, it ends the run. */
#ifndef GSOS_RUNNER_H
#define GSOS_RUNNER_H

#include <pthread.h>

#include "sched/run/events.h"
#include "sched/run/notices.h"
#include "sched/run/queue.h"

struct run_study {
  struct study study;
  char title[64];      /* "grouped 0": for people */
  char name[520];      /* "quickstart/grouped/0": in the database */
  char networks[1100]; /* folder of its networks; made when the first one is written */
  int store_id;
  double wall_before_s; /* wall time of earlier runs */
  bool shared_before;   /* other studies ran beside it then */
  int done_before;      /* trials that earlier runs ended */
  /* runner's own */
  int stored; /* trials 0 ... stored - 1 are in the database */
  /* Seconds after the run's start: its first trial's start, the last end of a trial; 0: not yet. */
  double began_s, ended_s;
  bool over, told;        /* every trial has ended; the listeners know */
  int forgotten;          /* of trials 0 ... forgotten - 1 no state is kept that one has paused in */
  bool interrupted;       /* trials were begun that did not end */
  int first;              /* trials 0 ... first - 1 had ended before */
  uint64_t range;         /* its own (profiler_ranges.h) */
  pthread_mutex_t commit; /* one end at a time: which network is the best is decided in order */
};

enum { RUNNER_CAPACITY_MAX = 32, RUNNER_PATH_MAX = 1300 };

/* Bytes of paused trials' states in memory; what is beyond is in the states' folder. */
enum { PAUSED_BYTES_MAX = 256 << 20 };

struct paused_trial {
  const struct run_study *study;
  struct stored_trial trial; /* its figures so far */
  void *block;               /* [bytes] the objective's */
  size_t bytes;
};

struct worker;

struct runner {
  const struct experiment *x;
  struct objective *objective;
  struct store *store;
  struct run_study *studies;
  int n_studies;
  /* As objective_at_once says: */
  int places;                 /* each with a worker of its own */
  int capacity;               /* trials in a place */
  int at_once;                /* trials that run at once, in all places together */
  bool by_share;              /* a place is full by the shares of its trials, too */
  int n_devices;              /* 0: 1 */
  const volatile int *signal; /* not 0: stop */
  char states[1100];          /* folder of what is kept of the trials that a stop interrupts; "": nothing is */
  const char *search;         /* what a trial depends on: search keys, and what else (state_file.h) */
  const char *depends_on;
  struct events *events; /* who is notified of events; NULL: nobody */

  /* runner's own, under `lock` */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct worker *workers;
  int64_t *images;    /* [n_devices] trained in this run */
  bool *gone;         /* [n_devices] a place of it is lost */
  int alive;          /* workers that have not left */
  struct queue queue; /* of the studies, by the same index */
  bool stopping, time_is_up;
  bool only_fails; /* stopped, since the first trials of a study have all failed alike */
  bool keeper_stop;
  bool over;                /* the last tick: nothing runs any more */
  struct store_trial *kept; /* [n_kept] trials that a stop interrupted and whose state is kept */
  int n_kept;
  struct paused_trial *paused; /* [n_paused] */
  int n_paused, paused_capacity;
  size_t paused_bytes;
  double began; /* monotonic seconds */
  struct notices notices;
  char failed[700];     /* the last failure of a trial: "grouped 0, trial 3: died: ...", as it was said */
  int failures;         /* how many there were */
  struct error failure; /* the first one: it ends the run */
};

/* What a progress line tells. */
struct run_status {
  int trials, done, running, failed;
  int best; /* -1: none */
  double best_value;
  char group[SPACE_NAME_MAX];
  int group_done, group_trials;
  bool ended, target_reached, waits_for_memory;
  double elapsed_s; /* of this run */
  int done_before;  /* by earlier runs */
};

typedef void (*runner_tick)(void *context, struct runner *r);

/* Runs until every study has ended, or until a signal, the time limit or a failure.  Returns 0 in
 * the first case, ERROR_INTERRUPTED for a signal, the time limit (r->time_is_up), or where all
 * fails (r->only_fails), else what failed.  In all cases what has ended is committed. */
int runner_run(struct runner *r, runner_tick tick, void *context, struct error *e);

/* Of study i, from `tick`. */
void runner_status(struct runner *r, int i, struct run_status *status);

/* What a device does. */
struct run_device {
  int places, busy;  /* streams with a cohort, or cores; those with a trial */
  int running, room; /* trials, and how many it takes at most */
  int64_t images;    /* trained in this run */
};

struct run_trial {
  const char *study; /* its title */
  int number, epoch, epochs;
  double value; /* after its last epoch; NaN before the first */
  double runs_s;
};

/* What a user has to know at once: the next one after `seen` (0 at first) such notices; false:
 * nothing new.  From `tick`. */
bool runner_notice(struct runner *r, int *seen, char *text, size_t size);

/* The last failure of a trial, since `seen` (0 at first) such failures; as runner_notice, but not
 * escaped. */
bool runner_failure(struct runner *r, int *seen, char *text, size_t size);

/* Of device i, from `tick`: what it does, and the trials that run there, at most `max`; returns how
 * many there are. */
void runner_device(struct runner *r, int device, struct run_device *d);
int runner_trials(struct runner *r, int device, struct run_trial *trials, int max);

/* Takes up what an earlier run left of a study (study_resume, study_resume_retried), with the
 * epochs that it follows from. */
int runner_resume(struct store *store, struct run_study *s, const struct stored_trial *trials, int n, bool retried,
                  struct error *e);

/* Path of the network of a trial, and of its state. */
void runner_network_path(const struct run_study *s, int trial, char *path, size_t size);
void runner_state_path(const struct runner *r, const struct run_study *s, int trial, char *path, size_t size);

#endif
