/* What ini.c and ini_file.c share. */
#ifndef GSOS_INI_INTERNAL_H
#define GSOS_INI_INTERNAL_H

#include <stddef.h>

#include "host/experiment/ini.h"

char *ini_copy(const char *text, size_t n); /* malloc'ed; NULL without memory */
int ini_no_memory(struct error *e);
int ini_add_entry(struct ini *ini, const char *section, const char *key, size_t key_length, const char *value, int line,
                  struct error *e);
int ini_add_section(struct ini *ini, const char *name, size_t length, int line, struct error *e);

/* The entry of this section and key, capitals aside; NULL where there is none. */
struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *key);

/* "FILE:LINE: message", ERROR_CONFIG. */
int ini_line_error(struct error *e, const struct ini *ini, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

bool ini_is_space(char c);
char *ini_strip(char *text); /* in place: without spaces and tabs at both ends */

#endif
