/* The order of a study's trials (contract 2), and proposals by way of its strategy and sampler. */
#include "sched/study/study_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/experiment/names.h"
#include "kernels/philox.h"

/* What prunes the studies of a strategy; NULL: nothing. */
static const struct pruner *pruner_of(const struct experiment *x, const char *strategy)
{
  bool its = !strcmp(x->pruned_strategies, PRUNES_EVERY_ONE) || !strcmp(x->pruned_strategies, strategy);
  return its ? pruner_find(x->pruner) : NULL;
}

const struct pruner *study_pausing(const struct experiment *x)
{
  for (int i = 0; i < x->n_strategies; i++) {
    const struct pruner *pruner = pruner_of(x, x->strategies[i]);
    if (pruner && pruner_pauses(pruner->name)) return pruner;
  }
  return NULL;
}

/* Trials of earlier studies that its proposals see. */
static int start_trials(const struct experiment *x)
{
  return x->start ? x->start->n : 0;
}

/* Refused rather than left out: a study that is compared with its defaults needs their value, and
 * whoever does without it can say so before anything was trained. */
static int check_baseline(const struct experiment *x, struct objective *o, struct error *e)
{
  struct objective_cost cost;
  double values[SPACE_MAX];
  space_defaults(&x->space, values);
  if (o->cost(o, values, &cost, e)) return e->code;
  if (cost.feasible) return 0;
  error_set(e, ERROR_CONFIG,
            "[experiment] baseline = yes: the defaults of [space] are infeasible: %s; give others, or say "
            "baseline = no",
            cost.reason);
  return experiment_locate(x, e);
}

/* Where trials pause: can they? */
static int check_pausing(const struct experiment *x, struct objective *o, struct error *e)
{
  struct brackets b;
  if (!o->checkpoint)
    error_set(e, ERROR_CONFIG,
              "[pruner] kind = %s: a trial of objective = %s cannot pause and go on later, since its state cannot be "
              "kept; right are asha, which ends it where it is, median, or none",
              x->pruner, x->objective);
  else if (x->order == ORDER_ASYNCHRONOUS)
    error_set(e, ERROR_CONFIG,
              "[scheduler] order = asynchronous: with [pruner] kind = %s, whose decisions a run that goes on makes "
              "again, it has to be sequential",
              x->pruner);
  else if (study_brackets(x, o, &b, e) == 0)
    return 0;
  return experiment_locate(x, e);
}

int study_check(const struct experiment *x, struct objective *o, struct error *e)
{
  const struct pruner *pruner = pruner_find(x->pruner);
  bool prunes = pruner && !o->has_epochs;
  bool weighs = experiment_weighs_cost(x) && x->sampler_settings.gp_cost == GP_COST_FLOPS && !o->has_flops;
  if (prunes)
    error_set(e, ERROR_CONFIG,
              "[pruner] kind = %s: a trial of objective = %s has no epochs within which it could be ended", x->pruner,
              x->objective);
  else if (weighs)
    error_set(e, ERROR_CONFIG,
              "[gp] cost = flops: of a trial of objective = %s they are not known; right is time, or none",
              x->objective);
  if (prunes || weighs) return experiment_locate(x, e);
  if (pruner && pruner_pauses(pruner->name) && check_pausing(x, o, e)) return e->code;
  return x->baseline ? check_baseline(x, o, e) : 0;
}

static int create_legs(struct study *s, struct error *e)
{
  struct brackets b;
  if (!s->pruner || !pruner_pauses(s->pruner->name)) return 0;
  if (study_brackets(s->x, s->objective, &b, e)) return e->code;
  s->legs = calloc(1, sizeof *s->legs);
  if (!s->legs) return error_set(e, ERROR_MACHINE, "no memory for a study");
  return legs_create(s->legs, &b, s->x->trials, e);
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
  if (study_check(x, o, e) || create_legs(s, e)) return e->code;
  s->all = s->sampler->sees_all(&x->sampler_settings);
  s->trials = calloc((size_t)x->trials, sizeof *s->trials);
  s->history = calloc((size_t)(start_trials(x) + x->trials + 1), sizeof *s->history);
  s->curves = calloc(s->pruner ? (size_t)x->trials : 1, sizeof *s->curves);
  s->others = calloc(s->pruner ? (size_t)x->trials + 1 : 1, sizeof *s->others);
  s->reached = calloc(s->legs ? (size_t)x->trials : 1, sizeof *s->reached);
  if (s->trials && s->history && s->curves && s->others && s->reached) return 0;
  study_destroy(s);
  return error_set(e, ERROR_MACHINE, "no memory for a study of %d trials", x->trials);
}

void study_destroy(struct study *s)
{
  for (int i = 0; i < (s->curves && s->pruner ? s->x->trials : 0); i++) free(s->curves[i].values);
  if (s->legs) legs_destroy(s->legs);
  free(s->legs);
  free(s->reached);
  free(s->curves);
  free(s->others);
  free(s->trials);
  free(s->history);
  s->legs = NULL;
  s->reached = NULL;
  s->curves = s->others = NULL;
  s->trials = NULL;
  s->history = NULL;
}

/* ---- results --------------------------------------------------------------------------------- */

static bool has_ended(const struct stored_trial *t)
{
  return t->state == STORED_COMPLETE || t->state == STORED_FAIL || t->state == STORED_PRUNED;
}

double study_upward(const struct study *s, double value)
{
  return s->objective->maximize ? value : -value;
}

struct observation study_observe(const struct study *s, const struct stored_trial *t, bool known)
{
  struct observation o = {.number = t->number, .state = OBSERVATION_IN_FLIGHT, .values = t->values, .group = t->group};
  if (!known) return o;
  o.state = t->state == STORED_COMPLETE ? OBSERVATION_COMPLETE
            : t->state == STORED_PRUNED ? OBSERVATION_PRUNED
                                        : OBSERVATION_FAILED;
  o.value = study_upward(s, t->value);
  o.loss = t->loss;
  o.step = t->epochs;
  o.seconds = t->seconds;
  return o;
}

bool study_is_best(const struct study *s, const struct stored_trial *t)
{
  if (t->state != STORED_COMPLETE) return false;
  if (s->best < 0) return true;
  struct observation new = study_observe(s, t, true), old = study_observe(s, &s->trials[s->best], true);
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
  bool paused = t->state == STORED_PRUNED;
  if (s->legs) legs_end(s->legs, t->number, t->state == STORED_FAIL ? NAN : study_upward(s, t->value), !paused);
  count(s, to);
}

bool study_hits_target(const struct study *s, const struct stored_trial *t)
{
  if (!s->x->has_target || t->state != STORED_COMPLETE) return false;
  return s->objective->maximize ? t->value >= s->x->target : t->value <= s->x->target;
}

/* Has one of trials 0 ... last reached the target? */
static bool target_reached(const struct study *s, int last)
{
  for (int i = 0; i <= last; i++)
    if (study_hits_target(s, &s->trials[i])) return true;
  return false;
}

/* Trials before a sampler proposes, where it says so. */
static int startup_of(const struct study *s)
{
  return s->sampler->startup ? s->sampler->startup(&s->x->sampler_settings) : 0;
}

/* Do two reasons begin alike, up to the colon? */
static bool same_kind(const char *a, const char *b)
{
  size_t n = strcspn(a, ":");
  return n == strcspn(b, ":") && !strncmp(a, b, n);
}

bool study_only_fails(const struct study *s, int first)
{
  int startup = startup_of(s), n = 0;
  const char *reason = NULL;
  if (s->failed < s->done) return false;
  for (int i = first; i < s->n; i++) {
    if (s->trials[i].state != STORED_FAIL) continue;
    if (!reason) reason = s->trials[i].reason;
    if (!same_kind(s->trials[i].reason, reason)) return false;
    n++;
  }
  return n >= 4 && n >= startup;
}

/* ---- what samplers are asked ----------------------------------------------------------------- */

static bool feasible(void *context, const double *values)
{
  struct objective *o = context;
  struct objective_cost cost;
  struct error e;
  return o->cost(o, values, &cost, &e) == 0 && cost.feasible;
}

static double flops(void *context, const double *values)
{
  struct objective *o = context;
  struct objective_cost cost;
  struct error e;
  return o->cost(o, values, &cost, &e) == 0 ? cost.flops : 0;
}

static struct sampler_request request_of(const struct study *s)
{
  int earlier = start_trials_of(s->x->start, &s->x->space, s->group.free);
  return (struct sampler_request){.space = &s->x->space,
                                  .free = s->group.free,
                                  .fixed = s->group.current,
                                  .history = s->history,
                                  .n_history = s->n_history,
                                  .n_group = earlier + (s->group.learns_from_all ? s->n : s->n - s->group.first),
                                  .group_size = s->group.count,
                                  .key = philox_trial_key(s->x->seed, s->round, s->n),
                                  .study_key = philox_trial_key(s->x->seed, s->round, -1),
                                  .feasible = feasible,
                                  .feasible_context = s->objective,
                                  .flops = flops,
                                  .flops_context = s->objective,
                                  .left = 1 - (double)(s->n % s->x->cycle_trials) / s->x->cycle_trials,
                                  .settings = &s->x->sampler_settings};
}

/* ---- order ----------------------------------------------------------------------------------- */

/* The trials that the study starts from, before all others of the history; returns how many. */
static int put_start(struct study *s)
{
  int n = start_trials(s->x);
  for (int i = 0; i < n; i++) s->history[i] = start_observation(s->x->start, i, s->objective->maximize);
  return n;
}

static bool expect(void *context, const double *current, int n, const bool (*free)[SPACE_MAX], double *expected)
{
  const struct study *s = context;
  struct sampler_request request = request_of(s);
  struct error e;
  request.fixed = current;
  request.n_history = request.n_group = start_trials(s->x) + s->n;
  return s->sampler->expect(&request, n, free, expected, &e) == 0;
}

bool study_enter_group(struct study *s)
{
  while (!s->ended && (!s->in_group || s->n >= s->group.first + s->group.count)) {
    int first = s->in_group ? s->group.first + s->group.count : 0;
    if (s->known < first) return false;
    struct observation *own = s->history + put_start(s);
    for (int i = 0; i < first; i++) own[i] = study_observe(s, &s->trials[i], true);
    struct group next;
    const struct outlook outlook = {expect, s};
    if (s->strategy->next_group(s->x, s->in_group ? &s->group : NULL, own, first, s->sampler->expect ? &outlook : NULL,
                                &next)) {
      s->ended = true;
    } else {
      s->group = next;
      s->in_group = true;
    }
  }
  return true;
}

/* The last trial whose result trial `number` of the present group may see; one that is later too
 * where the order is asynchronous. */
static int last_visible(const struct study *s, int number)
{
  int back = number - s->x->parallel, barrier = s->group.first - 1;
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
  if (s->legs) return study_next_leg(s);
  if (!study_enter_group(s)) return STUDY_WAIT;
  if (s->ended) {
    s->target_reached = target_reached(s, s->n - 1);
    return STUDY_ENDED;
  }
  if (must_wait(s)) return STUDY_WAIT;
  if (!target_reached(s, s->x->order == ORDER_ASYNCHRONOUS ? s->n - 1 : last_visible(s, s->n))) return STUDY_PROPOSE;
  s->ended = s->target_reached = true;
  return STUDY_ENDED;
}

/* ---- proposals ------------------------------------------------------------------------------- */

int study_first_learnt(const struct study *s)
{
  return s->all || s->group.learns_from_all ? 0 : s->group.first;
}

void study_put_aside(struct study *s, int i, struct observation o)
{
  bool given = i < experiment_given(s->x) || i == s->group.incumbent; /* counts as it stands, whatever was searched */
  if (s->group.learns_from_all && !given) o.free = s->trials[i].free;
  s->history[s->n_history++] = o;
}

void study_look(struct study *s)
{
  int from = study_first_learnt(s);
  s->n_history = put_start(s);
  if (s->legs) {
    study_look_at_legs(s);
    return;
  }
  if (from > s->group.incumbent && s->group.incumbent >= 0)
    study_put_aside(s, s->group.incumbent, study_observe(s, &s->trials[s->group.incumbent], true));
  for (int i = from; i < s->n; i++) study_put_aside(s, i, study_observe(s, &s->trials[i], is_visible(s, s->n, i)));
}

/* What proposes the trials of the present group. */
static const struct sampler *sampler_now(const struct study *s)
{
  return s->group.is_random ? &sampler_random : s->sampler;
}

/* Is there something about the study that looks at results whatever the sampler does? */
static bool looks_at_results(const struct experiment *x, const struct pruner *pruner)
{
  return pruner || x->has_target || x->order == ORDER_ASYNCHRONOUS;
}

/* Trials of a study that are known before any has ended. */
static int known_ahead(const struct experiment *x, const struct strategy *strategy)
{
  const struct sampler *sampler = sampler_find(x->sampler);
  struct sampler_request request = {.space = &x->space, .settings = &x->sampler_settings};
  struct group first;
  int given = experiment_given(x), ahead = given < x->trials ? given : x->trials, earlier = start_trials(x);
  if (strategy->next_group(x, NULL, NULL, 0, NULL, &first)) return 0;
  if (first.is_random) return first.count;
  request.n_group = start_trials_of(x->start, &x->space, first.free) + ahead;
  request.n_history = earlier + ahead;
  for (; ahead < x->trials && sampler->is_blind(&request); ahead++) request.n_group++, request.n_history++;
  return ahead;
}

int64_t study_trials_at_once(const struct experiment *x)
{
  int64_t sum = 0, most = 0;
  for (int i = 0; i < x->n_strategies; i++) {
    int parallel = x->parallel < x->trials ? x->parallel : x->trials;
    bool waits = looks_at_results(x, pruner_of(x, x->strategies[i]));
    int ahead = waits ? 0 : known_ahead(x, strategy_find(x->strategies[i]));
    int64_t study = ahead > parallel ? ahead : parallel;
    sum += study * x->rounds;
    if (study > most) most = study;
  }
  return x->studies == STUDIES_ONE_BY_ONE ? most : sum;
}

bool study_is_blind(const struct study *s)
{
  if (looks_at_results(s->x, s->pruner)) return false;
  if (s->n < experiment_given(s->x)) return true;
  struct sampler_request request = request_of(s);
  int from = study_first_learnt(s);
  request.history = NULL;
  request.n_history = start_trials(s->x) + s->n - from + (s->group.incumbent >= 0 && s->group.incumbent < from);
  return sampler_now(s)->is_blind(&request);
}

int study_propose(const struct study *s, struct stored_trial *t, struct error *e)
{
  const struct experiment *x = s->x;
  memset(t, 0, sizeof *t);
  t->number = s->n;
  t->state = STORED_RUNNING;
  t->group = s->group.index;
  t->key = philox_trial_key(x->seed, s->round, s->n);
  if (s->n < experiment_given(x)) { /* as it is given, whatever the group: nothing was free */
    experiment_given_values(x, s->n, t->values);
    return 0;
  }
  memcpy(t->free, s->group.free, sizeof t->free);
  struct sampler_request request = request_of(s);
  int code = sampler_now(s)->ask(&request, t->values, e);
  return code ? error_prefix(e, "%s, round %d, trial %d", s->strategy->name, s->round, s->n) : 0;
}

void study_add(struct study *s, const struct stored_trial *t)
{
  s->trials[s->n++] = *t;
  if (s->legs) study_add_leg(s, t->number);
}

/* ---- pruning --------------------------------------------------------------------------------- */

int study_epoch(struct study *s, int number, int epoch, double value, struct error *e)
{
  struct curve *c = &s->curves[s->pruner ? number : 0];
  if (!s->pruner) return 0;
  if (s->legs && epoch < c->n) { /* it trains anew what it had trained when it paused: the same value */
    c->values[epoch - 1] = study_upward(s, value);
    return 0;
  }
  double *values = realloc(c->values, sizeof *values * (size_t)epoch);
  if (!values) return error_set(e, ERROR_MACHINE, "no memory for the values of %d epochs", epoch);
  for (int i = c->n; i < epoch; i++) values[i] = NAN;
  values[epoch - 1] = study_upward(s, value);
  c->values = values;
  c->n = epoch;
  return 0;
}

bool study_prunes(const struct study *s, int number)
{
  if (!s->pruner || s->legs || s->group.is_random)
    return false; /* of a warm start's best alone, importance would be another */
  struct pruner_request request = {.own = s->curves[number], .others = s->others, .settings = &s->x->pruner_settings};
  if (s->group.incumbent >= 0) s->others[request.n_others++] = s->curves[s->group.incumbent];
  for (int i = s->group.first; i < s->n; i++)
    if (i != number && is_visible(s, number, i)) s->others[request.n_others++] = s->curves[i];
  return s->pruner->prune(&request);
}

bool study_pauses(const struct study *s, int number, int epoch)
{
  int pause = s->legs ? legs_pause(s->legs, number) : 0;
  return pause > 0 && epoch >= pause;
}

bool study_has_paused(const struct study *s, int number)
{
  return s->legs && legs_paused(s->legs, number);
}

int study_proposed_before(const struct study *s, int number)
{
  return legs_begun_before(s->legs, number);
}

int study_first_paused(const struct study *s)
{
  bool any = s->legs && !s->ended && s->legs->group < s->legs->n;
  return any ? s->legs->legs[s->legs->group].trial : s->n;
}

/* ---- going on -------------------------------------------------------------------------------- */

static int resume_trial(struct study *s, const struct stored_trial *t, struct error *e)
{
  if (study_next(s) != STUDY_PROPOSE)
    return error_set(e, ERROR_FAILED,
                     "%s, round %d: trial %d is in the database, but the trials that its proposal waits for have not "
                     "all ended; another program has changed it",
                     s->strategy->name, s->round, t->number);
  study_add(s, t);
  if (has_ended(t)) count(s, &s->trials[t->number]);
  return 0;
}

static int resume(struct study *s, const struct stored_trial *trials, int n, enum stored_state open, struct error *e)
{
  int code = 0;
  if (n > s->x->trials)
    return error_set(e, ERROR_FAILED, "%s, round %d: the database has %d trials, the experiment %d", s->strategy->name,
                     s->round, n, s->x->trials);
  if (s->legs) return study_resume_legs(s, trials, n, e);
  for (int i = 0; i < n && !code; i++) {
    struct stored_trial t = trials[i];
    if (!has_ended(&t)) t.state = open;
    code = resume_trial(s, &t, e);
  }
  return code;
}

int study_resume(struct study *s, const struct stored_trial *trials, int n, struct error *e)
{
  return resume(s, trials, n, STORED_RUNNING, e);
}

int study_resume_retried(struct study *s, const struct stored_trial *trials, int n, struct error *e)
{
  int code = resume(s, trials, n, STORED_FAIL, e);
  for (int i = n - 1; i >= 0 && !code && !s->legs; i--) {
    if (has_ended(&trials[i])) continue;
    s->trials[i].state = STORED_RUNNING;
    s->done--;
    s->failed--;
    if (s->known > i) s->known = i;
  }
  return code;
}
