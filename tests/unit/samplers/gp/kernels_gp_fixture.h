/* What the tests of the Gaussian process's kernels share: devices that are opened for each test,
 * and closed without a trace. */
#ifndef GSOS_TESTS_KERNELS_GP_FIXTURE_H
#define GSOS_TESTS_KERNELS_GP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/cudacpu/cudacpu.h"
#include "kernels/gp.h"
#include "host/samplers/gp/gp_acquisition.h"
#include "host/samplers/gp/gp_device.h"
#include "host/samplers/gp/gp_fits.h"
#include "tests/unit/samplers/gp/gp_fixture.h"

enum { POINTS_ROOM = 4096 };

/* Kernels whose accesses are looked at take many times as long: there the smaller problems do.  So
 * they do for ThreadSanitizer, whose threads are those of proposals and not of kernels, and under
 * another instruction set (tools/isa.sh), by which the host's loops are others, which the kernels
 * are compared with, and no kernel. */
static inline bool is_slow(void)
{
#if defined CUDACPU_WITH_ASAN || defined CUDACPU_WITH_TSAN
  return true;
#else
  return cudacpu_is_checked() || getenv("GSOS_ISA") != NULL;
#endif
}

static inline bool too_large(int n)
{
  return is_slow() && n > 130;
}

static struct gp_devices *devices;

static inline void no_reports(void)
{
  if (cudacpu_report_count()) fail_msg("%s", cudacpu_report(0)->text);
}

static inline int open_device(void **state)
{
  struct error e;
  (void)state;
  const size_t memory[2] = {(size_t)1 << 28, (size_t)1 << 28};
  const int number = 0;
  cudacpu_clear_reports();
  cudacpu_reset(2, memory);
  if (!gp_devices_open(&devices, 1, &number, POINTS_ROOM, GP_DIMENSIONS_MAX, &e)) return 0;
  print_error("%s\n", e.message);
  return 1;
}

#ifndef REAL_GPU
/* Another kind of device, or a part of one: of so many multiprocessors; 0: all. */
static inline int open_device_of(void **state, int major, int minor, int multiprocessors)
{
  if (open_device(state)) return 1;
  gp_devices_close(devices);
  struct error e;
  const int number = 0;
  if (!cudacpu_set_capability(0, major, minor)) return 1;
  if (multiprocessors) cudacpu_properties(0)->multiProcessorCount = multiprocessors;
  return gp_devices_open(&devices, 1, &number, POINTS_ROOM, GP_DIMENSIONS_MAX, &e);
}

/* As an A100: up to 256 observations are one block's. */
static inline int open_older_device(void **state)
{
  return open_device_of(state, 8, 0, 0);
}

/* One whose blocks have no room for that: all evaluations are by the kernels of gp.cu. */
static inline int open_device_of_small_blocks(void **state)
{
  if (open_older_device(state)) return 1;
  gp_devices_close(devices);
  struct error e;
  const int number = 0;
  cudacpu_properties(0)->sharedMemPerBlockOptin = 80 << 10;
  return gp_devices_open(&devices, 1, &number, POINTS_ROOM, GP_DIMENSIONS_MAX, &e);
}
#endif

static inline int close_device(void **state)
{
  (void)state;
  gp_devices_close(devices);
#ifndef REAL_GPU
  struct cudacpu_counts c = cudacpu_counts();
  return c.allocations || c.streams || cudacpu_report_count();
#else
  return 0;
#endif
}

static inline void give_back(struct gp_workspace *w)
{
  struct error e = {0};
  if (gp_workspace_check(w, &e)) fail_msg("%s", e.message);
  gp_workspace_give_back(w);
  no_reports();
}

#define TEST_ON_DEVICE(name) cmocka_unit_test_setup_teardown(name, open_device, close_device)
#define TEST_ON_OLDER_DEVICE(name)                                                                                     \
  {                                                                                                                    \
#name "_on_an_older_device", name, open_older_device, close_device, NULL                                           \
  }
#define TEST_ON_DEVICE_OF_SMALL_BLOCKS(name)                                                                           \
  {                                                                                                                    \
#name "_on_a_device_of_small_blocks", name, open_device_of_small_blocks, close_device, NULL                        \
  }

#endif
