/* Reading trials: all of a study in one read transaction, table by table, without a query per
 * trial.
 *
 * Each table is walked in the order of the study's trial ids, through the index that the schema
 * has, so rows of one trial come one after the other and the trial is found without a search.
 * Texts that are the same for trial after trial (a distribution, the list of what was free) are
 * compared before they are parsed. */
#include "host/store/store_internal.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"

enum { EPOCHS_MAX = 1000000 }; /* a step beyond that in a file is refused, not allocated for */

struct load {
  int study;
  const struct space *space; /* names and order; NULL: `found` is filled */
  struct space *found;
  struct stored_trial *trials; /* [n] */
  int64_t *ids;                /* [n] ascending */
  int *params_seen;            /* [n] */
  int n, capacity;
  int at;                 /* the trial of the last row */
  char *texts[SPACE_MAX]; /* the last distribution_json of each param that was found to fit */
  int after[SPACE_MAX];   /* the param that followed this one in the last trial */
  char *free_text;        /* the last gsos:free, and what it says */
  bool free[SPACE_MAX];
};

static int no_memory(struct store *s, struct error *e)
{
  return error_set(e, ERROR_MACHINE, "%s: no memory for its trials", s->shown);
}

static void load_clear(struct load *l)
{
  free(l->trials);
  free(l->ids);
  free(l->params_seen);
  free(l->free_text);
  for (int i = 0; i < SPACE_MAX; i++) free(l->texts[i]);
  if (l->found) space_destroy(l->found);
  struct load fresh = {.study = l->study, .space = l->space, .found = l->found};
  *l = fresh;
}

static const char *column(sqlite3_stmt *q, int i)
{
  const char *text = (const char *)sqlite3_column_text(q, i);
  return text ? text : "";
}

/* --------------------------------------------------------------------------------------- trials */

static int grow(struct store *s, struct load *l, struct error *e)
{
  if (l->n < l->capacity) return 0;
  if (l->capacity > INT_MAX / 2) return no_memory(s, e);
  size_t capacity = l->capacity ? (size_t)l->capacity * 2 : 256;
  struct stored_trial *trials = realloc(l->trials, capacity * sizeof *trials);
  if (trials) l->trials = trials;
  int64_t *ids = realloc(l->ids, capacity * sizeof *ids);
  if (ids) l->ids = ids;
  int *seen = realloc(l->params_seen, capacity * sizeof *seen);
  if (seen) l->params_seen = seen;
  if (!trials || !ids || !seen) return no_memory(s, e);
  l->capacity = (int)capacity;
  return 0;
}

static int read_state(const char *name, enum stored_state *state)
{
  for (*state = STORED_RUNNING; *state <= STORED_WAITING; (*state)++)
    if (!strcmp(name, store_state_name(*state))) return 0;
  return -1;
}

static int load_rows(struct store *s, struct load *l, struct error *e)
{
  sqlite3_stmt *q;
  int code = store_query(s, e, &q, "SELECT trial_id, number, state FROM trials WHERE study_id = ?1 ORDER BY trial_id",
                         "i", (int64_t)l->study);
  while (!code && (code = store_step(s, q, e)) > 0) {
    if ((code = grow(s, l, e))) break;
    struct stored_trial *t = &l->trials[l->n];
    memset(t, 0, sizeof *t);
    l->ids[l->n] = sqlite3_column_int64(q, 0);
    l->params_seen[l->n] = 0;
    t->number = sqlite3_column_int(q, 1);
    t->value = NAN;
    t->group = -1;
    for (int i = 0; i < SPACE_MAX; i++) t->values[i] = NAN;
    if (read_state(column(q, 2), &t->state)) {
      char shown[64];
      return error_set(e, ERROR_FAILED, "%s: trial %d has the unknown state '%s'", s->shown, t->number,
                       text_escape(shown, sizeof shown, column(q, 2)));
    }
    /* A run looks trials up by their number; to show those of another program, any first one will
     * do. */
    int expected = l->n ? l->trials[l->n - 1].number + 1 : s->read_only ? t->number : 0;
    if (t->number != expected)
      return error_set(e, ERROR_FAILED,
                       "%s: the trials of study %d are not numbered one after the other (trial_id %lld has number %d)",
                       s->shown, l->study, (long long)l->ids[l->n], t->number);
    l->n++;
  }
  return code;
}

/* The trial of a row; NULL where there is none. Rows come in the order of the ids. */
static struct stored_trial *find(struct load *l, int64_t id)
{
  if (l->at >= l->n || l->ids[l->at] > id) l->at = 0;
  while (l->at < l->n && l->ids[l->at] < id) l->at++;
  return l->at < l->n && l->ids[l->at] == id ? &l->trials[l->at] : NULL;
}

/* --------------------------------------------------------------------------------------- params */

/* Does a stored distribution go with the param?  Choices must be the same, for an index means
 * nothing without them. */
static int fit(struct store *s, struct load *l, struct param *p, int i, const char *json, struct error *e)
{
  struct param stored;
  if (l->texts[i] && !strcmp(l->texts[i], json)) return 0;
  int code = store_distribution_parse(&stored, p->name, json, e);
  if (code) return error_prefix(e, "%s", s->shown);
  struct param merged = *p; /* with the choices of p */
  bool same = store_distribution_merge(&merged, &stored);
  /* Ascending numbers may have been given as categories. */
  if (!same && p->n_choices && p->n_choices == stored.n_choices) {
    merged.type = stored.type;
    same = store_distribution_merge(&merged, &stored);
    merged.type = p->type;
  }
  param_destroy(&stored);
  if (!same)
    return error_set(e, ERROR_FAILED, "%s: '%s' is stored with another type or other choices than %s", s->shown,
                     p->name, l->space ? "it has now" : "in an earlier trial");
  if (!l->space) *p = merged;
  free(l->texts[i]);
  return (l->texts[i] = strdup(json)) ? 0 : no_memory(s, e);
}

/* The param called `name`: the one that followed the last row's param in the trial before, most of
 * the time. */
static int find_param(const struct space *space, struct load *l, int last, const char *name)
{
  int guess = last < 0 ? 0 : l->after[last];
  if (guess < space->n && !strcmp(space->params[guess].name, name)) return guess;
  int i = space_index(space, name);
  if (i >= 0 && last >= 0) l->after[last] = i;
  return i;
}

static int add_param(struct store *s, struct load *l, const char *name, const char *json, int *i, struct error *e)
{
  char shown[100];
  if (l->space)
    return error_set(e, ERROR_FAILED, "%s: a trial has the hyperparameter '%s', which the search space lacks", s->shown,
                     text_escape(shown, sizeof shown, name));
  if (l->found->n == SPACE_MAX)
    return error_set(e, ERROR_FAILED, "%s: study %d has more than %d hyperparameters", s->shown, l->study, SPACE_MAX);
  if (store_distribution_parse(&l->found->params[l->found->n], name, json, e)) return error_prefix(e, "%s", s->shown);
  *i = l->found->n++;
  return (l->texts[*i] = strdup(json)) ? 0 : no_memory(s, e);
}

static int load_params(struct store *s, struct load *l, const char *sql, int64_t argument, struct error *e)
{
  struct space *space = l->space ? (struct space *)l->space : l->found; /* only `found` is written to */
  sqlite3_stmt *q;
  struct stored_trial *previous = NULL;
  int last = -1;
  int code = store_query(s, e, &q, sql, "i", argument);
  while (!code && (code = store_step(s, q, e)) > 0) {
    code = 0;
    struct stored_trial *t = find(l, sqlite3_column_int64(q, 0));
    if (!t) continue;
    if (t != previous) last = -1;
    previous = t;
    const char *name = column(q, 1), *json = column(q, 3);
    int i = find_param(space, l, last, name);
    if (i < 0)
      code = add_param(s, l, name, json, &i, e);
    else
      code = fit(s, l, &space->params[i], i, json, e);
    if (code) break;
    double value = sqlite3_column_double(q, 2);
    if (l->space && param_clamp(&space->params[i], value) != value)
      code = error_set(e, ERROR_FAILED, "%s: trial %d has %g for '%s', which the search space does not allow", s->shown,
                       t->number, value, name);
    if (space->params[i].n_choices) value = param_clamp(&space->params[i], value); /* it indexes arrays */
    t->values[i] = value;
    l->params_seen[l->at]++;
    last = i;
  }
  return code;
}

static int check_complete(struct store *s, const struct load *l, struct error *e)
{
  for (int i = 0; l->space && i < l->n; i++) {
    if (l->params_seen[i] < l->space->n && l->trials[i].state != STORED_WAITING)
      return error_set(e, ERROR_FAILED, "%s: trial %d lacks hyperparameters of the search space", s->shown,
                       l->trials[i].number);
  }
  return 0;
}

/* --------------------------------------------------------------------------------------- values */

/* A stored value and its type. */
static double typed(sqlite3_stmt *q, int value, int type)
{
  const char *name = column(q, type);
  if (!strcmp(name, "INF_POS")) return INFINITY;
  if (!strcmp(name, "INF_NEG")) return -INFINITY;
  return sqlite3_column_type(q, value) == SQLITE_NULL ? NAN : sqlite3_column_double(q, value);
}

static int load_values(struct store *s, struct load *l, struct error *e)
{
  sqlite3_stmt *q;
  int code = store_query(s, e, &q,
                         "SELECT t.trial_id, v.value, v.value_type FROM trials t CROSS JOIN trial_values v "
                         "ON v.trial_id = t.trial_id AND v.objective = 0 WHERE t.study_id = ?1 ORDER BY t.trial_id",
                         "i", (int64_t)l->study);
  while (!code && (code = store_step(s, q, e)) > 0) {
    code = 0;
    struct stored_trial *t = find(l, sqlite3_column_int64(q, 0));
    if (t) t->value = typed(q, 1, 2);
  }
  return code;
}

/* ----------------------------------------------------------------------------------- attributes */

static double json_number(const char *json)
{
  char *end;
  double value = strtod(json, &end);
  return end == json ? NAN : value; /* null */
}

static int free_mask(struct store *s, struct load *l, const char *json, bool *mask, struct error *e)
{
  const struct space *space = l->space ? l->space : l->found;
  if (!l->free_text || strcmp(l->free_text, json) != 0) {
    memset(l->free, 0, sizeof l->free);
    cJSON *names = cJSON_Parse(json);
    const cJSON *name;
    cJSON_ArrayForEach(name, names)
    {
      int i = cJSON_IsString(name) ? space_index(space, name->valuestring) : -1;
      if (i >= 0) l->free[i] = true;
    }
    cJSON_Delete(names);
    free(l->free_text);
    if (!(l->free_text = strdup(json))) return no_memory(s, e);
  }
  memcpy(mask, l->free, sizeof l->free);
  return 0;
}

static void copy_reason(const char *json, struct stored_trial *t)
{
  cJSON *text = cJSON_Parse(json);
  if (cJSON_IsString(text)) text_format(t->reason, sizeof t->reason, "%s", text->valuestring);
  cJSON_Delete(text);
}

static int64_t whole(double value)
{
  return value > -9e15 && value < 9e15 ? (int64_t)value : 0;
}

static int read_attribute(struct store *s, struct load *l, struct stored_trial *t, const char *key, const char *json,
                          struct error *e)
{
  if (!strcmp(key, "epochs"))
    t->epochs = (int)whole(fmin(json_number(json), INT_MAX));
  else if (!strcmp(key, "flops"))
    t->flops = json_number(json);
  else if (!strcmp(key, "free"))
    return free_mask(s, l, json, t->free, e);
  else if (!strcmp(key, "group"))
    t->group = (int)whole(fmin(json_number(json), INT_MAX));
  else if (!strcmp(key, "images"))
    t->images = whole(json_number(json));
  else if (!strcmp(key, "key"))
    t->key = json[0] == '"' ? strtoull(json + 1, NULL, 16) : 0;
  else if (!strcmp(key, "loss"))
    t->loss = json_number(json);
  else if (!strcmp(key, "reason"))
    copy_reason(json, t);
  else if (!strcmp(key, "seconds"))
    t->seconds = json_number(json);
  else if (!strcmp(key, "wall_s"))
    t->wall_s = json_number(json);
  return 0;
}

static int load_attributes(struct store *s, struct load *l, struct error *e)
{
  sqlite3_stmt *q;
  int code = store_query(s, e, &q,
                         "SELECT t.trial_id, a.\"key\", a.value_json FROM trials t CROSS JOIN trial_user_attributes a "
                         "ON a.trial_id = t.trial_id WHERE t.study_id = ?1 AND a.\"key\" GLOB 'gsos:*' "
                         "ORDER BY t.trial_id",
                         "i", (int64_t)l->study);
  while (!code && (code = store_step(s, q, e)) > 0) {
    struct stored_trial *t = find(l, sqlite3_column_int64(q, 0));
    code = t ? read_attribute(s, l, t, column(q, 1) + strlen("gsos:"), column(q, 2), e) : 0;
  }
  return code;
}

/* ------------------------------------------------------------------------------------------ all */

static int load_work(struct store *s, void *context, struct error *e)
{
  struct load *l = context;
  load_clear(l); /* of an attempt before */
  int code = load_rows(s, l, e);
  if (code || !l->n) return code;
  /* In the first trial's own order, which is the space's; the index below is in that of the
   * alphabet. */
  if (!l->space)
    code =
        load_params(s, l,
                    "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params WHERE trial_id = ?1 "
                    "ORDER BY param_id",
                    l->ids[0], e);
  if (!code)
    code = load_params(s, l,
                       "SELECT t.trial_id, p.param_name, p.param_value, p.distribution_json FROM trials t "
                       "CROSS JOIN trial_params p ON p.trial_id = t.trial_id WHERE t.study_id = ?1 ORDER BY t.trial_id",
                       l->study, e);
  if (!code) code = check_complete(s, l, e);
  if (!code) code = load_values(s, l, e);
  return code ? code : load_attributes(s, l, e);
}

int store_trials(struct store *s, int study, const struct space *space, struct space *space_out,
                 struct stored_trial **trials, int *n, struct error *e)
{
  struct load l = {.study = study, .space = space, .found = space ? NULL : space_out};
  *trials = NULL;
  *n = 0;
  if (l.found) space_init(l.found);
  store_lock(s);
  int code = store_read(s, load_work, &l, e);
  store_unlock(s);
  if (!code) {
    *trials = l.trials;
    *n = l.n;
    l.trials = NULL;
    l.found = NULL; /* the caller's now */
  }
  load_clear(&l);
  return code;
}

struct epochs {
  int study, number;
  double *values;
  int n, capacity;
};

static int epochs_put(struct store *s, struct epochs *x, int64_t step, double value, struct error *e)
{
  if (step < 1) return 0; /* other programs also count from 0 */
  if (step > EPOCHS_MAX)
    return error_set(e, ERROR_FAILED, "%s: trial %d has a value of step %lld", s->shown, x->number, (long long)step);
  if (step > x->capacity) {
    int capacity = step < 32 ? 64 : (int)step * 2;
    double *values = realloc(x->values, (size_t)capacity * sizeof *values);
    if (!values) return no_memory(s, e);
    x->values = values;
    x->capacity = capacity;
  }
  while (x->n < step) x->values[x->n++] = NAN;
  x->values[step - 1] = value;
  return 0;
}

static int epochs_work(struct store *s, void *context, struct error *e)
{
  struct epochs *x = context;
  sqlite3_stmt *q;
  x->n = 0;
  int code = store_query(s, e, &q,
                         "SELECT v.step, v.intermediate_value, v.intermediate_value_type FROM trials t "
                         "CROSS JOIN trial_intermediate_values v ON v.trial_id = t.trial_id "
                         "WHERE t.study_id = ?1 AND t.number = ?2 ORDER BY v.step",
                         "ii", (int64_t)x->study, (int64_t)x->number);
  while (!code && (code = store_step(s, q, e)) > 0)
    code = epochs_put(s, x, sqlite3_column_int64(q, 0), typed(q, 1, 2), e);
  for (int i = 0; i < s->n_pending && !code; i++) {
    const struct pending_epoch *p = &s->pending[i];
    if (p->study == x->study && p->number == x->number) code = epochs_put(s, x, p->epoch, p->value, e);
  }
  return code;
}

int store_epochs(struct store *s, int study, int number, double **values, int *n, struct error *e)
{
  struct epochs x = {.study = study, .number = number};
  store_lock(s);
  int code = store_read(s, epochs_work, &x, e);
  store_unlock(s);
  if (code) {
    free(x.values);
    x.values = NULL;
    x.n = 0;
  }
  *values = x.values;
  *n = x.n;
  return code;
}
