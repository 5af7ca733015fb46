/* The objective that rank 0's runner sees: rank 0's own, with the places of all ranks
 * (objective_boxes_place.c).
 *
 * A device is a device of a rank; places are dealt out to the devices in turn, so that with few
 * slots all ranks have some. */
#include "sched/boxes/objective_boxes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/text_escape.h"

enum { WAIT_MS = 100 };

/* ---- what rank 0's own objective answers ----------------------------------------------------- */

static int boxes_cost(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  return boxes_of(o)->inner->cost(boxes_of(o)->inner, values, cost, e);
}

static void boxes_memory(struct objective *o, const struct objective_at_once *at, const double *largest,
                         struct objective_memory *m)
{
  boxes_of(o)->inner->memory(boxes_of(o)->inner, at, largest, m);
}

static int boxes_test(struct objective *o, const char *path, struct objective_test *result,
                      struct class_counts *classes, const volatile int *stop, struct error *e)
{
  return boxes_of(o)->inner->test(boxes_of(o)->inner, path, result, classes, stop, e);
}

static int boxes_test_picture(struct objective *o, int image, const char *path, struct error *e)
{
  return boxes_of(o)->inner->test_picture(boxes_of(o)->inner, image, path, e);
}

static void boxes_description(struct objective *o, char *text, size_t size)
{
  boxes_of(o)->inner->description(boxes_of(o)->inner, text, size);
}

static void boxes_describe(struct objective *o, FILE *out)
{
  boxes_of(o)->inner->describe(boxes_of(o)->inner, out);
}

static void boxes_describe_left_out(struct objective *o, FILE *out)
{
  boxes_of(o)->inner->describe_left_out(boxes_of(o)->inner, out);
}

static void boxes_describe_trial(struct objective *o, const double *values, FILE *out)
{
  boxes_of(o)->inner->describe_trial(boxes_of(o)->inner, values, out);
}

static int boxes_measure(struct objective *o, const double *values, double piece_s, const volatile int *stop,
                         double *trial_s, struct error *e)
{
  return boxes_of(o)->inner->measure(boxes_of(o)->inner, values, piece_s, stop, trial_s, e);
}

/* ---- memory of the devices ------------------------------------------------------------------- */

/* Each rank's share of what runs at once. */
static struct objective_at_once share_of(const struct boxes_objective *b, const struct objective_at_once *at, int rank)
{
  struct objective_at_once own = {.capacity = at->capacity, .by_share = at->by_share};
  for (int i = 0; i < at->places; i++) own.places += b->devices[b->device_of_place[i]].rank == rank;
  own.trials = (int)(((int64_t)at->trials * own.places + at->places - 1) / at->places);
  return own;
}

/* Trials go to the devices that could be had. */
static int boxes_reserve(struct objective *o, const struct objective_at_once *at, const double *largest,
                         struct error *e)
{
  struct boxes_objective *b = boxes_of(o);
  struct error first = {0};
  int had = 0;
  for (int i = 1; i < b->n; i++) {
    struct wire_writer body = {0};
    struct objective_at_once own = share_of(b, at, i);
    if (!b->taken[i] || own.places == 0) continue;
    wire_put_u32(&body, (uint32_t)own.places);
    wire_put_u32(&body, (uint32_t)own.capacity);
    wire_put_u32(&body, (uint32_t)own.trials);
    wire_put_u32(&body, own.by_share);
    message_put_values(&body, largest, b->x->space.n);
    lead_ask(b->boxes, i, 0, MESSAGE_RESERVE, &body);
    wire_writer_free(&body);
  }
  struct objective_at_once own = share_of(b, at, 0);
  if (own.places > 0 && b->inner->reserve(b->inner, &own, largest, &first) == 0) had++;
  for (int i = 1; i < b->n; i++) {
    struct wire_frame answer;
    struct wire_fields fields;
    struct error why = {0};
    if (!b->taken[i] || share_of(b, at, i).places == 0) continue;
    lead_wait(b->boxes, i, 0, -1, NULL, &answer, &fields, &why);
    free(answer.body);
    had += !why.code;
    if (why.code && !first.code) first = why;
  }
  if (had == 0) *e = first;
  return had > 0 ? 0 : e->code; /* a place that has none says so when it is opened */
}

/* ---- opening --------------------------------------------------------------------------------- */

static void boxes_destroy(struct objective *o)
{
  struct boxes_objective *b = boxes_of(o);
  struct error ignored = {0};
  for (int i = 1; i < b->n && b->opened; i++)
    if (b->opened[i]) lead_ask(b->boxes, i, 0, MESSAGE_END, NULL);
  objective_destroy(b->inner);
  for (int i = 1; i < b->n && b->opened; i++) {
    struct wire_frame answer;
    struct wire_fields fields;
    if (!b->opened[i]) continue;
    lead_wait(b->boxes, i, 0, -1, NULL, &answer, &fields, &ignored);
    free(answer.body);
  }
  pthread_mutex_destroy(&b->lock);
  free(b->offers);
  free(b->opened);
  free(b->taken);
  free(b->places);
  free(b->host_of);
  free(b->devices);
  free(b->device_of_place);
  free(b->left_out);
  free(b->hosts);
  free(b);
}

/* The others begin to read their data. */
static int send_experiment(struct boxes_objective *b, struct error *e)
{
  double values[SPACE_MAX];
  struct wire_writer body = {0};
  space_defaults(&b->x->space, values);
  char *text = experiment_best_ini(b->x, values, 0, 0);
  if (text) wire_put_text(&body, text);
  if (!text || body.failed) {
    free(text);
    wire_writer_free(&body);
    return error_set(e, ERROR_MACHINE, "no memory for the experiment that the other ranks are sent");
  }
  for (int i = 1; i < b->n; i++) lead_ask(b->boxes, i, 0, MESSAGE_EXPERIMENT, &body);
  free(text);
  wire_writer_free(&body);
  return 0;
}

/* What rank i answered: it takes part, or why not. */
static int take_offer(struct boxes_objective *b, int i, struct wire_fields *fields, const struct error *told,
                      struct error *e)
{
  struct offer *o = &b->offers[i];
  char why[1900], name[400];
  struct error refused = *told;
  b->opened[i] = !told->code;
  wire_text(fields, o->host, sizeof o->host);
  if (refused.code) {
    error_prefix(&refused, "rank %d (%s)", i, text_escape(name, sizeof name, o->host));
  } else {
    message_offer(fields, o);
    if (!wire_fields_end(fields))
      error_set(&refused, ERROR_FAILED, "what rank %d offers is damaged", i);
    else if (!offers_alike(&b->offers[0], o, i, why, sizeof why))
      error_set(&refused, ERROR_FAILED, "%s", why);
  }
  b->taken[i] = !refused.code;
  if (!refused.code) return 0;
  if (b->x->unlike_ranks == UNLIKE_LEAVE_OUT) {
    b->left_out[i] = refused;
    return 0;
  }
  *e = refused;
  text_format(e->message + strlen(e->message), sizeof e->message - strlen(e->message), "%s",
              "; [scheduler] unlike_ranks = leave_out goes on without such ranks");
  return e->code;
}

/* Waits for all, as long as their data take; the user is told how many are ready. */
static int take_offers(struct boxes_objective *b, objective_progress progress, void *context, struct error *e)
{
  int code = 0, ready = 1;
  for (int i = 1; i < b->n; i++) {
    struct wire_frame answer;
    struct wire_fields fields;
    struct error told = {0}, refused = {0};
    while (!lead_wait(b->boxes, i, 0, WAIT_MS, NULL, &answer, &fields, &told))
      if (progress && progress(context, "ranks that are ready", ready, b->n))
        return error_set(e, ERROR_INTERRUPTED, "interrupted");
    if (take_offer(b, i, &fields, &told, &refused) && !code) {
      *e = refused;
      code = e->code;
    }
    free(answer.body);
    ready++;
  }
  return code;
}

static void find_hosts(struct boxes_objective *b)
{
  for (int i = 0; i < b->n; i++) {
    int k = 0;
    if (!b->taken[i]) continue;
    while (k < i && (!b->taken[k] || strcmp(b->offers[k].host, b->offers[i].host) != 0)) k++;
    if (k < i) {
      b->host_of[i] = b->host_of[k];
      continue;
    }
    b->host_of[i] = b->n_hosts;
    b->hosts[b->n_hosts++].limit = b->offers[i].memory;
    b->objective.memory_bytes += b->offers[i].memory > INT64_MAX - b->objective.memory_bytes
                                     ? INT64_MAX - b->objective.memory_bytes
                                     : b->offers[i].memory;
  }
}

static void name_devices(struct boxes_objective *b)
{
  int n = 0;
  for (int i = 0; i < b->n; i++)
    for (int k = 0; k < b->offers[i].n_devices && b->taken[i]; k++, n++) {
      char name[400];
      b->devices[n] = (struct box_device){.rank = i, .of_rank = k};
      text_format(b->devices[n].name, sizeof b->devices[n].name, "%s %s", boxes_rank_name(b, i, name, sizeof name),
                  b->offers[i].devices[k]);
    }
}

/* Places to devices in turn, so that with fewer slots all ranks have some. */
static int deal_places(struct boxes_objective *b, struct error *e)
{
  int devices = 0, places = 0;
  offers_places(b->offers, b->taken, b->n, b->x->slots, b->places);
  for (int i = 0; i < b->n; i++) {
    if (!b->taken[i]) continue;
    devices += b->offers[i].n_devices;
    places += b->places[i];
  }
  b->devices = calloc((size_t)devices, sizeof *b->devices);
  b->device_of_place = calloc((size_t)places, sizeof *b->device_of_place);
  if (!b->devices || !b->device_of_place) return error_set(e, ERROR_MACHINE, "no memory for %d places", places);
  name_devices(b);
  for (int d = 0, n = 0, turn = 0; n < places; d = (d + 1) % devices, turn += d == 0) {
    const struct box_device *device = &b->devices[d];
    int of_rank = b->offers[device->rank].n_devices;
    int own = b->places[device->rank] / of_rank + (device->of_rank < b->places[device->rank] % of_rank);
    if (turn < own) b->device_of_place[n++] = d;
  }
  b->objective.n_devices = devices;
  b->objective.places = places;
  b->objective.device_of_place = b->device_of_place;
  return 0;
}

/* The functions of rank 0's own, with the ranks' in between. */
static void wrap(struct boxes_objective *b)
{
  struct objective *o = &b->objective;
  *o = *b->inner;
  o->state = NULL;
  o->cost = boxes_cost;
  o->description = boxes_description;
  o->destroy = boxes_destroy;
  boxes_use_places(b);
  boxes_use_texts(b);
  if (o->memory) o->memory = boxes_memory;
  if (o->reserve) o->reserve = boxes_reserve;
  if (o->test) o->test = boxes_test;
  if (o->test_picture) o->test_picture = boxes_test_picture;
  if (o->describe) o->describe = boxes_describe;
  if (o->describe_left_out) o->describe_left_out = boxes_describe_left_out;
  if (o->describe_trial) o->describe_trial = boxes_describe_trial;
  if (o->measure) o->measure = boxes_measure;
}

static int allocate(struct boxes_objective *b, struct error *e)
{
  size_t n = (size_t)b->n;
  b->offers = calloc(n, sizeof *b->offers);
  b->opened = calloc(n, sizeof *b->opened);
  b->taken = calloc(n, sizeof *b->taken);
  b->places = calloc(n, sizeof *b->places);
  b->host_of = calloc(n, sizeof *b->host_of);
  b->left_out = calloc(n, sizeof *b->left_out);
  b->hosts = calloc(n, sizeof *b->hosts);
  pthread_mutex_init(&b->lock, NULL);
  if (b->offers && b->opened && b->taken && b->places && b->host_of && b->left_out && b->hosts) return 0;
  return error_set(e, ERROR_MACHINE, "no memory for %d ranks", b->n);
}

int boxes_objective_create(struct objective **o, struct boxes *boxes, const struct experiment *x,
                           objective_progress progress, void *context, struct error *e)
{
  *o = NULL;
  if (!boxes) return objective_create(o, x, progress, context, e);
  struct boxes_objective *b = calloc(1, sizeof *b);
  if (!b) return error_set(e, ERROR_MACHINE, "no memory for the other ranks");
  b->boxes = boxes;
  b->x = x;
  b->n = boxes_ranks(boxes);
  b->bytes_before = lead_bytes(boxes);
  int code = allocate(b, e);
  bool asked = !code && !(code = send_experiment(b, e));
  if (!code) code = objective_create(&b->inner, x, progress, context, e);
  if (asked && code) { /* no use to wait: their data may take minutes */
    for (int i = 1; i < b->n; i++) lead_tell(boxes, i, 0, MESSAGE_STOP, NULL);
  }
  if (!code) {
    b->taken[0] = true;
    offer_make(&b->offers[0], b->inner);
    wrap(b);
    code = take_offers(b, progress, context, e);
  }
  if (!code) find_hosts(b);
  if (!code) code = deal_places(b, e);
  if (code) {
    boxes_destroy(&b->objective);
    return code;
  }
  *o = &b->objective;
  return 0;
}
