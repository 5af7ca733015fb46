/* What the parts of a comparison share: report_compare.c measures, report_compare_tables.c prints,
 * report_compare_data.c writes for programs, report_compare_plots.c draws. */
#ifndef GSOS_REPORT_COMPARE_INTERNAL_H
#define GSOS_REPORT_COMPARE_INTERNAL_H

#include "host/report/report_compare.h"
#include "host/report/report_internal.h"

/* A value, or what was spent. */
bool compare_is_value(enum compare_figure k);
/* Is it, in that study, a share of images, of which differences are points? */
bool compare_in_points(const struct report_study *s, enum compare_figure k);
/* A study's figure; false: it has none. */
bool compare_measure(const struct report_study *s, enum compare_figure k, double *value);
/* Is the study finished, and gsos'? */
bool compare_counts(const struct report_study *s);
/* Its place in c->strategies; -1: it is not there. */
int compare_strategy(const struct report_compare *c, const struct report_study *s);
/* Is the row one of that strategy, which is not the control, in a run that has the control too? */
bool compare_has_difference(const struct report_compare *c, const struct compare_row *row, int strategy);
/* False without memory. */
bool compare_make_tables(struct report_compare *c);

#endif
