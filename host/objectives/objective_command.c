/* The user's program as an objective: what it receives and what it answers stands in
 * configs/reference.ini, [command].
 *
 * A place has one process, which gets one trial after the other; it is started with the first one.
 * `advance` moves bytes between the pipes and our buffers until a line tells something, and looks
 * at `stop` twenty times a second.  The process is ended where the two can no longer know what the
 * other is talking about: a trial is removed before its end (stopped, timed out), a line was
 * nonsense.  A new one is then started with the next trial, and counted.
 *
 * Whether a process has read its trial is seen from the bytes left in its standard input.  One that
 * ends with the whole line unread has not begun that trial: it has only served the one before, and
 * the trial is given to a new process; or it has served none, and then it cannot be started at all,
 * which ends the run.  So a mistake in a script's first lines is never taken for a trial's result.
 *
 * Nor is anything that was said before the question: a banner, a second answer to the trial before,
 * a late one.  The end of a trial's line, without which it is no JSON, is held back until the rest
 * of it has been read; whatever the program has written by then cannot be an answer.  Such a line,
 * like one that follows an answer, fails a trial and ends the process: a program that talks out of
 * turn may mean one trial and be understood of another. */
#include "host/objectives/objective.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/base/child_process.h"
#include "host/base/environment.h"
#include "host/base/monotonic.h"
#include "host/objectives/command_protocol.h"
#include "host/objectives/command_words.h"
#include "host/objectives/command_files.h"
#include "host/experiment/experiment.h"
#include "host/base/text_escape.h"
#include "host/base/text_utf8.h"
#include "host/base/text_wrap.h"

enum {
  LOOK_MS = 50,        /* how often `stop` is looked at */
  LEAVE_MS = 2000,     /* for a process that ends but has not ended yet */
  STOP_GRACE_MS = 500, /* a signal to gsos and its programs may reach them first */
  LAST_WORDS = 4096,   /* bytes of standard error that are kept */
  HELD_BACK = 2,       /* bytes of a request's end: }, newline */
  MORE_US = 500,       /* what follows an answer follows at once, where a program's loop is wrong */
  SILENCE_S = 60,      /* without a byte */
  TIDY_S = 10,         /* what a program has started and left has ended meanwhile */
};

enum silence { SILENCE_NONE, SILENCE_OF_ANSWERS, SILENCE_UNREAD, SILENCE_TOLD };

struct command_state {
  struct objective objective; /* first: the handle is the state */
  const char *line;           /* the command line, for messages */
  char *folder;
  struct command_words words;
  struct space space; /* a copy of the experiment's */
  char **environment; /* of the program */
  struct child_keeper keeper;
  struct child_setting setting;
  _Atomic int restarted; /* processes that took another one's place */
  _Atomic bool heard;    /* some process has said something */
  _Atomic int silence;   /* enum silence: what is to be told of it, once */
};

struct place {
  struct command_state *owner;
  struct child child;
  bool started_before;
  bool fresh;         /* the process has had no trial before this one */
  bool used, running; /* a trial is here; it has not ended */
  int id;
  char *request; /* the trial's line */
  size_t request_n, sent;
  bool asked;   /* all of it was sent: what comes from now on may be its answer */
  bool early;   /* something came before */
  bool heard;   /* ... or after */
  double since; /* monotonic seconds at its start */
  double tidied;
  char study[COMMAND_STUDY_MAX];
  struct question question;  /* lines read, last epoch told */
  double cpu_s;              /* the process's CPU time at the last event */
  bool begun;                /* an ended process had read of its last trial */
  bool out_ended, no_reader; /* of its standard output, its standard input */
  char *answer;              /* [COMMAND_LINE_MAX + 1] what came and is not understood yet */
  size_t answer_n;
  char words[LAST_WORDS]; /* the end of what it said to standard error */
  size_t words_n;
};

/* ---- cost, places ---------------------------------------------------------------------------- */

static int command_cost(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  (void)o, (void)values, (void)e;
  *cost = (struct objective_cost){.feasible = true};
  return 0;
}

static int command_open(struct objective *o, struct place **p, int device, int capacity, struct error *e)
{
  (void)device, (void)capacity; /* 1: objective.capacity */
  *p = calloc(1, sizeof **p);
  if (*p) (*p)->answer = malloc(COMMAND_LINE_MAX + 1);
  if (!*p || !(*p)->answer) {
    free(*p);
    *p = NULL;
    return error_set(e, ERROR_MACHINE, "no memory for the talk with a program");
  }
  (*p)->owner = (struct command_state *)o;
  (*p)->child = (struct child){.in = -1, .out = -1, .err = -1};
  return 0;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Drops the rest of a UTF-8 character whose beginning has been pushed out. */
static void drop_rest(struct place *p)
{
  size_t rest = 0;
  while (p->words_n == LAST_WORDS && rest < 3 && ((unsigned char)p->words[rest] & 0xc0) == 0x80) rest++;
  p->words_n -= rest;
  memmove(p->words, p->words + rest, p->words_n);
}

/* Keeps the last bytes of standard error; all that is there now. */
static void read_words(struct place *p)
{
  char bytes[LAST_WORDS];
  ssize_t n;
  for (int i = 0; i < 64 && (n = child_read(p->child.err, bytes, sizeof bytes)) > 0; i++) { /* not for ever */
    size_t new = (size_t)n, kept = p->words_n;
    if (kept + new > LAST_WORDS) kept = LAST_WORDS - new;
    memmove(p->words, p->words + p->words_n - kept, kept);
    memcpy(p->words + kept, bytes, new);
    p->words_n = kept + new;
  }
  drop_rest(p);
  if (p->child.err >= 0 && n == 0) {
    close(p->child.err);
    p->child.err = -1;
  }
}

static void read_answer(struct place *p)
{
  size_t room = COMMAND_LINE_MAX + 1 - p->answer_n;
  ssize_t n = room > 0 && !p->out_ended ? child_read(p->child.out, p->answer + p->answer_n, room) : -1;
  if (n > 0) {
    p->answer_n += (size_t)n;
    p->heard = true;
    p->owner->heard = true;
  }
  if (n == 0) p->out_ended = true;
}

/* Is there nothing but white space to be understood? */
static bool answer_is_blank(const struct place *p)
{
  return command_line_is_blank(p->answer, p->answer_n);
}

/* Bytes of the request that may be sent by now. */
static size_t due(const struct place *p)
{
  return p->asked ? p->request_n : p->request_n - HELD_BACK;
}

static void write_request(struct place *p)
{
  while (p->sent < due(p) && p->child.in >= 0) {
    ssize_t n = write(p->child.in, p->request + p->sent, due(p) - p->sent);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return; /* full, or it reads no more, which its end will tell */
    p->sent += (size_t)n;
  }
}

/* Sends the end of the request, where the rest has been read and nothing was said before. */
static void ask(struct place *p)
{
  if (p->asked || p->sent < due(p) || child_unread(&p->child) > 0) return;
  read_answer(p);
  p->early = !answer_is_blank(p);
  if (p->early) return;
  p->answer_n = 0;
  p->asked = true;
  write_request(p);
}

/* How long to wait for a byte: nothing tells when a request is read, so that has to be looked at,
 * the sooner the shorter it can have been waiting. */
static struct timespec patience(const struct place *p)
{
  double s = LOOK_MS / 1000.0;
  if (!p->asked && p->sent >= due(p)) s = fmin(s, fmax(1e-4, (monotonic_seconds() - p->since) / 4));
  return (struct timespec){.tv_nsec = (long)(s * 1e9)};
}

/* Waits until there is something to read or write, LOOK_MS at most, and does it. */
static void exchange(struct place *p)
{
  struct pollfd fds[3] = {{.fd = p->out_ended ? -1 : p->child.out, .events = POLLIN},
                          {.fd = p->child.err, .events = POLLIN},
                          {.fd = p->sent < due(p) && !p->no_reader ? p->child.in : -1, .events = POLLOUT}};
  struct timespec wait = patience(p);
  if (ppoll(fds, 3, &wait, NULL) > 0) {
    if (fds[2].revents & POLLOUT) write_request(p);
    if (fds[2].revents & POLLERR) p->no_reader = true;
    if (fds[1].revents) read_words(p);
    if (fds[0].revents) read_answer(p);
  }
  ask(p);
}

/* Does anything follow the answer that has just been taken? */
static bool says_more(struct place *p)
{
  struct pollfd out = {.fd = p->child.out, .events = POLLIN};
  struct timespec wait = {.tv_nsec = MORE_US * 1000L};
  while (answer_is_blank(p)) {
    if (p->out_ended || p->child.pid <= 0 || ppoll(&out, 1, &wait, NULL) <= 0) return false;
    read_answer(p);
  }
  return true;
}

/* ---- the process ----------------------------------------------------------------------------- */

/* Has the process begun the trial? */
static bool has_read(const struct place *p)
{
  if (p->child.pid <= 0) return p->begun;
  return p->sent > 0 && (size_t)child_unread(&p->child) < p->sent;
}

/* Reads what it left, and forgets the process. */
static void end_process(struct place *p, enum child_end how)
{
  if (p->child.pid <= 0) return;
  p->begun = has_read(p);
  child_end(&p->child, how);
  read_words(p);
  while (!p->out_ended && p->answer_n <= COMMAND_LINE_MAX) {
    size_t before = p->answer_n;
    read_answer(p);
    if (p->answer_n == before) break;
  }
  child_close(&p->child);
}

static int start_process(struct place *p, struct error *e)
{
  struct command_state *s = p->owner;
  char shown[1100];
  int code = child_start(&p->child, s->words.path, s->words.argv, &s->setting, e);
  if (code)
    return error_prefix(e, "[command] run = %s: the program cannot be started",
                        text_escape(shown, sizeof shown, s->line));
  if (p->started_before) s->restarted++;
  p->started_before = p->fresh = true;
  p->out_ended = p->no_reader = false;
  p->answer_n = p->words_n = 0;
  p->sent = 0;
  p->asked = p->early = false;
  p->cpu_s = 0;
  p->tidied = monotonic_seconds();
  return 0;
}

/* Ends a process in the middle of a trial: what it still says is nobody's answer. */
static void drop_process(struct place *p)
{
  end_process(p, CHILD_STOP);
  p->answer_n = 0;
}

/* A process for the next trial, where there is none that waits for it.  What has been said to no
 * trial stays, for that to fail. */
static int prepare_process(struct place *p, struct error *e)
{
  if (p->child.pid > 0) {
    read_words(p);
    read_answer(p);
    p->words_n = 0;
    p->fresh = false;
    if (monotonic_seconds() - p->tidied >= TIDY_S) child_tidy(&p->child), p->tidied = monotonic_seconds();
    if (p->out_ended || child_has_ended(&p->child)) end_process(p, CHILD_STOP);
  }
  p->early = !answer_is_blank(p);
  return p->child.pid > 0 || p->early ? 0 : start_process(p, e);
}

/* "; its last words: ..." or "". */
static void last_words(const struct place *p, char *out, size_t size)
{
  static const char lead[] = "; its last words: ";
  out[0] = 0;
  command_last_lines(p->words, p->words_n, out + sizeof lead - 1, size - sizeof lead + 1);
  if (out[sizeof lead - 1]) memcpy(out, lead, sizeof lead - 1);
}

/* ---- a trial --------------------------------------------------------------------------------- */

static int command_add(struct place *p, const struct trial_spec *spec, struct error *e)
{
  if (p->used) return error_set(e, ERROR_MACHINE, "no room for trial %d: a place of a program holds one", spec->number);
  char *request = command_request(&p->owner->space, spec);
  if (!request) return error_set(e, ERROR_MACHINE, "no memory for a trial of a program");
  int code = prepare_process(p, e);
  if (code) {
    free(request);
    return code;
  }
  p->used = p->running = true;
  p->id = spec->id;
  free(p->request);
  p->request = request;
  p->request_n = strlen(request);
  p->sent = 0;
  p->asked = p->heard = false;
  p->since = monotonic_seconds();
  command_study_name(spec, p->study);
  p->question = (struct question){.study = p->study, .trial = spec->number};
  return 0;
}

static void command_remove(struct place *p, int id)
{
  if (!p->used || p->id != id) return;
  if (p->running) drop_process(p);
  p->used = p->running = false;
}

static void command_close(struct place *p)
{
  if (!p) return;
  end_process(p, p->running ? CHILD_STOP : CHILD_ASK);
  free(p->request);
  free(p->answer);
  free(p);
}

/* The event for what has just been told; the trial has ended but for an epoch. */
static void tell(struct place *p, enum trial_event_kind kind, struct trial_event *event)
{
  double cpu_s = child_cpu_seconds(&p->child);
  *event =
      (struct trial_event){.id = p->id, .kind = kind, .epoch = p->question.epoch, .seconds = fmax(0, cpu_s - p->cpu_s)};
  p->cpu_s = cpu_s;
  p->running = kind == TRIAL_EPOCH;
}

static int cannot_start(struct place *p, const char *why, struct error *e)
{
  char words[REASON_MAX], line[1100], shown[4 * REASON_MAX];
  last_words(p, words, sizeof words);
  error_set(e, ERROR_FAILED, "%s before it had read its first trial%s", why, words);
  text_escape(shown, sizeof shown, e->message);
  return error_set(e, ERROR_FAILED, "[command] run = %s: the program cannot be started: %s",
                   text_escape(line, sizeof line, p->owner->line), shown);
}

/* Does a process that has been started go on to read its first trial?  False where it ends
 * without. */
static bool begins(struct place *p)
{
  for (int waited = 0; waited < LEAVE_MS && !has_read(p); waited += LOOK_MS / 10) {
    if (child_has_ended(&p->child)) return has_read(p);
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS / 10 * 1000000L}, NULL);
    write_request(p);
  }
  return true;
}

/* What it said is no answer: the trial has failed, and the process is of no use any more.  As
 * take_line. */
static int talk_nonsense(struct place *p, const char *reason, struct trial_event *event, struct error *e)
{
  bool begun = !p->fresh || begins(p);
  char why[REASON_MAX + 40];
  text_format(why, sizeof why, "it ended, after %s,", reason);
  drop_process(p);
  if (!begun) return cannot_start(p, why, e);
  tell(p, TRIAL_FAILED, event);
  text_format(event->reason, sizeof event->reason, "%s", reason);
  return 1;
}

/* Fails the trial for the line that stands first in what was said out of turn. */
static int talk_out_of_turn(struct place *p, const char *when, struct trial_event *event, struct error *e)
{
  char reason[REASON_MAX], line[250];
  const char *begin = p->answer, *end = p->answer + p->answer_n;
  while (begin < end && strchr(" \t\r\n", *begin)) begin++;
  const char *newline = memchr(begin, '\n', (size_t)(end - begin));
  text_utf8(line, sizeof line, begin, (size_t)((newline ? newline : end) - begin));
  text_format(reason, sizeof reason, "nonsense: %s: %s", when, line);
  return talk_nonsense(p, reason, event, e);
}

/* Before the question, in an answer that has an end: a whole line, or what will be none. */
static int take_early(struct place *p, bool last, struct trial_event *event, struct error *e)
{
  bool whole = last || p->early || p->answer_n > COMMAND_LINE_MAX || memchr(p->answer, '\n', p->answer_n);
  if (answer_is_blank(p) || !whole) return 0;
  return talk_out_of_turn(p,
                          p->fresh
                              ? "it said this before it had read its first trial"
                              : "it said this after its answer to the trial before, and before it had read this one",
                          event, e);
}

/* The trial has its answer; is it the last word? */
static int take_answer(struct place *p, const struct answer *a, struct trial_event *event, struct error *e)
{
  if (says_more(p)) {
    if (a->kind == ANSWER_VALUE)
      return talk_out_of_turn(p, "it said this after its answer (a line for an epoch has an \"epoch\")", event, e);
    drop_process(p);
  }
  tell(p, a->kind == ANSWER_VALUE ? TRIAL_DONE : TRIAL_FAILED, event);
  event->value = a->value;
  text_format(event->reason, sizeof event->reason, "%s", a->reason);
  return 1;
}

/* Takes the next line that has come.  1: *event tells of it; 0: there is none; else an error.
 * `last`: no more will come. */
static int take_line(struct place *p, bool last, struct trial_event *event, struct error *e)
{
  if (!p->asked) return take_early(p, last, event, e);
  while (p->answer_n > 0) {
    struct answer a;
    char reason[80];
    const char *newline = memchr(p->answer, '\n', p->answer_n);
    if (!newline && p->answer_n > COMMAND_LINE_MAX) {
      snprintf(reason, sizeof reason, "nonsense: line %d of its answer is longer than %d bytes", p->question.line + 1,
               COMMAND_LINE_MAX);
      return talk_nonsense(p, reason, event, e);
    }
    if (!newline && !last) return 0;
    size_t n = newline ? (size_t)(newline - p->answer) : p->answer_n, taken = newline ? n + 1 : n;
    p->question.line++;
    command_answer(p->answer, n, &p->question, &a);
    p->answer_n -= taken;
    memmove(p->answer, p->answer + taken, p->answer_n);
    if (a.kind == ANSWER_BLANK) continue;
    if (a.kind == ANSWER_NONSENSE) return talk_nonsense(p, a.reason, event, e);
    if (a.epoch > 0) p->question.epoch = a.epoch;
    if (a.kind != ANSWER_EPOCH && a.epoch == 0) return take_answer(p, &a, event, e);
    if (a.kind == ANSWER_DIVERGED) drop_process(p); /* it would go on with the trial */
    tell(p, a.kind == ANSWER_EPOCH ? TRIAL_EPOCH : TRIAL_FAILED, event);
    event->value = a.value;
    text_format(event->reason, sizeof event->reason, "%s", a.reason);
    return 1;
  }
  return 0;
}

static bool asked_to_stop(const volatile int *stop)
{
  return stop && __atomic_load_n(stop, __ATOMIC_RELAXED);
}

static int interrupted(struct error *e)
{
  return error_set(e, ERROR_INTERRUPTED, "interrupted");
}

/* A batch system ends all processes of a job at once: that of the program is then no result. */
static bool stop_follows(int status, const volatile int *stop)
{
  bool signalled = WIFSIGNALED(status) || WEXITSTATUS(status) > 128;
  for (int waited = 0; signalled && waited < STOP_GRACE_MS && !asked_to_stop(stop); waited += LOOK_MS / 5)
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS / 5 * 1000000L}, NULL);
  return asked_to_stop(stop);
}

/* The process has ended, or talks no more.  As take_line; 0: the trial was given to a new one. */
static int take_end(struct place *p, struct trial_event *event, const volatile int *stop, struct error *e)
{
  char why[100], words[REASON_MAX - 150];
  bool closed = p->child.pid > 0 && !child_wait(&p->child, LEAVE_MS), begun = has_read(p);
  end_process(p, CHILD_STOP);
  if (stop_follows(p->child.status, stop)) return interrupted(e);
  int code = take_line(p, true, event, e);
  if (code) return code;
  child_status_text(p->child.status, why, sizeof why);
  if (!begun && !p->fresh) return start_process(p, e);
  if (!begun) {
    char ended[140];
    snprintf(ended, sizeof ended, "it %s (%s)", closed ? "closed its standard output" : "ended", why);
    return cannot_start(p, ended, e);
  }
  last_words(p, words, sizeof words);
  tell(p, TRIAL_FAILED, event);
  text_format(event->reason, sizeof event->reason, "died: %s%s", closed ? "it closed its standard output" : why, words);
  return 1;
}

/* ---- silence --------------------------------------------------------------------------------- */

/* What may be wrong where a trial has had no answer for so long: "it ...". */
static void silence_text(enum silence kind, double seconds, char *text, size_t size)
{
  if (kind == SILENCE_UNREAD)
    snprintf(text, size, "has not read its trial for %.0f s: does it read its standard input?", seconds);
  else
    snprintf(text, size, "has answered nothing for %.0f s: does it flush its output?", seconds);
}

/* Notes where nothing was ever heard of the program, although it has had its time. */
static void watch_silence(struct place *p)
{
  int none = SILENCE_NONE;
  if (p->owner->heard || monotonic_seconds() - p->since < SILENCE_S) return;
  atomic_compare_exchange_strong(&p->owner->silence, &none, p->asked ? SILENCE_OF_ANSWERS : SILENCE_UNREAD);
}

static bool command_notice(struct objective *o, char *text, size_t size)
{
  struct command_state *s = (struct command_state *)o;
  int kind = s->silence;
  char what[120];
  if (kind == SILENCE_NONE || kind == SILENCE_TOLD) return false;
  s->silence = SILENCE_TOLD;
  silence_text((enum silence)kind, SILENCE_S, what, sizeof what);
  snprintf(text, size, "the program %s (Where a trial takes longer than that, all is well.)", what);
  return true;
}

static void command_overtime(struct place *p, int id, char *text, size_t size)
{
  char what[120];
  text[0] = 0;
  if (!p->used || p->id != id || p->heard) return;
  silence_text(p->asked ? SILENCE_OF_ANSWERS : SILENCE_UNREAD, monotonic_seconds() - p->since, what, sizeof what);
  snprintf(text, size, "it %s", what);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Has all been read that it has written? */
static bool is_silent(struct place *p)
{
  if (memchr(p->answer, '\n', p->answer_n) || p->answer_n > COMMAND_LINE_MAX) return false;
  size_t before = p->answer_n;
  read_answer(p);
  return p->answer_n == before;
}

static int command_advance(struct place *p, struct trial_event *events, int max, int *n_events,
                           const volatile int *stop, struct error *e)
{
  int code = 0;
  *n_events = 0;
  if (!p->running || max < 1) return 0;
  while (!code) {
    if (asked_to_stop(stop)) return interrupted(e);
    code = take_line(p, false, events, e);
    if (code) break;
    exchange(p);
    watch_silence(p);
    bool ended = p->out_ended || child_has_ended(&p->child); /* before what it wrote last is read */
    if (ended && is_silent(p)) code = take_end(p, events, stop, e);
  }
  if (code < 0) return code;
  *n_events = 1;
  return 0;
}

/* ---- the objective --------------------------------------------------------------------------- */

static void command_description(struct objective *o, char *text, size_t size)
{
  struct command_state *s = (struct command_state *)o;
  command_files_description(&s->words, s->folder, text, size);
}

static void command_describe(struct objective *o, FILE *out)
{
  const struct command_state *s = (const struct command_state *)o;
  char text[1100];
  text_wrap(out, "  runs    ", text_escape(text, sizeof text, s->line));
  text_wrap(out, "  which   ", text_escape(text, sizeof text, s->words.path));
  text_wrap(out, "  in      ", text_escape(text, sizeof text, s->folder));
  text_wrap(out, "  covers  ", "by checksum, the files under \"depends on\"; not what those load themselves");
}

static void command_summary(struct objective *o, char *text, size_t size)
{
  struct command_state *s = (struct command_state *)o;
  int n = s->restarted;
  text[0] = 0;
  if (n > 0)
    snprintf(text, size, "the program was started again %d time%s, in place of a process that had ended or was ended",
             n, n == 1 ? "" : "s");
}

static void command_destroy(struct objective *o)
{
  struct command_state *s = (struct command_state *)o;
  child_keeper_end(&s->keeper);
  command_words_free(&s->words);
  free(s->environment);
  space_destroy(&s->space);
  free((char *)s->line);
  free(s->folder);
  free(s);
}

int objective_command_create(struct objective **o, const struct experiment *x, struct error *e)
{
  /* Python keeps what it prints to a pipe until there are 8 KB of it. */
  static const char *const defaults[] = {"PYTHONUNBUFFERED=1", NULL};
  char shown[1100];
  *o = NULL;
  struct command_state *s = calloc(1, sizeof *s);
  if (!s) return error_set(e, ERROR_MACHINE, "no memory for the objective");
  s->objective = (struct objective){.name = "command",
                                    .maximize = x->maximize,
                                    .value_name = "value",
                                    .has_epochs = true,
                                    .capacity = 1,
                                    .cost = command_cost,
                                    .open = command_open,
                                    .add = command_add,
                                    .advance = command_advance,
                                    .remove = command_remove,
                                    .close = command_close,
                                    .description = command_description,
                                    .subject = "Program",
                                    .describe = command_describe,
                                    .summary = command_summary,
                                    .notice = command_notice,
                                    .overtime = command_overtime,
                                    .destroy = command_destroy};
  s->line = strdup(x->command);
  s->folder = strdup(x->command_folder);
  int code = s->line && s->folder ? space_copy(&s->space, &x->space, e)
                                  : error_set(e, ERROR_MACHINE, "no memory for the objective");
  if (!code && command_words_make(&s->words, x->command, x->command_folder, e)) {
    code = error_prefix(e, "[command] run = %s", text_escape(shown, sizeof shown, x->command));
    if (x->path[0]) error_prefix(e, "%s", text_escape(shown, sizeof shown, x->path));
  }
  if (!code && !(s->environment = environment_for_programs(defaults)))
    code = error_set(e, ERROR_MACHINE, "no memory for the environment of a program");
  if (!code) code = child_keeper_start(&s->keeper, e);
  s->setting = (struct child_setting){s->folder, s->environment, &s->keeper};
  if (code)
    command_destroy(&s->objective);
  else
    *o = &s->objective;
  return code;
}
