/* Studies run by threads: the same history with one worker and with eight; what the machine fails
 * at runs again; what is stopped goes on; what is best is on disk.  The objective is one of the
 * test's own, which fails when it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sched/run/resources.h"
#include "host/base/monotonic.h"
#include "kernels/philox.h"
#include "sched/run/runner.h"
#include "sched/run/winner_repeats.h"

/* ---- an objective that can be told to fail --------------------------------------------------- */

enum { EPOCHS = 3, ANY_DEVICE = -2 };

struct fake {
  struct objective objective;
  const struct experiment *x;
  int64_t bytes;           /* of every trial */
  bool heavy_and_light;    /* a trial takes from a fiftieth of a place to more than all of it */
  double share;            /* that it takes then, whichever it is; 0: by its configuration */
  int step_ms;             /* an epoch takes so long */
  int gather;              /* no trial ends its second epoch before so many have run at once */
  int hang_id;             /* this trial never ends an epoch; -1: none */
  int fail_id, diverge_id; /* the machine fails at this trial as often as fails_left; this one diverges */
  bool all_diverge;
  _Atomic int fails_left;
  _Atomic int running, most; /* at once */
  _Atomic int overfull;      /* trials for which there was no room in their place (queue.h) */
  _Atomic int64_t began;     /* trials added */
  int stop_after;            /* sets stop_signal when that many have been added; 0: never */
  volatile int *stop_signal;
  bool fail_save;
  enum { LOST_ADVANCE, LOST_OPEN, LOST_ADD, LOST_SAVE } lost_at;
  /* Is lost with its fourth call of that kind, or the first; -1: none; ANY_DEVICE: the first that
   * comes so far. */
  _Atomic int lost_device;
  bool all_lost;        /* so is every other device */
  _Atomic int asked[8]; /* of each device */
  bool keeps;           /* has checkpoint and restore */
  bool restore_fails;
  _Atomic int restored, advanced; /* trials; epochs */
  _Atomic int lost_calls;         /* that were refused */
};

struct fake_member {
  int id, number, epoch;
  bool used;
  double value, share;
};

struct place {
  struct fake *fake;
  int device, capacity;
  struct fake_member members[RUNNER_CAPACITY_MAX];
};

/* A trial's number within its study, by its key. */
static int number_of(const struct experiment *x, uint64_t key)
{
  for (int round = 0; round < x->rounds; round++)
    for (int number = 0; number < x->trials; number++)
      if (philox_trial_key(x->seed, round, number) == key) return number;
  for (int round = 0; round < x->rounds; round++)
    for (int k = 0; k < x->repeats; k++)
      if (philox_trial_key(x->seed, round, REPEATS_FIRST + k) == key) return REPEATS_FIRST + k;
  fail_msg("a trial of an unknown key");
  return -1;
}

static double value_of(const struct experiment *x, const double *values)
{
  double sum = 0;
  for (int i = 0; i < x->space.n; i++) sum += (values[i] - i) * (values[i] - i);
  return sum;
}

/* By the configuration: uniform in [0, 1), as good as random. */
static double part_of(const double *values)
{
  return fabs(fmod(1000 * values[0], 1));
}

static int fake_cost(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  const struct fake *f = (struct fake *)o;
  bool differ = f->heavy_and_light;
  (void)e;
  *cost = (struct objective_cost){.feasible = true,
                                  .flops = 300,
                                  .steps = 30,
                                  .images = 3000,
                                  .epochs = EPOCHS,
                                  .bytes = f->bytes,
                                  .share = f->share > 0 ? f->share
                                           : differ     ? 1.2 * pow(part_of(values), 3) + 0.02
                                                        : 0,
                                  .alone_s = differ ? 1 + part_of(values) : 0};
  return 0;
}

/* Is a call of the kind `at` the one by which a device turns out to be lost? */
static int fake_lost(struct fake *f, int at, int device, struct error *e)
{
  int any = ANY_DEVICE;
  if (at != (int)f->lost_at) return 0;
  bool later = at == LOST_ADVANCE || at == LOST_ADD;
  if (++f->asked[device] <= (later ? 3 : 0)) return 0;
  atomic_compare_exchange_strong(&f->lost_device, &any, device);
  if (device != f->lost_device && !f->all_lost) return 0;
  f->lost_calls++;
  return error_set(e, ERROR_LOST, "device %d is lost", device);
}

static int fake_open(struct objective *o, struct place **p, int device, int capacity, struct error *e)
{
  *p = NULL;
  if (fake_lost((struct fake *)o, LOST_OPEN, device, e)) return e->code;
  *p = calloc(1, sizeof **p);
  assert_non_null(*p);
  **p = (struct place){.fake = (struct fake *)o, .device = device, .capacity = capacity};
  return 0;
}

static int fake_add(struct place *p, const struct trial_spec *spec, struct error *e)
{
  struct fake *f = p->fake;
  int number = number_of(f->x, spec->key), at = 0;
  if (fake_lost(f, LOST_ADD, p->device, e)) return e->code;
  if (number == f->fail_id && f->fails_left > 0) {
    f->fails_left--;
    return error_set(e, ERROR_MACHINE, "no memory for a network");
  }
  struct objective_cost cost;
  double share = 0;
  fake_cost(&f->objective, spec->values, &cost, NULL);
  for (int i = 0; i < p->capacity; i++) share += p->members[i].used ? p->members[i].share : 0;
  f->overfull += share > 0 && share + fmin(cost.share, 1) / 2 > 1 + 1e-9;
  while (at < p->capacity && p->members[at].used) at++;
  assert_true(at < p->capacity);
  p->members[at] = (struct fake_member){.id = spec->id,
                                        .number = number,
                                        .used = true,
                                        .value = value_of(f->x, spec->values),
                                        .share = fmin(cost.share, 1)};
  int running = ++f->running;
  for (int most = f->most; running > most && !atomic_compare_exchange_weak(&f->most, &most, running);) {
  }
  if (++f->began == f->stop_after) __atomic_store_n(f->stop_signal, 15, __ATOMIC_RELAXED);
  return 0;
}

static bool hangs(const struct place *p)
{
  for (int i = 0; i < p->capacity; i++)
    if (p->members[i].used && p->members[i].number == p->fake->hang_id) return true;
  return false;
}

static int fake_advance(struct place *p, struct trial_event *events, int max, int *n, const volatile int *stop,
                        struct error *e)
{
  struct fake *f = p->fake;
  /* Once a stop has been asked for, no epoch ends any more: the runner looks at signals by a clock,
   * and would else find as much done as it happened to be. */
  for (int ms = 0; ms < f->step_ms || hangs(p) || __atomic_load_n(f->stop_signal, __ATOMIC_RELAXED); ms++) {
    if (__atomic_load_n(stop, __ATOMIC_RELAXED)) return error_set(e, ERROR_INTERRUPTED, "stopped");
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  if (fake_lost(f, LOST_ADVANCE, p->device, e)) return e->code;
  *n = 0;
  for (int i = 0; i < p->capacity && *n < max; i++) {
    struct fake_member *m = &p->members[i];
    if (!m->used) continue;
    if (m->epoch > 0 && f->most < f->gather) { /* it stays where it is, and its place may take more */
      events[(*n)++] = (struct trial_event){.id = m->id, .kind = TRIAL_EPOCH, .epoch = m->epoch, .epochs = EPOCHS};
      continue;
    }
    m->epoch++;
    f->advanced++;
    events[*n] = (struct trial_event){.id = m->id,
                                      .kind = m->epoch == EPOCHS ? TRIAL_DONE : TRIAL_EPOCH,
                                      .epoch = m->epoch,
                                      .epochs = EPOCHS,
                                      .value = m->value + EPOCHS - m->epoch,
                                      .loss = m->value / 2,
                                      .seconds = 0.25,
                                      .images = 1000};
    if ((f->all_diverge || m->number == f->diverge_id) && m->epoch == 2) {
      events[*n].kind = TRIAL_FAILED;
      snprintf(events[*n].reason, sizeof events[*n].reason, "diverged: as told");
    }
    ++*n;
  }
  return 0;
}

static int fake_checkpoint(struct place *p, int id, void **block, size_t *bytes, struct error *e)
{
  *block = NULL;
  *bytes = 0;
  if (!p->fake->keeps) return 0;
  for (int i = 0; i < p->capacity; i++) {
    if (!p->members[i].used || p->members[i].id != id) continue;
    *bytes = sizeof p->members[i];
    *block = malloc(*bytes);
    assert_non_null(*block);
    memcpy(*block, &p->members[i], *bytes);
    return 0;
  }
  return error_set(e, ERROR_FAILED, "trial %d is not here", id);
}

static int fake_restore(struct place *p, const struct trial_spec *spec, const void *block, size_t bytes,
                        struct error *e)
{
  struct fake_member g;
  assert_int_equal(bytes, sizeof g);
  memcpy(&g, block, sizeof g);
  if (p->fake->restore_fails) return error_set(e, ERROR_FAILED, "the block is worn out");
  assert_int_equal(g.number, number_of(p->fake->x, spec->key));
  int code = fake_add(p, spec, e);
  for (int i = 0; i < p->capacity && !code; i++)
    if (p->members[i].used && p->members[i].id == spec->id) p->members[i].epoch = g.epoch;
  p->fake->restored += !code;
  return code;
}

static void fake_remove(struct place *p, int id)
{
  for (int i = 0; i < p->capacity; i++) {
    if (!p->members[i].used || p->members[i].id != id) continue;
    p->members[i].used = false;
    p->fake->running--;
  }
}

static void fake_close(struct place *p)
{
  free(p);
}

static int fake_save(struct place *p, int id, const char *path, const char *ini_path, struct error *e)
{
  (void)ini_path;
  if (fake_lost(p->fake, LOST_SAVE, p->device, e)) return e->code;
  if (p->fake->fail_save) return error_set(e, ERROR_MACHINE, "%s: no space left on device", path);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fprintf(f, "network of trial %d\n", id);
  fclose(f);
  return 0;
}

/* ---- fixture --------------------------------------------------------------------------------- */

struct fixture {
  char folder[200];
  struct experiment x;
  struct fake fake;
  struct store *store;
  struct runner runner;
  int at_once; /* 0: as many as the places hold */
  const char *depends_on;
  volatile int signal;
  struct error e;
};

static void open_fixture(struct fixture *f, const char *const *settings, int n)
{
  enum { OWN = 7 };
  const char *all[18] = {
      "experiment.objective=function", "function.name=ackley", "tpe.startup=3",
      "experiment.trials=20",          "scheduler.parallel=4", "experiment.strategies=grouped, simultaneous",
      "experiment.sampler=tpe"};
  memset(f, 0, sizeof *f);
  for (int i = 0; i < n; i++) all[OWN + i] = settings[i];
  snprintf(f->folder, sizeof f->folder, "%s/gsos-runner-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
  assert_non_null(mkdtemp(f->folder));
  if (experiment_load(&f->x, NULL, all, n + OWN, &f->e)) fail_msg("%s", f->e.message);
  f->fake = (struct fake){.objective = {.name = "fake",
                                        .maximize = false,
                                        .value_name = "value",
                                        .has_epochs = true,
                                        .has_network = true,
                                        .cost = fake_cost,
                                        .open = fake_open,
                                        .add = fake_add,
                                        .advance = fake_advance,
                                        .checkpoint = fake_checkpoint,
                                        .restore = fake_restore,
                                        .remove = fake_remove,
                                        .close = fake_close,
                                        .save = fake_save},
                          .x = &f->x,
                          .hang_id = -1,
                          .fail_id = -1,
                          .diverge_id = -1,
                          .lost_device = -1,
                          .stop_signal = &f->signal};
}
#define OPEN(f, ...)                                                                                                   \
  open_fixture(f, (const char *const[]){"", __VA_ARGS__} + 1,                                                          \
               (int)(sizeof((const char *[]){"", __VA_ARGS__}) / sizeof(char *)) - 1)

/* One run: opens the database and its studies, takes up what is there, runs. */
/* Places of `capacity` trials, on that many devices. */
static int run_places(struct fixture *f, int places, int capacity, int devices)
{
  char path[300];
  struct runner *r = &f->runner;
  f->e = (struct error){0};
  f->signal = 0;
  memset(r, 0, sizeof *r);
  snprintf(path, sizeof path, "%s/study.db", f->folder);
  if (store_open(&f->store, path, false, NULL, &f->e)) fail_msg("%s", f->e.message);
  if (store_own(f->store, false, &f->e)) fail_msg("%s", f->e.message);
  r->x = &f->x;
  r->objective = &f->fake.objective;
  r->store = f->store;
  r->places = places;
  r->capacity = capacity;
  r->at_once = f->at_once > 0 ? f->at_once : places * capacity;
  r->by_share = f->fake.heavy_and_light;
  r->n_devices = devices;
  r->signal = &f->signal;
  snprintf(r->states, sizeof r->states, "%s/states", f->folder);
  r->search = "search";
  r->depends_on = f->depends_on ? f->depends_on : "the test";
  r->n_studies = f->x.n_strategies * f->x.rounds;
  r->studies = calloc((size_t)r->n_studies, sizeof *r->studies);
  assert_non_null(r->studies);
  for (int i = 0; i < r->n_studies; i++) {
    struct run_study *s = &r->studies[i];
    struct stored_trial *trials = NULL;
    char name[100];
    int n;
    snprintf(s->title, sizeof s->title, "%s %d", f->x.strategies[i % f->x.n_strategies], i / f->x.n_strategies);
    snprintf(name, sizeof name, "test/%d", i);
    snprintf(s->networks, sizeof s->networks, "%s/networks/%d", f->folder, i);
    snprintf(s->name, sizeof s->name, "%s", name);
    if (study_create(&s->study, &f->x, r->objective, f->x.strategies[i % f->x.n_strategies], i / f->x.n_strategies,
                     &f->e) ||
        store_study(f->store, name, false, &s->store_id, NULL, &f->e) ||
        store_trials(f->store, s->store_id, &f->x.space, NULL, &trials, &n, &f->e) ||
        runner_resume(f->store, s, trials, n, false, &f->e))
      fail_msg("%s", f->e.message);
    free(trials);
  }
  return runner_run(r, NULL, NULL, &f->e);
}

static int run(struct fixture *f, int slots)
{
  return run_places(f, slots, 1, 1);
}

static void end_run(struct fixture *f)
{
  struct error e;
  for (int i = 0; i < f->runner.n_studies; i++) study_destroy(&f->runner.studies[i].study);
  free(f->runner.studies);
  f->runner.studies = NULL;
  f->runner.n_studies = 0;
  store_disown(f->store, &e);
  store_close(f->store);
  f->store = NULL;
}

static void close_fixture(struct fixture *f)
{
  char command[300];
  if (f->store) end_run(f);
  experiment_destroy(&f->x);
  snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
  assert_int_equal(system(command), 0);
}

/* The histories of two runs, times aside. */
static void same_history(const struct runner *a, const struct runner *b)
{
  assert_int_equal(a->n_studies, b->n_studies);
  for (int i = 0; i < a->n_studies; i++) {
    const struct study *x = &a->studies[i].study, *y = &b->studies[i].study;
    assert_int_equal(x->n, y->n);
    assert_int_equal(x->best, y->best);
    for (int t = 0; t < x->n; t++) {
      const struct stored_trial *p = &x->trials[t], *q = &y->trials[t];
      assert_memory_equal(p->values, q->values, sizeof(double) * (size_t)a->x->space.n);
      assert_int_equal(p->state, q->state);
      assert_int_equal(p->epochs, q->epochs);
      if (p->state == STORED_COMPLETE) assert_true(p->value == q->value && p->loss == q->loss);
    }
  }
}

/* The database says the same as the studies in memory. */
static void stored_as_in_memory(struct fixture *f)
{
  for (int i = 0; i < f->runner.n_studies; i++) {
    const struct run_study *s = &f->runner.studies[i];
    struct stored_trial *trials = NULL;
    int n;
    if (store_trials(f->store, s->store_id, &f->x.space, NULL, &trials, &n, &f->e)) fail_msg("%s", f->e.message);
    /* some may have been proposed when the stop came, and not been started */
    assert_true(n <= s->study.n);
    for (int t = n; t < s->study.n; t++) assert_int_equal(s->study.trials[t].state, STORED_RUNNING);
    for (int t = 0; t < n; t++) {
      if (trials[t].state == STORED_WAITING)
        assert_int_equal(s->study.trials[t].state, STORED_RUNNING);
      else
        assert_int_equal(trials[t].state, s->study.trials[t].state);
      assert_memory_equal(trials[t].values, s->study.trials[t].values, sizeof(double) * (size_t)f->x.space.n);
      if (trials[t].state != STORED_COMPLETE) continue;
      double *epochs;
      int n_epochs;
      assert_true(trials[t].value == value_of(&f->x, trials[t].values));
      assert_int_equal(trials[t].images, 1000 * EPOCHS);
      assert_true(trials[t].seconds == 0.25 * EPOCHS && trials[t].flops == 300);
      if (store_epochs(f->store, s->store_id, t, &epochs, &n_epochs, &f->e)) fail_msg("%s", f->e.message);
      assert_int_equal(n_epochs, EPOCHS);
      for (int k = 0; k < EPOCHS; k++) assert_true(epochs[k] == trials[t].value + EPOCHS - 1 - k);
      free(epochs);
    }
    free(trials);
  }
}

static int files_in(const char *folder, char *last, size_t size)
{
  int n = 0;
  DIR *d = opendir(folder);
  if (!d) return 0;
  for (struct dirent *entry; (entry = readdir(d));) {
    if (entry->d_name[0] == '.') continue;
    snprintf(last, size, "%s", entry->d_name);
    n++;
  }
  closedir(d);
  return n;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void one_worker_and_eight_make_the_same_history(void **state)
{
  struct fixture one, eight;
  (void)state;
  OPEN(&one, "experiment.rounds=2");
  OPEN(&eight, "experiment.rounds=2");
  eight.fake.step_ms = 1;
  eight.fake.gather = 3;
  one.fake.diverge_id = eight.fake.diverge_id = 5;
  assert_int_equal(run(&one, 1), 0);
  assert_int_equal(run(&eight, 8), 0);
  assert_int_equal(one.fake.most, 1);
  assert_in_range(eight.fake.most, 3, 8);
  assert_int_equal(one.runner.n_studies, 4);
  same_history(&one.runner, &eight.runner);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(eight.runner.studies[i].study.n, 20);
    assert_int_equal(eight.runner.studies[i].study.failed, 1);
    assert_string_equal(eight.runner.studies[i].study.trials[5].reason, "diverged: as told");
  }
  stored_as_in_memory(&one);
  stored_as_in_memory(&eight);
  close_fixture(&one);
  close_fixture(&eight);
}

static int pruned_in(const struct runner *r)
{
  int n = 0;
  for (int i = 0; i < r->n_studies; i++)
    for (int t = 0; t < r->studies[i].study.n; t++) n += r->studies[i].study.trials[t].state == STORED_PRUNED;
  return n;
}

static void pruning_makes_the_same_history_however_it_is_run(void **state)
{
  struct fixture one, cohorts, stopped;
  (void)state;
  OPEN(&one, "pruner.kind=asha", "pruner.first=1", "pruner.eta=2");
  OPEN(&cohorts, "pruner.kind=asha", "pruner.first=1", "pruner.eta=2", "scheduler.studies=one_by_one");
  OPEN(&stopped, "pruner.kind=asha", "pruner.first=1", "pruner.eta=2");
  assert_int_equal(run(&one, 1), 0);
  cohorts.fake.step_ms = stopped.fake.step_ms = 1;
  assert_int_equal(run_places(&cohorts, 2, 4, 1), 0);
  assert_in_range(pruned_in(&one.runner), 4, 36);
  same_history(&one.runner, &cohorts.runner);
  stopped.fake.stop_after = 17;
  assert_int_equal(run(&stopped, 3), ERROR_INTERRUPTED);
  end_run(&stopped);
  stopped.fake.stop_after = 0;
  assert_int_equal(run(&stopped, 3), 0); /* the curves of what had ended come out of the database */
  same_history(&one.runner, &stopped.runner);
  stored_as_in_memory(&stopped);
  for (int t = 0; t < 20; t++) { /* one that was pruned has its epochs, and the value of the last of them */
    const struct run_study *s = &stopped.runner.studies[0];
    double *epochs;
    int n;
    if (s->study.trials[t].state != STORED_PRUNED) continue;
    if (store_epochs(stopped.store, s->store_id, t, &epochs, &n, &stopped.e)) fail_msg("%s", stopped.e.message);
    assert_int_equal(n, s->study.trials[t].epochs);
    assert_true(n < EPOCHS && epochs[n - 1] == s->study.trials[t].value);
    free(epochs);
  }
  close_fixture(&one);
  close_fixture(&cohorts);
  close_fixture(&stopped);
}

static void one_by_one_each_study_has_a_wall_time_of_its_own(void **state)
{
  struct fixture f;
  double wall = 0;
  (void)state;
  OPEN(&f, "scheduler.studies=one_by_one", "experiment.rounds=2");
  f.fake.step_ms = 1;
  assert_int_equal(run(&f, 4), 0);
  for (int i = 0; i < 4; i++) {
    char *wall_s = NULL, *alone = NULL;
    int id = f.runner.studies[i].store_id;
    if (store_study_attribute_get(f.store, id, "gsos:wall_s", &wall_s, &f.e) ||
        store_study_attribute_get(f.store, id, "gsos:ran_alone", &alone, &f.e))
      fail_msg("%s", f.e.message);
    assert_string_equal(alone, "true");
    assert_true(strtod(wall_s, NULL) > 0);
    wall += strtod(wall_s, NULL);
    free(wall_s);
    free(alone);
    assert_true(i == 0 || f.runner.studies[i].began_s >= f.runner.studies[i - 1].ended_s);
  }
  assert_true(wall <= monotonic_seconds() - f.runner.began);
  close_fixture(&f);
}

static void cohorts_on_two_devices_make_the_same_history(void **state)
{
  struct fixture one, two;
  (void)state;
  OPEN(&one, "experiment.rounds=2");
  OPEN(&two, "experiment.rounds=2");
  two.fake.step_ms = 1;
  two.fake.gather = 5;
  one.fake.diverge_id = two.fake.diverge_id = 5;
  assert_int_equal(run(&one, 1), 0);
  assert_int_equal(run_places(&two, 3, 4, 2), 0);
  assert_in_range(two.fake.most, 5, 12);
  same_history(&one.runner, &two.runner);
  stored_as_in_memory(&two);
  close_fixture(&one);
  close_fixture(&two);
}

static void heavy_and_light_trials_have_the_history_of_one_by_one(void **state)
{
  struct fixture one, many, ill;
  (void)state;
  OPEN(&one, "experiment.rounds=2");
  OPEN(&many, "experiment.rounds=2");
  OPEN(&ill, "experiment.rounds=2");
  many.fake.heavy_and_light = ill.fake.heavy_and_light = true;
  many.fake.step_ms = ill.fake.step_ms = 1;
  one.fake.diverge_id = many.fake.diverge_id = ill.fake.diverge_id = 5;
  ill.fake.lost_device = ANY_DEVICE;
  assert_int_equal(run(&one, 1), 0);
  assert_int_equal(run_places(&many, 3, 8, 2), 0);
  assert_int_equal(run_places(&ill, 3, 8, 2), 0);
  assert_in_range(ill.fake.lost_calls, 1, 2);
  same_history(&one.runner, &many.runner);
  same_history(&one.runner, &ill.runner);
  stored_as_in_memory(&many);
  stored_as_in_memory(&ill);
  close_fixture(&one);
  close_fixture(&many);
  close_fixture(&ill);
}

/* Two places of two each, and three trials. */
static void no_more_run_at_once_than_said_whatever_the_places_hold(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, "experiment.rounds=2");
  f.fake.step_ms = 1;
  f.fake.gather = f.at_once = 3;
  assert_int_equal(run_places(&f, 2, 2, 1), 0);
  assert_int_equal(f.fake.most, 3);
  close_fixture(&f);
}

/* Whenever a device is found to be lost, be it by the trial that is to be added or the network that
 * is to be saved. */
static void trials_of_a_lost_device_go_to_another(void **state)
{
  struct fixture well, ill;
  (void)state;
  OPEN(&well, );
  assert_int_equal(run(&well, 2), 0);
  for (int at = LOST_ADVANCE; at <= LOST_SAVE; at++) {
    OPEN(&ill, );
    ill.fake.lost_device = ANY_DEVICE;
    ill.fake.lost_at = at;
    ill.fake.step_ms = 1;
    if (run_places(&ill, 4, 3, 2)) fail_msg("%d: %s", at, ill.e.message);
    assert_in_range(ill.fake.lost_calls, 1, 2); /* by each of its places, at most */
    assert_int_equal(ill.fake.running, 0);
    same_history(&well.runner, &ill.runner);
    stored_as_in_memory(&ill);
    close_fixture(&ill);
  }
  close_fixture(&well);
}

static void all_devices_lost_ends_the_run_and_can_go_on(void **state)
{
  struct fixture well, ill;
  (void)state;
  OPEN(&well, );
  assert_int_equal(run(&well, 2), 0);
  for (int at = LOST_ADVANCE; at <= LOST_SAVE; at++) {
    for (int devices = 1; devices <= 3; devices += 2) {
      OPEN(&ill, );
      ill.fake.all_lost = true;
      ill.fake.lost_at = at;
      ill.fake.step_ms = 1;
      assert_int_equal(run_places(&ill, 3, 3, devices), ERROR_LOST);
      assert_non_null(strstr(ill.e.message, "no device is left"));
      assert_non_null(strstr(ill.e.message, " is lost"));
      for (int i = 0; i < 2; i++) assert_int_equal(ill.runner.studies[i].study.failed, 0);
      stored_as_in_memory(&ill);
      end_run(&ill);
      ill.fake.all_lost = false;
      assert_int_equal(run_places(&ill, 3, 3, devices), 0);
      same_history(&well.runner, &ill.runner);
      stored_as_in_memory(&ill);
      close_fixture(&ill);
    }
  }
  close_fixture(&well);
}

static void a_trial_that_was_stopped_waits_in_the_database(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, );
  f.fake.hang_id = 2; /* runs until it is stopped */
  f.fake.stop_after = 9;
  assert_int_equal(run(&f, 3), ERROR_INTERRUPTED);
  int waiting = 0;
  for (int i = 0; i < 2; i++) {
    struct stored_trial *trials = NULL;
    int n;
    if (store_trials(f.store, f.runner.studies[i].store_id, &f.x.space, NULL, &trials, &n, &f.e))
      fail_msg("%s", f.e.message);
    for (int t = 0; t < n; t++) {
      double *epochs;
      int n_epochs;
      assert_int_not_equal(trials[t].state, STORED_RUNNING);
      if (trials[t].state != STORED_WAITING) continue;
      waiting++;
      if (store_epochs(f.store, f.runner.studies[i].store_id, t, &epochs, &n_epochs, &f.e)) fail_msg("%s", f.e.message);
      assert_int_equal(n_epochs, 0); /* it begins anew */
      free(epochs);
    }
    free(trials);
  }
  assert_in_range(waiting, 1, 9);
  close_fixture(&f);
}

static void a_member_of_a_cohort_times_out_alone(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, "scheduler.timeout=0.2s", "experiment.strategies=simultaneous", "scheduler.stop_if_all_fail=no");
  f.fake.step_ms = 20;
  f.fake.gather = INT_MAX; /* the second epoch does not end */
  assert_int_equal(run_places(&f, 1, 4, 1), 0);
  const struct study *s = &f.runner.studies[0].study;
  assert_int_equal(s->failed, 20);
  assert_string_equal(s->trials[6].reason, "timeout: took longer than 0.2 s");
  stored_as_in_memory(&f);
  close_fixture(&f);
}

static void the_best_network_and_no_other_is_on_disk(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, );
  f.fake.step_ms = 1;
  assert_int_equal(run(&f, 4), 0);
  for (int i = 0; i < 2; i++) {
    char name[300] = "", wanted[100];
    const struct run_study *s = &f.runner.studies[i];
    assert_int_equal(files_in(s->networks, name, sizeof name), 1);
    snprintf(wanted, sizeof wanted, "trial-%d.safetensors", s->study.best);
    assert_string_equal(name, wanted);
  }
  close_fixture(&f);
}

static void a_network_that_cannot_be_written_ends_the_run_before_its_commit(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, );
  f.fake.fail_save = true;
  assert_int_equal(run(&f, 2), ERROR_MACHINE);
  assert_non_null(strstr(f.e.message, "no space"));
  for (int i = 0; i < 2; i++) assert_int_equal(f.runner.studies[i].study.complete, 0);
  stored_as_in_memory(&f);
  end_run(&f);
  f.fake.fail_save = false;
  assert_int_equal(run(&f, 2), 0);
  assert_int_equal(f.runner.studies[0].study.complete, 20);
  close_fixture(&f);
}

static void what_was_stopped_goes_on_to_the_same_history(void **state)
{
  struct fixture whole, cut;
  (void)state;
  OPEN(&whole, );
  OPEN(&cut, );
  assert_int_equal(run(&whole, 3), 0);
  cut.fake.step_ms = 1;
  for (int stops = 0, trials = 0; trials < 40; stops++) {
    cut.fake.began = 0;
    cut.fake.stop_after = 5;
    int code = run(&cut, 3);
    trials = cut.runner.studies[0].study.done + cut.runner.studies[1].study.done;
    assert_int_equal(code, trials == 40 ? 0 : ERROR_INTERRUPTED);
    stored_as_in_memory(&cut);
    if (code) end_run(&cut);
    assert_true(stops < 40);
  }
  same_history(&whole.runner, &cut.runner);
  close_fixture(&whole);
  close_fixture(&cut);
}

static int states_in(const struct fixture *f, char *last, size_t size)
{
  char path[300];
  snprintf(path, sizeof path, "%s/states", f->folder);
  return files_in(path, last, size);
}

/* A pruner sees of the trials that have ended what it would have seen without a stop. */
static void same_curves(const struct runner *whole, const struct runner *cut)
{
  for (int i = 0; i < cut->n_studies; i++) {
    const struct study *a = &whole->studies[i].study, *b = &cut->studies[i].study;
    for (int t = 0; t < b->n; t++) {
      if (b->trials[t].state == STORED_RUNNING) continue;
      assert_int_equal(b->curves[t].n, a->curves[t].n);
      assert_memory_equal(b->curves[t].values, a->curves[t].values, sizeof(double) * (size_t)a->curves[t].n);
    }
  }
}

/* Epochs of the trials in the database; *waited: those of the trials that wait, each with what it
 * has had so far.  Of these, every one that has had an epoch has its state on disk, and there are
 * no other states. */
static int epochs_stored(struct fixture *f, int *waited)
{
  int sum = 0, states = 0;
  char path[400], last[300];
  *waited = 0;
  for (int i = 0; i < f->runner.n_studies; i++) {
    const struct run_study *s = &f->runner.studies[i];
    struct stored_trial *trials = NULL;
    int n;
    if (store_trials(f->store, s->store_id, &f->x.space, NULL, &trials, &n, &f->e)) fail_msg("%s", f->e.message);
    for (int t = 0; t < n; t++) {
      double *epochs;
      int n_epochs;
      if (store_epochs(f->store, s->store_id, t, &epochs, &n_epochs, &f->e)) fail_msg("%s", f->e.message);
      for (int k = 0; k < n_epochs; k++) assert_true(epochs[k] == value_of(&f->x, trials[t].values) + EPOCHS - 1 - k);
      free(epochs);
      sum += n_epochs;
      if (trials[t].state != STORED_WAITING) continue;
      *waited += n_epochs;
      snprintf(path, sizeof path, "%s/states/%s-%d-trial-%d.state", f->folder, s->study.strategy->name, s->study.round,
               t);
      bool kept = access(path, F_OK) == 0;
      assert_true(kept || n_epochs == 0);
      states += kept;
    }
    free(trials);
  }
  assert_int_equal(states_in(f, last, sizeof last), states);
  return sum;
}

/* Stopped again and again, in one place or several, with a pruner: each epoch is trained once in
 * all, told once, and paid for once; while a trial waits, the database shows the epochs that it has
 * had. */
static void what_a_stop_keeps_is_not_done_again(void **state)
{
  struct fixture whole, cut;
  char last[300];
  (void)state;
  OPEN(&whole, "pruner.kind=asha", "pruner.first=1", "pruner.eta=2");
  OPEN(&cut, "pruner.kind=asha", "pruner.first=1", "pruner.eta=2");
  assert_int_equal(run(&whole, 1), 0);
  cut.fake.keeps = true;
  cut.fake.step_ms = 1;
  int waited = 0, kept = 0;
  for (int stops = 0, code = ERROR_INTERRUPTED; code; stops++) {
    int waiting;
    cut.fake.began = 0;
    cut.fake.stop_after = 7;
    code = run_places(&cut, 1 + stops % 2, 3, 1);
    if (!code) break;
    assert_int_equal(code, ERROR_INTERRUPTED);
    assert_in_range(cut.runner.n_kept, 1, 3 * (1 + stops % 2)); /* the seventh at least */
    same_curves(&whole.runner, &cut.runner);
    assert_int_equal(epochs_stored(&cut, &waiting), cut.fake.advanced);
    waited += waiting;
    kept += cut.runner.n_kept;
    end_run(&cut);
    assert_true(stops < 60);
  }
  same_history(&whole.runner, &cut.runner);
  stored_as_in_memory(&cut);
  same_curves(&whole.runner, &cut.runner);
  assert_int_equal(cut.fake.restored, kept); /* each once */
  assert_true(waited > 0);
  assert_int_equal(cut.fake.advanced, whole.fake.advanced);
  assert_int_equal(states_in(&cut, last, sizeof last), 0);
  close_fixture(&whole);
  close_fixture(&cut);
}

/* Trials that pause, in places of every kind, with states that are kept in memory, or that are not
 * kept at all. */
static void pausing_makes_the_same_history_however_it_is_run(void **state)
{
  struct fixture one, cohorts, anew;
  char last[300];
  (void)state;
  OPEN(&one, "pruner.kind=hyperband");
  OPEN(&cohorts, "pruner.kind=hyperband", "scheduler.studies=one_by_one");
  OPEN(&anew, "pruner.kind=hyperband");
  one.fake.keeps = cohorts.fake.keeps = true;
  one.fake.diverge_id = cohorts.fake.diverge_id = anew.fake.diverge_id = 5;
  cohorts.fake.step_ms = 1;
  assert_int_equal(run(&one, 1), 0);
  assert_int_equal(run_places(&cohorts, 2, 4, 1), 0);
  assert_int_equal(run(&anew, 2), 0);
  assert_in_range(pruned_in(&one.runner), 4, 30);
  same_history(&one.runner, &cohorts.runner);
  same_history(&one.runner, &anew.runner);
  same_curves(&one.runner, &anew.runner);
  int epochs = 0;
  for (int i = 0; i < one.runner.n_studies; i++)
    for (int t = 0; t < one.runner.studies[i].study.n; t++) epochs += one.runner.studies[i].study.trials[t].epochs;
  assert_int_equal(one.fake.advanced, epochs); /* each once */
  assert_int_equal(cohorts.fake.advanced, epochs);
  assert_true(one.fake.restored > 0);
  assert_int_equal(anew.fake.restored, 0);
  assert_true(anew.fake.advanced > epochs);
  stored_as_in_memory(&one);
  stored_as_in_memory(&cohorts);
  stored_as_in_memory(&anew);
  assert_int_equal(states_in(&one, last, sizeof last), 0);
  close_fixture(&one);
  close_fixture(&cohorts);
  close_fixture(&anew);
}

/* Stopped again and again: what had paused goes on from its file, and no epoch is trained twice.
 * Where the files are gone, as after a kill, it begins again, to the same bits. */
static void what_had_paused_goes_on_in_the_next_run(void **state)
{
  (void)state;
  for (int lost = 0; lost < 2; lost++) {
    struct fixture whole, cut;
    char last[300], command[300];
    OPEN(&whole, "pruner.kind=hyperband");
    OPEN(&cut, "pruner.kind=hyperband");
    whole.fake.keeps = cut.fake.keeps = true;
    assert_int_equal(run(&whole, 1), 0);
    cut.fake.step_ms = 1;
    int most = 0;
    for (int stops = 0, code = ERROR_INTERRUPTED; code; stops++) {
      cut.fake.began = 0;
      cut.fake.stop_after = 9;
      code = run_places(&cut, 1 + stops % 2, 3, 1);
      if (!code) break;
      if (code != ERROR_INTERRUPTED) fail_msg("%s", cut.e.message);
      int waiting = states_in(&cut, last, sizeof last) - cut.runner.n_kept; /* beside those that ran */
      if (waiting > most) most = waiting;
      end_run(&cut);
      snprintf(command, sizeof command, "rm -rf '%s/states'", cut.folder);
      if (lost) assert_int_equal(system(command), 0);
      assert_true(stops < 60);
    }
    same_history(&whole.runner, &cut.runner);
    same_curves(&whole.runner, &cut.runner);
    stored_as_in_memory(&cut);
    assert_true(most > 0);
    if (lost)
      assert_true(cut.fake.advanced > whole.fake.advanced);
    else
      assert_int_equal(cut.fake.advanced, whole.fake.advanced);
    assert_int_equal(states_in(&cut, last, sizeof last), 0);
    close_fixture(&whole);
    close_fixture(&cut);
  }
}

/* A trial may go on before one runs that was proposed earlier.  The next run has to know of both,
 * or it would let the first go on once more. */
static void what_went_on_does_not_go_on_again(void **state)
{
  struct fixture whole, cut;
  (void)state;
  OPEN(&whole, "pruner.kind=hyperband");
  OPEN(&cut, "pruner.kind=hyperband");
  whole.fake.keeps = cut.fake.keeps = true;
  assert_int_equal(run(&whole, 1), 0);
  for (int stops = 0, code = ERROR_INTERRUPTED; code; stops++) {
    cut.fake.began = 0;
    cut.fake.stop_after = 2;
    code = run_places(&cut, 1, 1, 1);
    if (!code) break;
    if (code != ERROR_INTERRUPTED) fail_msg("%s", cut.e.message);
    end_run(&cut);
    assert_true(stops < 400);
  }
  same_history(&whole.runner, &cut.runner);
  assert_int_equal(cut.fake.advanced, whole.fake.advanced);
  close_fixture(&whole);
  close_fixture(&cut);
}

/* A stop that leaves some trials within, with their states. */
static void stop_with_states(struct fixture *f)
{
  char last[300];
  f->fake.keeps = true;
  f->fake.stop_after = 4;
  assert_int_equal(run_places(f, 1, 4, 1), ERROR_INTERRUPTED);
  assert_in_range(f->runner.n_kept, 1, 4);
  assert_int_equal(states_in(f, last, sizeof last), f->runner.n_kept);
  end_run(f);
  f->fake.stop_after = 0;
  f->fake.restored = 0;
}

static int notices_that_say(struct fixture *f, const char *what)
{
  char text[NOTICE_MAX];
  int seen = 0, n = 0;
  pthread_mutex_init(&f->runner.lock, NULL); /* the run's own is gone */
  while (runner_notice(&f->runner, &seen, text, sizeof text)) n += strstr(text, what) != NULL;
  pthread_mutex_destroy(&f->runner.lock);
  return n;
}

/* Damaged, refused by the objective, made elsewhere: told, set aside, and the same history all the
 * same. */
static void a_state_that_is_of_no_use_is_set_aside_and_the_trial_begins_again(void **state)
{
  static const char *const reasons[] = {"is damaged", "worn out", "another processor"};
  struct fixture whole;
  (void)state;
  OPEN(&whole, );
  assert_int_equal(run(&whole, 1), 0);
  for (int kind = 0; kind < 3; kind++) {
    struct fixture f;
    char last[300], command[500];
    OPEN(&f, );
    stop_with_states(&f);
    int kept = states_in(&f, last, sizeof last);
    snprintf(command, sizeof command, "for f in %s/states/*.state; do printf x >>\"$f\"; done", f.folder);
    if (kind == 0) assert_int_equal(system(command), 0);
    f.fake.restore_fails = kind == 1;
    f.depends_on = kind == 2 ? "another machine" : NULL;
    assert_int_equal(run_places(&f, 1, 4, 1), 0);
    same_history(&whole.runner, &f.runner);
    stored_as_in_memory(&f);
    assert_int_equal(f.fake.restored, 0);
    assert_int_equal(notices_that_say(&f, reasons[kind]), kept);
    assert_int_equal(states_in(&f, last, sizeof last), kept);
    assert_non_null(strstr(last, ".state.unusable"));
    close_fixture(&f);
  }
  close_fixture(&whole);
}

/* The folder's name is a file's. */
static void a_state_that_cannot_be_written_is_told_and_the_stop_goes_on(void **state)
{
  struct fixture f;
  char path[300];
  (void)state;
  OPEN(&f, );
  snprintf(path, sizeof path, "%s/states", f.folder);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fclose(file);
  f.fake.keeps = true;
  f.fake.stop_after = 4;
  assert_int_equal(run_places(&f, 1, 4, 1), ERROR_INTERRUPTED);
  assert_int_equal(f.runner.n_kept, 0);
  assert_in_range(notices_that_say(&f, "its state cannot be kept, and it will begin again"), 1, 4);
  stored_as_in_memory(&f);
  end_run(&f);
  f.fake.stop_after = 0;
  assert_int_equal(run(&f, 2), 0);
  assert_int_equal(f.fake.restored, 0);
  stored_as_in_memory(&f);
  close_fixture(&f);
}

/* What a trial took before the stop counts, too. */
static void the_time_of_a_trial_goes_on_after_a_stop(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, "scheduler.timeout=0.4s", "experiment.strategies=simultaneous", "experiment.trials=1",
       "scheduler.parallel=1");
  f.fake.keeps = true;
  f.fake.step_ms = 20;
  f.fake.gather = INT_MAX; /* the second epoch does not end */
  f.x.time_limit_s = 0.3;
  int code, stops = 0;
  while ((code = run(&f, 1)) != 0) {
    assert_int_equal(code, ERROR_INTERRUPTED);
    stops += f.runner.n_kept; /* it had begun */
    assert_true(stops < 20);
    end_run(&f);
  }
  const struct stored_trial *t = &f.runner.studies[0].study.trials[0];
  assert_int_equal(t->state, STORED_FAIL);
  assert_true(t->wall_s >= 0.4);
  close_fixture(&f);
}

static void what_the_machine_fails_at_runs_again(void **state)
{
  struct fixture well, ill;
  (void)state;
  OPEN(&well, );
  OPEN(&ill, );
  ill.fake.fail_id = 7;
  ill.fake.fails_left = 1;
  ill.fake.step_ms = 2;
  assert_int_equal(run(&well, 2), 0);
  assert_int_equal(run(&ill, 6), 0);
  assert_int_equal(ill.fake.fails_left, 0);
  same_history(&well.runner, &ill.runner);
  stored_as_in_memory(&ill);
  close_fixture(&well);
  close_fixture(&ill);
}

static void what_the_machine_fails_at_alone_ends_the_run_and_can_go_on(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, );
  f.fake.fail_id = 7;
  f.fake.fails_left = 1000000;
  assert_int_equal(run(&f, 4), ERROR_MACHINE);
  assert_non_null(strstr(f.e.message, "trial 7"));
  assert_non_null(strstr(f.e.message, "no memory for a network"));
  for (int i = 0; i < 2; i++) assert_int_equal(f.runner.studies[i].study.failed, 0);
  end_run(&f);
  f.fake.fails_left = 0;
  assert_int_equal(run(&f, 4), 0);
  assert_int_equal(f.runner.studies[1].study.complete, 20);
  close_fixture(&f);
}

static void trials_run_beside_one_another_as_memory_allows(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, );
  f.fake.step_ms = 1;
  f.fake.gather = 2;
  f.fake.bytes = machine_memory_available() / 100 * 36; /* of nine tenths: two, whatever others take meanwhile */
  assert_int_equal(run(&f, 8), 0);
  assert_int_equal(f.fake.most, 2);
  close_fixture(&f);
}

static void a_trial_larger_than_the_machine_ends_the_run_and_says_so(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, );
  f.fake.bytes = INT64_C(1) << 50;
  assert_int_equal(run(&f, 2), ERROR_MACHINE);
  assert_non_null(strstr(f.e.message, "1048576.00 GiB"));
  assert_non_null(strstr(f.e.message, "trial_memory"));
  assert_int_equal(f.fake.began, 0);
  close_fixture(&f);
}

static void a_trial_that_hangs_fails_when_its_time_is_up(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, "scheduler.timeout=0.3s", "experiment.strategies=simultaneous");
  f.fake.hang_id = 6;
  assert_int_equal(run(&f, 3), 0);
  const struct study *s = &f.runner.studies[0].study;
  assert_int_equal(s->failed, 1);
  assert_int_equal(s->trials[6].state, STORED_FAIL);
  assert_string_equal(s->trials[6].reason, "timeout: took longer than 0.3 s");
  assert_int_equal(s->complete, 19);
  stored_as_in_memory(&f);
  close_fixture(&f);
}

static void a_run_that_only_fails_stops_early_and_can_go_on(void **state)
{
  struct fixture f;
  char text[700];
  (void)state;
  OPEN(&f, "experiment.strategies=simultaneous", "tpe.startup=6");
  int seen = 0;
  f.fake.all_diverge = true;
  f.fake.step_ms = 20; /* longer than what looks at it waits */
  assert_int_equal(run(&f, 2), ERROR_INTERRUPTED);
  assert_true(f.runner.only_fails);
  assert_in_range(f.runner.studies[0].study.failed, 6, 19);
  assert_int_equal(f.runner.studies[0].study.complete, 0);
  pthread_mutex_init(&f.runner.lock, NULL); /* the run's own is gone */
  assert_true(runner_failure(&f.runner, &seen, text, sizeof text));
  assert_int_equal(seen, f.runner.studies[0].study.failed);
  assert_non_null(strstr(text, "simultaneous 0, trial "));
  assert_non_null(strstr(text, ": diverged: as told"));
  assert_false(runner_failure(&f.runner, &seen, text, sizeof text));
  pthread_mutex_destroy(&f.runner.lock);
  end_run(&f);
  f.fake.all_diverge = false; /* what was wrong is right now */
  assert_int_equal(run(&f, 2), 0);
  assert_int_equal(f.runner.studies[0].study.done, 20);
  assert_true(f.runner.studies[0].study.complete > 0);
  close_fixture(&f);
  OPEN(&f, "experiment.strategies=simultaneous", "tpe.startup=6", "scheduler.stop_if_all_fail=no");
  f.fake.all_diverge = true;
  f.fake.step_ms = 20;
  assert_int_equal(run(&f, 2), 0);
  assert_int_equal(f.runner.studies[0].study.failed, 20);
  close_fixture(&f);
}

static void the_time_limit_stops_the_run_such_that_it_goes_on(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, "experiment.time_limit=0.3s");
  f.fake.hang_id = 6;
  assert_int_equal(run(&f, 3), ERROR_INTERRUPTED);
  assert_true(f.runner.time_is_up);
  assert_int_equal(f.runner.studies[0].study.failed, 0);
  end_run(&f);
  f.fake.hang_id = -1;
  f.x.time_limit_s = 0;
  assert_int_equal(run(&f, 3), 0);
  assert_int_equal(f.runner.studies[0].study.complete, 20);
  close_fixture(&f);
}

static void a_target_ends_each_study_by_itself(void **state)
{
  struct fixture f;
  (void)state;
  OPEN(&f, "experiment.target=1e9"); /* minimised: whatever comes first */
  assert_int_equal(run(&f, 8), 0);
  for (int i = 0; i < 2; i++) {
    assert_true(f.runner.studies[i].study.target_reached);
    assert_int_equal(f.runner.studies[i].study.n, 4); /* the last one that may not see trial 0 */
  }
  close_fixture(&f);
}

/* Of few heavy networks a place is as full as of many light ones, when winners are trained again,
 * too: queue.h. */
static void repeats_fill_places_by_what_they_take(void **state)
{
  enum { PLACES = 2, ROOM = 16, REPEATS = 12, ROUNDS = 4 };
  struct fixture f;
  char note[200];
  (void)state;
  OPEN(&f, "experiment.rounds=4", "experiment.repeats=12", "experiment.trials=12", "experiment.sampler=random");
  f.fake.heavy_and_light = true;
  if (run_places(&f, PLACES, ROOM, PLACES)) fail_msg("%s", f.e.message);
  int64_t before = f.fake.began;
  assert_int_equal(f.fake.overfull, 0);
  f.fake.most = 0;
  f.fake.share = 0.4; /* three fill a place */
  f.fake.gather = 3 * PLACES;
  if (winner_repeats_run(&f.runner, NULL, NULL, note, sizeof note, &f.e)) fail_msg("%s", f.e.message);
  assert_int_equal(f.fake.began - before, REPEATS * ROUNDS * 2);
  assert_int_equal(f.fake.overfull, 0);
  assert_int_equal(f.fake.most, 3 * PLACES);
  close_fixture(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(repeats_fill_places_by_what_they_take),
      cmocka_unit_test(one_worker_and_eight_make_the_same_history),
      cmocka_unit_test(pruning_makes_the_same_history_however_it_is_run),
      cmocka_unit_test(one_by_one_each_study_has_a_wall_time_of_its_own),
      cmocka_unit_test(cohorts_on_two_devices_make_the_same_history),
      cmocka_unit_test(heavy_and_light_trials_have_the_history_of_one_by_one),
      cmocka_unit_test(no_more_run_at_once_than_said_whatever_the_places_hold),
      cmocka_unit_test(trials_of_a_lost_device_go_to_another),
      cmocka_unit_test(all_devices_lost_ends_the_run_and_can_go_on),
      cmocka_unit_test(a_trial_that_was_stopped_waits_in_the_database),
      cmocka_unit_test(a_member_of_a_cohort_times_out_alone),
      cmocka_unit_test(the_best_network_and_no_other_is_on_disk),
      cmocka_unit_test(a_network_that_cannot_be_written_ends_the_run_before_its_commit),
      cmocka_unit_test(what_was_stopped_goes_on_to_the_same_history),
      cmocka_unit_test(what_a_stop_keeps_is_not_done_again),
      cmocka_unit_test(pausing_makes_the_same_history_however_it_is_run),
      cmocka_unit_test(what_had_paused_goes_on_in_the_next_run),
      cmocka_unit_test(what_went_on_does_not_go_on_again),
      cmocka_unit_test(a_state_that_is_of_no_use_is_set_aside_and_the_trial_begins_again),
      cmocka_unit_test(a_state_that_cannot_be_written_is_told_and_the_stop_goes_on),
      cmocka_unit_test(the_time_of_a_trial_goes_on_after_a_stop),
      cmocka_unit_test(what_the_machine_fails_at_runs_again),
      cmocka_unit_test(what_the_machine_fails_at_alone_ends_the_run_and_can_go_on),
      cmocka_unit_test(trials_run_beside_one_another_as_memory_allows),
      cmocka_unit_test(a_trial_larger_than_the_machine_ends_the_run_and_says_so),
      cmocka_unit_test(a_trial_that_hangs_fails_when_its_time_is_up),
      cmocka_unit_test(a_run_that_only_fails_stops_early_and_can_go_on),
      cmocka_unit_test(the_time_limit_stops_the_run_such_that_it_goes_on),
      cmocka_unit_test(a_target_ends_each_study_by_itself),
  };
  return cmocka_run_group_tests_name("runner", tests, NULL, NULL);
}
