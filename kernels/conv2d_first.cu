/* The first convolution: from bytes to pooled maps in one kernel, and its weight gradient.
 *
 * Images stay on the device as bytes.  A tile's rows are the pixels of pooling windows, as in conv2d.cu; its depth is (channel, tap),
 * 9 to a hundred; what is fetched is a byte of the image that the epoch's order puts at that place of the batch, normalised.  The
 * data have no gradient, so backward there are weights alone.  FP32 in both precisions: the depth is too short for tensor cores to
 * help, and the bytes deserve their three digits. */
#include "gemm_tile.cuh"
#include "launch.h"
#include "pool.cuh"

__device__ __forceinline__ float normalised(const device_trial *t, uint8_t x, int channel)
{
  return __ldg(t->table + channel * 256 + x);
}

/* The byte image of place n of the batch. */
__device__ __forceinline__ const uint8_t *image_at(const device_trial *t, int n)
{
  return t->images + (int64_t)t->rows[n] * t->height * t->width * t->channels;
}

/* A: pixels of windows × (channel, tap). */
struct byte_pixels {
  static constexpr bool along_depth = true;
  const device_trial *t;
  int kernel, depth, height, width, channels;
  int y[2], x[2];
  const uint8_t *image[2];
  __device__ byte_pixels(const device_trial *t_, const device_conv &c, int windows, int first)
      : t(t_), kernel(c.kernel), depth(c.matrix.rows), height(c.in_height), width(c.in_width), channels(c.in_channels)
  {
    UNROLL
    for (int i = 0; i < 2; i++) {
      int m = first + fetch_row<true>(i);
      window_pixel p(c, m / 4, m % 4);
      image[i] = m / 4 < windows ? image_at(t, p.image) : nullptr;
      y[i] = p.y * c.stride - c.pad;
      x[i] = p.x * c.stride - c.pad;
    }
  }
  __device__ float one(int which, int k) const
  {
    int taps = kernel * kernel, channel = k / taps, tap = k - channel * taps;
    int row = y[which] + tap / kernel, column = x[which] + tap % kernel;
    if (k >= depth || row < 0 || row >= height || column < 0 || column >= width) return 0;
    return normalised(t, image[which][(row * width + column) * channels + channel], channel);
  }
  __device__ float4 fetch(int which, int k) const
  {
    if (!image[which]) return zero4();
    return make_float4(one(which, k), one(which, k + 1), one(which, k + 2), one(which, k + 3));
  }
};

__global__ void __launch_bounds__(TILE_THREADS) conv2d_first_forward(const device_trial *trials, device_tiles tiles)
{
  __shared__ gemm_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
  const device_conv c = t->conv[0];
  const int columns = divide_up(c.matrix.columns, TILE_COLUMNS);
  const int first = index / columns * TILE_ROWS, column = index % columns * TILE_COLUMNS;
  const int windows = t->state->count * c.pool_height * c.pool_width;
  if (first / 4 >= windows) return;
  float sum[4][4];
  gemm_tile<false>(
      byte_pixels(t, c, windows, first),
      matrix_plain(t->weights + c.matrix.weight, c.matrix.columns, c.matrix.columns, c.matrix.rows, column),
      c.matrix.rows, sum, shared);
  store_window(t, 0, first / 4 + tile_row(), column + 4 * tile_column(), windows, sum);
}

/* A: (channel, tap) × the pixels of windows begin ... end - 1, four a window, and a row of ones. */
struct byte_pixels_by_tap {
  static constexpr bool along_depth = false;
  const device_trial *t;
  const device_conv &c;
  int begin, end;
  int row[2]; /* of the matrix */
  __device__ byte_pixels_by_tap(const device_trial *t_, const device_conv &c_, int begin_, int end_, int first)
      : t(t_), c(c_), begin(begin_), end(end_), row{first + fetch_row<false>(0), first + fetch_row<false>(1)}
  {
  }
  /* y, x: of the kernel's corner. */
  __device__ float one(const uint8_t *image, int y, int x, int m) const
  {
    if (m >= c.matrix.rows) return m == c.matrix.rows ? 1 : 0;
    int taps = c.kernel * c.kernel, channel = m / taps, tap = m - channel * taps;
    y += tap / c.kernel;
    x += tap % c.kernel;
    if (y < 0 || y >= c.in_height || x < 0 || x >= c.in_width) return 0;
    return normalised(t, image[(y * c.in_width + x) * c.in_channels + channel], channel);
  }
  __device__ float4 fetch(int which, int k) const
  {
    int window = begin + k / 4, m = row[which];
    if (window >= end || m > c.matrix.rows) return zero4();
    window_pixel p(c, window, k % 4);
    const uint8_t *image = image_at(t, p.image);
    int y = p.y * c.stride - c.pad, x = p.x * c.stride - c.pad;
    float4 v;
    v.x = one(image, y, x, m);
    v.y = one(image, y, x, m + 1);
    v.z = one(image, y, x, m + 2);
    v.w = one(image, y, x, m + 3);
    return v;
  }
};

__global__ void __launch_bounds__(TILE_THREADS) conv2d_first_backward(const device_trial *trials, device_tiles tiles)
{
  __shared__ gemm_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  const device_conv c = t->conv[0];
  const weight_tile tile(c, t->batch, t->state->count, index);
  float sum[4][4];
  gemm_tile<false>(byte_pixels_by_tap(t, c, tile.begin, tile.end, tile.first),
                   window_gradients(c, tile.begin, tile.end, tile.column), 4 * (tile.end - tile.begin), sum, shared);
  store_partial(t, c.matrix, tile.split, tile.first, tile.column, sum);
}

/* ---- launchers ------------------------------------------------------------------------------------------------------------- */

int conv2d_forward_launch(const device_trial *trials, device_tiles tiles, int layer, int precision, void *stream);
int conv2d_backward_launch(const device_trial *trials, device_tiles tiles, int layer, int precision, void *stream);

int network_forward(const device_trial *trials, device_tiles tiles, int layer, int precision, void *stream)
{
  if (layer > 0) return conv2d_forward_launch(trials, tiles, layer, precision, stream);
  return launch(conv2d_first_forward, dim3(tiles.room), dim3(TILE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}

int network_backward(const device_trial *trials, device_tiles tiles, int layer, int precision, void *stream)
{
  if (layer > 0) return conv2d_backward_launch(trials, tiles, layer, precision, stream);
  return launch(conv2d_first_backward, dim3(tiles.room), dim3(TILE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}
