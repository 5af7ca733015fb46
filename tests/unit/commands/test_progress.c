/* What is written of a run where nobody watches a terminal: that it is never silent for long, and
 * what it says then. */
#include "tests/unit/store/store_fixture.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>

#include "sched/commands/progress.h"
#include "sched/run/runner_internal.h"

enum { WORKERS = 12 };

static char told[8192];

/* A run of one study whose trials take long: as many as there are workers. */
struct scene {
  struct experiment x;
  struct run_study study;
  struct stored_trial trials[WORKERS];
  struct worker workers[WORKERS];
  struct place_member members[WORKERS];
  struct queue_study queued;
  struct runner runner;
  struct progress progress;
};

static struct scene *open_scene(int running)
{
  struct scene *s = calloc(1, sizeof *s);
  assert_non_null(s);
  s->x.trials = 40;
  snprintf(s->study.title, sizeof s->study.title, "grouped 0");
  s->study.study = (struct study){.x = &s->x, .trials = s->trials, .best = -1, .n = running};
  s->runner = (struct runner){.x = &s->x,
                              .store = open_store(),
                              .studies = &s->study,
                              .n_studies = 1,
                              .places = WORKERS,
                              .capacity = 1,
                              .n_devices = 2,
                              .workers = s->workers,
                              .began = store_monotonic_ms() / 1000.0 - 332};
  s->queued.running = running;
  s->runner.queue.studies = &s->queued;
  s->runner.queue.waiting = -1;
  pthread_mutex_init(&s->runner.lock, NULL);
  for (int i = 0; i < WORKERS; i++) {
    s->workers[i] = (struct worker){.runner = &s->runner, .device = i % 2, .members = &s->members[i], .n = i < running};
    s->members[i] = (struct place_member){.used = i < running,
                                          .study = &s->study,
                                          .trial.number = i,
                                          .cost.epochs = 10,
                                          .since = store_monotonic_ms() / 1000.0 - 130,
                                          .shown_epoch = i == 0 ? 5 : 0,
                                          .shown_value = i == 0 ? 0.9712 : NAN};
  }
  progress_start(&s->progress, false);
  s->progress.terminal = false;
  return s;
}

static void close_scene(struct scene *s)
{
  store_close(s->runner.store);
  pthread_mutex_destroy(&s->runner.lock);
  free(s);
}

/* What a tick writes to standard error, in `told`. */
static void tick(struct scene *s)
{
  char path[1200];
  snprintf(path, sizeof path, "%s/err", folder);
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600), old = dup(STDERR_FILENO);
  assert_true(file >= 0 && old >= 0);
  fflush(stderr);
  dup2(file, STDERR_FILENO);
  progress_tick(&s->progress, &s->runner);
  fflush(stderr);
  dup2(old, STDERR_FILENO);
  close(old);
  ssize_t n = pread(file, told, sizeof told - 1, 0);
  told[n > 0 ? n : 0] = 0;
  close(file);
}

#define assert_says(part)                                                                                              \
  do {                                                                                                                 \
    if (!strstr(told, part)) fail_msg("no '%s' in:\n%s", part, told);                                                  \
  } while (0)

static void a_log_is_told_each_minute_what_runs(void **state)
{
  (void)state;
  struct scene *s = open_scene(2);
  assert_true(s->progress.silence_s == 60);
  tick(s);
  assert_string_equal(told, "");
  s->progress.spoke_s -= 61; /* a minute later */
  tick(s);
  /* the seconds, in which this machine may have been late */
  static const char expected[] = "running after 5:[0-9][0-9]: grouped 0 #0 5/10 0.9712 (2:[0-9][0-9]), "
                                 "grouped 0 #1 0/10 (2:[0-9][0-9])\n";
  if (fnmatch(expected, told, 0) != 0) fail_msg("%s", told);
  tick(s);
  assert_string_equal(told, ""); /* the next one a minute later */
  s->progress.spoke_s -= 61;
  tick(s);
  assert_says("running after");
  close_scene(s);
}

static void what_has_been_said_lately_is_not_said_again(void **state)
{
  (void)state;
  struct scene *s = open_scene(2);
  s->progress.spoke_s -= 61;
  s->trials[0].state = STORED_COMPLETE;
  s->study.study.in_group = true; /* a group begins: its line is enough */
  snprintf(s->study.study.group.name, sizeof s->study.study.group.name, "first");
  tick(s);
  assert_says("grouped 0       0/40  first 1/0  2 running");
  assert_null(strstr(told, "running after"));
  close_scene(s);
}

static void of_many_trials_some_are_named(void **state)
{
  (void)state;
  struct scene *s = open_scene(WORKERS);
  s->progress.silence_s = 0;
  tick(s);
  assert_says("#0 5/10 0.9712");
  assert_says("and 4 more");
  for (const char *line = told; *line; line = strchr(line, '\n') + 1) assert_true(strcspn(line, "\n") <= 80);
  close_scene(s);
}

static void that_nothing_runs_is_told_too(void **state)
{
  (void)state;
  struct scene *s = open_scene(0);
  s->progress.silence_s = 0;
  tick(s);
  assert_says("running after 5:");
  assert_says(": no trial");
  s->runner.over = true; /* at the end the studies' lines are enough */
  tick(s);
  assert_string_equal(told, "");
  s->progress.quiet = true;
  s->runner.over = false;
  tick(s);
  assert_string_equal(told, "");
  close_scene(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_log_is_told_each_minute_what_runs),
      TEST(what_has_been_said_lately_is_not_said_again),
      TEST(of_many_trials_some_are_named),
      TEST(that_nothing_runs_is_told_too),
  };
  return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
