/* What a proposal costs: the paper's ten hyperparameters with 1,000 trials of history, one core.
 *
 * Printed is the best and the median of many asks, each with a key of its own.  The history is random, a tenth of it failed or
 * in flight; the second line has the good trials bunched in a corner, where kernels overlap and none may be left out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "function_space.h"
#include "rng.h"
#include "sampler.h"

static double seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* The paper's rule in small: a map of 28 vanishes under a valid kernel, halved by stride and pooling in each layer. */
static bool map_remains(void *context, const double *values)
{
  (void)context;
  int size = 28, kernel = values[7] == 0 ? 3 : 5, stride = values[5] == 0 ? 1 : 2,
      pad = values[6] == 0 ? 0 : kernel / 2;
  for (int layer = 0; layer < (int)values[0] && size > 0; layer++) {
    size = size + 2 * pad < kernel ? 0 : (size + 2 * pad - kernel) / stride + 1;
    size /= 2;
  }
  return size > 0;
}

static void measure(const struct sampler *sampler, const char *function, int n_history, bool bunched, const char *what)
{
  enum { ASKS = 201 };
  struct space space;
  struct groups groups;
  struct error error;
  bool maximize, free_all[SPACE_MAX];
  double fixed[SPACE_MAX], proposal[SPACE_MAX], times[ASKS], sum = 0;
  if (function_space(function, &space, &groups, &maximize, &error)) return;
  struct observation *history = calloc((size_t)n_history, sizeof(*history));
  double *values = calloc((size_t)(n_history * space.n), sizeof(*values));
  struct rng rng = rng_make(1, philox_subsequence(PHILOX_TEST, 0, 0));
  for (int t = 0; t < n_history; t++) {
    double *row = values + (size_t)t * (size_t)space.n;
    bool good = t % 4 == 0;
    for (int i = 0; i < space.n; i++) {
      row[i] = param_from_unit(&space.params[i], (bunched && good ? 0.05 : 1.0) * rng_uniform(&rng));
    }
    history[t] = (struct observation){.number = t, .values = row, .value = rng_uniform(&rng) + (bunched && good)};
    if (t % 10 == 9) history[t].state = t % 20 == 9 ? OBSERVATION_FAILED : OBSERVATION_IN_FLIGHT;
  }
  struct sampler_settings settings = sampler_settings_default();
  for (int i = 0; i < space.n; i++) free_all[i] = true;
  space_defaults(&space, fixed);
  struct sampler_request request = {.space = &space,
                                    .free = free_all,
                                    .fixed = fixed,
                                    .history = history,
                                    .n_history = n_history,
                                    .n_group = n_history,
                                    .group_size = 2 * n_history,
                                    .feasible = strcmp(function, "tuning") ? NULL : map_remains,
                                    .settings = &settings};
  for (int k = 0; k < ASKS; k++) {
    request.key = philox_trial_key(7, 0, k);
    double start = seconds();
    if (sampler->ask(&request, proposal, &error)) {
      printf("sampler %s: %s\n", sampler->name, error.message);
      break;
    }
    times[k] = seconds() - start;
    sum += proposal[0];
  }
  qsort(times, ASKS, sizeof(*times), ascending);
  printf("sampler %-6s %2d dimensions, %5d trials%s: best %.3f ms, median %.3f ms a proposal%s\n", sampler->name,
         space.n, n_history, what, 1e3 * times[0], 1e3 * times[ASKS / 2], sum == 0 ? " " : "");
  free(values);
  free(history);
  space_destroy(&space);
}

int main(void)
{
  measure(sampler_find("random"), "tuning", 1000, false, "");
  measure(sampler_find("grid"), "tuning", 1000, false, "");
  measure(sampler_find("tpe"), "tuning", 100, false, "");
  measure(sampler_find("tpe"), "tuning", 1000, false, "");
  measure(sampler_find("tpe"), "tuning", 1000, true, ", bunched");
  measure(sampler_find("tpe"), "ackley", 1000, false, ", all floats");
  measure(sampler_find("tpe"), "ackley", 1000, true, ", all floats, bunched");
  measure(sampler_find("tpe"), "tuning", 10000, false, "");
  return 0;
}
