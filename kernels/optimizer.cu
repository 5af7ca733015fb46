/* The optimiser: the parts of every gradient added in a fixed order, and Adam or SGD with momentum
 * in the same pass.
 *
 *   Adam   m ← β₁m + (1 − β₁)g,  v ← β₂v + (1 − β₂)g²,
 *          w ← w − lr·m/(1 − β₁ᵗ) / (√v/√(1 − β₂ᵗ) + ε)
 *   SGD    v ← μv + g,  w ← w − lr·v
 *
 * The kernel does next to no arithmetic, so it is written to wait as seldom as can be: a block
 * finds its layer by one load (struct device_update), a thread works on a float4, and all parts of
 * a gradient are on their way at once.  A block's threads are groups.  With up to 8 parts there is
 * one group, whose threads add all of them; with more parts there are more groups, up to 16, and
 * group i adds the i-th run of neighbouring parts.
 *
 *   g = ((run 0 + run 1) + run 2) + ...,  each run ((part a + part a+1) + part a+2) + ...
 *
 * Groups and runs follow from the number of parts alone.  Operations are rounded as the CPU
 * trainer's are written; which of them contract is the compiler's choice, on both sides. */
#include "kernels/gemm_tile.cuh"
#include "kernels/launch.h"

enum { UPDATE_THREADS = 128, UPDATE_GROUPS_LOG2 = 4, UPDATE_IN_FLIGHT = 8 };

__device__ __forceinline__ float4 plus(float4 a, float4 b)
{
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

/* Parts begin ... end - 1 of a quad, in their order; `apart`: quads from part to part. */
__device__ __forceinline__ float4 sum_of_run(const float4 *quad, int64_t apart, int begin, int end)
{
  float4 sum = zero4();
  quad += begin * apart;
  for (int s = begin; s < end; s += UPDATE_IN_FLIGHT) {
    float4 part[UPDATE_IN_FLIGHT];
    UNROLL
    for (int i = 0; i < UPDATE_IN_FLIGHT; i++, quad += apart) part[i] = s + i < end ? *quad : zero4();
    UNROLL
    for (int i = 0; i < UPDATE_IN_FLIGHT; i++) sum = plus(sum, part[i]);
  }
  return sum;
}

__device__ __forceinline__ void adam(float &w, float &first, float &second, float g, float step, float root)
{
  const float beta1 = (float)ADAM_BETA1, beta2 = (float)ADAM_BETA2, epsilon = (float)ADAM_EPSILON;
  first = beta1 * first + (1 - beta1) * g;
  second = beta2 * second + (1 - beta2) * g * g;
  w -= step * first / (sqrtf(second) * root + epsilon);
}

__device__ __forceinline__ void sgd(float &w, float &velocity, float g, const optimizer_settings &o)
{
  velocity = o.momentum * velocity + g;
  w -= o.learning_rate * velocity;
}

__global__ void __launch_bounds__(UPDATE_THREADS) optimizer_step(const device_trial *trials, device_tiles tiles)
{
  __shared__ float4 sums[UPDATE_THREADS];
  const device_trial *t;
  int index;
  if (!find_tile(trials, tiles, &t, &index)) return;
  const device_state *state = t->state;
  const int tid = (int)threadIdx.x, lane = tid % 32;
  const int first = lane < t->layers + 2 ? t->update[lane].first : INT32_MAX;
  const device_update u = t->update[__popc(__ballot_sync(0xffffffffu, first <= index)) - 1];
  if (state->phase != DEVICE_TRAIN) return;
  const int columns = UPDATE_THREADS >> u.groups_log2, group = tid / columns;
  const int64_t quad = (int64_t)(index - u.first) * columns + tid % columns;
  const bool there = quad < u.quads, last = group == 0 && there; /* which threads end it */
  float4 *w = (float4 *)(t->weights + u.weight) + quad, *second = (float4 *)(t->moment2 + u.weight) + quad;
  float4 *first_moment = t->adam ? (float4 *)(t->moment1 + u.weight) + quad : nullptr;
  float4 a = zero4(), b = zero4(), c = zero4(), g = zero4();
  if (last) {
    a = *w;
    b = *second;
    if (first_moment) c = *first_moment;
  }
  if (there) {
    const int begin = group * u.run, end = begin + u.run < u.splits ? begin + u.run : u.splits;
    g = sum_of_run((const float4 *)(t->partial + u.partial) + quad, u.quads, begin, end);
  }
  if (u.groups_log2 > 0) { /* the same in the whole block */
    sums[tid] = g;
    __syncthreads();
    if (last)
      for (int i = 1; i < 1 << u.groups_log2; i++) g = plus(g, sums[i * columns + tid]);
  }
  if (!last) return;
  if (first_moment) {
    const float step = t->optimizer.learning_rate * state->correction1, root = state->correction2;
    adam(a.x, c.x, b.x, g.x, step, root);
    adam(a.y, c.y, b.y, g.y, step, root);
    adam(a.z, c.z, b.z, g.z, step, root);
    adam(a.w, c.w, b.w, g.w, step, root);
    *first_moment = c;
  } else {
    const optimizer_settings o = t->optimizer;
    sgd(a.x, b.x, g.x, o);
    sgd(a.y, b.y, g.y, o);
    sgd(a.z, b.z, g.z, o);
    sgd(a.w, b.w, g.w, o);
  }
  *second = b;
  *w = a;
}

/* Columns are a multiple of 8, so a layer is whole quads, and begins with one. */
void optimizer_updates(device_trial *t)
{
  int first = 0;
  for (int l = 0; l < t->layers + 2; l++) {
    const device_matrix *m = layer_matrix(t, l);
    device_update *u = &t->update[l];
    u->first = first;
    u->quads = (int)((int64_t)(m->rows + 1) * m->columns / 4);
    u->splits = m->splits;
    u->groups_log2 = 0;
    while (u->groups_log2 < UPDATE_GROUPS_LOG2 && m->splits > UPDATE_IN_FLIGHT << u->groups_log2) u->groups_log2++;
    u->run = divide_up(m->splits, 1 << u->groups_log2);
    u->weight = m->weight;
    u->partial = m->partial;
    first += divide_up(u->quads, UPDATE_THREADS >> u->groups_log2);
  }
  t->update[t->layers + 2].first = first;
}

int step_tiles_optimizer(const device_trial *t, int)
{
  return t->update[t->layers + 2].first;
}

int step_optimizer(const device_trial *trials, device_tiles tiles, int, enum precision, void *stream)
{
  return launch(optimizer_step, dim3(tiles.room), dim3(UPDATE_THREADS), 0, (cudaStream_t)stream, trials, tiles);
}
