/* The benchmark of kernels on the CPU, with the checked ones (tests/cudacpu/cudacpu.mk links
 * them). */
#include "tests/bench/bench_cudacpu.c"
