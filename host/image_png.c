/* PNG through libpng.
 *
 * Whatever a file holds (1 to 16 bits, palette, grey, transparency, interlacing) comes out as 8-bit grey or RGB.  What is
 * transparent shows white, the paper that most such pictures were drawn for.  Of an animation the first picture counts.  Rows go
 * to the resizer one by one; only an interlaced image is held whole, counted against the memory that threads share.
 *
 * Chunks that are not needed are not even unpacked: a compressed text or colour profile can be a bomb of its own. */
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "image_decode.h"
#include "image_resize.h"

enum { CHUNK_BYTES_MAX = 8 << 20 };

struct png_state {
  png_structp png;
  png_infop info;
  jmp_buf jump;
  char text[200];
  struct resizer *resizer;
  uint8_t *row, *converted;
  uint8_t *whole; /* an interlaced image */
  png_bytep *rows;
  int64_t taken; /* of the shared memory */
};

static void on_error(png_structp png, png_const_charp text)
{
  struct png_state *s = png_get_error_ptr(png);
  snprintf(s->text, sizeof s->text, "%s", text);
  longjmp(s->jump, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
  (void)png, (void)text; /* odd, but every pixel is there */
}

/* Grey with alpha or RGB with alpha, on white, to grey or RGB. */
static void flatten(uint8_t *out, const uint8_t *in, int width, int have, int want)
{
  int colours = have <= 2 ? 1 : 3;
  bool alpha = have == 2 || have == 4;
  for (int x = 0; x < width; x++, in += have, out += want) {
    int a = alpha ? in[colours] : 255, v[3];
    for (int c = 0; c < 3; c++) v[c] = (in[colours == 3 ? c : 0] * a + 255 * (255 - a) + 127) / 255;
    if (want == 3)
      for (int c = 0; c < 3; c++) out[c] = (uint8_t)v[c];
    else /* ITU-R BT.601, as for JPEG; equal parts give themselves */
      out[0] = (uint8_t)((19595 * v[0] + 38470 * v[1] + 7471 * v[2] + 32768) >> 16);
  }
}

static void feed(struct png_state *s, const uint8_t *row, int width, int have, int want)
{
  if (have != want) flatten(s->converted, row, width, have, want);
  resizer_row(s->resizer, have != want ? s->converted : row);
}

/* The part that libpng may leave by longjmp; all it allocates hangs on `s`. */
static int decode(struct png_state *s, FILE *in, const struct image_format *f, struct decode_memory *memory,
                  uint8_t *out, struct error *e)
{
  static const png_byte unneeded[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0hIST\0pCAL\0sCAL";
  png_structp png = s->png;
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours is on the pixels, below */
  png_set_chunk_malloc_max(png, CHUNK_BYTES_MAX);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, unneeded, (int)sizeof unneeded / 5);
  png_init_io(png, in);
  png_read_info(png, s->info);
  int width = (int)png_get_image_width(png, s->info), height = (int)png_get_image_height(png, s->info);
  if (check_pixels(width, height, f->pixel_limit, e)) return e->code;

  int orientation = 1;
#ifdef PNG_eXIf_SUPPORTED
  png_uint_32 exif_bytes = 0;
  png_bytep exif = NULL;
  if (png_get_eXIf_1(png, s->info, &exif_bytes, &exif) && exif) orientation = exif_orientation(exif, exif_bytes);
#endif
  png_set_expand(png); /* palette, few-bit grey and tRNS to 8 bits with alpha */
  png_set_scale_16(png);
  png_set_packing(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, s->info);
  int have = png_get_channels(png, s->info);
  size_t row_bytes = png_get_rowbytes(png, s->info);
  if (have < 1 || have > 4 || row_bytes != (size_t)width * (size_t)have)
    return error_set(e, ERROR_FAILED, "is a PNG image of an unknown kind");

  s->resizer = resizer_create(width, height, 1, f->channels, orientation, f->width, f->height, f->resize);
  s->converted = malloc((size_t)width * 3);
  if (!s->resizer || !s->converted) return error_set(e, ERROR_MACHINE, "no memory to decode it");
  if (passes == 1) {
    s->row = malloc(row_bytes);
    if (!s->row) return error_set(e, ERROR_MACHINE, "no memory to decode it");
    for (int y = 0; y < height; y++) {
      png_read_row(png, s->row, NULL);
      feed(s, s->row, width, have, f->channels);
    }
  } else {
    s->taken = (int64_t)row_bytes * height;
    decode_memory_take(memory, s->taken);
    s->whole = malloc(row_bytes * (size_t)height);
    s->rows = malloc((size_t)height * sizeof *s->rows);
    if (!s->whole || !s->rows) return error_set(e, ERROR_MACHINE, "no memory to decode it");
    for (int y = 0; y < height; y++) s->rows[y] = s->whole + (size_t)y * row_bytes;
    png_read_image(png, s->rows);
    for (int y = 0; y < height; y++) feed(s, s->rows[y], width, have, f->channels);
  }
  png_read_end(png, NULL); /* the last checksum, and whether there is an end */
  resizer_finish(s->resizer, out);
  return 0;
}

static int explain(const struct png_state *s, struct error *e)
{
  if (strstr(s->text, "ut of memory") || strstr(s->text, "nsufficient memory"))
    return error_set(e, ERROR_MACHINE, "no memory to decode it");
  if (strstr(s->text, "Read Error") || strstr(s->text, "Not enough"))
    return error_set(e, ERROR_FAILED, "is a PNG image that is cut off (%s)", s->text);
  return error_set(e, ERROR_FAILED, "is a damaged PNG image (%s)", s->text);
}

int png_decode(FILE *in, const struct image_format *format, struct decode_memory *memory, uint8_t *out, struct error *e)
{
  struct png_state *s = calloc(1, sizeof *s);
  int code;
  if (!s) return error_set(e, ERROR_MACHINE, "no memory to decode it");
  if (setjmp(s->jump)) {
    code = explain(s, e);
  } else {
    s->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, s, on_error, on_warning);
    s->info = s->png ? png_create_info_struct(s->png) : NULL;
    code = s->info ? decode(s, in, format, memory, out, e) : error_set(e, ERROR_MACHINE, "no memory to decode it");
  }
  decode_memory_give(memory, s->taken);
  resizer_destroy(s->resizer);
  free(s->row);
  free(s->converted);
  free(s->whole);
  free(s->rows);
  if (s->png) png_destroy_read_struct(&s->png, &s->info, NULL);
  free(s);
  return code;
}
