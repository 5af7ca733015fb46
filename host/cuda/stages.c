/* The table of a step's stages, and what each costs.  See stages.h.
 *
 * Bytes are what a stage's tiles are for: every map, weight and gradient read or written once;
 * partial sums of gradients are written by one stage and read by another.  The first convolution
 * reads bytes; it is in FP32 in both precisions where its shapes have no patches, and so is its
 * gradient where filters are few. */
#include "host/cuda/stages.h"

/* ---- costs ----------------------------------------------------------------------------------- */

static double matrix_floats(const struct device_matrix *m)
{
  return (double)(m->rows + 1) * m->columns;
}

/* FLOPs of a convolution's product, for a batch. */
static double conv_flops(const struct device_trial *t, const struct plan *p, int layer)
{
  const struct conv_shape *s = &p->conv[layer];
  return 2.0 * t->batch * s->filters * s->in_channels * s->kernel * s->kernel * s->conv_height * s->conv_width;
}

static double conv_input(const struct device_trial *t, int layer)
{
  const struct device_conv *c = &t->conv[layer];
  return (double)t->batch * c->in_height * c->in_width * c->in_channels;
}

static double conv_input_bytes(const struct device_trial *t, int layer)
{
  return (layer ? 4 : 1) * conv_input(t, layer);
}

static double map_elements(const struct device_trial *t, int layer)
{
  const struct device_conv *c = &t->conv[layer];
  return (double)t->batch * c->pool_height * c->pool_width * c->matrix.columns;
}

static struct stage_cost forward_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  double weights = matrix_floats(&t->conv[layer].matrix), map = map_elements(t, layer); /* and its argmax */
  return (struct stage_cost){conv_flops(t, p, layer), conv_input_bytes(t, layer) + 4 * weights + 5 * map,
                             layer > 0 || t->patches};
}

/* The gradient and the argmax for each of the products, the input for that of the weights, which
 * come in parts.  FLOPs are those of dense products, as in every figure, though most kernels leave
 * out what the argmax byte says is zero. */
static struct stage_cost data_gradient_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  double weights = matrix_floats(&t->conv[layer].matrix);
  return (struct stage_cost){conv_flops(t, p, layer),
                             5 * map_elements(t, layer) + 4 * weights + 4 * conv_input(t, layer), true};
}

static struct stage_cost weight_gradient_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  const struct device_matrix *m = &t->conv[layer].matrix;
  double bytes = 5 * map_elements(t, layer) + conv_input_bytes(t, layer) + 4 * m->splits * matrix_floats(m);
  return (struct stage_cost){conv_flops(t, p, layer), bytes, layer > 0 || t->gradient_patch.rows > 0};
}

static struct stage_cost backward_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  struct stage_cost cost = weight_gradient_cost(t, p, layer);
  if (layer == 0) return cost;
  struct stage_cost data = data_gradient_cost(t, p, layer);
  return (struct stage_cost){cost.flops + data.flops, cost.bytes + data.bytes, true};
}

static double features_of(const struct device_trial *t)
{
  return (double)t->batch * t->features;
}

static double units_of(const struct device_trial *t)
{
  return (double)t->batch * t->padded_units;
}

static double classes_of(const struct device_trial *t)
{
  return (double)t->batch * t->padded_classes;
}

static double dense_flops(const struct device_trial *t, const struct plan *p)
{
  return 2.0 * t->batch * p->features * t->units;
}

static double loss_flops(const struct device_trial *t)
{
  return 2.0 * t->batch * t->units * t->classes;
}

static bool has_head(const struct device_trial *t)
{
  return t->padded_classes <= DEVICE_HEAD_CLASSES;
}

/* The chunks' sums, or hidden itself. */
static struct stage_cost dense_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  (void)layer;
  double w = matrix_floats(&t->dense[0]);
  return (struct stage_cost){dense_flops(t, p), 4 * (features_of(t) + w + t->dense_chunks * units_of(t)), true};
}

/* A head's: the chunks' sums and the biases read, hidden, its gradient, the logits and the parts of
 * the weights' gradient written. */
static struct stage_cost loss_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  (void)p, (void)layer;
  double w = matrix_floats(&t->dense[1]);
  if (!has_head(t)) return (struct stage_cost){loss_flops(t), 4 * (units_of(t) + w + classes_of(t)), false};
  double bytes = 4 * ((t->dense_chunks + 2) * units_of(t) + t->padded_units + classes_of(t));
  return (struct stage_cost){3 * loss_flops(t), bytes + 4 * (1 + t->dense[1].splits) * w, false};
}

static struct stage_cost loss_backward_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  (void)p, (void)layer;
  double w = matrix_floats(&t->dense[1]);
  return (struct stage_cost){2 * loss_flops(t), 4 * (3 * units_of(t) + 2 * classes_of(t) + 2 * w), true};
}

static struct stage_cost dense_backward_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  (void)layer;
  double w = matrix_floats(&t->dense[0]);
  return (struct stage_cost){2 * dense_flops(t, p), 4 * (3 * features_of(t) + 2 * units_of(t) + 2 * w), true};
}

static struct stage_cost optimizer_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  (void)p, (void)layer;
  double parameters = (double)t->parameters, sums = 0;
  for (int l = 0; l < t->layers + 2; l++) sums += layer_matrix(t, l)->splits * matrix_floats(layer_matrix(t, l));
  return (struct stage_cost){(t->adam ? 12 : 4) * parameters, 4 * (sums + (t->adam ? 6 : 4) * parameters), false};
}

static struct stage_cost advance_cost(const struct device_trial *t, const struct plan *p, int layer)
{
  (void)p, (void)layer;
  return (struct stage_cost){0, 12.0 * t->batch, false}; /* a loss, a hit and a row of the data set an image */
}

/* ---- the table ------------------------------------------------------------------------------- */

static int no_tiles(const struct device_trial *t, int layer)
{
  (void)t, (void)layer;
  return 0;
}

/* A convolution is in one of the stages of its kind, by its shapes and the precision; the others
 * have no blocks for the trial, and no launch where that holds for all. */
static const struct stage stages[] = {
    {"first forward", "convolution 1 without patches", ONCE_A_STEP, step_tiles_first_forward, step_first_forward,
     forward_cost, NULL, IN_LINE},
    {"forward", "convolution, ReLU, pool", FIRST_LAYER_FIRST, step_tiles_forward, step_forward, forward_cost,
     step_tiles_forward_tf32, IN_LINE},
    {"forward", "the same, kernel 3", FIRST_LAYER_FIRST, step_tiles_forward_3, step_forward_3, forward_cost, no_tiles,
     IN_LINE},
    {"forward", "the same, kernel 5", FIRST_LAYER_FIRST, step_tiles_forward_5, step_forward_5, forward_cost, no_tiles,
     IN_LINE},
    {"forward", "in TF32, kernel 3", FIRST_LAYER_FIRST, no_tiles, step_forward_tensor_3, forward_cost,
     step_tiles_forward_tensor_3, IN_LINE},
    {"forward", "in TF32, kernel 5", FIRST_LAYER_FIRST, no_tiles, step_forward_tensor_5, forward_cost,
     step_tiles_forward_tensor_5, IN_LINE},
    {"dense", "dense 1", ONCE_A_STEP, step_tiles_dense, step_dense, dense_cost, NULL, IN_LINE},
    {"loss", "dense 2, loss, gradients", ONCE_A_STEP, step_tiles_loss, step_loss, loss_cost, NULL, IN_LINE},
    {"loss backward", "of dense 2 of many classes", ONCE_A_STEP, step_tiles_loss_backward, step_loss_backward,
     loss_backward_cost, NULL, IN_LINE},
    {"dense backward", "gradients of dense 1", ONCE_A_STEP, step_tiles_dense_backward, step_dense_backward,
     dense_backward_cost, NULL, IN_LINE},
    {"backward", "gradients of a convolution", LAST_LAYER_FIRST, step_tiles_backward, step_backward, backward_cost,
     step_tiles_backward_tf32, IN_LINE},
    {"data gradient", "of the map before, kernel 3", LAST_LAYER_FIRST, step_tiles_data_gradient_3, step_data_gradient_3,
     data_gradient_cost, no_tiles, IN_LINE},
    {"data gradient", "of the map before, kernel 5", LAST_LAYER_FIRST, step_tiles_data_gradient_5, step_data_gradient_5,
     data_gradient_cost, no_tiles, IN_LINE},
    {"weight gradient", "of a convolution, kernel 3", LAST_LAYER_FIRST, step_tiles_weight_gradient_3,
     step_weight_gradient_3, weight_gradient_cost, no_tiles, BESIDE},
    {"weight gradient", "of a convolution, kernel 5", LAST_LAYER_FIRST, step_tiles_weight_gradient_5,
     step_weight_gradient_5, weight_gradient_cost, no_tiles, BESIDE},
    {"data gradient", "in TF32, kernel 3", LAST_LAYER_FIRST, no_tiles, step_data_gradient_tensor_3, data_gradient_cost,
     step_tiles_data_gradient_tensor_3, IN_LINE},
    {"data gradient", "in TF32, kernel 5", LAST_LAYER_FIRST, no_tiles, step_data_gradient_tensor_5, data_gradient_cost,
     step_tiles_data_gradient_tensor_5, IN_LINE},
    {"weight gradient", "in TF32, kernel 3", LAST_LAYER_FIRST, no_tiles, step_weight_gradient_tensor_3,
     weight_gradient_cost, step_tiles_weight_gradient_tensor_3, BESIDE},
    {"weight gradient", "in TF32, kernel 5", LAST_LAYER_FIRST, no_tiles, step_weight_gradient_tensor_5,
     weight_gradient_cost, step_tiles_weight_gradient_tensor_5, BESIDE},
    {"weight gradient", "in TF32, of convolution 1", LAST_LAYER_FIRST, no_tiles, step_first_weight_gradient_tensor,
     weight_gradient_cost, step_tiles_first_weight_gradient_tensor, IN_LINE},
    {"first backward", "of convolution 1 without patches", ONCE_A_STEP, step_tiles_first_backward, step_first_backward,
     backward_cost, NULL, IN_LINE},
    {"optimizer", "sums of gradients, Adam or SGD", ONCE_A_STEP, step_tiles_optimizer, step_optimizer, optimizer_cost,
     NULL, JOINS},
    {"advance", "losses, the next batch", ONCE_A_STEP, NULL, step_advance, advance_cost, NULL, IN_LINE},
};

enum { STAGES = sizeof stages / sizeof *stages };
_Static_assert(STAGES *DEVICE_CONV_MAX <= STEP_LAUNCHES_MAX, "each stage in each layer");

int step_launches(struct step_launch *launches, int layers)
{
  const struct stage *end = stages + STAGES, *next;
  int n = 0;
  for (const struct stage *s = stages; s < end; s = next) {
    next = s + 1;
    while (s->order != ONCE_A_STEP && next < end && next->order == s->order) next++;
    int times = s->order == ONCE_A_STEP ? 1 : layers;
    for (int l = 0; l < times; l++)
      for (const struct stage *row = s; row < next; row++)
        launches[n++] = (struct step_launch){row, s->order == LAST_LAYER_FIRST ? layers - 1 - l : l};
  }
  return n;
}

int step_launch_tiles(const struct step_launch *l, const struct device_trial *t, enum precision precision)
{
  const struct stage *s = l->stage;
  step_tiles *tiles = precision == PRECISION_TF32 && s->tiles_tf32 ? s->tiles_tf32 : s->tiles;
  return l->layer < t->layers ? tiles(t, l->layer) : 0;
}

bool step_launch_is_beside(const struct step_launch *l)
{
  return l->stage->line == BESIDE && l->layer > 0;
}

bool step_launch_is_of(const struct step_launch *l, const struct device_trial *t, enum precision precision)
{
  return !l->stage->tiles || step_launch_tiles(l, t, precision) > 0;
}
