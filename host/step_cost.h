/* What a training step costs on a GPU at least: FLOPs and bytes of each stage, from the plan alone, and GPUs' rates to divide them by.
 *
 * A stage (kernels/network.h: a launch each) takes the larger of its arithmetic at the rate of the units that do it and of its bytes at
 * the rate of device memory: the roofline.  Bytes are what its tiles are for: every map, weight and gradient read or written once,
 * partial sums written and read once.  The first convolution is at the FMA rate in both precisions. */
#ifndef GSOS_STEP_COST_H
#define GSOS_STEP_COST_H

#include "device_network.h"

struct gpu_rates {
  const char *name;
  double fp32, tf32; /* TFLOP/s; TF32 without sparsity */
  double memory;     /* GB/s */
};
extern const struct gpu_rates gpu_rates[];
extern const int gpu_rates_n;

/* The rates of a device by the name that its driver gives, or by a name of the table; NULL where it is none of these. */
const struct gpu_rates *gpu_rates_find(const char *name);

struct stage_cost {
  char name[48];
  double flops, bytes;
  bool tensor; /* tensor cores in tf32 */
};

struct step_cost {
  struct stage_cost stages[2 * DEVICE_CONV_MAX + 8];
  int n;
};

/* The stages of one trial's training step. */
void step_cost_make(struct step_cost *s, const struct device_trial *t, const struct plan *p);

/* Microseconds that a stage, or the whole step, takes at least where `trials` of this network share its launches. */
double stage_floor_us(const struct stage_cost *s, const struct gpu_rates *g, bool tf32, int trials);
double step_floor_us(const struct step_cost *s, const struct gpu_rates *g, bool tf32, int trials);

/* How many trials of this network should share launches so that a GPU is busy, where `streams` such cohorts take turns on
 * it (one alone is reckoned as two: nothing fills its waiting).
 *
 * A cohort of k trials alone takes n·t + k·w a step: n launches that follow one another, each with a start and an end of t during
 * which the GPU waits, and the work w of a trial, the floor above.  The other cohorts fill the waiting where
 * (streams - 1)·k·w >= n·t.  Four times that many are taken, since kernels are not at their floor, and those of a small network do
 * not reach all multiprocessors; an estimate, not a measurement.  Rounded up to a power of two, as the capacity classes of cohorts
 * are; 1 ... 32: a large network fills a GPU alone. */
int step_cohort(const struct step_cost *s, const struct gpu_rates *g, bool tf32, int streams);

#endif
