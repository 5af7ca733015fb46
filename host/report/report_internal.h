/* What the parts of the report share: report.c reads, report_tables.c and report_trials.c print. */
#ifndef GSOS_REPORT_INTERNAL_H
#define GSOS_REPORT_INTERNAL_H

#include "host/base/mean_interval.h"
#include "host/report/report.h"

enum { REPORT_TEXT = 64 }; /* bytes that hold any number's text below */

/* Is the study's value an accuracy, or another share of 1, as F1? */
bool report_accuracy(const struct report_study *s);
/* A value or a loss for people: four decimals for accuracies, six digits for others, "-" where
 * there is none. */
void report_value_text(const struct report_study *s, double value, char text[REPORT_TEXT]);
/* A whole number from 0 to below 1e15, with a comma after each thousand; 20 bytes. */
void report_group_digits(double count, char *text);
/* Whole numbers with a comma after each thousand; means of small ones with a decimal. */
void report_count_text(double count, char text[REPORT_TEXT]);
/* The heading of values: "validation accuracy", "value"; printable. */
void report_value_name(const struct report_study *s, char *name, size_t size);
/* The heading of the same on the test set: "test accuracy". */
void report_test_name(const struct report_study *s, char *name, size_t size);
/* "complete"; "interrupted" where it is stored as running and its run is gone. */
const char *report_state_name(const struct report_study *s, enum stored_state state);
/* The group's name or, where the study does not say it, its number; "" without a group.  Not
 * escaped. */
void report_group_name(const struct report_study *s, int group, char *name, size_t size);
/* A hyperparameter's value for people, floats with four digits unless `exact`; "-" where the trial
 * lacks it. */
void report_param_text(const struct param *p, double value, bool exact, char *text, size_t size);
/* The defaults that the settings say, also of what is fixed; false where they do not say them of
 * every hyperparameter.
 *   values  [SPACE_MAX] out */
bool report_defaults(const struct report_study *s, double *values);
/* A figure of a study; false: it has none.  Test value: what its best network reached on the test
 * set. Images, TFLOP, time: of all of its trials, or of those up to the best. */
typedef bool (*report_measure)(const struct report_study *s, double *value);
bool report_best_value(const struct report_study *s, double *value);
bool report_test_value(const struct report_study *s, double *value);
bool report_images(const struct report_study *s, double *value);
bool report_tflop(const struct report_study *s, double *value);
bool report_tflop_to_best(const struct report_study *s, double *value);
bool report_time(const struct report_study *s, double *value); /* seconds */
bool report_time_to_best(const struct report_study *s, double *value);
bool report_wall_time(const struct report_study *s, double *value); /* of a study that ran alone */
struct report_pairs {
  struct mean_interval difference; /* of the strategy from the control; n: rounds that count */
  double control;                  /* the control's mean over those rounds */
};
/* The figure's differences, round by round, over those that both strategies have finished and in
 * which both have it and it is finite. */
struct report_pairs report_pairs(const struct report *r, const char *strategy, const char *control, report_measure f);
/* Whose time a study's seconds are: a program's, a thread's, or shares of a device's, which are
 * compared with nothing (contract 8). */
enum report_clock { CLOCK_TRIAL, CLOCK_CPU, CLOCK_DEVICE, CLOCKS };
enum report_clock report_clock_of(const struct study_record *r);
struct report_page;
enum report_clock report_clock_of_page(const struct report_page *p); /* a device's where a study's is */
/* Over columns: of trials, of one trial, of a study to its best and in all. */
struct report_clock_names {
  const char *seconds, *of_trial, *to_best, *whole;
};
extern const struct report_clock_names report_clock_names[CLOCKS];
/* h:mm:ss; seconds where the longest of a table's times is short. */
void report_time_text(double seconds, double longest, char text[REPORT_TEXT]);
int report_ended(const struct report_study *s);
/* Is a's best trial better than b's, by contract 5?  Both have one, and one direction. */
bool report_study_better(const struct report_study *a, const struct report_study *b);
/* Sorts trials [n] that are complete and have values, of studies of one direction, the best first
 * (contract 5).  False without memory. */
bool report_sort_best(const struct report_study *s, const struct stored_trial **trials, int n);
/* "the kind" of a failure: its reason up to the colon, printable. */
void report_failure_kind(const char *reason, char *kind, size_t size);
/* The first failure of each kind in full, and what to do about it, a paragraph each. */
void report_print_failures(FILE *out, const struct report_study *s);
/* Did its proposals see whatever had ended by then ([scheduler] order)? */
bool report_is_asynchronous(const struct report_study *s);
/* Did its proposals weigh how long trials took? */
bool report_is_timed(const struct report_study *s);
/* That the order was asynchronous, and "grouped went on after a change ..." of each accepted
 * change, a paragraph each. */
void report_print_changes(FILE *out, const struct report_study *s);
/* "60 trials of 2 studies in PATH": what the study starts from, a line each with what was made of
 * it; START_LINE bytes.  false: there is no such line. */
enum { START_LINE = 500 };
bool report_start_text(const struct report_study *s, int line, char text[START_LINE]);
/* A paragraph each. */
void report_print_start(FILE *out, const struct report_study *s);
/* The best so far by trial, as a line of bars (text_sparkline.h); nothing where it never
 * changed. */
void report_print_progress(FILE *out, const struct report_study *s);
/* Of a line of CSV: ",NUMBER" as it reads back, "," of NaN. */
void report_csv_number(FILE *out, double number);
/* Studies of another program, a line each. */
void report_print_others(FILE *out, const struct report *r);

#endif
