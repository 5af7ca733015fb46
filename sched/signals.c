/* SIGINT and SIGTERM.  The handler only sets a number that long loops look at; the second Ctrl-C restores the default action and
 * raises it again, so that nothing that hangs can keep the user. */
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
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
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
