/* The command line of `gsos run` and of what runs experiments as it does.  See experiment_run.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/text_escape.h"
#include "host/experiment/experiment.h"
#include "sched/commands/experiment_run.h"

int run_options_parse(struct run_options *o, const char *name, const char *help, int argc, char **argv, int *status)
{
  static const struct option options[] = {
      {"set", required_argument, NULL, 's'}, {"output", required_argument, NULL, 'o'},
      {"quiet", no_argument, NULL, 'q'},     {"log", required_argument, NULL, 'l'},
      {"take-over", no_argument, NULL, 't'}, {"accept-change", no_argument, NULL, 'a'},
      {"fresh", no_argument, NULL, 'f'},     {"retry-failed", no_argument, NULL, 'r'},
      {"help", no_argument, NULL, 'h'},      {NULL, 0, NULL, 0}};
  struct command_line line = {name, help, "s:o:ql:h", options, argc, argv, status, false};
  int c;
  while ((c = command_option(&line)) > 0) {
    switch (c) {
    case 's':
      o->ini.settings[o->ini.n_settings++] = optarg;
      break;
    case 'o':
      o->output = optarg;
      break;
    case 'q':
      o->quiet = true;
      break;
    case 'l':
      if (strcmp(optarg, "json") != 0) return command_usage_error(&line, "--log takes json");
      o->log = o->ini.json = true;
      break;
    case 't':
      o->take_over = true;
      break;
    case 'f':
      o->fresh = true;
      break;
    case 'r':
      o->retry_failed = true;
      break;
    default:
      o->accept_change = true;
    }
  }
  if (c < 0) return c;
  if (o->fresh && o->retry_failed)
    return command_usage_error(&line, "--fresh begins anew, where no trial has failed yet: not with --retry-failed");
  o->progress = !o->quiet && !o->log;
  o->ini.path = command_argument(&line, "which FILE.ini?", "one FILE.ini at a time");
  if (o->ini.path && o->output && !*o->output) return command_usage_error(&line, "--output needs the name of a folder");
  return o->ini.path ? 0 : -1;
}

int run_options_folder(struct run_options *o, char **path, struct error *e)
{
  struct stat st;
  char shown[1000];
  const char *folder = o->ini.path;
  size_t n = strlen(folder);
  *path = NULL;
  if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) return 0;
  *path = malloc(n + sizeof "/" EXPERIMENT_RUN_INI);
  if (!*path) return error_set(e, ERROR_MACHINE, "no memory");
  sprintf(*path, "%s%s" EXPERIMENT_RUN_INI, folder, folder[n - 1] == '/' ? "" : "/");
  if (stat(*path, &st) != 0)
    return error_set(e, ERROR_CONFIG,
                     "%s: holds no " EXPERIMENT_RUN_INI
                     ", which a run writes when it begins; give the ini file of the run, or the output folder of one "
                     "('gsos show FOLDER' lists the runs in a folder)",
                     text_escape(shown, sizeof shown, folder));
  if (!S_ISREG(st.st_mode))
    return error_set(e, ERROR_CONFIG, "%s: is no regular file", text_escape(shown, sizeof shown, *path));
  o->ini.path = *path;
  if (!o->output) o->output = folder;
  return 0;
}

int run_options_output(const struct run_options *o, struct experiment *x, struct error *e)
{
  if (!o->output) return 0;
  size_t n = strlen(o->output);
  while (n > 1 && o->output[n - 1] == '/') n--;
  if (n >= sizeof x->output)
    return error_set(e, ERROR_CONFIG, "--output: the path is longer than %zu bytes", sizeof x->output - 1);
  snprintf(x->output, sizeof x->output, "%.*s", (int)n, o->output);
  return 0;
}
