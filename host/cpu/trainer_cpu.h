/* The CPU trainer's network from within: for trainer_cpu*.c, and for the benchmark, which looks at
 * its stages. */
#ifndef GSOS_TRAINER_CPU_H
#define GSOS_TRAINER_CPU_H

#include "kernels/philox.h"
#include "host/cpu/cpu_conv.h"
#include "host/cpu/cpu_loops.h"
#include "host/network/trainer.h"

/* What the benchmark's table lists; the stages of layer l >= 1 are STAGE_CONV + 5·l + one of the
 * five. */
enum network_stage {
  STAGE_FIRST_FORWARD,
  STAGE_FIRST_BACKWARD,
  STAGE_DENSE_FORWARD,
  STAGE_DENSE_BACKWARD,
  STAGE_DROPOUT,
  STAGE_OPTIMIZER,
  STAGE_CONV, /* + 5·layer: forward, pool, pool backward, backward data, backward weights */
  STAGE_COUNT = STAGE_CONV + 5 * PLAN_CONV_MAX
};
enum { STAGE_FORWARD, STAGE_POOL, STAGE_POOL_BACKWARD, STAGE_DATA, STAGE_WEIGHTS };

/* A tensor's place among the weights. */
struct network_place {
  int64_t weight, bias;    /* offsets in floats */
  int64_t weights, biases; /* lengths, padding included */
};

struct network {
  struct plan plan;
  uint64_t key;
  const struct cpu_loops *loops;
  int layers;         /* convolutions */
  int filters;        /* padded to whole blocks */
  int features;       /* of the last map, padded: filters · area */
  int units, classes; /* padded to 16 */
  int images;         /* room for this number: batch_size rounded up */
  struct dataset_split train;

  struct loop_conv shape[PLAN_CONV_MAX]; /* shape[l].images: the chunk */
  struct cpu_conv *conv[PLAN_CONV_MAX];  /* [1 ... layers - 1] */
  struct network_place place[PLAN_CONV_MAX + 2];
  int64_t n_weights;

  void *arena;
  size_t arena_bytes;
  float *weights, *gradients, *first_moment, *second_moment; /* [n_weights]; SGD: the velocity is second_moment */
  float *map[PLAN_CONV_MAX];                            /* pooled maps; backward, their gradients in the same place */
  uint8_t *argmax[PLAN_CONV_MAX];                       /* of the pooled maps */
  float *full;                                          /* one chunk of a layer before its pool, or its gradient */
  float *weights_other, *chunk_gradient, *sum_gradient; /* one layer's weights and gradients in other layouts */
  float *input;                                         /* one image, normalised, zeros around */
  float *hidden, *hidden_gradient;                      /* [images][units] */
  float *logits;                                        /* [images][classes]; then probabilities; then their gradient */
  float *features_gradient;                             /* [images][features] */
  float *sum, *below;                                   /* [images] of the softmax */
  int32_t *best;                                        /* [images] */
  uint16_t *labels;                                     /* [images] */
  const uint8_t **bytes;                                /* [images] where each image of the batch lies */
  uint32_t *words;                                      /* dropout */
  float *class_weights;                                 /* [classes] in the loss of training; NULL: all 1 */
  float *table;                                         /* [channels][256] a byte, normalised */
  void *scratch;                                        /* the library's */
  size_t scratch_bytes;

  int64_t epoch, step;             /* ended so far */
  int begin;                       /* images of this epoch that were trained on: not 0 after a stop */
  double loss_sum;                 /* over these */
  double beta1_power, beta2_power; /* β^step */
  double *stage_seconds;           /* [STAGE_COUNT] where the benchmark wants them; else NULL */
};

/* Gradients of the mean loss over the batch whose images and labels are in n->bytes and n->labels;
 * *loss is the sum over its images.  Where that is not finite the gradients are not made.  The
 * tests hold them against finite differences. */
int network_gradients(struct network *n, int count, double *loss, struct error *e);
/* One training step: the batch that begins at place `begin` of the epoch's order; *loss is the sum
 * over its images.  Where that is not finite the weights stay. */
int network_train_batch(struct network *n, const struct philox_permutation *order, int begin, double *loss,
                        struct error *e);
/* As network_tensor_get, of the gradients. */
int network_gradient_get(struct network *n, int index, float *out, struct error *e);

#endif
