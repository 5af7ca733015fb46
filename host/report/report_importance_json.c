/* Importance for programs: one JSON object.  See report_importance.h. */
#include "host/report/report_importance.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

#include "host/base/text_utf8.h"

/* cJSON returns NULL without memory, takes NULL, and leaves out what it could not add; then the
 * whole is given up. */
struct writer {
  bool failed;
};

static cJSON *kept(struct writer *w, cJSON *added)
{
  w->failed = w->failed || !added;
  return added;
}

/* A string of any bytes, which JSON takes as UTF-8; of NULL null. */
static cJSON *string_of(const char *text)
{
  char utf8[4200]; /* more than a path has */
  return text ? cJSON_CreateString(text_utf8(utf8, sizeof utf8, text, strlen(text))) : cJSON_CreateNull();
}

static void add_text(struct writer *w, cJSON *to, const char *name, const char *text)
{
  cJSON *string = kept(w, string_of(text));
  if (cJSON_AddItemToObject(to, name, string)) return;
  cJSON_Delete(string);
  w->failed = true;
}

static void add_text_item(struct writer *w, cJSON *array, const char *text)
{
  cJSON *string = kept(w, string_of(text));
  if (cJSON_AddItemToArray(array, string)) return;
  cJSON_Delete(string);
  w->failed = true;
}

static void add_number(struct writer *w, cJSON *to, const char *name, double number)
{
  char text[32];
  number_format(number, text, sizeof text);
  kept(w, isfinite(number) ? cJSON_AddRawToObject(to, name, text) : cJSON_AddNullToObject(to, name));
}

/* Appends an object to an array. */
static cJSON *add_item(struct writer *w, cJSON *array)
{
  cJSON *item = kept(w, cJSON_CreateObject());
  if (item && !cJSON_AddItemToArray(array, item)) {
    cJSON_Delete(item);
    return kept(w, NULL);
  }
  return item;
}

/* Where it is known; else null. */
static void add_known(struct writer *w, cJSON *to, const char *name, bool known, double number)
{
  add_number(w, to, name, known ? number : NAN);
}

static void add_weights(struct writer *w, cJSON *to, const struct measured_study *m, const struct importance *v)
{
  cJSON *weights = kept(w, cJSON_AddArrayToObject(to, "weights"));
  for (int i = 0; i < m->space->n; i++) {
    cJSON *o = add_item(w, weights);
    add_text(w, o, "name", m->space->params[i].name);
    add_number(w, o, "weight", v->weight[i]);
    add_number(w, o, "raw", v->raw[i]);
    add_known(w, o, "low", v->has_intervals, v->low[i]);
    add_known(w, o, "high", v->has_intervals, v->high[i]);
    add_number(w, o, "rank", v->rank[i]);
    add_known(w, o, "rank_low", v->has_intervals, v->rank_low[i]);
    add_known(w, o, "rank_high", v->has_intervals, v->rank_high[i]);
    add_number(w, o, "deviation", v->deviation[i]);
  }
}

static void add_interactions(struct writer *w, cJSON *to, const struct space *s, const struct importance *v)
{
  cJSON *interactions = kept(w, cJSON_AddArrayToObject(to, "interactions"));
  for (int a = 0; a < s->n; a++)
    for (int b = a + 1; b < s->n; b++) {
      if (v->interaction[a][b] == 0) continue;
      cJSON *o = add_item(w, interactions), *names = kept(w, cJSON_AddArrayToObject(o, "names"));
      add_text_item(w, names, s->params[a].name);
      add_text_item(w, names, s->params[b].name);
      add_number(w, o, "share", v->interaction[a][b]);
    }
}

static void add_groups(struct writer *w, cJSON *to, const struct measured_study *m)
{
  cJSON *groups = kept(w, cJSON_AddArrayToObject(to, "groups"));
  for (int g = 0; m->has_groups && g < m->groups.n; g++) {
    cJSON *o = add_item(w, groups);
    add_text(w, o, "name", m->groups.names[g]);
    cJSON *members = kept(w, cJSON_AddArrayToObject(o, "members"));
    for (int i = 0; i < m->space->n; i++) {
      if (m->groups.of[i] != g) continue;
      add_text_item(w, members, m->space->params[i].name);
    }
    add_number(w, o, "ratio", m->groups.ratio[g]);
  }
}

/* What --accept-change went past: its trials are of more than one machine, library or data set. */
static void add_changes(struct writer *w, cJSON *to, const struct report_study *s)
{
  cJSON *changes = kept(w, cJSON_AddArrayToObject(to, "changes"));
  for (int i = 0; s && i < s->record.n_changes; i++) add_text_item(w, changes, s->record.changes[i]);
}

static void add_study(struct writer *w, cJSON *studies, const struct report_importance *r,
                      const struct measured_study *m)
{
  cJSON *o = add_item(w, studies);
  add_text(w, o, "name", m->name);
  add_text(w, o, "database", m->path);
  add_number(w, o, "studies", m->studies);
  add_number(w, o, "trials", m->trials);
  add_number(w, o, "used", m->used);
  add_changes(w, o, m->study);
  cJSON *methods = kept(w, cJSON_AddArrayToObject(o, "methods"));
  for (int k = 0; m->measured && k < r->n_methods; k++) {
    cJSON *method = add_item(w, methods);
    add_text(w, method, "method", r->methods[k]->name);
    add_text(w, method, "source", r->methods[k]->source);
    kept(w, cJSON_AddBoolToObject(method, "enough", m->used >= importance_trials_enough(m->space)));
    add_weights(w, method, m, &m->measured[k]);
    add_interactions(w, method, m->space, &m->measured[k]);
  }
  add_groups(w, o, m);
}

char *report_importance_json(const struct report_importance *r)
{
  struct writer w = {false};
  cJSON *root = kept(&w, cJSON_CreateObject()), *studies = kept(&w, cJSON_AddArrayToObject(root, "studies"));
  for (int i = 0; i < r->n && !w.failed; i++) add_study(&w, studies, r, &r->studies[i]);
  char *text = w.failed ? NULL : cJSON_PrintUnformatted(root);
  cJSON_Delete(root);
  return text;
}
