/* The report: reading all studies of a database, their sums, their best trials.
 *
 * What is stored may be anything, for the file may be another program's; figures that make no sense
 * count as 0, so that one bad attribute does not take a table away. */
#include "host/report/report.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/experiment/experiment.h"
#include "host/report/report_internal.h"
#include "host/report/report_view.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"

/* ---- reading --------------------------------------------------------------------------------- */

static double figure(double value)
{
  return value > 0 && value < 1e30 ? value : 0; /* sums stay finite */
}

static void count_states(struct report_study *s)
{
  int *const counts[] = {[STORED_RUNNING] = &s->running,
                         [STORED_COMPLETE] = &s->complete,
                         [STORED_PRUNED] = &s->pruned,
                         [STORED_FAIL] = &s->failed,
                         [STORED_WAITING] = &s->waiting};
  for (int i = 0; i < s->n; i++) ++*counts[s->trials[i].state];
}

static struct observation observe(const struct report_study *s, int trial)
{
  const struct stored_trial *t = &s->trials[trial];
  return (struct observation){
      .number = t->number, .state = OBSERVATION_COMPLETE, .value = s->maximize ? t->value : -t->value, .loss = t->loss};
}

static int find_best(const struct report_study *s)
{
  int best = -1;
  struct observation best_observation = {0};
  for (int i = 0; i < s->n; i++) {
    struct observation o = observe(s, i);
    if (s->trials[i].state != STORED_COMPLETE || isnan(o.value)) continue;
    if (best >= 0 && !observation_better(&o, &best_observation)) continue;
    best = i;
    best_observation = o;
  }
  return best;
}

/* A complete trial and what it is sorted by. */
struct standing {
  const struct stored_trial *trial;
  struct observation observation;
};

static int better_first(const void *a, const void *b)
{
  const struct standing *x = a, *y = b;
  if (observation_better(&x->observation, &y->observation)) return -1;
  return observation_better(&y->observation, &x->observation);
}

bool report_sort_best(const struct report_study *s, const struct stored_trial **trials, int n)
{
  struct standing *all = malloc(((size_t)n + 1) * sizeof *all);
  if (!all) return false;
  for (int i = 0; i < n; i++) {
    const struct stored_trial *t = trials[i];
    double value = s->maximize ? t->value : -t->value;
    all[i] = (struct standing){t, {.number = t->number, .value = value, .loss = t->loss}};
  }
  qsort(all, (size_t)n, sizeof *all, better_first);
  for (int i = 0; i < n; i++) trials[i] = all[i].trial;
  free(all);
  return true;
}

static void sum_up(struct report_study *s)
{
  for (int i = 0; i < s->n; i++) {
    const struct stored_trial *t = &s->trials[i];
    s->time_s += figure(t->seconds);
    s->flops += figure(t->flops);
    if (i <= s->best) {
      s->time_to_best_s += figure(t->seconds);
      s->flops_to_best += figure(t->flops);
    }
    if (t->images > 0 && s->images <= INT64_MAX - t->images) s->images += t->images;
  }
}

int report_ended(const struct report_study *s)
{
  return s->complete + s->failed + s->pruned;
}

/* A study whose number of trials was raised is not finished, whatever its record says of the run
 * before. */
static bool is_finished(const struct report_study *s)
{
  const struct study_record *r = &s->record;
  if (r->finished && r->target_reached) return true;
  return r->trials > 0 ? report_ended(s) >= r->trials : r->finished;
}

static int load_study(struct report_study *s, struct store *store, int index, struct error *e)
{
  s->best = -1;
  int code = store_study_name(store, index, s->name, sizeof s->name, &s->id, &s->maximize, e);
  if (!code) code = study_record_read(store, s->id, &s->record, e);
  if (!code) code = store_trials(store, s->id, NULL, &s->space, &s->trials, &s->n, e);
  if (code) return code;
  count_states(s);
  s->best = find_best(s);
  sum_up(s);
  s->finished = is_finished(s);
  double ignored;
  return report_test_value(s, &ignored) ? study_classes_read(store, s->id, &s->record.test, &s->classes, e) : 0;
}

static void free_study(struct report_study *s)
{
  study_record_free(&s->record);
  space_destroy(&s->space);
  class_counts_free(&s->classes);
  free(s->trials);
  memset(s, 0, sizeof *s);
}

/* May the study that could not be read be left out?  Only where the database says that gsos did not
 * make it. */
static bool is_foreign(const struct report_study *s, struct store *store, int code)
{
  struct study_record record;
  struct error ignored;
  if (code != ERROR_FAILED || s->id == 0) return false;
  bool foreign = study_record_read(store, s->id, &record, &ignored) == 0 && !record.ours;
  study_record_free(&record);
  return foreign;
}

static void leave_out(struct report *r, const struct report_study *s, const struct store *store, const char *message)
{
  struct report_left_out *l = &r->left_out[r->n_left_out++];
  size_t path = strlen(store_shown(store));
  bool prefixed = !strncmp(message, store_shown(store), path) && !strncmp(message + path, ": ", 2);
  memcpy(l->name, s->name, sizeof l->name);
  text_format(l->why, sizeof l->why, "%s", message + (prefixed ? path + 2 : 0));
}

/* Trials that seem to run although nobody does. */
static int tell_gone(struct report *r, struct store *s, struct error *e)
{
  enum store_run_state state;
  char told[sizeof r->studies->gone];
  int code = store_run_state(s, &state, told, sizeof told, e);
  for (int i = 0; i < r->n && !code && state == STORE_RUN_GONE; i++) {
    struct report_study *study = &r->studies[i];
    if (study->record.ours && study->running) memcpy(study->gone, told, sizeof told);
  }
  return code;
}

int report_load(struct report *r, struct store *s, struct error *e)
{
  int n;
  memset(r, 0, sizeof *r);
  int code = store_study_count(s, &n, e);
  if (code || n <= 0) return code;
  r->studies = calloc((size_t)n, sizeof *r->studies);
  r->left_out = calloc((size_t)n, sizeof *r->left_out);
  if (!r->studies || !r->left_out) code = error_set(e, ERROR_MACHINE, "no memory for %d studies", n);
  for (int i = 0; i < n && !code; i++) {
    struct error why = {0};
    struct report_study *study = &r->studies[r->n];
    code = load_study(study, s, i, &why);
    if (!code) {
      r->n++;
    } else if (is_foreign(study, s, code)) {
      leave_out(r, study, s, why.message);
      free_study(study);
      code = 0;
    } else {
      free_study(study);
      if (e) *e = why;
    }
  }
  if (!code) code = tell_gone(r, s, e);
  if (code) report_free(r);
  return code;
}

void report_free(struct report *r)
{
  for (int i = 0; i < r->n; i++) free_study(&r->studies[i]);
  free(r->studies);
  free(r->left_out);
  memset(r, 0, sizeof *r);
}

int report_keep(struct report *r, const char *name)
{
  int n = 0;
  for (int i = 0; i < r->n; i++) {
    if (report_view_is_study(&r->studies[i], name))
      r->studies[n++] = r->studies[i];
    else
      free_study(&r->studies[i]);
  }
  r->n = n;
  r->n_left_out = 0;
  return n;
}

bool report_study_better(const struct report_study *a, const struct report_study *b)
{
  struct observation of_a = observe(a, a->best), of_b = observe(b, b->best);
  return observation_better(&of_a, &of_b);
}

int report_best(const struct report *r)
{
  bool ours = false;
  int first = -1, best = -1;
  for (int i = 0; i < r->n; i++) ours = ours || r->studies[i].record.ours;
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    if (s->record.ours != ours) continue;
    if (first < 0) first = i;
    if (s->best < 0 || s->maximize != r->studies[first].maximize) continue;
    if (best < 0 || report_study_better(s, &r->studies[best])) best = i;
  }
  return best;
}

/* ---- texts that the tables share ------------------------------------------------------------- */

/* A test of a network that has been beaten since says nothing of the best. */
bool report_test_value(const struct report_study *s, double *value)
{
  const struct study_test *t = &s->record.test;
  *value = t->value;
  return t->available && s->best >= 0 && s->trials[s->best].number == t->trial;
}

bool report_accuracy(const struct report_study *s)
{
  return strstr(s->record.value_name, "accuracy") || strstr(s->record.value_name, "F1");
}

void report_value_text(const struct report_study *s, double value, char text[REPORT_TEXT])
{
  if (isnan(value))
    snprintf(text, REPORT_TEXT, "-");
  else if (report_accuracy(s) && fabs(value) < 1e4)
    snprintf(text, REPORT_TEXT, "%.4f", value);
  else
    snprintf(text, REPORT_TEXT, "%.6g", value);
}

void report_group_digits(double count, char *text)
{
  char digits[REPORT_TEXT];
  int n = snprintf(digits, sizeof digits, "%.0f", count);
  for (int i = 0; i < n; i++) {
    if (i && (n - i) % 3 == 0) *text++ = ',';
    *text++ = digits[i];
  }
  *text = 0;
}

void report_count_text(double count, char text[REPORT_TEXT])
{
  if (count < 1000 && count != floor(count)) {
    snprintf(text, REPORT_TEXT, "%.1f", count);
    return;
  }
  if (count >= 1e12) {
    snprintf(text, REPORT_TEXT, "%.3e", count);
    return;
  }
  report_group_digits(count, text);
}

void report_value_name(const struct report_study *s, char *name, size_t size)
{
  text_escape(name, size, s->record.value_name[0] ? s->record.value_name : "value");
}

void report_test_name(const struct report_study *s, char *name, size_t size)
{
  static const char validation[] = "validation ";
  const char *value = s->record.value_name;
  bool known = !strncmp(value, validation, sizeof validation - 1);
  char text[80];
  text_format(text, sizeof text, "test %s", known ? value + sizeof validation - 1 : "accuracy");
  text_escape(name, size, text);
}

const char *report_state_name(const struct report_study *s, enum stored_state state)
{
  static const char *const names[] = {[STORED_RUNNING] = "running",
                                      [STORED_COMPLETE] = "complete",
                                      [STORED_PRUNED] = "pruned",
                                      [STORED_FAIL] = "failed",
                                      [STORED_WAITING] = "waiting"};
  return state == STORED_RUNNING && s->gone[0] ? "interrupted" : names[state];
}

void report_group_name(const struct report_study *s, int group, char *name, size_t size)
{
  if (group < 0)
    name[0] = 0;
  else if (group < s->record.n_groups)
    snprintf(name, size, "%s", s->record.groups[group]);
  else
    snprintf(name, size, "%d", group);
}

void report_param_text(const struct param *p, double value, bool exact, char *text, size_t size)
{
  if (isnan(value))
    snprintf(text, size, "-");
  else if (!exact && p->type == PARAM_FLOAT)
    snprintf(text, size, "%.4g", value);
  else
    param_value_format(p, value, text, size);
}

void report_failure_kind(const char *reason, char *kind, size_t size)
{
  char cut[40];
  text_format(cut, sizeof cut, "%.*s", (int)strcspn(reason, ":"), reason);
  text_escape(kind, size, cut[0] ? cut : "no reason stored");
}

static bool was(const struct report_study *s, const char *key, const char *value)
{
  char stored[32] = "";
  if (s->record.search) experiment_search_get(s->record.search, key, stored, sizeof stored);
  return !strcmp(stored, value);
}

bool report_is_asynchronous(const struct report_study *s)
{
  return was(s, "scheduler.order", "asynchronous");
}

bool report_is_timed(const struct report_study *s)
{
  return was(s, "experiment.sampler", "gp") && was(s, "gp.cost", "time");
}

void report_print_left_out(FILE *out, const struct report *r)
{
  for (int i = 0; i < r->n_left_out; i++) {
    char name[600], why[700];
    text_escape(name, sizeof name, r->left_out[i].name);
    text_escape(why, sizeof why, r->left_out[i].why);
    text_wrapf(out, "  ", "left out: %s: %s", name, why);
  }
}

bool report_start_text(const struct report_study *s, int line, char text[START_LINE])
{
  const struct study_record *r = &s->record;
  char best[100];
  if (line > r->n_start || r->n_start == 0) return false;
  if (line < r->n_start) {
    text_format(text, START_LINE, "%s", r->start[line]);
    return true;
  }
  snprintf(best, sizeof best, "; the %d best configurations were tried first", r->start_best);
  if (r->start_best == 1) snprintf(best, sizeof best, "; the best configuration was tried first");
  text_format(text, START_LINE, "%s%s; no figure here counts them",
              r->start_seen ? "proposals saw these trials" : "no proposal saw the values of these trials",
              r->start_best ? best : "");
  return true;
}

void report_print_start(FILE *out, const struct report_study *s)
{
  char text[START_LINE], shown[4 * START_LINE];
  for (int i = 0; report_start_text(s, i, text); i++)
    text_wrapf(out, "  ", "%s%s", i < s->record.n_start ? "started from " : "", text_escape(shown, sizeof shown, text));
}

void report_print_changes(FILE *out, const struct report_study *s)
{
  char name[600], change[1300];
  text_escape(name, sizeof name, s->name);
  if (report_is_asynchronous(s))
    text_wrapf(out, "  ",
               "asynchronous: %s: its proposals saw what had ended by then; this history depends on the machine and "
               "cannot be reproduced",
               name);
  if (report_is_timed(s))
    text_wrapf(out, "  ",
               "by time: %s: its proposals weighed how long trials took; this history depends on the machine and "
               "cannot be reproduced",
               name);
  if (s->record.retried)
    text_wrapf(out, "  ",
               "changed: %s: %d failed trial%s ran again (--retry-failed); what was proposed before that took %s for "
               "failed",
               name, s->record.retried, s->record.retried == 1 ? "" : "s", s->record.retried == 1 ? "it" : "them");
  for (int i = 0; i < s->record.n_changes; i++) {
    text_escape(change, sizeof change, s->record.changes[i]);
    text_wrapf(out, "  ", "changed: %s went on with --accept-change: %s", name, change);
  }
}
