/* Random search: uniform in each hyperparameter's own scale, feasible, and new where anything new is left. */
#include "sampler.h"

#include "rng.h"

static int random_ask(const struct sampler_request *request, double *values, struct error *e)
{
  struct rng rng = rng_make(request->key, philox_subsequence(PHILOX_SAMPLER, 0, 0));
  return sampler_draw_random(request, &rng, values, e);
}

static bool is_blind(const struct sampler_request *request)
{
  (void)request;
  return true;
}

const struct sampler sampler_random = {.name = "random",
                                       .summary = "uniform random draws, in the logarithm where a range says so",
                                       .ask = random_ask,
                                       .is_blind = is_blind};
