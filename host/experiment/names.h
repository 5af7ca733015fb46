/* Names that an ini file takes and that code outside this room implements, each here alone
 * (host/base/name_list.h).
 *
 *   strategy   a line in STRATEGIES, and strategy_NAME in sched/study/strategy_NAME.c
 *   pruner     a line in PRUNERS, and pruner_NAME in sched/study/pruner_NAME.c
 *   objective  a line in OBJECTIVES, and its constructor in host/objectives/objective.c
 *
 * The parser, --help and the tables of strategies and pruners follow.  Samplers have their list in
 * host/samplers/sampler.h, formats of data sets in host/data/dataset.h. */
#ifndef GSOS_EXPERIMENT_NAMES_H
#define GSOS_EXPERIMENT_NAMES_H

#include <stdbool.h>

/* What others than its file must know of a strategy; 0: nothing. */
enum strategy_trait {
  /* It searches [groups] one after the other, so there must be some. */
  STRATEGY_GROUPS = 1,
  /* The usual way, which others are compared with; searched alone where there are no groups.  One
   * has it. */
  STRATEGY_CONTROL = 2,
  /* It measures importance on its own trials, sweep after sweep. */
  STRATEGY_SWEEPS = 4
};

#define STRATEGIES(ROW)                                                                                                \
  ROW(grouped, STRATEGY_GROUPS)                                                                                        \
  ROW(greedy, STRATEGY_SWEEPS)                                                                                         \
  ROW(simultaneous, STRATEGY_CONTROL)

/* Of a pruner: its trials pause, and may go on; else it ends them. */
enum pruner_trait { PRUNER_ENDS = 0, PRUNER_PAUSES = 1 };

#define PRUNERS(ROW)                                                                                                   \
  ROW(median, PRUNER_ENDS)                                                                                             \
  ROW(asha, PRUNER_ENDS)                                                                                               \
  ROW(hyperband, PRUNER_PAUSES)

#define OBJECTIVES(ROW)                                                                                                \
  ROW(cnn)                                                                                                             \
  ROW(function)                                                                                                        \
  ROW(command)                                                                                                         \
  ROW(table)

#define PRUNER_NONE "none"     /* [pruner] kind: no pruner */
#define PRUNES_EVERY_ONE "all" /* [pruner] strategies: not those of one alone */

/* In the order of the lists; end with NULL. */
extern const char *const strategy_names[];
extern const char *const objective_names[];

/* False where there is no such pruner. */
bool pruner_pauses(const char *name);

/* False where there is no such strategy. */
bool strategy_is(const char *name, enum strategy_trait trait);
/* Does it hold some hyperparameters while it searches others? */
bool strategy_holds(const char *name);
const char *strategy_control(void);

#endif
