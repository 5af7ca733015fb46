/* Where trials can run on this machine: all that `gsos devices` knows of it. */
#ifndef GSOS_TRIAL_DEVICES_H
#define GSOS_TRIAL_DEVICES_H

#include <stddef.h>

enum { TRIAL_DEVICE_CPU = -1 };

/* GPUs that [scheduler] devices can name, 0 ... n - 1; `why`: the reason where there is none. */
int trial_devices_count(char *why, size_t size);
/* What the bits of a result depend on there: "NVIDIA H100 ..., driver ...", "avx512_core, oneDNN
 * ...". */
void trial_device_describe(int device, char *text, size_t size);
/* What else is to be said of a GPU: why it cannot be used, or what is done otherwise there; empty
 * where nothing is. */
void trial_device_remark(int device, char *text, size_t size);

#endif
