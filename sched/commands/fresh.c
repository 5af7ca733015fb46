/* Setting an output aside.  See fresh.h. */
#include "sched/commands/fresh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/base/text_escape.h"
#include "sched/commands/outputs.h"
#include "sched/commands/runs_below.h"

/* Does `path` lie in the folder, which is without links? */
static bool lies_within(const char *path, const char *folder)
{
  char *real = path[0] ? realpath(path, NULL) : NULL;
  size_t n = strlen(folder);
  bool within = real && !strncmp(real, folder, n) && (real[n] == '/' || real[n] == 0);
  free(real);
  return within;
}

/* Is it the run.ini that the run made, and will make again? */
static bool is_run_ini(const char *path, const char *folder)
{
  char *real = path[0] ? realpath(path, NULL) : NULL;
  size_t n = strlen(folder);
  bool is = real && !strncmp(real, folder, n) && !strcmp(real + n, "/" EXPERIMENT_RUN_INI);
  free(real);
  return is;
}

/* What the run needs must not be moved away with what it made. */
static int check_within(const struct experiment *x, struct error *e)
{
  const char *needed[RESULTS_INPUTS];
  char shown[1100], *output = realpath(x->output, NULL);
  int code = 0;
  results_inputs(x, needed);
  for (int i = 0; output && i < RESULTS_INPUTS && !code; i++) {
    if (!lies_within(needed[i], output) || is_run_ini(needed[i], output)) continue;
    text_escape(shown, sizeof shown, needed[i]);
    code = error_set(
        e, ERROR_CONFIG,
        "--fresh: %s lies in the output folder and would be set aside with it; give an --output of its own", shown);
  }
  free(output);
  return code;
}

/* A name that nothing has. */
static int find_name(const char *output, char *name, size_t size, struct error *e)
{
  char date[20];
  time_t now = time(NULL);
  struct tm parts;
  localtime_r(&now, &parts);
  strftime(date, sizeof date, "%Y-%m-%d", &parts);
  for (int i = 0; i < 1000; i++) {
    int n = i ? snprintf(name, size, "%s.%s.%d", output, date, i) : snprintf(name, size, "%s.%s", output, date);
    if (n < (int)size && faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW) && errno == ENOENT) return 0;
  }
  char shown[1100];
  return error_set(e, ERROR_FAILED, "--fresh: there is no free name beside %s to set it aside under",
                   text_escape(shown, sizeof shown, output));
}

/* Takes "2026-12-01" off the end of text[*n], or "." and a number after it. */
static bool take_date(const char *text, size_t *n)
{
  static const char form[] = ".dddd-dd-dd";
  size_t length = sizeof form - 1;
  if (*n <= length) return false;
  for (size_t i = 0; i < length; i++) {
    char c = text[*n - length + i];
    if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i]) return false;
  }
  *n -= length;
  return true;
}

static void take_number(const char *text, size_t *n)
{
  size_t k = *n;
  while (k > 0 && text[k - 1] >= '0' && text[k - 1] <= '9') k--;
  if (k > 0 && k < *n && *n - k <= 3 && text[k - 1] == '.') *n = k - 1;
}

bool fresh_is_aside(const char *path)
{
  char output[1200];
  size_t n = strlen(path);
  if (!take_date(path, &n)) {
    take_number(path, &n);
    if (!take_date(path, &n)) return false;
  }
  snprintf(output, sizeof output, "%.*s", (int)n, path);
  return run_is_in(output);
}

static int ask(const char *output, const char *held, const char *name, struct error *e)
{
  char answer[16] = "", shown[2][1100];
  if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) return 0;
  text_escape(shown[0], sizeof shown[0], output);
  text_escape(shown[1], sizeof shown[1], name);
  fprintf(stderr, "%s holds %s.\nSet it aside as %s and begin anew? [y/N] ", shown[0], held, shown[1]);
  fflush(stderr);
  if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y')) return 0;
  return error_set(e, ERROR_FAILED, "%s stays as it is, and nothing was run", shown[0]);
}

int fresh_set_aside(const struct experiment *x, const char *held, char *aside, size_t size, struct error *e)
{
  char shown[1100];
  aside[0] = 0;
  if (check_within(x, e) || find_name(x->output, aside, size, e) || ask(x->output, held, aside, e)) return e->code;
  if (rename(x->output, aside) == 0) return 0;
  return error_errno(e, "--fresh: %s cannot be set aside", text_escape(shown, sizeof shown, x->output));
}
