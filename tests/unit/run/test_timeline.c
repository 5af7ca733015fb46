/* The timeline and the JSON log: whole whenever they are looked at, gone on with, begun anew where
 * damaged, given up where they cannot be written.  What a run writes into them is looked at by
 * test_cli_run.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "sched/run/json_log.h"
#include "sched/run/timeline.h"

static char folder[200], path[300];

static int open_folder(void **state)
{
  (void)state;
  snprintf(folder, sizeof folder, "%s/gsos-timeline-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/timeline.json", folder);
  return 0;
}

static int close_folder(void **state)
{
  (void)state;
  unlink(path);
  return rmdir(folder);
}

static void name_of(struct objective *o, int device, char *name, size_t size)
{
  (void)o;
  snprintf(name, size, "cuda:%d \"quoted\"", device);
}

static struct objective objective = {.device_name = name_of};

static char *read_file(void)
{
  FILE *f = fopen(path, "r");
  char *text = calloc(1, 1 << 22);
  assert_non_null(f);
  assert_non_null(text);
  size_t n = fread(text, 1, (1 << 22) - 1, f);
  assert_true(n < (1 << 22) - 1);
  fclose(f);
  return text;
}

/* The items of the file, which has to be JSON. */
static cJSON *items(void)
{
  char *text = read_file();
  cJSON *all = cJSON_Parse(text);
  if (!all) fail_msg("no JSON: %s", text);
  assert_true(cJSON_IsArray(all));
  free(text);
  return all;
}

static int named(const cJSON *all, const char *name)
{
  int n = 0;
  const cJSON *item;
  cJSON_ArrayForEach(item, all) n += !strcmp(cJSON_GetObjectItem(item, "name")->valuestring, name);
  return n;
}

static struct event trial_event(enum event_kind kind, int trial, int device, double at)
{
  return (struct event){.kind = kind,
                        .study = "grouped 0",
                        .strategy = "grouped",
                        .trial = trial,
                        .device = device,
                        .place = device,
                        .member = trial % 2,
                        .epoch = 1,
                        .epochs = 1,
                        .state = STORED_COMPLETE,
                        .value = trial == 3 ? NAN : 0.5,
                        .began_s = at,
                        .from_s = at,
                        .to_s = at + 0.5,
                        .images = 100};
}

static void a_trial(struct timeline *t, int trial, double at)
{
  enum event_kind kinds[] = {EVENT_TRIAL_BEGIN, EVENT_EPOCH, EVENT_TRIAL_END};
  for (int k = 0; k < 3; k++) {
    struct event e = trial_event(kinds[k], trial, trial / 2 % 2, at);
    e.time_s = at + 0.6 * k;
    timeline_write(t, &e);
  }
}

static void end_run(struct timeline *t, double at)
{
  struct event e = {.kind = EVENT_RUN_END, .time_s = at};
  timeline_write(t, &e);
}

static void it_is_whole_whenever_it_is_looked_at(void **state)
{
  static struct timeline t;
  (void)state;
  timeline_open(&t, path, &objective, 2);
  cJSON_Delete(items());
  for (int i = 0; i < 50; i++) {
    a_trial(&t, i, 2 * i);
    cJSON_Delete(items());
  }
  end_run(&t, 100);
  cJSON *all = items(); /* as kill -9 would leave it */
  assert_int_equal(named(all, "grouped 0, trial 49, place 1"), 1);
  assert_int_equal(named(all, "epoch 1, place 0") + named(all, "epoch 1, place 1"), 50);
  assert_int_equal(named(all, "trials running"), 100);
  assert_int_equal(named(all, "thread_name"), 4);
  cJSON_Delete(all);
  timeline_close(&t);
}

static void a_run_that_goes_on_appends(void **state)
{
  static struct timeline t;
  (void)state;
  unlink(path);
  timeline_open(&t, path, &objective, 2);
  a_trial(&t, 0, 0);
  timeline_close(&t);
  nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
  timeline_open(&t, path, &objective, 2);
  assert_true(t.offset_s >= 0.02);
  a_trial(&t, 1, 0);
  timeline_close(&t);
  cJSON *all = items();
  assert_int_equal(named(all, "grouped 0, trial 0, place 0"), 1);
  assert_int_equal(named(all, "grouped 0, trial 1, place 1"), 1);
  assert_int_equal(named(all, "gsos"), 1);
  cJSON_Delete(all);
}

static void what_is_damaged_is_begun_anew(void **state)
{
  static const char *const damaged[] = {"", "[", "{\"a\": 1}\n", "[\n{\"name\": \"gsos\"}", "[]\n]\n"};
  static struct timeline t;
  (void)state;
  for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
    FILE *f = fopen(path, "w");
    fputs(damaged[i], f);
    fclose(f);
    timeline_open(&t, path, &objective, 2);
    a_trial(&t, 0, 0);
    timeline_close(&t);
    cJSON *all = items();
    assert_int_equal(named(all, "grouped 0, trial 0, place 0"), 1);
    cJSON_Delete(all);
  }
}

static void where_it_cannot_be_written_nothing_else_happens(void **state)
{
  static struct timeline t;
  (void)state;
  timeline_open(&t, "/none/timeline.json", &objective, 2);
  assert_int_equal(t.fd, -1);
  a_trial(&t, 0, 0);
  timeline_close(&t);
  timeline_open(&t, "/dev/full", &objective, 2);
  a_trial(&t, 0, 0);
  end_run(&t, 3);
  assert_int_equal(t.fd, -1);
  timeline_close(&t);
}

static void many_epochs_do_not_make_it_endless(void **state)
{
  static struct timeline t;
  struct event e = trial_event(EVENT_EPOCH, 0, 0, 0);
  (void)state;
  unlink(path);
  timeline_open(&t, path, &objective, 2);
  t.epochs = TIMELINE_EPOCHS_MAX - 3;
  t.trials = TIMELINE_TRIALS_MAX - 1;
  for (int i = 0; i < 10; i++) timeline_write(&t, &e);
  a_trial(&t, 1, 0);
  a_trial(&t, 2, 0);
  timeline_close(&t);
  cJSON *all = items();
  assert_int_equal(named(all, "epoch 1, place 0"), 3);
  assert_int_equal(named(all, "grouped 0, trial 1, place 1"), 1);
  assert_int_equal(named(all, "grouped 0, trial 2, place 0"), 0);
  cJSON_Delete(all);
}

static void the_log_is_a_json_object_a_line(void **state)
{
  char *text = NULL;
  size_t size;
  struct event_log log = {.out = open_memstream(&text, &size)};
  static const char *const names[] = {"run_begin",  "run_end",     "study_end", "trial_begin", "epoch", "trial_end",
                                      "trial_left", "device_lost", "warning",   "notice",      "best",  "repeat_end"};
  int n = 0;
  (void)state;
  for (int k = EVENT_RUN_BEGIN; k <= EVENT_REPEAT_END; k++) {
    struct event e = trial_event(k, 3, 1, 0.25);
    e.reason = k == EVENT_TRIAL_LEFT ? "a \"reason\"\nof two lines" : NULL;
    event_log_write(&log, &e);
  }
  fclose(log.out);
  for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
    cJSON *json = cJSON_Parse(line);
    assert_non_null(json);
    assert_string_equal(cJSON_GetObjectItem(json, "event")->valuestring, names[n]);
    assert_int_equal(strlen(cJSON_GetObjectItem(json, "time")->valuestring), 24);
    if (n == EVENT_EPOCH) assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "value"))); /* NaN */
    if (n == EVENT_TRIAL_LEFT)
      assert_string_equal(cJSON_GetObjectItem(json, "reason")->valuestring, "a \"reason\"\nof two lines");
    cJSON_Delete(json);
  }
  assert_int_equal(n, 12);
  free(text);
}

static void a_log_that_cannot_be_written_is_given_up(void **state)
{
  struct event_log log = {.out = fopen("/dev/full", "w")};
  struct event e = trial_event(EVENT_EPOCH, 0, 0, 0);
  (void)state;
  assert_non_null(log.out);
  event_log_write(&log, &e);
  assert_true(log.broken);
  event_log_write(&log, &e);
  fclose(log.out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_whole_whenever_it_is_looked_at),
      cmocka_unit_test(a_run_that_goes_on_appends),
      cmocka_unit_test(what_is_damaged_is_begun_anew),
      cmocka_unit_test(where_it_cannot_be_written_nothing_else_happens),
      cmocka_unit_test(many_epochs_do_not_make_it_endless),
      cmocka_unit_test(the_log_is_a_json_object_a_line),
      cmocka_unit_test(a_log_that_cannot_be_written_is_given_up),
  };
  return cmocka_run_group_tests(tests, open_folder, close_folder);
}
