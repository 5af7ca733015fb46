/* A trial's network as kernels see it, and their launchers.
 *
 * One launch serves every trial of a *cohort*: a table of `device_trial` in device memory says what each trial is, and for each stage
 * there is the number of each trial's first block, from which a block finds the trial that it works for and the part of its output
 * that it makes.  These and the table live in device memory, so a captured graph serves every step while trials come and go; a block
 * beyond the last trial's returns at once.
 *
 * What a trial computes depends on its own table entry alone: shapes, batch, step.  Tile sizes, the order of sums and the number of
 * partial sums are functions of its shapes, never of who else is in the launch (contract 1).
 *
 * Layouts, in floats (N the image in the batch, F a layer's filters rounded up to 8, what is padded is zero and stays zero):
 *   images       bytes [N][H][W][C]
 *   maps         [N][height][width][F]  after ReLU and pool;  argmax the same in bytes: 0 ... 3, or POOL_MASKED
 *   hidden       [N][units rounded up to 8];  logits [N][classes rounded up to 8]
 *   parameters   of every layer a matrix [rows + 1][columns], the last row the biases:
 *     conv 0     rows (c, kh, kw), columns F          conv l     rows (kh, kw, c), columns F
 *     dense 0    rows (y, x, f) of the last map, columns units          dense 1   rows units, columns classes
 *   partial      of every layer its gradient in `splits` parts, each a matrix as above; added in order by the optimiser */
#ifndef GSOS_NETWORK_KERNELS_H
#define GSOS_NETWORK_KERNELS_H

#include <stdint.h>

enum {
  DEVICE_CONV_MAX = 8, /* as PLAN_CONV_MAX */
  DEVICE_CHANNELS_MAX = 4,
  DEVICE_POOL_MASKED = 4,
  COHORT_MAX = 32,
};

/* Tiles: rows and columns of the output that a block makes. */
enum { TILE_ROWS = 64, TILE_COLUMNS = 32, TILE_DEPTH = 16, TILE_THREADS = 128 };

struct device_matrix { /* a layer's parameters */
  int rows, columns;   /* without the bias row; columns rounded up to 8 */
  int splits;          /* parts of its gradient */
  int64_t weight;      /* offset in the trial's parameters and moments */
  int64_t partial;     /* offset in its partial sums; part s is s·(rows + 1)·columns further */
};

/* n / by for 0 <= n < 2^31 by multiplication: (⌊n·multiplier / 2^32⌋ + n) >> shift (Granlund and Montgomery, "Division by invariant
 * integers using multiplication", PLDI 1994, figure 4.1).  Three instructions instead of fifteen or more. */
struct device_divisor {
  uint32_t multiplier, shift;
};

struct device_conv {
  struct device_matrix matrix;
  int filters;     /* without the padding: element numbers of dropout masks are logical */
  int in_channels; /* conv 0: 1 ... 4; else F of the layer before */
  int in_height, in_width;
  int kernel, stride, pad;
  int pool_height, pool_width; /* of its map; the convolution's own is not kept, and rows beyond 2·pool do not matter */
  float *map;                  /* [batch][pool_height][pool_width][columns] */
  float *gradient;             /* the same, of the loss by the map */
  uint8_t *argmax;
  struct device_divisor by_area, by_width;             /* of the pooled map */
  struct device_divisor by_channels, by_columns;       /* in_channels, matrix.columns */
  struct device_divisor by_taps, by_kernel, by_stride; /* kernel², kernel, stride */
};

enum device_phase { DEVICE_IDLE, DEVICE_TRAIN, DEVICE_EVALUATE };

/* What changes from step to step.  The host sets it between launches; network_advance moves it on. */
struct device_state {
  int phase;
  int begin,
      count;  /* the batch: places begin ... begin + count - 1 of the epoch's order, or of the validation images */
  int failed; /* a loss was not finite: the trial is idle */
  int64_t step, epoch;             /* ended so far */
  double beta1_power, beta2_power; /* β^(step + 1) */
  double training_loss;            /* sum over the images of this epoch */
  double loss;                     /* sum over the validation images so far */
  int64_t correct;
  uint32_t half_bits, round_key[8]; /* the epoch's permutation (philox.h) */
};

struct device_trial {
  /* the network */
  int layers;
  int height, width, channels, classes, units;
  int padded_units, padded_classes, features; /* features: of the last map, padded */
  struct device_conv conv[DEVICE_CONV_MAX];
  struct device_matrix dense[2];
  int64_t parameters; /* floats */
  /* training */
  uint64_t key;
  int batch;
  int adam; /* else SGD with momentum */
  float learning_rate, momentum;
  uint32_t dropout_threshold; /* 0: none */
  float dropout_scale;
  /* data, shared by trials */
  const float
      *table; /* [channels][256] a byte, normalised: (x/255 - mean)/deviation, each operation rounded on its own */
  const uint8_t *images;
  const uint16_t *labels;
  const int32_t *train_rows, *validation_rows; /* rows of images and labels */
  int train_images, validation_images;
  /* memory of its own */
  float *weights, *moment1, *moment2, *partial; /* moment1: Adam alone; SGD's velocity is moment2 */
  float *hidden, *hidden_gradient, *logits;     /* logits become their gradient */
  float *losses;                                /* [batch] */
  int32_t *hits;                                /* [batch] 1 where the label was the largest */
  int32_t *rows;                                /* [batch] of images and labels: this batch's */
  struct device_state *state;
};

/* Which trial a block works for: block b for trial i with first[i] <= b < first[i + 1], of which it makes tile b - first[i].  Places
 * without a trial have no blocks. */
struct device_tiles {
  const int
      *first; /* [COHORT_MAX + 1] in device memory; first[0] is 0, and from the last trial on all are their number */
  int room;   /* blocks launched */
};

enum device_precision { DEVICE_FP32, DEVICE_TF32 };

#ifdef __cplusplus
extern "C" {
#endif

/* Blocks of each stage that a trial needs: functions of its shapes alone. */
int network_tiles_forward(const struct device_trial *t, int layer); /* convolution `layer`, with ReLU and pool */
int network_tiles_dense(const struct device_trial *t);              /* first dense layer, with ReLU and dropout */
int network_tiles_loss(const struct device_trial *t); /* second dense layer, softmax, cross-entropy, gradient */
int network_tiles_loss_backward(const struct device_trial *t);       /* gradients of the second dense layer */
int network_tiles_dense_backward(const struct device_trial *t);      /* gradients of the first dense layer */
int network_tiles_backward(const struct device_trial *t, int layer); /* gradients of convolution `layer` */
int network_tiles_optimizer(const struct device_trial *t);

/* Parts of convolution `layer`'s gradient: each sums over about as many windows. */
int network_splits(const struct device_conv *c, int batch);
/* Fills the divisors, from everything else. */
void network_divisors(struct device_conv *c);

/* The stages, in the order of a step; each is one launch on `stream`.  They return the launch's error (cudaError_t), 0 if none.
 * `trials` is the table in device memory. */
int network_forward(const struct device_trial *trials, struct device_tiles tiles, int layer, int precision,
                    void *stream);
int network_dense(const struct device_trial *trials, struct device_tiles tiles, int precision, void *stream);
int network_loss(const struct device_trial *trials, struct device_tiles tiles, void *stream);
int network_loss_backward(const struct device_trial *trials, struct device_tiles tiles, int precision, void *stream);
int network_dense_backward(const struct device_trial *trials, struct device_tiles tiles, int precision, void *stream);
int network_backward(const struct device_trial *trials, struct device_tiles tiles, int layer, int precision,
                     void *stream);
int network_optimizer(const struct device_trial *trials, struct device_tiles tiles, void *stream);
/* Ends the step of every trial of the table: losses into the state, the next batch, the end of an epoch. */
int network_advance(const struct device_trial *trials, int n, void *stream);

/* Makes the rows of the batch that the state says, after the host has set it. */
int network_rows(const struct device_trial *trials, int n, void *stream);
/* Weights at their start, biases and moments zero, for trial `index` of the table ("Random numbers, exactly"). */
int network_initialise(const struct device_trial *trials, int index, int64_t parameters, void *stream);

#ifdef __cplusplus
}
#endif

#endif
