/* cuRAND's own device header, compiled for the host, where the CUDA toolkit is there: what ours is
 * held against. */
#ifndef CUDACPU_REAL_CURAND_H
#define CUDACPU_REAL_CURAND_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* n words by curand() from the offset on; 0 where there is no toolkit. */
int real_curand_words(uint64_t seed, uint64_t subsequence, uint64_t offset, int n, uint32_t *words);
float real_curand_uniform(uint64_t seed, uint64_t subsequence, uint64_t offset);

#ifdef __cplusplus
}
#endif
#endif
