/* Places of the CNN on CUDA devices: each is a cohort on a stream of its own (cohort.h), with room
 * for several trials.
 *
 * A network is written to disk by way of the CPU trainer's own: a network of the same plan takes
 * the weights, and is saved.  So a file has one writer, and `gsos predict` and the test set need no
 * GPU. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/objectives/objective_cnn.h"

#ifndef GSOS_CUDA

/* There are no devices (device_list.h), so nobody calls any of these but cnn_close_cuda. */
int cnn_use_cuda(struct cnn *c, struct error *e)
{
  (void)c;
  return error_set(e, ERROR_FAILED, "this gsos was built without CUDA");
}

void cnn_close_cuda(struct cnn *c)
{
  (void)c;
}

int64_t cnn_cuda_bytes(const struct plan *p)
{
  (void)p;
  return 0;
}

void cnn_cuda_cost(const struct cnn *c, const struct plan *p, struct objective_cost *cost)
{
  (void)c, (void)p, (void)cost;
}

void cnn_cuda_description(const struct cnn *c, char *text, size_t size)
{
  (void)c;
  snprintf(text, size, "without CUDA");
}

#else

#include "host/base/cpu_cores.h"
#include "host/base/file_replace.h"
#include "host/base/monotonic.h"
#include "host/base/name_list.h"
#include "host/base/rng.h"
#include "host/network/network_file.h"
#include "host/cuda/cohort.h"
#include "host/cuda/roofline.h"
#include "host/network/trainer.h"

/* Cohorts on a device (each has a thread of the host: where there are not so many cores, fewer);
 * trials in one where the default configuration is infeasible, and at most.  On an H100 32 trials
 * on 4 streams made 11 % more steps than on one and 5 % more than on two
 * (tests/gpu/results/h100-sxm-b661a9c). */
enum { STREAMS = 4, STREAMS_FEW_CORES = 2, CAPACITY = 16, CAPACITY_MAX = 32 };

struct cnn_member {
  bool used;
  int id;
  uint64_t key;
  struct plan plan;
  double values[SPACE_MAX];
};

struct place {
  struct cnn *cnn;
  int device; /* in cnn->devices */
  bool lost;
  struct cohort *cohort;
  int capacity;
  struct cnn_member *members; /* [capacity] */
};

static struct cnn_member *find(const struct place *p, int id)
{
  for (int i = 0; i < p->capacity; i++)
    if (p->members[i].used && p->members[i].id == id) return &p->members[i];
  return NULL;
}

static int not_here(struct error *e, int id)
{
  return error_set(e, ERROR_FAILED, "trial %d is not in this place", id);
}

/* ---- memory of the devices ------------------------------------------------------------------- */

/* Device memory of so many trials of a configuration as fill a cohort. */
static double full_bytes(struct cnn *c, const double *values)
{
  struct objective_cost cost;
  cnn_cost(&c->objective, values, &cost, NULL);
  return cost.feasible ? objective_fill(cost.share, CAPACITY_MAX) * (double)cost.device_bytes : 0;
}

/* The same of those configurations that take the most, as far as a sample of the space tells: as so
 * many trials of `largest`. */
static int most_in_one(struct cnn *c, const double *largest, int64_t largest_bytes)
{
  enum { SAMPLE = 256 };
  const struct space *space = &c->x->space;
  double most = full_bytes(c, largest);
  for (int i = 0; i < SAMPLE; i++) {
    struct rng rng = rng_make(0, (uint64_t)i);
    double values[SPACE_MAX];
    for (int k = 0; k < space->n; k++) values[k] = param_from_unit(&space->params[k], rng_uniform(&rng));
    most = fmax(most, full_bytes(c, values));
  }
  return largest_bytes > 0 && most < CAPACITY_MAX * (double)largest_bytes ? (int)ceil(most / (double)largest_bytes)
                                                                          : CAPACITY_MAX;
}

/* Places are spread over the devices evenly, and trials over the places. */
static struct device_need need_of(struct cnn *c, const struct objective_at_once *at, const double *largest)
{
  struct plan plan;
  int cohorts = (at->places + c->n_devices - 1) / c->n_devices, in_one = (at->trials + at->places - 1) / at->places;
  cnn_make_plan(c, largest, &plan);
  int64_t bytes = cohort_trial_bytes(&plan);
  if (at->by_share && in_one > 1) {
    int most = most_in_one(c, largest, bytes);
    in_one = most < 1 ? 1 : most < in_one ? most : in_one;
  }
  int trials = cohorts * in_one;
  return (struct device_need){
      .cohorts = cohorts, .trials = trials < at->trials ? trials : at->trials, .trial_bytes = bytes};
}

static void cuda_memory(struct objective *o, const struct objective_at_once *at, const double *largest,
                        struct objective_memory *m)
{
  struct cnn *c = cnn_of(o);
  struct device_need need = need_of(c, at, largest);
  *m = (struct objective_memory){.bytes = device_need_bytes(&need, &c->data),
                                 .data_bytes = device_need_data_bytes(&c->data),
                                 .trial_bytes = need.trial_bytes,
                                 .trials = need.trials};
  devices_remark(c->devices[0], m->remark, sizeof m->remark);
  for (int i = 0; i < c->n_devices; i++) {
    int64_t available = device_available(c->devices[i]);
    if (i == 0 || available < m->available) m->available = available;
  }
}

static int cuda_reserve(struct objective *o, const struct objective_at_once *at, const double *largest, struct error *e)
{
  struct cnn *c = cnn_of(o);
  struct device_need need = need_of(c, at, largest);
  int usable = 0;
  cnn_close_cuda(c);
  for (int i = 0; i < c->n_devices; i++) {
    int code = device_data_open(&c->on_device[i], &c->data, c->devices[i], &need, &c->unusable[i]);
    c->places[i] = at->places / c->n_devices + (i < at->places % c->n_devices); /* place k is on device k % n_devices */
    usable += !code;
    if (code == ERROR_CONFIG) break; /* another device would say the same */
  }
  if (usable == 0) *e = c->unusable[0];
  return usable > 0 ? 0 : e->code;
}

/* Passes on what a call for a place returned.  A place that trains no more is not counted upon, nor
 * are the others of a lost device. */
static int pass_on(struct place *p, int code, bool ends_place)
{
  int *places = &p->cnn->places[p->device];
  if (code == ERROR_LOST)
    __atomic_store_n(places, 0, __ATOMIC_RELAXED);
  else if (code && ends_place && !p->lost)
    __atomic_fetch_sub(places, 1, __ATOMIC_RELAXED);
  p->lost = p->lost || code == ERROR_LOST || (code && ends_place);
  return code;
}

/* Whether a device has so much for trials when none is there. */
static bool could_hold(struct cnn *c, int64_t bytes)
{
  for (int i = 0; i < c->n_devices; i++)
    if (c->on_device[i] && __atomic_load_n(&c->places[i], __ATOMIC_RELAXED) > 0 &&
        device_data_memory(c->on_device[i]).trials_bytes >= bytes)
      return true;
  return false;
}

/* ---- a place and its members ----------------------------------------------------------------- */

static void cuda_close(struct place *p)
{
  if (!p) return;
  cohort_close(p->cohort);
  free(p->members);
  free(p);
}

static int cuda_open(struct objective *o, struct place **out, int device, int capacity, struct error *e)
{
  struct cnn *c = cnn_of(o);
  struct place *p = calloc(1, sizeof *p);
  *out = NULL;
  if (!p || !(p->members = calloc((size_t)capacity, sizeof *p->members))) {
    free(p);
    return error_set(e, ERROR_MACHINE, "no memory for a place to train in");
  }
  p->cnn = c;
  p->device = device % c->n_devices;
  p->capacity = capacity;
  struct device_data *data = c->on_device[p->device];
  int code = 0;
  if (data)
    code = cohort_open(&p->cohort, data, capacity, c->x->precision, e);
  else if ((code = c->unusable[p->device].code))
    *e = c->unusable[p->device];
  else
    code = error_set(e, ERROR_FAILED, "no memory of the devices has been reserved");
  if (code) {
    pass_on(p, code, true);
    cuda_close(p);
    return code;
  }
  *out = p;
  return 0;
}

/* Notes who has come. */
static void note(struct place *p, const struct trial_spec *spec, const struct plan *plan)
{
  struct cnn_member *m = p->members;
  while (m->used) m++; /* the cohort had room, so there is one */
  *m = (struct cnn_member){.used = true, .id = spec->id, .key = spec->key, .plan = *plan};
  memcpy(m->values, spec->values, (size_t)p->cnn->x->space.n * sizeof *m->values);
}

static int plan_of(struct place *p, const struct trial_spec *spec, struct plan *plan, struct error *e)
{
  struct objective_cost cost;
  cnn_cost(&p->cnn->objective, spec->values, &cost, e);
  if (!cost.feasible) return error_set(e, ERROR_FAILED, "trial %d is infeasible: %s", spec->id, cost.reason);
  cnn_make_plan(p->cnn, spec->values, plan);
  return 0;
}

static bool cuda_admit(struct place *p, const double *values)
{
  struct objective_cost cost = {0};
  struct plan plan;
  if (values) cnn_cost(&p->cnn->objective, values, &cost, NULL);
  if (!cost.feasible) {
    cohort_admit(p->cohort, NULL);
    return true;
  }
  cnn_make_plan(p->cnn, values, &plan);
  /* one that no device could hold is for add to refuse, with the reason */
  return cohort_admit(p->cohort, &plan) || !could_hold(p->cnn, cost.device_bytes);
}

static int cuda_add(struct place *p, const struct trial_spec *spec, struct error *e)
{
  struct plan plan;
  int code = plan_of(p, spec, &plan, e);
  if (!code) code = cohort_add(p->cohort, spec->id, &plan, spec->key, e);
  if (!code) note(p, spec, &plan);
  return pass_on(p, code, false);
}

static void cuda_remove(struct place *p, int id)
{
  struct cnn_member *m = find(p, id);
  if (!m) return;
  cohort_remove(p->cohort, id);
  m->used = false;
}

/* The value of an epoch that has ended, by the experiment's metric. */
static int value_of(const struct place *p, const struct cohort_event *from, double *value, struct error *e)
{
  const struct cnn *c = p->cnn;
  bool by_class = metric_by_class(c->x->metric) && !from->failed;
  int32_t *tally = by_class ? malloc(2 * (size_t)c->data.n_classes * sizeof *tally) : NULL;
  if (by_class && !tally) return error_set(e, ERROR_MACHINE, "no memory for %d classes", c->data.n_classes);
  int code = by_class ? cohort_tally(p->cohort, from->id, tally, e) : 0;
  if (!code && !from->failed) *value = cnn_value(c, &c->data.validation, from->accuracy, from->loss, tally);
  free(tally);
  return code;
}

static void tell(const struct place *p, const struct cohort_event *from, double value, struct trial_event *to)
{
  const struct cnn_member *m = find(p, from->id);
  bool trained = !from->failed || isfinite(from->training_loss);
  *to = (struct trial_event){.id = from->id,
                             .kind = from->failed                           ? TRIAL_FAILED
                                     : from->epoch == m->plan.config.epochs ? TRIAL_DONE
                                                                            : TRIAL_EPOCH,
                             .epoch = from->epoch,
                             .epochs = m->plan.config.epochs,
                             .value = value,
                             .loss = from->loss,
                             .training_loss = from->training_loss,
                             .seconds = from->seconds,
                             .images = trained ? m->plan.train_images : 0};
  if (from->failed)
    snprintf(to->reason, sizeof to->reason, "diverged: the %s loss of epoch %d is not finite",
             trained ? "validation" : "training", from->epoch);
}

static int cuda_advance(struct place *p, struct trial_event *events, int max, int *n_events, const volatile int *stop,
                        struct error *e)
{
  struct cohort_event ended[32];
  int code = cohort_advance(p->cohort, ended, max < 32 ? max : 32, n_events, stop, e);
  for (int i = 0; i < *n_events && !code; i++) {
    double value = ended[i].accuracy;
    code = value_of(p, &ended[i], &value, e);
    if (!code) tell(p, &ended[i], value, &events[i]);
  }
  code = pass_on(p, code, code != ERROR_INTERRUPTED);
  return code || *n_events == 0 ? code : dataset_unchanged(&p->cnn->data, e);
}

static int cuda_checkpoint(struct place *p, int id, void **block, size_t *bytes, struct error *e)
{
  return pass_on(p, cohort_checkpoint(p->cohort, id, block, bytes, e), false);
}

static int cuda_restore(struct place *p, const struct trial_spec *spec, const void *block, size_t bytes,
                        struct error *e)
{
  struct plan plan;
  int code = plan_of(p, spec, &plan, e);
  if (!code) code = cohort_restore(p->cohort, spec->id, &plan, spec->key, block, bytes, e);
  if (!code) note(p, spec, &plan);
  return pass_on(p, code, false);
}

/* ---- the network on disk --------------------------------------------------------------------- */

static int copy_weights(struct place *p, int id, struct network *n, struct error *e)
{
  int code = 0;
  for (int i = 0; i < network_tensor_count(n) && !code; i++) {
    struct network_tensor t;
    network_tensor_info(n, i, &t);
    float *w = malloc((size_t)t.count * sizeof *w);
    if (!w) return error_set(e, ERROR_MACHINE, "no memory for the weights of %s", t.name);
    code = pass_on(p, cohort_tensor_get(p->cohort, id, i, w, e), false);
    if (!code) code = network_tensor_set(n, i, w, e);
    free(w);
  }
  return code;
}

static int cuda_save(struct place *p, int id, const char *path, const char *ini_path, struct error *e)
{
  const struct experiment *x = p->cnn->x;
  const struct cnn_member *m = find(p, id);
  struct network *n;
  if (!m) return not_here(e, id);
  int code = network_create(&n, &m->plan, m->key, &p->cnn->data, e);
  if (code) return code;
  code = copy_weights(p, id, n, e);
  if (!code) code = network_file_save(path, n, &m->plan, &p->cnn->data, x->dataset.resize, e);
  network_destroy(n);
  return code || !ini_path ? code : cnn_save_ini(x, m->values, ini_path, e);
}

/* ---- how fast this machine is ---------------------------------------------------------------- */

/* Epochs of a batch of training images and one of validation images, in a cohort of one.  Side by
 * side trials are faster. */
static int cuda_measure(struct objective *o, const double *values, double piece_s, const volatile int *stop,
                        double *trial_s, struct error *e)
{
  struct cnn *c = cnn_of(o);
  struct cohort *cohort;
  struct cohort_event event;
  struct plan whole, piece;
  double start = 0, elapsed = 0;
  int n, epochs = -1; /* the first one warms up */
  cnn_make_plan(c, values, &whole);
  struct network_config config = whole.config;
  config.learning_rate = 1e-9;
  config.epochs = 1000000;
  int batch = config.batch_size;
  plan_make(&piece, &config, whole.height, whole.width, whole.channels, whole.classes,
            batch < c->data.train.n ? batch : c->data.train.n,
            batch < c->data.validation.n ? batch : c->data.validation.n);
  int code = ERROR_FAILED;
  error_set(e, code, "no memory of the devices has been reserved");
  for (int i = 0; i < c->n_devices && code; i++) /* the first one that has room for a cohort */
    if (c->on_device[i]) code = cohort_open(&cohort, c->on_device[i], 1, c->x->precision, e);
  if (code) return code;
  code = cohort_add(cohort, 0, &piece, 0, e);
  while (!code && (epochs < 1 || elapsed < piece_s)) {
    code = cohort_advance(cohort, &event, 1, &n, stop, e);
    if (++epochs == 0) start = monotonic_seconds();
    elapsed = monotonic_seconds() - start;
  }
  double flops = piece.train_images * piece.flops_image_training + piece.validation_images * piece.flops_image_forward;
  if (!code) *trial_s = whole.flops_total * elapsed / (epochs * flops);
  cohort_close(cohort);
  return code;
}

/* ---- devices --------------------------------------------------------------------------------- */

int64_t cnn_cuda_bytes(const struct plan *p)
{
  return cohort_trial_bytes(p);
}

/* A validation batch is a step with the forward third of the work. */
void cnn_cuda_cost(const struct cnn *c, const struct plan *p, struct objective_cost *cost)
{
  struct cohort_weight w = cohort_weigh(p, c->rates, c->x->precision, c->streams);
  double batch = p->config.batch_size, evaluated = p->config.epochs * ceil(p->validation_images / batch);
  cost->device_bytes = cnn_cuda_bytes(p);
  cost->share = w.share;
  cost->alone_s = 1e-6 * ((double)p->steps * (w.wait_us + w.work_us) + evaluated * (w.wait_us + w.work_us / 3));
}

void cnn_cuda_description(const struct cnn *c, char *text, size_t size)
{
  static const char *const precisions[] = {PRECISIONS(NAME_TEXT)};
  devices_name(c->devices[0], text, size);
  size_t used = strlen(text);
  snprintf(text + used, size - used, ", %s", precisions[c->x->precision]);
}

static void cuda_device_name(struct objective *o, int device, char *name, size_t size)
{
  const struct cnn *c = cnn_of(o);
  snprintf(name, size, "cuda:%d", c->devices[device % c->n_devices]);
}

/* By what trials are weighed: the rates of the devices.  One whose rates are not known is taken for
 * the consumer card of the table that has the least. */
static void find_weights(struct cnn *c)
{
  double values[SPACE_MAX];
  char name[400];
  struct objective_cost cost;
  devices_name(c->devices[0], name, sizeof name);
  name[strcspn(name, ",")] = 0;
  c->rates = gpu_rates_find(name);
  if (!c->rates) c->rates = gpu_rates_find("RTX 3090");
  c->streams = c->x->streams > 0 ? c->x->streams : cpu_cores() >= STREAMS * c->n_devices ? STREAMS : STREAMS_FEW_CORES;
  space_defaults(&c->x->space, values);
  cnn_cost(&c->objective, values, &cost, NULL);
  c->objective.capacity = cost.feasible ? objective_fill(cost.share, CAPACITY_MAX) : CAPACITY;
}

int cnn_use_cuda(struct cnn *c, struct error *e)
{
  struct objective *o = &c->objective;
  char name[400];
  int code = device_data_check(&c->data, e);
  if (!code) code = devices_of_one_model(c->devices, c->n_devices, name, sizeof name, e);
  if (code) return code;
  find_weights(c);
  o->n_devices = c->n_devices;
  o->places = c->streams * c->n_devices;
  o->capacity_max = CAPACITY_MAX;
  o->by_share = true;
  o->measure = cuda_measure;
  o->memory = cuda_memory;
  o->reserve = cuda_reserve;
  o->admit = cuda_admit;
  o->open = cuda_open;
  o->add = cuda_add;
  o->advance = cuda_advance;
  o->checkpoint = cuda_checkpoint;
  o->restore = cuda_restore;
  o->remove = cuda_remove;
  o->close = cuda_close;
  o->device_name = cuda_device_name;
  o->save = cuda_save;
  return 0;
}

void cnn_close_cuda(struct cnn *c)
{
  for (int i = 0; i < c->n_devices; i++) {
    device_data_close(c->on_device[i]);
    c->on_device[i] = NULL;
  }
}

#endif
