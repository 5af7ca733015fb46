/* The runs whose output folders lie in a folder.  See runs_below.h. */
#include "sched/commands/runs_below.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LEVELS = 2 };

struct found {
  char **paths; /* [n] */
  int n;
};

bool run_is_in(const char *folder)
{
  struct stat st;
  char *path = NULL;
  bool holds = asprintf(&path, "%s/study.db", folder) >= 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
  free(path);
  return holds;
}

static int no_memory(struct error *e)
{
  return error_set(e, ERROR_MACHINE, "no memory for the names of runs");
}

static int add(struct found *f, char *path, struct error *e)
{
  char **more = realloc(f->paths, (size_t)(f->n + 1) * sizeof *more);
  if (!more) {
    free(path);
    return no_memory(e);
  }
  f->paths = more;
  f->paths[f->n++] = path;
  return 0;
}

static int look_into(struct found *f, const char *folder, int levels, struct error *e);

static int look_at(struct found *f, const char *folder, const char *name, int levels, struct error *e)
{
  struct stat st;
  char *path = NULL;
  size_t length = strlen(folder);
  if (asprintf(&path, "%s%s%s", folder, length && folder[length - 1] == '/' ? "" : "/", name) < 0) return no_memory(e);
  if (run_is_in(path)) return add(f, path, e);
  int code = levels > 1 && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? look_into(f, path, levels - 1, e) : 0;
  free(path);
  return code;
}

static int visible(const struct dirent *entry)
{
  return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int look_into(struct found *f, const char *folder, int levels, struct error *e)
{
  struct dirent **entries = NULL;
  int n = scandir(folder, &entries, visible, by_bytes);
  int code = 0;
  for (int i = 0; i < n; i++) {
    if (!code) code = look_at(f, folder, entries[i]->d_name, levels, e);
    free(entries[i]);
  }
  free(entries);
  return code;
}

int runs_below(const char *folder, char ***runs, int *n, struct error *e)
{
  struct found f = {0};
  int code = look_into(&f, folder, LEVELS, e);
  *runs = f.paths;
  *n = f.n;
  return code;
}

int runs_of(const char *path, char ***runs, int *n, struct error *e)
{
  struct found f = {0};
  int code = run_is_in(path) ? 0 : look_into(&f, path, LEVELS, e); /* in a file there are none */
  char *copy = !code && f.n == 0 ? strdup(path) : NULL;
  if (copy)
    code = add(&f, copy, e);
  else if (!code && f.n == 0)
    code = no_memory(e);
  *runs = f.paths;
  *n = f.n;
  return code;
}

void runs_below_free(char **runs, int n)
{
  for (int i = 0; i < n; i++) free(runs[i]);
  free(runs);
}
