/* Frames in and out.  See pump.h. */
#include "sched/boxes/pump.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LOOKS = 8, REST_FIRST_US = 50, TAKEN_AT_ONCE = 256 };

int pump_create(struct pump *p, struct link *link, struct error *e)
{
  pthread_condattr_t monotonic;
  *p = (struct pump){.link = link, .n_ranks = link->n_ranks};
  p->in = calloc((size_t)link->n_ranks, sizeof *p->in);
  p->out = calloc((size_t)link->n_ranks, sizeof *p->out);
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->left, &monotonic);
  pthread_condattr_destroy(&monotonic);
  if (p->in && p->out) return 0;
  pump_destroy(p);
  return error_set(e, ERROR_MACHINE, "no memory for %d other ranks", link->n_ranks - 1);
}

void pump_destroy(struct pump *p)
{
  if (p->n_ranks == 0) return;
  for (int i = 0; i < p->n_ranks && p->in && p->out; i++) {
    wire_reader_free(&p->in[i]);
    wire_writer_free(&p->out[i].frames);
  }
  free(p->in);
  free(p->out);
  pthread_cond_destroy(&p->left);
  pthread_mutex_destroy(&p->lock);
  *p = (struct pump){0};
}

void pump_leave(struct pump *p, int to, uint16_t type, uint32_t slot, uint32_t call, const struct wire_writer *body)
{
  pthread_mutex_lock(&p->lock);
  struct outbox *o = &p->out[to];
  size_t before = o->frames.n;
  wire_put_frame(&o->frames, type, slot, call, body);
  p->waiting += o->frames.n - before;
  p->no_memory = p->no_memory || o->frames.failed;
  if (p->resting) pthread_cond_signal(&p->left);
  pthread_mutex_unlock(&p->lock);
}

/* The next piece for a rank, malloc'ed; NULL: there is none.  Under the lock. */
static void *take_piece(struct pump *p, int to, size_t *n)
{
  struct outbox *o = &p->out[to];
  *n = o->frames.n - o->from;
  if (*n == 0) return NULL;
  if (o->from == 0 && *n <= LINK_PIECE) { /* as it is */
    void *bytes = o->frames.bytes;
    o->frames = (struct wire_writer){0};
    return bytes;
  }
  if (*n > LINK_PIECE) *n = LINK_PIECE;
  void *piece = malloc(*n);
  if (!piece) {
    p->no_memory = true;
    *n = 0;
    return NULL;
  }
  memcpy(piece, o->frames.bytes + o->from, *n);
  o->from += *n;
  if (o->from == o->frames.n) {
    wire_writer_free(&o->frames);
    o->from = 0;
  }
  return piece;
}

/* Is anything left for a rank, or (to < 0) for any? */
static bool any_left(struct pump *p, int to)
{
  pthread_mutex_lock(&p->lock);
  bool any = to < 0 ? p->waiting > 0 || p->no_memory : p->out[to].frames.n > p->out[to].from;
  pthread_mutex_unlock(&p->lock);
  return any;
}

static int send_left(struct pump *p, bool *moved, struct error *e)
{
  bool any = any_left(p, -1), no_memory = false;
  for (int to = 0; to < p->n_ranks && any; to++) {
    size_t n = 0;
    if (!any_left(p, to) || !p->link->ready(p->link, to)) continue;
    pthread_mutex_lock(&p->lock);
    void *piece = take_piece(p, to, &n);
    no_memory = p->no_memory;
    p->waiting -= n;
    p->sent += (int64_t)n;
    pthread_mutex_unlock(&p->lock);
    if (piece) *moved = true;
    if (piece && p->link->send(p->link, to, piece, n, e)) return e->code;
  }
  return no_memory ? error_set(e, ERROR_MACHINE, "no memory for what is sent to other ranks") : 0;
}

static int take_frames(struct pump *p, int from, pump_handler handler, void *context, struct error *e)
{
  struct wire_frame frame;
  int code;
  while ((code = wire_next(&p->in[from], &frame, e)) == 1) {
    code = handler(context, from, &frame, e);
    free(frame.body);
    if (code) return code;
  }
  return code;
}

int pump_turn(struct pump *p, pump_handler handler, void *context, bool *moved, struct error *e)
{
  *moved = false;
  int code = send_left(p, moved, e);
  for (int i = 0; i < TAKEN_AT_ONCE && !code; i++) {
    void *bytes;
    size_t n;
    int from;
    int got = p->link->receive(p->link, &from, &bytes, &n, e);
    if (got <= 0) return got;
    *moved = true;
    pthread_mutex_lock(&p->lock);
    p->received += (int64_t)n;
    pthread_mutex_unlock(&p->lock);
    code = wire_push(&p->in[from], bytes, n, e);
    free(bytes);
    if (!code) code = take_frames(p, from, handler, context, e);
  }
  return code;
}

void pump_rest(struct pump *p, bool moved)
{
  struct timespec until;
  if (moved) p->looks = 0;
  if (p->looks++ < LOOKS) {
    p->rest_us = REST_FIRST_US;
    if (!moved) sched_yield();
    return;
  }
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += (long)p->rest_us * 1000;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  p->rest_us = p->rest_us * 2 < PUMP_REST_US ? p->rest_us * 2 : PUMP_REST_US;
  pthread_mutex_lock(&p->lock);
  p->resting = p->waiting == 0;
  if (p->resting) pthread_cond_timedwait(&p->left, &p->lock, &until);
  bool slow = !p->resting; /* what is left waits for the link */
  p->resting = false;
  pthread_mutex_unlock(&p->lock);
  if (slow) nanosleep(&(struct timespec){.tv_nsec = REST_FIRST_US * 1000}, NULL);
}

bool pump_empty(struct pump *p)
{
  bool any = any_left(p, -1);
  for (int to = 0; to < p->n_ranks && !any; to++) any = !p->link->ready(p->link, to);
  return !any;
}

int64_t pump_bytes(struct pump *p)
{
  pthread_mutex_lock(&p->lock);
  int64_t bytes = p->sent + p->received;
  pthread_mutex_unlock(&p->lock);
  return bytes;
}
