/* Crop and resize, row by row.
 *
 * The filter is separable.  A row is first filtered to the output's width, then added, with its
 * weights, to those output rows that it reaches; so neither the image nor a column of it is ever
 * held, whatever its size.
 *
 *   area     shrinking: the mean over the area that an output pixel covers, partly covered pixels
 *            by their share; enlarging: bilinear
 *   lanczos  sinc(x) sinc(x/3) for |x| < 3, stretched by the scale where the image shrinks (as in
 *            Turkowski, "Filters for common resampling tasks", Graphics Gems, 1990)
 *
 * Weights are whole numbers that sum to 2^15 exactly, sums are whole numbers too: the same bytes on
 * every machine, and an area without contrast keeps its value.  An image is turned as its EXIF
 * orientation says after it was resized: a small picture is turned, never a large one. */
#include "host/data/image_resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Horizontal sums are shifted down by 9, to 6 bits behind the point; with the vertical weights' 15
 * the last sum has 21. 255 · 2^21 · Σ|w|² stays below 2^31: Σ|w| of Lanczos-3 is at most 1.3, cut
 * at the edges at most 1.7. */
enum { WEIGHT_BITS = 15, ROW_SHIFT = 9, OUT_SHIFT = 2 * WEIGHT_BITS - ROW_SHIFT };

/* For each output the inputs that it reaches, and their weights. */
struct filter {
  int n_out;
  int *first, *count; /* [n_out] */
  int32_t *weights;   /* [n_out][stride] */
  int stride;
};

struct resizer {
  int channels, orientation;
  int mid_width, mid_height; /* of the output, as it is stored: before it is turned */
  struct filter across, down;
  int y;         /* rows seen so far */
  int next_out;  /* output rows before this one are complete */
  int32_t *line; /* [mid_width][channels], one filtered row */
  int32_t *sums; /* [mid_height][mid_width][channels] */
};

/* --------------------------------------------------------------------------------------- filter */

static double overlap(double a0, double a1, double b0, double b1)
{
  double low = a0 > b0 ? a0 : b0, high = a1 < b1 ? a1 : b1;
  return high > low ? high - low : 0;
}

static double sinc(double x)
{
  if (x == 0) return 1;
  x *= M_PI;
  return sin(x) / x;
}

/* Weight of input pixel i for output pixel o, which covers start + o * scale ... start + (o + 1) *
 * scale. */
static double weight(enum dataset_resize kind, double start, double scale, int o, int i)
{
  if (kind == RESIZE_AREA && scale >= 1) return overlap(start + o * scale, start + (o + 1) * scale, i, i + 1);
  double stretch = scale > 1 ? scale : 1;
  double x = fabs((i + 0.5 - start - (o + 0.5) * scale) / stretch);
  if (kind == RESIZE_AREA) return x < 1 ? 1 - x : 0;
  return x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

/* From the stretch [start, start + length) of n_in inputs to n_out outputs. */
static int filter_make(struct filter *f, int n_in, double start, double length, int n_out, enum dataset_resize kind)
{
  int begin = (int)start, end = (int)ceil(start + length) < n_in ? (int)ceil(start + length) : n_in;
  double scale = length / n_out, stretch = scale > 1 ? scale : 1;
  double reach = kind == RESIZE_LANCZOS ? 3 * stretch : stretch; /* area: at most; weights outside are 0 */
  f->n_out = n_out;
  f->stride = (int)(2 * reach) + 3;
  if (f->stride > end - begin) f->stride = end - begin;
  f->first = malloc((size_t)n_out * sizeof *f->first);
  f->count = malloc((size_t)n_out * sizeof *f->count);
  f->weights = calloc((size_t)n_out * (size_t)f->stride, sizeof *f->weights);
  double *w = malloc((size_t)f->stride * sizeof *w);
  if (!f->first || !f->count || !f->weights || !w) {
    free(w);
    return -1;
  }
  for (int o = 0; o < n_out; o++) {
    double centre = start + (o + 0.5) * scale;
    int low = (int)floor(centre - reach), high = (int)ceil(centre + reach);
    if (low < begin) low = begin;
    if (high > end) high = end;
    if (high - low > f->stride) high = low + f->stride;
    double sum = 0, so_far = 0;
    while (low + 1 < high && weight(kind, start, scale, o, low) == 0) low++;
    while (low + 1 < high && weight(kind, start, scale, o, high - 1) == 0) high--;
    for (int i = low; i < high; i++) sum += w[i - low] = weight(kind, start, scale, o, i);
    /* Rounding the running sum, not each weight, makes the whole numbers add up to 2^15. */
    int32_t before = 0;
    for (int i = low; i < high; i++) {
      so_far += w[i - low];
      int32_t now = (int32_t)lround(so_far / sum * (1 << WEIGHT_BITS));
      f->weights[(size_t)o * (size_t)f->stride + (size_t)(i - low)] = now - before;
      before = now;
    }
    f->first[o] = low;
    f->count[o] = high - low;
  }
  free(w);
  return 0;
}

static void filter_free(struct filter *f)
{
  free(f->first);
  free(f->count);
  free(f->weights);
}

/* ---------------------------------------------------------------------------------- orientation */

/* The shown pixel (x, y) is the stored one at (u, v) = transposed ? (y, x) : (x, y), counted from
 * the right where `from_right`, from the bottom where `from_bottom` (EXIF 2.32, tag 0x0112). */
struct turn {
  bool transposed, from_right, from_bottom;
};

static struct turn turn_of(int orientation)
{
  static const struct turn turns[9] = {{0, 0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 1}, {0, 0, 1},
                                       {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {1, 1, 0}};
  return turns[orientation >= 1 && orientation <= 8 ? orientation : 1];
}

static int at_least_one(double x)
{
  return x < 1 ? 1 : (int)x;
}

struct crop centre_crop(int width, int height, int orientation, int out_width, int out_height)
{
  struct turn t = turn_of(orientation);
  int w = t.transposed ? height : width, h = t.transposed ? width : height; /* as shown */
  int cw = w, ch = h;
  if ((int64_t)w * out_height >= (int64_t)h * out_width)
    cw = at_least_one((double)h * out_width / out_height + 0.5);
  else
    ch = at_least_one((double)w * out_height / out_width + 0.5);
  if (cw > w) cw = w;
  if (ch > h) ch = h;
  int x = (w - cw) / 2, y = (h - ch) / 2;
  struct crop c = {x, y, cw, ch};
  if (t.transposed) c = (struct crop){y, x, ch, cw};
  if (t.from_right) c.x = width - c.width - c.x;
  if (t.from_bottom) c.y = height - c.height - c.y;
  return c;
}

/* -------------------------------------------------------------------------------------- resizer */

struct resizer *resizer_create(int width, int height, int reduced, int channels, int orientation, int out_width,
                               int out_height, enum dataset_resize kind)
{
  struct resizer *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  bool transposed = turn_of(orientation).transposed;
  struct crop crop = centre_crop(width, height, orientation, out_width, out_height);
  int row_width = (width + reduced - 1) / reduced, rows = (height + reduced - 1) / reduced;
  double by = reduced;
  r->channels = channels;
  r->orientation = orientation;
  r->mid_width = transposed ? out_height : out_width;
  r->mid_height = transposed ? out_width : out_height;
  size_t line = (size_t)r->mid_width * (size_t)channels;
  r->line = malloc(line * sizeof *r->line);
  r->sums = calloc(line * (size_t)r->mid_height, sizeof *r->sums);
  if (!r->line || !r->sums || filter_make(&r->across, row_width, crop.x / by, crop.width / by, r->mid_width, kind) ||
      filter_make(&r->down, rows, crop.y / by, crop.height / by, r->mid_height, kind)) {
    resizer_destroy(r);
    return NULL;
  }
  return r;
}

void resizer_destroy(struct resizer *r)
{
  if (!r) return;
  filter_free(&r->across);
  filter_free(&r->down);
  free(r->line);
  free(r->sums);
  free(r);
}

/* One row to the output's width; `channels` is 1 or 3 at the call, so that the loop is unrolled. */
static inline void filter_row(const struct resizer *r, const uint8_t *row, int channels)
{
  const struct filter *f = &r->across;
  for (int x = 0; x < r->mid_width; x++) {
    const uint8_t *p = row + (size_t)f->first[x] * (size_t)channels;
    const int32_t *w = f->weights + (size_t)x * (size_t)f->stride;
    int32_t sum[4] = {0};
    for (int k = 0; k < f->count[x]; k++, p += channels)
      for (int c = 0; c < channels; c++) sum[c] += w[k] * p[c];
    for (int c = 0; c < channels; c++) r->line[x * channels + c] = (sum[c] + (1 << (ROW_SHIFT - 1))) >> ROW_SHIFT;
  }
}

void resizer_row(struct resizer *r, const uint8_t *row)
{
  int y = r->y++;
  const struct filter *f = &r->down;
  if (y < f->first[0] || y >= f->first[f->n_out - 1] + f->count[f->n_out - 1]) return;
  if (r->channels == 1)
    filter_row(r, row, 1);
  else if (r->channels == 3)
    filter_row(r, row, 3);
  else
    filter_row(r, row, r->channels);
  int n = r->mid_width * r->channels;
  while (r->next_out < f->n_out && f->first[r->next_out] + f->count[r->next_out] <= y) r->next_out++;
  for (int o = r->next_out; o < f->n_out && f->first[o] <= y; o++) {
    int32_t w =
        y < f->first[o] + f->count[o] ? f->weights[(size_t)o * (size_t)f->stride + (size_t)(y - f->first[o])] : 0;
    if (!w) continue;
    int32_t *sums = r->sums + (size_t)o * (size_t)n;
    for (int i = 0; i < n; i++) sums[i] += w * r->line[i];
  }
}

void resizer_finish(struct resizer *r, uint8_t *out)
{
  struct turn t = turn_of(r->orientation);
  int width = t.transposed ? r->mid_height : r->mid_width, height = t.transposed ? r->mid_width : r->mid_height;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      int u = t.transposed ? y : x, v = t.transposed ? x : y;
      if (t.from_right) u = r->mid_width - 1 - u;
      if (t.from_bottom) v = r->mid_height - 1 - v;
      const int32_t *sum = r->sums + ((size_t)v * (size_t)r->mid_width + (size_t)u) * (size_t)r->channels;
      for (int c = 0; c < r->channels; c++) {
        int32_t value = (sum[c] + (1 << (OUT_SHIFT - 1))) >> OUT_SHIFT;
        *out++ = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
      }
    }
}
