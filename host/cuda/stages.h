/* The stages of a training step on a device: one table, a row each.
 *
 * A step is a sequence of launches, the same for every trial of a cohort: some stages once, some
 * once for each convolution, from the first layer to the last or back; rows of the table that
 * follow one another in such an order take turns at each layer.  Where shapes or precisions have
 * kernels of their own these are rows of their own, and a launch without a block is left out.
 *
 * For a weight gradient only the optimiser waits, so the sequence is a line with a branch: what
 * says BESIDE comes after all launches of the layers above its own, and beside the others.  It may
 * write nothing that a launch beside it touches, and read nothing that one writes: every layer has
 * a map, a gradient and parts of its own (device_layout.c).  In line a launch may begin before the
 * one before it has ended (kernels/launch.h).
 *
 * Whoever walks over the stages reads this table: what queues them (cohort.c), what a step costs at
 * least (roofline.c), the tests of the kernels, and `make kernel-report`.
 *
 * To add a stage: its kernel, launcher and number of blocks (kernels/, declared in kernels/step.h),
 * a row of the table in stages.c, and the memory that it needs (the list of a trial's pieces in
 * device_layout.c). */
#ifndef GSOS_STAGES_H
#define GSOS_STAGES_H

#include <stdbool.h>

#include "host/network/plan.h"
#include "kernels/step.h"

/* What a launch has to do for one trial at least: floating-point operations, and bytes of device
 * memory, each read or written once. */
struct stage_cost {
  double flops, bytes;
  bool tensor; /* on tensor cores in tf32 */
};

enum stage_order { ONCE_A_STEP, FIRST_LAYER_FIRST, LAST_LAYER_FIRST };

/* After every launch before it in the sequence that is in line; the branch; after both. */
enum stage_line { IN_LINE, BESIDE, JOINS };

struct stage {
  const char *name; /* of its range in a profile, and of its row in the roofline */
  const char *does;
  enum stage_order order;
  step_tiles *tiles; /* NULL: a block for every row of the table, with a trial or without */
  step_launcher *launch;
  struct stage_cost (*cost)(const struct device_trial *t, const struct plan *p, int layer);
  step_tiles *tiles_tf32; /* NULL: as in FP32 */
  enum stage_line line;
};

/* One launch of a step. */
struct step_launch {
  const struct stage *stage;
  int layer; /* 0 for what is once a step */
};
enum { STEP_LAUNCHES_MAX = 24 * DEVICE_CONV_MAX }; /* as many stages as the table may have in each layer */

/* The launches of a step of networks of at most `layers` convolutions, in order, of all shapes and
 * precisions.
 *   launches  [STEP_LAUNCHES_MAX] out
 * Returns their number. */
int step_launches(struct step_launch *launches, int layers);

/* Blocks that a trial needs of a launch; 0 where it has fewer layers, or is another launch's. */
int step_launch_tiles(const struct step_launch *l, const struct device_trial *t, enum precision precision);

/* Whether the launch is of the branch.  The first layer's are not: nothing is left beside which
 * they could run. */
bool step_launch_is_beside(const struct step_launch *l);

/* Whether a cohort in which this trial is makes the launch. */
bool step_launch_is_of(const struct step_launch *l, const struct device_trial *t, enum precision precision);

#endif
