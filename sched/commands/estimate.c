/* How long an experiment may take.  See estimate.h.
 *
 * Time of a trial = its work (FLOPs) · seconds of a unit of work, the ratio of two sums over the
 * measured configurations: a large network weighs as much as it costs.  A rehearsal is made of the
 * strategy's own groups, so that a hyperparameter outside the group counts as it will be: at its
 * default at first, later at the value of one of the trials before. */
#include "sched/commands/estimate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/monotonic.h"
#include "kernels/philox.h"
#include "host/base/rng.h"
#include "host/samplers/sampler.h"
#include "sched/run/winner_repeats.h"
#include "sched/study/strategy.h"

enum {
  REHEARSAL_TRIALS = 1000, /* of a study that is longer than this its shares alone count */
  REHEARSAL_DRAWS = 2000,  /* for each strategy, in whole studies, at least one */
  THREADS_MAX = 256
};
/* A network of gigabytes would take longer to set up than all the others to run. */
#define MEASURED_BYTES_MAX ((int64_t)1 << 30)
#define PIECE_S 0.2
#define MEASUREMENT_S 1.6

/* ---- rehearsal ------------------------------------------------------------------------------- */

struct rehearsing {
  struct rehearsal *r;
  struct objective *o;
  const struct experiment *x;
  const volatile int *stop;
  struct rng rng;
  struct observation *history; /* [x->trials] */
  double (*values)[SPACE_MAX]; /* [x->trials] */
};

static bool is_feasible(void *context, const double *values)
{
  struct objective *o = context;
  struct objective_cost cost;
  return o->cost(o, values, &cost, NULL) == 0 && cost.feasible;
}

/* Of the trials of a strategy. */
struct sums {
  int trials;
  double work, repeats, repeats_work;
};

/* One of the strategies' trials: counted, and kept with the same chance as every other. */
static int take_in(struct rehearsing *h, const double *values, struct sums *sums, struct error *e)
{
  struct rehearsal *r = h->r;
  struct objective_cost cost;
  if (h->o->cost(h->o, values, &cost, e)) return e->code;
  double work = cost.flops > 0 ? cost.flops : cost.epochs > 0 ? cost.epochs : 1;
  int repeats = winner_repeats_wanted(h->x, h->o, &cost);
  sums->trials++;
  sums->work += work;
  sums->repeats += repeats;
  sums->repeats_work += repeats * work;
  int at = r->draws++;
  if (at >= REHEARSAL_KEPT) at = (int)rng_below(&h->rng, (uint32_t)r->draws);
  if (at >= REHEARSAL_KEPT) return 0;
  memcpy(r->kept[at], values, sizeof r->kept[at]);
  r->kept_work[at] = work;
  r->kept_bytes[at] = cost.bytes;
  if (r->n_kept <= at) r->n_kept = at + 1;
  return 0;
}

static int rehearse_group(struct rehearsing *h, const struct group *p, struct sums *sums, struct error *e)
{
  struct sampler_request request = {.space = &h->x->space,
                                    .free = p->free,
                                    .fixed = p->current,
                                    .key = philox_trial_key(h->x->seed, 0, 0),
                                    .feasible = is_feasible,
                                    .feasible_context = h->o,
                                    .settings = &h->x->sampler_settings};
  for (int t = p->first; t < p->first + p->count; t++) {
    if (h->stop && *h->stop) return error_set(e, ERROR_INTERRUPTED, "interrupted");
    memset(h->values[t], 0, sizeof h->values[t]);
    if (sampler_draw_random(&request, &h->rng, h->values[t], e) || take_in(h, h->values[t], sums, e)) return e->code;
    h->history[t] = (struct observation){.number = t,
                                         .state = OBSERVATION_COMPLETE,
                                         .values = h->values[t],
                                         .value = rng_uniform(&h->rng),
                                         .group = p->index};
  }
  return 0;
}

static int rehearse_study(struct rehearsing *h, const struct strategy *strategy, struct sums *sums, struct error *e)
{
  struct group group, last;
  for (int done = 0; !strategy->next_group(h->x, done ? &last : NULL, h->history, done, NULL, &group);) {
    if (rehearse_group(h, &group, sums, e)) {
      if (e->code == ERROR_CONFIG)
        error_prefix(e, "%s: [space]: strategy %s, group %s: nothing can be proposed", h->x->path, strategy->name,
                     group.name);
      return e->code;
    }
    last = group;
    done = group.first + group.count;
  }
  return 0;
}

int rehearsal_make(struct rehearsal *r, struct objective *o, const struct experiment *x, const volatile int *stop,
                   struct error *e)
{
  struct experiment *shorter = malloc(sizeof *shorter);
  struct rehearsing h = {r, o, shorter, stop, {0}, NULL, NULL};
  memset(r, 0, sizeof *r);
  if (!shorter) return error_set(e, ERROR_MACHINE, "no memory");
  *shorter = *x; /* the space's own memory stays x's */
  if (shorter->cycle_trials > REHEARSAL_TRIALS) shorter->cycle_trials = REHEARSAL_TRIALS;
  shorter->cycles = 1;
  shorter->trials = shorter->cycle_trials;
  h.rng = rng_make(philox_trial_key(x->seed, 0, 0), philox_subsequence(PHILOX_SAMPLER, 255, 3));
  h.history = calloc((size_t)shorter->trials, sizeof *h.history);
  h.values = calloc((size_t)shorter->trials, sizeof *h.values);
  int code = h.history && h.values ? 0 : error_set(e, ERROR_MACHINE, "no memory");
  for (int s = 0; s < x->n_strategies && !code; s++) {
    struct sums sums = {0};
    do {
      code = rehearse_study(&h, strategy_find(x->strategies[s]), &sums, e);
    } while (!code && sums.trials > 0 && sums.trials < REHEARSAL_DRAWS);
    if (sums.trials == 0) continue;
    r->mean_work[s] = sums.work / sums.trials;
    r->mean_repeats[s] = sums.repeats / sums.trials;
    r->mean_repeats_work[s] = sums.repeats_work / sums.trials;
  }
  free(h.values);
  free(h.history);
  free(shorter);
  return code;
}

/* ---- measurement ----------------------------------------------------------------------------- */

struct measuring {
  struct objective *o;
  const struct rehearsal *r;
  const volatile int *stop;
  double deadline;
  const double *longest;        /* NULL: none, or measured */
  int order[REHEARSAL_KEPT], n; /* of the kept configurations those that may be measured */
  atomic_int next;
  pthread_mutex_t lock; /* of what follows */
  int configurations;
  double longest_s;
  double seconds, work; /* sums over the measured configurations, of whole trials */
  struct error error;   /* the first one */
};

/* Each thread one configuration at least, then more until the time is up. */
static void *measure_thread(void *context)
{
  struct measuring *m = context;
  pthread_mutex_lock(&m->lock);
  const double *longest = m->longest;
  m->longest = NULL; /* whoever comes first takes it */
  pthread_mutex_unlock(&m->lock);
  if (longest && m->o->measure(m->o, longest, PIECE_S, m->stop, &m->longest_s, NULL)) m->longest_s = 0;
  do {
    int at = atomic_fetch_add(&m->next, 1);
    double seconds;
    struct error e = {0};
    if (at >= m->n) break;
    int i = m->order[at];
    int code = m->o->measure(m->o, m->r->kept[i], PIECE_S, m->stop, &seconds, &e);
    pthread_mutex_lock(&m->lock);
    if (code == 0) {
      m->configurations++;
      m->seconds += seconds;
      m->work += m->r->kept_work[i];
    } else if (!m->error.code) {
      m->error = e;
    }
    pthread_mutex_unlock(&m->lock);
    if (code) break;
  } while (monotonic_seconds() < m->deadline);
  return NULL;
}

int measurement_make(struct measurement *m, struct objective *o, const struct rehearsal *r, const double *longest,
                     int side_by_side, int64_t memory, const volatile int *stop, struct error *e)
{
  struct measuring work = {
      .o = o, .r = r, .stop = stop, .deadline = monotonic_seconds() + MEASUREMENT_S, .lock = PTHREAD_MUTEX_INITIALIZER};
  pthread_t threads[THREADS_MAX];
  int n = 0, wanted = side_by_side < THREADS_MAX ? side_by_side : THREADS_MAX;
  memset(m, 0, sizeof *m);
  int64_t share = memory / (side_by_side > 0 ? side_by_side : 1);
  if (share > MEASURED_BYTES_MAX) share = MEASURED_BYTES_MAX;
  for (int i = 0; i < r->n_kept; i++) {
    if (r->kept_bytes[i] <= share) work.order[work.n++] = i;
  }
  if (!o->can_measure || work.n == 0) return 0;
  struct objective_cost cost;
  if (longest && o->cost(o, longest, &cost, e)) return e->code;
  if (longest && cost.bytes <= share) work.longest = longest;
  if (wanted > work.n) wanted = work.n;
  while (n < wanted && pthread_create(&threads[n], NULL, measure_thread, &work) == 0) n++;
  for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
  if (n == 0) return error_set(e, ERROR_MACHINE, "no thread can be started");
  if (stop && *stop) return error_set(e, ERROR_INTERRUPTED, "interrupted");
  if (work.configurations == 0) {
    *e = work.error;
    return e->code;
  }
  m->configurations = work.configurations;
  m->side_by_side = n;
  m->piece_s = PIECE_S;
  m->longest_s = work.longest_s;
  m->work_s = work.work > 0 ? work.seconds / work.work : 0;
  return 0;
}
