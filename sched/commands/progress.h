/* What is seen while studies run: a line a study, redrawn on a terminal, written now and then where
 * the output is none. */
#ifndef GSOS_PROGRESS_H
#define GSOS_PROGRESS_H

#include "sched/run/runner.h"

enum { PROGRESS_STUDIES_MAX = 256, PROGRESS_DEVICES_MAX = 64 };

struct image_rate {
  double at_s; /* of the sample */
  int64_t images;
  double rate; /* images a second before it */
};

enum { PROGRESS_SILENCE_S = 60 };

struct progress {
  bool quiet, terminal;
  double silence_s; /* elsewhere than on a terminal: after that long without a line what runs is reported */
  double spoke_s;   /* when the last line was written */
  bool silent;      /* nor of what a user has to know at once: the log tells */
  int noticed;
  int failures; /* seen */
  char failed[700];
  double failed_s; /* when one was last told of where the output is no terminal; 0: never */
  int drawn;       /* lines on the screen that the next drawing goes over */
  double drawn_s;
  bool waiting_said;
  struct image_rate rates[PROGRESS_DEVICES_MAX];
  struct {
    double said_s;
    int done;
    int running;
    bool ended;
    char group[SPACE_NAME_MAX];
  } last[PROGRESS_STUDIES_MAX];
};

void progress_start(struct progress *p, bool quiet);
/* A runner_tick: the last one leaves the final state on the screen. */
void progress_tick(void *progress, struct runner *r);

/* Columns of the screen that may be written, and rows. */
int progress_columns(int *rows);
/* Leaves the first `columns` characters of UTF-8 text. */
void progress_cut(char *text, int columns);

/* "0:32", "12:05", "3:04:42" */
void progress_duration(char *text, size_t size, double seconds);

#endif
