/* Which part of a space is infeasible, and its largest configurations, from the objective's cost
 * alone.
 *
 * Dependence: from many configurations (the defaults, the corners, the largest, random ones) one
 * hyperparameter is changed at a time.  Where that makes a feasible one infeasible or back,
 * feasibility depends on it.  If those are discrete and have few combinations, each is counted,
 * twice, with the others at their defaults and at random: where the two differ something was
 * overlooked, and random configurations are counted instead, as for a space that is too large or
 * has floats among them.
 *
 * The largest: coordinate ascent from the best of random configurations, several times. */
#include "sched/commands/space_probe.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/philox.h"
#include "host/base/rng.h"
#include "host/base/text_escape.h"

enum {
  BASES = 128,            /* random configurations around which each hyperparameter is changed */
  VALUES_EACH = 16,       /* values of a hyperparameter that are tried there */
  COMBINATIONS = 1 << 17, /* counted one by one */
  RANDOM_COUNTED = 20000, /* otherwise */
  ASCENTS = 16,           /* for the largest */
  ASCENT_DRAWS = 64,      /* random configurations before each ascent */
  ASCENT_VALUES = 64      /* values of a hyperparameter that are tried in a step */
};

/* A space and its objective, as all of this walks them. */
struct walk {
  struct objective *o;
  const struct experiment *x;
  const struct space *space;
  const volatile int *stop;
  struct error *e;
  struct rng rng;
};

static struct walk walk_start(struct objective *o, const struct experiment *x, const volatile int *stop,
                              struct error *e, int number)
{
  uint64_t key = philox_trial_key(x->seed, 0, 0);
  return (struct walk){o, x, &x->space, stop, e, rng_make(key, philox_subsequence(PHILOX_SAMPLER, 255, number))};
}

static int cost_of(const struct walk *w, const double *values, struct objective_cost *cost)
{
  if (w->stop && *w->stop) return error_set(w->e, ERROR_INTERRUPTED, "interrupted");
  return w->o->cost(w->o, values, cost, w->e);
}

static void draw(struct walk *w, double *values)
{
  for (int i = 0; i < w->space->n; i++) values[i] = param_from_unit(&w->space->params[i], rng_uniform(&w->rng)) + 0.0;
}

/* Number of values that are tried of p, at most `max`; value number k, from low to high. */
static int values_tried(const struct param *p, int max)
{
  int64_t count = param_count(p);
  return count > 0 && count < max ? (int)count : max;
}

static double value_tried(const struct param *p, int k, int n)
{
  if (n == 1 || k == 0) return p->low;
  if (k == n - 1) return p->high;
  if (param_count(p) == n) return p->low + k;
  return param_from_unit(p, (k + 0.5) / n);
}

/* ---- the largest ----------------------------------------------------------------------------- */

enum size_kind { SIZE_BYTES, SIZE_FLOPS };

static bool larger(enum size_kind kind, const struct objective_cost *a, const struct objective_cost *b)
{
  if (kind == SIZE_FLOPS && a->flops != b->flops) return a->flops > b->flops;
  int64_t a_bytes = a->bytes + a->device_bytes, b_bytes = b->bytes + b->device_bytes;
  if (a_bytes != b_bytes) return a_bytes > b_bytes;
  return a->flops > b->flops;
}

/* One climb: a start, then one hyperparameter at a time to the value that makes it largest, until
 * none does.  What makes no difference goes back to its default.  any: infeasible ones count,
 * too. */
static int climb(struct walk *w, enum size_kind kind, bool any, double *best, struct objective_cost *best_cost,
                 bool *found)
{
  struct objective_cost cost;
  double values[SPACE_MAX];
  *found = false;
  for (int i = 0; i < ASCENT_DRAWS; i++) {
    draw(w, values);
    if (cost_of(w, values, &cost)) return w->e->code;
    if ((!any && !cost.feasible) || (*found && !larger(kind, &cost, best_cost))) continue;
    memcpy(best, values, sizeof values);
    *best_cost = cost;
    *found = true;
  }
  for (bool changed = *found; changed;) {
    changed = false;
    for (int i = 0; i < w->space->n; i++) {
      const struct param *p = &w->space->params[i];
      int n = values_tried(p, ASCENT_VALUES);
      for (int k = 0; k <= n; k++) {
        memcpy(values, best, sizeof values);
        values[i] = k < n ? value_tried(p, k, n) : p->default_value;
        if (values[i] == best[i]) continue;
        if (cost_of(w, values, &cost)) return w->e->code;
        if (!any && !cost.feasible) continue;
        bool grows = larger(kind, &cost, best_cost);
        if (!grows && (k < n || larger(kind, best_cost, &cost))) continue;
        memcpy(best, values, sizeof values);
        *best_cost = cost;
        changed |= grows;
      }
    }
  }
  return 0;
}

int largest_find(struct objective *o, const struct experiment *x, bool by_flops, const volatile int *stop,
                 double *values, bool *found, struct error *e)
{
  struct walk w = walk_start(o, x, stop, e, by_flops ? 1 : 2);
  enum size_kind kind = by_flops ? SIZE_FLOPS : SIZE_BYTES;
  struct objective_cost cost, best_cost = {0};
  *found = false;
  for (int i = 0; i < ASCENTS; i++) {
    double candidate[SPACE_MAX];
    bool candidate_found;
    if (climb(&w, kind, false, candidate, &cost, &candidate_found)) return e->code;
    if (!candidate_found || (*found && !larger(kind, &cost, &best_cost))) continue;
    memcpy(values, candidate, (size_t)w.space->n * sizeof *values);
    best_cost = cost;
    *found = true;
  }
  return 0;
}

/* ---- what feasibility depends on ------------------------------------------------------------- */

/* Changes one hyperparameter at a time. */
static int change_each(struct walk *w, double *values, bool *depends)
{
  struct objective_cost cost;
  if (cost_of(w, values, &cost)) return w->e->code;
  bool feasible = cost.feasible;
  for (int i = 0; i < w->space->n; i++) {
    double own = values[i];
    int n = values_tried(&w->space->params[i], VALUES_EACH);
    for (int k = 0; k < n && !depends[i]; k++) {
      values[i] = value_tried(&w->space->params[i], k, n);
      if (cost_of(w, values, &cost)) return w->e->code;
      depends[i] = cost.feasible != feasible;
    }
    values[i] = own;
  }
  return 0;
}

static int find_dependence(struct walk *w, bool *depends)
{
  double values[SPACE_MAX];
  struct objective_cost cost;
  bool found;
  space_defaults(w->space, values);
  if (change_each(w, values, depends)) return w->e->code;
  for (int high = 0; high < 2; high++) {
    for (int i = 0; i < w->space->n; i++) values[i] = high ? w->space->params[i].high : w->space->params[i].low;
    if (change_each(w, values, depends)) return w->e->code;
  }
  if (climb(w, SIZE_BYTES, true, values, &cost, &found) || (found && change_each(w, values, depends)))
    return w->e->code;
  for (int i = 0; i < BASES; i++) {
    draw(w, values);
    if (change_each(w, values, depends)) return w->e->code;
  }
  return 0;
}

/* ---- counting -------------------------------------------------------------------------------- */

/* Reasons that differ in their numbers alone are of one kind; a last one gathers what is beyond. */
static void count_reason(struct feasibility *f, const char *reason)
{
  char text[sizeof f->reasons[0].text];
  size_t used = 0;
  for (const char *c = reason; *c && used + 1 < sizeof text; c++) {
    if (!isdigit((unsigned char)*c)) text[used++] = *c;
  }
  text[used] = 0;
  int k = 0;
  while (k < f->n_reasons && strcmp(f->reasons[k].text, text) != 0) k++;
  if (k == FEASIBILITY_REASONS_MAX) k--;
  if (k == f->n_reasons) {
    f->n_reasons++;
    f->reasons[k].count = 0;
    strcpy(f->reasons[k].text, text);
    text_format(f->reasons[k].example, sizeof f->reasons[k].example, "%s", reason);
  }
  f->reasons[k].count++;
}

static void start_count(struct feasibility *f)
{
  f->tried = f->infeasible = 0;
  f->n_reasons = 0;
}

static void count(struct feasibility *f, const struct objective_cost *cost)
{
  f->tried++;
  if (cost->feasible) return;
  f->infeasible++;
  count_reason(f, cost->reason);
}

/* Combinations of what feasibility depends on; 0: too many, or floats. */
static int64_t combinations(const struct feasibility *f, const struct space *s)
{
  int64_t n = 1;
  for (int i = 0; i < s->n; i++) {
    int64_t each = param_count(&s->params[i]);
    if (!f->depends[i]) continue;
    if (each == 0 || each > COMBINATIONS / n) return 0;
    n *= each;
  }
  return n;
}

/* *whole: false where the count does not stand for all values of the others. */
static int count_combinations(struct feasibility *f, struct walk *w, int64_t n, bool *whole)
{
  double values[SPACE_MAX], others[SPACE_MAX];
  struct objective_cost cost, again;
  *whole = true;
  start_count(f);
  for (int64_t c = 0; c < n && *whole; c++) {
    int64_t rest = c;
    space_defaults(w->space, values);
    draw(w, others);
    for (int i = w->space->n - 1; i >= 0; i--) {
      if (!f->depends[i]) continue;
      int64_t each = param_count(&w->space->params[i]);
      values[i] = others[i] = w->space->params[i].low + (double)(rest % each);
      rest /= each;
    }
    if (cost_of(w, values, &cost) || cost_of(w, others, &again)) return w->e->code;
    *whole = cost.feasible == again.feasible;
    count(f, &cost);
  }
  return 0;
}

int feasibility_find(struct feasibility *f, struct objective *o, const struct experiment *x, const volatile int *stop,
                     struct error *e)
{
  struct walk w = walk_start(o, x, stop, e, 0);
  double values[SPACE_MAX];
  struct objective_cost cost;
  memset(f, 0, sizeof *f);
  if (find_dependence(&w, f->depends)) return e->code;
  for (int i = 0; i < w.space->n; i++) f->n_depends += f->depends[i];
  int64_t n = f->n_depends ? combinations(f, w.space) : 0;
  if (n && count_combinations(f, &w, n, &f->exact)) return e->code;
  if (f->exact) return 0;
  start_count(f);
  for (int i = 0; i < RANDOM_COUNTED; i++) {
    draw(&w, values);
    if (cost_of(&w, values, &cost)) return e->code;
    count(f, &cost);
  }
  return 0;
}
