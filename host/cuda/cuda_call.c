/* Errors of CUDA's runtime. */
#ifdef GSOS_CUDA

#include <cuda_runtime_api.h>

#include "host/cuda/cuda_call.h"

int cuda_error(struct error *e, cudaError_t error, const char *call, const char *file, int line)
{
  if (error == cudaSuccess) return 0;
  cudaGetLastError(); /* one that does not stick is gone with this */
  if (error == cudaErrorMemoryAllocation)
    return error_set(e, ERROR_MACHINE, "the device has no memory left (%s)", call);
  /* Whatever else a call says, most of it for every call from then on: this device is not used
   * again. */
  return error_set(e, ERROR_LOST, "%s: %s (%s:%d: %s)", cudaGetErrorName(error), cudaGetErrorString(error), file, line,
                   call);
}

#endif
