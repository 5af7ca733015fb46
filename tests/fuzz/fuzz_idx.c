/* IDX data sets: a file of labels and one of images, plain or as gzip.
 *
 * Input: a byte (1: labels, 2: images are packed here, so that their checksum is right), two bytes:
 * the length of the labels' file, the labels' file, the images' file. */
#include <zlib.h>

#include "tests/fuzz/fuzz_dataset.h"

static void set(struct memory_file *f, struct input bytes, bool pack)
{
  if (!pack) {
    memory_file_set(f, bytes.bytes, bytes.left);
    return;
  }
  uint8_t *packed = malloc(bytes.left + 1024);
  z_stream z = {.next_in = (uint8_t *)bytes.bytes,
                .avail_in = (uInt)bytes.left,
                .next_out = packed,
                .avail_out = (uInt)bytes.left + 1024};
  if (!packed || deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 1, Z_DEFAULT_STRATEGY)) abort();
  if (deflate(&z, Z_FINISH) != Z_STREAM_END) abort();
  memory_file_set(f, packed, z.total_out);
  deflateEnd(&z);
  free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static struct memory_file labels, images;
  struct input in = {data, size};
  unsigned mode = take_number(&in, 1), n = take_number(&in, 2);
  set(&labels, take_bytes(&in, n), mode & 1);
  set(&images, in, mode & 2);
  struct dataset_options *o = fuzz_options();
  snprintf(o->train_images, sizeof o->train_images, "%s", images.path);
  snprintf(o->train_labels, sizeof o->train_labels, "%s", labels.path);
  fuzz_dataset_open(o);
  return 0;
}
