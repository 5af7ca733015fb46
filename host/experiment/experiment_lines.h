/* What the parser remembers of the ini file for messages that come later (experiment_locate).
 * Inside the parser only. */
#ifndef GSOS_EXPERIMENT_LINES_H
#define GSOS_EXPERIMENT_LINES_H

#include "host/experiment/experiment.h"
#include "host/experiment/ini.h"

/* Sets x->lines. */
int experiment_keep_lines(struct experiment *x, const struct ini *ini, struct error *e);

#endif
