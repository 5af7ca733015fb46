/* report.html: one file that is read with no network, on a phone, in print, by day and by night.
 * Everything in it is in the tables and files beside it as well. */
#ifndef GSOS_REPORT_HTML_H
#define GSOS_REPORT_HTML_H

#include <stdio.h>

#include "host/report/report_page.h"
#include "host/report/report_plots.h"

/*   folder   where the figures' SVGs are
 *   link     the folder as the page calls it, for links to the CSV ("plots")
 *   missing  why there are no figures; NULL: they are drawn */
void report_html_print(FILE *out, const struct report_page *p, const struct plots *plots, const char *folder,
                       const char *link, const char *missing);

#endif
