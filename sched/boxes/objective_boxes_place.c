/* Places of all ranks: those of rank 0 are its objective's own, another rank's is a slot there
 * (lead.h); what a worker asks of it is sent, and the worker waits.
 *
 * A network that is saved, and the state of a trial that is kept or goes on, come and go as bytes;
 * only rank 0 writes to the output.  Memory is each host's: where a trial has none on its place's
 * host, it waits for another host or for another trial (admit). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file_replace.h"
#include "host/base/text_units.h"
#include "sched/boxes/objective_boxes.h"

enum { CAPACITY_MOST = 64 };

struct place {
  struct boxes_objective *o;
  int rank;
  struct place *inner; /* of rank 0: the objective's own */
  uint32_t slot;
  int capacity;
  int64_t reserved; /* bytes, for the trial that is added next */
  struct {
    bool used;
    int id;
    int64_t bytes;
  } members[CAPACITY_MOST];
};

/* ---- memory of the hosts --------------------------------------------------------------------- */

static struct box_host *host_of(const struct place *p)
{
  return &p->o->hosts[p->o->host_of[p->rank]];
}

/* Has any host so much when nothing runs there? */
static bool could_hold(const struct boxes_objective *b, int64_t bytes)
{
  bool could = false;
  for (int i = 0; i < b->n_hosts; i++) could = could || b->hosts[i].limit >= bytes;
  return could;
}

static void reserve_bytes(struct place *p, int64_t bytes)
{
  host_of(p)->used += bytes - p->reserved;
  p->reserved = bytes;
}

/* One that is larger than every host is for add to refuse, with the reason. */
static bool admit_bytes(struct place *p, int64_t bytes)
{
  struct boxes_objective *b = p->o;
  pthread_mutex_lock(&b->lock);
  reserve_bytes(p, 0);
  bool room = host_of(p)->used + bytes <= host_of(p)->limit || !could_hold(b, bytes);
  if (room) reserve_bytes(p, bytes);
  pthread_mutex_unlock(&b->lock);
  return room;
}

/* ---- a place --------------------------------------------------------------------------------- */

static int ask_id(struct place *p, enum message type, int id, struct wire_frame *answer, struct wire_fields *fields,
                  struct error *e)
{
  struct wire_writer body = {0};
  struct error told = {0};
  wire_put_u32(&body, (uint32_t)id);
  lead_ask(p->o->boxes, p->rank, p->slot, type, &body);
  wire_writer_free(&body);
  lead_wait(p->o->boxes, p->rank, p->slot, -1, NULL, answer, fields, &told);
  if (told.code && e) *e = told;
  return told.code;
}

static void boxes_place_close(struct place *p)
{
  struct error ignored = {0};
  if (!p) return;
  admit_bytes(p, 0);
  if (p->rank == 0) {
    p->o->inner->close(p->inner);
  } else if (p->slot) {
    lead_call(p->o->boxes, p->rank, p->slot, MESSAGE_CLOSE, NULL, &ignored);
    lead_slot_free(p->o->boxes, p->rank, p->slot);
  }
  free(p);
}

static int open_far(struct place *p, int device, struct error *e)
{
  struct wire_writer body = {0};
  p->slot = lead_slot(p->o->boxes, p->rank);
  if (!p->slot) return error_set(e, ERROR_MACHINE, "no memory for a place of rank %d", p->rank);
  wire_put_u32(&body, (uint32_t)device);
  wire_put_u32(&body, (uint32_t)p->capacity);
  int code = lead_call(p->o->boxes, p->rank, p->slot, MESSAGE_OPEN, &body, e);
  wire_writer_free(&body);
  if (code) {
    lead_slot_free(p->o->boxes, p->rank, p->slot);
    p->slot = 0;
  }
  return code;
}

static int boxes_open_place(struct objective *o, struct place **out, int device, int capacity, struct error *e)
{
  struct boxes_objective *b = boxes_of(o);
  const struct box_device *d = &b->devices[device];
  struct place *p = calloc(1, sizeof *p);
  *out = NULL;
  if (!p) return error_set(e, ERROR_MACHINE, "no memory for a place to train in");
  p->o = b;
  p->rank = d->rank;
  p->capacity = capacity;
  int code = d->rank == 0 ? b->inner->open(b->inner, &p->inner, d->of_rank, capacity, e) : open_far(p, d->of_rank, e);
  if (code)
    free(p);
  else
    *out = p;
  return code;
}

static bool admit_far(struct place *p, const double *values)
{
  struct wire_writer body = {0};
  struct wire_frame answer;
  struct wire_fields fields;
  struct error e = {0};
  message_put_values(&body, values, p->o->x->space.n);
  lead_ask(p->o->boxes, p->rank, p->slot, MESSAGE_ADMIT, &body);
  wire_writer_free(&body);
  lead_wait(p->o->boxes, p->rank, p->slot, -1, NULL, &answer, &fields, &e);
  bool yes = e.code || wire_u32(&fields); /* what is wrong is for add to say */
  free(answer.body);
  return yes;
}

static bool boxes_admit(struct place *p, const double *values)
{
  struct boxes_objective *b = p->o;
  struct objective_cost cost = {0};
  if (values && b->inner->cost(b->inner, values, &cost, NULL)) cost.bytes = 0;
  if (!admit_bytes(p, cost.feasible ? cost.bytes : 0)) return false;
  if (!b->inner->admit) return true;
  bool yes = p->rank == 0 ? b->inner->admit(p->inner, values) : admit_far(p, values);
  if (!yes) admit_bytes(p, 0);
  return yes;
}

/* What was kept for it is the member's from now on. */
static void note(struct place *p, int id, bool restored)
{
  struct boxes_objective *b = p->o;
  pthread_mutex_lock(&b->lock);
  int i = 0;
  while (i < CAPACITY_MOST - 1 && p->members[i].used) i++;
  p->members[i].used = true;
  p->members[i].id = id;
  p->members[i].bytes = p->reserved;
  p->reserved = 0;
  b->trials++;
  b->far_trials += p->rank != 0;
  b->restored += restored;
  pthread_mutex_unlock(&b->lock);
}

static void forget(struct place *p, int id)
{
  pthread_mutex_lock(&p->o->lock);
  for (int i = 0; i < CAPACITY_MOST; i++) {
    if (!p->members[i].used || p->members[i].id != id) continue;
    p->members[i].used = false;
    host_of(p)->used -= p->members[i].bytes;
  }
  pthread_mutex_unlock(&p->o->lock);
}

/* A trial that no host has the memory for. */
static int check_bytes(struct place *p, const struct trial_spec *spec, struct error *e)
{
  struct boxes_objective *b = p->o;
  struct objective_cost cost;
  char needed[TEXT_UNITS_MAX], limit[TEXT_UNITS_MAX];
  int code = b->inner->cost(b->inner, spec->values, &cost, e);
  int64_t most = host_of(p)->limit; /* fixed when the run begins */
  if (code || cost.bytes <= most) return code;
  return error_set(e, ERROR_MACHINE, "it needs %s of memory, and %s has %s for trials",
                   text_bytes(needed, sizeof needed, (double)cost.bytes), b->offers[p->rank].host,
                   text_bytes(limit, sizeof limit, (double)most));
}

static int add_or_restore(struct place *p, enum message type, const struct trial_spec *spec, const void *block,
                          size_t bytes, struct error *e)
{
  struct wire_writer body = {0};
  struct objective *inner = p->o->inner;
  int code = check_bytes(p, spec, e);
  if (code) return code;
  if (p->rank == 0) {
    code = type == MESSAGE_ADD ? inner->add(p->inner, spec, e) : inner->restore(p->inner, spec, block, bytes, e);
  } else {
    message_put_trial(&body, spec, p->o->x->space.n);
    if (type == MESSAGE_ADD) lead_tell(p->o->boxes, p->rank, p->slot, type, &body);
    if (type == MESSAGE_RESTORE) wire_put_block(&body, block, bytes);
    if (type == MESSAGE_RESTORE) code = lead_call(p->o->boxes, p->rank, p->slot, type, &body, e);
    wire_writer_free(&body);
  }
  if (!code) note(p, spec->id, type == MESSAGE_RESTORE);
  return code;
}

static int boxes_add(struct place *p, const struct trial_spec *spec, struct error *e)
{
  return add_or_restore(p, MESSAGE_ADD, spec, NULL, 0, e);
}

static int boxes_restore(struct place *p, const struct trial_spec *spec, const void *block, size_t bytes,
                         struct error *e)
{
  return add_or_restore(p, MESSAGE_RESTORE, spec, block, bytes, e);
}

static int boxes_advance(struct place *p, struct trial_event *events, int max, int *n_events, const volatile int *stop,
                         struct error *e)
{
  struct wire_writer body = {0};
  struct wire_frame answer;
  struct wire_fields fields;
  struct error told = {0};
  if (p->rank == 0) return p->o->inner->advance(p->inner, events, max, n_events, stop, e);
  *n_events = 0;
  wire_put_u32(&body, (uint32_t)max);
  lead_ask(p->o->boxes, p->rank, p->slot, MESSAGE_ADVANCE, &body);
  wire_writer_free(&body);
  lead_wait(p->o->boxes, p->rank, p->slot, -1, stop, &answer, &fields, &told);
  if (!told.code) {
    *n_events = message_events(&fields, events, max);
    if (!wire_fields_end(&fields)) error_set(&told, ERROR_FAILED, "an answer of rank %d is damaged", p->rank);
  }
  free(answer.body);
  if (told.code && e) *e = told;
  return told.code;
}

static void boxes_remove(struct place *p, int id)
{
  struct wire_writer body = {0};
  forget(p, id);
  if (p->rank == 0) {
    p->o->inner->remove(p->inner, id);
    return;
  }
  wire_put_u32(&body, (uint32_t)id);
  lead_tell(p->o->boxes, p->rank, p->slot, MESSAGE_REMOVE, &body);
  wire_writer_free(&body);
}

static int boxes_checkpoint(struct place *p, int id, void **block, size_t *bytes, struct error *e)
{
  struct wire_frame answer;
  struct wire_fields fields;
  if (p->rank == 0) return p->o->inner->checkpoint(p->inner, id, block, bytes, e);
  int code = ask_id(p, MESSAGE_CHECKPOINT, id, &answer, &fields, e);
  if (!code) {
    size_t n;
    const void *from = wire_block(&fields, &n);
    *block = n > 0 ? malloc(n) : NULL;
    *bytes = *block ? n : 0;
    if (n > 0 && !*block) code = error_set(e, ERROR_MACHINE, "no memory for the state of a trial (%zu bytes)", n);
    if (*block) memcpy(*block, from, n);
  }
  free(answer.body);
  return code;
}

static int write_whole(const char *path, const void *bytes, size_t n, struct error *e)
{
  struct file_replace f;
  int code = file_replace_begin(&f, path, e);
  if (code) return code;
  fwrite(bytes, 1, n, f.out); /* what goes wrong the commit finds */
  return file_replace_commit(&f, e);
}

static int boxes_save(struct place *p, int id, const char *path, const char *ini_path, struct error *e)
{
  struct wire_frame answer;
  struct wire_fields fields;
  if (p->rank == 0) return p->o->inner->save(p->inner, id, path, ini_path, e);
  int code = ask_id(p, MESSAGE_SAVE, id, &answer, &fields, e);
  if (!code) {
    size_t n;
    const void *file = wire_block(&fields, &n);
    code = n > 0 ? write_whole(path, file, n, e)
                 : error_set(e, ERROR_FAILED, "rank %d has sent no network of the trial", p->rank);
  }
  free(answer.body);
  return code;
}

static void boxes_overtime(struct place *p, int id, char *text, size_t size)
{
  struct wire_frame answer;
  struct wire_fields fields;
  if (p->rank == 0) {
    p->o->inner->overtime(p->inner, id, text, size);
    return;
  }
  if (!ask_id(p, MESSAGE_OVERTIME, id, &answer, &fields, NULL)) wire_text(&fields, text, size);
  free(answer.body);
}

void boxes_use_places(struct boxes_objective *b)
{
  struct objective *o = &b->objective;
  o->open = boxes_open_place;
  o->admit = boxes_admit;
  o->add = boxes_add;
  o->advance = boxes_advance;
  o->remove = boxes_remove;
  o->close = boxes_place_close;
  if (o->checkpoint) o->checkpoint = boxes_checkpoint;
  if (o->restore) o->restore = boxes_restore;
  if (o->save) o->save = boxes_save;
  if (o->overtime) o->overtime = boxes_overtime;
}
