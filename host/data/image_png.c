/* PNG through libpng.
 *
 * Whatever a file holds (1 to 16 bits, palette, grey, transparency, interlacing) comes out as 8-bit
 * grey or RGB.  What is transparent shows white, the paper that most such pictures were drawn for.
 * Of an animation the first picture counts.  Rows go to the resizer one by one; only an interlaced
 * image is held whole, counted against the memory that threads share.
 *
 * Chunks that are not needed are not even unpacked: a compressed text or colour profile can be a
 * bomb of its own.  Which way is up is said by a chunk eXIf, or, from before that existed, by a
 * text "Raw profile type exif" (or APP1) in hexadecimal, as ImageMagick writes; before the pixels
 * or behind them.  Behind them, the pixels are read a second time.
 *
 * A file that ends behind its pixels, without its end chunk, has lost none of them and is taken. */
#include <png.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "host/data/image_decode.h"
#include "host/data/image_resize.h"

enum { CHUNK_BYTES_MAX = 8 << 20, PROFILE_BYTES_MAX = 256 << 10, CHUNK_IDAT = 0x49444154 /* the four letters */ };

struct png_state {
  png_structp png;
  png_infop info;
  jmp_buf jump;
  char text[200];
  struct resizer *resizer;
  uint8_t *row, *converted;
  uint8_t *whole; /* an interlaced image */
  png_bytep *rows;
  int64_t taken;        /* of the shared memory */
  int orientation;      /* that the pixels are read with; 0: what stands before them decides */
  int exif, raw;        /* orientations that a chunk eXIf, a raw profile give; 0: none yet */
  bool pixels_are_read; /* all rows */
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

/* ---- which way is up ------------------------------------------------------------------------- */

static int hex_digit(uint8_t c)
{
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/* The orientation in a raw profile's text: a line with its name, a line with its length, then the
 * bytes in hexadecimal, in lines. 0: there is none. */
static int raw_profile_orientation(uint8_t *text, size_t size)
{
  size_t at = 0, n = 0;
  for (int lines = 0; at < size && lines < 3; at++) lines += text[at] == '\n'; /* the first one is empty */
  for (int high = -1; at < size; at++) {
    int digit = hex_digit(text[at]);
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      text[n++] = (uint8_t)(high << 4 | digit); /* never ahead of what is read */
      high = -1;
    }
  }
  return n >= 8 ? exif_orientation(text, n) : 0;
}

/* A text chunk: a keyword, a zero byte, in zTXt the method (0: deflate), the text. */
static int text_orientation(const uint8_t *data, size_t size, bool packed)
{
  static const char *const keywords[] = {"Raw profile type exif", "Raw profile type APP1"};
  const uint8_t *end = memchr(data, 0, size);
  if (!end || (strcmp((const char *)data, keywords[0]) != 0 && strcmp((const char *)data, keywords[1]) != 0)) return 0;
  size_t head = (size_t)(end - data) + 1 + packed;
  if (head >= size || (packed && end[1] != 0)) return 0;
  uLongf n = packed ? PROFILE_BYTES_MAX : size - head;
  uint8_t *text = n <= PROFILE_BYTES_MAX ? malloc(n) : NULL;
  int orientation = 0;
  if (text && !packed) memcpy(text, data + head, n);
  /* What does not fit is cut: the orientation stands near the beginning. */
  if (text && packed && uncompress(text, &n, data + head, size - head) != Z_OK) n = 0;
  if (text && n) orientation = raw_profile_orientation(text, n);
  free(text);
  return orientation;
}

/* Called by libpng for each of the chunks that tell the orientation; 1: it has been dealt with. */
static int on_chunk(png_structp png, png_unknown_chunkp chunk)
{
  struct png_state *s = png_get_user_chunk_ptr(png);
  if (memcmp(chunk->name, "eXIf", 4) == 0) {
    if (!s->exif && chunk->size >= 8) s->exif = exif_orientation(chunk->data, chunk->size);
  } else if (!s->raw && chunk->size) {
    s->raw = text_orientation(chunk->data, chunk->size, chunk->name[0] == 'z');
  }
  return 1;
}

static int orientation_of(const struct png_state *s)
{
  return s->exif ? s->exif : s->raw ? s->raw : 1;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

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
                  struct error *e)
{
  static const png_byte unneeded[] = "iCCP\0iTXt\0sPLT\0hIST\0pCAL\0sCAL", needed[] = "eXIf\0tEXt\0zTXt";
  png_structp png = s->png;
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours is on the pixels, below */
  png_set_chunk_malloc_max(png, CHUNK_BYTES_MAX);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, unneeded, (int)sizeof unneeded / 5);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_ALWAYS, needed, (int)sizeof needed / 5);
  png_set_read_user_chunk_fn(png, s, on_chunk);
  png_init_io(png, in);
  png_read_info(png, s->info);
  int width = (int)png_get_image_width(png, s->info), height = (int)png_get_image_height(png, s->info);
  if (check_pixels(width, height, f->pixel_limit, e)) return e->code;

  png_set_expand(png); /* palette, few-bit grey and tRNS to 8 bits with alpha */
  png_set_scale_16(png);
  png_set_packing(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, s->info);
  int have = png_get_channels(png, s->info);
  size_t row_bytes = png_get_rowbytes(png, s->info);
  if (have < 1 || have > 4 || row_bytes != (size_t)width * (size_t)have)
    return error_set(e, ERROR_FAILED, "is a PNG image of an unknown kind");

  if (!s->orientation) s->orientation = orientation_of(s);
  s->resizer = resizer_create(width, height, 1, f->channels, s->orientation, f->width, f->height, f->resize);
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
  s->pixels_are_read = true;
  png_read_end(png, s->info); /* the last checksum, and whether there is an end */
  return 0;
}

/* Has the file ended behind the last chunk of pixels, whose checksum is right? */
static bool lacks_its_end_only(const struct png_state *s)
{
  bool within = (png_get_io_state(s->png) & PNG_IO_MASK_LOC) != PNG_IO_CHUNK_HDR;
  return s->pixels_are_read && strstr(s->text, "Read Error") &&
         !(within && png_get_io_chunk_type(s->png) == CHUNK_IDAT);
}

static int explain(const struct png_state *s, struct error *e)
{
  if (strstr(s->text, "ut of memory") || strstr(s->text, "nsufficient memory"))
    return error_set(e, ERROR_MACHINE, "no memory to decode it");
  if (strstr(s->text, "Read Error") || strstr(s->text, "Not enough"))
    return error_set(e, ERROR_FAILED, "is a PNG image that is cut off (%s)", s->text);
  return error_set(e, ERROR_FAILED, "is a damaged PNG image (%s)", s->text);
}

/* One reading; *orientation is what the file says, wherever it says it. */
static int read_once(FILE *in, const struct image_format *format, struct decode_memory *memory, int *orientation,
                     uint8_t *out, struct error *e)
{
  struct png_state *s = calloc(1, sizeof *s);
  int code;
  if (!s) return error_set(e, ERROR_MACHINE, "no memory to decode it");
  s->orientation = *orientation;
  if (setjmp(s->jump)) {
    code = !lacks_its_end_only(s) ? explain(s, e) : ferror(in) ? error_set(e, ERROR_MACHINE, "cannot be read") : 0;
  } else {
    s->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, s, on_error, on_warning);
    s->info = s->png ? png_create_info_struct(s->png) : NULL;
    code = s->info ? decode(s, in, format, memory, e) : error_set(e, ERROR_MACHINE, "no memory to decode it");
  }
  *orientation = orientation_of(s);
  if (!code && s->orientation == *orientation) resizer_finish(s->resizer, out);
  bool again = !code && s->orientation != *orientation;
  decode_memory_give(memory, s->taken);
  resizer_destroy(s->resizer);
  free(s->row);
  free(s->converted);
  free(s->whole);
  free(s->rows);
  if (s->png) png_destroy_read_struct(&s->png, &s->info, NULL);
  free(s);
  return again ? 1 : code;
}

int png_decode(FILE *in, const struct image_format *format, struct decode_memory *memory, uint8_t *out, struct error *e)
{
  int orientation = 0;
  int code = read_once(in, format, memory, &orientation, out, e);
  if (code <= 0) return code;
  rewind(in);
  code = read_once(in, format, memory, &orientation, out, e);
  return code > 0 ? error_set(e, ERROR_FAILED, "changes while it is read") : code;
}
