/* Trials that train side by side on a device, in the same launches (kernels/step.h).
 *
 * A cohort has room for `capacity` trials on a stream of its own.  One step of all of them, through
 * training batches and then validation batches, is one graph of about a dozen launches, in which
 * weight gradients are a branch beside the data gradients (stages.h); it is captured once for a
 * *class* (layers, blocks of each stage rounded up to a power of two) and serves until the class is
 * outgrown, whoever comes and goes.  A result depends on the trial alone.
 *
 * Every call is made by the thread that opened the cohort.  For builds with CUDA
 * (objective_cnn_cuda.c). */
#ifndef GSOS_COHORT_H
#define GSOS_COHORT_H

#include <stdbool.h>

#include "host/base/error.h"
#include "host/cuda/device.h"
#include "host/network/plan.h"
#include "kernels/precision.h"

struct cohort;
int cohort_open(struct cohort **c, struct device_data *data, int capacity, enum precision precision, struct error *e);
void cohort_close(struct cohort *c); /* takes NULL */

/* What a trial takes of a cohort where `streams` of them take turns on the device (step_share), and
 * about how long its steps take alone, in two parts (step_wait_us, step_work_us); zeros where the
 * kernels cannot train it.  rates: the device's, or of one that is like it. */
struct cohort_weight {
  double share, wait_us, work_us;
};
struct gpu_rates;
struct cohort_weight cohort_weigh(const struct plan *p, const struct gpu_rates *rates, enum precision precision,
                                  int streams);

/* Device memory of a trial; 0 where the kernels cannot train it. */
int64_t cohort_trial_bytes(const struct plan *p);

/* Keeps memory for the trial that will be added next (NULL: for none).  False: there is none beside
 * the trials that the device holds. */
bool cohort_admit(struct cohort *c, const struct plan *p);
/* Adds a trial; `id` is its name in events.  ERROR_MACHINE where there is no room or no memory,
 * ERROR_LOST, as from all of these, where the device is gone. */
int cohort_add(struct cohort *c, int id, const struct plan *p, uint64_t key, struct error *e);
void cohort_remove(struct cohort *c, int id);

/* An epoch of a member has ended. */
struct cohort_event {
  int id;
  int epoch;             /* ended so far */
  bool failed;           /* a loss was not finite: the member does nothing more */
  double accuracy, loss; /* validation */
  double training_loss;
  double seconds; /* its share of the device's busy time since its last event (contract 8) */
};
/* Runs until at least one member's epoch has ended; members go on to their next epoch by
 * themselves, up to the last of their plan.  Looks at *stop every few steps, where there is no
 * event to tell: ERROR_INTERRUPTED, and the members stand between two steps: they may be kept, and
 * the next call goes on. */
int cohort_advance(struct cohort *c, struct cohort_event *events, int max, int *n, const volatile int *stop,
                   struct error *e);

/* Of a member whose epoch has just ended, before the next cohort_advance: how many validation
 * images of a class were taken for it, and how many were taken for it at all.
 *   tally   [2][classes] out */
int cohort_tally(struct cohort *c, int id, int32_t *tally, struct error *e);

/* Parameters of a member in the logical layout, tensors in the order of network_tensor_info
 * (trainer.h). */
int cohort_tensor_get(struct cohort *c, int id, int index, float *out, struct error *e);

/* A member between two steps as one malloc'ed block, and back into a free place of any cohort. */
int cohort_checkpoint(struct cohort *c, int id, void **block, size_t *bytes, struct error *e);
int cohort_restore(struct cohort *c, int id, const struct plan *p, uint64_t key, const void *block, size_t bytes,
                   struct error *e);

/* Graphs captured so far, launches in one step of the class, those of them that run beside others:
 * for tests and reports. */
struct cohort_counts {
  int captures, launches, beside;
};
struct cohort_counts cohort_counts(const struct cohort *c);

#endif
