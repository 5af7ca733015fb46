/* An image of a data set as a PNG file, for people to look at. */
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file_replace.h"
#include "host/data/dataset.h"
#include "host/data/image_resize.h"

/* The channels that are shown of each pixel: [pixels][shown] of [pixels][channels]. */
static void take_channels(const uint8_t *from, int64_t pixels, int channels, int shown, uint8_t *to)
{
  for (int64_t p = 0; p < pixels; p++)
    for (int c = 0; c < shown; c++) to[p * shown + c] = from[p * channels + c];
}

static int reduce(uint8_t *pixels, int width, int height, int channels, int to_width, int to_height)
{
  struct resizer *r = resizer_create(width, height, 1, channels, 1, to_width, to_height, RESIZE_AREA);
  if (!r) return ERROR_MACHINE;
  for (int y = 0; y < height; y++) resizer_row(r, pixels + (size_t)y * (size_t)width * (size_t)channels);
  resizer_finish(r, pixels); /* smaller than what was read */
  resizer_destroy(r);
  return 0;
}

static int write_png(const char *path, const uint8_t *pixels, int width, int height, int channels, struct error *e)
{
  struct file_replace f;
  if (file_replace_begin(&f, path, e)) return e->code;
  png_image image = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)width,
                     .height = (png_uint_32)height,
                     .format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY};
  if (png_image_write_to_stdio(&image, f.out, 0, pixels, 0, NULL) ||
      ferror(f.out)) /* what the disk refused is commit's */
    return file_replace_commit(&f, e);
  file_replace_abort(&f);
  return error_set(e, ERROR_FAILED, "%s: cannot be written: %s", path, image.message);
}

int dataset_write_png(const struct dataset *d, const struct dataset_split *s, int i, int side, const char *path,
                      struct error *e)
{
  int width = d->width, height = d->height, shown = d->channels < 3 ? 1 : 3;
  uint8_t *pixels = malloc((size_t)width * (size_t)height * (size_t)shown);
  if (!pixels) return error_set(e, ERROR_MACHINE, "no memory for a picture of %d×%d", width, height);
  take_channels(dataset_image(d, s, i), (int64_t)width * height, d->channels, shown, pixels);
  int longer = width > height ? width : height, code = 0;
  if (longer > side) {
    int to_width = width * side / longer > 0 ? width * side / longer : 1;
    int to_height = height * side / longer > 0 ? height * side / longer : 1;
    code = reduce(pixels, width, height, shown, to_width, to_height);
    width = to_width;
    height = to_height;
    if (code) error_set(e, code, "no memory for a picture of %d×%d", width, height);
  }
  if (!code) code = write_png(path, pixels, width, height, shown, e);
  free(pixels);
  return code;
}
