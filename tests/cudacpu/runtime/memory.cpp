/* CUDA on the CPU: memory of devices and of the host.
 *
 * One reservation of address space holds, for all devices, what kernels may touch: first the
 * dynamic shared memory, which ends at a guard page, then an arena for each device.  The arenas are
 * closed (PROT_NONE) but while work is done, so that a pointer that the host should not follow is
 * found on the spot.  Huge pages keep opening and closing cheap.
 *
 * An arena is twice as large as its device's memory: allocations lie 512 bytes and more apart, so
 * that an overrun meets nothing.  New memory is filled with NaNs (up to 16 MiB). */
#include "tests/cudacpu/runtime/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>

extern "C" void __asan_unpoison_memory_region(const volatile void *p, size_t bytes) __attribute__((weak));
extern "C" void __asan_poison_memory_region(const volatile void *p, size_t bytes) __attribute__((weak));

namespace cudacpu
{

struct region region;
char *dynamic_shared;

constexpr size_t HUGE = 2 << 20, GRAIN = 512;

struct allocation {
  size_t bytes;
  int number;
  /* Where the program divides it itself, the parts in use: first byte -> bytes. */
  bool divided;
  std::map<const char *, size_t> parts;
};
struct arena {
  char *base;
  size_t bytes, limit;
  size_t opened; /* what has ever been in use, from the base on */
  size_t used;
  std::map<const char *, struct allocation> allocations;
};
static std::vector<struct arena> arenas;
static std::map<const char *, size_t> pinned;
static int open_count, allocations_made;

static size_t rounded(size_t n, size_t to)
{
  return (n + to - 1) / to * to;
}

static void poison(const void *p, size_t bytes, bool yes)
{
  if (yes && __asan_poison_memory_region) __asan_poison_memory_region(p, bytes);
  if (!yes && __asan_unpoison_memory_region) __asan_unpoison_memory_region(p, bytes);
}

/* ------------------------------------------------------------------------ the arenas as a whole */

void memory_start(int devices, const size_t *memory)
{
  if (region.base) {
    for (struct arena &a : arenas) poison(a.base, a.opened, false);
    poison(region.base, DYNAMIC_SHARED_BYTES, false);
    munmap(region.base, region.bytes);
  }
  if (checker) checker->forget();
  arenas.clear();
  size_t bytes = HUGE;
  for (int d = 0; d < devices; d++) bytes += rounded(2 * memory[d] + HUGE, HUGE);
  void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    perror("cudacpu: no address space for the devices' memory");
    abort();
  }
  region = {(char *)p, bytes};
  dynamic_shared = region.base + DYNAMIC_SHARED_BYTES;
  if (mprotect(region.base, DYNAMIC_SHARED_BYTES, PROT_READ | PROT_WRITE)) abort();
  char *base = region.base + HUGE;
  for (int d = 0; d < devices; d++) {
    size_t size = rounded(2 * memory[d] + HUGE, HUGE);
    arenas.push_back({base, size, memory[d], 0, 0, {}});
    madvise(base, size, MADV_HUGEPAGE);
    base += size;
  }
  open_count = 0;
  allocations_made = 0;
  fault_handler_install();
}

void memory_open(void)
{
  if (open_count++) return;
  fault_handler_install();
  for (struct arena &a : arenas)
    if (a.opened) mprotect(a.base, a.opened, PROT_READ | PROT_WRITE);
}

void memory_close(void)
{
  if (--open_count) return;
  for (struct arena &a : arenas)
    if (a.opened) mprotect(a.base, a.opened, PROT_NONE);
}

/* For code of the host that runs in between. */
void memory_suspend(bool yes)
{
  if (!open_count) return;
  for (struct arena &a : arenas)
    if (a.opened) mprotect(a.base, a.opened, yes ? PROT_NONE : PROT_READ | PROT_WRITE);
}

bool is_device_memory(const void *p)
{
  return (const char *)p >= region.base + HUGE && (const char *)p < region.base + region.bytes;
}

static struct arena *arena_of(const void *p)
{
  for (struct arena &a : arenas)
    if ((const char *)p >= a.base && (const char *)p < a.base + a.bytes) return &a;
  return NULL;
}

/* The allocation that holds the address, or ends nearest before it. */
static std::pair<const char *const, struct allocation> *nearest(const void *p)
{
  struct arena *a = arena_of(p);
  if (!a) return NULL;
  auto next = a->allocations.upper_bound((const char *)p);
  return next == a->allocations.begin() ? NULL : &*std::prev(next);
}

bool is_allocated(const void *p, size_t bytes, int *device)
{
  auto *n = nearest(p);
  if (!n || (size_t)((const char *)p - n->first) + bytes > n->second.bytes) return false;
  *device = (int)(arena_of(p) - arenas.data());
  return true;
}

bool is_allowed(const void *p, const void **until)
{
  auto *n = nearest(p);
  const char *at = (const char *)p;
  struct arena *a = arena_of(p);
  auto behind = a->allocations.upper_bound(at);
  *until = behind == a->allocations.end() ? a->base + a->bytes : behind->first;
  if (!n || at >= n->first + n->second.bytes) return false;
  *until = n->first + n->second.bytes;
  if (!n->second.divided) return true;
  auto next = n->second.parts.upper_bound(at);
  if (next != n->second.parts.end()) *until = next->first;
  if (next == n->second.parts.begin()) return false;
  auto part = std::prev(next);
  if (at >= part->first + part->second) return false;
  *until = part->first + part->second;
  return true;
}

void describe_address(const void *p, char *text, size_t size)
{
  auto *n = nearest(p);
  if (!is_device_memory(p))
    snprintf(text, size, "at %p", p);
  else if (!n)
    snprintf(text, size, "at %p, before all allocations of its device", p);
  else {
    size_t offset = (size_t)((const char *)p - n->first);
    if (offset < n->second.bytes)
      snprintf(text, size, "at byte %zu of the %zu of allocation %d", offset, n->second.bytes, n->second.number);
    else
      snprintf(text, size, "%zu bytes behind the %zu of allocation %d", offset - n->second.bytes, n->second.bytes,
               n->second.number);
  }
}

size_t memory_in_use(int device, size_t *allocations)
{
  *allocations = arenas[(size_t)device].allocations.size();
  return arenas[(size_t)device].used;
}

/* ---------------------------------------------------------------------------------- allocations */

extern "C" cudaError_t cudaMalloc(void **pointer, size_t bytes)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  if (!pointer) return remember(cudaErrorInvalidValue);
  *pointer = NULL;
  if (cudaError_t e = device_error(device)) return remember(e);
  if (cudaError_t e = no_capture()) return remember(e);
  if (bytes == 0) return cudaSuccess;
  struct arena *a = &arenas[(size_t)device];
  if (counts_down(&fail_allocation_in) || bytes > a->limit || a->used + rounded(bytes, GRAIN) > a->limit)
    return remember(cudaErrorMemoryAllocation);

  /* The first gap that has room for it and for what keeps it apart. */
  size_t wanted = rounded(bytes, GRAIN) + GRAIN;
  char *at = a->base + GRAIN;
  for (auto &n : a->allocations) {
    if ((size_t)(n.first - at) >= wanted) break;
    at = (char *)n.first + rounded(n.second.bytes, GRAIN) + GRAIN;
  }
  if (at + wanted > a->base + a->bytes) return remember(cudaErrorMemoryAllocation); /* in pieces */
  a->allocations[at] = {bytes, ++allocations_made, false, {}};
  counts.made++;
  a->used += rounded(bytes, GRAIN);
  size_t end = std::min(rounded((size_t)(at + wanted - a->base), HUGE), a->bytes);
  if (end > a->opened) {
    poison(a->base + a->opened, end - a->opened, true);
    a->opened = end;
    if (open_count) mprotect(a->base, a->opened, PROT_READ | PROT_WRITE);
  }
  poison(at, bytes, false);
  memory_open();
  memset(at, 0xff, std::min(bytes, (size_t)16 << 20));
  memory_close();
  if (checker) checker->allowed(at, bytes, true);
  *pointer = at;
  return cudaSuccess;
}

static void give_back(struct arena *a, const char *p)
{
  auto found = a->allocations.find(p);
  poison(p, rounded(found->second.bytes, 8), true);
  if (checker) checker->allowed(p, found->second.bytes, false);
  a->used -= rounded(found->second.bytes, GRAIN);
  a->allocations.erase(found);
}

/* Waits for all work of the device, as the real one does. */
extern "C" cudaError_t cudaFree(void *pointer)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!pointer) return cudaSuccess;
  struct arena *a = arena_of(pointer);
  if (!a || !a->allocations.count((char *)pointer)) return remember(cudaErrorInvalidValue);
  int device = (int)(a - arenas.data());
  if (cudaError_t e = device_error(device)) return remember(e);
  if (cudaError_t e = no_capture()) return remember(e);
  run_device(device);
  give_back(a, (char *)pointer);
  return remember(device_error(device));
}

void memory_free_all(int device)
{
  struct arena *a = &arenas[(size_t)device];
  while (!a->allocations.empty()) give_back(a, a->allocations.begin()->first);
}

extern "C" cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  if (cudaError_t e = device_error(device)) return remember(e);
  *total = arenas[(size_t)device].limit;
  *available = *total - arenas[(size_t)device].used;
  return cudaSuccess;
}

extern "C" void cudacpu_forbid(const void *device_memory, size_t bytes)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  auto *n = nearest(device_memory);
  const char *p = (const char *)device_memory;
  n->second.divided = true;
  n->second.parts.erase(n->second.parts.lower_bound(p), n->second.parts.lower_bound(p + bytes));
  poison(p, bytes, true);
  if (checker) checker->allowed(p, bytes, false);
}
extern "C" void cudacpu_allow(const void *device_memory, size_t bytes)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  auto *n = nearest(device_memory);
  n->second.parts[(const char *)device_memory] = bytes;
  poison(device_memory, bytes, false);
  if (checker) checker->allowed(device_memory, bytes, true);
}

extern "C" cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned flags)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  (void)flags;
  if (!pointer) return remember(cudaErrorInvalidValue);
  *pointer = NULL;
  if (cudaError_t e = device_error(device)) return remember(e);
  if (cudaError_t e = no_capture()) return remember(e);
  if (bytes == 0) return cudaSuccess;
  if (counts_down(&fail_host_allocation_in)) return remember(cudaErrorMemoryAllocation);
  void *p = NULL;
  if (posix_memalign(&p, 4096, bytes)) return remember(cudaErrorMemoryAllocation);
  memset(p, 0xff, std::min(bytes, (size_t)16 << 20));
  pinned[(char *)p] = bytes;
  counts.made++;
  *pointer = p;
  return cudaSuccess;
}
extern "C" cudaError_t cudaMallocHost(void **pointer, size_t bytes)
{
  return cudaHostAlloc(pointer, bytes, cudaHostAllocDefault);
}
extern "C" cudaError_t cudaFreeHost(void *pointer)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!pointer) return cudaSuccess;
  if (!pinned.count((char *)pointer)) return remember(cudaErrorInvalidValue);
  for (size_t d = 0; d < devices.size(); d++) run_device((int)d);
  pinned.erase((char *)pointer);
  free(pointer);
  return cudaSuccess;
}

bool is_pinned(const void *p, size_t bytes)
{
  auto next = pinned.upper_bound((const char *)p);
  if (next == pinned.begin()) return false;
  auto found = std::prev(next);
  return (size_t)((const char *)p - found->first) + bytes <= found->second;
}

/* --------------------------------------------------------------------------------------- copies */

/* Done when its turn comes.  Of bytes that nothing has written the checked build tells when they go
 * to the host. */
static cudaError_t copy(void *to, const void *from, size_t bytes)
{
  bool to_device = is_device_memory(to), from_device = is_device_memory(from);
  memory_open();
  if (checker && from_device && !to_device) {
    if (const void *p = checker->never_written(from, bytes)) {
      char where[128];
      describe_address(p, where, sizeof where);
      report(CUDACPU_UNWRITTEN, {"cudaMemcpy", 0, NULL}, "a copy of %zu bytes to the host has bytes never written, %s",
             bytes, where);
    }
  }
  memmove(to, from, bytes);
  if (checker && to_device) {
    if (from_device)
      checker->copied(to, from, bytes);
    else
      checker->filled(to, bytes);
  }
  memory_close();
  return cudaSuccess;
}

/* What is wrong with the arguments of a copy, and the device whose work it is. */
static cudaError_t copy_check(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, int *device)
{
  bool to_device = is_device_memory(to), from_device = is_device_memory(from);
  *device = current_device();
  if (!to || !from) return cudaErrorInvalidValue;
  if ((unsigned)kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  if (kind != cudaMemcpyDefault) {
    bool to_is_right = to_device == (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice);
    bool from_is_right = from_device == (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice);
    if (!to_is_right || !from_is_right) return cudaErrorInvalidValue;
  }
  int d;
  if (to_device && !is_allocated(to, bytes, &d)) return cudaErrorInvalidValue;
  if (from_device && !is_allocated(from, bytes, &d)) return cudaErrorInvalidValue;
  return cudaSuccess;
}

static cudaError_t copy_queue(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream,
                              bool wait)
{
  struct CUstream_st *s;
  int device;
  if (cudaError_t e = stream_find(stream, &s)) return e;
  if (cudaError_t e = device_error(stream_device(s))) return e;
  if (bytes == 0) return cudaSuccess;
  if (cudaError_t e = copy_check(to, from, bytes, kind, &device)) return e;
  if (wait)
    if (cudaError_t e = no_capture()) return e;
  bool pageable_from = !is_device_memory(from) && !is_pinned(from, bytes);
  bool pageable_to = !is_device_memory(to) && !is_pinned(to, bytes);
  cudaError_t e;
  if (pageable_from && !s->capture && !wait) {
    auto staged = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
    e = enqueue(s, NODE_COPY, NULL, [=] { return copy(to, staged->data(), bytes); });
  } else {
    e = enqueue(s, NODE_COPY, NULL, [=] { return copy(to, from, bytes); });
  }
  if (e) return e;
  if (wait || (pageable_to && !s->capture)) {
    run_until(s->last);
    return device_error(stream_device(s));
  }
  return cudaSuccess;
}

extern "C" cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                                       cudaStream_t stream)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  counts.copies++;
  return remember(copy_queue(to, from, bytes, kind, stream, false));
}

extern "C" cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  counts.copies++;
  return remember(copy_queue(to, from, bytes, kind, NULL, true));
}

static cudaError_t set(void *to, int value, size_t bytes)
{
  memory_open();
  memset(to, value, bytes);
  if (checker) checker->filled(to, bytes);
  memory_close();
  return cudaSuccess;
}

extern "C" cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  int device;
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  if (cudaError_t e = device_error(stream_device(s))) return remember(e);
  if (bytes == 0) return cudaSuccess;
  if (!is_allocated(to, bytes, &device)) return remember(cudaErrorInvalidValue);
  return remember(enqueue(s, NODE_SET, NULL, [=] { return set(to, value, bytes); }));
}

extern "C" cudaError_t cudaMemset(void *to, int value, size_t bytes)
{
  return cudaMemsetAsync(to, value, bytes, NULL);
}

} // namespace cudacpu
