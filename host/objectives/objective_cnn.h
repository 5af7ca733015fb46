/* The CNN as an objective, from within: what its CPU and its CUDA places share.  For
 * objective_cnn*.c alone. */
#ifndef GSOS_OBJECTIVE_CNN_H
#define GSOS_OBJECTIVE_CNN_H

#include "host/cuda/device_list.h"
#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"
#include "host/network/plan.h"

struct gpu_rates; /* roofline.h */

struct cnn {
  struct objective objective; /* first: the caller's pointer is ours */
  const struct experiment *x;
  struct network_names names;
  char value_name[40], test_name[40]; /* "validation accuracy", "test accuracy" */
  struct dataset data;
  int n_devices; /* CUDA devices that trials run on; 0: the CPU */
  int devices[DEVICES_MAX];
  struct device_data *on_device[DEVICES_MAX]; /* NULL: not reserved, or it could not be: `unusable` says why */
  struct error unusable[DEVICES_MAX];
  int places[DEVICES_MAX]; /* that train there, or will; changed atomically */
  /* By what trials are weighed (cohort_weigh): rates of the devices, cohorts that take turns on
   * each. */
  const struct gpu_rates *rates;
  int streams;
};

static inline struct cnn *cnn_of(struct objective *o)
{
  return o->state;
}

/* The number that the experiment goes by ([experiment] metric), of a part of the data.
 *   tally  [2][classes] as class_metrics.h has it; only looked at where the metric goes by class */
double cnn_value(const struct cnn *c, const struct dataset_split *s, double accuracy, double loss,
                 const int32_t *tally);

void cnn_make_plan(const struct cnn *c, const double *values, struct plan *p);
int cnn_cost(struct objective *o, const double *values, struct objective_cost *cost, struct error *e);

/* Puts the CUDA trainer's functions into the objective. */
int cnn_use_cuda(struct cnn *c, struct error *e);
void cnn_close_cuda(struct cnn *c);

/* Device memory of a trial; the data set, and some kilobytes of tables, are shared. */
int64_t cnn_cuda_bytes(const struct plan *p);
/* What a feasible trial takes of devices: device_bytes, share and alone_s of `cost`. */
void cnn_cuda_cost(const struct cnn *c, const struct plan *p, struct objective_cost *cost);

/* "NVIDIA H100 ..., ..., fp32", of the devices that are used. */
void cnn_cuda_description(const struct cnn *c, char *text, size_t size);

/* The configuration beside a network that was asked for by itself: after the network, so that where
 * the disk is full the earlier two stay together. */
int cnn_save_ini(const struct experiment *x, const double *values, const char *path, struct error *e);

#endif
