/* How much each hyperparameter matters: measured on trials that are done.
 *
 * A method takes configurations and their values and gives each hyperparameter a weight; the
 * weights of a method are 0 or more and sum to 1.  All methods are one table; a new one is one new
 * file, importance_NAME.c, and one line in IMPORTANCE_METHODS.  A measurement is a pure function of
 * its arguments: random choices come from Philox streams of the settings' seed (layer 0 of
 * PHILOX_IMPORTANCE is a method's own, layer 1 the resamples').  The order of the trials changes
 * nothing. */
#ifndef GSOS_IMPORTANCE_H
#define GSOS_IMPORTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/error.h"
#include "host/base/name_list.h"
#include "host/space/space.h"

/* The trials to measure on. */
struct importance_trials {
  const struct space *space;
  int n;
  const double *const *values; /* [n] a configuration each, [space->n] internal values; NaN: inactive */
  const double *value;         /* [n] finite; larger is better */
  const double *weight;        /* [n] how much a trial counts, > 0, of mean 1; NULL: all alike */
};

struct importance_settings {
  uint64_t seed;
  int resamples;       /* bootstrap resamples behind an interval (100); 0: no intervals */
  double top;          /* pedanova: the share of the trials that is called good (0.1) */
  int neighbours;      /* nrrelieff: nearest trials that each is compared with, k (70) */
  double sigma;        /* nrrelieff: how fast their influence falls with their rank (20) */
  double alike, apart; /* nrrelieff: shares of a range up to which values are alike (0.04), from which apart (0.1) */
  int samples;         /* nrrelieff: trials that are compared with their neighbours, m; 0: all */
  int trees;           /* fanova: trees of the forest (64) */
  const volatile int *stop; /* may be NULL; set: the measurement ends with ERROR_INTERRUPTED */
};

/* Weights and what is known of their uncertainty. */
struct importance {
  /* [space->n] >= 0, sum 1.  Of a hyperparameter that has one value: 0.  Where nothing could be
   * told apart, all others are equal. */
  double weight[SPACE_MAX];
  double raw[SPACE_MAX];                         /* what the method computed before it was normalised */
  double deviation[SPACE_MAX];                   /* of the weight over the trees of a forest; 0 elsewhere */
  double low[SPACE_MAX], high[SPACE_MAX];        /* 95 % interval of the weight by the bootstrap; contains it */
  int rank[SPACE_MAX];                           /* from 1, the heaviest; ties to the earlier hyperparameter */
  int rank_low[SPACE_MAX], rank_high[SPACE_MAX]; /* 95 % interval of the rank; contains it, and those of its like */
  bool has_intervals;
  bool flat; /* the values do not differ: nothing can be told apart */
  /* fanova: share of the variance that two explain together beyond each of them, symmetric; 0
   * elsewhere */
  double interaction[SPACE_MAX][SPACE_MAX];
};

struct importance_method {
  const char *name;    /* "nrrelieff" */
  const char *summary; /* one line for --help */
  const char *source;  /* authors, title, year */
  /* Writes weight, raw, deviation, interaction and flat.  t has at least IMPORTANCE_TRIALS_MIN
   * trials, whose values differ.  ERROR_MACHINE without memory, ERROR_INTERRUPTED. */
  int (*measure)(const struct importance_trials *t, const struct importance_settings *s, struct importance *out,
                 struct error *e);
  /* Fills low, high, rank_low, rank_high by a bootstrap of its own; NULL: importance_measure
   * repeats `measure` on trials drawn with replacement. */
  int (*resample)(const struct importance_trials *t, const struct importance_settings *s, struct importance *out,
                  struct error *e);
};

enum { IMPORTANCE_TRIALS_MIN = 4 };

/* importance_method_NAME is in importance_NAME.c. */
#define IMPORTANCE_METHODS(ROW)                                                                                        \
  ROW(nrrelieff)                                                                                                       \
  ROW(fanova)                                                                                                          \
  ROW(pedanova)

extern const struct importance_method *const importance_methods[]; /* in the order of the list; both end with NULL */
extern const char *const importance_method_names[];
const struct importance_method *importance_method_find(const char *name);

struct importance_settings importance_settings_default(void);

/* Measures by a method, with ranks, and intervals where the settings ask for resamples: those of
 * the percentile bootstrap (Efron, Tibshirani, "An Introduction to the Bootstrap", 1993, chapter
 * 13), widened to what was measured, which a biased measure can put outside of them.
 * ERROR_CONFIG where there are fewer than IMPORTANCE_TRIALS_MIN trials or a setting is out of its
 * range, ERROR_MACHINE without memory, ERROR_INTERRUPTED. */
int importance_measure(const struct importance_method *method, const struct importance_trials *t,
                       const struct importance_settings *s, struct importance *out, struct error *e);

/* How many trials it takes before ranks can be told apart, as a rule of thumb: 10 for each
 * hyperparameter that has more than one value. */
int importance_trials_enough(const struct space *s);

#endif
