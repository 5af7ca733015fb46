/* [groups] from = a run: groups by the importance that was measured on its trials. */
#ifndef GSOS_GROUPS_OF_RUN_H
#define GSOS_GROUPS_OF_RUN_H

#include "host/experiment/experiment.h"

/* Makes x->groups where they are to come from a run's database; else does nothing.  Its studies
 * count together; those whose strategy held hyperparameters only where there are no others.
 * ERROR_CONFIG, with file and line, where there is no such database, where it has too few trials,
 * or where they lack a hyperparameter that is searched. */
int groups_of_run(struct experiment *x, struct error *e);

#endif
