/* What a table says of a configuration that is not in it: a Gaussian process (Rasmussen and
 * Williams, "Gaussian Processes for Machine Learning", 2006; host/samplers/gp/gp_model.h) whose
 * outputs are the values after each epoch.
 *
 * One covariance for all epochs, its hyperparameters fitted to the mean of each trial's curve, so
 * that the outputs of a prediction are sums of recorded ones with the same weights at every epoch:
 * curves as smooth and as ordered as those that were recorded.
 *
 *   outputs        -log(end - value), standardised for each epoch, where larger values are better
 *                  (others change their sign).  The end is beyond the best value recorded after
 *                  that epoch, by the distance from there to the last of the best tenth.  So
 *                  differences among good trials count, and no prediction reaches the end; it is
 *                  the worst recorded value at the least, and within [0, 1] where all that is
 *                  recorded is
 *   failed trials  count with the worst value recorded after each epoch, as in the sampler gp
 *   gaps, and epochs after a trial's last   its last value before stands for them; before the
 *                  first, the first
 *   noise          none is added: a configuration has one answer
 *
 * Why not a random forest: of trials held out, one on (configuration, epoch), or one an epoch,
 * explained about a tenth less of the variance, since curves jump from "does not learn" to "learns"
 * within a decade of the learning rate.  Why the logarithm: without it predictions swing beyond
 * the best recorded value beside such jumps, and that is where a search ends up.
 *
 * A pure function of the table, on one kind of processor with the same libraries (contract 2). */
#ifndef GSOS_SURROGATE_H
#define GSOS_SURROGATE_H

#include "host/base/error.h"
#include "host/table/table.h"

enum {
  SURROGATE_TRIALS_MIN = 10,
  SURROGATE_TRIALS_MAX = 2000, /* a fit takes trials^3 operations, and trials^2 doubles */
};

struct surrogate; /* opaque */

/* Fits to the table, which must outlive it.  ERROR_FAILED: fewer than SURROGATE_TRIALS_MIN trials
 * that did not fail, more than SURROGATE_TRIALS_MAX, or no hyperparameter beside the number of
 * epochs that differs; ERROR_MACHINE.  *s is NULL after an error. */
int surrogate_fit(struct surrogate **s, const struct table *t, struct error *e);
void surrogate_destroy(struct surrogate *s); /* takes NULL */

/* The first `epochs` values of a configuration's curve.  From any thread.
 *   values  [space.n] of the table's space; the number of epochs, where curves are recorded, makes
 *           no difference
 *   curve   [epochs] out, epochs <= the table's */
int surrogate_curve(const struct surrogate *s, const double *values, int epochs, double *curve, struct error *e);

/* How well it predicts trials that it was not fitted to: R², 1 less the squared errors over the
 * squared differences from the mean, by cross-validation in SURROGATE_FOLDS folds over trials (the
 * trials take turns).  Against what is recorded of trials that did not fail;
 * 0 where that does not differ. */
enum { SURROGATE_FOLDS = 5 };
struct surrogate_quality {
  double last; /* of the last value of each complete trial */
  double all;  /* of all values, of all epochs */
};
int surrogate_validate(const struct table *t, struct surrogate_quality *q, struct error *e);

#endif
