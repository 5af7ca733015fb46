/* Importance over several data sets, each measured by itself (report_importance.h) on the same
 * hyperparameters: mean weights, whether the sets agree on ranks, groups from the means; and what a
 * study of importance writes of it, also of a single set. */
#ifndef GSOS_REPORT_IMPORTANCE_SETS_H
#define GSOS_REPORT_IMPORTANCE_SETS_H

#include <stdbool.h>
#include <stdio.h>

#include "host/importance/rank_agreement.h"
#include "host/report/report_importance.h"

struct importance_set {
  const char *name;
  const struct measured_study *study; /* measured */
};

/* Over the sets by one method. */
struct sets_mean {
  double weight[SPACE_MAX];        /* mean of the sets' weights: 0 or more, sum 1 */
  double rank[SPACE_MAX];          /* mean of the sets' ranks, tied ones having the mean of theirs; 0 of one value */
  int order[SPACE_MAX];            /* [varied] hyperparameters of more than one value, the heaviest first */
  struct rank_agreement agreement; /* of those */
};

struct importance_sets {
  const struct importance_method *const *methods; /* [n_methods] */
  int n_methods;
  const struct importance_set *sets; /* [n] */
  int n;
  const struct space *space; /* of all sets */
  int varied;                /* hyperparameters that have more than one value */
  struct sets_mean *means;   /* [n_methods] */
  bool has_groups;           /* not where by the first method all weigh the same */
  struct groups groups;      /* from the mean weights of the first method; ratios to three digits */
};

/* sets [n] and methods [n_methods], which have measured them, must outlive r.  ERROR_FAILED where a
 * set has other hyperparameters than the first, ERROR_MACHINE without memory.
 * report_importance_sets_free afterwards, also after an error. */
int report_importance_sets_make(struct importance_sets *r, const struct importance_set *sets, int n,
                                const struct importance_method *const *methods, int n_methods,
                                const struct groups_settings *groups, struct error *e);
void report_importance_sets_free(struct importance_sets *r); /* accepts a zero-initialised struct */

/* Of two sets and more: a table of mean weights and ranks, how far the sets agree, the section
 * [groups].  Of any number: bars of the first method's weights, the heaviest being 1.  Lines have
 * at most text_width(out) columns, but for names that are wider. */
void report_importance_sets_print(FILE *out, const struct importance_sets *r);

/* CSV (RFC 4180, but lines end in a newline alone), one header line:
 *   set,method,hyperparameter,weight,low,high,rank,rank_low,rank_high
 * A line for each hyperparameter of more than one value, by each method, in each set; of two sets
 * and more, lines without a set have the mean weight and the mean rank. */
void report_importance_sets_csv(FILE *out, const struct importance_sets *r);

/* A script for gnuplot (5.0 or later) that draws bars of the first method's weights as Figure 1 of
 * Wang, Nabney and Golbabaee, "Grouped Sequential Optimization Strategy", 2025, has them: sorted,
 * the heaviest being 1, the groups in colours.
 *   title   what was measured
 *   svg     the file that it writes */
void report_importance_sets_gnuplot(FILE *out, const struct importance_sets *r, const char *title, const char *svg);

#endif
