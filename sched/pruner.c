/* The table of pruners. */
#include "pruner.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

extern const struct pruner pruner_median, pruner_asha;

const struct pruner *const pruners[] = {&pruner_median, &pruner_asha, NULL};

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
