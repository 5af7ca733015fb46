/* Optimal string alignment distance (Levenshtein with swaps of neighbours), for messages that name
 * what was meant. */
#include "host/base/spelling.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { WORD_MAX = 80 }; /* longer words get no neighbour */

static int min2(int a, int b)
{
  return a < b ? a : b;
}

static int distance(const char *a, int na, const char *b, int nb)
{
  int rows[3][WORD_MAX + 1];
  int *before = rows[0], *last = rows[1], *now = rows[2];
  for (int j = 0; j <= nb; j++) last[j] = j;
  for (int i = 1; i <= na; i++) {
    now[0] = i;
    for (int j = 1; j <= nb; j++) {
      int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
      now[j] = min2(min2(last[j] + 1, now[j - 1] + 1), last[j - 1] + (x != y));
      if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && y == tolower((unsigned char)a[i - 2]))
        now[j] = min2(now[j], before[j - 2] + 1);
    }
    int *free_row = before;
    before = last;
    last = now;
    now = free_row;
  }
  return last[nb];
}

const char *nearest_word(const char *word, const char *const *candidates, int n)
{
  size_t length = strlen(word);
  if (length == 0 || length > WORD_MAX) return NULL;
  const char *best = NULL;
  int best_distance =
      (int)(length + 5) / 4 + 1; /* one edit for a word of up to two letters, two up to six, and so on */
  for (int i = 0; i < n; i++) {
    if (!candidates[i]) continue;
    size_t other = strlen(candidates[i]);
    if (other > WORD_MAX) continue;
    int d = distance(word, (int)length, candidates[i], (int)other);
    if (d >= (int)other) continue; /* nothing in common */
    if (d < best_distance) {
      best = candidates[i];
      best_distance = d;
    }
  }
  for (int i = 0; !best && length >= 3 && i < n; i++) {
    if (candidates[i] && !strncasecmp(word, candidates[i], length)) best = candidates[i];
  }
  return best;
}
