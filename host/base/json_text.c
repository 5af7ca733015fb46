/* JSON objects as text.  See json_text.h. */
#include "host/base/json_text.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

static cJSON *json_of(struct json_object *o)
{
  return (cJSON *)o;
}

struct json_object *json_object_create(void)
{
  return (struct json_object *)cJSON_CreateObject();
}

/* Puts an item in its place; NULL where it is not there. */
static struct json_object *add(struct json_object *o, const char *name, cJSON *item)
{
  bool good = o && item;
  if (good) good = name ? cJSON_AddItemToObject(json_of(o), name, item) : cJSON_AddItemToArray(json_of(o), item);
  if (good) return (struct json_object *)item;
  cJSON_Delete(item);
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
  add(o, name, value ? cJSON_CreateString(value) : cJSON_CreateNull());
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

char *json_print(struct json_object *o)
{
  char *text = o ? cJSON_PrintUnformatted(json_of(o)) : NULL;
  cJSON_Delete(json_of(o));
  return text;
}
