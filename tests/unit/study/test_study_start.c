/* Studies that start from trials of earlier ones: what proposals see of them, what counts them and
 * what does not, and that the history stays what it is whatever ends first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/study/study_fixture.h"

enum { SEEN = 6, PARAMS = 10 };

/* SEEN trials, all hyperparameters free, whose values get worse by `step`; the first n_best are
 * tried first. */
static void start_from(int n_best, double step)
{
  struct start *s = calloc(1, sizeof *s);
  assert_non_null(s);
  s->trials = calloc(SEEN, sizeof *s->trials);
  assert_non_null(s->trials);
  s->n = SEEN;
  for (int i = 0; i < SEEN; i++) {
    struct start_trial *t = &s->trials[i];
    t->state = i == SEEN - 1 ? OBSERVATION_FAILED : OBSERVATION_COMPLETE;
    t->value = -1000 + step * i; /* better than any of the study's own */
    for (int k = 0; k < PARAMS; k++) {
      t->values[k] = i + 0.25 * k;
      t->free[k] = true;
    }
  }
  for (; s->n_best < n_best; s->n_best++) memcpy(s->best[s->n_best], s->trials[s->n_best].values, sizeof s->best[0]);
  experiment.start = s; /* freed with it */
}

static void end_trial(struct study *s, int number)
{
  end_as(s, number, STORED_COMPLETE, value_of(s->trials[number].values));
}

/* Ends running trials in an order of its own until the study has n trials. */
static void run_to(struct study *s, int n, unsigned seed)
{
  while (s->n < n || s->done < s->n) {
    seed = seed * 1664525u + 1013904223u;
    bool may = s->n < n && study_next(s) == STUDY_PROPOSE;
    if (may && (s->done == s->n || (seed >> 16) % 3)) {
      propose(s);
      continue;
    }
    int at = s->known;
    for (int skip = (int)((seed >> 8) % 3), i = at; i < s->n; i++)
      if (s->trials[i].state == STORED_RUNNING && skip-- >= 0) at = i;
    end_trial(s, at);
  }
}

static void every_proposal_sees_them_before_the_studys_own(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=12", "scheduler.parallel=2");
  start_from(0, 1);
  make(&s, "grouped"); /* 5, 4, 3 */
  for (int n = 0; n < 12; n++) {
    while (study_next(&s) == STUDY_WAIT) end_trial(&s, s.known);
    propose(&s);
    for (int i = 0; i < SEEN; i++) {
      assert_int_equal(s.history[i].number, i - SEEN);
      assert_int_equal(s.history[i].state, i == SEEN - 1 ? OBSERVATION_FAILED : OBSERVATION_COMPLETE);
      assert_true(i == SEEN - 1 || s.history[i].value == 1000 - i); /* minimised: larger is better */
    }
    assert_true(s.n_history == SEEN || s.history[SEEN].number >= 0);
  }
  study_destroy(&s);
  close_experiment();
}

/* What they found decides, from the first proposal of each group on. */
static void so_many_trials_fewer_are_random(void **state)
{
  struct study a, b;
  (void)state;
  for (int sampler = 0; sampler < 2; sampler++) {
    const char *kind = sampler ? "experiment.sampler=gp" : "experiment.sampler=tpe";
    OPEN("experiment.baseline=no", "experiment.trials=12", "tpe.startup=6", "gp.startup=6", "gp.candidates=64", kind);
    make(&a, "simultaneous");
    assert_int_equal(study_next(&a), STUDY_PROPOSE);
    assert_true(study_is_blind(&a));
    study_destroy(&a);
    start_from(0, 1);
    make(&a, "simultaneous");
    assert_int_equal(study_next(&a), STUDY_PROPOSE);
    assert_false(study_is_blind(&a));
    propose(&a);
    start_free(experiment.start);
    start_from(0, -1); /* the same configurations, of which the last are the best now */
    make(&b, "simultaneous");
    propose(&b);
    assert_memory_not_equal(a.trials[0].values, b.trials[0].values, sizeof(double) * PARAMS);
    study_destroy(&a);
    study_destroy(&b);
    close_experiment();
  }
}

/* Of trials in which nothing was searched that a group frees, none counts for it. */
static void those_that_say_nothing_of_a_group_do_not_count_for_it(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.baseline=no", "experiment.trials=12", "scheduler.parallel=1", "tpe.startup=2");
  start_from(0, 1);
  for (int i = 0; i < SEEN; i++) /* the first group alone was searched, by all but one */
    for (int k = 0; k < PARAMS; k++) experiment.start->trials[i].free[k] = i > 0 && experiment.groups.of[k] == 0;
  experiment.start->trials[0].free[9] = true;
  make(&s, "grouped"); /* 5, 4, 3 */
  bool blind[12];
  for (int n = 0; n < 12; n++) {
    while (study_next(&s) == STUDY_WAIT) end_trial(&s, s.known);
    blind[n] = study_is_blind(&s);
    propose(&s);
  }
  assert_true(!blind[0] && !blind[1]);
  assert_true(blind[5] && blind[6] && !blind[7]);
  assert_true(blind[9] && !blind[10]); /* trial 0 of them says something of the third */
  study_destroy(&s);
  close_experiment();
}

static void the_best_are_tried_after_the_defaults_and_searched_around(void **state)
{
  struct study s;
  double defaults[SPACE_MAX];
  (void)state;
  OPEN("experiment.trials=12", "scheduler.parallel=1", "enqueue.mine=x1 7");
  start_from(2, 1);
  make(&s, "grouped"); /* 5, 4, 3 */
  for (int n = 0; n < 5; n++) {
    while (study_next(&s) == STUDY_WAIT) end_trial(&s, s.known);
    propose(&s);
  }
  space_defaults(&experiment.space, defaults);
  assert_memory_equal(s.trials[0].values, defaults, sizeof(double) * PARAMS);
  for (int i = 0; i < 2; i++)
    assert_memory_equal(s.trials[1 + i].values, experiment.start->best[i], sizeof(double) * PARAMS);
  assert_true(s.trials[3].values[0] == 7);
  for (int k = 0; k < PARAMS; k++)
    assert_true(experiment.groups.of[k] == 0 || s.trials[4].values[k] == experiment.start->best[0][k]);
  study_destroy(&s);
  close_experiment();
}

/* However good they were: a group goes on from a trial of the study, and the best is one. */
static void strategies_go_by_the_studys_own_trials(void **state)
{
  struct study s;
  (void)state;
  OPEN("experiment.trials=12", "scheduler.parallel=1");
  start_from(1, 1);
  make(&s, "grouped");
  run_to(&s, 6, 1);
  assert_true(s.group.first == 5 && s.group.incumbent >= 0 && s.group.incumbent < 5);
  assert_memory_equal(s.group.current, s.trials[s.group.incumbent].values, sizeof(double) * PARAMS);
  assert_true(s.best >= 0 && s.trials[s.best].value >= 0);
  study_destroy(&s);
  close_experiment();
}

static void the_history_does_not_depend_on_what_ends_first_or_on_where_it_was_cut(void **state)
{
  static const char *const strategies_here[] = {"grouped", "greedy", "simultaneous"};
  static const char *const samplers_here[] = {"experiment.sampler=tpe", "experiment.sampler=gp"};
  (void)state;
  for (int k = 0; k < 3; k++)
    for (int sampler = 0; sampler < 2; sampler++) {
      struct study first;
      OPEN("experiment.trials=20", "scheduler.parallel=3", "gp.startup=4", "gp.candidates=64", "gp.evaluations=16",
           "importance.sweep_trials=7", samplers_here[sampler]);
      start_from(2, 1);
      make(&first, strategies_here[k]);
      run_to(&first, 20, 1);
      for (unsigned seed = 2; seed < 5; seed++) {
        struct study other;
        struct error e = {0};
        make(&other, strategies_here[k]);
        if (study_resume(&other, first.trials, (int)seed * 4, &e)) fail_msg("%s", e.message);
        run_to(&other, 20, seed);
        for (int i = 0; i < 20; i++)
          assert_memory_equal(first.trials[i].values, other.trials[i].values, sizeof(double) * PARAMS);
        study_destroy(&other);
      }
      study_destroy(&first);
      close_experiment();
    }
}

/* So many are known ahead that workers may run at once. */
static void fewer_are_known_ahead(void **state)
{
  (void)state;
  OPEN("experiment.strategies=simultaneous", "experiment.trials=40", "scheduler.parallel=2", "tpe.startup=20");
  int64_t without = study_trials_at_once(&experiment);
  start_from(0, 1);
  assert_int_equal(study_trials_at_once(&experiment), without - SEEN);
  close_experiment();
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_proposal_sees_them_before_the_studys_own),
      cmocka_unit_test(so_many_trials_fewer_are_random),
      cmocka_unit_test(those_that_say_nothing_of_a_group_do_not_count_for_it),
      cmocka_unit_test(the_best_are_tried_after_the_defaults_and_searched_around),
      cmocka_unit_test(strategies_go_by_the_studys_own_trials),
      cmocka_unit_test(the_history_does_not_depend_on_what_ends_first_or_on_where_it_was_cut),
      cmocka_unit_test(fewer_are_known_ahead),
  };
  return cmocka_run_group_tests_name("study_start", tests, NULL, NULL);
}
