/* What a rank other than 0 does (boxes.h): it opens the objective of the experiment that it is
 * sent, with the data on its own disk, and runs trials in it as rank 0 asks.
 *
 * The main thread is the pump's.  Each slot has a thread, made with its first question, which does
 * what is asked in its order: that of slot 0 opens and ends the experiment, those of places own a
 * place each.  Nothing is decided here and nothing is kept: whatever rank 0 does not know is lost
 * with the rank, and runs again. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file_open.h"
#include "host/base/monotonic.h"
#include "host/base/text_escape.h"
#include "host/experiment/experiment.h"
#include "sched/boxes/boxes.h"
#include "sched/boxes/offer.h"
#include "sched/boxes/pump.h"
#include "sched/run/signals.h"

enum { SLOTS_MAX = BOX_PLACES_MAX + 1, EVENTS_MAX = 64, NAMES_MAX = 32, INI_BYTES_MAX = 4 << 20, NOTICE_S = 1 };

struct question {
  struct wire_frame frame;
  struct question *next;
};

/* A slot, and its thread. */
struct desk {
  struct server *server;
  uint32_t slot;
  pthread_t thread;
  /* The thread's own: */
  struct place *place;
  struct trial_event refused[EVENTS_MAX]; /* [n_refused] trials that were not added */
  int n_refused;
  struct error worse;   /* ... for what is not theirs: code 0: there was none */
  volatile int stop;    /* the trainer looks at it */
  uint32_t advancing;   /* the pump's: the last call of MESSAGE_ADVANCE */
  pthread_mutex_t lock; /* of the questions */
  pthread_cond_t asked;
  struct question *first, **last;
  bool ends;
};

struct server {
  struct link *link;
  struct pump pump;
  struct desk **desks; /* [n_desks] the pump's; NULL: not asked yet */
  uint32_t n_desks;
  bool bye, signalled;
  double noticed_s;
  volatile int reading_stops;
  pthread_mutex_t lock; /* of what follows; slot 0 changes it, while there is no place */
  struct experiment *x; /* NULL: none */
  struct objective *objective;
  char names[NAMES_MAX][SPACE_NAME_MAX]; /* of strategies: they outlive their trials */
  int n_names;
};

/* ---- the experiment -------------------------------------------------------------------------- */

static bool reading(void *context, const char *what, int64_t done, int64_t total)
{
  const struct server *s = context;
  (void)what, (void)done, (void)total;
  return __atomic_load_n(&s->reading_stops, __ATOMIC_RELAXED) != 0 || signals_stop != 0;
}

static void end_experiment(struct server *s)
{
  pthread_mutex_lock(&s->lock);
  struct objective *o = s->objective;
  s->objective = NULL;
  pthread_mutex_unlock(&s->lock);
  objective_destroy(o);
  if (s->x) experiment_destroy(s->x);
  free(s->x);
  s->x = NULL;
}

/* The text comes from an experiment that rank 0 has loaded; what is wrong with it here is of this
 * machine, and its lines are nobody's. */
static int load(struct server *s, const char *text, struct error *e)
{
  char path[64];
  size_t n = strlen(text);
  int fd = memfd_create("experiment.ini", MFD_CLOEXEC);
  if (fd < 0 || write(fd, text, n) != (ssize_t)n) {
    int code = error_errno(e, "no memory for the experiment");
    if (fd >= 0) close(fd);
    return code;
  }
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  struct experiment *x = calloc(1, sizeof *x);
  int code = x ? experiment_load(x, path, NULL, 0, e) : error_set(e, ERROR_MACHINE, "no memory for the experiment");
  close(fd);
  if (code) {
    free(x);
    return code;
  }
  free(x->lines);
  x->lines = NULL;
  s->x = x;
  return 0;
}

static int open_experiment(struct server *s, struct wire_fields *f, struct error *e)
{
  struct objective *o = NULL;
  char *text = wire_text_new(f, INI_BYTES_MAX);
  end_experiment(s);
  int code = text ? load(s, text, e) : error_set(e, ERROR_FAILED, "the experiment that rank 0 sends is damaged");
  free(text);
  if (!code) code = objective_create(&o, s->x, reading, s, e);
  pthread_mutex_lock(&s->lock);
  if (!code) s->objective = o;
  pthread_mutex_unlock(&s->lock);
  return code;
}

static void answer_offer(struct server *s, struct wire_writer *w, const struct error *e)
{
  struct offer *o = calloc(1, sizeof *o);
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  wire_put_text(w, host);
  if (o && !e->code) {
    offer_make(o, s->objective);
    message_put_offer(w, o);
  }
  free(o);
}

static int reserve(struct server *s, struct wire_fields *f, struct error *e)
{
  double largest[SPACE_MAX] = {0};
  struct objective_at_once at = {0};
  at.places = wire_int(f, 1, BOX_PLACES_MAX);
  at.capacity = wire_int(f, 1, BOX_PLACES_MAX);
  at.trials = wire_int(f, 1, BOX_PLACES_MAX);
  at.by_share = wire_int(f, 0, 1);
  int n = message_values(f, largest);
  if (f->bad || n != s->x->space.n) return error_set(e, ERROR_FAILED, "a question of rank 0 is damaged");
  return objective_reserve(s->objective, &at, largest, e);
}

/* ---- a place --------------------------------------------------------------------------------- */

static int open_place(struct desk *d, struct wire_fields *f, struct error *e)
{
  struct objective *o = d->server->objective;
  int devices = o->n_devices > 0 ? o->n_devices : 1, device = wire_int(f, 0, devices - 1),
      capacity = wire_int(f, 1, EVENTS_MAX);
  if (f->bad) return error_set(e, ERROR_FAILED, "a question of rank 0 is damaged");
  return o->open(o, &d->place, device, capacity, e);
}

/* The name of a strategy as one that stays; "" where there are too many. */
static const char *lasting(struct server *s, const char *name)
{
  int i = 0;
  pthread_mutex_lock(&s->lock);
  while (i < s->n_names && strcmp(s->names[i], name) != 0) i++;
  if (i == s->n_names && i < NAMES_MAX) memcpy(s->names[s->n_names++], name, strlen(name) + 1);
  pthread_mutex_unlock(&s->lock);
  return i < NAMES_MAX ? s->names[i] : "";
}

static int add(struct desk *d, bool restored, struct wire_fields *f, struct error *e)
{
  struct server *s = d->server;
  struct trial_spec spec;
  double values[SPACE_MAX];
  char strategy[SPACE_NAME_MAX];
  size_t bytes = 0;
  message_trial(f, &spec, values, strategy);
  const void *block = restored ? wire_block(f, &bytes) : NULL;
  if (!wire_fields_end(f)) return error_set(e, ERROR_FAILED, "a trial that rank 0 sends is damaged");
  spec.strategy = lasting(s, strategy);
  if (restored) return objective_restore(s->objective, d->place, &spec, block, bytes, e);
  int code = s->objective->add(d->place, &spec, e);
  if (code == ERROR_MACHINE && d->n_refused < EVENTS_MAX) {
    struct trial_event *event = &d->refused[d->n_refused++];
    *event = (struct trial_event){.id = spec.id, .kind = TRIAL_MACHINE_FAILED};
    text_format(event->reason, sizeof event->reason, "%s", e->message);
  } else if (code) {
    d->worse = *e;
  }
  return code;
}

static void answer_admit(struct desk *d, struct wire_fields *f, struct wire_writer *w)
{
  double values[SPACE_MAX];
  int n = message_values(f, values);
  wire_put_u32(w, objective_admit(d->server->objective, d->place, n > 0 ? values : NULL));
}

/* What went wrong with adding: the machine's failure is the trial's, what is worse is the
 * place's. */
static int tell_refused(struct desk *d, int max, struct wire_writer *w, struct error *e)
{
  int n = d->n_refused < max ? d->n_refused : max;
  if (d->worse.code) {
    *e = d->worse;
    d->worse.code = 0;
    return e->code;
  }
  message_put_events(w, d->refused + d->n_refused - n, n);
  d->n_refused -= n;
  return 0;
}

static int advance(struct desk *d, struct wire_fields *f, struct wire_writer *w, struct error *e)
{
  struct trial_event events[EVENTS_MAX];
  int max = wire_int(f, 1, EVENTS_MAX), n = 0;
  if (f->bad) return error_set(e, ERROR_FAILED, "a question of rank 0 is damaged");
  if (d->worse.code || d->n_refused > 0) return tell_refused(d, max, w, e);
  int code = d->server->objective->advance(d->place, events, max, &n, &d->stop, e);
  if (!code) message_put_events(w, events, n);
  return code;
}

static int checkpoint(struct desk *d, int id, struct wire_writer *w, struct error *e)
{
  void *block;
  size_t bytes;
  int code = objective_checkpoint(d->server->objective, d->place, id, &block, &bytes, e);
  if (code) return code;
  wire_put_block(w, block, block ? bytes : 0);
  free(block);
  return 0;
}

/* A file as a block. */
static int put_file(struct wire_writer *w, const char *path, struct error *e)
{
  struct stat st;
  FILE *f = file_open_to_read(path);
  if (!f || fstat(fileno(f), &st) != 0) {
    int code = error_errno(e, "%s: cannot be read", path);
    if (f) fclose(f);
    return code;
  }
  size_t n = (size_t)st.st_size;
  void *bytes = malloc(n ? n : 1);
  int code = bytes ? 0 : error_set(e, ERROR_MACHINE, "no memory for a network of %zu bytes", n);
  if (!code && fread(bytes, 1, n, f) != n) code = error_set(e, ERROR_FAILED, "%s: cannot be read", path);
  if (!code) wire_put_block(w, bytes, n);
  free(bytes);
  fclose(f);
  return code;
}

/* Networks are written as files; this one goes on to rank 0. */
static int save(struct desk *d, int id, struct wire_writer *w, struct error *e)
{
  const char *tmp = getenv("TMPDIR");
  char folder[1024], path[1100];
  snprintf(folder, sizeof folder, "%s/gsos-rank-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  if (!mkdtemp(folder)) return error_errno(e, "%s: cannot be made", folder);
  snprintf(path, sizeof path, "%s/network.safetensors", folder);
  int code = d->server->objective->save(d->place, id, path, NULL, e);
  if (!code) code = put_file(w, path, e);
  unlink(path);
  rmdir(folder);
  return code;
}

/* ---- questions ------------------------------------------------------------------------------- */

/* Of a rank: slot 0. */
static int do_rank(struct server *s, enum message type, struct wire_fields *f, struct wire_writer *w, struct error *e)
{
  char text[300];
  if (type == MESSAGE_EXPERIMENT) return open_experiment(s, f, e);
  if (type == MESSAGE_END) return end_experiment(s), 0;
  if (!s->objective) return error_set(e, ERROR_FAILED, "rank 0 asks for an experiment that it has not sent");
  if (type == MESSAGE_RESERVE) return reserve(s, f, e);
  if (type != MESSAGE_SUMMARY) return error_set(e, ERROR_FAILED, "rank 0 asks what is not known (%d)", type);
  objective_summary(s->objective, text, sizeof text);
  wire_put_text(w, text);
  return 0;
}

/* Of a place. */
static int do_place(struct desk *d, enum message type, struct wire_fields *f, struct wire_writer *w, struct error *e)
{
  struct objective *o = d->server->objective;
  char text[300];
  if (!o || (type != MESSAGE_OPEN) != (d->place != NULL))
    return error_set(e, ERROR_FAILED, "rank 0 asks for a place that it has not opened");
  switch ((int)type) {
  case MESSAGE_OPEN:
    return open_place(d, f, e);
  case MESSAGE_ADD:
  case MESSAGE_RESTORE:
    return add(d, type == MESSAGE_RESTORE, f, e);
  case MESSAGE_ADVANCE:
    return advance(d, f, w, e);
  case MESSAGE_ADMIT:
    answer_admit(d, f, w);
    return 0;
  case MESSAGE_CHECKPOINT:
    return checkpoint(d, (int)wire_u32(f), w, e);
  case MESSAGE_SAVE:
    return save(d, (int)wire_u32(f), w, e);
  case MESSAGE_REMOVE:
    o->remove(d->place, (int)wire_u32(f));
    return 0;
  case MESSAGE_OVERTIME:
    objective_overtime(o, d->place, (int)wire_u32(f), text, sizeof text);
    wire_put_text(w, text);
    return 0;
  case MESSAGE_CLOSE:
    o->close(d->place);
    d->place = NULL;
    return 0;
  default:
    return error_set(e, ERROR_FAILED, "rank 0 asks what is not known (%d)", type);
  }
}

static void answer(struct desk *d, const struct wire_frame *q)
{
  struct server *s = d->server;
  struct error e = {0};
  struct wire_writer rest = {0}, body = {0};
  struct wire_fields f = wire_fields_of(q);
  int code = d->slot == 0 ? do_rank(s, q->type, &f, &rest, &e) : do_place(d, q->type, &f, &rest, &e);
  e.code = code;
  if (rest.failed) error_set(&e, ERROR_MACHINE, "no memory for an answer to rank 0");
  if (q->type != MESSAGE_REMOVE && q->type != MESSAGE_ADD) {
    message_put_error(&body, &e);
    if (q->type == MESSAGE_EXPERIMENT) answer_offer(s, &body, &e);
    if (!e.code) wire_put_bytes(&body, rest.bytes, rest.n);
    pump_leave(&s->pump, 0, MESSAGE_ANSWER, q->slot, q->call, &body);
  }
  wire_writer_free(&rest);
  wire_writer_free(&body);
}

static void *desk_thread(void *context)
{
  struct desk *d = context;
  pthread_mutex_lock(&d->lock);
  while (d->first || !d->ends) {
    struct question *q = d->first;
    if (!q) {
      pthread_cond_wait(&d->asked, &d->lock);
      continue;
    }
    d->first = q->next;
    if (!d->first) d->last = &d->first;
    bool ends = d->ends;
    pthread_mutex_unlock(&d->lock);
    if (!ends) answer(d, &q->frame);
    free(q->frame.body);
    free(q);
    pthread_mutex_lock(&d->lock);
  }
  pthread_mutex_unlock(&d->lock);
  if (d->place) d->server->objective->close(d->place);
  return NULL;
}

/* ---- the pump's thread ----------------------------------------------------------------------- */

static struct desk *make_desk(struct server *s, uint32_t slot, struct error *e)
{
  struct desk *d = calloc(1, sizeof *d);
  sigset_t all, old;
  if (!d) goto failed;
  d->server = s;
  d->slot = slot;
  d->last = &d->first;
  pthread_mutex_init(&d->lock, NULL);
  pthread_cond_init(&d->asked, NULL);
  sigfillset(&all); /* signals are the main thread's, but for that of one that reads a file that was cut */
  sigdelset(&all, SIGBUS);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int code = pthread_create(&d->thread, NULL, desk_thread, d);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (code == 0) return d;
  free(d);
failed:
  error_set(e, ERROR_MACHINE, "no thread can be started for a place");
  return NULL;
}

/* The desk of a slot, made where it is new; NULL: an error. */
static struct desk *desk_of(struct server *s, uint32_t slot, struct error *e)
{
  if (slot >= SLOTS_MAX) {
    error_set(e, ERROR_FAILED, "rank 0 asks a place that cannot be");
    return NULL;
  }
  if (slot >= s->n_desks) {
    struct desk **more = realloc(s->desks, (slot + 1) * sizeof *more);
    if (!more) {
      error_set(e, ERROR_MACHINE, "no memory for %u places", slot);
      return NULL;
    }
    memset(more + s->n_desks, 0, (slot + 1 - s->n_desks) * sizeof *more);
    s->desks = more;
    s->n_desks = slot + 1;
  }
  if (!s->desks[slot]) s->desks[slot] = make_desk(s, slot, e);
  return s->desks[slot];
}

static void stop_call(struct server *s, const struct wire_frame *frame)
{
  if (frame->slot == 0)
    __atomic_store_n(&s->reading_stops, 1, __ATOMIC_RELAXED);
  else if (frame->slot < s->n_desks && s->desks[frame->slot] && s->desks[frame->slot]->advancing == frame->call)
    __atomic_store_n(&s->desks[frame->slot]->stop, 1, __ATOMIC_RELAXED);
}

static int take(void *context, int from, struct wire_frame *frame, struct error *e)
{
  struct server *s = context;
  if (from != 0) return error_set(e, ERROR_FAILED, "rank %d asks, which is for rank 0 alone", from);
  if (frame->type == MESSAGE_BYE) s->bye = true;
  if (frame->type == MESSAGE_STOP) stop_call(s, frame);
  if (frame->type == MESSAGE_BYE || frame->type == MESSAGE_STOP) return 0;
  struct desk *d = desk_of(s, frame->slot, e);
  struct question *q = d ? calloc(1, sizeof *q) : NULL;
  if (!d) return e->code;
  if (!q) return error_set(e, ERROR_MACHINE, "no memory for a question of rank 0");
  if (frame->type == MESSAGE_EXPERIMENT) __atomic_store_n(&s->reading_stops, 0, __ATOMIC_RELAXED);
  if (frame->type == MESSAGE_ADVANCE) { /* the last one has been answered: nothing else looks at it */
    __atomic_store_n(&d->stop, 0, __ATOMIC_RELAXED);
    d->advancing = frame->call;
  }
  q->frame = *frame;
  frame->body = NULL;
  pthread_mutex_lock(&d->lock);
  *d->last = q;
  d->last = &q->next;
  pthread_cond_signal(&d->asked);
  pthread_mutex_unlock(&d->lock);
  return 0;
}

/* What rank 0 has to know without having asked. */
static void tell(struct server *s)
{
  struct wire_writer body = {0};
  char text[500];
  if (signals_stop && !s->signalled) {
    s->signalled = true;
    wire_put_u32(&body, (uint32_t)signals_stop);
    pump_leave(&s->pump, 0, MESSAGE_SIGNAL, 0, 0, &body);
    wire_writer_free(&body);
  }
  if (monotonic_seconds() - s->noticed_s < NOTICE_S) return;
  s->noticed_s = monotonic_seconds();
  pthread_mutex_lock(&s->lock);
  bool any = s->objective && objective_notice(s->objective, text, sizeof text);
  pthread_mutex_unlock(&s->lock);
  if (!any) return;
  wire_put_text(&body, text);
  pump_leave(&s->pump, 0, MESSAGE_NOTICE, 0, 0, &body);
  wire_writer_free(&body);
}

static void end_desks(struct server *s)
{
  __atomic_store_n(&s->reading_stops, 1, __ATOMIC_RELAXED);
  for (uint32_t i = s->n_desks; i-- > 0;) { /* places before the experiment */
    struct desk *d = s->desks[i];
    if (!d) continue;
    __atomic_store_n(&d->stop, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&d->lock);
    d->ends = true;
    pthread_cond_signal(&d->asked);
    pthread_mutex_unlock(&d->lock);
    pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->asked);
    pthread_mutex_destroy(&d->lock);
    free(d);
  }
  free(s->desks);
}

int boxes_serve(struct link *link, struct error *e)
{
  struct server *s = calloc(1, sizeof *s);
  if (!s) return error_set(e, ERROR_MACHINE, "no memory for the talk with rank 0");
  s->link = link;
  pthread_mutex_init(&s->lock, NULL);
  int code = pump_create(&s->pump, link, e);
  while (!code) {
    bool moved;
    code = pump_turn(&s->pump, take, s, &moved, e);
    if (s->bye && !moved && pump_empty(&s->pump)) break;
    tell(s);
    if (!code) pump_rest(&s->pump, moved);
  }
  end_desks(s);
  end_experiment(s);
  pump_destroy(&s->pump);
  pthread_mutex_destroy(&s->lock);
  free(s);
  if (!code) link->close(link); /* else the others do not close, and we would wait for them */
  return code;
}
