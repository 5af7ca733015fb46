/* A kernel that begins early (planted_early.h). */
#include "kernels/launch.h"
#include "tests/cudacpu/selftest/planted_early.h"

struct early_launch {
  int early;
};
static inline bool may_begin_early(const early_launch &launch)
{
  return launch.early;
}

static __global__ void early_kernel(unsigned *out, const unsigned *in, int how, early_launch)
{
  const unsigned g = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned x = 0;
  if (how == EARLY_READS_FIRST) x = in[g];   /* FAULT reads */
  if (how == EARLY_WRITES_FIRST) out[g] = 0; /* FAULT writes */
  if (how != EARLY_ONE_NEVER || g != 71) wait_for_launch_before();
  if (how != EARLY_READS_FIRST) x = in[g];
  out[g] = x + 1;
}

extern "C" cudaError_t planted_early_launch(enum planted_early how, int early, unsigned *out, const unsigned *in,
                                            cudaStream_t stream)
{
  return launch(early_kernel, 2, 64, 0, stream, out, in, (int)how, early_launch{early});
}
