/* JSON objects as text.  See json_text.h.
 *
 * An object is cJSON's.  What could not be added to one is noted in its valueint, which cJSON has
 * for numbers alone: json_print looks for such. */
#include "host/base/json_text.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "host/base/text_utf8.h"

static cJSON *json_of(struct json_object *o)
{
  return (cJSON *)o;
}

struct json_object *json_object_create(void)
{
  return (struct json_object *)cJSON_CreateObject();
}

/* ---- text as UTF-8 --------------------------------------------------------------------------- */

static bool is_utf8(const char *text)
{
  int n = 0;
  for (; *text; text += n)
    if ((n = utf8_length(text)) == 0) return false;
  return true;
}

/* The text itself, or a copy as UTF-8, which is *made and to be freed; NULL without memory. */
static const char *as_utf8(const char *text, char **made)
{
  *made = NULL;
  if (is_utf8(text)) return text;
  size_t n = strlen(text), size = 3 * n + 8; /* of a byte that is none there are three */
  *made = malloc(size);
  return *made ? text_utf8(*made, size, text, n) : NULL;
}

static cJSON *string_of(const char *text)
{
  char *made = NULL;
  const char *utf8 = text ? as_utf8(text, &made) : NULL;
  cJSON *item = !text ? cJSON_CreateNull() : utf8 ? cJSON_CreateString(utf8) : NULL;
  free(made);
  return item;
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* Puts an item in its place; NULL where it is not there. */
static struct json_object *add(struct json_object *o, const char *name, cJSON *item)
{
  char *made = NULL;
  const char *key = name ? as_utf8(name, &made) : NULL;
  bool good = o && item && (!name || key);
  if (good) good = name ? cJSON_AddItemToObject(json_of(o), key, item) : cJSON_AddItemToArray(json_of(o), item);
  free(made);
  if (good) return (struct json_object *)item;
  cJSON_Delete(item);
  if (o) json_of(o)->valueint = 1;
  return NULL;
}

struct json_object *json_add_object(struct json_object *o, const char *name)
{
  return add(o, name, cJSON_CreateObject());
}

struct json_object *json_add_array(struct json_object *o, const char *name)
{
  return add(o, name, cJSON_CreateArray());
}

void json_add_string(struct json_object *o, const char *name, const char *value)
{
  add(o, name, string_of(value));
}

void json_add_bool(struct json_object *o, const char *name, bool value)
{
  add(o, name, cJSON_CreateBool(value));
}

void json_add_number(struct json_object *o, const char *name, double value)
{
  char text[40];
  int digits = 15;
  do { /* cJSON's own number is one of 15 digits where that is near enough */
    snprintf(text, sizeof text, "%.*g", digits, value);
  } while (digits++ < 17 && strtod(text, NULL) != value);
  add(o, name, isfinite(value) ? cJSON_CreateRaw(text) : cJSON_CreateNull());
}

/* ---- printing -------------------------------------------------------------------------------- */

/* Is something missing in it, or in what is within? */
static bool lacks(const cJSON *json)
{
  const cJSON *item;
  if (!cJSON_IsObject(json) && !cJSON_IsArray(json)) return false;
  if (json->valueint) return true;
  cJSON_ArrayForEach(item, json) if (lacks(item)) return true;
  return false;
}

char *json_print(struct json_object *o)
{
  char *text = o && !lacks(json_of(o)) ? cJSON_PrintUnformatted(json_of(o)) : NULL;
  cJSON_Delete(json_of(o));
  return text;
}
