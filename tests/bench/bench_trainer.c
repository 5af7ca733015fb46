/* Speed of the CPU trainer: images a second, GFLOP/s, the share of the core's FMA peak, PyTorch
 * beside it, and a trial on every core.
 *
 *   bench_trainer [--quick] [--verbose]
 *
 * Everything runs on one core (the process is pinned to it, and PyTorch, a child, inherits that),
 * one thread each, in turn: peak, ours, PyTorch, peak, ... so that what else the machine does meets
 * all of them alike; the best run of each counts.  FLOPs are the plan's: the arithmetic that the
 * network asks for, not what an implementation gets away with. --verbose adds each stage's time
 * with the name of its implementation, and a sweep over the space's feasible shapes. */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernels/philox.h"
#include "host/cpu/dnnl_compat.h"
#include "tests/unit/network/network_config.h"
#include "host/network/trainer.h"
#include "host/cpu/trainer_cpu.h"

/* The thread's own CPU time: what else the machine does takes turns with it, and is not counted. */
static double now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- What is measured ------------------------------------------------------------------------- */

/* Random images: speed does not depend on what they show. */
static void make_data(struct dataset *d, int n, int height, int width, int channels)
{
  size_t bytes = (size_t)n * (size_t)height * (size_t)width * (size_t)channels;
  uint8_t *images = malloc(bytes);
  uint16_t *labels = malloc((size_t)n * sizeof *labels);
  int32_t *rows = malloc((size_t)n * sizeof *rows);
  if (!images || !labels || !rows) {
    fprintf(stderr, "no memory\n");
    exit(1);
  }
  for (size_t i = 0; i < bytes; i++) images[i] = (uint8_t)(i * 2654435761u >> 13);
  for (int i = 0; i < n; i++) {
    labels[i] = (uint16_t)(i * 7 % 10);
    rows[i] = i;
  }
  *d = (struct dataset){.n_classes = 10, .channels = channels, .height = height, .width = width};
  for (int c = 0; c < channels; c++) {
    d->mean[c] = 0.5f;
    d->deviation[c] = 0.29f;
  }
  d->train = (struct dataset_split){.n = n, .rows = rows, .images = images, .labels = labels};
}

static void free_data(struct dataset *d)
{
  free((void *)d->train.rows);
  free((void *)d->train.images);
  free((void *)d->train.labels);
}

static struct network *make_network(struct plan *p, const struct network_config *c, const struct dataset *d)
{
  struct error e = {0};
  struct network *n;
  plan_make(p, c, d->height, d->width, d->channels, 10, d->train.n, 0);
  if (!p->feasible) return NULL;
  if (network_create(&n, p, 1, d, &e)) {
    fprintf(stderr, "%s\n", e.message);
    exit(1);
  }
  return n;
}

/* Seconds of one epoch. */
static double train(struct network *n)
{
  struct error e = {0};
  double loss, t = now();
  if (network_train_epoch(n, &loss, NULL, &e)) {
    fprintf(stderr, "%s\n", e.message);
    exit(1);
  }
  return now() - t;
}

/* FLOP/s of independent multiply-adds in the widest vectors, for about 10 ms. */
static double peak(void)
{
  enum cpu_isa isa = compat_isa();
  const struct cpu_loops *loops = cpu_loops_find(isa, isa == CPU_ISA_AVX512 ? 16 : 8);
  float sink[3] = {0.999f, 0.001f, 0};
  double t = now(), flops = loops->peak(1000000, sink);
  return flops / (now() - t);
}

/* --- PyTorch, a child process that answers "time STEPS" with seconds -------------------------- */

struct torch {
  pid_t pid;
  FILE *to, *from;
  char version[64];
};

static bool torch_start(struct torch *t, int size, int channels, int batch)
{
  int to[2], from[2];
  char size_text[16], channels_text[16], batch_text[16];
  snprintf(size_text, sizeof size_text, "%d", size);
  snprintf(channels_text, sizeof channels_text, "%d", channels);
  snprintf(batch_text, sizeof batch_text, "%d", batch);
  memset(t, 0, sizeof *t);
  if (access("/usr/bin/python3", X_OK) || access("tools/bench_pytorch.py", R_OK)) return false;
  if (pipe(to) || pipe(from)) return false;
  t->pid = fork();
  if (t->pid < 0) return false;
  if (t->pid == 0) {
    dup2(to[0], 0);
    dup2(from[1], 1);
    close(to[1]);
    close(from[0]);
    execl("/usr/bin/python3", "python3", "tools/bench_pytorch.py", "serve", size_text, channels_text, batch_text,
          (char *)NULL);
    _exit(127);
  }
  close(to[0]);
  close(from[1]);
  t->to = fdopen(to[1], "w");
  t->from = fdopen(from[0], "r");
  return fscanf(t->from, "ready %63s", t->version) == 1;
}

static double torch_time(struct torch *t, int steps)
{
  double seconds;
  fprintf(t->to, "time %d\n", steps);
  fflush(t->to);
  return fscanf(t->from, "%lf", &seconds) == 1 ? seconds : INFINITY;
}

static void torch_stop(struct torch *t)
{
  if (t->to) fclose(t->to);
  if (t->from) fclose(t->from);
  if (t->pid > 0) waitpid(t->pid, NULL, 0);
}

/* --- Reports ---------------------------------------------------------------------------------- */

static void stage_line(const char *what, const char *implementation, double seconds, double flops, double whole)
{
  printf("    %-26s %-20s %9.1f us %5.1f %%", what, implementation, seconds * 1e6, 100 * seconds / whole);
  if (flops > 0) printf(" %7.1f GFLOP/s", flops / seconds * 1e-9);
  printf("\n");
}

/* Each stage's share of a step. */
static void stages(struct network *n, const struct dataset *d)
{
  static const char *const names[5] = {"convolution", "ReLU + max pool", "max pool, gradient", "data gradient",
                                       "weight gradient"};
  double seconds[STAGE_COUNT], whole = INFINITY;
  int batch = n->plan.config.batch_size, steps = d->train.n / batch;
  for (int i = 0; i < 15; i++) { /* the fastest epoch's */
    double now_seconds[STAGE_COUNT] = {0};
    n->stage_seconds = now_seconds;
    double t = train(n);
    n->stage_seconds = NULL;
    if (t < whole) {
      whole = t;
      memcpy(seconds, now_seconds, sizeof seconds);
    }
  }
  whole /= steps;
  for (int i = 0; i < STAGE_COUNT; i++) seconds[i] /= steps;
  double first = 2.0 * batch * n->plan.conv[0].filters * n->plan.conv[0].in_channels * n->plan.config.kernel *
                 n->plan.config.kernel * n->plan.conv[0].conv_height * n->plan.conv[0].conv_width;
  printf("  stages of a step (mean of the %d of the fastest run):\n", steps);
  stage_line("1 conv + ReLU + pool", n->loops->name, seconds[STAGE_FIRST_FORWARD], first, whole);
  stage_line("1 weight gradient", n->loops->name, seconds[STAGE_FIRST_BACKWARD], first, whole);
  for (int l = 1; l < n->layers; l++) {
    const struct conv_shape *s = &n->plan.conv[l];
    double flops = 2.0 * batch * s->filters * s->in_channels * s->kernel * s->kernel * s->conv_height * s->conv_width;
    for (int k = 0; k < 5; k++) {
      bool conv = k == STAGE_FORWARD || k >= STAGE_DATA;
      char what[64];
      snprintf(what, sizeof what, "%d %s", l + 1, names[k]);
      int pass = k == STAGE_FORWARD ? CONV_FORWARD : k == STAGE_DATA ? CONV_BACKWARD_DATA : CONV_BACKWARD_WEIGHTS;
      stage_line(what, conv ? cpu_conv_implementation(n->conv[l], (enum conv_pass)pass) : n->loops->name,
                 seconds[STAGE_CONV + 5 * l + k], conv ? flops : 0, whole);
    }
  }
  double dense = 2.0 * batch * ((double)n->plan.features + n->plan.classes) * n->plan.config.num_fc_units;
  stage_line("dense, forward", "sgemm", seconds[STAGE_DENSE_FORWARD], dense, whole);
  stage_line("dense, gradients", "sgemm", seconds[STAGE_DENSE_BACKWARD], 2 * dense, whole);
  if (n->plan.config.dropout_rate > 0) stage_line("dropout", n->loops->name, seconds[STAGE_DROPOUT], 0, whole);
  stage_line("optimiser", n->loops->name, seconds[STAGE_OPTIMIZER], 0, whole);
}

struct result {
  double best, mean;
};

static void add_run(struct result *r, int run, double seconds)
{
  r->best = run == 0 || seconds < r->best ? seconds : r->best;
  r->mean += (seconds - r->mean) / (run + 1);
}

/* One image size, peak and ours and PyTorch in turn. */
static void compare(int size, int channels, int steps, int rounds, bool verbose)
{
  struct network_config c = usual_network();
  struct dataset d;
  struct plan p;
  struct torch torch;
  make_data(&d, steps * c.batch_size, size, size, channels);
  struct network *n = make_network(&p, &c, &d);
  bool beside = torch_start(&torch, size, channels, c.batch_size);
  struct result ours = {0}, theirs = {0};
  double best_peak = 0;
  train(n); /* warm */
  for (int i = 0; i < rounds; i++) {
    double f = peak();
    if (f > best_peak) best_peak = f;
    add_run(&ours, i, train(n));
    if (beside) add_run(&theirs, i, torch_time(&torch, steps));
  }
  torch_stop(&torch);
  double images = (double)steps * c.batch_size;
  double rate = p.flops_image_training * images / ours.best;
  printf("%dx%dx%d, batch %d (%.1f MFLOP an image)\n", size, size, channels, c.batch_size,
         p.flops_image_training * 1e-6);
  printf("  gsos     %8.0f images/s (mean %8.0f)  %6.1f GFLOP/s  %4.1f %% of the core's peak of %.1f GFLOP/s\n",
         images / ours.best, images / ours.mean, rate * 1e-9, 100 * rate / best_peak, best_peak * 1e-9);
  if (beside)
    printf("  PyTorch  %8.0f images/s (mean %8.0f)  gsos is %.1f× as fast (mean %.1f×), PyTorch %s\n",
           images / theirs.best, images / theirs.mean, theirs.best / ours.best, theirs.mean / ours.mean, torch.version);
  else
    printf("  (no PyTorch: /usr/bin/python3 has no module torch; Debian's package is python3-torch)\n");
  if (verbose) stages(n, &d);
  network_destroy(n);
  free_data(&d);
}

/* --- trials side by side ---------------------------------------------------------------------- */

enum { SIDE_MAX = 64 };

struct side {
  pthread_t thread;
  pthread_barrier_t *start, *end;
  const struct dataset *data;
  int core, rounds;
  double began, ended; /* of the last round */
};

static void *side_thread(void *context)
{
  struct side *s = context;
  struct network_config c = usual_network();
  struct plan p;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(s->core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  trainer_cpu_thread_begin();
  struct network *n = make_network(&p, &c, s->data);
  train(n); /* warm */
  for (int i = 0; i < s->rounds; i++) {
    pthread_barrier_wait(s->start);
    s->began = now();
    train(n);
    s->ended = now();
    pthread_barrier_wait(s->end);
  }
  network_destroy(n);
  return NULL;
}

/* Seconds, best of the rounds, in which n threads on cores of their own train a network each: from
 * the first one's start to the last one's end. */
static double side_seconds(const struct dataset *d, const int *cores, int n, int rounds)
{
  struct side sides[SIDE_MAX];
  pthread_barrier_t start, end;
  double best = INFINITY;
  pthread_barrier_init(&start, NULL, (unsigned)n + 1);
  pthread_barrier_init(&end, NULL, (unsigned)n + 1);
  for (int i = 0; i < n; i++) {
    sides[i] = (struct side){.start = &start, .end = &end, .data = d, .core = cores[i], .rounds = rounds};
    if (pthread_create(&sides[i].thread, NULL, side_thread, &sides[i])) exit(1);
  }
  for (int i = 0; i < rounds; i++) {
    double began = INFINITY, ended = 0;
    pthread_barrier_wait(&start);
    pthread_barrier_wait(&end);
    for (int k = 0; k < n; k++) {
      began = fmin(began, sides[k].began);
      ended = fmax(ended, sides[k].ended);
    }
    best = fmin(best, ended - began);
  }
  for (int i = 0; i < n; i++) pthread_join(sides[i].thread, NULL);
  pthread_barrier_destroy(&start);
  pthread_barrier_destroy(&end);
  return best;
}

/* One trial alone, and one a core, in turn: what the others cost each. */
static void side_by_side(const cpu_set_t *allowed, int rounds)
{
  int cores[SIDE_MAX], n = 0;
  struct dataset d;
  double alone = INFINITY, together = INFINITY;
  for (int i = 0; i < CPU_SETSIZE && n < SIDE_MAX; i++)
    if (CPU_ISSET(i, allowed)) cores[n++] = i;
  if (n < 2) return;
  make_data(&d, 40 * 32, 28, 28, 1);
  for (int i = 0; i < 3; i++) {
    alone = fmin(alone, side_seconds(&d, cores, 1, rounds));
    together = fmin(together, side_seconds(&d, cores, n, rounds));
  }
  printf("28x28x1, batch 32, a trial on each of %d cores\n", n);
  printf("  %.0f images/s; alone %.0f: %.2f× as many\n", n * d.train.n / together, d.train.n / alone,
         n * alone / together);
  free_data(&d);
}

/* Every feasible shape of the paper's space at 28x28x1, and batch sizes. */
static void sweep(void)
{
  struct dataset d;
  make_data(&d, 256, 28, 28, 1);
  printf("sweep at 28x28x1 (best of 5 runs of 256 images)\n");
  for (int i = 0; i < 24 + 4; i++) {
    struct network_config c = usual_network();
    if (i < 24) {
      c.num_conv_layers = 2 + i / 8;
      c.stride = i & 1 ? 2 : 1;
      c.kernel = i & 2 ? 5 : 3;
      c.padding = i & 4 ? PADDING_VALID : PADDING_SAME;
    } else {
      c.batch_size = 32 << (i - 24);
      c.dropout_rate = 0.5;
      c.num_fc_units = 256;
    }
    struct plan p;
    double begin = now();
    struct network *n = make_network(&p, &c, &d);
    double created = now() - begin, best = INFINITY, best_peak = 0;
    if (!n) continue;
    for (int run = 0; run < 5; run++) {
      double f = peak(), t = train(n);
      best = t < best ? t : best;
      best_peak = f > best_peak ? f : best_peak;
    }
    double rate = p.flops_image_training * d.train.n / best;
    printf(
        "  layers %d kernel %d stride %d %-5s batch %3d units %3d dropout %.1f: %7.0f images/s %6.1f GFLOP/s %5.1f %% "
        "of peak, created in %.1f ms, %.1f MB\n",
        c.num_conv_layers, c.kernel, c.stride, c.padding == PADDING_SAME ? "same" : "valid", c.batch_size,
        c.num_fc_units, c.dropout_rate, d.train.n / best, rate * 1e-9, 100 * rate / best_peak, created * 1e3,
        (double)network_bytes(n) * 1e-6);
    network_destroy(n);
  }
  free_data(&d);
}

int main(int argc, char **argv)
{
  bool quick = false, verbose = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--quick") == 0)
      quick = true;
    else if (strcmp(argv[i], "--verbose") == 0)
      verbose = true;
    else {
      fprintf(stderr, "usage: bench_trainer [--quick] [--verbose]\n");
      return 2;
    }
  }
  signal(SIGPIPE, SIG_IGN);
  cpu_set_t set, allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(0, sizeof set, &set);
  trainer_cpu_thread_begin();
  printf("CPU trainer: %s, loops %s; one core, best of runs in turn\n", trainer_cpu_description(),
         cpu_loops_find(compat_isa(), compat_isa() == CPU_ISA_AVX512 ? 16 : 8)->name);
  compare(28, 1, 20, quick ? 8 : 30, verbose);
  compare(64, 3, 4, quick ? 6 : 20, verbose);
  side_by_side(&allowed, quick ? 8 : 20);
  if (verbose) sweep();
  return 0;
}
