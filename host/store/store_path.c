/* Where the database is, as SQLite gets it.
 *
 * SQLite takes no path of more than 512 bytes, counted from the root and without symbolic links,
 * and a copy of it within stops at that length in silence.  Where there are more, the folder is
 * opened and the file is /proc/self/fd/N/study.db, which the kernel resolves; SQLite's own
 * resolving would turn it into the long one again, so the connection gets a file system layer (VFS)
 * that is SQLite's own but leaves such names as they are. */
#include "host/store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHORT_PATH = 480 }; /* leaves room for "-journal", and for what a later SQLite may add */
static const char by_folder[] = "/proc/self/fd/";

static sqlite3_vfs folder_vfs, *standard_vfs;

static int full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
  (void)vfs;
  if (strncmp(name, by_folder, strlen(by_folder)) != 0)
    return standard_vfs->xFullPathname(standard_vfs, name, size, out);
  return snprintf(out, (size_t)size, "%s", name) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static void register_vfs(void)
{
  standard_vfs = sqlite3_vfs_find(NULL);
  if (!standard_vfs) return;
  folder_vfs = *standard_vfs;
  folder_vfs.zName = "gsos-folder";
  folder_vfs.pNext = NULL;
  folder_vfs.xFullPathname = full_path;
  sqlite3_vfs_register(&folder_vfs, 0);
}

const char *store_vfs(const struct store *s)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (s->folder_fd < 0) return NULL;
  pthread_once(&once, register_vfs);
  return folder_vfs.zName;
}

/* The path without symbolic links, malloc'ed; of a file that is not there yet its folder's, with
 * its name.  NULL: errno says why. */
static char *resolve(const char *path)
{
  char *real = realpath(path, NULL);
  const char *slash = strrchr(path, '/');
  if (real || errno != ENOENT || !slash) return real;
  char *folder = strndup(path, (size_t)(slash - path) + 1), *whole = NULL;
  if (folder) real = realpath(folder, NULL);
  if (real && asprintf(&whole, "%s%s", real, slash) < 0) whole = NULL;
  free(folder);
  free(real);
  return whole;
}

static int too_long(struct store *s, struct error *e)
{
  return error_set(e, ERROR_FAILED, "%s: the path is too long for SQLite, which takes %d bytes; choose a shorter one",
                   s->shown, SHORT_PATH);
}

/* Opens the folder of `path` and takes the file's name in it. */
static int go_by_folder(struct store *s, const char *path, struct error *e)
{
  struct stat st;
  const char *slash = strrchr(path, '/');
  char *folder = strndup(path, (size_t)(slash - path) + 1), *name = NULL;
  int code = 0;
  if (folder) s->folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder && s->folder_fd < 0)
    code = error_errno(e, "%s: its folder cannot be opened", s->shown);
  else if (!folder || asprintf(&name, "%s%d%s", by_folder, s->folder_fd, slash) < 0)
    code = error_set(e, ERROR_MACHINE, "%s: no memory to open it", s->shown);
  else if (fstatat(AT_FDCWD, by_folder, &st, 0) || strlen(name) > SHORT_PATH)
    code = too_long(s, e);
  /* a link is followed to where the file is, or its journal would stand beside the link */
  else if (fstatat(s->folder_fd, slash + 1, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
    code = too_long(s, e);
  free(folder);
  if (code) {
    free(name);
    return code;
  }
  free(s->path);
  s->path = name;
  return 0;
}

int store_path_find(struct store *s, const char *path, struct error *e)
{
  /* "./": SQLite would take "file:x", ":memory:" and "" for something else than a file of that
   * name. */
  if (asprintf(&s->path, "%s%s", path[0] == '/' ? "" : "./", path) < 0) {
    s->path = NULL;
    return error_set(e, ERROR_MACHINE, "%s: no memory to open it", s->shown);
  }
  char *real = resolve(s->path);
  bool unknown = !real && errno == ENAMETOOLONG;
  int code = 0;
  if (unknown || (real && strlen(real) > SHORT_PATH)) code = go_by_folder(s, real ? real : s->path, e);
  free(real);
  return code;
}
