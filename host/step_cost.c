/* Costs of a step's stages.  See step_cost.h. */
#include "step_cost.h"

#include <stdio.h>
#include <string.h>

/* ---- GPUs ----------------------------------------------------------------------------------------------------------------- */

/* NVIDIA's data sheets and architecture papers: H100 SXM5, H200 SXM, A100 SXM4 80 GB, GA102 and AD102 white papers. */
const struct gpu_rates gpu_rates[] = {
    {"H100 SXM", 66.9, 494.7, 3350}, {"H200 SXM", 66.9, 494.7, 4800}, {"A100 SXM 80GB", 19.5, 156, 2039},
    {"RTX 3090", 35.6, 35.6, 936},   {"RTX 4090", 82.6, 82.6, 1008},
};
const int gpu_rates_n = sizeof gpu_rates / sizeof *gpu_rates;

/* As drivers call them.  The PCIe and NVL cards of the same names have other clocks and other memory. */
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

/* ---- stages --------------------------------------------------------------------------------------------------------------- */

static void add(struct step_cost *s, const char *name, double flops, double bytes, bool tensor)
{
  struct stage_cost *stage = &s->stages[s->n++];
  snprintf(stage->name, sizeof stage->name, "%s", name);
  stage->flops = flops;
  stage->bytes = bytes;
  stage->tensor = tensor;
}

static double matrix_floats(const struct device_matrix *m)
{
  return (double)(m->rows + 1) * m->columns;
}

static void forward_and_backward(struct step_cost *s, const struct device_trial *t, const struct plan *p, bool forward)
{
  double batch = t->batch;
  char name[48];
  for (int i = 0; i < t->layers; i++) {
    int l = forward ? i : t->layers - 1 - i;
    const struct device_conv *c = &t->conv[l];
    const struct conv_shape *shape = &p->conv[l];
    double product = 2.0 * batch * shape->filters * shape->in_channels * shape->kernel * shape->kernel *
                     shape->conv_height * shape->conv_width;
    double map = batch * c->pool_height * c->pool_width * c->matrix.columns;
    double input = batch * c->in_height * c->in_width * c->in_channels;
    double input_bytes = l ? 4 * input : input, weights = matrix_floats(&c->matrix);
    snprintf(name, sizeof name, "conv %d %s", l + 1, forward ? "+ ReLU + pool" : l ? "gradients" : "weight gradient");
    if (forward)
      add(s, name, product, input_bytes + 4 * weights + 5 * map, l > 0);
    else /* gradient and argmax for both products, the input for one; its gradient, and the parts of the weights' */
      add(s, name, (l ? 2 : 1) * product,
          (l ? 2 : 1) * 5 * map + input_bytes + (l ? 4 * weights + 4 * input : 0) + 4 * c->matrix.splits * weights,
          l > 0);
  }
}

void step_cost_make(struct step_cost *s, const struct device_trial *t, const struct plan *p)
{
  double batch = t->batch, features = batch * t->features, units = batch * t->padded_units,
         classes = batch * t->padded_classes, w0 = matrix_floats(&t->dense[0]), w1 = matrix_floats(&t->dense[1]);
  double dense0 = 2.0 * batch * p->features * t->units, dense1 = 2.0 * batch * t->units * t->classes, sums = 0;
  for (int i = 0; i < t->layers + 2; i++) sums += device_matrix(t, i)->splits * matrix_floats(device_matrix(t, i));
  s->n = 0;
  forward_and_backward(s, t, p, true);
  add(s, "dense 1 + ReLU + dropout", dense0, 4 * (features + w0 + units), true);
  add(s, "dense 2 + softmax + loss", dense1, 4 * (units + w1 + classes), false);
  add(s, "dense 2 gradients", 2 * dense1, 4 * (3 * units + 2 * classes + 2 * w1), true);
  add(s, "dense 1 gradients", 2 * dense0, 4 * (3 * features + 2 * units + 2 * w0), true);
  forward_and_backward(s, t, p, false);
  double parameters = (double)t->parameters;
  add(s, "optimiser", (t->adam ? 12 : 4) * parameters, 4 * (sums + (t->adam ? 6 : 4) * parameters), false);
  add(s, "next batch", 0, 12 * batch, false);
}

/* ---- floors --------------------------------------------------------------------------------------------------------------- */

double stage_floor_us(const struct stage_cost *s, const struct gpu_rates *g, bool tf32, int trials)
{
  double rate = (tf32 && s->tensor ? g->tf32 : g->fp32) * 1e6; /* FLOP/us */
  double arithmetic = s->flops / rate, memory = s->bytes / (g->memory * 1e3);
  return trials * (arithmetic > memory ? arithmetic : memory);
}

double step_floor_us(const struct step_cost *s, const struct gpu_rates *g, bool tf32, int trials)
{
  double sum = 0;
  for (int i = 0; i < s->n; i++) sum += stage_floor_us(&s->stages[i], g, tf32, trials);
  return sum;
}

/* Start and end of a kernel that follows another one in a graph: 1 to 3 us on an H100 or A100. */
#define LAUNCH_US 2.0

int step_cohort(const struct step_cost *s, const struct gpu_rates *g, bool tf32, int streams)
{
  double wanted = 4 * s->n * LAUNCH_US / ((streams > 2 ? streams - 1 : 1) * step_floor_us(s, g, tf32, 1));
  int trials = 1;
  while (trials < wanted && trials < 32) trials *= 2;
  return trials;
}
