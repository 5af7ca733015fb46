/* A network's table entry for the kernels (kernels/network.h), from its plan: shapes, offsets, memory.  No call of CUDA's here. */
#ifndef GSOS_DEVICE_NETWORK_H
#define GSOS_DEVICE_NETWORK_H

#include "../kernels/network.h"
#include "plan.h"

/* Fills everything of `t` that follows from the plan and the trial's key; pointers are NULL.  Returns the bytes of device memory that the
 * trial needs, or -1 where the kernels cannot (more than 4 channels, 8 convolutions, 16,384 classes). */
int64_t device_network_make(struct device_trial *t, const struct plan *p, uint64_t key);

/* Divides memory of that size, aligned to 256 bytes, among the entry's pointers. */
void device_network_place(struct device_trial *t, void *memory);

/* The state in which epoch `epoch` begins (the network's steps so far: `step`). */
void device_state_begin(struct device_state *s, const struct device_trial *t, int64_t epoch, int64_t step);

/* Where a parameter matrix's element (row, column) stands in the logical tensor ([out][in][kh][kw], [out][in]; row = rows: the bias
 * [out]); -1 where it is padding.  layer: convolutions, then the two dense ones. */
int64_t device_element(const struct device_trial *t, int layer, int row, int column);

const struct device_matrix *device_matrix(const struct device_trial *t, int layer);

#endif
