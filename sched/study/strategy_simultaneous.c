/* The usual way, and the paper's control: one group in which every hyperparameter is free. */
#include "sched/study/strategy.h"

#include <stdio.h>

static int next_group(const struct experiment *x, const struct group *last, const struct observation *history, int n,
                      const struct outlook *outlook, struct group *next)
{
  (void)history, (void)n, (void)outlook;
  if (last) return 1;
  *next = (struct group){.index = 0, .first = 0, .count = x->trials, .incumbent = -1};
  snprintf(next->name, sizeof next->name, "all");
  for (int i = 0; i < x->space.n; i++) next->free[i] = true;
  start_values(x->start, &x->space, next->current);
  return 0;
}

static int group_names(const struct experiment *x, char names[SPACE_MAX][SPACE_NAME_MAX])
{
  (void)x;
  snprintf(names[0], sizeof names[0], "all");
  return 1;
}

const struct strategy strategy_simultaneous = {
    .name = "simultaneous",
    .summary = "all hyperparameters at once",
    .next_group = next_group,
    .group_names = group_names,
    .more_trials_extend = true,
    .more_cycles_extend = true,
};
