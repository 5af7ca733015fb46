/* `gsos show`: what a study database says, while its run goes on or long after.
 *
 * The database is opened for reading only, and all of it is read before anything is printed. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "report.h"
#include "signals.h"
#include "store.h"
#include "text_escape.h"

static const char help[] = "Usage: gsos show DIR|FILE.db [--csv]\n"
                           "Print the trials of each study in a run's output folder DIR, or in a study\n"
                           "database FILE.db (DIR/study.db), then the tables of time and accuracy and the\n"
                           "best configuration.  A run may go on meanwhile: nothing is written.\n"
                           "\n"
                           "      --csv    print all trials as comma-separated values and nothing else\n"
                           "  -h, --help   print this and exit\n"
                           "\n"
                           "Examples:\n"
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

static int usage_error(const char *message)
{
  fprintf(stderr, "gsos show: %s\nTry 'gsos show --help'.\n", message);
  return 2;
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* The database that the user means: *path malloc'ed. */
static int find_database(const char *given, char **path, struct error *e)
{
  static const char name[] = "study.db";
  char shown[1000];
  struct stat st;
  text_escape(shown, sizeof shown, given);
  if (stat(given, &st) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return error_errno(e, "%s: cannot be opened", shown);
    return error_set(e, ERROR_FAILED,
                     "%s: there is no such file or folder; show takes the output folder of a run (results/NAME) or a "
                     "study database",
                     shown);
  }
  size_t length = strlen(given);
  const char *slash = S_ISDIR(st.st_mode) && length && given[length - 1] != '/' ? "/" : "";
  *path = malloc(length + sizeof name + 1);
  if (!*path) return error_set(e, ERROR_MACHINE, "no memory");
  sprintf(*path, "%s%s%s", given, slash, S_ISDIR(st.st_mode) ? name : "");
  if (S_ISDIR(st.st_mode) && stat(*path, &st) != 0 && errno == ENOENT)
    return error_set(e, ERROR_FAILED,
                     "%s: holds no %s, so it is no output folder of a run, or none that has begun; "
                     "'gsos run FILE.ini' makes one",
                     shown, name);
  return 0;
}

static int load(const struct options *o, struct report *r, struct error *e)
{
  struct store *store = NULL;
  char *path = NULL;
  int code = find_database(o->path, &path, e);
  if (!code) code = store_open(&store, path, true, &signals_stop, e);
  if (!code) code = report_load(r, store, e);
  store_close(store);
  free(path);
  return code;
}

/* ---- printing -------------------------------------------------------------------------------------------------------- */

/* Columns of the terminal; 0: it is none, and lines may be as long as they need to be. */
static int screen_width(void)
{
  struct winsize size;
  if (!isatty(STDOUT_FILENO)) return 0;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 40) return 80;
  return size.ws_col;
}

/* Writes what was printed so far.  0, or the errno of what went wrong. */
static int flush(void)
{
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
  return errno ? errno : EIO;
}

/* Returns 0 or an errno; stops at the first that fails, since a reader that is gone need not be told the rest. */
static int print(const struct options *o, const struct report *r)
{
  int failed, width = screen_width();
  if (o->csv) {
    report_print_csv(stdout, r);
    return flush();
  }
  if (r->n == 0) {
    puts("There is no study in it yet.");
    return flush();
  }
  for (int i = 0; i < r->n; i++) {
    report_print_trials_within(stdout, &r->studies[i], width);
    putchar('\n');
    if ((failed = flush())) return failed;
  }
  report_print_tables(stdout, r);
  report_print_best(stdout, r);
  return flush();
}

/* ---- the command line ------------------------------------------------------------------------------------------------ */

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {
      {"csv", no_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  int c;
  argv[0] = (char *)"gsos show"; /* as getopt's messages begin */
  optind = 0;                    /* main has used it before */
  *status = 2;
  while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
    switch (c) {
    case 'c':
      o->csv = true;
      break;
    case 'h':
      fputs(help, stdout);
      *status = 0;
      return 1;
    default:
      fputs("Try 'gsos show --help'.\n", stderr);
      return 1;
    }
  }
  if (optind >= argc) return *status = usage_error("which folder, or which study database?"), 1;
  if (optind + 1 < argc) return *status = usage_error("one folder or study database at a time"), 1;
  o->path = argv[optind];
  return 0;
}

int command_show(int argc, char **argv)
{
  struct options o = {0};
  struct report report = {0};
  struct error e = {0};
  int status, failed = 0;
  signals_install();
  if (parse(argc, argv, &o, &status) == 0) {
    status = 0;
    if (load(&o, &report, &e) == 0) failed = print(&o, &report);
    if (e.code) {
      fprintf(stderr, "gsos: %s\n", e.message);
      status = e.code == ERROR_INTERRUPTED && signals_stop ? signals_exit_code() : 1;
    }
    report_free(&report);
  }
  if (!failed) failed = flush();
  if (failed == EPIPE) return status; /* `gsos show DIR | head` got what it wanted */
  if (failed) {
    fprintf(stderr, "gsos: standard output cannot be written: %s\n", strerror(failed));
    if (status == 0) status = 1;
  }
  return status;
}
