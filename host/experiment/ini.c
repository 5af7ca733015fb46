/* Ini files: entries, settings, messages.  See ini.h; ini_file.c reads the file. */
#include "host/experiment/ini.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/experiment/ini_internal.h"
#include "host/base/text_escape.h"

/* ------------------------------------------------------------- entries ---- */

char *ini_copy(const char *text, size_t n)
{
  char *c = malloc(n + 1);
  if (c) {
    memcpy(c, text, n);
    c[n] = 0;
  }
  return c;
}

int ini_no_memory(struct error *e)
{
  return error_set(e, ERROR_MACHINE, "no memory for the configuration");
}

int ini_add_entry(struct ini *ini, const char *section, const char *key, size_t key_length, const char *value, int line,
                  struct error *e)
{
  if (ini->n == ini->entries_room) {
    int room = ini->entries_room ? 2 * ini->entries_room : 64;
    struct ini_entry *more = realloc(ini->entries, (size_t)room * sizeof *more);
    if (!more) return ini_no_memory(e);
    ini->entries = more;
    ini->entries_room = room;
  }
  struct ini_entry *entry = &ini->entries[ini->n];
  entry->section = ini_copy(section, strlen(section));
  entry->key = ini_copy(key, key_length);
  entry->value = ini_copy(value, strlen(value));
  entry->line = line;
  entry->in_file = line > 0;
  ini->n++;
  return entry->section && entry->key && entry->value ? 0 : ini_no_memory(e);
}

int ini_add_section(struct ini *ini, const char *name, size_t length, int line, struct error *e)
{
  if (ini->n_sections == ini->sections_room) {
    int room = ini->sections_room ? 2 * ini->sections_room : 16;
    struct ini_section *more = realloc(ini->sections, (size_t)room * sizeof *more);
    if (!more) return ini_no_memory(e);
    ini->sections = more;
    ini->sections_room = room;
  }
  struct ini_section *section = &ini->sections[ini->n_sections++];
  section->line = line;
  section->name = ini_copy(name, length);
  if (!section->name) return ini_no_memory(e);
  for (char *c = section->name; *c; c++) *c = (char)tolower((unsigned char)*c);
  return 0;
}

void ini_destroy(struct ini *ini)
{
  for (int i = 0; i < ini->n; i++) {
    free(ini->entries[i].section);
    free(ini->entries[i].key);
    free(ini->entries[i].value);
  }
  for (int i = 0; i < ini->n_sections; i++) free(ini->sections[i].name);
  free(ini->entries);
  free(ini->sections);
  memset(ini, 0, sizeof *ini);
}

struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *key)
{
  for (int i = 0; i < ini->n; i++) {
    if (!strcasecmp(ini->entries[i].section, section) && !strcasecmp(ini->entries[i].key, key)) return &ini->entries[i];
  }
  return NULL;
}

/* ------------------------------------------------------------- messages ---- */

int ini_error(struct error *e, const struct ini *ini, const struct ini_entry *entry, const char *format, ...)
{
  char message[1400], path[400], key[120], value[300];
  va_list args;
  va_start(args, format);
  text_vformat(message, sizeof message, format, args);
  va_end(args);
  text_escape(path, sizeof path, ini->path);
  text_escape(key, sizeof key, entry->key);
  text_escape(value, sizeof value, entry->value);
  if (entry->line)
    return error_set(e, ERROR_CONFIG, "%s:%d: [%s] %s = %s: %s", path, entry->line, entry->section, key, value,
                     message);
  return error_set(e, ERROR_CONFIG, "--set %s.%s=%s: %s", entry->section, key, value, message);
}

int ini_line_error(struct error *e, const struct ini *ini, int line, const char *format, ...)
{
  char message[1400], path[400];
  va_list args;
  va_start(args, format);
  text_vformat(message, sizeof message, format, args);
  va_end(args);
  return error_set(e, ERROR_CONFIG, "%s:%d: %s", text_escape(path, sizeof path, ini->path), line, message);
}

/* ------------------------------------------------------------- words ---- */

bool ini_is_space(char c)
{
  return c == ' ' || c == '\t';
}

char *ini_strip(char *text)
{
  while (ini_is_space(*text)) text++;
  size_t n = strlen(text);
  while (n > 0 && ini_is_space(text[n - 1])) n--;
  text[n] = 0;
  return text;
}

/* ------------------------------------------------------------- settings ---- */

int ini_set(struct ini *ini, const char *setting, struct error *e)
{
  char shown[300], text[INI_LINE_MAX + 2];
  text_escape(shown, sizeof shown, setting);
  if (strlen(setting) > INI_LINE_MAX)
    return error_set(e, ERROR_CONFIG, "--set %s: longer than %d characters", shown, INI_LINE_MAX);
  strcpy(text, setting);
  for (const char *c = text; *c; c++) {
    if (((unsigned char)*c < 32 && *c != '\t') || *c == 127)
      return error_set(e, ERROR_CONFIG, "--set %s: the control character 0x%02x has no meaning here", shown,
                       (unsigned char)*c);
  }
  char *equals = strchr(text, '=');
  if (!equals)
    return error_set(e, ERROR_CONFIG, "--set %s: no '='; right is section.key=value, as experiment.trials=20", shown);
  *equals = 0;
  char *value = ini_strip(equals + 1), *dot = strchr(text, '.');
  if (!dot)
    return error_set(e, ERROR_CONFIG,
                     "--set %s: no '.' before the '='; right is section.key=value, as experiment.trials=20", shown);
  *dot = 0;
  char *section = ini_strip(text), *key = ini_strip(dot + 1);
  if (!*section || !*key)
    return error_set(e, ERROR_CONFIG, "--set %s: no %s; right is section.key=value, as experiment.trials=20", shown,
                     *section ? "key" : "section");
  if (text_invisible(key) != SIZE_MAX)
    return error_set(e, ERROR_CONFIG, "--set %s: a character that is not seen stands in the name: delete it", shown);
  for (char *c = section; *c; c++) *c = (char)tolower((unsigned char)*c);
  struct ini_entry *entry = ini_find(ini, section, key);
  if (!entry) return ini_add_entry(ini, section, key, strlen(key), value, 0, e);
  char *new_key = ini_copy(key, strlen(key)), *new_value = ini_copy(value, strlen(value));
  if (!new_key || !new_value) {
    free(new_key);
    free(new_value);
    return ini_no_memory(e);
  }
  free(entry->key);
  free(entry->value);
  entry->key = new_key;
  entry->value = new_value;
  entry->line = 0;
  return 0;
}

void ini_quote(const char *text, char *out)
{
  size_t n = strlen(text);
  bool plain = n > 0 && !strpbrk(text, "#;") && text[0] != '"' && text[0] != '\'' && !ini_is_space(text[0]) &&
               !ini_is_space(text[n - 1]) && text[n - 1] != '\\';
  const char *quote = plain ? "" : strchr(text, '"') ? "'" : "\"";
  sprintf(out, "%s%s%s", quote, text, quote);
}
