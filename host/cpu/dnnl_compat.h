/* The little of oneDNN that the CPU trainer uses, behind one interface for its 2.x and 3.x C API.
 *
 * Convolutions between activations in the blocked layout nChw8c or nChw16c, with weights in
 * whatever layout the primitive chooses; reorders between such layouts; a matrix product.
 * dnnl_compat.c alone includes the library's header.
 *
 * Every function that creates or executes is called from a thread whose OpenMP is set to one
 * thread: the library's code, and with it the bits, depend on the number of threads.  Nothing is
 * shared between the objects of two threads. */
#ifndef GSOS_DNNL_COMPAT_H
#define GSOS_DNNL_COMPAT_H

#include <stdbool.h>
#include <stddef.h>

#include "host/base/cpu_isa.h"
#include "host/base/error.h"

enum conv_pass { CONV_FORWARD, CONV_BACKWARD_DATA, CONV_BACKWARD_WEIGHTS };

struct compat_shape {
  int images, in_channels, out_channels; /* channels: multiples of block */
  int in_height, in_width, out_height, out_width, kernel, stride, pad;
  int block; /* 8 or 16 */
};

/* A layout of weights. */
struct compat_layout;
enum compat_order {
  LAYOUT_PLAIN,          /* [out][in][k][k] */
  LAYOUT_BLOCKED,        /* [out/b][in/b][k][k][in b][out b] */
  LAYOUT_BLOCKED_SWAPPED /* [out/b][in/b][k][k][out b][in b] */
};
int compat_layout_create(struct compat_layout **l, const struct compat_shape *s, enum compat_order order,
                         struct error *e);
void compat_layout_destroy(struct compat_layout *l); /* takes NULL */
size_t compat_layout_bytes(const struct compat_layout *l);
bool compat_layout_equal(const struct compat_layout *a, const struct compat_layout *b);

/* One pass of a convolution.  Created also where the library has none (its name is then ""); never
 * executed then. */
struct compat_conv;
int compat_conv_create(struct compat_conv **c, enum conv_pass pass, const struct compat_shape *s, struct error *e);
void compat_conv_destroy(struct compat_conv *c);                     /* takes NULL */
const char *compat_conv_implementation(const struct compat_conv *c); /* e.g. "jit:avx2"; lives as long as c */
const struct compat_layout *compat_conv_layout(const struct compat_conv *c);
size_t compat_conv_scratch_bytes(const struct compat_conv *c);
/* forward: x, w, bias → y.  backward data: y (its gradient), w → x (its gradient); bias unused.
 * backward weights: x, y (its gradient) → w, bias (their gradients). */
int compat_conv_execute(struct compat_conv *c, float *x, float *w, float *bias, float *y, void *scratch,
                        struct error *e);

/* Copies weights from one layout to another. */
struct compat_reorder;
int compat_reorder_create(struct compat_reorder **r, const struct compat_layout *from, const struct compat_layout *to,
                          struct error *e);
void compat_reorder_destroy(struct compat_reorder *r); /* takes NULL */
size_t compat_reorder_scratch_bytes(const struct compat_reorder *r);
int compat_reorder_execute(struct compat_reorder *r, const float *from, float *to, void *scratch, struct error *e);

/* C = op(A)·op(B), row-major; op(A) is m×k, op(B) k×n; lda, ldb, ldc floats from row to row as
 * stored. */
int compat_matmul(bool transpose_a, bool transpose_b, int m, int n, int k, const float *a, int lda, const float *b,
                  int ldb, float *c, int ldc, struct error *e);

/* The instruction set that the library uses (GSOS_ISA and its own ONEDNN_MAX_CPU_ISA included), as
 * a class of our loops, and by name. */
enum cpu_isa compat_isa(void);
const char *compat_isa_name(void);
const char *compat_version(void); /* "2.6.3" */

#endif
