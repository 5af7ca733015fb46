/* How much each hyperparameter mattered in the studies of databases (`gsos importance`): which
 * trials count, measuring them, and what is printed of it.
 *
 * Complete trials count.  The value of a pruned one is that of another number of epochs: beside
 * values of the last epoch it would tell how early a trial was ended, which follows from all of its
 * hyperparameters at once.  A failed one has no value, and giving it one would be a choice of how
 * bad a failure is.  So both are left out; so is a trial whose value is not finite, and one of
 * another program that lacks a value of some hyperparameter.  Values are not transformed, but for
 * the sign: larger is better. */
#ifndef GSOS_REPORT_IMPORTANCE_H
#define GSOS_REPORT_IMPORTANCE_H

#include <stdbool.h>
#include <stdio.h>

#include "host/base/error.h"
#include "host/importance/groups_from_weights.h"
#include "host/importance/importance.h"
#include "host/report/report.h"

struct importance_request {
  const struct report *reports; /* [n_reports] must outlive what is measured */
  const char *const *paths;     /* [n_reports] the databases, as messages name them */
  int n_reports;
  const char *study;                              /* the studies of that name; NULL: all */
  const struct importance_method *const *methods; /* [n_methods] */
  int n_methods;                                  /* at least 1 */
  struct importance_settings settings;
  struct groups_settings groups;
};

/* A study, or several of one space together. */
struct measured_study {
  const char *name, *path;          /* path NULL: several studies */
  const struct report_study *study; /* NULL: several */
  const struct space *space;        /* of the first of them */
  int studies;                      /* that these are: 1, or of how many the trials were put together */
  int trials, used;                 /* all of them, and those that were measured */
  int failed, pruned, open;         /* left out: open ones wait or run */
  int not_finite, lacking;          /* complete, but left out: value not finite; a hyperparameter without one */
  int varied;                       /* hyperparameters that have more than one value */
  int held[SPACE_MAX];              /* [space->n] used trials in which it was held while others were searched */
  bool grouped;                     /* some study's strategy holds hyperparameters */
  bool learnt;                      /* some study's trials were proposed by a sampler that learns */
  bool foreign;                     /* some study is of another program */
  bool same_values;                 /* the trials' values do not differ */
  struct importance *measured;      /* [n_methods]; NULL: too few trials, or nothing that differs */
  bool has_groups;
  struct groups groups; /* from the weights of the first method; ratios to three digits */
};

struct report_importance {
  const struct importance_method *const *methods; /* [n_methods] */
  int n_methods;
  int n_paths;
  int n;
  struct measured_study *studies; /* [n] in the order of the databases, then several together */
};

/* Measures each study by itself and then, of studies of equal space (names, types and ranges), all
 * trials together.  For that the values of each study are standardised: less the study's mean, over
 * its standard deviation.  It is not done by ranks, for differences of values are what the methods
 * measure, and by ranks the studies together would be measured in another way than each alone; a
 * study beside itself has the weights of one.  What it costs: equal z of two studies is equal
 * standing within each, not equal value, where one of them looked at better configurations.
 *
 * A study that cannot be measured (measured NULL) says why in its figures.  ERROR_CONFIG where
 * there is no study of the name, ERROR_FAILED where no study can be measured, ERROR_INTERRUPTED,
 * ERROR_MACHINE. report_importance_free afterwards, also after an error. */
int report_importance_measure(struct report_importance *r, const struct importance_request *q, struct error *e);
void report_importance_free(struct report_importance *r); /* accepts a zero-initialised struct */

/* For each study a table by the weights of the first method, notes, and a [groups] section that an
 * ini file takes; then what holds for all.  Ends with an empty line.  Lines have at most
 * text_width(out) columns, but for names that are wider. */
void report_importance_print(FILE *out, const struct report_importance *r);

/* The same for programs: one JSON object on one line (the keys stand in man/gsos.1), malloc'ed;
 * NULL without memory.  Numbers read back as they were. */
char *report_importance_json(const struct report_importance *r);

#endif
