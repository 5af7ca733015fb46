/* `gsos run`: an experiment from its ini file to its tables; what an earlier run left goes on where
 * it stood (experiment_run.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/experiment/experiment.h"
#include "sched/commands/command.h"
#include "sched/commands/experiment_run.h"

static const char help[] = "Usage: gsos run FILE.ini | DIR [--set SECTION.KEY=VALUE]... [--output DIR]\n"
                           "                               [--quiet] [--log json]\n"
                           "Search the hyperparameters that FILE.ini describes, with each of its strategies,\n"
                           "and print what they found and what it took.  A run that was stopped, however,\n"
                           "goes on where it stood when the same command is given again; a finished one\n"
                           "says so and prints its tables.  DIR, the output folder of a run, goes on from\n"
                           "DIR/run.ini, which is the experiment as it was last started.\n"
                           "\n"
                           "  -s, --set SECTION.KEY=VALUE   use VALUE for a key of the file; may be repeated\n"
                           "  -o, --output DIR              write to DIR, in place of [experiment] output\n"
                           "  -q, --quiet                   print the tables alone\n"
                           "  -l, --log json                write what happens to standard error, one JSON\n"
                           "                                object a line, in place of the progress lines\n"
                           "      --take-over               go on although another run seems to work on the\n"
                           "                                output (if you are sure that it is gone)\n"
                           "      --accept-change           go on although the results so far were made by\n"
                           "                                another processor, library, data set or gsos;\n"
                           "                                every table will say so\n"
                           "      --retry-failed            run the failed trials again; every table will\n"
                           "                                say so\n"
                           "      --fresh                   begin anew: what is there is set aside under its\n"
                           "                                name with the date, on a terminal after asking\n"
                           "  -h, --help                    print this and exit\n"
                           "\n"
                           "Keys that are often given (gsos --list keys; configs/reference.ini has all):\n"
                           "  experiment.trials=60          networks of each study; strategies=..., rounds=5\n"
                           "  experiment.metric=macro_f1    what counts; accuracy, balanced_accuracy, loss\n"
                           "  experiment.repeats=10         train the best of each study again, so often,\n"
                           "                                for mean and deviation; auto; 0: not\n"
                           "  experiment.start_from=DIR     know what earlier runs, or Optuna, found, and\n"
                           "                                try their best first (start_best, start_seen)\n"
                           "  experiment.time_limit=2h      stop then, to go on later; target=0.97: a study\n"
                           "                                ends where a trial reaches it\n"
                           "  experiment.sampler=tpe        what proposes: gp, tpe, random, grid\n"
                           "  gp.cost=flops                 try what is cheap first\n"
                           "  groups.from=auto              groups of each study's own first trials, or DIR\n"
                           "  pruner.kind=asha              end bad trials early; median; hyperband: bad\n"
                           "                                ones pause\n"
                           "  scheduler.devices=cuda:0,1    where trials run; cpu, cuda, auto\n"
                           "\n"
                           "Ctrl-C stops after the running steps, and loses no finished trial; a second one\n"
                           "stops at once.\n"
                           "\n"
                           "Examples:\n"
                           "  gsos run configs/quickstart.ini\n"
                           "  gsos run mine.ini --set experiment.trials=60 --set scheduler.parallel=8\n"
                           "  gsos run results/mine --set experiment.rounds=2\n"
                           "\n"
                           "On several boxes, with Open MPI (man gsos, SEVERAL BOXES):\n"
                           "  mpirun -np 2 --host alpha,beta gsos run mine.ini\n"
                           "\n"
                           "Where the first trials of a study all fail for the same kind of reason, the run\n"
                           "stops early and says why ([scheduler] stop_if_all_fail = no: it goes on).\n"
                           "\n"
                           "Exit status: 0 done, or stopped by [experiment] time_limit; 1 failed, also where\n"
                           "every trial has; 2 wrong usage or configuration, 130 interrupted, 143\n"
                           "terminated, 129 and 131 the same by SIGHUP and SIGQUIT.  After 1 and these the\n"
                           "same command goes on.\n";

static int act(void *options, struct experiment *x, struct error *e)
{
  bool complete;
  int code = run_options_output(options, x, e);
  if (!code) code = experiment_run(options, x, stdout, &complete, e);
  if (code == ERROR_INTERRUPTED && !strcmp(e->message, "stopped")) e->message[0] = 0; /* has been said */
  return code;
}

int command_run(int argc, char **argv)
{
  struct run_options o = {0};
  struct error e = {0};
  char *path = NULL;
  int status = 1;
  if (command_ini_open(&o.ini, argc) == 0 && run_options_parse(&o, "gsos run", help, argc, argv, &status) == 0) {
    if (run_options_folder(&o, &path, &e) == 0) {
      status = command_with_experiment(&o.ini, act, &o);
    } else {
      command_complain(&e);
      status = command_status(&e);
    }
  }
  free(path);
  command_ini_close(&o.ini);
  return command_end(status);
}
