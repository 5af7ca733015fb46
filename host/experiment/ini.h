/* Ini files, read strictly: iniparser gives the values, our own walk over the lines gives what it
 * does not keep.
 *
 * iniparser lower-cases keys, forgets their order and their lines, keeps one of two equal keys,
 * cuts a value at '#' or ';' wherever it stands, and takes what follows a closing quote for
 * nothing.  A typo must not pass in silence, so the walk records section, key as written and line
 * of every entry in the order of the file, and refuses what iniparser would lose. */
#ifndef GSOS_INI_H
#define GSOS_INI_H

#include <stdbool.h>

#include "host/base/error.h"

enum {
  INI_LINE_MAX = 1022,       /* characters of a line, continuations joined: what iniparser 4.1 and 4.2 take */
  INI_FILE_MAX = 1024 * 1024 /* bytes */
};

struct ini_entry {
  char *section; /* in lower case */
  char *key;     /* as written */
  char *value;   /* as iniparser gives it: without comment and quotes; "" where there is none */
  int line;      /* from 1; 0: from a setting ("section.key=value") instead of the file */
  bool in_file;  /* the file has such a line, even where a setting took its place */
};

struct ini_section {
  char *name; /* in lower case */
  int line;
};

struct ini {
  char path[1024];   /* as given; "" where no file was read */
  char folder[1024]; /* of the file, what its relative paths start from; "." for a pipe, "" where no file was read */
  struct ini_entry *entries;
  int n, entries_room;
  struct ini_section *sections; /* every [section] line, also those without a key */
  int n_sections, sections_room;
};

/* Reads the file (plain text, UTF-8 with or without byte order mark, LF or CRLF).  Errors
 * (ERROR_CONFIG) name file and line. `ini` is overwritten; ini_destroy frees it, also after an
 * error. */
int ini_read(struct ini *ini, const char *path, struct error *e);

/* Adds "section.key=value": it takes the place of an entry of the same section and key (case does
 * not matter), else goes to the end.  An empty value is kept as "": the reader takes it for `as if
 * the line were not there`. */
int ini_set(struct ini *ini, const char *setting, struct error *e);

void ini_destroy(struct ini *ini); /* accepts a zero-initialised struct */

/* An error about an entry: "FILE:LINE: [section] key = value: message", or "--set
 * section.key=value: message". ERROR_CONFIG. */
int ini_error(struct error *e, const struct ini *ini, const struct ini_entry *entry, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A text as an ini file must have it to be read back the same: in quotes where it needs them.
 * size: strlen + 3.  What no quoting can hold (a '#' or ';' together with a backslash or with both
 * kinds of quotes) comes out such that ini_read refuses it rather than reads another value. */
void ini_quote(const char *text, char *out);

#endif
