/* The median rule: Golovin et al., "Google Vizier: A Service for Black-Box Optimization", KDD 2017,
 * section 3.2.
 *
 * A trial ends after an epoch when its best value so far is worse than the median, over the others
 * that reached that epoch, of the mean of their values until then.  Of an even number of others the
 * lower of the two in the middle counts, so that a trial is ended only where more than half were
 * better. */
#include <math.h>

#include "sched/study/pruner.h"

static double best_until(const struct curve *c)
{
  double best = NAN;
  for (int i = 0; i < c->n; i++)
    if (pruner_worse(best, c->values[i])) best = c->values[i];
  return best;
}

/* Epochs without a number are left out. */
static double mean_until(const struct curve *c, int epoch)
{
  double sum = 0;
  int n = 0;
  for (int i = 0; i < epoch; i++) {
    if (isnan(c->values[i])) continue;
    sum += c->values[i];
    n++;
  }
  return n ? sum / n : NAN;
}

/* Is it worse than more than half of them?  By counting: no order of equal values matters. */
static bool prune(const struct pruner_request *q)
{
  int epoch = q->own.n, reached = 0, better = 0;
  if (epoch <= q->settings->warmup) return false;
  double best = best_until(&q->own);
  for (int i = 0; i < q->n_others; i++) {
    if (q->others[i].n < epoch) continue;
    reached++;
    better += pruner_worse(best, mean_until(&q->others[i], epoch));
  }
  return reached >= q->settings->startup && 2 * better > reached;
}

const struct pruner pruner_median = {
    .name = "median", .summary = "ends what is worse than half of the others", .prune = prune};
