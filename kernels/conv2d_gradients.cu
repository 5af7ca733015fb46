/* Gradients of a convolution, FP32, by the argmax byte: kernel 3 or 5, stride 1 or 2.
 *
 * Of a pooling window's four pixels at most one has a gradient, so three quarters of a dense
 * product's multiplications would be by zero.  Here a warp's lanes are channels, and the warp takes
 * one (window, filter) after another: the argmax byte is the same for all lanes, and the branch
 * that it decides leads to kernel² multiply-adds with registers that are known at compile time.  A
 * window that ReLU has masked costs the test of a bit.
 *
 * Both gradients keep a patch of the maps in shared memory, in pieces that fit: bands of rows of
 * windows, and of wide maps columns of windows (struct device_pieces).
 *
 *   data      a block: a piece of an image, or some small images; 32 channels.  A warp keeps the
 *             input's pixels below a strip of windows in registers while it goes over the filters,
 *             then adds them to the piece.  Strips overlap: neighbours add in turns, a barrier
 *             between two turns.
 *   weights   a block: one part of the images; 32 channels, some filters.  A warp keeps the taps of
 *             its filters in registers while it goes over the windows.
 *
 * The order of every sum follows from the layer's shapes, the batch, and, of kernel 5, from the
 * shared memory that the device gives a block (struct device_conv, `shared`). */
#include "kernels/async_copy.cuh"
#include "kernels/conv2d.h"
#include "kernels/gemm_tile.cuh"

enum { LANES = 32 };

/* What is the same for all lanes, said so that the compiler knows: what is read at such an address
 * then decides branches for the whole warp, without a meeting of lanes behind them. */
__device__ __forceinline__ int uniform(int x)
{
  return __shfl_sync(0xffffffffu, x, 0);
}
__device__ __forceinline__ int warp_number()
{
  return uniform((int)threadIdx.x / LANES);
}

static constexpr __host__ __device__ int smaller(int a, int b)
{
  return a < b ? a : b;
}

/* Does f(pixel) for the pixel that byte `i` of `which` names; nothing where it is masked. */
template <int p> struct pixel_number {
  static constexpr int y = p / 2, x = p % 2;
};
template <class F> __device__ __forceinline__ void at_the_winner(uint32_t which, int i, const F &f)
{
  static_assert(DEVICE_POOL_MASKED == 4, "a bit of its own");
  if (which & 4u << 8 * i) return;
  if (which & 2u << 8 * i) {
    if (which & 1u << 8 * i)
      f(pixel_number<3>());
    else
      f(pixel_number<2>());
  } else {
    if (which & 1u << 8 * i)
      f(pixel_number<1>());
    else
      f(pixel_number<0>());
  }
}

/* ---- data ------------------------------------------------------------------------------------ */

/* 14 warps of 72 registers twice on a multiprocessor: 14×14 maps have 14 strips.  Kernel 5: 8 of
 * 128 twice.  Shared memory for two blocks, of kernel 3 also on an A100. */
template <int K> struct data_block {
  static constexpr int WARPS = K == 3 ? 14 : 8, BYTES = K == 3 ? 81 * 1024 - 128 : 112 * 1024;
  static constexpr int FILTERS = K == 3 ? 32 : 16; /* whose weights are in shared memory at once */
};

template <int K, int S> struct data_shape : data_block<K> {
  using data_block<K>::FILTERS;
  static constexpr int STRIP = S == 2 ? 1 : K == 3 ? 4 : 2; /* windows */
  static constexpr int STEP = 2 * S;                        /* pixels from window to window */
  static constexpr int REACH = S + K;                       /* of a window: pixels of the input, each way */
  static constexpr int WIDTH = (STRIP - 1) * STEP + REACH;
  static constexpr int TURNS_Y = (REACH + STEP - 1) / STEP, TURNS_X = (WIDTH + STRIP * STEP - 1) / (STRIP * STEP);
  static constexpr int HALO = TURNS_Y - 1;        /* windows on the left of a column that reach into it */
  static constexpr int PITCH = K * K * LANES + 1; /* of a filter's weights: copies transpose without conflicts */
  static constexpr int WEIGHTS = (FILTERS * PITCH + 3) / 4 * 4;
  static constexpr int LEAST_ROWS = (K - S + STEP - 1) / STEP; /* of a band: rows that go on are none that come */
  static __host__ __device__ int columns(int strips)
  {
    return (strips * STRIP - 1) * STEP + REACH;
  }
  static __host__ __device__ int band(int rows, int strips) /* floats */
  {
    return ((rows - 1) * STEP + REACH) * columns(strips) * LANES;
  }
  static int bytes(int images, int rows, int windows)
  {
    int strips = divide_up(windows, STRIP), slots = images * rows * strips * STRIP;
    return 4 * (WEIGHTS + images * band(rows, strips)) + 5 * FILTERS * slots;
  }
};

/* Blocks of an image, or of some that are together. */
static inline __host__ __device__ int data_tiles_of_image(const device_conv &c)
{
  return divide_up(c.pool_width, c.gradients.data_columns) * divide_up(c.in_channels, LANES);
}

/* Images of a block: as few as give all trials together about DATA_FEW blocks, one for each
 * multiprocessor, and no more than fit.  No image's sums depend on it. */
enum { DATA_FEW = 128 };

static inline __host__ __device__ int data_images(const device_conv &c, const device_trial &t)
{
  const int64_t blocks = (int64_t)t.batch * t.together * data_tiles_of_image(c);
  return blocks >= (int64_t)DATA_FEW * c.gradients.data_images ? c.gradients.data_images
                                                               : divide_up((int)blocks, DATA_FEW);
}

/* What a block's piece is.  In shared memory, since registers are what limits this kernel: values
 * that are not of the innermost loop are read again behind a barrier. */
struct data_piece {
  const device_trial *trial;
  int most_images, most_rows;
  int images, first_image, first_channel;
  int own, begin, end;   /* windows of a row: the first that is its own; of those that it takes */
  int strips, width;     /* of a row of windows; pixels of the band */
  int size, slots;       /* floats of an image's band; windows with room for them */
  int filter0, here;     /* filters filter0 ... filter0 + here - 1 are at hand */
  int row0, rows, lines; /* rows of windows: of the band, and of all images */
  int rounds;            /* strips of all lines, rounded up to what the warps take at once */
};

template <int K, int S>
__device__ __forceinline__ void data_gradient(data_piece &p, const device_trial *trial, int layer, int index)
{
  typedef data_shape<K, S> shape;
  constexpr int THREADS = shape::WARPS * LANES, STRIP = shape::STRIP, STEP = shape::STEP, REACH = shape::REACH;
  constexpr int WIDTH = shape::WIDTH, FILTERS = shape::FILTERS;
  DYNAMIC_SHARED(float, shared);
  {
    const device_trial *t = trial;
    const device_conv &c = t->conv[layer];
    const int together = data_images(c, *t), span = c.gradients.data_columns;
    const int channel_tiles = divide_up(c.in_channels, LANES), across = divide_up(c.pool_width, span);
    const int piece = index / channel_tiles, group = piece / across, column = piece - group * across;
    const int images = smaller(together, t->state->count - group * together);
    if (images <= 0) return;
    if (threadIdx.x == 0) {
      const int own = column * span, begin = own > shape::HALO ? own - shape::HALO : 0;
      const int end = smaller(c.pool_width, own + span), strips = divide_up(end - begin, STRIP);
      p.trial = t, p.most_images = together, p.most_rows = c.gradients.data_rows;
      p.images = images, p.first_image = group * together;
      p.first_channel = (index - piece * channel_tiles) * LANES;
      p.own = own, p.begin = begin, p.end = end, p.strips = strips, p.width = shape::columns(strips);
      p.size = shape::band(c.gradients.data_rows, strips);
      p.slots = together * c.gradients.data_rows * strips * STRIP;
    }
  }
  const int lane = (int)threadIdx.x % LANES;
  float *const band = shared + shape::WEIGHTS;
  __syncthreads();
  for (int i = (int)threadIdx.x; i < p.most_images * p.size / 4; i += THREADS) ((float4 *)band)[i] = zero4();

  NO_UNROLL
  for (int row0 = 0;;) {
    NO_UNROLL
    for (int filter0 = 0; filter0 < p.trial->conv[layer].matrix.columns; filter0 += FILTERS) {
      const device_trial *t = p.trial;
      const device_conv &c = t->conv[layer];
      const int filters = c.matrix.columns, here = smaller(FILTERS, filters - filter0);
      const int most_rows = p.most_rows, rows = smaller(most_rows, c.pool_height - row0);
      const int slots = p.slots, first_channel = p.first_channel;
      float *const gradient = band + p.most_images * p.size;
      uint8_t *const argmax = (uint8_t *)(gradient + slots * FILTERS);
      if (row0 == 0 || filters > FILTERS) {
        static_assert(THREADS % FILTERS == 0, "a thread keeps its filter");
        const int channels = c.in_channels, f = (int)threadIdx.x % FILTERS, tap = channels * filters;
        const int channels_there = f < here ? channels - first_channel : 0;
        const float *w = t->weights + c.matrix.weight + first_channel * filters + filter0 + (f < here ? f : 0);
        NO_UNROLL
        for (int channel = (int)threadIdx.x / FILTERS; channel < LANES; channel += THREADS / FILTERS) {
          const bool there = channel < channels_there;
          const float *from = w + (there ? channel * filters : 0);
          float *const to = shared + f * shape::PITCH + channel;
          UNROLL
          for (int k = 0; k < K * K; k++) {
            apart(from);
            async_copy_4(to + k * LANES, from, there);
            from += tap;
          }
        }
        async_commit();
      }
      NO_UNROLL
      for (int i = (int)threadIdx.x; i < slots * (FILTERS / 4); i += THREADS) {
        const int slot = i / (FILTERS / 4), f = i % (FILTERS / 4) * 4, line_slots = p.strips * STRIP;
        const int line = slot / line_slots, x = p.begin + slot - line * line_slots;
        const int image = line / most_rows, y = line - image * most_rows;
        float4 g = zero4();
        uchar4 which = make_uchar4(DEVICE_POOL_MASKED, DEVICE_POOL_MASKED, DEVICE_POOL_MASKED, DEVICE_POOL_MASKED);
        if (image < p.images && y < rows && x < p.end && f < here) {
          const int window = ((p.first_image + image) * c.pool_height + row0 + y) * c.pool_width + x;
          const int64_t at = (int64_t)window * filters + filter0 + f;
          g = load4(c.gradient + at);
          which = *(const uchar4 *)(c.argmax + at);
        }
        float *to = gradient + f * slots + slot;
        uint8_t *byte = argmax + f * slots + slot;
        to[0] = g.x, to[slots] = g.y, to[2 * slots] = g.z, to[3 * slots] = g.w;
        byte[0] = which.x, byte[slots] = which.y, byte[2 * slots] = which.z, byte[3 * slots] = which.w;
      }
      if (threadIdx.x == 0) {
        p.filter0 = filter0, p.here = here, p.row0 = row0, p.rows = rows;
        p.lines = p.images > 1 ? p.images * most_rows : rows;
        p.rounds = divide_up(p.lines * p.strips, shape::WARPS) * shape::WARPS;
      }
      async_wait<0>();
      __syncthreads();

      const int rounds = p.rounds; /* the next filters' write may come before the last look at it */
      NO_UNROLL
      for (int strip = warp_number(); strip < rounds; strip += shape::WARPS) {
        float sum[REACH][WIDTH];
        UNROLL
        for (int y = 0; y < REACH; y++) UNROLL
        for (int x = 0; x < WIDTH; x++) sum[y][x] = 0;
        if (strip < p.lines * p.strips) {
          const int pitch = p.slots;
          const float *g = band + p.most_images * p.size + strip * STRIP, *w = shared + lane;
          const uint8_t *bytes = (const uint8_t *)(g + pitch * FILTERS) - strip * (STRIP * 3);
          NO_UNROLL
          for (int f = p.here; f > 0; f--, g += pitch, bytes += pitch, w += shape::PITCH) {
            float u[K * K], v[STRIP];
            uint32_t which;
            UNROLL
            for (int k = 0; k < K * K; k++) u[k] = w[k * LANES];
            if constexpr (STRIP == 4) {
              const float4 x = load4(g);
              v[0] = x.x, v[1] = x.y, v[STRIP - 2] = x.z, v[STRIP - 1] = x.w;
              which = *(const uint32_t *)bytes;
            } else if constexpr (STRIP == 2) {
              const float2 x = *(const float2 *)g;
              v[0] = x.x, v[STRIP - 1] = x.y;
              which = *(const uint16_t *)bytes;
            } else {
              v[0] = *g;
              which = *bytes;
            }
            UNROLL
            for (int i = 0; i < STRIP; i++)
              at_the_winner(which, i, [&](auto pixel) {
                UNROLL
                for (int k = 0; k < K * K; k++) {
                  float *to = &sum[pixel.y * S + k / K][STEP * i + pixel.x * S + k % K];
                  *to = fmaf(v[i], u[k], *to);
                }
              });
          }
        }
        NO_UNROLL
        for (int k = 0; k < shape::TURNS_Y * shape::TURNS_X; k++) {
          const int line = strip / p.strips, place = strip - line * p.strips;
          const int image = line / p.most_rows, y = line - image * p.most_rows;
          if (line < p.lines && k == y % shape::TURNS_Y * shape::TURNS_X + place % shape::TURNS_X) {
            const int width = p.width;
            float *to = band + image * p.size + (y * STEP * width + place * STRIP * STEP) * LANES + lane;
            UNROLL
            for (int i = 0; i < REACH; i++) {
              UNROLL
              for (int j = 0; j < WIDTH; j++) to[j * LANES] += sum[i][j];
              to += width * LANES;
            }
          }
          __syncthreads();
        }
      }
    }

    /* Rows that no later window reaches, or all that are left; of a column what begins in it. */
    const device_trial *t = p.trial;
    const device_conv &c = t->conv[layer];
    row0 = p.row0;
    const int rows = p.rows, width = p.width, size = p.size;
    const bool last = row0 + rows >= c.pool_height;
    const int top = row0 * STEP - c.pad, left = p.begin * STEP - c.pad, reached = (rows - 1) * STEP + REACH;
    {
      const int in_width = c.in_width, channels = c.in_channels, channel = lane % 8 * 4;
      const int y0 = top > 0 ? top : 0, y1 = last ? c.in_height : smaller(c.in_height, top + rows * STEP);
      const int x0 = p.own > 0 ? p.own * STEP - c.pad : 0, x1 = p.end < c.pool_width ? p.end * STEP - c.pad : in_width;
      NO_UNROLL
      for (int line = warp_number(); line < p.images * (y1 - y0); line += shape::WARPS) {
        const int image = line / (y1 - y0), y = y0 + line - image * (y1 - y0);
        const float *from = band + image * size + (y - top) * width * LANES + channel;
        float *to = t->conv[layer - 1].gradient + p.first_channel + channel +
                    (int64_t)((p.first_image + image) * c.in_height + y) * in_width * channels;
        NO_UNROLL
        for (int x = x0 + lane / 8; x < x1; x += 4) {
          const bool reaches = y - top < reached && x - left < width;
          if (p.first_channel + channel < channels)
            *(float4 *)(to + (int64_t)x * channels) = reaches ? load4(from + (x - left) * LANES) : zero4();
        }
      }
    }
    if (last) break;
    row0 += rows;
    __syncthreads();
    const int kept = (K - S) * width * (LANES / 4), passed = rows * STEP * width * (LANES / 4);
    float4 *quads = (float4 *)band; /* a band that is not the last is of one image */
    for (int i = (int)threadIdx.x; i < kept; i += THREADS) quads[i] = quads[passed + i];
    __syncthreads();
    for (int i = kept + (int)threadIdx.x; i < size / 4; i += THREADS) quads[i] = zero4();
  }
}

template <int K>
__global__ void __launch_bounds__(data_block<K>::WARPS *LANES, 2)
    conv2d_data_gradient(const device_trial *trials, device_tiles tiles, int layer)
{
  __shared__ data_piece piece;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  if (t->conv[layer].stride == 1)
    data_gradient<K, 1>(piece, t, layer, index);
  else
    data_gradient<K, 2>(piece, t, layer, index);
}

/* ---- weights --------------------------------------------------------------------------------- */

enum { WEIGHT_WARPS = 8, WEIGHT_BYTES = 80 * 1024 }; /* of 128 registers, two blocks on a multiprocessor */

/* Of few trials, which together have at most so many blocks, each block is several, of 8 filters.
 * What a filter's sums are made of, and in which order, is the same. */
enum { WEIGHT_FEW = 64, WEIGHT_FEW_FILTERS = 8 };

template <int K, int S, bool FEW> struct weight_shape {
  static constexpr int MOST = K == 5 ? 2 : S == 1 ? 8 : 4;             /* filters of a warp, unless they are few */
  static constexpr int ACROSS = smaller(WEIGHT_WARPS, 32 / MOST);      /* warps with different filters */
  static constexpr int GROUPS = WEIGHT_WARPS / ACROSS;                 /* of warps, that take windows in turn */
  static constexpr int OWN = FEW ? WEIGHT_FEW_FILTERS / ACROSS : MOST; /* filters of a warp */
  static constexpr int FILTERS = OWN * ACROSS;                         /* of a block */
  static constexpr int STEP = 2 * S, REACH = S + K;
  static __host__ __device__ int width(int columns)
  {
    return (columns - 1) * STEP + REACH;
  }
  static __host__ __device__ int patch(int rows, int columns) /* floats */
  {
    return width(rows) * width(columns) * LANES;
  }
  static int bytes(int rows, int columns)
  {
    return 4 * patch(rows, columns) + 5 * FILTERS * rows * columns;
  }
};

/* What a block is for; in shared memory for the reason that struct data_piece is. */
struct weight_piece {
  const device_trial *trial;
  int split, first_image, images, first_filter, filters, first_channel, pieces;
  int columns, windows;              /* of the piece at hand */
  int patch_floats, gradient_floats; /* in shared memory, of the largest piece; then come its bytes */
};

template <int K, int S, bool FEW>
__device__ __forceinline__ void weight_gradient(weight_piece &p, const device_trial *trial, int layer, int index)
{
  typedef weight_shape<K, S, FEW> shape;
  constexpr int THREADS = WEIGHT_WARPS * LANES, OWN = shape::OWN, FILTERS = shape::FILTERS, GROUPS = shape::GROUPS;
  constexpr int STEP = shape::STEP, REACH = shape::REACH;
  DYNAMIC_SHARED(float, shared);
  if (threadIdx.x == 0) {
    const device_conv &c = trial->conv[layer];
    const int filter_tiles = divide_up(c.matrix.columns, FILTERS), channel_tiles = divide_up(c.in_channels, LANES);
    const int split = index / (filter_tiles * channel_tiles), tile = index - split * filter_tiles * channel_tiles;
    const int share = divide_up(trial->batch, c.matrix.splits), left = trial->state->count - split * share;
    p.trial = trial, p.split = split;
    p.first_image = split * share, p.images = left < 0 ? 0 : smaller(share, left);
    p.first_filter = tile / channel_tiles * FILTERS, p.filters = smaller(FILTERS, c.matrix.columns - p.first_filter);
    p.first_channel = tile % channel_tiles * LANES;
    p.pieces = p.images * divide_up(c.pool_height, c.gradients.weight_rows) *
               divide_up(c.pool_width, c.gradients.weight_columns);
    p.patch_floats = shape::patch(c.gradients.weight_rows, c.gradients.weight_columns);
    p.gradient_floats = c.gradients.weight_rows * c.gradients.weight_columns * FILTERS;
  }
  const int lane = (int)threadIdx.x % LANES, warp = warp_number();
  float sum[OWN][K * K], bias = 0;
  UNROLL
  for (int f = 0; f < OWN; f++) UNROLL
  for (int k = 0; k < K * K; k++) sum[f][k] = 0;
  const int own = warp % shape::ACROSS * OWN, group = warp / shape::ACROSS;
  __syncthreads();

  NO_UNROLL
  for (int piece = 0; piece < p.pieces; piece++) {
    const device_trial *t = p.trial;
    const device_conv &c = t->conv[layer];
    const int span = c.gradients.weight_columns, most_rows = c.gradients.weight_rows;
    const int across = divide_up(c.pool_width, span), down = divide_up(c.pool_height, most_rows);
    const int strip = piece / across, image = p.first_image + strip / down;
    const int row0 = strip % down * most_rows, column0 = piece % across * span;
    {
      const int rows = smaller(most_rows, c.pool_height - row0), columns = smaller(span, c.pool_width - column0);
      const int width = shape::width(columns), windows = rows * columns;
      const int in_height = c.in_height, in_width = c.in_width, channels = c.in_channels;
      const int left = column0 * STEP - c.pad, channel = p.first_channel + lane % 8 * 4;
      const int first = left < 0 ? -left : 0, end = (width - first) * channels; /* from the first column inside on */
      const int inside = channel < channels ? (in_width - left - first) * channels : 0;
      const float *map = t->conv[layer - 1].map + (channel < channels ? channel : 0);
      /* Beside a row of the map, where nothing is read, lie other arrays of the trial: parts of the
       * gradients before the maps, gradients behind each. */
      NO_UNROLL
      for (int r = warp; r < shape::width(rows); r += WEIGHT_WARPS) {
        const int y = row0 * STEP - c.pad + r, near = y < 0 ? 0 : smaller(y, in_height - 1);
        const int own_inside = y == near ? inside : 0;
        float *to = shared + (r * width + lane / 8) * LANES + lane % 8 * 4;
        const float *from = map + (((int64_t)image * in_height + near) * in_width + left + first) * channels;
        apart(from);
        NO_UNROLL
        for (int at = (lane / 8 - first) * channels; at < end; at += 4 * channels, to += 4 * LANES)
          async_copy_16(to, from + at, (unsigned)at < (unsigned)own_inside);
      }
      /* A thread keeps its filters, which may be none of the layer's: no warp has these.  Where all
       * columns are at hand the windows of all rows are one row. */
      constexpr int QUADS = FILTERS / 8, WINDOWS = THREADS / QUADS;
      const int filters = c.matrix.columns, f = (int)threadIdx.x % QUADS * 8, before = c.pool_width - columns;
      if (f < p.filters) {
        const int line = before == 0 ? windows : columns;
        float *const gradient = shared + p.patch_floats + f;
        uint8_t *const argmax = (uint8_t *)(shared + p.patch_floats + p.gradient_floats) + f;
        int w = (int)threadIdx.x / QUADS, x = w % line;
        const int64_t window = (int64_t)(image * c.pool_height + row0) * c.pool_width + column0 + w + w / line * before;
        const float *g = c.gradient + window * filters + p.first_filter + f;
        const uint8_t *bytes = c.argmax + window * filters + p.first_filter + f;
        NO_UNROLL
        for (; w < windows; w += WINDOWS) {
          async_copy_16(gradient + w * FILTERS, g, true);
          async_copy_16(gradient + w * FILTERS + 4, g + 4, true);
          async_copy_8(argmax + w * FILTERS, bytes, true);
          g += WINDOWS * filters, bytes += WINDOWS * filters;
          for (x += WINDOWS; x >= line; x -= line) g += before * filters, bytes += before * filters;
        }
      }
      if (threadIdx.x == 0) p.columns = columns, p.windows = windows;
    }
    async_commit();
    async_wait<0>();
    __syncthreads();

    const int columns = uniform(p.columns), windows = uniform(p.windows), width = shape::width(columns);
    const float *const gradient = shared + uniform(p.patch_floats);
    const uint8_t *const argmax = (const uint8_t *)(gradient + uniform(p.gradient_floats));

    if (p.first_channel == 0 && lane < p.filters) {
      int w = warp;
      apart(w);
      const float *one = gradient + w * FILTERS + lane;
      const uint8_t *byte = argmax + w * FILTERS + lane;
      NO_UNROLL
      for (; w < windows; w += WEIGHT_WARPS) {
        bias += *byte < DEVICE_POOL_MASKED ? *one : 0;
        one += WEIGHT_WARPS * FILTERS, byte += WEIGHT_WARPS * FILTERS;
      }
    }
    const float *x0 = shared + group * STEP * LANES + lane, *g = gradient + group * FILTERS + own;
    const uint8_t *bytes = argmax + group * FILTERS + own;
    const int next_row = STEP * (width - columns) * LANES;
    int column = group;
    NO_UNROLL
    for (int w = own < uniform(p.filters) ? group : windows; w < windows; w += GROUPS) {
      for (; column >= columns; column -= columns) x0 += next_row;
      float x[REACH][REACH], v[OWN];
      uint32_t which[(OWN + 3) / 4];
      UNROLL
      for (int i = 0; i < REACH; i++) UNROLL
      for (int j = 0; j < REACH; j++) x[i][j] = x0[(i * width + j) * LANES];
      if constexpr (OWN >= 4) {
        UNROLL
        for (int f = 0; f < OWN; f += 4) {
          const float4 four = load4(g + f);
          v[f] = four.x, v[f + 1] = four.y, v[f + 2] = four.z, v[f + 3] = four.w;
          which[f / 4] = *(const uint32_t *)(bytes + f);
        }
      } else if constexpr (OWN == 2) {
        const float2 two = *(const float2 *)g;
        v[0] = two.x, v[OWN - 1] = two.y;
        which[0] = *(const uint16_t *)bytes;
      } else {
        v[0] = *g;
        which[0] = *bytes;
      }
      UNROLL
      for (int f = 0; f < OWN; f++)
        at_the_winner(which[f / 4], f % 4, [&](auto pixel) {
          UNROLL
          for (int k = 0; k < K * K; k++)
            sum[f][k] = fmaf(v[f], x[pixel.y * S + k / K][pixel.x * S + k % K], sum[f][k]);
        });
      column += GROUPS, x0 += GROUPS * STEP * LANES, g += GROUPS * FILTERS, bytes += GROUPS * FILTERS;
    }
    __syncthreads();
  }

  /* The groups, the last first, onto group 0. */
  float *const biases = shared, *const sums = shared + WEIGHT_WARPS * LANES;
  biases[warp * LANES + lane] = bias;
  NO_UNROLL
  for (int from = GROUPS - 1; from > 0; from--) {
    float *const at = sums + own * K * K * LANES + lane;
    if (group == from) UNROLL
    for (int f = 0; f < OWN; f++) UNROLL
    for (int k = 0; k < K * K; k++) at[(f * K * K + k) * LANES] = sum[f][k];
    __syncthreads();
    if (group == 0) UNROLL
    for (int f = 0; f < OWN; f++) UNROLL
    for (int k = 0; k < K * K; k++) sum[f][k] += at[(f * K * K + k) * LANES];
    __syncthreads();
  }
  if (GROUPS == 1) __syncthreads();
  const device_trial *t = p.trial;
  const device_conv &c = t->conv[layer];
  const int filters = c.matrix.columns, channels = c.in_channels, channel = p.first_channel + lane;
  float *to = t->partial + c.matrix.partial + (int64_t)p.split * (c.matrix.rows + 1) * filters + p.first_filter;
  if (p.first_channel == 0 && warp == 0 && lane < FILTERS && p.first_filter + lane < filters) {
    float all = 0;
    for (int w = 0; w < WEIGHT_WARPS; w++) all += biases[w * LANES + lane];
    to[(int64_t)c.matrix.rows * filters + lane] = all;
  }
  if (group != 0 || channel >= channels || p.first_filter + own >= filters) return;
  UNROLL
  for (int k = 0; k < K * K; k++) {
    float *row = to + (int64_t)(k * channels + channel) * filters + own;
    if constexpr (OWN >= 4) {
      UNROLL
      for (int f = 0; f < OWN; f += 4)
        *(float4 *)(row + f) = make_float4(sum[f][k], sum[f + 1][k], sum[f + 2][k], sum[f + 3][k]);
    } else if constexpr (OWN == 2) {
      *(float2 *)row = make_float2(sum[0][k], sum[OWN - 1][k]);
    } else {
      *row = sum[0][k];
    }
  }
}

/* Blocks of one part, where they are not few. */
static inline __host__ __device__ int weight_tiles_of_part(const device_conv &c)
{
  static_assert(weight_shape<5, 1, false>::FILTERS == 16 && weight_shape<5, 2, false>::FILTERS == 16 &&
                    weight_shape<3, 1, false>::FILTERS == 32 && weight_shape<3, 2, false>::FILTERS == 32,
                "of both strides");
  return divide_up(c.matrix.columns, c.kernel == 5 ? 16 : 32) * divide_up(c.in_channels, LANES);
}

static inline __host__ __device__ bool few_weight_tiles(const device_conv &c, int together)
{
  return (int64_t)c.matrix.splits * weight_tiles_of_part(c) * together <= WEIGHT_FEW;
}

template <int K>
__global__ void __launch_bounds__(WEIGHT_WARPS *LANES, 2)
    conv2d_weight_gradient(const device_trial *trials, device_tiles tiles, int layer)
{
  __shared__ weight_piece piece;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  const bool few = few_weight_tiles(t->conv[layer], t->together);
  if (t->conv[layer].stride == 1) {
    if (few)
      weight_gradient<K, 1, true>(piece, t, layer, index);
    else
      weight_gradient<K, 1, false>(piece, t, layer, index);
  } else {
    if (few)
      weight_gradient<K, 2, true>(piece, t, layer, index);
    else
      weight_gradient<K, 2, false>(piece, t, layer, index);
  }
}

/* ---- pieces and launchers -------------------------------------------------------------------- */

/* The largest pieces that fit, of all columns where that is possible; of data, images together
 * where they are one row of strips a warp at most. */
template <int K, int S> static bool pieces_of(struct device_conv *c)
{
  typedef data_shape<K, S> data;
  typedef weight_shape<K, S, false> weights; /* those of few filters take the same */
  const int height = c->pool_height, width = c->pool_width;
  const int most = smaller(data::BYTES, c->shared);
  struct device_pieces *p = &c->gradients;
  int least = smaller(data::LEAST_ROWS, height), columns = width, halo = 0, rows = height;
  while (columns > 1 && data::bytes(1, least, columns + halo) > most) {
    columns = divide_up(columns, 2);
    halo = data::HALO;
  }
  if (data::bytes(1, least, columns + halo) > most) return false;
  for (int bands = 1; rows > least && data::bytes(1, rows, columns + halo) > most; bands++)
    rows = divide_up(height, bands) > least ? divide_up(height, bands) : least;
  p->data_columns = columns, p->data_rows = rows, p->data_images = 1;
  if (rows == height && columns == width)
    while ((p->data_images + 1) * height * divide_up(width, data::STRIP) <= data::WARPS &&
           data::bytes(p->data_images + 1, rows, width) <= most)
      p->data_images++;

  columns = width, rows = height;
  while (columns > 1 && weights::bytes(1, columns) > WEIGHT_BYTES) columns = divide_up(columns, 2);
  for (int bands = 1; rows > 1 && weights::bytes(rows, columns) > WEIGHT_BYTES; bands++)
    rows = divide_up(height, bands);
  p->weight_columns = columns, p->weight_rows = rows;
  return weights::bytes(rows, columns) <= WEIGHT_BYTES;
}

void conv2d_gradient_pieces(struct device_conv *c)
{
  bool fit = false;
  if (c->in_channels % 8 == 0 && c->matrix.columns % 8 == 0) {
    if (c->kernel == 3 && c->stride == 1) fit = pieces_of<3, 1>(c);
    if (c->kernel == 3 && c->stride == 2) fit = pieces_of<3, 2>(c);
    if (c->kernel == 5 && c->stride == 1) fit = pieces_of<5, 1>(c);
    if (c->kernel == 5 && c->stride == 2) fit = pieces_of<5, 2>(c);
  }
  if (!fit) c->gradients = {};
}

static int data_tiles(const struct device_trial *t, int layer, int kernel)
{
  const struct device_conv *c = &t->conv[layer];
  const struct device_pieces *p = &c->gradients;
  if (p->data_rows == 0 || c->kernel != kernel) return 0;
  return divide_up(t->batch, data_images(*c, *t)) * data_tiles_of_image(*c);
}

static int weight_tiles(const struct device_trial *t, int layer, int kernel)
{
  const struct device_conv *c = &t->conv[layer];
  if (c->gradients.weight_rows == 0 || c->kernel != kernel) return 0;
  if (!few_weight_tiles(*c, t->together)) return c->matrix.splits * weight_tiles_of_part(*c);
  return c->matrix.splits * divide_up(c->matrix.columns, WEIGHT_FEW_FILTERS) * divide_up(c->in_channels, LANES);
}

int step_tiles_data_gradient_3(const struct device_trial *t, int layer)
{
  return data_tiles(t, layer, 3);
}
int step_tiles_data_gradient_5(const struct device_trial *t, int layer)
{
  return data_tiles(t, layer, 5);
}
int step_tiles_weight_gradient_3(const struct device_trial *t, int layer)
{
  return weight_tiles(t, layer, 3);
}
int step_tiles_weight_gradient_5(const struct device_trial *t, int layer)
{
  return weight_tiles(t, layer, 5);
}

static int launch_pieces(void (*kernel)(const device_trial *, device_tiles, int), int threads, int bytes,
                         const device_trial *trials, device_tiles tiles, int layer, void *stream)
{
  return launch_large(kernel, dim3(tiles.room), dim3(threads), conv2d_block_bytes(bytes), (cudaStream_t)stream, trials,
                      tiles, layer);
}

int step_data_gradient_3(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_pieces(conv2d_data_gradient<3>, data_block<3>::WARPS * LANES, data_block<3>::BYTES, trials, tiles,
                       layer, stream);
}
int step_data_gradient_5(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_pieces(conv2d_data_gradient<5>, data_block<5>::WARPS * LANES, data_block<5>::BYTES, trials, tiles,
                       layer, stream);
}
int step_weight_gradient_3(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_pieces(conv2d_weight_gradient<3>, WEIGHT_WARPS * LANES, WEIGHT_BYTES, trials, tiles, layer, stream);
}
int step_weight_gradient_5(const device_trial *trials, device_tiles tiles, int layer, enum precision, void *stream)
{
  return launch_pieces(conv2d_weight_gradient<5>, WEIGHT_WARPS * LANES, WEIGHT_BYTES, trials, tiles, layer, stream);
}
