/* The CNN as an objective: costs known beforehand, epochs as events, the same bits for the same
 * key, checkpoints, failures of the search, and the network on disk. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/experiment/experiment.h"
#include "host/network/network_file.h"
#include "host/objectives/objective.h"
#include "tests/unit/data/small_images.h"

static char folder[1024], network_path[1100], ini_path[1100];
static struct experiment x;
static struct objective *objective;

static void load(struct experiment *to, const char *const *more, int n_more)
{
  char text[8][1200];
  const char *settings[16];
  int n = 0;
  static const char *const parts[] = {"train_images=%s/train-images", "train_labels=%s/train-labels",
                                      "test_images=%s/test-images", "test_labels=%s/test-labels", "cache=%s/cache"};
  for (int i = 0; i < 5; i++) {
    char value[1150];
    snprintf(value, sizeof value, parts[i], folder);
    snprintf(text[n], sizeof text[n], "dataset.%s", value);
    settings[n] = text[n];
    n++;
  }
  settings[n++] = "space.epoch=int 1 .. 40 default 3";
  settings[n++] = "space.lr=float 1e-5 .. 1e30 log default 0.003";
  settings[n++] = "space.num_conv_layers=int 1 .. 4 default 2";
  settings[n++] = "model.filters=8";
  for (int i = 0; i < n_more; i++) settings[n++] = more[i];
  struct error e = {0};
  if (experiment_load(to, NULL, settings, n, &e) != 0) fail_msg("%s", e.message);
}

static int set_up(void **state)
{
  (void)state;
  const char *tmp = getenv("TMPDIR");
  struct error e = {0};
  snprintf(folder, sizeof folder, "%s/gsos-objective-XXXXXX", tmp ? tmp : "/tmp");
  if (!mkdtemp(folder)) return -1;
  snprintf(network_path, sizeof network_path, "%s/best.safetensors", folder);
  snprintf(ini_path, sizeof ini_path, "%s/best.ini", folder);
  small_images_write(folder, 500, 100, 4, 16, 14, 1);
  load(&x, NULL, 0);
  if (objective_cnn_create(&objective, &x, NULL, NULL, &e) != 0) fail_msg("%s", e.message);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  char command[1200];
  objective_destroy(objective);
  experiment_destroy(&x);
  small_images_remove(folder);
  unlink(network_path);
  unlink(ini_path);
  snprintf(command, sizeof command, "%s/cache", folder);
  rmdir(command);
  return rmdir(folder); /* fails where a temporary file was left behind */
}

static double *value_of(double *values, const char *name)
{
  int i = space_index(&x.space, name);
  assert_true(i >= 0);
  return &values[i];
}

static void defaults(double *values)
{
  space_defaults(&x.space, values);
}

static struct place *open_place(void)
{
  struct place *p;
  struct error e = {0};
  if (objective->open(objective, &p, 0, 1, &e) != 0) fail_msg("%s", e.message);
  return p;
}

static void add(struct place *p, int id, uint64_t key, const double *values)
{
  struct trial_spec spec = {.id = id, .key = key, .values = values};
  struct error e = {0};
  if (objective->add(p, &spec, &e) != 0) fail_msg("%s", e.message);
}

static struct trial_event advance(struct place *p)
{
  struct trial_event event;
  struct error e = {0};
  int n = 0;
  if (objective->advance(p, &event, 1, &n, NULL, &e) != 0) fail_msg("%s", e.message);
  assert_int_equal(n, 1);
  return event;
}

/* ---- cost ------------------------------------------------------------------------------------ */

static void cost_is_the_plan(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  struct objective_cost cost;
  struct network_names names;
  struct network_config config;
  struct plan plan;
  struct error e = {0};
  defaults(values);
  assert_int_equal(objective->cost(objective, values, &cost, &e), 0);
  assert_true(cost.feasible);
  assert_int_equal(network_names_find(&names, &x.space, &e), 0);
  network_config_from_values(&config, &names, &x.space, values, &x.model);
  plan_make(&plan, &config, 16, 14, 1, 4, 400, 100); /* a fifth of the 500 is held out */
  assert_int_equal(cost.epochs, 3);
  assert_int_equal(cost.steps, 3 * 13); /* 400 images, 32 at a time */
  assert_int_equal(cost.images, 3 * 400);
  assert_int_equal(cost.bytes, network_plan_bytes(&plan));
  assert_true(cost.flops == plan.flops_total && cost.flops > 0);
}

static void a_vanishing_map_is_infeasible(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  struct objective_cost cost;
  struct error e = {0};
  struct trial_spec spec = {.id = 1, .key = 1, .values = values};
  defaults(values);
  *value_of(values, "num_conv_layers") = 4;
  *value_of(values, "padding") = 0; /* valid */
  assert_int_equal(objective->cost(objective, values, &cost, &e), 0);
  assert_false(cost.feasible);
  assert_non_null(strstr(cost.reason, "convolution"));
  struct place *p = open_place();
  assert_int_not_equal(objective->add(p, &spec, &e), 0);
  assert_non_null(strstr(e.message, cost.reason));
  objective->close(p);
}

static void more_than_the_trial_memory_is_infeasible(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  struct objective_cost cost;
  struct error e = {0};
  defaults(values);
  int64_t limit = x.trial_memory;
  assert_int_equal(objective->cost(objective, values, &cost, &e), 0);
  x.trial_memory = cost.bytes;
  assert_int_equal(objective->cost(objective, values, &cost, &e), 0);
  assert_true(cost.feasible);
  x.trial_memory = cost.bytes - 1;
  assert_int_equal(objective->cost(objective, values, &cost, &e), 0);
  x.trial_memory = limit;
  assert_false(cost.feasible);
  assert_non_null(strstr(cost.reason, "trial_memory"));
}

static void a_cost_takes_microseconds(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  struct objective_cost cost;
  struct error e = {0};
  defaults(values);
  clock_t start = clock();
  for (int i = 0; i < 20000; i++) assert_int_equal(objective->cost(objective, values, &cost, &e), 0);
  assert_true((double)(clock() - start) / CLOCKS_PER_SEC / 20000 <
              100e-6); /* half a microsecond where nothing slows it; samplers ask a thousand times a proposal */
}

/* ---- trials ---------------------------------------------------------------------------------- */

static double between(struct timespec a, struct timespec b)
{
  return (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
}

static void a_trial_goes_epoch_by_epoch_and_learns(void **state)
{
  (void)state;
  double values[SPACE_MAX], seconds = 0;
  struct trial_event event;
  struct error e = {0};
  struct timespec before, added, after;
  struct place *p = open_place();
  defaults(values);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  add(p, 42, 7, values);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &added);
  for (double *v = values; v < values + x.space.n; v++) *v = NAN; /* add has copied them */
  for (int epoch = 1; epoch <= 3; epoch++) {
    event = advance(p);
    assert_int_equal(event.id, 42);
    assert_int_equal(event.kind, epoch < 3 ? TRIAL_EPOCH : TRIAL_DONE);
    assert_int_equal(event.epoch, epoch);
    assert_int_equal(event.epochs, 3);
    assert_int_equal(event.images, 400);
    assert_true(event.seconds > 0);
    assert_true(event.value >= 0 && event.value <= 1 && event.loss > 0 && event.training_loss > 0);
    seconds += event.seconds;
  }
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  double whole = between(before, after);
  assert_true(seconds <= whole && seconds > whole - 0.5 * between(before, added)); /* what add takes is in it */
  assert_true(event.value > 0.75); /* of 0.906 that can be had: 7/8 + 1/8 · 1/4 */
  int n = -1;
  assert_int_equal(objective->advance(p, &event, 1, &n, NULL, &e), 0); /* it has ended: nothing more comes */
  assert_int_equal(n, 0);
  objective->close(p);
}

static void the_same_key_gives_the_same_bits(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  struct trial_event events[3][3];
  static const uint64_t keys[3] = {11, 11, 12};
  defaults(values);
  *value_of(values, "dropout_rate") = 0.3;
  for (int run = 0; run < 3; run++) {
    struct place *p = open_place();
    add(p, run, keys[run], values);
    for (int epoch = 0; epoch < 3; epoch++) events[run][epoch] = advance(p);
    objective->close(p);
  }
  for (int epoch = 0; epoch < 3; epoch++) {
    assert_true(events[0][epoch].value == events[1][epoch].value);
    assert_true(events[0][epoch].loss == events[1][epoch].loss);
    assert_true(events[0][epoch].training_loss == events[1][epoch].training_loss);
    assert_true(events[0][epoch].training_loss != events[2][epoch].training_loss);
  }
}

/* A thread with a place of its own, as the study's workers are. */
static void *worker(void *context)
{
  struct trial_event *events = context;
  struct objective_cost cost;
  double values[SPACE_MAX];
  struct error e = {0};
  int n;
  struct place *p = NULL;
  defaults(values);
  struct trial_spec spec = {.id = 0, .key = 11, .values = values};
  events[2].kind = TRIAL_FAILED;
  if (objective->open(objective, &p, 0, 1, &e) != 0 || objective->add(p, &spec, &e) != 0) return NULL;
  for (int i = 0; i < 3; i++) {
    if (objective->advance(p, &events[i], 1, &n, NULL, &e) != 0) break;
    for (int k = 0; k < 100; k++) objective->cost(objective, values, &cost, &e);
  }
  objective->close(p);
  return NULL;
}

static void trials_side_by_side_give_the_bits_of_one_alone(void **state)
{
  (void)state;
  enum { WORKERS = 4 };
  struct trial_event alone[3] = {0}, beside[WORKERS][3] = {0};
  pthread_t threads[WORKERS];
  worker(alone);
  assert_int_equal(alone[2].kind, TRIAL_DONE);
  for (int t = 0; t < WORKERS; t++) assert_int_equal(pthread_create(&threads[t], NULL, worker, beside[t]), 0);
  for (int t = 0; t < WORKERS; t++) pthread_join(threads[t], NULL);
  for (int t = 0; t < WORKERS; t++)
    for (int i = 0; i < 3; i++) {
      assert_int_equal(beside[t][i].kind, alone[i].kind);
      assert_true(beside[t][i].value == alone[i].value && beside[t][i].loss == alone[i].loss);
      assert_true(beside[t][i].training_loss == alone[i].training_loss);
    }
}

static void a_restored_checkpoint_goes_on_with_the_same_bits(void **state)
{
  (void)state;
  for (int optimizer = 0; optimizer < 2; optimizer++) {
    double values[SPACE_MAX];
    struct trial_event straight;
    struct error e = {0};
    void *block;
    size_t bytes;
    defaults(values);
    *value_of(values, "dropout_rate") = 0.2;
    *value_of(values, "optimizer") = optimizer;
    struct trial_spec spec = {.id = 5, .key = 21, .values = values};
    struct place *p = open_place();
    add(p, 5, 21, values);
    advance(p);
    assert_int_equal(objective->checkpoint(p, 5, &block, &bytes, &e), 0);
    advance(p);
    straight = advance(p);
    objective->remove(p, 5);
    if (objective->restore(p, &spec, block, bytes, &e) != 0) fail_msg("%s", e.message);
    struct trial_event again = advance(p);
    assert_int_equal(again.epoch, 2);
    assert_int_equal(again.kind, TRIAL_EPOCH);
    again = advance(p);
    assert_int_equal(again.kind, TRIAL_DONE);
    assert_true(again.value == straight.value && again.loss == straight.loss);
    assert_true(again.training_loss == straight.training_loss);
    objective->remove(p, 5);

    assert_int_not_equal(objective->restore(p, &spec, block, bytes - 1, &e), 0); /* cut */
    assert_int_not_equal(objective->restore(p, &spec, block, 10, &e), 0);
    spec.key = 22;
    assert_int_not_equal(objective->restore(p, &spec, block, bytes, &e), 0); /* of another trial */
    assert_non_null(strstr(e.message, "another trial"));
    add(p, 6, 1, values); /* and each refusal left the place free */
    free(block);
    objective->close(p);
  }
}

/* What was trained on other bytes than the trial's own goes on nowhere. */
static void a_state_is_not_kept_of_data_that_were_written_to(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  char path[1100];
  struct error e = {0};
  void *block = NULL;
  size_t bytes;
  defaults(values);
  struct place *p = open_place();
  add(p, 5, 21, values);
  advance(p);
  snprintf(path, sizeof path, "%s/train-images", folder);
  FILE *images = fopen(path, "r+b");
  assert_non_null(images);
  assert_int_equal(fseek(images, 500, SEEK_SET), 0);
  for (int i = 0; i < 500; i++) fputc(1, images);
  fclose(images);
  assert_int_equal(objective->checkpoint(p, 5, &block, &bytes, &e), ERROR_FAILED);
  assert_non_null(strstr(e.message, "the data were written to or cut"));
  assert_null(block);
  objective->close(p);
}

/* The trial's state as it is now, into the same place again. */
static void keep_and_restore(struct place *p, const struct trial_spec *spec)
{
  struct error e = {0};
  void *block;
  size_t bytes;
  if (objective->checkpoint(p, spec->id, &block, &bytes, &e)) fail_msg("%s", e.message);
  objective->remove(p, spec->id);
  if (objective->restore(p, spec, block, bytes, &e)) fail_msg("%s", e.message);
  free(block);
}

/* Stopped after each of an epoch's 13 steps, and then within its evaluation. */
static void a_trial_that_is_stopped_anywhere_goes_on_with_the_same_bits_and_its_time(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  const volatile int stop = 1;
  struct error e = {0};
  struct timespec before, after;
  defaults(values);
  *value_of(values, "dropout_rate") = 0.2;
  struct trial_spec spec = {.id = 5, .key = 21, .values = values};
  struct place *straight = open_place(), *stopped = open_place();
  add(straight, 5, 21, values);
  add(stopped, 5, 21, values);
  for (int epoch = 1; epoch <= 3; epoch++) {
    struct trial_event expected = advance(straight), event;
    int n;
    double around = 0;
    for (int i = 0; i < 13 + 3; i++) {
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
      assert_int_equal(objective->advance(stopped, &event, 1, &n, &stop, &e), ERROR_INTERRUPTED);
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
      around += between(before, after);
      assert_int_equal(n, 0);
      keep_and_restore(stopped, &spec);
    }
    event = advance(stopped);
    assert_int_equal(event.kind, expected.kind);
    assert_int_equal(event.epoch, epoch);
    assert_int_equal(event.images, 400); /* once */
    assert_true(event.value == expected.value && event.loss == expected.loss);
    assert_true(event.training_loss == expected.training_loss);
    assert_true(event.seconds > 0.5 * around); /* what was before the stops is in it */
  }
  objective->close(straight);
  objective->close(stopped);
}

static void a_place_holds_one_trial(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  struct error e = {0};
  struct place *p;
  struct trial_spec spec = {.id = 2, .key = 2, .values = values};
  void *block;
  size_t bytes;
  defaults(values);
  assert_int_equal(objective->open(objective, &p, 0, 2, &e), ERROR_FAILED);
  p = open_place();
  add(p, 1, 1, values);
  assert_int_equal(objective->add(p, &spec, &e), ERROR_MACHINE);
  objective->remove(p, 3); /* nobody's name: nothing happens */
  assert_int_equal(objective->add(p, &spec, &e), ERROR_MACHINE);
  assert_int_equal(objective->checkpoint(p, 3, &block, &bytes, &e), ERROR_FAILED);
  assert_int_equal(objective->save(p, 3, network_path, NULL, &e), ERROR_FAILED);
  objective->remove(p, 1);
  add(p, 2, 2, values);
  objective->close(p);
  objective->close(NULL);
}

static void a_training_that_diverges_fails_with_the_epoch(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  defaults(values);
  *value_of(values, "lr") = 1e25;
  *value_of(values, "optimizer") = 1; /* sgd */
  struct place *p = open_place();
  add(p, 9, 3, values);
  struct trial_event event = advance(p);
  assert_int_equal(event.kind, TRIAL_FAILED);
  assert_int_equal(event.epoch, 1);
  assert_string_equal(event.reason, "diverged: the training loss of epoch 1 is not finite");
  objective->remove(p, 9);
  *value_of(values, "lr") = 0.003;
  add(p, 10, 3, values); /* the place is as good as new */
  assert_int_equal(advance(p).kind, TRIAL_EPOCH);
  objective->close(p);
}

static void a_stop_is_seen_after_a_step(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  struct trial_event event;
  struct error e = {0};
  volatile int stop = 1;
  int n = -1;
  defaults(values);
  struct place *p = open_place();
  add(p, 1, 1, values);
  assert_int_equal(objective->advance(p, &event, 1, &n, &stop, &e), ERROR_INTERRUPTED);
  assert_int_equal(n, 0);
  objective->close(p);
}

/* ---- on disk --------------------------------------------------------------------------------- */

/* The picture of a test image, read back by the decoder of image folders, has its bytes. */
static void assert_ok_picture(int image)
{
  char path[1200];
  uint8_t bytes[16 * 14], read[16 * 14];
  struct error e = {0};
  snprintf(path, sizeof path, "%s/picture.png", folder);
  if (objective->test_picture(objective, image, path, &e) != 0) fail_msg("%s", e.message);
  small_image(bytes, image, 1, 4, 16, 14, 1);
  if (image_decode_file(path, 14, 16, 1, RESIZE_AREA, 1000, read, &e) != 0) fail_msg("%s", e.message);
  assert_memory_equal(read, bytes, sizeof bytes);
  unlink(path);
}

static void a_saved_network_is_the_one_that_was_trained(void **state)
{
  (void)state;
  double values[SPACE_MAX], again[SPACE_MAX];
  struct objective_test test;
  struct trial_event last;
  struct evaluation evaluation;
  struct dataset d;
  struct error e = {0};
  struct network_file f;
  defaults(values);
  *value_of(values, "num_fc_units") = 100;
  *value_of(values, "batch_size") = 2; /* 128: more than it is evaluated with later */
  struct place *p = open_place();
  add(p, 1, 5, values);
  for (int i = 0; i < 3; i++) last = advance(p);
  if (objective->save(p, 1, network_path, ini_path, &e) != 0) fail_msg("%s", e.message);

  if (network_file_load(&f, network_path, &e) != 0) fail_msg("%s", e.message);
  assert_int_equal(f.config.num_fc_units, 100);
  assert_int_equal(f.config.batch_size, 128);
  assert_int_equal(f.config.epochs, 3);
  assert_true(f.config.learning_rate == 0.003 && f.config.model.momentum == 0.9);
  assert_int_equal(f.config.model.filters, 8);
  assert_int_equal(f.shape.height, 16);
  assert_int_equal(f.shape.width, 14);
  assert_int_equal(f.shape.n_classes, 4);
  assert_string_equal(f.shape.class_names[3], "3");

  /* The trial's value is of the validation images. */
  if (dataset_open(&d, &x.dataset, x.seed, NULL, NULL, &e) != 0) fail_msg("%s", e.message);
  assert_int_equal(f.data_set, d.fingerprint);
  assert_int_equal(network_evaluate(f.network, &d, &d.validation, &evaluation, NULL, &e), 0);
  assert_true(fabs(evaluation.accuracy - last.value) < 0.011); /* batches of another size: one tie may fall otherwise */
  assert_true(fabs(evaluation.loss - last.loss) < 1e-5);
  dataset_close(&d);

  /* The test images, classified one by one by hand, and by the objective's test. */
  struct class_counts counts;
  int correct = 0, said[4][4] = {{0}}, differ = 0;
  double loss = 0;
  for (int i = 0; i < 100; i++) {
    uint8_t image[16 * 14];
    float probabilities[4], sum = 0;
    int class = small_image(image, i, 1, 4, 16, 14, 1), best = 0;
    assert_int_equal(network_predict(f.network, image, 1, probabilities, &e), 0);
    for (int c = 0; c < 4; c++) {
      sum += probabilities[c];
      if (probabilities[c] > probabilities[best]) best = c;
    }
    assert_true(fabsf(sum - 1) < 1e-5f);
    correct += best == class;
    said[class][best]++;
    loss -= log(probabilities[class]) / 100;
  }
  network_file_close(&f);
  if (objective->test(objective, network_path, &test, &counts, NULL, &e) != 0) fail_msg("%s", e.message);
  assert_true(test.available);
  assert_true(counts.n == test.n && counts.right == test.correct && counts.classes == 4);
  assert_string_equal(counts.names[3], "3");
  for (int i = 0; i < 16; i++) differ += abs((int)class_counts_at(&counts, i / 4, i % 4) - said[i / 4][i % 4]);
  assert_true(differ <= 2); /* one tie may fall otherwise */
  assert_int_equal(counts.n_mistakes, test.n - test.correct < MISTAKES_MAX ? test.n - test.correct : MISTAKES_MAX);
  for (int k = 0; k < counts.n_mistakes; k++) {
    const struct class_mistake *m = &counts.mistakes[k];
    assert_true(m->said != m->label && m->probability > 0.25 && m->probability <= 1);
    assert_int_equal(m->label, small_image((uint8_t[16 * 14]){0}, m->image, 1, 4, 16, 14, 1));
  }
  class_counts_free(&counts);
  assert_ok_picture(0);
  assert_int_equal(test.n, 100);
  assert_true(abs(test.correct - correct) <= 1);
  assert_true(test.correct > 70 && test.correct < 100);
  assert_true(test.value == test.correct / 100.0);
  assert_true(fabs(test.loss - loss) < 1e-5);

  struct experiment best;
  if (experiment_load(&best, ini_path, NULL, 0, &e) != 0) fail_msg("%s", e.message);
  space_defaults(&best.space, again);
  assert_true(space_equal(&x.space, values, again));
  assert_string_equal(best.dataset.train_images, x.dataset.train_images);
  experiment_destroy(&best);
  objective->close(p);
}

static void a_network_of_another_shape_is_not_tested(void **state)
{
  (void)state;
  struct experiment other = {0};
  struct objective *narrow;
  struct objective_test test;
  struct error e = {0};
  char sub[1100], text[4][1200];
  snprintf(sub, sizeof sub, "%s/narrow", folder);
  snprintf(text[0], sizeof text[0], "mkdir -p '%s'", sub);
  assert_int_equal(system(text[0]), 0);
  small_images_write(sub, 60, 20, 4, 16, 12, 1);
  const char *settings[4];
  static const char *const parts[] = {"train_images=%s/train-images", "train_labels=%s/train-labels",
                                      "test_images=%s/test-images", "test_labels=%s/test-labels"};
  for (int i = 0; i < 4; i++) {
    char value[1180];
    snprintf(value, sizeof value, parts[i], sub);
    snprintf(text[i], sizeof text[i], "dataset.%.1150s", value);
    settings[i] = text[i];
  }
  load(&other, settings, 4);
  if (objective_cnn_create(&narrow, &other, NULL, NULL, &e) != 0) fail_msg("%s", e.message);
  assert_int_equal(narrow->test(narrow, network_path, &test, NULL, NULL, &e), ERROR_FAILED);
  assert_false(test.available);
  assert_non_null(strstr(e.message, "14×16×1"));
  assert_non_null(strstr(e.message, "12×16×1"));
  objective_destroy(narrow);
  experiment_destroy(&other);
  small_images_remove(sub);
  rmdir(sub);
}

static void a_folder_that_cannot_be_written_is_an_error(void **state)
{
  (void)state;
  double values[SPACE_MAX];
  struct error e = {0};
  char nowhere[1200];
  defaults(values);
  struct place *p = open_place();
  add(p, 1, 5, values);
  snprintf(nowhere, sizeof nowhere, "%s/none/best.safetensors", folder);
  assert_int_not_equal(objective->save(p, 1, nowhere, NULL, &e), 0);
  assert_non_null(strstr(e.message, nowhere));
  objective->close(p);
}

static void a_space_that_lacks_a_name_is_refused(void **state)
{
  (void)state;
  struct objective *o = NULL;
  struct error e = {0};
  struct experiment lacking = x; /* shallow, and not destroyed */
  lacking.space.n--;
  assert_int_equal(objective_cnn_create(&o, &lacking, NULL, NULL, &e), ERROR_CONFIG);
  assert_null(o);
  assert_non_null(strstr(e.message, x.space.params[x.space.n - 1].name));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cost_is_the_plan),
      cmocka_unit_test(a_vanishing_map_is_infeasible),
      cmocka_unit_test(more_than_the_trial_memory_is_infeasible),
      cmocka_unit_test(a_cost_takes_microseconds),
      cmocka_unit_test(a_trial_goes_epoch_by_epoch_and_learns),
      cmocka_unit_test(the_same_key_gives_the_same_bits),
      cmocka_unit_test(trials_side_by_side_give_the_bits_of_one_alone),
      cmocka_unit_test(a_restored_checkpoint_goes_on_with_the_same_bits),
      cmocka_unit_test(a_trial_that_is_stopped_anywhere_goes_on_with_the_same_bits_and_its_time),
      cmocka_unit_test(a_place_holds_one_trial),
      cmocka_unit_test(a_training_that_diverges_fails_with_the_epoch),
      cmocka_unit_test(a_stop_is_seen_after_a_step),
      cmocka_unit_test(a_saved_network_is_the_one_that_was_trained),
      cmocka_unit_test(a_network_of_another_shape_is_not_tested),
      cmocka_unit_test(a_folder_that_cannot_be_written_is_an_error),
      cmocka_unit_test(a_space_that_lacks_a_name_is_refused),
      cmocka_unit_test(a_state_is_not_kept_of_data_that_were_written_to), /* the last: it spoils the data */
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
