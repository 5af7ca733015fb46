/* Greedy importance first: sweeps of groups, with importance measured again before each.
 *
 * After "Greedy Importance First", arXiv 2606.10068, 2026, by the authors of the grouped strategy,
 * who call a sweep a round.  A warm start, random over the whole space, is measured, and its
 * weights make groups.  A sweep goes through the groups, with trials by their ratio; whatever is
 * outside of a group stands at the best configuration of all so far.  Before the next sweep
 * importance is measured again on all trials, and the groups are made anew.  Where a sweep found
 * nothing better, the next one is on the full space.  Proposals learn from all trials of the
 * study.
 *
 * Trials of a group vary its members alone, so they tell of these and of no other hyperparameter,
 * and the heavier a group was, the more of them there are: measured as they are, what looked
 * important looks more so each time.  So all trials of first groups together count as much as all
 * of second ones, and so on, however many they are; those of the warm start and of full sweeps
 * count 1 each. */
#include "sched/study/measured_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* group_names: the warm start, then for each sweep its groups and, last, the full space; where
 * there are more sweeps than names, the sweeps share those of one. */
static int names_of_sweep(const struct experiment *x)
{
  return (x->groups_settings.n < x->space.n ? x->groups_settings.n : x->space.n) + 1;
}

static int sweeps_named(const struct experiment *x)
{
  struct group warm;
  warm_start_group(x, &warm);
  int each = names_of_sweep(x), after = x->trials - warm.count;
  int sweeps = after / x->sweep_trials + (after % x->sweep_trials > 0);
  return sweeps <= (SPACE_MAX - 1) / each ? sweeps : 1;
}

/* The index of the group at `place` of a sweep; the full space stands behind the last group. */
static int index_of(const struct experiment *x, int sweep, int place)
{
  return 1 + (sweeps_named(x) > 1 ? (sweep - 1) * names_of_sweep(x) : 0) + place;
}

/* The place within its sweep of the group that has this index; -1: not of a group. */
static int place_of(const struct experiment *x, int index)
{
  int place = index > 0 ? (index - 1) % names_of_sweep(x) : -1;
  return place < names_of_sweep(x) - 1 ? place : -1;
}

/* How much each trial counts, as the comment above has it.  weight [n] */
static void weigh(const struct experiment *x, const struct observation *history, int n, double *weight)
{
  int count[SPACE_MAX] = {0}, places = 0, concentrated = 0;
  for (int i = 0; i < n; i++) {
    int place = place_of(x, history[i].group);
    if (place < 0) continue;
    places += count[place]++ == 0;
    concentrated++;
  }
  for (int i = 0; i < n; i++) {
    int place = place_of(x, history[i].group);
    weight[i] = place < 0 ? 1 : (double)concentrated / places / count[place];
  }
}

/* Groups by all trials so far. */
static void measure(const struct experiment *x, const struct observation *history, int n, struct groups *out)
{
  double *weight = malloc(((size_t)n + 1) * sizeof *weight);
  if (weight) weigh(x, history, n, weight);
  measured_groups(x, history, weight, n, out);
  free(weight);
}

/* Trials of the sweep that begins at trial `first`; what would be left for half a sweep or less is
 * taken along. */
static int trials_of_sweep(const struct experiment *x, int first)
{
  int left = x->trials - first, n = x->sweep_trials;
  return left - n <= n / 2 ? left : n;
}

/* The first group of p's sweep at `place` or after it that has trials; 1 where none has. */
static int enter(const struct experiment *x, struct group *p, int place)
{
  int share[SPACE_MAX];
  groups_share(&p->groups, &x->space, trials_of_sweep(x, p->sweep_first), share);
  while (place < p->groups.n && share[place] == 0) place++;
  if (place >= p->groups.n) return 1;
  p->place = place;
  p->count = share[place];
  p->index = index_of(x, p->sweep, place);
  memcpy(p->name, p->groups.names[place], sizeof p->name);
  for (int i = 0; i < x->space.n; i++) p->free[i] = p->groups.of[i] == place;
  return 0;
}

static void enter_full(const struct experiment *x, struct group *p)
{
  p->place = -1;
  p->count = trials_of_sweep(x, p->sweep_first);
  p->index = index_of(x, p->sweep, names_of_sweep(x) - 1);
  snprintf(p->name, sizeof p->name, "full");
  for (int i = 0; i < x->space.n; i++) p->free[i] = true;
}

static int next_group(const struct experiment *x, const struct group *last, const struct observation *history, int n,
                      const struct outlook *outlook, struct group *next)
{
  (void)outlook;
  if (!last) {
    warm_start_group(x, next);
    next->learns_from_all = true;
    return 0;
  }
  struct group p = *last;
  const struct observation *best = best_observation(history, n);
  bool was_full = last->place < 0 && !last->is_random;
  p.first = last->first + last->count;
  p.is_random = false;
  if (best) {
    p.incumbent = best->number;
    memcpy(p.current, best->values, sizeof(double) * (size_t)x->space.n);
  }
  if (last->place < 0 || enter(x, &p, last->place + 1)) {
    if (p.first >= x->trials) return 1;
    bool better = last->sweep == 0 || (best && best->number >= last->sweep_first);
    p.sweep++;
    p.sweep_first = p.first;
    measure(x, history, n, &p.groups);
    if ((!better && !was_full) || enter(x, &p, 0)) enter_full(x, &p);
  }
  *next = p;
  return 0;
}

static int group_names(const struct experiment *x, char names[SPACE_MAX][SPACE_NAME_MAX])
{
  int n = 1, each = names_of_sweep(x), sweeps = sweeps_named(x);
  snprintf(names[0], SPACE_NAME_MAX, "%s", WARM_START_NAME);
  for (int i = 0; i < sweeps * each && n < SPACE_MAX; i++, n++) {
    char group[SPACE_NAME_MAX] = "full";
    if (i % each < each - 1) snprintf(group, sizeof group, "group%d", i % each + 1);
    if (sweeps > 1)
      snprintf(names[n], SPACE_NAME_MAX, "sweep%d_%s", i / each + 1, group);
    else
      snprintf(names[n], SPACE_NAME_MAX, "%s", group);
  }
  return n;
}

const struct strategy strategy_greedy = {
    .name = "greedy",
    .summary = "sweeps of groups, by importance measured again before each",
    .next_group = next_group,
    .group_names = group_names,
};
