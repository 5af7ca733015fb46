/* CUDA on the CPU: asynchronous copies from global to shared memory, by the primitives of
 * cuda_pipeline.h.
 *
 * A copy is kept with its thread and done when that thread waits for it (in a shuffled order of
 * threads, now and then at once, as the hardware may): a wait that is missing shows as the values
 * of the round before, and in the checked build as a race. */
#ifndef CUDACPU_CUDA_PIPELINE_H
#define CUDACPU_CUDA_PIPELINE_H

#include "tests/cudacpu/include/cuda_runtime.h"

extern "C" {
void cudacpu_copy_async(void *to, const void *from, size_t bytes, size_t zero_bytes, const char *file, int line);
void cudacpu_copy_commit(void);
void cudacpu_copy_wait(unsigned groups_left);
}

/* `bytes` (4, 8 or 16, and aligned so) to shared memory, the last `zero_bytes` of them zeros that
 * are not read. */
CUDACPU_DEVICE void __pipeline_memcpy_async(void *to, const void *from, size_t bytes, size_t zero_bytes = 0,
                                            CUDACPU_HERE)
{
  cudacpu_copy_async(to, from, bytes, zero_bytes, file, line);
}
CUDACPU_DEVICE void __pipeline_commit()
{
  cudacpu_copy_commit();
}
/* Waits for all groups of this thread but the last `groups_left`. */
CUDACPU_DEVICE void __pipeline_wait_prior(unsigned groups_left)
{
  cudacpu_copy_wait(groups_left);
}

#endif
