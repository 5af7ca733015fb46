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

/* Is the figure NAME.svg in the folder whole?  Gnuplot does not notice that a disk is full.  False:
 * why [size] out says so. */
bool gnuplot_svg_is_whole(const char *folder, const char *name, char *why, size_t size);

#endif
