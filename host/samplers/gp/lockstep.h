/* Jobs in lock step: each runs as if alone, and what they ask for is answered for all of them at
 * once.
 *
 * An optimiser that calls its function back (NLopt's do) cannot be stopped at each call and gone on
 * with later; in a thread of its own it can.  So every job is a thread that waits wherever it needs
 * an answer, and once all that have not ended wait, the caller of lockstep_run answers them
 * together, as one launch on a device.  Who takes part in a batch follows from the jobs alone,
 * never from which thread is faster: the same batches, and the same results, every time. */
#ifndef GSOS_LOCKSTEP_H
#define GSOS_LOCKSTEP_H

#include "host/base/error.h"

enum { LOCKSTEP_MAX = 16 };

struct lockstep;

/* Runs job(context, l, 0) ... job(context, l, jobs - 1), at most LOCKSTEP_MAX, each in a thread.
 *   answer  called by this thread with the numbers of the jobs that wait, in ascending order
 * ERROR_MACHINE where not every thread can be started: some jobs have ended then, the others not
 * begun. */
int lockstep_run(int jobs, void (*job)(void *context, struct lockstep *l, int number),
                 void (*answer)(void *context, int n, const int *numbers), void *context, struct error *e);

/* From a job: returns when it has been answered. */
void lockstep_wait(struct lockstep *l, int number);

#endif
