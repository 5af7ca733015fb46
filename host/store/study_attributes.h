/* What a study database says of a study as a whole, beside Optuna's own columns: user attributes
 * `gsos:...` of the Optuna study, so that `gsos show` and the report need nothing but the
 * database. */
#ifndef GSOS_STUDY_ATTRIBUTES_H
#define GSOS_STUDY_ATTRIBUTES_H

#include <stdbool.h>

#include "host/base/class_counts.h"
#include "host/base/error.h"
#include "host/store/store.h"

enum { RECORD_GROUPS_MAX = SPACE_MAX, RECORD_CHANGES_MAX = 16, RECORD_START_MAX = 16, RECORD_REPEATS_MAX = 100 };

/* The best network of a study on the test set, which was used once for it (contract 5). */
struct study_test {
  bool available;
  int trial; /* whose network it was */
  double value, loss;
  int n, correct;
};

/* A training of the study's best configuration with other random numbers, at its end. */
struct study_repeat {
  bool ended, failed; /* not ended: it is still to be made; failed: it diverged, and reached nothing */
  double value, loss; /* validation, as a trial's */
  bool tested;        /* there is a test set */
  double test, test_loss;
  double seconds, flops; /* as a trial's (contract 8) */
  int64_t images;
};

/* Those of a study: repeat k has the random numbers of trial `first` + k. */
struct study_repeats {
  int trial, first;         /* whose configuration they have */
  int n;                    /* 0: there are none */
  struct study_repeat *all; /* [n], malloc'ed */
};

struct study_record {
  bool ours;            /* gsos:strategy is there; false: a study of another program, all else is empty */
  char version[32];     /* gsos:version     of the program that made it */
  int history;          /* gsos:history     its GSOS_HISTORY_VERSION */
  char experiment[128]; /* gsos:experiment  the experiment's name */
  char strategy[32];    /* gsos:strategy */
  int round;            /* gsos:round       from 0 */
  int trials;           /* gsos:trials      the total that was asked for */
  char objective[32];   /* gsos:objective   cnn, function, command */
  char value_name[64];  /* gsos:value_name  "validation accuracy" */
  int value_n;          /* gsos:value_n     the value is a share of so many images; 0: not known */
  char *search;         /* gsos:search      experiment_search_text; malloc'ed, NULL where there is none */
  char depends_on[600]; /* gsos:depends_on  what results depend on beyond the search keys: objective's description */
  int n_groups;
  char groups[RECORD_GROUPS_MAX][SPACE_NAME_MAX]; /* gsos:groups      names of stored_trial.group, by index */
  int n_start;
  char start[RECORD_START_MAX][300]; /* gsos:start      what was taken of each earlier database, as text */
  int start_best;                    /* gsos:start_best  so many of its configurations were tried first */
  bool start_seen;                   /* gsos:start_seen  proposals saw its trials */
  bool finished;                     /* gsos:finished    every trial has ended, or the target was reached */
  bool target_reached;               /* gsos:target_reached */
  int retried;            /* gsos:retried     failed trials that ran again, after later ones had been proposed */
  double wall_s;          /* gsos:wall_s      wall time of all runs together in which this study took part */
  bool ran_alone;         /* gsos:ran_alone   no other study ran beside it: wall_s is the study's own */
  struct study_test test; /* gsos:test        {"trial": 7, "value": 0.98, "loss": 0.1, "n": 1000, "correct": 980} */
  /* gsos:repeats  {"trial": 7, "first": 1000000, "trainings": [{"value": 0.98, ...}, null]} */
  struct study_repeats repeats;
  int n_changes;
  char changes[RECORD_CHANGES_MAX]
              [300]; /* gsos:changes     what --accept-change went past, as text; every table says so */
};

/* Reads the attributes of a study.  Missing ones, and those of another type or too long, read as 0,
 * false, "" (test.available false).  study_record_free afterwards, also after an error. */
int study_record_read(struct store *s, int study, struct study_record *r, struct error *e);
void study_record_free(struct study_record *r); /* accepts a zero-initialised struct */

/* Writes all of the record's attributes but the repeats, a transaction each, gsos:strategy last:
 * cut by a crash, it leaves no record. */
int study_record_write(struct store *s, int study, const struct study_record *r, struct error *e);
/* The trials of earlier databases that all studies of an experiment start from (start_text): kept
 * once, with the first study, as gsos:start_trials.  read: malloc'ed JSON text, NULL where there is
 * none. */
int study_start_write(struct store *s, int study, const char *json, struct error *e);
int study_start_read(struct store *s, int study, char **json, struct error *e);

/* How many of the first n have ended, whether they failed or not. */
int study_repeats_ended(const struct study_repeats *r, int n);
/* Writes single ones: while it runs, and at the end. */
int study_record_write_wall(struct store *s, int study, double wall_s, bool ran_alone, struct error *e);
/* With one commit, what the network took the images for (NULL: that is not known):
 *   gsos:confusion  a text of lines: "trial 7", "top 5 998" (where it is asked, class_counts.h),
 *                   "class NAME" for each class, "LABEL SAID COUNT" for each cell that is not 0
 *   gsos:mistakes   {"trial": 7, "images": [MISTAKE, ...]}, each {"image": 12, "class": 3,
 *                   "taken_for": 5, "probability": 0.99} */
int study_record_write_test(struct store *s, int study, const struct study_test *test,
                            const struct class_counts *classes, struct error *e);
/* Those of the network that `test` is of; classes 0 where there are none, or what is there makes no
 * sense.  class_counts_free afterwards, also after an error. */
int study_classes_read(struct store *s, int study, const struct study_test *test, struct class_counts *c,
                       struct error *e);
int study_record_write_repeats(struct store *s, int study, const struct study_repeats *repeats, struct error *e);
int study_record_write_finished(struct store *s, int study, bool finished, bool target_reached, struct error *e);

#endif
