/* report.html and its figures, from a study database: at the end of a run, and by `gsos report`;
 * and the page of `gsos compare`. */
#ifndef GSOS_REPORT_FILES_H
#define GSOS_REPORT_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "host/base/error.h"
#include "host/report/report.h"
#include "host/report/report_compare.h"

/* Writes the page, and beside it the folder plots/ with the figures' data, script and SVGs.
 *   folder     of the database: what lies there is shown as well
 *   page       the file; its folder is made where it is missing
 *   png        PNGs of the figures, too
 *   why[size]  out: why there are no figures, or no PNGs; "" where there are
 * ERROR_INTERRUPTED where a signal asks for a stop; what is there then is as it was, or whole. */
int report_files_write(const struct report *r, struct store *s, const char *folder, const char *page, bool png,
                       char *why, size_t size, struct error *e);

/* Writes a comparison as a page, and beside it a folder with the figures' data, script and SVGs: of
 * NAME.html NAME-plots/.  The page's own folder must be there.  Else as report_files_write. */
int report_files_write_compare(const struct report_compare *c, const struct report *reports, const char *page,
                               char *why, size_t size, struct error *e);

#endif
