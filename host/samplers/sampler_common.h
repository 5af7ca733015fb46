/* What all samplers share: which configurations there are already, and a walk through what is
 * discrete.  Private to the samplers; sampler.h is what others use. */
#ifndef GSOS_SAMPLER_COMMON_H
#define GSOS_SAMPLER_COMMON_H

#include "host/base/rng.h"
#include "host/samplers/sampler.h"

/* Draws that a sampler makes before it turns to enumeration, and configurations that an enumeration
 * looks at in all: a space of a million feasible points in a billion is still found by luck
 * alone. */
enum { SAMPLER_DRAWS = 1000, SAMPLER_WALK = 1 << 20 };

/* The configurations of the history, finished or in flight, hashed: an ask looks up dozens and at
 * worst a million. */
struct seen {
  const struct sampler_request *request;
  uint32_t *slots; /* [mask + 1] index into the history + 1; 0: empty */
  uint32_t mask;
};
int seen_make(struct seen *s, const struct sampler_request *request,
              struct error *e); /* ERROR_MACHINE without memory */
bool seen_has(const struct seen *s, const double *values);
void seen_destroy(struct seen *s); /* accepts a zero-initialised struct */

/* Is it feasible?  A request without a function: always. */
bool sampler_feasible(const struct sampler_request *request, const double *values);

/* Of a sampler that learns from its group unless [tpe] history says all (sampler.sees_all). */
bool sampler_sees_as_told(const struct sampler_settings *settings);

/* Of a sampler whose proposals depend on no result (sampler.is_blind). */
bool sampler_always_blind(const struct sampler_request *request);

/* Copies what is fixed and draws what is free uniformly in the unit cube (param_from_unit). */
void sampler_draw_uniform(const struct sampler_request *request, struct rng *rng, double *values);

/* Every combination of the free discrete hyperparameters once, in an order that the trial's key
 * shuffles; the floats are drawn uniformly anew for each, and where there are floats the walk goes
 * round until its limit.  The caller asks for the next one until it has what it wants. */
struct discrete_walk {
  const struct sampler_request *request;
  struct rng *rng;
  struct philox_permutation permutation;
  uint64_t combinations; /* saturated at 2^63 */
  uint64_t place, limit;
  bool permuted; /* false: too many combinations to permute, they are drawn at random */
};
void discrete_walk_start(struct discrete_walk *w, const struct sampler_request *request, struct rng *rng);
bool discrete_walk_next(struct discrete_walk *w, double *values); /* false at the end */

/* ERROR_CONFIG: nothing feasible was found, with what would help. */
int sampler_nothing_feasible(const struct sampler_request *request, struct error *e);

#endif
