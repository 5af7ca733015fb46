/* The first convolution's weight gradient in TF32, by tensor cores.
 * Kernel 3 or 5, stride 1 or 2, any padding, 1 ... 4 channels, more than 8 filters; what is left
 * goes by conv2d_first.cu, in FP32.
 *
 * The unit is a *window* of 2×2 pixels, as from the second layer on (conv2d_tensor_weights.cu).
 * Gradients are A (16 rows: filters), selected out of the pooled ones by the argmax byte; pixels
 * are B (8 columns: rows of the gradient's matrix, which are taps of channels, and the biases,
 * whose pixels are ones); the depth is one pixel of each of eight windows.  A lane has four filters
 * of two windows.  Of *products*, of eight rows each, a warp has up to five side by side; where the
 * matrix has more rows they are divided over two or four warps, of which each selects again.
 * Otherwise the warps take groups of eight windows in turn.
 *
 * The patch is that of conv2d_first.cu, of all channels, with the normalisation table rounded to
 * TF32, so that pixels are operands as they come; rows are apart such that the eight taps and four
 * windows of a load, or most of them, are in different banks.
 *
 * Instructions of a warp for a window × 32 filters, counted in the loops' code for sm_90, and the
 * products, or multiply-adds in FP32, among them.
 *
 *                          TF32         FP32
 *   kernel 3, 1 channel    18 (2)       42 (9)
 *             2 channels   21 (3)       85 (18)
 *             3            24 (4)       85 (27)
 *             4            29 (5)      170 (36)
 *   kernel 5, 1            24 (4)       75 (25)
 *             2            47 (8)      150 (50)
 *             3            59 (10)     226 (75)
 *             4            94 (16)     301 (100)
 *
 * Of 18: 5 to select (one instruction makes several predicates), 2 each for products, pixels and
 * to round, 1 to make bits of bytes; the rest is for gradients' loads and for addresses.  Where
 * filters are 8 the walk of conv2d_first.cu has four windows in a warp, a quarter of its
 * instructions: it stays.
 *
 * On pixels as in photographs (mean 0.48, deviation 0.24, neighbours alike) the gradient is off by
 * 3.4e-4 to 4.3e-4 of its norm by the rounding of both operands.
 *
 * Order of a part's sums, by shapes alone: of each turn the patches, its groups of windows as they
 * lie, of each the pixels 0 ... 3, of each the windows 0 ... 7; the turns. */
#include "kernels/conv2d_first.cuh"
#include "kernels/conv2d_tensor.cuh"
#include "kernels/launch.h"

enum {
  GRADIENT_THREADS = 128,
  GRADIENT_BLOCKS = 4, /* 128 registers: 40 sums, 32 gradients of pixels, the next windows' */
  GRADIENT_WARPS = GRADIENT_THREADS / 32,
  GRADIENT_FLOATS = 6144,  /* table, patch, ones: 24 KB; then all sums */
  GRADIENT_WINDOWS = 1024, /* of a patch, at most */
  GROUP = 8,               /* windows: the depth of a product */
  PRODUCT_ROWS = 8,        /* of the gradient's matrix */
  PRODUCTS_MOST = 5,       /* side by side, of a warp */
  SUM_ROW = TENSOR_FILTERS + 4,
};
static_assert(GRADIENT_WARPS * PRODUCTS_MOST * PRODUCT_ROWS * SUM_ROW <= GRADIENT_FLOATS, "all sums fit");

/* Products side by side that the rows of the gradient take, the biases' included, and over how many
 * warps they are divided. */
static inline __host__ __device__ int gradient_products(const device_conv &c)
{
  return divide_up(c.matrix.rows + 1, PRODUCT_ROWS);
}
static inline __host__ __device__ int gradient_shares(const device_conv &c)
{
  const int products = gradient_products(c);
  return products <= PRODUCTS_MOST ? 1 : products <= 2 * PRODUCTS_MOST ? 2 : 4;
}

/* What a block is of; in shared memory, since registers are for sums. */
struct first_part {
  const device_trial *trial;
  int split, chunk;
  int shares, turns; /* of its warps: over how many products are divided, and windows */
  int products;      /* of a warp */
  int next;          /* patch of the part */
  __device__ __forceinline__ void make(const device_trial *t, int index)
  {
    const device_conv &c = t->conv[0];
    trial = t;
    split = divide(index, t->gradient_patch.by_chunks), chunk = index - split * t->gradient_patch.chunks;
    shares = gradient_shares(c), turns = GRADIENT_WARPS / shares, products = divide_up(gradient_products(c), shares);
    next = 0;
  }
};

/* A lane's of a group of windows: pooled gradients of four filters and their argmax bytes, of two
 * windows; those beyond `end` have no pixel that won. */
struct group_gradients {
  float4 value[2];
  uint32_t which[2];
  __device__ __forceinline__ void load(const device_conv &c, int first, int columns, int window, int end, int last)
  {
    UNROLL
    for (int half = 0; half < 2; half++) {
      const int w = window + half * (GROUP / 2);
      const unsigned at = (unsigned)(first + min(w, last) * columns);
      value[half] = __ldca((const float4 *)(c.gradient + at));
      which[half] = __ldca((const uint32_t *)(c.argmax + at));
      if (w >= end) which[half] = DEVICE_POOL_MASKED * 0x01010101u;
    }
  }
};

__device__ __forceinline__ uint32_t permute(uint32_t a, uint32_t b, uint32_t selector)
{
#ifdef __CUDACC__
  uint32_t r;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(selector));
  return r;
#else
  return __byte_perm(a, b, selector);
#endif
}

/* Of two words of argmax bytes: bit 16·half + 4·filter + pixel says that it won. */
__device__ __forceinline__ uint32_t winners(const uint32_t (&which)[2])
{
  uint32_t of[2];
  UNROLL
  for (int half = 0; half < 2; half++)
    of[half] = permute(0x08040201u, 0, permute(which[half] * 0x1001u, 0, 0x4431)) * 0x1001u;
  return permute(of[0], of[1], 0x7531);
}

/* As to_tf32, for a product alone: what is cut off, which a product does not look at, stays. */
__device__ __forceinline__ float operand(float x)
{
#ifdef __CUDACC__
  return fabsf(x) < INFINITY ? __uint_as_float(__float_as_uint(x) + 0x1000u) : x;
#else
  return to_tf32(x);
#endif
}

/* x where the bit is set, else 0, by a predicate, of which one instruction makes several. */
__device__ __forceinline__ float where_bit(uint32_t bits, uint32_t bit, float x)
{
#ifdef __CUDACC__
  float r;
  asm("{\n\t.reg .pred p;\n\t.reg .b32 t;\n\tand.b32 t, %1, %2;\n\tsetp.ne.u32 p, t, 0;\n\t"
      "selp.f32 %0, %3, 0f00000000, p;\n\t}"
      : "=f"(r)
      : "r"(bits), "r"(bit), "f"(x));
  return r;
#else
  return bits & bit ? x : 0;
#endif
}

/* A warp's sums: [product][m], as a product leaves them: 0: filter 4g + 2m, row 2t; 1: row 2t + 1;
 * 2 and 3: filter 4g + 2m + 1. */
typedef float first_sums[PRODUCTS_MOST][2][4];

/* Where a lane finds its rows of the first window's pixels, in bytes; those of the last product
 * lie where the window is only if it has them: ones do not move. */
struct first_rows {
  const char *from[PRODUCTS_MOST];
  int last_moves;
};

/* What a lane takes of the windows of a patch. */
struct first_share {
  int windows, end; /* of the patch; 0 of a lane beyond the filters */
  int first, by;    /* the lane's first one, and how many on is the next */
  int map;          /* where the patch's first is in the map, with the lane's filter */
  int below;        /* bytes from a row of pixels to the next that is a window's */
};

/* The windows of a patch that lies in shared memory, eight at a time. */
template <int PRODUCTS, int S>
__device__ __forceinline__ void add_windows(first_sums &sum, const device_conv &c, const first_rows &rows,
                                            const uint16_t *places, group_gradients &ahead, const first_share &of)
{
  const int columns = c.matrix.columns, windows = of.windows;
  NO_UNROLL
  for (int window = of.first; window - (int)threadIdx.x % 4 < windows; window += of.by) {
    const int place[2] = {places[window], places[window + GROUP / 2]};
    int below = 0;
    uint32_t bits = winners(ahead.which);
    float value[2][4];
    UNROLL
    for (int half = 0; half < 2; half++) {
      const float4 x = ahead.value[half];
      value[half][0] = operand(x.x), value[half][1] = operand(x.y);
      value[half][2] = operand(x.z), value[half][3] = operand(x.w);
    }
    if (PRODUCTS < PRODUCTS_MOST) ahead.load(c, of.map, columns, window + of.by, of.end, windows - 1);
    UNROLL_BY(PRODUCTS < PRODUCTS_MOST ? 2 : 1)
    for (int row = 0; row < 2; row++) { /* of the window's pixels */
      float a[2][2][4];
      UNROLL
      for (int half = 0; half < 2; half++) UNROLL
      for (int j = 0; j < 4; j++) UNROLL
      for (int q = 0; q < 2; q++) a[q][half][j] = where_bit(bits, 1u << (16 * half + 4 * j + q), value[half][j]);
      UNROLL
      for (int j = 0; j < PRODUCTS; j++) {
        const int moves = j == PRODUCTS - 1 ? rows.last_moves : 1;
        const char *const left = rows.from[j] + (place[0] * moves + below);
        const char *const right = rows.from[j] + (place[1] * moves + below);
        UNROLL
        for (int q = 0; q < 2; q++) {
          const float b0 = ((const float *)left)[q * S], b1 = ((const float *)right)[q * S];
          const float(&x)[4] = a[q][0], (&y)[4] = a[q][1];
          UNROLL
          for (int m = 0; m < 2; m++)
            tensor_multiply(sum[j][m], make_float4(x[2 * m], x[2 * m + 1], y[2 * m], y[2 * m + 1]), b0, b1);
        }
      }
      bits >>= 2;
      below += of.below;
    }
    if (PRODUCTS == PRODUCTS_MOST) ahead.load(c, of.map, columns, window + of.by, of.end, windows - 1);
  }
}

template <int S>
__device__ __forceinline__ void add_windows_of(first_sums &sum, const device_conv &c, const first_rows &rows,
                                               const uint16_t *places, group_gradients &ahead, const first_share &of,
                                               int products)
{
  if (products == 2)
    add_windows<2, S>(sum, c, rows, places, ahead, of);
  else if (products == 3)
    add_windows<3, S>(sum, c, rows, places, ahead, of);
  else if (products == 4)
    add_windows<4, S>(sum, c, rows, places, ahead, of);
  else
    add_windows<5, S>(sum, c, rows, places, ahead, of);
}

/* The lane's rows of its warp's products. */
__device__ __forceinline__ first_rows first_rows_of(const first_part *part, const float *pixels)
{
  const device_conv &c = part->trial->conv[0];
  const device_first_patch &p = part->trial->gradient_patch;
  const int lane = (int)threadIdx.x % 32, share = (int)threadIdx.x / 32 % part->shares;
  const float *const ones = pixels + p.planes * p.plane;
  first_rows at;
  at.last_moves = 0;
  UNROLL
  for (int j = 0; j < PRODUCTS_MOST; j++) {
    const int row = (j * part->shares + share) * PRODUCT_ROWS + lane / 4, channel = divide(row, c.by_taps);
    const int tap = row - channel * c.kernel * c.kernel, down = divide(tap, c.by_kernel);
    const bool there = row < c.matrix.rows;
    at.from[j] = (const char *)(there ? pixels + channel * p.plane + down * p.stride + tap - down * c.kernel : ones);
    if (j == part->products - 1) at.last_moves = there;
  }
  return at;
}

/* Adds the next patch of the part; false: there is none. */
__device__ __forceinline__ bool add_patch(first_sums &sum, first_part *part, const first_rows &rows, const float *table,
                                          float *pixels, uint16_t *places)
{
  const device_trial *const t = part->trial;
  const device_conv &c = t->conv[0];
  const device_first_patch &p = t->gradient_patch;
  const int i = part->next, image = divide(i, p.by_patches), patch = i - image * p.bands * p.strips;
  const int n = part->split * p.images + image, S = c.stride, columns = c.matrix.columns;
  if (image >= p.images || n >= t->state->count) return false;
  const int band = divide(patch, p.by_strips), row0 = band * p.rows, column0 = (patch - band * p.strips) * p.columns;
  const int down = min(p.rows, c.pool_height - row0), across = min(p.columns, c.pool_width - column0);
  const int lane = (int)threadIdx.x % 32, filter = part->chunk * TENSOR_FILTERS + lane / 4 * 4, windows = down * across;
  const bool mine = filter < columns;
  const first_share of = {
      windows,
      mine ? windows : 0,
      (int)threadIdx.x / 32 / part->shares * GROUP + lane % 4,
      part->turns * GROUP,
      ((n * c.pool_height + row0) * c.pool_width + column0) * columns + (mine ? filter : 0),
      4 * S * p.stride,
  };
  group_gradients ahead;
  ahead.load(c, of.map, columns, of.first, of.end, windows - 1);
  __syncthreads(); /* the patch before is done with */
  if (threadIdx.x == 0) part->next = i + 1;
  NO_UNROLL
  for (int w = (int)threadIdx.x; w < divide_up(windows, GROUP) * GROUP; w += GRADIENT_THREADS) {
    const int y = divide(w, p.by_items), x = w - y * p.columns; /* whole rows, or a part of one */
    places[w] = (uint16_t)(w < windows ? 8 * S * (y * p.stride + x) : 0);
  }
  const patch_source source = {image_at(t, n), 2 * S * row0 - c.pad, 2 * S * column0 - c.pad,
                               S * (2 * down - 1) + c.kernel, 0};
  if (c.in_channels == 1)
    patch_fill<1, 1>(c, p, source, table, pixels);
  else
    patch_fill<0, 0>(c, p, source, table, pixels);
  if (S == 1)
    add_windows_of<1>(sum, c, rows, places, ahead, of, part->products);
  else
    add_windows_of<2>(sum, c, rows, places, ahead, of, part->products);
  return true;
}

/* The warps' sums, turn by turn, into the part. */
__device__ __forceinline__ void store_sums(const first_sums &sum, const first_part *part, float *shared)
{
  const device_trial *const t = part->trial;
  const device_conv &c = t->conv[0];
  const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32, columns = c.matrix.columns;
  const int shares = part->shares, products = part->products, all = shares * products * PRODUCT_ROWS; /* rows */
  float *const to =
      shared + (warp / shares * all + warp % shares * PRODUCT_ROWS + lane % 4 * 2) * SUM_ROW + lane / 4 * 4;
  UNROLL
  for (int j = 0; j < PRODUCTS_MOST; j++) UNROLL
  for (int k = 0; k < 2; k++)
    if (j < products)
      *(float4 *)(to + (j * shares * PRODUCT_ROWS + k) * SUM_ROW) =
          make_float4(sum[j][0][k], sum[j][0][k + 2], sum[j][1][k], sum[j][1][k + 2]);
  __syncthreads();
  float *const out = t->partial + c.matrix.partial + (int64_t)part->split * (c.matrix.rows + 1) * columns;
  NO_UNROLL
  for (int i = (int)threadIdx.x; i < (c.matrix.rows + 1) * (TENSOR_FILTERS / 4); i += GRADIENT_THREADS) {
    const int row = i / (TENSOR_FILTERS / 4), of = i % (TENSOR_FILTERS / 4) * 4, f = part->chunk * TENSOR_FILTERS + of;
    if (f >= columns) continue;
    float4 total = load4(shared + row * SUM_ROW + of);
    NO_UNROLL
    for (int k = 1; k < part->turns; k++) {
      const float4 x = load4(shared + (k * all + row) * SUM_ROW + of);
      total = make_float4(total.x + x.x, total.y + x.y, total.z + x.z, total.w + x.w);
    }
    *(float4 *)(out + row * columns + f) = total;
  }
}

__global__ void __launch_bounds__(GRADIENT_THREADS, GRADIENT_BLOCKS)
    conv2d_first_weight_gradient_tensor(const device_trial *trials, device_tiles tiles)
{
  __shared__ float4 shared[GRADIENT_FLOATS / 4];
  __shared__ uint16_t places[GRADIENT_WINDOWS];
  __shared__ first_part part;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  if (threadIdx.x == 0) part.make(t, index);
  const device_first_patch &p = t->gradient_patch;
  float *const table = (float *)shared, *const pixels = table + 256 * p.planes;
  table_fill(t, p, 0, table, true);
  if (threadIdx.x < 4)
    pixels[p.planes * p.plane + ((int)threadIdx.x % 2 + (int)threadIdx.x / 2 * p.stride) * t->conv[0].stride] = 1;
  __syncthreads();
  const first_rows rows = first_rows_of(&part, pixels);
  first_sums sum;
  UNROLL
  for (int j = 0; j < PRODUCTS_MOST; j++) UNROLL
  for (int i = 0; i < 8; i++) sum[j][i / 4][i % 4] = 0;
  while (add_patch(sum, &part, rows, table, pixels, places)) {
  }
  __syncthreads();
  store_sums(sum, &part, (float *)shared);
}

/* ---- sizes and launcher ---------------------------------------------------------------------- */

/* Floats of a row of a patch: taps of three rows and windows of a load in different banks. */
static int stride_of(const device_conv *c, int columns)
{
  int stride = first_pixels(c, columns);
  while (stride % 32 < 11 || stride % 32 % 11 > 1) stride++;
  return stride;
}

static int plane_of(const device_conv *c, int rows, int columns)
{
  return divide_up(first_pixels(c, rows) * stride_of(c, columns), 4) * 4;
}

/* The rows of windows that fit with the table and the ones, at most as many as there are. */
static int rows_that_fit(const device_conv *c, int columns)
{
  const int ones = c->stride * (stride_of(c, columns) + 1) + 1;
  int rows = c->pool_height;
  while (rows > 0 && (rows * columns > GRADIENT_WINDOWS ||
                      c->in_channels * (256 + plane_of(c, rows, columns)) + ones > GRADIENT_FLOATS))
    rows--;
  return rows;
}

static_assert(DEVICE_CHANNELS_MAX * (256 + (2 + 5) * 23 + 3) + 2 * (23 + 1) + 1 <= GRADIENT_FLOATS,
              "a window fits, of four channels, a kernel of 5 and a stride of 2");

void conv2d_first_gradient_patch(struct device_trial *t)
{
  const device_conv *c = &t->conv[0];
  int columns = c->pool_width;
  if (c->matrix.columns <= 8) return;
  while (rows_that_fit(c, columns) == 0) columns = divide_up(columns, 2);
  t->gradient_patch =
      conv2d_first_patch(c, c->in_channels, columns < c->pool_width ? 1 : rows_that_fit(c, columns), columns, 1);
  t->gradient_patch.stride = stride_of(c, t->gradient_patch.columns);
  t->gradient_patch.plane = plane_of(c, t->gradient_patch.rows, t->gradient_patch.columns);
}

int step_tiles_first_weight_gradient_tensor(const device_trial *t, int layer)
{
  if (layer > 0 || !t->patches || t->gradient_patch.rows == 0) return 0;
  return t->conv[0].matrix.splits * t->gradient_patch.chunks;
}

int step_first_weight_gradient_tensor(const device_trial *trials, device_tiles tiles, int, enum precision, void *stream)
{
  return launch(conv2d_first_weight_gradient_tensor, dim3(tiles.room), dim3(GRADIENT_THREADS), 0, (cudaStream_t)stream,
                trials, tiles);
}
