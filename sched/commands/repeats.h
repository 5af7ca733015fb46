/* One configuration trained several times with other random numbers: how much of its accuracy is
 * chance. */
#ifndef GSOS_REPEATS_H
#define GSOS_REPEATS_H

#include <stdbool.h>

#include "host/base/error.h"
#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"

struct repeats {
  struct objective *objective;
  const struct experiment *x; /* seed and [train] round */
  const double *values;       /* [x->space.n] */
  int n;                      /* 1 ... REPEATS_MAX */
  const char *network;        /* each network is written here for the test set; NULL: there is none */
  bool rows;                  /* a line a training is printed, and how to read the result; else the result alone */
};

/* Trains one after the other in the place, which is left empty, and prints what each reached, then
 * mean and standard deviation.  The images stay where they are: validation and test set are the
 * same for all.  A training that diverges is told and not counted, and ERROR_FAILED at the end;
 * ERROR_INTERRUPTED after a stop, with what had ended printed. */
int repeats_train(const struct repeats *r, struct place *place, struct error *e);

#endif
