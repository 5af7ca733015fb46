/* The test of every row of planted.cu's table, in the build that includes it: reports as the table says, or none, in
 * forward, reverse and several shuffled orders. */
#ifndef CUDACPU_PLANTED_CHECK_H
#define CUDACPU_PLANTED_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planted.h"

static int fresh_machine(void **state)
{
  (void)state;
  cudacpu_clear_reports();
  cudacpu_reset(2, NULL);
  return 0;
}

struct planted_memory {
  cudaStream_t stream;
  float *out, *in, *host;
};

/* The first half of `in` and all of `out` are written. */
static struct planted_memory planted_memory_make(void)
{
  static float host[256];
  struct planted_memory m;
  for (int i = 0; i < 256; i++) host[i] = (float)(i % 100);
  assert_int_equal(cudaStreamCreateWithFlags(&m.stream, cudaStreamNonBlocking), cudaSuccess);
  assert_int_equal(cudaMalloc((void **)&m.out, sizeof host), cudaSuccess);
  assert_int_equal(cudaMalloc((void **)&m.in, sizeof host), cudaSuccess);
  assert_int_equal(cudaMemcpy(m.in, host, sizeof host / 2, cudaMemcpyHostToDevice), cudaSuccess);
  assert_int_equal(cudaMemset(m.out, 0, sizeof host), cudaSuccess);
  assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
  m.host = host;
  return m;
}

__attribute__((unused)) static int planted_index(const char *name)
{
  for (int i = 0; i < n_planted; i++)
    if (!strcmp(planted[i].name, name)) return i;
  fail_msg("no kernel is called %s", name);
  return -1;
}

/* Whether a line of planted.cu is marked as the kernel's fault. */
static int planted_at(const char *name, int line)
{
  char text[512], mark[128];
  FILE *f = fopen("tests/cudacpu/planted.cu", "r");
  assert_non_null(f);
  snprintf(mark, sizeof mark, "/* FAULT %s */", name);
  int found = 0;
  for (int n = 1; fgets(text, sizeof text, f); n++) found |= n == line && strstr(text, mark);
  fclose(f);
  return found;
}

static void planted_once(const struct planted *p, int i)
{
  struct planted_memory m = planted_memory_make();
  int seen = p->kind >= 0 && (p->seen == BY_ALL || cudacpu_is_checked());
  assert_int_equal(planted_launch(i, m.out, m.in, m.host, m.stream), cudaSuccess);
  cudaError_t error = cudaStreamSynchronize(m.stream);
  if (!seen) {
    if (cudacpu_report_count()) fail_msg("a report where none was due: %s", cudacpu_report(0)->text);
    assert_int_equal(error, cudaSuccess);
    return;
  }
  assert_int_equal(error, p->error);
  assert_in_range(cudacpu_report_count(), 1, 4);
  int at_line = 0;
  for (int r = 0; r < cudacpu_report_count(); r++) {
    const struct cudacpu_report *report = cudacpu_report(r);
    if (report->kind != (enum cudacpu_report_kind)p->kind) fail_msg("another kind of report: %s", report->text);
    assert_string_equal(report->kernel, p->name);
    assert_string_equal(report->file, "tests/cudacpu/planted.cu");
    at_line |= planted_at(p->name, report->line);
    assert_in_range(report->block[0], 0, 1);
    assert_in_range(report->thread[0], 0, 63);
  }
  if (!at_line) fail_msg("no report at the line of the fault, but: %s", cudacpu_report(0)->text);
}

static void planted_fault(void **state)
{
  int i = *(int *)*state;
  for (int seed = 0; seed < 6; seed++) {
    fresh_machine(NULL);
    enum cudacpu_order order = seed == 0 ? CUDACPU_FORWARD : seed == 1 ? CUDACPU_REVERSE : CUDACPU_SHUFFLED;
    cudacpu_set_order(order, order, (uint64_t)seed);
    planted_once(&planted[i], i);
  }
  fresh_machine(NULL);
}

/* One test for each row, but for those that AddressSanitizer would end the program for. */
static int planted_run(void)
{
  struct CMUnitTest tests[128];
  static char names[128][96];
  static int index[128];
  int n = 0;
  memset(tests, 0, sizeof tests);
  for (int i = 0; i < n_planted; i++) {
    const struct planted *p = &planted[i];
    if (p->seen == BY_ASAN) continue;
#ifdef CUDACPU_WITH_ASAN
    if (p->seen == BY_CHECKED && p->error) continue;
#endif
    int seen = p->kind >= 0 && (p->seen == BY_ALL || cudacpu_is_checked());
    snprintf(names[i], sizeof names[i], "%s_gives_%s", p->name, seen ? "its_report" : "no_report");
    index[i] = i;
    tests[n].name = names[i];
    tests[n].test_func = planted_fault;
    tests[n++].initial_state = &index[i];
  }
  return _cmocka_run_group_tests("planted", tests, (size_t)n, NULL, NULL);
}

#endif
