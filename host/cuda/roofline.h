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

/* What a step of one trial is reckoned to take, in two parts: `wait`, the launches that follow one
 * another, each with a start and an end in which a GPU is hardly used; and `work`, the time that
 * its arithmetic takes of a full GPU: the floor over the share of it that kernels reach.  Alone it
 * takes about wait + work; a cohort of k such trials wait + k·work. */
double step_wait_us(const struct step_cost *s);
double step_work_us(const struct step_cost *s, const struct gpu_rates *g, bool tf32);

/* The share that a trial takes of a cohort, where `streams` such cohorts take turns on a GPU (one
 * alone is reckoned as two: nothing fills its waiting): a cohort is full when the shares of its
 * trials add up to 1.  1 or more: the trial fills a cohort alone.
 *
 * The other cohorts fill the waiting of one where (streams - 1)·Σwork >= wait; many times that is
 * wanted, since they wait, too. */
double step_share(const struct step_cost *s, const struct gpu_rates *g, bool tf32, int streams);

#endif
