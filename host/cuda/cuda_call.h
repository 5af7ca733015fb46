/* Calls of CUDA's runtime: each goes through one place that turns its error into ours.  For the
 * files of host/ that make such calls. */
#ifndef GSOS_CUDA_CALL_H
#define GSOS_CUDA_CALL_H

#include <cuda_runtime_api.h>

#include "host/base/error.h"

int cuda_error(struct error *e, cudaError_t error, const char *call, const char *file, int line);
/* Evaluates to 0 or an error's code. */
#define CUDA(call, e) cuda_error(e, (cudaError_t)(call), #call, __FILE__, __LINE__)

#endif
