/* `gsos run --log json`: one JSON object a line for each event (events.h), on standard error.
 *
 *   {"time": "2026-11-25T08:15:02.123Z", "run_s": 12.345678, "event": "trial_end", "study":
 *   "quickstart/grouped/0", "strategy": "grouped",
 *    "round": 0, "trial": 7, "group": 1, "device": 0, "place": 1, "member": 0, "state": "complete",
 *    "epoch": 9, "epochs": 9, "value": 0.9712, "loss": 0.0921, "seconds": 3.21, "images": 36000}
 *
 * event: run_begin (name, output, devices, depends_on, value_name), run_end, study_end, trial_begin
 * (params: the configuration), epoch, trial_end, trial_left, device_lost, warning, notice,
 * repeat_end, best (the last of a run that ended: params, value, test), and error (status, reason:
 * why gsos ends with it), which may be the only one.  A study has the name that it has in the
 * database.  What does not belong to an event is not there; a value that is no finite number is
 * null.  A log that can no longer be written is given up, and the run goes on. */
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

/* A line for what ends the program: exit status and message. */
void event_log_error(FILE *out, const struct error *e, int status);

#endif
