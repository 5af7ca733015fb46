/* Convolution forward, with bias, ReLU and pool, and its data gradient by tensor cores
 * (conv2d_tensor.cuh).
 *
 * The weights are A (16 rows: filters, or channels for the gradient), the pixels B (8 columns: one
 * pixel of each of eight windows).  The four sums of a pooling window end in one thread, so bias,
 * pool, ReLU and the argmax byte are a few instructions at its end.
 *
 * The data gradient at stride 1 keeps the pooled gradient in shared memory, in *words*: the value
 * in TF32, and in the 13 bits that it has not, the argmax byte.  That is a quarter of the gradient
 * before the pool, from which a lane selects the pixels under its window.  At stride 2 it keeps the
 * gradient before the pool: each of a window's pixels has a quarter of the taps, which are known
 * where the code is compiled.
 *
 * A sum's order is multiply()'s, whatever the windows of a block and the channels in shared memory
 * at a time. */
#include "kernels/conv2d.h"
#include "kernels/conv2d_tensor.cuh"
#include "kernels/launch.h"
#include "kernels/pool.cuh"

/* ---- forward --------------------------------------------------------------------------------- */

/* A warp has one group of eight windows: warps in number hide more than wider ones save. */
template <int K> struct tensor_forward_block {
  static constexpr int WARPS = K == 3 ? 8 : 4, THREADS = WARPS * 32, BLOCKS = K == 3 ? 2 : 3;
  static constexpr int BYTES = K == 3 ? 112 * 1024 : 75 * 1024;
  static constexpr int DEEP = K == 3 ? 32 : 8,
                       STAGE = K == 3 ? 16 : 8; /* channels at a time, and of a group of copies */
  static constexpr int PIXEL = DEEP + 4, WEIGHTS = fragment_floats(K, DEEP);
};

template <int K, int S> struct forward_reach {
  static constexpr int SIZE = K + S;
  static __device__ __forceinline__ constexpr int at(int tap, int pixel)
  {
    return tap + S * pixel;
  }
  static __device__ __forceinline__ constexpr int known(int taps)
  {
    return taps == 0 ? 0 : taps + S;
  }
};

/* Rows of a map under one window. */
template <int SIZE, int PIXEL> struct map_pixels {
  const float *at;
  int row_floats;
  __device__ __forceinline__ void move(int eights)
  {
    at += 8 * eights;
  }
  __device__ __forceinline__ void load(float2 (&to)[SIZE], int row) const
  {
    UNROLL
    for (int i = 0; i < SIZE; i++) to[i] = *(const float2 *)(at + row * row_floats + i * PIXEL);
  }
};

template <int K, int S> __device__ __forceinline__ void tensor_forward_tile(const device_trial *t, int layer, int index)
{
  typedef tensor_forward_block<K> block;
  constexpr int STEP = 2 * S, DEEP = block::DEEP, STAGES = DEEP / block::STAGE;
  DYNAMIC_SHARED(float, shared);
  const device_conv &c = t->conv[layer];
  const device_grid &g = c.tensor.forward;
  const int channels = c.in_channels, filters = c.matrix.columns, filter_tiles = divide_up(filters, TENSOR_FILTERS);
  const int first = index / filter_tiles * g.windows, filter = index % filter_tiles * TENSOR_FILTERS;
  const int windows = grid_windows(g, t->state->count);
  if (first >= windows) return;
  const int last = min(first + g.windows, windows) - 1, row0 = window_place(g, first, STEP).row;
  const int rows = window_place(g, last, STEP).row + S + K - row0;
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, own = first + 8 * warp;
  const bool used = 8 * warp < g.windows && own <= last; /* of the whole warp */
  float *const patch = shared + block::WEIGHTS;
  const patch_images images = {t->state->count, c.in_height, c.in_width, channels, c.pad, g.columns * STEP};
  const float *const map = t->conv[layer - 1].map, *const weights = t->weights + c.matrix.weight;
  map_pixels<S + K, block::PIXEL> pixels;
  {
    const window_place p(g, min(own + lane / 4, last), STEP);
    pixels.row_floats = g.row_floats;
    pixels.at = patch + (p.row - row0) * g.row_floats + STEP * p.column * block::PIXEL + 2 * (lane % 4);
  }
  tensor_sums sum;
  sum.clear();
  NO_UNROLL
  for (int channel = 0; channel < channels; channel += DEEP) {
    if (channel > 0) __syncthreads();
    UNROLL
    for (int s = 0; s < STAGES; s++) {
      if (channel + s * block::STAGE < channels)
        copy_patch<block::STAGE, block::PIXEL, block::THREADS>(patch + s * block::STAGE, map, images, g, row0, rows,
                                                               channel + s * block::STAGE);
      async_commit();
    }
    fill_weights<K, DEEP, block::THREADS>(shared, weights, channels, filters, channel, filter);
    const int eights = min(DEEP, channels - channel) / 8, of_stage = block::STAGE / 8;
    NO_UNROLL
    for (int s = 0; s < STAGES; s++) { /* the first is multiplied while the other is on its way */
      if (s + 1 < STAGES)
        async_wait<1>();
      else
        async_wait<0>();
      __syncthreads();
      if (used)
        multiply<K, DEEP, forward_reach<K, S>>(sum, pixels, shared + fragment_place(lane / 4, lane % 4), s * of_stage,
                                               min((s + 1) * of_stage, eights));
    }
  }
  if (!used) return;
  const int all = t->state->count * c.pool_height * c.pool_width;
  UNROLL
  for (int side = 0; side < 2; side++) {
    const int window = own + 2 * (lane % 4) + side;
    const image_place p(g, window);
    if (window > last || p.column >= c.pool_width) continue;
    float four[4][4];
    UNROLL
    for (int q = 0; q < 4; q++) UNROLL
    for (int j = 0; j < 4; j++) four[q][j] = sum.of[q][j / 2][j % 2 * 2 + side];
    store_window(t, layer, (p.image * c.pool_height + p.row) * c.pool_width + p.column, filter + lane / 4 * 4, all,
                 four, true);
  }
}

template <int K>
__global__ void __launch_bounds__(tensor_forward_block<K>::THREADS, tensor_forward_block<K>::BLOCKS)
    conv2d_forward_tensor(const device_trial *trials, device_tiles tiles, int layer)
{
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
  if (t->conv[layer].stride == 1)
    tensor_forward_tile<K, 1>(t, layer, index);
  else
    tensor_forward_tile<K, 2>(t, layer, index);
}

/* ---- data gradient --------------------------------------------------------------------------- */

template <int K> struct tensor_data_block {
  static constexpr int WARPS = K == 3 ? 8 : 4, THREADS = WARPS * 32, BLOCKS = K == 3 ? 2 : 3;
  static constexpr int BYTES = K == 3 ? 80 * 1024 : 75 * 1024;
  static constexpr int DEEP = K == 3 ? 32 : 8; /* filters at a time */
  static constexpr int PIXEL = K == 3 ? DEEP + 8 : DEEP, WEIGHTS = fragment_floats(K, DEEP);
};

/* What of the gradient a window of the input sees.  Taps count from the last, so that a pixel of
 * the input, y, has the tap's part from row (y − before + tap) / S of the gradient before the pool,
 * before = K − 1 − pad.  ODD: at stride 1 whether `before` is odd, at stride 2 whether pad is. */
template <int K, int S, int ODD> struct data_reach {
  static constexpr int SIZE = S == 1 ? K + 1 : (K + 1) / 2;              /* of the gradient before the pool */
  static constexpr int UNDER = S == 1 ? (K + 2 + ODD) / 2 : (K + 1) / 2; /* of what is in shared memory */
  static __device__ __forceinline__ constexpr int at(int tap, int pixel)
  {
    return S == 1 ? tap + pixel : (tap + pixel + ODD) % 2 ? -1 : (tap + pixel - ODD) / 2;
  }
  static __device__ __forceinline__ constexpr int known(int taps)
  {
    return taps == 0 ? 0 : S == 1 ? taps + 1 : (taps - ODD) / 2 + 1;
  }
  static __device__ __forceinline__ int pad(int pad) /* before row 0 of what is in shared memory */
  {
    return S == 1 ? (K - pad) / 2 : (K - 1) / 2 - (pad + 1) / 2;
  }
};

/* A word: a pooled gradient in TF32, its argmax byte in the last bits.  What is not a number has
 * bits there, too. */
__device__ __forceinline__ float word_of(float gradient, unsigned which)
{
  const unsigned value = __float_as_uint(to_tf32(gradient)) & ~7u;
  return __uint_as_float(which >= DEVICE_POOL_MASKED ? (unsigned)DEVICE_POOL_MASKED : value | which);
}
/* The gradient at pixel p of the window. */
__device__ __forceinline__ float unpooled(float word, unsigned p)
{
  const unsigned bits = __float_as_uint(word);
  return __uint_as_float((bits & 7u) == p ? bits & ~7u : 0u);
}

/* Rows of the gradient before the pool under windows, out of words (stride 1), or as they lie. */
template <int K, int S, int ODD, int PIXEL> struct gradient_pixels {
  static constexpr int SIZE = data_reach<K, S, ODD>::SIZE;
  const float *at;
  int row_floats;
  __device__ __forceinline__ void move(int eights)
  {
    at += 8 * eights;
  }
  __device__ __forceinline__ void load(float2 (&to)[SIZE], int row) const
  {
    if constexpr (S == 1) {
      const unsigned down = (unsigned)((row + ODD) & 1) * 2;
      UNROLL
      for (int m = 0; m < (SIZE + 1 + ODD) / 2; m++) {
        const float2 w = *(const float2 *)(at + ((row + ODD) >> 1) * row_floats + m * PIXEL);
        UNROLL
        for (int side = 0; side < 2; side++) {
          const int column = 2 * m + side - ODD;
          if (column < 0 || column >= SIZE) continue;
          to[column] = make_float2(unpooled(w.x, down + (unsigned)side), unpooled(w.y, down + (unsigned)side));
        }
      }
    } else {
      UNROLL
      for (int m = 0; m < SIZE; m++) to[m] = *(const float2 *)(at + row * row_floats + m * PIXEL);
    }
  }
};

/* Virtual rows of the gradient of filters `filter` ... + DEEP - 1: the pooled one in words (stride
 * 1), or the one before the pool. */
template <int S, int DEEP, int PIXEL, int THREADS>
__device__ __forceinline__ void fill_gradient(float *patch, const device_conv &c, const patch_images &m,
                                              const device_grid &g, int first_row, int rows, int filter)
{
  constexpr int QUADS = DEEP / 4, AHEAD = 4; /* pairs of loads on their way */
  static_assert(THREADS % QUADS == 0, "a thread keeps its filters");
  const float *gradient = c.gradient;
  const uint8_t *argmax = c.argmax;
  const int quad = (int)threadIdx.x % QUADS * 4, filters = m.channels, row_floats = g.row_floats;
  const int pool_width = c.pool_width;
  const bool has = filter + quad < filters;
  patch_cursor k(g, first_row, (int)threadIdx.x / QUADS, THREADS / QUADS);
  NO_UNROLL
  while (k.row < rows) {
    float4 v[AHEAD];
    uchar4 which[AHEAD];
    int to[AHEAD], pixel[AHEAD];
    UNROLL
    for (int u = 0; u < AHEAD; u++) {
      int at;
      const bool there = pixel_inside(m, k, &at) && has && k.row < rows;
      pixel[u] = 0;
      if (S == 2) {
        const int y = k.y - m.pad, x = k.strip * m.across + k.column - m.pad;
        at = (k.image * (m.height >> 1) + (y >> 1)) * pool_width + (x >> 1);
        pixel[u] = (y & 1) * 2 + (x & 1);
      }
      v[u] = zero4();
      which[u] = make_uchar4(DEVICE_POOL_MASKED, DEVICE_POOL_MASKED, DEVICE_POOL_MASKED, DEVICE_POOL_MASKED);
      to[u] = k.row < rows ? k.row * row_floats + k.column * PIXEL + quad : -1;
      if (there) {
        v[u] = load4(gradient + at * filters + filter + quad);
        which[u] = *(const uchar4 *)(argmax + at * filters + filter + quad);
      }
      k.next(g);
    }
    UNROLL
    for (int u = 0; u < AHEAD; u++) {
      if (to[u] < 0) continue;
      const float4 x = v[u];
      const uchar4 w = which[u];
      const int p = pixel[u];
      *(float4 *)(patch + to[u]) =
          S == 1 ? make_float4(word_of(x.x, w.x), word_of(x.y, w.y), word_of(x.z, w.z), word_of(x.w, w.w))
                 : to_tf32(make_float4(w.x == p ? x.x : 0, w.y == p ? x.y : 0, w.z == p ? x.z : 0, w.w == p ? x.w : 0));
    }
  }
}

/* Which windows and channels a block has.  Made anew where it is needed, since what a thread keeps
 * over the products is not in its registers then. */
struct data_tile {
  int first, last, row0, rows, channel;
  __device__ __forceinline__ data_tile(const device_trial *t, int layer, int index, int under)
  {
    const device_conv &c = t->conv[layer];
    const device_grid &g = c.tensor.data;
    const int channel_tiles = divide_up(c.in_channels, TENSOR_FILTERS), windows = grid_windows(g, t->state->count);
    first = index / channel_tiles * g.windows;
    channel = index % channel_tiles * TENSOR_FILTERS;
    last = min(first + g.windows, windows) - 1;
    row0 = window_place(g, first, 1).row;
    rows = window_place(g, last, 1).row + under - row0;
  }
};

template <int K, int S, int ODD>
__device__ __forceinline__ void tensor_data_gradient(const device_trial *t, int layer, int index)
{
  typedef tensor_data_block<K> block;
  typedef data_reach<K, S, ODD> reach;
  constexpr int DEEP = block::DEEP, PIXEL = block::PIXEL;
  DYNAMIC_SHARED(float, shared);
  float *const patch = shared + block::WEIGHTS;
  const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  gradient_pixels<K, S, ODD, PIXEL> pixels;
  bool used; /* of the whole warp */
  {
    const device_grid &g = t->conv[layer].tensor.data;
    const data_tile tile(t, layer, index, reach::UNDER);
    if (tile.first > tile.last) return;
    used = 8 * warp < g.windows && tile.first + 8 * warp <= tile.last;
    const window_place p(g, min(tile.first + 8 * warp + lane / 4, tile.last), 1);
    pixels.row_floats = g.row_floats;
    pixels.at = patch + (p.row - tile.row0) * g.row_floats + p.column * PIXEL + 2 * (lane % 4);
  }
  tensor_sums sum;
  sum.clear();
  NO_UNROLL
  for (int filter = 0; filter < t->conv[layer].matrix.columns; filter += DEEP) {
    __syncthreads();
    {
      const device_conv &c = t->conv[layer];
      const device_grid &g = c.tensor.data;
      const data_tile tile(t, layer, index, reach::UNDER);
      const patch_images images = {t->state->count,  S * c.pool_height, S * c.pool_width,
                                   c.matrix.columns, reach::pad(c.pad), g.columns};
      fill_weights_back<K, DEEP, block::THREADS>(shared, t->weights + c.matrix.weight, c.in_channels, c.matrix.columns,
                                                 tile.channel, filter);
      fill_gradient<S, DEEP, PIXEL, block::THREADS>(patch, c, images, g, tile.row0, tile.rows, filter);
    }
    __syncthreads();
    if (used)
      multiply<K, DEEP, reach>(sum, pixels, shared + fragment_place(lane / 4, lane % 4), 0,
                               min(DEEP, t->conv[layer].matrix.columns - filter) / 8);
  }
  const device_conv &c = t->conv[layer];
  const data_tile tile(t, layer, index, reach::UNDER);
  const int channels = c.in_channels, channel = tile.channel + lane / 4 * 4, height = c.in_height, width = c.in_width;
  if (!used || channel >= channels) return;
  float *const to = t->conv[layer - 1].gradient + channel;
  UNROLL
  for (int side = 0; side < 2; side++) {
    const int window = tile.first + 8 * warp + 2 * (lane % 4) + side;
    if (window > tile.last) continue;
    const image_place p(c.tensor.data, window);
    UNROLL
    for (int q = 0; q < 4; q++) {
      const int y = 2 * p.row + q / 2, x = 2 * p.column + q % 2;
      if (y >= height || x >= width) continue;
      const float(&of)[2][4] = sum.of[q];
      *(float4 *)(to + ((p.image * height + y) * width + x) * channels) =
          make_float4(of[0][side], of[0][2 + side], of[1][side], of[1][2 + side]);
    }
  }
}

template <int K>
__global__ void __launch_bounds__(tensor_data_block<K>::THREADS, tensor_data_block<K>::BLOCKS)
    conv2d_data_gradient_tensor(const device_trial *trials, device_tiles tiles, int layer)
{
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  const int stride = t->conv[layer].stride;
  if constexpr (K == 3) {
    const bool same = t->conv[layer].pad == 1;
    if (stride == 1) {
      if (same)
        tensor_data_gradient<K, 1, 1>(t, layer, index);
      else
        tensor_data_gradient<K, 1, 0>(t, layer, index);
    } else if (same) {
      tensor_data_gradient<K, 2, 1>(t, layer, index);
    } else {
      tensor_data_gradient<K, 2, 0>(t, layer, index);
    }
  } else if (stride == 1) {
    tensor_data_gradient<K, 1, 0>(t, layer, index);
  } else {
    tensor_data_gradient<K, 2, 0>(t, layer, index);
  }
}

/* ---- grids and launchers --------------------------------------------------------------------- */

template <int K, int S> static bool grids_of(struct device_conv *c)
{
  typedef tensor_forward_block<K> forward;
  typedef tensor_data_block<K> data;
  const int odd = S == 1 ? (K - 1 - c->pad) % 2 : c->pad % 2;
  if (c->pad != 0 && c->pad != (K - 1) / 2) return false;
  const int most = forward::BYTES < c->shared ? forward::BYTES : c->shared;
  const grid_limits f = {2 * S, S + K, forward::PIXEL, most / 4 - forward::WEIGHTS, forward::WARPS * 8, 8};
  const grid_limits d = {
      1, S == 1 ? (K + 2 + odd) / 2 : (K + 1) / 2, data::PIXEL, data::BYTES / 4 - data::WEIGHTS, data::WARPS * 8, 8};
  return grid_make(&c->tensor.forward, f, c->pool_height, c->pool_width) &&
         grid_make(&c->tensor.data, d, divide_up(c->in_height, 2), divide_up(c->in_width, 2));
}

void conv2d_tensor_grids(struct device_conv *c)
{
  bool fit = false;
  c->tensor = {};
  if (c->in_channels % 8 == 0 && c->matrix.columns % 8 == 0) {
    if (c->kernel == 3 && c->stride == 1) fit = grids_of<3, 1>(c);
    if (c->kernel == 3 && c->stride == 2) fit = grids_of<3, 2>(c);
    if (c->kernel == 5 && c->stride == 1) fit = grids_of<5, 1>(c);
    if (c->kernel == 5 && c->stride == 2) fit = grids_of<5, 2>(c);
  }
  if (!fit) c->tensor = {};
}

/* Blocks of the batch's windows × columns of 32. */
static int tensor_tiles(const struct device_trial *t, const struct device_grid *g, int columns)
{
  if (g->rows == 0) return 0;
  return divide_up(grid_windows(*g, t->batch), g->windows) * divide_up(columns, TENSOR_FILTERS);
}

static int forward_tiles(const struct device_trial *t, int layer, int kernel)
{
  const struct device_conv *c = &t->conv[layer];
  return layer > 0 && c->kernel == kernel ? tensor_tiles(t, &c->tensor.forward, c->matrix.columns) : 0;
}

static int data_tiles(const struct device_trial *t, int layer, int kernel)
{
  const struct device_conv *c = &t->conv[layer];
  return layer > 0 && c->kernel == kernel ? tensor_tiles(t, &c->tensor.data, c->in_channels) : 0;
}

int step_tiles_forward_tensor_3(const struct device_trial *t, int layer)
{
  return forward_tiles(t, layer, 3);
}
int step_tiles_forward_tensor_5(const struct device_trial *t, int layer)
{
  return forward_tiles(t, layer, 5);
}
int step_tiles_data_gradient_tensor_3(const struct device_trial *t, int layer)
{
  return data_tiles(t, layer, 3);
}
int step_tiles_data_gradient_tensor_5(const struct device_trial *t, int layer)
{
  return data_tiles(t, layer, 5);
}

int step_forward_tensor_3(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_large(conv2d_forward_tensor<3>, dim3(tiles.room), dim3(tensor_forward_block<3>::THREADS),
                      conv2d_block_bytes(tensor_forward_block<3>::BYTES), (cudaStream_t)stream, trials, tiles, layer);
}
int step_forward_tensor_5(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_large(conv2d_forward_tensor<5>, dim3(tiles.room), dim3(tensor_forward_block<5>::THREADS),
                      tensor_forward_block<5>::BYTES, (cudaStream_t)stream, trials, tiles, layer);
}
int step_data_gradient_tensor_3(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_large(conv2d_data_gradient_tensor<3>, dim3(tiles.room), dim3(tensor_data_block<3>::THREADS),
                      tensor_data_block<3>::BYTES, (cudaStream_t)stream, trials, tiles, layer);
}
int step_data_gradient_tensor_5(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_large(conv2d_data_gradient_tensor<5>, dim3(tiles.room), dim3(tensor_data_block<5>::THREADS),
                      tensor_data_block<5>::BYTES, (cudaStream_t)stream, trials, tiles, layer);
}
