/* The runs that a user names: output folders, databases, and folders that hold output folders. */
#ifndef GSOS_RUNS_BELOW_H
#define GSOS_RUNS_BELOW_H

#include <stdbool.h>

#include "host/base/error.h"

/* Does it hold a study database, as the output folder of a run does? */
bool run_is_in(const char *folder);

struct runs_named {
  struct run_named {
    char *path;     /* of its folder, or the database */
    bool in_folder; /* met in a folder that was named, not named itself */
  } * runs;         /* [n] */
  int n;
};

/* Adds what a user names: a run's folder, or a database, as it is; of a folder that is no run
 * itself those in it, and in the folders in it, in the order of their names, links last (`gsos
 * run` puts its output into results/NAME, `gsos study` into results/NAME/SET); where there are none
 * the path itself.
 *
 * Told on standard error and left out are, of what is in a folder: what cannot be looked into; what
 * --fresh has set aside; a run that is there already, as behind a link.  One that is named itself
 * twice is left out as well where `once`. */
int runs_named_add(struct runs_named *r, const char *path, bool once, struct error *e);
void runs_named_free(struct runs_named *r); /* accepts a zero-initialised struct */

#endif
