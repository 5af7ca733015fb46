/* The trials of all studies in a page, as a table that can be sorted; what failed. */
#include <math.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/report/report_html_internal.h"
#include "host/report/report_internal.h"

/* Which columns say anything. */
struct columns {
  bool study, group, loss, epochs, images, flops, seconds;
};

static struct columns find_columns(const struct report_page *p)
{
  struct columns c = {.study = p->n > 1};
  for (int i = 0; i < p->n; i++) {
    for (int k = 0; k < p->studies[i].s->n; k++) {
      const struct stored_trial *t = &p->studies[i].s->trials[k];
      c.group = c.group || t->group >= 0;
      c.loss = c.loss || (t->loss != 0 && isfinite(t->loss));
      c.epochs = c.epochs || t->epochs > 0;
      c.images = c.images || t->images > 0;
      c.flops = c.flops || t->flops > 0;
      c.seconds = c.seconds || t->seconds > 0;
    }
  }
  return c;
}

static void number_cell(FILE *out, bool has, const char *format, double number)
{
  char text[400] = "";
  if (has && isfinite(number)) snprintf(text, sizeof text, format, number);
  html_cell(out, true, text);
}

static void print_trial(FILE *out, const struct report_page *p, const struct columns *c, const struct page_study *of,
                        int i)
{
  const struct report_study *s = of->s;
  const struct stored_trial *t = &s->trials[i];
  char text[4 * SPACE_NAME_MAX];
  bool ended = t->state != STORED_RUNNING && t->state != STORED_WAITING;
  const char *class = i == s->best                  ? " class=\"best\""
                      : t->state == STORED_FAIL     ? " class=\"failed\""
                      : t->state == STORED_COMPLETE ? ""
                                                    : " class=\"pruned\"";
  fprintf(out, "<tr%s>", class);
  if (c->study) html_cell(out, false, of->label);
  html_cellf(out, true, "%d", t->number);
  report_group_name(s, t->group, text, sizeof text);
  if (c->group) html_cell(out, false, text);
  fprintf(out, "<td class=\"state\">%s</td>", report_state_name(s, t->state));
  report_value_text(s, t->value, text);
  html_cell(out, true, isnan(t->value) ? "" : text);
  if (c->loss) number_cell(out, ended, "%.4g", t->loss);
  if (c->epochs) number_cell(out, ended, "%.0f", t->epochs);
  if (c->images) number_cell(out, ended, "%.0f", (double)t->images);
  if (c->flops) number_cell(out, ended, "%.3g", t->flops * 1e-12);
  if (c->seconds) number_cell(out, ended, "%.3g", t->seconds);
  for (int k = 0; k < p->space->n; k++) {
    int at = space_index(&s->space, p->space->params[k].name);
    text[0] = 0;
    if (at >= 0 && !isnan(t->values[at]))
      report_param_text(&s->space.params[at], t->values[at], false, text, sizeof text);
    html_cell(out, at >= 0 && s->space.params[at].type != PARAM_CATEGORICAL, text);
  }
  fputs("</tr>\n", out);
}

/* The hyperparameters are those of the best study; what others have beside them stands in
 * trials.csv. */
void html_trials(FILE *out, const struct report_page *p)
{
  struct columns c = find_columns(p);
  if (!p->space) {
    fputs("<p>No trial has begun yet.</p>\n", out);
    return;
  }
  fputs("<p class=\"note\">A heading sorts by its column; the best trial of each study is in bold.</p>\n"
        "<div class=\"scroll tall\"><table class=\"sort\"><thead><tr>",
        out);
  if (c.study) html_heading(out, false, "study");
  html_heading(out, true, "trial");
  if (c.group) html_heading(out, false, "group");
  html_heading(out, false, "state");
  html_heading(out, true, p->value_name);
  if (c.loss) html_heading(out, true, "loss");
  if (c.epochs) html_heading(out, true, "epochs");
  if (c.images) html_heading(out, true, "images");
  if (c.flops) html_heading(out, true, "TFLOP");
  if (c.seconds) html_heading(out, true, report_clock_names[report_clock_of_page(p)].seconds);
  for (int k = 0; k < p->space->n; k++)
    html_heading(out, p->space->params[k].type != PARAM_CATEGORICAL, p->space->params[k].name);
  fputs("</tr></thead>\n<tbody>", out);
  for (int i = 0; i < p->n; i++)
    for (int k = 0; k < p->studies[i].s->n; k++) print_trial(out, p, &c, &p->studies[i], k);
  fputs("</tbody></table></div>\n", out);
}

/* ---- failures -------------------------------------------------------------------------------- */

enum { REASONS_MAX = 20 };

void html_failures(FILE *out, const struct report_page *p)
{
  struct {
    char kind[48];
    const char *first;
    int n;
  } kinds[REASONS_MAX] = {0};
  int n = 0;
  for (int i = 0; i < p->n; i++) {
    for (int k = 0; k < p->studies[i].s->n; k++) {
      const struct stored_trial *t = &p->studies[i].s->trials[k];
      char kind[48];
      int at = 0;
      if (t->state != STORED_FAIL) continue;
      report_failure_kind(t->reason, kind, sizeof kind);
      while (at < n && strcmp(kinds[at].kind, kind) != 0) at++;
      if (at == REASONS_MAX) at--; /* the last row takes the rest */
      if (at == n) {
        memcpy(kinds[n].kind, kind, sizeof kind);
        kinds[n++].first = t->reason;
      }
      kinds[at].n++;
    }
  }
  if (n == 0) return;
  fputs("<section id=\"failures\"><h2>What failed</h2>\n<div class=\"scroll\"><table><thead><tr>", out);
  html_heading(out, false, "kind");
  html_heading(out, true, "trials");
  html_heading(out, false, "the first one’s reason");
  fputs("</tr></thead>\n<tbody>", out);
  for (int k = 0; k < n; k++) {
    fputs("<tr>", out);
    html_cell(out, false, kinds[k].kind);
    html_cellf(out, true, "%d", kinds[k].n);
    fputs("<td class=\"wide\">", out);
    html_text(out, kinds[k].first[0] ? kinds[k].first : "no reason stored");
    fputs("</td></tr>\n", out);
  }
  fputs("</tbody></table></div></section>\n", out);
}
