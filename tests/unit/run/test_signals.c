/* What a signal asks for, and that it may come at any moment of the training. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/cpu/dnnl_compat.h"
#include "sched/run/signals.h"
#include "host/cpu/trainer_cpu.h"

static void nap(long nanoseconds)
{
  nanosleep(&(struct timespec){0, nanoseconds}, NULL);
}

/* ------------------------------------------------------------------------ while oneDNN computes */

enum { ROWS = 40, COLUMNS = 64, INNER = 300, SECONDS = 2 };

struct bombardment {
  pthread_t target;
  _Atomic int over, sent;
};

static void *bombard(void *context)
{
  struct bombardment *b = context;
  while (!b->over) {
    pthread_kill(b->target, SIGTERM); /* of these, unlike SIGINT, as many may come as want to */
    b->sent++;
    nap(20000);
  }
  return NULL;
}

/* Ends with 0 where every product came out the same; the heap's own checks end it otherwise. */
static void compute_under_fire(void)
{
  struct error e = {0};
  float *a = malloc(ROWS * INNER * sizeof *a), *b = malloc(INNER * COLUMNS * sizeof *b);
  float *first = malloc(ROWS * COLUMNS * sizeof *first), *c = malloc(ROWS * COLUMNS * sizeof *c);
  struct bombardment fire = {.target = pthread_self()};
  pthread_t thread;
  time_t end = time(NULL) + SECONDS;
  trainer_cpu_thread_begin();
  signals_install();
  for (int i = 0; i < ROWS * INNER; i++) a[i] = (float)(i % 7) - 3;
  for (int i = 0; i < INNER * COLUMNS; i++) b[i] = (float)(i % 5) - 2;
  if (compat_matmul(false, false, ROWS, COLUMNS, INNER, a, INNER, b, COLUMNS, first, COLUMNS, &e)) _exit(2);
  if (pthread_create(&thread, NULL, bombard, &fire)) _exit(3);
  while (time(NULL) < end || fire.sent < 100) {
    if (compat_matmul(false, false, ROWS, COLUMNS, INNER, a, INNER, b, COLUMNS, c, COLUMNS, &e)) _exit(2);
    for (int i = 0; i < ROWS * COLUMNS; i++)
      if (c[i] != first[i]) _exit(4);
  }
  fire.over = 1;
  pthread_join(thread, NULL);
  _exit(signals_exit_code() != 143 ? 5 : 0);
}

static void a_signal_in_the_middle_of_a_matrix_product_spoils_nothing(void **state)
{
  (void)state;
  int status;
  pid_t child = fork();
  assert_true(child >= 0);
  if (!child) compute_under_fire();
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

/* ------------------------------------------------------------------------------- another thread */

/* A library's thread: it has no signals blocked.  Waits until one has been handled in it. */
static void *wait_for_one(void *context)
{
  sigset_t all_but;
  (void)context;
  sigfillset(&all_but);
  sigdelset(&all_but, SIGTERM);
  sigsuspend(&all_but);
  return NULL;
}

/* Ends with 0 where a signal to another thread sets nothing before the main one may have it. */
static void hit_another_thread(void)
{
  sigset_t term, old;
  pthread_t thread;
  signals_install();
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  if (pthread_sigmask(SIG_BLOCK, &term, &old) || pthread_create(&thread, NULL, wait_for_one, NULL)) _exit(3);
  if (pthread_kill(thread, SIGTERM)) _exit(3);
  pthread_join(thread, NULL);
  if (signals_stop) _exit(4);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  _exit(signals_exit_code() != 143 ? 5 : 0);
}

static void a_signal_that_another_thread_gets_is_the_main_ones(void **state)
{
  (void)state;
  int status;
  pid_t child = fork();
  assert_true(child >= 0);
  if (!child) hit_another_thread();
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

/* -------------------------------------------------------------------------------- what is asked */

/* The wait status of a child that installs, sends itself these signals, and ends with the exit code
 * that they ask for. */
static int status_after(int first, int second)
{
  int status;
  pid_t child = fork();
  assert_true(child >= 0);
  if (!child) {
    signals_install();
    if (first) raise(first);
    if (second) raise(second);
    _exit(signals_exit_code());
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

static void the_first_signal_decides_the_exit_code(void **state)
{
  (void)state;
  assert_int_equal(WEXITSTATUS(status_after(0, 0)), 0);
  assert_int_equal(WEXITSTATUS(status_after(SIGINT, 0)), 130);
  assert_int_equal(WEXITSTATUS(status_after(SIGTERM, 0)), 143);
  assert_int_equal(WEXITSTATUS(status_after(SIGHUP, 0)), 129);
  assert_int_equal(WEXITSTATUS(status_after(SIGQUIT, 0)), 131);
  assert_int_equal(WEXITSTATUS(status_after(SIGALRM, 0)), 142); /* of another's clock */
  assert_int_equal(WEXITSTATUS(status_after(SIGHUP, SIGTERM)), 129);
  assert_int_equal(WEXITSTATUS(status_after(SIGINT, SIGTERM)), 130);
  assert_int_equal(WEXITSTATUS(status_after(SIGTERM, SIGTERM)), 143);
}

static void a_second_ctrl_c_ends_the_process_at_once(void **state)
{
  (void)state;
  int status = status_after(SIGINT, SIGINT);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

/* As nohup leaves SIGHUP, and a shell SIGQUIT for what it starts in the background. */
static void what_was_ignored_at_the_start_stays_ignored(void **state)
{
  (void)state;
  static const int numbers[] = {SIGHUP, SIGQUIT};
  for (int i = 0; i < 2; i++) {
    signal(numbers[i], SIG_IGN);
    assert_int_equal(status_after(numbers[i], 0), 0);
    assert_int_equal(WEXITSTATUS(status_after(numbers[i], SIGTERM)), 143);
    signal(numbers[i], SIG_DFL);
  }
}

static void a_closed_pipe_is_an_error_of_write(void **state)
{
  (void)state;
  assert_int_equal(status_after(SIGPIPE, SIGXFSZ), 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_signal_decides_the_exit_code),
      cmocka_unit_test(a_second_ctrl_c_ends_the_process_at_once),
      cmocka_unit_test(what_was_ignored_at_the_start_stays_ignored),
      cmocka_unit_test(a_closed_pipe_is_an_error_of_write),
      cmocka_unit_test(a_signal_in_the_middle_of_a_matrix_product_spoils_nothing),
      cmocka_unit_test(a_signal_that_another_thread_gets_is_the_main_ones),
  };
  signal(SIGHUP, SIG_DFL); /* we may have been started with nohup, or in the background */
  signal(SIGQUIT, SIG_DFL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
