/* Named ranges of time, for a profiler's time line (Nsight Systems): study, trial, epoch; and in a
 * cohort's thread its steps and, where their graph is captured, the stages.
 *
 * NVTX 3 is headers alone and needs no library: a call without a profiler is a load and a branch.
 * It is compiled in where the CUDA toolkit is; elsewhere, and where the harness of tests/cudacpu
 * plays the devices, these do nothing. */
#ifndef GSOS_PROFILER_RANGES_H
#define GSOS_PROFILER_RANGES_H

#include <stdint.h>

#if defined(GSOS_CUDA) && !defined(CUDACPU) && defined(__has_include)
#if __has_include(<nvtx3/nvToolsExt.h>)
#define GSOS_NVTX 1
#endif
#endif

#ifdef GSOS_NVTX

#include <nvtx3/nvToolsExt.h>
#include <stdarg.h>
#include <stdio.h>

/* Begins a range that may overlap others and be ended by another thread.  Returns its number, for
 * range_end. */
__attribute__((format(printf, 1, 2))) static inline uint64_t range_begin(const char *format, ...)
{
  char name[128];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(name, sizeof name, format, arguments);
  va_end(arguments);
  return nvtxRangeStartA(name);
}

/* Ends the range and sets its number to 0, which is none. */
static inline void range_end(uint64_t *range)
{
  if (*range) nvtxRangeEnd(*range);
  *range = 0;
}

/* Ranges of the calling thread, one within the other. */
static inline void range_push(const char *name)
{
  nvtxRangePushA(name);
}
static inline void range_pop(void)
{
  nvtxRangePop();
}

#else

__attribute__((format(printf, 1, 2))) static inline uint64_t range_begin(const char *format, ...)
{
  (void)format;
  return 0;
}
static inline void range_end(uint64_t *range)
{
  *range = 0;
}
static inline void range_push(const char *name)
{
  (void)name;
}
static inline void range_pop(void)
{
}

#endif
#endif
