/* "stride 1 beats 2 by 8.1 ± 2.2 points": by a forest.  See report_learnt.h, which has the rule. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/importance/forest.h"
#include "host/report/report_internal.h"
#include "host/report/report_learnt_internal.h"
#include "kernels/philox.h"

enum {
  VALUES = 6, /* of a hyperparameter at most */
  VALUE_TRIALS = 5,
  ROWS = 2000,  /* that a forest is fitted to; of more trials every so manieth */
  POINTS = 500, /* that partial dependences are means over */
  TREES = 64,
  MIN_LEAF = 3,
  SHOWN = 3,        /* sentences */
  FOREST_STREAM = 3 /* layer of the Philox subsequences (importance.h has the others) */
};

/* A difference that may be said. */
struct difference {
  int param, better, worse; /* values, from 0 */
  double mean, error;
};

/* A forest of the trials in which a hyperparameter was searched. */
struct model {
  struct forest forest;
  double *x, *y;
  int n, features; /* the hyperparameters and, the last, the trial's place in its study */
};

static int values_of(const struct param *p)
{
  int64_t count = param_count(p);
  return count >= 2 && count <= VALUES ? (int)count : 0;
}

static int value_of(const struct param *p, double value)
{
  return (int)lround(value - p->low);
}

/* ---- the model ------------------------------------------------------------------------------- */

static void model_free(struct model *m)
{
  forest_destroy(&m->forest);
  free(m->x);
  free(m->y);
}

static void fill_row(struct model *m, int row, const struct learnt_from *f, const struct learnt_trial *t)
{
  double *x = m->x + (size_t)row * (size_t)m->features;
  for (int k = 0; k < f->space->n; k++) x[k] = param_to_unit(&f->space->params[k], t->trial->values[k]);
  x[f->space->n] = (t->trial->number + 0.5) / (t->study->n + 1.0);
  m->y[row] = t->study->maximize ? t->trial->value : -t->trial->value;
}

static int model_make(struct model *m, const struct learnt_from *f, const struct learnt_trial *trials, int n, int param,
                      const volatile int *stop, struct error *e)
{
  int choices[SPACE_MAX + 1] = {0}, step = n / ROWS + 1;
  *m = (struct model){.features = f->space->n + 1, .n = (n + step - 1) / step};
  m->x = malloc((size_t)m->n * (size_t)m->features * sizeof *m->x);
  m->y = malloc((size_t)m->n * sizeof *m->y);
  if (!m->x || !m->y) return error_set(e, ERROR_MACHINE, "no memory for a model of %d trials", m->n);
  for (int k = 0; k < f->space->n; k++) {
    const struct param *p = &f->space->params[k];
    choices[k] = p->type == PARAM_CATEGORICAL && p->n_choices > 1 ? p->n_choices : 0;
  }
  for (int i = 0; i < m->n; i++) fill_row(m, i, f, &trials[i * step]);
  const struct forest_data data = {m->n, m->features, choices, m->x, m->y, NULL};
  struct forest_settings settings = forest_settings_default();
  settings.subsequence = philox_subsequence(PHILOX_IMPORTANCE, FOREST_STREAM, (uint64_t)param << 16);
  settings.trees = TREES;
  settings.min_leaf = MIN_LEAF;
  settings.tried = (m->features + 1) / 2;
  settings.stop = stop;
  return forest_fit(&m->forest, &data, &settings, e);
}

/* What each tree says of each value, whatever the others are: dependence [TREES][VALUES].
 * row [features] */
static void depend(const struct model *m, const struct param *p, int param, double *row,
                   double dependence[TREES][VALUES])
{
  int step = m->n / POINTS + 1, points = 0;
  memset(dependence, 0, sizeof(double[TREES][VALUES]));
  for (int i = 0; i < m->n; i += step, points++) {
    memcpy(row, m->x + (size_t)i * (size_t)m->features, (size_t)m->features * sizeof *row);
    for (int v = 0; v < values_of(p); v++) {
      row[param] = param_to_unit(p, p->low + v);
      for (int t = 0; t < TREES; t++) dependence[t][v] += forest_tree_predict(&m->forest, t, row);
    }
  }
  for (int t = 0; t < TREES; t++)
    for (int v = 0; v < VALUES; v++) dependence[t][v] /= points;
}

/* ---- two values ------------------------------------------------------------------------------ */

static void compare(const double dependence[TREES][VALUES], struct difference *d)
{
  double sum = 0, squares = 0;
  for (int t = 0; t < TREES; t++) sum += dependence[t][d->better] - dependence[t][d->worse];
  d->mean = sum / TREES;
  for (int t = 0; t < TREES; t++) {
    double above = dependence[t][d->better] - dependence[t][d->worse] - d->mean;
    squares += above * above;
  }
  d->error = sqrt(squares / (TREES - 1));
}

/* Of the values that have trials enough, the best first; returns how many. */
static int rank_values(const double dependence[TREES][VALUES], const int *count, int n, int *ranked)
{
  double means[VALUES] = {0};
  int used = 0;
  for (int v = 0; v < n; v++) {
    if (count[v] < VALUE_TRIALS) continue;
    for (int t = 0; t < TREES; t++) means[v] += dependence[t][v] / TREES;
    int at = used++;
    for (; at > 0 && means[ranked[at - 1]] < means[v]; at--) ranked[at] = ranked[at - 1];
    ranked[at] = v;
  }
  return used;
}

/* The z that |Z| of a normal stays below with probability 1 - alpha. */
static double normal_within(double alpha)
{
  double low = 0, high = 40;
  for (int i = 0; i < 100; i++) {
    double middle = (low + high) / 2;
    *(erfc(middle / M_SQRT2) > alpha ? &low : &high) = middle;
  }
  return low;
}

static bool differs(const struct difference *d, const double *plain, double z)
{
  return d->mean > z * d->error && d->mean > 0 && plain[d->better] > plain[d->worse];
}

/* The difference of a hyperparameter's values that may be said; false: there is none. */
static bool find(const double dependence[TREES][VALUES], const int *count, const double *plain, int n, double z,
                 struct difference *d)
{
  int ranked[VALUES], used = rank_values(dependence, count, n, ranked);
  if (used < 2) return false;
  d->better = ranked[0];
  for (int other = 1; other<used; other += used> 2 && other == 1 ? used - 2 : used) {
    d->worse = ranked[other];
    compare(dependence, d);
    if (differs(d, plain, z)) return true;
  }
  return false;
}

static int judge(const struct learnt_from *f, const struct learnt_trial *trials, int n, int param, double z,
                 struct difference *d, bool *found, const volatile int *stop, struct error *e)
{
  const struct param *p = &f->space->params[param];
  double dependence[TREES][VALUES], row[SPACE_MAX + 1], plain[VALUES] = {0};
  int count[VALUES] = {0}, enough = 0;
  struct model m;
  *found = false;
  for (int i = 0; i < n; i++) {
    int v = value_of(p, trials[i].trial->values[param]);
    if (v < 0 || v >= VALUES) return 0;
    count[v]++;
    plain[v] += trials[i].study->maximize ? trials[i].trial->value : -trials[i].trial->value;
  }
  for (int v = 0; v < VALUES; v++) {
    enough += count[v] >= VALUE_TRIALS;
    plain[v] = count[v] ? plain[v] / count[v] : NAN;
  }
  if (enough < 2) return 0;
  int code = model_make(&m, f, trials, n, param, stop, e);
  if (!code) {
    depend(&m, p, param, row, dependence);
    d->param = param;
    *found = find(dependence, count, plain, values_of(p), z, d);
  }
  model_free(&m);
  return code;
}

/* ---- sentences ------------------------------------------------------------------------------- */

static void say(struct report_learnt *l, const struct learnt_from *f, const struct difference *d)
{
  const struct param *p = &f->space->params[d->param];
  char name[4 * SPACE_NAME_MAX], text[2][4 * SPACE_NAME_MAX], better[4 * SPACE_NAME_MAX], worse[4 * SPACE_NAME_MAX];
  param_value_format(p, p->low + d->better, text[0], sizeof text[0]);
  param_value_format(p, p->low + d->worse, text[1], sizeof text[1]);
  text_escape(name, sizeof name, p->name);
  text_escape(better, sizeof better, text[0]);
  text_escape(worse, sizeof worse, text[1]);
  if (report_accuracy(f->studies[0]))
    learnt_say(l, f, "%s %s beats %s by %.1f ± %.1f points", name, better, worse, 100 * d->mean, 196 * d->error);
  else
    learnt_say(l, f, "%s %s beats %s by %.3g ± %.2g", name, better, worse, d->mean, 1.96 * d->error);
}

static int surest_first(const void *a, const void *b)
{
  const struct difference *x = a, *y = b;
  double left = x->mean * y->error, right = y->mean * x->error;
  return left > right ? -1 : left < right ? 1 : x->param - y->param;
}

int learnt_differences(struct report_learnt *l, const struct learnt_from *f, struct learnt_trial *trials,
                       const volatile int *stop, struct error *e)
{
  struct difference said[SPACE_MAX];
  int n_said = 0, comparisons = 0, code = 0;
  for (int i = 0; i < f->space->n; i++) {
    int values = values_of(&f->space->params[i]);
    comparisons += values > 2 ? 2 : values == 2;
  }
  double z = normal_within(0.05 / (comparisons ? comparisons : 1));
  for (int i = 0; i < f->space->n && !code; i++) {
    bool found;
    if (!values_of(&f->space->params[i])) continue;
    int n = learnt_trials(f, i, trials);
    if (n < 2 * VALUE_TRIALS) continue;
    code = judge(f, trials, n, i, z, &said[n_said], &found, stop, e);
    n_said += !code && found;
  }
  qsort(said, (size_t)n_said, sizeof *said, surest_first);
  for (int i = 0; i < n_said && i < SHOWN && !code; i++) say(l, f, &said[i]);
  return code;
}
