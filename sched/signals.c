/* SIGINT and SIGTERM.  The handler only sets a number that long loops look at; the second Ctrl-C restores the default action and
 * raises it again, so that nothing that hangs can keep the user.
 *
 * The handler has a stack of its own.  Some of oneDNN's matrix products use the stack pointer for a buffer on the heap while
 * they run (`mov rsp, ws` in its jit_avx_gemm_f32.cpp); a signal's frame that the kernel puts there overwrites whatever lies
 * below that buffer.  Such a stack belongs to one thread, the one that calls signals_install: the main one, which the kernel
 * prefers for signals to the process.  Other threads that train have signals blocked. */
#include "signals.h"

#include <signal.h>
#include <stddef.h>

volatile int signals_stop;

static void on_signal(int number)
{
  if (signals_stop && number == SIGINT) {
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
    return;
  }
  if (!signals_stop) __atomic_store_n(&signals_stop, number, __ATOMIC_RELAXED); /* other threads read it */
}

void signals_install(void)
{
  static char stack[65536] __attribute__((aligned(64))); /* AVX-512 and AMX state alone take 11 KB of it */
  stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
  sigaltstack(&own, NULL);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  signal(SIGPIPE, SIG_IGN); /* `gsos show | head` is an error of write, not the end of the process */
  signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error of write too */
}

int signals_exit_code(void)
{
  return signals_stop == 0 ? 0 : signals_stop == SIGTERM ? 143 : 130;
}
