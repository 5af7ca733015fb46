/* The order of a study's trials (contract 2), and proposals by way of its strategy and sampler. */
#include "study.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "philox.h"

int study_create(struct study *s, const struct experiment *x, struct objective *o, const char *strategy, int round,
                 struct error *e)
{
  *s = (struct study){.x = x, .objective = o, .round = round, .best = -1};
  s->strategy = strategy_find(strategy);
  s->sampler = sampler_find(x->sampler);
  if (!s->strategy) return error_set(e, ERROR_CONFIG, "there is no strategy '%s'", strategy);
  if (!s->sampler) return error_set(e, ERROR_CONFIG, "there is no sampler '%s'", x->sampler);
  if (!strcmp(s->sampler->name, "gp"))
    s->all = x->gp_history == GP_HISTORY_ALL;
  else
    s->all = x->history == HISTORY_DEFAULT ? s->sampler->sees_all : x->history == HISTORY_ALL;
  s->trials = calloc((size_t)x->trials, sizeof *s->trials);
  s->history = calloc((size_t)x->trials + 1, sizeof *s->history);
  if (s->trials && s->history) return 0;
  study_destroy(s);
  return error_set(e, ERROR_MACHINE, "no memory for a study of %d trials", x->trials);
}

void study_destroy(struct study *s)
{
  free(s->trials);
  free(s->history);
  s->trials = NULL;
  s->history = NULL;
}

/* ---- results -------------------------------------------------------------------------------------------------------------- */

static bool has_ended(const struct stored_trial *t)
{
  return t->state == STORED_COMPLETE || t->state == STORED_FAIL || t->state == STORED_PRUNED;
}

/* A trial as samplers and strategies see it, larger being better; `known`: its result may be looked at. */
static struct observation observe(const struct study *s, const struct stored_trial *t, bool known)
{
  struct observation o = {.number = t->number, .state = OBSERVATION_IN_FLIGHT, .values = t->values};
  if (!known) return o;
  o.state = t->state == STORED_COMPLETE ? OBSERVATION_COMPLETE
            : t->state == STORED_PRUNED ? OBSERVATION_PRUNED
                                        : OBSERVATION_FAILED;
  o.value = s->objective->maximize ? t->value : -t->value;
  o.loss = t->loss;
  o.step = t->epochs;
  return o;
}

bool study_is_best(const struct study *s, const struct stored_trial *t)
{
  if (t->state != STORED_COMPLETE) return false;
  if (s->best < 0) return true;
  struct observation new = observe(s, t, true), old = observe(s, &s->trials[s->best], true);
  return observation_better(&new, &old);
}

/* Counts trial t, which has ended. */
static void count(struct study *s, const struct stored_trial *t)
{
  s->done++;
  s->complete += t->state == STORED_COMPLETE;
  s->failed += t->state == STORED_FAIL;
  if (study_is_best(s, t)) s->best = t->number;
  while (s->known < s->n && has_ended(&s->trials[s->known])) s->known++;
}

void study_end(struct study *s, const struct stored_trial *t)
{
  struct stored_trial *to = &s->trials[t->number]; /* its values stay: a proposal may be reading them */
  to->state = t->state;
  to->value = t->value;
  to->loss = t->loss;
  to->epochs = t->epochs;
  to->seconds = t->seconds;
  to->wall_s = t->wall_s;
  to->flops = t->flops;
  to->images = t->images;
  memcpy(to->reason, t->reason, sizeof to->reason);
  count(s, to);
}

/* Has one of trials 0 ... last reached the target? */
static bool target_reached(const struct study *s, int last)
{
  if (!s->x->has_target) return false;
  for (int i = 0; i <= last; i++) {
    const struct stored_trial *t = &s->trials[i];
    if (t->state != STORED_COMPLETE) continue;
    if (s->objective->maximize ? t->value >= s->x->target : t->value <= s->x->target) return true;
  }
  return false;
}

/* ---- order ---------------------------------------------------------------------------------------------------------------- */

/* The phase of trial s->n.  All before its first must have ended where that is a new one: false where they have not. */
static bool enter_phase(struct study *s)
{
  while (!s->ended && (!s->in_phase || s->n >= s->phase.first + s->phase.count)) {
    int first = s->in_phase ? s->phase.first + s->phase.count : 0;
    if (s->known < first) return false;
    for (int i = 0; i < first; i++) s->history[i] = observe(s, &s->trials[i], true);
    struct phase next;
    if (s->strategy->next_phase(s->x, s->in_phase ? &s->phase : NULL, s->history, first, &next)) {
      s->ended = true;
    } else {
      s->phase = next;
      s->in_phase = true;
    }
  }
  return true;
}

/* The last trial whose result trial s->n may see. */
static int last_visible(const struct study *s)
{
  int back = s->n - s->x->parallel, barrier = s->phase.first - 1;
  return back > barrier ? back : barrier;
}

enum study_state study_next(struct study *s)
{
  if (s->ended) return STUDY_ENDED;
  if (!enter_phase(s)) return STUDY_WAIT;
  if (s->ended) {
    s->target_reached = target_reached(s, s->n - 1);
    return STUDY_ENDED;
  }
  int last = last_visible(s);
  if (s->known <= last) return STUDY_WAIT;
  if (!target_reached(s, last)) return STUDY_PROPOSE;
  s->ended = s->target_reached = true;
  return STUDY_ENDED;
}

/* ---- proposals ------------------------------------------------------------------------------------------------------------ */

static bool feasible(void *context, const double *values)
{
  struct objective *o = context;
  struct objective_cost cost;
  struct error e;
  return o->cost(o, values, &cost, &e) == 0 && cost.feasible;
}

/* What the proposal for trial s->n may see: [n] into s->history. */
static int visible_history(const struct study *s)
{
  int n = 0, last = last_visible(s), from = s->all ? 0 : s->phase.first;
  if (from > s->phase.incumbent && s->phase.incumbent >= 0)
    s->history[n++] = observe(s, &s->trials[s->phase.incumbent], true);
  for (int i = from; i < s->n; i++) s->history[n++] = observe(s, &s->trials[i], i <= last);
  return n;
}

int study_propose(const struct study *s, struct stored_trial *t, struct error *e)
{
  const struct experiment *x = s->x;
  memset(t, 0, sizeof *t);
  t->number = s->n;
  t->state = STORED_RUNNING;
  t->group = s->phase.index;
  t->key = philox_trial_key(x->seed, s->round, s->n);
  if (s->n < x->n_enqueued) { /* as the user gave it, whatever the phase: nothing was free */
    memcpy(t->values, x->enqueued[s->n].values, sizeof(double) * (size_t)x->space.n);
    return 0;
  }
  memcpy(t->free, s->phase.free, sizeof t->free);
  struct sampler_request request = {.space = &x->space,
                                    .free = s->phase.free,
                                    .fixed = s->phase.current,
                                    .history = s->history,
                                    .n_history = visible_history(s),
                                    .n_group = s->n - s->phase.first,
                                    .group_size = s->phase.count,
                                    .key = t->key,
                                    .study_key = philox_trial_key(x->seed, s->round, -1),
                                    .feasible = feasible,
                                    .feasible_context = s->objective,
                                    .settings = &x->sampler_settings};
  int code = s->sampler->ask(&request, t->values, e);
  return code ? error_prefix(e, "%s, round %d, trial %d", s->strategy->name, s->round, s->n) : 0;
}

void study_add(struct study *s, const struct stored_trial *t)
{
  s->trials[s->n++] = *t;
}

/* ---- going on ------------------------------------------------------------------------------------------------------------- */

int study_resume(struct study *s, const struct stored_trial *trials, int n, struct error *e)
{
  if (n > s->x->trials)
    return error_set(e, ERROR_FAILED, "%s, round %d: the database has %d trials, the experiment %d", s->strategy->name,
                     s->round, n, s->x->trials);
  for (int i = 0; i < n; i++) {
    if (study_next(s) != STUDY_PROPOSE)
      return error_set(e, ERROR_FAILED,
                       "%s, round %d: trial %d is in the database, but the trials that its proposal waits for have not "
                       "all ended; another program has changed it",
                       s->strategy->name, s->round, i);
    struct stored_trial t = trials[i];
    if (!has_ended(&t)) t.state = STORED_RUNNING;
    study_add(s, &t);
    if (has_ended(&t)) count(s, &s->trials[i]);
  }
  return 0;
}
