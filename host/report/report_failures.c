/* Why trials failed, and what can be done about it. */
#include <stdio.h>
#include <string.h>

#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "host/report/report_internal.h"

enum { KINDS_MAX = 16 };

/* By the kind of failure, as reasons begin. */
static const char *advice_for(const char *kind)
{
  static const struct {
    const char *kind, *advice;
  } known[] = {
      {"nonsense", "standard output is for answers alone: print such things to standard error (in Python, print(..., "
                   "file=sys.stderr)), and one answer a trial"},
      {"died", "run the program by hand, and give it a trial as configs/reference.ini, [command], shows; what it says "
               "to standard error before it dies stands in the reason"},
      {"failed", "the program itself said so; where that is wrong, look there"},
      {"timeout", "a longer [scheduler] timeout, where the trials need it"},
      {"diverged",
       "the value, or a loss, was no finite number: look at the ranges in [space], a learning rate's first"},
      {"infeasible", "gsos check says which part of the space is infeasible, and why"},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(known[i].kind, kind)) return known[i].advice;
  return NULL;
}

void report_print_failures(FILE *out, const struct report_study *s)
{
  char kinds[KINDS_MAX][48];
  int n = 0;
  for (int i = 0; i < s->n && n < KINDS_MAX; i++) {
    const struct stored_trial *t = &s->trials[i];
    char reason[4 * REASON_MAX];
    int k = 0;
    if (t->state != STORED_FAIL) continue;
    report_failure_kind(t->reason, kinds[n], sizeof kinds[n]);
    while (strcmp(kinds[k], kinds[n]) != 0) k++;
    if (k < n) continue;
    text_escape(reason, sizeof reason, t->reason[0] ? t->reason : "no reason stored");
    text_wrapf(out, "    ", "trial %d: %s", t->number, reason);
    const char *advice = advice_for(kinds[n++]);
    if (advice) text_wrapf(out, "      ", "what to do: %s", advice);
  }
}
