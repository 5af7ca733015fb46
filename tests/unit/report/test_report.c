/* The report: what it sums, which trial is best, what its tables say as text, and its CSV read by a
 * parser of the test's own.
 *
 * With arguments it is no test but a writer for tests/cli/test_cli_show.sh:  test_report --write
 * STUDY.DB */
#include "tests/unit/report/report_fixture.h"

#include <float.h>
#include <limits.h>

#include "host/base/text_table.h"
#include "host/report/report_classes.h"
#include "host/base/text_wrap.h"
#include "host/report/report_html_internal.h"

static int shown_width; /* of print_trials */
static void print_trials(FILE *out, const struct report *r)
{
  for (int i = 0; i < r->n; i++) report_print_trials_within(out, &r->studies[i], shown_width);
}

/* ---- the record ------------------------------------------------------------------------------ */

static void a_record_comes_back_as_it_was_written(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w, r;
  int study = make_record_study(s, "grouped", 3, 100, &w);
  w.search = (char *)"experiment.seed = 0\nspace.lr = float 1e-5 .. 1 log \"x\" \\ ü\n";
  w.history = 3;
  w.value_n = 1000;
  w.finished = true;
  w.target_reached = true;
  w.retried = 2;
  w.wall_s = 1234.0625;
  w.ran_alone = true;
  w.test = (struct study_test){true, 7, 0.98, INFINITY, 1000, 980};
  w.n_changes = 2;
  snprintf(w.changes[0], sizeof w.changes[0], "oneDNN 3.1 became 3.2");
  snprintf(w.changes[1], sizeof w.changes[1], "AVX2 became \"AVX-512\"");
  w.n_start = 1;
  snprintf(w.start[0], sizeof w.start[0], "60 trials of 2 studies in \"old\"");
  w.start_best = 3;
  w.start_seen = true;
  assert_ok(study_record_write(s, study, &w, &err));
  assert_ok(study_record_read(s, study, &r, &err));
  assert_string_equal(r.search, w.search);
  char *search = r.search;
  r.search = w.search;
  assert_true(isinf(r.test.loss));
  assert_memory_equal(&r, &w, sizeof r);
  r.search = search;
  study_record_free(&r);

  /* A second run changes single ones. */
  assert_ok(study_record_write_wall(s, study, 5, false, &err));
  assert_ok(study_record_write_test(s, study, &(struct study_test){true, 9, 0.5, NAN, 10, 5}, NULL, &err));
  assert_ok(study_record_write_finished(s, study, false, false, &err));
  assert_ok(study_record_read(s, study, &r, &err));
  assert_true(r.wall_s == 5 && !r.ran_alone && !r.finished && !r.target_reached);
  assert_true(r.test.available && r.test.trial == 9 && r.test.value == 0.5 && isnan(r.test.loss) && r.test.n == 10);
  study_record_free(&r);
  assert_ok(study_record_write_test(s, study, &(struct study_test){.available = false, .value = 1}, NULL, &err));
  assert_ok(study_record_write_finished(s, study, true, true, &err));
  assert_ok(study_record_read(s, study, &r, &err));
  assert_true(!r.test.available && r.test.value == 0 && r.finished && r.target_reached);
  study_record_free(&r);
  store_close(s);
}

/* A matrix of some classes with images of all but the last. */
static struct class_counts some_counts(int classes, bool all_right)
{
  struct class_counts c;
  char *names[40], text[40][60];
  for (int i = 0; i < classes; i++) {
    names[i] = text[i];
    snprintf(text[i], sizeof text[i], "class \"%d\" ü\n<b>", i);
  }
  assert_ok(class_counts_begin(&c, classes, names, &err));
  for (int i = 0; i + 1 < classes; i++) {
    assert_ok(class_counts_add(&c, i, i, 20, &err));
    if (!all_right) assert_ok(class_counts_add(&c, i, (i + 1) % classes, i + 1, &err));
  }
  class_counts_end(&c);
  c.top_right = c.top_k ? c.n - 1 : 0;
  return c;
}

static struct study_test test_of(const struct class_counts *c, int trial)
{
  return (struct study_test){true, trial, (double)c->right / (double)c->n, 0.1, (int)c->n, (int)c->right};
}

static void classes_come_back_as_they_were_written(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 3, 100, &w);
  struct class_counts c = some_counts(30, false), r;
  struct study_test test = test_of(&c, 7), other = test_of(&c, 8), fewer = test_of(&c, 7);
  c.n_mistakes = 2;
  c.mistakes[0] = (struct class_mistake){12, 3, 4, 0.987654321};
  c.mistakes[1] = (struct class_mistake){0, 4, 5, 0.5};
  assert_ok(study_record_write(s, study, &w, &err));
  assert_ok(study_classes_read(s, study, &test, &r, &err));
  assert_int_equal(r.classes, 0);
  assert_ok(study_record_write_test(s, study, &test, &c, &err));
  w.test = test;
  assert_ok(study_record_write(s, study, &w, &err)); /* a run that goes on keeps them */
  assert_ok(study_classes_read(s, study, &test, &r, &err));
  assert_true(r.classes == 30 && r.n == c.n && r.right == c.right && r.n_cells == c.n_cells);
  for (size_t i = 0; i < c.n_cells; i++)
    assert_int_equal(class_counts_at(&r, c.cells[i].label, c.cells[i].said), c.cells[i].count);
  assert_string_equal(r.names[29], "class \"29\" ü <b>"); /* an end of line would end it */
  assert_true(r.top_k == c.top_k && r.top_right == c.top_right && r.n_mistakes == 2);
  for (int i = 0; i < 2; i++) {
    const struct class_mistake *a = &r.mistakes[i], *b = &c.mistakes[i];
    assert_true(a->image == b->image && a->label == b->label && a->said == b->said);
    assert_true(a->probability == b->probability);
  }
  class_counts_free(&r);

  /* Those of another network, or of another number of images, are none of this one's. */
  fewer.n--;
  assert_ok(study_classes_read(s, study, &other, &r, &err));
  assert_int_equal(r.classes, 0);
  assert_ok(study_classes_read(s, study, &fewer, &r, &err));
  assert_int_equal(r.classes, 0);
  class_counts_free(&c);
  store_close(s);
}

static void damaged_classes_read_as_none(void **state)
{
  (void)state;
  static const char *const damaged[] = {"null",
                                        "7",
                                        "\"\"",
                                        "\"trial 7\"",
                                        "\"trial 7\\n\"",
                                        "\"trial 7\\n0 0 5\\n\"",
                                        "\"trial 7\\nclass a\\nclass b\\n\"",
                                        "\"trial 7\\nclass a\\nclass b\\n0 0 4\\n\"",
                                        "\"trial 7\\nclass a\\nclass b\\n0 2 5\\n\"",
                                        "\"trial 7\\nclass a\\nclass b\\n0 -1 5\\n\"",
                                        "\"trial 7\\nclass a\\nclass b\\n0 0 5 1\\n\"",
                                        "\"trial 7\\nclass a\\nclass b\\n0 0 0\\n0 0 5\\n\"",
                                        "\"trial 7\\nclass a\\nclass b\\n0 0 99999999999999999999\\n\"",
                                        "\"trial 7\\ntop 5\\nclass a\\n0 0 5\\n\"",
                                        "\"trial 7\\ntop 5 6\\nclass a\\n0 0 5\\n\"",
                                        "\"trial 8\\nclass a\\nclass b\\n0 0 5\\n\""};
  static const char *const mistakes[] = {"null", "[]",
                                         ("{\"trial\": 7, \"images\": [7, {}, {\"image\": 5, \"class\": 0, "
                                          "\"taken_for\": 1, \"probability\": 0.5}]}")};
  struct store *s = open_store();
  struct study_record w;
  struct class_counts r;
  const struct study_test test = {true, 7, 1, 0.1, 5, 5};
  int study = make_record_study(s, "grouped", 3, 100, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  assert_ok(study_record_write_test(s, study, &test, NULL, &err));
  for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
    assert_ok(store_study_attribute_set(s, study, "gsos:confusion", damaged[i], &err));
    assert_ok(study_classes_read(s, study, &test, &r, &err));
    if (r.classes) fail_msg("%s is taken", damaged[i]);
  }
  assert_ok(store_study_attribute_set(s, study, "gsos:confusion", "\"trial 7\\nclass a\\nclass b\\n0 0 5\\n\"", &err));
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
    assert_ok(store_study_attribute_set(s, study, "gsos:mistakes", mistakes[i], &err));
    assert_ok(study_classes_read(s, study, &test, &r, &err));
    assert_true(r.classes == 2 && r.n == 5 && r.n_mistakes == 0);
    class_counts_free(&r);
  }
  store_close(s);
}

/* A test result and its matrix are there both or neither. */
static void attributes_are_written_together(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  char *json;
  int study = make_record_study(s, "grouped", 0, 10, &w);
  const struct store_attribute bad[] = {{"gsos:a", "1"}, {"gsos:b", "no JSON"}};
  const struct store_attribute good[] = {{"gsos:a", "1"}, {"gsos:b", "2"}};
  assert_int_equal(store_study_attributes_set(s, study, bad, 2, &err), ERROR_FAILED);
  assert_ok(store_study_attribute_get(s, study, "gsos:a", &json, &err));
  assert_null(json);
  raw_exec("CREATE TRIGGER no_b BEFORE INSERT ON study_user_attributes WHEN NEW.\"key\" = 'gsos:b' BEGIN SELECT "
           "RAISE(ABORT, 'no room'); END");
  assert_true(store_study_attributes_set(s, study, good, 2, &err) != 0);
  assert_ok(store_study_attribute_get(s, study, "gsos:a", &json, &err));
  assert_null(json);
  raw_exec("DROP TRIGGER no_b");
  assert_ok(store_study_attributes_set(s, study, good, 2, &err));
  assert_ok(store_study_attribute_get(s, study, "gsos:a", &json, &err));
  assert_string_equal(json, "1");
  free(json);
  store_close(s);
}

/* A study of one trial, whose network took the test images for this; NULL: that is not known. */
static void add_tested(struct store *s, const char *strategy, double value, const struct class_counts *c)
{
  struct study_record w;
  int study = make_record_study(s, strategy, 0, 1, &w);
  w.test = c ? test_of(c, 0) : (struct study_test){true, 0, 0.9, 0.1, 10, 9};
  assert_ok(study_record_write(s, study, &w, &err));
  assert_ok(study_record_write_test(s, study, &w.test, c, &err));
  add_trial(s, study, trial_of(0, value, 0.1, 1));
}

static void what_the_best_network_gets_wrong_is_printed(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct class_counts few = some_counts(3, false), right = some_counts(4, true), many = some_counts(30, false);
  add_tested(s, "grouped", 0.9, &few);
  add_tested(s, "simultaneous", 0.8, &right);
  struct report r = load();
  print_with(report_print_classes, &r);
  assert_tidy(printed, 80);
  assert_says("What the best network gets wrong\nquick/grouped/0, trial 0, the best of all by validation, on the 43 ");
  assert_says("3 wrong (6.98 %)");
  assert_row("class \"0\" ü <b> 21 20 0.9524 1 class \"1\" ü <b>");
  assert_says("1 of 3 classes has no image in the test set");
  assert_row("class \"0\" ü <b> 20 1 .");
  assert_silent_of("top-5");
  print_with(report_print_confusion_csv, &r);
  assert_says("study,strategy,round,trial,true,said,count\n"
              "quick/grouped/0,grouped,0,0,\"class \"\"0\"\" ü <b>\",\"class \"\"0\"\" ü <b>\",20\n");
  assert_says("\nquick/simultaneous/0,simultaneous,0,0,");
  report_free(&r);

  add_tested(s, "greedy", 0.95, &right); /* nothing is wrong: no matrix */
  r = load();
  print_with(report_print_classes, &r);
  assert_says("0 wrong (0.00 %)");
  assert_silent_of("A row for each class");
  report_free(&r);
  add_tested(s, "sequential", 0.96, &many);
  r = load();
  print_with(report_print_classes, &r);
  assert_tidy(printed, 80);
  assert_says("top-5 accuracy 0.9990");
  assert_says("The 20 of 29 classes with the lowest accuracy:");
  assert_says("Most often taken for another:\n");
  assert_silent_of("A row for each class");
  report_free(&r);
  add_tested(s, "of_old", 0.97, NULL); /* by an earlier version: nothing is known of the best */
  r = load();
  print_with(report_print_classes, &r);
  assert_string_equal(printed, "");
  assert_true(report_has_classes(&r));
  report_free(&r);
  class_counts_free(&few);
  class_counts_free(&right);
  class_counts_free(&many);
  store_close(s);
}

static void repeats_come_back_as_they_were_written(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w, r;
  int study = make_record_study(s, "grouped", 3, 100, &w);
  struct study_repeat all[RECORD_REPEATS_MAX] = {{.ended = true,
                                                  .value = 0.97,
                                                  .loss = 0.125,
                                                  .tested = true,
                                                  .test = 0.96,
                                                  .test_loss = 0.5,
                                                  .flops = 1e12,
                                                  .images = 640},
                                                 {.ended = true, .failed = true, .seconds = 0.25, .images = 32},
                                                 {.ended = false}};
  struct study_repeats repeats = {.trial = 7, .first = 1000000, .n = 3, .all = all};
  assert_ok(study_record_write(s, study, &w, &err));
  assert_ok(study_record_write_repeats(s, study, &repeats, &err));
  assert_ok(study_record_read(s, study, &r, &err));
  assert_true(r.repeats.trial == 7 && r.repeats.first == 1000000 && r.repeats.n == 3);
  assert_true(r.repeats.all[0].ended && !r.repeats.all[0].failed && r.repeats.all[0].tested);
  assert_true(r.repeats.all[0].value == 0.97 && r.repeats.all[0].loss == 0.125 && r.repeats.all[0].test == 0.96);
  assert_true(r.repeats.all[0].test_loss == 0.5 && r.repeats.all[0].flops == 1e12 && r.repeats.all[0].images == 640);
  assert_true(r.repeats.all[1].ended && r.repeats.all[1].failed && r.repeats.all[1].seconds == 0.25);
  assert_true(!r.repeats.all[2].ended);
  assert_int_equal(study_repeats_ended(&r.repeats, r.repeats.n), 2);
  study_record_free(&r);
  assert_ok(study_record_write(s, study, &w, &err)); /* a run that goes on keeps them */
  const struct study_repeat longest = {true,     false,    -DBL_MAX, -DBL_MIN, true,
                                       -DBL_MAX, -DBL_MIN, DBL_MIN,  -DBL_MAX, 999999999999};
  for (int k = 0; k < RECORD_REPEATS_MAX; k++) repeats.all[k] = longest;
  repeats.n = RECORD_REPEATS_MAX; /* the longest that there are can be read */
  assert_ok(study_record_write_repeats(s, study, &repeats, &err));
  assert_ok(study_record_read(s, study, &r, &err));
  assert_int_equal(study_repeats_ended(&r.repeats, r.repeats.n), RECORD_REPEATS_MAX);
  study_record_free(&r);
  store_close(s);
}

/* A crash between two attributes must not leave a record that is taken for a whole one. */
static void the_strategy_is_written_last(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w, r;
  int study = make_record_study(s, "grouped", 0, 100, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  assert_string_equal(
      raw_query("SELECT \"key\" FROM study_user_attributes ORDER BY study_user_attribute_id DESC LIMIT 1"),
      "gsos:strategy");
  raw_exec("DELETE FROM study_user_attributes WHERE \"key\" = 'gsos:strategy'");
  assert_ok(study_record_read(s, study, &r, &err));
  struct study_record none = {0};
  assert_memory_equal(&r, &none, sizeof r);
  store_close(s);
}

static void texts_that_are_no_utf8_are_written_as_json(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w, r;
  int study = make_record_study(s, "grouped", 0, 100, &w);
  snprintf(w.experiment, sizeof w.experiment, "a\xff\n");
  snprintf(w.groups[1], SPACE_NAME_MAX, "\xc3");
  assert_ok(study_record_write(s, study, &w, &err));
  assert_ok(study_record_read(s, study, &r, &err));
  assert_string_equal(r.experiment, "a\xef\xbf\xbd\n");
  assert_string_equal(r.groups[1], "\xef\xbf\xbd");
  study_record_free(&r);
  store_close(s);
}

/* Puts an attribute there past the store's own checks. */
static void raw_attribute(const char *key, const char *json)
{
  sqlite3 *db = raw_open();
  sqlite3_stmt *q;
  assert_int_equal(
      sqlite3_prepare_v2(
          db, "INSERT OR REPLACE INTO study_user_attributes (study_id, \"key\", value_json) VALUES (1, ?1, ?2)", -1, &q,
          NULL),
      SQLITE_OK);
  sqlite3_bind_text(q, 1, key, -1, SQLITE_STATIC);
  sqlite3_bind_text(q, 2, json, -1, SQLITE_STATIC);
  assert_int_equal(sqlite3_step(q), SQLITE_DONE);
  sqlite3_finalize(q);
  sqlite3_close(db);
}

static char *repeated(const char *start, const char *part, size_t times, const char *end)
{
  char *text = malloc(strlen(start) + strlen(part) * times + strlen(end) + 1), *to = text;
  to = stpcpy(to, start);
  for (size_t i = 0; i < times; i++) to = stpcpy(to, part);
  strcpy(to, end);
  return text;
}

static void hostile_attributes_read_as_missing(void **state)
{
  (void)state;
  static const char *const keys[] = {"gsos:version",        "gsos:experiment", "gsos:round",  "gsos:trials",
                                     "gsos:objective",      "gsos:value_name", "gsos:search", "gsos:depends_on",
                                     "gsos:groups",         "gsos:finished",   "gsos:wall_s", "gsos:changes",
                                     "gsos:target_reached", "gsos:ran_alone",  "gsos:test",   "gsos:repeats"};
  char *values[] = {strdup("nonsense"),
                    strdup(""),
                    strdup("{\"a\": 1"),
                    strdup("null"),
                    strdup("\"\xff\""),
                    strdup("-1"),
                    strdup("1e999"),
                    strdup("-1e999"),
                    strdup("{}"),
                    strdup("{\"trial\": 1.5, \"value\": 1, \"n\": 1, \"correct\": 1}"),
                    strdup("{\"trial\": 1, \"value\": \"x\", \"n\": 1, \"correct\": 1}"),
                    strdup("{\"trial\": 1, \"value\": 1e999, \"n\": 1, \"correct\": 1}"),
                    strdup("{\"trial\": 1, \"value\": 1, \"n\": -1, \"correct\": 1}"),
                    strdup("{\"trial\": 1, \"first\": 2, \"trainings\": 3}"),
                    strdup("{\"trial\": -1, \"first\": 2, \"trainings\": [{\"value\": 1}]}"),
                    repeated("{\"trial\": 1, \"first\": 2, \"trainings\": [", "{},", 101, "{}]}"),
                    strdup("[1, null, {}]"),
                    strdup("[\"a\", 2]; "),
                    repeated("[", "[", 5000, ""),
                    repeated("\"", "x", 9000000, "\""),
                    repeated("[", "0,", 4000000, "0]"),
                    repeated("[\"", "y", 70000, "\"]")};
  struct store *s = open_store();
  struct study_record r, w;
  int study = make_record_study(s, "grouped", 0, 5, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) raw_attribute(keys[k], values[v]);
    assert_ok(study_record_read(s, study, &r, &err));
    struct study_record expected = {.ours = true, .strategy = "grouped"};
    if (r.search || memcmp(&r, &expected, sizeof r) != 0) fail_msg("%.60s was read", values[v]);
    study_record_free(&r);
  }
  /* Of a length that no field holds, of a sign and a kind that no number has. */
  raw_attribute("gsos:round", "1.5");
  raw_attribute("gsos:trials", "99999999999");
  raw_attribute("gsos:wall_s", "1e300");
  raw_attribute("gsos:version", "\"a version that is too long to be one of a program\"");
  raw_attribute("gsos:groups", "[\"a\", 2]");
  raw_attribute("gsos:finished", "1");
  assert_ok(study_record_read(s, study, &r, &err));
  assert_true(r.round == 0 && r.trials == 0 && r.wall_s == 0 && !r.version[0] && r.n_groups == 0 && !r.finished);
  assert_true(!r.groups[0][0]);
  study_record_free(&r);
  raw_attribute("gsos:strategy", "[\"grouped\"]");
  assert_ok(study_record_read(s, study, &r, &err));
  assert_false(r.ours);
  store_close(s);
  for (size_t v = 0; v < sizeof values / sizeof *values; v++) free(values[v]);
}

/* That a run went on after a change is not lost to a bad neighbour. */
static void changes_are_kept_as_far_as_they_can_be_read(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record r, w;
  int study = make_record_study(s, "grouped", 0, 5, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  char *changes = repeated("[7, \"", "long ", 200,
                           "\", \"b\", \"b\", \"b\", \"b\", \"b\", \"b\", \"b\", \"b\", \"b\", \"b\", "
                           "\"b\", \"b\", \"b\", \"b\", \"b\", \"b\", \"b\", \"b\", \"b\"]");
  raw_attribute("gsos:changes", changes);
  assert_ok(study_record_read(s, study, &r, &err));
  assert_int_equal(r.n_changes, RECORD_CHANGES_MAX);
  assert_int_equal(strlen(r.changes[0]), sizeof r.changes[0] - 1);
  assert_string_equal(r.changes[1], "b");
  study_record_free(&r);
  free(changes);
  store_close(s);
}

/* ---- sums and order -------------------------------------------------------------------------- */

static void sums_go_to_the_best_and_over_all(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 6, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  add_trial(s, study, trial_of(0, 0.5, 0.9, 10));
  add_failed(s, study, 1, "diverged: x");
  add_trial(s, study, trial_of(2, 0.75, 0.5, 100));
  struct stored_trial pruned = trial_of(3, 0.99, 0.1, 1000);
  pruned.state = STORED_PRUNED;
  add_trial(s, study, pruned);
  add_trial(s, study, trial_of(4, 0.75, 0.5, 10000));
  struct stored_trial running = trial_of(5, NAN, 0, 0);
  running.state = STORED_RUNNING;
  add_trial(s, study, running);
  store_close(s);
  struct report r = load();
  const struct report_study *x = &r.studies[0];
  assert_int_equal(r.n, 1);
  assert_string_equal(x->name, "quick/grouped/0");
  assert_true(x->n == 6 && x->complete == 3 && x->failed == 1 && x->pruned == 1 && x->running == 1 && x->waiting == 0);
  assert_int_equal(x->best, 2);
  assert_true(x->time_to_best_s == 111 && x->time_s == 11111);
  assert_true(x->images == 5000 && x->flops == 5e9 && x->flops_to_best == 3e9);
  assert_false(x->finished);
  report_free(&r);
}

static void best_is_higher_value_then_lower_loss_then_lower_number(void **state)
{
  (void)state;
  static const struct {
    double value[4], loss[4];
    bool maximize;
    int best;
  } cases[] = {
      {{0.5, 0.7, 0.6, 0.7}, {1, 1, 1, 1}, true, 1},        {{0.5, 0.7, 0.6, 0.7}, {1, 1, 1, 0.5}, true, 3},
      {{0.7, 0.7, 0.7, 0.7}, {2, NAN, 1, 1}, true, 2},      {{0.5, 0.7, 0.6, 0.5}, {1, 1, 1, 1}, false, 0},
      {{0.5, 0.7, 0.6, 0.5}, {1, 0, 0, 0.5}, false, 3},     {{INFINITY, 0.7, 0.6, 0.5}, {1, 1, 1, 1}, true, 0},
      {{INFINITY, 0.7, 0.6, 0.65}, {1, 1, 1, 1}, false, 2}, {{-1, -INFINITY, -2, -3}, {0, 0, 0, 0}, false, 1},
      {{0.7, 0.7, 0.7, 0.7}, {INFINITY, 3, 3, 2}, true, 3},
  };
  struct store *s = open_store();
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    char name[20];
    int study;
    snprintf(name, sizeof name, "s%zu", c);
    assert_ok(store_study(s, name, cases[c].maximize, &study, NULL, &err));
    for (int i = 0; i < 4; i++) add_trial(s, study, trial_of(i, cases[c].value[i], cases[c].loss[i], 1));
  }
  store_close(s);
  struct report r = load();
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) assert_int_equal(r.studies[c].best, cases[c].best);
  report_free(&r);
}

static void the_best_of_all_is_of_our_studies_and_one_order(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int theirs = make_study(s, "theirs");
  add_trial(s, theirs, trial_of(0, 0.99, 0, 1));
  int a = make_record_study(s, "grouped", 0, 2, &w);
  assert_ok(study_record_write(s, a, &w, &err));
  add_trial(s, a, trial_of(0, 0.5, 0.5, 1));
  add_trial(s, a, trial_of(1, 0.9, 0.5, 1));
  int b = make_record_study(s, "simultaneous", 0, 2, &w);
  assert_ok(study_record_write(s, b, &w, &err));
  struct report r = load();
  assert_int_equal(report_best(&r), 1);
  report_free(&r);
  add_trial(s, b, trial_of(0, 0.9, 0.5, 1)); /* the same, at a lower number */
  r = load();
  assert_int_equal(report_best(&r), 2);
  print_with(report_print_best, &r);
  assert_says("Best configuration: quick/simultaneous/0, trial 0 (unfinished)\n");
  assert_silent_of("theirs");
  assert_tidy(printed, 80);
  print_with(report_print_tables, &r);
  assert_row("theirs 1 1 0 0 0 0 0.99");
  if (strstr(strstr(printed, "Studies of another program"), "quick")) fail_msg("ours among theirs:\n%s", printed);
  report_free(&r);
  raw_exec("DELETE FROM study_user_attributes");
  r = load();
  assert_int_equal(report_best(&r), 0);
  print_with(report_print_best, &r); /* studies of others are not one experiment */
  assert_says("Best configuration: theirs, trial 0\n");
  assert_says("\n\nBest configuration: quick/grouped/0, trial 1\n");
  assert_says("\n\nBest configuration: quick/simultaneous/0, trial 0\n");
  report_free(&r);
  store_close(s);
}

static void a_study_is_finished_when_all_trials_or_the_target_are(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 2, &w);
  const struct {
    int trials;
    bool finished, target, expected;
  } cases[] = {
      {2, false, false, true}, {2, true, false, true},  {3, false, false, false}, {3, true, false, false}, /* raised */
      {3, true, true, true},   {3, false, true, false}, {0, true, false, true},   {0, false, false, false}};
  add_trial(s, study, trial_of(0, 0.5, 0.5, 1));
  add_failed(s, study, 1, "diverged: x");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    w.trials = cases[i].trials;
    w.finished = cases[i].finished;
    w.target_reached = cases[i].target;
    assert_ok(study_record_write(s, study, &w, &err));
    struct report r = load();
    if (r.studies[0].finished != cases[i].expected) fail_msg("case %zu", i);
    report_free(&r);
  }
  store_close(s);
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* A finished study of two trials: the first is the best, `to_best` seconds long, the second takes
 * the rest of `whole`. */
static int finished_study(struct store *s, const char *strategy, int round, double to_best, double whole, double value,
                          double test, double wall, struct study_record *w)
{
  int study = make_record_study(s, strategy, round, 2, w);
  w->finished = true;
  w->wall_s = wall;
  w->ran_alone = wall > 0;
  w->test = (struct study_test){test > 0, 0, test, 0.5, 10000, (int)lround(test * 10000)};
  assert_ok(study_record_write(s, study, w, &err));
  add_trial(s, study, trial_of(0, value, 0.5, to_best));
  add_trial(s, study, trial_of(1, value - 0.1, 0.5, whole - to_best));
  return study;
}

/* The first row of the paper's Tables 3 and 4, architectural heritage elements. */
static void tables_say_what_the_papers_do(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  finished_study(s, "grouped", 0, 27 * 60 + 19, 37 * 60 + 22, 0.7433, 0.7267, 2300, &w);
  finished_study(s, "simultaneous", 0, 37 * 60 + 37, 52 * 60, 0.7646, 0.7298, 0, &w);
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  report_free(&r);
  assert_string_equal(printed, "Table 3: cost and time\n"
                               "                                              CPU\n"
                               "                images    TFLOP    TFLOP  time to      CPU     wall\n"
                               "strategy       trained  to best  trained     best     time     time\n"
                               "grouped          2,000    0.001    0.002  0:27:19  0:37:22  0:38:20\n"
                               "simultaneous     2,000    0.001    0.002  0:37:37  0:52:00        -\n"
                               "grouped saves    0.0 %    0.0 %    0.0 %   27.4 %   28.1 %        -\n"
                               "\n"
                               "Table 4: accuracy\n"
                               "                      validation          test\n"
                               "strategy                accuracy      accuracy\n"
                               "grouped                   0.7433        0.7267\n"
                               "simultaneous              0.7646        0.7298\n"
                               "grouped differs by  -2.13 points  -0.31 points\n"
                               "\n"
                               "Notes\n"
                               "  CPU time: of the trials' threads; wall time only where a study ran alone\n"
                               "  one round: what strategies differ by in a single one may be chance; with more,\n"
                               "  experiment.rounds=5, differences come with an interval\n"
                               "  results depend on: cpu, avx2, oneDNN 3.1\n"
                               "\n");
}

/* On a GPU a share of its time says how full it was: what is saved is told of what is exact, and of
 * the wall time of studies that ran alone. */
static void shares_of_a_device_are_compared_with_nothing(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  finished_study(s, "grouped", 0, 3, 5, 0.75, 0, 20, &w);
  snprintf(w.depends_on, sizeof w.depends_on, "cuda, NVIDIA H100 80GB HBM3, fp32");
  assert_ok(study_record_write(s, 1, &w, &err));
  int study = finished_study(s, "simultaneous", 0, 2, 4, 0.76, 0, 40, &w);
  snprintf(w.depends_on, sizeof w.depends_on, "cuda, NVIDIA H100 80GB HBM3, fp32");
  assert_ok(study_record_write(s, study, &w, &err));
  struct stored_trial t = trial_of(2, 0.5, 0.5, 0);
  t.images = 6000;
  t.flops = 6e9;
  add_trial(s, study, t);
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  assert_tidy(printed, 80);
  assert_row("images TFLOP TFLOP time to device wall");
  assert_row("strategy trained to best trained best time time");
  assert_row("grouped 2,000 0.001 0.002 3.0 s 5.0 s 20.0 s");
  assert_row("simultaneous 8,000 0.001 0.008 2.0 s 4.0 s 40.0 s");
  assert_row("grouped saves 75.0 % 0.0 % 75.0 % - - 50.0 %");
  assert_says("  device time: the trials' shares of the time in which the GPU was busy; it\n"
              "  depends on what ran beside them");
  assert_says("wall time only where a study ran alone: [scheduler] studies = one_by_one gives\n");
  shown_width = 0;
  print_with(print_trials, &r); /* what a trial cost comes before a time that says little of it */
  assert_row("validation device dropout_ conv_ num_fc_");
  assert_row("trial state accuracy loss epochs GFLOP seconds lr rate layers units stride threshold optimizer padding "
             "momentum one");
  shown_width = 80;
  report_free(&r);

  /* Where the first trials were a GPU's and the last ones the CPU's, as well. */
  assert_ok(store_open(&s, db_path, false, NULL, &err));
  snprintf(w.depends_on, sizeof w.depends_on, "cpu, avx2");
  w.n_changes = 1;
  snprintf(w.changes[0], sizeof w.changes[0], "cuda, NVIDIA H100 80GB HBM3, fp32 became cpu, avx2");
  assert_ok(study_record_write(s, 1, &w, &err));
  assert_ok(study_record_write(s, study, &w, &err));
  store_close(s);
  r = load();
  print_with(report_print_tables, &r);
  assert_says("  device time: ");
  report_free(&r);
}

/* Those of an experiment start from the same. */
static void what_studies_start_from_is_told_once(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  for (int round = 0; round < 2; round++) {
    int study = finished_study(s, "grouped", round, 1, 10, 0.6, 0, 0, &w);
    w.n_start = 2;
    snprintf(w.start[0], sizeof w.start[0], "60 trials of 2 studies in old");
    snprintf(w.start[1], sizeof w.start[1], "1 trial of 1 study in older\033");
    w.start_best = 1;
    assert_ok(study_record_write(s, study, &w, &err));
  }
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  assert_tidy(printed, 80);
  assert_says("  started from 60 trials of 2 studies in old\n"
              "  started from 1 trial of 1 study in older\\x1b\n"
              "  no proposal saw the values of these trials; the best configuration was tried\n"
              "  first; no figure here counts them\n");
  assert_null(strstr(strstr(printed, "started from 60") + 1, "started from 60"));
  report_free(&r);
}

static void rounds_are_averaged_with_their_deviation(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  finished_study(s, "simultaneous", 0, 10, 20, 0.5, 0, 0, &w);
  finished_study(s, "grouped", 0, 1, 10, 0.6, 0, 0, &w);
  finished_study(s, "simultaneous", 1, 20, 30, 0.7, 0, 0, &w);
  finished_study(s, "grouped", 1, 3, 14, 0.7, 0, 0, &w);
  finished_study(s, "grouped", 2, 5, 18, 0.8, 0, 0, &w);
  struct report r = load();
  print_with(report_print_tables, &r);
  report_free(&r);
  assert_tidy(printed, 80);
  assert_says("Table 3: cost and time, means over rounds\n");
  assert_row("simultaneous 2 2,000 0.001 0.002 15.0 s 25.0 s");
  assert_row("std. deviation 0 0 0 7.1 s 7.1 s");
  assert_row("grouped 3 2,000 0.001 0.002 3.0 s 14.0 s");
  assert_row("std. deviation 0 0 0 2.0 s 4.0 s");
  assert_row("grouped saves 0.0 % 0.0 % 0.0 % 80.0 % 44.0 %");
  assert_row("grouped 3 0.7000");
  assert_row("std. deviation 0.1414");
  assert_row("grouped differs by +10.00 points");
  assert_says("different rounds: grouped and simultaneous");
  /* Rounds 0 and 1 are both's: 10 and 0 points, 9 of 10 and 17 of 20 seconds; t of one degree is
   * 12.7. */
  assert_says("Differences from simultaneous, paired by round\n");
  assert_row("grouped validation accuracy 2 +5.00 points -58.53 to +68.53");
  assert_row("grouped CPU time to best, saved 2 86.7 % -252.2 to 425.5 %");
  assert_says(", a rough one from so few; an interval");
  assert_silent_of("images trained, saved"); /* as many in each */
  assert_silent_of("one round");
  assert_silent_of("test");
  assert_silent_of("wall time  ");

  /* A round that is not finished is not in the mean. */
  int study = make_record_study(s, "grouped", 3, 9, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  add_trial(s, study, trial_of(0, 0.99, 0.5, 1000));
  store_close(s);
  r = load();
  print_with(report_print_tables, &r);
  report_free(&r);
  assert_row("grouped 3 of 4 2,000 0.001 0.002 3.0 s 14.0 s");
  assert_says("unfinished: quick/grouped/3, 1 of 9 trials have ended\n");
  assert_says("Table 3: cost and time, means over rounds\n[unfinished; see the notes below]\n");
  assert_says("Table 4: accuracy, means over rounds\n[unfinished; see the notes below]\n");
  assert_tidy(printed, 80);
}

/* The comparison of a page. */
static void print_comparison(FILE *out, const struct report *r)
{
  struct report_page page;
  struct store *s;
  assert_ok(store_open(&s, db_path, true, NULL, &err));
  assert_ok(report_page_load(&page, r, s, folder, NULL, &err));
  html_comparison(out, &page);
  report_page_free(&page);
  store_close(s);
}

/* Five rounds of which each strategy's own results vary far more than their difference does. */
static void rounds_are_paired_whatever_order_they_stand_in(void **state)
{
  (void)state;
  static const double control[] = {0.5, 0.6, 0.7, 0.8, 0.9}, gain[] = {0.02, 0.03, 0.01, 0.02, 0.02};
  struct store *s = open_store();
  struct study_record w;
  for (int i = 0; i < 5; i++) finished_study(s, "simultaneous", i, 10, 20, control[i], 0, 0, &w);
  for (int i = 4; i >= 0; i--) finished_study(s, "grouped", i, 10, 20, control[i] + gain[i], 0, 0, &w);
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  assert_tidy(printed, 80);
  assert_row("grouped validation accuracy 5 +2.00 points +1.12 to +2.88"); /* 2.776 · 0.7071 / √5 */
  assert_says("degrees of freedom; an interval that holds 0");
  assert_silent_of(", saved");
  print_with(print_comparison, &r); /* t = 6.325, p = 0.0032 */
  assert_says(
      "<th>grouped less simultaneous, validation accuracy</th><td class=\"n\">5</td><td class=\"n\">+2.00 points"
      "</td><td class=\"n\">+1.12 to +2.88</td><td class=\"n\">0.003</td>");
  report_free(&r);
}

static void a_figure_that_a_round_lacks_has_no_mean(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  finished_study(s, "grouped", 0, 1, 10, 0.6, 0.61, 11, &w);
  int study = finished_study(s, "grouped", 1, 1, 10, 0.8, 0, 11, &w);
  finished_study(s, "simultaneous", 0, 1, 10, 0.6, 0.62, 12, &w);
  assert_ok(study_record_write_wall(s, study, 11, false, &err)); /* another study ran beside it */
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  report_free(&r);
  assert_row("grouped 2 2,000 0.001 0.002 1.0 s 10.0 s -");
  assert_row("simultaneous 1 2,000 0.001 0.002 1.0 s 10.0 s 12.0 s");
  assert_row("grouped 2 0.7000 -");
  assert_row("simultaneous 1 0.6000 0.6200");
  assert_row("grouped differs by +10.00 points -");
}

static void every_other_strategy_is_held_against_simultaneous(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  finished_study(s, "greedy", 0, 1, 10, 0.6, 0.6, 0, &w);
  finished_study(s, "simultaneous", 0, 2, 40, 0.5, 0.5, 0, &w);
  finished_study(s, "grouped", 0, 1, 20, 0.7, 0, 0, &w);
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  report_free(&r);
  assert_row("greedy saves 0.0 % 0.0 % 0.0 % 50.0 % 75.0 %");
  assert_row("grouped saves 0.0 % 0.0 % 0.0 % 50.0 % 50.0 %");
  assert_silent_of("simultaneous saves");
  assert_row("grouped 0.7000 -");
  assert_row("grouped differs by +20.00 points -");
  assert_row("greedy differs by +10.00 points +10.00 points");
}

static void a_study_on_its_way_is_compared_with_nothing(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 40, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  add_trial(s, study, trial_of(0, 0.5, 0.5, 4000));
  struct stored_trial running = trial_of(1, NAN, 0, 0);
  running.state = STORED_RUNNING;
  add_trial(s, study, running);
  finished_study(s, "simultaneous", 0, 20, 50, 0.7, 0.7, 0, &w);
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  report_free(&r);
  assert_tidy(printed, 80);
  assert_row("grouped * 1,000 0.001 0.001 1:06:40 1:06:40");
  assert_says("unfinished: quick/grouped/0, 1 of 40 trials have ended, 1 running\n");
  assert_says("*: no round is finished");
  assert_silent_of("saves");
  assert_silent_of("differs");
  raw_exec("UPDATE study_user_attributes SET value_json = CASE value_json WHEN '\"grouped\"' THEN '\"simultaneous\"' "
           "ELSE '\"grouped\"' END WHERE \"key\" = 'gsos:strategy'");
  r = load();
  print_with(report_print_tables, &r);
  report_free(&r);
  assert_row("simultaneous * 1,000 0.001 0.001 1:06:40 1:06:40");
  assert_silent_of("saves");
  assert_silent_of("differs");
}

static void failures_changes_targets_and_timeouts_are_told(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 40, &w);
  w.finished = w.target_reached = true;
  w.n_changes = 1;
  snprintf(w.changes[0], sizeof w.changes[0],
           "oneDNN 3.1 became 3.2, and a good many other things, which make a line too long");
  assert_ok(study_record_write(s, study, &w, &err));
  add_trial(s, study, trial_of(0, 0.5, 0.5, 1));
  add_failed(s, study, 1, "diverged: the loss is not finite");
  add_failed(s, study, 2, "infeasible: a feature map vanishes");
  add_failed(s, study, 3, "diverged: the loss is not finite");
  add_failed(s, study, 4, "timeout: 60 s");
  add_failed(s, study, 5, "");
  int other = make_record_study(s, "simultaneous", 0, 1, &w);
  snprintf(w.depends_on, sizeof w.depends_on, "cuda, H100, fp32");
  assert_ok(study_record_write(s, other, &w, &err));
  add_failed(s, other, 0, "diverged: x");
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  assert_tidy(printed, 80);
  assert_says("Table 3: cost and time\n[changed on the way; see the notes below]\n");
  assert_says("Table 4: accuracy\n[changed on the way; see the notes below]\n");
  assert_says("changed: quick/grouped/0 went on with --accept-change: oneDNN 3.1 became");
  assert_says("target reached: quick/grouped/0, after 6 of 40 trials\n");
  assert_says("failed trials: grouped 5 of 6 (2 diverged, 1 infeasible, 1 timeout, 1 no\n");
  assert_says("failed trials: simultaneous 1 of 1 (1 diverged)\n");
  assert_says("what has failed runs again with gsos run FILE.ini --retry-failed\n");
  assert_says("timeout: 1 trial was ended by a clock");
  assert_says("no complete trial: quick/simultaneous/0\n");
  assert_says("results depend on: cpu, avx2, oneDNN 3.1\n");
  assert_says("results depend on: cuda, H100, fp32\n");
  assert_row("simultaneous 1,000 - 0.001 - 1.0 s");
  shown_width = 80;
  print_with(print_trials, &r);
  assert_says("changed: quick/grouped/0 went on");
  assert_says("target reached");
  assert_says("  trial 2 failed: infeasible: a feature map vanishes\n");
  assert_tidy(printed, 80);
  print_with(report_print_best, &r);
  assert_says("changed: quick/grouped/0 went on");
  report_free(&r);
}

static void where_all_failed_the_first_of_each_kind_stands_in_full(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 5, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  add_failed(s, study, 0, "nonsense: line 1 of its answer is no JSON: a\\b\tc");
  add_failed(s, study, 1, "nonsense: line 1 of its answer is no JSON: another");
  add_failed(s, study, 2,
             "died: exit status 1; its last words: Traceback (most recent call last) | ValueError: the "
             "third wheel came off, as it has done before");
  add_failed(s, study, 3, "died: exit status 2");
  add_failed(s, study, 4, "unheard of");
  int other = make_record_study(s, "simultaneous", 0, 4, &w); /* has not ended yet */
  assert_ok(study_record_write(s, other, &w, &err));
  add_failed(s, other, 0, "timeout: took longer than 1 s");
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  assert_tidy(printed, 80);
  assert_says("no complete trial: quick/grouped/0\n"
              "    trial 0: nonsense: line 1 of its answer is no JSON: a\\x5cb\\x09c\n"
              "      what to do: standard output is for answers alone: print such things to\n"
              "      standard error");
  assert_says("    trial 2: died: exit status 1; its last words: Traceback (most recent call\n"
              "    last) | ValueError: the third wheel came off, as it has done before\n"
              "      what to do: run the program by hand");
  assert_says("    trial 4: unheard of\n");
  assert_says("  no complete trial: quick/simultaneous/0\n    trial 0: timeout");
  assert_silent_of("another");
  assert_silent_of("exit status 2");
  print_with(report_print_best, &r);
  assert_string_equal(printed, "No trial is complete: 6 failed, for the reasons in the notes above.\n");
  report_free(&r);
}

static void cost_by_time_is_told(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 2, &w);
  w.search = "experiment.sampler = gp\ngp.cost = time\n";
  assert_ok(study_record_write(s, study, &w, &err));
  study = make_record_study(s, "simultaneous", 0, 2, &w);
  w.search = "experiment.sampler = tpe\ngp.cost = time\n"; /* not by that sampler */
  assert_ok(study_record_write(s, study, &w, &err));
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  assert_says("Table 3: cost and time\n[unfinished, cost by time, cannot be reproduced; see the notes below]\n");
  assert_says("by time: quick/grouped/0: its proposals weighed how long trials took; this\n");
  assert_silent_of("by time: quick/simultaneous/0");
  report_free(&r);
}

static void pruned_trials_and_an_asynchronous_order_are_told(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 2, &w);
  w.search = "scheduler.order = asynchronous\n";
  assert_ok(study_record_write(s, study, &w, &err));
  add_trial(s, study, trial_of(0, 0.5, 0.5, 1));
  struct stored_trial pruned = trial_of(1, 0.9, 0.1, 1);
  pruned.state = STORED_PRUNED;
  add_trial(s, study, pruned);
  store_close(s);
  struct report r = load();
  print_with(report_print_tables, &r);
  assert_tidy(printed, 80);
  assert_says("Table 3: cost and time\n[asynchronous order, cannot be reproduced; see the notes below]\n");
  assert_says("asynchronous: quick/grouped/0: its proposals saw what had ended by then; this\n");
  assert_says("pruned trials, ended early: grouped 1 of 2\n");
  assert_says("0.5000"); /* the pruned one is no best */
  shown_width = 80;
  print_with(print_trials, &r);
  assert_says("asynchronous: quick/grouped/0");
  assert_says("1 complete, 1 pruned");
  print_with(report_print_best, &r);
  assert_says("asynchronous: quick/grouped/0");
  report_free(&r);
}

static void a_test_of_a_network_that_was_beaten_is_not_shown(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = finished_study(s, "grouped", 0, 20, 50, 0.7, 0.6543, 0, &w);
  struct report r = load();
  print_with(report_print_tables, &r);
  assert_says("0.6543");
  print_with(report_print_best, &r);
  assert_row("test accuracy 0.6543 (6543 of 10000)");
  report_free(&r);
  add_trial(s, study, trial_of(2, 0.8, 0.5, 1));
  store_close(s);
  r = load();
  print_with(report_print_tables, &r);
  assert_silent_of("0.6543");
  print_with(report_print_best, &r);
  assert_silent_of("0.6543");
  report_free(&r);
}

static void a_function_is_told_by_value_and_direction(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  for (int k = 0; k < 2; k++) {
    char name[40];
    int study, unused = make_record_study(s, k ? "simultaneous" : "grouped", 0, 2, &w);
    (void)unused;
    snprintf(name, sizeof name, "branin/%d", k);
    assert_ok(store_study(s, name, false, &study, NULL, &err));
    snprintf(w.objective, sizeof w.objective, "function");
    snprintf(w.value_name, sizeof w.value_name, "value");
    w.finished = true;
    assert_ok(study_record_write(s, study, &w, &err));
    for (int i = 0; i < 2; i++) {
      struct stored_trial t = trial_of(i, (k ? 3.25 : 1.0 / 3) + i, 0, 0.001 * (k + 1));
      t.images = 0;
      t.flops = 0;
      add_trial(s, study, t);
    }
  }
  raw_exec(
      "DELETE FROM study_directions WHERE study_id IN (SELECT study_id FROM studies WHERE study_name LIKE 'quick%');"
      "DELETE FROM studies WHERE study_name LIKE 'quick%'");
  store_close(s);
  struct report r = load();
  assert_int_equal(r.n, 2);
  print_with(report_print_tables, &r);
  assert_tidy(printed, 80);
  assert_says("Table 4: value (lower is better)\n");
  assert_row("grouped 0.001 s 0.002 s 1");
  assert_row("simultaneous 3.25");
  assert_row("grouped 0.333333");
  assert_row("grouped saves 50.0 % 50.0 % 0.0 %");
  assert_row("grouped differs by -2.91667");
  assert_silent_of("images");
  assert_silent_of("accuracy");
  assert_silent_of("points");
  print_with(report_print_best, &r);
  assert_says("Best configuration: branin/0, trial 0\n");
  assert_row("value 0.3333333333333333");
  assert_silent_of("loss");
  report_free(&r);
}

static void the_best_configuration_is_exact(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 1, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  struct stored_trial t = trial_of(0, 0.98765, 0.125, 1);
  t.values[0] = 0.012345678901234567;
  t.values[7] = 2;
  add_trial(s, study, t);
  store_close(s);
  struct report r = load();
  print_with(report_print_best, &r);
  report_free(&r);
  assert_string_equal(printed, "Best configuration: quick/grouped/0, trial 0\n"
                               "  validation accuracy  0.9877\n"
                               "  loss                 0.1250\n"
                               "\n"
                               "  lr                   0.012345678901234567\n"
                               "  dropout_rate         0.2\n"
                               "  num_conv_layers      3\n"
                               "  num_fc_units         64\n"
                               "  stride               1\n"
                               "  threshold            1\n"
                               "  optimizer            adam\n"
                               "  padding              überall\n"
                               "  momentum             0.9\n"
                               "  one                  7\n");
}

/* ---- trials ---------------------------------------------------------------------------------- */

static void trials_are_one_line_each_or_fit_the_screen(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 40, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  struct stored_trial t = trial_of(0, 0.5, 0.9, 12.25);
  t.group = 0;
  t.values[0] = 3.3333333333e-05;
  add_trial(s, study, t);
  t = trial_of(1, 0.75, 0.5, 5000);
  t.group = 1;
  t.values[7] = 2;
  add_trial(s, study, t);
  add_failed(s, study, 2, "diverged: \"\x01\x02\"");
  t = trial_of(3, NAN, 0, 0);
  t.state = STORED_RUNNING;
  t.group = 5; /* beyond what the study says */
  add_trial(s, study, t);
  store_close(s);
  struct report r = load();
  shown_width = 0;
  print_with(print_trials, &r);
  assert_says("quick/grouped/0: 4 trials, 2 complete, 1 failed, 1 running; unfinished, 3 of 40\ntrials have ended\n");
  assert_row("num_");
  assert_row("validation CPU dropout_ conv_ num_fc_");
  assert_row("trial group state accuracy loss epochs GFLOP seconds lr rate layers units stride threshold optimizer "
             "padding momentum one");
  assert_row("0 first complete 0.5000 0.9000 3 1 12.2 3.333e-05 0.2 3 64 1 1 adam same 0.9 7");
  assert_row("*1 second complete 0.7500 0.5000 3 1 5000.0 0.01 0.2 3 64 1 1 adam überall 0.9 7");
  assert_row("2 failed - - 3 1 1.0 0.01 0.2 3 64 1 1 adam same 0.9 7");
  assert_row("3 5 running - - - - - 0.01 0.2 3 64 1 1 adam same 0.9 7");
  assert_says("  trial 2 failed: diverged: \"\\x01\\x02\"\n");
  assert_tidy(printed, 200);
  for (shown_width = 60; shown_width <= 140; shown_width += 20) {
    print_with(print_trials, &r);
    assert_tidy(printed, shown_width < 80 ? 80 : shown_width); /* the prose around is of 80 */
  }
  shown_width = 80;
  print_with(print_trials, &r);
  assert_says("\n\ntrial  "); /* what did not fit beside the number */
  report_free(&r);
}

static void print_long_cells(FILE *out, const struct report *r)
{
  (void)r;
  struct text_table *t = text_table_create();
  text_table_column(t, "a", false);
  text_table_column(t, "b", true);
  text_table_cell(t, "0123456789012345678901234567890");
  text_table_cell(t, "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"); /* 32 */
  text_table_print(out, t, 0);
  text_table_destroy(t);
}

static void cells_are_cut_by_columns_not_by_bytes(void **state)
{
  (void)state;
  print_with(print_long_cells, NULL);
  assert_string_equal(strchr(printed, '\n') + 1, "0123456789012345678901234567890  üüüüüüüüüüüüüüüüüüüüüüüüüüüü...\n");
  assert_tidy(printed, 31 + 2 + 31);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

enum { FIELDS = 64 };
static char *csv_at;

/* One record of RFC 4180 from csv_at; returns the number of its fields, 0 at the end. */
static int csv_read(char fields[FIELDS][600])
{
  int n = 0;
  if (!*csv_at) return 0;
  for (;;) {
    size_t used = 0;
    if (*csv_at == '"') {
      for (csv_at++; *csv_at != '"' || csv_at[1] == '"'; csv_at++) {
        assert_true(*csv_at && used < 599);
        if (*csv_at == '"') csv_at++;
        fields[n][used++] = *csv_at;
      }
      csv_at++;
    } else {
      while (*csv_at && !strchr(",\n", *csv_at)) {
        assert_true(*csv_at != '"' && used < 599);
        fields[n][used++] = *csv_at++;
      }
    }
    fields[n++][used] = 0;
    assert_true(n < FIELDS && (*csv_at == ',' || *csv_at == '\n'));
    if (*csv_at++ == '\n') return n;
  }
}

static int csv_column(char header[FIELDS][600], int n, const char *name)
{
  int found = -1;
  for (int i = 0; i < n; i++) {
    if (strcmp(header[i], name) != 0) continue;
    assert_int_equal(found, -1);
    found = i;
  }
  return found;
}

/* NaN is an empty field. */
static void assert_number(const char *field, double number)
{
  if (isnan(number) ? field[0] != 0 : !field[0] || strtod(field, NULL) != number)
    fail_msg("%s is not %.17g", field, number);
}

static void csv_reads_back_what_was_stored(void **state)
{
  (void)state;
  enum { N = 40 };
  static char header[FIELDS][600], row[FIELDS][600];
  struct store *s = open_store();
  struct study_record w;
  struct stored_trial all[2][N];
  for (int k = 0; k < 2; k++) {
    int study = make_record_study(s, k ? "simultaneous" : "grouped", k, N, &w);
    assert_ok(study_record_write(s, study, &w, &err));
    for (int i = 0; i < N; i++) {
      all[k][i] = random_trial(11 + (uint64_t)k, i);
      if (i != 7) random_end(11 + (uint64_t)k, &all[k][i]);
      if (all[k][i].state == STORED_FAIL)
        snprintf(all[k][i].reason, sizeof all[k][i].reason, "diverged: a, \"b\"\r\nand c %d", i);
      add_trial(s, study, all[k][i]);
    }
  }
  store_close(s);
  struct report r = load();
  print_with(report_print_csv, &r);
  csv_at = printed;
  int columns = csv_read(header);
  assert_true(strncmp(printed,
                      "study,strategy,round,trial,state,group,value,loss,epochs,seconds,wall_s,flops,images,"
                      "reason,free,best,lr,dropout_rate,num_conv_layers,num_fc_units,",
                      140) == 0);
  assert_int_equal(columns, 16 + fixture_space.n);
  for (int k = 0; k < 2; k++) {
    for (int i = 0; i < N; i++) {
      const struct stored_trial *t = &all[k][i];
      char expected[4096] = "";
      assert_int_equal(csv_read(row), columns);
#define FIELD(name) row[csv_column(header, columns, name)]
#define NUMBER(name, number) assert_number(FIELD(name), number)
      assert_string_equal(FIELD("study"), k ? "quick/simultaneous/1" : "quick/grouped/0");
      assert_string_equal(FIELD("strategy"), k ? "simultaneous" : "grouped");
      NUMBER("round", k);
      NUMBER("trial", i);
      assert_string_equal(FIELD("group"), t->group < 0 ? "" : t->group == 0 ? "first" : t->group == 1 ? "second" : "2");
      assert_string_equal(FIELD("reason"), t->state == STORED_FAIL ? t->reason : "");
      for (int p = 0; p < fixture_space.n; p++) {
        if (t->free[p])
          sprintf(expected + strlen(expected), "%s%s", expected[0] ? " " : "", fixture_space.params[p].name);
      }
      assert_string_equal(FIELD("free"), expected);
      NUMBER("best", i == r.studies[k].best);
      if (i == 7) {
        assert_string_equal(FIELD("state"), "running");
        assert_true(!FIELD("value")[0] && !FIELD("loss")[0] && !FIELD("seconds")[0] && !FIELD("images")[0]);
      } else {
        assert_string_equal(FIELD("state"), t->state == STORED_FAIL     ? "failed"
                                            : t->state == STORED_PRUNED ? "pruned"
                                                                        : "complete");
        NUMBER("value", t->state == STORED_FAIL ? (double)NAN : t->value);
        NUMBER("loss", t->loss);
        NUMBER("epochs", t->epochs);
        NUMBER("seconds", t->seconds);
        NUMBER("wall_s", t->wall_s);
        NUMBER("flops", t->flops);
        NUMBER("images", t->images);
      }
      for (int p = 0; p < fixture_space.n; p++) {
        double value;
        assert_ok(param_value_parse(&fixture_space.params[p], FIELD(fixture_space.params[p].name), &value, &err));
        assert_true(value == t->values[p]);
      }
    }
  }
  assert_int_equal(csv_read(row), 0);
  report_free(&r);
}

/* ---- databases of others --------------------------------------------------------------------- */

static void make_foreign(void)
{
  store_close(open_store());
  raw_exec(
      "INSERT INTO studies VALUES (1, 'their study, with a name that is longer than a column'), (2, 'empty');"
      "INSERT INTO study_directions (direction, study_id, objective) VALUES ('MINIMIZE', 1, 0), ('MAXIMIZE', 2, 0);"
      "INSERT INTO trials VALUES (1, 0, 1, 'COMPLETE', NULL, NULL), (2, 1, 1, 'FAIL', NULL, NULL), "
      "(3, 2, 1, 'WAITING', NULL, NULL), (4, 3, 1, 'COMPLETE', NULL, NULL), (5, 4, 1, 'RUNNING', NULL, NULL);"
      "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (1, 0, 2.5, 'FINITE'), "
      "(4, 0, 1.25, 'FINITE');"
      "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES "
      "(1, 'loss', 0.5, '{\"name\": \"UniformDistribution\", \"attributes\": {\"low\": 0.0, \"high\": 1.0}}'),"
      "(1, 'a', 0, '{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"x\\ny,z\", null]}}'),"
      "(4, 'late', 1e-3, '{\"name\": \"LogUniformDistribution\", \"attributes\": {\"low\": 1e-4, \"high\": 1.0}}');");
}

static void a_study_of_another_program_is_summed_up(void **state)
{
  (void)state;
  static char header[FIELDS][600], row[FIELDS][600];
  make_foreign();
  struct report r = load();
  assert_false(r.studies[0].record.ours);
  print_with(report_print_tables, &r);
  assert_tidy(printed, 80);
  assert_says("Studies of another program\n");
  assert_row("their study, with ... 5 2 1 0 2 3 1.25");
  assert_row("empty 0 0 0 0 0 - -");
  assert_silent_of("Table 3");
  print_with(report_print_best, &r);
  assert_says("Best configuration: their study, with a name that is longer than a column,");
  assert_row("late 0.001");
  assert_row("a -");
  shown_width = 0;
  print_with(print_trials, &r);
  assert_row("0 complete 2.5 0.5 x\\x0ay,z -");
  assert_row("2 waiting - - - -");
  assert_silent_of("unfinished");
  print_with(report_print_csv, &r);
  csv_at = printed;
  int columns = csv_read(header);
  assert_int_equal(columns, 16 + 3);
  assert_int_equal(csv_read(row), columns);
  assert_string_equal(FIELD("params_loss"), "0.5");
  assert_string_equal(FIELD("loss"), "");
  assert_string_equal(FIELD("round"), "");
  assert_string_equal(FIELD("a"), "x\\x0ay,z");
  assert_string_equal(FIELD("late"), "");
  report_free(&r);
}

/* Of several objectives, of a hyperparameter that is none here, of a state that nobody knows. */
static void a_study_that_cannot_be_read_is_named_and_left_out(void **state)
{
  (void)state;
  struct study_record record;
  struct store *s = open_store();
  int ours = make_record_study(s, "grouped", 0, 1, &record);
  assert_ok(study_record_write(s, ours, &record, &err));
  add_trial(s, ours, trial_of(0, 0.5, 1, 1));
  store_close(s);
  raw_exec(
      "INSERT INTO studies VALUES (11, 'two'), (12, 'odd'), (13, 'strange');"
      "INSERT INTO study_directions (direction, study_id, objective) VALUES ('MINIMIZE', 11, 0), ('MAXIMIZE', 11, 1), "
      "('MINIMIZE', 12, 0), ('MINIMIZE', 13, 0);"
      "INSERT INTO trials VALUES (21, 0, 12, 'COMPLETE', NULL, NULL), (22, 0, 13, 'DREAMING', NULL, NULL);"
      "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES "
      "(21, 'x', 0.5, '{\"name\": \"ComplexDistribution\", \"attributes\": {}}')");
  struct report r = load();
  assert_int_equal(r.n, 1);
  assert_int_equal(r.n_left_out, 3);
  assert_string_equal(r.studies[0].name, "quick/grouped/0");
  print_with(report_print_tables, &r);
  assert_tidy(printed, 80);
  assert_row("grouped 1,000 0.001 0.001 1.0 s 1.0 s");
  assert_says("left out: two: study 11 has 2 objectives; gsos reads studies of one\n");
  assert_says("left out: odd: ");
  assert_says("left out: strange: trial 0 has the unknown state 'DREAMING'");
  report_free(&r);
  /* One that gsos made is not left out: a table without it would say something else. */
  raw_exec("UPDATE trials SET state = 'DREAMING' WHERE study_id = 1");
  assert_ok(store_open(&s, db_path, true, NULL, &err));
  assert_int_equal(report_load(&r, s, &err), ERROR_FAILED);
  assert_message("DREAMING");
  store_close(s);
}

static void an_empty_database_says_so(void **state)
{
  (void)state;
  store_close(open_store());
  struct report r = load();
  assert_int_equal(r.n, 0);
  assert_int_equal(report_best(&r), -1);
  print_with(report_print_tables, &r);
  assert_string_equal(printed, "");
  print_with(report_print_best, &r);
  assert_string_equal(printed, "No trial is complete yet.\n");
  print_with(report_print_csv, &r);
  assert_string_equal(printed, "study,strategy,round,trial,state,group,value,loss,epochs,seconds,wall_s,flops,images,"
                               "reason,free,best\n");
  report_free(&r);
}

/* ---- hostile databases ----------------------------------------------------------------------- */

/* Attributes of anything, in every place: the sums stay finite, the tables stay 80 columns wide. */
static void anything_stored_gives_tables_that_fit(void **state)
{
  (void)state;
  static const char *const anything[] = {"null", "\"text\"", "-1",    "1e999",       "-1e999",   "1e308",
                                         "9e15", "0",        "7.5",   "[1]",         "nonsense", "12345678901234567890",
                                         "true", "1e29",     "86400", "\"diverged\""};
  static const char *const keys[] = {"loss",   "epochs", "seconds", "wall_s", "flops",
                                     "images", "group",  "reason",  "free"};
  static const char *const texts[] = {"grouped",
                                      "simultaneous",
                                      "a strategy of thirty-one byte.",
                                      "validation accuracy",
                                      "ü\x01\x7f\\\n",
                                      "accuracy of something with a long nam"};
  static const double values[] = {0.5, 1e300, -1e300, INFINITY, -INFINITY, 123456.789, -1.23456789e-100, 0};
  enum { COUNT_ANY = sizeof anything / sizeof *anything, COUNT_TEXT = sizeof texts / sizeof *texts };
  struct rng random = rng_make(5, 5);
  for (int database = 0; database < 10; database++) {
    struct store *s = open_store();
    for (int k = 0; k < 5; k++) {
      struct study_record w;
      char name[80], sql[300];
      make_record_study(s, texts[rng_below(&random, COUNT_TEXT)], (int)rng_below(&random, 3),
                        (int)rng_below(&random, 5), &w);
      int study;
      snprintf(name, sizeof name, "%d %s a name that goes on and on", k, texts[rng_below(&random, COUNT_TEXT)]);
      assert_ok(store_study(s, name, database % 2, &study, NULL, &err));
      snprintf(w.value_name, sizeof w.value_name, "%s", texts[rng_below(&random, COUNT_TEXT)]);
      w.finished = rng_below(&random, 2);
      w.target_reached = rng_below(&random, 2);
      w.wall_s = rng_below(&random, 2) ? 9e11 : 0.5;
      w.ran_alone = rng_below(&random, 2);
      w.test = (struct study_test){rng_below(&random, 2), (int)rng_below(&random, 3), 1e300, NAN, INT_MAX, INT_MAX};
      w.n_changes = (int)rng_below(&random, 3);
      for (int i = 0; i < w.n_changes; i++) snprintf(w.changes[i], sizeof w.changes[i], "%0290d", i);
      assert_ok(study_record_write(s, study, &w, &err));
      for (int i = 0; i < 4; i++) {
        struct stored_trial t = random_trial((uint64_t)database, i);
        random_end((uint64_t)database, &t);
        if (t.state != STORED_FAIL) t.value = values[rng_below(&random, sizeof values / sizeof *values)];
        add_trial(s, study, t);
      }
      for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(sql, sizeof sql,
                 "UPDATE trial_user_attributes SET value_json = '%s' WHERE \"key\" = 'gsos:%s' AND trial_id %% 3 = %d",
                 anything[rng_below(&random, COUNT_ANY)], keys[i], (int)rng_below(&random, 3));
        raw_exec(sql);
      }
    }
    store_close(s);
    struct report r = load();
    for (int k = 0; k < r.n; k++) {
      const struct report_study *x = &r.studies[k];
      assert_true(isfinite(x->time_s) && isfinite(x->flops) && x->time_s >= x->time_to_best_s &&
                  x->time_to_best_s >= 0);
      assert_true(x->images >= 0 && x->flops >= x->flops_to_best && x->flops_to_best >= 0);
    }
    print_with(report_print_tables, &r);
    assert_tidy(printed, 80);
    assert_silent_of("nan");
    print_with(report_print_best, &r);
    assert_tidy(printed, 100);
    shown_width = 80;
    print_with(print_trials, &r);
    assert_tidy(printed, 80);
    print_with(report_print_csv, &r);
    report_free(&r);
    remove_all(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
  }
}

/* ---- repeats --------------------------------------------------------------------------------- */

static void repeats_are_a_mean_and_a_deviation_and_their_own_cost(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 2, 2, &w);
  struct study_repeat all[] = {
      {.ended = true, .value = 0.97, .tested = true, .test = 0.95, .flops = 1e12, .images = 1000},
      {.ended = true, .value = 0.99, .tested = true, .test = 0.97, .flops = 1e12, .images = 1000},
      {.ended = true, .failed = true, .flops = 5e11, .images = 500},
      {.ended = false}};
  struct study_repeats repeats = {.trial = 1, .first = 1000000, .n = 4, .all = all};
  assert_ok(study_record_write(s, study, &w, &err));
  assert_ok(study_record_write_repeats(s, study, &repeats, &err));
  add_trial(s, study, trial_of(0, 0.9, 0.3, 1));
  add_trial(s, study, trial_of(1, 0.995, 0.1, 1));
  struct report r = load();
  print_with(report_print_repeats, &r);
  assert_row("grouped 2 1 2 0.9800 ± 0.0141 0.9600 ± 0.0141");
  assert_non_null(strstr(printed, "they took 2,500 images and 2.5 TFLOP, which no other table counts"));
  assert_non_null(strstr(printed, "1 of them diverged"));
  assert_non_null(strstr(printed, "1 of them are still to be made"));
  print_with(report_print_best, &r);
  assert_row("trained again validation 0.9800 ± 0.0141, test 0.9600 ± 0.0141");
  report_free(&r);

  repeats.n = 1;
  assert_ok(study_record_write_repeats(s, study, &repeats, &err));
  r = load();
  print_with(report_print_repeats, &r);
  assert_row("grouped 2 1 1 0.9700 0.9500");
  assert_null(strstr(printed, "±"));
  assert_non_null(strstr(printed, "once,"));
  report_free(&r);

  repeats.trial = 0; /* those of a trial that has been beaten say nothing of the best */
  assert_ok(study_record_write_repeats(s, study, &repeats, &err));
  r = load();
  print_with(report_print_repeats, &r);
  assert_string_equal(printed, "");
  print_with(report_print_best, &r);
  assert_null(strstr(printed, "trained again"));
  report_free(&r);
  store_close(s);
}

/* ---- all ------------------------------------------------------------------------------------- */

/* A database that a test of the command line can show. */
static int write_database(const char *path)
{
  struct study_record w;
  snprintf(db_path, sizeof db_path, "%s", path);
  struct store *s = open_store();
  finished_study(s, "grouped", 0, 27 * 60 + 19, 37 * 60 + 22, 0.7433, 0.7267, 0, &w);
  finished_study(s, "simultaneous", 0, 37 * 60 + 37, 52 * 60, 0.7646, 0.7298, 0, &w);
  int study = make_record_study(s, "greedy", 0, 3000, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  add_failed(s, study, 0, "diverged: a \"loss\", not finite");
  store_close(s);
  return 0;
}

/* The text that an experiment of this space keeps, which says its defaults. */
static char *search_text_of(const struct space *space)
{
  static char text[8 * PARAM_TEXT_MAX];
  static char line[PARAM_TEXT_MAX];
  size_t used = 0;
  for (int i = 0; i < space->n; i++) {
    param_format(&space->params[i], line, sizeof line);
    used += (size_t)snprintf(text + used, sizeof text - used, "space.%s = %s\n", space->params[i].name, line);
  }
  return text;
}

/* A study of trials with these values, of which the first has the defaults, or not. */
static void print_baseline_of(int n, const double *values, int value_n, const char *value_name, bool defaults)
{
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, n, &w);
  w.search = search_text_of(&fixture_space);
  w.value_n = value_n;
  snprintf(w.value_name, sizeof w.value_name, "%s", value_name);
  assert_ok(study_record_write(s, study, &w, &err));
  for (int i = 0; i < n; i++) {
    struct stored_trial t = trial_of(i, values[i], 0.5, 1);
    if (i > 0 || !defaults) t.values[0] = fixture_space.params[0].low;
    if (isnan(values[i])) t.state = STORED_FAIL;
    add_trial(s, study, t);
  }
  store_close(s);
  struct report r = load();
  print_with(report_print_baseline, &r);
  report_free(&r);
  unlink(db_path);
}

/* sqrt((0.9861 · 0.0139 + 0.9881 · 0.0119) / 1000) = 0.0050 */
static void the_gain_over_the_defaults_stands_beside_its_noise(void **state)
{
  (void)state;
  print_baseline_of(3, (double[]){0.9861, 0.97, 0.9881}, 1000, "validation accuracy", true);
  assert_row("The defaults: 0.9861; the search: 0.9881 (+0.20 points; noise of 1000 images:");
  assert_row("about 0.50)");
  print_baseline_of(3, (double[]){0.9861, 0.97, 0.9881}, 0, "validation accuracy", true);
  assert_string_equal(printed, "The defaults: 0.9861; the search: 0.9881 (+0.20 points)\n\n");
  print_baseline_of(2, (double[]){2, 3.5}, 0, "value", true);
  assert_string_equal(printed, "The defaults: 2; the search: 3.5 (+1.5)\n\n");
  print_baseline_of(2, (double[]){0.9, 0.8}, 1000, "validation accuracy", true);
  assert_string_equal(printed, "The defaults: 0.9000; the search found nothing better\n\n");
  print_baseline_of(2, (double[]){NAN, 0.8}, 1000, "validation accuracy", true);
  assert_string_equal(printed, "The defaults: failed; the search: 0.8000\n\n");
  print_baseline_of(2, (double[]){0.7, 0.8}, 1000, "validation accuracy", false);
  assert_string_equal(printed, "");
}

int main(int argc, char **argv)
{
  if (argc == 3 && !strcmp(argv[1], "--write")) {
    if (fixture_setup(NULL)) return 1;
    int code = write_database(argv[2]);
    fixture_teardown(NULL);
    return code;
  }
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(a_record_comes_back_as_it_was_written),
      TEST(classes_come_back_as_they_were_written),
      TEST(damaged_classes_read_as_none),
      TEST(attributes_are_written_together),
      TEST(what_the_best_network_gets_wrong_is_printed),
      TEST(repeats_come_back_as_they_were_written),
      TEST(repeats_are_a_mean_and_a_deviation_and_their_own_cost),
      TEST(the_strategy_is_written_last),
      TEST(texts_that_are_no_utf8_are_written_as_json),
      TEST(hostile_attributes_read_as_missing),
      TEST(changes_are_kept_as_far_as_they_can_be_read),
      TEST(sums_go_to_the_best_and_over_all),
      TEST(best_is_higher_value_then_lower_loss_then_lower_number),
      TEST(the_best_of_all_is_of_our_studies_and_one_order),
      TEST(a_study_is_finished_when_all_trials_or_the_target_are),
      TEST(tables_say_what_the_papers_do),
      TEST(shares_of_a_device_are_compared_with_nothing),
      TEST(the_gain_over_the_defaults_stands_beside_its_noise),
      TEST(what_studies_start_from_is_told_once),
      TEST(rounds_are_averaged_with_their_deviation),
      TEST(rounds_are_paired_whatever_order_they_stand_in),
      TEST(a_figure_that_a_round_lacks_has_no_mean),
      TEST(every_other_strategy_is_held_against_simultaneous),
      TEST(a_study_on_its_way_is_compared_with_nothing),
      TEST(failures_changes_targets_and_timeouts_are_told),
      TEST(where_all_failed_the_first_of_each_kind_stands_in_full),
      TEST(cost_by_time_is_told),
      TEST(pruned_trials_and_an_asynchronous_order_are_told),
      TEST(a_test_of_a_network_that_was_beaten_is_not_shown),
      TEST(a_function_is_told_by_value_and_direction),
      TEST(the_best_configuration_is_exact),
      TEST(trials_are_one_line_each_or_fit_the_screen),
      TEST(cells_are_cut_by_columns_not_by_bytes),
      TEST(csv_reads_back_what_was_stored),
      TEST(a_study_of_another_program_is_summed_up),
      TEST(a_study_that_cannot_be_read_is_named_and_left_out),
      TEST(an_empty_database_says_so),
      TEST(anything_stored_gives_tables_that_fit),
  };
  int failed = cmocka_run_group_tests_name("report", tests, NULL, NULL);
  free(printed);
  return failed;
}
