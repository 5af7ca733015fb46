/* Reads timeline.json, which a run leaves (sched/run/timeline.h), for the figure of the devices. */
#ifndef GSOS_REPORT_TIMELINE_H
#define GSOS_REPORT_TIMELINE_H

#include <stdbool.h>

enum { TIMELINE_ROWS_MAX = 64, TIMELINE_NAME = 120, TIMELINE_SLICES_MAX = 20000 };

/* A trial, or the part of it that ran without a stop. */
struct timeline_slice {
  int row;
  int trial;
  char study[TIMELINE_NAME]; /* as the run called it */
  char state[12];            /* "complete", "left" */
  double from_s, to_s;       /* since the first run began */
};

struct page_timeline {
  struct timeline_slice *slices; /* [n] */
  int n;
  int n_rows;
  char rows[TIMELINE_ROWS_MAX][2 * TIMELINE_NAME]; /* "cpu, place 0" */
  bool cut;                                        /* there is more than fits */
};

/* Nothing where there is no such file.  A line that is damaged counts as missing.  False without
 * memory. */
bool report_timeline_read(struct page_timeline *t, const char *path);
void report_timeline_free(struct page_timeline *t);

#endif
