/* Convolution forward, FP32, with bias, ReLU and pool: kernel 3 or 5, stride 1 or 2.
 *
 * A direct convolution.  A block takes some consecutive pooling windows of the batch and 32
 * filters, a thread one window, four pixels, and 8 or 4 filters.  Channels come in chunks of 8: the
 * patch of the input below the windows, and the chunk's weights [tap][8][32], by asynchronous
 * copies into one of two stages while the other is multiplied.  Where the patch's pixels lie in the
 * map and in the stage is worked out once, in a table; pixels outside of the image, and filters
 * that there are not, are zeroed once.  The copies are made in rounds, one beside each row of taps
 * of four channels, so that no time belongs to them alone: in a round a thread copies four channels
 * of a pixel and four weights.
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
  static constexpr int FEW = 64 * BLOCKS;                       /* about half of those that an H100 holds */
  static constexpr int WEIGHTS = K * K * CHUNK * BLOCK_FILTERS; /* floats of a chunk */
  static constexpr int ROUNDS = 2 * K;                          /* of copies: one beside each row of taps of a quad */
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
  static int rows(int windows, int height, int columns)
  {
    int area = height * columns, ends = area % windows == 0   ? 0
                                        : windows % area == 0 ? windows / area - 1
                                                              : (windows + area - 2) / area;
    int touched = windows % columns == 0   ? windows / columns
                  : columns % windows == 0 ? 1
                                           : (windows + columns - 2) / columns + 1;
    return touched + BELOW + BELOW * ends;
  }
  static int quad(int windows, int height, int columns) /* float4 */
  {
    return rows(windows, height, columns) * pitch(columns);
  }
  static bool fits(int windows, int height, int columns, int shared)
  {
    int places = rows(windows, height, columns) * STEP * width(columns);
    int bytes = 2 * (2 * 16 * quad(windows, height, columns) + 4 * patch_shape::WEIGHTS) + 8 * places;
    return bytes <= patch_shape::BYTES && bytes <= shared && places <= patch_shape::ROUNDS * patch_shape::THREADS / 2;
  }
};

static inline __host__ __device__ int windows_of(const device_conv &c, int images)
{
  return images * c.pool_height * c.forward.strips * c.forward.columns;
}

/* Trials that together have few blocks have twice as many, of half as many filters a thread; same
 * bits. */
static inline __host__ __device__ bool few_windows(const device_conv &c, const device_trial *t)
{
  return (int64_t)windows_of(c, t->batch) * t->together <= c.forward.few;
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
  const device_patch &g = c.forward;
  const int height = c.pool_height, span = g.columns, strips = g.strips;
  const int filters = c.matrix.columns, channels = c.in_channels, images = t->state->count;
  const int filter_tiles = divide_up(filters, BLOCK_FILTERS), most = windows_of_block(c, FILTERS == 4, shape::WINDOWS);
  const int area = height * span, windows = windows_of(c, images);
  const int piece = divide(index, g.by_tiles), begin = piece * most;
  const int first_filter = (index - piece * filter_tiles) * BLOCK_FILTERS;
  if (begin >= windows) return;
  const int end = begin + most < windows ? begin + most : windows;

  /* Rows of windows are counted through all images, each with the rows below its last. */
  const int image_rows = height + shape::BELOW, plane = shape::plane(span), pitch = shape::pitch(span);
  const int quad = FILTERS == 4 ? g.few_quad : g.quad, stage_floats = 8 * quad + shape::WEIGHTS;
  /* Of a window: its strip of the batch, its row in it, and its row of all. */
  auto place_of = [&](int window, int *strip, int *row) {
    *strip = divide(window, g.by_area), *row = divide(window - *strip * area, g.by_columns);
    return *strip * image_rows + *row;
  };
  int strip, strip_row;
  const int row0 = place_of(begin, &strip, &strip_row);

  /* A thread copies a quad of every THREADS / 2-th pixel, and every THREADS-th of the weights,
   * which is of the same filters and channel every TAPS taps: one of each in a round. */
  constexpr int TAPS = THREADS / (CHUNK * BLOCK_FILTERS / 4);
  static_assert(TAPS * shape::ROUNDS >= K * K, "a chunk's weights are copied in as many rounds");
  const int side = (int)threadIdx.x % 2, own = (int)threadIdx.x / 2, tap = (int)threadIdx.x / (THREADS / TAPS);
  const int filter = first_filter + (int)threadIdx.x % (BLOCK_FILTERS / 4) * 4;
  const int taps = filter < filters ? K * K - tap : 0;
  const float *of_map = t->conv[layer - 1].map + side * 4, *of_weights = t->weights + c.matrix.weight;
  of_weights += (tap * channels + (int)threadIdx.x / (BLOCK_FILTERS / 4) % CHUNK) * filters + (taps > 0 ? filter : 0);
  const int filled = 8 * quad + 4 * (int)threadIdx.x, round_floats = TAPS * channels * filters;
  auto copy_weights = [&](int round, float *stage, int taps) {
    async_copy_16_if(stage + filled + round * 4 * THREADS, of_weights + round * round_floats, round * TAPS < taps);
  };
  NO_UNROLL
  for (int round = 0; round * TAPS < K * K - tap; round++) {
    copy_weights(round, shared, taps);
    if (taps == 0) UNROLL
    for (int s = 0; s < 2; s++) *(float4 *)(shared + s * stage_floats + filled + round * 4 * THREADS) = zero4();
  }
  of_weights += CHUNK * filters;

  int2 *const table = (int2 *)(shared + 2 * stage_floats); /* where in the map, negative: outside; where in a stage */
  int places;
  {
    const int rows = place_of(end - 1, &strip, &strip_row) + 1 + shape::BELOW - row0;
    const int width = shape::width(span), in_height = c.in_height, in_width = c.in_width, pad = c.pad;
    places = rows * STEP * width;
    NO_UNROLL
    for (int i = (int)threadIdx.x; i < places; i += THREADS) {
      const int line = divide(i, g.by_width), x = i - line * width, row = line / STEP, down = line % STEP;
      const int image = divide(row0 + row, g.by_rows), n = divide(image, g.by_strips);
      const int left = (image - n * strips) * span * STEP;
      const int in_y = (row0 + row - image * image_rows) * STEP + down - pad, in_x = left + x - pad;
      const bool inside = n < images && (unsigned)in_y < (unsigned)in_height && (unsigned)in_x < (unsigned)in_width;
      const int at = row * pitch + (down * STEP + x % STEP) * plane + x / STEP;
      table[i] = make_int2(inside ? ((n * in_height + in_y) * in_width + in_x) * channels : -1, 4 * at);
      if (!inside) UNROLL
      for (int s = 0; s < 4; s++) ((float4 *)(shared + s / 2 * stage_floats))[s % 2 * quad + at] = zero4();
    }
    __syncthreads();
  }
  auto copy_pixel = [&](int round, float *stage, int places) {
    const int i = own + round * (THREADS / 2);
    int2 place = make_int2(-1, 0);
    if (i < places) place = table[i];
    async_copy_16_if(stage + side * 4 * quad + place.y, of_map + place.x, place.x >= 0);
  };
  NO_UNROLL
  for (int round = 0; own + round * (THREADS / 2) < places; round++) copy_pixel(round, shared, places);
  of_map += CHUNK;
  async_commit();

  /* Lanes whose numbers differ in bit 0 share weights, in bit 1 pixels: a warp's load of a float4
   * by each thread then takes two wavefronts. */
  const int mine = ACROSS == 4 ? (lane & 1) | (lane >> 1 & 6) : (lane & 1) | (lane >> 3 & 2);
  const int of_filters = ACROSS == 4 ? (lane >> 1 & 1) | (lane >> 3 & 2) : lane >> 1 & 7;
  const int window = begin + warp * DOWN + mine;
  const bool used = warp * DOWN + mine < most && window < end;
  int at; /* of the window in a quad */
  {
    const int w = used ? window : begin, row = place_of(w, &strip, &strip_row);
    at = (row - row0) * pitch + w - strip * area - strip_row * span;
  }
  float sum[4][FILTERS];
  UNROLL
  for (int p = 0; p < 4; p++) UNROLL
  for (int f = 0; f < FILTERS; f++) sum[p][f] = 0;

  NO_UNROLL
  for (int chunk = 0; chunk < channels / CHUNK; chunk++) {
    async_wait<0>();
    __syncthreads();
    const float *stage = shared + chunk % 2 * stage_floats;
    float *const next = shared + (chunk + 1) % 2 * stage_floats;
    const bool more = chunk + 1 < channels / CHUNK;
    const int next_places = more ? places : 0, next_taps = more ? taps : 0;
    const float4 *x = (const float4 *)stage + at;
    const float *w = stage + 8 * quad + of_filters * FILTERS;
    int round = 0;
    NO_UNROLL
    for (int half = 0; half < 2; half++) {
      const float4 *rows[STEP]; /* of pixels, from the first that the taps see */
      UNROLL
      for (int y = 0; y < STEP; y++) rows[y] = x + y * STEP * plane;
      NO_UNROLL
      for (int down = 0; down < K; down++) {
        UNROLL
        for (int right = 0; right < K; right++) {
          float4 v[4];
          UNROLL
          for (int p = 0; p < 4; p++) {
            const int across = right + p % 2 * S;
            v[p] = rows[p / 2 * S][across % STEP * plane + across / STEP];
          }
          UNROLL
          for (int i = 0; i < 4; i++) {
            float u[FILTERS];
            UNROLL
            for (int f = 0; f < FILTERS; f += 4) {
              const float4 four = load4(w + (right * CHUNK + i) * BLOCK_FILTERS + f);
              u[f] = four.x, u[f + 1] = four.y, u[f + 2] = four.z, u[f + 3] = four.w;
            }
            UNROLL
            for (int p = 0; p < 4; p++) UNROLL
            for (int f = 0; f < FILTERS; f++) sum[p][f] = fmaf(part(v[p], i), u[f], sum[p][f]);
          }
        }
        copy_pixel(round, next, next_places);
        copy_weights(round, next, next_taps);
        round++;
        const float4 *const first = rows[0];
        UNROLL
        for (int y = 0; y < STEP - 1; y++) rows[y] = rows[y + 1];
        rows[STEP - 1] = first + pitch;
        w += K * CHUNK * BLOCK_FILTERS;
      }
      x += quad, w += (4 - K * K * CHUNK) * BLOCK_FILTERS;
    }
    of_map += CHUNK, of_weights += CHUNK * filters;
    async_commit();
  }
  async_wait<0>(); /* of the last, empty group */

  if (!used) return;
  place_of(window, &strip, &strip_row);
  const int n = divide(strip, g.by_strips), x = (strip - n * strips) * span + window - strip * area - strip_row * span;
  if (x >= c.pool_width) return;
  const int real = (n * height + strip_row) * c.pool_width + x, all = images * height * c.pool_width;
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
  const bool few = few_windows(t->conv[layer], t);
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
  return shape::fits(windows, c->pool_height, columns, c->shared) &&
         shape::fits(few, c->pool_height, columns, c->shared);
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
  struct device_patch *p = &c->forward;
  const int tiles = divide_up(c->matrix.columns, BLOCK_FILTERS);
  p->columns = columns, p->strips = divide_up(c->pool_width, columns), p->windows = windows;
  p->few = patch_shape<K, S>::FEW / tiles * windows;
  p->quad = patch_shape<K, S>::quad(windows, c->pool_height, columns);
  p->few_quad =
      patch_shape<K, S>::quad(windows_of_block(*c, true, patch_shape<K, S>::WINDOWS), c->pool_height, columns);
  p->by_tiles = conv2d_divisor(tiles);
  p->by_area = conv2d_divisor(c->pool_height * columns);
  p->by_columns = conv2d_divisor(columns);
  p->by_strips = conv2d_divisor(p->strips);
  p->by_rows = conv2d_divisor(c->pool_height + patch_shape<K, S>::BELOW);
  p->by_width = conv2d_divisor(patch_shape<K, S>::width(columns));
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
  int most = windows_of_block(*c, few_windows(*c, t), forward_block<K>::WINDOWS);
  return divide_up(windows_of(*c, t->batch), most) * divide_up(c->matrix.columns, BLOCK_FILTERS);
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
  return launch_large(conv2d_forward_patch<K>, dim3(tiles.room), dim3(block::THREADS), conv2d_block_bytes(block::BYTES),
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
