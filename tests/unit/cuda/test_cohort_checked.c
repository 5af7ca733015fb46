/* The tests of the CUDA trainer once more, with kernels whose every access is looked at: no race,
 * no read of what was never written, nothing out of bounds, in whole trainings. */
#include "tests/unit/cuda/test_cohort.c"
