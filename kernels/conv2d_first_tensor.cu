/* The first convolution forward in TF32, by tensor cores: from bytes to pooled maps in one kernel.
 * Kernel 3 or 5, stride 1 or 2, any padding, 1 ... 4 channels.
 *
 * As from the second layer on (conv2d_tensor.cuh) the unit is a *window* of 2×2 pixels; weights are
 * A (16 rows: filters), pixels B (8 columns: one pixel of each of eight windows), and the four sums
 * of a pooling window end in one thread.  The depth of a product is four *slots*, which is the
 * least there is: the channels of a tap, whose slots beyond the image's channels are zero; of one
 * channel, up to four taps of a row.  A lane that has loaded its slot of the pixels under its
 * window has the operands of all taps and of the window's four pixels.
 *
 * The normalisation table is rounded to TF32 once a block, so that pixels are operands as they
 * come.  A pixel within two deviations of the mean moves by 2⁻¹¹ at most; where the deviation is
 * 0.3, a step from one byte to the next is 27 times that.  Raw bytes would be exact, with weights
 * that hold the deviation and the mean, the latter in a channel more that says where the image is.
 * But then weights are rounded beside bytes from which no mean is taken: on pixels of mean 0.48 and
 * deviation 0.24 sums are off by 7e-4 of their norm, and by 2.7e-4 as they are here; the bytes' own
 * rounding is 5e-3.  And one channel would take three times as many products.
 *
 * Instructions of a warp for a window × 32 filters, counted in the loop's code for sm_90, and the
 * products among them, which are multiply-adds in FP32 (conv2d_first.cu):
 *
 *                                   TF32       FP32
 *   kernel 3, stride 1, 1 channel   32 (3)     62 (36)
 *                       3 channels  41 (9)    141 (108)
 *   kernel 5, stride 1, 1 channel   42 (10)   128 (100)
 *                       3 channels  64 (25)   about 400 (300)
 *
 * The weight gradient is in conv2d_first_tensor_weights.cu.
 *
 * Order of a sum, by shapes alone: taps, of each the channels; then the bias.
 *
 * A block has a patch of one image × 32 filters, and takes the code of its trial's shape. */
#include "kernels/conv2d_first.cuh"
#include "kernels/conv2d_tensor.cuh"
#include "kernels/launch.h"

enum {
  FIRST_THREADS = 128,
  FIRST_BLOCKS = 4,    /* 128 registers: 32 sums, up to 40 weights, up to 28 pixels */
  FIRST_FLOATS = 8192, /* weights, table, patch: 32 KB, so that all blocks fit */
  FIRST_WINDOWS = 128, /* of a block: four times eight a warp */
  FIRST_COLUMNS = 32,  /* windows across a patch */
  FIRST_SLOTS = 4,     /* of a product's depth */
  FIRST_KEPT = 10,     /* products of a pixel whose weights stay in registers */
  PRODUCT_WEIGHTS = FIRST_SLOTS * TENSOR_FILTERS,
};

/* Products of a row of taps: one for each tap, or for four of one channel's. */
static inline __host__ __device__ int row_products(const device_conv &c)
{
  return c.in_channels > 1 ? c.kernel : divide_up(c.kernel, FIRST_SLOTS);
}

static inline __host__ __device__ int weight_floats(const device_conv &c)
{
  return c.kernel * row_products(c) * PRODUCT_WEIGHTS;
}

/* Weights of filters `filter` ... + 31 in TF32, [product][lane][4]: filters 4g ... 4g + 3 of slot
 * t, with g = lane / 4 and t = lane % 4.  A barrier follows. */
__device__ __forceinline__ void fill_first_weights(const device_trial *t, const device_conv &c, int filter, float *to)
{
  const int taps = c.kernel * c.kernel, columns = c.matrix.columns, products = row_products(c),
            all = c.kernel * products;
  const int lane = (int)threadIdx.x % 32, slot = lane % FIRST_SLOTS, own = filter + lane / FIRST_SLOTS * 4;
  const float *const weights = t->weights + c.matrix.weight + own;
  NO_UNROLL
  for (int i = (int)threadIdx.x / 32; i < all; i += FIRST_THREADS / 32) {
    int row = slot * taps + i; /* of the matrix: channel, tap */
    bool there = slot < c.in_channels;
    if (c.in_channels == 1) {
      const int down = products == 1 ? i : i / 2, right = (i - down * products) * FIRST_SLOTS + slot;
      row = down * c.kernel + right;
      there = right < c.kernel;
    }
    *(float4 *)(to + i * PRODUCT_WEIGHTS + lane * 4) =
        there && own < columns ? to_tf32(load4(weights + row * columns)) : zero4();
  }
}

/* Which of a lane's operands a product takes.  QUADS: a pixel is a tap, side by side in four
 * floats; else its channel is alone, and a product takes four pixels of a row. */
template <int K, int S, bool QUADS> struct first_reach {
  static constexpr int PRODUCTS = QUADS ? K : (K + FIRST_SLOTS - 1) / FIRST_SLOTS; /* of a row of taps */
  static constexpr int ACROSS = QUADS ? K + S : 2 * PRODUCTS;                      /* operands of a row of pixels */
  static __device__ __forceinline__ constexpr int at(int product, int pixel)
  {
    return QUADS ? product + S * pixel : pixel * PRODUCTS + product;
  }
  /* Floats from the window's first pixel; phase: of quads. */
  static __device__ __forceinline__ constexpr int offset(int operand, int phase)
  {
    return QUADS ? operand % (2 * S) * phase + operand / (2 * S) * FIRST_SLOTS
                 : operand / PRODUCTS * S + operand % PRODUCTS * FIRST_SLOTS;
  }
};

/* Whether dropout is still to come for what a block has written: of the last map, while
 * training. */
__device__ __forceinline__ bool is_thinned(const device_trial *t)
{
  return t->layers == 1 && t->dropout_threshold > 0 && t->state->phase == DEVICE_TRAIN;
}

/* Ends a window: the largest of its sums (the first of equals in row order), bias, ReLU, argmax
 * byte; in TF32 unless it is thinned.  What is not a number passes all of this, so that the loss
 * shows it.  side: of the lane's two windows. */
__device__ __forceinline__ void store_first(const tensor_sums &sum, int side, const float4 &bias, bool thinned,
                                            float *map, uint8_t *argmax)
{
  const float biases[4] = {bias.x, bias.y, bias.z, bias.w};
  float value[4];
  unsigned char which[4];
  UNROLL
  for (int j = 0; j < 4; j++) {
    float pixel[4];
    UNROLL
    for (int q = 0; q < 4; q++) pixel[q] = sum.of[q][j / 2][j % 2 * 2 + side];
    const float best = max_or_nan(max_or_nan(pixel[0], pixel[1]), max_or_nan(pixel[2], pixel[3]));
    which[j] = (unsigned char)(pixel[0] == best ? 0 : pixel[1] == best ? 1 : pixel[2] == best ? 2 : 3);
    value[j] = best + biases[j];
    if (value[j] <= 0) {
      value[j] = 0;
      which[j] = DEVICE_POOL_MASKED;
    }
  }
  const float4 x = make_float4(value[0], value[1], value[2], value[3]);
  *(float4 *)map = thinned ? x : to_tf32(x);
  *(uchar4 *)argmax = make_uchar4(which[0], which[1], which[2], which[3]);
}

/* Window `own` of a block: whether there is one, and where in the image. */
__device__ __forceinline__ bool first_window(const device_conv &c, const device_first_patch &p, const first_place &at,
                                             int own, int *in_image)
{
  const int down = divide(own, p.by_items), right = own - down * p.columns;
  *in_image = (at.row0 + down) * c.pool_width + at.column0 + right;
  return down < at.rows && right < at.across;
}

/* Dropout of what a block has written, each thread its own. */
__device__ __forceinline__ void thin_first(const device_trial *t, const device_conv &c, const device_first_patch &p,
                                           const first_place &at, float *map, int filter)
{
  const int lane = (int)threadIdx.x % 32, windows = at.rows * p.columns, area = c.pool_height * c.pool_width;
  NO_UNROLL
  for (int first = (int)threadIdx.x / 32 * 8; first < windows; first += FIRST_THREADS / 32 * 8) NO_UNROLL
  for (int i = 0; i < 8; i++) {
    const int j = i % 4;
    int in_image;
    if (!first_window(c, p, at, first + lane % 4 * 2 + i / 4, &in_image) || filter + j >= c.filters) continue;
    float *const x = map + in_image * c.matrix.columns + j;
    *x = to_tf32(dropped(t, 0, *x, at.image, c.filters * area, (filter + j) * area + in_image));
  }
}

/* The windows of a block, eight at a time for each warp. */
template <int K, int S, bool QUADS>
__device__ __forceinline__ void first_windows(const device_trial *t, const device_conv &c, const device_first_patch &p,
                                              const first_place &place, const float *weights, const float *pixels,
                                              float *map, uint8_t *argmax, int filter)
{
  typedef first_reach<K, S, QUADS> reach;
  constexpr int PRODUCTS = K * reach::PRODUCTS;
  constexpr bool KEPT = PRODUCTS <= FIRST_KEPT;
  const int lane = (int)threadIdx.x % 32, stride = p.stride, phase = stride / (2 * S), columns = c.matrix.columns;
  const int windows = place.rows * p.columns;
  const bool thinned = is_thinned(t);
  const float4 bias =
      filter < columns ? load4(t->weights + c.matrix.weight + c.matrix.rows * columns + filter) : zero4();
  weights += lane * 4;
  float4 kept[KEPT ? PRODUCTS : 1];
  if (KEPT) UNROLL
  for (int i = 0; i < PRODUCTS; i++) kept[i] = load4(weights + i * PRODUCT_WEIGHTS);
  NO_UNROLL
  for (int first = (int)threadIdx.x / 32 * 8; first < windows; first += FIRST_THREADS / 32 * 8) {
    const int window = min(first + lane / 4, windows - 1), row = divide(window, p.by_items);
    const float *const at =
        pixels + 2 * S * row * stride + (window - row * p.columns) * (QUADS ? FIRST_SLOTS : 2 * S) + lane % 4;
    tensor_sums sum;
    sum.clear();
    float b[S + K][reach::ACROSS];
    UNROLL
    for (int down = 0; down < K; down++) {
      UNROLL
      for (int y = 0; y < S + K; y++) { /* rows of pixels that no tap before has wanted */
        if (y > down + S || (down > 0 && y < down + S)) continue;
        UNROLL
        for (int i = 0; i < reach::ACROSS; i++) b[y][i] = at[y * stride + reach::offset(i, phase)];
      }
      UNROLL
      for (int i = 0; i < reach::PRODUCTS; i++) {
        const int product = down * reach::PRODUCTS + i;
        const float4 a = KEPT ? kept[KEPT ? product : 0] : load4(weights + product * PRODUCT_WEIGHTS);
        UNROLL
        for (int q = 0; q < 4; q++) {
          const float pixel = b[down + S * (q / 2)][reach::at(i, q % 2)];
          tensor_multiply_4(sum.of[q][0], a.x, a.y, pixel);
          tensor_multiply_4(sum.of[q][1], a.z, a.w, pixel);
        }
      }
    }
    if (filter >= columns) continue;
    UNROLL
    for (int side = 0; side < 2; side++) {
      int in_image;
      if (!first_window(c, p, place, first + lane % 4 * 2 + side, &in_image)) continue;
      store_first(sum, side, bias, thinned, map + in_image * columns, argmax + in_image * columns);
    }
  }
}

template <bool QUADS>
__device__ __forceinline__ void
first_windows_of(const device_trial *t, const device_conv &c, const device_first_patch &p, const first_place &place,
                 const float *weights, const float *pixels, float *map, uint8_t *argmax, int filter)
{
  if (c.kernel == 3) {
    if (c.stride == 1)
      first_windows<3, 1, QUADS>(t, c, p, place, weights, pixels, map, argmax, filter);
    else
      first_windows<3, 2, QUADS>(t, c, p, place, weights, pixels, map, argmax, filter);
  } else if (c.stride == 1) {
    first_windows<5, 1, QUADS>(t, c, p, place, weights, pixels, map, argmax, filter);
  } else {
    first_windows<5, 2, QUADS>(t, c, p, place, weights, pixels, map, argmax, filter);
  }
}

__global__ void __launch_bounds__(FIRST_THREADS, FIRST_BLOCKS)
    conv2d_first_forward_tensor(const device_trial *trials, device_tiles tiles)
{
  __shared__ float4 shared[FIRST_FLOATS / 4];
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
  const device_conv &c = t->conv[0];
  const device_first_patch &p = t->tensor_patch;
  const first_place place = first_place_of(t, c, p, index);
  if (place.image >= t->state->count) return;
  float *const weights = (float *)shared, *const table = weights + weight_floats(c);
  float *const pixels = table + 256 * p.planes;
  fill_first_weights(t, c, place.chunk * TENSOR_FILTERS, weights);
  table_fill(t, p, 0, table, true);
  const patch_source source = first_source(t, c, place, c.kernel, c.stride);
  const int filter = place.chunk * TENSOR_FILTERS + (int)threadIdx.x % 32 / 4 * 4;
  const int64_t at = (int64_t)place.image * c.pool_height * c.pool_width * c.matrix.columns + filter;
  float *const map = c.map + at;
  uint8_t *const argmax = c.argmax + at;
  if (c.in_channels == 1) {
    patch_fill<1, 1>(c, p, source, table, pixels);
    first_windows_of<false>(t, c, p, place, weights, pixels, map, argmax, filter);
  } else {
    if (c.in_channels == 3)
      patch_fill<3, 3, PATCH_QUADS>(c, p, source, table, pixels);
    else
      patch_fill<0, 0, PATCH_QUADS>(c, p, source, table, pixels);
    first_windows_of<true>(t, c, p, place, weights, pixels, map, argmax, filter);
  }
  if (is_thinned(t)) thin_first(t, c, p, place, map, filter);
}

/* ---- sizes and launcher ---------------------------------------------------------------------- */

/* Floats of a row of a patch.  Of quads, as many in each phase; of planes, up to the last slot of
 * the last window's second pixel. */
static int stride_of(const device_conv *c, int columns)
{
  const int phases = 2 * c->stride;
  if (c->in_channels > 1) return phases * divide_up(first_pixels(c, columns), phases) * FIRST_SLOTS;
  return divide_up(phases * (columns - 1) + c->stride + row_products(*c) * FIRST_SLOTS, 4) * 4;
}

static_assert(25 * PRODUCT_WEIGHTS + DEVICE_CHANNELS_MAX * 256 + (2 + 5) * 4 * (FIRST_COLUMNS + 1) * FIRST_SLOTS <=
                  FIRST_FLOATS,
              "a row of windows fits, of four channels, a kernel of 5 and a stride of 2");

void conv2d_first_tensor_patch(struct device_trial *t)
{
  const device_conv *c = &t->conv[0];
  const int columns = divide_up(c->pool_width, divide_up(c->pool_width, FIRST_COLUMNS));
  const int room = FIRST_FLOATS - weight_floats(*c) - 256 * c->in_channels;
  int rows = FIRST_WINDOWS / columns < c->pool_height ? FIRST_WINDOWS / columns : c->pool_height;
  while (first_pixels(c, rows) * stride_of(c, columns) > room) rows--;
  t->tensor_patch = conv2d_first_patch(c, c->in_channels, rows, columns, 1);
  t->tensor_patch.stride = stride_of(c, t->tensor_patch.columns);
  t->tensor_patch.plane = first_pixels(c, t->tensor_patch.rows) * t->tensor_patch.stride;
}

int conv2d_first_tensor_launch(const device_trial *trials, device_tiles tiles, void *stream)
{
  return launch(conv2d_first_forward_tensor, dim3(tiles.room), dim3(FIRST_THREADS), 0, (cudaStream_t)stream, trials,
                tiles);
}
