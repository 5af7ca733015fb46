/* Pruners: their verdicts on curves, and studies with one: what a trial is compared with, and that
 * nothing depends on what ends first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/study/study_fixture.h"

/* ---- verdicts -------------------------------------------------------------------------------- */

static struct pruner_settings standard(void)
{
  return (struct pruner_settings){.eta = 3, .first = 1, .startup = 5, .warmup = 0};
}

#define CURVE(...) ((struct curve){(double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double)})

static bool verdict(const char *name, struct pruner_settings settings, struct curve own, const struct curve *others,
                    int n)
{
  struct pruner_request q = {.own = own, .others = others, .n_others = n, .settings = &settings};
  const struct pruner *p = pruner_find(name);
  assert_non_null(p);
  return p->prune(&q);
}

static void asha_lets_the_best_third_of_a_rung_go_on(void **state)
{
  struct curve others[8];
  (void)state;
  for (int i = 0; i < 8; i++) others[i] = CURVE(0);
  double values[8] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8};
  for (int i = 0; i < 8; i++) others[i].values = &values[i];
  /* nine with itself: three go on, so at most two may be better */
  assert_false(verdict("asha", standard(), CURVE(0.65), others, 8));
  assert_true(verdict("asha", standard(), CURVE(0.55), others, 8));
  /* a tie ends nobody */
  assert_false(verdict("asha", standard(), CURVE(0.6), others, 8));
  /* of fewer than three the best goes on, and a first one always */
  assert_false(verdict("asha", standard(), CURVE(0.0), others, 0));
  assert_true(verdict("asha", standard(), CURVE(0.05), others, 1));
  assert_false(verdict("asha", standard(), CURVE(0.15), others, 1));
}

static void asha_asks_at_its_rungs_alone(void **state)
{
  struct pruner_settings s = standard();
  double better[30], own[30];
  struct curve others[1] = {{better, 30}};
  bool pruned[31] = {false};
  (void)state;
  for (int i = 0; i < 30; i++) better[i] = 1, own[i] = 0;
  for (int n = 1; n <= 30; n++) pruned[n] = verdict("asha", s, (struct curve){own, n}, others, 1);
  for (int n = 1; n <= 30; n++) assert_int_equal(pruned[n], n == 1 || n == 3 || n == 9 || n == 27);
  s.first = 2;
  s.eta = 1.5; /* 2, 3, 4.5 (5), 6.75 (7), 10.125 (10), 15.1875, 22.78 (23) */
  s.warmup = 3;
  for (int n = 1; n <= 30; n++) pruned[n] = verdict("asha", s, (struct curve){own, n}, others, 1);
  for (int n = 1; n <= 30; n++) assert_int_equal(pruned[n], n == 5 || n == 7 || n == 10 || n == 15 || n == 23);
}

static void what_did_not_reach_the_epoch_does_not_count(void **state)
{
  struct curve others[] = {CURVE(0.9, 0.9), CURVE(0.8, 0.9), CURVE(0.1, 0.2, 0.3)};
  (void)state;
  assert_false(verdict("asha", standard(), CURVE(0.1, 0.2, 0.3), others, 3));
  assert_true(verdict("asha", standard(), CURVE(0.1, 0.2, 0.29), others, 3));
}

static void no_number_is_the_worst(void **state)
{
  struct curve others[] = {CURVE(NAN), CURVE(-INFINITY)};
  (void)state;
  assert_true(verdict("asha", standard(), CURVE(NAN), others, 2));
  assert_false(verdict("asha", standard(), CURVE(-INFINITY), others, 2));
  assert_false(verdict("asha", standard(), CURVE(NAN), others, 1)); /* as bad as the other one */
}

static void median_ends_what_is_worse_than_half_of_the_others(void **state)
{
  struct pruner_settings s = standard();
  struct curve others[] = {CURVE(0.1, 0.3), CURVE(0.2, 0.4), CURVE(0.3, 0.5),
                           CURVE(0.4, 0.6), CURVE(0.5, 0.7), CURVE(1)};
  (void)state;
  s.startup = 5;
  /* means until epoch 2: 0.2, 0.3, 0.4, 0.5, 0.6; its own best counts, not its last */
  assert_true(verdict("median", s, CURVE(0.39, 0.1), others, 6));
  assert_false(verdict("median", s, CURVE(0.41, 0.1), others, 6));
  s.startup = 6; /* five reached it */
  assert_false(verdict("median", s, CURVE(0.0, 0.0), others, 6));
  assert_true(verdict("median", s, CURVE(0.0), others, 6));
  s.warmup = 1;
  assert_false(verdict("median", s, CURVE(0.0), others, 6));
}

/* ---- studies --------------------------------------------------------------------------------- */

#define OPEN_PRUNED(...)                                                                                               \
  do {                                                                                                                 \
    OPEN("pruner.kind=asha", "pruner.first=1", __VA_ARGS__);                                                           \
    objective->has_epochs = true; /* the test makes them up */                                                         \
  } while (0)

/* Epochs 1 ... n of a trial, of the same value; true: it is to end. */
static bool epochs(struct study *s, int number, int n, double value)
{
  struct error e = {0};
  bool pruned = false;
  for (int epoch = 1; epoch <= n && !pruned; epoch++) {
    assert_int_equal(study_epoch(s, number, epoch, value, &e), 0);
    pruned = study_prunes(s, number);
  }
  return pruned;
}

/* Ackley is minimised: a smaller value is a better one. */
static void a_trial_is_compared_with_what_its_proposal_saw(void **state)
{
  struct study s;
  (void)state;
  OPEN_PRUNED("experiment.trials=10", "scheduler.parallel=3");
  make(&s, "simultaneous");
  for (int i = 0; i < 3; i++) propose(&s);
  assert_int_equal(study_next(&s), STUDY_WAIT); /* random as they are, they have to see what the rung holds */
  assert_false(epochs(&s, 1, 9, 1.0));
  end_as(&s, 1, STORED_COMPLETE, 1.0);
  assert_false(epochs(&s, 2, 9, 5.0)); /* trial 1 has ended but is not seen by trial 2 */
  assert_false(epochs(&s, 0, 9, 3.0));
  end_as(&s, 0, STORED_COMPLETE, 3.0);
  propose(&s);
  assert_true(epochs(&s, 3, 1, 4.0)); /* sees trial 0 */
  end_as(&s, 3, STORED_PRUNED, 4.0);
  propose(&s);
  assert_true(epochs(&s, 4, 1, 2.0)); /* sees trials 0 and 1 */
  end_as(&s, 4, STORED_PRUNED, 2.0);
  assert_int_equal(s.best, 1); /* and a pruned one is never the best */
  study_destroy(&s);
  close_experiment();
}

static void a_group_compares_with_its_own_and_the_incumbent(void **state)
{
  struct study s;
  (void)state;
  OPEN_PRUNED("experiment.trials=10", "scheduler.parallel=1"); /* 4, 3, 3 */
  make(&s, "grouped");
  for (int i = 0; i < 4; i++) {
    propose(&s);
    assert_int_equal(epochs(&s, i, 3, 10.0 - i), false);
    end_as(&s, i, STORED_COMPLETE, 10.0 - i);
  }
  propose(&s); /* the first of its group: the incumbent, trial 3, is better than it; trials 0 ... 2 do not count */
  assert_int_equal(s.group.incumbent, 3);
  assert_true(epochs(&s, 4, 1, 8.0));
  end_as(&s, 4, STORED_PRUNED, 8.0);
  propose(&s);
  assert_false(epochs(&s, 5, 1, 6.0));
  study_destroy(&s);
  close_experiment();
}

/* Importance is measured on the trials that complete: on the best of a warm start alone it would be
 * another. */
static void no_trial_of_a_warm_start_is_ended(void **state)
{
  static const char *const names[] = {"grouped", "greedy"};
  (void)state;
  for (int k = 0; k < 2; k++) {
    struct study s;
    OPEN_PRUNED("experiment.trials=20", "scheduler.parallel=1", "groups.from=auto", "importance.warm_start=0.5");
    make(&s, names[k]);
    for (int i = 0; i < 10; i++) {
      propose(&s);
      assert_false(epochs(&s, i, 9, 10.0 + i)); /* each is worse than all before */
      end_as(&s, i, STORED_COMPLETE, 10.0 + i);
    }
    propose(&s);
    assert_int_equal(s.trials[10].group, 1);
    assert_true(epochs(&s, 10, 1, 100.0)); /* and then it is */
    study_destroy(&s);
    close_experiment();
  }
}

static void a_trial_that_runs_again_begins_its_curve_anew(void **state)
{
  struct study s;
  struct error e = {0};
  (void)state;
  OPEN_PRUNED("experiment.trials=10", "scheduler.parallel=1");
  make(&s, "simultaneous");
  propose(&s);
  for (int epoch = 1; epoch <= 5; epoch++) assert_int_equal(study_epoch(&s, 0, epoch, 1.0, &e), 0);
  assert_int_equal(study_epoch(&s, 0, 1, 2.0, &e), 0);
  assert_int_equal(s.curves[0].n, 1);
  assert_true(s.curves[0].values[0] == -2.0);
  study_destroy(&s);
  close_experiment();
}

/* Runs a study to its end, or for so many epochs, some trial of those in flight going on by an
 * epoch at a time, as the seed has it.  Lengths and values depend on the configuration alone.
 * stored [64] is what a database would have: of a trial that has paused how it paused, also
 * while it goes on. */
static void run_for(struct study *s, unsigned seed, int epochs_left, struct stored_trial *stored)
{
  struct error e = {0};
  int epoch[64] = {0};
  for (int i = 0; i < s->n; i++) epoch[i] = s->trials[i].state == STORED_RUNNING ? 0 : s->trials[i].epochs;
  for (enum study_state next; epochs_left > 0 && ((next = study_next(s)) != STUDY_ENDED || s->done < s->n);) {
    int running[64], n = 0;
    seed = seed * 1664525u + 1013904223u;
    for (int i = s->known; i < s->n; i++)
      if (s->trials[i].state == STORED_RUNNING) running[n++] = i;
    if (next == STUDY_PROPOSE && (n == 0 || (seed >> 16) % 3 == 0)) {
      int number = propose(s);
      stored[number] = s->trials[number];
      continue;
    }
    int t = running[(seed >> 8) % (unsigned)n], length = 5 + (int)(fabs(s->trials[t].values[0]) * 7) % 20;
    double value = value_of(s->trials[t].values);
    value *= 1 + 0.1 / ++epoch[t];
    assert_int_equal(study_epoch(s, t, epoch[t], value, &e), 0);
    epochs_left--;
    bool last = epoch[t] == length;
    if (!last && !study_prunes(s, t) && !study_pauses(s, t, epoch[t])) continue;
    s->trials[t].epochs = epoch[t];
    end_as(s, t, last ? STORED_COMPLETE : STORED_PRUNED, value);
    stored[t] = s->trials[t];
  }
}

static void run_in_order(struct study *s, unsigned seed)
{
  struct stored_trial stored[64];
  run_for(s, seed, 100000, stored);
}

static void same_trials(const struct study *a, const struct study *b)
{
  assert_int_equal(a->n, b->n);
  assert_int_equal(a->best, b->best);
  for (int i = 0; i < a->n; i++) {
    assert_memory_equal(a->trials[i].values, b->trials[i].values, sizeof(double) * 10);
    assert_int_equal(a->trials[i].state, b->trials[i].state);
    assert_int_equal(a->trials[i].epochs, b->trials[i].epochs);
    assert_int_equal(a->curves[i].n, b->curves[i].n);
  }
}

static void the_history_does_not_depend_on_what_ends_first(void **state)
{
  static const char *const names[] = {"grouped", "simultaneous"};
  static const char *const kinds[] = {"pruner.kind=asha", "pruner.kind=median", "pruner.kind=hyperband"};
  (void)state;
  for (int kind = 0; kind < 3; kind++) {
    OPEN_PRUNED("experiment.trials=40", "scheduler.parallel=4", kinds[kind], "pruner.startup=3", "pruner.largest=24");
    for (int k = 0; k < 2; k++) {
      struct study first, other;
      int pruned = 0;
      make(&first, names[k]);
      run_in_order(&first, 1);
      for (int i = 0; i < 40; i++) pruned += first.trials[i].state == STORED_PRUNED;
      assert_in_range(pruned, 1, 35);
      for (unsigned seed = 2; seed < 6; seed++) {
        make(&other, names[k]);
        run_in_order(&other, seed);
        same_trials(&first, &other);
        study_destroy(&other);
      }
      study_destroy(&first);
    }
    close_experiment();
  }
}

/* ---- trials that pause ----------------------------------------------------------------------- */

#define OPEN_PAUSING(...) OPEN_PRUNED("pruner.kind=hyperband", "pruner.largest=24", __VA_ARGS__)

/* Cut off after every third epoch or so: what the database has makes the same decisions again, and
 * what had gone on trains anew. */
static void what_paused_goes_on_after_a_cut_as_it_would_have(void **state)
{
  static const char *const names[] = {"grouped", "simultaneous"};
  (void)state;
  OPEN_PAUSING("experiment.trials=25", "scheduler.parallel=3");
  for (int k = 0; k < 2; k++) {
    struct study whole, again;
    int went_on = 0, epochs = 0;
    make(&whole, names[k]);
    run_in_order(&whole, 1);
    for (int i = 0; i < 25; i++) epochs += whole.curves[i].n;
    for (int cut = 1; cut < epochs; cut += 3) {
      struct stored_trial stored[64];
      struct study first;
      struct error e = {0};
      make(&first, names[k]);
      run_for(&first, 7, cut, stored);
      make(&again, names[k]);
      for (int i = 0; i < first.n; i++)
        for (int t = 1; stored[i].state != STORED_RUNNING && t <= first.curves[i].n; t++)
          assert_int_equal(study_epoch(&again, i, t, -first.curves[i].values[t - 1], &e), 0);
      if (study_resume(&again, stored, first.n, &e)) fail_msg("%s", e.message);
      for (int i = 0; i < first.n; i++) went_on += stored[i].state == STORED_PRUNED && study_has_paused(&again, i);
      run_in_order(&again, 5);
      same_trials(&whole, &again);
      study_destroy(&first);
      study_destroy(&again);
    }
    assert_true(went_on > 10);
    study_destroy(&whole);
  }
  close_experiment();
}

/* The last rung that enough trials have reached; one hyperparameter more than it needs are free. */
static void a_proposal_learns_at_the_last_rung_that_enough_have_reached(void **state)
{
  struct study s;
  (void)state;
  OPEN_PAUSING("experiment.trials=60", "scheduler.parallel=1", "experiment.baseline=no", "pruner.smallest=8");
  make(&s, "simultaneous"); /* rungs at 8 and 24 epochs; ten are free, so thirteen are enough */
  for (int i = 0; i < 60 && s.complete < 13; i++) {
    int t = propose(&s);
    for (int more = 1; more;) { /* what goes on comes before the next one */
      int epochs = study_has_paused(&s, t) ? 24 : legs_pause(s.legs, t) ? 8 : 24;
      for (int epoch = 1; epoch <= epochs; epoch++)
        assert_int_equal(study_epoch(&s, t, epoch, 100 * t + epoch, &(struct error){0}), 0);
      s.trials[t].epochs = epochs;
      end_as(&s, t, epochs == 24 ? STORED_COMPLETE : STORED_PRUNED, 100 * t + epochs);
      more = study_next(&s) == STUDY_PROPOSE ? 0 : 1;
      for (int k = 0; k < s.n; k++)
        if (s.trials[k].state == STORED_RUNNING) t = k;
    }
    study_look(&s);
    for (int k = 0; k < s.n; k++) {
      bool whole = s.trials[k].state == STORED_COMPLETE, late = s.complete >= 13;
      assert_int_equal(s.history[k].state, whole || !late ? OBSERVATION_COMPLETE : OBSERVATION_PRUNED);
      assert_true(s.history[k].value == -(100 * k + (whole && late ? 24 : 8)));
    }
  }
  assert_int_equal(s.complete, 13);
  assert_true(s.n > 20);
  study_destroy(&s);
  close_experiment();
}

static void the_baseline_and_a_warm_start_run_to_their_end(void **state)
{
  struct study s;
  (void)state;
  OPEN_PAUSING("experiment.trials=20", "scheduler.parallel=1", "groups.from=auto", "importance.warm_start=0.5");
  make(&s, "grouped");
  for (int i = 0; i < 10; i++) {
    propose(&s);
    assert_false(study_pauses(&s, i, 23));
    end_as(&s, i, STORED_COMPLETE, 10.0 + i);
  }
  propose(&s);
  assert_true(study_pauses(&s, 10, 3));
  study_destroy(&s);
  close_experiment();
}

static void what_cannot_pause_is_refused(void **state)
{
  struct study s;
  struct error e = {0};
  (void)state;
  OPEN_PAUSING("scheduler.order=asynchronous");
  assert_int_equal(study_create(&s, &experiment, objective, "grouped", 0, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "has to be sequential"));
  study_destroy(&s);
  close_experiment();
  OPEN_PAUSING("pruner.smallest=9");
  assert_int_equal(study_create(&s, &experiment, objective, "grouped", 0, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "smallest = 9: rungs are counted from 24 epochs"));
  study_destroy(&s);
  objective->checkpoint = NULL;
  assert_int_equal(study_create(&s, &experiment, objective, "grouped", 0, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "cannot pause"));
  study_destroy(&s);
  close_experiment();
}

static void it_ends_the_trials_of_the_strategies_that_it_is_for(void **state)
{
  struct study s;
  (void)state;
  OPEN_PRUNED("pruner.strategies=grouped");
  make(&s, "grouped");
  assert_non_null(s.pruner);
  study_destroy(&s);
  make(&s, "simultaneous");
  assert_null(s.pruner);
  study_destroy(&s);
  close_experiment();
}

static void an_objective_without_epochs_has_nothing_to_end(void **state)
{
  struct study s;
  struct error e = {0};
  (void)state;
  OPEN_PRUNED("experiment.trials=10");
  objective->has_epochs = false;
  assert_int_equal(study_create(&s, &experiment, objective, "grouped", 0, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "no epochs"));
  study_destroy(&s);
  close_experiment();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(asha_lets_the_best_third_of_a_rung_go_on),
      cmocka_unit_test(asha_asks_at_its_rungs_alone),
      cmocka_unit_test(what_did_not_reach_the_epoch_does_not_count),
      cmocka_unit_test(no_number_is_the_worst),
      cmocka_unit_test(median_ends_what_is_worse_than_half_of_the_others),
      cmocka_unit_test(a_trial_is_compared_with_what_its_proposal_saw),
      cmocka_unit_test(a_group_compares_with_its_own_and_the_incumbent),
      cmocka_unit_test(no_trial_of_a_warm_start_is_ended),
      cmocka_unit_test(a_trial_that_runs_again_begins_its_curve_anew),
      cmocka_unit_test(the_history_does_not_depend_on_what_ends_first),
      cmocka_unit_test(what_paused_goes_on_after_a_cut_as_it_would_have),
      cmocka_unit_test(a_proposal_learns_at_the_last_rung_that_enough_have_reached),
      cmocka_unit_test(the_baseline_and_a_warm_start_run_to_their_end),
      cmocka_unit_test(what_cannot_pause_is_refused),
      cmocka_unit_test(it_ends_the_trials_of_the_strategies_that_it_is_for),
      cmocka_unit_test(an_objective_without_epochs_has_nothing_to_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
