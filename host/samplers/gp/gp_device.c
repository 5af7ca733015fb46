/* Memory and launches of the Gaussian process on a device.  See gp_device.h. */
#include "host/samplers/gp/gp_device.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cuda/device_list.h"

#ifndef GSOS_CUDA

int gp_devices_open(struct gp_devices **devices, int n, const int *numbers, int points, int d, struct error *e)
{
  (void)n, (void)numbers, (void)points, (void)d;
  *devices = NULL;
  return error_set(e, ERROR_FAILED, "this gsos was built without CUDA");
}

/* None can be open, so nobody calls the rest. */
void gp_devices_close(struct gp_devices *devices)
{
  (void)devices;
}

const char *gp_devices_name(const struct gp_devices *devices)
{
  (void)devices;
  return "";
}

struct gp_workspace *gp_workspace_take(struct gp_devices *devices)
{
  (void)devices;
  return NULL;
}

void gp_workspace_give_back(struct gp_workspace *w)
{
  (void)w;
}

int gp_workspace_check(const struct gp_workspace *w, struct error *e)
{
  (void)w, (void)e;
  return 0;
}

void gp_workspace_observe(struct gp_workspace *w, const struct gp_data *data, int extra)
{
  (void)w, (void)data, (void)extra;
}

void gp_workspace_likelihoods(struct gp_workspace *w, int count, const struct gp_hyper *h, double *value,
                              double (*gradient)[GP_PARAMETERS_MAX])
{
  (void)w, (void)count, (void)h, (void)value, (void)gradient;
}

bool gp_workspace_fits(const struct gp_workspace *w)
{
  (void)w;
  return false;
}

int gp_workspace_fit(struct gp_workspace *w, const struct device_gp_prior *prior, int count,
                     const double (*starts)[GP_PARAMETERS_MAX], double *value, double (*at)[GP_PARAMETERS_MAX])
{
  (void)w, (void)prior, (void)count, (void)starts, (void)value, (void)at;
  return 0;
}

bool gp_workspace_use_clusters(struct gp_workspace *w, bool yes)
{
  (void)w, (void)yes;
  return false;
}

bool gp_workspace_condition(struct gp_workspace *w, const struct gp_hyper *h, double *alpha)
{
  (void)w, (void)h, (void)alpha;
  return true;
}

double gp_workspace_believe(struct gp_workspace *w, const double *point)
{
  (void)w, (void)point;
  return 0;
}

void gp_workspace_predict_one(struct gp_workspace *w, const double *point, double *mean, double *sd, double *by_mean,
                              double *by_sd)
{
  (void)w, (void)point, (void)mean, (void)sd, (void)by_mean, (void)by_sd;
}

void gp_workspace_predict_each(struct gp_workspace *w, int count, const double (*points)[GP_DIMENSIONS_MAX],
                               double *mean, double *sd)
{
  (void)w, (void)count, (void)points, (void)mean, (void)sd;
}

void gp_workspace_climb(struct gp_workspace *w, const struct gp_climb *climb, int count,
                        double (*points)[GP_DIMENSIONS_MAX])
{
  (void)w, (void)climb, (void)count, (void)points;
}

void gp_workspace_rank(struct gp_workspace *w, int count, const double *const *x, double best)
{
  (void)w, (void)count, (void)x, (void)best;
}

void gp_workspace_read(struct gp_workspace *w, int count, double *mean, double *sd, double *score)
{
  (void)w, (void)count, (void)mean, (void)sd, (void)score;
}

void gp_workspace_top(struct gp_workspace *w, int n, const struct gp_range *ranges, struct gp_top (*top)[GP_TOP])
{
  (void)w, (void)n, (void)ranges, (void)top;
}

#else

#include <cuda_runtime_api.h>

_Static_assert((int)GP_ROWS_MAX == (int)GP_DEVICE_OBSERVATIONS && (int)GP_AXES_MAX == (int)GP_DIMENSIONS_MAX,
               "kernels and host differ");
_Static_assert((int)GP_EACH_MAX > (int)GP_DIMENSIONS_MAX, "no room for what is said of one point");
_Static_assert((int)GP_TOP <= (int)GP_TOP_MAX && (int)GP_RANGES_MAX <= (int)GP_PARTS_MAX,
               "more of the best than a launch gives");

enum { RESULT_MAX = GP_PARAMETERS_MAX + 1, OUT_MAX = 2 * GP_EACH_MAX };

/* What goes to the device and comes back, in pinned memory. */
struct pinned {
  double x[GP_DIMENSIONS_MAX][GP_ROWS_MAX], z[GP_ROWS_MAX];
  struct device_gp_hyper hyper[GP_DEVICE_BATCH];
  double result[GP_DEVICE_BATCH * RESULT_MAX];
  int failed[GP_DEVICE_BATCH];
  struct device_gp_fit_start starts[GP_DEVICE_BATCH];
  struct device_gp_fitted fitted[GP_DEVICE_BATCH];
  double out[OUT_MAX];
  struct device_gp_point each[GP_EACH_MAX];
  struct device_gp_ranked top[GP_RANGES_MAX * GP_TOP];
};

struct gp_workspace {
  struct gp_devices *devices;
  struct gp_workspace *next; /* of those that are idle */
  int device;
  cudaStream_t stream;
  struct device_gp g; /* its pointers are the workspace's device memory */
  double *z, *out;
  struct device_gp_hyper *hyper;
  struct device_gp_fit_start *starts;
  struct device_gp_fitted *fitted;
  double *points, *mean, *sd, *score; /* [d][points], [points] ... */
  struct device_gp_point *each;
  struct device_gp_ranked *top; /* [GP_RANGES_MAX][GP_TOP], and the room of gp_top */
  struct pinned *pinned;
  double *staged; /* [d][points] pinned: coordinates on their way to `points` */
  bool is_staged; /* and they may still be there */
  struct error failure;
};

enum { OF_A_DEVICE = 2 };

struct gp_devices {
  int n, points, d; /* n workspaces */
  int capability;   /* the least gp_capability of the devices */
  int block_rows;   /* and the least gp_block_rows */
  char name[400];
  struct gp_workspace *all; /* [n] */
  pthread_mutex_t lock;
  pthread_cond_t given_back;
  struct gp_workspace *idle;
  int left; /* that have not failed */
};

/* ---- calls of the runtime -------------------------------------------------------------------- */

/* One call: nothing where an earlier one failed. */
#define CALL(w, call)                                                                                                  \
  do {                                                                                                                 \
    if (!(w)->failure.code) note(w, (cudaError_t)(call), #call, __LINE__);                                             \
  } while (0)

static void note(struct gp_workspace *w, cudaError_t error, const char *call, int line)
{
  if (error == cudaSuccess) return;
  cudaGetLastError(); /* one that does not stick is gone with this */
  if (error == cudaErrorMemoryAllocation)
    error_set(&w->failure, ERROR_MACHINE, "the device has no memory left for the Gaussian process (%s)", call);
  else
    error_set(&w->failure, ERROR_MACHINE, "the Gaussian process on device %d: %s: %s (%s:%d: %s)", w->device,
              cudaGetErrorName(error), cudaGetErrorString(error), __FILE__, line, call);
}

static void up(struct gp_workspace *w, void *to, const void *from, size_t bytes)
{
  CALL(w, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, w->stream));
}

static void down(struct gp_workspace *w, void *to, const void *from, size_t bytes)
{
  CALL(w, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, w->stream));
}

static void wait_for(struct gp_workspace *w)
{
  CALL(w, cudaStreamSynchronize(w->stream));
  w->is_staged = false;
}

/* ---- devices and workspaces ------------------------------------------------------------------ */

static void *allocate(struct gp_workspace *w, size_t bytes)
{
  void *p = NULL;
  CALL(w, cudaMalloc(&p, bytes));
  return p;
}

static void workspace_make(struct gp_workspace *w)
{
  const size_t matrix = (size_t)GP_ROWS_MAX * GP_ROWS_MAX * sizeof(double), number = sizeof(double);
  const size_t points = (size_t)w->devices->points, d = (size_t)w->devices->d;
  CALL(w, cudaSetDevice(w->device));
  w->g.capability = w->devices->capability;
  w->g.block_rows = w->devices->block_rows;
  CALL(w, gp_predict_prepare(w->g.capability));
  CALL(w, gp_evaluate_prepare(w->g.capability, w->g.block_rows));
  CALL(w, cudaStreamCreateWithFlags(&w->stream, cudaStreamNonBlocking));
  CALL(w, cudaMallocHost((void **)&w->pinned, sizeof *w->pinned));
  CALL(w, cudaMallocHost((void **)&w->staged, (d > 0 ? d : 1) * points * number));
  w->g.x = allocate(w, GP_DIMENSIONS_MAX * GP_ROWS_MAX * number);
  w->g.z = w->z = allocate(w, GP_ROWS_MAX * number);
  w->g.hyper = w->hyper = allocate(w, GP_DEVICE_BATCH * sizeof *w->hyper);
  w->starts = allocate(w, sizeof w->pinned->starts);
  w->fitted = allocate(w, sizeof w->pinned->fitted);
  w->g.factor = allocate(w, GP_DEVICE_BATCH * matrix);
  w->g.inverse = allocate(w, GP_DEVICE_BATCH * matrix);
  w->g.alpha = allocate(w, GP_DEVICE_BATCH * GP_ROWS_MAX * number);
  w->g.scratch = allocate(w, GP_DEVICE_BATCH * sizeof *w->g.scratch);
  w->g.sums = allocate(w, GP_DEVICE_BATCH * (size_t)gp_tiles(GP_ROWS_MAX) * (GP_DIMENSIONS_MAX + 1) * number);
  w->g.result = allocate(w, sizeof w->pinned->result);
  w->g.failed = allocate(w, sizeof w->pinned->failed);
  w->g.packed = allocate(w, matrix);
  w->g.scaled = allocate(w, GP_DIMENSIONS_MAX * GP_ROWS_MAX * number);
  w->out = allocate(w, OUT_MAX * number);
  w->points = allocate(w, (d > 0 ? d : 1) * points * number);
  w->mean = allocate(w, points * number);
  w->sd = allocate(w, points * number);
  w->score = allocate(w, points * number);
  w->each = allocate(w, GP_EACH_MAX * sizeof *w->each);
  w->top =
      allocate(w, (size_t)GP_RANGES_MAX * (size_t)(GP_TOP + gp_top_room(w->devices->points, GP_TOP)) * sizeof *w->top);
}

static void workspace_destroy(struct gp_workspace *w)
{
  if (!w->devices) return; /* never made */
  cudaSetDevice(w->device);
  void *const memory[] = {w->g.x,      w->z,        w->hyper,    w->g.factor, w->g.inverse, w->g.alpha, w->g.sums,
                          w->g.result, w->g.failed, w->g.packed, w->g.scaled, w->out,       w->points,  w->mean,
                          w->sd,       w->score,    w->each,     w->top,      w->g.scratch, w->starts,  w->fitted};
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++) cudaFree(memory[i]);
  if (w->pinned) cudaFreeHost(w->pinned);
  if (w->staged) cudaFreeHost(w->staged);
  if (w->stream) cudaStreamDestroy(w->stream);
}

/* By which kernels the devices work: by those that all of them can run, which a GPU's compute
 * capability alone does not tell.  What it is then belongs to the name. */
static int find_capability(struct gp_devices *devices, int n, const int *numbers, struct error *e)
{
  int of_gpu = 0;
  for (int i = 0; i < n; i++) {
    struct gp_workspace asking = {.device = numbers[i]};
    int capability = 0, block_rows = 0;
    CALL(&asking, cudaSetDevice(asking.device));
    CALL(&asking, cudaDeviceGetAttribute(&of_gpu, cudaDevAttrComputeCapabilityMajor, asking.device));
    CALL(&asking, gp_capability(&capability));
    CALL(&asking, gp_block_rows(&block_rows));
    if (gp_workspace_check(&asking, e)) return e->code;
    if (i == 0 || capability < devices->capability) devices->capability = capability;
    if (i == 0 || block_rows < devices->block_rows) devices->block_rows = block_rows;
  }
  if (devices->capability >= GP_CAPABILITY_90 || of_gpu < GP_CAPABILITY_90) return 0;
  size_t used = strlen(devices->name);
  snprintf(devices->name + used, sizeof devices->name - used, ", by kernels for %d.0", devices->capability);
  return 0;
}

int gp_devices_open(struct gp_devices **out, int n, const int *numbers, int points, int d, struct error *e)
{
  struct gp_devices *devices = calloc(1, sizeof *devices);
  struct gp_workspace *all = calloc((size_t)(n * OF_A_DEVICE), sizeof *all);
  *out = NULL;
  if (!devices || !all) {
    free(devices);
    free(all);
    return error_set(e, ERROR_MACHINE, "no memory for the Gaussian process");
  }
  *devices = (struct gp_devices){.n = n * OF_A_DEVICE, .left = n * OF_A_DEVICE, .points = points, .d = d, .all = all};
  pthread_mutex_init(&devices->lock, NULL);
  pthread_cond_init(&devices->given_back, NULL);
  int code = devices_of_one_model(numbers, n, devices->name, sizeof devices->name, e);
  if (!code) code = find_capability(devices, n, numbers, e);
  for (int i = devices->n - 1; i >= 0 && !code; i--) {
    all[i].devices = devices;
    all[i].device = numbers[i % n];
    workspace_make(&all[i]);
    all[i].next = devices->idle;
    devices->idle = &all[i];
    code = gp_workspace_check(&all[i], e);
  }
  if (code)
    gp_devices_close(devices);
  else
    *out = devices;
  return code;
}

void gp_devices_close(struct gp_devices *devices)
{
  if (!devices) return;
  for (int i = 0; i < devices->n; i++) workspace_destroy(&devices->all[i]);
  pthread_cond_destroy(&devices->given_back);
  pthread_mutex_destroy(&devices->lock);
  free(devices->all);
  free(devices);
}

const char *gp_devices_name(const struct gp_devices *devices)
{
  return devices->name;
}

struct gp_workspace *gp_workspace_take(struct gp_devices *devices)
{
  pthread_mutex_lock(&devices->lock);
  while (!devices->idle && devices->left > 0) pthread_cond_wait(&devices->given_back, &devices->lock);
  struct gp_workspace *w = devices->idle;
  if (w) devices->idle = w->next;
  pthread_mutex_unlock(&devices->lock);
  if (!w) return NULL;
  CALL(w, cudaSetDevice(w->device));
  return w;
}

void gp_workspace_give_back(struct gp_workspace *w)
{
  if (!w) return;
  struct gp_devices *devices = w->devices;
  pthread_mutex_lock(&devices->lock);
  if (w->failure.code) {
    devices->left--;
  } else {
    w->next = devices->idle;
    devices->idle = w;
  }
  pthread_cond_broadcast(&devices->given_back);
  pthread_mutex_unlock(&devices->lock);
}

int gp_workspace_check(const struct gp_workspace *w, struct error *e)
{
  return w->failure.code ? error_set(e, w->failure.code, "%s", w->failure.message) : 0;
}

/* ---- likelihood ------------------------------------------------------------------------------ */

void gp_workspace_observe(struct gp_workspace *w, const struct gp_data *data, int extra)
{
  struct device_gp *g = &w->g;
  g->n = data->n;
  g->d = data->d;
  g->rows = (data->n + extra + GP_TILE - 1) / GP_TILE * GP_TILE;
  g->categorical = 0;
  wait_for(w); /* the copies before this have left the pinned memory */
  for (int i = 0; i < data->d; i++) {
    if (data->categorical[i]) g->categorical |= (uint64_t)1 << i;
    memcpy(w->pinned->x[i], data->x[i], (size_t)data->n * sizeof(double));
    for (int k = data->n; k < g->rows; k++) w->pinned->x[i][k] = 0;
  }
  memcpy(w->pinned->z, data->z, (size_t)data->n * sizeof(double));
  up(w, g->x, w->pinned->x, (size_t)data->d * sizeof w->pinned->x[0]);
  up(w, w->z, w->pinned->z, (size_t)data->n * sizeof(double));
}

static void put_hyper(struct gp_workspace *w, int count, const struct gp_hyper *h)
{
  for (int b = 0; b < count; b++) {
    struct device_gp_hyper *to = &w->pinned->hyper[b];
    for (int i = 0; i < w->g.d; i++) to->weight[i] = 1 / (h[b].lengthscale[i] * h[b].lengthscale[i]);
    to->signal = h[b].signal;
    to->noise = h[b].noise;
    to->mean = h[b].mean;
  }
  up(w, w->hyper, w->pinned->hyper, (size_t)count * sizeof *w->hyper);
}

void gp_workspace_likelihoods(struct gp_workspace *w, int count, const struct gp_hyper *h, double *value,
                              double (*gradient)[GP_PARAMETERS_MAX])
{
  const int d = w->g.d;
  put_hyper(w, count, h);
  CALL(w, gp_likelihood(&w->g, count, w->stream));
  down(w, w->pinned->result, w->g.result, (size_t)(count * (d + 4)) * sizeof(double));
  wait_for(w);
  for (int b = 0; b < count; b++) {
    const double *result = w->pinned->result + b * (d + 4);
    bool good = !w->failure.code && isfinite(result[0]);
    value[b] = good ? result[0] : -INFINITY;
    for (int i = 0; i < d + 3; i++) gradient[b][i] = good ? result[1 + i] : 0;
  }
}

bool gp_workspace_fits(const struct gp_workspace *w)
{
  return gp_is_one_launch(&w->g) != 0;
}

bool gp_workspace_use_clusters(struct gp_workspace *w, bool yes)
{
  const int capability = w->devices->capability;
  w->g.capability = yes || capability < GP_CAPABILITY_90 ? capability : GP_CAPABILITY_90 - 1;
  CALL(w, gp_predict_prepare(w->g.capability));
  return capability >= GP_CAPABILITY_90;
}

int gp_workspace_fit(struct gp_workspace *w, const struct device_gp_prior *prior, int count,
                     const double (*starts)[GP_PARAMETERS_MAX], double *value, double (*at)[GP_PARAMETERS_MAX])
{
  const size_t parameters = (size_t)(w->g.d + 3) * sizeof(double);
  int evaluations = 0;
  for (int b = 0; b < count; b++) memcpy(w->pinned->starts[b].at, starts[b], parameters);
  up(w, w->starts, w->pinned->starts, (size_t)count * sizeof *w->starts);
  CALL(w, gp_fit_climbs(&w->g, count, prior, w->starts, w->fitted, w->stream));
  down(w, w->pinned->fitted, w->fitted, (size_t)count * sizeof *w->fitted);
  wait_for(w);
  for (int b = 0; b < count; b++) {
    const struct device_gp_fitted *c = &w->pinned->fitted[b];
    value[b] = w->failure.code ? -INFINITY : c->value;
    memcpy(at[b], w->failure.code ? starts[b] : c->at, parameters);
    evaluations += w->failure.code ? 0 : c->evaluations;
  }
  return evaluations;
}

/* ---- posterior ------------------------------------------------------------------------------- */

bool gp_workspace_condition(struct gp_workspace *w, const struct gp_hyper *h, double *alpha)
{
  put_hyper(w, 1, h);
  CALL(w, gp_condition(&w->g, w->stream));
  down(w, w->pinned->failed, w->g.failed, sizeof(int));
  down(w, w->pinned->z, w->g.alpha, (size_t)w->g.n * sizeof(double));
  wait_for(w);
  bool failed = !w->failure.code && w->pinned->failed[0];
  for (int i = 0; i < w->g.n; i++) alpha[i] = w->failure.code || failed ? 0 : w->pinned->z[i];
  return !failed;
}

static struct device_gp_point point_of(const struct gp_workspace *w, const double *point)
{
  struct device_gp_point p = {{0}};
  memcpy(p.x, point, (size_t)w->g.d * sizeof *point);
  return p;
}

double gp_workspace_believe(struct gp_workspace *w, const double *point)
{
  const struct device_gp_point p = point_of(w, point);
  CALL(w, gp_believe(&w->g, &p, w->out, w->stream));
  down(w, w->pinned->out, w->out, sizeof(double));
  wait_for(w);
  w->g.n++;
  return w->failure.code ? 0 : w->pinned->out[0];
}

void gp_workspace_predict_one(struct gp_workspace *w, const double *point, double *mean, double *sd, double *by_mean,
                              double *by_sd)
{
  const struct device_gp_point p = point_of(w, point);
  const int d = w->g.d;
  const double *out = w->pinned->out;
  CALL(w, gp_predict_one(&w->g, &p, by_mean != NULL, w->out, w->stream));
  down(w, w->pinned->out, w->out, (size_t)(by_mean ? 2 + 2 * d : 2) * sizeof(double));
  wait_for(w);
  bool good = !w->failure.code;
  *mean = good ? out[0] : 0;
  *sd = good ? out[1] : 1;
  for (int i = 0; i < d && by_mean; i++) {
    by_mean[i] = good ? out[2 + i] : 0;
    by_sd[i] = good ? out[2 + d + i] : 0;
  }
}

static void put_points(struct gp_workspace *w, int count, const double (*points)[GP_DIMENSIONS_MAX])
{
  for (int i = 0; i < count; i++) w->pinned->each[i] = point_of(w, points[i]);
  up(w, w->each, w->pinned->each, (size_t)count * sizeof *w->each);
}

void gp_workspace_predict_each(struct gp_workspace *w, int count, const double (*points)[GP_DIMENSIONS_MAX],
                               double *mean, double *sd)
{
  put_points(w, count, points);
  CALL(w, gp_predict_each(&w->g, count, w->each, w->out, w->stream));
  down(w, w->pinned->out, w->out, (size_t)(2 * count) * sizeof(double));
  wait_for(w);
  for (int i = 0; i < count; i++) {
    mean[i] = w->failure.code ? 0 : w->pinned->out[2 * i];
    sd[i] = w->failure.code ? 1 : w->pinned->out[2 * i + 1];
  }
}

/* A first step of a quarter of the range: further than that a lengthscale seldom is. */
void gp_workspace_climb(struct gp_workspace *w, const struct gp_climb *climb, int count,
                        double (*points)[GP_DIMENSIONS_MAX])
{
  static const double reach = 0.25;
  struct device_gp_climb c = {
      .best = climb->best, .tolerance = climb->tolerance, .reach = reach, .evaluations = climb->evaluations};
  for (int i = 0; i < w->g.d; i++) c.smooth |= (uint64_t)climb->smooth[i] << i;
  put_points(w, count, (const double(*)[GP_DIMENSIONS_MAX])points);
  CALL(w, gp_climb(&w->g, &c, count, w->each, w->stream));
  down(w, w->pinned->each, w->each, (size_t)count * sizeof *w->each);
  wait_for(w);
  for (int i = 0; i < count && !w->failure.code; i++)
    memcpy(points[i], w->pinned->each[i].x, (size_t)w->g.d * sizeof(double));
}

/* ---- candidates ------------------------------------------------------------------------------ */

void gp_workspace_rank(struct gp_workspace *w, int count, const double *const *x, double best)
{
  const size_t each = (size_t)count;
  if (w->is_staged) wait_for(w);
  w->is_staged = true;
  for (int i = 0; i < w->g.d; i++) memcpy(w->staged + (size_t)i * each, x[i], each * sizeof(double));
  up(w, w->points, w->staged, (size_t)w->g.d * each * sizeof(double));
  CALL(w, gp_predict(&w->g, count, count, w->points, w->mean, w->sd, w->stream));
  CALL(w, gp_score(count, w->mean, w->sd, best, w->score, w->stream));
}

void gp_workspace_read(struct gp_workspace *w, int count, double *mean, double *sd, double *score)
{
  const size_t bytes = (size_t)count * sizeof(double);
  if (mean) down(w, mean, w->mean, bytes);
  if (sd) down(w, sd, w->sd, bytes);
  if (score) down(w, score, w->score, bytes);
  wait_for(w);
  for (int i = 0; i < count && w->failure.code; i++) {
    if (mean) mean[i] = 0;
    if (sd) sd[i] = 1;
    if (score) score[i] = 0;
  }
}

void gp_workspace_top(struct gp_workspace *w, int n, const struct gp_range *ranges, struct gp_top (*top)[GP_TOP])
{
  struct device_gp_part parts[GP_RANGES_MAX];
  for (int k = 0; k < n; k++) {
    const struct gp_range *r = &ranges[k];
    parts[k] = (struct device_gp_part){
        .from = r->from, .to = r->to, .after = {.score = r->after.score, .index = r->after.index}};
  }
  CALL(w, gp_top(w->score, n, parts, GP_TOP, w->top + GP_RANGES_MAX * GP_TOP, w->top, w->stream));
  down(w, w->pinned->top, w->top, (size_t)(n * GP_TOP) * sizeof *w->top);
  wait_for(w);
  for (int k = 0; k < n; k++) {
    for (int i = 0; i < GP_TOP; i++) {
      const struct device_gp_ranked *one = &w->pinned->top[k * GP_TOP + i];
      top[k][i] = (struct gp_top){.score = one->score, .index = one->index};
      if (w->failure.code) top[k][i] = (struct gp_top){.index = -1};
    }
  }
}

#endif
