/* The network that speeds and costs are given for: three convolutions of 32 filters, 64 units,
 * batches of 32. */
#ifndef GSOS_TESTS_NETWORK_CONFIG_H
#define GSOS_TESTS_NETWORK_CONFIG_H

#include "host/network/plan.h"

static inline struct network_config usual_network(void)
{
  return (struct network_config){.num_conv_layers = 3,
                                 .learning_rate = 0.001,
                                 .optimizer = OPTIMIZER_ADAM,
                                 .epochs = 1,
                                 .stride = 1,
                                 .padding = PADDING_SAME,
                                 .kernel = 3,
                                 .num_fc_units = 64,
                                 .batch_size = 32,
                                 .model = {.filters = 32, .momentum = 0.9}};
}

#endif
