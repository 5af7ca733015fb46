/* A network's table entry for the kernels (kernels/step.h), from its plan: shapes, offsets, memory.
 * No call of CUDA's here. */
#ifndef GSOS_DEVICE_LAYOUT_H
#define GSOS_DEVICE_LAYOUT_H

#include "kernels/step.h"
#include "host/network/plan.h"

/* Fills everything of `t` that follows from the plan and the trial's key; pointers are NULL.
 *   shared  device_shared of the device that it is for; what is returned does not depend on it
 * Returns the bytes of device memory that the trial needs, or -1 where the kernels cannot (more
 * than 4 channels, 8 convolutions, 16,384 classes). */
int64_t device_network_make(struct device_trial *t, const struct plan *p, uint64_t key, int shared);

/* Divides memory of that size, aligned to 256 bytes, among the entry's pointers. */
void device_network_place(struct device_trial *t, void *memory);

/* The pieces of a trial's own memory, in their order: which of the entry's pointers, and how many
 * bytes.  What a kernel keeps between two stages is a line of this list.
 *   pieces  [DEVICE_PIECES_MAX] out
 * Returns their number. */
struct device_piece {
  void **at; /* the entry's pointer */
  int64_t bytes;
};
enum { DEVICE_PIECES_MAX = 3 * DEVICE_CONV_MAX + 16 };
int device_pieces(struct device_trial *t, struct device_piece *pieces);

/* The state in which epoch `epoch` begins (the network's steps so far: `step`). */
void device_state_begin(struct device_state *s, const struct device_trial *t, int64_t epoch, int64_t step);

#endif
