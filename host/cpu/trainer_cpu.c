/* The CPU trainer: one network, one thread.
 *
 * Every layer runs over the whole batch before the next one starts, in chunks of images small
 * enough that the map between a convolution and its pool stays in the cache (conv_chunk).  So that
 * map exists for one chunk only, and memory holds the pooled maps and their argmax bytes; backward,
 * a map's gradient takes the map's own place as soon as the weight gradient has read it.  A last
 * chunk that the batch does not fill is filled with images whose gradient is zero: they add
 * nothing, and one primitive serves every batch.
 *
 * The flattened last map keeps the blocked order, and the first dense layer's rows are in that
 * order; only tensors that come and go (trainer_cpu_state.c) and dropout's element numbers know the
 * logical one. */
#include "host/cpu/trainer_cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined __x86_64__
#include <xmmintrin.h>
#endif

#include "host/base/pieces.h"
#include "host/network/class_weights.h"
#include "kernels/adam.h"
#include "kernels/philox.h"
#include "host/cpu/dnnl_compat.h"

/* Of the OpenMP runtime that oneDNN brings; declared here because clang comes without <omp.h>. */
void omp_set_num_threads(int n);

void trainer_cpu_thread_begin(void)
{
  omp_set_num_threads(1);
#if defined __x86_64__
  _mm_setcsr(_mm_getcsr() | 0x8040); /* denormals are zero, as operands and as results */
#elif defined __aarch64__
  uint64_t fpcr;
  __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
  __asm__ volatile("msr fpcr, %0" : : "r"(fpcr | 1u << 24));
#endif
}

/* --- Shapes and memory ------------------------------------------------------------------------ */

static int64_t round_up(int64_t n, int64_t to)
{
  return (n + to - 1) / to * to;
}

/* Images of the batch rounded up to whole chunks of layer l. */
static int chunked(const struct network *n, int l, int count)
{
  return (int)round_up(count, n->shape[l].images);
}

/* Floats of one image's pooled map of layer l. */
static size_t map_floats(const struct network *n, int l)
{
  return (size_t)n->filters * (size_t)n->shape[l].pool_height * (size_t)n->shape[l].pool_width;
}

/* Channels in whole blocks: 8, or a multiple of 16. */
static int padded_filters(int filters)
{
  return filters <= 8 ? 8 : (int)round_up(filters, 16);
}

/* Images that a convolution takes at once: as many as keep the map after it, which is written and
 * read once more at once, in a level-2 cache of 512 KiB beside the weights and the layer's input; a
 * power of two that divides NETWORK_IMAGES_ROUND.  The order of sums depends on it, so it depends
 * on the shape alone. */
static int conv_chunk(const struct conv_shape *s)
{
  int64_t image = (int64_t)4 * padded_filters(s->filters) * s->conv_height * s->conv_width;
  int chunk = NETWORK_IMAGES_ROUND;
  while (chunk > 1 && chunk * image > 256 * 1024) chunk /= 2;
  return chunk;
}

static void make_shapes(struct network *n)
{
  const struct plan *p = &n->plan;
  for (int l = 0; l < n->layers; l++) {
    const struct conv_shape *s = &p->conv[l];
    n->shape[l] = (struct loop_conv){.images = conv_chunk(s),
                                     .in_channels = l ? n->filters : s->in_channels,
                                     .out_channels = n->filters,
                                     .in_height = l ? s->in_height : s->in_height + 2 * s->pad,
                                     .in_width = l ? s->in_width : s->in_width + 2 * s->pad,
                                     .out_height = s->conv_height,
                                     .out_width = s->conv_width,
                                     .pool_height = s->pool_height,
                                     .pool_width = s->pool_width,
                                     .kernel = s->kernel,
                                     .stride = s->stride,
                                     .pad = s->pad,
                                     .row = (int)round_up(s->in_width + 2 * s->pad + 8, 16)};
  }
  n->features = (int)map_floats(n, n->layers - 1);
}

/* Where each layer's weights and biases lie; all lengths are multiples of 8, all places of 16. */
static void make_places(struct network *n)
{
  int64_t at = 0;
  for (int i = 0; i < n->layers + 2; i++) {
    struct network_place *q = &n->place[i];
    if (i < n->layers) {
      const struct loop_conv *s = &n->shape[i];
      q->weights = (int64_t)s->out_channels * s->in_channels * s->kernel * s->kernel;
      q->biases = s->out_channels;
    } else {
      q->biases = i == n->layers ? n->units : n->classes;
      q->weights = (i == n->layers ? n->features : n->units) * q->biases;
    }
    q->weight = at;
    q->bias = at + round_up(q->weights, 16);
    at = q->bias + round_up(q->biases, 16);
  }
  n->n_weights = at;
}

static void *take(struct pieces *p, size_t bytes)
{
  return pieces_take(p, (int64_t)bytes);
}

static float *take_floats(struct pieces *p, size_t count)
{
  return take(p, count * sizeof(float));
}

enum { ALIGNMENT = 64 }; /* of each array: a cache line */

/* All arrays, one after the other.  The memory of a trial is what this comes to
 * (network_plan_bytes), so nothing here may depend on the machine. */
static void lay_out(struct network *n, struct pieces *p)
{
  size_t weights = (size_t)n->n_weights, images = (size_t)n->images, full = 0;
  n->weights = take_floats(p, weights);
  n->gradients = take_floats(p, weights);
  n->second_moment = take_floats(p, weights);
  n->first_moment = n->plan.config.optimizer == OPTIMIZER_ADAM ? take_floats(p, weights) : NULL;
  for (int l = 0; l < n->layers; l++) {
    const struct loop_conv *s = &n->shape[l];
    n->map[l] = take_floats(p, images * map_floats(n, l));
    n->argmax[l] = take(p, images * map_floats(n, l));
    size_t chunk = (size_t)s->images * (size_t)s->out_channels * (size_t)s->out_height * (size_t)s->out_width;
    if (l && chunk > full) full = chunk;
  }
  n->full = take_floats(p, full);
  if (n->layers > 1) {
    size_t largest = (size_t)n->place[1].weights + (size_t)n->place[1].biases;
    n->weights_other = take_floats(p, largest);
    n->chunk_gradient = take_floats(p, largest);
    n->sum_gradient = take_floats(p, largest);
  }
  const struct loop_conv *first = &n->shape[0];
  /* the gradient's loop reads whole vectors, a few floats past the last row */
  n->input = take_floats(p, (size_t)first->in_channels * (size_t)first->in_height * (size_t)first->row + 16);
  n->hidden = take_floats(p, images * (size_t)n->units);
  n->hidden_gradient = take_floats(p, images * (size_t)n->units);
  n->logits = take_floats(p, images * (size_t)n->classes);
  n->features_gradient = take_floats(p, images * (size_t)n->features);
  n->sum = take_floats(p, images);
  n->below = take_floats(p, images);
  n->best = take(p, images * sizeof *n->best);
  n->labels = take(p, images * sizeof *n->labels);
  n->bytes = take(p, images * sizeof *n->bytes);
  n->words = take(p, ((size_t)(n->features > n->units ? n->features : n->units) + 128) * sizeof *n->words);
  n->table = take_floats(p, 256 * (size_t)n->plan.channels);
  bool weighted = n->plan.config.model.class_weights != CLASS_WEIGHTS_NONE;
  n->class_weights = weighted ? take_floats(p, (size_t)n->classes) : NULL;
}

/* What follows from the plan; the network is zeroed. */
static void make_layout(struct network *n, const struct plan *p)
{
  struct pieces count = {.alignment = ALIGNMENT};
  n->plan = *p;
  n->layers = p->config.num_conv_layers;
  n->filters = padded_filters(p->config.model.filters);
  n->units = (int)round_up(p->config.num_fc_units, 16);
  n->classes = (int)round_up(p->classes, 16);
  n->images = (int)round_up(p->config.batch_size, NETWORK_IMAGES_ROUND);
  make_shapes(n);
  make_places(n);
  lay_out(n, &count);
  n->arena_bytes = (size_t)count.used;
}

int64_t network_plan_bytes(const struct plan *p)
{
  struct network n = {0};
  if (p->feasible) make_layout(&n, p);
  return (int64_t)n.arena_bytes;
}

/* Uniform in ±√(6 / fan_in), element by element of the logical tensor; biases stay 0. */
static int initialise(struct network *n, struct error *e)
{
  for (int i = 0; i < network_tensor_count(n); i += 2) {
    struct network_tensor t;
    network_tensor_info(n, i, &t);
    float *w = malloc((size_t)t.count * sizeof *w);
    if (!w) return error_set(e, ERROR_MACHINE, "no memory for the weights of %s", t.name);
    float bound = (float)sqrt(6.0 / (double)(t.count / t.dims[0]));
    uint64_t subsequence = philox_subsequence(PHILOX_WEIGHTS, i / 2, 0);
    for (int64_t j = 0; j < t.count; j += 4) {
      struct philox_block b = philox4x32(n->key, subsequence, (uint64_t)j / 4);
      for (int k = 0; k < 4 && j + k < t.count; k++)
        w[j + k] = (2 * philox_uniform(b.word[k]) - 1) * bound; /* 2u − 1 is exact */
    }
    int rc = network_tensor_set(n, i, w, e);
    free(w);
    if (rc) return rc;
  }
  return 0;
}

/* The arrays, zeroed, and the library's scratch. */
static int allocate(struct network *n, struct error *e)
{
  enum { PAGE = 4096 };
  if (posix_memalign(&n->arena, PAGE, n->arena_bytes)) n->arena = NULL;
  if (n->scratch_bytes && posix_memalign(&n->scratch, PAGE, n->scratch_bytes)) n->scratch = NULL;
  if (!n->arena || (n->scratch_bytes && !n->scratch))
    return error_set(e, ERROR_MACHINE, "no memory for a network of %.1f MB", (double)network_bytes(n) * 1e-6);
  memset(n->arena, 0, n->arena_bytes);
  return 0;
}

int network_create(struct network **out, const struct plan *p, uint64_t key, const struct dataset *d, struct error *e)
{
  trainer_cpu_thread_begin();
  if (!p->feasible) return error_set(e, ERROR_FAILED, "this network cannot be: %s", p->reason);
  if (d->height != p->height || d->width != p->width || d->channels != p->channels || d->n_classes > p->classes)
    return error_set(e, ERROR_FAILED, "the network is for %d×%d×%d images of %d classes, the data are %d×%d×%d of %d",
                     p->height, p->width, p->channels, p->classes, d->height, d->width, d->channels, d->n_classes);
  struct network *n = calloc(1, sizeof *n);
  if (!n) return error_set(e, ERROR_MACHINE, "no memory for a network");
  make_layout(n, p);
  n->key = key;
  n->train = d->train;
  n->beta1_power = n->beta2_power = 1;
  enum cpu_isa isa = compat_isa();
  n->loops = cpu_loops_find(isa, n->filters % 16 == 0 && isa == CPU_ISA_AVX512 ? 16 : 8);

  int rc = 0;
  for (int l = 1; l < n->layers && !rc; l++) {
    rc = cpu_conv_create(&n->conv[l], &n->shape[l], n->loops, e);
    if (!rc && cpu_conv_scratch_bytes(n->conv[l]) > n->scratch_bytes)
      n->scratch_bytes = cpu_conv_scratch_bytes(n->conv[l]);
  }
  if (!rc) rc = allocate(n, e);
  if (!rc) {
    lay_out(n, &(struct pieces){.base = n->arena, .alignment = ALIGNMENT});
    dataset_table(d, n->table);
    rc = n->class_weights ? class_weights_balanced(&d->train, p->classes, n->class_weights, e) : 0;
  }
  if (!rc) rc = initialise(n, e);
  if (rc) {
    network_destroy(n);
    return rc;
  }
  *out = n;
  return 0;
}

void network_destroy(struct network *n)
{
  if (!n) return;
  for (int l = 1; l < n->layers; l++) cpu_conv_destroy(n->conv[l]);
  free(n->arena);
  free(n->scratch);
  free(n);
}

int64_t network_bytes(const struct network *n)
{
  return (int64_t)(n->arena_bytes + n->scratch_bytes);
}

/* --- Time of each stage, where the benchmark asks --------------------------------------------- */

static double stage_begin(const struct network *n)
{
  if (!n->stage_seconds) return 0;
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double stage_end(struct network *n, int stage, double since)
{
  double now = stage_begin(n);
  if (n->stage_seconds) n->stage_seconds[stage] += now - since;
  return now;
}

/* --- Forward ---------------------------------------------------------------------------------- */

static void gather(struct network *n, int i)
{
  const struct plan *p = &n->plan;
  n->loops->gather(p->height, p->width, p->channels, n->shape[0].pad, n->shape[0].row, n->table, n->bytes[i], n->input);
}

/* The rest of layer l's maps, up to where deeper layers' larger chunks read, is zero. */
static void clear_rest(struct network *n, int l, int from, int count)
{
  int to = (int)round_up(count, NETWORK_IMAGES_ROUND);
  size_t floats = map_floats(n, l);
  if (to > from) memset(n->map[l] + (size_t)from * floats, 0, (size_t)(to - from) * floats * sizeof(float));
}

static void first_forward(struct network *n, int count)
{
  const struct network_place *q = &n->place[0];
  size_t floats = map_floats(n, 0);
  double t = stage_begin(n);
  for (int i = 0; i < count; i++) {
    gather(n, i);
    n->loops->first_forward(&n->shape[0], n->input, n->weights + q->weight, n->weights + q->bias,
                            n->map[0] + (size_t)i * floats, n->argmax[0] + (size_t)i * floats);
  }
  clear_rest(n, 0, count, count);
  stage_end(n, STAGE_FIRST_FORWARD, t);
}

static int conv_forward(struct network *n, int l, int count, struct error *e)
{
  const struct network_place *q = &n->place[l];
  const struct loop_conv *s = &n->shape[l];
  int end = chunked(n, l, count);
  for (int i = 0; i < end; i += s->images) {
    double t = stage_begin(n);
    int rc = cpu_conv_forward(n->conv[l], n->map[l - 1] + (size_t)i * map_floats(n, l - 1), n->weights + q->weight,
                              n->weights + q->bias, n->full, n->scratch, e);
    if (rc) return rc;
    t = stage_end(n, STAGE_CONV + 5 * l + STAGE_FORWARD, t);
    size_t at = (size_t)i * map_floats(n, l);
    n->loops->pool_forward(s, n->full, n->map[l] + at, n->argmax[l] + at);
    stage_end(n, STAGE_CONV + 5 * l + STAGE_POOL, t);
  }
  clear_rest(n, l, end, count);
  return 0;
}

/* Dropout of block 0 or 1 (before the first and before the second dense layer), in place. */
static void dropout(struct network *n, int block, int count)
{
  double rate = n->plan.config.dropout_rate;
  if (!(rate > 0)) return;
  double t = stage_begin(n);
  uint32_t threshold = philox_dropout_threshold(rate);
  float scale = (float)(1 / (1 - rate));
  uint64_t subsequence = philox_subsequence(PHILOX_DROPOUT, block, (uint64_t)n->step);
  const struct loop_conv *last = &n->shape[n->layers - 1];
  int features = block ? n->plan.config.num_fc_units : n->plan.features;
  for (int i = 0; i < count; i++) {
    float *row =
        block ? n->hidden + (size_t)i * (size_t)n->units : n->map[n->layers - 1] + (size_t)i * (size_t)n->features;
    n->loops->dropout(n->key, subsequence, (uint64_t)i * (uint64_t)features, features,
                      block ? 1 : last->pool_height * last->pool_width, block ? 1 : n->loops->block, threshold, scale,
                      n->words, row);
  }
  stage_end(n, STAGE_DROPOUT, t);
}

/* Logits of `count` images, whose bytes are in n->bytes. */
static int forward(struct network *n, int count, bool training, struct error *e)
{
  first_forward(n, count);
  for (int l = 1; l < n->layers; l++) {
    int rc = conv_forward(n, l, count, e);
    if (rc) return rc;
  }
  const struct network_place *first = &n->place[n->layers], *second = first + 1;
  if (training) dropout(n, 0, count);
  double t = stage_begin(n);
  int rc = compat_matmul(false, false, count, n->units, n->features, n->map[n->layers - 1], n->features,
                         n->weights + first->weight, n->units, n->hidden, n->units, e);
  if (rc) return rc;
  n->loops->bias_relu(count, n->units, n->weights + first->bias, true, n->hidden);
  stage_end(n, STAGE_DENSE_FORWARD, t);
  if (training) dropout(n, 1, count);
  t = stage_begin(n);
  rc = compat_matmul(false, false, count, n->classes, n->units, n->hidden, n->units, n->weights + second->weight,
                     n->classes, n->logits, n->classes, e);
  if (rc) return rc;
  n->loops->bias_relu(count, n->classes, n->weights + second->bias, false, n->logits);
  stage_end(n, STAGE_DENSE_FORWARD, t);
  return 0;
}

/* Softmax of the logits; returns the sum of the images' cross-entropies, each times its class's
 * weight (NULL: 1). */
static double loss_sum(struct network *n, int count, const float *class_weights)
{
  n->loops->softmax(count, n->plan.classes, n->classes, n->labels, n->logits, n->best, n->sum, n->below);
  double sum = 0;
  for (int i = 0; i < count; i++) {
    double loss = log((double)n->sum[i]) - (double)n->below[i];
    sum += class_weights ? (double)class_weights[n->labels[i]] * loss : loss;
  }
  return sum;
}

/* --- Backward --------------------------------------------------------------------------------- */

/* Probabilities become the gradient of the batch's loss by the logits. */
static void softmax_backward(struct network *n, int count)
{
  if (!n->class_weights) {
    n->loops->softmax_backward(count, n->classes, n->labels, 1.0f / (float)count, n->logits);
    return;
  }
  for (int i = 0; i < count; i++)
    n->loops->softmax_backward(1, n->classes, &n->labels[i], n->class_weights[n->labels[i]] / (float)count,
                               n->logits + (size_t)i * (size_t)n->classes);
}

static int dense_backward(struct network *n, int count, struct error *e)
{
  const struct network_place *first = &n->place[n->layers], *second = first + 1;
  double rate = n->plan.config.dropout_rate, t = stage_begin(n);
  float scale = rate > 0 ? (float)(1 / (1 - rate)) : 1, *last = n->map[n->layers - 1];
  softmax_backward(n, count);
  int rc = compat_matmul(true, false, n->units, n->classes, count, n->hidden, n->units, n->logits, n->classes,
                         n->gradients + second->weight, n->classes, e);
  if (!rc)
    rc = compat_matmul(false, true, count, n->units, n->classes, n->logits, n->classes, n->weights + second->weight,
                       n->classes, n->hidden_gradient, n->units, e);
  if (rc) return rc;
  n->loops->column_sums(count, n->classes, n->logits, n->gradients + second->bias);
  /* What ReLU or dropout made zero has no gradient, and both left zeros behind. */
  n->loops->masked_scale((size_t)count * (size_t)n->units, n->hidden, n->hidden_gradient, scale, n->hidden_gradient);
  rc = compat_matmul(true, false, n->features, n->units, count, last, n->features, n->hidden_gradient, n->units,
                     n->gradients + first->weight, n->units, e);
  if (!rc)
    rc = compat_matmul(false, true, count, n->features, n->units, n->hidden_gradient, n->units,
                       n->weights + first->weight, n->units, n->features_gradient, n->features, e);
  if (rc) return rc;
  n->loops->column_sums(count, n->units, n->hidden_gradient, n->gradients + first->bias);
  size_t filled = (size_t)count * (size_t)n->features,
         all = (size_t)round_up(count, NETWORK_IMAGES_ROUND) * (size_t)n->features;
  n->loops->masked_scale(filled, last, n->features_gradient, scale, last);
  memset(last + filled, 0, (all - filled) * sizeof *last);
  stage_end(n, STAGE_DENSE_BACKWARD, t);
  return 0;
}

/* Layer l >= 1: the gradient of its pooled map is in map[l]; that of map[l - 1] takes the map's
 * place. */
static int conv_backward(struct network *n, int l, int count, struct error *e)
{
  const struct network_place *q = &n->place[l];
  const struct loop_conv *s = &n->shape[l];
  struct cpu_conv *c = n->conv[l];
  size_t weights = (size_t)q->weights, biases = (size_t)q->biases;
  bool home = cpu_conv_gradient_is_home(c);
  float *dw = home ? n->gradients + q->weight : n->sum_gradient, *db = n->gradients + q->bias;
  const float *view;
  double t = stage_begin(n);
  int rc = cpu_conv_backward_weights_view(c, n->weights + q->weight, n->weights_other, &view, n->scratch, e);
  t = stage_end(n, STAGE_CONV + 5 * l + STAGE_DATA, t);
  for (int i = 0; i < chunked(n, l, count) && !rc; i += s->images) {
    size_t at = (size_t)i * map_floats(n, l);
    float *x = n->map[l - 1] + (size_t)i * map_floats(n, l - 1);
    n->loops->pool_backward(s, n->map[l] + at, n->argmax[l] + at, n->full);
    t = stage_end(n, STAGE_CONV + 5 * l + STAGE_POOL_BACKWARD, t);
    if (i == 0) {
      rc = cpu_conv_backward_weights(c, x, n->full, dw, db, n->scratch, e);
    } else {
      rc = cpu_conv_backward_weights(c, x, n->full, n->chunk_gradient, n->chunk_gradient + weights, n->scratch, e);
      n->loops->add(weights, dw, n->chunk_gradient);
      n->loops->add(biases, db, n->chunk_gradient + weights);
    }
    t = stage_end(n, STAGE_CONV + 5 * l + STAGE_WEIGHTS, t);
    if (!rc) rc = cpu_conv_backward_data(c, n->full, view, x, n->scratch, e);
    t = stage_end(n, STAGE_CONV + 5 * l + STAGE_DATA, t);
  }
  if (!rc && !home) rc = cpu_conv_gradient_home(c, dw, n->gradients + q->weight, n->scratch, e);
  stage_end(n, STAGE_CONV + 5 * l + STAGE_WEIGHTS, t);
  return rc;
}

static void first_backward(struct network *n, int count)
{
  const struct network_place *q = &n->place[0];
  size_t floats = map_floats(n, 0);
  double t = stage_begin(n);
  memset(n->gradients + q->weight, 0, (size_t)(q->bias - q->weight + q->biases) * sizeof(float));
  for (int i = 0; i < count; i++) {
    gather(n, i); /* again: cheaper than to keep every image as floats */
    n->loops->first_backward(&n->shape[0], n->input, n->map[0] + (size_t)i * floats, n->argmax[0] + (size_t)i * floats,
                             n->gradients + q->weight, n->gradients + q->bias);
  }
  stage_end(n, STAGE_FIRST_BACKWARD, t);
}

static void optimise(struct network *n)
{
  const struct network_config *c = &n->plan.config;
  double t = stage_begin(n);
  size_t count = (size_t)n->n_weights;
  const struct optimizer_settings o = optimizer_settings_of(c);
  if (c->optimizer == OPTIMIZER_ADAM) {
    n->beta1_power *= ADAM_BETA1;
    n->beta2_power *= ADAM_BETA2;
    const struct adam_step s = {.beta1 = (float)ADAM_BETA1,
                                .beta2 = (float)ADAM_BETA2,
                                .epsilon = (float)ADAM_EPSILON,
                                .correction1 = (float)(1 / (1 - n->beta1_power)),
                                .correction2 = (float)(1 / sqrt(1 - n->beta2_power))};
    n->loops->adam(count, &o, &s, n->weights, n->gradients, n->first_moment, n->second_moment);
  } else {
    n->loops->sgd(count, &o, n->weights, n->gradients, n->second_moment);
  }
  stage_end(n, STAGE_OPTIMIZER, t);
}

/* Gradients of the mean loss of the batch in n->bytes and n->labels. *loss: the sum over its
 * images. */
int network_gradients(struct network *n, int count, double *loss, struct error *e)
{
  int rc = forward(n, count, true, e);
  if (rc) return rc;
  *loss = loss_sum(n, count, n->class_weights);
  if (!isfinite(*loss)) return 0;
  rc = dense_backward(n, count, e);
  for (int l = n->layers - 1; l > 0 && !rc; l--) rc = conv_backward(n, l, count, e);
  if (!rc) first_backward(n, count);
  return rc;
}

/* --- Epochs ----------------------------------------------------------------------------------- */

static const uint8_t *image_of(const struct network *n, const struct dataset_split *s, int i)
{
  return s->images + (int64_t)s->rows[i] * n->plan.height * n->plan.width * n->plan.channels;
}

int network_train_batch(struct network *n, const struct philox_permutation *order, int begin, double *loss,
                        struct error *e)
{
  int count = n->train.n - begin < n->plan.config.batch_size ? n->train.n - begin : n->plan.config.batch_size;
  for (int j = 0; j < count; j++) {
    int row = (int)philox_permutation_at(order, (uint32_t)(begin + j));
    n->bytes[j] = image_of(n, &n->train, row);
    n->labels[j] = (uint16_t)dataset_label(&n->train, row);
  }
  *loss = 0;
  int rc = network_gradients(n, count, loss, e);
  if (rc || !isfinite(*loss)) return rc;
  optimise(n);
  n->step++;
  return 0;
}

int network_train_epoch(struct network *n, double *loss, const volatile int *stop, struct error *e)
{
  trainer_cpu_thread_begin();
  struct philox_permutation order =
      philox_permutation_make(n->key, philox_subsequence(PHILOX_ORDER, 0, (uint64_t)n->epoch), (uint32_t)n->train.n);
  while (n->begin < n->train.n) {
    double batch;
    int rc = network_train_batch(n, &order, n->begin, &batch, e);
    if (rc) return rc;
    if (!isfinite(batch)) {
      *loss = batch;
      return 0;
    }
    n->loss_sum += batch;
    n->begin += n->plan.config.batch_size;
    if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)) return error_set(e, ERROR_INTERRUPTED, "stopped");
  }
  *loss = n->loss_sum / (n->train.n ? n->train.n : 1);
  n->epoch++;
  n->begin = 0;
  n->loss_sum = 0;
  return 0;
}

int network_evaluate_each(struct network *n, const struct dataset_split *s, struct evaluation *out, network_told told,
                          void *context, const volatile int *stop, struct error *e)
{
  trainer_cpu_thread_begin();
  double sum = 0;
  *out = (struct evaluation){.n = s->n};
  for (int i = 0; i < s->n; i += n->images) {
    int count = s->n - i < n->images ? s->n - i : n->images;
    for (int j = 0; j < count; j++) {
      n->bytes[j] = image_of(n, s, i + j);
      n->labels[j] = (uint16_t)dataset_label(s, i + j);
    }
    int rc = forward(n, count, false, e);
    if (rc) return rc;
    sum += loss_sum(n, count, NULL); /* the logits are probabilities from here on */
    for (int j = 0; j < count && !rc; j++) {
      out->correct += n->best[j] == n->labels[j];
      if (told) rc = told(context, i + j, n->labels[j], n->best[j], n->logits + (size_t)j * (size_t)n->classes, e);
    }
    if (rc) return rc;
    if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)) return error_set(e, ERROR_INTERRUPTED, "stopped");
  }
  out->accuracy = s->n ? (double)out->correct / s->n : 0;
  out->loss = s->n ? sum / s->n : 0;
  return 0;
}

struct tally {
  int classes;
  int32_t *counts; /* [2][classes] */
};

static int tally_image(void *context, int image, int label, int said, const float *probabilities, struct error *e)
{
  const struct tally *t = context;
  (void)image, (void)probabilities, (void)e;
  t->counts[said] += said == label;
  t->counts[t->classes + said]++;
  return 0;
}

int network_evaluate_classes(struct network *n, const struct dataset *d, const struct dataset_split *s,
                             struct evaluation *out, int32_t *tally, const volatile int *stop, struct error *e)
{
  struct tally t = {n->plan.classes, tally};
  (void)d; /* the network keeps the table that it was made with */
  if (tally) memset(tally, 0, 2 * (size_t)t.classes * sizeof *tally);
  return network_evaluate_each(n, s, out, tally ? tally_image : NULL, &t, stop, e);
}

int network_evaluate(struct network *n, const struct dataset *d, const struct dataset_split *s, struct evaluation *out,
                     const volatile int *stop, struct error *e)
{
  return network_evaluate_classes(n, d, s, out, NULL, stop, e);
}

int network_predict(struct network *n, const uint8_t *images, int count, float *probabilities, struct error *e)
{
  trainer_cpu_thread_begin();
  size_t bytes = (size_t)n->plan.height * (size_t)n->plan.width * (size_t)n->plan.channels;
  for (int i = 0; i < count; i += n->images) {
    int now = count - i < n->images ? count - i : n->images;
    for (int j = 0; j < now; j++) n->bytes[j] = images + (size_t)(i + j) * bytes;
    int rc = forward(n, now, false, e);
    if (rc) return rc;
    n->loops->softmax(now, n->plan.classes, n->classes, NULL, n->logits, n->best, n->sum, n->below);
    for (int j = 0; j < now; j++)
      memcpy(probabilities + (size_t)(i + j) * (size_t)n->plan.classes, n->logits + (size_t)j * (size_t)n->classes,
             (size_t)n->plan.classes * sizeof(float));
  }
  return 0;
}
