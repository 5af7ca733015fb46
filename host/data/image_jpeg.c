/* JPEG through libjpeg-turbo.
 *
 * Rows go from the decoder to the resizer, so a baseline image of any size takes a few rows of
 * memory; a progressive one has to keep its coefficients, which are counted against the memory that
 * threads share.  Where the image is much larger than wanted, the decoder itself shrinks it by 2, 4
 * or 8 (a smaller inverse DCT, several times faster), to no less than twice the size wanted, and
 * the resizer does the rest.
 *
 * libjpeg goes on after damage and fills in grey; here damage that touches pixels makes the file
 * bad.  A file that ends without its end marker (EOI) has not lost a pixel by that alone: see
 * on_message and check_end. */
#include <stddef.h>
#include <stdio.h>
/* jpeglib.h needs both before it */
#include <jpeglib.h>
#include <jerror.h>

#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "host/data/image_decode.h"
#include "host/data/image_resize.h"

/* A progressive file may hold any number of scans, each a pass over the whole image; encoders write
 * about ten. */
enum { SCANS_MAX = 100 };

struct jpeg_state {
  struct jpeg_decompress_struct cinfo;
  struct jpeg_error_mgr manager;
  struct jpeg_progress_mgr progress;
  jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
  int code; /* the libjpeg message that ended it */
  struct resizer *resizer;
  uint8_t *row, *converted;
  int64_t taken; /* of the shared memory */
  bool started;  /* the header is behind us */
  bool ended;    /* the file has ended before its end marker */
};

static void give_up(struct jpeg_state *s)
{
  s->code = s->manager.msg_code;
  s->manager.format_message((j_common_ptr)&s->cinfo, s->text);
  longjmp(s->jump, 1);
}

static void on_error(j_common_ptr cinfo)
{
  give_up(cinfo->client_data);
}

/* level -1 is a warning: the data is damaged.  A few say nothing of the pixels and are common in
 * files from cameras and the web: an odd JFIF version or Adobe marker, stray bytes between markers,
 * a colour profile that is cut.
 *
 * At the end of the file libjpeg puts an end marker of its own.  Huffman-coded data that then want
 * bits which are not there get another warning (JWRN_HIT_MARKER), which does end it;
 * arithmetic-coded data may rightly do without theirs, so nothing tells a cut file from a whole
 * one. */
static void on_message(j_common_ptr cinfo, int level)
{
  struct jpeg_state *s = cinfo->client_data;
  if (level >= 0) return;
  switch (cinfo->err->msg_code) {
  case JWRN_JPEG_EOF:
    if (!s->started || s->cinfo.arith_code) break;
    s->ended = true;
    return;
  case JWRN_JFIF_MAJOR:
  case JWRN_ADOBE_XFORM:
  case JWRN_EXTRANEOUS_DATA:
  case JWRN_TOO_MUCH_DATA:
#ifdef LIBJPEG_TURBO_VERSION
  case JWRN_BOGUS_ICC:
#endif
    return;
  }
  give_up(s);
}

static void on_output(j_common_ptr cinfo)
{
  (void)cinfo;
}

static void on_progress(j_common_ptr cinfo)
{
  if (((j_decompress_ptr)cinfo)->input_scan_number <= SCANS_MAX) return;
  struct jpeg_state *s = cinfo->client_data;
  s->code = -1;
  snprintf(s->text, sizeof s->text, "more than %d scans", SCANS_MAX);
  longjmp(s->jump, 1);
}

/* The EXIF block among the saved APP1 markers. */
static int orientation_of(const struct jpeg_decompress_struct *cinfo)
{
  for (jpeg_saved_marker_ptr m = cinfo->marker_list; m; m = m->next)
    if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && memcmp(m->data, "Exif\0\0", 6) == 0)
      return exif_orientation(m->data + 6, m->data_length - 6);
  return 1;
}

/* The largest reduction that leaves at least twice the size wanted. */
static int reduction(const struct jpeg_decompress_struct *cinfo, int orientation, const struct image_format *f)
{
  struct crop c = centre_crop((int)cinfo->image_width, (int)cinfo->image_height, orientation, f->width, f->height);
  int width = orientation >= 5 ? f->height : f->width, height = orientation >= 5 ? f->width : f->height;
  int by = 8;
  while (by > 1 && (c.width / by < 2 * width || c.height / by < 2 * height)) by /= 2;
  return by;
}

/* CMYK to RGB: each ink takes its share.  Adobe stores the inks inverted. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, int width, bool inverted)
{
  for (int x = 0; x < width; x++, cmyk += 4, rgb += 3) {
    int k = inverted ? cmyk[3] : 255 - cmyk[3];
    for (int c = 0; c < 3; c++) rgb[c] = (uint8_t)(((inverted ? cmyk[c] : 255 - cmyk[c]) * k + 127) / 255);
  }
}

static void rgb_to_grey(uint8_t *grey, const uint8_t *rgb, int width)
{
  /* ITU-R BT.601, as libjpeg's own luma */
  for (int x = 0; x < width; x++, rgb += 3)
    grey[x] = (uint8_t)((19595 * rgb[0] + 38470 * rgb[1] + 7471 * rgb[2] + 32768) >> 16);
}

static void grey_to_rgb(uint8_t *rgb, const uint8_t *grey, int width)
{
  for (int x = 0; x < width; x++) rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = grey[x];
}

/* Rows of `have` channels (1, 3, or 4: CMYK) to rows of `want` (1 or 3); `row` itself where nothing
 * is to be done. */
static const uint8_t *convert_row(struct jpeg_state *s, int have, int want, int width)
{
  if (have == want) return s->row;
  if (have == 1) {
    grey_to_rgb(s->converted, s->row, width);
  } else if (have == 4) {
    cmyk_to_rgb(s->converted, s->row, width, s->cinfo.saw_Adobe_marker);
    if (want == 1) rgb_to_grey(s->converted, s->converted, width); /* from left to right, never behind what it reads */
  } else {
    rgb_to_grey(s->converted, s->row, width);
  }
  return s->converted;
}

/* Has all of a file been there that ended without its end marker?  The warnings have told where a
 * scan was cut; here, whether a scan is missing: of a progressive file each coefficient must have
 * come to its last bit (coef_bits 0), of other files of several scans nobody knows. */
static void check_end(struct jpeg_state *s)
{
  j_decompress_ptr cinfo = &s->cinfo;
  bool whole = !s->ended || !jpeg_has_multiple_scans(cinfo) || (cinfo->progressive_mode && cinfo->coef_bits);
  for (int c = 0; whole && s->ended && cinfo->coef_bits && c < cinfo->num_components; c++)
    for (int k = 0; k < DCTSIZE2; k++) whole = whole && cinfo->coef_bits[c][k] == 0;
  if (whole) return;
  s->manager.msg_code = JWRN_JPEG_EOF;
  give_up(s);
}

/* The part that libjpeg may leave by longjmp; all it allocates hangs on `s`. */
static int decode(struct jpeg_state *s, FILE *in, const struct image_format *f, struct decode_memory *memory,
                  uint8_t *out, struct error *e)
{
  j_decompress_ptr cinfo = &s->cinfo;
  jpeg_create_decompress(cinfo);
  cinfo->client_data = s;
  cinfo->progress = &s->progress;
  jpeg_stdio_src(cinfo, in);
  jpeg_save_markers(cinfo, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(cinfo, TRUE);
  if (check_pixels(cinfo->image_width, cinfo->image_height, f->pixel_limit, e)) return e->code;

  int orientation = orientation_of(cinfo);
  cinfo->dct_method = JDCT_ISLOW;
  cinfo->scale_num = 1;
  int reduced = reduction(cinfo, orientation, f);
  cinfo->scale_denom = (unsigned)reduced;
  switch (cinfo->jpeg_color_space) {
  case JCS_CMYK:
  case JCS_YCCK:
    cinfo->out_color_space = JCS_CMYK;
    break;
  case JCS_GRAYSCALE:
    cinfo->out_color_space = JCS_GRAYSCALE;
    break;
  case JCS_YCbCr:
    cinfo->out_color_space = f->channels == 1 ? JCS_GRAYSCALE : JCS_RGB; /* luma is there already */
    break;
  default:
    cinfo->out_color_space = JCS_RGB;
  }
  if (jpeg_has_multiple_scans(cinfo)) {
    s->taken = (int64_t)cinfo->image_width * cinfo->image_height * cinfo->num_components * (int)sizeof(JCOEF);
    decode_memory_take(memory, s->taken);
  }
  s->started = true;
  jpeg_start_decompress(cinfo);
  check_end(s); /* of several scans, all have been read by now */

  int width = (int)cinfo->output_width, have = cinfo->output_components;
  s->resizer = resizer_create((int)cinfo->image_width, (int)cinfo->image_height, reduced, f->channels, orientation,
                              f->width, f->height, f->resize);
  s->row = malloc((size_t)width * (size_t)have);
  s->converted = malloc((size_t)width * 3);
  if (!s->resizer || !s->row || !s->converted) return error_set(e, ERROR_MACHINE, "no memory to decode it");
  while (cinfo->output_scanline < cinfo->output_height) {
    JSAMPROW row = s->row;
    jpeg_read_scanlines(cinfo, &row, 1);
    resizer_row(s->resizer, convert_row(s, have, f->channels, width));
  }
  jpeg_finish_decompress(cinfo);
  if (ferror(in)) return error_set(e, ERROR_MACHINE, "cannot be read"); /* libjpeg takes it for the file's end */
  resizer_finish(s->resizer, out);
  return 0;
}

static int explain(const struct jpeg_state *s, struct error *e)
{
  /* the file's end made another damage of it */
  if (s->ended && s->code < JMSG_LASTMSGCODE && s->code >= 0 && s->code != JERR_OUT_OF_MEMORY)
    return error_set(e, ERROR_FAILED, "is a JPEG image that is cut off (%s)", s->text);
  switch (s->code) {
  case JERR_OUT_OF_MEMORY:
    return error_set(e, ERROR_MACHINE, "no memory to decode it");
  case JERR_FILE_READ:
    return error_set(e, ERROR_FAILED, "cannot be read");
  case JWRN_JPEG_EOF:
  case JERR_INPUT_EOF:
  case JERR_INPUT_EMPTY:
  case JERR_NO_IMAGE:
    return error_set(e, ERROR_FAILED, "is a JPEG image that is cut off (%s)", s->text);
  default:
    return error_set(e, ERROR_FAILED, "is a damaged or unusual JPEG image (%s)", s->text);
  }
}

int jpeg_decode(FILE *in, const struct image_format *format, struct decode_memory *memory, uint8_t *out,
                struct error *e)
{
  struct jpeg_state *s = calloc(1, sizeof *s);
  if (!s) return error_set(e, ERROR_MACHINE, "no memory to decode it");
  s->cinfo.err = jpeg_std_error(&s->manager);
  s->cinfo.client_data = s;
  s->manager.error_exit = on_error;
  s->manager.emit_message = on_message;
  s->manager.output_message = on_output;
  s->progress.progress_monitor = on_progress;
  int code = setjmp(s->jump) ? explain(s, e) : decode(s, in, format, memory, out, e);
  decode_memory_give(memory, s->taken);
  resizer_destroy(s->resizer);
  free(s->row);
  free(s->converted);
  jpeg_destroy_decompress(&s->cinfo);
  free(s);
  return code;
}
