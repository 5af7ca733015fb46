/* CUDA on the CPU: each fault that the harness should find is planted in a kernel (planted_*.cu)
 * and is found, by kind, kernel, file and line, in whatever order threads and blocks run; right
 * kernels that resemble them give no report.
 *
 * This program has the checked kernels; the right ones of test_cudacpu_device run here, too, and
 * give no report.  There, the faults are found that need no look at every access. */
#define CUDACPU_CHECKED_TEST
#include "tests/cudacpu/selftest/test_cudacpu_device.c"

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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(copies_to_the_host_of_memory_never_written_are_reported, fresh_machine),
      cmocka_unit_test_setup(parts_of_an_allocation_have_bounds_of_their_own, fresh_machine),
      cmocka_unit_test_setup(freed_memory_is_out_of_bounds, fresh_machine),
  };
  if (!cudacpu_is_checked()) return 1;
  cudacpu_print_reports(0);
  return planted_run() + device_tests() + cmocka_run_group_tests(tests, NULL, NULL);
}
