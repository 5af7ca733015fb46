/* The queue without threads: which trial starts next, what is known ahead, how memory is shared,
 * and that none of it changes a history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched/run/queue.h"
#include "tests/unit/study/study_fixture.h"

/* ---- fixtures -------------------------------------------------------------------------------- */

static struct study studies[8];
static struct queue queue;

/* Work and bytes by the first value: what the queue orders by. */
static int cost_by_value(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  (void)o, (void)e;
  *cost = (struct objective_cost){.feasible = true, .flops = 1000 + values[0], .bytes = 100};
  return 0;
}

static void make_queue(int at_once, int64_t bytes)
{
  struct error e = {0};
  objective->cost = cost_by_value;
  int n = experiment.rounds * experiment.n_strategies;
  if (queue_create(&queue, n, experiment.studies == STUDIES_ONE_BY_ONE, at_once, bytes, &e)) fail_msg("%s", e.message);
  for (int i = 0; i < n; i++) {
    const char *strategy = experiment.strategies[i % experiment.n_strategies];
    if (study_create(&studies[i], &experiment, objective, strategy, i / experiment.n_strategies, &e) ||
        queue_add(&queue, i, &studies[i], &e))
      fail_msg("%s", e.message);
  }
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
  queue_proposed(&queue, job, &cost);
}

/* Starts the next trial; false: none can start now. */
static bool start(struct job *job)
{
  while (queue_find(&queue, job)) {
    if (!job->propose) return queue_take(&queue, job) == ROOM;
    propose_job(job);
  }
  return false;
}

static void end(const struct job *job)
{
  struct study *s = &studies[job->study];
  end_as(s, job->number, STORED_COMPLETE, value_of(s->trials[job->number].values));
  queue_release(&queue, job->study, job->number, false);
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
      assert_true(queue.bytes <= 1000 && queue.running == n && n <= at_once[k]);
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
  queue_release(&queue, b.study, b.number,
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
    assert_true(queue_find(&queue, &job));
    propose_job(&job);
  }
  memcpy(left, studies[0].trials, sizeof left);
  left[1].state = STORED_COMPLETE;
  left[3].state = STORED_WAITING;
  study_destroy(&studies[0]);
  queue_destroy(&queue);
  if (study_create(&studies[0], &experiment, objective, "simultaneous", 0, &e) ||
      study_resume(&studies[0], left, 5, &e) || queue_create(&queue, 1, false, 8, 1 << 20, &e) ||
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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
