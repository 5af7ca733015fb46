/* SIGINT, SIGTERM, SIGHUP and SIGQUIT.  The handler only sets a number that long loops look at; the
 * second Ctrl-C restores the default action and raises it again, so that nothing that hangs can
 * keep the user.
 *
 * SIGHUP (the terminal is gone) and SIGQUIT stop as SIGTERM does, unless they were ignored when the
 * program began: nohup wants it to go on, and so does a shell that starts it in the background.
 *
 * After these whatever hangs (a disk, a device, a library) is left alone after STOP_S: a batch
 * system would kill the process soon after, and it would not know the exit code.  What has been
 * committed stays, as after a kill.
 *
 * The handler has a stack of its own.  Some of oneDNN's matrix products use the stack pointer for a
 * buffer on the heap while they run (`mov rsp, ws` in its jit_avx_gemm_f32.cpp); a signal's frame
 * that the kernel puts there overwrites whatever lies below that buffer.  Such a stack belongs to
 * one thread, the one that calls signals_install: the main one.  Other threads that train have
 * signals blocked, but a library's (OpenBLAS's) have not, and of a process that was stopped the
 * thread that wakes first gets what came meanwhile: they pass it on to the main one, which so is
 * the only one that sets the number. */
#include "sched/run/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

enum { STOP_S = 9 }; /* contract 6: within 10 s */

volatile int signals_stop;
static pthread_t receiver;

/* In a thread that is not the one for signals: that one gets it instead. */
static bool passed_on(int number)
{
  return !pthread_equal(pthread_self(), receiver) && pthread_kill(receiver, number) == 0;
}

static void on_signal(int number)
{
  if (passed_on(number)) return;
  unsigned left = number == SIGINT ? 0 : alarm(STOP_S);
  if (left > 0) alarm(left); /* the first one counts */
  if (signals_stop && number == SIGINT) {
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
    return;
  }
  if (!signals_stop) __atomic_store_n(&signals_stop, number, __ATOMIC_RELAXED); /* other threads read it */
}

/* Here only what may be called in the middle of anything.  An alarm that we did not set, as of
 * whoever started us with a limit of time, asks for a stop. */
static void on_alarm(int number)
{
  static const char text[] =
      "gsos: something does not end, so the run ends here; all trials that had ended are kept, and the "
      "same command goes on from there\n";
  if (passed_on(number)) return;
  if (!signals_stop) {
    on_signal(number);
    return;
  }
  ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
  (void)ignored;
  _exit(signals_exit_code());
}

static void unless_ignored(int number, const struct sigaction *action)
{
  struct sigaction old;
  if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(number, action, NULL);
}

void signals_install(void)
{
  static char stack[65536] __attribute__((aligned(64))); /* AVX-512 and AMX state alone take 11 KB of it */
  stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
  receiver = pthread_self();
  sigaltstack(&own, NULL);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  unless_ignored(SIGHUP, &action);
  unless_ignored(SIGQUIT, &action);
  action.sa_handler = on_alarm;
  sigaction(SIGALRM, &action, NULL);
  signal(SIGPIPE, SIG_IGN); /* `gsos show | head` is an error of write, not the end of the process */
  signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error of write too */
}

int signals_exit_code(void)
{
  return signals_stop == 0 ? 0 : 128 + signals_stop; /* as a shell says it of one that a signal ended */
}
