/* RReliefF with normalised weights: how much more the values of near trials differ where a
 * hyperparameter differs.
 *
 * Robnik-Sikonja and Kononenko, "Theoretical and empirical analysis of ReliefF and RReliefF",
 * Machine Learning 53, 2003.  Each of m trials i is compared with its k nearest j = j(1) ... j(k),
 * the nearest first, by the sum over the hyperparameters A of
 *
 *   diff_A(i, j)  numeric: t = |a_i - a_j| in the coordinate of A, linear or logarithmic, over its
 *                 range in the space, brought to (t - alike) / (apart - alike) within 0 ... 1; an
 *                 ordinal's coordinate is its rank; categorical: 0 or 1.
 *                 1 where A is inactive in one of them, 0 where it is in both
 *
 * whose influence d(i, j(r)) = exp(-(r / sigma)^2), r from 1, is divided by its sum over j.  With
 * diff_C = |y_i - y_j| over the range of the values y,
 *
 *   N_dC = sum diff_C d,   N_dA = sum diff_A d,   N_dCdA = sum diff_C diff_A d   over i and j,
 *   W_A = N_dCdA / N_dC - (N_dA - N_dCdA) / (m - N_dC).
 *
 * Where trials have weights, d(i, j) is multiplied by that of j before it is divided by its sum and
 * by that of i after, and m is the sum of the weights of the trials i.  Trials at the same distance
 * stand in the order in which they are given.
 *
 * The idea of weights that sum to 1 is that of Sun, Gong, Li, Zhang, "N-RReliefF", International
 * Journal of Computers Communications & Control 14(4), 2019, doi 10.15837/ijccc.2019.4.3593, whose
 * text leaves open what is done with the negative W that a hyperparameter without influence often
 * gets.  The rule here is our own: max(W, 0) over the sum of max(W, 0).
 *
 * alike = 0.04 and apart = 0.10 are those of CORElearn, a program of the first author's; 0 and 1
 * give the differences themselves.  These are about 1/3 in the mean, while two labels that differ
 * are 1 apart: the nearest trials then agree in their categoricals, whose influence no pair shows.
 *
 * W_A is the covariance of diff_A and diff_C over near pairs, divided by a constant, and pairs are
 * near by the sum of all differences: where one is large the others must be small.  So a
 * hyperparameter that is much weaker than the heaviest often has a W below 0 and no weight, most of
 * all in few dimensions.
 *
 * It costs O(m n d): the k nearest of each trial are found by going through all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/importance/importance_common.h"

/* Distances are computed in blocks that stay in the first cache. */
enum { BLOCK = 256 };

struct relief {
  const struct importance_trials *t;
  const struct importance_settings *s;
  int n, d, k, m;
  int room;             /* n up to whole blocks */
  double *column;       /* [d][room] coordinates, see `diff` */
  double alike, scale;  /* scale = 1 / (apart - alike) */
  double *y;            /* [n] values over their range: 0 ... 1 */
  double *influence;    /* [k] by rank */
  struct near *nearest; /* [k] of one trial */
};

/* A trial and how far it is. */
struct near {
  double distance;
  int trial;
};

static const double *column_of(const struct relief *f, int i)
{
  return f->column + (size_t)i * (size_t)f->room;
}

/* Numeric ones within 0 ... 1, a categorical's index; what is inactive lies 1 or more from all
 * else. */
static double coordinate(const struct param *p, double value)
{
  if (isnan(value)) return -1;
  value = param_clamp(p, value);
  if (p->type == PARAM_CATEGORICAL) return value;
  if (!(p->low < p->high)) return 0;
  return p->log ? (log(value) - log(p->low)) / (log(p->high) - log(p->low)) : (value - p->low) / (p->high - p->low);
}

static inline double diff(double a, double b, double alike, double scale)
{
  double t = (fabs(a - b) - alike) * scale;
  t = t > 0 ? t : 0;
  return t < 1 ? t : 1;
}

static void relief_destroy(struct relief *f)
{
  free(f->column);
  free(f->y);
  free(f->influence);
  free(f->nearest);
}

static int relief_make(struct relief *f, const struct importance_trials *t, const struct importance_settings *s,
                       struct error *e)
{
  int n = t->n, d = t->space->n, room = (n + BLOCK - 1) / BLOCK * BLOCK;
  int k = s->neighbours < n - 1 ? s->neighbours : n - 1;
  *f = (struct relief){.t = t,
                       .s = s,
                       .n = n,
                       .d = d,
                       .k = k,
                       .m = s->samples > 0 && s->samples < n ? s->samples : n,
                       .room = room,
                       .alike = s->alike,
                       .scale = 1 / (s->apart - s->alike),
                       .column = calloc((size_t)d * (size_t)room, sizeof(double)),
                       .y = malloc((size_t)n * sizeof(double)),
                       .influence = malloc((size_t)k * sizeof(double)),
                       .nearest = malloc((size_t)k * sizeof(struct near))};
  if (!f->column || !f->y || !f->influence || !f->nearest) {
    relief_destroy(f);
    return error_set(e, ERROR_MACHINE, "out of memory for %d trials", n);
  }
  for (int i = 0; i < d; i++) {
    double *column = f->column + (size_t)i * (size_t)room;
    for (int j = 0; j < n; j++) column[j] = coordinate(&t->space->params[i], t->values[j][i]);
  }
  double low = INFINITY, high = -INFINITY;
  for (int j = 0; j < n; j++) {
    low = fmin(low, t->value[j]);
    high = fmax(high, t->value[j]);
  }
  /* Halves, whose difference is finite. */
  for (int j = 0; j < n; j++) f->y[j] = (t->value[j] / 2 - low / 2) / (high / 2 - low / 2);
  for (int r = 0; r < k; r++) f->influence[r] = exp(-((r + 1) / s->sigma) * ((r + 1) / s->sigma));
  return 0;
}

/* --- the nearest trials --- */

static void block_distances(const struct relief *f, int trial, int at, double *restrict distance)
{
  for (int j = 0; j < BLOCK; j++) distance[j] = 0;
  for (int i = 0; i < f->d; i++) {
    const double *restrict column = column_of(f, i) + at;
    double own = column_of(f, i)[trial], alike = f->alike, scale = f->scale;
    for (int j = 0; j < BLOCK; j++) distance[j] += diff(column[j], own, alike, scale);
  }
}

static bool is_farther(struct near a, struct near b)
{
  return a.distance > b.distance || (a.distance == b.distance && a.trial > b.trial);
}

/* Puts `x` in the place of the first of a heap, whose first is the farthest. */
static void heap_replace(struct near *heap, int n, struct near x)
{
  int at = 0;
  for (;;) {
    int child = 2 * at + 1;
    if (child >= n) break;
    if (child + 1 < n && is_farther(heap[child + 1], heap[child])) child++;
    if (!is_farther(heap[child], x)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = x;
}

/* Fills f->nearest, the nearest first.  The heap begins with places that are farther than any
 * trial; trials come in order, so one as far as the farthest is not among the nearest. */
static void find_nearest(struct relief *f, int trial)
{
  struct near *heap = f->nearest;
  for (int r = 0; r < f->k; r++) heap[r] = (struct near){INFINITY, f->n};
  for (int at = 0; at < f->n; at += BLOCK) {
    double distance[BLOCK];
    int n = f->n - at < BLOCK ? f->n - at : BLOCK;
    block_distances(f, trial, at, distance);
    if (trial >= at && trial < at + n) distance[trial - at] = INFINITY;
    for (int j = 0; j < n; j++) {
      if (distance[j] < heap[0].distance) heap_replace(heap, f->k, (struct near){distance[j], at + j});
    }
  }
  for (int last = f->k - 1; last > 0; last--) {
    struct near farthest = heap[0];
    heap_replace(heap, last, heap[last]);
    heap[last] = farthest;
  }
}

/* --- sums --- */

/* A row of sums: m, N_dC, N_dA of each hyperparameter, N_dCdA of each. */
enum { SUM_M, SUM_C, SUM_A, SUMS_MAX = 2 + 2 * SPACE_MAX };

static int sums_of(const struct relief *f)
{
  return SUM_A + 2 * f->d;
}

/* What the pair of trials i and j puts in a row, times d(i, j). */
static void pair_sums(const struct relief *f, int i, int j, double *restrict row)
{
  double c = fabs(f->y[i] - f->y[j]);
  row[SUM_M] = 1;
  row[SUM_C] = c;
  for (int p = 0; p < f->d; p++) {
    double a = diff(column_of(f, p)[i], column_of(f, p)[j], f->alike, f->scale);
    row[SUM_A + p] = a;
    row[SUM_A + f->d + p] = c * a;
  }
}

static double weight_of(const struct relief *f, int trial)
{
  return f->t->weight ? f->t->weight[trial] : 1;
}

static void add_scaled(double *restrict to, double scale, const double *restrict row, int n)
{
  for (int s = 0; s < n; s++) to[s] += scale * row[s];
}

/* Adds the sums of trial i with its nearest to `own`.  With `rows` [n][sums], also adds to the row
 * of each neighbour what the sums would gain were that neighbour to count more: its pair's share
 * beyond the mean of the pairs, since the influences still sum to 1. */
static void add_trial(struct relief *f, int i, double *own, double *rows)
{
  int n = sums_of(f);
  double mean[SUMS_MAX] = {0}, pair[SUMS_MAX], sum = 0;
  find_nearest(f, i);
  for (int r = 0; r < f->k; r++) sum += f->influence[r] * weight_of(f, f->nearest[r].trial);
  for (int r = 0; r < f->k; r++) {
    int j = f->nearest[r].trial;
    pair_sums(f, i, j, pair);
    add_scaled(mean, f->influence[r] * weight_of(f, j) / sum, pair, n);
  }
  add_scaled(own, weight_of(f, i), mean, n);
  if (!rows) return;
  for (int r = 0; r < f->k; r++) {
    int j = f->nearest[r].trial;
    double *row = rows + (size_t)j * (size_t)n, d = weight_of(f, i) * f->influence[r] * weight_of(f, j) / sum;
    pair_sums(f, i, j, pair);
    add_scaled(row, d, pair, n);
    add_scaled(row, -d, mean, n);
  }
}

/* The sums over the m trials, drawn without replacement where they are not all, in one row, or with
 * `rows` what each trial contributes to them. */
static int add_trials(struct relief *f, double *total, double *rows, struct error *e)
{
  struct philox_permutation order =
      philox_permutation_make(f->s->seed, philox_subsequence(PHILOX_IMPORTANCE, 0, 0), (uint32_t)f->n);
  for (int s = 0; s < f->m; s++) {
    int i = f->m < f->n ? (int)philox_permutation_at(&order, (uint32_t)s) : s;
    int code = importance_stopped(f->s, e);
    if (code) return code;
    add_trial(f, i, rows ? rows + (size_t)i * (size_t)sums_of(f) : total, rows);
  }
  return 0;
}

/* W of each hyperparameter; all 0 where the values of near trials tell nothing. */
static void weights_from(const struct relief *f, const double *sums, double *w)
{
  double c = sums[SUM_C], m = sums[SUM_M];
  for (int p = 0; p < f->d; p++) {
    double a = sums[SUM_A + p], both = sums[SUM_A + f->d + p];
    w[p] = c > 0 && m > c ? both / c - (a - both) / (m - c) : 0;
  }
}

static int measure(const struct importance_trials *t, const struct importance_settings *s, struct importance *out,
                   struct error *e)
{
  struct relief f;
  double total[SUMS_MAX] = {0};
  int code = relief_make(&f, t, s, e);
  if (code) return code;
  code = add_trials(&f, total, NULL, e);
  if (!code) {
    weights_from(&f, total, out->raw);
    importance_normalise(t->space, out->raw, out->weight);
  }
  relief_destroy(&f);
  return code;
}

/* --- the bootstrap --- */

/* The sums of a resample are those of its trials' rows, computed once for all resamples: a trial's
 * row holds what it contributes as one of the m and as a neighbour of others, which is what the
 * sums gain, to first order, where the trial counts more.  Left out is that other trials would
 * become the nearest: those of a resample lie further apart, and a trial that is drawn twice would
 * be its own nearest, at distance 0, which no sample of the space has. */
static int resample(const struct importance_trials *t, const struct importance_settings *s, struct importance *out,
                    struct error *e)
{
  struct relief f;
  int code = relief_make(&f, t, s, e);
  if (code) return code;
  int sums = sums_of(&f);
  double *rows = calloc((size_t)f.n * (size_t)sums, sizeof(*rows));
  double *weights = malloc((size_t)s->resamples * (size_t)f.d * sizeof(*weights));
  if (!rows || !weights) code = error_set(e, ERROR_MACHINE, "out of memory for the sums of %d trials", f.n);
  if (!code) code = add_trials(&f, NULL, rows, e);
  for (int r = 0; r < s->resamples && !code; r++) {
    struct rng rng = importance_resample_rng(s, r);
    double total[SUMS_MAX] = {0}, w[SPACE_MAX];
    for (int i = 0; i < f.n; i++) {
      size_t drawn = rng_below(&rng, (uint32_t)f.n);
      add_scaled(total, 1, rows + drawn * (size_t)sums, sums);
    }
    weights_from(&f, total, w);
    importance_normalise(t->space, w, weights + (size_t)r * (size_t)f.d);
    code = importance_stopped(s, e);
  }
  if (!code) code = importance_intervals(weights, s->resamples, f.d, out, e);
  free(rows);
  free(weights);
  relief_destroy(&f);
  return code;
}

const struct importance_method importance_method_nrrelieff = {
    .name = "nrrelieff",
    .summary = "do the values of near trials differ where it differs? RReliefF, weights normalised",
    .source = "Robnik-Sikonja, Kononenko, \"Theoretical and empirical analysis of ReliefF and RReliefF\", 2003; Sun, "
              "Gong, Li, Zhang, \"N-RReliefF\", 2019",
    .measure = measure,
    .resample = resample,
};
