/* Grid search: the full factorial over the free hyperparameters, in an order whose beginnings are
 * spread over all of it.
 *
 * Levels.  A categorical and an ordinal take all their values; an int of at most grid_points values
 * too; a larger int and a float take grid_points values evenly in their scale, both ends among them
 * (a grid of one point: the middle).
 *
 * Order.  Let K_1 >= K_2 >= ... be the numbers of levels (of equal ones, the earlier in the space
 * first), and a_1, a_2, ... the digits of the point's number i in this mixed radix, a_1 the
 * fastest.  Dimension d takes level
 *
 *   offset_d + sum over j <= d of c(d, j) · a_j  (mod K_d),
 *   c(d, j) prime to K_d and near a golden share of K_d.
 *
 * The matrix is triangular with units on its diagonal, so the map is one to one: every point comes
 * once.  While a_1 runs, every dimension moves at every step and takes its levels in turn, spread
 * by the golden ratio: in any K_d trials in a row that begin at a multiple of K_1, dimension d
 * takes each of its levels once (a Latin square's property), and the first few trials of a group
 * lie apart in every dimension.  The offset puts the first point into the middle.
 *
 * The proposal is the first point in this order that is feasible and not in the history.  Where all
 * have been tried, the order is gone through anew: trial n of a group takes the feasible point n
 * mod their number.  The trial's key plays no part. */
#include "host/samplers/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/samplers/sampler_common.h"

struct grid {
  const struct sampler_request *request;
  int n;                              /* dimensions: the free hyperparameters */
  int param[SPACE_MAX];               /* [n] where each stands in the space, by falling count */
  int64_t count[SPACE_MAX];           /* [n] levels */
  double *levels[SPACE_MAX];          /* [n][count] */
  int64_t points;                     /* of the grid; saturated */
  int64_t unit[SPACE_MAX][SPACE_MAX]; /* [n][n] c(d, j), j <= d */
};

/* --- levels --- */

static double level_value(const struct param *p, int64_t level, int64_t count)
{
  double share = count > 1 ? (double)level / (double)(count - 1) : 0.5;
  double value;
  if (level == 0 && count > 1) {
    value = p->low;
  } else if (level == count - 1 && count > 1) {
    value = p->high;
  } else if (p->log) {
    value = exp(log(p->low) + share * (log(p->high) - log(p->low)));
  } else {
    value = p->low + share * (p->high - p->low);
  }
  return param_clamp(p, value) + 0.0;
}

/* Points of a logarithmic int may round to the same value: they count once. */
static int make_levels(struct grid *g, int d, const struct param *p, int points)
{
  int64_t all = param_count(p), count = all > 0 && (p->type != PARAM_INT || all <= points) ? all : points;
  if (p->low == p->high) count = 1;
  g->levels[d] = malloc((size_t)count * sizeof(double));
  if (!g->levels[d]) return -1;
  g->count[d] = 0;
  for (int64_t k = 0; k < count; k++) {
    double v = count == all ? p->low + (double)k : level_value(p, k, count);
    if (g->count[d] == 0 || v > g->levels[d][g->count[d] - 1]) g->levels[d][g->count[d]++] = v;
  }
  return 0;
}

/* --- the order --- */

static int64_t greatest_common_divisor(int64_t a, int64_t b)
{
  while (b) {
    int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* The number prime to n that is nearest to the fractional part of k / golden ratio times n; for k =
 * 1, n = 5: 3. */
static int64_t golden_unit(int64_t n, int k)
{
  const double golden = 0.6180339887498949;
  int64_t wanted = llround((k * golden - floor(k * golden)) * (double)n);
  for (int64_t step = 0; step <= n; step++) {
    if (wanted - step > 0 && greatest_common_divisor(wanted - step, n) == 1) return wanted - step;
    if (wanted + step < n && wanted + step > 0 && greatest_common_divisor(wanted + step, n) == 1) return wanted + step;
  }
  return 1; /* n = 1 */
}

static void grid_destroy(struct grid *g)
{
  for (int d = 0; d < g->n; d++) free(g->levels[d]);
}

static int grid_make(struct grid *g, const struct sampler_request *request, struct error *e)
{
  int points = request->settings->grid_points > 0 ? request->settings->grid_points : 1;
  g->request = request;
  for (int i = 0; i < request->space->n; i++) {
    if (!request->free[i]) continue;
    int d = g->n++;
    g->param[d] = i;
    if (make_levels(g, d, &request->space->params[i], points)) {
      return error_set(e, ERROR_MACHINE, "out of memory for a grid of %d points a hyperparameter", points);
    }
    for (; d > 0 && g->count[d] > g->count[d - 1]; d--) { /* by falling count, stable */
      int param = g->param[d];
      int64_t count = g->count[d];
      double *levels = g->levels[d];
      g->param[d] = g->param[d - 1], g->count[d] = g->count[d - 1], g->levels[d] = g->levels[d - 1];
      g->param[d - 1] = param, g->count[d - 1] = count, g->levels[d - 1] = levels;
    }
  }
  g->points = 1;
  for (int d = 0; d < g->n; d++) {
    g->points = g->points > INT64_MAX / g->count[d] ? INT64_MAX : g->points * g->count[d];
    for (int j = 0; j <= d; j++) g->unit[d][j] = golden_unit(g->count[d], d - j + 1);
  }
  return 0;
}

static void grid_point(const struct grid *g, int64_t i, double *values)
{
  int64_t digit[SPACE_MAX];
  memcpy(values, g->request->fixed, (size_t)g->request->space->n * sizeof(*values));
  for (int d = 0; d < g->n; d++) {
    digit[d] = i % g->count[d];
    i /= g->count[d];
    int64_t level = g->count[d] / 2;
    for (int j = 0; j <= d; j++) level = (level + g->unit[d][j] * (digit[j] % g->count[d])) % g->count[d];
    values[g->param[d]] = g->levels[d][level];
  }
}

/* --- the proposal --- */

static int grid_ask(const struct sampler_request *request, double *values, struct error *e)
{
  struct grid grid = {0};
  struct seen seen = {0};
  int64_t feasible = 0, i;
  int result = seen_make(&seen, request, e);
  if (!result) result = grid_make(&grid, request, e);
  if (result) goto done;
  int64_t walk = grid.points < SAMPLER_WALK ? grid.points : SAMPLER_WALK;
  for (i = 0; i < walk; i++) {
    grid_point(&grid, i, values);
    if (!sampler_feasible(request, values)) continue;
    if (!seen_has(&seen, values)) goto done;
    feasible++;
  }
  if (feasible == 0) {
    result = sampler_nothing_feasible(request, e);
    goto done;
  }
  int64_t nth = request->n_group > 0 ? request->n_group % feasible : 0;
  for (i = 0; i < walk; i++) {
    grid_point(&grid, i, values);
    if (sampler_feasible(request, values) && nth-- == 0) break;
  }
done:
  grid_destroy(&grid);
  seen_destroy(&seen);
  return result;
}

const struct sampler sampler_grid = {.name = "grid",
                                     .summary = "full factorial, spread evenly from the first trial on",
                                     .sees_all = sampler_sees_as_told,
                                     .ask = grid_ask,
                                     .is_blind = sampler_always_blind};
