/* A convolution of the CPU trainer, from the second layer on: oneDNN's primitives over a chunk of
 * images, or our own plain loops for a pass of which the library has only its reference code in
 * that shape.
 *
 * Activations are blocked (cpu_loops.h); weights stay in the layout that the forward primitive
 * chose. */
#ifndef GSOS_CPU_CONV_H
#define GSOS_CPU_CONV_H

#include <stddef.h>

#include "host/cpu/cpu_loops.h"
#include "host/cpu/dnnl_compat.h"
#include "host/base/error.h"

struct cpu_conv;

/* s->images: the chunk.  Weights are s->out_channels × s->in_channels × kernel × kernel floats in
 * every layout. */
int cpu_conv_create(struct cpu_conv **c, const struct loop_conv *s, const struct cpu_loops *loops, struct error *e);
void cpu_conv_destroy(struct cpu_conv *c); /* takes NULL */

/* Scratch memory that the calls below take, 64-byte aligned. */
size_t cpu_conv_scratch_bytes(const struct cpu_conv *c);
const char *cpu_conv_implementation(const struct cpu_conv *c, enum conv_pass pass);

int cpu_conv_forward(struct cpu_conv *c, const float *x, const float *w, const float *bias, float *y, void *scratch,
                     struct error *e);

/* Weights as the data gradient wants them: `w` itself or a copy in `other`. */
int cpu_conv_backward_weights_view(struct cpu_conv *c, const float *w, float *other, const float **view, void *scratch,
                                   struct error *e);
int cpu_conv_backward_data(struct cpu_conv *c, const float *dy, const float *view, float *dx, void *scratch,
                           struct error *e);

/* Gradients of one chunk, in a layout of the pass's own: sums over chunks are made in it, and
 * brought home at the end. */
int cpu_conv_backward_weights(struct cpu_conv *c, const float *x, const float *dy, float *dw, float *db, void *scratch,
                              struct error *e);
/* dw (own layout) → g (the weights' layout). */
int cpu_conv_gradient_home(struct cpu_conv *c, const float *dw, float *g, void *scratch, struct error *e);
bool cpu_conv_gradient_is_home(const struct cpu_conv *c); /* the two layouts are one: no need to call it */

/* Weights to and from [out][in][k][k]. */
int cpu_conv_weights_get(struct cpu_conv *c, const float *w, float *plain, struct error *e);
int cpu_conv_weights_set(struct cpu_conv *c, const float *plain, float *w, struct error *e);

#endif
