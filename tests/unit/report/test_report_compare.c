/* Runs side by side: the paper's own six data sets, what is not compared, names of any bytes. */
#include "tests/unit/report/report_fixture.h"

#include "host/report/report_compare.h"

enum { RUNS = 6 };

static struct report runs[RUNS];
static const char *names[RUNS] = {"AHE",          "Intel scenes", "Rock-Paper-Scissors",
                                  "Dogs vs cats", "Flowers",      "Kuzushiji-49"};
static struct report_compare compared;

/* A finished study of one round, in memory. */
static void fill(struct report_study *s, const char *strategy, double to_best, double whole, double value, double test)
{
  *s = (struct report_study){.maximize = true,
                             .n = 1,
                             .complete = 1,
                             .finished = true,
                             .time_to_best_s = to_best,
                             .time_s = whole,
                             .trials = calloc(1, sizeof *s->trials)};
  s->trials[0] = (struct stored_trial){.state = STORED_COMPLETE, .value = value};
  s->record.ours = true;
  s->record.test = (struct study_test){true, 0, test, 0, 1000, 0};
  snprintf(s->record.strategy, sizeof s->record.strategy, "%s", strategy);
  snprintf(s->record.objective, sizeof s->record.objective, "cnn");
  snprintf(s->record.value_name, sizeof s->record.value_name, "validation accuracy");
}

/* Tables 3 and 4 of the paper: seconds to the best and in all, accuracies. */
static void make_runs(void)
{
  static const double rows[RUNS][2][4] = {
      {{1639, 2242, 0.7433, 0.7267}, {2257, 3120, 0.7646, 0.7298}},
      {{1348, 3065, 0.7369, 0.7605}, {2961, 4712, 0.7647, 0.7513}},
      {{1330, 1938, 0.9890, 0.9784}, {1151, 3098, 0.9959, 0.9858}},
      {{5521, 8010, 0.7577, 0.7404}, {7276, 10869, 0.7929, 0.7538}},
      {{2937, 3860, 0.6665, 0.6651}, {4231, 5535, 0.6823, 0.6669}},
      {{11048, 12401, 0.9613, 0.9260}, {11831, 18947, 0.9650, 0.9307}},
  };
  for (int i = 0; i < RUNS; i++) {
    runs[i] = (struct report){.n = 2, .studies = calloc(2, sizeof *runs[i].studies)};
    for (int k = 0; k < 2; k++) {
      const double *row = rows[i][k];
      fill(&runs[i].studies[k], k ? "simultaneous" : "grouped", row[0], row[1], row[2], row[3]);
    }
  }
}

static void free_runs(void)
{
  for (int i = 0; i < RUNS; i++) {
    for (int k = 0; k < runs[i].n; k++) free(runs[i].studies[k].trials);
    free(runs[i].studies);
  }
}

static void print(FILE *out, const struct report *r)
{
  assert_ok(report_compare_make(&compared, r, names, RUNS, &err));
  report_compare_print(out, &compared);
  report_compare_free(&compared);
}

static void print_page(FILE *out, const struct report *r)
{
  assert_ok(report_compare_make(&compared, r, names, RUNS, &err));
  report_compare_html(out, &compared, &(struct plots){0}, ".", "plots", NULL);
  report_compare_free(&compared);
}

/* The means are those of the rows: of 28.1, 35.0, 37.4, 26.3, 30.3 and 34.5 % saved, 31.9 %. */
static void the_last_row_is_the_mean_over_the_data_sets(void **state)
{
  (void)state;
  make_runs();
  print_with(print, runs);
  free_runs();
  assert_tidy(printed, 80);
  assert_row("AHE, grouped 1 0.7433 0.7267 0:27:19 0:37:22");
  assert_row("Dogs vs cats, simultaneous 1 0.7929 0.7538 2:01:16 3:01:09");
  assert_row("AHE -2.13 points -0.31 points 27.4 % 28.1 %");
  assert_row("Rock-Paper-Scissors -0.69 points -0.74 points -15.6 % 37.4 %");
  assert_row("mean of 6 runs -1.85 points -0.35 points 21.3 % 31.9 %");
  assert_row("± (95 %) 1.27 points 0.78 points 24.9 % 4.6 %");
  assert_row("...Paper-Scissors, simultaneous 1 0.9959 0.9858 0:19:11 0:51:38");
  assert_silent_of("TFLOP"); /* nothing is known of it */
}

static void what_cannot_be_compared_has_no_mean(void **state)
{
  (void)state;
  make_runs();
  snprintf(runs[0].studies[0].record.value_name, 64, "value"); /* no accuracy */
  runs[1].studies[0].record.test.available = false;
  snprintf(runs[2].studies[1].record.depends_on, 64, "cuda, NVIDIA H100, fp32");
  runs[3].studies[0].finished = false;
  runs[5].studies[0].record.ours = runs[5].studies[1].record.ours = false; /* another program's */
  print_with(print, runs);
  free_runs();
  assert_tidy(printed, 80);
  assert_row("AHE -0.0213 -0.31 points 27.4 % 28.1 %");
  assert_row("Intel scenes -2.78 points - 54.5 % 35.0 %");
  assert_row("Rock-Paper-Scissors -0.69 points -0.74 points - -");
  assert_silent_of("Dogs vs cats, grouped");
  assert_row("mean of 4 runs - - - -");
  assert_says(": no study in it is gsos'; it is left out\n");
  assert_says("  Dogs vs cats: studies that are not finished are left out\n");
  assert_says("  times of a GPU are shares");
}

/* On a GPU: images and FLOPs first; the time is named, and compared with nothing; wall time is,
 * where all studies ran alone. */
static void times_are_named_and_wall_time_is_that_of_studies_that_ran_alone(void **state)
{
  (void)state;
  make_runs();
  for (int i = 0; i < RUNS; i++)
    for (int k = 0; k < 2; k++) {
      struct report_study *s = &runs[i].studies[k];
      snprintf(s->record.depends_on, sizeof s->record.depends_on, "cuda, NVIDIA H100, fp32");
      s->images = k ? 6000 : 3000;
      s->flops = k ? 4e12 : 1e12;
      s->flops_to_best = k ? 2e12 : 1e12;
      s->record.wall_s = k ? 200 : 150;
      s->record.ran_alone = i != 1 || k != 0;
    }
  print_with(print, runs);
  assert_tidy(printed, 80);
  assert_row("best test images TFLOP"); /* of a wide table the rest stands below */
  assert_row("run, strategy rounds value accuracy trained to best");
  assert_row("AHE, grouped 1 0.7433 0.7267 3,000 1");
  assert_row("TFLOP time to device wall");
  assert_row("AHE, grouped 1 0:27:19 0:37:22 0:02:30");
  assert_row("Intel scenes, grouped 1 0:22:28 0:51:05 -");
  assert_row("AHE -2.13 points -0.31 points 50.0 % 50.0 % 75.0 %");
  assert_row("Intel scenes -2.78 points +0.92 points 50.0 % 50.0 % 75.0 %");
  assert_row("run time"); /* of the walls */
  assert_row("AHE 25.0 %");
  assert_row("Intel scenes -");
  assert_row("mean of 6 runs -");
  snprintf(runs[0].studies[0].record.depends_on, 64, "cpu, avx2"); /* then no clock is all runs' */
  print_with(print, runs);
  assert_row("TFLOP time to whole wall");
  assert_silent_of("device");
  free_runs();
}

static void name_metric(struct report *r, const char *name)
{
  for (int k = 0; k < r->n; k++) snprintf(r->studies[k].record.value_name, 64, "%s", name);
}

static void test_values_are_of_the_metric(void **state)
{
  (void)state;
  make_runs();
  for (int i = 0; i < RUNS; i++) name_metric(&runs[i], "validation loss");
  print_with(print, runs);
  assert_row("run, strategy rounds value loss best time"); /* below "best test ..." */
  assert_row("AHE -0.0213 -0.0031 27.4 % 28.1 %");         /* a loss has no points */
  assert_row("mean of 6 runs - - 21.3 % 31.9 %");
  for (int i = 0; i < RUNS; i++) name_metric(&runs[i], i == 0 ? "validation macro F1" : "validation accuracy");
  print_with(print, runs);
  free_runs();
  assert_row("run, strategy rounds value value best time");
  assert_row("AHE -2.13 points -0.31 points 27.4 % 28.1 %");
  assert_row("mean of 6 runs - - 21.3 % 31.9 %"); /* of both there is none */
  assert_says("  the runs are of different metrics");
}

static void runs_without_a_finished_study_are_refused(void **state)
{
  (void)state;
  make_runs();
  for (int i = 0; i < RUNS; i++) runs[i].studies[0].finished = runs[i].studies[1].finished = false;
  assert_int_equal(report_compare_make(&compared, runs, names, RUNS, &err), ERROR_FAILED);
  assert_message("no run has a finished study");
  report_compare_free(&compared);
  free_runs();
}

static void names_of_any_bytes_are_shown_as_text(void **state)
{
  (void)state;
  make_runs();
  names[0] = "<b>\x1b[31m";
  print_with(print_page, runs);
  assert_says("<th>&lt;b&gt;\\x1b[31m, grouped</th>");
  assert_says("<th>mean of 6 runs</th><td class=\"n\">-1.85 points</td>");
  print_with(print, runs);
  assert_row("<b>\\x1b[31m, grouped 1 0.7433 0.7267 0:27:19 0:37:22");
  names[0] = "AHE";
  free_runs();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
  const struct CMUnitTest tests[] = {
      TEST(the_last_row_is_the_mean_over_the_data_sets),
      TEST(what_cannot_be_compared_has_no_mean),
      TEST(times_are_named_and_wall_time_is_that_of_studies_that_ran_alone),
      TEST(test_values_are_of_the_metric),
      TEST(runs_without_a_finished_study_are_refused),
      TEST(names_of_any_bytes_are_shown_as_text),
  };
  int failed = cmocka_run_group_tests_name("report_compare", tests, NULL, NULL);
  free(printed);
  return failed;
}
