/* Brackets, rungs, and who goes on.  See hyperband.h. */
#include "sched/study/hyperband.h"

#include <math.h>

#include "sched/study/pruner.h"

int brackets_make(struct brackets *b, double eta, int smallest, int largest, struct error *e)
{
  *b = (struct brackets){.eta = eta, .n = 1};
  if (eta < 2) return error_set(e, ERROR_CONFIG, "[pruner] eta = %g: hyperband needs 2 or more", eta);
  for (double budget = largest / eta; budget >= smallest * (1 - 1e-9) && b->n < RUNGS_MAX; budget /= eta) b->n++;
  if (b->n < 2)
    return error_set(e, ERROR_CONFIG,
                     "[pruner] smallest = %d: rungs are counted from %d epoch%s, less than eta = %g times that, and "
                     "there would be one bracket, in which nothing pauses; give %sa smaller eta, or more epochs",
                     smallest, largest, largest == 1 ? "" : "s", eta, smallest > 1 ? "a smaller one, " : "");
  for (int k = 0; k < b->n; k++) {
    int s = b->n - 1 - k;
    b->epochs[k] = (int)llround(largest / pow(eta, s));
    b->size[k] = (int)ceil(b->n / (s + 1) * pow(eta, s) - 1e-9);
  }
  return 0;
}

int brackets_of_trial(const struct brackets *b, int i)
{
  int has[RUNGS_MAX] = {0}, at = 0, all = b->size[0];
  for (int k = 1; k < b->n; k++) all += b->size[k];
  for (int k = 0; k < b->n; k++) has[k] = (int)((long long)(i / all) * b->size[k]);
  for (int t = i / all * all; t <= i; t++) {
    double most = -INFINITY;
    for (int k = 0; k < b->n; k++) {
      double behind = (double)b->size[k] * (t + 1) / all - has[k];
      if (behind <= most + 1e-9) continue;
      most = behind;
      at = k;
    }
    has[at]++;
  }
  return at;
}

/* ---- who goes on ----------------------------------------------------------------------------- */

/* Is leg a before leg b on their rung? */
static bool before(const struct leg *a, const struct leg *b)
{
  if (pruner_worse(a->value, b->value) || pruner_worse(b->value, a->value)) return pruner_worse(b->value, a->value);
  return a->trial < b->trial;
}

/* The best leg of a rung of a bracket that may go on and has not, if it is among the best one in
 * eta of the rung, or among the best `least`; -1: none. */
static int best_waiting(const struct brackets *b, const struct leg *legs, int from, int seen, int bracket, int rung,
                        int least)
{
  int best = -1, reached = 0, rank = 0;
  for (int j = from; j < seen; j++) {
    const struct leg *l = &legs[j];
    if (l->bracket != bracket || l->rung != rung) continue;
    reached++;
    if (!l->last && !l->promoted && (best < 0 || before(l, &legs[best]))) best = j;
  }
  if (best < 0) return -1;
  for (int j = from; j < seen; j++)
    rank += legs[j].bracket == bracket && legs[j].rung == rung && before(&legs[j], &legs[best]);
  int go_on = (int)(reached / b->eta + 1e-9);
  return rank < (go_on > least ? go_on : least) ? best : -1;
}

int brackets_promotes(const struct brackets *b, const struct leg *legs, int from, int seen)
{
  for (int rung = b->n - 2; rung >= 0; rung--)
    for (int bracket = 0; bracket <= rung; bracket++) {
      int leg = best_waiting(b, legs, from, seen, bracket, rung, 0);
      if (leg >= 0) return leg;
    }
  return -1;
}

static bool is_on_its_way(const struct leg *legs, int seen, int n, int bracket, int rung)
{
  for (int j = seen; j < n; j++)
    if (legs[j].bracket == bracket && legs[j].rung == rung) return true;
  return false;
}

int brackets_closes(const struct brackets *b, const struct leg *legs, int from, int seen, int n)
{
  for (int bracket = 0; bracket < b->n - 1; bracket++)
    for (int rung = bracket; rung < b->n - 1 && !is_on_its_way(legs, seen, n, bracket, rung); rung++) {
      int leg = best_waiting(b, legs, from, seen, bracket, rung, 1);
      if (leg >= 0) return leg;
    }
  return -1;
}
