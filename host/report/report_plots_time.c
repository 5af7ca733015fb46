/* Figures of time: learning curves, what ran when on which device. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/report/report_plots_internal.h"

enum { CURVES_MAX = 300, ROW_HEIGHT = 22 };

/* ---- learning curves ------------------------------------------------------------------------- */

struct curve {
  double value; /* larger is better; of the last epoch */
  int study, trial;
};

static int by_value(const void *a, const void *b)
{
  const struct curve *x = a, *y = b;
  if (x->value != y->value) return x->value < y->value ? -1 : 1;
  return x->study != y->study ? x->study - y->study : x->trial - y->trial;
}

/* The trials that have curves, the worst first; malloc'ed, NULL without memory. */
static struct curve *sort_curves(const struct report_page *p, int *n)
{
  size_t room = 1;
  *n = 0;
  for (int i = 0; i < p->n; i++) room += (size_t)p->studies[i].s->n;
  struct curve *curves = malloc(room * sizeof *curves);
  for (int i = 0; i < p->n && curves; i++) {
    for (int k = 0; k < p->studies[i].s->n; k++) {
      const struct page_curve *c = &p->studies[i].curves[k];
      double last = c->n ? c->values[c->n - 1] : NAN;
      if (isfinite(last)) curves[(*n)++] = (struct curve){p->maximize ? last : -last, i, k};
    }
  }
  if (curves) qsort(curves, (size_t)*n, sizeof *curves, by_value);
  return curves;
}

static void write_curve(FILE *csv, const struct report_page *p, const struct curve *c, struct plot_range *y)
{
  const struct page_study *s = &p->studies[c->study];
  const struct page_curve *curve = &s->curves[c->trial];
  for (int i = 0; i < curve->n; i++) {
    if (!isfinite(curve->values[i])) continue;
    plot_range_add(y, curve->values[i]);
    fprintf(csv, "%d", i + 1);
    plot_number(csv, curve->values[i]);
    fprintf(csv, ",%d", s->s->trials[c->trial].number);
    plot_text(csv, s->s->name);
    fputc('\n', csv);
  }
  fputc('\n', csv);
}

int plots_of_curves(struct plot_writer *w)
{
  const struct report_page *p = w->p;
  struct plot_range y = {0};
  int n, left_out = 0, longest = 1;
  if (!p->has_curves) return 0;
  struct curve *curves = sort_curves(p, &n);
  if (!curves) return error_set(w->e, ERROR_MACHINE, "no memory for a figure");
  FILE *csv = n ? plot_begin(w, PLOT_CURVES, "Learning curves", "curves") : NULL;
  if (!csv) {
    free(curves);
    return n ? w->e->code : 0;
  }
  if (n > CURVES_MAX) left_out = n - CURVES_MAX;
  int first_good = n - (n / 10 > 0 ? n / 10 : 1);
  fputs("epoch,value,trial,study\n", csv);
  for (int i = left_out; i < n; i++) {
    if (i == first_good && i > left_out) fputc('\n', csv);
    write_curve(csv, p, &curves[i], &y);
    const struct page_curve *c = &p->studies[curves[i].study].curves[curves[i].trial];
    if (c->n > longest) longest = c->n;
  }
  free(curves);
  plot_last(w)->wide = true;
  snprintf(plot_last(w)->caption, sizeof plot_last(w)->caption,
           "%s after each epoch; the best %d of %d trial%s in colour%s.", p->value_name, n - first_good, n,
           text_plural(n), left_out ? ", the worst left out" : "");
  int code = plot_end(w, csv, 1040, 360);
  if (code) return code;
  plot_range_close(&y);
  plot_range_set(w->script, 'y', &y);
  fprintf(w->script, "set xrange [1:%d]\nset xlabel 'epoch'\nset ylabel ", longest > 1 ? longest : 2);
  plot_quoted(w->script, p->value_name);
  fputs("\nunset key\n", w->script);
  if (longest <= 20) fputs("set xtics 1\n", w->script);
  fputs("plot ", w->script);
  if (first_good > left_out)
    fprintf(w->script, "'curves.csv' skip 1 index 0 using 1:2 with lines lw 0.8 lc rgb '%s', \\\n  ",
            plot_colours[PLOT_FAINT].rgb);
  fprintf(w->script, "'curves.csv' skip 1 index %d using 1:2 with lines lw 1.4 lc rgb '%s'\nunset output\n",
          first_good > left_out, plot_colours[0].rgb);
  return 0;
}

/* ---- devices --------------------------------------------------------------------------------- */

/* What the figure's colours tell apart: strategies, and trials that did not come to their end. */
enum { KIND_PRUNED = PLOT_COLOURS, KIND_FAILED, KINDS };

static int kind_of(const struct report_page *p, const struct timeline_slice *s)
{
  if (strcmp(s->state, "complete") != 0) return strcmp(s->state, "failed") ? KIND_PRUNED : KIND_FAILED;
  for (int i = 0; i < p->n_series; i++) {
    size_t n = strlen(p->series[i].name);
    if (!strncmp(s->study, p->series[i].name, n) && (!s->study[n] || s->study[n] == ' ')) return i % PLOT_COLOURS;
  }
  return 0;
}

int plots_of_devices(struct plot_writer *w)
{
  const struct report_page *p = w->p;
  const struct page_timeline *t = &p->timeline;
  double end = 0;
  bool used[KINDS] = {false};
  if (t->n == 0 || !p->ours) return 0;
  for (int i = 0; i < t->n; i++) end = fmax(end, t->slices[i].to_s);
  const struct {
    double limit, s;
    const char *name;
  } units[] = {{600, 1, "seconds"}, {36000, 60, "minutes"}, {INFINITY, 3600, "hours"}};
  int unit = end < units[0].limit ? 0 : end < units[1].limit ? 1 : 2;
  FILE *csv = plot_begin(w, PLOT_TIMELINE, "What ran when", "devices");
  if (!csv) return w->e->code;
  plot_last(w)->wide = true;
  snprintf(plot_last(w)->caption, sizeof plot_last(w)->caption, "A bar for each trial%s.",
           t->cut ? "; there are more than fit here (timeline.json has all)" : "; timeline.json has the epochs, too");
  fprintf(csv, "row,from_%s,to_%s,kind,trial,state,study,place\n", units[unit].name, units[unit].name);
  for (int i = 0; i < t->n; i++) {
    const struct timeline_slice *s = &t->slices[i];
    int kind = kind_of(p, s);
    used[kind] = true;
    fprintf(csv, "%d,%.9g,%.9g,%d,%d", s->row, s->from_s / units[unit].s, s->to_s / units[unit].s, kind, s->trial);
    plot_text(csv, s->state);
    plot_text(csv, s->study);
    plot_text(csv, t->rows[s->row]);
    fputc('\n', csv);
  }
  int code = plot_end(w, csv, 1040, 100 + ROW_HEIGHT * t->n_rows);
  if (code) return code;
  fprintf(w->script,
          "set xrange [0:%.9g]\nset yrange [%.1f:-0.6]\nset xlabel '%s'\nset border 1 lc rgb '%s'\nunset grid\n"
          "set style fill solid 1 border rgb '%s'\nset key outside above left horizontal\n"
          "set ytics scale 0 (",
          end > 0 ? end / units[unit].s : 1, t->n_rows - 0.4, units[unit].name, plot_colours[PLOT_AXIS].rgb,
          plot_colours[PLOT_PAPER].rgb);
  for (int i = 0; i < t->n_rows; i++) {
    char shown[60];
    text_escape(shown, sizeof shown, t->rows[i]);
    if (i) fputs(", ", w->script);
    plot_quoted_label(w->script, shown);
    fprintf(w->script, " %d", i);
  }
  fputs(")\nplot ", w->script);
  for (int kind = 0, drawn = 0; kind < KINDS; kind++) {
    if (!used[kind]) continue;
    fprintf(
        w->script,
        "%s'devices.csv' skip 1 using (0):($4==%d?$1:NaN):2:3:($1-0.38):($1+0.38) with boxxyerror lc rgb '%s' title ",
        drawn++ ? ", \\\n  " : "", kind,
        kind == KIND_FAILED   ? plot_colours[PLOT_BAD].rgb
        : kind == KIND_PRUNED ? plot_colours[PLOT_FAINT].rgb
                              : plot_colour(kind));
    plot_quoted(w->script, kind == KIND_FAILED                 ? "failed"
                           : kind == KIND_PRUNED               ? "pruned or stopped"
                           : kind + PLOT_COLOURS < p->n_series ? "complete"
                                                               : p->series[kind].name);
  }
  fputs("\nunset output\n", w->script);
  return 0;
}
