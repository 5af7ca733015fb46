/* Hyperband's brackets, against the paper's tables, and the order of legs: who goes on, and
 * when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sched/study/legs.h"

static struct brackets make(double eta, int smallest, int largest)
{
  struct brackets b;
  struct error e = {0};
  if (brackets_make(&b, eta, smallest, largest, &e)) fail_msg("%s", e.message);
  return b;
}

/* Li et al. 2018, table 1: n_0 and r_0 of brackets s = 4 ... 0 with R = 81, eta = 3. */
static void brackets_are_those_of_the_papers_table(void **state)
{
  static const int trials[] = {81, 27, 9, 6, 5}, epochs[] = {1, 3, 9, 27, 81};
  (void)state;
  struct brackets b = make(3, 1, 81);
  assert_int_equal(b.n, 5);
  assert_memory_equal(b.size, trials, sizeof trials);
  assert_memory_equal(b.epochs, epochs, sizeof epochs);
}

static void rungs_are_counted_from_the_largest_budget(void **state)
{
  static const int twelve[] = {1, 4, 12}, hundred[] = {6, 13, 25, 50, 100};
  (void)state;
  struct brackets b = make(3, 1, 12);
  assert_int_equal(b.n, 3);
  assert_memory_equal(b.epochs, twelve, sizeof twelve);
  b = make(2, 5, 100); /* 6.25, 12.5, 25, 50, 100; 3.125 is below the smallest */
  assert_int_equal(b.n, 5);
  assert_memory_equal(b.epochs, hundred, sizeof hundred);
  assert_int_equal(make(3, 9, 27).n, 2); /* the smallest is one itself */
  assert_int_equal(make(2, 1, 1000000).n, 20);
}

static void what_makes_no_brackets_is_refused(void **state)
{
  struct brackets b;
  struct error e = {0};
  (void)state;
  assert_int_equal(brackets_make(&b, 3, 2, 5, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "[pruner] smallest = 2: rungs are counted from 5 epochs"));
  assert_non_null(strstr(e.message, "give a smaller one, a smaller eta, or more epochs"));
  assert_int_equal(brackets_make(&b, 3, 1, 1, &e), ERROR_CONFIG); /* there is no smaller one to give */
  assert_non_null(strstr(e.message, "1 epoch, less than eta = 3 times that"));
  assert_non_null(strstr(e.message, "give a smaller eta, or more epochs"));
  assert_int_equal(brackets_make(&b, 1.9, 1, 81, &e), ERROR_CONFIG);
  assert_non_null(strstr(e.message, "eta = 1.9"));
  assert_int_equal(brackets_make(&b, 3, 2, 6, &e), 0);
}

static void every_number_of_trials_is_dealt_in_proportion(void **state)
{
  struct brackets b = make(3, 1, 81);
  int has[5] = {0}, all = 128;
  (void)state;
  assert_int_equal(brackets_of_trial(&b, 0), 0);
  for (int i = 0; i < 3 * all; i++) {
    has[brackets_of_trial(&b, i)]++;
    for (int k = 0; k < 5; k++) assert_true(fabs(has[k] - (double)b.size[k] * (i + 1) / all) < 1);
  }
  for (int k = 0; k < 5; k++) assert_int_equal(has[k], 3 * b.size[k]);
}

/* ---- who goes on ----------------------------------------------------------------------------- */

static struct leg ended(int trial, int rung, double value)
{
  return (struct leg){.trial = trial, .rung = rung, .value = value, .ended = true};
}

static void the_best_third_of_a_rung_goes_on(void **state)
{
  struct brackets b = make(3, 1, 27);
  struct leg legs[] = {ended(0, 0, 0.3), ended(1, 0, 0.5), ended(2, 0, 0.4),
                       ended(3, 0, 0.6), ended(4, 0, 0.5), ended(5, 0, 0.2)};
  (void)state;
  assert_int_equal(brackets_promotes(&b, legs, 0, 2), -1); /* a third of two is nobody */
  assert_int_equal(brackets_promotes(&b, legs, 0, 3), 1);
  assert_int_equal(brackets_promotes(&b, legs, 0, 6), 3);
  legs[3].promoted = true;
  assert_int_equal(brackets_promotes(&b, legs, 0, 6), 1); /* of equal values the lower number */
  legs[1].promoted = true;
  assert_int_equal(brackets_promotes(&b, legs, 0, 6), -1);
  legs[1].promoted = false;
  legs[1].last = true; /* one that is complete has its place there, and goes nowhere */
  assert_int_equal(brackets_promotes(&b, legs, 0, 6), -1);
  legs[3] = ended(3, 0, NAN); /* one that failed is the worst */
  legs[3].last = true;
  assert_int_equal(brackets_promotes(&b, legs, 0, 6), 4);
}

static void brackets_do_not_mix(void **state)
{
  struct brackets b = make(3, 1, 27);
  struct leg legs[] = {ended(0, 1, 0.3), ended(1, 1, 0.5), ended(2, 1, 0.4)};
  (void)state;
  legs[0].bracket = 1;
  assert_int_equal(brackets_promotes(&b, legs, 0, 3), -1);
  legs[0].bracket = 0;
  assert_int_equal(brackets_promotes(&b, legs, 0, 3), 1);
  assert_int_equal(brackets_promotes(&b, legs, 1, 3), -1); /* the first is another group's */
}

static void where_nobody_is_left_to_come_each_rung_lets_one_go_on(void **state)
{
  struct brackets b = make(3, 1, 27);
  struct leg legs[] = {ended(0, 0, 0.3), ended(1, 0, 0.5), ended(2, 1, 0.4)};
  (void)state;
  legs[2].bracket = 1;
  assert_int_equal(brackets_closes(&b, legs, 0, 3, 3), 1);
  legs[1].promoted = true;
  assert_int_equal(brackets_closes(&b, legs, 0, 3, 3), 2);
  struct leg more[] = {legs[0], legs[1], legs[2], {.trial = 1, .rung = 1}};
  more[2].bracket = 0; /* now one is on its way to that rung, and the best of it is not known yet */
  assert_int_equal(brackets_closes(&b, more, 0, 3, 4), -1);
}

/* ---- legs ------------------------------------------------------------------------------------ */

struct trace {
  int begun, went_on, order[1000], n;
  int at_rung[RUNGS_MAX];
};

/* Runs a group of `trials` with P legs in flight, which end in the order that `seed` has; a trial's
 * value falls with its number if `falls`, else it is by chance. */
static struct trace run_legs(struct legs *l, int trials, int parallel, int own, unsigned seed, bool falls)
{
  struct trace t = {0};
  int flying[64], n = 0, number;
  legs_begin_group(l);
  for (;;) {
    enum legs_next next = legs_next(l, parallel, t.begun == trials, &number);
    if (next == LEGS_OVER) return t;
    seed = seed * 1664525u + 1013904223u;
    if (next == LEGS_BEGIN) {
      number = t.begun++;
      legs_add(l, number, own >= 0 ? own : brackets_of_trial(&l->brackets, number));
    }
    if (next != LEGS_WAIT) {
      t.went_on += next == LEGS_GO_ON;
      t.order[t.n++] = number;
      t.at_rung[l->legs[l->n - 1].rung]++;
      flying[n++] = number;
      assert_in_range(n, 1, parallel);
    }
    if (next != LEGS_WAIT && n < parallel && (seed >> 16) % 2) continue;
    int at = (int)(seed >> 8) % n;
    number = flying[at];
    flying[at] = flying[--n];
    double chance = sin(number * 12.9898) * 43758.5453;
    legs_end(l, number, falls ? -number : chance - floor(chance), legs_pause(l, number) == 0);
  }
}

static struct legs make_legs(const struct brackets *b, int trials)
{
  struct legs l;
  struct error e = {0};
  if (legs_create(&l, b, trials, &e)) fail_msg("%s", e.message);
  return l;
}

/* The columns of the paper's table 1.  The best come first, so that nobody goes on whom a later one
 * turns out to be better than. */
static void a_bracket_halves_as_the_papers_table_says(void **state)
{
  static const int rungs[5][5] = {
      {81, 27, 9, 3, 1}, {0, 27, 9, 3, 1}, {0, 0, 9, 3, 1}, {0, 0, 0, 6, 2}, {0, 0, 0, 0, 5}};
  struct brackets b = make(3, 1, 81);
  (void)state;
  for (int k = 0; k < 5; k++) {
    struct legs l = make_legs(&b, 81);
    struct trace t = run_legs(&l, b.size[k], 1, k, 1, true);
    assert_memory_equal(t.at_rung, rungs[k], sizeof rungs[k]);
    legs_destroy(&l);
  }
}

static void the_order_of_legs_does_not_depend_on_what_ends_first(void **state)
{
  struct brackets b = make(3, 1, 27);
  (void)state;
  for (int parallel = 1; parallel <= 16; parallel *= 4) {
    struct legs l = make_legs(&b, 100);
    struct trace first = run_legs(&l, 100, parallel, -1, 1, false);
    assert_int_equal(first.begun, 100);
    assert_in_range(first.at_rung[3], 4, 40);
    legs_destroy(&l);
    for (unsigned seed = 2; seed < 8; seed++) {
      l = make_legs(&b, 100);
      struct trace other = run_legs(&l, 100, parallel, -1, seed, false);
      assert_memory_equal(&other, &first, sizeof first);
      legs_destroy(&l);
    }
  }
}

static void every_bracket_trains_a_trial_to_its_end_however_few_there_are(void **state)
{
  struct brackets b = make(3, 1, 27);
  (void)state;
  for (int trials = 1; trials < 12; trials++) {
    struct legs l = make_legs(&b, trials);
    bool has[4] = {false}, whole[4] = {false};
    run_legs(&l, trials, 4, -1, 3, false);
    for (int j = 0; j < l.n; j++) {
      has[l.legs[j].bracket] = true;
      whole[l.legs[j].bracket] |= l.legs[j].rung == 3;
    }
    assert_memory_equal(has, whole, sizeof has);
    legs_destroy(&l);
  }
}

static void a_decision_sees_the_legs_that_are_far_enough_back(void **state)
{
  struct brackets b = make(3, 1, 27);
  struct legs l = make_legs(&b, 20);
  int number = -1;
  (void)state;
  legs_begin_group(&l);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(legs_next(&l, 4, false, &number), LEGS_BEGIN);
    legs_add(&l, i, 0);
  }
  assert_int_equal(legs_next(&l, 4, false, &number), LEGS_WAIT);
  for (int i = 3; i > 0; i--) legs_end(&l, i, i, false);
  assert_int_equal(legs_next(&l, 4, false, &number), LEGS_WAIT); /* for leg 0, whatever else has ended */
  legs_end(&l, 0, 9, false);
  assert_int_equal(legs_next(&l, 4, false, &number), LEGS_BEGIN); /* leg 4 sees leg 0 alone */
  legs_add(&l, 4, 0);
  legs_end(&l, 4, 0, false);
  legs_add(&l, 5, 0);
  legs_end(&l, 5, 0, false);
  assert_int_equal(legs_next(&l, 4, false, &number), LEGS_GO_ON); /* leg 6 sees three */
  assert_int_equal(number, 0);
  assert_true(legs_paused(&l, 0));
  assert_int_equal(legs_pause(&l, 0), 3);
  assert_false(legs_paused(&l, 5));
  assert_int_equal(legs_pause(&l, 5), 1);
  legs_destroy(&l);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(brackets_are_those_of_the_papers_table),
      cmocka_unit_test(rungs_are_counted_from_the_largest_budget),
      cmocka_unit_test(what_makes_no_brackets_is_refused),
      cmocka_unit_test(every_number_of_trials_is_dealt_in_proportion),
      cmocka_unit_test(the_best_third_of_a_rung_goes_on),
      cmocka_unit_test(brackets_do_not_mix),
      cmocka_unit_test(where_nobody_is_left_to_come_each_rung_lets_one_go_on),
      cmocka_unit_test(a_bracket_halves_as_the_papers_table_says),
      cmocka_unit_test(the_order_of_legs_does_not_depend_on_what_ends_first),
      cmocka_unit_test(every_bracket_trains_a_trial_to_its_end_however_few_there_are),
      cmocka_unit_test(a_decision_sees_the_legs_that_are_far_enough_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
