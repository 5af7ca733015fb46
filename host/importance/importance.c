/* The table of methods, and what holds for all of them: checks, ranks, intervals by the bootstrap.
 *
 * Trials come in the order in which they ended, which may differ from machine to machine, while
 * methods add in the order of the trials and decide ties by it, and resamples name trials by their
 * place.  So the trials are first sorted by a hash of their contents: the result depends on the set
 * of the trials alone, and what comes first where two are tied has nothing to do with what they
 * hold. */
#include "host/importance/importance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/number_order.h"
#include "host/importance/importance_common.h"

#define DECLARED(name) extern const struct importance_method importance_method_##name;
#define ADDRESS(name) &importance_method_##name,
IMPORTANCE_METHODS(DECLARED)
const struct importance_method *const importance_methods[] = {IMPORTANCE_METHODS(ADDRESS) NULL};
const char *const importance_method_names[] = {IMPORTANCE_METHODS(NAME_WORD) NULL};

const struct importance_method *importance_method_find(const char *name)
{
  for (int i = 0; importance_methods[i]; i++) {
    if (!strcmp(importance_methods[i]->name, name)) return importance_methods[i];
  }
  return NULL;
}

struct importance_settings importance_settings_default(void)
{
  return (struct importance_settings){.resamples = 100,
                                      .top = 0.1,
                                      .neighbours = 70,
                                      .sigma = 20,
                                      .alike = 0.04,
                                      .apart = 0.1,
                                      .samples = 0,
                                      .trees = 64};
}

int importance_trials_enough(const struct space *s)
{
  return 10 * space_varied(s);
}

/* --- what the methods share --- */

void importance_normalise(const struct space *s, const double *raw, double *weight)
{
  double sum = 0;
  int varied = space_varied(s);
  for (int i = 0; i < s->n; i++) {
    weight[i] = param_count(&s->params[i]) != 1 && raw[i] > 0 ? raw[i] : 0;
    sum += weight[i];
  }
  for (int i = 0; i < s->n; i++) {
    if (sum > 0) {
      weight[i] /= sum;
    } else if (varied > 0) {
      weight[i] = param_count(&s->params[i]) != 1 ? 1.0 / varied : 0;
    } else {
      weight[i] = 1.0 / s->n;
    }
  }
}

void importance_rank(int n, const double *weight, int *rank)
{
  for (int i = 0; i < n; i++) {
    rank[i] = 1;
    for (int j = 0; j < n; j++) rank[i] += j < i ? weight[j] >= weight[i] : weight[j] > weight[i];
  }
}

/* The quantile q of n sorted numbers, between two of them linearly. */
static double quantile(const double *sorted, int n, double q)
{
  double place = q * (n - 1);
  int below = (int)place, above = below + 1 < n ? below + 1 : below;
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/* How many are heavier than number i, and how many as heavy, itself among them. */
static void count_heavier(const double *weight, int n, int i, int *heavier, int *as_heavy)
{
  *heavier = *as_heavy = 0;
  for (int j = 0; j < n; j++) {
    *heavier += weight[j] > weight[i];
    *as_heavy += weight[j] == weight[i];
  }
}

int importance_intervals(const double *weights, int resamples, int n, struct importance *out, struct error *e)
{
  size_t count = (size_t)resamples;
  double *weight = malloc(3 * count * sizeof(*weight));
  if (!weight) return error_set(e, ERROR_MACHINE, "out of memory for %d resamples", resamples);
  double *first = weight + count, *last = first + count; /* the ranks that it may have among its like */
  for (int i = 0; i < n; i++) {
    for (int r = 0; r < resamples; r++) {
      const double *row = weights + (size_t)r * (size_t)n;
      int heavier, as_heavy;
      count_heavier(row, n, i, &heavier, &as_heavy);
      weight[r] = row[i];
      first[r] = heavier + 1;
      last[r] = heavier + as_heavy;
    }
    qsort(weight, count, sizeof(*weight), number_order);
    qsort(first, count, sizeof(*first), number_order);
    qsort(last, count, sizeof(*last), number_order);
    out->low[i] = fmin(quantile(weight, resamples, 0.025), out->weight[i]);
    out->high[i] = fmax(quantile(weight, resamples, 0.975), out->weight[i]);
    out->rank_low[i] = (int)fmin(floor(quantile(first, resamples, 0.025)), out->rank[i]);
    out->rank_high[i] = (int)fmax(ceil(quantile(last, resamples, 0.975)), out->rank[i]);
  }
  free(weight);
  return 0;
}

int importance_stopped(const struct importance_settings *s, struct error *e)
{
  if (!s->stop || !*s->stop) return 0;
  return error_set(e, ERROR_INTERRUPTED, "stopped while the importance of hyperparameters was measured");
}

/* --- trials, sorted and drawn --- */

/* Trials with arrays of their own; the configurations stay where they were. */
struct owned_trials {
  struct importance_trials t;
  const double **values; /* [n] */
  double *value, *weight;
};

static void owned_destroy(struct owned_trials *o)
{
  free(o->values);
  free(o->value);
  free(o->weight);
}

static int owned_make(struct owned_trials *o, const struct importance_trials *like, struct error *e)
{
  size_t n = (size_t)like->n;
  *o = (struct owned_trials){.values = malloc(n * sizeof(*o->values)),
                             .value = malloc(n * sizeof(*o->value)),
                             .weight = malloc(n * sizeof(*o->weight))};
  if (!o->values || !o->value || !o->weight) {
    owned_destroy(o);
    return error_set(e, ERROR_MACHINE, "out of memory for %d trials", like->n);
  }
  o->t = (struct importance_trials){.space = like->space,
                                    .n = like->n,
                                    .values = o->values,
                                    .value = o->value,
                                    .weight = like->weight ? o->weight : NULL};
  return 0;
}

static void owned_put(struct owned_trials *o, int at, const struct importance_trials *from, int trial)
{
  o->values[at] = from->values[trial];
  o->value[at] = from->value[trial];
  o->weight[at] = from->weight ? from->weight[trial] : 1;
}

struct sort_key {
  uint64_t hash;
  const double *values;
  size_t size; /* bytes of values */
  double value, weight;
  int trial;
};

static uint64_t mix(uint64_t h, double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  h = (h ^ bits) * 0xD6E8FEB86659FD93ull;
  return h ^ h >> 32;
}

/* Two that compare as equal hold the same, and it makes no difference which comes first. */
static int by_hash(const void *a, const void *b)
{
  const struct sort_key *x = a, *y = b;
  if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
  int order = memcmp(x->values, y->values, x->size);
  if (order) return order;
  if (x->value != y->value) return x->value < y->value ? -1 : 1;
  return (x->weight > y->weight) - (x->weight < y->weight);
}

static int owned_sorted(struct owned_trials *o, const struct importance_trials *t, struct error *e)
{
  int code = owned_make(o, t, e);
  if (code) return code;
  struct sort_key *keys = malloc((size_t)t->n * sizeof(*keys));
  if (!keys) {
    owned_destroy(o);
    return error_set(e, ERROR_MACHINE, "out of memory for %d trials", t->n);
  }
  for (int i = 0; i < t->n; i++) {
    keys[i] = (struct sort_key){.values = t->values[i],
                                .size = (size_t)t->space->n * sizeof(double),
                                .value = t->value[i],
                                .weight = t->weight ? t->weight[i] : 1,
                                .trial = i};
    uint64_t h = mix(mix(0x9E3779B97F4A7C15ull, keys[i].value), keys[i].weight);
    for (int p = 0; p < t->space->n; p++) h = mix(h, t->values[i][p]);
    keys[i].hash = h;
  }
  qsort(keys, (size_t)t->n, sizeof(*keys), by_hash);
  for (int i = 0; i < t->n; i++) owned_put(o, i, t, keys[i].trial);
  free(keys);
  return 0;
}

/* As many trials, each drawn from all; their weights again of mean 1. */
static void owned_draw(struct owned_trials *o, const struct importance_trials *t, struct rng *rng)
{
  double sum = 0;
  for (int i = 0; i < t->n; i++) {
    owned_put(o, i, t, (int)rng_below(rng, (uint32_t)t->n));
    sum += o->weight[i];
  }
  for (int i = 0; i < t->n; i++) o->weight[i] *= t->n / sum;
}

/* --- a measurement --- */

static bool values_are_flat(const struct importance_trials *t)
{
  for (int i = 1; i < t->n; i++) {
    if (t->value[i] != t->value[0]) return false;
  }
  return true;
}

/* Where the values do not differ no method is asked. */
static int measure_once(const struct importance_method *method, const struct importance_trials *t,
                        const struct importance_settings *s, struct importance *out, struct error *e)
{
  memset(out, 0, sizeof(*out));
  out->flat = values_are_flat(t);
  if (!out->flat) return method->measure(t, s, out, e);
  importance_normalise(t->space, out->raw, out->weight);
  return 0;
}

/* The bootstrap of a method that has none of its own: measured again on trials drawn with
 * replacement, with another seed each time, so that the intervals also tell what the method's own
 * random choices are worth. */
static int resample(const struct importance_method *method, const struct importance_trials *t,
                    const struct importance_settings *s, struct importance *out, struct error *e)
{
  int code, n = t->space->n;
  struct owned_trials drawn;
  struct importance *again = malloc(sizeof(*again));
  double *weights = malloc((size_t)s->resamples * (size_t)n * sizeof(*weights));
  code = owned_make(&drawn, t, e);
  if (code) goto done;
  if (!again || !weights) code = error_set(e, ERROR_MACHINE, "out of memory for %d resamples", s->resamples);
  for (int r = 0; r < s->resamples && !code; r++) {
    struct rng rng = importance_resample_rng(s, r);
    struct importance_settings settings = *s;
    owned_draw(&drawn, t, &rng);
    settings.seed = (uint64_t)rng_word(&rng) << 32;
    settings.seed |= rng_word(&rng);
    code = importance_stopped(s, e);
    if (!code) code = measure_once(method, &drawn.t, &settings, again, e);
    if (!code) memcpy(weights + (size_t)r * (size_t)n, again->weight, (size_t)n * sizeof(*weights));
  }
  if (!code) code = importance_intervals(weights, s->resamples, n, out, e);
  owned_destroy(&drawn);
done:
  free(weights);
  free(again);
  return code;
}

static int check(const struct importance_trials *t, const struct importance_settings *s, struct error *e)
{
  if (t->n < IMPORTANCE_TRIALS_MIN) {
    return error_set(e, ERROR_CONFIG, "importance is measured on at least %d complete trials; there %s %d",
                     IMPORTANCE_TRIALS_MIN, t->n == 1 ? "is" : "are", t->n);
  }
  if (t->space->n < 1) return error_set(e, ERROR_CONFIG, "there is no hyperparameter to measure the importance of");
  if (s->resamples < 0) return error_set(e, ERROR_CONFIG, "resamples = %d: must be 0 or more", s->resamples);
  if (!(s->top > 0 && s->top < 1)) return error_set(e, ERROR_CONFIG, "top = %g: must be between 0 and 1", s->top);
  if (s->neighbours < 1) return error_set(e, ERROR_CONFIG, "neighbours = %d: must be 1 or more", s->neighbours);
  if (!(s->sigma > 0)) return error_set(e, ERROR_CONFIG, "sigma = %g: must be above 0", s->sigma);
  if (!(s->alike >= 0 && s->alike < s->apart && s->apart <= 1)) {
    return error_set(e, ERROR_CONFIG, "alike = %g, apart = %g: must be 0 <= alike < apart <= 1", s->alike, s->apart);
  }
  if (s->samples < 0) return error_set(e, ERROR_CONFIG, "samples = %d: must be 0 or more", s->samples);
  if (s->trees < 1) return error_set(e, ERROR_CONFIG, "trees = %d: must be 1 or more", s->trees);
  return importance_stopped(s, e);
}

int importance_measure(const struct importance_method *method, const struct importance_trials *t,
                       const struct importance_settings *s, struct importance *out, struct error *e)
{
  struct owned_trials sorted;
  int code = check(t, s, e);
  if (!code) code = owned_sorted(&sorted, t, e);
  if (code) return code;
  code = measure_once(method, &sorted.t, s, out, e);
  if (!code) importance_rank(t->space->n, out->weight, out->rank);
  if (!code && s->resamples > 0) {
    code = method->resample && !out->flat ? method->resample(&sorted.t, s, out, e)
                                          : resample(method, &sorted.t, s, out, e);
    out->has_intervals = !code;
  }
  owned_destroy(&sorted);
  return code;
}
