/* The table of all keys: section, key, search or machine (contract 2), default, help, and where the
 * value goes.
 *
 * Parsing, --set, the messages about unknown keys, the search text, best.ini and the test of
 * configs/reference.ini all work from it; a new key is a row here, its field in struct experiment,
 * and its lines in reference.ini.
 *
 * Paths of a data set, its cache and its decoding threads are `machine`, and so is a table's: the
 * fingerprint of its bytes, stored beside the search keys, stands for them. */
#include "host/experiment/experiment_keys.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "host/cuda/device_list.h"
#include "host/experiment/names.h"
#include "host/base/spelling.h"
#include "host/base/text_escape.h"

/* The choices of keys, from the lists that the rest of the program goes by. */
static const char *const pruner_names[] = {PRUNER_NONE, PRUNERS(NAME_WORD) NULL};
static const char *const pruned_names[] = {PRUNES_EVERY_ONE, STRATEGIES(NAME_WORD) NULL};
static const char *const direction_names[] = {"maximize", "minimize", NULL};
static const char *const channel_names[] = {"1", "3", NULL};
static const char *const format_names[] = {"auto", DATASET_FORMATS(NAME_WORD) NULL};
static const char *const resize_names[] = {RESIZES(NAME_TEXT) NULL};
static const char *const bad_image_names[] = {BAD_IMAGE_POLICIES(NAME_TEXT) NULL};
static const char *const class_weights_names[] = {CLASS_WEIGHTS(NAME_TEXT) NULL};
static const char *const precision_names[] = {PRECISIONS(NAME_TEXT) NULL};
static const char *const history_names[] = {HISTORIES(NAME_TEXT) NULL};
static const char *const gp_history_names[] = {GP_HISTORIES(NAME_TEXT) NULL};
static const char *const cost_names[] = {GP_COSTS(NAME_TEXT) NULL};
static const char *const design_names[] = {GP_DESIGNS(NAME_TEXT) NULL};
static const char *const order_names[] = {TRIAL_ORDERS(NAME_TEXT) NULL};
static const char *const studies_names[] = {STUDIES_RUNS(NAME_TEXT) NULL};
static const char *const rule_names[] = {GROUPS_RULES(NAME_TEXT) NULL};
static const char *const metric_names[] = {METRICS(NAME_TEXT) NULL};
static const char *const unlike_names[] = {UNLIKE_RANKS(NAME_TEXT) NULL};
static const char *const yes_names[] = {"no", "yes", NULL};

/* clang-format off */
#define AT(member) offsetof(struct experiment, member), sizeof(((struct experiment *)0)->member)
#define TEXT(section, key, kind, type, member, help) {{section, key, kind, "", help}, type, AT(member), 0, 0, 0, NULL}
#define INT(section, key, kind, standard, low, high, member, help) \
  {{section, key, kind, standard, help}, KEY_INT, AT(member), low, high, 0, NULL}
#define NUMBER(section, key, standard, low, high, open, member, help) \
  {{section, key, "search", standard, help}, KEY_NUMBER, AT(member), low, high, open, NULL}
#define CHOICE(section, key, kind, standard, type, choices, member, help) \
  {{section, key, kind, standard, help}, type, AT(member), 0, 0, 0, choices}
#define LINE(section, key, standard, help) {{section, key, "search", standard, help}, KEY_LINE, 0, 0, 0, 0, 0, NULL}
#define SPACE_LINE(symbol, name, field, kind, in_file, line, help, weight) LINE("space", name, line, help),
#define WEIGHT_LINE(symbol, name, field, kind, in_file, line, help, weight) LINE("weights", name, weight, help),
#define AFTER_COMMA(symbol, name, ...) ", " name
#define GROUP_LINE(name, members, ratio, help) LINE("groups", name, &(members(AFTER_COMMA) " ratio " ratio)[2], help),

const struct key_spec key_table[] = {
  TEXT("experiment", "name", "search", KEY_NAME, name,
       "name of the studies; without it, the ini file's name without .ini"),
  {{"experiment", "seed", "search", "0", "decides every random number; any whole number from 0 to 2^64 - 1"},
   KEY_SEED, AT(seed), 0, 0, 0, NULL},
  {{"experiment", "strategies", "search", "grouped", "what searches; of several, each in studies of its own"},
   KEY_STRATEGIES, AT(strategies), 0, 0, 0, strategy_names},
  INT("experiment", "rounds", "search", "1", 1, 65535, rounds, "independent studies of each strategy"),
  INT("experiment", "trials", "search", "100", 1, 1000000, cycle_trials, "networks trained in each study and cycle"),
  INT("experiment", "cycles", "search", "1", 1, 1000, cycles,
      "times that a study gets those trials; after the first time grouped goes through its groups again"),
  CHOICE("experiment", "revisit", "search", "", KEY_ENUM, yes_names, revisit,
         "grouped: yes: each group gets half of its trials, then the model says where the others go; without it, yes "
         "where the sampler can say (gp)"),
  INT("experiment", "revisit_trials", "search", "5", 1, 1000000, revisit_trials,
      "revisit = yes: trials of a group before the model is asked again"),
  CHOICE("experiment", "baseline", "search", "yes", KEY_ENUM, yes_names, baseline,
         "yes: trial 0 of every study is the defaults of the space, which the report compares the search with"),
  CHOICE("experiment", "sampler", "search", "gp", KEY_WORD, sampler_names, sampler, "what proposes configurations"),
  CHOICE("experiment", "objective", "search", "cnn", KEY_WORD, objective_names, objective, "what a trial is"),
  CHOICE("experiment", "metric", "search", "accuracy", KEY_ENUM, metric_names, metric,
         "cnn: what is searched for, of the validation images: accuracy, balanced_accuracy, macro_f1 or loss"),
  CHOICE("experiment", "direction", "search", "", KEY_WORD, direction_names, direction,
         "maximize or minimize; without it, the objective's own (command has none)"),
  {{"experiment", "repeats", "machine", "auto",
    "cnn: trainings of each study's best configuration with other random numbers, at the end; auto: 3 where an epoch "
    "is short"},
   KEY_SLOTS, AT(repeats), 0, RUN_REPEATS_MAX, 0, NULL},
  TEXT("experiment", "output", "machine", KEY_TEXT, output,
       "folder of the results, from the current directory; without it, results/NAME"),
  {{"experiment", "time_limit", "machine", "0",
   "stops the run (resumable) after so long: 90, 90s, 15m, 2h, 1h30m; 0: never"},
   KEY_DURATION, AT(time_limit_s), 0, 0, 0, NULL},
  {{"experiment", "target", "search", "", "ends a study when a trial reaches this value (accuracy: 0.97)"},
   KEY_TARGET, AT(target), -INFINITY, INFINITY, 0, NULL},
  TEXT("experiment", "start_from", "search", KEY_PATHS, start_from,
       "earlier runs' folders, or study databases (Optuna's too), with commas between: their trials are seen"),
  TEXT("experiment", "start_studies", "search", KEY_TEXT, start_studies,
       "start_from: names of the studies that count, with commas between; without it, all"),
  INT("experiment", "start_best", "search", "3", 0, START_BEST_MAX, start_best,
      "start_from: so many of the best configurations are tried first"),
  CHOICE("experiment", "start_seen", "search", "yes", KEY_ENUM, yes_names, start_seen,
         "start_from: yes: proposals see the trials; no: of other data or another metric, the best are tried alone"),

  CHOICE("dataset", "format", "machine", "auto", KEY_ENUM, format_names, dataset.format,
         "auto: told from what is there"),
  TEXT("dataset", "path", "machine", KEY_PATH, dataset.path, "folder of the data set"),
  TEXT("dataset", "train_images", "machine", KEY_PATH, dataset.train_images, "IDX file of images, plain or .gz"),
  TEXT("dataset", "train_labels", "machine", KEY_PATH, dataset.train_labels, "IDX file of labels, plain or .gz"),
  TEXT("dataset", "validation_images", "machine", KEY_PATH, dataset.validation_images,
       "instead of a split of the training images"),
  TEXT("dataset", "validation_labels", "machine", KEY_PATH, dataset.validation_labels,
       "labels of the validation images"),
  TEXT("dataset", "test_images", "machine", KEY_PATH, dataset.test_images, "IDX file of test images"),
  TEXT("dataset", "test_labels", "machine", KEY_PATH, dataset.test_labels, "IDX file of test labels"),
  INT("dataset", "train_count", "search", "0", 0, INT_MAX, dataset.train_count, "use only the first N; 0: all"),
  INT("dataset", "test_count", "search", "0", 0, INT_MAX, dataset.test_count, "use only the first N; 0: all"),
  INT("dataset", "validation_count", "search", "0", 0, INT_MAX, dataset.validation_count,
      "training images held out for validation; 0: validation_fraction decides"),
  NUMBER("dataset", "validation_fraction", "0.2", 0, 1, OPEN_BOTH, dataset.validation_fraction,
         "share of the training images held out for validation"),
  NUMBER("dataset", "test_fraction", "0.2", 0, 1, OPEN_HIGH, dataset.test_fraction,
         "image folder without test/: share held out for the test"),
  INT("dataset", "image_size", "search", "", 1, 16384, dataset.image_size,
      "image folder: side of the square that images become"),
  CHOICE("dataset", "channels", "search", "3", KEY_INT, channel_names, dataset.channels,
         "image folder: 3 colour, 1 grey"),
  CHOICE("dataset", "resize", "search", "area", KEY_ENUM, resize_names, dataset.resize,
         "image folder: area or lanczos"),
  CHOICE("dataset", "on_bad_image", "search", "fail", KEY_ENUM, bad_image_names, dataset.on_bad_image,
         "image folder: fail, or skip and count"),
  {{"dataset", "pixel_limit", "search", "50000000", "image folder: larger images are refused before they are decoded"},
   KEY_INT64, AT(dataset.pixel_limit), 1, 1e12, 0, NULL},
  TEXT("dataset", "cache", "machine", KEY_PATH, dataset.cache, "folder for decoded images; without it, ~/.cache/gsos"),
  INT("dataset", "threads", "machine", "0", 0, 4096, dataset.threads, "decoding threads; 0: all cores"),
  {{"datasets", "NAME", "machine", "", "gsos study: a data set: path, key value, ...; the other keys as in [dataset]"},
   KEY_LINE, 0, 0, 0, 0, 0, NULL},

  INT("model", "filters", "search", "32", 1, 4096, model.filters, "filters of every convolution"),
  NUMBER("model", "momentum", "0.9", 0, 1, OPEN_HIGH, model.momentum, "momentum of sgd"),
  CHOICE("model", "class_weights", "search", "none", KEY_ENUM, class_weights_names, model.class_weights,
         "in the loss of training; balanced: images of small classes count more"),
  CHOICE("model", "precision", "search", "fp32", KEY_ENUM, precision_names, precision, "arithmetic on GPUs"),

  TEXT("function", "name", "search", KEY_TEXT, function, "objective = function: which one"),

  TEXT("command", "run", "search", KEY_TEXT, command, "objective = command: the program and its arguments"),
  TEXT("command", "folder", "machine", KEY_PATH, command_folder,
       "where the program runs; without it, the ini file's folder"),

  TEXT("table", "file", "machine", KEY_PATH, table,
       "objective = table: recorded trials, a study database, plain or .gz"),
  TEXT("table", "epoch", "search", KEY_TEXT, table_epoch,
       "the hyperparameter that is the number of epochs; without it, epoch, where there is one"),
  CHOICE("table", "force", "machine", "no", KEY_ENUM, yes_names, table_force,
         "yes: also where the table predicts badly"),

  HYPERPARAMETERS(SPACE_LINE)
  HYPERPARAMETER_GROUPS(GROUP_LINE)
  TEXT("groups", "from", "search", KEY_PATH, groups_from,
       "in place of lines: weights ([weights]), auto (measured by the study itself), or a run's folder or database"),
  HYPERPARAMETERS(WEIGHT_LINE)

  CHOICE("importance", "method", "search", "nrrelieff", KEY_WORD, importance_method_names, importance_method,
         "[groups] from, and greedy: how importance is measured"),
  NUMBER("importance", "top", "0.1", 0, 1, OPEN_BOTH, importance_top, "pedanova: the share of the trials called good"),
  INT("importance", "groups", "search", "3", 1, SPACE_MAX, groups_settings.n, "how many groups the weights make"),
  CHOICE("importance", "rule", "search", "share", KEY_ENUM, rule_names, groups_settings.rule,
         "where the list by weight is cut: share (of the weight), or gap (the largest differences)"),
  {{"importance", "ratio", "search", "weight", "trials of the groups: weight (by their weights), or numbers, as 4 3 3"},
   KEY_RATIO, 0, 0, 0, 0, 0, NULL},
  NUMBER("importance", "warm_start", "0.15", 0, 1, OPEN_BOTH, warm_start,
         "auto and greedy: share of the trials, random ones over the whole space, that importance is measured on"),
  INT("importance", "sweep_trials", "search", "20", 1, 1000000, sweep_trials,
      "greedy: trials of a sweep, after which importance is measured again"),

  /* The paper's Algorithm 1: n = 15; its r = 0.25 finds worse ones than 0.1 (make bench-search).
   * Candidates and prior weight: Bergstra et al. 2011 as hyperopt and Optuna have it. */
  INT("tpe", "startup", "search", "15", 1, 1000000, sampler_settings.tpe_startup,
      "random trials at the start of each group"),
  NUMBER("tpe", "quantile", "0.1", 0, 1, OPEN_BOTH, sampler_settings.tpe_quantile,
         "share of the finished trials that count as good"),
  INT("tpe", "candidates", "search", "24", 1, 1000000, sampler_settings.tpe_candidates,
      "draws that a proposal is chosen from"),
  NUMBER("tpe", "prior_weight", "1", 0, 1e6, OPEN_LOW, sampler_settings.tpe_prior_weight,
         "weight of the whole range beside each trial's 1"),
  CHOICE("tpe", "history", "search", "default", KEY_ENUM, history_names, sampler_settings.history,
         "which trials a proposal learns from: group, all, or the sampler's default (not for gp: see there)"),

  INT("gp", "startup", "search", "10", 1, 1000000, sampler_settings.gp_startup,
      "trials before the Gaussian process proposes: the defaults, then a design"),
  CHOICE("gp", "design", "search", "sobol", KEY_ENUM, design_names, sampler_settings.gp_design,
         "those trials: sobol (evenly spread) or random"),
  INT("gp", "candidates", "search", "4096", 16, 1000000, sampler_settings.gp_candidates,
      "configurations that are ranked for a proposal, the best of which are refined"),
  INT("gp", "evaluations", "search", "200", 8, 100000, sampler_settings.gp_evaluations,
      "likelihoods that a fit may cost, at most"),
  CHOICE("gp", "history", "search", "all", KEY_ENUM, gp_history_names, sampler_settings.gp_history,
         "which trials a proposal learns from: all of the study, or those of its group"),
  CHOICE("gp", "cost", "search", "", KEY_ENUM, cost_names, sampler_settings.gp_cost,
         "what expected improvement is weighed by: none, flops, or time (then the history depends on the machine); "
         "without it, flops where grouped alone revisits groups of the network's hyperparameters"),
  NUMBER("gp", "cost_weight", "1", 0, 10, OPEN_LOW, sampler_settings.gp_cost_weight,
         "the power of that cost at the start; it falls to 0 with the trials that are left in the cycle"),

  INT("grid", "points", "search", "5", 1, 1000000, sampler_settings.grid_points,
      "values of a range that the grid takes"),

  LINE("enqueue", "NAME", "", "a configuration to try first: hyperparameter value, ...; the others at their defaults"),

  INT("scheduler", "parallel", "search", "4", 1, 100000, parallel,
      "trials of a study in flight at once, as the sampler sees it; changes the history, not the machine's load alone"),
  CHOICE("scheduler", "order", "search", "sequential", KEY_ENUM, order_names, order,
         "what a proposal sees: sequential (all but the parallel - 1 trials before it) or asynchronous (whatever has "
         "ended)"),
  CHOICE("scheduler", "studies", "machine", "together", KEY_ENUM, studies_names, studies,
         "strategies and rounds run together, or one_by_one"),
  {{"scheduler", "devices", "machine", "auto", "auto, cpu, cuda (all GPUs), or some: cuda:0,1"},
   KEY_DEVICES, AT(devices), 0, 0, 0, NULL},
  {{"scheduler", "slots", "machine", "auto",
    "trials at once on this machine, over all studies; auto: one a core; on GPUs by what each takes"},
   KEY_SLOTS, AT(slots), 1, 100000, 0, NULL},
  {{"scheduler", "streams", "machine", "auto", "on GPUs: cohorts side by side on each, which share the slots; auto: 4"},
   KEY_SLOTS, AT(streams), 1, 32, 0, NULL},
  {{"scheduler", "trial_memory", "search", "16GiB", "a configuration that needs more is infeasible"},
   KEY_SIZE, AT(trial_memory), 1, 0, 0, NULL},
  {{"scheduler", "timeout", "machine", "0", "a trial that takes longer fails: 90, 90s, 15m, 2h; 0: never"},
   KEY_DURATION, AT(timeout_s), 0, 0, 0, NULL},
  CHOICE("scheduler", "unlike_ranks", "machine", "refuse", KEY_ENUM, unlike_names, unlike_ranks,
         "of several ranks (mpirun) those whose results would not be rank 0's: refuse or leave_out"),
  CHOICE("scheduler", "stop_if_all_fail", "machine", "yes", KEY_ENUM, yes_names, stop_if_all_fail,
         "yes: the run stops where the first trials of a study, max(4, startup) of them, all fail for the same kind "
         "of reason"),

  CHOICE("pruner", "kind", "search", "none", KEY_WORD, pruner_names, pruner,
         "what ends trials early that do badly"),
  CHOICE("pruner", "strategies", "search", "all", KEY_WORD, pruned_names, pruned_strategies,
         "whose trials: of all strategies, or of one"),
  NUMBER("pruner", "eta", "3", 1.01, 1000, OPEN_NONE, pruner_settings.eta,
         "asha, hyperband: one trial in eta goes on at a rung; rungs are eta times apart"),
  INT("pruner", "first", "search", "3", 1, 1000000, pruner_settings.first, "asha: the epoch of the first rung"),
  INT("pruner", "smallest", "search", "1", 1, 1000000, pruner_settings.smallest,
      "hyperband: epochs that a trial of the first bracket begins with, at least"),
  INT("pruner", "largest", "search", "0", 0, 1000000, pruner_settings.largest,
      "hyperband: epochs that the rungs are counted from; 0: the most that a trial may have"),
  INT("pruner", "startup", "search", "5", 1, 1000000, pruner_settings.startup,
      "median: others that must have reached an epoch before a trial is ended there"),
  INT("pruner", "warmup", "search", "0", 0, 1000000, pruner_settings.warmup,
      "asha, median: epochs within which no trial is ended"),

  INT("train", "round", "machine", "0", 0, 65534, train_round,
      "gsos train: the round of the trial whose random numbers the network has"),
  INT("train", "trial", "machine", "0", 0, INT_MAX, train_trial,
      "gsos train: the number of the trial whose random numbers the network has; best.ini says its own"),
};
/* clang-format on */
const int key_count = sizeof key_table / sizeof key_table[0];

const struct experiment_key *experiment_key(int i)
{
  return i >= 0 && i < key_count ? &key_table[i].about : NULL;
}

const char *experiment_key_choice(int i, int index)
{
  static const char *const devices[] = {"auto", "cpu", "cuda", NULL}, *const slots[] = {"auto", NULL};
  if (i < 0 || i >= key_count) return NULL;
  const struct key_spec *k = &key_table[i];
  const char *const *choices = k->type == KEY_DEVICES ? devices : k->type == KEY_SLOTS ? slots : k->choices;
  int n = 0;
  while (choices && choices[n]) n++;
  return index >= 0 && index < n ? choices[index] : NULL;
}

const struct key_spec *key_find(const char *section, const char *key)
{
  for (int i = 0; i < key_count; i++) {
    if (!strcasecmp(key_table[i].about.section, section) && !strcasecmp(key_table[i].about.key, key))
      return &key_table[i];
  }
  return NULL;
}

bool section_is_free(const char *section)
{
  return !strcmp(section, "datasets") || !strcmp(section, "space") || !strcmp(section, "groups") ||
         !strcmp(section, "weights") || !strcmp(section, "enqueue");
}

const char *did_you_mean(char *out, size_t size, const char *word, const char *const *candidates, int n)
{
  const char *near = nearest_word(word, candidates, n);
  if (near)
    snprintf(out, size, "; did you mean '%s'?", near);
  else
    out[0] = 0;
  return out;
}

/* ------------------------------------------------------------- text to value ---- */

static int names_count(const char *const *names)
{
  int n = 0;
  while (names[n]) n++;
  return n;
}

static void names_join(char *out, size_t size, const char *const *names)
{
  size_t used = 0;
  out[0] = 0;
  for (int i = 0; names[i] && used < size; i++)
    used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", names[i]);
}

/* Index of `text` in `names`, or ERROR_CONFIG with all of them and the nearest. */
static int parse_choice(const char *text, const char *const *names, struct error *e)
{
  char list[400], near[100], shown[200];
  for (int i = 0; names[i]; i++) {
    if (!strcmp(names[i], text)) return i;
  }
  names_join(list, sizeof list, names);
  return error_set(e, ERROR_CONFIG, "'%s' is none of: %s%s", text_escape(shown, sizeof shown, text), list,
                   did_you_mean(near, sizeof near, text, names, names_count(names)));
}

static bool parse_digits(const char *text, uint64_t *value)
{
  size_t n = strlen(text);
  if (n == 0 || strspn(text, "0123456789") != n) return false;
  errno = 0;
  *value = strtoull(text, NULL, 10);
  return errno == 0;
}

static int parse_whole(const struct key_spec *k, const char *text, int64_t *value, struct error *e)
{
  const char *digits = text + (*text == '+' || *text == '-');
  uint64_t v;
  if (parse_digits(digits, &v) && v <= INT64_MAX) {
    *value = *text == '-' ? -(int64_t)v : (int64_t)v;
    if ((double)*value >= k->low && (double)*value <= k->high) return 0;
  }
  if (k->high >= INT_MAX) return error_set(e, ERROR_CONFIG, "not a whole number from %.0f to %.0f", k->low, k->high);
  return error_set(e, ERROR_CONFIG, "not a whole number from %.0f to %.0f%s%s%s", k->low, k->high,
                   k->about.default_text[0] ? " (the default is " : "", k->about.default_text,
                   k->about.default_text[0] ? ")" : "");
}

struct unit {
  const char *name;
  double factor;
};

/* A sum of NUMBER UNIT; a single number may go without.  `units` ends with a NULL name.  false: not
 * of that form. */
static bool parse_units(const char *text, const struct unit *units, double *value)
{
  double sum = 0;
  bool any = false;
  while (*text) {
    char number[64];
    size_t n = strspn(text, "0123456789."), letters = 0;
    if (n == 0 || n >= sizeof number) return false;
    memcpy(number, text, n);
    number[n] = 0;
    double v;
    if (!number_parse(number, &v)) return false;
    text += n;
    while (*text == ' ') text++;
    while (isalpha((unsigned char)text[letters])) letters++;
    const struct unit *u = units;
    while (u->name && !(strlen(u->name) == letters && !strncasecmp(u->name, text, letters))) u++;
    if (!u->name || (letters == 0 && (any || *text))) return false;
    text += letters;
    while (*text == ' ') text++;
    sum += v * u->factor;
    any = true;
  }
  *value = sum;
  return any && isfinite(sum);
}

static int parse_duration(const char *text, double *seconds, struct error *e)
{
  static const struct unit units[] = {{"", 1},     {"s", 1},    {"sec", 1},   {"m", 60},
                                      {"min", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0}};
  if (parse_units(text, units, seconds) && *seconds <= 1e9) return 0;
  return error_set(e, ERROR_CONFIG, "not a duration: right are 90 or 90s (seconds), 15m, 2h, 1h30m, and 0 for none");
}

int size_parse(const char *text, int64_t *bytes, struct error *e)
{
  static const struct unit units[] = {{"", 1},         {"b", 1},        {"kib", 0x1p10}, {"mib", 0x1p20},
                                      {"gib", 0x1p30}, {"tib", 0x1p40}, {"kb", 1e3},     {"mb", 1e6},
                                      {"gb", 1e9},     {"tb", 1e12},    {NULL, 0}};
  double v;
  if (parse_units(text, units, &v) && v >= 1 && v <= 0x1p60) {
    *bytes = (int64_t)v;
    return 0;
  }
  return error_set(e, ERROR_CONFIG, "not a size: right are 16GiB, 512MiB, or a number of bytes from 1 on");
}

static int parse_strategies(struct experiment *x, const char *text, const char *const *names, struct error *e)
{
  x->n_strategies = 0;
  while (*text) {
    char word[100];
    size_t n = strcspn(text, ", \t");
    if (n >= sizeof word) return error_set(e, ERROR_CONFIG, "no strategy has so long a name");
    memcpy(word, text, n);
    word[n] = 0;
    text += n;
    text += strspn(text, " \t");
    if (*text == ',') text++;
    text += strspn(text, " \t");
    int i = parse_choice(word, names, e);
    if (i < 0) return i;
    for (int j = 0; j < x->n_strategies; j++) {
      if (!strcmp(x->strategies[j], word)) return error_set(e, ERROR_CONFIG, "'%s' is there twice", word);
    }
    snprintf(x->strategies[x->n_strategies++], sizeof x->strategies[0], "%s", names[i]);
  }
  if (x->n_strategies) return 0;
  char list[200];
  names_join(list, sizeof list, names);
  return error_set(e, ERROR_CONFIG, "name at least one of: %s", list);
}

/* A path that starts from `folder`; ~/ is the home folder, as a shell would have it. */
static int parse_path(char *field, size_t size, const char *text, const char *folder, struct error *e)
{
  const char *home = getenv("HOME");
  int n;
  if (text[0] == '~' && text[1] == '/' && home && *home)
    n = snprintf(field, size, "%s%s", home, text + 1);
  else if (text[0] == '/' || !folder[0] || !strcmp(folder, "."))
    n = snprintf(field, size, "%s", text);
  else
    n = snprintf(field, size, "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", text);
  return (size_t)n < size ? 0 : error_set(e, ERROR_CONFIG, "the path is longer than %zu characters", size - 1);
}

/* From the root, without "." and doubled slashes: the same text from wherever it was given.  ".."
 * stays, since what stands before it may be a link. */
static int make_absolute(char *out, size_t size, const char *path)
{
  char whole[PATH_MAX + 1100];
  size_t used = 0;
  if (path[0] == '/' || !getcwd(whole, PATH_MAX)) whole[0] = 0;
  size_t n = strlen(whole);
  snprintf(whole + n, sizeof whole - n, "%s%s", n ? "/" : "", path);
  if (whole[0] != '/') return (size_t)snprintf(out, size, "%s", path) < size;
  out[0] = 0;
  for (char *save = NULL, *part = strtok_r(whole, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
    if (!strcmp(part, ".")) continue;
    used += (size_t)snprintf(out + used, size - used, "/%s", part);
    if (used >= size) return 0;
  }
  return 1;
}

/* Paths with commas between them. */
static int parse_paths(char *field, size_t size, const char *text, const char *folder, struct error *e)
{
  char one[1100], path[1100], whole[PATH_MAX];
  size_t used = 0;
  for (int n = 0; *text; n++) {
    size_t length = strcspn(text, ","), kept = length;
    while (kept > 0 && (text[kept - 1] == ' ' || text[kept - 1] == '\t')) kept--;
    if (kept == 0) return error_set(e, ERROR_CONFIG, "a path is missing before a comma");
    if (n == START_FROM_MAX) return error_set(e, ERROR_CONFIG, "more than %d paths", START_FROM_MAX);
    if (snprintf(one, sizeof one, "%.*s", (int)kept, text) >= 1024)
      return error_set(e, ERROR_CONFIG, "a path is longer than 1023 characters");
    if (parse_path(path, sizeof path, one, folder, e)) return e->code;
    if (!make_absolute(whole, sizeof whole, path))
      return error_set(e, ERROR_CONFIG, "a path is longer than %d characters", PATH_MAX - 1);
    used += (size_t)snprintf(field + used, size - used, "%s%s", used ? ", " : "", whole);
    if (used >= size) return error_set(e, ERROR_CONFIG, "the paths are longer than %zu characters together", size - 1);
    bool comma = text[length] == ',';
    text += length + comma;
    text += strspn(text, " \t");
    if (comma && !*text) return error_set(e, ERROR_CONFIG, "a path is missing after the last comma");
  }
  return 0;
}

static int parse_name(char *field, size_t size, const char *text, struct error *e)
{
  char shown[1200];
  if (strlen(text) >= size) return error_set(e, ERROR_CONFIG, "longer than %zu characters", size - 1);
  if (strchr(text, '/') || text[0] == '.' || strcmp(text_escape(shown, sizeof shown, text), text) != 0)
    return error_set(e, ERROR_CONFIG, "a name is printable, has no slash or backslash and begins with no dot");
  strcpy(field, text);
  return 0;
}

/* "weight", or the ratio of the groups one after the other. */
static int parse_ratio(struct groups_settings *g, const char *text, struct error *e)
{
  char word[32];
  g->n_ratio = 0;
  g->ratio_by_weight = !strcmp(text, "weight");
  while (*text && !g->ratio_by_weight) {
    size_t n = strcspn(text, ", :\t");
    double *ratio = &g->ratio[g->n_ratio];
    if (n >= sizeof word || g->n_ratio == SPACE_MAX) break;
    memcpy(word, text, n);
    word[n] = 0;
    if (!number_parse(word, ratio) || *ratio <= 0 || *ratio > 1e6) break;
    g->n_ratio++;
    text += n;
    text += strspn(text, ", :\t");
  }
  if (g->ratio_by_weight || (!*text && g->n_ratio)) return 0;
  return error_set(e, ERROR_CONFIG, "neither weight nor numbers above 0, one a group, as 4 3 3");
}

static int parse_number(const struct key_spec *k, const char *text, double *value, struct error *e)
{
  bool open_low = k->open & OPEN_LOW, open_high = k->open & OPEN_HIGH;
  double v;
  if (number_parse(text, &v) && (open_low ? v > k->low : v >= k->low) && (open_high ? v < k->high : v <= k->high)) {
    *value = v == 0 ? 0 : v;
    return 0;
  }
  if (isinf(k->low)) return error_set(e, ERROR_CONFIG, "not a finite number");
  char low[32], high[32];
  number_format(k->low, low, sizeof low);
  number_format(k->high, high, sizeof high);
  return error_set(e, ERROR_CONFIG, "not a number %s %s and %s %s", open_low ? "above" : "from", low,
                   open_high ? "below" : "up to", high);
}

int key_parse(struct experiment *x, const struct key_spec *k, const char *text, const char *folder, struct error *e)
{
  void *field = (char *)x + k->offset;
  int64_t whole = 0;
  int rc = 0;
  switch (k->type) {
  case KEY_TEXT:
    if (strlen(text) >= k->size) return error_set(e, ERROR_CONFIG, "longer than %zu characters", k->size - 1);
    return parse_path(field, k->size, text, "", e);
  case KEY_NAME:
    return parse_name(field, k->size, text, e);
  case KEY_PATH:
    return parse_path(field, k->size, text, folder, e);
  case KEY_PATHS:
    return parse_paths(field, k->size, text, folder, e);
  case KEY_WORD:
    rc = parse_choice(text, k->choices, e);
    if (rc < 0) return rc;
    snprintf(field, k->size, "%s", text);
    return 0;
  case KEY_DEVICES:
    if (strlen(text) >= k->size || !devices_parse(text, &(struct devices){0}))
      return error_set(e, ERROR_CONFIG, "not auto, cpu, cuda (all GPUs), or some of them, as cuda:0 or cuda:0,1");
    snprintf(field, k->size, "%s", text);
    return 0;
  case KEY_ENUM:
    rc = parse_choice(text, k->choices, e);
    if (rc < 0) return rc;
    memcpy(field, &rc, sizeof rc); /* enums are ints here */
    return 0;
  case KEY_INT:
    if (k->choices) {
      rc = parse_choice(text, k->choices, e);
      if (rc >= 0) *(int *)field = atoi(text);
      return rc < 0 ? rc : 0;
    }
    rc = parse_whole(k, text, &whole, e);
    if (!rc) *(int *)field = (int)whole;
    return rc;
  case KEY_SLOTS:
    if (!strcmp(text, "auto") || (k->low == 1 && !strcmp(text, "0"))) {
      *(int *)field = (int)k->low - 1;
      return 0;
    }
    if (!parse_whole(k, text, &whole, e)) {
      *(int *)field = (int)whole;
      return 0;
    }
    return error_set(e, ERROR_CONFIG, "neither auto nor a whole number from %.0f to %.0f", k->low, k->high);
  case KEY_INT64:
    rc = parse_whole(k, text, &whole, e);
    if (!rc) *(int64_t *)field = whole;
    return rc;
  case KEY_SEED:
    if (parse_digits(text, field)) return 0;
    return error_set(e, ERROR_CONFIG, "not a whole number from 0 to 18446744073709551615");
  case KEY_NUMBER:
    return parse_number(k, text, field, e);
  case KEY_TARGET:
    rc = parse_number(k, text, field, e);
    if (!rc) x->has_target = true;
    return rc;
  case KEY_DURATION:
    return parse_duration(text, field, e);
  case KEY_SIZE:
    return size_parse(text, field, e);
  case KEY_STRATEGIES:
    return parse_strategies(x, text, k->choices, e);
  case KEY_RATIO:
    return parse_ratio(&x->groups_settings, text, e);
  case KEY_LINE:
    break;
  }
  return error_set(e, ERROR_FAILED, "[%s] %s is no single value", k->about.section, k->about.key);
}

/* ------------------------------------------------------------- value to text ---- */

static void format_size(int64_t bytes, char *text, size_t size)
{
  static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
  int u = 0;
  while (u < 4 && bytes % 1024 == 0) {
    bytes /= 1024;
    u++;
  }
  snprintf(text, size, "%lld%s", (long long)bytes, units[u]);
}

static void format_ratio(const struct groups_settings *g, char *text, size_t size)
{
  size_t used = 0;
  char number[32];
  if (g->ratio_by_weight) snprintf(text, size, "weight");
  for (int i = 0; i < g->n_ratio && used < size; i++) {
    number_format(g->ratio[i], number, sizeof number);
    used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "", number);
  }
}

void key_format(const struct experiment *x, const struct key_spec *k, char *text, size_t size)
{
  const void *field = (const char *)x + k->offset;
  int index;
  size_t used = 0;
  text[0] = 0;
  switch (k->type) {
  case KEY_TEXT:
  case KEY_NAME:
  case KEY_PATH:
  case KEY_PATHS:
  case KEY_WORD:
  case KEY_DEVICES:
    snprintf(text, size, "%s", (const char *)field);
    break;
  case KEY_ENUM:
    memcpy(&index, field, sizeof index);
    snprintf(text, size, "%s", k->choices[index]);
    break;
  case KEY_INT:
    if (k->about.default_text[0] || *(const int *)field) snprintf(text, size, "%d", *(const int *)field);
    break;
  case KEY_SLOTS:
    if (*(const int *)field >= (int)k->low)
      snprintf(text, size, "%d", *(const int *)field);
    else
      snprintf(text, size, "auto");
    break;
  case KEY_INT64:
    snprintf(text, size, "%lld", (long long)*(const int64_t *)field);
    break;
  case KEY_SEED:
    snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)field);
    break;
  case KEY_TARGET:
    if (x->has_target) number_format(x->target, text, size);
    break;
  case KEY_NUMBER:
  case KEY_DURATION:
    number_format(*(const double *)field, text, size);
    break;
  case KEY_SIZE:
    format_size(*(const int64_t *)field, text, size);
    break;
  case KEY_STRATEGIES:
    for (int i = 0; i < x->n_strategies && used < size; i++)
      used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", x->strategies[i]);
    break;
  case KEY_RATIO:
    format_ratio(&x->groups_settings, text, size);
    break;
  case KEY_LINE:
    break;
  }
}
