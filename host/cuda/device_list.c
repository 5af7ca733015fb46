/* What devices there are, and the text of [scheduler] devices. */
#include "host/cuda/device_list.h"

#ifdef GSOS_CUDA
#include <cuda_runtime_api.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/step.h"

#ifdef GSOS_CUDA

enum { LEAST_MAJOR = 8 }; /* the compute capability that kernels are compiled for (Makefile) */

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

static int attribute_of(int device, enum cudaDeviceAttr attribute)
{
  int value = 0;
  if (cudaDeviceGetAttribute(&value, attribute, device) != cudaSuccess) cudaGetLastError();
  return value;
}

bool devices_usable(int device, char *why, size_t size)
{
  int major = attribute_of(device, cudaDevAttrComputeCapabilityMajor);
  if (major == 0 || major >= LEAST_MAJOR) return true; /* what cannot be asked says so when it is used */
  snprintf(why, size, "cuda:%d is of compute capability %d.%d, and the kernels are for %d.0 and above", device, major,
           attribute_of(device, cudaDevAttrComputeCapabilityMinor), LEAST_MAJOR);
  return false;
}

void devices_remark(int device, char *text, size_t size)
{
  int given = attribute_of(device, cudaDevAttrMaxSharedMemoryPerBlockOptin);
  text[0] = 0;
  if (given == 0 || device_shared(given) == DEVICE_SHARED_LARGE) return;
  snprintf(text, size, "a block has %d KB of shared memory: convolutions in smaller pieces%s", given / 1024,
           attribute_of(device, cudaDevAttrComputeCapabilityMajor) > LEAST_MAJOR
               ? ", the Gaussian process by the kernels for 8.0"
               : "");
}

#else

bool devices_usable(int device, char *why, size_t size)
{
  (void)device, (void)why, (void)size;
  return true;
}

void devices_remark(int device, char *text, size_t size)
{
  (void)device, (void)size;
  text[0] = 0;
}

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
  for (int i = 0; i < (wanted.n > 0 ? wanted.n : there) && *n < DEVICES_MAX; i++) {
    const int device = wanted.n > 0 ? wanted.list[i] : i;
    if (devices_usable(device, why, size))
      list[(*n)++] = device;
    else if (wanted.n > 0)
      return error_set(e, ERROR_CONFIG, "[scheduler] devices = %s: %s", text, why);
  }
  if (wanted.kind == DEVICES_CUDA && *n == 0)
    return error_set(e, ERROR_CONFIG, "[scheduler] devices = %s: %s; use auto or cpu", text, why);
  if (*n > 0) why[0] = 0;
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
