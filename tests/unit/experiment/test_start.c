/* What studies start from, as text and back. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/experiment/start.h"

static struct space space;

static int set_up(void **state)
{
  (void)state;
  space_init(&space);
  space.n = 3;
  return param_parse(&space.params[0], "lr", "float 1e-5 .. 1 log default 0.01", NULL) ||
         param_parse(&space.params[1], "layers", "int 1 .. 9 default 3", NULL) ||
         param_parse(&space.params[2], "method", "categorical a, b, c default b", NULL);
}

static int tear_down(void **state)
{
  (void)state;
  space_destroy(&space);
  return 0;
}

/* Three trials, two of them to try first, of a database with a name that needs escapes. */
static struct start *make(void)
{
  static const struct start_trial trials[] = {
      {.state = OBSERVATION_COMPLETE, .value = 0.1 + 0.2, .loss = INFINITY, .values = {1e-5, 9, 2}, .free = {1, 1, 1}},
      {.state = OBSERVATION_PRUNED, .value = -3e300, .loss = NAN, .step = 7, .values = {1.0 / 3, 1, 0}, .free = {1}},
      {.state = OBSERVATION_FAILED, .values = {1, 5, 1}, .free = {0, 0, 1}}};
  struct start *s = calloc(1, sizeof *s);
  assert_non_null(s);
  s->trials = malloc(sizeof trials);
  assert_non_null(s->trials);
  memcpy(s->trials, trials, sizeof trials);
  s->n = 3;
  for (; s->n_best < 2; s->n_best++) memcpy(s->best[s->n_best], trials[1 - s->n_best].values, sizeof s->best[0]);
  strcpy(s->sources[s->n_sources++], "3 trials of \"a\\b\"\t\xc3\xa4");
  return s;
}

static void text_reads_back_bit_for_bit(void **state)
{
  struct start *s = make(), *again;
  struct error e = {0};
  (void)state;
  char *text = start_text(s, &space);
  assert_non_null(text);
  if (start_read(&again, &space, text, &e)) fail_msg("%s: %s", e.message, text);
  assert_true(again->n == 3 && again->n_best == 2 && again->n_sources == 1);
  assert_string_equal(again->sources[0], s->sources[0]);
  for (int i = 0; i < 3; i++) {
    const struct start_trial *a = &s->trials[i], *b = &again->trials[i];
    assert_true(a->state == b->state && a->value == b->value && a->step == b->step);
    assert_true(a->loss == b->loss || (isnan(a->loss) && isnan(b->loss)));
    assert_memory_equal(a->values, b->values, sizeof(double) * 3);
    assert_memory_equal(a->free, b->free, 3);
  }
  for (int i = 0; i < 2; i++) assert_memory_equal(s->best[i], again->best[i], sizeof(double) * 3);
  start_free(again);
  free(text);
  start_free(s);
}

/* Cut anywhere, or of another space, it is told and not taken for less. */
static void damaged_text_is_refused(void **state)
{
  static const char *const from[] = {"\"complete\"", "[1e-05,9,2]", "[1e-05,9,2]", "[1e-05,9,2]",
                                     "\"111\"",      "\"111\"",     "\"step\":7",  "-3e+300"},
                           *const to[] = {"\"flying\"", "[1e-05,9]", "[1e-05,9.5,2]", "[1e-05,9,3]",
                                          "\"11\"",     "111",       "\"step\":-7",   "null"};
  struct start *s = make(), *again;
  struct error e;
  (void)state;
  char *text = start_text(s, &space);
  assert_non_null(text);
  size_t n = strlen(text);
  for (size_t cut = 0; cut < n; cut++) {
    char *part = strndup(text, cut);
    assert_int_equal(start_read(&again, &space, part, &e), ERROR_FAILED);
    assert_null(again);
    free(part);
  }
  for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
    char *at = strstr(text, from[i]), *changed = malloc(n + 40);
    assert_non_null(at);
    assert_non_null(changed);
    snprintf(changed, n + 40, "%.*s%s%s", (int)(at - text), text, to[i], at + strlen(from[i]));
    assert_int_equal(start_read(&again, &space, changed, &e), ERROR_FAILED);
    free(changed);
  }
  free(text);
  start_free(s);
}

static void observations_come_before_the_studys_own(void **state)
{
  struct start *s = make();
  (void)state;
  struct observation o = start_observation(s, 0, true), turned = start_observation(s, 0, false);
  assert_true(o.number == -3 && o.value == 0.1 + 0.2 && turned.value == -o.value);
  assert_true(start_observation(s, 2, true).number == -1 && start_observation(s, 1, true).step == 7);
  assert_ptr_equal(o.values, s->trials[0].values);
  assert_ptr_equal(o.free, s->trials[0].free);
  start_free(s);
}

static void trials_count_for_what_they_searched(void **state)
{
  struct start *s = make();
  (void)state;
  assert_int_equal(start_trials_of(s, &space, (bool[]){true, false, false}), 2);
  assert_int_equal(start_trials_of(s, &space, (bool[]){false, true, false}), 1);
  assert_int_equal(start_trials_of(s, &space, (bool[]){true, false, true}), 3);
  assert_int_equal(start_trials_of(NULL, &space, (bool[]){true, true, true}), 0);
  start_free(s);
}

static void a_study_starts_at_the_best_or_at_the_defaults(void **state)
{
  struct start *s = make();
  double values[SPACE_MAX];
  (void)state;
  start_values(s, &space, values);
  assert_memory_equal(values, s->best[0], sizeof(double) * 3);
  s->n_best = 0;
  start_values(s, &space, values);
  assert_true(values[0] == 0.01 && values[1] == 3 && values[2] == 1);
  start_values(NULL, &space, values);
  assert_true(values[0] == 0.01 && values[1] == 3 && values[2] == 1);
  start_free(s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_reads_back_bit_for_bit),
      cmocka_unit_test(damaged_text_is_refused),
      cmocka_unit_test(observations_come_before_the_studys_own),
      cmocka_unit_test(trials_count_for_what_they_searched),
      cmocka_unit_test(a_study_starts_at_the_best_or_at_the_defaults),
  };
  return cmocka_run_group_tests_name("start", tests, set_up, tear_down);
}
