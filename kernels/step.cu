/* Between the steps: what a batch came to, which images the next one has, and how a network begins.
 *
 * A trial of a cohort is idle, training, or evaluating, and each launch of the step's graph moves it by one batch: through the training
 * images in the epoch's order, then through the validation images, then it is idle until the host has looked.  One warp a trial;
 * losses are added lane by lane and then over the lanes, in an order that depends on the batch alone. */
#include "launch.h"
#include "network.h"
#include "random.cuh"

enum { STEP_THREADS = 32, INITIALISE_THREADS = 256 };

/* Rows of the batch that the state says, in the data set. */
__device__ void make_rows(const device_trial *t, const device_state *s, int lane)
{
  philox_permutation order;
  order.n = (uint32_t)t->train_images;
  order.half_bits = s->half_bits;
  for (int i = 0; i < 8; i++) order.round_key[i] = s->round_key[i];
  for (int i = lane; i < s->count; i += 32) {
    if (s->phase == DEVICE_TRAIN)
      t->rows[i] = t->train_rows[philox_permutation_at(&order, (uint32_t)(s->begin + i))];
    else
      t->rows[i] = t->validation_rows[s->begin + i];
  }
}

__device__ double warp_sum_double(double x)
{
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

/* Moves the state behind a batch with this loss.  One thread. */
__device__ void move_on(const device_trial *t, device_state *s, double loss, int hits)
{
  if (s->phase == DEVICE_TRAIN) {
    s->training_loss += loss;
    s->step++;
    s->beta1_power *= 0.9;
    s->beta2_power *= 0.999;
  } else {
    s->loss += loss;
    s->correct += hits;
  }
  if (!isfinite(loss)) {
    s->failed = 1;
    s->phase = DEVICE_IDLE;
  }
  s->begin += s->count;
  int images = s->phase == DEVICE_TRAIN ? t->train_images : t->validation_images;
  if (s->phase != DEVICE_IDLE && s->begin >= images) {
    s->phase = s->phase == DEVICE_TRAIN && t->validation_images > 0 ? DEVICE_EVALUATE : DEVICE_IDLE;
    s->begin = 0;
    images = t->validation_images;
  }
  if (s->phase == DEVICE_IDLE)
    s->count = 0;
  else
    s->count = images - s->begin < t->batch ? images - s->begin : t->batch;
}

__global__ void __launch_bounds__(STEP_THREADS) step_advance(const device_trial *trials)
{
  const device_trial *t = &trials[blockIdx.x];
  device_state *s = t->state;
  const int lane = (int)threadIdx.x;
  if (s->phase == DEVICE_IDLE) return;
  double loss = 0;
  int hits = 0;
  for (int i = lane; i < s->count; i += 32) {
    loss += (double)t->losses[i];
    hits += t->hits[i];
  }
  loss = warp_sum_double(loss);
  for (int step = 16; step > 0; step /= 2) hits += __shfl_xor_sync(0xffffffffu, hits, step);
  __syncthreads(); /* the block is one warp; all have read the state */
  if (lane == 0) move_on(t, s, loss, hits);
  __syncthreads();
  make_rows(t, s, lane);
}

__global__ void __launch_bounds__(STEP_THREADS) step_rows(const device_trial *trials)
{
  const device_trial *t = &trials[blockIdx.x];
  if (t->state->phase != DEVICE_IDLE) make_rows(t, t->state, (int)threadIdx.x);
}

/* ---- how a network begins ------------------------------------------------------------------------------------------------- */

/* Row and column of a parameter matrix → the element's number in [out][in][kh][kw]; -1 for what is padding or a bias. */
__device__ int64_t logical_element(const device_trial *t, int layer, int row, int column)
{
  if (layer < t->layers) {
    const device_conv &c = t->conv[layer];
    int taps = c.kernel * c.kernel, inputs = layer ? t->conv[layer - 1].filters : c.in_channels;
    int tap = layer ? row / c.in_channels : row % taps, in = layer ? row % c.in_channels : row / taps;
    return row < c.matrix.rows && in < inputs && column < c.filters ? ((int64_t)column * inputs + in) * taps + tap : -1;
  }
  if (layer == t->layers) {
    const device_conv &c = t->conv[t->layers - 1];
    int area = c.pool_height * c.pool_width, place = row / c.matrix.columns, filter = row % c.matrix.columns;
    bool there = row < t->dense[0].rows && filter < c.filters && column < t->units;
    return there ? (int64_t)column * c.filters * area + filter * area + place : -1;
  }
  return row < t->units && column < t->classes ? (int64_t)column * t->units + row : -1;
}

/* Inputs of one output of a layer. */
__device__ int64_t fan_in(const device_trial *t, int layer)
{
  if (layer < t->layers) {
    const device_conv &c = t->conv[layer];
    return (int64_t)c.kernel * c.kernel * (layer ? t->conv[layer - 1].filters : c.in_channels);
  }
  const device_conv &c = t->conv[t->layers - 1];
  return layer == t->layers ? (int64_t)c.filters * c.pool_height * c.pool_width : t->units;
}

/* Uniform in ±√(6 / fan_in), element by element of the logical tensor; everything else 0. */
__global__ void __launch_bounds__(INITIALISE_THREADS) step_initialise(const device_trial *trials, int index)
{
  const device_trial *t = &trials[index];
  for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < t->parameters;
       i += (int64_t)gridDim.x * blockDim.x) {
    int layer = 0;
    const device_matrix *m;
    for (;; layer++) {
      m = layer < t->layers ? &t->conv[layer].matrix : &t->dense[layer - t->layers];
      if (i < m->weight + (int64_t)(m->rows + 1) * m->columns) break;
    }
    int at = (int)(i - m->weight);
    int64_t element = logical_element(t, layer, at / m->columns, at % m->columns);
    float w = 0;
    if (element >= 0) {
      float bound = (float)sqrt(6.0 / (double)fan_in(t, layer));
      uint32_t word = random_word(t->key, philox_subsequence(PHILOX_WEIGHTS, layer, 0), (uint64_t)element);
      w = (2 * philox_uniform(word) - 1) * bound; /* 2u − 1 is exact */
    }
    t->weights[i] = w;
    t->moment2[i] = 0;
    if (t->adam) t->moment1[i] = 0;
  }
}

/* ---- launchers ------------------------------------------------------------------------------------------------------------- */

int network_advance(const device_trial *trials, int n, void *stream)
{
  return launch(step_advance, dim3(n), dim3(STEP_THREADS), 0, (cudaStream_t)stream, trials);
}

int network_rows(const device_trial *trials, int n, void *stream)
{
  return launch(step_rows, dim3(n), dim3(STEP_THREADS), 0, (cudaStream_t)stream, trials);
}

int network_initialise(const device_trial *trials, int index, int64_t parameters, void *stream)
{
  int64_t blocks = (parameters + INITIALISE_THREADS - 1) / INITIALISE_THREADS;
  return launch(step_initialise, dim3((unsigned)(blocks < 1024 ? blocks : 1024)), dim3(INITIALISE_THREADS), 0,
                (cudaStream_t)stream, trials, index);
}
