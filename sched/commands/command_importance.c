/* `gsos importance`: how much each hyperparameter mattered, measured on the trials of databases.
 *
 * All databases are read before anything is measured, and all is measured before anything is
 * printed. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/spelling.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "host/report/report_importance.h"
#include "sched/commands/command.h"
#include "sched/commands/databases.h"
#include "sched/run/signals.h"

/* Before and behind the list of the methods. */
static const char help_begin[] = "Usage: gsos importance DIR|FILE.db... [OPTION]...\n"
                                 "Measure how much each hyperparameter mattered in the studies of runs' output\n"
                                 "folders, or of study databases, also such that Optuna made: weights of sum 1\n"
                                 "with intervals, and groups for an ini file from them.  Each study is measured\n"
                                 "by itself; studies of the same search space then together.\n"
                                 "\n"
                                 "      --study NAME      that study alone\n"
                                 "      --method NAME     one of those below, or all, the default: they measure\n"
                                 "                        different things, and where they contradict each other\n"
                                 "                        none should be trusted; groups are made from the first\n"
                                 "      --top SHARE       pedanova: the share of the trials that counts as good\n"
                                 "                        (0.1)\n"
                                 "      --resamples N     intervals come from N resamples of the trials (100); 0:\n"
                                 "                        no intervals, and much faster\n"
                                 "      --seed N          of all that is random (0); the same seed and trials give\n"
                                 "                        the same weights\n"
                                 "      --json            print a JSON object and nothing else\n"
                                 "  -h, --help            print this and exit\n"
                                 "\n"
                                 "Methods:\n";
static const char help_end[] = "\n"
                               "Complete trials count; pruned and failed ones are left out.  Trials of a sampler\n"
                               "that learns, or of groups, tell less of the whole space than random ones.\n"
                               "\n"
                               "Examples:\n"
                               "  gsos importance results/quickstart\n"
                               "  gsos importance a/study.db b/study.db --method fanova --json\n"
                               "\n"
                               "Exit status: 0 done, 1 where there is no database, it cannot be read, or no\n"
                               "study has trials enough to be measured, 2 wrong usage, 130 interrupted, 143\n"
                               "terminated.\n";

enum { RESAMPLES_MAX = 100000 };

struct options {
  char **given; /* [n] folders or databases, as the user names them */
  int n;
  const struct importance_method *const *methods; /* [n_methods] */
  int n_methods;
  const struct importance_method *one; /* where a single one is asked for */
  struct importance_settings settings;
  const char *study;
  bool json;
};

/* ---- the command line ------------------------------------------------------------------------ */

/* The help, with a line for each method; malloc'ed. */
static char *make_help(void)
{
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  fputs(help_begin, out);
  for (int i = 0; importance_methods[i]; i++) {
    char lead[40];
    snprintf(lead, sizeof lead, "  %-12s", importance_methods[i]->name);
    text_wrap(out, lead, importance_methods[i]->summary);
    text_wrap(out, "              ", importance_methods[i]->source);
  }
  fputs(help_end, out);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

static int take_all_methods(struct options *o)
{
  o->methods = importance_methods;
  for (o->n_methods = 0; importance_methods[o->n_methods];) o->n_methods++;
  return 0;
}

static int take_method(struct options *o, struct command_line *l)
{
  if (!strcmp(optarg, "all")) return take_all_methods(o);
  o->one = importance_method_find(optarg);
  o->methods = &o->one;
  o->n_methods = 1;
  if (o->one) return 0;
  char shown[200];
  text_escape(shown, sizeof shown, optarg);
  take_all_methods(o);
  const char *near = nearest_word(optarg, importance_method_names, o->n_methods);
  return command_usage_error(l, "--method %s: there is no such method%s%s%s", shown, near ? "; did you mean '" : "",
                             near ? near : "", near ? "'?" : "");
}

/* A whole number, 0 ... most. */
static bool take_whole(const char *text, uint64_t most, uint64_t *number)
{
  char *end;
  if (text[0] < '0' || text[0] > '9') return false;
  errno = 0;
  *number = strtoull(text, &end, 10);
  return !errno && !*end && *number <= most;
}

static int take_number(struct options *o, int letter, struct command_line *l)
{
  char shown[200];
  uint64_t whole = 0;
  text_escape(shown, sizeof shown, optarg);
  if (letter == 't') {
    if (number_parse(optarg, &o->settings.top) && o->settings.top > 0 && o->settings.top < 1) return 0;
    return command_usage_error(l, "--top %s: is no share; a number above 0 and below 1, as 0.1", shown);
  }
  if (letter == 'n') {
    if (!take_whole(optarg, RESAMPLES_MAX, &whole))
      return command_usage_error(l, "--resamples %s: is no whole number from 0 to %d", shown, RESAMPLES_MAX);
    o->settings.resamples = (int)whole;
    return 0;
  }
  if (take_whole(optarg, UINT64_MAX, &o->settings.seed)) return 0;
  return command_usage_error(l, "--seed %s: is no whole number from 0 to 18446744073709551615", shown);
}

static int take_option(struct options *o, int letter, struct command_line *l)
{
  if (letter == 'm') return take_method(o, l);
  if (letter == 'y') o->study = optarg;
  if (letter == 'j') o->json = true;
  return letter == 't' || letter == 'n' || letter == 's' ? take_number(o, letter, l) : 0;
}

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, const char *help, struct options *o, int *status)
{
  static const struct option options[] = {
      {"study", required_argument, NULL, 'y'}, {"method", required_argument, NULL, 'm'},
      {"top", required_argument, NULL, 't'},   {"resamples", required_argument, NULL, 'n'},
      {"seed", required_argument, NULL, 's'},  {"json", no_argument, NULL, 'j'},
      {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
  struct command_line line = {"gsos importance", help, "h", options, argc, argv, status, false};
  int c;
  while ((c = command_option(&line)) > 0) {
    c = take_option(o, c, &line);
    if (c < 0) return c;
  }
  if (c < 0) return c;
  o->given = argv + optind;
  o->n = argc - optind;
  return o->n > 0 ? 0 : command_usage_error(&line, "which folder, or which study database?");
}

/* ---- measuring ------------------------------------------------------------------------------- */

static int print_json(const struct report_importance *r, struct error *e)
{
  char *text = report_importance_json(r);
  if (!text) return error_set(e, ERROR_MACHINE, "no memory for the JSON object");
  puts(text);
  free(text);
  return 0;
}

static int measure_and_print(const struct options *o, struct error *e)
{
  struct databases d = {0};
  struct report_importance r = {0};
  int code = databases_load(&d, "importance", (const char *const *)o->given, o->n, e);
  const struct importance_request request = {.reports = d.reports,
                                             .paths = d.shown,
                                             .n_reports = d.n,
                                             .study = o->study,
                                             .methods = o->methods,
                                             .n_methods = o->n_methods,
                                             .settings = o->settings,
                                             .groups = groups_settings_default()};
  if (!code) code = report_importance_measure(&r, &request, e);
  if (!code && o->json)
    code = print_json(&r, e);
  else if (!code)
    report_importance_print(stdout, &r);
  for (int i = 0; i < d.n && !code; i++) report_print_left_out(stderr, &d.reports[i]);
  report_importance_free(&r);
  databases_free(&d);
  return code;
}

int command_importance(int argc, char **argv)
{
  struct options o = {.settings = importance_settings_default()};
  struct error e = {0};
  int status = 1;
  char *help = make_help();
  if (!help) {
    error_set(&e, ERROR_MACHINE, "no memory");
    command_complain(&e);
    return command_end(1);
  }
  signals_install();
  take_all_methods(&o);
  o.settings.stop = &signals_stop;
  if (parse(argc, argv, help, &o, &status) == 0) {
    measure_and_print(&o, &e);
    command_complain(&e);
    status = command_status(&e);
  }
  free(help);
  return command_end(status);
}
