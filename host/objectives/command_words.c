/* Words of a command line, and the program they name.  See command_words.h. */
#include "host/objectives/command_words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/text_escape.h"
#include "host/objectives/command_files.h"

/* ---- words ----------------------------------------------------------------------------------- */

/* Takes the next word into `word`, which has room for all of the text; *text goes behind it.
 * *quoted: some of it stood in quotes. -1: a quote is not closed, 0: no word. */
static int next_word(const char **text, char *word, bool *quoted)
{
  const char *t = *text + strspn(*text, " \t");
  *quoted = false;
  if (!*t) return 0;
  while (*t && *t != ' ' && *t != '\t') {
    if (*t == '"' || *t == '\'') {
      const char *end = strchr(t + 1, *t);
      if (!end) return -1;
      *quoted = true;
      memcpy(word, t + 1, (size_t)(end - t - 1));
      word += end - t - 1;
      t = end + 1;
    } else {
      *word++ = *t++;
    }
  }
  *word = 0;
  *text = t;
  return 1;
}

/* What a shell would understand by a word without quotes; NULL: nothing but a word. */
static const char *shell_sign(const char *word)
{
  size_t n = strlen(word);
  const char *sign = word + strspn(word, "0123456789");
  if (*sign == '<' || *sign == '>' || (*sign == '&' && sign[1] == '>')) return "redirection";
  if (!strcmp(word, "|") || !strcmp(word, "|&")) return "pipe";
  if (!strcmp(word, "||") || !strcmp(word, "&&") || !strcmp(word, "&") || (n > 0 && word[n - 1] == ';'))
    return "end of a command";
  return *word == '|' ? "pipe" : NULL;
}

/* Without a word about them they would become arguments, which few programs complain of. */
static int refuse_sign(const char *word, const char *sign, struct error *e)
{
  char shown[300];
  return error_set(e, ERROR_CONFIG,
                   "'%s' is no %s here, since no shell reads this line; for a shell: run = sh -c '...'; as an argument "
                   "it stands in quotes",
                   text_escape(shown, sizeof shown, word), sign);
}

static int split(struct command_words *w, const char *text, struct error *e)
{
  size_t length = strlen(text);
  char *word = malloc(length + 1);
  w->argv = calloc(length / 2 + 2, sizeof *w->argv);
  int code = word && w->argv ? 0 : error_set(e, ERROR_MACHINE, "no memory for a command line");
  while (!code) {
    bool quoted;
    int found = next_word(&text, word, &quoted);
    const char *sign = found > 0 && !quoted ? shell_sign(word) : NULL;
    if (found < 0) code = error_set(e, ERROR_CONFIG, "a quote is not closed");
    if (sign) code = refuse_sign(word, sign, e);
    if (found <= 0 || sign) break;
    w->argv[w->n] = strdup(word);
    if (!w->argv[w->n++]) code = error_set(e, ERROR_MACHINE, "no memory for a command line");
  }
  free(word);
  if (!code && (w->n == 0 || !w->argv[0][0]))
    code = error_set(e, ERROR_CONFIG, "names no program; right is, for instance: python3 train.py");
  return code;
}

/* ---- the program ----------------------------------------------------------------------------- */

static int check_program(const char *word, const char *path, struct error *e)
{
  char shown[1100];
  struct stat st;
  text_escape(shown, sizeof shown, path);
  if (stat(path, &st)) return error_set(e, ERROR_CONFIG, "%s: %s", shown, strerror(errno));
  if (!S_ISREG(st.st_mode)) return error_set(e, ERROR_CONFIG, "%s is no file", shown);
  if (access(path, X_OK) == 0) return 0;
  return error_set(e, ERROR_CONFIG,
                   "%s is not executable: chmod +x it, or put before it what runs it, as python3 or sh%s", shown,
                   errno == EACCES || !word ? "" : " (or its file system forbids it)");
}

int command_search_path(const char *word, char **path, struct error *e)
{
  char candidate[COMMAND_PATH_MAX], here[COMMAND_PATH_MAX], folder[COMMAND_PATH_MAX], shown[300];
  const char *list = getenv("PATH");
  if (!list) list = "/usr/local/bin:/usr/bin:/bin";
  while (list) {
    const char *end = strchrnul(list, ':');
    snprintf(folder, sizeof folder, "%.*s", (int)(end - list), list);
    list = *end ? end + 1 : NULL;
    if (folder[0] == '/')
      command_join(candidate, folder, word);
    else if (getcwd(here, sizeof here / 2) && strlen(folder) + strlen(word) < sizeof here / 2 - 2)
      snprintf(candidate, sizeof candidate, "%.2047s/%.1000s%s%.1000s", here, folder, folder[0] ? "/" : "", word);
    else
      continue;
    if (!command_is_file(candidate) || access(candidate, X_OK)) continue;
    *path = strdup(candidate);
    return *path ? 0 : error_set(e, ERROR_MACHINE, "no memory for a path");
  }
  if (strchr(word, '='))
    return error_set(e, ERROR_CONFIG, "'%s' is no program; to set a variable, put env before it",
                     text_escape(shown, sizeof shown, word));
  return error_set(
      e, ERROR_CONFIG,
      "there is no program '%s' in PATH; one of the ini file's folder (or [command] folder) has ./ before it",
      text_escape(shown, sizeof shown, word));
}

int command_words_make(struct command_words *w, const char *text, const char *folder, struct error *e)
{
  char path[COMMAND_PATH_MAX], shown[1100];
  struct stat st;
  memset(w, 0, sizeof *w);
  int code = split(w, text, e);
  if (!code && (stat(folder, &st) || !S_ISDIR(st.st_mode)))
    code = error_set(e, ERROR_CONFIG, "the folder %s is not there", text_escape(shown, sizeof shown, folder));
  if (!code && strchr(w->argv[0], '/')) {
    command_join(path, folder, w->argv[0]);
    code = check_program(w->argv[0], path, e);
    if (!code && !(w->path = strdup(w->argv[0]))) code = error_set(e, ERROR_MACHINE, "no memory for a path");
  } else if (!code) {
    code = command_search_path(w->argv[0], &w->path, e);
  }
  if (!code) code = command_check_script(w, folder, e);
  if (code) command_words_free(w);
  return code;
}

void command_words_free(struct command_words *w)
{
  for (int i = 0; i < w->n; i++) free(w->argv[i]);
  free(w->argv);
  free(w->path);
  memset(w, 0, sizeof *w);
}
