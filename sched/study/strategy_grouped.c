/* Grouped sequential optimisation: one importance group at a time, the most important first.
 *
 * Algorithm 2 of Wang, Nabney and Golbabaee, "Grouped Sequential Optimization Strategy", CPAL 2025.
 * While a group is searched every other hyperparameter stays at the current configuration: the
 * defaults at first, or the best that earlier studies found, where it starts from those (start.h).
 * When a group ends, the configuration of its best trial becomes the current one.
 *
 * What the algorithm leaves open: trials are shared by the groups' ratio (groups_split states the
 * rounding); a group of no trials, or with nothing to search, is passed over.  The current
 * configuration, where a trial measured it, is the first observation of the next group, neither
 * trained again nor counted: so a group can end with the configuration that it started from.  A
 * group in which every trial fails leaves the configuration as it was.
 *
 * With [groups] from = auto the first trials are a warm start: random ones over the whole space, on
 * which importance is measured, and the groups are made from that.  They count, the best of them is
 * where the first group starts, and since there are such trials already, proposals learn from all
 * of the study and no group begins with random ones.
 *
 * With more than one cycle the groups are gone through again, each time with `trials` of the
 * experiment, around the best configuration so far.  From the second cycle on proposals learn from
 * all of the study, too.
 *
 * With `revisit` each group in turn gets half of its trials.  Then the sampler is asked of which
 * group it expects the largest improvement on what there is, and that one gets the next few, again
 * and again.  A cycle's trials are as many as otherwise, but the ratio decides about the first
 * halves alone. */
#include "sched/study/measured_groups.h"

#include <stdio.h>
#include <string.h>

/* The best complete observation among the trials of a group and its incumbent; NULL where none
 * completed. */
static const struct observation *best_of_group(const struct group *p, const struct observation *history, int n)
{
  const struct observation *best = NULL;
  for (int i = 0; i < n; i++) {
    bool member = (i >= p->first && i < p->first + p->count) || i == p->incumbent;
    if (!member || history[i].state != OBSERVATION_COMPLETE) continue;
    if (!best || observation_better(&history[i], best)) best = &history[i];
  }
  return best;
}

/* What a group leaves to the one after it. */
static void leave(const struct experiment *x, struct group *p, const struct observation *history, int n)
{
  const struct observation *best = best_of_group(p, history, n);
  if (best) {
    p->incumbent = best->number;
    memcpy(p->current, best->values, sizeof(double) * (size_t)x->space.n);
  }
  p->first += p->count;
}

/* Trial p->first is in this cycle, from 0. */
static int cycle_of(const struct experiment *x, const struct group *p)
{
  return p->first / x->cycle_trials;
}

/* Trials of each group in p's cycle. */
static void share_out(const struct experiment *x, const struct group *p, int *share)
{
  struct group warm = {.count = 0};
  if (experiment_groups_auto(x) && cycle_of(x, p) == 0) warm_start_group(x, &warm);
  groups_share(&p->groups, &x->space, x->cycle_trials - warm.count, share);
}

/* The group at `place` of p->groups for `count` trials.  p->index is that of the first. */
static void enter(const struct experiment *x, struct group *p, int place, int count)
{
  p->place = place;
  p->index = place + experiment_groups_auto(x);
  p->count = count;
  p->is_random = false;
  p->learns_from_all = experiment_groups_auto(x) || x->revisit || cycle_of(x, p) > 0;
  memcpy(p->name, p->groups.names[place], sizeof p->name);
  for (int i = 0; i < x->space.n; i++) p->free[i] = p->groups.of[i] == place;
}

/* The next group of the cycle that has trials, or the first of the next cycle. */
static void enter_next(const struct experiment *x, struct group *p)
{
  bool is_new_cycle = p->first % x->cycle_trials == 0;
  int share[SPACE_MAX], place = is_new_cycle ? 0 : p->place + 1;
  share_out(x, p, share);
  while (share[place] == 0) place++;
  enter(x, p, place, share[place]);
}

/* --- where the model says which group is next --- */

/* Trials that each group has had. */
static void count_trials(const struct experiment *x, const struct observation *history, int n, int *had)
{
  memset(had, 0, sizeof *had * SPACE_MAX);
  for (int i = 0; i < n; i++) {
    int place = history[i].group - experiment_groups_auto(x);
    if (place >= 0 && place < SPACE_MAX) had[place]++;
  }
}

/* The group of which most is expected; of equal ones the present one, then the first.  -1: that is
 * not known. */
static int most_expected(const struct experiment *x, const struct group *p, const int *share,
                         const struct outlook *outlook)
{
  bool free[SPACE_MAX][SPACE_MAX] = {{false}};
  double expected[SPACE_MAX];
  int place[SPACE_MAX], n = 0, best = -1;
  for (int g = 0; g < p->groups.n; g++) {
    if (share[g] == 0) continue;
    for (int i = 0; i < x->space.n; i++) free[n][i] = p->groups.of[i] == g;
    place[n++] = g;
  }
  if (!outlook || !outlook->expect(outlook->context, p->current, n, (const bool(*)[SPACE_MAX])free, expected))
    return -1;
  for (int k = 0; k < n; k++) {
    bool better = best < 0 || expected[k] > expected[best];
    if (better || (place[k] == p->place && expected[k] == expected[best])) best = k;
  }
  return place[best];
}

/* Nobody knows: the present group while it has trials, then the next one that has. */
static int in_turn(const struct experiment *x, const struct group *p, const int *share, const int *had)
{
  int times = cycle_of(x, p) + 1, at = p->place < 0 ? 0 : p->place;
  for (int k = 0; k < p->groups.n; k++) {
    int g = (at + k) % p->groups.n;
    if (had[g] < share[g] * times) return g;
  }
  return at;
}

/* The first group that has not begun; -1: all have. */
static int not_begun(const struct group *p, const int *share, const int *had)
{
  for (int g = 0; g < p->groups.n; g++)
    if (share[g] > 0 && had[g] == 0) return g;
  return -1;
}

/* Each group begins, in turn, with half of its trials: of what has never been varied a model can
 * say nothing.  Then, and after each [experiment] revisit_trials, it says. */
static void enter_expected(const struct experiment *x, struct group *p, const struct observation *history, int n,
                           const struct outlook *outlook)
{
  int share[SPACE_MAX], had[SPACE_MAX], left = x->cycle_trials - p->first % x->cycle_trials;
  share_out(x, p, share);
  count_trials(x, history, n, had);
  int place = not_begun(p, share, had), count = x->revisit_trials;
  if (place >= 0) {
    count = (share[place] + 1) / 2;
  } else {
    place = most_expected(x, p, share, outlook);
    if (place < 0) place = in_turn(x, p, share, had);
  }
  enter(x, p, place, count < left ? count : left);
}

static int next_group(const struct experiment *x, const struct group *last, const struct observation *history, int n,
                      const struct outlook *outlook, struct group *next)
{
  bool measures = experiment_groups_auto(x);
  struct group p = {.incumbent = -1, .place = -1};
  if (!last && measures) {
    warm_start_group(x, next);
    next->learns_from_all = true;
    return 0;
  }
  if (last) {
    p = *last;
    leave(x, &p, history, n);
  } else {
    p.groups = x->groups;
    start_values(x->start, &x->space, p.current);
  }
  if (p.first >= x->trials) return 1;
  if (measures && last->is_random) measured_groups(x, history, NULL, n, &p.groups);
  if (p.groups.n == 0) return 1;
  if (x->revisit)
    enter_expected(x, &p, history, n, outlook);
  else
    enter_next(x, &p);
  *next = p;
  return 0;
}

/* As many as the groups can be; which hyperparameters they hold, the trials say. */
static int group_names(const struct experiment *x, char names[SPACE_MAX][SPACE_NAME_MAX])
{
  struct groups made = x->groups;
  int first = 0;
  if (experiment_groups_auto(x)) {
    measured_groups(x, NULL, NULL, 0, &made);
    snprintf(names[first++], SPACE_NAME_MAX, "%s", WARM_START_NAME);
  }
  if (made.n > SPACE_MAX - first) made.n = SPACE_MAX - first;
  memcpy(names + first, made.names, (size_t)made.n * sizeof names[0]);
  return first + made.n;
}

const struct strategy strategy_grouped = {
    .name = "grouped",
    .summary = "one importance group at a time, the most important first",
    .next_group = next_group,
    .group_names = group_names,
    .more_cycles_extend = true,
};
