/* Accuracy and confusion.  See class_counts.h. */
#include "host/base/class_counts.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/file_replace.h"
#include "host/base/text_csv.h"
#include "host/base/text_escape.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"

enum { ROWS_SHOWN = 20, NAME_SHOWN = 4 * TEXT_TABLE_CELL_MAX };

static int no_memory(const struct class_counts *c, struct error *e)
{
  return error_set(e, ERROR_MACHINE, "no memory for a confusion matrix of %d classes", c->classes);
}

int class_counts_begin(struct class_counts *c, int classes, char *const *names, struct error *e)
{
  *c = (struct class_counts){.classes = classes, .top_k = classes >= TOP_K_CLASSES ? TOP_K : 0};
  c->names = calloc((size_t)classes, sizeof *c->names);
  for (int i = 0; i < classes && c->names; i++)
    if (!(c->names[i] = strdup(names[i]))) return no_memory(c, e);
  return c->names ? 0 : no_memory(c, e);
}

void class_counts_free(struct class_counts *c)
{
  for (int i = 0; i < c->classes && c->names; i++) free(c->names[i]);
  free(c->names);
  free(c->cells);
  memset(c, 0, sizeof *c);
}

/* ---- counting -------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
  const struct class_cell *x = a, *y = b;
  return x->label != y->label ? (x->label < y->label ? -1 : 1) : (x->said > y->said) - (x->said < y->said);
}

/* In order, each place once. */
static void settle(struct class_counts *c)
{
  size_t to = 0;
  if (c->n_cells) qsort(c->cells, c->n_cells, sizeof *c->cells, by_place);
  for (size_t i = 0; i < c->n_cells; i++) {
    if (to && by_place(&c->cells[to - 1], &c->cells[i]) == 0)
      c->cells[to - 1].count += c->cells[i].count;
    else
      c->cells[to++] = c->cells[i];
  }
  c->n_cells = to;
}

/* Room for one more: that of cells that are there twice or, where few are, twice as much. */
static int make_room(struct class_counts *c, struct error *e)
{
  if (c->n_cells < c->room) return 0;
  settle(c);
  if (c->n_cells < c->room / 2) return 0;
  size_t room = c->room ? 2 * c->room : 256;
  struct class_cell *more = realloc(c->cells, room * sizeof *more);
  if (!more) return no_memory(c, e);
  c->cells = more;
  c->room = room;
  return 0;
}

int class_counts_add(struct class_counts *c, int label, int said, int64_t count, struct error *e)
{
  if (make_room(c, e)) return e->code;
  c->cells[c->n_cells++] = (struct class_cell){label, said, count};
  c->n += count;
  if (label == said) c->right += count;
  return 0;
}

void class_counts_end(struct class_counts *c)
{
  settle(c);
}

/* How many classes come before `label`; of equally probable ones the first is meant. */
static int rank_of(const struct class_counts *c, int label, const float *probabilities)
{
  int rank = 0;
  for (int i = 0; i < c->classes; i++) {
    bool alike = probabilities[i] == probabilities[label];
    rank += probabilities[i] > probabilities[label] || (i < label && alike);
  }
  return rank;
}

/* Images come in their order, so that of equally sure ones the first stands first. */
static void keep_mistake(struct class_counts *c, const struct class_mistake *m)
{
  int at = c->n_mistakes;
  while (at > 0 && c->mistakes[at - 1].probability < m->probability) at--;
  if (at == MISTAKES_MAX) return;
  int moved = c->n_mistakes < MISTAKES_MAX ? c->n_mistakes++ : MISTAKES_MAX - 1;
  memmove(&c->mistakes[at + 1], &c->mistakes[at], (size_t)(moved - at) * sizeof *m);
  c->mistakes[at] = *m;
}

int class_counts_image(struct class_counts *c, int image, int label, int said, const float *probabilities,
                       struct error *e)
{
  struct class_mistake mistake = {image, label, said, (double)probabilities[said]};
  if (c->top_k) c->top_right += rank_of(c, label, probabilities) < c->top_k;
  if (label != said) keep_mistake(c, &mistake);
  return class_counts_add(c, label, said, 1, e);
}

/* ---- what follows ---------------------------------------------------------------------------- */

int64_t class_counts_at(const struct class_counts *c, int label, int said)
{
  struct class_cell wanted = {label, said, 0};
  const struct class_cell *cell =
      c->n_cells ? bsearch(&wanted, c->cells, c->n_cells, sizeof *c->cells, by_place) : NULL;
  return cell ? cell->count : 0;
}

int class_counts_present(const struct class_counts *c)
{
  int n = 0;
  for (size_t i = 0; i < c->n_cells; i++) n += i == 0 || c->cells[i].label != c->cells[i - 1].label;
  return n;
}

/* Lowest accuracy first, compared as fractions; of equal ones the first class. */
static int by_accuracy(const void *a, const void *b)
{
  const struct class_row *x = a, *y = b;
  int64_t left = x->right * y->n, right = y->right * x->n;
  return left != right ? (left < right ? -1 : 1) : x->label - y->label;
}

struct class_row *class_counts_rows(const struct class_counts *c, int most, int *n)
{
  int present = class_counts_present(c), at = -1;
  struct class_row *rows = present ? malloc((size_t)present * sizeof *rows) : NULL;
  *n = 0;
  for (size_t i = 0; rows && i < c->n_cells; i++) {
    const struct class_cell *cell = &c->cells[i];
    if (at < 0 || rows[at].label != cell->label) rows[++at] = (struct class_row){.label = cell->label, .mistaken = -1};
    struct class_row *r = &rows[at];
    r->n += cell->count;
    if (cell->said == cell->label) {
      r->right = cell->count;
    } else if (cell->count > r->mistaken_n) {
      r->mistaken = cell->said;
      r->mistaken_n = cell->count;
    }
  }
  if (!rows) return NULL;
  if (present > most) qsort(rows, (size_t)present, sizeof *rows, by_accuracy);
  *n = present > most ? most : present;
  return rows;
}

static int by_count(const void *a, const void *b)
{
  const struct class_cell *x = a, *y = b;
  return x->count != y->count ? (x->count > y->count ? -1 : 1) : by_place(a, b);
}

struct class_cell *class_counts_pairs(const struct class_counts *c, int most, int *n)
{
  struct class_cell *wrong = c->n_cells ? malloc(c->n_cells * sizeof *wrong) : NULL;
  size_t found = 0;
  *n = 0;
  for (size_t i = 0; wrong && i < c->n_cells; i++)
    if (c->cells[i].label != c->cells[i].said) wrong[found++] = c->cells[i];
  if (found == 0) {
    free(wrong);
    return NULL;
  }
  qsort(wrong, found, sizeof *wrong, by_count);
  *n = found > (size_t)most ? most : (int)found;
  return wrong;
}

/* ---- for people ------------------------------------------------------------------------------ */

static const char *shown(const struct class_counts *c, int label, char text[NAME_SHOWN])
{
  return text_escape_once(text, NAME_SHOWN, c->names[label]);
}

void class_counts_print_classes(FILE *out, const struct class_counts *c, int most)
{
  int n, present = class_counts_present(c);
  struct class_row *rows = class_counts_rows(c, most, &n);
  if (!rows) return;
  if (present > n) text_wrapf(out, "", "The %d of %d classes with the lowest accuracy:", n, present);
  struct text_table *table = text_table_create();
  text_table_column(table, "class", false);
  text_table_column(table, "images", true);
  text_table_column(table, "right", true);
  text_table_column(table, "accuracy", true);
  text_table_column(table, "taken for", false);
  for (int i = 0; i < n; i++) {
    const struct class_row *r = &rows[i];
    char name[NAME_SHOWN];
    text_table_cell(table, shown(c, r->label, name));
    text_table_cellf(table, "%lld", (long long)r->n);
    text_table_cellf(table, "%lld", (long long)r->right);
    text_table_cellf(table, "%.4f", (double)r->right / (double)r->n);
    if (r->mistaken < 0)
      text_table_cell(table, "");
    else
      text_table_cellf(table, "%lld %s", (long long)r->mistaken_n, shown(c, r->mistaken, name));
  }
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
  free(rows);
}

void class_counts_print(FILE *out, const struct class_counts *c)
{
  if (c->n == 0) return;
  fprintf(out, "accuracy %.4f (%lld of %lld)\n\n", (double)c->right / (double)c->n, (long long)c->right,
          (long long)c->n);
  class_counts_print_classes(out, c, ROWS_SHOWN);
}

/* How the matrix is laid out: columns of a class's name, of a number, and whether the names of
 * classes have room above the numbers, else letters stand there. */
struct matrix_layout {
  int first, number;
  bool named;
};

/* False where the lines have no room for it. */
static bool lay_matrix_out(const struct class_counts *c, int line, struct matrix_layout *l)
{
  enum { FIRST_MIN = 8 };
  char number[32], name[NAME_SHOWN];
  int widest = 0, first = 5; /* "class" */
  *l = (struct matrix_layout){.number = 1};
  for (size_t i = 0; i < c->n_cells; i++) {
    int digits = snprintf(number, sizeof number, "%lld", (long long)c->cells[i].count);
    if (digits > l->number) l->number = digits;
  }
  for (int i = 0; i < c->classes; i++) {
    int columns = text_columns(shown(c, i, name));
    if (columns > widest) widest = columns;
  }
  int with_names = widest > l->number ? widest : l->number;
  if (widest > first) first = widest;
  l->named = first + c->classes * (with_names + 1) <= line;
  if (l->named) l->number = with_names;
  int left = line - c->classes * (l->number + 1) - (l->named ? 0 : 2);
  l->first = first < left ? first : left;
  return left >= (first < FIRST_MIN ? first : FIRST_MIN);
}

/* The text in so many columns, cut where it is longer. */
static void print_within(FILE *out, const char *text, int columns)
{
  char cut[NAME_SHOWN];
  snprintf(cut, sizeof cut, "%.*s", (int)text_fitting(text, columns), text);
  text_pad(out, cut, columns);
}

bool class_counts_print_matrix(FILE *out, const char *heading, const struct class_counts *c)
{
  struct matrix_layout l;
  char name[NAME_SHOWN];
  if (c->classes < 1 || c->classes > CLASS_MATRIX_MAX || !lay_matrix_out(c, text_width(out), &l)) return false;
  text_wrap(out, "", heading);
  text_pad(out, "class", l.first + (l.named ? 0 : 2));
  for (int i = 0; i < c->classes; i++) {
    const char letter[] = {(char)('a' + i), 0};
    fputc(' ', out);
    text_pad(out, l.named ? shown(c, i, name) : letter, -l.number);
  }
  fputc('\n', out);
  for (int i = 0; i < c->classes; i++) {
    if (!l.named) fprintf(out, "%c ", 'a' + i);
    print_within(out, shown(c, i, name), l.first);
    for (int said = 0; said < c->classes; said++) {
      char number[32] = ".";
      int64_t count = class_counts_at(c, i, said);
      if (count) snprintf(number, sizeof number, "%lld", (long long)count);
      fputc(' ', out);
      text_pad(out, number, -l.number);
    }
    fputc('\n', out);
  }
  return true;
}

void class_counts_print_pairs(FILE *out, const struct class_counts *c, int most)
{
  int n;
  char name[NAME_SHOWN];
  struct class_cell *pairs = class_counts_pairs(c, most, &n);
  if (!pairs) return;
  struct text_table *table = text_table_create();
  text_table_column(table, "images", true);
  text_table_column(table, "class", false);
  text_table_column(table, "taken for", false);
  for (int i = 0; i < n; i++) {
    text_table_cellf(table, "%lld", (long long)pairs[i].count);
    text_table_cell(table, shown(c, pairs[i].label, name));
    text_table_cell(table, shown(c, pairs[i].said, name));
  }
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
  free(pairs);
}

/* ---- for programs ---------------------------------------------------------------------------- */

int class_counts_write(const struct class_counts *c, const char *path, struct error *e)
{
  struct file_replace f;
  if (file_replace_begin(&f, path, e)) return e->code;
  fputs("class", f.out);
  for (int i = 0; i < c->classes; i++) {
    putc(',', f.out);
    text_csv(f.out, c->names[i]);
  }
  putc('\n', f.out);
  for (int label = 0; label < c->classes; label++) {
    text_csv(f.out, c->names[label]);
    for (int i = 0; i < c->classes; i++) fprintf(f.out, ",%lld", (long long)class_counts_at(c, label, i));
    putc('\n', f.out);
  }
  return file_replace_commit(&f, e);
}
