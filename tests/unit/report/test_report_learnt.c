/* What is said to have been learnt: each rule with trials of which it must be said, and with such
 * of which it must not. */
#include "tests/unit/report/report_fixture.h"

#include "host/report/report_learnt.h"
#include "host/report/report_learnt_internal.h"
#include "tests/unit/store/store_fixture.h"

static struct report_learnt learnt;
static struct rng draws;

static double normal(void)
{
  return sqrt(-2 * log(1 - rng_uniform(&draws))) * cos(6.283185307179586 * rng_uniform(&draws));
}

/* A random configuration, all of it searched. */
static struct stored_trial drawn(int number)
{
  struct stored_trial t = trial_of(number, 0, 0.5, 1);
  for (int k = 0; k < fixture_space.n; k++) {
    t.values[k] = param_from_unit(&fixture_space.params[k], rng_uniform(&draws));
    t.free[k] = true;
  }
  return t;
}

/* A run of one study of n random trials of these values, in memory. */
static struct report run;

static void make(int n, uint64_t seed, void (*set)(struct stored_trial *t))
{
  struct report_study *s = calloc(1, sizeof *s);
  run = (struct report){.n = 1, .studies = s};
  s->trials = calloc((size_t)n, sizeof *s->trials);
  s->n = s->complete = n;
  s->maximize = s->record.ours = true;
  s->space = fixture_space; /* which owns its labels */
  snprintf(s->name, sizeof s->name, "quick/simultaneous/0");
  snprintf(s->record.strategy, sizeof s->record.strategy, "simultaneous");
  snprintf(s->record.objective, sizeof s->record.objective, "cnn");
  snprintf(s->record.value_name, sizeof s->record.value_name, "validation accuracy");
  draws = rng_make(seed, 1);
  for (int i = 0; i < n; i++) {
    s->trials[i] = drawn(i);
    set(&s->trials[i]);
    if (s->trials[i].value > s->trials[s->best].value) s->best = i;
  }
}

/* What is learnt of it; then it is gone. */
static void learn(void)
{
  assert_ok(report_learnt_make(&learnt, &run, NULL, NULL, &err));
  for (int i = 0; i < run.n; i++) free(run.studies[i].trials);
  free(run.studies);
  run = (struct report){0};
}

/* The same of the database. */
static void learn_of_database(void)
{
  struct store *s;
  struct report r;
  assert_ok(store_open(&s, db_path, true, NULL, &err));
  assert_ok(report_load(&r, s, &err));
  assert_ok(report_learnt_make(&learnt, &r, s, NULL, &err));
  report_free(&r);
  store_close(s);
  unlink(db_path);
}

static const char *said(const char *part)
{
  for (int i = 0; i < learnt.n; i++)
    if (strstr(learnt.sentences[i], part)) return learnt.sentences[i];
  return NULL;
}

static void assert_said(const char *part)
{
  if (!said(part)) fail_msg("not said: %s (of %d: %s)", part, learnt.n, learnt.sentences[0]);
}

static void assert_unsaid(const char *part)
{
  if (said(part)) fail_msg("said: %s", said(part));
}

/* ---- the edge -------------------------------------------------------------------------------- */

static double unit_of(const struct stored_trial *t, int param)
{
  return param_to_unit(&fixture_space.params[param], t->values[param]);
}

static void rises_to_the_upper_edge(struct stored_trial *t)
{
  if (t->number % 3 == 0) t->values[1] = 0.79; /* dropout_rate up to 0.8 */
  t->value = 0.5 + 0.4 * unit_of(t, 1) + 0.001 * normal();
}

static void rises_to_the_lower_edge(struct stored_trial *t)
{
  if (t->number % 3 == 0) t->values[1] = 0.01;
  t->value = 0.9 - 0.4 * unit_of(t, 1) + 0.001 * normal();
}

static void falls_with_lr(struct stored_trial *t)
{
  if (t->number % 3 == 0) t->values[0] = 1.2e-5;
  t->value = 0.9 - 0.4 * unit_of(t, 0) + 0.001 * normal();
}

static void held_at_the_edge(struct stored_trial *t)
{
  falls_with_lr(t);
  t->free[0] = false;
}

static void liked_by_the_sampler(struct stored_trial *t)
{
  if (t->number % 10) t->values[0] = 1.2e-5; /* nine in ten lie there, and are no better */
  t->value = 0.9 + 0.01 * normal();
}

static void best_within(struct stored_trial *t)
{
  t->value = 0.9 - fabs(unit_of(t, 0) - 0.3) + 0.001 * normal();
}

static void an_edge_that_is_best_is_to_be_widened(void **state)
{
  (void)state;
  make(60, 1, rises_to_the_upper_edge);
  learn();
  assert_said("dropout_rate at the upper edge of its range (from 0.76) in 10 of the best 10: widen it");
  make(60, 1, falls_with_lr);
  learn();
  assert_said("lr at the lower edge of its range (up to 1.778e-05) in 10 of the best 10: widen it");
}

static void an_edge_is_not_said_of_what_does_not_show_it(void **state)
{
  (void)state;
  make(60, 1, rises_to_the_lower_edge); /* a rate of dropout does not go below 0 */
  learn();
  assert_unsaid("edge");
  make(60, 2, held_at_the_edge);
  learn();
  assert_unsaid("edge");
  make(100, 3, liked_by_the_sampler);
  learn();
  assert_unsaid("edge");
  make(100, 4, best_within);
  learn();
  assert_unsaid("lr at the");
  make(19, 1, falls_with_lr);
  learn();
  assert_unsaid("edge");
}

/* Ten of ten with 1/20 each; three of three aces from four among 52. */
static void chances_are_those_of_the_distributions(void **state)
{
  (void)state;
  assert_true(fabs(learnt_binomial_above(3, 2, 0.5) - 0.5) < 1e-12);
  assert_true(fabs(learnt_binomial_above(10, 10, 0.05) - pow(0.05, 10)) < 1e-20);
  assert_true(fabs(learnt_hypergeometric_above(52, 4, 3, 3) - 4.0 / 22100) < 1e-12);
  assert_true(fabs(learnt_hypergeometric_above(10, 9, 10, 9) - 1) < 1e-12);
  assert_true(learnt_hypergeometric_above(10, 2, 3, 3) == 0);
}

/* ---- one value beats another ----------------------------------------------------------------- */

enum { LR = 0, STRIDE = 4, OPTIMIZER = 6, PADDING = 7 };

static void stride_matters(struct stored_trial *t)
{
  double far = unit_of(t, LR) - 0.5;
  t->value = 0.8 - 0.3 * far * far + 0.08 * (t->values[STRIDE] == 0) + 0.01 * normal();
}

static void stride_was_held(struct stored_trial *t)
{
  stride_matters(t);
  t->free[STRIDE] = false;
}

/* The first half has one stride and bad learning rates, the second the other and good ones. */
static void stride_goes_with_lr(struct stored_trial *t)
{
  bool late = t->number >= 40;
  t->values[STRIDE] = rng_uniform(&draws) < (late ? 0.9 : 0.1) ? 1 : 0;
  t->values[LR] = param_from_unit(&fixture_space.params[LR], late ? 0.5 + 0.1 * normal() : rng_uniform(&draws));
  double far = unit_of(t, LR) - 0.5;
  t->value = 0.8 - 0.6 * far * far + 0.005 * normal();
}

static void nothing_matters(struct stored_trial *t)
{
  t->value = 0.8 + 0.02 * normal();
}

static void a_value_that_is_better_is_said_with_its_error(void **state)
{
  double mean, half;
  (void)state;
  make(80, 1, stride_matters);
  learn();
  assert_said("stride 1 beats 2 by ");
  assert_int_equal(sscanf(said("stride 1 beats"), "stride 1 beats 2 by %lf ± %lf points", &mean, &half), 2);
  if (!(mean > 4 && mean < 9 && half > 0.5 && half < mean)) fail_msg("%s", said("stride"));
  assert_unsaid("optimizer");
  assert_unsaid("padding");
}

static void a_value_is_not_better_for_what_it_came_with(void **state)
{
  (void)state;
  make(80, 1, stride_was_held);
  learn();
  assert_unsaid("beats");
  make(80, 2, stride_goes_with_lr);
  learn();
  assert_unsaid("stride");
  for (uint64_t seed = 1; seed <= 8; seed++) {
    make(60, seed, nothing_matters);
    learn();
    assert_unsaid("beats");
  }
}

/* ---- no gain, and epochs --------------------------------------------------------------------- */

static int best_at;

static void one_is_best(struct stored_trial *t)
{
  t->value = t->number == best_at ? 0.9 : 0.5;
}

static void that_nothing_was_gained_is_said_of_a_third(void **state)
{
  (void)state;
  static const struct {
    int n, best;
    const char *says;
  } cases[] = {{60, 19, "no gain in the last 40 trials"},
               {60, 40, NULL},
               {62, 41, NULL},
               {30, 9, "the last 20 trials"},
               {30, 10, NULL}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    best_at = cases[i].best;
    make(cases[i].n, 1, one_is_best);
    learn();
    const char *expected = cases[i].says ? cases[i].says : "no gain";
    if (!said(expected) != !cases[i].says) fail_msg("case %zu: %s", i, learnt.sentences[0]);
  }
}

/* Twelve trials of 9 epochs; `late` is what each epoch brings. */
static void learn_of_curves(double late, int epochs)
{
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "simultaneous", 0, 12, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  draws = rng_make(9, 1);
  for (int i = 0; i < 12; i++) {
    struct stored_trial t = drawn(i);
    assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
    for (int k = 1; k <= epochs; k++) {
      t.value = 0.7 + 0.01 * i + late * k + 0.004 * normal();
      assert_ok(store_trial_epoch(s, study, i, k, t.value, &err));
    }
    assert_ok(store_trial_end(s, study, &t, &err));
  }
  store_close(s);
  learn_of_database();
}

static void more_epochs_help_where_curves_still_rise(void **state)
{
  (void)state;
  learn_of_curves(0.01, 9);
  assert_said("epochs: more still help: +2.");
  assert_said(" points over the last quarter of them, in the best 10");
  learn_of_curves(0, 9); /* though the best were chosen by their last epoch */
  assert_unsaid("epoch");
  learn_of_curves(0.0001, 9);
  assert_unsaid("epoch");
  learn_of_curves(0.01, 4);
  assert_unsaid("epoch");
}

/* ---- all ------------------------------------------------------------------------------------- */

static void print(FILE *out, const struct report *r)
{
  (void)r;
  report_learnt_print(out, &learnt);
}

static void studies_of_others_are_learnt_from_one_by_one(void **state)
{
  (void)state;
  make(60, 1, falls_with_lr);
  struct report_study *both = calloc(2, sizeof *both), *first = run.studies;
  both[0] = *first;
  make(60, 1, rises_to_the_upper_edge);
  both[1] = *run.studies;
  snprintf(both[1].name, sizeof both[1].name, "a\x1b[31m study");
  both[0].record = both[1].record = (struct study_record){0};
  free(first);
  free(run.studies);
  run = (struct report){.n = 2, .studies = both};
  learn();
  assert_said("quick/simultaneous/0: lr at the lower edge");
  assert_said("a\\x1b[31m study: dropout_rate at the upper edge");
  assert_unsaid("quick/simultaneous/0: dropout_rate");
  print_with(print, NULL);
  assert_tidy(printed, 80);
  assert_says("What was learnt\n  quick/simultaneous/0: lr at");
}

static void of_nothing_nothing_is_learnt(void **state)
{
  (void)state;
  learn();
  assert_int_equal(learnt.n, 0);
  print_with(print, NULL);
  assert_string_equal(printed, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(an_edge_that_is_best_is_to_be_widened),
      TEST(an_edge_is_not_said_of_what_does_not_show_it),
      TEST(chances_are_those_of_the_distributions),
      TEST(a_value_that_is_better_is_said_with_its_error),
      TEST(a_value_is_not_better_for_what_it_came_with),
      TEST(that_nothing_was_gained_is_said_of_a_third),
      TEST(more_epochs_help_where_curves_still_rise),
      TEST(studies_of_others_are_learnt_from_one_by_one),
      TEST(of_nothing_nothing_is_learnt),
  };
  int failed = cmocka_run_group_tests_name("report_learnt", tests, NULL, NULL);
  free(printed);
  return failed;
}
