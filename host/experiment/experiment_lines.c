/* Where in the ini file a key stands, for what is found to be wrong only after the file was read:
 * that a folder is not there, that the program has no such hyperparameter.  Such messages begin
 * with "[section] key", or with the name of a hyperparameter in quotes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/base/text_escape.h"
#include "host/experiment/experiment_keys.h"
#include "host/experiment/experiment_lines.h"

int experiment_keep_lines(struct experiment *x, const struct ini *ini, struct error *e)
{
  size_t size = 0;
  FILE *out = open_memstream(&x->lines, &size);
  for (int i = 0; out && i < ini->n; i++)
    fprintf(out, "%s %s %d\n", ini->entries[i].section, ini->entries[i].key, ini->entries[i].line);
  if (out && fclose(out) == 0) return 0;
  return error_set(e, ERROR_MACHINE, "no memory for the configuration");
}

/* Line of a key, 0 where a setting gave it, -1 where nothing did. */
static int find_line(const struct experiment *x, const char *section, size_t section_bytes, const char *key,
                     size_t key_bytes)
{
  for (const char *line = x->lines; line && *line; line = strchr(line, '\n') + 1) {
    const char *name = line + strcspn(line, " ") + 1, *number = name + strcspn(name, " ");
    if ((size_t)(name - 1 - line) == section_bytes && !strncasecmp(line, section, section_bytes) &&
        (size_t)(number - name) == key_bytes && !strncasecmp(name, key, key_bytes))
      return atoi(number);
  }
  return -1;
}

/* The message without the path before it, where that stands there already. */
static const char *skip_path(const struct experiment *x, const char *message, const char *shown)
{
  size_t n = strlen(shown);
  return x->path[0] && !strncmp(message, shown, n) && !strncmp(message + n, ": ", 2) ? message + n + 2 : message;
}

int experiment_locate(const struct experiment *x, struct error *e)
{
  char shown[600], rest[sizeof e->message];
  text_escape(shown, sizeof shown, x->path);
  const char *message = skip_path(x, e->message, shown), *section = "space", *key = message, *more = "";
  size_t section_bytes = strlen(section), key_bytes = 0;
  if (e->code != ERROR_CONFIG) return e->code;
  if (message[0] == '[') {
    section = message + 1;
    section_bytes = strcspn(section, "]");
    key = section + section_bytes + strspn(section + section_bytes, "] ");
    key_bytes = strcspn(key, " :=");
  } else if (message[0] == '\'') {
    key = message + 1;
    key_bytes = strcspn(key, "'");
    more = "[space] ";
  } else {
    return e->code;
  }
  int line = find_line(x, section, section_bytes, key, key_bytes);
  text_format(rest, sizeof rest, "%s%s", more, message);
  if (line > 0 && x->path[0])
    error_set(e, e->code, "%s:%d: %s", shown, line, rest);
  else if (line == 0)
    error_set(e, e->code, "--set: %s", rest);
  else if (x->path[0])
    error_set(e, e->code, "%s: %s", shown, rest);
  return e->code;
}
