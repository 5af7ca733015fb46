/* What a training step costs on a GPU at least, from the plan alone: `make roofline INI=FILE.ini [SETTINGS='--set ...']`.
 *
 * For each stage of the step (kernels/network.h: a launch each): FLOPs, the bytes of device memory that it has to move once, and the
 * time that a GPU needs for the larger of the two, at the rates of its data sheet.  The first convolution is at the FMA rate in both
 * precisions.  A kernel's traffic is what its tiles are for: every map, weight and gradient read or written once, partial sums written
 * and read once.  One trial alone; a cohort multiplies FLOPs and bytes, not launches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device_network.h"
#include "experiment.h"
#include "objective_cnn.h"

struct gpu {
  const char *name;
  double fp32, tf32; /* TFLOP/s; TF32 without sparsity */
  double memory;     /* GB/s */
};

/* NVIDIA's data sheets and architecture papers: H100 SXM5, H200 SXM, A100 SXM4 80 GB, GA102 and AD102 white papers. */
static const struct gpu gpus[] = {
    {"H100 SXM", 66.9, 494.7, 3350}, {"H200 SXM", 66.9, 494.7, 4800}, {"A100 SXM 80GB", 19.5, 156, 2039},
    {"RTX 3090", 35.6, 35.6, 936},   {"RTX 4090", 82.6, 82.6, 1008},
};
enum { GPUS = sizeof gpus / sizeof *gpus };

struct stage {
  char name[48];
  double flops, bytes;
  bool tensor; /* tensor cores in tf32 */
};

struct step {
  struct stage stages[2 * DEVICE_CONV_MAX + 8];
  int n;
};

static void add(struct step *s, const char *name, double flops, double bytes, bool tensor)
{
  struct stage *stage = &s->stages[s->n++];
  snprintf(stage->name, sizeof stage->name, "%s", name);
  stage->flops = flops;
  stage->bytes = bytes;
  stage->tensor = tensor;
}

static double matrix_floats(const struct device_matrix *m)
{
  return (double)(m->rows + 1) * m->columns;
}

static void forward_and_backward(struct step *s, const struct device_trial *t, const struct plan *p, bool forward)
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

static void make_step(struct step *s, const struct device_trial *t, const struct plan *p)
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

static double floor_us(const struct stage *s, const struct gpu *g, bool tf32)
{
  double rate = (tf32 && s->tensor ? g->tf32 : g->fp32) * 1e6; /* FLOP/us */
  double arithmetic = s->flops / rate, memory = s->bytes / (g->memory * 1e3);
  return arithmetic > memory ? arithmetic : memory;
}

static void print_step(const struct step *s, const struct device_trial *t, int64_t bytes)
{
  double flops = 0, moved = 0, sum[GPUS][2] = {{0}};
  printf("%-26s %10s %10s", "stage (a launch each)", "MFLOP", "KiB");
  printf("  %s fp32, tf32\n", gpus[0].name);
  for (int i = 0; i < s->n; i++) {
    const struct stage *a = &s->stages[i];
    flops += a->flops;
    moved += a->bytes;
    printf("%-26s %10.2f %10.1f  %8.2f %8.2f us\n", a->name, a->flops * 1e-6, a->bytes / 1024,
           floor_us(a, &gpus[0], false), floor_us(a, &gpus[0], true));
    for (int g = 0; g < GPUS; g++)
      for (int k = 0; k < 2; k++) sum[g][k] += floor_us(a, &gpus[g], k == 1);
  }
  printf("%-26s %10.2f %10.1f\n\n", "step", flops * 1e-6, moved / 1024);
  printf("%d launches a step; %.2f MiB of device memory\n\n", s->n, (double)bytes / 0x1p20);
  printf("%-16s %12s %12s %22s\n", "floor of a step", "fp32", "tf32", "images/s fp32, tf32");
  for (int g = 0; g < GPUS; g++)
    printf("%-16s %9.1f us %9.1f us %10.0f %11.0f\n", gpus[g].name, sum[g][0], sum[g][1], t->batch / sum[g][0] * 1e6,
           t->batch / sum[g][1] * 1e6);
}

static int run(const char *ini, const char *const *settings, int n, struct error *e)
{
  struct experiment *x = calloc(1, sizeof *x);
  struct objective *o = NULL;
  double values[SPACE_MAX];
  if (!x) return error_set(e, ERROR_MACHINE, "no memory");
  int code = experiment_load(x, ini, settings, n, e);
  if (code) {
    free(x);
    return code;
  }
  snprintf(x->devices, sizeof x->devices, "cpu"); /* nothing runs */
  x->precision = COHORT_FP32;
  if (strcmp(x->objective, "cnn") != 0)
    code = error_set(e, ERROR_CONFIG, "%s: objective = %s has no network", ini, x->objective);
  if (!code) code = objective_cnn_create(&o, x, NULL, NULL, e);
  if (!code) {
    struct plan p;
    struct device_trial t;
    struct step s;
    space_defaults(&x->space, values);
    cnn_make_plan(cnn_of(o), values, &p);
    int64_t bytes = p.feasible ? device_network_make(&t, &p, 0) : -1;
    if (bytes < 0)
      code =
          error_set(e, ERROR_CONFIG, "%s: the default configuration: %s", ini, p.feasible ? "not for a GPU" : p.reason);
    if (!code) {
      printf("%s: the default configuration, %d×%d×%d, batch %d\n\n", ini, p.width, p.height, p.channels, t.batch);
      make_step(&s, &t, &p);
      print_step(&s, &t, bytes);
    }
  }
  objective_destroy(o);
  experiment_destroy(x);
  free(x);
  return code;
}

int main(int argc, char **argv)
{
  const char **settings = calloc((size_t)argc, sizeof *settings), *ini = NULL;
  struct error e = {0};
  int n = 0;
  if (!settings) return 1;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--set") && i + 1 < argc)
      settings[n++] = argv[++i];
    else
      ini = argv[i];
  }
  if (!ini) error_set(&e, ERROR_CONFIG, "usage: roofline FILE.ini [--set SECTION.KEY=VALUE]...");
  if (ini) run(ini, settings, n, &e);
  if (e.code) fprintf(stderr, "roofline: %s\n", e.message);
  free(settings);
  return e.code == 0 ? 0 : e.code == ERROR_CONFIG ? 2 : 1;
}
