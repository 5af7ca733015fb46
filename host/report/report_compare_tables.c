/* Several runs side by side: tables for people.  See report_compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"
#include "host/report/report_compare_internal.h"

static const char *const headings[COMPARE_FIGURES] = {
    [COMPARE_VALUE] = "best value",      [COMPARE_TEST] = "test value",
    [COMPARE_IMAGES] = "images trained", [COMPARE_TFLOP_TO_BEST] = "TFLOP to best",
    [COMPARE_TFLOP] = "TFLOP trained",   [COMPARE_WALL_TIME] = "wall time",
};

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

static void add_figures(struct compare_table *t, const struct report_compare *c)
{
  const struct report_clock_names *clock = &report_clock_names[c->clock];
  for (int k = 0; k < COMPARE_FIGURES; k++)
    add_heading(t, k == COMPARE_TEST && c->test_name[0] ? c->test_name
                   : k == COMPARE_TIME_TO_BEST          ? clock->to_best
                   : k == COMPARE_TIME                  ? clock->whole
                                                        : headings[k]);
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

static void figure_text(const struct compare_row *row, enum compare_figure k, char text[REPORT_TEXT])
{
  double number = row->figures[k];
  if (isnan(number)) return;
  if (k == COMPARE_TEST && compare_in_points(row->first, k))
    snprintf(text, REPORT_TEXT, "%.4f", number);
  else if (compare_is_value(k))
    report_value_text(row->first, number, text);
  else if (k == COMPARE_TIME || k == COMPARE_TIME_TO_BEST || k == COMPARE_WALL_TIME)
    report_time_text(number, number, text);
  else if (k != COMPARE_IMAGES && number < 1000)
    snprintf(text, REPORT_TEXT, "%.3g", number);
  else
    report_count_text(number, text);
}

static bool make_values(struct report_compare *c)
{
  struct compare_table *t = add_table(c);
  if (!t) return false;
  text_format(t->title, sizeof t->title, "What each strategy found, and what it took: means over rounds");
  add_heading(t, "run, strategy");
  add_heading(t, "rounds");
  add_figures(t, c);
  for (int i = 0; i < c->n_rows; i++) {
    const struct compare_row *from = &c->rows[i];
    char name[COMPARE_CELL];
    text_format(name, sizeof name, "%s, %s", c->names[from->run], c->strategies[from->strategy]);
    char(*row)[COMPARE_CELL] = add_row(t, name);
    if (!row) return false;
    snprintf(row[1], COMPARE_CELL, "%d", from->rounds);
    for (int k = 0; k < COMPARE_FIGURES; k++) figure_text(from, k, row[k + 2]);
  }
  return true;
}

/* ---- differences ----------------------------------------------------------------------------- */

static void difference_text(enum compare_figure k, bool points, double number, char *text)
{
  if (isnan(number)) return;
  if (compare_is_value(k) && points)
    snprintf(text, COMPARE_CELL, "%+.2f points", 100 * number);
  else if (compare_is_value(k))
    snprintf(text, COMPARE_CELL, "%+.4g", number);
  else
    snprintf(text, COMPARE_CELL, "%.1f %%", 100 * number);
}

/* "mean of 6 runs" and "± (95 %)" below the rows. */
static bool add_means(struct compare_table *t, const struct compare_mean *m)
{
  char name[40];
  snprintf(name, sizeof name, "mean of %d runs", m->runs);
  if (!add_row(t, name) || !add_row(t, "± (95 %)")) return false;
  char(*row)[COMPARE_CELL] = t->cells[t->n_rows - 2], (*halves)[COMPARE_CELL] = t->cells[t->n_rows - 1];
  for (int k = 0; k < COMPARE_FIGURES; k++) {
    if (isnan(m->mean[k])) continue;
    difference_text(k, true, m->mean[k], row[k + 1]);
    snprintf(halves[k + 1], COMPARE_CELL, compare_is_value(k) ? "%.2f points" : "%.1f %%", 100 * m->half[k]);
  }
  return true;
}

/* The table of one strategy. */
static bool make_differences(struct report_compare *c, const struct compare_mean *m)
{
  struct compare_table *t = add_table(c);
  if (!t) return false;
  text_format(t->title, sizeof t->title, "What %s differs by from %s, and what it saves", c->strategies[m->strategy],
              c->strategies[c->control]);
  add_heading(t, "run");
  add_figures(t, c);
  for (int i = 0; i < c->n_rows; i++) {
    const struct compare_row *from = &c->rows[i];
    if (!compare_has_difference(c, from, m->strategy)) continue;
    char(*row)[COMPARE_CELL] = add_row(t, c->names[from->run]);
    if (!row) return false;
    for (int k = 0; k < COMPARE_FIGURES; k++)
      difference_text(k, compare_in_points(from->first, k), from->differences[k], row[k + 1]);
  }
  return m->runs < 2 || add_means(t, m);
}

bool compare_make_tables(struct report_compare *c)
{
  bool good = make_values(c);
  for (int i = 0; i < c->n_means && good; i++) good = make_differences(c, &c->means[i]);
  return good;
}

/* ---- printing -------------------------------------------------------------------------------- */

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

static void print_notes(FILE *out, const struct report_compare *c, int n)
{
  char text[4 * COMPARE_NOTE + 16];
  for (int i = 0; i < n; i++) text_wrap(out, "  ", text_escape(text, sizeof text, c->notes[i]));
}

void report_compare_print_left_out(FILE *out, const struct report_compare *c)
{
  print_notes(out, c, c->n_left_out);
}

void report_compare_print(FILE *out, const struct report_compare *c)
{
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
  print_notes(out, c, c->n_notes);
}
