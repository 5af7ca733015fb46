/* The figures of a page: files, script, colours.  See report_plots.h.
 *
 * In a CSV numbers come first, for gnuplot, and text last, for people. */
#include "host/report/report_plots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file_open.h"
#include "host/base/text_csv.h"
#include "host/base/text_escape.h"
#include "host/report/report_internal.h"
#include "host/report/report_plots_internal.h"

const char report_plots_script[] = "plots.gp", report_plots_script_png[] = "plots-png.gp";

const struct plot_colour_row plot_colours[] = {{"#0072b2", "--c0"},
                                               {"#d98200", "--c1"},
                                               {"#009e73", "--c2"},
                                               {"#b8558d", "--c3"},
                                               {"#56b4e9", "--c4"},
                                               {"#7a5195", "--c5"},
                                               [PLOT_INK] = {"#1f2328", "--ink"},
                                               [PLOT_SOFT] = {"#5c626c", "--soft"},
                                               [PLOT_AXIS] = {"#8a8f98", "--axis"},
                                               [PLOT_GRID] = {"#e3e5e8", "--grid"},
                                               [PLOT_FAINT] = {"#b9bec6", "--faint"},
                                               [PLOT_BAD] = {"#c8442c", "--bad"},
                                               [PLOT_PAPER] = {"#fefefe", "--paper"}};
const int n_plot_colours = sizeof plot_colours / sizeof *plot_colours;

const char *plot_colour(int i)
{
  return plot_colours[(i < 0 ? 0 : i) % PLOT_COLOURS].rgb;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Between single quotes gnuplot takes nothing but '' for anything else. */
static void quoted(FILE *out, const char *text, bool label)
{
  char shown[1100];
  fputc('\'', out);
  for (const char *c = text_escape(shown, sizeof shown, text); *c; c++) {
    if (*c == '\'' || (label && *c == '%')) fputc(*c, out);
    fputc(*c, out);
  }
  fputc('\'', out);
}

void plot_quoted(FILE *out, const char *text)
{
  quoted(out, text, false);
}

void plot_quoted_label(FILE *out, const char *text)
{
  quoted(out, text, true);
}

void plot_number(FILE *csv, double number)
{
  report_csv_number(csv, isfinite(number) ? number : NAN);
}

void plot_text(FILE *csv, const char *text)
{
  char shown[1100];
  fputc(',', csv);
  text_csv(csv, text_escape(shown, sizeof shown, text));
}

/* ---- ranges ---------------------------------------------------------------------------------- */

void plot_range_add(struct plot_range *r, double value)
{
  if (!isfinite(value) || fabs(value) > 1e250) return;
  r->low = r->any ? fmin(r->low, value) : value;
  r->high = r->any ? fmax(r->high, value) : value;
  r->any = true;
}

void plot_range_close(struct plot_range *r)
{
  r->log = r->low > 0 && r->high / r->low > 1000;
  if (r->log) {
    r->low /= 1.5;
    r->high *= 1.5;
    return;
  }
  double margin = r->high > r->low ? 0.05 * (r->high - r->low) : fmax(0.05 * fabs(r->high), 1e-3);
  r->low -= margin;
  r->high += margin;
}

void plot_range_set(FILE *script, char axis, const struct plot_range *r)
{
  fprintf(script, "set %crange [%.9g:%.9g]\n", axis, r->low, r->high);
  if (r->log) fprintf(script, "set logscale %c\nset format %c '%%g'\n", axis, axis);
}

/* ---- files ----------------------------------------------------------------------------------- */

static FILE *open_file(const struct plot_writer *w, const char *name)
{
  char path[1300];
  snprintf(path, sizeof path, "%s/%s", w->folder, name);
  FILE *out = file_open_to_write(path, 0);
  if (!out) file_open_failed(w->e, path, "cannot be written");
  return out;
}

static int close_file(const struct plot_writer *w, FILE *out)
{
  char shown[600];
  bool bad = ferror(out);
  if (fclose(out) == 0 && !bad) return 0;
  return error_errno(w->e, "%s: the data of a figure cannot be written", text_escape(shown, sizeof shown, w->folder));
}

/* What an earlier page has left, which may have had other figures. */
static void remove_earlier(const char *folder)
{
  static const char *const ours[] = {"values",   "best",   "cost",    "importance", "slice",
                                     "parallel", "curves", "devices", "found",      "saved"};
  DIR *dir = opendir(folder);
  if (!dir) return;
  for (struct dirent *entry; (entry = readdir(dir));) {
    char path[1500];
    const char *dot = strrchr(entry->d_name, '.');
    bool known = false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
      known = known || !strncmp(entry->d_name, ours[i], strlen(ours[i]));
    if (!known || !dot || (strcmp(dot, ".csv") && strcmp(dot, ".svg") && strcmp(dot, ".png"))) continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    unlink(path);
  }
  closedir(dir);
}

struct plot *plot_last(struct plot_writer *w)
{
  return &w->plots->plots[w->plots->n - 1];
}

FILE *plot_begin(struct plot_writer *w, enum plot_place place, const char *title, const char *format, ...)
{
  struct plots *all = w->plots;
  char file[40];
  va_list arguments;
  struct plot *more = realloc(all->plots, ((size_t)all->n + 1) * sizeof *more);
  if (!more) return error_set(w->e, ERROR_MACHINE, "no memory for a figure"), NULL;
  all->plots = more;
  struct plot *plot = &more[all->n++];
  *plot = (struct plot){.place = place};
  text_format(plot->title, sizeof plot->title, "%s", title);
  va_start(arguments, format);
  text_vformat(plot->name, sizeof plot->name, format, arguments);
  va_end(arguments);
  snprintf(file, sizeof file, "%s.csv", plot->name);
  return open_file(w, file);
}

int plot_end(struct plot_writer *w, FILE *csv, int width, int height)
{
  fprintf(w->script,
          "\n# %s\nreset\nset datafile separator comma\n"
          "if (format eq 'png') { set terminal pngcairo size %d,%d noenhanced font 'sans,13' background '#ffffff' } "
          "else { set terminal svg size %d,%d noenhanced font 'sans-serif,13' background '#ffffff' }\n"
          "set output '%s.'.format\n",
          plot_last(w)->name, width, height, width, height, plot_last(w)->name);
  fprintf(w->script,
          "set border 3 lc rgb '%s'\nset grid ytics lc rgb '%s' lt 1 lw 1\nset tics nomirror textcolor rgb '%s' "
          "scale 0.4\nset key noopaque textcolor rgb '%s' samplen 1.5\nset xlabel textcolor rgb '%s'\n"
          "set ylabel textcolor rgb '%s'\n",
          plot_colours[PLOT_AXIS].rgb, plot_colours[PLOT_GRID].rgb, plot_colours[PLOT_SOFT].rgb,
          plot_colours[PLOT_INK].rgb, plot_colours[PLOT_SOFT].rgb, plot_colours[PLOT_SOFT].rgb);
  return close_file(w, csv);
}

int plots_begin(struct plot_writer *w, const char *page)
{
  *w->plots = (struct plots){0};
  remove_earlier(w->folder);
  FILE *png = open_file(w, report_plots_script_png);
  if (!png) return w->e->code;
  fprintf(png, "# gnuplot %s\nformat = 'png'\nload '%s'\n", report_plots_script_png, report_plots_script);
  if (close_file(w, png)) return w->e->code;
  w->script = open_file(w, report_plots_script);
  if (!w->script) return w->e->code;
  fprintf(w->script,
          "# The figures of %s, from the CSV files beside this script: gnuplot %s\n"
          "set encoding utf8\nif (!exists('format')) format = 'svg'\n",
          page, report_plots_script);
  return 0;
}

int plots_end(struct plot_writer *w, int code)
{
  fputs("\nunset output\n", w->script);
  int closed = close_file(w, w->script);
  return code ? code : closed;
}

int report_plots_write(struct plots *plots, const struct report_page *p, const char *folder, struct error *e)
{
  struct plot_writer w = {p, plots, folder, NULL, e};
  static int (*const parts[])(struct plot_writer *) = {plots_of_trials, plots_of_cost, plots_of_hyperparameters,
                                                       plots_of_curves, plots_of_devices};
  int code = plots_begin(&w, "report.html");
  if (code) return code;
  for (size_t i = 0; i < sizeof parts / sizeof *parts && !code; i++) code = parts[i](&w);
  return plots_end(&w, code);
}

void report_plots_free(struct plots *plots)
{
  free(plots->plots);
  *plots = (struct plots){0};
}
