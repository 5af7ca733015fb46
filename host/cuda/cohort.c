/* A cohort on a device.  See cohort.h.
 *
 * In device memory lie the table of trials, their states, and for each launch the number of each
 * trial's first block.  A change of members writes them anew between two steps, in one copy; a
 * graph that launches enough blocks stays.  All of it, and the members' networks, are parts of the
 * device's one allocation (device.h): a cohort allocates nothing there.
 *
 * The host asks for as many steps as are left to the first end of an epoch, and reads all states
 * once. */
#ifdef GSOS_CUDA

#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cuda/cuda_call.h"
#include "host/cuda/cohort.h"
#include "host/cuda/device_internal.h"
#include "host/cuda/device_list.h"
#include "host/base/profiler_ranges.h"
#include "host/cuda/roofline.h"
#include "host/cuda/stages.h"

/* ---- a cohort -------------------------------------------------------------------------------- */

enum { CHUNK_STEPS = 64 }; /* steps between two looks at *stop */

struct cohort_member {
  bool used, ended; /* ended: its last epoch, or failed */
  int id;
  struct plan plan;
  void *memory;   /* its network's, a part of the device's */
  double seconds; /* not yet told in an event */
  uint64_t range; /* its epoch's (profiler_ranges.h) */
};

struct cohort {
  struct device_data *data;
  int number; /* of its tables on the device; -1: it has none yet */
  int capacity;
  enum precision precision;
  cudaStream_t stream;
  cudaEvent_t before, after;
  cudaStream_t branch; /* of the step's graph: work is captured on it, none is queued */
  cudaEvent_t fork, join;
  struct cohort_member members[COHORT_MAX];
  void *kept; /* memory for the next member, of kept_bytes bytes */
  int64_t kept_bytes;
  struct cohort_tables *tables, *device_tables;   /* pinned, and the device's; the first `capacity` places are in use */
  bool changed;                                   /* members or states: the device must hear of it */
  struct step_launch launches[STEP_LAUNCHES_MAX]; /* of networks of as many layers as can be */
  int n_launches;
  int room[STEP_LAUNCHES_MAX]; /* blocks of each, a power of two; 0: no trial has needed this launch */
  cudaGraphExec_t graph;
  bool in_turn; /* no launch begins early: a driver has refused a graph of such */
  struct cohort_counts told;
};

static int take_device(const struct cohort *c, struct error *e)
{
  return CUDA(cudaSetDevice(c->data->device), e);
}

static void drop_graph(struct cohort *c)
{
  if (c->graph) cudaGraphExecDestroy(c->graph);
  c->graph = NULL;
}

static void vacate(struct cohort *c, int place);

void cohort_close(struct cohort *c)
{
  if (!c) return;
  cudaSetDevice(c->data->device);
  if (c->stream) cudaStreamSynchronize(c->stream);
  drop_graph(c);
  for (int i = 0; i < c->capacity && c->tables; i++) vacate(c, i);
  device_memory_give(c->data, c->kept);
  cudaFreeHost(c->tables);
  if (c->number >= 0) device_cohort_give(c->data, c->number);
  if (c->before) cudaEventDestroy(c->before);
  if (c->after) cudaEventDestroy(c->after);
  if (c->fork) cudaEventDestroy(c->fork);
  if (c->join) cudaEventDestroy(c->join);
  if (c->branch) cudaStreamDestroy(c->branch);
  if (c->stream) cudaStreamDestroy(c->stream);
  cudaGetLastError();
  free(c);
}

int cohort_open(struct cohort **out, struct device_data *data, int capacity, enum precision precision, struct error *e)
{
  *out = NULL;
  if (capacity < 1 || capacity > COHORT_MAX)
    return error_set(e, ERROR_FAILED, "a cohort has room for 1 to %d trials, not for %d", COHORT_MAX, capacity);
  struct cohort *c = calloc(1, sizeof *c);
  if (!c) return error_set(e, ERROR_MACHINE, "no memory for a cohort");
  c->data = data;
  c->number = device_cohort_take(data);
  c->capacity = capacity;
  c->n_launches = step_launches(c->launches, DEVICE_CONV_MAX);
  c->precision = precision;
  int code = c->number < 0 ? error_set(e, ERROR_MACHINE, "device %d: no more cohorts were asked for", data->device) : 0;
  if (!code) code = take_device(c, e);
  if (!code) code = CUDA(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), e);
  if (!code) code = CUDA(cudaEventCreate(&c->before), e);
  if (!code) code = CUDA(cudaEventCreate(&c->after), e);
  if (!code) code = CUDA(cudaEventRecord(c->after, c->stream), e);
  if (!code) code = CUDA(cudaStreamCreateWithFlags(&c->branch, cudaStreamNonBlocking), e);
  if (!code) code = CUDA(cudaEventCreateWithFlags(&c->fork, cudaEventDisableTiming), e);
  if (!code) code = CUDA(cudaEventCreateWithFlags(&c->join, cudaEventDisableTiming), e);
  if (!code) code = CUDA(cudaHostAlloc((void **)&c->tables, sizeof *c->tables, cudaHostAllocDefault), e);
  if (code) {
    cohort_close(c);
    return code;
  }
  memset(c->tables, 0, sizeof *c->tables);
  c->device_tables = &data->tables[c->number];
  for (int i = 0; i < capacity; i++)
    c->tables->trials[i].state = c->device_tables->states + i; /* also while it is free */
  *out = c;
  return 0;
}

/* ---- members --------------------------------------------------------------------------------- */

static int find(const struct cohort *c, int id)
{
  for (int i = 0; i < c->capacity; i++)
    if (c->members[i].used && c->members[i].id == id) return i;
  return -1;
}

static int not_here(struct error *e, int id)
{
  return error_set(e, ERROR_FAILED, "trial %d is not in this cohort", id);
}

struct cohort_weight cohort_weigh(const struct plan *p, const struct gpu_rates *rates, enum precision precision,
                                  int streams)
{
  struct device_trial trial;
  struct step_cost cost;
  bool tf32 = precision == PRECISION_TF32;
  if (device_network_make(&trial, p, 0, DEVICE_SHARED_LARGE) < 0) return (struct cohort_weight){0};
  step_cost_make(&cost, &trial, p);
  return (struct cohort_weight){.share = step_share(&cost, rates, tf32, streams),
                                .wait_us = step_wait_us(&cost),
                                .work_us = step_work_us(&cost, rates, tf32)};
}

int64_t cohort_trial_bytes(const struct plan *p)
{
  struct device_trial entry;
  int64_t bytes = device_network_make(&entry, p, 0, DEVICE_SHARED_LARGE);
  return bytes < 0 ? 0 : bytes;
}

/* A member's next epoch begins: its state, and its range. */
static void begin_epoch(struct cohort *c, int place, int64_t epoch, int64_t step)
{
  struct cohort_member *m = &c->members[place];
  device_state_begin(&c->tables->states[place], &c->tables->trials[place], epoch, step);
  range_end(&m->range);
  m->range = range_begin("epoch %d, place %d", (int)epoch + 1, m->id);
}

bool cohort_admit(struct cohort *c, const struct plan *p)
{
  device_memory_give(c->data, c->kept);
  c->kept = NULL;
  if (!p) return true;
  c->kept_bytes = cohort_trial_bytes(p);
  c->kept = device_memory_take(c->data, c->kept_bytes);
  return c->kept != NULL;
}

/* Memory of a device for a member: what was kept for it, or what there is. */
static void *provide(struct cohort *c, int64_t bytes)
{
  void *memory = c->kept;
  c->kept = NULL;
  if (memory && c->kept_bytes == bytes) return memory;
  device_memory_give(c->data, memory);
  return device_memory_take(c->data, bytes);
}

/* Takes a place and writes its table entry; the state is the caller's. */
static int occupy(struct cohort *c, int id, const struct plan *p, uint64_t key, int *place, struct error *e)
{
  struct device_trial entry;
  const struct device_data *data = c->data;
  int64_t bytes = device_network_make(&entry, p, key, data->shared);
  int i = 0;
  if (find(c, id) >= 0) return error_set(e, ERROR_FAILED, "trial %d is in this cohort already", id);
  if (bytes < 0) return error_set(e, ERROR_FAILED, "the kernels cannot train a network with these classes or channels");
  while (i < c->capacity && c->members[i].used) i++;
  if (i == c->capacity)
    return error_set(e, ERROR_MACHINE, "no room for trial %d: the cohort holds %d trials", id, c->capacity);
  int code = take_device(c, e);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  if (code) return code;
  void *memory = provide(c, bytes);
  if (!memory)
    return error_set(
        e, ERROR_MACHINE,
        "it needs %.1f MiB of device %d's memory, of which %.1f MiB are for trials, no such room beside those "
        "that run; more trials fit where other programs leave more free",
        (double)bytes / 0x1p20, data->device, (double)data->arena.bytes / 0x1p20);
  device_network_place(&entry, memory);
  entry.state = c->device_tables->states + i;
  entry.table = data->table;
  entry.images = data->images;
  entry.labels = data->labels;
  entry.class_weights = p->config.model.class_weights == CLASS_WEIGHTS_BALANCED ? data->class_weights : NULL;
  entry.train_rows = data->rows;
  entry.validation_rows = data->rows + data->d->train.n;
  c->tables->trials[i] = entry;
  c->members[i] = (struct cohort_member){.used = true, .id = id, .plan = *p, .memory = memory};
  c->changed = true;
  *place = i;
  return 0;
}

/* Its memory is free for others at once: no kernel is to look at it any more. */
static void vacate(struct cohort *c, int place)
{
  struct cohort_member *m = &c->members[place];
  if (!m->used) return;
  cudaStreamSynchronize(c->stream);
  device_memory_give(c->data, m->memory);
  range_end(&m->range);
  m->memory = NULL;
  m->used = false;
  c->tables->states[place].phase = DEVICE_IDLE;
  c->changed = true;
}

int cohort_add(struct cohort *c, int id, const struct plan *p, uint64_t key, struct error *e)
{
  int place;
  int code = occupy(c, id, p, key, &place, e);
  if (code) return code;
  begin_epoch(c, place, 0, 0);
  const struct device_trial *t = &c->tables->trials[place];
  struct device_trial *on_device = c->device_tables->trials;
  code = CUDA(cudaMemcpyAsync(on_device + place, t, sizeof *t, cudaMemcpyHostToDevice, c->stream), e);
  if (!code) code = CUDA(step_initialise(on_device, place, t->parameters, c->stream), e);
  if (code) vacate(c, place);
  return code;
}

void cohort_remove(struct cohort *c, int id)
{
  int place = find(c, id);
  if (place >= 0) vacate(c, place);
}

/* ---- blocks of the launches ------------------------------------------------------------------ */

static int power_of_two(int n)
{
  int room = 1;
  while (room < n) room *= 2;
  return room;
}

/* Tells all members how many they are. */
static void count_members(struct cohort *c)
{
  int together = 0;
  for (int i = 0; i < c->capacity; i++) together += c->members[i].used;
  for (int i = 0; i < c->capacity; i++) c->tables->trials[i].together = together;
}

/* The blocks that a launch has for the present members; *first as struct device_tiles has it. */
static int count_tiles(const struct cohort *c, const struct step_launch *l, int *first)
{
  if (!l->stage->tiles) return c->capacity;
  for (int i = 0; i < COHORT_MAX; i++) {
    bool used = i < c->capacity && c->members[i].used;
    first[i + 1] = first[i] + (used ? step_launch_tiles(l, &c->tables->trials[i], c->precision) : 0);
  }
  return first[COHORT_MAX];
}

/* The blocks that it may have when some have left: those who stay may have more, of less work each
 * (struct device_trial, together), though no more than MOST_OF_FEW where they are few. */
enum { MOST_OF_FEW = 512 };

static int count_tiles_of_few(const struct cohort *c, const struct step_launch *l)
{
  int blocks = 0;
  for (int i = 0; i < c->capacity && l->stage->tiles; i++) {
    struct device_trial alone = c->tables->trials[i];
    alone.together = 1;
    if (c->members[i].used) blocks += step_launch_tiles(l, &alone, c->precision);
  }
  return blocks < MOST_OF_FEW ? blocks : MOST_OF_FEW;
}

/* Counts the blocks of all launches; a graph that launches too few is dropped. */
static void make_room(struct cohort *c)
{
  count_members(c);
  for (int i = 0; i < c->n_launches; i++) {
    int blocks = count_tiles(c, &c->launches[i], c->tables->first[i]), few = count_tiles_of_few(c, &c->launches[i]);
    if (few > blocks) blocks = few;
    if (blocks <= c->room[i]) continue;
    c->room[i] = c->launches[i].stage->tiles ? power_of_two(blocks) : blocks;
    drop_graph(c);
  }
}

/* ---- the step's graph ------------------------------------------------------------------------ */

/* One launch, in a range of its name; counted. */
static int queue_launch(struct cohort *c, int i, cudaStream_t stream, bool early, struct error *e)
{
  const struct step_launch *l = &c->launches[i];
  struct device_tiles tiles = {.first = c->device_tables->first[i], .room = c->room[i], .early = early};
  range_push(l->stage->name);
  int error = l->stage->launch(c->device_tables->trials, tiles, l->layer, c->precision, stream);
  range_pop();
  c->told.launches++;
  c->told.beside += stream == c->branch;
  return cuda_error(e, (cudaError_t)error, l->stage->name, __FILE__, __LINE__);
}

/* `waits` waits for what `stream` has queued. */
static int wait_for(cudaStream_t waits, cudaStream_t stream, cudaEvent_t event, struct error *e)
{
  int code = CUDA(cudaEventRecord(event, stream), e);
  return code ? code : CUDA(cudaStreamWaitEvent(waits, event, 0), e);
}

/* Is it the first of its layer's launches, on the way back? */
static bool begins_layer(const struct cohort *c, int i)
{
  const struct step_launch *l = &c->launches[i];
  return l->stage->order == LAST_LAYER_FIRST && (l[-1].stage->order != LAST_LAYER_FIRST || l[-1].layer != l->layer);
}

/* Queues the launches of one step (stages.h: the line and its branch).  `fork` stands where the
 * line begins with a layer, and so where the gradient of the layer's map is whole.  A launch in
 * line begins early where it comes after another in line and after nothing else. */
static int queue_step(struct cohort *c, struct error *e)
{
  int code = 0;
  bool forked = false, early = false;
  c->told.launches = c->told.beside = 0;
  for (int i = 0; i < c->n_launches && !code; i++) {
    const struct step_launch *l = &c->launches[i];
    if (begins_layer(c, i)) code = CUDA(cudaEventRecord(c->fork, c->stream), e);
    if (code || c->room[i] == 0) continue;
    bool beside = step_launch_is_beside(l);
    if (beside) code = CUDA(cudaStreamWaitEvent(c->branch, c->fork, 0), e);
    bool joins = forked && l->stage->line == JOINS;
    if (joins) code = wait_for(c->stream, c->branch, c->join, e);
    if (!code) code = queue_launch(c, i, beside ? c->branch : c->stream, early && !beside && !joins && !c->in_turn, e);
    forked |= beside;
    early |= !beside;
  }
  return code;
}

/* The step's graph, and what the driver says of it. */
static int capture_once(struct cohort *c, cudaError_t *made, struct error *e)
{
  cudaGraph_t graph = NULL;
  int code = CUDA(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal), e);
  if (code) return code;
  code = queue_step(c, e);
  cudaError_t ended = cudaStreamEndCapture(c->stream, &graph);
  if (!code) code = CUDA(ended, e);
  *made = code ? cudaSuccess : cudaGraphInstantiate(&c->graph, graph, 0);
  if (*made) c->graph = NULL;
  if (graph) cudaGraphDestroy(graph);
  return code;
}

/* A driver that refuses a graph gets one without launches that begin early, now and from then on:
 * they hide time, and change no result. */
static int capture(struct cohort *c, struct error *e)
{
  cudaError_t made;
  int code = capture_once(c, &made, e);
  if (!code && made && made != cudaErrorMemoryAllocation && !c->in_turn) {
    cudaGetLastError();
    c->in_turn = true;
    code = capture_once(c, &made, e);
  }
  if (!code) code = cuda_error(e, made, "cudaGraphInstantiate", __FILE__, __LINE__);
  if (!code) c->told.captures++;
  return code;
}

/* Tells the device who is there and where each stands. */
static int publish(struct cohort *c, struct error *e)
{
  make_room(c);
  int code =
      CUDA(cudaMemcpyAsync(c->device_tables, c->tables, sizeof *c->tables, cudaMemcpyHostToDevice, c->stream), e);
  if (!code) code = CUDA(step_rows(c->device_tables->trials, c->capacity, c->stream), e);
  if (!code && !c->graph) code = capture(c, e);
  /* pinned memory is read when its turn comes: it must not change before */
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  if (!code) c->changed = false;
  return code;
}

/* ---- advance --------------------------------------------------------------------------------- */

static int batches(int images, int batch)
{
  return (images + batch - 1) / batch;
}

/* Steps that are left of a member's epoch; 0: it does nothing. */
static int steps_left(const struct cohort *c, int place)
{
  const struct device_trial *t = &c->tables->trials[place];
  const struct device_state *s = &c->tables->states[place];
  if (!c->members[place].used || s->phase == DEVICE_IDLE) return 0;
  if (s->phase == DEVICE_EVALUATE) return batches(t->validation_images - s->begin, t->batch);
  return batches(t->train_images - s->begin, t->batch) + batches(t->validation_images, t->batch);
}

/* FLOPs that a member has made between two states of one epoch. */
static double flops_between(const struct cohort_member *m, const struct device_trial *t,
                            const struct device_state *from, const struct device_state *to)
{
  int train_from = from->phase == DEVICE_TRAIN ? from->begin : t->train_images;
  int train_to = to->phase == DEVICE_TRAIN ? to->begin : t->train_images;
  int seen_from = from->phase == DEVICE_EVALUATE ? from->begin : 0;
  int seen_to = to->phase == DEVICE_EVALUATE ? to->begin : to->phase == DEVICE_IDLE ? t->validation_images : 0;
  return m->plan.flops_image_training * (train_to - train_from) + m->plan.flops_image_forward * (seen_to - seen_from);
}

/* Queues `steps` steps, and reads the states after them. */
static int queue_steps(struct cohort *c, int steps, struct error *e)
{
  size_t bytes = (size_t)c->capacity * sizeof *c->tables->states;
  int code = device_steps_begin(c->data, c->number, c->before, c->after, c->stream, e);
  for (int i = 0; i < steps && !code; i++) code = CUDA(cudaGraphLaunch(c->graph, c->stream), e);
  if (!code) code = CUDA(cudaEventRecord(c->after, c->stream), e);
  if (!code)
    code =
        CUDA(cudaMemcpyAsync(c->tables->states, c->device_tables->states, bytes, cudaMemcpyDeviceToHost, c->stream), e);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  return code;
}

/* Runs `steps` steps; their share of the device's busy time is divided among the members by their
 * FLOPs. */
static int run_steps(struct cohort *c, int steps, struct error *e)
{
  struct device_state old[COHORT_MAX];
  double flops[COHORT_MAX], all = 0, seconds;
  memcpy(old, c->tables->states, sizeof old);
  int code = queue_steps(c, steps, e);
  if (code) {
    device_steps_lost(c->data, c->number);
    return code;
  }
  code = device_steps_end(c->data, c->number, c->stream, &seconds, e);
  if (code) return code;
  for (int i = 0; i < c->capacity; i++) {
    bool active = c->members[i].used && old[i].phase != DEVICE_IDLE;
    flops[i] = active ? flops_between(&c->members[i], &c->tables->trials[i], &old[i], &c->tables->states[i]) : 0;
    all += flops[i];
  }
  for (int i = 0; i < c->capacity && all > 0; i++) c->members[i].seconds += seconds * flops[i] / all;
  return 0;
}

/* The event of a member that has become idle; it goes on to its next epoch, if there is one. */
static void end_epoch(struct cohort *c, int place, struct cohort_event *event)
{
  struct cohort_member *m = &c->members[place];
  struct device_state *s = &c->tables->states[place];
  const struct plan *p = &m->plan;
  int epoch = (int)s->epoch + 1;
  *event = (struct cohort_event){.id = m->id,
                                 .epoch = epoch,
                                 .failed = s->failed != 0,
                                 .accuracy = (double)s->correct / p->validation_images,
                                 .loss = s->loss / p->validation_images,
                                 .training_loss = s->training_loss / p->train_images,
                                 .seconds = m->seconds};
  m->seconds = 0;
  m->ended = s->failed || epoch >= p->config.epochs;
  range_end(&m->range);
  if (m->ended) return;
  begin_epoch(c, place, epoch, s->step);
  c->changed = true;
}

int cohort_advance(struct cohort *c, struct cohort_event *events, int max, int *n, const volatile int *stop,
                   struct error *e)
{
  int code = take_device(c, e);
  *n = 0;
  while (!code) {
    int steps = 0;
    for (int i = 0; i < c->capacity && *n < max; i++)
      if (c->members[i].used && !c->members[i].ended && c->tables->states[i].phase == DEVICE_IDLE)
        end_epoch(c, i, &events[(*n)++]);
    for (int i = 0; i < c->capacity && *n == 0; i++) {
      int left = steps_left(c, i);
      if (left > 0 && (steps == 0 || left < steps)) steps = left;
    }
    if (steps == 0) return 0;
    if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)) return error_set(e, ERROR_INTERRUPTED, "stopped");
    range_push("members");
    if (c->changed) code = publish(c, e);
    range_pop();
    range_push("steps");
    if (!code) code = run_steps(c, steps < CHUNK_STEPS ? steps : CHUNK_STEPS, e);
    range_pop();
  }
  return code;
}

/* ---- weights and checkpoints ----------------------------------------------------------------- */

int cohort_tensor_get(struct cohort *c, int id, int index, float *out, struct error *e)
{
  int place = find(c, id), layer = index / 2;
  if (place < 0) return not_here(e, id);
  const struct device_trial *t = &c->tables->trials[place];
  const struct device_matrix *m = layer_matrix(t, layer);
  size_t size = (size_t)(m->rows + 1) * (size_t)m->columns * sizeof(float);
  float *w = malloc(size);
  if (!w) return error_set(e, ERROR_MACHINE, "no memory for the weights of trial %d", id);
  int code = take_device(c, e);
  if (!code) code = CUDA(cudaMemcpyAsync(w, t->weights + m->weight, size, cudaMemcpyDeviceToHost, c->stream), e);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  bool bias = index % 2 == 1;
  for (int row = bias ? m->rows : 0; row < (bias ? m->rows + 1 : m->rows) && !code; row++)
    for (int column = 0; column < m->columns; column++) {
      int64_t element = layer_element(t, layer, row, column);
      if (element >= 0) out[element] = w[(size_t)row * (size_t)m->columns + (size_t)column];
    }
  free(w);
  return code;
}

struct checkpoint_head {
  char magic[8];
  uint64_t key;
  int64_t parameters;
  double seconds; /* not yet told in an event */
  int32_t adam, ended;
  struct device_state state;
};
static const char checkpoint_magic[8] = "gsoscud4";

/* Of the validation images so far. */
static size_t tally_bytes(const struct device_trial *t)
{
  return 2 * (size_t)t->classes * sizeof *t->tally;
}

/* Is there a tally?  It is set to zeros when the training images are through, and holds until they
 * are again. */
static bool in_evaluation(const struct device_state *s)
{
  return s->phase == DEVICE_EVALUATE;
}

int cohort_tally(struct cohort *c, int id, int32_t *tally, struct error *e)
{
  int place = find(c, id);
  if (place < 0) return not_here(e, id);
  const struct device_trial *t = &c->tables->trials[place];
  int code = take_device(c, e);
  if (!code) code = CUDA(cudaMemcpyAsync(tally, t->tally, tally_bytes(t), cudaMemcpyDeviceToHost, c->stream), e);
  return code ? code : CUDA(cudaStreamSynchronize(c->stream), e);
}

int cohort_checkpoint(struct cohort *c, int id, void **block, size_t *bytes, struct error *e)
{
  int place = find(c, id);
  if (place < 0) return not_here(e, id);
  const struct device_trial *t = &c->tables->trials[place];
  struct checkpoint_head head = {.key = t->key,
                                 .parameters = t->parameters,
                                 .seconds = c->members[place].seconds,
                                 .adam = t->adam,
                                 .ended = c->members[place].ended,
                                 .state = c->tables->states[place]};
  memcpy(head.magic, checkpoint_magic, sizeof head.magic);
  size_t part = (size_t)t->parameters * sizeof(float);
  size_t tally = tally_bytes(t);
  *bytes = sizeof head + (t->adam ? 3 : 2) * part + tally;
  char *to = *block = malloc(*bytes);
  if (!to) return error_set(e, ERROR_MACHINE, "no memory to keep the state of trial %d", id);
  memcpy(to, &head, sizeof head);
  to += sizeof head;
  int code = take_device(c, e);
  if (!code) code = CUDA(cudaMemcpyAsync(to, t->weights, part, cudaMemcpyDeviceToHost, c->stream), e);
  if (!code) code = CUDA(cudaMemcpyAsync(to + part, t->moment2, part, cudaMemcpyDeviceToHost, c->stream), e);
  if (!code && t->adam)
    code = CUDA(cudaMemcpyAsync(to + 2 * part, t->moment1, part, cudaMemcpyDeviceToHost, c->stream), e);
  to += (t->adam ? 3 : 2) * part;
  if (!code && in_evaluation(&head.state))
    code = CUDA(cudaMemcpyAsync(to, t->tally, tally, cudaMemcpyDeviceToHost, c->stream), e);
  else
    memset(to, 0, tally);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  if (code) {
    free(*block);
    *block = NULL;
  }
  return code;
}

/* Is it one that a trial can have?  A kernel reads the rows that it names. */
static bool state_is_sound(const struct device_state *s, const struct device_trial *t)
{
  struct device_state order;
  if (s->epoch < 0 || s->step < 0 || s->phase < DEVICE_IDLE || s->phase > DEVICE_EVALUATE) return false;
  device_state_begin(&order, t, s->epoch, s->step);
  if (s->half_bits != order.half_bits || memcmp(s->round_key, order.round_key, sizeof s->round_key) != 0) return false;
  if (s->phase == DEVICE_IDLE) return true;
  int images = s->phase == DEVICE_TRAIN ? t->train_images : t->validation_images;
  return s->begin >= 0 && s->begin < images &&
         s->count == (images - s->begin < t->batch ? images - s->begin : t->batch);
}

int cohort_restore(struct cohort *c, int id, const struct plan *p, uint64_t key, const void *block, size_t bytes,
                   struct error *e)
{
  struct checkpoint_head head;
  int place;
  if (bytes < sizeof head) return error_set(e, ERROR_FAILED, "the kept state of trial %d is cut off", id);
  memcpy(&head, block, sizeof head);
  int code = occupy(c, id, p, key, &place, e);
  if (code) return code;
  const struct device_trial *t = &c->tables->trials[place];
  size_t part = (size_t)t->parameters * sizeof(float);
  bool fits = !memcmp(head.magic, checkpoint_magic, sizeof head.magic) && head.key == key &&
              head.parameters == t->parameters && head.adam == t->adam &&
              bytes == sizeof head + (t->adam ? 3 : 2) * part + tally_bytes(t) && head.state.epoch < p->config.epochs &&
              state_is_sound(&head.state, t);
  if (!fits) {
    vacate(c, place);
    return error_set(e, ERROR_FAILED, "the kept state of trial %d is damaged, or another trial's", id);
  }
  const char *from = (const char *)block + sizeof head;
  begin_epoch(c, place, head.state.epoch, head.state.step); /* the range, and the epoch's order */
  c->tables->states[place] = head.state;
  if (head.ended) range_end(&c->members[place].range);
  c->members[place].ended = head.ended != 0;
  c->members[place].seconds = head.seconds;
  code = CUDA(cudaMemcpyAsync(t->weights, from, part, cudaMemcpyHostToDevice, c->stream), e);
  if (!code) code = CUDA(cudaMemcpyAsync(t->moment2, from + part, part, cudaMemcpyHostToDevice, c->stream), e);
  if (!code && t->adam)
    code = CUDA(cudaMemcpyAsync(t->moment1, from + 2 * part, part, cudaMemcpyHostToDevice, c->stream), e);
  from += (t->adam ? 3 : 2) * part;
  if (!code && in_evaluation(&head.state))
    code = CUDA(cudaMemcpyAsync(t->tally, from, tally_bytes(t), cudaMemcpyHostToDevice, c->stream), e);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  if (code) vacate(c, place);
  return code;
}

struct cohort_counts cohort_counts(const struct cohort *c)
{
  return c->told;
}

#endif
