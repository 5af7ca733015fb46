/* Importance for programs: one JSON object.  See report_importance.h. */
#include "host/report/report_importance.h"

#include <math.h>

#include "host/base/json_text.h"

/* Where it is known; else null. */
static void add_known(struct json_object *to, const char *name, bool known, double number)
{
  json_add_number(to, name, known ? number : NAN);
}

static void add_weights(struct json_object *to, const struct measured_study *m, const struct importance *v)
{
  struct json_object *weights = json_add_array(to, "weights");
  for (int i = 0; i < m->space->n; i++) {
    struct json_object *o = json_add_object(weights, NULL);
    json_add_string(o, "name", m->space->params[i].name);
    json_add_number(o, "weight", v->weight[i]);
    json_add_number(o, "raw", v->raw[i]);
    add_known(o, "low", v->has_intervals, v->low[i]);
    add_known(o, "high", v->has_intervals, v->high[i]);
    json_add_number(o, "rank", v->rank[i]);
    add_known(o, "rank_low", v->has_intervals, v->rank_low[i]);
    add_known(o, "rank_high", v->has_intervals, v->rank_high[i]);
    json_add_number(o, "deviation", v->deviation[i]);
  }
}

static void add_interactions(struct json_object *to, const struct space *s, const struct importance *v)
{
  struct json_object *interactions = json_add_array(to, "interactions");
  for (int a = 0; a < s->n; a++)
    for (int b = a + 1; b < s->n; b++) {
      if (v->interaction[a][b] == 0) continue;
      struct json_object *o = json_add_object(interactions, NULL), *names = json_add_array(o, "names");
      json_add_string(names, NULL, s->params[a].name);
      json_add_string(names, NULL, s->params[b].name);
      json_add_number(o, "share", v->interaction[a][b]);
    }
}

static void add_groups(struct json_object *to, const struct measured_study *m)
{
  struct json_object *groups = json_add_array(to, "groups");
  for (int g = 0; m->has_groups && g < m->groups.n; g++) {
    struct json_object *o = json_add_object(groups, NULL);
    json_add_string(o, "name", m->groups.names[g]);
    struct json_object *members = json_add_array(o, "members");
    for (int i = 0; i < m->space->n; i++)
      if (m->groups.of[i] == g) json_add_string(members, NULL, m->space->params[i].name);
    json_add_number(o, "ratio", m->groups.ratio[g]);
  }
}

/* What --accept-change went past: its trials are of more than one machine, library or data set. */
static void add_changes(struct json_object *to, const struct report_study *s)
{
  struct json_object *changes = json_add_array(to, "changes");
  for (int i = 0; s && i < s->record.n_changes; i++) json_add_string(changes, NULL, s->record.changes[i]);
}

static void add_study(struct json_object *studies, const struct report_importance *r, const struct measured_study *m)
{
  struct json_object *o = json_add_object(studies, NULL);
  json_add_string(o, "name", m->name);
  json_add_string(o, "database", m->path);
  json_add_number(o, "studies", m->studies);
  json_add_number(o, "trials", m->trials);
  json_add_number(o, "used", m->used);
  add_changes(o, m->study);
  struct json_object *methods = json_add_array(o, "methods");
  for (int k = 0; m->measured && k < r->n_methods; k++) {
    struct json_object *method = json_add_object(methods, NULL);
    json_add_string(method, "method", r->methods[k]->name);
    json_add_string(method, "source", r->methods[k]->source);
    json_add_bool(method, "enough", m->used >= importance_trials_enough(m->space));
    add_weights(method, m, &m->measured[k]);
    add_interactions(method, m->space, &m->measured[k]);
  }
  add_groups(o, m);
}

char *report_importance_json(const struct report_importance *r)
{
  struct json_object *root = json_object_create(), *studies = json_add_array(root, "studies");
  for (int i = 0; i < r->n; i++) add_study(studies, r, &r->studies[i]);
  return json_print(root);
}
