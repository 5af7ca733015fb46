/* Opening for reading only, for `show`: nothing is written, no file is left behind, on a folder
 * that cannot be written too.
 *
 * SQLite's own read-only mode makes the files of a WAL (-wal, -shm) where they are missing, needs
 * to write where they are stale, and cannot read at all where it may not.  So:
 *
 *   rollback journal                     as it is
 *   WAL, with -wal and -shm              as it is: a run is writing, or died on this machine
 *   WAL, with neither                    as an immutable file: a run ended, all is in the file.
 *                                        Should one begin to write just then, the file's time or
 *                                        size tells, and what was read is read again
 *   anything SQLite would have to repair (-wal without -shm after a power cut or a copy, a rollback
 *   journal of a dead
 *                                        process): a copy in $TMPDIR is opened and repaired, and
 *                                        removed at the end
 *
 * The database file itself is only ever read through SQLite: opening and closing it would drop the
 * POSIX locks of any other connection that this process has. */
#include "host/store/store_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file_open.h"

static char *join(const char *a, const char *b)
{
  size_t size = strlen(a) + strlen(b) + 1;
  char *out = malloc(size);
  if (out) snprintf(out, size, "%s%s", a, b);
  return out;
}

static int no_memory(struct store *s, struct error *e)
{
  return error_set(e, ERROR_MACHINE, "%s: no memory to open it", s->shown);
}

/* Size of PATH<suffix>; -1 where there is none. */
static int64_t beside(const struct store *s, const char *suffix)
{
  struct stat st;
  char *path = join(s->path, suffix);
  int64_t size = path && stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
  free(path);
  return size;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
  return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
         a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool store_overtaken(struct store *s)
{
  struct stat now;
  return s->immutable && stat(s->path, &now) == 0 && !same_file(&now, &s->opened);
}

void store_remove_copy(struct store *s)
{
  static const char *const names[] = {"/study.db", "/study.db-wal", "/study.db-shm", "/study.db-journal"};
  if (!s->copy) return;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char *path = join(s->copy, names[i]);
    if (path) unlink(path);
    free(path);
  }
  rmdir(s->copy);
  free(s->copy);
  s->copy = NULL;
}

/* Immutable files are only to be had by a URI: every byte but the safest is escaped. */
static int connect_immutable(struct store *s, struct error *e)
{
  size_t size = strlen(s->path) * 3 + 32;
  char *uri = malloc(size);
  if (!uri) return no_memory(s, e);
  int used = snprintf(uri, size, "file:");
  for (const unsigned char *p = (const unsigned char *)s->path; *p; p++)
    used += snprintf(uri + used, size - (size_t)used, isalnum(*p) || strchr("/._-", *p) ? "%c" : "%%%02X", *p);
  snprintf(uri + used, size - (size_t)used, "?immutable=1");
  int code = store_connect(s, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, e);
  free(uri);
  s->immutable = !code;
  return code;
}

static int write_all(int fd, const char *bytes, size_t n)
{
  while (n) {
    ssize_t wrote = write(fd, bytes, n);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return -1;
    bytes += wrote;
    n -= (size_t)wrote;
  }
  return 0;
}

/* One file of the copy: the database through SQLite (`file`), the others (`path`, which may not
 * exist) by themselves. */
static int copy_file(struct store *s, sqlite3_file *file, const char *path, const char *to, struct error *e)
{
  static const size_t block = 1 << 16;
  int in = -1, out = -1, code = 0;
  char *bytes = malloc(block);
  if (!bytes) return no_memory(s, e);
  if (!file && (in = file_open(path, O_RDONLY)) < 0) {
    if (errno != ENOENT) code = file_open_failed(e, path, "cannot be read");
    goto done;
  }
  if ((out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0) {
    code = error_errno(e, "%s: cannot be written, for a copy of %s", to, s->shown);
    goto done;
  }
  sqlite3_int64 size = 0, at = 0;
  if (file && file->pMethods->xFileSize(file, &size)) code = error_set(e, ERROR_FAILED, "%s: cannot be read", s->shown);
  while (!code) {
    ssize_t n;
    if (file) {
      n = size - at < (sqlite3_int64)block ? (ssize_t)(size - at) : (ssize_t)block;
      if (n > 0 && file->pMethods->xRead(file, bytes, (int)n, at)) n = -1, errno = EIO;
    } else {
      n = read(in, bytes, block);
    }
    if (n < 0)
      code = error_errno(e, "%s: cannot be read", s->shown);
    else if (n > 0 && write_all(out, bytes, (size_t)n))
      code = error_errno(e, "%s: cannot be written, for a copy of %s; set TMPDIR to a folder with more room", to,
                         s->shown);
    if (n <= 0) break;
    at += n;
  }
done:
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  free(bytes);
  return code;
}

static int copy_once(struct store *s, sqlite3_file *file, struct error *e)
{
  static const char *const suffixes[] = {"", "-wal", "-journal"};
  const char *tmp = getenv("TMPDIR");
  s->copy = join(tmp && *tmp ? tmp : "/tmp", "/gsos-show-XXXXXX");
  if (!s->copy) return no_memory(s, e);
  if (!mkdtemp(s->copy)) {
    int code = error_errno(e, "%s: no folder for a copy of %s", s->copy, s->shown);
    free(s->copy);
    s->copy = NULL;
    return code;
  }
  int code = 0;
  for (int i = 0; i < 3 && !code; i++) {
    char *from = join(s->path, suffixes[i]), *base = join(s->copy, "/study.db");
    char *to = base ? join(base, suffixes[i]) : NULL;
    code = from && to ? copy_file(s, i ? NULL : file, from, to, e) : no_memory(s, e);
    free(from);
    free(base);
    free(to);
  }
  return code;
}

/* Opens a repaired copy.  The original is not in use where this is needed; should it be, an
 * unchanged one is waited for. */
static int connect_copy(struct store *s, struct error *e)
{
  for (int i = 0; i < 5; i++) {
    struct stat before[2], after[2];
    sqlite3_file *file = NULL;
    store_disconnect(s);
    memset(before, 0, sizeof before);
    memset(after, 0, sizeof after);
    char *wal = join(s->path, "-wal");
    if (!wal) return no_memory(s, e);
    stat(s->path, &before[0]);
    stat(wal, &before[1]);
    int code = store_connect(s, s->path, SQLITE_OPEN_READONLY, e);
    if (!code) sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (!code) code = copy_once(s, file, e);
    stat(s->path, &after[0]);
    stat(wal, &after[1]);
    free(wal);
    sqlite3_close(s->db);
    s->db = NULL;
    if (code) return code;
    if (!same_file(&before[0], &after[0]) || !same_file(&before[1], &after[1])) continue;
    char *path = join(s->copy, "/study.db");
    if (!path) return no_memory(s, e);
    code = store_connect(s, path, SQLITE_OPEN_READWRITE, e);
    free(path);
    return code;
  }
  return error_set(e, ERROR_FAILED, "%s: changes faster than it can be read; try again", s->shown);
}

int store_connect_read_only(struct store *s, struct error *e)
{
  unsigned char header[100] = {0};
  sqlite3_file *file = NULL;
  if (stat(s->path, &s->opened)) return error_errno(e, "%s: cannot be opened", s->shown);
  int code = store_connect(s, s->path, SQLITE_OPEN_READONLY, e);
  if (code) return code;
  /* Bytes 18 and 19 of the header are 2 in WAL mode.  Reading them takes no lock and opens no
   * WAL. */
  sqlite3_file_control(s->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (file && file->pMethods) file->pMethods->xRead(file, header, sizeof header, 0);
  bool wal = header[18] == 2 || header[19] == 2;
  int64_t wal_bytes = beside(s, "-wal");
  bool shared = beside(s, "-shm") >= 0;

  if (wal && !(wal_bytes >= 0 && shared)) {
    store_disconnect(s);
    return wal_bytes > 0 ? connect_copy(s, e) : connect_immutable(s, e);
  }
  sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  /* Does SQLite want to repair it? */
  int rc = sqlite3_exec(s->db, "SELECT 1 FROM sqlite_master LIMIT 1", NULL, NULL, NULL);
  atomic_store(&s->waiting_since_ms, 0);
  if ((rc & 0xff) == SQLITE_READONLY || (rc & 0xff) == SQLITE_CANTOPEN) return connect_copy(s, e);
  return 0; /* any other error comes again, with its message, at the first query */
}
