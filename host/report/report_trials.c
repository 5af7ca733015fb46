/* A study's trials, as a table for people and as CSV for machines. */
#include "host/report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/report/report_internal.h"
#include "host/report/report_view.h"
#include "host/base/text_csv.h"
#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"

/* Bytes of a hyperparameter's name or value, escaped. */
enum { PARAM_SHOWN = 4 * SPACE_NAME_MAX };

/* ---- the table ------------------------------------------------------------------------------- */

/* Which columns say anything of this study. */
struct trial_columns {
  bool group, loss, epochs, seconds;
  double flops; /* of the trial that has most */
};

/* What suits the trial that has most: the numbers of a column are compared. */
static const struct {
  const char *name;
  double flops;
} work_units[] = {{"PFLOP", 1e15}, {"TFLOP", 1e12}, {"GFLOP", 1e9}, {"MFLOP", 1e6}};

static int work_unit(double most)
{
  int unit = 0;
  while (unit < 3 && most < work_units[unit].flops) unit++;
  return unit;
}

static struct trial_columns find_columns(const struct report_study *s)
{
  struct trial_columns c = {0};
  for (int i = 0; i < s->n; i++) {
    const struct stored_trial *t = &s->trials[i];
    c.group = c.group || t->group >= 0;
    c.loss = c.loss || (t->loss != 0 && !isnan(t->loss));
    c.epochs = c.epochs || t->epochs > 0;
    c.flops = fmax(c.flops, t->flops);
    c.seconds = c.seconds || t->seconds > 0;
  }
  return c;
}

static void print_heading(FILE *out, const struct report_study *s)
{
  char name[600], text[300];
  int used = snprintf(text, sizeof text, "%d complete", s->complete);
  const struct {
    int n;
    const char *state;
  } others[] = {{s->failed, "failed"},
                {s->pruned, "pruned"},
                {s->running, report_state_name(s, STORED_RUNNING)},
                {s->waiting, "waiting to run"}};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (others[i].n) used += snprintf(text + used, sizeof text - (size_t)used, ", %d %s", others[i].n, others[i].state);
  if (s->record.target_reached) used += snprintf(text + used, sizeof text - (size_t)used, ", target reached");
  if (s->record.ours && !s->finished)
    snprintf(text + used, sizeof text - (size_t)used, "; unfinished, %d of %d trial%s ended", report_ended(s),
             s->record.trials, s->record.trials == 1 ? " has" : "s have");
  text_wrapf(out, "", "%s: %d trial%s, %s", text_escape(name, sizeof name, s->name), s->n, s->n == 1 ? "" : "s", text);
  report_print_start(out, s);
  report_print_changes(out, s);
}

static void add_columns(struct text_table *table, const struct report_study *s, const struct trial_columns *c)
{
  char name[PARAM_SHOWN];
  text_table_column(table, "trial", true);
  if (c->group) text_table_column(table, "group", false);
  text_table_column(table, "state", false);
  report_value_name(s, name, sizeof name);
  text_table_column(table, name, true);
  if (c->loss) text_table_column(table, "loss", true);
  if (c->epochs) text_table_column(table, "epochs", true);
  if (c->flops > 0) text_table_column(table, work_units[work_unit(c->flops)].name, true);
  if (c->seconds) text_table_column(table, report_clock_names[report_clock_of(&s->record)].seconds, true);
  for (int i = 0; i < s->space.n; i++) {
    const struct param *p = &s->space.params[i];
    text_table_column(table, text_escape(name, sizeof name, p->name), p->type != PARAM_CATEGORICAL);
  }
}

/* A number that a trial has when it ends. */
static void ended_cell(struct text_table *table, const struct stored_trial *t, const char *format, double number)
{
  if (t->state == STORED_RUNNING || t->state == STORED_WAITING || isnan(number))
    text_table_cell(table, "-");
  else {
    char text[400];
    snprintf(text, sizeof text, format, number);
    text_table_cell(table, text);
  }
}

static void add_trial(struct text_table *table, const struct report_study *s, const struct trial_columns *c, int i)
{
  const struct stored_trial *t = &s->trials[i];
  char text[PARAM_SHOWN], name[PARAM_SHOWN];
  text_table_cellf(table, "%s%d", i == s->best ? "*" : "", t->number);
  if (c->group) {
    report_group_name(s, t->group, name, sizeof name);
    text_table_cell(table, text_escape(text, sizeof text, name));
  }
  text_table_cell(table, report_state_name(s, t->state));
  report_value_text(s, t->value, text);
  text_table_cell(table, text);
  if (c->loss) ended_cell(table, t, fabs(t->loss) < 1e4 ? "%.4f" : "%.4g", t->loss);
  if (c->epochs) ended_cell(table, t, "%.0f", t->epochs);
  double work = t->flops / work_units[work_unit(c->flops)].flops;
  if (c->flops > 0) ended_cell(table, t, work < 999.5 ? "%.3g" : "%.0f", work);
  if (c->seconds) ended_cell(table, t, t->seconds < 0.1 ? "%.2g" : t->seconds < 1e7 ? "%.1f" : "%.4g", t->seconds);
  for (int k = 0; k < s->space.n; k++) {
    report_param_text(&s->space.params[k], t->values[k], false, text, sizeof text);
    text_table_cell(table, text);
  }
}

/* "trials 3, 5 were running when the run ended; process 13196 is gone" */
static void print_interrupted(FILE *out, const struct report_study *s)
{
  char numbers[600] = "";
  size_t used = 0;
  int named = 0;
  if (!s->gone[0]) return;
  for (int i = 0; i < s->n && used + 40 < sizeof numbers; i++) {
    if (s->trials[i].state != STORED_RUNNING) continue;
    used += (size_t)snprintf(numbers + used, sizeof numbers - used, "%s%d", named++ ? ", " : "", s->trials[i].number);
  }
  if (named < s->running) snprintf(numbers + used, sizeof numbers - used, " and %d more", s->running - named);
  text_wrapf(out, "  ", "trial%s %s %s running when the run ended; %s; the same gsos run goes on with %s",
             s->running == 1 ? "" : "s", numbers, s->running == 1 ? "was" : "were", s->gone,
             s->running == 1 ? "it" : "them");
}

/* Why those of the trials failed that did. */
static void print_failed(FILE *out, const struct report_study *s, const int *order, int n)
{
  for (int i = 0; i < n; i++) {
    char reason[900];
    const struct stored_trial *t = &s->trials[order[i]];
    if (t->state != STORED_FAIL) continue;
    text_escape(reason, sizeof reason, t->reason[0] ? t->reason : "no reason stored");
    text_wrapf(out, "  ", "trial %d failed: %s", t->number, reason);
  }
}

void report_print_trials_of(FILE *out, const struct report_study *s, const int *order, int n, int width)
{
  struct trial_columns c = find_columns(s);
  bool best = false;
  print_heading(out, s);
  if (!s->n) return;
  report_print_progress(out, s);
  if (!n) return;
  struct text_table *table = text_table_create();
  add_columns(table, s, &c);
  for (int i = 0; i < n; i++) {
    add_trial(table, s, &c, order[i]);
    best = best || order[i] == s->best;
  }
  fputc('\n', out);
  text_table_print(out, table, width);
  text_table_destroy(table);
  if (best || s->failed || s->gone[0]) fputc('\n', out);
  if (best) fputs("* the best of this study\n", out);
  print_failed(out, s, order, n);
  print_interrupted(out, s);
}

void report_print_trials_within(FILE *out, const struct report_study *s, int width)
{
  int *order = malloc(((size_t)s->n + 1) * sizeof *order);
  if (!order) {
    fputs("(no memory for this table)\n", out);
    return;
  }
  for (int i = 0; i < s->n; i++) order[i] = i;
  report_print_trials_of(out, s, order, s->n, width);
  free(order);
}

void report_print_trials(FILE *out, const struct report_study *s)
{
  report_print_trials_within(out, s, 0);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static const char *const csv_columns[] = {"study",  "strategy", "round",  "trial", "state",  "group",  "value", "loss",
                                          "epochs", "seconds",  "wall_s", "flops", "images", "reason", "free",  "best"};
enum { CSV_COLUMNS = sizeof csv_columns / sizeof *csv_columns };

/* ",NUMBER", or "," where it is none. */
void report_csv_number(FILE *out, double number)
{
  char text[40] = "";
  if (!isnan(number)) number_format(number, text, sizeof text);
  fprintf(out, ",%s", text);
}

/* The names of all studies' hyperparameters, in the order in which they are met. */
struct csv_names {
  const char **names; /* [n] */
  int n;
};

static int find_name(const struct csv_names *all, const char *name)
{
  for (int i = 0; i < all->n; i++)
    if (!strcmp(all->names[i], name)) return i;
  return -1;
}

/* Adds those of a run.  False without memory. */
static bool collect_names(struct csv_names *all, const struct report *r)
{
  for (int i = 0; i < r->n; i++) {
    for (int k = 0; k < r->studies[i].space.n; k++) {
      const char *name = r->studies[i].space.params[k].name;
      if (find_name(all, name) >= 0) continue;
      const char **names = realloc(all->names, ((size_t)all->n + 1) * sizeof *names);
      if (!names) return false;
      all->names = names;
      all->names[all->n++] = name;
    }
  }
  return true;
}

static void csv_header(FILE *out, const struct csv_names *all, bool several)
{
  if (several) fputs("run,", out);
  for (int i = 0; i < CSV_COLUMNS; i++) fprintf(out, "%s%s", i ? "," : "", csv_columns[i]);
  for (int i = 0; i < all->n; i++) {
    char name[SPACE_NAME_MAX + 16];
    bool taken = false;
    for (int k = 0; k < CSV_COLUMNS; k++) taken = taken || !strcmp(csv_columns[k], all->names[i]);
    taken = taken || (several && !strcmp("run", all->names[i]));
    snprintf(name, sizeof name, "%s%s", taken ? "params_" : "", all->names[i]);
    fputc(',', out);
    text_csv(out, name);
  }
  fputc('\n', out);
}

/* loss ... images: of trials of gsos's own studies that have ended. */
static void csv_figures(FILE *out, const struct report_study *s, const struct stored_trial *t)
{
  if (!s->record.ours || t->state == STORED_RUNNING || t->state == STORED_WAITING) {
    fputs(",,,,,,", out);
    return;
  }
  report_csv_number(out, t->loss);
  fprintf(out, ",%d", t->epochs);
  report_csv_number(out, t->seconds);
  report_csv_number(out, t->wall_s);
  report_csv_number(out, t->flops);
  fprintf(out, ",%lld", (long long)t->images);
}

static void csv_free(FILE *out, const struct report_study *s, const struct stored_trial *t)
{
  char names[SPACE_MAX * (SPACE_NAME_MAX + 1) + 1] = "";
  size_t used = 0;
  for (int i = 0; i < s->space.n; i++) {
    if (!t->free[i]) continue;
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? " " : "", s->space.params[i].name);
  }
  text_csv(out, names);
}

static void csv_trial(FILE *out, const struct report_study *s, int i, const struct csv_names *all, const int *place)
{
  const struct stored_trial *t = &s->trials[i];
  char text[PARAM_SHOWN];
  text_csv(out, s->name);
  fputc(',', out);
  text_csv(out, s->record.strategy);
  if (s->record.ours)
    fprintf(out, ",%d", s->record.round);
  else
    fputc(',', out);
  fprintf(out, ",%d,%s,", t->number, report_state_name(s, t->state));
  report_group_name(s, t->group, text, sizeof text);
  text_csv(out, text);
  report_csv_number(out, t->value);
  csv_figures(out, s, t);
  fputc(',', out);
  text_csv(out, t->reason);
  fputc(',', out);
  csv_free(out, s, t);
  fprintf(out, ",%d", i == s->best);
  for (int k = 0; k < all->n; k++) {
    fputc(',', out);
    if (place[k] < 0 || isnan(t->values[place[k]])) continue;
    report_param_text(&s->space.params[place[k]], t->values[place[k]], true, text, sizeof text);
    text_csv(out, text);
  }
  fputc('\n', out);
}

/* The chosen trials of a run. */
static bool csv_run(FILE *out, const struct report *r, const struct report_view *v, const char *run,
                    const struct csv_names *all, int *place)
{
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    int *order, n;
    if (report_view_order(s, v, &order, &n, NULL)) return false;
    for (int k = 0; k < all->n; k++) place[k] = space_index(&s->space, all->names[k]);
    for (int k = 0; k < n; k++) {
      if (run) {
        text_csv(out, run);
        fputc(',', out);
      }
      csv_trial(out, s, order[k], all, place);
    }
    free(order);
  }
  return true;
}

void report_print_csv_of(FILE *out, const struct report *reports, const char *const *runs, int n,
                         const struct report_view *v)
{
  struct csv_names all = {0};
  bool good = true;
  for (int i = 0; i < n; i++) good = good && collect_names(&all, &reports[i]);
  int *place = malloc(((size_t)all.n + 1) * sizeof *place); /* [all.n] where a study has the name; -1: nowhere */
  if (good && place) csv_header(out, &all, runs != NULL);
  for (int i = 0; i < n && good && place; i++) good = csv_run(out, &reports[i], v, runs ? runs[i] : NULL, &all, place);
  if (!good || !place) fputs("(no memory for this table)\n", out);
  free(all.names);
  free(place);
}

void report_print_csv(FILE *out, const struct report *r)
{
  const struct report_view all = {.trial = -1};
  report_print_csv_of(out, r, NULL, 1, &all);
}
