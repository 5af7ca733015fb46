/* The CUDA trainer: against the CPU trainer, and against itself alone, in company, on other streams, on another device, after a
 * checkpoint.  Run by the harness on the CPU, and, without the tests of faults that only the harness can make, on a GPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohort.h"
#include "tests/cudacpu/cudacpu.h"
#include "philox.h"
#include "rng.h"
#include "trainer.h"

/* ---- data ----------------------------------------------------------------------------------------------------------------- */

enum { SIDE = 16, CLASSES = 5, TRAIN = 60, VALIDATION = 30 };

/* Trials in company.  Where every access of a kernel is looked at, what takes a second takes twenty. */
static int company(void)
{
  return cudacpu_is_checked() ? 3 : 7;
}

static struct dataset data;
static uint8_t images[(TRAIN + VALIDATION) * SIDE * SIDE * 3];
static uint16_t labels[TRAIN + VALIDATION];
static int32_t rows[TRAIN + VALIDATION];

/* Noise, and a bright band where the class says. */
static void make_data(int channels)
{
  for (int i = 0; i < TRAIN + VALIDATION; i++) {
    struct rng rng = rng_make(3, philox_subsequence(PHILOX_TEST, 2, (uint64_t)i));
    labels[i] = (uint16_t)(i % CLASSES);
    rows[i] = i;
    for (int k = 0; k < SIDE * SIDE * channels; k++) {
      int y = k / (SIDE * channels), bright = y / (SIDE / CLASSES) == labels[i] ? 90 : 30;
      images[i * SIDE * SIDE * channels + k] = (uint8_t)(bright + (int)rng_below(&rng, 120));
    }
  }
  data = (struct dataset){.n_classes = CLASSES, .channels = channels, .height = SIDE, .width = SIDE};
  for (int c = 0; c < channels; c++) {
    data.mean[c] = 0.4f;
    data.deviation[c] = 0.2f + 0.01f * (float)c;
  }
  data.train = (struct dataset_split){TRAIN, rows, images, labels};
  data.validation = (struct dataset_split){VALIDATION, rows + TRAIN, images, labels};
}

static struct network_config config_of(int layers, int kernel, int stride, int batch, bool adam, double dropout,
                                       int epochs)
{
  return (struct network_config){.num_conv_layers = layers,
                                 .learning_rate = adam ? 0.003 : 0.03,
                                 .dropout_rate = dropout,
                                 .optimizer = adam ? OPTIMIZER_ADAM : OPTIMIZER_SGD,
                                 .epochs = epochs,
                                 .stride = stride,
                                 .padding = PADDING_SAME,
                                 .kernel = kernel,
                                 .num_fc_units = 20,
                                 .batch_size = batch,
                                 .model = {.filters = 10, .momentum = 0.9}};
}

static struct plan plan_of(struct network_config c)
{
  struct plan p;
  plan_make(&p, &c, SIDE, SIDE, data.channels, CLASSES, TRAIN, VALIDATION);
  assert_true(p.feasible);
  return p;
}

/* A few plans of different shapes. */
static struct plan some_plan(int i)
{
  switch (i % 5) {
  case 0:
    return plan_of(config_of(2, 3, 1, 16, true, 0, 3));
  case 1:
    return plan_of(config_of(3, 3, 1, 25, false, 0.3, 2));
  case 2:
    return plan_of(config_of(1, 5, 2, 60, true, 0.5, 4));
  case 3:
    return plan_of(config_of(2, 5, 1, 7, false, 0, 2));
  default:
    return plan_of(config_of(1, 3, 1, 32, true, 0.2, 3));
  }
}

/* ---- what a training came to ---------------------------------------------------------------------------------------------- */

enum { EPOCHS_MAX = 4, PARAMETERS_MAX = 20000 };

struct outcome {
  int epochs;
  double training_loss[EPOCHS_MAX], accuracy[EPOCHS_MAX], loss[EPOCHS_MAX];
  int64_t parameters;
  float weights[PARAMETERS_MAX];
};

static void check(int code, const struct error *e)
{
  if (code) fail_msg("%s", e->message);
}

static void tensors_of(struct cohort *c, int id, const struct plan *p, struct outcome *o)
{
  struct error e = {0};
  struct network *n;
  o->parameters = 0;
  check(network_create(&n, p, 0, &data, &e), &e); /* tells the tensors */
  for (int i = 0; i < network_tensor_count(n); i++) {
    struct network_tensor t;
    network_tensor_info(n, i, &t);
    assert_true(o->parameters + t.count <= PARAMETERS_MAX);
    check(cohort_tensor_get(c, id, i, o->weights + o->parameters, &e), &e);
    o->parameters += t.count;
  }
  network_destroy(n);
}

/* The CPU trainer's. */
static void train_cpu(const struct plan *p, uint64_t key, struct outcome *o)
{
  struct error e = {0};
  struct network *n;
  check(network_create(&n, p, key, &data, &e), &e);
  for (o->epochs = 0; o->epochs < p->config.epochs; o->epochs++) {
    struct evaluation evaluation;
    check(network_train_epoch(n, &o->training_loss[o->epochs], NULL, &e), &e);
    check(network_evaluate(n, &data, &data.validation, &evaluation, NULL, &e), &e);
    o->accuracy[o->epochs] = evaluation.accuracy;
    o->loss[o->epochs] = evaluation.loss;
  }
  o->parameters = 0;
  for (int i = 0; i < network_tensor_count(n); i++) {
    struct network_tensor t;
    network_tensor_info(n, i, &t);
    check(network_tensor_get(n, i, o->weights + o->parameters, &e), &e);
    o->parameters += t.count;
  }
  network_destroy(n);
}

/* Trains trials first ... first + n - 1 (plan some_plan(i), key 100 + i) in one cohort, as many at once as there is room for. */
static void train_on(const struct device_data *on_device, int capacity, int first, int n,
                     enum cohort_precision precision, struct outcome *out, struct cohort_counts *counts)
{
  struct error e = {0};
  struct cohort *c;
  int added = 0, running = 0;
  check(cohort_open(&c, on_device, capacity, precision, &e), &e);
  while (added < n || running > 0) {
    while (added < n && running < capacity) {
      struct plan p = some_plan(first + added);
      check(cohort_add(c, first + added, &p, 100 + (uint64_t)(first + added), &e), &e);
      added++;
      running++;
    }
    struct cohort_event events[16];
    int ended;
    check(cohort_advance(c, events, 16, &ended, NULL, &e), &e);
    assert_true(ended > 0);
    for (int i = 0; i < ended; i++) {
      struct outcome *o = &out[events[i].id - first];
      struct plan p = some_plan(events[i].id);
      assert_false(events[i].failed);
      assert_int_equal(events[i].epoch, o->epochs + 1);
      o->training_loss[o->epochs] = events[i].training_loss;
      o->accuracy[o->epochs] = events[i].accuracy;
      o->loss[o->epochs] = events[i].loss;
      if (++o->epochs < p.config.epochs) continue;
      tensors_of(c, events[i].id, &p, o);
      cohort_remove(c, events[i].id);
      running--;
    }
  }
  if (counts) *counts = cohort_counts(c);
  cohort_close(c);
}

static void train_cohort(int device, int capacity, int first, int n, enum cohort_precision precision,
                         struct outcome *out, struct cohort_counts *counts)
{
  struct error e = {0};
  struct device_data *on_device;
  check(device_data_open(&on_device, &data, device, &e), &e);
  train_on(on_device, capacity, first, n, precision, out, counts);
  device_data_close(on_device);
}

/* Another device of the same model, where there is one. */
static int other_device(void)
{
  char first[400], other[400], why[300];
  cohort_device_name(0, first, sizeof first);
  for (int i = cohort_device_count(why, sizeof why) - 1; i > 0; i--) {
    cohort_device_name(i, other, sizeof other);
    if (!strcmp(first, other)) return i;
  }
  return 0;
}

static void same(const struct outcome *a, const struct outcome *b)
{
  assert_int_equal(a->epochs, b->epochs);
  assert_int_equal(a->parameters, b->parameters);
  for (int i = 0; i < a->epochs; i++)
    assert_true(a->training_loss[i] == b->training_loss[i] && a->accuracy[i] == b->accuracy[i] &&
                a->loss[i] == b->loss[i]);
  assert_memory_equal(a->weights, b->weights, sizeof(float) * (size_t)a->parameters);
}

static struct outcome *outcomes(int n)
{
  struct outcome *o = calloc((size_t)n, sizeof *o);
  assert_non_null(o);
  return o;
}

/* ---- tests ---------------------------------------------------------------------------------------------------------------- */

static double norm_of_difference(const float *a, const float *b, int64_t n)
{
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < n; i++) {
    difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    norm += (double)b[i] * b[i];
  }
  return sqrt(difference / norm);
}

static void learns_as_the_cpu_trainer_does(void **state)
{
  (void)state;
  for (int channels = cudacpu_is_checked() ? 3 : 1; channels <= 3; channels += 2) {
    make_data(channels);
    int n = cudacpu_is_checked() ? 2 : 5;
    struct outcome *cuda = outcomes(n), *cpu = outcomes(1);
    train_cohort(0, n, 0, n, COHORT_FP32, cuda, NULL);
    for (int i = 0; i < n; i++) {
      struct plan p = some_plan(i);
      train_cpu(&p, 100 + (uint64_t)i, cpu);
      assert_int_equal(cuda[i].epochs, cpu->epochs);
      assert_int_equal(cuda[i].parameters, cpu->parameters);
      for (int k = 0; k < cpu->epochs; k++) {
        if (fabs(cuda[i].training_loss[k] - cpu->training_loss[k]) > 2e-4 * cpu->training_loss[k])
          fail_msg("trial %d, epoch %d: training loss %.8f, CPU %.8f", i, k, cuda[i].training_loss[k],
                   cpu->training_loss[k]);
        assert_true(fabs(cuda[i].loss[k] - cpu->loss[k]) <= 2e-3 * cpu->loss[k]);
        assert_true(fabs(cuda[i].accuracy[k] - cpu->accuracy[k]) <= 1.01 / VALIDATION);
      }
      assert_true(norm_of_difference(cuda[i].weights, cpu->weights, cpu->parameters) < 2e-3);
    }
    free(cuda);
    free(cpu);
  }
}

static void the_same_bits_alone_in_company_and_elsewhere(void **state)
{
  (void)state;
  make_data(1);
  int n = company();
  for (int precision = cudacpu_is_checked() ? COHORT_TF32 : COHORT_FP32; precision <= COHORT_TF32; precision++) {
    struct outcome *alone = outcomes(n), *two = outcomes(n), *seven = outcomes(n);
    struct cohort_counts counts;
    for (int i = 0; i < n; i++) train_cohort(0, 1, i, 1, (enum cohort_precision)precision, alone + i, NULL);
    train_cohort(other_device(), 2, 0, n, (enum cohort_precision)precision, two, NULL);
    cudacpu_set_order(CUDACPU_SHUFFLED, CUDACPU_SHUFFLED, 5);
    train_cohort(0, n, 0, n, (enum cohort_precision)precision, seven, &counts);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, 0);
    for (int i = 0; i < n; i++) {
      same(alone + i, two + i);
      same(alone + i, seven + i);
    }
    assert_int_equal(counts.captures, 1); /* who leaves does not ask for a new one */
    assert_true(counts.launches <= 12);
    free(alone);
    free(two);
    free(seven);
  }
}

struct side {
  const struct device_data *on_device;
  int capacity, first, n;
  struct outcome *out;
};

static void *train_side(void *context)
{
  const struct side *s = context;
  train_on(s->on_device, s->capacity, s->first, s->n, COHORT_FP32, s->out, NULL);
  return NULL;
}

/* Each cohort has its stream, and here a thread, too. */
static void the_same_bits_on_streams_side_by_side(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  (void)state;
  make_data(1);
  int n = cudacpu_is_checked() ? 3 : 5;
  struct outcome *alone = outcomes(n), *beside = outcomes(n);
  struct side sides[] = {
      {.capacity = 1, .n = 1}, {.capacity = 2, .first = 1, .n = n - 2}, {.capacity = 1, .first = n - 1, .n = 1}};
  pthread_t threads[3];
  train_cohort(0, 1, 0, n, COHORT_FP32, alone, NULL);
  check(device_data_open(&on_device, &data, 0, &e), &e);
  for (int i = 0; i < 3; i++) {
    sides[i].on_device = on_device;
    sides[i].out = beside + sides[i].first;
    assert_int_equal(pthread_create(&threads[i], NULL, train_side, &sides[i]), 0);
  }
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  device_data_close(on_device);
  for (int i = 0; i < n; i++) same(alone + i, beside + i);
  free(alone);
  free(beside);
}

static void a_checkpoint_goes_on_with_the_same_bits(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  struct cohort *c, *other;
  struct cohort_event event;
  struct outcome *whole = outcomes(1), *resumed = outcomes(1);
  void *block;
  size_t bytes;
  int n;
  (void)state;
  make_data(1);
  for (int i = cudacpu_is_checked() ? 4 : 0; i < 5; i++) {
    struct plan p = some_plan(i);
    memset(whole, 0, sizeof *whole);
    memset(resumed, 0, sizeof *resumed);
    train_cohort(0, 1, i, 1, COHORT_FP32, whole, NULL);
    check(device_data_open(&on_device, &data, 0, &e), &e);
    check(cohort_open(&c, on_device, 2, COHORT_FP32, &e), &e);
    check(cohort_open(&other, on_device, 3, COHORT_FP32, &e), &e);
    check(cohort_add(c, i, &p, 100 + (uint64_t)i, &e), &e);
    check(cohort_advance(c, &event, 1, &n, NULL, &e), &e);
    check(cohort_checkpoint(c, i, &block, &bytes, &e), &e);
    assert_int_not_equal(cohort_restore(other, 9, &p, 7, block, bytes, &e), 0); /* another trial's key */
    assert_int_not_equal(cohort_restore(other, 9, &p, 100 + (uint64_t)i, block, bytes - 1, &e), 0);
    check(cohort_restore(other, 9, &p, 100 + (uint64_t)i, block, bytes, &e), &e);
    for (resumed->epochs = 0; event.epoch < p.config.epochs;) {
      check(cohort_advance(other, &event, 1, &n, NULL, &e), &e);
      assert_int_equal(n, 1);
      assert_true(event.loss == whole->loss[event.epoch - 1]);
      assert_true(event.training_loss == whole->training_loss[event.epoch - 1]);
    }
    tensors_of(other, 9, &p, resumed);
    assert_memory_equal(whole->weights, resumed->weights, sizeof(float) * (size_t)whole->parameters);
    free(block);
    cohort_close(c);
    cohort_close(other);
    device_data_close(on_device);
  }
  free(whole);
  free(resumed);
}

static void a_loss_that_is_not_finite_ends_a_trial_and_no_other(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  struct cohort *c;
  struct outcome *alone = outcomes(1);
  struct cohort_event events[4];
  struct network_config wild = config_of(2, 3, 1, 16, false, 0, 3);
  int n, failed = 0, ended = 0;
  (void)state;
  make_data(1);
  wild.learning_rate = 1e30;
  train_cohort(0, 1, 0, 1, COHORT_FP32, alone, NULL);
  struct plan diverging = plan_of(wild), sound = some_plan(0);
  check(device_data_open(&on_device, &data, 0, &e), &e);
  check(cohort_open(&c, on_device, 2, COHORT_FP32, &e), &e);
  check(cohort_add(c, 7, &diverging, 1, &e), &e);
  check(cohort_add(c, 0, &sound, 100, &e), &e);
  while (ended < 3) {
    check(cohort_advance(c, events, 4, &n, NULL, &e), &e);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
      if (events[i].id == 7) {
        assert_true(events[i].failed);
        failed++;
      } else {
        assert_true(events[i].loss == alone->loss[ended]);
        ended++;
      }
    }
  }
  assert_int_equal(failed, 1);
  check(cohort_advance(c, events, 4, &n, NULL, &e), &e);
  assert_int_equal(n, 0);
  cohort_close(c);
  device_data_close(on_device);
  free(alone);
}

#ifndef REAL_GPU /* faults, and allocations counted to the byte */
static void memory_that_runs_out_is_the_machines_failure(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  struct cohort *c;
  struct cohort_event event;
  int n;
  (void)state;
  make_data(1);
  struct plan p = some_plan(0);
  check(device_data_open(&on_device, &data, 0, &e), &e);
  check(cohort_open(&c, on_device, 2, COHORT_FP32, &e), &e);
  cudacpu_fail_allocation(1);
  assert_int_equal(cohort_add(c, 1, &p, 5, &e), ERROR_MACHINE);
  check(cohort_add(c, 1, &p, 5, &e), &e); /* there is memory again */
  check(cohort_advance(c, &event, 1, &n, NULL, &e), &e);
  assert_int_equal(cohort_add(c, 1, &p, 5, &e), ERROR_FAILED);
  check(cohort_add(c, 2, &p, 5, &e), &e);
  assert_int_equal(cohort_add(c, 3, &p, 5, &e), ERROR_MACHINE); /* no room */
  cohort_close(c);
  device_data_close(on_device);
  assert_int_equal(cudacpu_counts().allocations, 0);
}

static void memory_is_what_was_foretold(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  struct cohort *c;
  (void)state;
  make_data(1);
  check(device_data_open(&on_device, &data, 0, &e), &e);
  check(cohort_open(&c, on_device, 5, COHORT_FP32, &e), &e);
  for (int i = 0; i < 5; i++) {
    struct plan p = some_plan(i);
    size_t before = cudacpu_counts().bytes;
    check(cohort_add(c, i, &p, 5, &e), &e);
    double told = (double)cohort_trial_bytes(&p), taken = (double)(cudacpu_counts().bytes - before);
    assert_true(told > 0 && fabs(taken - told) <= 0.01 * told); /* an allocation is rounded up */
  }
  struct plan p = some_plan(2);
  size_t before = cudacpu_counts().bytes;
  cohort_remove(c, 2);
  check(cohort_add(c, 9, &p, 6, &e), &e); /* into the memory of the one before */
  assert_int_equal(cudacpu_counts().bytes, before);
  cohort_close(c);
  device_data_close(on_device);
}

#endif

static void a_stop_is_heard(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  struct cohort *c;
  struct cohort_event event;
  volatile int stop = 1;
  int n;
  (void)state;
  make_data(1);
  struct plan p = some_plan(0);
  check(device_data_open(&on_device, &data, 0, &e), &e);
  check(cohort_open(&c, on_device, 1, COHORT_FP32, &e), &e);
  check(cohort_add(c, 1, &p, 5, &e), &e);
  assert_int_equal(cohort_advance(c, &event, 1, &n, &stop, &e), ERROR_INTERRUPTED);
  cohort_close(c);
  device_data_close(on_device);
}

#ifndef REAL_GPU
static void a_lost_device_is_told_from_one_without_memory(void **state)
{
  static float some_weights[1 << 16];
  struct error e = {0};
  struct device_data *on_device;
  struct cohort *c;
  struct cohort_event event;
  int n, code = 0;
  (void)state;
  make_data(1);
  struct plan p = some_plan(0);
  check(device_data_open(&on_device, &data, 1, &e), &e);
  check(cohort_open(&c, on_device, 2, COHORT_FP32, &e), &e);
  check(cohort_add(c, 1, &p, 5, &e), &e);
  cudacpu_lose_device(1, 10, cudaErrorDevicesUnavailable);
  for (int i = 0; i < 5 && !code; i++) code = cohort_advance(c, &event, 1, &n, NULL, &e);
  assert_int_equal(code, ERROR_LOST);
  assert_int_equal(cohort_add(c, 2, &p, 6, &e), ERROR_LOST);
  assert_int_equal(cohort_tensor_get(c, 1, 0, some_weights, &e), ERROR_LOST);
  cohort_close(c);
  device_data_close(on_device);
  cudacpu_reset(2, NULL);
}

#endif

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(learns_as_the_cpu_trainer_does),
      cmocka_unit_test(the_same_bits_alone_in_company_and_elsewhere),
      cmocka_unit_test(the_same_bits_on_streams_side_by_side),
      cmocka_unit_test(a_checkpoint_goes_on_with_the_same_bits),
      cmocka_unit_test(a_loss_that_is_not_finite_ends_a_trial_and_no_other),
      cmocka_unit_test(a_stop_is_heard),
#ifndef REAL_GPU
      cmocka_unit_test(memory_that_runs_out_is_the_machines_failure),
      cmocka_unit_test(memory_is_what_was_foretold),
      cmocka_unit_test(a_lost_device_is_told_from_one_without_memory),
#endif
  };
  return cmocka_run_group_tests_name("cohort", tests, NULL, NULL);
}
