/* The Gaussian process's kernels once more, with every access looked at: no race, no read of what
 * was never written, nothing out of bounds. */
#include "tests/unit/samplers/gp/test_kernels_gp.c"
