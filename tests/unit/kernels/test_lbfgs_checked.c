/* The minimum within bounds once more, with every access looked at. */
#include "tests/unit/kernels/test_lbfgs.c"
