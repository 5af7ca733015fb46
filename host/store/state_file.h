/* The state of a trial that a clean stop interrupted, kept in a file so that it goes on where it
 * stood.
 *
 * The file stands for itself: what the trial is, what it depends on, what came of it so far, and
 * the objective's own block (objective.h, checkpoint).  It is written aside, synced and renamed
 * into place, so that it is there whole or not at all, and is checked as a whole when it is read.
 * In the machine's order of bytes:
 *
 *   "gsosstat", format version (uint32), number of the trial (int32), its key (uint64)
 *   epochs ended, number of hyperparameters (int32 each), of epoch values (int64)
 *   value, loss, seconds, wall_s, flops (double each), images (int64)
 *   bytes of the four parts that follow the hyperparameters and epoch values (uint64 each)
 *   hyperparameters, epoch values (doubles)
 *   study, search keys, what results depend on (texts without an end), the block
 *   CRC-32 of all of this (uint32) */
#ifndef GSOS_STATE_FILE_H
#define GSOS_STATE_FILE_H

#include <stddef.h>

#include "host/base/error.h"
#include "host/store/store.h"

enum { STATE_FILE_VERSION = 1 };

/* Whose state it is, beside the trial itself.  Another text is another trial. */
struct state_owner {
  const char *study;      /* its name in the database */
  const char *search;     /* the search keys that a trial depends on */
  const char *depends_on; /* what else a result depends on */
};

/* What is kept. */
struct kept_state {
  double *values; /* [n] the objective's after each epoch so far, NaN where there was none */
  int n;
  void *block; /* [bytes] the objective's */
  size_t bytes;
};
void kept_state_free(struct kept_state *k); /* accepts a zero-initialised struct */

/* trial: number, key, the space's n_params values; epochs, value, loss, seconds, wall_s, flops,
 * images so far.  ERROR_MACHINE, ERROR_FAILED where it cannot be written: then there is no file of
 * that name that was not there before. */
int state_file_write(const char *path, const struct state_owner *owner, int n_params, const struct stored_trial *trial,
                     const struct kept_state *kept, struct error *e);

/* Reads what was kept for this trial (number, key, values): its figures so far into `trial`, the
 * rest into *kept, the caller's to free.  *found false: there is no such file.  ERROR_FAILED where
 * it is of no use: damaged, of another version, of another trial; the message says which.
 * ERROR_MACHINE without memory. */
int state_file_read(const char *path, const struct state_owner *owner, int n_params, struct stored_trial *trial,
                    struct kept_state *kept, bool *found, struct error *e);

#endif
