/* `gsos check`: what an ini file describes, and what it will take, before anything is run.
 *
 * Sections in the order in which doubts arise: is it what I meant (experiment, data set, space, groups), can it run (feasibility,
 * enqueued configurations, networks, memory), do I want to wait for it (run time).  What is wrong ends it with exit status 2. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "machine.h"
#include "signals.h"
#include "study.h"

static const char help[] = "Usage: gsos check FILE.ini [--set SECTION.KEY=VALUE]...\n"
                           "Check FILE.ini and its data set, and show what would be searched: the space, the\n"
                           "groups and their trials, how much of the space is infeasible, the networks'\n"
                           "sizes, the memory they need, and an estimate of the run time, for which this\n"
                           "machine trains for a second or two.  Nothing is written but the cache of decoded\n"
                           "images.\n"
                           "\n"
                           "  -s, --set SECTION.KEY=VALUE   use VALUE for a key of the file; may be repeated\n"
                           "  -h, --help                    print this and exit\n"
                           "\n"
                           "Examples:\n"
                           "  gsos check configs/quickstart.ini\n"
                           "  gsos check mine.ini --set dataset.path=photos --set experiment.trials=50\n"
                           "\n"
                           "Exit status: 0 it can be run, 1 failed (a file, memory), 2 wrong usage or\n"
                           "configuration, 130 interrupted, 143 terminated.\n";

struct options {
  const char *ini;
  const char **settings;
  int n_settings;
};

static int exit_status(const struct error *e)
{
  if (e->code == ERROR_INTERRUPTED && signals_stop) return signals_exit_code();
  return e->code == ERROR_CONFIG ? 2 : 1;
}

static int usage_error(const char *message)
{
  fprintf(stderr, "gsos check: %s\nTry 'gsos check --help'.\n", message);
  return 2;
}

static bool on_progress(void *context, const char *what, int64_t done, int64_t total)
{
  (void)context;
  if (isatty(STDERR_FILENO)) {
    fprintf(stderr, "\r%s: %lld of %lld%s", what, (long long)done, (long long)total, done == total ? "\n" : "");
    fflush(stderr);
  }
  return signals_stop != 0;
}

/* ---- the command --------------------------------------------------------------------------------------------------- */

static void count_trials(struct check *c)
{
  const struct experiment *x = c->x;
  c->studies = (int64_t)x->n_strategies * x->rounds;
  c->trials = c->studies * x->trials;
  c->cores = machine_cores();
  const struct objective *o = c->o;
  c->at_once = x->slots ? x->slots : o->places ? (int64_t)o->places * o->capacity : c->cores;
  int64_t useful = study_trials_at_once(x);
  if (c->at_once > useful) c->at_once = useful;
}

static int check_experiment(const struct experiment *x, struct error *e)
{
  struct check c = {.x = x, .rehearsal = malloc(sizeof *c.rehearsal)};
  if (!c.rehearsal) return error_set(e, ERROR_MACHINE, "no memory");
  if (objective_create(&c.o, x, on_progress, NULL, e) || study_check(x, c.o, e)) goto done;
  space_defaults(&x->space, c.defaults);
  if (c.o->cost(c.o, c.defaults, &c.default_cost, e)) goto done;
  count_trials(&c);
  check_print_experiment(&c);
  check_print_space(&x->space);
  check_print_groups(x);
  fflush(stdout);
  if (check_print_feasibility(&c, e)) goto done;
  if (rehearsal_make(c.rehearsal, c.o, x, &signals_stop, e)) goto done;
  if (check_print_enqueued(&c, e)) goto done;
  if (check_print_networks(&c, e)) goto done;
  check_print_run_time(&c, e);
done:
  objective_destroy(c.o);
  free(c.rehearsal);
  return e->code;
}

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct options *o, int *status)
{
  static const struct option options[] = {
      {"set", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  int c;
  argv[0] = (char *)"gsos check"; /* as getopt's messages begin */
  optind = 0;                     /* main has used it before */
  *status = 2;
  while ((c = getopt_long(argc, argv, "s:h", options, NULL)) != -1) {
    switch (c) {
    case 's':
      o->settings[o->n_settings++] = optarg;
      break;
    case 'h':
      fputs(help, stdout);
      *status = 0;
      return 1;
    default:
      fputs("Try 'gsos check --help'.\n", stderr);
      return 1;
    }
  }
  if (optind >= argc) return *status = usage_error("which FILE.ini?"), 1;
  if (optind + 1 < argc) return *status = usage_error("one FILE.ini at a time"), 1;
  o->ini = argv[optind];
  return 0;
}

int command_check(int argc, char **argv)
{
  struct options o = {.settings = calloc((size_t)argc + 1, sizeof *o.settings)};
  struct experiment *x = calloc(1, sizeof *x);
  struct error e = {0};
  int status = 1;
  if (!o.settings || !x) {
    fputs("gsos: no memory\n", stderr);
  } else if (parse(argc, argv, &o, &status) == 0) {
    signals_install();
    if (experiment_load(x, o.ini, o.settings, o.n_settings, &e) == 0) {
      check_experiment(x, &e);
      experiment_destroy(x);
    }
    fflush(stdout);
    if (e.code) fprintf(stderr, "gsos: %s\n", e.message);
    status = e.code ? exit_status(&e) : 0;
  }
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "gsos: standard output cannot be written: %s\n", strerror(errno));
    if (status == 0) status = 1;
  }
  free(o.settings);
  free(x);
  return status;
}
