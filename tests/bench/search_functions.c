/* The functions that samplers are compared on.  See search_functions.h. */
#include "tests/bench/search_functions.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/rng.h"

const char *const search_form_names[SEARCH_FORMS] = {"dev", "bench"};

/* --- the table --- */

/* The types of the coordinates, a letter each:
 *   f float, l float in the logarithm, i int of 20 values, w int in the logarithm, o ordinal of 6,
 *   c categorical of 4 */
static const struct {
  char letter;
  const char *line; /* default at two fifths of the range */
} types[] = {{'f', "float -5 .. 5 default -1"},
             {'l', "float 1e-5 .. 1 log default 1e-3"},
             {'i', "int 1 .. 20 default 9"},
             {'w', "int 16 .. 512 log default 64"},
             {'o', "ordinal 1, 2, 4, 8, 16, 32 default 4"},
             {'c', "categorical p, q, r, s default q"}};

enum core { ACKLEY, LEVY, ROSENBROCK, RASTRIGIN, GRIEWANK, HARTMANN6, STYBLINSKI_TANG, MIXED };

static const struct {
  const char *name, *types;
  double range; /* of z over the unit interval */
  double last;  /* weights fall geometrically from 1 to this */
} table[SEARCH_FUNCTIONS] = {
    [ACKLEY] = {"ackley", "ffffliiowc", 65.536, 0.04},
    [LEVY] = {"levy", "ffflliio", 20, 0.15},
    [ROSENBROCK] = {"rosenbrock", "ffflf", 4, 0.5},
    [RASTRIGIN] = {"rastrigin", "ffffllliic", 10.24, 0.04},
    [GRIEWANK] = {"griewank", "ffffflllliio", 200, 0.05},
    [HARTMANN6] = {"hartmann6", "fflfli", 1, 1},
    [STYBLINSKI_TANG] = {"styblinski_tang", "fflifflolfiflffloiff", 10, 0.02},
    [MIXED] = {"mixed", "lciocwlfc", 1, 0.2},
};

/* --- making one --- */

/* At least this far from both bounds, the centre and the default. */
static const double clearance = 0.12;

static bool place_is_good(const struct param *p, double unit)
{
  return unit > clearance && unit < 1 - clearance && fabs(unit - 0.5) > clearance &&
         fabs(unit - param_to_unit(p, p->default_value)) > clearance;
}

static void place_optimum(struct search_function *f, int i, struct rng *rng)
{
  const struct param *p = &f->space.params[i];
  if (p->type == PARAM_CATEGORICAL) {
    int best = (int)rng_below(rng, SEARCH_LABELS);
    while (best == (int)p->default_value) best = (int)rng_below(rng, SEARCH_LABELS);
    for (int k = 0; k < SEARCH_LABELS; k++) f->label[i][k] = k == best ? 0 : 0.1 + 0.4 * rng_uniform(rng);
    f->optimum[i] = best;
    return;
  }
  do {
    f->optimum[i] = param_from_unit(p, rng_uniform(rng));
    f->place[i] = param_to_unit(p, f->optimum[i]);
  } while (!place_is_good(p, f->place[i]));
}

const char *search_function_name(int index)
{
  return table[index].name;
}

int search_function_make(struct search_function *f, int index, enum search_form form, struct error *e)
{
  memset(f, 0, sizeof(*f));
  f->name = table[index].name;
  f->form = form;
  f->index = index;
  const char *letters = table[index].types;
  int n = (int)strlen(letters);
  struct rng rng = rng_make(0x5EA2C4, philox_subsequence(PHILOX_TEST, 1 + (int)form, (uint64_t)index));
  for (int i = 0; i < n; i++) {
    char name[16];
    int t = 0;
    while (types[t].letter != letters[i]) t++;
    snprintf(name, sizeof(name), "%c%d", letters[i], i + 1);
    if (param_parse(&f->space.params[i], name, types[t].line, e)) {
      space_destroy(&f->space);
      return e->code;
    }
    f->space.n++;
    place_optimum(f, i, &rng);
    int rank = form == SEARCH_BENCH ? i : (i + n / 2) % n;
    f->weight[i] = pow(table[index].last, (double)rank / (n - 1));
  }
  return 0;
}

/* --- the functions; w weight, z coordinate --- */

static double square(double x)
{
  return x * x;
}

/* 20 + e - 20 exp(-0.2 sqrt(sum w z² / sum w)) - exp(sum w cos 2 pi z / sum w) */
static double ackley(int n, const double *w, const double *z)
{
  double squares = 0, cosines = 0, weights = 0;
  for (int i = 0; i < n; i++) {
    squares += w[i] * z[i] * z[i];
    cosines += w[i] * cos(2 * M_PI * z[i]);
    weights += w[i];
  }
  return 20.0 - 20.0 * exp(-0.2 * sqrt(squares / weights)) + M_E - exp(cosines / weights);
}

/* v = 1 + w z / 4;  sin² pi v_1 + sum_{i<n} (v - 1)² (1 + 10 sin²(pi v + 1)) + (v_n - 1)² (1 + sin²
 * 2 pi v_n) */
static double levy(int n, const double *w, const double *z)
{
  double sum = 0;
  for (int i = 0; i < n; i++) {
    double v = 1 + w[i] * z[i] / 4;
    if (i == 0) sum += square(sin(M_PI * v));
    sum += square(v - 1) * (i < n - 1 ? 1 + 10 * square(sin(M_PI * v + 1)) : 1 + square(sin(2 * M_PI * v)));
  }
  return sum;
}

/* v = 1 + w z;  sum 100 (v_{i+1} - v_i²)² + (1 - v_i)² */
static double rosenbrock(int n, const double *w, const double *z)
{
  double sum = 0, before = 0;
  for (int i = 0; i < n; i++) {
    double v = 1 + w[i] * z[i];
    if (i > 0) sum += 100 * square(v - square(before)) + square(1 - before);
    before = v;
  }
  return sum;
}

/* sum w (z² + 10 - 10 cos 2 pi z) */
static double rastrigin(int n, const double *w, const double *z)
{
  double sum = 0;
  for (int i = 0; i < n; i++) sum += w[i] * (z[i] * z[i] + 10 - 10 * cos(2 * M_PI * z[i]));
  return sum;
}

/* 1 + sum w z² / 4000 - prod cos(sqrt(w) z / sqrt(i)) */
static double griewank(int n, const double *w, const double *z)
{
  double sum = 0, product = 1;
  for (int i = 0; i < n; i++) {
    sum += w[i] * z[i] * z[i] / 4000;
    product *= cos(sqrt(w[i] / (i + 1)) * z[i]);
  }
  return 1 + sum - product;
}

/* -sum_k alpha_k exp(-sum_i A_ki (x_i - P_ki)²), x = z + the optimum; `from` turns the
 * coordinates. */
static double hartmann6(int n, const double *z, int from)
{
  static const double alpha[4] = {1.0, 1.2, 3.0, 3.2};
  static const double a[4][6] = {
      {10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}};
  static const double p[4][6] = {{0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886},
                                 {0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991},
                                 {0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650},
                                 {0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381}};
  static const double best[6] = {0.20168951100810, 0.15001069182580, 0.47687397393790,
                                 0.27533243050050, 0.31165161660450, 0.65730053406530};
  double sum = 0;
  for (int k = 0; k < 4; k++) {
    double distance = 0;
    for (int i = 0; i < n; i++) {
      int c = (i + from) % n;
      distance += a[k][c] * square(z[i] + best[c] - p[k][c]);
    }
    sum += alpha[k] * exp(-distance);
  }
  return 3.3223680114155147 - sum;
}

/* sum w (x⁴ - 16 x² + 5 x) / 2 less its minimum, x = the minimiser + z; mirrored where the place
 * lies above the centre, so that x stays within about -5 ... 5. */
static double styblinski_tang(int n, const double *w, const double *z, const double *place)
{
  static const double best = -2.9035340277711771, least = -39.166165703771419;
  double sum = 0;
  for (int i = 0; i < n; i++) {
    double x = best + (place[i] > 0.5 ? -z[i] : z[i]);
    sum += w[i] * ((square(square(x)) - 16 * x * x + 5 * x) / 2 - least);
  }
  return sum;
}

/* Where the best of the first coordinate lies depends on the first categorical; how much two others
 * count, on the second one. 0 rate, 1 method, 2 depth, 3 width, 4 mode, 5 units, 6 decay, 7 share,
 * 8 order */
static double mixed(const double *w, const double *z)
{
  double method = z[1], mode = z[4];
  double sum = 8 * square(z[0] - 0.6 * method) + method;
  sum += 2 * w[2] * square(z[2]) + 2 * w[3] * square(z[3]) + 0.5 * mode;
  sum += (1 + 4 * mode) * w[5] * square(z[5]) + (1 + 6 * mode) * w[6] * square(z[6]);
  sum += 2 * w[7] * square(z[7] - 0.3 * z[6]) + 0.3 * w[8] * z[8];
  return sum;
}

double search_function_regret(const struct search_function *f, const double *values)
{
  double z[SEARCH_DIMENSIONS];
  int n = f->space.n;
  for (int i = 0; i < n; i++) {
    const struct param *p = &f->space.params[i];
    double distance =
        p->type == PARAM_CATEGORICAL ? f->label[i][(int)values[i]] : param_to_unit(p, values[i]) - f->place[i];
    z[i] = distance * table[f->index].range;
  }
  switch ((enum core)f->index) {
  case ACKLEY:
    return ackley(n, f->weight, z);
  case LEVY:
    return levy(n, f->weight, z);
  case ROSENBROCK:
    return rosenbrock(n, f->weight, z);
  case RASTRIGIN:
    return rastrigin(n, f->weight, z);
  case GRIEWANK:
    return griewank(n, f->weight, z);
  case HARTMANN6:
    return hartmann6(n, z, f->form == SEARCH_BENCH ? 0 : 3);
  case STYBLINSKI_TANG:
    return styblinski_tang(n, f->weight, z, f->place);
  case MIXED:
    break;
  }
  return mixed(f->weight, z);
}
