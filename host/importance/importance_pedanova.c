/* PED-ANOVA: how far the density of a hyperparameter over the good trials is from that over all.
 *
 * Watanabe, Bansal, Hutter, "PED-ANOVA: efficiently quantifying hyperparameter importance in
 * arbitrary subspaces", IJCAI 2023, within the region that the trials themselves have covered:
 *
 *   1. The good trials are the first ceil(top · n) from the best, at least two of them, and all
 *      that are as good as the last of these.  (Where trials have weights: the first that together
 *      weigh top · n.)
 *   2. A hyperparameter's values fall into cells: 50 of equal width in the coordinate of a float,
 *      or of an int or ordinal that has more values; else one a value, and for an int on a
 *      logarithmic scale ceil(log2(number of values)) + 1; a categorical has one a label.
 *   3. The good trials and all trials each have a density p over the cells g (cell_density).
 *   4. The importance is the Pearson divergence
 *        (n_good / n)^2 · sum_g p_all(g) (p_good(g) / p_all(g) - 1)^2.
 *
 * The grid, the bandwidth and the prior are those of the authors' implementation in Optuna, whose
 * weights these are.  The sum is at most 1 / p - 1 for the least p of a cell over all trials, so a
 * hyperparameter of few values gets less than its share of the variance.
 *
 * An inactive value is in no cell; the divergence is then multiplied by a^2 / b, where a is the
 * share of the good trials and b that of all in which the hyperparameter is active, as for one
 * regime of a conditional space. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/importance/importance_common.h"

enum { CELLS_FLOAT = 50, CELLS_MAX = SPACE_CHOICES_MAX, GOOD_MIN = 2 };

/* --- cells --- */

static int cells_of(const struct param *p)
{
  int64_t values = param_count(p);
  if (p->type == PARAM_CATEGORICAL) return (int)values;
  if (p->type == PARAM_INT && p->log && values > 1) values = (int64_t)ceil(log2((double)values)) + 1;
  return values == 0 || values > CELLS_FLOAT ? CELLS_FLOAT : (int)values;
}

/* The cell whose centre is nearest, the lower of two.  cells > 1. */
static int cell_of(const struct param *p, int cells, double value)
{
  value = param_clamp(p, value);
  if (p->type == PARAM_CATEGORICAL) return (int)value;
  double unit =
      p->log ? (log(value) - log(p->low)) / (log(p->high) - log(p->low)) : (value - p->low) / (p->high - p->low);
  int cell = (int)ceil(unit * (cells - 1) - 0.5);
  return cell < 0 ? 0 : cell < cells ? cell : cells - 1;
}

/* Scott's rule on the cells' counts, which sum to n: 1.059 min(interquartile range / 1.34,
 * deviation) n^(-1/5) in cells; at least such that 90 % of a kernel lie in its cell. */
static double bandwidth(const double *count, int cells, double n)
{
  double mean = 0, square = 0, sum = 0;
  int quarter = -1, three = -1, last = 0;
  for (int g = 0; g < cells; g++) mean += g * count[g] / n;
  for (int g = 0; g < cells; g++) {
    if (!(count[g] > 0)) continue;
    square += count[g] * (g - mean) * (g - mean);
    sum += count[g];
    last = g;
    if (quarter < 0 && sum >= floor(n / 4)) quarter = g;
    if (three < 0 && sum > floor(n * 3 / 4)) three = g;
  }
  double range = (three < 0 ? last : three) - (quarter < 0 ? last : quarter);
  double deviation = sqrt(square / fmax(1, n - 1));
  return fmax(1.059 * fmin(range / 1.34, deviation) * pow(n, -0.2), 0.5 / 1.64);
}

static double normal_below(double z)
{
  return 0.5 * erfc(-z / sqrt(2));
}

/* Adds weight times a normal's mass in each cell, of what falls into any. */
static void add_normal(double *density, int cells, double mean, double sigma, double weight)
{
  double below = normal_below((-0.5 - mean) / sigma);
  double whole = normal_below((cells - 0.5 - mean) / sigma) - below;
  for (int g = 0; g < cells; g++) {
    double above = normal_below((g + 0.5 - mean) / sigma);
    density[g] += weight * (above - below) / whole;
    below = above;
  }
}

/* A density over the cells from their counts.  Numeric: a mixture of normals, one at each occupied
 * cell with its count for a weight, and a prior of weight 1 as wide as the grid.  Categorical: each
 * occupied label, with its count for a weight, spreads a prior of one in all over the labels; the
 * prior itself is uniform. */
static void cell_density(const struct param *p, const double *count, int cells, double *density)
{
  double n = 0;
  int kernels = 1;
  for (int g = 0; g < cells; g++) {
    n += count[g];
    kernels += count[g] > 0;
    density[g] = 0;
  }
  double sigma = p->type != PARAM_CATEGORICAL && n > 0 ? bandwidth(count, cells, n) : 0;
  for (int at = 0; at < cells; at++) {
    double weight = count[at] / (n + 1), spread = 1.0 / kernels, row = 1 + spread * cells;
    if (!(count[at] > 0)) continue;
    if (p->type != PARAM_CATEGORICAL) {
      add_normal(density, cells, at, sigma, weight);
    } else {
      for (int g = 0; g < cells; g++) density[g] += weight * (spread + (g == at)) / row;
    }
  }
  if (p->type != PARAM_CATEGORICAL) {
    add_normal(density, cells, 0.5 * (cells - 1), cells, 1 / (n + 1));
  } else {
    for (int g = 0; g < cells; g++) density[g] += 1 / (n + 1) / cells;
  }
  for (int g = 0; g < cells; g++) density[g] += 1e-12;
}

/* --- the measure --- */

struct ranked {
  double value, weight;
};

static int by_best(const void *a, const void *b)
{
  const struct ranked *x = a, *y = b;
  if (x->value != y->value) return x->value > y->value ? -1 : 1;
  return (x->weight < y->weight) - (x->weight > y->weight);
}

static double weight_of(const struct importance_trials *t, int trial)
{
  return t->weight ? t->weight[trial] : 1;
}

/* The value that a good trial has at least. */
static int find_cutoff(const struct importance_trials *t, double top, double *cutoff, struct error *e)
{
  struct ranked *order = malloc((size_t)t->n * sizeof(*order));
  if (!order) return error_set(e, ERROR_MACHINE, "out of memory for %d trials", t->n);
  double whole = 0, sum = 0;
  for (int i = 0; i < t->n; i++) {
    order[i] = (struct ranked){t->value[i], weight_of(t, i)};
    whole += order[i].weight;
  }
  qsort(order, (size_t)t->n, sizeof(*order), by_best);
  int last = -1;
  do {
    sum += order[++last].weight;
  } while (last + 1 < t->n && (last + 1 < GOOD_MIN || sum < top * whole - 1e-9)); /* 0.1 · 30 is 3 */
  *cutoff = order[last].value;
  free(order);
  return 0;
}

static double divergence(const struct importance_trials *t, int param, double cutoff)
{
  const struct param *p = &t->space->params[param];
  double all[CELLS_MAX] = {0}, good[CELLS_MAX] = {0}, p_all[CELLS_MAX], p_good[CELLS_MAX];
  double n = 0, n_good = 0, active = 0, active_good = 0, sum = 0;
  int cells = cells_of(p);
  if (cells < 2) return 0;
  for (int i = 0; i < t->n; i++) {
    double weight = weight_of(t, i), value = t->values[i][param];
    bool is_good = t->value[i] >= cutoff;
    n += weight;
    if (is_good) n_good += weight;
    if (isnan(value)) continue;
    int cell = cell_of(p, cells, value);
    all[cell] += weight;
    active += weight;
    if (!is_good) continue;
    good[cell] += weight;
    active_good += weight;
  }
  if (!(active_good > 0)) return 0;
  cell_density(p, all, cells, p_all);
  cell_density(p, good, cells, p_good);
  for (int g = 0; g < cells; g++) sum += p_all[g] * (p_good[g] / p_all[g] - 1) * (p_good[g] / p_all[g] - 1);
  double a = active_good / n_good, b = active / n;
  return a * a / b * (n_good / n) * (n_good / n) * sum;
}

static int measure(const struct importance_trials *t, const struct importance_settings *s, struct importance *out,
                   struct error *e)
{
  double cutoff = 0;
  int code = find_cutoff(t, s->top, &cutoff, e);
  for (int i = 0; i < t->space->n && !code; i++) {
    code = importance_stopped(s, e);
    if (!code) out->raw[i] = divergence(t, i, cutoff);
  }
  if (!code) importance_normalise(t->space, out->raw, out->weight);
  return code;
}

const struct importance_method importance_method_pedanova = {
    .name = "pedanova",
    .summary = "how far are its good values from all that were tried? PED-ANOVA",
    .source = "Watanabe, Bansal, Hutter, \"PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary "
              "subspaces\", 2023",
    .measure = measure,
};
