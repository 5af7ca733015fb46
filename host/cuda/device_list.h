/* Where trials can run: the CUDA devices of this machine, and the text of [scheduler] devices. */
#ifndef GSOS_DEVICE_LIST_H
#define GSOS_DEVICE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "host/base/error.h"

/* CUDA devices that can be used, by their numbers from 0 on.
 *   why  [size] out where there is none: the reason
 * Returns their number. */
int devices_count(char *why, size_t size);

/* Can the kernels run there?
 *   why  [size] out where they cannot: the GPU is older than all that they are compiled for */
bool devices_usable(int device, char *why, size_t size);

/* What kernels do otherwise there than on most GPUs, for people; empty where nothing. */
void devices_remark(int device, char *text, size_t size);

/* "NVIDIA H100 80GB HBM3, compute capability 9.0, 79.2 GiB, driver 13.0, runtime 13.0": without its
 * place in the box. */
void devices_name(int device, char *text, size_t size);

enum devices_kind { DEVICES_AUTO, DEVICES_CPU, DEVICES_CUDA };
enum { DEVICES_MAX = 64 };

struct devices {
  enum devices_kind kind;
  int n; /* of DEVICES_CUDA: 0 means all */
  int list[DEVICES_MAX];
};

/* "auto", "cpu", "cuda", "cuda:0", "cuda:0,2": false where it is none of these, or names a device
 * twice. */
bool devices_parse(const char *text, struct devices *d);

/* Which CUDA devices of this machine the text means.
 *   list, n  [DEVICES_MAX] out; n = 0: the CPU
 *   why      why there is no device where n = 0 and one was looked for; else empty
 * Those that the kernels cannot run on are left out, where they are not named.  ERROR_CONFIG where
 * devices are asked for that are not there, or cannot be used. */
int devices_choose(const char *text, int *list, int *n, char *why, size_t size, struct error *e);

/* Are these devices of one model?  Others differ in the last bits of all they compute.
 *   name  [size] out: the model, as devices_name has it
 * ERROR_CONFIG where they are not. */
int devices_of_one_model(const int *list, int n, char *name, size_t size, struct error *e);

#endif
