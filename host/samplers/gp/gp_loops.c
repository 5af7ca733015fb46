/* The inner loops of the Gaussian process.  See gp_loops.h.
 *
 * Elements are taken in blocks of BLOCK, whose temporaries stay in registers or the first cache;
 * sums have LANES partial sums each, added up in a fixed order at the end. */
#include "host/samplers/gp/gp_loops.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined LOOPS_REFERENCE /* for tests: without optimisation (gp_loops.mk) */
#define LOOP(name) name##_reference
#elif defined __AVX512F__ && defined __AVX512DQ__
#define LOOP(name) name##_avx512
#elif defined __AVX2__ && defined __FMA__
#define LOOP(name) name##_avx2
#else
#define LOOP(name) name##_baseline
#endif

enum { LANES = 8, BLOCK = 64 };

/* exp(-x) for x >= 0, to two units of the last place; 0 where it is below 1e-300. exp(-x) = 2^k
 * exp(r), |r| <= ln 2 / 2; exp(r) by its Taylor polynomial of degree 13 (remainder 4e-18).  Adding
 * 1.5 · 2^52 rounds to a whole number k, whose bits then lie at the end of the mantissa. */
static inline double exp_minus(double x)
{
  static const double shift = 0x1.8p52, log2_e = 0x1.71547652b82fep0;
  static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
  double y = x < 690.0 ? -x : -690.0;
  double k = y * log2_e + shift;
  uint64_t bits;
  memcpy(&bits, &k, sizeof(bits));
  k -= shift;
  double r = (y - k * ln2_high) - k * ln2_low;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  uint64_t scale_bits = (bits + 1023) << 52;
  double scale;
  memcpy(&scale, &scale_bits, sizeof(scale));
  return x < 690.0 ? p * scale : 0.0;
}

static void block_matern(int n, int d, const double *const *x, int at, const bool *categorical, const double *weight,
                         const double *point, double signal, double *k, double *slope)
{
  static const double sqrt5 = 2.2360679774997896964;
  double r2[BLOCK];
  for (int j = 0; j < n; j++) r2[j] = 0;
  for (int i = 0; i < d; i++) {
    const double *column = x[i] + at;
    double w = weight[i], p = point[i];
    if (categorical[i]) {
      for (int j = 0; j < n; j++) r2[j] += column[j] != p ? w : 0.0;
    } else {
      for (int j = 0; j < n; j++) {
        double t = column[j] - p;
        r2[j] += w * (t * t);
      }
    }
  }
  if (slope) {
    for (int j = 0; j < n; j++) {
      double u = sqrt5 * sqrt(r2[j]), e = signal * exp_minus(u);
      k[j] = (1.0 + u + u * u / 3.0) * e;
      slope[j] = -5.0 / 6.0 * (1.0 + u) * e;
    }
  } else {
    for (int j = 0; j < n; j++) {
      double u = sqrt5 * sqrt(r2[j]);
      k[j] = (1.0 + u + u * u / 3.0) * (signal * exp_minus(u));
    }
  }
}

static void matern(int first, int n, int d, const double *const *x, const bool *categorical, const double *weight,
                   const double *point, double signal, double *k, double *slope)
{
  for (int j = 0; j < n; j += BLOCK) {
    if (n - j >= BLOCK) { /* a constant length, for which the compiler needs no rest */
      block_matern(BLOCK, d, x, first + j, categorical, weight, point, signal, k + j, slope ? slope + j : NULL);
    } else {
      block_matern(n - j, d, x, first + j, categorical, weight, point, signal, k + j, slope ? slope + j : NULL);
    }
  }
}

static double sum_lanes(const double *lane)
{
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* x where `keep`, else 0, by its bits.  Not `keep ? x : 0`: GCC 12.2 at -O3 for AVX and AVX2 leaves
 * out lanes where such a choice between loaded values is added to partial sums (or stored, to be
 * added next).  Nor x times 0 or 1, which is NaN for an x that is not finite. */
static inline double if_so(bool keep, double x)
{
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  bits &= -(uint64_t)keep;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static void distances(int first, int n, int d, const double *const *x, const bool *categorical, const double *point,
                      const double *g, double *sum)
{
  int whole = n - n % LANES;
  for (int i = 0; i < d; i++) {
    const double *column = x[i] + first;
    double lane[LANES] = {0}, rest = 0, p = point[i];
    if (categorical[i]) {
      for (int j = 0; j < whole; j += LANES) {
        for (int l = 0; l < LANES; l++) lane[l] += if_so(column[j + l] != p, g[j + l]);
      }
      for (int j = whole; j < n; j++) rest += if_so(column[j] != p, g[j]);
    } else {
      for (int j = 0; j < whole; j += LANES) {
        for (int l = 0; l < LANES; l++) {
          double t = column[j + l] - p;
          lane[l] += g[j + l] * (t * t);
        }
      }
      for (int j = whole; j < n; j++) rest += g[j] * ((column[j] - p) * (column[j] - p));
    }
    sum[i] += sum_lanes(lane) + rest;
  }
}

static void offsets(int n, int d, const double *const *x, const bool *categorical, const double *point, const double *g,
                    double *sum)
{
  int whole = n - n % LANES;
  for (int i = 0; i < d; i++) {
    const double *column = x[i];
    double lane[LANES] = {0}, rest = 0, p = point[i];
    sum[i] = 0;
    if (categorical[i]) continue;
    for (int j = 0; j < whole; j += LANES) {
      for (int l = 0; l < LANES; l++) lane[l] += g[j + l] * (p - column[j + l]);
    }
    for (int j = whole; j < n; j++) rest += g[j] * (p - column[j]);
    sum[i] = sum_lanes(lane) + rest;
  }
}

static void weigh(int n, double a, const double *alpha, const double *slope, double *g)
{
  for (int j = 0; j < n; j++) g[j] = (a * alpha[j] - g[j]) * slope[j];
}

static double dot(int n, const double *a, const double *b)
{
  double lane[LANES] = {0}, rest = 0;
  int whole = n - n % LANES;
  for (int j = 0; j < whole; j += LANES) {
    for (int l = 0; l < LANES; l++) lane[l] += a[j + l] * b[j + l];
  }
  for (int j = whole; j < n; j++) rest += a[j] * b[j];
  return sum_lanes(lane) + rest;
}

static void add(int n, double a, const double *x, double *y)
{
  for (int j = 0; j < n; j++) y[j] += a * x[j];
}

extern const struct gp_loops LOOP(gp_loops);
const struct gp_loops LOOP(gp_loops) = {
    .matern = matern, .distances = distances, .offsets = offsets, .weigh = weigh, .dot = dot, .add = add};
