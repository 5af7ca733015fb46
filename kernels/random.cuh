/* Random words in kernels: cuRAND's Philox4x32-10 with explicit counter and key, packed as philox.h
 * says, so that they are the words that the host computes. */
#ifndef GSOS_RANDOM_CUH
#define GSOS_RANDOM_CUH

/* Of curand_kernel.h, whose other generators bring tables of 700 KB into every object. */
#include <curand_philox4x32_x.h>

#include "kernels/philox.h"

/* Element `element` of a subsequence (philox_word). */
__device__ __forceinline__ uint32_t random_word(uint64_t key, uint64_t subsequence, uint64_t element)
{
  const uint64_t block = element / 4;
  const uint4 counter =
      make_uint4((unsigned)block, (unsigned)(block >> 32), (unsigned)subsequence, (unsigned)(subsequence >> 32));
  const uint4 words = curand_Philox4x32_10(counter, make_uint2((unsigned)key, (unsigned)(key >> 32)));
  const unsigned low = element & 1 ? words.y : words.x, high = element & 1 ? words.w : words.z;
  return element & 2 ? high : low;
}

#endif
