/* The lines of [datasets].  See dataset_lines.h. */
#include "host/experiment/dataset_lines.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/base/text_escape.h"
#include "host/experiment/experiment_keys.h"
#include "host/experiment/ini_internal.h"

static const char example[] = "photos, image_size 32, train_count 4000";

static bool is_line(const struct ini_entry *entry)
{
  return !strcmp(entry->section, "datasets") && entry->value[0]; /* --set datasets.NAME= takes it away */
}

/* ---- one line -------------------------------------------------------------------------------- */

/* Items of "PATH, KEY VALUE, KEY VALUE" one after the other, as keys of [dataset]. */
struct items {
  const char *next; /* NULL after the last one */
  bool begun;
  char key[64], value[INI_LINE_MAX + 2];
};

static int unknown_item(const struct items *item, const struct ini *ini, const struct ini_entry *line, struct error *e)
{
  const char *names[64];
  char all[700] = "", near[100], shown[200];
  int n = 0;
  size_t used = 0;
  for (int i = 0; i < key_count && n < 64; i++) {
    const struct experiment_key *k = &key_table[i].about;
    if (strcmp(k->section, "dataset") != 0 || !strcmp(k->key, "path")) continue;
    used += text_format(all + used, sizeof all - used, "%s%s", n ? ", " : "", k->key);
    names[n++] = k->key;
  }
  return ini_error(e, ini, line, "there is no key '%s' in [dataset]%s (there are: %s)",
                   text_escape(shown, sizeof shown, item->key), did_you_mean(near, sizeof near, item->key, names, n),
                   all);
}

/* The next item; its key is "" after the last one. */
static int next_item(struct items *item, const struct ini *ini, const struct ini_entry *line, struct error *e)
{
  char text[INI_LINE_MAX + 2];
  item->key[0] = 0;
  if (!item->next) return 0;
  size_t n = strcspn(item->next, ",");
  text_format(text, sizeof text, "%.*s", (int)n, item->next);
  item->next = item->next[n] ? item->next + n + 1 : NULL;
  char *word = ini_strip(text);
  bool first = !item->begun;
  item->begun = true;
  if (!*word)
    return ini_error(e, ini, line,
                     first ? "begins with a comma; the path comes first: %s"
                           : "nothing stands between two commas, or after the last one; right is: %s",
                     example);
  size_t key = first ? 0 : strcspn(word, " \t");
  text_format(item->key, sizeof item->key, "%.*s", (int)key, word);
  text_format(item->value, sizeof item->value, "%s", ini_strip(word + key));
  if (first) {
    strcpy(item->key, "path");
    return 0;
  }
  if (key >= sizeof item->key || !key_find("dataset", item->key)) return unknown_item(item, ini, line, e);
  if (!strcmp(key_find("dataset", item->key)->about.key, "path"))
    return ini_error(e, ini, line, "the path stands at the beginning, without its key: %s", example);
  return item->value[0] ? 0 : ini_error(e, ini, line, "'%s' has no value; right is: %s", item->key, example);
}

/* The name is that of a folder and of a study. */
static int check_name(const struct ini *ini, const struct ini_entry *line, size_t size, struct error *e)
{
  static const char files[] = "importance.";
  char shown[200];
  if (!strncasecmp(line->key, files, sizeof files - 1))
    return ini_error(e, ini, line,
                     "%stxt, .csv, .gp and .svg are files beside the folders of data sets; give it another name",
                     files);
  if (strlen(line->key) < size && line->key[0] != '.' && !strchr(line->key, '/') &&
      !strcmp(text_escape(shown, sizeof shown, line->key), line->key))
    return 0;
  return ini_error(e, ini, line,
                   "the name of a data set is that of a folder: up to %zu printable characters, no slash or backslash, "
                   "and no dot at the beginning",
                   size - 1);
}

static int check_line(const struct ini *ini, const struct ini_entry *line, struct error *e)
{
  struct items item = {.next = line->value};
  const struct key_spec *seen[64];
  int n = 0;
  do {
    if (next_item(&item, ini, line, e)) return e->code;
    const struct key_spec *k = key_find("dataset", item.key);
    for (int i = 0; k && i < n; i++)
      if (seen[i] == k) return ini_error(e, ini, line, "'%s' is there twice", k->about.key);
    seen[n++] = k;
  } while (item.key[0]);
  return 0;
}

/* ---- all lines ------------------------------------------------------------------------------- */

int dataset_lines_read(struct experiment *x, const struct ini *ini, struct error *e)
{
  for (int i = 0; i < ini->n; i++) {
    const struct ini_entry *line = &ini->entries[i];
    if (!strcmp(line->section, "datasets") && !line->value[0] && line->line)
      return ini_error(e, ini, line, "no path; right is: %s", example);
    if (!is_line(line)) continue;
    if (check_name(ini, line, sizeof x->datasets[0], e)) return e->code;
    if (x->n_datasets == DATASETS_MAX)
      return ini_error(e, ini, line, "one data set more than the %d that there can be", DATASETS_MAX);
    if (check_line(ini, line, e)) return e->code;
    strcpy(x->datasets[x->n_datasets++], line->key);
  }
  return 0;
}

/* ---- using one ------------------------------------------------------------------------------- */

/* A key of [dataset], in the place of the file's, as if it stood where the line does. */
static int put(struct ini *ini, const struct items *item, int line, struct error *e)
{
  struct ini_entry *there = ini_find(ini, "dataset", item->key);
  bool path = !strcmp(item->key, "path"); /* dataset_line_use: no setting says it */
  if (there && there->line == 0 && !path) return 0;
  if (!there) return ini_add_entry(ini, "dataset", item->key, strlen(item->key), item->value, line, e);
  char *value = ini_copy(item->value, strlen(item->value));
  if (!value) return ini_no_memory(e);
  free(there->value);
  there->value = value;
  there->line = line;
  return 0;
}

int dataset_line_use(struct ini *ini, const char *name, struct error *e)
{
  char shown[200], text[INI_LINE_MAX + 2];
  const struct ini_entry *line = ini_find(ini, "datasets", name), *path = ini_find(ini, "dataset", "path");
  if (!line || !is_line(line))
    return error_set(e, ERROR_CONFIG, "[datasets] has no line '%s'", text_escape(shown, sizeof shown, name));
  if (path && path->line == 0 && path->value[0])
    return ini_error(e, ini, path,
                     "would make all data sets of [datasets] the same; right is datasets.%s=PATH, or "
                     "take them away (datasets.%s=)",
                     name, name);
  strcpy(text, line->value); /* entries move when one is added */
  struct ini_entry at = *line;
  struct items item = {.next = text};
  do {
    if (next_item(&item, ini, &at, e)) return e->code;
    if (item.key[0] && put(ini, &item, at.line, e)) return e->code;
  } while (item.key[0]);
  return 0;
}
