/* CUDA on the CPU, for tests: what a test says to the harness, and reads from it.
 *
 * The project's .cu files, compiled by g++ or clang++ against include/, and its host code run here
 * unchanged, without a GPU.  A block's threads are fibers, run one at a time: each until it ends or
 * waits.  What the runtime fakes:
 *
 *   memory    Each device has an arena that only kernels and copies may touch; the host gets a
 *             SIGSEGV, with a message. New memory holds NaNs.  A copy whose range is not within one
 *             allocation is refused.
 *   streams   Work is queued, and done when the host waits for something: then one piece after the
 *             other, drawn among all pieces whose turn may have come.  So work that nobody waited
 *             for is seen not to be done, and streams that nothing orders run in another order with
 *             each seed.  (Pageable host memory is read at once, written before the call returns;
 *             pinned memory when the copy's turn comes.)
 *   graphs    Captures, with fork and join through events; instantiated, launched, updated.
 *   clusters  Blocks of whole warps, side by side in x, of at most 2,048 threads together; what is
 *             shared is dynamic shared memory.  On devices of compute capability 9 and above, that
 *             have multiprocessors enough for one.
 *   limits    Threads of a block, grid, shared memory (more than 48 KiB by cudaFuncSetAttribute),
 *             memory of a device.
 *   errors    A kernel that fails leaves its device with an error that sticks.
 *
 * A mistake in a kernel or in the use of the runtime becomes a *report*, with the kernel, file and
 * line, block and thread.  Reports go to stderr as they come; a test reads those that it planted
 * and clears them.  A program that ends with reports that nobody cleared exits with status 1.
 *
 * The *checked* build of the .cu files (cudacpu.mk) sees every access of a kernel, and reports
 * races, those between kernels of a graph that nothing orders among them, reads of memory never
 * written and accesses outside allocations as well.  In the ASan build
 * AddressSanitizer stands guard around allocations and shared arrays.
 *
 * A test that includes this may be compiled for a GPU as well (real_gpu.h). */
#ifndef CUDACPU_H
#define CUDACPU_H

#ifdef REAL_GPU
#include "tests/cudacpu/real_gpu.h"
#else

#include <stddef.h>
#include <stdint.h>

#include <cuda_runtime_api.h>

#if defined(__SANITIZE_ADDRESS__)
#define CUDACPU_WITH_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define CUDACPU_WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CUDACPU_WITH_ASAN 1
#elif __has_feature(thread_sanitizer)
#define CUDACPU_WITH_TSAN 1
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------------------------- the machine */

/* Throws all devices away, with what is on them, and starts with `count` new ones of `memory` bytes
 * each (1 GiB for NULL), all like an H100 or of the kind CUDACPU_CAPABILITY=MAJOR.MINOR
 * (cudacpu_set_capability).  Orders, faults and settings are as at the start of the program: two
 * devices, orders as the environment says (CUDACPU_ORDER=forward|reverse|shuffled,
 * CUDACPU_SEED=N).  Reports stay.  A program that does not call it begins with CUDACPU_DEVICES=N
 * devices, 2, of which CUDACPU_FREE_MIB=N MiB, all, are free, and with the faults of
 * CUDACPU_LOSE="DEVICE:AFTER ..." (cudacpu_lose_device), CUDACPU_FAIL_ALLOCATION=N and
 * CUDACPU_REFUSE_EARLY_GRAPHS=1. */
void cudacpu_reset(int count, const size_t *memory);

/* To change a property of a device (name, compute capability, ...), before it is used. */
struct cudaDeviceProp *cudacpu_properties(int device);
/* Makes a device one of compute capability major.minor, before it is used: with the shared memory,
 * threads, multiprocessors and speed of FP64 of a GPU that is, and without clusters and launches
 * that begin early before 9.0; before 8.0 no kernel runs there.  0: none of that kind is known
 * (7.5, 8.0, 8.6, 8.7, 8.9, 9.0, 10.0, 12.0 are). */
int cudacpu_set_capability(int device, int major, int minor);

enum cudacpu_order { CUDACPU_FORWARD, CUDACPU_REVERSE, CUDACPU_SHUFFLED };

/* The order in which the threads of a block run between two barriers, the blocks of a grid, and,
 * drawn from the seed, the pieces of work on the streams (0: as they were queued). */
void cudacpu_set_order(enum cudacpu_order threads, enum cudacpu_order blocks, uint64_t seed);

/* When the nodes of a graph run that were captured on another stream than the capture began on, of
 * all that nothing holds up: with the others as they are drawn, before all others, or when nothing
 * else is left to do. */
enum cudacpu_branches { CUDACPU_BRANCHES_DRAWN, CUDACPU_BRANCHES_FIRST, CUDACPU_BRANCHES_LAST };
void cudacpu_set_branches(enum cudacpu_branches order);

/* Whether kernels may be launched on the default stream; otherwise, as at the start, each is
 * reported. */
void cudacpu_allow_default_stream(int allow);

/* 1 where the .cu files are the checked ones. */
int cudacpu_is_checked(void);

/* --------------------------------------------------------------------------------------- faults */

/* The n-th allocation of device memory from now on (1: the next) finds none left. */
void cudacpu_fail_allocation(int n);
/* The n-th allocation of pinned memory. */
void cudacpu_fail_host_allocation(int n);
/* The n-th launch of a kernel from now on, by the host or by a graph: with
 * cudaErrorLaunchOutOfResources the call is refused (by the host only); with any other error the
 * kernel does not run and the error sticks to its device. */
void cudacpu_fail_launch(int n, cudaError_t error);
/* Whether graphs with kernels that may begin early are refused (cudaErrorNotSupported) where they
 * are made ready to be launched. */
void cudacpu_refuse_early_graphs(int refuse);
/* The device is gone after `after` more pieces of work: everything asked of it gives `error`, a
 * reset helps nothing. */
void cudacpu_lose_device(int device, int after, cudaError_t error);

/* ------------------------------------------------------------------------------ parts of memory */

/* For a program that divides an allocation itself: forbid the whole, then allow the parts that are
 * in use.  Allowed memory counts as never written.  What lies between is out of bounds in the
 * checked and in the ASan build. */
void cudacpu_forbid(const void *device_memory, size_t bytes);
void cudacpu_allow(const void *device_memory, size_t bytes);

/* -------------------------------------------------------------------------------------- reports */

enum cudacpu_report_kind {
  CUDACPU_RACE,          /* two threads, one word, one of them writes, nothing orders them; or two kernels of a graph */
  CUDACPU_UNWRITTEN,     /* a read of memory never written */
  CUDACPU_OUT_OF_BOUNDS, /* device memory that is not allocated */
  CUDACPU_HOST_MEMORY,   /* a kernel reached for memory of the host, or of another thread's stack */
  CUDACPU_MISALIGNED,    /* an access that its size does not divide */
  CUDACPU_PARTIAL_BARRIER, /* a barrier reached by part of a block */
  CUDACPU_DIVERGENCE,      /* the threads of a block or warp met in different operations */
  CUDACPU_DEADLOCK,        /* all threads left wait */
  CUDACPU_NOT_ROUNDED,     /* a TF32 operand that __float_to_tf32 has not seen */
  CUDACPU_DEFAULT_STREAM,  /* a kernel on the default stream */
  CUDACPU_ASYNC_COPY,      /* a copy to shared memory that nobody waited for */
  CUDACPU_STACK,           /* a thread's stack is full */
  CUDACPU_FAULT,           /* __trap, or an address where nothing is */
  CUDACPU_NOT_WAITED,      /* a thread of a kernel that begins early ended without having waited */
};

struct cudacpu_report {
  enum cudacpu_report_kind kind;
  char kernel[128];
  char file[256]; /* as the compiler was given it, or from the root of the project */
  int line;
  unsigned block[3], thread[3];
  int times;       /* how often the same was seen at the same place */
  char text[1024]; /* all of it, in words */
};

int cudacpu_report_count(void);
const struct cudacpu_report *cudacpu_report(int i);
void cudacpu_clear_reports(void);
/* Whether reports go to stderr, too (1 at the start). */
void cudacpu_print_reports(int print);

/* --------------------------------------------------------------------------------------- counts */

struct cudacpu_counts {
  uint64_t launches;       /* kernels run */
  uint64_t early;          /* of them those that may begin before the one before them has ended */
  uint64_t captures;       /* captures ended well */
  uint64_t graph_launches; /* graphs launched */
  uint64_t copies;         /* between host and device, by calls */
  uint64_t waits;          /* for a stream, by cudaStreamSynchronize */
  uint64_t made;           /* allocations that were made, of devices' memory and pinned ones */
  /* What is live: a program that frees all it made leaves 0. */
  size_t allocations, bytes; /* of device memory */
  size_t streams, events, graphs;
};
struct cudacpu_counts cudacpu_counts(void);

#ifdef __cplusplus
}
#endif
#endif
#endif
