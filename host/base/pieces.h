/* One block of memory, cut up once: consecutive pieces, each aligned.  A function that takes all
 * pieces in a row is called twice: without a base, when it only counts, and then with a block of
 * that size.  So the size is never a second calculation. */
#ifndef GSOS_PIECES_H
#define GSOS_PIECES_H

#include <stddef.h>
#include <stdint.h>

struct pieces {
  char *base;        /* as aligned as the pieces; NULL: count only */
  int64_t alignment; /* of every piece, bytes */
  int64_t used;      /* bytes so far, a multiple of the alignment */
};

/* The next piece; NULL where there is no base.  The base may lie on a device: nothing is read or
 * written there. */
static inline void *pieces_take(struct pieces *p, int64_t bytes)
{
  void *at = p->base ? p->base + p->used : NULL;
  p->used += (bytes + p->alignment - 1) / p->alignment * p->alignment;
  return at;
}

#endif
