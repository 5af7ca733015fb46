/* `gsos --list WHAT`: names that a command line may have, one a line, for completion in a shell
 * (completions/): the program's own tables, so that no list has to be kept beside them. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "sched/commands/command.h"
#include "host/base/text_escape.h"
#include "host/experiment/experiment.h"

static void list_keys(void)
{
  const struct experiment_key *k;
  for (int i = 0; (k = experiment_key(i)); i++)
    if (strcmp(k->key, "NAME") != 0) printf("%s.%s\n", k->section, k->key); /* NAME: the user's own */
}

/* The names that a key takes, or else its default where that is one word. */
static int list_values(const char *name)
{
  const char *dot = strchr(name, '.'), *choice;
  const struct experiment_key *k;
  char shown[200];
  for (int i = 0; dot && (k = experiment_key(i)); i++) {
    size_t section = (size_t)(dot - name);
    if (strncasecmp(k->section, name, section) != 0 || k->section[section] || strcasecmp(k->key, dot + 1) != 0)
      continue;
    for (int c = 0; (choice = experiment_key_choice(i, c)); c++) puts(choice);
    if (!experiment_key_choice(i, 0) && k->default_text[0] && !strchr(k->default_text, ' ')) puts(k->default_text);
    return 0;
  }
  fprintf(stderr, "gsos: there is no key '%s'; gsos --list keys prints them\n", text_escape(shown, sizeof shown, name));
  return 2;
}

int command_list(int argc, char **argv, const char *const *names, int n)
{
  const char *what = argc > 1 ? argv[1] : "";
  int status = 0;
  if (argc == 2 && !strcmp(what, "commands")) {
    for (int i = 0; i < n; i++) puts(names[i]);
  } else if (argc == 2 && !strcmp(what, "keys")) {
    list_keys();
  } else if (argc == 3 && !strcmp(what, "values")) {
    status = list_values(argv[2]);
  } else {
    fputs("gsos: --list takes commands, keys, or values SECTION.KEY\nTry 'gsos --help'.\n", stderr);
    status = 2;
  }
  return command_end(status);
}
