/* What is seen while studies run: a line a study, redrawn on a terminal, written now and then where the output is none. */
#ifndef GSOS_PROGRESS_H
#define GSOS_PROGRESS_H

#include "runner.h"

enum { PROGRESS_STUDIES_MAX = 256, PROGRESS_DEVICES_MAX = 64 };

struct image_rate {
  double at_s; /* of the sample */
  int64_t images;
  double rate; /* images a second before it */
};

struct progress {
  bool quiet, terminal;
  bool silent; /* nor of what a user has to know at once: the log tells */
  int noticed;
  int drawn; /* lines on the screen that the next drawing goes over */
  double drawn_s;
  bool waiting_said;
  struct image_rate rates[PROGRESS_DEVICES_MAX];
  struct {
    double said_s;
    int done;
    int running;
    bool ended;
    char phase[SPACE_NAME_MAX];
  } last[PROGRESS_STUDIES_MAX];
};

void progress_start(struct progress *p, bool quiet);
/* A runner_tick: the last one leaves the final state on the screen. */
void progress_tick(void *progress, struct runner *r);

/* "0:32", "12:05", "3:04:42" */
void progress_duration(char *text, size_t size, double seconds);

#endif
