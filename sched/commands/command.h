/* The commands of the program, one file each, and what they share: the command line, messages,
 * progress, the exit status.
 *
 * argv[0] is the command's name; a command returns the exit status (contract 6).  What is printed
 * on standard output is the result, everything else goes to standard error. */
#ifndef GSOS_COMMAND_H
#define GSOS_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/base/error.h"

struct experiment;

int command_check(int argc, char **argv);
int command_run(int argc, char **argv);
int command_train(int argc, char **argv);
int command_devices(int argc, char **argv);
int command_predict(int argc, char **argv);
int command_export(int argc, char **argv);
int command_show(int argc, char **argv);
int command_report(int argc, char **argv);
int command_compare(int argc, char **argv);
int command_importance(int argc, char **argv);
int command_study(int argc, char **argv);
int command_cache(int argc, char **argv);
/* `gsos --list`, for completion in a shell; `names` [n] are those of the commands. */
int command_list(int argc, char **argv, const char *const *names, int n);

/* ---- the command line ---- */

/* A command line while it is read. */
struct command_line {
  const char *name;    /* "gsos run", as messages begin */
  const char *help;    /* what --help prints */
  const char *letters; /* the options, as getopt_long takes them; 'h' is --help */
  const struct option *options;
  int argc;
  char **argv;
  int *status; /* out: the exit status of a command that ends here */
  bool begun;  /* false at first */
};

/* The next option's letter, its argument in optarg; 0 after the last one, and optind is the first
 * argument; -1: the command ends here, since help was asked for and printed, or an option is wrong,
 * which has been said.  *l->status is set then. */
int command_option(struct command_line *l);

/* The one argument after the options.  NULL where there is none (`which`, "which FILE.ini?", has
 * been said) or more than one (`one`, "one FILE.ini at a time"). */
const char *command_argument(struct command_line *l, const char *which, const char *one);

/* Says what is wrong with the command line and where help is; *l->status is 2.  Returns -1. */
int command_usage_error(struct command_line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- commands that read an ini file ---- */

struct command_ini {
  const char *path;
  bool json;             /* what ends the command is told as an event (json_log.h), and not as a line for people */
  const char **settings; /* [n_settings] "section.key=value", which go before the file's */
  int n_settings;
};

/* Room for the settings of a command line of `argc` words; command_ini_close frees it.  -1: no
 * memory, which has been said. */
int command_ini_open(struct command_ini *ini, int argc);
void command_ini_close(struct command_ini *ini);

/* Loads the experiment, lets signals ask for a stop from there on (until then they end the
 * program), and has `act` do with it what the command does.  Returns the exit status, as
 * command_status; what went wrong has been said. */
int command_with_experiment(const struct command_ini *ini,
                            int (*act)(void *context, struct experiment *x, struct error *e), void *context);

/* ---- commands that read a study database ---- */

/* The database that the user means by a folder or a file: *path malloc'ed, also after an error,
 * where it is not NULL.  `command` ("show") is named where there is none. */
int command_database(const char *command, const char *given, char **path, struct error *e);

/* ---- while it goes on, and its end ---- */

/* Progress of reading a data set (objective_progress), on a terminal only.  Returns true where a
 * signal asks for a stop.
 *   shown   const bool *: is it printed?  NULL: yes */
bool command_progress(void *shown, const char *what, int64_t done, int64_t total);

/* Writes what has been printed on standard output so far.  0, or the errno of what first went
 * wrong; EPIPE: the reader has gone. */
int command_flush(void);

/* Says the message of an error, below what has been printed; nothing where the message is empty. */
void command_complain(const struct error *e);

/* The exit status that follows from an error: 0 where there is none, 130 or 143 where a signal
 * stopped the command, 2 where the user's file or command line is wrong, else 1. */
int command_status(const struct error *e);

/* The end of a command: `status`, but 1 in place of 0 where standard output could not be written,
 * which is said.  A reader that has gone (`gsos show DIR | head`) has got what it wanted. */
int command_end(int status);

#endif
