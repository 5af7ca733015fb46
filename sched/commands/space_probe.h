/* What an objective's cost says of a search space as a whole: which part of it is infeasible, and
 * its largest configurations.
 *
 * Nothing is known of the objective but its cost, so dependence is found by trying: a bounded
 * number of configurations, the same ones each time (they follow from the experiment's seed). */
#ifndef GSOS_SPACE_PROBE_H
#define GSOS_SPACE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"

enum { FEASIBILITY_REASONS_MAX = 4 };

struct feasibility {
  bool depends[SPACE_MAX]; /* changing this one alone was seen to make a feasible configuration infeasible */
  int n_depends;
  bool exact;         /* all combinations of those were counted; else `tried` random configurations were */
  int64_t tried;      /* at least 1 */
  int64_t infeasible; /* of those tried */
  /* Kinds of reasons, texts that differ in their numbers alone, in the order in which they came. */
  int n_reasons;
  struct {
    int64_t count;
    char text[200], example[200]; /* text: without numbers */
  } reasons[FEASIBILITY_REASONS_MAX];
};

/* ERROR_INTERRUPTED where `stop` is set, or what the objective's cost says. */
int feasibility_find(struct feasibility *f, struct objective *o, const struct experiment *x, const volatile int *stop,
                     struct error *e);

/* The feasible configuration of the most memory, a device's and the host's together (by_flops
 * false: ties to more FLOPs), or of the most FLOPs (true: ties to more memory), as far as a search
 * from many sides finds it.  What makes no difference is at its default.  values [space->n]; *found
 * is false where no feasible one was seen. */
int largest_find(struct objective *o, const struct experiment *x, bool by_flops, const volatile int *stop,
                 double *values, bool *found, struct error *e);

#endif
