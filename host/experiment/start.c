/* What studies start from.  See start.h. */
#include "host/experiment/start.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void start_free(struct start *start)
{
  if (start) free(start->trials);
  free(start);
}

/* ---- what is made of it ---------------------------------------------------------------------- */

void start_values(const struct start *start, const struct space *space, double *values)
{
  if (start && start->n_best > 0)
    memcpy(values, start->best[0], sizeof *values * (size_t)space->n);
  else
    space_defaults(space, values);
}

int start_trials_of(const struct start *start, const struct space *space, const bool *free)
{
  int count = 0;
  for (int t = 0; start && t < start->n; t++) {
    bool any = false;
    for (int i = 0; i < space->n; i++) any |= free[i] && start->trials[t].free[i];
    count += any;
  }
  return count;
}

struct observation start_observation(const struct start *start, int i, bool maximize)
{
  const struct start_trial *t = &start->trials[i];
  return (struct observation){.number = i - start->n,
                              .state = t->state,
                              .values = t->values,
                              .value = maximize ? t->value : -t->value,
                              .loss = t->loss,
                              .step = t->step,
                              .group = -1,
                              .free = t->free};
}

/* ---- to text --------------------------------------------------------------------------------- */

static const char *const state_names[] = {
    [OBSERVATION_COMPLETE] = "complete", [OBSERVATION_FAILED] = "failed", [OBSERVATION_PRUNED] = "pruned"};

/* NaN is null, an infinity 1e999, as in all that the database has. */
static void write_number(FILE *out, double value)
{
  char text[32] = "null";
  if (isinf(value))
    snprintf(text, sizeof text, "%s1e999", value < 0 ? "-" : "");
  else if (!isnan(value))
    number_format(value, text, sizeof text);
  fputs(text, out);
}

static void write_values(FILE *out, const double *values, int n)
{
  fputc('[', out);
  for (int i = 0; i < n; i++) {
    if (i) fputc(',', out);
    write_number(out, values[i]);
  }
  fputc(']', out);
}

static void write_trial(FILE *out, const struct start_trial *t, int n)
{
  fprintf(out, "{\"state\":\"%s\",\"value\":", state_names[t->state]);
  write_number(out, t->value);
  fputs(",\"loss\":", out);
  write_number(out, t->loss);
  fprintf(out, ",\"step\":%d,\"values\":", t->step);
  write_values(out, t->values, n);
  fputs(",\"free\":\"", out);
  for (int i = 0; i < n; i++) fputc(t->free[i] ? '1' : '0', out);
  fputs("\"}", out);
}

/* The texts are made by cJSON, which escapes them. */
static bool write_sources(FILE *out, const struct start *start)
{
  const char *texts[START_FROM_MAX];
  for (int i = 0; i < start->n_sources; i++) texts[i] = start->sources[i];
  cJSON *list = cJSON_CreateStringArray(texts, start->n_sources);
  char *json = list ? cJSON_PrintUnformatted(list) : NULL;
  if (json) fprintf(out, "{\"sources\":%s", json);
  cJSON_free(json);
  cJSON_Delete(list);
  return json != NULL;
}

char *start_text(const struct start *start, const struct space *space)
{
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  bool whole = write_sources(out, start);
  fputs(",\"best\":[", out);
  for (int i = 0; i < start->n_best; i++) {
    if (i) fputc(',', out);
    write_values(out, start->best[i], space->n);
  }
  fputs("],\"trials\":[", out);
  for (int i = 0; i < start->n; i++) {
    if (i) fputc(',', out);
    write_trial(out, &start->trials[i], space->n);
  }
  fputs("]}", out);
  if (fclose(out) == 0 && whole) return text;
  free(text);
  return NULL;
}

/* ---- and back -------------------------------------------------------------------------------- */

static const cJSON *item(const cJSON *json, const char *name)
{
  return cJSON_GetObjectItemCaseSensitive(json, name);
}

static bool read_values(const cJSON *json, const struct space *space, double *values)
{
  int i = 0;
  if (!cJSON_IsArray(json)) return false;
  for (const cJSON *value = json->child; value; value = value->next, i++) {
    if (i == space->n || !cJSON_IsNumber(value)) return false;
    values[i] = value->valuedouble;
    if (param_clamp(&space->params[i], values[i]) != values[i]) return false;
  }
  return i == space->n;
}

static bool read_state(const char *name, enum observation_state *state)
{
  for (size_t i = 0; name && i < sizeof state_names / sizeof *state_names; i++) {
    *state = (enum observation_state)i;
    if (!strcmp(name, state_names[i])) return true;
  }
  return false;
}

static bool read_trial(const cJSON *json, const struct space *space, struct start_trial *t)
{
  const char *free = cJSON_GetStringValue(item(json, "free"));
  double step = cJSON_GetNumberValue(item(json, "step"));
  t->value = cJSON_GetNumberValue(item(json, "value"));
  t->loss = cJSON_GetNumberValue(item(json, "loss")); /* null: NaN */
  if (!read_state(cJSON_GetStringValue(item(json, "state")), &t->state) || !isfinite(t->value)) return false;
  if (!(step >= 0 && step <= INT_MAX) || !free || strlen(free) != (size_t)space->n) return false;
  t->step = (int)step;
  for (int i = 0; i < space->n; i++) t->free[i] = free[i] == '1';
  return read_values(item(json, "values"), space, t->values);
}

static bool read_all(const cJSON *json, const struct space *space, struct start *s)
{
  const cJSON *sources = item(json, "sources"), *best = item(json, "best"), *trials = item(json, "trials");
  if (!cJSON_IsArray(sources) || !cJSON_IsArray(best) || !cJSON_IsArray(trials)) return false;
  int n = cJSON_GetArraySize(trials);
  if (n > START_TRIALS_MAX) return false;
  s->trials = calloc((size_t)n + 1, sizeof *s->trials);
  if (!s->trials) return false;
  for (const cJSON *text = sources->child; text; text = text->next) {
    if (s->n_sources == START_FROM_MAX || !cJSON_IsString(text)) return false;
    snprintf(s->sources[s->n_sources++], START_TEXT, "%s", text->valuestring);
  }
  for (const cJSON *values = best->child; values; values = values->next)
    if (s->n_best == START_BEST_MAX || !read_values(values, space, s->best[s->n_best++])) return false;
  for (const cJSON *trial = trials->child; trial; trial = trial->next)
    if (!read_trial(trial, space, &s->trials[s->n++])) return false;
  return true;
}

int start_read(struct start **start, const struct space *space, const char *text, struct error *e)
{
  cJSON *json = cJSON_ParseWithOpts(text, NULL, 1);
  struct start *s = calloc(1, sizeof *s);
  bool good = json && s && read_all(json, space, s);
  *start = good ? s : NULL;
  if (!good) start_free(s);
  cJSON_Delete(json);
  return good ? 0 : error_set(e, ERROR_FAILED, "the trials that it starts from (gsos:start_trials) are damaged");
}
