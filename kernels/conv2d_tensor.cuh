/* Convolutions from the second layer on by tensor cores: what forward, the data gradient and the
 * weight gradient have in common.  Kernel 3 or 5, stride 1 or 2; TF32 operands, FP32 sums.
 *
 * The unit is a *window* of 2×2 pixels, eight of which are the eight columns (or the depth) of a
 * small product: one of its four pixels at a time.  A lane that has loaded the pixels under its
 * window, two neighbouring channels each, which is an operand as it stands, has the operands of all
 * taps and of the window's four pixels: a pixel is read from shared memory once for up to kernel²
 * taps, and no register is moved.
 *
 * Which k of a product is which channel is free as long as both operands agree: with t = lane % 4,
 * k = t is channel 2t of eight, and k = t + 4 channel 2t + 1.
 *
 * Pixels lie in shared memory as rows that images, each with its halo, make one below the other:
 * *virtual* rows, so that a block takes any run of consecutive windows of the batch, and small maps
 * fill it.  Of wide maps each strip of columns is an image of its own to a block.
 *
 * Maps are kept in TF32, so that asynchronous copies bring them; weights and gradients are rounded
 * as they come. */
#ifndef GSOS_CONV2D_TENSOR_CUH
#define GSOS_CONV2D_TENSOR_CUH

#include "kernels/async_copy.cuh"
#include "kernels/gemm_tile.cuh"
#include "kernels/tensor_core.cuh"

enum {
  TENSOR_FILTERS = 32, /* of a block; channels, of a data gradient's */
  TENSOR_AHEAD = 3,    /* pairs of loads that a thread has on their way */
};

/* Where a window is: its first virtual row, of a grid whose windows are `step` rows apart, and its
 * column in windows. */
struct window_place {
  int row, column;
  __device__ __forceinline__ window_place(const device_grid &g, int window, int step)
  {
    const int strip = divide(window, g.by_area), in = window - strip * g.rows * g.columns, r = divide(in, g.by_columns);
    row = strip * g.virtual_rows + step * r;
    column = in - r * g.columns;
  }
};

/* The same in the image. */
struct image_place {
  int image, row, column; /* in windows */
  __device__ __forceinline__ image_place(const device_grid &g, int window)
  {
    const int strip = divide(window, g.by_area), in = window - strip * g.rows * g.columns;
    row = divide(in, g.by_columns);
    image = divide(strip, g.by_strips);
    column = in - row * g.columns + (strip - image * g.strips) * g.columns;
  }
};

/* Goes over the pixels of a patch, `by` pixels at a time, without divisions but at its start. */
struct patch_cursor {
  int row, column, y, image, strip; /* row of the patch, virtual column, virtual row within the strip */
  int rows_on, columns_on;
  __device__ __forceinline__ patch_cursor(const device_grid &g, int first_row, int pixel, int by)
  {
    row = divide(pixel, g.by_virtual_columns);
    column = pixel - row * g.virtual_columns;
    const int all = divide(first_row + row, g.by_virtual_rows);
    y = first_row + row - all * g.virtual_rows;
    image = divide(all, g.by_strips);
    strip = all - image * g.strips;
    rows_on = divide(by, g.by_virtual_columns);
    columns_on = by - rows_on * g.virtual_columns;
  }
  __device__ __forceinline__ void next(const device_grid &g)
  {
    column += columns_on, row += rows_on, y += rows_on;
    if (column >= g.virtual_columns) column -= g.virtual_columns, row++, y++;
    while (y >= g.virtual_rows) {
      y -= g.virtual_rows;
      if (++strip == g.strips) strip = 0, image++;
    }
  }
};

/* What a patch is filled from: images [count][height][width][channels], of which virtual row and
 * column 0 of a strip are row −pad and column strip·across − pad. */
struct patch_images {
  int count, height, width, channels, pad, across;
};

/* Whether the cursor's pixel is inside of an image, and which of the batch it is: *at. */
__device__ __forceinline__ bool pixel_inside(const patch_images &m, const patch_cursor &k, int *at)
{
  const int row = k.y - m.pad, column = k.strip * m.across + k.column - m.pad;
  *at = (k.image * m.height + row) * m.width + column;
  return k.image < m.count && (unsigned)row < (unsigned)m.height && (unsigned)column < (unsigned)m.width;
}

/* Begins copies of `rows` virtual rows from first_row on, of DEEP channels from `channel` on, to a
 * patch of PIXEL floats a pixel. */
template <int DEEP, int PIXEL, int THREADS>
__device__ __forceinline__ void copy_patch(float *patch, const float *map, const patch_images &m, const device_grid &g,
                                           int first_row, int rows, int channel)
{
  constexpr int QUADS = DEEP / 4;
  static_assert(THREADS % QUADS == 0, "a thread keeps its channels");
  const int quad = (int)threadIdx.x % QUADS * 4, row_floats = g.row_floats;
  const bool has = channel + quad < m.channels;
  const int by = divide(THREADS / QUADS, g.by_virtual_columns); /* rows at a time, of all columns */
  if (by == 0) {
    NO_UNROLL
    for (patch_cursor k(g, first_row, (int)threadIdx.x / QUADS, THREADS / QUADS); k.row < rows; k.next(g)) {
      int at;
      const bool there = pixel_inside(m, k, &at) && has;
      async_copy_16(patch + k.row * row_floats + k.column * PIXEL + quad,
                    map + (there ? at * m.channels + channel + quad : 0), there);
    }
    return;
  }
  /* A thread keeps its column, but for the strip: most is worked out where another strip begins. */
  patch_cursor k(g, first_row, (int)threadIdx.x / QUADS, by * g.virtual_columns);
  if (k.row >= by) return;
  const int rows_floats = by * m.width * m.channels, height = m.height, end = g.virtual_rows - m.pad;
  float *to = patch + k.row * row_floats + k.column * PIXEL + quad;
  int row = k.row, y = k.y - m.pad, at = 0; /* in the image; in the map */
  bool has_column = false;
  auto enter = [&]() {
    const int x = k.strip * m.across + k.column - m.pad;
    has_column = has && k.image < m.count && (unsigned)x < (unsigned)m.width;
    at = ((k.image * height + y) * m.width + x) * m.channels + channel + quad;
  };
  enter();
  NO_UNROLL
  for (; row < rows; row += by) {
    const bool there = has_column && (unsigned)y < (unsigned)height;
    int from = there ? at : 0;
    apart(from);
    async_copy_16(to, map + from, there);
    to += by * row_floats, y += by, at += rows_floats;
    if (y < end) continue;
    do {
      y -= g.virtual_rows;
      if (++k.strip == g.strips) k.strip = 0, k.image++;
    } while (y >= end);
    enter();
  }
}

/* ---- a product's weights --------------------------------------------------------------------- */

/* In the order of A's fragments, [tap][eight k][two fragments][lane][4], so that a lane reads its
 * four as one float4.  Rows g and g + 8 of fragment m are filters (channels, of a data gradient)
 * 4g + 2m and 4g + 2m + 1.  A lane's place is turned by t, so that whoever fills meets no bank
 * conflicts either. */
__device__ __forceinline__ int fragment_place(int g, int t)
{
  return (t * 8 + ((g + 2 * t) & 7)) * 4;
}

/* Floats of the weights of `deep` channels. */
static constexpr int fragment_floats(int kernel, int deep)
{
  return kernel * kernel * deep * TENSOR_FILTERS;
}

/* Whoever fills takes pairs of loads, `of_tap` of them a tap, and keeps its place in the tap:
 * rounds of up to TENSOR_AHEAD pairs each, in equal parts. */
template <int K, int of_tap, int threads> struct pairs_ahead {
  static_assert(threads % of_tap == 0, "a thread keeps its place");
  static constexpr int TAPS = threads / of_tap; /* at a time */
  static constexpr int pairs = (K * K + TAPS - 1) / TAPS, rounds = (pairs + TENSOR_AHEAD - 1) / TENSOR_AHEAD;
  static constexpr int value = (pairs + rounds - 1) / rounds;
};

/* Rows filters `filter` ... + 31, depth channels `channel` ... + DEEP - 1, those that there are. */
template <int K, int DEEP, int THREADS>
__device__ __forceinline__ void fill_weights(float *to, const float *weights, int channels, int filters, int channel,
                                             int filter)
{
  constexpr int OF_TAP = DEEP / 2 * 8, TAPS = pairs_ahead<K, OF_TAP, THREADS>::TAPS;
  constexpr int AHEAD = pairs_ahead<K, OF_TAP, THREADS>::value;
  const int own = (int)threadIdx.x % OF_TAP, g = own % 8, row = own / 8 * 2, c = channel + row, f = filter + 4 * g;
  const bool has = c < channels && f < filters;
  int tap = (int)threadIdx.x / OF_TAP;
  const float *from = weights + (has ? (tap * channels + c) * filters + f : 0);
  const int on = has ? TAPS * channels * filters : 0;
  to += tap * (DEEP * 32) + row / 8 * 256 + fragment_place(g, row % 8 / 2);
  NO_UNROLL
  for (; tap < K * K; tap += AHEAD * TAPS) {
    float4 v[AHEAD][2];
    UNROLL
    for (int u = 0; u < AHEAD; u++) {
      v[u][0] = v[u][1] = zero4();
      if (has && tap + u * TAPS < K * K) {
        v[u][0] = load4(from);
        v[u][1] = load4(from + filters);
      }
      apart(from);
      from += on;
    }
    UNROLL
    for (int u = 0; u < AHEAD; u++) {
      if (tap + u * TAPS >= K * K) continue;
      const float4 x = to_tf32(v[u][0]), y = to_tf32(v[u][1]);
      float *p = to + u * (TAPS * DEEP * 32);
      *(float4 *)p = make_float4(x.x, x.y, y.x, y.y);
      *(float4 *)(p + 128) = make_float4(x.z, x.w, y.z, y.w);
    }
    to += AHEAD * TAPS * DEEP * 32;
  }
}

/* For the data gradient: taps from the last, rows channels `channel` ... + 31, depth filters
 * `filter` ... + DEEP - 1. */
template <int K, int DEEP, int THREADS>
__device__ __forceinline__ void fill_weights_back(float *to, const float *weights, int channels, int filters,
                                                  int channel, int filter)
{
  constexpr int OF_TAP = DEEP * 4, TAPS = pairs_ahead<K, OF_TAP, THREADS>::TAPS;
  constexpr int AHEAD = pairs_ahead<K, OF_TAP, THREADS>::value;
  const int own = (int)threadIdx.x % OF_TAP, g = own / 2 % 8, m = own / 16 % 2, eight = own / 32, t = own % 2 * 2;
  const int c = channel + 4 * g + 2 * m, f = filter + eight * 8 + own % 2 * 4;
  const bool has = c < channels && f < filters;
  int tap = (int)threadIdx.x / OF_TAP; /* from the last */
  const float *from = weights + (has ? ((K * K - 1 - tap) * channels + c) * filters + f : 0);
  const int on = has ? TAPS * channels * filters : 0;
  to += tap * (DEEP * 32) + (eight * 2 + m) * 128;
  NO_UNROLL
  for (; tap < K * K; tap += AHEAD * TAPS) {
    float4 v[AHEAD][2];
    UNROLL
    for (int u = 0; u < AHEAD; u++) {
      v[u][0] = v[u][1] = zero4();
      if (has && tap + u * TAPS < K * K) {
        v[u][0] = load4(from);
        v[u][1] = load4(from + filters);
      }
      apart(from);
      from -= on;
    }
    UNROLL
    for (int u = 0; u < AHEAD; u++) {
      if (tap + u * TAPS >= K * K) continue;
      const float4 x = to_tf32(v[u][0]), y = to_tf32(v[u][1]);
      float *p = to + u * (TAPS * DEEP * 32);
      *(float4 *)(p + fragment_place(g, t)) = make_float4(x.x, y.x, x.y, y.y);
      *(float4 *)(p + fragment_place(g, t + 1)) = make_float4(x.z, y.z, x.w, y.w);
    }
    to += AHEAD * TAPS * DEEP * 32;
  }
}

/* ---- the product of forward and of the data gradient ----------------------------------------- */

/* Sums of a warp's eight windows × four pixels × 32 filters.  Of [pixel][m], 0: filter 4g + 2m of
 * window 2t, 1: of window 2t + 1, 2 and 3: filter 4g + 2m + 1 of the two. */
struct tensor_sums {
  float of[4][2][4];
  __device__ __forceinline__ void clear()
  {
    UNROLL
    for (int p = 0; p < 4; p++) UNROLL
    for (int m = 0; m < 2; m++) UNROLL
    for (int k = 0; k < 4; k++) of[p][m][k] = 0;
  }
};

/* A `Reach` says which pixels a window's taps are at: SIZE: rows and columns under a window;
 * at(tap, pixel), of row or column: where, negative where the tap has no part in the pixel.  Row by
 * row of taps a lane loads what it has not: rows from known(tap) to known(tap + 1), as many as
 * the taps before reach.  known() is an expression, since a loop would be folded only after the
 * code around it had been laid out, and stay in it as branches. */
template <class Reach> __device__ constexpr bool reach_known(int taps)
{
  int rows = 0;
  for (int tap = 0; tap < taps; tap++)
    for (int pixel = 0; pixel < 2; pixel++)
      if (Reach::at(tap, pixel) >= rows) rows = Reach::at(tap, pixel) + 1;
  return Reach::known(taps) == rows && (taps == 0 || reach_known<Reach>(taps - 1));
}

/* Adds depths of eight, `from` ... to - 1 of the DEEP that lie in shared memory.  `pixels` loads a
 * row of those under the lane's windows; `weights`: the lane's of the first tap.  A sum's order:
 * eights of channels, taps, and of the eight 0, 2, 4, 6, 1, 3, 5, 7, as far as it is the code's. */
template <int K, int DEEP, class Reach, class Pixels>
__device__ __forceinline__ void multiply(tensor_sums &sum, Pixels pixels, const float *weights, int from, int to)
{
  constexpr int SIZE = Reach::SIZE;
  static_assert(reach_known<Reach>(K) && Reach::known(K) == SIZE, "known() says what at() says");
  pixels.move(from);
  weights += 256 * from;
  NO_UNROLL
  for (int eight = from; eight < to; eight++) {
    float2 b[SIZE][SIZE];
    float4 a[2][2]; /* of this tap, and of the next */
    a[0][0] = load4(weights), a[0][1] = load4(weights + 128);
    UNROLL
    for (int tap = 0; tap < K * K; tap++) {
      const int down = tap / K, right = tap % K;
      if (right == 0) UNROLL
      for (int row = 0; row < SIZE; row++)
        if (row >= Reach::known(down) && row < Reach::known(down + 1)) pixels.load(b[row], row);
      if (tap + 1 < K * K) {
        a[(tap + 1) & 1][0] = load4(weights + (tap + 1) * DEEP * TENSOR_FILTERS);
        a[(tap + 1) & 1][1] = load4(weights + (tap + 1) * DEEP * TENSOR_FILTERS + 128);
      }
      UNROLL
      for (int p = 0; p < 4; p++) {
        const int row = Reach::at(down, p / 2), column = Reach::at(right, p % 2);
        if (row < 0 || column < 0) continue;
        UNROLL
        for (int m = 0; m < 2; m++) tensor_multiply(sum.of[p][m], a[tap & 1][m], b[row][column].x, b[row][column].y);
      }
    }
    pixels.move(1);
    weights += 256;
  }
}

/* ---- grids ----------------------------------------------------------------------------------- */

/* What a kernel's patch is: windows are STEP rows and columns of it apart and see UNDER of each;
 * PIXEL floats a pixel; the most floats, and windows of a block, at most and at least. */
struct grid_limits {
  int step, under, pixel, floats, most, least;
};

/* Rows of pixels under `windows` consecutive windows, the first of which is a multiple of
 * `windows` from the first of a strip. */
static inline int grid_rows(const struct grid_limits &l, int rows, int columns, int windows)
{
  int area = rows * columns, halo = l.under - l.step;
  int ends = area % windows == 0 ? 0 : windows % area == 0 ? windows / area - 1 : (windows + area - 2) / area;
  int touched = windows % columns == 0   ? windows / columns
                : columns % windows == 0 ? 1
                                         : (windows + columns - 2) / columns + 1;
  return l.step * (touched - 1) + l.under + halo * ends;
}

/* Floats of a row of pixels: such that the first window of a row lies, in banks, where the one
 * after the last of the row before would. */
static inline int grid_row_floats(const struct grid_limits &l, int columns)
{
  int width = l.step * (columns - 1) + l.under;
  return width * l.pixel + (((columns - width) * l.pixel) & (32 / l.step - 1));
}

/* The widest strips, and most windows of a block, that fit; rather narrow strips than few windows.
 * False, and g is empty, where none fits. */
static inline bool grid_make(struct device_grid *g, const struct grid_limits &l, int rows, int columns)
{
  int across = columns, windows = l.most;
  *g = {};
  while (grid_rows(l, rows, across, windows) * grid_row_floats(l, across) > l.floats) {
    if (across > 16 || (across > 1 && windows <= l.least))
      across = divide_up(across, 2);
    else if (windows > l.least)
      windows /= 2;
    else
      return false;
  }
  g->rows = rows, g->columns = across, g->strips = divide_up(columns, across), g->windows = windows;
  g->virtual_rows = l.step * (rows - 1) + l.under, g->virtual_columns = l.step * (across - 1) + l.under;
  g->row_floats = grid_row_floats(l, across);
  g->patch_floats = grid_rows(l, rows, across, windows) * g->row_floats;
  g->by_area = conv2d_divisor(rows * across);
  g->by_columns = conv2d_divisor(across);
  g->by_strips = conv2d_divisor(g->strips);
  g->by_virtual_rows = conv2d_divisor(g->virtual_rows);
  g->by_virtual_columns = conv2d_divisor(g->virtual_columns);
  return true;
}

/* Windows of so many images, those of strips' ends that no image has included. */
static inline __host__ __device__ int grid_windows(const device_grid &g, int images)
{
  return images * g.strips * g.rows * g.columns;
}

#endif
