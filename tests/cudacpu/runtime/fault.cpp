/* CUDA on the CPU: SIGSEGV.
 *
 * A kernel that faults becomes a report, and its launch is given up: the handler goes back not to
 * the kernel but to the function that gives up launches, on the stack of the thread that runs the
 * kernel's fibers.  Where the host touches device memory that is reported, and then it ends as it
 * would have ended anyway. */
#include "tests/cudacpu/runtime/internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

namespace cudacpu
{

/* What handled faults before, and does where no kernel runs. */
static struct sigaction earlier[2];

static struct {
  const char *address;
  const void *pc; /* behind the instruction's first byte, as a return address would be */
  bool no_address;
} fault; /* of the kernel that runs */

/* No longer in the handler: here everything may be called. */
[[noreturn]] static void go_on_after_fault(void)
{
  char where[128];
  unsigned which;
  bool guard = false;
  struct place place = {NULL, 0, fault.pc};
  const char *p = fault.address, *end = region.base + DYNAMIC_SHARED_BYTES;
  describe_address(p, where, sizeof where);
  if (on_fiber_stack(p, &which, &guard) && guard)
    report(CUDACPU_STACK, place, "the thread needs more than %zu KiB of stack", STACK_BYTES >> 10);
  else if (p >= end && p < end + 4096)
    report(CUDACPU_OUT_OF_BOUNDS, place, "behind the %zu bytes of dynamic shared memory", running->dynamic_shared);
  else if (is_device_memory(p))
    report(CUDACPU_OUT_OF_BOUNDS, place, "device memory that is not allocated, %s", where);
  else if (fault.no_address)
    report(CUDACPU_MISALIGNED, place, "an access that wants alignment, or no address at all");
  else
    report(CUDACPU_FAULT, place, "nothing is %s", where);
  abort_launch(cudaErrorIllegalAddress);
}

/* In a kernel: goes back to where that is reported, and the launch given up.  Elsewhere: says what
 * was touched, and lets the instruction fault once more under the earlier handler. */
static void on_fault(int number, siginfo_t *info, void *context)
{
  ucontext_t *u = (ucontext_t *)context;
  const char *p = (const char *)info->si_addr;
  if (kernel_runs_here) {
    fault.address = p;
    fault.no_address = info->si_code == SI_KERNEL;
#if defined(__x86_64__)
    fault.pc = (const char *)u->uc_mcontext.gregs[REG_RIP] + 1;
    u->uc_mcontext.gregs[REG_RSP] = (greg_t)((uintptr_t)abort_stack() - 8);
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)go_on_after_fault;
#else
    fault.pc = (const char *)u->uc_mcontext.pc + 1;
    u->uc_mcontext.sp = (uintptr_t)abort_stack();
    u->uc_mcontext.pc = (uintptr_t)go_on_after_fault;
#endif
    return;
  }
  if (is_device_memory(p)) {
    char where[128], text[256];
    describe_address(p, where, sizeof where);
    int n = snprintf(text, sizeof text, "cudacpu: the host touched device memory, %s\n", where);
    if (write(STDERR_FILENO, text, (size_t)n) < 0) abort();
  }
  sigaction(number, &earlier[number == SIGBUS], NULL);
}

/* At each beginning of work: others (cmocka for one) set handlers of their own. */
void fault_handler_install(void)
{
  const int signals[2] = {SIGSEGV, SIGBUS};
  struct sigaction action, before;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int i = 0; i < 2; i++) {
    sigaction(signals[i], &action, &before);
    if (!(before.sa_flags & SA_SIGINFO) || before.sa_sigaction != on_fault) earlier[i] = before;
  }
}

/* A stack for the handler, one for each thread of the host that runs kernels (unless a sanitizer
 * has made it one). */
void fault_stack_make(void)
{
  struct free_at_end {
    void *p = NULL;
    ~free_at_end()
    {
      stack_t none = {};
      none.ss_flags = SS_DISABLE;
      if (p) sigaltstack(&none, NULL);
      free(p);
    }
  };
  static thread_local struct free_at_end own;
  stack_t there;
  if (own.p || sigaltstack(NULL, &there) || !(there.ss_flags & SS_DISABLE)) return;
  stack_t alternate = {};
  alternate.ss_size = 128 << 10;
  alternate.ss_sp = own.p = malloc(alternate.ss_size);
  sigaltstack(&alternate, NULL);
}

} // namespace cudacpu
