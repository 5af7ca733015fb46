/* A device's data set, memory and busy time.  See device.h. */
#ifdef GSOS_CUDA

#include <cuda_runtime_api.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/pieces.h"
#include "host/cuda/cuda_call.h"
#include "host/cuda/device_internal.h"
#include "host/network/class_weights.h"

void (*device_memory_watch)(void *at, int64_t bytes, bool taken);

static void watch(void *at, int64_t bytes, bool taken)
{
  if (device_memory_watch && bytes > 0) device_memory_watch(at, bytes, taken);
}

/* ---- the allocation -------------------------------------------------------------------------- */

static void *take(struct pieces *p, int64_t bytes)
{
  void *at = pieces_take(p, bytes);
  watch(at, at ? bytes : 0, true);
  return at;
}

/* Everything before the arena. */
static void divide(struct device_data *data, const struct dataset *d, int cohorts, struct pieces *p)
{
  int64_t n = (int64_t)d->train.n + d->validation.n;
  data->images = take(p, n * d->height * d->width * d->channels);
  data->labels = take(p, n * (int64_t)sizeof *data->labels);
  data->rows = take(p, n * (int64_t)sizeof *data->rows);
  data->table = take(p, 256 * DEVICE_CHANNELS_MAX * (int64_t)sizeof *data->table);
  data->class_weights = take(p, d->n_classes * (int64_t)sizeof *data->class_weights);
  data->tables = take(p, cohorts * (int64_t)sizeof *data->tables);
  data->networks = take(p, 0);
}

static int64_t bytes_before_arena(const struct dataset *d, int cohorts)
{
  struct device_data none;
  struct pieces count = {.alignment = ARENA_ALIGNMENT};
  divide(&none, d, cohorts, &count);
  return count.used;
}

int64_t device_need_bytes(const struct device_need *need, const struct dataset *d)
{
  return bytes_before_arena(d, need->cohorts) + need->trials * arena_round(need->trial_bytes);
}

int64_t device_need_data_bytes(const struct dataset *d)
{
  return bytes_before_arena(d, 0);
}

int64_t device_available(int device)
{
  size_t available, total;
  if (cudaSetDevice(device) != cudaSuccess || cudaMemGetInfo(&available, &total) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  return (int64_t)(available - available / 32); /* what the driver takes for graphs and streams as they are made */
}

/* All that is needed, or as much as there is: then fewer trials run at once. */
static int allocate(struct device_data *data, const struct device_need *need, struct error *e)
{
  enum { LEAST = 1 << 20 };
  int64_t before = bytes_before_arena(data->d, need->cohorts), limit = device_available(data->device);
  int64_t all = need->trials * arena_round(need->trial_bytes), arena = all;
  if (before + arena > limit) arena = limit > before ? limit - before : 0;
  int code = CUDA(cudaMalloc((void **)&data->memory, (size_t)(before + arena)), e);
  while (code == ERROR_MACHINE && arena > LEAST) {
    arena = arena / 4 * 3;
    code = CUDA(cudaMalloc((void **)&data->memory, (size_t)(before + arena)), e);
  }
  if (code) return code;
  e->code = 0;
  data->bytes = before + arena;
  data->need = *need;
  data->need.trials = (int)(arena / arena_round(need->trial_bytes));
  /* with room for all, a part for the largest each, so that no gap between others is too small */
  if (!arena_create(&data->arena, arena, arena < all ? 0 : need->trial_bytes))
    return error_set(e, ERROR_MACHINE, "no memory to keep account of a device's");
  watch(data->memory, data->bytes, false);
  divide(data, data->d, need->cohorts, &(struct pieces){.base = data->memory, .alignment = ARENA_ALIGNMENT});
  return 0;
}

/* ---- the data set ---------------------------------------------------------------------------- */

/* Two halves of pinned memory: one is filled while the other is on its way. */
struct staging {
  cudaStream_t stream;
  char *half[2];
  cudaEvent_t sent[2];
  int next;
};
enum { STAGING_BYTES = 4 << 20 };

static void staging_close(struct staging *s)
{
  for (int i = 0; i < 2; i++) {
    cudaFreeHost(s->half[i]);
    if (s->sent[i]) cudaEventDestroy(s->sent[i]);
  }
  if (s->stream) cudaStreamDestroy(s->stream);
}

static int staging_open(struct staging *s, int64_t bytes, struct error *e)
{
  *s = (struct staging){0};
  int code = CUDA(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking), e);
  for (int i = 0; i < 2 && !code; i++) {
    code = CUDA(cudaHostAlloc((void **)&s->half[i], (size_t)bytes, cudaHostAllocDefault), e);
    if (!code) code = CUDA(cudaEventCreateWithFlags(&s->sent[i], cudaEventDisableTiming), e);
    if (!code) code = CUDA(cudaEventRecord(s->sent[i], s->stream), e);
  }
  return code;
}

/* The next half, free to be filled. */
static int staging_wait(struct staging *s, char **half, struct error *e)
{
  *half = s->half[s->next];
  return CUDA(cudaEventSynchronize(s->sent[s->next]), e);
}

static int staging_send(struct staging *s, void *to, int64_t bytes, struct error *e)
{
  int code = CUDA(cudaMemcpyAsync(to, s->half[s->next], (size_t)bytes, cudaMemcpyHostToDevice, s->stream), e);
  if (!code) code = CUDA(cudaEventRecord(s->sent[s->next], s->stream), e);
  s->next = 1 - s->next;
  return code;
}

/* Copies one part's images, labels and row numbers, whose rows begin with `first`. */
static int upload_part(struct device_data *data, const struct dataset_split *part, int64_t first, struct staging *s,
                       int chunk, struct error *e)
{
  const struct dataset *d = data->d;
  int64_t bytes = (int64_t)d->height * d->width * d->channels;
  char *half;
  int code = 0;
  for (int i = 0; i < part->n && !code; i += chunk) {
    int n = part->n - i < chunk ? part->n - i : chunk;
    if ((code = staging_wait(s, &half, e))) break;
    for (int k = 0; k < n; k++) memcpy(half + k * bytes, dataset_image(d, part, i + k), (size_t)bytes);
    code = staging_send(s, data->images + (first + i) * bytes, n * bytes, e);
    if (code || (code = staging_wait(s, &half, e))) break;
    for (int k = 0; k < n; k++) ((uint16_t *)(void *)half)[k] = (uint16_t)dataset_label(part, i + k);
    code = staging_send(s, data->labels + first + i, n * (int64_t)sizeof *data->labels, e);
    if (code || (code = staging_wait(s, &half, e))) break;
    for (int k = 0; k < n; k++) ((int32_t *)(void *)half)[k] = (int32_t)(first + i + k);
    code = staging_send(s, data->rows + first + i, n * (int64_t)sizeof *data->rows, e);
  }
  return code;
}

static int upload(struct device_data *data, struct error *e)
{
  const struct dataset *d = data->d;
  int64_t bytes = (int64_t)d->height * d->width * d->channels;
  int chunk = (int)(STAGING_BYTES / (bytes > 4 ? bytes : 4)) + 1;
  int64_t half = chunk * (bytes > 4 ? bytes : 4);
  int64_t table_bytes = d->channels * 256 * (int64_t)sizeof(float);
  int64_t weights_bytes = d->n_classes * (int64_t)sizeof(float);
  int64_t larger = table_bytes > weights_bytes ? table_bytes : weights_bytes;
  struct staging s;
  char *table;
  int code = staging_open(&s, half > larger ? half : larger, e);
  if (!code) code = upload_part(data, &d->train, 0, &s, chunk, e);
  if (!code) code = upload_part(data, &d->validation, d->train.n, &s, chunk, e);
  if (!code) code = staging_wait(&s, &table, e);
  if (!code) {
    dataset_table(d, (float *)(void *)table);
    code = staging_send(&s, data->table, table_bytes, e);
  }
  if (!code) code = staging_wait(&s, &table, e);
  if (!code) code = class_weights_balanced(&d->train, d->n_classes, (float *)(void *)table, e);
  if (!code) code = staging_send(&s, data->class_weights, weights_bytes, e);
  if (!code) code = CUDA(cudaEventRecord(data->anchor[0], s.stream), e);
  if (!code) code = CUDA(cudaStreamSynchronize(s.stream), e);
  staging_close(&s);
  return code;
}

int device_data_check(const struct dataset *d, struct error *e)
{
  if (d->channels <= DEVICE_CHANNELS_MAX) return 0;
  return error_set(e, ERROR_CONFIG, "the CUDA trainer takes images of up to %d channels, not %d; use devices = cpu",
                   DEVICE_CHANNELS_MAX, d->channels);
}

int device_data_open(struct device_data **out, const struct dataset *d, int device, const struct device_need *need,
                     struct error *e)
{
  *out = NULL;
  if (device_data_check(d, e)) return e->code;
  if (need->cohorts < 1 || need->cohorts > DEVICE_COHORTS_MAX || need->trials < 1 || need->trial_bytes < 1)
    return error_set(e, ERROR_FAILED, "a device has 1 to %d cohorts with a trial or more, not %d with %d",
                     DEVICE_COHORTS_MAX, need->cohorts, need->trials);
  struct device_data *data = calloc(1, sizeof *data);
  if (!data) return error_set(e, ERROR_MACHINE, "no memory");
  pthread_mutex_init(&data->lock, NULL);
  data->device = device;
  data->d = d;
  int given = 0;
  int code = CUDA(cudaSetDevice(device), e);
  if (!code) code = CUDA(cudaDeviceGetAttribute(&given, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), e);
  data->shared = device_shared(given);
  if (!code) code = allocate(data, need, e);
  for (int i = 0; i < 2 && !code; i++) code = CUDA(cudaEventCreate(&data->anchor[i]), e);
  if (!code) code = upload(data, e);
  if (code) {
    device_data_close(data);
    return error_prefix(e, "device %d, %.1f MiB for the data set and %d networks of %.1f MiB", device,
                        (double)device_need_bytes(need, d) / 0x1p20, need->trials, (double)need->trial_bytes / 0x1p20);
  }
  *out = data;
  return 0;
}

void device_data_close(struct device_data *data)
{
  if (!data) return;
  cudaSetDevice(data->device);
  for (int i = 0; i < 2; i++)
    if (data->anchor[i]) cudaEventDestroy(data->anchor[i]);
  if (data->memory) watch(data->memory, data->bytes, true);
  cudaFree(data->memory);
  cudaGetLastError();
  arena_destroy(&data->arena);
  busy_time_destroy(&data->busy);
  pthread_mutex_destroy(&data->lock);
  free(data);
}

struct device_memory device_data_memory(struct device_data *data)
{
  pthread_mutex_lock(&data->lock);
  struct device_memory m = {data->bytes, data->need.trials, data->arena.bytes, data->busy.total};
  pthread_mutex_unlock(&data->lock);
  return m;
}

/* ---- parts of the allocation ----------------------------------------------------------------- */

int device_cohort_take(struct device_data *d)
{
  int i = 0;
  pthread_mutex_lock(&d->lock);
  while (i < d->need.cohorts && d->open[i]) i++;
  if (i < d->need.cohorts)
    d->open[i] = true;
  else
    i = -1;
  pthread_mutex_unlock(&d->lock);
  return i;
}

void device_cohort_give(struct device_data *d, int cohort)
{
  pthread_mutex_lock(&d->lock);
  d->open[cohort] = false;
  d->steps[cohort].before = NULL;
  pthread_mutex_unlock(&d->lock);
}

void *device_memory_take(struct device_data *d, int64_t bytes)
{
  pthread_mutex_lock(&d->lock);
  int64_t at = arena_take(&d->arena, bytes);
  if (at >= 0) watch(d->networks + at, bytes, true);
  pthread_mutex_unlock(&d->lock);
  return at < 0 ? NULL : d->networks + at;
}

void device_memory_give(struct device_data *d, void *memory)
{
  if (!memory) return;
  pthread_mutex_lock(&d->lock);
  int64_t bytes = arena_give(&d->arena, (char *)memory - d->networks);
  watch(memory, bytes, false);
  pthread_mutex_unlock(&d->lock);
}

/* ---- busy time ------------------------------------------------------------------------------- */

/* The clock is the device's own: events, by their distance from an anchor, an event of at most
 * about so long ago, since a distance is a float of milliseconds. */
#define ANCHOR_S 1.0

int device_steps_begin(struct device_data *d, int cohort, cudaEvent_t before, cudaEvent_t after, cudaStream_t stream,
                       struct error *e)
{
  pthread_mutex_lock(&d->lock);
  int code = CUDA(cudaEventRecord(before, stream), e);
  if (!code) {
    d->steps[cohort].before = before;
    d->steps[cohort].after = after;
  }
  pthread_mutex_unlock(&d->lock);
  return code;
}

static cudaError_t moment(const struct device_data *d, cudaEvent_t event, double *s)
{
  float ms = 0;
  cudaError_t error = cudaEventElapsedTime(&ms, d->anchor[0], event);
  *s = d->anchor_s + 1e-3 * ms;
  return error;
}

static int new_anchor(struct device_data *d, cudaStream_t stream, struct error *e)
{
  double at;
  int code = CUDA(cudaEventRecord(d->anchor[1], stream), e);
  if (!code) code = CUDA(cudaEventSynchronize(d->anchor[1]), e);
  if (!code) code = CUDA(moment(d, d->anchor[1], &at), e);
  if (code) return code;
  cudaEvent_t old = d->anchor[0];
  d->anchor[0] = d->anchor[1];
  d->anchor[1] = old;
  d->anchor_s = at;
  return 0;
}

/* Where the steps of a cohort are, as far as they have come: +1 where they have begun, 0 where not
 * yet. */
static int piece_of(const struct device_data *d, int cohort, struct busy_piece *piece, struct error *e)
{
  *piece = (struct busy_piece){.owner = cohort};
  cudaError_t begun = moment(d, d->steps[cohort].before, &piece->from);
  if (begun == cudaErrorNotReady) {
    cudaGetLastError();
    return 0;
  }
  cudaError_t ended = begun ? begun : moment(d, d->steps[cohort].after, &piece->to);
  if (ended == cudaErrorNotReady)
    cudaGetLastError();
  else if (ended)
    return CUDA(ended, e);
  if (ended || piece->to < piece->from) piece->to = INFINITY; /* an earlier time is that of the steps before */
  return 1;
}

int device_steps_end(struct device_data *d, int cohort, cudaStream_t stream, double *seconds, struct error *e)
{
  struct busy_piece piece, others[DEVICE_COHORTS_MAX];
  int n = 0;
  pthread_mutex_lock(&d->lock);
  int code = piece_of(d, cohort, &piece, e);
  d->steps[cohort].before = NULL;
  for (int i = 0; i < d->need.cohorts && code >= 0; i++)
    if (d->steps[i].before && (code = piece_of(d, i, &others[n], e)) > 0) n++;
  *seconds = code < 0 ? 0 : busy_time_end(&d->busy, piece, others, n);
  if (code >= 0) code = piece.to - d->anchor_s > ANCHOR_S ? new_anchor(d, stream, e) : 0;
  pthread_mutex_unlock(&d->lock);
  return code;
}

void device_steps_lost(struct device_data *d, int cohort)
{
  pthread_mutex_lock(&d->lock);
  d->steps[cohort].before = NULL;
  pthread_mutex_unlock(&d->lock);
}

#endif
