/* What the parts of report_learnt share. */
#ifndef GSOS_REPORT_LEARNT_INTERNAL_H
#define GSOS_REPORT_LEARNT_INTERNAL_H

#include <stdbool.h>

#include "host/report/report_learnt.h"

/* The studies that are learnt from. */
struct learnt_from {
  const struct report_study *const *studies; /* [n] of one space and direction; n >= 1 */
  int n;
  const struct space *space;
  char prefix[100]; /* before each sentence */
};

struct learnt_trial {
  const struct report_study *study;
  const struct stored_trial *trial;
};

/* Is the trial complete, with a value, and was the hyperparameter searched in it?  param -1:
 * any. */
bool learnt_counts(const struct report_study *s, const struct stored_trial *t, int param);
/* All that count, by study and number; returns how many.  trials [as many as there are trials] */
int learnt_trials(const struct learnt_from *f, int param, struct learnt_trial *trials);
void learnt_say(struct report_learnt *l, const struct learnt_from *f, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Which of two values is better.  trials [room for all]; report_learnt_differences.c */
int learnt_differences(struct report_learnt *l, const struct learnt_from *f, struct learnt_trial *trials,
                       const volatile int *stop, struct error *e);

/* P(X >= k): of n draws with probability p, 0 < p < 1; of `drawn` without replacement from `all`,
 * of which `marked` are marked. */
double learnt_binomial_above(int n, int k, double p);
double learnt_hypergeometric_above(int all, int marked, int drawn, int k);

#endif
