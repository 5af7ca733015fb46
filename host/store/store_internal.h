/* What the files of the store share; no one else includes this.
 *
 *   store.c               opening and closing, the journal mode
 *   store_path.c          paths that are longer than SQLite takes
 *   store_read_only.c     opening for `show`: leaves no file behind, beside a live writer or on a
 *                         folder that cannot be written
 *   store_sql.c           statements, transactions, waiting for locks, SQLite's errors in a user's
 *                         words
 *   store_schema.c        Optuna's tables: made, checked
 *   store_owner.c         who runs
 *   store_studies.c       studies and their attributes
 *   store_trials.c        writing trials
 *   store_load.c          reading them
 *   store_distribution.c  a hyperparameter from Optuna's distribution_json
 *
 * A public function takes the mutex, runs one `store_work` in a transaction, changes the store's
 * own memory only after the COMMIT, and gives the mutex back: a transaction that is tried again or
 * rolled back leaves nothing in memory. */
#ifndef GSOS_STORE_INTERNAL_H
#define GSOS_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "host/store/store.h"

enum {
  STORE_BUSY = -100,          /* of a store_work only: another connection's lock; the transaction is tried again */
  STORE_STATEMENTS = 48,      /* prepared statements kept; more than there are in the source */
  STORE_TIME_SIZE = 27,       /* "YYYY-MM-DD HH:MM:SS.ffffff" and the NUL */
  STORE_TOKEN_SIZE = 33,      /* 128 random bits in hexadecimal and the NUL */
  STORE_HEARTBEAT_S = 10,     /* how often a run is heard of */
  STORE_SILENCE_S = 120,      /* another host's run not heard of for that long is dead */
  STORE_STOP_GRACE_MS = 2000, /* a lock is waited for that much longer after the request to stop */
  STORE_SWITCH_MS = 3000,     /* patience with a lock that keeps the journal mode from being changed */
  STORE_EPOCHS_MS = 1000,     /* epoch values are committed at most that often */
};

struct pending_epoch {
  int study, number, epoch;
  double value;
};

/* The trial ids of a study by number, as this store knows them: numbers are looked up without a
 * query. */
struct study_index {
  int study;
  int64_t *ids; /* [n], room for [capacity] */
  int n, capacity;
};

struct store_owner {
  bool owned;
  char token[STORE_TOKEN_SIZE]; /* of this run: what the database must still say before every write */
  int lock_fd;                  /* PATH.lock, locked; -1 where it is not */
};

struct store {
  pthread_mutex_t mutex;
  sqlite3 *db;
  char *path;      /* as SQLite gets it */
  int folder_fd;   /* what a path that SQLite would not take starts from; -1: it takes it */
  char shown[512]; /* as messages show it */
  bool read_only;
  const volatile int *stop;
  /* waiting for a lock */
  _Atomic int64_t waiting_since_ms; /* monotonic; 0: not waiting */
  int64_t give_up_ms;               /* monotonic; 0: nobody asked to stop */
  int64_t patience_ms;              /* a wait gives up after that; 0: never */
  /* statements, by the address of their text */
  struct {
    const char *sql;
    sqlite3_stmt *statement;
  } statements[STORE_STATEMENTS];
  int n_statements;
  /* read only */
  bool immutable; /* opened as a file that nobody changes; `opened` tells whether that held */
  struct stat opened;
  char *copy; /* folder of the temporary copy, or NULL */
  /* in memory, beside the database */
  struct study_index *studies;
  int n_studies;
  struct pending_epoch *pending;
  int n_pending, pending_capacity;
  int64_t flushed_ms;
  struct store_owner owner;
  int observe_ms; /* how long a heartbeat from the future is watched */
};

/* ---- store_sql.c */
typedef int (*store_work)(struct store *s, void *context, struct error *e);

void store_lock(struct store *s);
void store_unlock(struct store *s);
/* Runs `work` between BEGIN IMMEDIATE and COMMIT, as often as other connections' locks ask for it;
 * 0 means committed.  Before `work` it checks that the file is still there and that the store still
 * owns it.  Under store_lock. */
int store_write(struct store *s, store_work work, void *context, struct error *e);
/* Runs `work` in a read transaction: one state of the database throughout.  Under store_lock. */
int store_read(struct store *s, store_work work, void *context, struct error *e);

/* A cached statement with its arguments bound: one character each in `types`: i (int64_t), d
 * (double; one that is not finite is NULL), t (const char *; NULL is NULL; must live until the last
 * step).  Statements are reset when their transaction ends. `sql` must be a string literal or
 * otherwise keep its address. */
int store_query(struct store *s, struct error *e, sqlite3_stmt **query, const char *sql, const char *types, ...);
int store_step(struct store *s, sqlite3_stmt *query, struct error *e); /* 1: a row, 0: no more, negative: an error */
/* A statement without rows, start to end. */
int store_run(struct store *s, struct error *e, const char *sql, const char *types, ...);
/* The first column of the first row; `otherwise` where there is no row or it is NULL. */
int store_number(struct store *s, struct error *e, int64_t *out, int64_t otherwise, const char *sql, const char *types,
                 ...);
/* The same for a text, malloc'ed or NULL. */
int store_text(struct store *s, struct error *e, char **out, const char *sql, const char *types, ...);
/* Statements outside of a transaction, not cached; waits for locks. */
int store_exec(struct store *s, const char *sql, struct error *e);

/* The user's words for SQLite's `rc`; STORE_BUSY, without a message, for another connection's
 * lock. */
int store_fail(struct store *s, int rc, const char *doing, struct error *e);
/* Sleeps a little; false when the wait is to be given up (*stop, patience). */
bool store_wait(struct store *s);
int store_wait_over(struct store *s, struct error *e); /* the error after a wait that was given up */
void store_forget_statements(struct store *s);         /* finalizes all */

int64_t store_monotonic_ms(void);
void store_now(char text[STORE_TIME_SIZE]); /* UTC */
double store_time_parse(const char *text);  /* seconds since 1970 UTC; NaN where it is no time */
/* A JSON string, malloc'ed; bytes that are not UTF-8 become U+FFFD.  NULL without memory. */
char *store_json_string(const char *text);
/* A JSON number: NaN is null, an infinity 1e999 (valid JSON, and an infinity to Python and
 * JavaScript). size >= 32. */
void store_json_number(double value, char *text, size_t size);
bool store_utf8(const char *text);

/* ---- store.c */
enum store_journal { STORE_JOURNAL_AUTO, STORE_JOURNAL_WAL, STORE_JOURNAL_DELETE };
/* store_open for writing with a journal mode of the caller's: AUTO asks the file system. */
int store_open_writer(struct store **out, const char *path, enum store_journal journal, const volatile int *stop,
                      struct error *e);
bool store_network_file_system(uint64_t magic); /* statfs f_type: one on which WAL's shared memory does not work */
int store_connect(struct store *s, const char *name, int flags, struct error *e);
void store_disconnect(struct store *s);

/* ---- store_path.c */
/* Sets s->path, and s->folder_fd where it is needed. */
int store_path_find(struct store *s, const char *path, struct error *e);
const char *store_vfs(const struct store *s); /* of SQLite, for that path; NULL: the standard one */

/* ---- store_read_only.c */
int store_connect_read_only(struct store *s, struct error *e);
bool store_overtaken(struct store *s); /* opened as immutable, and changed since */
void store_remove_copy(struct store *s);

/* ---- store_schema.c */
/* Does the file hold any table at all?  *empty out.  The first look at a file: what is not SQLite
 * ends here. */
int store_schema_empty(struct store *s, bool *empty, struct error *e);
int store_schema_create(struct store *s, struct error *e); /* where another process has not just done so */
int store_schema_check(struct store *s, struct error *e);

/* ---- store_owner.c */
int store_owner_check(struct store *s, struct error *e); /* in a transaction: still ours? */
int store_owner_write(struct store *s, struct error *e); /* in a transaction: a heartbeat */
void store_owner_release(struct store *s);               /* gives up the lock file, not the attribute */

/* ---- store_trials.c */
int store_flush_epochs(struct store *s, struct error *e); /* in a transaction: what is pending; it stays pending */
void store_flushed(struct store *s);                      /* after the COMMIT */
const char *store_state_name(enum stored_state state);

/* ---- store_distribution.c */
/* A param from Optuna's distribution_json, current or of an older version; default_value is the
 * lowest. */
int store_distribution_parse(struct param *p, const char *name, const char *json, struct error *e);
/* Two distributions of one hyperparameter, of different trials: `into` gets the union of the
 * ranges.  False where they do not go together (another type or other choices). */
bool store_distribution_merge(struct param *into, const struct param *other);

#endif
