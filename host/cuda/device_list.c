/* What devices there are, and the text of [scheduler] devices. */
#include "host/cuda/device_list.h"

#ifdef GSOS_CUDA
#include <cuda_runtime_api.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef GSOS_CUDA

/* CUDA says "insufficient" of a driver that is too old and of none alike. */
static void tell_driver(char *why, size_t size)
{
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0)
    snprintf(why, size, "no NVIDIA driver is loaded");
  else
    snprintf(why, size,
             "the NVIDIA driver is for CUDA %d.%d, and this gsos was built with %d.%d: a newer driver is needed",
             driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

int devices_count(char *why, size_t size)
{
  int n = 0;
  cudaError_t error = cudaGetDeviceCount(&n);
  if (error == cudaSuccess && n > 0) return n;
  cudaGetLastError();
  if (error == cudaErrorInsufficientDriver)
    tell_driver(why, size);
  else
    snprintf(why, size, "%s", error == cudaSuccess ? "there is no CUDA device" : cudaGetErrorString(error));
  return 0;
}

void devices_name(int device, char *text, size_t size)
{
  struct cudaDeviceProp p;
  int driver = 0, runtime = 0;
  if (cudaGetDeviceProperties(&p, device) != cudaSuccess) {
    cudaGetLastError();
    snprintf(text, size, "no device %d", device);
    return;
  }
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  snprintf(text, size, "%s, compute capability %d.%d, %.1f GiB, driver %d.%d, runtime %d.%d", p.name, p.major, p.minor,
           (double)p.totalGlobalMem / 0x1p30, driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
}

#else

int devices_count(char *why, size_t size)
{
  snprintf(why, size, "this gsos was built without CUDA");
  return 0;
}

void devices_name(int device, char *text, size_t size)
{
  snprintf(text, size, "no device %d", device);
}

#endif

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
  int there = wanted.kind == DEVICES_CPU ? 0 : devices_count(why, size);
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

int devices_of_one_model(const int *list, int n, char *name, size_t size, struct error *e)
{
  char other[400];
  devices_name(list[0], name, size);
  for (int i = 1; i < n; i++) {
    devices_name(list[i], other, sizeof other);
    if (strcmp(name, other) != 0)
      return error_set(e, ERROR_CONFIG,
                       "devices %d and %d are of different models (%s; %s), and their results differ in the last bits; "
                       "name those of one model: [scheduler] devices = cuda:%d",
                       list[0], list[i], name, other, list[0]);
  }
  return 0;
}
