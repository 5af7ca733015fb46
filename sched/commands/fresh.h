/* `gsos run --fresh`: what an earlier run left is set aside, so that this one begins anew.  Nothing
 * is deleted. */
#ifndef GSOS_FRESH_H
#define GSOS_FRESH_H

#include <stdbool.h>

#include "host/experiment/experiment.h"

/* Renames the output folder to OUTPUT.DATE (OUTPUT.DATE.1, ... where there is one), if a run has
 * begun in it.  On a terminal the user is asked first.  `held`: what the folder holds, for the
 * question.
 *   aside[size]   out: where it is now; "" where there was nothing to set aside
 * ERROR_FAILED where the user says no, or the file system; ERROR_CONFIG where the ini file or the
 * data lie in the folder. */
int fresh_set_aside(const struct experiment *x, const char *held, char *aside, size_t size, struct error *e);

/* Was it set aside?  By its name, OUTPUT.DATE or OUTPUT.DATE.N, where OUTPUT holds a run. */
bool fresh_is_aside(const char *path);

#endif
