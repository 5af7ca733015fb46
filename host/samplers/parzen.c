/* Parzen estimators after Bergstra, Bardenet, Bengio, Kégl, "Algorithms for hyper-parameter
 * optimization", NIPS 2011, with the bandwidth rule of Optuna's TPESampler (its one-dimensional
 * case; hyperopt's is close to it):
 *
 *   coordinate   t = x, or ln x where the range is logarithmic; an int or ordinal has [x - 1/2, x +
 *                1/2] for its cell (in the logarithm: ln(x - 1/2) ... ln(x + 1/2)), so its range
 *                reaches half a step beyond both ends.
 *   kernels      one Gaussian at each observation and a prior at the middle with sigma = range, all
 *                truncated to the range; weights 1, the prior's is a setting.
 *   bandwidth    sigma of an observation = the larger of the gaps to its sorted neighbours; the
 *                outermost two have only the inner gap; a single observation takes the larger
 *                distance to the ends.  Then brought into [range / min(100, n + 2), range]: never
 *                zero, however many observations coincide.
 *   int, ordinal the mass of a cell: Gaussians integrated over it.
 *   categorical  (count + prior weight) / (n + choices · prior weight): Laplace's rule, as hyperopt
 *                has it.
 *
 * Observations that coincide form a run: its first takes the gap to the left, its last the gap to
 * the right, those between zero, which the clipping raises.  So a run of any length is at most
 * three kernels, and an int with few values costs the same for ten trials and for ten thousand; the
 * result does not depend on the order in which observations come. */
#include "host/samplers/parzen.h"

#include <math.h>
#include <string.h>

/* A Gaussian farther than this many sigmas away is left out: below 5e-27 of its peak, where the
 * prior alone is never below a share of about 1 / n of the density. */
static const double far_sigmas = 11.0;

static bool is_categorical(const struct param *p)
{
  return p->type == PARAM_CATEGORICAL;
}

static double cell_count(const struct param *p)
{
  return p->high - p->low + 1.0;
}

/* Ascending, without NaN: bottom-up merge sort, insertion for short runs.  (qsort's callback costs
 * four times as much, which an ask of many floats would feel.) */
static void sort_doubles(double *x, double *scratch, int n)
{
  enum { RUN = 12 };
  for (int start = 0; start < n; start += RUN) {
    int end = start + RUN < n ? start + RUN : n;
    for (int i = start + 1; i < end; i++) {
      double v = x[i];
      int j = i;
      for (; j > start && x[j - 1] > v; j--) x[j] = x[j - 1];
      x[j] = v;
    }
  }
  double *from = x, *to = scratch;
  for (int width = RUN; width < n; width *= 2) {
    for (int start = 0; start < n; start += 2 * width) {
      int middle = start + width < n ? start + width : n, end = middle + width < n ? middle + width : n;
      int left = start, right = middle;
      for (int k = start; k < end; k++) {
        to[k] = right >= end || (left < middle && from[left] <= from[right]) ? from[left++] : from[right++];
      }
    }
    double *swap = from;
    from = to;
    to = swap;
  }
  if (from != x) memcpy(x, from, (size_t)n * sizeof(*x));
}

size_t parzen_room(const struct param *p, int n)
{
  size_t kernels = (size_t)n + 1;
  size_t table = 0;
  if (p->type != PARAM_FLOAT && cell_count(p) <= PARZEN_TABLE_MAX) table = (size_t)cell_count(p);
  if (is_categorical(p)) return 2 * table;
  size_t kernel_doubles = kernels * sizeof(struct parzen_kernel) / sizeof(double);
  return kernel_doubles + kernels + table + (size_t)n + table; /* and what runs_make needs */
}

/* --- fitting --- */

static void fit_categorical(struct parzen *z, const double *x, int n, double prior_weight)
{
  int choices = z->n_table;
  double total = n + choices * prior_weight;
  for (int c = 0; c < choices; c++) z->table[c] = total > 0 ? prior_weight : 1.0;
  if (!(total > 0)) total = choices;
  for (int i = 0; i < n; i++) z->table[(int)x[i]] += 1.0;
  double sum = 0;
  for (int c = 0; c < choices; c++) {
    sum += z->table[c] / total;
    z->cumulative[c] = sum;
    z->table[c] = log(fmax(z->table[c] / total, 1e-300));
  }
}

static double coordinate(const struct param *p, double value)
{
  return p->log ? log(value) : value;
}

/* Mass of N(mean, 1/inverse_sigma) between the ends; the mean lies between them. */
static double mass_inside(const struct parzen *z, double mean, double inverse_sigma)
{
  double below = (mean - z->low) * inverse_sigma, above = (z->high - mean) * inverse_sigma;
  double cut = 0;
  if (below < far_sigmas) cut += erfc(below * M_SQRT1_2);
  if (above < far_sigmas) cut += erfc(above * M_SQRT1_2);
  return 1.0 - 0.5 * cut;
}

static void add_kernel(struct parzen *z, double mean, double sigma, double weight)
{
  int k = z->n_kernels++;
  double before = k ? z->cumulative[k - 1] : 0.0;
  double inverse_sigma = 1.0 / sigma;
  double inside = mass_inside(z, mean, inverse_sigma);
  double scale = z->param->type == PARAM_FLOAT ? inverse_sigma * M_2_SQRTPI * M_SQRT1_2 / 2.0 : 0.5;
  z->kernels[k] = (struct parzen_kernel){mean, inverse_sigma, weight * scale / inside};
  z->cumulative[k] = before + weight;
}

/* Observations as runs of equal values, ascending. */
struct runs {
  int n; /* observations */
  int length;
  double *value; /* [length] internal */
  double *count; /* [length] */
};

/* x [n] becomes the values; room [n] and, for an int or ordinal with a table, [n_table] more. */
static struct runs runs_make(const struct parzen *z, double *x, int n, double *room)
{
  struct runs r = {n, 0, x, room};
  if (z->n_table) { /* few values: counting is faster than sorting */
    double *tally = room + n;
    for (int v = 0; v < z->n_table; v++) tally[v] = 0;
    for (int i = 0; i < n; i++) tally[(int)(x[i] - z->param->low)]++;
    for (int v = 0; v < z->n_table; v++) {
      if (tally[v] == 0) continue;
      r.value[r.length] = z->param->low + v;
      r.count[r.length++] = tally[v];
    }
    return r;
  }
  sort_doubles(x, room, n);
  for (int i = 0; i < n; i++) {
    if (r.length && x[i] == r.value[r.length - 1]) {
      r.count[r.length - 1]++;
    } else {
      r.value[r.length] = x[i];
      r.count[r.length++] = 1;
    }
  }
  return r;
}

static void fit_numeric(struct parzen *z, const struct runs *r, double prior_weight)
{
  double range = z->high - z->low;
  double least = range / fmin(100.0, r->n + 2.0);
  double weight = 1.0 / (r->n + prior_weight);
  double before = z->low, t = r->n ? coordinate(z->param, r->value[0]) : 0;
  for (int i = 0; i < r->length; i++) {
    double next = i + 1 < r->length ? coordinate(z->param, r->value[i + 1]) : z->high;
    double left = t - before, right = next - t;
    if (r->n > 1 && i == 0) left = 0;
    if (r->n > 1 && i + 1 == r->length) right = 0;
    if (r->count[i] == 1) {
      add_kernel(z, t, fmin(fmax(fmax(left, right), least), range), weight);
    } else {
      double rest = r->count[i];
      if (left > least) add_kernel(z, t, left, weight), rest--;
      if (right > least) add_kernel(z, t, right, weight), rest--;
      if (rest > 0) add_kernel(z, t, least, rest * weight);
    }
    before = t;
    t = next;
  }
  if (prior_weight > 0 || r->n == 0) {
    add_kernel(z, 0.5 * (z->low + z->high), range, r->n ? prior_weight * weight : 1.0);
  }
}

void parzen_fit(struct parzen *z, const struct param *p, double *x, int n, double prior_weight, double *room)
{
  *z = (struct parzen){.param = p, .low = p->low, .high = p->high};
  if (p->low == p->high) return; /* one value: nothing to estimate */
  int kept = 0;
  for (int i = 0; i < n; i++) {
    if (!isnan(x[i])) x[kept++] = param_clamp(p, x[i]);
  }
  if (p->type != PARAM_FLOAT && cell_count(p) <= PARZEN_TABLE_MAX) {
    z->n_table = (int)cell_count(p);
    z->table = room;
    room += z->n_table;
  }
  if (is_categorical(p)) {
    z->cumulative = room;
    fit_categorical(z, x, kept, prior_weight);
    return;
  }
  if (p->type != PARAM_FLOAT) {
    z->low -= 0.5;
    z->high += 0.5;
  }
  if (p->log) {
    z->low = log(z->low);
    z->high = log(z->high);
  }
  z->kernels = (struct parzen_kernel *)room;
  room += (size_t)(n + 1) * sizeof(struct parzen_kernel) / sizeof(double);
  z->cumulative = room;
  room += n + 1;
  struct runs runs = runs_make(z, x, kept, room);
  fit_numeric(z, &runs, prior_weight);
  for (int i = 0; i < z->n_table; i++) z->table[i] = NAN;
}

/* --- density --- */

static double density(const struct parzen *z, double t)
{
  double sum = 0;
  for (int k = 0; k < z->n_kernels; k++) {
    const struct parzen_kernel *kernel = &z->kernels[k];
    double u = (t - kernel->mean) * kernel->inverse_sigma;
    if (fabs(u) < far_sigmas) sum += kernel->coefficient * exp(-0.5 * u * u);
  }
  return sum;
}

static double mass(const struct parzen *z, double value)
{
  double left = value - 0.5, right = value + 0.5, sum = 0;
  if (z->param->log) {
    left = log(left);
    right = log(right);
  }
  for (int k = 0; k < z->n_kernels; k++) {
    const struct parzen_kernel *kernel = &z->kernels[k];
    double scale = kernel->inverse_sigma;
    double a = (left - kernel->mean) * scale, b = (right - kernel->mean) * scale;
    if (b > -far_sigmas && a < far_sigmas) sum += kernel->coefficient * (erf(b * M_SQRT1_2) - erf(a * M_SQRT1_2));
  }
  return sum;
}

double parzen_log(struct parzen *z, double value)
{
  const struct param *p = z->param;
  if (p->low == p->high) return 0;
  if (z->n_table) {
    int i = (int)(value - p->low);
    if (isnan(z->table[i])) z->table[i] = log(fmax(mass(z, value), 1e-300));
    return z->table[i];
  }
  double d = p->type == PARAM_FLOAT ? density(z, coordinate(p, value)) : mass(z, value);
  return log(fmax(d, 1e-300)); /* without a prior a density may vanish */
}

/* --- drawing --- */

/* The least index with u below the sum up to it. */
static int pick(const double *cumulative, int n, double u)
{
  int low = 0, high = n - 1;
  while (low < high) {
    int middle = (low + high) / 2;
    if (u < cumulative[middle]) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

/* Box and Muller 1958. */
static double draw_normal(struct rng *rng)
{
  double r = sqrt(-2.0 * log(1.0 - rng_uniform(rng)));
  return r * cos(2.0 * M_PI * rng_uniform(rng));
}

/* Truncation by rejection: a mean within the range and sigma <= range keep at least a third of the
 * draws. */
double parzen_draw(const struct parzen *z, struct rng *rng)
{
  const struct param *p = z->param;
  if (p->low == p->high) return p->low;
  if (is_categorical(p)) return pick(z->cumulative, z->n_table, rng_uniform(rng) * z->cumulative[z->n_table - 1]);
  double total = z->cumulative[z->n_kernels - 1];
  const struct parzen_kernel *kernel = &z->kernels[pick(z->cumulative, z->n_kernels, rng_uniform(rng) * total)];
  double t;
  do {
    t = kernel->mean + draw_normal(rng) / kernel->inverse_sigma;
  } while (t < z->low || t > z->high);
  double value = p->log ? exp(t) : t;
  return param_clamp(p, value) + 0.0; /* never -0 */
}
