/* How long kernels take on the CPU: a convolution of 32 to 32 channels, 3x3, 14x14, batch 32 (115.6
 * MFLOP), empty launches, and the project's own in a training step (3 layers of 32 filters, 28x28,
 * batch 32).  Linked with the plain and, as bench_cudacpu_checked, with the checked kernels. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host/cuda/cohort.h"
#include "tests/cudacpu/selftest/sound.h"
#include "tests/unit/network/network_config.h"

/* Of the processor: others may have the machine, too. */
static double now_ms(void)
{
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static float *device_floats(size_t n)
{
  float *p, *host = malloc(n * sizeof *host);
  for (size_t i = 0; i < n; i++) host[i] = (float)(i * 2654435761u % 1000) / 1000.0f - 0.5f;
  if (cudaMalloc((void **)&p, n * sizeof *p) || cudaMemcpy(p, host, n * sizeof *p, cudaMemcpyHostToDevice)) exit(1);
  free(host);
  return p;
}

/* A data set of noise. */
static struct dataset noise(int side, int classes, int train, int validation)
{
  int n = train + validation, pixels = side * side;
  uint8_t *images = malloc((size_t)n * (size_t)pixels);
  uint16_t *labels = malloc((size_t)n * sizeof *labels);
  int32_t *rows = malloc((size_t)n * sizeof *rows);
  struct dataset d = {.n_classes = classes, .channels = 1, .height = side, .width = side};
  for (int i = 0; i < n * pixels; i++) images[i] = (uint8_t)((unsigned)i * 2654435761u >> 24);
  for (int i = 0; i < n; i++) {
    labels[i] = (uint16_t)(i % classes);
    rows[i] = i;
  }
  d.mean[0] = 0.5f;
  d.deviation[0] = 0.3f;
  d.train = (struct dataset_split){.n = train, .rows = rows, .images = images, .labels = labels};
  d.validation = (struct dataset_split){.n = validation, .rows = rows + train, .images = images, .labels = labels};
  return d;
}

/* An epoch of a few steps, alone in its cohort; the one validation image is little beside them. */
static void bench_step(const char *kernels, enum precision precision)
{
  enum { STEPS = 3, BATCH = 32, EPOCHS = 3 };
  struct dataset d = noise(28, 10, STEPS * BATCH, 1);
  struct network_config config = usual_network();
  struct plan plan;
  struct error e = {0};
  struct device_data *data;
  struct cohort *c;
  struct cohort_event event;
  double best = 1e9;
  int n;
  config.dropout_rate = 0.2;
  config.epochs = EPOCHS;
  config.num_fc_units = 128;
  config.batch_size = BATCH;
  plan_make(&plan, &config, 28, 28, 1, 10, STEPS * BATCH, 1);
  struct device_need need = {1, 1, cohort_trial_bytes(&plan)};
  if (device_data_open(&data, &d, 0, &need, &e) || cohort_open(&c, data, 1, precision, &e) ||
      cohort_add(c, 0, &plan, 1, &e)) {
    fprintf(stderr, "bench_cudacpu: %s\n", e.message);
    exit(1);
  }
  for (int i = 0; i < EPOCHS; i++) {
    double began = now_ms();
    if (cohort_advance(c, &event, 1, &n, NULL, &e)) exit(1);
    double ms = (now_ms() - began) / STEPS;
    if (ms < best) best = ms;
  }
  cohort_close(c);
  device_data_close(data);
  free((void *)d.train.images);
  free((void *)d.train.labels);
  free((void *)d.train.rows);
  printf("%-8s training step of 3 layers of 32 filters, 28x28, batch 32, %s: %7.1f ms, %5.2f GFLOP/s\n", kernels,
         precision == PRECISION_TF32 ? "tf32" : "fp32", best, plan.flops_step * 1e-6 / best);
}

int main(void)
{
  const int n = 32;
  cudaStream_t stream;
  if (cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking)) return 1;
  float *x = device_floats((size_t)n * 32 * 196), *y = device_floats((size_t)n * 32 * 196), *w = device_floats(9216);
  const char *kernels = cudacpu_is_checked() ? "checked" : "plain";
  for (int tf32 = 0; tf32 < 2; tf32++) {
    double best = 1e9;
    for (int i = 0; i < 15; i++) {
      double began = now_ms();
      if (sound_convolution(tf32, n, y, x, w, stream) || cudaStreamSynchronize(stream)) return 1;
      double ms = now_ms() - began;
      if (ms < best) best = ms;
    }
    printf("%-8s convolution 32->32 3x3 14x14 b32, %s: %7.1f ms a launch, %5.2f GFLOP/s\n", kernels,
           tf32 ? "tf32" : "fp32", best, 0.1156e3 / best);
  }
  double began = now_ms();
  const int launches = 2000, threads = 256;
  for (int i = 0; i < launches; i++)
    if (sound_launch("add_one", (dim3){1, 1, 1}, (dim3){threads, 1, 1}, 0, stream, y, NULL, 0) ||
        cudaStreamSynchronize(stream))
      return 1;
  printf("%-8s launch of %d threads that do nothing: %.1f us\n", kernels, threads, (now_ms() - began) * 1e3 / launches);
  bench_step(kernels, PRECISION_FP32);
  bench_step(kernels, PRECISION_TF32);
  return 0;
}
