/* What the parts of the report of importance share. */
#ifndef GSOS_REPORT_IMPORTANCE_INTERNAL_H
#define GSOS_REPORT_IMPORTANCE_INTERNAL_H

#include <stdbool.h>
#include <stdio.h>

#include "host/space/space.h"

enum { NAME_SHOWN = 4 * SPACE_NAME_MAX }; /* bytes of any name, escaped */

/* Are names, types and ranges the same? */
bool report_importance_same_space(const struct space *a, const struct space *b);

/* Ratios to three digits, as they are printed. */
void report_importance_round(struct groups *g);

/* As many signs as share, 0 ... 1, has of `longest`.  text [longest + 1] */
void report_importance_bar(double share, int longest, char *text);

/* The section [groups] for an ini file, below a line that says whose weights they are from; or that
 * an ini file cannot have the names. */
void report_importance_print_groups(FILE *out, const char *method, const struct space *space,
                                    const struct groups *groups);

#endif
