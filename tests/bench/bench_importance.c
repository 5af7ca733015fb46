/* What it costs to measure the importance of hyperparameters: each method on 10,000 random trials
 * of ten hyperparameters, weights alone and with their intervals, by the clock on the wall. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/rng.h"
#include "host/importance/importance.h"
#include "host/space/function_space.h"
#include "host/space/functions.h"

enum { TRIALS = 10000 };

static double seconds(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_seconds(const struct importance_method *method, const struct importance_trials *t, int resamples)
{
  static struct importance out;
  struct error error;
  struct importance_settings settings = importance_settings_default();
  settings.resamples = resamples;
  double start = seconds();
  if (importance_measure(method, t, &settings, &out, &error)) {
    printf("importance %s: %s\n", method->name, error.message);
    return;
  }
  int heaviest = 0;
  while (out.rank[heaviest] != 1) heaviest++;
  printf("importance %-10s %d dimensions, %d trials, %3d resamples: %.3f s; heaviest: %s, %.3f\n", method->name,
         t->space->n, t->n, resamples, seconds() - start, t->space->params[heaviest].name, out.weight[heaviest]);
}

int main(void)
{
  static const double *values[TRIALS];
  static double value[TRIALS];
  struct space space;
  struct groups groups;
  struct error error;
  bool maximize;
  const struct function *function = function_find("tuning");
  if (function_space("tuning", &space, &groups, &maximize, &error)) return 1;
  double *configurations = calloc((size_t)TRIALS * (size_t)space.n, sizeof(*configurations));
  if (!configurations) return 1;
  struct rng rng = rng_make(3, philox_subsequence(PHILOX_TEST, 0, 0));
  for (int t = 0; t < TRIALS; t++) {
    double *row = configurations + (size_t)t * (size_t)space.n, numbers[SPACE_MAX];
    for (int i = 0; i < space.n; i++) {
      row[i] = param_from_unit(&space.params[i], rng_uniform(&rng));
      numbers[i] = param_number(&space.params[i], row[i]);
    }
    struct function_call call = {.function = function, .x = numbers, .epoch = 1};
    function->value(&call);
    values[t] = row;
    value[t] = maximize ? call.value : -call.value;
  }
  struct importance_trials trials = {.space = &space, .n = TRIALS, .values = values, .value = value};
  for (int i = 0; importance_methods[i]; i++) {
    print_seconds(importance_methods[i], &trials, 0);
    print_seconds(importance_methods[i], &trials, importance_settings_default().resamples);
  }
  free(configurations);
  space_destroy(&space);
  return 0;
}
