/* A stream of random numbers for samplers: words 0, 1, 2, ... of one Philox subsequence. */
#ifndef GSOS_RNG_H
#define GSOS_RNG_H

#include <math.h>
#include <stdint.h>

#include "kernels/philox.h"

struct rng {
  uint64_t key, subsequence, next;
  struct philox_block block;
};

static inline struct rng rng_make(uint64_t key, uint64_t subsequence)
{
  struct rng r = {key, subsequence, 0, {{0}}};
  return r;
}

static inline uint32_t rng_word(struct rng *r)
{
  if (r->next % 4 == 0) r->block = philox4x32(r->key, r->subsequence, r->next / 4);
  return r->block.word[r->next++ % 4];
}

/* Uniform in [0, 1), 53 bits. */
static inline double rng_uniform(struct rng *r)
{
  uint64_t high = rng_word(r), low = rng_word(r);
  return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

/* Uniform whole number in 0 ... n-1 (n >= 1). */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
  return (uint32_t)((uint64_t)rng_word(r) * n >> 32);
}

#endif
