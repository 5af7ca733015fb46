/* The Gaussian process on a CUDA device, with the mathematics of gp_model.h and the kernels of kernels/gp.h.  Private to gp_*.c, sampler_gp.c
 * and whoever opens the device for them.
 *
 * A device has a few workspaces, each with a stream and memory of its own for one proposal at a time; matrices stay in it.  A
 * result depends on the observations, the hyperparameters and the device's model alone, not on the workspace or what runs beside.
 *
 * What fails is the machine's (contract 4).  It sticks to the workspace: the calls after it do nothing and give harmless numbers, and
 * whoever took the workspace asks once, at the end, with gp_workspace_check.  Without CUDA in the build gp_device_open fails. */
#ifndef GSOS_GP_DEVICE_H
#define GSOS_GP_DEVICE_H

#include <stdbool.h>

#include "error.h"
#include "gp_model.h"

enum {
  GP_DEVICE_OBSERVATIONS = 512, /* observations and believed ones; more are the CPU's */
  GP_DEVICE_BATCH = 3,          /* settings of hyperparameters at once */
};

struct gp_device;
struct gp_workspace;

/* Opens device `number` with `workspaces` of them, each with room for `points` points of d dimensions. */
int gp_device_open(struct gp_device **device, int number, int workspaces, int points, int d, struct error *e);
void gp_device_close(struct gp_device *device); /* takes NULL; all workspaces have been given back */
/* As cohort_device_name has it. */
const char *gp_device_name(const struct gp_device *device);

/* Waits for one.  The calling thread is on the device until it gives it back. */
struct gp_workspace *gp_workspace_take(struct gp_device *device);
void gp_workspace_give_back(struct gp_workspace *w); /* takes NULL */
int gp_workspace_check(const struct gp_workspace *w, struct error *e);

/* The observations that all else is about, n + extra at most GP_DEVICE_OBSERVATIONS; `extra` can be believed besides. */
void gp_workspace_observe(struct gp_workspace *w, const struct gp_data *data, int extra);

/* gp_log_likelihood of `count` hyperparameters at once, at most GP_DEVICE_BATCH.
 *   value     [count] out
 *   gradient  [count][GP_PARAMETERS_MAX] out, d + 3 each */
void gp_workspace_likelihoods(struct gp_workspace *w, int count, const struct gp_hyper *h, double *value,
                              double (*gradient)[GP_PARAMETERS_MAX]);

/* The posterior under h, for the calls below.  False where the covariance is not positive definite.
 *   alpha  [n] out */
bool gp_workspace_condition(struct gp_workspace *w, const struct gp_hyper *h, double *alpha);

/* As gp_model's. */
double gp_workspace_believe(struct gp_workspace *w, const double *point);
void gp_workspace_predict_one(struct gp_workspace *w, const double *point, double *mean, double *sd, double *by_mean,
                              double *by_sd);

/* Posterior at `count` points, x [d][count], and log expected improvement over `best`; they stay on the device. */
void gp_workspace_rank(struct gp_workspace *w, int count, const double *const *x, double best);
/* What gp_workspace_rank left, [count] each; NULL: not wanted. */
void gp_workspace_read(struct gp_workspace *w, int count, double *mean, double *sd, double *score);

enum { GP_TOP = 16 };
struct gp_top {
  double score;
  int index; /* -1: there are no more */
};
/* The next GP_TOP best of from ... to - 1 that come after *after (NULL: the first), which may be one of `top`. */
void gp_workspace_top(struct gp_workspace *w, int from, int to, const struct gp_top *after, struct gp_top *top);

#endif
