/* The CPU trainer's own loops: what oneDNN's primitives are slow at, or have no word for.
 *
 * Activations lie in oneDNN's blocked layout: [image][channel / block][height][width][block], block
 * = 8 or 16 channels side by side, so that a vector holds one pixel of `block` channels.  Channels
 * are padded with zeros to whole blocks; what is computed in the padding is zero again, and no loop
 * asks where the padding begins.
 *
 * Every loop is written once, with the compiler's vector types (cpu_loops_vector.h), and compiled
 * for several instruction sets (cpu_loops.mk); each such compilation is one table of functions.
 * The order of additions depends on shapes alone. */
#ifndef GSOS_CPU_LOOPS_H
#define GSOS_CPU_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/cpu_isa.h"
#include "kernels/optimizer.h"

/* Argmax byte of a 2×2 window: 0 ... 3 in row order, or this where ReLU lets nothing through. */
enum { POOL_MASKED = 4 };

/* A convolution over one image (or `images` of them), channels padded to whole blocks. */
struct loop_conv {
  int images, in_channels, out_channels; /* in_channels of the first layer: 1 ... 4, planes; else padded */
  int in_height, in_width;               /* first layer: as stored, the zeros of the padding included */
  int out_height, out_width;             /* after the convolution */
  int pool_height, pool_width;           /* after the pool */
  int kernel, stride, pad;
  int row; /* first layer: floats from one stored row to the next, >= in_width + 16 */
};

struct adam_step {
  float beta1, beta2, epsilon;
  float correction1, correction2; /* 1 / (1 - β1^t), 1 / sqrt(1 - β2^t) */
};

struct cpu_loops {
  const char *name;
  enum cpu_isa isa;
  int block; /* channels side by side */

  /* First layer, one image: convolution + bias + ReLU + 2×2 max pool.
   *   x [in_channels][in_height][row] normalised, zeros around;
   *   w [out/block][in_channels][k][k][block];
   *   bias [out]
   *   y, argmax [out/block][pool_height][pool_width][block] */
  void (*first_forward)(const struct loop_conv *c, const float *x, const float *w, const float *bias, float *y,
                        uint8_t *argmax);
  /* Adds one image's gradients: dw as w, db as bias; dy as y, the gradient of the pooled map. */
  void (*first_backward)(const struct loop_conv *c, const float *x, const float *dy, const uint8_t *argmax, float *dw,
                         float *db);

  /* ReLU + 2×2 max pool of c->images maps x [images][out/block][out_height][out_width][block] → y,
   * argmax (pooled). */
  void (*pool_forward)(const struct loop_conv *c, const float *x, float *y, uint8_t *argmax);
  /* Its gradient: dx is written whole, zeros included. */
  void (*pool_backward)(const struct loop_conv *c, const float *dy, const uint8_t *argmax, float *dx);

  /* Plain convolutions, for the passes that the library has only slowly (its "ref"
   * implementations): blocked activations,
   *   w, dw [out/block][in/block][k][k][in block][out block],  wt the same with [out block][in
   *   block]. */
  void (*conv_forward)(const struct loop_conv *c, const float *x, const float *w, const float *bias, float *y);
  void (*conv_backward_data)(const struct loop_conv *c, const float *dy, const float *wt, float *dx);
  void (*conv_backward_weights)(const struct loop_conv *c, const float *x, const float *dy, float *dw, float *db);

  /* a[i] += b[i]. */
  void (*add)(size_t n, float *a, const float *b);

  /* Bias, optional ReLU, in place: y [rows][columns]; columns a multiple of 16. */
  void (*bias_relu)(int rows, int columns, const float *bias, bool relu, float *y);
  /* out[i] = y[i] > 0 ? dy[i]·scale : 0; out may be dy or y: the gradient through ReLU and dropout,
   * whose mask is y's own. */
  void (*masked_scale)(size_t n, const float *y, const float *dy, float scale, float *out);
  /* sum[j] = Σ_i a[i][j]; columns a multiple of 16. */
  void (*column_sums)(int rows, int columns, const float *a, float *sum);

  /* Dropout of one image's row of `features` elements, in place: Philox word `first + f` of (key,
   * subsequence) decides on logical element f = c·area + p, which lies at (c / block)·area·block +
   * p·block + c % block (area = 1 and block = 1: f itself).  words: scratch [features + 128]. */
  void (*dropout)(uint64_t key, uint64_t subsequence, uint64_t first, int features, int area, int block,
                  uint32_t threshold, float scale, uint32_t *words, float *x);

  /* Softmax of each row's first `classes` of `stride` logits, in place: probabilities, zeros behind
   * them.
   *   labels    [rows] or NULL
   *   best      [rows] index of the largest logit, the first of equals
   *   sum       [rows] Σ e^(z − largest);
   *   below [rows] z(label) − largest: the cross-entropy is log(sum) − below */
  void (*softmax)(int rows, int classes, int stride, const uint16_t *labels, float *logits, int32_t *best, float *sum,
                  float *below);
  /* Gradient of the mean cross-entropy: p ← (p − [class = label])·scale. */
  void (*softmax_backward)(int rows, int stride, const uint16_t *labels, float scale, float *p);

  void (*adam)(size_t n, const struct optimizer_settings *o, const struct adam_step *s, float *w, const float *g,
               float *m, float *v);
  /* v ← μv + g, w ← w − lr·v */
  void (*sgd)(size_t n, const struct optimizer_settings *o, float *w, const float *g, float *v);

  /* One image of bytes [height][width][channels] → planes [channels][height + 2 pad][row],
   * normalised through table [channels][256].  Only the inside is written: the zeros around
   * stay. */
  void (*gather)(int height, int width, int channels, int pad, int row, const float *table, const uint8_t *bytes,
                 float *x);

  /* Independent multiply-adds in the widest vectors: the core's peak, for the benchmark. Returns
   * the FLOPs it made. */
  double (*peak)(int rounds, float *sink);
};

/* The loops for an instruction set and a block of channels (8 or 16): the widest whose vectors are
 * no longer than the block.  NULL where this program has none (block = 16 needs AVX-512). */
const struct cpu_loops *cpu_loops_find(enum cpu_isa isa, int block);

/* For tests: the same sources for the same block, compiled without optimisation and without any
 * instruction set's intrinsics (the program has none of it; cpu_loops.mk). */
const struct cpu_loops *cpu_loops_reference(int block);

#endif
