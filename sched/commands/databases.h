/* Study databases that a command reads, all of them before it does anything with them. */
#ifndef GSOS_DATABASES_H
#define GSOS_DATABASES_H

#include "host/base/error.h"
#include "host/report/report.h"

struct databases {
  struct report *reports; /* [n] */
  const char **shown;     /* [n] their paths, strings of our own */
  int n;
};

/* Loads one more, a folder or a database, as the user names it.  `command` as command_database
 * takes it.  ERROR_CONFIG where it is there already; on error those that are there stay. */
int databases_add(struct databases *d, const char *command, const char *given, struct error *e);
/* The same of given [n].  databases_free afterwards, also after an error. */
int databases_load(struct databases *d, const char *command, const char *const *given, int n, struct error *e);
void databases_free(struct databases *d); /* accepts a zero-initialised struct */

#endif
