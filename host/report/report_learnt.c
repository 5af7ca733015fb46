/* What was learnt.  See report_learnt.h, which has the rules. */
#include "host/report/report_learnt.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/mean_interval.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "host/network/hyperparameters.h"
#include "host/report/report_importance_run.h"
#include "host/report/report_internal.h"
#include "host/report/report_learnt_internal.h"

enum {
  BEST = 10,
  AT_EDGE = 7,         /* of the best */
  EDGE_TRIALS = 20,    /* the best are chosen from */
  EDGE_VALUES = 4,     /* of the range at least */
  EDGES_SHOWN = 3,     /* sentences of one rule */
  NO_GAIN_TRIALS = 20, /* that ended after the best */
  CURVES = 5,
  CURVE_EPOCHS = 5
};
static const double edge_share = 0.05, edge_chance = 0.001, edge_drawn = 0.01, curve_points = 0.001;

/* ---- the trials ------------------------------------------------------------------------------ */

bool learnt_counts(const struct report_study *s, const struct stored_trial *t, int param)
{
  if (t->state != STORED_COMPLETE || !isfinite(t->value)) return false;
  return param < 0 || (!isnan(t->values[param]) && (!s->record.ours || t->free[param]));
}

int learnt_trials(const struct learnt_from *f, int param, struct learnt_trial *trials)
{
  int n = 0;
  for (int i = 0; i < f->n; i++)
    for (int k = 0; k < f->studies[i]->n; k++)
      if (learnt_counts(f->studies[i], &f->studies[i]->trials[k], param))
        trials[n++] = (struct learnt_trial){f->studies[i], &f->studies[i]->trials[k]};
  return n;
}

void learnt_say(struct report_learnt *l, const struct learnt_from *f, const char *format, ...)
{
  char text[LEARNT_TEXT];
  va_list arguments;
  if (l->n == LEARNT_MAX) return;
  va_start(arguments, format);
  text_vformat(text, sizeof text, format, arguments);
  va_end(arguments);
  text_format(l->sentences[l->n++], LEARNT_TEXT, "%s%s", f->prefix, text);
}

static int better_first(const void *a, const void *b)
{
  const struct learnt_trial *x = a, *y = b;
  double sign = x->study->maximize ? 1 : -1;
  struct observation p = {.number = x->trial->number, .value = sign * x->trial->value, .loss = x->trial->loss};
  struct observation q = {.number = y->trial->number, .value = sign * y->trial->value, .loss = y->trial->loss};
  if (observation_better(&p, &q)) return -1;
  return observation_better(&q, &p);
}

/* ---- at the edge ----------------------------------------------------------------------------- */

static double log_choose(int n, int k)
{
  return lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0);
}

double learnt_binomial_above(int n, int k, double p)
{
  double sum = 0;
  for (int i = k; i <= n; i++) sum += exp(log_choose(n, i) + i * log(p) + (n - i) * log1p(-p));
  return sum;
}

double learnt_hypergeometric_above(int all, int marked, int drawn, int k)
{
  double sum = 0;
  for (int i = k; i <= drawn && i <= marked; i++)
    if (drawn - i <= all - marked)
      sum += exp(log_choose(marked, i) + log_choose(all - marked, drawn - i) - log_choose(all, drawn));
  return sum;
}

/* The value up to which (or from which) it is the edge, and the share of the range that is. */
struct edge {
  bool upper;
  double limit, share; /* limit: internal */
};

static struct edge edge_of(const struct param *p, bool upper)
{
  struct edge g = {upper, 0, edge_share};
  int64_t count = param_count(p);
  if (count > 0) { /* of so many values at least the last one */
    int64_t values = (int64_t)floor(edge_share * (double)count);
    if (values < 1) values = 1;
    g.share = (double)values / (double)count;
    g.limit = upper ? p->high - (double)(values - 1) : p->low + (double)(values - 1);
  } else {
    g.limit = param_from_unit(p, upper ? 1 - edge_share : edge_share);
  }
  return g;
}

static bool is_at(const struct edge *g, double value)
{
  return g->upper ? value >= g->limit : value <= g->limit;
}

/* Where the network's own range ends as well there is nothing to widen. */
static bool can_be_widened(const struct learnt_from *f, const struct param *p, bool upper)
{
  double end = param_number(p, upper ? p->high : p->low);
  for (int h = 0; h < HP_COUNT && !strcmp(f->studies[0]->record.objective, "cnn"); h++)
    if (!strcmp(hyperparameters[h].name, p->name))
      return upper ? end < hyperparameters[h].high : end > hyperparameters[h].low;
  return true;
}

/* trials [n] the best first. */
static bool say_edge(struct report_learnt *l, const struct learnt_from *f, int param, bool upper,
                     const struct learnt_trial *trials, int n)
{
  const struct param *p = &f->space->params[param];
  struct edge g = edge_of(p, upper);
  int among_best = 0, among_all = 0;
  char name[4 * SPACE_NAME_MAX], value[4 * SPACE_NAME_MAX];
  for (int i = 0; i < n; i++) {
    bool at = is_at(&g, trials[i].trial->values[param]);
    among_all += at;
    among_best += at && i < BEST;
  }
  if (among_best < AT_EDGE || !can_be_widened(f, p, upper)) return false;
  if (learnt_binomial_above(BEST, among_best, g.share) >= edge_chance) return false;
  if (learnt_hypergeometric_above(n, among_all, BEST, among_best) >= edge_drawn) return false;
  bool one = g.limit == (upper ? p->high : p->low);
  report_param_text(p, g.limit, false, value, sizeof value);
  learnt_say(l, f, "%s at the %s edge of its range (%s%s) in %d of the best %d: widen it",
             text_escape(name, sizeof name, p->name), upper ? "upper" : "lower",
             one     ? ""
             : upper ? "from "
                     : "up to ",
             value, among_best, BEST);
  return true;
}

static void learn_edges(struct report_learnt *l, const struct learnt_from *f, struct learnt_trial *trials)
{
  int said = 0;
  for (int i = 0; i < f->space->n && said < EDGES_SHOWN; i++) {
    const struct param *p = &f->space->params[i];
    int64_t count = param_count(p);
    if (p->type == PARAM_CATEGORICAL || (count > 0 && count < EDGE_VALUES)) continue;
    int n = learnt_trials(f, i, trials);
    if (n < EDGE_TRIALS) continue;
    qsort(trials, (size_t)n, sizeof *trials, better_first);
    said += say_edge(l, f, i, false, trials, n) || say_edge(l, f, i, true, trials, n);
  }
}

/* ---- no gain --------------------------------------------------------------------------------- */

/* Trials of a study that ended after the best one; 0 where they are too few to say so. */
static int without_gain(const struct report_study *s)
{
  int after = 0, ended = 0;
  for (int i = 0; i < s->n; i++) {
    enum stored_state state = s->trials[i].state;
    if (state == STORED_RUNNING || state == STORED_WAITING) continue;
    ended++;
    after += s->best >= 0 && i > s->best;
  }
  return after >= NO_GAIN_TRIALS && 3 * after >= ended ? after : 0;
}

static void learn_no_gain(struct report_learnt *l, const struct learnt_from *f)
{
  int least = 0;
  for (int i = 0; i < f->n; i++) {
    int after = without_gain(f->studies[i]);
    if (after == 0) return;
    if (i == 0 || after < least) least = after;
  }
  if (least) learnt_say(l, f, "no gain in the last %d trials%s", least, f->n > 1 ? " of any study" : "");
}

/* ---- more epochs ----------------------------------------------------------------------------- */

static double mean_of(const double *values, int from, int n)
{
  double sum = 0;
  for (int i = 0; i < n; i++) sum += values[from + i];
  return sum / n;
}

/* What the last quarter of a curve [n] brought, larger is better; NaN: it says nothing. */
static double late_gain(const double *curve, int n, bool maximize)
{
  int end = n - 1, quarter = (n - 1) / 4;
  if (n < CURVE_EPOCHS) return NAN;
  double gain = mean_of(curve, end - quarter, quarter) - mean_of(curve, end - 2 * quarter, quarter);
  return maximize ? gain : -gain;
}

static int learn_epochs(struct report_learnt *l, const struct learnt_from *f, struct learnt_trial *trials,
                        struct store *s, struct error *e)
{
  double gains[BEST];
  int n = learnt_trials(f, -1, trials), used = 0;
  qsort(trials, (size_t)n, sizeof *trials, better_first);
  for (int i = 0; i < n && i < BEST; i++) {
    double *curve;
    int epochs;
    int code = store_epochs(s, trials[i].study->id, trials[i].trial->number, &curve, &epochs, e);
    if (code) return code;
    double gain = late_gain(curve, epochs, trials[i].study->maximize);
    if (isfinite(gain)) gains[used++] = gain;
    free(curve);
  }
  struct mean_interval m = mean_interval_of(gains, used);
  bool accuracy = used && report_accuracy(f->studies[0]);
  if (used < CURVES || !(m.mean - m.half > 0) || (accuracy && m.mean < curve_points)) return 0;
  bool named = space_index(f->space, "epoch") >= 0;
  char gain[60];
  if (accuracy)
    snprintf(gain, sizeof gain, "%+.1f ± %.1f points", 100 * m.mean, 100 * m.half);
  else
    snprintf(gain, sizeof gain, "%.3g ± %.2g better", m.mean, m.half);
  learnt_say(l, f, "%s: more still help%s: %s over the last quarter of them, in the best %d",
             named ? "epoch" : "epochs", named ? "s" : "", gain, used);
  return 0;
}

/* ---- all ------------------------------------------------------------------------------------- */

static int learn(struct report_learnt *l, const struct learnt_from *f, struct store *s, const volatile int *stop,
                 struct error *e)
{
  size_t room = 1;
  for (int i = 0; i < f->n; i++) room += (size_t)f->studies[i]->n;
  struct learnt_trial *trials = malloc(room * sizeof *trials);
  if (!trials) return error_set(e, ERROR_MACHINE, "no memory for %zu trials", room);
  learn_edges(l, f, trials);
  int code = learnt_differences(l, f, trials, stop, e);
  if (!code) learn_no_gain(l, f);
  if (!code && s) code = learn_epochs(l, f, trials, s, e);
  free(trials);
  return code;
}

int report_learnt_make(struct report_learnt *l, const struct report *r, struct store *s, const volatile int *stop,
                       struct error *e)
{
  int n, code = 0;
  *l = (struct report_learnt){0};
  const struct report_study **studies = report_one_space(r, &n);
  if (!studies) return error_set(e, ERROR_MACHINE, "no memory for %d studies", r->n);
  if (n && studies[0]->record.ours) {
    struct learnt_from f = {.studies = studies, .n = n, .space = &studies[0]->space};
    code = learn(l, &f, s, stop, e);
  }
  for (int i = 0; i < r->n && !code && n && !studies[0]->record.ours; i++) {
    const struct report_study *study = &r->studies[i];
    struct learnt_from f = {.studies = &study, .n = 1, .space = &study->space};
    char name[80];
    if (r->n > 1) text_format(f.prefix, sizeof f.prefix, "%s: ", text_escape(name, sizeof name, study->name));
    code = learn(l, &f, s, stop, e);
  }
  free(studies);
  return code;
}

void report_learnt_print(FILE *out, const struct report_learnt *l)
{
  if (l->n == 0) return;
  fputs("What was learnt\n", out);
  for (int i = 0; i < l->n; i++) text_wrap(out, "  ", l->sentences[i]);
  fputc('\n', out);
}
