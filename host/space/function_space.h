/* The spaces that the analytic functions bring along: `objective = function` without a [space]
 * section searches these.
 *
 * Apart from functions.h, so that the experiment's parser needs to know nothing else of
 * functions. */
#ifndef GSOS_FUNCTION_SPACE_H
#define GSOS_FUNCTION_SPACE_H

#include <stdbool.h>

#include "host/base/error.h"
#include "host/space/space.h"

/* The space, the groups by importance and the native direction of the analytic function `name`.
 * `s` is initialised here (the caller destroys it, on an error too); `g` is overwritten.
 * ERROR_CONFIG for an unknown name, with the names there are and the nearest one. */
int function_space(const char *name, struct space *s, struct groups *g, bool *maximize, struct error *e);

#endif
