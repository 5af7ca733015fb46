/* The analytic functions as an objective: trials that take microseconds (or, for `curve`,
 * milliseconds an epoch), so that samplers, strategies and the study loop are tested in seconds.
 *
 * The space is the experiment's own: ranges, types and labels may differ from those that the
 * function brings along, as long as the names are the same.  A place is a list of members; advance
 * gives each in turn one epoch. */
#include "host/objectives/objective.h"

#include <gnu/libc-version.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/experiment/experiment.h"
#include "host/space/function_space.h"
#include "host/space/functions.h"
#include "host/base/text_escape.h"

struct function_state {
  struct objective objective; /* first: the handle is the state */
  const struct function *function;
  struct space space;              /* a copy of the experiment's */
  int index[FUNCTION_PARAMS_MAX];  /* [function->n] where each stands in the space */
  int *label[FUNCTION_PARAMS_MAX]; /* [function->n][n_choices] of a categorical: the function's own place; else NULL */
};

struct function_member {
  bool used, ended;
  int id, epochs, epoch; /* epoch: those that have ended */
  uint64_t key, state;
  double x[FUNCTION_PARAMS_MAX];
};

struct place {
  struct function_state *owner;
  int capacity, turn; /* turn: the member that is next */
  struct function_member *members;
};

/* What a checkpoint holds. */
struct saved_member {
  char magic[8];
  int32_t epochs, epoch;
  uint64_t key, state;
};
static const char saved_magic[8] = "gsosfun";

/* --- names --- */

static void numbers_of(const struct function_state *s, const double *values, double *x)
{
  for (int i = 0; i < s->function->n; i++) {
    const struct param *p = &s->space.params[s->index[i]];
    double v = values[s->index[i]];
    x[i] = s->label[i] ? s->label[i][(int)param_clamp(p, v)] : param_number(p, v);
  }
}

/* The space's labels of a categorical as places among the function's own. */
static int find_labels(struct function_state *s, int i, const struct param *own, struct error *e)
{
  const struct param *p = &s->space.params[s->index[i]];
  s->label[i] = malloc((size_t)p->n_choices * sizeof(int));
  if (!s->label[i]) return error_set(e, ERROR_MACHINE, "out of memory for function %s", s->function->name);
  for (int c = 0; c < p->n_choices; c++) {
    int at = 0;
    while (at < own->n_choices && strcmp(own->labels[at], p->labels[c]) != 0) at++;
    if (at == own->n_choices) {
      return error_set(e, ERROR_CONFIG, "[space] %s: function %s has no choice '%s'; it has %s", p->name,
                       s->function->name, p->labels[c], strchr(s->function->params[i].line, ' ') + 1);
    }
    s->label[i][c] = at;
  }
  return 0;
}

static int find_names(struct function_state *s, struct error *e)
{
  const struct function *f = s->function;
  for (int i = 0; i < f->n; i++) {
    struct param own;
    s->index[i] = space_index(&s->space, f->params[i].name);
    if (s->index[i] < 0) {
      return error_set(e, ERROR_CONFIG, "[space] lacks %s, which function %s needs; for instance: %s = %s",
                       f->params[i].name, f->name, f->params[i].name, f->params[i].line);
    }
    int code = param_parse(&own, f->params[i].name, f->params[i].line, e);
    if (code) return code;
    const struct param *p = &s->space.params[s->index[i]];
    if ((own.type == PARAM_CATEGORICAL) != (p->type == PARAM_CATEGORICAL)) {
      code = error_set(e, ERROR_CONFIG, "[space] %s: function %s takes a %s here; for instance: %s = %s", p->name,
                       f->name, own.type == PARAM_CATEGORICAL ? "categorical" : "number", p->name, f->params[i].line);
    } else if (own.type == PARAM_CATEGORICAL) {
      code = find_labels(s, i, &own, e);
    }
    free(own.numbers);
    free(own.labels);
    if (code) return code;
  }
  for (int k = 0; k < s->space.n; k++) {
    int i = 0;
    while (i < f->n && s->index[i] != k) i++;
    if (i == f->n) {
      return error_set(e, ERROR_CONFIG, "[space] %s: function %s has no such hyperparameter; leave it out",
                       s->space.params[k].name, f->name);
    }
  }
  return 0;
}

/* --- cost --- */

static int function_cost(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  (void)e;
  const struct function_state *s = (const struct function_state *)o;
  double x[FUNCTION_PARAMS_MAX];
  numbers_of(s, values, x);
  *cost = (struct objective_cost){.feasible = true, .bytes = (int64_t)sizeof(struct function_member)};
  if (s->function->feasible) {
    cost->feasible = s->function->feasible(x, cost->reason, sizeof(cost->reason));
  }
  cost->epochs = s->function->epochs ? s->function->epochs(x) : 1;
  cost->steps = cost->epochs;
  return 0;
}

/* --- a place and its members --- */

static int function_open(struct objective *o, struct place **p, int device, int capacity, struct error *e)
{
  (void)device;
  *p = calloc(1, sizeof(**p));
  if (!*p) goto no_memory;
  (*p)->owner = (struct function_state *)o;
  (*p)->capacity = capacity > 0 ? capacity : 1;
  (*p)->members = calloc((size_t)(*p)->capacity, sizeof(*(*p)->members));
  if ((*p)->members) return 0;
  free(*p);
no_memory:
  *p = NULL;
  return error_set(e, ERROR_MACHINE, "out of memory for %d trials of a function", capacity);
}

static void function_close(struct place *p)
{
  if (!p) return;
  free(p->members);
  free(p);
}

static struct function_member *find_member(struct place *p, int id)
{
  for (int i = 0; i < p->capacity; i++) {
    if (p->members[i].used && p->members[i].id == id) return &p->members[i];
  }
  return NULL;
}

static int function_add(struct place *p, const struct trial_spec *spec, struct error *e)
{
  if (find_member(p, spec->id)) return error_set(e, ERROR_FAILED, "trial %d is in its place already", spec->id);
  for (int i = 0; i < p->capacity; i++) {
    struct function_member *m = &p->members[i];
    if (m->used) continue;
    *m = (struct function_member){.used = true, .id = spec->id, .key = spec->key, .epochs = 1};
    numbers_of(p->owner, spec->values, m->x);
    if (p->owner->function->epochs) m->epochs = p->owner->function->epochs(m->x);
    return 0;
  }
  return error_set(e, ERROR_MACHINE, "no room for trial %d: the place holds %d trials", spec->id, p->capacity);
}

static void function_remove(struct place *p, int id)
{
  struct function_member *m = find_member(p, id);
  if (m) m->used = false;
}

static double thread_seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run_epoch(const struct function_state *s, struct function_member *m, struct trial_event *event,
                      const volatile int *stop)
{
  double start = thread_seconds();
  struct function_call call = {
      .function = s->function, .x = m->x, .key = m->key, .epoch = m->epoch + 1, .state = m->state, .stop = stop};
  s->function->value(&call);
  m->epoch++;
  m->state = call.state;
  *event = (struct trial_event){.id = m->id,
                                .kind = m->epoch < m->epochs ? TRIAL_EPOCH : TRIAL_DONE,
                                .epoch = m->epoch,
                                .epochs = m->epochs,
                                .value = call.value,
                                .loss = call.loss,
                                .training_loss = call.loss};
  if (!isfinite(call.value)) {
    event->kind = TRIAL_FAILED;
    snprintf(event->reason, sizeof(event->reason), "diverged: function %s is %g in epoch %d", s->function->name,
             call.value, m->epoch);
  }
  m->ended = event->kind != TRIAL_EPOCH;
  event->seconds = thread_seconds() - start;
}

static bool asked_to_stop(const volatile int *stop)
{
  return stop && __atomic_load_n(stop, __ATOMIC_RELAXED);
}

static int function_advance(struct place *p, struct trial_event *events, int max, int *n_events,
                            const volatile int *stop, struct error *e)
{
  *n_events = 0;
  for (int looked = 0; looked < p->capacity && *n_events < max; looked++) {
    struct function_member *m = &p->members[p->turn];
    p->turn = (p->turn + 1) % p->capacity;
    if (!m->used || m->ended) continue;
    struct function_member before = *m;
    if (!asked_to_stop(stop)) run_epoch(p->owner, m, &events[*n_events], stop);
    if (asked_to_stop(stop)) { /* an epoch that was left in its middle has not been */
      *m = before;
      return *n_events > 0 ? 0 : error_set(e, ERROR_INTERRUPTED, "interrupted");
    }
    ++*n_events;
  }
  return 0;
}

static int function_checkpoint(struct place *p, int id, void **block, size_t *bytes, struct error *e)
{
  const struct function_member *m = find_member(p, id);
  *block = NULL;
  *bytes = 0;
  if (!m) return error_set(e, ERROR_FAILED, "trial %d is not in this place", id);
  struct saved_member *saved = calloc(1, sizeof(*saved));
  if (!saved) return error_set(e, ERROR_MACHINE, "out of memory for the state of trial %d", id);
  memcpy(saved->magic, saved_magic, sizeof(saved_magic));
  saved->epochs = m->epochs;
  saved->epoch = m->epoch;
  saved->key = m->key;
  saved->state = m->state;
  *block = saved;
  *bytes = sizeof(*saved);
  return 0;
}

static int function_restore(struct place *p, const struct trial_spec *spec, const void *block, size_t bytes,
                            struct error *e)
{
  struct saved_member saved;
  if (bytes != sizeof(saved)) return error_set(e, ERROR_FAILED, "the state of trial %d is cut off", spec->id);
  memcpy(&saved, block, sizeof(saved));
  int code = function_add(p, spec, e);
  if (code) return code;
  struct function_member *m = find_member(p, spec->id);
  if (memcmp(saved.magic, saved_magic, sizeof(saved_magic)) != 0 || saved.key != m->key || saved.epochs != m->epochs ||
      saved.epoch < 0 || saved.epoch > m->epochs) {
    m->used = false;
    return error_set(e, ERROR_FAILED, "the state of trial %d belongs to another trial", spec->id);
  }
  m->epoch = saved.epoch;
  m->state = saved.state;
  m->ended = m->epoch == m->epochs;
  return 0;
}

/* Epoch after epoch of one trial until the time is up. */
static int function_measure(struct objective *o, const double *values, double piece_s, const volatile int *stop,
                            double *trial_s, struct error *e)
{
  const struct function_state *s = (const struct function_state *)o;
  struct function_member m = {.epochs = 1};
  struct trial_event event;
  double seconds = 0;
  numbers_of(s, values, m.x);
  if (s->function->epochs) m.epochs = s->function->epochs(m.x);
  while (!m.ended && seconds < piece_s) {
    run_epoch(s, &m, &event, stop);
    if (asked_to_stop(stop)) return error_set(e, ERROR_INTERRUPTED, "interrupted");
    seconds += event.seconds;
  }
  *trial_s = seconds / m.epoch * m.epochs;
  return 0;
}

/* --- the objective --- */

/* libm decides the last bits of a value, and whether it may use fused multiply-adds. */
static void function_description(struct objective *o, char *text, size_t size)
{
  const struct function_state *s = (const struct function_state *)o;
#if defined(__x86_64__) || defined(__i386__)
  const char *processor = __builtin_cpu_supports("fma") ? "x86 with FMA" : "x86 without FMA";
#elif defined(__aarch64__)
  const char *processor = "aarch64";
#else
  const char *processor = "other processor";
#endif
  text_format(text, size, "function %s, %s, libm %s", s->function->name, processor, gnu_get_libc_version());
}

static void function_destroy(struct objective *o)
{
  struct function_state *s = (struct function_state *)o;
  for (int i = 0; i < FUNCTION_PARAMS_MAX; i++) free(s->label[i]);
  space_destroy(&s->space);
  free(s);
}

int objective_function_create(struct objective **o, const struct experiment *x, struct error *e)
{
  *o = NULL;
  struct function_state *s = calloc(1, sizeof(*s));
  if (!s) return error_set(e, ERROR_MACHINE, "out of memory for the objective");
  s->objective = (struct objective){.name = "function",
                                    .maximize = x->maximize,
                                    .value_name = "value",
                                    .can_measure = true,
                                    .cost = function_cost,
                                    .open = function_open,
                                    .add = function_add,
                                    .advance = function_advance,
                                    .checkpoint = function_checkpoint,
                                    .restore = function_restore,
                                    .remove = function_remove,
                                    .close = function_close,
                                    .description = function_description,
                                    .measure = function_measure,
                                    .destroy = function_destroy};
  int code;
  s->function = function_find(x->function);
  if (!s->function) {
    struct groups groups;
    bool maximize;
    code = function_space(x->function, &s->space, &groups, &maximize, e); /* knows the message for an unknown name */
    goto failed;
  }
  if (!strcmp(x->direction, "")) s->objective.maximize = s->function->maximize;
  s->objective.has_epochs = s->function->epochs != NULL;
  code = space_copy(&s->space, &x->space, e);
  if (!code) code = find_names(s, e);
  if (code) goto failed;
  *o = &s->objective;
  return 0;
failed:
  function_destroy(&s->objective);
  return code;
}
