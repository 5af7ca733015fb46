/* The order of a study's trials (contract 2), and proposals by way of its strategy and sampler. */
#include "study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "philox.h"

/* What prunes the studies of a strategy; NULL: nothing. */
static const struct pruner *pruner_of(const struct experiment *x, const char *strategy)
{
  bool its = !strcmp(x->pruned_strategies, "all") || !strcmp(x->pruned_strategies, strategy);
  return its ? pruner_find(x->pruner) : NULL;
}

int study_check(const struct experiment *x, const struct objective *o, struct error *e)
{
  if (pruner_find(x->pruner) && !o->has_epochs)
    return error_set(e, ERROR_CONFIG,
                     "%s%s[pruner] kind = %s: a trial of objective = %s has no epochs within which it could be ended",
                     x->path, x->path[0] ? ": " : "", x->pruner, x->objective);
  return 0;
}

int study_create(struct study *s, const struct experiment *x, struct objective *o, const char *strategy, int round,
                 struct error *e)
{
  *s = (struct study){.x = x, .objective = o, .round = round, .best = -1};
  s->strategy = strategy_find(strategy);
  s->sampler = sampler_find(x->sampler);
  if (!s->strategy) return error_set(e, ERROR_CONFIG, "there is no strategy '%s'", strategy);
  if (!s->sampler) return error_set(e, ERROR_CONFIG, "there is no sampler '%s'", x->sampler);
  s->pruner = pruner_of(x, strategy);
  if (study_check(x, o, e)) return e->code;
  if (!strcmp(s->sampler->name, "gp"))
    s->all = x->gp_history == GP_HISTORY_ALL;
  else
    s->all = x->history == HISTORY_DEFAULT ? s->sampler->sees_all : x->history == HISTORY_ALL;
  s->trials = calloc((size_t)x->trials, sizeof *s->trials);
  s->history = calloc((size_t)x->trials + 1, sizeof *s->history);
  s->curves = calloc(s->pruner ? (size_t)x->trials : 1, sizeof *s->curves);
  s->others = calloc(s->pruner ? (size_t)x->trials + 1 : 1, sizeof *s->others);
  if (s->trials && s->history && s->curves && s->others) return 0;
  study_destroy(s);
  return error_set(e, ERROR_MACHINE, "no memory for a study of %d trials", x->trials);
}

void study_destroy(struct study *s)
{
  for (int i = 0; i < (s->curves && s->pruner ? s->n : 0); i++) free(s->curves[i].values);
  free(s->curves);
  free(s->others);
  free(s->trials);
  free(s->history);
  s->curves = s->others = NULL;
  s->trials = NULL;
  s->history = NULL;
}

/* ---- results -------------------------------------------------------------------------------------------------------------- */

static bool has_ended(const struct stored_trial *t)
{
  return t->state == STORED_COMPLETE || t->state == STORED_FAIL || t->state == STORED_PRUNED;
}

/* A value of the objective such that larger is better. */
static double upward(const struct study *s, double value)
{
  return s->objective->maximize ? value : -value;
}

/* A trial as samplers and strategies see it, larger being better; `known`: its result may be looked at. */
static struct observation observe(const struct study *s, const struct stored_trial *t, bool known)
{
  struct observation o = {.number = t->number, .state = OBSERVATION_IN_FLIGHT, .values = t->values};
  if (!known) return o;
  o.state = t->state == STORED_COMPLETE ? OBSERVATION_COMPLETE
            : t->state == STORED_PRUNED ? OBSERVATION_PRUNED
                                        : OBSERVATION_FAILED;
  o.value = upward(s, t->value);
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

/* The last trial whose result trial `number` of the present phase may see; one that is later too where the order is asynchronous. */
static int last_visible(const struct study *s, int number)
{
  int back = number - s->x->parallel, barrier = s->phase.first - 1;
  return back > barrier ? back : barrier;
}

static bool is_visible(const struct study *s, int number, int other)
{
  if (!has_ended(&s->trials[other])) return false;
  return s->x->order == ORDER_ASYNCHRONOUS || other <= last_visible(s, number);
}

/* Must trial s->n wait for another one to end? */
static bool must_wait(const struct study *s)
{
  if (s->x->order == ORDER_ASYNCHRONOUS) return s->n - s->done >= s->x->parallel;
  return s->known <= last_visible(s, s->n) && !study_is_blind(s);
}

enum study_state study_next(struct study *s)
{
  if (s->ended) return STUDY_ENDED;
  if (!enter_phase(s)) return STUDY_WAIT;
  if (s->ended) {
    s->target_reached = target_reached(s, s->n - 1);
    return STUDY_ENDED;
  }
  if (must_wait(s)) return STUDY_WAIT;
  if (!target_reached(s, s->x->order == ORDER_ASYNCHRONOUS ? s->n - 1 : last_visible(s, s->n))) return STUDY_PROPOSE;
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

void study_look(struct study *s)
{
  int n = 0, from = s->all ? 0 : s->phase.first;
  if (from > s->phase.incumbent && s->phase.incumbent >= 0)
    s->history[n++] = observe(s, &s->trials[s->phase.incumbent], true);
  for (int i = from; i < s->n; i++) s->history[n++] = observe(s, &s->trials[i], is_visible(s, s->n, i));
  s->n_history = n;
}

static struct sampler_request request_of(const struct study *s)
{
  return (struct sampler_request){.space = &s->x->space,
                                  .free = s->phase.free,
                                  .fixed = s->phase.current,
                                  .history = s->history,
                                  .n_history = s->n_history,
                                  .n_group = s->n - s->phase.first,
                                  .group_size = s->phase.count,
                                  .key = philox_trial_key(s->x->seed, s->round, s->n),
                                  .study_key = philox_trial_key(s->x->seed, s->round, -1),
                                  .feasible = feasible,
                                  .feasible_context = s->objective,
                                  .settings = &s->x->sampler_settings};
}

/* Is there something about the study that looks at results whatever the sampler does? */
static bool looks_at_results(const struct experiment *x, const struct pruner *pruner)
{
  return pruner || x->has_target || x->order == ORDER_ASYNCHRONOUS;
}

int64_t study_trials_at_once(const struct experiment *x)
{
  const struct sampler *sampler = sampler_find(x->sampler);
  int64_t sum = 0, most = 0;
  for (int i = 0; i < x->n_strategies; i++) {
    struct sampler_request request = {.space = &x->space, .settings = &x->sampler_settings};
    int ahead = 0, parallel = x->parallel < x->trials ? x->parallel : x->trials;
    while (!looks_at_results(x, pruner_of(x, x->strategies[i])) && ahead < x->trials && sampler->is_blind(&request))
      request.n_group = request.n_history = ++ahead;
    int64_t study = ahead > parallel ? ahead : parallel;
    sum += study * x->rounds;
    if (study > most) most = study;
  }
  return x->studies == STUDIES_ONE_BY_ONE ? most : sum;
}

bool study_is_blind(const struct study *s)
{
  if (looks_at_results(s->x, s->pruner)) return false;
  if (s->n < s->x->n_enqueued) return true;
  struct sampler_request request = request_of(s);
  int from = s->all ? 0 : s->phase.first;
  request.history = NULL;
  request.n_history = s->n - from + (s->phase.incumbent >= 0 && s->phase.incumbent < from);
  return s->sampler->is_blind(&request);
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
  struct sampler_request request = request_of(s);
  int code = s->sampler->ask(&request, t->values, e);
  return code ? error_prefix(e, "%s, round %d, trial %d", s->strategy->name, s->round, s->n) : 0;
}

void study_add(struct study *s, const struct stored_trial *t)
{
  s->trials[s->n++] = *t;
}

/* ---- pruning -------------------------------------------------------------------------------------------------------------- */

int study_epoch(struct study *s, int number, int epoch, double value, struct error *e)
{
  struct curve *c = &s->curves[s->pruner ? number : 0];
  if (!s->pruner) return 0;
  double *values = realloc(c->values, sizeof *values * (size_t)epoch);
  if (!values) return error_set(e, ERROR_MACHINE, "no memory for the values of %d epochs", epoch);
  for (int i = c->n; i < epoch; i++) values[i] = NAN;
  values[epoch - 1] = upward(s, value);
  c->values = values;
  c->n = epoch;
  return 0;
}

bool study_prunes(const struct study *s, int number)
{
  if (!s->pruner) return false;
  struct pruner_request request = {.own = s->curves[number], .others = s->others, .settings = &s->x->pruner_settings};
  if (s->phase.incumbent >= 0) s->others[request.n_others++] = s->curves[s->phase.incumbent];
  for (int i = s->phase.first; i < s->n; i++)
    if (i != number && is_visible(s, number, i)) s->others[request.n_others++] = s->curves[i];
  return s->pruner->prune(&request);
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
