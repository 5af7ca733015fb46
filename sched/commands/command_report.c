/* `gsos report`: a run's results as a page for a browser, as a run leaves it at its end.
 *
 * The database is opened for reading only: a run may go on meanwhile. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file_same.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "host/report/report.h"
#include "host/store/store.h"
#include "sched/commands/command.h"
#include "sched/commands/output_file.h"
#include "sched/commands/report_files.h"
#include "sched/commands/runs_below.h"
#include "sched/run/signals.h"

static const char help[] = "Usage: gsos report DIR|FILE.db [OPTION]...\n"
                           "Write report.html into a run's output folder DIR, or beside a study database\n"
                           "FILE.db: one page that is read with no network, with figures, tables and\n"
                           "settings.  The figures' data lie beside it in plots/, as CSV and SVG, with a\n"
                           "script for gnuplot, which draws them; without gnuplot the page has its tables.\n"
                           "A run writes the same at its end; one that goes on meanwhile is left alone.\n"
                           "\n"
                           "  -o, --output FILE.html   write there, and plots/ beside it\n"
                           "      --png                PNGs of the figures as well\n"
                           "  -h, --help               print this and exit\n"
                           "\n"
                           "Examples:\n"
                           "  gsos report results/quickstart\n"
                           "  gsos report optuna.db --output pages/optuna.html --png\n"
                           "\n"
                           "Exit status: 0 done, 1 where there is no database, it cannot be read, or the\n"
                           "page cannot be written, 2 wrong usage, 130 interrupted, 143 terminated.\n";

struct options {
  const char *path, *output;
  bool png;
};

/* ---- the page -------------------------------------------------------------------------------- */

/* The folder of a database; malloc'ed. */
static char *folder_of(const char *database)
{
  const char *slash = strrchr(database, '/');
  if (!slash) return strdup(".");
  return slash == database ? strdup("/") : strndup(database, (size_t)(slash - database));
}

/* The page, and the folder of the database, where it is by itself. */
static int choose_page(const struct options *o, const char *database, char *page, size_t size, char **folder,
                       struct error *e)
{
  char own[1200];
  *folder = folder_of(database);
  if (!*folder) return error_set(e, ERROR_MACHINE, "no memory");
  text_format(own, sizeof own, "%s/report.html", *folder);
  text_format(page, size, "%s", o->output ? o->output : own);
  const struct output_file f = {.option = o->output ? "--output" : "the page",
                                .path = page,
                                .kind = OUTPUT_PAGE,
                                .of_this_run = file_same(page, own),
                                .makes_folder = true};
  int code = output_file_check(&f, e);
  if (code) return code;
  char *into = folder_of(page), shown[1200], plots[1300];
  bool of_a_run = into && run_is_in(into), another = of_a_run && !file_same(into, *folder);
  text_format(plots, sizeof plots, "%s/plots", into ? into : ".");
  if (into && !of_a_run) code = output_plots_check(f.option, plots, e);
  free(into);
  return another ? error_set(e, ERROR_CONFIG,
                             "--output %s: lies in the output folder of another run, whose plots/ would be written "
                             "over; give another folder",
                             text_escape(shown, sizeof shown, page))
                 : code;
}

static int write_page(const struct options *o, const char *page, const char *folder, struct store *store,
                      const struct report *r, struct error *e)
{
  char why[400] = "", shown[1200];
  int code = report_files_write(r, store, folder, page, o->png, why, sizeof why, e);
  if (code) return code;
  if (why[0]) text_wrapf(stderr, "", "figures are missing: %s", why);
  printf("Written: %s\n", text_escape(shown, sizeof shown, page));
  return 0;
}

static int report(const struct options *o, struct error *e)
{
  struct report r = {0};
  struct store *store = NULL;
  char page[1200], *path = NULL, *folder = NULL;
  int code = command_database("report", o->path, &path, e);
  if (!code) code = choose_page(o, path, page, sizeof page, &folder, e);
  if (!code) code = store_open(&store, path, true, &signals_stop, e);
  if (!code) code = report_load(&r, store, e);
  if (!code) code = write_page(o, page, folder, store, &r, e);
  if (!code) report_print_left_out(stderr, &r);
  report_free(&r);
  store_close(store);
  free(folder);
  free(path);
  return code;
}

/* ---- the command line ------------------------------------------------------------------------ */

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                          {"png", no_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
  struct command_line line = {"gsos report", help, "o:h", options, argc, argv, status, false};
  int c;
  while ((c = command_option(&line)) > 0) {
    if (c == 'o') o->output = optarg;
    if (c == 'p') o->png = true;
  }
  if (c < 0) return c;
  if (o->output && !o->output[0]) return command_usage_error(&line, "--output takes the name of a file");
  o->path = command_argument(&line, "which folder, or which study database?", "one folder or study database at a time");
  return o->path ? 0 : -1;
}

int command_report(int argc, char **argv)
{
  struct options o = {0};
  struct error e = {0};
  int status = 1;
  signals_install();
  if (parse(argc, argv, &o, &status) == 0) {
    report(&o, &e);
    command_complain(&e);
    status = command_status(&e);
  }
  return command_end(status);
}
