/* CUDA on the CPU: each fault that the harness should find is planted in a kernel (planted_*.cu)
 * and is found, by kind, kernel, file and line, in whatever order threads and blocks run; right
 * kernels that resemble them give no report.
 *
 * This program has the checked kernels; the right ones of test_cudacpu_device run here, too, and
 * give no report.  There, the faults are found that need no look at every access. */
#define CUDACPU_CHECKED_TEST
#include "tests/cudacpu/selftest/test_cudacpu_device.c"
#include "tests/cudacpu/selftest/planted_early.h"

static void copies_to_the_host_of_memory_never_written_are_reported(void **state)
{
  (void)state;
  float *p, *q, x[4] = {1, 2, 3, 4};
  assert_int_equal(cudaMalloc((void **)&p, sizeof x), cudaSuccess);
  assert_int_equal(cudaMalloc((void **)&q, sizeof x), cudaSuccess);
  assert_int_equal(cudaMemcpy(p, x, 3 * sizeof *x, cudaMemcpyHostToDevice), cudaSuccess);
  assert_int_equal(cudaMemcpy(q, p, sizeof x, cudaMemcpyDeviceToDevice), cudaSuccess);
  assert_int_equal(cudaMemcpy(x, q, 3 * sizeof *x, cudaMemcpyDeviceToHost), cudaSuccess);
  assert_int_equal(cudacpu_report_count(), 0);
  assert_int_equal(cudaMemcpy(x, q, sizeof x, cudaMemcpyDeviceToHost), cudaSuccess);
  assert_int_equal(cudacpu_report_count(), 1);
  assert_int_equal(cudacpu_report(0)->kind, CUDACPU_UNWRITTEN);
  assert_non_null(strstr(cudacpu_report(0)->text, "byte 12 of the 16"));
  cudacpu_clear_reports();
}

static void parts_of_an_allocation_have_bounds_of_their_own(void **state)
{
  (void)state;
  struct planted_case c = planted_find("behind_an_allocation");
  struct planted_buffers m = planted_buffers_make();
  float *whole;
  assert_int_equal(cudaMalloc((void **)&whole, 4096 * sizeof *whole), cudaSuccess);
  cudacpu_forbid(whole, 4096 * sizeof *whole);
  cudacpu_allow(whole, 256 * sizeof *whole);
  cudacpu_allow(whole + 320, 256 * sizeof *whole);
  m.out = whole + 320;
  assert_int_equal(planted_launch(&c, &m), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(m.stream), cudaErrorIllegalAddress);
  assert_int_equal(cudacpu_report_count(), 1);
  assert_int_equal(cudacpu_report(0)->kind, CUDACPU_OUT_OF_BOUNDS);
  cudacpu_clear_reports();
}

static void freed_memory_is_out_of_bounds(void **state)
{
  (void)state;
  struct planted_buffers m = planted_buffers_make();
  struct planted_case c = planted_find("write_barrier_read");
  assert_int_equal(cudaFree(m.out), cudaSuccess);
  assert_int_equal(planted_launch(&c, &m), cudaSuccess);
  assert_int_equal(cudaStreamSynchronize(m.stream), cudaErrorIllegalAddress);
  assert_int_equal(cudacpu_report(0)->kind, CUDACPU_OUT_OF_BOUNDS);
  cudacpu_clear_reports();
}

/* ---- kernels of a graph side by side --------------------------------------------------------- */

/* What one kernel does: buffers 0, 1, 2; `from` of a kernel that reads no other is -1. */
struct touches {
  const char *kernel; /* add_one: to ← to + 1; reverse: to ← from */
  int to, from;
};

static uint32_t *beside_buffers[3];

static void touch(const struct touches *t, int begin, cudaStream_t s)
{
  const dim3 one = {1, 1, 1}, block = {64, 1, 1};
  if (!t->kernel) return;
  const uint32_t *from = t->from < 0 ? NULL : beside_buffers[t->from];
  assert_int_equal(
      sound_launch(t->kernel, one, block, 32 * sizeof(uint32_t), s, beside_buffers[t->to] + begin, from, 32),
      cudaSuccess);
}

/* Writes all, then `line` beside `branch`, whose output begins with word `begin`; joined, writes
 * all once more. */
static cudaGraphExec_t graph_of(cudaStream_t s, cudaStream_t r, const struct touches line[2],
                                const struct touches *branch, int begin)
{
  cudaEvent_t event;
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  assert_int_equal(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
  assert_int_equal(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  for (int i = 0; i < 3; i++) touch(&(struct touches){"add_one", i, -1}, 0, s);
  assert_int_equal(cudaEventRecord(event, s), cudaSuccess);
  assert_int_equal(cudaStreamWaitEvent(r, event, 0), cudaSuccess);
  for (int i = 0; i < 2; i++) touch(&line[i], 0, s);
  touch(branch, begin, r);
  assert_int_equal(cudaEventRecord(event, r), cudaSuccess);
  assert_int_equal(cudaStreamWaitEvent(s, event, 0), cudaSuccess);
  for (int i = 0; i < 3; i++) touch(&(struct touches){"add_one", i, -1}, 0, s);
  assert_int_equal(cudaStreamEndCapture(s, &graph), cudaSuccess);
  assert_int_equal(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
  assert_int_equal(cudaGraphDestroy(graph), cudaSuccess);
  assert_int_equal(cudaEventDestroy(event), cudaSuccess);
  return exec;
}

static const struct beside {
  struct touches line[2], branch;
  int begin; /* of the branch's output */
  int races;
} beside[] = {
    {{{"add_one", 0, -1}, {0}}, {"add_one", 0, -1}, 0, 1},
    {{{"reverse", 1, 0}, {0}}, {"add_one", 0, -1}, 0, 1}, /* one reads, the other writes */
    {{{"add_one", 0, -1}, {0}}, {"reverse", 1, 0}, 0, 1},
    {{{"reverse", 2, 0}, {"add_one", 0, -1}}, {"reverse", 1, 0}, 0, 1}, /* an ordered one reads between the two */
    {{{"add_one", 0, -1}, {0}}, {"add_one", 0, -1}, 31, 1},             /* one word in common */
    {{{"add_one", 0, -1}, {0}}, {"add_one", 0, -1}, 32, 0},             /* none */
    {{{"reverse", 1, 0}, {0}}, {"reverse", 2, 0}, 0, 0},                /* both read */
    {{{"add_one", 0, -1}, {"reverse", 1, 0}}, {"add_one", 2, -1}, 0, 0},
};

static void kernels_of_a_graph_that_nothing_orders_are_held_apart(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
    for (int branches = CUDACPU_BRANCHES_DRAWN; branches <= CUDACPU_BRANCHES_LAST; branches++) {
      cudaStream_t s, r;
      fresh_machine(NULL);
      cudacpu_set_branches((enum cudacpu_branches)branches);
      assert_int_equal(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), cudaSuccess);
      assert_int_equal(cudaStreamCreateWithFlags(&r, cudaStreamNonBlocking), cudaSuccess);
      for (int b = 0; b < 3; b++) {
        assert_int_equal(cudaMalloc((void **)&beside_buffers[b], 64 * sizeof(uint32_t)), cudaSuccess);
        assert_int_equal(cudaMemset(beside_buffers[b], 0, 64 * sizeof(uint32_t)), cudaSuccess);
      }
      assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
      cudaGraphExec_t exec = graph_of(s, r, beside[i].line, &beside[i].branch, beside[i].begin);
      for (int launch = 0; launch < 2; launch++) assert_int_equal(cudaGraphLaunch(exec, s), cudaSuccess);
      assert_int_equal(cudaStreamSynchronize(s), cudaSuccess);
      if ((cudacpu_report_count() > 0) != beside[i].races)
        fail_msg("case %zu: %s", i, cudacpu_report_count() ? cudacpu_report(0)->text : "no report");
      for (int k = 0; k < cudacpu_report_count(); k++) {
        const struct cudacpu_report *report = cudacpu_report(k);
        if (report->kind != CUDACPU_RACE) fail_msg("case %zu: %s", i, report->text);
        assert_non_null(strstr(report->text, "a kernel beside it in the graph"));
        assert_string_equal(report->file, "tests/cudacpu/selftest/sound.cu");
        assert_true(!strcmp(report->kernel, "add_one") || !strcmp(report->kernel, "reverse"));
      }
    }
  fresh_machine(NULL);
}

/* Kernels one after the other, the first of which does not begin early: buffer `to` ← `from` + 1 */
struct early_step {
  enum planted_early how;
  int early, to, from;
};

static const struct early_case {
  struct early_step steps[2]; /* after buffer 1 ← buffer 0 */
  int n;
  const char *fault; /* NULL: none */
} early_cases[] = {
    {{{EARLY_WAITS, 1, 2, 1}}, 1, NULL},
    {{{EARLY_READS_FIRST, 1, 2, 1}}, 1, "reads"},
    {{{EARLY_READS_FIRST, 0, 2, 1}}, 1, NULL}, /* it does not begin early */
    {{{EARLY_READS_FIRST, 1, 2, 0}}, 1, NULL}, /* what nobody writes */
    {{{EARLY_WRITES_FIRST, 1, 0, 1}}, 1, "writes"},
    {{{EARLY_WRITES_FIRST, 1, 2, 1}}, 1, NULL},                           /* what nobody else touches */
    {{{EARLY_WAITS, 1, 2, 0}, {EARLY_READS_FIRST, 1, 3, 1}}, 2, "reads"}, /* of the one before the one before */
    {{{EARLY_WAITS, 0, 2, 0}, {EARLY_READS_FIRST, 1, 3, 1}}, 2, NULL},    /* which has ended here */
};

static void what_a_kernel_touches_before_it_waits_is_held_apart(void **state)
{
  (void)state;
  for (size_t i = 0; i < sizeof early_cases / sizeof *early_cases; i++) {
    const struct early_case *c = &early_cases[i];
    unsigned *p[4], ones[128];
    cudaStream_t s;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    fresh_machine(NULL);
    memset(ones, 1, sizeof ones);
    assert_int_equal(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), cudaSuccess);
    for (int b = 0; b < 4; b++) {
      assert_int_equal(cudaMalloc((void **)&p[b], sizeof ones), cudaSuccess);
      assert_int_equal(cudaMemcpy(p[b], ones, sizeof ones, cudaMemcpyHostToDevice), cudaSuccess);
    }
    assert_int_equal(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    assert_int_equal(planted_early_launch(EARLY_WAITS, 0, p[1], p[0], s), cudaSuccess);
    for (int k = 0; k < c->n; k++)
      assert_int_equal(
          planted_early_launch(c->steps[k].how, c->steps[k].early, p[c->steps[k].to], p[c->steps[k].from], s),
          cudaSuccess);
    assert_int_equal(cudaStreamEndCapture(s, &graph), cudaSuccess);
    assert_int_equal(cudaGraphInstantiate(&exec, graph, 0), cudaSuccess);
    assert_int_equal(cudaGraphLaunch(exec, s), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(s), cudaSuccess);
    if (cudacpu_report_count() != (c->fault != NULL))
      fail_msg("case %zu: %d reports, %s", i, cudacpu_report_count(),
               cudacpu_report_count() ? cudacpu_report(0)->text : "none");
    if (!c->fault) continue;
    assert_int_equal(cudacpu_report(0)->kind, CUDACPU_RACE);
    assert_true(planted_at("tests/cudacpu/selftest/planted_early.cu", c->fault, cudacpu_report(0)->line));
  }
  fresh_machine(NULL);
}

static void a_race_of_far_blocks_of_a_large_cluster_is_found(void **state)
{
  (void)state;
  for (int order = CUDACPU_FORWARD; order <= CUDACPU_SHUFFLED; order++) {
    cudaStream_t s;
    unsigned *in, *out;
    fresh_machine(NULL);
    cudacpu_set_order((enum cudacpu_order)order, (enum cudacpu_order)order, 3);
    assert_int_equal(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), cudaSuccess);
    assert_int_equal(cudaMalloc((void **)&in, 2048 * sizeof *in), cudaSuccess);
    assert_int_equal(cudaMalloc((void **)&out, 4096 * sizeof *out), cudaSuccess);
    assert_int_equal(cudaMemset(in, 0, 2048 * sizeof *in), cudaSuccess);
    assert_int_equal(cudaMemset(out, 0, 4096 * sizeof *out), cudaSuccess);
    assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
    assert_int_equal(sound_hand_on(1024, 0, out, in, s), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(s), cudaSuccess);
    assert_true(cudacpu_report_count() > 0);
    for (int k = 0; k < cudacpu_report_count(); k++) {
      assert_int_equal(cudacpu_report(k)->kind, CUDACPU_RACE);
      assert_string_equal(cudacpu_report(k)->kernel, "hand_on");
      assert_non_null(strstr(cudacpu_report(k)->text, "barrier of the cluster"));
    }
  }
  fresh_machine(NULL);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(copies_to_the_host_of_memory_never_written_are_reported, fresh_machine),
      cmocka_unit_test_setup(parts_of_an_allocation_have_bounds_of_their_own, fresh_machine),
      cmocka_unit_test_setup(freed_memory_is_out_of_bounds, fresh_machine),
      cmocka_unit_test_setup(kernels_of_a_graph_that_nothing_orders_are_held_apart, fresh_machine),
      cmocka_unit_test_setup(what_a_kernel_touches_before_it_waits_is_held_apart, fresh_machine),
      cmocka_unit_test_setup(a_race_of_far_blocks_of_a_large_cluster_is_found, fresh_machine),
  };
  if (!cudacpu_is_checked()) return 1;
  cudacpu_print_reports(0);
  return planted_run() + device_tests() + cmocka_run_group_tests(tests, NULL, NULL);
}
