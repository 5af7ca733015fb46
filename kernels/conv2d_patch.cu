/* Convolution forward, FP32, with bias, ReLU and pool: kernel 3 or 5, stride 1 or 2.
 *
 * A direct convolution.  A block takes some consecutive pooling windows of the batch and 32
 * filters, a thread one window, four pixels, and 8 or 4 filters.  Channels come in chunks of 8: the
 * patch of the input below the windows, and the chunk's weights [tap][8][32], by asynchronous
 * copies into one of two stages while the other is multiplied.  Where the patch's pixels lie in the
 * map and in the stage is worked out once, in a table, and pixels outside of the image are zeroed
 * once: a fill is two loads of addresses and a copy for a pixel.
 *
 * The patch lies in planes by (y mod 2·stride, x mod 2·stride), [channel / 4][row of
 * windows][plane][x / (2·stride)], a float4 each: neighbouring windows read neighbouring float4,
 * whatever the tap.  The pitch of a row of windows is the row's length modulo 8, so that windows on
 * both sides of the end of a row do as well.  Of wide maps a block takes columns: each is an image
 * of its own to it.
 *
 * A sum is one chain of fmaf over (channel / 4, tap, channel mod 4), whatever the filters of a
 * thread and the windows of a block. */
#include "kernels/async_copy.cuh"
#include "kernels/conv2d.h"
#include "kernels/gemm_tile.cuh"
#include "kernels/pool.cuh"

enum { CHUNK = 8, BLOCK_FILTERS = 32 };

/* 128 registers a thread: 16 warps on a multiprocessor.  Kernel 5 has larger chunks of weights,
 * which more windows share. */
template <int K> struct forward_block {
  static constexpr int WARPS = K == 3 ? 4 : 8, BLOCKS = K == 3 ? 4 : 2, THREADS = WARPS * 32;
  static constexpr int BYTES = K == 3 ? 48 * 1024 : 112 * 1024;
  static constexpr int WINDOWS = WARPS * 8;                     /* at most; half as many with 4 filters a thread */
  static constexpr int WEIGHTS = K * K * CHUNK * BLOCK_FILTERS; /* floats of a chunk */
};

/* The patch of some windows of a map of `height` rows of `columns` windows. */
template <int K, int S> struct patch_shape : forward_block<K> {
  static constexpr int STEP = 2 * S;
  static constexpr int BELOW = (S + K - 1) / STEP;  /* rows of windows below the last that its taps reach */
  static __host__ __device__ int width(int columns) /* pixels */
  {
    return (2 * columns - 1) * S + K;
  }
  static __host__ __device__ int plane(int columns)
  {
    return (width(columns) + STEP - 1) / STEP;
  }
  static __host__ __device__ int pitch(int columns)
  {
    int least = STEP * STEP * plane(columns);
    return least + (columns + 8 - least % 8) % 8;
  }
  /* Rows of windows that so many consecutive windows reach at most, of one image or more. */
  static __host__ __device__ int rows(int windows, int height, int columns)
  {
    int area = height * columns, ends = area % windows == 0   ? 0
                                        : windows % area == 0 ? windows / area - 1
                                                              : (windows + area - 2) / area;
    int touched = windows % columns == 0   ? windows / columns
                  : columns % windows == 0 ? 1
                                           : (windows + columns - 2) / columns + 1;
    return touched + BELOW + BELOW * ends;
  }
  static __host__ __device__ int quad(int windows, int height, int columns) /* float4 */
  {
    return rows(windows, height, columns) * pitch(columns);
  }
  static int bytes(int windows, int height, int columns)
  {
    int table = rows(windows, height, columns) * STEP * width(columns);
    return 2 * (2 * 16 * quad(windows, height, columns) + 4 * patch_shape::WEIGHTS) + 8 * table;
  }
};

/* Trials with few blocks have twice as many, of half as many filters a thread; same bits. */
static inline __host__ __device__ bool few_windows(const device_conv &c, int batch)
{
  int columns = divide_up(c.pool_width, c.forward.columns) * c.forward.columns;
  return divide_up(batch * c.pool_height * columns, c.forward.windows) * divide_up(c.matrix.columns, BLOCK_FILTERS) <
         32;
}

static inline __host__ __device__ int windows_of_block(const device_conv &c, bool few, int most)
{
  return few && c.forward.windows > most / 2 ? most / 2 : c.forward.windows;
}

__device__ __forceinline__ float part(const float4 &v, int i)
{
  return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

/* FILTERS: of a thread. */
template <int K, int S, int FILTERS>
__device__ __forceinline__ void forward_tile(const device_trial *t, int layer, int index)
{
  typedef patch_shape<K, S> shape;
  constexpr int THREADS = shape::THREADS, STEP = shape::STEP, ACROSS = BLOCK_FILTERS / FILTERS, DOWN = 32 / ACROSS;
  DYNAMIC_SHARED(float, shared);
  const device_conv &c = t->conv[layer];
  const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
  const int height = c.pool_height, span = c.forward.columns, columns = divide_up(c.pool_width, span);
  const int filters = c.matrix.columns, channels = c.in_channels;
  const int filter_tiles = divide_up(filters, BLOCK_FILTERS), most = windows_of_block(c, FILTERS == 4, shape::WINDOWS);
  const int area = height * span, windows = t->state->count * columns * area;
  const int begin = index / filter_tiles * most, first_filter = index % filter_tiles * BLOCK_FILTERS;
  if (begin >= windows) return;
  const int end = begin + most < windows ? begin + most : windows;

  /* Rows of windows are counted through all images, each with the rows below its last. */
  const int image_rows = height + shape::BELOW, plane = shape::plane(span), pitch = shape::pitch(span);
  const int quad = shape::quad(most, height, span);
  const int row0 = begin / area * image_rows + begin % area / span;
  const int stage_floats = 8 * quad + shape::WEIGHTS;
  int2 *const table = (int2 *)(shared + 2 * stage_floats); /* where in the map, negative: outside; where in a quad */
  int places;
  {
    const int rows = (end - 1) / area * image_rows + (end - 1) % area / span + 1 + shape::BELOW - row0;
    const int width = shape::width(span);
    places = rows * STEP * width;
    NO_UNROLL
    for (int i = (int)threadIdx.x; i < places; i += THREADS) {
      const int line = i / width, x = i - line * width, row = line / STEP, down = line % STEP;
      const int image = (row0 + row) / image_rows, n = image / columns, left = (image - n * columns) * span * STEP;
      const int in_y = (row0 + row - image * image_rows) * STEP + down - c.pad, in_x = left + x - c.pad;
      const bool inside = n < t->state->count && in_y >= 0 && in_y < c.in_height && in_x >= 0 && in_x < c.in_width;
      const int at = row * pitch + (down * STEP + x % STEP) * plane + x / STEP;
      table[i] = make_int2(inside ? ((n * c.in_height + in_y) * c.in_width + in_x) * channels : -1, at);
      if (!inside) UNROLL
      for (int s = 0; s < 4; s++) ((float4 *)(shared + s / 2 * stage_floats))[s % 2 * quad + at] = zero4();
    }
    __syncthreads();
  }

  const float *const map = t->conv[layer - 1].map, *const weights = t->weights + c.matrix.weight;
  auto fill = [&](int chunk, float *stage) {
    NO_UNROLL
    for (int i = (int)threadIdx.x; i < 2 * places; i += THREADS) {
      const int2 place = table[i >> 1];
      if (place.x >= 0)
        async_copy_16((float4 *)stage + (i & 1) * quad + place.y, map + place.x + chunk * CHUNK + (i & 1) * 4, true);
    }
    NO_UNROLL
    for (int i = (int)threadIdx.x; i < shape::WEIGHTS / 4; i += THREADS) {
      const int row = i / (BLOCK_FILTERS / 4), f = first_filter + i % (BLOCK_FILTERS / 4) * 4;
      const bool there = f < filters;
      async_copy_16(stage + 8 * quad + 4 * i,
                    weights + (there ? (row / CHUNK * channels + chunk * CHUNK + row % CHUNK) * filters + f : 0),
                    there);
    }
  };

  /* Lanes whose numbers differ in bit 0 share weights, in bit 1 pixels: a warp's load of a float4
   * by each thread then takes two wavefronts. */
  const int mine = ACROSS == 4 ? (lane & 1) | (lane >> 1 & 6) : (lane & 1) | (lane >> 3 & 2);
  const int of_filters = ACROSS == 4 ? (lane >> 1 & 1) | (lane >> 3 & 2) : lane >> 1 & 7;
  const int window = begin + warp * DOWN + mine;
  const bool used = warp * DOWN + mine < most && window < end;
  int at; /* of the window in a quad */
  {
    const int w = used ? window : begin, image = w / area, place = w - image * area;
    at = (image * image_rows + place / span - row0) * pitch + place % span;
  }
  float sum[4][FILTERS];
  UNROLL
  for (int p = 0; p < 4; p++) UNROLL
  for (int f = 0; f < FILTERS; f++) sum[p][f] = 0;

  fill(0, shared);
  async_commit();
  NO_UNROLL
  for (int chunk = 0; chunk < channels / CHUNK; chunk++) {
    async_wait<0>();
    __syncthreads();
    if (chunk + 1 < channels / CHUNK) fill(chunk + 1, shared + (chunk + 1) % 2 * stage_floats);
    async_commit();
    const float4 *x = (const float4 *)(shared + chunk % 2 * stage_floats) + at;
    const float *w = shared + chunk % 2 * stage_floats + 8 * quad + of_filters * FILTERS;
    NO_UNROLL
    for (int half = 0; half < 2; half++, x += quad, w += 4 * BLOCK_FILTERS) {
      NO_UNROLL
      for (int down = 0; down < K; down++) {
        const float4 *pixels[2][STEP]; /* of the window's two rows, of each plane */
        UNROLL
        for (int i = 0; i < 2; i++) UNROLL
        for (int j = 0; j < STEP; j++) {
          const int y = down + i * S;
          pixels[i][j] = x + y / STEP * pitch + (y % STEP * STEP + j) * plane;
        }
        const float *taps = w + down * K * CHUNK * BLOCK_FILTERS;
        UNROLL
        for (int right = 0; right < K; right++) {
          float4 v[4];
          UNROLL
          for (int p = 0; p < 4; p++) {
            const int across = right + p % 2 * S;
            v[p] = pixels[p / 2][across % STEP][across / STEP];
          }
          UNROLL
          for (int i = 0; i < 4; i++) {
            float u[FILTERS];
            UNROLL
            for (int f = 0; f < FILTERS; f += 4) {
              const float4 four = load4(taps + (right * CHUNK + i) * BLOCK_FILTERS + f);
              u[f] = four.x, u[f + 1] = four.y, u[f + 2] = four.z, u[f + 3] = four.w;
            }
            UNROLL
            for (int p = 0; p < 4; p++) UNROLL
            for (int f = 0; f < FILTERS; f++) sum[p][f] = fmaf(part(v[p], i), u[f], sum[p][f]);
          }
        }
      }
    }
  }
  async_wait<0>(); /* of the last, empty group */

  const int image = window / area, place = window - image * area, row = place / span, n = image / columns;
  const int x = (image - n * columns) * span + place - row * span;
  if (!used || x >= c.pool_width) return;
  const int real = (n * height + row) * c.pool_width + x, all = t->state->count * height * c.pool_width;
  UNROLL
  for (int f = 0; f < FILTERS; f += 4) {
    float four[4][4];
    UNROLL
    for (int p = 0; p < 4; p++) UNROLL
    for (int i = 0; i < 4; i++) four[p][i] = sum[p][f + i];
    store_window(t, layer, real, first_filter + of_filters * FILTERS + f, all, four, false);
  }
}

template <int K>
__global__ void __launch_bounds__(forward_block<K>::THREADS, forward_block<K>::BLOCKS)
    conv2d_forward_patch(const device_trial *trials, device_tiles tiles, int layer)
{
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
  const bool few = few_windows(t->conv[layer], t->batch);
  if (t->conv[layer].stride == 1) {
    if (few)
      forward_tile<K, 1, 4>(t, layer, index);
    else
      forward_tile<K, 1, 8>(t, layer, index);
  } else {
    if (few)
      forward_tile<K, 2, 4>(t, layer, index);
    else
      forward_tile<K, 2, 8>(t, layer, index);
  }
}

/* ---- patches and launchers ------------------------------------------------------------------- */

/* With so many windows of a block, or, where they are few, with half of the most. */
template <int K, int S> static bool patch_fits(const struct device_conv *c, int windows, int columns)
{
  typedef patch_shape<K, S> shape;
  int few = windows < shape::WINDOWS / 2 ? windows : shape::WINDOWS / 2;
  return shape::bytes(windows, c->pool_height, columns) <= shape::BYTES &&
         shape::bytes(few, c->pool_height, columns) <= shape::BYTES;
}

/* As many columns and windows of a block as fit; rather narrow columns than few windows. */
template <int K, int S> static void patch_of(struct device_conv *c)
{
  int columns = c->pool_width, windows = patch_shape<K, S>::WINDOWS;
  while (!patch_fits<K, S>(c, windows, columns)) {
    if (columns > 16 || (columns > 1 && windows <= 8))
      columns = divide_up(columns, 2);
    else if (windows > 1)
      windows /= 2;
    else
      return;
  }
  c->forward.columns = columns;
  c->forward.windows = windows;
}

void conv2d_forward_pieces(struct device_conv *c)
{
  c->forward = {};
  if (c->in_channels % CHUNK != 0 || c->matrix.columns % 8 != 0) return;
  if (c->kernel == 3 && c->stride == 1) patch_of<3, 1>(c);
  if (c->kernel == 3 && c->stride == 2) patch_of<3, 2>(c);
  if (c->kernel == 5 && c->stride == 1) patch_of<5, 1>(c);
  if (c->kernel == 5 && c->stride == 2) patch_of<5, 2>(c);
}

template <int K> static int forward_tiles(const struct device_trial *t, int layer)
{
  const struct device_conv *c = &t->conv[layer];
  if (c->forward.windows == 0 || c->kernel != K) return 0;
  int most = windows_of_block(*c, few_windows(*c, t->batch), forward_block<K>::WINDOWS);
  int columns = divide_up(c->pool_width, c->forward.columns) * c->forward.columns;
  return divide_up(t->batch * c->pool_height * columns, most) * divide_up(c->matrix.columns, BLOCK_FILTERS);
}

int step_tiles_forward_3(const struct device_trial *t, int layer)
{
  return forward_tiles<3>(t, layer);
}
int step_tiles_forward_5(const struct device_trial *t, int layer)
{
  return forward_tiles<5>(t, layer);
}

template <int K> static int launch_forward(const device_trial *trials, device_tiles tiles, int layer, void *stream)
{
  typedef forward_block<K> block;
  return launch_large(conv2d_forward_patch<K>, dim3(tiles.room), dim3(block::THREADS), block::BYTES,
                      (cudaStream_t)stream, trials, tiles, layer);
}

int step_forward_3(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_forward<3>(trials, tiles, layer, stream);
}
int step_forward_5(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_forward<5>(trials, tiles, layer, stream);
}
