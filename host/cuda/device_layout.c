/* From a plan to a table entry.  Every size is a function of the plan alone, so memory is known
 * before a trial runs. */
#include "host/cuda/device_layout.h"

#include <math.h>
#include <string.h>

#include "host/base/pieces.h"
#include "kernels/adam.h"
#include "kernels/philox.h"

static int padded(int n)
{
  return (n + 7) / 8 * 8;
}

static int64_t matrix_size(const struct device_matrix *m)
{
  return (int64_t)(m->rows + 1) * m->columns;
}

static void make_layers(struct device_trial *t, const struct plan *p, int shared)
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
    d->shared = shared;
    d->matrix.rows = d->in_channels * s->kernel * s->kernel;
    d->matrix.columns = filters;
    conv2d_divisors(d);
    d->matrix.splits = l ? conv2d_splits(d, c->batch_size) : conv2d_first_splits(d, c->batch_size);
  }
  conv2d_first_patches(t);
  const struct conv_shape *last = &p->conv[t->layers - 1];
  t->features = filters * last->pool_height * last->pool_width;
  t->padded_units = padded(c->num_fc_units);
  t->padded_classes = padded(p->classes);
  t->dense[0] = (struct device_matrix){.rows = t->features, .columns = t->padded_units};
  t->dense[1] = (struct device_matrix){.rows = t->padded_units, .columns = t->padded_classes};
  dense_parts(t);
  for (int i = 0; i < t->layers + 2; i++) {
    struct device_matrix *m = (struct device_matrix *)layer_matrix(t, i);
    m->weight = weights;
    m->partial = partial;
    weights += matrix_size(m);
    partial += m->splits * matrix_size(m);
  }
  t->parameters = weights;
  t->together = 1;
  optimizer_updates(t);
}

enum { ALIGNMENT = 256 }; /* of each array: whole sectors and cache lines */

static int64_t partial_floats(const struct device_trial *t)
{
  const struct device_matrix *last = &t->dense[1];
  return last->partial + last->splits * matrix_size(last);
}

int device_pieces(struct device_trial *t, struct device_piece *pieces)
{
  int64_t word = sizeof(float), images = t->batch;
  int n = 0;
#define PIECE(pointer, size) pieces[n++] = (struct device_piece){(void **)&(pointer), size}
  PIECE(t->state, sizeof *t->state);
  PIECE(t->weights, word * t->parameters);
  PIECE(t->moment2, word * t->parameters);
  if (t->adam) PIECE(t->moment1, word * t->parameters);
  PIECE(t->partial, word * partial_floats(t));
  for (int l = 0; l < t->layers; l++) {
    struct device_conv *c = &t->conv[l];
    int64_t map = images * c->pool_height * c->pool_width * c->matrix.columns;
    PIECE(c->map, word * map);
    PIECE(c->gradient, word * map);
    PIECE(c->argmax, map);
  }
  if (t->padded_classes <= DEVICE_HEAD_CLASSES) PIECE(t->dense_sums, word * t->dense_chunks * images * t->padded_units);
  PIECE(t->hidden, word * images * t->padded_units);
  PIECE(t->hidden_gradient, word * images * t->padded_units);
  PIECE(t->logits, word * images * t->padded_classes);
  PIECE(t->losses, word * images);
  PIECE(t->hits, (int64_t)sizeof *t->hits * images);
  PIECE(t->best, (int64_t)sizeof *t->best * images);
  PIECE(t->tally, (int64_t)sizeof *t->tally * 2 * t->classes);
  PIECE(t->rows, (int64_t)sizeof *t->rows * images);
#undef PIECE
  return n;
}

static void divide(struct device_trial *t, struct pieces *p)
{
  struct device_piece pieces[DEVICE_PIECES_MAX];
  int n = device_pieces(t, pieces);
  for (int i = 0; i < n; i++) *pieces[i].at = pieces_take(p, pieces[i].bytes);
}

int64_t device_network_make(struct device_trial *t, const struct plan *p, uint64_t key, int shared)
{
  const struct network_config *c = &p->config;
  struct pieces count = {.alignment = ALIGNMENT};
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
  t->optimizer = optimizer_settings_of(c);
  t->dropout_threshold = c->dropout_rate > 0 ? philox_dropout_threshold(c->dropout_rate) : 0;
  t->dropout_scale = c->dropout_rate > 0 ? (float)(1 / (1 - c->dropout_rate)) : 1;
  t->train_images = p->train_images;
  t->validation_images = p->validation_images;
  make_layers(t, p, shared);
  divide(t, &count);
  return count.used;
}

void device_network_place(struct device_trial *t, void *memory)
{
  struct pieces p = {.base = memory, .alignment = ALIGNMENT};
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
  s->beta1_power = pow(ADAM_BETA1, (double)(step + 1));
  s->beta2_power = pow(ADAM_BETA2, (double)(step + 1));
  adam_corrections(s);
  s->half_bits = order.half_bits;
  memcpy(s->round_key, order.round_key, sizeof s->round_key);
}
