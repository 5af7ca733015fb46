/* Files of a study of importance: CSV, and a script for gnuplot.  See report_importance_sets.h. */
#include <math.h>
#include <stdio.h>

#include "host/base/text_csv.h"
#include "host/base/text_escape.h"
#include "host/report/report_importance_internal.h"
#include "host/report/report_importance_sets.h"
#include "host/report/report_internal.h"

/* ---- CSV ------------------------------------------------------------------------------------- */

static void csv_names(FILE *out, const char *set, const struct importance_sets *r, int method, int param)
{
  text_csv(out, set);
  fprintf(out, ",%s,", r->methods[method]->name);
  text_csv(out, r->space->params[param].name);
}

static void csv_of_set(FILE *out, const struct importance_sets *r, const struct importance_set *set, int method)
{
  const struct importance *w = &set->study->measured[method];
  bool known = w->has_intervals;
  for (int i = 0; i < r->space->n; i++) {
    if (param_count(&r->space->params[i]) == 1) continue;
    csv_names(out, set->name, r, method, i);
    report_csv_number(out, w->weight[i]);
    report_csv_number(out, known ? w->low[i] : NAN);
    report_csv_number(out, known ? w->high[i] : NAN);
    report_csv_number(out, w->rank[i]);
    report_csv_number(out, known ? w->rank_low[i] : NAN);
    report_csv_number(out, known ? w->rank_high[i] : NAN);
    fputc('\n', out);
  }
}

static void csv_of_all(FILE *out, const struct importance_sets *r, int method)
{
  for (int i = 0; i < r->space->n; i++) {
    if (param_count(&r->space->params[i]) == 1) continue;
    csv_names(out, "", r, method, i);
    report_csv_number(out, r->means[method].weight[i]);
    fputs(",,", out);
    report_csv_number(out, r->means[method].rank[i]);
    fputs(",,\n", out);
  }
}

void report_importance_sets_csv(FILE *out, const struct importance_sets *r)
{
  fputs("set,method,hyperparameter,weight,low,high,rank,rank_low,rank_high\n", out);
  for (int s = 0; s < r->n; s++)
    for (int k = 0; k < r->n_methods; k++) csv_of_set(out, r, &r->sets[s], k);
  for (int k = 0; k < r->n_methods && r->n > 1; k++) csv_of_all(out, r, k);
}

/* ---- the figure ------------------------------------------------------------------------------ */

/* Of the groups, one after the other: colours that are told apart also without red or green (Okabe,
 * Ito, "Color Universal Design", 2008). */
static const char *const colours[] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"};
enum { COLOURS = sizeof colours / sizeof *colours };

/* Text between single quotes, in which gnuplot takes nothing but '' for anything else. */
static void quoted(FILE *out, const char *text)
{
  char shown[1100];
  fputc('\'', out);
  for (const char *c = text_escape(shown, sizeof shown, text); *c; c++) {
    if (*c == '\'') fputc('\'', out);
    fputc(*c, out);
  }
  fputc('\'', out);
}

/* The bars of one group, at their places in the order of all: "PLACE SHARE WEIGHT". */
static void write_bars(FILE *out, const struct importance_sets *r, int group)
{
  const struct sets_mean *m = &r->means[0];
  double heaviest = m->weight[m->order[0]];
  fprintf(out, "$group%d << EOD\n", group);
  for (int i = 0; i < r->varied; i++) {
    int param = m->order[i];
    if (r->has_groups && r->groups.of[param] != group) continue;
    fprintf(out, "%d %.6f %.6f\n", i, heaviest > 0 ? m->weight[param] / heaviest : 0, m->weight[param]);
  }
  fputs("EOD\n", out);
}

static bool is_drawn(const struct importance_sets *r, int group)
{
  for (int i = 0; i < r->varied; i++)
    if (!r->has_groups || r->groups.of[r->means[0].order[i]] == group) return true;
  return false;
}

static void write_axes(FILE *out, const struct importance_sets *r)
{
  fprintf(out, "set xrange [-0.6:%.1f]\nset yrange [0:1.08]\n", r->varied - 0.4);
  fputs("set border 3\nset ytics 0, 0.2, 1 nomirror\nset grid ytics lc rgb '#d9d9d9' lt 1\n"
        "set xtics rotate by 35 right nomirror scale 0 (",
        out);
  for (int i = 0; i < r->varied; i++) {
    if (i) fputs(", ", out);
    quoted(out, r->space->params[r->means[0].order[i]].name);
    fprintf(out, " %d", i);
  }
  fputs(")\nset ylabel ", out);
  char label[200];
  snprintf(label, sizeof label, "%s by %s, the heaviest being 1", r->n > 1 ? "mean weight" : "weight",
           r->methods[0]->name);
  quoted(out, label);
  fputc('\n', out);
}

void report_importance_sets_gnuplot(FILE *out, const struct importance_sets *r, const char *title, const char *svg)
{
  enum { PLACE = 62, BESIDE = 110, LEAST = 560, HEIGHT = 460 };
  int width = BESIDE + PLACE * r->varied, groups = r->has_groups ? r->groups.n : 1;
  fputs("# How much each hyperparameter matters: `gnuplot` with this script draws it.\n", out);
  fprintf(out, "set encoding utf8\nset terminal svg size %d,%d noenhanced font 'sans-serif,13' background '#ffffff'\n",
          width > LEAST ? width : LEAST, HEIGHT);
  fputs("set output ", out);
  quoted(out, svg);
  fputs("\nset title ", out);
  quoted(out, title);
  fputc('\n', out);
  write_axes(out, r);
  fputs("set key top right\nset style fill solid 1.0 noborder\nset boxwidth 0.7\n", out);
  for (int g = 0; g < groups; g++) write_bars(out, r, g);
  fputs("plot ", out);
  for (int g = 0, drawn = 0; g < groups; g++) {
    if (!is_drawn(r, g)) continue;
    fprintf(out, "%s$group%d using 1:2 with boxes lc rgb '%s' ", drawn++ ? ", \\\n  " : "", g, colours[g % COLOURS]);
    fputs(r->has_groups ? "title " : "notitle", out);
    if (r->has_groups) quoted(out, r->groups.names[g]);
    fprintf(out, ", \\\n  $group%d using 1:2:(sprintf('%%.3f', $3)) with labels offset 0,0.6 font ',11' notitle", g);
  }
  fputs("\nunset output\n", out);
}
