/* gsos: finds good hyperparameters for small image-classification networks, fast.
 *
 * main reads the command's name and hands the rest to it.  A command is one file, command_NAME.c, and one line below. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "nearest.h"
#include "pruner.h"
#include "sampler.h"
#include "strategy.h"
#include "version.h"

struct command {
  const char *name, *arguments, *summary;
  int (*run)(int argc, char **argv); /* argv[0]: the command's name; returns the exit status */
};

static const struct command commands[] = {
    {"run", "FILE.ini", "search; goes on where it stopped", command_run},
    {"check", "FILE.ini", "show what is searched, and what it takes", command_check},
    {"train", "FILE.ini", "train one configuration, epoch by epoch", command_train},
    {"show", "DIR | study.db", "trials, tables, best configuration of a run", command_show},
    {"devices", "", "where trials can run on this machine", command_devices},
    {"predict", "FILE.safetensors IMAGE...", "class of each image by a saved network", command_predict},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(void)
{
  puts("Usage: gsos COMMAND [OPTION]... FILE...\n"
       "Find good hyperparameters for small image-classification networks, fast: one\n"
       "importance group at a time (Grouped Sequential Optimization Strategy).\n"
       "\n"
       "Commands:");
  for (int i = 0; i < COMMANDS; i++) {
    char left[80];
    snprintf(left, sizeof left, "%s %s", commands[i].name, commands[i].arguments);
    printf("  %-33s %s\n", left, commands[i].summary);
  }
  puts("\n"
       "  --help      print this and exit; gsos COMMAND --help tells of a command\n"
       "  --version   print the version and exit\n");
  printf("Strategies: ");
  for (int i = 0; strategies[i]; i++) printf("%s%s", i ? ", " : "", strategies[i]->name);
  printf(".  Samplers: ");
  for (int i = 0; samplers[i]; i++) printf("%s%s", i ? ", " : "", samplers[i]->name);
  printf(".\nPruners: ");
  for (int i = 0; pruners[i]; i++) printf("%s%s", i ? ", " : "", pruners[i]->name);
  printf(".  Objectives: cnn, function, command");
  puts(".\n"
       "\n"
       "Examples:\n"
       "  gsos run configs/quickstart.ini\n"
       "  gsos check mine.ini --set dataset.path=photos\n"
       "  gsos show results/quickstart\n"
       "\n"
       "Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted,\n"
       "143 terminated.");
}

static int flush_stdout(int status)
{
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  fprintf(stderr, "gsos: standard output cannot be written: %s\n", strerror(errno));
  return status ? status : 1;
}

static int unknown(const char *word)
{
  const char *names[COMMANDS];
  for (int i = 0; i < COMMANDS; i++) names[i] = commands[i].name;
  const char *near = nearest_word(word, names, COMMANDS);
  fprintf(stderr, "gsos: there is no command '%s'", word);
  if (near) fprintf(stderr, "; did you mean '%s'?", near);
  fprintf(stderr, "\nTry 'gsos --help'.\n");
  return 2;
}

int main(int argc, char **argv)
{
  if (argc < 2) {
    fprintf(stderr, "gsos: which command?\nTry 'gsos --help'.\n");
    return 2;
  }
  const char *word = argv[1];
  for (int i = 0; i < COMMANDS; i++) {
    if (!strcmp(commands[i].name, word)) return commands[i].run(argc - 1, argv + 1);
  }
  if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
    print_help();
    return flush_stdout(0);
  }
  if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
    puts("gsos " GSOS_VERSION);
    return flush_stdout(0);
  }
  if (word[0] == '-') {
    fprintf(stderr, "gsos: there is no option '%s' before a command\nTry 'gsos --help'.\n", word);
    return 2;
  }
  return unknown(word);
}
