/* Several runs side by side: what is measured of them.  See report_compare.h. */
#include "host/report/report_compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/mean_interval.h"
#include "host/base/text_escape.h"
#include "host/experiment/names.h"
#include "host/report/report_compare_internal.h"

/* ---- figures of a study ---------------------------------------------------------------------- */

static const report_measure measures[COMPARE_FIGURES] = {
    [COMPARE_VALUE] = report_best_value, [COMPARE_TEST] = report_test_value,
    [COMPARE_IMAGES] = report_images,    [COMPARE_TFLOP_TO_BEST] = report_tflop_to_best,
    [COMPARE_TFLOP] = report_tflop,      [COMPARE_TIME_TO_BEST] = report_time_to_best,
    [COMPARE_TIME] = report_time,        [COMPARE_WALL_TIME] = report_wall_time,
};

bool compare_measure(const struct report_study *s, enum compare_figure k, double *value)
{
  return measures[k](s, value);
}

bool compare_is_value(enum compare_figure k)
{
  return k == COMPARE_VALUE || k == COMPARE_TEST;
}

bool compare_in_points(const struct report_study *s, enum compare_figure k)
{
  char name[80];
  if (k == COMPARE_VALUE) return report_accuracy(s);
  report_test_name(s, name, sizeof name);
  return k == COMPARE_TEST && (strstr(name, "accuracy") || strstr(name, "F1"));
}

/* ---- strategies ------------------------------------------------------------------------------ */

bool compare_counts(const struct report_study *s)
{
  return s->record.ours && s->finished;
}

int compare_strategy(const struct report_compare *c, const struct report_study *s)
{
  for (int a = 0; a < c->n_strategies; a++)
    if (!strcmp(c->strategies[a], s->record.strategy)) return a;
  return -1;
}

static void collect(struct report_compare *c, const struct report *reports)
{
  const char *metric = NULL;
  bool any = false;
  c->same_metric = true;
  for (int i = 0; i < c->runs; i++)
    for (int k = 0; k < reports[i].n; k++) {
      const struct report_study *s = &reports[i].studies[k];
      if (!compare_counts(s)) continue;
      if (compare_strategy(c, s) < 0 && c->n_strategies < COMPARE_STRATEGIES)
        c->strategies[c->n_strategies++] = s->record.strategy;
      c->same_metric = c->same_metric && (!metric || !strcmp(metric, s->record.value_name));
      metric = s->record.value_name;
      enum report_clock clock = report_clock_of(&s->record);
      c->clock = !any || c->clock == (int)clock ? (int)clock : CLOCK_TRIAL;
      any = true;
    }
  c->control = -1;
  for (int a = 0; a < c->n_strategies; a++)
    if (strategy_is(c->strategies[a], STRATEGY_CONTROL)) c->control = a;
}

/* Metrics may differ from run to run. */
static void name_tests(struct report_compare *c, const struct report *reports)
{
  double value;
  for (int i = 0; i < c->runs; i++)
    for (int k = 0; k < reports[i].n; k++) {
      const struct report_study *s = &reports[i].studies[k];
      char name[sizeof c->test_name];
      if (!compare_counts(s) || !report_test_value(s, &value)) continue;
      report_test_name(s, name, sizeof name);
      text_format(c->test_name, sizeof c->test_name, "%s",
                  !c->test_name[0] || !strcmp(c->test_name, name) ? name : "test value");
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Of the studies of a strategy that count; n 0: there is none. */
static struct compare_row row_of(const struct report_compare *c, const struct report *r, int run, int strategy)
{
  struct compare_row row = {.run = run, .strategy = strategy};
  double value;
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    if (!compare_counts(s) || compare_strategy(c, s) != strategy) continue;
    if (!row.first) row.first = s;
    row.rounds++;
    for (int k = 0; k < COMPARE_FIGURES; k++) row.figures[k] += compare_measure(s, k, &value) ? value : NAN;
  }
  for (int k = 0; k < COMPARE_FIGURES; k++) {
    if (row.rounds) row.figures[k] /= row.rounds;
    row.differences[k] = NAN;
  }
  return row;
}

static void compare_with(struct compare_row *row, const struct compare_row *control)
{
  bool device =
      report_clock_of(&row->first->record) == CLOCK_DEVICE || report_clock_of(&control->first->record) == CLOCK_DEVICE;
  for (int k = 0; k < COMPARE_FIGURES; k++) {
    double a = row->figures[k], b = control->figures[k];
    if (compare_is_value(k))
      row->differences[k] = a - b;
    else if (b > 0 && !(device && (k == COMPARE_TIME || k == COMPARE_TIME_TO_BEST)))
      row->differences[k] = (b - a) / b;
  }
}

static const struct compare_row *control_of(const struct report_compare *c, int run)
{
  for (int i = 0; i < c->n_rows; i++)
    if (c->rows[i].run == run && c->rows[i].strategy == c->control) return &c->rows[i];
  return NULL;
}

static bool make_rows(struct report_compare *c, const struct report *reports)
{
  c->rows = calloc((size_t)c->runs * (size_t)c->n_strategies + 1, sizeof *c->rows);
  if (!c->rows) return false;
  for (int i = 0; i < c->runs; i++)
    for (int a = 0; a < c->n_strategies; a++) {
      struct compare_row row = row_of(c, &reports[i], i, a);
      if (row.rounds) c->rows[c->n_rows++] = row;
    }
  for (int i = 0; i < c->n_rows; i++) {
    const struct compare_row *control = control_of(c, c->rows[i].run);
    if (control && control != &c->rows[i]) compare_with(&c->rows[i], control);
  }
  return true;
}

/* ---- means over runs ------------------------------------------------------------------------- */

bool compare_has_difference(const struct report_compare *c, const struct compare_row *row, int strategy)
{
  return row->strategy == strategy && strategy != c->control && control_of(c, row->run);
}

/* Of one figure, where all runs that have the strategy and the control have it, and values are
 * accuracies of one metric. */
static struct mean_interval mean_of(const struct report_compare *c, int strategy, enum compare_figure k, double *values)
{
  const struct compare_row *first = NULL;
  int n = 0;
  for (int i = 0; i < c->n_rows; i++) {
    const struct compare_row *row = &c->rows[i];
    if (!compare_has_difference(c, row, strategy)) continue;
    if (!first) first = row;
    bool alike = !strcmp(first->first->record.value_name, row->first->record.value_name);
    if (isnan(row->differences[k]) || (compare_is_value(k) && !(alike && compare_in_points(row->first, k))))
      return (struct mean_interval){.mean = NAN, .half = NAN};
    values[n++] = row->differences[k];
  }
  return mean_interval_of(values, n);
}

static bool make_means(struct report_compare *c)
{
  double *values = malloc(((size_t)c->n_rows + 1) * sizeof *values);
  if (!values) return false;
  for (int a = 0; a < c->n_strategies; a++) {
    struct compare_mean *m = &c->means[c->n_means];
    *m = (struct compare_mean){.strategy = a};
    for (int i = 0; i < c->n_rows; i++) m->runs += compare_has_difference(c, &c->rows[i], a);
    if (m->runs == 0) continue;
    c->n_means++;
    for (int k = 0; k < COMPARE_FIGURES; k++) {
      struct mean_interval mean = mean_of(c, a, k, values);
      m->mean[k] = mean.mean;
      m->half[k] = mean.half;
    }
  }
  free(values);
  return true;
}

/* ---- all ------------------------------------------------------------------------------------- */

static void note(struct report_compare *c, const char *format, const char *what)
{
  if (c->n_notes < COMPARE_NOTES) text_format(c->notes[c->n_notes++], COMPARE_NOTE, format, what);
}

static void add_notes(struct report_compare *c, const struct report *reports)
{
  enum { OTHERS = 4 }; /* notes that are kept for what follows those of runs */
  bool device = false;
  int untold = 0;
  for (int i = 0; i < c->runs; i++) {
    int finished = 0, open = 0, ours = 0;
    for (int k = 0; k < reports[i].n; k++) {
      const struct report_study *s = &reports[i].studies[k];
      ours += s->record.ours;
      finished += s->record.ours && s->finished;
      open += !s->record.ours || !s->finished;
      device = device || report_clock_of(&s->record) == CLOCK_DEVICE;
    }
    if ((!finished || open) && c->n_notes + OTHERS == COMPARE_NOTES)
      untold++;
    else if (!finished)
      note(c,
           ours || !open ? "%s: no study is finished; it is left out" : "%s: no study in it is gsos'; it is left out",
           c->names[i]);
    else if (open)
      note(c, "%s: studies that are not finished are left out", c->names[i]);
  }
  char others[80];
  snprintf(others, sizeof others, "so it is of %d more run%s", untold, untold == 1 ? "" : "s");
  if (untold) note(c, "%s", others);
  c->n_left_out = c->n_notes;
  if (c->n_means > 0)
    note(c, "a difference of values is in favour of the strategy where it is %s; what it saves is positive",
         "positive, or negative where lower is better");
  if (!c->same_metric) note(c, "%s", "the runs are of different metrics, so that their values have no mean");
  if (device)
    note(c, "%s", "times of a GPU are shares of the time in which it was busy: they are compared with nothing");
}

int report_compare_make(struct report_compare *c, const struct report *reports, const char *const *names, int n,
                        struct error *e)
{
  *c = (struct report_compare){.names = names, .runs = n};
  collect(c, reports);
  name_tests(c, reports);
  if (c->n_strategies == 0)
    return error_set(e, ERROR_FAILED, "no run has a finished study; 'gsos show' prints what there is so far");
  if (!make_rows(c, reports) || !make_means(c) || !compare_make_tables(c))
    return error_set(e, ERROR_MACHINE, "no memory for a table of %d runs", n);
  add_notes(c, reports);
  return 0;
}

void report_compare_free(struct report_compare *c)
{
  for (int i = 0; i < c->n; i++) free(c->tables[i].cells);
  free(c->tables);
  free(c->rows);
  *c = (struct report_compare){0};
}
