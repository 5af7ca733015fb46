/* Several runs side by side, as a page.  See report_compare.h. */
#include "host/base/version.h"
#include "host/report/report_compare.h"
#include "host/report/report_html_internal.h"
#include "host/report/report_html_style.h"

static void print_table(FILE *out, const struct compare_table *t, int number)
{
  fprintf(out, "<section id=\"table-%d\"><h2>", number);
  html_text(out, t->title);
  fputs("</h2>\n<div class=\"scroll\"><table class=\"figures\"><thead><tr>", out);
  for (int k = 0; k < t->n_columns; k++)
    if (k == 0 || report_compare_says(t, k)) html_heading(out, k > 0, t->headings[k]);
  fputs("</tr></thead>\n<tbody>", out);
  for (int row = 0; row < t->n_rows; row++) {
    fputs("<tr><th>", out);
    html_text(out, t->cells[row][0]);
    fputs("</th>", out);
    for (int k = 1; k < t->n_columns; k++)
      if (report_compare_says(t, k)) html_cell(out, true, t->cells[row][k]);
    fputs("</tr>\n", out);
  }
  fputs("</tbody></table></div></section>\n", out);
}

static void section_of_plots(struct html *h, const char *id, const char *title, enum plot_place place)
{
  bool any = false;
  for (int i = 0; i < h->plots->n; i++) any = any || h->plots->plots[i].place == place;
  if (!any) return;
  fprintf(h->out, "<section id=\"%s\"><h2>%s</h2>\n", id, title);
  html_plots(h, place);
  fputs("</section>\n", h->out);
}

static void print_header(FILE *out, const char *link, const char *missing)
{
  fprintf(out,
          "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"generator\" content=\"gsos " GSOS_VERSION "\">\n<title>Runs compared – gsos</title>\n"
          "<link rel=\"icon\" href=\"data:,\">\n<style>\n%s</style></head>\n<body>\n"
          "<header><h1>Runs compared</h1>\n",
          report_html_style);
  if (missing) {
    fputs("<p class=\"note\" id=\"no-figures\">", out);
    html_textf(out, "There are no figures: %s.  Their data lie in %s/, with gnuplot’s script.", missing, link);
    fputs("</p>\n", out);
  }
  fputs("</header>\n<main>\n", out);
}

void report_compare_html(FILE *out, const struct report_compare *c, const struct plots *plots, const char *folder,
                         const char *link, const char *missing)
{
  struct html h = {.out = out, .plots = plots, .folder = folder, .link = link, .missing = missing};
  print_header(out, link, missing);
  for (int i = 0; i < c->n; i++) print_table(out, &c->tables[i], i + 1);
  for (int i = 0; i < c->n_notes; i++) {
    fputs("<p class=\"note\">", out);
    html_text(out, c->notes[i]);
    fputs("</p>\n", out);
  }
  section_of_plots(&h, "found", "What was found", PLOT_TRIALS);
  section_of_plots(&h, "saved", "What was saved", PLOT_COST);
  section_of_plots(&h, "best", "The best so far, run by run", PLOT_PANELS);
  fprintf(out, "</main>\n<script>\n%s</script>\n</body></html>\n", report_html_script);
}
