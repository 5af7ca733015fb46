/* gsos: finds good hyperparameters for small image-classification networks, fast.
 *
 * main reads the command's name and hands the rest to it.  A command is one file, command_NAME.c,
 * and one line below. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "sched/boxes/boxes.h"
#include "sched/commands/command.h"
#include "host/base/cpu_isa.h"
#include "host/base/spelling.h"
#include "host/experiment/experiment.h"
#include "host/experiment/names.h"
#include "host/importance/importance.h"
#include "sched/study/pruner.h"
#include "host/samplers/sampler.h"
#include "sched/study/strategy.h"
#include "host/base/version.h"

struct command {
  const char *name, *arguments, *summary;
  int (*run)(int argc, char **argv); /* argv[0]: the command's name; returns the exit status */
  bool boxes;                        /* runs trials on all ranks, where mpirun has started several */
};

static const struct command commands[] = {
    {"run", "FILE.ini", "search; goes on where it stopped", command_run, true},
    {"check", "FILE.ini", "show what is searched, and what it takes", command_check, false},
    {"train", "FILE.ini", "train one configuration, epoch by epoch", command_train, false},
    {"show", "DIR | study.db...", "trials, tables, best configuration of runs", command_show, false},
    {"report", "DIR | study.db", "a page for a browser: figures and tables", command_report, false},
    {"compare", "DIR | study.db...", "runs side by side, and their mean", command_compare, false},
    {"importance", "DIR | study.db...", "how much each hyperparameter mattered", command_importance, false},
    {"study", "FILE.ini", "random trials on data sets, and importance", command_study, true},
    {"devices", "", "where trials can run on this machine", command_devices, false},
    {"cache", "", "list, limit or clear what decoded data take", command_cache, false},
    {"predict", "FILE.safetensors IMAGE...", "classes of images, and of folders of them", command_predict, false},
    {"export", "FILE.safetensors", "a network as ONNX, or for PyTorch", command_export, false},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_names(const char *heading, const char *const *names)
{
  fputs(heading, stdout);
  for (int i = 0; names[i]; i++) printf("%s%s", i ? ", " : "", names[i]);
}

/* The names that a key takes. */
static void print_choices(const char *heading, const char *section, const char *key)
{
  const struct experiment_key *k;
  const char *name;
  fputs(heading, stdout);
  for (int i = 0; (k = experiment_key(i)); i++)
    if (!strcmp(k->section, section) && !strcmp(k->key, key))
      for (int n = 0; (name = experiment_key_choice(i, n)); n++) printf("%s%s", n ? ", " : "", name);
}

static void print_help(void)
{
  static const char *const formats[] = {DATASET_FORMATS(NAME_WORD) NULL};
  static const char *const precisions[] = {PRECISIONS(NAME_TEXT) NULL};
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
       "  --version   print the version and exit\n"
       "  --list commands | keys | values SECTION.KEY\n"
       "              print names, one a line, as completion in a shell uses them\n");
  printf("Strategies: ");
  for (int i = 0; strategies[i]; i++) printf("%s%s", i ? ", " : "", strategies[i]->name);
  printf(".  Samplers: ");
  for (int i = 0; samplers[i]; i++) printf("%s%s", i ? ", " : "", samplers[i]->name);
  printf(".\nPruners: ");
  for (int i = 0; pruners[i]; i++) printf("%s%s", i ? ", " : "", pruners[i]->name);
  print_names(".  Objectives: ", objective_names);
  print_names(".\nData sets: ", formats);
  print_names(".  Precisions: ", precisions);
  print_names(".\nMeasures of importance: ", importance_method_names);
  print_choices(".\nMetrics: ", "experiment", "metric");
  print_choices(".\nWeights of classes: ", "model", "class_weights");
  puts(".\n"
       "\n"
       "Examples:\n"
       "  gsos run configs/quickstart.ini\n"
       "  gsos check mine.ini --set dataset.path=photos\n"
       "  gsos show results/quickstart\n"
       "  gsos report results/quickstart\n"
       "  gsos importance results/quickstart\n"
       "  gsos study configs/study.ini\n"
       "\n"
       "Environment: GSOS_ISA=baseline, avx2 or avx512 caps the instruction set, for\n"
       "tests and for having again what a lesser processor found.\n"
       "\n"
       "Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted,\n"
       "143 terminated.");
}

static int unknown(const char *word, const char *const *names)
{
  const char *near = nearest_word(word, names, COMMANDS);
  fprintf(stderr, "gsos: there is no command '%s'", word);
  if (near) fprintf(stderr, "; did you mean '%s'?", near);
  fprintf(stderr, "\nTry 'gsos --help'.\n");
  return 2;
}

/* A command, where the environment is as it must be. */
static int run_command(const struct command *c, int argc, char **argv)
{
  struct error e = {0};
  if (!cpu_isa_check(&e)) return c->boxes ? boxes_command(c->run, argc, argv) : c->run(argc, argv);
  fprintf(stderr, "gsos: %s\n", e.message);
  return 2;
}

int main(int argc, char **argv)
{
  if (argc < 2) {
    fprintf(stderr, "gsos: which command?\nTry 'gsos --help'.\n");
    return 2;
  }
  const char *word = argv[1], *names[COMMANDS];
  for (int i = 0; i < COMMANDS; i++) names[i] = commands[i].name;
  for (int i = 0; i < COMMANDS; i++) {
    if (!strcmp(commands[i].name, word)) return run_command(&commands[i], argc - 1, argv + 1);
  }
  if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
    print_help();
    return command_end(0);
  }
  if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
    puts("gsos " GSOS_VERSION);
    return command_end(0);
  }
  if (!strcmp(word, "--list")) return command_list(argc - 1, argv + 1, names, COMMANDS);
  if (word[0] == '-') {
    fprintf(stderr, "gsos: there is no option '%s' before a command\nTry 'gsos --help'.\n", word);
    return 2;
  }
  return unknown(word, names);
}
