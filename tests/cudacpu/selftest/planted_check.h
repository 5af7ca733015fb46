/* The test of every row of planted_memory.cu, planted_together.cu and planted_cluster.cu, in the
 * build that includes it: reports as the table says, or none, in forward, reverse and several
 * shuffled orders. */
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

#include "tests/cudacpu/selftest/planted.h"

static int fresh_machine(void **state)
{
  (void)state;
  cudacpu_clear_reports();
  cudacpu_reset(2, NULL);
  return 0;
}

struct planted_buffers {
  cudaStream_t stream;
  float *out, *in, *host;
};

/* The first half of `in` and all of `out` are written. */
static struct planted_buffers planted_buffers_make(void)
{
  static float host[256];
  struct planted_buffers m;
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

struct planted_case {
  const struct planted_table *table;
  int i;
};

static cudaError_t planted_launch(const struct planted_case *c, const struct planted_buffers *m)
{
  return c->table->launch(c->i, m->out, m->in, m->host, m->stream);
}

/* Number i of all tables; 0 where there are no more. */
static int planted_get(int i, struct planted_case *c)
{
  const struct planted_table *const tables[] = {&planted_memory, &planted_together, &planted_cluster};
  for (int t = 0; t < 3; t++) {
    c->table = tables[t];
    c->i = i;
    if (i < tables[t]->n) return 1;
    i -= tables[t]->n;
  }
  return 0;
}

__attribute__((unused)) static struct planted_case planted_find(const char *name)
{
  struct planted_case c;
  for (int i = 0; planted_get(i, &c); i++)
    if (!strcmp(c.table->rows[c.i].name, name)) return c;
  fail_msg("no kernel is called %s", name);
  return c;
}

/* Whether a line of a file is marked as the kernel's fault. */
static int planted_at(const char *file, const char *name, int line)
{
  char text[512], mark[128];
  FILE *f = fopen(file, "r");
  assert_non_null(f);
  snprintf(mark, sizeof mark, "/* FAULT %s */", name);
  int found = 0;
  for (int n = 1; fgets(text, sizeof text, f); n++) found |= n == line && strstr(text, mark);
  fclose(f);
  return found;
}

static void planted_once(const struct planted_case *c)
{
  const struct planted *p = &c->table->rows[c->i];
  struct planted_buffers m = planted_buffers_make();
  int seen = p->kind >= 0 && (p->seen == BY_ALL || cudacpu_is_checked());
  assert_int_equal(planted_launch(c, &m), cudaSuccess);
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
    assert_string_equal(report->file, c->table->file);
    at_line |= planted_at(c->table->file, p->name, report->line);
    assert_in_range(report->block[0], 0, 1);
    assert_in_range(report->thread[0], 0, 63);
  }
  if (!at_line) fail_msg("no report at the line of the fault, but: %s", cudacpu_report(0)->text);
}

static void planted_fault(void **state)
{
  for (int seed = 0; seed < 6; seed++) {
    fresh_machine(NULL);
    enum cudacpu_order order = seed == 0 ? CUDACPU_FORWARD : seed == 1 ? CUDACPU_REVERSE : CUDACPU_SHUFFLED;
    cudacpu_set_order(order, order, (uint64_t)seed);
    planted_once(*state);
  }
  fresh_machine(NULL);
}

/* One test for each row, but for those that AddressSanitizer would end the program for. */
static int planted_run(void)
{
  struct CMUnitTest tests[128];
  static char names[128][96];
  static struct planted_case cases[128];
  int n = 0;
  memset(tests, 0, sizeof tests);
  for (int i = 0; planted_get(i, &cases[i]); i++) {
    const struct planted *p = &cases[i].table->rows[cases[i].i];
    if (p->seen == BY_ASAN) continue;
#ifdef CUDACPU_WITH_ASAN
    if (p->seen == BY_CHECKED && p->error) continue;
#endif
    int seen = p->kind >= 0 && (p->seen == BY_ALL || cudacpu_is_checked());
    snprintf(names[i], sizeof names[i], "%s_gives_%s", p->name, seen ? "its_report" : "no_report");
    tests[n].name = names[i];
    tests[n].test_func = planted_fault;
    tests[n++].initial_state = &cases[i];
  }
  return _cmocka_run_group_tests("planted", tests, (size_t)n, NULL, NULL);
}

#endif
