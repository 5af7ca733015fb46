/* What the figures share. */
#ifndef GSOS_REPORT_PLOTS_INTERNAL_H
#define GSOS_REPORT_PLOTS_INTERNAL_H

#include <stddef.h>
#include <stdio.h>

#include "host/report/report_plots.h"

/* Colours in a figure and what a page calls them, so that they are others in the dark.  The first
 * ones are of groups and strategies, told apart also without red or green (Okabe, Ito, "Color
 * Universal Design", 2008). */
enum { PLOT_COLOURS = 6 };
enum plot_colour { PLOT_INK = PLOT_COLOURS, PLOT_SOFT, PLOT_AXIS, PLOT_GRID, PLOT_FAINT, PLOT_BAD, PLOT_PAPER };
struct plot_colour_row {
  const char *rgb;  /* "#0072b2" */
  const char *name; /* the variable of the page's style: "--c0" */
};
extern const struct plot_colour_row plot_colours[]; /* [n_plot_colours] */
extern const int n_plot_colours;

/* Of the i-th group or strategy. */
const char *plot_colour(int i);

/* The figures while they are written. */
struct plot_writer {
  const struct report_page *p;
  struct plots *plots;
  const char *folder;
  FILE *script;
  struct error *e;
};

/* Opens the script, and removes what an earlier page has left in w->folder; `page`: what the
 * figures are of, "report.html". */
int plots_begin(struct plot_writer *w, const char *page);
/* Ends and closes it; returns `code`, or what went wrong in closing. */
int plots_end(struct plot_writer *w, int code);

/* The next figure, whose CSV is returned, to be closed by plot_end; NULL: it cannot be written. */
FILE *plot_begin(struct plot_writer *w, enum plot_place place, const char *title, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Closes the CSV, and begins the figure's part of the script. */
int plot_end(struct plot_writer *w, FILE *csv, int width, int height);
struct plot *plot_last(struct plot_writer *w);

/* Text between single quotes for gnuplot; `label` also of a tic's label, where % is special. */
void plot_quoted(FILE *out, const char *text);
void plot_quoted_label(FILE *out, const char *text);
/* A number, or nothing, with a comma before it; text that is one line, likewise. */
void plot_number(FILE *csv, double number);
void plot_text(FILE *csv, const char *text);

/* The range of values that an axis has to show; log: they lie orders of magnitude apart. */
struct plot_range {
  double low, high;
  bool log, any;
};
void plot_range_add(struct plot_range *r, double value);
/* Widens it for a margin, and decides on the logarithm. */
void plot_range_close(struct plot_range *r);
/* "set yrange ..." for axis 'x' or 'y'. */
void plot_range_set(FILE *script, char axis, const struct plot_range *r);

/* In the order of the page; each writes figures where it has something to show. */
int plots_of_trials(struct plot_writer *w); /* report_plots_trials.c */
int plots_of_cost(struct plot_writer *w);   /* the same */
/* The best so far of the studies of w->p as a small figure, by TFLOP where they are known, else by
 * images, else by trials; none where no trial is complete. */
int plot_best_by_cost(struct plot_writer *w, const char *title, const char *name);
int plots_of_hyperparameters(struct plot_writer *w); /* report_plots_space.c */
int plots_of_curves(struct plot_writer *w);          /* report_plots_time.c */
int plots_of_devices(struct plot_writer *w);         /* the same */

#endif
