/* Names of strategies and objectives.  See names.h. */
#include "host/experiment/names.h"

#include <stddef.h>
#include <string.h>

#include "host/base/name_list.h"

#define TRAITS(name, traits) traits,
const char *const strategy_names[] = {STRATEGIES(NAME_WORD) NULL};
const char *const objective_names[] = {OBJECTIVES(NAME_WORD) NULL};
static const int traits[] = {STRATEGIES(TRAITS)};

bool pruner_pauses(const char *name)
{
  static const char *const names[] = {PRUNERS(NAME_WORD) NULL};
  static const int of_pruner[] = {PRUNERS(TRAITS)};
  for (int i = 0; names[i]; i++)
    if (!strcmp(names[i], name)) return of_pruner[i] == PRUNER_PAUSES;
  return false;
}

bool strategy_is(const char *name, enum strategy_trait trait)
{
  for (int i = 0; strategy_names[i]; i++) {
    if (!strcmp(strategy_names[i], name)) return traits[i] & (int)trait;
  }
  return false;
}

bool strategy_holds(const char *name)
{
  return strategy_is(name, STRATEGY_GROUPS) || strategy_is(name, STRATEGY_SWEEPS);
}

const char *strategy_control(void)
{
  int i = 0;
  while (!(traits[i] & STRATEGY_CONTROL)) i++;
  return strategy_names[i];
}
