/* Studies whose trials pause: what comes next, what a proposal sees of them, and going on.
 *
 * What a proposal learns from (after Falkner, Klein, Hutter, "BOHB: Robust and Efficient
 * Hyperparameter Optimization at Scale", ICML 2018, section 4.1): of the rungs at which at
 * least d + 3 trials have a value, d hyperparameters being free, the last one; where there is
 * none, the first. All that got there are complete trials to the sampler, with their values at
 * that rung, or at their end where it comes before; the others are pruned ones, with the last
 * value of each. */
#include "sched/study/study_internal.h"

#include <math.h>
#include <string.h>

/* ---- brackets -------------------------------------------------------------------------------- */

static int epochs_of(struct objective *o, const double *values)
{
  struct objective_cost cost;
  struct error e;
  return o->cost(o, values, &cost, &e) == 0 ? cost.epochs : 0;
}

/* The most epochs that a trial of the space has: one hyperparameter at a time leaves its
 * default. */
static int most_epochs(const struct experiment *x, struct objective *o)
{
  double values[SPACE_MAX];
  space_defaults(&x->space, values);
  int most = epochs_of(o, values);
  for (int i = 0; i < x->space.n; i++) {
    const struct param *p = &x->space.params[i];
    double standard = values[i];
    for (double v = p->n_choices > 0 ? p->low : p->high; v <= p->high; v++) {
      values[i] = v;
      int epochs = epochs_of(o, values);
      if (epochs > most) most = epochs;
    }
    values[i] = standard;
  }
  return most;
}

int study_brackets(const struct experiment *x, struct objective *o, struct brackets *b, struct error *e)
{
  const struct pruner_settings *s = &x->pruner_settings;
  return brackets_make(b, s->eta, s->smallest, s->largest > 0 ? s->largest : most_epochs(x, o), e);
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Has one of the trials that ended in the first `seen` legs reached the target? */
static bool target_seen(const struct study *s, int seen)
{
  for (int j = 0; s->x->has_target && j < seen; j++) {
    const struct leg *leg = &s->legs->legs[j];
    if (leg->last && study_hits_target(s, &s->trials[leg->trial])) return true;
  }
  return false;
}

static void go_on(struct study *s, int number)
{
  s->trials[number].state = STORED_RUNNING;
  s->done--;
  if (s->known > number) s->known = number;
}

/* The next group, all trials of the one before having ended.  False: there is none. */
static bool begin_group(struct study *s)
{
  study_enter_group(s);
  if (s->ended) s->target_reached = target_seen(s, s->legs->n);
  legs_begin_group(s->legs);
  return !s->ended;
}

enum study_state study_next_leg(struct study *s)
{
  int number, parallel = s->x->parallel;
  if (!s->in_group && !begin_group(s)) return STUDY_ENDED;
  while (s->legs->known >= legs_seen(s->legs, parallel)) {
    if (target_seen(s, legs_seen(s->legs, parallel))) {
      s->ended = s->target_reached = true;
      return STUDY_ENDED;
    }
    bool all_begun = s->n >= s->group.first + s->group.count;
    enum legs_next next = legs_next(s->legs, parallel, all_begun, &number);
    if (next == LEGS_WAIT) return STUDY_WAIT;
    if (next == LEGS_BEGIN) return STUDY_PROPOSE;
    if (next == LEGS_GO_ON) go_on(s, number);
    if (next == LEGS_OVER && !begin_group(s)) return STUDY_ENDED;
  }
  return STUDY_WAIT;
}

/* The defaults are what all else is compared with, and importance is measured on whole trials: both
 * run to their end. */
void study_add_leg(struct study *s, int number)
{
  bool baseline = s->x->baseline && number == 0;
  int first = s->group.first + (s->x->baseline && s->group.first == 0);
  bool whole = baseline || s->group.is_random;
  legs_add(s->legs, number, whole ? s->legs->brackets.n - 1 : brackets_of_trial(&s->legs->brackets, number - first));
}

/* ---- what a proposal sees -------------------------------------------------------------------- */

enum { UNSEEN = 0, ENDED = -1 };

/* s->reached: of each trial the rung's epochs that its last leg seen has brought it to. */
static void find_reached(struct study *s)
{
  int seen = legs_seen(s->legs, s->x->parallel);
  memset(s->reached, 0, sizeof *s->reached * (size_t)s->n);
  for (int j = 0; j < seen; j++) {
    const struct leg *leg = &s->legs->legs[j];
    s->reached[leg->trial] = leg->last ? ENDED : s->legs->brackets.epochs[leg->rung];
  }
}

/* The trial's value at a rung; NaN where it has none there, or none that is seen. */
static double value_at(const struct study *s, int i, int rung)
{
  const struct stored_trial *t = &s->trials[i];
  int last = s->legs->brackets.n - 1, epochs = s->legs->brackets.epochs[rung];
  bool complete = s->reached[i] == ENDED && t->state == STORED_COMPLETE;
  if (complete && (rung == last || t->epochs <= epochs)) return study_upward(s, t->value);
  if (rung == last || s->curves[i].n < epochs) return NAN;
  return complete || s->reached[i] >= epochs ? s->curves[i].values[epochs - 1] : NAN;
}

/* How many trials have a value there, of those that the group learns from? */
static int count_at(const struct study *s, int from, int rung)
{
  int n = s->group.incumbent >= 0 && s->group.incumbent < from && !isnan(value_at(s, s->group.incumbent, rung));
  for (int i = from; i < s->n; i++) n += !isnan(value_at(s, i, rung));
  return n;
}

static int rung_to_learn_at(const struct study *s, int from)
{
  int enough = 3, rung = s->legs->brackets.n - 1;
  for (int i = 0; i < s->x->space.n; i++) enough += s->group.free[i];
  while (rung > 0 && count_at(s, from, rung) < enough) rung--;
  return rung;
}

static struct observation observe_at(const struct study *s, int i, int rung)
{
  struct observation o = study_observe(s, &s->trials[i], s->reached[i] == ENDED);
  double value = value_at(s, i, rung);
  bool at_its_end = o.state == OBSERVATION_COMPLETE && value == o.value;
  if (s->reached[i] == UNSEEN || o.state == OBSERVATION_FAILED || at_its_end) return o;
  o.state = isnan(value) ? OBSERVATION_PRUNED : OBSERVATION_COMPLETE;
  o.loss = 0; /* of epochs it is not kept */
  o.step = s->reached[i] > 0 ? s->reached[i] : s->trials[i].epochs;
  o.value = isnan(value) ? s->curves[i].values[o.step - 1] : value;
  return o;
}

void study_look_at_legs(struct study *s)
{
  int from = study_first_learnt(s), incumbent = s->group.incumbent;
  find_reached(s);
  int rung = rung_to_learn_at(s, from);
  if (incumbent >= 0 && incumbent < from) study_put_aside(s, incumbent, observe_at(s, incumbent, rung));
  for (int i = from; i < s->n; i++) study_put_aside(s, i, observe_at(s, i, rung));
}

/* ---- going on -------------------------------------------------------------------------------- */

/* How trial `number` ended its present leg, by what is stored of it.  False: it has not. */
static bool leg_ended(const struct study *s, const struct stored_trial *t, struct stored_trial *as)
{
  int pause = legs_pause(s->legs, t->number);
  const struct curve *c = &s->curves[t->number];
  bool ended = t->state == STORED_COMPLETE || t->state == STORED_FAIL || t->state == STORED_PRUNED;
  bool passed = pause > 0 && c->n >= pause && !isnan(c->values[pause - 1]);
  *as = *t;
  if (t->state == STORED_PRUNED) passed = pause > 0 && t->epochs >= pause;
  if (t->state == STORED_COMPLETE) passed = passed && t->epochs > pause;
  if (!ended || !passed) return ended && t->state != STORED_PRUNED;
  as->state = STORED_PRUNED;
  if (t->epochs == pause && t->state == STORED_PRUNED) return true;
  as->epochs = pause;
  as->value = study_upward(s, c->values[pause - 1]);
  return true;
}

/* Ends the legs that are stored as ended; how many. */
static int end_stored(struct study *s, const struct stored_trial *trials)
{
  struct stored_trial as;
  int n = 0;
  for (int i = 0; i < s->n; i++)
    if (s->trials[i].state == STORED_RUNNING && leg_ended(s, &trials[i], &as)) {
      study_end(s, &as);
      n++;
    }
  return n;
}

int study_resume_legs(struct study *s, const struct stored_trial *trials, int n, struct error *e)
{
  for (bool more = true; more;) {
    more = false;
    enum study_state next = study_next(s);
    if (next == STUDY_PROPOSE && s->n < n) {
      struct stored_trial t = trials[s->n];
      t.state = STORED_RUNNING;
      study_add(s, &t);
      more = true;
    }
    more |= end_stored(s, trials) > 0;
  }
  if (s->n == n) return 0;
  return error_set(e, ERROR_FAILED,
                   "%s, round %d: trial %d is in the database, but what its proposal waits for has not all ended; "
                   "another program has changed it",
                   s->strategy->name, s->round, s->n);
}
