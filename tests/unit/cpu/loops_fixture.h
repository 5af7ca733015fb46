/* What the tests of the loops share that are compiled by instruction set: random numbers and arrays
 * whose ends are guarded.
 *
 * Numbers are whole and small, so that every sum of products is exact in whatever order it is added
 * and whether or not a product is rounded before it is added (contraction to FMA): a variant must
 * give the very numbers of the plain code. */
#ifndef GSOS_TESTS_LOOPS_FIXTURE_H
#define GSOS_TESTS_LOOPS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "host/base/rng.h"

static struct rng loops_rng;

/* LOOPS_SEED=N: the numbers of an earlier run, as it printed them. */
static inline void loops_begin(void)
{
  const char *given = getenv("LOOPS_SEED");
  uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
  fprintf(stderr, "LOOPS_SEED=%llu\n", (unsigned long long)seed);
  loops_rng = rng_make(seed, philox_subsequence(PHILOX_TEST, 0, 0));
}

/* A whole number from low to high. */
static inline int between(int low, int high)
{
  return low + (int)rng_below(&loops_rng, (uint32_t)(high - low + 1));
}

static inline double uniform(double low, double high)
{
  return low + (high - low) * rng_uniform(&loops_rng);
}

#endif
