/* From a plan to a table entry.  Every size is a function of the plan alone, so memory is known before a trial runs. */
#include "device_network.h"

#include <math.h>
#include <string.h>

#include "../kernels/philox.h"

static int padded(int n)
{
  return (n + 7) / 8 * 8;
}

const struct device_matrix *device_matrix(const struct device_trial *t, int layer)
{
  return layer < t->layers ? &t->conv[layer].matrix : &t->dense[layer - t->layers];
}

static int64_t matrix_size(const struct device_matrix *m)
{
  return (int64_t)(m->rows + 1) * m->columns;
}

static void make_layers(struct device_trial *t, const struct plan *p)
{
  const struct network_config *c = &p->config;
  int64_t weights = 0, partial = 0;
  int filters = padded(c->model.filters);
  for (int l = 0; l < t->layers; l++) {
    const struct conv_shape *s = &p->conv[l];
    struct device_conv *d = &t->conv[l];
    d->filters = s->filters;
    d->in_channels = l ? filters : s->in_channels;
    d->in_height = s->in_height;
    d->in_width = s->in_width;
    d->kernel = s->kernel;
    d->stride = s->stride;
    d->pad = s->pad;
    d->pool_height = s->pool_height;
    d->pool_width = s->pool_width;
    d->matrix.rows = d->in_channels * s->kernel * s->kernel;
    d->matrix.columns = filters;
    d->matrix.splits = network_splits(d, c->batch_size);
    network_divisors(d);
  }
  const struct conv_shape *last = &p->conv[t->layers - 1];
  t->features = filters * last->pool_height * last->pool_width;
  t->padded_units = padded(c->num_fc_units);
  t->padded_classes = padded(p->classes);
  t->dense[0] = (struct device_matrix){.rows = t->features, .columns = t->padded_units, .splits = 1};
  t->dense[1] = (struct device_matrix){.rows = t->padded_units, .columns = t->padded_classes, .splits = 1};
  for (int i = 0; i < t->layers + 2; i++) {
    struct device_matrix *m = (struct device_matrix *)device_matrix(t, i);
    m->weight = weights;
    m->partial = partial;
    weights += matrix_size(m);
    partial += m->splits * matrix_size(m);
  }
  t->parameters = weights;
}

/* Hands out consecutive pieces, aligned to 256 bytes; with base NULL only counts. */
struct pieces {
  char *base;
  int64_t used;
};

static void *take(struct pieces *p, int64_t bytes)
{
  void *at = p->base ? p->base + p->used : NULL;
  p->used += (bytes + 255) / 256 * 256;
  return at;
}

static int64_t partial_floats(const struct device_trial *t)
{
  const struct device_matrix *last = &t->dense[1];
  return last->partial + last->splits * matrix_size(last);
}

static void divide(struct device_trial *t, struct pieces *p)
{
  int64_t word = sizeof(float), images = t->batch;
  t->state = take(p, sizeof *t->state);
  t->weights = take(p, word * t->parameters);
  t->moment2 = take(p, word * t->parameters);
  t->moment1 = t->adam ? take(p, word * t->parameters) : NULL;
  t->partial = take(p, word * partial_floats(t));
  for (int l = 0; l < t->layers; l++) {
    struct device_conv *c = &t->conv[l];
    int64_t map = images * c->pool_height * c->pool_width * c->matrix.columns;
    c->map = take(p, word * map);
    c->gradient = take(p, word * map);
    c->argmax = take(p, map);
  }
  t->hidden = take(p, word * images * t->padded_units);
  t->hidden_gradient = take(p, word * images * t->padded_units);
  t->logits = take(p, word * images * t->padded_classes);
  t->losses = take(p, word * images);
  t->hits = take(p, (int64_t)sizeof *t->hits * images);
  t->rows = take(p, (int64_t)sizeof *t->rows * images);
}

int64_t device_network_make(struct device_trial *t, const struct plan *p, uint64_t key)
{
  const struct network_config *c = &p->config;
  struct pieces count = {0};
  memset(t, 0, sizeof *t);
  if (p->channels > DEVICE_CHANNELS_MAX || c->num_conv_layers > DEVICE_CONV_MAX || p->classes > 16384) return -1;
  t->layers = c->num_conv_layers;
  t->height = p->height;
  t->width = p->width;
  t->channels = p->channels;
  t->classes = p->classes;
  t->units = c->num_fc_units;
  t->key = key;
  t->batch = c->batch_size;
  t->adam = c->optimizer == OPTIMIZER_ADAM;
  t->learning_rate = (float)c->learning_rate;
  t->momentum = (float)c->model.momentum;
  t->dropout_threshold = c->dropout_rate > 0 ? philox_dropout_threshold(c->dropout_rate) : 0;
  t->dropout_scale = c->dropout_rate > 0 ? (float)(1 / (1 - c->dropout_rate)) : 1;
  t->train_images = p->train_images;
  t->validation_images = p->validation_images;
  make_layers(t, p);
  divide(t, &count);
  return count.used;
}

void device_network_place(struct device_trial *t, void *memory)
{
  struct pieces p = {memory, 0};
  divide(t, &p);
}

void device_state_begin(struct device_state *s, const struct device_trial *t, int64_t epoch, int64_t step)
{
  struct philox_permutation order =
      philox_permutation_make(t->key, philox_subsequence(PHILOX_ORDER, 0, (uint64_t)epoch), (uint32_t)t->train_images);
  memset(s, 0, sizeof *s);
  s->phase = DEVICE_TRAIN;
  s->count = t->train_images < t->batch ? t->train_images : t->batch;
  s->step = step;
  s->epoch = epoch;
  s->beta1_power = pow(0.9, (double)(step + 1));
  s->beta2_power = pow(0.999, (double)(step + 1));
  s->half_bits = order.half_bits;
  memcpy(s->round_key, order.round_key, sizeof s->round_key);
}

int64_t device_element(const struct device_trial *t, int layer, int row, int column)
{
  const struct device_matrix *m = device_matrix(t, layer);
  int outputs = layer < t->layers ? t->conv[layer].filters : layer == t->layers ? t->units : t->classes;
  if (column >= outputs) return -1;
  if (row == m->rows) return column;
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
