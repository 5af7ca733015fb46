/* The page of a run.  See report_html.h; report_html_compare.c and report_html_trials.c write its
 * larger tables. */
#include "host/report/report_html.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/file_open.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/base/version.h"
#include "host/experiment/experiment.h"
#include "host/report/paired_difference.h"
#include "host/report/report_html_internal.h"
#include "host/report/report_html_style.h"
#include "host/report/report_internal.h"

enum { TEXT_MAX = 4096, SVG_MAX = 4 << 20 };

/* ---- text ------------------------------------------------------------------------------------ */

/* Without the end of lines, which are kept in <pre>. */
static void write_escaped(FILE *out, const char *text)
{
  for (; *text; text++) {
    switch (*text) {
    case '<':
      fputs("&lt;", out);
      break;
    case '>':
      fputs("&gt;", out);
      break;
    case '&':
      fputs("&amp;", out);
      break;
    case '"':
      fputs("&quot;", out);
      break;
    case '\'':
      fputs("&#39;", out);
      break;
    default:
      fputc(*text, out);
    }
  }
}

void html_text(FILE *out, const char *text)
{
  char shown[TEXT_MAX];
  write_escaped(out, text_escape_once(shown, sizeof shown, text)); /* names of classes have been escaped */
}

void html_textf(FILE *out, const char *format, ...)
{
  char text[TEXT_MAX];
  va_list arguments;
  va_start(arguments, format);
  text_vformat(text, sizeof text, format, arguments);
  va_end(arguments);
  html_text(out, text);
}

void html_cell(FILE *out, bool number, const char *text)
{
  fputs(number ? "<td class=\"n\">" : "<td>", out);
  html_text(out, text);
  fputs("</td>", out);
}

void html_cellf(FILE *out, bool number, const char *format, ...)
{
  char text[TEXT_MAX];
  va_list arguments;
  va_start(arguments, format);
  text_vformat(text, sizeof text, format, arguments);
  va_end(arguments);
  html_cell(out, number, text);
}

void html_heading(FILE *out, bool number, const char *text)
{
  fputs(number ? "<th class=\"n\">" : "<th>", out);
  html_text(out, text);
  fputs("</th>", out);
}

const char *html_count(char text[40], double count)
{
  if (!(count >= 0 && count < 1e15)) {
    snprintf(text, 40, "%.3g", count);
    return text;
  }
  report_group_digits(count, text);
  return text;
}

static void fact(FILE *out, const char *name, const char *text)
{
  if (!text[0]) return;
  fputs("<dt>", out);
  html_text(out, name);
  fputs("</dt><dd>", out);
  html_text(out, text);
  fputs("</dd>\n", out);
}

/* ---- figures --------------------------------------------------------------------------------- */

static char *read_svg(const char *path)
{
  FILE *in = file_open_to_read(path);
  struct stat st;
  char *text = NULL;
  if (in && fstat(fileno(in), &st) == 0 && st.st_size > 0 && st.st_size < SVG_MAX)
    text = malloc((size_t)st.st_size + 1);
  if (text) text[fread(text, 1, (size_t)st.st_size, in)] = 0;
  if (in) fclose(in);
  return text;
}

/* An attribute's text. */
static char *escaped(const char *text)
{
  char *to = NULL;
  size_t size;
  FILE *out = open_memstream(&to, &size);
  if (!out) return NULL;
  html_text(out, text);
  return fclose(out) ? free(to), NULL : to;
}

static void print_plot(struct html *h, const struct plot *plot)
{
  char path[1400];
  snprintf(path, sizeof path, "%s/%s.svg", h->folder, plot->name);
  char *svg = h->missing ? NULL : read_svg(path), *label = escaped(plot->title);
  fprintf(h->out, "<figure class=\"plot%s\" id=\"plot-%s\">", plot->wide ? " wide" : "", plot->name);
  fputs(plot->wide ? "<div class=\"scroll\">" : "", h->out);
  if (!h->missing && (!svg || !label || !report_plots_embed(h->out, svg, label, &h->has_marks)))
    fprintf(h->out, "<p class=\"note\">This figure could not be drawn.</p>");
  fputs(plot->wide ? "</div>" : "", h->out);
  fputs("<figcaption><b>", h->out);
  html_text(h->out, plot->title);
  fputs("</b> <a href=\"", h->out);
  html_text(h->out, h->link);
  fprintf(h->out, "/%s.csv\">CSV</a>", plot->name);
  if (plot->caption[0]) {
    fputs("<span>", h->out);
    html_text(h->out, plot->caption);
    fputs("</span>", h->out);
  }
  fputs("</figcaption></figure>\n", h->out);
  free(svg);
  free(label);
}

static bool has_plots(const struct html *h, enum plot_place place)
{
  for (int i = 0; i < h->plots->n; i++)
    if (h->plots->plots[i].place == place) return true;
  return false;
}

void html_plots(struct html *h, enum plot_place place)
{
  if (!has_plots(h, place)) return;
  fprintf(h->out, "<div class=\"plots%s\">\n", place == PLOT_SLICES || place == PLOT_PANELS ? " small" : "");
  for (int i = 0; i < h->plots->n; i++)
    if (h->plots->plots[i].place == place) print_plot(h, &h->plots->plots[i]);
  fputs("</div>\n", h->out);
}

/* ---- the head: what was done, what came of it ------------------------------------------------ */

static void setting(const struct report_study *s, const char *key, char *text, size_t size)
{
  text[0] = 0;
  if (s->record.search) experiment_search_get(s->record.search, key, text, size);
}

static const char *experiment_name(const struct report_page *p)
{
  const char *name = p->n ? (p->ours ? p->studies[0].s->record.experiment : p->studies[0].s->name) : "";
  return name[0] ? name : "Study";
}

/* What a trial is. */
static void what_was_searched(const struct report_study *s, char *text, size_t size)
{
  char name[300];
  if (!strcmp(s->record.objective, "cnn"))
    text_format(text, size, "convolutional networks");
  else if (!strcmp(s->record.objective, "function"))
    setting(s, "function.name", name, sizeof name), text_format(text, size, "the function %s", name);
  else if (!strcmp(s->record.objective, "command"))
    setting(s, "command.run", name, sizeof name), text_format(text, size, "the program “%s”", name);
  else if (!strcmp(s->record.objective, "table"))
    text_format(text, size, "a table of recorded trials");
  else
    text_format(text, size, "an objective");
}

static void print_sentence(const struct html *h)
{
  const struct report_page *p = h->p;
  const struct report_study *s = p->n ? p->studies[0].s : NULL;
  char what[400], sampler[40], pruner[40], count[40];
  int trials = 0, complete = 0, pruned = 0, failed = 0;
  for (int i = 0; i < p->n; i++) {
    trials += p->studies[i].s->n;
    complete += p->studies[i].s->complete;
    pruned += p->studies[i].s->pruned;
    failed += p->studies[i].s->failed;
  }
  fputs("<p class=\"lead\">", h->out);
  if (!s) {
    fputs("There is no study in it yet.</p>\n", h->out);
    return;
  }
  if (p->ours) {
    what_was_searched(s, what, sizeof what);
    setting(s, "experiment.sampler", sampler, sizeof sampler);
    setting(s, "pruner.kind", pruner, sizeof pruner);
    html_textf(h->out, "%d hyperparameter%s of %s, searched by ", p->space ? space_varied(p->space) : 0,
               p->space && space_varied(p->space) == 1 ? "" : "s", what);
    for (int i = 0; i < p->n_series; i++)
      html_textf(h->out, "%s%s", i == 0 ? "" : i + 1 == p->n_series ? " and " : ", ", p->series[i].label);
    if (sampler[0]) html_textf(h->out, " search with sampler %s", sampler);
    if (pruner[0] && strcmp(pruner, "none") != 0) html_textf(h->out, " and pruner %s", pruner);
    if (p->n > p->n_series) html_textf(h->out, ", in %d rounds", p->series[0].studies);
    fputs(": ", h->out);
  } else {
    html_textf(h->out, "%d stud%s of another program: ", p->n, p->n == 1 ? "y" : "ies");
  }
  html_textf(h->out, "%s trial%s, ", html_count(count, trials), trials == 1 ? "" : "s");
  html_textf(h->out, complete == trials && trials > 1 ? "all complete" : "%s complete", html_count(count, complete));
  if (pruned) html_textf(h->out, ", %d pruned", pruned);
  if (failed) html_textf(h->out, ", %d failed", failed);
  if (trials > complete + pruned + failed) html_textf(h->out, ", %d open", trials - complete - pruned - failed);
  html_textf(h->out, ".  %s is better.", p->maximize ? "Higher" : "Lower");
  fputs("</p>\n", h->out);
}

static void begin_key(FILE *out, const char *name, bool first)
{
  fprintf(out, "<div%s><dt>", first ? " class=\"first\"" : "");
  html_text(out, name);
  fputs("</dt><dd>", out);
}

static void key_best(const struct html *h)
{
  const struct report_page *p = h->p;
  const struct page_study *s = &p->studies[p->best];
  const struct stored_trial *t = &s->s->trials[s->s->best];
  char text[REPORT_TEXT];
  report_value_text(s->s, t->value, text);
  begin_key(h->out, "best", true);
  fputs("<span id=\"best-value\">", h->out);
  html_text(h->out, text);
  fputs("</span><small>", h->out);
  html_textf(h->out, "%s, %s, trial %d", p->value_name, s->label, t->number);
  fputs("</small></dd></div>\n", h->out);
}

/* The defaults, and what the search won over them. */
static void key_baseline(const struct html *h)
{
  const struct report_page *p = h->p;
  const struct page_study *s = &p->studies[p->best];
  double best = s->s->trials[s->s->best].value;
  char text[REPORT_TEXT];
  if (!isfinite(s->baseline) || !isfinite(best)) return;
  report_value_text(s->s, s->baseline, text);
  begin_key(h->out, "defaults", false);
  html_text(h->out, text);
  fputs("<small>", h->out);
  double noise = report_gain_error(s->s);
  if (p->accuracy)
    html_textf(h->out, "the search: %+.2f points", 100 * (best - s->baseline));
  else
    html_textf(h->out, "the search: %+.4g", best - s->baseline);
  if (!isnan(noise)) html_textf(h->out, "; noise of %d images: about %.2f", s->s->record.value_n, 100 * noise);
  fputs("</small></dd></div>\n", h->out);
}

static void key_test(const struct html *h)
{
  const struct report_study *s = h->p->studies[h->p->best].s;
  const struct study_test *t = &s->record.test;
  bool accuracy = !strcmp(s->record.value_name, "validation accuracy");
  double test, low, high;
  char text[REPORT_TEXT], name[80];
  if (!report_test_value(s, &test)) return;
  report_value_text(s, test, text);
  report_test_name(s, name, sizeof name);
  begin_key(h->out, name, false);
  html_text(h->out, text);
  fputs("<small>", h->out);
  html_textf(h->out, accuracy ? "%d of %d" : "%d of %d right", t->correct, t->n);
  if (accuracy && t->n > 0 && t->correct >= 0 && t->correct <= t->n) {
    share_interval(t->correct, t->n, &low, &high);
    html_textf(h->out, "; 95 %%: %.3f to %.3f", low, high);
  }
  fputs("</small></dd></div>\n", h->out);
}

static void key_repeats(const struct html *h)
{
  const struct report_study *s = h->p->studies[h->p->best].s;
  char text[2][REPORT_REPEATS_TEXT];
  int n;
  bool validated = report_repeats_text(s, false, text[0], &n), tested = report_repeats_text(s, true, text[1], &n);
  if (!validated) return;
  begin_key(h->out, "trained again", false);
  html_text(h->out, text[tested]);
  fputs("<small>", h->out);
  html_textf(h->out,
             tested ? "on the test set, %d time%s with other random numbers; validation %s"
                    : "%d time%s with other random numbers",
             n, text_plural(n), text[0]);
  fputs("</small></dd></div>\n", h->out);
}

static void key_cost(const struct html *h)
{
  const struct report_page *p = h->p;
  double images = 0, flops = 0, seconds = 0;
  char text[TEXT_UNITS_MAX + 40], count[40];
  for (int i = 0; i < p->n; i++) {
    images += (double)p->studies[i].s->images;
    flops += p->studies[i].s->flops;
    seconds += p->studies[i].s->time_s;
  }
  if (images > 0) {
    begin_key(h->out, "images trained", false);
    html_text(h->out, html_count(count, images));
    fputs("<small>", h->out);
    if (flops > 0) html_text(h->out, text_flops(text, sizeof text, flops));
    fputs("</small></dd></div>\n", h->out);
  }
  if (seconds > 0) {
    begin_key(h->out, report_clock_names[report_clock_of_page(p)].of_trial, false);
    html_text(h->out, text_seconds(text, sizeof text, seconds));
    fputs("<small>all trials together</small></dd></div>\n", h->out);
  }
}

static void print_head(const struct html *h)
{
  const struct report_page *p = h->p;
  fputs("<header><h1>", h->out);
  html_text(h->out, experiment_name(p));
  fputs("</h1>\n", h->out);
  print_sentence(h);
  fputs("<dl class=\"key\">\n", h->out);
  if (p->best >= 0) {
    key_best(h);
    key_baseline(h);
    key_test(h);
    key_repeats(h);
  }
  key_cost(h);
  fputs("</dl>\n", h->out);
  if (p->n && p->best < 0) fputs("<p><strong>No trial is complete.</strong></p>\n", h->out);
  for (int i = 0; i < p->n; i++) {
    const struct report_study *s = p->studies[i].s;
    if (!p->ours || s->finished) continue;
    fputs("<p class=\"note\">", h->out);
    html_textf(h->out, "Unfinished: %s, %d of %d trial%s ended%s%s.", p->studies[i].label, report_ended(s),
               s->record.trials, s->record.trials == 1 ? " has" : "s have", s->gone[0] ? "; " : "", s->gone);
    fputs("</p>\n", h->out);
  }
  if (h->missing) {
    fputs("<p class=\"note\" id=\"no-figures\">", h->out);
    html_textf(h->out,
               "There are no figures: %s.  Their data lie in %s/, with gnuplot’s script; gsos report draws them.",
               h->missing, h->link);
    fputs("</p>\n", h->out);
  }
  fputs("</header>\n", h->out);
}

/* ---- sections -------------------------------------------------------------------------------- */

static void section_best(struct html *h)
{
  const struct report_page *p = h->p;
  if (p->best < 0) return;
  const struct page_study *s = &p->studies[p->best];
  const struct stored_trial *t = &s->s->trials[s->s->best];
  fputs("<section id=\"configuration\"><h2>Best configuration</h2>\n<div class=\"scroll\"><table><thead><tr>", h->out);
  html_heading(h->out, false, "hyperparameter");
  html_heading(h->out, true, "best");
  if (s->has_defaults) html_heading(h->out, true, "default");
  html_heading(h->out, false, "searched");
  fputs("</tr></thead>\n<tbody>", h->out);
  for (int i = 0; i < s->s->space.n; i++) {
    const struct param *q = &s->s->space.params[i];
    char text[4 * SPACE_NAME_MAX], line[PARAM_TEXT_MAX];
    fputs("<tr><th>", h->out);
    html_text(h->out, q->name);
    fputs("</th>", h->out);
    report_param_text(q, t->values[i], false, text, sizeof text);
    html_cell(h->out, true, text);
    report_param_text(q, s->has_defaults ? s->defaults[i] : NAN, false, text, sizeof text);
    if (s->has_defaults) html_cell(h->out, true, text);
    param_format(q, line, sizeof line);
    char *end = strstr(line, " default ");
    if (end) *end = 0;
    fputs("<td class=\"wide\">", h->out);
    html_text(h->out, param_count(q) == 1 ? "fixed" : line);
    fputs("</td></tr>\n", h->out);
  }
  fputs("</tbody></table></div></section>\n", h->out);
}

static void section_learnt(struct html *h)
{
  const struct report_learnt *l = &h->p->learnt;
  if (l->n == 0) return;
  fputs("<section id=\"learnt\"><h2>What was learnt</h2>\n<ul>\n", h->out);
  for (int i = 0; i < l->n; i++) {
    fputs("<li>", h->out);
    write_escaped(h->out, l->sentences[i]); /* they are printable */
    fputs("</li>\n", h->out);
  }
  fputs("</ul></section>\n", h->out);
}

static void section_comparison(struct html *h)
{
  const struct report_page *p = h->p;
  if (p->n == 0) return;
  fprintf(h->out, "<section id=\"comparison\"><h2>%s</h2>\n", p->n_series > 1 ? "Comparison" : "Result and cost");
  html_comparison(h->out, p);
  fputs("</section>\n", h->out);
}

static void section_classes(struct html *h)
{
  if (!html_has_classes(h->p)) return;
  fputs("<section id=\"classes\"><h2>What the best networks get wrong</h2>\n", h->out);
  html_classes(h->out, h->p);
  fputs("</section>\n", h->out);
}

static void section_of_plots(struct html *h, const char *id, const char *title, enum plot_place place)
{
  if (!has_plots(h, place)) return;
  fprintf(h->out, "<section id=\"%s\"><h2>%s</h2>\n", id, title);
  html_plots(h, place);
  fputs("</section>\n", h->out);
}

static void section_of_trials(struct html *h)
{
  if (!has_plots(h, PLOT_TRIALS) && !has_plots(h, PLOT_PANELS)) return;
  fputs("<section id=\"trials\"><h2>The search, trial by trial</h2>\n", h->out);
  html_plots(h, PLOT_PANELS);
  html_plots(h, PLOT_TRIALS);
  fputs("</section>\n", h->out);
}

/* The weights, also where they are drawn: by every method they are in gsos importance. */
static void print_weights(struct html *h)
{
  const struct report_page *p = h->p;
  const struct measured_study *m = p->measured;
  fputs("<div class=\"scroll\"><table><thead><tr>", h->out);
  html_heading(h->out, false, "hyperparameter");
  html_heading(h->out, true, "weight");
  if (m->has_groups) html_heading(h->out, false, "group by weight");
  fputs("</tr></thead>\n<tbody>", h->out);
  for (int rank = 1; rank <= p->space->n; rank++) {
    for (int i = 0; i < p->space->n; i++) {
      if (m->measured[0].rank[i] != rank || param_count(&p->space->params[i]) == 1) continue;
      fputs("<tr><th>", h->out);
      html_text(h->out, p->space->params[i].name);
      fputs("</th>", h->out);
      html_cellf(h->out, true, "%.3f", m->measured[0].weight[i]);
      if (m->has_groups) html_cell(h->out, false, m->groups.names[m->groups.of[i]]);
      fputs("</tr>\n", h->out);
    }
  }
  fputs("</tbody></table></div>\n", h->out);
}

static void section_hyperparameters(struct html *h)
{
  const struct report_page *p = h->p;
  if (!p->space) return;
  fputs("<section id=\"importance\"><h2>Which hyperparameters mattered</h2>\n", h->out);
  if (p->measured) {
    html_plots(h, PLOT_IMPORTANCE);
    fputs("<details><summary>Weights as a table</summary>\n", h->out);
    print_weights(h);
    fputs("</details>\n<p class=\"note\">", h->out);
    html_textf(h->out, "%sgsos importance measures with intervals and by other methods.",
               p->measured->used < importance_trials_enough(p->space)
                   ? "There are fewer than ten trials for each hyperparameter: the order is not to be relied on.  "
                   : "");
    fputs("</p>\n", h->out);
  } else {
    fputs("<p>", h->out);
    html_textf(h->out, "Not measured: %s.", p->importance.why[0] ? p->importance.why : "all values are the same");
    fputs("</p>\n", h->out);
    html_plots(h, PLOT_IMPORTANCE);
  }
  fputs("</section>\n", h->out);
  if (!has_plots(h, PLOT_SLICES)) return;
  fputs("<section id=\"slices\"><h2>Values by hyperparameter</h2>\n<p class=\"note\">", h->out);
  html_textf(h->out, "%s of each trial by its value.%s", p->value_name,
             p->ours ? "  Pale: the hyperparameter was held, not searched." : "");
  fputs("</p>\n", h->out);
  html_plots(h, PLOT_SLICES);
  fputs("</section>\n", h->out);
}

static void section_trials(struct html *h)
{
  fputs("<section id=\"all\"><h2>All trials</h2>\n", h->out);
  html_trials(h->out, h->p);
  fputs("</section>\n", h->out);
}

static void print_changes(struct html *h)
{
  const struct report_page *p = h->p;
  for (int i = 0; i < p->n; i++) {
    const struct report_study *s = p->studies[i].s;
    char text[400];
    if (report_is_asynchronous(s)) fact(h->out, s->name, "asynchronous order: this history cannot be reproduced");
    if (report_is_timed(s)) fact(h->out, s->name, "proposals weighed times: this history cannot be reproduced");
    if (s->record.retried) {
      snprintf(text, sizeof text, "%d failed trial%s ran again", s->record.retried, text_plural(s->record.retried));
      fact(h->out, s->name, text);
    }
    for (int k = 0; k < s->record.n_changes; k++) {
      text_format(text, sizeof text, "went on with --accept-change: %s", s->record.changes[k]);
      fact(h->out, s->name, text);
    }
  }
}

static void section_origin(struct html *h)
{
  const struct report_page *p = h->p;
  const struct page_study *s = p->best >= 0 ? &p->studies[p->best] : p->studies;
  char text[400], start[START_LINE];
  fputs("<section id=\"origin\"><h2>How it was made</h2>\n<dl class=\"facts\">\n", h->out);
  if (p->ours) {
    text_format(text, sizeof text, "gsos %s, history version %d", s->s->record.version, s->s->record.history);
    fact(h->out, "made by", text);
    fact(h->out, "results depend on", s->s->record.depends_on);
    setting(s->s, "experiment.seed", text, sizeof text);
    fact(h->out, "seed", text);
    text_format(text, sizeof text, "%d", p->series[0].studies);
    fact(h->out, "rounds", text);
  }
  fact(h->out, "page by", "gsos " GSOS_VERSION);
  for (int i = 0; p->n && report_start_text(s->s, i, start); i++)
    fact(h->out, i < s->s->record.n_start ? "started from" : "which means", start);
  print_changes(h);
  if (p->left_out) {
    text_format(text, sizeof text, "%d stud%s of the other direction", p->left_out, p->left_out == 1 ? "y" : "ies");
    fact(h->out, "left out", text);
  }
  for (int i = 0; i < p->report->n_left_out; i++) {
    text_format(text, sizeof text, "left out: %s", p->report->left_out[i].why);
    fact(h->out, p->report->left_out[i].name, text);
  }
  fputs("</dl>\n", h->out);
  if (p->ini) {
    fprintf(h->out, "<details id=\"settings\"><summary>%s</summary>\n<pre>",
            p->is_file ? "Settings (run.ini)" : "Settings that the results follow from");
    for (char *line = p->ini, *end; *line; line = end) {
      end = line + strcspn(line, "\n");
      bool more = *end;
      *end = 0;
      html_text(h->out, line);
      if (more) *end++ = '\n';
      fputc('\n', h->out);
    }
    fputs("</pre></details>\n", h->out);
  }
  fputs("</section>\n", h->out);
}

static void print_nav(struct html *h)
{
  enum { ALWAYS = -1, IF_LEARNT = -2, IF_CLASSES = -3 };
  static const struct {
    const char *id, *title;
    int place; /* of the plots without which there is none; else when it is there */
  } links[] = {{"learnt", "What was learnt", IF_LEARNT},
               {"comparison", "Comparison", ALWAYS},
               {"classes", "Mistakes", IF_CLASSES},
               {"trials", "Search", PLOT_TRIALS},
               {"cost", "Cost", PLOT_COST},
               {"importance", "Importance", ALWAYS},
               {"slices", "Slices", PLOT_SLICES},
               {"curves", "Curves", PLOT_CURVES},
               {"devices", "Devices", PLOT_TIMELINE},
               {"all", "All trials", ALWAYS},
               {"origin", "How it was made", ALWAYS}};
  fputs("<nav>", h->out);
  for (size_t i = 0; i < sizeof links / sizeof *links && h->p->space; i++) {
    int place = links[i].place;
    if (place == IF_LEARNT && h->p->learnt.n == 0) continue;
    if (place == IF_CLASSES && !html_has_classes(h->p)) continue;
    if (place < 0 || has_plots(h, (enum plot_place)place))
      fprintf(h->out, "<a href=\"#%s\">%s</a>", links[i].id, links[i].title);
  }
  fputs("</nav>\n", h->out);
}

void report_html_print(FILE *out, const struct report_page *p, const struct plots *plots, const char *folder,
                       const char *link, const char *missing)
{
  struct html h = {out, p, plots, folder, link, missing, false};
  fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"generator\" content=\"gsos " GSOS_VERSION "\">\n<title>",
        out);
  html_textf(out, "%s – gsos", experiment_name(p));
  fprintf(out, "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n%s</style></head>\n<body>\n",
          report_html_style);
  print_head(&h);
  print_nav(&h);
  fputs("<main>\n", out);
  section_best(&h);
  section_learnt(&h);
  section_comparison(&h);
  section_classes(&h);
  section_of_trials(&h);
  section_of_plots(&h, "cost", "What it cost", PLOT_COST);
  section_hyperparameters(&h);
  section_of_plots(&h, "curves", "Learning curves", PLOT_CURVES);
  section_of_plots(&h, "devices", "Devices", PLOT_TIMELINE);
  html_failures(out, p);
  section_trials(&h);
  section_origin(&h);
  fprintf(out, "</main>\n<script>\n%s</script>\n</body></html>\n", report_html_script);
}
