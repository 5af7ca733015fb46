/* Bodies of frames.  See messages.h. */
#include "sched/boxes/messages.h"

#include <string.h>

enum { ID_MAX = 1 << 20, EPOCHS_MAX = 1 << 30 };

void message_put_error(struct wire_writer *w, const struct error *e)
{
  wire_put_u32(w, (uint32_t)e->code);
  wire_put_text(w, e->code ? e->message : "");
}

int message_error(struct wire_fields *f, struct error *e)
{
  e->code = wire_int(f, ERROR_LOST, 0);
  wire_text(f, e->message, sizeof e->message);
  return f->bad ? error_set(e, ERROR_FAILED, "an answer of another rank is damaged") : e->code;
}

void message_put_offer(struct wire_writer *w, const struct offer *o)
{
  wire_put_text(w, o->host);
  wire_put_text(w, o->version);
  wire_put_u32(w, (uint32_t)o->history);
  wire_put_text(w, o->description);
  wire_put_u32(w, (uint32_t)o->n_devices);
  wire_put_u32(w, (uint32_t)o->places);
  wire_put_u32(w, (uint32_t)o->capacity);
  for (int i = 0; i < o->n_devices; i++) wire_put_text(w, o->devices[i]);
  wire_put_u64(w, (uint64_t)o->memory);
  wire_put_u64(w, o->cores);
}

void message_offer(struct wire_fields *f, struct offer *o)
{
  memset(o, 0, sizeof *o);
  wire_text(f, o->host, sizeof o->host);
  wire_text(f, o->version, sizeof o->version);
  o->history = wire_int(f, 0, ID_MAX);
  wire_text(f, o->description, sizeof o->description);
  o->n_devices = wire_int(f, 1, BOX_DEVICES_MAX);
  o->places = wire_int(f, 1, BOX_PLACES_MAX);
  o->capacity = wire_int(f, 1, BOX_PLACES_MAX);
  for (int i = 0; i < o->n_devices; i++) wire_text(f, o->devices[i], sizeof o->devices[i]);
  o->memory = (int64_t)wire_u64(f);
  o->cores = wire_u64(f);
  if (o->memory < 0) f->bad = true;
}

void message_put_values(struct wire_writer *w, const double *values, int n)
{
  if (!values) n = 0;
  wire_put_u32(w, (uint32_t)n);
  for (int i = 0; i < n; i++) wire_put_double(w, values[i]);
}

int message_values(struct wire_fields *f, double *values)
{
  int n = wire_int(f, 0, SPACE_MAX);
  for (int i = 0; i < n; i++) values[i] = wire_double(f);
  return n;
}

void message_put_trial(struct wire_writer *w, const struct trial_spec *spec, int n)
{
  wire_put_u32(w, (uint32_t)spec->id);
  wire_put_u64(w, spec->key);
  wire_put_text(w, spec->strategy);
  wire_put_u32(w, (uint32_t)spec->round);
  wire_put_u32(w, (uint32_t)spec->number);
  message_put_values(w, spec->values, n);
}

void message_trial(struct wire_fields *f, struct trial_spec *spec, double values[SPACE_MAX],
                   char strategy[SPACE_NAME_MAX])
{
  *spec = (struct trial_spec){.values = values, .strategy = strategy};
  spec->id = wire_int(f, 0, ID_MAX);
  spec->key = wire_u64(f);
  wire_text(f, strategy, SPACE_NAME_MAX);
  spec->round = wire_int(f, 0, EPOCHS_MAX);
  spec->number = wire_int(f, 0, EPOCHS_MAX);
  memset(values, 0, SPACE_MAX * sizeof *values);
  message_values(f, values);
}

void message_put_events(struct wire_writer *w, const struct trial_event *events, int n)
{
  wire_put_u32(w, (uint32_t)n);
  for (const struct trial_event *v = events; v < events + n; v++) {
    bool failed = v->kind == TRIAL_FAILED || v->kind == TRIAL_MACHINE_FAILED;
    wire_put_u32(w, (uint32_t)v->id);
    wire_put_u16(w, (uint16_t)v->kind);
    wire_put_u32(w, (uint32_t)v->epoch);
    wire_put_u32(w, (uint32_t)v->epochs);
    wire_put_double(w, v->value);
    wire_put_double(w, v->loss);
    wire_put_double(w, v->training_loss);
    wire_put_double(w, v->seconds);
    wire_put_u64(w, (uint64_t)v->images);
    wire_put_text(w, failed ? v->reason : ""); /* of others it may hold anything */
  }
}

int message_events(struct wire_fields *f, struct trial_event *events, int most)
{
  int n = wire_int(f, 0, most);
  for (struct trial_event *v = events; v < events + n; v++) {
    *v = (struct trial_event){.id = wire_int(f, 0, ID_MAX)};
    int kind = wire_u16(f);
    if (kind > TRIAL_MACHINE_FAILED) f->bad = true;
    v->kind = f->bad ? TRIAL_EPOCH : (enum trial_event_kind)kind;
    v->epoch = wire_int(f, 0, EPOCHS_MAX);
    v->epochs = wire_int(f, 0, EPOCHS_MAX);
    v->value = wire_double(f);
    v->loss = wire_double(f);
    v->training_loss = wire_double(f);
    v->seconds = wire_double(f);
    v->images = (int64_t)wire_u64(f);
    wire_text(f, v->reason, sizeof v->reason);
  }
  return f->bad ? 0 : n;
}
