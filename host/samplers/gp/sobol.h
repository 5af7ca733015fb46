/* Sobol's low-discrepancy points in up to 64 dimensions, scrambled: points that cover the cube more
 * evenly than random ones.
 *
 * Sobol 1967 with the direction numbers of Joe and Kuo, "Constructing Sobol sequences with better
 * two-dimensional projections", SIAM J. Sci. Comput. 30, 2008 (new-joe-kuo-6).  Scrambling is
 * nested and uniform (Owen 1995), by a hash of each coordinate's reversed bits (Laine and Karras
 * 2011; Burley, "Practical hash-based Owen scrambling", JCGT 2020): any two keys give different
 * sets, each as even as the original. */
#ifndef GSOS_SOBOL_H
#define GSOS_SOBOL_H

#include <stdint.h>

enum { SOBOL_DIMENSIONS = 64, SOBOL_BITS = 32 };

struct sobol {
  int d;
  uint32_t direction[SOBOL_BITS][SOBOL_DIMENSIONS]; /* by bits of the index: a point takes those of all dimensions */
  uint32_t scramble[SOBOL_DIMENSIONS];
};

/* 1 <= d <= SOBOL_DIMENSIONS.  The same key gives the same points. */
void sobol_make(struct sobol *s, int d, uint64_t key);

/* Point `index` of the sequence: x [d] in [0, 1). */
void sobol_point(const struct sobol *s, uint32_t index, double *x);

/* The same before scrambling, as whole multiples of 2^-32: for tests. */
void sobol_plain(const struct sobol *s, uint32_t index, uint32_t *x);

#endif
