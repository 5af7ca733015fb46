/* Progress on standard error, so that standard output holds results alone.
 *
 * On a terminal there is one line a study, then a line a device with the trials that run on it below, as many as the screen has
 * rows for, and the total, all redrawn twice a second; of more studies than there are rows those that run are shown.  Elsewhere (a
 * file, a pipe, a batch system's log) a line is written when a study enters a group or ends, and at most every 10 s when a trial of
 * it has ended. */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text_escape.h"

enum { LINE = 160, REDRAW_MS = 500, PLAIN_S = 10, LOCK_S = 3, RATE_S = 2 };

void progress_duration(char *text, size_t size, double seconds)
{
  long s = seconds < 0 || !isfinite(seconds) ? 0 : seconds > 1e9 ? 1000000000 : (long)(seconds + 0.5);
  if (s < 3600)
    snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
  else
    snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

void progress_start(struct progress *p, bool quiet)
{
  const char *term = getenv("TERM");
  *p = (struct progress){.quiet = quiet, .terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0};
}

/* ---- a line --------------------------------------------------------------------------------------------------------------- */

/* Expected end: the time that the trials left will take if they end as often as those of this run did. */
static void append_time(char *line, size_t size, const struct run_status *s)
{
  char elapsed[24], left[24];
  size_t used = strlen(line);
  progress_duration(elapsed, sizeof elapsed, s->elapsed_s);
  int here = s->done - s->done_before;
  if (s->ended || here <= 0) {
    snprintf(line + used, size - used, "  %s", elapsed);
    return;
  }
  progress_duration(left, sizeof left, s->elapsed_s / here * (s->trials - s->done));
  snprintf(line + used, size - used, "  %s ~%s left", elapsed, left);
}

static void format_line(char *line, size_t size, const char *title, const struct run_status *s)
{
  char best[64] = "", state[120];
  if (s->best >= 0) snprintf(best, sizeof best, "  best %.4f #%d", s->best_value, s->best);
  if (s->ended)
    snprintf(state, sizeof state, "%s", s->target_reached ? "target reached" : "done");
  else if (s->waits_for_memory)
    snprintf(state, sizeof state, "waits for memory");
  else if (s->phase_trials == s->trials || !s->phase[0])
    snprintf(state, sizeof state, "%d running", s->running);
  else
    snprintf(state, sizeof state, "%s %d/%d  %d running", s->phase, s->phase_done, s->phase_trials, s->running);
  snprintf(line, size, "%-15s %d/%d  %s%s", title, s->done, s->trials, state, best);
  append_time(line, size, s);
}

/* The first `columns` characters of UTF-8 text. */
static void cut(char *text, int columns)
{
  for (; *text; text++) {
    if (((unsigned char)*text & 0xc0) == 0x80) continue;
    if (columns-- == 0) break;
  }
  *text = 0;
}

/* ---- terminal ------------------------------------------------------------------------------------------------------------- */

/* Prints a line of so many columns. */
static void put(char *line, int columns, int *shown)
{
  cut(line, columns);
  fprintf(stderr, "\r%s\033[K\n", line);
  ++*shown;
}

/* Images a second since the last sample that is at least RATE_S old; 0: not known yet. */
static double images_rate(struct progress *p, int device, int64_t images)
{
  double now = runner_now();
  struct image_rate *rate = &p->rates[device];
  if (rate->at_s == 0) *rate = (struct image_rate){.at_s = now, .images = images};
  if (now - rate->at_s >= RATE_S) {
    rate->rate = (double)(images - rate->images) / (now - rate->at_s);
    rate->at_s = now;
    rate->images = images;
  }
  return rate->rate;
}

static void format_trial(char *text, size_t size, const struct run_trial *t)
{
  size_t n = (size_t)snprintf(text, size, "%.16s #%d", t->study, t->number);
  if (t->epochs > 0 && n < size) n += (size_t)snprintf(text + n, size - n, " %d/%d", t->epoch, t->epochs);
  if (!isnan(t->value) && n < size) snprintf(text + n, size - n, " %.4f", t->value);
}

/* The trials that run on a device, TRIAL_COLUMNS each, in at most `rows` rows. */
static void draw_trials(struct runner *r, int device, int columns, int rows, int *shown)
{
  enum { TRIALS_MAX = 128, TRIAL_COLUMNS = 38 };
  struct run_trial trials[TRIALS_MAX];
  int n = runner_trials(r, device, trials, TRIALS_MAX), a_row = (columns - 2) / TRIAL_COLUMNS;
  if (n > TRIALS_MAX) n = TRIALS_MAX;
  if (a_row < 1) a_row = 1;
  for (int row = 0; row < rows && row * a_row < n; row++) {
    char line[512] = "  ";
    size_t used = 2;
    for (int i = row * a_row; i < n && i < (row + 1) * a_row; i++) {
      char text[80];
      format_trial(text, sizeof text, &trials[i]);
      used += (size_t)snprintf(line + used, sizeof line - used, "%-*s", TRIAL_COLUMNS, text);
      if (used >= sizeof line) break;
    }
    put(line, columns, shown);
  }
}

static void draw_devices(struct progress *p, struct runner *r, int columns, int rows, int *shown)
{
  int devices = r->n_devices < 1 ? 1 : r->n_devices > PROGRESS_DEVICES_MAX ? PROGRESS_DEVICES_MAX : r->n_devices;
  int done = 0, before = 0, all = r->n_studies * r->x->trials, left = rows - devices - 1;
  double elapsed = 0, images = 0;
  for (int d = 0; d < devices; d++) {
    struct run_device s;
    char line[LINE], name[64];
    runner_device(r, d, &s);
    double rate = images_rate(p, d, s.images);
    images += rate;
    if (left < 0 || r->over) continue;
    objective_device_name(r->objective, d, name, sizeof name);
    int n = snprintf(line, sizeof line, "%-15s %d/%d running", name, s.running, s.room);
    if (r->capacity > 1) n += snprintf(line + n, sizeof line - (size_t)n, "  streams %d/%d busy", s.busy, s.places);
    if (rate > 0) snprintf(line + n, sizeof line - (size_t)n, "  %.0f images/s", rate);
    put(line, columns, shown);
    int before_rows = *shown;
    draw_trials(r, d, columns, left / (devices - d), shown);
    left -= *shown - before_rows;
  }
  for (int i = 0; i < r->n_studies; i++) {
    struct run_status s;
    runner_status(r, i, &s);
    done += s.done;
    before += s.done_before;
    elapsed = s.elapsed_s;
  }
  if (r->n_studies < 2 || rows < 1) return;
  struct run_status total = {
      .trials = all, .done = done, .done_before = before, .elapsed_s = elapsed, .ended = r->over};
  char line[LINE];
  snprintf(line, sizeof line, "%-15s %d/%d", "total", done, all);
  size_t used = strlen(line);
  if (images > 0 && devices > 1) snprintf(line + used, sizeof line - used, "  %.0f images/s", images);
  append_time(line, sizeof line, &total);
  put(line, columns, shown);
}

static void draw(struct progress *p, struct runner *r)
{
  struct winsize window = {.ws_row = 24, .ws_col = 80};
  ioctl(STDERR_FILENO, TIOCGWINSZ, &window);
  int columns = window.ws_col > 20 ? window.ws_col - 1 : 79, rows = window.ws_row > 4 ? window.ws_row - 2 : 22;
  bool some = r->n_studies > rows;
  int shown = 0, hidden = 0;
  if (p->drawn > 0) fprintf(stderr, "\033[%dA", p->drawn);
  for (int i = 0; i < r->n_studies; i++) {
    struct run_status status;
    char line[LINE];
    runner_status(r, i, &status);
    if (some && (shown == rows - 1 || status.ended || (status.running == 0 && status.done == 0))) {
      hidden++;
      continue;
    }
    format_line(line, sizeof line, r->studies[i].title, &status);
    put(line, columns, &shown);
  }
  if (hidden > 0) {
    fprintf(stderr, "\r... and %d more studies\033[K\n", hidden);
    shown++;
  }
  draw_devices(p, r, columns, rows - shown, &shown);
  double waiting = store_waiting_s(r->store);
  if (waiting >= LOCK_S) {
    fprintf(stderr, "\rwaiting for another program to release the study database, %.0f s\033[K\n", waiting);
    shown++;
  }
  fprintf(stderr, "\033[J");
  fflush(stderr);
  p->drawn = shown;
}

/* ---- elsewhere ------------------------------------------------------------------------------------------------------------ */

static void say(struct progress *p, struct runner *r, bool all)
{
  double now = runner_now();
  for (int i = 0; i < r->n_studies && i < PROGRESS_STUDIES_MAX; i++) {
    struct run_status s;
    char line[LINE];
    runner_status(r, i, &s);
    bool entered = strcmp(s.phase, p->last[i].phase) != 0;
    bool ended = s.ended && !p->last[i].ended;
    bool later = s.done != p->last[i].done && now - p->last[i].said_s >= PLAIN_S;
    if (!entered && !ended && !later && !(all && s.done != p->last[i].done)) continue;
    format_line(line, sizeof line, r->studies[i].title, &s);
    fprintf(stderr, "%s\n", line);
    p->last[i].said_s = now;
    p->last[i].done = s.done;
    p->last[i].ended = s.ended;
    memcpy(p->last[i].phase, s.phase, sizeof p->last[i].phase);
  }
  bool waiting = store_waiting_s(r->store) >= LOCK_S;
  if (waiting && !p->waiting_said) fprintf(stderr, "waiting for another program to release the study database\n");
  p->waiting_said = waiting;
  fflush(stderr);
}

/* Goes above what is drawn, and stays. */
static void notice(struct progress *p, struct runner *r)
{
  char text[500], shown[1100];
  if (!runner_notice(r, &p->noticed, text, sizeof text) || p->silent) return;
  if (p->drawn > 0) fprintf(stderr, "\033[%dA\r\033[J", p->drawn);
  p->drawn = 0;
  fprintf(stderr, "gsos: %s\n", text_escape(shown, sizeof shown, text));
  p->drawn_s = 0; /* the rest again */
}

void progress_tick(void *progress, struct runner *r)
{
  struct progress *p = progress;
  notice(p, r);
  if (p->quiet) return;
  if (!p->terminal) {
    say(p, r, r->over);
    return;
  }
  if (!r->over && runner_now() - p->drawn_s < REDRAW_MS / 1000.0) return;
  draw(p, r);
  p->drawn_s = runner_now();
}
