/* In place of cudacpu.h where a test runs on a GPU, linked with CUDA's own runtime (`make
 * gpu-tests`, -DREAL_GPU).
 *
 * What asks the harness to look closer does nothing here.  What only the harness can do (injected
 * faults, its counts and reports of faults that were planted, properties of devices) is not
 * declared: a test that needs it is left out by #ifndef REAL_GPU, and one that was forgotten does
 * not compile. */
#ifndef REAL_GPU_H
#define REAL_GPU_H

#include <stddef.h>
#include <stdint.h>

#include <cuda_runtime_api.h>

enum cudacpu_order { CUDACPU_FORWARD, CUDACPU_REVERSE, CUDACPU_SHUFFLED };

struct cudacpu_report {
  const char *text;
};

/* The present device without what is on it; an error that sticks is gone, too.  Device and memory
 * are the machine's. */
static inline void cudacpu_reset(int count, const size_t *memory)
{
  (void)count, (void)memory;
  cudaDeviceReset();
  cudaGetLastError();
}

/* The GPU runs threads, blocks and streams in an order of its own. */
static inline void cudacpu_set_order(enum cudacpu_order threads, enum cudacpu_order blocks, uint64_t seed)
{
  (void)threads, (void)blocks, (void)seed;
}

enum cudacpu_branches { CUDACPU_BRANCHES_DRAWN, CUDACPU_BRANCHES_FIRST, CUDACPU_BRANCHES_LAST };
static inline void cudacpu_set_branches(enum cudacpu_branches order)
{
  (void)order;
}

static inline int cudacpu_is_checked(void)
{
  return 0;
}

/* Nobody watches accesses; compute-sanitizer does, from outside. */
static inline void cudacpu_forbid(const void *device_memory, size_t bytes)
{
  (void)device_memory, (void)bytes;
}
static inline void cudacpu_allow(const void *device_memory, size_t bytes)
{
  (void)device_memory, (void)bytes;
}

/* A fault on a GPU is an error of the runtime: nothing is reported besides. */
static inline int cudacpu_report_count(void)
{
  return 0;
}
static inline const struct cudacpu_report *cudacpu_report(int i)
{
  static const struct cudacpu_report none = {"no report"};
  (void)i;
  return &none;
}
static inline void cudacpu_clear_reports(void)
{
}

#endif
