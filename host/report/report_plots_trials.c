/* Figures of trials: value by trial, as Figure 2 of Wang, Nabney and Golbabaee, "Grouped Sequential
 * Optimization Strategy", 2025, has them; the best so far by trial, by work, by time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/report/report_internal.h"
#include "host/report/report_plots_internal.h"

enum { PANELS_MAX = 12, LINES_MAX = 100, WIDTH = 520, HEIGHT = 320, PANEL_WIDTH = 360, PANEL_HEIGHT = 250 };

/* ---- value by trial -------------------------------------------------------------------------- */

enum mark { MARK_COMPLETE, MARK_PRUNED, MARK_FAILED, MARK_NONE };

static enum mark mark_of(const struct stored_trial *t)
{
  if (t->state == STORED_FAIL) return MARK_FAILED;
  if (isnan(report_page_value(t))) return MARK_NONE;
  return t->state == STORED_PRUNED ? MARK_PRUNED : MARK_COMPLETE;
}

static void write_values(FILE *csv, const struct page_study *s)
{
  fputs("trial,value,group,mark,state,group_name,study\n", csv);
  for (int i = 0; i < s->s->n; i++) {
    const struct stored_trial *t = &s->s->trials[i];
    char group[4 * SPACE_NAME_MAX];
    enum mark mark = mark_of(t);
    if (mark == MARK_NONE) continue;
    report_group_name(s->s, t->group, group, sizeof group);
    fprintf(csv, "%d", t->number);
    plot_number(csv, report_page_value(t));
    fprintf(csv, ",%d,%d,%s", t->group, mark, report_state_name(s->s, t->state));
    plot_text(csv, group);
    plot_text(csv, s->s->name);
    fputc('\n', csv);
  }
}

/* Groups that some trial is of, -1 where it has none: at most `room`, the rest is drawn with the
 * last. */
static int find_groups(const struct report_study *s, int *groups, int room)
{
  int n = 0;
  for (int i = 0; i < s->n; i++) {
    int k = 0;
    while (k < n && groups[k] != s->trials[i].group) k++;
    if (k == n && n < room) groups[n++] = s->trials[i].group;
  }
  return n;
}

static void draw_values(struct plot_writer *w, const struct page_study *s, const struct plot_range *y)
{
  enum { GROUPS_MAX = 32, NAMED_MAX = 6 };
  int groups[GROUPS_MAX], n = find_groups(s->s, groups, GROUPS_MAX);
  const char *name = plot_last(w)->name;
  plot_range_set(w->script, 'y', y);
  fprintf(w->script, "set xrange [-1:%d]\nset xlabel 'trial'\nset ylabel ", s->s->n);
  plot_quoted(w->script, w->p->value_name);
  fputs("\nset key outside above left horizontal\nset tmargin 2.5\nplot ", w->script);
  for (int i = 0; i < n; i++) {
    char label[4 * SPACE_NAME_MAX];
    report_group_name(s->s, groups[i], label, sizeof label);
    fprintf(w->script, "%s'%s.csv' skip 1 using 1:($3==%d&&$4==%d?$2:NaN) with points pt 7 ps 0.5 lc rgb '%s' ",
            i ? ", \\\n  " : "", name, groups[i], MARK_COMPLETE, plot_colour(groups[i]));
    bool named = n > 1 && i < NAMED_MAX && label[0];
    fputs(named ? "title " : "notitle", w->script);
    if (named) plot_quoted(w->script, label);
    if (!s->s->pruned) continue;
    fprintf(w->script, ", \\\n  '' skip 1 using 1:($3==%d&&$4==%d?$2:NaN) with points pt 6 ps 0.5 lc rgb '%s' notitle",
            groups[i], MARK_PRUNED, plot_colour(groups[i]));
  }
  if (s->s->pruned)
    fprintf(w->script, ", \\\n  NaN with points pt 6 ps 0.5 lc rgb '%s' title 'pruned'", plot_colours[PLOT_SOFT].rgb);
  if (s->s->failed)
    fprintf(w->script,
            ", \\\n  '%s.csv' skip 1 using 1:($4==%d?%.9g:NaN) with points pt 2 ps 0.6 lc rgb '%s' title "
            "'failed'",
            name, MARK_FAILED, y->low * (y->log ? 1.2 : 1) + (y->log ? 0 : 0.02 * (y->high - y->low)),
            plot_colours[PLOT_BAD].rgb);
  fputs("\nunset output\n", w->script);
}

static struct plot_range range_of_values(const struct report_page *p)
{
  struct plot_range r = {0};
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < p->studies[i].s->n; k++) plot_range_add(&r, report_page_value(&p->studies[i].s->trials[k]));
  if (!r.any) plot_range_add(&r, 0);
  plot_range_close(&r);
  return r;
}

static int draw_panel(struct plot_writer *w, const struct page_study *s, const struct plot_range *y, int number,
                      bool small)
{
  FILE *csv = plot_begin(w, small ? PLOT_PANELS : PLOT_TRIALS, s->label, "values-%d", number);
  if (!csv) return w->e->code;
  write_values(csv, s);
  int code = plot_end(w, csv, small ? PANEL_WIDTH : WIDTH, small ? PANEL_HEIGHT : HEIGHT);
  if (!code) draw_values(w, s, y);
  return code;
}

static int draw_panels(struct plot_writer *w)
{
  struct plot_range y = range_of_values(w->p);
  int code = 0, drawn = 0, left_out = 0;
  bool small = w->p->n > 4;
  for (int series = 0; series < w->p->n_series; series++) {
    for (int i = 0; i < w->p->n && !code; i++) {
      const struct page_study *s = &w->p->studies[i];
      if (s->series != series || report_ended(s->s) == 0) continue;
      if (drawn == PANELS_MAX)
        left_out++;
      else
        code = draw_panel(w, s, &y, ++drawn, small);
    }
  }
  if (left_out && !code)
    snprintf(plot_last(w)->caption, sizeof plot_last(w)->caption, "%d further stud%s in the table of trials.", left_out,
             left_out == 1 ? "y stands" : "ies stand");
  return code;
}

/* ---- the best so far ------------------------------------------------------------------------- */

/* What is spent until a trial has ended. */
typedef double (*spent)(const struct stored_trial *t);

static double by_trial(const struct stored_trial *t)
{
  return t->state == STORED_COMPLETE || t->state == STORED_PRUNED || t->state == STORED_FAIL;
}

static double positive(double x)
{
  return x > 0 && x < 1e30 ? x : 0;
}

static double by_tflop(const struct stored_trial *t)
{
  return positive(t->flops) * 1e-12;
}

static double by_images(const struct stored_trial *t)
{
  return positive((double)t->images) * 1e-6;
}

static double by_seconds(const struct stored_trial *t)
{
  return positive(t->seconds);
}

static double sum(const struct report_page *p, spent f)
{
  double all = 0;
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < p->studies[i].s->n; k++) all += f(&p->studies[i].s->trials[k]);
  return all;
}

/* A block of lines a study, with two empty ones after it, as gnuplot's `index` wants it.
 * Returns the largest amount. */
static double write_best(FILE *csv, const struct report_page *p, const char *heading, spent f, double unit,
                         struct plot_range *y)
{
  double most = 0;
  fprintf(csv, "%s,best,strategy,study\n", heading);
  for (int i = 0; i < p->n; i++) {
    const struct page_study *s = &p->studies[i];
    double best = NAN, all = 0;
    int ended = report_ended(s->s), seen = 0;
    for (int k = 0; k < s->s->n; k++) {
      const struct stored_trial *t = &s->s->trials[k];
      all += f(t);
      seen += by_trial(t) > 0;
      if (t->state == STORED_COMPLETE && report_page_better(p, report_page_value(t), best)) best = report_page_value(t);
      if (isnan(best)) continue;
      if (seen * 8 >= ended) plot_range_add(y, best);
      fprintf(csv, "%.9g", all / unit);
      plot_number(csv, best);
      plot_text(csv, p->series[s->series].name);
      plot_text(csv, s->s->name);
      fputc('\n', csv);
    }
    if (isnan(best)) fprintf(csv, "0,,,\n"); /* a block must not be empty */
    fputs("\n\n", csv);
    most = fmax(most, all / unit);
  }
  return most;
}

/* A figure of the best so far. */
struct best_figure {
  enum plot_place place;
  const char *title, *name, *heading, *x_label;
  spent f;
  double unit; /* of what is spent */
};

/* The studies' lines; those of one strategy have one colour. */
static void draw_best(struct plot_writer *w, const char *x_label, double most, struct plot_range *y)
{
  const struct report_page *p = w->p;
  bool named[LINES_MAX] = {false};
  plot_range_close(y);
  plot_range_set(w->script, 'y', y);
  fprintf(w->script, "set xrange [0:%.9g]\nset xlabel ", most > 0 ? most : 1);
  plot_quoted(w->script, x_label);
  fputs("\nset ylabel ", w->script);
  plot_quoted(w->script, p->value_name);
  fprintf(w->script, "\nset key %s right\nplot ", p->maximize ? "bottom" : "top");
  for (int i = 0; i < p->n && i < LINES_MAX; i++) {
    int series = p->studies[i].series;
    bool title = p->n_series > 1 && p->n_series <= PLOT_COLOURS && !named[series];
    fprintf(w->script, "%s'%s.csv' skip 1 index %d using 1:2 with steps lw %s lc rgb '%s' ", i ? ", \\\n  " : "",
            plot_last(w)->name, i, p->n > 4 ? "1.2" : "2", plot_colour(p->series[series].colour));
    fputs(title ? "title " : "notitle", w->script);
    if (title) plot_quoted(w->script, p->series[series].name);
    if (series < LINES_MAX) named[series] = true;
  }
  fputs("\nunset output\n", w->script);
}

static int best_by(struct plot_writer *w, const struct best_figure *f)
{
  struct plot_range y = {0};
  bool small = f->place == PLOT_PANELS;
  FILE *csv = plot_begin(w, f->place, f->title, "%s", f->name);
  if (!csv) return w->e->code;
  if (w->p->series[0].studies > 1)
    snprintf(plot_last(w)->caption, sizeof plot_last(w)->caption, "A line for each study.");
  double most = write_best(csv, w->p, f->heading, f->f, f->unit, &y);
  int code = plot_end(w, csv, small ? PANEL_WIDTH : WIDTH, small ? PANEL_HEIGHT : HEIGHT);
  if (!code) draw_best(w, f->x_label, most, &y);
  return code;
}

static const struct best_figure by_trials = {
    PLOT_TRIALS, "Best so far by trial", "best", "trials", "trials that have ended", by_trial, 1};
static const struct best_figure by_images_trained = {
    PLOT_COST, "Best so far by images trained", "cost-images", "million_images", "million images trained", by_images,
    1};
static const struct best_figure by_flops = {
    PLOT_COST, "Best so far by FLOPs trained", "cost-flops", "tflop", "TFLOP trained", by_tflop, 1};

int plot_best_by_cost(struct plot_writer *w, const char *title, const char *name)
{
  const struct report_page *p = w->p;
  if (p->best < 0) return 0;
  struct best_figure f = sum(p, by_tflop) > 0 ? by_flops : sum(p, by_images) > 0 ? by_images_trained : by_trials;
  f.place = PLOT_PANELS;
  f.title = title;
  f.name = name;
  return best_by(w, &f);
}

/* In the unit that suits the longest study. */
static int best_by_time(struct plot_writer *w)
{
  static const struct {
    double below, unit;
    const char *heading;
  } units[] = {{1, 1e-3, "milliseconds"}, {600, 1, "seconds"}, {36000, 60, "minutes"}, {INFINITY, 3600, "hours"}};
  const char *name = report_clock_names[report_clock_of_page(w->p)].of_trial;
  char title[60], x_label[60];
  double longest = 0;
  int i = 0;
  for (int k = 0; k < w->p->n; k++) longest = fmax(longest, w->p->studies[k].s->time_s);
  if (!(longest > 0)) return 0;
  while (longest >= units[i].below) i++;
  snprintf(title, sizeof title, "Best so far by %s", name);
  snprintf(x_label, sizeof x_label, "%s, %s", name, units[i].heading);
  return best_by(
      w, &(struct best_figure){PLOT_COST, title, "cost-time", units[i].heading, x_label, by_seconds, units[i].unit});
}

int plots_of_trials(struct plot_writer *w)
{
  int code = draw_panels(w);
  if (code || w->p->best < 0) return code;
  return best_by(w, &by_trials);
}

int plots_of_cost(struct plot_writer *w)
{
  const struct report_page *p = w->p;
  int code = 0;
  if (p->best < 0) return 0;
  if (sum(p, by_images) > 0) code = best_by(w, &by_images_trained);
  if (!code && sum(p, by_tflop) > 0) code = best_by(w, &by_flops);
  return code ? code : best_by_time(w);
}
