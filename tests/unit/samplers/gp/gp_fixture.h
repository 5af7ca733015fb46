/* What the tests of the Gaussian process share: random problems, and what the textbook says of them
 * in long double. */
#ifndef GSOS_TESTS_GP_FIXTURE_H
#define GSOS_TESTS_GP_FIXTURE_H

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/samplers/gp/gp_model.h"
#include "host/base/rng.h"

enum { GP_TEST_MAX = 512 };

/* --- random problems --- */

struct problem {
  int n, d;
  double *x[GP_DIMENSIONS_MAX], *z;
  bool categorical[GP_DIMENSIONS_MAX];
  struct gp_data data;
  struct gp_hyper hyper;
};

static inline double normal(struct rng *rng)
{
  return sqrt(-2 * log(1 - rng_uniform(rng))) * cos(2 * M_PI * rng_uniform(rng));
}

/* A third of the dimensions are categorical; `twins` of the points lie a hair beside another. */
static inline void problem_make(struct problem *p, int n, int d, int twins, double noise, uint64_t seed)
{
  struct rng rng = rng_make(seed, philox_subsequence(PHILOX_TEST, 0, 0));
  *p = (struct problem){.n = n, .d = d};
  p->z = malloc((size_t)n * sizeof(double));
  for (int i = 0; i < d; i++) {
    p->x[i] = malloc((size_t)n * sizeof(double));
    p->categorical[i] = i % 3 == 2;
    p->hyper.lengthscale[i] = exp(0.5 * normal(&rng));
    for (int k = 0; k < n; k++) p->x[i][k] = p->categorical[i] ? rng_below(&rng, 4) : rng_uniform(&rng);
  }
  for (int k = n - twins; k < n; k++) {
    int other = (int)rng_below(&rng, (uint32_t)(n - twins));
    for (int i = 0; i < d; i++) p->x[i][k] = p->x[i][other] + (p->categorical[i] ? 0 : 1e-7 * normal(&rng));
  }
  for (int k = 0; k < n; k++) p->z[k] = normal(&rng) + (d ? 2 * p->x[0][k] : 0);
  p->hyper.signal = exp(0.5 * normal(&rng));
  p->hyper.noise = noise;
  p->hyper.mean = 0.3 * normal(&rng);
  p->data =
      (struct gp_data){.n = n, .d = d, .x = (const double *const *)p->x, .categorical = p->categorical, .z = p->z};
}

static inline void problem_destroy(struct problem *p)
{
  for (int i = 0; i < p->d; i++) free(p->x[i]);
  free(p->z);
}

/* --- the reference: Rasmussen and Williams 2006, algorithm 2.1 and eq. 5.9, in long double --- */

static inline long double distance(const struct problem *p, int i, int a, int b)
{
  long double t = (long double)p->x[i][a] - p->x[i][b];
  return p->categorical[i] ? t != 0 : t * t;
}

static inline long double radius(const struct problem *p, int a, int b)
{
  long double r2 = 0;
  for (int i = 0; i < p->d; i++) {
    r2 += distance(p, i, a, b) / ((long double)p->hyper.lengthscale[i] * p->hyper.lengthscale[i]);
  }
  return sqrtl(r2);
}

static inline long double kernel(long double signal, long double r)
{
  return signal * (1 + sqrtl(5) * r + 5 * r * r / 3) * expl(-sqrtl(5) * r);
}

struct reference {
  int n;
  long double *k, *inverse, *alpha, value, gradient[GP_PARAMETERS_MAX], condition;
};

/* Inverse and log determinant by Gauss and Jordan's elimination, which needs no pivots in a
 * positive definite matrix.  Before column c is done the inverse has nothing right of it. */
static inline long double invert(int n, const long double *k, long double *inverse)
{
  long double *a = malloc((size_t)n * (size_t)n * sizeof(*a)), determinant = 0;
  memcpy(a, k, (size_t)n * (size_t)n * sizeof(*a));
  for (int i = 0; i < n * n; i++) inverse[i] = i % (n + 1) == 0;
  for (int c = 0; c < n; c++) {
    long double pivot = a[c * n + c];
    determinant += logl(pivot);
    for (int j = c; j < n; j++) a[c * n + j] /= pivot;
    for (int j = 0; j <= c; j++) inverse[c * n + j] /= pivot;
    for (int r = 0; r < n; r++) {
      long double f = a[r * n + c];
      if (r == c || f == 0) continue;
      for (int j = c; j < n; j++) a[r * n + j] -= f * a[c * n + j];
      for (int j = 0; j <= c; j++) inverse[r * n + j] -= f * inverse[c * n + j];
    }
  }
  free(a);
  return determinant;
}

/* Largest eigenvalue of a symmetric positive matrix, by powers. */
static inline double largest(int n, const long double *a)
{
  long double *v = malloc((size_t)n * sizeof(*v)), *w = malloc((size_t)n * sizeof(*w)), size = 1;
  for (int i = 0; i < n; i++) v[i] = 1 + 0.1L * (i % 7);
  for (int turn = 0; turn < 40; turn++) {
    size = 0;
    for (int i = 0; i < n; i++) {
      w[i] = 0;
      for (int j = 0; j < n; j++) w[i] += a[i * n + j] * v[j];
      size += w[i] * w[i];
    }
    size = sqrtl(size);
    for (int i = 0; i < n; i++) v[i] = w[i] / size;
  }
  free(v);
  free(w);
  return (double)size;
}

static inline void reference_make(struct reference *f, const struct problem *p)
{
  int n = p->n, d = p->d;
  size_t bytes = (size_t)n * (size_t)n * sizeof(long double);
  *f = (struct reference){.n = n, .k = malloc(bytes), .inverse = malloc(bytes)};
  f->alpha = malloc((size_t)n * sizeof(long double));
  for (int a = 0; a < n; a++) {
    for (int b = 0; b < n; b++)
      f->k[a * n + b] = kernel(p->hyper.signal, radius(p, a, b)) + (a == b) * (long double)p->hyper.noise;
  }
  long double determinant = invert(n, f->k, f->inverse), fit = 0;
  for (int a = 0; a < n; a++) {
    f->alpha[a] = 0;
    for (int b = 0; b < n; b++) f->alpha[a] += f->inverse[a * n + b] * ((long double)p->z[b] - p->hyper.mean);
    fit += f->alpha[a] * ((long double)p->z[a] - p->hyper.mean);
    f->gradient[d + 2] += f->alpha[a];
  }
  f->value = -0.5L * fit - 0.5L * determinant - 0.5L * n * logl(2 * M_PIl);
  for (int a = 0; a < n; a++) {
    for (int b = 0; b < n; b++) {
      long double half = 0.5L * (f->alpha[a] * f->alpha[b] - f->inverse[a * n + b]), r = radius(p, a, b);
      f->gradient[d] += half * kernel(p->hyper.signal, r);
      f->gradient[d + 1] += a == b ? half * p->hyper.noise : 0;
      long double slope = -5 * p->hyper.signal / 6.0L * (1 + sqrtl(5) * r) * expl(-sqrtl(5) * r);
      for (int i = 0; i < d; i++) {
        long double l = p->hyper.lengthscale[i];
        f->gradient[i] += half * slope * -2 * distance(p, i, a, b) / (l * l);
      }
    }
  }
  f->condition = largest(n, f->k) * largest(n, f->inverse);
}

static inline void reference_destroy(struct reference *f)
{
  free(f->k);
  free(f->inverse);
  free(f->alpha);
}

static inline double tolerance(const struct reference *f)
{
  return fmax(1e-9, 100 * DBL_EPSILON * (double)f->condition);
}

/* Problems of all sizes; `twins` of the points lie a hair beside another. */
static const struct {
  int n, d, twins;
  double noise;
} sizes[] = {{1, 1, 0, 1e-2},   {2, 1, 1, 1e-6},     {3, 2, 0, 1e-3},    {7, 3, 2, 1e-6},    {8, 10, 0, 1e-4},
             {31, 5, 8, 1e-6},  {64, 10, 0, 1e-6},   {65, 20, 3, 1e-3},  {100, 4, 40, 1e-6}, {128, 1, 0, 1e-5},
             {129, 64, 0, 0.1}, {200, 10, 10, 1e-6}, {320, 6, 20, 1e-4}, {512, 3, 50, 1e-5}};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

/* log h(z), h(z) = φ(z) + z Φ(z): directly in long double above -5; below, h(-t) = φ(t)/t² ∫ v
 * exp(-v - v²/2t²) dv by Simpson. */
static inline long double log_h(long double z)
{
  long double log_pdf = -0.5L * z * z - 0.5L * logl(2 * M_PIl);
  if (z > -5) return logl(expl(log_pdf) + z * 0.5L * erfcl(-z / sqrtl(2)));
  enum { STEPS = 40000 };
  long double t = -z, step = 60.0L / STEPS, sum = 0;
  for (int i = 1; i < STEPS; i++) {
    long double v = i * step;
    sum += (i % 2 ? 4 : 2) * v * expl(-v - v * v / (2 * t * t));
  }
  return log_pdf - 2 * logl(t) + logl(sum * step / 3);
}

/* --- believing --- */

/* Believing is the same as observing the posterior mean there.  w: NULL computes on the CPU. */
static inline void believing_is_observing(int first, int believed, struct gp_workspace *w)
{
  enum { SOME = 40 };
  struct problem p, q;
  struct gp_model m, whole;
  struct error e;
  double mean[SOME], sd[SOME], after[SOME], sd_after[SOME], sd_whole[SOME], point[5];
  problem_make(&p, first + believed, 5, 0, 1e-3, 7);
  problem_make(&q, SOME, 5, 0, 1, 8);
  p.data.n = first;
  assert_int_equal(gp_model_make(&m, &p.data, &p.hyper, believed, w, &e), 0);
  gp_model_predict(&m, SOME, q.data.x, mean, sd);
  for (int k = first; k < first + believed; k++) {
    for (int i = 0; i < 5; i++) point[i] = p.x[i][k];
    p.z[k] = gp_model_believe(&m, point);
    assert_int_equal(m.n, k + 1);
  }
  gp_model_predict(&m, SOME, q.data.x, after, sd_after);
  p.data.n = first + believed;
  assert_int_equal(gp_model_make(&whole, &p.data, &p.hyper, 0, NULL, &e), 0);
  gp_model_predict(&whole, SOME, q.data.x, mean, sd_whole);
  for (int c = 0; c < SOME; c++) {
    assert_true(fabs(after[c] - mean[c]) < 1e-9 && fabs(sd_after[c] - sd_whole[c]) < 1e-9 && sd_after[c] < sd[c]);
  }
  gp_model_predict_one(&m, point, mean, sd, NULL, NULL);
  assert_true(*sd * *sd < 2 * p.hyper.noise);
  gp_model_destroy(&m);
  gp_model_destroy(&whole);
  problem_destroy(&p);
  problem_destroy(&q);
}

#endif
