/* Data sets: formats told apart and read, labels checked, the split, the statistics, the
 * fingerprint. */
#include "tests/unit/data/data_files.h"
#include "tests/unit/experiment/defaults.h"

#include <fcntl.h>
#include <math.h>

#include "host/data/dataset_source.h"

static struct dataset_options options;
static struct dataset data;
static struct error error;

static int set_up(void **state)
{
  if (folder_make(state)) return -1;
  options = default_dataset_options();
  snprintf(options.cache, sizeof options.cache, "%s/cache", folder);
  return 0;
}

static int open_data(uint64_t seed)
{
  memset(&error, 0, sizeof error);
  return dataset_open(&data, &options, seed, NULL, NULL, &error);
}

static void opens(uint64_t seed)
{
  if (open_data(seed)) fail_msg("%s", error.message);
}

static void refuses(int code, const char *says)
{
  int got = open_data(0);
  if (got == 0) dataset_close(&data);
  assert_int_equal(got, code);
  assert_says(error.message, says);
  assert_null(data.owned);
}

static void set(char *option, const char *value)
{
  snprintf(option, 1024, "%s", value);
}

/* n images of side × side × channels with labels 0, 1, ..., classes - 1, 0, ... under the usual
 * names. */
static void write_usual(const char *part, int n, int side, int channels, int classes)
{
  uint8_t *label = malloc((size_t)n);
  for (int i = 0; i < n; i++) label[i] = (uint8_t)(i % classes);
  write_idx_pair(at("%s-images-idx%d-ubyte", part, channels > 1 ? 4 : 3), at("%s-labels-idx1-ubyte", part), n, side,
                 channels, label);
  free(label);
  set(options.path, folder);
}

static void write_labels(const char *part, int n, const uint8_t *labels)
{
  size_t size;
  uint32_t dims[1] = {(uint32_t)n};
  uint8_t *bytes = idx_bytes(1, dims, labels, &size);
  write_file(at("%s-labels-idx1-ubyte", part), bytes, size);
  free(bytes);
}

/* -------------------------------------------------------------------------- the subset of MNIST */

static void mnist_subset_is_balanced_and_its_parts_are_disjoint(void **state)
{
  (void)state;
  set(options.path, "configs/data");
  opens(0);
  assert_int_equal(data.n_classes, 10);
  assert_int_equal(data.height, 28);
  assert_int_equal(data.width, 28);
  assert_int_equal(data.channels, 1);
  const struct dataset_split *parts[] = {&data.train, &data.validation, &data.test};
  const int sizes[] = {4000, 1000, 1000};
  uint64_t *hashes = malloc(6000 * sizeof *hashes);
  int n = 0;
  for (int p = 0; p < 3; p++) {
    assert_int_equal(parts[p]->n, sizes[p]);
    int counts[10] = {0};
    for (int i = 0; i < sizes[p]; i++) {
      counts[dataset_label(parts[p], i)]++;
      hashes[n++] = data_hash(0, dataset_image(&data, parts[p], i), 784);
      if ((i + 1) % 10 != 0) continue; /* every prefix has the classes in proportion */
      for (int c = 0; c < 10; c++) assert_int_equal(counts[c], (i + 1) / 10);
    }
  }
  for (int i = 0; i < n; i++)
    for (int k = i + 1; k < n; k++)
      if (hashes[i] == hashes[k]) fail_msg("images %d and %d are the same", i, k);
  free(hashes);
  /* MNIST's known mean and deviation are 0.1307 and 0.3081 */
  assert_true(fabs(data.mean[0] - 0.1307) < 0.003);
  assert_true(fabs(data.deviation[0] - 0.3081) < 0.003);
  dataset_close(&data);
}

/* ---------------------------------------------------------------------------------------- split */

static void split_is_stratified_and_uses_every_image_once(void **state)
{
  (void)state;
  uint8_t labels[300], used[300];
  write_usual("train", 300, 3, 1, 3);
  for (int i = 0; i < 300; i++) labels[i] = i < 200 ? 0 : i < 290 ? 1 : 2; /* 200, 90, 10 */
  write_labels("train", 300, labels);
  options.validation_fraction = 0.1;
  opens(7);
  assert_int_equal(data.train.n, 270);
  assert_int_equal(data.validation.n, 30);
  int counts[3] = {0};
  memset(used, 0, sizeof used);
  for (int i = 0; i < data.train.n; i++) used[data.train.rows[i]]++;
  for (int i = 0; i < data.validation.n; i++) {
    used[data.validation.rows[i]]++;
    counts[dataset_label(&data.validation, i)]++;
  }
  for (int i = 0; i < 300; i++) assert_int_equal(used[i], 1);
  assert_int_equal(counts[0], 20);
  assert_int_equal(counts[1], 9);
  assert_int_equal(counts[2], 1);
  dataset_close(&data);
}

static void split_depends_on_the_seed_alone(void **state)
{
  (void)state;
  int32_t first[20];
  write_usual("train", 100, 3, 1, 4);
  opens(1);
  assert_int_equal(data.validation.n, 20); /* a fifth, unless told otherwise */
  memcpy(first, data.validation.rows, sizeof first);
  dataset_close(&data);
  opens(1);
  assert_memory_equal(data.validation.rows, first, sizeof first);
  dataset_close(&data);
  opens(2);
  assert_int_equal(data.validation.n, 20);
  assert_memory_not_equal(data.validation.rows, first, sizeof first);
  dataset_close(&data);
}

static void shares_follow_the_largest_remainder(void **state)
{
  (void)state;
  int share[4];
  const int even[] = {10, 10, 10}, uneven[] = {70, 20, 9, 1}, single[] = {1, 1, 1};
  stratified_shares(3, even, 7, share); /* 2.33 each: one more goes to the lowest class */
  assert_int_equal(share[0], 3);
  assert_int_equal(share[1], 2);
  assert_int_equal(share[2], 2);
  stratified_shares(4, uneven, 25, share); /* 17.5, 5, 2.25, 0.25 */
  assert_int_equal(share[0], 18);
  assert_int_equal(share[1], 5);
  assert_int_equal(share[2], 2);
  assert_int_equal(share[3], 0);
  stratified_shares(3, single, 2, share); /* never the whole of a class */
  for (int c = 0; c < 3; c++) assert_int_equal(share[c], 0);
  uint32_t x = 1;
  for (int round = 0; round < 500; round++) {
    int n[30], total = 0, given = 0;
    for (int c = 0; c < 30; c++) {
      x = x * 1664525u + 1013904223u;
      total += n[c] = 2 + (int)(x >> 24);
    }
    int count = (int)(x % (uint32_t)(total / 2)), shares[30];
    stratified_shares(30, n, count, shares);
    for (int c = 0; c < 30; c++) {
      given += shares[c];
      assert_true(fabs(shares[c] - (double)count * n[c] / total) < 1);
    }
    assert_int_equal(given, count);
  }
}

static void validation_count_and_files_of_its_own(void **state)
{
  (void)state;
  write_usual("train", 100, 3, 1, 4);
  options.validation_count = 37;
  opens(0);
  assert_int_equal(data.validation.n, 37);
  assert_int_equal(data.train.n, 63);
  dataset_close(&data);
  write_usual("validation", 50, 3, 1, 4);
  opens(0);
  assert_int_equal(data.train.n, 100);
  assert_int_equal(data.validation.n, 37); /* the first 37 of it */
  assert_ptr_not_equal(data.validation.images, data.train.images);
  dataset_close(&data);
  options.validation_count = 0;
  opens(0);
  assert_int_equal(data.validation.n, 50);
  dataset_close(&data);
  options.validation_count = 51;
  refuses(ERROR_CONFIG, "validation_count = 51");
}

static void counts_take_the_first(void **state)
{
  (void)state;
  write_usual("train", 100, 3, 1, 4);
  write_usual("t10k", 40, 3, 1, 4);
  options.train_count = 60;
  options.test_count = 10;
  opens(0);
  assert_int_equal(data.train.n + data.validation.n, 60);
  assert_int_equal(data.test.n, 10);
  for (int i = 0; i < data.train.n; i++) assert_true(data.train.rows[i] < 60);
  dataset_close(&data);
  options.train_count = 101;
  refuses(ERROR_CONFIG, "train_count = 101: there are 100 such images");
  options.train_count = -1;
  refuses(ERROR_CONFIG, "train_count = -1");
  options.train_count = 1;
  refuses(ERROR_CONFIG, "all of one class");
}

static void impossible_fractions_are_refused(void **state)
{
  (void)state;
  write_usual("train", 100, 3, 1, 4);
  const double wrong[] = {0, 1, -0.5, 1.5, NAN};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    options.validation_fraction = wrong[i];
    refuses(ERROR_CONFIG, "validation_fraction");
  }
  options.validation_fraction = 0.001;
  refuses(ERROR_CONFIG, "none would be left for validation");
  options.validation_count = 100;
  refuses(ERROR_CONFIG, "validation_count = 100");
}

/* ---------------------------------------------------------------------- statistics, fingerprint */

static void statistics_are_those_of_the_training_split(void **state)
{
  (void)state;
  write_usual("train", 64, 9, 3, 4);
  opens(3);
  int pixels = 81;
  for (int c = 0; c < 3; c++) {
    double sum = 0, squares = 0, n = (double)pixels * data.train.n;
    for (int i = 0; i < data.train.n; i++)
      for (int k = 0; k < pixels; k++) sum += dataset_image(&data, &data.train, i)[3 * k + c] / 255.0;
    for (int i = 0; i < data.train.n; i++)
      for (int k = 0; k < pixels; k++)
        squares += pow(dataset_image(&data, &data.train, i)[3 * k + c] / 255.0 - sum / n, 2);
    assert_true(fabs(data.mean[c] - sum / n) < 1e-6);
    assert_true(fabs(data.deviation[c] - sqrt(squares / n)) < 1e-6);
  }
  dataset_close(&data);
}

/* A double holds enough that what it computes of floats, rounded once more, is the float
 * operation's own result. */
static void each_operation_on_a_byte_is_rounded_on_its_own(void **state)
{
  const struct dataset d = {.channels = 2, .mean = {0.4733f, 51 / 255.0f}, .deviation = {0.2516f, 0}};
  float table[2 * 256];
  (void)state;
  dataset_table(&d, table);
  for (int c = 0; c < 2; c++)
    for (int x = 0; x < 256; x++) {
      float scaled = (float)(x / 255.0), centred = (float)((double)scaled - d.mean[c]);
      float wanted = c ? centred : (float)((double)centred / d.deviation[c]);
      assert_true(table[256 * c + x] == wanted);
    }
}

static void constant_channel_gets_deviation_1(void **state)
{
  (void)state;
  size_t size;
  const uint32_t dims[4] = {20, 4, 4, 3};
  uint8_t pixels[20 * 16 * 3];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = i % 3 == 1 ? 51 : (uint8_t)i;
  write_usual("train", 20, 4, 3, 2);
  uint8_t *bytes = idx_bytes(4, dims, pixels, &size);
  write_file(at("train-images-idx4-ubyte"), bytes, size);
  free(bytes);
  opens(0);
  assert_true(data.mean[1] == 51 / 255.0f);
  assert_true(data.deviation[1] == 1.0f);
  assert_true(data.deviation[0] > 0.1f && data.deviation[0] < 1.0f);
  dataset_close(&data);
}

static uint64_t fingerprint(uint64_t seed)
{
  opens(seed);
  uint64_t f = data.fingerprint;
  dataset_close(&data);
  return f;
}

static void fingerprint_follows_the_data_not_the_seed_or_the_packing(void **state)
{
  (void)state;
  write_usual("train", 100, 5, 1, 4);
  write_usual("test", 20, 5, 1, 4);
  uint64_t original = fingerprint(0);
  assert_true(fingerprint(1) == original);

  size_t size;
  uint8_t *bytes = read_file(at("train-images-idx3-ubyte"), &size);
  write_gzip(at("train-images-idx3-ubyte.gz"), bytes, size);
  assert_int_equal(unlink(at("train-images-idx3-ubyte")), 0);
  assert_true(fingerprint(0) == original);
  bytes[1000] ^= 1;
  write_file(at("train-images-idx3-ubyte"), bytes, size); /* a plain file is preferred */
  assert_true(fingerprint(0) != original);
  bytes[1000] ^= 1;
  write_file(at("train-images-idx3-ubyte"), bytes, size);
  assert_true(fingerprint(0) == original);
  free(bytes);

  bytes = read_file(at("test-labels-idx1-ubyte"), &size);
  bytes[size - 1] = 0;
  write_file(at("test-labels-idx1-ubyte"), bytes, size);
  uint64_t other_label = fingerprint(0);
  assert_true(other_label != original);
  free(bytes);
  options.train_count = 99;
  assert_true(fingerprint(0) != other_label);
  options.train_count = 0;
  options.validation_fraction = 0.3;
  assert_true(fingerprint(0) != other_label);
}

/* --------------------------------------------------------------------------------------- labels */

static void labels_that_cannot_be_right_are_refused(void **state)
{
  (void)state;
  uint8_t labels[60];
  write_usual("train", 60, 3, 1, 3);
  write_usual("test", 30, 3, 1, 3);
  memset(labels, 4, sizeof labels);
  write_labels("train", 60, labels);
  refuses(ERROR_FAILED, "all 60 images are of one class, 4");
  for (int i = 0; i < 60; i++) labels[i] = (uint8_t)(i % 2 ? 250 : 3);
  write_labels("train", 60, labels);
  refuses(ERROR_FAILED, "labels run up to 250 but only 2 different ones occur");
  for (int i = 0; i < 60; i++) labels[i] = (uint8_t)(i % 3);
  write_labels("train", 60, labels);
  labels[7] = 3;
  write_labels("test", 30, labels);
  refuses(ERROR_FAILED, "has images of class 3, which the training images lack");
  assert_says(error.message, "test-labels");
  labels[7] = 1;
  write_labels("test", 29, labels);
  refuses(ERROR_FAILED, "has 29 labels for the 30 images");
  write_labels("test", 30, labels);
  write_file(at("classes.txt"), "cat\ndog\n", 8);
  refuses(ERROR_FAILED, "a label is 2, but only 2 classes have names");
  write_file(at("classes.txt"), "cat\r\ndog\nfruit bat\n\n", 20);
  opens(0);
  assert_int_equal(data.n_classes, 3);
  assert_string_equal(data.class_names[0], "cat");
  assert_string_equal(data.class_names[2], "fruit bat");
  dataset_close(&data);
}

static void classes_without_names_are_called_by_their_numbers(void **state)
{
  (void)state;
  uint8_t labels[60]; /* from 1, as in EMNIST's letters */
  write_usual("train", 60, 3, 1, 3);
  for (int i = 0; i < 60; i++) labels[i] = (uint8_t)(1 + i % 3);
  write_labels("train", 60, labels);
  opens(0);
  assert_int_equal(data.n_classes, 4);
  assert_string_equal(data.class_names[0], "0");
  assert_string_equal(data.class_names[3], "3");
  dataset_close(&data);
}

static void mixed_up_idx_files_are_explained(void **state)
{
  (void)state;
  write_usual("train", 60, 3, 1, 3);
  set(options.path, "");
  set(options.train_images, at("train-labels-idx1-ubyte"));
  set(options.train_labels, at("train-images-idx3-ubyte"));
  refuses(ERROR_FAILED, "is it the file of the labels?");
  set(options.train_images, at("train-images-idx3-ubyte"));
  refuses(ERROR_FAILED, "is it the file of the images?");
  set(options.train_labels, "");
  refuses(ERROR_CONFIG, "train_labels is missing");
  set(options.train_labels, at("train-labels-idx1-ubyte"));
  set(options.test_labels, at("train-labels-idx1-ubyte"));
  refuses(ERROR_CONFIG, "test_images is missing");
  write_idx_pair(at("other-images"), at("other-labels"), 60, 4, 1, NULL);
  set(options.test_images, at("other-images"));
  refuses(ERROR_FAILED, "all parts must be alike");
  set(options.test_images, "");
  set(options.test_labels, "");
  opens(0);
  assert_int_equal(data.test.n, 0);
  dataset_close(&data);
  size_t size;
  const uint32_t planar[4] = {4, 3, 32, 32};
  uint8_t *bytes = idx_bytes(4, planar, NULL, &size);
  write_file(at("train-images-idx3-ubyte"), bytes, size);
  free(bytes);
  refuses(ERROR_FAILED, "the channels must come last");
}

/* -------------------------------------------------------------------------------------- formats */

static void folders_without_data_are_explained(void **state)
{
  (void)state;
  refuses(ERROR_CONFIG, "names no data");
  set(options.path, at("no/such/folder"));
  refuses(ERROR_CONFIG, "No such file");
  write_file(at("file"), "x", 1);
  set(options.path, at("file"));
  refuses(ERROR_CONFIG, "is not a folder");
  mkdir(at("empty"), 0700);
  set(options.path, at("empty"));
  options.image_size = 8;
  refuses(ERROR_CONFIG, "is of no layout that is known; it holds nothing");
  for (int i = 0; i < 9; i++) write_file(at("many/part-%d.csv", i), "x", 1);
  set(options.path, at("many"));
  refuses(ERROR_CONFIG, "part-4.csv, part-5.csv, and 3 more.  Known are: class folders");
  set(options.path, at("empty"));
  options.format = DATASET_FOLDER;
  refuses(ERROR_CONFIG, "holds no class folders");
  options.format = DATASET_IDX;
  refuses(ERROR_CONFIG, "holds no IDX files by their usual names");
  options.format = DATASET_CIFAR10;
  refuses(ERROR_CONFIG, "holds no data_batch_1.bin");
  options.format = DATASET_NPZ;
  refuses(ERROR_CONFIG, "holds no NAME-train-imgs.npz");
}

static void usual_names_may_have_a_prefix_but_only_one(void **state)
{
  (void)state;
  uint8_t labels[12] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
  write_idx_pair(at("emnist-letters-train-images-idx3-ubyte"), at("emnist-letters-train-labels-idx1-ubyte"), 12, 3, 1,
                 labels);
  write_idx_pair(at("emnist-letters-test-images.idx3-ubyte"), at("emnist-letters-test-labels.idx1-ubyte"), 6, 3, 1,
                 labels);
  set(options.path, folder);
  opens(0);
  assert_int_equal(data.train.n + data.validation.n, 12);
  assert_int_equal(data.test.n, 6);
  dataset_close(&data);
  write_idx_pair(at("emnist-digits-train-images-idx3-ubyte"), at("emnist-digits-train-labels-idx1-ubyte"), 12, 3, 1,
                 labels);
  refuses(ERROR_CONFIG, "holds more than one IDX data set");
}

/* Record r of a CIFAR file: its label bytes, then planes of which pixel (x, y) of plane c is (r + 3
 * c + x + 2 y) mod 256. */
static void write_cifar(const char *path, int records, int label_bytes, int classes)
{
  size_t size = (size_t)records * (size_t)(label_bytes + 3072);
  uint8_t *bytes = malloc(size), *p = bytes;
  for (int r = 0; r < records; r++) {
    if (label_bytes == 2) *p++ = 99;
    *p++ = (uint8_t)(r % classes);
    for (int c = 0; c < 3; c++)
      for (int i = 0; i < 1024; i++) *p++ = (uint8_t)(r + 3 * c + i % 32 + 2 * (i / 32));
  }
  write_file(path, bytes, size);
  free(bytes);
}

static void write_cifar10(const char *where)
{
  for (int b = 1; b <= 5; b++) write_cifar(at("%s/data_batch_%d.bin", where, b), 20, 1, 10);
  write_cifar(at("%s/test_batch.bin", where), 10, 1, 10);
  const char names[] = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
  write_file(at("%s/batches.meta.txt", where), names, sizeof names - 1);
}

static void cifar10_planes_become_pixels(void **state)
{
  (void)state;
  write_cifar10("cifar-10-batches-bin");
  const char *paths[] = {at("cifar-10-batches-bin"), folder}; /* itself, or where the archive was unpacked */
  for (int i = 0; i < 4; i++) {                               /* twice: made, and found in the cache */
    set(options.path, paths[i / 2]);
    opens(0);
    assert_int_equal(data.n_classes, 10);
    assert_string_equal(data.class_names[9], "truck");
    assert_int_equal(data.train.n + data.validation.n, 100);
    assert_int_equal(data.test.n, 10);
    for (int k = 0; k < data.train.n; k++) {
      int r = data.train.rows[k] % 20;
      const uint8_t *image = dataset_image(&data, &data.train, k);
      assert_int_equal(dataset_label(&data.train, k), r % 10);
      for (int y = 0; y < 32; y += 7)
        for (int x = 0; x < 32; x += 5)
          for (int c = 0; c < 3; c++) assert_int_equal(image[(y * 32 + x) * 3 + c], (uint8_t)(r + 3 * c + x + 2 * y));
    }
    dataset_close(&data);
  }
}

static void cifar100_uses_the_fine_labels(void **state)
{
  (void)state;
  write_cifar(at("train.bin"), 300, 2, 100);
  write_cifar(at("test.bin"), 100, 2, 100);
  set(options.path, folder);
  opens(0);
  assert_int_equal(data.n_classes, 100);
  for (int k = 0; k < data.train.n; k++) assert_int_equal(dataset_label(&data.train, k), data.train.rows[k] % 100);
  dataset_close(&data);
}

static void damaged_cifar_is_refused(void **state)
{
  (void)state;
  write_cifar10(".");
  set(options.path, folder);
  assert_int_equal(truncate(at("data_batch_3.bin"), 5000), 0);
  refuses(ERROR_FAILED, "data_batch_3.bin: has 5000 bytes, which is not a whole number of records of 3073");
  assert_int_equal(unlink(at("data_batch_3.bin")), 0);
  refuses(ERROR_CONFIG, "data_batch_3.bin, which belongs to this data set");
  write_cifar(at("data_batch_3.bin"), 20, 1, 11);
  refuses(ERROR_FAILED, "record 10 has label 10");
  write_file(at("data_batch_3.bin"), "", 0);
  refuses(ERROR_FAILED, "has 0 bytes");
}

/* ------------------------------------------------------------------------------------------ NPZ */

static void put(uint8_t **p, uint32_t value, int bytes)
{
  for (int i = 0; i < bytes; i++) *(*p)++ = (uint8_t)(value >> (8 * i));
}

/* A ZIP archive with one .npy array of the shape and type given; its size. */
static size_t npz_bytes(uint8_t *out, const char *type, const char *shape, const void *numbers, size_t size,
                        bool deflated)
{
  uint8_t npy[20000] = "\x93NUMPY\1", packed[20000], *p = out;
  char *header = (char *)npy + 10;
  int n = snprintf(header, 200, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
  while ((10 + n) % 64 != 63) header[n++] = ' ';
  header[n++] = '\n';
  npy[8] = (uint8_t)n;
  memcpy(npy + 10 + n, numbers, size);
  uint32_t whole = (uint32_t)(10 + (size_t)n + size), crc = (uint32_t)crc32(0, npy, whole), stored = whole;
  memcpy(packed, npy, whole);
  if (deflated) {
    z_stream s = {0};
    assert_int_equal(deflateInit2(&s, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    s.next_in = npy;
    s.avail_in = whole;
    s.next_out = packed;
    s.avail_out = sizeof packed;
    assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
    stored = (uint32_t)s.total_out;
    deflateEnd(&s);
  }
  for (int central = 0; central < 2; central++) {
    uint8_t *begin = p;
    put(&p, central ? 0x02014b50 : 0x04034b50, 4);
    if (central) put(&p, 20, 2);
    put(&p, 20, 2);
    put(&p, 0, 2);
    put(&p, deflated ? 8 : 0, 2);
    put(&p, 0, 4);
    put(&p, crc, 4);
    put(&p, stored, 4);
    put(&p, whole, 4);
    put(&p, 9, 2);
    put(&p, 0, 2);
    for (int i = 0; central && i < 14; i++) put(&p, 0, 1); /* comment, disk, attributes, offset 0 */
    memcpy(p, "arr_0.npy", 9);
    p += 9;
    if (!central) {
      memcpy(p, packed, stored);
      p += stored;
    } else {
      uint32_t directory = (uint32_t)(begin - out), length = (uint32_t)(p - begin);
      put(&p, 0x06054b50, 4);
      put(&p, 0, 4);
      put(&p, 1, 2);
      put(&p, 1, 2);
      put(&p, length, 4);
      put(&p, directory, 4);
      put(&p, 0, 2);
    }
  }
  return (size_t)(p - out);
}

static void write_npz(const char *path, const char *type, const char *shape, const void *numbers, size_t size,
                      bool deflated)
{
  uint8_t *bytes = malloc(50000);
  size_t whole = npz_bytes(bytes, type, shape, numbers, size, deflated);
  write_file(path, bytes, whole);
  free(bytes);
}

static void npz_is_read_stored_and_deflated(void **state)
{
  (void)state;
  uint8_t pixels[40 * 16], labels[40];
  int64_t wide[40];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * 11);
  for (int i = 0; i < 40; i++) wide[i] = labels[i] = (uint8_t)(i % 4);
  set(options.path, folder);
  for (int deflated = 0; deflated < 2; deflated++) {
    write_npz(at("k49-train-imgs.npz"), "|u1", "(40, 4, 4)", pixels, sizeof pixels, deflated);
    write_npz(at("k49-train-labels.npz"), "|u1", "(40,)", labels, sizeof labels, !deflated);
    write_npz(at("k49-test-imgs.npz"), "|u1", "(8, 4, 4, 1)", pixels, 8 * 16, deflated);
    write_npz(at("k49-test-labels.npz"), "<i8", "(8,)", wide, 8 * 8, deflated);
    opens(0);
    assert_int_equal(data.n_classes, 4);
    assert_int_equal(data.height, 4);
    assert_int_equal(data.train.n, 32);
    assert_int_equal(data.test.n, 8);
    for (int i = 0; i < data.train.n; i++) {
      assert_int_equal(dataset_label(&data.train, i), data.train.rows[i] % 4);
      assert_memory_equal(dataset_image(&data, &data.train, i), pixels + 16 * data.train.rows[i], 16);
    }
    for (int i = 0; i < 8; i++) assert_int_equal(dataset_label(&data.test, i), i % 4);
    dataset_close(&data);
  }
}

/* Says stop when it is asked for the n-th time. */
static bool stops(void *context, const char *what, int64_t done, int64_t total)
{
  int *left = context;
  (void)what, (void)done, (void)total;
  return (*left)-- == 0;
}

/* Stopped at every moment at which anybody asks; what is left behind harms nobody. */
static void stopped_everywhere(int at_least)
{
  int asked = 0;
  for (int code = ERROR_INTERRUPTED; code;) {
    int left = asked;
    code = dataset_open(&data, &options, 0, stops, &left, &error);
    if (!code) continue;
    assert_int_equal(code, ERROR_INTERRUPTED);
    assert_non_null(strstr(error.message, "interrupted"));
    assert_null(data.owned);
    asked++;
  }
  dataset_close(&data);
  assert_true(asked >= at_least);
}

static void reading_can_be_stopped(void **state)
{
  (void)state;
  enum { N = 300, SIDE = 64 };
  uint8_t labels[N];
  uint32_t dims[3] = {N, SIDE, SIDE};
  size_t size;
  for (int i = 0; i < N; i++) labels[i] = (uint8_t)(i % 3);
  write_usual("train", N, SIDE, 1, 3); /* plain: the statistics */
  stopped_everywhere(3);
  assert_int_equal(unlink(at("train-images-idx3-ubyte")), 0);
  uint8_t *bytes = idx_bytes(3, dims, NULL, &size);
  for (size_t i = 16; i < size; i++) bytes[i] = (uint8_t)(i * 2654435761u >> 13); /* hardly to be packed */
  write_gzip(at("train-images-idx3-ubyte.gz"), bytes, size);
  stopped_everywhere(4);
  assert_int_equal(unlink(at("train-images-idx3-ubyte.gz")), 0);
  assert_int_equal(unlink(at("train-labels-idx1-ubyte")), 0);
  for (int deflated = 0; deflated < 2; deflated++) {
    write_npz(at("k49-train-imgs.npz"), "|u1", "(64, 16, 16)", bytes + 16, 64 * 16 * 16, deflated);
    write_npz(at("k49-train-labels.npz"), "|u1", "(64,)", labels, 64, deflated);
    stopped_everywhere(2);
  }
  free(bytes);
}

static void wrong_npz_is_refused(void **state)
{
  (void)state;
  uint8_t pixels[40 * 16] = {0}, labels[40];
  int16_t negative[40];
  for (int i = 0; i < 40; i++) labels[i] = (uint8_t)(i % 4), negative[i] = (int16_t)(i % 4 - 1);
  const char *images = at("train-imgs.npz"), *names = at("train-labels.npz");
  set(options.path, folder);
  write_npz(names, "|u1", "(40,)", labels, 40, true);
  const struct {
    const char *type, *shape, *says;
  } wrong[] = {{"<f4", "(10, 4, 4)", "only little-endian whole numbers"},
               {"|i1", "(40, 4, 4)", "images must be unsigned bytes"},
               {">u2", "(20, 4, 4)", "only little-endian whole numbers"},
               {"|u1", "(640,)", "images must be unsigned bytes of shape"},
               {"|u1", "(41, 4, 4)", "its shape promises 656 numbers"},
               {"|u1", "(0, 4, 4)", "no usable shape"},
               {"|u1", "(-40, 4, 4)", "no usable shape"},
               {"|u1", "(9223372036854775807, 4, 4)", "no usable shape"},
               {"|u1", "(2, 2, 2, 2, 40)", "no usable shape"},
               {"|u1", "(40, 4, 4", "no usable shape"},
               {"|u1", "40", "without a shape"},
               {"|u1", "(8, 4, 20)", "has shape (40,), which is not one label for each of the 8 images"}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    write_npz(images, wrong[i].type, wrong[i].shape, pixels, sizeof pixels, i % 2);
    refuses(ERROR_FAILED, wrong[i].says);
  }
  write_npz(images, "|u1", "(40, 4, 4)", pixels, sizeof pixels, true);
  write_npz(names, "<i2", "(40,)", negative, sizeof negative, false);
  refuses(ERROR_FAILED, "the label of image 0 is -1, which is no class number");
  size_t size;
  write_npz(images, "|u1", "(40, 4, 4)", pixels, sizeof pixels, false);
  uint8_t *bytes = read_file(images, &size);
  bytes[400] ^= 1; /* a pixel */
  write_file(images, bytes, size);
  refuses(ERROR_FAILED, "its checksum is wrong");
  bytes[400] ^= 1;
  for (int i = 0; i < 2; i++)
    memcpy(bytes + size - 22 - 9 - 26 + 4 * i, "\xff\xff\xff\0", 4); /* both sizes in the directory */
  write_file(images, bytes, size);
  refuses(ERROR_FAILED, "is cut off inside its array");
  free(bytes);
  write_file(images, "PK\3\4 and then nothing that makes sense at all", 40);
  refuses(ERROR_FAILED, "no ZIP directory");
  write_file(images, "hello, this is just text, not an archive", 40);
  refuses(ERROR_FAILED, "is not an .npz file");
  write_file(images, "", 0);
  refuses(ERROR_FAILED, "is empty");
}

static void mutated_npz_never_crashes(void **state)
{
  (void)state;
  uint8_t pixels[40 * 16], labels[40], *original = malloc(50000), *bytes = malloc(50000);
  uint32_t x = 99;
  int refused = 0;
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i);
  for (int i = 0; i < 40; i++) labels[i] = (uint8_t)(i % 4);
  set(options.path, folder);
  write_npz(at("train-labels.npz"), "|u1", "(40,)", labels, 40, true);
  for (int round = 0; round < 400; round++) {
    size_t size = npz_bytes(original, "|u1", "(40, 4, 4)", pixels, sizeof pixels, round % 2);
    memcpy(bytes, original, size);
    for (int flips = 1 + round % 3; flips--;) {
      x = x * 1664525u + 1013904223u;
      size_t where = round % 4 < 2 ? size - 1 - (x >> 8) % 80 : (x >> 8) % size; /* half of them in the directory */
      bytes[where] ^= (uint8_t)(1 << (x >> 29));
    }
    if (round % 9 == 0) size = (x >> 8) % size;
    write_file(at("train-imgs.npz"), bytes, size);
    int code = open_data(0);
    if (code == 0) dataset_close(&data);
    assert_true(code == 0 || code == ERROR_FAILED);
    refused += code != 0;
  }
  assert_true(refused > 100);
  free(original);
  free(bytes);
}

/* -------------------------------------------------------------------------- one file for a slot */

static const uint8_t three_classes[12] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};

static void write_pair(const char *images, const char *labels)
{
  write_idx_pair(at("%s", images), at("%s", labels), 12, 3, 1, three_classes);
}

static void what_is_there_twice_is_refused_and_both_are_named(void **state)
{
  (void)state;
  static const struct {
    const char *images, *labels, *names[2];
  } seconds[] = {
      {"train-images.idx3-ubyte", "train-labels-idx1-ubyte", {"train-images-idx3-ubyte", "train-images.idx3-ubyte"}},
      {"Train-images-idx3-ubyte", "train-labels-idx1-ubyte", {"train-images-idx3-ubyte", "Train-images-idx3-ubyte"}},
      {"training-images-idx3-ubyte", "x", {"train-images-idx3-ubyte", "training-images-idx3-ubyte"}},
      {"test-images-idx3-ubyte", "test-labels-idx1-ubyte", {"t10k-images-idx3-ubyte", "test-images-idx3-ubyte"}},
      {"other-train-images-idx3-ubyte", "x", {"train-images-idx3-ubyte", "other-train-images-idx3-ubyte"}},
      {"train-images-idx3-ubyte", "train-labels.idx1-ubyte", {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte"}},
  };
  set(options.path, folder);
  write_pair("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
  write_pair("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte");
  for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
    write_pair(seconds[i].images, seconds[i].labels);
    refuses(ERROR_CONFIG, seconds[i].names[0]);
    assert_says(error.message, seconds[i].names[1]);
    if (strcmp(seconds[i].images, "train-images-idx3-ubyte") != 0) unlink(at("%s", seconds[i].images));
    if (strcmp(seconds[i].labels, "train-labels-idx1-ubyte") != 0) unlink(at("%s", seconds[i].labels));
  }
  opens(0);
  assert_int_equal(data.test.n, 12);
  dataset_close(&data);
  assert_int_equal(rename(at("t10k-labels-idx1-ubyte"), at("test-labels-idx1-ubyte")), 0);
  refuses(ERROR_CONFIG, "images of one name and labels of another");
}

static void only_regular_files_have_the_usual_names(void **state)
{
  (void)state;
  set(options.path, folder);
  write_pair("train-images.idx3-ubyte", "train-labels.idx1-ubyte");
  write_pair("train-images-idx3-ubyte/train-images-idx3-ubyte", "train-labels-idx1-ubyte/train-labels-idx1-ubyte");
  write_pair("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte");
  opens(0);
  assert_int_equal(data.test.n, 12);
  dataset_close(&data);
}

static void names_are_known_in_any_capitals_and_what_is_unknown_is_told(void **state)
{
  (void)state;
  static const char *const validations[] = {"valid", "VAL", "dev", "Validation"};
  set(options.path, folder);
  write_pair("A-Train-Images-IDX3-UBYTE", "A-train-labels-idx1-ubyte");
  for (size_t i = 0; i < sizeof validations / sizeof *validations; i++) {
    const char *images = at("A-%s-images-idx3-ubyte", validations[i]);
    const char *labels = at("A-%s-labels-idx1-ubyte", validations[i]);
    write_idx_pair(images, labels, 6, 3, 1, three_classes);
    opens(0);
    assert_int_equal(data.train.n, 12);
    assert_int_equal(data.validation.n, 6);
    assert_string_equal(data.notices, "");
    dataset_close(&data);
    unlink(images);
    unlink(labels);
  }
  write_pair("A-extra-images-idx3-ubyte", "A-extra-labels-idx1-ubyte");
  opens(0);
  assert_int_equal(data.train.n + data.validation.n, 12);
  assert_says(data.notices, "not used: A-extra-images-idx3-ubyte, A-extra-labels-idx1-ubyte");
  dataset_close(&data);
}

static void a_size_that_the_format_does_not_take_is_told(void **state)
{
  (void)state;
  set(options.path, folder);
  write_pair("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
  options.image_size = 64;
  opens(0);
  assert_says(data.notices, "image_size = 64 resizes folders of images alone: these stay ");
  int side = data.height;
  dataset_close(&data);
  options.image_size = side;
  opens(0);
  assert_string_equal(data.notices, "");
  dataset_close(&data);
}

static void files_that_the_ini_names_stand_for_the_folders_whole_part(void **state)
{
  (void)state;
  set(options.path, folder);
  write_pair("a-train-images-idx3-ubyte", "a-train-labels-idx1-ubyte");
  write_pair("b-train-images-idx3-ubyte", "b-train-labels-idx1-ubyte");
  refuses(ERROR_CONFIG, "holds more than one IDX data set");
  set(options.train_images, at("a-train-images-idx3-ubyte"));
  refuses(ERROR_CONFIG, "train_labels is missing"); /* not the folder's, which may be those of b */
  set(options.train_labels, at("a-train-labels-idx1-ubyte"));
  opens(0);
  dataset_close(&data);
  write_pair("b-test-images-idx3-ubyte", "b-test-labels-idx1-ubyte");
  refuses(ERROR_CONFIG, "holds more than one IDX data set"); /* whose test set? */
}

static void two_layouts_in_one_folder_are_refused(void **state)
{
  (void)state;
  uint8_t pixels[12 * 4] = {1, 2};
  set(options.path, folder);
  write_pair("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
  write_npz(at("x-train-imgs.npz"), "|u1", "(12, 2, 2)", pixels, sizeof pixels, false);
  write_npz(at("x-train-labels.npz"), "|u1", "(12,)", three_classes, 12, false);
  refuses(ERROR_CONFIG, "holds IDX files and .npz files; say which: format = idx, or npz");
  options.format = DATASET_NPZ;
  opens(0);
  assert_int_equal(data.height, 2);
  dataset_close(&data);
  options.format = DATASET_IDX;
  opens(0);
  assert_int_equal(data.height, 3);
  dataset_close(&data);
  write_cifar10("cifar");
  write_cifar10("cifar/cifar-10-batches-bin");
  set(options.path, at("cifar"));
  options.format = DATASET_AUTO;
  refuses(ERROR_CONFIG, "holds data_batch_1.bin twice");
}

static void two_npz_sets_are_refused(void **state)
{
  (void)state;
  uint8_t pixels[12 * 4] = {1, 2};
  set(options.path, folder);
  for (int i = 0; i < 2; i++) {
    write_npz(at("%c-train-imgs.npz", 'b' - i), "|u1", "(12, 2, 2)", pixels, sizeof pixels, false);
    write_npz(at("%c-train-labels.npz", 'b' - i), "|u1", "(12,)", three_classes, 12, false);
    if (i) break;
    opens(0);
    dataset_close(&data);
  }
  refuses(ERROR_CONFIG, "holds more than one .npz data set (a-train-imgs.npz and b-train-imgs.npz)");
}

static void a_folder_of_no_known_layout_is_told_what_was_found(void **state)
{
  (void)state;
  write_file(at("d/mnist.npz"), "x", 1);
  write_file(at("d/raw/x"), "x", 1);
  set(options.path, at("d"));
  refuses(ERROR_CONFIG, "it holds mnist.npz, raw/.  Known are: class folders");
}

/* --------------------------------------------------------------------- names, labels and arrays */

static void class_names_are_a_line_each(void **state)
{
  (void)state;
  write_usual("train", 12, 3, 1, 3);
  write_file(at("classes.txt"),
             "\xef\xbb\xbf"
             "cat\r\n dog \r\nbird\r\n\r\n",
             23);
  opens(0);
  assert_string_equal(data.class_names[0], "cat");
  assert_string_equal(data.class_names[1], "dog");
  dataset_close(&data);
  write_file(at("classes.txt"), "cat\n\nbird\nfish\n", 15);
  refuses(ERROR_FAILED, "classes.txt: line 2 is empty, and others follow: line 2 names class 1");
  write_file(at("classes.txt"), "cat\ndog\nbird\nfish\n", 18);
  refuses(ERROR_FAILED, "names 4 classes, but the labels go up to 2: nothing is of the class \"fish\"");
  write_file(at("classes.txt"),
             "\xff\xfe"
             "c\0a\0t\0\n\0",
             10);
  refuses(ERROR_FAILED, "has a zero byte");
  assert_int_equal(unlink(at("classes.txt")), 0);
  assert_int_equal(mkfifo(at("classes.txt"), 0600), 0);
  refuses(ERROR_FAILED, "classes.txt: is not a file but a pipe");
  assert_int_equal(unlink(at("classes.txt")), 0);
  assert_int_equal(symlink("none", at("classes.txt")), 0);
  refuses(ERROR_FAILED, "classes.txt: No such file");
  assert_int_equal(unlink(at("classes.txt")), 0);
  opens(0);
  dataset_close(&data);
}

static void a_column_of_labels_is_read(void **state)
{
  (void)state;
  size_t size;
  uint8_t pixels[12 * 4] = {1, 2};
  int64_t wide[12];
  for (int i = 0; i < 12; i++) wide[i] = three_classes[i];
  set(options.path, folder);
  write_npz(at("d/train-imgs.npz"), "|u1", "(12, 2, 2)", pixels, sizeof pixels, false);
  write_npz(at("d/train-labels.npz"), "<i8", "(12, 1)", wide, sizeof wide, false);
  set(options.path, at("d"));
  opens(0);
  for (int i = 0; i < data.train.n; i++) assert_int_equal(dataset_label(&data.train, i), data.train.rows[i] % 3);
  dataset_close(&data);
  write_npz(at("d/train-labels.npz"), "<i8", "(3, 4)", wide, sizeof wide, false);
  refuses(ERROR_FAILED, "has shape (3, 4), which is not one label for each of the 12 images");
  write_npz(at("d/train-labels.npz"), "|b1", "(12,)", pixels, 12, false);
  refuses(ERROR_FAILED, "holds numbers of the type '|b1'; only little-endian whole numbers");
  wide[3] = -1;
  write_npz(at("d/train-labels.npz"), "<i8", "(12,)", wide, sizeof wide, false);
  refuses(ERROR_FAILED, "the label of image 3 is -1, which is no class number");

  write_usual("train", 12, 3, 1, 3);
  const uint32_t column[2] = {12, 1}, row[2] = {1, 12};
  for (int i = 0; i < 2; i++) {
    uint8_t *bytes = idx_bytes(2, i ? row : column, three_classes, &size);
    write_file(at("train-labels-idx1-ubyte"), bytes, size);
    free(bytes);
    if (i) break;
    opens(0);
    assert_int_equal(data.n_classes, 3);
    dataset_close(&data);
  }
  refuses(ERROR_FAILED, "has 2 dimensions: labels have 1");
}

static void npz_of_several_arrays_is_refused_and_they_are_named(void **state)
{
  (void)state;
  uint8_t one[4000], both[8000], pixels[12 * 4] = {1, 2};
  /* An archive of one array, its directory entry there twice: the second is called b. */
  size_t n = npz_bytes(one, "|u1", "(12, 2, 2)", pixels, sizeof pixels, false);
  const uint8_t *end = one + n - 22, *entry = end - 1;
  while (memcmp(entry, "PK\1\2", 4) != 0) entry--;
  size_t before = (size_t)(end - one), length = (size_t)(end - entry);
  memcpy(both, one, before);
  memcpy(both + before, entry, length);
  both[before + length - 5] = 'b'; /* the letter before ".npy" */
  memcpy(both + before + length, end, 22);
  both[before + length + 8] = both[before + length + 10] = 2;
  write_file(at("d/train-imgs.npz"), both, before + length + 22);
  write_npz(at("d/train-labels.npz"), "|u1", "(12,)", three_classes, 12, false);
  set(options.path, at("d"));
  refuses(ERROR_FAILED, "train-imgs.npz: holds 2 arrays (");
  assert_says(error.message, "b), and which one is meant cannot be told");
}

/* ------------------------------------------------------------------- files that others write to */

/* Writes other bytes of the same length into a file, and sets the times of before. */
static void replace_in_silence(const char *path, void (*write)(void))
{
  struct stat before, after;
  assert_int_equal(stat(path, &before), 0);
  write();
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  assert_int_equal(stat(path, &after), 0);
  assert_int_equal(after.st_size, before.st_size);
  assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

static uint8_t many_pixels[200 * 1024];
static void write_many_gzip(void)
{
  size_t size;
  const uint32_t dims[3] = {200, 32, 32};
  uint8_t *bytes = idx_bytes(3, dims, many_pixels, &size);
  gzFile out = gzopen(at("train-images-idx3-ubyte.gz"), "wb0"); /* stored: the size does not depend on the bytes */
  assert_non_null(out);
  assert_int_equal(gzwrite(out, bytes, (unsigned)size), (int)size);
  assert_int_equal(gzclose(out), Z_OK);
  free(bytes);
}
static void write_many_npz(void)
{
  write_npz(at("n/train-imgs.npz"), "|u1", "(40, 8, 8)", many_pixels, 40 * 64, false);
}
static void write_many_cifar(void)
{
  write_cifar(at("c/data_batch_1.bin"), 20, 1, 10);
  uint8_t *bytes;
  size_t size;
  bytes = read_file(at("c/data_batch_1.bin"), &size);
  bytes[1] = many_pixels[0];
  write_file(at("c/data_batch_1.bin"), bytes, size);
  free(bytes);
}

static void data_replaced_under_the_same_size_and_time_are_seen(void **state)
{
  (void)state;
  uint8_t labels[200];
  for (int i = 0; i < 200; i++) labels[i] = (uint8_t)(i % 4);
  write_labels("train", 200, labels);
  write_many_gzip();
  write_npz(at("n/train-labels.npz"), "|u1", "(40,)", labels, 40, false);
  write_many_npz();
  write_cifar10("c");
  write_many_cifar();
  const struct {
    const char *path, *file;
    void (*write)(void);
  } kinds[] = {{folder, "train-images-idx3-ubyte.gz", write_many_gzip},
               {at("n"), "n/train-imgs.npz", write_many_npz},
               {at("c"), "c/data_batch_1.bin", write_many_cifar}};
  for (int k = 0; k < 3; k++) {
    set(options.path, kinds[k].path);
    options.format = (enum dataset_format[]){DATASET_IDX, DATASET_NPZ, DATASET_CIFAR10}[k];
    many_pixels[0] = 0;
    kinds[k].write();
    uint64_t old = fingerprint(0);
    assert_true(fingerprint(0) == old);
    many_pixels[0] = 77;
    replace_in_silence(at("%s", kinds[k].file), kinds[k].write);
    if (fingerprint(0) == old) fail_msg("%s: the old bytes are used", kinds[k].file);
  }
}

/* Reads every byte that is mapped. */
static unsigned read_all(void)
{
  unsigned sum = 0;
  const volatile uint8_t *bytes = data.train.images;
  for (int i = 0; i < (data.train.n + data.validation.n) * data.height * data.width; i++) sum += bytes[i];
  return sum;
}

static void a_data_set_that_is_cut_or_written_to_while_it_is_open_says_so(void **state)
{
  (void)state;
  write_usual("train", 400, 8, 1, 4);
  const char *images = at("train-images-idx3-ubyte");
  size_t size;
  uint8_t *bytes = read_file(images, &size);

  opens(0); /* cut: reading what is gone does not kill, and is no secret */
  unsigned sum = read_all();
  assert_int_equal(dataset_unchanged(&data, &error), 0);
  assert_int_equal(truncate(images, 4096), 0);
  assert_true(read_all() < sum);
  write_file(images, bytes, size); /* even where the file is whole again by then */
  assert_int_equal(dataset_unchanged(&data, &error), ERROR_FAILED);
  assert_says(error.message, "were written to or cut while they were in use");
  assert_says(error.message, folder);
  dataset_close(&data);

  opens(0); /* cut, and nobody has read it yet */
  assert_int_equal(truncate(images, 4096), 0);
  assert_int_equal(dataset_unchanged(&data, &error), ERROR_FAILED);
  dataset_close(&data);
  write_file(images, bytes, size);

  opens(0); /* other bytes, the time of before */
  struct stat before;
  assert_int_equal(stat(images, &before), 0);
  FILE *out = fopen(images, "r+b");
  assert_int_equal(fseek(out, 1000, SEEK_SET), 0);
  fputc(bytes[1000] ^ 1, out);
  fclose(out);
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  assert_int_equal(utimensat(AT_FDCWD, images, times, 0), 0);
  assert_int_equal(dataset_unchanged(&data, &error), ERROR_FAILED);
  assert_int_equal(dataset_unchanged(&data, &error), ERROR_FAILED); /* it stays so */
  dataset_close(&data);
  write_file(images, bytes, size);

  opens(0); /* another mode, another name, another file under the name: the bytes are those that were opened */
  assert_int_equal(chmod(images, 0400), 0);
  assert_int_equal(dataset_unchanged(&data, &error), 0);
  assert_int_equal(rename(images, at("moved")), 0);
  write_file(images, bytes, size / 2);
  assert_int_equal(dataset_unchanged(&data, &error), 0);
  dataset_close(&data);
  free(bytes);
}

/* ----------------------------------------------------------------------------------- long paths */

static void paths_of_a_thousand_bytes_are_read(void **state)
{
  (void)state;
  char deep[1001], command[2400];
  size_t n = (size_t)snprintf(deep, sizeof deep, "%s", folder);
  while (n < 1000) {
    size_t left = 1000 - n - 1, piece = left < 200 ? left : 100; /* of names; no path ends in a slash */
    deep[n++] = '/';
    memset(deep + n, 'd', piece);
    n += piece;
  }
  deep[n] = 0;
  assert_int_equal(strlen(deep), 1000);
  write_usual("train", 12, 3, 1, 3);
  snprintf(command, sizeof command, "mkdir -p '%s' && mv '%s'/train-* '%s'", deep, folder, deep);
  assert_int_equal(system(command), 0);
  set(options.path, deep);
  opens(0);
  dataset_close(&data);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, folder_remove)
  const struct CMUnitTest tests[] = {
      TEST(mnist_subset_is_balanced_and_its_parts_are_disjoint),
      TEST(split_is_stratified_and_uses_every_image_once),
      TEST(split_depends_on_the_seed_alone),
      TEST(shares_follow_the_largest_remainder),
      TEST(validation_count_and_files_of_its_own),
      TEST(counts_take_the_first),
      TEST(impossible_fractions_are_refused),
      TEST(statistics_are_those_of_the_training_split),
      TEST(each_operation_on_a_byte_is_rounded_on_its_own),
      TEST(constant_channel_gets_deviation_1),
      TEST(fingerprint_follows_the_data_not_the_seed_or_the_packing),
      TEST(labels_that_cannot_be_right_are_refused),
      TEST(classes_without_names_are_called_by_their_numbers),
      TEST(mixed_up_idx_files_are_explained),
      TEST(folders_without_data_are_explained),
      TEST(usual_names_may_have_a_prefix_but_only_one),
      TEST(cifar10_planes_become_pixels),
      TEST(cifar100_uses_the_fine_labels),
      TEST(damaged_cifar_is_refused),
      TEST(npz_is_read_stored_and_deflated),
      TEST(reading_can_be_stopped),
      TEST(wrong_npz_is_refused),
      TEST(mutated_npz_never_crashes),
      TEST(what_is_there_twice_is_refused_and_both_are_named),
      TEST(only_regular_files_have_the_usual_names),
      TEST(names_are_known_in_any_capitals_and_what_is_unknown_is_told),
      TEST(a_size_that_the_format_does_not_take_is_told),
      TEST(files_that_the_ini_names_stand_for_the_folders_whole_part),
      TEST(two_layouts_in_one_folder_are_refused),
      TEST(two_npz_sets_are_refused),
      TEST(a_folder_of_no_known_layout_is_told_what_was_found),
      TEST(class_names_are_a_line_each),
      TEST(a_column_of_labels_is_read),
      TEST(npz_of_several_arrays_is_refused_and_they_are_named),
      TEST(data_replaced_under_the_same_size_and_time_are_seen),
      TEST(a_data_set_that_is_cut_or_written_to_while_it_is_open_says_so),
      TEST(paths_of_a_thousand_bytes_are_read),
  };
  return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
