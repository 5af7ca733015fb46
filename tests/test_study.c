/* Studies without threads: in which order trials may be proposed, what a proposal sees, what strategies make of a history, when a
 * target ends a study, how a study that was cut off goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "philox.h"
#include "study.h"

/* ---- fixtures ------------------------------------------------------------------------------------------------------------- */

static struct experiment experiment;
static struct objective *objective;

/* Opens an experiment on function ackley: ten floats in three groups, minimised. */
static void open_experiment(const char *const *settings, int n)
{
  struct error e = {0};
  const char *all[16] = {"experiment.objective=function", "function.name=ackley", "tpe.startup=3"};
  for (int i = 0; i < n; i++) all[3 + i] = settings[i];
  if (experiment_load(&experiment, NULL, all, n + 3, &e)) fail_msg("%s", e.message);
  if (objective_create(&objective, &experiment, NULL, NULL, &e)) fail_msg("%s", e.message);
}
#define OPEN(...)                                                                                                      \
  open_experiment((const char *const[]){__VA_ARGS__}, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

static void close_experiment(void)
{
  objective_destroy(objective);
  experiment_destroy(&experiment);
}

static void make(struct study *s, const char *strategy)
{
  struct error e = {0};
  if (study_create(s, &experiment, objective, strategy, 0, &e)) fail_msg("%s", e.message);
}

static void propose(struct study *s)
{
  struct error e = {0};
  struct stored_trial t;
  assert_int_equal(study_next(s), STUDY_PROPOSE);
  study_look(s);
  if (study_propose(s, &t, &e)) fail_msg("%s", e.message);
  study_add(s, &t);
}

/* A value that depends on the configuration alone, like a deterministic training. */
static double value_of(const double *values)
{
  double sum = 0;
  for (int i = 0; i < experiment.space.n; i++) sum += (values[i] - i) * (values[i] - i);
  return sum;
}

static void end_as(struct study *s, int number, enum stored_state state, double value)
{
  struct stored_trial t = s->trials[number];
  t.state = state;
  t.value = value;
  study_end(s, &t);
}

static void end_trial(struct study *s, int number)
{
  end_as(s, number, STORED_COMPLETE, value_of(s->trials[number].values));
}

/* ---- order ---------------------------------------------------------------------------------------------------------------- */

static void a_proposal_waits_for_the_trial_that_many_places_before(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=12", "scheduler.parallel=3");
  make(&s, "simultaneous");
  for (int i = 0; i < 3; i++) propose(&s);
  assert_int_equal(study_next(&s), STUDY_WAIT);
  end_trial(&s, 1); /* trial 3 waits for trial 0, whatever else has ended */
  end_trial(&s, 2);
  assert_int_equal(study_next(&s), STUDY_WAIT);
  end_trial(&s, 0);
  propose(&s);
  propose(&s);
  propose(&s);
  assert_int_equal(study_next(&s), STUDY_WAIT);
  study_destroy(&s);
  close_experiment();
}

static void a_group_begins_when_all_before_it_have_ended(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=10", "scheduler.parallel=4");
  make(&s, "grouped"); /* 4, 3, 3 */
  for (int i = 0; i < 4; i++) propose(&s);
  for (int i = 3; i > 0; i--) end_trial(&s, i);
  assert_int_equal(study_next(&s), STUDY_WAIT); /* with parallel alone trial 4 would wait for trial 0, too: so */
  end_trial(&s, 0);
  propose(&s);
  propose(&s);
  end_trial(&s, 4);
  propose(&s);
  assert_int_equal(s.trials[6].group, 1);
  end_trial(&s, 6);
  assert_int_equal(study_next(&s), STUDY_WAIT); /* trial 7 opens the third group: trial 5 is missing */
  end_trial(&s, 5);
  propose(&s);
  assert_int_equal(s.trials[7].group, 2);
  study_destroy(&s);
  close_experiment();
}

/* Ends running trials in an order of its own until the study has ended. */
static void run_in_order(struct study *s, unsigned seed)
{
  for (enum study_state next; (next = study_next(s)) != STUDY_ENDED || s->done < s->n;) {
    seed = seed * 1664525u + 1013904223u;
    bool start = next == STUDY_PROPOSE && (seed >> 16) % 3 != 0;
    if (start) {
      propose(s);
      continue;
    }
    int running[64], n = 0;
    for (int i = s->known; i < s->n; i++)
      if (s->trials[i].state == STORED_RUNNING) running[n++] = i;
    if (n == 0) {
      assert_int_equal(next, STUDY_PROPOSE);
      propose(s);
    } else {
      end_trial(s, running[(seed >> 8) % (unsigned)n]);
    }
  }
}

static void the_history_does_not_depend_on_what_ends_first(void **state)
{
  static const char *const strategies_here[] = {"grouped", "simultaneous"};
  (void)state;
  OPEN("experiment.trials=40", "scheduler.parallel=4");
  for (int k = 0; k < 2; k++) {
    struct study first;
    make(&first, strategies_here[k]);
    run_in_order(&first, 1);
    assert_int_equal(first.n, 40);
    for (unsigned seed = 2; seed < 12; seed++) {
      struct study other;
      make(&other, strategies_here[k]);
      run_in_order(&other, seed);
      assert_int_equal(other.n, 40);
      for (int i = 0; i < 40; i++)
        assert_memory_equal(first.trials[i].values, other.trials[i].values, sizeof(double) * 10);
      assert_int_equal(first.best, other.best);
      study_destroy(&other);
    }
    study_destroy(&first);
  }
  close_experiment();
}

/* The Gaussian process believes what is in flight: with 1, 2 and 8 of them, and with four trials before it proposes. */
static void neither_does_that_of_the_gaussian_process(void **state)
{
  static const char *const parallel[] = {"scheduler.parallel=1", "scheduler.parallel=2", "scheduler.parallel=8"};
  static const char *const strategies_here[] = {"grouped", "simultaneous"};
  (void)state;
  for (int p = 0; p < 3; p++) {
    OPEN("experiment.trials=24", "experiment.sampler=gp", "gp.startup=4", "gp.candidates=256", parallel[p]);
    for (int k = 0; k < 2; k++) {
      struct study first;
      make(&first, strategies_here[k]);
      run_in_order(&first, 1);
      assert_int_equal(first.n, 24);
      for (unsigned seed = 2; seed < 4; seed++) {
        struct study other;
        make(&other, strategies_here[k]);
        run_in_order(&other, seed);
        for (int i = 0; i < 24; i++)
          assert_memory_equal(first.trials[i].values, other.trials[i].values, sizeof(double) * 10);
        study_destroy(&other);
      }
      study_destroy(&first);
    }
    close_experiment();
  }
}

static void a_result_is_used_as_soon_as_it_may_be_seen(void **state)
{
  struct study a, b;
  (void)state;
  OPEN("experiment.trials=30", "scheduler.parallel=2");
  make(&a, "simultaneous");
  make(&b, "simultaneous");
  for (int i = 0; i < 20; i++) {
    propose(&a);
    propose(&b);
    assert_memory_equal(a.trials[i].values, b.trials[i].values, sizeof(double) * 10);
    /* the one before the last has ended: trial 18 as the best in one, as the worst in the other */
    if (i == 0) continue;
    end_as(&a, i - 1, STORED_COMPLETE, i < 19 ? value_of(a.trials[i - 1].values) : -1e9);
    end_as(&b, i - 1, STORED_COMPLETE, i < 19 ? value_of(b.trials[i - 1].values) : 1e9);
  }
  propose(&a);
  propose(&b); /* trial 20 sees trial 18 */
  assert_memory_not_equal(a.trials[20].values, b.trials[20].values, sizeof(double) * 10);
  study_destroy(&a);
  study_destroy(&b);
  close_experiment();
}

/* Runs two studies whose trials end with these values, one after the other; they must propose the same before trial `from`.
 * Whether they propose the same for it, too. */
static bool same_proposal(int from, const double *a_values, const double *b_values)
{
  struct study a, b;
  make(&a, "grouped");
  make(&b, "grouped");
  for (int i = 0; i <= from; i++) {
    while (study_next(&a) == STUDY_WAIT) {
      end_as(&a, a.known, STORED_COMPLETE, a_values[a.known]);
      end_as(&b, b.known, STORED_COMPLETE, b_values[b.known]);
    }
    propose(&a);
    propose(&b);
    if (i < from) assert_memory_equal(a.trials[i].values, b.trials[i].values, sizeof(double) * 10);
  }
  bool same = !memcmp(a.trials[from].values, b.trials[from].values, sizeof(double) * 10);
  study_destroy(&a);
  study_destroy(&b);
  return same;
}

/* [30] of values that get worse; minimised. */
static void descending(double *a, double *b)
{
  for (int i = 0; i < 30; i++) a[i] = b[i] = 100 + i;
}

static void every_group_starts_at_random_and_then_learns(void **state)
{
  double a[30], b[30];
  (void)state;
  OPEN("experiment.trials=30", "scheduler.parallel=1"); /* 12, 9, 9; startup 3 */
  descending(a, b);
  b[13] = -1;
  assert_true(same_proposal(14, a, b));
  assert_false(same_proposal(15, a, b));
  close_experiment();
}

static void a_group_learns_from_the_incumbent_and_itself_alone(void **state)
{
  double a[30], b[30];
  (void)state;
  OPEN("experiment.trials=30", "scheduler.parallel=1");
  descending(a, b);
  a[11] = b[11] = 90; /* the incumbent of the second group, */
  for (int i = 12; i < 21; i++) a[i] = b[i] = 50 + i;
  a[11] = 10; /* better or worse than what that finds */
  assert_false(same_proposal(15, a, b));
  descending(a, b);
  b[11] = 1000; /* of the others of the first group nothing is seen */
  assert_true(same_proposal(15, a, b));
  close_experiment();
}

static void with_history_all_a_group_sees_all_before_it(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=30", "scheduler.parallel=8", "tpe.history=all");
  make(&s, "grouped"); /* 12, 9, 9 */
  for (int i = 0; i < 15; i++) {
    while (study_next(&s) == STUDY_WAIT) end_trial(&s, s.known);
    propose(&s);
  }
  end_trial(&s, 12);
  propose(&s); /* trial 15: the barrier shows 0 ... 11, not only 0 ... 7; trial 12 has ended but is not to be seen */
  for (int i = 0; i < 15; i++) {
    assert_int_equal(s.history[i].number, i);
    assert_int_equal(s.history[i].state, i < 12 ? OBSERVATION_COMPLETE : OBSERVATION_IN_FLIGHT);
  }
  study_destroy(&s);
  close_experiment();
}

static void the_gaussian_process_sees_all_unless_told_otherwise(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=12", "scheduler.parallel=1", "experiment.sampler=gp", "tpe.history=group");
  make(&s, "grouped"); /* 5, 4, 3 */
  assert_true(s.all);
  study_destroy(&s);
  close_experiment();
  OPEN("experiment.trials=12", "scheduler.parallel=1", "experiment.sampler=gp", "tpe.history=all", "gp.history=group");
  make(&s, "grouped");
  assert_false(s.all);
  study_destroy(&s);
  close_experiment();
}

/* All trials of a study share a key, which no trial has, and studies of other rounds have another: the design of the first trials. */
static void the_first_trials_of_a_study_are_one_design(void **state)
{
  struct study a, b;
  struct error e = {0};
  (void)state;
  OPEN("experiment.trials=12", "scheduler.parallel=1", "experiment.sampler=gp");
  make(&a, "simultaneous");
  assert_int_equal(study_create(&b, &experiment, objective, "simultaneous", 1, &e), 0);
  run_in_order(&a, 1);
  run_in_order(&b, 1);
  assert_memory_equal(a.trials[0].values, b.trials[0].values, sizeof(double) * 10); /* the defaults */
  for (int t = 1; t < 10; t++) {
    assert_memory_not_equal(a.trials[t].values, b.trials[t].values, sizeof(double) * 10);
  }
  for (int i = 0; i < 10; i++) { /* points 1 ... 7 with the unused point 0 are one in each eighth of every axis */
    bool seen[8] = {0};
    int count = 0;
    for (int t = 1; t < 8; t++)
      seen[(int)(8 * param_to_unit(&experiment.space.params[i], a.trials[t].values[i]))] = true;
    for (int k = 0; k < 8; k++) count += seen[k];
    assert_int_equal(count, 7);
  }
  study_destroy(&a);
  study_destroy(&b);
  close_experiment();
}

/* ---- strategies ----------------------------------------------------------------------------------------------------------- */

static void a_group_searches_its_members_around_the_best_so_far(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=20", "scheduler.parallel=1");
  make(&s, "grouped"); /* 8, 6, 6 */
  double defaults[SPACE_MAX];
  space_defaults(&experiment.space, defaults);
  run_in_order(&s, 1);
  int first_of[4] = {0, 8, 14, 20}, best = -1;
  for (int g = 0; g < 3; g++) {
    const double *current = best < 0 ? defaults : s.trials[best].values;
    for (int t = first_of[g]; t < first_of[g + 1]; t++) {
      assert_int_equal(s.trials[t].group, g);
      int moved = 0;
      for (int i = 0; i < 10; i++) {
        bool member = experiment.groups.of[i] == g;
        assert_int_equal(s.trials[t].free[i], member);
        if (!member) assert_true(s.trials[t].values[i] == current[i]);
        if (member) moved += s.trials[t].values[i] != current[i];
      }
      assert_true(moved > 0);
    }
    for (int t = first_of[g]; t < first_of[g + 1]; t++)
      if (best < 0 || s.trials[t].value < s.trials[best].value) best = t;
  }
  assert_int_equal(s.best, best);
  study_destroy(&s);
  close_experiment();
}

static void a_group_in_which_all_fail_leaves_the_configuration(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=10", "scheduler.parallel=1");
  make(&s, "grouped"); /* 4, 3, 3 */
  double defaults[SPACE_MAX];
  space_defaults(&experiment.space, defaults);
  for (int i = 0; i < 4; i++) {
    propose(&s);
    end_as(&s, i, STORED_FAIL, NAN);
  }
  propose(&s);
  for (int i = 0; i < 10; i++)
    if (experiment.groups.of[i] != 1) assert_true(s.trials[4].values[i] == defaults[i]);
  assert_int_equal(s.phase.incumbent, -1);
  end_trial(&s, 4);
  for (int i = 5; i < 7; i++) {
    propose(&s);
    end_as(&s, i, STORED_FAIL, NAN);
  }
  propose(&s); /* the third group starts from the one that did not fail */
  assert_int_equal(s.phase.incumbent, 4);
  assert_int_equal(s.best, 4);
  study_destroy(&s);
  close_experiment();
}

static void the_incumbent_may_be_of_an_earlier_group(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=10", "scheduler.parallel=1");
  make(&s, "grouped");
  for (int i = 0; i < 7; i++) {
    propose(&s);
    end_as(&s, i, STORED_COMPLETE, i == 2 ? 1 : 5 + i); /* the second group finds nothing better */
  }
  propose(&s);
  assert_int_equal(s.phase.incumbent, 2);
  for (int i = 0; i < 10; i++)
    if (experiment.groups.of[i] != 2) assert_true(s.trials[7].values[i] == s.trials[2].values[i]);
  study_destroy(&s);
  close_experiment();
}

static void trials_are_divided_by_the_ratio_and_an_empty_group_is_passed_over(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=2", "scheduler.parallel=1");
  make(&s, "grouped"); /* 0.8, 0.6, 0.6: 1, 1, 0 */
  run_in_order(&s, 1);
  assert_int_equal(s.n, 2);
  assert_int_equal(s.trials[0].group, 0);
  assert_int_equal(s.trials[1].group, 1);
  study_destroy(&s);
  close_experiment();
}

static void both_strategies_start_from_the_same_numbers(void **state)
{
  struct study a, b;
  (void)state;
  OPEN("experiment.trials=10");
  make(&a, "grouped");
  make(&b, "simultaneous");
  for (int i = 0; i < 3; i++) {
    propose(&a);
    propose(&b);
    assert_true(a.trials[i].key == b.trials[i].key);
    assert_true(a.trials[i].key == philox_trial_key(experiment.seed, 0, i));
  }
  study_destroy(&a);
  study_destroy(&b);
  close_experiment();
}

static void enqueued_configurations_come_first(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=10", "enqueue.mine=x1 3.5, x9 -2", "enqueue.other=x2 7", "scheduler.parallel=1");
  make(&s, "grouped");
  propose(&s);
  end_trial(&s, 0);
  propose(&s);
  end_trial(&s, 1);
  propose(&s);
  double defaults[SPACE_MAX];
  space_defaults(&experiment.space, defaults);
  for (int i = 0; i < 10; i++) {
    assert_true(s.trials[0].values[i] == (i == 0 ? 3.5 : i == 8 ? -2 : defaults[i]));
    assert_true(s.trials[1].values[i] == (i == 1 ? 7 : defaults[i]));
    assert_false(s.trials[0].free[i]);
    assert_int_equal(s.trials[2].free[i], experiment.groups.of[i] == 0);
  }
  study_destroy(&s);
  close_experiment();
}

/* ---- target --------------------------------------------------------------------------------------------------------------- */

static void a_target_ends_the_study_for_proposals_that_see_it(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=20", "scheduler.parallel=3", "experiment.target=0.5");
  make(&s, "simultaneous");
  for (int i = 0; i < 3; i++) propose(&s);
  end_as(&s, 0, STORED_COMPLETE, 9);
  end_as(&s, 1, STORED_COMPLETE, 0.5); /* minimised: reached */
  propose(&s);                         /* trial 3 sees trial 0 alone */
  assert_int_equal(study_next(&s), STUDY_ENDED);
  assert_true(s.target_reached);
  end_as(&s, 2, STORED_COMPLETE, 8);
  end_as(&s, 3, STORED_COMPLETE, 8);
  assert_int_equal(study_next(&s), STUDY_ENDED);
  assert_int_equal(s.n, 4);
  study_destroy(&s);
  close_experiment();
}

static void a_target_that_the_last_trial_reaches_counts(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=2", "scheduler.parallel=1", "experiment.target=0.5");
  make(&s, "simultaneous");
  propose(&s);
  end_as(&s, 0, STORED_COMPLETE, 1);
  propose(&s);
  end_as(&s, 1, STORED_COMPLETE, 0.25);
  assert_int_equal(study_next(&s), STUDY_ENDED);
  assert_true(s.target_reached);
  study_destroy(&s);
  close_experiment();
}

static void a_failed_trial_reaches_no_target(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=3", "scheduler.parallel=1", "experiment.target=0.5");
  make(&s, "simultaneous");
  propose(&s);
  end_as(&s, 0, STORED_FAIL, 0);
  assert_int_equal(study_next(&s), STUDY_PROPOSE);
  study_destroy(&s);
  close_experiment();
}

/* ---- best ----------------------------------------------------------------------------------------------------------------- */

static void best_is_by_value_then_loss_then_number(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=10", "scheduler.parallel=8");
  make(&s, "simultaneous");
  for (int i = 0; i < 6; i++) propose(&s);
  static const struct {
    int number;
    double value, loss;
    int best;
  } steps[] = {{3, 2, 0.5, 3}, {1, 2, 0.6, 3}, {2, 2, 0.4, 2}, {0, 3, 0.1, 2}, {5, 2, 0.4, 2}, {4, 1, 9, 4}};
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    struct stored_trial t = s.trials[steps[i].number];
    t.state = STORED_COMPLETE;
    t.value = steps[i].value;
    t.loss = steps[i].loss;
    assert_int_equal(study_is_best(&s, &t), steps[i].best == t.number);
    study_end(&s, &t);
    assert_int_equal(s.best, steps[i].best);
  }
  study_destroy(&s);
  close_experiment();
}

/* ---- going on ------------------------------------------------------------------------------------------------------------- */

static void a_study_that_was_cut_off_anywhere_ends_the_same(void **state)
{
  static const char *const strategies_here[] = {"grouped", "simultaneous"};
  (void)state;
  OPEN("experiment.trials=24", "scheduler.parallel=3");
  for (int k = 0; k < 2; k++) {
    struct study whole;
    make(&whole, strategies_here[k]);
    run_in_order(&whole, 1);
    for (int cut = 1; cut <= 24; cut++) {
      struct study s;
      struct error e = {0};
      struct stored_trial left[24];
      make(&s, strategies_here[k]);
      memcpy(left, whole.trials, sizeof left);
      /* the last one was running when the process died; the one before it had ended */
      left[cut - 1].state = STORED_RUNNING;
      left[cut - 1].value = 0;
      if (study_resume(&s, left, cut, &e)) fail_msg("%s", e.message);
      assert_int_equal(s.done, cut - 1);
      assert_int_equal(s.trials[cut - 1].state, STORED_RUNNING);
      run_in_order(&s, (unsigned)cut);
      assert_int_equal(s.n, 24);
      for (int i = 0; i < 24; i++) assert_memory_equal(whole.trials[i].values, s.trials[i].values, sizeof(double) * 10);
      study_destroy(&s);
    }
    study_destroy(&whole);
  }
  close_experiment();
}

static void a_history_that_cannot_be_is_refused(void **state)
{
  struct study s;
  struct error e = {0};
  struct stored_trial left[4] = {{.number = 0, .state = STORED_RUNNING}, {.number = 1, .state = STORED_COMPLETE}};
  (void)state;
  OPEN("experiment.trials=3", "scheduler.parallel=1", "tpe.startup=1");
  make(&s, "simultaneous");
  assert_int_equal(study_resume(&s, left, 2, &e), ERROR_FAILED); /* trial 1 without the result of trial 0 */
  study_destroy(&s);
  make(&s, "simultaneous");
  assert_int_equal(study_resume(&s, left, 4, &e), ERROR_FAILED); /* more than there are to be */
  study_destroy(&s);
  close_experiment();
}

static void more_trials_go_on_after_the_first_ones(void **state)
{
  struct study small, large;
  struct error e = {0};
  struct stored_trial left[10];
  (void)state;
  OPEN("experiment.trials=10", "scheduler.parallel=2");
  make(&small, "simultaneous");
  run_in_order(&small, 3);
  memcpy(left, small.trials, sizeof left);
  study_destroy(&small);
  close_experiment();
  OPEN("experiment.trials=20", "scheduler.parallel=2");
  make(&small, "simultaneous");
  make(&large, "simultaneous");
  if (study_resume(&small, left, 10, &e)) fail_msg("%s", e.message);
  run_in_order(&small, 4);
  run_in_order(&large, 5);
  for (int i = 0; i < 20; i++) assert_memory_equal(small.trials[i].values, large.trials[i].values, sizeof(double) * 10);
  study_destroy(&small);
  study_destroy(&large);
  close_experiment();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_proposal_waits_for_the_trial_that_many_places_before),
      cmocka_unit_test(a_group_begins_when_all_before_it_have_ended),
      cmocka_unit_test(the_history_does_not_depend_on_what_ends_first),
      cmocka_unit_test(neither_does_that_of_the_gaussian_process),
      cmocka_unit_test(a_result_is_used_as_soon_as_it_may_be_seen),
      cmocka_unit_test(every_group_starts_at_random_and_then_learns),
      cmocka_unit_test(a_group_learns_from_the_incumbent_and_itself_alone),
      cmocka_unit_test(with_history_all_a_group_sees_all_before_it),
      cmocka_unit_test(the_gaussian_process_sees_all_unless_told_otherwise),
      cmocka_unit_test(the_first_trials_of_a_study_are_one_design),
      cmocka_unit_test(a_group_searches_its_members_around_the_best_so_far),
      cmocka_unit_test(a_group_in_which_all_fail_leaves_the_configuration),
      cmocka_unit_test(the_incumbent_may_be_of_an_earlier_group),
      cmocka_unit_test(trials_are_divided_by_the_ratio_and_an_empty_group_is_passed_over),
      cmocka_unit_test(both_strategies_start_from_the_same_numbers),
      cmocka_unit_test(enqueued_configurations_come_first),
      cmocka_unit_test(a_target_ends_the_study_for_proposals_that_see_it),
      cmocka_unit_test(a_target_that_the_last_trial_reaches_counts),
      cmocka_unit_test(a_failed_trial_reaches_no_target),
      cmocka_unit_test(best_is_by_value_then_loss_then_number),
      cmocka_unit_test(a_study_that_was_cut_off_anywhere_ends_the_same),
      cmocka_unit_test(a_history_that_cannot_be_is_refused),
      cmocka_unit_test(more_trials_go_on_after_the_first_ones),
  };
  return cmocka_run_group_tests_name("study", tests, NULL, NULL);
}
