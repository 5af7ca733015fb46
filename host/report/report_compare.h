/* Several runs side by side (`gsos compare`): a table of what each strategy found in each and what
 * it took, then for each strategy what it differs by from the usual one in each, with the mean over
 * the runs: the last row of Tables 3 and 4 of Wang, Nabney and Golbabaee, "Grouped Sequential
 * Optimization Strategy", 2025. */
#ifndef GSOS_REPORT_COMPARE_H
#define GSOS_REPORT_COMPARE_H

#include <stdbool.h>
#include <stdio.h>

#include "host/base/error.h"
#include "host/report/report.h"
#include "host/report/report_plots.h"

enum { COMPARE_COLUMNS = 10, COMPARE_CELL = 100, COMPARE_NOTES = 40, COMPARE_NOTE = 300, COMPARE_STRATEGIES = 16 };

/* What is compared, in the order of the tables' columns. */
enum compare_figure {
  COMPARE_VALUE, /* of the best trial */
  COMPARE_TEST,  /* of its network, on the test set */
  COMPARE_IMAGES,
  COMPARE_TFLOP_TO_BEST,
  COMPARE_TFLOP,
  COMPARE_TIME_TO_BEST,
  COMPARE_TIME,
  COMPARE_WALL_TIME, /* where each of the rounds ran alone */
  COMPARE_FIGURES
};

/* A strategy in a run. */
struct compare_row {
  int run, strategy; /* places in names, strategies */
  int rounds;
  const struct report_study *first; /* the first of its studies that count */
  double figures[COMPARE_FIGURES];  /* means over rounds; NaN: not known */
  /* From the control in that run, NaN where it is not known or not to be compared: of values the
   * plain difference, of what is spent the share of the control's that is saved. */
  double differences[COMPARE_FIGURES];
};

/* The mean of a strategy's differences over the runs that have them. */
struct compare_mean {
  int strategy;
  double mean[COMPARE_FIGURES], half[COMPARE_FIGURES]; /* mean ± half is the 95 % interval; NaN: there is none */
  int runs;
};

struct compare_table {
  char title[160];
  int n_columns, n_rows; /* the first column is a name, the others are numbers */
  char headings[COMPARE_COLUMNS][COMPARE_CELL];
  char (*cells)[COMPARE_COLUMNS][COMPARE_CELL]; /* [n_rows] as they are stored, not escaped */
};

struct report_compare {
  const char *const *names; /* [runs] the caller's */
  int runs;
  const char *strategies[COMPARE_STRATEGIES]; /* [n_strategies] in the order in which they are met; of the reports */
  int n_strategies;
  char test_name[80];       /* what the test values of all are; "test value" where they differ; "": there are none */
  int control;              /* the strategy that others are compared with; -1: there is none */
  bool same_metric;         /* of all of them */
  int clock;                /* enum report_clock: whose time all studies' is; where they differ, a program's */
  struct compare_row *rows; /* [n_rows] run by run */
  int n_rows;
  struct compare_mean means[COMPARE_STRATEGIES]; /* [n_means] */
  int n_means;
  struct compare_table *tables; /* [n] the same for people */
  int n, n_notes;
  int n_left_out; /* so many of the notes, the first ones, say what is left out */
  char notes[COMPARE_NOTES][COMPARE_NOTE];
};

/* Of finished studies that gsos made, means over rounds; `names` [n] are the runs'.  A figure that
 * a round lacks has no mean, shares of a device's time are compared with nothing (contract 8), and
 * values that are no accuracies have no mean over runs.  Reports and names must outlive it.
 * ERROR_FAILED where no run has a finished study, ERROR_MACHINE.  report_compare_free afterwards,
 * also after an error. */
int report_compare_make(struct report_compare *c, const struct report *reports, const char *const *names, int n,
                        struct error *e);
void report_compare_free(struct report_compare *c);

/* Has some row a figure in that column?  Those without are not shown. */
bool report_compare_says(const struct compare_table *t, int column);

/* For programs: a line of CSV (RFC 4180, but lines end in a newline alone) for each strategy in
 * each run, under one header line; one JSON object on one line, malloc'ed, NULL without memory.
 * The keys stand in man/gsos.1. */
void report_compare_csv(FILE *out, const struct report_compare *c);
char *report_compare_json(const struct report_compare *c);

void report_compare_print(FILE *out, const struct report_compare *c); /* lines of at most text_width columns */
void report_compare_print_left_out(FILE *out, const struct report_compare *c);

/* Writes the figures' data and script into the folder, as report_plots_write does. */
int report_compare_plots(struct plots *plots, const struct report_compare *c, const struct report *reports,
                         const char *folder, struct error *e);

/* A page, as report_html.h has it.
 *   plots, folder   drawn there
 *   link            what the page calls the folder, as a part of an address
 *   missing         why they are not drawn; NULL: they are */
void report_compare_html(FILE *out, const struct report_compare *c, const struct plots *plots, const char *folder,
                         const char *link, const char *missing);

#endif
