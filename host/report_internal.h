/* What the parts of the report share: report.c reads, report_tables.c and report_trials.c print. */
#ifndef GSOS_REPORT_INTERNAL_H
#define GSOS_REPORT_INTERNAL_H

#include "report.h"

enum { REPORT_TEXT = 64 }; /* bytes that hold any number's text below */

/* Is the study's value an accuracy, a share of 1? */
bool report_accuracy(const struct report_study *s);
/* A value or a loss for people: four decimals for accuracies, six digits for others, "-" where there is none. */
void report_value_text(const struct report_study *s, double value, char text[REPORT_TEXT]);
/* The heading of values: "validation accuracy", "value"; printable. */
void report_value_name(const struct report_study *s, char *name, size_t size);
const char *report_state_name(enum stored_state state);
/* The group's name or, where the study does not say it, its number; "" without a group.  Not escaped. */
void report_group_name(const struct report_study *s, int group, char *name, size_t size);
/* A hyperparameter's value for people, floats with four digits unless `exact`; "-" where the trial lacks it. */
void report_param_text(const struct param *p, double value, bool exact, char *text, size_t size);
/* The test accuracy of the study's best network; false where there is none. */
bool report_test_value(const struct report_study *s, double *value);
int report_ended(const struct report_study *s);
/* "the kind" of a failure: its reason up to the colon, printable. */
void report_failure_kind(const char *reason, char *kind, size_t size);
/* Did its proposals see whatever had ended by then ([scheduler] order)? */
bool report_is_asynchronous(const struct report_study *s);
/* That the order was asynchronous, and "grouped went on after a change ..." of each accepted change, a paragraph each. */
void report_print_changes(FILE *out, const struct report_study *s);
/* Studies of another program, a line each. */
void report_print_others(FILE *out, const struct report *r);

#endif
