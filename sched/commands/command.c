/* What the commands share (command.h). */
#include "sched/commands/command.h"
#include "sched/commands/groups_of_run.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/text_escape.h"
#include "host/experiment/experiment.h"
#include "sched/run/json_log.h"
#include "sched/run/signals.h"

/* ---- the command line ------------------------------------------------------------------------ */

static int try_help(const struct command_line *l)
{
  fprintf(stderr, "Try '%s --help'.\n", l->name);
  *l->status = 2;
  return -1;
}

int command_option(struct command_line *l)
{
  if (!l->begun) {
    l->argv[0] = (char *)l->name; /* as getopt's messages begin */
    optind = 0;                   /* so that getopt begins anew */
    l->begun = true;
  }
  int c = getopt_long(l->argc, l->argv, l->letters, l->options, NULL);
  if (c == '?') return try_help(l);
  if (c != 'h') return c == -1 ? 0 : c;
  fputs(l->help, stdout);
  *l->status = 0;
  return -1;
}

int command_usage_error(struct command_line *l, const char *format, ...)
{
  va_list arguments;
  fprintf(stderr, "%s: ", l->name);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  return try_help(l);
}

const char *command_argument(struct command_line *l, const char *which, const char *one)
{
  if (optind + 1 == l->argc) return l->argv[optind];
  command_usage_error(l, "%s", optind >= l->argc ? which : one);
  return NULL;
}

/* ---- commands that read an ini file ---------------------------------------------------------- */

static void *no_memory(void)
{
  fputs("gsos: no memory\n", stderr);
  return NULL;
}

int command_ini_open(struct command_ini *ini, int argc)
{
  *ini = (struct command_ini){.settings = calloc((size_t)argc + 1, sizeof *ini->settings)};
  if (!ini->settings) no_memory();
  return ini->settings ? 0 : -1;
}

void command_ini_close(struct command_ini *ini)
{
  free(ini->settings);
}

int command_with_experiment(const struct command_ini *ini,
                            int (*act)(void *context, struct experiment *x, struct error *e), void *context)
{
  struct experiment *x = calloc(1, sizeof *x);
  struct error e = {0};
  if (!x) {
    no_memory();
    return 1;
  }
  if (experiment_load(x, ini->path, ini->settings, ini->n_settings, &e) == 0) {
    signals_install(); /* not before: the file may be a pipe that nobody writes to, and nothing is there to be kept */
    if (groups_of_run(x, &e) == 0) act(context, x, &e);
    experiment_destroy(x);
  }
  free(x);
  if (ini->json && e.code && e.message[0]) {
    command_flush();
    event_log_error(stderr, &e, command_status(&e));
  } else {
    command_complain(&e);
  }
  return command_status(&e);
}

/* ---- commands that read a study database ----------------------------------------------------- */

int command_database(const char *command, const char *given, char **path, struct error *e)
{
  static const char name[] = "study.db";
  char shown[1000];
  struct stat st;
  text_escape(shown, sizeof shown, given);
  if (stat(given, &st) != 0) {
    if (errno != ENOENT && errno != ENOTDIR) return error_errno(e, "%s: cannot be opened", shown);
    return error_set(e, ERROR_FAILED,
                     "%s: there is no such file or folder; %s takes the output folder of a run (results/NAME) or a "
                     "study database",
                     shown, command);
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

/* ---- while it goes on, and its end ----------------------------------------------------------- */

bool command_progress(void *shown, const char *what, int64_t done, int64_t total)
{
  const bool *printed = shown;
  if (total > 0 && (!printed || *printed) && isatty(STDERR_FILENO)) {
    fprintf(stderr, "\r%s: %lld of %lld%s", what, (long long)done, (long long)total, done == total ? "\n" : "");
    fflush(stderr);
  }
  return signals_stop != 0;
}

/* Has whoever read standard output closed it?  The write that failed may have been printf's, whose
 * errno is gone. */
static bool reader_has_gone(void)
{
  struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
  return poll(&p, 1, 0) == 1 && p.revents & POLLERR;
}

int command_flush(void)
{
  static int failed; /* the first failure, which says why; stdio forgets it */
  if (failed) return failed;
  errno = 0;
  if (fflush(stdout) != 0 || ferror(stdout)) failed = errno ? errno : reader_has_gone() ? EPIPE : EIO;
  return failed;
}

void command_complain(const struct error *e)
{
  command_flush();
  if (e->code && e->message[0]) fprintf(stderr, "gsos: %s\n", e->message);
}

int command_status(const struct error *e)
{
  if (e->code == ERROR_INTERRUPTED && signals_stop) return signals_exit_code();
  return e->code == ERROR_CONFIG ? 2 : e->code ? 1 : 0;
}

int command_end(int status)
{
  int failed = command_flush();
  if (!failed || failed == EPIPE) return status;
  fprintf(stderr, "gsos: standard output cannot be written: %s\n", strerror(failed));
  return status ? status : 1;
}
