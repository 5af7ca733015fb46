/* The queue without threads: which trial starts next, what is known ahead, how memory is shared,
 * and that none of it changes a history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/run/queue.h"
#include "tests/unit/study/study_fixture.h"

/* ---- fixtures -------------------------------------------------------------------------------- */

static struct study studies[8];
static struct queue queue;
static struct queue_place only;            /* the one place of the tests that need no more */
static const struct objective_cost *costs; /* [experiment.trials] of trial t, where not NULL */

/* Work and bytes by the first value: what the queue orders by. */
static int cost_by_value(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  (void)o, (void)e;
  *cost = (struct objective_cost){.feasible = true, .flops = 1000 + values[0], .bytes = 100};
  return 0;
}

static void make_queue_of(const struct queue_limits *limits)
{
  struct error e = {0};
  objective->cost = cost_by_value;
  only = (struct queue_place){0};
  int n = experiment.rounds * experiment.n_strategies;
  if (queue_create(&queue, n, experiment.studies == STUDIES_ONE_BY_ONE, limits, &e)) fail_msg("%s", e.message);
  for (int i = 0; i < n; i++) {
    const char *strategy = experiment.strategies[i % experiment.n_strategies];
    if (study_create(&studies[i], &experiment, objective, strategy, i / experiment.n_strategies, &e) ||
        queue_add(&queue, i, &studies[i], &e))
      fail_msg("%s", e.message);
  }
}

static void make_queue(int at_once, int64_t bytes)
{
  make_queue_of(&(struct queue_limits){.at_once = at_once, .capacity = at_once, .bytes = bytes});
}
#define OPEN_QUEUE(at_once, bytes, ...)                                                                                \
  do {                                                                                                                 \
    OPEN("tpe.startup=6", __VA_ARGS__);                                                                                \
    make_queue(at_once, bytes);                                                                                        \
  } while (0)

static void close_queue(void)
{
  for (int i = 0; i < queue.n_studies; i++) study_destroy(&studies[i]);
  queue_destroy(&queue);
  close_experiment();
}

static void propose_job(const struct job *job)
{
  struct study *s = &studies[job->study];
  struct objective_cost cost;
  struct error e = {0};
  assert_int_equal(propose(s), job->number);
  objective->cost(objective, s->trials[job->number].values, &cost, &e);
  if (costs) cost = costs[job->number];
  queue_proposed(&queue, job, &cost);
}

/* Starts the next trial in a place; false: none can start there now. */
static bool start_in(struct queue_place *p, struct job *job)
{
  while (queue_find(&queue, p, job)) {
    if (!job->propose) return queue_take(&queue, p, job) == ROOM;
    propose_job(job);
  }
  return false;
}

static bool start(struct job *job)
{
  return start_in(&only, job);
}

static void end_in(struct queue_place *p, const struct job *job)
{
  struct study *s = &studies[job->study];
  end_as(s, job->number, STORED_COMPLETE, value_of(s->trials[job->number].values));
  queue_release(&queue, p, job->study, job->number, false);
}

static void end(const struct job *job)
{
  end_in(&only, job);
}

static double work(const struct job *job)
{
  return queue.studies[job->study].trials[job->number].work;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void what_is_known_ahead_starts_with_the_longest(void **state)
{
  struct job jobs[16];
  int n = 0;
  bool number[6] = {false};
  (void)state;
  OPEN_QUEUE(16, 1 << 20, "experiment.trials=20", "scheduler.parallel=2", "experiment.strategies=simultaneous");
  while (start(&jobs[n])) n++;
  assert_int_equal(n, 6); /* all random ones, whatever `parallel` is: they see no result */
  for (int i = 0; i < 6; i++) {
    if (i) assert_true(work(&jobs[i]) <= work(&jobs[i - 1]));
    number[jobs[i].number] = true;
  }
  for (int i = 0; i < 6; i++) assert_true(number[i]);
  /* trial 6 waits for the first five, whichever they are in the queue's order */
  for (int i = 0; i < 6; i++)
    if (jobs[i].number == 5) end(&jobs[i]);
  for (int k = 0; k < 5; k++) {
    assert_false(start(&jobs[6]));
    for (int i = 0; i < 6; i++)
      if (jobs[i].number == k) end(&jobs[i]);
  }
  assert_true(start(&jobs[6]));
  assert_int_equal(jobs[6].number, 6);
  assert_true(start(&jobs[7])); /* two in flight */
  assert_false(start(&jobs[8]));
  close_queue();
}

static void a_target_or_a_pruner_or_asynchronous_order_knows_nothing_ahead(void **state)
{
  static const char *const settings[] = {"experiment.target=0.5", "pruner.kind=asha", "scheduler.order=asynchronous"};
  (void)state;
  for (int k = 0; k < 3; k++) {
    struct job jobs[16];
    int n = 0;
    struct error e = {0};
    OPEN_QUEUE(16, 1 << 20, "experiment.trials=20", "scheduler.parallel=2", "experiment.strategies=simultaneous",
               k == 1 ? "tpe.startup=6" : settings[k]);
    if (k == 1) {
      objective->has_epochs = true;
      snprintf(experiment.pruner, sizeof experiment.pruner, "asha");
      study_destroy(&studies[0]);
      assert_int_equal(study_create(&studies[0], &experiment, objective, "simultaneous", 0, &e), 0);
    }
    while (start(&jobs[n])) n++;
    assert_int_equal(n, 2);
    close_queue();
  }
}

static void asynchronous_order_waits_for_nobody(void **state)
{
  struct job jobs[32], more;
  (void)state;
  OPEN_QUEUE(16, 1 << 20, "experiment.trials=20", "scheduler.parallel=3", "experiment.strategies=simultaneous",
             "scheduler.order=asynchronous");
  for (int i = 0; i < 3; i++) assert_true(start(&jobs[i]));
  assert_false(start(&more));
  for (int i = 3; i < 20; i++) { /* trial 0 runs all the time */
    end(&jobs[i - 1]);
    assert_true(start(&jobs[i]));
    assert_int_equal(studies[0].history[studies[0].n_history - 1].number, i - 1);
    assert_int_equal(studies[0].history[studies[0].n_history - 1].state, OBSERVATION_COMPLETE);
    assert_int_equal(studies[0].history[0].state, OBSERVATION_IN_FLIGHT);
  }
  end(&jobs[19]);
  assert_false(start(&more));
  assert_false(queue_ended(&queue));
  end(&jobs[0]);
  end(&jobs[1]);
  assert_true(queue_ended(&queue));
  close_queue();
}

static void studies_that_are_behind_come_first_or_one_by_one(void **state)
{
  struct job jobs[16];
  int of[4] = {0};
  (void)state;
  OPEN_QUEUE(8, 1 << 20, "experiment.trials=20", "experiment.rounds=2");
  for (int i = 0; i < 8; i++) {
    assert_true(start(&jobs[i]));
    of[jobs[i].study]++;
  }
  for (int i = 0; i < 4; i++) assert_int_equal(of[i], 2);
  close_queue();
  OPEN_QUEUE(8, 1 << 20, "experiment.trials=7", "experiment.rounds=2", "scheduler.studies=one_by_one", "tpe.startup=1",
             "scheduler.parallel=2");
  for (int study = 0, done = 0; study < 4; study++) {
    for (int k = 0; k < 7; done++) {
      int n = 0;
      while (start(&jobs[n])) n++;
      assert_in_range(n, 1, 2);
      for (int i = 0; i < n; i++, k++) {
        assert_int_equal(jobs[i].study, study);
        end(&jobs[i]);
      }
    }
  }
  assert_true(queue_ended(&queue));
  close_queue();
}

static void the_history_does_not_depend_on_the_queue(void **state)
{
  static const int at_once[] = {1, 3, 64};
  struct stored_trial first[4][24];
  (void)state;
  for (int k = 0; k < 3; k++) {
    struct job jobs[64];
    int n = 0;
    unsigned seed = 7;
    OPEN_QUEUE(at_once[k], 1000, "experiment.trials=24", "experiment.rounds=2",
               k == 2 ? "scheduler.studies=one_by_one" : "scheduler.studies=together");
    for (;;) {
      while (n < 64 && start(&jobs[n])) n++;
      if (n == 0) break;
      assert_true(queue.bytes <= 1000 && queue.all.n == n && n <= at_once[k]);
      seed = seed * 1664525u + 1013904223u;
      int i = (int)((seed >> 8) % (unsigned)n);
      end(&jobs[i]);
      jobs[i] = jobs[--n];
    }
    assert_true(queue_ended(&queue));
    for (int i = 0; i < 4; i++) {
      assert_int_equal(studies[i].done, 24);
      for (int t = 0; t < 24 && k; t++)
        assert_memory_equal(first[i][t].values, studies[i].trials[t].values, sizeof(double) * 10);
      if (!k) memcpy(first[i], studies[i].trials, sizeof first[i]);
    }
    close_queue();
  }
}

static void a_trial_that_finds_no_memory_is_the_next_to_start(void **state)
{
  struct job a, b, c;
  (void)state;
  OPEN_QUEUE(8, 250, "experiment.trials=20");
  assert_true(start(&a));
  assert_true(start(&b));
  assert_false(start(&c));
  assert_int_equal(queue.waiting, c.study);
  assert_int_equal(queue.bytes, 200);
  end(&a);
  assert_true(start(&a));
  assert_int_equal(a.study, c.study);
  assert_int_equal(queue.waiting, -1);
  queue_release(&queue, &only, b.study, b.number,
                true); /* the machine failed at it: it runs again, before any other of its study */
  assert_int_equal(queue.bytes, 100);
  for (int i = 0; i < 3 && start(&c); i++) {
    if (c.study == b.study) break;
    end(&c);
  }
  assert_int_equal(c.study, b.study);
  close_queue();
}

static void what_an_earlier_run_left_is_taken_up(void **state)
{
  struct job job;
  struct error e = {0};
  struct stored_trial left[5];
  (void)state;
  OPEN_QUEUE(1, 1000, "experiment.trials=20", "experiment.strategies=simultaneous");
  for (int i = 0; i < 5; i++) {
    assert_true(queue_find(&queue, &only, &job));
    propose_job(&job);
  }
  memcpy(left, studies[0].trials, sizeof left);
  left[1].state = STORED_COMPLETE;
  left[3].state = STORED_WAITING;
  study_destroy(&studies[0]);
  queue_destroy(&queue);
  if (study_create(&studies[0], &experiment, objective, "simultaneous", 0, &e) ||
      study_resume(&studies[0], left, 5, &e) ||
      queue_create(&queue, 1, false, &(struct queue_limits){.at_once = 8, .capacity = 8, .bytes = 1 << 20}, &e) ||
      queue_add(&queue, 0, &studies[0], &e))
    fail_msg("%s", e.message);
  assert_int_equal(queue.studies[0].taken, 1);
  bool started[6] = {false};
  for (int i = 0; i < 5; i++) {
    assert_true(start(&job));
    started[job.number] = true;
  }
  assert_true(started[0] && !started[1] && started[2] && started[3] && started[4] && started[5]);
  close_queue();
}

/* ---- places that are full by the shares of their trials -------------------------------------- */

enum { PLACES = 4, ROOM_IN_ONE = 32, TRIALS = 200 };

struct place_of_jobs {
  struct queue_place place;
  struct job jobs[ROOM_IN_ONE];
};

/* Every fourth trial is heavy; the heavy ones take the longest. */
static void make_costs(struct objective_cost *made, double heavy, double light)
{
  for (int t = 0; t < TRIALS; t++)
    made[t] = (struct objective_cost){.feasible = true,
                                      .flops = 1,
                                      .bytes = 100,
                                      .share = t % 4 ? light : heavy,
                                      .alone_s = t % 4 ? 1 + 0.001 * t : 10 + 0.001 * t};
  costs = made;
}

static void open_places(const struct queue_limits *limits)
{
  OPEN("experiment.trials=200", "experiment.strategies=simultaneous", "experiment.sampler=random");
  make_queue_of(limits);
}

/* All places take what they may; how many trials came. */
static int fill_places(struct place_of_jobs *p)
{
  int came = 0;
  for (bool any = true; any;) {
    any = false;
    for (int i = 0; i < PLACES; i++) {
      int n = p[i].place.n;
      if (!queue_turn(&queue, &p[i].place, PLACES) || !start_in(&p[i].place, &p[i].jobs[n])) continue;
      assert_int_equal(p[i].place.n, n + 1);
      any = true;
      came++;
    }
  }
  return came;
}

static double share_of(const struct place_of_jobs *p)
{
  double sum = 0;
  for (int k = 0; k < p->place.n; k++) sum += queue.studies[0].trials[p->jobs[k].number].share;
  return sum;
}

static void end_one(struct place_of_jobs *p, int k)
{
  end_in(&p->place, &p->jobs[k]);
  p->jobs[k] = p->jobs[p->place.n];
}

static const struct queue_limits by_share = {
    .at_once = PLACES * ROOM_IN_ONE, .capacity = ROOM_IN_ONE, .by_share = true, .bytes = 1 << 30};

static void a_heavy_trial_gets_few_neighbours_and_light_ones_many(void **state)
{
  struct objective_cost made[TRIALS];
  struct place_of_jobs p[PLACES] = {0};
  int heavy = TRIALS / 4, light = 0, most = 0;
  (void)state;
  make_costs(made, 0.4, 0.001);
  open_places(&by_share);
  assert_int_equal(fill_places(p), 3 * PLACES);
  for (int i = 0; i < PLACES; i++) {
    assert_int_equal(p[i].place.n, 3); /* 1.2 is nearer to full than 0.8 */
    for (int k = 0; k < 3; k++) assert_int_equal(p[i].jobs[k].number % 4, 0);
  }
  /* the heavy ones end; then the light ones have the places to themselves */
  for (int ended = 0; ended < heavy; ended++) {
    int i = 0, k = 0;
    while (i < PLACES && (k == p[i].place.n || p[i].jobs[k].number % 4)) k < p[i].place.n ? k++ : (k = 0, i++);
    assert_true(i < PLACES);
    end_one(&p[i], k);
    fill_places(p);
  }
  for (int i = 0; i < PLACES; i++) {
    light += p[i].place.n;
    if (p[i].place.n > most) most = p[i].place.n;
  }
  assert_int_equal(most, ROOM_IN_ONE);
  assert_int_equal(light, PLACES * ROOM_IN_ONE);
  close_queue();
  costs = NULL;
}

static void a_trial_that_takes_more_than_a_place_has_one_to_itself(void **state)
{
  struct objective_cost made[TRIALS];
  struct place_of_jobs p[PLACES] = {0};
  (void)state;
  make_costs(made, 7, 0.125);
  open_places(&by_share);
  assert_int_equal(fill_places(p), PLACES);
  end_one(&p[1], 0);
  assert_int_equal(fill_places(p), 1); /* the next of them */
  for (int i = 0; i < PLACES; i++) assert_true(p[i].place.share == 1);
  close_queue();
  costs = NULL;
}

/* Random shares: nothing is left over, no place is fuller than half a trial more than full, and the
 * places' sums are those of their trials. */
static void all_trials_find_a_place_whatever_they_take(void **state)
{
  struct objective_cost made[TRIALS];
  unsigned seed = 5;
  (void)state;
  for (int round = 0; round < 20; round++) {
    struct place_of_jobs p[PLACES] = {0};
    int started = 0, running = 0;
    make_costs(made, 1, 1);
    for (int t = 0; t < TRIALS; t++) {
      seed = seed * 1664525u + 1013904223u;
      made[t].share = pow(2, (double)(seed >> 8) / (1 << 24) * 8 - 7); /* 1/128 ... 2 */
      seed = seed * 1664525u + 1013904223u;
      made[t].alone_s = 1 + (seed >> 16);
    }
    open_places(&by_share);
    for (;;) {
      int came = fill_places(p);
      started += came;
      running += came;
      double sum = 0;
      for (int i = 0; i < PLACES; i++) {
        assert_true(fabs(share_of(&p[i]) - p[i].place.share) < 1e-9);
        assert_true(p[i].place.n <= ROOM_IN_ONE);
        assert_true(p[i].place.n == 1 || p[i].place.share < 1.5 + 1e-9);
        sum += p[i].place.share;
      }
      assert_true(fabs(sum - queue.all.share) < 1e-9);
      if (running == 0) break;
      seed = seed * 1664525u + 1013904223u;
      int i = (int)(seed >> 8) % PLACES;
      while (p[i].place.n == 0) i = (i + 1) % PLACES;
      end_one(&p[i], (int)(seed >> 12) % p[i].place.n);
      running--;
    }
    assert_int_equal(started, TRIALS);
    assert_true(queue_ended(&queue) && queue.all.share == 0 && queue.bytes == 0);
    close_queue();
  }
  costs = NULL;
}

static void shares_keep_the_bounds_of_memory_and_slots(void **state)
{
  struct objective_cost made[TRIALS];
  struct queue_limits limits = by_share;
  struct place_of_jobs p[PLACES] = {0}, q[PLACES] = {0};
  (void)state;
  make_costs(made, 0.01, 0.01);
  limits.bytes = 1050;
  open_places(&limits);
  assert_int_equal(fill_places(p), 10);
  assert_int_equal(queue.bytes, 1000);
  close_queue();
  limits = by_share;
  limits.at_once = 7;
  open_places(&limits);
  assert_int_equal(fill_places(q), 7);
  for (int i = 0; i < PLACES; i++) assert_in_range(q[i].place.n, 1, 2); /* over all places before one is filled */
  close_queue();
  costs = NULL;
}

static void with_slots_each_trial_counts_as_one(void **state)
{
  struct objective_cost made[TRIALS];
  struct queue_limits limits = by_share;
  struct place_of_jobs p[PLACES] = {0};
  (void)state;
  make_costs(made, 1, 0.001);
  limits.by_share = false;
  limits.capacity = 5;
  limits.at_once = PLACES * 5;
  open_places(&limits);
  assert_int_equal(fill_places(p), PLACES * 5);
  for (int i = 0; i < PLACES; i++) assert_int_equal(p[i].place.n, 5);
  close_queue();
  costs = NULL;
}

static void what_takes_longest_alone_comes_first_not_what_has_most_flops(void **state)
{
  struct objective_cost made[TRIALS];
  struct job first;
  (void)state;
  make_costs(made, 0.01, 0.01);
  made[3].flops = 1e18;
  made[77].alone_s = 1e6; /* many small steps */
  costs = made;
  open_places(&by_share);
  assert_true(start(&first));
  assert_int_equal(first.number, 77);
  close_queue();
  costs = NULL;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_known_ahead_starts_with_the_longest),
      cmocka_unit_test(a_target_or_a_pruner_or_asynchronous_order_knows_nothing_ahead),
      cmocka_unit_test(asynchronous_order_waits_for_nobody),
      cmocka_unit_test(studies_that_are_behind_come_first_or_one_by_one),
      cmocka_unit_test(the_history_does_not_depend_on_the_queue),
      cmocka_unit_test(a_trial_that_finds_no_memory_is_the_next_to_start),
      cmocka_unit_test(what_an_earlier_run_left_is_taken_up),
      cmocka_unit_test(a_heavy_trial_gets_few_neighbours_and_light_ones_many),
      cmocka_unit_test(a_trial_that_takes_more_than_a_place_has_one_to_itself),
      cmocka_unit_test(all_trials_find_a_place_whatever_they_take),
      cmocka_unit_test(shares_keep_the_bounds_of_memory_and_slots),
      cmocka_unit_test(with_slots_each_trial_counts_as_one),
      cmocka_unit_test(what_takes_longest_alone_comes_first_not_what_has_most_flops),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
