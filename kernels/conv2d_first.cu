/* The first convolution in FP32: from bytes to pooled maps in one kernel, and its weight gradient.
 * For kernels of 3 and 5 at strides of 1 and 2; all others are in conv2d_first_general.cu.
 *
 * A block has a *patch*: the pixels that a rectangle of pooling windows of one image sees, as
 * floats in shared memory, a plane for each channel.  They come from the image's bytes by the
 * normalisation table once, with zeros where the image ends, so that nothing is asked of a pixel
 * any more when it is multiplied.  In FP32; in TF32 forward is in conv2d_first_tensor.cu, and the
 * gradient in conv2d_first_tensor_weights.cu, but of up to 8 filters.
 *
 * Forward a lane has two filters, whose weights stay in registers, and computes two neighbouring
 * windows at a time: of each row of pixels that it loads, by one or two addresses in a warp,
 * every pixel serves up to nine taps, two filters and both rows of the windows.
 *
 * Backward one of a window's four pixels has a gradient.  A lane has a filter and its taps' sums in
 * registers; a group of lanes walks over neighbouring windows and gathers the taps around the
 * pixel that won, four windows in flight.  The data have no gradient, so there are weights alone.
 * Order of a part's sums, by shapes alone: windows of a group as they lie, image by image; the
 * groups of a warp; the warps.
 *
 * Trials of all shapes share a launch, and a block takes the code of its trial's: a launch for each
 * kind would cost a microsecond each, empty or not, and leave a GPU that a cohort does not fill
 * emptier. */
#include "kernels/conv2d_first.cuh"
#include "kernels/launch.h"

enum {
  FORWARD_THREADS = 128,
  FORWARD_BLOCKS = 4, /* 128 registers: 54 weights of three channels' taps, 16 sums, a row of pixels */
  BACKWARD_THREADS = 160,
  BACKWARD_BLOCKS = 4,  /* 96 registers: 28 sums, four windows on their way, where all of it lies */
  LANE_FILTERS = 2,     /* forward */
  LANE_WINDOWS = 2,     /* forward, at a time */
  CHUNK = 32,           /* filters of a block */
  PATCH_FLOATS = 6144,  /* with the table: 24 KB, so that all blocks fit */
  FORWARD_ITEMS = 64,   /* pairs of windows of a block: eight a group where filters are 32 */
  FORWARD_COLUMNS = 32, /* windows across a patch */
  WALK_AHEAD = 4,       /* windows whose gradients are on their way */
  USUAL_FILTERS = 32,   /* the default of an ini file: code of its own */
  WARPS = BACKWARD_THREADS / 32,
};

/* Lanes that work on the same windows, as a power of two: room for the filters of a chunk, `each` a
 * lane. */
__device__ __forceinline__ int lane_bits(int columns, int each)
{
  const int lanes = (columns < CHUNK ? columns : CHUNK) / each;
  return lanes > 16 ? 5 : lanes > 8 ? 4 : lanes > 4 ? 3 : 2;
}

/* The thread's first filter. */
__device__ __forceinline__ int filter_of(int chunk, int bits, int each = 1)
{
  return chunk * CHUNK + ((int)threadIdx.x & ((1 << bits) - 1)) * each;
}

/* ---- forward --------------------------------------------------------------------------------- */

/* N floats from an address that 16 divides; reads as many as 3 beyond. */
template <int N> __device__ __forceinline__ void load_pixels(float (&x)[N], const float *p)
{
  UNROLL
  for (int i = 0; i < N; i += 4) {
    float4 v = load4(p + i);
    x[i] = v.x;
    if (i + 1 < N) x[i + 1] = v.y;
    if (i + 2 < N) x[i + 2] = v.z;
    if (i + 3 < N) x[i + 3] = v.w;
  }
}

/* Pixels of two neighbouring windows × two filters. */
typedef float pair_sums[2][2 * LANE_WINDOWS][LANE_FILTERS];

/* Adds a channel's taps; p: its pixel of the first window's first tap. */
template <int K, int S>
__device__ __forceinline__ void add_channel(pair_sums &sum, const float (&w)[K * K][LANE_FILTERS], const float *p,
                                            int stride)
{
  constexpr int ACROSS = S * (2 * LANE_WINDOWS - 1) + K;
  UNROLL
  for (int row = 0; row < S + K; row++) {
    float x[ACROSS];
    load_pixels<ACROSS>(x, p + row * stride);
    UNROLL
    for (int y = 0; y < 2; y++) {
      const int down = row - S * y;
      if (down < 0 || down >= K) continue;
      UNROLL
      for (int right = 0; right < K; right++) UNROLL
      for (int q = 0; q < 2 * LANE_WINDOWS; q++) UNROLL
      for (int j = 0; j < LANE_FILTERS; j++)
        sum[y][q][j] = fmaf(x[S * q + right], w[down * K + right][j], sum[y][q][j]);
    }
  }
}

template <int K>
__device__ __forceinline__ void load_weights(float (&w)[K * K][LANE_FILTERS], const float *from, int columns)
{
  UNROLL
  for (int k = 0; k < K * K; k++) {
    float2 v = __ldca((const float2 *)(from + k * columns));
    w[k][0] = v.x;
    w[k][1] = v.y;
  }
}

/* Ends window `i` of the pair: the largest of its sums (the first of equals in row order), ReLU,
 * argmax byte.  What is not a number passes all of this, so that the loss shows it. */
__device__ __forceinline__ void store_pair(const pair_sums &sum, int i, float *map, uint8_t *argmax)
{
  float value[LANE_FILTERS];
  unsigned char which[LANE_FILTERS];
  UNROLL
  for (int j = 0; j < LANE_FILTERS; j++) {
    const float a = sum[0][2 * i][j], b = sum[0][2 * i + 1][j], c = sum[1][2 * i][j], d = sum[1][2 * i + 1][j];
    const float best = max_or_nan(max_or_nan(a, b), max_or_nan(c, d));
    value[j] = best;
    which[j] = (unsigned char)(a == best ? 0 : b == best ? 1 : c == best ? 2 : 3);
    if (best <= 0) {
      value[j] = 0;
      which[j] = DEVICE_POOL_MASKED;
    }
  }
  __stwb((float2 *)map, make_float2(value[0], value[1]));
  __stwb((uchar2 *)argmax, make_uchar2(which[0], which[1]));
}

/* A block: a patch of an image × a chunk of filters.  C channels, whose weights stay in registers;
 * 0: any number, whose weights are read again for each pair of windows. */
template <int K, int S, int C>
__device__ __forceinline__ void forward_patch(const device_trial *t, const device_conv &c, const first_place &place,
                                              float *shared)
{
  const device_first_patch &p = t->forward_patch;
  const int columns = c.matrix.columns, pool_width = c.pool_width;
  const int n = place.image, chunk = place.chunk, row0 = place.row0, column0 = place.column0;
  const int rows = place.rows, across = place.across;

  const int thread = (int)threadIdx.x, bits = lane_bits(columns - chunk * CHUNK, LANE_FILTERS);
  const int filter = filter_of(chunk, bits, LANE_FILTERS);
  const bool mine = filter < columns;
  const float *w = t->weights + c.matrix.weight + (mine ? filter : 0);
  constexpr int KEPT = C > 0 ? C : 1;
  float weights[KEPT][K * K][LANE_FILTERS];
  if constexpr (C > 0) UNROLL
  for (int k = 0; k < C; k++) load_weights<K>(weights[k], w + k * K * K * columns, columns);
  const float2 bias = __ldca((const float2 *)(w + c.matrix.rows * columns));

  float *const table = shared, *const pixels = shared + 256 * p.planes;
  table_fill(t, p, 0, table);
  patch_fill<C, C>(c, p, first_source(t, c, place, K, S), table, pixels);

  const int64_t at = ((int64_t)(n * c.pool_height + row0) * pool_width + column0) * columns + filter;
  float *const map = c.map + at;
  uint8_t *const argmax = c.argmax + at;
  const int groups = FORWARD_THREADS >> bits, first = thread >> bits, row_items = p.items, items = rows * row_items;
  const int stride = p.stride, plane = p.plane, channels = c.in_channels;
  const device_divisor by_items = p.by_items;
  NO_UNROLL
  for (int item = first; item < items; item += groups) {
    const int row = divide(item, by_items), column = LANE_WINDOWS * (item - row * row_items);
    const float *q = pixels + row * 2 * S * stride + column * 2 * S;
    pair_sums sum;
    UNROLL
    for (int y = 0; y < 2; y++) UNROLL
    for (int x = 0; x < 2 * LANE_WINDOWS; x++) {
      sum[y][x][0] = bias.x;
      sum[y][x][1] = bias.y;
    }
    if constexpr (C > 0) {
      UNROLL
      for (int k = 0; k < C; k++) add_channel<K, S>(sum, weights[k], q + k * plane, stride);
    } else {
      NO_UNROLL
      for (int k = 0; k < channels; k++) {
        load_weights<K>(weights[0], w + k * K * K * columns, columns);
        add_channel<K, S>(sum, weights[0], q + k * plane, stride);
      }
    }
    UNROLL
    for (int i = 0; i < LANE_WINDOWS; i++) {
      const int offset = (row * pool_width + column + i) * columns;
      if (mine && column + i < across) store_pair(sum, i, map + offset, argmax + offset);
    }
  }
}

/* Dropout of the last map, each thread what it has written of the block's windows.  `place` is in
 * shared memory: registers were for weights. */
__device__ __forceinline__ void thin_patch(const device_trial *t, const device_conv &c, const first_place &place)
{
  const device_first_patch &p = t->forward_patch;
  const int columns = c.matrix.columns, area = c.pool_height * c.pool_width;
  const int bits = lane_bits(columns - place.chunk * CHUNK, LANE_FILTERS);
  const int filter = filter_of(place.chunk, bits, LANE_FILTERS);
  const int groups = FORWARD_THREADS >> bits, items = place.rows * p.items;
  NO_UNROLL
  for (int item = (int)threadIdx.x >> bits; item < items; item += groups) {
    const int row = divide(item, p.by_items), right = LANE_WINDOWS * (item - row * p.items);
    const int window = (place.row0 + row) * c.pool_width + place.column0 + right;
    NO_UNROLL
    for (int k = 0; k < LANE_WINDOWS * LANE_FILTERS; k++) {
      const int i = k / LANE_FILTERS, j = k % LANE_FILTERS;
      if (right + i >= place.across || filter + j >= c.filters) continue;
      float *x = c.map + ((int64_t)place.image * area + window + i) * columns + filter + j;
      *x = dropped(t, 0, *x, place.image, c.filters * area, (filter + j) * area + window + i);
    }
  }
}

__global__ void __launch_bounds__(FORWARD_THREADS, FORWARD_BLOCKS)
    conv2d_first_forward(const device_trial *trials, device_tiles tiles)
{
  __shared__ float4 shared[PATCH_FLOATS / 4];
  float *const floats = (float *)shared;
  __shared__ first_place kept;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
  const device_conv &c = t->conv[0];
  const first_place place = first_place_of(t, c, t->forward_patch, index);
  if (place.image >= t->state->count) return;
  if (threadIdx.x == 0) kept = place; /* a barrier follows */
  const int channels = c.in_channels;
  if (c.kernel == 3) {
    if (c.stride == 1) {
      if (channels == 1)
        forward_patch<3, 1, 1>(t, c, place, floats);
      else if (channels == 3)
        forward_patch<3, 1, 3>(t, c, place, floats);
      else
        forward_patch<3, 1, 0>(t, c, place, floats);
    } else if (channels == 1) {
      forward_patch<3, 2, 1>(t, c, place, floats);
    } else if (channels == 3) {
      forward_patch<3, 2, 3>(t, c, place, floats);
    } else {
      forward_patch<3, 2, 0>(t, c, place, floats);
    }
  } else if (c.stride == 1) {
    if (channels == 1)
      forward_patch<5, 1, 1>(t, c, place, floats);
    else
      forward_patch<5, 1, 0>(t, c, place, floats);
  } else if (channels == 1) {
    forward_patch<5, 2, 1>(t, c, place, floats);
  } else {
    forward_patch<5, 2, 0>(t, c, place, floats);
  }
  if (t->layers == 1 && t->dropout_threshold > 0 && t->state->phase == DEVICE_TRAIN) thin_patch(t, c, kept);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* When nobody uses shared memory: sums over the groups of a warp, then over the warps in order, and
 * writes rows first_row ... of the part, and the biases' row where it is `with_bias`. */
template <int N>
__device__ __forceinline__ void store_part(float (&sum)[N], float *shared, float *part, const device_matrix &m,
                                           int first_row, bool with_bias, int chunk, int lanes)
{
  const int thread = (int)threadIdx.x, lane = thread % 32, warp = thread / 32;
  for (int apart = lanes; apart < 32; apart *= 2) UNROLL
  for (int k = 0; k < N; k++) sum[k] += __shfl_xor_sync(0xffffffffu, sum[k], apart);
  UNROLL
  for (int k0 = 0; k0 < N; k0 += WARPS) {
    if (k0 > 0) __syncthreads();
    if (lane < lanes) UNROLL
    for (int k = k0; k < k0 + WARPS && k < N; k++) shared[(warp * WARPS + k - k0) * CHUNK + lane] = sum[k];
    __syncthreads();
    /* as many threads as there are rows × filters at once */
    const int k = k0 + warp, filter = chunk * CHUNK + lane, row = k < N - 1 ? first_row + k : m.rows;
    if (k >= N || lane >= lanes || filter >= m.columns || (k == N - 1 && !with_bias)) continue;
    float total = shared[warp * CHUNK + lane];
    UNROLL
    for (int w = 1; w < WARPS; w++) total += shared[(w * WARPS + warp) * CHUNK + lane];
    part[row * m.columns + filter] = total;
  }
}

/* What a block of the gradient is of, kept in shared memory: registers are for sums. */
struct part_block {
  int split, chunk, channel;
  int next; /* patch of the part */
};

__device__ __forceinline__ void part_block_make(part_block *b, const device_first_patch &p, int index)
{
  const int place = divide(index, p.by_chunks), split = divide(place, p.by_groups);
  if (threadIdx.x == 0) *b = {split, index - place * p.chunks, (place - split * p.groups) * p.planes, 0};
  __syncthreads();
}

/* A block: a part × a chunk of filters × C channels.  FILTERS: the columns where they are known, so
 * that gradients are read at fixed distances; else 0. */
template <int K, int S, int C, int FILTERS>
__device__ __forceinline__ void backward_patches(const device_trial *t, const device_conv &c, part_block *b,
                                                 float *shared)
{
  constexpr int TAPS = C * K * K;
  const device_first_patch &p = t->backward_patch;
  const int columns = FILTERS ? FILTERS : c.matrix.columns;
  float *const table = shared, *const pixels = shared + 256 * C;
  table_fill(t, p, b->channel, table);
  float sum[TAPS + 1];
  UNROLL
  for (int k = 0; k <= TAPS; k++) sum[k] = 0;
  NO_UNROLL
  for (;;) {
    const int i = b->next, image = divide(i, p.by_patches), patch = i - image * p.bands * p.strips;
    const int n = b->split * p.images + image;
    if (image >= p.images || n >= t->state->count) break;
    const int pool_width = c.pool_width, stride = p.stride;
    const int band = divide(patch, p.by_strips), row0 = band * p.rows, column0 = (patch - band * p.strips) * p.columns;
    const int rows = min(p.rows, c.pool_height - row0), across = min(p.columns, pool_width - column0);
    const int bits = lane_bits(columns - b->chunk * CHUNK, 1), filter = filter_of(b->chunk, bits);
    const int windows = rows * across, share = ((windows + (WARPS << (5 - bits)) - 1) >> (5 - bits)) / WARPS;
    const int begin = min(((int)threadIdx.x >> bits) * share, windows), end = min(begin + share, windows);
    const int64_t at = ((int64_t)(n * c.pool_height + row0) * pool_width + column0 + begin) * columns +
                       (filter < columns ? filter : 0);
    const float *gradient = c.gradient + at;
    const uint8_t *argmax = c.argmax + at;
    float g[WALK_AHEAD];
    int won[WALK_AHEAD];
    UNROLL
    for (int u = 0; u < WALK_AHEAD; u++) {
      g[u] = begin + u < end ? __ldca(gradient + u * columns) : 0;
      won[u] = begin + u < end ? __ldca(argmax + u * columns) : (int)DEVICE_POOL_MASKED;
    }
    const patch_source source = {image_at(t, n), 2 * S * row0 - c.pad, 2 * S * column0 - c.pad, S * (2 * rows - 1) + K,
                                 b->channel};
    __syncthreads(); /* the patch before is done with */
    if (threadIdx.x == 0) b->next = i + 1;
    patch_fill<C == 3 ? 3 : 0, C>(c, p, source, table, pixels);

    const int row = divide(begin, p.by_items);
    int column = begin - row * across, corner = row * 2 * S * stride + column * 2 * S;
    NO_UNROLL
    for (int w = begin; w < end; w += WALK_AHEAD) {
      const int left = end - w - WALK_AHEAD;
      gradient += WALK_AHEAD * columns;
      argmax += WALK_AHEAD * columns;
      UNROLL
      for (int u = 0; u < WALK_AHEAD; u++) {
        /* where nothing won, also beyond the last window, some pixel with a gradient of zero */
        const bool some = won[u] < DEVICE_POOL_MASKED;
        const float dy = some ? g[u] : 0;
        const int pixel = corner + won[u] * S + (won[u] >> 1) * (S * stride - 2 * S);
        const float *q = pixels + (some ? pixel : 0);
        g[u] = u < left ? __ldca(gradient + u * columns) : 0;
        won[u] = u < left ? __ldca(argmax + u * columns) : (int)DEVICE_POOL_MASKED;
        sum[TAPS] += dy;
        UNROLL
        for (int k = 0; k < C; k++) UNROLL
        for (int down = 0; down < K; down++) UNROLL
        for (int right = 0; right < K; right++) {
          float &tap = sum[(k * K + down) * K + right];
          tap = fmaf(dy, q[k * p.plane + down * stride + right], tap);
        }
        corner += 2 * S;
        if (++column == across) {
          column = 0;
          corner += 2 * S * (stride - across);
        }
      }
    }
  }
  __syncthreads();
  const device_matrix &m = c.matrix;
  const int bits = lane_bits(columns - b->chunk * CHUNK, 1);
  float *part = t->partial + m.partial + (int64_t)b->split * (m.rows + 1) * m.columns;
  store_part(sum, shared, part, m, b->channel * K * K, b->channel == 0, b->chunk, 1 << bits);
}

template <int FILTERS>
__device__ __forceinline__ void backward_of(const device_trial *t, const device_conv &c, part_block *b, float *shared)
{
  if (c.kernel == 3) {
    if (t->backward_patch.planes == 3) {
      if (c.stride == 1)
        backward_patches<3, 1, 3, FILTERS>(t, c, b, shared);
      else
        backward_patches<3, 2, 3, FILTERS>(t, c, b, shared);
    } else if (c.stride == 1) {
      backward_patches<3, 1, 1, FILTERS>(t, c, b, shared);
    } else {
      backward_patches<3, 2, 1, FILTERS>(t, c, b, shared);
    }
  } else if (c.stride == 1) {
    backward_patches<5, 1, 1, FILTERS>(t, c, b, shared);
  } else {
    backward_patches<5, 2, 1, FILTERS>(t, c, b, shared);
  }
}

__global__ void __launch_bounds__(BACKWARD_THREADS, BACKWARD_BLOCKS)
    conv2d_first_backward(const device_trial *trials, device_tiles tiles)
{
  __shared__ float4 shared[PATCH_FLOATS / 4];
  __shared__ part_block block;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  part_block_make(&block, t->backward_patch, index);
  if (t->conv[0].matrix.columns == USUAL_FILTERS)
    backward_of<USUAL_FILTERS>(t, t->conv[0], &block, (float *)shared);
  else
    backward_of<0>(t, t->conv[0], &block, (float *)shared);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

/* A part is an image: a block's work where maps are large, and each part is written, read and
 * added.  It is several where an image has few windows, or the batch more images than a GPU has
 * multiprocessors. */
enum { PART_WINDOWS = 64, PARTS_MAX = 128 };

static int images_of_part(const device_conv *c, int batch)
{
  int by_windows = divide_up(PART_WINDOWS, c->pool_height * c->pool_width), by_parts = divide_up(batch, PARTS_MAX);
  return by_windows > by_parts ? by_windows : by_parts;
}

int conv2d_first_splits(const device_conv *c, int batch)
{
  return divide_up(batch, images_of_part(c, batch));
}

/* A row of a patch in shared memory: float4s; the four pixels of a window are in different banks,
 * as backward the lanes of a warp want all of them. */
static int stride_of(const device_conv *c, int columns)
{
  int stride = divide_up(first_pixels(c, columns), 4) * 4;
  return stride * c->stride % 32 ? stride : stride + 4;
}

/* The rows of windows that fit with the table, at most as many as there are; 0: none does. */
static int rows_that_fit(const device_conv *c, int planes, int columns)
{
  int rows = c->pool_height, room = PATCH_FLOATS / planes - 256;
  while (rows > 0 && first_pixels(c, rows) * stride_of(c, columns) > room) rows--;
  return rows;
}

device_first_patch conv2d_first_patch(const device_conv *c, int planes, int rows, int columns, int item)
{
  device_first_patch p = {};
  p.planes = planes;
  p.strips = divide_up(c->pool_width, columns);
  p.columns = divide_up(divide_up(c->pool_width, p.strips), item) * item;
  p.bands = divide_up(c->pool_height, rows);
  p.rows = divide_up(c->pool_height, p.bands);
  p.chunks = divide_up(c->matrix.columns, CHUNK);
  p.groups = c->in_channels / planes;
  p.items = p.columns / item;
  p.width = first_pixels(c, p.columns);
  const int bytes = c->in_width * c->in_channels % 4 == 0 ? 4 : 1; /* of a load */
  for (int strip = 0; strip < p.strips; strip++) {
    int left = 2 * c->stride * strip * p.columns - c->pad, right = left + p.width;
    int first = (left > 0 ? left : 0) * c->in_channels / bytes;
    int last = (right < c->in_width ? right : c->in_width) * c->in_channels;
    int loads = divide_up(last, bytes) - first;
    if (loads > p.loads) p.loads = loads;
  }
  p.by_loads = conv2d_divisor(p.loads);
  p.by_items = conv2d_divisor(p.items);
  p.by_strips = conv2d_divisor(p.strips);
  p.by_bands = conv2d_divisor(p.bands);
  p.by_chunks = conv2d_divisor(p.chunks);
  p.by_groups = conv2d_divisor(p.groups);
  p.by_patches = conv2d_divisor(p.bands * p.strips);
  return p;
}

void conv2d_first_few(device_first_patch *p, const device_trial *t)
{
  const int height = t->conv[0].pool_height, bands = FIRST_FEW / first_blocks(t, *p, 1);
  p->few_rows = bands > p->bands ? divide_up(height, bands) : p->rows;
  p->few_bands = divide_up(height, p->few_rows);
  p->by_few_bands = conv2d_divisor(p->few_bands);
}

/* The same, of planes. */
static device_first_patch patch_make(const device_conv *c, int planes, int rows, int columns, int item)
{
  device_first_patch p = conv2d_first_patch(c, planes, rows, columns, item);
  p.stride = stride_of(c, p.columns);
  p.plane = first_pixels(c, p.rows) * p.stride;
  return p;
}

static_assert(DEVICE_CHANNELS_MAX * (256 + (2 + 5) * (2 * (2 * FORWARD_COLUMNS - 1) + 5 + 4)) <= PATCH_FLOATS,
              "a row of windows fits, of four channels, a kernel of 5 and a stride of 2");

static int least(int a, int b)
{
  return a < b ? a : b;
}

void conv2d_first_patches(struct device_trial *t)
{
  const device_conv *c = &t->conv[0];
  t->patches = (c->kernel == 3 || c->kernel == 5) && (c->stride == 1 || c->stride == 2);
  if (!t->patches) return;
  conv2d_first_tensor_patch(t);

  int columns = divide_up(c->pool_width, divide_up(c->pool_width, FORWARD_COLUMNS)), pairs = divide_up(columns, 2);
  int rows = least(rows_that_fit(c, c->in_channels, 2 * pairs), FORWARD_ITEMS / pairs);
  t->forward_patch = patch_make(c, c->in_channels, rows, 2 * pairs, LANE_WINDOWS);
  conv2d_first_few(&t->forward_patch, t);
  conv2d_first_few(&t->tensor_patch, t);

  /* As much of an image as fits.  A walk's gradients lie side by side: whole rows, or a part of
   * one. */
  int planes = c->kernel == 3 && c->in_channels == 3 ? 3 : 1;
  columns = c->pool_width;
  while (rows_that_fit(c, planes, columns) == 0) columns = divide_up(columns, 2);
  rows = columns < c->pool_width ? 1 : rows_that_fit(c, planes, columns);
  t->backward_patch = patch_make(c, planes, rows, columns, 1);
  t->backward_patch.images = images_of_part(c, t->batch);
  conv2d_first_gradient_patch(t);
  t->gradient_patch.images = t->backward_patch.images;
}

/* ---- launchers ------------------------------------------------------------------------------- */

static int first_tiles_forward(const device_trial *t, const device_first_patch &p)
{
  return t->patches ? first_blocks(t, p, few_first_blocks(t, p) ? p.few_bands : p.bands) : 0;
}

static int first_tiles_backward(const device_trial *t)
{
  const device_first_patch &p = t->backward_patch;
  return t->patches ? t->conv[0].matrix.splits * p.groups * p.chunks : 0;
}

int step_tiles_forward(const device_trial *t, int layer)
{
  if (layer == 0) return first_tiles_forward(t, t->forward_patch);
  return t->conv[layer].forward.windows > 0 ? 0 : conv2d_tiles_forward(t, layer);
}

int step_tiles_forward_tf32(const device_trial *t, int layer)
{
  if (layer == 0) return first_tiles_forward(t, t->tensor_patch);
  return t->conv[layer].tensor.forward.rows > 0 ? 0 : conv2d_tiles_forward(t, layer);
}

int step_tiles_backward(const device_trial *t, int layer)
{
  if (layer == 0) return first_tiles_backward(t);
  return t->conv[layer].gradients.data_rows > 0 ? 0 : conv2d_tiles_backward(t, layer);
}

int step_tiles_backward_tf32(const device_trial *t, int layer)
{
  if (layer == 0) return t->gradient_patch.rows > 0 ? 0 : first_tiles_backward(t);
  return t->conv[layer].tensor.forward.rows > 0 ? 0 : conv2d_tiles_backward(t, layer);
}

int step_forward(const device_trial *trials, device_tiles tiles, int layer, enum precision precision, void *stream)
{
  if (layer > 0) return conv2d_forward_launch(trials, tiles, layer, precision, stream);
  if (precision == PRECISION_TF32) return conv2d_first_tensor_launch(trials, tiles, stream);
  return launch(conv2d_first_forward, dim3(tiles.room), dim3(FORWARD_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}

int step_backward(const device_trial *trials, device_tiles tiles, int layer, enum precision precision, void *stream)
{
  if (layer > 0) return conv2d_backward_launch(trials, tiles, layer, precision, stream);
  return launch(conv2d_first_backward, dim3(tiles.room), dim3(BACKWARD_THREADS), 0, (cudaStream_t)stream, trials,
                tiles);
}
