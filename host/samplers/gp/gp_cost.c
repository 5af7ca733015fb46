/* Expected improvement by expected cost.  See gp_cost.h. */
#include "host/samplers/gp/gp_cost.h"

#include <math.h>
#include <stdlib.h>

#include "host/samplers/gp/gp_fits.h"

/* Seconds are smooth, and need no fit as careful as the values': this part of its evaluations. */
enum { EVALUATIONS_PART = 4, EVALUATIONS_LEAST = 8, TRIALS_LEAST = 3, BATCH = 256 };

/* --- seconds --- */

static bool has_seconds(const struct observation *o)
{
  return o->state == OBSERVATION_COMPLETE && o->seconds > 0;
}

/* Logarithms to mean 0 and deviation 1; returns the deviation, 0 where all are the same. */
static double standardise(int n, double *z)
{
  double mean = 0, sum = 0;
  for (int k = 0; k < n; k++) mean += z[k] / n;
  for (int k = 0; k < n; k++) sum += (z[k] - mean) * (z[k] - mean);
  double deviation = sqrt(sum / n);
  for (int k = 0; k < n && deviation > 0; k++) z[k] = (z[k] - mean) / deviation;
  return deviation;
}

/* Fits the model of seconds; without enough of them there is no weight.  memory has room for
 * data->n × (data->d + 1). */
static int fit_seconds(struct gp_cost *c, const struct gp_data *data, const struct observation *const *trials,
                       double *memory, struct error *e)
{
  const double *column[GP_DIMENSIONS_MAX];
  int n = 0, evaluations = c->request->settings->gp_evaluations / EVALUATIONS_PART;
  double *z = memory + (size_t)data->n * (size_t)data->d;
  for (int k = 0; k < data->n; k++) {
    if (!has_seconds(trials[k])) continue;
    for (int i = 0; i < data->d; i++) memory[(size_t)i * (size_t)data->n + (size_t)n] = data->x[i][k];
    z[n++] = log(trials[k]->seconds);
  }
  for (int i = 0; i < data->d; i++) column[i] = memory + (size_t)i * (size_t)data->n;
  if (n >= TRIALS_LEAST) c->scale = standardise(n, z);
  if (!(c->scale > 0)) {
    c->weight = 0;
    return 0;
  }
  struct gp_data seconds = {.n = n, .d = data->d, .x = column, .categorical = data->categorical, .z = z};
  struct gp_hyper hyper;
  int most = evaluations > EVALUATIONS_LEAST ? evaluations : EVALUATIONS_LEAST;
  int code = gp_fits_get(c->request->settings->gp_fits, &seconds, GP_PRIOR_WIDE, most, NULL, &hyper, e);
  return code ? code : gp_model_make(&c->model, &seconds, &hyper, 0, NULL, e);
}

int gp_cost_make(struct gp_cost *c, const struct sampler_request *request, const struct gp_data *data,
                 const struct observation *const *trials, struct error *e)
{
  const struct sampler_settings *settings = request->settings;
  *c = (struct gp_cost){.request = request};
  if (settings->gp_cost == GP_COST_NONE || (settings->gp_cost == GP_COST_FLOPS && !request->flops)) return 0;
  c->weight = settings->gp_cost_weight * request->left;
  if (settings->gp_cost == GP_COST_FLOPS || c->weight == 0) return 0;
  double *memory = malloc((size_t)(data->n + 1) * (size_t)(data->d + 1) * sizeof(*memory));
  if (!memory) return error_set(e, ERROR_MACHINE, "out of memory for the times of %d trials", data->n);
  int code = fit_seconds(c, data, trials, memory, e);
  free(memory);
  return code;
}

void gp_cost_destroy(struct gp_cost *c)
{
  gp_model_destroy(&c->model);
}

/* --- costs --- */

static double by_flops(const struct gp_cost *c, const double *values)
{
  double flops = c->request->flops(c->request->flops_context, values);
  return flops > 0 ? c->weight * log(flops) : 0; /* infeasible: never proposed */
}

double gp_cost_of(struct gp_cost *c, const double *values, const double *point)
{
  double mean, sd;
  if (c->weight == 0) return 0;
  if (c->request->settings->gp_cost == GP_COST_FLOPS) return by_flops(c, values);
  gp_model_predict_one(&c->model, point, &mean, &sd, NULL, NULL);
  return c->weight * c->scale * mean;
}

void gp_cost_of_each(struct gp_cost *c, int count, const double *values, const double *const *x, double *cost)
{
  if (c->weight != 0 && c->request->settings->gp_cost == GP_COST_TIME) {
    for (int from = 0; from < count; from += BATCH) {
      const double *part[GP_DIMENSIONS_MAX];
      double sd[BATCH];
      int n = count - from < BATCH ? count - from : BATCH;
      for (int i = 0; i < c->model.d; i++) part[i] = x[i] + from;
      gp_model_predict(&c->model, n, part, cost + from, sd);
    }
    for (int k = 0; k < count; k++) cost[k] *= c->weight * c->scale;
    return;
  }
  for (int k = 0; k < count; k++) cost[k] = gp_cost_of(c, values + (size_t)k * (size_t)c->request->space->n, NULL);
}
