/* PNG images.  The input is that of fuzz_image.h.
 *
 * A chunk whose checksum is wrong is not looked at, and chance makes none that is right: after each
 * mutation they are made so, but for one input in sixteen. */
#include <zlib.h>

#include "tests/fuzz/fuzz_image.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  fuzz_image(data, size);
  return 0;
}

static uint32_t big_endian(const uint8_t *p)
{
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
  enum { SIGNATURE = 8, CHUNK = 12 }; /* length, kind and checksum of a chunk */
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 16 == 0) return size;
  for (size_t at = IMAGE_HEAD + SIGNATURE; at + CHUNK <= size;) {
    uint32_t length = big_endian(data + at);
    if (length > size - at - CHUNK) break;
    uint32_t crc = (uint32_t)crc32(0, data + at + 4, length + 4);
    for (int i = 0; i < 4; i++) data[at + 8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
    at += CHUNK + length;
  }
  return size;
}
