/* The Gaussian process on CUDA devices, with the mathematics of gp_model.h and the kernels of
 * kernels/gp.h.  Private to gp_*.c, sampler_gp.c and whoever opens the device for them.
 *
 * Each device has two workspaces, each with a stream and memory of its own for one proposal at a
 * time; matrices stay in it.  A result depends on the observations, the hyperparameters and the
 * devices' model alone, not on the workspace or what runs beside.
 *
 * What fails is the machine's (contract 4).  It sticks to the workspace: the calls after it do
 * nothing and give harmless numbers, whoever took the workspace asks once, at the end, with
 * gp_workspace_check, and takes another; this one is not used again.  Without CUDA in the build
 * gp_devices_open fails. */
#ifndef GSOS_GP_DEVICE_H
#define GSOS_GP_DEVICE_H

#include <stdbool.h>

#include "host/base/error.h"
#include "host/samplers/gp/gp_model.h"
#include "kernels/gp.h"

enum {
  GP_DEVICE_OBSERVATIONS = 512, /* observations and believed ones; more are the CPU's */
  GP_DEVICE_BATCH = 3,          /* settings of hyperparameters at once */
};

struct gp_devices;
struct gp_workspace;

/* Opens devices numbers[0 ... n - 1], with room for `points` points of d dimensions in each
 * workspace.  ERROR_CONFIG where they are of different models. */
int gp_devices_open(struct gp_devices **devices, int n, const int *numbers, int points, int d, struct error *e);
void gp_devices_close(struct gp_devices *devices); /* takes NULL; all workspaces have been given back */
/* Their model, as devices_name has it, and by which kernels they work where those are not the ones
 * of their compute capability (gp_capability): the bits of all results depend on both. */
const char *gp_devices_name(const struct gp_devices *devices);

/* Waits for a workspace; NULL where all have failed.  The calling thread is on its device from then
 * on: to go back to the one before might be the first use of that. */
struct gp_workspace *gp_workspace_take(struct gp_devices *devices);
void gp_workspace_give_back(struct gp_workspace *w); /* takes NULL */
/* 0, or what went wrong since it was taken: ERROR_MACHINE. */
int gp_workspace_check(const struct gp_workspace *w, struct error *e);

/* The observations that all else is about, n + extra at most GP_DEVICE_OBSERVATIONS; `extra` can be
 * believed besides. */
void gp_workspace_observe(struct gp_workspace *w, const struct gp_data *data, int extra);

/* gp_log_likelihood of `count` hyperparameters at once, at most GP_DEVICE_BATCH.
 *   value     [count] out
 *   gradient  [count][GP_PARAMETERS_MAX] out, d + 3 each */
void gp_workspace_likelihoods(struct gp_workspace *w, int count, const struct gp_hyper *h, double *value,
                              double (*gradient)[GP_PARAMETERS_MAX]);

/* Whether the device climbs by itself over the observations: where gp_capability is 9, and up to
 * gp_block_rows elsewhere. */
bool gp_workspace_fits(const struct gp_workspace *w);

/* Climbs of the log posterior from `count` starts at once, at most GP_DEVICE_BATCH: one launch.  Of
 * a device that climbs.
 *   starts  [count][GP_PARAMETERS_MAX], d + 3 each, within the bounds
 *   value   [count] out: the highest; -INFINITY where not even the start has one
 *   at      [count][GP_PARAMETERS_MAX] out: where
 * Returns the evaluations of all of them. */
int gp_workspace_fit(struct gp_workspace *w, const struct device_gp_prior *prior, int count,
                     const double (*starts)[GP_PARAMETERS_MAX], double *value, double (*at)[GP_PARAMETERS_MAX]);

/* For measurements and tests: whether kernels for compute capability 9.0 are used where they can
 * be, as they are at first.  False where they cannot. */
bool gp_workspace_use_clusters(struct gp_workspace *w, bool yes);

/* The posterior under h, for the calls below.  False where the covariance is not positive definite.
 *   alpha  [n] out */
bool gp_workspace_condition(struct gp_workspace *w, const struct gp_hyper *h, double *alpha);

/* As gp_model's. */
double gp_workspace_believe(struct gp_workspace *w, const double *point);
void gp_workspace_predict_one(struct gp_workspace *w, const double *point, double *mean, double *sd, double *by_mean,
                              double *by_sd);
void gp_workspace_predict_each(struct gp_workspace *w, int count, const double (*points)[GP_DIMENSIONS_MAX],
                               double *mean, double *sd);

/* Climbs of log expected improvement (gp_acquisition.h) in the model's coordinates, by L-BFGS with
 * its gradient (kernels/lbfgs.cuh); all are one launch, and none depends on the others. */
struct gp_climb {
  const bool *smooth; /* [d] coordinates that move, within [0, 1) */
  double best;        /* what is to be improved on */
  double tolerance;   /* ends where a step brings less */
  int evaluations;    /* at most, of each */
};
/* points [count], at most GP_EACH_MAX: where each starts, and then where it has come to; which is
 * where it started, if nothing there is finite. */
void gp_workspace_climb(struct gp_workspace *w, const struct gp_climb *climb, int count,
                        double (*points)[GP_DIMENSIONS_MAX]);

/* Posterior at `count` points, x [d][count], and log expected improvement over `best`; they stay on
 * the device.  x is the caller's again at once; the results are there for the calls below. */
void gp_workspace_rank(struct gp_workspace *w, int count, const double *const *x, double best);
/* What gp_workspace_rank left, [count] each; NULL: not wanted. */
void gp_workspace_read(struct gp_workspace *w, int count, double *mean, double *sd, double *score);

enum { GP_TOP = 16 };
struct gp_top {
  double score;
  int index; /* -1: there are no more */
};
/* Candidates from ... to - 1 that come after the one of `after` (index -1: all). */
struct gp_range {
  int from, to;
  struct gp_top after;
};
/* The GP_TOP best of each of n ranges, at most GP_RANGES_MAX.
 *   top  [n][GP_TOP] out */
enum { GP_RANGES_MAX = 2 };
void gp_workspace_top(struct gp_workspace *w, int n, const struct gp_range *ranges, struct gp_top (*top)[GP_TOP]);

#endif
