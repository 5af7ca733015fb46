/* Kernels together: what a network begins with is the CPU trainer's bit for bit, a step's gradients
 * agree with it and with the double-precision network, and the state moves through the epoch as it
 * should.
 *
 * Not under ThreadSanitizer: the host has one thread here, and a sweep over shapes runs under one
 * sanitizer. */
#include "tests/unit/kernels/kernels_beside_cpu.h"

#include "host/network/class_weights.h"
#include "tests/unit/network/reference_network.h"

/* Configurations that are trained: few where each access costs ten times as much. */
#ifdef CUDACPU_WITH_ASAN
enum { GRADIENT_CONFIGURATIONS = 4 };
#else
enum { GRADIENT_CONFIGURATIONS = 12 };
#endif

/* ---- beginnings ------------------------------------------------------------------------------ */

static void networks_begin_with_the_bits_of_the_cpu_trainer(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  for (int i = 0; i < 200; i++, seed++) {
    struct rng r = test_rng(seed);
    struct net n;
    net_random(&n, &r, seed, (struct net_limits){.least_layers = 1, .flops = 1e9});
    beginning_of(&n);
    net_destroy(&n);
  }
}

static void dropout_masks_are_the_bits_of_the_cpu_trainers(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  int thinned = 0;
  for (int i = 0; i < 200; i++, seed++) {
    struct rng r = test_rng(seed);
    struct net n;
    net_random(&n, &r, seed, (struct net_limits){.least_layers = 1, .flops = 12e6});
    thinned += masks_of(&n, &r);
    net_destroy(&n);
  }
  assert_true(thinned > 1000);
}

/* ---- state ----------------------------------------------------------------------------------- */

/* The batches of an epoch: phases, and places in the epoch's order. */
struct batch {
  int phase, begin, count;
};

static int epoch_batches(const struct device_trial *t, struct batch *b)
{
  int n = 0;
  for (int i = 0; i < t->train_images; i += t->batch)
    b[n++] = (struct batch){DEVICE_TRAIN, i, i + t->batch <= t->train_images ? t->batch : t->train_images - i};
  for (int i = 0; i < t->validation_images; i += t->batch)
    b[n++] =
        (struct batch){DEVICE_EVALUATE, i, i + t->batch <= t->validation_images ? t->batch : t->validation_images - i};
  b[n] = (struct batch){DEVICE_IDLE, 0, 0};
  return n;
}

static void check_rows(const struct net *n, const struct batch *b, int64_t epoch)
{
  struct philox_permutation order = philox_permutation_make(
      n->seed, philox_subsequence(PHILOX_ORDER, 0, (uint64_t)epoch), (uint32_t)n->plan.train_images);
  int32_t *rows = get(n->t.rows, n->t.batch * (int64_t)sizeof *rows);
  for (int i = 0; i < b->count; i++) {
    int want = b->phase == DEVICE_TRAIN ? n->train_rows[philox_permutation_at(&order, (uint32_t)(b->begin + i))]
                                        : n->validation_rows[b->begin + i];
    assert_int_equal(rows[i], want);
  }
  free(rows);
}

/* The members' batches, one after the other, with losses that sum exactly; member `failing` has one
 * that is not finite in batch `at`. */
static void epoch_of(int members, const struct net *net, struct rng *r, int failing, int at)
{
  struct batch b[4][2 * STORED_IMAGES + 1];
  int batches[4], most = 0;
  double loss[4][2] = {{0}};
  int64_t epoch[4], step[4], hits[4] = {0};
  const struct net *of[4];
  int32_t *want[4]; /* the tally */
  for (int m = 0; m < members; m++) {
    of[m] = &net[m];
    want[m] = calloc(2 * (size_t)net[m].t.classes, sizeof *want[m]);
    batches[m] = epoch_batches(&net[m].t, b[m]);
    if (batches[m] > most) most = batches[m];
    epoch[m] = draw(r, 0, 50);
    step[m] = draw(r, 0, 500);
    struct device_state s;
    device_state_begin(&s, &net[m].t, epoch[m], step[m]);
    put(net[m].t.state, &s, sizeof s);
  }
  struct cohort c;
  cohort_make(&c, members, of, PRECISION_FP32);
  assert_int_equal(step_rows(c.table, members, stream), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
  for (int i = 0; i <= most + 1; i++) {
    for (int m = 0; m < members; m++) {
      const struct net *n = &net[m];
      bool failed = m == failing && i > at;
      const struct batch *now = &b[m][failed || i > batches[m] ? batches[m] : i];
      struct device_state s = net_state(n);
      assert_int_equal(s.phase, now->phase);
      assert_int_equal(s.count, now->count);
      assert_int_equal(s.failed, failed);
      assert_int_equal(s.epoch, epoch[m]);
      if (now->phase != DEVICE_IDLE) {
        assert_int_equal(s.begin, now->begin);
        assert_int_equal(s.step, step[m]);
        assert_true(fabs(s.beta1_power / pow(0.9, (double)step[m] + 1) - 1) < 1e-12);
        assert_true(fabs(s.beta2_power / pow(0.999, (double)step[m] + 1) - 1) < 1e-12);
        assert_true(s.correction1 == (float)(1 / (1 - s.beta1_power)));
        assert_true(s.correction2 == (float)(1 / sqrt(1 - s.beta2_power)));
      }
      if (!failed) {
        assert_true(s.training_loss == loss[m][0]);
        assert_true(s.loss == loss[m][1]);
        assert_int_equal(s.correct, hits[m]);
      }
      if (!failed && now->phase == DEVICE_IDLE && n->t.validation_images > 0) {
        int64_t bytes = 2 * n->t.classes * (int64_t)sizeof **want;
        int32_t *tally = get(n->t.tally, bytes);
        assert_memory_equal(tally, want[m], bytes);
        free(tally);
      }
      check_rows(n, now, epoch[m]);
      float losses[256];
      int32_t hit[256], best[256];
      for (int j = 0; j < now->count; j++) {
        losses[j] = (float)draw(r, 0, 1000) / 64;
        hit[j] = draw(r, 0, 1);
        loss[m][now->phase == DEVICE_EVALUATE] += losses[j];
        best[j] = draw(r, 0, n->t.classes - 1);
        if (now->phase == DEVICE_EVALUATE) hits[m] += hit[j];
        if (now->phase == DEVICE_EVALUATE) want[m][best[j]] += hit[j];
        if (now->phase == DEVICE_EVALUATE) want[m][n->t.classes + best[j]]++;
      }
      if (m == failing && i == at) losses[draw(r, 0, now->count - 1)] = draw(r, 0, 1) ? NAN : INFINITY;
      put(n->t.losses, losses, now->count * (int64_t)sizeof *losses);
      put(n->t.hits, hit, now->count * (int64_t)sizeof *hit);
      put(n->t.best, best, now->count * (int64_t)sizeof *best);
      if (now->phase == DEVICE_TRAIN) step[m]++;
    }
    const struct device_tiles tiles = {.room = members};
    assert_int_equal(step_advance(c.table, tiles, 0, c.precision, stream), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    no_reports();
  }
  cohort_destroy(&c);
  for (int m = 0; m < members; m++) free(want[m]);
}

static void the_state_moves_through_training_and_validation_images_to_idle_or_failed(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  for (int i = 0; i < 200; i++, seed++) {
    struct rng r = test_rng(seed);
    struct net net[4];
    int members = draw(&r, 1, 4), failing = draw(&r, 0, 1) ? draw(&r, 0, members - 1) : -1;
    for (int m = 0; m < members; m++) {
      net_random(&net[m], &r, seed + 1000000 * (uint64_t)m, (struct net_limits){.least_layers = 1, .flops = 4e6});
      net_poison(&net[m]);
    }
    struct batch b[2 * STORED_IMAGES + 1];
    int batches = epoch_batches(&net[failing < 0 ? 0 : failing].t, b);
    epoch_of(members, net, &r, failing, draw(&r, 0, batches - 1));
    for (int m = 0; m < members; m++) net_destroy(&net[m]);
  }
}

/* All of a network's pieces as they lie in its memory; between them, zeros. */
static char *net_copy(const struct net *n)
{
  char *copy = calloc(1, (size_t)n->bytes);
  struct piece piece[DEVICE_PIECES_MAX];
  int pieces = net_pieces(&n->t, piece);
  for (int i = 0; i < pieces; i++)
    assert_int_equal(cudaMemcpy(copy + ((char *)piece[i].at - (char *)n->memory), piece[i].at, (size_t)piece[i].bytes,
                                cudaMemcpyDeviceToHost),
                     cudaSuccess);
  return copy;
}

/* Whether two copies of a network's memory are alike in a piece. */
static bool same_piece(const struct net *n, const char *before, const char *after, const void *piece, int64_t bytes)
{
  int64_t at = (const char *)piece - (const char *)n->memory;
  return memcmp(before + at, after + at, (size_t)bytes) == 0;
}

static void idle_networks_are_left_alone_and_evaluation_changes_no_weight(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  for (int i = 0; i < 40; i++, seed++)
    for (int phase = DEVICE_IDLE; phase <= DEVICE_EVALUATE; phase++) {
      struct rng r = test_rng(seed);
      struct net n;
      net_random(&n, &r, seed, (struct net_limits){.least_layers = 1, .flops = 4e6});
      net_poison(&n);
      net_weights(&n, &r);
      net_batch(&n, &r, (enum device_phase)phase);
      struct cohort c;
      const struct net *alone = &n;
      cohort_make(&c, 1, &alone, i % 2 ? PRECISION_TF32 : PRECISION_FP32);
      char *before = net_copy(&n);
#ifndef REAL_GPU
      struct step_launch all[STEP_LAUNCHES_MAX];
      uint64_t launches = cudacpu_counts().launches;
      int made = 0;
      for (int l = step_launches(all, n.t.layers) - 1; l >= 0; l--)
        made += step_launch_is_of(&all[l], &n.t, c.precision);
#endif
      step_run(&c, true, phase == DEVICE_IDLE);
#ifndef REAL_GPU
      assert_int_equal(cudacpu_counts().launches - launches, made - (phase != DEVICE_IDLE));
#endif
      char *after = net_copy(&n);
      int64_t parameters = n.t.parameters * (int64_t)sizeof(float);
      bool same = same_piece(&n, before, after, n.t.weights, parameters) &&
                  same_piece(&n, before, after, n.t.moment2, parameters) &&
                  (!n.t.adam || same_piece(&n, before, after, n.t.moment1, parameters)) &&
                  same_piece(&n, before, after, n.t.partial, partial_floats(&n.t) * (int64_t)sizeof(float)) &&
                  same_piece(&n, before, after, n.t.hidden_gradient, n.t.batch * (int64_t)sizeof(float));
      if (phase == DEVICE_IDLE) same = memcmp(before, after, (size_t)n.bytes) == 0;
      if (phase == DEVICE_TRAIN ? same : !same)
        fail_msg("phase %d: memory is %s\n%s", phase, same ? "as it was" : "changed", net_text(&n));
      free(before);
      free(after);
      cohort_destroy(&c);
      net_destroy(&n);
    }
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* The paper's space, with few filters and units so that a step is small: 16×16 images. */
static void net_of_the_space(struct net *n, struct rng *r, uint64_t seed, double most_learning_rate)
{
  static const int batches[] = {8, 16, 32, 64};
  memset(n, 0, sizeof *n);
  n->seed = seed;
  do {
    struct network_config c = {.num_conv_layers = draw(r, 2, 4),
                               .learning_rate = 1e-5 * pow(most_learning_rate / 1e-5, rng_uniform(r)),
                               .dropout_rate = 0.9 * rng_uniform(r),
                               .optimizer = draw(r, 0, 1) ? OPTIMIZER_ADAM : OPTIMIZER_SGD,
                               .epochs = 1,
                               .stride = draw(r, 1, 2),
                               .padding = draw(r, 0, 1) ? PADDING_SAME : PADDING_VALID,
                               .kernel = draw(r, 0, 1) ? 3 : 5,
                               .num_fc_units = draw(r, 64, 256),
                               .batch_size = batches[draw(r, 0, 3)],
                               .model = {.filters = 8, .momentum = 0.9}};
    plan_make(&n->plan, &c, 16, 16, draw(r, 0, 1) ? 1 : 3, 10, 48, 30);
  } while (!n->plan.feasible);
  n->count = n->plan.config.batch_size < 48 ? n->plan.config.batch_size : 48;
  net_make(n, r);
}

static double difference_of(const float *a, const double *b, int64_t count)
{
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < count; i++) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

/* The first batch of epoch 0: every tensor's gradient and the loss, against the double-precision
 * network, which test_trainer holds against finite differences, and against the CPU trainer.
 * Bounds: 4e-7 is usual in FP32.  In TF32 one window in a thousand finds another of its pixels the
 * largest, and the gradient of these images, which are noise, is off by the root of that. */
static void gradients_of(struct net *n, struct rng *r, int precision, double bound)
{
  net_poison(n);
  net_initialise(n);
  struct dataset d = net_dataset(n);
  struct network *cpu = cpu_network(n, &d);
  struct reference reference;
  struct error e = {0};
  reference_create(&reference, &n->plan, n->seed);
  float *weights = get_floats(n->t.weights, n->t.parameters);
  for (int k = 1; k < reference.tensors; k += 2) { /* biases that are not zero */
    const struct device_matrix *m = layer_matrix(&n->t, k / 2);
    float b[256];
    for (int64_t j = 0; j < reference.count[k]; j++) {
      reference.value[k][j] = b[j] = 0.05f * draw_value(r, false);
      weights[m->weight + (int64_t)m->rows * m->columns + j] = b[j];
    }
    assert_int_equal(network_tensor_set(cpu, k, b, &e), 0);
  }
  put(n->t.weights, weights, n->t.parameters * (int64_t)sizeof *weights);

  struct device_state s;
  device_state_begin(&s, &n->t, 0, 0);
  put(n->t.state, &s, sizeof s);
  struct cohort c;
  const struct net *alone = n;
  cohort_make(&c, 1, &alone, precision);
  assert_int_equal(step_rows(c.table, 1, stream), cudaSuccess);
  step_run(&c, false, false);
  float *partial = get_floats(n->t.partial, partial_floats(&n->t)), *losses = get_floats(n->t.losses, n->count);

  struct philox_permutation order =
      philox_permutation_make(n->seed, philox_subsequence(PHILOX_ORDER, 0, 0), (uint32_t)n->plan.train_images);
  int images[64];
  double loss = 0, cpu_loss, sum = 0;
  for (int i = 0; i < n->count; i++) {
    images[i] = (int)philox_permutation_at(&order, (uint32_t)i);
    cpu->bytes[i] = dataset_image(&d, &d.train, images[i]);
    cpu->labels[i] = (uint16_t)dataset_label(&d.train, images[i]);
    sum += losses[i];
  }
  loss = reference_pass(&reference, &d, &d.train, images, n->count, 1, 0, 1, NULL);
  assert_int_equal(network_gradients(cpu, n->count, &cpu_loss, &e), 0);
  if (!(fabs(sum / n->count - loss) <= bound / 10 * loss))
    fail_msg("loss %.9g, not %.9g\n%s", sum / n->count, loss, net_text(n));
  for (int k = 0; k < reference.tensors; k++) {
    const struct device_matrix *m = layer_matrix(&n->t, k / 2);
    int64_t size = matrix_floats(m), count = reference.count[k];
    float *whole = calloc((size_t)n->t.parameters, sizeof *whole);
    for (int part = 0; part < m->splits; part++)
      for (int64_t j = 0; j < size; j++) whole[m->weight + j] += partial[m->partial + part * size + j];
    float *ours = logical(n, whole, k / 2, k % 2, count), *theirs = malloc((size_t)count * sizeof *theirs);
    double *wide = malloc((size_t)count * sizeof *wide);
    assert_int_equal(network_gradient_get(cpu, k, theirs, &e), 0);
    for (int64_t j = 0; j < count; j++) wide[j] = theirs[j];
    double difference = difference_of(ours, reference.gradient[k], count), from_cpu = difference_of(ours, wide, count);
    if (!(difference <= bound && from_cpu <= bound))
      fail_msg("tensor %d: gradient off by %g, by %g from the CPU trainer's\n%s", k, difference, from_cpu, net_text(n));
    free(whole);
    free(ours);
    free(theirs);
    free(wide);
  }
  free(weights);
  free(partial);
  free(losses);
  cohort_destroy(&c);
  reference_destroy(&reference);
  network_destroy(cpu);
}

/* The weights of classes, as the data set's go to a device. */
static void net_weigh(struct net *n)
{
  struct dataset d = net_dataset(n);
  struct error e = {0};
  float *weights = malloc((size_t)d.n_classes * sizeof *weights);
  n->plan.config.model.class_weights = CLASS_WEIGHTS_BALANCED;
  assert_int_equal(class_weights_balanced(&d.train, d.n_classes, weights, &e), 0);
  n->t.class_weights = device_memory(weights, (size_t)d.n_classes * sizeof *weights);
  free(weights);
}

static void gradients_of_a_step_are_those_of_the_double_precision_network_and_the_cpu_trainer(void **state)
{
  (void)state;
  uint64_t seed = first_seed();
  for (int i = 0; i < GRADIENT_CONFIGURATIONS; i++, seed++)
    for (int precision = PRECISION_FP32; precision <= PRECISION_TF32; precision++) {
      struct rng r = test_rng(seed);
      struct net n;
      net_of_the_space(&n, &r, seed, 0.003);
      if (i % 2) net_weigh(&n);
      gradients_of(&n, &r, precision, precision == PRECISION_FP32 ? 5e-6 : 1e-1);
      net_destroy(&n);
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(networks_begin_with_the_bits_of_the_cpu_trainer, fresh_machine),
      cmocka_unit_test_setup(dropout_masks_are_the_bits_of_the_cpu_trainers, fresh_machine),
      cmocka_unit_test_setup(the_state_moves_through_training_and_validation_images_to_idle_or_failed, fresh_machine),
      cmocka_unit_test_setup(idle_networks_are_left_alone_and_evaluation_changes_no_weight, fresh_machine),
      cmocka_unit_test_setup(gradients_of_a_step_are_those_of_the_double_precision_network_and_the_cpu_trainer,
                             fresh_machine),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
