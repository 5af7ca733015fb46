/* Reading an ini file strictly.  See ini.h for why.
 *
 *   read the bytes -> walk the lines (names, lines, what is wrong; a cleaned copy) -> iniparser on
 *   the copy -> values
 *
 * The cleaned copy differs from the file in its byte order mark, carriage returns and comments of
 * whole lines or behind a section, which are left out; so a comment may be as long as it likes and
 * may end in a backslash.  iniparser 4.1 reads files by name only, so the copy is an anonymous file
 * in memory with a name under /proc, or a temporary file where there is no /proc. */
#include <errno.h>
#include <fcntl.h>
#include <iniparser/iniparser.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/experiment/ini.h"
#include "host/experiment/ini_internal.h"
#include "host/base/text_escape.h"

/* ------------------------------------------------------------- the bytes ---- */

/* Why a file cannot be read, said for a person who typed its name. */
static int open_error(struct error *e, const char *path, int why)
{
  char shown[400], other[1100];
  text_escape(shown, sizeof shown, path);
  if (why == ENOENT) {
    snprintf(other, sizeof other, "%s.ini", path);
    bool near = access(other, R_OK) == 0;
    return error_set(e, ERROR_CONFIG, "%s: there is no such file%s%s%s", shown, near ? ": did you mean '" : "",
                     near ? shown : "", near ? ".ini'?" : "");
  }
  if (why == EISDIR) return error_set(e, ERROR_CONFIG, "%s: is a folder; name the ini file in it", shown);
  return error_set(e, why == ENOMEM || why == EIO || why == EMFILE ? ERROR_MACHINE : ERROR_CONFIG,
                   "%s: cannot be read: %s", shown, strerror(why));
}

static int read_bytes(struct ini *ini, char **bytes, size_t *size, struct error *e)
{
  int rc = 0;
  char *text = NULL;
  size_t n = 0;
  int fd = open(ini->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return open_error(e, ini->path, errno);
  struct stat st;
  if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
    rc = open_error(e, ini->path, S_ISDIR(st.st_mode) ? EISDIR : errno);
    goto done;
  }
  const char *slash = strrchr(ini->path, '/');
  if (!slash || !S_ISREG(st.st_mode)) /* what comes through a pipe belongs to where we are */
    strcpy(ini->folder, ".");
  else
    snprintf(ini->folder, sizeof ini->folder, "%.*s", slash == ini->path ? 1 : (int)(slash - ini->path), ini->path);
  text = malloc(INI_FILE_MAX + 1);
  if (!text) {
    rc = ini_no_memory(e);
    goto done;
  }
  while (n <= INI_FILE_MAX) {
    ssize_t got = read(fd, text + n, INI_FILE_MAX + 1 - n);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      rc = open_error(e, ini->path, errno);
      goto done;
    }
    if (got == 0) break;
    n += (size_t)got;
  }
  if (n > INI_FILE_MAX) {
    char shown[400];
    rc = error_set(e, ERROR_CONFIG, "%s: is larger than %d KiB, which no ini file is: is it the right file?",
                   text_escape(shown, sizeof shown, ini->path), INI_FILE_MAX / 1024);
    goto done;
  }
  *bytes = text;
  *size = n;
  text = NULL;
done:
  free(text);
  close(fd);
  return rc;
}

/* ------------------------------------------------------------- the lines ---- */

static bool begins_comment(char c)
{
  return c == '#' || c == ';';
}

/* Where the comment of a value begins, as iniparser sees it; NULL where there is none.  *close: the
 * closing quote of a quoted value, NULL where it is open or the value is plain. */
static const char *find_comment(const char *value, const char **close_quote)
{
  *close_quote = NULL;
  if (*value != '"' && *value != '\'') return strpbrk(value, "#;");
  const char *c = strchr(value + 1, *value);
  if (!c) return NULL;
  *close_quote = c;
  return strpbrk(c + 1, "#;");
}

/* Refuses what iniparser would cut off or drop: an open quote, text behind a closing one, '#' or
 * ';' inside a word. */
static int check_value(const struct ini *ini, int line, const char *key, const char *value, struct error *e)
{
  char shown[120];
  text_escape(shown, sizeof shown, key);
  const char *quote, *comment = find_comment(value, &quote);
  if (*value == '"' || *value == '\'') {
    if (!quote) return ini_line_error(e, ini, line, "%s: the quote %c is not closed", shown, *value);
    const char *backslash = strchr(value, '\\');
    if (backslash && backslash < quote)
      return ini_line_error(e, ini, line,
                            "%s: a backslash within quotes means different things to different versions of iniparser; "
                            "only a value without quotes can have one",
                            shown);
    const char *rest = quote + 1;
    while (ini_is_space(*rest)) rest++;
    if (*rest && rest != comment)
      return ini_line_error(
          e, ini, line, "%s: text follows the closing quote %c: put all of the value inside the quotes", shown, *value);
  } else if (comment && comment > value && !ini_is_space(comment[-1])) {
    return ini_line_error(
        e, ini, line,
        "%s: '%c' begins a comment, also within a word: put the value in double quotes if it belongs to the "
        "value, or a space before it if it does not",
        shown, *comment);
  }
  return 0;
}

/* A line that is to be joined with the next: what stands in it must not swallow that one. */
static int check_joined(const struct ini *ini, int line, const char *text, struct error *e)
{
  while (ini_is_space(*text)) text++;
  if (*text == '[')
    return ini_line_error(e, ini, line, "a section ends with its line: delete the backslash at the end");
  const char *quote, *value = strchr(text, '=');
  if (!value) return 0;
  value++;
  while (ini_is_space(*value)) value++;
  if (!find_comment(value, &quote)) return 0;
  return ini_line_error(e, ini, line,
                        "a comment that ends in a backslash would swallow the next line: delete the backslash");
}

struct walk {
  struct ini *ini;
  char section[INI_LINE_MAX + 1]; /* in lower case */
  bool in_section;
  FILE *clean; /* what iniparser gets */
};

static int walk_section(struct walk *w, int line, char *text, struct error *e)
{
  char *end = strchr(text, ']');
  char shown[200];
  if (!end)
    return ini_line_error(e, w->ini, line, "'%s': a section needs its closing bracket: [name]",
                          text_escape(shown, sizeof shown, text));
  char *rest = end + 1;
  while (ini_is_space(*rest)) rest++;
  if (*rest && !begins_comment(*rest))
    return ini_line_error(e, w->ini, line, "'%s': nothing but a comment may follow a section on its line",
                          text_escape(shown, sizeof shown, text));
  *end = 0;
  char *name = ini_strip(text + 1);
  if (!*name) return ini_line_error(e, w->ini, line, "a section without a name: [name]");
  int rc = ini_add_section(w->ini, name, strlen(name), line, e);
  if (rc) return rc;
  strcpy(w->section, w->ini->sections[w->ini->n_sections - 1].name);
  w->in_section = true;
  fprintf(w->clean, "[%s]\n", w->section);
  return 0;
}

static int walk_line(struct walk *w, int line, char *text, struct error *e)
{
  char shown[200];
  text = ini_strip(text);
  if (!*text) return 0;
  if (*text == '[') return walk_section(w, line, text, e);
  char *equals = strchr(text, '=');
  if (!equals)
    return ini_line_error(e, w->ini, line,
                          "'%s' is neither a [section], nor a 'key = value', nor a comment beginning with #",
                          text_escape(shown, sizeof shown, text));
  if (!w->in_section)
    return ini_line_error(e, w->ini, line, "'%s' stands before the first [section]",
                          text_escape(shown, sizeof shown, text));
  fprintf(w->clean, "%s\n", text);
  *equals = 0;
  char *key = ini_strip(text), *value = equals + 1;
  while (ini_is_space(*value)) value++;
  if (!*key) return ini_line_error(e, w->ini, line, "no key before the '='");
  size_t unseen = text_invisible(key);
  if (unseen != SIZE_MAX)
    return ini_line_error(e, w->ini, line,
                          "'%s': a character that is not seen stands in the name, behind %zu others: delete it (text "
                          "from a web page often has some)",
                          text_escape(shown, sizeof shown, key), unseen);
  const struct ini_entry *first = ini_find(w->ini, w->section, key);
  if (first) {
    bool same = !strcmp(first->key, key);
    return ini_line_error(e, w->ini, line, "[%s] %s is there already, in line %d%s: keep one of them", w->section,
                          text_escape(shown, sizeof shown, key), first->line,
                          same ? "" : " in other letters (capitals make no difference)");
  }
  int rc = check_value(w->ini, line, key, value, e);
  return rc ? rc : ini_add_entry(w->ini, w->section, key, strlen(key), "", line, e);
}

/* Line by line, those that end in a backslash joined with the next. */
static int walk(struct walk *w, const char *bytes, size_t size, struct error *e)
{
  char joined[INI_LINE_MAX + 2];
  size_t length = 0;
  int line = 0, first_line = 0;
  const char *end = bytes + size;
  while (bytes < end || length) {
    bool at_end = bytes >= end; /* the file ended in a backslash */
    const char *stop = at_end ? end : memchr(bytes, '\n', (size_t)(end - bytes));
    if (!stop) stop = end;
    size_t n = (size_t)(stop - bytes);
    line++;
    if (n > 0 && bytes[n - 1] == '\r') n--;
    while (n > 0 && ini_is_space(bytes[n - 1])) n--;
    size_t indent = 0;
    while (indent < n && ini_is_space(bytes[indent])) indent++;
    const void *nul = memchr(bytes, 0, n);
    if (nul)
      return ini_line_error(e, w->ini, line,
                            "a zero byte: is this a text file? (One in UTF-16 must be saved as UTF-8)");
    if (length > 0 && n == indent)
      return ini_line_error(e, w->ini, first_line,
                            "a backslash at the end joins the line with the next, and there is none: delete it");
    bool comment = length == 0 && indent < n && begins_comment(bytes[indent]);
    if (!comment) {
      for (size_t i = 0; i < n; i++) {
        if (((unsigned char)bytes[i] < 32 && bytes[i] != '\t') || bytes[i] == 127)
          return ini_line_error(e, w->ini, line,
                                "the control character 0x%02x in column %zu has no meaning here: delete it",
                                (unsigned char)bytes[i], i + 1);
      }
      if (length + n > INI_LINE_MAX)
        return ini_line_error(e, w->ini, line, "the line has %zu characters; at most %d can be read", length + n,
                              INI_LINE_MAX);
      if (length == 0) first_line = line;
      memcpy(joined + length, bytes, n);
      length += n;
      bool goes_on = length > 0 && joined[length - 1] == '\\' && !at_end;
      if (goes_on) {
        joined[length - 1] = ' '; /* iniparser joins with nothing between; a space keeps words apart */
        joined[length] = 0;
        int rc = check_joined(w->ini, line, joined, e);
        if (rc) return rc;
      } else {
        joined[length] = 0;
        length = 0;
        int rc = walk_line(w, first_line, joined, e);
        if (rc) return rc;
      }
    }
    bytes = stop < end ? stop + 1 : end;
    if (at_end) break;
  }
  return 0;
}

/* ------------------------------------------------------------- iniparser ---- */

static pthread_mutex_t parser_lock = PTHREAD_MUTEX_INITIALIZER; /* its callback is global */
static char parser_message[300];

__attribute__((format(printf, 1, 2))) static int keep_message(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int n = vsnprintf(parser_message, sizeof parser_message, format, args);
  va_end(args);
  return n;
}

/* An open file with these bytes and a name to open it by.  Returns the descriptor, or -1 with
 * errno; *temporary: the name is to be unlinked. */
static int named_copy(const char *bytes, size_t size, char *name, size_t name_size, bool *temporary)
{
  *temporary = false;
  int fd = memfd_create("gsos-ini", MFD_CLOEXEC);
  if (fd >= 0) {
    snprintf(name, name_size, "/proc/self/fd/%d", fd);
    if (access(name, R_OK) != 0) {
      close(fd);
      fd = -1;
    }
  }
  if (fd < 0) {
    const char *folder = getenv("TMPDIR");
    snprintf(name, name_size, "%s/gsos-ini-XXXXXX", folder && *folder ? folder : "/tmp");
    fd = mkstemp(name);
    if (fd < 0) return -1;
    *temporary = true;
  }
  for (size_t done = 0; done < size;) {
    ssize_t n = write(fd, bytes + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int why = errno;
      close(fd);
      if (*temporary) unlink(name);
      errno = why;
      return -1;
    }
    done += (size_t)n;
  }
  return fd;
}

/* Fills in the entries' values. */
static int parse_values(struct ini *ini, const char *clean, size_t size, struct error *e)
{
  char name[1100], shown[400], key[2 * INI_LINE_MAX + 2];
  bool temporary;
  int fd = named_copy(clean, size, name, sizeof name, &temporary);
  if (fd < 0) return error_errno(e, "cannot make a temporary file");
  pthread_mutex_lock(&parser_lock);
  parser_message[0] = 0;
  iniparser_set_error_callback(keep_message);
  dictionary *d = iniparser_load(name);
  iniparser_set_error_callback(NULL);
  pthread_mutex_unlock(&parser_lock);
  if (temporary) unlink(name);
  close(fd);
  text_escape(shown, sizeof shown, ini->path);
  if (!d) return error_set(e, ERROR_CONFIG, "%s: iniparser cannot read it: %s", shown, parser_message);
  int rc = 0;
  for (int i = 0; i < ini->n && !rc; i++) {
    struct ini_entry *entry = &ini->entries[i];
    snprintf(key, sizeof key, "%s:%s", entry->section, entry->key);
    const char *value = iniparser_getstring(d, key, NULL);
    if (!value) {
      rc = ini_line_error(e, ini, entry->line, "iniparser cannot read this line");
      break;
    }
    free(entry->value);
    entry->value = ini_copy(value, strlen(value));
    if (!entry->value) rc = ini_no_memory(e);
  }
  iniparser_freedict(d);
  return rc;
}

int ini_read(struct ini *ini, const char *path, struct error *e)
{
  memset(ini, 0, sizeof *ini);
  if (strlen(path) >= sizeof ini->path) return error_set(e, ERROR_CONFIG, "the ini file's path is too long");
  strcpy(ini->path, path);
  char *bytes = NULL, *clean = NULL;
  size_t size = 0, clean_size = 0;
  struct walk w = {ini, "", false, NULL};
  int rc = read_bytes(ini, &bytes, &size, e);
  if (rc) goto done;
  w.clean = open_memstream(&clean, &clean_size);
  if (!w.clean) {
    rc = ini_no_memory(e);
    goto done;
  }
  size_t mark = size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
  rc = walk(&w, bytes + mark, size - mark, e);
  bool failed = fclose(w.clean) != 0;
  if (!rc && failed) rc = ini_no_memory(e);
  if (!rc) rc = parse_values(ini, clean, clean_size, e);
done:
  free(clean);
  free(bytes);
  return rc;
}
