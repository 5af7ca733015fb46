/* The maximum of expected improvement in a mixed space.  See gp_acquisition.h.
 *
 *   1. Candidates, half of them scrambled Sobol points over the free hyperparameters, half
 *      mutations of the best configurations: in many dimensions hardly any even point is near what
 *      is promising, and hardly any mutation is elsewhere.  All are predicted as one batch.
 *   2. The best few of each half that are feasible and new are refined (gp_refine.c).
 *   3. The best new one of all that were seen is taken.  Where no candidate is new and feasible,
 *      the discrete part is walked (sampler_common.h); where nothing is new, the best is
 *      repeated. */
#include "host/samplers/gp/gp_acquisition.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/expected_improvement.h"
#include "host/samplers/gp/gp_cost.h"
#include "host/samplers/gp/gp_ranking.h"
#include "host/samplers/gp/gp_refine.h"
#include "host/samplers/gp/sobol.h"

/* Candidates refined, of each half. */
enum { REFINE_SOBOL = 2, REFINE_MUTATED = 3 };

/* --- expected improvement --- */

double gp_log_expected_improvement(double mean, double sd, double best, double *by_mean, double *by_sd)
{
  double cdf_by_h, pdf_by_h, log_h = log_improvement((mean - best) / sd, &cdf_by_h, &pdf_by_h);
  if (by_mean) *by_mean = cdf_by_h / sd;
  if (by_sd) *by_sd = pdf_by_h / sd;
  return log(sd) + log_h;
}

double gp_coordinate(const struct param *p, double value)
{
  return p->type == PARAM_CATEGORICAL ? value : param_to_unit(p, value);
}

/* --- candidates --- */

struct gp_candidates {
  int n, width;
  int middle;                        /* mutations are from there on */
  double *values;                    /* [n][width] */
  double *column[GP_DIMENSIONS_MAX]; /* [axes][n] */
  double *cost;                      /* [n] */
  struct gp_ranking ranking;
  double *memory;
};

static int candidates_make(struct gp_candidates *c, const struct gp_search *s, int n, struct error *e)
{
  *c = (struct gp_candidates){.n = n, .width = s->request->space->n};
  c->memory = malloc((size_t)n * (size_t)(c->width + s->axes->n + 1) * sizeof(double));
  if (!c->memory) return error_set(e, ERROR_MACHINE, "out of memory for %d candidates", n);
  double *at = c->memory;
  c->values = at;
  at += (size_t)n * (size_t)c->width;
  for (int i = 0; i < s->axes->n; i++, at += n) c->column[i] = at;
  c->cost = at;
  return 0;
}

static void candidates_destroy(struct gp_candidates *c)
{
  free(c->memory);
  gp_ranking_destroy(&c->ranking);
}

static double *candidate(const struct gp_candidates *c, int i)
{
  return c->values + (size_t)i * (size_t)c->width;
}

static void fill_sobol(const struct gp_search *s, struct gp_candidates *c, int from, int to)
{
  const struct sampler_request *r = s->request;
  static const int most = SOBOL_DIMENSIONS;
  struct sobol sobol;
  double unit[SOBOL_DIMENSIONS];
  int n_free = 0;
  for (int i = 0; i < r->space->n; i++) n_free += r->free[i];
  sobol_make(&sobol, n_free < most ? n_free : most, r->key);
  for (int k = from; k < to; k++) {
    double *values = candidate(c, k);
    int next = 0;
    sobol_point(&sobol, (uint32_t)(k - from), unit);
    for (int i = 0; i < r->space->n; i++) {
      values[i] = r->free[i] ? param_from_unit(&r->space->params[i], unit[next++]) + 0.0 : r->fixed[i];
    }
  }
}

/* Box and Muller 1958. */
static double draw_normal(struct rng *rng)
{
  double r = sqrt(-2.0 * log(1.0 - rng_uniform(rng)));
  return r * cos(2.0 * M_PI * rng_uniform(rng));
}

/* Another value of p: near by in the unit interval, of a categorical any other. */
static double mutate(const struct param *p, double value, double step, struct rng *rng)
{
  int64_t count = param_count(p);
  if (count == 1) return p->low;
  if (p->type == PARAM_CATEGORICAL) {
    double other = p->low + rng_below(rng, (uint32_t)count - 1);
    return other < value ? other : other + 1;
  }
  double unit = param_to_unit(p, value) + step * draw_normal(rng);
  unit = fabs(unit);
  unit = fmod(unit, 2);
  double next = param_from_unit(p, fmin(unit < 1 ? unit : 2 - unit, 0x1.fffffffffffffp-1)) + 0.0;
  if (p->type == PARAM_FLOAT || next != value) return next;
  if (value == p->low) return value + 1;
  if (value == p->high) return value - 1;
  return rng_word(rng) & 1 ? value + 1 : value - 1;
}

/* An incumbent, the better ones more often, of which about two hyperparameters, at least one, are
 * changed, by steps from a three hundredth to a third of the range. */
static void fill_mutations(const struct gp_search *s, struct gp_candidates *c, int from, int to, struct rng *rng)
{
  const struct sampler_request *r = s->request;
  int which[SPACE_MAX], n_free = 0;
  for (int i = 0; i < r->space->n; i++) {
    if (r->free[i]) which[n_free++] = i;
  }
  for (int k = from; k < to; k++) {
    double *values = candidate(c, k), u = rng_uniform(rng), step = pow(10, -2.5 + 2 * rng_uniform(rng));
    const double *base = s->incumbents[(int)(u * u * s->n_incumbents)];
    memcpy(values, r->fixed, (size_t)c->width * sizeof(*values));
    for (int i = 0; i < n_free; i++) values[which[i]] = base[which[i]];
    uint32_t sure = n_free ? rng_below(rng, (uint32_t)n_free) : 0;
    for (int i = 0; i < n_free; i++) {
      bool chosen = rng_uniform(rng) * n_free < 1.5;
      const struct param *p = &r->space->params[which[i]];
      if (chosen || (uint32_t)i == sure) values[which[i]] = mutate(p, values[which[i]], step, rng);
    }
  }
}

/* Coordinates of all along an axis.  Those of what has few values are found once, not logarithms
 * for each candidate; an incumbent of another space may have a value that is none of them. */
static void locate_along(const struct gp_candidates *c, const struct param *p, int at, double *column)
{
  enum { FEW = 1024 };
  double few[FEW];
  int64_t count = param_count(p); /* 0: a float */
  if (count > FEW || count > c->n || p->type == PARAM_CATEGORICAL) count = 0;
  for (int64_t i = 0; i < count; i++) few[i] = gp_coordinate(p, p->low + (double)i);
  for (int k = 0; k < c->n; k++) {
    double value = candidate(c, k)[at], place = value - p->low;
    bool is_there = place >= 0 && place < (double)count && place == (double)(int64_t)place;
    column[k] = is_there ? few[(int64_t)place] : gp_coordinate(p, value);
  }
}

static void locate_all(const struct gp_search *s, const struct gp_candidates *c)
{
  for (int i = 0; i < s->axes->n; i++) {
    int at = s->axes->param[i];
    locate_along(c, &s->request->space->params[at], at, c->column[i]);
  }
}

int gp_candidates_draw(struct gp_candidates **out, const struct gp_search *s, struct rng *rng, struct error *e)
{
  int n = s->request->settings->gp_candidates, middle = s->n_incumbents ? n - n / 2 : n;
  struct gp_candidates *c = *out = malloc(sizeof(*c));
  int code = c ? candidates_make(c, s, n, e) : error_set(e, ERROR_MACHINE, "out of memory for %d candidates", n);
  if (code) {
    free(c);
    *out = NULL;
    return code;
  }
  c->middle = middle;
  fill_sobol(s, c, 0, middle);
  fill_mutations(s, c, middle, n, rng);
  locate_all(s, c);
  return 0;
}

void gp_candidates_destroy(struct gp_candidates *c)
{
  if (c) candidates_destroy(c);
  free(c);
}

/* Predicts and scores all. */
static int candidates_rank(const struct gp_search *s, struct gp_candidates *c, struct error *e)
{
  const double *const *x = (const double *const *)c->column;
  if (s->cost->weight == 0) return gp_ranking_make(&c->ranking, s->model, c->n, x, s->best, NULL, e);
  gp_cost_of_each(s->cost, c->n, c->values, x, c->cost);
  return gp_ranking_make(&c->ranking, s->model, c->n, x, s->best, c->cost, e);
}

/* --- the choice --- */

static void offer(const struct gp_search *s, struct gp_choice *choice, const double *values, double score)
{
  gp_choice_offer(choice, s->request->space->n, values, score, !seen_has(s->seen, values));
}

/* Where the local search starts. */
struct starts {
  int n;
  struct gp_start at[GP_STARTS_MAX];
};
_Static_assert((int)REFINE_SOBOL + (int)REFINE_MUTATED <= (int)GP_STARTS_MAX, "no room for the starts");

/* The best `most` of a half that are feasible and new are where it starts, which on the CPU it does
 * at once; all that were feasible are offered. */
static void refine_best(const struct gp_search *s, const struct gp_candidates *c, struct gp_part *part, int most,
                        struct gp_choice *choice, struct starts *starts)
{
  double last[SPACE_MAX];
  struct gp_top top;
  while (most > 0 && gp_part_next(part, &c->ranking, &top)) {
    const double *values = candidate(c, top.index);
    if (!sampler_feasible(s->request, values)) continue;
    offer(s, choice, values, top.score);
    if (seen_has(s->seen, values)) continue;
    if (choice->has_last && space_equal(s->request->space, last, values))
      continue; /* small spaces: the same once more */
    memcpy(last, values, (size_t)c->width * sizeof(*last));
    choice->has_last = true;
    starts->at[starts->n++] = (struct gp_start){values, top.score};
    if (!s->model->workspace) gp_refine(s, 1, &starts->at[starts->n - 1], choice);
    most--;
  }
  choice->has_last = false;
}

/* No candidate was new and feasible: those that a walk finds, ranked in batches. */
static int walk(const struct gp_search *s, struct rng *rng, struct gp_choice *choice, struct error *e)
{
  struct discrete_walk w;
  struct gp_candidates c;
  struct gp_part part;
  struct gp_top top;
  bool found_new = false, more = true;
  int code = candidates_make(&c, s, GP_WALK, e), kept = 0;
  if (code) goto done;
  discrete_walk_start(&w, s->request, rng);
  while (more && kept < GP_WALK) {
    double *values = candidate(&c, kept);
    more = discrete_walk_next(&w, values);
    if (!more || !sampler_feasible(s->request, values)) continue;
    bool new = !seen_has(s->seen, values);
    if (!new && (found_new || choice->has_any)) continue; /* a repeat is for want of anything new */
    found_new |= new;
    kept++;
  }
  c.n = kept;
  locate_all(s, &c);
  if (kept) code = candidates_rank(s, &c, e);
  if (!kept || code) goto done;
  gp_parts_begin(&part, 1, &c.ranking, (const int[]){0, kept});
  while (
      gp_part_next(&part, &c.ranking, &top)) { /* the first new one is the best of them; the first is the best at all */
    offer(s, choice, candidate(&c, top.index), top.score);
    if (choice->has_new || !found_new) break;
  }
done:
  candidates_destroy(&c);
  return code;
}

int gp_maximise(const struct gp_search *s, struct gp_candidates *c, struct rng *rng, double *values, double *score,
                struct error *e)
{
  struct gp_choice choice = {0};
  struct starts starts = {0};
  struct gp_part halves[2];
  int code = candidates_rank(s, c, e);
  if (code) return code;
  gp_parts_begin(halves, 2, &c->ranking, (const int[]){0, c->middle, c->n});
  refine_best(s, c, &halves[0], REFINE_SOBOL, &choice, &starts);
  refine_best(s, c, &halves[1], REFINE_MUTATED, &choice, &starts);
  if (s->model->workspace) gp_refine(s, starts.n, starts.at, &choice);
  if (!choice.has_new) code = walk(s, rng, &choice, e);
  if (code) return code;
  if (!choice.has_any) return sampler_nothing_feasible(s->request, e);
  memcpy(values, choice.has_new ? choice.new_values : choice.any_values,
         (size_t)s->request->space->n * sizeof(*values));
  if (score) *score = choice.has_new ? choice.new_score : -INFINITY;
  return 0;
}
