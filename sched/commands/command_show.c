/* `gsos show`: what a study database says, while its run goes on or long after.
 *
 * The database is opened for reading only, and all of it is read before anything is printed. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_table.h"
#include "host/base/text_wrap.h"
#include "host/report/report.h"
#include "host/store/store.h"
#include "sched/commands/command.h"
#include "sched/commands/runs_below.h"
#include "sched/run/signals.h"

static const char help[] = "Usage: gsos show DIR|FILE.db [--csv]\n"
                           "Print the trials of each study in a run's output folder DIR, or in a study\n"
                           "database FILE.db (DIR/study.db), then the tables of time and accuracy and the\n"
                           "best configuration.  A run may go on meanwhile: nothing is written.\n"
                           "Of a folder that holds the outputs of several runs, as results does, it prints\n"
                           "a line for each run.\n"
                           "\n"
                           "      --csv    print all trials as comma-separated values and nothing else\n"
                           "  -h, --help   print this and exit\n"
                           "\n"
                           "Examples:\n"
                           "  gsos show results\n"
                           "  gsos show results/quickstart\n"
                           "  gsos show results/quickstart --csv > trials.csv\n"
                           "\n"
                           "Databases that Optuna made can be shown, too.\n"
                           "\n"
                           "Exit status: 0 done, 1 where there is no database or it cannot be read, 2 wrong\n"
                           "usage, 130 interrupted, 143 terminated.\n";

struct options {
  const char *path;
  bool csv;
};

/* ---- reading --------------------------------------------------------------------------------- */

static int load(const char *given, struct report *r, struct error *e)
{
  struct store *store = NULL;
  char *path = NULL;
  int code = command_database("show", given, &path, e);
  if (!code) code = store_open(&store, path, true, &signals_stop, e);
  if (!code) code = report_load(r, store, e);
  store_close(store);
  free(path);
  return code;
}

/* ---- printing -------------------------------------------------------------------------------- */

/* Stops where standard output fails, since a reader that is gone need not be told the rest. */
static void print(const struct options *o, const struct report *r)
{
  int width = text_screen(stdout); /* 0: lines may be as long as they need to be */
  if (o->csv) {
    report_print_csv(stdout, r);
    report_print_left_out(stderr, r); /* which a table for machines has no place for */
    return;
  }
  if (r->n == 0 && r->n_left_out == 0) {
    puts("There is no study in it yet.");
    return;
  }
  for (int i = 0; i < r->n; i++) {
    report_print_trials_within(stdout, &r->studies[i], width);
    putchar('\n');
    if (command_flush()) return;
  }
  report_print_tables(stdout, r);
  report_print_repeats(stdout, r);
  report_print_baseline(stdout, r);
  report_print_best(stdout, r);
}

/* ---- several runs ---------------------------------------------------------------------------- */

/* The runs in a folder that is none itself; *n is 0 where there are none, or where the path is that
 * of a run or of a database. */
static int several(const char *path, char ***runs, int *n, struct error *e)
{
  *runs = NULL;
  *n = 0;
  return run_is_in(path) ? 0 : runs_below(path, runs, n, e); /* of a file there are none */
}

/* A run that cannot be read is told, and the others are shown. */
static int print_several(const struct options *o, char **runs, int n)
{
  struct text_table *table = text_table_create();
  size_t above = strlen(o->path);
  int status = 0;
  report_run_columns(table);
  for (int i = 0; i < n && status < 128; i++) {
    struct report report = {0};
    struct error e = {0};
    const char *name = runs[i] + above;
    if (load(runs[i], &report, &e) == 0) report_run_row(table, name + (*name == '/'), &report);
    command_complain(&e);
    if (command_status(&e) != 0) status = command_status(&e);
    report_free(&report);
  }
  text_table_print(stdout, table, text_screen(stdout));
  text_table_destroy(table);
  return status;
}

static int show_several(const struct options *o, char **runs, int n)
{
  if (!o->csv) return print_several(o, runs, n);
  struct error e = {0};
  error_set(&e, ERROR_CONFIG, "%s: holds %d runs; --csv is for one of them at a time", o->path, n);
  command_complain(&e);
  return command_status(&e);
}

static int show_one(const struct options *o)
{
  struct report report = {0};
  struct error e = {0};
  if (load(o->path, &report, &e) == 0) print(o, &report);
  command_complain(&e);
  report_free(&report);
  return command_status(&e);
}

static int show(const struct options *o)
{
  char **runs;
  int n;
  struct error e = {0};
  int status;
  if (several(o->path, &runs, &n, &e) != 0) {
    command_complain(&e);
    status = command_status(&e);
  } else {
    status = n > 0 ? show_several(o, runs, n) : show_one(o);
  }
  runs_below_free(runs, n);
  return status;
}

/* ---- the command line ------------------------------------------------------------------------ */

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {
      {"csv", no_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  struct command_line line = {"gsos show", help, "h", options, argc, argv, status, false};
  int c;
  while ((c = command_option(&line)) > 0) o->csv = true;
  if (c < 0) return c;
  o->path = command_argument(&line, "which folder, or which study database?", "one folder or study database at a time");
  return o->path ? 0 : -1;
}

int command_show(int argc, char **argv)
{
  struct options o = {0};
  int status = 1;
  signals_install();
  if (parse(argc, argv, &o, &status) == 0) status = show(&o);
  return command_end(status);
}
