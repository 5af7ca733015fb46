/* The network plan: the paper's CNN for one configuration, its shapes, parameters, operations and bytes.
 *
 * num_conv_layers × [convolution → ReLU → 2×2 max pool], then twice [dropout → fully connected], ReLU between, softmax
 * at the end (PAPER: "The CNN").  The only place that knows the ten hyperparameters' names.  A configuration whose
 * feature map vanishes is infeasible, and known to be from here, before any training. */
#ifndef GSOS_PLAN_H
#define GSOS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "space.h"

enum { PLAN_CONV_MAX = 8 };
enum optimizer_kind { OPTIMIZER_ADAM, OPTIMIZER_SGD };
enum padding_kind { PADDING_VALID, PADDING_SAME };

/* What the ini's [model] section says: settings that are not searched. */
struct model_options {
  int filters;     /* of every convolution; default 32 */
  double momentum; /* of SGD; default 0.9 */
};

/* The ten hyperparameters as the trainer uses them. */
struct network_config {
  int num_conv_layers;
  double learning_rate;
  double dropout_rate;
  enum optimizer_kind optimizer;
  int epochs;
  int stride;
  enum padding_kind padding;
  int kernel;
  int num_fc_units;
  int batch_size;
  struct model_options model;
};

/* Where each of the ten stands in a space. */
struct network_names {
  int index[10]; /* by the order of struct network_config: num_conv_layers, lr, dropout_rate, optimizer, epoch, stride,
                    padding, kernel, num_fc_units, batch_size */
};

/* Finds the ten in `space`, checks their types and ranges (kernel odd, batch_size >= 1, labels of optimizer and padding ...).
 * ERROR_CONFIG names those that are missing, those that are none of the ten, and those whose type or range cannot be. */
int network_names_find(struct network_names *names, const struct space *space, struct error *e);

void network_config_from_values(struct network_config *c, const struct network_names *names, const struct space *space,
                                const double *values, const struct model_options *model);

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
  double flops_image_forward, flops_image_training; /* one multiply-add is 2 FLOPs; convolutions and matrix products;
                                                       training = forward + both gradients (no data gradient for layer 1) */
  double flops_step;                                /* of one training step at config.batch_size */
  double flops_total;                               /* the whole trial: all epochs' training and validation passes */
  int64_t steps;                                    /* training steps of the whole trial */
  int64_t images;                                   /* training images of the whole trial: epochs · train_images */
  int64_t bytes; /* memory of the trial on the CPU trainer: weights, gradients, optimiser, activations, scratch */
};

/* Fills `p` for images of height×width×channels and so many classes.  Never fails: p->feasible says. */
void plan_make(struct plan *p, const struct network_config *c, int height, int width, int channels, int classes,
               int train_images, int validation_images);

/* How the CPU trainer lays the network out, here because the plan's bytes follow from it and because the order of sums,
 * and so a result's bits, may depend on a trial's shape alone. */
enum { PLAN_IMAGES_ROUND = 16 };                 /* activations are allocated for a multiple of so many images */
int plan_padded_filters(int filters);            /* 8, or a multiple of 16: whole blocks of channels */
int plan_padded(int n);                          /* to a multiple of 16 */
int plan_conv_chunk(const struct conv_shape *s); /* images that a convolution takes at once; divides the above */
int plan_first_row(const struct conv_shape *s);  /* floats from row to row of the first layer's input */

#endif
