/* Questions and answers.  See lead.h.
 *
 * The pump has a thread of its own; a worker that asks waits on its slot.  Whether a worker is to
 * stop the pump's thread looks up for it, at every STOP_LOOK_MS: workers that woke up to look
 * would be many. */
#include "sched/boxes/lead.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/base/monotonic.h"
#include "host/base/text_escape.h"
#include "sched/boxes/pump.h"
#include "sched/run/signals.h"

enum { STOP_LOOK_MS = 5, NOTICES = 16, NOTICE_MAX = 500 };

/* Under the lock of boxes. */
struct slot {
  bool used, waits, answered, told;
  uint32_t call;
  struct wire_frame answer;
  const volatile int *stop;
  pthread_cond_t came;
};

struct rank_slots {
  struct slot **slots; /* [n] */
  uint32_t n;
};

struct boxes {
  boxes_opener opener;
  void *context;
  pthread_t thread;
  struct link *link;
  struct pump pump;
  pthread_mutex_t lock;
  pthread_cond_t changed; /* opened, or broken */
  bool opened, closing;
  struct error failure;     /* the ranks cannot talk any more, or never could */
  struct rank_slots *ranks; /* [link->n_ranks] */
  struct {
    int rank;
    char text[NOTICE_MAX];
  } notices[NOTICES];
  int n_notices, read_notices;
};

int boxes_ranks(const struct boxes *b)
{
  return b->link->n_ranks;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static struct slot *new_slot(void)
{
  struct slot *s = calloc(1, sizeof *s);
  pthread_condattr_t monotonic;
  if (!s) return NULL;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&s->came, &monotonic);
  pthread_condattr_destroy(&monotonic);
  return s;
}

/* Under the lock. */
static bool add_slot(struct rank_slots *r)
{
  struct slot **more = realloc(r->slots, (r->n + 1) * sizeof *more), *slot = more ? new_slot() : NULL;
  if (more) r->slots = more;
  if (slot) r->slots[r->n++] = slot;
  return slot != NULL;
}

uint32_t lead_slot(struct boxes *b, int rank)
{
  uint32_t i = 1;
  pthread_mutex_lock(&b->lock);
  struct rank_slots *r = &b->ranks[rank];
  while (i < r->n && r->slots[i]->used) i++;
  if (i == r->n && !add_slot(r)) i = 0;
  if (i > 0) r->slots[i]->used = true;
  pthread_mutex_unlock(&b->lock);
  return i;
}

void lead_slot_free(struct boxes *b, int rank, uint32_t slot)
{
  pthread_mutex_lock(&b->lock);
  b->ranks[rank].slots[slot]->used = false;
  pthread_mutex_unlock(&b->lock);
}

/* ---- asking ---------------------------------------------------------------------------------- */

void lead_tell(struct boxes *b, int rank, uint32_t slot, enum message type, const struct wire_writer *body)
{
  pump_leave(&b->pump, rank, (uint16_t)type, slot, 0, body);
}

void lead_ask(struct boxes *b, int rank, uint32_t slot, enum message type, const struct wire_writer *body)
{
  pthread_mutex_lock(&b->lock);
  struct slot *s = b->ranks[rank].slots[slot];
  s->waits = true;
  s->answered = s->told = false;
  uint32_t call = ++s->call;
  pthread_mutex_unlock(&b->lock);
  pump_leave(&b->pump, rank, (uint16_t)type, slot, call, body);
}

static struct timespec in_ms(int ms)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += (long)(ms % 1000) * 1000000;
  t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  return t;
}

bool lead_wait(struct boxes *b, int rank, uint32_t slot, int ms, const volatile int *stop, struct wire_frame *answer,
               struct wire_fields *fields, struct error *e)
{
  struct timespec until = in_ms(ms > 0 ? ms : 0);
  *answer = (struct wire_frame){0};
  *fields = wire_fields_of(answer);
  pthread_mutex_lock(&b->lock);
  struct slot *s = b->ranks[rank].slots[slot];
  s->stop = stop;
  int late = 0;
  while (!s->answered && !b->failure.code && late != ETIMEDOUT)
    late = ms < 0 ? pthread_cond_wait(&s->came, &b->lock) : pthread_cond_timedwait(&s->came, &b->lock, &until);
  s->stop = NULL;
  bool here = s->answered, broken = !here && b->failure.code;
  if (here) {
    *answer = s->answer;
    s->answered = s->waits = false;
  } else if (broken) {
    *e = b->failure;
  }
  pthread_mutex_unlock(&b->lock);
  if (here) {
    *fields = wire_fields_of(answer);
    message_error(fields, e);
  }
  return here || broken;
}

int lead_call(struct boxes *b, int rank, uint32_t slot, enum message type, const struct wire_writer *body,
              struct error *e)
{
  struct wire_frame answer;
  struct wire_fields fields;
  lead_ask(b, rank, slot, type, body);
  lead_wait(b, rank, slot, -1, NULL, &answer, &fields, e);
  free(answer.body);
  return e->code;
}

/* ---- the pump's thread ----------------------------------------------------------------------- */

static void take_notice(struct boxes *b, int from, const struct wire_frame *frame)
{
  struct wire_fields f = wire_fields_of(frame);
  char text[NOTICE_MAX];
  wire_text(&f, text, sizeof text);
  pthread_mutex_lock(&b->lock);
  if (b->n_notices - b->read_notices < NOTICES) {
    b->notices[b->n_notices % NOTICES].rank = from;
    memcpy(b->notices[b->n_notices++ % NOTICES].text, text, sizeof text);
  }
  pthread_mutex_unlock(&b->lock);
}

/* Another rank was asked to stop: so are we, as by the same signal. */
static void take_signal(const struct wire_frame *frame)
{
  struct wire_fields f = wire_fields_of(frame);
  int number = wire_int(&f, 0, 64);
  bool known = number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
  if (known && !signals_stop) kill(getpid(), number == SIGINT ? SIGTERM : number);
}

static int take(void *context, int from, struct wire_frame *frame, struct error *e)
{
  struct boxes *b = context;
  if (frame->type == MESSAGE_NOTICE) take_notice(b, from, frame);
  if (frame->type == MESSAGE_SIGNAL) take_signal(frame);
  if (frame->type != MESSAGE_ANSWER) return 0;
  pthread_mutex_lock(&b->lock);
  struct rank_slots *r = &b->ranks[from];
  struct slot *s = frame->slot < r->n ? r->slots[frame->slot] : NULL;
  bool asked = s && s->waits && !s->answered && s->call == frame->call;
  if (asked) {
    s->answer = *frame;
    frame->body = NULL;
    s->answered = true;
    pthread_cond_signal(&s->came);
  }
  pthread_mutex_unlock(&b->lock);
  return asked ? 0 : error_set(e, ERROR_FAILED, "rank %d answers what it was not asked", from);
}

/* Tells the ranks whose call is to stop. */
static void look_at_stops(struct boxes *b)
{
  pthread_mutex_lock(&b->lock);
  for (int i = 1; i < b->link->n_ranks; i++)
    for (uint32_t k = 0; k < b->ranks[i].n; k++) {
      struct slot *s = b->ranks[i].slots[k];
      if (!s->waits || s->answered || s->told || !s->stop || !__atomic_load_n(s->stop, __ATOMIC_RELAXED)) continue;
      s->told = true;
      pump_leave(&b->pump, i, MESSAGE_STOP, k, s->call, NULL);
    }
  pthread_mutex_unlock(&b->lock);
}

static bool closing(struct boxes *b)
{
  pthread_mutex_lock(&b->lock);
  bool yes = b->closing;
  pthread_mutex_unlock(&b->lock);
  return yes;
}

/* Everybody who waits for an answer is told: the other ranks' devices are lost, rank 0's own go
 * on. */
static void fail(struct boxes *b, const struct error *e)
{
  pthread_mutex_lock(&b->lock);
  b->failure = *e;
  if (b->opened) b->failure.code = ERROR_LOST;
  for (int i = 0; b->ranks && i < b->link->n_ranks; i++)
    for (uint32_t k = 0; k < b->ranks[i].n; k++) pthread_cond_signal(&b->ranks[i].slots[k]->came);
  pthread_cond_broadcast(&b->changed);
  pthread_mutex_unlock(&b->lock);
}

static int open_link(struct boxes *b, struct error *e)
{
  int code = b->opener(b->context, &b->link, e);
  if (!code && b->link->rank != 0)
    code = error_set(e, ERROR_FAILED, "this process was started as rank 0, and MPI says that it is %d", b->link->rank);
  if (!code) code = pump_create(&b->pump, b->link, e);
  if (code) return code;
  struct rank_slots *ranks = calloc((size_t)b->link->n_ranks, sizeof *ranks);
  for (int i = 0; i < b->link->n_ranks && ranks && !code; i++)
    if (!add_slot(&ranks[i])) code = error_set(e, ERROR_MACHINE, "no memory for the other ranks");
  pthread_mutex_lock(&b->lock);
  b->ranks = ranks;
  b->opened = true;
  pthread_cond_broadcast(&b->changed);
  pthread_mutex_unlock(&b->lock);
  return ranks ? code : error_set(e, ERROR_MACHINE, "no memory for the other ranks");
}

static void *pump_thread(void *context)
{
  struct boxes *b = context;
  struct error e = {0};
  double looked = 0;
  int code = open_link(b, &e);
  while (!code) {
    bool moved, close = closing(b);
    code = pump_turn(&b->pump, take, b, &moved, &e);
    if (!code && close && !moved && pump_empty(&b->pump)) break;
    if (monotonic_seconds() - looked >= STOP_LOOK_MS / 1000.0) {
      look_at_stops(b);
      looked = monotonic_seconds();
    }
    if (!code) pump_rest(&b->pump, moved);
  }
  if (code) fail(b, &e);
  /* Where the ranks cannot talk, the others do not close, and we would wait for them. */
  if (!code) b->link->close(b->link);
  return NULL;
}

/* ---- from the first to the last -------------------------------------------------------------- */

int boxes_open(struct boxes **out, boxes_opener opener, void *context, struct error *e)
{
  struct boxes *b = calloc(1, sizeof *b);
  sigset_t all, old;
  *out = NULL;
  if (!b) return error_set(e, ERROR_MACHINE, "no memory for the other ranks");
  b->opener = opener;
  b->context = context;
  pthread_mutex_init(&b->lock, NULL);
  pthread_cond_init(&b->changed, NULL);
  sigfillset(&all); /* signals are the caller's thread's, and those of MPI's own threads, too */
  sigdelset(&all, SIGBUS);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int failed = pthread_create(&b->thread, NULL, pump_thread, b);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (failed) {
    free(b);
    return error_set(e, ERROR_MACHINE, "no thread can be started for the other ranks: %s", strerror(failed));
  }
  pthread_mutex_lock(&b->lock);
  while (!b->opened && !b->failure.code) pthread_cond_wait(&b->changed, &b->lock);
  *e = b->failure;
  pthread_mutex_unlock(&b->lock);
  if (e->code)
    boxes_close(b);
  else
    *out = b;
  return e->code;
}

void boxes_close(struct boxes *b)
{
  if (!b) return;
  pthread_mutex_lock(&b->lock);
  bool broken = b->failure.code != 0;
  pthread_mutex_unlock(&b->lock);
  for (int i = 1; !broken && i < b->link->n_ranks; i++) lead_tell(b, i, 0, MESSAGE_BYE, NULL);
  pthread_mutex_lock(&b->lock);
  b->closing = true;
  pthread_mutex_unlock(&b->lock);
  pthread_join(b->thread, NULL);
  int n = b->pump.n_ranks;
  pump_destroy(&b->pump);
  for (int i = 0; b->ranks && i < n; i++) {
    for (uint32_t k = 0; k < b->ranks[i].n; k++) {
      struct slot *s = b->ranks[i].slots[k];
      if (s->answered) free(s->answer.body);
      pthread_cond_destroy(&s->came);
      free(s);
    }
    free(b->ranks[i].slots);
  }
  free(b->ranks);
  pthread_cond_destroy(&b->changed);
  pthread_mutex_destroy(&b->lock);
  free(b);
}

bool lead_notice(struct boxes *b, int *rank, char *text, size_t size)
{
  pthread_mutex_lock(&b->lock);
  bool any = b->read_notices < b->n_notices;
  if (any) {
    int i = b->read_notices++ % NOTICES;
    *rank = b->notices[i].rank;
    text_format(text, size, "%s", b->notices[i].text);
  }
  pthread_mutex_unlock(&b->lock);
  return any;
}

int64_t lead_bytes(struct boxes *b)
{
  return pump_bytes(&b->pump);
}
