/* Several runs side by side.  See report_compare.h. */
#include "host/report/report_compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/mean_interval.h"
#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"
#include "host/experiment/names.h"
#include "host/report/report_internal.h"

enum { STRATEGIES = 16 };

/* ---- what is measured ------------------------------------------------------------------------ */

static bool best_value(const struct report_study *s, double *value)
{
  if (s->best >= 0) *value = s->trials[s->best].value;
  return s->best >= 0 && isfinite(*value);
}

static bool images(const struct report_study *s, double *value)
{
  *value = (double)s->images;
  return s->images > 0;
}

static bool tflop_to_best(const struct report_study *s, double *value)
{
  *value = s->flops_to_best * 1e-12;
  return s->flops > 0 && s->best >= 0;
}

static bool tflop(const struct report_study *s, double *value)
{
  *value = s->flops * 1e-12;
  return s->flops > 0;
}

static bool time_to_best(const struct report_study *s, double *value)
{
  *value = s->time_to_best_s;
  return s->best >= 0 && s->time_s > 0;
}

static bool whole_time(const struct report_study *s, double *value)
{
  *value = s->time_s;
  return s->time_s > 0;
}

enum unit { UNIT_VALUE, UNIT_TEST, UNIT_COUNT, UNIT_WORK, UNIT_TIME };

static const struct column {
  const char *heading;
  report_measure f;
  enum unit unit;
} columns[] = {
    {"best value", best_value, UNIT_VALUE}, {"test value", report_test_value, UNIT_TEST},
    {"images trained", images, UNIT_COUNT}, {"TFLOP to best", tflop_to_best, UNIT_WORK},
    {"TFLOP trained", tflop, UNIT_WORK},    {"time to best", time_to_best, UNIT_TIME},
    {"whole time", whole_time, UNIT_TIME},
};
enum { FIGURES = sizeof columns / sizeof *columns };

/* Strategies in the order in which they are met. */
struct strategies {
  const char *names[STRATEGIES];
  int n;
  char test_name[80]; /* what the test values of all are, or "test value" */
};

static void collect(struct strategies *all, const struct report *reports, int n)
{
  for (int i = 0; i < n; i++)
    for (int k = 0; k < reports[i].n; k++) {
      const struct study_record *r = &reports[i].studies[k].record;
      int at = 0;
      while (at < all->n && strcmp(all->names[at], r->strategy) != 0) at++;
      if (r->ours && reports[i].studies[k].finished && at == all->n && at < STRATEGIES)
        all->names[all->n++] = r->strategy;
    }
}

/* Metrics may differ from run to run. */
static void name_tests(struct strategies *all, const struct report *reports, int n)
{
  double value;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < reports[i].n; k++) {
      const struct report_study *s = &reports[i].studies[k];
      char name[sizeof all->test_name];
      if (!s->record.ours || !s->finished || !report_test_value(s, &value)) continue;
      report_test_name(s, name, sizeof name);
      text_format(all->test_name, sizeof all->test_name, "%s",
                  !all->test_name[0] || !strcmp(all->test_name, name) ? name : "test value");
    }
}

/* Is a figure a share of images, of which differences are points? */
static bool in_points(const struct report_study *s, enum unit unit)
{
  char name[80];
  if (unit == UNIT_VALUE) return report_accuracy(s);
  report_test_name(s, name, sizeof name);
  return unit == UNIT_TEST && (strstr(name, "accuracy") || strstr(name, "F1"));
}

static bool counts(const struct report_study *s, const char *strategy)
{
  return s->record.ours && s->finished && !strcmp(s->record.strategy, strategy);
}

/* The first finished study of a strategy in a run; NULL: there is none. *rounds: how many. */
static const struct report_study *first_of(const struct report *r, const char *strategy, int *rounds)
{
  const struct report_study *first = NULL;
  *rounds = 0;
  for (int i = 0; i < r->n; i++) {
    if (!counts(&r->studies[i], strategy)) continue;
    if (!first) first = &r->studies[i];
    ++*rounds;
  }
  return first;
}

/* Over the finished rounds; NaN where one of them has none. */
static double mean_of(const struct report *r, const char *strategy, report_measure f)
{
  double sum = 0, value;
  int n = 0;
  for (int i = 0; i < r->n; i++) {
    if (!counts(&r->studies[i], strategy)) continue;
    if (!f(&r->studies[i], &value)) return NAN;
    sum += value;
    n++;
  }
  return n ? sum / n : NAN;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static struct compare_table *add_table(struct report_compare *c)
{
  struct compare_table *more = realloc(c->tables, ((size_t)c->n + 1) * sizeof *more);
  if (!more) return NULL;
  c->tables = more;
  more[c->n] = (struct compare_table){0};
  return &more[c->n++];
}

static void add_heading(struct compare_table *t, const char *text)
{
  text_format(t->headings[t->n_columns++], COMPARE_CELL, "%s", text);
}

static void add_figures(struct compare_table *t, const struct strategies *all)
{
  for (int k = 0; k < FIGURES; k++)
    add_heading(t, columns[k].unit == UNIT_TEST && all->test_name[0] ? all->test_name : columns[k].heading);
}

/* A row of "-" with its name; NULL without memory. */
static char (*add_row(struct compare_table *t, const char *name))[COMPARE_CELL]
{
  char(*more)[COMPARE_COLUMNS][COMPARE_CELL] = realloc(t->cells, ((size_t)t->n_rows + 1) * sizeof *more);
  if (!more) return NULL;
  t->cells = more;
  char(*row)[COMPARE_CELL] = more[t->n_rows++];
  for (int k = 0; k < COMPARE_COLUMNS; k++) strcpy(row[k], "-");
  text_format(row[0], COMPARE_CELL, "%s", name);
  return row;
}

static void figure_text(const struct report_study *s, enum unit unit, double number, char text[REPORT_TEXT])
{
  if (isnan(number)) return;
  if (unit == UNIT_TEST && in_points(s, unit))
    snprintf(text, REPORT_TEXT, "%.4f", number);
  else if (unit <= UNIT_TEST)
    report_value_text(s, number, text);
  else if (unit == UNIT_TIME)
    report_time_text(number, number, text);
  else if (unit == UNIT_WORK && number < 1000)
    snprintf(text, REPORT_TEXT, "%.3g", number);
  else
    report_count_text(number, text);
}

static bool make_values(struct report_compare *c, const struct report *reports, const char *const *names, int n,
                        const struct strategies *all)
{
  struct compare_table *t = add_table(c);
  if (!t) return false;
  text_format(t->title, sizeof t->title, "What each strategy found, and what it took: means over rounds");
  add_heading(t, "run, strategy");
  add_heading(t, "rounds");
  add_figures(t, all);
  for (int i = 0; i < n; i++)
    for (int a = 0; a < all->n; a++) {
      char name[COMPARE_CELL];
      int rounds;
      const struct report_study *s = first_of(&reports[i], all->names[a], &rounds);
      if (!s) continue;
      text_format(name, sizeof name, "%s, %s", names[i], all->names[a]);
      char(*row)[COMPARE_CELL] = add_row(t, name);
      if (!row) return false;
      snprintf(row[1], COMPARE_CELL, "%d", rounds);
      for (int k = 0; k < FIGURES; k++)
        figure_text(s, columns[k].unit, mean_of(&reports[i], all->names[a], columns[k].f), row[k + 2]);
    }
  return true;
}

/* ---- differences ----------------------------------------------------------------------------- */

/* What a strategy differs by from the control in a run: points, a plain difference of values, or
 * the share that it saves; NaN: not known, or not to be compared. */
static double difference(const struct report *r, const char *strategy, const char *control, const struct column *c)
{
  int rounds;
  const struct report_study *s = first_of(r, strategy, &rounds), *other = first_of(r, control, &rounds);
  if (!s || !other) return NAN;
  double a = mean_of(r, strategy, c->f), b = mean_of(r, control, c->f);
  if (c->unit <= UNIT_TEST) return in_points(s, c->unit) ? 100 * (a - b) : a - b;
  bool share = report_is_device_time(&s->record) || report_is_device_time(&other->record);
  if (c->unit == UNIT_TIME && share) return NAN;
  return b > 0 ? 100 * (b - a) / b : NAN;
}

static void difference_text(const struct column *c, bool points, double number, char *text)
{
  if (isnan(number)) return;
  if (c->unit <= UNIT_TEST && points)
    snprintf(text, COMPARE_CELL, "%+.2f points", number);
  else if (c->unit <= UNIT_TEST)
    snprintf(text, COMPARE_CELL, "%+.4g", number);
  else
    snprintf(text, COMPARE_CELL, "%.1f %%", number);
}

/* "mean of 6 runs" and "± (95 %)" below the rows.  s: a study of the runs' metric; NULL where they
 * differ in it, so that values have no mean. */
static bool add_means(struct compare_table *t, const double (*values)[FIGURES], int n, const struct report_study *s)
{
  char name[40];
  double *column = malloc((size_t)n * sizeof *column);
  snprintf(name, sizeof name, "mean of %d runs", n);
  char(*row)[COMPARE_CELL] = column ? add_row(t, name) : NULL,
  (*halves)[COMPARE_CELL] = row ? add_row(t, "± (95 %)") : NULL;
  if (!halves) {
    free(column);
    return false;
  }
  row = t->cells[t->n_rows - 2]; /* the second row may have moved it */
  for (int k = 0; k < FIGURES; k++) {
    bool known = columns[k].unit > UNIT_TEST || (s && in_points(s, columns[k].unit));
    for (int i = 0; i < n; i++) {
      column[i] = values[i][k];
      known = known && !isnan(column[i]);
    }
    struct mean_interval m = mean_interval_of(column, n);
    if (!known) continue;
    difference_text(&columns[k], true, m.mean, row[k + 1]);
    snprintf(halves[k + 1], COMPARE_CELL, columns[k].unit <= UNIT_TEST ? "%.2f points" : "%.1f %%", m.half);
  }
  free(column);
  return true;
}

/* The table of one strategy; none where no run has both. */
static bool make_differences(struct report_compare *c, const struct report *reports, const char *const *names, int n,
                             const struct strategies *all, const char *strategy, const char *control)
{
  struct compare_table *t = NULL;
  const struct report_study *first = NULL;
  double(*values)[FIGURES] = calloc((size_t)n + 1, sizeof *values);
  bool same = true, good = values != NULL;
  int used = 0, rounds;
  for (int i = 0; i < n && good; i++) {
    const struct report_study *s = first_of(&reports[i], strategy, &rounds);
    if (!s || !first_of(&reports[i], control, &rounds)) continue;
    if (!t && (t = add_table(c))) {
      text_format(t->title, sizeof t->title, "What %s differs by from %s, and what it saves", strategy, control);
      add_heading(t, "run");
      add_figures(t, all);
    }
    char(*row)[COMPARE_CELL] = t ? add_row(t, names[i]) : NULL;
    good = row != NULL;
    if (!first) first = s;
    same = same && !strcmp(first->record.value_name, s->record.value_name);
    for (int k = 0; k < FIGURES && good; k++) {
      values[used][k] = difference(&reports[i], strategy, control, &columns[k]);
      difference_text(&columns[k], in_points(s, columns[k].unit), values[used][k], row[k + 1]);
    }
    used++;
  }
  if (good && used > 1) good = add_means(t, (const double(*)[FIGURES])values, used, same ? first : NULL);
  free(values);
  return good;
}

/* ---- all ------------------------------------------------------------------------------------- */

static void note(struct report_compare *c, const char *format, const char *what)
{
  if (c->n_notes < COMPARE_NOTES) text_format(c->notes[c->n_notes++], COMPARE_NOTE, format, what);
}

static void add_notes(struct report_compare *c, const struct report *reports, const char *const *names, int n)
{
  bool device = false, differ = false;
  const char *metric = NULL;
  for (int i = 0; i < n; i++) {
    int finished = 0, open = 0, ours = 0;
    for (int k = 0; k < reports[i].n; k++) {
      const struct report_study *s = &reports[i].studies[k];
      ours += s->record.ours;
      finished += s->record.ours && s->finished;
      open += !s->record.ours || !s->finished;
      device = device || report_is_device_time(&s->record);
      if (!s->record.ours || !s->finished) continue;
      differ = differ || (metric && strcmp(metric, s->record.value_name) != 0);
      metric = s->record.value_name;
    }
    if (!finished)
      note(c,
           ours || !open ? "%s: no study is finished; it is left out" : "%s: no study in it is gsos'; it is left out",
           names[i]);
    if (finished && open) note(c, "%s: studies that are not finished are left out", names[i]);
  }
  if (c->n > 1)
    note(c, "a difference of values is in favour of the strategy where it is %s; what it saves is positive",
         "positive, or negative where lower is better");
  if (differ) note(c, "%s", "the runs are of different metrics, so that their values have no mean");
  if (device)
    note(c, "%s", "times of a GPU are shares of the time in which it was busy: they are compared with nothing");
}

int report_compare_make(struct report_compare *c, const struct report *reports, const char *const *names, int n,
                        struct error *e)
{
  struct strategies all = {0};
  const char *control = NULL;
  *c = (struct report_compare){0};
  collect(&all, reports, n);
  name_tests(&all, reports, n);
  if (all.n == 0)
    return error_set(e, ERROR_FAILED, "no run has a finished study; 'gsos show' prints what there is so far");
  for (int a = 0; a < all.n; a++)
    if (strategy_is(all.names[a], STRATEGY_CONTROL)) control = all.names[a];
  bool good = make_values(c, reports, names, n, &all);
  for (int a = 0; a < all.n && good && control; a++)
    if (strcmp(all.names[a], control) != 0) good = make_differences(c, reports, names, n, &all, all.names[a], control);
  add_notes(c, reports, names, n);
  return good ? 0 : error_set(e, ERROR_MACHINE, "no memory for a table of %d runs", n);
}

void report_compare_free(struct report_compare *c)
{
  for (int i = 0; i < c->n; i++) free(c->tables[i].cells);
  free(c->tables);
  *c = (struct report_compare){0};
}

bool report_compare_says(const struct compare_table *t, int column)
{
  for (int i = 0; i < t->n_rows; i++)
    if (strcmp(t->cells[i][column], "-") != 0) return true;
  return false;
}

/* The end of a name tells more than its beginning. */
static void name_cell(struct text_table *table, const char *name)
{
  char text[4 * COMPARE_CELL + 16], cut[sizeof text + 4];
  const char *from = text_escape(text, sizeof text, name);
  if (text_columns(text) <= TEXT_TABLE_CELL_MAX) {
    text_table_cell(table, text);
    return;
  }
  while (text_columns(from) > TEXT_TABLE_CELL_MAX - 3 || ((unsigned char)*from & 0xc0) == 0x80) from++;
  snprintf(cut, sizeof cut, "...%s", from);
  text_table_cell(table, cut);
}

void report_compare_print(FILE *out, const struct report_compare *c)
{
  char text[4 * COMPARE_NOTE + 16];
  for (int i = 0; i < c->n; i++) {
    const struct compare_table *t = &c->tables[i];
    struct text_table *table = text_table_create();
    text_wrap(out, "", t->title);
    for (int k = 0; k < t->n_columns; k++)
      if (k == 0 || report_compare_says(t, k)) text_table_column(table, t->headings[k], k > 0);
    for (int row = 0; row < t->n_rows; row++) {
      name_cell(table, t->cells[row][0]);
      for (int k = 1; k < t->n_columns; k++)
        if (report_compare_says(t, k)) text_table_cell(table, t->cells[row][k]);
    }
    text_table_print(out, table, text_width(out));
    text_table_destroy(table);
    fputc('\n', out);
  }
  for (int i = 0; i < c->n_notes; i++) text_wrap(out, "  ", text_escape(text, sizeof text, c->notes[i]));
}
