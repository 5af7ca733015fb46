/* Which files a command line names.  See command_files.h. */
#include "host/objectives/command_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "host/base/text_escape.h"

enum { DESCRIPTION_MAX = 400 }; /* bytes of names, whatever room there is: equal files, equal text */

void command_join(char out[COMMAND_PATH_MAX], const char *folder, const char *name)
{
  bool whole = name[0] == '/';
  int n = snprintf(out, COMMAND_PATH_MAX, "%s%s%s", whole ? "" : folder, whole ? "" : "/", name);
  if (n >= COMMAND_PATH_MAX) out[0] = 0;
}

bool command_is_file(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const char *base_name(const char *path)
{
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* ---- the program behind others --------------------------------------------------------------- */

/* Is it this program, with or without a version (python3.11)? */
static bool is_program(const char *word, const char *name)
{
  const char *base = base_name(word);
  size_t n = strlen(name);
  return !strncmp(base, name, n) && base[n + strspn(base + n, "0123456789.")] == 0;
}

static bool is_python(const char *word)
{
  return is_program(word, "python") || is_program(word, "pypy");
}

/* Interpreters, and the letters of options after which there is no script: the program itself (sh
 * -c, perl -e), a module (python -m). */
static const char *options_for_script(const char *word)
{
  static const struct {
    const char *name, *letters;
  } known[] = {{"python", "cm"}, {"pypy", "cm"},  {"sh", "cs"},   {"bash", "cs"}, {"dash", "cs"},
               {"zsh", "cs"},    {"ksh", "cs"},   {"perl", "eE"}, {"ruby", "e"},  {"node", "ep"},
               {"Rscript", "e"}, {"julia", "eE"}, {"lua", "e"},   {"php", "r"}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (is_program(word, known[i].name)) return known[i].letters;
  return NULL;
}

/* Programs that start the one that stands behind their options, in the same folder. */
static bool is_starter(const char *word)
{
  static const char *const names[] = {"nice",   "nohup",   "timeout", "stdbuf",  "setsid",
                                      "ionice", "taskset", "chrt",    "numactl", "time"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (is_program(word, names[i])) return true;
  return false;
}

/* Behind env, at `i`, and what that sets; `folder` becomes the one that it changes to. */
static int behind_env(const struct command_words *w, int i, char folder[COMMAND_PATH_MAX])
{
  char before[COMMAND_PATH_MAX];
  for (i++; i < w->n && (w->argv[i][0] == '-' || strchr(w->argv[i], '=')); i++) {
    const char *word = w->argv[i], *to = NULL;
    bool apart = !strcmp(word, "-C") || !strcmp(word, "--chdir"); /* the value is the next word */
    if (apart && i + 1 < w->n) to = w->argv[i + 1];
    if (!apart && !strncmp(word, "-C", 2)) to = word + 2;
    if (!strncmp(word, "--chdir=", 8)) to = word + 8;
    strcpy(before, folder);
    if (to) command_join(folder, before, to);
    i += apart || !strcmp(word, "-u") || !strcmp(word, "--unset");
  }
  return i;
}

/* The word that names the program: behind env, nice and their like.  `folder`: where it starts. */
static int program_word(const struct command_words *w, char folder[COMMAND_PATH_MAX])
{
  int i = 0;
  while (i < w->n && (is_program(w->argv[i], "env") || is_starter(w->argv[i]))) {
    if (is_program(w->argv[i], "env"))
      i = behind_env(w, i, folder);
    else /* what their options take is not known: the next word that is known to run a script */
      for (i++; i < w->n && !options_for_script(w->argv[i]) && !is_program(w->argv[i], "env");) i++;
  }
  return i < w->n ? i : 0;
}

/* ---- the script ------------------------------------------------------------------------------ */

static bool looks_like_script(const char *word)
{
  static const char *const ends[] = {".py",  ".sh", ".bash", ".pl", ".rb",  ".js",
                                     ".mjs", ".R",  ".r",    ".jl", ".lua", ".php"};
  const char *dot = strrchr(base_name(word), '.');
  for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
    if (!strcmp(dot, ends[i])) return true;
  return false;
}

static bool takes_scripts_place(const char *option, const char *letters)
{
  return !option[1] || (option[1] != '-' && strpbrk(option, letters)) || !strncmp(option, "--eval", 6);
}

int command_check_script(const struct command_words *w, const char *folder, struct error *e)
{
  char there[COMMAND_PATH_MAX];
  snprintf(there, sizeof there, "%s", folder);
  int program = program_word(w, there);
  bool options = false;
  const char *letters = options_for_script(w->argv[program]);
  if (!letters) return 0;
  for (int i = program + 1; i < w->n; i++) {
    const char *word = w->argv[i];
    char path[COMMAND_PATH_MAX], shown[2][1100];
    if (word[0] == '-' && takes_scripts_place(word, letters)) return 0;
    if (word[0] == '-') {
      options = true;
      continue;
    }
    command_join(path, there, word);
    if (access(path, F_OK) == 0) return 0;
    if (options && !looks_like_script(word)) continue; /* the value of an option */
    return error_set(e, ERROR_CONFIG, "%s is not there; it is looked for in %s%s",
                     text_escape(shown[0], sizeof shown[0], word), text_escape(shown[1], sizeof shown[1], there),
                     strpbrk(word, "~$*") ? ", and ~, $ and * are not understood here" : "");
  }
  return 0;
}

/* ---- the description ------------------------------------------------------------------------- */

struct description {
  char *text;
  size_t size;
  const char *folder;
  uLong rest; /* checksum of what does not fit */
  int n_rest;
};

static void append(struct description *d, const char *item)
{
  size_t used = strlen(d->text), n = strlen(item);
  if (d->n_rest == 0 && used + n + 2 <= DESCRIPTION_MAX) {
    snprintf(d->text + used, d->size - used, "%s%s", used ? ", " : "", item);
  } else {
    d->rest = crc32(d->rest, (const Bytef *)item, (uInt)n + 1);
    d->n_rest++;
  }
}

/* "NAME CHECKSUM"; the name alone where it cannot be read, as a program that may only be
 * executed. */
static void append_file(struct description *d, const char *path)
{
  unsigned char bytes[65536];
  char shown[200], item[240];
  uLong crc = crc32(0, NULL, 0);
  ssize_t n = -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0) crc = crc32(crc, bytes, (uInt)n);
  if (fd >= 0) close(fd);
  text_escape(shown, sizeof shown, base_name(path));
  if (n == 0)
    snprintf(item, sizeof item, "%s %08lx", shown, crc);
  else
    snprintf(item, sizeof item, "%s", shown);
  append(d, item);
}

/* Where `name` is a file. */
static bool append_if_file(struct description *d, const char *name)
{
  char path[COMMAND_PATH_MAX];
  command_join(path, d->folder, name);
  if (!*name || !command_is_file(path)) return false;
  append_file(d, path);
  return true;
}

/* The files among the words of a line for a shell, whose quotes and signs end a word. */
static void append_words(struct description *d, const char *line)
{
  static const char ends[] = " \t\n;|&()<>'\"`=";
  while (*(line += strspn(line, ends))) {
    size_t n = strcspn(line, ends);
    char *word = strndup(line, n);
    if (word) append_if_file(d, word);
    free(word);
    line += n;
  }
}

/* A module of Python's, in the folder: NAME.py, or a package's __init__.py and __main__.py. */
static void append_module(struct description *d, const char *module)
{
  static const char *const ends[] = {".py", "/__init__.py", "/__main__.py"};
  char name[COMMAND_PATH_MAX / 2], file[COMMAND_PATH_MAX], shown[200];
  bool found = false;
  snprintf(name, sizeof name, "%s", module);
  for (char *c = name; *c; c++)
    if (*c == '.') *c = '/';
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    snprintf(file, sizeof file, "%s%s", name, ends[i]);
    found = append_if_file(d, file) || found;
  }
  if (found) return;
  snprintf(file, sizeof file, "module %s not covered", text_escape(shown, sizeof shown, module));
  append(d, file);
}

/* "python3 folder" runs the folder's __main__.py. */
static bool append_main(struct description *d, const char *word)
{
  char name[COMMAND_PATH_MAX];
  return snprintf(name, sizeof name, "%s/__main__.py", word) < (int)sizeof name && append_if_file(d, name);
}

static void append_argument(struct description *d, const char *word)
{
  const char *sign = strchr(word, '=');
  if (append_if_file(d, word) || (sign && append_if_file(d, sign + 1))) return;
  if (strpbrk(word, " \t\n")) append_words(d, word);
}

/* What python's word `i` names: the last word that has been dealt with.  *more: options follow. */
static int append_pythons(struct description *d, const struct command_words *w, int i, bool *more)
{
  static const char flags[] = "bBdEhiIOPqsSuvVx"; /* letters that take no value */
  const char *word = w->argv[i], *letter = word + 1 + (*word == '-' ? strspn(word + 1, flags) : 0);
  *more = *word == '-' && *letter != 'm' && *letter != 'c' && word[1];
  if (*word == '-' && *letter == 'm' && (letter[1] || i + 1 < w->n)) {
    append_module(d, letter[1] ? letter + 1 : w->argv[++i]);
  } else {
    append_argument(d, word);
    if (*more && (!strcmp(letter, "X") || !strcmp(letter, "W")) && i + 1 < w->n) append_argument(d, w->argv[++i]);
    if (*word != '-') append_main(d, word);
  }
  return i;
}

void command_files_description(const struct command_words *w, const char *folder, char *text, size_t size)
{
  struct description d = {.text = text, .size = size, .folder = folder, .rest = crc32(0, NULL, 0)};
  char path[COMMAND_PATH_MAX], there[COMMAND_PATH_MAX], *found = NULL;
  snprintf(there, sizeof there, "%s", folder);
  int program = program_word(w, there);
  bool options = is_python(w->argv[program]); /* of python's may come, its script or its module */
  text[0] = 0;
  command_join(path, folder, w->path);
  append_file(&d, path);
  d.folder = there;
  for (int i = 1; i < w->n; i++) {
    const char *word = w->argv[i];
    if (i == program && !strchr(word, '/') && command_search_path(word, &found, NULL) == 0)
      append_file(&d, found);
    else if (options && i > program)
      i = append_pythons(&d, w, i, &options);
    else
      append_argument(&d, word);
  }
  free(found);
  size_t used = strlen(text);
  if (d.n_rest > 0) snprintf(text + used, size - used, ", %d more %08lx", d.n_rest, d.rest);
}
