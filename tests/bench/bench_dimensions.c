/* What 100 iterations of the optimiser take over 1 ... 12 dimensions: Table 5 of Wang, Nabney and
 * Golbabaee, "Grouped Sequential Optimization Strategy" (CPAL 2025), which has 1.27 ... 2.05 s for
 * its TPE.
 *
 * A study is 100 proposals one after the other, each of which sees the values of all before it: 15
 * random ones, then TPE with the paper's quantile.  The objective is the sum of squares of d floats
 * in [-5, 5], which costs nothing.  Printed is the processor time of a study, the median of five
 * (with other random numbers); beside it that of Optuna's TPESampler, of three, by a child,
 * tests/bench/bench_dimensions_optuna.py, where a virtual environment under build/ has Optuna:
 *
 *   python3 -m venv build/venv && build/venv/bin/pip install 'optuna>=4.9' */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/number_order.h"
#include "host/samplers/sampler.h"
#include "host/space/space.h"
#include "kernels/philox.h"
#include "tests/unit/experiment/defaults.h"

enum { DIMENSIONS = 12, TRIALS = 100, STUDIES = 5, STARTUP = 15 };
static const double QUANTILE = 0.25; /* the paper's, Algorithm 1 */

static double seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void stop_on(int failed, const struct error *e)
{
  if (!failed) return;
  fprintf(stderr, "bench_dimensions: %s\n", e->message);
  exit(1);
}

static void add_floats(struct space *space, int d)
{
  struct error e;
  space_init(space);
  for (; space->n < d; space->n++) {
    char name[16];
    snprintf(name, sizeof name, "x%d", space->n);
    stop_on(param_parse(&space->params[space->n], name, "float -5 .. 5 default 0", &e), &e);
  }
}

/* Processor time of the proposals of one study, in seconds. */
static double study_seconds(const struct sampler *sampler, const struct space *space, int number)
{
  static double values[TRIALS][SPACE_MAX];
  static struct observation history[TRIALS];
  double fixed[SPACE_MAX];
  bool every[SPACE_MAX];
  struct error e;
  struct sampler_settings settings = default_sampler_settings();
  settings.tpe_startup = STARTUP;
  settings.tpe_quantile = QUANTILE;
  for (int i = 0; i < space->n; i++) every[i] = true;
  space_defaults(space, fixed);
  struct sampler_request request = {
      .space = space, .free = every, .fixed = fixed, .history = history, .group_size = TRIALS, .settings = &settings};
  double start = seconds();
  for (int t = 0; t < TRIALS; t++) {
    request.n_history = request.n_group = t;
    request.key = philox_trial_key(7, (uint32_t)number, (uint32_t)t);
    stop_on(sampler->ask(&request, values[t], &e), &e);
    double sum = 0;
    for (int i = 0; i < space->n; i++) sum += values[t][i] * values[t][i];
    history[t] = (struct observation){.number = t, .state = OBSERVATION_COMPLETE, .values = values[t], .value = -sum};
  }
  return seconds() - start;
}

/* The same of Optuna's, for each number of dimensions: a line each from the child.  False: there is
 * no Optuna. */
static bool optuna_seconds(double took[DIMENSIONS + 1], char *version, size_t size)
{
  static const char command[] =
      "for v in build/venv build/venv-search; do $v/bin/python -c 'import optuna' 2>/dev/null && "
      "OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 exec $v/bin/python -W ignore tests/bench/bench_dimensions_optuna.py; "
      "done";
  fflush(stdout);
  FILE *child = popen(command, "r");
  if (!child) return false;
  int read = 0, d;
  double s;
  bool good = fgets(version, (int)size, child) != NULL;
  version[strcspn(version, "\n")] = 0;
  while (good && fscanf(child, "%d %lf", &d, &s) == 2 && d >= 1 && d <= DIMENSIONS) {
    took[d] = s;
    read++;
  }
  return pclose(child) == 0 && read == DIMENSIONS;
}

int main(void)
{
  double optuna[DIMENSIONS + 1] = {0};
  char version[64] = "";
  const struct sampler *sampler = sampler_find("tpe");
  bool compared = optuna_seconds(optuna, version, sizeof version);
  printf("%d iterations of TPE, s of one core (the paper: 1.27 to 2.05 s over 1 to 12 dimensions)\n", TRIALS);
  printf("dimensions     gsos%s%s\n", compared ? "   Optuna " : "", version);
  for (int d = 1; d <= DIMENSIONS; d++) {
    struct space space;
    double took[STUDIES];
    add_floats(&space, d);
    for (int k = 0; k < STUDIES; k++) took[k] = study_seconds(sampler, &space, k);
    qsort(took, STUDIES, sizeof *took, number_order);
    printf("%10d  %7.4f", d, took[STUDIES / 2]);
    if (compared) printf("  %7.3f  %4.0f times", optuna[d], optuna[d] / took[STUDIES / 2]);
    printf("\n");
    space_destroy(&space);
  }
  if (!compared) printf("(no Optuna in build/venv: its TPESampler is not timed)\n");
  return 0;
}
