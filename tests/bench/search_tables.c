/* Recorded tables that samplers are compared on.  See search_tables.h. */
#include "tests/bench/search_tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/rng.h"

enum { REFERENCE_DRAWS = 8192, WALKS = 24, STEPS = 1000, CURVE_MAX = 64 };

static const char *const tables[SEARCH_FORMS][SEARCH_TABLES_MAX] = {
    [SEARCH_DEV] = {"mnist"}, [SEARCH_BENCH] = {"ahe32", "flowers32"}};

int search_tables_count(enum search_form form)
{
  int n = 0;
  while (n < SEARCH_TABLES_MAX && tables[form][n]) n++;
  return n;
}

const char *search_table_name(int index, enum search_form form)
{
  return tables[form][index];
}

/* Larger is better, whatever was recorded. */
static double value_of(const struct search_table *t, const double *values)
{
  double curve[CURVE_MAX];
  struct error e;
  int epochs = t->table.epochs;
  if (t->table.curves && t->table.epoch >= 0) epochs = (int)values[t->table.epoch];
  if (surrogate_curve(t->surrogate, values, epochs, curve, &e)) {
    fprintf(stderr, "%s: %s\n", t->name, e.message);
    exit(1);
  }
  return t->table.maximize ? curve[epochs - 1] : -curve[epochs - 1];
}

/* Another value of one hyperparameter: anywhere, or near where it is. */
static void step_one(const struct space *space, double *values, struct rng *rng)
{
  const struct param *p = &space->params[rng_below(rng, (uint32_t)space->n)];
  double *value = &values[p - space->params], draw = rng_uniform(rng);
  bool anywhere = p->type == PARAM_CATEGORICAL || rng_word(rng) & 1;
  double unit = anywhere ? draw : param_to_unit(p, *value) + 0.1 * (draw - 0.5);
  *value = param_from_unit(p, fmin(fmax(unit, 0), 0x1.fffffffffffffp-1)) + 0.0;
}

struct place {
  double value, values[SPACE_MAX];
};

/* The best of many random configurations and of walks from the best of these. */
static double reference(const struct search_table *t)
{
  const struct space *space = &t->table.space;
  struct rng rng = rng_make(0x5EA2C4, philox_subsequence(PHILOX_TEST, 3, 0));
  struct place best[WALKS], next;
  double found = -INFINITY;
  for (int k = 0; k < WALKS; k++) best[k].value = -INFINITY;
  for (int k = 0; k < REFERENCE_DRAWS; k++) {
    for (int i = 0; i < space->n; i++) next.values[i] = param_from_unit(&space->params[i], rng_uniform(&rng)) + 0.0;
    next.value = value_of(t, next.values);
    for (int at = 0; at < WALKS; at++) {
      if (!(next.value > best[at].value)) continue;
      struct place pushed = best[at];
      best[at] = next;
      next = pushed;
    }
  }
  for (int k = 0; k < WALKS; k++) {
    for (int s = 0; s < STEPS; s++) {
      next = best[k];
      step_one(space, next.values, &rng);
      if (rng_word(&rng) & 1) step_one(space, next.values, &rng);
      next.value = value_of(t, next.values);
      if (next.value > best[k].value) best[k] = next;
    }
    found = fmax(found, best[k].value);
  }
  return found;
}

int search_table_make(struct search_table *t, const char *folder, int index, enum search_form form, struct error *e)
{
  char path[600];
  *t = (struct search_table){.name = tables[form][index]};
  snprintf(path, sizeof(path), "%s/%s.db.gz", folder, t->name);
  int code = table_read(&t->table, path, "", e);
  if (!code && t->table.epochs > CURVE_MAX)
    code = error_set(e, ERROR_FAILED, "%s: curves of more than %d epochs", path, CURVE_MAX);
  if (!code) code = surrogate_fit(&t->surrogate, &t->table, e);
  if (code)
    search_table_destroy(t);
  else
    t->best = reference(t);
  return code;
}

void search_table_destroy(struct search_table *t)
{
  surrogate_destroy(t->surrogate);
  table_destroy(&t->table);
  *t = (struct search_table){0};
}

double search_table_regret(const struct search_table *t, const double *values)
{
  return fmax(t->best - value_of(t, values), 0);
}
