/* Jobs in lock step: who is answered together follows from the jobs alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "host/samplers/gp/lockstep.h"

/* Job i asks `times[i]` times; each answer is its question and one. */
struct game {
  int times[LOCKSTEP_MAX], dawdles; /* this job is the slowest */
  int question[LOCKSTEP_MAX], got[LOCKSTEP_MAX];
  char batches[4000]; /* "012|02|2|" */
};

static void play(void *context, struct lockstep *l, int number)
{
  struct game *g = context;
  for (int i = 0; i < g->times[number]; i++) {
    g->question[number] = 1000 * number + i;
    if (number == g->dawdles) nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    lockstep_wait(l, number);
    if (g->question[number] == 1000 * number + i + 1) g->got[number]++;
  }
}

static void answer(void *context, int n, const int *numbers)
{
  struct game *g = context;
  size_t used = strlen(g->batches);
  for (int i = 0; i < n; i++) {
    g->question[numbers[i]]++;
    used += (size_t)snprintf(g->batches + used, sizeof g->batches - used, "%x", (unsigned)numbers[i]);
  }
  snprintf(g->batches + used, sizeof g->batches - used, "|");
}

static void expect(struct game *g, int jobs, const char *batches)
{
  for (g->dawdles = 0; g->dawdles < jobs; g->dawdles++) {
    struct error e;
    memset(g->got, 0, sizeof g->got);
    g->batches[0] = 0;
    assert_int_equal(lockstep_run(jobs, play, answer, g, &e), 0);
    assert_string_equal(g->batches, batches);
    for (int i = 0; i < jobs; i++) assert_int_equal(g->got[i], g->times[i]);
  }
}

static void all_that_still_ask_are_answered_together_whoever_is_slow(void **state)
{
  struct game g = {.times = {2, 4, 3}};
  (void)state;
  expect(&g, 3, "012|012|12|1|");
}

static void a_job_may_be_alone_or_ask_nothing(void **state)
{
  struct game one = {.times = {3}}, silent = {.times = {0, 2, 0}}, none = {.times = {0}};
  (void)state;
  expect(&one, 1, "0|0|0|");
  expect(&silent, 3, "1|1|");
  expect(&none, 2, "");
}

static void as_many_as_there_may_be(void **state)
{
  struct game g = {{0}, 0, {0}, {0}, ""};
  (void)state;
  for (int i = 0; i < LOCKSTEP_MAX; i++) g.times[i] = i / 8 + 1;
  expect(&g, LOCKSTEP_MAX, "0123456789abcdef|89abcdef|");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_that_still_ask_are_answered_together_whoever_is_slow),
      cmocka_unit_test(a_job_may_be_alone_or_ask_nothing),
      cmocka_unit_test(as_many_as_there_may_be),
  };
  return cmocka_run_group_tests_name("lockstep", tests, NULL, NULL);
}
