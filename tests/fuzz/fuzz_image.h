/* What the fuzzers of images share: one image file, decoded to a size that the input chooses.
 *
 * Input: a byte (1: grey, 2: Lanczos), a byte: width and a byte: height of what it becomes, the
 * file. */
#ifndef GSOS_FUZZ_IMAGE_H
#define GSOS_FUZZ_IMAGE_H

#include "host/data/image_decode.h"
#include "tests/fuzz/fuzz.h"

enum { IMAGE_HEAD = 3, IMAGE_SIDE_MAX = 48 };

__attribute__((unused)) static void fuzz_image(const uint8_t *data, size_t size)
{
  static uint8_t out[IMAGE_SIDE_MAX * IMAGE_SIDE_MAX * 3];
  struct input in = {data, size};
  struct error e = {0};
  unsigned mode = take_number(&in, 1);
  struct image_format format = {.channels = mode & 1 ? 1 : 3, .resize = mode & 2 ? RESIZE_LANCZOS : RESIZE_AREA};
  format.width = 1 + (int)take_number(&in, 1) % IMAGE_SIDE_MAX;
  format.height = 1 + (int)take_number(&in, 1) % IMAGE_SIDE_MAX;
  format.pixel_limit = 4 << 20; /* as well as fifty millions, and soon done */
  if (!in.left) return;
  FILE *file = fmemopen((void *)in.bytes, in.left, "rb");
  if (!file) abort();
  int code = image_decode_stream(file, &format, NULL, out, &e);
  if (code && !e.message[0]) abort();
  fclose(file);
}

#endif
