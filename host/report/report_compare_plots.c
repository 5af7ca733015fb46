/* Several runs side by side: figures.  See report_compare.h.
 *
 * Across the runs: what each strategy found, round by round and as the mean, and what it saves,
 * with the mean over the runs and its interval; and of each run the best so far by what it cost. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/report/report_compare_internal.h"
#include "host/report/report_plots_internal.h"

enum { PANELS_MAX = 12, WIDTH = 520, HEIGHT = 340, LABEL_BYTES = 20 };

/* What is drawn. */
struct drawn {
  struct plot_writer *w;
  const struct report_compare *c;
  const struct report *reports; /* [c->runs] */
};

/* ---- runs along the axis --------------------------------------------------------------------- */

/* The end of a name tells more than its beginning. */
static void label_of(const char *name, char *label, size_t size)
{
  size_t n = strlen(name);
  const char *from = n > LABEL_BYTES ? name + n - LABEL_BYTES : name;
  while (((unsigned char)*from & 0xc0) == 0x80) from++;
  text_format(label, size, "%s%s", from > name ? "..." : "", from);
}

/* Run i stands at i + 1; `mean`: one more place, for the mean. */
static void set_runs(const struct drawn *d, bool mean)
{
  FILE *script = d->w->script;
  size_t longest = 0;
  int n = d->c->runs;
  for (int i = 0; i < n; i++)
    if (strlen(d->c->names[i]) > longest) longest = strlen(d->c->names[i]);
  fprintf(script, "set xrange [0.5:%d.5]\nset xtics (", n + mean);
  for (int i = 0; i < n; i++) {
    char label[LABEL_BYTES + 8];
    label_of(d->c->names[i], label, sizeof label);
    fputs(i ? ", " : "", script);
    plot_quoted_label(script, label);
    fprintf(script, " %d", i + 1);
  }
  if (mean) fprintf(script, ", 'mean' %d", n + 1);
  fprintf(script, ")%s\nset key outside above left horizontal\nset tmargin 2.5\n",
          longest * (size_t)n > 60 ? " rotate by 30 right" : "");
}

/* The i-th of n beside one another stands so far from the middle. */
static double offset_of(int i, int n, double width)
{
  return (i - (n - 1) / 2.0) * width;
}

static void write_names(FILE *csv, const char *run, const char *strategy)
{
  plot_text(csv, run);
  plot_text(csv, strategy);
  fputc('\n', csv);
}

/* ---- what was found -------------------------------------------------------------------------- */

/* A line a round, and one for the mean where there are several. */
static void write_found(const struct drawn *d, FILE *csv, enum compare_figure k, struct plot_range *y)
{
  const struct report_compare *c = d->c;
  fputs("place,value,strategy,mean,run,strategy_name\n", csv);
  for (int i = 0; i < c->n_rows; i++) {
    const struct compare_row *row = &c->rows[i];
    const struct report *r = &d->reports[row->run];
    for (int s = 0; s < r->n; s++) {
      double value;
      if (!compare_counts(&r->studies[s]) || compare_strategy(c, &r->studies[s]) != row->strategy) continue;
      if (!compare_measure(&r->studies[s], k, &value)) continue;
      plot_range_add(y, value);
      fprintf(csv, "%d", row->run + 1);
      plot_number(csv, value);
      fprintf(csv, ",%d,0", row->strategy);
      write_names(csv, c->names[row->run], c->strategies[row->strategy]);
    }
    if (isnan(row->figures[k])) continue;
    fprintf(csv, "%d", row->run + 1);
    plot_number(csv, row->figures[k]);
    fprintf(csv, ",%d,1", row->strategy);
    write_names(csv, c->names[row->run], c->strategies[row->strategy]);
  }
}

static void draw_found(const struct drawn *d, const char *y_label, struct plot_range *y)
{
  FILE *script = d->w->script;
  const char *name = plot_last(d->w)->name;
  plot_range_close(y);
  plot_range_set(script, 'y', y);
  set_runs(d, false);
  fputs("set ylabel ", script);
  plot_quoted(script, y_label);
  fputs("\nplot ", script);
  for (int a = 0; a < d->c->n_strategies; a++) {
    double offset = offset_of(a, d->c->n_strategies, 0.16);
    fprintf(script,
            "%s'%s.csv' skip 1 using ($3==%d&&$4==0?$1%+.3f:NaN):2 with points pt 7 ps 0.35 lc rgb '%s' notitle, \\\n"
            "  '' skip 1 using ($3==%d&&$4==1?$1%+.3f:NaN):2 with points pt 7 ps 0.9 lc rgb '%s' title ",
            a ? ", \\\n  " : "", name, a, offset, plot_colour(a), a, offset, plot_colour(a));
    plot_quoted(script, d->c->strategies[a]);
  }
  fputs("\nunset output\n", script);
}

static bool any_found(const struct report_compare *c, enum compare_figure k)
{
  for (int i = 0; i < c->n_rows; i++)
    if (isfinite(c->rows[i].figures[k])) return true;
  return false;
}

/* Of metrics that differ there is none: they have no common axis. */
static int plot_found(const struct drawn *d, enum compare_figure k, const char *name, const char *what)
{
  struct plot_range y = {0};
  char title[160];
  bool several = false;
  if (!d->c->same_metric || !any_found(d->c, k)) return 0;
  text_format(title, sizeof title, "The best of each strategy: %s", what);
  FILE *csv = plot_begin(d->w, PLOT_TRIALS, title, "%s", name);
  if (!csv) return d->w->e->code;
  for (int i = 0; i < d->c->n_rows; i++) several = several || d->c->rows[i].rounds > 1;
  if (several)
    snprintf(plot_last(d->w)->caption, sizeof plot_last(d->w)->caption,
             "Small points are rounds, large ones their means.");
  write_found(d, csv, k, &y);
  int code = plot_end(d->w, csv, WIDTH, HEIGHT);
  if (!code) draw_found(d, what, &y);
  return code;
}

/* ---- what is saved --------------------------------------------------------------------------- */

/* Is a mean over runs known? */
static bool has_mean(const struct compare_mean *m, enum compare_figure k)
{
  return m->runs > 1 && isfinite(m->mean[k]);
}

static bool any_saved(const struct report_compare *c, enum compare_figure k)
{
  for (int i = 0; i < c->n_rows; i++)
    if (isfinite(c->rows[i].differences[k])) return true;
  return false;
}

static bool any_mean(const struct report_compare *c, enum compare_figure k)
{
  for (int i = 0; i < c->n_means; i++)
    if (has_mean(&c->means[i], k)) return true;
  return false;
}

static void write_saved(const struct report_compare *c, FILE *csv, enum compare_figure k)
{
  fputs("place,percent_saved,strategy,half_interval,run,strategy_name\n", csv);
  for (int i = 0; i < c->n_rows; i++) {
    const struct compare_row *row = &c->rows[i];
    if (!isfinite(row->differences[k])) continue;
    fprintf(csv, "%d", row->run + 1);
    plot_number(csv, 100 * row->differences[k]);
    fprintf(csv, ",%d,", row->strategy);
    write_names(csv, c->names[row->run], c->strategies[row->strategy]);
  }
  for (int i = 0; i < c->n_means; i++) {
    const struct compare_mean *m = &c->means[i];
    if (!has_mean(m, k)) continue;
    fprintf(csv, "%d", c->runs + 1);
    plot_number(csv, 100 * m->mean[k]);
    fprintf(csv, ",%d", m->strategy);
    plot_number(csv, 100 * m->half[k]);
    write_names(csv, "mean", c->strategies[m->strategy]);
  }
}

static void draw_saved(const struct drawn *d, enum compare_figure k, const char *y_label)
{
  const struct report_compare *c = d->c;
  FILE *script = d->w->script;
  bool first = true;
  double width = 0.7 / c->n_means;
  set_runs(d, any_mean(c, k));
  fprintf(script,
          "set ylabel '%s'\nset xzeroaxis lt 1 lc rgb '%s'\nset boxwidth %.3f\nset style fill solid 0.85\nplot ",
          y_label, plot_colours[PLOT_AXIS].rgb, width);
  for (int i = 0; i < c->n_means; i++) {
    int a = c->means[i].strategy;
    double offset = offset_of(i, c->n_means, width);
    fprintf(script, "%s'%s.csv' skip 1 using ($3==%d?$1%+.3f:NaN):2 with boxes lc rgb '%s' title ",
            first ? "" : ", \\\n  ", plot_last(d->w)->name, a, offset, plot_colour(a));
    plot_quoted(script, c->strategies[a]);
    if (has_mean(&c->means[i], k))
      fprintf(
          script,
          ", \\\n  '' skip 1 using ($3==%d&&$1==%d?$1%+.3f:NaN):2:4 with yerrorbars ps 0 lw 1.5 lc rgb '%s' notitle", a,
          c->runs + 1, offset, plot_colours[PLOT_INK].rgb);
    first = false;
  }
  fputs("\nunset output\n", script);
}

/* The first figure of `from` [n] that some run has. */
static int plot_saved(const struct drawn *d, const char *name, const enum compare_figure *from, int n)
{
  static const char *const what[COMPARE_FIGURES] = {
      [COMPARE_IMAGES] = "images trained", [COMPARE_TFLOP_TO_BEST] = "FLOPs to the best",
      [COMPARE_TFLOP] = "FLOPs trained",   [COMPARE_TIME_TO_BEST] = "time to the best",
      [COMPARE_TIME] = "whole time",       [COMPARE_WALL_TIME] = "wall time"};
  char title[160], y_label[80];
  int i = 0;
  while (i < n && !any_saved(d->c, from[i])) i++;
  if (i == n) return 0;
  text_format(title, sizeof title, "Saved beside %s: %s", d->c->strategies[d->c->control], what[from[i]]);
  text_format(y_label, sizeof y_label, "%% of %s saved", what[from[i]]);
  FILE *csv = plot_begin(d->w, PLOT_COST, title, "%s", name);
  if (!csv) return d->w->e->code;
  snprintf(plot_last(d->w)->caption, sizeof plot_last(d->w)->caption, "Below 0 it took more.%s",
           any_mean(d->c, from[i]) ? "  The mean over the runs has its 95 % interval." : "");
  write_saved(d->c, csv, from[i]);
  int code = plot_end(d->w, csv, WIDTH, HEIGHT);
  if (!code) draw_saved(d, from[i], y_label);
  return code;
}

/* ---- the best so far ------------------------------------------------------------------------- */

/* Of a run's studies that count; the colours are those of the strategies in all figures. */
static int plot_run(const struct drawn *d, int run, int number)
{
  const struct report *r = &d->reports[run];
  struct report counted = {.studies = malloc(((size_t)r->n + 1) * sizeof *counted.studies)};
  struct report_page page = {0};
  char name[32];
  if (!counted.studies) return error_set(d->w->e, ERROR_MACHINE, "no memory for %d studies", r->n);
  for (int i = 0; i < r->n; i++)
    if (compare_counts(&r->studies[i])) counted.studies[counted.n++] = r->studies[i]; /* what is in it stays r's */
  int code = counted.n ? report_page_studies(&page, &counted, d->w->e) : 0;
  if (!code && page.n) {
    for (int i = 0; i < page.n; i++)
      page.series[page.studies[i].series].colour = compare_strategy(d->c, page.studies[i].s);
    snprintf(name, sizeof name, "best-%d", number);
    d->w->p = &page;
    code = plot_best_by_cost(d->w, d->c->names[run], name);
    d->w->p = NULL;
  }
  report_page_free(&page);
  free(counted.studies);
  return code;
}

static int plot_runs(const struct drawn *d)
{
  int code = 0, n = d->c->runs < PANELS_MAX ? d->c->runs : PANELS_MAX, before = d->w->plots->n;
  for (int i = 0; i < n && !code; i++) code = plot_run(d, i, i + 1);
  if (!code && d->c->runs > n && d->w->plots->n > before)
    snprintf(plot_last(d->w)->caption, sizeof plot_last(d->w)->caption, "%d further run%s no such figure.",
             d->c->runs - n, d->c->runs - n == 1 ? " has" : "s have");
  return code;
}

/* ---- all ------------------------------------------------------------------------------------- */

int report_compare_plots(struct plots *plots, const struct report_compare *c, const struct report *reports,
                         const char *folder, struct error *e)
{
  static const enum compare_figure to_best[] = {COMPARE_TFLOP_TO_BEST, COMPARE_TIME_TO_BEST},
                                   whole[] = {COMPARE_TFLOP, COMPARE_IMAGES, COMPARE_TIME, COMPARE_WALL_TIME};
  struct plot_writer w = {.plots = plots, .folder = folder, .e = e};
  const struct drawn d = {&w, c, reports};
  int code = plots_begin(&w, "gsos compare");
  if (code) return code;
  code = plot_found(&d, COMPARE_VALUE, "found-value", c->rows[0].first->record.value_name);
  if (!code) code = plot_found(&d, COMPARE_TEST, "found-test", c->test_name);
  if (!code) code = plot_saved(&d, "saved-to-best", to_best, 2);
  if (!code) code = plot_saved(&d, "saved", whole, 4);
  if (!code) code = plot_runs(&d);
  return plots_end(&w, code);
}
