/* The fully connected layers, and the loss.
 *
 *   hidden = dropout(ReLU(map · W0 + b0)),  logits = hidden · W1 + b1,
 *   loss = cross-entropy of softmax(logits)
 *
 * The last map is thinned by dropout where it is made (pool.cuh), hidden where it is made, so
 * backward an element that dropout or ReLU made zero is known by being zero.
 *
 * All of it is little work in a long row of steps that wait for each other, so it is cut into few
 * launches with many blocks: products of the first layer in tiles of 32 × 64 (dense_tile.cuh),
 * forward in chunks of the depth; then the *head*, in which a warp takes an image from its hidden
 * units to their gradient.  Classes beyond DEVICE_HEAD_CLASSES are too many for the head's memory:
 * such a network makes hidden by whole depths, the loss alone, and the gradients of its second
 * layer by tiles. */
#include "kernels/dense_tile.cuh"
#include "kernels/launch.h"
#include "kernels/pool.cuh"

static inline __host__ __device__ bool has_head(const device_trial *t)
{
  return t->padded_classes <= DEVICE_HEAD_CLASSES;
}

/* ReLU and dropout of four hidden units of an image. */
__device__ __forceinline__ float4 activated(const device_trial *t, bool thin, float4 sum, int image, int unit)
{
  float y[4] = {sum.x, sum.y, sum.z, sum.w};
  UNROLL
  for (int j = 0; j < 4; j++) {
    if (y[j] <= 0) y[j] = 0; /* what is not a number stays so */
    if (thin && unit + j < t->units) y[j] = dropped(t, 1, y[j], image, t->units, unit + j);
  }
  return make_float4(y[0], y[1], y[2], y[3]);
}

__device__ __forceinline__ bool thins(const device_trial *t)
{
  return t->dropout_threshold > 0 && t->state->phase == DEVICE_TRAIN;
}

__device__ __forceinline__ float4 plus(float4 a, float4 b)
{
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

/* ---- first layer, forward -------------------------------------------------------------------- */

/* Tiles: of 32 images, chunk after chunk of the depth, the units within a chunk. */
template <bool tf32>
__global__ void __launch_bounds__(DENSE_THREADS, DENSE_BLOCKS)
    dense_forward(const device_trial *trials, device_tiles tiles)
{
  __shared__ dense_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
  const device_matrix m = t->dense[0];
  const int columns = divide_up(m.columns, DENSE_COLUMNS), count = t->state->count, chunks = t->dense_chunks;
  const int column = index % columns * DENSE_COLUMNS, chunk = index / columns % chunks;
  const int first = index / columns / chunks * DENSE_ROWS, images = count - first;
  if (images <= 0) return;
  const int begin = chunk * t->dense_chunk, end = begin + t->dense_chunk < m.rows ? begin + t->dense_chunk : m.rows;
  const float *w = t->weights + m.weight;
  float sum[4][4];
  dense_tile<tf32, true, false>({t->conv[t->layers - 1].map + (int64_t)first * m.rows, m.rows, images},
                                {w + column, m.columns, m.columns - column}, begin, end, sum, shared);
  const int unit = column + 4 * dense_column();
  if (unit >= m.columns) return;
  const bool whole = !has_head(t), thin = whole && thins(t);
  const float4 bias = whole ? load4(w + (int64_t)m.rows * m.columns + unit) : zero4();
  float *to = whole ? t->hidden : t->dense_sums + (int64_t)chunk * t->batch * m.columns;
  UNROLL
  for (int i = 0; i < 4; i++) {
    const int n = first + 4 * dense_row() + i;
    if (n >= count) return;
    float4 y = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
    if (whole) y = activated(t, thin, plus(y, bias), n, unit);
    *(float4 *)(to + (int64_t)n * m.columns + unit) = y;
  }
}

/* ---- second layer and loss ------------------------------------------------------------------- */

enum { LOSS_IMAGES = 8, LOSS_THREADS = 32 * LOSS_IMAGES };

/* The larger of two (value, index) pairs over `lanes` lanes, the lower index of equals. */
__device__ __forceinline__ void warp_largest(float &value, int &index, int lanes)
{
  for (int step = lanes / 2; step > 0; step /= 2) {
    float other = __shfl_xor_sync(0xffffffffu, value, step);
    int place = __shfl_xor_sync(0xffffffffu, index, step);
    if (other > value || (other == value && place < index)) {
      value = other;
      index = place;
    }
  }
}

__device__ __forceinline__ float warp_sum(float x, int lanes)
{
  for (int step = lanes / 2; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

/* What an image of that class counts in the loss. */
__device__ __forceinline__ float weight_of(const device_trial *t, int label)
{
  return t->class_weights && t->state->phase == DEVICE_TRAIN ? t->class_weights[label] : 1.0f;
}

/* One warp an image: its logits, lane l the classes l, l + 32, ...; loss and hit; while training
 * the logits become the gradient (p − [class = label])·weight/count, the padding 0.  For any number
 * of classes. */
__device__ void loss_of_many_classes(const device_trial *t, int index)
{
  const int n = index * LOSS_IMAGES + (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, count = t->state->count;
  if (n >= count) return; /* the whole warp */
  const device_matrix m = t->dense[1];
  const float *w = t->weights + m.weight, *x = t->hidden + (int64_t)n * m.rows;
  const float *bias = w + (int64_t)m.rows * m.columns;
  float *z = t->logits + (int64_t)n * m.columns;
  const int label = t->labels[t->rows[n]];
  float largest = -INFINITY, label_logit = 0;
  int best = INT32_MAX;
  for (int c = lane; c < m.columns; c += 32) {
    float sum = 0;
    for (int u = 0; u < m.rows; u++) sum = fmaf(x[u], w[(int64_t)u * m.columns + c], sum);
    sum += bias[c];
    z[c] = sum;
    if (c >= t->classes) continue;
    if (sum > largest || best == INT32_MAX) {
      largest = sum;
      best = c;
    }
    if (c == label) label_logit = sum;
  }
  label_logit = warp_sum(label_logit, 32); /* one lane's, others 0 */
  warp_largest(largest, best, 32);
  float sum = 0;
  for (int c = lane; c < t->classes; c += 32) sum += expf(z[c] - largest);
  sum = warp_sum(sum, 32);
  const float weight = weight_of(t, label);
  if (lane == 0) {
    t->losses[n] = (float)((double)weight * (log((double)sum) - (double)(label_logit - largest)));
    t->hits[n] = best == label;
    t->best[n] = best;
  }
  if (t->state->phase != DEVICE_TRAIN) return;
  const float scale = weight / (float)count;
  for (int c = lane; c < m.columns; c += 32) {
    float p = c < t->classes ? expf(z[c] - largest) / sum : 0.0f;
    z[c] = (p - (c == label ? 1.0f : 0.0f)) * scale;
  }
}

/* ---- the head -------------------------------------------------------------------------------- */

/* Hidden units that are in shared memory at once: a float4 a lane. */
enum { HEAD_UNITS = 128, HEAD_CLASS_STRIDE = DEVICE_HEAD_CLASSES + 4 };

struct alignas(16) head_shared {
  float hidden[LOSS_IMAGES][HEAD_UNITS + 4];
  float w[HEAD_UNITS * HEAD_CLASS_STRIDE]; /* of W1, rows of padded_classes + 4 */
  float z[LOSS_IMAGES][HEAD_CLASS_STRIDE]; /* gradient of the logits */
  float sum[LOSS_IMAGES], lead[LOSS_IMAGES], weight[LOSS_IMAGES];
  int hit[LOSS_IMAGES];
};

/* Rows of W1 of the units `first` ... */
__device__ __forceinline__ void head_weights(const device_trial *t, head_shared &s, int first, int units)
{
  const device_matrix m = t->dense[1];
  const int quads = m.columns / 4;
  const float *from = t->weights + m.weight + (int64_t)first * m.columns;
  for (int i = (int)threadIdx.x; i < units * quads; i += LOSS_THREADS) {
    const int unit = i / quads, c = 4 * (i - unit * quads);
    *(float4 *)(s.w + unit * (m.columns + 4) + c) = load4(from + 4 * (int64_t)i);
  }
}

/* The warp's image: bias and the chunks' sums in order, eight on their way at once; ReLU,
 * dropout. */
__device__ __forceinline__ float4 head_hidden(const device_trial *t, int n, int unit)
{
  enum { IN_FLIGHT = 8 };
  const int units = t->padded_units, chunks = t->dense_chunks;
  const int64_t apart = (int64_t)t->batch * units;
  const float *from = t->dense_sums + (int64_t)n * units + unit;
  float4 sum = load4(t->weights + t->dense[0].weight + (int64_t)t->features * units + unit);
  for (int c = 0; c < chunks; c += IN_FLIGHT) {
    float4 part[IN_FLIGHT];
    UNROLL
    for (int i = 0; i < IN_FLIGHT; i++, from += apart) part[i] = c + i < chunks ? load4(from) : zero4();
    UNROLL
    for (int i = 0; i < IN_FLIGHT; i++) sum = plus(sum, part[i]);
  }
  return activated(t, thins(t), sum, n, unit);
}

/* Adds four units of an image to the sums of a lane's one or two classes, each unit to its own. */
__device__ __forceinline__ void head_products(float sum[2][4], const float *hidden, const float *w, int stride,
                                              int first_class, int columns)
{
  const float4 x = load4(hidden);
  UNROLL
  for (int j = 0; j < 2; j++) {
    const int c = first_class + 32 * j;
    if (c >= columns) continue;
    sum[j][0] = fmaf(x.x, w[c], sum[j][0]);
    sum[j][1] = fmaf(x.y, w[stride + c], sum[j][1]);
    sum[j][2] = fmaf(x.z, w[2 * stride + c], sum[j][2]);
    sum[j][3] = fmaf(x.w, w[3 * stride + c], sum[j][3]);
  }
}

/* The gradient of the warp's image by its hidden units, units first ... of them. */
__device__ __forceinline__ void head_hidden_gradient(const device_trial *t, const head_shared &s, int image, int n,
                                                     int first, int units)
{
  const int columns = t->padded_classes;
  const float scale = t->dropout_threshold > 0 ? t->dropout_scale : 1.0f;
  for (int u = (int)threadIdx.x % 32; u < units; u += 32) {
    float sum[4] = {0, 0, 0, 0};
    for (int c = 0; c < columns; c += 4) {
      const float4 d = load4(&s.z[image][c]), w = load4(s.w + u * (columns + 4) + c);
      sum[0] = fmaf(d.x, w.x, sum[0]);
      sum[1] = fmaf(d.y, w.y, sum[1]);
      sum[2] = fmaf(d.z, w.z, sum[2]);
      sum[3] = fmaf(d.w, w.w, sum[3]);
    }
    t->hidden_gradient[(int64_t)n * t->padded_units + first + u] =
        s.hidden[image][u] > 0 ? ((sum[0] + sum[1]) + (sum[2] + sum[3])) * scale : 0.0f;
  }
}

/* The block's part of W1's gradient, rows first ...; by all warps but the last. */
__device__ __forceinline__ void head_weights_gradient(const device_trial *t, const head_shared &s, float *part,
                                                      int first, int units)
{
  const int columns = t->padded_classes, quads = columns / 4;
  for (int k = (int)threadIdx.x; k < units * quads; k += LOSS_THREADS - 32) {
    const int u = k / quads, c = 4 * (k - u * quads);
    float4 sum = zero4();
    UNROLL
    for (int i = 0; i < LOSS_IMAGES; i++) {
      const float x = s.hidden[i][u];
      const float4 d = load4(&s.z[i][c]);
      sum.x = fmaf(x, d.x, sum.x);
      sum.y = fmaf(x, d.y, sum.y);
      sum.z = fmaf(x, d.z, sum.z);
      sum.w = fmaf(x, d.w, sum.w);
    }
    *(float4 *)(part + (int64_t)first * columns + 4 * (int64_t)k) = sum;
  }
}

__device__ __forceinline__ void head_loss(const device_trial *t, int n, float weight, float sum, float lead, int hit)
{
  t->losses[n] = (float)((double)weight * (log((double)sum) - (double)lead));
  t->hits[n] = hit;
}

/* By the last warp: what no other waits for.  The logarithm, in double precision, is slow, and so
 * is of all images at once. */
__device__ __forceinline__ void head_losses_and_biases(const device_trial *t, const head_shared &s, float *part,
                                                       int first, int images)
{
  const int lane = (int)threadIdx.x % 32;
  if (lane < images) head_loss(t, first + lane, s.weight[lane], s.sum[lane], s.lead[lane], s.hit[lane]);
  for (int c = lane; c < t->padded_classes; c += 32) {
    float sum = 0;
    UNROLL
    for (int i = 0; i < LOSS_IMAGES; i++) sum += s.z[i][c];
    part[(int64_t)t->padded_units * t->padded_classes + c] = sum;
  }
}

/* Eight images from the chunks' sums of their hidden units to loss and hit, and while training to
 * the gradient by the hidden units and the part of W1's gradient that is theirs; images that the
 * batch has not count as zeros.  A lane has a class, or two that are 32 apart, and where there are
 * fewer than 32 the lanes share an image's units. */
__device__ void head(const device_trial *t, int index, head_shared &s)
{
  const device_matrix m = t->dense[1];
  const int tid = (int)threadIdx.x, lane = tid % 32, image = tid / 32, count = t->state->count;
  const int first = index * LOSS_IMAGES, n = first + image, images = count - first, columns = m.columns;
  const bool training = t->state->phase == DEVICE_TRAIN, there = image < images;
  float *part = t->partial + m.partial + (int64_t)index * (m.rows + 1) * columns;
  if (images <= 0) { /* a short batch: the part is zero */
    for (int i = tid; i < (m.rows + 1) * columns / 4 && training; i += LOSS_THREADS) ((float4 *)part)[i] = zero4();
    return;
  }
  const int label = there ? t->labels[t->rows[n]] : -1;
  const int lanes = columns <= 8 ? 8 : columns <= 16 ? 16 : 32, mine = lane % lanes, stride = columns + 4;

  float sums[2][4] = {{0, 0, 0, 0}, {0, 0, 0, 0}}, z[2];
  const int last = (m.rows - 1) / HEAD_UNITS * HEAD_UNITS;
  for (int u = 0; u <= last; u += HEAD_UNITS) {
    const int units = m.rows - u < HEAD_UNITS ? m.rows - u : HEAD_UNITS;
    if (u > 0) __syncthreads();
    head_weights(t, s, u, units);
    if (4 * lane < units) {
      const float4 h = there ? head_hidden(t, n, u + 4 * lane) : zero4();
      *(float4 *)&s.hidden[image][4 * lane] = h;
      if (there) *(float4 *)(t->hidden + (int64_t)n * m.rows + u + 4 * lane) = h;
    }
    __syncthreads();
    for (int k = 4 * (lane / lanes); k < units; k += 4 * (32 / lanes))
      head_products(sums, &s.hidden[image][k], s.w + k * stride, stride, mine, columns);
  }

  float largest = -INFINITY, label_logit = 0, exponential[2], sum = 0;
  int best = INT32_MAX;
  UNROLL
  for (int j = 0; j < 2; j++) {
    const int c = mine + 32 * j;
    z[j] = (sums[j][0] + sums[j][1]) + (sums[j][2] + sums[j][3]);
    for (int step = 16; step >= lanes; step /= 2) z[j] += __shfl_xor_sync(0xffffffffu, z[j], step);
    if (c < columns) z[j] += t->weights[m.weight + (int64_t)m.rows * columns + c];
    if (c >= t->classes) continue;
    if (z[j] > largest || best == INT32_MAX) {
      largest = z[j];
      best = c;
    }
    if (c == label) label_logit = z[j];
  }
  label_logit = warp_sum(label_logit, lanes); /* one lane's, others 0 */
  warp_largest(largest, best, lanes);
  UNROLL
  for (int j = 0; j < 2; j++) {
    exponential[j] = mine + 32 * j < t->classes ? expf(z[j] - largest) : 0.0f;
    sum += exponential[j];
  }
  sum = warp_sum(sum, lanes);
  const float weight = there ? weight_of(t, label) : 1.0f, scale = weight / (float)count;
  UNROLL
  for (int j = 0; j < 2; j++) {
    const int c = mine + 32 * j;
    if (lane >= lanes || c >= columns) continue;
    if (training) z[j] = there ? (exponential[j] / sum - (c == label ? 1.0f : 0.0f)) * scale : 0.0f;
    s.z[image][c] = z[j];
    if (there) t->logits[(int64_t)n * columns + c] = z[j];
  }
  if (!training) {
    if (there && lane == 0) head_loss(t, n, weight, sum, label_logit - largest, best == label);
    if (there && lane == 0) t->best[n] = best;
    return;
  }
  if (lane == 0) {
    s.sum[image] = sum;
    s.lead[image] = label_logit - largest;
    s.weight[image] = weight;
    s.hit[image] = best == label;
  }
  __syncthreads();

  for (int u = last; u >= 0; u -= HEAD_UNITS) { /* the last ones are in shared memory still */
    const int units = m.rows - u < HEAD_UNITS ? m.rows - u : HEAD_UNITS;
    if (u < last) {
      __syncthreads();
      head_weights(t, s, u, units);
      *(float4 *)&s.hidden[image][4 * lane] = there ? load4(t->hidden + (int64_t)n * m.rows + u + 4 * lane) : zero4();
      __syncthreads();
    }
    if (there) head_hidden_gradient(t, s, image, n, u, units);
    if (image < LOSS_IMAGES - 1)
      head_weights_gradient(t, s, part, u, units);
    else if (u == last)
      head_losses_and_biases(t, s, part, first, images < LOSS_IMAGES ? images : LOSS_IMAGES);
  }
}

__global__ void __launch_bounds__(LOSS_THREADS) dense_loss(const device_trial *trials, device_tiles tiles)
{
  __shared__ head_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
  if (has_head(t))
    head(t, index, shared);
  else
    loss_of_many_classes(t, index);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Writes y > 0 ? sum·scale : 0 for a tile of [count][columns]: through ReLU and dropout. */
__device__ __forceinline__ void store_masked(const device_trial *t, const float *y, float *to, int count, int columns,
                                             int first, int column, const float sum[4][4])
{
  const float scale = t->dropout_threshold > 0 ? t->dropout_scale : 1.0f;
  int c = column + 4 * dense_column();
  if (c >= columns) return;
  UNROLL
  for (int i = 0; i < 4; i++) {
    int n = first + 4 * dense_row() + i;
    if (n >= count) return;
    float4 v = load4(y + (int64_t)n * columns + c);
    *(float4 *)(to + (int64_t)n * columns + c) =
        make_float4(v.x > 0 ? sum[i][0] * scale : 0, v.y > 0 ? sum[i][1] * scale : 0, v.z > 0 ? sum[i][2] * scale : 0,
                    v.w > 0 ? sum[i][3] * scale : 0);
  }
}

/* Both gradients of a layer x · W + b: of x, through the mask of x itself, and of W, in one part.
 * Tiles: first those of x; then of W, of which those that begin with row 0 make the biases',
 * too. */
template <bool tf32>
__device__ void dense_gradients(const device_trial *t, const device_matrix m, const float *x, const float *dy,
                                float *dx, int index, dense_shared &shared)
{
  const int count = t->state->count, columns = divide_up(m.rows, DENSE_COLUMNS);
  const int data = divide_up(t->batch, DENSE_ROWS) * columns;
  float sum[4][4], bias;
  if (index < data) {
    const int first = index / columns * DENSE_ROWS, column = index % columns * DENSE_COLUMNS;
    if (first >= count) return;
    dense_tile<tf32, true, true>({dy + (int64_t)first * m.columns, m.columns, count - first},
                                 {t->weights + m.weight + (int64_t)column * m.columns, m.columns, m.rows - column}, 0,
                                 m.columns, sum, shared);
    store_masked(t, x, dx, count, m.rows, first, column, sum);
    return;
  }
  index -= data;
  const int across = divide_up(m.columns, DENSE_COLUMNS);
  const int first = index / across * DENSE_ROWS, column = index % across * DENSE_COLUMNS;
  dense_tile<tf32, false, false>({x + first, m.rows, m.rows - first}, {dy + column, m.columns, m.columns - column}, 0,
                                 count, sum, shared, first == 0, &bias);
  float *to = t->partial + m.partial + column;
  const int tid = (int)threadIdx.x, c = 4 * dense_column();
  if (first == 0 && tid < DENSE_COLUMNS && column + tid < m.columns) to[(int64_t)m.rows * m.columns + tid] = bias;
  if (column + c >= m.columns) return;
  UNROLL
  for (int i = 0; i < 4; i++) {
    const int row = first + 4 * dense_row() + i;
    if (row < m.rows)
      *(float4 *)(to + (int64_t)row * m.columns + c) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
  }
}

template <bool tf32>
__global__ void __launch_bounds__(DENSE_THREADS, DENSE_BLOCKS)
    dense_loss_backward(const device_trial *trials, device_tiles tiles)
{
  __shared__ dense_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  dense_gradients<tf32>(t, t->dense[1], t->hidden, t->logits, t->hidden_gradient, index, shared);
}

template <bool tf32>
__global__ void __launch_bounds__(DENSE_THREADS, DENSE_BLOCKS)
    dense_backward(const device_trial *trials, device_tiles tiles)
{
  __shared__ dense_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  const device_conv &last = t->conv[t->layers - 1];
  dense_gradients<tf32>(t, t->dense[0], last.map, t->hidden_gradient, last.gradient, index, shared);
}

/* ---- launchers ------------------------------------------------------------------------------- */

/* Chunks of about 32 deep at least and 128 at most, of which eight are wanted, and 32 are enough;
 * fewer where the tiles without them are many already. */
void dense_parts(device_trial *t)
{
  const int tiles = divide_up(t->batch, DENSE_ROWS) * divide_up(t->padded_units, DENSE_COLUMNS), rows = t->features;
  int chunks = divide_up(rows, 128);
  if (chunks < 8) chunks = 8;
  if (chunks > 32) chunks = 32;
  if (chunks > divide_up(rows, 32)) chunks = divide_up(rows, 32);
  if (chunks > 128 / tiles) chunks = 128 / tiles;
  if (chunks < 1 || !has_head(t)) chunks = 1;
  t->dense_chunk = 4 * divide_up(rows, 4 * chunks);
  t->dense_chunks = divide_up(rows, t->dense_chunk);
  t->dense[0].splits = 1;
  t->dense[1].splits = has_head(t) ? divide_up(t->batch, LOSS_IMAGES) : 1;
}

int step_tiles_dense(const device_trial *t, int)
{
  return divide_up(t->batch, DENSE_ROWS) * t->dense_chunks * divide_up(t->dense[0].columns, DENSE_COLUMNS);
}

int step_tiles_loss(const device_trial *t, int)
{
  return divide_up(t->batch, LOSS_IMAGES);
}

static int gradient_tiles(const device_trial *t, const device_matrix &m)
{
  return divide_up(t->batch, DENSE_ROWS) * divide_up(m.rows, DENSE_COLUMNS) +
         divide_up(m.rows, DENSE_ROWS) * divide_up(m.columns, DENSE_COLUMNS);
}

int step_tiles_loss_backward(const device_trial *t, int)
{
  return has_head(t) ? 0 : gradient_tiles(t, t->dense[1]);
}

int step_tiles_dense_backward(const device_trial *t, int)
{
  return gradient_tiles(t, t->dense[0]);
}

int step_dense(const device_trial *trials, device_tiles tiles, int, enum precision precision, void *stream)
{
  return launch(precision == PRECISION_TF32 ? dense_forward<true> : dense_forward<false>, dim3(tiles.room),
                dim3(DENSE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}

int step_loss(const device_trial *trials, device_tiles tiles, int, enum precision, void *stream)
{
  return launch(dense_loss, dim3(tiles.room), dim3(LOSS_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}

int step_loss_backward(const device_trial *trials, device_tiles tiles, int, enum precision precision, void *stream)
{
  return launch(precision == PRECISION_TF32 ? dense_loss_backward<true> : dense_loss_backward<false>, dim3(tiles.room),
                dim3(DENSE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}

int step_dense_backward(const device_trial *trials, device_tiles tiles, int, enum precision precision, void *stream)
{
  return launch(precision == PRECISION_TF32 ? dense_backward<true> : dense_backward<false>, dim3(tiles.room),
                dim3(DENSE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}
