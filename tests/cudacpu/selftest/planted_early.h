/* A kernel that begins before the one before it has ended, with its wait in the right place or in
 * a wrong one, for the tests of the harness. */
#ifndef CUDACPU_PLANTED_EARLY_H
#define CUDACPU_PLANTED_EARLY_H

#include "tests/cudacpu/cudacpu.h"

#ifdef __cplusplus
extern "C" {
#endif

enum planted_early {
  EARLY_WAITS,        /* first of all */
  EARLY_READS_FIRST,  /* in */
  EARLY_WRITES_FIRST, /* out */
  EARLY_ONE_NEVER,    /* thread 7 of the second block does not wait */
};

/* out [128] ← in [128] + 1, 2 blocks of 64 threads; `early`: launched to begin early. */
cudaError_t planted_early_launch(enum planted_early how, int early, unsigned *out, const unsigned *in,
                                 cudaStream_t stream);

#ifdef __cplusplus
}
#endif
#endif
