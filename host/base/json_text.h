/* JSON objects as text, for programs that read what gsos tells: cJSON behind a few functions, so
 * that sched/ knows nothing of it.  Without memory an object is NULL, which all functions take;
 * then a part or all of the text is missing. */
#ifndef GSOS_JSON_TEXT_H
#define GSOS_JSON_TEXT_H

struct json_object;

struct json_object *json_object_create(void);
/* An object within `o`, under `name`. */
struct json_object *json_add_object(struct json_object *o, const char *name);
void json_add_string(struct json_object *o, const char *name, const char *value);
void json_add_number(struct json_object *o, const char *name, double value); /* NaN and infinities: null */
/* The whole on one line, malloc'ed, NULL without memory; destroys `o`, which is not within
 * another. */
char *json_print(struct json_object *o);

#endif
