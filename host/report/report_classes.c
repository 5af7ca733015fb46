/* What the best network gets wrong, for terminals and as CSV.  See report_classes.h. */
#include "host/report/report_classes.h"

#include "host/base/text_csv.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "host/report/report_internal.h"

enum { ROWS_SHOWN = 20, PAIRS_SHOWN = 10 };

bool report_has_classes(const struct report *r)
{
  for (int i = 0; i < r->n; i++)
    if (r->studies[i].classes.classes) return true;
  return false;
}

/* Classes that the test set has no image of say nothing, and that is said. */
static void print_missing(FILE *out, const struct class_counts *c)
{
  int missing = c->classes - class_counts_present(c);
  if (missing)
    text_wrapf(out, "  ", "%d of %d classes %s no image in the test set", missing, c->classes,
               missing == 1 ? "has" : "have");
}

void report_print_classes(FILE *out, const struct report *r)
{
  int best = report_best(r), others = 0;
  char name[600];
  if (best < 0 || !r->studies[best].classes.classes) return;
  const struct report_study *s = &r->studies[best];
  const struct class_counts *c = &s->classes;
  for (int i = 0; i < r->n; i++) others += i != best && r->studies[i].classes.classes;
  text_escape(name, sizeof name, s->name);
  fputs("What the best network gets wrong\n", out);
  text_wrapf(out, "", "%s, trial %d%s, on the %lld image%s of the test set: %lld wrong (%.2f %%)", name,
             s->record.test.trial, others ? ", the best of all by validation" : "", (long long)c->n,
             c->n == 1 ? "" : "s", (long long)(c->n - c->right), 100 * (double)(c->n - c->right) / (double)c->n);
  if (c->top_k)
    text_wrapf(out, "", "top-%d accuracy %.4f: its class is among the %d most probable for %lld of them", c->top_k,
               (double)c->top_right / (double)c->n, c->top_k, (long long)c->top_right);
  class_counts_print_classes(out, c, ROWS_SHOWN);
  print_missing(out, c);
  if (c->right < c->n) {
    fputc('\n', out);
    if (!class_counts_print_matrix(out, "A row for each class, a column for what its images were taken for:", c)) {
      text_wrap(out, "", "Most often taken for another:");
      class_counts_print_pairs(out, c, PAIRS_SHOWN);
    }
  }
  fputc('\n', out);
}

void report_print_confusion_csv(FILE *out, const struct report *r)
{
  fputs("study,strategy,round,trial,true,said,count\n", out);
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    for (size_t k = 0; k < s->classes.n_cells; k++) {
      const struct class_cell *cell = &s->classes.cells[k];
      text_csv(out, s->name);
      fputc(',', out);
      text_csv(out, s->record.strategy);
      fprintf(out, ",%d,%d,", s->record.round, s->record.test.trial);
      text_csv(out, s->classes.names[cell->label]);
      fputc(',', out);
      text_csv(out, s->classes.names[cell->said]);
      fprintf(out, ",%lld\n", (long long)cell->count);
    }
  }
}
