/* Convolution, ReLU and 2×2 max pool as one: which pixel of which window a row of a tile is, what
 * is written of a window, and how the gradient before the pool is read from the one behind it.
 * Shared by the first convolution and the others. */
#ifndef GSOS_POOL_CUH
#define GSOS_POOL_CUH

#include "kernels/gemm_tile.cuh"
#include "kernels/random.cuh"
#include "kernels/tensor_core.cuh"

/* Pixel 0 ... 3 of a window of the batch, in the convolution's output. */
struct window_pixel {
  int image, y, x;
  __device__ window_pixel(const device_conv &c, int window, int pixel)
  {
    int area = c.pool_height * c.pool_width;
    image = divide(window, c.by_area);
    int place = window - image * area, row = divide(place, c.by_width);
    y = 2 * row + (pixel >> 1);
    x = 2 * (place - row * c.pool_width) + (pixel & 1);
  }
};

/* Dropout of logical element (n, f, y, x) of the last map, or (n, u) of the hidden units (area
 * 1). */
__device__ __forceinline__ float dropped(const device_trial *t, int block, float x, int image, int features,
                                         int element)
{
  uint64_t subsequence = philox_subsequence(PHILOX_DROPOUT, block, (uint64_t)t->state->step);
  uint32_t word = random_word(t->key, subsequence, (uint64_t)image * (uint64_t)features + (uint64_t)element);
  return word >= t->dropout_threshold ? x * t->dropout_scale : 0.0f;
}

/* Ends a window: sum[pixel][filter] + bias, the largest of the four (the first of equals in row
 * order), ReLU, argmax byte; while training the last layer's map is thinned by dropout.  In TF32
 * the map is rounded to it, which whoever reads it would do. */
__device__ __forceinline__ void store_window(const device_trial *t, int layer, int window, int filter, int windows,
                                             const float sum[4][4], bool tf32)
{
  const device_conv c = t->conv[layer];
  const int columns = c.matrix.columns;
  if (window >= windows || filter >= columns) return;
  float4 b = load4(t->weights + c.matrix.weight + (int64_t)c.matrix.rows * columns + filter);
  const float bias[4] = {b.x, b.y, b.z, b.w};
  float value[4];
  uint8_t which[4];
  UNROLL
  for (int j = 0; j < 4; j++) {
    float best = sum[0][j] + bias[j];
    which[j] = 0;
    UNROLL
    for (int i = 1; i < 4; i++) {
      float other = sum[i][j] + bias[j];
      if (other > best || isnan(other)) {
        best = other;
        which[j] = (uint8_t)i;
      }
    }
    if (best <= 0) { /* what is not a number passes all of this, so that the loss shows it */
      best = 0;
      which[j] = DEVICE_POOL_MASKED;
    }
    value[j] = best;
  }
  if (layer == t->layers - 1 && t->dropout_threshold > 0 && t->state->phase == DEVICE_TRAIN) {
    int area = c.pool_height * c.pool_width, image = divide(window, c.by_area), place = window - image * area;
    UNROLL
    for (int j = 0; j < 4; j++)
      if (filter + j < c.filters)
        value[j] = dropped(t, 0, value[j], image, c.filters * area, (filter + j) * area + place);
  }
  int64_t at = (int64_t)window * columns + filter;
  const float4 x = make_float4(value[0], value[1], value[2], value[3]);
  *(float4 *)(c.map + at) = tf32 ? to_tf32(x) : x;
  *(uchar4 *)(c.argmax + at) = make_uchar4(which[0], which[1], which[2], which[3]);
}

/* Four filters' gradients before the pool, at a window's pixel; `at`: offset of window and
 * filter. */
__device__ __forceinline__ float4 unpool(const float *gradient, const uint8_t *argmax, int64_t at, int pixel)
{
  float4 g = load4(gradient + at);
  uchar4 which = *(const uchar4 *)(argmax + at);
  return make_float4(which.x == pixel ? g.x : 0, which.y == pixel ? g.y : 0, which.z == pixel ? g.z : 0,
                     which.w == pixel ? g.w : 0);
}

/* B: the pixels of windows begin ... end - 1, four a window × filters. */
struct window_gradients {
  static constexpr bool along_depth = false;
  const float *gradient;
  const uint8_t *argmax;
  int columns, begin, end;
  __device__ window_gradients(const device_conv &c, int begin_, int end_, int first)
      : gradient(c.gradient + first + fetch_column<false>()), argmax(c.argmax + first + fetch_column<false>()),
        columns(c.matrix.columns), begin(begin_), end(first + fetch_column<false>() < columns ? end_ : begin_)
  {
  }
  __device__ float4 fetch(int k) const
  {
    int window = begin + (k >> 2);
    return window < end ? unpool(gradient, argmax, (int64_t)window * columns, k & 3) : zero4();
  }
};

/* What a tile of a convolution's weight gradient is: part `split` of the windows, begin ... end - 1
 * of those that the batch has. */
struct weight_tile {
  int split, first, column, begin, end;
  __device__ weight_tile(const device_conv &c, int batch, int count, int index)
  {
    int columns = divide_up(c.matrix.columns, TILE_COLUMNS), tiles = divide_up(c.matrix.rows + 1, TILE_ROWS) * columns;
    int windows = count * c.pool_height * c.pool_width;
    int share = divide_up(batch * c.pool_height * c.pool_width, c.matrix.splits);
    split = index / tiles;
    index -= split * tiles;
    first = index / columns * TILE_ROWS;
    column = index % columns * TILE_COLUMNS;
    begin = split * share;
    end = begin + share < windows ? begin + share : windows;
    if (end < begin) end = begin; /* a short batch: the part is zero */
  }
};

#endif
