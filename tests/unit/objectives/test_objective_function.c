/* An analytic function as an objective: a trial that is stopped within an epoch goes on as if
 * nothing had been. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"

/* A function with epochs. */
static struct objective *objective_of(struct experiment *x, const char *name)
{
  struct objective *o = NULL;
  struct error e = {0};
  char setting[100];
  snprintf(setting, sizeof setting, "function.name=%s", name);
  const char *settings[] = {"experiment.objective=function", setting};
  if (experiment_load(x, NULL, settings, 2, &e) || objective_create(&o, x, NULL, NULL, &e)) fail_msg("%s", e.message);
  return o;
}

enum { TRIALS = 3 };

static void point_of(const struct experiment *x, int id, double *point)
{
  space_defaults(&x->space, point);
  point[0] = param_from_unit(&x->space.params[0], 0.2 + 0.3 * id);
}

/* All trials as they stand into another place. */
static void move(struct objective *o, const struct experiment *x, struct place **p)
{
  double point[SPACE_MAX];
  struct error e = {0};
  struct place *other;
  if (o->open(o, &other, 0, TRIALS, &e)) fail_msg("%s", e.message);
  for (int i = 0; i < TRIALS; i++) {
    struct trial_spec spec = {.id = i, .key = 5 + (uint64_t)i, .values = point};
    void *block;
    size_t bytes;
    point_of(x, i, point);
    if (objective_checkpoint(o, *p, i, &block, &bytes, &e) || objective_restore(o, other, &spec, block, bytes, &e))
      fail_msg("%s", e.message);
    free(block);
  }
  o->close(*p);
  *p = other;
}

struct stopper {
  volatile int stop;
  long after_us;
};

static void *stop_soon(void *context)
{
  struct stopper *s = context;
  nanosleep(&(struct timespec){.tv_sec = s->after_us / 1000000, .tv_nsec = s->after_us % 1000000 * 1000}, NULL);
  __atomic_store_n(&s->stop, 15, __ATOMIC_RELAXED);
  return NULL;
}

/* Three trials side by side, to their ends.  stops: each time they advance they are stopped, within
 * an epoch as a rule, and then they move.  Returns how often it was within one.  That is found out:
 * an epoch takes as long as it takes on this machine. */
static int values_of(struct objective *o, const struct experiment *x, bool stops, double values[TRIALS][64])
{
  double point[SPACE_MAX];
  struct error e = {0};
  struct place *p;
  int n, interrupted = 0, epochs[TRIALS] = {0}, running = TRIALS;
  struct stopper stopper = {.after_us = 4000};
  if (o->open(o, &p, 0, TRIALS, &e)) fail_msg("%s", e.message);
  for (int i = 0; i < TRIALS; i++) {
    point_of(x, i, point);
    if (o->add(p, &(struct trial_spec){.id = i, .key = 5 + (uint64_t)i, .values = point}, &e))
      fail_msg("%s", e.message);
  }
  while (running > 0) {
    struct trial_event events[TRIALS];
    pthread_t thread;
    stopper.stop = 0;
    if (stops) assert_int_equal(pthread_create(&thread, NULL, stop_soon, &stopper), 0);
    int code = o->advance(p, events, TRIALS, &n, &stopper.stop, &e);
    if (stops) {
      pthread_join(thread, NULL);
      interrupted += code || n < running;
      stopper.after_us = code ? 2 * stopper.after_us + 1 : n < running ? stopper.after_us : stopper.after_us / 2;
      move(o, x, &p);
    }
    assert_true(code == 0 || (code == ERROR_INTERRUPTED && n == 0));
    for (int i = 0; i < n && !code; i++) {
      int id = events[i].id;
      values[id][epochs[id]++] = events[i].value;
      assert_int_equal(events[i].epoch, epochs[id]);
      running -= events[i].kind == TRIAL_DONE;
    }
  }
  o->close(p);
  return interrupted;
}

static void stopped_trials_go_on_with_the_same_values(void **state)
{
  static double straight[TRIALS][64], stopped[TRIALS][64];
  struct experiment x;
  (void)state;
  struct objective *o = objective_of(&x, "curve");
  assert_true(o->has_epochs);
  assert_int_equal(values_of(o, &x, false, straight), 0);
  assert_true(straight[0][1] != 0); /* there are epochs */
  assert_true(values_of(o, &x, true, stopped) > 0);
  assert_memory_equal(straight, stopped, sizeof straight);
  objective_destroy(o);
  experiment_destroy(&x);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stopped_trials_go_on_with_the_same_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
