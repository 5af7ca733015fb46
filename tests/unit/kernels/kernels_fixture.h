/* For the tests of kernels: random networks in device memory, cohorts of them, and the stages of a
 * step.
 *
 * A network's own memory is divided as the trainer divides it, and what lies between the pieces is
 * out of bounds.  Every value comes from a seed that a failure names; KERNELS_SEED=N gives other
 * ones.  Header only: each test program includes it once. */
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

#include "tests/cudacpu/cudacpu.h"
#include "host/data/dataset.h"
#include "host/cuda/device_layout.h"
#include "host/cuda/stages.h"
#include "host/network/plan.h"
#include "host/base/rng.h"

#define TEST_MAY_USE __attribute__((unused))

#ifndef STORED_IMAGES
#define STORED_IMAGES 60
#endif

/* As many trials as no cohort has: blocks are as few as can be (struct device_trial, together). */
enum { MANY_TOGETHER = 1 << 20 };

struct net {
  struct plan plan;
  struct device_trial t; /* as the device has it; together: 1, or MANY_TOGETHER where the seed is odd */
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

/* ---- memory ---------------------------------------------------------------------------------- */

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

#ifndef REAL_GPU
/* A consumer's card: with as much shared memory of a block as any GPU has at least. */
TEST_MAY_USE static int fresh_card(void **state)
{
  return fresh_machine(state) || !cudacpu_set_capability(0, 8, 6);
}
#endif

/* A GPU may still be copying when cudaMemcpy has read the host's memory, and `stream` does not wait
 * for that.  In the harness it is done, and to wait would hide where a test forgets to. */
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

/* ---- pieces of a network's memory ------------------------------------------------------------ */

struct piece {
  void *at;
  int64_t bytes;
};

TEST_MAY_USE static int64_t map_floats(const struct device_trial *t, int layer)
{
  const struct device_conv *c = &t->conv[layer];
  return (int64_t)c->pool_height * c->pool_width * c->matrix.columns;
}

TEST_MAY_USE static int64_t matrix_floats(const struct device_matrix *m)
{
  return (int64_t)(m->rows + 1) * m->columns;
}

TEST_MAY_USE static int64_t partial_floats(const struct device_trial *t)
{
  int64_t sum = 0;
  for (int l = 0; l < t->layers + 2; l++) sum += layer_matrix(t, l)->splits * matrix_floats(layer_matrix(t, l));
  return sum;
}

/* All of them; returns how many. */
static int net_pieces(const struct device_trial *t, struct piece piece[DEVICE_PIECES_MAX])
{
  struct device_trial entry = *t;
  struct device_piece pieces[DEVICE_PIECES_MAX];
  int n = device_pieces(&entry, pieces);
  for (int i = 0; i < n; i++) piece[i] = (struct piece){*pieces[i].at, pieces[i].bytes};
  return n;
}

/* NaNs, or bytes of 255, everywhere. */
TEST_MAY_USE static void net_poison(const struct net *n)
{
  struct piece piece[DEVICE_PIECES_MAX];
  int pieces = net_pieces(&n->t, piece);
  for (int i = 0; i < pieces; i++) assert_int_equal(cudaMemset(piece[i].at, 0xff, (size_t)piece[i].bytes), cudaSuccess);
}

TEST_MAY_USE static void assert_poisoned(const void *p, int64_t bytes, const char *what)
{
  for (int64_t i = 0; i < bytes; i++)
    if (((const uint8_t *)p)[i] != 0xff) fail_msg("%s: written beyond the batch, byte %ld", what, (long)i);
}

/* ---- networks -------------------------------------------------------------------------------- */

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

/* Does one launch bring it from its hidden units to the loss and back? */
TEST_MAY_USE static bool net_has_head(const struct net *n)
{
  return n->t.padded_classes <= DEVICE_HEAD_CLASSES;
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

/* What each byte is: as in training, or a whole number. */
static void make_table(struct net *n)
{
  struct dataset d = {.channels = n->plan.channels};
  memcpy(d.mean, n->mean, sizeof d.mean);
  memcpy(d.deviation, n->deviation, sizeof d.deviation);
  dataset_table(&d, n->table);
  for (int i = 0; i < d.channels * 256 && n->whole; i++) n->table[i] = (float)((i % 256 + i / 256) % 5 - 2);
}

static int shared_of_the_device(void)
{
  int given = 0;
  assert_int_equal(cudaDeviceGetAttribute(&given, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0), cudaSuccess);
  return device_shared(given);
}

/* Device memory of a network whose plan, seed and `whole` are set, with random images; its key is
 * its seed. */
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
  n->bytes = device_network_make(&n->t, p, n->seed, shared_of_the_device());
  assert_true(n->bytes > 0);
  if (n->seed % 2) n->t.together = MANY_TOGETHER;
  n->memory = device_memory(NULL, (size_t)n->bytes);
  device_network_place(&n->t, n->memory);
  struct piece piece[DEVICE_PIECES_MAX];
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
  const void *const all[] = {n->memory,       n->t.table,           n->t.images,       n->t.labels,
                             n->t.train_rows, n->t.validation_rows, n->t.class_weights};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) assert_int_equal(cudaFree((void *)all[i]), cudaSuccess);
  free(n->images);
  free(n->weights);
}

/* The input of a convolution at a pixel, zero outside: bytes, or the map before. */
TEST_MAY_USE static float input_at(const struct net *n, int layer, const float *map, int image, int y, int x,
                                   int channel)
{
  const struct device_conv *c = &n->t.conv[layer];
  if (y < 0 || y >= c->in_height || x < 0 || x >= c->in_width) return 0;
  if (layer > 0) return map[(((int64_t)image * c->in_height + y) * c->in_width + x) * c->in_channels + channel];
  int64_t at = (((int64_t)n->rows[image] * c->in_height + y) * c->in_width + x) * c->in_channels + channel;
  return n->table[256 * channel + n->images[at]];
}

/* What a sweep wants of its networks. */
struct net_limits {
  int least_layers;
  double flops;      /* of a step, at most */
  int least_classes; /* 0: any number, few in most */
  bool large;        /* kernel 3 or 5, and wide images, many filters, or both */
  bool large_images; /* images that are wide or high, and up to many filters */
};

/* A random one within the limits.  One in four has whole numbers for values; one in eight a batch
 * of more than a tile. */
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
                               .num_fc_units = draw(r, 0, 3) ? draw(r, 1, 40) : draw(r, 65, 300),
                               .batch_size = batch,
                               .model = {.filters = draw(r, 1, 40), .momentum = 0.9}};
    int classes = limits.least_classes ? draw(r, limits.least_classes, limits.least_classes + 40)
                  : draw(r, 0, 3)      ? draw(r, 1, 20)
                                       : draw(r, 33, 70);
    int height = draw(r, 5, 20), width = draw(r, 5, 20);
    if (limits.large) {
      bool wide = draw(r, 0, 1), many = !wide || draw(r, 0, 3) == 0;
      c.kernel = draw(r, 0, 1) ? 3 : 5;
      c.batch_size = draw(r, 1, 5);
      c.model.filters = many ? draw(r, 33, 136) : draw(r, 1, 16);
      if (wide) width = draw(r, 0, 1) ? draw(r, 40, 120) : draw(r, 100, 600);
    }
    if (limits.large_images) {
      int *side = draw(r, 0, 2) ? &width : &height;
      *side = draw(r, 0, 1) ? draw(r, 20, 130) : draw(r, 100, 700);
      c.model.filters = draw(r, 1, 160);
    }
    plan_make(&n->plan, &c, height, width, draw(r, 1, 4), classes, draw(r, 1, STORED_IMAGES),
              draw(r, 0, STORED_IMAGES - 1));
  } while (!n->plan.feasible || n->plan.flops_step > limits.flops);
  n->count = draw(r, 0, 2) ? draw(r, 1, n->plan.config.batch_size) : n->plan.config.batch_size;
  net_make(n, r);
}

/* Random weights, the padding zero, for the host and on the device; scale: of the weights of layer
 * l about 1/√fan-in. */
TEST_MAY_USE static void net_weights(struct net *n, struct rng *r)
{
  n->weights = realloc(n->weights, (size_t)n->t.parameters * sizeof(float));
  for (int l = 0; l < n->t.layers + 2; l++) {
    const struct device_matrix *m = layer_matrix(&n->t, l);
    float scale = n->whole ? 1 : 1.7f / sqrtf((float)m->rows);
    for (int row = 0; row <= m->rows; row++)
      for (int column = 0; column < m->columns; column++)
        n->weights[m->weight + (int64_t)row * m->columns + column] =
            layer_element(&n->t, l, row, column) < 0 ? 0 : scale * draw_value(r, n->whole);
  }
  put(n->t.weights, n->weights, n->t.parameters * (int64_t)sizeof(float));
}

/* A state in which the network is about to do a batch of n->count images, which are chosen at
 * random. */
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

/* ---- cohorts and stages ---------------------------------------------------------------------- */

struct cohort {
  int n, layers, precision;
  struct device_trial trial[COHORT_MAX], *table; /* for the host, and in device memory */
};

/* In company a network that alone has the tiles of few has those of many, and the other way
 * round. */
static void cohort_make(struct cohort *c, int n, const struct net *const *net, int precision)
{
  *c = (struct cohort){.n = n, .precision = precision};
  for (int i = 0; i < n; i++) {
    c->trial[i] = net[i]->t;
    if (n > 1) c->trial[i].together = net[i]->t.together == 1 ? MANY_TOGETHER : 1;
    if (net[i]->t.layers > c->layers) c->layers = net[i]->t.layers;
  }
  c->table = device_memory(c->trial, (size_t)n * sizeof *c->trial);
}

static void cohort_destroy(struct cohort *c)
{
  assert_int_equal(cudaFree(c->table), cudaSuccess);
}

/* The launch of a stage that has this launcher. */
TEST_MAY_USE static struct step_launch launch_of(step_launcher *stage, int layer)
{
  struct step_launch launches[STEP_LAUNCHES_MAX];
  int n = step_launches(launches, DEVICE_CONV_MAX);
  for (int i = 0; i < n; i++)
    if (launches[i].stage->launch == stage && launches[i].layer == layer) return launches[i];
  fail_msg("no stage has this launcher in layer %d", layer);
  return launches[0];
}

/* One launch: the tiles of all members, and a few blocks more than there are tiles. */
static void launch_run(const struct cohort *c, const struct step_launch *l)
{
  int first[COHORT_MAX + 1] = {0};
  for (int i = 0; i < COHORT_MAX; i++)
    first[i + 1] = first[i] + (i < c->n && l->stage->tiles ? step_launch_tiles(l, &c->trial[i], c->precision) : 0);
  if (l->stage->tiles && first[COHORT_MAX] == 0) return; /* as a cohort does */
  struct device_tiles tiles = {.first = device_memory(first, sizeof first),
                               .room = l->stage->tiles ? first[COHORT_MAX] + 3 : c->n};
  assert_int_equal(l->stage->launch(c->table, tiles, l->layer, c->precision, stream), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
  assert_int_equal(cudaFree((void *)tiles.first), cudaSuccess);
  no_reports();
}

TEST_MAY_USE static void stage_run(const struct cohort *c, step_launcher *stage, int layer)
{
  struct step_launch l = launch_of(stage, layer);
  launch_run(c, &l);
}

/* The same for one network. */
TEST_MAY_USE static void stage_run_alone(const struct net *n, int precision, step_launcher *stage, int layer)
{
  struct cohort c;
  cohort_make(&c, 1, &n, precision);
  stage_run(&c, stage, layer);
  cohort_destroy(&c);
}

/* All launches of a layer, forward or back, for one network. */
TEST_MAY_USE static void layer_run_alone(const struct net *n, int precision, enum stage_order order, int layer)
{
  struct step_launch launches[STEP_LAUNCHES_MAX];
  struct cohort c;
  cohort_make(&c, 1, &n, precision);
  int made = 0, all = step_launches(launches, n->t.layers);
  step_launcher *first = order == FIRST_LAYER_FIRST ? step_first_forward : step_first_backward;
  for (int i = 0; i < all; i++)
    if ((launches[i].stage->order == order && launches[i].layer == layer) ||
        (layer == 0 && launches[i].stage->launch == first)) {
      made += step_launch_is_of(&launches[i], &n->t, (enum precision)precision);
      launch_run(&c, &launches[i]);
    }
  assert_true(made > 0);
  cohort_destroy(&c);
}

/* One step of a cohort; without the optimiser, or its end, where not wanted. */
TEST_MAY_USE static void step_run(const struct cohort *c, bool optimise, bool advance)
{
  struct step_launch launches[STEP_LAUNCHES_MAX];
  int n = step_launches(launches, c->layers);
  for (int i = 0; i < n; i++) {
    bool wanted = launches[i].stage->launch == step_optimizer ? optimise
                  : launches[i].stage->launch == step_advance ? advance
                                                              : true;
    if (wanted) launch_run(c, &launches[i]);
  }
}

#endif
