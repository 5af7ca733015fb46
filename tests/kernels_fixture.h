/* For the tests of kernels: random networks in device memory, cohorts of them, and the stages of a step.
 *
 * A network's own memory is divided as the trainer divides it, and what lies between the pieces is out of bounds.  Every value comes
 * from a seed that a failure names; KERNELS_SEED=N gives other ones.  Header only: each test program includes it once. */
#ifndef GSOS_KERNELS_FIXTURE_H
#define GSOS_KERNELS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cudacpu/cudacpu.h"
#include "dataset.h"
#include "device_network.h"
#include "plan.h"
#include "rng.h"

#define TEST_MAY_USE __attribute__((unused))

#ifndef STORED_IMAGES
#define STORED_IMAGES 60
#endif

struct net {
  struct plan plan;
  struct device_trial t; /* as the device has it */
  uint64_t seed;
  int count;  /* images of the batch */
  bool whole; /* values are small whole numbers: every sum is exact in any order, and equals are frequent */
  void *memory;
  int64_t bytes;
  float mean[4], deviation[4], table[4 * 256];
  uint8_t *images; /* [STORED_IMAGES][H][W][C] */
  uint16_t labels[STORED_IMAGES];
  int32_t train_rows[STORED_IMAGES], validation_rows[STORED_IMAGES];
  int32_t rows[256]; /* of the batch, where a test chose it */
  float *weights;    /* [parameters], where a test chose them */
};

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

static cudaStream_t stream;

static void no_reports(void)
{
  if (cudacpu_report_count()) fail_msg("%s", cudacpu_report(0)->text);
}

static int fresh_machine(void **state)
{
  (void)state;
  const size_t memory[1] = {(size_t)1 << 30};
  cudacpu_clear_reports();
  cudacpu_reset(1, memory);
  return cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess;
}

/* A GPU may still be copying when cudaMemcpy has read the host's memory, and `stream` does not wait for that.  In the harness it is done,
 * and to wait would hide where a test forgets to. */
static void arrived(void)
{
#ifdef REAL_GPU
  assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
#endif
}

static void *device_memory(const void *host, size_t bytes)
{
  void *p;
  assert_int_equal(cudaMalloc(&p, bytes), cudaSuccess);
  if (host) assert_int_equal(cudaMemcpy(p, host, bytes, cudaMemcpyHostToDevice), cudaSuccess);
  arrived();
  return p;
}

static void put(void *device, const void *host, int64_t bytes)
{
  assert_int_equal(cudaMemcpy(device, host, (size_t)bytes, cudaMemcpyHostToDevice), cudaSuccess);
  arrived();
}

/* A copy for the host, to be freed. */
static void *get(const void *device, int64_t bytes)
{
  void *p = malloc((size_t)bytes + 1);
  assert_int_equal(cudaMemcpy(p, device, (size_t)bytes, cudaMemcpyDeviceToHost), cudaSuccess);
  return p;
}

TEST_MAY_USE static float *get_floats(const float *device, int64_t count)
{
  return get(device, count * (int64_t)sizeof(float));
}

/* ---- pieces of a network's memory ------------------------------------------------------------------------------------------- */

struct piece {
  void *at;
  int64_t bytes;
};

static int64_t map_floats(const struct device_trial *t, int layer)
{
  const struct device_conv *c = &t->conv[layer];
  return (int64_t)c->pool_height * c->pool_width * c->matrix.columns;
}

static int64_t matrix_floats(const struct device_matrix *m)
{
  return (int64_t)(m->rows + 1) * m->columns;
}

static int64_t partial_floats(const struct device_trial *t)
{
  int64_t sum = 0;
  for (int l = 0; l < t->layers + 2; l++) sum += device_matrix(t, l)->splits * matrix_floats(device_matrix(t, l));
  return sum;
}

/* All of them, as kernels/network.h says how long they are; returns how many. */
static int net_pieces(const struct device_trial *t, struct piece piece[40])
{
  int n = 0;
  int64_t word = sizeof(float), batch = t->batch;
  piece[n++] = (struct piece){t->state, sizeof *t->state};
  piece[n++] = (struct piece){t->weights, word * t->parameters};
  piece[n++] = (struct piece){t->moment2, word * t->parameters};
  if (t->adam) piece[n++] = (struct piece){t->moment1, word * t->parameters};
  piece[n++] = (struct piece){t->partial, word * partial_floats(t)};
  for (int l = 0; l < t->layers; l++) {
    piece[n++] = (struct piece){t->conv[l].map, word * batch * map_floats(t, l)};
    piece[n++] = (struct piece){t->conv[l].gradient, word * batch * map_floats(t, l)};
    piece[n++] = (struct piece){t->conv[l].argmax, batch * map_floats(t, l)};
  }
  piece[n++] = (struct piece){t->hidden, word * batch * t->padded_units};
  piece[n++] = (struct piece){t->hidden_gradient, word * batch * t->padded_units};
  piece[n++] = (struct piece){t->logits, word * batch * t->padded_classes};
  piece[n++] = (struct piece){t->losses, word * batch};
  piece[n++] = (struct piece){t->hits, word * batch};
  piece[n++] = (struct piece){t->rows, word * batch};
  return n;
}

/* NaNs, or bytes of 255, everywhere. */
TEST_MAY_USE static void net_poison(const struct net *n)
{
  struct piece piece[40];
  int pieces = net_pieces(&n->t, piece);
  for (int i = 0; i < pieces; i++) assert_int_equal(cudaMemset(piece[i].at, 0xff, (size_t)piece[i].bytes), cudaSuccess);
}

TEST_MAY_USE static void assert_poisoned(const void *p, int64_t bytes, const char *what)
{
  for (int64_t i = 0; i < bytes; i++)
    if (((const uint8_t *)p)[i] != 0xff) fail_msg("%s: written beyond the batch, byte %ld", what, (long)i);
}

/* ---- networks --------------------------------------------------------------------------------------------------------------- */

static struct rng test_rng(uint64_t seed)
{
  return rng_make(seed, philox_subsequence(PHILOX_TEST, 0, 0));
}

static int draw(struct rng *r, int low, int high)
{
  return low + (int)rng_below(r, (uint32_t)(high - low + 1));
}

static float draw_value(struct rng *r, bool whole)
{
  return whole ? (float)draw(r, -2, 2) : (float)(2 * rng_uniform(r) - 1);
}

/* The first seed: of a test's case i it is this + i. */
static uint64_t first_seed(void)
{
  const char *given = getenv("KERNELS_SEED");
  return given ? strtoull(given, NULL, 10) : 1000;
}

static const char *net_text(const struct net *n)
{
  static char text[300];
  const struct network_config *c = &n->plan.config;
  snprintf(
      text, sizeof text,
      "seed %llu: %dx%dx%d, %d layers, kernel %d, stride %d, %s, %d filters, %d units, %d classes, batch %d of %d, "
      "dropout %g, %s%s",
      (unsigned long long)n->seed, n->plan.height, n->plan.width, n->plan.channels, c->num_conv_layers, c->kernel,
      c->stride, c->padding == PADDING_SAME ? "same" : "valid", c->model.filters, c->num_fc_units, n->plan.classes,
      n->count, c->batch_size, c->dropout_rate, c->optimizer == OPTIMIZER_ADAM ? "adam" : "sgd",
      n->whole ? ", whole numbers" : "");
  return text;
}

/* (x/255 - mean)/deviation as the CPU trainer rounds it; or whole numbers. */
static void make_table(struct net *n)
{
  for (int c = 0; c < n->plan.channels; c++)
    for (int x = 0; x < 256; x++) {
      volatile float scaled = (float)x / 255.0f;
      volatile float centred = scaled - n->mean[c];
      n->table[256 * c + x] = n->whole ? (float)((x + c) % 5 - 2) : centred / n->deviation[c];
    }
}

/* Device memory of a network whose plan, seed and `whole` are set, with random images; its key is its seed. */
static void net_make(struct net *n, struct rng *r)
{
  const struct plan *p = &n->plan;
  int64_t pixels = (int64_t)p->height * p->width * p->channels;
  n->images = malloc((size_t)(STORED_IMAGES * pixels));
  for (int64_t i = 0; i < STORED_IMAGES * pixels; i++) n->images[i] = (uint8_t)(rng_word(r) >> 24);
  for (int i = 0; i < STORED_IMAGES; i++) {
    n->labels[i] = (uint16_t)rng_below(r, (uint32_t)p->classes);
    n->train_rows[i] = draw(r, 0, STORED_IMAGES - 1);
    n->validation_rows[i] = draw(r, 0, STORED_IMAGES - 1);
  }
  for (int c = 0; c < 4; c++) {
    n->mean[c] = 0.4f + 0.05f * (float)c;
    n->deviation[c] = 0.3f - 0.02f * (float)c;
  }
  make_table(n);
  n->bytes = device_network_make(&n->t, p, n->seed);
  assert_true(n->bytes > 0);
  n->memory = device_memory(NULL, (size_t)n->bytes);
  device_network_place(&n->t, n->memory);
  struct piece piece[40];
  int pieces = net_pieces(&n->t, piece);
  cudacpu_forbid(n->memory, (size_t)n->bytes);
  for (int i = 0; i < pieces; i++) cudacpu_allow(piece[i].at, (size_t)piece[i].bytes);
  n->t.table = device_memory(n->table, (size_t)p->channels * 256 * sizeof(float));
  n->t.images = device_memory(n->images, (size_t)(STORED_IMAGES * pixels));
  n->t.labels = device_memory(n->labels, sizeof n->labels);
  n->t.train_rows = device_memory(n->train_rows, (size_t)p->train_images * sizeof *n->train_rows);
  n->t.validation_rows =
      device_memory(n->validation_rows, (size_t)(p->validation_images + 1) * sizeof *n->validation_rows);
}

static void net_destroy(struct net *n)
{
  cudacpu_allow(n->memory, (size_t)n->bytes);
  const void *const all[] = {n->memory, n->t.table, n->t.images, n->t.labels, n->t.train_rows, n->t.validation_rows};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) assert_int_equal(cudaFree((void *)all[i]), cudaSuccess);
  free(n->images);
  free(n->weights);
}

/* What a sweep wants of its networks. */
struct net_limits {
  int least_layers;
  double flops; /* of a step, at most */
};

/* A random one within the limits.  One in four has whole numbers for values; one in eight a batch of more than a tile. */
TEST_MAY_USE static void net_random(struct net *n, struct rng *r, uint64_t seed, struct net_limits limits)
{
  static const int kernels[] = {1, 3, 3, 3, 5, 5, 7};
  memset(n, 0, sizeof *n);
  n->seed = seed;
  n->whole = draw(r, 0, 3) == 0;
  do {
    int batch = draw(r, 0, 7) ? draw(r, 1, 40) : draw(r, 65, 150);
    struct network_config c = {.num_conv_layers = draw(r, limits.least_layers, 3),
                               .learning_rate = 0.01,
                               .dropout_rate = n->whole ? 0.5 * draw(r, 0, 1) : draw(r, 0, 1) * 0.01 * draw(r, 1, 90),
                               .optimizer = draw(r, 0, 1) ? OPTIMIZER_ADAM : OPTIMIZER_SGD,
                               .epochs = 1,
                               .stride = draw(r, 1, 2),
                               .padding = draw(r, 0, 1) ? PADDING_SAME : PADDING_VALID,
                               .kernel = kernels[draw(r, 0, 6)],
                               .num_fc_units = draw(r, 0, 3) ? draw(r, 1, 40) : draw(r, 65, 100),
                               .batch_size = batch,
                               .model = {.filters = draw(r, 1, 40), .momentum = 0.9}};
    plan_make(&n->plan, &c, draw(r, 5, 20), draw(r, 5, 20), draw(r, 1, 4),
              draw(r, 0, 3) ? draw(r, 1, 20) : draw(r, 33, 70), draw(r, 1, STORED_IMAGES),
              draw(r, 0, STORED_IMAGES - 1));
  } while (!n->plan.feasible || n->plan.flops_step > limits.flops);
  n->count = draw(r, 0, 2) ? draw(r, 1, n->plan.config.batch_size) : n->plan.config.batch_size;
  net_make(n, r);
}

/* Random weights, the padding zero, for the host and on the device; scale: of the weights of layer l about 1/√fan-in. */
TEST_MAY_USE static void net_weights(struct net *n, struct rng *r)
{
  n->weights = realloc(n->weights, (size_t)n->t.parameters * sizeof(float));
  for (int l = 0; l < n->t.layers + 2; l++) {
    const struct device_matrix *m = device_matrix(&n->t, l);
    float scale = n->whole ? 1 : 1.7f / sqrtf((float)m->rows);
    for (int row = 0; row <= m->rows; row++)
      for (int column = 0; column < m->columns; column++)
        n->weights[m->weight + (int64_t)row * m->columns + column] =
            device_element(&n->t, l, row, column) < 0 ? 0 : scale * draw_value(r, n->whole);
  }
  put(n->t.weights, n->weights, n->t.parameters * (int64_t)sizeof(float));
}

/* A state in which the network is about to do a batch of n->count images, which are chosen at random. */
TEST_MAY_USE static void net_batch(struct net *n, struct rng *r, enum device_phase phase)
{
  struct device_state s;
  device_state_begin(&s, &n->t, 0, draw(r, 0, 1000));
  s.phase = phase;
  s.count = n->count;
  put(n->t.state, &s, sizeof s);
  for (int i = 0; i < n->count; i++) n->rows[i] = draw(r, 0, STORED_IMAGES - 1);
  put(n->t.rows, n->rows, n->count * (int64_t)sizeof *n->rows);
}

TEST_MAY_USE static struct device_state net_state(const struct net *n)
{
  struct device_state s;
  assert_int_equal(cudaMemcpy(&s, n->t.state, sizeof s, cudaMemcpyDeviceToHost), cudaSuccess);
  return s;
}

/* ---- cohorts and stages ------------------------------------------------------------------------------------------------------ */

enum kernel_stage {
  KERNEL_FORWARD,
  KERNEL_DENSE,
  KERNEL_LOSS,
  KERNEL_LOSS_BACKWARD,
  KERNEL_DENSE_BACKWARD,
  KERNEL_BACKWARD,
  KERNEL_OPTIMIZER
};

struct cohort {
  int n, layers, precision;
  const struct net *net[COHORT_MAX];
  struct device_trial *table;
};

static void cohort_make(struct cohort *c, int n, const struct net *const *net, int precision)
{
  struct device_trial table[COHORT_MAX];
  *c = (struct cohort){.n = n, .precision = precision};
  for (int i = 0; i < n; i++) {
    c->net[i] = net[i];
    table[i] = net[i]->t;
    if (net[i]->t.layers > c->layers) c->layers = net[i]->t.layers;
  }
  c->table = device_memory(table, (size_t)n * sizeof *table);
}

static void cohort_destroy(struct cohort *c)
{
  assert_int_equal(cudaFree(c->table), cudaSuccess);
}

static int stage_tiles(const struct device_trial *t, enum kernel_stage stage, int layer)
{
  if ((stage == KERNEL_FORWARD || stage == KERNEL_BACKWARD) && layer >= t->layers) return 0;
  switch (stage) {
  case KERNEL_FORWARD:
    return network_tiles_forward(t, layer);
  case KERNEL_DENSE:
    return network_tiles_dense(t);
  case KERNEL_LOSS:
    return network_tiles_loss(t);
  case KERNEL_LOSS_BACKWARD:
    return network_tiles_loss_backward(t);
  case KERNEL_DENSE_BACKWARD:
    return network_tiles_dense_backward(t);
  case KERNEL_BACKWARD:
    return network_tiles_backward(t, layer);
  case KERNEL_OPTIMIZER:
    return network_tiles_optimizer(t);
  }
  return 0;
}

static int stage_launch(const struct cohort *c, struct device_tiles tiles, enum kernel_stage stage, int layer)
{
  switch (stage) {
  case KERNEL_FORWARD:
    return network_forward(c->table, tiles, layer, c->precision, stream);
  case KERNEL_DENSE:
    return network_dense(c->table, tiles, c->precision, stream);
  case KERNEL_LOSS:
    return network_loss(c->table, tiles, stream);
  case KERNEL_LOSS_BACKWARD:
    return network_loss_backward(c->table, tiles, c->precision, stream);
  case KERNEL_DENSE_BACKWARD:
    return network_dense_backward(c->table, tiles, c->precision, stream);
  case KERNEL_BACKWARD:
    return network_backward(c->table, tiles, layer, c->precision, stream);
  case KERNEL_OPTIMIZER:
    return network_optimizer(c->table, tiles, stream);
  }
  return -1;
}

/* One launch: the tiles of all members, and a few blocks more than there are tiles. */
static void stage_run(const struct cohort *c, enum kernel_stage stage, int layer)
{
  int first[COHORT_MAX + 1] = {0};
  for (int i = 0; i < COHORT_MAX; i++)
    first[i + 1] = first[i] + (i < c->n ? stage_tiles(&c->net[i]->t, stage, layer) : 0);
  struct device_tiles tiles = {device_memory(first, sizeof first), first[COHORT_MAX] + 3};
  assert_int_equal(stage_launch(c, tiles, stage, layer), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
  assert_int_equal(cudaFree((void *)tiles.first), cudaSuccess);
  no_reports();
}

/* The same for one network. */
TEST_MAY_USE static void stage_run_alone(const struct net *n, int precision, enum kernel_stage stage, int layer)
{
  struct cohort c;
  cohort_make(&c, 1, &n, precision);
  stage_run(&c, stage, layer);
  cohort_destroy(&c);
}

/* One step of a cohort; without the optimiser, or its end, where not wanted. */
TEST_MAY_USE static void step_run(const struct cohort *c, bool optimise, bool advance)
{
  for (int l = 0; l < c->layers; l++) stage_run(c, KERNEL_FORWARD, l);
  stage_run(c, KERNEL_DENSE, 0);
  stage_run(c, KERNEL_LOSS, 0);
  stage_run(c, KERNEL_LOSS_BACKWARD, 0);
  stage_run(c, KERNEL_DENSE_BACKWARD, 0);
  for (int l = c->layers - 1; l >= 0; l--) stage_run(c, KERNEL_BACKWARD, l);
  if (optimise) stage_run(c, KERNEL_OPTIMIZER, 0);
  if (!advance) return;
  assert_int_equal(network_advance(c->table, c->n, stream), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
  no_reports();
}

#endif
