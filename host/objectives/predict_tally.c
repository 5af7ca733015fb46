/* Accuracy and confusion.  See predict_tally.h. */
#include "host/objectives/predict_tally.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/file_replace.h"
#include "host/base/text_csv.h"
#include "host/base/text_table.h"
#include "host/base/text_wrap.h"

enum { ROWS_SHOWN = 20 };

int predict_tally_begin(struct predict_tally *t, int classes, struct error *e)
{
  *t = (struct predict_tally){.classes = classes};
  t->counts = calloc((size_t)classes * (size_t)classes, sizeof *t->counts);
  return t->counts ? 0 : error_set(e, ERROR_MACHINE, "no memory for a confusion matrix of %d classes", classes);
}

void predict_tally_free(struct predict_tally *t)
{
  free(t->counts);
  memset(t, 0, sizeof *t);
}

static int64_t count(const struct predict_tally *t, int label, int predicted)
{
  return t->counts[(size_t)label * (size_t)t->classes + (size_t)predicted];
}

void predict_tally_add(struct predict_tally *t, int label, int predicted)
{
  t->counts[(size_t)label * (size_t)t->classes + (size_t)predicted]++;
  t->n++;
  t->right += label == predicted;
}

/* ---- for people ------------------------------------------------------------------------------ */

struct row {
  int label, mistaken; /* mistaken: the class that it is most often taken for, -1: none */
  int64_t n, right;
};

/* Lowest accuracy first, compared as fractions; of equal ones the first class. */
static int by_accuracy(const void *a, const void *b)
{
  const struct row *x = a, *y = b;
  int64_t left = x->right * y->n, right = y->right * x->n;
  return left != right ? (left < right ? -1 : 1) : x->label - y->label;
}

static struct row row_of(const struct predict_tally *t, int label)
{
  struct row r = {label, -1, 0, count(t, label, label)};
  for (int c = 0; c < t->classes; c++) {
    int64_t n = count(t, label, c);
    r.n += n;
    if (c != label && n && (r.mistaken < 0 || n > count(t, label, r.mistaken))) r.mistaken = c;
  }
  return r;
}

static void print_rows(FILE *out, const struct predict_tally *t, const struct predictor *p, const struct row *rows,
                       int n)
{
  struct text_table *table = text_table_create();
  text_table_column(table, "class", false);
  text_table_column(table, "images", true);
  text_table_column(table, "right", true);
  text_table_column(table, "accuracy", true);
  text_table_column(table, "taken for", false);
  for (int i = 0; i < n; i++) {
    const struct row *r = &rows[i];
    text_table_cell(table, predictor_class_name(p, r->label));
    text_table_cellf(table, "%lld", (long long)r->n);
    text_table_cellf(table, "%lld", (long long)r->right);
    text_table_cellf(table, "%.4f", (double)r->right / (double)r->n);
    if (r->mistaken < 0)
      text_table_cell(table, "");
    else
      text_table_cellf(table, "%lld %s", (long long)count(t, r->label, r->mistaken),
                       predictor_class_name(p, r->mistaken));
  }
  text_table_print(out, table, text_width(out));
  text_table_destroy(table);
}

void predict_tally_print(FILE *out, const struct predict_tally *t, const struct predictor *p)
{
  int n = 0;
  if (t->n == 0) return;
  fprintf(out, "accuracy %.4f (%lld of %lld)\n\n", (double)t->right / (double)t->n, (long long)t->right,
          (long long)t->n);
  struct row *rows = malloc((size_t)t->classes * sizeof *rows);
  if (!rows) return;
  for (int c = 0; c < t->classes; c++) {
    struct row r = row_of(t, c);
    if (r.n) rows[n++] = r;
  }
  if (n > ROWS_SHOWN) {
    qsort(rows, (size_t)n, sizeof *rows, by_accuracy);
    fprintf(out, "The %d of %d classes with the lowest accuracy:\n", ROWS_SHOWN, n);
    n = ROWS_SHOWN;
  }
  print_rows(out, t, p, rows, n);
  free(rows);
}

/* ---- for programs ---------------------------------------------------------------------------- */

int predict_tally_write(const struct predict_tally *t, const struct predictor *p, const char *path, struct error *e)
{
  struct file_replace f;
  if (file_replace_begin(&f, path, e)) return e->code;
  fputs("class", f.out);
  for (int c = 0; c < t->classes; c++) {
    putc(',', f.out);
    text_csv(f.out, predictor_class_name(p, c));
  }
  putc('\n', f.out);
  for (int label = 0; label < t->classes; label++) {
    text_csv(f.out, predictor_class_name(p, label));
    for (int c = 0; c < t->classes; c++) fprintf(f.out, ",%lld", (long long)count(t, label, c));
    putc('\n', f.out);
  }
  return file_replace_commit(&f, e);
}
