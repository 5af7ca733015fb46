/* Recorded tables (host/table) as problems that samplers are compared on, beside the functions of
 * search_functions.h.
 *
 * A table's surrogate answers with the validation accuracy after the last epoch; the number of
 * epochs is a hyperparameter like others.  What a network's plan forbids is not asked here: every
 * configuration of the space has an answer.  Regret is the distance to the best that a search of
 * many thousand configurations found (REFERENCE_DRAWS at random, then walks from the best of them
 * by single hyperparameters), 0 for what is better still.
 *
 * The tables are divided between the forms as the functions are: mnist for `dev`, ahe32 and
 * flowers32 for `bench`. */
#ifndef GSOS_TESTS_SEARCH_TABLES_H
#define GSOS_TESTS_SEARCH_TABLES_H

#include "host/table/surrogate.h"
#include "host/table/table.h"
#include "tests/bench/search_functions.h"

enum { SEARCH_TABLES_MAX = 2 };

struct search_table {
  const char *name;
  struct table table;
  struct surrogate *surrogate;
  double best; /* the value that regret is measured from */
};

/* How many a form has. */
int search_tables_count(enum search_form form);
const char *search_table_name(int index, enum search_form form);

/* Table 0 ... count - 1 of a form, read from `folder`.  After an error there is nothing to
 * destroy. */
int search_table_make(struct search_table *t, const char *folder, int index, enum search_form form, struct error *e);
void search_table_destroy(struct search_table *t);

/* >= 0.  From any thread. */
double search_table_regret(const struct search_table *t, const double *values);

#endif
