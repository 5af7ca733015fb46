/* What the search brought over the defaults, which are trial 0 ([experiment] baseline).
 *
 * A study is recognised by its trial 0 itself, not by the key: a run that an older program began
 * may have gone on with another one. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "host/experiment/experiment.h"
#include "host/report/report.h"
#include "host/report/report_internal.h"

bool report_defaults(const struct report_study *s, double *values)
{
  char key[SPACE_NAME_MAX + 8], line[PARAM_TEXT_MAX], text[SPACE_NAME_MAX + 40];
  if (!s->record.search || s->space.n == 0) return false;
  for (int i = 0; i < s->space.n; i++) {
    const struct param *p = &s->space.params[i];
    struct param of_line;
    struct error ignored;
    snprintf(key, sizeof key, "space.%s", p->name);
    if (!experiment_search_get(s->record.search, key, line, sizeof line)) return false;
    if (param_is_value(line)) {
      text_format(text, sizeof text, "%s", line);
    } else {
      if (param_parse(&of_line, p->name, line, &ignored)) return false;
      param_value_format(&of_line, of_line.default_value, text, sizeof text);
      param_destroy(&of_line);
    }
    if (param_value_parse(p, text, &values[i], &ignored)) return false;
  }
  return true;
}

int report_baseline(const struct report_study *s)
{
  double defaults[SPACE_MAX];
  if (!s->record.ours || s->n == 0 || s->trials[0].number != 0 || !report_defaults(s, defaults)) return -1;
  return space_equal(&s->space, s->trials[0].values, defaults) ? 0 : -1;
}

double report_gain_error(const struct report_study *s)
{
  int n = s->record.value_n, baseline = report_baseline(s);
  if (n < 1 || baseline < 0 || s->best < 0 || !report_accuracy(s)) return NAN;
  double a = s->trials[baseline].value, b = s->trials[s->best].value;
  return a >= 0 && a <= 1 && b >= 0 && b <= 1 ? sqrt((a * (1 - a) + b * (1 - b)) / n) : NAN;
}

/* "+0.20 points; noise of 1000 images: about 0.50", "-0.3" */
static void gain_text(const struct report_study *s, double gain, char *text, size_t size)
{
  double noise = report_gain_error(s);
  if (!report_accuracy(s))
    snprintf(text, size, "%+.6g", gain);
  else if (isnan(noise))
    snprintf(text, size, "%+.2f points", 100 * gain);
  else
    snprintf(text, size, "%+.2f points; noise of %d images: about %.2f", 100 * gain, s->record.value_n, 100 * noise);
}

void report_print_baseline(FILE *out, const struct report *r)
{
  int at = report_best(r), baseline = at < 0 ? -1 : report_baseline(&r->studies[at]);
  if (baseline < 0) return;
  const struct report_study *s = &r->studies[at];
  const struct stored_trial *t = &s->trials[baseline], *best = &s->trials[s->best];
  char standard[REPORT_TEXT], found[REPORT_TEXT], gain[200];
  report_value_text(s, t->value, standard);
  report_value_text(s, best->value, found);
  gain_text(s, best->value - t->value, gain, sizeof gain);
  if (t->state != STORED_COMPLETE)
    text_wrapf(out, "", "The defaults: %s; the search: %s", report_state_name(s, t->state), found);
  else if (s->best == baseline)
    text_wrapf(out, "", "The defaults: %s; the search found nothing better", standard);
  else
    text_wrapf(out, "", "The defaults: %s; the search: %s (%s)", standard, found, gain);
  fputc('\n', out);
}
