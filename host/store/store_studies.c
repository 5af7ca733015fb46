/* Studies of a database, and what is known of each as a whole. */
#include "host/store/store_internal.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"

enum { STUDY_NAME_BYTES = 512 }; /* of the column; Optuna counts characters, which are not more */

struct study_work {
  const char *name, *key, *json;
  bool maximize;
  int index;
  int64_t id;
  bool created;
  char *text;
};

/* The direction of a study's objective; a study of several objectives is not ours to read. */
static int read_direction(struct store *s, int64_t study, bool *maximize, struct error *e)
{
  int64_t objectives;
  char *direction;
  int code =
      store_number(s, e, &objectives, 0, "SELECT count(*) FROM study_directions WHERE study_id = ?1", "i", study);
  if (code) return code;
  if (objectives > 1)
    return error_set(e, ERROR_FAILED, "%s: study %lld has %lld objectives; gsos reads studies of one", s->shown,
                     (long long)study, (long long)objectives);
  code = store_text(s, e, &direction, "SELECT direction FROM study_directions WHERE study_id = ?1 AND objective = 0",
                    "i", study);
  if (code) return code;
  *maximize = direction && !strcmp(direction, "MAXIMIZE");
  free(direction);
  return 0;
}

static int open_study(struct store *s, void *context, struct error *e)
{
  struct study_work *w = context;
  w->created = false;
  int code = store_number(s, e, &w->id, 0, "SELECT study_id FROM studies WHERE study_name = ?1", "t", w->name);
  if (code) return code;
  if (w->id) {
    bool maximize;
    if ((code = read_direction(s, w->id, &maximize, e))) return code;
    if (maximize == w->maximize) return 0;
    return error_set(e, ERROR_FAILED,
                     "%s: study '%s' is there already and %s its objective, which is now to be %s; choose "
                     "another --output",
                     s->shown, w->name, maximize ? "maximizes" : "minimizes", w->maximize ? "maximized" : "minimized");
  }
  if (s->read_only) return error_set(e, ERROR_FAILED, "%s: has no study '%s'", s->shown, w->name);
  if ((code = store_run(s, e, "INSERT INTO studies (study_name) VALUES (?1)", "t", w->name))) return code;
  w->id = sqlite3_last_insert_rowid(s->db);
  w->created = true;
  code = store_run(s, e, "INSERT INTO study_directions (direction, study_id, objective) VALUES (?1, ?2, 0)", "ti",
                   w->maximize ? "MAXIMIZE" : "MINIMIZE", w->id);
  if (!code && s->owner.owned) code = store_owner_write(s, e);
  return code;
}

static int write_metric_name(struct store *s, void *context, struct error *e)
{
  const struct study_work *w = context;
  return store_run(s, e,
                   "INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES (?1, "
                   "'study:metric_names', ?2) ON CONFLICT (study_id, \"key\") DO UPDATE SET value_json = "
                   "excluded.value_json",
                   "it", w->id, w->json);
}

int store_study_metric_name(struct store *s, int study, const char *name, struct error *e)
{
  char *text = store_json_string(name), json[300];
  if (!text) return error_set(e, ERROR_MACHINE, "no memory for the attributes of a study");
  snprintf(json, sizeof json, "[%s]", text);
  struct study_work w = {.json = json, .id = study};
  free(text);
  store_lock(s);
  int code = store_write(s, write_metric_name, &w, e);
  store_unlock(s);
  return code;
}

int store_study(struct store *s, const char *name, bool maximize, int *id, bool *created, struct error *e)
{
  struct study_work w = {.name = name, .maximize = maximize};
  if (!name[0] || strlen(name) > STUDY_NAME_BYTES || !store_utf8(name)) {
    char shown[100];
    return error_set(e, ERROR_CONFIG, "'%s' cannot name a study: 1 to %d bytes of UTF-8 are wanted",
                     text_escape(shown, sizeof shown, name), STUDY_NAME_BYTES);
  }
  store_lock(s);
  int code = s->read_only ? store_read(s, open_study, &w, e) : store_write(s, open_study, &w, e);
  store_unlock(s);
  *id = (int)w.id;
  if (created) *created = w.created;
  return code;
}

static int count_studies(struct store *s, void *count, struct error *e)
{
  return store_number(s, e, count, 0, "SELECT count(*) FROM studies", "");
}

int store_study_count(struct store *s, int *n, struct error *e)
{
  int64_t count = 0;
  store_lock(s);
  int code = store_read(s, count_studies, &count, e);
  store_unlock(s);
  *n = (int)count;
  return code;
}

static int name_study(struct store *s, void *context, struct error *e)
{
  struct study_work *w = context;
  free(w->text);
  w->text = NULL;
  int code = store_number(s, e, &w->id, 0, "SELECT study_id FROM studies ORDER BY study_id LIMIT 1 OFFSET ?1", "i",
                          (int64_t)w->index);
  if (!code && !w->id) return error_set(e, ERROR_FAILED, "%s: has no study of index %d", s->shown, w->index);
  if (!code) code = store_text(s, e, &w->text, "SELECT study_name FROM studies WHERE study_id = ?1", "i", w->id);
  if (!code && !w->text) code = error_set(e, ERROR_FAILED, "%s: study %lld has no name", s->shown, (long long)w->id);
  return code;
}

static int direct_study(struct store *s, void *context, struct error *e)
{
  struct study_work *w = context;
  return read_direction(s, w->id, &w->maximize, e);
}

int store_study_name(struct store *s, int index, char *name, size_t size, int *id, bool *maximize, struct error *e)
{
  struct study_work w = {.index = index};
  store_lock(s);
  int code = store_read(s, name_study, &w, e);
  bool named = !code;
  if (!code && maximize) code = store_read(s, direct_study, &w, e);
  store_unlock(s);
  if (named) {
    text_format(name, size, "%s", w.text);
    *id = (int)w.id;
    if (maximize) *maximize = w.maximize;
  }
  free(w.text);
  return code;
}

struct ended_work {
  int64_t study, ended, failed;
  char *last;
};

static int count_ended(struct store *s, void *context, struct error *e)
{
  struct ended_work *w = context;
  free(w->last);
  w->last = NULL;
  int code = store_number(s, e, &w->ended, 0,
                          "SELECT count(*) FROM trials WHERE study_id = ?1 AND state IN ('COMPLETE', 'PRUNED', 'FAIL')",
                          "i", w->study);
  if (!code)
    code = store_number(s, e, &w->failed, 0, "SELECT count(*) FROM trials WHERE study_id = ?1 AND state = 'FAIL'", "i",
                        w->study);
  return code ? code
              : store_text(s, e, &w->last, "SELECT max(datetime_complete) FROM trials WHERE study_id = ?1", "i",
                           w->study);
}

int store_study_ended(struct store *s, int study, struct store_ended *ended, struct error *e)
{
  struct ended_work w = {.study = study};
  store_lock(s);
  int code = store_read(s, count_ended, &w, e);
  store_unlock(s);
  *ended = (struct store_ended){(int)w.ended, (int)w.failed, w.last ? store_time_parse(w.last) : NAN};
  free(w.last);
  return code;
}

struct attributes_work {
  int64_t study;
  const struct store_attribute *all; /* [n] */
  int n;
};

static int set_attributes(struct store *s, void *context, struct error *e)
{
  const struct attributes_work *w = context;
  int code = 0;
  for (int i = 0; i < w->n && !code; i++)
    code = store_run(s, e,
                     "INSERT INTO study_user_attributes (study_id, \"key\", value_json) VALUES (?1, ?2, ?3) "
                     "ON CONFLICT (study_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                     "itt", w->study, w->all[i].key, w->all[i].json);
  return code;
}

/* One broken value would make the whole study unreadable to Optuna. */
static int check_json(struct store *s, const char *key, const char *json, struct error *e)
{
  cJSON *parsed = store_utf8(json) ? cJSON_ParseWithOpts(json, NULL, 1) : NULL;
  bool ok = parsed;
  cJSON_Delete(parsed);
  return ok ? 0 : error_set(e, ERROR_FAILED, "%s: the attribute %s is not JSON", s->shown, key);
}

int store_study_attributes_set(struct store *s, int study, const struct store_attribute *attributes, int n,
                               struct error *e)
{
  struct attributes_work w = {study, attributes, n};
  for (int i = 0; i < n; i++)
    if (check_json(s, attributes[i].key, attributes[i].json, e)) return e->code;
  store_lock(s);
  int code = store_write(s, set_attributes, &w, e);
  store_unlock(s);
  return code;
}

int store_study_attribute_set(struct store *s, int study, const char *key, const char *json, struct error *e)
{
  return store_study_attributes_set(s, study, &(struct store_attribute){key, json}, 1, e);
}

static int get_attribute(struct store *s, void *context, struct error *e)
{
  struct study_work *w = context;
  free(w->text);
  return store_text(s, e, &w->text, "SELECT value_json FROM study_user_attributes WHERE study_id = ?1 AND \"key\" = ?2",
                    "it", w->id, w->key);
}

int store_study_attribute_get(struct store *s, int study, const char *key, char **json, struct error *e)
{
  struct study_work w = {.id = study, .key = key};
  store_lock(s);
  int code = store_read(s, get_attribute, &w, e);
  store_unlock(s);
  if (code) {
    free(w.text);
    w.text = NULL;
  }
  *json = w.text;
  return code;
}
