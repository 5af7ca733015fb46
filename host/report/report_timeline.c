/* The trials of a run's timeline.  See report_timeline.h.
 *
 * The file has an event a line, which is what makes a file of many epochs quick to go through: only
 * lines of trials are parsed. */
#include "host/report/report_timeline.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file_open.h"
#include "host/base/text_escape.h"

/* Rows of the figure, by what the trace calls them. */
struct rows {
  int n;
  int pid[TIMELINE_ROWS_MAX], tid[TIMELINE_ROWS_MAX];
  char device[TIMELINE_ROWS_MAX][TIMELINE_NAME], place[TIMELINE_ROWS_MAX][TIMELINE_NAME];
};

static int number(const cJSON *o, const char *name, double *value)
{
  const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, name);
  *value = cJSON_IsNumber(item) ? item->valuedouble : NAN;
  return isfinite(*value) && fabs(*value) < 1e17;
}

static const char *text(const cJSON *o, const char *name)
{
  const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
  return value ? value : "";
}

/* -1: there are too many. */
static int row_of(struct rows *r, double pid, double tid)
{
  if (!(pid >= 0 && pid < 1e6 && tid >= 0 && tid < 1e6)) return -1;
  for (int i = 0; i < r->n; i++)
    if (r->pid[i] == (int)pid && r->tid[i] == (int)tid) return i;
  if (r->n == TIMELINE_ROWS_MAX) return -1;
  r->pid[r->n] = (int)pid;
  r->tid[r->n] = (int)tid;
  return r->n++;
}

static void take_name(struct rows *r, const cJSON *event)
{
  double pid, tid;
  const char *what = text(event, "name");
  if (!number(event, "pid", &pid) || !number(event, "tid", &tid)) return;
  bool device = !strcmp(what, "process_name");
  if (!device && strcmp(what, "thread_name") != 0) return;
  int row = row_of(r, pid, tid);
  if (row < 0) return;
  text_escape(device ? r->device[row] : r->place[row], TIMELINE_NAME,
              text(cJSON_GetObjectItemCaseSensitive(event, "args"), "name"));
}

/* False without memory. */
static bool take_slice(struct page_timeline *t, struct rows *r, const cJSON *event)
{
  double pid, tid, from, length;
  const char *name = text(event, "name"), *trial = strstr(name, ", trial ");
  if (strcmp(text(event, "ph"), "X") != 0 || !trial) return true;
  if (!number(event, "pid", &pid) || !number(event, "tid", &tid)) return true;
  if (!number(event, "ts", &from) || !number(event, "dur", &length) || length < 0) return true;
  int row = row_of(r, pid, tid);
  t->cut = t->cut || row < 0 || t->n == TIMELINE_SLICES_MAX;
  if (row < 0 || t->n == TIMELINE_SLICES_MAX) return true;
  if ((t->n & (t->n - 1)) == 0) {
    struct timeline_slice *more = realloc(t->slices, (t->n ? 2 * (size_t)t->n : 1) * sizeof *more);
    if (!more) return false;
    t->slices = more;
  }
  struct timeline_slice *s = &t->slices[t->n++];
  *s = (struct timeline_slice){.row = row, .from_s = from * 1e-6, .to_s = (from + length) * 1e-6};
  sscanf(trial, ", trial %d", &s->trial);
  text_format(s->study, sizeof s->study, "%.*s", text_within(name, (size_t)(trial - name)), name);
  text_format(s->state, sizeof s->state, "%s", text(cJSON_GetObjectItemCaseSensitive(event, "args"), "state"));
  return true;
}

bool report_timeline_read(struct page_timeline *t, const char *path)
{
  struct rows *rows = calloc(1, sizeof *rows);
  FILE *in = file_open_to_read(path);
  char *line = NULL;
  size_t size = 0;
  bool good = rows != NULL;
  *t = (struct page_timeline){0};
  while (in && good && getline(&line, &size, in) > 0) {
    bool trial = strstr(line, ", trial ") != NULL, named = strstr(line, "\"M\"") != NULL;
    if (!trial && !named) continue;
    cJSON *event = cJSON_Parse(line[0] == ',' ? line + 1 : line);
    if (named) take_name(rows, event);
    if (trial) good = take_slice(t, rows, event);
    cJSON_Delete(event);
  }
  t->n_rows = good ? rows->n : 0;
  for (int i = 0; i < t->n_rows; i++)
    text_format(t->rows[i], sizeof t->rows[i], "%s%s%s", rows->device[i], rows->place[i][0] ? ", " : "",
                rows->place[i]);
  free(line);
  if (in) fclose(in);
  free(rows);
  return good;
}

void report_timeline_free(struct page_timeline *t)
{
  free(t->slices);
  *t = (struct page_timeline){0};
}
