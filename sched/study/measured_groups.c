/* Importance of a study's own trials, and groups from it.  See measured_groups.h. */
#include "sched/study/measured_groups.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Given trials in the first cycle. */
static int given_trials(const struct experiment *x)
{
  int n = experiment_given(x);
  return n < x->cycle_trials ? n : x->cycle_trials;
}

int warm_start_trials(const struct experiment *x)
{
  int n = (int)lround(x->warm_start * x->cycle_trials) - x->baseline, left = x->cycle_trials - given_trials(x);
  if (n < IMPORTANCE_TRIALS_MIN) n = IMPORTANCE_TRIALS_MIN;
  if (n > left - 1) n = left - 1;
  return n < 1 ? left > 0 : n;
}

void warm_start_group(const struct experiment *x, struct group *out)
{
  *out =
      (struct group){.count = given_trials(x) + warm_start_trials(x), .incumbent = -1, .is_random = true, .place = -1};
  snprintf(out->name, sizeof out->name, "%s", WARM_START_NAME);
  for (int i = 0; i < x->space.n; i++) out->free[i] = true;
  start_values(x->start, &x->space, out->current);
}

/* The complete trials, with memory of their own. */
struct complete_trials {
  struct importance_trials t;
  const double **values;
  double *value, *weight;
  struct importance *found;
};

static bool room_for(struct complete_trials *c, int n)
{
  c->values = malloc(((size_t)n + 1) * sizeof *c->values);
  c->value = malloc(((size_t)n + 1) * sizeof *c->value);
  c->weight = malloc(((size_t)n + 1) * sizeof *c->weight);
  c->found = malloc(sizeof *c->found);
  return c->values && c->value && c->weight && c->found;
}

/* Those after the first n_given, which are the user's, or the defaults, and no sample of the
 * space. */
static void take_complete(struct complete_trials *c, const struct space *space, const struct observation *history,
                          const double *weight, int n, int n_given)
{
  int m = 0;
  double sum = 0;
  for (int i = 0; i < n; i++) {
    if (history[i].state != OBSERVATION_COMPLETE || !isfinite(history[i].value)) continue;
    if (history[i].number < n_given) continue;
    c->values[m] = history[i].values;
    c->value[m] = history[i].value;
    c->weight[m] = weight ? weight[i] : 1;
    sum += c->weight[m++];
  }
  for (int i = 0; i < m; i++) c->weight[i] *= m / sum;
  c->t = (struct importance_trials){
      .space = space, .n = m, .values = c->values, .value = c->value, .weight = weight ? c->weight : NULL};
}

/* found [x->space.n].  0, or an error's code. */
static int measure(const struct experiment *x, const struct observation *history, const double *weight, int n,
                   double *found)
{
  struct complete_trials c = {0};
  struct importance_settings settings = experiment_importance(x);
  struct error e = {0};
  int code = ERROR_MACHINE;
  if (room_for(&c, n)) {
    take_complete(&c, &x->space, history, weight, n, experiment_given(x));
    code = importance_measure(importance_method_find(x->importance_method), &c.t, &settings, c.found, &e);
    if (!code) memcpy(found, c.found->weight, sizeof(double) * (size_t)x->space.n);
  }
  free(c.values);
  free(c.value);
  free(c.weight);
  free(c.found);
  return code;
}

void measured_groups(const struct experiment *x, const struct observation *history, const double *weight, int n,
                     struct groups *out)
{
  double found[SPACE_MAX] = {0};
  struct error e = {0};
  memset(out, 0, sizeof *out);
  if (measure(x, history, weight, n, found)) memset(found, 0, sizeof found);
  if (groups_from_weights(&x->space, found, &x->groups_settings, out, &e) == 0) return;
  out->n = 1; /* nothing has more than one value */
  out->ratio[0] = 1;
  snprintf(out->names[0], sizeof out->names[0], "all");
}

const struct observation *best_observation(const struct observation *history, int n)
{
  const struct observation *best = NULL;
  for (int i = 0; i < n; i++) {
    if (history[i].state != OBSERVATION_COMPLETE) continue;
    if (!best || observation_better(&history[i], best)) best = &history[i];
  }
  return best;
}
