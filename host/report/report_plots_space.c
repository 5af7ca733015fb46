/* Figures of hyperparameters: importance with groups, values by each of them, parallel
 * coordinates. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/report/report_internal.h"
#include "host/report/report_plots_internal.h"

enum { WIDTH = 520, SLICE_WIDTH = 360, SLICE_HEIGHT = 260, BAR_HEIGHT = 26, LINES_MAX = 1000, TIC_LABELS_MAX = 12 };

/* ---- importance ------------------------------------------------------------------------------ */

static int draw_importance(struct plot_writer *w)
{
  const struct report_page *p = w->p;
  const struct measured_study *m = p->measured;
  const struct importance *x = &m->measured[0];
  int order[SPACE_MAX], n = 0, code;
  double heaviest = 0;
  char title[120];
  for (int rank = 1; rank <= p->space->n; rank++)
    for (int i = 0; i < p->space->n; i++)
      if (x->rank[i] == rank && param_count(&p->space->params[i]) != 1 && n < SPACE_MAX) order[n++] = i;
  if (n == 0) return 0;
  snprintf(title, sizeof title, "Importance by %s", p->importance.importance.methods[0]->name);
  FILE *csv = plot_begin(w, PLOT_IMPORTANCE, title, "importance");
  if (!csv) return w->e->code;
  snprintf(plot_last(w)->caption, sizeof plot_last(w)->caption, "Weights of sum 1, measured on %d trials.%s", m->used,
           m->grouped ? "  What a strategy holds while it searches others seems to matter less than it does." : "");
  fputs("place,weight,group,group_name,hyperparameter\n", csv);
  for (int k = 0; k < n; k++) {
    int group = m->has_groups ? m->groups.of[order[k]] : 0;
    fprintf(csv, "%d", k);
    plot_number(csv, x->weight[order[k]]);
    fprintf(csv, ",%d", group);
    plot_text(csv, m->has_groups ? m->groups.names[group] : "");
    plot_text(csv, p->space->params[order[k]].name);
    fputc('\n', csv);
    heaviest = fmax(heaviest, x->weight[order[k]]);
  }
  code = plot_end(w, csv, WIDTH, 90 + BAR_HEIGHT * n);
  if (code) return code;
  fprintf(w->script, "set yrange [%.1f:-0.6]\nset xrange [0:%.6g]\nunset grid\nset grid xtics lc rgb '%s' lt 1 lw 1\n",
          n - 0.4, heaviest > 0 ? 1.15 * heaviest : 1, plot_colours[PLOT_GRID].rgb);
  fprintf(w->script,
          "set border 2 lc rgb '%s'\nset xlabel 'weight'\nset style fill solid 1 noborder\n"
          "set key outside above left horizontal\nset ytics scale 0 textcolor rgb '%s' (",
          plot_colours[PLOT_AXIS].rgb, plot_colours[PLOT_INK].rgb);
  for (int k = 0; k < n; k++) {
    if (k) fputs(", ", w->script);
    plot_quoted_label(w->script, p->space->params[order[k]].name);
    fprintf(w->script, " %d", k);
  }
  fputs(")\nplot ", w->script);
  for (int g = 0; g < (m->has_groups ? m->groups.n : 1); g++) {
    fprintf(
        w->script,
        "%s'importance.csv' skip 1 using (0):($3==%d?$1:NaN):(0):2:($1-0.34):($1+0.34) with boxxyerror lc rgb '%s' ",
        g ? ", \\\n  " : "", g, plot_colour(g));
    fputs(m->has_groups ? "title " : "notitle", w->script);
    if (m->has_groups) plot_quoted(w->script, m->groups.names[g]);
  }
  fprintf(w->script,
          ", \\\n  'importance.csv' skip 1 using 2:1:(sprintf('%%.3f', $2)) with labels left offset 0.4,0 "
          "font ',11' textcolor rgb '%s' notitle\nunset output\n",
          plot_colours[PLOT_SOFT].rgb);
  return 0;
}

/* ---- slices ---------------------------------------------------------------------------------- */

static bool has_choices(const struct param *p)
{
  return p->type == PARAM_ORDINAL || p->type == PARAM_CATEGORICAL;
}

/* Trials at the same choice lie side by side, at a place that is their own. */
static double spread(const struct param *p, double value, int trial)
{
  double golden = trial * 0.6180339887498949, part = golden - floor(golden) - 0.5;
  return has_choices(p) || (p->type == PARAM_INT && !p->log && p->high - p->low < 12) ? value + 0.5 * part : value;
}

static int write_slice(FILE *csv, const struct report_page *p, int param)
{
  int n = 0;
  const struct param *q = &p->space->params[param];
  fputs("place,value,searched,trial,hyperparameter_value,state,study\n", csv);
  for (int i = 0; i < p->n; i++) {
    const struct report_study *s = p->studies[i].s;
    if (!report_page_same_space(p, &p->studies[i])) continue;
    for (int k = 0; k < s->n; k++) {
      const struct stored_trial *t = &s->trials[k];
      char text[4 * SPACE_NAME_MAX];
      double value = report_page_value(t);
      if (isnan(value) || isnan(t->values[param])) continue;
      fprintf(csv, "%.9g", spread(q, t->values[param], t->number));
      plot_number(csv, value);
      fprintf(csv, ",%d,%d", t->free[param] || !s->record.ours, t->number);
      report_param_text(&s->space.params[param], t->values[param], true, text, sizeof text);
      plot_text(csv, text);
      fprintf(csv, ",%s", report_state_name(s, t->state));
      plot_text(csv, s->name);
      fputc('\n', csv);
      n++;
    }
  }
  return n;
}

/* The axis of a hyperparameter; at most so many of many choices are named. */
static void set_axis(FILE *script, const struct param *q)
{
  if (q->log && !has_choices(q)) {
    fprintf(script, "set logscale x\nset format x '%%g'\nset xrange [%.9g:%.9g]\n",
            q->low / pow(q->high / q->low, 0.03), q->high * pow(q->high / q->low, 0.03));
    fprintf(script, "set xtics %d rotate by 0\n", q->high / q->low > 1e4 ? 100 : 10);
    return;
  }
  double margin = has_choices(q) ? 0.6 : fmax(0.03 * (q->high - q->low), q->type == PARAM_INT ? 0.5 : 0);
  fprintf(script, "set xrange [%.9g:%.9g]\n", q->low - margin, q->high + margin);
  if (!has_choices(q)) {
    if (q->type == PARAM_INT && q->high - q->low < 12)
      fputs("set xtics 1\n", script);
    else
      fputs("set xtics autofreq\nset xtics rotate by 0\n", script);
    return;
  }
  int every = (q->n_choices + TIC_LABELS_MAX - 1) / TIC_LABELS_MAX;
  fputs("set xtics scale 0 (", script);
  for (int i = 0; i < q->n_choices; i += every) {
    if (i) fputs(", ", script);
    plot_quoted_label(script, q->labels[i]);
    fprintf(script, " %d", i);
  }
  fputs(")\n", script);
}

static int draw_slice(struct plot_writer *w, int param, int number, const struct plot_range *y)
{
  const struct param *q = &w->p->space->params[param];
  FILE *csv = plot_begin(w, PLOT_SLICES, q->name, "slice-%d", number);
  if (!csv) return w->e->code;
  const char *name = plot_last(w)->name;
  write_slice(csv, w->p, param);
  int code = plot_end(w, csv, SLICE_WIDTH, SLICE_HEIGHT);
  if (code) return code;
  plot_range_set(w->script, 'y', y);
  set_axis(w->script, q);
  fprintf(w->script,
          "unset key\nplot '%s.csv' skip 1 using 1:($3==0?$2:NaN) with points pt 7 ps 0.35 lc rgb '%s', \\\n"
          "  '' skip 1 using 1:($3==1?$2:NaN) with points pt 7 ps 0.35 lc rgb '%s'\nunset output\n",
          name, plot_colours[PLOT_FAINT].rgb, plot_colours[0].rgb);
  return 0;
}

/* ---- parallel coordinates -------------------------------------------------------------------- */

struct line {
  double value; /* larger is better */
  int study, trial;
};

static int by_value(const void *a, const void *b)
{
  const struct line *x = a, *y = b;
  if (x->value != y->value) return x->value < y->value ? -1 : 1;
  return x->study != y->study ? x->study - y->study : x->trial - y->trial;
}

/* The trials that have a value, the worst first; malloc'ed, NULL without memory. */
static struct line *sort_trials(const struct report_page *p, int *n)
{
  size_t room = 1;
  *n = 0;
  for (int i = 0; i < p->n; i++) room += (size_t)p->studies[i].s->n;
  struct line *lines = malloc(room * sizeof *lines);
  for (int i = 0; i < p->n && lines; i++) {
    if (!report_page_same_space(p, &p->studies[i])) continue;
    for (int k = 0; k < p->studies[i].s->n; k++) {
      double value = report_page_value(&p->studies[i].s->trials[k]);
      if (!isnan(value)) lines[(*n)++] = (struct line){p->maximize ? value : -value, i, k};
    }
  }
  if (lines) qsort(lines, (size_t)*n, sizeof *lines, by_value);
  return lines;
}

/* A block of lines a trial: two empty ones between those to be drawn pale and the best. */
static void write_parallel(FILE *csv, const struct report_page *p, const struct line *lines, int n, int first_good,
                           const int *axes, int n_axes)
{
  fputs("axis,place,value,trial,hyperparameter,hyperparameter_value,study\n", csv);
  for (int i = 0; i < n; i++) {
    const struct report_study *s = p->studies[lines[i].study].s;
    const struct stored_trial *t = &s->trials[lines[i].trial];
    if (i == first_good && i) fputc('\n', csv);
    for (int a = 0; a < n_axes; a++) {
      const struct param *q = &p->space->params[axes[a]];
      char text[4 * SPACE_NAME_MAX];
      if (isnan(t->values[axes[a]])) continue;
      fprintf(csv, "%d,%.4f", a, param_to_unit(q, t->values[axes[a]]));
      plot_number(csv, t->value);
      fprintf(csv, ",%d", t->number);
      plot_text(csv, q->name);
      report_param_text(q, t->values[axes[a]], true, text, sizeof text);
      plot_text(csv, text);
      plot_text(csv, s->name);
      fputc('\n', csv);
    }
    fputc('\n', csv);
  }
}

/* What stands at the ends of an axis. */
static void axis_ends(FILE *script, const struct param *q, int axis)
{
  for (int end = 0; end < 2; end++) {
    char text[4 * SPACE_NAME_MAX], shown[20];
    report_param_text(q, end ? q->high : q->low, false, text, sizeof text);
    text_escape(shown, sizeof shown, text);
    fputs("set label ", script);
    plot_quoted(script, shown);
    fprintf(script, " at %d,%s center font ',11' textcolor rgb '%s'\n", axis, end ? "1.06" : "-0.06",
            plot_colours[PLOT_SOFT].rgb);
  }
}

static int draw_parallel(struct plot_writer *w, const int *axes, int n_axes)
{
  const struct report_page *p = w->p;
  int n, code;
  struct line *lines = sort_trials(p, &n), *shown = lines;
  if (!lines) return error_set(w->e, ERROR_MACHINE, "no memory for a figure");
  if (n > LINES_MAX) shown += n - LINES_MAX, n = LINES_MAX;
  int good = n / 10 > 0 ? n / 10 : 1;
  FILE *csv = plot_begin(w, PLOT_IMPORTANCE, "Configurations", "parallel");
  if (!csv) {
    free(lines);
    return w->e->code;
  }
  plot_last(w)->wide = true;
  snprintf(plot_last(w)->caption, sizeof plot_last(w)->caption,
           "A line for each trial through its values, each axis from one end of the range to the other; the best %d of "
           "%d in colour.",
           good, n);
  write_parallel(csv, p, shown, n, n - good, axes, n_axes);
  free(lines);
  code = plot_end(w, csv, 1040, 380);
  if (code) return code;
  fprintf(w->script,
          "unset border\nunset grid\nunset key\nunset ytics\nset xrange [-0.4:%.1f]\nset yrange [-0.12:1.12]\n"
          "set xtics scale 0 textcolor rgb '%s' (",
          n_axes - 0.6, plot_colours[PLOT_INK].rgb);
  for (int a = 0; a < n_axes; a++) {
    char name[24];
    text_escape(name, sizeof name, p->space->params[axes[a]].name);
    if (a) fputs(", ", w->script);
    plot_quoted_label(w->script, name);
    fprintf(w->script, " %d", a);
  }
  fputs(")\n", w->script);
  if (n_axes > 8) fprintf(w->script, "set xtics rotate by 20 right\nset xrange [-0.9:%.1f]\n", n_axes - 0.6);
  for (int a = 0; a < n_axes; a++) {
    fprintf(w->script, "set arrow from %d,0 to %d,1 nohead lc rgb '%s' front\n", a, a, plot_colours[PLOT_AXIS].rgb);
    axis_ends(w->script, &p->space->params[axes[a]], a);
  }
  fprintf(w->script, "plot ");
  if (n > good)
    fprintf(w->script, "'parallel.csv' skip 1 index 0 using 1:2 with lines lw 0.6 lc rgb '%s', \\\n  ",
            plot_colours[PLOT_FAINT].rgb);
  fprintf(w->script, "'parallel.csv' skip 1 index %d using 1:2 with lines lw 1.4 lc rgb '%s'\nunset output\n", n > good,
          plot_colours[0].rgb);
  return 0;
}

int plots_of_hyperparameters(struct plot_writer *w)
{
  const struct report_page *p = w->p;
  struct plot_range y = {0};
  int axes[SPACE_MAX], n_axes = 0, code = 0;
  if (!p->space) return 0;
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < p->studies[i].s->n && report_page_same_space(p, &p->studies[i]); k++)
      plot_range_add(&y, report_page_value(&p->studies[i].s->trials[k]));
  if (!y.any) return 0;
  plot_range_close(&y);
  for (int i = 0; i < p->space->n; i++)
    if (param_count(&p->space->params[i]) != 1) axes[n_axes++] = i;
  if (p->measured) code = draw_importance(w);
  if (!code && n_axes > 1) code = draw_parallel(w, axes, n_axes);
  for (int a = 0; a < n_axes && !code; a++) code = draw_slice(w, axes[a], a + 1, &y);
  return code;
}
