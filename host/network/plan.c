/* The network plan: one configuration's shapes, parameters and operations.  See plan.h.
 *
 * Everything here is integer arithmetic on a handful of numbers, so a sampler may ask for thousands
 * of plans. */
#include "host/network/plan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* Trainers count in ints, and pad a filter to eight at most. */
enum { FEATURES_MAX = INT_MAX / 8 };

/* --- Shapes ----------------------------------------------------------------------------------- */

/* Output size of a convolution; 0 where the kernel does not fit. */
static int convolved(int n, int kernel, int stride, int pad)
{
  int room = n + 2 * pad - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

/* Fills the shapes of layer l from the map before it; false where its own map vanishes. */
static bool make_layer(struct plan *p, int l)
{
  const struct network_config *c = &p->config;
  struct conv_shape *s = &p->conv[l];
  s->in_channels = l ? c->model.filters : p->channels;
  s->in_height = l ? s[-1].pool_height : p->height;
  s->in_width = l ? s[-1].pool_width : p->width;
  s->filters = c->model.filters;
  s->kernel = c->kernel;
  s->stride = c->stride;
  s->pad = c->padding == PADDING_SAME ? (c->kernel - 1) / 2 : 0;
  s->conv_height = convolved(s->in_height, s->kernel, s->stride, s->pad);
  s->conv_width = convolved(s->in_width, s->kernel, s->stride, s->pad);
  s->pool_height = s->conv_height / 2;
  s->pool_width = s->conv_width / 2;
  if (s->pool_height > 0 && s->pool_width > 0) return true;
  if (s->conv_height == 0 || s->conv_width == 0)
    snprintf(p->reason, sizeof p->reason, "the %d×%d map before convolution %d of %d is smaller than its %d×%d kernel",
             s->in_height, s->in_width, l + 1, c->num_conv_layers, s->kernel, s->kernel);
  else
    snprintf(p->reason, sizeof p->reason, "the %d×%d map after convolution %d of %d vanishes in the 2×2 max pool",
             s->conv_height, s->conv_width, l + 1, c->num_conv_layers);
  return false;
}

static int64_t weights_of(const struct conv_shape *s)
{
  return (int64_t)s->filters * s->in_channels * s->kernel * s->kernel;
}

void plan_make(struct plan *p, const struct network_config *c, int height, int width, int channels, int classes,
               int train_images, int validation_images)
{
  memset(p, 0, sizeof *p);
  p->config = *c;
  p->height = height;
  p->width = width;
  p->channels = channels;
  p->classes = classes;
  p->train_images = train_images;
  p->validation_images = validation_images;
  if (c->num_conv_layers < 1 || c->num_conv_layers > PLAN_CONV_MAX || c->kernel < 1 || c->stride < 1 ||
      c->batch_size < 1 || c->num_fc_units < 1 || c->model.filters < 1 || height < 1 || width < 1 || channels < 1) {
    snprintf(p->reason, sizeof p->reason, "a number of layers, filters, units, or a size below 1 or too large");
    return;
  }
  for (int l = 0; l < c->num_conv_layers; l++)
    if (!make_layer(p, l)) return;
  const struct conv_shape *last = &p->conv[c->num_conv_layers - 1];
  int64_t features = (int64_t)last->filters * last->pool_height * last->pool_width;
  if (features > FEATURES_MAX) {
    snprintf(p->reason, sizeof p->reason, "the last map has %lld values, more than can be computed",
             (long long)features);
    return;
  }
  p->features = (int)features;
  p->feasible = true;

  for (int l = 0; l < c->num_conv_layers; l++) {
    const struct conv_shape *s = &p->conv[l];
    double forward = 2.0 * (double)weights_of(s) * s->conv_height * s->conv_width;
    p->parameters += weights_of(s) + s->filters;
    p->flops_image_forward += forward;
    p->flops_image_training += (l ? 3 : 2) * forward;
  }
  int64_t dense = (int64_t)p->features * c->num_fc_units + (int64_t)c->num_fc_units * classes;
  p->parameters += dense + c->num_fc_units + classes;
  p->flops_image_forward += 2.0 * (double)dense;
  p->flops_image_training += 6.0 * (double)dense;

  int64_t steps_an_epoch = (train_images + (int64_t)c->batch_size - 1) / c->batch_size;
  p->flops_step = p->flops_image_training * c->batch_size;
  p->flops_total = c->epochs * (train_images * p->flops_image_training + validation_images * p->flops_image_forward);
  p->steps = c->epochs * steps_an_epoch;
  p->images = (int64_t)c->epochs * train_images;
}
