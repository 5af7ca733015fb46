/* Image folders: decoding, orientation, cropping and resizing held against plain definitions;
 * layouts; the cache; and every kind of bad file, alone and among good ones. */
#include "tests/unit/data/data_files.h"
#include "tests/unit/experiment/defaults.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "host/data/data_cache.h"
#include "host/data/image_decode.h"

enum { MILLION = 1000000 };

static struct dataset_options options;
static struct dataset data;
static struct error error;

static int set_up(void **state)
{
  if (folder_make(state)) return -1;
  options = default_dataset_options();
  snprintf(options.cache, sizeof options.cache, "%s/.cache", folder);
  snprintf(options.path, sizeof options.path, "%s/images", folder);
  options.image_size = 8;
  options.threads = 3;
  return 0;
}

static int open_data(void)
{
  memset(&error, 0, sizeof error);
  return dataset_open(&data, &options, 0, NULL, NULL, &error);
}

static void opens(void)
{
  if (open_data()) fail_msg("%s", error.message);
}

static void refuses(int code, const char *says)
{
  int got = open_data();
  if (got == 0) dataset_close(&data);
  assert_int_equal(got, code);
  assert_says(error.message, says);
}

static const struct png_options rgb = {.color = PNG_COLOR_TYPE_RGB};

/* `count` good images for a class, each of another size. */
static void write_class(const char *class, int count)
{
  for (int i = 0; i < count; i++) {
    if (i % 2)
      write_png(at("images/%s/%d.png", class, i), 10 + i, 12, rgb);
    else
      write_jpeg(at("images/%s/%d.jpg", class, i), 12, 10 + i, (struct jpeg_options){0});
  }
}

static void decodes(const char *path, int width, int height, int channels, enum dataset_resize resize, uint8_t *out)
{
  struct error e;
  if (image_decode_file(path, width, height, channels, resize, MILLION, out, &e)) fail_msg("%s", e.message);
}

static void refuses_image(const char *path, const char *says)
{
  uint8_t out[8 * 8 * 3];
  struct error e;
  assert_int_equal(image_decode_file(path, 8, 8, 3, RESIZE_AREA, MILLION, out, &e), ERROR_FAILED);
  assert_says(e.message, strrchr(path, '/') + 1);
  assert_says(e.message, says);
}

/* ------------------------------------------------------------------------------- decoding right */

static void png_of_every_kind_gives_its_pixels(void **state)
{
  (void)state;
  uint8_t out[20 * 20 * 3], grey[20 * 20];
  const struct {
    struct png_options o;
    const char *name;
  } kinds[] = {
      {{PNG_COLOR_TYPE_GRAY, 8, 0, 0}, "grey"},        {{PNG_COLOR_TYPE_GRAY, 16, 0, 0}, "grey 16"},
      {{PNG_COLOR_TYPE_RGB, 8, 0, 0}, "colour"},       {{PNG_COLOR_TYPE_RGB, 16, 0, 0}, "colour 16"},
      {{PNG_COLOR_TYPE_RGB, 8, 1, 0}, "interlaced"},   {{PNG_COLOR_TYPE_PALETTE, 8, 0, 0}, "palette"},
      {{PNG_COLOR_TYPE_GRAY_ALPHA, 8, 1, 0}, "alpha"}, {{PNG_COLOR_TYPE_RGB_ALPHA, 16, 0, 0}, "colour alpha 16"}};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    int color = kinds[k].o.color;
    write_png(at("a.png"), 20, 20, kinds[k].o);
    decodes(at("a.png"), 20, 20, 3, RESIZE_AREA, out);
    decodes(at("a.png"), 20, 20, 1, RESIZE_LANCZOS, grey);
    for (int y = 0; y < 20; y++)
      for (int x = 0; x < 20; x++) {
        int want[3];
        for (int c = 0; c < 3; c++) {
          want[c] = picture(x, y, color & PNG_COLOR_MASK_COLOR && color != PNG_COLOR_TYPE_PALETTE ? c : 0, 20, 20);
          if ((color & PNG_COLOR_MASK_ALPHA) && x < 10) want[c] = 255;        /* what is clear shows white */
          if (color == PNG_COLOR_TYPE_PALETTE && want[c] == 0) want[c] = 255; /* the clear entry of the palette */
          if (out[(y * 20 + x) * 3 + c] != want[c])
            fail_msg("%s: pixel %d, %d, channel %d is %d, not %d", kinds[k].name, x, y, c, out[(y * 20 + x) * 3 + c],
                     want[c]);
        }
        double luma = 0.299 * want[0] + 0.587 * want[1] + 0.114 * want[2];
        if (fabs(grey[y * 20 + x] - luma) > 1) fail_msg("%s: grey %d, not %.1f", kinds[k].name, grey[y * 20 + x], luma);
      }
  }
}

/* Smooth channels only: what JPEG loses in them is little. */
static void check_jpeg(const char *path, int components)
{
  uint8_t out[32 * 32 * 3];
  decodes(path, 32, 32, 3, RESIZE_AREA, out);
  for (int y = 0; y < 32; y++)
    for (int x = 0; x < 32; x++)
      for (int c = 0; c < 2; c++) {
        int want = picture(x, y, components == 1 ? 0 : c, 32, 32), got = out[(y * 32 + x) * 3 + c];
        if (abs(got - want) > 60) fail_msg("%s: pixel %d, %d, channel %d is %d, not %d", path, x, y, c, got, want);
      }
}

static void jpeg_of_every_kind_gives_its_pixels(void **state)
{
  (void)state;
  uint8_t sequential[32 * 32 * 3], progressive[32 * 32 * 3];
  write_jpeg(at("colour.jpg"), 32, 32, (struct jpeg_options){0});
  write_jpeg(at("progressive.jpg"), 32, 32, (struct jpeg_options){.progressive = true});
  write_jpeg(at("grey.jpg"), 32, 32, (struct jpeg_options){.components = 1});
  write_jpeg(at("cmyk.jpg"), 32, 32, (struct jpeg_options){.components = 4});
  check_jpeg(at("colour.jpg"), 3);
  check_jpeg(at("progressive.jpg"), 3);
  check_jpeg(at("grey.jpg"), 1);
  check_jpeg(at("cmyk.jpg"), 4);
  decodes(at("colour.jpg"), 32, 32, 3, RESIZE_AREA, sequential);
  decodes(at("progressive.jpg"), 32, 32, 3, RESIZE_AREA, progressive);
  assert_memory_equal(sequential, progressive, sizeof sequential); /* the same coefficients in another order */
}

static void content_decides_not_the_name(void **state)
{
  (void)state;
  uint8_t a[100 * 3], b[100 * 3];
  write_png(at("a.png"), 10, 10, rgb);
  decodes(at("a.png"), 10, 10, 3, RESIZE_AREA, a);
  assert_int_equal(rename(at("a.png"), at("a.jpg")), 0);
  decodes(at("a.jpg"), 10, 10, 3, RESIZE_AREA, b);
  assert_memory_equal(a, b, sizeof a);
}

/* The pixel of the stored picture that is shown at (x, y), for each EXIF orientation, by its
 * definition: which side of the stored picture is shown on top and which on the left. */
static void stored_at(int orientation, int x, int y, int width, int height, int *u, int *v)
{
  switch (orientation) {
  case 1:
    *u = x, *v = y;
    break; /* top, left */
  case 2:
    *u = width - 1 - x, *v = y;
    break; /* top, right */
  case 3:
    *u = width - 1 - x, *v = height - 1 - y;
    break; /* bottom, right */
  case 4:
    *u = x, *v = height - 1 - y;
    break; /* bottom, left */
  case 5:
    *u = y, *v = x;
    break; /* left, top */
  case 6:
    *u = y, *v = height - 1 - x;
    break; /* right, top: to be turned clockwise */
  case 7:
    *u = width - 1 - y, *v = height - 1 - x;
    break; /* right, bottom */
  default:
    *u = width - 1 - y, *v = x; /* left, bottom */
  }
}

static void exif_orientation_is_applied(void **state)
{
  (void)state;
  enum { W = 25, H = 16 };
  uint8_t out[W * H * 3], plain[W * H * 3];
  write_jpeg(at("plain.jpg"), W, H, (struct jpeg_options){0});
  decodes(at("plain.jpg"), W, H, 3, RESIZE_AREA, plain);
  for (int o = 1; o <= 8; o++) {
    int width = o >= 5 ? H : W, height = o >= 5 ? W : H; /* as it is shown */
    write_png(at("turned.png"), W, H, (struct png_options){PNG_COLOR_TYPE_RGB, 8, 0, o});
    write_jpeg(at("turned.jpg"), W, H, (struct jpeg_options){.orientation = o});
    for (int jpeg = 0; jpeg < 2; jpeg++) {
      decodes(jpeg ? at("turned.jpg") : at("turned.png"), width, height, 3, RESIZE_AREA, out);
      for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
          for (int c = 0; c < 3; c++) {
            int u, v;
            stored_at(o, x, y, W, H, &u, &v);
            int want = jpeg ? plain[(v * W + u) * 3 + c] : picture(u, v, c, W, H);
            if (out[(y * width + x) * 3 + c] != want) fail_msg("orientation %d: pixel %d, %d is wrong", o, x, y);
          }
    }
    /* and the crop is taken from the middle of what is shown: from 25 × 16 to a square that begins
     * at 4 */
    decodes(at("turned.png"), 16, 16, 3, RESIZE_AREA, out);
    for (int y = 0; y < 16; y++)
      for (int x = 0; x < 16; x++) {
        int u, v;
        stored_at(o, x + (width - 16) / 2, y + (height - 16) / 2, W, H, &u, &v);
        assert_int_equal(out[(y * 16 + x) * 3], picture(u, v, 0, W, H));
      }
  }
}

/* Replaces the one place where `old` stands in a file. */
static void patch(const char *path, const void *old, const void *new, size_t n)
{
  size_t size;
  uint8_t *bytes = read_file(path, &size), *found = memmem(bytes, size, old, n);
  assert_non_null(found);
  memcpy(found, new, n);
  write_file(path, bytes, size);
  free(bytes);
}

/* Puts a chunk before the first one of the kind `before` of a PNG (NULL: at its end). */
static void insert_chunk(const char *path, const char *before, const char *kind, const void *body, size_t n)
{
  size_t size, at = 0;
  uint8_t *bytes = read_file(path, &size), *out = malloc(size + n + 12);
  assert_non_null(out);
  const uint8_t *found = before ? memmem(bytes, size, before, 4) : bytes + size + 4;
  assert_non_null(found);
  at = (size_t)(found - bytes) - 4;
  memcpy(out, bytes, at);
  uint8_t *chunk = out + at;
  for (int i = 0; i < 4; i++) chunk[i] = (uint8_t)(n >> (24 - 8 * i));
  memcpy(chunk + 4, kind, 4);
  memcpy(chunk + 8, body, n);
  uLong crc = crc32(0, chunk + 4, (uInt)n + 4);
  for (int i = 0; i < 4; i++) chunk[8 + n + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
  memcpy(chunk + 12 + n, bytes + at, size - at);
  write_file(path, out, size + n + 12);
  free(bytes);
  free(out);
}

/* Is the file the turned picture of turned.jpg (orientation 6)? */
static void is_turned(const char *path)
{
  enum { W = 16, H = 25 };
  uint8_t out[W * H * 3], want[W * H * 3];
  write_png(at("want.png"), H, W, (struct png_options){PNG_COLOR_TYPE_RGB, 8, 0, 6});
  decodes(at("want.png"), W, H, 3, RESIZE_AREA, want);
  decodes(path, W, H, 3, RESIZE_AREA, out);
  for (int i = 0; i < W * H * 3; i++)
    if (abs(out[i] - want[i]) > 12) fail_msg("%s: byte %d is %d, not %d", path, i, out[i], want[i]);
}

static void exif_orientation_may_be_a_byte_or_a_long(void **state)
{
  (void)state;
  static const uint8_t as_short[] = {0x12, 1, 3, 0, 1, 0, 0, 0}, as_long[] = {0x12, 1, 4, 0, 1, 0, 0, 0},
                       as_byte[] = {0x12, 1, 1, 0, 1, 0, 0, 0}, as_text[] = {0x12, 1, 2, 0, 1, 0, 0, 0};
  static const uint8_t big_short[] = {1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6},
                       big_long[] = {1, 0x12, 0, 4, 0, 0, 0, 1, 0, 0, 0, 6};
  static const uint8_t big_byte[] = {1, 0x12, 0, 1, 0, 0, 0, 1, 6, 0};
  uint8_t block[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1};
  write_jpeg(at("turned.jpg"), 25, 16, (struct jpeg_options){.orientation = 6});
  is_turned(at("turned.jpg"));
  patch(at("turned.jpg"), as_short, as_long, 8);
  is_turned(at("turned.jpg"));
  patch(at("turned.jpg"), as_long, as_byte, 8);
  is_turned(at("turned.jpg"));
  patch(at("turned.jpg"), as_byte, as_text, 8);
  uint8_t upright[25 * 16 * 3], plain[25 * 16 * 3];
  decodes(at("turned.jpg"), 25, 16, 3, RESIZE_AREA, upright);
  write_jpeg(at("plain.jpg"), 25, 16, (struct jpeg_options){0});
  decodes(at("plain.jpg"), 25, 16, 3, RESIZE_AREA, plain);
  assert_memory_equal(upright, plain, sizeof plain);
  memcpy(block + 10, big_short, sizeof big_short);
  assert_int_equal(exif_orientation(block, sizeof block), 6);
  memcpy(block + 10, big_long, sizeof big_long);
  assert_int_equal(exif_orientation(block, sizeof block), 6);
  memcpy(block + 10, big_byte, sizeof big_byte);
  assert_int_equal(exif_orientation(block, sizeof block), 6);
  block[13] = 6; /* the same with a sign */
  assert_int_equal(exif_orientation(block, sizeof block), 6);
  memcpy(block + 10, big_short, sizeof big_short);
  block[13] = 8;
  assert_int_equal(exif_orientation(block, sizeof block), 6);
  memcpy(block + 10, big_long, sizeof big_long);
  block[13] = 9;
  assert_int_equal(exif_orientation(block, sizeof block), 6);
  block[13] = 10; /* RATIONAL with a sign */
  assert_int_equal(exif_orientation(block, sizeof block), 1);
}

static void exif_with_jpegs_mark_before_it_is_understood(void **state)
{
  (void)state;
  static const uint8_t block[] = {'E', 'x',  'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
                                  1,   0x12, 0,   3,   0, 0, 0,   1,   0, 6,  0, 0, 0, 0, 0, 0};
  assert_int_equal(exif_orientation(block, sizeof block), 6);
  assert_int_equal(exif_orientation(block, 6), 1);
}

static void png_tells_its_orientation_before_and_behind_its_pixels(void **state)
{
  (void)state;
  static const uint8_t exif[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
  char text[400] = "Raw profile type exif", packed[600] = "Raw profile type APP1";
  char hex[200] = "\nexif\n      32\n457869660000";
  size_t n = strlen(hex), keyword = strlen(text) + 1;
  for (size_t i = 0; i < sizeof exif; i++) {
    n += (size_t)sprintf(hex + n, "%02x", exif[i]);
    if (i == 10) hex[n++] = '\n'; /* lines of any length */
  }
  memcpy(text + keyword, hex, n);
  uLongf packed_size = sizeof packed - keyword - 1;
  assert_int_equal(compress((Bytef *)packed + keyword + 1, &packed_size, (const Bytef *)hex, n), Z_OK);
  const struct {
    const char *kind;
    const void *body;
    size_t size;
  } chunks[] = {{"eXIf", exif, sizeof exif}, {"tEXt", text, keyword + n}, {"zTXt", packed, keyword + 1 + packed_size}};
  for (int interlaced = 0; interlaced < 2; interlaced++)
    for (size_t k = 0; k < 3; k++)
      for (int behind = 0; behind < 2; behind++) {
        write_png(at("a.png"), 25, 16, (struct png_options){PNG_COLOR_TYPE_RGB, 8, interlaced, 0});
        insert_chunk(at("a.png"), behind ? "IEND" : "IDAT", chunks[k].kind, chunks[k].body, chunks[k].size);
        is_turned(at("a.png"));
      }
}

static void images_that_lack_their_end_alone_are_read(void **state)
{
  (void)state;
  uint8_t whole[64 * 64 * 3], cut_off[64 * 64 * 3];
  size_t size;
  for (int kind = 0; kind < 4; kind++) {
    const char *path = kind < 2 ? at("a.jpg") : at("a.png");
    if (kind < 2)
      write_jpeg(path, 64, 64, (struct jpeg_options){.progressive = kind});
    else
      write_png(path, 64, 64, (struct png_options){PNG_COLOR_TYPE_RGB, 8, kind == 3, 0});
    decodes(path, 64, 64, 3, RESIZE_AREA, whole);
    free(read_file(path, &size));
    int most = kind < 2 ? 2 : 12; /* EOI; IEND's chunk */
    for (int lost = 1; lost <= most; lost++) {
      assert_int_equal(truncate(path, (off_t)size - lost), 0);
      decodes(path, 64, 64, 3, RESIZE_AREA, cut_off);
      assert_memory_equal(whole, cut_off, sizeof whole);
    }
    assert_int_equal(truncate(path, (off_t)size - most - 8), 0); /* some of the last pixels' bits */
    refuses_image(path, "that is cut off");
  }
}

static void exif_that_makes_no_sense_means_upright(void **state)
{
  (void)state;
  uint8_t good[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};
  assert_int_equal(exif_orientation(good, sizeof good), 6);
  for (size_t size = 0; size < 20; size++) {
    uint8_t *exact = malloc(size + 1); /* so that a sanitizer sees a read past the end */
    memcpy(exact, good, size);
    exif_orientation(exact, size);
    free(exact);
  }
  assert_int_equal(exif_orientation(good, 19), 1);
  good[18] = 9;
  assert_int_equal(exif_orientation(good, sizeof good), 1);
  good[18] = 6;
  good[4] = 0xff;
  good[7] = 0xff;
  assert_int_equal(exif_orientation(good, sizeof good), 1);
}

/* The area of every output pixel, summed by hand. */
static void area_is_the_mean_of_the_area(void **state)
{
  (void)state;
  const int sizes[][2] = {{30, 8}, {17, 5}, {64, 8}, {100, 7}, {9, 8}};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    int n = sizes[k][0], m = sizes[k][1];
    uint8_t out[8 * 8 * 3];
    double scale = (double)n / m;
    write_png(at("a.png"), n, n, rgb);
    decodes(at("a.png"), m, m, 3, RESIZE_AREA, out);
    for (int y = 0; y < m; y++)
      for (int x = 0; x < m; x++)
        for (int c = 0; c < 3; c++) {
          double sum = 0;
          for (int v = 0; v < n; v++)
            for (int u = 0; u < n; u++) {
              double w = fmin((x + 1) * scale, u + 1) - fmax(x * scale, u),
                     h = fmin((y + 1) * scale, v + 1) - fmax(y * scale, v);
              if (w > 0 && h > 0) sum += w * h * picture(u, v, c, n, n);
            }
          double want = sum / (scale * scale);
          if (fabs(out[(y * m + x) * 3 + c] - want) > 0.6)
            fail_msg("%d to %d: pixel %d, %d is %d, not %.2f", n, m, x, y, out[(y * m + x) * 3 + c], want);
        }
  }
}

/* Lanczos-3 straight from its definition, in two dimensions at once. */
static void lanczos_is_its_definition(void **state)
{
  (void)state;
  const int sizes[][2] = {{30, 8}, {64, 8}, {5, 8}};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    int n = sizes[k][0], m = sizes[k][1];
    uint8_t out[8 * 8];
    double scale = (double)n / m, stretch = fmax(scale, 1), kernel[8][64];
    write_png(at("a.png"), n, n, (struct png_options){.color = PNG_COLOR_TYPE_GRAY});
    decodes(at("a.png"), m, m, 1, RESIZE_LANCZOS, out);
    for (int o = 0; o < m; o++) {
      double sum = 0;
      for (int i = 0; i < n; i++) {
        double x = (i + 0.5 - (o + 0.5) * scale) / stretch;
        kernel[o][i] = fabs(x) >= 3 ? 0 : x == 0 ? 1 : 3 * sin(M_PI * x) * sin(M_PI * x / 3) / (M_PI * M_PI * x * x);
        sum += kernel[o][i];
      }
      for (int i = 0; i < n; i++) kernel[o][i] /= sum;
    }
    for (int y = 0; y < m; y++)
      for (int x = 0; x < m; x++) {
        double want = 0;
        for (int v = 0; v < n; v++)
          for (int u = 0; u < n; u++) want += kernel[y][v] * kernel[x][u] * picture(u, v, 0, n, n);
        want = fmin(fmax(want, 0), 255);
        if (fabs(out[y * m + x] - want) > 0.7) fail_msg("%d to %d: %d, not %.2f", n, m, out[y * m + x], want);
      }
  }
}

/* The decoder's own reduction of a large JPEG stays in register with the full image, whatever the
 * remainder by 8. */
static void large_jpeg_is_reduced_in_register(void **state)
{
  (void)state;
  for (int extra = 0; extra < 8; extra += 3) {
    int w = 400 + extra, h = 300 + 2 * extra;
    uint8_t jpeg[16 * 16 * 3], png[16 * 16 * 3];
    write_jpeg(at("a.jpg"), w, h, (struct jpeg_options){0});
    write_png(at("a.png"), w, h, rgb);
    for (int resize = RESIZE_AREA; resize <= RESIZE_LANCZOS; resize++) {
      decodes(at("a.jpg"), 16, 16, 3, (enum dataset_resize)resize, jpeg);
      decodes(at("a.png"), 16, 16, 3, (enum dataset_resize)resize, png);
      int worst = 0;
      for (int i = 0; i < 256; i++)
        for (int c = 0; c < 2; c++) /* the smooth channels */
          if (abs(jpeg[3 * i + c] - png[3 * i + c]) > worst) worst = abs(jpeg[3 * i + c] - png[3 * i + c]);
      if (worst > 3) fail_msg("%d x %d: differs by %d", w, h, worst);
    }
  }
}

static void odd_shapes_are_cropped_and_enlarged(void **state)
{
  (void)state;
  uint8_t out[8 * 8 * 3];
  const int sizes[][2] = {{1, 1}, {2000, 2}, {2, 2000}, {1, 3}, {7, 8}};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    write_png(at("a.png"), sizes[k][0], sizes[k][1], rgb);
    memset(out, 0xaa, sizeof out);
    decodes(at("a.png"), 8, 8, 3, RESIZE_LANCZOS, out);
    decodes(at("a.png"), 8, 8, 3, RESIZE_AREA, out);
    int x = sizes[k][0] / 2,
        y = sizes[k][1] / 2; /* the middle pixel of the output shows about the middle of the image */
    int got = out[(4 * 8 + 4) * 3 + 1], want = picture(x, y, 1, sizes[k][0], sizes[k][1]);
    if (sizes[k][1] > 4 || sizes[k][1] == 1) assert_true(abs(got - want) < 50);
  }
}

/* -------------------------------------------------------------------------------------- layouts */

static void train_and_test_folders(void **state)
{
  (void)state;
  write_class("train/cat", 10);
  write_class("train/dog", 20);
  write_class("test/dog", 4);
  write_class("test/cat", 3);
  opens();
  assert_int_equal(data.n_classes, 2);
  assert_string_equal(data.class_names[0], "cat");
  assert_string_equal(data.class_names[1], "dog");
  assert_int_equal(data.train.n, 24);
  assert_int_equal(data.validation.n, 6);
  assert_int_equal(data.test.n, 7);
  int dogs = 0;
  for (int i = 0; i < 7; i++) dogs += dataset_label(&data.test, i);
  assert_int_equal(dogs, 4);
  dataset_close(&data);
  for (int v = 0; v < 2; v++) {
    const char *name = v ? "val" : "validation";
    write_class(v ? "val/cat" : "validation/cat", 5);
    opens();
    assert_int_equal(data.train.n, 30);
    assert_int_equal(data.validation.n, 5);
    dataset_close(&data);
    if (!v) assert_int_equal(rename(at("images/%s", name), at("aside")), 0);
  }
  assert_int_equal(rename(at("aside"), at("images/validation")), 0);
  refuses(ERROR_CONFIG, "has both val/ and validation/ for the validation part");
}

static void parts_are_known_in_any_capitals_and_other_folders_are_told(void **state)
{
  (void)state;
  static const char *const validations[] = {"valid", "VAL", "dev", "Validation"};
  write_class("Train/cat", 10);
  write_class("Train/dog", 10);
  write_class("TEST/cat", 3);
  for (size_t i = 0; i < sizeof validations / sizeof *validations; i++) {
    write_class("aside/dog", 5);
    assert_int_equal(rename(at("images/aside"), at("images/%s", validations[i])), 0);
    opens();
    assert_int_equal(data.train.n, 20);
    assert_int_equal(data.validation.n, 5);
    assert_int_equal(data.test.n, 3);
    assert_string_equal(data.notices, "");
    dataset_close(&data);
    assert_int_equal(rename(at("images/%s", validations[i]), at("images/aside")), 0);
  }
  mkdir(at("images/annotations"), 0700);
  opens();
  assert_int_equal(data.train.n, 16);
  assert_says(data.notices, "not used: annotations/, aside/ (parts are train, validation, test)");
  dataset_close(&data);
  write_class("train/cat", 1);
  refuses(ERROR_CONFIG, "has both Train/ and train/ for the train part");
}

static void classes_may_be_called_as_parts_are(void **state)
{
  (void)state;
  write_class("valid", 10);
  write_class("invalid", 10);
  opens();
  assert_int_equal(data.n_classes, 2);
  assert_int_equal(data.train.n + data.validation.n + data.test.n, 20);
  dataset_close(&data);
}

static void results_of_a_run_are_no_class(void **state)
{
  (void)state;
  write_class("cat", 8);
  write_class("dog", 8);
  write_file(at("images/results/mine/study.db"), "x", 1);
  write_file(at("images/results/mine/networks/grouped-0/7.safetensors"), "x", 1);
  write_file(at("images/out/study.db"), "x", 1);
  write_file(at("images/deep/results/mine/study.db"), "x", 1);
  write_file(at("images/year/month/day/hour/study.db"), "x", 1);
  opens();
  assert_int_equal(data.n_classes, 2);
  dataset_close(&data);
  write_file(at("images/study.db"), "x", 1); /* the output is the folder of the images itself */
  write_file(at("images/networks/grouped-0/7.safetensors"), "x", 1);
  write_file(at("images/states/grouped-0/8.state"), "x", 1);
  write_file(at("images/mistakes/grouped-0/trial-7-image-0.png"), "x", 1);
  opens();
  assert_int_equal(data.n_classes, 2);
  dataset_close(&data);
  write_class("train/cat", 8);
  write_class("train/dog", 8);
  opens();
  assert_says(data.notices, "not used: cat/, dog/ (parts");
  dataset_close(&data);
}

/* Every prefix has the classes in proportion, and each image its own label: the file's bytes tell
 * which it is. */
static void order_is_stratified_and_labels_follow_their_images(void **state)
{
  (void)state;
  const int counts[3] = {30, 20, 10};
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < counts[c]; i++) {
      uint8_t ppm[3] = {(uint8_t)(80 * c + i), 0, 0};
      FILE *out = fopen(at("images/class %d/%03d.png", c, i), "wb");
      png_image image = {.version = PNG_IMAGE_VERSION, .width = 1, .height = 1, .format = PNG_FORMAT_RGB};
      assert_true(png_image_write_to_stdio(&image, out, 0, ppm, 0, NULL));
      fclose(out);
    }
  write_file(at("images/class 0/002b.png"), "bad", 3); /* what is left out must not shift the rest */
  write_file(at("images/class 1/011b.png"), "bad", 3);
  options.on_bad_image = BAD_IMAGE_SKIP;
  options.image_size = 1;
  opens();
  assert_int_equal(data.n_skipped, 2);
  for (int i = 0; i < data.train.n; i++)
    assert_int_equal(dataset_label(&data.train, i), dataset_image(&data, &data.train, i)[0] / 80);
  dataset_close(&data);
  assert_int_equal(unlink(at("images/class 0/002b.png")), 0);
  assert_int_equal(unlink(at("images/class 1/011b.png")), 0);
  opens();
  assert_int_equal(data.test.n, 12); /* a fifth is held out for the test */
  assert_int_equal(data.train.n + data.validation.n, 48);
  bool seen[240] = {false};
  const struct dataset_split *parts[] = {&data.train, &data.validation, &data.test};
  for (int p = 0; p < 3; p++)
    for (int i = 0; i < parts[p]->n; i++) {
      int value = dataset_image(&data, parts[p], i)[0];
      assert_int_equal(dataset_label(parts[p], i), value / 80);
      assert_false(seen[value]);
      seen[value] = true;
    }
  int so_far[3] = {0};
  for (int row = 0; row < 48; row++) { /* train and validation share one store; its rows are the order */
    so_far[data.train.labels[row]]++;
    for (int c = 0; c < 3; c++) assert_true(fabs(so_far[c] - (row + 1) * counts[c] / 60.0) <= 1);
  }
  uint8_t first[12];
  for (int i = 0; i < 12; i++) first[i] = dataset_image(&data, &data.test, i)[0];
  dataset_close(&data);
  assert_int_equal(dataset_open(&data, &options, 99, NULL, NULL, &error), 0); /* no seed can choose the test */
  for (int i = 0; i < 12; i++) assert_int_equal(dataset_image(&data, &data.test, i)[0], first[i]);
  dataset_close(&data);
  options.test_fraction = 0;
  opens();
  assert_int_equal(data.test.n, 0);
  dataset_close(&data);
  options.test_fraction = 1;
  refuses(ERROR_CONFIG, "test_fraction");
}

static void layouts_that_cannot_be_right_are_explained(void **state)
{
  (void)state;
  write_class("train/cat", 4);
  refuses(ERROR_CONFIG, "holds only one class folder, \"cat\"");
  mkdir(at("images/train/dog"), 0700);
  write_file(at("images/train/dog/notes.txt"), "x", 1);
  refuses(ERROR_CONFIG, "images/train/dog: this class has no images");
  assert_says(error.message, "1 other entries are ignored");
  write_class("train/dog", 4);
  write_class("test/cow", 2);
  refuses(ERROR_CONFIG, "images/test/cow: class that the training images lack");
  assert_int_equal(rename(at("images/test"), at("aside")), 0);
  assert_int_equal(rename(at("images/train"), at("images/test")), 0);
  refuses(ERROR_CONFIG, "has test/ but no train/");
  assert_int_equal(rename(at("images/test"), at("images/train")), 0);
  opens();
  dataset_close(&data);
  options.image_size = 0;
  refuses(ERROR_CONFIG, "image_size");
  options.image_size = 5000;
  refuses(ERROR_CONFIG, "image_size");
  options.image_size = 8;
  options.channels = 2;
  refuses(ERROR_CONFIG, "channels");
  options.channels = 3;
  options.pixel_limit = 0;
  refuses(ERROR_CONFIG, "pixel_limit");
}

static void more_than_a_thousand_classes_are_refused(void **state)
{
  (void)state;
  mkdir(at("images"), 0700);
  for (int c = 0; c < 1001; c++) assert_int_equal(mkdir(at("images/%04d", c), 0700), 0);
  write_class("0000", 1);
  refuses(ERROR_CONFIG, "more than 1000 classes");
}

static void hidden_and_other_files_are_counted_and_left_alone(void **state)
{
  (void)state;
  write_class("cat", 4);
  write_class("dog", 4);
  write_file(at("images/README.md"), "x", 1);
  write_file(at("images/cat/.hidden.png"), "x", 1);
  write_file(at("images/cat/Thumbs.db"), "x", 1);
  write_file(at("images/cat/clip.webp"), "x", 1);
  write_file(at("images/dog/clip.WEBP"), "x", 1);
  write_file(at("images/cat/png"), "x", 1);
  mkdir(at("images/dog/deeper"), 0700);
  mkdir(at("images/.git"), 0700);
  assert_int_equal(rename(at("images/dog/1.png"), at("images/dog/1.PNG")), 0);
  assert_int_equal(rename(at("images/dog/0.jpg"), at("images/dog/0.JPeG")), 0);
  assert_int_equal(rename(at("images/dog/2.jpg"), at("images/dog/2.jfif")), 0);
  assert_int_equal(rename(at("images/cat/2.jpg"), at("images/cat/2.jpe")), 0);
  opens();
  assert_int_equal(data.train.n + data.validation.n + data.test.n, 8);
  assert_int_equal(data.n_ignored, 8);
  assert_string_equal(data.ignored_summary, "2 .webp, 2 hidden, 2 other, 1 .db, 1 .md");
  assert_int_equal(data.n_skipped, 0);
  dataset_close(&data);
}

static void links_that_lead_nowhere_or_in_circles_are_found(void **state)
{
  (void)state;
  write_class("cat", 4);
  write_class("dog", 4);
  alarm(200);
  assert_int_equal(symlink("cat", at("images/tomcat")), 0); /* a class by another name is fine */
  opens();
  assert_int_equal(data.n_classes, 3);
  dataset_close(&data);
  assert_int_equal(unlink(at("images/tomcat")), 0);
  assert_int_equal(symlink("..", at("images/up")), 0); /* a class without images, never a way around */
  refuses(ERROR_CONFIG, "images/up: this class has no images");
  assert_int_equal(unlink(at("images/up")), 0);
  assert_int_equal(symlink("circle", at("images/circle")), 0);
  refuses(ERROR_CONFIG, "images/circle: cannot tell whether this is a class");
  assert_int_equal(unlink(at("images/circle")), 0);
  assert_int_equal(symlink("/nowhere/at/all", at("images/gone")), 0);
  refuses(ERROR_CONFIG, "images/gone: cannot tell whether this is a class");
  assert_int_equal(unlink(at("images/gone")), 0);
  assert_int_equal(symlink("../dog/1.png", at("images/cat/linked.png")), 0); /* an image elsewhere is fine too */
  opens();
  assert_int_equal(data.train.n + data.validation.n + data.test.n, 9);
  dataset_close(&data);
  alarm(0);
}

static void names_of_any_bytes_are_read_and_escaped(void **state)
{
  (void)state;
  const char *names[] = {"with space.png", "quote'\".png", "new\nline.png",  "not\xffutf8\xc3.png",
                         "-rf.png",        "%s%n.png",     "caf\xc3\xa9.png"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) write_png(at("images/a \xfe'b\"/%s", names[i]), 9, 9, rgb);
  write_class("dog", 7);
  opens();
  assert_int_equal(data.train.n + data.validation.n + data.test.n, 14);
  assert_string_equal(data.class_names[0], "a \\xfe'b\"");
  dataset_close(&data);
  write_file(at("images/a \xfe'b\"/bad\n\xff.png"), "x", 1);
  refuses(ERROR_FAILED, "images/a \\xfe'b\"/bad\\x0a\\xff.png: is not an image");
}

/* ------------------------------------------------------------------------------------ bad files */

/* Cuts `path` to a part of its size. */
static void cut(const char *path, double part)
{
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(truncate(path, (off_t)((double)st.st_size * part)), 0);
}

/* A PNG whose header claims width × height and that holds a row or two. */
static void write_bomb(const char *path, uint32_t width, uint32_t height)
{
  size_t size;
  write_png(path, 16, 16, rgb);
  uint8_t *bytes = read_file(path, &size);
  for (int i = 0; i < 4; i++)
    bytes[16 + i] = (uint8_t)(width >> (24 - 8 * i)), bytes[20 + i] = (uint8_t)(height >> (24 - 8 * i));
  uint32_t crc = (uint32_t)crc32(0, bytes + 12, 17);
  for (int i = 0; i < 4; i++) bytes[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
  write_file(path, bytes, size);
  free(bytes);
}

/* Bad files of every kind, under `folder`/`where`; each name and what its message says. */
struct bad_file {
  const char *name, *says;
};
static const struct bad_file bad_files[] = {
    {"empty.jpg", "is empty"},
    {"text.png", "is not an image"},
    {"webp.png", "is a WebP image; convert it to PNG or JPEG"},
    {"gif.jpg", "is a GIF image"},
    {"tiff.jpg", "is a TIFF image"},
    {"avif.jpg", "is an AVIF image"},
    {"cut.jpg", "is a JPEG image that is cut off"},
    {"cut-progressive.jpg", "is a JPEG image that is cut off"},
    {"cut-header.jpg", "is a JPEG image that is cut off"},
    {"cut.png", "is a PNG image that is cut off"},
    {"cut-interlaced.png", "is a PNG image that is cut off"},
    {"cut-checksum.png", "is a PNG image that is cut off"},
    {"cut-scan.jpg", "is a JPEG image that is cut off"},
    {"checksum.png", "is a damaged PNG image"},
    {"bomb.png", "is too large: 60000 x 60000 = 3600000000 pixels"},
    {"widest.png", "is too large: 2147483647 x 2147483647"},
    {"nothing.png", "is a damaged PNG image"},
    {"large.jpg", "is too large: 1100 x 1000 = 1100000 pixels, the limit is 1000000"},
    {"folder.jpg", "is not a file but a folder"},
    {"pipe.png", "is not a file but a pipe"},
    {"device.png", "is not a file but a device"},
    {"gone.jpg", "is a symbolic link to a file that does not exist"},
    {"circle.jpg", "is a symbolic link that leads back to itself"},
};
enum { BAD_FILES = sizeof bad_files / sizeof *bad_files };

/* Cuts a progressive JPEG between two scans: each scan that is there is whole. */
static void drop_last_scan(const char *path)
{
  size_t size;
  uint8_t *bytes = read_file(path, &size);
  while (size > 2 && (bytes[size - 2] != 0xff || bytes[size - 1] != 0xda)) size--; /* the last SOS */
  size -= 2;
  while (size > 2 && (bytes[size - 2] != 0xff || bytes[size - 1] != 0xc4)) size--; /* and the table before it */
  assert_true(size > 100);
  assert_int_equal(truncate(path, (off_t)size - 2), 0);
  free(bytes);
}

static void write_bad_files(const char *where)
{
#define IN(name) at("%s/" name, where)
  size_t size;
  write_file(IN("empty.jpg"), "", 0);
  write_file(IN("text.png"), "this is a text file", 18);
  write_file(IN("webp.png"), "RIFF\x24\0\0\0WEBPVP8 ", 16);
  write_file(IN("gif.jpg"), "GIF89a\1\0\1\0", 10);
  write_file(IN("tiff.jpg"), "II*\0\10\0\0\0", 8);
  write_file(IN("avif.jpg"),
             "\0\0\0\x1c"
             "ftypavif\0\0\0\0",
             16);
  write_jpeg(IN("cut.jpg"), 64, 64, (struct jpeg_options){0});
  cut(IN("cut.jpg"), 0.7);
  write_jpeg(IN("cut-progressive.jpg"), 64, 64, (struct jpeg_options){.progressive = true});
  cut(IN("cut-progressive.jpg"), 0.9);
  write_jpeg(IN("cut-header.jpg"), 64, 64, (struct jpeg_options){0});
  assert_int_equal(truncate(IN("cut-header.jpg"), 100), 0);
  write_png(IN("cut.png"), 64, 64, rgb);
  cut(IN("cut.png"), 0.5);
  write_png(IN("cut-interlaced.png"), 64, 64, (struct png_options){PNG_COLOR_TYPE_RGB, 8, 1, 0});
  cut(IN("cut-interlaced.png"), 0.5);
  write_png(IN("cut-checksum.png"), 64, 64, rgb);
  uint8_t *bytes = read_file(IN("cut-checksum.png"), &size);
  assert_int_equal(truncate(IN("cut-checksum.png"), (off_t)size - 13), 0); /* within the last IDAT's */
  write_jpeg(IN("cut-scan.jpg"), 64, 64, (struct jpeg_options){.progressive = true});
  drop_last_scan(IN("cut-scan.jpg"));
  bytes[size - 14] ^= 1; /* the checksum of the last IDAT */
  write_file(IN("checksum.png"), bytes, size);
  free(bytes);
  write_bomb(IN("bomb.png"), 60000, 60000);
  write_bomb(IN("widest.png"), 0x7fffffff, 0x7fffffff);
  write_bomb(IN("nothing.png"), 0, 0);
  write_jpeg(IN("large.jpg"), 1100, 1000, (struct jpeg_options){.components = 1});
  assert_int_equal(mkdir(IN("folder.jpg"), 0700), 0);
  assert_int_equal(mkfifo(IN("pipe.png"), 0600), 0);
  assert_int_equal(symlink("/dev/zero", IN("device.png")), 0);
  assert_int_equal(symlink("nowhere", IN("gone.jpg")), 0);
  assert_int_equal(symlink("circle.jpg", IN("circle.jpg")), 0);
}

static void bad_files_alone_say_what_is_wrong(void **state)
{
  (void)state;
  alarm(200);
  write_bad_files("bad");
  for (int i = 0; i < BAD_FILES; i++) refuses_image(at("bad/%s", bad_files[i].name), bad_files[i].says);
  alarm(0);
}

static void bad_files_among_good_ones_fail_or_are_skipped_and_counted(void **state)
{
  (void)state;
  alarm(200);
  options.pixel_limit = MILLION;
  write_bad_files("bad");
  for (int i = 0; i < BAD_FILES; i++) {
    write_class("cat", 10);
    write_class("dog", 10);
    assert_int_equal(rename(at("bad/%s", bad_files[i].name), at("images/dog/%s", bad_files[i].name)), 0);
    options.on_bad_image = BAD_IMAGE_FAIL;
    refuses(ERROR_FAILED, bad_files[i].says);
    assert_says(error.message, bad_files[i].name);
    assert_says(error.message, "on_bad_image = skip");
    options.on_bad_image = BAD_IMAGE_SKIP;
    for (int again = 0; again < 2; again++) { /* decoded, and found in the cache */
      opens();
      assert_int_equal(data.n_skipped, 1);
      assert_says(data.skipped_summary, bad_files[i].name);
      assert_says(data.skipped_summary, bad_files[i].says);
      assert_int_equal(data.train.n + data.validation.n + data.test.n, 20);
      dataset_close(&data);
    }
    options.on_bad_image = BAD_IMAGE_FAIL; /* what the cache knows to be skipped is no less an error then */
    refuses(ERROR_FAILED, bad_files[i].says);
    assert_int_equal(rename(at("images/dog/%s", bad_files[i].name), at("bad/%s", bad_files[i].name)), 0);
  }
  alarm(0);
}

static void all_bad_files_at_once_are_skipped_and_summed_up(void **state)
{
  (void)state;
  options.pixel_limit = MILLION;
  options.on_bad_image = BAD_IMAGE_SKIP;
  write_class("cat", 10);
  write_class("dog", 10);
  write_bad_files("images/dog");
  opens();
  assert_int_equal(data.n_skipped, BAD_FILES);
  assert_int_equal(data.train.n + data.validation.n + data.test.n, 20);
  assert_says(data.skipped_summary, " more");
  uint64_t with_bad = data.fingerprint;
  int n_test = data.test.n;
  dataset_close(&data);
  assert_true(n_test >= 1);
  assert_true(with_bad != 0);
}

static void class_of_bad_files_only_is_an_error_even_when_skipping(void **state)
{
  (void)state;
  options.on_bad_image = BAD_IMAGE_SKIP;
  write_class("cat", 10);
  for (int i = 0; i < 4; i++) write_file(at("images/dog/%d.png", i), "x", 1);
  refuses(ERROR_FAILED, "class \"dog\": all its training images are bad");
  assert_says(error.message, "is not an image");
}

static void first_bad_file_is_named_whatever_the_threads(void **state)
{
  (void)state;
  char first[2000] = "";
  write_class("cat", 30);
  write_class("dog", 30);
  for (int i = 0; i < 10; i++) write_file(at("images/dog/bad%d.png", i), "x", 1);
  for (int threads = 1; threads <= 8; threads++) {
    options.threads = threads;
    refuses(ERROR_FAILED, "is not an image");
    if (threads == 1) snprintf(first, sizeof first, "%s", error.message);
    assert_string_equal(error.message, first);
  }
}

/* PNG and JPEG files with a few bytes changed or the end cut: an image or a message, within little
 * memory. */
static void mutated_images_never_crash(void **state)
{
  (void)state;
  uint32_t x = 2024;
  int refused = 0, read = 0;
  uint8_t *seeds[6];
  size_t sizes[6];
  write_png(at("0"), 24, 17, rgb);
  write_png(at("1"), 24, 17, (struct png_options){PNG_COLOR_TYPE_RGB_ALPHA, 16, 1, 6});
  write_png(at("2"), 24, 17, (struct png_options){PNG_COLOR_TYPE_PALETTE, 8, 0, 0});
  write_jpeg(at("3"), 40, 33, (struct jpeg_options){.orientation = 5});
  write_jpeg(at("4"), 40, 33, (struct jpeg_options){.progressive = true});
  write_jpeg(at("5"), 40, 33, (struct jpeg_options){.components = 4});
  for (int k = 0; k < 6; k++) seeds[k] = read_file(at("%d", k), &sizes[k]);
  for (int round = 0; round < 1200; round++) {
    int k = round % 6;
    uint8_t *bytes = malloc(sizes[k]), out[8 * 8 * 3];
    size_t size = sizes[k];
    memcpy(bytes, seeds[k], size);
    for (int flips = 1 + round % 5; flips--;) {
      x = x * 1664525u + 1013904223u;
      bytes[(x >> 8) % size] ^= (uint8_t)(1 << (x >> 29));
    }
    if (k < 3 && round % 2) /* let the change through: mend the checksums of the chunks */
      for (size_t p = 8; p + 12 <= size;) {
        size_t length = (size_t)bytes[p] << 24 | (size_t)bytes[p + 1] << 16 | (size_t)bytes[p + 2] << 8 | bytes[p + 3];
        if (length > size - p - 12) break;
        uint32_t crc = (uint32_t)crc32(0, bytes + p + 4, (uInt)(length + 4));
        for (int i = 0; i < 4; i++) bytes[p + 8 + length + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
        p += length + 12;
      }
    if (round % 11 == 0) size = 1 + (x >> 8) % size;
    FILE *in = fmemopen(bytes, size, "rb");
    struct error e = {0};
    const struct image_format format = {8, 8, round % 7 ? 3 : 1, round % 2 ? RESIZE_AREA : RESIZE_LANCZOS, MILLION};
    int code = image_decode_stream(in, &format, NULL, out, &e);
    assert_true(code == 0 || code == ERROR_FAILED);
    assert_true(code == 0 || e.message[0]);
    if (code)
      refused++;
    else
      read++;
    fclose(in);
    free(bytes);
  }
  assert_true(refused > 300 && read > 50);
  for (int k = 0; k < 6; k++) free(seeds[k]);
}

/* A progressive JPEG may ask for any number of passes over its image, all of them valid: a hundred
 * are enough. */
static void jpeg_of_endless_scans_is_refused(void **state)
{
  (void)state;
  enum { SCANS = 1 + 63 * 3 };
  static jpeg_scan_info scans[SCANS] = {{1, {0}, 0, 0, 0, 0}};
  for (int k = 1; k < 64; k++)
    for (int bit = 0; bit < 3; bit++)
      scans[1 + bit * 63 + k - 1] = (jpeg_scan_info){1, {0}, k, k, bit ? 3 - bit : 0, 2 - bit};
  write_jpeg(at("endless.jpg"), 64, 64, (struct jpeg_options){.components = 1, .scans = scans, .n_scans = SCANS});
  refuses_image(at("endless.jpg"), "more than 100 scans");
  write_jpeg(at("enough.jpg"), 64, 64, (struct jpeg_options){.components = 1, .scans = scans, .n_scans = 64});
  uint8_t out[8 * 8 * 3];
  decodes(at("enough.jpg"), 8, 8, 3, RESIZE_AREA, out);
}

/* Hostile files that claim to be large, decoded with less memory than they claim. */
static void decoding_a_large_image_takes_little_memory(void **state)
{
  (void)state;
  write_jpeg(at("large.jpg"), 4000, 3000, (struct jpeg_options){0}); /* 36 MB decoded */
  write_png(at("large.png"), 4000, 3000, rgb);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    uint8_t out[8 * 8 * 3];
    struct error e;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    int code = image_decode_file(at("large.jpg"), 8, 8, 3, RESIZE_LANCZOS, 50 * MILLION, out, &e);
    code |= image_decode_file(at("large.png"), 8, 8, 3, RESIZE_AREA, 50 * MILLION, out, &e);
    getrusage(RUSAGE_SELF, &after);
    _exit(code ? 1 : after.ru_maxrss - before.ru_maxrss > 12000 ? 2 : 0); /* kB */
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

/* ---------------------------------------------------------------------------------------- cache */

static int calls;
static bool count_calls(void *context, const char *what, int64_t done, int64_t total)
{
  (void)what;
  assert_true(done >= 0 && done <= total);
  calls += total > 0; /* else it is only asked */
  return context != NULL;
}

static bool decoded_again(void)
{
  calls = 0;
  if (dataset_open(&data, &options, 0, count_calls, NULL, &error)) fail_msg("%s", error.message);
  return calls > 0;
}

static void folder_is_decoded_once_and_again_when_anything_changes(void **state)
{
  (void)state;
  write_class("cat", 8);
  write_class("dog", 8);
  assert_true(decoded_again());
  uint64_t fingerprint = data.fingerprint;
  dataset_close(&data);
  assert_false(decoded_again());
  assert_true(data.fingerprint == fingerprint);
  dataset_close(&data);

  write_png(at("images/cat/new.png"), 9, 9, rgb); /* a file more */
  assert_true(decoded_again());
  dataset_close(&data);
  struct timespec times[2] = {{1, 0}, {1, 0}};
  assert_int_equal(utimensat(AT_FDCWD, at("images/cat/new.png"), times, 0), 0); /* another time */
  assert_true(decoded_again());
  dataset_close(&data);
  assert_int_equal(rename(at("images/cat/new.png"), at("images/dog/new.png")), 0); /* another class */
  assert_true(decoded_again());
  dataset_close(&data);
  assert_int_equal(unlink(at("images/dog/new.png")), 0);
  assert_true(decoded_again());
  assert_true(data.fingerprint == fingerprint);
  dataset_close(&data);
  options.image_size = 9;
  assert_true(decoded_again());
  dataset_close(&data);
  options.image_size = 8;
  options.channels = 1;
  assert_true(decoded_again());
  dataset_close(&data);
  options.channels = 3;
  options.resize = RESIZE_LANCZOS;
  assert_true(decoded_again());
  dataset_close(&data);
  options.resize = RESIZE_AREA;
  assert_false(decoded_again()); /* the settings of before are still there */
  assert_true(data.fingerprint == fingerprint);
  dataset_close(&data);
}

static void cut_cache_of_a_folder_is_made_again(void **state)
{
  (void)state;
  char command[1400];
  write_class("cat", 8);
  write_class("dog", 8);
  assert_true(decoded_again());
  uint64_t fingerprint = data.fingerprint;
  dataset_close(&data);
  snprintf(command, sizeof command,
           "for f in '%s'/*.idx; do head -c 1000 \"$f\" >\"$f.cut\" && mv \"$f.cut\" \"$f\"; done", options.cache);
  assert_int_equal(system(command), 0);
  assert_true(decoded_again());
  assert_true(data.fingerprint == fingerprint);
  dataset_close(&data);
  assert_false(decoded_again());
  dataset_close(&data);
}

static void without_a_cache_everything_works_from_memory(void **state)
{
  (void)state;
  write_class("cat", 8);
  write_class("dog", 8);
  opens();
  uint64_t fingerprint = data.fingerprint;
  dataset_close(&data);
  snprintf(options.cache, sizeof options.cache, "/proc/no/such");
  for (int i = 0; i < 2; i++) {
    assert_true(decoded_again());
    assert_true(data.fingerprint == fingerprint);
    dataset_close(&data);
  }
}

static void threads_change_nothing(void **state)
{
  (void)state;
  write_class("cat", 25);
  write_class("dog", 25);
  uint64_t fingerprint = 0;
  for (int threads = 1; threads < 6; threads++) {
    options.threads = threads;
    snprintf(options.cache, sizeof options.cache, "%s/.cache%d", folder, threads);
    assert_true(decoded_again());
    if (threads == 1) fingerprint = data.fingerprint;
    assert_true(data.fingerprint == fingerprint);
    dataset_close(&data);
  }
}

static void processes_at_once_all_get_whole_images(void **state)
{
  (void)state;
  enum { CHILDREN = 5 };
  write_class("cat", 20);
  write_class("dog", 20);
  snprintf(options.cache, sizeof options.cache, "%s/.other", folder);
  opens();
  uint64_t fingerprint = data.fingerprint;
  dataset_close(&data);
  snprintf(options.cache, sizeof options.cache, "%s/.cache", folder);
  pid_t children[CHILDREN];
  fflush(NULL);
  for (int c = 0; c < CHILDREN; c++) {
    children[c] = fork();
    if (children[c] == 0) {
      bool good = open_data() == 0 && data.fingerprint == fingerprint;
      _exit(good ? 0 : 1);
    }
  }
  for (int c = 0; c < CHILDREN; c++) {
    int status;
    assert_int_equal(waitpid(children[c], &status, 0), children[c]);
    assert_int_equal(status, 0);
  }
  assert_false(decoded_again());
  assert_true(data.fingerprint == fingerprint);
  dataset_close(&data);
}

/* The one file of the cache whose name begins so. */
static const char *cached(const char *prefix)
{
  static char path[1400];
  int n = 0;
  struct dirent *entry;
  DIR *dir = opendir(options.cache);
  assert_non_null(dir);
  while ((entry = readdir(dir))) {
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
    snprintf(path, sizeof path, "%s/%s", options.cache, entry->d_name);
    n++;
  }
  closedir(dir);
  assert_int_equal(n, 1);
  return path;
}

static void decoding_that_was_interrupted_goes_on_where_it_was(void **state)
{
  (void)state;
  enum { IMAGES = 80, IMAGE = 8 * 8 * 3, HEADER = 20, PIECES = HEADER + IMAGES * IMAGE + 4 };
  write_class("cat", 40);
  write_class("dog", 40);
  assert_int_equal(dataset_open(&data, &options, 0, count_calls, &calls, &error), ERROR_INTERRUPTED);
  size_t size;
  uint8_t *bytes = read_file(cached(".part-images-"), &size);
  assert_int_equal(size, PIECES + IMAGES * 8);
  uint64_t *pieces = (uint64_t *)(bytes + PIECES);
  for (int i = 0; i < IMAGES; i++) /* which all had been, before the word to stop came */
    assert_true(pieces[i] == cache_piece_hash(bytes + HEADER + i * IMAGE, IMAGE));
  uint8_t first = bytes[HEADER], second = bytes[HEADER + IMAGE];
  bytes[HEADER] ^= 1; /* a piece that is as it was said to be is taken as it is */
  pieces[0] = cache_piece_hash(bytes + HEADER, IMAGE);
  bytes[HEADER + IMAGE] ^= 1; /* one that is not, as after a power cut, is decoded again, */
  pieces[2] = 0;              /* and so is one that had not been */
  bytes[HEADER + 2 * IMAGE] ^= 1;
  uint8_t third = bytes[HEADER + 2 * IMAGE] ^ 1;
  write_file(cached(".part-images-"), bytes, size);
  opens();
  const uint8_t *images = data.train.images;
  assert_int_equal(images[0], first ^ 1);
  assert_int_equal(images[IMAGE], second);
  assert_int_equal(images[2 * IMAGE], third);
  dataset_close(&data);
  free(bytes);
}

static void a_file_that_was_begun_and_is_of_another_state_is_removed(void **state)
{
  (void)state;
  write_class("cat", 40);
  write_class("dog", 40);
  assert_int_equal(dataset_open(&data, &options, 0, count_calls, &calls, &error), ERROR_INTERRUPTED);
  char begun[1400];
  snprintf(begun, sizeof begun, "%s", cached(".part-images-"));
  write_png(at("images/cat/more.png"), 9, 9, rgb);
  opens();
  dataset_close(&data);
  assert_int_equal(access(begun, F_OK), -1);
}

static void a_folder_whose_images_change_under_the_same_size_and_time_is_decoded_again(void **state)
{
  (void)state;
  write_class("cat", 8);
  write_class("dog", 8);
  write_png(at("images/cat/1.png"), 12, 12, rgb);
  opens();
  uint64_t fingerprint = data.fingerprint;
  dataset_close(&data);
  struct stat st;
  size_t size;
  const char *path = at("images/cat/0.jpg"), *other = at("images/cat/2.jpg");
  uint8_t *bytes = read_file(other, &size);
  assert_int_equal(stat(path, &st), 0);
  const struct timespec times[2] = {st.st_atim, st.st_mtim};
  uint8_t *padded = calloc(1, (size_t)st.st_size > size ? (size_t)st.st_size : size);
  assert_true((size_t)st.st_size >= size || (size = (size_t)st.st_size));
  memcpy(padded, bytes, size);
  write_file(path, padded, (size_t)st.st_size);
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  options.on_bad_image = BAD_IMAGE_SKIP;
  opens();
  assert_true(data.fingerprint != fingerprint);
  dataset_close(&data);
  free(padded);
  free(bytes);
}

static void bad_images_are_listed_in_the_order_of_their_names(void **state)
{
  (void)state;
  options.on_bad_image = BAD_IMAGE_SKIP;
  write_class("cat", 20);
  write_class("dog", 20);
  for (int i = 0; i < 6; i++) write_file(at("images/%s/bad%d.png", i % 2 ? "dog" : "cat", i), "", 0);
  for (int again = 0; again < 2; again++) { /* decoded, and found in the cache */
    opens();
    assert_string_equal(data.skipped_summary,
                        "cat/bad0.png: is empty\ncat/bad2.png: is empty\ncat/bad4.png: is empty\n"
                        "dog/bad1.png: is empty\ndog/bad3.png: is empty\ndog/bad5.png: is empty\n");
    dataset_close(&data);
  }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, folder_remove)
  const struct CMUnitTest tests[] = {
      TEST(png_of_every_kind_gives_its_pixels),
      TEST(jpeg_of_every_kind_gives_its_pixels),
      TEST(content_decides_not_the_name),
      TEST(exif_orientation_is_applied),
      TEST(exif_that_makes_no_sense_means_upright),
      TEST(area_is_the_mean_of_the_area),
      TEST(lanczos_is_its_definition),
      TEST(large_jpeg_is_reduced_in_register),
      TEST(odd_shapes_are_cropped_and_enlarged),
      TEST(train_and_test_folders),
      TEST(order_is_stratified_and_labels_follow_their_images),
      TEST(layouts_that_cannot_be_right_are_explained),
      TEST(more_than_a_thousand_classes_are_refused),
      TEST(hidden_and_other_files_are_counted_and_left_alone),
      TEST(links_that_lead_nowhere_or_in_circles_are_found),
      TEST(names_of_any_bytes_are_read_and_escaped),
      TEST(bad_files_alone_say_what_is_wrong),
      TEST(bad_files_among_good_ones_fail_or_are_skipped_and_counted),
      TEST(all_bad_files_at_once_are_skipped_and_summed_up),
      TEST(class_of_bad_files_only_is_an_error_even_when_skipping),
      TEST(first_bad_file_is_named_whatever_the_threads),
      TEST(mutated_images_never_crash),
      TEST(jpeg_of_endless_scans_is_refused),
      TEST(decoding_a_large_image_takes_little_memory),
      TEST(folder_is_decoded_once_and_again_when_anything_changes),
      TEST(cut_cache_of_a_folder_is_made_again),
      TEST(without_a_cache_everything_works_from_memory),
      TEST(threads_change_nothing),
      TEST(processes_at_once_all_get_whole_images),
      TEST(exif_orientation_may_be_a_byte_or_a_long),
      TEST(exif_with_jpegs_mark_before_it_is_understood),
      TEST(png_tells_its_orientation_before_and_behind_its_pixels),
      TEST(images_that_lack_their_end_alone_are_read),
      TEST(parts_are_known_in_any_capitals_and_other_folders_are_told),
      TEST(classes_may_be_called_as_parts_are),
      TEST(results_of_a_run_are_no_class),
      TEST(decoding_that_was_interrupted_goes_on_where_it_was),
      TEST(a_file_that_was_begun_and_is_of_another_state_is_removed),
      TEST(a_folder_whose_images_change_under_the_same_size_and_time_is_decoded_again),
      TEST(bad_images_are_listed_in_the_order_of_their_names),
  };
  return cmocka_run_group_tests_name("image folder", tests, NULL, NULL);
}
