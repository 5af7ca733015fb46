/* What a training step costs on a GPU at least, from the plan alone: `make roofline INI=FILE.ini
 * [SETTINGS='--set ...']`.
 *
 * For each stage of the step: FLOPs, the bytes of device memory that it has to move once, and the
 * time that a GPU needs for the larger of the two, at the rates of its data sheet
 * (host/cuda/roofline.h).  One trial alone; a cohort multiplies FLOPs and bytes, not launches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/experiment/experiment.h"
#include "host/objectives/objective_cnn.h"
#include "host/cuda/roofline.h"

/* How many of these trials fill each of 4 cohorts on a GPU. */
static int cohort_of(const struct step_cost *s, const struct gpu_rates *g, bool tf32)
{
  double share = step_share(s, g, tf32, 4);
  return share >= 1 ? 1 : 32 * share <= 1 ? 32 : (int)(1 / share + 0.5);
}

static void print_step(const struct step_cost *s, const struct device_trial *t, int64_t bytes)
{
  double flops = 0, moved = 0;
  printf("%-14s %-32s %10s %10s", "launch", "", "MFLOP", "KiB");
  printf("  %s fp32, tf32\n", gpu_rates[0].name);
  for (int i = 0; i < s->n; i++) {
    const struct step_launch *l = &s->launches[i];
    const struct stage_cost *a = &s->costs[i];
    char layer[16] = "", name[48];
    if (l->stage->order != ONCE_A_STEP) snprintf(layer, sizeof layer, " %d", l->layer + 1);
    snprintf(name, sizeof name, "%s%s", l->stage->name, layer);
    flops += a->flops;
    moved += a->bytes;
    printf("%-14s %-32s %10.2f %10.1f  %8.2f %8.2f us\n", name, l->stage->does, a->flops * 1e-6, a->bytes / 1024,
           stage_floor_us(a, &gpu_rates[0], false, 1), stage_floor_us(a, &gpu_rates[0], true, 1));
  }
  printf("%-14s %-32s %10.2f %10.1f\n\n", "step", "", flops * 1e-6, moved / 1024);
  printf("%d launches a step; %.2f MiB of device memory\n\n", s->n, (double)bytes / 0x1p20);
  printf("%-16s %12s %12s %22s %18s\n", "floor of a step", "fp32", "tf32", "images/s fp32, tf32", "cohort fp32, tf32");
  for (int g = 0; g < gpu_rates_n; g++) {
    double fp32 = step_floor_us(s, &gpu_rates[g], false, 1), tf32 = step_floor_us(s, &gpu_rates[g], true, 1);
    printf("%-16s %9.1f us %9.1f us %10.0f %11.0f %10d %7d\n", gpu_rates[g].name, fp32, tf32, t->batch / fp32 * 1e6,
           t->batch / tf32 * 1e6, cohort_of(s, &gpu_rates[g], false), cohort_of(s, &gpu_rates[g], true));
  }
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
  x->precision = PRECISION_FP32;
  if (strcmp(x->objective, "cnn") != 0)
    code = error_set(e, ERROR_CONFIG, "%s: objective = %s has no network", ini, x->objective);
  if (!code) code = objective_cnn_create(&o, x, NULL, NULL, e);
  if (!code) {
    struct plan p;
    struct device_trial t;
    struct step_cost s;
    space_defaults(&x->space, values);
    cnn_make_plan(cnn_of(o), values, &p);
    int64_t bytes = p.feasible ? device_network_make(&t, &p, 0, DEVICE_SHARED_LARGE) : -1;
    if (bytes < 0)
      code =
          error_set(e, ERROR_CONFIG, "%s: the default configuration: %s", ini, p.feasible ? "not for a GPU" : p.reason);
    if (!code) {
      printf("%s: the default configuration, %d×%d×%d, batch %d\n\n", ini, p.width, p.height, p.channels, t.batch);
      step_cost_make(&s, &t, &p);
      print_step(&s, &t, bytes);
    }
  }
  objective_destroy(o);
  experiment_destroy(x);
  free(x);
  return code;
}

/* Of kernel 3, 32 filters and 64 units, as the bench has it (tests/bench/bench_cohort.c). */
static bool make_usual(struct plan *p, struct device_trial *t, int layers, int side, int channels, int batch)
{
  struct network_config c = {.num_conv_layers = layers,
                             .epochs = 1,
                             .stride = 1,
                             .kernel = 3,
                             .padding = PADDING_SAME,
                             .num_fc_units = 64,
                             .batch_size = batch,
                             .model = {.filters = 32}};
  plan_make(p, &c, side, side, channels, 10, 4000, 1000);
  return p->feasible && device_network_make(t, p, 0, DEVICE_SHARED_LARGE) >= 0;
}

static int launches_of_kernel_3(int layers)
{
  struct plan p;
  struct device_trial t;
  struct step_cost s;
  if (!make_usual(&p, &t, layers, 28, 1, 32)) return 0;
  step_cost_make(&s, &t, &p);
  return s.n;
}

/* Blocks of each launch of a step, of cohorts of such trials. */
static void print_blocks(int side, int channels, int batch, enum precision precision)
{
  static const int trials[] = {1, 4, 16, 32};
  struct plan p;
  struct device_trial t;
  struct step_launch launches[STEP_LAUNCHES_MAX];
  if (!make_usual(&p, &t, 3, side, channels, batch)) return;
  int n = step_launches(launches, t.layers);
  printf("\nblocks of a launch, %dx%dx%d, batch %d, %s\n%-16s %-34s", side, side, channels, batch,
         precision == PRECISION_TF32 ? "TF32" : "FP32", "", "trials:");
  for (size_t k = 0; k < sizeof trials / sizeof *trials; k++) printf(" %7d", trials[k]);
  printf("\n");
  for (int i = 0; i < n; i++) {
    const struct step_launch *l = &launches[i];
    if (!step_launch_is_of(l, &t, precision)) continue;
    printf("%-16s%2d %-31s", l->stage->name, l->layer + 1, l->stage->does);
    for (size_t k = 0; k < sizeof trials / sizeof *trials; k++) {
      t.together = trials[k];
      printf(" %7d", trials[k] * (l->stage->tiles ? step_launch_tiles(l, &t, precision) : 1));
    }
    printf("\n");
  }
}

/* For tools/kernel_report.sh: of trials that share their kind of shapes; blocks, of which a GPU has
 * as many at once as fit its multiprocessors. */
static int print_launches(void)
{
  printf("launches a step, however many trials, of kernel 3 in FP32:");
  for (int layers = 2; layers <= 4; layers++) printf("  %d layers %d", layers, launches_of_kernel_3(layers));
  printf("\n");
  for (int precision = PRECISION_FP32; precision <= PRECISION_TF32; precision++) {
    print_blocks(28, 1, 32, (enum precision)precision);
    print_blocks(64, 3, 128, (enum precision)precision);
  }
  return 0;
}

int main(int argc, char **argv)
{
  if (argc == 2 && !strcmp(argv[1], "--launches")) return print_launches();
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
