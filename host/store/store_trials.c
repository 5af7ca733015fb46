/* Writing trials: start, epochs, end, each whole or not at all.
 *
 * Numbers are contiguous and in the order of the trial ids, as Optuna counts them, so the i-th id
 * of a study is trial i.  The ids are kept in memory; a number is never looked up by a query, and a
 * start costs the same after 100,000 trials as after ten.
 *
 * Epoch values wait in memory until a second has passed since the last commit of any, then all go
 * in one transaction; a start, an end and a heartbeat take along what waits. */
#include "host/store/store_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *store_state_name(enum stored_state state)
{
  static const char *const names[] = {
      [STORED_RUNNING] = "RUNNING", [STORED_COMPLETE] = "COMPLETE", [STORED_PRUNED] = "PRUNED",
      [STORED_FAIL] = "FAIL",       [STORED_WAITING] = "WAITING",
  };
  return state >= STORED_RUNNING && state <= STORED_WAITING ? names[state] : "?";
}

static int no_memory(struct store *s, struct error *e)
{
  return error_set(e, ERROR_MACHINE, "%s: no memory", s->shown);
}

/* FINITE and the number, or the name of what a column of numbers cannot hold and NULL.  Optuna:
 * models.py, value_to_stored_repr. */
static const char *value_type(double value)
{
  return isnan(value) ? "NAN" : isinf(value) ? value > 0 ? "INF_POS" : "INF_NEG" : "FINITE";
}

/* ------------------------------------------------------------------------------------ trial ids */

/* Room for one more id. */
static int index_reserve(struct store *s, struct study_index *index, struct error *e)
{
  if (index->n < index->capacity) return 0;
  int capacity = index->capacity ? index->capacity * 2 : 64;
  int64_t *ids = realloc(index->ids, (size_t)capacity * sizeof *ids);
  if (!ids) return no_memory(s, e);
  index->ids = ids;
  index->capacity = capacity;
  return 0;
}

static struct study_index *index_find(struct store *s, int study)
{
  for (int i = 0; i < s->n_studies; i++)
    if (s->studies[i].study == study) return &s->studies[i];
  return NULL;
}

/* Reads the ids of a study that is not known yet.  In a transaction. */
static int index_load(struct store *s, int study, struct study_index **out, struct error *e)
{
  if ((*out = index_find(s, study))) return 0;
  struct study_index index = {.study = study};
  sqlite3_stmt *q;
  int code = store_query(s, e, &q, "SELECT trial_id, number FROM trials WHERE study_id = ?1 ORDER BY trial_id", "i",
                         (int64_t)study);
  while (!code && (code = store_step(s, q, e)) > 0) {
    code = 0;
    if (sqlite3_column_int64(q, 1) != index.n)
      code =
          error_set(e, ERROR_FAILED,
                    "%s: the trials of study %d are not numbered 0, 1, 2, ... (trial_id %lld has number %lld): another "
                    "program has changed them, and the run cannot go on",
                    s->shown, study, (long long)sqlite3_column_int64(q, 0), (long long)sqlite3_column_int64(q, 1));
    else if (!(code = index_reserve(s, &index, e)))
      index.ids[index.n++] = sqlite3_column_int64(q, 0);
  }
  struct study_index *studies = code ? NULL : realloc(s->studies, ((size_t)s->n_studies + 1) * sizeof *studies);
  if (!studies) {
    free(index.ids);
    return code ? code : no_memory(s, e);
  }
  s->studies = studies;
  *out = &s->studies[s->n_studies++];
  **out = index;
  return 0;
}

static int trial_id(struct store *s, int study, int number, int64_t *id, struct error *e)
{
  struct study_index *index;
  int code = index_load(s, study, &index, e);
  if (code) return code;
  if (number < 0 || number >= index->n)
    return error_set(e, ERROR_FAILED, "%s: study %d has no trial %d", s->shown, study, number);
  *id = index->ids[number];
  return 0;
}

/* ----------------------------------------------------------------------------------- attributes */

static int attribute(struct store *s, int64_t trial, const char *key, const char *json, struct error *e)
{
  return store_run(s, e,
                   "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES (?1, ?2, ?3) "
                   "ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                   "itt", trial, key, json);
}

static int attribute_number(struct store *s, int64_t trial, const char *key, double value, struct error *e)
{
  char text[40];
  store_json_number(value, text, sizeof text);
  return attribute(s, trial, key, text, e);
}

static int attribute_string(struct store *s, int64_t trial, const char *key, const char *text, struct error *e)
{
  char *json = store_json_string(text);
  int code = json ? attribute(s, trial, key, json, e) : no_memory(s, e);
  free(json);
  return code;
}

/* ["lr", "dropout_rate"]: the names of what was free. */
static int attribute_free(struct store *s, int64_t trial, const struct space *space, const bool *free_params,
                          struct error *e)
{
  size_t size = (size_t)space->n * (SPACE_NAME_MAX * 6 + 6) + 3, used = 1;
  char *json = malloc(size);
  if (!json) return no_memory(s, e);
  int code = 0;
  json[0] = '[';
  for (int i = 0; i < space->n && !code; i++) {
    if (!free_params[i]) continue;
    char *name = store_json_string(space->params[i].name);
    if (name)
      used += (size_t)snprintf(json + used, size - used, "%s%s", used > 1 ? ", " : "", name);
    else
      code = no_memory(s, e);
    free(name);
  }
  snprintf(json + used, size - used, "]");
  if (!code) code = attribute(s, trial, "gsos:free", json, e);
  free(json);
  return code;
}

/* --------------------------------------------------------------------------------------- epochs */

int store_flush_epochs(struct store *s, struct error *e)
{
  int code = 0;
  for (int i = 0; i < s->n_pending && !code; i++) {
    const struct pending_epoch *p = &s->pending[i];
    int64_t id;
    if ((code = trial_id(s, p->study, p->number, &id, e))) break;
    code =
        store_run(s, e,
                  "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
                  "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (trial_id, step) DO UPDATE SET "
                  "intermediate_value = excluded.intermediate_value, "
                  "intermediate_value_type = excluded.intermediate_value_type",
                  "iidt", id, (int64_t)p->epoch, p->value, value_type(p->value));
  }
  return code;
}

void store_flushed(struct store *s)
{
  s->n_pending = 0;
  s->flushed_ms = store_monotonic_ms();
}

static int flush_work(struct store *s, void *context, struct error *e)
{
  (void)context;
  return store_flush_epochs(s, e);
}

static int load_work(struct store *s, void *context, struct error *e)
{
  const int *study = context;
  struct study_index *index;
  return index_load(s, *study, &index, e);
}

int store_trial_epoch(struct store *s, int study, int number, int epoch, double value, struct error *e)
{
  int code = 0;
  if (epoch < 1) return error_set(e, ERROR_FAILED, "epochs are counted from 1, not %d", epoch);
  if (s->read_only) return error_set(e, ERROR_FAILED, "%s: is open for reading only", s->shown);
  store_lock(s);
  /* One value that nothing can be done with would keep all others from being committed. */
  if (!index_find(s, study) && (code = store_read(s, load_work, &study, e))) goto done; /* it goes on after a pause */
  const struct study_index *index = index_find(s, study);
  if (!index || number < 0 || number >= index->n) {
    code = error_set(e, ERROR_FAILED, "%s: trial %d of study %d has not been started", s->shown, number, study);
    goto done;
  }
  if (s->n_pending == s->pending_capacity) {
    int capacity = s->pending_capacity ? s->pending_capacity * 2 : 256;
    struct pending_epoch *pending = realloc(s->pending, (size_t)capacity * sizeof *pending);
    if (!pending) {
      code = no_memory(s, e);
      goto done;
    }
    s->pending = pending;
    s->pending_capacity = capacity;
  }
  s->pending[s->n_pending++] = (struct pending_epoch){study, number, epoch, value};
  if (store_monotonic_ms() - s->flushed_ms >= STORE_EPOCHS_MS && !(code = store_write(s, flush_work, NULL, e)))
    store_flushed(s);
done:
  store_unlock(s);
  return code;
}

/* ---------------------------------------------------------------------------------------- start */

struct start {
  int study;
  const struct space *space;
  const struct stored_trial *trial;
  char **distributions; /* [space->n] */
  int64_t id;
  bool created;
};

/* Empties a trial that had begun, but for its row. */
static int forget_attempt(struct store *s, int64_t id, struct error *e)
{
  static const char *const deletions[] = {
      "DELETE FROM trial_intermediate_values WHERE trial_id = ?1",
      "DELETE FROM trial_values WHERE trial_id = ?1",
      "DELETE FROM trial_params WHERE trial_id = ?1",
      "DELETE FROM trial_user_attributes WHERE trial_id = ?1",
      "DELETE FROM trial_system_attributes WHERE trial_id = ?1",
      "DELETE FROM trial_heartbeats WHERE trial_id = ?1",
  };
  int code = 0;
  for (size_t i = 0; i < sizeof deletions / sizeof *deletions && !code; i++)
    code = store_run(s, e, deletions[i], "i", id);
  return code;
}

/* Finds or makes the trial's row. */
static int start_row(struct store *s, struct start *w, const char *now, struct error *e)
{
  int number = w->trial->number;
  enum stored_state state = w->trial->state == STORED_WAITING ? STORED_WAITING : STORED_RUNNING;
  const char *started = state == STORED_WAITING ? NULL : now; /* as Optuna has it */
  struct study_index *index;
  int code = index_load(s, w->study, &index, e);
  if (!code) code = index_reserve(s, index, e); /* after the COMMIT nothing may fail */
  if (code) return code;
  w->created = number == index->n;
  if (number < 0 || number > index->n)
    return error_set(e, ERROR_FAILED, "%s: trial %d of study %d cannot start: the next is %d", s->shown, number,
                     w->study, index->n);
  if (w->created) {
    int64_t last;
    code = store_number(s, e, &last, -1, "SELECT number FROM trials WHERE study_id = ?1 ORDER BY trial_id DESC LIMIT 1",
                        "i", (int64_t)w->study);
    if (!code && last != number - 1)
      code =
          error_set(e, ERROR_FAILED,
                    "%s: another program has added trials to study %d (the last is %lld, not %d); let gsos alone write "
                    "to its database",
                    s->shown, w->study, (long long)last, number - 1);
    if (!code)
      code = store_run(s, e, "INSERT INTO trials (number, study_id, state, datetime_start) VALUES (?1, ?2, ?3, ?4)",
                       "iitt", (int64_t)number, (int64_t)w->study, store_state_name(state), started);
    w->id = sqlite3_last_insert_rowid(s->db);
    return code;
  }
  w->id = index->ids[number];
  code = store_run(s, e,
                   "UPDATE trials SET state = ?2, datetime_start = ?3, datetime_complete = NULL WHERE trial_id = ?1 "
                   "AND state IN ('RUNNING', 'WAITING')",
                   "itt", w->id, store_state_name(state), started);
  if (!code && sqlite3_changes(s->db) != 1)
    code = error_set(e, ERROR_FAILED, "%s: trial %d of study %d has ended and is not started again", s->shown, number,
                     w->study);
  return code ? code : forget_attempt(s, w->id, e);
}

static int start_work(struct store *s, void *context, struct error *e)
{
  struct start *w = context;
  const struct stored_trial *t = w->trial;
  char now[STORE_TIME_SIZE], text[40];
  store_now(now);
  int code = store_flush_epochs(s, e);
  if (!code) code = start_row(s, w, now, e);
  for (int i = 0; i < w->space->n && !code; i++)
    code = store_run(s, e,
                     "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
                     "VALUES (?1, ?2, ?3, ?4)",
                     "itdt", w->id, w->space->params[i].name, t->values[i], w->distributions[i]);
  if (!code) code = attribute_free(s, w->id, w->space, t->free, e);
  snprintf(text, sizeof text, "%d", t->group);
  if (!code) code = attribute(s, w->id, "gsos:group", text, e);
  snprintf(text, sizeof text, "%016llx", (unsigned long long)t->key);
  return code ? code : attribute_string(s, w->id, "gsos:key", text, e);
}

static int check_values(struct store *s, const struct space *space, const struct stored_trial *t, struct error *e)
{
  for (int i = 0; i < space->n; i++) {
    const struct param *p = &space->params[i];
    if (!isfinite(t->values[i]) || param_clamp(p, t->values[i]) != t->values[i])
      return error_set(e, ERROR_FAILED, "%s: trial %d: %g is no value of '%s'", s->shown, t->number, t->values[i],
                       p->name);
  }
  return 0;
}

/* The values of an attempt that is about to be forgotten. */
static void drop_pending(struct store *s, int study, int number)
{
  int kept = 0;
  for (int i = 0; i < s->n_pending; i++)
    if (s->pending[i].study != study || s->pending[i].number != number) s->pending[kept++] = s->pending[i];
  s->n_pending = kept;
}

int store_trial_start(struct store *s, int study, const struct space *space, const struct stored_trial *t,
                      struct error *e)
{
  char *distributions[SPACE_MAX] = {NULL};
  struct start w = {.study = study, .space = space, .trial = t, .distributions = distributions};
  int code = check_values(s, space, t, e);
  for (int i = 0; i < space->n && !code; i++)
    if (!(distributions[i] = param_distribution_json(&space->params[i]))) code = no_memory(s, e);
  if (!code) {
    store_lock(s);
    drop_pending(s, study, t->number);
    code = store_write(s, start_work, &w, e);
    if (!code) {
      store_flushed(s);
      struct study_index *index = index_find(s, study);
      if (w.created) index->ids[index->n++] = w.id;
    }
    store_unlock(s);
  }
  for (int i = 0; i < space->n; i++) free(distributions[i]);
  return code;
}

/* ----------------------------------------------------------------------------------------- wait */

struct waiting {
  const struct store_trial *kept;
  int n;
};

static int wait_work(struct store *s, void *context, struct error *e)
{
  const struct waiting *w = context;
  int64_t running, id;
  int code = w->n > 0 ? store_flush_epochs(s, e) : 0;
  for (int i = 0; i < w->n && !code; i++) {
    code = trial_id(s, w->kept[i].study, w->kept[i].number, &id, e);
    if (!code)
      code = store_run(s, e,
                       "UPDATE trials SET state = 'WAITING', datetime_start = NULL WHERE trial_id = ?1 AND "
                       "state = 'RUNNING'",
                       "i", id);
  }
  if (!code) code = store_number(s, e, &running, 0, "SELECT count(*) FROM trials WHERE state = 'RUNNING'", "");
  if (!code && running > 0)
    code = store_run(s, e,
                     "DELETE FROM trial_intermediate_values WHERE trial_id IN "
                     "(SELECT trial_id FROM trials WHERE state = 'RUNNING')",
                     "");
  if (!code && running > 0)
    code = store_run(s, e, "UPDATE trials SET state = 'WAITING', datetime_start = NULL WHERE state = 'RUNNING'", "");
  return code;
}

int store_trials_wait(struct store *s, const struct store_trial *kept, int n, struct error *e)
{
  struct waiting w = {kept, n};
  store_lock(s);
  int code = store_write(s, wait_work, &w, e);
  if (!code) s->n_pending = 0; /* pending values are of trials that run */
  store_unlock(s);
  return code;
}

/* ---------------------------------------------------------------------------------------- again */

struct retry {
  int study;
  int64_t n;
};

#define FAILED "(SELECT trial_id FROM trials WHERE study_id = ?1 AND state = 'FAIL')"
static int retry_work(struct store *s, void *context, struct error *e)
{
  struct retry *w = context;
  static const char *const statements[] = {
      "DELETE FROM trial_intermediate_values WHERE trial_id IN " FAILED,
      "DELETE FROM trial_values WHERE trial_id IN " FAILED,
      "DELETE FROM trial_user_attributes WHERE \"key\" NOT IN ('gsos:free', 'gsos:group', 'gsos:key') AND trial_id "
      "IN " FAILED,
      "UPDATE trials SET state = 'WAITING', datetime_start = NULL, datetime_complete = NULL WHERE study_id = ?1 AND "
      "state = 'FAIL'",
  };
  int code = store_number(s, e, &w->n, 0, "SELECT count(*) FROM trials WHERE study_id = ?1 AND state = 'FAIL'", "i",
                          (int64_t)w->study);
  for (size_t i = 0; i < sizeof statements / sizeof *statements && !code; i++)
    code = store_run(s, e, statements[i], "i", (int64_t)w->study);
  return code;
}

int store_trials_retry(struct store *s, int study, int *n, struct error *e)
{
  struct retry w = {.study = study};
  store_lock(s);
  int code = store_write(s, retry_work, &w, e);
  store_unlock(s);
  *n = code ? 0 : (int)w.n;
  return code;
}

/* ------------------------------------------------------------------------------------------ end */

struct end {
  int study;
  const struct stored_trial *trial;
  enum stored_state from; /* what it stands as */
};

static int end_work(struct store *s, void *context, struct error *e)
{
  const struct end *w = context;
  const struct stored_trial *t = w->trial;
  char now[STORE_TIME_SIZE];
  int64_t id;
  int code = store_flush_epochs(s, e);
  if (code || (code = trial_id(s, w->study, t->number, &id, e))) return code;
  store_now(now);
  /* No trial ends before it began, even where the clock was put back meanwhile: max is of texts of
   * one form. */
  code = store_run(s, e,
                   "UPDATE trials SET state = ?2, datetime_complete = max(?3, ifnull(datetime_start, ?3)) "
                   "WHERE trial_id = ?1 AND state = ?4",
                   "ittt", id, store_state_name(t->state), now, store_state_name(w->from));
  if (code) return code;
  if (sqlite3_changes(s->db) != 1)
    return error_set(e, ERROR_FAILED, "%s: trial %d of study %d %s and cannot end", s->shown, t->number, w->study,
                     w->from == STORED_RUNNING ? "is not running" : "has not paused");
  code = store_run(s, e, "DELETE FROM trial_values WHERE trial_id = ?1", "i", id);
  if (code) return code;
  if (t->state != STORED_FAIL && !isnan(t->value))
    code = store_run(s, e, "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?1, 0, ?2, ?3)",
                     "idt", id, t->value, value_type(t->value));
  const struct {
    const char *key;
    double value;
  } numbers[] = {
      {"gsos:loss", t->loss},     {"gsos:epochs", t->epochs}, {"gsos:seconds", t->seconds},
      {"gsos:wall_s", t->wall_s}, {"gsos:flops", t->flops},   {"gsos:images", (double)t->images},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !code; i++)
    code = attribute_number(s, id, numbers[i].key, numbers[i].value, e);
  if (!code && t->reason[0]) code = attribute_string(s, id, "gsos:reason", t->reason, e);
  return code;
}

static int end_trial(struct store *s, int study, const struct stored_trial *t, enum stored_state from, struct error *e)
{
  struct end w = {study, t, from};
  if (t->state != STORED_COMPLETE && t->state != STORED_PRUNED && t->state != STORED_FAIL)
    return error_set(e, ERROR_FAILED, "%s: trial %d cannot end as %s", s->shown, t->number, store_state_name(t->state));
  if (t->state == STORED_COMPLETE && isnan(t->value))
    return error_set(e, ERROR_FAILED,
                     "%s: trial %d: a value that is no number makes a trial a failed one, not complete", s->shown,
                     t->number);
  store_lock(s);
  int code = store_write(s, end_work, &w, e);
  if (!code) store_flushed(s);
  store_unlock(s);
  return code;
}

int store_trial_end(struct store *s, int study, const struct stored_trial *t, struct error *e)
{
  return end_trial(s, study, t, STORED_RUNNING, e);
}

int store_trial_end_again(struct store *s, int study, const struct stored_trial *t, struct error *e)
{
  return end_trial(s, study, t, STORED_PRUNED, e);
}
