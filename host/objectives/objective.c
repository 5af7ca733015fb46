/* Which objective an experiment names, how many of its trials run at once, what holds where it
 * lacks a function. */
#include "host/objectives/objective.h"

#include <math.h>
#include <string.h>

#include "host/experiment/experiment.h"
#include "host/base/text_escape.h"

static int create(struct objective **o, const struct experiment *x, objective_progress progress, void *context,
                  struct error *e)
{
  *o = NULL;
  if (!strcmp(x->objective, "cnn")) return objective_cnn_create(o, x, progress, context, e);
  if (!strcmp(x->objective, "function")) return objective_function_create(o, x, e);
  if (!strcmp(x->objective, "command")) return objective_command_create(o, x, e);
  if (!strcmp(x->objective, "table")) return objective_table_create(o, x, e);
  return error_set(e, ERROR_CONFIG, "[experiment] objective = '%.*s': there are cnn, function, command and table",
                   text_within(x->objective, 30), x->objective);
}

int objective_create(struct objective **o, const struct experiment *x, objective_progress progress, void *context,
                     struct error *e)
{
  int code = create(o, x, progress, context, e);
  return code == ERROR_CONFIG && e ? experiment_locate(x, e) : code;
}

static int64_t least(int64_t a, int64_t b)
{
  return a < b ? a : b;
}

/* With slots the trials are spread over all places before one is filled.  The room of a place is
 * not cut down to what is useful: it serves when another place is lost. */
struct objective_at_once objective_at_once(const struct objective *o, int slots, int cores, int64_t useful)
{
  int64_t limit = slots > 0 ? least(slots, useful) : useful;
  int64_t places = o->places > 0 ? o->places : slots > 0 ? slots : cores;
  int64_t capacity = o->capacity > 0 ? o->capacity : 1, most = o->capacity_max > 0 ? o->capacity_max : 1;
  bool by_share = o->by_share && slots == 0;
  if (by_share) capacity = most;
  if (slots > 0) {
    places = least(places, slots);
    capacity = least((slots + places - 1) / places, most);
  }
  places = least(places, limit);
  return (struct objective_at_once){.places = (int)places,
                                    .capacity = (int)capacity,
                                    .trials = (int)least(places * capacity, limit),
                                    .by_share = by_share};
}

int objective_fill(double share, int capacity)
{
  return share * capacity <= 1 ? capacity : share >= 1 ? 1 : (int)round(1 / share);
}

void objective_device_name(struct objective *o, int device, char *name, size_t size)
{
  if (o->device_name)
    o->device_name(o, device, name, size);
  else
    snprintf(name, size, "cpu");
}

bool objective_memory(struct objective *o, const struct objective_at_once *at, const double *largest,
                      struct objective_memory *m)
{
  *m = (struct objective_memory){0};
  if (o->memory) o->memory(o, at, largest, m);
  return o->memory != NULL;
}

int objective_reserve(struct objective *o, const struct objective_at_once *at, const double *largest, struct error *e)
{
  return o->reserve ? o->reserve(o, at, largest, e) : 0;
}

bool objective_admit(struct objective *o, struct place *p, const double *values)
{
  return o->admit ? o->admit(p, values) : true;
}

int objective_checkpoint(struct objective *o, struct place *p, int id, void **block, size_t *bytes, struct error *e)
{
  *block = NULL;
  *bytes = 0;
  return o->checkpoint ? o->checkpoint(p, id, block, bytes, e) : 0;
}

int objective_restore(struct objective *o, struct place *p, const struct trial_spec *spec, const void *block,
                      size_t bytes, struct error *e)
{
  if (o->restore) return o->restore(p, spec, block, bytes, e);
  return error_set(e, ERROR_FAILED, "objective %s goes on with no kept state", o->name);
}

void objective_describe(struct objective *o, FILE *out)
{
  if (o->describe) o->describe(o, out);
}

void objective_describe_trial(struct objective *o, const double *values, FILE *out)
{
  if (o->describe_trial) o->describe_trial(o, values, out);
}

bool objective_notice(struct objective *o, char *text, size_t size)
{
  return o->notice ? o->notice(o, text, size) : false;
}

void objective_overtime(struct objective *o, struct place *p, int id, char *text, size_t size)
{
  if (size > 0) text[0] = 0;
  if (o->overtime) o->overtime(p, id, text, size);
}

void objective_summary(struct objective *o, char *text, size_t size)
{
  if (size > 0) text[0] = 0;
  if (o->summary) o->summary(o, text, size);
}

void objective_destroy(struct objective *o)
{
  if (o) o->destroy(o);
}
