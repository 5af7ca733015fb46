/* The table of pruners. */
#include "sched/study/pruner.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "host/experiment/names.h"

#define DECLARED(name, ...) extern const struct pruner pruner_##name;
#define ADDRESS(name, ...) &pruner_##name,
PRUNERS(DECLARED)
const struct pruner *const pruners[] = {PRUNERS(ADDRESS) NULL};

const struct pruner *pruner_find(const char *name)
{
  for (int i = 0; pruners[i]; i++)
    if (!strcmp(pruners[i]->name, name)) return pruners[i];
  return NULL;
}

bool pruner_worse(double a, double b)
{
  if (isnan(a) || isnan(b)) return isnan(a) && !isnan(b);
  return a < b;
}
