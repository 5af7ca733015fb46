/* The pump: one thread of a rank that moves frames between its other threads and the link
 * (host/link/link.h), which takes calls from one thread only.
 *
 * Others leave frames for a rank at any time; what comes is handed to the pump's handler, frame by
 * frame.  A link has no way to wait for what may come and for what others may leave at once, so the
 * pump looks, and rests between looks where there was nothing: longer each time, up to
 * PUMP_REST_US; who leaves a frame wakes it. */
#ifndef GSOS_PUMP_H
#define GSOS_PUMP_H

#include <pthread.h>

#include "host/link/link.h"
#include "host/link/wire.h"

enum { PUMP_REST_US = 1000 };

struct pump {
  struct link *link;
  int n_ranks;
  struct wire_reader *in; /* [n_ranks] the pump thread's own */
  int rest_us, looks;
  int64_t received; /* bytes */
  /* under `lock`: */
  pthread_mutex_t lock;
  pthread_cond_t left;
  bool resting;
  struct outbox {
    struct wire_writer frames;
    size_t from;  /* sent before it */
  } * out;        /* [n_ranks] */
  size_t waiting; /* bytes that were left and have not been given to the link */
  int64_t sent;   /* bytes */
  bool no_memory;
};

/* ERROR_MACHINE without memory.  The link stays the caller's. */
int pump_create(struct pump *p, struct link *link, struct error *e);
void pump_destroy(struct pump *p); /* accepts a zero-initialised struct; the link may be closed */

/* Leaves a frame for a rank.  From any thread. */
void pump_leave(struct pump *p, int to, uint16_t type, uint32_t slot, uint32_t call, const struct wire_writer *body);

/* A frame has come; its body is the pump's, unless the handler puts NULL in its place.  An error
 * ends pump_turn with it. */
typedef int (*pump_handler)(void *context, int from, struct wire_frame *frame, struct error *e);

/* Sends and receives what can be, once; *moved: was there anything? */
int pump_turn(struct pump *p, pump_handler handler, void *context, bool *moved, struct error *e);
/* Between two turns; `moved` as the last one said. */
void pump_rest(struct pump *p, bool moved);
/* Has everything that was left for others gone? */
bool pump_empty(struct pump *p);
/* Bytes sent and received. */
int64_t pump_bytes(struct pump *p);

#endif
