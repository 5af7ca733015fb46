/* JSON objects as text.  See json_text.h. */
#include "host/base/json_text.h"

#include <math.h>
#include <stddef.h>

#include <cjson/cJSON.h>

static cJSON *json_of(struct json_object *o)
{
  return (cJSON *)o;
}

struct json_object *json_object_create(void)
{
  return (struct json_object *)cJSON_CreateObject();
}

struct json_object *json_add_object(struct json_object *o, const char *name)
{
  return o ? (struct json_object *)cJSON_AddObjectToObject(json_of(o), name) : NULL;
}

void json_add_string(struct json_object *o, const char *name, const char *value)
{
  if (o) cJSON_AddStringToObject(json_of(o), name, value);
}

void json_add_number(struct json_object *o, const char *name, double value)
{
  if (!o) return;
  if (isfinite(value))
    cJSON_AddNumberToObject(json_of(o), name, value);
  else
    cJSON_AddNullToObject(json_of(o), name);
}

char *json_print(struct json_object *o)
{
  char *text = o ? cJSON_PrintUnformatted(json_of(o)) : NULL;
  cJSON_Delete(json_of(o));
  return text;
}
