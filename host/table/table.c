/* Reading a table.  See table.h. */
#include "host/table/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/data/data_cache.h"
#include "host/store/store.h"
#include "host/store/study_attributes.h"
#include "host/table/table_unpack.h"
#include "host/base/text_escape.h"

enum { VALUES_MAX = 4000000 }; /* trials * epochs */

/* A study of the database, or what it is on its way into the table. */
struct source {
  char name[600];
  struct space space;
  struct stored_trial *trials; /* [n] */
  double **curves;             /* [n] malloc'ed [lengths]; NULL: none */
  int *lengths;                /* [n] */
  int n;
};

static int no_memory(struct error *e)
{
  return error_set(e, ERROR_MACHINE, "no memory for its trials");
}

static void source_free(struct source *s)
{
  for (int i = 0; s->curves && i < s->n; i++) free(s->curves[i]);
  free(s->curves);
  free(s->lengths);
  free(s->trials);
  space_destroy(&s->space);
}

/* Beyond that its squares would not be finite. */
static bool is_value(double value)
{
  return fabs(value) < 1e100;
}

/* --- the database --- */

static int read_curves(struct store *db, int study, struct source *s, struct error *e)
{
  s->curves = calloc((size_t)s->n + 1, sizeof *s->curves);
  s->lengths = calloc((size_t)s->n + 1, sizeof *s->lengths);
  if (!s->curves || !s->lengths) return no_memory(e);
  for (int i = 0; i < s->n; i++) {
    enum stored_state state = s->trials[i].state;
    if (state != STORED_COMPLETE && state != STORED_PRUNED) continue;
    if (store_epochs(db, study, s->trials[i].number, &s->curves[i], &s->lengths[i], e)) return e->code;
    while (s->lengths[i] > 0 && !is_value(s->curves[i][s->lengths[i] - 1])) s->lengths[i]--;
  }
  return 0;
}

/* What the first study says of all. */
static int read_record(struct store *db, int study, struct table *t, struct error *e)
{
  struct study_record record = {0};
  int code = study_record_read(db, study, &record, e);
  if (!code) {
    snprintf(t->value_name, sizeof t->value_name, "%s", record.value_name[0] ? record.value_name : "value");
    snprintf(t->depends_on, sizeof t->depends_on, "%s", record.depends_on);
    t->search = strdup(record.search ? record.search : "");
    if (!t->search) code = no_memory(e);
  }
  study_record_free(&record);
  return code;
}

/* Reads study number `index` into *s; s->n is 0 where it has no trials. */
static int read_study(struct store *db, int index, struct table *t, bool first, struct source *s, struct error *e)
{
  int id;
  bool maximize;
  if (store_study_name(db, index, s->name, sizeof s->name, &id, &maximize, e)) return e->code;
  if (store_trials(db, id, NULL, &s->space, &s->trials, &s->n, e)) return e->code;
  if (s->n == 0) return 0;
  if (first && read_record(db, id, t, e)) return e->code;
  if (!first && maximize != t->maximize)
    return error_set(e, ERROR_FAILED, "study '%s' has another direction than the first one", s->name);
  t->maximize = maximize;
  return read_curves(db, id, s, e);
}

/* --- the space of all studies --- */

/* Widens a hyperparameter to the range of another study's. */
static bool widen(struct param *p, const struct param *other)
{
  if (p->type != other->type || p->log != other->log || p->n_choices != other->n_choices) return false;
  for (int c = 0; c < p->n_choices; c++)
    if (strcmp(p->labels[c], other->labels[c]) != 0) return false;
  p->low = fmin(p->low, other->low);
  p->high = fmax(p->high, other->high);
  return true;
}

static int merge_space(struct table *t, const struct source *s, bool first, struct error *e)
{
  if (first) return space_copy(&t->space, &s->space, e);
  bool same = t->space.n == s->space.n;
  for (int i = 0; i < s->space.n && same; i++) {
    int at = space_index(&t->space, s->space.params[i].name);
    same = at == i && widen(&t->space.params[at], &s->space.params[i]);
  }
  if (same) return 0;
  char shown[300];
  return error_set(e, ERROR_FAILED, "study '%s' has other hyperparameters or choices than the first one",
                   text_escape(shown, sizeof shown, s->name));
}

/* The default that a search text gives a hyperparameter; false: none that it can have. */
static bool recorded_default(const char *search, const struct param *p, double *value)
{
  char key[SPACE_NAME_MAX + 20], text[SPACE_NAME_MAX], line[PARAM_TEXT_MAX];
  size_t n = (size_t)snprintf(key, sizeof key, "space.%s = ", p->name);
  for (const char *at = search; at && *at; at = strchr(at, '\n'), at += at != NULL) {
    if (strncmp(at, key, n) != 0) continue;
    struct param recorded;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(at + n, "\n"), at + n);
    if (param_parse(&recorded, p->name, line, NULL)) return false;
    param_value_format(&recorded, recorded.default_value, text, sizeof text);
    param_destroy(&recorded);
    return param_value_parse(p, text, value, NULL) == 0;
  }
  return false;
}

/* With curves the number of epochs may be any up to the longest. */
static int open_epochs(struct table *t, struct error *e)
{
  struct param *p = &t->space.params[t->epoch];
  if (p->type == PARAM_CATEGORICAL || p->type == PARAM_FLOAT)
    return error_set(e, ERROR_CONFIG, "'%s' is a %s, and cannot be the number of epochs", p->name,
                     p->type == PARAM_FLOAT ? "float" : "categorical");
  double number = param_number(p, p->default_value);
  struct param whole = {.type = PARAM_INT, .low = 1, .high = t->epochs, .log = p->log};
  memcpy(whole.name, p->name, sizeof whole.name);
  whole.default_value = param_clamp(&whole, number);
  param_destroy(p);
  *p = whole;
  return 0;
}

static int find_epoch(struct table *t, const char *name, struct error *e)
{
  t->epoch = space_index(&t->space, name[0] ? name : TABLE_EPOCH);
  if (t->epoch >= 0 || !name[0]) return 0;
  char all[700] = "";
  size_t used = 0;
  for (int i = 0; i < t->space.n && used < sizeof all; i++)
    used += text_format(all + used, sizeof all - used, "%s%s", i ? ", " : "", t->space.params[i].name);
  return error_set(e, ERROR_CONFIG, "there is no hyperparameter '%s' in it (there are: %s)", name, all);
}

/* --- trials --- */

static bool starts_with(const char *text, const char *start)
{
  return strncmp(text, start, strlen(start)) == 0;
}

static bool says_failed(const struct stored_trial *trial)
{
  return trial->state == STORED_FAIL &&
         (!trial->reason[0] || starts_with(trial->reason, "diverged:") || starts_with(trial->reason, "failed:"));
}

static bool has_all(const struct stored_trial *trial, int n)
{
  for (int i = 0; i < n; i++)
    if (!isfinite(trial->values[i])) return false;
  return true;
}

/* Where a value stands that has no curve: at the trial's last epoch. */
static int last_epoch(const struct table *t, const struct stored_trial *trial)
{
  int last = t->epochs;
  if (t->curves && t->epoch >= 0) last = (int)param_clamp(&t->space.params[t->epoch], trial->values[t->epoch]);
  return last;
}

/* Puts trial i of the study into the table, where it counts. */
static void take_trial(struct table *t, const struct source *s, int i)
{
  const struct stored_trial *trial = &s->trials[i];
  double *curve = t->curve + (size_t)t->n * (size_t)t->epochs, *values = t->values + (size_t)t->n * (size_t)t->space.n;
  bool failed = says_failed(trial), any = failed;
  memcpy(values, trial->values, (size_t)t->space.n * sizeof *values);
  for (int e = 0; e < t->epochs; e++) curve[e] = NAN;
  for (int e = 0; t->curves && !failed && e < s->lengths[i]; e++) {
    if (!is_value(s->curves[i][e])) continue;
    curve[e] = s->curves[i][e];
    any = true;
  }
  if (!any && trial->state == STORED_COMPLETE && is_value(trial->value)) {
    curve[last_epoch(t, trial) - 1] = trial->value;
    any = true;
  }
  if (!any || !has_all(trial, t->space.n)) {
    t->n_left_out++;
    return;
  }
  bool complete = trial->state == STORED_COMPLETE;
  t->complete[t->n] = complete;
  t->order[t->n] = t->n - t->n_failed;
  t->failed[t->n++] = failed;
  t->n_complete += complete;
  t->n_failed += failed;
  t->n_pruned += !complete && !failed;
}

static int take_all(struct table *t, const struct source *sources, int n_sources, const char *epoch, struct error *e)
{
  size_t room = 1;
  t->epochs = 1;
  for (int k = 0; k < n_sources; k++) {
    room += (size_t)sources[k].n;
    for (int i = 0; i < sources[k].n; i++)
      if (sources[k].lengths[i] > t->epochs) t->epochs = sources[k].lengths[i];
  }
  t->curves = t->epochs > 1;
  if (room * (size_t)t->epochs > VALUES_MAX)
    return error_set(e, ERROR_FAILED, "has %zu trials and curves of up to %d epochs; %d values in all are the most",
                     room - 1, t->epochs, VALUES_MAX);
  for (int i = 0; i < t->space.n; i++) {
    double value;
    if (recorded_default(t->search, &t->space.params[i], &value)) t->space.params[i].default_value = value;
  }
  if (find_epoch(t, epoch, e)) return e->code;
  if (t->curves && t->epoch >= 0 && open_epochs(t, e)) return e->code;
  t->values = calloc(room * (size_t)t->space.n, sizeof *t->values);
  t->complete = calloc(room, sizeof *t->complete);
  t->failed = calloc(room, sizeof *t->failed);
  t->order = calloc(room, sizeof *t->order);
  t->curve = calloc(room * (size_t)t->epochs, sizeof *t->curve);
  if (!t->values || !t->complete || !t->failed || !t->order || !t->curve) return no_memory(e);
  for (int k = 0; k < n_sources; k++)
    for (int i = 0; i < sources[k].n; i++) take_trial(t, &sources[k], i);
  return 0;
}

static void hash_all(struct table *t)
{
  char text[PARAM_TEXT_MAX];
  uint64_t hash = 0;
  for (int i = 0; i < t->space.n; i++) {
    param_format(&t->space.params[i], text, sizeof text);
    hash = data_hash(hash, t->space.params[i].name, strlen(t->space.params[i].name));
    hash = data_hash(hash, text, strlen(text));
  }
  for (int i = 0; i < t->n; i++) {
    hash = data_hash(hash, table_values(t, i), (size_t)t->space.n * sizeof *t->values);
    hash = data_hash(hash, &t->failed[i], sizeof t->failed[i]);
    for (int k = 0; k < t->epochs; k++) { /* a NaN's bits say nothing */
      double value = isnan(table_curve(t, i)[k]) ? INFINITY : table_curve(t, i)[k];
      hash = data_hash(hash, &value, sizeof value);
    }
  }
  t->fingerprint = hash;
}

/* --- all --- */

static int read_sources(struct store *db, struct table *t, struct source *sources, int n, int *used, struct error *e)
{
  *used = 0;
  for (int i = 0; i < n; i++) {
    struct source *s = &sources[*used];
    bool first = *used == 0;
    int code = read_study(db, i, t, first, s, e);
    if (!code && s->n > 0) code = merge_space(t, s, first, e);
    *used += s->n > 0;
    if (s->n == 0) {
      source_free(s);
      *s = (struct source){0};
    }
    if (code) return code;
  }
  return *used ? 0 : error_set(e, ERROR_FAILED, "has no trials");
}

static int read_database(struct store *db, struct table *t, const char *epoch, struct error *e)
{
  int n, used = 0;
  if (store_study_count(db, &n, e)) return e->code;
  struct source *sources = calloc((size_t)n + 1, sizeof *sources);
  if (!sources) return no_memory(e);
  int code = read_sources(db, t, sources, n, &used, e);
  if (!code) code = take_all(t, sources, used, epoch, e);
  if (!code && t->n_complete + t->n_pruned == 0)
    code = error_set(e, ERROR_FAILED, "has no trial with a value and all its hyperparameters");
  if (!code) hash_all(t);
  for (int i = 0; i <= n; i++) source_free(&sources[i]);
  free(sources);
  return code;
}

/* Messages of the store begin with the file that it reads; all shall begin with the user's. */
static int name_path(const char *read, const char *path, struct error *e)
{
  char rest[sizeof e->message];
  size_t n = strlen(read);
  bool named = !strncmp(e->message, read, n) && !strncmp(e->message + n, ": ", 2);
  snprintf(rest, sizeof rest, "%s", e->message + (named ? n + 2 : 0));
  return error_set(e, e->code, "%s: %s", path, rest);
}

int table_read(struct table *t, const char *path, const char *epoch, struct error *e)
{
  char unpacked[TABLE_PATH_MAX];
  struct store *db = NULL;
  *t = (struct table){0};
  space_init(&t->space);
  if (table_unpack(path, unpacked, e)) return e->code;
  const char *read = unpacked[0] ? unpacked : path;
  int code = store_open(&db, read, true, NULL, e);
  if (!code) code = read_database(db, t, epoch, e);
  store_close(db);
  if (unpacked[0]) unlink(unpacked);
  if (!code) return 0;
  table_destroy(t);
  return name_path(read, path, e);
}

void table_destroy(struct table *t)
{
  space_destroy(&t->space);
  free(t->values);
  free(t->complete);
  free(t->failed);
  free(t->order);
  free(t->curve);
  free(t->search);
  *t = (struct table){0};
}

int table_curve_length(const struct table *t, int trial)
{
  int n = t->epochs;
  while (n > 0 && isnan(table_curve(t, trial)[n - 1])) n--;
  return n;
}
