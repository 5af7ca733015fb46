/* May an experiment go on in a database that is there already?  (Contract 2.) */
#ifndef GSOS_RESUME_H
#define GSOS_RESUME_H

#include "experiment.h"
#include "store.h"

/* Held against what the database's studies were made with: the search keys, which may differ only by more rounds, or by more
 * trials where every strategy allows it.  ERROR_CONFIG names the keys that differ.  0 too where there is no study yet. */
int resume_check_search(struct store *s, const struct experiment *x, struct error *e);

/* ... and what results depend on beside them (objective's description).  A difference is ERROR_CONFIG, naming both sides, or,
 * where it is accepted, text for the studies' records in change[size]; "" where there is none. */
int resume_check_machine(struct store *s, const char *depends_on, bool accept, char *change, size_t size,
                         struct error *e);

/* Has every study of the experiment ended, to its last trial, with its test?  Then there is nothing left to run. */
int resume_is_finished(struct store *s, const struct experiment *x, bool *finished, struct error *e);

/* The name of a study in the database: NAME/STRATEGY/ROUND. */
void resume_study_name(const struct experiment *x, int strategy, int round, char *name, size_t size);

#endif
