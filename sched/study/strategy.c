/* The table of strategies. */
#include "sched/study/strategy.h"

#include <string.h>

#include "host/experiment/names.h"

#define DECLARED(name, ...) extern const struct strategy strategy_##name;
#define ADDRESS(name, ...) &strategy_##name,
STRATEGIES(DECLARED)
const struct strategy *const strategies[] = {STRATEGIES(ADDRESS) NULL};

const struct strategy *strategy_find(const char *name)
{
  for (int i = 0; strategies[i]; i++) {
    if (!strcmp(strategies[i]->name, name)) return strategies[i];
  }
  return NULL;
}
