/* Local search of expected improvement in a mixed space, after Optuna's GPSampler and BoTorch's
 * optimize_acqf_mixed_alternating.
 *
 * In turn: the free floats, and ints and ordinals of more than SWEEP_MOST values as if they were
 * floats, by L-BFGS with the gradient of log EI (not of the cost, which may have steps); then each
 * other free hyperparameter through all its values, and those long ones by single steps.  A step
 * counts where its configuration, rounded to what the space has, is feasible and better, with its
 * cost.  Ends when a sweep brings nothing, or after TURNS.
 *
 * On the CPU L-BFGS is NLopt's, and one start follows the other.  On a device all starts climb in
 * one launch (kernels/lbfgs.cuh), and a sweep asks for the posteriors of all of them at once, and
 * for those of the sweeps after it, which it asks for anew once one has gone elsewhere; each goes
 * where it would go alone. */
#include "host/samplers/gp/gp_refine.h"

#include <math.h>
#include <string.h>

#include <nlopt.h>

#include "host/samplers/gp/gp_cost.h"
#include "host/samplers/gp/gp_device.h"

enum { SWEEP_MOST = 16, TURNS = 3, CLIMB_EVALUATIONS = 25 };
enum { AHEAD = 2 }; /* steps in each direction that a device is asked for at once; mostly the first brings nothing */
_Static_assert(GP_STARTS_MAX *(int)SWEEP_MOST <= (int)GP_EACH_MAX && 2 * (int)AHEAD <= (int)SWEEP_MOST,
               "a device has no room for the points of all starts");

static const double climb_tolerance = 1e-4;

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
  bool swept;                              /* whether the turn's sweeps have brought something */
  int taken;                               /* how often it has gone elsewhere */
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
  c->taken++;
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

/* The configuration of what L-BFGS has come to, u by smooth axis; false where that is none. */
static bool configuration_at(const struct climber *c, const double *u, double *values)
{
  memcpy(values, c->values, sizeof(c->values));
  for (int i = 0; i < c->n_smooth; i++) {
    if (!isfinite(u[i])) return false;
    values[c->s->axes->param[c->smooth[i]]] = param_from_unit(param_of(c, c->smooth[i]), u[i]) + 0.0;
  }
  return true;
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
  nlopt_set_ftol_abs(opt, climb_tolerance);
  nlopt_optimize(opt, u, &least); /* an error of rounding leaves u at what it had reached */
  nlopt_destroy(opt);
  if (configuration_at(c, u, values)) consider(c, values);
}

/* --- sweeps --- */

/* Every other value of an axis, of which there are n, and what they are in the model's
 * coordinates. */
static int other_values(const struct climber *c, int axis, double *value, double (*points)[GP_DIMENSIONS_MAX])
{
  const struct param *p = param_of(c, axis);
  int at = c->s->axes->param[axis], n = 0;
  double values[SPACE_MAX];
  memcpy(values, c->values, sizeof(values));
  for (int k = 0; k < param_count(p); k++) {
    values[at] = value[n] = p->low + k;
    if (value[n] != c->values[at]) locate(c, values, points[n++]);
  }
  return n;
}

/* Takes the best of them; which of them is taken changes nothing about the others. */
static bool take_best(struct climber *c, int axis, int n, const double *value,
                      const double (*points)[GP_DIMENSIONS_MAX], const double *mean, const double *sd)
{
  double values[SPACE_MAX];
  bool moved = false;
  memcpy(values, c->values, sizeof(values));
  for (int k = 0; k < n; k++) {
    values[c->s->axes->param[axis]] = value[k];
    moved |= take_if_better(c, values, points[k], mean[k], sd[k]);
  }
  return moved;
}

static bool sweep_all(struct climber *c, int axis)
{
  double points[SWEEP_MOST][GP_DIMENSIONS_MAX], mean[SWEEP_MOST], sd[SWEEP_MOST], value[SWEEP_MOST];
  const double(*at)[GP_DIMENSIONS_MAX] = (const double(*)[GP_DIMENSIONS_MAX])points;
  int n = other_values(c, axis, value, points);
  gp_model_predict_each(c->s->model, n, at, mean, sd);
  return take_best(c, axis, n, value, at, mean, sd);
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

static bool is_swept(const struct climber *c, int axis)
{
  return c->s->request->free[c->s->axes->param[axis]] && param_of(c, axis)->type != PARAM_FLOAT;
}

/* --- all starts side by side, on a device --- */

/* Points of several climbers, whose posteriors are asked for at once. */
struct batch {
  int n, first[GP_STARTS_MAX + 1]; /* points first[k] ... first[k + 1] - 1 are climber k's */
  double points[GP_EACH_MAX][GP_DIMENSIONS_MAX], value[GP_EACH_MAX], mean[GP_EACH_MAX], sd[GP_EACH_MAX];
};

static void batch_predict(struct batch *b, struct gp_model *model)
{
  if (b->n) gp_model_predict_each(model, b->n, (const double(*)[GP_DIMENSIONS_MAX])b->points, b->mean, b->sd);
}

static void climb_each(int n, struct climber **c, struct batch *b)
{
  const struct gp_search *s = c[0]->s;
  double values[GP_STARTS_MAX][SPACE_MAX], u[GP_DIMENSIONS_MAX];
  bool smooth[GP_DIMENSIONS_MAX] = {false};
  int whose[GP_STARTS_MAX];
  if (!c[0]->n_smooth) return;
  for (int i = 0; i < c[0]->n_smooth; i++) smooth[c[0]->smooth[i]] = true;
  for (int k = 0; k < n; k++) memcpy(b->points[k], c[k]->point, sizeof(c[k]->point));
  gp_workspace_climb(
      s->model->workspace,
      &(struct gp_climb){
          .smooth = smooth, .best = s->best, .tolerance = climb_tolerance, .evaluations = CLIMB_EVALUATIONS},
      n, b->points);
  b->n = 0;
  for (int k = 0; k < n; k++) {
    for (int i = 0; i < c[k]->n_smooth; i++) u[i] = b->points[k][c[k]->smooth[i]];
    if (!configuration_at(c[k], u, values[b->n])) continue;
    locate(c[k], values[b->n], b->points[b->n]);
    whose[b->n++] = k;
  }
  batch_predict(b, s->model);
  for (int i = 0; i < b->n; i++) take_if_better(c[whose[i]], values[i], b->points[i], b->mean[i], b->sd[i]);
}

/* A climber's single steps along an axis: down and up, each until a step brings nothing. */
struct steps {
  double next[2];
  bool goes_on[2];
};

static const double direction[2] = {-1, 1};

static bool can_step(const struct climber *c, int axis, const struct steps *s, int way)
{
  const struct param *p = param_of(c, axis);
  return s->goes_on[way] && s->next[way] >= p->low && s->next[way] <= p->high;
}

/* The next few points of a climber in both directions. */
static void steps_ask(const struct climber *c, int axis, struct steps s, struct batch *b)
{
  double values[SPACE_MAX];
  memcpy(values, c->values, sizeof(values));
  for (int way = 0; way < 2; way++) {
    for (int k = 0; k < AHEAD && can_step(c, axis, &s, way); k++, s.next[way] += direction[way]) {
      values[c->s->axes->param[axis]] = b->value[b->n] = s.next[way];
      locate(c, values, b->points[b->n++]);
    }
  }
}

/* Goes as far as they show the way. */
static void steps_take(struct climber *c, int axis, struct steps *s, const struct batch *b, int from, int to)
{
  double values[SPACE_MAX];
  for (int k = from; k < to; k++) {
    int way = b->value[k] == s->next[0] ? 0 : 1;
    if (b->value[k] != s->next[way] || !s->goes_on[way]) continue; /* beyond one that brought nothing */
    memcpy(values, c->values, sizeof(values));
    values[c->s->axes->param[axis]] = b->value[k];
    s->goes_on[way] = take_if_better(c, values, b->points[k], b->mean[k], b->sd[k]);
    s->next[way] += direction[way];
    c->swept |= s->goes_on[way];
  }
}

static struct steps steps_begin(const struct climber *c, int axis)
{
  double from = c->values[c->s->axes->param[axis]];
  return (struct steps){{from - 1, from + 1}, {true, true}};
}

static bool is_swept_whole(const struct climber *c, int axis)
{
  return param_count(param_of(c, axis)) <= SWEEP_MOST;
}

/* Room for the points of a climber that a sweep begins with: all values, should its own be none of
 * them. */
static int room_of(const struct climber *c, int axis)
{
  return is_swept_whole(c, axis) ? (int)param_count(param_of(c, axis)) : 2 * AHEAD;
}

/* The points that sweeps begin with, of this axis and of those after it, as many as there is room
 * for: mostly no sweep brings anything, and then they are what all of these ask for. */
struct ahead {
  int end;                                         /* axes before it are there */
  int first[GP_DIMENSIONS_MAX][GP_STARTS_MAX + 1]; /* points first[axis][k] ... are climber k's */
  struct batch b;
};

static void ahead_ask(struct ahead *a, int n, struct climber **c, int axis)
{
  struct batch *b = &a->b;
  b->n = 0;
  for (a->end = axis; a->end < c[0]->s->axes->n; a->end++) {
    int *first = a->first[a->end];
    if (!is_swept(c[0], a->end)) continue;
    if (b->n + n * room_of(c[0], a->end) > GP_EACH_MAX) break;
    for (int k = 0; k < n; k++) {
      first[k] = b->n;
      if (is_swept_whole(c[k], a->end))
        b->n += other_values(c[k], a->end, b->value + b->n, b->points + b->n);
      else
        steps_ask(c[k], a->end, steps_begin(c[k], a->end), b);
    }
    first[n] = b->n;
  }
  batch_predict(b, c[0]->s->model);
}

static void sweep_each(int n, struct climber **c, int axis, const struct ahead *a)
{
  const struct batch *b = &a->b;
  for (int k = 0; k < n; k++) {
    int at = a->first[axis][k];
    c[k]->swept |= take_best(c[k], axis, a->first[axis][k + 1] - at, b->value + at,
                             (const double(*)[GP_DIMENSIONS_MAX])b->points + at, b->mean + at, b->sd + at);
  }
}

static void step_each(int n, struct climber **c, int axis, const struct ahead *a, struct batch *b)
{
  struct steps s[GP_STARTS_MAX];
  for (int k = 0; k < n; k++) {
    s[k] = steps_begin(c[k], axis);
    steps_take(c[k], axis, &s[k], &a->b, a->first[axis][k], a->first[axis][k + 1]);
  }
  do {
    b->n = 0;
    for (int k = 0; k < n; k++) {
      b->first[k] = b->n;
      steps_ask(c[k], axis, s[k], b);
    }
    b->first[n] = b->n;
    batch_predict(b, c[0]->s->model);
    for (int k = 0; k < n; k++) steps_take(c[k], axis, &s[k], b, b->first[k], b->first[k + 1]);
  } while (b->n);
}

static int taken_by_all(int n, struct climber *const *c)
{
  int taken = 0;
  for (int k = 0; k < n; k++) taken += c[k]->taken;
  return taken;
}

static void sweep_turn(int n, struct climber **c, struct batch *b)
{
  struct ahead a = {.end = 0};
  int taken = 0; /* when it was asked */
  for (int i = 0; i < c[0]->s->axes->n; i++) {
    if (!is_swept(c[0], i)) continue;
    if (i >= a.end || taken_by_all(n, c) != taken) {
      ahead_ask(&a, n, c, i);
      taken = taken_by_all(n, c);
    }
    if (is_swept_whole(c[0], i))
      sweep_each(n, c, i, &a);
    else
      step_each(n, c, i, &a, b);
  }
}

/* The turns of all; who has swept in vain is left out. */
static void refine_side_by_side(int n, struct climber *all)
{
  struct climber *c[GP_STARTS_MAX];
  struct batch b;
  for (int k = 0; k < n; k++) c[k] = &all[k];
  for (int turn = 0; turn < TURNS && n > 0; turn++) {
    int left = 0;
    for (int k = 0; k < n; k++) c[k]->swept = false;
    climb_each(n, c, &b);
    sweep_turn(n, c, &b);
    for (int k = 0; k < n; k++) {
      if (c[k]->swept) c[left++] = c[k];
    }
    n = left;
  }
}

/* --- turns --- */

static void refine_alone(struct climber *c)
{
  c->swept = true;
  for (int turn = 0; turn < TURNS && c->swept;
       turn++) { /* a second climb from the same place ends where the first did */
    c->swept = false;
    climb(c);
    for (int i = 0; i < c->s->axes->n; i++) {
      if (is_swept(c, i)) c->swept |= sweep(c, i);
    }
  }
}

static void climber_make(struct climber *c, const struct gp_search *s, const struct gp_start *start,
                         struct gp_choice *choice)
{
  *c = (struct climber){.s = s, .choice = choice, .score = start->score};
  memcpy(c->values, start->values, (size_t)s->request->space->n * sizeof(*start->values));
  locate(c, c->values, c->point);
  for (int i = 0; i < s->axes->n; i++) {
    const struct param *p = param_of(c, i);
    bool is_smooth = p->type == PARAM_FLOAT || (p->type != PARAM_CATEGORICAL && param_count(p) > SWEEP_MOST);
    if (s->request->free[s->axes->param[i]] && is_smooth) c->smooth[c->n_smooth++] = i;
  }
}

void gp_refine(const struct gp_search *s, int n, const struct gp_start *starts, struct gp_choice *choice)
{
  struct climber all[GP_STARTS_MAX];
  for (int k = 0; k < n; k++) {
    climber_make(&all[k], s, &starts[k], choice);
    if (!s->model->workspace) refine_alone(&all[k]);
  }
  if (s->model->workspace) refine_side_by_side(n, all);
}
