/* What the cohorts of a device share, from within: its data set, its one allocation of memory, its
 * busy time.  For cohort.c and device.c alone; what others may know is in device.h.
 *
 * The allocation, in order: the images and labels, the tables of every cohort that may be open, and
 * an arena for the trials' networks.  Cohorts of several threads take and give parts of it under
 * one lock. */
#ifndef GSOS_DEVICE_INTERNAL_H
#define GSOS_DEVICE_INTERNAL_H

#include <cuda_runtime_api.h>
#include <pthread.h>

#include "host/cuda/best_fit.h"
#include "host/cuda/busy_time.h"
#include "host/cuda/device.h"
#include "host/cuda/device_layout.h"
#include "host/cuda/stages.h"

/* What a cohort has on the device, and the same in pinned memory: one copy brings all of it.
 * Kernels write states alone, which have cache lines of their own: the others are read by launches
 * that begin early (launch.h). */
struct cohort_tables {
  struct device_trial trials[COHORT_MAX];
  _Alignas(128) struct device_state states[COHORT_MAX];
  _Alignas(128) int first[STEP_LAUNCHES_MAX][COHORT_MAX + 1]; /* blocks of each launch (struct device_tiles) */
};

enum { DEVICE_COHORTS_MAX = 64 };

struct device_data {
  int device, shared; /* device_shared of it */
  const struct dataset *d;
  uint8_t *images; /* the rows of both parts, one after the other */
  uint16_t *labels;
  int32_t *rows;                /* [train.n + validation.n] 0, 1, 2, ...: each part's rows */
  float *table, *class_weights; /* class_weights: [n_classes] balanced ones (class_weights.h) */

  char *memory; /* the allocation */
  int64_t bytes;
  struct device_need need; /* as granted */
  struct cohort_tables *tables;
  char *networks; /* where the arena begins */

  pthread_mutex_t lock; /* of what follows */
  bool open[DEVICE_COHORTS_MAX];
  struct arena arena;
  struct busy_time busy;
  struct {
    cudaEvent_t before, after; /* NULL: none run */
  } steps[DEVICE_COHORTS_MAX]; /* of each cohort */
  cudaEvent_t anchor[2];
  double anchor_s; /* when the first of them was, on the device's clock */
};

/* A cohort's tables on the device: its number, or -1 where no more can be open. */
int device_cohort_take(struct device_data *d);
void device_cohort_give(struct device_data *d, int cohort);

/* Memory for a network of `bytes` bytes, or NULL where there is no room. */
void *device_memory_take(struct device_data *d, int64_t bytes);
void device_memory_give(struct device_data *d, void *memory); /* takes NULL */

/* Steps of a cohort on `stream` begin, which records `before`, and have ended: the caller has
 * recorded `after` and waited for it. *seconds: their share of the device's busy time
 * (busy_time.h).  device_steps_lost: they ended with an error. */
int device_steps_begin(struct device_data *d, int cohort, cudaEvent_t before, cudaEvent_t after, cudaStream_t stream,
                       struct error *e);
int device_steps_end(struct device_data *d, int cohort, cudaStream_t stream, double *seconds, struct error *e);
void device_steps_lost(struct device_data *d, int cohort);

#endif
