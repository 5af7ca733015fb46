/* A page and its figures on disk.  See report_files.h.
 *
 * One gnuplot draws all figures: to start it takes longer than to draw. */
#include "sched/commands/report_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file_replace.h"
#include "host/base/folder.h"
#include "host/base/text_escape.h"
#include "host/report/report_html.h"
#include "sched/commands/gnuplot.h"
#include "sched/commands/output_file.h"
#include "sched/run/signals.h"

static const char link_to_plots[] = "plots";

/* The folder `plots` beside the page. */
static int make_folder(const char *page, char *folder, size_t size, struct error *e)
{
  char shown[1200];
  const char *slash = strrchr(page, '/');
  text_format(folder, size, "%.*s%s%s", slash ? (int)(slash - page) : 0, page, slash ? "/" : "", link_to_plots);
  if (folder_make(folder) == 0) return 0;
  return error_errno(e, "the folder %s cannot be made", text_escape(shown, sizeof shown, folder));
}

static int draw(const char *folder, const struct plots *plots, bool png, char *why, size_t size, bool *drawn,
                struct error *e)
{
  bool also = true;
  *drawn = true;
  if (plots->n == 0) return 0;
  int code = gnuplot_run(folder, report_plots_script, drawn, why, size, e);
  for (int i = 0; i < plots->n && *drawn; i++) *drawn = gnuplot_svg_is_whole(folder, plots->plots[i].name, why, size);
  if (!code && *drawn && png) code = gnuplot_run(folder, report_plots_script_png, &also, why, size, e);
  return code;
}

static int write_page(const struct report_page *p, const struct plots *plots, const char *page, const char *folder,
                      const char *missing, struct error *e)
{
  struct file_replace f;
  int code = file_replace_begin(&f, page, e);
  if (code) return code;
  report_html_print(f.out, p, plots, folder, link_to_plots, missing);
  return file_replace_commit(&f, e);
}

int report_files_write(const struct report *r, struct store *s, const char *folder, const char *page, bool png,
                       char *why, size_t size, struct error *e)
{
  struct report_page *p = calloc(1, sizeof *p);
  struct plots plots = {0};
  char beside[1200];
  bool drawn = false;
  why[0] = 0;
  if (!p) return error_set(e, ERROR_MACHINE, "no memory for a page");
  int code = make_folder(page, beside, sizeof beside, e);
  if (!code) code = report_page_load(p, r, s, folder, &signals_stop, e);
  if (!code) code = report_plots_write(&plots, p, beside, e);
  if (!code) code = draw(beside, &plots, png, why, size, &drawn, e);
  if (!code) code = write_page(p, &plots, page, beside, drawn ? NULL : why, e);
  report_plots_free(&plots);
  report_page_free(p);
  free(p);
  return code;
}

/* ---- several runs ---------------------------------------------------------------------------- */

/* NAME-plots of NAME.html, and the same as a page's address has it. */
static void folder_of(const char *page, char *folder, char *link, size_t size)
{
  const char *slash = strrchr(page, '/'), *name = slash ? slash + 1 : page, *dot = strrchr(name, '.');
  size_t n = dot && dot > name ? (size_t)(dot - page) : strlen(page), used = 0;
  text_format(folder, size, "%.*s-plots", (int)n, page);
  for (const char *c = slash ? folder + (slash + 1 - page) : folder; *c && used + 4 < size; c++) {
    bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("._-", *c);
    used += (size_t)snprintf(link + used, size - used, plain ? "%c" : "%%%02X", (unsigned char)*c);
  }
}

int report_files_write_compare(const struct report_compare *c, const struct report *reports, const char *page,
                               char *why, size_t size, struct error *e)
{
  struct plots plots = {0};
  struct file_replace f;
  char folder[1200], link[1200], shown[1200];
  bool drawn = false;
  why[0] = 0;
  folder_of(page, folder, link, sizeof folder);
  int code = output_plots_check("--output", folder, e);
  if (!code) code = file_replace_begin(&f, page, e); /* before anything is made beside it */
  if (code) return code;
  if (folder_make(folder))
    code = error_errno(e, "the folder %s cannot be made", text_escape(shown, sizeof shown, folder));
  if (!code) code = report_compare_plots(&plots, c, reports, folder, e);
  if (!code) code = draw(folder, &plots, false, why, size, &drawn, e);
  if (!code) report_compare_html(f.out, c, &plots, folder, link, drawn ? NULL : why);
  if (!code) code = file_replace_commit(&f, e);
  file_replace_abort(&f);
  report_plots_free(&plots);
  return code;
}
