/* CIFAR's binary files and their list of class names.
 *
 * Input: a byte (1: CIFAR-100), a byte: the length of the list of names, the list, then for each of
 * the six files: a byte: how many bytes it has beside whole records, a byte: how many records (0
 * ... 3), for each its labels; images are grey. */
#include "tests/fuzz/fuzz_dataset.h"

enum { FILES = 6, IMAGE = 3072, RECORDS_MAX = 3, FILE_MAX = RECORDS_MAX * (IMAGE + 2) + 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const names[2][FILES + 1] = {{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                                   "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin",
                                                   "batches.meta.txt"},
                                                  {"train.bin", "", "", "", "", "test.bin", "fine_label_names.txt"}};
  static struct memory_file files[2][FILES + 1];
  static uint8_t bytes[FILE_MAX];
  for (int k = 0; !files[1][0].path[0] && k < 2; k++)
    for (int f = 0; f <= FILES; f++)
      if (names[1 - k][f][0]) memory_file_link(&files[1 - k][f], names[1 - k][f]);
  struct input in = {data, size};
  unsigned fine = take_number(&in, 1) & 1;
  struct input list = take_bytes(&in, take_number(&in, 1));
  memory_file_set(&files[fine][FILES], list.bytes, list.left);
  for (int f = 0; f < FILES; f++) {
    if (!names[fine][f][0]) continue;
    size_t n = take_number(&in, 1) % 4 ? 0 : take_number(&in, 1) % 256;
    for (unsigned records = take_number(&in, 1) % (RECORDS_MAX + 1); records--;) {
      for (unsigned l = 0; l <= fine; l++) bytes[n++] = (uint8_t)take_number(&in, 1);
      memset(bytes + n, 128, IMAGE);
      n += IMAGE;
    }
    memory_file_set(&files[fine][f], bytes, n);
  }
  struct dataset_options *o = fuzz_options();
  o->format = fine ? DATASET_CIFAR100 : DATASET_CIFAR10;
  snprintf(o->path, sizeof o->path, "%s", fuzz_folder());
  fuzz_dataset_open(o);
  return 0;
}
