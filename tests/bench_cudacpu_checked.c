/* The benchmark of kernels on the CPU, with the checked ones (tests/cudacpu/cudacpu.mk links them). */
#include "bench_cudacpu.c"
