/* The Chrome trace of a run.  See timeline.h. */
#include "sched/run/timeline.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/base/file_open.h"
#include "host/base/json_text.h"
#include "host/base/text_escape.h"

/* What every file begins with: when its time 0 was.  And how it ends. */
static const char head[] =
    "[\n{\"name\": \"gsos\", \"ph\": \"M\", \"pid\": 0, \"tid\": 0, \"args\": {\"began_unix_s\": %017.6f}}";
static const char tail[] = "\n]\n";
enum { TAIL = sizeof tail - 1, HEAD_MAX = 160, WRITE_BYTES = 1 << 16 };
#define WRITE_S 1.0

static double unix_now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Writes what is pending over the closing bracket, with a new one, at once: whoever reads sees one
 * or the other. */
static void flush(struct timeline *t)
{
  if (t->fd < 0 || t->n == 0) return;
  memcpy(t->pending + t->n, tail, TAIL); /* add_text keeps room for it */
  ssize_t written = pwrite(t->fd, t->pending, t->n + TAIL, t->end);
  if (written == (ssize_t)(t->n + TAIL)) {
    t->end += (int64_t)t->n;
    t->n = 0;
    return;
  }
  if (written >= 0) errno = ENOSPC;
  char shown[1100];
  fprintf(stderr, "gsos: %s cannot be written: %s; the run goes on without it\n",
          text_escape(shown, sizeof shown, t->path), strerror(errno));
  if (ftruncate(t->fd, t->end) == 0 && pwrite(t->fd, tail, TAIL, t->end) != TAIL) { /* then it lacks its bracket */
  }
  close(t->fd);
  t->fd = -1;
}

static void add_text(struct timeline *t, const char *text)
{
  size_t n = strlen(text);
  if (t->n + n + 2 + TAIL > t->size) {
    size_t size = 2 * (t->size + n + 2 + TAIL);
    char *larger = realloc(t->pending, size);
    if (!larger) return; /* a slice less */
    t->pending = larger;
    t->size = size;
  }
  memcpy(t->pending + t->n, ",\n", 2);
  memcpy(t->pending + t->n + 2, text, n);
  t->n += n + 2;
}

static void add(struct timeline *t, struct json_object *item)
{
  char *text = json_print(item);
  if (text) add_text(t, text);
  free(text);
}

/* Goes on with a file of an earlier run.  False where it is none, or damaged. */
static bool go_on(struct timeline *t)
{
  char begin[HEAD_MAX] = "", end[TAIL + 1] = "";
  double began;
  off_t size = lseek(t->fd, 0, SEEK_END);
  if (size < TAIL || pread(t->fd, begin, sizeof begin - 1, 0) <= 0 || pread(t->fd, end, TAIL, size - TAIL) != TAIL)
    return false;
  const char *at = strstr(begin, "\"began_unix_s\": ");
  if (strcmp(end, tail) != 0 || !at || sscanf(at, "\"began_unix_s\": %lf", &began) != 1) return false;
  t->end = size - TAIL;
  t->offset_s = fmax(unix_now() - began, 0);
  return true;
}

static void begin(struct timeline *t)
{
  char text[HEAD_MAX + TAIL];
  int n = snprintf(text, sizeof text, head, unix_now());
  memcpy(text + n, tail, TAIL);
  t->end = n;
  if (ftruncate(t->fd, 0) || pwrite(t->fd, text, (size_t)n + TAIL, 0) != n + TAIL) {
    close(t->fd);
    t->fd = -1;
  }
}

void timeline_open(struct timeline *t, const char *path, struct objective *o, int capacity)
{
  *t = (struct timeline){.objective = o, .capacity = capacity, .path = strdup(path)};
  t->fd = t->path ? file_open(path, O_RDWR | O_CREAT) : -1;
  if (t->fd >= 0 && !go_on(t)) begin(t);
  if (t->fd >= 0) return;
  struct error e = {0};
  file_open_failed(&e, path, "cannot be written");
  fprintf(stderr, "gsos: %s; the run goes on without it\n", e.message);
}

void timeline_close(struct timeline *t)
{
  if (!t->path) return;
  flush(t);
  if (t->fd >= 0) close(t->fd);
  free(t->pending);
  free(t->path);
  *t = (struct timeline){.fd = -1};
}

/* ---- events ---------------------------------------------------------------------------------- */

enum {
  ROWS = sizeof(((struct timeline *)0)->named[0]) / sizeof(bool),
  DEVICES = sizeof(((struct timeline *)0)->running) / sizeof(int)
};

/* Whole ones of the file's time. */
static double microseconds(const struct timeline *t, double run_s)
{
  return floor((t->offset_s + run_s) * 1e6);
}

/* An event of phase `ph` at `at_s` seconds of this run, on the row of `v`. */
static struct json_object *item(const struct timeline *t, const struct event *v, const char *ph, const char *name,
                                double at_s)
{
  struct json_object *json = json_object_create();
  json_add_string(json, "name", name);
  json_add_string(json, "ph", ph);
  json_add_number(json, "pid", v->device);
  json_add_number(json, "tid", v->place * t->capacity + v->member);
  json_add_number(json, "ts", microseconds(t, at_s));
  return json;
}

/* Tells what a process or a thread of the trace is called. */
static void name_row(struct timeline *t, const struct event *v, const char *what, const char *name)
{
  struct json_object *json = item(t, v, "M", what, 0), *args = json_add_object(json, "args");
  json_add_string(args, "name", name);
  add(t, json);
}

static void name_rows(struct timeline *t, const struct event *v)
{
  int row = v->place * t->capacity + v->member;
  char name[200];
  if (row >= ROWS || v->device >= DEVICES || t->named[v->device][row]) return;
  t->named[v->device][row] = true;
  objective_device_name(t->objective, v->device, name, sizeof name);
  name_row(t, v, "process_name", name);
  if (t->capacity == 1)
    snprintf(name, sizeof name, "place %d", v->place);
  else
    snprintf(name, sizeof name, "stream %d, member %d", v->place, v->member);
  name_row(t, v, "thread_name", name);
}

static void count(struct timeline *t, const struct event *v, int change)
{
  if (v->device >= DEVICES) return;
  t->running[v->device] += change;
  struct json_object *json = item(t, v, "C", "trials running", v->time_s), *args = json_add_object(json, "args");
  json_add_number(args, "trials", t->running[v->device]);
  add(t, json);
}

/* A slice from one second of this run to another. */
static struct json_object *slice(struct timeline *t, const struct event *v, const char *name, double from_s,
                                 double to_s, struct json_object **args)
{
  struct json_object *json = item(t, v, "X", name, from_s);
  json_add_number(json, "dur", microseconds(t, to_s) - microseconds(t, from_s));
  *args = json_add_object(json, "args");
  return json;
}

static void epoch(struct timeline *t, const struct event *v)
{
  char name[40];
  struct json_object *args;
  if (t->epochs >= TIMELINE_EPOCHS_MAX || t->trials >= TIMELINE_TRIALS_MAX) return;
  t->epochs++;
  snprintf(name, sizeof name, "epoch %d, place %d", v->epoch, v->member); /* as in profiler_ranges.h */
  struct json_object *json = slice(t, v, name, v->from_s, v->to_s, &args);
  json_add_number(args, "value", v->value);
  json_add_number(args, "loss", v->loss);
  json_add_number(args, "images/s", v->to_s > v->from_s ? (double)v->images / (v->to_s - v->from_s) : NAN);
  add(t, json);
}

static void trial(struct timeline *t, const struct event *v)
{
  char name[640];
  struct json_object *args;
  count(t, v, -1);
  if (t->trials >= TIMELINE_TRIALS_MAX) return;
  t->trials++;
  snprintf(name, sizeof name, "%s, trial %d, place %d", v->study, v->trial, v->member);
  struct json_object *json = slice(t, v, name, v->began_s, v->time_s, &args);
  json_add_string(args, "state", v->kind == EVENT_TRIAL_LEFT ? "left" : event_state_name(v->state));
  json_add_number(args, "epochs", v->epoch);
  if (v->kind == EVENT_TRIAL_END) json_add_number(args, "value", v->value);
  json_add_number(args, "seconds", v->seconds);
  json_add_number(args, "images", (double)v->images);
  if (v->reason) json_add_string(args, "reason", v->reason);
  add(t, json);
}

void timeline_write(void *context, const struct event *v)
{
  struct timeline *t = context;
  if (t->fd < 0) return;
  switch (v->kind) {
  case EVENT_TRIAL_BEGIN:
    name_rows(t, v);
    count(t, v, 1);
    break;
  case EVENT_EPOCH:
    epoch(t, v);
    break;
  case EVENT_TRIAL_END:
  case EVENT_TRIAL_LEFT:
    trial(t, v);
    break;
  case EVENT_RUN_BEGIN:
  case EVENT_RUN_END:
  case EVENT_STUDY_END:
  case EVENT_DEVICE_LOST:
  case EVENT_WARNING:
  case EVENT_REPEAT_END:
  case EVENT_BEST:
  case EVENT_NOTICE:
    break;
  }
  bool trial_ended = v->kind == EVENT_TRIAL_END || v->kind == EVENT_TRIAL_LEFT;
  if (t->n < WRITE_BYTES && v->time_s - t->written_s < WRITE_S && !trial_ended && v->kind != EVENT_RUN_END) return;
  flush(t);
  t->written_s = v->time_s;
}
