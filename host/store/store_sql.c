/* SQLite under the store: statements, transactions, waiting, messages.
 *
 * Locks.  Another connection's lock (a dashboard, Python, a backup) is never an error.  SQLite's
 * busy handler sleeps until the lock is gone; where SQLite returns "busy" without asking the
 * handler (a snapshot that is too old, a table lock, a WAL that is being recovered), the
 * transaction is rolled back and tried again.  The wait ends early only when *stop is set, and then
 * after a grace, so that what ended just before Ctrl-C is still committed although a reader
 * blinks. */
#include "host/store/store_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/text_utf8.h"

/* -------------------------------------------------------------------------------- time and text */

int64_t store_monotonic_ms(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void store_now(char text[STORE_TIME_SIZE])
{
  struct timespec t;
  struct tm utc;
  clock_gettime(CLOCK_REALTIME, &t);
  gmtime_r(&t.tv_sec, &utc);
  /* The remainders only tell the compiler that the fields have their widths. */
  snprintf(text, STORE_TIME_SIZE, "%04u-%02u-%02u %02u:%02u:%02u.%06u", (unsigned)(utc.tm_year + 1900) % 10000,
           (unsigned)(utc.tm_mon + 1) % 100, (unsigned)utc.tm_mday % 100, (unsigned)utc.tm_hour % 100,
           (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100, (unsigned)(t.tv_nsec / 1000) % 1000000);
}

double store_time_parse(const char *text)
{
  struct tm utc;
  memset(&utc, 0, sizeof utc);
  double seconds;
  if (sscanf(text, "%4d-%2d-%2d %2d:%2d:%lf", &utc.tm_year, &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min,
             &seconds) != 6)
    return NAN;
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  return (double)timegm(&utc) + seconds;
}

bool store_utf8(const char *text)
{
  while (*text) {
    int n = utf8_length(text);
    if (!n) return false;
    text += n;
  }
  return true;
}

char *store_json_string(const char *text)
{
  char *out = malloc(strlen(text) * 6 + 3);
  if (!out) return NULL;
  char *to = out;
  *to++ = '"';
  for (const unsigned char *s = (const unsigned char *)text; *s;) {
    int n = utf8_length((const char *)s);
    if (!n) {
      memcpy(to, "\xef\xbf\xbd", 3);
      to += 3;
      s++;
    } else if (n == 1 && (*s < 0x20 || *s == 0x7f || *s == '"' || *s == '\\')) {
      to += sprintf(to, "\\u%04x", *s++);
    } else {
      memcpy(to, s, (size_t)n);
      to += n;
      s += n;
    }
  }
  *to++ = '"';
  *to = 0;
  return out;
}

void store_json_number(double value, char *text, size_t size)
{
  if (isnan(value))
    snprintf(text, size, "null");
  else if (isinf(value))
    snprintf(text, size, value > 0 ? "1e999" : "-1e999");
  else
    number_format(value, text, size);
}

/* --------------------------------------------------------------------------------------- errors */

static bool rc_busy(int rc)
{
  int primary = rc & 0xff;
  /* PROTOCOL: the race for the WAL's lock was lost too often in a row, which is contention as
   * well. */
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_PROTOCOL;
}

int store_fail(struct store *s, int rc, const char *doing, struct error *e)
{
  if (rc_busy(rc)) return STORE_BUSY;
  int cause = s->db ? sqlite3_system_errno(s->db) : 0;
  const char *why = cause ? strerror(cause) : sqlite3_errstr(rc);
  bool no_room = cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
  switch (rc & 0xff) {
  case SQLITE_FULL:
    return error_set(e, ERROR_MACHINE,
                     "%s: the disk is full (%s); make room and run the same command again: it goes on where it stood",
                     s->shown, doing);
  case SQLITE_IOERR:
    if (no_room)
      return error_set(
          e, ERROR_MACHINE,
          "%s: cannot grow (%s: %s); make room on the disk, or raise the quota or the limit on file sizes, "
          "and run the same command again: it goes on where it stood",
          s->shown, doing, why);
    return error_set(
        e, ERROR_MACHINE,
        "%s: the disk cannot be read or written (%s: %s); check the disk and its file system, then run the "
        "same command again: it goes on where it stood",
        s->shown, doing, why);
  case SQLITE_NOMEM:
    return error_set(e, ERROR_MACHINE, "%s: no memory (%s)", s->shown, doing);
  case SQLITE_NOTADB:
    return error_set(e, ERROR_FAILED,
                     "%s: is not an SQLite database; name a study.db that gsos or Optuna wrote, or move this file away",
                     s->shown);
  case SQLITE_CORRUPT:
    return error_set(
        e, ERROR_FAILED,
        "%s: the database is damaged or cut off (%s: %s); restore a copy, or move it away and save what is "
        "left with: sqlite3 %s .recover",
        s->shown, doing, sqlite3_errmsg(s->db), s->shown);
  case SQLITE_CANTOPEN:
    return error_set(e, cause == EMFILE || cause == ENFILE || no_room || cause == EIO ? ERROR_MACHINE : ERROR_FAILED,
                     "%s: cannot be opened (%s)%s", s->shown, why,
                     s->read_only ? "" : "; the file and its folder must be readable and writable");
  case SQLITE_READONLY:
  case SQLITE_PERM:
  case SQLITE_AUTH:
    return error_set(e, ERROR_FAILED,
                     "%s: may not be written (%s); check the permissions of the file and of its folder, or choose "
                     "another --output",
                     s->shown, sqlite3_errstr(rc));
  default:
    return error_set(e, ERROR_FAILED, "%s: %s: %s", s->shown, doing,
                     s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
  }
}

/* -------------------------------------------------------------------------------------- waiting */

static bool asked_to_stop(const struct store *s)
{
  return s->stop && __atomic_load_n(s->stop, __ATOMIC_RELAXED);
}

bool store_wait(struct store *s)
{
  int64_t now = store_monotonic_ms();
  int64_t since = atomic_load(&s->waiting_since_ms);
  if (!since) atomic_store(&s->waiting_since_ms, since = now);
  if (s->patience_ms && now - since >= s->patience_ms) return false;
  if (!asked_to_stop(s)) {
    s->give_up_ms = 0;
  } else {
    if (!s->give_up_ms) s->give_up_ms = now + STORE_STOP_GRACE_MS;
    if (now >= s->give_up_ms) return false;
  }
  /* A commit takes some milliseconds, so short naps first; later one that neither costs nor delays
   * anything. */
  struct timespec nap = {0, now - since < 100 ? 2000000 : 25000000};
  nanosleep(&nap, NULL);
  return true;
}

int store_wait_over(struct store *s, struct error *e)
{
  if (asked_to_stop(s))
    return error_set(e, ERROR_INTERRUPTED, "%s: stopped while another program held the database's lock", s->shown);
  return error_set(e, ERROR_FAILED, "%s: another program holds the database's lock; close it and try again", s->shown);
}

double store_waiting_s(struct store *s)
{
  int64_t since = atomic_load(&s->waiting_since_ms);
  return since ? (double)(store_monotonic_ms() - since) / 1000 : 0;
}

/* ----------------------------------------------------------------------------------- statements */

static int prepare(struct store *s, const char *sql, sqlite3_stmt **statement, struct error *e)
{
  for (int i = 0; i < s->n_statements; i++) {
    if (s->statements[i].sql == sql) {
      *statement = s->statements[i].statement;
      sqlite3_reset(*statement);
      return 0;
    }
  }
  if (s->n_statements == STORE_STATEMENTS) return error_set(e, ERROR_FAILED, "more statements than STORE_STATEMENTS");
  int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
  if (rc) return store_fail(s, rc, "preparing a query", e);
  s->statements[s->n_statements].sql = sql;
  s->statements[s->n_statements++].statement = *statement;
  return 0;
}

void store_forget_statements(struct store *s)
{
  for (int i = 0; i < s->n_statements; i++) sqlite3_finalize(s->statements[i].statement);
  s->n_statements = 0;
}

static int bind(struct store *s, sqlite3_stmt *q, const char *types, va_list args, struct error *e)
{
  int rc = 0;
  for (int i = 0; types[i] && !rc; i++) {
    if (types[i] == 'i') {
      rc = sqlite3_bind_int64(q, i + 1, va_arg(args, int64_t));
    } else if (types[i] == 'd') {
      double value = va_arg(args, double);
      rc = isfinite(value) ? sqlite3_bind_double(q, i + 1, value) : sqlite3_bind_null(q, i + 1);
    } else {
      rc = sqlite3_bind_text(q, i + 1, va_arg(args, const char *), -1, SQLITE_STATIC);
    }
  }
  return rc ? store_fail(s, rc, "preparing a query", e) : 0;
}

static int query_list(struct store *s, struct error *e, sqlite3_stmt **q, const char *sql, const char *types,
                      va_list args)
{
  int code = prepare(s, sql, q, e);
  return code ? code : bind(s, *q, types, args, e);
}

int store_query(struct store *s, struct error *e, sqlite3_stmt **q, const char *sql, const char *types, ...)
{
  va_list args;
  va_start(args, types);
  int code = query_list(s, e, q, sql, types, args);
  va_end(args);
  return code;
}

int store_step(struct store *s, sqlite3_stmt *q, struct error *e)
{
  int rc = sqlite3_step(q);
  if (rc == SQLITE_ROW) return 1;
  if (rc == SQLITE_DONE) return 0;
  return store_fail(s, sqlite3_extended_errcode(s->db), sqlite3_stmt_readonly(q) ? "reading" : "writing", e);
}

int store_run(struct store *s, struct error *e, const char *sql, const char *types, ...)
{
  sqlite3_stmt *q;
  va_list args;
  va_start(args, types);
  int code = query_list(s, e, &q, sql, types, args);
  va_end(args);
  while (!code && (code = store_step(s, q, e)) > 0) code = 0;
  return code;
}

int store_number(struct store *s, struct error *e, int64_t *out, int64_t otherwise, const char *sql, const char *types,
                 ...)
{
  sqlite3_stmt *q;
  va_list args;
  va_start(args, types);
  int code = query_list(s, e, &q, sql, types, args);
  va_end(args);
  *out = otherwise;
  if (code || (code = store_step(s, q, e)) <= 0) return code;
  if (sqlite3_column_type(q, 0) != SQLITE_NULL) *out = sqlite3_column_int64(q, 0);
  sqlite3_reset(q);
  return 0;
}

int store_text(struct store *s, struct error *e, char **out, const char *sql, const char *types, ...)
{
  sqlite3_stmt *q;
  va_list args;
  va_start(args, types);
  int code = query_list(s, e, &q, sql, types, args);
  va_end(args);
  *out = NULL;
  if (code || (code = store_step(s, q, e)) <= 0) return code;
  const char *text = (const char *)sqlite3_column_text(q, 0);
  if (text && !(*out = strdup(text))) code = error_set(e, ERROR_MACHINE, "%s: no memory", s->shown);
  sqlite3_reset(q);
  return code < 0 ? code : 0;
}

int store_exec(struct store *s, const char *sql, struct error *e)
{
  for (;;) {
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    atomic_store(&s->waiting_since_ms, rc_busy(rc) ? atomic_load(&s->waiting_since_ms) : 0);
    if (!rc) return 0;
    int code = store_fail(s, sqlite3_extended_errcode(s->db), "setting up", e);
    if (code != STORE_BUSY) return code;
    if (!store_wait(s)) {
      code = store_wait_over(s, e);
      atomic_store(&s->waiting_since_ms, 0);
      return code;
    }
  }
}

/* --------------------------------------------------------------------------------- transactions */

void store_lock(struct store *s)
{
  pthread_mutex_lock(&s->mutex);
}

void store_unlock(struct store *s)
{
  pthread_mutex_unlock(&s->mutex);
}

/* SQLite would go on writing to a file that no name leads to any more. */
static int check_still_there(struct store *s, struct error *e)
{
  int moved = 0;
  if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
    return error_set(
        e, ERROR_FAILED,
        "%s: was moved, replaced or deleted while it was in use; put it back and run the same command again", s->shown);
  return 0;
}

static const char sql_begin[] = "BEGIN", sql_begin_immediate[] = "BEGIN IMMEDIATE", sql_commit[] = "COMMIT";

static int attempt(struct store *s, bool writes, store_work work, void *context, struct error *e)
{
  int code = writes ? check_still_there(s, e) : 0;
  if (!code) code = store_run(s, e, writes ? sql_begin_immediate : sql_begin, "");
  if (!code && writes && s->owner.owned) code = store_owner_check(s, e);
  if (!code) code = work(s, context, e);
  /* A statement that still stands on a row keeps a read transaction open after the COMMIT. */
  for (int i = 0; i < s->n_statements; i++) sqlite3_reset(s->statements[i].statement);
  if (!code) code = store_run(s, e, sql_commit, "");
  if (code && !sqlite3_get_autocommit(s->db)) sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
  for (int i = 0; i < s->n_statements; i++) sqlite3_reset(s->statements[i].statement);
  return code;
}

static int transaction(struct store *s, bool writes, store_work work, void *context, struct error *e)
{
  int code;
  while ((code = attempt(s, writes, work, context, e)) == STORE_BUSY) {
    if (!store_wait(s)) {
      code = store_wait_over(s, e);
      break;
    }
  }
  atomic_store(&s->waiting_since_ms, 0);
  return code;
}

int store_write(struct store *s, store_work work, void *context, struct error *e)
{
  if (s->read_only) return error_set(e, ERROR_FAILED, "%s: is open for reading only", s->shown);
  return transaction(s, true, work, context, e);
}

int store_read(struct store *s, store_work work, void *context, struct error *e)
{
  for (int i = 0; i < 5; i++) {
    int code = transaction(s, false, work, context, e);
    if (!store_overtaken(s)) return code;
    /* A run began to write beside us: what was read may be half of each. */
    store_disconnect(s);
    if ((code = store_connect_read_only(s, e))) return code;
  }
  return error_set(e, ERROR_FAILED, "%s: changes faster than it can be read; try again", s->shown);
}
