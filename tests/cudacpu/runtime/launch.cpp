/* CUDA on the CPU: launches of kernels.
 *
 * A launch is refused as the hardware refuses it: too many threads, too large a grid, more shared
 * memory than the kernel has asked for on that device.  Its blocks run one after the other, in the
 * order that the test wants. */
#define CUDACPU_RUNTIME
#include "tests/cudacpu/include/device.h"
#include "tests/cudacpu/runtime/internal.h"

#include <string.h>

#include <algorithm>
#include <map>

extern "C" void __asan_unpoison_memory_region(const volatile void *p, size_t bytes) __attribute__((weak));
extern "C" void __asan_poison_memory_region(const volatile void *p, size_t bytes) __attribute__((weak));

namespace cudacpu
{

thread_local bool kernel_runs_here;

/* Dynamic shared memory that a kernel may have, on a device. */
static std::map<std::pair<int, const void *>, size_t> most_shared;

void launch_start(void)
{
  most_shared.clear();
}

static size_t may_have(int device, const void *kernel)
{
  auto found = most_shared.find({device, kernel});
  return found == most_shared.end() ? devices[(size_t)device].properties.sharedMemPerBlock : found->second;
}

static size_t rounded(size_t bytes)
{
  return (bytes + 127) / 128 * 128;
}

size_t shared_stride(void)
{
  const size_t gap = running->cluster > 1 ? 128 : 0; /* what is written behind one is not the next's */
  return rounded(running->dynamic_shared) + gap;
}

/* The memory of `launch`'s blocks: its end at the guard page, its beginning as aligned as the
 * hardware's. */
static void shared_prepare(const struct launch *launch)
{
  char *end = region.base + DYNAMIC_SHARED_BYTES;
  dynamic_shared = end - (launch->cluster - 1) * shared_stride() - rounded(launch->dynamic_shared);
  if (!__asan_poison_memory_region) return;
  __asan_poison_memory_region(region.base, DYNAMIC_SHARED_BYTES);
  for (unsigned r = 0; r < launch->cluster; r++)
    __asan_unpoison_memory_region(dynamic_shared + r * shared_stride(), launch->dynamic_shared);
}

cudaError_t run_launch(const struct launch &launch)
{
  uint64_t blocks = (uint64_t)launch.grid.x * launch.grid.y * launch.grid.z / launch.cluster; /* or clusters */
  cudaError_t error = cudaSuccess;
  counts.launches++;
  counts.early += launch.early;
  if (fail_launch_error != cudaErrorLaunchOutOfResources && counts_down(&fail_launch_in)) return fail_launch_error;

  fault_stack_make();
  running = &launch;
  kernel_runs_here = true;
  shared_prepare(&launch);
  memory_open();
  if (checker) checker->launch_begins();
  std::vector<uint32_t> shuffled;
  if (block_order() == CUDACPU_SHUFFLED && blocks < 1u << 24) {
    for (uint32_t i = 0; i < blocks; i++) shuffled.push_back(i);
    for (uint64_t i = blocks; i > 1; i--) std::swap(shuffled[i - 1], shuffled[random_number() % i]);
  }
  for (uint64_t i = 0; i < blocks && !error; i++) {
    uint64_t b = !shuffled.empty() ? shuffled[i] : block_order() == CUDACPU_REVERSE ? blocks - 1 - i : i;
    uint3 index;
    const unsigned across = launch.grid.x / launch.cluster;
    index.x = (unsigned)(b % across) * launch.cluster;
    index.y = (unsigned)(b / across % launch.grid.y);
    index.z = (unsigned)(b / across / launch.grid.y);
    for (unsigned r = 0; r < launch.cluster; r++)
      memset(dynamic_shared + r * shared_stride(), 0xff, launch.dynamic_shared);
    error = run_block(index);
  }
  memory_close();
  kernel_runs_here = false;
  running = NULL;
  reports_finish();
  return error;
}

static const cudaLaunchAttributeValue *attribute(const cudaLaunchConfig_t *c, cudaLaunchAttributeID id)
{
  for (unsigned i = 0; i < c->numAttrs; i++)
    if (c->attrs[i].id == id) return &c->attrs[i].val;
  return NULL;
}

/* Blocks of a kernel that a multiprocessor has room for at once, by threads and shared memory. */
static int active_blocks(int device, const void *kernel, int threads, size_t dynamic_shared)
{
  const struct cudaDeviceProp &p = devices[(size_t)device].properties;
  const int by_threads = p.maxThreadsPerMultiProcessor / ((threads + 31) / 32 * 32);
  const int by_shared = (int)(p.sharedMemPerMultiprocessor / (dynamic_shared + p.reservedSharedMemPerBlock));
  if (dynamic_shared > may_have(device, kernel)) return 0;
  return std::min(std::min(by_threads, by_shared), p.maxBlocksPerMultiProcessor);
}

/* Clusters of `n` blocks that the device has room for at once: each is on multiprocessors side by
 * side, of which a device's parts have 16. */
static int active_clusters(int device, const cudaLaunchConfig_t *c, const void *kernel, unsigned n)
{
  const int threads = (int)(c->blockDim.x * c->blockDim.y * c->blockDim.z), part = 16;
  const int blocks = active_blocks(device, kernel, threads, c->dynamicSmemBytes);
  const int multiprocessors = devices[(size_t)device].properties.multiProcessorCount;
  return multiprocessors / part * (part * blocks / (int)n) + multiprocessors % part * blocks / (int)n;
}

/* Clusters as kernels have them: of blocks side by side in x, of whole warps. */
static cudaError_t cluster_of(int device, const cudaLaunchConfig_t *c, const void *kernel, unsigned *cluster)
{
  const cudaLaunchAttributeValue *val = attribute(c, cudaLaunchAttributeClusterDimension);
  *cluster = 1;
  if (!val) return cudaSuccess;
  const unsigned n = val->clusterDim.x, threads = c->blockDim.x * c->blockDim.y * c->blockDim.z;
  if (devices[(size_t)device].properties.major < 9) return cudaErrorNotSupported;
  if (val->clusterDim.y != 1 || val->clusterDim.z != 1) return cudaErrorNotSupported;
  if (!n || n > MAX_CLUSTER || c->gridDim.x % n) return cudaErrorInvalidClusterSize;
  if (threads % 32 || n * threads > MAX_THREADS || n * (rounded(c->dynamicSmemBytes) + 128) > DYNAMIC_SHARED_BYTES)
    return cudaErrorNotSupported; /* here */
  if (active_clusters(device, c, kernel, n) == 0) return cudaErrorInvalidClusterSize;
  *cluster = n;
  return cudaSuccess;
}

static bool begins_early(const cudaLaunchConfig_t *c)
{
  const cudaLaunchAttributeValue *val = attribute(c, cudaLaunchAttributeProgrammaticStreamSerialization);
  return val && val->programmaticStreamSerializationAllowed != 0;
}

static cudaError_t check(int device, const cudaLaunchConfig_t *c, const void *kernel)
{
  const struct cudaDeviceProp &p = devices[(size_t)device].properties;
  const dim3 g = c->gridDim, b = c->blockDim;
  if (!kernel) return cudaErrorInvalidDeviceFunction;
  if (p.major < 8) return cudaErrorNoKernelImageForDevice; /* the least that the project compiles for */
  for (unsigned i = 0; i < c->numAttrs; i++)
    if (c->attrs[i].id != cudaLaunchAttributeProgrammaticStreamSerialization &&
        c->attrs[i].id != cudaLaunchAttributeClusterDimension)
      return cudaErrorNotSupported;
  if (begins_early(c) && p.major < 9) return cudaErrorNotSupported;
  if (!g.x || !g.y || !g.z || !b.x || !b.y || !b.z) return cudaErrorInvalidConfiguration;
  if (b.x > (unsigned)p.maxThreadsDim[0] || b.y > (unsigned)p.maxThreadsDim[1] || b.z > (unsigned)p.maxThreadsDim[2] ||
      (uint64_t)b.x * b.y * b.z > (uint64_t)p.maxThreadsPerBlock)
    return cudaErrorInvalidConfiguration;
  if (g.x > (unsigned)p.maxGridSize[0] || g.y > (unsigned)p.maxGridSize[1] || g.z > (unsigned)p.maxGridSize[2])
    return cudaErrorInvalidConfiguration;
  if (c->dynamicSmemBytes > may_have(device, kernel)) return cudaErrorInvalidValue;
  return cudaSuccess;
}

static cudaError_t launch_queue(const cudaLaunchConfig_t *config, const std::shared_ptr<void> &arguments,
                                struct launch launch)
{
  struct CUstream_st *s;
  if (cudaError_t e = stream_find(config->stream, &s)) return e;
  int device = stream_device(s);
  if (cudaError_t e = device_error(device)) return e;
  if (cudaError_t e = check(device, config, launch.kernel)) return e;
  if (cudaError_t e = cluster_of(device, config, launch.kernel, &launch.cluster)) return e;
  if (device != current_device()) return cudaErrorInvalidResourceHandle; /* a stream of another device */
  if (fail_launch_error == cudaErrorLaunchOutOfResources && counts_down(&fail_launch_in)) return fail_launch_error;
  if ((!config->stream || config->stream == cudaStreamLegacy) && !default_stream_allowed) {
    running = &launch;
    report(CUDACPU_DEFAULT_STREAM, {NULL, 0, (const char *)launch.kernel + 1}, "no stream was given to the launch");
    running = NULL;
    reports_finish();
  }
  return enqueue(
      s, NODE_KERNEL, launch.kernel, [launch, arguments] { return run_launch(launch); }, launch.early);
}

extern "C" cudaError_t cudacpu_launch(const cudaLaunchConfig_t *config, const void *kernel, void (*call)(void *),
                                      void *arguments, size_t arguments_bytes, void (*destroy)(void *))
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  std::shared_ptr<void> owned(arguments, destroy);
  struct launch launch = {kernel,    config->gridDim, config->blockDim,    1, config->dynamicSmemBytes, call,
                          arguments, arguments_bytes, begins_early(config)};
  return remember(launch_queue(config, owned, launch));
}

/* ------------------------------------------------------------------------ attributes of kernels */

extern "C" cudaError_t cudaFuncSetAttribute(const void *function, enum cudaFuncAttribute attribute, int value)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  if (cudaError_t e = device_error(device)) return remember(e);
  if (!function) return remember(cudaErrorInvalidDeviceFunction);
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      (size_t)value > devices[(size_t)device].properties.sharedMemPerBlockOptin)
    return remember(cudaErrorInvalidValue);
  most_shared[{device, function}] = (size_t)value;
  return cudaSuccess;
}

extern "C" cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *function)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  if (cudaError_t e = device_error(device)) return remember(e);
  if (!function) return remember(cudaErrorInvalidDeviceFunction);
  memset(attributes, 0, sizeof *attributes);
  attributes->maxThreadsPerBlock = devices[(size_t)device].properties.maxThreadsPerBlock;
  attributes->maxDynamicSharedSizeBytes = (int)may_have(device, function);
  attributes->binaryVersion = attributes->ptxVersion =
      10 * devices[(size_t)device].properties.major + devices[(size_t)device].properties.minor;
  return cudaSuccess;
}

/* By threads and dynamic shared memory alone: registers are not known here. */
extern "C" cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *function, int threads,
                                                                     size_t dynamic_shared_bytes)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  if (cudaError_t e = device_error(device)) return remember(e);
  const struct cudaDeviceProp &p = devices[(size_t)device].properties;
  if (!function || threads < 1 || threads > p.maxThreadsPerBlock) return remember(cudaErrorInvalidValue);
  *blocks = active_blocks(device, function, threads, dynamic_shared_bytes);
  return cudaSuccess;
}

extern "C" cudaError_t cudaOccupancyMaxActiveClusters(int *clusters, const void *function,
                                                      const cudaLaunchConfig_t *config)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  const int device = current_device();
  if (cudaError_t e = device_error(device)) return remember(e);
  const cudaLaunchAttributeValue *val = attribute(config, cudaLaunchAttributeClusterDimension);
  if (!function || !val || !val->clusterDim.x) return remember(cudaErrorInvalidValue);
  if (devices[(size_t)device].properties.major < 9) return remember(cudaErrorNotSupported);
  *clusters = active_clusters(device, config, function, val->clusterDim.x);
  return cudaSuccess;
}

} // namespace cudacpu
