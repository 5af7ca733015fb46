/* The study database: SQLite in Optuna's RDB schema (contract 7), one file an experiment, one
 * Optuna study a strategy and round.
 *
 * One connection, serialised by a mutex of the store's own: any thread may call.  Another process's
 * lock is waited for (busy handler without an end, woken by *stop), never fatal.  Everything a
 * trial is goes in with one transaction (BEGIN IMMEDIATE ... COMMIT, synchronous=FULL).
 *
 * Errors: ERROR_MACHINE where the disk is full or fails or memory is short (nothing of the call was
 * committed; it may be called again, and a run that starts anew goes on), ERROR_INTERRUPTED where a
 * lock was waited for when *stop was set (2 s are granted to what ends just then), ERROR_FAILED for
 * a file that is not what it should be, that was moved away or taken over. */
#ifndef GSOS_STORE_H
#define GSOS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/error.h"
#include "host/space/space.h"

struct store;

enum stored_state { STORED_RUNNING, STORED_COMPLETE, STORED_PRUNED, STORED_FAIL, STORED_WAITING };

/* A trial as it is stored.  What is not stored reads as 0, but `group` as -1, and as NaN: `value`,
 * and hyperparameters that a trial of another program lacks. */
struct stored_trial {
  int number; /* within its study, from 0 */
  enum stored_state state;
  double values[SPACE_MAX]; /* internal; [space->n] */
  bool free[SPACE_MAX];     /* user attribute gsos:free (a JSON list of names) */
  double value;             /* COMPLETE, PRUNED: trial_values, ±inf as INF_POS/INF_NEG; NaN: no row (PRUNED only) */
  double loss;              /* user attribute gsos:loss; NaN is null, ±inf ±1e999 */
  int epochs;               /* epochs ended; user attribute gsos:epochs */
  int group;                /* user attribute gsos:group, from 0; -1 where a study has none */
  uint64_t key;             /* user attribute gsos:key, as hexadecimal text */
  double seconds;           /* user attribute gsos:seconds (contract 8) */
  double wall_s;            /* user attribute gsos:wall_s */
  double flops;             /* user attribute gsos:flops */
  int64_t images;           /* user attribute gsos:images */
  char reason[REASON_MAX];  /* FAIL: user attribute gsos:reason ("diverged: ...", "infeasible: ...", "timeout: ...") */
};

/* Opens (creates where there is none, or an empty file) the database file `path`, e.g.
 * DIR/study.db, with all 13 tables and both version rows; WAL, or DELETE on a network file system
 * (statfs).  A file that is not SQLite, is cut, or holds another program's tables is refused with a
 * clear error and left as it was.  stop: may be NULL. read_only: for `show`, beside a living run
 * too.  Never writes, leaves no -wal or -shm file behind, works on a folder that cannot be written,
 * and reads what a dead run left (repaired in a copy in $TMPDIR). */
int store_open(struct store **s, const char *path, bool read_only, const volatile int *stop, struct error *e);
void store_close(
    struct store *s); /* takes NULL; commits pending epoch values if it can; keeps no lock; does not disown */

/* The database as messages name it: they begin with that and ": ". */
const char *store_shown(const struct store *s);
/* Seconds that a call has been waiting for another program's lock, 0 where none is: for the
 * progress line.  Takes no lock. */
double store_waiting_s(struct store *s);
/* Commits the epoch values that wait for their second to pass. */
int store_flush(struct store *s, struct error *e);

/* Who runs.  On this machine a lock on PATH.lock (flock: the kernel frees it when the process is
 * gone); for others host, boot id, process id, its start time and a heartbeat, as JSON in the
 * system attribute gsos:owner of the first study (written as soon as there is one).  Refuses
 * (ERROR_FAILED, naming host and process) while another process on this host lives or another
 * host's heartbeat is younger than 120 s, unless take_over.  A heartbeat more than 120 s in the
 * future is watched for 25 s, and refuses if it changes.  store_heartbeat is called every 10 s (it
 * also commits pending epoch values).  store_disown at a clean end, before store_close.  After
 * store_own every write checks that this run still is the owner; one that was taken over gets
 * ERROR_FAILED and must stop. */
int store_own(struct store *s, bool take_over, struct error *e);
int store_heartbeat(struct store *s, struct error *e);
int store_disown(struct store *s, struct error *e);

/* Who runs, as far as the database and this machine's processes tell: for `show`, which takes no
 * lock. */
enum store_run_state {
  STORE_RUN_UNKNOWN, /* nobody says so: no run, one that has ended, or another program's */
  STORE_RUN_LIVES,
  STORE_RUN_GONE /* it ended without a word: killed, a power cut */
};
/* *state out; told[size], where it is gone: "process 13196 is gone".  To be asked after the trials
 * were read: a run that begins meanwhile is then not taken for the one before it. */
int store_run_state(struct store *s, enum store_run_state *state, char *told, size_t size, struct error *e);

/* What the value of the study's trials is called, where Optuna and its dashboard look for it
 * (study.metric_names).  name: up to 100 bytes. */
int store_study_metric_name(struct store *s, int study, const char *name, struct error *e);

/* Attributes of the experiment as a whole are kept on each study.  `name` is the Optuna study name,
 * e.g. "quickstart/grouped/0".  Opens a study that is there (refused where its direction is the
 * other one), else creates it (read_only: an error).  *id out; created may be NULL. */
int store_study(struct store *s, const char *name, bool maximize, int *id, bool *created, struct error *e);
int store_study_count(struct store *s, int *n, struct error *e);
/* index from 0 by id.  maximize may be NULL; where it is not, a study of several objectives is
 * ERROR_FAILED, with *name and *id set. */
int store_study_name(struct store *s, int index, char *name, size_t size, int *id, bool *maximize, struct error *e);
/* User attributes of a study; value is JSON text (checked).  get: *json malloc'ed or NULL where
 * there is none. */
int store_study_attribute_set(struct store *s, int study, const char *key, const char *json, struct error *e);
/* Several with one transaction. */
struct store_attribute {
  const char *key, *json;
};
int store_study_attributes_set(struct store *s, int study, const struct store_attribute *attributes, int n,
                               struct error *e);
int store_study_attribute_get(struct store *s, int study, const char *key, char **json, struct error *e);

/* Starts trial t->number (values, distributions, free, group, key) as RUNNING, or, where t->state
 * says so, as WAITING: known, but not begun.  Where that number is there already and RUNNING or
 * WAITING (left by a dead process, or put back by the machine's failure), its old epochs, params
 * and attributes are deleted and it starts anew, with the same trial_id; one that has ended is
 * refused.  Numbers must be contiguous. */
int store_trial_start(struct store *s, int study, const struct space *space, const struct stored_trial *t,
                      struct error *e);
/* Epoch values, committed as they come but at most once a second (a pending one goes with the next
 * commit of any trial, at the latest with the heartbeat): epoch from 1.  The trial was started, by
 * this store or, where it has paused, by one before. NaN and ±inf are typed. */
int store_trial_epoch(struct store *s, int study, int number, int epoch, double value, struct error *e);
/* Ends a RUNNING trial as COMPLETE (the value is no NaN), PRUNED or FAIL: value, loss, epochs,
 * seconds, wall_s, flops, images, reason (its bytes that are not UTF-8 become U+FFFD). Committed
 * when it returns 0. */
int store_trial_end(struct store *s, int study, const struct stored_trial *t, struct error *e);
/* The same of a trial that had paused, which stands as PRUNED since then, also while it goes on: it
 * ends anew.  Its epochs go on, too, or are written once more with the same values. */
int store_trial_end_again(struct store *s, int study, const struct stored_trial *t, struct error *e);

/* No trial runs any more: those that are RUNNING, of all studies, become WAITING, without a time or
 * epochs.  Nobody who looks at the database takes them for trials that somebody runs;
 * store_trial_start starts them again.  Of the trials kept[n] (NULL where n is 0), which will go on
 * where they stood, the epochs stay. */
struct store_trial {
  int study, number;
};
int store_trials_wait(struct store *s, const struct store_trial *kept, int n, struct error *e);

/* Trials of a study that have ended, those of them that failed, and when the last one ended
 * (seconds since 1970 UTC; NaN: none). */
struct store_ended {
  int ended, failed;
  double last_s;
};
int store_study_ended(struct store *s, int study, struct store_ended *ended, struct error *e);
/* The failed trials of a study become WAITING, as if they had never begun, with their
 * configurations.  *n out: how many. */
int store_trials_retry(struct store *s, int study, int *n, struct error *e);

/* All trials of a study by number; *trials malloc'ed [*n] (NULL where there are none). space: whose
 * names and order; stored hyperparameters that it lacks or has with other choices, and values
 * outside of it, are errors.  NULL: space_out is filled from the stored distributions instead (for
 * `show` on a database alone, also one that another program made with Optuna; ranges are the union
 * over the trials, defaults the lowest value; caller destroys it). */
int store_trials(struct store *s, int study, const struct space *space, struct space *space_out,
                 struct stored_trial **trials, int *n, struct error *e);
/* Epoch values of a trial, pending ones too; *values malloc'ed [*n], values[i] is of epoch i + 1
 * (NaN where missing). */
int store_epochs(struct store *s, int study, int number, double **values, int *n, struct error *e);

#endif
