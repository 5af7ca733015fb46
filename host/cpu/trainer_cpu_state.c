/* The CPU trainer's tensors in their logical layouts, its checkpoints, and what its bits depend
 * on. */
#include "host/cpu/trainer_cpu.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu/dnnl_compat.h"

static char description_text[128];
static pthread_once_t description_once = PTHREAD_ONCE_INIT;

static void description_make(void)
{
  snprintf(description_text, sizeof description_text, "%s, oneDNN %s", compat_isa_name(), compat_version());
}

const char *trainer_cpu_description(void)
{
  pthread_once(&description_once, description_make);
  return description_text;
}

/* --- Tensors ---------------------------------------------------------------------------------- */

int network_tensor_count(const struct network *n)
{
  return 2 * (n->layers + 2);
}

void network_tensor_info(const struct network *n, int index, struct network_tensor *t)
{
  int layer = index / 2;
  bool conv = layer < n->layers, bias = index % 2;
  memset(t, 0, sizeof *t);
  snprintf(t->name, sizeof t->name, "%s%d.%s", conv ? "conv" : "fc", conv ? layer : layer - n->layers,
           bias ? "bias" : "weight");
  const struct network_config *c = &n->plan.config;
  if (conv) {
    t->n_dims = 4;
    t->dims[0] = c->model.filters;
    t->dims[1] = n->plan.conv[layer].in_channels;
    t->dims[2] = t->dims[3] = c->kernel;
  } else {
    t->n_dims = 2;
    t->dims[0] = layer == n->layers ? c->num_fc_units : n->plan.classes;
    t->dims[1] = layer == n->layers ? n->plan.features : c->num_fc_units;
  }
  if (bias) t->n_dims = 1;
  t->count = 1;
  for (int i = 0; i < t->n_dims; i++) t->count *= t->dims[i];
}

/* Place in memory of logical feature f of the flattened last map, whose order is (c, h, w). */
static int feature_place(const struct network *n, int f)
{
  const struct loop_conv *last = &n->shape[n->layers - 1];
  int area = last->pool_height * last->pool_width, block = n->loops->block;
  int c = f / area, p = f % area;
  return (c / block * area + p) * block + c % block;
}

/* Place among a layer's weights of the logical element (out, in) or, in the first layer, (out, in,
 * tap). */
static int64_t weight_place(const struct network *n, int layer, int out, int in, int tap)
{
  if (layer == 0) {
    int taps = n->shape[0].kernel * n->shape[0].kernel, block = n->loops->block;
    return ((int64_t)(out / block * n->shape[0].in_channels + in) * taps + tap) * block + out % block;
  }
  if (layer == n->layers) return (int64_t)feature_place(n, in) * n->units + out;
  return (int64_t)in * n->classes + out;
}

/* Copies between `base` (arrays as n->weights) and the logical tensor; to_logical decides the
 * way. */
static int tensor_copy(struct network *n, int index, float *base, float *logical, bool to_logical, struct error *e)
{
  struct network_tensor t;
  network_tensor_info(n, index, &t);
  int layer = index / 2;
  const struct network_place *q = &n->place[layer];
  if (index % 2) {
    if (to_logical)
      memcpy(logical, base + q->bias, (size_t)t.count * sizeof(float));
    else
      memcpy(base + q->bias, logical, (size_t)t.count * sizeof(float));
    return 0;
  }
  float *w = base + q->weight;
  if (layer == 0 || layer >= n->layers) {
    int taps = layer == 0 ? t.dims[2] * t.dims[3] : 1;
    for (int out = 0; out < t.dims[0]; out++)
      for (int in = 0; in < t.dims[1]; in++)
        for (int tap = 0; tap < taps; tap++) {
          float *l = &logical[((int64_t)out * t.dims[1] + in) * taps + tap];
          float *m = &w[weight_place(n, layer, out, in, tap)];
          if (to_logical)
            *l = *m;
          else
            *m = *l;
        }
    return 0;
  }
  /* deeper convolutions: through the plain layout with the channels padded */
  size_t taps = (size_t)t.dims[2] * (size_t)t.dims[3], line = (size_t)t.dims[1] * taps,
         padded_line = (size_t)n->filters * taps;
  float *plain = calloc((size_t)q->weights, sizeof *plain);
  if (!plain) return error_set(e, ERROR_MACHINE, "no memory to copy %s", t.name);
  int rc = to_logical ? cpu_conv_weights_get(n->conv[layer], w, plain, e) : 0;
  for (int out = 0; out < t.dims[0] && !rc; out++) {
    float *l = logical + (size_t)out * line, *m = plain + (size_t)out * padded_line;
    memcpy(to_logical ? l : m, to_logical ? m : l, line * sizeof(float));
  }
  if (!rc && !to_logical) rc = cpu_conv_weights_set(n->conv[layer], plain, w, e);
  free(plain);
  return rc;
}

int network_tensor_get(struct network *n, int index, float *out, struct error *e)
{
  trainer_cpu_thread_begin();
  return tensor_copy(n, index, n->weights, out, true, e);
}

int network_tensor_set(struct network *n, int index, const float *in, struct error *e)
{
  trainer_cpu_thread_begin();
  return tensor_copy(n, index, n->weights, (float *)in, false, e);
}

int network_gradient_get(struct network *n, int index, float *out, struct error *e)
{
  trainer_cpu_thread_begin();
  return tensor_copy(n, index, n->gradients, out, true, e);
}

/* --- Checkpoints ------------------------------------------------------------------------------ */

/* A block is this and then the arrays as they lie in memory: it is for the same plan on the same
 * instruction set. */
struct checkpoint_header {
  char magic[8];
  int64_t n_weights, arrays, epoch, step, begin;
  double loss_sum;
  double beta1_power, beta2_power;
  uint64_t key;
  char description[128];
};

static const char checkpoint_magic[8] = "gsosnet2";

static int checkpoint_arrays(struct network *n, float *array[3])
{
  array[0] = n->weights;
  array[1] = n->second_moment;
  array[2] = n->first_moment;
  return n->first_moment ? 3 : 2;
}

int network_checkpoint(struct network *n, void **block, size_t *bytes, struct error *e)
{
  float *array[3];
  struct checkpoint_header h = {.n_weights = n->n_weights,
                                .arrays = checkpoint_arrays(n, array),
                                .epoch = n->epoch,
                                .step = n->step,
                                .begin = n->begin,
                                .loss_sum = n->loss_sum,
                                .beta1_power = n->beta1_power,
                                .beta2_power = n->beta2_power,
                                .key = n->key};
  memcpy(h.magic, checkpoint_magic, sizeof h.magic);
  snprintf(h.description, sizeof h.description, "%s", trainer_cpu_description());
  size_t each = (size_t)n->n_weights * sizeof(float);
  *bytes = sizeof h + (size_t)h.arrays * each;
  char *b = malloc(*bytes);
  if (!b) return error_set(e, ERROR_MACHINE, "no memory for a checkpoint of %.1f MB", (double)*bytes * 1e-6);
  memcpy(b, &h, sizeof h);
  for (int i = 0; i < h.arrays; i++) memcpy(b + sizeof h + (size_t)i * each, array[i], each);
  *block = b;
  return 0;
}

int network_restore(struct network *n, const void *block, size_t bytes, struct error *e)
{
  struct checkpoint_header h;
  float *array[3];
  int arrays = checkpoint_arrays(n, array);
  size_t each = (size_t)n->n_weights * sizeof(float);
  if (bytes < sizeof h) return error_set(e, ERROR_FAILED, "a checkpoint of %zu bytes is cut off", bytes);
  memcpy(&h, block, sizeof h);
  h.description[sizeof h.description - 1] = 0;
  if (memcmp(h.magic, checkpoint_magic, sizeof h.magic) != 0) return error_set(e, ERROR_FAILED, "not a checkpoint");
  if (strcmp(h.description, trainer_cpu_description()) != 0)
    return error_set(e, ERROR_FAILED, "the checkpoint was made with %s, this is %s", h.description,
                     trainer_cpu_description());
  if (h.n_weights != n->n_weights || h.arrays != arrays || h.key != n->key || bytes != sizeof h + (size_t)arrays * each)
    return error_set(e, ERROR_FAILED, "the checkpoint is of another network");
  if (h.epoch < 0 || h.step < 0 || h.begin < 0 || h.begin > (int64_t)n->train.n + n->plan.config.batch_size)
    return error_set(e, ERROR_FAILED, "the checkpoint is damaged");
  for (int i = 0; i < arrays; i++) memcpy(array[i], (const char *)block + sizeof h + (size_t)i * each, each);
  n->epoch = h.epoch;
  n->step = h.step;
  n->begin = (int)h.begin;
  n->loss_sum = h.loss_sum;
  n->beta1_power = h.beta1_power;
  n->beta2_power = h.beta2_power;
  return 0;
}
