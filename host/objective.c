/* Which objective an experiment names. */
#include "objective.h"

#include <string.h>

#include "experiment.h"

int objective_create(struct objective **o, const struct experiment *x, objective_progress progress, void *context,
                     struct error *e)
{
  *o = NULL;
  if (!strcmp(x->objective, "cnn")) return objective_cnn_create(o, x, progress, context, e);
  if (!strcmp(x->objective, "function")) return objective_function_create(o, x, e);
  if (!strcmp(x->objective, "command")) return objective_command_create(o, x, e);
  return error_set(e, ERROR_CONFIG, "[experiment] objective = '%.30s': there are cnn, function and command",
                   x->objective);
}

void objective_at_once(const struct objective *o, int cores, int64_t useful, int *places, int64_t *trials)
{
  int64_t capacity = o->capacity > 0 ? o->capacity : 1;
  *places = o->places > 0 ? o->places : cores;
  if (*places > useful) *places = (int)useful;
  *trials = *places * capacity < useful ? *places * capacity : useful;
}

void objective_device_name(struct objective *o, int device, char *name, size_t size)
{
  if (o->device_name)
    o->device_name(o, device, name, size);
  else
    snprintf(name, size, "cpu");
}

void objective_destroy(struct objective *o)
{
  if (o) o->destroy(o);
}
