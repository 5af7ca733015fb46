/* Errors of CUDA's runtime, and what devices there are. */
#ifdef GSOS_CUDA

#include <cuda_runtime_api.h>
#include <stdio.h>

#include "cohort.h"
#include "cuda_call.h"

int cuda_error(struct error *e, cudaError_t error, const char *call, const char *file, int line)
{
  if (error == cudaSuccess) return 0;
  cudaGetLastError(); /* one that does not stick is gone with this */
  if (error == cudaErrorMemoryAllocation)
    return error_set(e, ERROR_MACHINE, "the device has no memory left (%s)", call);
  /* Whatever else a call says, most of it for every call from then on: this device is not used again. */
  return error_set(e, ERROR_LOST, "%s: %s (%s:%d: %s)", cudaGetErrorName(error), cudaGetErrorString(error), file, line,
                   call);
}

int cohort_device_count(char *why, size_t size)
{
  int n = 0;
  cudaError_t error = cudaGetDeviceCount(&n);
  if (error == cudaSuccess && n > 0) return n;
  cudaGetLastError();
  snprintf(why, size, "%s", error == cudaSuccess ? "there is no CUDA device" : cudaGetErrorString(error));
  return 0;
}

void cohort_device_name(int device, char *text, size_t size)
{
  struct cudaDeviceProp p;
  int driver = 0, runtime = 0;
  if (cudaGetDeviceProperties(&p, device) != cudaSuccess) {
    cudaGetLastError();
    snprintf(text, size, "no device %d", device);
    return;
  }
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  snprintf(text, size, "%s, compute capability %d.%d, %.1f GiB, driver %d.%d, runtime %d.%d", p.name, p.major, p.minor,
           (double)p.totalGlobalMem / 0x1p30, driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

#endif
