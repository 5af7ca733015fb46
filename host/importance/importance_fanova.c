/* fANOVA: a random forest is fitted to the trials, and the variance of what it says over the whole
 * space is divided among the hyperparameters: Hutter, Hoos, Leyton-Brown, "An efficient approach
 * for assessing hyperparameter importance", ICML 2014.  With V, V_i and V_ij of a tree as
 * forest_anova.h has them,
 *
 *   raw          mean over trees of V_i / V: the share of the variance that i explains alone
 *   weight       raw / sum of raw
 *   deviation    standard deviation over trees of V_i / V, on the scale of the weight
 *   interaction  mean over trees of V_ij / V
 *
 * A tree that sees no variance is left out.  The forest is Optuna's: 64 trees with bootstrap, grown
 * to the end, all features tried for a split.
 *
 * Coordinates are those of the unit cube of host/space/space.h: a hyperparameter that is searched
 * in the logarithm is measured in it, and every decade counts alike, as it does for the samplers.
 * Optuna's evaluator takes the values themselves, so that nine tenths of its measure of a learning
 * rate from 1e-5 to 1 lie above 0.1, where few good trials are; the two differ where a scale is
 * logarithmic.  A categorical is divided by subsets of its choices, where Optuna has one-hot
 * columns.
 *
 * A value that is NaN, of a hyperparameter that a trial did not have, stands for the default, as
 * param_to_unit has it: the trial then says what the default does. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/number_order.h"
#include "host/base/rng.h"
#include "host/importance/forest.h"
#include "host/importance/forest_anova.h"
#include "host/importance/importance.h"
#include "kernels/philox.h"

enum {
  MAX_DEPTH = 64,
  RESAMPLE_TREES = 16,
  RESAMPLE_TRIALS = 2000,
  FOREST_STREAM = 1, /* layer of the Philox subsequences; their step: resample << 16 | tree */
  DRAW_STREAM = 2,   /* and of the draws of trials; step: resample */
};

/* The trials as a forest sees them. */
struct table {
  struct forest_data data;
  int choices[SPACE_MAX];
  double *x, *y, *weight;
};

static void table_destroy(struct table *t)
{
  free(t->x);
  free(t->y);
  free(t->weight);
}

static int table_allocate(struct table *t, const struct space *s, int n, struct error *e)
{
  *t = (struct table){0};
  t->x = malloc((size_t)n * (size_t)s->n * sizeof *t->x);
  t->y = malloc((size_t)n * sizeof *t->y);
  t->weight = malloc((size_t)n * sizeof *t->weight);
  if (!t->x || !t->y || !t->weight) {
    table_destroy(t);
    return error_set(e, ERROR_MACHINE, "no memory to measure the importance of %d hyperparameters", s->n);
  }
  for (int i = 0; i < s->n; i++) {
    const struct param *p = &s->params[i];
    t->choices[i] = p->type == PARAM_CATEGORICAL && p->n_choices > 1 ? p->n_choices : 0;
  }
  t->data = (struct forest_data){n, s->n, t->choices, t->x, t->y, t->weight};
  return 0;
}

/* Divides values by the largest, so that no square of theirs is too large. */
static double scale_of(const struct importance_trials *t)
{
  double scale = 0;
  for (int i = 0; i < t->n; i++) scale = fmax(scale, fabs(t->value[i]));
  return scale > 0 ? scale : 1;
}

static void fill_row(struct table *t, int row, const struct importance_trials *trials, int trial, double scale)
{
  const struct space *s = trials->space;
  for (int i = 0; i < s->n; i++)
    t->x[(size_t)row * (size_t)s->n + (size_t)i] = param_to_unit(&s->params[i], trials->values[trial][i]);
  t->y[row] = trials->value[trial] / scale;
  t->weight[row] = trials->weight ? trials->weight[trial] : 1;
}

/* --- effects of a forest --- */

struct effects {
  const struct forest *forest;
  bool pairs;
  const volatile int *stop;
  double *variance; /* [trees] */
  double *effect;   /* [trees][n][n] */
};

static int measure_tree(void *context, int tree, struct error *e)
{
  struct effects *f = context;
  size_t n = (size_t)f->forest->n_features;
  double *effect = f->effect + (size_t)tree * n * n;
  return forest_anova(f->forest, tree, f->pairs, &f->variance[tree], effect, f->stop, e);
}

static void effects_destroy(struct effects *f)
{
  free(f->variance);
  free(f->effect);
}

/* Fits a forest to a table, of which the trees draw from `resample`, and measures all its trees. */
static int effects_make(struct effects *f, const struct table *t, int trees, uint64_t resample, bool pairs,
                        const struct importance_settings *s, struct error *e)
{
  size_t n = (size_t)t->data.n_features, n_trees = (size_t)trees;
  struct forest_settings settings = forest_settings_default();
  settings.key = s->seed;
  settings.subsequence = philox_subsequence(PHILOX_IMPORTANCE, FOREST_STREAM, resample << 16);
  settings.trees = trees;
  settings.max_depth = MAX_DEPTH;
  settings.stop = s->stop;
  struct forest forest = {0};
  *f = (struct effects){.forest = &forest, .pairs = pairs, .stop = s->stop};
  f->variance = malloc(n_trees * sizeof *f->variance);
  f->effect = malloc(n_trees * n * n * sizeof *f->effect);
  int rc = 0;
  if (!f->variance || !f->effect) rc = error_set(e, ERROR_MACHINE, "no memory for the effects of %d trees", trees);
  if (!rc) rc = forest_fit(&forest, &t->data, &settings, e);
  if (!rc) rc = forest_share(trees, 0, s->stop, measure_tree, f, e);
  forest_destroy(&forest);
  f->forest = NULL;
  if (rc) effects_destroy(f);
  return rc;
}

/* Mean over trees of entry `at` of V_U / V, and its standard deviation (NULL: not asked). */
static double mean_share(const struct effects *f, int trees, int n, int at, double *deviation)
{
  double sum = 0, squares = 0;
  int counted = 0;
  for (int t = 0; t < trees; t++) counted += f->variance[t] > 0;
  for (int t = 0; t < trees; t++)
    if (f->variance[t] > 0) sum += f->effect[(size_t)t * (size_t)n * (size_t)n + (size_t)at] / f->variance[t];
  double mean = counted ? sum / counted : 0;
  for (int t = 0; deviation && t < trees; t++) {
    if (!(f->variance[t] > 0)) continue;
    double above = f->effect[(size_t)t * (size_t)n * (size_t)n + (size_t)at] / f->variance[t] - mean;
    squares += above * above;
  }
  if (deviation) *deviation = counted > 1 ? sqrt(squares / (counted - 1)) : 0;
  return mean;
}

/* Scales so that the sum is 1; all alike where there is nothing.  Returns the factor. */
static double normalise(int n, const double *raw, double *weight)
{
  double sum = 0;
  for (int i = 0; i < n; i++) sum += raw[i];
  for (int i = 0; i < n; i++) weight[i] = sum > 0 ? raw[i] / sum : 1.0 / n;
  return sum > 0 ? 1 / sum : 0;
}

static bool all_alike(const struct importance_trials *t)
{
  for (int i = 1; i < t->n; i++)
    if (t->value[i] != t->value[0]) return false;
  return true;
}

static int fanova_measure(const struct importance_trials *t, const struct importance_settings *s,
                          struct importance *out, struct error *e)
{
  int n = t->space->n;
  memset(out->raw, 0, sizeof out->raw);
  memset(out->deviation, 0, sizeof out->deviation);
  memset(out->interaction, 0, sizeof out->interaction);
  out->flat = all_alike(t);
  normalise(n, out->raw, out->weight);
  if (out->flat) return 0;
  struct table table;
  if (table_allocate(&table, t->space, t->n, e)) return ERROR_MACHINE;
  double scale = scale_of(t);
  for (int i = 0; i < t->n; i++) fill_row(&table, i, t, i, scale);
  struct effects f;
  int rc = effects_make(&f, &table, s->trees, 0, true, s, e);
  table_destroy(&table);
  if (rc) return rc;
  for (int i = 0; i < n; i++) {
    out->raw[i] = mean_share(&f, s->trees, n, i * n + i, &out->deviation[i]);
    for (int j = 0; j < n; j++)
      if (j != i) out->interaction[i][j] = mean_share(&f, s->trees, n, i * n + j, NULL);
  }
  effects_destroy(&f);
  double factor = normalise(n, out->raw, out->weight);
  for (int i = 0; i < n; i++) out->deviation[i] *= factor;
  return 0;
}

/* --- intervals --- */

/* Weights by one resample, into weight[n]. */
static int measure_resample(const struct importance_trials *t, const struct importance_settings *s, int resample,
                            struct table *table, double *weight, struct error *e)
{
  int n = t->space->n;
  double scale = scale_of(t), raw[SPACE_MAX];
  struct rng rng = rng_make(s->seed, philox_subsequence(PHILOX_IMPORTANCE, DRAW_STREAM, (uint64_t)resample));
  for (int i = 0; i < table->data.n; i++) fill_row(table, i, t, (int)rng_below(&rng, (uint32_t)t->n), scale);
  struct effects f;
  int rc = effects_make(&f, table, RESAMPLE_TREES, (uint64_t)resample, false, s, e);
  if (rc) return rc;
  for (int i = 0; i < n; i++) raw[i] = mean_share(&f, RESAMPLE_TREES, n, i * n + i, NULL);
  effects_destroy(&f);
  normalise(n, raw, weight);
  return 0;
}

/* Sorts x [n]; the middle 95 % of it lie between low and high. */
static void middle_of(double *x, int n, double *low, double *high)
{
  qsort(x, (size_t)n, sizeof *x, number_order);
  int outside = (int)(0.025 * n);
  *low = x[outside];
  *high = x[n - 1 - outside];
}

static int rank_among(const double *weight, int n, int i)
{
  int rank = 1;
  for (int j = 0; j < n; j++) rank += weight[j] > weight[i] || (j < i && weight[j] == weight[i]);
  return rank;
}

/* weight [resamples][n] becomes the weights of `out` with the errors of the bootstrap: what each
 * resample has beyond the mean of all, times `shrink`. */
static void errors_about(const struct importance *out, int n, int resamples, double shrink, double *weight)
{
  for (int i = 0; i < n; i++) {
    double sum = 0;
    for (int r = 0; r < resamples; r++) sum += weight[r * n + i];
    for (int r = 0; r < resamples; r++)
      weight[r * n + i] = out->weight[i] + shrink * (weight[r * n + i] - sum / resamples);
  }
}

static void fill_intervals(struct importance *out, int n, int resamples, const double *weight, double *column)
{
  for (int i = 0; i < n; i++) {
    double low, high;
    for (int r = 0; r < resamples; r++) column[r] = weight[r * n + i];
    middle_of(column, resamples, &low, &high);
    out->low[i] = fmax(low, 0);
    out->high[i] = fmin(high, 1);
    for (int r = 0; r < resamples; r++) column[r] = rank_among(weight + r * n, n, i);
    middle_of(column, resamples, &low, &high);
    out->rank_low[i] = (int)low;
    out->rank_high[i] = (int)high;
  }
}

/* A bootstrap of the trials, each resample with a forest of 16 trees and without pairs.  Of more
 * than 2,000 trials a resample draws 2,000, and its errors are multiplied by sqrt(2000 / n): the m
 * out of n bootstrap of Bickel, Götze, van Zwet, "Resampling fewer than n observations", Statistica
 * Sinica 7, 1997, which keeps the time bounded whatever n is and takes errors to fall with the root
 * of n.  The spread of the resamples is laid about the weight itself, since forests of trials drawn
 * twice, by the resample and by the tree, are a little coarser than the forest.
 *
 * An interval says what another draw of trials from the same source would have done, plus the
 * chance of a forest of 16 trees, which is larger than that of 64: it is rather too wide than too
 * narrow.  It leaves out what all resamples have in common: how far a forest of so many trials is
 * from the function, regions where there are no trials, and that a trial of a search depends on
 * those before it. */
static int fanova_resample(const struct importance_trials *t, const struct importance_settings *s,
                           struct importance *out, struct error *e)
{
  int n = t->space->n, drawn = t->n < RESAMPLE_TRIALS ? t->n : RESAMPLE_TRIALS, rc = 0;
  struct table table;
  if (table_allocate(&table, t->space, drawn, e)) return ERROR_MACHINE;
  double *weight = malloc((size_t)s->resamples * (size_t)n * sizeof *weight);
  double *column = malloc((size_t)s->resamples * sizeof *column);
  if (!weight || !column) rc = error_set(e, ERROR_MACHINE, "no memory for %d resamples", s->resamples);
  for (int r = 0; r < s->resamples && !rc; r++) rc = measure_resample(t, s, r + 1, &table, weight + r * n, e);
  if (!rc) {
    errors_about(out, n, s->resamples, sqrt((double)drawn / t->n), weight);
    fill_intervals(out, n, s->resamples, weight, column);
  }
  free(weight);
  free(column);
  table_destroy(&table);
  return rc;
}

const struct importance_method importance_method_fanova = {
    .name = "fanova",
    .summary = "shares of the variance of a random forest, alone and in pairs",
    .source = "Hutter, Hoos, Leyton-Brown, \"An efficient approach for assessing hyperparameter importance\", "
              "ICML 2014",
    .measure = fanova_measure,
    .resample = fanova_resample,
};
