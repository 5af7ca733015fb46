/* What a study database says of a study as a whole: user attributes of the Optuna study, JSON each.
 *
 * A database may come from anywhere, and from any version of this program: an attribute that is
 * missing, is no JSON, has another type or does not fit reads as missing.  The one exception are
 * changes that --accept-change went past: what can be read of them is kept, since leaving them out
 * would make a table say less than it must.
 *
 * gsos:strategy makes a study ours and is written last, so that a record that was cut by a crash is
 * none. */
#include "host/store/study_attributes.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"

#include "host/store/store_internal.h" /* store_json_string, store_json_number */
#include "host/store/study_classes.h"

enum {
  JSON_MAX = 1 << 16,        /* bytes of an attribute; the longest that is written, changes, is half of that */
  SEARCH_TEXT_MAX = 4 << 20, /* bytes; SPACE_MAX longest lines of a search text are 1 MiB */
};

/* ---- reading --------------------------------------------------------------------------------- */

/* The attribute, to be deleted by the caller; NULL where there is none that is JSON, or it is so
 * long that it cannot be one of ours: parsed, a list takes a hundred times its bytes, a text no
 * more than they are. */
static int read_json(struct store *s, int study, const char *key, cJSON **json, struct error *e)
{
  char *text = NULL;
  *json = NULL;
  int code = store_study_attribute_get(s, study, key, &text, e);
  size_t max = text && text[0] == '"' ? 2 * SEARCH_TEXT_MAX : JSON_MAX;
  if (!code && text && strlen(text) <= max && store_utf8(text)) *json = cJSON_ParseWithOpts(text, NULL, 1);
  free(text);
  return code;
}

static bool to_text(const cJSON *json, char *text, size_t size)
{
  const char *value = cJSON_GetStringValue(json);
  if (!value || strlen(value) >= size) return false;
  strcpy(text, value);
  return true;
}

static bool to_whole(const cJSON *json, int *number)
{
  if (!cJSON_IsNumber(json)) return false;
  double value = json->valuedouble;
  if (!(value >= 0 && value <= INT_MAX) || value != floor(value)) return false;
  *number = (int)value;
  return true;
}

static int read_text(struct store *s, int study, const char *key, char *text, size_t size, struct error *e)
{
  cJSON *json;
  int code = read_json(s, study, key, &json, e);
  if (!to_text(json, text, size)) text[0] = 0;
  cJSON_Delete(json);
  return code;
}

static int read_whole(struct store *s, int study, const char *key, int *number, struct error *e)
{
  cJSON *json;
  int code = read_json(s, study, key, &json, e);
  if (!to_whole(json, number)) *number = 0;
  cJSON_Delete(json);
  return code;
}

static int read_bool(struct store *s, int study, const char *key, bool *value, struct error *e)
{
  cJSON *json;
  int code = read_json(s, study, key, &json, e);
  *value = cJSON_IsTrue(json);
  cJSON_Delete(json);
  return code;
}

static int read_seconds(struct store *s, int study, const char *key, double *seconds, struct error *e)
{
  cJSON *json;
  int code = read_json(s, study, key, &json, e);
  double value = cJSON_GetNumberValue(json); /* NaN where it is none */
  *seconds = value > 0 && value < 1e12 ? value : 0;
  cJSON_Delete(json);
  return code;
}

static int read_search(struct store *s, int study, char **text, struct error *e)
{
  cJSON *json;
  int code = read_json(s, study, "gsos:search", &json, e);
  const char *value = cJSON_GetStringValue(json);
  if (value && strlen(value) <= SEARCH_TEXT_MAX && !(*text = strdup(value)))
    code = error_set(e, ERROR_MACHINE, "no memory for the search text of study %d", study);
  cJSON_Delete(json);
  return code;
}

/* Names that trials refer to by their place in the list: all or none. */
static int read_groups(struct store *s, int study, struct study_record *r, struct error *e)
{
  cJSON *json;
  int code = read_json(s, study, "gsos:groups", &json, e), n = 0;
  bool good = cJSON_IsArray(json);
  for (const cJSON *name = good ? json->child : NULL; name && good; name = name->next)
    good = n < RECORD_GROUPS_MAX && to_text(name, r->groups[n++], SPACE_NAME_MAX);
  if (!good) memset(r->groups, 0, sizeof r->groups);
  r->n_groups = good ? n : 0;
  cJSON_Delete(json);
  return code;
}

/* A list of texts, each at text + i * size, at most `most`; returns in *n how many. */
static int read_texts(struct store *s, int study, const char *key, char *text, size_t size, int most, int *n,
                      struct error *e)
{
  cJSON *json;
  int code = read_json(s, study, key, &json, e);
  for (const cJSON *item = cJSON_IsArray(json) ? json->child : NULL; item && *n < most; item = item->next) {
    if (!cJSON_IsString(item)) continue;
    text_format(text + (size_t)(*n)++ * size, size, "%s", item->valuestring);
  }
  cJSON_Delete(json);
  return code;
}

static int read_test(struct store *s, int study, struct study_test *test, struct error *e)
{
  cJSON *json;
  int code = read_json(s, study, "gsos:test", &json, e);
  struct study_test t = {.available = cJSON_IsObject(json)};
  t.value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "value"));
  t.loss = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "loss"));
  if (!to_whole(cJSON_GetObjectItemCaseSensitive(json, "trial"), &t.trial) || !isfinite(t.value) ||
      !to_whole(cJSON_GetObjectItemCaseSensitive(json, "n"), &t.n) ||
      !to_whole(cJSON_GetObjectItemCaseSensitive(json, "correct"), &t.correct))
    t = (struct study_test){0};
  *test = t;
  cJSON_Delete(json);
  return code;
}

static void to_repeat(const cJSON *json, struct study_repeat *r)
{
  const cJSON *test = cJSON_GetObjectItemCaseSensitive(json, "test");
  double images = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "images"));
  r->failed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "failed"));
  r->value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "value"));
  r->loss = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "loss"));
  r->tested = cJSON_IsNumber(test);
  r->test = cJSON_GetNumberValue(test);
  r->test_loss = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "test_loss"));
  r->seconds = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "seconds"));
  r->flops = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "flops"));
  r->images = images > 0 && images < 1e15 ? (int64_t)images : 0;
  r->ended = r->failed || isfinite(r->value);
}

static int read_repeats(struct store *s, int study, struct study_repeats *repeats, struct error *e)
{
  cJSON *json;
  int code = read_json(s, study, "gsos:repeats", &json, e), k = 0;
  const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "trainings");
  int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
  bool good = n > 0 && n <= RECORD_REPEATS_MAX &&
              to_whole(cJSON_GetObjectItemCaseSensitive(json, "trial"), &repeats->trial) &&
              to_whole(cJSON_GetObjectItemCaseSensitive(json, "first"), &repeats->first);
  if (good && !(repeats->all = calloc((size_t)n, sizeof *repeats->all)))
    code = error_set(e, ERROR_MACHINE, "no memory for the repeats of study %d", study);
  if (repeats->all) repeats->n = n;
  for (const cJSON *one = repeats->all ? list->child : NULL; one; one = one->next) to_repeat(one, &repeats->all[k++]);
  cJSON_Delete(json);
  return code;
}

int study_record_read(struct store *s, int study, struct study_record *r, struct error *e)
{
  int code;
  memset(r, 0, sizeof *r);
  if ((code = read_text(s, study, "gsos:strategy", r->strategy, sizeof r->strategy, e))) return code;
  if (!(r->ours = r->strategy[0] != 0)) return 0;
  if ((code = read_text(s, study, "gsos:version", r->version, sizeof r->version, e)) ||
      (code = read_whole(s, study, "gsos:history", &r->history, e)) ||
      (code = read_text(s, study, "gsos:experiment", r->experiment, sizeof r->experiment, e)) ||
      (code = read_whole(s, study, "gsos:round", &r->round, e)) ||
      (code = read_whole(s, study, "gsos:trials", &r->trials, e)) ||
      (code = read_text(s, study, "gsos:objective", r->objective, sizeof r->objective, e)) ||
      (code = read_text(s, study, "gsos:value_name", r->value_name, sizeof r->value_name, e)) ||
      (code = read_whole(s, study, "gsos:value_n", &r->value_n, e)) || (code = read_search(s, study, &r->search, e)) ||
      (code = read_text(s, study, "gsos:depends_on", r->depends_on, sizeof r->depends_on, e)) ||
      (code = read_groups(s, study, r, e)) || (code = read_bool(s, study, "gsos:finished", &r->finished, e)) ||
      (code = read_bool(s, study, "gsos:target_reached", &r->target_reached, e)) ||
      (code = read_whole(s, study, "gsos:retried", &r->retried, e)) ||
      (code = read_seconds(s, study, "gsos:wall_s", &r->wall_s, e)) ||
      (code = read_bool(s, study, "gsos:ran_alone", &r->ran_alone, e)) || (code = read_test(s, study, &r->test, e)))
    return code;
  if ((code = read_texts(s, study, "gsos:start", r->start[0], sizeof r->start[0], RECORD_START_MAX, &r->n_start, e)) ||
      (code = read_whole(s, study, "gsos:start_best", &r->start_best, e)) ||
      (code = read_bool(s, study, "gsos:start_seen", &r->start_seen, e)) ||
      (code = read_repeats(s, study, &r->repeats, e)))
    return code;
  return read_texts(s, study, "gsos:changes", r->changes[0], sizeof r->changes[0], RECORD_CHANGES_MAX, &r->n_changes,
                    e);
}

void study_record_free(struct study_record *r)
{
  free(r->search);
  r->search = NULL;
  free(r->repeats.all);
  r->repeats = (struct study_repeats){0};
}

int study_repeats_ended(const struct study_repeats *r, int n)
{
  int ended = 0;
  for (int k = 0; k < r->n && k < n; k++) ended += r->all[k].ended;
  return ended;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int no_memory(struct error *e)
{
  return error_set(e, ERROR_MACHINE, "no memory for the attributes of a study");
}

/* NULL is written as null. */
static int write_text(struct store *s, int study, const char *key, const char *text, struct error *e)
{
  char *json = text ? store_json_string(text) : strdup("null");
  int code = json ? store_study_attribute_set(s, study, key, json, e) : no_memory(e);
  free(json);
  return code;
}

static int write_number(struct store *s, int study, const char *key, double number, struct error *e)
{
  char json[40];
  store_json_number(number, json, sizeof json);
  return store_study_attribute_set(s, study, key, json, e);
}

static int write_bool(struct store *s, int study, const char *key, bool value, struct error *e)
{
  return store_study_attribute_set(s, study, key, value ? "true" : "false", e);
}

/* A list of n texts, each at text + i * size. */
static int write_list(struct store *s, int study, const char *key, const char *text, size_t size, int n,
                      struct error *e)
{
  cJSON *list = cJSON_CreateArray();
  bool good = list;
  for (int i = 0; i < n && good; i++) {
    char *json = store_json_string(text + (size_t)i * size); /* cJSON would pass on what is no UTF-8 */
    good = json && cJSON_AddItemToArray(list, cJSON_CreateRaw(json));
    free(json);
  }
  char *json = good ? cJSON_PrintUnformatted(list) : NULL;
  int code = json ? store_study_attribute_set(s, study, key, json, e) : no_memory(e);
  cJSON_free(json);
  cJSON_Delete(list);
  return code;
}

int study_record_write_wall(struct store *s, int study, double wall_s, bool ran_alone, struct error *e)
{
  int code = write_number(s, study, "gsos:wall_s", wall_s, e);
  return code ? code : write_bool(s, study, "gsos:ran_alone", ran_alone, e);
}

int study_record_write_test(struct store *s, int study, const struct study_test *test,
                            const struct class_counts *classes, struct error *e)
{
  char json[300], value[40], loss[40];
  store_json_number(test->value, value, sizeof value);
  store_json_number(test->loss, loss, sizeof loss);
  snprintf(json, sizeof json, "{\"trial\": %d, \"value\": %s, \"loss\": %s, \"n\": %d, \"correct\": %d}", test->trial,
           value, loss, test->n, test->correct);
  const struct store_attribute of_test = {"gsos:test", test->available ? json : "null"};
  if (!classes || !test->available) return store_study_attributes_set(s, study, &of_test, 1, e);
  char *confusion = study_confusion_json(classes, test->trial), *mistakes = study_mistakes_json(classes, test->trial);
  const struct store_attribute all[] = {of_test, {"gsos:confusion", confusion}, {"gsos:mistakes", mistakes}};
  int code = confusion && mistakes ? store_study_attributes_set(s, study, all, 3, e) : no_memory(e);
  free(confusion);
  free(mistakes);
  return code;
}

/* ", "NAME": NUMBER" */
static void append_number(char *json, size_t size, const char *name, double number)
{
  char text[40];
  size_t used = strlen(json);
  store_json_number(number, text, sizeof text);
  snprintf(json + used, size - used, ", \"%s\": %s", name, text);
}

static void repeat_json(const struct study_repeat *r, char *json, size_t size)
{
  snprintf(json, size, r->ended ? "{\"failed\": %s" : "null", r->failed ? "true" : "false");
  if (!r->ended) return;
  if (!r->failed) append_number(json, size, "value", r->value);
  if (!r->failed) append_number(json, size, "loss", r->loss);
  if (r->tested) append_number(json, size, "test", r->test);
  if (r->tested) append_number(json, size, "test_loss", r->test_loss);
  append_number(json, size, "seconds", r->seconds);
  append_number(json, size, "flops", r->flops);
  append_number(json, size, "images", (double)r->images);
  strncat(json, "}", size - strlen(json) - 1);
}

int study_record_write_repeats(struct store *s, int study, const struct study_repeats *repeats, struct error *e)
{
  enum { ONE = 400 };
  size_t size = 100 + (size_t)repeats->n * ONE, used;
  char *json = malloc(size);
  if (!json) return no_memory(e);
  used =
      (size_t)snprintf(json, size, "{\"trial\": %d, \"first\": %d, \"trainings\": [", repeats->trial, repeats->first);
  for (int k = 0; k < repeats->n; k++) {
    char one[ONE - 2];
    repeat_json(&repeats->all[k], one, sizeof one);
    used += (size_t)snprintf(json + used, size - used, "%s%s", k ? ", " : "", one);
  }
  snprintf(json + used, size - used, "]}");
  int code = store_study_attribute_set(s, study, "gsos:repeats", json, e);
  free(json);
  return code;
}

/* A crash between the two leaves a study that is not finished, never one that is and does not say
 * why. */
int study_record_write_finished(struct store *s, int study, bool finished, bool target_reached, struct error *e)
{
  int code = finished ? 0 : write_bool(s, study, "gsos:finished", false, e);
  if (!code) code = write_bool(s, study, "gsos:target_reached", target_reached, e);
  return !code && finished ? write_bool(s, study, "gsos:finished", true, e) : code;
}

/* Of a study that starts from nothing nothing is written. */
static int write_start(struct store *s, int study, const struct study_record *r, struct error *e)
{
  if (r->n_start == 0) return 0;
  int code = write_list(s, study, "gsos:start", r->start[0], sizeof r->start[0], r->n_start, e);
  if (!code) code = write_number(s, study, "gsos:start_best", r->start_best, e);
  return code ? code : write_bool(s, study, "gsos:start_seen", r->start_seen, e);
}

int study_start_write(struct store *s, int study, const char *json, struct error *e)
{
  return store_study_attribute_set(s, study, "gsos:start_trials", json, e);
}

int study_start_read(struct store *s, int study, char **json, struct error *e)
{
  return store_study_attribute_get(s, study, "gsos:start_trials", json, e);
}

int study_record_write(struct store *s, int study, const struct study_record *r, struct error *e)
{
  int code;
  if ((code = write_text(s, study, "gsos:version", r->version, e)) ||
      (code = write_number(s, study, "gsos:history", r->history, e)) ||
      (code = write_text(s, study, "gsos:experiment", r->experiment, e)) ||
      (code = write_number(s, study, "gsos:round", r->round, e)) ||
      (code = write_number(s, study, "gsos:trials", r->trials, e)) ||
      (code = write_text(s, study, "gsos:objective", r->objective, e)) ||
      (code = write_text(s, study, "gsos:value_name", r->value_name, e)) ||
      (code = write_number(s, study, "gsos:value_n", r->value_n, e)) ||
      (code = write_text(s, study, "gsos:search", r->search, e)) ||
      (code = write_text(s, study, "gsos:depends_on", r->depends_on, e)) ||
      (code = write_list(s, study, "gsos:groups", r->groups[0], sizeof r->groups[0], r->n_groups, e)) ||
      (code = write_list(s, study, "gsos:changes", r->changes[0], sizeof r->changes[0], r->n_changes, e)) ||
      (code = write_start(s, study, r, e)) || (code = write_number(s, study, "gsos:retried", r->retried, e)) ||
      (code = study_record_write_wall(s, study, r->wall_s, r->ran_alone, e)) ||
      (code = study_record_write_test(s, study, &r->test, NULL, e)) ||
      (code = study_record_write_finished(s, study, r->finished, r->target_reached, e)))
    return code;
  return write_text(s, study, "gsos:strategy", r->strategy, e);
}
