/* What the parts of a page share. */
#ifndef GSOS_REPORT_HTML_INTERNAL_H
#define GSOS_REPORT_HTML_INTERNAL_H

#include <stdbool.h>
#include <stdio.h>

#include "host/report/report_page.h"
#include "host/report/report_plots.h"

/* A page while it is written. */
struct html {
  FILE *out;
  const struct report_page *p; /* NULL: of several runs */
  const struct plots *plots;
  const char *folder, *link; /* where the figures are, and as the page calls that */
  const char *missing;       /* why there are no figures; NULL: there are */
  bool has_marks;
};

/* The figures of a place, as report_plots.h has them. */
void html_plots(struct html *h, enum plot_place place);

/* Any text as HTML shows it: what is not printable as \xNN (text_escape_once), then <, >, & and
 * quotes. */
void html_text(FILE *out, const char *text);
void html_textf(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A cell of a table; number: at its right. */
void html_cell(FILE *out, bool number, const char *text);
void html_cellf(FILE *out, bool number, const char *format, ...) __attribute__((format(printf, 3, 4)));
void html_heading(FILE *out, bool number, const char *text);

/* "1,234,567" */
const char *html_count(char text[40], double count);

void html_comparison(FILE *out, const struct report_page *p); /* report_html_compare.c */
/* Is anything known of classes?  report_html_classes.c: what each strategy's best network gets
 * wrong. */
bool html_has_classes(const struct report_page *p);
void html_classes(FILE *out, const struct report_page *p);
void html_trials(FILE *out, const struct report_page *p);   /* report_html_trials.c: the table of all trials */
void html_failures(FILE *out, const struct report_page *p); /* the same: what failed, and why */

#endif
