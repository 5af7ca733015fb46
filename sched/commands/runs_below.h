/* The runs whose output folders lie in a folder. */
#ifndef GSOS_RUNS_BELOW_H
#define GSOS_RUNS_BELOW_H

#include <stdbool.h>

#include "host/base/error.h"

/* Does it hold a study database, as the output folder of a run does? */
bool run_is_in(const char *folder);

/* The paths of the folders in `folder`, and in these, that hold a study database: `gsos run` puts
 * its output into results/NAME, `gsos study` into results/NAME/SET.  *runs: malloc'ed, [*n] in the
 * order of their names; runs_below_free afterwards, also after an error.  A folder that cannot be
 * read is left out. */
int runs_below(const char *folder, char ***runs, int *n, struct error *e);
/* The same of what a user names: the path itself where it is a run's folder, or a file, or has no
 * runs in it. */
int runs_of(const char *path, char ***runs, int *n, struct error *e);
void runs_below_free(char **runs, int n);

#endif
