/* Progress on standard error, so that standard output holds results alone.
 *
 * On a terminal there is one line a study, then a line a device with the trials that run on it
 * below, as many as the screen has rows for, and the total, all redrawn twice a second; of more
 * studies than there are rows those that run are shown.  On a narrow one a line leaves out what is
 * least missed; the best value and the time that is left stay.  Elsewhere (a file, a pipe, a batch
 * system's log) a line is written when a study enters a group or ends, at most every 10 s when a
 * trial of it has ended, and, where all of this has been silent for a minute, what runs. */
#include "sched/commands/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/base/monotonic.h"
#include "host/base/text_escape.h"
#include "host/base/text_wrap.h"

enum { LINE = 400, REST = 300, REDRAW_MS = 500, PLAIN_S = 10, LOCK_S = 3, RATE_S = 2 };

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
  *p = (struct progress){.quiet = quiet,
                         .terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0,
                         .silence_s = PROGRESS_SILENCE_S,
                         .spoke_s = monotonic_seconds()};
}

/* ---- a line ---------------------------------------------------------------------------------- */

/* What a line has room for: the first has all, each further one less. */
enum detail { DETAIL_ALL, DETAIL_NO_ELAPSED, DETAIL_NO_GROUP, DETAIL_NO_STATE, DETAIL_LEAST };

/* Expected end: the time that the trials left will take if they end as often as those of this run
 * did. */
static void append_time(char *line, size_t size, const struct run_status *s, enum detail detail)
{
  char elapsed[24], left[24];
  size_t used = strlen(line);
  const char *space = detail == DETAIL_LEAST ? " " : "  ";
  progress_duration(elapsed, sizeof elapsed, s->elapsed_s);
  int here = s->done - s->done_before;
  if (s->ended || here <= 0) {
    snprintf(line + used, size - used, "%s%s", space, elapsed);
    return;
  }
  progress_duration(left, sizeof left, s->elapsed_s / here * (s->trials - s->done));
  if (detail == DETAIL_ALL)
    snprintf(line + used, size - used, "  %s ~%s left", elapsed, left);
  else
    snprintf(line + used, size - used, "%s~%s left", space, left);
}

static void format_state(char *state, size_t size, const struct run_status *s, enum detail detail)
{
  if (s->ended)
    snprintf(state, size, "  %s", s->target_reached ? "target reached" : "done");
  else if (s->waits_for_memory)
    snprintf(state, size, "  waits for memory");
  else if (detail >= DETAIL_NO_GROUP || s->group_trials == s->trials || !s->group[0])
    snprintf(state, size, "  %d running", s->running);
  else
    text_format(state, size, "  %s %d/%d  %d running", s->group, s->group_done, s->group_trials, s->running);
}

/* All but the title. */
static void format_rest(char *rest, size_t size, const struct run_status *s, enum detail detail)
{
  char best[64] = "", state[120] = "", failed[24] = "";
  if (detail < DETAIL_NO_STATE) format_state(state, sizeof state, s, detail);
  if (s->failed > 0 && detail < DETAIL_NO_STATE) snprintf(failed, sizeof failed, "  %d failed", s->failed);
  if (s->best >= 0 && detail == DETAIL_LEAST)
    snprintf(best, sizeof best, " %.4f", s->best_value);
  else if (s->best >= 0)
    snprintf(best, sizeof best, "  best %.4f #%d", s->best_value, s->best);
  text_format(rest, size, " %d/%d%s%s%s", s->done, s->trials, state, failed, best);
  append_time(rest, size, s, detail);
}

void progress_cut(char *text, int columns)
{
  for (; *text; text++) {
    if (((unsigned char)*text & 0xc0) == 0x80) continue;
    if (columns-- == 0) break;
  }
  *text = 0;
}

/* A study's line in that many columns, with as much as they have room for; where there is no room
 * for the least, the title gives way. */
static void format_line(char *line, size_t size, const char *title, const struct run_status *s, int columns)
{
  char rest[REST], name[61];
  for (enum detail detail = DETAIL_ALL; detail <= DETAIL_LEAST; detail++) {
    int pad = detail < DETAIL_NO_GROUP ? 15 : 0;
    format_rest(rest, sizeof rest, s, detail);
    text_format(name, sizeof name, "%s", title);
    if (detail == DETAIL_LEAST) progress_cut(name, columns > text_columns(rest) ? columns - text_columns(rest) : 0);
    int missing = pad - text_columns(name);
    text_format(line, size, "%s%*s%s", name, missing > 0 ? missing : 0, "", rest);
    if (text_columns(line) <= columns) return;
  }
}

int progress_columns(int *rows)
{
  struct winsize window = {.ws_row = 24, .ws_col = 80};
  ioctl(STDERR_FILENO, TIOCGWINSZ, &window);
  *rows = window.ws_row == 0 ? 22 : window.ws_row - 2;
  return window.ws_col == 0 ? 79 : window.ws_col - 1;
}

/* ---- terminal -------------------------------------------------------------------------------- */

/* Prints a line of `columns` columns. */
static void put(char *line, int columns, int *shown)
{
  progress_cut(line, columns);
  fprintf(stderr, "\r%s\033[K\n", line);
  ++*shown;
}

/* Images a second since the last sample that is at least RATE_S old; 0: not known yet. */
static double images_rate(struct progress *p, int device, int64_t images)
{
  double now = monotonic_seconds();
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
  size_t n = (size_t)snprintf(text, size, "%.*s #%d", text_within(t->study, 16), t->study, t->number);
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

/* Returns the images a second of all devices. */
static double draw_devices(struct progress *p, struct runner *r, int columns, int rows, int *shown)
{
  int devices = r->n_devices < PROGRESS_DEVICES_MAX ? r->n_devices : PROGRESS_DEVICES_MAX, left = rows - devices - 1;
  double images = 0;
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
    int before = *shown;
    draw_trials(r, d, columns, left / (devices - d), shown);
    left -= *shown - before;
  }
  return images;
}

static void draw_total(const struct run_status *total, double images, int columns, int *shown)
{
  char line[LINE];
  for (enum detail detail = DETAIL_ALL; detail <= DETAIL_LEAST; detail++) {
    int pad = detail < DETAIL_NO_GROUP ? 15 : 0;
    int n = snprintf(line, sizeof line, "%-*s %d/%d", pad, "total", total->done, total->trials);
    if (images > 0 && detail < DETAIL_NO_STATE) snprintf(line + n, sizeof line - (size_t)n, "  %.0f images/s", images);
    append_time(line, sizeof line, total, detail);
    if (text_columns(line) <= columns) break;
  }
  put(line, columns, shown);
}

/* Why a trial failed last. */
static void draw_failure(const struct progress *p, int columns, int *shown)
{
  char line[2900], text[2800];
  snprintf(line, sizeof line, "last failure: %s", text_escape(text, sizeof text, p->failed));
  put(line, columns, shown);
}

static void draw(struct progress *p, struct runner *r)
{
  int rows, columns = progress_columns(&rows);
  runner_failure(r, &p->failures, p->failed, sizeof p->failed);
  if (p->failures > 0) rows--; /* kept for the last one */
  if (rows < 1) rows = 1;
  int for_studies = rows - (r->n_studies > 1); /* the total's row is kept */
  bool some = r->n_studies > for_studies;
  int shown = 0, hidden = 0;
  struct run_status total = {.ended = r->over};
  if (p->drawn > 0) fprintf(stderr, "\033[%dA", p->drawn);
  for (int i = 0; i < r->n_studies; i++) {
    struct run_status status;
    char line[LINE];
    runner_status(r, i, &status);
    total.trials += status.trials;
    total.done += status.done;
    total.done_before += status.done_before;
    total.elapsed_s = status.elapsed_s;
    if (some && (shown >= for_studies - 1 || status.ended || (status.running == 0 && status.done == 0))) {
      hidden++;
      continue;
    }
    format_line(line, sizeof line, r->studies[i].title, &status, columns);
    put(line, columns, &shown);
  }
  if (hidden > 0 && for_studies > 0) {
    char line[LINE];
    snprintf(line, sizeof line, "%s%d %sstud%s", shown ? "... and " : "", hidden, shown ? "more " : "",
             hidden == 1 ? "y" : "ies");
    put(line, columns, &shown);
  }
  double images = draw_devices(p, r, columns, rows - shown, &shown);
  if (r->n_studies > 1) draw_total(&total, r->n_devices > 1 ? images : 0, columns, &shown);
  if (p->failures > 0) draw_failure(p, columns, &shown);
  double waiting = store_waiting_s(r->store);
  if (waiting >= LOCK_S) {
    fprintf(stderr, "\rwaiting for another program to release the study database, %.0f s\033[K\n", waiting);
    shown++;
  }
  fprintf(stderr, "\033[J");
  fflush(stderr);
  p->drawn = shown;
}

/* ---- elsewhere ------------------------------------------------------------------------------- */

/* The first failure, and later ones now and then. */
static void say_failure(struct progress *p, struct runner *r, double now)
{
  char text[2800];
  int seen = p->failures;
  if (p->failed_s > 0 && now - p->failed_s < PLAIN_S) return;
  if (!runner_failure(r, &seen, p->failed, sizeof p->failed)) return;
  p->failures = seen;
  p->failed_s = now;
  text_wrapf(stderr, "", "last failure: %s", text_escape(text, sizeof text, p->failed));
}

/* "running after 5:32: grouped #12 5/10 0.9712 (2:10), ..." */
static void say_what_runs(struct runner *r, double elapsed_s)
{
  enum { NAMED = 8 };
  struct run_trial trials[NAMED];
  char text[NAMED * 120] = "", after[24];
  size_t used = 0;
  int n = 0;
  for (int d = 0; d < r->n_devices; d++) {
    int there = runner_trials(r, d, &trials[n < NAMED ? n : NAMED], n < NAMED ? NAMED - n : 0);
    for (int i = n; i < n + there && i < NAMED; i++) {
      char trial[80], since[24];
      format_trial(trial, sizeof trial, &trials[i]);
      progress_duration(since, sizeof since, trials[i].runs_s);
      used += (size_t)snprintf(text + used, sizeof text - used, "%s%s (%s)", i ? ", " : "", trial, since);
    }
    n += there;
  }
  if (n > NAMED) snprintf(text + used, sizeof text - used, ", and %d more", n - NAMED);
  progress_duration(after, sizeof after, elapsed_s);
  text_wrapf(stderr, "", "running after %s: %s", after, n ? text : "no trial; what comes next is being decided");
}

static void say(struct progress *p, struct runner *r, bool all)
{
  double now = monotonic_seconds(), elapsed_s = 0;
  say_failure(p, r, now);
  for (int i = 0; i < r->n_studies && i < PROGRESS_STUDIES_MAX; i++) {
    struct run_status s;
    char line[LINE];
    runner_status(r, i, &s);
    elapsed_s = s.elapsed_s;
    bool entered = strcmp(s.group, p->last[i].group) != 0;
    bool ended = s.ended && !p->last[i].ended;
    bool later = s.done != p->last[i].done && now - p->last[i].said_s >= PLAIN_S;
    if (!entered && !ended && !later && !(all && s.done != p->last[i].done)) continue;
    format_line(line, sizeof line, r->studies[i].title, &s, LINE - 1);
    fprintf(stderr, "%s\n", line);
    p->spoke_s = now;
    p->last[i].said_s = now;
    p->last[i].done = s.done;
    p->last[i].ended = s.ended;
    memcpy(p->last[i].group, s.group, sizeof p->last[i].group);
  }
  bool waiting = store_waiting_s(r->store) >= LOCK_S;
  if (waiting && !p->waiting_said) fprintf(stderr, "waiting for another program to release the study database\n");
  p->waiting_said = waiting;
  if (!all && now - p->spoke_s >= p->silence_s) {
    say_what_runs(r, elapsed_s);
    p->spoke_s = now;
  }
  fflush(stderr);
}

/* Goes above what is drawn, and stays. */
static void notice(struct progress *p, struct runner *r)
{
  char text[NOTICE_MAX], shown[2 * NOTICE_MAX + 100];
  while (runner_notice(r, &p->noticed, text, sizeof text)) {
    if (p->silent) continue;
    if (p->drawn > 0) fprintf(stderr, "\033[%dA\r\033[J", p->drawn);
    p->drawn = 0;
    fprintf(stderr, "gsos: %s\n", text_escape(shown, sizeof shown, text));
    p->drawn_s = 0; /* the rest again */
  }
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
  if (!r->over && monotonic_seconds() - p->drawn_s < REDRAW_MS / 1000.0) return;
  draw(p, r);
  p->drawn_s = monotonic_seconds();
}
