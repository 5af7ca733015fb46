/* A training step as kernels see it: a trial's network, and the launchers of the stages.
 *
 * One launch serves every trial of a *cohort*: a table of `device_trial` in device memory says what
 * each trial is, and for each stage there is the number of each trial's first block, from which a
 * block finds the trial that it works for and the part of its output that it makes.  These and the
 * table live in device memory, so a captured graph serves every step while trials come and go; a
 * block beyond the last trial's returns at once.
 *
 * What a trial computes depends on its own table entry alone: shapes, batch, step.  The order of
 * sums and the number of partial sums are functions of its shapes, never of who else is in the
 * launch (contract 1); and so are tiles, but for those whose size changes no bit (`together`).
 *
 * Layouts, in floats (N the image in the batch, F a layer's filters rounded up to 8, what is padded
 * is zero and stays zero):
 *   images       bytes [N][H][W][C]
 *   maps         [N][height][width][F]  after ReLU and pool; in TF32 rounded to it
 *   argmax       the same in bytes: 0 ... 3, or POOL_MASKED
 *   hidden       [N][units rounded up to 8];  logits [N][classes rounded up to 8]
 *   parameters   of every layer a matrix [rows + 1][columns], the last row the biases:
 *     conv 0     rows (c, kh, kw), columns F
 *     conv l     rows (kh, kw, c), columns F
 *     dense 0    rows (y, x, f) of the last map, columns units
 *     dense 1    rows units, columns classes
 *   partial      of every layer its gradient in `splits` parts, each a matrix as above; added in
 *                order by the optimiser */
#ifndef GSOS_STEP_H
#define GSOS_STEP_H

#include <math.h>
#include <stdint.h>

#include "kernels/adam.h"
#include "kernels/host_device.h"
#include "kernels/optimizer.h"
#include "kernels/precision.h"

enum {
  DEVICE_CONV_MAX = 8, /* as PLAN_CONV_MAX */
  DEVICE_CHANNELS_MAX = 4,
  DEVICE_POOL_MASKED = 4,
  DEVICE_HEAD_CLASSES = 64, /* padded; from hidden units to the loss and back in one launch up to here */
  COHORT_MAX = 32,
};

/* Dynamic shared memory that a block may have, at most: of what its device gives a block
 * (cudaDevAttrMaxSharedMemoryPerBlockOptin), a KB is for what is static.  GPUs of compute
 * capability 8.6, 8.9 and 12.0 give 99 KB, those of 8.0, 8.7, 9.0 and 10.0 at least 163. */
enum { DEVICE_SHARED_SMALL = 98 * 1024, DEVICE_SHARED_LARGE = 112 * 1024, DEVICE_SHARED_STATIC = 1024 };
static inline int device_shared(int given)
{
  return given < DEVICE_SHARED_LARGE + DEVICE_SHARED_STATIC ? DEVICE_SHARED_SMALL : DEVICE_SHARED_LARGE;
}

/* Tiles: rows and columns of the output that a block makes. */
enum { TILE_ROWS = 64, TILE_COLUMNS = 32, TILE_DEPTH = 16, TILE_THREADS = 128 };

struct device_matrix { /* a layer's parameters */
  int rows, columns;   /* without the bias row; columns rounded up to 8 */
  int splits;          /* parts of its gradient */
  int64_t weight;      /* offset in the trial's parameters and moments */
  int64_t partial;     /* offset in its partial sums; part s is s·(rows + 1)·columns further */
};

/* n / by for 0 <= n < 2^31 by multiplication: (⌊n·multiplier / 2^32⌋ + n) >> shift (Granlund and
 * Montgomery, "Division by invariant integers using multiplication", PLDI 1994, figure 4.1).  Three
 * instructions instead of fifteen or more. */
struct device_divisor {
  uint32_t multiplier, shift;
};

/* The pieces in which the gradients by the argmax byte take a convolution, in rows and columns of
 * windows (conv2d_gradients.cu); all 0: its shape is not theirs. */
struct device_pieces {
  int data_images; /* of a block, at most; more than one only where the piece is a whole image */
  int data_rows, data_columns;
  int weight_rows, weight_columns;
};

/* The patches in which the forward kernels of FP32 take a convolution (conv2d_patch.cu); all 0: its
 * shape is not theirs. */
struct device_patch {
  int columns, strips; /* of windows: of a wide map, each strip an image of its own */
  int windows;         /* of a block, at most */
  int few;             /* with so many of all trials together blocks are more, of fewer windows */
  int quad, few_quad;  /* float4 of four channels of a block's patch */
  struct device_divisor by_tiles, by_area, by_columns, by_strips; /* tiles of filters; of a strip */
  struct device_divisor by_rows, by_width; /* rows of windows of a strip with those below; pixels of a patch across */
};

/* The windows in which tensor cores take a convolution (conv2d_tensor.cuh): of each strip of an
 * image, which is as good as an image of its own, and the rows and columns of pixels that they see
 * of it, the halo included.  rows 0: its shape is not theirs. */
struct device_grid {
  int rows, columns, strips;
  int windows;                       /* of a block, or of a chunk of a part, at most */
  int virtual_rows, virtual_columns; /* pixels of a strip */
  int row_floats, patch_floats;      /* of a row of pixels, and of the pixels of a block, in shared memory */
  struct device_divisor by_area, by_columns, by_strips;
  struct device_divisor by_virtual_rows, by_virtual_columns;
};

struct device_tensor {
  struct device_grid forward, weights; /* pooling windows over the input */
  struct device_grid data;             /* 2×2 pixels of the input over the gradient */
};

struct device_conv {
  struct device_matrix matrix;
  int filters;     /* without the padding: element numbers of dropout masks are logical */
  int in_channels; /* conv 0: 1 ... 4; else F of the layer before */
  int in_height, in_width;
  int kernel, stride, pad;
  int pool_height, pool_width; /* of its map; the convolution's own is not kept, and rows beyond 2·pool do not matter */
  int shared;                  /* device_shared of the device that it is for: what its pieces have room in */
  float *map;                  /* [batch][pool_height][pool_width][columns] */
  float *gradient;             /* the same, of the loss by the map */
  uint8_t *argmax;
  struct device_divisor by_area, by_width;             /* of the pooled map */
  struct device_divisor by_channels, by_columns;       /* in_channels, matrix.columns */
  struct device_divisor by_taps, by_kernel, by_stride; /* kernel², kernel, stride */
  struct device_patch forward;
  struct device_pieces gradients;
  struct device_tensor tensor;
};

/* How the blocks of the first convolution divide an image: rectangles of pooling windows, and what
 * they see of it (conv2d_first.cu, conv2d_first_tensor*.cu). */
struct device_first_patch {
  int rows, columns;       /* windows of a patch, at most */
  int bands, strips;       /* patches down and across an image */
  int few_rows, few_bands; /* the same forward, where trials together have few blocks */
  int chunks;              /* of filters */
  int planes, groups;      /* channels of a patch, and how often as many there are */
  int images;              /* of a part of the gradient */
  int items;               /* of a row of windows: what a group of lanes takes at a time */
  int width;               /* pixels across */
  int stride, plane;       /* floats of a row and of a channel in shared memory */
  int loads;               /* of a row of bytes, at most */
  struct device_divisor by_loads, by_items, by_strips, by_bands, by_chunks, by_groups;
  struct device_divisor by_few_bands;
  struct device_divisor by_patches; /* of an image */
};

enum device_phase { DEVICE_IDLE, DEVICE_TRAIN, DEVICE_EVALUATE };

/* What changes from step to step.  The host sets it between launches; step_advance moves it on. */
struct device_state {
  int phase;
  /* The batch: places begin ... begin + count - 1 of the epoch's order, or of the validation
   * images. */
  int begin, count;
  int failed;                      /* a loss was not finite: the trial is idle */
  int64_t step, epoch;             /* ended so far */
  double beta1_power, beta2_power; /* β^(step + 1) */
  float correction1, correction2;  /* of Adam's moments, from the powers: 1/(1 − β₁^t), 1/√(1 − β₂^t) */
  double training_loss;            /* sum over the images of this epoch */
  double loss;                     /* sum over the validation images so far */
  int64_t correct;
  uint32_t half_bits, round_key[8]; /* the epoch's permutation (philox.h) */
};

/* What the optimiser's blocks of one layer read of it, side by side for all layers, so that a block
 * finds its layer, the parts and its first quad of floats by one load (optimizer.cu). */
struct device_update {
  int first;       /* the layer's first block, of the trial's */
  int quads;       /* of floats, in the layer */
  int splits, run; /* parts; neighbouring parts that a thread adds */
  int groups_log2; /* a block's threads are so many groups, a run of the parts each */
  int64_t weight, partial;
};

struct device_trial {
  /* the network */
  int layers;
  int height, width, channels, classes, units;
  int padded_units, padded_classes, features; /* features: of the last map, padded */
  int dense_chunks, dense_chunk;              /* of the features, in dense 1 forward: how many, how deep */
  struct device_conv conv[DEVICE_CONV_MAX];
  int patches; /* the first convolution goes by these, else by the general kernels */
  struct device_first_patch forward_patch, backward_patch; /* FP32 */
  struct device_first_patch tensor_patch;                  /* forward in TF32 */
  struct device_first_patch gradient_patch;                /* gradient in TF32; rows 0: it is in FP32 */
  struct device_matrix dense[2];
  struct device_update update[DEVICE_CONV_MAX + 3]; /* of each layer; then first: blocks of all */
  int64_t parameters;                               /* floats */
  int together; /* trials of the cohort now: where few blocks would leave most of a GPU idle, some
                   kernels have more, of less work each and the same bits */
  /* training */
  uint64_t key;
  int batch;
  int adam; /* else SGD with momentum */
  struct optimizer_settings optimizer;
  uint32_t dropout_threshold; /* 0: none */
  float dropout_scale;
  /* data, shared by trials */
  const float
      *table; /* [channels][256] a byte, normalised: (x/255 - mean)/deviation, each operation rounded on its own */
  const uint8_t *images;
  const uint16_t *labels;
  const float *class_weights;                  /* [classes] in the loss of training; NULL: all 1 */
  const int32_t *train_rows, *validation_rows; /* rows of images and labels */
  int train_images, validation_images;
  /* memory of its own */
  float *weights, *moment1, *moment2, *partial; /* moment1: Adam alone; SGD's velocity is moment2 */
  float *dense_sums; /* [dense_chunks][batch][padded_units] before bias and ReLU; NULL beyond DEVICE_HEAD_CLASSES */
  float *hidden, *hidden_gradient, *logits; /* logits become their gradient */
  float *losses;                            /* [batch] */
  int32_t *hits;                            /* [batch] 1 where the label was the largest */
  int32_t *best;                            /* [batch] of validation images: the class of the largest logit */
  int32_t *tally; /* [2][classes] of the validation images so far: those of a class that were taken for it; all that
                     were taken for it */
  int32_t *rows;  /* [batch] of images and labels: this batch's */
  struct device_state *state;
};

/* Where parameters stand, for the host and for kernels.  A layer is a convolution, then the two
 * dense ones. */
HOST_DEVICE const struct device_matrix *layer_matrix(const struct device_trial *t, int layer)
{
  return layer < t->layers ? &t->conv[layer].matrix : &t->dense[layer - t->layers];
}

/* Once a step, from the powers of β: a division and a root in double precision. */
HOST_DEVICE void adam_corrections(struct device_state *s)
{
  s->correction1 = (float)(1 / (1 - s->beta1_power));
  s->correction2 = (float)(1 / sqrt(1 - s->beta2_power));
}

/* Where the element (row, column) of a layer's matrix stands in the logical tensor:
 * [out][in][kh][kw] or [out][in]; row = matrix.rows: in the bias [out].  -1 where it is padding. */
HOST_DEVICE int64_t layer_element(const struct device_trial *t, int layer, int row, int column)
{
  int outputs = layer < t->layers ? t->conv[layer].filters : layer == t->layers ? t->units : t->classes;
  if (column >= outputs) return -1;
  if (row == layer_matrix(t, layer)->rows) return column;
  if (layer < t->layers) {
    const struct device_conv *c = &t->conv[layer];
    int taps = c->kernel * c->kernel, inputs = layer ? t->conv[layer - 1].filters : c->in_channels;
    int tap = layer ? row / c->in_channels : row % taps, in = layer ? row % c->in_channels : row / taps;
    return in < inputs ? ((int64_t)column * inputs + in) * taps + tap : -1;
  }
  if (layer == t->layers) {
    const struct device_conv *c = &t->conv[t->layers - 1];
    int area = c->pool_height * c->pool_width, place = row / c->matrix.columns, filter = row % c->matrix.columns;
    return filter < c->filters ? ((int64_t)column * c->filters + filter) * area + place : -1;
  }
  return row < t->units ? (int64_t)column * t->units + row : -1;
}

/* Inputs of one output of a layer, without the padding. */
HOST_DEVICE int64_t layer_fan_in(const struct device_trial *t, int layer)
{
  if (layer < t->layers) {
    const struct device_conv *c = &t->conv[layer];
    return (int64_t)c->kernel * c->kernel * (layer ? t->conv[layer - 1].filters : c->in_channels);
  }
  const struct device_conv *c = &t->conv[t->layers - 1];
  return layer == t->layers ? (int64_t)c->filters * c->pool_height * c->pool_width : t->units;
}

/* Which trial a block works for: block b for trial i with first[i] <= b < first[i + 1], of which it
 * makes tile b - first[i].  Places without a trial have no blocks. */
struct device_tiles {
  const int
      *first; /* [COHORT_MAX + 1] in device memory; first[0] is 0, and from the last trial on all are their number */
  int room;   /* blocks launched */
  int early;  /* the launch may begin before the one before it has ended (launch.h) */
};

#ifdef __cplusplus
static inline bool may_begin_early(const device_tiles &tiles)
{
  return tiles.early;
}
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The stages, in the order of a step (host/cuda/stages.h: the table of them).  Each has its
 * launcher,
 *   trials     the table, in device memory
 *   tiles      of which trials the blocks are; for step_advance the rows of the table, a block each
 *   layer      of a convolution; the others ignore it
 *   precision  what the matrix products of the convolutions and of the dense layers are in; conv
 *              0 where its shapes have no patches, its gradient there and of up to 8 filters, and
 *              the loss with all that step_loss does are in FP32
 * which returns the launch's error (cudaError_t), 0 if none, */
typedef int step_launcher(const struct device_trial *trials, struct device_tiles tiles, int layer,
                          enum precision precision, void *stream);
step_launcher step_first_forward; /* the first convolution, where its shapes have no patches, ... */
step_launcher step_forward;       /* a convolution, with ReLU and pool */
/* the same in FP32 from patches, for kernels of 3 and of 5 */
step_launcher step_forward_3, step_forward_5;
/* the same in TF32 */
step_launcher step_forward_tensor_3, step_forward_tensor_5;
step_launcher step_dense;          /* the first dense layer, in chunks of its depth */
step_launcher step_loss;           /* ReLU, dropout, the second one, softmax, cross-entropy; its gradients */
step_launcher step_loss_backward;  /* gradients of the second dense layer, beyond DEVICE_HEAD_CLASSES */
step_launcher step_dense_backward; /* gradients of the first one */
step_launcher step_backward;       /* gradients of a convolution */
/* the same in FP32 by the argmax byte, for kernels of 3 and of 5 */
step_launcher step_data_gradient_3, step_data_gradient_5, step_weight_gradient_3, step_weight_gradient_5;
/* the same in TF32 */
step_launcher step_data_gradient_tensor_3, step_data_gradient_tensor_5, step_weight_gradient_tensor_3,
    step_weight_gradient_tensor_5;
step_launcher step_first_weight_gradient_tensor; /* of the first convolution, from patches */
step_launcher step_first_backward;               /* ... and its gradients */
step_launcher step_optimizer;
step_launcher step_advance; /* ends the step of every row: losses into the state, the next batch, the end of an epoch */

/* and the number of blocks that a trial needs, a function of its shapes and of `together`; none
 * where the shape is another launcher's. */
typedef int step_tiles(const struct device_trial *t, int layer);
step_tiles step_tiles_first_forward, step_tiles_forward, step_tiles_forward_tf32, step_tiles_forward_3,
    step_tiles_forward_5, step_tiles_dense, step_tiles_loss, step_tiles_loss_backward, step_tiles_dense_backward,
    step_tiles_backward, step_tiles_backward_tf32, step_tiles_first_backward, step_tiles_optimizer,
    step_tiles_data_gradient_3, step_tiles_data_gradient_5, step_tiles_weight_gradient_3, step_tiles_weight_gradient_5,
    step_tiles_forward_tensor_3, step_tiles_forward_tensor_5, step_tiles_data_gradient_tensor_3,
    step_tiles_data_gradient_tensor_5, step_tiles_weight_gradient_tensor_3, step_tiles_weight_gradient_tensor_5,
    step_tiles_first_weight_gradient_tensor;

/* Parts of a convolution's gradient: each sums over about as many windows; those of the first
 * layer's over as many images.  After conv2d_divisors. */
int conv2d_splits(const struct device_conv *c, int batch);
int conv2d_first_splits(const struct device_conv *c, int batch);
/* Fills the divisors and the pieces, from everything else: the shapes, and `shared`. */
void conv2d_divisors(struct device_conv *c);
struct device_divisor conv2d_divisor(int by);
/* Fills the first convolution's patches, from everything else. */
void conv2d_first_patches(struct device_trial *t);

/* Fills dense_chunks, dense_chunk and the parts of the dense layers' gradients, from the shapes. */
void dense_parts(struct device_trial *t);
/* Fills `update`, from the layers' matrices. */
void optimizer_updates(struct device_trial *t);

/* Makes the rows of the batch that the state says, after the host has set it, for n rows of the
 * table. */
int step_rows(const struct device_trial *trials, int n, void *stream);
/* Weights at their start, biases and moments zero, for trial `index` of the table ("Random numbers,
 * exactly"). */
int step_initialise(const struct device_trial *trials, int index, int64_t parameters, void *stream);

#ifdef __cplusplus
}
#endif

#endif
