/* Image files: what kind of file it is, and the little that both decoders share.  The decoders
 * themselves are image_jpeg.c and image_png.c. */
#include "host/data/image_decode.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <jpeglib.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file_open.h"
#include "host/base/text_escape.h"

/* -------------------------------------------------------------------------------- shared memory */

void decode_memory_init(struct decode_memory *m, int64_t limit_bytes)
{
  pthread_mutex_init(&m->mutex, NULL);
  pthread_cond_init(&m->freed, NULL);
  m->limit = limit_bytes;
  m->used = 0;
}

void decode_memory_destroy(struct decode_memory *m)
{
  pthread_cond_destroy(&m->freed);
  pthread_mutex_destroy(&m->mutex);
}

void decode_memory_take(struct decode_memory *m, int64_t bytes)
{
  if (!m || !bytes) return;
  pthread_mutex_lock(&m->mutex);
  while (m->used && m->used + bytes > m->limit) pthread_cond_wait(&m->freed, &m->mutex);
  m->used += bytes;
  pthread_mutex_unlock(&m->mutex);
}

void decode_memory_give(struct decode_memory *m, int64_t bytes)
{
  if (!m || !bytes) return;
  pthread_mutex_lock(&m->mutex);
  m->used -= bytes;
  pthread_cond_broadcast(&m->freed);
  pthread_mutex_unlock(&m->mutex);
}

int check_pixels(int64_t width, int64_t height, int64_t limit, struct error *e)
{
  if (width * height <= limit) return 0;
  return error_set(e, ERROR_FAILED,
                   "is too large: %" PRId64 " x %" PRId64 " = %" PRId64 " pixels, the limit is %" PRId64
                   " ([dataset] pixel_limit)",
                   width, height, width * height, limit);
}

/* ----------------------------------------------------------------------------------------- EXIF */

static unsigned read_number(const uint8_t *p, int bytes, bool little)
{
  unsigned value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | p[little ? bytes - 1 - i : i];
  return value;
}

/* A TIFF header (byte order, 42, offset of the first directory), then a directory: the number of
 * entries, each of 12 bytes: tag, type, count, value.  JPEG's mark of EXIF data may stand before it
 * where it does not belong, in a chunk of a PNG. */
int exif_orientation(const uint8_t *bytes, size_t size)
{
  static const uint8_t bytes_of_type[] = {[1] = 1, [3] = 2, [4] = 4, [6] = 1, [8] = 2, [9] = 4};
  if (size >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0) bytes += 6, size -= 6;
  if (size < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0)) return 1;
  bool little = bytes[0] == 'I';
  size_t at = read_number(bytes + 4, 4, little);
  if (at > size || size - at < 2) return 1;
  size_t entries = read_number(bytes + at, 2, little);
  for (at += 2; entries-- && size - at >= 12; at += 12) {
    if (read_number(bytes + at, 2, little) != 0x0112) continue;
    /* EXIF wants a SHORT (3); some programs write a BYTE (1), a LONG (4) or one of them with a sign
     * (6, 8, 9), and every viewer takes it. */
    unsigned type = read_number(bytes + at + 2, 2, little);
    if (type >= sizeof bytes_of_type || !bytes_of_type[type]) return 1;
    unsigned value = read_number(bytes + at + 8, bytes_of_type[type], little);
    return value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}

/* --------------------------------------------------------------------------------- kind of file */

enum image_kind { KIND_JPEG, KIND_PNG, KIND_OTHER };

/* What a file that is neither JPEG nor PNG is, as far as its first bytes tell; NULL where they do
 * not. */
static const char *other_kind(const uint8_t *p, size_t n)
{
  static const struct {
    int at;
    const char *magic;
    int bytes;
    const char *name;
  } kinds[] = {
      {8, "WEBP", 4, "a WebP image"},      {0, "GIF8", 4, "a GIF image"},         {0, "BM", 2, "a BMP image"},
      {0, "II*\0", 4, "a TIFF image"},     {0, "MM\0*", 4, "a TIFF image"},       {4, "ftypavif", 8, "an AVIF image"},
      {4, "ftypavis", 8, "an AVIF image"}, {4, "ftyphei", 7, "a HEIC image"},     {4, "ftyphev", 7, "a HEIC image"},
      {4, "ftypmif1", 8, "a HEIC image"},  {0, "\xff\x0a", 2, "a JPEG XL image"}, {4, "JXL ", 4, "a JPEG XL image"},
      {4, "jP  ", 4, "a JPEG 2000 image"}, {0, "<svg", 4, "an SVG image"},        {0, "%PDF", 4, "a PDF file"},
  };
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    if (n >= (size_t)(kinds[k].at + kinds[k].bytes) &&
        memcmp(p + kinds[k].at, kinds[k].magic, (size_t)kinds[k].bytes) == 0)
      return kinds[k].name;
  return NULL;
}

static int tell_kind(FILE *in, enum image_kind *kind, struct error *e)
{
  uint8_t head[16];
  size_t n = fread(head, 1, sizeof head, in);
  *kind = KIND_OTHER;
  if (ferror(in)) return error_errno(e, "cannot be read");
  rewind(in);
  if (n == 0) return error_set(e, ERROR_FAILED, "is empty");
  if (n >= 3 && memcmp(head, "\xff\xd8\xff", 3) == 0)
    *kind = KIND_JPEG;
  else if (n >= 8 && memcmp(head, "\x89PNG\r\n\x1a\n", 8) == 0)
    *kind = KIND_PNG;
  if (*kind != KIND_OTHER) return 0;
  const char *name = other_kind(head, n);
  if (name) return error_set(e, ERROR_FAILED, "is %s; convert it to PNG or JPEG", name);
  return error_set(e, ERROR_FAILED, "is not an image: neither JPEG nor PNG, whatever its name says");
}

int image_decode_stream(FILE *in, const struct image_format *format, struct decode_memory *memory, uint8_t *out,
                        struct error *e)
{
  enum image_kind kind;
  if (tell_kind(in, &kind, e)) return e->code;
  return (kind == KIND_JPEG ? jpeg_decode : png_decode)(in, format, memory, out, e);
}

int image_decode(const char *path, const struct image_format *format, struct decode_memory *memory, uint8_t *out,
                 struct error *e)
{
  struct stat st;
  /* O_NONBLOCK: opening a pipe that nobody writes to must not wait. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno == ENOENT && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
      return error_set(e, ERROR_FAILED, "is a symbolic link to a file that does not exist");
    if (errno == ELOOP) return error_set(e, ERROR_FAILED, "is a symbolic link that leads back to itself");
    if (errno == ENXIO) return error_set(e, ERROR_FAILED, "is not a file but a socket or device");
    return error_errno(e, "cannot be opened");
  }
  int code = 0;
  if (fstat(fd, &st) != 0)
    code = error_errno(e, "cannot be read");
  else if (!S_ISREG(st.st_mode))
    code = error_set(e, ERROR_FAILED, "is not a file but a %s", file_kind(&st));
  FILE *in = code ? NULL : fdopen(fd, "rb");
  if (!in) {
    if (!code) code = error_set(e, ERROR_MACHINE, "no memory to open it");
    close(fd);
    return code;
  }
  code = image_decode_stream(in, format, memory, out, e);
  fclose(in);
  return code;
}

int image_decode_file(const char *path, int width, int height, int channels, enum dataset_resize resize,
                      int64_t pixel_limit, uint8_t *out, struct error *e)
{
  struct error local;
  struct image_format format = {width, height, channels, resize, pixel_limit};
  char shown[512];
  if (!e) e = &local;
  if (image_decode(path, &format, NULL, out, e) == 0) return 0;
  return error_prefix(e, "%s", text_escape(shown, sizeof shown, path));
}

#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)
#ifndef LIBJPEG_TURBO_VERSION
#define LIBJPEG_TURBO_VERSION of version JPEG_LIB_VERSION
#endif

const char *image_decode_libraries(void)
{
  return "libjpeg-turbo " TEXT_OF(LIBJPEG_TURBO_VERSION) ", libpng " PNG_LIBPNG_VER_STRING;
}
