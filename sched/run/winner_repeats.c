/* Trainings of winners: threads that take the next one, as workers do trials.  See
 * winner_repeats.h. */
#include "sched/run/winner_repeats.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/base/folder.h"
#include "host/base/monotonic.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/store/state_file.h"
#include "kernels/philox.h"
#include "sched/run/resources.h"

_Static_assert((int)RUN_REPEATS_MAX <= (int)RECORD_REPEATS_MAX,
               "a study's record holds as many repeats as a run makes");

enum { TICK_MS = 100, HEARTBEAT_S = 10 };

enum job_state { JOB_WAITS, JOB_RUNS, JOB_ENDED };

struct repeat_job {
  int study, repeat;
  enum job_state state;
  int epoch; /* for the progress line */
  double since;
};

/* The winner of a study. */
struct winner {
  struct study_repeats repeats;
  int wanted; /* of them; an earlier run may have made more */
  struct objective_cost cost;
  double share;         /* of a place */
  const double *values; /* [x->space.n], the study's own */
};

struct winner_repeats {
  struct runner *r;
  struct winner *winners;  /* [r->n_studies] */
  struct repeat_job *jobs; /* [n_jobs], those that are missing, in the order of the studies */
  int n_jobs;
  double began;
  /* Under `lock`: */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int *ended; /* [n_ended] jobs in the order in which they ended */
  int n_ended, alive;
  struct queue_limits limits; /* bytes: of the host's memory */
  struct queue_place running; /* in all places */
  int64_t bytes;              /* of the host's memory that they take */
  bool stopping;
  struct error failure; /* the first one: it ends the run */
  struct error lost;    /* why the last place was given up */
  struct notices notices;
};

struct member {
  struct repeat_job *job; /* NULL: free */
  struct stored_trial trial;
  bool has_state;
};

struct repeater {
  struct winner_repeats *all;
  pthread_t thread;
  int device;
  struct place *place;
  volatile int stop;
  struct member members[RUNNER_CAPACITY_MAX];
  struct queue_place taken;
  bool lost;
};

int winner_repeats_wanted(const struct experiment *x, const struct objective *o, const struct objective_cost *cost)
{
  if (!o->has_network || x->repeats == 0) return 0;
  if (x->repeats > 0) return x->repeats;
  return cost->epochs > 0 && cost->flops / cost->epochs <= REPEATS_EPOCH_FLOPS ? REPEATS_AUTO_N : 0;
}

/* ---- what is to be done ---------------------------------------------------------------------- */

/* Those that the database has, of the same winner, and room for those that are missing. */
static int take_earlier(struct winner_repeats *w, int study, int wanted, struct error *e)
{
  const struct run_study *s = &w->r->studies[study];
  struct study_repeats *now = &w->winners[study].repeats;
  struct study_record record;
  int code = study_record_read(w->r->store, s->store_id, &record, e);
  if (code) return code;
  bool same = record.repeats.trial == s->study.best && record.repeats.first == REPEATS_FIRST;
  int n = same ? record.repeats.n : 0;
  while (n > wanted && !record.repeats.all[n - 1].ended) n--; /* more were wanted once */
  w->winners[study].wanted = wanted;
  *now = (struct study_repeats){.trial = s->study.best, .first = REPEATS_FIRST, .n = n > wanted ? n : wanted};
  now->all = calloc((size_t)now->n, sizeof *now->all);
  if (!now->all)
    code = error_set(e, ERROR_MACHINE, "no memory for %d repeats", now->n);
  else if (n > 0)
    memcpy(now->all, record.repeats.all, (size_t)n * sizeof *now->all);
  study_record_free(&record);
  return code;
}

static int look_at(struct winner_repeats *w, int study, char *note, size_t n_note, struct error *e)
{
  struct runner *r = w->r;
  struct run_study *s = &r->studies[study];
  struct winner *winner = &w->winners[study];
  char flops[TEXT_UNITS_MAX];
  if (study_next(&s->study) != STUDY_ENDED || s->study.done < s->study.n || s->study.best < 0) return 0;
  winner->values = s->study.trials[s->study.best].values;
  if (r->objective->cost(r->objective, winner->values, &winner->cost, e)) return e->code;
  int wanted = winner_repeats_wanted(r->x, r->objective, &winner->cost);
  if (wanted == 0 && r->x->repeats == REPEATS_AUTO && r->objective->has_network && !note[0])
    text_format(note, n_note,
                "%s: its best network is not trained again, since an epoch of it is %s, and [experiment] repeats "
                "= auto does so up to 1 TFLOP; repeats = 3 does it all the same",
                s->title, text_flops(flops, sizeof flops, winner->cost.flops / fmax(1, winner->cost.epochs)));
  if (wanted == 0) return 0;
  winner->share = queue_share(&w->limits, &winner->cost);
  if (take_earlier(w, study, wanted, e)) return e->code;
  for (int k = 0; k < wanted; k++)
    if (!winner->repeats.all[k].ended) w->jobs[w->n_jobs++] = (struct repeat_job){.study = study, .repeat = k};
  return 0;
}

static int prepare(struct winner_repeats *w, char *note, size_t n_note, struct error *e)
{
  struct runner *r = w->r;
  size_t most = (size_t)r->n_studies * (r->x->repeats > 0 ? (size_t)r->x->repeats : (size_t)REPEATS_AUTO_N);
  note[0] = 0;
  w->winners = calloc((size_t)r->n_studies + 1, sizeof *w->winners);
  w->jobs = calloc(most + 1, sizeof *w->jobs);
  w->ended = calloc(most + 1, sizeof *w->ended);
  if (!w->winners || !w->jobs || !w->ended) return error_set(e, ERROR_MACHINE, "no memory for the repeats");
  for (int i = 0; i < r->n_studies; i++)
    if (look_at(w, i, note, n_note, e)) return e->code;
  return 0;
}

static void release(struct winner_repeats *w)
{
  for (int i = 0; i < w->r->n_studies && w->winners; i++) free(w->winners[i].repeats.all);
  free(w->winners);
  free(w->jobs);
  free(w->ended);
}

/* ---- stopping -------------------------------------------------------------------------------- */

static void fail(struct winner_repeats *w, const struct error *e)
{
  pthread_mutex_lock(&w->lock);
  if (!w->failure.code) w->failure = *e;
  w->stopping = true;
  pthread_cond_broadcast(&w->changed);
  pthread_mutex_unlock(&w->lock);
}

/* Tells the user and whoever listens. */
__attribute__((format(printf, 3, 4))) static void notify(struct winner_repeats *w, const struct repeat_job *job,
                                                         const char *format, ...)
{
  char what[NOTICE_MAX], text[NOTICE_MAX];
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  text_format(text, sizeof text, "%s, repeat %d: %s", w->r->studies[job->study].title, job->repeat + 1, what);
  events_emit(w->r->events, (struct event){.kind = EVENT_NOTICE, .reason = text});
  pthread_mutex_lock(&w->lock);
  notices_add(&w->notices, text);
  pthread_mutex_unlock(&w->lock);
}

/* ---- a training in its place ----------------------------------------------------------------- */

static struct state_owner owner_of(const struct runner *r, const struct run_study *s)
{
  return (struct state_owner){.study = s->name, .search = r->search, .depends_on = r->depends_on};
}

static struct run_study *study_of(const struct winner_repeats *w, const struct repeat_job *job)
{
  return &w->r->studies[job->study];
}

/* As it was kept, or from its start.  What was kept and is of no use is set aside. */
static int add(struct repeater *p, struct member *m, struct error *e)
{
  struct runner *r = p->all->r;
  const struct run_study *s = study_of(p->all, m->job);
  const struct winner *winner = &p->all->winners[m->job->study];
  struct kept_state kept = {0};
  struct error why = {0};
  char path[RUNNER_PATH_MAX], aside[RUNNER_PATH_MAX + 16];
  m->trial = (struct stored_trial){.number = REPEATS_FIRST + m->job->repeat, .value = NAN};
  m->trial.key = philox_trial_key(r->x->seed, s->study.round, m->trial.number);
  memcpy(m->trial.values, winner->values, (size_t)r->x->space.n * sizeof *m->trial.values);
  struct trial_spec spec = {.id = (int)(m - p->members),
                            .key = m->trial.key,
                            .values = m->trial.values,
                            .strategy = s->study.strategy->name,
                            .round = s->study.round,
                            .number = m->trial.number};
  struct stored_trial before = m->trial;
  struct state_owner owner = owner_of(r, s);
  runner_state_path(r, s, m->trial.number, path, sizeof path);
  int code = r->states[0] ? state_file_read(path, &owner, r->x->space.n, &before, &kept, &m->has_state, &why) : 0;
  bool restored = false;
  if (m->has_state && !code) {
    code = objective_restore(r->objective, p->place, &spec, kept.block, kept.bytes, &why);
    restored = !code || code == ERROR_MACHINE || code == ERROR_LOST;
  }
  kept_state_free(&kept);
  if (restored) {
    if (code && e) *e = why;
    if (!code) m->trial = before;
    return code;
  }
  if (m->has_state) {
    snprintf(aside, sizeof aside, "%s.unusable", path);
    rename(path, aside);
    notify(p->all, m->job, "begins again: %s (set aside as *.unusable)", why.message);
  }
  m->has_state = false;
  return r->objective->add(p->place, &spec, e);
}

/* Keeps its state, so that it goes on there; where that fails it begins again, and nothing is
 * lost but time. */
static void keep(struct repeater *p, const struct member *m)
{
  struct runner *r = p->all->r;
  const struct run_study *s = study_of(p->all, m->job);
  struct kept_state kept = {0};
  struct error why = {0};
  char path[RUNNER_PATH_MAX];
  if (!r->states[0]) return;
  int code = objective_checkpoint(r->objective, p->place, (int)(m - p->members), &kept.block, &kept.bytes, &why);
  if (!code && kept.block && folder_make(r->states) == 0) {
    struct state_owner owner = owner_of(r, s);
    runner_state_path(r, s, m->trial.number, path, sizeof path);
    code = state_file_write(path, &owner, r->x->space.n, &m->trial, &kept, &why);
  }
  if (code) notify(p->all, m->job, "its state cannot be kept, and it will begin again: %s", why.message);
  kept_state_free(&kept);
}

/* Evaluates the network as it stands on the test set, from a file of its own. */
static int test(struct repeater *p, const struct member *m, struct study_repeat *result, struct error *e)
{
  struct runner *r = p->all->r;
  const struct run_study *s = study_of(p->all, m->job);
  struct objective_test tested;
  char path[1200];
  if (!r->objective->has_test) return 0;
  if (folder_make(s->networks) != 0) return error_errno(e, "%s: cannot be made", s->networks);
  snprintf(path, sizeof path, "%s/repeat-%d.safetensors", s->networks, m->job->repeat);
  int code = r->objective->save(p->place, (int)(m - p->members), path, NULL, e);
  if (!code) code = r->objective->test(r->objective, path, &tested, NULL, &p->stop, e);
  unlink(path);
  if (code) return code;
  result->tested = tested.available;
  result->test = tested.value;
  result->test_loss = tested.loss;
  return 0;
}

static void emit(const struct winner_repeats *w, const struct repeat_job *job, const struct study_repeat *result)
{
  const struct run_study *s = study_of(w, job);
  events_emit(w->r->events, (struct event){.kind = EVENT_REPEAT_END,
                                           .study = s->name,
                                           .strategy = s->study.strategy->name,
                                           .round = s->study.round,
                                           .trial = w->winners[job->study].repeats.trial,
                                           .repeat = job->repeat,
                                           .state = result->failed ? STORED_FAIL : STORED_COMPLETE,
                                           .value = result->value,
                                           .loss = result->loss,
                                           .tested = result->tested,
                                           .test = result->test,
                                           .seconds = result->seconds,
                                           .images = result->images});
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* A member leaves its place; `again`: it is still to be trained. */
static void leave(struct repeater *p, struct member *m, bool again)
{
  struct winner_repeats *w = p->all;
  w->r->objective->remove(p->place, (int)(m - p->members));
  pthread_mutex_lock(&w->lock);
  m->job->state = again ? JOB_WAITS : JOB_ENDED;
  w->bytes -= w->winners[m->job->study].cost.bytes;
  queue_place_remove(&w->running, w->winners[m->job->study].share);
  queue_place_remove(&p->taken, w->winners[m->job->study].share);
  m->job = NULL;
  pthread_cond_broadcast(&w->changed);
  pthread_mutex_unlock(&w->lock);
}

/* Commits what a training reached, then tells of it. */
static int commit(struct repeater *p, struct member *m, const struct study_repeat *result, struct error *e)
{
  struct winner_repeats *w = p->all;
  struct winner *winner = &w->winners[m->job->study];
  const struct run_study *s = study_of(w, m->job);
  char path[RUNNER_PATH_MAX];
  pthread_mutex_lock(&w->lock);
  struct study_repeat *stored = &winner->repeats.all[m->job->repeat];
  *stored = *result;
  int code = study_record_write_repeats(w->r->store, s->store_id, &winner->repeats, e);
  if (code)
    *stored = (struct study_repeat){0};
  else
    w->ended[w->n_ended++] = (int)(m->job - w->jobs);
  pthread_mutex_unlock(&w->lock);
  if (code) return code;
  runner_state_path(w->r, s, m->trial.number, path, sizeof path);
  if (m->has_state) unlink(path);
  emit(w, m->job, result);
  return 0;
}

/* The machine could not go on with it: later, with fewer beside it. */
static void put_back(struct repeater *p, struct member *m, const char *why)
{
  struct winner_repeats *w = p->all;
  struct error e = {0};
  pthread_mutex_lock(&w->lock);
  bool alone = w->running.n <= 1;
  if (!alone) w->limits.at_once = w->running.n - 1;
  pthread_mutex_unlock(&w->lock);
  if (alone) {
    error_set(&e, ERROR_MACHINE, "%s", why);
    error_prefix(&e, "%s, repeat %d could not run although nothing ran beside it", study_of(w, m->job)->title,
                 m->job->repeat + 1);
    fail(w, &e);
  }
  leave(p, m, true);
}

/* It has been trained to its end: the test set, then the commit.  `value` and `loss` are in
 * m->trial. */
static void finish(struct repeater *p, struct member *m, bool failed)
{
  const struct objective_cost *cost = &p->all->winners[m->job->study].cost;
  struct error e = {0};
  struct study_repeat result = {.ended = true,
                                .failed = failed,
                                .value = m->trial.value,
                                .loss = m->trial.loss,
                                .seconds = m->trial.seconds,
                                .flops = cost->epochs > 0 ? cost->flops * m->trial.epochs / cost->epochs : 0,
                                .images = m->trial.images};
  int code = failed ? 0 : test(p, m, &result, &e);
  if (code == ERROR_INTERRUPTED) keep(p, m); /* as it is: it is tested next time */
  if (!code) code = commit(p, m, &result, &e);
  if (code && code != ERROR_INTERRUPTED) fail(p->all, &e);
  leave(p, m, code != 0);
}

static void take_event(struct repeater *p, const struct trial_event *event)
{
  struct member *m = &p->members[event->id];
  m->trial.seconds += event->seconds;
  m->trial.images += event->images;
  m->trial.epochs = event->epoch;
  m->trial.value = event->value;
  m->trial.loss = event->loss;
  pthread_mutex_lock(&p->all->lock);
  m->job->epoch = event->epoch;
  pthread_mutex_unlock(&p->all->lock);
  if (event->kind == TRIAL_MACHINE_FAILED)
    put_back(p, m, event->reason);
  else if (event->kind != TRIAL_EPOCH)
    finish(p, m, event->kind == TRIAL_FAILED);
}

/* ---- threads --------------------------------------------------------------------------------- */

/* The place is given up; others go on with what was in it. */
static void lose(struct repeater *p, const struct error *why)
{
  struct winner_repeats *w = p->all;
  struct error e = *why;
  p->lost = true;
  for (int i = 0; i < w->r->capacity; i++)
    if (p->members[i].job) leave(p, &p->members[i], true);
  events_emit(w->r->events, (struct event){.kind = EVENT_DEVICE_LOST, .device = p->device, .reason = e.message});
  pthread_mutex_lock(&w->lock);
  w->lost = e;
  pthread_mutex_unlock(&w->lock);
}

static void advance(struct repeater *p)
{
  struct runner *r = p->all->r;
  struct trial_event events[RUNNER_CAPACITY_MAX];
  struct error e = {0};
  int n;
  int code = r->objective->advance(p->place, events, r->capacity, &n, &p->stop, &e);
  if (!code && n == 0) code = error_set(&e, ERROR_FAILED, "%s ended without a result", r->objective->name);
  for (int i = 0; i < n && !code; i++) take_event(p, &events[i]);
  if (!code) return;
  if (code == ERROR_MACHINE || code == ERROR_LOST) {
    lose(p, &e);
    return;
  }
  if (code != ERROR_INTERRUPTED) fail(p->all, &e);
  for (int i = 0; i < r->capacity; i++) {
    if (!p->members[i].job) continue;
    if (code == ERROR_INTERRUPTED) keep(p, &p->members[i]);
    leave(p, &p->members[i], true);
  }
}

/* The next training that there is room for; NULL: none now.  Under the lock. */
static struct repeat_job *find(struct repeater *p)
{
  struct winner_repeats *w = p->all;
  if (w->stopping || w->running.n >= w->limits.at_once) return NULL;
  if (!queue_place_turn(&w->limits, &p->taken, &w->running, w->alive)) return NULL;
  for (int i = 0; i < w->n_jobs; i++) {
    struct repeat_job *job = &w->jobs[i];
    if (job->state != JOB_WAITS) continue;
    const struct winner *winner = &w->winners[job->study];
    if (!queue_place_fits(&w->limits, &p->taken, winner->share)) return NULL;
    if (w->running.n > 0 && w->bytes + winner->cost.bytes > w->limits.bytes) return NULL;
    if (!objective_admit(w->r->objective, p->place, winner->values)) {
      if (w->running.n > 0) return NULL;
      w->failure = (struct error){0};
      error_set(&w->failure, ERROR_MACHINE, "%s: no device has memory for a training of its best network",
                study_of(w, job)->title);
      w->stopping = true;
      return NULL;
    }
    job->state = JOB_RUNS;
    job->epoch = 0;
    job->since = monotonic_seconds();
    w->bytes += winner->cost.bytes;
    queue_place_add(&w->running, winner->share);
    queue_place_add(&p->taken, winner->share);
    return job;
  }
  return NULL;
}

/* Puts a training into the place.  Without the lock. */
static void begin(struct repeater *p, struct repeat_job *job)
{
  struct error e = {0};
  struct member *m = p->members;
  while (m->job) m++;
  *m = (struct member){.job = job};
  int code = add(p, m, &e);
  bool trained = !code && m->trial.epochs > 0 && m->trial.epochs == p->all->winners[job->study].cost.epochs;
  if (trained) finish(p, m, false);
  if (!code) return;
  if (code == ERROR_LOST) {
    lose(p, &e);
  } else if (code == ERROR_MACHINE) {
    put_back(p, m, e.message);
  } else {
    fail(p->all, &e);
    leave(p, m, true);
  }
}

/* Under the lock. */
static bool any_left(const struct winner_repeats *w)
{
  for (int i = 0; i < w->n_jobs; i++)
    if (w->jobs[i].state != JOB_ENDED) return true;
  return false;
}

static void *repeater_thread(void *context)
{
  struct repeater *p = context;
  struct winner_repeats *w = p->all;
  struct runner *r = w->r;
  struct error e = {0};
  int code = r->objective->open(r->objective, &p->place, p->device, r->capacity, &e);
  if (code == ERROR_MACHINE || code == ERROR_LOST)
    lose(p, &e);
  else if (code)
    fail(w, &e);
  pthread_mutex_lock(&w->lock);
  while (!code && !p->lost && (p->taken.n > 0 || (!w->stopping && any_left(w)))) {
    struct repeat_job *job = find(p);
    if (!job && p->taken.n == 0 && !w->stopping) {
      pthread_cond_wait(&w->changed, &w->lock);
      continue;
    }
    pthread_mutex_unlock(&w->lock);
    if (job)
      begin(p, job);
    else if (p->taken.n > 0)
      advance(p);
    pthread_mutex_lock(&w->lock);
  }
  if (--w->alive == 0 && w->lost.code && !w->stopping && !w->failure.code && any_left(w)) {
    w->failure = w->lost;
    error_prefix(&w->failure, "no device is left that could go on; the same command goes on when there is one");
  }
  pthread_cond_broadcast(&w->changed);
  pthread_mutex_unlock(&w->lock);
  if (!code) r->objective->close(p->place);
  return NULL;
}

/* Looks at signals and the time limit; sees to it that those that run stop.  Under the lock. */
static void watch(struct winner_repeats *w, struct repeater *threads, int n)
{
  struct runner *r = w->r;
  if (!w->stopping && r->signal && __atomic_load_n(r->signal, __ATOMIC_RELAXED)) w->stopping = true;
  if (!w->stopping && r->x->time_limit_s > 0 && monotonic_seconds() - r->began >= r->x->time_limit_s)
    w->stopping = r->time_is_up = true;
  for (int i = 0; i < n && w->stopping; i++) __atomic_store_n(&threads[i].stop, 1, __ATOMIC_RELAXED);
  if (w->stopping) pthread_cond_broadcast(&w->changed);
}

static int start(struct winner_repeats *w, struct repeater *threads, int places, struct error *e)
{
  sigset_t all, old;
  int n = 0;
  sigfillset(&all);
  sigdelset(&all, SIGBUS); /* as in runner.c */
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_mutex_lock(&w->lock);
  for (; n < places; n++) {
    threads[n].all = w;
    const int *devices = w->r->objective->device_of_place;
    threads[n].device = devices ? devices[n] : n % w->r->n_devices;
    if (pthread_create(&threads[n].thread, NULL, repeater_thread, &threads[n]) != 0) break;
    w->alive++;
  }
  pthread_mutex_unlock(&w->lock);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return n > 0 ? n : error_set(e, ERROR_MACHINE, "no thread can be started for the repeats");
}

/* Until all have left.  The database's heart beats meanwhile. */
static void supervise(struct winner_repeats *w, struct repeater *threads, int n, winner_repeats_tick tick,
                      void *context)
{
  double beat = monotonic_seconds();
  pthread_mutex_lock(&w->lock);
  while (w->alive > 0) {
    struct timespec t;
    struct error e = {0};
    watch(w, threads, n);
    pthread_mutex_unlock(&w->lock);
    if (tick) tick(context, w);
    if (monotonic_seconds() - beat >= HEARTBEAT_S) {
      if (store_heartbeat(w->r->store, &e) == ERROR_FAILED) fail(w, &e); /* taken over */
      beat = monotonic_seconds();
    }
    pthread_mutex_lock(&w->lock);
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += TICK_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    if (w->alive > 0) pthread_cond_timedwait(&w->changed, &w->lock, &t);
  }
  pthread_mutex_unlock(&w->lock);
}

static int train_all(struct winner_repeats *w, winner_repeats_tick tick, void *context, struct error *e)
{
  int places = w->r->places < w->n_jobs ? w->r->places : w->n_jobs;
  struct repeater *threads = calloc((size_t)places, sizeof *threads);
  if (!threads) return error_set(e, ERROR_MACHINE, "no memory for the repeats");
  int n = start(w, threads, places, e);
  if (n > 0) {
    supervise(w, threads, n, tick, context);
    for (int i = 0; i < n; i++) pthread_join(threads[i].thread, NULL);
    if (tick) tick(context, w);
  }
  free(threads);
  if (n < 0) return n;
  if (w->failure.code) return *e = w->failure, e->code;
  return any_left(w) ? error_set(e, ERROR_INTERRUPTED, "stopped") : 0;
}

int winner_repeats_run(struct runner *r, winner_repeats_tick tick, void *context, char *note, size_t n_note,
                       struct error *e)
{
  struct winner_repeats w = {.r = r, .began = monotonic_seconds()};
  w.limits = (struct queue_limits){.at_once = r->at_once, .capacity = r->capacity, .by_share = r->by_share};
  int code = prepare(&w, note, n_note, e);
  if (!code && w.n_jobs > 0) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    w.limits.bytes = machine_memory_available() / 10 * 9;
    code = train_all(&w, tick, context, e);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
  }
  release(&w);
  return code;
}

/* ---- for the display ------------------------------------------------------------------------- */

void winner_repeats_status(struct winner_repeats *w, struct repeats_status *s)
{
  const struct repeat_job *longest = NULL;
  *s = (struct repeats_status){.all = w->n_jobs, .elapsed_s = monotonic_seconds() - w->began};
  pthread_mutex_lock(&w->lock);
  s->done = w->n_ended;
  s->running = w->running.n;
  for (int i = 0; i < w->n_jobs; i++) {
    const struct repeat_job *job = &w->jobs[i];
    if (job->state != JOB_RUNS) continue;
    s->epochs_done += job->epoch;
    if (!longest || job->since < longest->since) longest = job;
  }
  if (longest) {
    s->study = study_of(w, longest)->title;
    s->repeat = longest->repeat;
    s->epoch = longest->epoch;
    s->epochs = w->winners[longest->study].cost.epochs;
  }
  pthread_mutex_unlock(&w->lock);
}

bool winner_repeats_notice(struct winner_repeats *w, int *seen, char *text, size_t size)
{
  pthread_mutex_lock(&w->lock);
  bool is_new = notices_next(&w->notices, seen, text, size);
  pthread_mutex_unlock(&w->lock);
  return is_new;
}

bool winner_repeats_told(struct winner_repeats *w, int *seen, struct repeat_told *told)
{
  pthread_mutex_lock(&w->lock);
  bool any = *seen < w->n_ended;
  if (any) {
    const struct repeat_job *job = &w->jobs[w->ended[(*seen)++]];
    const struct winner *winner = &w->winners[job->study];
    *told = (struct repeat_told){.study = study_of(w, job)->title,
                                 .trial = winner->repeats.trial,
                                 .repeat = job->repeat,
                                 .n = winner->wanted,
                                 .result = winner->repeats.all[job->repeat]};
  }
  pthread_mutex_unlock(&w->lock);
  return any;
}
