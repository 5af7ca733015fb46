/* Importance from studies: which trials count, several studies together, measuring.  See
 * report_importance.h. */
#include "host/report/report_importance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/spelling.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/experiment/experiment.h"
#include "host/experiment/names.h"
#include "host/report/report_importance_internal.h"
#include "host/samplers/sampler.h"

/* ---- which trials count ---------------------------------------------------------------------- */

/* Trials on their way to a method. */
struct sample {
  const double **values; /* [n] */
  double *value;         /* [n] */
  int n;
};

static int sample_open(struct sample *s, int room, struct error *e)
{
  *s = (struct sample){.values = malloc(((size_t)room + 1) * sizeof *s->values),
                       .value = malloc(((size_t)room + 1) * sizeof *s->value)};
  return s->values && s->value ? 0 : error_set(e, ERROR_MACHINE, "no memory for %d trials", room);
}

static void sample_close(struct sample *s)
{
  free(s->values);
  free(s->value);
}

static bool lacks_a_value(const struct space *s, const double *values)
{
  for (int i = 0; i < s->n; i++)
    if (isnan(values[i])) return true;
  return false;
}

/* Which count of those left out does the trial belong to?  NULL: it is measured. */
static int *left_out_as(struct measured_study *m, const struct report_study *s, const struct stored_trial *t)
{
  if (t->state == STORED_FAIL) return &m->failed;
  if (t->state == STORED_PRUNED) return &m->pruned;
  if (t->state != STORED_COMPLETE) return &m->open;
  if (!isfinite(t->value)) return &m->not_finite;
  return lacks_a_value(&s->space, t->values) ? &m->lacking : NULL;
}

/* Adds the study's trials, and what is told of them. */
static void gather(struct measured_study *m, struct sample *to, const struct report_study *s)
{
  m->trials += s->n;
  for (int i = 0; i < s->n; i++) {
    const struct stored_trial *t = &s->trials[i];
    int *left_out = left_out_as(m, s, t);
    if (left_out) {
      ++*left_out;
      continue;
    }
    to->values[to->n] = t->values;
    to->value[to->n++] = s->maximize ? t->value : -t->value;
    m->used++;
    for (int k = 0; k < s->space.n && s->record.ours; k++) m->held[k] += !t->free[k];
  }
}

/* How its trials were proposed. */
static void tell_origin(struct measured_study *m, const struct report_study *s)
{
  char name[32] = "";
  if (s->record.search) experiment_search_get(s->record.search, "experiment.sampler", name, sizeof name);
  const struct sampler *sampler = sampler_find(name);
  m->learnt = m->learnt || (sampler && sampler->startup); /* what learns begins with some random trials */
  m->grouped = m->grouped || strategy_holds(s->record.strategy);
  m->foreign = m->foreign || !s->record.ours;
}

/* ---- several studies ------------------------------------------------------------------------- */

static bool params_equal(const struct param *a, const struct param *b)
{
  if (strcmp(a->name, b->name) != 0 || a->type != b->type || a->log != b->log || a->low != b->low ||
      a->high != b->high || a->n_choices != b->n_choices)
    return false;
  for (int i = 0; i < a->n_choices; i++)
    if (strcmp(a->labels[i], b->labels[i]) != 0) return false;
  return true;
}

/* Are configurations of one space such of the other?  Defaults make no difference. */
bool report_importance_same_space(const struct space *a, const struct space *b)
{
  if (a->n != b->n) return false;
  for (int i = 0; i < a->n; i++)
    if (!params_equal(&a->params[i], &b->params[i])) return false;
  return true;
}

/* Mean 0 and standard deviation 1; all 0 where the values do not differ. */
static void standardise(double *value, int n)
{
  double largest = 0, mean = 0, squares = 0;
  for (int i = 0; i < n; i++) largest = fmax(largest, fabs(value[i]));
  for (int i = 0; i < n && largest > 0; i++) mean += value[i] / largest / n; /* so that no square overflows */
  for (int i = 0; i < n && largest > 0; i++) {
    value[i] = value[i] / largest - mean;
    squares += value[i] * value[i];
  }
  double deviation = n > 0 ? sqrt(squares / n) : 0;
  for (int i = 0; i < n; i++) value[i] = deviation > 0 ? value[i] / deviation : 0;
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* A study that was chosen, and the database that it is of. */
struct chosen {
  const struct report_study *study;
  const char *path;
};

static bool values_differ(const struct sample *s)
{
  for (int i = 1; i < s->n; i++)
    if (s->value[i] != s->value[0]) return true;
  return false;
}

/* To three digits: a ratio is a choice, and a line of an ini file is read by people. */
void report_importance_round(struct groups *g)
{
  for (int i = 0; i < g->n; i++) {
    char text[32];
    snprintf(text, sizeof text, "%.3g", g->ratio[i]);
    g->ratio[i] = strtod(text, NULL);
  }
}

static int measure(struct measured_study *m, const struct sample *sample, const struct importance_request *q,
                   struct error *e)
{
  const struct importance_trials trials = {
      .space = m->space, .n = sample->n, .values = sample->values, .value = sample->value};
  m->varied = space_varied(m->space);
  m->same_values = !values_differ(sample);
  if (sample->n < IMPORTANCE_TRIALS_MIN || m->varied == 0 || m->same_values) return 0;
  m->measured = calloc((size_t)q->n_methods, sizeof *m->measured);
  if (!m->measured) return error_set(e, ERROR_MACHINE, "no memory for the importance of hyperparameters");
  int code = 0;
  for (int i = 0; i < q->n_methods && !code; i++)
    code = importance_measure(q->methods[i], &trials, &q->settings, &m->measured[i], e);
  if (code || m->measured[0].flat) return code;
  code = groups_from_weights(m->space, m->measured[0].weight, &q->groups, &m->groups, e);
  if (!code) report_importance_round(&m->groups);
  m->has_groups = !code;
  return code;
}

/* The next place of the result: the studies of chosen[n], all of one space. */
static int measure_next(struct report_importance *r, const struct chosen *chosen, int n, const char *name,
                        const struct importance_request *q, struct error *e)
{
  struct measured_study *m = &r->studies[r->n++];
  struct sample sample = {0};
  int room = 0;
  *m = (struct measured_study){.name = name, .space = &chosen[0].study->space, .studies = n};
  if (n == 1) {
    m->path = chosen[0].path;
    m->study = chosen[0].study;
  }
  for (int i = 0; i < n; i++) room += chosen[i].study->n;
  int code = sample_open(&sample, room, e);
  for (int i = 0; i < n && !code; i++) {
    int before = sample.n;
    gather(m, &sample, chosen[i].study);
    tell_origin(m, chosen[i].study);
    if (n > 1) standardise(sample.value + before, sample.n - before);
  }
  if (!code) code = measure(m, &sample, q, e);
  sample_close(&sample);
  return code;
}

/* Of the studies that are of one space, those together of which some can be measured. */
static int measure_together(struct report_importance *r, const struct chosen *all, int n, struct chosen *some,
                            const struct importance_request *q, struct error *e)
{
  for (int i = 0; i < n; i++) {
    int same = 0;
    bool earlier = false;
    for (int k = 0; k < n; k++) {
      if (!all[k].study->complete || !report_importance_same_space(&all[k].study->space, &all[i].study->space))
        continue;
      earlier = earlier || k < i;
      some[same++] = all[k];
    }
    if (earlier || same < 2 || !all[i].study->complete) continue;
    int code = measure_next(r, some, same, same == n ? "all studies together" : "studies of one space together", q, e);
    if (code) return code;
  }
  return 0;
}

/* ---- which studies --------------------------------------------------------------------------- */

/* There is none of the name: which there are, or why it was left out. */
static int no_such_study(const struct importance_request *q, const char *const *names, int n, struct error *e)
{
  char shown[600], near[600];
  text_escape(shown, sizeof shown, q->study);
  for (int i = 0; i < q->n_reports; i++)
    for (int k = 0; k < q->reports[i].n_left_out; k++) {
      const struct report_left_out *l = &q->reports[i].left_out[k];
      if (!strcmp(l->name, q->study)) return error_set(e, ERROR_FAILED, "study '%s' cannot be read: %s", shown, l->why);
    }
  const char *nearest = nearest_word(q->study, names, n);
  if (nearest)
    return error_set(e, ERROR_CONFIG, "there is no study '%s'; did you mean '%s'?", shown,
                     text_escape(near, sizeof near, nearest));
  return error_set(e, ERROR_CONFIG, "there is no study '%s'; 'gsos show' lists those that there are", shown);
}

static int choose(const struct importance_request *q, struct chosen *chosen, const char **names, int *n,
                  struct error *e)
{
  int all = 0;
  *n = 0;
  for (int i = 0; i < q->n_reports; i++)
    for (int k = 0; k < q->reports[i].n; k++) {
      const struct report_study *s = &q->reports[i].studies[k];
      names[all++] = s->name;
      if (!q->study || !strcmp(q->study, s->name)) chosen[(*n)++] = (struct chosen){s, q->paths[i]};
    }
  if (*n) return 0;
  return q->study ? no_such_study(q, names, all, e) : error_set(e, ERROR_FAILED, "there is no study to measure");
}

static int any_measured(const struct report_importance *r, struct error *e)
{
  for (int i = 0; i < r->n; i++)
    if (r->studies[i].measured) return 0;
  const struct measured_study *first = &r->studies[0];
  if (first->used < IMPORTANCE_TRIALS_MIN)
    return error_set(e, ERROR_FAILED,
                     "too few trials to measure: of %d trial%s of the first study %d %s complete, with a value and all "
                     "hyperparameters, and it takes %d at the least",
                     first->trials, text_plural(first->trials), first->used, first->used == 1 ? "is" : "are",
                     IMPORTANCE_TRIALS_MIN);
  if (!first->varied) return error_set(e, ERROR_FAILED, "no hyperparameter has more than one value");
  return error_set(e, ERROR_FAILED, "all trials have the same value, so no hyperparameter tells them apart");
}

int report_importance_measure(struct report_importance *r, const struct importance_request *q, struct error *e)
{
  size_t room = 1;
  int n = 0;
  for (int i = 0; i < q->n_reports; i++) room += (size_t)q->reports[i].n;
  *r = (struct report_importance){.methods = q->methods,
                                  .n_methods = q->n_methods,
                                  .n_paths = q->n_reports,
                                  .studies = calloc(2 * room, sizeof *r->studies)};
  struct chosen *chosen = calloc(room, sizeof *chosen), *some = calloc(room, sizeof *some);
  const char **names = calloc(room, sizeof *names);
  int code = 0;
  if (!r->studies || !chosen || !some || !names) code = error_set(e, ERROR_MACHINE, "no memory for %zu studies", room);
  if (!code) code = choose(q, chosen, names, &n, e);
  for (int i = 0; i < n && !code; i++) code = measure_next(r, &chosen[i], 1, chosen[i].study->name, q, e);
  if (!code) code = measure_together(r, chosen, n, some, q, e);
  if (!code) code = any_measured(r, e);
  free(chosen);
  free(some);
  free(names);
  return code;
}

void report_importance_free(struct report_importance *r)
{
  for (int i = 0; i < r->n; i++) free(r->studies[i].measured);
  free(r->studies);
  memset(r, 0, sizeof *r);
}
