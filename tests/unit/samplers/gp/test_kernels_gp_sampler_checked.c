/* Whole fits and proposals once more, with kernels whose every access is looked at. */
#include "tests/unit/samplers/gp/test_kernels_gp_sampler.c"
