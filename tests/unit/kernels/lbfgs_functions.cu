/* Blocks and clusters that seek minima (lbfgs_functions.h). */
#include "kernels/cluster.cuh"
#include "kernels/lbfgs.cuh"
#include "tests/unit/kernels/lbfgs_functions.h"

enum { CLIMB_THREADS = 128, CLIMB_CLUSTER = 8 };

struct climb_shared {
  lbfgs_state<LBFGS_DIMENSIONS_MAX> state;
  double part[LBFGS_DIMENSIONS_MAX], derivative[LBFGS_DIMENSIONS_MAX];
};

/* A dimension a thread; the first adds them in order. */
struct by_block {
  lbfgs_task task;
  climb_shared *s;

  __device__ __forceinline__ double low(int) const
  {
    return task.low;
  }
  __device__ __forceinline__ double high(int) const
  {
    return task.high;
  }
  __device__ __forceinline__ void evaluate(const double *x, double *value, double *gradient) const
  {
    const int t = (int)threadIdx.x;
    if (t < task.n) s->part[t] = lbfgs_part_of(task.function, task.n, x, t, &gradient[t]);
    __syncthreads();
    if (t) return;
    *value = 0;
    for (int i = 0; i < task.n; i++) *value += s->part[i];
  }
};

/* Every eighth dimension is a block's; each takes the others' parts. */
struct by_cluster : by_block {
  __device__ __forceinline__ void evaluate(const double *x, double *value, double *gradient) const
  {
    const int t = (int)threadIdx.x;
    if (t < task.n && t % CLIMB_CLUSTER == (int)cluster_rank())
      s->part[t] = lbfgs_part_of(task.function, task.n, x, t, &s->derivative[t]);
    cluster_sync();
    if (t < task.n) gradient[t] = cluster_shared(s->derivative, (unsigned)(t % CLIMB_CLUSTER))[t];
    if (t == 0) {
      *value = 0;
      for (int i = 0; i < task.n; i++) *value += cluster_shared(s->part, (unsigned)(i % CLIMB_CLUSTER))[i];
    }
    cluster_sync(); /* nobody's part is another's before all have read it */
  }
};

template <class Function>
__device__ __forceinline__ void climb(const lbfgs_task &task, lbfgs_climb *c, climb_shared *s, bool writes)
{
  const int t = (int)threadIdx.x;
  Function f;
  f.task = task;
  f.s = s;
  if (t < task.n) s->state.trial[t] = c->x[t];
  lbfgs_minimise(s->state, task.n, lbfgs_settings{task.tolerance, task.reach, task.evaluations}, f);
  if (!writes) return;
  if (t < task.n) c->x[t] = s->state.at[t];
  if (t) return;
  c->value = s->state.value;
  c->evaluations = s->state.evaluations;
  c->end = s->state.end;
}

static __global__ void __launch_bounds__(CLIMB_THREADS) climb_by_block(const lbfgs_task task, lbfgs_climb *climbs)
{
  DYNAMIC_SHARED(climb_shared, s);
  climb<by_block>(task, climbs + blockIdx.x, s, true);
}

static __global__ void __launch_bounds__(CLIMB_THREADS) climb_by_cluster(const lbfgs_task task, lbfgs_climb *climbs)
{
#if defined(CUDACPU) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
  DYNAMIC_SHARED(climb_shared, s);
  climb<by_cluster>(task, climbs + blockIdx.x / CLIMB_CLUSTER, s, cluster_rank() == 0);
#endif
}

int lbfgs_climb_all(struct lbfgs_task task, int count, struct lbfgs_climb *climbs, int cluster, void *stream)
{
  if (cluster)
    return launch_cluster(climb_by_cluster, CLIMB_CLUSTER, dim3((unsigned)(CLIMB_CLUSTER * count)), dim3(CLIMB_THREADS),
                          sizeof(climb_shared), (cudaStream_t)stream, task, climbs);
  return launch(climb_by_block, dim3((unsigned)count), dim3(CLIMB_THREADS), sizeof(climb_shared), (cudaStream_t)stream,
                task, climbs);
}
