/* Gnuplot, where it is installed. */
#ifndef GSOS_GNUPLOT_H
#define GSOS_GNUPLOT_H

#include <stdbool.h>
#include <stddef.h>

#include "host/base/error.h"

/* Has gnuplot draw by a script that lies in the folder, in which it runs.
 *   drawn   out: it has
 *   why     out, [size]: else why not, for a message: it is not installed, what it said
 * ERROR_INTERRUPTED where a signal asks for a stop. */
int gnuplot_run(const char *folder, const char *script, bool *drawn, char *why, size_t size, struct error *e);

#endif
