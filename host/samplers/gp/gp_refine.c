/* Local search of expected improvement in a mixed space, after Optuna's GPSampler and BoTorch's
 * optimize_acqf_mixed_alternating.
 *
 * In turn: the free floats, and ints and ordinals of more than SWEEP_MOST values as if they were
 * floats, by L-BFGS with the gradient of log EI (not of the cost, which may have steps); then each
 * other free hyperparameter through all its values, and those long ones by single steps.  A step
 * counts where its configuration, rounded to what the space has, is feasible and better, with its
 * cost.  Ends when a sweep brings nothing, or after TURNS. */
#include "host/samplers/gp/gp_refine.h"

#include <math.h>
#include <string.h>

#include <nlopt.h>

#include "host/samplers/gp/gp_cost.h"

enum { SWEEP_MOST = GP_EACH_MAX, TURNS = 3, CLIMB_EVALUATIONS = 25 };

void gp_choice_offer(struct gp_choice *c, int n, const double *values, double score, bool is_new)
{
  if (!c->has_any || score > c->any_score) {
    c->has_any = true;
    c->any_score = score;
    memcpy(c->any_values, values, (size_t)n * sizeof(*values));
  }
  if (is_new && (!c->has_new || score > c->new_score)) {
    c->has_new = true;
    c->new_score = score;
    memcpy(c->new_values, values, (size_t)n * sizeof(*values));
  }
}

/* Where the search stands. */
struct climber {
  const struct gp_search *s;
  struct gp_choice *choice;
  double values[SPACE_MAX], score;
  double point[GP_DIMENSIONS_MAX];         /* the same in the model's coordinates */
  int n_smooth, smooth[GP_DIMENSIONS_MAX]; /* axes that L-BFGS moves */
};

static const struct param *param_of(const struct climber *c, int axis)
{
  return &c->s->request->space->params[c->s->axes->param[axis]];
}

static void locate(const struct climber *c, const double *values, double *point)
{
  for (int i = 0; i < c->s->axes->n; i++) point[i] = gp_coordinate(param_of(c, i), values[c->s->axes->param[i]]);
}

/* Takes a configuration, which is at `point` with this posterior, where it is feasible and better;
 * true then. */
static bool take_if_better(struct climber *c, const double *values, const double *point, double mean, double sd)
{
  int n = c->s->request->space->n;
  double score = gp_log_expected_improvement(mean, sd, c->s->best, NULL, NULL) - gp_cost_of(c->s->cost, values, point);
  if (!(score > c->score + 1e-9) || !sampler_feasible(c->s->request, values)) return false;
  bool is_new = !seen_has(c->s->seen, values);
  gp_choice_offer(c->choice, n, values, score, is_new);
  if (!is_new) return false;
  memcpy(c->values, values, (size_t)n * sizeof(*values));
  memcpy(c->point, point, sizeof(c->point));
  c->score = score;
  return true;
}

static bool consider(struct climber *c, const double *values)
{
  double point[GP_DIMENSIONS_MAX], mean, sd;
  locate(c, values, point);
  gp_model_predict_one(c->s->model, point, &mean, &sd, NULL, NULL);
  return take_if_better(c, values, point, mean, sd);
}

static double objective(unsigned n, const double *u, double *gradient, void *context)
{
  struct climber *c = context;
  double point[GP_DIMENSIONS_MAX], by_mean[GP_DIMENSIONS_MAX], by_sd[GP_DIMENSIONS_MAX], mean, sd, dm, ds;
  memcpy(point, c->point, sizeof(point));
  for (unsigned i = 0; i < n; i++) point[c->smooth[i]] = u[i];
  gp_model_predict_one(c->s->model, point, &mean, &sd, gradient ? by_mean : NULL, by_sd);
  double score = gp_log_expected_improvement(mean, sd, c->s->best, &dm, &ds);
  for (unsigned i = 0; i < n && gradient; i++) {
    gradient[i] = -(dm * by_mean[c->smooth[i]] + ds * by_sd[c->smooth[i]]);
  }
  return -score;
}

static void climb(struct climber *c)
{
  double u[GP_DIMENSIONS_MAX], values[SPACE_MAX], least;
  if (!c->n_smooth) return;
  nlopt_opt opt = nlopt_create(NLOPT_LD_LBFGS, (unsigned)c->n_smooth);
  if (!opt) return;
  for (int i = 0; i < c->n_smooth; i++) u[i] = c->point[c->smooth[i]];
  nlopt_set_min_objective(opt, objective, c);
  nlopt_set_lower_bounds1(opt, 0);
  nlopt_set_upper_bounds1(opt, 0x1.fffffffffffffp-1);
  nlopt_set_maxeval(opt, CLIMB_EVALUATIONS);
  nlopt_set_ftol_abs(opt, 1e-4);
  nlopt_optimize(opt, u, &least); /* an error of rounding leaves u at what it had reached */
  nlopt_destroy(opt);
  memcpy(values, c->values, sizeof(values));
  for (int i = 0; i < c->n_smooth; i++) {
    if (!isfinite(u[i])) return;
    values[c->s->axes->param[c->smooth[i]]] = param_from_unit(param_of(c, c->smooth[i]), u[i]) + 0.0;
  }
  consider(c, values);
}

/* Every other value, their posteriors at once: which of them is taken changes nothing about the
 * others. */
static bool sweep_all(struct climber *c, int axis)
{
  const struct param *p = param_of(c, axis);
  int at = c->s->axes->param[axis], n = 0;
  double values[SPACE_MAX], points[SWEEP_MOST][GP_DIMENSIONS_MAX], mean[SWEEP_MOST], sd[SWEEP_MOST], value[SWEEP_MOST];
  bool moved = false;
  memcpy(values, c->values, sizeof(values));
  for (int k = 0; k < param_count(p); k++) {
    values[at] = value[n] = p->low + k;
    if (value[n] != c->values[at]) locate(c, values, points[n++]);
  }
  gp_model_predict_each(c->s->model, n, (const double(*)[GP_DIMENSIONS_MAX])points, mean, sd);
  for (int k = 0; k < n; k++) {
    values[at] = value[k];
    moved |= take_if_better(c, values, points[k], mean[k], sd[k]);
  }
  return moved;
}

static bool sweep(struct climber *c, int axis)
{
  const struct param *p = param_of(c, axis);
  int at = c->s->axes->param[axis];
  double values[SPACE_MAX], from = c->values[at];
  bool moved = false;
  if (param_count(p) <= SWEEP_MOST) return sweep_all(c, axis);
  for (int step = -1; step <= 1; step += 2) {
    memcpy(values, c->values, sizeof(values));
    for (values[at] = from + step; values[at] >= p->low && values[at] <= p->high; values[at] += step) {
      if (!consider(c, values)) break;
      moved = true;
    }
  }
  return moved;
}

void gp_refine(const struct gp_search *s, const double *values, double score, struct gp_choice *choice)
{
  struct climber c = {.s = s, .choice = choice, .score = score};
  memcpy(c.values, values, (size_t)s->request->space->n * sizeof(*values));
  locate(&c, c.values, c.point);
  for (int i = 0; i < s->axes->n; i++) {
    const struct param *p = param_of(&c, i);
    bool is_smooth = p->type == PARAM_FLOAT || (p->type != PARAM_CATEGORICAL && param_count(p) > SWEEP_MOST);
    if (s->request->free[s->axes->param[i]] && is_smooth) c.smooth[c.n_smooth++] = i;
  }
  for (int turn = 0; turn < TURNS; turn++) {
    bool swept = false;
    climb(&c);
    for (int i = 0; i < s->axes->n; i++) {
      const struct param *p = param_of(&c, i);
      if (s->request->free[s->axes->param[i]] && p->type != PARAM_FLOAT) swept |= sweep(&c, i);
    }
    // cppcheck-suppress knownConditionTrueFalse ; sweep, in the loop above, says
    if (!swept) break; /* a second climb from the same place ends where the first did */
  }
}
