/* The lines of [space], [groups], [weights] and [enqueue].  See space_sections.h. */
#include "host/experiment/space_sections.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/experiment/experiment_keys.h"
#include "host/space/function_space.h"
#include "host/table/table.h"
#include "host/base/text_escape.h"

static bool in_section(const struct ini_entry *entry, const char *section)
{
  return !strcmp(entry->section, section);
}

/* "FILE: [section]: message" about what stands in no single line. */
static int section_error(struct error *e, const struct ini *ini, const char *section, const char *message)
{
  char path[400];
  text_escape(path, sizeof path, ini->path);
  return error_set(e, ERROR_CONFIG, "%s%s[%s]: %s", path, path[0] ? ": " : "", section, message);
}

static const char *did_you_mean_param(char *out, size_t size, const char *word, const struct space *s)
{
  const char *names[SPACE_MAX];
  for (int i = 0; i < s->n; i++) names[i] = s->params[i].name;
  return did_you_mean(out, size, word, names, s->n);
}

static void join_params(char *out, size_t size, const struct space *s)
{
  size_t used = 0;
  out[0] = 0;
  for (int i = 0; i < s->n && used < size; i++)
    used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", s->params[i].name);
}

/* Words of "a, b ratio 4": name after name, each knowing whether a comma came before it. */
struct words {
  const char *next;
  char word[SPACE_NAME_MAX];
  bool comma; /* before this word */
  bool whole; /* it fits */
};

static bool next_word(struct words *w)
{
  w->comma = false;
  w->next += strspn(w->next, " \t");
  if (*w->next == ',') {
    w->comma = true;
    w->next++;
    w->next += strspn(w->next, " \t");
  }
  size_t n = strcspn(w->next, ", \t");
  w->whole = n < sizeof w->word;
  text_format(w->word, sizeof w->word, "%.*s", (int)n, w->next);
  w->next += n;
  return n > 0;
}

/* ------------------------------------------------------------- [space] ---- */

/* The network's groups, from the table of keys, of a space that has its hyperparameters. */
static void paper_groups(const struct experiment *x, struct groups *standard)
{
  memset(standard, 0, sizeof *standard);
  for (int i = 0; i < key_count; i++) {
    const struct experiment_key *k = &key_table[i].about;
    if (strcmp(k->section, "groups") != 0 || key_table[i].type != KEY_LINE) continue;
    int g = standard->n++;
    snprintf(standard->names[g], sizeof standard->names[g], "%s", k->key);
    struct words w = {.next = k->default_text};
    for (int at; next_word(&w) && (at = space_index(&x->space, w.word)) >= 0;) standard->of[at] = g;
    standard->ratio[g] = strtod(strstr(k->default_text, "ratio ") + 6, NULL);
  }
}

/* The network's hyperparameters and their groups, from the table of keys. */
static int paper_space(struct experiment *x, struct groups *standard, struct error *e)
{
  for (int i = 0; i < key_count; i++) {
    const struct experiment_key *k = &key_table[i].about;
    if (strcmp(k->section, "space") != 0) continue;
    int rc = param_parse(&x->space.params[x->space.n], k->key, k->default_text, e);
    if (rc) return error_prefix(e, "[space] %s", k->key);
    x->space.n++;
  }
  paper_groups(x, standard);
  return 0;
}

bool experiment_is_network(const struct experiment *x)
{
  struct network_names names;
  struct error why = {0};
  return network_names_find(&names, &x->space, &why) == 0;
}

/* The hyperparameters of the recorded trials. */
static int table_space(struct experiment *x, struct error *e)
{
  struct table table;
  space_init(&x->space);
  int rc = table_read(&table, x->table, x->table_epoch, e);
  if (rc) return rc;
  x->maximize = table.maximize;
  rc = space_copy(&x->space, &table.space, e);
  table_destroy(&table);
  return rc;
}

/* Takes a hyperparameter away: `--set space.NAME=`. */
static void remove_param(struct experiment *x, struct groups *standard, int at)
{
  param_destroy(&x->space.params[at]);
  size_t after = (size_t)(x->space.n - at - 1);
  memmove(&x->space.params[at], &x->space.params[at + 1], after * sizeof x->space.params[0]);
  memmove(&standard->of[at], &standard->of[at + 1], after * sizeof standard->of[0]);
  x->space.n--;
  memset(&x->space.params[x->space.n], 0, sizeof x->space.params[0]);
}

static int set_param(struct experiment *x, const struct ini *ini, const struct ini_entry *entry,
                     struct groups *standard, struct error *e)
{
  int at = space_index(&x->space, entry->key);
  if (!entry->value[0]) {
    if (entry->line)
      return ini_error(e, ini, entry, "an empty line: give a type, a range and a default, as %s",
                       "float 0.0 .. 0.9 default 0.1");
    if (at >= 0) {
      remove_param(x, standard, at);
      return 0;
    }
    char near[100];
    return ini_error(e, ini, entry, "there is no hyperparameter '%s' to take away%s", entry->key,
                     did_you_mean_param(near, sizeof near, entry->key, &x->space));
  }
  for (int i = 0; at < 0 && i < x->space.n; i++) {
    if (!strcasecmp(x->space.params[i].name, entry->key))
      return ini_error(e, ini, entry, "there is '%s' already; capitals alone do not make another name",
                       x->space.params[i].name);
  }
  if (at < 0 && strcmp(x->objective, "command") != 0) {
    char all[600], near[100], shown[200];
    join_params(all, sizeof all, &x->space);
    return ini_error(e, ini, entry, "objective = %s has no hyperparameter '%s'%s (there are: %s)", x->objective,
                     text_escape(shown, sizeof shown, entry->key),
                     did_you_mean_param(near, sizeof near, entry->key, &x->space), all);
  }
  if (at < 0 && x->space.n == SPACE_MAX)
    return ini_error(e, ini, entry, "one hyperparameter more than the %d that a space can have", SPACE_MAX);
  struct param p;
  struct error why = {0};
  int rc = param_is_value(entry->value)
               ? param_fix(&p, entry->key, entry->value, at < 0 ? NULL : &x->space.params[at], &why)
               : param_parse(&p, entry->key, entry->value, &why);
  if (rc == ERROR_CONFIG) return ini_error(e, ini, entry, "%s", why.message);
  if (rc) return error_set(e, rc, "%s", why.message);
  if (at < 0) {
    at = x->space.n++;
    standard->of[at] = -1;
  }
  param_destroy(&x->space.params[at]);
  x->space.params[at] = p;
  return 0;
}

static bool is_from(const struct ini_entry *entry)
{
  return !strcasecmp(entry->key, "from");
}

/* The groups of a program's hyperparameters, or of a table's that is not the network's, are the
 * file's; where it has none, all are one group. */
static void file_groups(const struct experiment *x, const struct ini *ini, struct groups *standard)
{
  memset(standard, 0, sizeof *standard);
  for (int i = 0; i < ini->n; i++)
    if (in_section(&ini->entries[i], "groups") && !is_from(&ini->entries[i])) return;
  standard->n = 1;
  snprintf(standard->names[0], sizeof standard->names[0], "all");
  standard->ratio[0] = x->space.n;
}

int experiment_space(struct experiment *x, const struct ini *ini, struct groups *standard, struct error *e)
{
  bool table = !strcmp(x->objective, "table");
  int rc;
  if (table) {
    rc = table_space(x, e);
  } else if (!strcmp(x->objective, "function")) {
    bool maximize = false;
    rc = function_space(x->function, &x->space, standard, &maximize, e);
    x->maximize = maximize;
  } else if (!strcmp(x->objective, "command")) { /* the file's own lines alone */
    space_init(&x->space);
    rc = 0;
  } else {
    space_init(&x->space);
    x->maximize = x->metric != METRIC_LOSS;
    rc = paper_space(x, standard, e);
  }
  for (int i = 0; i < ini->n && !rc; i++) {
    if (in_section(&ini->entries[i], "space")) rc = set_param(x, ini, &ini->entries[i], standard, e);
  }
  if (!rc && x->space.n == 0) rc = section_error(e, ini, "space", "there is no hyperparameter to search");
  if (!rc && table && experiment_is_network(x))
    paper_groups(x, standard);
  else if (!rc && (table || !strcmp(x->objective, "command")))
    file_groups(x, ini, standard);
  return rc;
}

/* ------------------------------------------------------------- [groups] ---- */

/* A group on its way: from the file, from a setting, or one of the standard ones (entry NULL). */
struct group_line {
  const struct ini_entry *entry;
  char name[SPACE_NAME_MAX];
  int standard;
};

void group_format(const struct groups *g, int group, const struct space *s, char *text, size_t size)
{
  size_t used = 0;
  char ratio[32];
  const char *comma = "";
  text[0] = 0;
  for (int i = 0; i < s->n && used < size; i++) {
    if (g->of[i] != group) continue;
    used += (size_t)snprintf(text + used, size - used, "%s%s", comma, s->params[i].name);
    comma = ", ";
  }
  number_format(g->ratio[group], ratio, sizeof ratio);
  if (used < size) snprintf(text + used, size - used, " ratio %s", ratio);
}

static int set_member(struct experiment *x, const struct ini *ini, const struct ini_entry *entry, int group,
                      const char *name, struct error *e)
{
  char shown[200], near[100], all[600];
  int at = space_index(&x->space, name);
  if (at < 0) {
    join_params(all, sizeof all, &x->space);
    return ini_error(e, ini, entry, "there is no hyperparameter '%s'%s (there are: %s)",
                     text_escape(shown, sizeof shown, name), did_you_mean_param(near, sizeof near, name, &x->space),
                     all);
  }
  if (x->groups.of[at] == group) return ini_error(e, ini, entry, "'%s' is there twice", name);
  if (x->groups.of[at] >= 0)
    return ini_error(e, ini, entry, "'%s' is in the group '%s' already; a hyperparameter belongs to one group", name,
                     x->groups.names[x->groups.of[at]]);
  x->groups.of[at] = group;
  return 0;
}

static int parse_group(struct experiment *x, const struct ini *ini, const struct ini_entry *entry, int group,
                       struct error *e)
{
  static const char *const example = "lr, dropout_rate ratio 4";
  struct words w = {.next = entry->value};
  int members = 0;
  while (next_word(&w)) {
    if (!w.whole) return ini_error(e, ini, entry, "'%s...' is longer than a name can be", w.word);
    if (members > 0 && !w.comma) break;
    if (w.comma && members == 0) return ini_error(e, ini, entry, "begins with a comma; right is: %s", example);
    int rc = set_member(x, ini, entry, group, w.word, e);
    if (rc) return rc;
    members++;
  }
  if (members == 0) return ini_error(e, ini, entry, "an empty group; right is: %s", example);
  if (w.comma) return ini_error(e, ini, entry, "a comma at the end of the members; right is: %s", example);
  if (!w.word[0])
    return ini_error(e, ini, entry, "no ratio: add 'ratio NUMBER', its share of the trials, as: %s", example);
  if (strcmp(w.word, "ratio") != 0) {
    char shown[200];
    bool member = space_index(&x->space, w.word) >= 0;
    return ini_error(e, ini, entry, "'%s' where 'ratio' is expected%s; right is: %s",
                     text_escape(shown, sizeof shown, w.word), member ? " (a comma goes between members)" : "",
                     example);
  }
  double ratio;
  const char *rest = w.next + strspn(w.next, " \t");
  if (!number_parse(rest, &ratio) || ratio <= 0 || ratio > 1e6) {
    char shown[200];
    return ini_error(e, ini, entry, "'%s' is no ratio: a number above 0, up to 1000000, at the end of the line",
                     text_escape(shown, sizeof shown, rest));
  }
  x->groups.ratio[group] = ratio;
  return 0;
}

/* Which groups there are, in order: the file's or the standard ones, then settings over them. */
static int list_groups(const struct ini *ini, const struct groups *standard, struct group_line *lines, int *n_lines,
                       struct error *e)
{
  int n = 0;
  bool from_file = false;
  for (int i = 0; i < ini->n; i++)
    from_file |= ini->entries[i].in_file && in_section(&ini->entries[i], "groups") && !is_from(&ini->entries[i]);
  for (int i = 0; !from_file && i < standard->n; i++) {
    lines[n] = (struct group_line){.standard = i};
    strcpy(lines[n++].name, standard->names[i]);
  }
  for (int i = 0; i < ini->n; i++) {
    const struct ini_entry *entry = &ini->entries[i];
    if (!in_section(entry, "groups") || is_from(entry)) continue;
    int at = 0;
    while (at < n && strcasecmp(lines[at].name, entry->key) != 0) at++;
    if (!entry->value[0] && entry->line == 0) { /* --set groups.NAME= takes it away */
      if (at == n && !entry->in_file) {
        char shown[200];
        return ini_error(e, ini, entry, "there is no group '%s' to take away",
                         text_escape(shown, sizeof shown, entry->key));
      }
      if (at < n) memmove(&lines[at], &lines[at + 1], (size_t)(n - at - 1) * sizeof lines[0]), n--;
      continue;
    }
    if (!space_name_ok(entry->key))
      return ini_error(e, ini, entry,
                       "a group's name is up to %d printable characters without spaces, quotes, backslashes "
                       "and = : , ; # [ ]",
                       SPACE_NAME_MAX - 1);
    if (at == SPACE_MAX) return ini_error(e, ini, entry, "one group more than the %d that there can be", SPACE_MAX);
    if (at == n) n++;
    lines[at].entry = entry;
    strcpy(lines[at].name, entry->key);
  }
  *n_lines = n;
  return 0;
}

/* Hyperparameters in no group, named, with a line that would be right.  `standard`: no group is the
 * user's. */
static int check_all_grouped(const struct experiment *x, const struct ini *ini, bool standard, struct error *e)
{
  char names[500] = "", message[1400], *line;
  const char *last = NULL;
  size_t used = 0;
  int missing = 0, rc;
  for (int i = 0; i < x->space.n; i++) {
    if (x->groups.of[i] >= 0) continue;
    last = x->space.params[i].name;
    if (used + 2 * SPACE_NAME_MAX < sizeof names)
      used += (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", missing ? ", " : "", last);
    missing++;
  }
  if (!missing) return 0;
  line = malloc(GROUP_TEXT_MAX);
  if (!line) return error_set(e, ERROR_MACHINE, "no memory for the configuration");
  int g = x->groups.n - 1;
  strcpy(line, " ratio 1");
  if (g >= 0) group_format(&x->groups, g, &x->space, line, GROUP_TEXT_MAX);
  char *ratio = strstr(line, " ratio ");
  snprintf(message, sizeof message,
           "%d hyperparameter%s %s in no group (%s%s), and each belongs to one; a right line: %s = %.*s%s%s%s%s",
           missing, missing > 1 ? "s" : "", missing > 1 ? "are" : "is", names,
           used + 2 * SPACE_NAME_MAX < sizeof names ? "" : ", ...", g >= 0 ? x->groups.names[g] : "first",
           (int)(ratio - line), line, ratio > line ? ", " : "", last, ratio,
           standard && g > 0 ? ", and the other groups beside it, as they are in configs/reference.ini" : "");
  rc = section_error(e, ini, "groups", message);
  free(line);
  return rc;
}

static int groups_of_lines(struct experiment *x, const struct ini *ini, const struct groups *standard, struct error *e)
{
  struct group_line lines[SPACE_MAX];
  memset(lines, 0, sizeof lines);
  int n = 0;
  int rc = list_groups(ini, standard, lines, &n, e);
  if (rc) return rc;
  memset(&x->groups, 0, sizeof x->groups);
  for (int i = 0; i < x->space.n; i++) x->groups.of[i] = -1;
  for (int g = 0; g < n; g++) { /* names first: messages name the other group */
    strcpy(x->groups.names[g], lines[g].name);
    x->groups.n++;
  }
  for (int g = 0; g < n; g++) {
    if (lines[g].entry) continue;
    x->groups.ratio[g] = standard->ratio[lines[g].standard];
    int members = 0;
    for (int i = 0; i < x->space.n; i++) {
      if (standard->of[i] == lines[g].standard) x->groups.of[i] = g, members++;
    }
    if (members == 0) { /* all of its members were taken away by settings: so is the group */
      char message[300];
      snprintf(message, sizeof message, "the group '%s' has no member left: take it away too (--set groups.%s=)",
               lines[g].name, lines[g].name);
      return section_error(e, ini, "groups", message);
    }
  }
  for (int g = 0; g < n && !rc; g++) {
    if (lines[g].entry) rc = parse_group(x, ini, lines[g].entry, g, e);
  }
  bool all_standard = true;
  for (int g = 0; g < n; g++) all_standard &= !lines[g].entry;
  return rc ? rc : check_all_grouped(x, ini, all_standard, e);
}

/* ------------------------------------------------------------- [groups] from ---- */

/* The weights of [weights], over the network's own where it is the network that is searched; -1
 * where there is none.  weight [x->space.n] */
static int read_weights(const struct experiment *x, const struct ini *ini, double *weight, struct error *e)
{
  char shown[200], near[100];
  bool network = !strcmp(x->objective, "cnn") || (!strcmp(x->objective, "table") && experiment_is_network(x));
  for (int i = 0; i < x->space.n; i++) weight[i] = -1;
  for (int i = 0; i < key_count && network; i++) {
    const struct experiment_key *k = &key_table[i].about;
    int at = strcmp(k->section, "weights") ? -1 : space_index(&x->space, k->key);
    if (at >= 0) weight[at] = strtod(k->default_text, NULL);
  }
  for (int i = 0; i < ini->n; i++) {
    const struct ini_entry *entry = &ini->entries[i];
    if (!in_section(entry, "weights")) continue;
    int at = space_index(&x->space, entry->key);
    if (at < 0)
      return ini_error(e, ini, entry, "there is no hyperparameter '%s'%s", text_escape(shown, sizeof shown, entry->key),
                       did_you_mean_param(near, sizeof near, entry->key, &x->space));
    if (!entry->value[0] && entry->line == 0) { /* --set weights.NAME= takes it away */
      weight[at] = -1;
      continue;
    }
    if (!number_parse(entry->value, &weight[at]) || weight[at] < 0 || weight[at] > 1e6)
      return ini_error(e, ini, entry, "a weight is a number from 0 to 1000000, as 0.228");
  }
  return 0;
}

static int groups_of_weights(struct experiment *x, const struct ini *ini, const struct ini_entry *from, struct error *e)
{
  double weight[SPACE_MAX];
  struct error why = {0};
  if (read_weights(x, ini, weight, e)) return e->code;
  for (int i = 0; i < x->space.n; i++) {
    if (weight[i] < 0 && param_count(&x->space.params[i]) == 1) weight[i] = 0;
    if (weight[i] < 0)
      return ini_error(e, ini, from, "'%s' has no weight; the section [weights] has to say it: %s = NUMBER",
                       x->space.params[i].name, x->space.params[i].name);
  }
  if (groups_from_weights(&x->space, weight, &x->groups_settings, &x->groups, &why))
    return ini_error(e, ini, from, "%s", why.message);
  return 0;
}

/* What [groups] from says; NULL: nothing, its lines count.  A setting goes before the file's
 * lines. */
static int find_from(const struct ini *ini, const struct ini_entry **from, struct error *e)
{
  const struct ini_entry *line = NULL;
  *from = NULL;
  for (int i = 0; i < ini->n; i++) {
    const struct ini_entry *entry = &ini->entries[i];
    if (!in_section(entry, "groups") || !entry->value[0]) continue;
    if (is_from(entry))
      *from = entry;
    else if (!line || entry->line == 0)
      line = entry;
  }
  if (!*from || !line || ((*from)->line == 0 && line->line > 0)) return 0;
  return ini_error(e, ini, *from, "makes all groups, and '%s' is another one; take one of them away", line->key);
}

/* A weight that nothing uses is a mistake, unless it says what holds anyway. */
static int check_weights_used(const struct ini *ini, const struct ini_entry *from, struct error *e)
{
  if (from && !strcmp(from->value, GROUPS_FROM_WEIGHTS)) return 0;
  for (int i = 0; i < ini->n; i++) {
    const struct ini_entry *entry = &ini->entries[i];
    if (!in_section(entry, "weights") || (!entry->value[0] && entry->line == 0)) continue;
    const struct key_spec *k = key_find("weights", entry->key);
    if (!k || strcmp(k->about.default_text, entry->value) != 0)
      return ini_error(e, ini, entry, "nothing uses it; [groups] from = weights does");
  }
  return 0;
}

int experiment_groups(struct experiment *x, const struct ini *ini, const struct groups *standard, struct error *e)
{
  const struct ini_entry *from;
  if (find_from(ini, &from, e) || check_weights_used(ini, from, e)) return e->code;
  if (!from) return groups_of_lines(x, ini, standard, e);
  memset(&x->groups, 0, sizeof x->groups);
  for (int i = 0; i < x->space.n; i++) x->groups.of[i] = -1;
  bool word = !strcmp(from->value, GROUPS_FROM_WEIGHTS) || !strcmp(from->value, GROUPS_FROM_AUTO);
  struct error why = {0};
  if (word)
    snprintf(x->groups_from, sizeof x->groups_from, "%s", from->value);
  else if (key_parse(x, key_find("groups", "from"), from->value, from->line ? ini->folder : "", &why))
    return ini_error(e, ini, from, "%s", why.message);
  return strcmp(from->value, GROUPS_FROM_WEIGHTS) ? 0 : groups_of_weights(x, ini, from, e);
}

bool experiment_groups_auto(const struct experiment *x)
{
  return !strcmp(x->groups_from, GROUPS_FROM_AUTO);
}

const char *experiment_groups_run(const struct experiment *x)
{
  bool there = x->groups.n > 0 || !x->groups_from[0] || experiment_groups_auto(x);
  return there ? NULL : x->groups_from;
}

struct importance_settings experiment_importance(const struct experiment *x)
{
  struct importance_settings s = importance_settings_default();
  s.seed = x->seed;
  s.top = x->importance_top;
  s.resamples = 0;
  return s;
}

/* ------------------------------------------------------------- [enqueue] ---- */

static int parse_enqueued(struct experiment *x, const struct ini *ini, const struct ini_entry *entry, struct error *e)
{
  static const char *const example = "lr 0.001, optimizer sgd";
  char shown[200], near[100];
  struct enqueued *q = &x->enqueued[x->n_enqueued];
  bool given[SPACE_MAX] = {false};
  if (!space_name_ok(entry->key))
    return ini_error(e, ini, entry, "the name of the line has characters that a name cannot have");
  strcpy(q->name, entry->key);
  space_defaults(&x->space, q->values);
  struct words w = {.next = entry->value};
  if (!next_word(&w) || w.comma) return ini_error(e, ini, entry, "no values; right is: %s", example);
  while (w.word[0]) {
    int at = w.whole ? space_index(&x->space, w.word) : -1;
    if (at < 0)
      return ini_error(e, ini, entry, "there is no hyperparameter '%s'%s", text_escape(shown, sizeof shown, w.word),
                       did_you_mean_param(near, sizeof near, w.word, &x->space));
    if (given[at]) return ini_error(e, ini, entry, "'%s' is there twice", w.word);
    given[at] = true;
    if (!next_word(&w) || w.comma)
      return ini_error(e, ini, entry, "'%s' has no value; right is: %s", x->space.params[at].name, example);
    struct error why = {0};
    if (param_value_parse(&x->space.params[at], w.word, &q->values[at], &why) || !w.whole)
      return ini_error(e, ini, entry, "%s", w.whole ? why.message : "a value is too long");
    bool more = next_word(&w);
    if (more && !w.comma)
      return ini_error(e, ini, entry, "a comma is missing before '%s'; right is: %s",
                       text_escape(shown, sizeof shown, w.word), example);
    if (w.comma && !more) return ini_error(e, ini, entry, "a comma at the end; right is: %s", example);
  }
  x->n_enqueued++;
  return 0;
}

int experiment_enqueue(struct experiment *x, const struct ini *ini, struct error *e)
{
  int rc = 0;
  x->n_enqueued = 0;
  for (int i = 0; i < ini->n && !rc; i++) {
    const struct ini_entry *entry = &ini->entries[i];
    if (!in_section(entry, "enqueue") || (entry->line == 0 && !entry->value[0])) continue;
    if (x->n_enqueued == ENQUEUE_MAX)
      return ini_error(e, ini, entry, "one configuration more than the %d that can be tried first", ENQUEUE_MAX);
    rc = parse_enqueued(x, ini, entry, e);
  }
  return rc;
}

void enqueued_format(const struct space *s, const double *values, const double *base, char *text, size_t size)
{
  size_t used = 0;
  const char *comma = "";
  text[0] = 0;
  for (int i = 0; i < s->n && used < size; i++) {
    if (base && values[i] == base[i]) continue;
    char value[SPACE_NAME_MAX];
    param_value_format(&s->params[i], values[i], value, sizeof value);
    used += (size_t)snprintf(text + used, size - used, "%s%s %s", comma, s->params[i].name, value);
    comma = ", ";
  }
}
