/* May an experiment go on in a database that is there already?  (Contract 2.) */
#ifndef GSOS_RESUME_H
#define GSOS_RESUME_H

#include <stdio.h>

#include "host/experiment/experiment.h"
#include "host/store/store.h"

/* Held against what the database's studies were made with: the search keys, which may differ only
 * by more rounds, or by more trials where every strategy allows it.  ERROR_CONFIG names the keys
 * that differ.  0 too where there is no study yet.  Studies of another program beside those of gsos
 * are left alone; where gsos made none, or one has the name of ours, they are an ERROR_CONFIG. */
int resume_check_search(struct store *s, const struct experiment *x, struct error *e);

/* ... and what results depend on beside them (objective's description), and gsos itself
 * (GSOS_HISTORY_VERSION).  A difference is ERROR_CONFIG, naming both sides, or, where it is
 * accepted, text for the studies' records in change[size]; "" where there is none. */
int resume_check_machine(struct store *s, const char *depends_on, bool accept, char *change, size_t size,
                         struct error *e);
/* The same without a verdict: both sides of the first study that differs. */
struct resume_sides {
  bool differ;
  char was[700], is[700];
};
int resume_compare_machine(struct store *s, const char *depends_on, struct resume_sides *sides, struct error *e);

/* What an earlier run of the experiment left. */
struct resume_earlier {
  bool finished;             /* every study has ended, to its last trial, with its test: there is nothing left to run */
  int ended, failed, wanted; /* trials of all studies */
  bool target_reached;       /* by one of them */
  double last_s;             /* when the last trial ended, seconds since 1970; NaN: none has */
};
int resume_look(struct store *s, const struct experiment *x, struct resume_earlier *earlier, struct error *e);
/* "40 of 40 trials, 2026-11-25 08:15", in local time. */
void resume_earlier_text(const struct resume_earlier *earlier, char *text, size_t size);
/* That it is finished and nothing was run, and what would run more; `rounds`: more of them, too. */
void resume_print_finished(FILE *out, const struct experiment *x, const struct resume_earlier *earlier, bool rounds);

/* The failed trials of the experiment's studies are to run again, which their records say from now
 * on.  *n out: how many. */
int resume_retry(struct store *s, const struct experiment *x, int *n, struct error *e);

/* The name of a study in the database: NAME/STRATEGY/ROUND. */
/* The search keys that a trial depends on, as a text, malloc'ed (NULL without memory): all but how
 * many trials and rounds there are. */
char *resume_trial_text(const struct experiment *x);
void resume_study_name(const struct experiment *x, int strategy, int round, char *name, size_t size);

#endif
