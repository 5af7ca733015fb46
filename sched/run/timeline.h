/* A run's timeline, OUTPUT/timeline.json: which trial ran when, on which device and in which place,
 * in the Chrome trace event format
 * (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), which
 * https://ui.perfetto.dev and chrome://tracing open.
 *
 * A device is a process of the trace, a place in it (a core; a member of a cohort on a stream) a
 * thread.  A trial is a slice with its epochs within; a counter shows how many trials run.  Trials
 * and epochs have the names of the ranges that Nsight Systems shows (profiler_ranges.h).
 *
 * The file is a whole JSON array whenever it is looked at, also after kill -9: an append overwrites
 * the closing bracket in one write.  What the run did in its last second may be missing then, and
 * the trials that were running are.  A run that goes on appends to it, at the time that has passed
 * since the first one began.  After TIMELINE_EPOCHS_MAX epochs only trials are written, after
 * TIMELINE_TRIALS_MAX trials nothing, so that the file stays one that a browser can load.  Where it
 * cannot be written that is said once, and the run goes on. */
#ifndef GSOS_TIMELINE_H
#define GSOS_TIMELINE_H

#include <pthread.h>

#include "sched/run/events.h"

enum { TIMELINE_EPOCHS_MAX = 200000, TIMELINE_TRIALS_MAX = 1000000 };

struct timeline {
  struct objective *objective; /* for the devices' names */
  int capacity;                /* of a place */
  int fd;                      /* -1: not written */
  char *path;
  int64_t end;          /* where the next event goes: at the closing bracket */
  double offset_s;      /* since the first run began */
  char *pending;        /* [pending_size] text not written yet */
  size_t n, size;       /* of it */
  double written_s;     /* when it was last written */
  int epochs, trials;   /* written by this run */
  int running[64];      /* on each device */
  bool named[64][4096]; /* the rows that have their names */
};

/* Opens PATH, or goes on with what an earlier run wrote there; one that is damaged is begun anew.
 * Never fails: see above. */
void timeline_open(struct timeline *t, const char *path, struct objective *o, int capacity);
void timeline_close(struct timeline *t); /* accepts a zero-initialised struct */

/* An event_listener; context: struct timeline. */
void timeline_write(void *context, const struct event *event);

#endif
