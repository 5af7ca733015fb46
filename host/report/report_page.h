/* What report.html shows beyond the tables, gathered from a study database and the files beside it:
 * curves, importance, the devices' timeline, the defaults.  report_plots.h writes its figures,
 * report_html.h the page. */
#ifndef GSOS_REPORT_PAGE_H
#define GSOS_REPORT_PAGE_H

#include <stdbool.h>

#include "host/base/error.h"
#include "host/report/report.h"
#include "host/report/report_importance_run.h"
#include "host/report/report_learnt.h"
#include "host/report/report_timeline.h"
#include "host/store/store.h"

enum { PAGE_LABEL = 120 }; /* bytes of a label, which is text as it is stored: whoever prints it escapes it */

/* Studies that are shown as one: the rounds of a strategy, or a study of another program. */
struct page_series {
  const char *name; /* as it is stored */
  char label[PAGE_LABEL];
  int studies;
  int colour;    /* of its lines, plot_colour */
  bool finished; /* all of them */
};

struct page_curve {
  double *values; /* [n] after each epoch; NaN where missing */
  int n;
};

struct page_study {
  const struct report_study *s;
  int series;
  char label[PAGE_LABEL + 20]; /* "grouped", "grouped, round 2" */
  bool has_defaults;           /* of every hyperparameter */
  double defaults[SPACE_MAX];
  double baseline;           /* the value of trial 0, where it has the defaults; NaN: it has not */
  struct page_curve *curves; /* [s->n] */
};

struct report_page {
  const struct report *report;
  struct page_study *studies; /* [n] that gsos made or, where there are none, of other programs */
  int n;
  struct page_series *series; /* [n_series] in the order in which they are met */
  int n_series;
  int control;   /* the series that others are compared with */
  int best;      /* the study of the best trial of all; -1: no trial is complete */
  int left_out;  /* studies of the other direction than the first */
  bool ours;     /* gsos made them */
  bool maximize; /* the first study's direction */
  bool accuracy;
  char value_name[60];
  char test_name[60]; /* "test accuracy" */
  bool has_curves;
  const struct space *space; /* of the best study, or the first with trials; NULL: there is none */
  struct run_importance importance;
  const struct measured_study *measured; /* NULL: not measured, importance.why */
  struct report_learnt learnt;
  struct page_timeline timeline;
  const char *folder; /* of the database; the caller's */
  char *ini;          /* the settings: the file that the run began with, or the search keys; NULL: unknown */
  bool is_file;       /* the former */
};

/* Reads what there is.  r must outlive the page; folder: of the database.  What lies beside the
 * database may be missing or damaged and is left out then.  ERROR_MACHINE, ERROR_FAILED of the
 * database, ERROR_INTERRUPTED.  report_page_free afterwards, also after an error. */
int report_page_load(struct report_page *p, const struct report *r, struct store *s, const char *folder,
                     const volatile int *stop, struct error *e);
/* Its studies and series alone, without anything that takes the database. */
int report_page_studies(struct report_page *p, const struct report *r, struct error *e);
void report_page_free(struct report_page *p); /* accepts a zero-initialised struct */

/* Is it a study of p->space? */
bool report_page_same_space(const struct report_page *p, const struct page_study *s);

/* Is value a better than b, in the direction of the page?  No number is better than none. */
bool report_page_better(const struct report_page *p, double a, double b);

/* A complete trial's value, or the last one of a pruned trial; NaN where there is none that is
 * finite. */
double report_page_value(const struct stored_trial *t);

#endif
