/* Between the steps: the result of a batch, which images the next one has, and how a network
 * begins.
 *
 * A trial of a cohort is idle, training, or evaluating, and each launch of the step's graph moves
 * it by one batch: through the training images in the epoch's order, then through the validation
 * images, then it is idle until the host has looked.  One warp a trial; losses are added lane by
 * lane and then over the lanes, in an order that depends on the batch alone. */
#include "kernels/adam.h"
#include "kernels/launch.h"
#include "kernels/step.h"
#include "kernels/random.cuh"

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

/* What the batch's images were taken for.  Whole numbers, so that their order is no matter.  Of
 * logits that are no numbers none is the largest. */
__device__ void tally(const device_trial *t, int count, int lane)
{
  for (int i = lane; i < count; i += 32) {
    if (t->best[i] < 0 || t->best[i] >= t->classes) continue;
    if (t->hits[i]) atomicAdd(&t->tally[t->best[i]], 1);
    atomicAdd(&t->tally[t->classes + t->best[i]], 1);
  }
}

/* Moves the state behind a batch with this loss.  One thread. */
__device__ void move_on(const device_trial *t, device_state *s, double loss, int hits)
{
  if (s->phase == DEVICE_TRAIN) {
    s->training_loss += loss;
    s->step++;
    s->beta1_power *= ADAM_BETA1;
    s->beta2_power *= ADAM_BETA2;
    adam_corrections(s);
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

__global__ void __launch_bounds__(STEP_THREADS) batch_advance(const device_trial *trials, device_tiles)
{
  const device_trial *t = &trials[blockIdx.x];
  device_state *s = t->state;
  const int lane = (int)threadIdx.x;
  wait_for_launch_before();
  if (s->phase == DEVICE_IDLE) return;
  double loss = 0;
  int hits = 0;
  for (int i = lane; i < s->count; i += 32) {
    loss += (double)t->losses[i];
    hits += t->hits[i];
  }
  if (s->phase == DEVICE_EVALUATE) tally(t, s->count, lane);
  loss = warp_sum_double(loss);
  for (int step = 16; step > 0; step /= 2) hits += __shfl_xor_sync(0xffffffffu, hits, step);
  __syncthreads(); /* the block is one warp; all have read the state */
  if (lane == 0) move_on(t, s, loss, hits);
  __syncthreads();
  if (s->phase == DEVICE_EVALUATE && s->begin == 0)
    for (int c = lane; c < 2 * t->classes; c += 32) t->tally[c] = 0;
  make_rows(t, s, lane);
}

__global__ void __launch_bounds__(STEP_THREADS) batch_rows(const device_trial *trials)
{
  const device_trial *t = &trials[blockIdx.x];
  if (t->state->phase != DEVICE_IDLE) make_rows(t, t->state, (int)threadIdx.x);
}

/* ---- how a network begins -------------------------------------------------------------------- */

/* Uniform in ±√(6 / fan_in), element by element of the logical tensor; everything else 0. */
__global__ void __launch_bounds__(INITIALISE_THREADS) weights_initialise(const device_trial *trials, int index)
{
  const device_trial *t = &trials[index];
  for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < t->parameters;
       i += (int64_t)gridDim.x * blockDim.x) {
    int layer = 0;
    const device_matrix *m = layer_matrix(t, 0);
    while (i >= m->weight + (int64_t)(m->rows + 1) * m->columns) m = layer_matrix(t, ++layer);
    int at = (int)(i - m->weight), row = at / m->columns;
    int64_t element = row < m->rows ? layer_element(t, layer, row, at % m->columns) : -1; /* biases are 0 */
    float w = 0;
    if (element >= 0) {
      float bound = (float)sqrt(6.0 / (double)layer_fan_in(t, layer));
      uint32_t word = random_word(t->key, philox_subsequence(PHILOX_WEIGHTS, layer, 0), (uint64_t)element);
      w = (2 * philox_uniform(word) - 1) * bound; /* 2u − 1 is exact */
    }
    t->weights[i] = w;
    t->moment2[i] = 0;
    if (t->adam) t->moment1[i] = 0;
  }
}

/* ---- launchers ------------------------------------------------------------------------------- */

int step_advance(const device_trial *trials, device_tiles tiles, int, enum precision, void *stream)
{
  return launch(batch_advance, dim3(tiles.room), dim3(STEP_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}

int step_rows(const device_trial *trials, int n, void *stream)
{
  return launch(batch_rows, dim3(n), dim3(STEP_THREADS), 0, (cudaStream_t)stream, trials);
}

int step_initialise(const device_trial *trials, int index, int64_t parameters, void *stream)
{
  int64_t blocks = (parameters + INITIALISE_THREADS - 1) / INITIALISE_THREADS;
  return launch(weights_initialise, dim3((unsigned)(blocks < 1024 ? blocks : 1024)), dim3(INITIALISE_THREADS), 0,
                (cudaStream_t)stream, trials, index);
}
