/* The best configuration, and what is said of studies that another program made. */
#include "host/report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/report/report_internal.h"
#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"

enum { NAME_SHOWN = 22 }; /* bytes of a study's name that leave room for seven numbers */

/* ---- the best -------------------------------------------------------------------------------- */

/* A line, or on a narrow terminal some; names in a column of their own. */
static void best_line(FILE *out, const char *name, int width, const char *value)
{
  char lead[800];
  snprintf(lead, sizeof lead, "  %s%*s  ", name, width - text_columns(name), "");
  text_wrap(out, lead, value);
}

/* "trained 3 times more", on validation and test, beside what the one network reached. */
static void print_repeats_of(FILE *out, const struct report_study *s, int width)
{
  char text[2][REPORT_REPEATS_TEXT], line[2 * REPORT_REPEATS_TEXT + 60];
  int n;
  if (!report_repeats_text(s, false, text[0], &n)) return;
  bool tested = report_repeats_text(s, true, text[1], &n);
  snprintf(line, sizeof line, "validation %s%s%s", text[0], tested ? ", test " : "", tested ? text[1] : "");
  best_line(out, "trained again", width, line);
}

static void print_best_of(FILE *out, const struct report_study *s)
{
  const struct stored_trial *t = &s->trials[s->best];
  char name[600], text[600], value_name[60];
  report_value_name(s, value_name, sizeof value_name);
  int width = text_columns(value_name);
  for (int i = 0; i < s->space.n; i++) {
    text_escape(name, sizeof name, s->space.params[i].name);
    int columns = text_columns(name);
    if (columns > width) width = columns;
  }
  text_escape(name, sizeof name, s->name);
  text_wrapf(out, "", "Best configuration: %s, trial %d%s", name, t->number,
             s->record.ours && !s->finished ? " (unfinished)" : "");
  if (report_accuracy(s))
    report_value_text(s, t->value, text);
  else
    number_format(t->value, text, sizeof text);
  best_line(out, value_name, width, text);
  if (s->record.ours) {
    double test;
    report_value_text(s, t->loss, text);
    if (t->loss != 0) best_line(out, "loss", width, text);
    if (report_test_value(s, &test)) {
      char reached[REPORT_TEXT], test_name[60];
      bool share = !strcmp(s->record.value_name, "validation accuracy");
      report_value_text(s, test, reached);
      report_test_name(s, test_name, sizeof test_name);
      snprintf(text, sizeof text, share ? "%s (%d of %d)" : "%s (%d of %d right)", reached, s->record.test.correct,
               s->record.test.n);
      best_line(out, test_name, width, text);
    }
    print_repeats_of(out, s, width);
  }
  fputc('\n', out);
  for (int i = 0; i < s->space.n; i++) {
    report_param_text(&s->space.params[i], t->values[i], true, text, sizeof text);
    best_line(out, text_escape(name, sizeof name, s->space.params[i].name), width, text);
  }
  report_print_changes(out, s);
}

void report_print_best(FILE *out, const struct report *r)
{
  int best = report_best(r);
  if (best < 0) {
    int failed = 0;
    for (int i = 0; i < r->n; i++) failed += r->studies[i].failed;
    if (failed > 0)
      fprintf(out, "No trial is complete: %d failed, for the reasons in the notes above.\n", failed);
    else
      fputs("No trial is complete yet.\n", out);
    return;
  }
  if (r->studies[best].record.ours) {
    print_best_of(out, &r->studies[best]);
    return;
  }
  /* Studies of another program need not have anything in common: each has a best of its own. */
  bool first = true;
  for (int i = 0; i < r->n; i++) {
    if (r->studies[i].best < 0) continue;
    if (!first) fputc('\n', out);
    print_best_of(out, &r->studies[i]);
    first = false;
  }
}

/* ---- studies of another program -------------------------------------------------------------- */

void report_print_others(FILE *out, const struct report *r)
{
  struct text_table *table = text_table_create();
  fputs("Studies of another program\n", out);
  text_table_column(table, "study", false);
  static const char *const headings[] = {"trials", "done", "failed", "pruned", "open", "best trial", "best value"};
  for (size_t i = 0; i < sizeof headings / sizeof *headings; i++) text_table_column(table, headings[i], true);
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    char name[NAME_SHOWN], value[REPORT_TEXT] = "-";
    if (s->record.ours) continue;
    text_table_cell(table, text_escape(name, sizeof name, s->name));
    const int counts[] = {s->n, s->complete, s->failed, s->pruned, s->running + s->waiting};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) text_table_cellf(table, "%d", counts[k]);
    if (s->best >= 0) {
      report_value_text(s, s->trials[s->best].value, value);
      text_table_cellf(table, "%d", s->trials[s->best].number);
    } else {
      text_table_cell(table, "-");
    }
    text_table_cell(table, value);
  }
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
}
