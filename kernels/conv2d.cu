/* Convolutions from the second layer on, with ReLU and 2×2 max pool, and their gradients through
 * both, of any shape.  In FP32 most shapes have kernels that are faster (conv2d_patch.cu,
 * conv2d_gradients.cu).
 *
 * Forward is a matrix product whose rows are the four pixels of each pooling window, its columns
 * the filters, its depth the taps times the channels (implicit GEMM: the input is read where it
 * lies).  The four sums of a window are in one thread, so bias, pool, ReLU and the argmax byte are
 * a few instructions at its end, and the map before the pool is never written.
 *
 * Backward the gradient before the pool is not written either: it is read through the argmax byte,
 * which is 0 ... 3 for the pixel that won and 4 where ReLU let nothing pass.
 *   data      rows the input's pixels, depth taps × filters
 *   weights   rows (tap, channel) and the biases' row of ones, columns filters, depth the windows'
 *             pixels; the windows of the batch are divided into parts whose sums are added by the
 *             optimiser, in order
 * Pixels that no window covers (odd maps) have no gradient. */
#include "kernels/conv2d.h"
#include "kernels/gemm_tile.cuh"
#include "kernels/launch.h"
#include "kernels/pool.cuh"

/* ---- forward --------------------------------------------------------------------------------- */

/* A: pixels of windows × (tap, channel) of the map before. */
struct conv_pixels {
  static constexpr bool along_depth = true;
  const float *x;
  int channels, height, width, kernel, depth;
  device_divisor by_channels, by_kernel;
  int y[2], left[2];     /* of the kernel's corner */
  const float *image[2]; /* nullptr: no such row */
  __device__ conv_pixels(const device_conv &c, const float *map, int windows, int first)
      : x(map), channels(c.in_channels), height(c.in_height), width(c.in_width), kernel(c.kernel), depth(c.matrix.rows),
        by_channels(c.by_channels), by_kernel(c.by_kernel)
  {
    UNROLL
    for (int i = 0; i < 2; i++) {
      int m = first + fetch_row<true>(i);
      window_pixel p(c, m / 4, m % 4);
      image[i] = m / 4 < windows ? map + (int64_t)p.image * height * width * channels : nullptr;
      y[i] = p.y * c.stride - c.pad;
      left[i] = p.x * c.stride - c.pad;
    }
  }
  __device__ float4 fetch(int which, int k) const
  {
    int tap = divide(k, by_channels), channel = k - tap * channels;
    int down = divide(tap, by_kernel), row = y[which] + down, column = left[which] + tap - down * kernel;
    bool inside = image[which] && k < depth && row >= 0 && row < height && column >= 0 && column < width;
    return inside ? load4(image[which] + ((int64_t)row * width + column) * channels + channel) : zero4();
  }
};

template <bool tf32>
__global__ void __launch_bounds__(TILE_THREADS, tf32 ? TILE_BLOCKS_WIDE : TILE_BLOCKS)
    conv2d_forward(const device_trial *trials, device_tiles tiles, int layer)
{
  __shared__ gemm_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
  const device_conv c = t->conv[layer];
  const int columns = divide_up(c.matrix.columns, TILE_COLUMNS);
  const int first = index / columns * TILE_ROWS, column = index % columns * TILE_COLUMNS;
  const int windows = t->state->count * c.pool_height * c.pool_width;
  if (first / 4 >= windows) return;
  const float *w = t->weights + c.matrix.weight;
  float sum[4][4];
  gemm_tile<tf32>(conv_pixels(c, t->conv[layer - 1].map, windows, first),
                  matrix_plain(w, c.matrix.columns, c.matrix.columns, c.matrix.rows, column), c.matrix.rows, sum,
                  shared);
  store_window(t, layer, first / 4 + tile_row(), column + 4 * tile_column(), windows, sum, tf32);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* A: pixels of the input × (tap, filter): the gradient before the pool at the output pixel whose
 * tap that is. */
struct conv_gradients {
  static constexpr bool along_depth = true;
  const float *gradient;
  const uint8_t *argmax;
  int filters, kernel, stride, pool_height, pool_width, depth;
  device_divisor by_filters, by_kernel, by_stride;
  int y[2], x[2], image[2]; /* image: in windows; negative: no such row */
  __device__ conv_gradients(const device_conv &c, int pixels, int first)
      : gradient(c.gradient), argmax(c.argmax), filters(c.matrix.columns), kernel(c.kernel), stride(c.stride),
        pool_height(c.pool_height), pool_width(c.pool_width), depth(c.kernel * c.kernel * c.matrix.columns),
        by_filters(c.by_columns), by_kernel(c.by_kernel), by_stride(c.by_stride)
  {
    UNROLL
    for (int i = 0; i < 2; i++) {
      int m = first + fetch_row<true>(i);
      int area = c.in_height * c.in_width, n = m / area, p = m - n * area;
      image[i] = m < pixels ? n * pool_height * pool_width : -1;
      y[i] = p / c.in_width + c.pad;
      x[i] = p % c.in_width + c.pad;
    }
  }
  __device__ float4 fetch(int which, int k) const
  {
    int tap = divide(k, by_filters), filter = k - tap * filters, tap_row = divide(tap, by_kernel);
    int down = y[which] - tap_row, right = x[which] - (tap - tap_row * kernel);
    if (image[which] < 0 || k >= depth || down < 0 || right < 0) return zero4();
    int row = divide(down, by_stride), column = divide(right, by_stride);
    if (row * stride != down || column * stride != right) return zero4();
    if (row >> 1 >= pool_height || column >> 1 >= pool_width) return zero4();
    int64_t at = (int64_t)(image[which] + (row >> 1) * pool_width + (column >> 1)) * filters + filter;
    return unpool(gradient, argmax, at, (row & 1) * 2 + (column & 1));
  }
};

/* B: (tap, filter) × channels: the weights, filters and channels changed. */
struct conv_weights_transposed {
  static constexpr bool along_depth = true;
  const float *w;
  int channels, filters, column, depth;
  device_divisor by_filters;
  __device__ conv_weights_transposed(const device_conv &c, const float *w_, int first)
      : w(w_), channels(c.in_channels), filters(c.matrix.columns), column(first + fetch_column<true>()),
        depth(column < c.in_channels ? c.kernel * c.kernel * c.matrix.columns : 0), by_filters(c.by_columns)
  {
  }
  __device__ float4 fetch(int k) const
  {
    if (k >= depth) return zero4();
    int tap = divide(k, by_filters), filter = k - tap * filters;
    return load4(w + ((int64_t)tap * channels + column) * filters + filter);
  }
};

/* A: (tap, channel) × the pixels of windows begin ... end - 1, four a window, and a row of ones. */
struct conv_pixels_by_channel {
  static constexpr bool along_depth = false;
  const device_conv c;
  const float *map;
  int begin, end;
  int kind[2], down[2], right[2], channel[2];
  __device__ conv_pixels_by_channel(const device_conv &c_, const float *map_, int begin_, int end_, int first)
      : c(c_), map(map_), begin(begin_), end(end_)
  {
    UNROLL
    for (int i = 0; i < 2; i++) {
      int m = first + fetch_row<false>(i), tap = m / c.in_channels;
      kind[i] = m < c.matrix.rows ? 0 : m == c.matrix.rows ? 1 : 2;
      channel[i] = m - tap * c.in_channels;
      down[i] = tap / c.kernel - c.pad;
      right[i] = tap % c.kernel - c.pad;
    }
  }
  __device__ float4 fetch(int which, int k) const
  {
    int window = begin + (k >> 2);
    if (window >= end || kind[which] == 2) return zero4();
    if (kind[which] == 1) return make_float4(1, 0, 0, 0);
    window_pixel p(c, window, k & 3);
    int row = p.y * c.stride + down[which], column = p.x * c.stride + right[which];
    if (row < 0 || row >= c.in_height || column < 0 || column >= c.in_width) return zero4();
    return load4(map + (((int64_t)p.image * c.in_height + row) * c.in_width + column) * c.in_channels + channel[which]);
  }
};

__device__ void data_gradient_tile(const device_trial *t, int layer, int first, int column, float sum[4][4])
{
  const device_conv c = t->conv[layer];
  const int pixels = t->state->count * c.in_height * c.in_width;
  float *to = t->conv[layer - 1].gradient;
  int channel = column + 4 * tile_column();
  if (channel >= c.in_channels) return;
  UNROLL
  for (int i = 0; i < 4; i++) {
    int m = first + 4 * tile_row() + i;
    if (m < pixels)
      *(float4 *)(to + (int64_t)m * c.in_channels + channel) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
  }
}

/* Tiles: first those of the data gradient, then, part by part, those of the weights'. */
template <bool tf32>
__global__ void __launch_bounds__(TILE_THREADS, TILE_BLOCKS_WIDE)
    conv2d_backward(const device_trial *trials, device_tiles tiles, int layer)
{
  __shared__ gemm_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  const device_conv c = t->conv[layer];
  const float *w = t->weights + c.matrix.weight;
  const int columns = divide_up(c.in_channels, TILE_COLUMNS);
  const int data = divide_up(t->batch * c.in_height * c.in_width, TILE_ROWS) * columns;
  float sum[4][4];
  if (index < data) {
    const int first = index / columns * TILE_ROWS, column = index % columns * TILE_COLUMNS;
    const int pixels = t->state->count * c.in_height * c.in_width;
    if (first >= pixels) return;
    gemm_tile<tf32>(conv_gradients(c, pixels, first), conv_weights_transposed(c, w, column),
                    c.kernel * c.kernel * c.matrix.columns, sum, shared);
    data_gradient_tile(t, layer, first, column, sum);
    return;
  }
  const weight_tile tile(c, t->batch, t->state->count, index - data);
  gemm_tile<tf32>(conv_pixels_by_channel(c, t->conv[layer - 1].map, tile.begin, tile.end, tile.first),
                  window_gradients(c, tile.begin, tile.end, tile.column), 4 * (tile.end - tile.begin), sum, shared);
  store_partial(t, c.matrix, tile.split, tile.first, tile.column, sum);
}

/* ---- launchers ------------------------------------------------------------------------------- */

int conv2d_tiles_backward(const device_trial *t, int layer)
{
  const device_conv c = t->conv[layer];
  int weights = c.matrix.splits * divide_up(c.matrix.rows + 1, TILE_ROWS) * divide_up(c.matrix.columns, TILE_COLUMNS);
  if (layer == 0) return weights;
  return weights + divide_up(t->batch * c.in_height * c.in_width, TILE_ROWS) * divide_up(c.in_channels, TILE_COLUMNS);
}

int conv2d_tiles_forward(const device_trial *t, int layer)
{
  const device_conv c = t->conv[layer];
  return divide_up(4 * t->batch * c.pool_height * c.pool_width, TILE_ROWS) * divide_up(c.matrix.columns, TILE_COLUMNS);
}

device_divisor conv2d_divisor(int by)
{
  uint32_t shift = 0;
  while ((uint64_t)1 << shift < (uint64_t)by) shift++;
  return {(uint32_t)((((uint64_t)1 << shift) - (uint64_t)by) * ((uint64_t)1 << 32) / (uint64_t)by + 1), shift};
}

void conv2d_divisors(struct device_conv *c)
{
  c->by_area = conv2d_divisor(c->pool_height * c->pool_width);
  c->by_width = conv2d_divisor(c->pool_width);
  c->by_channels = conv2d_divisor(c->in_channels);
  c->by_columns = conv2d_divisor(c->matrix.columns);
  c->by_taps = conv2d_divisor(c->kernel * c->kernel);
  c->by_kernel = conv2d_divisor(c->kernel);
  c->by_stride = conv2d_divisor(c->stride);
  conv2d_forward_pieces(c);
  conv2d_gradient_pieces(c);
  conv2d_tensor_grids(c);
  conv2d_tensor_weight_grid(c);
}

/* By the argmax byte: whole images, of about 98 windows a part, which is 16 parts for 14×14 maps of
 * 32 images, and of fewer where there would be less than 16 parts, down to 27.  Else about 128
 * windows, which is 512 deep: enough to be worth a block. */
int conv2d_splits(const struct device_conv *c, int batch)
{
  const int area = c->pool_height * c->pool_width;
  if (c->gradients.weight_rows == 0) return divide_up(batch * area, 128);
  int windows = batch * area / 16;
  if (windows < 27) windows = 27;
  if (windows > 98) windows = 98;
  return divide_up(batch, windows > area ? windows / area : 1);
}

int conv2d_block_bytes(int most)
{
  int device = 0, given = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (!error) error = cudaDeviceGetAttribute(&given, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  if (error) return most; /* the launch says what is wrong */
  return most < device_shared(given) ? most : device_shared(given);
}

int conv2d_forward_launch(const device_trial *trials, device_tiles tiles, int layer, enum precision precision,
                          void *stream)
{
  return launch(precision == PRECISION_TF32 ? conv2d_forward<true> : conv2d_forward<false>, dim3(tiles.room),
                dim3(TILE_THREADS), 0, (cudaStream_t)stream, trials, tiles, layer);
}

int conv2d_backward_launch(const device_trial *trials, device_tiles tiles, int layer, enum precision precision,
                           void *stream)
{
  return launch(precision == PRECISION_TF32 ? conv2d_backward<true> : conv2d_backward<false>, dim3(tiles.room),
                dim3(TILE_THREADS), 0, (cudaStream_t)stream, trials, tiles, layer);
}
