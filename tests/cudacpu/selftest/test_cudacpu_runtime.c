/* CUDA on the CPU, the host's side: memory, streams, events, graphs, devices, limits, errors and
 * planted faults. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/cudacpu/selftest/planted_early.h"
#include "tests/cudacpu/selftest/sound.h"

#define OK(call) assert_int_equal(call, cudaSuccess)

static int fresh(void **state)
{
  (void)state;
  cudacpu_clear_reports();
  cudacpu_reset(2, NULL);
  return 0;
}

static cudaStream_t stream_make(void)
{
  cudaStream_t s;
  OK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  return s;
}

static uint32_t *device_words(int n, uint32_t value)
{
  uint32_t *p, *host = malloc((size_t)n * sizeof *host);
  for (int i = 0; i < n; i++) host[i] = value;
  OK(cudaMalloc((void **)&p, (size_t)n * sizeof *p));
  OK(cudaMemcpy(p, host, (size_t)n * sizeof *p, cudaMemcpyHostToDevice));
  free(host);
  return p;
}

static uint32_t read_word(const uint32_t *p)
{
  uint32_t x;
  OK(cudaMemcpy(&x, p, sizeof x, cudaMemcpyDeviceToHost));
  return x;
}

static cudaError_t kernel(const char *name, uint32_t *p, int n, cudaStream_t s)
{
  dim3 grid = {1, 1, 1}, block = {64, 1, 1};
  return sound_launch(name, grid, block, 0, s, p, NULL, n);
}

/* --------------------------------------------------------------------------------------- memory */

static void a_device_has_only_its_memory(void **state)
{
  (void)state;
  size_t memory[2] = {1 << 20, 4 << 20}, available, total;
  void *a, *b;
  cudacpu_reset(2, memory);
  OK(cudaMalloc(&a, 600 << 10));
  assert_int_equal(cudaMalloc(&b, 600 << 10), cudaErrorMemoryAllocation);
  assert_null(b);
  assert_int_equal(cudaGetLastError(), cudaErrorMemoryAllocation);
  assert_int_equal(cudaGetLastError(), cudaSuccess); /* it does not stick */
  OK(cudaMemGetInfo(&available, &total));
  assert_int_equal(total, 1 << 20);
  assert_int_equal(available, 424 << 10);
  OK(cudaFree(a));
  OK(cudaMalloc(&b, 1 << 20));
  assert_int_equal(cudacpu_counts().allocations, 1);
  assert_int_equal(cudacpu_counts().bytes, 1 << 20);
  OK(cudaSetDevice(1));
  OK(cudaMalloc(&a, 4 << 20));
  assert_int_equal(cudaFree((char *)a + 512), cudaErrorInvalidValue);
}

static void new_memory_is_not_a_number(void **state)
{
  (void)state;
  float *p, x = 0;
  OK(cudaMalloc((void **)&p, 4096));
  OK(cudaMemcpy(&x, p + 1000, sizeof x, cudaMemcpyDeviceToHost));
  assert_true(isnan(x));
}

static void copies_are_held_to_their_kind_and_bounds(void **state)
{
  (void)state;
  uint32_t *d = device_words(100, 7), *e = device_words(100, 8), host[100];
  memset(host, 0, sizeof host);
  assert_int_equal(cudaMemcpy(host, d, sizeof host, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  assert_int_equal(cudaMemcpy(host, host, 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  assert_int_equal(cudaMemcpy(host, d + 1, sizeof host, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  assert_int_equal(cudaMemcpy(d + 100, host, 4, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  assert_int_equal(cudaMemset(d, 0, 101 * sizeof *d), cudaErrorInvalidValue);
  assert_int_equal(host[0], 0);
  OK(cudaMemcpy(host, d, sizeof host, cudaMemcpyDefault));
  assert_int_equal(host[99], 7);
  OK(cudaMemcpy(d, e, 50 * sizeof *d, cudaMemcpyDeviceToDevice));
  assert_int_equal(read_word(d + 49), 8);
  assert_int_equal(read_word(d + 50), 7);
}

/* A program of its own does the deed; its signal and what it says. */
static int in_a_child(void (*deed)(void), char *text, size_t size)
{
  int pipes[2], status;
  assert_int_equal(pipe(pipes), 0);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    dup2(pipes[1], STDERR_FILENO);
    signal(SIGSEGV, SIG_DFL); /* cmocka's handler would go on with the next test */
    cudacpu_reset(1, NULL);
    deed();
    _exit(0);
  }
  close(pipes[1]);
  size_t n = 0;
  for (ssize_t r; n < size - 1 && (r = read(pipes[0], text + n, size - 1 - n)) > 0;) n += (size_t)r;
  text[n] = 0;
  close(pipes[0]);
  waitpid(child, &status, 0);
  return status;
}

static void touch_device_memory(void)
{
  volatile uint32_t *p = device_words(10, 1);
  p[3] = 4;
}
static void touch_freed_memory(void)
{
  uint32_t *p = device_words(10, 1);
  cudaFree(p);
  *(volatile uint32_t *)p = 4;
}
static void leave_a_report(void)
{
  cudaStream_t legacy = NULL;
  kernel("add_one", device_words(64, 1), 64, legacy);
  exit(0);
}

static void the_host_cannot_touch_device_memory(void **state)
{
  (void)state;
  char text[2048];
  assert_int_not_equal(in_a_child(touch_device_memory, text, sizeof text), 0);
  if (!strstr(text, "the host touched device memory, at byte 12 of the 40 of allocation 1")) fail_msg("%s", text);
  assert_int_not_equal(in_a_child(touch_freed_memory, text, sizeof text), 0);
#ifdef CUDACPU_WITH_ASAN
  assert_non_null(strstr(text, "use-after-poison"));
#else
  assert_non_null(strstr(text, "the host touched device memory"));
#endif
}

static void a_report_that_nobody_clears_fails_the_program(void **state)
{
  (void)state;
  char text[2048];
  int status = in_a_child(leave_a_report, text, sizeof text);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 1);
  assert_non_null(strstr(text, "kernel on the default stream: add_one, tests/cudacpu/selftest/sound.cu:"));
  assert_non_null(strstr(text, "1 report"));
}

/* -------------------------------------------------------------------------------------- streams */

static void a_stream_keeps_its_order_and_waits_for_the_host(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 8; seed++) {
    fresh(NULL);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, seed);
    cudaStream_t s = stream_make();
    uint32_t *p = device_words(64, 1);
    uint64_t before = cudacpu_counts().launches;
    for (int i = 0; i < 5; i++) {
      OK(kernel("add_one", p, 64, s));
      OK(kernel("twice", p, 64, s));
    }
    assert_int_equal(cudacpu_counts().launches, before); /* nobody has waited */
    OK(cudaStreamSynchronize(s));
    assert_int_equal(cudacpu_counts().launches, before + 10);
    assert_int_equal(read_word(p), 94); /* ((((1+1)*2+1)*2+1)*2 ... */
  }
}

/* Two streams on one word: 2·(1 + 1) or 2·1 + 1, as the seed has it; both are seen. */
static int both_orders_of(int with_event)
{
  int seen = 0;
  for (uint64_t seed = 1; seed < 40; seed++) {
    fresh(NULL);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, seed);
    cudaStream_t s = stream_make(), r = stream_make();
    cudaEvent_t event;
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    uint32_t *p = device_words(64, 1);
    OK(kernel("add_one", p, 64, s));
    OK(cudaEventRecord(event, s));
    if (with_event) OK(cudaStreamWaitEvent(r, event, 0));
    OK(kernel("twice", p, 64, r));
    OK(cudaDeviceSynchronize());
    uint32_t x = read_word(p);
    assert_true(x == 4 || x == 3);
    seen |= x == 4 ? 1 : 2;
  }
  return seen;
}

static void a_missing_wait_between_streams_shows(void **state)
{
  (void)state;
  assert_int_equal(both_orders_of(0), 3);
  assert_int_equal(both_orders_of(1), 1);
}

/* A wait for one stream does not always do the work of another. */
static void a_missing_wait_of_the_host_shows(void **state)
{
  (void)state;
  int done = 0, not_done = 0;
  for (uint64_t seed = 1; seed < 40; seed++) {
    fresh(NULL);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, seed);
    cudaStream_t s = stream_make(), r = stream_make();
    uint32_t *p = device_words(64, 1), *pinned;
    OK(cudaHostAlloc((void **)&pinned, 4, cudaHostAllocDefault));
    *pinned = 0;
    OK(cudaMemcpyAsync(pinned, p, 4, cudaMemcpyDeviceToHost, s));
    OK(kernel("twice", p + 0, 64, r));
    OK(cudaStreamSynchronize(r));
    if (*pinned)
      done++;
    else
      not_done++;
    OK(cudaFreeHost(pinned));
  }
  assert_true(done > 0 && not_done > 0);
}

/* Pinned memory is read when the copy is done, pageable memory when it is asked for. */
static void pinned_memory_is_read_late_and_pageable_at_once(void **state)
{
  (void)state;
  cudaStream_t s = stream_make();
  uint32_t *p = device_words(2, 1), *pinned, pageable = 5;
  OK(cudaMallocHost((void **)&pinned, 4));
  *pinned = 5;
  OK(cudaMemcpyAsync(p, pinned, 4, cudaMemcpyHostToDevice, s));
  OK(cudaMemcpyAsync(p + 1, &pageable, 4, cudaMemcpyHostToDevice, s));
  *pinned = pageable = 6;
  OK(cudaStreamSynchronize(s));
  assert_int_equal(read_word(p), 6);
  assert_int_equal(read_word(p + 1), 5);
  OK(cudaFreeHost(pinned));
}

static void the_default_stream_waits_for_blocking_streams_only(void **state)
{
  (void)state;
  int seen_blocking = 0, seen_other = 0;
  for (uint64_t seed = 1; seed < 40; seed++) {
    fresh(NULL);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, seed);
    cudacpu_allow_default_stream(1);
    cudaStream_t blocking, other = stream_make();
    OK(cudaStreamCreate(&blocking));
    uint32_t *p = device_words(64, 1), *q = device_words(64, 1);
    OK(kernel("add_one", p, 64, blocking));
    OK(kernel("add_one", q, 64, other));
    OK(kernel("twice", p, 64, NULL));
    OK(kernel("twice", q, 64, NULL));
    OK(kernel("add_one", p, 64, blocking));
    OK(cudaDeviceSynchronize());
    seen_blocking |= read_word(p) == 5 ? 1 : 2;
    seen_other |= read_word(q) == 4 ? 1 : 2;
  }
  assert_int_equal(seen_blocking, 1);
  assert_int_equal(seen_other, 3);
  assert_int_equal(cudacpu_report_count(), 0);
}

static void a_kernel_on_the_default_stream_is_reported(void **state)
{
  (void)state;
  uint32_t *p = device_words(64, 1);
  OK(kernel("add_one", p, 64, NULL));
  assert_int_equal(cudacpu_report_count(), 1);
  assert_int_equal(cudacpu_report(0)->kind, CUDACPU_DEFAULT_STREAM);
  assert_string_equal(cudacpu_report(0)->kernel, "add_one");
  OK(cudaDeviceSynchronize());
  cudacpu_clear_reports();
}

static void set_flag(void *flag)
{
  *(int *)flag = 1;
}

static void events_tell_what_is_done_and_when(void **state)
{
  (void)state;
  cudaStream_t s = stream_make();
  cudaEvent_t a, b, untimed;
  float ms = -1;
  int flag = 0;
  uint32_t *p = device_words(64, 1);
  OK(cudaEventCreate(&a));
  OK(cudaEventCreate(&b));
  OK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
  assert_int_equal(cudaEventElapsedTime(&ms, a, b), cudaErrorInvalidResourceHandle); /* never recorded */
  OK(cudaEventRecord(a, s));
  OK(kernel("add_one", p, 64, s));
  OK(cudaLaunchHostFunc(s, set_flag, &flag));
  OK(cudaEventRecord(b, s));
  assert_int_equal(flag, 0);
  assert_int_equal(cudaEventElapsedTime(&ms, a, b), cudaErrorNotReady);
  assert_int_equal(cudaEventQuery(b), cudaErrorNotReady);
  int questions = 0;
  while (cudaStreamQuery(s) == cudaErrorNotReady && questions < 100) questions++;
  assert_in_range(questions, 1, 10);
  assert_int_equal(flag, 1);
  OK(cudaEventQuery(b));
  OK(cudaEventElapsedTime(&ms, a, b));
  assert_true(ms >= 0 && ms < 60000);
  OK(cudaEventRecord(untimed, s));
  OK(cudaEventSynchronize(untimed));
  assert_int_equal(cudaEventElapsedTime(&ms, a, untimed), cudaErrorInvalidResourceHandle);
  OK(cudaEventDestroy(a));
  assert_int_equal(cudaEventRecord(a, s), cudaErrorInvalidResourceHandle);
  OK(cudaStreamDestroy(s));
  assert_int_equal(kernel("add_one", p, 64, s), cudaErrorInvalidResourceHandle);
}

/* --------------------------------------------------------------------------------------- graphs */

/* p ← 2·(p + 1), on another stream q ← 2·q, joined, p ← p + 1. */
static cudaGraph_t fork_and_join(cudaStream_t s, cudaStream_t r, uint32_t *p, uint32_t *q)
{
  cudaEvent_t fork, join;
  cudaGraph_t graph;
  OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  OK(cudaEventRecord(fork, s));
  OK(cudaStreamWaitEvent(r, fork, 0));
  OK(kernel("add_one", p, 64, s));
  OK(kernel("twice", q, 64, r));
  OK(kernel("twice", p, 64, s));
  OK(cudaEventRecord(join, r));
  OK(cudaStreamWaitEvent(s, join, 0));
  OK(kernel("add_one", p, 64, s));
  OK(cudaStreamEndCapture(s, &graph));
  OK(cudaEventDestroy(fork));
  OK(cudaEventDestroy(join));
  return graph;
}

static void a_captured_graph_runs_when_launched_as_often_as_launched(void **state)
{
  (void)state;
  for (uint64_t seed = 0; seed < 6; seed++) {
    fresh(NULL);
    cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, seed);
    cudaStream_t s = stream_make(), r = stream_make();
    uint32_t *p = device_words(64, 1), *q = device_words(64, 1);
    size_t nodes;
    cudaGraph_t graph = fork_and_join(s, r, p, q);
    cudaGraphExec_t exec;
    OK(cudaGraphGetNodes(graph, NULL, &nodes));
    assert_int_equal(nodes, 4);
    OK(cudaGraphInstantiate(&exec, graph, 0));
    OK(cudaGraphDestroy(graph));
    assert_int_equal(read_word(p), 1); /* nothing has run */
    for (int i = 0; i < 3; i++) OK(cudaGraphLaunch(exec, i == 1 ? r : s));
    OK(cudaDeviceSynchronize());
    assert_int_equal(read_word(p), 29); /* 1, 5, 13, 29 */
    assert_int_equal(read_word(q), 8);
    assert_int_equal(cudacpu_counts().captures, 1);
    assert_int_equal(cudacpu_counts().graph_launches, 3);
    assert_int_equal(cudacpu_counts().graphs, 1);
    assert_int_equal(cudacpu_counts().streams, 2);
    assert_int_equal(cudacpu_counts().events, 0);
    OK(cudaGraphExecDestroy(exec));
    assert_int_equal(cudacpu_counts().graphs, 0);
    assert_int_equal(cudaGraphLaunch(exec, s), cudaErrorInvalidValue);
  }
}

static char letters[8];
static void write_letter(void *letter)
{
  letters[strlen(letters)] = *(char *)letter;
}

/* a, on one stream b and c, on another x and y, joined, d. */
static cudaGraph_t branch_of_letters(cudaStream_t s, cudaStream_t r)
{
  cudaEvent_t fork, join;
  cudaGraph_t graph;
  OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  OK(cudaLaunchHostFunc(s, write_letter, "a"));
  OK(cudaEventRecord(fork, s));
  for (const char *c = "bcd"; *c; c++) {
    if (*c == 'd') {
      OK(cudaStreamWaitEvent(r, fork, 0));
      OK(cudaLaunchHostFunc(r, write_letter, "x"));
      OK(cudaLaunchHostFunc(r, write_letter, "y"));
      OK(cudaEventRecord(join, r));
      OK(cudaStreamWaitEvent(s, join, 0));
    }
    OK(cudaLaunchHostFunc(s, write_letter, (void *)c));
  }
  OK(cudaStreamEndCapture(s, &graph));
  OK(cudaEventDestroy(fork));
  OK(cudaEventDestroy(join));
  return graph;
}

static void a_branch_runs_first_or_last_where_a_test_asks_for_it(void **state)
{
  (void)state;
  static const struct {
    enum cudacpu_branches branches;
    const char *letters; /* NULL: it depends on the seed */
  } cases[] = {{CUDACPU_BRANCHES_FIRST, "axybcd"}, {CUDACPU_BRANCHES_LAST, "abcxyd"}, {CUDACPU_BRANCHES_DRAWN, NULL}};
  for (int i = 0; i < 3; i++) {
    int others = 0;
    for (uint64_t seed = 0; seed < 12; seed++) {
      cudaGraphExec_t exec;
      fresh(NULL);
      cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, seed);
      cudacpu_set_branches(cases[i].branches);
      cudaStream_t s = stream_make();
      cudaGraph_t graph = branch_of_letters(s, stream_make());
      OK(cudaGraphInstantiate(&exec, graph, 0));
      memset(letters, 0, sizeof letters);
      OK(cudaGraphLaunch(exec, s));
      OK(cudaStreamSynchronize(s));
      if (cases[i].letters) assert_string_equal(letters, cases[i].letters);
      assert_int_equal(strlen(letters), 6);
      assert_int_equal(letters[0], 'a');
      assert_int_equal(letters[5], 'd');
      others += strcmp(letters, "axybcd") != 0 && strcmp(letters, "abcxyd") != 0;
    }
    assert_true(cases[i].letters ? others == 0 : others > 0);
  }
}

/* A graph of three kernels, of which the last two begin early. */
static void run_early(enum planted_early how, unsigned *p[4], uint64_t seed)
{
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  cudacpu_set_order(CUDACPU_FORWARD, CUDACPU_FORWARD, seed);
  cudaStream_t s = stream_make();
  for (int i = 0; i < 4; i++) p[i] = device_words(128, 10);
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  for (int i = 0; i < 3; i++) OK(planted_early_launch(i == 1 ? how : EARLY_WAITS, i > 0, p[i + 1], p[i], s));
  OK(cudaStreamEndCapture(s, &graph));
  OK(cudaGraphInstantiate(&exec, graph, 0));
  OK(cudaGraphLaunch(exec, s));
  OK(cudaStreamSynchronize(s));
}

static void a_kernel_that_begins_early_has_waited_in_every_thread(void **state)
{
  (void)state;
  unsigned *p[4];
  for (uint64_t seed = 0; seed < 4; seed++) {
    fresh(NULL);
    run_early(EARLY_WAITS, p, seed);
    assert_int_equal(read_word(p[3] + 71), 13);
    assert_int_equal(cudacpu_counts().launches, 3);
    assert_int_equal(cudacpu_counts().early, 2);
    assert_int_equal(cudacpu_report_count(), 0);
    run_early(EARLY_ONE_NEVER, p, seed);
    assert_int_equal(cudacpu_report_count(), 1);
    const struct cudacpu_report *report = cudacpu_report(0);
    assert_int_equal(report->kind, CUDACPU_NOT_WAITED);
    assert_string_equal(report->kernel, "early_kernel");
    assert_int_equal(report->block[0], 1);
    assert_int_equal(report->thread[0], 7);
    assert_int_equal(report->times, 1);
  }
  fresh(NULL);
}

static void no_kernel_begins_early_before_compute_capability_9(void **state)
{
  (void)state;
  unsigned *p[4];
  assert_true(cudacpu_set_capability(0, 8, 0));
  run_early(EARLY_ONE_NEVER, p, 0);
  assert_int_equal(read_word(p[3] + 71), 13);
  assert_int_equal(cudacpu_counts().early, 0);
  assert_int_equal(cudacpu_report_count(), 0);
}

static void graphs_with_early_kernels_are_refused_where_the_test_says_so(void **state)
{
  (void)state;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  cudaStream_t s = stream_make();
  unsigned *p = device_words(128, 1), *q = device_words(128, 1);
  cudacpu_refuse_early_graphs(1);
  for (int early = 1; early >= 0; early--) {
    OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
    OK(planted_early_launch(EARLY_WAITS, 0, q, p, s));
    OK(planted_early_launch(EARLY_WAITS, early, p, q, s));
    OK(cudaStreamEndCapture(s, &graph));
    assert_int_equal(cudaGraphInstantiate(&exec, graph, 0), early ? cudaErrorNotSupported : cudaSuccess);
    OK(cudaGraphDestroy(graph));
  }
}

/* Of several that come before it, and of what is no kernel, nothing says how early it may begin. */
static void a_kernel_begins_early_after_one_other_kernel_alone(void **state)
{
  (void)state;
  cudaStream_t s = stream_make(), r = stream_make();
  unsigned *p = device_words(128, 1), *q = device_words(128, 1);
  cudaEvent_t event;
  cudaGraph_t graph;
  OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  OK(planted_early_launch(EARLY_WAITS, 1, q, p, s)); /* nothing comes before */
  OK(cudaEventRecord(event, s));
  OK(cudaStreamWaitEvent(r, event, 0));
  OK(planted_early_launch(EARLY_WAITS, 0, q, p, r));
  OK(cudaEventRecord(event, r));
  OK(planted_early_launch(EARLY_WAITS, 1, q, p, s));
  OK(cudaStreamWaitEvent(s, event, 0));
  assert_int_equal(planted_early_launch(EARLY_WAITS, 1, q, p, s), cudaErrorNotSupported);
  OK(cudaMemsetAsync(p, 0, 4, s));
  assert_int_equal(planted_early_launch(EARLY_WAITS, 1, q, p, s), cudaErrorNotSupported);
  OK(cudaStreamEndCapture(s, &graph));
  OK(cudaGraphDestroy(graph));
  OK(cudaEventDestroy(event));
}

static void a_graph_is_updated_with_other_arguments_not_with_other_kernels(void **state)
{
  (void)state;
  cudaStream_t s = stream_make(), r = stream_make();
  uint32_t *p = device_words(64, 1), *q = device_words(64, 1), *p2 = device_words(64, 10), *q2 = device_words(64, 10);
  cudaGraphExecUpdateResultInfo info;
  cudaGraphExec_t exec;
  cudaGraph_t graph = fork_and_join(s, r, p, q), other = fork_and_join(s, r, p2, q2), single;
  OK(cudaGraphInstantiate(&exec, graph, 0));
  OK(cudaGraphExecUpdate(exec, other, &info));
  OK(cudaGraphLaunch(exec, s));
  OK(cudaStreamSynchronize(s));
  assert_int_equal(read_word(p), 1);
  assert_int_equal(read_word(p2), 23);
  assert_int_equal(read_word(q2), 20);
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  OK(kernel("twice", p, 64, s));
  OK(cudaStreamEndCapture(s, &single));
  assert_int_equal(cudaGraphExecUpdate(exec, single, &info), cudaErrorGraphExecUpdateFailure);
  assert_int_equal(info.result, cudaGraphExecUpdateErrorTopologyChanged);
  OK(cudaGraphLaunch(exec, s));
  OK(cudaStreamSynchronize(s));
  assert_int_equal(read_word(p2), 49);
}

static void mistakes_in_a_capture_are_errors(void **state)
{
  (void)state;
  cudaStream_t s = stream_make(), r = stream_make();
  uint32_t *p = device_words(64, 1);
  cudaEvent_t event, outside;
  cudaGraph_t graph;
  void *q;
  OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  OK(cudaEventCreateWithFlags(&outside, cudaEventDisableTiming));
  OK(cudaEventRecord(outside, r));

  /* an allocation, a wait of the host */
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  assert_int_equal(cudaMalloc(&q, 64), cudaErrorStreamCaptureUnsupported);
  assert_int_equal(kernel("twice", p, 64, s), cudaErrorStreamCaptureInvalidated);
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
  assert_null(graph);
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  assert_int_equal(cudaStreamSynchronize(s), cudaErrorStreamCaptureUnsupported);
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);

  /* work of another stream that is not of the capture; a branch that does not come back */
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  assert_int_equal(cudaStreamWaitEvent(s, outside, 0), cudaErrorStreamCaptureIsolation);
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  OK(cudaEventRecord(event, s));
  OK(cudaStreamWaitEvent(r, event, 0));
  OK(kernel("twice", p, 64, r));
  assert_int_equal(cudaStreamEndCapture(r, &graph), cudaErrorStreamCaptureUnmatched);
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureInvalidated);
  OK(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  OK(cudaEventRecord(event, s));
  OK(cudaStreamWaitEvent(r, event, 0));
  OK(kernel("twice", p, 64, r));
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaErrorStreamCaptureUnjoined);
  assert_int_equal(cudaEventSynchronize(event), cudaErrorCapturedEvent);

  /* the streams are as before */
  OK(kernel("twice", p, 64, r));
  OK(cudaStreamSynchronize(r));
  assert_int_equal(read_word(p), 2);
  assert_int_equal(cudaStreamBeginCapture(NULL, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
}

static void *wait_for(void *stream)
{
  void *q;
  cudaError_t waited = cudaStreamSynchronize(stream), allocated = cudaMalloc(&q, 64);
  if (!allocated) cudaFree(q);
  return (void *)(intptr_t)(waited ? waited : allocated);
}

/* Calls waited for by another thread while this one captures: as the capture's mode says. */
static void a_capture_of_its_thread_alone_leaves_other_threads_alone(void **state)
{
  static const struct {
    enum cudaStreamCaptureMode mode;
    cudaError_t others, end;
  } cases[] = {{cudaStreamCaptureModeThreadLocal, cudaSuccess, cudaSuccess},
               {cudaStreamCaptureModeGlobal, cudaErrorStreamCaptureUnsupported, cudaErrorStreamCaptureInvalidated}};
  (void)state;
  for (int i = 0; i < 2; i++) {
    cudaStream_t s = stream_make(), other = stream_make();
    uint32_t *p = device_words(64, 1);
    cudaGraph_t graph;
    pthread_t thread;
    void *result;
    OK(cudaStreamBeginCapture(s, cases[i].mode));
    OK(kernel("twice", p, 64, s));
    assert_int_equal(pthread_create(&thread, NULL, wait_for, other), 0);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, cases[i].others);
    assert_int_equal(cudaStreamEndCapture(s, &graph), cases[i].end);
    if (graph) OK(cudaGraphDestroy(graph));
  }
}

/* --------------------------------------------------------------------------- limits and devices */

static void launches_beyond_the_limits_are_refused(void **state)
{
  (void)state;
  cudaStream_t s = stream_make();
  const struct {
    dim3 grid, block;
    size_t shared;
    cudaError_t error;
  } launches[] = {
      {{1, 1, 1}, {1024, 1, 1}, 48 << 10, cudaSuccess},
      {{1, 1, 1}, {1025, 1, 1}, 0, cudaErrorInvalidConfiguration},
      {{1, 1, 1}, {32, 33, 1}, 0, cudaErrorInvalidConfiguration},
      {{1, 1, 1}, {1, 1, 65}, 0, cudaErrorInvalidConfiguration},
      {{0, 1, 1}, {32, 1, 1}, 0, cudaErrorInvalidConfiguration},
      {{1, 65536, 1}, {32, 1, 1}, 0, cudaErrorInvalidConfiguration},
      {{1, 1, 65536}, {32, 1, 1}, 0, cudaErrorInvalidConfiguration},
      {{1, 1, 1}, {32, 0, 1}, 0, cudaErrorInvalidConfiguration},
      {{1, 1, 1}, {32, 1, 1}, (48 << 10) + 1, cudaErrorInvalidValue},
  };
  for (size_t i = 0; i < sizeof launches / sizeof *launches; i++) {
    assert_int_equal(sound_launch("reverse", launches[i].grid, launches[i].block, launches[i].shared, s, NULL, NULL, 0),
                     launches[i].error);
    assert_int_equal(cudaGetLastError(), launches[i].error);
  }
  OK(cudaStreamSynchronize(s)); /* none sticks */

  /* more shared memory where the kernel has asked for it, on that device, and no more than there
   * is */
  assert_int_equal(sound_allow_shared("reverse", (227 << 10) + 1), cudaErrorInvalidValue);
  OK(sound_allow_shared("reverse", 227 << 10));
  OK(sound_launch("reverse", launches[0].grid, launches[0].block, 227 << 10, s, NULL, NULL, 0));
  OK(cudaStreamSynchronize(s));
  OK(cudaSetDevice(1));
  s = stream_make();
  assert_int_equal(sound_launch("reverse", launches[0].grid, launches[0].block, 227 << 10, s, NULL, NULL, 0),
                   cudaErrorInvalidValue);
}

static void devices_are_what_the_test_says(void **state)
{
  (void)state;
  struct cudaDeviceProp p;
  int n, value;
  cudacpu_reset(3, NULL);
  snprintf(cudacpu_properties(2)->name, sizeof p.name, "A100");
  cudacpu_properties(2)->major = 8;
  OK(cudaGetDeviceCount(&n));
  assert_int_equal(n, 3);
  OK(cudaGetDeviceProperties(&p, 2));
  assert_string_equal(p.name, "A100");
  OK(cudaDeviceGetAttribute(&value, cudaDevAttrComputeCapabilityMajor, 2));
  assert_int_equal(value, 8);
  assert_int_equal(cudaSetDevice(3), cudaErrorInvalidDevice);
  OK(cudaSetDevice(2));
  OK(cudaGetDevice(&n));
  assert_int_equal(n, 2);
  cudacpu_reset(0, NULL);
  assert_int_equal(cudaGetDeviceCount(&n), cudaErrorNoDevice);
  assert_int_equal(n, 0);
  void *q;
  assert_int_equal(cudaMalloc(&q, 1), cudaErrorNoDevice);
  assert_string_equal(cudaGetErrorName(cudaErrorNoDevice), "cudaErrorNoDevice");
  assert_string_equal(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
}

/* What a block may ask for, and what the GPU of that kind has not. */
static void devices_are_of_the_kind_that_the_test_says(void **state)
{
  (void)state;
  const struct {
    int major, minor, block_kib, double_ratio;
    cudaError_t launch;
    int early;
  } kinds[] = {{7, 5, 64, 32, cudaErrorNoKernelImageForDevice, 0},
               {8, 0, 163, 2, cudaSuccess, 0},
               {8, 6, 99, 64, cudaSuccess, 0},
               {8, 9, 99, 64, cudaSuccess, 0},
               {12, 0, 99, 64, cudaSuccess, 1}};
  assert_false(cudacpu_set_capability(0, 8, 1));
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    int value;
    fresh(NULL);
    assert_true(cudacpu_set_capability(0, kinds[i].major, kinds[i].minor));
    cudaStream_t s = stream_make();
    unsigned *p = device_words(128, 1), *q = device_words(128, 1);
    OK(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    assert_int_equal(value, kinds[i].block_kib << 10);
    OK(cudaDeviceGetAttribute(&value, cudaDevAttrSingleToDoublePrecisionPerfRatio, 0));
    assert_int_equal(value, kinds[i].double_ratio);
    OK(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    assert_int_equal(sound_allow_shared("reverse", value + 1), cudaErrorInvalidValue);
    OK(sound_allow_shared("reverse", value));
    assert_int_equal(planted_early_launch(EARLY_WAITS, 0, q, p, s), kinds[i].launch);
    assert_int_equal(planted_early_launch(EARLY_WAITS, 1, q, p, s), kinds[i].launch);
    OK(cudaStreamSynchronize(s));
    assert_int_equal(cudacpu_counts().early, kinds[i].early);
  }
}

static void a_stream_belongs_to_its_device(void **state)
{
  (void)state;
  cudaStream_t s = stream_make();
  uint32_t *p = device_words(64, 1);
  OK(cudaSetDevice(1));
  assert_int_equal(kernel("twice", p, 64, s), cudaErrorInvalidResourceHandle);
  OK(cudaSetDevice(0));
  OK(kernel("twice", p, 64, s));
  OK(cudaStreamSynchronize(s));
  assert_int_equal(read_word(p), 2);
}

/* Launches, waits and reads on a device of its own. */
static void *use_a_device(void *device)
{
  cudaStream_t s;
  uint32_t *p, x = 1;
  int d = *(int *)device;
  if (cudaSetDevice(d) || cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking) || cudaMalloc((void **)&p, 256))
    return "no device";
  for (uint32_t round = 1; round <= 50; round++) {
    if (cudaMemsetAsync(p, 0, 256, s)) return "no memset";
    for (uint32_t i = 0; i < round; i++)
      if (kernel("add_one", p, 64, s)) return "no launch";
    if (cudaMemcpyAsync(&x, p + 63, sizeof x, cudaMemcpyDeviceToHost, s) || cudaStreamSynchronize(s)) return "no copy";
    if (x != round) return "a wrong number";
  }
  return cudaFree(p) || cudaStreamDestroy(s) ? "not freed" : NULL;
}

static void threads_of_the_host_use_devices_side_by_side(void **state)
{
  (void)state;
  pthread_t threads[4];
  int devices[4] = {0, 1, 0, 1};
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, use_a_device, &devices[i]), 0);
  for (int i = 0; i < 4; i++) {
    void *wrong;
    assert_int_equal(pthread_join(threads[i], &wrong), 0);
    if (wrong) fail_msg("thread %d: %s", i, (char *)wrong);
  }
  assert_int_equal(cudacpu_counts().launches, 4 * 50 * 51 / 2);
  assert_int_equal(cudacpu_counts().allocations, 0);
}

/* ------------------------------------------------------------------------------- planted faults */

static void the_nth_allocation_fails(void **state)
{
  (void)state;
  void *p, *q;
  cudacpu_fail_allocation(2);
  OK(cudaMalloc(&p, 64));
  assert_int_equal(cudaMalloc(&q, 64), cudaErrorMemoryAllocation);
  OK(cudaMalloc(&q, 64));
  cudacpu_fail_host_allocation(1);
  assert_int_equal(cudaMallocHost(&q, 64), cudaErrorMemoryAllocation);
  OK(cudaMallocHost(&q, 64));
  OK(cudaFreeHost(q));
}

static void a_launch_is_refused_once(void **state)
{
  (void)state;
  cudaStream_t s = stream_make();
  uint32_t *p = device_words(64, 1);
  cudacpu_fail_launch(2, cudaErrorLaunchOutOfResources);
  OK(kernel("twice", p, 64, s));
  assert_int_equal(kernel("twice", p, 64, s), cudaErrorLaunchOutOfResources);
  OK(kernel("twice", p, 64, s));
  OK(cudaStreamSynchronize(s));
  assert_int_equal(read_word(p), 4);
}

static void an_error_of_a_kernel_sticks_to_its_device(void **state)
{
  (void)state;
  cudaStream_t s = stream_make();
  uint32_t *p = device_words(64, 1);
  void *q;
  cudacpu_fail_launch(2, cudaErrorLaunchFailure);
  OK(kernel("twice", p, 64, s));
  OK(kernel("twice", p, 64, s)); /* told later */
  OK(kernel("twice", p, 64, s));
  assert_int_equal(cudaStreamSynchronize(s), cudaErrorLaunchFailure);
  assert_int_equal(cudaMalloc(&q, 64), cudaErrorLaunchFailure);
  assert_int_equal(cudaFree(p), cudaErrorLaunchFailure);
  assert_int_equal(cudaGetLastError(), cudaErrorLaunchFailure);
  assert_int_equal(cudaGetLastError(), cudaErrorLaunchFailure);
  OK(cudaSetDevice(1)); /* the other one works */
  p = device_words(64, 1);
  s = stream_make();
  OK(kernel("twice", p, 64, s));
  OK(cudaStreamSynchronize(s));
  assert_int_equal(read_word(p), 2);
  assert_int_equal(cudaSetDevice(0), cudaErrorLaunchFailure);
  OK(cudaDeviceReset());
  assert_int_equal(cudacpu_counts().allocations, 1); /* of device 1 */
  p = device_words(64, 5);
  assert_int_equal(read_word(p), 5);
}

static void a_lost_device_stays_lost(void **state)
{
  (void)state;
  cudaStream_t s = stream_make();
  uint32_t *p = device_words(64, 1);
  cudacpu_lose_device(0, 3, cudaErrorECCUncorrectable);
  for (int i = 0; i < 5; i++) OK(kernel("twice", p, 64, s));
  assert_int_equal(cudaStreamSynchronize(s), cudaErrorECCUncorrectable);
  assert_int_equal(cudacpu_counts().launches, 2);
  assert_int_equal(cudaDeviceReset(), cudaErrorECCUncorrectable);
  assert_int_equal(cudaDeviceSynchronize(), cudaErrorECCUncorrectable);
  cudacpu_lose_device(1, 0, cudaErrorDevicesUnavailable);
  assert_int_equal(cudaSetDevice(1), cudaErrorDevicesUnavailable);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_device_has_only_its_memory, fresh),
      cmocka_unit_test_setup(new_memory_is_not_a_number, fresh),
      cmocka_unit_test_setup(copies_are_held_to_their_kind_and_bounds, fresh),
      cmocka_unit_test_setup(the_host_cannot_touch_device_memory, fresh),
      cmocka_unit_test_setup(a_report_that_nobody_clears_fails_the_program, fresh),
      cmocka_unit_test_setup(a_stream_keeps_its_order_and_waits_for_the_host, fresh),
      cmocka_unit_test_setup(a_missing_wait_between_streams_shows, fresh),
      cmocka_unit_test_setup(a_missing_wait_of_the_host_shows, fresh),
      cmocka_unit_test_setup(pinned_memory_is_read_late_and_pageable_at_once, fresh),
      cmocka_unit_test_setup(the_default_stream_waits_for_blocking_streams_only, fresh),
      cmocka_unit_test_setup(a_kernel_on_the_default_stream_is_reported, fresh),
      cmocka_unit_test_setup(events_tell_what_is_done_and_when, fresh),
      cmocka_unit_test_setup(a_captured_graph_runs_when_launched_as_often_as_launched, fresh),
      cmocka_unit_test_setup(a_branch_runs_first_or_last_where_a_test_asks_for_it, fresh),
      cmocka_unit_test_setup(a_kernel_that_begins_early_has_waited_in_every_thread, fresh),
      cmocka_unit_test_setup(no_kernel_begins_early_before_compute_capability_9, fresh),
      cmocka_unit_test_setup(graphs_with_early_kernels_are_refused_where_the_test_says_so, fresh),
      cmocka_unit_test_setup(a_kernel_begins_early_after_one_other_kernel_alone, fresh),
      cmocka_unit_test_setup(a_graph_is_updated_with_other_arguments_not_with_other_kernels, fresh),
      cmocka_unit_test_setup(mistakes_in_a_capture_are_errors, fresh),
      cmocka_unit_test_setup(a_capture_of_its_thread_alone_leaves_other_threads_alone, fresh),
      cmocka_unit_test_setup(launches_beyond_the_limits_are_refused, fresh),
      cmocka_unit_test_setup(devices_are_what_the_test_says, fresh),
      cmocka_unit_test_setup(devices_are_of_the_kind_that_the_test_says, fresh),
      cmocka_unit_test_setup(a_stream_belongs_to_its_device, fresh),
      cmocka_unit_test_setup(threads_of_the_host_use_devices_side_by_side, fresh),
      cmocka_unit_test_setup(the_nth_allocation_fails, fresh),
      cmocka_unit_test_setup(a_launch_is_refused_once, fresh),
      cmocka_unit_test_setup(an_error_of_a_kernel_sticks_to_its_device, fresh),
      cmocka_unit_test_setup(a_lost_device_stays_lost, fresh),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
