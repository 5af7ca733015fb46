/* Files for the tests of data sets: a folder of their own that is removed at the end, and small
 * files of every kind made in it.  Included by each test program that reads data; everything is
 * static. */
#ifndef GSOS_TEST_DATA_FILES_H
#define GSOS_TEST_DATA_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <ftw.h>
#include <png.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "host/data/dataset.h"

#define UNUSED __attribute__((unused))

static char folder[512]; /* of the running test */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
  (void)st, (void)kind, (void)where;
  return remove(path);
}

/* cmocka set-up and tear-down: each test gets a fresh folder. */
UNUSED static int folder_make(void **state)
{
  (void)state;
  const char *base = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/gsos-data-XXXXXX", base && *base ? base : "/tmp");
  return mkdtemp(folder) ? 0 : -1;
}

UNUSED static int folder_remove(void **state)
{
  (void)state;
  return nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* A path in the test's folder; the folders on the way are made.  One of eight static buffers. */
UNUSED static const char *at(const char *format, ...) __attribute__((format(printf, 1, 2)));
UNUSED static const char *at(const char *format, ...)
{
  static char paths[8][1024];
  static int next;
  char *path = paths[next++ % 8];
  int n = snprintf(path, 1024, "%s/", folder);
  va_list args;
  va_start(args, format);
  vsnprintf(path + n, (size_t)(1024 - n), format, args);
  va_end(args);
  for (char *p = path + n; *p; p++) {
    if (*p != '/') continue;
    *p = 0;
    mkdir(path, 0777);
    *p = '/';
  }
  return path;
}

UNUSED static void write_file(const char *path, const void *bytes, size_t size)
{
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(bytes, 1, size, out), size);
  assert_int_equal(fclose(out), 0);
}

UNUSED static void write_gzip(const char *path, const void *bytes, size_t size)
{
  gzFile out = gzopen(path, "wb6");
  assert_non_null(out);
  assert_int_equal(gzwrite(out, bytes, (unsigned)size), (int)size);
  assert_int_equal(gzclose(out), Z_OK);
}

/* The whole of a file, malloc'ed. */
UNUSED static uint8_t *read_file(const char *path, size_t *size)
{
  FILE *in = fopen(path, "rb");
  assert_non_null(in);
  fseek(in, 0, SEEK_END);
  *size = (size_t)ftell(in);
  rewind(in);
  uint8_t *bytes = malloc(*size + 1);
  assert_non_null(bytes);
  assert_int_equal(fread(bytes, 1, *size, in), *size);
  fclose(in);
  return bytes;
}

/* An IDX file in memory: header, then the bytes (NULL: a pattern). Malloc'ed. */
UNUSED static uint8_t *idx_bytes(int n_dims, const uint32_t *dims, const uint8_t *data, size_t *size)
{
  size_t count = 1, n = 0;
  for (int d = 0; d < n_dims; d++) count *= dims[d];
  uint8_t *bytes = malloc(4 + 4 * (size_t)n_dims + count);
  assert_non_null(bytes);
  const uint8_t magic[4] = {0, 0, 8, (uint8_t)n_dims};
  memcpy(bytes, magic, 4);
  n = 4;
  for (int d = 0; d < n_dims; d++)
    for (int shift = 24; shift >= 0; shift -= 8) bytes[n++] = (uint8_t)(dims[d] >> shift);
  for (size_t i = 0; i < count; i++) bytes[n + i] = data ? data[i] : (uint8_t)(i * 7 + i / 251);
  *size = n + count;
  return bytes;
}

/* Images (n × side × side, or × channels where channels > 1; a pattern) and labels as a pair of IDX
 * files. */
UNUSED static void write_idx_pair(const char *images, const char *labels, int n, int side, int channels,
                                  const uint8_t *label)
{
  uint32_t dims[4] = {(uint32_t)n, (uint32_t)side, (uint32_t)side, (uint32_t)channels};
  size_t size;
  uint8_t *bytes = idx_bytes(channels > 1 ? 4 : 3, dims, NULL, &size);
  write_file(images, bytes, size);
  free(bytes);
  bytes = idx_bytes(1, dims, label, &size);
  write_file(labels, bytes, size);
  free(bytes);
}

/* --------------------------------------------------------------------------------------- images */

/* A picture with something to see everywhere: smooth in x and y, different in every channel. */
UNUSED static uint8_t picture(int x, int y, int c, int width, int height)
{
  return (uint8_t)(c == 0 ? 255 * x / width : c == 1 ? 255 * y / height : (x * 3 + y * 5) & 0xff);
}

struct png_options {
  int color, depth, interlace;
  int side_chunk; /* write an eXIf chunk with this orientation; 0: none */
};

/* A PNG of the picture. color: a PNG_COLOR_TYPE; 16 bits repeat the byte. */
UNUSED static void write_png(const char *path, int width, int height, struct png_options o)
{
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  assert_non_null(info);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
  png_init_io(png, out);
  png_set_compression_level(png, 1);
  int depth = o.depth ? o.depth : 8;
  png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, o.color,
               o.interlace ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_color palette[256];
  png_byte alpha[256];
  if (o.color == PNG_COLOR_TYPE_PALETTE) { /* entry i is the grey i, opaque but for the first, which is clear */
    for (int i = 0; i < 256; i++) palette[i] = (png_color){(png_byte)i, (png_byte)i, (png_byte)i};
    for (int i = 0; i < 256; i++) alpha[i] = i ? 255 : 0;
    png_set_PLTE(png, info, palette, 256);
    png_set_tRNS(png, info, alpha, 1, NULL);
  }
  if (o.side_chunk) {
    png_byte exif[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, (png_byte)o.side_chunk};
    png_set_eXIf_1(png, info, sizeof exif, exif);
  }
  png_write_info(png, info);
  int channels = png_get_channels(png, info), bytes = depth == 16 ? 2 : 1;
  png_byte *row = malloc((size_t)width * (size_t)channels * (size_t)bytes);
  assert_non_null(row);
  int passes = png_set_interlace_handling(png);
  for (int pass = 0; pass < passes; pass++)
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++)
        for (int c = 0; c < channels; c++)
          for (int b = 0; b < bytes; b++) {
            bool is_alpha = (o.color & PNG_COLOR_MASK_ALPHA) && c == channels - 1;
            row[(x * channels + c) * bytes + b] =
                is_alpha ? (x < width / 2 ? 0 : 255) : picture(x, y, c, width, height);
          }
      png_write_row(png, row);
    }
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  free(row);
  assert_int_equal(fclose(out), 0);
}

struct jpeg_options {
  int components; /* 1, 3, 4 (CMYK); 0: 3 */
  bool progressive;
  int orientation;             /* EXIF; 0: none */
  const jpeg_scan_info *scans; /* progressive, with these scans */
  int n_scans;
};

/* A JPEG of the picture, quality 95. */
UNUSED static void write_jpeg(const char *path, int width, int height, struct jpeg_options o)
{
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  struct jpeg_compress_struct cinfo;
  struct jpeg_error_mgr manager;
  cinfo.err = jpeg_std_error(&manager);
  jpeg_create_compress(&cinfo);
  jpeg_stdio_dest(&cinfo, out);
  cinfo.image_width = (JDIMENSION)width;
  cinfo.image_height = (JDIMENSION)height;
  cinfo.input_components = o.components ? o.components : 3;
  cinfo.in_color_space = cinfo.input_components == 1 ? JCS_GRAYSCALE : cinfo.input_components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&cinfo);
  jpeg_set_quality(&cinfo, 95, TRUE);
  if (o.progressive) jpeg_simple_progression(&cinfo);
  if (o.scans) {
    cinfo.scan_info = o.scans;
    cinfo.num_scans = o.n_scans;
  }
  jpeg_start_compress(&cinfo, TRUE);
  if (o.orientation) {
    JOCTET exif[] = {
        'E', 'x', 'i', 'f', 0, 0, 'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, (JOCTET)o.orientation,
        0,   0,   0,   0,   0, 0, 0};
    jpeg_write_marker(&cinfo, JPEG_APP0 + 1, exif, sizeof exif);
  }
  JSAMPLE *row = malloc((size_t)width * (size_t)cinfo.input_components);
  assert_non_null(row);
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++)
      for (int c = 0; c < cinfo.input_components; c++) /* CMYK as Adobe writes it, inverted; no black */
        row[x * cinfo.input_components + c] = c == 3 ? 255 : picture(x, y, c, width, height);
    JSAMPROW rows = row;
    jpeg_write_scanlines(&cinfo, &rows, 1);
  }
  jpeg_finish_compress(&cinfo);
  jpeg_destroy_compress(&cinfo);
  free(row);
  assert_int_equal(fclose(out), 0);
}

/* Whether a message says a word; shows the message where it does not. */
UNUSED static void assert_says(const char *message, const char *part)
{
  if (!strstr(message, part)) fail_msg("\"%s\" does not say \"%s\"", message, part);
}

#endif
