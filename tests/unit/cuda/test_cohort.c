/* The CUDA trainer: against the CPU trainer, and against itself alone, in company, on other
 * streams, on another device, after a checkpoint.  Run by the harness on the CPU, and, without the
 * tests of faults that only the harness can make, on a GPU. */
#include <pthread.h>

#include "host/cuda/device_layout.h"
#include "host/cuda/stages.h"
#include "tests/unit/cuda/cohort_fixture.h"

/* ---- tests ----------------------------------------------------------------------------------- */

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
  for (int channels = each_access_is_looked_at() ? 3 : 1; channels <= 3; channels += 2) {
    make_data(channels);
    int n = each_access_is_looked_at() ? 2 : 5;
    struct outcome *cuda = outcomes(n), *cpu = outcomes(1);
    train_cohort(0, n, 0, n, PRECISION_FP32, cuda, NULL);
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
        int others = 0; /* an image that is taken for another class changes three numbers at most */
        for (int j = 0; j < 2 * CLASSES; j++) others += abs(cuda[i].tally[k][j] - cpu->tally[k][j]);
        assert_true(others <= 3);
      }
      assert_true(norm_of_difference(cuda[i].weights, cpu->weights, cpu->parameters) < 2e-3);
    }
    free(cuda);
    free(cpu);
  }
}

/* The launches of a step that are of one of the first n plans at least; all, or those beside
 * others. */
static int launches_of(int n, enum precision precision, bool beside_alone)
{
  struct step_launch launches[STEP_LAUNCHES_MAX];
  int made = 0;
  for (int l = step_launches(launches, DEVICE_CONV_MAX) - 1; l >= 0; l--) {
    bool any = false;
    for (int i = 0; i < n; i++) {
      struct plan p = some_plan(i);
      struct device_trial t;
      assert_true(device_network_make(&t, &p, 0, DEVICE_SHARED_LARGE) > 0);
      any = any || step_launch_is_of(&launches[l], &t, precision);
    }
    made += any && (!beside_alone || step_launch_is_beside(&launches[l]));
  }
  return made;
}

/* Of classes of different sizes, by the weights that the device was given with the data set. */
static void weights_of_classes_are_those_of_the_cpu_trainer(void **state)
{
  (void)state;
  struct error e = {0};
  struct network_config config = config_of(2, 3, 1, 16, true, 0.2, 2);
  struct outcome *cpu = calloc(1, sizeof *cpu), *plain = calloc(1, sizeof *plain);
  struct cohort *c;
  make_data(1);
  for (int i = 0; i < TRAIN; i += 2) labels[i] = 0;
  struct plan p = plan_of(config);
  train_cpu(&p, 9, plain);
  config.model.class_weights = CLASS_WEIGHTS_BALANCED;
  p = plan_of(config);
  train_cpu(&p, 9, cpu);
  struct device_data *on_device = on_a_device(0, 1, 2);
  check(cohort_open(&c, on_device, 1, PRECISION_FP32, &e), &e);
  check(cohort_add(c, 9, &p, 9, &e), &e);
  for (int epoch = 0; epoch < 2; epoch++) {
    struct cohort_event event;
    int ended;
    check(cohort_advance(c, &event, 1, &ended, NULL, &e), &e);
    assert_int_equal(ended, 1);
    if (!(fabs(event.training_loss - cpu->training_loss[epoch]) < 1e-4 && fabs(event.loss - cpu->loss[epoch]) < 1e-4))
      fail_msg("epoch %d: losses %.9g and %.9g, not %.9g and %.9g", epoch, event.training_loss, event.loss,
               cpu->training_loss[epoch], cpu->loss[epoch]);
  }
  assert_true(fabs(cpu->training_loss[0] - plain->training_loss[0]) > 0.01); /* they tell */
  cohort_close(c);
  device_data_close(on_device);
  free(cpu);
  free(plain);
}

static void the_same_bits_alone_in_company_and_elsewhere(void **state)
{
  (void)state;
  make_data(1);
  int n = company();
  for (int precision = each_access_is_looked_at() ? PRECISION_TF32 : PRECISION_FP32; precision <= PRECISION_TF32;
       precision++) {
    struct outcome *alone = outcomes(n), *two = outcomes(n), *seven = outcomes(n);
    struct cohort_counts counts;
    for (int i = 0; i < n; i++) train_cohort(0, 1, i, 1, (enum precision)precision, alone + i, NULL);
    train_cohort(other_device(), 2, 0, n, (enum precision)precision, two, NULL);
    cudacpu_set_order(CUDACPU_SHUFFLED, CUDACPU_SHUFFLED, 5);
    train_cohort(0, n, 0, n, (enum precision)precision, seven, &counts);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, 0);
    for (int i = 0; i < n; i++) {
      same(alone + i, two + i);
      same(alone + i, seven + i);
    }
    assert_int_equal(counts.captures, 1); /* who leaves does not ask for a new one */
    assert_int_equal(counts.launches, launches_of(n, (enum precision)precision, false));
    free(alone);
    free(two);
    free(seven);
  }
}

/* Weight gradients as soon as they may run, before all else, and when nothing else is left to do
 * but the optimiser, which waits for them.  The checked kernels show that nothing they touch is
 * written beside them. */
static void the_same_bits_with_weight_gradients_first_or_last(void **state)
{
  (void)state;
  make_data(1);
  int n = company();
  for (int precision = PRECISION_FP32; precision <= PRECISION_TF32; precision++) {
    struct outcome *first = outcomes(n), *last = outcomes(n);
    struct cohort_counts counts;
    cudacpu_set_branches(CUDACPU_BRANCHES_FIRST);
    train_cohort(0, n, 0, n, (enum precision)precision, first, NULL);
    cudacpu_set_branches(CUDACPU_BRANCHES_LAST);
    train_cohort(0, n, 0, n, (enum precision)precision, last, &counts);
    cudacpu_set_branches(CUDACPU_BRANCHES_DRAWN);
    for (int i = 0; i < n; i++) same(first + i, last + i);
    assert_int_equal(counts.beside, launches_of(n, (enum precision)precision, true));
    assert_true(counts.beside >= 2); /* of the second layer and the third */
    free(first);
    free(last);
  }
}

/* As many as a cohort may hold, of five shapes, with more epochs than others or fewer. */
static void the_same_bits_in_a_full_cohort(void **state)
{
  (void)state;
  if (each_access_is_looked_at()) skip(); /* minutes; the same kernels run in company of three */
  enum { FULL = 32 };
  struct outcome *alone = outcomes(FULL), *full = outcomes(FULL);
  struct cohort_counts counts;
  make_data(1);
  filters = 8;
  train_cohort(0, 1, 0, FULL, PRECISION_FP32, alone, NULL); /* one after the other */
  cudacpu_set_order(CUDACPU_SHUFFLED, CUDACPU_SHUFFLED, 6);
  train_cohort(other_device(), FULL, 0, FULL, PRECISION_FP32, full, &counts);
  cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, 0);
  filters = 10;
  for (int i = 0; i < FULL; i++) same(alone + i, full + i);
  assert_int_equal(counts.captures, 1);
  free(alone);
  free(full);
}

struct side {
  struct device_data *on_device;
  int capacity, first, n;
  struct outcome *out;
};

static void *train_side(void *context)
{
  const struct side *s = context;
  train_on(s->on_device, s->capacity, s->first, s->n, PRECISION_FP32, s->out, NULL);
  return NULL;
}

/* Each cohort has its stream, and here a thread, too. */
static void the_same_bits_on_streams_side_by_side(void **state)
{
  struct device_data *on_device;
  (void)state;
  make_data(1);
  int n = each_access_is_looked_at() ? 3 : 5;
  struct outcome *alone = outcomes(n), *beside = outcomes(n);
  struct side sides[] = {
      {.capacity = 1, .n = 1}, {.capacity = 2, .first = 1, .n = n - 2}, {.capacity = 1, .first = n - 1, .n = 1}};
  pthread_t threads[3];
  train_cohort(0, 1, 0, n, PRECISION_FP32, alone, NULL);
  on_device = on_a_device(0, 3, 4);
  for (int i = 0; i < 3; i++) {
    sides[i].on_device = on_device;
    sides[i].out = beside + sides[i].first;
    assert_int_equal(pthread_create(&threads[i], NULL, train_side, &sides[i]), 0);
  }
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  double busy = device_data_memory(on_device).busy_s, sum = 0;
  device_data_close(on_device);
  for (int i = 0; i < n; i++) same(alone + i, beside + i);
  for (int i = 0; i < n; i++) sum += beside[i].seconds;
  assert_true(busy > 0 && fabs(sum - busy) <= 1e-9 * busy); /* nobody's time is lost, nor counted twice */
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
  for (int i = each_access_is_looked_at() ? 4 : 0; i < 5; i++) {
    struct plan p = some_plan(i);
    memset(whole, 0, sizeof *whole);
    memset(resumed, 0, sizeof *resumed);
    train_cohort(0, 1, i, 1, PRECISION_FP32, whole, NULL);
    on_device = on_a_device(0, 2, 5);
    check(cohort_open(&c, on_device, 2, PRECISION_FP32, &e), &e);
    check(cohort_open(&other, on_device, 3, PRECISION_FP32, &e), &e);
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

/* Moves a member to another cohort as it stands, here or on another device. */
static void move(struct cohort *from, struct cohort *to, int id)
{
  struct error e = {0};
  struct plan p = some_plan(id);
  void *block;
  size_t bytes;
  check(cohort_checkpoint(from, id, &block, &bytes, &e), &e);
  cohort_remove(from, id);
  check(cohort_restore(to, id, &p, 100 + (uint64_t)id, block, bytes, &e), &e);
  free(block);
}

/* Whenever an epoch of one ends, the others stand somewhere within theirs, in training or in
 * validation; then all move. */
static void members_move_within_an_epoch_and_keep_their_bits_and_their_time(void **state)
{
  struct error e = {0};
  struct cohort *side[2];
  struct device_data *on_device[2];
  struct cohort_event events[16];
  (void)state;
  make_data(1);
  int n = each_access_is_looked_at() ? 2 : 5, running = n, ended, at = 0;
  struct outcome *alone = outcomes(n), *moved = outcomes(n);
  bool over[5] = {false};
  train_cohort(0, 1, 0, n, PRECISION_FP32, alone, NULL);
  for (int i = 0; i < 2; i++) {
    on_device[i] = on_a_device(i ? other_device() : 0, 1, n);
    check(cohort_open(&side[i], on_device[i], n + i, PRECISION_FP32, &e), &e);
  }
  for (int i = 0; i < n; i++) {
    struct plan p = some_plan(i);
    check(cohort_add(side[0], i, &p, 100 + (uint64_t)i, &e), &e);
  }
  for (; running > 0; at = 1 - at) {
    check(cohort_advance(side[at], events, 16, &ended, NULL, &e), &e);
    for (int i = 0; i < ended; i++) {
      struct outcome *o = &moved[events[i].id];
      struct plan p = some_plan(events[i].id);
      assert_int_equal(events[i].epoch, o->epochs + 1);
      o->training_loss[o->epochs] = events[i].training_loss;
      o->accuracy[o->epochs] = events[i].accuracy;
      o->loss[o->epochs] = events[i].loss;
      check(cohort_tally(side[at], events[i].id, o->tally[o->epochs], &e), &e);
      o->seconds += events[i].seconds;
      if (++o->epochs < p.config.epochs) continue;
      tensors_of(side[at], events[i].id, &p, o);
      cohort_remove(side[at], events[i].id);
      over[events[i].id] = true;
      running--;
    }
    for (int i = n - 1; i >= 0; i--) /* into other places, too */
      if (!over[i]) move(side[at], side[1 - at], i);
  }
  double busy = device_data_memory(on_device[0]).busy_s + device_data_memory(on_device[1]).busy_s, sum = 0;
  for (int i = 0; i < n; i++) {
    same(alone + i, moved + i);
    sum += moved[i].seconds;
  }
  assert_true(busy > 0 && fabs(sum - busy) <= 1e-9 * busy);
  for (int i = 0; i < 2; i++) {
    cohort_close(side[i]);
    device_data_close(on_device[i]);
  }
  free(alone);
  free(moved);
}

static void a_state_that_no_trial_can_have_is_refused(void **state)
{
  struct error e = {0};
  struct device_data *on_device;
  struct cohort *c;
  void *block;
  size_t bytes;
  int refused = 0;
  (void)state;
  make_data(1);
  struct plan p = some_plan(0);
  on_device = on_a_device(0, 1, 2);
  check(cohort_open(&c, on_device, 2, PRECISION_FP32, &e), &e);
  check(cohort_add(c, 0, &p, 100, &e), &e);
  check(cohort_checkpoint(c, 0, &block, &bytes, &e), &e);
  for (int word = 0; word < 40; word++) { /* of the head, one after the other */
    int32_t kept;
    memcpy(&kept, (char *)block + 4 * word, 4);
    memcpy((char *)block + 4 * word, &(int32_t){0x7fffff00}, 4);
    int code = cohort_restore(c, 9, &p, 100, block, bytes, &e);
    refused += code == ERROR_FAILED;
    if (!code) cohort_remove(c, 9);
    memcpy((char *)block + 4 * word, &kept, 4);
  }
  assert_in_range(refused, 20, 39); /* but sums, the time and how many images were right may be anything */
  check(cohort_restore(c, 9, &p, 100, block, bytes, &e), &e);
  free(block);
  cohort_close(c);
  device_data_close(on_device);
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
  train_cohort(0, 1, 0, 1, PRECISION_FP32, alone, NULL);
  struct plan diverging = plan_of(wild), sound = some_plan(0);
  on_device = on_a_device(0, 1, 2);
  check(cohort_open(&c, on_device, 2, PRECISION_FP32, &e), &e);
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
  on_device = on_a_device(0, 1, 1);
  check(cohort_open(&c, on_device, 1, PRECISION_FP32, &e), &e);
  check(cohort_add(c, 1, &p, 5, &e), &e);
  assert_int_equal(cohort_advance(c, &event, 1, &n, &stop, &e), ERROR_INTERRUPTED);
  cohort_close(c);
  device_data_close(on_device);
}

#ifndef REAL_GPU
/* All in line but the first of a step and the optimiser, which has the branch to wait for; none
 * where the GPU knows of no such launches. */
static void launches_in_line_begin_early_where_the_gpu_can(void **state)
{
  (void)state;
  make_data(1);
  int n = 2; /* the second has three layers */
  struct outcome *early = outcomes(n), *plain = outcomes(n);
  struct cohort_counts counts;
  struct cudacpu_counts before = cudacpu_counts();
  train_cohort(0, n, 0, n, PRECISION_FP32, early, &counts);
  struct cudacpu_counts after = cudacpu_counts();
  uint64_t steps = after.graph_launches - before.graph_launches;
  assert_true(steps > 0 && counts.beside > 0);
  assert_int_equal(after.early - before.early, steps * (uint64_t)(counts.launches - counts.beside - 2));
  assert_true(cudacpu_set_capability(0, 8, 0));
  train_cohort(0, n, 0, n, PRECISION_FP32, plain, NULL);
  assert_true(cudacpu_set_capability(0, 9, 0));
  assert_int_equal(cudacpu_counts().early, after.early);
  for (int i = 0; i < n; i++) same(early + i, plain + i);
  free(early);
  free(plain);
}

/* Those that begin early are left out, once a cohort: the graph of the networks that come later is
 * not tried with them. */
static void a_graph_that_the_driver_refuses_is_made_without_early_launches(void **state)
{
  (void)state;
  make_data(1);
  int n = 2; /* the second has three layers: it needs a graph of its own */
  struct outcome *early = outcomes(n), *plain = outcomes(n);
  struct cohort_counts counts;
  train_cohort(0, 1, 0, n, PRECISION_FP32, early, NULL);
  struct cudacpu_counts before = cudacpu_counts();
  cudacpu_refuse_early_graphs(1);
  train_cohort(0, 1, 0, n, PRECISION_FP32, plain, &counts);
  cudacpu_refuse_early_graphs(0);
  struct cudacpu_counts after = cudacpu_counts();
  assert_int_equal(counts.captures, 2);
  assert_int_equal(after.captures - before.captures, 3);
  assert_int_equal(after.early, before.early);
  for (int i = 0; i < n; i++) same(early + i, plain + i);
  free(early);
  free(plain);
}

/* Consumers' cards give a block less than half of an H100's shared memory; these networks are small
 * enough that their pieces are the same all the same, and so are their bits. */
static void networks_of_kernel_5_and_3_train_on_cards_with_less_shared_memory(void **state)
{
  static const int kinds[][2] = {[PRECISION_FP32] = {8, 6}, [PRECISION_TF32] = {12, 0}};
  (void)state;
  make_data(1);
  for (int precision = PRECISION_FP32; precision <= PRECISION_TF32; precision++) {
    int first = 3, n = each_access_is_looked_at() ? 1 : 3; /* two layers of kernel 5, and of kernel 3 */
    struct outcome *usual = outcomes(n), *here = outcomes(n);
    train_cohort(0, n, first, n, (enum precision)precision, usual, NULL);
    assert_true(cudacpu_set_capability(0, kinds[precision][0], kinds[precision][1]));
    train_cohort(0, n, first, n, (enum precision)precision, here, NULL);
    assert_true(cudacpu_set_capability(0, 9, 0));
    for (int i = 0; i < n; i++) same(usual + i, here + i);
    free(usual);
    free(here);
  }
}

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
  on_device = on_a_device(1, 1, 2);
  check(cohort_open(&c, on_device, 2, PRECISION_FP32, &e), &e);
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
      cmocka_unit_test(weights_of_classes_are_those_of_the_cpu_trainer),
      cmocka_unit_test(the_same_bits_alone_in_company_and_elsewhere),
      cmocka_unit_test(the_same_bits_with_weight_gradients_first_or_last),
      cmocka_unit_test(the_same_bits_in_a_full_cohort),
      cmocka_unit_test(the_same_bits_on_streams_side_by_side),
      cmocka_unit_test(a_checkpoint_goes_on_with_the_same_bits),
      cmocka_unit_test(members_move_within_an_epoch_and_keep_their_bits_and_their_time),
      cmocka_unit_test(a_state_that_no_trial_can_have_is_refused),
      cmocka_unit_test(a_loss_that_is_not_finite_ends_a_trial_and_no_other),
      cmocka_unit_test(a_stop_is_heard),
#ifndef REAL_GPU
      cmocka_unit_test(launches_in_line_begin_early_where_the_gpu_can),
      cmocka_unit_test(a_graph_that_the_driver_refuses_is_made_without_early_launches),
      cmocka_unit_test(networks_of_kernel_5_and_3_train_on_cards_with_less_shared_memory),
      cmocka_unit_test(a_lost_device_is_told_from_one_without_memory),
#endif
  };
  return cmocka_run_group_tests_name("cohort", tests, NULL, NULL);
}
