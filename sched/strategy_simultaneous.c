/* The usual way, and the paper's control: one phase in which every hyperparameter is free. */
#include "strategy.h"

#include <stdio.h>

static int next_phase(const struct experiment *x, const struct phase *last, const struct observation *history, int n,
                      struct phase *next)
{
  (void)history, (void)n;
  if (last) return 1;
  *next = (struct phase){.index = 0, .first = 0, .count = x->trials, .incumbent = -1};
  snprintf(next->name, sizeof next->name, "all");
  for (int i = 0; i < x->space.n; i++) next->free[i] = true;
  space_defaults(&x->space, next->current);
  return 0;
}

static int phase_names(const struct experiment *x, char names[SPACE_MAX][SPACE_NAME_MAX])
{
  (void)x;
  snprintf(names[0], sizeof names[0], "all");
  return 1;
}

const struct strategy strategy_simultaneous = {
    .name = "simultaneous",
    .summary = "all hyperparameters at once",
    .next_phase = next_phase,
    .phase_names = phase_names,
    .more_trials_extend = true,
};
