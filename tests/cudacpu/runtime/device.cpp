/* CUDA on the CPU: devices, errors, planted faults, settings.
 *
 * A call that fails leaves its error for cudaGetLastError, one for each thread of the host.  An
 * error of a kernel sticks to its device: every later call for that device returns it, until
 * cudaDeviceReset; that of a lost device for ever. */
#include "tests/cudacpu/runtime/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace cudacpu
{

std::recursive_mutex mutex;
std::vector<struct device> devices;
int fail_allocation_in, fail_host_allocation_in, fail_launch_in;
cudaError_t fail_launch_error;
struct cudacpu_counts counts;
bool default_stream_allowed, early_graphs_refused;

static enum cudacpu_order order_of_threads, order_of_blocks;
static enum cudacpu_branches order_of_branches;
static uint64_t seed, random_state;
static thread_local int chosen_device;
static thread_local cudaError_t last_error;
static bool started;

/* ------------------------------------------------------------------------------------- settings */

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t random_number(void)
{
  uint64_t z = random_state += 0x9E3779B97F4A7C15ull;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ z >> 27) * 0x94D049BB133111EBull;
  return z ^ z >> 31;
}

enum cudacpu_order thread_order(void)
{
  return order_of_threads;
}
enum cudacpu_order block_order(void)
{
  return order_of_blocks;
}
bool streams_in_order(void)
{
  return seed == 0;
}

enum cudacpu_branches branches(void)
{
  return order_of_branches;
}

extern "C" void cudacpu_set_branches(enum cudacpu_branches order)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  order_of_branches = order;
}

extern "C" void cudacpu_set_order(enum cudacpu_order threads, enum cudacpu_order blocks, uint64_t new_seed)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  order_of_threads = threads;
  order_of_blocks = blocks;
  seed = random_state = new_seed;
}

static void orders_of_environment(void)
{
  const char *order = getenv("CUDACPU_ORDER"), *number = getenv("CUDACPU_SEED");
  enum cudacpu_order o = CUDACPU_FORWARD;
  if (order && !strcmp(order, "reverse"))
    o = CUDACPU_REVERSE;
  else if (order && !strcmp(order, "shuffled"))
    o = CUDACPU_SHUFFLED;
  else if (order && strcmp(order, "forward") != 0) {
    fprintf(stderr, "cudacpu: CUDACPU_ORDER=%s is none of forward, reverse, shuffled\n", order);
    exit(2);
  }
  order_of_threads = order_of_blocks = o;
  order_of_branches = CUDACPU_BRANCHES_DRAWN;
  seed = random_state = number ? strtoull(number, NULL, 0) : 1;
}

/* The device that all are like at first: what cudaGetDeviceProperties says of an H100 SXM. */
static struct cudaDeviceProp first_properties(int index, size_t memory)
{
  struct cudaDeviceProp p;
  memset(&p, 0, sizeof p);
  snprintf(p.name, sizeof p.name, "CUDA on the CPU");
  p.uuid[15] = (unsigned char)(index + 1);
  p.totalGlobalMem = memory;
  p.sharedMemPerBlock = 48 << 10;
  p.sharedMemPerBlockOptin = 227 << 10;
  p.sharedMemPerMultiprocessor = 228 << 10;
  p.reservedSharedMemPerBlock = 1 << 10;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.warpSize = 32;
  p.memPitch = 2147483647;
  p.maxThreadsPerBlock = 1024;
  p.maxThreadsDim[0] = p.maxThreadsDim[1] = 1024;
  p.maxThreadsDim[2] = 64;
  p.maxGridSize[0] = 2147483647;
  p.maxGridSize[1] = p.maxGridSize[2] = 65535;
  p.totalConstMem = 65536;
  p.major = 9;
  p.multiProcessorCount = 132;
  p.canMapHostMemory = p.concurrentKernels = p.ECCEnabled = p.unifiedAddressing = 1;
  p.pciBusID = index + 1;
  p.asyncEngineCount = 3;
  p.memoryBusWidth = 5120;
  p.l2CacheSize = 50 << 20;
  p.maxThreadsPerMultiProcessor = 2048;
  p.maxBlocksPerMultiProcessor = 32;
  return p;
}

/* Kinds of devices: what a block and a multiprocessor may have (CUDA C++ Programming Guide,
 * "Compute Capabilities"), and how many multiprocessors one of them has. */
static const struct device_kind {
  int major, minor;
  int block_kib, multiprocessor_kib; /* of shared memory, by cudaFuncSetAttribute */
  int threads, blocks, multiprocessors;
  int double_ratio; /* as many operations of FP32 to one of FP64 */
} kinds[] = {
    {7, 5, 64, 64, 1024, 16, 40, 32},    /* T4 */
    {8, 0, 163, 164, 2048, 32, 108, 2},  /* A100 */
    {8, 6, 99, 100, 1536, 16, 82, 64},   /* RTX 3090 */
    {8, 7, 163, 164, 1536, 16, 16, 64},  /* Orin */
    {8, 9, 99, 100, 1536, 24, 128, 64},  /* RTX 4090 */
    {9, 0, 227, 228, 2048, 32, 132, 2},  /* H100 SXM */
    {10, 0, 227, 228, 2048, 32, 148, 2}, /* B200 */
    {12, 0, 99, 100, 1536, 24, 170, 64}, /* RTX 5090 */
};

static int double_ratio(const struct cudaDeviceProp &p)
{
  for (const struct device_kind &k : kinds) {
    if (k.major == p.major && k.minor == p.minor) return k.double_ratio;
  }
  return 2;
}

static bool set_kind(struct cudaDeviceProp *p, int major, int minor)
{
  for (const struct device_kind &k : kinds) {
    if (k.major != major || k.minor != minor) continue;
    p->major = major;
    p->minor = minor;
    p->sharedMemPerBlockOptin = (size_t)k.block_kib << 10;
    p->sharedMemPerMultiprocessor = (size_t)k.multiprocessor_kib << 10;
    p->maxThreadsPerMultiProcessor = k.threads;
    p->maxBlocksPerMultiProcessor = k.blocks;
    p->multiProcessorCount = k.multiprocessors;
    return true;
  }
  return false;
}

extern "C" int cudacpu_set_capability(int device, int major, int minor)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct cudaDeviceProp *p = cudacpu_properties(device);
  return p && set_kind(p, major, minor);
}

/* CUDACPU_CAPABILITY=MAJOR.MINOR: devices of another kind. */
static void kind_of_environment(void)
{
  const char *capability = getenv("CUDACPU_CAPABILITY");
  int major, minor, n = 0;
  if (!capability) return;
  bool good = sscanf(capability, "%d.%d%n", &major, &minor, &n) == 2 && !capability[n];
  for (struct device &d : devices) good = good && set_kind(&d.properties, major, minor);
  if (good) return;
  fprintf(stderr, "cudacpu: CUDACPU_CAPABILITY=%s is none of", capability);
  for (const struct device_kind &k : kinds) fprintf(stderr, " %d.%d", k.major, k.minor);
  fprintf(stderr, "\n");
  exit(2);
}

extern "C" void cudacpu_reset(int count, const size_t *memory)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  streams_forget();
  devices.clear();
  std::vector<size_t> sizes;
  for (int i = 0; i < count; i++) {
    sizes.push_back(memory ? memory[i] : (size_t)1 << 30);
    devices.push_back({first_properties(i, sizes.back()), cudaSuccess, -1, cudaSuccess, false});
  }
  memory_start(count, sizes.data());
  fail_allocation_in = fail_host_allocation_in = fail_launch_in = 0;
  counts = {};
  default_stream_allowed = early_graphs_refused = false;
  chosen_device = 0;
  last_error = cudaSuccess;
  launch_start();
  orders_of_environment();
  kind_of_environment();
  started = true;
}

/* CUDACPU_LOSE="DEVICE:AFTER ...", CUDACPU_FAIL_ALLOCATION=N: faults of a program that does not
 * know the harness. */
static void faults_of_environment(void)
{
  const char *graphs = getenv("CUDACPU_REFUSE_EARLY_GRAPHS");
  const char *lose = getenv("CUDACPU_LOSE"), *allocation = getenv("CUDACPU_FAIL_ALLOCATION");
  int device, after, n;
  for (; lose && sscanf(lose, "%d:%d%n", &device, &after, &n) == 2; lose += n) {
    if (device < 0 || (size_t)device >= devices.size() || after < 0) break;
    cudacpu_lose_device(device, after, cudaErrorECCUncorrectable);
  }
  if (lose && *lose) {
    fprintf(stderr, "cudacpu: CUDACPU_LOSE: '%s' is not DEVICE:AFTER ...\n", lose);
    exit(2);
  }
  if (allocation) fail_allocation_in = atoi(allocation);
  early_graphs_refused = graphs && atoi(graphs) != 0;
}

void start(void)
{
  if (started) return;
  const char *number = getenv("CUDACPU_DEVICES"), *free_mib = getenv("CUDACPU_FREE_MIB");
  int count = number ? atoi(number) : 2;
  if (count < 1 || count > 16) {
    fprintf(stderr, "cudacpu: CUDACPU_DEVICES=%s is no number from 1 to 16\n", number);
    exit(2);
  }
  std::vector<size_t> memory((size_t)count, (free_mib ? strtoull(free_mib, NULL, 0) : 1024) << 20);
  cudacpu_reset(count, memory.data());
  for (struct device &d : devices) d.properties.totalGlobalMem = (size_t)1 << 30; /* others have the rest */
  faults_of_environment();
}

extern "C" struct cudaDeviceProp *cudacpu_properties(int device)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  return device >= 0 && (size_t)device < devices.size() ? &devices[(size_t)device].properties : NULL;
}

extern "C" void cudacpu_allow_default_stream(int allow)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  default_stream_allowed = allow != 0;
}

extern "C" int cudacpu_is_checked(void)
{
  return checker != NULL;
}

extern "C" struct cudacpu_counts cudacpu_counts(void)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  counts.allocations = counts.bytes = 0;
  counts.streams = streams_count();
  counts.events = events_count();
  counts.graphs = graphs_count();
  for (size_t d = 0; d < devices.size(); d++) {
    size_t n;
    counts.bytes += memory_in_use((int)d, &n);
    counts.allocations += n;
  }
  return counts;
}

/* ------------------------------------------------------------------------------- planted faults */

bool counts_down(int *counter)
{
  if (*counter <= 0 || --*counter > 0) return false;
  fprintf(stderr, "cudacpu: a planted fault strikes now\n");
  return true;
}

extern "C" void cudacpu_fail_allocation(int n)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  fail_allocation_in = n;
}
extern "C" void cudacpu_fail_host_allocation(int n)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  fail_host_allocation_in = n;
}
extern "C" void cudacpu_fail_launch(int n, cudaError_t error)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  fail_launch_in = n;
  fail_launch_error = error;
}
extern "C" void cudacpu_refuse_early_graphs(int refuse)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  early_graphs_refused = refuse != 0;
}
extern "C" void cudacpu_lose_device(int device, int after, cudaError_t error)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  struct device *d = &devices.at((size_t)device);
  d->lost_error = error;
  d->lost_after = after;
  if (after == 0) {
    d->sticky = error;
    d->lost = true;
  }
}

/* --------------------------------------------------------------------------------------- errors */

int current_device(void)
{
  start();
  return chosen_device;
}

cudaError_t device_error(int device)
{
  start();
  if (devices.empty()) return cudaErrorNoDevice;
  return devices[(size_t)device].sticky;
}

cudaError_t device_fails(int device, cudaError_t error)
{
  struct device *d = &devices[(size_t)device];
  if (!d->sticky) d->sticky = error;
  return d->sticky;
}

cudaError_t worked_once(int device)
{
  struct device *d = &devices[(size_t)device];
  if (d->lost_after > 0 && --d->lost_after == 0) {
    d->lost = true;
    d->sticky = d->lost_error;
    fprintf(stderr, "cudacpu: device %d is lost now\n", device);
  }
  return d->sticky;
}

cudaError_t remember(cudaError_t error)
{
  if (error && error != cudaErrorNotReady) last_error = error;
  return error;
}

extern "C" cudaError_t cudaGetLastError(void)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  cudaError_t sticky = devices.empty() ? cudaSuccess : device_error(chosen_device);
  cudaError_t error = sticky ? sticky : last_error;
  last_error = cudaSuccess;
  return error;
}
extern "C" cudaError_t cudaPeekAtLastError(void)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  cudaError_t sticky = devices.empty() ? cudaSuccess : device_error(chosen_device);
  return sticky ? sticky : last_error;
}

static const struct {
  cudaError_t error;
  const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInitializationError, "cudaErrorInitializationError", "initialization error"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorDevicesUnavailable, "cudaErrorDevicesUnavailable", "CUDA-capable device(s) is/are busy or unavailable"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorECCUncorrectable, "cudaErrorECCUncorrectable", "uncorrectable ECC error encountered"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchOutOfResources, "cudaErrorLaunchOutOfResources", "too many resources requested for launch"},
    {cudaErrorLaunchTimeout, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
    {cudaErrorMisalignedAddress, "cudaErrorMisalignedAddress", "misaligned address"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotPermitted, "cudaErrorNotPermitted", "operation not permitted"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureMerge, "cudaErrorStreamCaptureMerge",
     "operation would result in a merge of separate capture sequences"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched",
     "capture was not ended in the same stream as it began"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {cudaErrorGraphExecUpdateFailure, "cudaErrorGraphExecUpdateFailure",
     "the graph update was not performed because it included changes which violated constraints specific to "
     "instantiated graph update"},
    {cudaErrorInvalidClusterSize, "cudaErrorInvalidClusterSize", "cluster misconfiguration"},
    {cudaErrorUnknown, "cudaErrorUnknown", "unknown error"},
};

extern "C" const char *cudaGetErrorName(cudaError_t error)
{
  for (const auto &e : errors)
    if (e.error == error) return e.name;
  return "unrecognized error code";
}
extern "C" const char *cudaGetErrorString(cudaError_t error)
{
  for (const auto &e : errors)
    if (e.error == error) return e.text;
  return "unrecognized error code";
}

/* -------------------------------------------------------------------------------------- devices */

/* CUDACPU_DRIVER=11040: the driver is for that version of CUDA, 0: none is loaded. */
static int driver_version()
{
  const char *number = getenv("CUDACPU_DRIVER");
  return number ? atoi(number) : CUDART_VERSION;
}

extern "C" cudaError_t cudaGetDeviceCount(int *count)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  if (!count) return remember(cudaErrorInvalidValue);
  if (driver_version() < CUDART_VERSION) return *count = 0, remember(cudaErrorInsufficientDriver);
  *count = (int)devices.size();
  return remember(devices.empty() ? cudaErrorNoDevice : cudaSuccess);
}
extern "C" cudaError_t cudaGetDevice(int *device)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  if (!device) return remember(cudaErrorInvalidValue);
  if (devices.empty()) return remember(cudaErrorNoDevice);
  *device = chosen_device;
  return cudaSuccess;
}
extern "C" cudaError_t cudaSetDevice(int device)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  if (devices.empty()) return remember(cudaErrorNoDevice);
  if (device < 0 || (size_t)device >= devices.size()) return remember(cudaErrorInvalidDevice);
  chosen_device = device;
  return remember(device_error(device));
}
extern "C" cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  if (!properties) return remember(cudaErrorInvalidValue);
  if (device < 0 || (size_t)device >= devices.size()) return remember(cudaErrorInvalidDevice);
  *properties = devices[(size_t)device].properties;
  return cudaSuccess;
}
extern "C" cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  if (!value) return remember(cudaErrorInvalidValue);
  if (device < 0 || (size_t)device >= devices.size()) return remember(cudaErrorInvalidDevice);
  const struct cudaDeviceProp &p = devices[(size_t)device].properties;
  switch (attribute) {
  case cudaDevAttrMaxThreadsPerBlock:
    *value = p.maxThreadsPerBlock;
    break;
  case cudaDevAttrMaxSharedMemoryPerBlock:
    *value = (int)p.sharedMemPerBlock;
    break;
  case cudaDevAttrWarpSize:
    *value = p.warpSize;
    break;
  case cudaDevAttrClockRate:
    *value = 1980000;
    break; /* kHz */
  case cudaDevAttrMemoryClockRate:
    *value = 2619000;
    break; /* kHz */
  case cudaDevAttrMultiProcessorCount:
    *value = p.multiProcessorCount;
    break;
  case cudaDevAttrGlobalMemoryBusWidth:
    *value = p.memoryBusWidth;
    break;
  case cudaDevAttrL2CacheSize:
    *value = p.l2CacheSize;
    break;
  case cudaDevAttrMaxThreadsPerMultiProcessor:
    *value = p.maxThreadsPerMultiProcessor;
    break;
  case cudaDevAttrComputeCapabilityMajor:
    *value = p.major;
    break;
  case cudaDevAttrComputeCapabilityMinor:
    *value = p.minor;
    break;
  case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
    *value = (int)p.sharedMemPerMultiprocessor;
    break;
  case cudaDevAttrMaxSharedMemoryPerBlockOptin:
    *value = (int)p.sharedMemPerBlockOptin;
    break;
  case cudaDevAttrSingleToDoublePrecisionPerfRatio:
    *value = double_ratio(p);
    break;
  default:
    return remember(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}
extern "C" cudaError_t cudaDriverGetVersion(int *version)
{
  *version = driver_version();
  return cudaSuccess;
}
extern "C" cudaError_t cudaRuntimeGetVersion(int *version)
{
  *version = CUDART_VERSION;
  return cudaSuccess;
}

extern "C" cudaError_t cudaDeviceSynchronize(void)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  if (cudaError_t e = device_error(device)) return remember(e);
  if (cudaError_t e = no_capture()) return remember(e);
  run_device(device);
  return remember(device_error(device));
}

/* Everything on the device is gone, its error too, unless the device itself is. */
extern "C" cudaError_t cudaDeviceReset(void)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  if (devices.empty()) return remember(cudaErrorNoDevice);
  struct device *d = &devices[(size_t)device];
  if (d->lost) return remember(d->sticky);
  run_device(device);
  memory_free_all(device);
  streams_forget_device(device);
  d->sticky = last_error = cudaSuccess;
  return cudaSuccess;
}

} // namespace cudacpu
