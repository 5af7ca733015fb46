/* What the samplers' tests share: a space from ini lines, a history in memory, requests. */
#ifndef GSOS_TESTS_SAMPLER_FIXTURE_H
#define GSOS_TESTS_SAMPLER_FIXTURE_H

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/rng.h"
#include "host/samplers/sampler.h"
#include "tests/unit/experiment/defaults.h"

struct fixture {
  struct space space;
  bool free[SPACE_MAX];
  double fixed[SPACE_MAX];
  struct sampler_settings settings;
  struct observation *history; /* [n], its values allocated one by one: no order in memory */
  int n, room;
  feasible_function feasible;
  flops_function flops; /* NULL: not known */
};

/* lines: "name", "text", ..., NULL */
static inline void fixture_open(struct fixture *f, const char *const *lines)
{
  struct error e;
  memset(f, 0, sizeof(*f));
  space_init(&f->space);
  for (; *lines; lines += 2) {
    assert_int_equal(param_parse(&f->space.params[f->space.n], lines[0], lines[1], &e), 0);
    f->free[f->space.n++] = true;
  }
  space_defaults(&f->space, f->fixed);
  f->settings = default_sampler_settings();
}

static inline void fixture_close(struct fixture *f)
{
  for (int i = 0; i < f->n; i++) free((void *)f->history[i].values);
  free(f->history);
  space_destroy(&f->space);
}

static inline void fixture_tell(struct fixture *f, const double *values, enum observation_state state, double value)
{
  if (f->n == f->room) {
    f->room = f->room ? 2 * f->room : 64;
    f->history = realloc(f->history, (size_t)f->room * sizeof(*f->history));
    assert_non_null(f->history);
  }
  double *copy = malloc((size_t)f->space.n * sizeof(*copy) + 1);
  assert_non_null(copy);
  memcpy(copy, values, (size_t)f->space.n * sizeof(*copy));
  f->history[f->n] = (struct observation){.number = f->n, .state = state, .values = copy, .value = value};
  f->n++;
}

static inline struct sampler_request fixture_request(const struct fixture *f, uint64_t seed)
{
  return (struct sampler_request){.space = &f->space,
                                  .free = f->free,
                                  .fixed = f->fixed,
                                  .history = f->history,
                                  .n_history = f->n,
                                  .n_group = f->n,
                                  .group_size = 100,
                                  .key = philox_trial_key(seed, 0, f->n),
                                  .feasible = f->feasible,
                                  .flops = f->flops,
                                  .left = 1,
                                  .settings = &f->settings};
}

/* One proposal, checked: whole, within its ranges, feasible, fixed values as they were. */
static inline void fixture_ask(const struct fixture *f, const char *sampler, uint64_t seed, double *values)
{
  struct error e = {0};
  struct sampler_request request = fixture_request(f, seed);
  for (int i = 0; i < f->space.n; i++) values[i] = NAN;
  int result = sampler_find(sampler)->ask(&request, values, &e);
  if (result) print_error("%s\n", e.message);
  assert_int_equal(result, 0);
  for (int i = 0; i < f->space.n; i++) {
    const struct param *p = &f->space.params[i];
    assert_true(values[i] >= p->low && values[i] <= p->high);
    if (p->type != PARAM_FLOAT) assert_true(values[i] == floor(values[i]));
    if (!f->free[i]) assert_true(values[i] == f->fixed[i]);
  }
  if (f->feasible) assert_true(f->feasible(NULL, values));
}

static inline bool fixture_has(const struct fixture *f, const double *values)
{
  for (int i = 0; i < f->n; i++) {
    if (space_equal(&f->space, f->history[i].values, values)) return true;
  }
  return false;
}

struct fixture_asker {
  const struct fixture *f;
  const char *sampler;
  uint64_t seed;
  double values[SPACE_MAX];
  int code;
};

static inline void *fixture_ask_thread(void *context)
{
  struct fixture_asker *a = context;
  struct error e = {0};
  struct sampler_request request = fixture_request(a->f, a->seed);
  a->code = sampler_find(a->sampler)->ask(&request, a->values, &e);
  if (a->code) print_error("%s\n", e.message);
  return NULL;
}

/* So many threads ask at once, and all get `expected`, to the bit. */
static inline void fixture_ask_beside(const struct fixture *f, const char *sampler, uint64_t seed, int threads,
                                      const double *expected)
{
  struct fixture_asker beside[8];
  pthread_t thread[8];
  assert_in_range(threads, 1, 8);
  for (int k = 0; k < threads; k++) {
    beside[k] = (struct fixture_asker){.f = f, .sampler = sampler, .seed = seed};
    assert_int_equal(pthread_create(&thread[k], NULL, fixture_ask_thread, &beside[k]), 0);
  }
  for (int k = 0; k < threads; k++) {
    pthread_join(thread[k], NULL);
    assert_int_equal(beside[k].code, 0);
    assert_memory_equal(expected, beside[k].values, sizeof(double) * (size_t)f->space.n);
  }
}

#endif
