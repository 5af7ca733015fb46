/* `gsos check`: what an ini file describes, and what it will take, before anything is run.
 *
 * Sections in the order in which doubts arise: is it what I meant (experiment, data set, space,
 * groups), can it run (feasibility, enqueued configurations, networks, memory), do I want to wait
 * for it (run time).  What is wrong ends it with exit status 2. */
#include <stdio.h>
#include <stdlib.h>

#include "sched/commands/check.h"
#include "sched/commands/command.h"
#include "sched/commands/start_of_runs.h"
#include "sched/run/resources.h"
#include "sched/run/signals.h"
#include "sched/study/study.h"

static const char help[] = "Usage: gsos check FILE.ini [--set SECTION.KEY=VALUE]...\n"
                           "Check FILE.ini and its data set: images of each class and part, images that are\n"
                           "there twice, what is too small to measure by.  Show what would be searched: the\n"
                           "space, the groups and their trials, how much of the space is infeasible, the\n"
                           "networks' sizes, the memory they need, and an estimate of the run time, for\n"
                           "which this machine trains for a second or two.  Nothing is written but the cache\n"
                           "of decoded images.\n"
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

/* ---- the command ----------------------------------------------------------------------------- */

static void count_trials(struct check *c)
{
  const struct experiment *x = c->x;
  c->studies = (int64_t)x->n_strategies * x->rounds;
  c->trials = c->studies * x->trials;
  c->cores = machine_cores();
  c->at = objective_at_once(c->o, x->slots, c->cores, study_trials_at_once(x));
}

static int check_experiment(void *context, struct experiment *x, struct error *e)
{
  (void)context;
  struct check c = {.x = x, .rehearsal = malloc(sizeof *c.rehearsal)};
  if (!c.rehearsal) return error_set(e, ERROR_MACHINE, "no memory");
  x->dataset.keep_names = true; /* copies are shown by them */
  if (objective_create(&c.o, x, command_progress, NULL, e) || study_check(x, c.o, e) || start_of_runs(x, c.o, e))
    goto done;
  space_defaults(&x->space, c.defaults);
  if (c.o->cost(c.o, c.defaults, &c.default_cost, e)) goto done;
  count_trials(&c);
  check_print_experiment(&c);
  check_print_space(&x->space);
  check_print_groups(x);
  fflush(stdout);
  if (check_print_feasibility(&c, e)) goto done;
  if (rehearsal_make(c.rehearsal, c.o, x, &signals_stop, e)) goto done;
  check_print_start(&c);
  if (check_print_enqueued(&c, e)) goto done;
  if (check_print_networks(&c, e)) goto done;
  check_print_run_time(&c, e);
done:
  objective_destroy(c.o);
  free(c.rehearsal);
  return e->code;
}

/* 0: go on; else *status is the exit status. */
static int parse(int argc, char **argv, struct command_ini *ini, int *status)
{
  static const struct option options[] = {
      {"set", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
  struct command_line line = {"gsos check", help, "s:h", options, argc, argv, status, false};
  int c;
  while ((c = command_option(&line)) > 0) ini->settings[ini->n_settings++] = optarg;
  if (c < 0) return c;
  ini->path = command_argument(&line, "which FILE.ini?", "one FILE.ini at a time");
  return ini->path ? 0 : -1;
}

int command_check(int argc, char **argv)
{
  struct command_ini ini;
  int status = 1;
  if (command_ini_open(&ini, argc) == 0 && parse(argc, argv, &ini, &status) == 0)
    status = command_with_experiment(&ini, check_experiment, NULL);
  command_ini_close(&ini);
  return command_end(status);
}
