/* The Gaussian process: likelihood, gradient, posterior.  See gp_model.h.
 *
 * Matrices are lower triangles by columns, as LAPACK has them: a column of the covariance is one
 * call of the kernel's loop, from the diagonal down.  OpenBLAS is told to use one thread each time,
 * since whoever else is in the process may have told it otherwise; its routines then go by the
 * sizes alone. */
#include "host/samplers/gp/gp_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>
#include <lapacke.h>

#include "host/samplers/gp/gp_device.h"

/* A posterior variance below this share of the signal's is rounding. */
static const double least_variance = 1e-14;

/* Some systems' cblas.h is not OpenBLAS's own, and lacks this. */
void openblas_set_num_threads(int num_threads);

static void one_thread(void)
{
  openblas_set_num_threads(1);
}

/* Doubles of a length, rounded up so that every array starts on a cache line: loops then see the
 * same alignment always. */
static size_t padded(size_t n)
{
  return (n + 7) / 8 * 8;
}

static double *allocate(size_t doubles)
{
  return aligned_alloc(64, padded(doubles ? doubles : 1) * sizeof(double));
}

/* --- likelihood --- */

int gp_room_make(struct gp_room *r, int n, struct error *e)
{
  size_t rows = padded((size_t)n);
  memset(r, 0, sizeof(*r));
  r->n = n;
  r->matrix = allocate((size_t)n * (size_t)n);
  r->slope = allocate((size_t)n * (size_t)n);
  r->alpha = allocate(2 * rows);
  if (!r->matrix || !r->slope || !r->alpha) {
    gp_room_destroy(r);
    return error_set(e, ERROR_MACHINE, "out of memory for the covariance of %d trials", n);
  }
  r->row = r->alpha + rows;
  return 0;
}

void gp_room_destroy(struct gp_room *r)
{
  free(r->matrix);
  free(r->slope);
  free(r->alpha);
  memset(r, 0, sizeof(*r));
}

/* The lower triangle of the covariance with its noise, by columns of `stride`; slope like it, or
 * NULL. */
static void covariance(const struct gp_data *data, const struct gp_hyper *h, const double *weight, int stride,
                       double *k, double *slope)
{
  const struct gp_loops *loops = gp_loops_find();
  double point[GP_DIMENSIONS_MAX];
  for (int j = 0; j < data->n; j++) {
    size_t at = (size_t)j * (size_t)stride + (size_t)j;
    for (int i = 0; i < data->d; i++) point[i] = data->x[i][j];
    loops->matern(j, data->n - j, data->d, data->x, data->categorical, weight, point, h->signal, k + at,
                  slope ? slope + at : NULL);
    k[at] = h->signal + h->noise;
  }
}

static void weights(const struct gp_hyper *h, int d, double *weight)
{
  for (int i = 0; i < d; i++) weight[i] = 1 / (h->lengthscale[i] * h->lengthscale[i]);
}

/* dL/dθ = ½ tr((α αᵀ - K⁻¹) dK/dθ).  With g_ij = (α_i α_j - K⁻¹_ij) dk_ij/dr² for i > j, each pair
 * counts twice:
 *   by log ℓ_d     -2 w_d Σ_{i>j} g_ij δ_d
 *   by log noise   ½ σ² (αᵀα - tr K⁻¹)
 *   by log signal  ½ ((z - m)ᵀα - n) less the noise's, since s dK/ds = K - σ² I
 *   by the mean    Σ α
 * room->matrix holds the Cholesky factor, and then the inverse. */
static void likelihood_gradient(const struct gp_data *data, const struct gp_hyper *h, const double *weight,
                                struct gp_room *room, double fit, double *gradient)
{
  const struct gp_loops *loops = gp_loops_find();
  int n = data->n, d = data->d;
  double point[GP_DIMENSIONS_MAX], by_weight[GP_DIMENSIONS_MAX] = {0}, trace = 0, sum = 0;
  LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'L', n, room->matrix, n);
  for (int j = 0; j < n; j++) {
    size_t at = (size_t)j * (size_t)n + (size_t)j;
    trace += room->matrix[at];
    sum += room->alpha[j];
    for (int i = 0; i < d; i++) point[i] = data->x[i][j];
    double *g = room->matrix + at + 1;
    loops->weigh(n - j - 1, room->alpha[j], room->alpha + j + 1, room->slope + at + 1, g);
    loops->distances(j + 1, n - j - 1, d, data->x, data->categorical, point, g, by_weight);
  }
  double by_noise = 0.5 * h->noise * (loops->dot(n, room->alpha, room->alpha) - trace);
  for (int i = 0; i < d; i++) gradient[i] = -2 * weight[i] * by_weight[i];
  gradient[d] = 0.5 * (fit - n) - by_noise;
  gradient[d + 1] = by_noise;
  gradient[d + 2] = sum;
}

double gp_log_likelihood(const struct gp_data *data, const struct gp_hyper *h, struct gp_room *room, double *gradient)
{
  static const double log_2pi = 1.8378770664093454836;
  const struct gp_loops *loops = gp_loops_find();
  int n = data->n;
  double weight[GP_DIMENSIONS_MAX], determinant = 0;
  one_thread();
  if (gradient) memset(gradient, 0, (size_t)(data->d + 3) * sizeof(*gradient));
  if (n == 0) return 0;
  weights(h, data->d, weight);
  covariance(data, h, weight, n, room->matrix, gradient ? room->slope : NULL);
  if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', n, room->matrix, n)) return -INFINITY;
  for (int j = 0; j < n; j++) {
    determinant += log(room->matrix[(size_t)j * (size_t)n + (size_t)j]);
    room->row[j] = data->z[j] - h->mean;
    room->alpha[j] = room->row[j];
  }
  LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'L', n, 1, room->matrix, n, room->alpha, n);
  double fit = loops->dot(n, room->row, room->alpha);
  double value = -0.5 * fit - determinant - 0.5 * n * log_2pi;
  if (!isfinite(value)) return -INFINITY;
  if (gradient) likelihood_gradient(data, h, weight, room, fit, gradient);
  return value;
}

/* --- posterior --- */

static int model_allocate(struct gp_model *m, struct error *e)
{
  size_t rows = padded((size_t)m->capacity);
  size_t doubles = m->workspace ? rows : rows * ((size_t)m->capacity + (size_t)m->d + 4 + GP_BLOCK);
  double *at = allocate(doubles);
  m->memory = at;
  if (!at) return error_set(e, ERROR_MACHINE, "out of memory for the covariance of %d trials", m->capacity);
  m->alpha = at;
  if (m->workspace) return 0;
  at += rows;
  for (int i = 0; i < m->d; i++, at += rows) m->x[i] = at;
  m->k = at;
  m->slope = at + rows;
  m->b = at + 2 * rows;
  m->block = at + 3 * rows;
  m->factor = m->block + GP_BLOCK * rows;
  m->capacity = (int)rows; /* the stride of the factor, too */
  return 0;
}

/* The factor, and from it alpha; false where the covariance is not positive definite. */
static bool condition(struct gp_model *m, const struct gp_data *data)
{
  int n = data->n;
  if (m->workspace) return gp_workspace_condition(m->workspace, &m->hyper, m->alpha);
  covariance(data, &m->hyper, m->weight, m->capacity, m->factor, NULL);
  if (n == 0) return true;
  if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', n, m->factor, m->capacity)) return false;
  for (int j = 0; j < n; j++) m->alpha[j] = data->z[j] - m->hyper.mean;
  LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, 'L', n, 1, m->factor, m->capacity, m->alpha, n);
  return true;
}

int gp_model_make(struct gp_model *m, const struct gp_data *data, const struct gp_hyper *h, int extra,
                  struct gp_workspace *w, struct error *e)
{
  enum { TRIES = 12 };
  int n = data->n;
  memset(m, 0, sizeof(*m));
  m->workspace = w;
  m->hyper = *h;
  m->n = n;
  m->d = data->d;
  m->capacity = n + extra;
  if (model_allocate(m, e)) return e->code;
  memcpy(m->categorical, data->categorical, (size_t)data->d * sizeof(*m->categorical));
  for (int i = 0; i < data->d && !w; i++) memcpy(m->x[i], data->x[i], (size_t)n * sizeof(double));
  weights(h, data->d, m->weight);
  if (w)
    gp_workspace_observe(w, data, extra);
  else
    one_thread();
  for (int attempt = 0; !condition(m, data); attempt++) {
    if (attempt == TRIES) {
      gp_model_destroy(m);
      return error_set(e, ERROR_FAILED, "the covariance of %d trials cannot be factored", n);
    }
    m->hyper.noise = 10 * fmax(m->hyper.noise, 1e-12 * m->hyper.signal);
  }
  return 0;
}

void gp_model_destroy(struct gp_model *m)
{
  free(m->memory);
  memset(m, 0, sizeof(*m));
}

static const double *column_of(const struct gp_model *m, int j)
{
  return m->factor + (size_t)j * (size_t)m->capacity;
}

/* y ← L⁻¹ y */
static void solve_forward(const struct gp_model *m, const struct gp_loops *loops, double *y)
{
  for (int j = 0; j < m->n; j++) {
    const double *column = column_of(m, j);
    y[j] /= column[j];
    loops->add(m->n - j - 1, -y[j], column + j + 1, y + j + 1);
  }
}

/* y ← L⁻ᵀ y */
static void solve_backward(const struct gp_model *m, const struct gp_loops *loops, double *y)
{
  for (int j = m->n - 1; j >= 0; j--) {
    const double *column = column_of(m, j);
    y[j] = (y[j] - loops->dot(m->n - j - 1, column + j + 1, y + j + 1)) / column[j];
  }
}

static double deviation(const struct gp_model *m, double explained)
{
  return sqrt(fmax(m->hyper.signal - explained, least_variance * m->hyper.signal));
}

/* A new last row of the factor: L⁻¹ k, and what is left of the variance.  With α = 0 for it the
 * mean stays. */
double gp_model_believe(struct gp_model *m, const double *point)
{
  const struct gp_loops *loops = gp_loops_find();
  int n = m->n;
  if (m->workspace) {
    m->alpha[m->n++] = 0;
    return gp_workspace_believe(m->workspace, point);
  }
  loops->matern(0, n, m->d, (const double *const *)m->x, m->categorical, m->weight, point, m->hyper.signal, m->k, NULL);
  double mean = m->hyper.mean + loops->dot(n, m->k, m->alpha);
  solve_forward(m, loops, m->k);
  double left = m->hyper.signal + m->hyper.noise - loops->dot(n, m->k, m->k);
  for (int j = 0; j < n; j++) m->factor[(size_t)j * (size_t)m->capacity + (size_t)n] = m->k[j];
  m->factor[(size_t)n * (size_t)m->capacity + (size_t)n] = sqrt(fmax(left, least_variance * m->hyper.signal));
  for (int i = 0; i < m->d; i++) m->x[i][n] = point[i];
  m->alpha[n] = 0;
  m->n = n + 1;
  return mean;
}

void gp_model_predict(struct gp_model *m, int count, const double *const *x, double *mean, double *sd)
{
  const struct gp_loops *loops = gp_loops_find();
  double point[GP_DIMENSIONS_MAX];
  if (m->workspace) {
    gp_workspace_rank(m->workspace, count, x, 0);
    gp_workspace_read(m->workspace, count, mean, sd, NULL);
    return;
  }
  one_thread();
  for (int from = 0; from < count; from += GP_BLOCK) {
    int block = count - from < GP_BLOCK ? count - from : GP_BLOCK;
    for (int c = 0; c < block; c++) {
      double *k = m->block + (size_t)c * (size_t)m->capacity;
      for (int i = 0; i < m->d; i++) point[i] = x[i][from + c];
      loops->matern(0, m->n, m->d, (const double *const *)m->x, m->categorical, m->weight, point, m->hyper.signal, k,
                    NULL);
      mean[from + c] = m->hyper.mean + loops->dot(m->n, k, m->alpha);
    }
    if (m->n) {
      cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, m->n, block, 1.0, m->factor,
                  m->capacity, m->block, m->capacity);
    }
    for (int c = 0; c < block; c++) {
      const double *v = m->block + (size_t)c * (size_t)m->capacity;
      sd[from + c] = deviation(m, loops->dot(m->n, v, v));
    }
  }
}

/* With b = K⁻¹ k:  dμ/dx = Σ α_j dk_j/dx,  dσ/dx = -Σ b_j dk_j/dx / σ,
 * dk_j/dx_d = 2 w_d (x_d - x_jd) dk_j/dr². */
void gp_model_predict_one(struct gp_model *m, const double *point, double *mean, double *sd, double *by_mean,
                          double *by_sd)
{
  const struct gp_loops *loops = gp_loops_find();
  const double *const *x = (const double *const *)m->x;
  int n = m->n;
  if (m->workspace) {
    gp_workspace_predict_one(m->workspace, point, mean, sd, by_mean, by_sd);
    return;
  }
  loops->matern(0, n, m->d, x, m->categorical, m->weight, point, m->hyper.signal, m->k, by_mean ? m->slope : NULL);
  *mean = m->hyper.mean + loops->dot(n, m->k, m->alpha);
  memcpy(m->b, m->k, (size_t)n * sizeof(*m->b));
  solve_forward(m, loops, m->b);
  double explained = loops->dot(n, m->b, m->b);
  *sd = deviation(m, explained);
  if (!by_mean) return;
  solve_backward(m, loops, m->b);
  for (int j = 0; j < n; j++) {
    m->k[j] = m->alpha[j] * m->slope[j];
    m->b[j] *= m->slope[j];
  }
  loops->offsets(n, m->d, x, m->categorical, point, m->k, by_mean);
  loops->offsets(n, m->d, x, m->categorical, point, m->b, by_sd);
  bool rounded = m->hyper.signal - explained < least_variance * m->hyper.signal;
  for (int i = 0; i < m->d; i++) {
    by_mean[i] *= 2 * m->weight[i];
    by_sd[i] *= rounded ? 0 : -2 * m->weight[i] / *sd;
  }
}

void gp_model_predict_each(struct gp_model *m, int count, const double (*points)[GP_DIMENSIONS_MAX], double *mean,
                           double *sd)
{
  if (m->workspace) {
    gp_workspace_predict_each(m->workspace, count, points, mean, sd);
    return;
  }
  for (int i = 0; i < count; i++) gp_model_predict_one(m, points[i], &mean[i], &sd[i], NULL, NULL);
}
