/* The table of samplers, the order of best, and what samplers share: random draws that are feasible
 * and new.
 *
 * Every draw is a word of the trial's own Philox subsequence, in the order in which it is asked
 * for, so a proposal depends on its request alone.  Random draws are tried first, since almost
 * always one of the first few is feasible and new; a space in which a thousand are not is walked
 * instead (see sampler_common.h). */
#include "host/samplers/sampler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/samplers/sampler_common.h"

#define DECLARED(name) extern const struct sampler sampler_##name;
#define ADDRESS(name) &sampler_##name,
SAMPLERS(DECLARED)
const struct sampler *const samplers[] = {SAMPLERS(ADDRESS) NULL};
const char *const sampler_names[] = {SAMPLERS(NAME_WORD) NULL};

const struct sampler *sampler_find(const char *name)
{
  for (int i = 0; samplers[i]; i++) {
    if (!strcmp(samplers[i]->name, name)) return samplers[i];
  }
  return NULL;
}

/* A value that is no number is worse than any, and a loss that is none than any other: the order
 * stays total. */
bool observation_better(const struct observation *a, const struct observation *b)
{
  if (isnan(a->value) != isnan(b->value)) return isnan(b->value);
  if (a->value > b->value) return true;
  if (a->value < b->value) return false;
  if (isnan(a->loss) != isnan(b->loss)) return isnan(b->loss);
  if (a->loss < b->loss) return true;
  if (a->loss > b->loss) return false;
  return a->number < b->number;
}

bool sampler_sees_as_told(const struct sampler_settings *settings)
{
  return settings->history == HISTORY_ALL;
}

bool sampler_always_blind(const struct sampler_request *request)
{
  (void)request;
  return true;
}

bool sampler_feasible(const struct sampler_request *request, const double *values)
{
  return !request->feasible || request->feasible(request->feasible_context, values);
}

int sampler_nothing_feasible(const struct sampler_request *request, struct error *e)
{
  char free_names[400] = "";
  size_t used = 0;
  for (int i = 0; i < request->space->n && used + SPACE_NAME_MAX + 8 < sizeof(free_names); i++) {
    if (!request->free[i]) continue;
    if (used) used += (size_t)sprintf(free_names + used, ", ");
    used += (size_t)sprintf(free_names + used, "%.*s", SPACE_NAME_MAX - 1, request->space->params[i].name);
  }
  if (!used) {
    return error_set(e, ERROR_CONFIG,
                     "the configuration is infeasible and no hyperparameter is free: change the defaults "
                     "in [space]");
  }
  return error_set(
      e, ERROR_CONFIG,
      "no feasible configuration was found among the values of %s with the others as they are: widen their "
      "ranges or change the other defaults in [space]",
      free_names);
}

/* --- which configurations there are already --- */

static uint64_t hash_values(const double *values, int n)
{
  uint64_t h = 0x9E3779B97F4A7C15ull;
  for (int i = 0; i < n; i++) {
    double v = values[i] + 0.0; /* -0 and 0 are one value */
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    h = (h ^ bits) * 0xD6E8FEB86659FD93ull;
    h ^= h >> 32;
  }
  return h;
}

int seen_make(struct seen *s, const struct sampler_request *request, struct error *e)
{
  uint32_t size = 16;
  while (size < 2 * (uint64_t)request->n_history && size < 1u << 31) size *= 2;
  s->request = request;
  s->mask = size - 1;
  s->slots = calloc(size, sizeof(*s->slots));
  if (!s->slots) return error_set(e, ERROR_MACHINE, "out of memory for a history of %d trials", request->n_history);
  int n = request->space->n;
  for (int i = 0; i < request->n_history; i++) {
    const double *values = request->history[i].values;
    uint32_t at = (uint32_t)hash_values(values, n) & s->mask;
    while (s->slots[at] &&
           memcmp(request->history[s->slots[at] - 1].values, values, (size_t)n * sizeof(*values)) != 0) {
      at = (at + 1) & s->mask;
    }
    if (!s->slots[at]) s->slots[at] = (uint32_t)i + 1;
  }
  return 0;
}

bool seen_has(const struct seen *s, const double *values)
{
  int n = s->request->space->n;
  for (uint32_t at = (uint32_t)hash_values(values, n) & s->mask; s->slots[at]; at = (at + 1) & s->mask) {
    const double *old = s->request->history[s->slots[at] - 1].values;
    int i = 0;
    while (i < n && old[i] == values[i]) i++;
    if (i == n) return true;
  }
  return false;
}

void seen_destroy(struct seen *s)
{
  free(s->slots);
  s->slots = NULL;
}

/* --- uniform draws --- */

static double draw_uniform(const struct param *p, struct rng *rng)
{
  return param_from_unit(p, rng_uniform(rng)) + 0.0; /* never -0 */
}

void sampler_draw_uniform(const struct sampler_request *request, struct rng *rng, double *values)
{
  for (int i = 0; i < request->space->n; i++) {
    values[i] = request->free[i] ? draw_uniform(&request->space->params[i], rng) : request->fixed[i];
  }
}

/* --- the walk --- */

static bool is_discrete(const struct param *p)
{
  return p->type != PARAM_FLOAT || p->low == p->high;
}

static uint64_t choices(const struct param *p)
{
  return (uint64_t)(p->high - p->low) + 1;
}

void discrete_walk_start(struct discrete_walk *w, const struct sampler_request *request, struct rng *rng)
{
  *w = (struct discrete_walk){.request = request, .rng = rng, .combinations = 1};
  bool floats = false;
  for (int i = 0; i < request->space->n; i++) {
    const struct param *p = &request->space->params[i];
    if (!request->free[i]) continue;
    if (!is_discrete(p)) {
      floats = true;
    } else if (w->combinations > (uint64_t)INT64_MAX / choices(p)) {
      w->combinations = (uint64_t)INT64_MAX;
    } else {
      w->combinations *= choices(p);
    }
  }
  w->permuted = w->combinations <= UINT32_MAX;
  if (w->permuted) {
    w->permutation =
        philox_permutation_make(request->key, philox_subsequence(PHILOX_SAMPLER, 1, 0), (uint32_t)w->combinations);
  }
  w->limit = SAMPLER_WALK;
  if (!floats && w->combinations < w->limit) w->limit = w->combinations;
}

bool discrete_walk_next(struct discrete_walk *w, double *values)
{
  if (w->place == w->limit) return false;
  uint64_t rest = 0;
  if (w->permuted) rest = philox_permutation_at(&w->permutation, (uint32_t)(w->place % w->combinations));
  w->place++;
  for (int i = 0; i < w->request->space->n; i++) {
    const struct param *p = &w->request->space->params[i];
    if (!w->request->free[i]) {
      values[i] = w->request->fixed[i];
    } else if (!w->permuted || !is_discrete(p)) {
      values[i] = draw_uniform(p, w->rng);
    } else {
      values[i] = p->low + (double)(rest % choices(p));
      rest /= choices(p);
    }
  }
  return true;
}

/* --- random, feasible, new --- */

int sampler_draw_random(const struct sampler_request *request, struct rng *rng, double *values, struct error *e)
{
  int n = request->space->n, result;
  struct seen seen = {0};
  struct discrete_walk walk;
  double repeat[SPACE_MAX];
  bool has_repeat = false;
  result = seen_make(&seen, request, e);
  if (result) goto done;
  for (int draw = 0; draw < SAMPLER_DRAWS; draw++) {
    sampler_draw_uniform(request, rng, values);
    if (!sampler_feasible(request, values)) continue;
    if (!seen_has(&seen, values)) goto done;
    if (!has_repeat) memcpy(repeat, values, (size_t)n * sizeof(*values));
    has_repeat = true;
  }
  discrete_walk_start(&walk, request, rng);
  while (discrete_walk_next(&walk, values)) {
    if (!sampler_feasible(request, values)) continue;
    if (!seen_has(&seen, values)) goto done;
    if (!has_repeat) memcpy(repeat, values, (size_t)n * sizeof(*values));
    has_repeat = true;
  }
  if (has_repeat) {
    memcpy(values, repeat, (size_t)n * sizeof(*values)); /* everything has been tried */
  } else {
    result = sampler_nothing_feasible(request, e);
  }
done:
  seen_destroy(&seen);
  return result;
}
