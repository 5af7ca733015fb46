/* What an update of the weights reads beside their gradients and moments: the optimiser's
 * hyperparameters, the same struct in both trainers.  Another one is a field here, which
 * optimizer_settings_of fills (host/network/hyperparameters.h), and its place in the two updates:
 * kernels/optimizer.cu and host/cpu/cpu_loops_dense.c. */
#ifndef GSOS_OPTIMIZER_H
#define GSOS_OPTIMIZER_H

struct optimizer_settings {
  float learning_rate;
  float momentum; /* of SGD */
};

#endif
