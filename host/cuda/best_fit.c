/* Parts of one block of memory.  See best_fit.h. */
#include "host/cuda/best_fit.h"

#include <stdlib.h>
#include <string.h>

bool arena_create(struct arena *a, int64_t bytes, int64_t unit)
{
  *a = (struct arena){.bytes = bytes / ARENA_ALIGNMENT * ARENA_ALIGNMENT, .unit = arena_round(unit > 0 ? unit : 1)};
  a->room = 64;
  a->parts = malloc((size_t)a->room * sizeof *a->parts);
  if (!a->parts) return false;
  if (a->bytes > 0) a->parts[a->n++] = (struct arena_part){0, a->bytes, false};
  return true;
}

void arena_destroy(struct arena *a)
{
  free(a->parts);
  a->parts = NULL;
  a->n = 0;
}

/* Moves the parts from i on by one place. */
static bool insert(struct arena *a, int i)
{
  if (a->n == a->room) {
    struct arena_part *parts = realloc(a->parts, 2 * (size_t)a->room * sizeof *parts);
    if (!parts) return false;
    a->parts = parts;
    a->room *= 2;
  }
  memmove(a->parts + i + 1, a->parts + i, (size_t)(a->n - i) * sizeof *a->parts);
  a->n++;
  return true;
}

static void erase(struct arena *a, int i)
{
  memmove(a->parts + i, a->parts + i + 1, (size_t)(a->n - i - 1) * sizeof *a->parts);
  a->n--;
}

int64_t arena_take(struct arena *a, int64_t bytes)
{
  int64_t wanted = (bytes + a->unit - 1) / a->unit * a->unit;
  int best = -1;
  for (int i = 0; i < a->n; i++)
    if (!a->parts[i].taken && a->parts[i].bytes >= wanted && (best < 0 || a->parts[i].bytes < a->parts[best].bytes))
      best = i;
  if (wanted <= 0 || best < 0) return -1;
  struct arena_part gap = a->parts[best];
  if (gap.bytes > wanted) {
    if (!insert(a, best)) return -1;
    a->parts[best + 1] = (struct arena_part){gap.at + wanted, gap.bytes - wanted, false};
  }
  a->parts[best] = (struct arena_part){gap.at, wanted, true};
  return gap.at;
}

int64_t arena_give(struct arena *a, int64_t at)
{
  int i = 0;
  while (i < a->n && a->parts[i].at != at) i++;
  if (i == a->n || !a->parts[i].taken) return 0;
  int64_t bytes = a->parts[i].bytes;
  a->parts[i].taken = false;
  if (i + 1 < a->n && !a->parts[i + 1].taken) {
    a->parts[i].bytes += a->parts[i + 1].bytes;
    erase(a, i + 1);
  }
  if (i > 0 && !a->parts[i - 1].taken) {
    a->parts[i - 1].bytes += a->parts[i].bytes;
    erase(a, i);
  }
  return bytes;
}
