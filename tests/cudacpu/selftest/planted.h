/* Kernels with a fault each, and right ones that resemble them, for the tests of the harness.
 *
 * The line that a report should name ends in the comment FAULT and the kernel's name; there are two
 * where the order of the threads decides which one is found out. */
#ifndef CUDACPU_PLANTED_H
#define CUDACPU_PLANTED_H

#include "tests/cudacpu/cudacpu.h"

#ifdef __cplusplus
extern "C" {
#endif

enum planted_seen { BY_ALL, BY_CHECKED, BY_ASAN };

struct planted {
  const char *name;
  int kind;               /* enum cudacpu_report_kind, or -1: a right kernel */
  enum planted_seen seen; /* in which builds */
  cudaError_t error;      /* of the synchronisation after it */
};

/* Of planted_memory.cu, planted_together.cu and planted_cluster.cu. */
struct planted_table {
  const char *file;
  const struct planted *rows;
  int n;
  /* Launches number i with 2 blocks (or a cluster of them) of 64 threads and 64 words of dynamic
   * shared memory.  out [256] and in [256] are device memory, `in` of small whole numbers; host
   * [64] is the host's. */
  cudaError_t (*launch)(int i, float *out, const float *in, float *host, cudaStream_t stream);
};
extern const struct planted_table planted_memory, planted_together, planted_cluster;

#ifdef __cplusplus
}
#endif
#endif
