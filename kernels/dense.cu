/* The fully connected layers, and the loss.
 *
 *   hidden = dropout(ReLU(map · W0 + b0)),  logits = hidden · W1 + b1,  loss = cross-entropy of softmax(logits)
 *
 * The last map is thinned by dropout where it is made (pool.cuh), hidden where it is made, so backward an element that dropout or ReLU
 * made zero is known by being zero.  All are tiles of matrix products but the loss, in which a warp takes an image: with few classes
 * there is too little for a tile, and softmax wants the whole row. */
#include "gemm_tile.cuh"
#include "launch.h"
#include "pool.cuh"

/* ---- first layer, forward -------------------------------------------------------------------------------------------------- */

template <bool tf32>
__global__ void __launch_bounds__(TILE_THREADS, tf32 ? TILE_BLOCKS_WIDE : TILE_BLOCKS)
    dense_forward(const device_trial *trials, device_tiles tiles)
{
  __shared__ gemm_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
  const device_matrix m = t->dense[0];
  const int columns = divide_up(m.columns, TILE_COLUMNS), count = t->state->count;
  const int first = index / columns * TILE_ROWS, column = index % columns * TILE_COLUMNS;
  if (first >= count) return;
  const float *w = t->weights + m.weight;
  float sum[4][4];
  gemm_tile<tf32>(matrix_rows(t->conv[t->layers - 1].map, m.rows, count, m.rows, first),
                  matrix_plain(w, m.columns, m.columns, m.rows, column), m.rows, sum, shared);
  const int unit = column + 4 * tile_column();
  if (unit >= m.columns) return;
  const bool thin = t->dropout_threshold > 0 && t->state->phase == DEVICE_TRAIN;
  const float4 b = load4(w + (int64_t)m.rows * m.columns + unit);
  const float bias[4] = {b.x, b.y, b.z, b.w};
  UNROLL
  for (int i = 0; i < 4; i++) {
    int n = first + 4 * tile_row() + i;
    if (n >= count) return;
    float y[4];
    UNROLL
    for (int j = 0; j < 4; j++) {
      y[j] = sum[i][j] + bias[j];
      if (y[j] <= 0) y[j] = 0; /* what is not a number stays so */
      if (thin && unit + j < t->units) y[j] = dropped(t, 1, y[j], n, t->units, unit + j);
    }
    *(float4 *)(t->hidden + (int64_t)n * m.columns + unit) = make_float4(y[0], y[1], y[2], y[3]);
  }
}

/* ---- second layer and loss ------------------------------------------------------------------------------------------------- */

enum { LOSS_IMAGES = 4, LOSS_THREADS = 32 * LOSS_IMAGES };

/* The larger of two (value, index) pairs over the warp, the lower index of equals. */
__device__ __forceinline__ void warp_largest(float &value, int &index)
{
  for (int step = 16; step > 0; step /= 2) {
    float other = __shfl_xor_sync(0xffffffffu, value, step);
    int place = __shfl_xor_sync(0xffffffffu, index, step);
    if (other > value || (other == value && place < index)) {
      value = other;
      index = place;
    }
  }
}

__device__ __forceinline__ float warp_sum(float x)
{
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

/* One warp an image: its logits, lane l the classes l, l + 32, ...; loss and hit; while training the logits become the gradient
 * (p − [class = label])/count, the padding 0. */
__global__ void __launch_bounds__(LOSS_THREADS) dense_loss(const device_trial *trials, device_tiles tiles)
{
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_EVALUATE, &t, &index)) return;
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
  label_logit = warp_sum(label_logit); /* one lane's, others 0 */
  warp_largest(largest, best);
  float sum = 0;
  for (int c = lane; c < t->classes; c += 32) sum += expf(z[c] - largest);
  sum = warp_sum(sum);
  if (lane == 0) {
    t->losses[n] = (float)(log((double)sum) - (double)(label_logit - largest));
    t->hits[n] = best == label;
  }
  if (t->state->phase != DEVICE_TRAIN) return;
  const float scale = 1.0f / (float)count;
  for (int c = lane; c < m.columns; c += 32) {
    float p = c < t->classes ? expf(z[c] - largest) / sum : 0.0f;
    z[c] = (p - (c == label ? 1.0f : 0.0f)) * scale;
  }
}

/* ---- backward -------------------------------------------------------------------------------------------------------------- */

/* Writes y > 0 ? sum·scale : 0 for a tile of [count][columns]: through ReLU and dropout. */
__device__ void store_masked(const device_trial *t, const float *y, float *to, int count, int columns, int first,
                             int column, const float sum[4][4])
{
  const float scale = t->dropout_threshold > 0 ? t->dropout_scale : 1.0f;
  int c = column + 4 * tile_column();
  if (c >= columns) return;
  UNROLL
  for (int i = 0; i < 4; i++) {
    int n = first + 4 * tile_row() + i;
    if (n >= count) return;
    float4 v = load4(y + (int64_t)n * columns + c);
    *(float4 *)(to + (int64_t)n * columns + c) =
        make_float4(v.x > 0 ? sum[i][0] * scale : 0, v.y > 0 ? sum[i][1] * scale : 0, v.z > 0 ? sum[i][2] * scale : 0,
                    v.w > 0 ? sum[i][3] * scale : 0);
  }
}

/* Both gradients of a layer x · W + b: of x, through the mask of x itself, and of W.  Tiles: first those of x. */
template <bool tf32>
__device__ void dense_gradients(const device_trial *t, const device_matrix m, const float *x, const float *dy,
                                float *dx, int index, gemm_shared &shared)
{
  const int count = t->state->count, columns = divide_up(m.rows, TILE_COLUMNS);
  const int data = divide_up(t->batch, TILE_ROWS) * columns;
  float sum[4][4];
  if (index < data) {
    const int first = index / columns * TILE_ROWS, column = index % columns * TILE_COLUMNS;
    if (first >= count) return;
    gemm_tile<tf32>(matrix_rows(dy, m.columns, count, m.columns, first),
                    matrix_transposed(t->weights + m.weight, m.columns, m.rows, m.columns, column), m.columns, sum,
                    shared);
    store_masked(t, x, dx, count, m.rows, first, column, sum);
    return;
  }
  index -= data;
  const int across = divide_up(m.columns, TILE_COLUMNS);
  const int first = index / across * TILE_ROWS, column = index % across * TILE_COLUMNS;
  gemm_tile<tf32>(matrix_columns_and_ones(x, m.rows, m.rows, count, first),
                  matrix_plain(dy, m.columns, m.columns, count, column), count, sum, shared);
  store_partial(t, m, 0, first, column, sum);
}

template <bool tf32>
__global__ void __launch_bounds__(TILE_THREADS, tf32 ? TILE_BLOCKS_WIDE : TILE_BLOCKS)
    dense_loss_backward(const device_trial *trials, device_tiles tiles)
{
  __shared__ gemm_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  dense_gradients<tf32>(t, t->dense[1], t->hidden, t->logits, t->hidden_gradient, index, shared);
}

template <bool tf32>
__global__ void __launch_bounds__(TILE_THREADS, tf32 ? TILE_BLOCKS_WIDE : TILE_BLOCKS)
    dense_backward(const device_trial *trials, device_tiles tiles)
{
  __shared__ gemm_shared shared;
  const device_trial *t;
  int index;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  const device_conv &last = t->conv[t->layers - 1];
  dense_gradients<tf32>(t, t->dense[0], last.map, t->hidden_gradient, last.gradient, index, shared);
}

/* ---- launchers ------------------------------------------------------------------------------------------------------------- */

int network_tiles_dense(const device_trial *t)
{
  return divide_up(t->batch, TILE_ROWS) * divide_up(t->dense[0].columns, TILE_COLUMNS);
}

int network_tiles_loss(const device_trial *t)
{
  return divide_up(t->batch, LOSS_IMAGES);
}

static int gradient_tiles(const device_trial *t, const device_matrix &m)
{
  return divide_up(t->batch, TILE_ROWS) * divide_up(m.rows, TILE_COLUMNS) +
         divide_up(m.rows + 1, TILE_ROWS) * divide_up(m.columns, TILE_COLUMNS);
}

int network_tiles_loss_backward(const device_trial *t)
{
  return gradient_tiles(t, t->dense[1]);
}

int network_tiles_dense_backward(const device_trial *t)
{
  return gradient_tiles(t, t->dense[0]);
}

int network_dense(const device_trial *trials, device_tiles tiles, int precision, void *stream)
{
  return launch(precision == DEVICE_TF32 ? dense_forward<true> : dense_forward<false>, dim3(tiles.room),
                dim3(TILE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}

int network_loss(const device_trial *trials, device_tiles tiles, void *stream)
{
  return launch(dense_loss, dim3(tiles.room), dim3(LOSS_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}

int network_loss_backward(const device_trial *trials, device_tiles tiles, int precision, void *stream)
{
  return launch(precision == DEVICE_TF32 ? dense_loss_backward<true> : dense_loss_backward<false>, dim3(tiles.room),
                dim3(TILE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}

int network_dense_backward(const device_trial *trials, device_tiles tiles, int precision, void *stream)
{
  return launch(precision == DEVICE_TF32 ? dense_backward<true> : dense_backward<false>, dim3(tiles.room),
                dim3(TILE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}
