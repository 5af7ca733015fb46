/* [experiment] start_from: what the studies start from (host/experiment/start.h), out of the
 * databases of earlier ones.
 *
 * Taken are the trials that say something of this experiment: complete ones of a finite value,
 * pruned ones with the value that they had, and those that diverged, as failed.  Other failures may
 * have been the program's or the machine's, and are left out; so is what has not ended.  A trial
 * whose values lie outside of the new ranges, or that is infeasible here, is left out and counted.
 * Values go by name: numbers as numbers, choices by their labels, whatever the types.  A
 * hyperparameter that the earlier trials lack takes its default; one that they vary and this
 * experiment lacks is refused, since their values depend on it.
 *
 * Values can be compared where direction, objective, metric, data and network are the same, as far
 * as the databases tell.  Where they are not, it is an error: a model that is shown values of
 * another scale looks for them in vain.  With start_seen = no the values are not shown, and the
 * best configurations alone are tried, which may come from anywhere. */
#ifndef GSOS_START_OF_RUNS_H
#define GSOS_START_OF_RUNS_H

#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"

/* Makes x->start of x->start_from; does nothing where that is empty.  o: whose trials they are to
 * be.  ERROR_CONFIG, with file and line, where a database is not there or does not fit, or where
 * nothing of them can be taken. */
int start_of_runs(struct experiment *x, struct objective *o, struct error *e);

#endif
