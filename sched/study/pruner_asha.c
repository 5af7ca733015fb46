/* Asynchronous successive halving: Li et al., "A System for Massively Parallel Hyperparameter
 * Tuning", MLSys 2020, in its stopping form (a trial goes on or ends where it is; none is paused
 * and taken up again later).
 *
 * Rungs are at first · eta^k epochs, rounded to whole ones.  At a rung a trial goes on when it is
 * among the best ⌊m / eta⌋ of the m that have reached it, itself among them, or the best of all
 * where m < eta.  Equal values count for it: a tie ends nobody. */
#include <math.h>

#include "sched/study/pruner.h"

static bool is_rung(const struct pruner_settings *s, int epoch)
{
  double rung = s->first;
  while (llround(rung) < epoch) rung *= s->eta;
  return llround(rung) == epoch;
}

static bool prune(const struct pruner_request *q)
{
  int epoch = q->own.n, reached = 1, better = 0;
  if (epoch <= q->settings->warmup || !is_rung(q->settings, epoch)) return false;
  for (int i = 0; i < q->n_others; i++) {
    if (q->others[i].n < epoch) continue;
    reached++;
    better += pruner_worse(q->own.values[epoch - 1], q->others[i].values[epoch - 1]);
  }
  int go_on = (int)(reached / q->settings->eta + 1e-9);
  return better >= (go_on > 1 ? go_on : 1);
}

const struct pruner pruner_asha = {
    .name = "asha", .summary = "asynchronous successive halving: the best of each rung go on", .prune = prune};
