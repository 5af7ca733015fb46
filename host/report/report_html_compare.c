/* The comparison of strategies in a page: values, costs, paired differences over rounds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_units.h"
#include "host/report/paired_difference.h"
#include "host/report/report_html_internal.h"
#include "host/report/report_internal.h"

enum { ROUNDS_MAX = 1000 };

/* ---- a row a strategy ------------------------------------------------------------------------ */

/* Does the study count for its series' row?  Finished ones, where there are some. */
static bool counts(const struct report_page *p, const struct page_study *s, int series)
{
  bool finished = false;
  if (s->series != series) return false;
  for (int i = 0; i < p->n; i++) finished = finished || (p->studies[i].series == series && p->studies[i].s->finished);
  return !finished || s->s->finished;
}

/* Of the studies of a series; n = 0 where one of them has none. */
static struct paired_difference mean_of(const struct report_page *p, int series, report_measure f)
{
  struct paired_difference d = {0};
  double values[ROUNDS_MAX];
  int n = 0;
  for (int i = 0; i < p->n && n < ROUNDS_MAX; i++) {
    if (!counts(p, &p->studies[i], series)) continue;
    if (!f(p->studies[i].s, &values[n++])) return d;
  }
  if (n) paired_difference_make(&d, values, n);
  return d;
}

static void value_cells(FILE *out, const struct report_page *p, int series, report_measure f, bool interval)
{
  const struct report_study *s = p->studies[0].s;
  struct paired_difference d = mean_of(p, series, f);
  char mean[REPORT_TEXT] = "-", sd[REPORT_TEXT] = "", low[REPORT_TEXT], high[REPORT_TEXT];
  if (d.n) report_value_text(s, d.mean, mean);
  if (d.n > 1) report_value_text(s, d.sd, sd);
  fputs("<td class=\"n\">", out);
  html_text(out, mean);
  if (sd[0]) fprintf(out, " <span class=\"pm\">± %s</span>", sd);
  fputs("</td>", out);
  if (!interval) return;
  if (d.n < 2) {
    html_cell(out, true, "-");
    return;
  }
  report_value_text(s, d.low, low);
  report_value_text(s, d.high, high);
  html_cellf(out, true, "%s to %s", low, high);
}

static void cost_cell(FILE *out, const struct report_page *p, int series, report_measure f)
{
  struct paired_difference d = mean_of(p, series, f);
  char text[TEXT_UNITS_MAX + 40] = "-";
  if (d.n && f == report_images) html_count(text, d.mean);
  const bool work = f == report_tflop || f == report_tflop_to_best;
  if (d.n && work) text_flops(text, sizeof text, 1e12 * d.mean);
  if (d.n && f != report_images && !work) text_seconds(text, sizeof text, d.mean);
  html_cell(out, true, text);
}

static bool any(const struct report_page *p, report_measure f)
{
  for (int i = 0; i < p->n_series; i++)
    if (mean_of(p, i, f).n) return true;
  return false;
}

static void print_rows(FILE *out, const struct report_page *p)
{
  bool several = p->n > p->n_series, test = any(p, report_test_value);
  const struct report_clock_names *clock = &report_clock_names[report_clock_of_page(p)];
  const struct {
    report_measure f;
    const char *heading;
  } costs[] = {{report_images, "images trained"},
               {report_tflop_to_best, "work to best"},
               {report_tflop, "work"},
               {report_time_to_best, clock->to_best},
               {report_time, clock->whole},
               {report_wall_time, "wall time"}};
  enum { COSTS = sizeof costs / sizeof *costs };
  fputs("<div class=\"scroll\"><table><thead><tr>", out);
  html_heading(out, false, p->ours ? "strategy" : "study");
  if (several) html_heading(out, true, "rounds");
  html_heading(out, true, p->value_name);
  if (several) html_heading(out, true, "95 % interval");
  if (test) html_heading(out, true, p->test_name);
  for (int k = 0; k < COSTS; k++)
    if (any(p, costs[k].f)) html_heading(out, true, costs[k].heading);
  fputs("</tr></thead>\n<tbody>", out);
  for (int i = 0; i < p->n_series; i++) {
    int n = 0;
    for (int k = 0; k < p->n; k++) n += counts(p, &p->studies[k], i);
    fputs("<tr><th>", out);
    html_textf(out, "%s%s", p->series[i].label, p->series[i].finished ? "" : " (unfinished)");
    fputs("</th>", out);
    if (several) html_cellf(out, true, "%d", n);
    value_cells(out, p, i, report_best_value, several);
    if (test) value_cells(out, p, i, report_test_value, false);
    for (int k = 0; k < COSTS; k++)
      if (any(p, costs[k].f)) cost_cell(out, p, i, costs[k].f);
    fputs("</tr>\n", out);
  }
  fputs("</tbody></table></div>\n", out);
  if (several) fputs("<p class=\"note\">Means over finished rounds ± standard deviation.</p>\n", out);
  if (report_clock_of_page(p) == CLOCK_DEVICE)
    fputs("<p class=\"note\">Device time depends on what ran beside a trial, and says how full the GPU was: compare "
          "strategies by images and work.</p>\n",
          out);
}

/* ---- differences ----------------------------------------------------------------------------- */

/* Of the rounds that both have finished; n 0: there are none. */
static struct mean_interval differences(const struct report_page *p, int series, report_measure f)
{
  return report_pairs(p->report, p->series[series].name, p->series[p->control].name, f).difference;
}

static void print_difference(FILE *out, const struct report_page *p, int series, report_measure f, const char *what)
{
  struct paired_difference d;
  struct mean_interval pairs = differences(p, series, f);
  double scale = p->accuracy ? 100 : 1;
  const char *number = p->accuracy ? "%+.2f" : "%+.4g";
  char text[3][60];
  if (pairs.n == 0) return;
  paired_difference_of(&d, &pairs);
  const double shown[] = {d.mean * scale, d.low * scale, d.high * scale};
  for (int i = 0; i < 3; i++) snprintf(text[i], sizeof text[i], number, shown[i]);
  fputs("<tr><th>", out);
  html_textf(out, "%s less %s, %s", p->series[series].label, p->series[p->control].label, what);
  fputs("</th>", out);
  html_cellf(out, true, "%d", d.n);
  html_cellf(out, true, "%s%s", text[0], p->accuracy ? " points" : "");
  if (d.n < 2) {
    html_cell(out, true, "one round");
    html_cell(out, true, "-");
  } else {
    html_cellf(out, true, "%s to %s", text[1], text[2]);
    html_cellf(out, true, d.p < 0.0005 ? "below 0.001" : "%.3f", d.p);
  }
  fputs("</tr>\n", out);
}

static void print_differences(FILE *out, const struct report_page *p)
{
  int rounds = 0;
  for (int i = 0; i < p->n_series; i++) {
    if (i == p->control) continue;
    int n = differences(p, i, report_best_value).n;
    if (n > rounds) rounds = n;
  }
  if (rounds == 0) return;
  fputs("<h3>Differences by round</h3>\n<div class=\"scroll\"><table><thead><tr>", out);
  html_heading(out, false, "");
  html_heading(out, true, "rounds");
  html_heading(out, true, "mean difference");
  html_heading(out, true, "95 % interval");
  html_heading(out, true, "p");
  fputs("</tr></thead>\n<tbody>", out);
  for (int i = 0; i < p->n_series; i++) {
    if (i == p->control) continue;
    print_difference(out, p, i, report_best_value, p->value_name);
    print_difference(out, p, i, report_test_value, p->test_name);
  }
  fputs("</tbody></table></div>\n<p class=\"note\">", out);
  if (rounds < 2)
    fputs("One round tells little: another one, from other random numbers, may differ by as much in the other "
          "direction ([experiment] rounds).",
          out);
  else
    fputs("Rounds are paired: trials of the same number start from the same random numbers in both strategies.  "
          "Interval and p by Student’s paired t test; p is the probability of so large a mean difference if there "
          "were none.",
          out);
  fputs("</p>\n", out);
}

void html_comparison(FILE *out, const struct report_page *p)
{
  print_rows(out, p);
  if (p->ours && p->n_series > 1) print_differences(out, p);
}
