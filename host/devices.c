/* The text of [scheduler] devices. */
#include "devices.h"

#include <stdlib.h>
#include <string.h>

#include "cohort.h"

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

int devices_choose(const char *text, int *list, int *n, char *why, size_t size, struct error *e)
{
  struct devices wanted;
  *n = 0;
  why[0] = 0;
  if (!devices_parse(text, &wanted)) return error_set(e, ERROR_CONFIG, "[scheduler] devices = %s?", text);
  int there = wanted.kind == DEVICES_CPU ? 0 : cohort_device_count(why, size);
  if (wanted.kind == DEVICES_CUDA && there == 0)
    return error_set(e, ERROR_CONFIG, "[scheduler] devices = %s: %s; use auto or cpu", text, why);
  for (int i = 0; i < wanted.n; i++)
    if (wanted.list[i] >= there)
      return error_set(e, ERROR_CONFIG, "[scheduler] devices = %s: there is no device %d; there are %d, from 0", text,
                       wanted.list[i], there);
  *n = wanted.n > 0 ? wanted.n : there < DEVICES_MAX ? there : DEVICES_MAX;
  for (int i = 0; i < *n; i++) list[i] = wanted.n > 0 ? wanted.list[i] : i;
  return 0;
}
