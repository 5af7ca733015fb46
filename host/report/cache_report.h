/* The cache of unpacked data, for people: what lies there, and making it smaller (`gsos cache`). */
#ifndef GSOS_CACHE_REPORT_H
#define GSOS_CACHE_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "host/base/error.h"

/* Prints what the cache in `folder` takes of the disk, the entry used last first; NULL: the usual
 * folder.  A folder that is not there holds nothing.  ERROR_FAILED where none is known, or it
 * cannot be read. */
int cache_report_list(FILE *out, const char *folder, struct error *e);

/* Removes what was not used for longest, until what is left has at most `limit` bytes, and prints
 * how much that was.  What a process is making is left.  ERROR_FAILED also where something could
 * not be removed; the rest is none the less. */
int cache_report_shrink(FILE *out, const char *folder, int64_t limit, struct error *e);

#endif
