/* CUDA on the CPU: fibers: stacks, and the switch from one to another.
 *
 * A stack for each thread of the largest block, each above a guard area that large frames do not
 * jump over; memory comes when it is touched.  A switch is 13 instructions on x86-64, 24 on
 * aarch64: it keeps what the calling convention says that a function keeps, and nothing else.
 *
 * This file is never compiled with a sanitizer, which would not know what a switch does. */
#include "tests/cudacpu/runtime/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* cudacpu_switch(save, to): puts the registers that a function must keep onto the stack, leaves its
 * stack pointer in *save, and goes on where `to` was left in the same way. */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl cudacpu_switch\n"
        ".type cudacpu_switch,@function\n"
        "cudacpu_switch:\n"
        "  pushq %rbp\n"
        "  pushq %rbx\n"
        "  pushq %r12\n"
        "  pushq %r13\n"
        "  pushq %r14\n"
        "  pushq %r15\n"
        "  movq %rsp, (%rdi)\n"
        "  movq %rsi, %rsp\n"
        "  popq %r15\n"
        "  popq %r14\n"
        "  popq %r13\n"
        "  popq %r12\n"
        "  popq %rbx\n"
        "  popq %rbp\n"
        "  ret\n"
        ".size cudacpu_switch,.-cudacpu_switch\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl cudacpu_switch\n"
        ".type cudacpu_switch,%function\n"
        "cudacpu_switch:\n"
        "  sub sp, sp, #160\n"
        "  stp x19, x20, [sp, #0]\n"
        "  stp x21, x22, [sp, #16]\n"
        "  stp x23, x24, [sp, #32]\n"
        "  stp x25, x26, [sp, #48]\n"
        "  stp x27, x28, [sp, #64]\n"
        "  stp x29, x30, [sp, #80]\n"
        "  stp d8, d9, [sp, #96]\n"
        "  stp d10, d11, [sp, #112]\n"
        "  stp d12, d13, [sp, #128]\n"
        "  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n"
        "  str x9, [x0]\n"
        "  mov sp, x1\n"
        "  ldp x19, x20, [sp, #0]\n"
        "  ldp x21, x22, [sp, #16]\n"
        "  ldp x23, x24, [sp, #32]\n"
        "  ldp x25, x26, [sp, #48]\n"
        "  ldp x27, x28, [sp, #64]\n"
        "  ldp x29, x30, [sp, #80]\n"
        "  ldp d8, d9, [sp, #96]\n"
        "  ldp d10, d11, [sp, #112]\n"
        "  ldp d12, d13, [sp, #128]\n"
        "  ldp d14, d15, [sp, #144]\n"
        "  add sp, sp, #160\n"
        "  ret\n"
        ".size cudacpu_switch,.-cudacpu_switch\n");
#else
#error "cudacpu_switch is written for x86-64 and aarch64"
#endif

/* AddressSanitizer remembers frames of fibers that were given up; its functions are there in that
 * build only. */
extern "C" void __asan_unpoison_memory_region(const volatile void *p, size_t bytes) __attribute__((weak));

namespace cudacpu
{

/* --------------------------------------------------------------------------------------- stacks */

static char *stacks; /* MAX_THREADS of them, each above a guard page */
static const size_t guard_bytes = 64 << 10, stack_stride = STACK_BYTES + guard_bytes; /* frames may be large */
static char *free_stacks[MAX_THREADS];
static unsigned n_free_stacks;
static bool stacks_used[MAX_THREADS];

static void stacks_make(void)
{
  void *p = mmap(NULL, stack_stride * MAX_THREADS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
  if (p == MAP_FAILED) {
    perror("cudacpu: no memory for stacks");
    abort();
  }
  stacks = (char *)p;
  for (unsigned i = 0; i < MAX_THREADS; i++) mprotect(stacks + i * stack_stride, guard_bytes, PROT_NONE);
}

bool on_fiber_stack(const void *p, unsigned *which, bool *guard)
{
  size_t offset = (size_t)((const char *)p - stacks);
  if (!stacks || (const char *)p < stacks || offset >= stack_stride * MAX_THREADS) return false;
  *which = (unsigned)(offset / stack_stride);
  *guard = offset % stack_stride < guard_bytes;
  return true;
}

void stacks_begin(void)
{
  if (!stacks) stacks_make();
  for (unsigned i = 0; i < MAX_THREADS; i++) free_stacks[MAX_THREADS - 1 - i] = stacks + i * stack_stride + guard_bytes;
  n_free_stacks = MAX_THREADS;
}

char *stack_take(void)
{
  char *stack = free_stacks[--n_free_stacks];
  bool *used = &stacks_used[(size_t)(stack - stacks) / stack_stride];
  if (*used && __asan_unpoison_memory_region) __asan_unpoison_memory_region(stack, STACK_BYTES);
  *used = true;
  return stack;
}

void stack_give(char *stack)
{
  free_stacks[n_free_stacks++] = stack;
}

/* Stacks begin at different places of a page: at the same one, the frames of all of a block's
 * threads would share the few lines of a cache that such addresses may be in. */
static size_t stack_shift(const char *stack)
{
  return (size_t)(stack - stacks) / stack_stride % 64 * 64;
}

/* What a switch to it pops: registers, then where to go on, with nothing to return to. */
void *stack_prepare(char *stack, void (*begin)(void))
{
  char *top = stack + STACK_BYTES - stack_shift(stack);
#if defined(__x86_64__)
  void **sp = (void **)top - 8;
  memset(sp, 0, 8 * sizeof *sp);
  sp[6] = (void *)begin;
#else
  void **sp = (void **)top - 20;
  memset(sp, 0, 20 * sizeof *sp);
  sp[11] = (void *)begin; /* x30 */
#endif
  return sp;
}

} // namespace cudacpu
