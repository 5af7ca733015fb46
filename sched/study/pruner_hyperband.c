/* Hyperband: what it decides is in hyperband.c, and when in legs.c. */
#include "sched/study/pruner.h"

const struct pruner pruner_hyperband = {
    .name = "hyperband",
    .summary = "trials pause at their rungs, and the best of each go on, in brackets from many short trials to few "
               "long ones"};
