/* Hyperparameters sorted by weight, and where their list is cut.  See groups_from_weights.h. */
#include "host/importance/groups_from_weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct groups_settings groups_settings_default(void)
{
  return (struct groups_settings){.rule = GROUPS_BY_SHARE, .n = 3, .ratio_by_weight = true};
}

/* What is searched, by weight: order [s->n], the heaviest first.  Returns how many. */
static int sort_by_weight(const struct space *s, const double *weight, int *order)
{
  int n = 0;
  for (int i = 0; i < s->n; i++) {
    if (param_count(&s->params[i]) == 1) continue;
    int at = n++;
    for (; at > 0 && weight[i] > weight[order[at - 1]]; at--) order[at] = order[at - 1];
    order[at] = i;
  }
  return n;
}

/* ends[g]: how many of the sorted stand in groups 0 ... g.  Each group has a member. */
static void cut_by_share(const double *sorted, int n, int groups, int *ends)
{
  double sum = 0, total = 0;
  int at = 0;
  for (int i = 0; i < n; i++) total += sorted[i];
  for (int g = 0; g < groups - 1; g++) {
    double until = (1 - pow(0.1, (g + 1.0) / (groups - 1))) * total * (1 - 1e-12); /* sums are rounded */
    do sum += sorted[at++];
    while (sum < until && at < n - (groups - 1 - g));
    ends[g] = at;
  }
  ends[groups - 1] = n;
}

static void cut_by_gap(const double *sorted, int n, int groups, int *ends)
{
  bool cut[SPACE_MAX] = {false}; /* before the hyperparameter at this place */
  for (int g = 1; g < groups; g++) {
    int best = 0;
    for (int i = 1; i < n; i++) {
      if (cut[i]) continue;
      if (!best || sorted[i - 1] - sorted[i] > sorted[best - 1] - sorted[best]) best = i;
    }
    cut[best] = true;
  }
  int g = 0;
  for (int i = 1; i < n; i++) {
    if (cut[i]) ends[g++] = i;
  }
  ends[groups - 1] = n;
}

static void name_groups(struct groups *out)
{
  static const char *const ordinals[] = {"first", "second",  "third",  "fourth", "fifth",
                                         "sixth", "seventh", "eighth", "ninth",  "tenth"};
  for (int g = 0; g < out->n; g++) {
    if (g < (int)(sizeof ordinals / sizeof ordinals[0]))
      snprintf(out->names[g], sizeof out->names[g], "%s", ordinals[g]);
    else
      snprintf(out->names[g], sizeof out->names[g], "group%d", g + 1);
  }
}

/* sum [out->n]: the weight of each group. */
static void share_trials(struct groups *out, const double *sum, const struct groups_settings *settings)
{
  double total = 0;
  for (int g = 0; g < out->n; g++) total += sum[g];
  for (int g = 0; g < out->n; g++) {
    double least = 0.5 / out->n, share = total > 0 ? sum[g] / total : 1.0 / out->n;
    if (settings->ratio_by_weight)
      out->ratio[g] = share > least ? share : least;
    else
      out->ratio[g] = settings->ratio[g < settings->n_ratio ? g : settings->n_ratio - 1];
  }
}

int groups_from_weights(const struct space *s, const double *weight, const struct groups_settings *settings,
                        struct groups *out, struct error *e)
{
  int order[SPACE_MAX], ends[SPACE_MAX];
  double sorted[SPACE_MAX], sum[SPACE_MAX] = {0};
  for (int i = 0; i < s->n; i++) {
    if (!(weight[i] >= 0) || isinf(weight[i]))
      return error_set(e, ERROR_CONFIG, "the weight of '%s' is %g, and weights are 0 or more", s->params[i].name,
                       weight[i]);
  }
  int n = sort_by_weight(s, weight, order), groups = settings->n < n ? settings->n : n;
  if (groups < 1 || (!settings->ratio_by_weight && settings->n_ratio < 1))
    return error_set(e, ERROR_CONFIG, "there is nothing to make groups of: no hyperparameter has more than one value");
  memset(out, 0, sizeof *out);
  out->n = groups;
  bool alike = weight[order[0]] == 0;
  for (int i = 0; i < n; i++) sorted[i] = alike ? 1 : weight[order[i]];
  if (settings->rule == GROUPS_BY_GAP)
    cut_by_gap(sorted, n, groups, ends);
  else
    cut_by_share(sorted, n, groups, ends);
  for (int i = 0; i < s->n; i++) out->of[i] = groups - 1;
  for (int i = 0, g = 0; i < n; i++) {
    if (i == ends[g]) g++;
    out->of[order[i]] = g;
    sum[g] += sorted[i];
  }
  name_groups(out);
  share_trials(out, sum, settings);
  return 0;
}
