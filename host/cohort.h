/* Trials that train side by side on a device, in the same launches (kernels/network.h).
 *
 * A cohort has room for `capacity` trials on a stream of its own.  One step of all of them, through training batches and then
 * validation batches, is one graph of about a dozen launches; it is captured once for a *class* (layers, blocks of each stage rounded up
 * to a power of two) and serves until the class is outgrown, whoever comes and goes.  A result depends on the trial alone.
 *
 * Every call is made by the thread that opened the cohort.  Without CUDA in the build every call fails and says so. */
#ifndef GSOS_COHORT_H
#define GSOS_COHORT_H

#include <stdbool.h>

#include "dataset.h"
#include "error.h"
#include "plan.h"

enum cohort_precision { COHORT_FP32, COHORT_TF32 }; /* as DEVICE_FP32, DEVICE_TF32 */

/* What there is: devices that can be used, 0 where there is none; `why`: the reason then. */
int cohort_device_count(char *why, size_t size);
/* "NVIDIA H100 80GB HBM3, compute capability 9.0, 79.2 GiB, driver 13.0, runtime 13.0": without its place in the box. */
void cohort_device_name(int device, char *text, size_t size);

/* What a device is to hold, by the plans of the trials that will run there. */
struct device_need {
  int cohorts;         /* open at once, at most 64 */
  int trials;          /* at once, in all of them */
  int64_t trial_bytes; /* cohort_trial_bytes of the largest */
};
/* All of that with the data set, as it will be allocated, and the data set's part.  The driver's own memory, some hundred MiB, is
 * not in it. */
int64_t device_need_bytes(const struct device_need *need, const struct dataset *d);
int64_t device_need_data_bytes(const struct dataset *d);
/* Memory of a device that may be allocated now; 0 where it cannot be told. */
int64_t device_available(int device);

/* A data set in a device's memory, uploaded once, and memory for the cohorts that share it.  All is allocated here, at once, and
 * nothing later.  Where there is less than is needed, less is taken, and fewer trials fit at once.  The data set must outlive it. */
struct device_data;
int device_data_check(const struct dataset *d, struct error *e); /* ERROR_CONFIG: the kernels cannot train on it */
int device_data_open(struct device_data **data, const struct dataset *d, int device, const struct device_need *need,
                     struct error *e);
void device_data_close(struct device_data *data); /* takes NULL */

struct device_memory {
  int64_t bytes;        /* allocated */
  int trials;           /* of the largest kind that fit at once */
  int64_t trials_bytes; /* for trials, of all kinds */
  double busy_s;        /* time in which steps of any cohort ran, all members' seconds together */
};
struct device_memory device_data_memory(struct device_data *data);

/* For tests: where not NULL, told of every part of a device's memory that is taken or given back. */
extern void (*device_memory_watch)(void *at, int64_t bytes, bool taken);

struct cohort;
int cohort_open(struct cohort **c, struct device_data *data, int capacity, enum cohort_precision precision,
                struct error *e);
void cohort_close(struct cohort *c); /* takes NULL */

/* How many trials of this network should share the launches of a cohort, where `streams` of them take turns on the device
 * (step_cohort); 0 where the device's rates are not known, or without CUDA in the build. */
int cohort_useful(const struct plan *p, int device, enum cohort_precision precision, int streams);

/* Device memory of a trial; 0 without CUDA in the build. */
int64_t cohort_trial_bytes(const struct plan *p);

/* Keeps memory for the trial that will be added next (NULL: for none).  False: there is none beside the trials that the device holds. */
bool cohort_admit(struct cohort *c, const struct plan *p);
/* Adds a trial; `id` is its name in events.  ERROR_MACHINE where there is no room or no memory, ERROR_LOST, as from all of these,
 * where the device is gone. */
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
/* Runs until at least one member's epoch has ended; members go on to their next epoch by themselves, up to the last of their plan.
 * Looks at *stop now and then: ERROR_INTERRUPTED, all members are lost. */
int cohort_advance(struct cohort *c, struct cohort_event *events, int max, int *n, const volatile int *stop,
                   struct error *e);

/* Parameters of a member in the logical layout, tensors in the order of network_tensor_info (trainer.h). */
int cohort_tensor_get(struct cohort *c, int id, int index, float *out, struct error *e);

/* A member between two epochs as one malloc'ed block, and back into a free place. */
int cohort_checkpoint(struct cohort *c, int id, void **block, size_t *bytes, struct error *e);
int cohort_restore(struct cohort *c, int id, const struct plan *p, uint64_t key, const void *block, size_t bytes,
                   struct error *e);

/* Graphs captured so far, launches in one step of the class: for tests and reports. */
struct cohort_counts {
  int captures, launches;
};
struct cohort_counts cohort_counts(const struct cohort *c);

#endif
