/* The first convolution of any kernel and stride, where conv2d_first.cu has none of its own.
 *
 * A tile's rows are the pixels of pooling windows, as in conv2d.cu; its depth is (channel, tap);
 * what is fetched is a byte of the image that the epoch's order puts at that place of the batch,
 * normalised.  FP32 in both precisions; where the others are in TF32 the map is kept in it. */
#include "kernels/conv2d.h"
#include "kernels/gemm_tile.cuh"
#include "kernels/launch.h"
#include "kernels/pool.cuh"

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
  int kernel, taps, depth, height, width, channels;
  device_divisor by_taps, by_kernel;
  int y[2], x[2];
  const uint8_t *image[2];
  __device__ byte_pixels(const device_trial *t_, const device_conv &c, int windows, int first)
      : t(t_), kernel(c.kernel), taps(c.kernel * c.kernel), depth(c.matrix.rows), height(c.in_height),
        width(c.in_width), channels(c.in_channels), by_taps(c.by_taps), by_kernel(c.by_kernel)
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
    int channel = divide(k, by_taps), tap = k - channel * taps, down = divide(tap, by_kernel);
    int row = y[which] + down, column = x[which] + tap - down * kernel;
    if (k >= depth || row < 0 || row >= height || column < 0 || column >= width) return 0;
    return normalised(t, image[which][(row * width + column) * channels + channel], channel);
  }
  __device__ float4 fetch(int which, int k) const
  {
    if (!image[which]) return zero4();
    return make_float4(one(which, k), one(which, k + 1), one(which, k + 2), one(which, k + 3));
  }
};

__global__ void __launch_bounds__(TILE_THREADS, TILE_BLOCKS_WIDE)
    conv2d_first_forward_general(const device_trial *trials, device_tiles tiles, bool tf32)
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
  store_window(t, 0, first / 4 + tile_row(), column + 4 * tile_column(), windows, sum, tf32);
}

/* A: (channel, tap) × the pixels of windows begin ... end - 1, four a window, and a row of ones.
 * Both of a thread's places have the same four rows, so what they are is computed once. */
struct byte_pixels_by_tap {
  static constexpr bool along_depth = false;
  static constexpr int ONES = 1 << 30, NOTHING = 1 << 29;
  const device_trial *t;
  const device_conv c;
  int begin, end;
  int tap[4];    /* of a row: channel << 16 | kh << 8 | kw; or one of the above */
  int offset[4]; /* in bytes, from the kernel's corner */
  __device__ byte_pixels_by_tap(const device_trial *t_, const device_conv &c_, int begin_, int end_, int first)
      : t(t_), c(c_), begin(begin_), end(end_)
  {
    static_assert(TILE_THREADS % (TILE_ROWS / 4) == 0, "the same rows at both places");
    UNROLL
    for (int i = 0; i < 4; i++) {
      int m = first + fetch_row<false>(0) + i, channel = divide(m, c.by_taps), rest = m - channel * c.kernel * c.kernel;
      int down = divide(rest, c.by_kernel), right = rest - down * c.kernel;
      tap[i] = m < c.matrix.rows ? channel << 16 | down << 8 | right : m == c.matrix.rows ? ONES : NOTHING;
      offset[i] = (down * c.in_width + right) * c.in_channels + channel;
    }
  }
  /* corner: the byte of y, x, the kernel's corner, which may be outside. */
  __device__ float one(const uint8_t *image, int corner, int y, int x, int i) const
  {
    if (tap[i] >= NOTHING) return tap[i] == ONES ? 1 : 0;
    y += tap[i] >> 8 & 255;
    x += tap[i] & 255;
    if (y < 0 || y >= c.in_height || x < 0 || x >= c.in_width) return 0;
    return normalised(t, image[corner + offset[i]], tap[i] >> 16);
  }
  __device__ float4 fetch(int, int k) const
  {
    int window = begin + (k >> 2);
    if (window >= end || tap[0] == NOTHING) return zero4();
    window_pixel p(c, window, k & 3);
    const uint8_t *image = image_at(t, p.image);
    int y = p.y * c.stride - c.pad, x = p.x * c.stride - c.pad, corner = (y * c.in_width + x) * c.in_channels;
    return make_float4(one(image, corner, y, x, 0), one(image, corner, y, x, 1), one(image, corner, y, x, 2),
                       one(image, corner, y, x, 3));
  }
};

__global__ void __launch_bounds__(TILE_THREADS, TILE_BLOCKS_WIDE)
    conv2d_first_backward_general(const device_trial *trials, device_tiles tiles)
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

/* ---- launchers ------------------------------------------------------------------------------- */

int step_tiles_first_forward(const device_trial *t, int layer)
{
  return t->patches || layer > 0 ? 0 : conv2d_tiles_forward(t, 0);
}

int step_tiles_first_backward(const device_trial *t, int layer)
{
  return t->patches || layer > 0 ? 0 : conv2d_tiles_backward(t, 0);
}

int step_first_forward(const device_trial *trials, device_tiles tiles, int, enum precision precision, void *stream)
{
  return launch(conv2d_first_forward_general, dim3(tiles.room), dim3(TILE_THREADS), 0, (cudaStream_t)stream, trials,
                tiles, precision == PRECISION_TF32);
}

int step_first_backward(const device_trial *trials, device_tiles tiles, int, enum precision, void *stream)
{
  return launch(conv2d_first_backward_general, dim3(tiles.room), dim3(TILE_THREADS), 0, (cudaStream_t)stream, trials,
                tiles);
}
