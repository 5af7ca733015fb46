/* The study database: opening and closing.
 *
 * A file is looked at before anything is changed: one that is not SQLite, is damaged, or holds
 * another program's tables is refused as it was.  An empty one (a run that died before its first
 * commit) is as good as none.
 *
 * WAL needs memory shared between the processes that use the file, which network file systems do
 * not have; there the journal mode is DELETE (contract 7).  A file that was moved from one kind to
 * the other is switched at the next run. */
#include "host/store/store_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "host/base/text_escape.h"

bool store_network_file_system(uint64_t magic)
{
  static const uint32_t magics[] = {
      0x6969,     /* NFS */
      0x517b,     /* SMB */
      0xfe534d42, /* SMB 2 */
      0xff534d42, /* CIFS */
      0x65735546, /* FUSE: sshfs, GlusterFS, s3fs; a local one only loses some speed */
      0x0bd00bd0, /* Lustre */
      0x00c36400, /* Ceph */
      0x47504653, /* GPFS */
      0x19830326, /* BeeGFS */
      0xaad7aaea, /* PanFS */
      0x013111a8, /* IBRIX */
      0x01021997, /* 9P: folders of the host in WSL and virtual machines */
      0x786f4256, /* VirtualBox shared folders */
      0xbacbacbc, /* VMware shared folders */
      0x5346414f, /* OpenAFS */
      0x6b414653, /* AFS */
      0x73757245, /* Coda */
      0x564c,     /* NCP */
      0x7461636f, /* OCFS2 */
      0x01161970, /* GFS2 */
      0x20030528, /* OrangeFS */
  };
  for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
    if ((uint32_t)magic == magics[i]) return true;
  return false;
}

static int busy_handler(void *store, int count)
{
  (void)count;
  return store_wait(store);
}

int store_connect(struct store *s, const char *name, int flags, struct error *e)
{
  int rc = sqlite3_open_v2(name, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, store_vfs(s));
  if (rc) return store_fail(s, rc, "opening", e);
  sqlite3_busy_handler(s->db, busy_handler, s);
  /* The file may come from anywhere: no functions from its schema, no surprises from its text, no
   * gigabytes in one value. */
  sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, 64 << 20);
  return 0;
}

void store_disconnect(struct store *s)
{
  store_forget_statements(s);
  sqlite3_close(s->db);
  s->db = NULL;
  store_remove_copy(s);
  s->immutable = false;
}

/* May the file be written, and its folder, where SQLite keeps a journal?  It tells neither: where
 * no file can be made it looks for one to read, and tells that there is none. */
static int check_writable(const struct store *s, bool exists, struct error *e)
{
  const char *slash = strrchr(s->path, '/');
  char *folder = slash ? strndup(s->path, slash > s->path ? (size_t)(slash - s->path) : 1) : strdup(".");
  if (!folder) return error_set(e, ERROR_MACHINE, "no memory");
  int code = 0;
  bool file = exists && access(s->path, W_OK);
  if ((file || access(folder, W_OK | X_OK)) && (errno == EACCES || errno == EROFS || errno == EPERM))
    code = error_set(e, ERROR_FAILED,
                     "%s: cannot be %s (%s): %s may not be written; make it writable, or choose another --output",
                     s->shown, exists ? "opened" : "made", strerror(errno), file ? "it" : "its folder");
  free(folder);
  return code;
}

/* What SQLite keeps beside a database is opened by it as the database is. */
static int check_beside(const struct store *s, const char *suffix, struct error *e)
{
  struct stat st;
  char *path = NULL;
  if (asprintf(&path, "%s%s", s->path, suffix) < 0) return error_set(e, ERROR_MACHINE, "no memory");
  int code = stat(path, &st) == 0 && !S_ISREG(st.st_mode)
                 ? error_set(e, ERROR_FAILED, "%s%s: is no regular file; take it away", s->shown, suffix)
                 : 0;
  free(path);
  return code;
}

/* A folder, a pipe or a device is refused before SQLite waits on it for ever. */
static int check_file(struct store *s, bool read_only, struct error *e)
{
  static const char *const suffixes[] = {"-journal", "-wal", "-shm"};
  struct stat st;
  int code = 0;
  for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && !code; i++) code = check_beside(s, suffixes[i], e);
  if (code) return code;
  if (stat(s->path, &st)) {
    if (errno == ENOENT && !read_only) return check_writable(s, false, e);
    if (errno == ENOENT) return error_set(e, ERROR_FAILED, "%s: there is no such file; has the run begun?", s->shown);
    return error_errno(e, "%s: cannot be opened", s->shown);
  }
  if (S_ISDIR(st.st_mode)) return error_set(e, ERROR_FAILED, "%s: is a folder, not a study database", s->shown);
  if (!S_ISREG(st.st_mode)) return error_set(e, ERROR_FAILED, "%s: is no regular file", s->shown);
  return read_only ? 0 : check_writable(s, true, e);
}

/* Sets the journal mode; *now out: the mode it has.  Another connection to the file may forbid the
 * switch for as long as it is open, so patience is limited; what that means is the caller's. */
static int switch_journal(struct store *s, const char *pragma, char now[16], struct error *e)
{
  sqlite3_stmt *q = NULL;
  int code;
  s->patience_ms = STORE_SWITCH_MS;
  do {
    int rc = sqlite3_prepare_v2(s->db, pragma, -1, &q, NULL);
    if (!rc && (rc = sqlite3_step(q)) == SQLITE_ROW) {
      const char *mode = (const char *)sqlite3_column_text(q, 0);
      snprintf(now, 16, "%s", mode ? mode : "");
      rc = 0;
    }
    sqlite3_finalize(q);
    code = rc ? store_fail(s, rc, "setting the journal mode", e) : 0;
  } while (code == STORE_BUSY && store_wait(s));
  s->patience_ms = 0;
  atomic_store(&s->waiting_since_ms, 0);
  return code;
}

static int set_journal(struct store *s, enum store_journal journal, struct error *e)
{
  struct statfs fs;
  if (journal == STORE_JOURNAL_AUTO)
    journal = statfs(s->path, &fs) == 0 && store_network_file_system((uint64_t)fs.f_type) ? STORE_JOURNAL_DELETE
                                                                                          : STORE_JOURNAL_WAL;
  char now[16] = "";
  bool wal = journal == STORE_JOURNAL_WAL;
  int code = switch_journal(s, wal ? "PRAGMA journal_mode=WAL" : "PRAGMA journal_mode=DELETE", now, e);
  if (code && code != STORE_BUSY) return code;
  /* DELETE is right everywhere, only slower; WAL on a network file system is not. */
  if (wal || (!code && !strcasecmp(now, "delete"))) return 0;
  if (s->stop && *s->stop) return store_wait_over(s, e);
  return error_set(e, ERROR_FAILED,
                   "%s: lies on a network file system, and its journal mode cannot be changed from WAL to DELETE while "
                   "another program has it open; close that program and try again",
                   s->shown);
}

static int begin_writer(struct store *s, enum store_journal journal, struct error *e)
{
  bool empty;
  int code = store_connect(s, s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e);
  if (!code) code = store_schema_empty(s, &empty, e);
  if (!code && !empty) code = store_schema_check(s, e);
  if (!code) code = set_journal(s, journal, e);
  if (!code) code = store_exec(s, "PRAGMA synchronous=FULL", e);
  if (!code && empty) code = store_schema_create(s, e);
  return code;
}

static int begin_reader(struct store *s, struct error *e)
{
  bool empty;
  int code = store_connect_read_only(s, e);
  if (!code) code = store_schema_empty(s, &empty, e);
  if (!code && empty) return error_set(e, ERROR_FAILED, "%s: holds no study yet", s->shown);
  return code ? code : store_schema_check(s, e);
}

static int open_any(struct store **out, const char *path, bool read_only, enum store_journal journal,
                    const volatile int *stop, struct error *e)
{
  *out = NULL;
  struct store *s = calloc(1, sizeof *s);
  if (!s) return error_set(e, ERROR_MACHINE, "%s: no memory to open it", path);
  text_escape(s->shown, sizeof s->shown, path);
  pthread_mutex_init(&s->mutex, NULL);
  s->read_only = read_only;
  s->stop = stop;
  s->owner.lock_fd = s->folder_fd = -1;
  s->observe_ms = (2 * STORE_HEARTBEAT_S + 5) * 1000;
  int code = store_path_find(s, path, e);
  if (!code) code = check_file(s, read_only, e);
  if (!code) code = read_only ? begin_reader(s, e) : begin_writer(s, journal, e);
  if (code == STORE_BUSY) code = store_wait_over(s, e);
  if (code)
    store_close(s);
  else
    *out = s;
  return code;
}

int store_open(struct store **s, const char *path, bool read_only, const volatile int *stop, struct error *e)
{
  return open_any(s, path, read_only, STORE_JOURNAL_AUTO, stop, e);
}

int store_open_writer(struct store **s, const char *path, enum store_journal journal, const volatile int *stop,
                      struct error *e)
{
  return open_any(s, path, false, journal, stop, e);
}

const char *store_shown(const struct store *s)
{
  return s->shown;
}

static int flush_work(struct store *s, void *context, struct error *e)
{
  (void)context;
  return store_flush_epochs(s, e);
}

int store_flush(struct store *s, struct error *e)
{
  store_lock(s);
  int code = 0;
  if (s->n_pending && !(code = store_write(s, flush_work, NULL, e))) store_flushed(s);
  store_unlock(s);
  return code;
}

void store_close(struct store *s)
{
  if (!s) return;
  /* Epoch values of trials that have not ended: worth an attempt, no more. */
  if (s->db && s->n_pending) store_flush(s, NULL);
  store_disconnect(s);
  store_owner_release(s);
  for (int i = 0; i < s->n_studies; i++) free(s->studies[i].ids);
  free(s->studies);
  free(s->pending);
  pthread_mutex_destroy(&s->mutex);
  if (s->folder_fd >= 0) close(s->folder_fd);
  free(s->path);
  free(s);
}
