/* The inner loops of the Gaussian process: rows of the Matérn 5/2 covariance and sums over them.
 * Private to gp_*.c.
 *
 * Written once in plain C, and compiled for several instruction sets (gp_loops.mk) in which the
 * compiler makes vectors of them.  Each loop adds in an order that depends on its length alone,
 * never on where its arrays lie or on what else runs: the same bits in every thread (contract 2).
 * The exponential is a polynomial of our own, since libm's is a call for every element. */
#ifndef GSOS_GP_LOOPS_H
#define GSOS_GP_LOOPS_H

#include <stdbool.h>

#include "host/base/cpu_isa.h"

struct gp_loops {
  /* k_j = s (1 + √5 r + 5 r²/3) exp(-√5 r),  r² = Σ_d w_d δ_d(x_j, point);
   * δ is (x - y)², of a categorical 0 or 1.
   *   x           [d] columns of at least `first + n` values; those from `first` on are meant
   *   categorical [d],  weight [d] w = 1 / lengthscale²,  point [d]
   *   k           [n] out
   *   slope       [n] out, or NULL: the derivative of k by r² */
  void (*matern)(int first, int n, int d, const double *const *x, const bool *categorical, const double *weight,
                 const double *point, double signal, double *k, double *slope);
  /* sum_d += Σ_j g_j δ_d(x_j, point): the other half of the chain rule. */
  void (*distances)(int first, int n, int d, const double *const *x, const bool *categorical, const double *point,
                    const double *g, double *sum);
  /* sum_d = Σ_j g_j (point_d - x_jd), of a categorical 0: for gradients by the point. */
  void (*offsets)(int n, int d, const double *const *x, const bool *categorical, const double *point, const double *g,
                  double *sum);
  /* g_j = (a α_j - g_j) slope_j */
  void (*weigh)(int n, double a, const double *alpha, const double *slope, double *g);
  double (*dot)(int n, const double *a, const double *b);
  /* y += a x */
  void (*add)(int n, double a, const double *x, double *y);
};

/* Those for the instruction set in use, as the trainer's (cpu_isa_detect). */
const struct gp_loops *gp_loops_find(void);
/* Those for any instruction set that this processor has. */
const struct gp_loops *gp_loops_of(enum cpu_isa isa);

/* For tests: the same source compiled without optimisation (the program has none of it;
 * gp_loops.mk). */
extern const struct gp_loops gp_loops_reference;

#endif
