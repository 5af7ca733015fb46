/* The figures of report.html: their data as CSV and a script for gnuplot (5.0 or later), which
 * draws all of them in one go; and an SVG that it has drawn as a part of a page. */
#ifndef GSOS_REPORT_PLOTS_H
#define GSOS_REPORT_PLOTS_H

#include <stdbool.h>
#include <stdio.h>

#include "host/base/error.h"
#include "host/report/report_page.h"

/* Where a figure stands in the page.  Panels: many small ones, a study each. */
enum plot_place { PLOT_PANELS, PLOT_TRIALS, PLOT_COST, PLOT_IMPORTANCE, PLOT_SLICES, PLOT_CURVES, PLOT_TIMELINE };

struct plot {
  enum plot_place place;
  char name[32];                /* NAME.csv, NAME.svg */
  char title[PAGE_LABEL + 100]; /* as it is stored, not escaped; so is the caption */
  char caption[400];            /* "" where the title says it */
  bool wide;                    /* takes the page's width */
};

struct plots {
  struct plot *plots; /* [n] in the order of the page */
  int n;
};

/* Writes NAME.csv of each figure and plots.gp into the folder, in place of those of an earlier
 * page.  `gnuplot plots.gp` there draws NAME.svg; `gnuplot plots-png.gp` NAME.png.  Files are not
 * synced: they can be made again.  Figures that would show nothing are left out.  plots_free
 * afterwards, also after an error. */
int report_plots_write(struct plots *plots, const struct report_page *p, const char *folder, struct error *e);
void report_plots_free(struct plots *plots); /* accepts a zero-initialised struct */

/* What plots.gp is called, and the script for PNG. */
extern const char report_plots_script[], report_plots_script_png[];

/* Copies the SVG as gnuplot wrote it into a page, without what a page has no need of: colours
 * become those of the page (report_html_style.h), its size that of the place.  Elements and
 * attributes that are none of gnuplot's drawings are refused: false, and nothing is written.
 *   label      for who cannot see it, escaped for HTML
 *   has_marks  in and out: the page has the marks that points are made of; the first one brings
 *              them */
bool report_plots_embed(FILE *out, const char *svg, const char *label, bool *has_marks);

#endif
