/* The lines of [datasets]: data sets by name, one experiment each (`gsos study`).  Inside the
 * parser only. */
#ifndef GSOS_DATASET_LINES_H
#define GSOS_DATASET_LINES_H

#include "host/experiment/experiment.h"
#include "host/experiment/ini.h"

/* The names to x->datasets, in the order of the file.  Every line is checked for its form, "PATH"
 * or "PATH, KEY VALUE, KEY VALUE"; values are checked when the line is used. */
int dataset_lines_read(struct experiment *x, const struct ini *ini, struct error *e);

/* Puts what the line `name` says to [dataset], as if it stood there in the line's place: it
 * replaces the file's keys, and not those of settings.  ERROR_CONFIG where there is no such line,
 * or a setting says the path. */
int dataset_line_use(struct ini *ini, const char *name, struct error *e);

#endif
