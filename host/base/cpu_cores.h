/* How many cores this process may use. */
#ifndef GSOS_CPU_CORES_H
#define GSOS_CPU_CORES_H

#include <sched.h>
#include <unistd.h>

/* Of the machine's, by the process's affinity; at least 1.  What a container may use of their time
 * is another matter (machine_cores, sched/run/resources.h). */
static inline int cpu_cores(void)
{
  cpu_set_t allowed;
  int n =
      sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : (int)sysconf(_SC_NPROCESSORS_ONLN);
  return n < 1 ? 1 : n;
}

#endif
