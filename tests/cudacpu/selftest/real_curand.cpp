/* cuRAND's own device header, compiled for the host (real_curand.h).  The one file that includes
 * the CUDA toolkit's headers instead of ours: cudacpu.mk says where they are, REAL_CURAND that they
 * are there. */
#include "tests/cudacpu/selftest/real_curand.h"

#ifdef REAL_CURAND
#define QUALIFIERS static inline
#include <cuda_runtime.h>
#include <curand_kernel.h>

extern "C" int real_curand_words(uint64_t seed, uint64_t subsequence, uint64_t offset, int n, uint32_t *words)
{
  curandStatePhilox4_32_10_t s;
  curand_init(seed, subsequence, offset, &s);
  for (int i = 0; i < n; i++) words[i] = curand(&s);
  return 1;
}

extern "C" float real_curand_uniform(uint64_t seed, uint64_t subsequence, uint64_t offset)
{
  curandStatePhilox4_32_10_t s;
  curand_init(seed, subsequence, offset, &s);
  return curand_uniform(&s);
}
#else
extern "C" int real_curand_words(uint64_t, uint64_t, uint64_t, int, uint32_t *)
{
  return 0;
}

extern "C" float real_curand_uniform(uint64_t, uint64_t, uint64_t)
{
  return 0;
}
#endif
