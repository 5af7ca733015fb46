/* Importance for the report: which trials count, several studies together, what is printed at which
 * width, the notes, and the JSON.
 *
 * The methods here are the test's own: they say what the test gives them, and keep what they were
 * asked, so that nothing depends on how importance is measured. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/base/number_order.h"
#include "host/base/text_wrap.h"
#include "host/report/report_importance.h"
#include "tests/unit/report/tidy.h"

enum { STUDIES = 3, TRIALS = 40, PARAMS = 6, TEXT = 200000 };

static struct error err;
static struct report report;
static struct report_study studies[STUDIES];
static struct stored_trial trials[STUDIES][TRIALS];
static struct report_importance result;
static char printed[TEXT];

#define assert_ok(call)                                                                                                \
  do {                                                                                                                 \
    err.message[0] = 0;                                                                                                \
    if ((call) != 0) fail_msg("%s: %s", #call, err.message);                                                           \
  } while (0)

/* ---- methods of the test's own --------------------------------------------------------------- */

static struct importance given; /* what they say */
static double seen[STUDIES * TRIALS];
static int n_seen;

static int measure(const struct importance_trials *t, const struct importance_settings *s, struct importance *out,
                   struct error *e)
{
  (void)s, (void)e;
  n_seen = t->n;
  for (int i = 0; i < t->n; i++) seen[i] = t->value[i];
  qsort(seen, (size_t)n_seen, sizeof *seen, number_order);
  memcpy(out->weight, given.weight, sizeof out->weight);
  memcpy(out->raw, given.raw, sizeof out->raw);
  memcpy(out->deviation, given.deviation, sizeof out->deviation);
  memcpy(out->interaction, given.interaction, sizeof out->interaction);
  out->flat = given.flat;
  return 0;
}

static int resample(const struct importance_trials *t, const struct importance_settings *s, struct importance *out,
                    struct error *e)
{
  (void)t, (void)s, (void)e;
  memcpy(out->low, given.low, sizeof out->low);
  memcpy(out->high, given.high, sizeof out->high);
  memcpy(out->rank_low, given.rank_low, sizeof out->rank_low);
  memcpy(out->rank_high, given.rank_high, sizeof out->rank_high);
  out->has_intervals = true;
  return 0;
}

static const struct importance_method first_method = {"nrrelieff", "one", "A. Author, One, 2001", measure, resample};
static const struct importance_method second_method = {"fanova", "two", "B. Author, Two, 2002", measure, resample};
static const struct importance_method third_method = {"pedanova", "three", "C. Author, Three, 2003", measure, resample};
static const struct importance_method *const methods[] = {&first_method, &second_method, &third_method};

/* ---- studies by hand ------------------------------------------------------------------------- */

static const char *const params[PARAMS][2] = {
    {"lr", "float 1e-5 .. 1 log default 0.01"},          {"dropout_rate", "float 0 .. 0.8 default 0.2"},
    {"num_conv_layers", "int 2 .. 4 default 3"},         {"batch_size", "ordinal 32, 64, 128 default 32"},
    {"optimizer", "categorical adam, sgd default adam"}, {"momentum", "float 0.9 .. 0.9 default 0.9"},
};

static char ours_by_tpe[] = "experiment.sampler = tpe\n";

/* Study i with n complete trials, of values 1, 2, 3 ... times `scale`, all hyperparameters free. */
static void make_study(int i, const char *strategy, int n, double scale)
{
  struct report_study *s = &studies[i];
  space_destroy(&s->space); /* of one that stood here before */
  *s = (struct report_study){.id = i + 1, .maximize = true, .best = -1, .trials = trials[i], .n = n, .complete = n};
  snprintf(s->name, sizeof s->name, "quick/%s/%d", strategy, i);
  s->record.ours = true;
  snprintf(s->record.strategy, sizeof s->record.strategy, "%s", strategy);
  for (int k = 0; k < PARAMS; k++) assert_ok(param_parse(&s->space.params[k], params[k][0], params[k][1], &err));
  s->space.n = PARAMS;
  for (int t = 0; t < n; t++) {
    trials[i][t] = (struct stored_trial){.number = t, .state = STORED_COMPLETE, .value = (t + 1) * scale};
    space_defaults(&s->space, trials[i][t].values);
    for (int k = 0; k < PARAMS; k++) trials[i][t].free[k] = true;
  }
  report.n = i + 1;
}

static struct importance_request request_of(int n_methods)
{
  static const struct report *reports = &report;
  static const char *const paths[] = {"results/quick/study.db"};
  return (struct importance_request){.reports = reports,
                                     .paths = paths,
                                     .n_reports = 1,
                                     .methods = methods,
                                     .n_methods = n_methods,
                                     .settings = importance_settings_default(),
                                     .groups = groups_settings_default()};
}

static void measure_with(int n_methods)
{
  const struct importance_request q = request_of(n_methods);
  report_importance_free(&result);
  assert_ok(report_importance_measure(&result, &q, &err));
}

/* What is printed where no line may be wider than `width`: by a child of ours on a terminal. */
static void print_at(int width)
{
  struct winsize window = {.ws_row = 24, .ws_col = (unsigned short)width};
  int ours = posix_openpt(O_RDWR | O_NOCTTY);
  assert_true(ours >= 0 && !grantpt(ours) && !unlockpt(ours));
  int theirs = open(ptsname(ours), O_RDWR | O_NOCTTY);
  assert_true(theirs >= 0 && !ioctl(theirs, TIOCSWINSZ, &window));
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    FILE *out = fdopen(theirs, "w");
    if (!out) _exit(1);
    report_importance_print(out, &result);
    _exit(fclose(out) ? 1 : 0);
  }
  close(theirs);
  char part[4096];
  size_t used = 0;
  for (ssize_t got; (got = read(ours, part, sizeof part)) > 0;) /* an error at the end: nobody writes any more */
    for (ssize_t i = 0; i < got && used + 1 < sizeof printed; i++)
      if (part[i] != '\r') printed[used++] = part[i];
  printed[used] = 0;
  close(ours);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

/* Printed text with every run of blanks and newlines as one blank: notes are wrapped. */
static void unwrap(void)
{
  size_t used = 0;
  for (const char *p = printed; *p; p++) {
    char c = *p == '\n' ? ' ' : *p;
    if (c == ' ' && used && printed[used - 1] == ' ') continue;
    printed[used++] = c;
  }
  printed[used] = 0;
}

static void print_unwrapped(void)
{
  print_at(80);
  unwrap();
}

static int setup(void **state)
{
  static const double weight[PARAMS] = {0.25, 0.4, 0.05, 0.1, 0.2, 0};
  (void)state;
  memset(&given, 0, sizeof given);
  memset(&report, 0, sizeof report);
  report.studies = studies;
  for (int i = 0; i < PARAMS; i++) {
    given.weight[i] = given.raw[i] = weight[i];
    given.low[i] = weight[i] * 0.5;
    given.high[i] = weight[i] * 1.5;
  }
  const int rank[PARAMS] = {2, 1, 5, 4, 3, 6};
  for (int i = 0; i < PARAMS; i++) given.rank_low[i] = given.rank_high[i] = rank[i];
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  report_importance_free(&result);
  for (int i = 0; i < STUDIES; i++) {
    space_destroy(&studies[i].space);
    studies[i].space.n = 0;
  }
  return 0;
}

/* ---- which trials count ---------------------------------------------------------------------- */

static void complete_trials_count_and_larger_is_better(void **state)
{
  (void)state;
  make_study(0, "simultaneous", 10, 1);
  studies[0].maximize = false;
  trials[0][0].state = STORED_FAIL;
  trials[0][0].value = NAN;
  trials[0][1].state = STORED_PRUNED;
  trials[0][2].state = STORED_RUNNING;
  trials[0][3].value = INFINITY;
  trials[0][4].values[1] = NAN;
  measure_with(1);
  const struct measured_study *m = &result.studies[0];
  assert_int_equal(result.n, 1);
  assert_int_equal(m->trials, 10);
  assert_int_equal(m->used, 5);
  assert_true(m->failed == 1 && m->pruned == 1 && m->open == 1 && m->not_finite == 1 && m->lacking == 1);
  assert_int_equal(n_seen, 5);
  for (int i = 0; i < 5; i++) assert_true(seen[i] == -10 + i);
  print_unwrapped();
  assert_says("quick/simultaneous/0: 10 trials, 5 measured");
  assert_says("left out: 1 failed, 1 pruned, 1 not ended, 1 of a value that is not finite, 1 without a value of some "
              "hyperparameter");
  assert_says("pruned trials: left out, for their values are of fewer epochs");
  assert_says("failed trials: left out");
}

static void what_cannot_be_measured_says_why(void **state)
{
  (void)state;
  make_study(0, "simultaneous", IMPORTANCE_TRIALS_MIN - 1, 1);
  make_study(1, "grouped", 20, 1);
  space_destroy(&studies[1].space); /* another one, or the two would be measured together */
  assert_ok(param_parse(&studies[1].space.params[0], "lr", "float 0 .. 2 default 1", &err));
  studies[1].space.n = 1;
  make_study(2, "simultaneous", 20, 0);
  space_destroy(&studies[2].space);
  assert_ok(param_parse(&studies[2].space.params[0], "lr", "float 0 .. 3 default 1", &err));
  studies[2].space.n = 1;
  measure_with(1);
  assert_int_equal(result.n, 3);
  assert_null(result.studies[0].measured);
  assert_non_null(result.studies[1].measured);
  assert_null(result.studies[2].measured);
  print_unwrapped();
  assert_says("quick/simultaneous/0: 3 trials, 3 measured too few trials to measure anything");
  assert_says("quick/simultaneous/2: 20 trials, 20 measured all values are the same");

  report.n = 1;
  const struct importance_request q = request_of(1);
  report_importance_free(&result);
  assert_int_equal(report_importance_measure(&result, &q, &err), ERROR_FAILED);
  assert_non_null(strstr(err.message, "of 3 trials of the first study 3 are complete"));
}

static void a_study_is_chosen_by_its_name(void **state)
{
  (void)state;
  make_study(0, "grouped", 10, 1);
  make_study(1, "simultaneous", 20, 1);
  struct importance_request q = request_of(1);
  q.study = "quick/simultaneous/1";
  assert_ok(report_importance_measure(&result, &q, &err));
  assert_int_equal(result.n, 1);
  assert_int_equal(result.studies[0].used, 20);
  report_importance_free(&result);
  q.study = "quick/simultanous/1";
  assert_int_equal(report_importance_measure(&result, &q, &err), ERROR_CONFIG);
  assert_string_equal(err.message, "there is no study 'quick/simultanous/1'; did you mean 'quick/simultaneous/1'?");
  report_importance_free(&result);
  report.n = 0;
  q.study = NULL;
  assert_int_equal(report_importance_measure(&result, &q, &err), ERROR_FAILED);
}

/* ---- several studies ------------------------------------------------------------------------- */

static void studies_of_one_space_are_standardised_and_measured_together(void **state)
{
  (void)state;
  make_study(0, "grouped", 10, 1);
  make_study(1, "simultaneous", 10, 1e300); /* whose squares are no numbers */
  measure_with(1);
  assert_int_equal(result.n, 3);
  const struct measured_study *m = &result.studies[2];
  assert_string_equal(m->name, "all studies together");
  assert_true(m->studies == 2 && m->used == 20 && m->trials == 20 && !m->path);
  double sum = 0, squares = 0;
  for (int i = 0; i < n_seen; i++) sum += seen[i], squares += seen[i] * seen[i];
  assert_int_equal(n_seen, 20);
  assert_true(fabs(sum) < 1e-12 && fabs(squares / 20 - 1) < 1e-12);
  for (int i = 0; i < 20; i += 2) assert_true(fabs(seen[i] - seen[i + 1]) < 1e-12); /* each study's, at one place */
  print_unwrapped();
  assert_says("all studies together: 2 studies, 20 trials, 20 measured");
  assert_says("studies together: the values of each are standardised first");
}

static void studies_of_other_spaces_stay_alone(void **state)
{
  (void)state;
  make_study(0, "grouped", 10, 1);
  make_study(1, "simultaneous", 10, 1);
  make_study(2, "simultaneous", 10, 1);
  studies[1].space.params[0].high = 2;
  measure_with(1);
  assert_int_equal(result.n, 4);
  assert_string_equal(result.studies[3].name, "studies of one space together");
  assert_int_equal(result.studies[3].studies, 2);
  studies[2].space.params[4].labels[1][0] = 'S';
  measure_with(1);
  assert_int_equal(result.n, 3);
  print_unwrapped();
  assert_silent_of("together");
}

/* ---- what is printed ------------------------------------------------------------------------- */

static void tables_fit_the_screen(void **state)
{
  static const double weight[PARAMS] = {0.7, 0.21, 0.04, 0.03, 0.02, 0}; /* the last group has four members */
  (void)state;
  memcpy(given.weight, weight, sizeof weight);
  given.interaction[0][1] = given.interaction[1][0] = 0.125;
  make_study(0, "grouped", TRIALS, 1);
  make_study(1, "simultaneous", TRIALS, 1);
  for (int i = 0; i < TRIALS; i++) trials[0][i].free[0] = trials[0][i].free[1] = false;
  trials[0][0].state = STORED_PRUNED;
  studies[1].record.search = ours_by_tpe;
  for (int n_methods = 1; n_methods <= 3; n_methods++) {
    for (int width = 40; width <= 80; width++) {
      measure_with(n_methods);
      print_at(width);
      assert_tidy(printed, width);
    }
    assert_true(strlen(printed) > 1000);
  }
}

/* The lines of the heaviest two, and of the last. */
static void three_methods_stand_side_by_side(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  measure_with(3);
  print_at(80);
  assert_says("\nhyperparameter   nrrelieff           fanova              pedanova\n"
              "                 weight        rank  weight        rank  weight        rank\n"
              "dropout_rate     0.400 ######     1  0.400 ######     1  0.400 ######     1\n"
              "  95 % interval  0.200-0.600      1  0.200-0.600      1  0.200-0.600      1\n"
              "lr               0.250 ####       2  0.250 ####       2  0.250 ####       2\n");
  assert_says("\nnum_conv_layers  0.050 #          5  0.050 #          5  0.050 #          5\n");
  assert_silent_of("momentum  ");
}

static void one_method_has_a_column_for_each_figure(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  given.rank_high[1] = 3;
  measure_with(1);
  print_at(80);
  assert_says("\ndropout_rate      0.400  ####################  0.200-0.600     1       1-3\n");
  assert_says("\nnum_conv_layers   0.050  ###                   0.025-0.075     5         5\n");
}

static void without_resamples_there_are_no_intervals(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  struct importance_request q = request_of(3);
  q.settings.resamples = 0;
  assert_ok(report_importance_measure(&result, &q, &err));
  print_at(80);
  assert_silent_of("95 %");
  assert_silent_of("told apart");
  assert_says("\ndropout_rate     0.400 ######     1  0.400 ######     1  0.400 ######     1\n"
              "lr               0.250 ####       2");
}

static void a_method_without_intervals_leaves_its_cells_empty(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  measure_with(3);
  result.studies[0].measured[0].has_intervals = result.studies[0].measured[2].has_intervals = false;
  print_at(80);
  assert_tidy(printed, 80);
  assert_says("\n  95 % interval                      0.200-0.600      1\n");
}

static void ranks_that_cannot_be_told_apart_are_named(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  given.rank_high[1] = 2; /* rank 1, up to 2 */
  measure_with(1);
  print_unwrapped();
  assert_silent_of("told apart"); /* for rank 2 is known well */
  given.rank_high[1] = 1;
  given.rank_low[0] = 1;
  measure_with(1);
  print_unwrapped();
  assert_silent_of("told apart"); /* for rank 1 is */
  given.rank_high[1] = 2;
  given.rank_low[0] = 1; /* rank 2, down to 1 */
  given.rank_high[0] = 5;
  given.rank_low[4] = given.rank_low[3] = given.rank_low[2] = 3; /* ranks 3 to 5 */
  given.rank_high[4] = given.rank_high[3] = given.rank_high[2] = 5;
  measure_with(1);
  print_unwrapped();
  assert_says("nrrelieff: cannot be told apart: ranks 1 and 2; 3 to 5 ");
}

static void the_strongest_interactions_are_named(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  const struct {
    int a, b;
    double share;
  } pairs[] = {{0, 1, 0.03}, {1, 2, 0.05}, {0, 4, 0.03}, {2, 3, 0.01}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    given.interaction[pairs[i].a][pairs[i].b] = given.interaction[pairs[i].b][pairs[i].a] = pairs[i].share;
  for (int i = 0; i < PARAMS; i++) given.raw[i] = given.weight[i] * 0.75;
  measure_with(1);
  print_unwrapped();
  assert_says(
      "nrrelieff: hyperparameters by themselves explain 0.750 of the variance of the values; what two explain "
      "together beyond that is most for dropout_rate with num_conv_layers 0.050, lr with dropout_rate 0.030, lr "
      "with optimizer 0.030 ");
  memset(given.interaction, 0, sizeof given.interaction);
  given.interaction[0][1] = given.interaction[1][0] = 0.0004;
  measure_with(1);
  print_unwrapped();
  assert_says("explain 0.750 of the variance of the values; what two explain together beyond that is less than 0.001 "
              "everywhere ");
}

static void too_few_trials_are_told(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  measure_with(1);
  print_unwrapped();
  assert_says("too few trials: 40 for 5 hyperparameters, and before ranks can be trusted it takes about 50, ten");
  assert_says("of one value, which has no importance: momentum");
  for (int k = 0; k < 2; k++) { /* two more of one value: 30 are enough */
    studies[0].space.params[k].low = studies[0].space.params[k].high;
  }
  measure_with(1);
  print_unwrapped();
  assert_silent_of("too few");
}

static void what_was_held_in_most_trials_is_named(void **state)
{
  (void)state;
  make_study(0, "grouped", TRIALS, 1);
  for (int i = 0; i < 25; i++) trials[0][i].free[1] = false;
  for (int i = 25; i < TRIALS; i++) trials[0][i].free[3] = false;
  for (int i = 0; i < TRIALS; i++) trials[0][i].free[5] = false; /* of one value: held or not is the same */
  measure_with(1);
  print_unwrapped();
  assert_says("held in most of the 40 trials, while others were searched: dropout_rate in 25 ");
  assert_silent_of("momentum in");
  assert_says("grouped trials: hyperparameters were held, and one looks unimportant because it was held");
  assert_says("trials of a random sample measure better");

  for (int i = 0; i < 10; i++) trials[0][i].free[1] = true;
  measure_with(1);
  print_unwrapped();
  assert_says("grouped: each hyperparameter was held in some trials");

  make_study(0, "greedy", TRIALS, 1); /* which holds them, too */
  measure_with(1);
  print_unwrapped();
  assert_says("grouped trials: hyperparameters were held");
}

static void how_trials_were_proposed_is_told(void **state)
{
  (void)state;
  static char by_chance[] = "experiment.sampler = random\n";
  make_study(0, "simultaneous", TRIALS, 1);
  studies[0].record.search = by_chance;
  measure_with(1);
  print_unwrapped();
  assert_silent_of("Notes");
  studies[0].record.search = ours_by_tpe;
  measure_with(1);
  print_unwrapped();
  assert_says("a sampler that learns: its trials stand close together where values are good");
  memset(&studies[0].record, 0, sizeof studies[0].record);
  for (int i = 0; i < TRIALS; i++) memset(trials[0][i].free, 0, sizeof trials[0][i].free);
  measure_with(1);
  print_unwrapped();
  assert_says("another program: how it proposed its trials is not known here");
  assert_silent_of("held in");
}

static void what_was_gone_past_is_told(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  studies[0].record.n_changes = 1;
  snprintf(studies[0].record.changes[0], sizeof studies[0].record.changes[0], "cpu, AVX2 became cuda, H100");
  measure_with(1);
  print_unwrapped();
  assert_says("changed: quick/simultaneous/0 went on with --accept-change: cpu, AVX2 became cuda, H100");
  char *text = report_importance_json(&result);
  assert_non_null(text);
  assert_non_null(strstr(text, "\"changes\":[\"cpu, AVX2 became cuda, H100\"]"));
  free(text);
}

static void groups_are_lines_of_an_ini_file(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  measure_with(1);
  print_at(80);
  char *section = strstr(printed, "\n[groups]\n");
  assert_non_null(section);
  assert_non_null(strstr(section, "dropout_rate"));
  for (int width = 40; width <= 80; width += 40) {
    char joined[TEXT], *to = joined;
    print_at(width);
    for (const char *p = strstr(printed, "\n[groups]\n"); *p; p++) { /* as the ini file's reader joins lines */
      if (strncmp(p, " \\\n", 3) != 0) {
        *to++ = *p;
        continue;
      }
      p += 2 + strspn(p + 3, " ");
      *to++ = ' ';
    }
    *to = 0;
    const struct groups *g = &result.studies[0].groups;
    for (int i = 0; i < PARAMS; i++) assert_true(g->of[i] >= 0 && g->of[i] < g->n);
    assert_true(g->n > 1);
    for (int i = 0; i < g->n; i++) {
      char line[1000], ratio[32], *next = line;
      next += sprintf(next, "\n%s = ", g->names[i]);
      for (int k = 0; k < PARAMS; k++)
        if (g->of[k] == i) next += sprintf(next, "%s, ", params[k][0]);
      number_format(g->ratio[i], ratio, sizeof ratio);
      sprintf(next - 2, " ratio %s\n", ratio);
      if (!strstr(joined, line)) fail_msg("no '%s' in:\n%s", line, joined);
    }
  }
}

static void a_name_that_no_ini_file_can_have_has_no_section(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  strcpy(studies[0].space.params[0].name, "learning rate\x1b");
  measure_with(1);
  print_unwrapped();
  assert_silent_of("[groups] first");
  assert_says("There is no [groups] section for an ini file, which cannot have the name 'learning rate\\x1b'.");
}

static void weights_that_are_all_alike_make_no_groups(void **state)
{
  (void)state;
  make_study(0, "simultaneous", TRIALS, 1);
  given.flat = true;
  measure_with(1);
  print_unwrapped();
  assert_says("There are no groups: by nrrelieff all hyperparameters weigh the same.");
  assert_silent_of("[groups]");
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static double number_at(const cJSON *o, const char *key)
{
  const cJSON *number = cJSON_GetObjectItemCaseSensitive(o, key);
  if (!cJSON_IsNumber(number)) fail_msg("'%s' is no number", key);
  return number->valuedouble;
}

static const cJSON *item(const cJSON *o, const char *key, int i)
{
  const cJSON *found = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, key), i);
  if (!found) fail_msg("there is no '%s' %d", key, i);
  return found;
}

static const char *text_at(const cJSON *o, const char *key)
{
  const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
  if (!text) fail_msg("'%s' is no text", key);
  return text;
}

static void json_says_all_of_it_exactly(void **state)
{
  (void)state;
  given.weight[0] = 0.1 + 0.2;
  given.raw[0] = 1e-7 / 3;
  given.deviation[0] = 0.03125;
  given.interaction[0][4] = given.interaction[4][0] = 0.125;
  make_study(0, "simultaneous", TRIALS, 1);
  strcpy(studies[0].name, "a \"quoted\"\n\xff name");
  trials[0][7].state = STORED_FAIL;
  measure_with(2);
  char *text = report_importance_json(&result);
  assert_non_null(text);
  assert_null(strchr(text, '\n'));
  assert_non_null(strstr(text, "\"weight\":0.30000000000000004,"));
  cJSON *root = cJSON_Parse(text);
  assert_non_null(root);
  const cJSON *study = item(root, "studies", 0), *method = item(study, "methods", 1);
  assert_string_equal(text_at(study, "name"), "a \"quoted\"\n\xef\xbf\xbd name");
  assert_string_equal(text_at(study, "database"), "results/quick/study.db");
  assert_true(number_at(study, "studies") == 1 && number_at(study, "trials") == 40 && number_at(study, "used") == 39);
  assert_string_equal(text_at(method, "method"), "fanova");
  assert_string_equal(text_at(method, "source"), "B. Author, Two, 2002");
  assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(method, "enough")));
  const cJSON *weight = item(method, "weights", 0);
  assert_string_equal(text_at(weight, "name"), "lr");
  assert_true(number_at(weight, "weight") == 0.1 + 0.2);
  assert_true(number_at(weight, "raw") == 1e-7 / 3);
  assert_true(number_at(weight, "low") == given.low[0]);
  assert_true(number_at(weight, "high") == given.high[0]);
  assert_true(number_at(weight, "rank") == 2);
  assert_true(number_at(weight, "rank_low") == 2);
  assert_true(number_at(weight, "rank_high") == 2);
  assert_true(number_at(weight, "deviation") == 0.03125);
  const cJSON *pair = item(method, "interactions", 0);
  assert_string_equal(cJSON_GetStringValue(item(pair, "names", 0)), "lr");
  assert_string_equal(cJSON_GetStringValue(item(pair, "names", 1)), "optimizer");
  assert_true(number_at(pair, "share") == 0.125);
  const struct groups *g = &result.studies[0].groups;
  assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(study, "groups")), g->n);
  const cJSON *group = item(study, "groups", 0);
  assert_string_equal(text_at(group, "name"), g->names[0]);
  assert_true(number_at(group, "ratio") == g->ratio[0]);
  for (int i = 0, k = 0; i < PARAMS; i++)
    if (g->of[i] == 0) assert_string_equal(cJSON_GetStringValue(item(group, "members", k++)), params[i][0]);
  cJSON_Delete(root);
  free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
      TEST(complete_trials_count_and_larger_is_better),
      TEST(what_cannot_be_measured_says_why),
      TEST(a_study_is_chosen_by_its_name),
      TEST(studies_of_one_space_are_standardised_and_measured_together),
      TEST(studies_of_other_spaces_stay_alone),
      TEST(tables_fit_the_screen),
      TEST(three_methods_stand_side_by_side),
      TEST(one_method_has_a_column_for_each_figure),
      TEST(without_resamples_there_are_no_intervals),
      TEST(a_method_without_intervals_leaves_its_cells_empty),
      TEST(ranks_that_cannot_be_told_apart_are_named),
      TEST(the_strongest_interactions_are_named),
      TEST(too_few_trials_are_told),
      TEST(what_was_held_in_most_trials_is_named),
      TEST(how_trials_were_proposed_is_told),
      TEST(groups_are_lines_of_an_ini_file),
      TEST(a_name_that_no_ini_file_can_have_has_no_section),
      TEST(weights_that_are_all_alike_make_no_groups),
      TEST(what_was_gone_past_is_told),
      TEST(json_says_all_of_it_exactly),
  };
  return cmocka_run_group_tests_name("report_importance", tests, NULL, NULL);
}
