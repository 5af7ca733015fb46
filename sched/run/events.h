/* What happens in a run, told to whoever listens: the JSON log, the timeline.
 *
 * The runner emits an event after what it tells of is committed, and never under its own lock.
 * Listeners are called one event at a time, in the order of time_s, by the thread to which it
 * happened; a slow one delays the workers and changes no history. */
#ifndef GSOS_EVENTS_H
#define GSOS_EVENTS_H

#include <pthread.h>

#include "host/objectives/objective.h"
#include "host/store/store.h"

enum event_kind {
  EVENT_RUN_BEGIN,   /* name, output, devices, depends_on */
  EVENT_RUN_END,     /* reason: why it ended early, or NULL */
  EVENT_STUDY_END,   /* every trial of it has ended */
  EVENT_TRIAL_BEGIN, /* in its place; epoch: the last one that ended, where it goes on after a stop */
  EVENT_EPOCH,       /* a trial's epoch ended: epoch, value, loss, images */
  EVENT_TRIAL_END,   /* state, value, loss, seconds, images (of the whole trial), reason where it failed */
  /* The run was stopped, the machine failed at it, or it has paused (reason): it may go on, or run
   * again, under its number. */
  EVENT_TRIAL_LEFT,
  EVENT_DEVICE_LOST, /* a place is given up; its trials leave it */
  EVENT_WARNING,     /* something about a trial that its user has to know (reason) */
  EVENT_NOTICE,      /* ... about the run: a program that answers nothing */
  EVENT_BEST,        /* at the end: the best trial of all studies: values, value, loss, test */
  EVENT_REPEAT_END,  /* the study's winner, `trial`, was trained once more: repeat, state, value, loss, test */
};

struct event {
  enum event_kind kind;
  double time_s; /* since the run began, by a clock that does not jump; set by events_emit */
  /* Of the study */
  const char *study, *strategy; /* "quickstart/grouped/0", as in the database; "grouped" */
  int round, trials, done;      /* of EVENT_STUDY_END: trials that have ended */
  /* Of the trial, and where it runs */
  int trial, group;
  int device, place, member; /* the place counted over all devices */
  int epoch, epochs;
  enum stored_state state;
  double value, loss;
  int repeat; /* from 0 */
  bool tested;
  double test;         /* accuracy on the test set, where it was tested */
  double seconds;      /* EVENT_EPOCH: the trial's own since its last one (contract 8); EVENT_TRIAL_END: of the trial */
  double began_s;      /* when the trial began, as time_s */
  double from_s, to_s; /* EVENT_EPOCH: when the epoch began and ended, as time_s */
  int64_t images;
  const char *reason; /* NULL: none */
  /* The configuration, of EVENT_TRIAL_BEGIN and EVENT_BEST: values [space->n]. */
  const struct space *space;
  const double *values;
  /* Of the run: the experiment's name, its output folder, "cuda:0, cuda:1", what results depend on,
   * "validation accuracy". */
  const char *name, *output, *devices, *depends_on, *value_name;
};

typedef void (*event_listener)(void *context, const struct event *event);

enum { EVENT_LISTENERS_MAX = 4 };

struct events {
  pthread_mutex_t lock;
  double began; /* monotonic seconds */
  int n;
  struct {
    event_listener listener;
    void *context;
  } listeners[EVENT_LISTENERS_MAX];
};

void events_init(struct events *e);
void events_destroy(struct events *e);
void events_listen(struct events *e, event_listener listener, void *context);
void events_emit(struct events *e, struct event event); /* NULL: nobody listens */
double events_now(const struct events *e);              /* seconds since events_init */

/* "complete", "pruned", "failed" */
const char *event_state_name(enum stored_state state);

#endif
