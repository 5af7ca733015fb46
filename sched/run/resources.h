/* What this machine has for us: cores and memory, as a scheduler's affinity and a control group
 * leave them. */
#ifndef GSOS_RESOURCES_H
#define GSOS_RESOURCES_H

#include <stdint.h>

/* Cores that this process may use: its affinity, and a control group's quota rounded up. At least
 * 1. */
int machine_cores(void);

/* Bytes that can still be allocated without swapping: MemAvailable, or less where a control group's
 * limit leaves less.  INT64_MAX where neither is known. */
int64_t machine_memory_available(void);

#endif
