/* The table of analytic functions, and the classical ones: all floats, minimised.
 *
 * Formulas as in Surjanovic and Bingham's Virtual Library of Simulation Experiments and, for
 * Hartmann's constants, Dixon and Szegő 1978.  All are moved so that the optimum lies away from the
 * centre, the bounds and the defaults, and weighted so that coordinates matter unequally, which is
 * what groups by importance are about:
 *
 *   o   the optimum of a coordinate,  w  its weight (function_param's `importance`),  z = x - o
 *
 * Where weights are those of Wang, Nabney and Golbabaee, "Grouped Sequential Optimization
 * Strategy", CPAL 2025, Figure 1, they are printed in full. */
#include "host/space/functions.h"

#include <math.h>
#include <string.h>

extern const struct function function_mixed, function_tuning, function_choices, function_constrained, function_noisy,
    function_cliff, function_curve;

/* --- Ackley:  20 + e - 20 exp(-0.2 √(Σ w z² / Σ w)) - exp(Σ w cos 2πz / Σ w) --- */

#define ACKLEY_RANGE "float -32.768 .. 32.768 default 0"
static const struct function_param ackley_params[] = {
    {"x1", ACKLEY_RANGE, 11.3, 0.3853, 0}, {"x2", ACKLEY_RANGE, -8.7, 0.2280, 0},
    {"x3", ACKLEY_RANGE, 17.9, 0.1406, 0}, {"x4", ACKLEY_RANGE, -14.2, 0.0423, 1},
    {"x5", ACKLEY_RANGE, 6.1, 0.0421, 1},  {"x6", ACKLEY_RANGE, -20.6, 0.0420, 1},
    {"x7", ACKLEY_RANGE, 9.4, 0.0327, 2},  {"x8", ACKLEY_RANGE, -5.5, 0.0286, 2},
    {"x9", ACKLEY_RANGE, 22.8, 0.0185, 2}, {"x10", ACKLEY_RANGE, -12.6, 0.0151, 2}};

static void ackley_value(struct function_call *c)
{
  double squares = 0, cosines = 0, weights = 0;
  for (int i = 0; i < c->function->n; i++) {
    const struct function_param *p = &c->function->params[i];
    double z = c->x[i] - p->optimum;
    squares += p->importance * z * z;
    cosines += p->importance * cos(2 * M_PI * z);
    weights += p->importance;
  }
  c->value = 20.0 - 20.0 * exp(-0.2 * sqrt(squares / weights)) + M_E - exp(cosines / weights);
}

static const struct function ackley = {.name = "ackley",
                                       .summary = "weighted Ackley, 10 floats with the paper's importance weights",
                                       .optimum = 0.0,
                                       .n = FUNCTION_COUNT(ackley_params),
                                       .n_groups = 3,
                                       .params = ackley_params,
                                       .ratio = {4, 3, 3},
                                       .value = ackley_value};

/* --- Levy:  v = 1 + w z / 4,
 * sin² πv₁ + Σ_{i<n} (v - 1)² (1 + 10 sin²(πv + 1)) + (v_n - 1)² (1 + sin² 2πv_n) */

#define LEVY_RANGE "float -10 .. 10 default 0"
static const struct function_param levy_params[] = {{"x1", LEVY_RANGE, 3.7, 1.0, 0}, {"x2", LEVY_RANGE, -5.2, 0.9, 0},
                                                    {"x3", LEVY_RANGE, 6.4, 0.7, 0}, {"x4", LEVY_RANGE, -2.8, 0.5, 1},
                                                    {"x5", LEVY_RANGE, 4.9, 0.4, 1}, {"x6", LEVY_RANGE, -6.6, 0.3, 1},
                                                    {"x7", LEVY_RANGE, 2.3, 0.2, 2}, {"x8", LEVY_RANGE, -4.1, 0.15, 2}};

static double square(double x)
{
  return x * x;
}

static void levy_value(struct function_call *c)
{
  int n = c->function->n;
  double sum = 0;
  for (int i = 0; i < n; i++) {
    const struct function_param *p = &c->function->params[i];
    double v = 1 + p->importance * (c->x[i] - p->optimum) / 4;
    if (i == 0) sum += square(sin(M_PI * v));
    sum += square(v - 1) * (i < n - 1 ? 1 + 10 * square(sin(M_PI * v + 1)) : 1 + square(sin(2 * M_PI * v)));
  }
  c->value = sum;
}

static const struct function levy = {.name = "levy",
                                     .summary = "Levy, 8 floats of falling scale",
                                     .optimum = 0.0,
                                     .n = FUNCTION_COUNT(levy_params),
                                     .n_groups = 3,
                                     .params = levy_params,
                                     .ratio = {4, 3, 3},
                                     .value = levy_value};

/* --- Rosenbrock:  v = 1 + w z,  Σ 100 (v_{i+1} - v_i²)² + (1 - v_i)² --- */

#define ROSENBROCK_RANGE "float -2 .. 2 default 0"
static const struct function_param rosenbrock_params[] = {
    {"x1", ROSENBROCK_RANGE, 0.6, 1.0, 0}, {"x2", ROSENBROCK_RANGE, -0.5, 0.9, 0},
    {"x3", ROSENBROCK_RANGE, 0.8, 0.8, 0}, {"x4", ROSENBROCK_RANGE, -0.7, 0.6, 1},
    {"x5", ROSENBROCK_RANGE, 0.4, 0.5, 1}, {"x6", ROSENBROCK_RANGE, -0.9, 0.4, 1}};

static void rosenbrock_value(struct function_call *c)
{
  double sum = 0, before = 0;
  for (int i = 0; i < c->function->n; i++) {
    const struct function_param *p = &c->function->params[i];
    double v = 1 + p->importance * (c->x[i] - p->optimum);
    if (i > 0) sum += 100 * square(v - square(before)) + square(1 - before);
    before = v;
  }
  c->value = sum;
}

static const struct function rosenbrock = {.name = "rosenbrock",
                                           .summary =
                                               "Rosenbrock's valley, 6 floats that interact with their neighbours",
                                           .optimum = 0.0,
                                           .n = FUNCTION_COUNT(rosenbrock_params),
                                           .n_groups = 2,
                                           .params = rosenbrock_params,
                                           .ratio = {1, 1},
                                           .value = rosenbrock_value};

/* --- Rastrigin:  Σ w (z² + 10 - 10 cos 2πz) --- */

#define RASTRIGIN_RANGE "float -5.12 .. 5.12 default 0"
static const struct function_param rastrigin_params[] = {
    {"x1", RASTRIGIN_RANGE, 1.7, 1.0, 0},  {"x2", RASTRIGIN_RANGE, -2.3, 0.8, 0},
    {"x3", RASTRIGIN_RANGE, 3.1, 0.6, 0},  {"x4", RASTRIGIN_RANGE, -1.4, 0.3, 1},
    {"x5", RASTRIGIN_RANGE, 2.6, 0.25, 1}, {"x6", RASTRIGIN_RANGE, -3.3, 0.2, 1},
    {"x7", RASTRIGIN_RANGE, 0.9, 0.1, 2},  {"x8", RASTRIGIN_RANGE, -1.9, 0.08, 2},
    {"x9", RASTRIGIN_RANGE, 2.2, 0.06, 2}, {"x10", RASTRIGIN_RANGE, -2.8, 0.04, 2}};

static void rastrigin_value(struct function_call *c)
{
  double sum = 0;
  for (int i = 0; i < c->function->n; i++) {
    const struct function_param *p = &c->function->params[i];
    double z = c->x[i] - p->optimum;
    sum += p->importance * (z * z + 10 - 10 * cos(2 * M_PI * z));
  }
  c->value = sum;
}

static const struct function rastrigin = {.name = "rastrigin",
                                          .summary = "weighted Rastrigin, 10 floats, many local optima",
                                          .optimum = 0.0,
                                          .n = FUNCTION_COUNT(rastrigin_params),
                                          .n_groups = 3,
                                          .params = rastrigin_params,
                                          .ratio = {4, 3, 3},
                                          .value = rastrigin_value};

/* --- Griewank:  1 + Σ w z² / 4000 - Π cos(√w z / √i) --- */

#define GRIEWANK_RANGE "float -100 .. 100 default 0"
static const struct function_param griewank_params[] = {
    {"x1", GRIEWANK_RANGE, 31, 1.0, 0},   {"x2", GRIEWANK_RANGE, -47, 0.9, 0},  {"x3", GRIEWANK_RANGE, 58, 0.8, 0},
    {"x4", GRIEWANK_RANGE, -22, 0.7, 0},  {"x5", GRIEWANK_RANGE, 64, 0.4, 1},   {"x6", GRIEWANK_RANGE, -36, 0.35, 1},
    {"x7", GRIEWANK_RANGE, 41, 0.3, 1},   {"x8", GRIEWANK_RANGE, -53, 0.25, 1}, {"x9", GRIEWANK_RANGE, 27, 0.1, 2},
    {"x10", GRIEWANK_RANGE, -61, 0.1, 2}, {"x11", GRIEWANK_RANGE, 38, 0.05, 2}, {"x12", GRIEWANK_RANGE, -29, 0.05, 2}};

static void griewank_value(struct function_call *c)
{
  double sum = 0, product = 1;
  for (int i = 0; i < c->function->n; i++) {
    const struct function_param *p = &c->function->params[i];
    double z = sqrt(p->importance) * (c->x[i] - p->optimum);
    sum += z * z / 4000;
    product *= cos(z / sqrt(i + 1.0));
  }
  c->value = 1 + sum - product;
}

static const struct function griewank = {.name = "griewank",
                                         .summary = "weighted Griewank, 12 floats",
                                         .optimum = 0.0,
                                         .n = FUNCTION_COUNT(griewank_params),
                                         .n_groups = 3,
                                         .params = griewank_params,
                                         .ratio = {4, 3, 3},
                                         .value = griewank_value};

/* --- Hartmann-6:  -Σ_k α_k exp(-Σ_i A_ki (x_i - P_ki)²); importance: first-order Sobol
 * indices over the unit cube */

#define HARTMANN_RANGE "float 0 .. 1 default 0.5"
static const struct function_param hartmann6_params[] = {
    {"x1", HARTMANN_RANGE, 0.20168951100810, 0.10, 1}, {"x2", HARTMANN_RANGE, 0.15001069182580, 0.01, 2},
    {"x3", HARTMANN_RANGE, 0.47687397393790, 0.01, 2}, {"x4", HARTMANN_RANGE, 0.27533243050050, 0.08, 1},
    {"x5", HARTMANN_RANGE, 0.31165161660450, 0.13, 0}, {"x6", HARTMANN_RANGE, 0.65730053406530, 0.13, 0}};

static void hartmann6_value(struct function_call *c)
{
  static const double alpha[4] = {1.0, 1.2, 3.0, 3.2};
  static const double a[4][6] = {
      {10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}};
  static const double p[4][6] = {{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                 {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                 {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                 {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}};
  double sum = 0;
  for (int k = 0; k < 4; k++) {
    double distance = 0;
    for (int i = 0; i < 6; i++) distance += a[k][i] * square(c->x[i] - p[k][i]);
    sum += alpha[k] * exp(-distance);
  }
  c->value = -sum;
}

static const struct function hartmann6 = {.name = "hartmann6",
                                          .summary = "Hartmann-6, 6 floats, six local optima",
                                          .optimum = -3.322368011415515,
                                          .n = FUNCTION_COUNT(hartmann6_params),
                                          .n_groups = 3,
                                          .params = hartmann6_params,
                                          .ratio = {1, 1, 1},
                                          .value = hartmann6_value};

/* --- Styblinski-Tang:  ½ Σ w (v⁴ - 16 v² + 5 v),  v = z + v₀ with v₀ its minimum --- */

static const double styblinski_least = -2.903534027771177;
#define STYBLINSKI_RANGE "float -5 .. 5 default 0"
static const struct function_param styblinski_params[] = {
    {"x1", STYBLINSKI_RANGE, -2.1, 1.0, 0},   {"x2", STYBLINSKI_RANGE, -3.4, 1.0, 0},
    {"x3", STYBLINSKI_RANGE, -1.6, 0.9, 0},   {"x4", STYBLINSKI_RANGE, -3.9, 0.8, 0},
    {"x5", STYBLINSKI_RANGE, -2.7, 0.7, 0},   {"x6", STYBLINSKI_RANGE, -1.3, 0.3, 1},
    {"x7", STYBLINSKI_RANGE, -3.1, 0.3, 1},   {"x8", STYBLINSKI_RANGE, -2.4, 0.25, 1},
    {"x9", STYBLINSKI_RANGE, -1.8, 0.25, 1},  {"x10", STYBLINSKI_RANGE, -3.6, 0.2, 1},
    {"x11", STYBLINSKI_RANGE, -2.2, 0.1, 2},  {"x12", STYBLINSKI_RANGE, -1.1, 0.08, 2},
    {"x13", STYBLINSKI_RANGE, -3.3, 0.06, 2}, {"x14", STYBLINSKI_RANGE, -2.9, 0.04, 2},
    {"x15", STYBLINSKI_RANGE, -1.5, 0.02, 2}};

static void styblinski_value(struct function_call *c)
{
  double sum = 0;
  for (int i = 0; i < c->function->n; i++) {
    const struct function_param *p = &c->function->params[i];
    double v = c->x[i] - p->optimum + styblinski_least;
    sum += p->importance * (square(v * v) - 16 * v * v + 5 * v);
  }
  c->value = 0.5 * sum;
}

static const struct function styblinski = {.name = "styblinski",
                                           .summary = "weighted Styblinski-Tang, 15 floats, two optima in each",
                                           .optimum = -39.16616570377142 * 6.0,
                                           .n = FUNCTION_COUNT(styblinski_params),
                                           .n_groups = 3,
                                           .params = styblinski_params,
                                           .ratio = {4, 3, 3},
                                           .value = styblinski_value};

/* --- Branin, with one of its three minima --- */

static const struct function_param branin_params[] = {{"x1", "float -5 .. 10 default 0", M_PI, 0.6, 0},
                                                      {"x2", "float 0 .. 15 default 12", 2.275, 0.4, 1}};

static void branin_value(struct function_call *c)
{
  double x = c->x[0], y = c->x[1];
  c->value = square(y - 5.1 / (4 * M_PI * M_PI) * x * x + 5 / M_PI * x - 6) + 10 * (1 - 1 / (8 * M_PI)) * cos(x) + 10;
}

static const struct function branin = {.name = "branin",
                                       .summary = "Branin, 2 floats, three optima",
                                       .optimum = 0.39788735772973816,
                                       .n = FUNCTION_COUNT(branin_params),
                                       .n_groups = 2,
                                       .params = branin_params,
                                       .ratio = {1, 1},
                                       .value = branin_value};

/* --- the table --- */

static const struct function *const functions[] = {
    &ackley,         &levy,           &rosenbrock,     &rastrigin,       &griewank,         &hartmann6,
    &styblinski,     &branin,         &function_mixed, &function_tuning, &function_choices, &function_constrained,
    &function_noisy, &function_cliff, &function_curve};

const struct function *function_at(int i)
{
  return i >= 0 && i < FUNCTION_COUNT(functions) ? functions[i] : NULL;
}

const struct function *function_find(const char *name)
{
  for (int i = 0; i < FUNCTION_COUNT(functions); i++) {
    if (!strcmp(functions[i]->name, name)) return functions[i];
  }
  return NULL;
}
