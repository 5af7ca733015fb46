/* Random search: uniform in each hyperparameter's own scale, feasible, and new where anything new
 * is left. */
#include "host/samplers/sampler.h"

#include "host/samplers/sampler_common.h"

static int random_ask(const struct sampler_request *request, double *values, struct error *e)
{
  struct rng rng = rng_make(request->key, philox_subsequence(PHILOX_SAMPLER, 0, 0));
  return sampler_draw_random(request, &rng, values, e);
}

const struct sampler sampler_random = {.name = "random",
                                       .summary = "uniform random draws, in the logarithm where a range says so",
                                       .sees_all = sampler_sees_as_told,
                                       .ask = random_ask,
                                       .is_blind = sampler_always_blind};
