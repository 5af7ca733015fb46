/* What a user has to know at once, as a lost device: the last texts, each told once.  Who shares
 * them locks. */
#ifndef GSOS_NOTICES_H
#define GSOS_NOTICES_H

#include <stdbool.h>
#include <stdio.h>

#include "host/base/text_escape.h"

enum { NOTICES = 16, NOTICE_MAX = 500 }; /* how many are remembered */

struct notices {
  char text[NOTICES][NOTICE_MAX];
  int n; /* how many there were */
};

static inline void notices_add(struct notices *all, const char *text)
{
  snprintf(all->text[all->n++ % NOTICES], NOTICE_MAX, "%s", text);
}

/* The next one after `seen` (0 at first) such; false: none. */
static inline bool notices_next(const struct notices *all, int *seen, char *text, size_t size)
{
  if (all->n <= *seen) return false;
  if (*seen < all->n - NOTICES) *seen = all->n - NOTICES; /* the others are forgotten */
  text_format(text, size, "%s", all->text[(*seen)++ % NOTICES]);
  return true;
}

#endif
