/* JSON objects as text, for programs that read what gsos tells: cJSON behind a few functions, so
 * that sched/ knows nothing of it.  Without memory an object is NULL, which all functions take, and
 * in the end there is no text: nobody reads a part for the whole. */
#ifndef GSOS_JSON_TEXT_H
#define GSOS_JSON_TEXT_H

#include <stdbool.h>

struct json_object;

/* Names and strings may be any bytes; what is no UTF-8 becomes U+FFFD (text_utf8.h). */
struct json_object *json_object_create(void);
/* An object or an array within `o`, under `name`; where `o` is an array, at its end, and `name` is
 * NULL.  So with all that is added. */
struct json_object *json_add_object(struct json_object *o, const char *name);
struct json_object *json_add_array(struct json_object *o, const char *name);
void json_add_string(struct json_object *o, const char *name, const char *value); /* NULL: null */
void json_add_bool(struct json_object *o, const char *name, bool value);
/* As it reads back; NaN and infinities: null. */
void json_add_number(struct json_object *o, const char *name, double value);
/* The whole on one line, malloc'ed, NULL where memory was missing for any part of it; destroys `o`,
 * which is not within another. */
char *json_print(struct json_object *o);

#endif
