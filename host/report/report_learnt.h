/* What was learnt: a few sentences that follow from a run's trials, each by a rule of its own,
 * which says it where the trials bear it out and not otherwise.
 *
 * The trials are the complete ones of the studies that belong together (report_one_space), or,
 * where another program made them, of each study by itself.  A hyperparameter is judged by those
 * trials alone in which it was searched: held at one value it tells of the others and of the time,
 * not of itself.
 *
 * "lr at the lower edge of its range (up to 2e-05) in 8 of the best 10: widen it"
 *     The edge is 5 % of the range, as it is searched, and at least one value.  Of the best 10 of
 *     at least 20 trials 7 or more lie there; so many would be there by chance with a probability
 *     below 0.001, were values drawn from the whole range (binomial), and below 0.01, were the 10
 *     drawn from these trials (hypergeometric): that a sampler likes the place proves nothing.
 *     The range has four values or more, and does not end where the network's own does.
 * "stride 1 beats 2 by 8.1 ± 2.2 points"
 *     Of 2 to 6 values or choices, each in 5 trials or more: by the model, a forest of regression
 *     trees (forest.h) over all hyperparameters and the trial's number, each tree fitted to a
 *     bootstrap resample.  The difference is that of the partial dependences (Friedman, "Greedy
 *     function approximation", Annals of Statistics 29, 2001), over the trials themselves.  Its
 *     standard error is its standard deviation over the trees, which have the chance of one tree
 *     on top of that of the resample; ± is 1.96 of them.  The best value is held against the next
 *     one and, where that does not differ, against the worst; said where the interval leaves out 0
 *     with all comparisons counted (Bonferroni, 5 % together), and the plain means agree.
 * "no gain in the last 40 trials"
 *     In every study: at least 20 trials, and a third of all, ended after the best one.
 * "epoch: more still helps: +0.4 ± 0.2 points over the last quarter of them"
 *     Of the best 10, those with 5 values of epochs or more, at least 5 of them: the mean of a
 *     quarter of the curve less that of the quarter before, at its end but without the last epoch,
 *     which the trials were chosen by.  Said where the 95 % interval of the mean (Student) lies
 *     above 0 and, of accuracies, the mean is 0.1 points or more. */
#ifndef GSOS_REPORT_LEARNT_H
#define GSOS_REPORT_LEARNT_H

#include <stdio.h>

#include "host/base/error.h"
#include "host/report/report.h"
#include "host/store/store.h"

enum { LEARNT_MAX = 12, LEARNT_TEXT = 300 };

struct report_learnt {
  int n;
  char sentences[LEARNT_MAX][LEARNT_TEXT]; /* [n] printable, one line each, without a full stop */
};

/* s: where epochs are read; NULL: nothing is said of them.  ERROR_MACHINE, ERROR_INTERRUPTED,
 * ERROR_FAILED of the database. */
int report_learnt_make(struct report_learnt *l, const struct report *r, struct store *s, const volatile int *stop,
                       struct error *e);

/* A heading, a sentence a paragraph and an empty line; nothing where nothing was learnt. */
void report_learnt_print(FILE *out, const struct report_learnt *l);

#endif
