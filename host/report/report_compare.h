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

enum { COMPARE_COLUMNS = 9, COMPARE_CELL = 100, COMPARE_NOTES = 8, COMPARE_NOTE = 300 };

struct compare_table {
  char title[160];
  int n_columns, n_rows; /* the first column is a name, the others are numbers */
  char headings[COMPARE_COLUMNS][COMPARE_CELL];
  char (*cells)[COMPARE_COLUMNS][COMPARE_CELL]; /* [n_rows] as they are stored, not escaped */
};

struct report_compare {
  struct compare_table *tables; /* [n] */
  int n, n_notes;
  char notes[COMPARE_NOTES][COMPARE_NOTE];
};

/* Of finished studies that gsos made, means over rounds; `names` [n] are the runs'.  A figure that
 * a round lacks has no mean, shares of a device's time are compared with nothing (contract 8), and
 * values that are no accuracies have no mean over runs.  ERROR_FAILED where no run has a finished
 * study, ERROR_MACHINE.  report_compare_free afterwards, also after an error. */
int report_compare_make(struct report_compare *c, const struct report *reports, const char *const *names, int n,
                        struct error *e);
void report_compare_free(struct report_compare *c);

/* Has some row a figure in that column?  Those without are not shown. */
bool report_compare_says(const struct compare_table *t, int column);

void report_compare_print(FILE *out, const struct report_compare *c); /* lines of at most text_width columns */
void report_compare_html(FILE *out, const struct report_compare *c);  /* a page, as report_html.h has it */

#endif
