/* One block of memory, divided among many: which part of it is whose.  Knows offsets alone, so the
 * block may lie on a device.
 *
 * A part comes from the smallest gap that has room for it (best fit), from its beginning; gaps that
 * meet are one.  With a `unit` every part is rounded up to a multiple of it: where all parts are of
 * one unit, a gap is never too small for one. */
#ifndef GSOS_BEST_FIT_H
#define GSOS_BEST_FIT_H

#include <stdbool.h>
#include <stdint.h>

enum { ARENA_ALIGNMENT = 256 }; /* of offsets and lengths: whole sectors and cache lines */

struct arena_part {
  int64_t at, bytes;
  bool taken;
};

struct arena {
  int64_t bytes, unit;
  struct arena_part *parts; /* [n] in order, without holes; no two gaps meet */
  int n, room;
};

/* `bytes` are rounded down to the alignment, `unit` up.  Returns false without memory of the
 * host's. */
bool arena_create(struct arena *a, int64_t bytes, int64_t unit);
void arena_destroy(struct arena *a); /* accepts a zero-initialised struct */

/* Offset of a part of at least `bytes` bytes, or -1 where no gap has room (or the host no
 * memory). */
int64_t arena_take(struct arena *a, int64_t bytes);
/* Gives back a part that was taken; returns its length. */
int64_t arena_give(struct arena *a, int64_t at);

/* n rounded up to the alignment. */
static inline int64_t arena_round(int64_t n)
{
  return (n + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
}

#endif
