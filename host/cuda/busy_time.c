/* Shares of a device's busy time.  See busy_time.h. */
#include "host/cuda/busy_time.h"

#include <math.h>
#include <stdlib.h>

void busy_time_destroy(struct busy_time *b)
{
  free(b->ended);
  *b = (struct busy_time){0};
}

/* A moment at which a piece begins or ends. */
struct moment {
  double at;
  int change;
};

static int by_time(const void *a, const void *b)
{
  const struct moment *x = a, *y = b;
  return (x->at > y->at) - (x->at < y->at);
}

/* The moments at which another piece begins or ends within `piece`. */
static int moments_of(const struct busy_piece *piece, const struct busy_piece *other, struct moment *moments)
{
  double from = fmax(piece->from, other->from), to = fmin(piece->to, other->to);
  if (other->owner == piece->owner || from >= to) return 0;
  moments[0] = (struct moment){from, 1};
  moments[1] = (struct moment){to, -1};
  return 2;
}

static double share_of(const struct busy_piece *piece, struct moment *moments, int n)
{
  double share = 0, at = piece->from;
  int pieces = 1;
  qsort(moments, (size_t)n, sizeof *moments, by_time);
  for (int i = 0; i < n; i++) {
    share += (moments[i].at - at) / pieces;
    at = moments[i].at;
    pieces += moments[i].change;
  }
  return share + (piece->to - at) / pieces;
}

/* Forgets what ended before all others began. */
static void forget(struct busy_time *b, const struct busy_piece *others, int n)
{
  double first = INFINITY;
  int kept = 0;
  for (int i = 0; i < n; i++) first = fmin(first, others[i].from);
  for (int i = 0; i < b->n; i++)
    if (b->ended[i].to > first) b->ended[kept++] = b->ended[i];
  b->n = kept;
}

static void record(struct busy_time *b, struct busy_piece piece)
{
  if (b->n == b->room) {
    int room = b->room ? 2 * b->room : 64;
    struct busy_piece *ended = realloc(b->ended, (size_t)room * sizeof *ended);
    if (!ended) return;
    b->ended = ended;
    b->room = room;
  }
  b->ended[b->n++] = piece;
}

double busy_time_end(struct busy_time *b, struct busy_piece piece, const struct busy_piece *others, int n)
{
  double share = piece.to - piece.from;
  struct moment *moments = malloc(2 * (size_t)(b->n + n + 1) * sizeof *moments);
  if (moments) {
    int count = 0;
    for (int i = 0; i < b->n; i++) count += moments_of(&piece, &b->ended[i], moments + count);
    for (int i = 0; i < n; i++) count += moments_of(&piece, &others[i], moments + count);
    share = share_of(&piece, moments, count);
    free(moments);
  }
  forget(b, others, n);
  record(b, piece);
  b->total += share;
  return share;
}
