/* Recorded trials as an objective: a surrogate of them (host/table/surrogate.h) answers, so that
 * strategies are compared with hundreds of seeds in seconds.
 *
 * A trial's curve is known when it begins, and advance tells of its epochs one by one, so that
 * pruners see what they would have seen.  Answers have no noise: a configuration has one curve,
 * whatever the trial's seed, and no trial fails: configurations near recorded failures are as bad
 * as the worst that was recorded.
 *
 * Cost: where the table is of the network, on data whose size its study tells, that of training
 * it – images, FLOPs and what is infeasible follow from its plan, as for the network itself.  Else
 * FLOPs are not known, and a trial costs its epochs.
 *
 * The space is the experiment's own: the table's hyperparameters, in ranges and choices that the
 * table covers.  A place has one trial; what is kept of one that pauses or is stopped is how many
 * epochs it has told. */
#include <gnu/libc-version.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/cpu_isa.h"
#include "host/base/monotonic.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/base/text_wrap.h"
#include "host/experiment/experiment.h"
#include "host/network/plan.h"
#include "host/objectives/objective.h"
#include "host/table/surrogate.h"
#include "host/table/table.h"

static const double least_r_squared = 0.8;

/* The images that the recorded networks were trained on. */
struct image_data {
  int width, height, channels, classes, train, validation;
};

struct table_state {
  struct objective objective; /* first: the handle is the state */
  struct table table;
  struct surrogate *surrogate;
  struct surrogate_quality quality;
  struct space space;   /* a copy of the experiment's */
  int index[SPACE_MAX]; /* [table.space.n] where each stands in the space */
  bool network;         /* cost is the network's: */
  struct network_names names;
  struct image_data data;
  struct model_options model;
};

struct place {
  struct table_state *owner;
  bool used;
  int id, epochs, epoch; /* epoch: those that have ended */
  double *curve;         /* [epochs] */
  int64_t images;        /* of an epoch */
  double seconds;        /* not yet told in an event */
};

static struct table_state *state_of(struct objective *o)
{
  return (struct table_state *)o;
}

static double thread_seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- the experiment's space and the table's --- */

/* The table's own value for a value of the experiment's hyperparameter; false: it has none. */
static bool own_value(const struct param *own, const struct param *p, double value, double *out)
{
  char text[SPACE_NAME_MAX];
  if (own->type == PARAM_CATEGORICAL || p->type == PARAM_CATEGORICAL) {
    param_value_format(p, value, text, sizeof text);
    return param_value_parse(own, text, out, NULL) == 0;
  }
  *out = param_number(p, value);
  if (own->type == PARAM_ORDINAL) {
    int c = 0;
    while (c < own->n_choices && own->numbers[c] != *out) c++;
    *out = c;
    return c < own->n_choices;
  }
  return *out >= own->low && *out <= own->high && (own->type == PARAM_FLOAT || *out == floor(*out));
}

/* Has the table a value for all that the experiment's hyperparameter may be? */
static bool covers(const struct param *own, const struct param *p)
{
  double value;
  bool range = own->type == PARAM_FLOAT || (own->type == PARAM_INT && p->type == PARAM_INT);
  if (range && p->n_choices == 0) return own_value(own, p, p->low, &value) && own_value(own, p, p->high, &value);
  if (param_count(p) == 0 || p->high - p->low >= SPACE_CHOICES_MAX) return false;
  for (double v = p->low; v <= p->high; v++)
    if (!own_value(own, p, v, &value)) return false;
  return true;
}

/* What the table covers, as a line of [space] has it, cut where it is long. */
static void covered_text(const struct param *p, char *text, size_t size)
{
  char line[PARAM_TEXT_MAX];
  param_format(p, line, sizeof line);
  text_format(text, size, "%s", line);
}

static int find_names(struct table_state *s, struct error *e)
{
  const struct space *own = &s->table.space;
  char line[400];
  for (int i = 0; i < own->n; i++) {
    const struct param *p = &own->params[i];
    int at = s->index[i] = space_index(&s->space, p->name);
    covered_text(p, line, sizeof line);
    if (at < 0)
      return error_set(e, ERROR_CONFIG, "[space] lacks %s, which the table has: %s = %s", p->name, p->name, line);
    if (!covers(p, &s->space.params[at]))
      return error_set(e, ERROR_CONFIG, "[space] %s: the table covers %s, and tells nothing of other values", p->name,
                       line);
  }
  for (int k = 0; k < s->space.n; k++)
    if (space_index(own, s->space.params[k].name) < 0)
      return error_set(e, ERROR_CONFIG, "[space] %s: the table has no such hyperparameter; leave it out",
                       s->space.params[k].name);
  return 0;
}

static void own_values(const struct table_state *s, const double *values, double *own)
{
  for (int i = 0; i < s->table.space.n; i++) {
    const struct param *p = &s->space.params[s->index[i]];
    own_value(&s->table.space.params[i], p, param_clamp(p, values[s->index[i]]), &own[i]);
  }
}

/* --- cost --- */

static int epochs_of(const struct table_state *s, const double *own)
{
  const struct table *t = &s->table;
  if (!t->curves) return 1;
  return t->epoch < 0 ? t->epochs : (int)own[t->epoch];
}

static void make_plan(const struct table_state *s, const double *values, struct plan *p)
{
  struct network_config config;
  const struct image_data *d = &s->data;
  network_config_from_values(&config, &s->names, &s->space, values, &s->model);
  plan_make(p, &config, d->height, d->width, d->channels, d->classes, d->train, d->validation);
}

static int table_cost(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  (void)e;
  const struct table_state *s = state_of(o);
  double own[SPACE_MAX];
  own_values(s, values, own);
  *cost = (struct objective_cost){.feasible = true, .epochs = epochs_of(s, own)};
  cost->steps = cost->epochs;
  cost->bytes = (int64_t)sizeof(struct place) + cost->epochs * (int64_t)sizeof(double);
  if (!s->network) return 0;
  struct plan p;
  make_plan(s, values, &p);
  cost->feasible = p.feasible;
  memcpy(cost->reason, p.reason, sizeof cost->reason);
  cost->flops = p.flops_total;
  cost->steps = p.steps;
  cost->images = p.images;
  return 0;
}

/* "... (28×28×1, 10 classes, 2000 + 1000 + 1000 images)", as objective_cnn.c describes its data. */
static bool read_image_data(const char *depends_on, struct image_data *d)
{
  for (const char *at = strchr(depends_on, '('); at; at = strchr(at + 1, '(')) {
    int n = sscanf(at, "(%d×%d×%d, %d classes, %d + %d + %*d images)", &d->width, &d->height, &d->channels, &d->classes,
                   &d->train, &d->validation);
    if (n == 6) return d->width > 0 && d->height > 0 && d->channels > 0 && d->train > 0 && d->validation > 0;
  }
  return false;
}

/* A number among the search keys that the table was made with. */
static double recorded_number(const struct table *t, const char *key, double otherwise)
{
  char text[64];
  double value;
  if (!experiment_search_get(t->search, key, text, sizeof text) || !number_parse(text, &value)) return otherwise;
  return value;
}

static void find_network(struct table_state *s, const struct experiment *x)
{
  struct error none = {0};
  s->network = read_image_data(s->table.depends_on, &s->data) && network_names_find(&s->names, &s->space, &none) == 0;
  s->model.filters = (int)recorded_number(&s->table, "model.filters", x->model.filters);
  s->model.momentum = recorded_number(&s->table, "model.momentum", x->model.momentum);
}

/* --- a place and its trial --- */

static int table_open(struct objective *o, struct place **p, int device, int capacity, struct error *e)
{
  (void)device;
  *p = NULL;
  if (capacity != 1) return error_set(e, ERROR_FAILED, "a table has room for 1 trial in a place, not for %d", capacity);
  *p = calloc(1, sizeof **p);
  if (!*p) return error_set(e, ERROR_MACHINE, "no memory for a trial of the table");
  (*p)->owner = state_of(o);
  return 0;
}

static void table_remove(struct place *p, int id)
{
  if (!p->used || p->id != id) return;
  free(p->curve);
  p->curve = NULL;
  p->used = false;
}

static void table_close(struct place *p)
{
  if (!p) return;
  free(p->curve);
  free(p);
}

static int table_add(struct place *p, const struct trial_spec *spec, struct error *e)
{
  struct table_state *s = p->owner;
  struct objective_cost cost;
  double own[SPACE_MAX], start = thread_seconds();
  if (p->used) return error_set(e, ERROR_MACHINE, "trial %d: the place still holds trial %d", spec->id, p->id);
  table_cost(&s->objective, spec->values, &cost, e);
  if (!cost.feasible) return error_set(e, ERROR_FAILED, "trial %d is infeasible: %s", spec->id, cost.reason);
  own_values(s, spec->values, own);
  p->curve = malloc((size_t)cost.epochs * sizeof *p->curve);
  if (!p->curve) return error_set(e, ERROR_MACHINE, "no memory for trial %d", spec->id);
  if (surrogate_curve(s->surrogate, own, cost.epochs, p->curve, e)) {
    free(p->curve);
    p->curve = NULL;
    return e->code;
  }
  p->used = true;
  p->id = spec->id;
  p->epochs = cost.epochs;
  p->epoch = 0;
  p->images = cost.images / cost.epochs;
  p->seconds = thread_seconds() - start;
  return 0;
}

static int table_advance(struct place *p, struct trial_event *events, int max, int *n_events, const volatile int *stop,
                         struct error *e)
{
  *n_events = 0;
  if (!p->used || p->epoch == p->epochs || max < 1) return 0;
  if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)) return error_set(e, ERROR_INTERRUPTED, "interrupted");
  double value = p->curve[p->epoch++];
  events[0] = (struct trial_event){.id = p->id,
                                   .kind = p->epoch < p->epochs ? TRIAL_EPOCH : TRIAL_DONE,
                                   .epoch = p->epoch,
                                   .epochs = p->epochs,
                                   .value = value,
                                   .seconds = p->seconds,
                                   .images = p->images};
  p->seconds = 0;
  *n_events = 1;
  return 0;
}

/* --- a trial that pauses --- */

/* What is kept of it: its curve is asked anew. */
struct table_checkpoint {
  int64_t epoch;
};

static int table_checkpoint(struct place *p, int id, void **block, size_t *bytes, struct error *e)
{
  struct table_checkpoint kept = {.epoch = p->epoch};
  if (!p->used || p->id != id) return error_set(e, ERROR_FAILED, "trial %d is not in this place", id);
  *block = malloc(sizeof kept);
  if (!*block) return error_set(e, ERROR_MACHINE, "no memory to keep trial %d", id);
  memcpy(*block, &kept, sizeof kept);
  *bytes = sizeof kept;
  return 0;
}

static int table_restore(struct place *p, const struct trial_spec *spec, const void *block, size_t bytes,
                         struct error *e)
{
  struct table_checkpoint kept;
  if (bytes != sizeof kept) return error_set(e, ERROR_FAILED, "trial %d: its kept state is damaged", spec->id);
  memcpy(&kept, block, sizeof kept);
  int code = table_add(p, spec, e);
  if (code) return code;
  if (kept.epoch < 0 || kept.epoch >= p->epochs) {
    table_remove(p, spec->id);
    return error_set(e, ERROR_FAILED, "trial %d: its kept state is damaged", spec->id);
  }
  p->epoch = (int)kept.epoch;
  p->seconds = 0;
  return 0;
}

/* --- for people --- */

static void table_description(struct objective *o, char *text, size_t size)
{
  const struct table_state *s = state_of(o);
  text_format(text, size, "table %016llx (%d trials, R² %.3f at the last epoch, %.3f over all), %s loops, libm %s",
              (unsigned long long)s->table.fingerprint, s->table.n, s->quality.last, s->quality.all,
              cpu_isa_name(cpu_isa_detect()), gnu_get_libc_version());
}

static void table_describe(struct objective *o, FILE *out)
{
  const struct table_state *s = state_of(o);
  const struct table *t = &s->table;
  text_wrapf(out, "  trials      ", "%d: %d complete, %d pruned, %d failed; %d other%s left out", t->n, t->n_complete,
             t->n_pruned, t->n_failed, t->n_left_out, text_plural(t->n_left_out));
  if (t->depends_on[0]) text_wrapf(out, "  made with   ", "%s", t->depends_on);
  if (!t->curves)
    text_wrap(out, "  curves      ", "none: a value a trial");
  else
    text_wrapf(out, "  curves      ", "of %d epoch%s%s%s", t->epochs, text_plural(t->epochs),
               t->epoch < 0 ? "" : "; the number of epochs is ", t->epoch < 0 ? "" : t->space.params[t->epoch].name);
  text_wrapf(out, "  prediction  ",
             "R² %.3f at the last epoch, %.3f over all epochs, of trials held out (%d-fold cross-validation)",
             s->quality.last, s->quality.all, SURROGATE_FOLDS);
  if (s->network)
    text_wrapf(out, "  cost        ", "the network's on %d image%s of %d×%d×%d", s->data.train,
               text_plural(s->data.train), s->data.width, s->data.height, s->data.channels);
  else
    text_wrap(out, "  cost        ", "an epoch is a step; FLOPs are not known");
}

static int table_measure(struct objective *o, const double *values, double piece_s, const volatile int *stop,
                         double *trial_s, struct error *e)
{
  const struct table_state *s = state_of(o);
  double own[SPACE_MAX], start = monotonic_seconds();
  int epochs, curves = 0;
  own_values(s, values, own);
  epochs = epochs_of(s, own);
  double *curve = malloc((size_t)epochs * sizeof *curve);
  int code = curve ? 0 : error_set(e, ERROR_MACHINE, "no memory to ask the table");
  while (!code && (curves == 0 || monotonic_seconds() - start < piece_s)) {
    code = surrogate_curve(s->surrogate, own, epochs, curve, e);
    if (!code && stop && __atomic_load_n(stop, __ATOMIC_RELAXED)) code = error_set(e, ERROR_INTERRUPTED, "interrupted");
    curves++;
  }
  free(curve);
  if (!code) *trial_s = (monotonic_seconds() - start) / curves;
  return code;
}

/* --- the objective --- */

static void table_state_destroy(struct objective *o)
{
  struct table_state *s = state_of(o);
  surrogate_destroy(s->surrogate);
  table_destroy(&s->table);
  space_destroy(&s->space);
  free(s);
}

/* The surrogate, and whether it is good enough.  Its messages name the key. */
static int fit(struct table_state *s, const struct experiment *x, struct error *e)
{
  int code = surrogate_validate(&s->table, &s->quality, e);
  if (!code) code = surrogate_fit(&s->surrogate, &s->table, e);
  if (code == ERROR_FAILED) {
    e->code = ERROR_CONFIG;
    return error_prefix(e, "[table] file = %s", x->table);
  }
  bool good = s->quality.last >= least_r_squared && s->quality.all >= least_r_squared;
  if (code || good || x->table_force) return code;
  return error_set(e, ERROR_CONFIG,
                   "[table] file = %s: predicts trials held out with R² %.3f at the last epoch and %.3f over all "
                   "epochs, less than %g: searches on it would say little of searches on what it was made of; record "
                   "more trials, or set [table] force = yes",
                   x->table, s->quality.last, s->quality.all, least_r_squared);
}

int objective_table_create(struct objective **o, const struct experiment *x, struct error *e)
{
  *o = NULL;
  struct table_state *s = calloc(1, sizeof *s);
  if (!s) return error_set(e, ERROR_MACHINE, "no memory for the table");
  int code = table_read(&s->table, x->table, x->table_epoch, e);
  if (!code) code = space_copy(&s->space, &x->space, e);
  if (!code) code = find_names(s, e);
  if (!code) code = fit(s, x, e);
  if (code) {
    table_state_destroy(&s->objective);
    return code;
  }
  find_network(s, x);
  s->objective = (struct objective){.name = "table",
                                    .maximize = s->table.maximize,
                                    .value_name = s->table.value_name,
                                    .has_epochs = s->table.curves,
                                    .has_flops = s->network,
                                    .can_measure = true,
                                    .cost = table_cost,
                                    .open = table_open,
                                    .add = table_add,
                                    .advance = table_advance,
                                    .checkpoint = table_checkpoint,
                                    .restore = table_restore,
                                    .remove = table_remove,
                                    .close = table_close,
                                    .description = table_description,
                                    .subject = "Table",
                                    .describe = table_describe,
                                    .measure = table_measure,
                                    .destroy = table_state_destroy};
  *o = &s->objective;
  return 0;
}
