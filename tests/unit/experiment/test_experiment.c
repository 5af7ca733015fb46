/* Experiments from ini files: values, defaults, every error with what would be right, the
 * reference, best.ini, and files that somebody's editor, disk or finger spoiled.
 *
 * Not under ThreadSanitizer: one thread. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/data/dataset.h"
#include "host/experiment/experiment.h"
#include "host/experiment/experiment_keys.h"
#include "host/experiment/ini.h"
#include "host/base/rng.h"

/* ------------------------------------------------------------- helpers ---- */

static char folder[200];          /* of temporary files */
static char ini_path[300];        /* the one ini that tests write */
static struct experiment *x, *x2; /* too large for the stack */
static struct error e;

static int set_up(void **state)
{
  (void)state;
  const char *tmp = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%.150s/gsos-experiment-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  if (!mkdtemp(folder)) return -1;
  snprintf(ini_path, sizeof ini_path, "%s/study.ini", folder);
  x = calloc(1, sizeof *x);
  x2 = calloc(1, sizeof *x2);
  return x && x2 ? 0 : -1;
}

static int tear_down(void **state)
{
  (void)state;
  unlink(ini_path);
  free(x);
  free(x2);
  return rmdir(folder);
}

static void write_bytes(const char *bytes, size_t n);
static void write_text(const char *text)
{
  write_bytes(text, strlen(text));
}
static void write_bytes(const char *bytes, size_t n)
{
  FILE *f = fopen(ini_path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  assert_int_equal(fclose(f), 0);
}

static int load_bytes(const char *bytes, size_t n)
{
  write_bytes(bytes, n);
  memset(&e, 0, sizeof e);
  return experiment_load(x, ini_path, NULL, 0, &e);
}

/* Loads a text; fails the test where it is refused. The caller destroys x. */
static void load_text(const char *text)
{
  if (load_bytes(text, strlen(text))) fail_msg("refused: %s\n%s", e.message, text);
}

static void load_settings(const char *path, int n, const char *const *settings)
{
  memset(&e, 0, sizeof e);
  if (experiment_load(x, path, settings, n, &e)) fail_msg("refused: %s", e.message);
}

/* A text must be refused, and the message must have all the parts, which are divided by '|'. */
static void refused(const char *what, int rc, const char *parts)
{
  char list[400];
  if (rc == 0) {
    experiment_destroy(x);
    fail_msg("accepted: %s", what);
  }
  if (rc != ERROR_CONFIG || e.code != ERROR_CONFIG) fail_msg("%s: code %d: %s", what, rc, e.message);
  snprintf(list, sizeof list, "%s", parts);
  for (char *save = NULL, *part = strtok_r(list, "|", &save); part; part = strtok_r(NULL, "|", &save)) {
    if (!strstr(e.message, part)) fail_msg("%s\nsays: %s\nwithout: %s", what, e.message, part);
  }
}

struct wrong {
  const char *text, *says;
};

static void check_refused(const struct wrong *wrong, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    int rc = load_bytes(wrong[i].text, strlen(wrong[i].text));
    refused(wrong[i].text, rc, wrong[i].says);
    assert_non_null(strstr(e.message, "study.ini"));
  }
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ------------------------------------------------------------- defaults ---- */

/* The paper's but for the quantile of TPE, which is 0.25 there, and for what searches, which is
 * what measured best. */
static void no_file_gives_the_papers_values(void **state)
{
  (void)state;
  load_settings(NULL, 0, NULL);
  assert_string_equal(x->name, "experiment");
  assert_string_equal(x->output, "results/experiment");
  assert_int_equal(x->n_strategies, 1);
  assert_string_equal(x->strategies[0], "grouped");
  assert_true(x->revisit && x->cycles == 1 && x->baseline);
  assert_true(x->seed == 0 && x->rounds == 1 && x->trials == 100 && x->parallel == 4 && x->maximize && !x->has_target);
  assert_string_equal(x->sampler, "gp");
  assert_int_equal(x->trial_memory, (int64_t)16 << 30);
  assert_true(x->time_limit_s == 0 && x->timeout_s == 0 && x->slots == 0);
  assert_true(x->model.filters == 32 && x->model.momentum == 0.9);
  assert_int_equal(x->space.n, HP_COUNT);
  assert_string_equal(x->space.params[HP_LR].name, "lr");
  assert_true(x->space.params[HP_LR].log && x->space.params[HP_LR].low == 1e-5 && x->space.params[HP_LR].high == 1);
  assert_int_equal(x->groups.n, 3);
  assert_true(x->groups.ratio[0] == 4 && x->groups.ratio[1] == 3 && x->groups.ratio[2] == 3);
  static const int group_of[] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 2};
  for (int i = 0; i < 10; i++) assert_int_equal(x->groups.of[i], group_of[i]);
  const struct sampler_settings *s = &x->sampler_settings;
  assert_true(s->tpe_startup == 15 && s->tpe_quantile == 0.1 && s->tpe_candidates == 24 && s->tpe_prior_weight == 1);
  assert_true(s->gp_startup == 10 && s->gp_design == GP_DESIGN_SOBOL && s->gp_candidates == 4096);
  assert_true(s->gp_evaluations == 200 && s->gp_history == GP_HISTORY_ALL && s->grid_points == 5);
  struct dataset_options d;
  memset(&d, 0, sizeof d);
  d.validation_fraction = 0.2, d.test_fraction = 0.2, d.channels = 3, d.pixel_limit = 50000000;
  assert_memory_equal(&x->dataset, &d, sizeof d);
  experiment_destroy(x);
}

static void every_default_is_canonical_text(void **state)
{
  (void)state;
  char text[4000];
  load_settings(NULL, 0, NULL);
  for (int i = 0; i < key_count; i++) {
    const struct key_spec *k = &key_table[i];
    assert_true(!strcmp(k->about.kind, "search") || !strcmp(k->about.kind, "machine"));
    assert_true(strlen(k->about.help) > 3);
    if (k->type == KEY_LINE || !strcmp(k->about.key, "name") || !strcmp(k->about.key, "output")) continue;
    if (!strcmp(k->about.key, "revisit")) continue;                                 /* what the sampler makes of it */
    if (!strcmp(k->about.section, "gp") && !strcmp(k->about.key, "cost")) continue; /* what the strategies make of it */
    key_format(x, k, text, sizeof text);
    if (strcmp(text, k->about.default_text) != 0)
      fail_msg("[%s] %s: %s, %s", k->about.section, k->about.key, text, k->about.default_text);
  }
  assert_null(experiment_key(key_count));
  assert_null(experiment_key(-1));
  assert_null(experiment_key_choice(key_count, 0));
  assert_null(experiment_key_choice(-1, 0));
  assert_null(experiment_key_choice(0, 0)); /* a name of the user's */
  experiment_destroy(x);
}

/* ------------------------------------------------------------- the reference ---- */

static char *read_file(const char *path)
{
  FILE *f = fopen(path, "r");
  if (!f) fail_msg("cannot read %s", path);
  char *text = calloc(1, 200000);
  size_t n = fread(text, 1, 199999, f);
  fclose(f);
  assert_in_range(n, 1, 199998);
  return text;
}

/* Walks the reference as a reader does, and notes for every key of the table how often it is there,
 * with what value, whether commented out, and what its comment is marked with. */
static void the_reference_has_every_key_once_with_its_default_and_mark(void **state)
{
  (void)state;
  char *text = read_file("configs/reference.ini"), section[64] = "", mark[32] = "";
  int *seen = calloc((size_t)key_count, sizeof *seen);
  bool in_block = false;
  for (char *save = NULL, *line = text; line; line = save) {
    save = strchr(line, '\n');
    if (save) *save++ = 0;
    char key[64], value[300];
    bool commented = line[0] == '#' && line[1] != ' ' && line[1];
    if (sscanf(line, "[%63[a-z]]", section) == 1 || !line[0]) {
      in_block = false;
      mark[0] = 0;
    } else if (line[0] == '#' && !commented) {
      if (!in_block && sscanf(line, "# %31[a-z].", mark) != 1) mark[0] = 0;
      in_block = true;
    } else if (sscanf(line + commented, "%63[A-Za-z_] = %299[^\n]", key, value) == 2) {
      const struct key_spec *k = key_find(section, key);
      if (!k) {
        fail_msg("[%s] %s is no key", section, key);
        return;
      }
      seen[k - key_table]++;
      if (strcmp(mark, k->about.kind) != 0)
        fail_msg("[%s] %s is marked '%s', not '%s'", section, key, mark, k->about.kind);
      if (commented != !k->about.default_text[0])
        fail_msg("[%s] %s: wrongly %scommented out", section, key, commented ? "" : "not ");
      if (!commented && strcmp(value, k->about.default_text) != 0) fail_msg("[%s] %s = %s", section, key, value);
      if (commented && k->type != KEY_LINE) { /* the example must be a right value */
        memset(&e, 0, sizeof e);
        if (key_parse(x, k, value, "", &e)) fail_msg("[%s] %s = %s: %s", section, key, value, e.message);
      }
      in_block = false;
      mark[0] = 0;
    } else {
      fail_msg("what is this: %s", line);
    }
  }
  for (int i = 0; i < key_count; i++) {
    if (seen[i] != 1)
      fail_msg("[%s] %s is there %d times", key_table[i].about.section, key_table[i].about.key, seen[i]);
  }
  free(seen);
  free(text);
}

static void the_reference_is_the_same_as_an_empty_file(void **state)
{
  (void)state;
  memset(&e, 0, sizeof e);
  if (experiment_load(x2, "configs/reference.ini", NULL, 0, &e)) fail_msg("%s", e.message);
  const char *settings[] = {"experiment.name=reference"};
  load_settings(NULL, 1, settings);
  char a[4000], b[4000];
  for (int i = 0; i < key_count; i++) {
    if (key_table[i].type == KEY_LINE) continue;
    key_format(x, &key_table[i], a, sizeof a);
    key_format(x2, &key_table[i], b, sizeof b);
    assert_string_equal(a, b);
  }
  char *s = experiment_search_text(x), *s2 = experiment_search_text(x2);
  assert_string_equal(s, s2);
  free(s);
  free(s2);
  experiment_destroy(x);
  experiment_destroy(x2);
}

static void the_ini_files_of_the_repository_load(void **state)
{
  (void)state;
  load_settings("configs/quickstart.ini", 0, NULL);
  assert_string_equal(x->name, "quickstart");
  assert_string_equal(x->dataset.path, "configs/data");
  assert_string_equal(x->output, "results/quickstart");
  assert_true(x->trials == 40 && x->rounds == 1 && x->parallel == 4 && x->sampler_settings.tpe_startup == 6);
  int epoch = space_index(&x->space, "epoch");
  assert_true(x->space.params[epoch].low == 1 && x->space.params[epoch].high == 6 &&
              x->space.params[epoch].default_value == 1);
  assert_int_equal(x->space.n, HP_COUNT);
  assert_int_equal(epoch, HP_EPOCH); /* an overridden one keeps its place */
  assert_int_equal(x->groups.of[epoch], 1);
  assert_int_equal(x->n_strategies, 2); /* it compares */
  assert_string_equal(x->strategies[0], "grouped");
  assert_string_equal(x->strategies[1], "simultaneous");
  assert_string_equal(x->sampler, "tpe");
  assert_false(x->revisit);
  experiment_destroy(x);
  load_settings("configs/minimal.ini", 0, NULL);
  assert_string_equal(x->dataset.path, "configs/data");
  assert_int_equal(x->trials, 100);
  experiment_destroy(x);
  load_settings("configs/image_folder.ini", 0, NULL);
  assert_int_equal(x->dataset.on_bad_image, BAD_IMAGE_SKIP);
  assert_int_equal(x->dataset.image_size, 64);
  experiment_destroy(x);
  load_settings("configs/study.ini", 0, NULL);
  assert_true(x->n_datasets == 1 && x->trials == 1000);
  assert_string_equal(x->datasets[0], "mnist");
  experiment_destroy(x);
}

/* What is searched, with which groups, in how many trials and rounds, by which TPE: the paper's
 * experiment, in its size or in small. */
static void assert_the_papers(const char *const lines[][2], const int shares[3], int startup)
{
  int count[SPACE_MAX];
  char text[PARAM_TEXT_MAX];
  assert_int_equal(x->space.n, HP_COUNT);
  for (int i = 0; i < HP_COUNT; i++) {
    assert_string_equal(x->space.params[i].name, lines[i][0]);
    param_format(&x->space.params[i], text, sizeof text);
    assert_string_equal(text, lines[i][1]);
    assert_int_equal(x->groups.of[i], i < 3 ? 0 : i < 6 ? 1 : 2);
  }
  assert_int_equal(x->groups.n, 3);
  groups_split(&x->groups, x->trials, count);
  for (int g = 0; g < 3; g++) assert_int_equal(count[g], shares[g]);
  assert_true(x->n_strategies == 2 && x->rounds == 5 && x->parallel == 1 && x->cycles == 1);
  assert_string_equal(x->strategies[0], "grouped");
  assert_string_equal(x->strategies[1], "simultaneous");
  assert_string_equal(x->sampler, "tpe");
  assert_true(!x->baseline && !x->revisit && x->order == ORDER_SEQUENTIAL);
  assert_true(x->sampler_settings.tpe_quantile == 0.25 && x->sampler_settings.tpe_startup == startup);
  assert_string_equal(x->pruner, "none");
}

static void the_papers_experiment_is_that_of_its_tables(void **state)
{
  (void)state;
  const char *table_1[HP_COUNT][2] = {{"num_conv_layers", "int 2 .. 4 default 3"},
                                      {"lr", "float 1e-05 .. 1 log default 0.01"},
                                      {"dropout_rate", "float 0 .. 0.9 default 0"},
                                      {"optimizer", "categorical adam, sgd default adam"},
                                      {"epoch", "int 10 .. 100 default 10"},
                                      {"stride", "ordinal 1, 2 default 1"},
                                      {"padding", "categorical valid, same default same"},
                                      {"kernel", "ordinal 3, 5 default 3"},
                                      {"num_fc_units", "int 64 .. 256 default 64"},
                                      {"batch_size", "ordinal 32, 64, 128, 256 default 32"}};
  static const struct {
    const char *name, *data;
    int image_size;
  } table_2[] = {{"ahe", "data/ahe", 224},         {"intel", "data/intel", 150},
                 {"rps", "data/rps", 300},         {"dogs-cats", "data/dogs-cats", 256},
                 {"flowers", "data/flowers", 224}, {"k49", "data/kuzushiji-49", 0}}; /* its files say 28 */
  char path[200], text[200];
  for (size_t i = 0; i < sizeof table_2 / sizeof *table_2; i++) {
    snprintf(path, sizeof path, "configs/paper/%s.ini", table_2[i].name);
    load_settings(path, 0, NULL);
    assert_the_papers(table_1, (const int[]){40, 30, 30}, 15);
    assert_int_equal(x->studies, STUDIES_ONE_BY_ONE);
    assert_string_equal(x->name, table_2[i].name);
    snprintf(text, sizeof text, "configs/paper/../../%s", table_2[i].data);
    assert_string_equal(x->dataset.path, text);
    assert_int_equal(x->dataset.image_size, table_2[i].image_size);
    snprintf(text, sizeof text, "results/paper/%s", table_2[i].name);
    assert_string_equal(x->output, text);
    experiment_destroy(x);
  }
  static const char *const small[] = {"ahe", "flowers", "mnist", "rps"};
  table_1[HP_EPOCH][1] = "int 1 .. 6 default 1";
  for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
    snprintf(path, sizeof path, "configs/paper-small/%s.ini", small[i]);
    load_settings(path, 0, NULL);
    assert_the_papers(table_1, (const int[]){16, 12, 12}, 6);
    snprintf(text, sizeof text, "results/paper-small/%s", small[i]);
    assert_string_equal(x->output, text);
    experiment_destroy(x);
  }
}

/* ------------------------------------------------------------- values ---- */

static void assert_fixed(const char *name, const char *line)
{
  char text[PARAM_TEXT_MAX];
  int at = space_index(&x->space, name);
  assert_true(at >= 0);
  assert_int_equal(param_count(&x->space.params[at]), 1);
  param_format(&x->space.params[at], text, sizeof text);
  assert_string_equal(text, line);
}

/* Of the type that it has without the line; of a program's, of the type that the value has. */
static void a_single_value_fixes_a_hyperparameter(void **state)
{
  (void)state;
  load_text("[space]\nlr = 5\noptimizer = sgd\nepoch = 20 # for all\nkernel = 7\ndropout_rate = 1e-1\n");
  assert_fixed("lr", "float 5 .. 5 default 5"); /* also outside of the range that is searched without the line */
  assert_fixed("optimizer", "categorical sgd default sgd");
  assert_fixed("epoch", "int 20 .. 20 default 20");
  assert_fixed("kernel", "ordinal 7 default 7");
  assert_fixed("dropout_rate", "float 0.1 .. 0.1 default 0.1");
  assert_int_equal(x->space.n, 10);
  char *text = experiment_search_text(x);
  experiment_destroy(x);
  load_text(
      "[space]\nlr = float 5 .. 5 default 5\noptimizer = categorical sgd default sgd\nepoch = int 20 .. 20 default "
      "20\nkernel = ordinal 7 default 7\ndropout_rate = float 0.1 .. 0.1 default 0.1\n");
  char *same = experiment_search_text(x);
  assert_string_equal(text, same);
  experiment_destroy(x);
  free(text);
  free(same);
  load_text(
      "[experiment]\nobjective = command\ndirection = maximize\n[command]\nrun = cat\n[space]\nwhole = -3\nreal = "
      "2.0\nsmall = 1e-3\nword = init\n");
  assert_fixed("whole", "int -3 .. -3 default -3");
  assert_fixed("real", "float 2 .. 2 default 2");
  assert_fixed("small", "float 0.001 .. 0.001 default 0.001");
  assert_fixed("word", "categorical init default init");
  experiment_destroy(x);
  const char *settings[] = {"space.lr=0.5", "space.padding=valid"};
  load_settings(NULL, 2, settings);
  assert_fixed("lr", "float 0.5 .. 0.5 default 0.5");
  assert_fixed("padding", "categorical valid default valid");
  experiment_destroy(x);
}

/* What is beyond reason all together, though no number of it is. */
static void more_trials_than_anybody_can_make_are_refused(void **state)
{
  (void)state;
#define BOTH "strategies = grouped, simultaneous\n"
  static const struct wrong wrong[] = {
      {"[experiment]\nrounds = 65535\n" BOTH, "study.ini:2: [experiment] rounds = 65535: |65535 rounds of 2 strategies "
                                              "are 131070 studies, with 100 trials each "
                                              "13107000 trials|right is rounds = 5000"},
      {"[experiment]\ntrials = 1000000\n" BOTH,
       "study.ini:2: [experiment] trials = |2000000 trials; at most 10000 studies and 1000000 trials|right is trials = "
       "500000"},
      {"[experiment]\nrounds = 6000\ntrials = 1\n" BOTH, "12000 studies|right is rounds = 5000"},
      {"[experiment]\nrounds = 100\ntrials = 10000\n" BOTH, "2000000 trials|right is rounds = 50, or trials = 5000"},
  };
  check_refused(wrong, COUNT(wrong));
  static const char function[] =
      "[experiment]\nobjective = function\ntrials = 1001\ncycles = 1000\n" BOTH "[function]\nname = ackley\n";
  refused(function, load_bytes(function, strlen(function)),
          "study.ini:3: [experiment] trials = 1001: |right is trials = 500");
  assert_null(strstr(e.message, "ackley")); /* it is the number's fault alone */
  load_text("[experiment]\nrounds = 5000\n" BOTH);
  experiment_destroy(x);
  load_text("[experiment]\nstrategies = simultaneous\ntrials = 1000000\n");
  experiment_destroy(x);
}

static void assert_located(const char *message, const char *expected)
{
  struct error found = {0};
  error_set(&found, ERROR_CONFIG, "%s", message);
  assert_int_equal(experiment_locate(x, &found), ERROR_CONFIG);
  const char *name = strstr(found.message, "study.ini"); /* without the folder */
  assert_string_equal(name ? name : found.message, expected);
}

/* What is found wrong later, when the data or the program are looked at, is in a line of the file,
 * too. */
static void a_message_that_comes_later_names_the_line(void **state)
{
  (void)state;
  write_text("[dataset]\npath = photos\n\n[space]\nlr = 0.5\n[enqueue]\nmine = lr 0.5\n");
  const char *settings[] = {"model.precision=tf32"};
  load_settings(ini_path, 1, settings);
  assert_located("[dataset] path = photos: is not there", "study.ini:2: [dataset] path = photos: is not there");
  assert_located("[dataset] path is missing", "study.ini:2: [dataset] path is missing");
  assert_located("[enqueue] mine: infeasible", "study.ini:7: [enqueue] mine: infeasible");
  assert_located("'lr' cannot be 0.5", "study.ini:5: [space] 'lr' cannot be 0.5");
  assert_located("[model] precision = tf32 is for GPUs", "--set: [model] precision = tf32 is for GPUs");
  assert_located("[dataset] test_count = 9: too many", "study.ini: [dataset] test_count = 9: too many");
  assert_located("[dataset]: 0 images", "study.ini: [dataset]: 0 images");
  assert_located("photos/cat/1.png: is broken", "photos/cat/1.png: is broken");
  char with_path[1200];
  snprintf(with_path, sizeof with_path, "%s: [space] lr: odd", ini_path);
  assert_located(with_path, "study.ini:5: [space] lr: odd");
  struct error other = {0};
  error_set(&other, ERROR_MACHINE, "[dataset] path: no memory");
  assert_int_equal(experiment_locate(x, &other), ERROR_MACHINE);
  assert_string_equal(other.message, "[dataset] path: no memory");
  experiment_destroy(x);
}

static void durations_sizes_seeds_and_lists_are_read(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    double seconds;
  } durations[] = {{"90", 90},      {"90s", 90},    {"15m", 900},  {"15 min", 900}, {"2h", 7200},
                   {"1h30m", 5400}, {"1.5h", 5400}, {"1d", 86400}, {"0", 0}};
  char text[400];
  for (size_t i = 0; i < COUNT(durations); i++) {
    snprintf(text, sizeof text, "[experiment]\ntime_limit = %s\n[scheduler]\ntimeout = %s\n", durations[i].text,
             durations[i].text);
    load_text(text);
    assert_true(x->time_limit_s == durations[i].seconds && x->timeout_s == durations[i].seconds);
    experiment_destroy(x);
  }
  static const struct {
    const char *text;
    int64_t bytes;
  } sizes[] = {{"16GiB", (int64_t)16 << 30}, {"512MiB", 512 << 20}, {"512 mib", 512 << 20}, {"1000", 1000},
               {"2GB", 2000000000},          {"1.5GiB", 1610612736}};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    snprintf(text, sizeof text, "[scheduler]\ntrial_memory = %s\n", sizes[i].text);
    load_text(text);
    assert_int_equal(x->trial_memory, sizes[i].bytes);
    experiment_destroy(x);
  }
  load_text("[experiment]\nsampler = gp\n[gp]\nstartup = 7\ndesign = random\ncandidates = 64\nevaluations = "
            "50\nhistory = group\n");
  assert_string_equal(x->sampler, "gp");
  assert_true(x->sampler_settings.gp_startup == 7 && x->sampler_settings.gp_design == GP_DESIGN_RANDOM);
  assert_true(x->sampler_settings.gp_candidates == 64 && x->sampler_settings.gp_evaluations == 50);
  assert_true(x->sampler_settings.gp_history == GP_HISTORY_GROUP);
  experiment_destroy(x);
  load_text("[experiment]\nseed = 18446744073709551615\nstrategies = simultaneous\nrounds = 6553\ntarget = "
            "0.97\n[tpe]\nhistory = all\n"
            "[dataset]\nformat = cifar10\nresize = lanczos\nchannels = 1\n");
  assert_true(x->seed == UINT64_MAX && x->n_strategies == 1 && x->rounds == 6553 && x->has_target && x->target == 0.97);
  assert_true(x->sampler_settings.history == HISTORY_ALL && x->dataset.format == DATASET_CIFAR10 &&
              x->dataset.resize == RESIZE_LANCZOS);
  assert_int_equal(x->dataset.channels, 1);
  experiment_destroy(x);
}

static void paths_start_from_the_ini_and_settings_from_here(void **state)
{
  (void)state;
  char expected[600];
  write_text("[dataset]\npath = sub/data\ntrain_images = /abs/x.gz\n");
  const char *settings[] = {"dataset.train_labels=rel/y.gz", "experiment.output=out"};
  load_settings(ini_path, 2, settings);
  snprintf(expected, sizeof expected, "%s/sub/data", folder);
  assert_string_equal(x->dataset.path, expected);
  assert_string_equal(x->dataset.train_images, "/abs/x.gz");
  assert_string_equal(x->dataset.train_labels, "rel/y.gz");
  assert_string_equal(x->output, "out");
  experiment_destroy(x);
  setenv("HOME", "/home/someone", 1);
  load_text("[dataset]\npath = ~/data\n[experiment]\noutput = ~/out\n");
  assert_string_equal(x->dataset.path, "/home/someone/data");
  assert_string_equal(x->output, "/home/someone/out");
  experiment_destroy(x);
}

static void capitals_quotes_comments_and_continuations_survive(void **state)
{
  (void)state;
  load_text("# a comment that ends in a backslash \\\n; another\n[EXPERIMENT] ; here too\nTrials = 7 # comment\n"
            "objective = command\ndirection = maximize\n[command]\nrun = cat\n[experiment]\n"
            "name = 'my # study; \"x\"'\noutput = 'Out Put'\n\n[ dataset ]\npath=/Data/Set One ; comment = 1\n"
            "[space]\na = 1\nb = 2\nc = 3\nMyParam = categorical Adam, SGD \\\n  default SGD\n[groups]\n"
            "first = a, \\\nb \\\n ratio 4\n"
            "Zulu = MyParam, c ratio 1\n");
  assert_int_equal(x->trials, 7);
  assert_string_equal(x->name, "my # study; \"x\"");
  assert_string_equal(x->output, "Out Put");
  assert_string_equal(x->dataset.path, "/Data/Set One");
  assert_int_equal(x->space.n, 4);
  assert_string_equal(x->space.params[3].name, "MyParam");
  assert_string_equal(x->space.params[3].labels[1], "SGD");
  assert_string_equal(x->groups.names[1], "Zulu");
  assert_int_equal(x->groups.of[1], 0);
  assert_int_equal(x->groups.of[3], 1);
  experiment_destroy(x);
}

static void groups_and_enqueued_configurations_keep_the_order_of_the_file(void **state)
{
  (void)state;
  load_text("[groups]\nzz = batch_size, kernel ratio 0.5\naa = padding, num_fc_units ratio 1\n"
            "mm = num_conv_layers, lr, dropout_rate, optimizer, epoch, stride ratio 2\n"
            "[enqueue]\nzfirst = lr 0.001, optimizer sgd\nalater = batch_size 256\n");
  assert_string_equal(x->groups.names[0], "zz");
  assert_string_equal(x->groups.names[1], "aa");
  assert_string_equal(x->groups.names[2], "mm");
  assert_true(x->groups.ratio[0] == 0.5);
  assert_int_equal(x->groups.of[9], 0);
  assert_int_equal(x->n_enqueued, 2);
  assert_string_equal(x->enqueued[0].name, "zfirst");
  assert_true(x->enqueued[0].values[1] == 0.001 && x->enqueued[0].values[3] == 1 && x->enqueued[0].values[9] == 0);
  assert_true(x->enqueued[1].values[9] == 3 && x->enqueued[1].values[1] == 0.01);
  experiment_destroy(x);
}

static void a_byte_order_mark_and_crlf_are_accepted(void **state)
{
  (void)state;
  load_text("\xef\xbb\xbf[experiment]\r\ntrials = 9\r\n\r\n[groups]\r\n# \\\r\nall = num_conv_layers, lr, "
            "dropout_rate, optimizer, \\\r\n"
            "epoch, stride, padding, kernel, num_fc_units, batch_size ratio 1\r\n");
  assert_int_equal(x->trials, 9);
  assert_int_equal(x->groups.n, 1);
  experiment_destroy(x);
  load_text("");
  experiment_destroy(x);
  load_text("\xef\xbb\xbf");
  experiment_destroy(x);
  load_text("[experiment]\ntrials = 8"); /* no newline at the end */
  assert_int_equal(x->trials, 8);
  experiment_destroy(x);
}

static void the_name_comes_from_the_file(void **state)
{
  (void)state;
  static const char *const names[][2] = {
      {"my study.INI", "my study"}, {"plain", "plain"}, {".ini", "experiment"}, {"a\x01\\b.ini", "a_x01_x5cb"}};
  for (size_t i = 0; i < COUNT(names); i++) {
    char path[400], output[300];
    snprintf(path, sizeof path, "%s/%s", folder, names[i][0]);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    load_settings(path, 0, NULL);
    snprintf(output, sizeof output, "results/%s", names[i][1]);
    assert_string_equal(x->name, names[i][1]);
    assert_string_equal(x->output, output);
    experiment_destroy(x);
    unlink(path);
  }
}

/* ------------------------------------------------------------- settings ---- */

static void settings_override_add_and_take_away(void **state)
{
  (void)state;
  write_text("[experiment]\ntrials = 9\nseed = 5\n[space]\nepoch = int 1 .. 6 default 1\n");
  const char *settings[] = {"experiment.trials=20",
                            "EXPERIMENT.Trials = 30",
                            "space.epoch=int 2 .. 3 default 2",
                            "experiment.seed=",
                            "groups.third = padding, kernel, num_fc_units ratio 1",
                            "groups.fourth = batch_size ratio 2",
                            "enqueue.one=lr 0.5",
                            "scheduler.parallel=8"};
  load_settings(ini_path, (int)COUNT(settings), settings);
  assert_true(x->trials == 30 && x->seed == 0 && x->parallel == 8);
  assert_true(x->space.params[4].low == 2 && x->space.params[4].high == 3);
  assert_int_equal(x->groups.n, 4);
  assert_true(x->groups.of[9] == 3 && x->groups.of[8] == 2 && x->groups.ratio[3] == 2);
  assert_true(x->n_enqueued == 1 && x->enqueued[0].values[1] == 0.5 && x->enqueued[0].values[4] == 2);
  experiment_destroy(x);
  const char *away[] = {"groups.second=",      "groups.third=",    "groups.first = num_conv_layers,lr ratio 1",
                        "space.dropout_rate=", "space.optimizer=", "space.epoch=",
                        "space.stride=",       "space.padding=",   "space.kernel=",
                        "space.num_fc_units=", "space.batch_size="};
  load_settings(NULL, (int)COUNT(away), away);
  assert_int_equal(x->space.n, 2);
  assert_int_equal(x->groups.n, 1);
  experiment_destroy(x);
  write_text("[groups]\na = num_conv_layers ratio 1\nb = lr, dropout_rate, optimizer, epoch, stride, padding, kernel, "
             "num_fc_units, batch_size ratio 1\n");
  const char *one[] = {"groups.a=num_conv_layers ratio 5"};
  load_settings(ini_path, 1, one); /* stays the file's list, though a setting took the line's place */
  assert_true(x->groups.n == 2 && x->groups.ratio[0] == 5);
  experiment_destroy(x);
}

#define PROGRAM "[experiment]\nobjective = command\ndirection = maximize\n[command]\nrun = cat\n"
#define REST "b = dropout_rate, optimizer, epoch, stride, padding, kernel, num_fc_units, batch_size ratio 1\n"

/* With a sampler that can say what it expects, and nowhere else; an own space without groups is
 * searched all at once. */
static void what_measured_best_is_the_default(void **state)
{
  static const struct {
    const char *text;
    bool revisit;
    const char *strategy;
    enum gp_cost_kind cost;
  } cases[] = {{"", true, "grouped", GP_COST_FLOPS},
               {"[gp]\ncost = none\n", true, "grouped", GP_COST_NONE},
               {"[experiment]\nsampler = tpe\n", false, "grouped", GP_COST_NONE},
               {"[experiment]\nsampler = gp\nrevisit = no\n", false, "grouped", GP_COST_NONE},
               {"[experiment]\nsampler = gp\nrevisit = no\n[gp]\ncost = flops\n", false, "grouped", GP_COST_FLOPS},
               {"[experiment]\nstrategies = greedy\n", true, "greedy", GP_COST_NONE},
               {"[experiment]\nstrategies = simultaneous\n", true, "simultaneous", GP_COST_NONE},
               {PROGRAM "[space]\nx = int 1 .. 2 default 1\n", true, "simultaneous", GP_COST_NONE},
               {PROGRAM "[space]\nx = int 1 .. 2 default 1\n[groups]\na = x ratio 1\n", true, "grouped", GP_COST_NONE}};
  (void)state;
  for (size_t i = 0; i < COUNT(cases); i++) {
    load_text(cases[i].text);
    assert_int_equal(x->n_strategies, 1);
    assert_string_equal(x->strategies[0], cases[i].strategy);
    assert_int_equal(x->revisit, cases[i].revisit);
    assert_int_equal(x->sampler_settings.gp_cost, cases[i].cost);
    experiment_destroy(x);
  }
}

static void groups_may_come_from_elsewhere(void **state)
{
  (void)state;
  static const int paper[10] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 2};
  load_text("[groups]\nfrom = weights\n[importance]\nratio = 4 3 3\n");
  assert_int_equal(x->groups.n, 3);
  assert_memory_equal(x->groups.of, paper, sizeof paper);
  char *of_weights = experiment_search_text(x), *best = experiment_best_ini(x, (double[10]){2, 0.1}, 0, 0);
  assert_null(strstr(best, "[weights]")); /* the groups that were made of them stand there */
  assert_null(strstr(best, "from ="));
  assert_non_null(strstr(best, "\nfirst = num_conv_layers, lr, dropout_rate ratio 4\n"));
  experiment_destroy(x);
  free(best);
  load_text("[importance]\nratio = 4 3 3\n");
  char *of_lines = experiment_search_text(x);
  assert_string_equal(of_weights, of_lines); /* where groups came from is no part of the search */
  experiment_destroy(x);
  free(of_lines);
  free(of_weights);
  load_text(PROGRAM "[space]\nx = int 1 .. 2 default 1\ny = 4\nz = float 0 .. 1 default 0\n[groups]\nfrom = weights\n"
                    "[weights]\nz = 5\nx = 1\n[importance]\ngroups = 2\n");
  assert_true(x->groups.n == 2 && x->groups.of[2] == 0 && x->groups.of[0] == 1 && x->groups.of[1] == 1);
  experiment_destroy(x);
  write_text(PROGRAM "[space]\nx = int 1 .. 2 default 1\n[groups]\nfrom = auto\n");
  const char *no_setting[] = {"groups.from="}; /* then the file has no groups */
  load_settings(ini_path, 1, no_setting);
  assert_true(x->groups.n == 1 && x->n_strategies == 1);
  experiment_destroy(x);
  write_text("[groups]\na = num_conv_layers, lr ratio 1\n" REST);
  const char *auto_setting[] = {"groups.from=auto"}; /* a setting goes before the file's lines */
  load_settings(ini_path, 1, auto_setting);
  assert_true(experiment_groups_auto(x) && x->groups.n == 0 && !experiment_groups_run(x));
  char *text = experiment_search_text(x), value[40];
  assert_true(experiment_search_get(text, "groups.from", value, sizeof value));
  assert_string_equal(value, "auto");
  best = experiment_best_ini(x, (double[10]){2, 0.1}, 0, 0);
  assert_non_null(strstr(best, "[groups]\nfrom = auto\n"));
  experiment_destroy(x);
  free(best);
  free(text);
  char expected[600];
  snprintf(expected, sizeof expected, "%s/results/old", folder);
  load_text("[groups]\nfrom = results/old\n"); /* from the file's folder, as all paths */
  assert_string_equal(experiment_groups_run(x), expected);
  experiment_destroy(x);
}

static void load_dataset(const char *name, int n, const char *const *settings)
{
  memset(&e, 0, sizeof e);
  if (experiment_load_dataset(x, ini_path, settings, n, name, &e)) fail_msg("refused: %s", e.message);
}

/* A line of [datasets] is an experiment of its own, and says of the data what [dataset] does. */
static void a_line_of_data_sets_stands_in_the_place_of_dataset(void **state)
{
  static const char text[] = "[dataset]\npath = usual\nimage_size = 64\ntrain_count = 7\n"
                             "[datasets]\nfirst = my photos\nsecond = /data/b, Image_Size 32, channels 1 # grey\n";
  static const char *const settings[] = {"dataset.train_count=9",
                                         "datasets.second=", "datasets.third=c, train_count 5"};
  char expected[1100];
  (void)state;
  load_text(text);
  assert_int_equal(x->n_datasets, 2);
  assert_string_equal(x->datasets[0], "first");
  assert_string_equal(x->datasets[1], "second");
  assert_int_equal(x->dataset.image_size, 64); /* no other command knows of them */
  char *plain = experiment_search_text(x);
  experiment_destroy(x);
  snprintf(expected, sizeof expected, "%s/my photos", folder);
  load_dataset("first", 0, NULL);
  assert_string_equal(x->dataset.path, expected);
  assert_true(x->dataset.image_size == 64 && x->dataset.train_count == 7);
  char *search = experiment_search_text(x);
  assert_string_equal(search, plain); /* one that has no keys of its own is the same search */
  experiment_destroy(x);
  load_dataset("second", 0, NULL);
  assert_string_equal(x->dataset.path, "/data/b");
  assert_true(x->dataset.image_size == 32 && x->dataset.channels == 1 && x->dataset.train_count == 7);
  experiment_destroy(x);
  load_dataset("third", 3, settings);
  assert_int_equal(x->n_datasets, 2);
  assert_string_equal(x->datasets[1], "third");
  assert_string_equal(x->dataset.path, "c");
  assert_int_equal(x->dataset.train_count, 9); /* a setting goes before a line */
  experiment_destroy(x);
  free(search);
  free(plain);
}

static void wrong_lines_of_data_sets_are_refused(void **state)
{
  static const struct wrong wrong[] = {
      {"[datasets]\na =\n", "study.ini:2: [datasets] a = : no path; right is: photos, image_size 32"},
      {"[datasets]\na = , channels 1\n", "begins with a comma"},
      {"[datasets]\na = b, , channels 1\n", "nothing stands between two commas"},
      {"[datasets]\na = b,\n", "nothing stands between two commas"},
      {"[datasets]\na = b, chanels 1\n", "no key 'chanels' in [dataset]; did you mean 'channels'?|there are: format"},
      {"[datasets]\na = b, channels\n", "'channels' has no value"},
      {"[datasets]\na = b, channels 1, Channels 3\n", "'channels' is there twice"},
      {"[datasets]\na = b, path c\n", "the path stands at the beginning"},
      {"[datasets]\na/b = c\n", "that of a folder"},
      {"[datasets]\nimportance.csv = c\n", "study.ini:2: [datasets] importance.csv = c: importance.txt, .csv"},
      {"[datasets]\n.a = c\n", "that of a folder"},
      {"[dataset]\na = b\n", "no key 'a' in [dataset]"},
  };
  static const char *const settings[] = {"dataset.path=d"};
  (void)state;
  check_refused(wrong, COUNT(wrong));
  load_text("[datasets]\na = b, channels 2\n");
  experiment_destroy(x);
  memset(&e, 0, sizeof e);
  refused("a wrong value", experiment_load_dataset(x, ini_path, NULL, 0, "a", &e),
          "study.ini:2: [dataset] channels = 2|'2' is none of: 1, 3");
  memset(&e, 0, sizeof e);
  refused("no such line", experiment_load_dataset(x, ini_path, NULL, 0, "b", &e), "[datasets] has no line 'b'");
  memset(&e, 0, sizeof e);
  refused("a path for all", experiment_load_dataset(x, ini_path, settings, 1, "a", &e),
          "--set dataset.path=d: would make all data sets of [datasets] the same");
}

static void wrong_settings_are_refused(void **state)
{
  (void)state;
  static const struct wrong wrong[] = {
      {"experiment.trials", "--set experiment.trials: no '='"},
      {"trials=4", "no '.' before the '='"},
      {".trials=4", "no section"},
      {"experiment.=4", "no key"},
      {"", "no '='"},
      {"experiment.trails=4", "--set experiment.trails=4|did you mean 'trials'"},
      {"expriment.trials=4", "did you mean 'experiment'"},
      {"experiment.trials=-4", "--set experiment.trials=-4: not a whole number from 1 to 1000000"},
      {"space.lr=float 1 .. 0 default 0", "--set space.lr=float 1 .. 0 default 0: the range 1 .. 0 is empty"},
      {"space.lrr=", "no hyperparameter 'lrr' to take away; did you mean 'lr'"},
      {"groups.firts=", "--set groups.firts=: there is no group 'firts' to take away"},
      {"weights.lrr=", "--set weights.lrr=: there is no line 'lrr' in [weights] to take away"},
      {"enqueue.usual=", "--set enqueue.usual=: there is no line 'usual' in [enqueue] to take away"},
      {"datasets.digits=", "--set datasets.digits=: there is no line 'digits' in [datasets] to take away"},
      {"groups.first=", "3 hyperparameters are in no group ('num_conv_layers', 'lr', 'dropout_rate')"},
      {"experiment.name=a\x1b[31m", "control character 0x1b"},
      {"space.lr\xc2\xa0=float 0 .. 1 default 0.5",
       "--set space.lr\\xc2\\xa0=float|that is not seen stands in the name"},
      {"experiment.name=a\xe2\x80\xae", "a name is printable"},
      {"dataset.dpath=x", "did you mean 'path'"},
  };
  for (size_t i = 0; i < COUNT(wrong); i++) {
    const char *settings[] = {wrong[i].text};
    memset(&e, 0, sizeof e);
    refused(wrong[i].text, experiment_load(x, NULL, settings, 1, &e), wrong[i].says);
  }
  char lengthy[2000];
  memset(lengthy, 'a', sizeof lengthy - 1);
  lengthy[sizeof lengthy - 1] = 0;
  memcpy(lengthy, "experiment.output=", 18);
  const char *settings[] = {lengthy};
  refused("a long one", experiment_load(x, NULL, settings, 1, &e), "longer than 1022 characters");
}

/* ------------------------------------------------------------- errors ---- */

static void unknown_names_get_their_neighbour(void **state)
{
  (void)state;
  static const struct wrong wrong[] = {
      {"[experiment]\ntrails = 3\n",
       "study.ini:2: [experiment] trails = 3|no key 'trails'|did you mean 'trials'|there are: name, seed"},
      {"[tpe]\ntrials = 3\n", "no key 'trials' in [tpe]; it belongs in [experiment]"},
      {"[grid]\nqqqqqqq = 3\n", "there is no key 'qqqqqqq' in [grid] (there are: points)"},
      {"[experimnet]\ntrials = 3\n", "study.ini:1: [experimnet]: there is no such section; did you mean 'experiment'"},
      {"[xyzzyxyzzy]\n", "there is no such section (there are: [experiment], [dataset]"},
      {"[experiment]\nsampler = tpee\n",
       "[experiment] sampler = tpee: 'tpee' is none of: random, grid, tpe, gp; did you mean 'tpe'"},
      {"[gp]\ndesign = sobel\n", "[gp] design = sobel: 'sobel' is none of: sobol, random; did you mean 'sobol'"},
      {"[gp]\ncandidates = 1\n", "[gp] candidates = 1: not a whole number from 16 to 1000000"},
      {"[experiment]\nstrategies = gruoped\n", "did you mean 'grouped'"},
      {"[experiment]\nstrategies = grouped, grouped\n", "'grouped' is there twice"},
      {"[experiment]\nstrategies = ,\n", "strategies = ,"},
      {"[experiment]\nobjective = cn\n", "did you mean 'cnn'"},
      {"[experiment]\ndirection = maximise\n", "did you mean 'maximize'"},
      {"[experiment]\nobjective = function\n",
       "study.ini:2: [experiment] objective = function: needs to know which one: [function] name"},
      {"[experiment]\nobjective = function\n[function]\nname = ackly\n", "study.ini:4: [function] name = ackly|ackley"},
      {"[dataset]\nformat = cifar-10\n", "did you mean 'cifar10'"},
      {"[dataset]\nchannels = 2\n", "'2' is none of: 1, 3"},
      {"[scheduler]\ndevices = gpu\n", "not auto, cpu, cuda (all GPUs)"},
      {"[scheduler]\ndevices = cuda:0,0\n", "not auto, cpu, cuda (all GPUs)"},
      {"[scheduler]\ndevices = cuda:\n", "not auto, cpu, cuda (all GPUs)"},
      {"[model]\nprecision = tf16\n", "tf32"},
      {"[tpe]\nhistory = al\n", "did you mean 'all'"},
      {"[groups]\na = lrr ratio 1\n", "no hyperparameter 'lrr'; did you mean 'lr'"},
      {"[enqueue]\na = optimiser sgd\n", "no hyperparameter 'optimiser'; did you mean 'optimizer'"},
      {"[enqueue]\na = optimizer agd\n", "did you mean 'sgd'"},
  };
  check_refused(wrong, COUNT(wrong));
}

static void wrong_values_say_what_is_right(void **state)
{
  (void)state;
  static const struct wrong wrong[] = {
      {"[experiment]\ntrials = -3\n",
       "study.ini:2: [experiment] trials = -3: not a whole number from 1 to 1000000|default is 100"},
      {"[experiment]\ntrials = 0\n", "from 1"},
      {"[experiment]\ntrials = 1.5\n", "not a whole number"},
      {"[experiment]\ntrials = 1e3\n", "not a whole number"},
      {"[experiment]\ntrials = 99999999999999999999999\n", "not a whole number"},
      {"[experiment]\ntrials = -18446744073709551615\n", "not a whole number"},
      {"[experiment]\ntrials = 4294967297\n", "not a whole number"},
      {"[experiment]\ntrials = ten\n", "not a whole number"},
      {"[experiment]\ntrials =\n", "no value; give one (the default is 100), or delete the line"},
      {"[experiment]\ntrials = \"\"\n", "no value"},
      {"[experiment]\ntarget =\n", "study.ini:2: [experiment] target = : no value; give one, or delete the line"},
      {"[dataset]\nimage_size =\n", "no value; give one, or delete the line"},
      {"[gp]\ncost =\n", "no value; give one of: none, flops, time, or delete the line"},
      {"[experiment]\nrevisit =\n", "no value; give one of: no, yes, or delete the line"},
      {"[experiment]\nmetric =\n", "balanced_accuracy, macro_f1, loss (the default is accuracy)"},
      {"[weights]\nlr =\n", "study.ini:2: [weights] lr = : nothing uses it"},
      {"[experiment]\nrounds = 65536\n", "from 1 to 65535"},
      {"[pruner]\neta = 1.000000001\n", "study.ini:2: [pruner] eta = |not a number from 1.01 and up to 1000"},
      {"[experiment]\nseed = -1\n", "from 0 to 18446744073709551615"},
      {"[experiment]\nseed = 18446744073709551616\n", "from 0 to 18446744073709551615"},
      {"[experiment]\nseed = 0x10\n", "from 0 to"},
      {"[experiment]\nname = a/b\n", "has no slash"},
      {"[experiment]\nname = ..\n", "begins with no dot"},
      {"[experiment]\ntarget = 97\n", "target = 97: validation accuracy is a share|0.97"},
      {"[experiment]\ntarget = nan\n", "finite number"},
      {"[experiment]\ntarget = 1e999\n", "finite number"},
      {"[experiment]\ndirection = minimize\n", "cnn maximizes"},
      {"[experiment]\ntime_limit = -5\n", "not a duration"},
      {"[experiment]\ntime_limit = 5 parsecs\n", "90 or 90s (seconds), 15m, 2h"},
      {"[experiment]\ntime_limit = inf\n", "not a duration"},
      {"[experiment]\ntime_limit = 1h 5\n", "not a duration"},
      {"[scheduler]\nparallel = 0\n", "from 1"},
      {"[scheduler]\ntrial_memory = 0\n", "not a size"},
      {"[scheduler]\ntrial_memory = 16G\n", "16GiB"},
      {"[scheduler]\ntrial_memory = 99999999TiB\n", "not a size"},
      {"[scheduler]\nslots = -1\n", "neither auto nor a whole number from 1"},
      {"[dataset]\nvalidation_fraction = 1\n", "not a number above 0 and below 1"},
      {"[dataset]\nvalidation_fraction = 0\n", "not a number above 0 and below 1"},
      {"[dataset]\nvalidation_fraction = nan\n", "not a number"},
      {"[dataset]\npixel_limit = 0\n", "from 1"},
      {"[dataset]\nimage_size = 0\n", "from 1 to 16384"},
      {"[dataset]\ntrain_count = 2147483648\n", "not a whole number from 0 to 2147483647"},
      {"[model]\nmomentum = 1\n", "from 0 and below 1"},
      {"[model]\nfilters = 0\n", "from 1 to 4096"},
      {"[tpe]\nquantile = 1\n", "above 0 and below 1"},
      {"[tpe]\nprior_weight = 0\n", "above 0 and up to 1000000"},
  };
  check_refused(wrong, COUNT(wrong));
}

static void wrong_spaces_groups_and_configurations_are_refused(void **state)
{
  (void)state;
  static const struct wrong wrong[] = {
      {"[space]\nlr = float 1 .. 0 default 0\n",
       "study.ini:2: [space] lr = float 1 .. 0 default 0: the range 1 .. 0 is empty"},
      {"[space]\nlr = float 0 .. 1 default 2\n", "default: 2 lies outside the range of 'lr', 0 .. 1"},
      {"[space]\nlr = float 0 .. 1 log default 1\n", "begins above 0"},
      {"[space]\nlr =\n", "an empty line"},
      {"[space]\nLR = float 0 .. 1 default 1\n", "there is 'lr' already; capitals alone"},
      {PROGRAM "[space]\nx:y = float 0 .. 1 default 1\n", "cannot be a name"},
      {"[space]\nweight_decay = float 0 .. 1 default 1\n",
       "study.ini:2: [space] weight_decay = |objective = cnn has no hyperparameter 'weight_decay' (there are: "
       "num_conv_layers, lr,"},
      {"[space]\nepochs = 3\n", "objective = cnn has no hyperparameter 'epochs'; did you mean 'epoch'?"},
      {"[experiment]\nobjective = function\n[function]\nname = ackley\n[space]\nx99 = 3\n",
       "study.ini:6: [space] x99 = 3: objective = function has no hyperparameter 'x99'"},
      {"[space]\nlr = high\n", "study.ini:2: [space] lr = high: 'high' is neither a number|nor a line such as float"},
      {"[space]\nlr = float\n", "expected a number, the low end"},
      {"[space]\noptimizer = adamm\n", "none of the choices of 'optimizer' (adam, sgd): did you mean 'adam'?"},
      {"[space]\nepoch = 2.5\n", "an int takes whole numbers|not 2.5"},
      {"[groups]\nfrom = weights\na = lr ratio 1\n",
       "study.ini:2: [groups] from = weights: makes all groups, and 'a' is another one; take one of them away"},
      {"[groups]\nfrom = weights\n[weights]\nlrr = 1\n",
       "study.ini:4: [weights] lrr = 1: there is no hyperparameter 'lrr'; did you mean 'lr'?"},
      {"[groups]\nfrom = weights\n[weights]\nlr = -1\n", "[weights] lr = -1: a weight is a number from 0"},
      {"[weights]\nlr = 0.5\n", "study.ini:2: [weights] lr = 0.5: nothing uses it; [groups] from = weights does"},
      {PROGRAM "[space]\nx = int 1 .. 2 default 1\n[groups]\nfrom = weights\n",
       "[groups] from = weights: 'x' has no weight; the section [weights] has to say it: x = NUMBER"},
      {"[importance]\nratio = 4 much\n", "[importance] ratio = 4 much: neither weight nor numbers above 0"},
      {"[experiment]\nobjective = command\ndirection = maximize\nstrategies = grouped\n[command]\nrun = "
       "cat\n[space]\nx = 1\n",
       "study.ini:4: [experiment] strategies = grouped: |first = NAME, NAME ratio 4; or from = auto"},
      {"[importance]\nratio = 4 3\n", "study.ini:2: [importance] ratio = 4 3: 2 numbers, and [importance] groups is 3"},
      {"[importance]\ngroups = 2\nratio = 4 3 3\n", "3 numbers, and [importance] groups is 2; right is a number for"},
      {"[importance]\nmethod = mdi\n", "[importance] method = mdi: 'mdi' is none of: nrrelieff, fanova, pedanova"},
      {PROGRAM "[space]\nx = int 1 .. 2 default 1\ny = 4\n[groups]\na = y ratio 1\n",
       "study.ini: [groups]: 1 hyperparameter is in no group ('x')|a right line: a = y, x ratio 1"},
      {"[groups]\na = num_conv_layers, lr ratio 1\n", "8 hyperparameters are in no group ('dropout_rate', "
                                                      "'optimizer'|a right line: a = num_conv_layers, lr, batch_size "
                                                      "ratio 1"},
      {"[groups]\na = num_conv_layers, lr, dropout_rate ratio 1\n" REST,
       "study.ini:3: [groups] b =|'dropout_rate' is in the group 'a' already"},
      {"[groups]\na = num_conv_layers, lr, lr ratio 1\n" REST, "'lr' is there twice"},
      {"[groups]\na = num_conv_layers, lr\n" REST, "no ratio: add 'ratio NUMBER'"},
      {"[groups]\na = num_conv_layers, lr ratio\n" REST, "'' is no ratio"},
      {"[groups]\na = num_conv_layers, lr ratio 0\n" REST, "'0' is no ratio: a number above 0"},
      {"[groups]\na = num_conv_layers, lr ratio -1\n" REST, "is no ratio"},
      {"[groups]\na = num_conv_layers, lr ratio nan\n" REST, "is no ratio"},
      {"[groups]\na = num_conv_layers, lr ratio 1 2\n" REST, "is no ratio"},
      {"[groups]\na = num_conv_layers lr ratio 1\n" REST,
       "'lr' where 'ratio' is expected (a comma goes between members)"},
      {"[groups]\na = num_conv_layers, lr, ratio 1\n" REST, "no hyperparameter 'ratio'"},
      {"[groups]\na = num_conv_layers, lr,\n" REST, "a comma at the end"},
      {"[groups]\na = ratio 1\n", "no hyperparameter 'ratio'"},
      {"[groups]\na =\n", "an empty group"},
      {"[groups]\na = ,lr ratio 1\n", "begins with a comma"},
      {"[enqueue]\na =\n", "no values; right is: lr 0.001"},
      {"[enqueue]\na = lr\n", "'lr' has no value"},
      {"[enqueue]\na = lr 5\n", "5 lies outside the range of 'lr', 1e-05 .. 1"},
      {"[enqueue]\na = lr 0.1 optimizer sgd\n", "a comma is missing before 'optimizer'"},
      {"[enqueue]\na = lr 0.1,\n", "a comma at the end"},
      {"[enqueue]\na = lr 0.1, lr 0.2\n", "'lr' is there twice"},
      {"[enqueue]\na = stride 3\n", "none of the choices of 'stride' (1, 2)"},
  };
  check_refused(wrong, COUNT(wrong));
}

static void spoiled_lines_are_refused_with_their_number(void **state)
{
  (void)state;
  static const struct wrong wrong[] = {
      {"[experiment]\ntrials = 3\nseed = 1\ntrials = 3\n",
       "study.ini:4: [experiment] trials is there already, in line 2"},
      {"[experiment]\ntrials = 3\n[tpe]\n[experiment]\nTrials = 4\n",
       "study.ini:5: [experiment] Trials is there already, in line 2 in other letters"},
      {"[space]\nlr = float 0 .. 1 default 1\nLr = float 0 .. 1 default 1\n",
       "study.ini:3: [space] Lr is there already"},
      {"trials = 3\n", "study.ini:1: 'trials = 3' stands before the first [section]"},
      {"[experiment]\n\nhello there\n", "study.ini:3: 'hello there' is neither a [section], nor a 'key = value'"},
      {"[experiment]\ntrials: 3\n", "study.ini:2: 'trials: 3' is neither"},
      {"[experiment\ntrials = 3\n", "study.ini:1: '[experiment': a section needs its closing bracket"},
      {"[experiment] trials = 3\n", "nothing but a comment may follow a section"},
      {"[]\n", "a section without a name"},
      {"[experiment]\n= 3\n", "no key before the '='"},
      {"[experiment]\nname = \"abc\n", "the quote \" is not closed"},
      {"[experiment]\nname = \"abc\" def\n", "text follows the closing quote"},
      {"[experiment]\nname = \"a\\\\b\"\n", "study.ini:2: name: a backslash within quotes"},
      {"[dataset]\npath = /data/set#1\n", "study.ini:2: path: '#' begins a comment"},
      {"[experiment]\ntrials = 3;\n", "';' begins a comment"},
      {"[experiment]\ntrials = 3 # comment \\\nseed = 4\n",
       "study.ini:2: a comment that ends in a backslash would swallow the next line"},
      {"[experiment] \\\nseed = 4\n", "a section ends with its line"},
      {"[experiment]\noutput = C:\\dir\\", "a backslash at the end"},
      {"[experiment]\noutput = C:\\dir\\\n\n[tpe]\n", "a backslash at the end"},
      {"[experiment]\ntrials = 3\x01\n", "study.ini:2: the control character 0x01 in column 11"},
      {"[experiment]\rtrials = 3\n", "control character 0x0d"},
      {"[space]\nlr\xc2\xa0= float 0 .. 1 default 0.5\n",
       "study.ini:2: 'lr\\xc2\\xa0': a character that is not seen stands in the name, behind 2 others"},
      {"[groups]\nfir\xe2\x80\x8bst = lr ratio 1\n", "study.ini:2: 'fir\\xe2\\x80\\x8bst'"},
      {"[space]\npadding = categorical same, va\xc2\xadlid default same\n", "'va\\xc2\\xadlid' cannot be a label"},
      {"[experiment]\nname = a\xef\xbb\xbf\n", "a name is printable"},
      {"[experiment]\nsampler = tpe\xc2\xa0\n", "tpe\\xc2\\xa0"},
  };
  check_refused(wrong, COUNT(wrong));
  refused("NUL", load_bytes("[experiment]\ntri\0als = 3\n", 25), "study.ini:2: a zero byte|UTF-16");
  refused("UTF-16", load_bytes("\xff\xfe[\0e\0x\0p\0]\0\n\0", 14), "a zero byte");
}

static void the_longest_line_is_read_and_one_longer_is_refused(void **state)
{
  (void)state;
  static const char *const endings[] = {"\n", "", "\r\n", "\ntrials = 3\n"};
  char text[3000];
  for (size_t i = 0; i < COUNT(endings); i++) {
    for (int over = 0; over <= 1; over++) {
      int n = sprintf(text, "[experiment]\noutput = "), line = (int)strlen("output = ");
      for (; line < INI_LINE_MAX + over; line++) text[n++] = 'a';
      strcpy(text + n, endings[i]);
      int rc = load_bytes(text, strlen(text));
      if (over) {
        refused("a long line", rc, "study.ini:2: the line has 1023 characters; at most 1022 can be read");
      } else {
        assert_int_equal(rc, 0);
        assert_int_equal(strlen(x->output), INI_LINE_MAX - strlen("output = "));
        experiment_destroy(x);
      }
    }
  }
  char *lengthy = calloc(1, 100000); /* a comment may be as long as it likes; joined lines may not */
  sprintf(lengthy, "[experiment]\n#%05000d\ntrials = 4\n", 1);
  load_text(lengthy);
  assert_int_equal(x->trials, 4);
  experiment_destroy(x);
  sprintf(lengthy, "[experiment]\noutput = %0600d\\\n%0600d\n", 1, 1);
  refused("joined lines", load_bytes(lengthy, strlen(lengthy)), "at most 1022");
  free(lengthy);
}

static void files_that_are_no_ini_files_are_refused(void **state)
{
  (void)state;
  char path[600];
  refused("a folder", experiment_load(x, folder, NULL, 0, &e), "is a folder");
  snprintf(path, sizeof path, "%s/none.ini", folder);
  refused("no file", experiment_load(x, path, NULL, 0, &e), "none.ini: there is no such file");
  write_bytes("", 0);
  snprintf(path, sizeof path, "%s/study", folder);
  refused("no .ini", experiment_load(x, path, NULL, 0, &e), "did you mean|study.ini'?");
  if (geteuid() != 0) { /* root reads everything */
    chmod(ini_path, 0);
    refused("unreadable", experiment_load(x, ini_path, NULL, 0, &e), "cannot be read: Permission denied");
    chmod(ini_path, 0600);
  }
  refused("endless", experiment_load(x, "/dev/zero", NULL, 0, &e), "is larger than 1024 KiB");
  char *lengthy = malloc(2000);
  memset(lengthy, 'a', 1999);
  lengthy[1999] = 0;
  refused("a long path", experiment_load(x, lengthy, NULL, 0, &e), "too long");
  free(lengthy);
  char *large = malloc(INI_FILE_MAX + 2);
  memset(large, '\n', INI_FILE_MAX + 1);
  assert_int_equal(load_bytes(large, INI_FILE_MAX), 0);
  experiment_destroy(x);
  refused("enormous", load_bytes(large, INI_FILE_MAX + 1), "is it the right file");
  free(large);
}

static void a_sixty_fifth_of_anything_is_refused(void **state)
{
  (void)state;
  char text[20000], lines[16000] = "";
  int n = 0;
  for (int i = 0; i < 64; i++) n += sprintf(lines + n, "p%d = int 1 .. 2 default 1\n", i);
  n = sprintf(text, PROGRAM "[space]\n%s[groups]\n", lines);
  for (int i = 0; i < 64; i++) n += sprintf(text + n, "g%d = p%d ratio 1\n", i, i);
  load_text(text);
  assert_true(x->space.n == SPACE_MAX && x->groups.n == SPACE_MAX);
  experiment_destroy(x);
  sprintf(text, PROGRAM "[space]\n%sp64 = int 1 .. 2 default 1\n", lines);
  refused("65 hyperparameters", load_bytes(text, strlen(text)), "p64|one hyperparameter more than the 64");
  n = sprintf(text, "[enqueue]\n");
  for (int i = 0; i < 65; i++) n += sprintf(text + n, "c%d = lr 0.1\n", i);
  refused("65 configurations", load_bytes(text, strlen(text)), "c64|one configuration more than the 64");
  n = sprintf(text, "[groups]\n");
  for (int i = 0; i < 65; i++) n += sprintf(text + n, "g%d = lr ratio 1\n", i);
  refused("65 groups", load_bytes(text, strlen(text)), "g64|one group more than the 64");
  n = sprintf(text, "[datasets]\n");
  for (int i = 0; i < 65; i++) n += sprintf(text + n, "d%d = data\n", i);
  refused("65 data sets", load_bytes(text, strlen(text)), "d64|one data set more than the 64");
}

/* ------------------------------------------------------------- functions ---- */

static void a_function_brings_its_space_and_direction(void **state)
{
  (void)state;
  load_text("[experiment]\nobjective = function\n[function]\nname = ackley\n");
  assert_true(x->space.n > 0 && x->groups.n > 0);
  assert_false(x->maximize); /* Ackley's optimum is a minimum */
  char name[SPACE_NAME_MAX], text[300];
  strcpy(name, x->space.params[0].name);
  int n = x->space.n;
  experiment_destroy(x);
  snprintf(text, sizeof text,
           "[experiment]\nobjective = function\ndirection = maximize\ntarget = -5\n[function]\nname = "
           "ackley\n[space]\n%s = float 0 .. 0.5 default 0.25\n",
           name);
  load_text(text);
  assert_true(x->maximize && x->target == -5 && x->space.n == n);
  assert_true(x->space.params[0].high == 0.5 && x->space.params[0].default_value == 0.25);
  experiment_destroy(x);
}

/* ------------------------------------------------------------- the search text ---- */

static void machine_keys_do_not_show_in_the_search_text_and_search_keys_do(void **state)
{
  (void)state;
  load_settings(NULL, 0, NULL);
  char *base = experiment_search_text(x), differences[3000];
  experiment_destroy(x);
  static const struct {
    const char *setting;
    const char *says; /* NULL: a machine key */
  } cases[] = {
      {"scheduler.slots=3", NULL},
      {"scheduler.devices=cpu", NULL},
      {"scheduler.timeout=5s", NULL},
      {"experiment.time_limit=5s", NULL},
      {"experiment.output=elsewhere", NULL},
      {"dataset.path=elsewhere", NULL},
      {"dataset.cache=elsewhere", NULL},
      {"dataset.threads=2", NULL},
      {"dataset.format=idx", NULL},
      {"experiment.direction=maximize", NULL}, /* what it is without saying so */
      {"scheduler.trial_memory=16384MiB", NULL},
      {"space.lr=float 0.00001 .. 1.0 default 1e-2 log", NULL},
      {"experiment.seed=1", "experiment.seed (was 0, is 1)"},
      {"experiment.trials=101", "experiment.trials (was 100, is 101)"},
      {"experiment.target=0.9", "experiment.target (was not given, is 0.9)"},
      {"scheduler.parallel=5", "scheduler.parallel (was 4, is 5)"},
      {"dataset.pixel_limit=5", "dataset.pixel_limit (was 50000000, is 5)"},
      {"dataset.image_size=64", "dataset.image_size (was not given, is 64)"},
      {"model.filters=16", "model.filters (was 32, is 16)"},
      {"space.epoch=int 1 .. 6 default 1", "space.epoch (was int 10 .. 100 default 10, is int 1 .. 6 default 1)"},
      {"groups.first=lr, num_conv_layers, dropout_rate ratio 5",
       "groups.first (was num_conv_layers, lr, dropout_rate ratio 4, is num_conv_layers, lr, dropout_rate ratio 5)"},
      {"experiment.strategies=simultaneous",
       "experiment.strategies (was grouped, is simultaneous), gp.cost (was flops, is none)"},
      {"experiment.baseline=no", "experiment.baseline (was yes, is no)"},
      {"experiment.revisit=yes", NULL}, /* what it is with gp without saying so */
      {"experiment.revisit=no", "experiment.revisit (was yes, is no), gp.cost (was flops, is none)"},
      {"gp.cost=flops", NULL}, /* what it is where grouped revisits without saying so */
      {"gp.cost=none", "gp.cost (was flops, is none)"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    const char *settings[] = {cases[i].setting};
    load_settings(NULL, 1, settings);
    char *text = experiment_search_text(x);
    experiment_destroy(x);
    int n = experiment_search_compare(base, text, differences, sizeof differences);
    if (cases[i].says) {
      assert_int_equal(n, 1 + (strstr(differences, ", gp.cost") != NULL)); /* whose default follows from others */
      assert_string_equal(differences, cases[i].says);
    } else {
      if (n) fail_msg("%s: %s", cases[i].setting, differences);
      assert_string_equal(text, base);
      assert_string_equal(differences, "");
    }
    free(text);
  }
  /* sorted lines, each "key = value" */
  char *copy = strdup(base), last[300] = "";
  for (char *save = NULL, *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
    assert_non_null(strstr(line, " = "));
    assert_true(strcmp(last, line) < 0);
    snprintf(last, sizeof last, "%s", line);
  }
  free(copy);
  char value[100];
  assert_true(experiment_search_get(base, "experiment.trials", value, sizeof value));
  assert_string_equal(value, "100");
  assert_true(experiment_search_get(base, "experiment.target", value, sizeof value));
  assert_string_equal(value, "");
  assert_false(experiment_search_get(base, "experiment.trial", value, sizeof value));
  free(base);
}

static void the_order_of_names_is_part_of_the_search(void **state)
{
  (void)state;
  char differences[2000];
  load_text("[groups]\na = lr, dropout_rate ratio 1\nb = num_conv_layers, optimizer, epoch, stride, padding, kernel, "
            "num_fc_units, batch_size ratio 1\n");
  char *one = experiment_search_text(x);
  experiment_destroy(x);
  load_text("[groups]\nb = num_conv_layers, optimizer, epoch, stride, padding, kernel, num_fc_units, batch_size ratio "
            "1\na = lr, dropout_rate ratio 1\n");
  char *two = experiment_search_text(x);
  experiment_destroy(x);
  assert_int_equal(experiment_search_compare(one, two, differences, sizeof differences), 1);
  assert_string_equal(differences, "groups (was a, b, is b, a)");
  free(one);
  free(two);
}

static void a_key_that_a_text_lacks_stands_at_its_default(void **state)
{
  (void)state;
  char differences[400];
  const char *with = "experiment.seed = 4\ntpe.startup = 15\n", *without = "experiment.seed = 4\n";
  assert_int_equal(experiment_search_compare(without, with, differences, sizeof differences), 0);
  assert_int_equal(experiment_search_compare(with, without, differences, sizeof differences), 0);
  assert_int_equal(
      experiment_search_compare(without, "experiment.seed = 4\ntpe.startup = 6\n", differences, sizeof differences), 1);
  assert_string_equal(differences, "tpe.startup (was 15, is 6)");
  assert_int_equal(experiment_search_compare("space.a = int\n", "", differences, sizeof differences), 1);
  assert_string_equal(differences, "space.a (was int, is not there)");
  assert_int_equal(experiment_search_compare(without, "experiment.revisit = no\nexperiment.seed = 4\n", differences,
                                             sizeof differences),
                   0); /* its default is another with other samplers; before there was the key, nothing was revisited */
  /* damaged or hostile texts: no crash, and never equal */
  assert_int_not_equal(experiment_search_compare("=\n\n = \nx\nx =\n", with, differences, sizeof differences), 0);
  for (size_t size = 1; size < sizeof differences; size++) {
    memset(differences, 'z', sizeof differences);
    assert_int_equal(experiment_search_compare("a = 1\nb = 1\nc = 1\n", "a = 2\nb = 2\nc = 2\n", differences, size), 3);
    assert_true(strlen(differences) < size);
  }
}

/* ------------------------------------------------------------- best.ini ---- */

static void best_ini_reads_back_with_the_values_as_defaults(void **state)
{
  (void)state;
  load_text("[experiment]\nname = \"a # b\"\nseed = 77\ntrials = 12\noutput = \"o;ut '' \"\ntarget = "
            "0.9\n[dataset]\npath = data dir\n"
            "cache = \"c#ache\"\nimage_size = 32\n[space]\nepoch = int 1 .. 6 default 1\n[tpe]\nhistory = all\n"
            "[enqueue]\none = lr 0.001, optimizer sgd\nall_default = epoch 1\n[scheduler]\ntrial_memory = 3MB\n");
  double values[SPACE_MAX] = {2, 0.000123456789, 0.1 + 0.2, 1, 5, 1, 0, 1, 200, 3};
  char *text = experiment_best_ini(x, values, 2, 17), *base = experiment_search_text(x), differences[3000], path[900],
       cwd[600];
  assert_non_null(text);
  write_text(text);
  memset(&e, 0, sizeof e);
  if (experiment_load(x2, ini_path, NULL, 0, &e)) fail_msg("%s\n%s", e.message, text);
  double read[SPACE_MAX];
  space_defaults(&x2->space, read);
  assert_true(space_equal(&x->space, values, read));
  assert_string_equal(x2->name, "a # b-best");
  assert_string_equal(x2->output, "o;ut '' -best");
  snprintf(path, sizeof path, "%s/data dir", folder);
  assert_string_equal(x2->dataset.path, path);
  assert_true(x2->seed == 77 && x2->trials == 12 && x2->target == 0.9 && x2->dataset.image_size == 32 &&
              x2->sampler_settings.history == HISTORY_ALL);
  assert_int_equal(x2->trial_memory, 3000000);
  assert_true(x2->train_round == 2 && x2->train_trial == 17);
  assert_int_equal(x2->n_enqueued, 2); /* the baseline is tried first as it is */
  for (int i = 0; i < 2; i++) assert_true(space_equal(&x->space, x->enqueued[i].values, x2->enqueued[i].values));
  char *again = experiment_search_text(x2); /* but for name and defaults, nothing differs */
  int n = experiment_search_compare(base, again, differences, sizeof differences);
  if (n != 11) fail_msg("%d: %s", n, differences);
  free(again);
  free(base);
  free(text);
  experiment_destroy(x);
  experiment_destroy(x2);

  const char *settings[] = {"dataset.path=configs/data"}; /* a relative path is made absolute */
  load_settings(NULL, 1, settings);
  space_defaults(&x->space, values);
  text = experiment_best_ini(x, values, 0, 0);
  assert_non_null(getcwd(cwd, sizeof cwd));
  snprintf(path, sizeof path, "path = %s/configs/data\n", cwd);
  assert_non_null(strstr(text, path));
  free(text);
  experiment_destroy(x);
}

/* From the file's folder, and the same text from wherever it is given; settings start here. */
static void start_from_takes_paths_that_hold_anywhere(void **state)
{
  char expected[1400], cwd[600], value[1400];
  const char *settings[] = {"experiment.start_from=results/../a , .//b/./c/"};
  (void)state;
  load_text("[experiment]\nstart_from = old run, ../b,/c\n");
  snprintf(expected, sizeof expected, "%s/old run, %s/../b, /c", folder, folder);
  assert_string_equal(x->start_from, expected);
  char *text = experiment_search_text(x);
  assert_true(experiment_search_get(text, "experiment.start_from", value, sizeof value));
  assert_string_equal(value, expected);
  assert_true(x->start_best == 3 && x->start_seen && !x->start && experiment_given(x) == 1);
  free(text);
  experiment_destroy(x);
  load_settings(ini_path, 1, settings);
  assert_non_null(getcwd(cwd, sizeof cwd));
  snprintf(expected, sizeof expected, "%s/results/../a, %s/b/c", cwd, cwd);
  assert_string_equal(x->start_from, expected);
  experiment_destroy(x);
}

static void start_from_that_names_nothing_is_refused(void **state)
{
  static const char *const wrong[][2] = {{"start_from = a,,b", "a path is missing before a comma"},
                                         {"start_from = a,", "a path is missing after the last comma"},
                                         {"start_from = a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "more than 16 paths"},
                                         {"start_from = a\nstart_best = 0\nstart_seen = no", "nothing would be taken"},
                                         {"start_best = 65", "not a whole number from 0 to 64"}};
  char text[300];
  (void)state;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    snprintf(text, sizeof text, "[experiment]\n%s\n", wrong[i][0]);
    write_text(text);
    memset(&e, 0, sizeof e);
    assert_int_equal(experiment_load(x, ini_path, NULL, 0, &e), ERROR_CONFIG);
    if (!strstr(e.message, wrong[i][1])) fail_msg("%s", e.message);
  }
}

/* Every key has its value in it, so that a second one of what was read back is the same text. */
static void run_ini_reads_back_as_the_same_experiment(void **state)
{
  (void)state;
  static const char *const inis[] = {
      "",
      "[experiment]\nname = \"a # b\"\nseed = 77\ntrials = 12\ncycles = 2\noutput = \"o;ut '' \"\ntarget = 0.9\n"
      "time_limit = 1h30m\n[dataset]\npath = data dir\nvalidation_images = v\nvalidation_labels = w\n"
      "image_size = 32\n[space]\nepoch = int 1 .. 6 default 1\nlr = 0.1\n[enqueue]\none = lr 0.1, optimizer sgd\n"
      "all_default = epoch 1\n[scheduler]\ntrial_memory = 3MB\nslots = 3\n[train]\nround = 2\ntrial = 7\n",
      "[experiment]\nstart_from = \"a#, ../b\"\nstart_studies = x/y/0, z\nstart_best = 64\nstart_seen = no\n",
      "[groups]\nfrom = weights\n[importance]\ngroups = 2\nratio = 0.30000000000000004 1\n",
      "[experiment]\nstrategies = greedy, grouped\nrevisit = no\n[groups]\nfrom = auto\n",
      ("[experiment]\nobjective = command\ndirection = minimize\n[command]\nrun = \"prog 'a b' #\"\n[space]\n"
       "x = ordinal 1, 2.50 default 1\ny = float 1e-5 .. 1 log default 0.1\nz = categorical a, \xc3\xa4 default a\n"),
      "[experiment]\nobjective = function\n[function]\nname = mixed\n[gp]\ncost = time\ncost_weight = 0.1\n"};
  for (size_t i = 0; i < sizeof inis / sizeof *inis; i++) {
    load_text(inis[i]);
    char *text = experiment_run_ini(x), *search = experiment_search_text(x);
    for (int k = 0; k < key_count; k++) { /* the first line of its name: each stands there, if as a comment */
      char line[100];
      const struct experiment_key *key = &key_table[k].about;
      if (key_table[k].type == KEY_LINE || !strcmp(key->section, "groups")) continue;
      snprintf(line, sizeof line, "\n%s =", key->key);
      char *given = strstr(text, line);
      snprintf(line, sizeof line, "\n#%s =\n", key->key);
      if (!given && !strstr(text, line)) fail_msg("[%s] %s is missing:\n%s", key->section, key->key, text);
    }
    write_text(text);
    memset(&e, 0, sizeof e);
    if (experiment_load(x2, ini_path, NULL, 0, &e)) fail_msg("%s\n%s", e.message, text);
    char *again = experiment_run_ini(x2), *search_again = experiment_search_text(x2);
    assert_string_equal(again, text);
    assert_string_equal(search_again, search);
    free(again);
    free(search_again);
    free(search);
    free(text);
    experiment_destroy(x);
    experiment_destroy(x2);
  }
}

/* A run of best.ini begins at the best configuration: where no baseline does that, [enqueue]. */
static void best_ini_begins_at_the_best_without_a_baseline_too(void **state)
{
  (void)state;
  static const char *const enqueued[] = {"", "[enqueue]\nBest = lr 0.001\nbest_2 = epoch 30\n",
                                         "[enqueue]\nhere = lr 0.01, epoch 20\n"};
  static const char *const names[] = {"best", "best_3", "here"};
  char text[500];
  for (int i = 0; i < 3; i++) {
    snprintf(text, sizeof text, "[experiment]\nbaseline = no\n%s", enqueued[i]);
    load_text(text);
    double values[SPACE_MAX], first[SPACE_MAX];
    space_defaults(&x->space, values);
    values[space_index(&x->space, "lr")] = 0.01;
    values[space_index(&x->space, "epoch")] = 20;
    char *best = experiment_best_ini(x, values, 0, 3);
    write_text(best);
    free(best);
    if (experiment_load(x2, ini_path, NULL, 0, &e)) fail_msg("%s", e.message);
    assert_int_equal(experiment_given(x2), i == 2 ? 1 : 1 + x->n_enqueued);
    experiment_given_values(x2, 0, first);
    assert_true(space_equal(&x->space, first, values));
    assert_string_equal(x2->enqueued[0].name, names[i]);
    experiment_destroy(x);
    experiment_destroy(x2);
  }
}

/* ------------------------------------------------------------- mutations ---- */

/* Any bytes are accepted or refused with ERROR_CONFIG and a message; what is accepted can be
 * written and read again. */
static void spoiled_files_never_crash(void **state)
{
  (void)state;
  static const char *const pieces[] = {"=",         "[",          "]",     "\n",           "\"", "'",
                                       "#",         ";",          "\\\n",  "..",           ",",  " default ",
                                       " ratio ",   "log",        "1e999", "nan",          "-1", "99999999999999999999",
                                       "[space]\n", "[groups]\n", "lr = ", "\xef\xbb\xbf", "\r", "\t",
                                       "float",     "x",          "\xff",  " 0 "};
  static const char *const files[] = {"configs/reference.ini", "configs/quickstart.ini"};
  struct rng r = rng_make(11, philox_subsequence(PHILOX_TEST, 0, 4));
  int accepted = 0, refused_ones = 0;
  for (int f = 0; f < 2; f++) {
    char *original = read_file(files[f]), *text = calloc(1, 250000);
    size_t length = strlen(original);
    for (int i = 0; i < 1000; i++) {
      size_t n = length;
      memcpy(text, original, n);
      for (int edits = 1 + (int)rng_below(&r, 4); edits > 0 && n > 1; edits--) {
        size_t at = rng_below(&r, (uint32_t)n), count = 1 + rng_below(&r, 40);
        if (count > n - at) count = n - at;
        const char *piece = pieces[rng_below(&r, COUNT(pieces))];
        switch (rng_below(&r, 5)) {
        case 0: /* another byte */
          text[at] = (char)rng_word(&r);
          break;
        case 1: /* a part is lost */
          memmove(text + at, text + at + count, n - at - count);
          n -= count;
          break;
        case 2: /* a part comes twice */
          memmove(text + at + count, text + at, n - at);
          n += count;
          break;
        case 3: /* something is put in */
          count = strlen(piece);
          memmove(text + at + count, text + at, n - at);
          memcpy(text + at, piece, count);
          n += count;
          break;
        default: /* the file is cut off */
          if (rng_below(&r, 8) == 0) n = at;
        }
      }
      int rc = load_bytes(text, n);
      if (rc == 0) {
        accepted++;
        double values[SPACE_MAX];
        space_defaults(&x->space, values);
        char *best = experiment_best_ini(x, values, 0, 0);
        write_bytes(best, strlen(best));
        if (experiment_load(x2, ini_path, NULL, 0, &e)) fail_msg("best.ini: %s", e.message);
        experiment_destroy(x2);
        free(best);
        experiment_destroy(x);
      } else {
        refused_ones++;
        assert_int_equal(rc, ERROR_CONFIG);
        assert_non_null(strstr(e.message, "study.ini"));
        for (const char *c = e.message; *c; c++) assert_true((unsigned char)*c >= 32 && *c != 127);
      }
    }
    free(original);
    free(text);
  }
  assert_true(accepted > 100 && refused_ones > 100);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_measured_best_is_the_default),
      cmocka_unit_test(no_file_gives_the_papers_values),
      cmocka_unit_test(every_default_is_canonical_text),
      cmocka_unit_test(the_reference_has_every_key_once_with_its_default_and_mark),
      cmocka_unit_test(the_reference_is_the_same_as_an_empty_file),
      cmocka_unit_test(the_ini_files_of_the_repository_load),
      cmocka_unit_test(the_papers_experiment_is_that_of_its_tables),
      cmocka_unit_test(a_single_value_fixes_a_hyperparameter),
      cmocka_unit_test(more_trials_than_anybody_can_make_are_refused),
      cmocka_unit_test(a_message_that_comes_later_names_the_line),
      cmocka_unit_test(durations_sizes_seeds_and_lists_are_read),
      cmocka_unit_test(paths_start_from_the_ini_and_settings_from_here),
      cmocka_unit_test(capitals_quotes_comments_and_continuations_survive),
      cmocka_unit_test(groups_and_enqueued_configurations_keep_the_order_of_the_file),
      cmocka_unit_test(a_byte_order_mark_and_crlf_are_accepted),
      cmocka_unit_test(the_name_comes_from_the_file),
      cmocka_unit_test(settings_override_add_and_take_away),
      cmocka_unit_test(groups_may_come_from_elsewhere),
      cmocka_unit_test(a_line_of_data_sets_stands_in_the_place_of_dataset),
      cmocka_unit_test(wrong_lines_of_data_sets_are_refused),
      cmocka_unit_test(wrong_settings_are_refused),
      cmocka_unit_test(unknown_names_get_their_neighbour),
      cmocka_unit_test(wrong_values_say_what_is_right),
      cmocka_unit_test(wrong_spaces_groups_and_configurations_are_refused),
      cmocka_unit_test(spoiled_lines_are_refused_with_their_number),
      cmocka_unit_test(the_longest_line_is_read_and_one_longer_is_refused),
      cmocka_unit_test(files_that_are_no_ini_files_are_refused),
      cmocka_unit_test(a_sixty_fifth_of_anything_is_refused),
      cmocka_unit_test(a_function_brings_its_space_and_direction),
      cmocka_unit_test(machine_keys_do_not_show_in_the_search_text_and_search_keys_do),
      cmocka_unit_test(the_order_of_names_is_part_of_the_search),
      cmocka_unit_test(a_key_that_a_text_lacks_stands_at_its_default),
      cmocka_unit_test(best_ini_reads_back_with_the_values_as_defaults),
      cmocka_unit_test(start_from_takes_paths_that_hold_anywhere),
      cmocka_unit_test(start_from_that_names_nothing_is_refused),
      cmocka_unit_test(run_ini_reads_back_as_the_same_experiment),
      cmocka_unit_test(best_ini_begins_at_the_best_without_a_baseline_too),
      cmocka_unit_test(spoiled_files_never_crash),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
