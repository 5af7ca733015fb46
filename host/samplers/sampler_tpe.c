/* Tree-structured Parzen estimator: Algorithm 1 of Wang, Nabney and Golbabaee, "Grouped Sequential
 * Optimization Strategy", CPAL 2025, after Bergstra, Bardenet, Bengio, Kégl, "Algorithms for
 * hyper-parameter optimization", NIPS 2011.  The papers are silent about trials that failed, were
 * pruned or are in flight, about infeasible configurations and about repeats; here:
 *
 *   1. The first tpe_startup trials of a group are random.
 *   2. The n trials that were complete or pruned are sorted: the complete ones from the best, then
 *      the pruned ones, first those that came furthest, of these the better value first (as Optuna
 *      orders them).  The first ceil(tpe_quantile · n) are good, and all others that are known,
 *      failed and in flight among them, are bad.  A complete trial without a number for a value
 *      counts as failed; a pruned one is the last of those that came as far.  Of trials that held
 *      hyperparameters (observation.free) only those count that searched one of the free ones.
 *   3. Each free hyperparameter has a density over the good, l, and over the bad, g (parzen.c), of
 *      the trials that searched it; their products over the hyperparameters are those of a
 *      configuration.
 *   4. tpe_candidates feasible draws from l are ranked by l/g, which orders them as 1 / (quantile +
 *      (g/l)(1 - quantile)), expected improvement, does.  The best one that no trial has yet is the
 *      proposal.
 *   5. Infeasible draws are drawn again, and so are all where none is new; after SAMPLER_DRAWS of
 *      them the discrete part is enumerated in a shuffled order (floats drawn uniformly) and the
 *      best by l/g of the first ENUMERATE_ENOUGH that are feasible and new is taken.  Where nothing
 *      is new the best of all that were seen is proposed again.
 *
 * Every kernel is of one hyperparameter, so a fit costs O(n log n) and a candidate O(n) for each of
 * them; an int's masses are kept in a table, since candidates often share a value. */
#include "host/samplers/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/samplers/parzen.h"
#include "host/samplers/sampler_common.h"

enum { ENUMERATE_ENOUGH = 4096 };

/* The two densities of each free hyperparameter, and what holds them. */
struct model {
  const struct sampler_request *request;
  struct parzen good[SPACE_MAX], bad[SPACE_MAX]; /* [space->n], free ones only */
  const struct observation **order;              /* [n_good + n_bad] the good, then the bad */
  int n_good, n_bad;
  double *room;
};

/* --- good and bad --- */

static bool is_complete(const struct observation *o)
{
  return o->state == OBSERVATION_COMPLETE && !isnan(o->value);
}

static bool is_ranked(const struct observation *o)
{
  return is_complete(o) || o->state == OBSERVATION_PRUNED;
}

static int by_best(const void *a, const void *b)
{
  const struct observation *x = *(const struct observation *const *)a, *y = *(const struct observation *const *)b;
  if (x->state != y->state) return x->state == OBSERVATION_COMPLETE ? -1 : 1;
  if (x->state == OBSERVATION_PRUNED && x->step != y->step) return x->step > y->step ? -1 : 1;
  return observation_better(x, y) ? -1 : observation_better(y, x) ? 1 : 0;
}

static bool searched(const struct observation *o, int hyperparameter)
{
  return !o->free || o->free[hyperparameter];
}

/* Has the trial something to say of what is free now? */
static bool counts(const struct sampler_request *request, const struct observation *o)
{
  bool any = !o->free;
  for (int i = 0; i < request->space->n && !any; i++) any |= request->free[i] && searched(o, i);
  return any;
}

static void model_split(struct model *m)
{
  int n = 0, ranked = 0;
  for (int i = 0; i < m->request->n_history; i++) n += counts(m->request, &m->request->history[i]);
  for (int i = 0, last = n; i < m->request->n_history; i++) {
    const struct observation *o = &m->request->history[i];
    if (!counts(m->request, o)) continue;
    if (is_ranked(o)) {
      m->order[ranked++] = o;
    } else {
      m->order[--last] = o;
    }
  }
  qsort(m->order, (size_t)ranked, sizeof(*m->order), by_best);
  double good =
      ceil(m->request->settings->tpe_quantile * ranked - 1e-9); /* 0.1 · 30 is 3, whatever its last bit says */
  m->n_good = (int)fmin(fmax(good, ranked > 0), ranked);
  m->n_bad = n - m->n_good;
}

/* --- the model --- */

static int model_make(struct model *m, const struct sampler_request *request, struct error *e)
{
  const struct space *space = request->space;
  int n = request->n_history;
  m->request = request;
  size_t doubles = (size_t)n;
  for (int i = 0; i < space->n; i++) {
    if (request->free[i]) doubles += 2 * parzen_room(&space->params[i], n);
  }
  m->order = malloc((size_t)(n + 1) * sizeof(*m->order));
  m->room = malloc((doubles + 1) * sizeof(*m->room));
  if (!m->order || !m->room) return error_set(e, ERROR_MACHINE, "out of memory for a history of %d trials", n);
  model_split(m);
  double *column = m->room, *room = m->room + n;
  for (int i = 0; i < space->n; i++) {
    const struct param *p = &space->params[i];
    if (!request->free[i]) continue;
    for (int set = 0; set < 2; set++) {
      const struct observation **from = set ? m->order + m->n_good : m->order;
      int count = set ? m->n_bad : m->n_good;
      for (int k = 0; k < count; k++) column[k] = searched(from[k], i) ? from[k]->values[i] : NAN;
      parzen_fit(set ? &m->bad[i] : &m->good[i], p, column, count, request->settings->tpe_prior_weight, room);
      room += parzen_room(p, count);
    }
  }
  return 0;
}

static void model_destroy(struct model *m)
{
  free(m->room);
  free(m->order);
}

/* log (l/g) of a configuration. */
static double model_score(struct model *m, const double *values)
{
  double score = 0;
  for (int i = 0; i < m->request->space->n; i++) {
    if (m->request->free[i]) score += parzen_log(&m->good[i], values[i]) - parzen_log(&m->bad[i], values[i]);
  }
  return score;
}

static void model_draw(const struct model *m, struct rng *rng, double *values)
{
  for (int i = 0; i < m->request->space->n; i++) {
    values[i] = m->request->free[i] ? parzen_draw(&m->good[i], rng) : m->request->fixed[i];
  }
}

/* --- the proposal --- */

/* The best configuration so far that is new, and the best at all. */
struct choice {
  int n;
  bool has_new, has_any;
  double new_score, any_score;
  double new_values[SPACE_MAX], any_values[SPACE_MAX];
};

/* Of equal scores the earlier stays. */
static void choice_offer(struct choice *c, const double *values, double score, const struct seen *seen)
{
  if (!c->has_any || score > c->any_score) {
    c->has_any = true;
    c->any_score = score;
    memcpy(c->any_values, values, (size_t)c->n * sizeof(*values));
  }
  if ((!c->has_new || score > c->new_score) && !seen_has(seen, values)) {
    c->has_new = true;
    c->new_score = score;
    memcpy(c->new_values, values, (size_t)c->n * sizeof(*values));
  }
}

static void choose(struct model *m, struct rng *rng, const struct seen *seen, struct choice *c)
{
  double values[SPACE_MAX];
  int draws =
      m->request->settings->tpe_candidates > SAMPLER_DRAWS ? m->request->settings->tpe_candidates : SAMPLER_DRAWS;
  for (int feasible = 0; draws > 0; draws--) {
    model_draw(m, rng, values);
    if (!sampler_feasible(m->request, values)) continue;
    choice_offer(c, values, model_score(m, values), seen);
    if (++feasible % m->request->settings->tpe_candidates == 0 && c->has_new) return;
  }
  if (c->has_new) return;
  struct discrete_walk walk;
  discrete_walk_start(&walk, m->request, rng);
  for (int enough = ENUMERATE_ENOUGH; enough > 0 && discrete_walk_next(&walk, values);) {
    if (!sampler_feasible(m->request, values)) continue;
    bool had_new = c->has_new;
    choice_offer(c, values, model_score(m, values), seen);
    if (had_new || c->has_new) enough--;
  }
}

static int startup(const struct sampler_settings *settings)
{
  return settings->tpe_startup;
}

static bool is_blind(const struct sampler_request *request)
{
  return request->n_group < startup(request->settings);
}

static int tpe_ask(const struct sampler_request *request, double *values, struct error *e)
{
  struct rng rng = rng_make(request->key, philox_subsequence(PHILOX_SAMPLER, 0, 0));
  if (is_blind(request)) return sampler_draw_random(request, &rng, values, e);
  struct model model = {0};
  struct seen seen = {0};
  struct choice choice = {.n = request->space->n};
  int result = seen_make(&seen, request, e);
  if (!result) result = model_make(&model, request, e);
  if (result) goto done;
  choose(&model, &rng, &seen, &choice);
  if (choice.has_any) {
    memcpy(values, choice.has_new ? choice.new_values : choice.any_values, (size_t)choice.n * sizeof(*values));
  } else {
    result = sampler_nothing_feasible(request, e);
  }
done:
  model_destroy(&model);
  seen_destroy(&seen);
  return result;
}

const struct sampler sampler_tpe = {.name = "tpe",
                                    .summary = "tree-structured Parzen estimator (the paper's Algorithm 1)",
                                    .sees_all = sampler_sees_as_told,
                                    .startup = startup,
                                    .startup_in_groups = true,
                                    .ask = tpe_ask,
                                    .is_blind = is_blind};
