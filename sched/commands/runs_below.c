/* The runs that a user names.  See runs_below.h. */
#include "sched/commands/runs_below.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/file_open.h"
#include "host/base/file_same.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/base/text_wrap.h"
#include "sched/commands/fresh.h"

enum { LEVELS = 2, SHOWN = 1000 };

/* ---- is there a run? ------------------------------------------------------------------------- */

static char *database_in(const char *folder)
{
  char *path = NULL;
  size_t length = strlen(folder);
  return asprintf(&path, "%s%sstudy.db", folder, length && folder[length - 1] == '/' ? "" : "/") >= 0 ? path : NULL;
}

/* Is its database a file?  Where there is something else of that name, or none can tell, *why
 * (unless NULL) says what. */
static bool holds_run(const char *folder, char why[100])
{
  struct stat st, link;
  char *path = database_in(folder);
  if (!path) return false;
  bool told = stat(path, &st) == 0, file = told && S_ISREG(st.st_mode);
  int failed = told ? 0 : errno;
  if (failed == ENOENT && lstat(path, &link) != 0) failed = ENOTDIR; /* there is none */
  if (why && told && !file) snprintf(why, 100, "is not a file but a %s", file_kind(&st));
  if (why && failed && failed != ENOTDIR) snprintf(why, 100, "%s", strerror(failed));
  free(path);
  return file;
}

bool run_is_in(const char *folder)
{
  return holds_run(folder, NULL);
}

static bool same_run(const char *a, const char *b)
{
  char *x = run_is_in(a) ? database_in(a) : strdup(a), *y = run_is_in(b) ? database_in(b) : strdup(b);
  bool same = x && y && file_same(x, y);
  free(x);
  free(y);
  return same;
}

/* ---- what is found --------------------------------------------------------------------------- */

/* A folder while it is looked through. */
struct look {
  struct runs_named *found;
  bool once;
  int n_met; /* runs, those that were there already among them */
  int n_aside;
  char aside[SHOWN]; /* the first one that --fresh has set aside */
};

static int no_memory(struct error *e)
{
  return error_set(e, ERROR_MACHINE, "no memory for the names of runs");
}

/* Takes `path`, malloc'ed, NULL for want of memory. */
static int add(struct look *l, char *path, bool in_folder, struct error *e)
{
  struct runs_named *r = l->found;
  char shown[2][SHOWN];
  for (int i = 0; path && i < r->n; i++) {
    bool named_twice = !in_folder && !r->runs[i].in_folder;
    if ((named_twice && !l->once) || !same_run(r->runs[i].path, path)) continue;
    text_wrapf(stderr, "", "gsos: %s is the same run as %s, and counts once", text_escape(shown[0], SHOWN, path),
               text_escape(shown[1], SHOWN, r->runs[i].path));
    free(path);
    return 0;
  }
  struct run_named *more = path ? realloc(r->runs, (size_t)(r->n + 1) * sizeof *more) : NULL;
  if (!more) {
    free(path);
    return no_memory(e);
  }
  r->runs = more;
  r->runs[r->n++] = (struct run_named){path, in_folder};
  return 0;
}

static void leave_out(const char *path, const char *what, const char *why)
{
  char shown[SHOWN];
  text_wrapf(stderr, "", "gsos: %s%s is left out: %s", text_escape(shown, SHOWN, path), what, why);
}

static int look_into(struct look *l, const char *folder, int levels, struct error *e);

static int look_at(struct look *l, const char *folder, const char *name, int levels, struct error *e)
{
  struct stat st;
  char *path = NULL, why[100] = "";
  size_t length = strlen(folder);
  if (asprintf(&path, "%s%s%s", folder, length && folder[length - 1] == '/' ? "" : "/", name) < 0) return no_memory(e);
  bool run = holds_run(path, why);
  bool aside = run && fresh_is_aside(path);
  if (run && !aside) {
    l->n_met++;
    return add(l, path, true, e);
  }
  int code = 0;
  if (aside && l->n_aside++ == 0) text_escape(l->aside, sizeof l->aside, path);
  if (why[0])
    leave_out(path, "/study.db", why);
  else if (!aside && levels > 1 && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
    code = look_into(l, path, levels - 1, e);
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

static bool is_link(const char *folder, const char *name)
{
  struct stat st;
  char *path = NULL;
  bool is = asprintf(&path, "%s/%s", folder, name) >= 0 && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
  free(path);
  return is;
}

/* Links last: a run that is here and behind one has the name that it has here. */
static int look_into(struct look *l, const char *folder, int levels, struct error *e)
{
  struct dirent **entries = NULL;
  int n = scandir(folder, &entries, visible, by_bytes);
  int code = 0;
  if (n < 0 && errno != ENOENT && errno != ENOTDIR)
    leave_out(folder, "", strerror(errno)); /* in a file there are none */
  for (int links = 0; links < 2; links++)
    for (int i = 0; i < n && !code; i++)
      if (is_link(folder, entries[i]->d_name) == links) code = look_at(l, folder, entries[i]->d_name, levels, e);
  for (int i = 0; i < n; i++) free(entries[i]);
  free(entries);
  return code;
}

/* ---- all ------------------------------------------------------------------------------------- */

int runs_named_add(struct runs_named *r, const char *path, bool once, struct error *e)
{
  struct look l = {.found = r, .once = once};
  bool run = run_is_in(path);
  int code = run ? 0 : look_into(&l, path, LEVELS, e);
  if (l.n_aside > 0)
    text_wrapf(stderr, "", "gsos: %d run%s that --fresh set aside %s left out: %s%s", l.n_aside, text_plural(l.n_aside),
               l.n_aside == 1 ? "is" : "are", l.aside, l.n_aside > 1 ? " ..." : "");
  return code || l.n_met > 0 ? code : add(&l, strdup(path), false, e);
}

void runs_named_free(struct runs_named *r)
{
  for (int i = 0; i < r->n; i++) free(r->runs[i].path);
  free(r->runs);
  *r = (struct runs_named){0};
}
