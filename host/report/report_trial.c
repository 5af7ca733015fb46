/* How a study went, in a line; and one trial, with all of its epochs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/number_order.h"
#include "host/base/text_escape.h"
#include "host/base/text_sparkline.h"
#include "host/base/text_table.h"
#include "host/base/text_units.h"
#include "host/base/text_wrap.h"
#include "host/report/report_internal.h"
#include "host/report/report_view.h"

enum { BARS = 32, BARS_MIN = 8, LABEL = 4 * SPACE_NAME_MAX };

/* ---- the best so far ------------------------------------------------------------------------- */

/* Of values [n], which it sorts. */
static double median(double *values, int n)
{
  qsort(values, (size_t)n, sizeof *values, number_order);
  return values[n / 2];
}

/* Larger is better; what is complete and finite.  Fills best [s->n], the best up to each trial, NaN
 * before the first, and values [s->n]; returns how many there are. */
static int follow(const struct report_study *s, double *best, double *values)
{
  int n = 0;
  double so_far = NAN;
  for (int i = 0; i < s->n; i++) {
    const struct stored_trial *t = &s->trials[i];
    if (t->state == STORED_COMPLETE && isfinite(t->value)) {
      values[n] = s->maximize ? t->value : -t->value;
      so_far = fmax(so_far, values[n++]); /* of NaN and a number the number */
    }
    best[i] = so_far;
  }
  return n;
}

/* The bars stand for the upper half: between the median of all trials, or the first best where that
 * is higher, and the best. */
void report_print_progress(FILE *out, const struct report_study *s)
{
  double *best = malloc(((size_t)s->n + 1) * sizeof *best), *values = malloc(((size_t)s->n + 1) * sizeof *values);
  int n = best && values && s->best >= 0 ? follow(s, best, values) : 0;
  if (n > 2 && isfinite(s->trials[s->best].value)) {
    static const char lead[] = "best so far  ";
    char bars[TEXT_SPARKLINE_SIZE(BARS)], text[REPORT_TEXT], tail[REPORT_TEXT + 40];
    double first = values[0], low = fmax(first, median(values, n)), high = best[s->n - 1];
    if (high > first) {
      report_value_text(s, s->trials[s->best].value, text);
      snprintf(tail, sizeof tail, "  %s at trial %d", text, s->trials[s->best].number);
      int room = text_width(out) - text_columns(lead) - text_columns(tail);
      room = room > BARS ? BARS : room < BARS_MIN ? BARS_MIN : room;
      text_sparkline(bars, room, best, s->n, low < high ? low : first, high);
      fprintf(out, "%s%s%s\n", lead, bars, tail);
    }
  }
  free(best);
  free(values);
}

/* ---- a trial --------------------------------------------------------------------------------- */

static void line(FILE *out, int width, const char *name, const char *value, const char *note)
{
  char lead[800];
  snprintf(lead, sizeof lead, "  %s%*s  ", name, width - text_columns(name), "");
  if (text_columns(lead) + text_columns(value) + text_columns(note) > text_width(out))
    text_wrapf(out, lead, "%s%s", value, note);
  else
    fprintf(out, "%s%s%s\n", lead, value, note);
}

/* Columns that the names of all lines take. */
static int width_of(const struct report_study *s)
{
  char name[LABEL];
  report_value_name(s, name, sizeof name);
  int width = text_columns(name);
  for (int i = 0; i < s->space.n; i++) {
    int columns = text_columns(text_escape(name, sizeof name, s->space.params[i].name));
    if (columns > width) width = columns;
  }
  return width > 14 ? width : 14;
}

static void print_figures(FILE *out, const struct report_study *s, const struct stored_trial *t, int width)
{
  char text[LABEL], name[LABEL];
  report_group_name(s, t->group, name, sizeof name);
  if (name[0]) line(out, width, "group", text_escape(text, sizeof text, name), "");
  report_value_name(s, name, sizeof name);
  report_value_text(s, t->value, text);
  line(out, width, name, text, "");
  report_value_text(s, t->loss, text);
  if (t->loss != 0 && !isnan(t->loss)) line(out, width, "loss", text, "");
  snprintf(text, sizeof text, "%d", t->epochs);
  if (t->epochs > 0) line(out, width, "epochs", text, "");
  snprintf(text, sizeof text, "%lld", (long long)t->images);
  if (t->images > 0) line(out, width, "images trained", text, "");
  if (t->flops > 0) line(out, width, "work", text_flops(text, sizeof text, t->flops), "");
  if (t->seconds > 0)
    line(out, width, report_clock_names[report_clock_of(&s->record)].of_trial,
         text_seconds(text, sizeof text, t->seconds), "");
}

static void print_epochs(FILE *out, const struct report_study *s, const double *epochs, int n)
{
  char bars[TEXT_SPARKLINE_SIZE(BARS)], name[LABEL], text[REPORT_TEXT];
  double low = INFINITY, high = -INFINITY;
  for (int i = 0; i < n; i++) {
    if (!isfinite(epochs[i])) continue;
    low = fmin(low, epochs[i]);
    high = fmax(high, epochs[i]);
  }
  if (n == 0) return;
  if (low < high && n > 2)
    fprintf(out, "\n  epochs 1 to %d  %s\n", n, text_sparkline(bars, BARS, epochs, n, low, high));
  struct text_table *table = text_table_create();
  report_value_name(s, name, sizeof name);
  text_table_column(table, "epoch", true);
  text_table_column(table, name, true);
  for (int i = 0; i < n; i++) {
    text_table_cellf(table, "%d", i + 1);
    report_value_text(s, epochs[i], text);
    text_table_cell(table, text);
  }
  fputc('\n', out);
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
}

void report_print_trial(FILE *out, const struct report_study *s, const struct stored_trial *t, const double *epochs,
                        int n)
{
  char name[600], text[600];
  int width = width_of(s);
  bool best = s->best >= 0 && t == &s->trials[s->best];
  text_wrapf(out, "", "%s, trial %d: %s%s", text_escape(name, sizeof name, s->name), t->number,
             report_state_name(s, t->state), best ? ", the best of this study" : "");
  if (t->state == STORED_FAIL)
    text_wrap(out, "  ", text_escape(text, sizeof text, t->reason[0] ? t->reason : "no reason stored"));
  print_figures(out, s, t, width);
  fputc('\n', out);
  for (int i = 0; i < s->space.n; i++) {
    const struct param *p = &s->space.params[i];
    bool held = s->record.ours && !t->free[i] && param_count(p) != 1;
    report_param_text(p, t->values[i], true, text, sizeof text);
    line(out, width, text_escape(name, sizeof name, p->name), text, held ? "  (held)" : "");
  }
  print_epochs(out, s, epochs, n);
}
