/* Tables for people.
 *
 * Cells are kept as texts until all are known, for a column is as wide as its widest cell.  A
 * heading does not widen a column where it can be broken: "num_conv_layers" above numbers of one
 * digit becomes three lines, and ten hyperparameters fit on a screen. */
#include "host/base/text_table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_wrap.h"

struct column {
  char *heading;
  bool right;
  int width;
};

struct text_table {
  struct column *columns; /* [n_columns] */
  int n_columns;
  int indent;
  char **cells; /* [n_cells] row by row */
  size_t n_cells, capacity;
  bool failed; /* for want of memory */
};

enum {
  GAP = 2,         /* blanks between columns */
  HEADING_MIN = 7, /* columns up to which a heading is not broken */
};

struct text_table *text_table_create(void)
{
  return calloc(1, sizeof(struct text_table));
}

void text_table_destroy(struct text_table *t)
{
  if (!t) return;
  for (int i = 0; i < t->n_columns; i++) free(t->columns[i].heading);
  for (size_t i = 0; i < t->n_cells; i++) free(t->cells[i]);
  free(t->columns);
  free(t->cells);
  free(t);
}

/* ---- headings -------------------------------------------------------------------------------- */

/* Bytes of the first piece of a heading: up to a space, or up to and with an underscore. */
static size_t piece_bytes(const char *text)
{
  size_t n = strcspn(text, " _");
  return n + (text[n] == '_');
}

/* Columns that a heading needs: its widest piece, but for short ones enough that they do not fall
 * into single words. */
static int heading_width(const char *heading)
{
  int widest = text_columns_of(heading, strlen(heading));
  if (widest > HEADING_MIN) widest = HEADING_MIN;
  for (const char *text = heading; *text;) {
    size_t bytes = piece_bytes(text);
    int columns = text_columns_of(text, bytes);
    if (columns > widest) widest = columns;
    text += bytes + (text[bytes] == ' ');
  }
  return widest;
}

/* The heading's next line of at most `width` columns: its bytes.  *next: where the line after it
 * begins. */
static size_t next_line(const char *text, int width, const char **next)
{
  size_t used = 0;
  while (text[used]) {
    size_t space = used && text[used] == ' ', bytes = piece_bytes(text + used + space);
    if (used && text_columns_of(text, used + space + bytes) > width) break;
    used += space + bytes;
    if (!bytes && !space) used++; /* a space at the start */
  }
  *next = text + used + (text[used] == ' ');
  return used;
}

static int heading_lines(const struct column *c)
{
  int n = 0;
  for (const char *text = c->heading; *text; n++) next_line(text, c->width, &text);
  return n;
}

/* ---- filling --------------------------------------------------------------------------------- */

void text_table_indent(struct text_table *t, int columns)
{
  if (t) t->indent = columns;
}

void text_table_column(struct text_table *t, const char *heading, bool right)
{
  if (!t || t->failed) return;
  struct column *columns = realloc(t->columns, ((size_t)t->n_columns + 1) * sizeof *columns);
  if (columns) t->columns = columns;
  char *copy = strdup(heading);
  if (!columns || !copy) {
    free(copy);
    t->failed = true;
    return;
  }
  struct column *c = &t->columns[t->n_columns++];
  c->heading = copy;
  c->right = right;
  c->width = heading_width(heading);
}

/* Copies the text, cut to TEXT_TABLE_CELL_MAX columns. */
static char *cut_copy(const char *text)
{
  char *copy = malloc(strlen(text) + 1);
  if (!copy) return NULL;
  strcpy(copy, text);
  if (text_columns(copy) > TEXT_TABLE_CELL_MAX) strcpy(copy + text_fitting(copy, TEXT_TABLE_CELL_MAX - 3), "...");
  return copy;
}

void text_table_cell(struct text_table *t, const char *text)
{
  if (!t || t->failed || t->n_columns == 0) return;
  if (t->n_cells == t->capacity) {
    size_t capacity = t->capacity ? t->capacity * 2 : 256;
    char **cells = capacity <= SIZE_MAX / sizeof *cells ? realloc(t->cells, capacity * sizeof *cells) : NULL;
    if (cells) t->cells = cells, t->capacity = capacity;
  }
  char *copy = t->n_cells < t->capacity ? cut_copy(text) : NULL;
  if (!copy) {
    t->failed = true;
    return;
  }
  struct column *c = &t->columns[t->n_cells % (size_t)t->n_columns];
  int columns = text_columns(copy);
  if (columns > c->width) c->width = columns;
  t->cells[t->n_cells++] = copy;
}

void text_table_cellf(struct text_table *t, const char *format, ...)
{
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  text_table_cell(t, text);
}

/* ---- printing -------------------------------------------------------------------------------- */

/* A panel: the first column and those from `from` up to `to`. */
struct panel {
  int from, to;
};

/* The column after i in the panel. */
static int after(const struct panel *p, int i)
{
  return i ? i + 1 : p->from;
}

/* Writes a text into its column.  *blanks are those owed before it: a line ends without any. */
static void put(FILE *out, const struct column *c, const char *text, size_t bytes, int *blanks)
{
  int rest = c->width - text_columns_of(text, bytes);
  if (bytes) {
    fprintf(out, "%*s", *blanks + (c->right ? rest : 0), "");
    fwrite(text, 1, bytes, out);
    *blanks = c->right ? 0 : rest;
  } else {
    *blanks += c->width;
  }
  *blanks += GAP;
}

static void print_headings(FILE *out, const struct text_table *t, const struct panel *p)
{
  int lines = 0;
  for (int i = 0; i < p->to; i = after(p, i)) {
    int n = heading_lines(&t->columns[i]);
    if (n > lines) lines = n;
  }
  for (int line = 0; line < lines; line++) {
    int blanks = t->indent;
    for (int i = 0; i < p->to; i = after(p, i)) {
      const struct column *c = &t->columns[i];
      const char *text = c->heading, *next = text;
      size_t bytes = 0;
      for (int k = lines - heading_lines(c); k <= line; k++) bytes = next_line(text = next, c->width, &next);
      put(out, c, text, bytes, &blanks);
    }
    fputc('\n', out);
  }
}

static void print_panel(FILE *out, const struct text_table *t, const struct panel *p)
{
  size_t columns = (size_t)t->n_columns;
  print_headings(out, t, p);
  for (size_t row = 0; row + columns <= t->n_cells; row += columns) {
    int blanks = t->indent;
    for (int i = 0; i < p->to; i = after(p, i)) {
      const char *text = t->cells[row + (size_t)i];
      put(out, &t->columns[i], text, strlen(text), &blanks);
    }
    fputc('\n', out);
  }
}

/* One text on a line of its own, at its column's side. */
static void print_alone(FILE *out, const struct column *c, const char *text, size_t bytes, int blanks)
{
  put(out, c, text, bytes, &blanks);
  fputc('\n', out);
}

static void print_heading_alone(FILE *out, const struct column *c, int blanks)
{
  for (const char *text = c->heading, *next = text; *text; text = next) {
    size_t bytes = next_line(text, c->width, &next);
    print_alone(out, c, text, bytes, blanks);
  }
}

/* Column i below the first one, row by row, where it has no room beside it. */
static void print_below(FILE *out, const struct text_table *t, int i)
{
  size_t columns = (size_t)t->n_columns;
  print_heading_alone(out, &t->columns[0], t->indent);
  print_heading_alone(out, &t->columns[i], t->indent + GAP);
  for (size_t row = 0; row + columns <= t->n_cells; row += columns) {
    const char *name = t->cells[row], *text = t->cells[row + (size_t)i];
    print_alone(out, &t->columns[0], name, strlen(name), t->indent);
    print_alone(out, &t->columns[i], text, strlen(text), t->indent + GAP);
  }
}

void text_table_print(FILE *out, const struct text_table *t, int width)
{
  if (!t || t->failed) {
    fputs("(no memory for this table)\n", out);
    return;
  }
  struct panel p = {.from = 1, .to = 1};
  do {
    int used = t->indent + (t->n_columns ? t->columns[0].width : 0);
    for (p.to = p.from; p.to < t->n_columns; p.to++) {
      int more = GAP + t->columns[p.to].width;
      if (width > 0 && used + more > width && p.to > p.from) break;
      used += more;
    }
    if (p.from > 1) fputc('\n', out);
    if (width > 0 && used > width && p.to == p.from + 1)
      print_below(out, t, p.from);
    else
      print_panel(out, t, &p);
    p.from = p.to;
  } while (p.from < t->n_columns);
}
