/* What is seen while the winners are trained again: a line a training that has ended, and below, on
 * a terminal, how far those are that run; elsewhere that is said after a minute of silence. */
#ifndef GSOS_PROGRESS_REPEATS_H
#define GSOS_PROGRESS_REPEATS_H

#include "sched/run/winner_repeats.h"

struct progress_repeats {
  bool quiet, silent, terminal; /* silent: what the user has to know is told elsewhere */
  bool begun, drawn;
  int seen, noticed;
  double spoke_s; /* when the last line was written */
};

void progress_repeats_start(struct progress_repeats *p, bool quiet, bool silent);
/* A winner_repeats_tick. */
void progress_repeats_tick(void *progress, struct winner_repeats *w);

#endif
