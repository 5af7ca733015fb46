/* The weight gradient of a convolution by tensor cores (conv2d_tensor.cuh).
 *
 * The inputs are A (16 rows: channels 2g and 2g + 1 of 16; depth: one pixel of each of eight
 * windows), the gradients B (8 columns: filters), which the argmax byte selects out of the pooled
 * ones.  A pixel under the windows is loaded once for all of a warp's taps, and serves as it comes.
 *
 * A block has a part of the gradient (whole images, conv2d_splits), 16 channels and 32 filters.
 * Chunks of windows come into one of two buffers by asynchronous copies while the other is
 * multiplied: the pixels that they see, the pooled gradients and argmax bytes.
 *   kernel 3  a warp has all taps of 16 filters; two halves of the warps take groups of eight
 *             windows in turn, and are added at the end, the second onto the first
 *   kernel 5  a warp has a row of taps of 32 filters
 * Order of a part's sums: groups of windows as they lie (kernel 3: the even ones, then the odd
 * ones), of each the pixels 0 ... 3, of each the windows 0 ... 7.  How wide maps lie in strips
 * follows from their shape, and, of kernel 5, from the shared memory that the device gives a
 * block. */
#include "kernels/conv2d.h"
#include "kernels/conv2d_tensor.cuh"
#include "kernels/launch.h"

template <int K> struct tensor_weight_block {
  static constexpr int EIGHTS = K == 3 ? 2 : 4;   /* of filters, of a warp */
  static constexpr int TURNS = K == 3 ? 2 : 1;    /* of warps that take windows in turn */
  static constexpr int DOWN = K == 3 ? K : 1;     /* rows of taps of a warp */
  static constexpr int ACROSS = 4 / EIGHTS;       /* warps of different filters */
  static constexpr int PARTS = ACROSS * K / DOWN; /* of different sums */
  static constexpr int WARPS = PARTS * TURNS, THREADS = WARPS * 32, BLOCKS = K == 3 ? 3 : 2;
  static constexpr int CHANNELS = 16, PIXEL = CHANNELS + 4, WINDOWS = 32;
  static constexpr int GRADIENT = TENSOR_FILTERS + 8; /* floats of a window's gradients */
  /* Before the pixels of a buffer: gradients, argmax bytes, where a window's pixels are. */
  static constexpr int HEAD = WINDOWS * (GRADIENT + TENSOR_FILTERS / 4 + 1);
  static constexpr int BYTES = K == 3 ? 75 * 1024 - 128 : 112 * 1024; /* three blocks, with what they are for */
  static constexpr int SUMS = DOWN * K * EIGHTS * 4 + EIGHTS;         /* of a thread */
  static_assert(TURNS == 1 || PARTS * SUMS * 32 * 4 <= BYTES, "sums of one turn fit");
};

/* What a block is for; in shared memory, since registers are for sums. */
struct tensor_part {
  const device_trial *trial;
  int split, filter, channel;
  int begin, end; /* windows of its part */
  __device__ __forceinline__ void make(const device_trial *t, const device_conv &c, const device_grid &g, int index)
  {
    trial = t;
    const int filter_tiles = divide_up(c.matrix.columns, TENSOR_FILTERS), channel_tiles = divide_up(c.in_channels, 16);
    const int share = divide_up(t->batch, c.matrix.splits), count = t->state->count;
    split = index / (filter_tiles * channel_tiles);
    index -= split * filter_tiles * channel_tiles;
    filter = index / channel_tiles * TENSOR_FILTERS;
    channel = index % channel_tiles * 16;
    begin = grid_windows(g, min(split * share, count));
    end = grid_windows(g, min((split + 1) * share, count));
  }
};

/* Begins the copies of windows first ... of the part, as many as a chunk has, into a buffer. */
template <int K, int S>
__device__ __forceinline__ void fill_chunk(float *buffer, const tensor_part &tile, int layer, int first)
{
  typedef tensor_weight_block<K> block;
  constexpr int STEP = 2 * S;
  const device_trial *const t = tile.trial;
  const device_conv &c = t->conv[layer];
  const device_grid &g = c.tensor.weights;
  uint8_t *const bytes = (uint8_t *)(buffer + block::WINDOWS * block::GRADIENT);
  int *const table = (int *)(bytes + block::WINDOWS * TENSOR_FILTERS);
  const int last = min(first + g.windows, tile.end) - 1, row0 = window_place(g, first, STEP).row;
  const int rows = window_place(g, last, STEP).row + S + K - row0, filters = c.matrix.columns;
  NO_UNROLL
  for (int i = (int)threadIdx.x; i < g.windows; i += block::THREADS) {
    const window_place p(g, min(first + i, last), STEP);
    table[i] = (p.row - row0) * g.row_floats + STEP * p.column * block::PIXEL;
  }
  constexpr int ACROSS = TENSOR_FILTERS / 8; /* threads of a window */
  const int f = (int)threadIdx.x % ACROSS * 8;
  NO_UNROLL
  for (int w = (int)threadIdx.x / ACROSS; w < g.windows; w += block::THREADS / ACROSS) {
    const image_place p(g, first + w);
    const bool there = first + w <= last && tile.filter + f < filters && p.column < c.pool_width;
    const int window = (p.image * c.pool_height + p.row) * c.pool_width + p.column;
    const int at = there ? window * filters + tile.filter + f : 0;
    const float *const from = c.gradient + at;
    float *const to = buffer + w * block::GRADIENT + f;
    async_copy_16(to, from, there);
    async_copy_16(to + 4, from + 4, there);
    async_copy_8(bytes + w * TENSOR_FILTERS + f, c.argmax + at, there);
  }
  const patch_images images = {t->state->count, c.in_height, c.in_width, c.in_channels, c.pad, g.columns * STEP};
  copy_patch<block::CHANNELS, block::PIXEL, block::THREADS>(buffer + block::HEAD, t->conv[layer - 1].map, images, g,
                                                            row0, rows, tile.channel);
}

template <int K> struct tensor_weight_sums {
  typedef tensor_weight_block<K> block;
  float of[block::DOWN][K][block::EIGHTS][4], bias[block::EIGHTS];
  __device__ __forceinline__ void clear()
  {
    UNROLL
    for (int j = 0; j < block::EIGHTS; j++) {
      bias[j] = 0;
      UNROLL
      for (int y = 0; y < block::DOWN; y++) UNROLL
      for (int x = 0; x < K; x++) UNROLL
      for (int i = 0; i < 4; i++) of[y][x][j][i] = 0;
    }
  }
};

/* Adds a group of eight windows. */
template <int K, int S>
__device__ __forceinline__ void add_group(tensor_weight_sums<K> &sum, const float *buffer, int row_floats, int group,
                                          int filter, int tap_row)
{
  typedef tensor_weight_block<K> block;
  constexpr int EIGHTS = block::EIGHTS, DOWN = block::DOWN, PIXEL = block::PIXEL;
  const int lane = (int)threadIdx.x % 32;
  const uint8_t *const bytes = (const uint8_t *)(buffer + block::WINDOWS * block::GRADIENT);
  const int *const table = (const int *)(bytes + block::WINDOWS * TENSOR_FILTERS);
  float v[2][EIGHTS], b[4][EIGHTS][2]; /* gradients of the two windows; of each pixel */
  unsigned which[2];
  const float *at[2];
  UNROLL
  for (int half = 0; half < 2; half++) {
    const int w = 8 * group + 4 * half + lane % 4, f = filter + lane / 4 * EIGHTS;
    at[half] = buffer + block::HEAD + table[w] + lane / 4 * 2 + tap_row * row_floats;
    if constexpr (EIGHTS == 4) {
      const float4 x = load4(buffer + w * block::GRADIENT + f);
      v[half][0] = x.x, v[half][1] = x.y, v[half][2] = x.z, v[half][3] = x.w;
      which[half] = *(const uint32_t *)(bytes + w * TENSOR_FILTERS + f);
    } else {
      const float2 x = *(const float2 *)(buffer + w * block::GRADIENT + f);
      v[half][0] = x.x, v[half][1] = x.y;
      which[half] = *(const uint16_t *)(bytes + w * TENSOR_FILTERS + f);
    }
    UNROLL
    for (int j = 0; j < EIGHTS; j++) {
      v[half][j] = to_tf32(v[half][j]);
      sum.bias[j] += (which[half] >> 8 * j & 7u) < DEVICE_POOL_MASKED ? v[half][j] : 0;
    }
  }
  /* Of pixel p, and the products with a row of pixels y below the first tap's. */
  auto select = [&](float(&to)[EIGHTS][2], int p) {
    UNROLL
    for (int j = 0; j < EIGHTS; j++) UNROLL
    for (int half = 0; half < 2; half++) to[j][half] = (which[half] >> 8 * j & 7u) == (unsigned)p ? v[half][j] : 0;
  };
  float4 a[K + S];
  auto load_row = [&](int y) {
    UNROLL
    for (int x = 0; x < K + S; x++) {
      const float2 l = *(const float2 *)(at[0] + y * row_floats + x * PIXEL);
      const float2 r = *(const float2 *)(at[1] + y * row_floats + x * PIXEL);
      a[x] = make_float4(l.x, l.y, r.x, r.y);
    }
  };
  if constexpr (DOWN == 1) {
    NO_UNROLL
    for (int row = 0; row < 2; row++) { /* of the window's pixels */
      load_row(S * row);
      UNROLL
      for (int side = 0; side < 2; side++) {
        select(b[side], 2 * row + side);
        UNROLL
        for (int right = 0; right < K; right++) UNROLL
        for (int j = 0; j < EIGHTS; j++)
          tensor_multiply(sum.of[0][right][j], a[right + S * side], b[side][j][0], b[side][j][1]);
      }
    }
  } else {
    UNROLL
    for (int p = 0; p < 4; p++) select(b[p], p);
    UNROLL
    for (int y = 0; y < DOWN + S; y++) {
      load_row(y);
      UNROLL
      for (int p = 0; p < 4; p++) {
        const int down = y - S * (p / 2);
        if (down < 0 || down >= DOWN) continue;
        UNROLL
        for (int right = 0; right < K; right++) UNROLL
        for (int j = 0; j < EIGHTS; j++)
          tensor_multiply(sum.of[down][right][j], a[right + S * (p % 2)], b[p][j][0], b[p][j][1]);
      }
    }
  }
}

/* The second turn's sums onto the first's. */
template <int K>
__device__ __forceinline__ void add_turns(tensor_weight_sums<K> &sum, float *shared, int part, int turn)
{
  typedef tensor_weight_block<K> block;
  float *const at = shared + part * block::SUMS * 32 + threadIdx.x % 32;
  float *const bias = at + block::DOWN * K * block::EIGHTS * 4 * 32;
  static_assert(block::TURNS == 2, "");
  if (turn == 1) {
    UNROLL
    for (int y = 0; y < block::DOWN; y++) UNROLL
    for (int x = 0; x < K; x++) UNROLL
    for (int j = 0; j < block::EIGHTS; j++) UNROLL
    for (int i = 0; i < 4; i++) at[(((y * K + x) * block::EIGHTS + j) * 4 + i) * 32] = sum.of[y][x][j][i];
    UNROLL
    for (int j = 0; j < block::EIGHTS; j++) bias[j * 32] = sum.bias[j];
  }
  __syncthreads();
  if (turn == 1) return;
  UNROLL
  for (int y = 0; y < block::DOWN; y++) UNROLL
  for (int x = 0; x < K; x++) UNROLL
  for (int j = 0; j < block::EIGHTS; j++) UNROLL
  for (int i = 0; i < 4; i++) sum.of[y][x][j][i] += at[(((y * K + x) * block::EIGHTS + j) * 4 + i) * 32];
  UNROLL
  for (int j = 0; j < block::EIGHTS; j++) sum.bias[j] += bias[j * 32];
}

/* Four neighbouring filters each, of two channels; the biases by the lanes of t = 0. */
template <int K>
__device__ __forceinline__ void store_weights(tensor_weight_sums<K> &sum, const tensor_part &tile, int layer,
                                              int filter, int tap_row)
{
  typedef tensor_weight_block<K> block;
  const device_trial *const t = tile.trial;
  const device_conv &c = t->conv[layer];
  constexpr int EIGHTS = block::EIGHTS;
  const int lane = (int)threadIdx.x % 32, channels = c.in_channels, filters = c.matrix.columns;
  float *const to = t->partial + c.matrix.partial + (int64_t)tile.split * (c.matrix.rows + 1) * filters;
  UNROLL
  for (int j = 0; j < EIGHTS; j++) {
    sum.bias[j] += __shfl_xor_sync(0xffffffffu, sum.bias[j], 1);
    sum.bias[j] += __shfl_xor_sync(0xffffffffu, sum.bias[j], 2);
    const int f = filter + lane / 4 * EIGHTS + j;
    if (tile.channel == 0 && tap_row == 0 && lane % 4 == 0 && f < filters)
      to[(int64_t)c.matrix.rows * filters + f] = sum.bias[j];
  }
  const int f = filter + lane % 4 * 2 * EIGHTS;
  if (f >= filters) return;
  UNROLL
  for (int half = 0; half < 2; half++) {
    const int channel = tile.channel + lane / 4 * 2 + half;
    if (channel >= channels) continue;
    UNROLL
    for (int down = 0; down < block::DOWN; down++) UNROLL
    for (int right = 0; right < K; right++) {
      float *const p = to + (int64_t)(((tap_row + down) * K + right) * channels + channel) * filters + f;
      const float(&of)[EIGHTS][4] = sum.of[down][right];
      if constexpr (EIGHTS == 4) {
        *(float4 *)p = make_float4(of[0][2 * half], of[1][2 * half], of[2][2 * half], of[3][2 * half]);
        *(float4 *)(p + 4) =
            make_float4(of[0][2 * half + 1], of[1][2 * half + 1], of[2][2 * half + 1], of[3][2 * half + 1]);
      } else {
        *(float4 *)p = make_float4(of[0][2 * half], of[1][2 * half], of[0][2 * half + 1], of[1][2 * half + 1]);
      }
    }
  }
}

template <int K, int S>
__device__ __forceinline__ void tensor_weight_gradient(tensor_part &tile, const device_trial *trial, int layer,
                                                       int index)
{
  typedef tensor_weight_block<K> block;
  DYNAMIC_SHARED(float, shared);
  if (threadIdx.x == 0) tile.make(trial, trial->conv[layer], trial->conv[layer].tensor.weights, index);
  __syncthreads();
  const int warp = (int)threadIdx.x / 32, turn = warp / block::PARTS, part = warp % block::PARTS;
  const int across = part % block::ACROSS * 8 * block::EIGHTS, tap_row = part / block::ACROSS * block::DOWN;
  const device_grid &g = tile.trial->conv[layer].tensor.weights;
  const int other = block::HEAD + g.patch_floats;
  tensor_weight_sums<K> sum;
  sum.clear();
  if (tile.begin < tile.end) fill_chunk<K, S>(shared, tile, layer, tile.begin);
  async_commit();
  int now = 0; /* of the two buffers */
  NO_UNROLL
  for (int first = tile.begin; first < tile.end; first += g.windows) {
    const float *const buffer = shared + now;
    now = other - now;
    if (first + g.windows < tile.end) fill_chunk<K, S>(shared + now, tile, layer, first + g.windows);
    async_commit();
    async_wait<1>();
    __syncthreads();
    NO_UNROLL
    for (int group = turn; group < g.windows / 8; group += block::TURNS)
      add_group<K, S>(sum, buffer, g.row_floats, group, across, tap_row);
    __syncthreads();
  }
  async_wait<0>(); /* of the last, empty group */
  if constexpr (block::TURNS > 1) add_turns<K>(sum, shared, part, turn);
  if (turn == 0) store_weights<K>(sum, tile, layer, tile.filter + across, tap_row);
}

template <int K>
__global__ void __launch_bounds__(tensor_weight_block<K>::THREADS, tensor_weight_block<K>::BLOCKS)
    conv2d_weight_gradient_tensor(const device_trial *trials, device_tiles tiles, int layer)
{
  __shared__ tensor_part tile;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  if (t->conv[layer].stride == 1)
    tensor_weight_gradient<K, 1>(tile, t, layer, index);
  else
    tensor_weight_gradient<K, 2>(tile, t, layer, index);
}

/* ---- grids and launchers --------------------------------------------------------------------- */

/* Where the shape is not that of the other kernels, whose parts conv2d_splits makes, none is
 * set. */
void conv2d_tensor_weight_grid(struct device_conv *c)
{
  const int K = c->kernel, S = c->stride;
  if (c->tensor.forward.rows == 0) return;
  const int wanted = K == 3 ? tensor_weight_block<3>::BYTES : tensor_weight_block<5>::BYTES;
  const int bytes = wanted < c->shared ? wanted : c->shared;
  const int head = K == 3 ? tensor_weight_block<3>::HEAD : tensor_weight_block<5>::HEAD;
  const int turns = K == 3 ? tensor_weight_block<3>::TURNS : tensor_weight_block<5>::TURNS;
  const grid_limits l = {
      2 * S, S + K, tensor_weight_block<3>::PIXEL, bytes / 8 - head, tensor_weight_block<3>::WINDOWS, 8 * turns};
  static_assert(tensor_weight_block<3>::PIXEL == tensor_weight_block<5>::PIXEL &&
                    tensor_weight_block<3>::WINDOWS == tensor_weight_block<5>::WINDOWS,
                "of both kernels");
  if (c->gradients.weight_rows == 0 || !grid_make(&c->tensor.weights, l, c->pool_height, c->pool_width)) c->tensor = {};
}

static int weight_tiles(const struct device_trial *t, int layer, int kernel)
{
  const struct device_conv *c = &t->conv[layer];
  if (layer == 0 || c->tensor.weights.rows == 0 || c->kernel != kernel) return 0;
  return c->matrix.splits * divide_up(c->matrix.columns, TENSOR_FILTERS) * divide_up(c->in_channels, 16);
}

int step_tiles_weight_gradient_tensor_3(const struct device_trial *t, int layer)
{
  return weight_tiles(t, layer, 3);
}
int step_tiles_weight_gradient_tensor_5(const struct device_trial *t, int layer)
{
  return weight_tiles(t, layer, 5);
}

int step_weight_gradient_tensor_3(const device_trial *trials, device_tiles tiles, int layer, enum precision,
                                  void *stream)
{
  return launch_large(conv2d_weight_gradient_tensor<3>, dim3(tiles.room), dim3(tensor_weight_block<3>::THREADS),
                      tensor_weight_block<3>::BYTES, (cudaStream_t)stream, trials, tiles, layer);
}
int step_weight_gradient_tensor_5(const device_trial *trials, device_tiles tiles, int layer, enum precision,
                                  void *stream)
{
  return launch_large(conv2d_weight_gradient_tensor<5>, dim3(tiles.room), dim3(tensor_weight_block<5>::THREADS),
                      conv2d_block_bytes(tensor_weight_block<5>::BYTES), (cudaStream_t)stream, trials, tiles, layer);
}
