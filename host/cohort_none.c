/* Builds without CUDA: every call says so. */
#ifndef GSOS_CUDA

#include <stdio.h>

#include "cohort.h"

void (*device_memory_watch)(void *at, int64_t bytes, bool taken);

static int without(struct error *e)
{
  return error_set(e, ERROR_FAILED, "this gsos was built without CUDA");
}

int cohort_device_count(char *why, size_t size)
{
  snprintf(why, size, "this gsos was built without CUDA");
  return 0;
}

void cohort_device_name(int device, char *text, size_t size)
{
  snprintf(text, size, "no device %d", device);
}

int64_t device_need_bytes(const struct device_need *need, const struct dataset *d)
{
  (void)need, (void)d;
  return 0;
}

int64_t device_need_data_bytes(const struct dataset *d)
{
  (void)d;
  return 0;
}

int64_t device_available(int device)
{
  (void)device;
  return 0;
}

int device_data_check(const struct dataset *d, struct error *e)
{
  (void)d;
  return without(e);
}

int device_data_open(struct device_data **data, const struct dataset *d, int device, const struct device_need *need,
                     struct error *e)
{
  (void)d, (void)device, (void)need;
  *data = NULL;
  return without(e);
}

void device_data_close(struct device_data *data)
{
  (void)data;
}

struct device_memory device_data_memory(struct device_data *data)
{
  (void)data;
  return (struct device_memory){0};
}

int cohort_open(struct cohort **c, struct device_data *data, int capacity, enum cohort_precision precision,
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

int cohort_useful(const struct plan *p, int device, enum cohort_precision precision, int streams)
{
  (void)p, (void)device, (void)precision, (void)streams;
  return 0;
}

int64_t cohort_trial_bytes(const struct plan *p)
{
  (void)p;
  return 0;
}

bool cohort_admit(struct cohort *c, const struct plan *p)
{
  (void)c, (void)p;
  return false;
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

#endif
