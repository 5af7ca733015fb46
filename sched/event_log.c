/* The JSON log.  See event_log.h. */
#include "event_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>

static const char *const kind_names[] = {
    [EVENT_RUN_BEGIN] = "run_begin",   [EVENT_RUN_END] = "run_end",
    [EVENT_STUDY_END] = "study_end",   [EVENT_TRIAL_BEGIN] = "trial_begin",
    [EVENT_EPOCH] = "epoch",           [EVENT_TRIAL_END] = "trial_end",
    [EVENT_TRIAL_LEFT] = "trial_left", [EVENT_DEVICE_LOST] = "device_lost",
};

static void add_number(cJSON *line, const char *name, double value)
{
  if (isfinite(value))
    cJSON_AddNumberToObject(line, name, value);
  else
    cJSON_AddNullToObject(line, name);
}

/* UTC, milliseconds. */
static void add_time(cJSON *line)
{
  struct timespec now;
  struct tm parts;
  char text[40], whole[60];
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &parts);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(whole, sizeof whole, "%s.%03ldZ", text, now.tv_nsec / 1000000);
  cJSON_AddStringToObject(line, "time", whole);
}

static void add_study(cJSON *line, const struct event *v)
{
  cJSON_AddStringToObject(line, "study", v->study);
  cJSON_AddStringToObject(line, "strategy", v->strategy);
  cJSON_AddNumberToObject(line, "round", v->round);
}

static void add_trial(cJSON *line, const struct event *v)
{
  cJSON_AddNumberToObject(line, "trial", v->trial);
  cJSON_AddNumberToObject(line, "group", v->group);
  cJSON_AddNumberToObject(line, "device", v->device);
  cJSON_AddNumberToObject(line, "place", v->place);
  cJSON_AddNumberToObject(line, "member", v->member);
  if (v->kind == EVENT_TRIAL_END) cJSON_AddStringToObject(line, "state", event_state_name(v->state));
  if (v->kind == EVENT_EPOCH || v->kind == EVENT_TRIAL_END) {
    cJSON_AddNumberToObject(line, "epoch", v->epoch);
    cJSON_AddNumberToObject(line, "epochs", v->epochs);
  }
  if (v->kind == EVENT_EPOCH || (v->kind == EVENT_TRIAL_END && v->state != STORED_FAIL)) {
    add_number(line, "value", v->value);
    add_number(line, "loss", v->loss);
  }
  if (v->kind == EVENT_EPOCH || v->kind == EVENT_TRIAL_END) {
    add_number(line, "seconds", v->seconds);
    cJSON_AddNumberToObject(line, "images", (double)v->images);
  }
}

void event_log_write(void *context, const struct event *v)
{
  struct event_log *log = context;
  cJSON *line = log->broken ? NULL : cJSON_CreateObject();
  if (!line) return;
  add_time(line);
  cJSON_AddNumberToObject(line, "run_s", round(v->time_s * 1e6) / 1e6);
  cJSON_AddStringToObject(line, "event", kind_names[v->kind]);
  if (v->study) add_study(line, v);
  if (v->kind == EVENT_STUDY_END || v->kind == EVENT_RUN_BEGIN || v->kind == EVENT_RUN_END) {
    cJSON_AddNumberToObject(line, "trials", v->trials);
    cJSON_AddNumberToObject(line, "done", v->done);
  } else if (v->kind == EVENT_DEVICE_LOST) {
    cJSON_AddNumberToObject(line, "device", v->device);
    cJSON_AddNumberToObject(line, "place", v->place);
  } else {
    add_trial(line, v);
  }
  if (v->reason) cJSON_AddStringToObject(line, "reason", v->reason);
  char *text = cJSON_PrintUnformatted(line);
  if (text && (fprintf(log->out, "%s\n", text) < 0 || fflush(log->out) != 0)) log->broken = true;
  free(text);
  cJSON_Delete(line);
}
