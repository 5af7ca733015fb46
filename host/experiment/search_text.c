/* An experiment back to text: the canonical search keys that a study is stored with, their
 * comparison, and best.ini. */
#include "host/experiment/experiment.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "host/experiment/experiment_keys.h"
#include "host/experiment/space_sections.h"
#include "host/experiment/ini.h"
#include "host/base/text_escape.h"

enum { VALUE_MAX = PARAM_TEXT_MAX > 2 * GROUP_TEXT_MAX ? PARAM_TEXT_MAX : 2 * GROUP_TEXT_MAX };

/* ------------------------------------------------------------- the search text ---- */

static bool is_search(const struct key_spec *k)
{
  return !strcmp(k->about.kind, "search");
}

static bool is_groups_from(const struct key_spec *k)
{
  return !strcmp(k->about.section, "groups") && k->type != KEY_LINE;
}

/* One list line of names in their order: "space = a, b". */
static void write_order(FILE *out, const char *section, int n, const char *first, size_t step)
{
  fprintf(out, "%s = ", section);
  for (int i = 0; i < n; i++) fprintf(out, "%s%s", i ? ", " : "", first + (size_t)i * step);
  fputc('\n', out);
}

static void write_search_lines(FILE *out, const struct experiment *x, char *value)
{
  for (int i = 0; i < key_count; i++) {
    const struct key_spec *k = &key_table[i];
    if (k->type == KEY_LINE || !is_search(k)) continue;
    if (!strcmp(k->about.key, "direction")) /* also where it is not given: the objective's own */
      snprintf(value, VALUE_MAX, "%s", x->maximize ? "maximize" : "minimize");
    else if (is_groups_from(k)) /* else the groups stand below, wherever they came from */
      snprintf(value, VALUE_MAX, "%s", experiment_groups_auto(x) ? x->groups_from : "");
    else
      key_format(x, k, value, VALUE_MAX);
    fprintf(out, "%s.%s = %s\n", k->about.section, k->about.key, value);
  }
  write_order(out, "space", x->space.n, x->space.params[0].name, sizeof x->space.params[0]);
  for (int i = 0; i < x->space.n; i++) {
    param_format(&x->space.params[i], value, VALUE_MAX);
    fprintf(out, "space.%s = %s\n", x->space.params[i].name, value);
  }
  write_order(out, "groups", x->groups.n, x->groups.names[0], sizeof x->groups.names[0]);
  for (int g = 0; g < x->groups.n; g++) {
    group_format(&x->groups, g, &x->space, value, VALUE_MAX);
    fprintf(out, "groups.%s = %s\n", x->groups.names[g], value);
  }
  write_order(out, "enqueue", x->n_enqueued, x->enqueued[0].name, sizeof x->enqueued[0]);
  for (int i = 0; i < x->n_enqueued; i++) {
    enqueued_format(&x->space, x->enqueued[i].values, NULL, value, VALUE_MAX);
    fprintf(out, "enqueue.%s = %s\n", x->enqueued[i].name, value);
  }
}

static int compare_lines(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines of `text`, which is cut at its line ends; sorted. malloc'ed, NULL without memory. */
static char **split_lines(char *text, int *n)
{
  int count = 0, room = 1;
  for (const char *c = text; *c; c++) room += *c == '\n';
  char **lines = malloc((size_t)room * sizeof *lines);
  if (!lines) return NULL;
  for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
    lines[count++] = line;
  qsort(lines, (size_t)count, sizeof *lines, compare_lines);
  *n = count;
  return lines;
}

char *experiment_search_text(const struct experiment *x)
{
  char *text = NULL, *sorted = NULL, *value = malloc(VALUE_MAX);
  size_t size = 0, used = 0;
  char **lines = NULL;
  int n = 0;
  FILE *out = value ? open_memstream(&text, &size) : NULL;
  if (!out) goto done;
  write_search_lines(out, x, value);
  if (fclose(out) != 0) goto done;
  lines = split_lines(text, &n);
  sorted = lines ? malloc(size + 1) : NULL;
  if (!sorted) goto done;
  for (int i = 0; i < n; i++) used += (size_t)sprintf(sorted + used, "%s\n", lines[i]);
  sorted[used] = 0;
done:
  free(lines);
  free(text);
  free(value);
  return sorted;
}

/* ------------------------------------------------------------- comparison ---- */

struct pair {
  const char *key, *value;
};

static int compare_pairs(const void *a, const void *b)
{
  return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

/* The "key = value" lines of `text`, which is cut up, sorted by key.  malloc'ed, NULL without
 * memory. */
static struct pair *split_pairs(char *text, int *n)
{
  char **lines = split_lines(text, n);
  struct pair *pairs = lines ? malloc((size_t)(*n + 1) * sizeof *pairs) : NULL;
  for (int i = 0; pairs && i < *n; i++) {
    char *equals = strstr(lines[i], " = ");
    pairs[i] = (struct pair){lines[i], equals ? equals + 3 : ""};
    if (equals) *equals = 0;
  }
  free(lines);
  if (pairs) qsort(pairs, (size_t)*n, sizeof *pairs, compare_pairs);
  return pairs;
}

struct differences {
  char *text;
  size_t size, used;
  int n;
  bool full;
};

/* A value for a message, cut where it is long. */
static void show_value(char *out, size_t size, const char *value)
{
  if (!value)
    snprintf(out, size, "not there");
  else if (!*value)
    snprintf(out, size, "not given");
  else
    snprintf(out, size, "%.*s%s", text_within(value, 200), value, strlen(value) > 200 ? "..." : "");
}

static void add_difference(struct differences *d, const char *key, const char *was, const char *is)
{
  char was_shown[210], is_shown[210], text[700];
  show_value(was_shown, sizeof was_shown, was);
  show_value(is_shown, sizeof is_shown, is);
  snprintf(text, sizeof text, "%s%.*s (was %s, is %s)", d->n ? ", " : "", text_within(key, 200), key, was_shown,
           is_shown);
  d->n++;
  if (d->full) return;
  size_t room = d->size - d->used, n = strlen(text);
  d->full = n + sizeof ", ..." > room; /* what is left must hold the sign that there is more */
  if (d->full) {
    snprintf(text, sizeof text, "%s...", d->used ? ", " : "");
    n = strlen(text);
  }
  if (n < room) {
    memcpy(d->text + d->used, text, n + 1);
    d->used += n;
  }
}

/* The value that a key has where a text does not mention it: its default, NULL where it is no key
 * of the table. */
static const char *absent_value(const char *key)
{
  /* Defaults that depend on other keys; older searches did neither. */
  if (!strcmp(key, "experiment.revisit")) return "no";
  if (!strcmp(key, "gp.cost")) return "none";
  for (int i = 0; i < key_count; i++) {
    const struct experiment_key *k = &key_table[i].about;
    size_t n = strlen(k->section);
    if (key_table[i].type != KEY_LINE && !strncmp(key, k->section, n) && key[n] == '.' && !strcmp(key + n + 1, k->key))
      return k->default_text;
  }
  return NULL;
}

int experiment_search_compare(const char *stored, const char *now, char *differences, size_t size)
{
  struct differences d = {differences, size, 0, 0, false};
  char *a_text = strdup(stored), *b_text = strdup(now);
  int na = 0, nb = 0, i = 0, j = 0;
  struct pair *a = a_text ? split_pairs(a_text, &na) : NULL, *b = b_text ? split_pairs(b_text, &nb) : NULL;
  if (size) differences[0] = 0;
  if (!a || !b) { /* no memory: say at least whether */
    d.n = strcmp(stored, now) != 0;
    goto done;
  }
  while (i < na || j < nb) {
    int order = i == na ? 1 : j == nb ? -1 : strcmp(a[i].key, b[j].key);
    const char *key = order <= 0 ? a[i].key : b[j].key;
    const char *was = order <= 0 ? a[i++].value : absent_value(key);
    const char *is = order >= 0 ? b[j++].value : absent_value(key);
    if (!was || !is || strcmp(was, is) != 0) add_difference(&d, key, was, is);
  }
done:
  free(a);
  free(b);
  free(a_text);
  free(b_text);
  return d.n;
}

bool experiment_search_get(const char *text, const char *key, char *value, size_t size)
{
  size_t n = strlen(key);
  if (size) value[0] = 0;
  for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
    if (strncmp(line, key, n) != 0 || strncmp(line + n, " = ", 3) != 0) continue;
    const char *from = line + n + 3, *end = strchr(from, '\n');
    snprintf(value, size, "%.*s", (int)(end ? end - from : (ptrdiff_t)strlen(from)), from);
    return true;
  }
  return false;
}

/* ------------------------------------------------------------- ini files ---- */

/* What an ini file is written for. */
struct written {
  const double *best; /* [n] best.ini: the values that become the defaults; NULL: run.ini, which has all as it is */
  int round, trial;   /* best.ini: of [train] */
};

static bool is_key(const struct key_spec *k, const char *section, const char *key)
{
  return !strcmp(k->about.section, section) && !strcmp(k->about.key, key);
}

/* A path from the current directory as one that holds anywhere; as it is where that is not known,
 * or longer than a line of an ini file may be. */
static void write_absolute(const char *path, char *text, size_t size)
{
  bool here = !strcmp(path, ".");
  if (path[0] == '/' || !getcwd(text, PATH_MAX) || strlen(text) + strlen(path) + 40 > INI_LINE_MAX) {
    snprintf(text, size, "%s", path);
    return;
  }
  size_t n = strlen(text);
  snprintf(text + n, size - n, "%s%s", here ? "" : "/", here ? "" : path);
}

static void write_key(FILE *out, const struct experiment *x, const struct key_spec *k, const struct written *w,
                      char *value)
{
  char text[PATH_MAX + 1100], quoted[sizeof text + 3];
  bool output = is_key(k, "experiment", "output");
  key_format(x, k, value, VALUE_MAX);
  if (!value[0]) {
    if (!w->best) fprintf(out, "#%s =\n", k->about.key);
    return;
  }
  if (w->best && (output || is_key(k, "experiment", "name"))) {
    size_t room = k->size - strlen("-best") - 1; /* of what the key can hold */
    snprintf(text, sizeof text, "%.*s-best", text_within(value, room), value);
  } else if ((k->type == KEY_PATH && !is_groups_from(k)) || output) {
    write_absolute(value, text, sizeof text);
  } else {
    snprintf(text, sizeof text, "%s", value);
  }
  ini_quote(text, quoted);
  fprintf(out, "%s = %s\n", k->about.key, quoted);
}

/* Is the configuration one that a run of best.ini does not begin with, unless [enqueue] says it? */
static bool needs_enqueuing(const struct experiment *x, const double *values)
{
  if (x->baseline || x->n_enqueued == ENQUEUE_MAX) return false;
  for (int i = 0; i < x->n_enqueued; i++)
    if (space_equal(&x->space, x->enqueued[i].values, values)) return false;
  return true;
}

static void write_enqueued_best(FILE *out, const struct experiment *x, const double *values, char *value)
{
  char name[SPACE_NAME_MAX] = "best";
  if (!needs_enqueuing(x, values)) return;
  for (int i = 0, next = 2; i < x->n_enqueued; i++) {
    if (strcasecmp(x->enqueued[i].name, name) != 0) continue;
    snprintf(name, sizeof name, "best_%d", next++);
    i = -1; /* that one may be taken, too */
  }
  enqueued_format(&x->space, values, NULL, value, VALUE_MAX);
  fprintf(out, "%s = %s\n", name, value);
}

static void write_space(FILE *out, const struct experiment *x, const struct written *w, char *value)
{
  for (int i = 0; i < x->space.n; i++) {
    struct param p = x->space.params[i]; /* borrows the choices */
    if (w->best) p.default_value = param_clamp(&p, w->best[i]);
    param_format(&p, value, VALUE_MAX);
    fprintf(out, "%s = %s\n", p.name, value);
  }
}

static void write_enqueued(FILE *out, const struct experiment *x, const struct written *w, char *value)
{
  double defaults[SPACE_MAX];
  space_defaults(&x->space, defaults);
  const double *base = w->best ? w->best : defaults; /* what is at the defaults need not be said */
  if (w->best) write_enqueued_best(out, x, w->best, value);
  for (int i = 0; i < x->n_enqueued; i++) {
    enqueued_format(&x->space, x->enqueued[i].values, base, value, VALUE_MAX);
    if (!value[0]) enqueued_format(&x->space, x->enqueued[i].values, NULL, value, VALUE_MAX);
    fprintf(out, "%s = %s\n", x->enqueued[i].name, value);
  }
}

static void write_lines(FILE *out, const struct experiment *x, const char *section, const struct written *w,
                        char *value)
{
  if (!strcmp(section, "space")) write_space(out, x, w, value);
  if (!strcmp(section, "enqueue")) write_enqueued(out, x, w, value);
  for (int g = 0; g < x->groups.n && !strcmp(section, "groups"); g++) {
    group_format(&x->groups, g, &x->space, value, VALUE_MAX);
    fprintf(out, "%s = %s\n", x->groups.names[g], value);
  }
}

/* Has the section, or the key, no place in the file? */
static bool is_left_out(const struct experiment *x, const struct key_spec *k, const struct written *w)
{
  const char *section = k->about.section;
  bool enqueues = x->n_enqueued > 0 || (w->best && needs_enqueuing(x, w->best));
  if (!strcmp(section, "enqueue")) return !enqueues;
  if (!strcmp(section, "datasets")) return true; /* the one that it is of stands in [dataset] */
  if (!strcmp(section, "weights")) return true;  /* the groups made of them stand there */
  if (is_groups_from(k)) return !experiment_groups_auto(x);
  if (!w->best) return false;
  if (!strcmp(section, "function")) return !x->function[0];
  if (!strcmp(section, "command")) return !x->command[0];
  return !strcmp(section, "table") && !x->table[0];
}

static void write_all(FILE *out, const struct experiment *x, const struct written *w, char *value)
{
  const char *section = "";
  for (int i = 0; i < key_count; i++) {
    const struct key_spec *k = &key_table[i];
    if (is_left_out(x, k, w)) continue;
    bool new_section = strcmp(section, k->about.section) != 0;
    section = k->about.section;
    if (new_section) fprintf(out, "\n[%s]\n", section);
    if (w->best && !strcmp(section, "train"))
      fprintf(out, "%s = %d\n", k->about.key, is_key(k, "train", "round") ? w->round : w->trial);
    else if (k->type != KEY_LINE)
      write_key(out, x, k, w, value);
    else if (new_section)
      write_lines(out, x, section, w, value);
  }
}

static char *ini_text(const struct experiment *x, const struct written *w, const char *head)
{
  char *text = NULL, *value = malloc(VALUE_MAX);
  size_t size = 0;
  FILE *out = value ? open_memstream(&text, &size) : NULL;
  if (out) {
    fputs(head, out);
    write_all(out, x, w, value);
    if (fclose(out) != 0) {
      free(text);
      text = NULL;
    }
  }
  free(value);
  return text;
}

char *experiment_best_ini(const struct experiment *x, const double *values, int round, int trial)
{
  const struct written best = {values, round, trial};
  return ini_text(x, &best,
                  EXPERIMENT_BEST_INI_BEGINS
                  " stands in the defaults of [space]; [train] names the trial whose "
                  "random\n# numbers its network has: gsos train repeats it.  The rest is as the search had it.\n");
}

char *experiment_run_ini(const struct experiment *x)
{
  const struct written run = {0};
  return ini_text(x, &run,
                  EXPERIMENT_RUN_INI_BEGINS
                  ", as it was last started: every key with its value.  gsos run FOLDER\n"
                  "# goes on from it.  Paths are absolute; of what has moved since, give the new one with --set.\n");
}
