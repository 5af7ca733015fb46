/* The text of [scheduler] devices. */
#include "devices.h"

#include <stdlib.h>
#include <string.h>

bool devices_parse(const char *text, struct devices *d)
{
  *d = (struct devices){.kind = DEVICES_CUDA};
  if (!strcmp(text, "auto") || !strcmp(text, "cpu")) {
    d->kind = text[0] == 'a' ? DEVICES_AUTO : DEVICES_CPU;
    return true;
  }
  if (strncmp(text, "cuda", 4) != 0) return false;
  if (!text[4]) return true;
  if (text[4] != ':') return false;
  for (const char *at = text + 5;; at++) {
    while (*at == ' ') at++;
    char *end;
    if (*at < '0' || *at > '9') return false;
    long number = strtol(at, &end, 10);
    if (number > 1023 || d->n == DEVICES_MAX) return false;
    for (int i = 0; i < d->n; i++)
      if (d->list[i] == number) return false;
    d->list[d->n++] = (int)number;
    for (at = end; *at == ' ';) at++;
    if (!*at) return true;
    if (*at != ',') return false;
  }
}
