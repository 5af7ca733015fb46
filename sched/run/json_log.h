/* `gsos run --log json`: one JSON object a line for each event (events.h), on standard error.
 *
 *   {"time": "2026-11-25T08:15:02.123Z", "run_s": 12.345678, "event": "trial_end", "study":
 *   "grouped 0", "strategy": "grouped",
 *    "round": 0, "trial": 7, "group": 1, "device": 0, "place": 1, "member": 0, "state": "complete",
 *    "epoch": 9, "epochs": 9, "value": 0.9712, "loss": 0.0921, "seconds": 3.21, "images": 36000}
 *
 * event: run_begin, run_end, study_end, trial_begin, epoch, trial_end, trial_left, device_lost,
 * warning, notice.  What does not belong to an event is not there; a value that is no finite number
 * is null.  A log that can no longer be written is given up, and the run goes on. */
#ifndef GSOS_JSON_LOG_H
#define GSOS_JSON_LOG_H

#include <stdio.h>

#include "sched/run/events.h"

struct event_log {
  FILE *out;
  bool broken;
};

/* An event_listener; context: struct event_log. */
void event_log_write(void *context, const struct event *event);

#endif
