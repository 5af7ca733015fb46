/* Progress of the winners' repeats.  See progress_repeats.h. */
#include "sched/commands/progress_repeats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/monotonic.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"
#include "sched/commands/progress.h"

static const double REDRAW_S = 0.5;

void progress_repeats_start(struct progress_repeats *p, bool quiet, bool silent)
{
  const char *term = getenv("TERM");
  *p = (struct progress_repeats){.quiet = quiet,
                                 .silent = silent,
                                 .terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0,
                                 .spoke_s = monotonic_seconds()};
}

/* Takes the line away that is drawn. */
static void wipe(struct progress_repeats *p)
{
  if (p->drawn) fprintf(stderr, "\033[1A\r\033[J");
  p->drawn = false;
}

/* "repeats: 2 of 6 done, 2 running (grouped, repeat 3, epoch 4/6) 0:32" */
static void say_status(struct progress_repeats *p, const struct repeats_status *s)
{
  char line[300], elapsed[24], which[160] = "";
  int rows;
  progress_duration(elapsed, sizeof elapsed, s->elapsed_s);
  if (s->study)
    snprintf(which, sizeof which, " (%s, repeat %d, epoch %d/%d)", s->study, s->repeat + 1, s->epoch, s->epochs);
  snprintf(line, sizeof line, "repeats: %d of %d done, %d running%s  %s", s->done, s->all, s->running, which, elapsed);
  if (p->terminal) progress_cut(line, progress_columns(&rows));
  wipe(p);
  fprintf(stderr, "%s\n", line);
  p->drawn = p->terminal;
}

/* "grouped #12 again 1/3: validation 0.9710, test 0.9650" */
static void say_ended(const struct repeat_told *t)
{
  char reached[60] = "diverged", test[40] = "";
  if (!t->result.failed) snprintf(reached, sizeof reached, "validation %.4f", t->result.value);
  if (t->result.tested) snprintf(test, sizeof test, ", test %.4f", t->result.test);
  text_wrapf(stderr, "  ", "%s #%d again %d/%d: %s%s", t->study, t->trial, t->repeat + 1, t->n, reached, test);
}

/* Goes above what is drawn, and stays. */
static void notice(struct progress_repeats *p, struct winner_repeats *w)
{
  char text[NOTICE_MAX], shown[2 * NOTICE_MAX + 100];
  while (winner_repeats_notice(w, &p->noticed, text, sizeof text)) {
    if (p->silent) continue;
    wipe(p);
    fprintf(stderr, "gsos: %s\n", text_escape(shown, sizeof shown, text));
  }
}

void progress_repeats_tick(void *progress, struct winner_repeats *w)
{
  struct progress_repeats *p = progress;
  struct repeats_status s;
  struct repeat_told told;
  notice(p, w);
  if (p->quiet) return;
  winner_repeats_status(w, &s);
  if (!p->begun)
    text_wrapf(stderr, "  ", "training the best networks again with other random numbers: %d training%s", s.all,
               s.all == 1 ? "" : "s");
  p->begun = true;
  bool told_any = false;
  while (winner_repeats_told(w, &p->seen, &told)) {
    wipe(p);
    say_ended(&told);
    told_any = true;
  }
  double now = monotonic_seconds(), pause_s = p->terminal ? REDRAW_S : PROGRESS_SILENCE_S;
  if (told_any) p->spoke_s = p->terminal ? 0 : now;
  if (s.running > 0 && now - p->spoke_s >= pause_s) {
    say_status(p, &s);
    p->spoke_s = now;
  }
  if (s.running == 0) wipe(p);
  fflush(stderr);
}
