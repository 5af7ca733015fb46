/* NumPy's .npz: an archive of labels and one of images.
 *
 * Input: a byte (1, 2: labels, images are the .npy alone and are put into an archive here, so that
 * its checksum is right; 4, 8: as deflated entries; 16: beside another entry), two bytes: the
 * length of the labels' file, the labels' file, the images' file. */
#include <zlib.h>

#include "tests/fuzz/fuzz_dataset.h"

/* An archive in the making. */
struct zip {
  uint8_t *bytes;
  size_t size;
};

static void put(struct zip *z, uint32_t value, int bytes)
{
  while (bytes--) z->bytes[z->size++] = (uint8_t)value, value >>= 8;
}

static void put_bytes(struct zip *z, const void *bytes, size_t size)
{
  if (size) memcpy(z->bytes + z->size, bytes, size);
  z->size += size;
}

/* Everything from the version to the name's length, the same in an entry and in the directory. */
static void put_entry(struct zip *z, int method, uint32_t crc, size_t packed, size_t size, const char *name)
{
  put(z, 20, 2), put(z, 0, 2), put(z, (uint32_t)method, 2), put(z, 0, 4);
  put(z, crc, 4), put(z, (uint32_t)packed, 4), put(z, (uint32_t)size, 4);
  put(z, (uint32_t)strlen(name), 2), put(z, 0, 2);
}

static void set(struct memory_file *f, struct input npy, bool wrap, bool pack, bool other)
{
  if (!wrap) {
    memory_file_set(f, npy.bytes, npy.left);
    return;
  }
  struct zip z = {malloc(2 * npy.left + 4096), 0};
  uint8_t *packed = malloc(npy.left + 1024);
  z_stream s = {.next_in = (uint8_t *)npy.bytes,
                .avail_in = (uInt)npy.left,
                .next_out = packed,
                .avail_out = (uInt)npy.left + 1024};
  if (!z.bytes || !packed) abort();
  if (pack && (deflateInit2(&s, 1, Z_DEFLATED, -15, 1, Z_DEFAULT_STRATEGY) || deflate(&s, Z_FINISH) != Z_STREAM_END))
    abort();
  const uint8_t *body = pack ? packed : npy.bytes;
  size_t body_size = pack ? s.total_out : npy.left;
  uint32_t crc = (uint32_t)crc32(0, npy.bytes, (uInt)npy.left);
  int method = pack ? 8 : 0;
  put(&z, 0x04034b50, 4);
  put_entry(&z, method, crc, body_size, npy.left, "arr_0.npy");
  put_bytes(&z, "arr_0.npy", 9);
  put_bytes(&z, body, body_size);
  size_t directory = z.size;
  put(&z, 0x02014b50, 4), put(&z, 20, 2);
  put_entry(&z, method, crc, body_size, npy.left, "arr_0.npy");
  put(&z, 0, 2), put(&z, 0, 2), put(&z, 0, 2), put(&z, 0, 4), put(&z, 0, 4);
  put_bytes(&z, "arr_0.npy", 9);
  if (other) {
    put(&z, 0x02014b50, 4), put(&z, 20, 2);
    put_entry(&z, 0, 0, 0, 0, "about.txt");
    put(&z, 0, 2), put(&z, 0, 2), put(&z, 0, 2), put(&z, 0, 4), put(&z, 0, 4);
    put_bytes(&z, "about.txt", 9);
  }
  size_t end = z.size;
  put(&z, 0x06054b50, 4), put(&z, 0, 4), put(&z, 1 + other, 2), put(&z, 1 + other, 2);
  put(&z, (uint32_t)(end - directory), 4), put(&z, (uint32_t)directory, 4), put(&z, 0, 2);
  memory_file_set(f, z.bytes, z.size);
  if (pack) deflateEnd(&s);
  free(packed);
  free(z.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static struct memory_file labels, images;
  if (!labels.path[0]) {
    memory_file_link(&labels, "x-train-labels.npz");
    memory_file_link(&images, "x-train-imgs.npz");
  }
  struct input in = {data, size};
  unsigned mode = take_number(&in, 1), n = take_number(&in, 2);
  set(&labels, take_bytes(&in, n), mode & 1, mode & 4, mode & 16);
  set(&images, in, mode & 2, mode & 8, mode & 16);
  struct dataset_options *o = fuzz_options();
  o->format = DATASET_NPZ;
  snprintf(o->path, sizeof o->path, "%s", fuzz_folder());
  fuzz_dataset_open(o);
  return 0;
}
