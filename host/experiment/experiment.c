/* An experiment: from an ini file and settings to a checked struct.
 *
 *   ini.c               lines: what is written where, through iniparser
 *   experiment_keys.c   the table of keys; single values
 *   dataset_lines.c     [datasets]
 *   space_sections.c  [space], [groups], [enqueue]
 *   experiment.c        defaults, unknown names, what depends on more than one key
 *   experiment_lines.c  which line a key stands in, for messages that come later
 *   search_text.c   back to text: search keys, best.ini, run.ini
 *   start.c         trials of earlier studies that it starts from */
#include "host/experiment/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/base/text_units.h"
#include "host/experiment/dataset_lines.h"
#include "host/experiment/experiment_keys.h"
#include "host/experiment/experiment_lines.h"
#include "host/experiment/space_sections.h"
#include "host/experiment/ini.h"
#include "host/experiment/names.h"
#include "host/base/text_escape.h"

/* ------------------------------------------------------------- unknown names ---- */

/* All sections, once each, in the table's order. */
static int list_sections(const char **names)
{
  int n = 0;
  for (int i = 0; i < key_count; i++) {
    const char *section = key_table[i].about.section;
    if (n == 0 || strcmp(names[n - 1], section) != 0) names[n++] = section;
  }
  return n;
}

static bool known_section(const char *name)
{
  for (int i = 0; i < key_count; i++) {
    if (!strcmp(key_table[i].about.section, name)) return true;
  }
  return false;
}

static int unknown_section(struct error *e, const struct ini *ini, const char *name, const struct ini_entry *entry,
                           int line)
{
  const char *names[64];
  int n = list_sections(names);
  char shown[200], near[100], all[400], path[400];
  size_t used = 0;
  for (int i = 0; i < n; i++)
    used += (size_t)snprintf(all + used, sizeof all - used, "%s[%s]", i ? ", " : "", names[i]);
  text_escape(shown, sizeof shown, name);
  did_you_mean(near, sizeof near, name, names, n);
  if (entry) return ini_error(e, ini, entry, "there is no section [%s]%s (there are: %s)", shown, near, all);
  return error_set(e, ERROR_CONFIG, "%s:%d: [%s]: there is no such section%s (there are: %s)",
                   text_escape(path, sizeof path, ini->path), line, shown, near, all);
}

static int unknown_key(struct error *e, const struct ini *ini, const struct ini_entry *entry)
{
  const char *names[64];
  char all[700] = "", near[100], shown[200], elsewhere[100] = "";
  int n = 0;
  size_t used = 0;
  for (int i = 0; i < key_count; i++) {
    const struct experiment_key *k = &key_table[i].about;
    if (!strcmp(k->section, entry->section) && n < 64 && used < sizeof all) {
      used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", n ? ", " : "", k->key);
      names[n++] = k->key;
    } else if (!strcasecmp(k->key, entry->key)) {
      snprintf(elsewhere, sizeof elsewhere, "; it belongs in [%s]", k->section);
    }
  }
  if (!elsewhere[0]) did_you_mean(near, sizeof near, entry->key, names, n);
  return ini_error(e, ini, entry, "there is no key '%s' in [%s]%s (there are: %s)",
                   text_escape(shown, sizeof shown, entry->key), entry->section, elsewhere[0] ? elsewhere : near, all);
}

/* --set SECTION.NAME= of a line that the file has not.  What stands in [space] and [groups] without
 * a line can be taken away, too: they see to it. */
static bool takes_nothing_away(const struct ini_entry *entry)
{
  bool lines =
      !strcmp(entry->section, "weights") || !strcmp(entry->section, "enqueue") || !strcmp(entry->section, "datasets");
  return lines && !entry->value[0] && !entry->in_file && !key_find(entry->section, entry->key);
}

static int check_names(const struct ini *ini, struct error *e)
{
  char shown[200];
  for (int i = 0; i < ini->n_sections; i++) {
    const struct ini_section *s = &ini->sections[i];
    if (!known_section(s->name)) return unknown_section(e, ini, s->name, NULL, s->line);
  }
  for (int i = 0; i < ini->n; i++) {
    const struct ini_entry *entry = &ini->entries[i];
    if (!known_section(entry->section)) return unknown_section(e, ini, entry->section, entry, entry->line);
    if (!section_is_free(entry->section) && !key_find(entry->section, entry->key)) return unknown_key(e, ini, entry);
    if (takes_nothing_away(entry))
      return ini_error(e, ini, entry, "there is no line '%s' in [%s] to take away",
                       text_escape(shown, sizeof shown, entry->key), entry->section);
  }
  return 0;
}

/* ------------------------------------------------------------- values ---- */

int experiment_defaults(struct experiment *x, struct error *e)
{
  memset(x, 0, sizeof *x);
  for (int i = 0; i < key_count; i++) {
    const struct key_spec *k = &key_table[i];
    if (k->type == KEY_LINE || !k->about.default_text[0]) continue;
    int rc = key_parse(x, k, k->about.default_text, "", e);
    if (rc) return error_prefix(e, "default of [%s] %s", k->about.section, k->about.key);
  }
  x->trials = x->cycle_trials * x->cycles;
  return 0;
}

/* Does the key take any text, so that none of it is the same as no line? */
static bool is_text(enum key_type type)
{
  return type == KEY_TEXT || type == KEY_NAME || type == KEY_PATH || type == KEY_PATHS;
}

/* In a file: numbers and choices need a value. */
static int no_value(const struct ini *ini, const struct ini_entry *entry, const struct key_spec *k, struct error *e)
{
  const char *standard = k->about.default_text;
  char choices[400] = "";
  if (entry->line == 0 || (!standard[0] && is_text(k->type))) return 0; /* as if not given */
  for (int i = 0; k->choices && k->choices[i]; i++)
    text_format(choices + strlen(choices), sizeof choices - strlen(choices), "%s%s", i ? ", " : " of: ", k->choices[i]);
  return ini_error(e, ini, entry, "no value; give one%s%s%s%s, or delete the line", choices,
                   standard[0] ? " (the default is " : "", standard, standard[0] ? ")" : "");
}

static int apply_values(struct experiment *x, const struct ini *ini, struct error *e)
{
  for (int i = 0; i < ini->n; i++) {
    const struct ini_entry *entry = &ini->entries[i];
    if (section_is_free(entry->section)) continue;
    const struct key_spec *k = key_find(entry->section, entry->key);
    if (!entry->value[0] && no_value(ini, entry, k, e)) return e->code;
    if (!entry->value[0]) continue;
    struct error why = {0};
    int rc = key_parse(x, k, entry->value, entry->line ? ini->folder : "", &why);
    if (rc == ERROR_CONFIG) return ini_error(e, ini, entry, "%s", why.message);
    if (rc) return error_set(e, rc, "%s", why.message);
  }
  return 0;
}

/* The entry that gave a key, to point at in a message about several; NULL where it has its
 * default. */
static const struct ini_entry *entry_of(const struct ini *ini, const char *section, const char *key)
{
  for (int i = 0; i < ini->n; i++) {
    const struct ini_entry *entry = &ini->entries[i];
    if (!strcmp(entry->section, section) && !strcasecmp(entry->key, key) && entry->value[0]) return entry;
  }
  return NULL;
}

/* name: the file's without .ini; output: results/NAME. */
static void derive_names(struct experiment *x)
{
  if (!x->name[0]) {
    const char *slash = strrchr(x->path, '/');
    char base[sizeof x->path];
    snprintf(base, sizeof base, "%s", slash ? slash + 1 : x->path);
    size_t n = strlen(base);
    if (n > 4 && !strcasecmp(base + n - 4, ".ini")) base[n - 4] = 0;
    text_escape(x->name, sizeof x->name, base[0] == '.' ? "" : base);
    for (char *c = x->name; *c; c++) { /* it names a folder and studies: no escapes in it */
      if (*c == '\\') *c = '_';
    }
    if (!x->name[0]) strcpy(x->name, "experiment");
  }
  if (!x->output[0]) snprintf(x->output, sizeof x->output, "results/%s", x->name);
}

/* Whose groups cannot be guessed needs them said for a strategy that goes by groups; where no
 * strategy is said, either, all is searched at once. */
static int check_groups_given(struct experiment *x, const struct ini *ini, struct error *e)
{
  const struct ini_entry *strategies = entry_of(ini, "experiment", "strategies");
  bool groups = false;
  for (int i = 0; i < ini->n; i++) groups |= !strcmp(ini->entries[i].section, "groups") && ini->entries[i].value[0];
  for (int i = 0; i < x->n_strategies && !groups && strategies; i++) {
    const char *name = x->strategies[i];
    if (strategy_is(name, STRATEGY_GROUPS))
      return ini_error(e, ini, strategies,
                       "%s searches one group of hyperparameters after the other: the section [groups] has to say "
                       "which ones (first = NAME, NAME ratio 4; or from = auto, which measures it), or take %s away",
                       name, name);
  }
  if (!groups && !strategies) { /* nothing says what belongs together */
    x->n_strategies = 1;
    snprintf(x->strategies[0], sizeof x->strategies[0], "%s", strategy_control());
  }
  return 0;
}

/* Only some samplers say what they expect; those are asked, where nothing is said of it. */
static int check_revisit(struct experiment *x, const struct ini *ini, struct error *e)
{
  char able[200] = "";
  size_t used = 0;
  const struct ini_entry *revisit = entry_of(ini, "experiment", "revisit");
  bool can_say = sampler_find(x->sampler)->expect != NULL;
  if (!revisit) x->revisit = can_say;
  if (!x->revisit || can_say) return 0;
  for (int i = 0; samplers[i]; i++)
    if (samplers[i]->expect)
      used += text_format(able + used, sizeof able - used, "%ssampler = %s", used ? " or " : "", samplers[i]->name);
  return ini_error(e, ini, revisit,
                   "the sampler %s cannot say what it expects of a group; right is %s, or revisit = no", x->sampler,
                   able);
}

/* Where nothing is said of cost, and FLOPs are known: what measured best for the strategy that is
 * the default (docs/results/strategies.md).  Beside a strategy that it is compared with, both
 * search by value alone. */
static void usual_cost(struct experiment *x, const struct ini *ini)
{
  bool grouped = x->n_strategies == 1 && strategy_is(x->strategies[0], STRATEGY_GROUPS);
  bool weighs = grouped && x->revisit && !strcmp(x->objective, "cnn");
  if (!entry_of(ini, "gp", "cost")) x->sampler_settings.gp_cost = weighs ? GP_COST_FLOPS : GP_COST_NONE;
}

/* Numbers for the groups that are made are as many as these. */
static int check_ratio(const struct experiment *x, const struct ini *ini, struct error *e)
{
  const struct groups_settings *g = &x->groups_settings;
  const struct ini_entry *ratio = entry_of(ini, "importance", "ratio");
  if (g->ratio_by_weight || g->n_ratio == g->n || !ratio) return 0;
  return ini_error(e, ini, ratio,
                   "%d number%s, and [importance] groups is %d; right is a number for each group, or weight",
                   g->n_ratio, g->n_ratio == 1 ? "" : "s", g->n);
}

/* A program's direction cannot be guessed; where it runs can. */
static int check_command(struct experiment *x, const struct ini *ini, struct error *e)
{
  const struct ini_entry *objective = entry_of(ini, "experiment", "objective");
  if (!x->command[0])
    return ini_error(e, ini, objective, "needs to know which program: [command] run = PROGRAM ARGUMENT ...");
  if (!x->direction[0])
    return ini_error(e, ini, objective, "needs to know which values are better: direction = maximize, or minimize");
  if (!x->command_folder[0])
    snprintf(x->command_folder, sizeof x->command_folder, "%s", ini->folder[0] ? ini->folder : ".");
  return check_groups_given(x, ini, e);
}

/* What the table decides: its direction, and whether its groups can be guessed. */
static int check_table(struct experiment *x, const struct ini *ini, struct error *e)
{
  const struct ini_entry *direction = entry_of(ini, "experiment", "direction");
  if (x->direction[0] && direction && !strcmp(x->direction, "maximize") != x->maximize)
    return ini_error(e, ini, direction, "the trials of [table] file were made to %s; delete the line",
                     x->maximize ? "maximize" : "minimize");
  return experiment_is_network(x) ? 0 : check_groups_given(x, ini, e);
}

/* Something has to come of start_from. */
static int check_start(const struct experiment *x, const struct ini *ini, struct error *e)
{
  const struct ini_entry *seen = entry_of(ini, "experiment", "start_seen");
  if (!x->start_from[0] || x->start_seen || x->start_best > 0 || !seen) return 0;
  return ini_error(e, ini, seen,
                   "with start_best = 0 nothing would be taken of start_from; right is yes, or start_best = 1 or more");
}

/* What depends on more than one key. */
static int check_together(struct experiment *x, const struct ini *ini, struct error *e)
{
  if (!strcmp(x->objective, "command")) return check_command(x, ini, e);
  if (strcmp(x->objective, "cnn") != 0) return 0;
  const struct ini_entry *direction = entry_of(ini, "experiment", "direction"),
                         *target = entry_of(ini, "experiment", "target");
  bool loss = x->metric == METRIC_LOSS;
  if (direction && x->direction[0] && !strcmp(x->direction, "minimize") != loss)
    return ini_error(e, ini, direction, "objective = cnn %s its validation %s; delete the line",
                     loss ? "minimizes" : "maximizes", metric_title(x->metric));
  if (x->has_target && target && loss && !(x->target > 0))
    return ini_error(e, ini, target, "a validation loss is above 0");
  if (x->has_target && target && !loss && !(x->target > 0 && x->target <= 1))
    return ini_error(e, ini, target, "validation accuracy is a share: above 0 and up to 1, as 0.97 for 97 %%");
  return 0;
}

/* Each of the factors may be large, but not all of them. */
static int check_amount(const struct experiment *x, const struct ini *ini, struct error *e)
{
  long long studies = (long long)x->rounds * x->n_strategies, trials = studies * x->trials;
  if (studies <= STUDIES_ALL_MAX && trials <= TRIALS_ALL_MAX) return 0;
  const struct ini_entry *rounds = entry_of(ini, "experiment", "rounds"), *own = entry_of(ini, "experiment", "trials");
  char what[400], right[200] = "";
  int most_rounds = TRIALS_ALL_MAX / x->trials / x->n_strategies,
      most_trials = (int)(TRIALS_ALL_MAX / studies / x->cycles);
  if (most_rounds > STUDIES_ALL_MAX / x->n_strategies) most_rounds = STUDIES_ALL_MAX / x->n_strategies;
  int used =
      snprintf(what, sizeof what, "%d round%s of %d strateg%s are %lld studies, with %d trial%s each %lld trials",
               x->rounds, text_plural(x->rounds), x->n_strategies, x->n_strategies == 1 ? "y" : "ies", studies,
               x->trials, text_plural(x->trials), trials);
  snprintf(what + used, sizeof what - (size_t)used, "; at most %d studies and %d trials in all are possible",
           STUDIES_ALL_MAX, TRIALS_ALL_MAX);
  used = most_rounds < 1 || x->rounds == 1 ? 0 : snprintf(right, sizeof right, "rounds = %d", most_rounds);
  if (studies <= STUDIES_ALL_MAX && most_trials > 0)
    snprintf(right + used, sizeof right - (size_t)used, "%strials = %d", used ? ", or " : "", most_trials);
  return ini_error(e, ini, rounds ? rounds : own, "%s; right is %s", what, right[0] ? right : "less of both");
}

int experiment_given(const struct experiment *x)
{
  return (x->baseline ? 1 : 0) + (x->start ? x->start->n_best : 0) + x->n_enqueued;
}

bool experiment_given_too_many(const struct experiment *x, char *text, size_t size)
{
  int given = experiment_given(x), beyond = given - x->trials;
  char last[40] = "last";
  if (beyond <= 0) return false;
  if (beyond > 1) snprintf(last, sizeof last, "last %d", beyond);
  text_format(text, size,
              "the %s of %d configurations that are to be tried first (the defaults, start_best, [enqueue]) %s not, "
              "since trials = %d",
              last, given, beyond == 1 ? "is" : "are", x->trials);
  return true;
}

void experiment_given_values(const struct experiment *x, int i, double *values)
{
  int at = x->baseline ? i - 1 : i, n_best = x->start ? x->start->n_best : 0;
  if (at < 0)
    space_defaults(&x->space, values);
  else
    memcpy(values, at < n_best ? x->start->best[at] : x->enqueued[at - n_best].values,
           sizeof(double) * (size_t)x->space.n);
}

bool experiment_weighs_classes(const struct experiment *x)
{
  return !strcmp(x->objective, "cnn") && x->model.class_weights != CLASS_WEIGHTS_NONE;
}

bool experiment_unused(const struct experiment *x, char *text, size_t size)
{
  static const char *const metrics[] = {METRICS(NAME_TEXT)};
  char repeats[40] = "", metric[60] = "";
  if (!strcmp(x->objective, "cnn")) return false;
  if (x->metric != METRIC_ACCURACY) text_format(metric, sizeof metric, "metric = %s", metrics[x->metric]);
  if (x->repeats > 0) text_format(repeats, sizeof repeats, "repeats = %d", x->repeats);
  const char *weights = x->model.class_weights != CLASS_WEIGHTS_NONE ? "class_weights = balanced" : "";
  const char *all[] = {metric, repeats, weights};
  size_t used = 0;
  text[0] = 0;
  for (int i = 0; i < 3; i++)
    if (all[i][0]) used += text_format(text + used, size - used, "%s%s", used ? ", " : "", all[i]);
  if (used == 0) return false;
  text_format(text + used, size - used, ": not used, since objective = %s trains no network; delete the line%s",
              x->objective, strchr(text, ',') ? "s" : "");
  return true;
}

bool experiment_weighs_cost(const struct experiment *x)
{
  return !strcmp(x->sampler, "gp") && x->sampler_settings.gp_cost != GP_COST_NONE;
}

/* There is no space to begin with, since there is no such function or table: points at the line
 * that names it. */
static int space_source_error(const struct experiment *x, const struct ini *ini, struct error *e)
{
  const struct ini_entry *source = NULL;
  struct error why = *e;
  if (!strcmp(x->objective, "function")) source = entry_of(ini, "function", "name");
  if (!strcmp(x->objective, "table")) source = entry_of(ini, "table", "file");
  return source ? ini_error(e, ini, source, "%s", why.message) : why.code;
}

static int load(struct experiment *x, const struct ini *ini, struct error *e)
{
  int rc = check_names(ini, e);
  if (!rc) rc = dataset_lines_read(x, ini, e);
  if (!rc) rc = apply_values(x, ini, e);
  if (rc) return rc;
  x->trials = x->cycle_trials * x->cycles;
  derive_names(x);
  const struct ini_entry *objective = entry_of(ini, "experiment", "objective");
  if (!strcmp(x->objective, "function") && !x->function[0] && objective)
    return ini_error(e, ini, objective, "needs to know which one: [function] name = NAME, as ackley");
  if (!strcmp(x->objective, "table") && !x->table[0])
    return ini_error(e, ini, objective, "needs to know which one: [table] file = PATH, a study database");
  rc = check_together(x, ini, e);
  if (!rc) rc = check_amount(x, ini, e);
  struct groups *standard = calloc(1, sizeof *standard);
  if (!rc && !standard) rc = error_set(e, ERROR_MACHINE, "no memory for the configuration");
  if (!rc) {
    rc = experiment_space(x, ini, standard, e);
    if (rc == ERROR_CONFIG && x->space.n == 0) rc = space_source_error(x, ini, e);
  }
  if (!rc && !strcmp(x->objective, "table")) rc = check_table(x, ini, e);
  if (!rc) rc = experiment_groups(x, ini, standard, e);
  if (!rc) rc = experiment_enqueue(x, ini, e);
  if (!rc) rc = check_revisit(x, ini, e);
  if (!rc) usual_cost(x, ini);
  if (!rc) rc = check_ratio(x, ini, e);
  if (!rc) rc = check_start(x, ini, e);
  if (!rc && x->direction[0]) x->maximize = !strcmp(x->direction, "maximize");
  free(standard);
  return rc;
}

int experiment_load(struct experiment *x, const char *path, const char *const *settings, int n_settings,
                    struct error *e)
{
  return experiment_load_dataset(x, path, settings, n_settings, NULL, e);
}

int experiment_load_dataset(struct experiment *x, const char *path, const char *const *settings, int n_settings,
                            const char *dataset, struct error *e)
{
  struct ini ini = {.path = ""};
  struct error ignored;
  if (!e) e = &ignored;
  int rc = experiment_defaults(x, e);
  if (!rc && path) rc = ini_read(&ini, path, e);
  for (int i = 0; i < n_settings && !rc; i++) rc = ini_set(&ini, settings[i], e);
  if (path) snprintf(x->path, sizeof x->path, "%s", path);
  if (!rc && dataset) rc = dataset_line_use(&ini, dataset, e);
  if (!rc) rc = load(x, &ini, e);
  if (!rc) rc = experiment_keep_lines(x, &ini, e);
  ini_destroy(&ini);
  if (rc) experiment_destroy(x);
  return rc;
}

void experiment_destroy(struct experiment *x)
{
  space_destroy(&x->space);
  free(x->lines);
  x->lines = NULL;
  start_free(x->start);
  x->start = NULL;
}
