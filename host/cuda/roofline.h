/* What a training step takes on a GPU at least: the FLOPs and bytes of its launches (stages.h),
 * divided by the GPU's rates.
 *
 * A launch takes the larger of its arithmetic at the rate of the units that do it and of its bytes
 * at the rate of device memory: the roofline. */
#ifndef GSOS_ROOFLINE_H
#define GSOS_ROOFLINE_H

#include "host/cuda/device_layout.h"
#include "host/cuda/stages.h"

struct gpu_rates {
  const char *name;
  double fp32, tf32; /* TFLOP/s; TF32 without sparsity */
  double memory;     /* GB/s */
};
extern const struct gpu_rates gpu_rates[];
extern const int gpu_rates_n;

/* The rates of a device by the name that its driver gives, or by a name of the table; NULL where it
 * is none of these. */
const struct gpu_rates *gpu_rates_find(const char *name);

struct step_cost {
  struct step_launch launches[STEP_LAUNCHES_MAX];
  struct stage_cost costs[STEP_LAUNCHES_MAX];
  int n;
};

/* The launches of one trial's training step in FP32, and what each costs. */
void step_cost_make(struct step_cost *s, const struct device_trial *t, const struct plan *p);

/* Microseconds that a launch, or the whole step, takes at least where `trials` of this network
 * share its launches. */
double stage_floor_us(const struct stage_cost *s, const struct gpu_rates *g, bool tf32, int trials);
double step_floor_us(const struct step_cost *s, const struct gpu_rates *g, bool tf32, int trials);

/* How many trials of this network should share launches so that a GPU is busy, where `streams` such
 * cohorts take turns on it (one alone is reckoned as two: nothing fills its waiting).
 *
 * A cohort of k trials alone takes n·t + k·w a step: n launches that follow one another, each with
 * a start and an end of t during which the GPU waits, and the work w of a trial, the floor above.
 * The other cohorts fill the waiting where (streams - 1)·k·w >= n·t.  Four times that many are
 * taken, since kernels are not at their floor, and those of a small network do not reach all
 * multiprocessors; an estimate, not a measurement.  Rounded up to a power of two, as the capacity
 * classes of cohorts are; 1 ... 32: a large network fills a GPU alone. */
int step_cohort(const struct step_cost *s, const struct gpu_rates *g, bool tf32, int streams);

#endif
