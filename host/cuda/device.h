/* A device's data set and memory, which the cohorts on it share (cohort.h).  For builds with
 * CUDA. */
#ifndef GSOS_DEVICE_H
#define GSOS_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/error.h"
#include "host/data/dataset.h"

/* What a device is to hold, by the plans of the trials that will run there. */
struct device_need {
  int cohorts;         /* open at once, at most 64 */
  int trials;          /* at once, in all of them */
  int64_t trial_bytes; /* cohort_trial_bytes of the largest */
};
/* All of that with the data set, as it will be allocated, and the data set's part.  The driver's
 * own memory, some hundred MiB, is not in it. */
int64_t device_need_bytes(const struct device_need *need, const struct dataset *d);
int64_t device_need_data_bytes(const struct dataset *d);
/* Memory of a device that may be allocated now; 0 where it cannot be told. */
int64_t device_available(int device);

/* A data set in a device's memory, uploaded once, and memory for the cohorts that share it.  All is
 * allocated here, at once, and nothing later.  Where there is less than is needed, less is taken,
 * and fewer trials fit at once.  The data set must outlive it. */
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

/* For tests: where not NULL, told of every part of a device's memory that is taken or given
 * back. */
extern void (*device_memory_watch)(void *at, int64_t bytes, bool taken);

#endif
