/* The part of cuRAND's device API that kernels take: it is all that the harness has. */
#include "tests/cudacpu/include/curand_kernel.h"
