/* The least that a step takes.  See roofline.h. */
#include "host/cuda/roofline.h"

#include <math.h>
#include <string.h>

/* ---- GPUs ------------------------------------------------------------------------------------ */

/* NVIDIA's data sheets and architecture papers: H100 SXM5, H200 SXM, A100 SXM4 80 GB, GA102 and
 * AD102 white papers. */
const struct gpu_rates gpu_rates[] = {
    {"H100 SXM", 66.9, 494.7, 3350}, {"H200 SXM", 66.9, 494.7, 4800}, {"A100 SXM 80GB", 19.5, 156, 2039},
    {"RTX 3090", 35.6, 35.6, 936},   {"RTX 4090", 82.6, 82.6, 1008},
};
const int gpu_rates_n = sizeof gpu_rates / sizeof *gpu_rates;

/* As drivers call them.  The PCIe and NVL cards of the same names have other clocks and other
 * memory. */
static const struct {
  const char *device, *name;
} device_names[] = {
    {"NVIDIA H100 80GB HBM3", "H100 SXM"},      {"NVIDIA H200", "H200 SXM"},
    {"NVIDIA A100-SXM4-80GB", "A100 SXM 80GB"}, {"NVIDIA GeForce RTX 3090", "RTX 3090"},
    {"NVIDIA GeForce RTX 4090", "RTX 4090"},
};

const struct gpu_rates *gpu_rates_find(const char *name)
{
  for (size_t i = 0; i < sizeof device_names / sizeof *device_names; i++)
    if (!strcmp(name, device_names[i].device)) name = device_names[i].name;
  for (int i = 0; i < gpu_rates_n; i++)
    if (!strcmp(name, gpu_rates[i].name)) return &gpu_rates[i];
  return NULL;
}

/* ---- floors ---------------------------------------------------------------------------------- */

void step_cost_make(struct step_cost *s, const struct device_trial *t, const struct plan *p)
{
  struct step_launch all[STEP_LAUNCHES_MAX];
  int n = step_launches(all, t->layers);
  s->n = 0;
  for (int i = 0; i < n; i++) {
    if (!step_launch_is_of(&all[i], t, PRECISION_FP32)) continue;
    s->launches[s->n] = all[i];
    s->costs[s->n++] = all[i].stage->cost(t, p, all[i].layer);
  }
}

double stage_floor_us(const struct stage_cost *s, const struct gpu_rates *g, bool tf32, int trials)
{
  double rate = (tf32 && s->tensor ? g->tf32 : g->fp32) * 1e6; /* FLOP/us */
  double arithmetic = s->flops / rate, memory = s->bytes / (g->memory * 1e3);
  return trials * (arithmetic > memory ? arithmetic : memory);
}

double step_floor_us(const struct step_cost *s, const struct gpu_rates *g, bool tf32, int trials)
{
  double sum = 0;
  for (int i = 0; i < s->n; i++) sum += stage_floor_us(&s->costs[i], g, tf32, trials);
  return sum;
}

/* ---- what a step is reckoned to take --------------------------------------------------------- */

/* Measured on an H100 (tests/gpu/results/h100-sxm-b661a9c; 28×28×1 images, batch 32): a step of one
 * trial takes 165 us in 12 launches, of which 29 us are its share of a step of 32 trials on 4
 * streams, when the GPU is full.  Of the floor a full GPU reached 27 and 29 % in FP32, 11 and 13 %
 * in TF32.  Other GPUs are reckoned alike. */
#define LAUNCH_US 11.4
#define REACHED_FP32 0.28
#define REACHED_TF32 0.12
/* Work wanted of the other cohorts in one's waiting.  Equal trials need 5 (8 of those above on each
 * of 4 streams: three others with 230 us each, beside 137 us); trials that differ come and go.  A
 * random search played with what was measured (tests/bench/bench_cohorts.c, 100 to 300 trials, 4
 * streams) took 1 to 4 % longer with half as much, and with more it was not 1 % faster. */
#define WORK_WANTED 20.0

double step_wait_us(const struct step_cost *s)
{
  return s->n * LAUNCH_US;
}

double step_work_us(const struct step_cost *s, const struct gpu_rates *g, bool tf32)
{
  double fp32 = step_floor_us(s, g, false, 1) / REACHED_FP32;
  return tf32 ? fmin(fp32, step_floor_us(s, g, true, 1) / REACHED_TF32) : fp32; /* it is no slower on any GPU */
}

double step_share(const struct step_cost *s, const struct gpu_rates *g, bool tf32, int streams)
{
  return (streams > 2 ? streams - 1 : 1) * step_work_us(s, g, tf32) / (WORK_WANTED * step_wait_us(s));
}
