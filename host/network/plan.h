/* The network plan: the paper's CNN for one configuration, its shapes, parameters and operations.
 *
 * num_conv_layers × [convolution → ReLU → 2×2 max pool], then twice [dropout → fully connected],
 * ReLU between, softmax at the end (docs/contracts.md, "The network, exactly").  A configuration
 * whose feature map vanishes is infeasible, and known to be from here, before any training. */
#ifndef GSOS_PLAN_H
#define GSOS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "host/network/hyperparameters.h"

struct conv_shape {
  int in_channels, in_height, in_width;
  int filters, kernel, stride, pad; /* pad: zeros on every side */
  int conv_height, conv_width;      /* after the convolution */
  int pool_height, pool_width;      /* after the 2×2 max pool with stride 2 (floor) */
};

struct plan {
  struct network_config config;
  int height, width, channels, classes, train_images, validation_images;
  struct conv_shape conv[PLAN_CONV_MAX]; /* [config.num_conv_layers] */
  int features; /* of the flattened last map: filters · pool_height · pool_width, order (c, h, w) */
  bool feasible;
  char reason[200]; /* why not */
  int64_t parameters;
  /* One multiply-add is 2 FLOPs; convolutions and matrix products; training = forward + both
   * gradients (no data gradient for layer 1). */
  double flops_image_forward, flops_image_training;
  double flops_step;  /* of one training step at config.batch_size */
  double flops_total; /* the whole trial: all epochs' training and validation passes */
  int64_t steps;      /* training steps of the whole trial */
  int64_t images;     /* training images of the whole trial: epochs · train_images */
};

/* Fills `p` for images of height×width×channels and `classes` classes.  Never fails: p->feasible
 * says. */
void plan_make(struct plan *p, const struct network_config *c, int height, int width, int channels, int classes,
               int train_images, int validation_images);

#endif
