/* For the tests that hold a network on a device against the same one on the CPU: what both begin
 * with, and their dropout masks.  Header only: each test program includes it once. */
#ifndef GSOS_KERNELS_BESIDE_CPU_H
#define GSOS_KERNELS_BESIDE_CPU_H

#include "tests/unit/kernels/kernels_fixture.h"

#include "host/cpu/trainer_cpu.h"

/* The network's images as a data set. */
TEST_MAY_USE static struct dataset net_dataset(const struct net *n)
{
  struct dataset d = {
      .n_classes = n->plan.classes, .channels = n->plan.channels, .height = n->plan.height, .width = n->plan.width};
  memcpy(d.mean, n->mean, sizeof d.mean);
  memcpy(d.deviation, n->deviation, sizeof d.deviation);
  d.train = (struct dataset_split){
      .n = n->plan.train_images, .rows = n->train_rows, .images = n->images, .labels = n->labels};
  d.validation = (struct dataset_split){
      .n = n->plan.validation_images, .rows = n->validation_rows, .images = n->images, .labels = n->labels};
  return d;
}

TEST_MAY_USE static struct network *cpu_network(const struct net *n, const struct dataset *d)
{
  struct network *cpu;
  struct error e = {0};
  if (network_create(&cpu, &n->plan, n->seed, d, &e)) fail_msg("%s", e.message);
  return cpu;
}

TEST_MAY_USE static void net_initialise(const struct net *n)
{
  struct cohort c;
  cohort_make(&c, 1, &n, PRECISION_FP32);
  assert_int_equal(step_initialise(c.table, 0, n->t.parameters, stream), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
  no_reports();
  cohort_destroy(&c);
}

/* Elements of a parameter matrix in their logical order, the bias last or alone. */
TEST_MAY_USE static float *logical(const struct net *n, const float *parameters, int layer, bool bias, int64_t count)
{
  const struct device_matrix *m = layer_matrix(&n->t, layer);
  float *out = malloc((size_t)count * sizeof *out);
  int64_t found = 0;
  for (int row = bias ? m->rows : 0; row < (bias ? m->rows + 1 : m->rows); row++)
    for (int column = 0; column < m->columns; column++) {
      int64_t element = layer_element(&n->t, layer, row, column);
      if (element < 0) continue;
      assert_true(element < count);
      out[element] = parameters[m->weight + (int64_t)row * m->columns + column];
      found++;
    }
  assert_int_equal(found, count);
  return out;
}

/* What a network begins with is the CPU trainer's, the padding and the moments zero. */
TEST_MAY_USE static void beginning_of(const struct net *n)
{
  struct dataset d = net_dataset(n);
  struct network *cpu = cpu_network(n, &d);
  struct error e = {0};
  net_poison(n);
  net_initialise(n);
  float *weights = get_floats(n->t.weights, n->t.parameters), *moment2 = get_floats(n->t.moment2, n->t.parameters);
  float *moment1 = n->t.adam ? get_floats(n->t.moment1, n->t.parameters) : NULL;
  for (int k = 0; k < network_tensor_count(cpu); k++) {
    struct network_tensor t;
    network_tensor_info(cpu, k, &t);
    float *ours = logical(n, weights, k / 2, k % 2, t.count), *theirs = malloc((size_t)t.count * sizeof *theirs);
    assert_int_equal(network_tensor_get(cpu, k, theirs, &e), 0);
    if (memcmp(ours, theirs, (size_t)t.count * sizeof *ours)) fail_msg("%s begins otherwise\n%s", t.name, net_text(n));
    free(ours);
    free(theirs);
  }
  for (int l = 0; l < n->t.layers + 2; l++)
    for (int64_t j = 0; j < matrix_floats(layer_matrix(&n->t, l)); j++) {
      const struct device_matrix *m = layer_matrix(&n->t, l);
      if (layer_element(&n->t, l, (int)(j / m->columns), (int)(j % m->columns)) < 0)
        assert_true(weights[m->weight + j] == 0);
      assert_true(moment2[m->weight + j] == 0 && (!moment1 || moment1[m->weight + j] == 0));
    }
  free(weights);
  free(moment1);
  free(moment2);
  network_destroy(cpu);
}

/* A layer whose weights are 0 and whose biases are 1 shows the mask. */
TEST_MAY_USE static void weights_zero_and_biases_one(const struct net *n)
{
  float *w = calloc((size_t)n->t.parameters, sizeof *w);
  for (int l = 0; l < n->t.layers + 2; l++) {
    const struct device_matrix *m = layer_matrix(&n->t, l);
    for (int column = 0; column < m->columns; column++)
      if (layer_element(&n->t, l, m->rows, column) >= 0) w[m->weight + (int64_t)m->rows * m->columns + column] = 1;
  }
  put(n->t.weights, w, n->t.parameters * (int64_t)sizeof *w);
  free(w);
}

/* The dropout masks of a batch, of both layers that have one, are the CPU trainer's.  Returns how
 * many elements they drop. */
TEST_MAY_USE static int masks_of(struct net *n, struct rng *r)
{
  int thinned = 0;
  net_poison(n);
  weights_zero_and_biases_one(n);
  net_batch(n, r, DEVICE_TRAIN);
  for (int l = 0; l < n->t.layers; l++) layer_run_alone(n, PRECISION_FP32, FIRST_LAYER_FIRST, l);
  stage_run_alone(n, PRECISION_FP32, step_dense, 0);
  if (net_has_head(n)) stage_run_alone(n, PRECISION_FP32, step_loss, 0); /* which makes hidden */
  struct dataset d = net_dataset(n);
  struct network *cpu = cpu_network(n, &d);
  const struct device_conv *last = &n->t.conv[n->t.layers - 1];
  int area = last->pool_height * last->pool_width;
  float *map = get_floats(last->map, n->count * map_floats(&n->t, n->t.layers - 1));
  float *hidden = get_floats(n->t.hidden, (int64_t)n->count * n->t.padded_units);
  double rate = n->plan.config.dropout_rate;
  for (int block = 0; block < 2; block++)
    for (int image = 0; image < n->count; image++) {
      int features = block ? n->t.units : n->plan.features;
      float *want = malloc(((size_t)features + 64) * sizeof *want);
      uint32_t *words = malloc(((size_t)features + 128) * sizeof *words);
      for (int f = 0; f < features; f++) want[f] = 1;
      if (rate > 0)
        cpu->loops->dropout(n->seed, philox_subsequence(PHILOX_DROPOUT, block, (uint64_t)net_state(n).step),
                            (uint64_t)image * (uint64_t)features, features, 1, 1, philox_dropout_threshold(rate),
                            (float)(1 / (1 - rate)), words, want);
      for (int f = 0; f < features; f++) {
        float got = block ? hidden[(int64_t)image * n->t.padded_units + f]
                          : map[((int64_t)image * area + f % area) * last->matrix.columns + f / area];
        thinned += got == 0;
        if (got != want[f]) fail_msg("block %d, element %d: %g, not %g\n%s", block, f, got, want[f], net_text(n));
      }
      free(want);
      free(words);
    }
  free(map);
  free(hidden);
  network_destroy(cpu);
  return thinned;
}

#endif
