/* The JSON log.  See json_log.h. */
#include "sched/run/json_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/json_text.h"

static const char *const kind_names[] = {
    [EVENT_RUN_BEGIN] = "run_begin",   [EVENT_RUN_END] = "run_end",
    [EVENT_STUDY_END] = "study_end",   [EVENT_TRIAL_BEGIN] = "trial_begin",
    [EVENT_EPOCH] = "epoch",           [EVENT_TRIAL_END] = "trial_end",
    [EVENT_TRIAL_LEFT] = "trial_left", [EVENT_DEVICE_LOST] = "device_lost",
    [EVENT_WARNING] = "warning",       [EVENT_NOTICE] = "notice",
    [EVENT_REPEAT_END] = "repeat_end", [EVENT_BEST] = "best",
};

/* UTC, milliseconds. */
static void add_time(struct json_object *line)
{
  struct timespec now;
  struct tm parts;
  char text[40], whole[60];
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &parts);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(whole, sizeof whole, "%s.%03ldZ", text, now.tv_nsec / 1000000);
  json_add_string(line, "time", whole);
}

static void add_study(struct json_object *line, const struct event *v)
{
  json_add_string(line, "study", v->study);
  json_add_string(line, "strategy", v->strategy);
  json_add_number(line, "round", v->round);
}

static void add_trial(struct json_object *line, const struct event *v)
{
  json_add_number(line, "trial", v->trial);
  json_add_number(line, "group", v->group);
  json_add_number(line, "device", v->device);
  json_add_number(line, "place", v->place);
  json_add_number(line, "member", v->member);
  if (v->kind == EVENT_TRIAL_END) json_add_string(line, "state", event_state_name(v->state));
  if (v->kind == EVENT_EPOCH || v->kind == EVENT_TRIAL_END || (v->kind == EVENT_TRIAL_BEGIN && v->epoch > 0)) {
    json_add_number(line, "epoch", v->epoch);
    json_add_number(line, "epochs", v->epochs);
  }
  if (v->kind == EVENT_EPOCH || (v->kind == EVENT_TRIAL_END && v->state != STORED_FAIL)) {
    json_add_number(line, "value", v->value);
    json_add_number(line, "loss", v->loss);
  }
  if (v->kind == EVENT_EPOCH || v->kind == EVENT_TRIAL_END) {
    json_add_number(line, "seconds", v->seconds);
    json_add_number(line, "images", (double)v->images);
  }
}

/* "params": {"lr": 0.01, "optimizer": "adam"}: numbers as numbers, categories as text. */
static void add_params(struct json_object *line, const struct event *v)
{
  struct json_object *params = json_add_object(line, "params");
  for (int i = 0; i < v->space->n; i++) {
    const struct param *p = &v->space->params[i];
    char text[PARAM_TEXT_MAX];
    param_value_format(p, v->values[i], text, sizeof text);
    if (p->type == PARAM_CATEGORICAL)
      json_add_string(params, p->name, text);
    else
      json_add_number(params, p->name, strtod(text, NULL));
  }
}

static void add_run(struct json_object *line, const struct event *v)
{
  if (v->name) json_add_string(line, "name", v->name);
  if (v->output) json_add_string(line, "output", v->output);
  if (v->devices) json_add_string(line, "devices", v->devices);
  if (v->depends_on) json_add_string(line, "depends_on", v->depends_on);
  if (v->value_name) json_add_string(line, "value_name", v->value_name);
}

static void add_best(struct json_object *line, const struct event *v)
{
  json_add_number(line, "trial", v->trial);
  json_add_number(line, "value", v->value);
  json_add_number(line, "loss", v->loss);
  if (v->tested) json_add_number(line, "test", v->test);
}

static void add_repeat(struct json_object *line, const struct event *v)
{
  json_add_number(line, "trial", v->trial);
  json_add_number(line, "repeat", v->repeat);
  json_add_string(line, "state", event_state_name(v->state));
  if (v->state != STORED_FAIL) json_add_number(line, "value", v->value);
  if (v->state != STORED_FAIL) json_add_number(line, "loss", v->loss);
  if (v->tested) json_add_number(line, "test", v->test);
  json_add_number(line, "seconds", v->seconds);
  json_add_number(line, "images", (double)v->images);
}

void event_log_write(void *context, const struct event *v)
{
  struct event_log *log = context;
  struct json_object *line = log->broken ? NULL : json_object_create();
  if (!line) return;
  add_time(line);
  json_add_number(line, "run_s", round(v->time_s * 1e6) / 1e6);
  json_add_string(line, "event", kind_names[v->kind]);
  if (v->study) add_study(line, v);
  if (v->kind == EVENT_STUDY_END || v->kind == EVENT_RUN_BEGIN || v->kind == EVENT_RUN_END) {
    json_add_number(line, "trials", v->trials);
    json_add_number(line, "done", v->done);
    add_run(line, v);
  } else if (v->kind == EVENT_DEVICE_LOST) {
    json_add_number(line, "device", v->device);
    json_add_number(line, "place", v->place);
  } else if (v->kind == EVENT_REPEAT_END) {
    add_repeat(line, v);
  } else if (v->kind == EVENT_BEST) {
    add_best(line, v);
  } else if (v->kind != EVENT_NOTICE) {
    add_trial(line, v);
  }
  if (v->values) add_params(line, v);
  if (v->reason) json_add_string(line, "reason", v->reason);
  char *text = json_print(line);
  if (text && (fprintf(log->out, "%s\n", text) < 0 || fflush(log->out) != 0)) log->broken = true;
  free(text);
}

void event_log_error(FILE *out, const struct error *e, int status)
{
  struct json_object *line = json_object_create();
  add_time(line);
  json_add_string(line, "event", "error");
  json_add_number(line, "status", status);
  json_add_string(line, "reason", e->message);
  char *text = json_print(line);
  if (text) fprintf(out, "%s\n", text);
  free(text);
}
