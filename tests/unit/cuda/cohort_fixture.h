/* For the tests of the CUDA trainer: a small data set, plans of different shapes, and whole
 * trainings of them on a device or on the CPU.
 *
 * Between the parts of a device's memory that are in use everything is out of bounds.  Header only:
 * each test program includes it once. */
#ifndef GSOS_COHORT_FIXTURE_H
#define GSOS_COHORT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cuda/cohort.h"
#include "host/cuda/device_list.h"
#include "tests/cudacpu/cudacpu.h"
#include "kernels/philox.h"
#include "host/base/rng.h"
#include "host/network/trainer.h"

#define TEST_MAY_USE __attribute__((unused))

/* ---- data ------------------------------------------------------------------------------------ */

enum { SIDE = 16, CLASSES = 5, TRAIN = 60, VALIDATION = 30 };

/* Whether every access is looked at, by the harness or by a sanitizer: what takes a second takes
 * twenty then, and fewer trials have to do. */
TEST_MAY_USE static bool each_access_is_looked_at(void)
{
#if defined CUDACPU_WITH_ASAN || defined CUDACPU_WITH_TSAN
  return true;
#else
  return cudacpu_is_checked();
#endif
}

/* Trials in company. */
TEST_MAY_USE static int company(void)
{
  return each_access_is_looked_at() ? 3 : 7;
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
  data.train = (struct dataset_split){.n = TRAIN, .rows = rows, .images = images, .labels = labels};
  data.validation = (struct dataset_split){.n = VALIDATION, .rows = rows + TRAIN, .images = images, .labels = labels};
}

static int filters = 10; /* of every network: no multiple of what the kernels round up to */

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
                                 .model = {.filters = filters, .momentum = 0.9}};
}

static struct plan plan_of(struct network_config c)
{
  struct plan p;
  plan_make(&p, &c, SIDE, SIDE, data.channels, CLASSES, TRAIN, VALIDATION);
  assert_true(p.feasible);
  return p;
}

/* A few plans of different shapes. */
TEST_MAY_USE static struct plan some_plan(int i)
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

/* ---- the result of a training ---------------------------------------------------------------- */

enum { EPOCHS_MAX = 4, PARAMETERS_MAX = 20000 };

struct outcome {
  int epochs;
  double training_loss[EPOCHS_MAX], accuracy[EPOCHS_MAX], loss[EPOCHS_MAX];
  int32_t tally[EPOCHS_MAX][2 * CLASSES];
  double seconds;
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
TEST_MAY_USE static void train_cpu(const struct plan *p, uint64_t key, struct outcome *o)
{
  struct error e = {0};
  struct network *n;
  check(network_create(&n, p, key, &data, &e), &e);
  for (o->epochs = 0; o->epochs < p->config.epochs; o->epochs++) {
    struct evaluation evaluation;
    check(network_train_epoch(n, &o->training_loss[o->epochs], NULL, &e), &e);
    check(network_evaluate_classes(n, &data, &data.validation, &evaluation, o->tally[o->epochs], NULL, &e), &e);
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

/* Trains trials first ... first + n - 1 (plan some_plan(i), key 100 + i) in one cohort, as many at
 * once as there is room for. */
static void train_on(struct device_data *on_device, int capacity, int first, int n, enum precision precision,
                     struct outcome *out, struct cohort_counts *counts)
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
      check(cohort_tally(c, events[i].id, o->tally[o->epochs], &e), &e);
      o->seconds += events[i].seconds;
      if (++o->epochs < p.config.epochs) continue;
      tensors_of(c, events[i].id, &p, o);
      cohort_remove(c, events[i].id);
      running--;
    }
  }
  if (counts) *counts = cohort_counts(c);
  cohort_close(c);
}

static void watch_memory(void *at, int64_t bytes, bool taken)
{
  if (taken)
    cudacpu_allow(at, (size_t)bytes);
  else
    cudacpu_forbid(at, (size_t)bytes);
}

/* The data set on a device, with room for `trials` of the largest of some_plan in `cohorts`
 * cohorts. */
static struct device_data *on_a_device(int device, int cohorts, int trials)
{
  struct error e = {0};
  struct device_data *on_device;
  struct device_need need = {.cohorts = cohorts, .trials = trials};
  device_memory_watch = watch_memory;
  for (int i = 0; i < 5; i++) {
    struct plan p = some_plan(i);
    if (cohort_trial_bytes(&p) > need.trial_bytes) need.trial_bytes = cohort_trial_bytes(&p);
  }
  check(device_data_open(&on_device, &data, device, &need, &e), &e);
  return on_device;
}

TEST_MAY_USE static void train_cohort(int device, int capacity, int first, int n, enum precision precision,
                                      struct outcome *out, struct cohort_counts *counts)
{
  struct device_data *on_device = on_a_device(device, 1, capacity);
  train_on(on_device, capacity, first, n, precision, out, counts);
  device_data_close(on_device);
}

/* Another device of the same model, where there is one. */
TEST_MAY_USE static int other_device(void)
{
  char first[400], other[400], why[300];
  devices_name(0, first, sizeof first);
  for (int i = devices_count(why, sizeof why) - 1; i > 0; i--) {
    devices_name(i, other, sizeof other);
    if (!strcmp(first, other)) return i;
  }
  return 0;
}

TEST_MAY_USE static void same(const struct outcome *a, const struct outcome *b)
{
  assert_int_equal(a->epochs, b->epochs);
  assert_int_equal(a->parameters, b->parameters);
  for (int i = 0; i < a->epochs; i++) {
    assert_true(a->training_loss[i] == b->training_loss[i] && a->accuracy[i] == b->accuracy[i] &&
                a->loss[i] == b->loss[i]);
    assert_memory_equal(a->tally[i], b->tally[i], sizeof a->tally[i]);
  }
  assert_memory_equal(a->weights, b->weights, sizeof(float) * (size_t)a->parameters);
}

TEST_MAY_USE static struct outcome *outcomes(int n)
{
  struct outcome *o = calloc((size_t)n, sizeof *o);
  assert_non_null(o);
  return o;
}

#endif
