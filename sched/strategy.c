/* The table of strategies. */
#include "strategy.h"

#include <string.h>

extern const struct strategy strategy_grouped, strategy_simultaneous;

const struct strategy *const strategies[] = {&strategy_grouped, &strategy_simultaneous, NULL};

const struct strategy *strategy_find(const char *name)
{
  for (int i = 0; strategies[i]; i++) {
    if (!strcmp(strategies[i]->name, name)) return strategies[i];
  }
  return NULL;
}
