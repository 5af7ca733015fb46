/* Grouped sequential optimisation: one importance group at a time, the most important first.
 *
 * Algorithm 2 of Wang, Nabney and Golbabaee, "Grouped Sequential Optimization Strategy", CPAL 2025.  While a group is searched
 * every other hyperparameter stays at the current configuration: the defaults at first.  When a group ends, the configuration of
 * its best trial becomes the current one.
 *
 * What the algorithm leaves open: trials are shared by the groups' ratio (groups_split states the rounding); a group of no trials is
 * passed over.  The current configuration, where a trial measured it, is the first observation of the next group, neither trained
 * again nor counted: so a group can end with the configuration that it started from.  A group in which every trial fails leaves the
 * configuration as it was. */
#include "strategy.h"

#include <stdio.h>
#include <string.h>

/* The best complete observation among the trials of a phase and its incumbent; NULL where none completed. */
static const struct observation *best_of_phase(const struct phase *p, const struct observation *history, int n)
{
  const struct observation *best = NULL;
  for (int i = 0; i < n; i++) {
    bool member = (i >= p->first && i < p->first + p->count) || i == p->incumbent;
    if (!member || history[i].state != OBSERVATION_COMPLETE) continue;
    if (!best || observation_better(&history[i], best)) best = &history[i];
  }
  return best;
}

static int next_phase(const struct experiment *x, const struct phase *last, const struct observation *history, int n,
                      struct phase *next)
{
  int share[SPACE_MAX];
  groups_split(&x->groups, x->trials, share);
  struct phase p = {.index = 0, .first = 0, .incumbent = -1};
  if (last) {
    p = *last;
    const struct observation *best = best_of_phase(last, history, n);
    if (best) {
      p.incumbent = best->number;
      memcpy(p.current, best->values, sizeof(double) * (size_t)x->space.n);
    }
    p.index = last->index + 1;
    p.first = last->first + last->count;
  } else {
    space_defaults(&x->space, p.current);
  }
  while (p.index < x->groups.n && share[p.index] == 0) p.index++;
  if (p.index >= x->groups.n) return 1;
  p.count = share[p.index];
  snprintf(p.name, sizeof p.name, "%s", x->groups.names[p.index]);
  for (int i = 0; i < x->space.n; i++) p.free[i] = x->groups.of[i] == p.index;
  *next = p;
  return 0;
}

static int phase_names(const struct experiment *x, char names[SPACE_MAX][SPACE_NAME_MAX])
{
  memcpy(names, x->groups.names, (size_t)x->groups.n * sizeof names[0]);
  return x->groups.n;
}

const struct strategy strategy_grouped = {
    .name = "grouped",
    .summary = "one importance group at a time, the most important first",
    .next_phase = next_phase,
    .phase_names = phase_names,
};
