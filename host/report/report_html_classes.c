/* What the best networks get wrong, in a page: accuracy of each class, the confusion matrix, and
 * the test images that a network was surest about and wrong.
 *
 * Of each strategy the best round is shown, by validation: the network that one would take.  The
 * pictures lie beside the database, from when the network saw the test set, so that a page can be
 * made without the data set; they become a part of the page. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file_open.h"
#include "host/base/text_escape.h"
#include "host/report/report_classes.h"
#include "host/report/report_html_internal.h"
#include "host/report/report_internal.h"

enum {
  ROWS_SHOWN = 200, /* classes of the table */
  NAMES_ACROSS = 12,
  MATRIX_MAX = 40, /* classes of the matrix */
  PAIRS_SHOWN = 40,
  SHADES = 6,                    /* .hit1 ... and .miss1 ... of the page's style */
  PICTURE_BYTES_MAX = 128 << 10, /* one of 96 × 96 pixels has 27 KiB before it is packed */
};

/* ---- which studies --------------------------------------------------------------------------- */

/* The best of a strategy's rounds of which classes are known; NULL: there is none. */
static const struct page_study *study_of_series(const struct report_page *p, int series)
{
  const struct page_study *best = NULL;
  for (int i = 0; i < p->n; i++) {
    const struct page_study *s = &p->studies[i];
    if (s->series != series || !s->s->classes.classes) continue;
    if (!best || report_study_better(s->s, best->s)) best = s;
  }
  return best;
}

bool html_has_classes(const struct report_page *p)
{
  for (int i = 0; i < p->n; i++)
    if (p->studies[i].s->classes.classes) return true;
  return false;
}

/* ---- pictures -------------------------------------------------------------------------------- */

/* A PNG file as a URI's base64; malloc'ed, NULL where there is none. */
static char *read_picture(const char *path)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  uint8_t *bytes = calloc(1, PICTURE_BYTES_MAX + 3);
  char *text = malloc(PICTURE_BYTES_MAX / 3 * 4 + 12), *to = text;
  FILE *in = file_open_to_read(path);
  size_t n = in && bytes ? fread(bytes, 1, PICTURE_BYTES_MAX, in) : 0;
  bool good = text && n > sizeof signature && n < PICTURE_BYTES_MAX && !memcmp(bytes, signature, sizeof signature);
  for (size_t i = 0; good && i < n; i += 3) {
    uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2]; /* zeros behind the end */
    for (int k = 0; k < 4; k++) *to++ = i + (size_t)k <= n ? digits[three >> (18 - 6 * k) & 63] : '=';
  }
  if (good) *to = 0;
  if (in) fclose(in);
  free(bytes);
  return good ? text : (free(text), NULL);
}

static void print_picture(FILE *out, const struct class_counts *c, const struct class_mistake *m, const char *picture)
{
  fputs("<figure><img alt=\"", out);
  html_textf(out, "image %d of the test set", m->image);
  fprintf(out, "\" src=\"data:image/png;base64,%s\"><figcaption><b>", picture);
  html_text(out, c->names[m->label]);
  fputs("</b> taken for <b>", out);
  html_text(out, c->names[m->said]);
  fputs("</b><span>", out);
  html_textf(out, "%.4f, image %d", m->probability, m->image);
  fputs("</span></figcaption></figure>\n", out);
}

/* A row each, where there are no pictures. */
static void print_mistakes_table(FILE *out, const struct class_counts *c)
{
  fputs("<div class=\"scroll\"><table><thead><tr>", out);
  html_heading(out, true, "image");
  html_heading(out, false, "class");
  html_heading(out, false, "taken for");
  html_heading(out, true, "probability");
  fputs("</tr></thead>\n<tbody>", out);
  for (int i = 0; i < c->n_mistakes; i++) {
    const struct class_mistake *m = &c->mistakes[i];
    fputs("<tr>", out);
    html_cellf(out, true, "%d", m->image);
    html_cell(out, false, c->names[m->label]);
    html_cell(out, false, c->names[m->said]);
    html_cellf(out, true, "%.4f", m->probability);
    fputs("</tr>\n", out);
  }
  fputs("</tbody></table></div>\n", out);
}

static void print_mistakes(FILE *out, const struct report_page *p, const struct page_study *s)
{
  const struct class_counts *c = &s->s->classes;
  char *pictures[MISTAKES_MAX], path[1600];
  int there = 0;
  if (c->n_mistakes == 0) return;
  for (int i = 0; i < c->n_mistakes; i++) {
    snprintf(path, sizeof path, "%s/" REPORT_MISTAKES_FOLDER "/%s-%d/" REPORT_MISTAKE_FILE, p->folder,
             s->s->record.strategy, s->s->record.round, s->s->record.test.trial, c->mistakes[i].image);
    there += (pictures[i] = read_picture(path)) != NULL;
  }
  fputs("<p class=\"note\">", out);
  html_textf(
      out,
      "The %d that it was surest about and wrong: class, what it was taken for, and how probable that was to it.%s",
      c->n_mistakes,
      there < c->n_mistakes ? "  Their pictures are not all there: a run keeps them in its output folder, in "
                              "mistakes/, and this one has not, or they were removed."
                            : "");
  fputs("</p>\n", out);
  if (there) fputs("<div class=\"mistakes\">\n", out);
  for (int i = 0; i < c->n_mistakes; i++) {
    if (pictures[i]) print_picture(out, c, &c->mistakes[i], pictures[i]);
    free(pictures[i]);
  }
  if (there) fputs("</div>\n", out);
  if (there < c->n_mistakes) print_mistakes_table(out, c);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void print_rows(FILE *out, const struct class_counts *c)
{
  int n;
  struct class_row *rows = class_counts_rows(c, ROWS_SHOWN, &n);
  fputs("<div class=\"scroll tall\"><table class=\"sort classes\"><thead><tr>", out);
  html_heading(out, false, "class");
  html_heading(out, true, "images");
  html_heading(out, true, "right");
  html_heading(out, true, "accuracy");
  html_heading(out, false, "most often taken for");
  fputs("</tr></thead>\n<tbody>", out);
  for (int i = 0; i < n; i++) {
    const struct class_row *r = &rows[i];
    fputs("<tr>", out);
    html_cell(out, false, c->names[r->label]);
    html_cellf(out, true, "%lld", (long long)r->n);
    html_cellf(out, true, "%lld", (long long)r->right);
    html_cellf(out, true, "%.4f", (double)r->right / (double)r->n);
    if (r->mistaken < 0)
      html_cell(out, false, "");
    else
      html_cellf(out, false, "%s (%lld)", c->names[r->mistaken], (long long)r->mistaken_n);
    fputs("</tr>\n", out);
  }
  fputs("</tbody></table></div>\n", out);
  free(rows);
}

/* A cell is the darker the more of its class it has. */
static void print_matrix(FILE *out, const struct class_counts *c)
{
  fprintf(out, "<div class=\"scroll\"><table class=\"matrix%s\"><thead><tr>", c->classes > NAMES_ACROSS ? " many" : "");
  html_heading(out, false, "class");
  for (int i = 0; i < c->classes; i++) html_heading(out, true, c->names[i]);
  fputs("</tr></thead>\n<tbody>", out);
  for (int label = 0; label < c->classes; label++) {
    int64_t images = 0;
    for (int i = 0; i < c->classes; i++) images += class_counts_at(c, label, i);
    fputs("<tr><th>", out);
    html_text(out, c->names[label]);
    fputs("</th>", out);
    for (int i = 0; i < c->classes; i++) {
      int64_t count = class_counts_at(c, label, i);
      if (count == 0) {
        fputs("<td></td>", out);
        continue;
      }
      int shade = 1 + (int)((SHADES - 1) * count / images);
      fprintf(out, "<td class=\"n %s%d\">%lld</td>", i == label ? "hit" : "miss", shade, (long long)count);
    }
    fputs("</tr>\n", out);
  }
  fputs("</tbody></table></div>\n", out);
}

static void print_pairs(FILE *out, const struct class_counts *c)
{
  int n;
  struct class_cell *pairs = class_counts_pairs(c, PAIRS_SHOWN, &n);
  fputs("<div class=\"scroll tall\"><table><thead><tr>", out);
  html_heading(out, true, "images");
  html_heading(out, false, "class");
  html_heading(out, false, "taken for");
  fputs("</tr></thead>\n<tbody>", out);
  for (int i = 0; i < n; i++) {
    fputs("<tr>", out);
    html_cellf(out, true, "%lld", (long long)pairs[i].count);
    html_cell(out, false, c->names[pairs[i].label]);
    html_cell(out, false, c->names[pairs[i].said]);
    fputs("</tr>\n", out);
  }
  fputs("</tbody></table></div>\n", out);
  free(pairs);
}

/* ---- a study --------------------------------------------------------------------------------- */

static void print_sentence(FILE *out, const struct page_study *s)
{
  const struct class_counts *c = &s->s->classes;
  int missing = c->classes - class_counts_present(c);
  char count[40], wrong[40];
  fputs("<p>", out);
  html_textf(out, "Trial %d, on the %s image%s of the test set: %s wrong (%.2f %%).", s->s->record.test.trial,
             html_count(count, (double)c->n), c->n == 1 ? "" : "s", html_count(wrong, (double)(c->n - c->right)),
             100 * (double)(c->n - c->right) / (double)c->n);
  if (c->top_k)
    html_textf(out, "  Top-%d accuracy %.4f: its class is among the %d most probable for %s of them.", c->top_k,
               (double)c->top_right / (double)c->n, c->top_k, html_count(count, (double)c->top_right));
  if (missing)
    html_textf(out, "  %d of %d classes %s no image in the test set.", missing, c->classes,
               missing == 1 ? "has" : "have");
  fputs("</p>\n", out);
}

static void print_study(FILE *out, const struct report_page *p, const struct page_study *s, bool open)
{
  const struct class_counts *c = &s->s->classes;
  const char *expanded = open ? " open" : "";
  fputs("<h3>", out);
  html_textf(out, "%s%s", s->label, p->series[s->series].studies > 1 ? ", its best round by validation" : "");
  fputs("</h3>\n", out);
  print_sentence(out, s);
  print_mistakes(out, p, s);
  fprintf(out, "<details%s><summary>Accuracy of each class</summary>\n", expanded);
  print_rows(out, c);
  fputs("</details>\n", out);
  if (c->right == c->n) return;
  bool matrix = c->classes <= MATRIX_MAX;
  fprintf(out, "<details%s><summary>%s</summary>\n", expanded,
          matrix ? "Confusion matrix: a row for each class, a column for what its images were taken for"
                 : "What is most often taken for what");
  if (matrix)
    print_matrix(out, c);
  else
    print_pairs(out, c);
  fputs("</details>\n", out);
}

void html_classes(FILE *out, const struct report_page *p)
{
  bool several = false, first = true;
  for (int i = 0; i < p->n_series; i++) several = several || p->series[i].studies > 1;
  if (several) fputs("<p class=\"note\">confusion.csv has every round.</p>\n", out);
  for (int i = 0; i < p->n_series; i++) {
    const struct page_study *s = study_of_series(p, i);
    if (s) print_study(out, p, s, first);
    first = first && !s;
  }
}
