/* Where trials run: the text of [scheduler] devices. */
#ifndef GSOS_DEVICES_H
#define GSOS_DEVICES_H

#include <stdbool.h>

enum devices_kind { DEVICES_AUTO, DEVICES_CPU, DEVICES_CUDA };
enum { DEVICES_MAX = 64 };

struct devices {
  enum devices_kind kind;
  int n; /* of DEVICES_CUDA: 0 means all */
  int list[DEVICES_MAX];
};

/* "auto", "cpu", "cuda", "cuda:0", "cuda:0,2": false where it is none of these, or names a device twice. */
bool devices_parse(const char *text, struct devices *d);

#endif
