/* Files by their usual names.  See usual_names.h. */
#include "host/data/usual_names.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "host/base/text_escape.h"

static const struct {
  const char *word;
  int part;
} parts[] = {{"train", PART_TRAIN},    {"training", PART_TRAIN},   {"validation", PART_VALIDATION},
             {"val", PART_VALIDATION}, {"valid", PART_VALIDATION}, {"dev", PART_VALIDATION},
             {"test", PART_TEST},      {"testing", PART_TEST},     {"t10k", PART_TEST}};

int part_of_word(const char *word, size_t n)
{
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (strlen(parts[i].word) == n && strncasecmp(parts[i].word, word, n) == 0) return parts[i].part;
  return -1;
}

const char *part_name(int part)
{
  static const char *const names[PARTS] = {"train", "validation", "test"};
  return names[part];
}

/* A name taken apart: [prefix-]word ending [.gz]. */
struct taken_apart {
  int part, kind;
  size_t prefix, word; /* their lengths; the dash between them is not counted */
  bool packed;
};

static bool ends_with(const char *name, size_t n, const char *ending, size_t *rest)
{
  size_t m = strlen(ending);
  if (n < m || strncasecmp(name + n - m, ending, m) != 0) return false;
  *rest = n - m;
  return true;
}

/* False for a name that is of no kind; part -1 for one whose part is unknown. */
static bool take_apart(struct taken_apart *t, const char *name, const struct usual_format *f)
{
  size_t n = strlen(name), end = 0;
  t->packed = f->gzip && ends_with(name, n, ".gz", &n);
  bool found = false;
  for (t->kind = 0; t->kind < USUAL_KINDS && !found; t->kind += !found)
    for (const char *const *ending = f->endings[t->kind]; *ending && !found; ending++)
      found = ends_with(name, n, *ending, &end);
  if (!found) return false;
  size_t begin = end;
  while (begin && name[begin - 1] != '-') begin--;
  t->word = end - begin;
  t->prefix = begin ? begin - 1 : 0;
  t->part = part_of_word(name + begin, t->word);
  return true;
}

static int by_name(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the folder's regular files that are of this format, sorted: plain ones stand before
 * packed ones. */
static int list_names(char ***names, int *n, const char *folder, const struct usual_format *f, struct error *e)
{
  int code = 0, capacity = 0;
  char path[DATA_PATH_MAX];
  struct taken_apart ignored;
  const struct dirent *entry;
  struct stat st;
  *names = NULL;
  *n = 0;
  DIR *dir = opendir(folder);
  if (!dir) return 0;
  while (!code && (entry = readdir(dir))) {
    if (!take_apart(&ignored, entry->d_name, f)) continue;
    if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) continue;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) continue; /* a broken link is reported when it is opened */
    if (*n == capacity) {
      capacity = capacity ? 2 * capacity : 16;
      char **more = realloc(*names, (size_t)capacity * sizeof *more);
      if (more) *names = more;
      code = more ? 0 : -1;
    }
    if (!code && ((*names)[*n] = strdup(entry->d_name)))
      ++*n;
    else
      code = -1;
  }
  closedir(dir);
  if (*n) qsort(*names, (size_t)*n, sizeof **names, by_name);
  return code ? error_set(e, ERROR_MACHINE, "no memory for the names of files") : 0;
}

/* `why` NULL: two data sets. */
static void conflict(struct usual_names *u, const char *folder, const struct usual_format *f, const char *a,
                     const char *b, const char *why)
{
  char sets[60], shown[400], one[300], other[300];
  if (u->conflict.code) return; /* the first says enough */
  snprintf(sets, sizeof sets, "holds more than one %s data set", f->what);
  error_set(&u->conflict, ERROR_CONFIG,
            "[dataset] path = %s: %s (%s and %s): which %s files belong together cannot be told; take one away, or %s",
            text_escape(shown, sizeof shown, folder), why ? why : sets, text_escape(one, sizeof one, a),
            text_escape(other, sizeof other, b), f->what,
            f->gzip ? "name the files in [dataset]: train_images, train_labels, test_images, test_labels"
                    : "keep each set in a folder of its own");
}

static bool same_word(const char *name, const struct taken_apart *a, const char *other, const struct taken_apart *b)
{
  return a->word == b->word &&
         strncasecmp(name + a->prefix + (a->prefix > 0), other + b->prefix + (b->prefix > 0), a->word) == 0;
}

static bool same_prefix(const char *name, const struct taken_apart *a, const char *other, const struct taken_apart *b)
{
  return a->prefix == b->prefix && strncmp(name, other, a->prefix) == 0;
}

/* All files of a part go by one word (test, t10k), all of the folder by one prefix. */
static void check_one_set(struct usual_names *u, const char *folder, const struct usual_format *f)
{
  const char *first = NULL, *of_part[PARTS] = {NULL};
  struct taken_apart a, b;
  for (int i = 0; i < PARTS * USUAL_KINDS; i++) {
    const char *name = u->file[i / USUAL_KINDS][i % USUAL_KINDS].name;
    const char **part = &of_part[i / USUAL_KINDS];
    if (!name) continue;
    take_apart(&a, name, f);
    if (first && take_apart(&b, first, f) && !same_prefix(name, &a, first, &b))
      conflict(u, folder, f, first, name, NULL);
    if (*part && take_apart(&b, *part, f) && !same_word(name, &a, *part, &b))
      conflict(u, folder, f, *part, name, "holds images of one name and labels of another");
    if (!first) first = name;
    if (!*part) *part = name;
  }
}

/* Puts a name into its slot, which may be taken. */
static void take(struct usual_names *u, const char *folder, const char *name, const struct usual_format *f)
{
  struct taken_apart t;
  take_apart(&t, name, f);
  if (t.part < 0) {
    size_t used = strlen(u->unknown);
    char shown[200];
    snprintf(u->unknown + used, sizeof u->unknown - used, "%s%s", used ? ", " : "",
             text_escape(shown, sizeof shown, name));
    return;
  }
  struct usual_file *slot = &u->file[t.part][t.kind];
  u->n++;
  if (slot->name) {
    size_t n = strlen(slot->name);
    bool same_but_packed = t.packed && strncmp(slot->name, name, n) == 0 && strcasecmp(name + n, ".gz") == 0;
    struct taken_apart other;
    take_apart(&other, slot->name, f);
    if (!same_prefix(name, &t, slot->name, &other)) {
      conflict(u, folder, f, slot->name, name, NULL);
    } else if (!same_but_packed) {
      char why[80];
      snprintf(why, sizeof why, "holds more than one file with the %s of the %s part",
               t.kind == USUAL_IMAGES ? "images" : "labels", part_name(t.part));
      conflict(u, folder, f, slot->name, name, why);
    }
    return;
  }
  int n = snprintf(slot->path, sizeof slot->path, "%s/", folder);
  snprintf(slot->path + n, sizeof slot->path - (size_t)n, "%s", name);
  slot->name = slot->path + n;
}

int usual_names_find(struct usual_names *u, const char *folder, const struct usual_format *f, struct error *e)
{
  char **names;
  int n;
  memset(u, 0, sizeof *u);
  int code = list_names(&names, &n, folder, f, e);
  for (int i = 0; i < n; i++) {
    if (!code) take(u, folder, names[i], f);
    free(names[i]);
  }
  free(names);
  if (!code) check_one_set(u, folder, f);
  return code;
}
