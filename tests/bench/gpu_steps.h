/* How long training steps take on a GPU, from the steps that were measured on one
 * (tests/gpu/results/GPU-COMMIT/results.json, kind `step`): for playing schedules without a GPU.
 *
 * Measured are two networks, a light one and a heavy one, 1 to 32 of them in a cohort, on 1, 2 and
 * 4 streams.  What lies between is interpolated:
 *
 *   A cohort alone.  The time of a step by the number of trials k and the floor f of one trial (the
 *   file's floor_us, host/cuda/roofline.h): its logarithm is linear in log k between two measured
 *   numbers, and in log f between the two networks.  Below the light one's floor the launches'
 *   waiting stays and the rest shrinks with f; above the heavy one's all grows with f.  Trials that
 *   differ count as (Σf)² / Σf² equal ones with the same sum.  A launch more or fewer than the
 *   measured networks have is the light network's waiting over its launches, more or less.
 *
 *   Cohorts side by side.  The load of a cohort is the time that its arithmetic takes of a full GPU
 *   (f over the best share of the floor that was measured for the network) over the time of its
 *   step alone; that of the GPU, the sum over its cohorts.  How much longer than alone a step takes
 *   is a function of the GPU's load: the measured points by load, made not to fall, linear between
 *   them; beyond the last one it is the load itself, since more cannot be done.  Those were
 *   measured with equal cohorts; where the others are less than half of the load, the wait for them
 *   shrinks in proportion.
 *
 * What the host does at the end of an epoch and of a trial is not in it. */
#ifndef GSOS_BENCH_GPU_STEPS_H
#define GSOS_BENCH_GPU_STEPS_H

#include "host/base/error.h"

struct gpu_steps;

/* Reads the steps of one precision, "fp32" or "tf32". */
int gpu_steps_read(struct gpu_steps **g, const char *path, const char *precision, struct error *e);
void gpu_steps_free(struct gpu_steps *g); /* takes NULL */

/* What the arithmetic of a trial's step takes of a full GPU, by its floor. */
double gpu_full_us(const struct gpu_steps *g, double floor_us);

/* A cohort: sums over its members of the floor of a step, of its square and of gpu_full_us; and the
 * launches of a step. */
struct gpu_cohort {
  double floor_us, square, full_us;
  int launches;
};
double gpu_step_alone_us(const struct gpu_steps *g, const struct gpu_cohort *c);
double gpu_cohort_load(const struct gpu_steps *g, const struct gpu_cohort *c);
/* How many times longer than alone a step takes of a cohort of load `own`, where all together have
 * load `all`. */
double gpu_slowdown(const struct gpu_steps *g, double own, double all);

#endif
