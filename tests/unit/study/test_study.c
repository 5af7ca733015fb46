/* Studies without threads: in which order trials may be proposed, what a proposal sees, what
 * strategies make of a history, when a target ends a study, how a study that was cut off goes
 * on.
 *
 * Not under ThreadSanitizer: one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/experiment/names.h"
#include "kernels/philox.h"
#include "tests/unit/study/study_fixture.h"

/* ---- fixtures -------------------------------------------------------------------------------- */

static void end_trial(struct study *s, int number)
{
  end_as(s, number, STORED_COMPLETE, value_of(s->trials[number].values));
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The ini's lists and the tables come from the same rows; whether a struct's own name is that of
 * its row, only a test can tell. */
static void every_name_that_an_ini_may_give_has_its_code(void **state)
{
  static const char *const pruner_names[] = {PRUNERS(NAME_WORD) NULL};
  int controls = 0;
  char setting[64];
  (void)state;
  for (int i = 0; strategy_names[i]; i++) {
    snprintf(setting, sizeof setting, "experiment.strategies=%s", strategy_names[i]);
    OPEN(setting);
    assert_ptr_equal(strategy_find(experiment.strategies[0]), strategies[i]);
    controls += strategy_is(strategies[i]->name, STRATEGY_CONTROL);
    close_experiment();
  }
  for (int i = 0; pruner_names[i]; i++) {
    snprintf(setting, sizeof setting, "pruner.kind=%s", pruner_names[i]);
    OPEN(setting);
    assert_ptr_equal(pruner_find(experiment.pruner), pruners[i]);
    close_experiment();
  }
  for (int i = 0; sampler_names[i]; i++) {
    snprintf(setting, sizeof setting, "experiment.sampler=%s", sampler_names[i]);
    OPEN(setting);
    assert_ptr_equal(sampler_find(experiment.sampler), samplers[i]);
    close_experiment();
  }
  assert_int_equal(controls, 1);
  assert_true(strategy_is(strategy_control(), STRATEGY_CONTROL));
  assert_false(strategy_is("nothing", STRATEGY_CONTROL));
}

/* ---- order ----------------------------------------------------------------------------------- */

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

/* Every strategy, with groups of the file's and with measured ones, in cycles, and where the model
 * says which group is next. */
#define SMALL_GP "gp.startup=4", "gp.candidates=64", "gp.evaluations=16", "experiment.sampler=gp"
static const struct {
  const char *name;
  int cycles;
  const char *settings[7];
} ways[] = {{"grouped", 1, {NULL}},
            {"grouped", 1, {"groups.from=auto"}},
            {"grouped", 2, {NULL}},
            {"grouped", 2, {"groups.from=auto"}},
            {"grouped", 1, {SMALL_GP, "experiment.revisit=yes", "experiment.revisit_trials=3"}},
            {"grouped", 2, {SMALL_GP, "experiment.revisit=yes", "groups.from=auto"}},
            {"grouped", 2, {SMALL_GP, "experiment.revisit=yes", "gp.cost=flops"}},
            {"greedy", 1, {"importance.sweep_trials=7"}},
            {"simultaneous", 1, {NULL}},
            {"simultaneous", 2, {NULL}}};
enum { WAYS = sizeof ways / sizeof ways[0] };

/* FLOPs that follow from the values, for a way that weighs by them. */
static int costs_by_value(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  (void)o;
  (void)e;
  *cost = (struct objective_cost){.feasible = true, .epochs = 1, .flops = 1 + fabs(values[0]) + 100 * fabs(values[9])};
  return 0;
}

/* An experiment of one of the ways, with so many trials in each of so many cycles. */
static void open_way(int k, int trials, int cycles, const char *parallel)
{
  char each[40], times[40];
  const char *settings[10] = {each, times, parallel};
  int n = 3;
  snprintf(each, sizeof each, "experiment.trials=%d", trials);
  snprintf(times, sizeof times, "experiment.cycles=%d", cycles);
  for (int i = 0; i < 7 && ways[k].settings[i]; i++) settings[n++] = ways[k].settings[i];
  open_experiment(settings, n);
  if (experiment.sampler_settings.gp_cost == GP_COST_FLOPS) {
    objective->has_flops = true;
    objective->cost = costs_by_value;
  }
}

static void the_history_does_not_depend_on_what_ends_first(void **state)
{
  (void)state;
  for (int k = 0; k < WAYS; k++) {
    struct study first;
    open_way(k, 40 / ways[k].cycles, ways[k].cycles, "scheduler.parallel=4");
    make(&first, ways[k].name);
    run_in_order(&first, 1);
    assert_int_equal(first.n, 40);
    for (unsigned seed = 2; seed < 12; seed++) {
      struct study other;
      make(&other, ways[k].name);
      run_in_order(&other, seed);
      assert_int_equal(other.n, 40);
      for (int i = 0; i < 40; i++)
        assert_memory_equal(first.trials[i].values, other.trials[i].values, sizeof(double) * 10);
      assert_int_equal(first.best, other.best);
      study_destroy(&other);
    }
    study_destroy(&first);
    close_experiment();
  }
}

/* The Gaussian process believes what is in flight: with 1, 2 and 8 of them, and with four trials
 * before it proposes. */
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

/* Runs two studies whose trials end with these values, one after the other; they must propose the
 * same before trial `from`.  Whether they propose the same for it, too. */
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

/* All trials of a study share a key, which no trial has, and studies of other rounds have another:
 * the design of the first trials. */
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

/* ---- strategies ------------------------------------------------------------------------------ */

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
        bool member = t > 0 && experiment.groups.of[i] == g; /* trial 0 is the baseline */
        assert_int_equal(s.trials[t].free[i], member);
        if (!member) assert_true(s.trials[t].values[i] == current[i]);
        if (member) moved += s.trials[t].values[i] != current[i];
      }
      assert_true(moved > 0 || t == 0);
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
  assert_int_equal(s.group.incumbent, -1);
  end_trial(&s, 4);
  for (int i = 5; i < 7; i++) {
    propose(&s);
    end_as(&s, i, STORED_FAIL, NAN);
  }
  propose(&s); /* the third group starts from the one that did not fail */
  assert_int_equal(s.group.incumbent, 4);
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
  assert_int_equal(s.group.incumbent, 2);
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
  for (int t = 0; t < 4; t++) {
    propose(&s);
    end_trial(&s, t);
  }
  double defaults[SPACE_MAX];
  space_defaults(&experiment.space, defaults);
  for (int i = 0; i < 10; i++) {
    assert_true(s.trials[0].values[i] == defaults[i]);
    assert_true(s.trials[1].values[i] == (i == 0 ? 3.5 : i == 8 ? -2 : defaults[i]));
    assert_true(s.trials[2].values[i] == (i == 1 ? 7 : defaults[i]));
    assert_false(s.trials[1].free[i]);
    assert_int_equal(s.trials[3].free[i], experiment.groups.of[i] == 0);
  }
  study_destroy(&s);
  close_experiment();
}

static int nothing_is_feasible(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  (void)o, (void)values, (void)e;
  *cost = (struct objective_cost){.feasible = false, .reason = "too large"};
  return 0;
}

/* Whatever proposes the others, in the first group's budget. */
static void the_defaults_are_the_first_trial_of_every_study(void **state)
{
  (void)state;
  for (int k = 0; k < WAYS; k++) {
    for (int m = 0; samplers[m]; m++) {
      double defaults[SPACE_MAX];
      int n = 0, given[2] = {0};
      open_way(k, 20, ways[k].cycles, "scheduler.parallel=4");
      if (!experiment.revisit) snprintf(experiment.sampler, sizeof experiment.sampler, "%s", samplers[m]->name);
      space_defaults(&experiment.space, defaults);
      for (experiment.baseline = 1; experiment.baseline >= 0; experiment.baseline--) {
        struct study s;
        make(&s, ways[k].name);
        for (int t = 0; t < 4; t++) propose(&s); /* none of them waits for the first */
        bool same = !memcmp(s.trials[0].values, defaults, sizeof(double) * 10), held = true;
        for (int i = 0; i < 10; i++) held = held && !s.trials[0].free[i];
        given[experiment.baseline] = same && held;
        assert_int_equal(s.trials[0].group, 0);
        assert_int_equal(s.trials[3].group, 0);
        for (int t = 0; t < 4; t++) end_trial(&s, t);
        n += s.n;
        study_destroy(&s);
      }
      experiment.baseline = 1;
      assert_int_equal(n, 8);
      assert_true(given[1] && !given[0]);
      close_experiment();
    }
  }
}

/* One of the startup, and one of those that are known before any has ended. */
static void the_baseline_counts_as_one_of_the_startup(void **state)
{
  static const char *const samplers_here[] = {"experiment.sampler=tpe", "experiment.sampler=gp"};
  (void)state;
  for (int k = 0; k < 2; k++) {
    struct study s;
    OPEN("experiment.trials=30", "scheduler.parallel=1", "tpe.startup=6", "gp.startup=6", samplers_here[k]);
    make(&s, "simultaneous");
    for (int t = 0; t < 6; t++) {
      assert_true(study_next(&s) == STUDY_PROPOSE && study_is_blind(&s));
      propose(&s);
    }
    assert_int_equal(study_next(&s), STUDY_WAIT);
    assert_int_equal(study_trials_at_once(&experiment), 12); /* of two strategies */
    study_destroy(&s);
    close_experiment();
  }
}

static void infeasible_defaults_are_no_baseline(void **state)
{
  struct error e = {0};
  (void)state;
  OPEN("experiment.trials=10");
  objective->cost = nothing_is_feasible;
  assert_int_equal(study_check(&experiment, objective, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "[experiment] baseline = yes: the defaults of [space] are infeasible: too large"));
  assert_non_null(strstr(e.message, "baseline = no"));
  experiment.baseline = 0;
  assert_int_equal(study_check(&experiment, objective, &e), 0);
  close_experiment();
}

/* ---- target ---------------------------------------------------------------------------------- */

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

/* ---- best ------------------------------------------------------------------------------------ */

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

/* ---- going on -------------------------------------------------------------------------------- */

static void a_study_that_was_cut_off_anywhere_ends_the_same(void **state)
{
  (void)state;
  for (int k = 0; k < WAYS; k++) {
    struct study whole;
    open_way(k, 24 / ways[k].cycles, ways[k].cycles, "scheduler.parallel=3");
    make(&whole, ways[k].name);
    run_in_order(&whole, 1);
    for (int cut = 1; cut <= 24; cut++) {
      struct study s;
      struct error e = {0};
      struct stored_trial left[24];
      make(&s, ways[k].name);
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
    close_experiment();
  }
}

/* ---- measured groups ------------------------------------------------------------------------- */

/* A sum in which hyperparameter 7 matters most, then 2, then 4, and the others next to nothing. */
static double planted(const double *values)
{
  double sum = 0;
  for (int i = 0; i < experiment.space.n; i++) {
    double unit = param_to_unit(&experiment.space.params[i], values[i]) - 0.3;
    sum += (i == 7 ? 9 : i == 2 ? 4 : i == 4 ? 3 : 0.01) * unit * unit;
  }
  return sum;
}

/* Runs a study of planted values, one trial after the other. */
static void run_planted(struct study *s)
{
  while (study_next(s) == STUDY_PROPOSE) {
    int number = propose(s);
    end_as(s, number, STORED_COMPLETE, planted(s->trials[number].values));
  }
}

static int count_free(const struct stored_trial *t)
{
  int n = 0;
  for (int i = 0; i < experiment.space.n; i++) n += t->free[i];
  return n;
}

static void a_warm_start_finds_the_groups(void **state)
{
  (void)state;
  OPEN("experiment.trials=100", "scheduler.parallel=1", "groups.from=auto", "importance.warm_start=0.5");
  struct study s;
  make(&s, "grouped");
  run_planted(&s);
  assert_int_equal(s.n, 100);
  for (int i = 0; i < 50; i++) assert_true(s.trials[i].group == 0 && count_free(&s.trials[i]) == (i > 0 ? 10 : 0));
  const struct stored_trial *first = &s.trials[50], *last = &s.trials[99];
  assert_true(first->group == 1 && first->free[7] && !first->free[0]);
  assert_true(last->group == 3 && !last->free[7]);
  int best = 0; /* the first group starts at the best of the warm start */
  for (int i = 1; i < 50; i++) best = s.trials[i].value < s.trials[best].value ? i : best;
  for (int i = 0; i < 10; i++) assert_true(first->free[i] || first->values[i] == s.trials[best].values[i]);
  study_destroy(&s);
  close_experiment();
}

static void greedy_measures_again_before_each_sweep(void **state)
{
  (void)state;
  OPEN("experiment.trials=90", "scheduler.parallel=1", "importance.warm_start=0.33", "importance.sweep_trials=20");
  struct study s;
  make(&s, "greedy");
  run_planted(&s);
  assert_int_equal(s.n, 90); /* 30, then sweeps of 20 */
  for (int sweep = 0; sweep < 3; sweep++) {
    const struct stored_trial *t = &s.trials[30 + 20 * sweep];
    bool full = count_free(t) == 10;
    assert_int_equal(t->group, 1 + 4 * sweep + (full ? 3 : 0));
    assert_true(t->free[7]);
    int best = 0;
    for (int i = 1; i < t->number; i++) best = s.trials[i].value < s.trials[best].value ? i : best;
    for (int i = 0; i < 10; i++) assert_true(t->free[i] || t->values[i] == s.trials[best].values[i]);
  }
  study_destroy(&s);
  close_experiment();
}

/* A sweep in which nothing gets better is followed by one on the full space, that by groups. */
static void after_a_sweep_in_vain_everything_is_free(void **state)
{
  (void)state;
  OPEN("experiment.trials=70", "scheduler.parallel=1", "importance.warm_start=0.15", "importance.sweep_trials=20");
  struct study s;
  make(&s, "greedy"); /* 11 of the warm start, then 20, 20 and 19 */
  while (study_next(&s) == STUDY_PROPOSE) {
    int number = propose(&s);
    end_as(&s, number, STORED_COMPLETE, number == 5 ? -1 : planted(s.trials[number].values));
  }
  assert_int_equal(s.n, 70);
  assert_true(count_free(&s.trials[11]) < 10);
  assert_true(count_free(&s.trials[31]) == 10 && s.trials[31].group == 8);
  assert_true(count_free(&s.trials[50]) == 10 && count_free(&s.trials[51]) < 10);
  study_destroy(&s);
  close_experiment();
}

/* However many sweeps there are, and however many groups: each is measured for, and each group of
 * theirs has a name. */
static void greedy_makes_more_sweeps_than_there_are_names(void **state)
{
  static const char *const groups[] = {"importance.groups=3", "importance.groups=64"};
  char names[SPACE_MAX][SPACE_NAME_MAX];
  (void)state;
  for (int k = 0; k < 2; k++) {
    OPEN("experiment.trials=120", "scheduler.parallel=1", "importance.warm_start=0.15", "importance.sweep_trials=5",
         groups[k]);
    struct study s;
    make(&s, "greedy");
    run_planted(&s);
    assert_int_equal(s.n, 120);
    assert_int_equal(s.group.sweep, 20); /* 18 of the warm start, 19 sweeps of 5, and one of 7 */
    int n = s.strategy->group_names(&experiment, names);
    for (int i = 18; i < 120; i++) {
      bool full = count_free(&s.trials[i]) == 10;
      assert_in_range(s.trials[i].group, 1, n - 1);
      assert_true(full == !strcmp(names[s.trials[i].group], "full"));
    }
    study_destroy(&s);
    close_experiment();
  }
}

/* What is enqueued comes before the random trials of the warm start, not in their place, and is not
 * measured: it varies what the user chose. */
static void the_warm_start_comes_after_what_is_enqueued(void **state)
{
  static const char *const baseline[] = {"experiment.baseline=no", "experiment.baseline=yes"};
  (void)state;
  for (int k = 0; k < 4; k++) {
    OPEN("experiment.trials=30", "scheduler.parallel=1", "importance.warm_start=0.34", "groups.from=auto",
         baseline[k / 2], "enqueue.a=x1 1", "enqueue.b=x1 20", "enqueue.c=x1 -20", "enqueue.d=x1 -1");
    struct study s;
    int given = experiment_given(&experiment);
    make(&s, k % 2 ? "greedy" : "grouped");
    while (study_next(&s) == STUDY_PROPOSE) {
      int number = propose(&s); /* 10 of the warm start, of which the defaults are one */
      if (number < 14) assert_int_equal(count_free(&s.trials[number]), number < given ? 0 : 10);
      const double *v = s.trials[number].values;
      end_as(&s, number, STORED_COMPLETE, number < given ? fabs(v[0]) * 1e6 : v[9]);
    }
    assert_int_equal(s.n, 30);
    assert_true(s.trials[14].free[9] && !s.trials[14].free[0]);
    study_destroy(&s);
    close_experiment();
  }
  static const char *const lines[] = {"experiment.trials=1", "experiment.trials=2", "experiment.trials=3"};
  for (int k = 0; k < 6; k++) { /* more lines than trials */
    OPEN(lines[k / 2], "scheduler.parallel=1", "groups.from=auto", "experiment.cycles=2", "enqueue.a=x1 1",
         "enqueue.b=x1 2");
    struct study s;
    make(&s, k % 2 ? "greedy" : "grouped");
    run_planted(&s);
    assert_int_equal(s.n, experiment.trials);
    study_destroy(&s);
    close_experiment();
  }
}

/* Each of the strategies that measure gets along with failures only, and with one trial. */
static void measuring_nothing_is_no_obstacle(void **state)
{
  static const char *const trials[] = {"experiment.trials=1", "experiment.trials=2", "experiment.trials=30"};
  (void)state;
  for (int k = 0; k < 6; k++) {
    OPEN(trials[k / 2], "scheduler.parallel=1", "groups.from=auto");
    struct study s;
    make(&s, k % 2 ? "greedy" : "grouped");
    while (study_next(&s) == STUDY_PROPOSE) end_as(&s, propose(&s), STORED_FAIL, 0);
    assert_int_equal(s.n, experiment.trials);
    study_destroy(&s);
    close_experiment();
  }
}

/* ---- cycles and groups that are gone back to ------------------------------------------------- */

static void a_cycle_goes_through_the_groups_again_around_the_best(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=10", "experiment.cycles=2", "scheduler.parallel=1");
  make(&s, "grouped"); /* 4, 3, 3 twice */
  for (int t = 0; t < 20; t++) {
    propose(&s);
    assert_int_equal(s.trials[t].group, t % 10 < 4 ? 0 : t % 10 < 7 ? 1 : 2);
    assert_int_equal(s.n_history, t < 10 ? t - s.group.first + (s.group.incumbent >= 0) : t); /* then all of it */
    if (t == 10) {
      int best = s.best;
      for (int i = 3; i < 10; i++) assert_true(s.trials[t].values[i] == s.trials[best].values[i]);
    }
    end_trial(&s, t);
  }
  assert_int_equal(study_next(&s), STUDY_ENDED);
  study_destroy(&s);
  close_experiment();
}

/* What a study of one cycle found is where one of two begins, to the bit. */
static void more_cycles_go_on_after_the_first_ones(void **state)
{
  (void)state;
  for (int k = 0; k < WAYS; k++) {
    struct study small, large;
    struct error e = {0};
    struct stored_trial left[20];
    if (!strategy_find(ways[k].name)->more_cycles_extend) continue;
    open_way(k, 20, 1, "scheduler.parallel=2");
    make(&small, ways[k].name);
    run_in_order(&small, 3);
    assert_int_equal(small.n, 20);
    memcpy(left, small.trials, sizeof left);
    study_destroy(&small);
    close_experiment();
    open_way(k, 20, 2, "scheduler.parallel=2");
    make(&small, ways[k].name);
    make(&large, ways[k].name);
    if (study_resume(&small, left, 20, &e)) fail_msg("%s", e.message);
    run_in_order(&small, 4);
    run_in_order(&large, 5);
    assert_int_equal(small.n, 40);
    for (int i = 0; i < 40; i++)
      assert_memory_equal(small.trials[i].values, large.trials[i].values, sizeof(double) * 10);
    study_destroy(&small);
    study_destroy(&large);
    close_experiment();
  }
}

/* Groups in the order in which a strategy visits them, and its trials of each, when `expected` of
 * the groups is said. */
struct said {
  double expected[3];
  bool known;
};

static bool say(void *context, const double *current, int n, const bool (*free)[SPACE_MAX], double *expected)
{
  const struct said *said = context;
  assert_int_equal(n, 3);
  assert_true(free[0][0] && !free[0][3] && free[1][3] && free[2][9]);
  assert_non_null(current);
  memcpy(expected, said->expected, sizeof said->expected);
  return said->known;
}

static void the_group_of_which_most_is_expected_is_next(void **state)
{
  static const struct {
    struct said said;
    int group, count;
  } steps[] = {{{{-1, -1, 0}, true}, 0, 10}, /* half of 20 */
               {{{-1, -1, 0}, true}, 1, 8},  /* half of 15, rounded up */
               {{{9, -1, -1}, true}, 2, 8},
               {{{-1, -2, -3}, true}, 0, 5},                      /* back */
               {{{-2, -2, -INFINITY}, true}, 0, 5},               /* of equal ones the present one */
               {{{0}, false}, 1, 5},                              /* nobody knows: 20 of 20 trials, so the next */
               {{{-INFINITY, -INFINITY, -INFINITY}, true}, 1, 5}, /* nothing is new anywhere: on with it */
               {{{-1, -1, 0}, true}, 2, 4}};                      /* as many as are left */
  struct observation history[50];
  double values[10] = {0};
  struct group group, last;
  int n = 0;
  (void)state;
  OPEN("experiment.trials=50", "experiment.sampler=gp", "experiment.revisit=yes", "experiment.revisit_trials=5");
  const struct strategy *grouped = strategy_find("grouped");
  for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
    struct said said = steps[k].said;
    const struct outlook outlook = {say, &said};
    assert_int_equal(grouped->next_group(&experiment, n ? &last : NULL, history, n, &outlook, &group), 0);
    assert_int_equal(group.index, steps[k].group);
    assert_int_equal(group.first, n);
    assert_int_equal(group.count, steps[k].count);
    assert_true(group.learns_from_all && group.free[3 * group.index] && group.free[1] == (group.index == 0));
    for (int i = 0; i < group.count; i++, n++)
      history[n] = (struct observation){.number = n, .values = values, .value = -n, .group = group.index};
    last = group;
  }
  assert_int_equal(n, 50);
  assert_int_equal(grouped->next_group(&experiment, &last, history, n, NULL, &group), 1);
  close_experiment();
}

/* Rosenbrock's valley in the third group, hyperparameters 6 to 9; the others matter nothing. */
static double third_alone(const double *values)
{
  double sum = 0, u[10];
  for (int i = 6; i < 10; i++) u[i] = param_to_unit(&experiment.space.params[i], values[i]);
  for (int i = 6; i < 9; i++) sum += 10 * pow(u[i + 1] - u[i] * u[i], 2) + pow(0.9 - u[i], 2);
  return sum;
}

/* Of several seeds: a proposal may depend on how a library rounds, and a cycle with it. */
static void a_group_that_promises_nothing_is_left(void **state)
{
  static const char *const seeds[] = {"experiment.seed=1", "experiment.seed=2", "experiment.seed=3",
                                      "experiment.seed=4"};
  struct study s;
  int count[3] = {0};
  (void)state;
  for (int i = 0; i < 4; i++) {
    OPEN("experiment.trials=50", "scheduler.parallel=1", "experiment.sampler=gp", "gp.candidates=256",
         "experiment.revisit=yes", seeds[i]);
    make(&s, "grouped");
    while (study_next(&s) == STUDY_PROPOSE) {
      int number = propose(&s);
      count[s.trials[number].group]++;
      end_as(&s, number, STORED_COMPLETE, third_alone(s.trials[number].values));
    }
    assert_int_equal(s.n, 50);
    study_destroy(&s);
    close_experiment();
  }
  assert_true(count[2] > 4 * 20 && count[2] > count[0]); /* 4 * 15 by the ratio */
}

static void flops_that_are_not_known_are_no_cost(void **state)
{
  struct study s;
  struct error e = {0};
  (void)state;
  OPEN("experiment.sampler=gp", "gp.cost=flops");
  assert_int_equal(study_create(&s, &experiment, objective, "grouped", 0, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "[gp] cost = flops"));
  objective->has_flops = true;
  make(&s, "grouped");
  study_destroy(&s);
  close_experiment();
  OPEN("experiment.sampler=gp", "gp.cost=time");
  make(&s, "grouped");
  study_destroy(&s);
  close_experiment();
  OPEN("experiment.sampler=tpe", "gp.cost=flops"); /* the key of a sampler that is not used */
  make(&s, "grouped");
  study_destroy(&s);
  close_experiment();
}

/* Trials that failed run again, wherever they stand: nothing is proposed before they have ended,
 * then the study goes on. */
static void failed_trials_that_run_again_are_waited_for(void **state)
{
  static const char *const strategies_here[] = {"grouped", "simultaneous"};
  (void)state;
  OPEN("experiment.trials=24", "scheduler.parallel=3");
  for (int k = 0; k < 2; k++) {
    struct study whole, s;
    struct error e = {0};
    struct stored_trial left[24];
    make(&whole, strategies_here[k]);
    run_in_order(&whole, 1);
    for (int n = 20; n <= 24; n += 4) { /* in the middle, and of a study that had ended */
      memcpy(left, whole.trials, sizeof left);
      left[2].state = left[13].state = STORED_WAITING; /* in two groups */
      make(&s, strategies_here[k]);
      assert_int_equal(study_resume(&s, left, n, &e), ERROR_FAILED);
      study_destroy(&s);
      make(&s, strategies_here[k]);
      if (study_resume_retried(&s, left, n, &e)) fail_msg("%s", e.message);
      assert_int_equal(s.done, n - 2);
      assert_int_equal(s.failed, whole.failed);
      assert_int_equal(s.known, 2);
      assert_int_equal(s.trials[2].state, STORED_RUNNING);
      assert_int_equal(study_next(&s), STUDY_WAIT);
      end_as(&s, 2, STORED_COMPLETE, 1);
      assert_int_equal(study_next(&s), STUDY_WAIT);
      end_as(&s, 13, STORED_COMPLETE, -1);
      assert_int_equal(s.known, n);
      assert_int_equal(study_next(&s), n == 24 ? STUDY_ENDED : STUDY_PROPOSE);
      run_in_order(&s, 5);
      assert_int_equal(s.done, 24);
      assert_int_equal(s.complete, whole.complete);
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

static void fail_trial(struct study *s, int number, const char *reason)
{
  struct stored_trial t = s->trials[number];
  t.state = STORED_FAIL;
  snprintf(t.reason, sizeof t.reason, "%s", reason);
  study_end(s, &t);
}

/* A study of which trials 0 ... n - 1 have failed, each with another reason of the kind. */
static void fail_trials(struct study *s, int n)
{
  make(s, "simultaneous");
  for (int i = 0; i < n; i++) {
    char reason[40];
    snprintf(reason, sizeof reason, "died: for the %d. time", i);
    fail_trial(s, propose(s), reason);
  }
}

static void a_study_that_only_fails_is_told_by_its_first_trials(void **state)
{
  (void)state;
  static const struct {
    const char *sampler, *startup;
    int first; /* trials that decide */
  } cases[] = {{"random", "tpe.startup=9", 4},
               {"tpe", "tpe.startup=9", 9},
               {"tpe", "tpe.startup=2", 4},
               {"gp", "gp.startup=6", 6}};
  struct study s;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char sampler[40];
    int n = cases[i].first;
    snprintf(sampler, sizeof sampler, "experiment.sampler=%s", cases[i].sampler);
    OPEN("experiment.trials=20", "scheduler.parallel=3", sampler, cases[i].startup);
    fail_trials(&s, n - 1);
    assert_false(study_only_fails(&s, 0));
    fail_trial(&s, propose(&s), "died: once more");
    assert_true(study_only_fails(&s, 0));
    assert_false(study_only_fails(&s, 1)); /* one of them had ended before the run */
    fail_trial(&s, propose(&s), "timeout: of another kind");
    assert_false(study_only_fails(&s, 0));
    study_destroy(&s);
    fail_trials(&s, n);
    end_trial(&s, propose(&s)); /* a success, whenever */
    assert_false(study_only_fails(&s, 0));
    study_destroy(&s);
    fail_trials(&s, n - 2);
    propose(&s); /* runs, while later ones end */
    fail_trial(&s, propose(&s), "died: later");
    assert_false(study_only_fails(&s, 0));
    fail_trial(&s, propose(&s), "died: later still");
    assert_true(study_only_fails(&s, 0));
    study_destroy(&s);
    fail_trials(&s, n - 1);
    fail_trial(&s, propose(&s), "died"); /* the same kind, without more words */
    assert_true(study_only_fails(&s, 0));
    study_destroy(&s);
    fail_trials(&s, n - 1);
    fail_trial(&s, propose(&s), "diverged: of another kind");
    assert_false(study_only_fails(&s, 0));
    study_destroy(&s);
    close_experiment();
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_name_that_an_ini_may_give_has_its_code),
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
      cmocka_unit_test(the_defaults_are_the_first_trial_of_every_study),
      cmocka_unit_test(the_baseline_counts_as_one_of_the_startup),
      cmocka_unit_test(infeasible_defaults_are_no_baseline),
      cmocka_unit_test(a_target_ends_the_study_for_proposals_that_see_it),
      cmocka_unit_test(a_target_that_the_last_trial_reaches_counts),
      cmocka_unit_test(a_failed_trial_reaches_no_target),
      cmocka_unit_test(best_is_by_value_then_loss_then_number),
      cmocka_unit_test(a_study_that_was_cut_off_anywhere_ends_the_same),
      cmocka_unit_test(a_warm_start_finds_the_groups),
      cmocka_unit_test(the_warm_start_comes_after_what_is_enqueued),
      cmocka_unit_test(greedy_measures_again_before_each_sweep),
      cmocka_unit_test(greedy_makes_more_sweeps_than_there_are_names),
      cmocka_unit_test(after_a_sweep_in_vain_everything_is_free),
      cmocka_unit_test(measuring_nothing_is_no_obstacle),
      cmocka_unit_test(a_cycle_goes_through_the_groups_again_around_the_best),
      cmocka_unit_test(more_cycles_go_on_after_the_first_ones),
      cmocka_unit_test(the_group_of_which_most_is_expected_is_next),
      cmocka_unit_test(a_group_that_promises_nothing_is_left),
      cmocka_unit_test(flops_that_are_not_known_are_no_cost),
      cmocka_unit_test(failed_trials_that_run_again_are_waited_for),
      cmocka_unit_test(a_history_that_cannot_be_is_refused),
      cmocka_unit_test(more_trials_go_on_after_the_first_ones),
      cmocka_unit_test(a_study_that_only_fails_is_told_by_its_first_trials),
  };
  return cmocka_run_group_tests_name("study", tests, NULL, NULL);
}
