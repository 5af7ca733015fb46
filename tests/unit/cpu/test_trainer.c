/* The CPU trainer against the plain double-precision network (reference_network.h), itself checked
 * by finite differences; and its promises: the same bits twice, beside other threads, and after a
 * restore. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "host/cpu/dnnl_compat.h"
#include "tests/unit/network/network_config.h"
#include "tests/unit/network/reference_network.h"
#include "host/network/trainer.h"
#include "host/cpu/trainer_cpu.h"

/* --- Data and networks to test on ------------------------------------------------------------- */

/* A data set of random bytes, with a bright patch whose place tells the class, so that it can be
 * learnt. */
struct made_data {
  struct dataset d;
  uint8_t *images;
  uint16_t *labels;
  int32_t *rows;
};

static void make_data(struct made_data *m, int n, int height, int width, int channels, int classes)
{
  memset(m, 0, sizeof *m);
  size_t pixels = (size_t)height * (size_t)width * (size_t)channels;
  m->images = malloc((size_t)n * pixels);
  m->labels = malloc((size_t)n * sizeof *m->labels);
  m->rows = malloc((size_t)n * sizeof *m->rows);
  uint64_t subsequence = philox_subsequence(PHILOX_TEST, 0, 0);
  double sum[4] = {0}, squares[4] = {0};
  for (int i = 0; i < n; i++) {
    m->rows[i] = i;
    m->labels[i] = (uint16_t)(i % classes);
    for (size_t j = 0; j < pixels; j++) {
      uint32_t word = philox_word(99, subsequence, (uint64_t)i * pixels + j);
      int at = (int)(j / (size_t)channels), band = at / width * classes / height;
      int value = (int)(word >> 25) + (band == m->labels[i] ? 100 : 0);
      m->images[(size_t)i * pixels + j] = (uint8_t)value;
      sum[j % (size_t)channels] += value / 255.0;
      squares[j % (size_t)channels] += value / 255.0 * (value / 255.0);
    }
  }
  double count = (double)n * height * width;
  m->d = (struct dataset){.n_classes = classes, .channels = channels, .height = height, .width = width};
  for (int c = 0; c < channels; c++) {
    m->d.mean[c] = (float)(sum[c] / count);
    m->d.deviation[c] = (float)sqrt(squares[c] / count - sum[c] / count * (sum[c] / count));
  }
  m->d.train = m->d.validation = m->d.test =
      (struct dataset_split){.n = n, .rows = m->rows, .images = m->images, .labels = m->labels};
}

static void free_data(struct made_data *m)
{
  free(m->images);
  free(m->labels);
  free(m->rows);
}

static struct network_config default_config(void)
{
  struct network_config c = usual_network();
  c.learning_rate = 0.01;
  c.epochs = 2;
  return c;
}

static struct network *make_network(struct plan *p, const struct network_config *c, const struct made_data *m,
                                    uint64_t key)
{
  struct error e = {0};
  struct network *n = NULL;
  plan_make(p, c, m->d.height, m->d.width, m->d.channels, m->d.n_classes, m->d.train.n, m->d.validation.n);
  if (network_create(&n, p, key, &m->d, &e)) fail_msg("%s", e.message);
  return n;
}

/* Sets the first `count` images as the network's batch. */
static void set_batch(struct network *n, const struct made_data *m, const int *images, int count)
{
  for (int i = 0; i < count; i++) {
    n->bytes[i] = dataset_image(&m->d, &m->d.train, images[i]);
    n->labels[i] = (uint16_t)dataset_label(&m->d.train, images[i]);
  }
}

static double relative_difference(const float *a, const double *b, int64_t n)
{
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < n; i++) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

/* --- Gradients -------------------------------------------------------------------------------- */

/* The reference's own gradients against central differences of its loss, a few weights of every
 * tensor.  The loss has kinks where a ReLU or a maximum changes sides, so h is small; double
 * precision leaves 1e-6 of a gradient. */
static void reference_gradients_agree_with_finite_differences(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 6, 13, 11, 3, 4);
  struct network_config c = default_config();
  c.num_conv_layers = 2;
  c.dropout_rate = 0.3;
  c.model.filters = 5;
  c.num_fc_units = 9;
  for (int variant = 0; variant < 2; variant++) {
    c.padding = variant ? PADDING_VALID : PADDING_SAME;
    c.stride = variant ? 1 : 2;
    c.model.class_weights = variant ? CLASS_WEIGHTS_BALANCED : CLASS_WEIGHTS_NONE; /* 6 images of 4 classes */
    struct plan p;
    plan_make(&p, &c, 13, 11, 3, 4, 6, 6);
    assert_true(p.feasible || c.stride == 2);
    if (!p.feasible) {
      c.num_conv_layers = 1;
      plan_make(&p, &c, 13, 11, 3, 4, 6, 6);
    }
    struct reference r;
    reference_create(&r, &p, 5);
    const int images[6] = {0, 1, 2, 3, 4, 5};
    reference_pass(&r, &m.d, &m.d.train, images, 6, 1, 3, 1, NULL);
    for (int i = 0; i < r.tensors; i++) {
      double norm = 0;
      for (int64_t j = 0; j < r.count[i]; j++) norm += r.gradient[i][j] * r.gradient[i][j];
      norm = sqrt(norm / (double)r.count[i]);
      assert_true(norm > 0);
      for (int k = 0; k < 12; k++) {
        int64_t j = (int64_t)((uint64_t)k * 7919 % (uint64_t)r.count[i]);
        double w = r.value[i][j], h = 1e-6;
        r.value[i][j] = w + h;
        double up = reference_pass(&r, &m.d, &m.d.train, images, 6, 1, 3, 0, NULL);
        r.value[i][j] = w - h;
        double down = reference_pass(&r, &m.d, &m.d.train, images, 6, 1, 3, 0, NULL);
        r.value[i][j] = w;
        double slope = (up - down) / (2 * h);
        if (fabs(slope - r.gradient[i][j]) > 1e-6 * norm + 1e-6 * fabs(slope) + 1e-9)
          fail_msg("variant %d tensor %d element %ld: %.9g by differences, %.9g", variant, i, (long)j, slope,
                   r.gradient[i][j]);
      }
    }
    reference_destroy(&r);
  }
  free_data(&m);
}

/* Every tensor's gradient, and the loss, for one configuration.  A sum of n floats in single
 * precision is off by at most about sqrt(n)·6e-8 of its norm; through four layers and 5·5·32 terms
 * each, 1e-5 is far above that, far below a fault. */
static void check_gradients(const struct network_config *c, const struct made_data *m, int count)
{
  struct plan p;
  struct error e = {0};
  struct network *n = make_network(&p, c, m, 77);
  struct reference r;
  reference_create(&r, &p, 77);
  int images[64];
  for (int i = 0; i < count; i++) images[i] = (i * 5 + 3) % m->d.train.n;
  /* biases that are not zero */
  for (int i = 1; i < r.tensors; i += 2) {
    float *b = malloc((size_t)r.count[i] * sizeof *b);
    for (int64_t j = 0; j < r.count[i]; j++) r.value[i][j] = b[j] = (float)(j % 5) * 0.02f - 0.03f;
    assert_int_equal(network_tensor_set(n, i, b, &e), 0);
    free(b);
  }
  n->step = 2; /* whose dropout mask */
  double loss = 0, reference = reference_pass(&r, &m->d, &m->d.train, images, count, 1, 2, 1, NULL);
  /* a fuller batch first: what it leaves behind must not show */
  int others[64];
  for (int i = 0; i < c->batch_size; i++) others[i] = (i * 3 + 1) % m->d.train.n;
  set_batch(n, m, others, c->batch_size);
  assert_int_equal(network_gradients(n, c->batch_size, &loss, &e), 0);
  set_batch(n, m, images, count);
  assert_int_equal(network_gradients(n, count, &loss, &e), 0);
  char what[200];
  snprintf(what, sizeof what, "%dx%dx%d layers %d kernel %d stride %d %s filters %d units %d batch %d of %d dropout %g",
           m->d.height, m->d.width, m->d.channels, c->num_conv_layers, c->kernel, c->stride,
           c->padding == PADDING_SAME ? "same" : "valid", c->model.filters, c->num_fc_units, count, c->batch_size,
           c->dropout_rate);
  if (!(fabs(loss / count - reference) < 1e-5 * fabs(reference)))
    fail_msg("%s: loss %.9g, reference %.9g", what, loss / count, reference);
  assert_int_equal(network_tensor_count(n), r.tensors);
  for (int i = 0; i < r.tensors; i++) {
    struct network_tensor t;
    network_tensor_info(n, i, &t);
    assert_int_equal(t.count, r.count[i]);
    float *g = malloc((size_t)t.count * sizeof *g);
    assert_int_equal(network_gradient_get(n, i, g, &e), 0);
    double difference = relative_difference(g, r.gradient[i], t.count);
    if (!(difference < 1e-5)) fail_msg("%s: gradient of %s off by %g", what, t.name, difference);
    free(g);
  }
  reference_destroy(&r);
  network_destroy(n);
}

static void gradients_of_every_layer_agree_with_the_reference(void **state)
{
  (void)state;
  struct {
    int height, width, channels;
  } const sizes[] = {{28, 28, 1}, {27, 21, 3}};
  for (int s = 0; s < 2; s++) {
    struct made_data m;
    make_data(&m, 40, sizes[s].height, sizes[s].width, sizes[s].channels, 10);
    for (int layers = 2; layers <= 4; layers++)
      for (int kernel = 3; kernel <= 5; kernel += 2)
        for (int stride = 1; stride <= 2; stride++)
          for (int padding = 0; padding < 2; padding++) {
            struct network_config c = default_config();
            c.num_conv_layers = layers;
            c.kernel = kernel;
            c.stride = stride;
            c.padding = padding ? PADDING_SAME : PADDING_VALID;
            c.model.filters = s ? 8 : 32;
            c.num_fc_units = s ? 37 : 64;
            c.batch_size = 8;
            c.dropout_rate = s ? 0.25 : 0;
            struct plan p;
            plan_make(&p, &c, sizes[s].height, sizes[s].width, sizes[s].channels, 10, 40, 40);
            if (p.feasible) check_gradients(&c, &m, s ? 5 : 3);
          }
    free_data(&m);
  }
}

/* Classes of very different sizes, and one without an image. */
static void weighted_gradients_agree_with_the_reference(void **state)
{
  (void)state;
  struct made_data m;
  struct network_config c = default_config();
  make_data(&m, 40, 16, 15, 2, 10);
  for (int i = 0; i < 40; i++) m.labels[i] = (uint16_t)(i % 2 ? 0 : i % 5 == 4 ? 3 : i % 10);
  c.model.filters = 6;
  c.num_fc_units = 20;
  c.batch_size = 8;
  c.dropout_rate = 0.25;
  c.model.class_weights = CLASS_WEIGHTS_BALANCED;
  for (int layers = 1; layers <= 2; layers++)
    for (int count = 1; count <= 8; count += 7) {
      c.num_conv_layers = layers;
      check_gradients(&c, &m, count);
    }
  free_data(&m);
}

/* What is trained with is weighted, what is measured is not; where all classes have as many images
 * every weight is 1, and the bits are those without. */
static void weights_are_of_training_alone(void **state)
{
  (void)state;
  struct network_config c = default_config();
  struct made_data m;
  struct error e = {0};
  double loss[2][2];
  struct evaluation before[2], after[2];
  make_data(&m, 40, 12, 12, 1, 4);
  for (int uneven = 0; uneven < 2; uneven++) {
    for (int i = 0; i < 40 && uneven; i++) m.labels[i] = (uint16_t)(i % 4 ? 0 : i / 4 % 4);
    for (int weighted = 0; weighted < 2; weighted++) {
      struct plan p;
      c.model.class_weights = weighted ? CLASS_WEIGHTS_BALANCED : CLASS_WEIGHTS_NONE;
      struct network *n = make_network(&p, &c, &m, 5);
      assert_int_equal(network_evaluate(n, &m.d, &m.d.validation, &before[weighted], NULL, &e), 0);
      for (int k = 0; k < 2; k++) assert_int_equal(network_train_epoch(n, &loss[weighted][k], NULL, &e), 0);
      assert_int_equal(network_evaluate(n, &m.d, &m.d.validation, &after[weighted], NULL, &e), 0);
      network_destroy(n);
    }
    assert_true(before[0].loss == before[1].loss);
    if (uneven)
      assert_true(loss[0][0] != loss[1][0] && after[0].loss != after[1].loss);
    else
      assert_true(loss[0][1] == loss[1][1] && after[0].loss == after[1].loss);
  }
  free_data(&m);
}

/* Shapes outside the paper's space, that a setting or another data set may bring: the general paths
 * of the loops. */
static void gradients_of_unusual_shapes_agree_with_the_reference(void **state)
{
  (void)state;
  struct {
    int height, width, channels, layers, kernel, stride, padding, filters, units, batch, count, classes;
  } const shapes[] = {{9, 40, 1, 1, 7, 1, 1, 32, 16, 7, 7, 3},
                      {16, 6, 4, 1, 1, 1, 1, 16, 5, 3, 2, 2},
                      {33, 35, 3, 2, 3, 3, 1, 24, 100, 5, 4, 11},
                      {20, 20, 2, 2, 7, 1, 1, 10, 64, 4, 4, 17},
                      {64, 64, 3, 3, 3, 1, 1, 32, 64, 6, 6, 4}};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    struct made_data m;
    make_data(&m, 12, shapes[i].height, shapes[i].width, shapes[i].channels, shapes[i].classes);
    struct network_config c = default_config();
    c.num_conv_layers = shapes[i].layers;
    c.kernel = shapes[i].kernel;
    c.stride = shapes[i].stride;
    c.padding = shapes[i].padding ? PADDING_SAME : PADDING_VALID;
    c.model.filters = shapes[i].filters;
    c.num_fc_units = shapes[i].units;
    c.batch_size = shapes[i].batch;
    c.dropout_rate = 0.5;
    check_gradients(&c, &m, shapes[i].count);
    free_data(&m);
  }
}

/* Three steps of each optimiser from the same start: weights stay with the reference's. */
static void optimisers_follow_their_definition(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 20, 14, 14, 1, 5);
  for (int kind = 0; kind < 2; kind++) {
    struct network_config c = default_config();
    c.num_conv_layers = 2;
    c.optimizer = kind ? OPTIMIZER_SGD : OPTIMIZER_ADAM;
    c.learning_rate = kind ? 0.02 : 0.001;
    c.dropout_rate = 0.2;
    c.model.filters = 16;
    c.batch_size = 8; /* 20 images: 8, 8, 4 */
    struct plan p;
    struct error e = {0};
    struct network *n = make_network(&p, &c, &m, 31);
    struct reference r;
    reference_create(&r, &p, 31);
    double *first[12], *second[12];
    for (int i = 0; i < r.tensors; i++) {
      first[i] = calloc((size_t)r.count[i], sizeof(double));
      second[i] = calloc((size_t)r.count[i], sizeof(double));
    }
    struct philox_permutation order = philox_permutation_make(31, philox_subsequence(PHILOX_ORDER, 0, 0), 20);
    double sum = 0;
    for (int step = 0; step < 3; step++) {
      int images[8], count = step < 2 ? 8 : 4;
      for (int i = 0; i < count; i++) images[i] = (int)philox_permutation_at(&order, (uint32_t)(8 * step + i));
      sum += count * reference_pass(&r, &m.d, &m.d.train, images, count, 1, step, 1, NULL);
      reference_optimise(&r, first, second, step + 1);
    }
    double loss;
    assert_int_equal(network_train_epoch(n, &loss, NULL, &e), 0);
    assert_true(fabs(loss - sum / 20) < 1e-4 * sum / 20);
    for (int i = 0; i < r.tensors; i++) {
      float *w = malloc((size_t)r.count[i] * sizeof *w);
      network_tensor_get(n, i, w, &e);
      /* Adam divides a gradient by its own size: one that is nearly zero turns rounding into a
       * whole step */
      double bound = kind ? 1e-5 : 2e-3;
      double difference = relative_difference(w, r.value[i], r.count[i]);
      if (!(difference < bound)) fail_msg("optimiser %d tensor %d off by %g", kind, i, difference);
      free(w);
    }
    for (int i = 0; i < r.tensors; i++) {
      free(first[i]);
      free(second[i]);
    }
    reference_destroy(&r);
    network_destroy(n);
  }
  free_data(&m);
}

/* --- Random numbers --------------------------------------------------------------------------- */

static void weights_start_as_the_plain_definition_says_bit_for_bit(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 4, 28, 28, 3, 10);
  struct network_config c = default_config();
  struct plan p;
  struct error e = {0};
  struct network *n = make_network(&p, &c, &m, 0x123456789abcdefull);
  struct reference r;
  reference_create(&r, &p, 0x123456789abcdefull);
  for (int i = 0; i < r.tensors; i++) {
    float *w = malloc((size_t)r.count[i] * sizeof *w);
    network_tensor_get(n, i, w, &e);
    for (int64_t j = 0; j < r.count[i]; j++) assert_true((double)w[j] == r.value[i][j]);
    free(w);
  }
  reference_destroy(&r);
  network_destroy(n);
  free_data(&m);
}

/* The loops' dropout in each compiled form, in every layout and at starts that split a Philox
 * block. */
static void dropout_masks_are_the_plain_definition_in_every_layout(void **state)
{
  (void)state;
  const struct {
    int channels, area, block;
    uint64_t first;
  } shapes[] = {{32, 9, 16, 0},     {32, 9, 8, 288}, {16, 7, 8, 333},
                {37, 1, 1, 37 * 5}, {8, 1, 8, 3},    {10, 4, 8, 1000001}};
  for (int isa = CPU_ISA_BASELINE; isa <= (int)compat_isa(); isa++) {
    const struct cpu_loops *loops = cpu_loops_find((enum cpu_isa)isa, isa == CPU_ISA_AVX512 ? 16 : 8);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
      int features = shapes[s].channels * shapes[s].area;
      float x[1024] __attribute__((aligned(64)));
      uint32_t words[1400];
      for (int i = 0; i < 1024; i++) x[i] = 1;
      uint64_t subsequence = philox_subsequence(PHILOX_DROPOUT, 1, 12345);
      uint32_t threshold = philox_dropout_threshold(0.4);
      loops->dropout(42, subsequence, shapes[s].first, features, shapes[s].area, shapes[s].block, threshold, 2.0f,
                     words, x);
      int kept = 0;
      for (int f = 0; f < features; f++) {
        int c = f / shapes[s].area, pixel = f % shapes[s].area, b = shapes[s].block;
        float value = x[(c / b * shapes[s].area + pixel) * b + c % b];
        bool keep = philox_word(42, subsequence, shapes[s].first + (uint64_t)f) >= threshold;
        assert_true(value == (keep ? 2.0f : 0.0f));
        kept += keep;
      }
      assert_true(features < 16 || (kept > 0 && kept < features));
    }
  }
}

/* --- The same bits ---------------------------------------------------------------------------- */

/* All weights after `epochs` epochs, as bits. */
static uint32_t *train_bits(const struct network_config *c, const struct made_data *m, int epochs, int64_t *count)
{
  struct plan p;
  struct error e = {0};
  struct network *n = make_network(&p, c, m, 2024);
  double loss;
  for (int i = 0; i < epochs; i++) network_train_epoch(n, &loss, NULL, &e);
  *count = n->n_weights;
  uint32_t *bits = malloc((size_t)n->n_weights * sizeof *bits);
  memcpy(bits, n->weights, (size_t)n->n_weights * sizeof *bits);
  network_destroy(n);
  return bits;
}

struct neighbour {
  const struct made_data *m;
  struct network_config c;
  uint32_t *bits;
  int64_t count;
};

static void *neighbour_run(void *argument)
{
  struct neighbour *b = argument;
  trainer_cpu_thread_begin();
  b->bits = train_bits(&b->c, b->m, 2, &b->count);
  return NULL;
}

static void training_gives_the_same_bits_alone_and_beside_other_threads(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 100, 28, 28, 1, 10);
  struct neighbour b[6];
  for (int i = 0; i < 6; i++) {
    b[i] = (struct neighbour){.m = &m, .c = default_config()};
    b[i].c.dropout_rate = 0.3;
    b[i].c.kernel = i % 3 == 2 ? 5 : 3;
    b[i].c.num_conv_layers = i % 3 == 1 ? 4 : 3;
  }
  for (int i = 0; i < 3; i++) neighbour_run(&b[i]);
  pthread_t thread[3];
  for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&thread[i], NULL, neighbour_run, &b[3 + i]), 0);
  for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(b[i].count, b[3 + i].count);
    assert_memory_equal(b[i].bits, b[3 + i].bits, (size_t)b[i].count * sizeof(uint32_t));
  }
  assert_memory_not_equal(b[0].bits, b[2].bits, 64);
  for (int i = 0; i < 6; i++) free(b[i].bits);
  free_data(&m);
}

static void training_goes_on_with_the_same_bits_after_a_restore(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 50, 28, 28, 1, 10);
  for (int kind = 0; kind < 2; kind++) {
    struct network_config c = default_config();
    c.optimizer = kind ? OPTIMIZER_SGD : OPTIMIZER_ADAM;
    c.dropout_rate = 0.2;
    struct plan p;
    struct error e = {0};
    int64_t count;
    uint32_t *whole = train_bits(&c, &m, 3, &count);
    struct network *n = make_network(&p, &c, &m, 2024), *again = make_network(&p, &c, &m, 2024);
    double loss;
    void *block;
    size_t bytes;
    network_train_epoch(n, &loss, NULL, &e);
    assert_int_equal(network_checkpoint(n, &block, &bytes, &e), 0);
    network_destroy(n);
    network_train_epoch(again, &loss, NULL, &e);
    network_train_epoch(again, &loss, NULL, &e); /* somewhere else altogether */
    assert_int_equal(network_restore(again, block, bytes, &e), 0);
    network_train_epoch(again, &loss, NULL, &e);
    network_train_epoch(again, &loss, NULL, &e);
    assert_memory_equal(whole, again->weights, (size_t)count * sizeof(uint32_t));
    assert_true(network_restore(again, block, bytes - 1, &e) < 0);
    ((char *)block)[0] ^= 1;
    assert_true(network_restore(again, block, bytes, &e) < 0);
    network_destroy(again);
    free(block);
    free(whole);
  }
  free_data(&m);
}

/* Stopped after every step in turn, and after each stop kept and restored into another network. */
static void an_epoch_that_is_stopped_anywhere_goes_on_with_the_same_bits(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 50, 28, 28, 1, 10);
  for (int kind = 0; kind < 2; kind++) {
    struct network_config c = default_config();
    c.optimizer = kind ? OPTIMIZER_SGD : OPTIMIZER_ADAM;
    c.dropout_rate = 0.2;
    c.batch_size = 16;
    struct plan p;
    struct error e = {0};
    const volatile int stop = 1;
    int64_t count;
    uint32_t *whole = train_bits(&c, &m, 2, &count);
    struct network *straight = make_network(&p, &c, &m, 2024), *n = make_network(&p, &c, &m, 2024);
    int stops = 0;
    for (int epoch = 0; epoch < 2; epoch++) {
      double expected, loss;
      int code;
      assert_int_equal(network_train_epoch(straight, &expected, NULL, &e), 0);
      while ((code = network_train_epoch(n, &loss, n->begin < 48 ? &stop : NULL, &e)) == ERROR_INTERRUPTED) {
        struct network *again = make_network(&p, &c, &m, 2024);
        struct evaluation evaluation;
        void *block;
        size_t bytes;
        assert_int_equal(network_checkpoint(n, &block, &bytes, &e), 0);
        network_destroy(n);
        assert_int_equal(network_restore(again, block, bytes, &e), 0);
        assert_int_equal(network_evaluate(again, &m.d, &m.d.train, &evaluation, &stop, &e), ERROR_INTERRUPTED);
        free(block);
        n = again;
        stops++;
      }
      assert_int_equal(code, 0);
      assert_true(loss == expected);
    }
    assert_int_equal(stops, 2 * 3); /* 50 images in batches of 16 */
    assert_memory_equal(whole, n->weights, (size_t)count * sizeof(uint32_t));
    network_destroy(straight);
    network_destroy(n);
    free(whole);
  }
  free_data(&m);
}

/* --- Evaluation, prediction, ends ------------------------------------------------------------- */

static void evaluation_and_prediction_agree_with_the_reference(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 45, 28, 28, 3, 7); /* one full batch of 32 and a rest */
  struct network_config c = default_config();
  c.dropout_rate = 0.5; /* must not show */
  struct plan p;
  struct error e = {0};
  struct network *n = make_network(&p, &c, &m, 8);
  struct reference r;
  reference_create(&r, &p, 8);
  int images[45];
  for (int i = 0; i < 45; i++) images[i] = i;
  double *probabilities = malloc(45 * 7 * sizeof(double));
  double loss = reference_pass(&r, &m.d, &m.d.validation, images, 45, 0, 0, 0, probabilities);
  struct evaluation v;
  assert_int_equal(network_evaluate(n, &m.d, &m.d.validation, &v, NULL, &e), 0);
  assert_int_equal(v.n, 45);
  assert_true(fabs(v.loss - loss) < 1e-5 * loss);
  int correct = 0;
  for (int i = 0; i < 45; i++) {
    int best = 0;
    for (int k = 1; k < 7; k++)
      if (probabilities[i * 7 + k] > probabilities[i * 7 + best]) best = k;
    correct += best == m.labels[i];
  }
  assert_int_equal(v.correct, correct);
  assert_true(v.accuracy == correct / 45.0);
  float out[45 * 7];
  assert_int_equal(network_predict(n, m.images, 45, out, &e), 0);
  for (int i = 0; i < 45 * 7; i++) assert_true(fabs(out[i] - probabilities[i]) < 1e-5);
  free(probabilities);
  reference_destroy(&r);
  network_destroy(n);
  free_data(&m);
}

static void tensors_come_back_as_they_were_set(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 4, 28, 28, 3, 10);
  for (int filters = 8; filters <= 40; filters += 16) {
    struct network_config c = default_config();
    c.model.filters = filters;
    c.num_fc_units = 70;
    struct plan p;
    struct error e = {0};
    struct network *n = make_network(&p, &c, &m, 8);
    int64_t parameters = 0;
    for (int i = 0; i < network_tensor_count(n); i++) {
      struct network_tensor t;
      network_tensor_info(n, i, &t);
      parameters += t.count;
      float *a = malloc((size_t)t.count * sizeof *a), *b = malloc((size_t)t.count * sizeof *b);
      for (int64_t j = 0; j < t.count; j++) a[j] = (float)(j + 1) * (float)(i + 1);
      assert_int_equal(network_tensor_set(n, i, a, &e), 0);
      assert_int_equal(network_tensor_get(n, i, b, &e), 0);
      assert_memory_equal(a, b, (size_t)t.count * sizeof *a);
      free(a);
      free(b);
    }
    assert_int_equal(parameters, p.parameters);
    network_destroy(n);
  }
  free_data(&m);
}

static void a_loss_that_is_not_finite_stops_training_at_once(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 64, 28, 28, 1, 10);
  struct network_config c = default_config();
  c.optimizer = OPTIMIZER_SGD;
  c.learning_rate = 1e30;
  struct plan p;
  struct error e = {0};
  struct network *n = make_network(&p, &c, &m, 8);
  double loss = 0;
  for (int i = 0; i < 3 && isfinite(loss); i++) assert_int_equal(network_train_epoch(n, &loss, NULL, &e), 0);
  assert_false(isfinite(loss));
  int64_t step = n->step;
  assert_int_equal(network_train_epoch(n, &loss, NULL, &e), 0);
  assert_false(isfinite(loss));
  assert_int_equal(n->step, step);
  network_destroy(n);

  /* a certain image of the wrong class has a large loss, not an infinite one */
  c.learning_rate = 0.01;
  n = make_network(&p, &c, &m, 8);
  float bias[10] = {0};
  bias[3] = 500;
  network_tensor_set(n, network_tensor_count(n) - 1, bias, &e);
  struct evaluation v;
  assert_int_equal(network_evaluate(n, &m.d, &m.d.train, &v, NULL, &e), 0);
  assert_true(isfinite(v.loss) && v.loss > 300);
  network_destroy(n);
  free_data(&m);
}

static void a_stop_flag_ends_an_epoch_after_the_step(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 100, 28, 28, 1, 10);
  struct network_config c = default_config();
  struct plan p;
  struct error e = {0};
  struct network *n = make_network(&p, &c, &m, 8);
  const volatile int stop = 1;
  double loss;
  assert_int_equal(network_train_epoch(n, &loss, &stop, &e), ERROR_INTERRUPTED);
  assert_int_equal(n->step, 1);
  struct evaluation v;
  assert_int_equal(network_evaluate(n, &m.d, &m.d.train, &v, &stop, &e), ERROR_INTERRUPTED);
  network_destroy(n);
  free_data(&m);
}

/* A plan's bytes decide what is infeasible and how many trials run at once: they are what is
 * allocated, to the last one.  `table` is the last array. */
static void the_plans_bytes_are_what_a_network_allocates(void **state)
{
  (void)state;
  int shapes = 0;
  for (int channels = 1; channels <= 3; channels += 2) {
    struct made_data m;
    make_data(&m, 2, channels == 1 ? 28 : 64, channels == 1 ? 28 : 64, channels, 10);
    for (int layers = 1; layers <= 4; layers++)
      for (int variant = 0; variant < 8; variant++) {
        struct network_config c = default_config();
        c.num_conv_layers = layers;
        c.kernel = variant & 1 ? 5 : 3;
        c.stride = variant & 2 ? 2 : 1;
        c.batch_size = variant & 4 ? 256 : 17;
        c.num_fc_units = variant & 1 ? 256 : 64;
        c.optimizer = variant & 2 ? OPTIMIZER_SGD : OPTIMIZER_ADAM;
        c.model.filters = variant == 5 ? 8 : 32;
        struct plan p;
        plan_make(&p, &c, m.d.height, m.d.width, channels, 10, 2, 2);
        if (!p.feasible) continue;
        struct network *n = make_network(&p, &c, &m, 1);
        int64_t end = (char *)(n->table + 256 * channels) - (char *)n->arena;
        if (network_plan_bytes(&p) != (int64_t)n->arena_bytes || end != (int64_t)n->arena_bytes)
          fail_msg("layers %d variant %d: planned %lld bytes, allocated %zu, used %lld", layers, variant,
                   (long long)network_plan_bytes(&p), n->arena_bytes, (long long)end);
        assert_int_equal(network_bytes(n), n->arena_bytes + n->scratch_bytes);
        shapes++;
        network_destroy(n);
      }
    free_data(&m);
  }
  assert_true(shapes > 40);
}

static void a_plan_that_cannot_be_takes_no_memory(void **state)
{
  (void)state;
  struct network_config c = default_config();
  struct plan p;
  c.num_conv_layers = 1;
  c.model.filters = 2048;
  plan_make(&p, &c, 1024, 1024, 1, 10, 2, 2); /* 2048 · 512 · 512 values */
  assert_false(p.feasible);
  assert_string_equal(p.reason, "the last map has 536870912 values, more than can be computed");
  assert_int_equal(network_plan_bytes(&p), 0);
  c.num_conv_layers = 4;
  plan_make(&p, &c, 8, 8, 1, 10, 2, 2);
  assert_false(p.feasible);
  assert_int_equal(network_plan_bytes(&p), 0);
}

/* No pass of a shape that the paper's space allows may run the library's reference code. */
static void no_primitive_of_the_search_space_is_a_reference_implementation(void **state)
{
  (void)state;
  struct made_data m;
  make_data(&m, 2, 28, 28, 1, 10);
  for (int layers = 2; layers <= 4; layers++)
    for (int variant = 0; variant < 8; variant++) {
      struct network_config c = default_config();
      c.num_conv_layers = layers;
      c.kernel = variant & 1 ? 5 : 3;
      c.stride = variant & 2 ? 2 : 1;
      c.padding = variant & 4 ? PADDING_SAME : PADDING_VALID;
      struct plan p;
      plan_make(&p, &c, 28, 28, 1, 10, 2, 2);
      if (!p.feasible) continue;
      struct network *n = make_network(&p, &c, &m, 1);
      for (int l = 1; l < layers; l++)
        for (int pass = 0; pass < 3; pass++) {
          const char *name = cpu_conv_implementation(n->conv[l], (enum conv_pass)pass);
          if (strncmp(name, "ref", 3) == 0 || strncmp(name, "gemm:ref", 8) == 0)
            fail_msg("layer %d pass %d runs '%s'", l, pass, name);
        }
      network_destroy(n);
    }
  free_data(&m);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reference_gradients_agree_with_finite_differences),
      cmocka_unit_test(gradients_of_every_layer_agree_with_the_reference),
      cmocka_unit_test(weighted_gradients_agree_with_the_reference),
      cmocka_unit_test(weights_are_of_training_alone),
      cmocka_unit_test(gradients_of_unusual_shapes_agree_with_the_reference),
      cmocka_unit_test(optimisers_follow_their_definition),
      cmocka_unit_test(weights_start_as_the_plain_definition_says_bit_for_bit),
      cmocka_unit_test(dropout_masks_are_the_plain_definition_in_every_layout),
      cmocka_unit_test(training_gives_the_same_bits_alone_and_beside_other_threads),
      cmocka_unit_test(training_goes_on_with_the_same_bits_after_a_restore),
      cmocka_unit_test(an_epoch_that_is_stopped_anywhere_goes_on_with_the_same_bits),
      cmocka_unit_test(evaluation_and_prediction_agree_with_the_reference),
      cmocka_unit_test(tensors_come_back_as_they_were_set),
      cmocka_unit_test(a_loss_that_is_not_finite_stops_training_at_once),
      cmocka_unit_test(a_stop_flag_ends_an_epoch_after_the_step),
      cmocka_unit_test(the_plans_bytes_are_what_a_network_allocates),
      cmocka_unit_test(a_plan_that_cannot_be_takes_no_memory),
      cmocka_unit_test(no_primitive_of_the_search_space_is_a_reference_implementation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
