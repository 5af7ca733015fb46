/* Where trials run: the text of [scheduler] devices. */
#ifndef GSOS_DEVICES_H
#define GSOS_DEVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

enum devices_kind { DEVICES_AUTO, DEVICES_CPU, DEVICES_CUDA };
enum { DEVICES_MAX = 64 };

struct devices {
  enum devices_kind kind;
  int n; /* of DEVICES_CUDA: 0 means all */
  int list[DEVICES_MAX];
};

/* "auto", "cpu", "cuda", "cuda:0", "cuda:0,2": false where it is none of these, or names a device twice. */
bool devices_parse(const char *text, struct devices *d);

/* Which CUDA devices of this machine the text means.
 *   list, n  [DEVICES_MAX] out; n = 0: the CPU
 *   why      why there is no device where n = 0 and one was looked for; else empty
 * ERROR_CONFIG where devices are asked for that are not there. */
int devices_choose(const char *text, int *list, int *n, char *why, size_t size, struct error *e);

#endif
