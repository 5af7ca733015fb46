/* Network files: what is saved comes back bit for bit; whatever else claims to be a network is
 * refused with the reason, before memory is taken for it.
 *
 * Not under ThreadSanitizer: one thread. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/network/network_file.h"
#include "host/base/rng.h"
#include "host/network/safetensors.h"

enum { HEIGHT = 10, WIDTH = 12, CHANNELS = 3, CLASSES = 3 };

static char folder[1024], original[1100], changed[1100];
static char *class_names[CLASSES] = {"plain", "two words, \"quoted\" \\ \xc3\xa9", "bytes \xff\x1b[2J"};
static struct dataset images;
static struct network *network;
static struct plan plan;

static struct network_config config_of(int batch_size)
{
  struct network_config c = {.num_conv_layers = 2,
                             .learning_rate = 0.1234567890123456,
                             .dropout_rate = 0.25,
                             .optimizer = OPTIMIZER_SGD,
                             .epochs = 7,
                             .stride = 1,
                             .padding = PADDING_SAME,
                             .kernel = 3,
                             .num_fc_units = 20,
                             .batch_size = batch_size,
                             .model = {.filters = 6, .momentum = 0.875, .class_weights = CLASS_WEIGHTS_BALANCED}};
  return c;
}

static int set_up(void **state)
{
  (void)state;
  const char *tmp = getenv("TMPDIR");
  struct error e = {0};
  snprintf(folder, sizeof folder, "%s/gsos-network-XXXXXX", tmp ? tmp : "/tmp");
  if (!mkdtemp(folder)) return -1;
  snprintf(original, sizeof original, "%s/original.safetensors", folder);
  snprintf(changed, sizeof changed, "%s/changed.safetensors", folder);
  trainer_cpu_thread_begin();
  images = (struct dataset){.n_classes = CLASSES,
                            .channels = CHANNELS,
                            .height = HEIGHT,
                            .width = WIDTH,
                            .class_names = class_names,
                            .mean = {0.1f, 0.123456789f, 0.9f},
                            .deviation = {0.3f, 1e-3f, 0.7f},
                            .fingerprint = 0xfedcba9876543210ull};
  struct network_config c = config_of(128);
  plan_make(&plan, &c, HEIGHT, WIDTH, CHANNELS, CLASSES, 0, 0);
  if (network_create(&network, &plan, 99, &images, &e) != 0) fail_msg("%s", e.message);
  if (network_file_save(original, network, &plan, &images, RESIZE_LANCZOS, &e) != 0) fail_msg("%s", e.message);
  return 0;
}

static int tear_down(void **state)
{
  (void)state;
  network_destroy(network);
  unlink(original);
  unlink(changed);
  return rmdir(folder);
}

static void what_is_saved_comes_back(void **state)
{
  (void)state;
  struct network_file f;
  struct error e = {0};
  if (network_file_load(&f, original, &e) != 0) fail_msg("%s", e.message);
  struct network_config c = config_of(128);
  assert_memory_equal(&f.config.learning_rate, &c.learning_rate, sizeof(double));
  assert_memory_equal(&f.config.dropout_rate, &c.dropout_rate, sizeof(double));
  assert_memory_equal(&f.config.model.momentum, &c.model.momentum, sizeof(double));
  assert_int_equal(f.config.model.class_weights, CLASS_WEIGHTS_BALANCED);
  assert_int_equal(f.config.num_conv_layers, 2);
  assert_int_equal(f.config.optimizer, OPTIMIZER_SGD);
  assert_int_equal(f.config.epochs, 7);
  assert_int_equal(f.config.padding, PADDING_SAME);
  assert_int_equal(f.config.batch_size, 128);
  assert_memory_equal(f.shape.mean, images.mean, CHANNELS * sizeof(float));
  assert_memory_equal(f.shape.deviation, images.deviation, CHANNELS * sizeof(float));
  assert_true(f.resize == RESIZE_LANCZOS && f.data_set == images.fingerprint);
  assert_string_equal(f.shape.class_names[0], class_names[0]);
  assert_string_equal(f.shape.class_names[1], class_names[1]);
  assert_string_equal(f.shape.class_names[2], "bytes \\xff\\x1b[2J"); /* JSON and terminals take no other bytes */

  uint8_t bytes[50][HEIGHT * WIDTH * CHANNELS];
  float before[50][CLASSES], after[50][CLASSES];
  struct rng rng = rng_make(5, philox_subsequence(PHILOX_TEST, 0, 0));
  for (int i = 0; i < 50; i++)
    for (int j = 0; j < HEIGHT * WIDTH * CHANNELS; j++) bytes[i][j] = (uint8_t)rng_word(&rng);
  assert_int_equal(network_predict(network, bytes[0], 50, before[0], &e), 0);
  assert_int_equal(network_predict(f.network, bytes[0], 50, after[0], &e), 0);
  for (int i = 0; i < 50; i++)
    for (int c2 = 0; c2 < CLASSES; c2++) assert_true(fabsf(before[i][c2] - after[i][c2]) < 1e-6f); /* batches differ */
  assert_true(fabsf(before[0][0] - before[1][0]) > 1e-6f);
  for (int i = 0; i < network_tensor_count(network); i++) {
    struct network_tensor t;
    network_tensor_info(network, i, &t);
    float *a = malloc((size_t)t.count * sizeof *a), *b = malloc((size_t)t.count * sizeof *b);
    assert_int_equal(network_tensor_get(network, i, a, &e), 0);
    assert_int_equal(network_tensor_get(f.network, i, b, &e), 0);
    assert_memory_equal(a, b, (size_t)t.count * sizeof *a);
    free(a);
    free(b);
  }
  network_file_close(&f);
}

/* Copies the original to `changed` with one metadata key set to `value` (NULL: left out), and
 * tensor `tensor` (-1: none) left out, called otherwise or turned to n_dims dimensions. */
static void write_changed(const char *key, const char *value, int tensor, const char *name, int n_dims)
{
  struct safetensors_file f;
  struct error e = {0};
  assert_int_equal(safetensors_open(&f, original, &e), 0);
  const char *pairs[64][2];
  struct safetensor tensors[32];
  int n = 0, n_pairs = 0;
  for (int i = 0; i < f.n_metadata; i++) {
    bool this = key && strcmp(f.metadata[i][0], key) == 0;
    if (this && !value) continue;
    pairs[n_pairs][0] = f.metadata[i][0];
    pairs[n_pairs++][1] = this ? value : f.metadata[i][1];
  }
  for (int i = 0; i < f.n; i++) {
    if (i == tensor && !name) continue;
    tensors[n] = f.tensors[i];
    if (i == tensor) {
      strcpy(tensors[n].name, name);
      for (; tensors[n].n_dims > n_dims; tensors[n].n_dims--)
        tensors[n].dims[tensors[n].n_dims - 2] *= tensors[n].dims[tensors[n].n_dims - 1];
    }
    n++;
  }
  assert_int_equal(safetensors_write(changed, tensors, n, pairs, n_pairs, &e), 0);
  safetensors_close(&f);
}

static void refused(const char *what, const char *reason)
{
  struct network_file f;
  struct error e = {0};
  int code = network_file_load(&f, changed, &e);
  if (code != ERROR_FAILED || !strstr(e.message, reason))
    fail_msg("%s: wanted \"%s\", got code %d \"%s\"", what, reason, code, e.message);
  assert_non_null(strstr(e.message, changed));
  assert_null(f.network); /* closed and zeroed */
}

static void every_metadata_key_that_a_prediction_depends_on_is_needed(void **state)
{
  (void)state;
  static const char *const keys[] = {"num_conv_layers", "stride",   "padding",      "kernel",      "num_fc_units",
                                     "filters",         "momentum", "image_height", "image_width", "image_channels",
                                     "class_names",     "mean",     "deviation",    "resize",      "data_set"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    char reason[100];
    snprintf(reason, sizeof reason, "lacks the metadata key \"%s\"", keys[i]);
    write_changed(keys[i], NULL, -1, NULL, 0);
    refused(keys[i], reason);
  }
}

/* As a file has it that was written before there was that hyperparameter. */
static void a_hyperparameter_of_training_that_a_file_lacks_has_its_default(void **state)
{
  (void)state;
  uint8_t bytes[HEIGHT * WIDTH * CHANNELS];
  float before[CLASSES], after[CLASSES];
  struct error e = {0};
  int lacked = 0;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 37);
  assert_int_equal(network_predict(network, bytes, 1, before, &e), 0);
  for (enum hyperparameter_id h = 0; h < HP_COUNT; h++) {
    if (hyperparameters[h].needed) continue;
    struct network_file f;
    double standard;
    write_changed(hyperparameters[h].name, NULL, -1, NULL, 0);
    if (network_file_load(&f, changed, &e) != 0) fail_msg("without %s: %s", hyperparameters[h].name, e.message);
    assert_int_equal(hyperparameter_default(h, &standard, &e), 0);
    assert_true(network_config_get(&plan.config, h) != standard);
    for (enum hyperparameter_id other = 0; other < HP_COUNT; other++)
      assert_true(network_config_get(&f.config, other) ==
                  (other == h ? standard : network_config_get(&plan.config, other)));
    assert_int_equal(network_predict(f.network, bytes, 1, after, &e), 0);
    /* nearly: batches differ */
    for (int c = 0; c < CLASSES; c++) assert_true(fabsf(before[c] - after[c]) < 1e-6f);
    network_file_close(&f);
    lacked++;
  }
  assert_int_equal(lacked, 5); /* lr, dropout_rate, optimizer, epoch, batch_size */
}

/* Nor does one that was trained without. */
static void a_file_without_weights_of_classes_was_trained_without(void **state)
{
  (void)state;
  struct network_file f;
  struct error e = {0};
  write_changed("class_weights", NULL, -1, NULL, 0);
  if (network_file_load(&f, changed, &e) != 0) fail_msg("%s", e.message);
  assert_int_equal(f.config.model.class_weights, CLASS_WEIGHTS_NONE);
  network_file_close(&f);
}

static void metadata_that_cannot_be_is_refused(void **state)
{
  (void)state;
  static const struct {
    const char *key, *value, *reason;
  } cases[] = {
      {"num_conv_layers", "0", "num_conv_layers"},
      {"num_conv_layers", "9", "num_conv_layers"},
      {"num_conv_layers", "nan", "num_conv_layers = \"nan\""},
      {"num_conv_layers", "inf", "num_conv_layers"},
      {"num_conv_layers", "2.5", "whole number"},
      {"num_conv_layers", "2x", "num_conv_layers"},
      {"num_conv_layers", "", "num_conv_layers"},
      {"num_conv_layers", "-2", "num_conv_layers"},
      {"num_conv_layers", "4", "vanishes"},
      {"num_conv_layers", "3", "conv2.weight"},
      {"num_conv_layers", "1", "fc0.weight is 20×36"},
      {"lr", "nan", "lr"},
      {"lr", "-1", "lr"},
      {"lr", "1e999", "lr"},
      {"dropout_rate", "1", "dropout_rate"},
      {"dropout_rate", "nan", "dropout_rate"},
      {"optimizer", "adamw", "adam or sgd"},
      {"epoch", "0", "epoch"},
      {"epoch", "1e300", "epoch"},
      {"stride", "0", "stride"},
      {"stride", "2", "vanishes"},
      {"padding", "reflect", "valid or same"},
      {"padding", "valid", "fc0.weight"},
      {"kernel", "4", "odd"},
      {"kernel", "5", "conv0.weight is 6×3×3×3; the network that its metadata describe has 6×3×5×5"},
      {"kernel", "9999999", "kernel"},
      {"num_fc_units", "21", "fc0.weight"},
      {"num_fc_units", "65536", "fc0.weight"},
      {"num_fc_units", "99999999999999999999", "num_fc_units"},
      {"batch_size", "0", "batch_size"},
      {"batch_size", "1e9", "batch_size"},
      {"filters", "7", "conv0.weight"},
      {"filters", "65536", "conv0.weight"},
      {"filters", "1e12", "filters"},
      {"momentum", "nan", "momentum"},
      {"class_weights", "even", "none or balanced"},
      {"image_height", "0", "image_height"},
      {"image_height", "nan", "image_height"},
      {"image_height", "1e9", "image_height"},
      {"image_height", "16384", "fc0.weight"},
      {"image_width", "20", "fc0.weight"},
      {"image_channels", "1", "a list of 1"},
      {"image_channels", "5", "image_channels"},
      {"resize", "cubic", "area or lanczos"},
      {"data_set", "xyz", "hexadecimal"},
      {"mean", "[0, 0]", "a list of 3"},
      {"mean", "[0, 0, 0, 0]", "a list of 3"},
      {"mean", "[0, 0, \"0\"]", "a list of 3"},
      {"mean", "[0, 0, 1e300]", "a list of 3"},
      {"mean", "[0, 0, NaN]", "a list of 3"},
      {"mean", "{}", "a list of 3"},
      {"deviation", "[1, 1, 0]", "positive"},
      {"deviation", "[1, 1, -1]", "positive"},
      {"class_names", "[\"a\", \"b\"]", "fc1.weight is 3×20; the network that its metadata describe has 2×20"},
      {"class_names", "[\"a\"]", "JSON list"},
      {"class_names", "[\"a\", \"b\", 3]", "JSON list"},
      {"class_names", "[\"a\", \"b\", \"c\"", "JSON list"},
      {"class_names", "[[[[[[[[[[[[[[[[[[[[[[[[", "JSON list"},
      {"class_names", "{\"a\": 1, \"b\": 2, \"c\": 3}", "JSON list"},
      {"class_names", "", "JSON list"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char what[200];
    snprintf(what, sizeof what, "%s = %s", cases[i].key, cases[i].value);
    write_changed(cases[i].key, cases[i].value, -1, NULL, 0);
    refused(what, cases[i].reason);
  }
}

static void names_that_would_drive_a_terminal_are_escaped(void **state)
{
  (void)state;
  struct network_file f;
  struct error e = {0};
  write_changed("class_names", "[\"a\", \"\\u001b[2J\", \"\\n\"]", -1, NULL, 0);
  if (network_file_load(&f, changed, &e) != 0) fail_msg("%s", e.message);
  assert_string_equal(f.shape.class_names[1], "\\x1b[2J");
  assert_string_equal(f.shape.class_names[2], "\\x0a");
  network_file_close(&f);
}

static void tensors_other_than_the_networks_are_refused(void **state)
{
  (void)state;
  struct safetensors_file f;
  struct error e = {0};
  assert_int_equal(safetensors_open(&f, original, &e), 0);
  int n = f.n;
  assert_int_equal(n, 8);
  safetensors_close(&f);
  for (int i = 0; i < n; i++) {
    char reason[200], name[128];
    assert_int_equal(safetensors_open(&f, original, &e), 0);
    strcpy(name, f.tensors[i].name);
    int n_dims = f.tensors[i].n_dims;
    safetensors_close(&f);
    snprintf(reason, sizeof reason, "lacks the tensor %s", name);
    write_changed(NULL, NULL, i, NULL, 0);
    refused(name, reason);
    write_changed(NULL, NULL, i, "other.weight", 9);
    refused(name, reason);
    if (n_dims == 1) continue;
    snprintf(reason, sizeof reason, "its tensor %s is", name);
    write_changed(NULL, NULL, i, name, n_dims - 1);
    refused(name, reason);
  }
}

static void a_tensor_too_many_is_refused(void **state)
{
  (void)state;
  struct safetensors_file f;
  struct error e = {0};
  struct safetensor tensors[9];
  float x = 1;
  assert_int_equal(safetensors_open(&f, original, &e), 0);
  memcpy(tensors, f.tensors, 8 * sizeof *tensors);
  tensors[8] = (struct safetensor){"conv2.bias", 1, {1}, 1, &x};
  assert_int_equal(
      safetensors_write(changed, tensors, 9, (const char *const(*)[2])(void *)f.metadata, f.n_metadata, &e), 0);
  safetensors_close(&f);
  refused("one more", "has 9 tensors; the network that its metadata describe has 8");
}

/* A file that fits in itself (tensors, metadata, sizes agree) and asks for a huge network:
 * 16384×16384 images, 1×1 kernels. */
static void a_small_file_cannot_ask_for_gigabytes(void **state)
{
  (void)state;
  static float weights[100];
  const int n_filters = 4;
  struct error e = {0};
  struct safetensors_file f;
  const char *pairs[64][2];
  int n = 0;
  assert_int_equal(safetensors_open(&f, original, &e), 0);
  static const char *const set[][2] = {{"num_conv_layers", "8"}, {"image_height", "16384"}, {"image_width", "16384"},
                                       {"kernel", "1"},          {"num_fc_units", "1"},     {"filters", "4"},
                                       {"batch_size", "65536"}};
  for (int i = 0; i < f.n_metadata; i++) {
    pairs[n][0] = f.metadata[i][0];
    pairs[n][1] = f.metadata[i][1];
    for (size_t j = 0; j < sizeof set / sizeof *set; j++)
      if (strcmp(set[j][0], pairs[n][0]) == 0) pairs[n][1] = set[j][1];
    n++;
  }
  float *dense = calloc(4 * 64 * 64, sizeof *dense);
  struct safetensor t[20];
  for (int l = 0; l < 8; l++) {
    int in = l ? n_filters : CHANNELS;
    t[2 * l] = (struct safetensor){"", 4, {n_filters, in, 1, 1}, n_filters * in, weights};
    t[2 * l + 1] = (struct safetensor){"", 1, {n_filters}, n_filters, weights};
    sprintf(t[2 * l].name, "conv%d.weight", l);
    sprintf(t[2 * l + 1].name, "conv%d.bias", l);
  }
  t[16] = (struct safetensor){"fc0.weight", 2, {1, 4 * 64 * 64}, 4 * 64 * 64, dense};
  t[17] = (struct safetensor){"fc0.bias", 1, {1}, 1, weights};
  t[18] = (struct safetensor){"fc1.weight", 2, {CLASSES, 1}, CLASSES, weights};
  t[19] = (struct safetensor){"fc1.bias", 1, {CLASSES}, CLASSES, weights};
  assert_int_equal(safetensors_write(changed, t, 20, pairs, n, &e), 0);
  safetensors_close(&f);
  free(dense);
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  refused("16384×16384", "GiB of memory for one image");
  getrusage(RUSAGE_SELF, &after);
  assert_true(after.ru_maxrss - before.ru_maxrss < 64 * 1024); /* KiB */
}

/* Any bytes changed anywhere, the header most: refused, or a network that predicts without reading
 * outside (address sanitizer). */
static void mutated_networks_are_refused_or_work(void **state)
{
  (void)state;
  struct rng rng = rng_make(6, philox_subsequence(PHILOX_TEST, 0, 0));
  struct stat st;
  FILE *in = fopen(original, "rb");
  assert_non_null(in);
  assert_int_equal(fstat(fileno(in), &st), 0);
  size_t size = (size_t)st.st_size;
  uint8_t *bytes = malloc(size), *copy = malloc(size);
  assert_int_equal(fread(bytes, 1, size, in), size);
  fclose(in);
  uint64_t header;
  memcpy(&header, bytes, 8);
  int refused_count = 0, worked = 0;
  for (int round = 0; round < 3000; round++) {
    memcpy(copy, bytes, size);
    for (int changes = 1 + (int)rng_below(&rng, 2); changes > 0; changes--) {
      size_t at = rng_below(&rng, 50) ? 8 + rng_below(&rng, (uint32_t)header) : rng_below(&rng, (uint32_t)size);
      /* Digits become digits most often: numbers that the scanner takes and only the network can
       * refuse. */
      if (copy[at] >= '0' && copy[at] <= '9' && rng_below(&rng, 4))
        copy[at] = (uint8_t)('0' + rng_below(&rng, 10));
      else
        copy[at] = (uint8_t)rng_word(&rng);
    }
    unlink(changed);
    FILE *out = fopen(changed, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(copy, 1, size, out), size);
    fclose(out);
    struct network_file f;
    struct error e = {0};
    int code = network_file_load(&f, changed, &e);
    if (code) {
      assert_int_equal(code, ERROR_FAILED);
      refused_count++;
      continue;
    }
    uint8_t image[HEIGHT * WIDTH * CHANNELS] = {0};
    float probabilities[CLASSES];
    if (f.shape.height == HEIGHT && f.shape.width == WIDTH)
      assert_int_equal(network_predict(f.network, image, 1, probabilities, &e), 0);
    network_file_close(&f);
    worked++;
  }
  assert_true(refused_count > 1000 && worked > 30);
  free(bytes);
  free(copy);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_saved_comes_back),
      cmocka_unit_test(every_metadata_key_that_a_prediction_depends_on_is_needed),
      cmocka_unit_test(a_hyperparameter_of_training_that_a_file_lacks_has_its_default),
      cmocka_unit_test(a_file_without_weights_of_classes_was_trained_without),
      cmocka_unit_test(metadata_that_cannot_be_is_refused),
      cmocka_unit_test(names_that_would_drive_a_terminal_are_escaped),
      cmocka_unit_test(tensors_other_than_the_networks_are_refused),
      cmocka_unit_test(a_tensor_too_many_is_refused),
      cmocka_unit_test(a_small_file_cannot_ask_for_gigabytes),
      cmocka_unit_test(mutated_networks_are_refused_or_work),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
