/* CUDA on the CPU: the threads of a block as fibers.
 *
 * A thread that ends without having waited hands its stack on to the next, so a kernel without
 * barriers runs on one.  A fiber that waits switches straight to the next that can run (fiber.cpp).
 * Who runs next: threads that can go on before threads that have not begun, in the order asked for;
 * at a barrier all are lined up anew.
 *
 * A warp meets by rendezvous: each lane leaves a pointer to what it wants on its own stack; the
 * last to come computes for all and wakes them.  When nobody can run and not all have ended, it is
 * a deadlock, and who waits where is reported.
 *
 * The blocks of a cluster run side by side, as one block would whose threads have barriers of their
 * own in parts, and a memory for each part.
 *
 * A launch that is given up leaves its fibers where they are: kernels have nothing to clean up.
 *
 * This file is never compiled with a sanitizer, which would not know what a switch does. */
#define CUDACPU_RUNTIME
#include "tests/cudacpu/include/device.h"
#include "tests/cudacpu/runtime/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#if defined(__SANITIZE_ADDRESS__)
#error "block.cpp wants to be compiled without sanitizers"
#endif

/* What kernels see as constants (include/device.h). */
uint3 threadIdx, blockIdx, blockDim, gridDim;

namespace cudacpu
{

struct thread *current;
const struct launch *running;
unsigned block_threads;
unsigned block_live[MAX_CLUSTER];
uint3 block_index;
static uint3 first_index;  /* of the cluster's first block */
static unsigned one_block; /* threads of one of them */
struct thread threads[MAX_THREADS];

bool is_index(const void *p)
{
  for (const uint3 *i : {&threadIdx, &blockIdx, &blockDim, &gridDim})
    if ((uintptr_t)p - (uintptr_t)i < sizeof *i) return true;
  return false;
}

static unsigned order[MAX_THREADS]; /* in which threads begin and go on after a barrier */
static unsigned begun, live;        /* threads */
static void *caller;                /* run_block's own stack */
static cudaError_t ended_with;

/* The threads that can go on, first in first out. */
static struct thread *runnable[MAX_THREADS];
static unsigned first_runnable, n_runnable;

static struct barrier {
  unsigned arrived, count;
  bool all, any;
  int result;
  enum cudacpu_barrier_kind kind;
  const struct thread *first;
} barriers[MAX_CLUSTER];
static unsigned at_cluster; /* threads that wait for all of the cluster */

static struct {
  unsigned live, waiting;             /* lanes */
  bool uniform;                       /* all that wait are in the same operation, */
  const struct warp_operation *first; /* which this lane is in, too */
} warps[MAX_THREADS / 32];

static char *running_stack;

static void run_threads(void);

/* ----------------------------------------------------------------------------------- scheduling */

static void push(struct thread *t)
{
  t->state = RUNNABLE;
  runnable[(first_runnable + n_runnable++) % MAX_THREADS] = t;
}

static struct thread *pop(void)
{
  if (n_runnable > 1 && thread_order() == CUDACPU_SHUFFLED) {
    unsigned i = (first_runnable + (unsigned)(random_number() % n_runnable)) % MAX_THREADS;
    std::swap(runnable[i], runnable[first_runnable]);
  }
  struct thread *t = runnable[first_runnable];
  first_runnable = (first_runnable + 1) % MAX_THREADS;
  n_runnable--;
  return t;
}

static void order_make(void)
{
  for (unsigned i = 0; i < block_threads; i++) order[i] = thread_order() == CUDACPU_REVERSE ? block_threads - 1 - i : i;
  if (thread_order() == CUDACPU_SHUFFLED)
    for (unsigned i = block_threads; i > 1; i--) std::swap(order[i - 1], order[random_number() % i]);
}

/* Who runs, and where it finds itself. */
static void become(struct thread *t)
{
  current = t;
  threadIdx = t->index;
  block_index.x = first_index.x + t->rank;
  blockIdx.x = block_index.x;
}

[[noreturn]] static void leave(cudaError_t error)
{
  void *abandoned;
  ended_with = error;
  cudacpu_switch(&abandoned, caller);
  abort();
}

void abort_launch(cudaError_t error)
{
  leave(error);
}

void *abort_stack(void)
{
  /* Below what run_block keeps on the caller's stack there is room. */
  return (void *)(((uintptr_t)caller - 4096) & ~(uintptr_t)63);
}

static void report_deadlock(void);

/* Goes on with another thread; *save gets the place where this one stopped. */
static void run_another(void **save)
{
  if (n_runnable) {
    struct thread *t = pop();
    if (save == &t->sp) return; /* itself */
    become(t);
    running_stack = t->stack;
    cudacpu_switch(save, t->sp);
  } else if (begun < block_threads) {
    running_stack = stack_take();
    cudacpu_switch(save, stack_prepare(running_stack, run_threads));
  } else if (live) {
    report_deadlock();
    leave(cudaErrorLaunchFailure);
  } else {
    current = NULL;
    cudacpu_switch(save, caller);
  }
}

/* The running thread stops here until somebody has pushed it. */
static void wait_here(struct thread *t)
{
  t->stack = running_stack;
  run_another(&t->sp);
}

/* -------------------------------------------------------------------------------------- threads */

static void barrier_release(unsigned rank);
static void cluster_release(void);
static void warp_try(unsigned warp);

static void copies_end(struct thread *t, unsigned groups_left);

static void thread_ends(struct thread *t)
{
  if (!t->copies.empty()) {
    report(CUDACPU_ASYNC_COPY, {NULL, 0, t->copies[0].pc}, "a copy to shared memory that its thread never waits for");
    t->groups++;
    copies_end(t, 0);
  }
  if (running->early && !t->waited)
    report(CUDACPU_NOT_WAITED, {NULL, 0, (const char *)running->kernel + 1},
           "a thread of a kernel that begins early ends without having waited for the launch before it");
  t->state = ENDED;
  live--;
  block_live[t->rank]--;
  warps[t->warp].live &= ~(1u << t->lane);
  if (block_live[t->rank] && barriers[t->rank].arrived == block_live[t->rank]) barrier_release(t->rank);
  if (live && at_cluster == live) cluster_release();
  if (warps[t->warp].waiting) warp_try(t->warp);
}

/* Where a fiber begins: the threads that have not begun, one after the other, for as long as none
 * of them has to wait. */
static void run_threads(void)
{
  for (;;) {
    struct thread *t = &threads[order[begun++]];
    become(t);
    running->call(running->arguments);
    thread_ends(current);
    if (n_runnable || begun == block_threads) {
      stack_give(running_stack);
      void *ended;
      run_another(&ended);
    }
  }
}

/* Kernel code runs on fibers alone; the caller's stack holds only what the runtime itself keeps
 * there. */
cudaError_t run_block(uint3 index)
{
  dim3 block = running->block;
  unsigned of_one = block.x * block.y * block.z, n = of_one * running->cluster;
  if (n != block_threads || of_one != one_block || block.x != blockDim.x || block.y != blockDim.y) {
    for (unsigned i = 0; i < n; i++) {
      struct thread *t = &threads[i];
      const unsigned k = i % of_one;
      t->id = (uint16_t)i;
      t->warp = (uint16_t)(i / 32);
      t->lane = (uint16_t)(i % 32);
      t->rank = (uint16_t)(i / of_one);
      t->index.x = k % block.x;
      t->index.y = k / block.x % block.y;
      t->index.z = k / block.x / block.y;
    }
  }
  block_threads = n;
  one_block = of_one;
  first_index = block_index = blockIdx = index;
  blockDim = make_uint3(block.x, block.y, block.z);
  gridDim = make_uint3(running->grid.x, running->grid.y, running->grid.z);
  stacks_begin();
  for (unsigned i = 0; i < n; i++) {
    threads[i].state = UNSTARTED;
    threads[i].waited = false;
    threads[i].groups = 0;
    for (const struct async_copy &c : threads[i].copies) /* left by a launch that was stopped */
      if (checker) checker->copy_ends(c.to, c.bytes, NULL);
    threads[i].copies.clear();
  }
  order_make();
  begun = 0;
  live = n;
  first_runnable = n_runnable = 0;
  memset(barriers, 0, sizeof barriers);
  at_cluster = 0;
  for (unsigned r = 0; r < running->cluster; r++) block_live[r] = of_one;
  for (unsigned w = 0; w < MAX_THREADS / 32; w++) {
    unsigned lanes = n > 32 * w ? std::min(32u, n - 32 * w) : 0;
    warps[w] = {lanes == 32 ? ~0u : (1u << lanes) - 1, 0, false, NULL};
  }
  if (checker) checker->block_begins();

  ended_with = cudaSuccess;
  running_stack = stack_take();
  cudacpu_switch(&caller, stack_prepare(running_stack, run_threads));
  current = NULL;
  return ended_with;
}

/* Launches are done one after the other, so there is nothing to wait for. */
extern "C" void cudacpu_wait_for_launch(void)
{
  current->waited = true;
}

/* ------------------------------------------------------------------------------------- barriers */

static const char *const barrier_names[] = {"__syncthreads", "__syncthreads_count", "__syncthreads_and",
                                            "__syncthreads_or"};

static void barrier_release(unsigned rank)
{
  struct barrier &barrier = barriers[rank];
  if (block_live[rank] != one_block) {
    unsigned e = rank * one_block;
    while (e < block_threads && threads[e].state != ENDED) e++;
    uint3 who = threads[e].index;
    report(CUDACPU_PARTIAL_BARRIER, {barrier.first->file, barrier.first->line, NULL},
           "%s is reached by %u of the block's %u threads; thread (%u, %u, %u) has ended before it",
           barrier_names[barrier.kind], block_live[rank], one_block, who.x, who.y, who.z);
  }
  barrier.result = barrier.kind == CUDACPU_BARRIER_COUNT ? (int)barrier.count
                   : barrier.kind == CUDACPU_BARRIER_AND ? barrier.all
                                                         : barrier.any;
  barrier.arrived = 0;
  if (checker) checker->barrier(rank);
  if (thread_order() == CUDACPU_SHUFFLED && begun == block_threads) order_make();
  for (unsigned i = 0; i < block_threads; i++) {
    struct thread *t = &threads[order[i]];
    if (t->state == AT_BARRIER && t->rank == rank) push(t);
  }
}

static void cluster_release(void)
{
  at_cluster = 0;
  if (checker) checker->cluster_barrier();
  if (thread_order() == CUDACPU_SHUFFLED) order_make();
  for (unsigned i = 0; i < block_threads; i++) {
    struct thread *t = &threads[order[i]];
    if (t->state == AT_CLUSTER) push(t);
  }
}

extern "C" void cudacpu_cluster_sync(const char *file, int line)
{
  struct thread *t = current;
  t->state = AT_CLUSTER;
  t->file = file;
  t->line = line;
  if (++at_cluster == live) cluster_release();
  wait_here(t);
}

extern "C" unsigned cudacpu_cluster_rank(void)
{
  return current->rank;
}

/* Where another block of the cluster has what lies at `shared` in this one's dynamic shared
 * memory. */
extern "C" void *cudacpu_cluster_map(const void *shared, unsigned rank, const char *file, int line)
{
  char *own = dynamic_shared + current->rank * shared_stride();
  size_t at = (size_t)((const char *)shared - own);
  if (rank >= running->cluster || at >= running->dynamic_shared) {
    report(CUDACPU_FAULT, {file, line, NULL},
           "block %u of a cluster of %u is asked for what is %s: only dynamic shared memory is seen by others", rank,
           running->cluster, at < running->dynamic_shared ? "not there" : "not dynamic shared memory");
    leave(cudaErrorIllegalAddress);
  }
  return dynamic_shared + rank * shared_stride() + at;
}

/* A barrier's result is read by all before the next can be complete. */
extern "C" int cudacpu_barrier(enum cudacpu_barrier_kind kind, int predicate, const char *file, int line)
{
  struct thread *t = current;
  struct barrier &barrier = barriers[t->rank];
  t->state = AT_BARRIER;
  t->file = file;
  t->line = line;
  if (!barrier.arrived) {
    barrier.kind = kind;
    barrier.first = t;
    barrier.count = 0;
    barrier.all = true;
    barrier.any = false;
  } else if (kind != barrier.kind || line != barrier.first->line) {
    const struct thread *f = barrier.first;
    report(CUDACPU_DIVERGENCE, {file, line, NULL},
           "the thread is at %s, while thread (%u, %u, %u) waits for it in %s at %s:%d", barrier_names[kind],
           f->index.x, f->index.y, f->index.z, barrier_names[barrier.kind], short_path(f->file), f->line);
    leave(cudaErrorLaunchFailure);
  }
  barrier.arrived++;
  barrier.count += predicate != 0;
  barrier.all &= predicate != 0;
  barrier.any |= predicate != 0;
  if (barrier.arrived == block_live[t->rank]) barrier_release(t->rank);
  wait_here(t);
  return barrier.result;
}

/* ---------------------------------------------------------------------------------------- warps */

static bool same_operation(const struct warp_operation *a, const struct warp_operation *b)
{
  return a->mask == b->mask && a->kind == b->kind;
}

/* The lanes whose rendezvous all lanes have come to, among those that wait; `o` is what one of them
 * is in. */
static unsigned complete_lanes(unsigned warp, const struct warp_operation *o)
{
  unsigned lanes = o->mask & warps[warp].live;
  if ((warps[warp].waiting & lanes) != lanes) return 0;
  if (warps[warp].uniform) return lanes;
  for (unsigned l = lanes; l; l &= l - 1)
    if (!same_operation(o, threads[32 * warp + (unsigned)__builtin_ctz(l)].operation)) return 0;
  return lanes;
}

static void complete(unsigned warp, unsigned lanes)
{
  struct thread *first = &threads[32 * warp];
  struct warp_operation *lane[32];
  for (unsigned l = 0; l < 32; l++) lane[l] = lanes >> l & 1 ? first[l].operation : NULL;
  int asks = warp_compute(lane, lanes);
  if (asks >= 0) {
    current = &first[asks];
    report(CUDACPU_DIVERGENCE, {lane[asks]->file, lane[asks]->line, NULL},
           "%s takes the value of a lane that takes no part (mask %08x)", warp_operation_name(lane[asks]->kind),
           lane[asks]->mask);
    leave(cudaErrorLaunchFailure);
  }
  if (checker && lane[__builtin_ctz(lanes)]->kind == CUDACPU_SYNCWARP) checker->warp_synchronised(warp, lanes);
  warps[warp].waiting &= ~lanes;
  bool reverse = thread_order() == CUDACPU_REVERSE;
  for (unsigned i = 0; i < 32; i++) {
    unsigned l = reverse ? 31 - i : i;
    if (lanes >> l & 1) push(&first[l]);
  }
}

/* Completes each rendezvous that can be. */
static void warp_try(unsigned warp)
{
  if (warps[warp].uniform) {
    unsigned lanes = complete_lanes(warp, warps[warp].first);
    if (lanes) complete(warp, lanes);
    return;
  }
  for (unsigned left = warps[warp].waiting; left; left &= left - 1) {
    unsigned lanes = complete_lanes(warp, threads[32 * warp + (unsigned)__builtin_ctz(left)].operation);
    if (!lanes) continue;
    complete(warp, lanes);
    left &= ~lanes | (left & -left);
  }
}

static void warp_meet(struct thread *t, struct warp_operation *o)
{
  struct thread *first = &threads[32 * t->warp];
  if (!(o->mask >> t->lane & 1)) {
    report(CUDACPU_DIVERGENCE, {o->file, o->line, NULL}, "%s with mask %08x, in which the calling lane %u is not",
           warp_operation_name(o->kind), o->mask, (unsigned)t->lane);
    leave(cudaErrorLaunchFailure);
  }
  auto *w = &warps[t->warp];
  if (!w->waiting) {
    w->uniform = true;
    w->first = o;
  } else if (!w->uniform || !same_operation(w->first, o)) {
    w->uniform = false;
    for (unsigned others = w->waiting; others; others &= others - 1) {
      const struct thread *u = &first[__builtin_ctz(others)];
      const struct warp_operation *p = u->operation;
      /* Do both wait for each other? */
      if (!(p->mask >> t->lane & 1) || !(o->mask >> u->lane & 1) || same_operation(p, o)) continue;
      report(CUDACPU_DIVERGENCE, {o->file, o->line, NULL},
             "%s with mask %08x, while lane %u of the warp waits for it in %s with mask %08x at %s:%d",
             warp_operation_name(o->kind), o->mask, (unsigned)u->lane, warp_operation_name(p->kind), p->mask,
             short_path(p->file), p->line);
      leave(cudaErrorLaunchFailure);
    }
  }
  t->state = IN_WARP;
  t->file = o->file;
  t->line = o->line;
  t->operation = o;
  w->waiting |= 1u << t->lane;
  warp_try(t->warp);
  wait_here(t);
}

extern "C" uint64_t cudacpu_warp(enum cudacpu_warp_kind kind, unsigned mask, uint64_t value, int operand, int width,
                                 const char *file, int line)
{
  struct warp_operation o = {kind, mask, file, line, value, 0, operand, width, NULL, NULL, NULL, NULL};
  warp_meet(current, &o);
  return o.result;
}

extern "C" void cudacpu_mma_tf32(float *d, const float *a, const float *b, const float *c, const char *file, int line)
{
  struct warp_operation o = {CUDACPU_MMA_TF32, ~0u, file, line, 0, 0, 0, 32, a, b, c, d};
  warp_meet(current, &o);
}

extern "C" void cudacpu_mma_m16n8k8(float *d, const float *a, const float *b, const float *c, const char *file,
                                    int line)
{
  struct warp_operation o = {CUDACPU_MMA_TF32_REGISTERS, ~0u, file, line, 0, 0, 0, 32, a, b, c, d};
  warp_meet(current, &o);
}

extern "C" void cudacpu_mma_m16n8k8_f64(double *d, const double *a, const double *b, const double *c, const char *file,
                                        int line)
{
  struct warp_operation o = {CUDACPU_MMA_F64_REGISTERS, ~0u, file, line, 0, 0, 0, 32, a, b, c, d};
  warp_meet(current, &o);
}

extern "C" void cudacpu_mma_f64(double *d, const double *a, const double *b, const double *c, const char *file,
                                int line)
{
  struct warp_operation o = {CUDACPU_MMA_F64, ~0u, file, line, 0, 0, 0, 32, a, b, c, d};
  warp_meet(current, &o);
}

extern "C" unsigned cudacpu_lane(void)
{
  return current->lane;
}

/* ------------------------------------------------------------------------------------ deadlocks */

/* Threads that wait at one place: the first, and how many. */
static void report_deadlock(void)
{
  char text[768];
  size_t used = 0;
  unsigned ended = 0, places = 0;
  const struct thread *first = NULL;
  bool told[MAX_THREADS] = {false};
  text[0] = 0;
  for (unsigned i = 0; i < block_threads; i++) {
    const struct thread *t = &threads[i];
    if (t->state == ENDED) ended++;
    if (t->state == ENDED || told[i]) continue;
    if (!first) first = t;
    unsigned n = 0;
    for (unsigned j = i; j < block_threads; j++) {
      const struct thread *u = &threads[j];
      if (u->state != t->state || u->line != t->line ||
          (t->state == IN_WARP && u->operation->mask != t->operation->mask))
        continue;
      told[j] = true;
      n++;
    }
    if (places++ == 6) used += (size_t)snprintf(text + used, sizeof text - used, "; ...");
    if (places > 6) continue;
    char what[64];
    if (t->state == IN_WARP)
      snprintf(what, sizeof what, "%s (mask %08x)", warp_operation_name(t->operation->kind), t->operation->mask);
    else
      snprintf(what, sizeof what, "%s",
               t->state == AT_CLUSTER ? "cluster_sync" : barrier_names[barriers[t->rank].kind]);
    used +=
        (size_t)snprintf(text + used, sizeof text - used, "%s%u from thread (%u, %u, %u) on in %s at %s:%d",
                         used ? "; " : "", n, t->index.x, t->index.y, t->index.z, what, short_path(t->file), t->line);
    if (used >= sizeof text) break;
  }
  become((struct thread *)first);
  report(CUDACPU_DEADLOCK, {first->file, first->line, NULL}, "all %u threads that are left wait (%u have ended): %s",
         live, ended, text);
}

/* -------------------------------------------------------------------------- asynchronous copies */

static void land(struct async_copy *c)
{
  size_t read = c->bytes - c->zero_bytes;
  if (checker && read) checker->read(c->from, read, c->pc);
  memcpy(c->to, c->from, read);
  memset((char *)c->to + read, 0, c->zero_bytes);
  c->done = true;
}

extern "C" void cudacpu_copy_async(void *to, const void *from, size_t bytes, size_t zero_bytes, const char *file,
                                   int line)
{
  struct thread *t = current;
  bool size_is_right = (bytes == 4 || bytes == 8 || bytes == 16) && zero_bytes <= bytes;
  if (!size_is_right || (uintptr_t)to % bytes || (uintptr_t)from % bytes) {
    report(CUDACPU_MISALIGNED, {file, line, NULL},
           "__pipeline_memcpy_async of %zu bytes from %p to %p: 4, 8 or 16, and both addresses multiples of it", bytes,
           from, to);
    leave(cudaErrorMisalignedAddress);
  }
  struct async_copy c = {
      to, from, (uint32_t)bytes, (uint32_t)zero_bytes, t->groups, false, __builtin_return_address(0)};
  if (checker) checker->copy_begins(to, bytes, c.pc);
  if (thread_order() == CUDACPU_SHUFFLED && random_number() % 4 == 0) land(&c);
  t->copies.push_back(c);
}

extern "C" void cudacpu_copy_commit(void)
{
  current->groups++;
}

/* Those of all groups but the last ones. */
static void copies_end(struct thread *t, unsigned groups_left)
{
  auto over = [=](struct async_copy &c) {
    if (c.group + groups_left >= t->groups) return false;
    if (!c.done) land(&c);
    if (checker) checker->copy_ends(c.to, c.bytes, c.pc);
    return true;
  };
  t->copies.erase(std::remove_if(t->copies.begin(), t->copies.end(), over), t->copies.end());
}

extern "C" void cudacpu_copy_wait(unsigned groups_left)
{
  copies_end(current, groups_left);
}

} // namespace cudacpu
