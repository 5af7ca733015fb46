/* Two strategies compared round by round.
 *
 * Both strategies start a round from the same random numbers (contract 1), so that the differences
 * of rounds vary less than the strategies' own results do. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/report/report_internal.h"

/* The finished study of that strategy and round; NULL: none. */
static const struct report_study *study_of(const struct report *r, const char *strategy, int round)
{
  for (int i = 0; i < r->n; i++) {
    const struct report_study *s = &r->studies[i];
    if (s->record.round == round && s->finished && s->record.ours && !strcmp(s->record.strategy, strategy)) return s;
  }
  return NULL;
}

struct report_pairs report_pairs(const struct report *r, const char *strategy, const char *control, report_measure f)
{
  struct report_pairs pairs = {0};
  double *differences = malloc((size_t)(r->n + 1) * sizeof *differences), a, b, sum = 0;
  int n = 0;
  for (int i = 0; differences && i < r->n; i++) {
    const struct report_study *s = &r->studies[i], *other;
    if (!s->record.ours || !s->finished || strcmp(s->record.strategy, strategy) != 0) continue;
    other = study_of(r, control, s->record.round);
    if (!other || !f(s, &a) || !f(other, &b) || !isfinite(a - b)) continue;
    differences[n++] = a - b;
    sum += b;
  }
  if (n > 0) pairs = (struct report_pairs){mean_interval_of(differences, n), sum / n};
  free(differences);
  return pairs;
}
