/* The objective of the project: the validation accuracy of the paper's CNN.  Here: trained on the
 * CPU; objective_cnn_cuda.c: on GPUs.
 *
 * A place is one thread with room for one trial; the thread that opens it trains.  What a
 * configuration costs follows from its plan alone, so a sampler may ask a thousand times between
 * two trials, from any thread.  A trial's time is the CPU time of its thread inside add and advance
 * (contract 8), its value the validation accuracy after its last epoch. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/philox.h"
#include "host/network/describe.h"
#include "host/base/file_replace.h"
#include "host/base/monotonic.h"
#include "host/network/network_file.h"
#include "host/objectives/objective_cnn.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"
#include "host/network/trainer.h"

/* The one member of a place. */
struct place {
  struct cnn *cnn;
  struct network *network; /* NULL: the place is free */
  int id, epoch;           /* epochs ended */
  bool trained;            /* of the epoch that runs only the evaluation is left */
  double training_loss;    /* its own, where it is trained */
  bool ended;              /* done or failed: advance has nothing left to do */
  double seconds;          /* CPU time not yet told in an event */
  uint64_t key;
  struct plan plan;
  double values[SPACE_MAX];
};

static double thread_seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- what a configuration costs -------------------------------------------------------------- */

void cnn_make_plan(const struct cnn *c, const double *values, struct plan *p)
{
  struct network_config config;
  network_config_from_values(&config, &c->names, &c->x->space, values, &c->x->model);
  plan_make(p, &config, c->data.height, c->data.width, c->data.channels, c->data.n_classes, c->data.train.n,
            c->data.validation.n);
}

int cnn_cost(struct objective *o, const double *values, struct objective_cost *cost, struct error *e)
{
  const struct cnn *c = cnn_of(o);
  struct plan p;
  char needed[TEXT_UNITS_MAX], limit[TEXT_UNITS_MAX];
  (void)e;
  memset(cost, 0, sizeof *cost);
  cnn_make_plan(c, values, &p);
  int64_t bytes = network_plan_bytes(&p);
  cost->feasible = p.feasible && bytes <= c->x->trial_memory;
  cost->flops = p.flops_total;
  cost->steps = p.steps;
  cost->images = p.images;
  cost->epochs = p.config.epochs;
  if (c->n_devices > 0 && p.feasible) cnn_cuda_cost(c, &p, cost);
  cost->bytes = c->n_devices > 0 ? 1 << 20 : bytes; /* of the host: a network on a device hardly needs any */
  if (!p.feasible)
    memcpy(cost->reason, p.reason, sizeof cost->reason);
  else if (!cost->feasible)
    snprintf(cost->reason, sizeof cost->reason, "needs %s of memory, [scheduler] trial_memory is %s",
             text_bytes(needed, sizeof needed, (double)bytes),
             text_bytes(limit, sizeof limit, (double)c->x->trial_memory));
  return 0;
}

double cnn_value(const struct cnn *c, const struct dataset_split *s, double accuracy, double loss, const int32_t *tally)
{
  enum metric metric = c->x->metric;
  if (metric_by_class(metric)) return metric_of_classes(metric, s, c->data.n_classes, tally);
  return metric == METRIC_LOSS ? loss : accuracy;
}

/* Evaluates on a part of the data.  *value out: by the experiment's metric. */
static int evaluate(const struct cnn *c, struct network *network, const struct dataset_split *s,
                    struct evaluation *evaluation, double *value, const volatile int *stop, struct error *e)
{
  bool by_class = metric_by_class(c->x->metric);
  int32_t *tally = by_class ? malloc(2 * (size_t)c->data.n_classes * sizeof *tally) : NULL;
  if (by_class && !tally) return error_set(e, ERROR_MACHINE, "no memory for %d classes", c->data.n_classes);
  int code = network_evaluate_classes(network, &c->data, s, evaluation, tally, stop, e);
  if (!code) *value = cnn_value(c, s, evaluation->accuracy, evaluation->loss, tally);
  free(tally);
  return code;
}

/* ---- a place and its member ------------------------------------------------------------------ */

static int cnn_open(struct objective *o, struct place **place, int device, int capacity, struct error *e)
{
  (void)device;
  if (capacity != 1)
    return error_set(e, ERROR_FAILED, "the CPU trainer has room for 1 trial in a place, not for %d", capacity);
  *place = calloc(1, sizeof **place);
  if (!*place) return error_set(e, ERROR_MACHINE, "no memory for a place to train in");
  (*place)->cnn = cnn_of(o);
  trainer_cpu_thread_begin();
  return 0;
}

static void cnn_remove(struct place *p, int id)
{
  if (!p->network || p->id != id) return;
  network_destroy(p->network);
  p->network = NULL;
}

static void cnn_close(struct place *p)
{
  if (!p) return;
  network_destroy(p->network);
  free(p);
}

static int cnn_add(struct place *p, const struct trial_spec *spec, struct error *e)
{
  struct objective_cost cost;
  double start = thread_seconds();
  if (p->network) return error_set(e, ERROR_MACHINE, "trial %d: the place still holds trial %d", spec->id, p->id);
  cnn_cost(&p->cnn->objective, spec->values, &cost, e);
  if (!cost.feasible) return error_set(e, ERROR_FAILED, "trial %d is infeasible: %s", spec->id, cost.reason);
  cnn_make_plan(p->cnn, spec->values, &p->plan);
  int code = network_create(&p->network, &p->plan, spec->key, &p->cnn->data, e);
  if (code) {
    p->network = NULL;
    return code;
  }
  memcpy(p->values, spec->values, (size_t)p->cnn->x->space.n * sizeof *p->values);
  p->id = spec->id;
  p->key = spec->key;
  p->epoch = 0;
  p->trained = p->ended = false;
  p->seconds = thread_seconds() - start;
  return 0;
}

/* The epoch that runs has ended in a loss that is no number. */
static int diverged(struct place *p, struct trial_event *event, const char *loss)
{
  event->kind = TRIAL_FAILED;
  event->epoch = ++p->epoch;
  snprintf(event->reason, sizeof event->reason, "diverged: the %s loss of epoch %d is not finite", loss, p->epoch);
  return 0;
}

/* Trains and evaluates one epoch, or what is left of it; fills the event but for its time.  Returns
 * what went wrong with the machine, or ERROR_INTERRUPTED. */
static int one_epoch(struct place *p, struct trial_event *event, const volatile int *stop, struct error *e)
{
  const struct dataset *d = &p->cnn->data;
  struct evaluation evaluation;
  int code = p->trained ? 0 : network_train_epoch(p->network, &p->training_loss, stop, e);
  if (code) return code;
  p->trained = true;
  event->training_loss = p->training_loss;
  if (!isfinite(p->training_loss)) return diverged(p, event, "training");
  event->images = d->train.n; /* an epoch that ended; one that diverged stopped somewhere within */
  double value = NAN;
  code = evaluate(p->cnn, p->network, &d->validation, &evaluation, &value, stop, e);
  if (code) return code;
  if (!isfinite(evaluation.loss)) return diverged(p, event, "validation");
  p->trained = false;
  event->epoch = ++p->epoch;
  event->kind = p->epoch == p->plan.config.epochs ? TRIAL_DONE : TRIAL_EPOCH;
  event->value = value;
  event->loss = evaluation.loss;
  return 0;
}

static int cnn_advance(struct place *p, struct trial_event *events, int max, int *n_events, const volatile int *stop,
                       struct error *e)
{
  struct error local;
  if (!e) e = &local;
  *n_events = 0;
  if (!p->network || p->ended || max < 1) return 0;
  struct trial_event *event = &events[0];
  memset(event, 0, sizeof *event);
  event->id = p->id;
  event->epochs = p->plan.config.epochs;
  double start = thread_seconds();
  int code = one_epoch(p, event, stop, e);
  p->seconds += thread_seconds() - start;
  if (!code) code = dataset_unchanged(&p->cnn->data, e);
  if (code && code != ERROR_MACHINE) return code;
  if (code) {
    event->kind = TRIAL_MACHINE_FAILED;
    event->epoch = p->epoch;
    text_format(event->reason, sizeof event->reason, "%s", e->message);
  }
  event->seconds = p->seconds;
  p->seconds = 0;
  p->ended = event->kind != TRIAL_EPOCH;
  *n_events = 1;
  return 0;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* Stands before the network's own block. */
struct checkpoint_head {
  char magic[8];
  uint64_t key;
  int64_t epoch;
  int32_t trained, ended;
  double training_loss, seconds;
  uint64_t bytes; /* of the block that follows */
};
static const char checkpoint_magic[8] = "gsoscnn2";

static int cnn_checkpoint(struct place *p, int id, void **block, size_t *bytes, struct error *e)
{
  struct checkpoint_head head = {.key = p->key,
                                 .epoch = p->epoch,
                                 .trained = p->trained,
                                 .ended = p->ended,
                                 .training_loss = p->training_loss,
                                 .seconds = p->seconds};
  void *network_block;
  size_t network_bytes;
  if (!p->network || p->id != id) return error_set(e, ERROR_FAILED, "trial %d is not in this place", id);
  int code = dataset_unchanged(&p->cnn->data, e); /* it may have been trained on other bytes */
  if (!code) code = network_checkpoint(p->network, &network_block, &network_bytes, e);
  if (code) return code;
  memcpy(head.magic, checkpoint_magic, sizeof head.magic);
  head.bytes = network_bytes;
  *bytes = sizeof head + network_bytes;
  *block = malloc(*bytes);
  if (*block) {
    memcpy(*block, &head, sizeof head);
    memcpy((char *)*block + sizeof head, network_block, network_bytes);
  } else {
    code = error_set(e, ERROR_MACHINE, "trial %d: no memory to keep its state (%zu bytes)", id, *bytes);
  }
  free(network_block);
  return code;
}

static int cnn_restore(struct place *p, const struct trial_spec *spec, const void *block, size_t bytes, struct error *e)
{
  struct checkpoint_head head;
  if (bytes < sizeof head) return error_set(e, ERROR_FAILED, "trial %d: its kept state is cut off", spec->id);
  memcpy(&head, block, sizeof head);
  if (memcmp(head.magic, checkpoint_magic, sizeof head.magic) != 0 || head.bytes != bytes - sizeof head)
    return error_set(e, ERROR_FAILED, "trial %d: its kept state is damaged", spec->id);
  if (head.key != spec->key)
    return error_set(e, ERROR_FAILED, "trial %d: the kept state is of another trial", spec->id);
  int code = cnn_add(p, spec, e);
  if (code) return code;
  if (head.epoch < 0 || head.epoch > p->plan.config.epochs)
    code = error_set(e, ERROR_FAILED, "trial %d: its kept state is damaged", spec->id);
  if (!code) code = network_restore(p->network, (const char *)block + sizeof head, head.bytes, e);
  if (code) {
    cnn_remove(p, spec->id);
    return code;
  }
  p->epoch = (int)head.epoch;
  p->trained = head.trained != 0;
  p->ended = head.ended != 0;
  p->training_loss = head.training_loss;
  p->seconds = head.seconds; /* what the restoring itself takes is the machine's */
  return 0;
}

/* ---- the network on disk --------------------------------------------------------------------- */

int cnn_save_ini(const struct experiment *x, const double *values, const char *path, struct error *e)
{
  char *text = experiment_best_ini(x, values, x->train_round, x->train_trial);
  int code = text ? file_replace_text(path, text, e) : error_set(e, ERROR_MACHINE, "no memory to write %s", path);
  free(text);
  return code;
}

static int cnn_save(struct place *p, int id, const char *path, const char *ini_path, struct error *e)
{
  const struct experiment *x = p->cnn->x;
  if (!p->network || p->id != id) return error_set(e, ERROR_FAILED, "trial %d is not in this place", id);
  int code = network_file_save(path, p->network, &p->plan, &p->cnn->data, x->dataset.resize, e);
  return code || !ini_path ? code : cnn_save_ini(x, p->values, ini_path, e);
}

/* One evaluation on the test set. */
struct test_job {
  struct cnn *cnn;
  const char *path;
  struct objective_test *result;
  struct class_counts *classes;
  const volatile int *stop;
  struct error *e;
  int code;
};

static int count_image(void *classes, int image, int label, int said, const float *probabilities, struct error *e)
{
  return class_counts_image(classes, image, label, said, probabilities, e);
}

/* The network's value on the test set, from what its images were taken for. */
static int test_value(const struct cnn *c, const struct evaluation *evaluation, const struct class_counts *counts,
                      double *value, struct error *e)
{
  int32_t *tally = calloc(2 * (size_t)c->data.n_classes, sizeof *tally);
  if (!tally) return error_set(e, ERROR_MACHINE, "no memory for %d classes", c->data.n_classes);
  for (size_t i = 0; i < counts->n_cells; i++) {
    const struct class_cell *cell = &counts->cells[i];
    if (cell->label == cell->said) tally[cell->said] += (int32_t)cell->count;
    tally[c->data.n_classes + cell->said] += (int32_t)cell->count;
  }
  *value = cnn_value(c, &c->data.test, evaluation->accuracy, evaluation->loss, tally);
  free(tally);
  return 0;
}

/* One look at the test set. */
static int evaluate_test(struct test_job *j, struct network *network, struct evaluation *evaluation, double *value)
{
  const struct dataset *d = &j->cnn->data;
  struct class_counts *counts = j->classes;
  int code = class_counts_begin(counts, d->n_classes, d->class_names, j->e);
  if (!code) code = network_evaluate_each(network, &d->test, evaluation, count_image, counts, j->stop, j->e);
  class_counts_end(counts);
  return code ? code : test_value(j->cnn, evaluation, counts, value, j->e);
}

static int run_test(struct test_job *j)
{
  const struct dataset *d = &j->cnn->data;
  struct network_file file;
  struct evaluation evaluation;
  double value = NAN;
  if (network_file_load(&file, j->path, j->e)) return j->e->code;
  int code = 0;
  if (file.shape.height != d->height || file.shape.width != d->width || file.shape.channels != d->channels ||
      file.shape.n_classes != d->n_classes)
    code = error_set(j->e, ERROR_FAILED,
                     "%s: is a network for images of %d×%d×%d in %d classes; the data set has %d×%d×%d in %d", j->path,
                     file.shape.width, file.shape.height, file.shape.channels, file.shape.n_classes, d->width,
                     d->height, d->channels, d->n_classes);
  if (!code) code = evaluate_test(j, file.network, &evaluation, &value);
  if (!code) code = dataset_unchanged(d, j->e);
  if (!code) {
    j->result->available = true;
    j->result->value = value;
    j->result->loss = evaluation.loss;
    j->result->n = evaluation.n;
    j->result->correct = evaluation.correct;
  }
  network_file_close(&file);
  return code;
}

static void *test_thread(void *context)
{
  struct test_job *j = context;
  trainer_cpu_thread_begin();
  j->code = run_test(j);
  return NULL;
}

/* In a thread of its own: the trainer changes its thread's floating-point mode, which must not leak
 * into the caller's sums. */
static int cnn_test(struct objective *o, const char *path, struct objective_test *result, struct class_counts *classes,
                    const volatile int *stop, struct error *e)
{
  struct error local;
  struct class_counts unwanted = {0};
  struct test_job job = {cnn_of(o), path, result, classes ? classes : &unwanted, stop, e ? e : &local, 0};
  pthread_t thread;
  memset(result, 0, sizeof *result);
  if (classes) memset(classes, 0, sizeof *classes);
  result->value = result->loss = NAN;
  if (job.cnn->data.test.n == 0) return 0;
  if (pthread_create(&thread, NULL, test_thread, &job) != 0)
    return error_set(e, ERROR_MACHINE, "no thread can be started for the test set");
  pthread_join(thread, NULL);
  class_counts_free(&unwanted);
  return job.code;
}

static int cnn_test_picture(struct objective *o, int image, const char *path, struct error *e)
{
  enum { SIDE = 96 }; /* pixels: a dozen of them are a few hundred kilobytes of a page */
  const struct dataset *d = &cnn_of(o)->data;
  int code = dataset_write_png(d, &d->test, image, SIDE, path, e);
  return code ? code : dataset_unchanged(d, e);
}

/* ---- for people ------------------------------------------------------------------------------ */

static void cnn_describe(struct objective *o, FILE *out)
{
  describe_dataset(out, &cnn_of(o)->data);
  describe_classes(out, &cnn_of(o)->data);
}

static void cnn_describe_left_out(struct objective *o, FILE *out)
{
  describe_left_out(out, &cnn_of(o)->data);
}

static void cnn_describe_trial(struct objective *o, const double *values, FILE *out)
{
  struct plan p;
  cnn_make_plan(cnn_of(o), values, &p);
  describe_plan(out, &p);
  char memory[TEXT_UNITS_MAX];
  if (cnn_of(o)->n_devices > 0)
    fprintf(out, "    %s of a GPU's memory\n", text_bytes(memory, sizeof memory, (double)cnn_cuda_bytes(&p)));
}

/* ---- how long a trial takes ------------------------------------------------------------------ */

/* A piece is a network of the same shape on the first few images.  Its steps are the trial's own up
 * to this work, a few hundredths of a second: at 224×224 a step of 256 images takes half a minute,
 * and one of 16 tells as much. */
#define PIECE_STEP_FLOPS 4e9

static int cnn_measure(struct objective *o, const double *values, double piece_s, const volatile int *stop,
                       double *trial_s, struct error *e)
{
  struct cnn *c = cnn_of(o);
  struct plan whole, piece;
  struct network *network = NULL;
  double loss, start = 0, elapsed = 0;
  int steps = -1; /* the first one warms up: the library compiles its loops, memory comes */
  cnn_make_plan(c, values, &whole);
  struct network_config config = whole.config;
  double images = PIECE_STEP_FLOPS / whole.flops_image_training;
  if (images < NETWORK_IMAGES_ROUND) images = NETWORK_IMAGES_ROUND;
  if (images < config.batch_size) config.batch_size = (int)images;
  config.learning_rate = 1e-9; /* nothing learnt, nothing that diverges and stops at once */
  struct dataset data = c->data;
  if (data.train.n > config.batch_size) data.train.n = config.batch_size;
  plan_make(&piece, &config, data.height, data.width, data.channels, data.n_classes, data.train.n, data.validation.n);

  trainer_cpu_thread_begin();
  int code = network_create(&network, &piece, philox_trial_key(c->x->seed, 0, 0), &data, e);
  if (code) return code;
  while (!code && (steps < 1 || elapsed < piece_s)) {
    code = network_train_epoch(network, &loss, stop, e);
    if (++steps == 0) start = monotonic_seconds();
    elapsed = monotonic_seconds() - start;
  }
  if (!code) *trial_s = whole.flops_total * elapsed / (steps * piece.flops_image_training * data.train.n);
  network_destroy(network);
  return code;
}

/* ---- the objective --------------------------------------------------------------------------- */

static void cnn_description(struct objective *o, char *text, size_t size)
{
  const struct cnn *c = cnn_of(o);
  const struct dataset *d = &c->data;
  char trainer[400];
  if (c->n_devices > 0)
    cnn_cuda_description(c, trainer, sizeof trainer);
  else
    snprintf(trainer, sizeof trainer, "%s", trainer_cpu_description());
  text_format(text, size, "%s, %s, data set %016llx (%d×%d×%d, %d classes, %d + %d + %d images)",
              c->n_devices > 0 ? "cuda" : "cpu", trainer, (unsigned long long)d->fingerprint, d->width, d->height,
              d->channels, d->n_classes, d->train.n, d->validation.n, d->test.n);
}

static void cnn_destroy(struct objective *o)
{
  struct cnn *c = cnn_of(o);
  cnn_close_cuda(c);
  dataset_close(&c->data);
  free(c);
}

/* Which devices: c->devices and c->n_devices, 0 for the CPU. */
static int choose_devices(struct cnn *c, struct error *e)
{
  const struct experiment *x = c->x;
  char why[300];
  int code = devices_choose(x->devices, c->devices, &c->n_devices, why, sizeof why, e);
  if (code) return code;
  if (c->n_devices == 0 && x->precision == PRECISION_TF32)
    return error_set(e, ERROR_CONFIG, "[model] precision = tf32 is for GPUs, and this runs on the CPU%s%s; use fp32",
                     why[0] ? ": " : "", why);
  return 0;
}

int objective_cnn_create(struct objective **o, const struct experiment *x, objective_progress progress, void *context,
                         struct error *e)
{
  struct cnn *c = calloc(1, sizeof *c);
  if (!c) return error_set(e, ERROR_MACHINE, "no memory");
  *o = NULL;
  c->x = x;
  int code = network_names_find(&c->names, &x->space, e);
  if (!code) code = dataset_open(&c->data, &x->dataset, x->seed, progress, context, e);
  if (!code && (c->data.train.n < 1 || c->data.validation.n < 1)) {
    code = error_set(e, ERROR_CONFIG, "[dataset]: %d images to train on and %d for validation; both need at least one",
                     c->data.train.n, c->data.validation.n);
    dataset_close(&c->data);
  }
  if (!code && (code = choose_devices(c, e))) dataset_close(&c->data);
  if (code) {
    free(c);
    return code;
  }
  snprintf(c->value_name, sizeof c->value_name, "validation %s", metric_title(x->metric));
  snprintf(c->test_name, sizeof c->test_name, "test %s", metric_title(x->metric));
  c->objective = (struct objective){
      .name = "cnn",
      .maximize = x->maximize,
      .value_name = c->value_name,
      .test_name = c->test_name,
      .value_n = x->metric == METRIC_ACCURACY ? c->data.validation.n : 0,
      .has_epochs = true,
      .has_flops = true,
      .has_network = true,
      .can_measure = true,
      .has_test = c->data.test.n > 0,
      .state = c,
      .cost = cnn_cost,
      .open = cnn_open,
      .add = cnn_add,
      .advance = cnn_advance,
      .checkpoint = cnn_checkpoint,
      .restore = cnn_restore,
      .remove = cnn_remove,
      .close = cnn_close,
      .save = cnn_save,
      .test = cnn_test,
      .test_picture = cnn_test_picture,
      .description = cnn_description,
      .subject = "Data set",
      .describe = cnn_describe,
      .describe_left_out = cnn_describe_left_out,
      .describe_trial = cnn_describe_trial,
      .measure = cnn_measure,
      .destroy = cnn_destroy,
  };
  if (c->n_devices > 0 && (code = cnn_use_cuda(c, e))) {
    cnn_destroy(&c->objective);
    return code;
  }
  *o = &c->objective;
  return 0;
}
