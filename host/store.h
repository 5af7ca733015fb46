/* The study database: SQLite in Optuna's RDB schema (contract 7), one file an experiment, one Optuna study a strategy and round.
 *
 * One connection, serialised by a mutex of the store's own: any thread may call.  Another process's lock is waited for
 * (busy handler without an end, woken by *stop), never fatal.  Everything a trial is goes in with one transaction
 * (BEGIN IMMEDIATE ... COMMIT, synchronous=FULL). */
#ifndef GSOS_STORE_H
#define GSOS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "space.h"

struct store;

enum stored_state { STORED_RUNNING, STORED_COMPLETE, STORED_PRUNED, STORED_FAIL, STORED_WAITING };

/* A trial as it is stored. */
struct stored_trial {
  int number; /* within its study, from 0 */
  enum stored_state state;
  double values[SPACE_MAX]; /* internal; [space->n] */
  bool free[SPACE_MAX];     /* user attribute gsos:free (a JSON list of names) */
  double value;             /* COMPLETE: trial_values, ±inf as INF_POS/INF_NEG */
  double loss;              /* user attribute gsos:loss */
  int epochs;               /* epochs ended; user attribute gsos:epochs */
  int group;                /* user attribute gsos:group, from 0; -1 where a study has none */
  uint64_t key;             /* user attribute gsos:key, as hexadecimal text */
  double seconds;           /* user attribute gsos:seconds (contract 8) */
  double wall_s;            /* user attribute gsos:wall_s */
  double flops;             /* user attribute gsos:flops */
  int64_t images;           /* user attribute gsos:images */
  char reason[200];         /* FAIL: user attribute gsos:reason ("diverged: ...", "infeasible: ...", "timeout: ...") */
};

/* Opens (creates where there is none) DIR/study.db with all 13 tables and both version rows; WAL, or DELETE on a network file
 * system (statfs).  A file that is not SQLite, or is cut, is refused with a clear error.  read_only: for `show`; never writes
 * (not even -wal files where it can be helped). */
int store_open(struct store **s, const char *path, bool read_only, const volatile int *stop, struct error *e);
void store_close(struct store *s); /* takes NULL */

/* Who runs: host, boot id, process id and a heartbeat, in the system attributes of every study (gsos:owner, JSON).  Refuses
 * (ERROR_FAILED, naming host and process) while another process on this host lives or another host's heartbeat is younger than
 * 120 s, unless take_over.  store_heartbeat is called every 10 s.  store_disown at a clean end. */
int store_own(struct store *s, bool take_over, struct error *e);
int store_heartbeat(struct store *s, struct error *e);
int store_disown(struct store *s, struct error *e);

/* Attributes of the experiment as a whole are kept on each study.  `name` is the Optuna study name, e.g. "quickstart/grouped/0".
 * Opens a study that is there, else creates it.  *id out. */
int store_study(struct store *s, const char *name, bool maximize, int *id, bool *created, struct error *e);
int store_study_count(struct store *s, int *n, struct error *e);
int store_study_name(struct store *s, int index, char *name, size_t size, int *id, bool *maximize,
                     struct error *e); /* index from 0 by id */
/* User attributes of a study; value is JSON text.  get: *json malloc'ed or NULL where there is none. */
int store_study_attribute_set(struct store *s, int study, const char *key, const char *json, struct error *e);
int store_study_attribute_get(struct store *s, int study, const char *key, char **json, struct error *e);

/* Starts trial t->number (state RUNNING, values, distributions, free, group, key).  Where that number is there already and
 * RUNNING, WAITING or left by a dead process, its old epochs are deleted and it starts anew, with the same trial_id. Numbers
 * must be contiguous. */
int store_trial_start(struct store *s, int study, const struct space *space, const struct stored_trial *t,
                      struct error *e);
/* Epoch values, committed as they come but at most once a second (a pending one goes with the trial's end): epoch from 1. */
int store_trial_epoch(struct store *s, int study, int number, int epoch, double value, struct error *e);
/* Ends a trial: state, value, all attributes. Committed when it returns 0. */
int store_trial_end(struct store *s, int study, const struct stored_trial *t, struct error *e);

/* All trials of a study by number; *trials malloc'ed [*n].  space: whose names and order; NULL: fill `space_out` from the stored
 * distributions instead (for `show` on a database alone; caller destroys it). */
int store_trials(struct store *s, int study, const struct space *space, struct space *space_out,
                 struct stored_trial **trials, int *n, struct error *e);
/* Epoch values of a trial; *values malloc'ed [*n], values[i] is of epoch i + 1 (NaN where missing). */
int store_epochs(struct store *s, int study, int number, double **values, int *n, struct error *e);

#endif
