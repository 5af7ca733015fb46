/* Words of a command line, and the program they name.  See command_words.h. */
#include "command_words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "text_escape.h"

enum { PATH_BYTES = 4096 };

/* ---- words ----------------------------------------------------------------------------------------------------------------- */

/* Takes the next word into `word`, which has room for all of the text; *text goes behind it.  -1: a quote is not closed, 0: no word. */
static int next_word(const char **text, char *word)
{
  const char *t = *text + strspn(*text, " \t");
  if (!*t) return 0;
  while (*t && *t != ' ' && *t != '\t') {
    if (*t == '"' || *t == '\'') {
      const char *end = strchr(t + 1, *t);
      if (!end) return -1;
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

static int split(struct command_words *w, const char *text, struct error *e)
{
  size_t length = strlen(text);
  char *word = malloc(length + 1);
  w->argv = calloc(length / 2 + 2, sizeof *w->argv);
  int code = word && w->argv ? 0 : error_set(e, ERROR_MACHINE, "no memory for a command line");
  while (!code) {
    int found = next_word(&text, word);
    if (found < 0) code = error_set(e, ERROR_CONFIG, "a quote is not closed");
    if (found <= 0) break;
    w->argv[w->n] = strdup(word);
    if (!w->argv[w->n++]) code = error_set(e, ERROR_MACHINE, "no memory for a command line");
  }
  free(word);
  if (!code && (w->n == 0 || !w->argv[0][0]))
    code = error_set(e, ERROR_CONFIG, "names no program; right is, for instance: python3 train.py");
  return code;
}

/* ---- the program ----------------------------------------------------------------------------------------------------------- */

static void join(char *out, const char *folder, const char *name)
{
  if (name[0] == '/')
    snprintf(out, PATH_BYTES, "%s", name);
  else
    snprintf(out, PATH_BYTES, "%s/%s", folder, name);
}

static bool is_file(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

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

/* In PATH, as a shell does.  *path: malloc'ed, absolute, since the program will run in another folder. */
static int search_path(const char *word, char **path, struct error *e)
{
  char candidate[PATH_BYTES], here[PATH_BYTES], folder[PATH_BYTES], shown[300];
  const char *list = getenv("PATH");
  if (!list) list = "/usr/local/bin:/usr/bin:/bin";
  while (list) {
    const char *end = strchrnul(list, ':');
    snprintf(folder, sizeof folder, "%.*s", (int)(end - list), list);
    list = *end ? end + 1 : NULL;
    if (folder[0] == '/')
      join(candidate, folder, word);
    else if (getcwd(here, sizeof here / 2) && strlen(folder) + strlen(word) < sizeof here / 2 - 2)
      snprintf(candidate, sizeof candidate, "%.2047s/%.1000s%s%.1000s", here, folder, folder[0] ? "/" : "", word);
    else
      continue;
    if (!is_file(candidate) || access(candidate, X_OK)) continue;
    *path = strdup(candidate);
    return *path ? 0 : error_set(e, ERROR_MACHINE, "no memory for a path");
  }
  return error_set(
      e, ERROR_CONFIG,
      "there is no program '%s' in PATH; one of the ini file's folder (or [command] folder) has ./ before it",
      text_escape(shown, sizeof shown, word));
}

int command_words_make(struct command_words *w, const char *text, const char *folder, struct error *e)
{
  char path[PATH_BYTES], shown[1100];
  struct stat st;
  memset(w, 0, sizeof *w);
  int code = split(w, text, e);
  if (!code && (stat(folder, &st) || !S_ISDIR(st.st_mode)))
    code = error_set(e, ERROR_CONFIG, "the folder %s is not there", text_escape(shown, sizeof shown, folder));
  if (!code && strchr(w->argv[0], '/')) {
    join(path, folder, w->argv[0]);
    code = check_program(w->argv[0], path, e);
    if (!code && !(w->path = strdup(w->argv[0]))) code = error_set(e, ERROR_MACHINE, "no memory for a path");
  } else if (!code) {
    code = search_path(w->argv[0], &w->path, e);
  }
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

/* ---- what it is made of ---------------------------------------------------------------------------------------------------- */

/* ", NAME CHECKSUM" to the text's end. */
static void append_file(char *text, size_t size, const char *path)
{
  unsigned char bytes[65536];
  const char *slash = strrchr(path, '/');
  char shown[200];
  uLong crc = crc32(0, NULL, 0);
  ssize_t n = -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0) crc = crc32(crc, bytes, (uInt)n);
  if (fd >= 0) close(fd);
  size_t used = strlen(text);
  text_escape(shown, sizeof shown, slash ? slash + 1 : path);
  if (n == 0)
    snprintf(text + used, size - used, "%s%s %08lx", used ? ", " : "", shown, crc);
  else /* may be executed without being read */
    snprintf(text + used, size - used, "%s%s", used ? ", " : "", shown);
}

void command_words_description(const struct command_words *w, const char *folder, char *text, size_t size)
{
  char path[PATH_BYTES];
  text[0] = 0;
  join(path, folder, w->path);
  append_file(text, size, path);
  for (int i = 1; i < w->n; i++) {
    join(path, folder, w->argv[i]);
    if (!w->argv[i][0] || !is_file(path)) continue;
    append_file(text, size, path);
    return;
  }
}
