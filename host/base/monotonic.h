/* Seconds by the clock that does not jump when the time of day is set; their zero means nothing. */
#ifndef GSOS_MONOTONIC_H
#define GSOS_MONOTONIC_H

#include <time.h>

static inline double monotonic_seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
