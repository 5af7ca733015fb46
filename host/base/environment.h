/* The environment, as whoever started gsos meant it: for us without what would bind us to one core,
 * for programs whole. */
#ifndef GSOS_ENVIRONMENT_H
#define GSOS_ENVIRONMENT_H

#include "host/base/error.h"

/* The variables of the environment that gsos was started with, and those of `defaults`
 * ("NAME=VALUE", ends with NULL) whose name is not among them.  Ends with NULL; the array is
 * malloc'ed, its texts are not.  NULL without memory. */
char **environment_for_programs(const char *const *defaults);

#endif
