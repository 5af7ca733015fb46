/* CUDA on the CPU, the checked build: every access of a kernel is looked at.
 *
 * The .cu files are compiled with -fsanitize=thread, and linked with the callbacks below instead of
 * libtsan.  Each word of shared and device memory has a cell (shadow.h) that knows the last write
 * and the readers since, by epoch and thread.
 *
 * One counter of epochs steps at each launch, block and barrier, so nothing needs clearing.  What
 * happened
 *
 *   before the launch's first epoch   is over, and visible
 *   before the block's first epoch    was another block's, which nothing orders: a race if one of
 *                                     both writes
 *   in an earlier epoch of the block  came before a barrier
 *   in this epoch                     is a race, if another thread did it and one of both writes,
 *                                     unless __syncwarp lies between: see knows[] in struct thread.
 *                                     Shuffles and votes order nothing.
 *
 * Blocks of a cluster run side by side, and each has epochs of its own, of which none is another's:
 * its barriers step its own, those of the cluster all.  What another block of the cluster did
 *
 *   before the last barrier of the cluster  came before it
 *   since then                              is a race, if one of both writes
 *
 * They reach for each other's dynamic shared memory; static shared memory is one for all of them
 * here, and an access to it is reported.
 *
 * Atomics race with other accesses, not with one another.  For the readers within a warp one cell
 * keeps the last stamp of all, and forgets those that a later reader comes after; so where
 * __syncwarp with different partial masks orders some readers by one call and some by another, a
 * report can be false.  Blocks that hand results over within a launch (a counter and __threadfence)
 * are reported, too.
 *
 * Kernels of a graph that nothing orders must not touch the same bytes, unless they all read, in
 * whatever order they happen to run: each leaves notes of what it touched (struct notes), and what
 * one touches for the first time is looked up in those of the kernels beside it that have run.
 *
 * What an asynchronous copy fills is written from the moment at which the copy begins to that at
 * which its thread has waited for it: until then every other access to it is a race, its own
 * thread's, too, whatever barriers lie between.
 *
 * Whether an address suits its type is asked by -fsanitize=alignment, of whose callbacks one is
 * needed: an access by float4 is looked at as such there, while it may be four of four bytes when
 * the calls above are put in.  clang asks of single elements only.
 *
 * Static shared memory is the thread-local storage of the program.  Every other address is a
 * thread's own stack, its kernel's arguments, constants, pinned memory, or not a kernel's to
 * touch. */
#include "tests/cudacpu/runtime/internal.h"
#include "tests/cudacpu/checked/shadow.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <unordered_map>

extern "C" {
extern char __start_cudacpu_constant[] __attribute__((weak));
extern char __stop_cudacpu_constant[] __attribute__((weak));
}

namespace cudacpu
{

static struct pages tls; /* static shared memory */

static uint32_t last_epoch = 1, launch_epoch = 1;
static uint32_t block_epoch = 1, cluster_epoch = 1; /* the first of the block, or cluster; since its last barrier */
static uint32_t epochs[MAX_CLUSTER];                /* of each block of the cluster */
static uint32_t epoch = 1;                          /* that of the only block */
static unsigned clustered;                          /* blocks of the cluster; 0: there is none */
static std::vector<uint8_t> owners;                 /* of the epochs since the cluster began: their block's rank */
constexpr uint32_t UNDER_WAY = 0xffffffff;          /* a write's epoch: a copy that has not been waited for */
static bool stamps_used;
static uint16_t warp_stamp[MAX_THREADS / 32];
static uintptr_t program; /* where it is loaded */

struct beginning {
  uint32_t epoch;
  uint3 block;
};
static std::vector<struct beginning> beginnings; /* of the launch's blocks */

/* -------------------------------------------------------------------------------------- reports */

static unsigned long code_address(uint32_t pc)
{
  return (unsigned long)(program + pc) - 1;
}

static void name_thread(char *text, size_t size, unsigned id, uint32_t when)
{
  const dim3 b = running->block;
  const unsigned of_one = b.x * b.y * b.z, rank = id / of_one;
  id %= of_one;
  unsigned x = id % b.x, y = id / b.x % b.y, z = id / b.x / b.y;
  if (when >= block_epoch && (!current || rank == current->rank)) {
    snprintf(text, size, "thread (%u, %u, %u)", x, y, z);
    return;
  }
  auto after = std::upper_bound(beginnings.begin(), beginnings.end(), when,
                                [](uint32_t e, const struct beginning &i) { return e < i.epoch; });
  uint3 k = after == beginnings.begin() ? make_uint3(0, 0, 0) : std::prev(after)->block;
  k.x += rank;
  snprintf(text, size, "block (%u, %u, %u), thread (%u, %u, %u)", k.x, k.y, k.z, x, y, z);
}

static void name_address(char *text, size_t size, uintptr_t a)
{
  if (a - tls.base < tls.bytes)
    snprintf(text, size, "static shared memory");
  else if (a - (uintptr_t)region.base < DYNAMIC_SHARED_BYTES)
    snprintf(text, size, "byte %zu of dynamic shared memory",
             (size_t)(a - (uintptr_t)dynamic_shared) % (clustered ? shared_stride() : DYNAMIC_SHARED_BYTES));
  else {
    char where[128];
    describe_address((void *)a, where, sizeof where);
    snprintf(text, size, "device memory, %s", where);
  }
}

/* Threads of a block. */
static unsigned one_block(void)
{
  return running->block.x * running->block.y * running->block.z;
}

static __attribute__((noinline, cold)) void race(uintptr_t a, const char *does, const char *did, unsigned id,
                                                 uint32_t when, uint32_t pc, const void *here)
{
  char who[96], where[192];
  name_thread(who, sizeof who, id, when);
  name_address(where, sizeof where, a);
  if (when == UNDER_WAY) {
    report(CUDACPU_RACE, {NULL, 0, here},
           "the thread %s what the asynchronous copy of %s at @%lx@ fills, which has not been waited for: %s", does,
           who, code_address(pc), where);
    return;
  }
  report(CUDACPU_RACE, {NULL, 0, here}, "the thread %s what %s %s at @%lx@, and no %s between: %s", does, who, did,
         code_address(pc),
         when < block_epoch                  ? "launch lies"
         : id / one_block() != current->rank ? "barrier of the cluster is"
                                             : "barrier is",
         where);
}

static __attribute__((noinline, cold)) void race_with_readers(uintptr_t a, const char *does, const struct cell *c,
                                                              const void *here)
{
  if (c->read_warp == MANY || c->read_warp == BLOCKS) {
    char where[192];
    name_address(where, sizeof where, a);
    report(CUDACPU_RACE, {NULL, 0, here},
           "the thread %s what threads of several %s read, one of them at @%lx@, and no barrier%s is between: %s", does,
           c->read_warp == MANY ? "warps" : "blocks", code_address(c->read_pc),
           c->read_warp == MANY ? "" : " of the cluster", where);
    return;
  }
  unsigned others = c->readers;
  if (c->read_warp == current->warp) others &= ~(1u << current->lane);
  race(a, does, "reads", 32u * c->read_warp + (unsigned)__builtin_ctz(others), c->read_epoch, c->read_pc, here);
}

static __attribute__((noinline, cold)) void out_of_bounds(uintptr_t a, const char *does, const void *here)
{
  char where[192];
  name_address(where, sizeof where, a);
  report(CUDACPU_OUT_OF_BOUNDS, {NULL, 0, here}, "the thread %s memory that is not allocated: %s", does, where);
  abort_launch(cudaErrorIllegalAddress);
}

static __attribute__((noinline, cold)) void unwritten(uintptr_t a, const void *here)
{
  char where[192];
  name_address(where, sizeof where, a);
  report(CUDACPU_UNWRITTEN, {NULL, 0, here}, "%s", where);
}

static __attribute__((noinline, cold)) void misaligned(uintptr_t a, size_t alignment, const void *here)
{
  char where[192];
  name_address(where, sizeof where, a);
  report(CUDACPU_MISALIGNED, {NULL, 0, here}, "an access at %p, which is no multiple of %zu: %s", (void *)a, alignment,
         where);
  abort_launch(cudaErrorMisalignedAddress);
}

static __attribute__((noinline, cold)) void static_of_a_cluster(const void *here)
{
  report(CUDACPU_FAULT, {NULL, 0, here}, "static shared memory in a cluster, whose blocks have one here");
  abort_launch(cudaErrorIllegalAddress);
}

/* ------------------------------------------------------------- kernels of a graph side by side */

/* Of each byte of a page the instruction that read it, and that wrote it; 0: none. */
struct page_notes {
  uint32_t read[PAGE], written[PAGE];
};
constexpr uint32_t BY_ATOMIC = 0x80000000; /* beside the address of an instruction that wrote */
typedef std::unordered_map<uintptr_t, std::unique_ptr<struct page_notes>> notes;

static struct graph_run *graph; /* the running kernel's, where another kernel of it stands beside */
static size_t graph_node;

static std::vector<notes> *graph_notes(void)
{
  return (std::vector<notes> *)graph->touched.get();
}

static bool early; /* it begins early: what its threads do before they wait stands beside more kernels */

static void node_begins(struct graph_run *run, size_t node)
{
  graph = run;
  graph_node = node;
  if (!run->touched) run->touched = std::make_shared<std::vector<notes>>(run->order->before.size());
}

static void node_ends(void)
{
  graph = NULL;
  early = false;
}

static __attribute__((noinline, cold)) void graph_race(uintptr_t a, bool writes, bool wrote, uint32_t pc,
                                                       const void *here)
{
  char where[192];
  name_address(where, sizeof where, a);
  report(CUDACPU_RACE, {NULL, 0, here},
         "the thread %s what a kernel beside it in the graph %s at @%lx@, and nothing orders the two: %s",
         writes ? "writes" : "reads", wrote ? "writes" : "reads", code_address(pc & ~BY_ATOMIC), where);
}

/* A byte that this kernel touches for the first time, against one of the kernels beside it. */
static bool note_conflicts(const notes &other, uintptr_t a, bool writes, bool atomic, const void *here)
{
  auto found = other.find(a / PAGE);
  if (found == other.end()) return false;
  uint32_t written = found->second->written[a % PAGE], read = found->second->read[a % PAGE];
  if (written && !(atomic && written & BY_ATOMIC))
    graph_race(a, writes, true, written, here);
  else if (writes && read)
    graph_race(a, writes, false, read, here);
  else
    return false;
  return true;
}

/* Bytes against the notes of all kernels that have run and that nothing orders before this one. */
static void compare_notes(uintptr_t a, size_t bytes, bool writes, bool atomic, bool waited, const void *here)
{
  const std::vector<notes> &all = *graph_notes();
  const struct node_order &order = *graph->order;
  const std::vector<bool> &before = (waited ? order.before : order.early)[graph_node];
  for (size_t i = 0; i < all.size(); i++) {
    if (i == graph_node || before[i] || order.before[i][graph_node]) continue;
    for (uintptr_t b = a; b < a + bytes; b++)
      if (note_conflicts(all[i], b, writes, atomic, here)) break;
  }
}

static __attribute__((noinline)) void before_wait(uintptr_t a, size_t bytes, bool writes, const void *here)
{
  size_t offset = a - shadow_memory.base;
  if (offset >= DYNAMIC_SHARED_BYTES && offset < shadow_memory.bytes)
    compare_notes(a, bytes, writes, false, false, here);
}

static __attribute__((noinline)) void note(uintptr_t a, bool writes, bool atomic, const void *here)
{
  std::vector<notes> &all = *graph_notes();
  std::unique_ptr<struct page_notes> &mine = all[graph_node][a / PAGE];
  size_t offset = a - shadow_memory.base;
  unsigned bytes = shadow_memory.page[offset >> PAGE_BITS] & 1 ? 1 : 4;
  uint32_t pc = (uint32_t)((uintptr_t)here - program) | (atomic ? BY_ATOMIC : 0);
  if (!mine) mine = std::unique_ptr<struct page_notes>(new struct page_notes());
  for (uintptr_t b = a; b < a + bytes; b++) (writes ? mine->written : mine->read)[b % PAGE] = pc;
  compare_notes(a, bytes, writes, atomic, true, here);
}

/* ------------------------------------------------------------------------------------- accesses */

/* The epoch of the running thread's block. */
static inline uint32_t now(void)
{
  return __builtin_expect(clustered != 0, 0) ? epochs[current->rank] : epoch;
}

/* Was it read by a thread of another block of the cluster, with no barrier of the cluster since? */
static inline bool others_read(const struct cell *c)
{
  if (__builtin_expect(!clustered, 1) || c->read_epoch < cluster_epoch) return false;
  return c->read_warp == BLOCKS || owners[c->read_epoch - block_epoch] != current->rank;
}

/* Dynamic shared memory has bounds for each block of a cluster, and only while that runs. */
static void cluster_bounds(uintptr_t a, size_t bytes, const char *does, const void *pc)
{
  const size_t at = a - (uintptr_t)dynamic_shared, rank = at / shared_stride();
  if (a < (uintptr_t)dynamic_shared || rank >= clustered || at % shared_stride() + bytes > running->dynamic_shared)
    out_of_bounds(a, does, pc);
  if (block_live[rank]) return;
  report(CUDACPU_OUT_OF_BOUNDS, {NULL, 0, pc},
         "the thread %s shared memory of block %zu of the cluster, which has ended", does, rank);
  abort_launch(cudaErrorIllegalAddress);
}

static uint32_t relative(const void *pc)
{
  return (uint32_t)((uintptr_t)pc - program);
}

/* The same epoch: does what `id` did with that stamp come before what this thread does now? */
static bool ordered(unsigned id, uint16_t stamp)
{
  return id == current->id || (id / 32 == current->warp && current->knows[id % 32] >= stamp);
}

/* Another block's shared memory is another memory. */
template <bool SHARED> static inline bool conflicts_with_write(const struct cell *c)
{
  if (c->write_epoch < (SHARED ? block_epoch : launch_epoch)) return false;
  if (c->write_epoch < block_epoch || c->write_epoch == UNDER_WAY) return true;
  if (__builtin_expect(clustered != 0, 0) && (c->writer & WHO) / one_block() != current->rank)
    return c->write_epoch >= cluster_epoch;
  return c->write_epoch == now() && !ordered(c->writer & WHO, c->write_stamp);
}

static bool readers_ordered(const struct cell *c)
{
  if (c->read_warp != current->warp) return false;
  for (unsigned others = c->readers & ~(1u << current->lane); others; others &= others - 1)
    if (current->knows[__builtin_ctz(others)] < c->read_stamp) return false;
  return true;
}

template <bool SHARED> static inline void read_cell(struct cell *c, uintptr_t a, const void *pc)
{
  const struct thread *t = current;
  if (__builtin_expect(!(c->writer & ALLOWED), 0)) out_of_bounds(a, "reads", pc);
  if (__builtin_expect(SHARED ? c->write_epoch < block_epoch : !(c->writer & WRITTEN), 0))
    unwritten(a, pc);
  else if (__builtin_expect(conflicts_with_write<SHARED>(c), 0))
    race(a, "reads", "writes", c->writer & WHO, c->write_epoch, c->write_pc, pc);
  if (others_read(c)) {
    c->read_warp = BLOCKS;
    c->read_epoch = now();
    return;
  }
  if (c->read_epoch == now()) {
    if (c->read_warp == t->warp && t->stamp > c->read_stamp && readers_ordered(c)) { /* this read stands for them */
      c->readers = 1u << t->lane;
      c->read_stamp = t->stamp;
      c->read_pc = relative(pc);
    } else if (c->read_warp == t->warp) {
      c->readers |= 1u << t->lane;
      c->read_stamp = std::max(c->read_stamp, t->stamp);
    } else {
      c->read_warp = MANY;
    }
    return;
  }
  c->read_epoch = now();
  c->read_warp = t->warp;
  c->readers = 1u << t->lane;
  c->read_stamp = t->stamp;
  c->read_pc = relative(pc);
  if (c->first_read < launch_epoch) {
    c->first_read = now();
    if (!SHARED && __builtin_expect(graph != NULL, 0)) note(a, false, false, pc);
  }
}

template <bool SHARED, bool IS_ATOMIC> static inline void write_cell(struct cell *c, uintptr_t a, const void *pc)
{
  const struct thread *t = current;
  const char *does = IS_ATOMIC ? "changes" : "writes";
  if (__builtin_expect(!(c->writer & ALLOWED), 0)) out_of_bounds(a, does, pc);
  if (IS_ATOMIC && __builtin_expect(SHARED ? c->write_epoch < block_epoch : !(c->writer & WRITTEN), 0))
    unwritten(a, pc);
  else if (__builtin_expect(conflicts_with_write<SHARED>(c), 0) && !(IS_ATOMIC && c->writer & ATOMIC))
    race(a, does, c->writer & ATOMIC ? "changes" : "writes", c->writer & WHO, c->write_epoch, c->write_pc, pc);
  if (!SHARED && __builtin_expect(c->first_read >= launch_epoch && c->first_read < block_epoch, 0))
    race(a, does, "reads",
         32u * (c->read_warp == MANY ? 0 : c->read_warp) + (unsigned)__builtin_ctz(c->readers | 1u << 31),
         c->first_read, c->read_pc, pc);
  else if (others_read(c))
    race_with_readers(a, does, c, pc);
  else if (__builtin_expect(c->read_epoch == now(), 0) && !(c->read_warp == t->warp && c->readers == 1u << t->lane) &&
           !readers_ordered(c))
    race_with_readers(a, does, c, pc);
  if (!SHARED && __builtin_expect(graph != NULL, 0) &&
      (c->write_epoch < launch_epoch || (!IS_ATOMIC && c->writer & ATOMIC)))
    note(a, true, IS_ATOMIC, pc);
  c->read_epoch = 0; /* who comes after this write comes after those reads */
  c->write_epoch = now();
  c->writer = (uint16_t)((c->writer & ALLOWED) | WRITTEN | (IS_ATOMIC ? ATOMIC : 0) | t->id);
  c->write_stamp = t->stamp;
  c->write_pc = relative(pc);
}

enum access { READ, WRITE, CHANGE };

template <bool SHARED, enum access A> static inline void cell_access(struct cell *c, uintptr_t a, const void *pc)
{
  if (A == READ)
    read_cell<SHARED>(c, a, pc);
  else
    write_cell<SHARED, A == CHANGE>(c, a, pc);
}

static void elsewhere(uintptr_t a, size_t bytes, enum access kind, const void *pc);

/* Any range. */
template <enum access A> static __attribute__((noinline)) void access_range(uintptr_t a, size_t bytes, const void *pc)
{
  if (__builtin_expect(early, 0) && !current->waited) before_wait(a, bytes, A != READ, pc);
  if (a - tls.base < tls.bytes && clustered) static_of_a_cluster(pc);
  if (a - tls.base < tls.bytes)
    each_cell(&tls, a, bytes, true, [=](struct cell *c, uintptr_t at) { cell_access<true, A>(c, at, pc); });
  else if (a - (uintptr_t)region.base < DYNAMIC_SHARED_BYTES)
    each_cell(&shadow_memory, a, bytes, true, [=](struct cell *c, uintptr_t at) {
      if (clustered)
        cluster_bounds(at, 1, A == READ ? "reads" : "writes", pc);
      else if (at >= (uintptr_t)dynamic_shared + running->dynamic_shared)
        out_of_bounds(at, A == READ ? "reads" : "writes", pc);
      cell_access<true, A>(c, at, pc);
    });
  else if (a - shadow_memory.base < shadow_memory.bytes)
    each_cell(&shadow_memory, a, bytes, true, [=](struct cell *c, uintptr_t at) { cell_access<false, A>(c, at, pc); });
  else
    elsewhere(a, bytes, A, pc);
}

/* The cell of a word, where its page has cells for words; else NULL. */
static inline struct cell *word_cell(const struct pages *m, size_t offset, unsigned bytes)
{
  uintptr_t page = m->page[offset >> PAGE_BITS];
  bool simple = page && !(page & 1) && offset % PAGE + bytes <= PAGE;
  return simple ? (struct cell *)page + offset % PAGE / 4 : NULL;
}

template <unsigned BYTES, enum access A>
static __attribute__((noinline)) void access_words(struct cell *c, uintptr_t a, bool shared, const void *pc)
{
  if (shared && clustered) {
    if (a - (uintptr_t)region.base >= DYNAMIC_SHARED_BYTES) static_of_a_cluster(pc);
    cluster_bounds(a, BYTES, A == READ ? "reads" : "writes", pc);
  } else if (shared && a - (uintptr_t)region.base < DYNAMIC_SHARED_BYTES &&
             a + BYTES > (uintptr_t)dynamic_shared + running->dynamic_shared)
    out_of_bounds(a, A == READ ? "reads" : "writes", pc);
  for (unsigned i = 0; i < BYTES / 4; i++) {
    if (shared)
      cell_access<true, A>(c + i, a + 4 * i, pc);
    else
      cell_access<false, A>(c + i, a + 4 * i, pc);
  }
}

/* A read of a word that others have read since the last barrier, and nobody written: they have been
 * through the checks. */
static inline bool read_again(struct cell *c)
{
  const struct thread *t = current;
  if (c->read_epoch != now() || c->write_epoch == now()) return false;
  if (c->read_warp == BLOCKS) return true;
  if (c->read_warp == t->warp) {
    if (t->stamp > c->read_stamp) return false; /* __syncwarp has been between */
    c->readers |= 1u << t->lane;
  } else {
    c->read_warp = MANY;
  }
  return true;
}

/* Whole words, the common case; the rest as ranges. */
template <unsigned BYTES, enum access A> static inline void access(const void *p, const void *pc)
{
  uintptr_t a = (uintptr_t)p;
  if (!current) return; /* the host's part of a .cu file */
  if (a - (uintptr_t)__builtin_frame_address(0) < 4096)
    return; /* the thread's own stack, or the guard page behind it */
  if (__builtin_expect(early, 0) && !current->waited) before_wait(a, BYTES, A != READ, pc);
  if (BYTES >= 4 && a % 4 == 0) {
    size_t offset = a - tls.base;
    bool is_static = offset < tls.bytes;
    if (!is_static) offset = a - shadow_memory.base;
    if (is_static || offset < shadow_memory.bytes) {
      struct cell *c = word_cell(is_static ? &tls : &shadow_memory, offset, BYTES);
      if (c) {
        unsigned again = 0;
        if (A == READ)
          while (again < BYTES / 4 && read_again(c + again)) again++;
        if (A == READ && again == BYTES / 4) return;
        return access_words<BYTES, A>(c, a, is_static || offset < DYNAMIC_SHARED_BYTES, pc);
      }
    }
  }
  access_range<A>(a, BYTES, pc);
}

/* ------------------------------------------------------------- neither shared nor device memory */

struct extent {
  uintptr_t base;
  size_t bytes;
};
static std::vector<struct extent> constants; /* of the program's file */

static int program_find(struct dl_phdr_info *info, size_t size, void *data)
{
  (void)size, (void)data;
  program = info->dlpi_addr;
  constants.clear();
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *h = &info->dlpi_phdr[i];
    if ((h->p_type == PT_LOAD && !(h->p_flags & PF_W)) || h->p_type == PT_GNU_RELRO)
      constants.push_back({info->dlpi_addr + h->p_vaddr, h->p_memsz});
    if (h->p_type == PT_TLS && info->dlpi_tls_data) {
      uintptr_t base = (uintptr_t)info->dlpi_tls_data & ~(uintptr_t)63;
      size_t bytes = (uintptr_t)info->dlpi_tls_data + h->p_memsz - base;
      if (!tls.page) tls.page = (uintptr_t *)calloc(bytes / PAGE + 2, sizeof *tls.page);
      tls.base = base;
      tls.bytes = bytes;
    }
  }
  return 1; /* the first is the program */
}

static void elsewhere(uintptr_t a, size_t bytes, enum access kind, const void *pc)
{
  if (!kernel_runs_here) return; /* a launcher in another thread of the host, beside the kernel */
  unsigned mine, other;
  bool guard;
  on_fiber_stack(__builtin_frame_address(0), &mine, &guard);
  if (on_fiber_stack((void *)a, &other, &guard)) {
    if (other == mine || guard) return; /* the guard page speaks for itself */
    report(CUDACPU_HOST_MEMORY, {NULL, 0, pc}, "the thread reaches for the local memory of another, at %p", (void *)a);
    abort_launch(cudaErrorIllegalAddress);
  }
  if (kind == READ) {
    if (a - (uintptr_t)running->arguments < running->arguments_bytes || is_index((void *)a)) return;
    for (const struct extent &e : constants)
      if (a - e.base < e.bytes) return;
    if (__start_cudacpu_constant && a >= (uintptr_t)__start_cudacpu_constant && a < (uintptr_t)__stop_cudacpu_constant)
      return;
  }
  if (is_pinned((void *)a, bytes)) return;
  if (a < 65536) {
    report(CUDACPU_FAULT, {NULL, 0, pc}, "nothing is at %p", (void *)a);
    abort_launch(cudaErrorIllegalAddress);
  }
  report(CUDACPU_HOST_MEMORY, {NULL, 0, pc}, "the thread %s %zu bytes of the host's memory, at %p",
         kind == READ ? "reads" : "writes", bytes, (void *)a);
  abort_launch(cudaErrorIllegalAddress);
}

/* --------------------------------------------------------------------------- launches and order */

/* Of threads first ... last - 1, whole warps. */
static void stamps_reset(unsigned first, unsigned last)
{
  for (unsigned i = first; i < last; i++) {
    threads[i].stamp = 1;
    memset(threads[i].knows, 0, sizeof threads[i].knows);
  }
  for (unsigned w = first / 32; w < last / 32; w++) warp_stamp[w] = 1;
}

static void all_stamps_reset(void)
{
  stamps_reset(0, MAX_THREADS);
  stamps_used = false;
}

static void step(unsigned rank)
{
  epochs[rank] = ++last_epoch;
  if (rank == 0) epoch = last_epoch;
  if (clustered) owners.push_back((uint8_t)rank);
}

static void cluster_step(void)
{
  cluster_epoch = last_epoch + 1;
  for (unsigned r = 0; r < running->cluster; r++) step(r);
}

static void launch_begins(void)
{
  if (last_epoch > 0xf0000000u) { /* begin anew */
    shadow_no_epochs();
    last_epoch = 1;
  }
  dl_iterate_phdr(program_find, NULL);
  shadow_follow_region();
  epoch = launch_epoch = ++last_epoch;
  clustered = running->cluster > 1 ? running->cluster : 0;
  early = graph && running->early;
  beginnings.clear();
  all_stamps_reset();
}

static void block_begins(void)
{
  owners.clear();
  cluster_step();
  block_epoch = cluster_epoch;
  beginnings.push_back({block_epoch, block_index});
  if (stamps_used) all_stamps_reset();
}

static void barrier(unsigned rank)
{
  step(rank);
  if (!stamps_used) return;
  if (clustered)
    stamps_reset(rank * one_block(), (rank + 1) * one_block());
  else
    all_stamps_reset();
}

static void cluster_barrier(void)
{
  cluster_step();
  if (stamps_used) all_stamps_reset();
}

/* All that the lanes did, and all that they knew, comes before what any of them does next. */
static void warp_synchronised(unsigned warp, unsigned lanes)
{
  struct thread *t = &threads[32 * warp];
  uint16_t known[32] = {0};
  for (unsigned l = lanes; l; l &= l - 1) {
    unsigned m = (unsigned)__builtin_ctz(l);
    for (unsigned u = 0; u < 32; u++) known[u] = std::max(known[u], t[m].knows[u]);
  }
  for (unsigned l = lanes; l; l &= l - 1) {
    unsigned m = (unsigned)__builtin_ctz(l);
    known[m] = std::max(known[m], t[m].stamp);
  }
  stamps_used = true;
  uint16_t stamp = ++warp_stamp[warp];
  for (unsigned l = lanes; l; l &= l - 1) {
    unsigned m = (unsigned)__builtin_ctz(l);
    memcpy(t[m].knows, known, sizeof known);
    t[m].stamp = stamp;
  }
  if (stamp == 0xffff) barrier(t->rank); /* out of stamps: some races between here and the next barrier are missed */
}

static void forget(void)
{
  shadow_forget();
  free(tls.page);
  tls = {};
  graph = NULL;
}

static void hook_read(const void *p, size_t bytes, const void *pc)
{
  access_range<READ>((uintptr_t)p, bytes, pc);
}
static void hook_write(const void *p, size_t bytes, const void *pc)
{
  access_range<WRITE>((uintptr_t)p, bytes, pc);
}
static void hook_atomic(const void *p, size_t bytes, const void *pc)
{
  access_range<CHANGE>((uintptr_t)p, bytes, pc);
}

/* The cells of shared memory that a copy fills. */
template <typename F> static void each_copied_cell(const void *to, size_t bytes, F f)
{
  uintptr_t a = (uintptr_t)to;
  struct pages *m = a - tls.base < tls.bytes ? &tls : &shadow_memory;
  if (a - m->base < m->bytes) each_cell(m, a, bytes, true, [=](struct cell *c, uintptr_t) { f(c); });
}

static void copy_begins(const void *to, size_t bytes, const void *pc)
{
  access_range<WRITE>((uintptr_t)to, bytes, pc);
  each_copied_cell(to, bytes, [](struct cell *c) { c->write_epoch = UNDER_WAY; });
}

static void copy_ends(const void *to, size_t bytes, const void *pc)
{
  each_copied_cell(to, bytes, [](struct cell *c) { c->write_epoch = c->read_epoch = 0; });
  if (pc) access_range<WRITE>((uintptr_t)to, bytes, pc);
}

static const struct access_checker this_checker = {
    launch_begins, block_begins,         barrier,     cluster_barrier, warp_synchronised, hook_read,
    hook_write,    hook_atomic,          copy_begins, copy_ends,       shadow_allowed,    shadow_filled,
    shadow_copied, shadow_never_written, forget,      node_begins,     node_ends,
};
const struct access_checker *checker = &this_checker; /* instead of unchecked.cpp's NULL */

} // namespace cudacpu

/* ----------------------------------------------------------------- what the compiler has put in */

using namespace cudacpu;

#define HERE __builtin_return_address(0)
#define ACCESSES(bytes)                                                                                                \
  void __tsan_read##bytes(void *p)                                                                                     \
  {                                                                                                                    \
    access<bytes, READ>(p, HERE);                                                                                      \
  }                                                                                                                    \
  void __tsan_write##bytes(void *p)                                                                                    \
  {                                                                                                                    \
    access<bytes, WRITE>(p, HERE);                                                                                     \
  }                                                                                                                    \
  void __tsan_read_write##bytes(void *p)                                                                               \
  {                                                                                                                    \
    access<bytes, READ>(p, HERE);                                                                                      \
    access<bytes, WRITE>(p, HERE);                                                                                     \
  }                                                                                                                    \
  void __tsan_unaligned_read##bytes(void *p)                                                                           \
  {                                                                                                                    \
    if (current) access_range<READ>((uintptr_t)p, bytes, HERE);                                                        \
  }                                                                                                                    \
  void __tsan_unaligned_write##bytes(void *p)                                                                          \
  {                                                                                                                    \
    if (current) access_range<WRITE>((uintptr_t)p, bytes, HERE);                                                       \
  }

extern "C" {
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
/* 32 bytes are a vector's. */
void __tsan_read_range(void *p, unsigned long bytes)
{
  if (bytes == 32) return access<32, READ>(p, HERE);
  if (current && bytes) access_range<READ>((uintptr_t)p, bytes, HERE);
}
void __tsan_write_range(void *p, unsigned long bytes)
{
  if (current && bytes) access_range<WRITE>((uintptr_t)p, bytes, HERE);
}
void *__tsan_memcpy(void *to, const void *from, unsigned long bytes)
{
  if (current && bytes) access_range<READ>((uintptr_t)from, bytes, HERE);
  if (current && bytes) access_range<WRITE>((uintptr_t)to, bytes, HERE);
  return memmove(to, from, bytes);
}
void *__tsan_memmove(void *to, const void *from, unsigned long bytes)
{
  if (current && bytes) access_range<READ>((uintptr_t)from, bytes, HERE);
  if (current && bytes) access_range<WRITE>((uintptr_t)to, bytes, HERE);
  return memmove(to, from, bytes);
}
void *__tsan_memset(void *to, int value, unsigned long bytes)
{
  if (current && bytes) access_range<WRITE>((uintptr_t)to, bytes, HERE);
  return memset(to, value, bytes);
}
/* As libubsan has it.  Null pointers are another matter: what is at one is told where it is
 * touched. */
struct type_mismatch {
  struct {
    const char *file;
    unsigned line, column;
  } place;
  const void *type;
  unsigned char log2_alignment, kind;
};
void __ubsan_handle_type_mismatch_v1(const struct type_mismatch *m, uintptr_t a)
{
  const uintptr_t alignment = (uintptr_t)1 << m->log2_alignment;
  if (current && a % alignment != 0) misaligned(a, alignment, HERE);
}
void __tsan_init(void)
{
}
void __tsan_func_entry(void *)
{
}
void __tsan_func_exit(void)
{
}
void __tsan_vptr_update(void **, void *)
{
}
void __tsan_vptr_read(void **)
{
}
}
