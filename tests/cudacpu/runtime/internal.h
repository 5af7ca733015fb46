/* CUDA on the CPU: what the files of the runtime know of each other.
 *
 *   fiber.cpp    stacks and switches
 *   block.cpp    a block's threads as fibers: barriers, warps, asynchronous copies
 *   warp.cpp     what a warp computes together
 *   launch.cpp   launches: limits, orders, a grid's blocks one after the other
 *   device.cpp   devices, errors, planted faults
 *   memory.cpp   arenas, allocations, copies       fault.cpp  the SIGSEGV handler
 *   stream.cpp   work, streams and events       graph.cpp  capture and graphs
 *   report.cpp   reports, and places in the source
 *   checked.cpp  in the checked build: every access, with shadow.cpp's cells */
#ifndef CUDACPU_INTERNAL_H
#define CUDACPU_INTERNAL_H

#include <stdarg.h>
#include <stdint.h>

#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/cudacpu/cudacpu.h"

namespace cudacpu
{

/* ---------------------------------------------------------------------------- block.cpp: fibers */

constexpr unsigned MAX_THREADS = 2048; /* of a cluster's blocks together; a block has at most 1,024 */
constexpr unsigned MAX_CLUSTER = 8;    /* blocks */

struct async_copy {
  void *to;
  const void *from;
  uint32_t bytes, zero_bytes;
  unsigned group;
  bool done;
  const void *pc;
};

enum thread_state : uint8_t { UNSTARTED, RUNNABLE, AT_BARRIER, AT_CLUSTER, IN_WARP, ENDED };

/* One thread of the running block, or of the running cluster's. */
struct thread {
  void *sp;    /* where it stopped */
  char *stack; /* lowest address of its stack, where it has one */
  uint3 index;
  uint16_t id, warp, lane, rank; /* warps are numbered through the cluster; rank: its block's there */
  enum thread_state state;
  bool waited;      /* for the launches before a kernel that begins early */
  const char *file; /* where it waits */
  int line;
  struct warp_operation *operation; /* on its own stack */
  /* Order within its warp, for checked.cpp: accesses carry the stamp of the moment; those of lane u
   * up to knows[u] come before all that this thread does now. */
  uint16_t stamp, knows[32];
  unsigned groups; /* asynchronous copies: groups committed */
  std::vector<struct async_copy> copies;
};

struct launch {
  const void *kernel;
  dim3 grid, block;
  unsigned cluster; /* blocks of one, side by side in x; 1: there are none */
  size_t dynamic_shared;
  void (*call)(void *);
  void *arguments;
  size_t arguments_bytes;
  bool early; /* may begin before the one before it has ended: its threads must wait for that */
};

extern struct thread *current; /* NULL outside of kernels */
extern const struct launch *running;
extern thread_local bool kernel_runs_here; /* in this thread of the host */
extern unsigned block_threads;             /* of all of the cluster's blocks */
extern unsigned block_live[MAX_CLUSTER];   /* of each, that have not ended */
extern uint3 block_index;
extern struct thread threads[MAX_THREADS];
bool is_index(const void *p); /* one of threadIdx ... */

/* fiber.cpp: switches from the running fiber, whose place is left in *save, to another. */
extern "C" void cudacpu_switch(void **save, void *to);
constexpr size_t STACK_BYTES = 128 << 10;
void stacks_begin(void); /* all are free */
char *stack_take(void);
void stack_give(char *stack);
/* Where to switch to for a fresh fiber, which calls begin(). */
void *stack_prepare(char *stack, void (*begin)(void));
/* Whether an address lies on some fiber's stack (or its guard page, for which *guard is set). */
bool on_fiber_stack(const void *p, unsigned *which, bool *guard);

/* Runs one block of `running`, or a cluster of them, of which `index` is the first; the error that
 * ended it early, or cudaSuccess. */
cudaError_t run_block(uint3 index);
/* From one block's dynamic shared memory to that of the next in its cluster. */
size_t shared_stride(void);
/* From a thread of a kernel: ends the launch with this error.  Does not return. */
[[noreturn]] void abort_launch(cudaError_t error);
/* The same from a signal handler that goes back into abort_launch: where to. */
void *abort_stack(void);

enum cudacpu_order thread_order(void);
enum cudacpu_order block_order(void);
bool streams_in_order(void);
enum cudacpu_branches branches(void);
uint64_t random_number(void); /* of the seed */

/* One lane's part in what a warp does together. */
struct warp_operation {
  int kind;
  unsigned mask;
  const char *file;
  int line;
  uint64_t value, result;
  int operand, width;
  const void *a, *b, *c;
  void *d;
};
const char *warp_operation_name(int kind);
/* Computes the results of all lanes that take part (those in `lanes`).  Returns a lane that asked
 * for the value of one that takes no part, or -1. */
int warp_compute(struct warp_operation *const lane[32], unsigned lanes);

/* -------------------------------------------------------------- checked.cpp, where it is linked */

struct access_checker {
  void (*launch_begins)(void);
  void (*block_begins)(void);
  void (*barrier)(unsigned rank);
  void (*cluster_barrier)(void);
  void (*warp_synchronised)(unsigned warp, unsigned lanes);
  void (*read)(const void *p, size_t bytes, const void *pc);
  void (*write)(const void *p, size_t bytes, const void *pc);
  void (*atomic)(const void *p, size_t bytes, const void *pc);
  /* An asynchronous copy to shared memory: begun, and over for its thread. */
  void (*copy_begins)(const void *to, size_t bytes, const void *pc);
  void (*copy_ends)(const void *to, size_t bytes, const void *pc);
  /* Device memory as the runtime sees it. */
  void (*allowed)(const void *p, size_t bytes, bool yes);
  void (*filled)(const void *p, size_t bytes);                    /* memset, copies from the host */
  void (*copied)(const void *to, const void *from, size_t bytes); /* device to device */
  const void *(*never_written)(const void *p, size_t bytes);      /* the first such byte, or NULL */
  void (*forget)(void);                                           /* everything */
  /* Around the launch that is a node of a graph. */
  void (*node_begins)(struct graph_run *run, size_t node);
  void (*node_ends)(void);
};
extern const struct access_checker *checker; /* NULL in the other builds */

/* [i][j]: node j has ended, `before` when node i has begun, or waited for the launch before it
 * where it begins early; `early` without that. */
struct node_order {
  std::vector<std::vector<bool>> before, early;
};

/* A graph that has been launched once, and what its kernels that nothing orders have touched so
 * far, which is the checker's own. */
struct graph_run {
  std::shared_ptr<const struct node_order> order;
  std::shared_ptr<void> touched;
};

/* ----------------------------------------------------------------------------------- memory.cpp */

constexpr size_t DYNAMIC_SHARED_BYTES = 1792 << 10; /* a guard page follows, within the 2 MiB before the arenas */
struct region { /* all that kernels may touch but static shared memory: dynamic shared memory, then the arenas */
  char *base;
  size_t bytes;
};
extern struct region region;
extern char *dynamic_shared; /* of the running block, a cluster's first: the last's ends where a guard page begins */

void memory_start(int devices, const size_t *memory);
void memory_open(void); /* counted */
void memory_close(void);
void memory_suspend(bool yes); /* closed, though counted open */
void fault_handler_install(void);
void fault_stack_make(void);
void memory_free_all(int device);
bool is_device_memory(const void *p);
bool is_pinned(const void *p, size_t bytes);
/* Whether kernels may touch this byte of an arena, and up to where that is the same. */
bool is_allowed(const void *p, const void **until);
/* "48 bytes after an allocation of 4096 bytes (the 3rd)" */
void describe_address(const void *p, char *text, size_t size);
size_t memory_in_use(int device, size_t *allocations);
/* Whether the range is inside one allocation of this device. */
bool is_allocated(const void *p, size_t bytes, int *device);

/* ----------------------------------------------------------------------------------- launch.cpp */

cudaError_t run_launch(const struct launch &launch);
void launch_start(void);

/* ----------------------------------------------------------------------------------- device.cpp */

struct device {
  struct cudaDeviceProp properties;
  cudaError_t sticky;
  int lost_after; /* pieces of work left, or -1 */
  cudaError_t lost_error;
  bool lost;
};
extern std::recursive_mutex mutex;
extern std::vector<struct device> devices;
extern int fail_allocation_in, fail_host_allocation_in, fail_launch_in;
extern cudaError_t fail_launch_error;
extern struct cudacpu_counts counts;
extern bool default_stream_allowed, early_graphs_refused;

void start(void); /* the machine as it is at first, where there is none yet */
int current_device(void);
cudaError_t device_error(int device);                    /* what sticks to it */
cudaError_t device_fails(int device, cudaError_t error); /* makes it stick */
cudaError_t worked_once(int device);                     /* counts towards the loss of a device */
cudaError_t remember(cudaError_t error);                 /* for cudaGetLastError; returns it */
bool counts_down(int *counter);                          /* true when it reaches 0 */

/* ------------------------------------------------------------------------ stream.cpp, graph.cpp */

/* A piece of work: waits for `unmet` others, then `dependents` wait no longer for it. */
struct work {
  int device;
  std::function<cudaError_t()> run; /* may be empty */
  unsigned unmet;
  bool branch; /* of a graph: captured on another stream than the capture began on */
  bool done;
  std::vector<std::shared_ptr<struct work>> dependents;
};
typedef std::shared_ptr<struct work> work_ptr;

enum node_kind { NODE_KERNEL, NODE_COPY, NODE_SET, NODE_HOST };
struct node {
  enum node_kind kind;
  const void *function;
  std::function<cudaError_t()> run;
  std::vector<int> after;
  bool branch;
  bool early; /* a kernel, after one other that may not have ended yet */
};
struct capture;

cudaError_t stream_find(cudaStream_t stream, struct CUstream_st **found);
int stream_device(struct CUstream_st *stream);
/* Queues on a stream, or adds to the graph that it captures. */
cudaError_t enqueue(struct CUstream_st *stream, enum node_kind kind, const void *function,
                    std::function<cudaError_t()> run, bool early = false);
work_ptr queue_work(int device, std::function<cudaError_t()> run, const std::vector<work_ptr> &after,
                    bool branch = false);
/* Does work until this piece is done; nothing for NULL. */
void run_until(const work_ptr &work);
std::vector<work_ptr> before(struct CUstream_st *stream); /* what the next piece on a stream comes after */
void capture_ends(struct CUstream_st *stream);            /* of a stream that goes: its capture is spoilt */
cudaError_t capture_join(struct CUstream_st *stream, struct CUevent_st *event);
void run_device(int device);
void streams_forget(void);
void streams_forget_device(int device);
void graphs_forget(void);
size_t streams_count(void);
size_t events_count(void);
size_t graphs_count(void);
cudaError_t no_capture(void); /* an error, and the captures are spoilt, where a call does not go with a capture */

} // namespace cudacpu

struct CUstream_st {
  int device;
  bool blocking;
  cudacpu::work_ptr last;
  std::shared_ptr<cudacpu::capture> capture;
  std::vector<int> captured; /* the nodes that the next one comes after */
};

struct CUevent_st {
  int device;
  bool timing;
  cudacpu::work_ptr work; /* of the last record */
  std::shared_ptr<double> ms;
  std::shared_ptr<cudacpu::capture> capture;
  std::vector<int> captured;
};

namespace cudacpu
{

struct capture {
  struct CUstream_st *origin;
  enum cudaStreamCaptureMode mode;
  std::thread::id thread; /* that began it */
  std::vector<struct node> nodes;
  bool spoilt;
};

/* ----------------------------------------------------------------------------------- report.cpp */

/* A place in a kernel: by name, or by an address in its code. */
struct place {
  const char *file;
  int line;
  const void *pc;
};
/* Adds a report about the running thread of the running kernel, where there is one.  Code
 * addresses, given in the text as @%lx@, become file:line.  The same kind at the same place of the
 * same kernel is one report, counted; true for the first. */
bool report(enum cudacpu_report_kind kind, struct place place, const char *format, ...);
void reports_finish(void); /* turns addresses into lines; outside of kernels */
const char *short_path(const char *path);

} // namespace cudacpu

#endif
