/* JPEG images, their EXIF blocks too.  The input is that of fuzz_image.h. */
#include "tests/fuzz/fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  fuzz_image(data, size);
  return 0;
}
