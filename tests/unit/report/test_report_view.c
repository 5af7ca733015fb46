/* Which trials are shown and in which order, one trial with its epochs, and trials as JSON, read by
 * a parser that is not the writer's. */
#include "tests/unit/report/report_fixture.h"

#include <cjson/cJSON.h>

#include "host/base/text_sparkline.h"
#include "host/report/report_importance_run.h"
#include "host/report/report_internal.h"
#include "host/report/report_view.h"

/* Six trials: values 0.5, failed, 0.9, 0.7 pruned, 0.9 with a lower loss, running. */
static struct report six_trials(void)
{
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "grouped", 0, 6, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  struct stored_trial t = trial_of(0, 0.5, 0.9, 30);
  t.group = 0;
  t.free[0] = true;
  t.values[0] = 0.5;
  add_trial(s, study, t);
  add_failed(s, study, 1, "diverged: x");
  add_trial(s, study, trial_of(2, 0.9, 0.5, 10));
  t = trial_of(3, 0.7, 0.4, 20);
  t.state = STORED_PRUNED;
  add_trial(s, study, t);
  t = trial_of(4, 0.9, 0.25, 40);
  t.values[0] = 1e-4;
  assert_ok(store_trial_start(s, study, &fixture_space, &t, &err));
  for (int i = 1; i <= 3; i++) assert_ok(store_trial_epoch(s, study, 4, i, 0.3 * i, &err));
  assert_ok(store_trial_end(s, study, &t, &err));
  t = trial_of(5, NAN, 0, 0);
  t.state = STORED_RUNNING;
  add_trial(s, study, t);
  study = make_record_study(s, "simultaneous", 1, 6, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  add_trial(s, study, trial_of(0, 0.5, 0.9, 30));
  store_close(s);
  return load();
}

static void assert_order(const struct report_study *s, struct report_view v, const char *numbers)
{
  int *order, n;
  char text[100] = "";
  size_t used = 0;
  assert_ok(report_view_order(s, &v, &order, &n, &err));
  for (int i = 0; i < n; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%d", i ? " " : "", s->trials[order[i]].number);
  free(order);
  assert_string_equal(text, numbers);
}

static void trials_are_chosen_and_sorted(void **state)
{
  (void)state;
  struct report r = six_trials();
  const struct report_study *s = &r.studies[0];
  assert_order(s, (struct report_view){.trial = -1}, "0 1 2 3 4 5");
  assert_order(s, (struct report_view){.trial = 3}, "3");
  assert_order(s, (struct report_view){.trial = 6}, "");
  assert_order(s, (struct report_view){.trial = -1, .top = 2}, "4 2"); /* of equal values the lower loss */
  assert_order(s, (struct report_view){.trial = -1, .top = 9}, "4 2 0");
  assert_order(s, (struct report_view){.trial = -1, .top = 2, .sort = "number"}, "2 4");
  assert_order(s, (struct report_view){.trial = -1, .sort = "value"}, "2 4 3 0 1 5");
  assert_order(s, (struct report_view){.trial = -1, .sort = "-value"}, "0 3 2 4 1 5");
  assert_order(s, (struct report_view){.trial = -1, .sort = "seconds"}, "1 2 3 0 4 5");
  assert_order(s, (struct report_view){.trial = -1, .sort = "lr"}, "4 1 2 3 5 0");
  assert_order(s, (struct report_view){.trial = -1, .sort = "-lr"}, "0 1 2 3 5 4");
  s = &r.studies[1];
  r.studies[1].maximize = false;
  assert_order(s, (struct report_view){.trial = -1, .sort = "value", .top = 1}, "0");
  report_free(&r);
}

static void a_column_that_is_none_gets_its_neighbour(void **state)
{
  (void)state;
  struct report r = six_trials();
  static const char *const good[] = {"value", "-value", "flops", "lr", "-optimizer"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_ok(report_view_check(&r, 1, good[i], &err));
  assert_int_equal(report_view_check(&r, 1, "momentun", &err), ERROR_CONFIG);
  assert_message("--sort momentun: there is no such column; did you mean 'momentum'?");
  assert_int_equal(report_view_check(&r, 1, "-secnds", &err), ERROR_CONFIG);
  assert_message("did you mean 'seconds'?");
  assert_int_equal(report_view_check(&r, 1, "\x1b[31m", &err), ERROR_CONFIG);
  assert_message("\\x1b[31m: there is no such column; it takes value, number");
  report_free(&r);
}

static void a_study_goes_by_three_names(void **state)
{
  (void)state;
  static const struct {
    const char *name;
    int left;
  } cases[] = {{"quick/simultaneous/1", 1},
               {"simultaneous/1", 1},
               {"simultaneous", 1},
               {"simultaneous/0", 0},
               {"quick", 0},
               {"", 0},
               {"1", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct report r = six_trials();
    assert_int_equal(report_keep(&r, cases[i].name), cases[i].left);
    assert_int_equal(r.n, cases[i].left);
    if (r.n) assert_string_equal(r.studies[0].record.strategy, "simultaneous");
    report_free(&r);
    unlink(db_path);
  }
}

static void print_chosen(FILE *out, const struct report *r)
{
  report_print_trials_of(out, &r->studies[0], (int[]){4, 0}, 2, 80);
}

static void print_one(FILE *out, const struct report *r)
{
  const struct report_study *s = &r->studies[0];
  report_print_trial(out, s, &s->trials[4], (double[]){0.3, NAN, 0.65, 0.9}, 4);
}

static void print_failed(FILE *out, const struct report *r)
{
  report_print_trial(out, &r->studies[0], &r->studies[0].trials[1], NULL, 0);
}

static void chosen_trials_stand_in_their_order(void **state)
{
  (void)state;
  struct report r = six_trials();
  print_with(print_chosen, &r);
  assert_tidy(printed, 80);
  assert_says("quick/grouped/0: 6 trials, 3 complete, 1 failed, 1 pruned, 1 running;\n"
              "unfinished, 5 of 6 trials have ended\n");
  assert_says("\nbest so far  ▁▁████  0.9000 at trial 4\n");
  assert_says("* the best of this study\n");
  assert_silent_of("diverged"); /* that trial is not among them */
  const char *first = strstr(printed, "\n   *4 "), *second = strstr(printed, "\n    0 ");
  assert_true(first && second && first < second);
  report_free(&r);
}

static void a_trial_is_shown_with_all_its_epochs(void **state)
{
  (void)state;
  struct report r = six_trials();
  print_with(print_one, &r);
  assert_tidy(printed, 80);
  assert_says("quick/grouped/0, trial 4: complete, the best of this study\n"
              "  validation accuracy  0.9000\n  loss                 0.2500\n  epochs               3\n"
              "  images trained       1000\n  work                 1.00 GFLOP\n  CPU time             40 s\n\n"
              "  lr                   0.0001  (held)\n");
  assert_says("  one                  7\n"); /* fixed: nobody could search it */
  assert_says("\n  epochs 1 to 4  ▁ ▅█\n");
  assert_row("1 0.3000");
  assert_row("2 -");
  assert_row("3 0.6500");
  assert_row("4 0.9000");
  print_with(print_failed, &r);
  assert_tidy(printed, 80);
  assert_says("quick/grouped/0, trial 1: failed\n  diverged: x\n  validation accuracy  -\n");
  assert_silent_of("epoch  ");
  snprintf(r.studies[0].record.depends_on, 64, "cuda, NVIDIA H100, fp32");
  print_with(print_one, &r);
  assert_says("\n  device time          40 s\n");
  report_free(&r);
}

/* ---- bars ------------------------------------------------------------------------------------ */

static void a_sparkline_keeps_the_last_of_each_share(void **state)
{
  char text[TEXT_SPARKLINE_SIZE(8)];
  (void)state;
  static const double steps[] = {0, 1, 2, 3, 4, 5, 6, 7};
  assert_string_equal(text_sparkline(text, 8, steps, 8, 0, 8), "▁▂▃▄▅▆▇█");
  assert_string_equal(text_sparkline(text, 4, steps, 8, 0, 8), "▂▄▆█");
  assert_string_equal(text_sparkline(text, 3, steps, 8, 0, 8), "▂▅█");
  assert_string_equal(text_sparkline(text, 8, (double[]){-9, NAN, 99, 4}, 4, 0, 8), "▁ █▅");
  assert_string_equal(text_sparkline(text, 8, (double[]){1, 1}, 2, 1, 1), "██");
  assert_string_equal(text_sparkline(text, 8, NULL, 0, 0, 1), "");
}

static void print_importance(FILE *out, const struct report *r)
{
  struct run_importance i;
  assert_ok(run_importance_measure(&i, r, NULL, &err));
  run_importance_print(out, &i);
  run_importance_free(&i);
}

/* Of a study whose value is its learning rate. */
static void importance_is_a_bar_a_hyperparameter(void **state)
{
  (void)state;
  struct store *s = open_store();
  struct study_record w;
  int study = make_record_study(s, "simultaneous", 0, 60, &w);
  assert_ok(study_record_write(s, study, &w, &err));
  struct rng random = rng_make(1, 1);
  for (int i = 0; i < 60; i++) {
    struct stored_trial t = trial_of(i, 0, 0.5, 1);
    for (int k = 0; k < fixture_space.n; k++) {
      t.values[k] = param_from_unit(&fixture_space.params[k], rng_uniform(&random));
      t.free[k] = true;
    }
    t.value = param_to_unit(&fixture_space.params[0], t.values[0]);
    add_trial(s, study, t);
  }
  store_close(s);
  struct report r = load();
  print_with(print_importance, &r);
  assert_tidy(printed, 80);
  assert_says("Which hyperparameters mattered, by nrrelieff\n");
  const char *lr = strstr(printed, "\nlr "), *other = strstr(printed, "\ndropout_rate ");
  assert_true(lr && other && lr < other && strstr(lr, "###############################") < other);
  assert_says("fewer than ten trials for each hyperparameter");
  assert_silent_of("momentum"); /* has one value */
  report_free(&r);
  unlink(db_path);
  store_close(open_store());
  r = load();
  print_with(print_importance, &r);
  assert_string_equal(printed, "");
  report_free(&r);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static const cJSON *at(const cJSON *o, const char *name)
{
  const cJSON *found = cJSON_GetObjectItemCaseSensitive(o, name);
  if (!found) fail_msg("no %s", name);
  return found;
}

static void json_has_the_trials_and_their_epochs(void **state)
{
  (void)state;
  struct report r = six_trials();
  struct store *s;
  static const char *const path = "a \"path\" \xff";
  const struct report_view v = {.trial = 4};
  assert_ok(store_open(&s, db_path, true, NULL, &err));
  char *text = report_view_json(&r, &path, &s, 1, &v, NULL, &err);
  assert_non_null(text);
  assert_null(strchr(text, '\n'));
  cJSON *root = cJSON_Parse(text);
  free(text);
  const cJSON *run = cJSON_GetArrayItem(at(root, "runs"), 0), *study = cJSON_GetArrayItem(at(run, "studies"), 0);
  assert_string_equal(at(run, "database")->valuestring, "a \"path\" \xef\xbf\xbd");
  assert_string_equal(at(study, "name")->valuestring, "quick/grouped/0");
  assert_true(at(study, "best")->valueint == 4 && at(study, "complete")->valueint == 3);
  assert_true(cJSON_IsFalse(at(study, "finished")));
  const cJSON *trials = at(study, "trials"), *t = cJSON_GetArrayItem(trials, 0);
  assert_int_equal(cJSON_GetArraySize(trials), 1);
  assert_true(at(t, "trial")->valueint == 4 && at(t, "value")->valuedouble == 0.9 && cJSON_IsTrue(at(t, "best")));
  assert_true(at(at(t, "params"), "lr")->valuedouble == 1e-4 && at(at(t, "params"), "threshold")->valuedouble == 1);
  assert_string_equal(at(at(t, "params"), "optimizer")->valuestring, "adam");
  const cJSON *epochs = at(t, "epoch_values");
  assert_int_equal(cJSON_GetArraySize(epochs), 3);
  assert_true(cJSON_GetArrayItem(epochs, 2)->valuedouble == 0.3 * 3);
  cJSON_Delete(root);

  const struct report_view all = {.trial = -1};
  struct report_study *tested = &r.studies[0];
  tested->record.test = (struct study_test){.available = true, .trial = 4, .value = 1.5};
  snprintf(tested->record.value_name, sizeof tested->record.value_name, "validation loss");
  text = report_view_json(&r, &path, &s, 1, &all, NULL, &err);
  store_close(s);
  root = cJSON_Parse(text);
  free(text);
  study = cJSON_GetArrayItem(at(cJSON_GetArrayItem(at(root, "runs"), 0), "studies"), 0);
  assert_true(at(study, "test_value")->valuedouble == 1.5);
  assert_null(cJSON_GetObjectItemCaseSensitive(study, "test_accuracy")); /* a loss is none */
  assert_null(cJSON_GetObjectItemCaseSensitive(study, "repeats"));
  trials = at(study, "trials");
  assert_int_equal(cJSON_GetArraySize(trials), 6);
  assert_true(cJSON_IsNull(at(cJSON_GetArrayItem(trials, 5), "value")));
  assert_string_equal(at(cJSON_GetArrayItem(trials, 1), "reason")->valuestring, "diverged: x");
  assert_null(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(trials, 0), "epoch_values"));
  cJSON_Delete(root);
  report_free(&r);
}

/* Three trainings, of which one diverged and one is still to be made. */
static void json_has_the_repeats_of_the_best(void **state)
{
  (void)state;
  struct report r = six_trials();
  struct store *s;
  static const char *const path = "study.db";
  const struct report_view all = {.trial = -1};
  struct study_repeat made[] = {{.ended = true,
                                 .value = 0.75,
                                 .loss = 0.5,
                                 .tested = true,
                                 .test = 0.7,
                                 .test_loss = 0.6,
                                 .seconds = 2,
                                 .images = 90},
                                {.ended = true, .failed = true, .seconds = 1, .images = 30},
                                {.ended = false},
                                {.ended = true,
                                 .value = 0.85,
                                 .loss = 0.4,
                                 .tested = true,
                                 .test = 0.9,
                                 .test_loss = 0.2,
                                 .seconds = 3,
                                 .images = 90}};
  struct study_repeats *repeats = &r.studies[0].record.repeats;
  *repeats = (struct study_repeats){.trial = 4, .first = 1000000, .n = 4, .all = made};
  assert_ok(store_open(&s, db_path, true, NULL, &err));
  char *text = report_view_json(&r, &path, &s, 1, &all, NULL, &err);
  cJSON *root = cJSON_Parse(text);
  free(text);
  const cJSON *run = cJSON_GetArrayItem(at(root, "runs"), 0);
  const cJSON *o = at(cJSON_GetArrayItem(at(run, "studies"), 0), "repeats"), *trainings = at(o, "trainings");
  assert_int_equal(cJSON_GetArraySize(at(run, "learnt")), 0); /* six trials teach nothing */
  assert_true(at(o, "trial")->valueint == 4 && at(o, "n")->valueint == 2);
  assert_float_equal(at(o, "mean")->valuedouble, 0.8, 1e-12);
  assert_float_equal(at(o, "deviation")->valuedouble, 0.05 * 1.4142135623730951, 1e-12);
  assert_float_equal(at(o, "test_mean")->valuedouble, 0.8, 1e-12);
  assert_float_equal(at(o, "test_deviation")->valuedouble, 0.1 * 1.4142135623730951, 1e-12);
  assert_int_equal(cJSON_GetArraySize(trainings), 4);
  static const char *const states[] = {"complete", "failed", "missing", "complete"};
  for (int k = 0; k < 4; k++) {
    const cJSON *one = cJSON_GetArrayItem(trainings, k);
    assert_string_equal(at(one, "state")->valuestring, states[k]);
    assert_int_equal(at(one, "training")->valueint, 1000000 + k);
    assert_int_equal(cJSON_IsNull(at(one, "value")), k == 1 || k == 2);
  }
  assert_true(at(cJSON_GetArrayItem(trainings, 3), "test_loss")->valuedouble == 0.2);
  cJSON_Delete(root);
  repeats->trial = 1; /* of an earlier best */
  text = report_view_json(&r, &path, &s, 1, &all, NULL, &err);
  assert_null(strstr(text, "repeats"));
  free(text);
  *repeats = (struct study_repeats){0};
  store_close(s);
  report_free(&r);
}

/* Every table and page shows these; what a study lacks is told as such, not as 0. */
static void a_figure_is_there_or_not(void **state)
{
  static const report_measure all[] = {report_best_value, report_images,       report_tflop,    report_tflop_to_best,
                                       report_time,       report_time_to_best, report_wall_time};
  struct stored_trial trials[2] = {{.value = 0.5}, {.value = 0.75}};
  struct report_study s = {.trials = trials, .n = 2, .best = -1};
  const double expected[] = {0.75, 300, 3, 2, 8, 6, 9};
  double value;
  (void)state;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) assert_false(all[i](&s, &value));
  s.images = 300, s.flops = 3e12, s.flops_to_best = 2e12, s.time_s = 8, s.time_to_best_s = 6, s.record.wall_s = 9;
  assert_false(report_wall_time(&s, &value)); /* others ran beside it */
  s.record.ran_alone = true;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    bool to_best = all[i] == report_best_value || all[i] == report_tflop_to_best || all[i] == report_time_to_best;
    assert_int_equal(all[i](&s, &value), !to_best);
  }
  s.best = 1;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    assert_true(all[i](&s, &value));
    assert_true(fabs(value - expected[i]) < 1e-9);
  }
  trials[1].value = INFINITY;
  s.trials = trials;
  assert_false(report_best_value(&s, &value));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(trials_are_chosen_and_sorted),         TEST(a_column_that_is_none_gets_its_neighbour),
      TEST(a_study_goes_by_three_names),          TEST(chosen_trials_stand_in_their_order),
      TEST(a_trial_is_shown_with_all_its_epochs), TEST(a_sparkline_keeps_the_last_of_each_share),
      TEST(importance_is_a_bar_a_hyperparameter), TEST(json_has_the_trials_and_their_epochs),
      TEST(json_has_the_repeats_of_the_best),     cmocka_unit_test(a_figure_is_there_or_not),
  };
  int failed = cmocka_run_group_tests_name("report_view", tests, NULL, NULL);
  free(printed);
  return failed;
}
