/* A cohort on a device.  See cohort.h.
 *
 * In device memory lie the table of trials, their states, and for each stage a list of tiles with its length.  A change of members
 * writes them anew between two steps; a graph that has room for the longer lists stays.  Each place keeps the block of memory of
 * its last trial and takes a new one only for a larger trial, so that nothing is allocated while networks of a kind follow each other.
 *
 * The host asks for as many steps as are left to the first end of an epoch, and reads all states once. */
#include "cohort.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef GSOS_CUDA

int cohort_device_count(char *why, size_t size)
{
  snprintf(why, size, "this gsos was built without CUDA");
  return 0;
}

void cohort_device_name(int device, char *text, size_t size)
{
  snprintf(text, size, "no device %d", device);
}

static int without(struct error *e)
{
  return error_set(e, ERROR_FAILED, "this gsos was built without CUDA");
}

int device_data_open(struct device_data **data, const struct dataset *d, int device, struct error *e)
{
  (void)d, (void)device;
  *data = NULL;
  return without(e);
}

void device_data_close(struct device_data *data)
{
  (void)data;
}

int cohort_open(struct cohort **c, const struct device_data *data, int capacity, enum cohort_precision precision,
                struct error *e)
{
  (void)data, (void)capacity, (void)precision;
  *c = NULL;
  return without(e);
}

void cohort_close(struct cohort *c)
{
  (void)c;
}

int64_t cohort_trial_bytes(const struct plan *p)
{
  (void)p;
  return 0;
}

int cohort_add(struct cohort *c, int id, const struct plan *p, uint64_t key, struct error *e)
{
  (void)c, (void)id, (void)p, (void)key;
  return without(e);
}

void cohort_remove(struct cohort *c, int id)
{
  (void)c, (void)id;
}

int cohort_advance(struct cohort *c, struct cohort_event *events, int max, int *n, const volatile int *stop,
                   struct error *e)
{
  (void)c, (void)events, (void)max, (void)stop;
  *n = 0;
  return without(e);
}

int cohort_tensor_get(struct cohort *c, int id, int index, float *out, struct error *e)
{
  (void)c, (void)id, (void)index, (void)out;
  return without(e);
}

int cohort_checkpoint(struct cohort *c, int id, void **block, size_t *bytes, struct error *e)
{
  (void)c, (void)id, (void)block, (void)bytes;
  return without(e);
}

int cohort_restore(struct cohort *c, int id, const struct plan *p, uint64_t key, const void *block, size_t bytes,
                   struct error *e)
{
  (void)c, (void)id, (void)p, (void)key, (void)block, (void)bytes;
  return without(e);
}

struct cohort_counts cohort_counts(const struct cohort *c)
{
  (void)c;
  return (struct cohort_counts){0, 0};
}

#else

#include <cuda_runtime_api.h>
#include <math.h>

#include "device_network.h"
#include "ranges.h"

/* ---- calls of the runtime ------------------------------------------------------------------------------------------------- */

static int cuda_error(struct error *e, cudaError_t error, const char *call, const char *file, int line)
{
  if (error == cudaSuccess) return 0;
  cudaGetLastError(); /* one that does not stick is gone with this */
  if (error == cudaErrorMemoryAllocation)
    return error_set(e, ERROR_MACHINE, "the device has no memory left (%s)", call);
  /* Whatever else a call says, most of it for every call from then on: this device is not used again. */
  return error_set(e, ERROR_LOST, "%s: %s (%s:%d: %s)", cudaGetErrorName(error), cudaGetErrorString(error), file, line,
                   call);
}
/* Evaluates to 0 or an error's code. */
#define CUDA(call, e) cuda_error(e, (cudaError_t)(call), #call, __FILE__, __LINE__)

int cohort_device_count(char *why, size_t size)
{
  int n = 0;
  cudaError_t error = cudaGetDeviceCount(&n);
  if (error == cudaSuccess && n > 0) return n;
  cudaGetLastError();
  snprintf(why, size, "%s", error == cudaSuccess ? "there is no CUDA device" : cudaGetErrorString(error));
  return 0;
}

void cohort_device_name(int device, char *text, size_t size)
{
  struct cudaDeviceProp p;
  int driver = 0, runtime = 0;
  if (cudaGetDeviceProperties(&p, device) != cudaSuccess) {
    cudaGetLastError();
    snprintf(text, size, "no device %d", device);
    return;
  }
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  snprintf(text, size, "%s, compute capability %d.%d, %.1f GiB, driver %d.%d, runtime %d.%d", p.name, p.major, p.minor,
           (double)p.totalGlobalMem / 0x1p30, driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

/* ---- data sets ------------------------------------------------------------------------------------------------------------ */

struct device_data {
  int device;
  const struct dataset *d;
  uint8_t *images; /* the rows of both parts, one after the other */
  uint16_t *labels;
  int32_t *rows; /* [train.n + validation.n] 0, 1, 2, ...: each part's rows */
  float *table;
};

/* (x/255 − mean)/deviation for every byte, each operation rounded on its own: as the CPU trainer has it. */
static void make_table(const struct dataset *d, float *table)
{
  for (int c = 0; c < d->channels; c++)
    for (int x = 0; x < 256; x++) {
      volatile float scaled = (float)x / 255.0f;
      volatile float centred = scaled - d->mean[c];
      table[256 * c + x] = centred / (d->deviation[c] > 0 ? d->deviation[c] : 1);
    }
}

/* Copies one part's images and labels, a few megabytes at a time. */
static int upload_part(struct device_data *data, const struct dataset_split *s, int64_t first, struct error *e)
{
  const struct dataset *d = data->d;
  int64_t bytes = (int64_t)d->height * d->width * d->channels;
  int chunk = (int)((4 << 20) / bytes) + 1, code = 0;
  uint8_t *images = malloc((size_t)(chunk * bytes));
  uint16_t *labels = malloc((size_t)chunk * sizeof *labels);
  if (!images || !labels) code = error_set(e, ERROR_MACHINE, "no memory to bring the images to the device");
  for (int i = 0; i < s->n && !code; i += chunk) {
    int n = s->n - i < chunk ? s->n - i : chunk;
    for (int k = 0; k < n; k++) {
      memcpy(images + k * bytes, dataset_image(d, s, i + k), (size_t)bytes);
      labels[k] = (uint16_t)dataset_label(s, i + k);
    }
    code = CUDA(cudaMemcpy(data->images + (first + i) * bytes, images, (size_t)(n * bytes), cudaMemcpyHostToDevice), e);
    if (!code)
      code = CUDA(cudaMemcpy(data->labels + first + i, labels, (size_t)n * sizeof *labels, cudaMemcpyHostToDevice), e);
  }
  free(images);
  free(labels);
  return code;
}

static int upload_tables(struct device_data *data, int64_t n, struct error *e)
{
  float table[256 * DEVICE_CHANNELS_MAX];
  int32_t *rows = malloc((size_t)n * sizeof *rows);
  if (!rows) return error_set(e, ERROR_MACHINE, "no memory to bring the images to the device");
  for (int64_t i = 0; i < n; i++) rows[i] = (int32_t)i;
  make_table(data->d, table);
  int code = CUDA(cudaMemcpy(data->rows, rows, (size_t)n * sizeof *rows, cudaMemcpyHostToDevice), e);
  if (!code)
    code = CUDA(cudaMemcpy(data->table, table, (size_t)data->d->channels * 256 * sizeof *table, cudaMemcpyHostToDevice),
                e);
  free(rows);
  return code;
}

int device_data_open(struct device_data **out, const struct dataset *d, int device, struct error *e)
{
  int64_t n = (int64_t)d->train.n + d->validation.n, bytes = (int64_t)d->height * d->width * d->channels;
  *out = NULL;
  if (d->channels > DEVICE_CHANNELS_MAX)
    return error_set(e, ERROR_CONFIG, "the CUDA trainer takes images of up to %d channels, not %d; use devices = cpu",
                     DEVICE_CHANNELS_MAX, d->channels);
  struct device_data *data = calloc(1, sizeof *data);
  if (!data) return error_set(e, ERROR_MACHINE, "no memory");
  data->device = device;
  data->d = d;
  int code = CUDA(cudaSetDevice(device), e);
  if (!code) code = CUDA(cudaMalloc((void **)&data->images, (size_t)(n * bytes)), e);
  if (!code) code = CUDA(cudaMalloc((void **)&data->labels, (size_t)n * sizeof *data->labels), e);
  if (!code) code = CUDA(cudaMalloc((void **)&data->rows, (size_t)n * sizeof *data->rows), e);
  if (!code) code = CUDA(cudaMalloc((void **)&data->table, 256 * DEVICE_CHANNELS_MAX * sizeof *data->table), e);
  if (!code) code = upload_part(data, &d->train, 0, e);
  if (!code) code = upload_part(data, &d->validation, d->train.n, e);
  if (!code) code = upload_tables(data, n, e);
  /* cudaMemcpy may return when it has read the host's memory; a cohort's stream does not wait for what is left */
  if (!code) code = CUDA(cudaDeviceSynchronize(), e);
  if (code) {
    device_data_close(data);
    return error_prefix(e, "device %d, the data set of %.1f MiB", device, (double)(n * bytes) / 0x1p20);
  }
  *out = data;
  return 0;
}

void device_data_close(struct device_data *data)
{
  if (!data) return;
  cudaSetDevice(data->device);
  cudaFree(data->images);
  cudaFree(data->labels);
  cudaFree(data->rows);
  cudaFree(data->table);
  free(data);
}

/* ---- a cohort ------------------------------------------------------------------------------------------------------------- */

/* The stages of a step, in order; forward and backward once for each convolution. */
enum {
  STAGE_FORWARD,
  STAGE_DENSE = STAGE_FORWARD + DEVICE_CONV_MAX,
  STAGE_LOSS,
  STAGE_LOSS_BACKWARD,
  STAGE_DENSE_BACKWARD,
  STAGE_BACKWARD, /* + layer */
  STAGE_OPTIMIZER = STAGE_BACKWARD + DEVICE_CONV_MAX,
  STAGES
};

enum { CHUNK_STEPS = 64 }; /* steps between two looks at *stop */

struct member {
  bool used, ended; /* ended: its last epoch, or failed */
  int id;
  struct plan plan;
  void *memory; /* stays with the place */
  int64_t bytes;
  double seconds; /* not yet told in an event */
  uint64_t range; /* its epoch's (ranges.h) */
};

struct cohort {
  const struct device_data *data;
  int capacity;
  enum device_precision precision;
  cudaStream_t stream;
  cudaEvent_t before, after;
  struct member members[COHORT_MAX];
  struct device_trial *trials, *device_trials; /* [capacity] */
  struct device_state *states, *device_states; /* [capacity] pinned, and the device's */
  bool changed;                                /* members or states: the device must hear of it */
  struct {
    struct device_tile *device;
    int room; /* a power of two; 0: no trial has this stage */
    int count;
  } tiles[STAGES];
  int *counts, *device_counts; /* [STAGES] */
  int layers;                  /* of the captured class */
  int n;                       /* rows of the table that the graph's last kernel looks at */
  cudaGraphExec_t graph;
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

void cohort_close(struct cohort *c)
{
  if (!c) return;
  cudaSetDevice(c->data->device);
  if (c->stream) cudaStreamSynchronize(c->stream);
  drop_graph(c);
  for (int i = 0; i < c->capacity; i++) {
    range_end(&c->members[i].range);
    cudaFree(c->members[i].memory);
  }
  for (int s = 0; s < STAGES; s++) cudaFree(c->tiles[s].device);
  cudaFree(c->device_trials);
  cudaFree(c->device_states);
  cudaFree(c->device_counts);
  cudaFreeHost(c->states);
  cudaFreeHost(c->trials);
  cudaFreeHost(c->counts);
  if (c->before) cudaEventDestroy(c->before);
  if (c->after) cudaEventDestroy(c->after);
  if (c->stream) cudaStreamDestroy(c->stream);
  cudaGetLastError();
  free(c);
}

int cohort_open(struct cohort **out, const struct device_data *data, int capacity, enum cohort_precision precision,
                struct error *e)
{
  *out = NULL;
  if (capacity < 1 || capacity > COHORT_MAX)
    return error_set(e, ERROR_FAILED, "a cohort has room for 1 to %d trials, not for %d", COHORT_MAX, capacity);
  struct cohort *c = calloc(1, sizeof *c);
  if (!c) return error_set(e, ERROR_MACHINE, "no memory for a cohort");
  size_t n = (size_t)capacity;
  c->data = data;
  c->capacity = c->n = capacity;
  c->precision = precision == COHORT_TF32 ? DEVICE_TF32 : DEVICE_FP32;
  int code = take_device(c, e);
  if (!code) code = CUDA(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), e);
  if (!code) code = CUDA(cudaEventCreate(&c->before), e);
  if (!code) code = CUDA(cudaEventCreate(&c->after), e);
  if (!code) code = CUDA(cudaMalloc((void **)&c->device_trials, n * sizeof *c->trials), e);
  if (!code) code = CUDA(cudaMalloc((void **)&c->device_states, n * sizeof *c->states), e);
  if (!code) code = CUDA(cudaMalloc((void **)&c->device_counts, STAGES * sizeof *c->counts), e);
  if (!code) code = CUDA(cudaHostAlloc((void **)&c->trials, n * sizeof *c->trials, cudaHostAllocDefault), e);
  if (!code) code = CUDA(cudaHostAlloc((void **)&c->states, n * sizeof *c->states, cudaHostAllocDefault), e);
  if (!code) code = CUDA(cudaHostAlloc((void **)&c->counts, STAGES * sizeof *c->counts, cudaHostAllocDefault), e);
  if (code) {
    cohort_close(c);
    return code;
  }
  memset(c->trials, 0, n * sizeof *c->trials);
  memset(c->states, 0, n * sizeof *c->states);
  for (int i = 0; i < capacity; i++) c->trials[i].state = c->device_states + i;
  *out = c;
  return 0;
}

/* ---- members -------------------------------------------------------------------------------------------------------------- */

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

/* The free place whose memory fits best; -1: none is free. */
static int free_place(const struct cohort *c, int64_t bytes)
{
  int best = -1;
  for (int i = 0; i < c->capacity; i++) {
    if (c->members[i].used) continue;
    int64_t mine = c->members[i].bytes, other = best < 0 ? 0 : c->members[best].bytes;
    bool better = best < 0 || (mine >= bytes ? other < bytes || mine < other : other < bytes && mine > other);
    if (better) best = i;
  }
  return best;
}

/* Memory of a place for a trial of so many bytes. */
static int provide(struct member *m, int64_t bytes, struct error *e)
{
  if (m->bytes >= bytes) return 0;
  cudaFree(m->memory);
  m->memory = NULL;
  m->bytes = 0;
  int code = CUDA(cudaMalloc(&m->memory, (size_t)bytes), e);
  if (!code) m->bytes = bytes;
  return code;
}

int64_t cohort_trial_bytes(const struct plan *p)
{
  struct device_trial entry;
  int64_t bytes = device_network_make(&entry, p, 0);
  return bytes < 0 ? 0 : bytes;
}

/* A member's next epoch begins: its state, and its range. */
static void begin_epoch(struct cohort *c, int place, int64_t epoch, int64_t step)
{
  struct member *m = &c->members[place];
  device_state_begin(&c->states[place], &c->trials[place], epoch, step);
  range_end(&m->range);
  m->range = range_begin("epoch %d, place %d", (int)epoch + 1, m->id);
}

/* Takes a place and writes its table entry; the state is the caller's. */
static int occupy(struct cohort *c, int id, const struct plan *p, uint64_t key, int *place, struct error *e)
{
  struct device_trial entry;
  int64_t bytes = device_network_make(&entry, p, key);
  if (find(c, id) >= 0) return error_set(e, ERROR_FAILED, "trial %d is in this cohort already", id);
  if (bytes < 0) return error_set(e, ERROR_FAILED, "the kernels cannot train a network with these classes or channels");
  int i = free_place(c, bytes);
  if (i < 0) return error_set(e, ERROR_MACHINE, "no room for trial %d: the cohort holds %d trials", id, c->capacity);
  int code = take_device(c, e);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  if (!code) code = provide(&c->members[i], bytes, e);
  if (code) return error_prefix(e, "trial %d, %.1f MiB", id, (double)bytes / 0x1p20);
  device_network_place(&entry, c->members[i].memory);
  entry.state = c->device_states + i;
  entry.table = c->data->table;
  entry.images = c->data->images;
  entry.labels = c->data->labels;
  entry.train_rows = c->data->rows;
  entry.validation_rows = c->data->rows + c->data->d->train.n;
  c->trials[i] = entry;
  struct member *m = &c->members[i];
  m->used = true;
  m->ended = false;
  m->id = id;
  m->plan = *p;
  m->seconds = 0;
  c->changed = true;
  *place = i;
  return 0;
}

static void leave(struct cohort *c, int place)
{
  range_end(&c->members[place].range);
  c->members[place].used = false;
  c->states[place].phase = DEVICE_IDLE;
  c->changed = true;
}

int cohort_add(struct cohort *c, int id, const struct plan *p, uint64_t key, struct error *e)
{
  int place;
  int code = occupy(c, id, p, key, &place, e);
  if (code) return code;
  begin_epoch(c, place, 0, 0);
  code = CUDA(cudaMemcpyAsync(c->device_trials + place, c->trials + place, sizeof *c->trials, cudaMemcpyHostToDevice,
                              c->stream),
              e);
  if (!code) code = CUDA(network_initialise(c->device_trials, place, c->trials[place].parameters, c->stream), e);
  if (code) leave(c, place);
  return code;
}

void cohort_remove(struct cohort *c, int id)
{
  int place = find(c, id);
  if (place >= 0) leave(c, place);
}

/* ---- lists of tiles ------------------------------------------------------------------------------------------------------- */

/* Blocks that a trial has in a stage. */
static int tiles_of(const struct device_trial *t, int stage)
{
  if (stage < STAGE_DENSE) return stage < t->layers ? network_tiles_forward(t, stage) : 0;
  if (stage >= STAGE_BACKWARD && stage < STAGE_OPTIMIZER)
    return stage - STAGE_BACKWARD < t->layers ? network_tiles_backward(t, stage - STAGE_BACKWARD) : 0;
  switch (stage) {
  case STAGE_DENSE:
    return network_tiles_dense(t);
  case STAGE_LOSS:
    return network_tiles_loss(t);
  case STAGE_LOSS_BACKWARD:
    return network_tiles_loss_backward(t);
  case STAGE_DENSE_BACKWARD:
    return network_tiles_dense_backward(t);
  default:
    return network_tiles_optimizer(t);
  }
}

static int power_of_two(int n)
{
  int room = 1;
  while (room < n) room *= 2;
  return room;
}

/* Writes the lists of all stages for the present members; room that is too small is made anew, and the graph with it. */
static int write_tiles(struct cohort *c, struct error *e)
{
  int code = 0;
  for (int s = 0; s < STAGES && !code; s++) {
    int total = 0, at = 0;
    for (int i = 0; i < c->capacity; i++) total += c->members[i].used ? tiles_of(&c->trials[i], s) : 0;
    c->counts[s] = c->tiles[s].count = total;
    if (total > c->tiles[s].room) {
      drop_graph(c);
      cudaFree(c->tiles[s].device);
      c->tiles[s].device = NULL;
      c->tiles[s].room = 0;
      int room = power_of_two(total);
      code = CUDA(cudaMalloc((void **)&c->tiles[s].device, (size_t)room * sizeof(struct device_tile)), e);
      if (!code) c->tiles[s].room = room;
    }
    struct device_tile *list = code || total == 0 ? NULL : malloc((size_t)total * sizeof *list);
    if (code || total == 0) continue;
    if (!list) return error_set(e, ERROR_MACHINE, "no memory for a list of %d tiles", total);
    for (int i = 0; i < c->capacity; i++)
      for (int k = 0, n = c->members[i].used ? tiles_of(&c->trials[i], s) : 0; k < n; k++)
        list[at++] = (struct device_tile){i, k};
    code = CUDA(
        cudaMemcpyAsync(c->tiles[s].device, list, (size_t)total * sizeof *list, cudaMemcpyHostToDevice, c->stream), e);
    free(list); /* pageable memory is read before the call returns */
  }
  if (!code)
    code = CUDA(
        cudaMemcpyAsync(c->device_counts, c->counts, STAGES * sizeof *c->counts, cudaMemcpyHostToDevice, c->stream), e);
  return code;
}

/* ---- the step's graph ----------------------------------------------------------------------------------------------------- */

static struct device_tiles tiles(const struct cohort *c, int stage)
{
  return (struct device_tiles){c->tiles[stage].device, c->device_counts + stage, c->tiles[stage].room};
}

/* A launch of the step, in a range of its name; nothing where one before it failed. */
#define STAGE(name, launch)                                                                                            \
  do {                                                                                                                 \
    if (!code) {                                                                                                       \
      range_push(name);                                                                                                \
      code = CUDA(launch, e);                                                                                          \
      range_pop();                                                                                                     \
      n++;                                                                                                             \
    }                                                                                                                  \
  } while (0)

/* Queues the launches of one step; counts them. */
static int queue_step(struct cohort *c, struct error *e)
{
  const struct device_trial *t = c->device_trials;
  int code = 0, n = 0;
  for (int l = 0; l < c->layers; l++)
    STAGE("forward", network_forward(t, tiles(c, STAGE_FORWARD + l), l, c->precision, c->stream));
  STAGE("dense", network_dense(t, tiles(c, STAGE_DENSE), c->precision, c->stream));
  STAGE("loss", network_loss(t, tiles(c, STAGE_LOSS), c->stream));
  STAGE("loss backward", network_loss_backward(t, tiles(c, STAGE_LOSS_BACKWARD), c->precision, c->stream));
  STAGE("dense backward", network_dense_backward(t, tiles(c, STAGE_DENSE_BACKWARD), c->precision, c->stream));
  for (int l = c->layers - 1; l >= 0; l--)
    STAGE("backward", network_backward(t, tiles(c, STAGE_BACKWARD + l), l, c->precision, c->stream));
  STAGE("optimizer", network_optimizer(t, tiles(c, STAGE_OPTIMIZER), c->stream));
  STAGE("advance", network_advance(t, c->n, c->stream));
  c->told.launches = n;
  return code;
}

static int capture(struct cohort *c, struct error *e)
{
  cudaGraph_t graph = NULL;
  c->layers = 0;
  for (int l = 0; l < DEVICE_CONV_MAX; l++)
    if (c->tiles[STAGE_FORWARD + l].room > 0) c->layers = l + 1;
  int code = CUDA(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal), e);
  if (code) return code;
  code = queue_step(c, e);
  cudaError_t ended = cudaStreamEndCapture(c->stream, &graph);
  if (!code) code = CUDA(ended, e);
  if (!code) code = CUDA(cudaGraphInstantiate(&c->graph, graph, 0), e);
  if (graph) cudaGraphDestroy(graph);
  if (!code) c->told.captures++;
  return code;
}

/* Tells the device who is there and where each stands. */
static int publish(struct cohort *c, struct error *e)
{
  size_t n = (size_t)c->capacity;
  int code = write_tiles(c, e);
  if (!code)
    code =
        CUDA(cudaMemcpyAsync(c->device_trials, c->trials, n * sizeof *c->trials, cudaMemcpyHostToDevice, c->stream), e);
  if (!code)
    code =
        CUDA(cudaMemcpyAsync(c->device_states, c->states, n * sizeof *c->states, cudaMemcpyHostToDevice, c->stream), e);
  if (!code) code = CUDA(network_rows(c->device_trials, c->capacity, c->stream), e);
  if (!code && !c->graph) code = capture(c, e);
  /* pinned memory is read when its turn comes: it must not change before */
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  if (!code) c->changed = false;
  return code;
}

/* ---- advance -------------------------------------------------------------------------------------------------------------- */

static int batches(int images, int batch)
{
  return (images + batch - 1) / batch;
}

/* Steps that are left of a member's epoch; 0: it does nothing. */
static int steps_left(const struct cohort *c, int place)
{
  const struct device_trial *t = &c->trials[place];
  const struct device_state *s = &c->states[place];
  if (!c->members[place].used || s->phase == DEVICE_IDLE) return 0;
  if (s->phase == DEVICE_EVALUATE) return batches(t->validation_images - s->begin, t->batch);
  return batches(t->train_images - s->begin, t->batch) + batches(t->validation_images, t->batch);
}

/* FLOPs that a member has made between two states of one epoch. */
static double flops_between(const struct member *m, const struct device_trial *t, const struct device_state *from,
                            const struct device_state *to)
{
  int train_from = from->phase == DEVICE_TRAIN ? from->begin : t->train_images;
  int train_to = to->phase == DEVICE_TRAIN ? to->begin : t->train_images;
  int seen_from = from->phase == DEVICE_EVALUATE ? from->begin : 0;
  int seen_to = to->phase == DEVICE_EVALUATE ? to->begin : to->phase == DEVICE_IDLE ? t->validation_images : 0;
  return m->plan.flops_image_training * (train_to - train_from) + m->plan.flops_image_forward * (seen_to - seen_from);
}

/* Runs so many steps; the time that they took is divided among the members by their FLOPs. */
static int run_steps(struct cohort *c, int steps, struct error *e)
{
  struct device_state old[COHORT_MAX];
  double flops[COHORT_MAX], all = 0;
  float ms = 0;
  size_t n = (size_t)c->capacity;
  memcpy(old, c->states, n * sizeof *old);
  int code = CUDA(cudaEventRecord(c->before, c->stream), e);
  for (int i = 0; i < steps && !code; i++) code = CUDA(cudaGraphLaunch(c->graph, c->stream), e);
  if (!code) code = CUDA(cudaEventRecord(c->after, c->stream), e);
  if (!code)
    code =
        CUDA(cudaMemcpyAsync(c->states, c->device_states, n * sizeof *c->states, cudaMemcpyDeviceToHost, c->stream), e);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  if (!code) code = CUDA(cudaEventElapsedTime(&ms, c->before, c->after), e);
  if (code) return code;
  for (int i = 0; i < c->capacity; i++) {
    bool active = c->members[i].used && old[i].phase != DEVICE_IDLE;
    flops[i] = active ? flops_between(&c->members[i], &c->trials[i], &old[i], &c->states[i]) : 0;
    all += flops[i];
  }
  for (int i = 0; i < c->capacity && all > 0; i++) c->members[i].seconds += ms * 1e-3 * flops[i] / all;
  return 0;
}

/* The event of a member that has become idle; it goes on to its next epoch, if there is one. */
static void end_epoch(struct cohort *c, int place, struct cohort_event *event)
{
  struct member *m = &c->members[place];
  struct device_state *s = &c->states[place];
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
      if (c->members[i].used && !c->members[i].ended && c->states[i].phase == DEVICE_IDLE)
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

/* ---- weights and checkpoints ---------------------------------------------------------------------------------------------- */

int cohort_tensor_get(struct cohort *c, int id, int index, float *out, struct error *e)
{
  int place = find(c, id), layer = index / 2;
  if (place < 0) return not_here(e, id);
  const struct device_trial *t = &c->trials[place];
  const struct device_matrix *m = device_matrix(t, layer);
  size_t size = (size_t)(m->rows + 1) * (size_t)m->columns * sizeof(float);
  float *w = malloc(size);
  if (!w) return error_set(e, ERROR_MACHINE, "no memory for the weights of trial %d", id);
  int code = take_device(c, e);
  if (!code) code = CUDA(cudaMemcpyAsync(w, t->weights + m->weight, size, cudaMemcpyDeviceToHost, c->stream), e);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  bool bias = index % 2 == 1;
  for (int row = bias ? m->rows : 0; row < (bias ? m->rows + 1 : m->rows) && !code; row++)
    for (int column = 0; column < m->columns; column++) {
      int64_t element = device_element(t, layer, row, column);
      if (element >= 0) out[element] = w[(size_t)row * (size_t)m->columns + (size_t)column];
    }
  free(w);
  return code;
}

struct checkpoint_head {
  char magic[8];
  uint64_t key;
  int64_t epoch, step, parameters;
  int32_t adam, ended;
};
static const char checkpoint_magic[8] = "gsoscud1";

int cohort_checkpoint(struct cohort *c, int id, void **block, size_t *bytes, struct error *e)
{
  int place = find(c, id);
  if (place < 0) return not_here(e, id);
  const struct device_trial *t = &c->trials[place];
  const struct device_state *s = &c->states[place];
  if (!c->members[place].ended && (s->phase != DEVICE_TRAIN || s->begin != 0))
    return error_set(e, ERROR_FAILED, "trial %d is within an epoch; its state can be kept between two", id);
  struct checkpoint_head head = {.key = t->key,
                                 .epoch = c->members[place].ended ? s->epoch + 1 : s->epoch,
                                 .step = s->step,
                                 .parameters = t->parameters,
                                 .adam = t->adam,
                                 .ended = c->members[place].ended};
  memcpy(head.magic, checkpoint_magic, sizeof head.magic);
  size_t part = (size_t)t->parameters * sizeof(float);
  *bytes = sizeof head + (t->adam ? 3 : 2) * part;
  char *to = *block = malloc(*bytes);
  if (!to) return error_set(e, ERROR_MACHINE, "no memory to keep the state of trial %d", id);
  memcpy(to, &head, sizeof head);
  to += sizeof head;
  int code = take_device(c, e);
  if (!code) code = CUDA(cudaMemcpyAsync(to, t->weights, part, cudaMemcpyDeviceToHost, c->stream), e);
  if (!code) code = CUDA(cudaMemcpyAsync(to + part, t->moment2, part, cudaMemcpyDeviceToHost, c->stream), e);
  if (!code && t->adam)
    code = CUDA(cudaMemcpyAsync(to + 2 * part, t->moment1, part, cudaMemcpyDeviceToHost, c->stream), e);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  if (code) {
    free(*block);
    *block = NULL;
  }
  return code;
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
  const struct device_trial *t = &c->trials[place];
  size_t part = (size_t)t->parameters * sizeof(float);
  bool fits = !memcmp(head.magic, checkpoint_magic, sizeof head.magic) && head.key == key &&
              head.parameters == t->parameters && head.adam == t->adam &&
              bytes == sizeof head + (t->adam ? 3 : 2) * part && head.epoch >= 0 && head.epoch <= p->config.epochs &&
              head.step >= 0;
  if (!fits) {
    leave(c, place);
    return error_set(e, ERROR_FAILED, "the kept state of trial %d is damaged, or another trial's", id);
  }
  const char *from = (const char *)block + sizeof head;
  begin_epoch(c, place, head.epoch, head.step);
  if (head.ended) {
    c->states[place].phase = DEVICE_IDLE;
    range_end(&c->members[place].range);
  }
  c->members[place].ended = head.ended != 0;
  code = CUDA(cudaMemcpyAsync(t->weights, from, part, cudaMemcpyHostToDevice, c->stream), e);
  if (!code) code = CUDA(cudaMemcpyAsync(t->moment2, from + part, part, cudaMemcpyHostToDevice, c->stream), e);
  if (!code && t->adam)
    code = CUDA(cudaMemcpyAsync(t->moment1, from + 2 * part, part, cudaMemcpyHostToDevice, c->stream), e);
  if (!code) code = CUDA(cudaStreamSynchronize(c->stream), e);
  if (code) leave(c, place);
  return code;
}

struct cohort_counts cohort_counts(const struct cohort *c)
{
  return c->told;
}

#endif
