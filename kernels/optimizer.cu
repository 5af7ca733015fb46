/* The optimiser: the parts of every gradient added in order, and Adam or SGD with momentum in the same pass.
 *
 *   Adam   m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,  w ← w − lr·m/(1 − β₁ᵗ) / (√v/√(1 − β₂ᵗ) + ε)
 *   SGD    v ← μv + g,  w ← w − lr·v
 *
 * A block takes 1,024 parameters of one layer, a thread every 128th of them, so that reads and writes are whole lines.  Operations are
 * rounded as the CPU trainer's are written; which of them contract is the compiler's choice, on both sides. */
#include "gemm_tile.cuh"
#include "launch.h"

enum { UPDATE_THREADS = 128, UPDATE_FLOATS = 1024 };

/* Layer i of the network: convolutions, then the two dense ones. */
static inline __host__ __device__ const device_matrix *layer_matrix(const device_trial *t, int i)
{
  return i < t->layers ? &t->conv[i].matrix : &t->dense[i - t->layers];
}

static inline __host__ __device__ int layer_tiles(const device_matrix *m)
{
  return divide_up((m->rows + 1) * m->columns, UPDATE_FLOATS);
}

__global__ void __launch_bounds__(UPDATE_THREADS) optimizer_step(const device_trial *trials, device_tiles tiles)
{
  const device_trial *t;
  int index, layer = 0;
  if (!take_tile(trials, tiles, DEVICE_TRAIN, &t, &index)) return;
  for (; index >= layer_tiles(layer_matrix(t, layer)); layer++) index -= layer_tiles(layer_matrix(t, layer));
  const device_matrix m = *layer_matrix(t, layer);
  const int size = (m.rows + 1) * m.columns;
  const float *partial = t->partial + m.partial;
  float *w = t->weights + m.weight, *second = t->moment2 + m.weight;
  float *first = t->adam ? t->moment1 + m.weight : nullptr;
  const float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  const float correction1 = (float)(1 / (1 - t->state->beta1_power)),
              root = (float)(1 / sqrt(1 - t->state->beta2_power));
  const float step = t->learning_rate * correction1;
  for (int i = index * UPDATE_FLOATS + (int)threadIdx.x; i < (index + 1) * UPDATE_FLOATS && i < size;
       i += UPDATE_THREADS) {
    float g = partial[i];
    for (int s = 1; s < m.splits; s++) g += partial[(int64_t)s * size + i];
    if (t->adam) {
      float a = beta1 * first[i] + (1 - beta1) * g;
      float b = beta2 * second[i] + (1 - beta2) * g * g;
      first[i] = a;
      second[i] = b;
      w[i] -= step * a / (sqrtf(b) * root + epsilon);
    } else {
      float velocity = t->momentum * second[i] + g;
      second[i] = velocity;
      w[i] -= t->learning_rate * velocity;
    }
  }
}

int network_tiles_optimizer(const device_trial *t)
{
  int n = 0;
  for (int i = 0; i < t->layers + 2; i++) n += layer_tiles(layer_matrix(t, i));
  return n;
}

int network_optimizer(const device_trial *trials, device_tiles tiles, void *stream)
{
  return launch(optimizer_step, dim3(tiles.room), dim3(UPDATE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}
