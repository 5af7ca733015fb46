/* The Gaussian process on a device: its kernels' launchers (host/samplers/gp/gp_model.h has the
 * model and its formulas, host/samplers/gp/gp_device.h the caller).
 *
 * Everything is FP64.  A matrix is `rows` × `rows`, by rows, with rows = n rounded up to GP_TILE;
 * what is padded is the unit matrix, so that no product asks where the matrix ends, and adds
 * nothing to any result.  The covariance K is factored, K = L Lᵀ, and L inverted; all else are
 * products with L⁻¹, which many blocks make side by side and tensor cores multiply:
 *
 *   y = L⁻¹ (z - mean),  α = L⁻ᵀ y,  K⁻¹ = L⁻ᵀ L⁻¹ tile by tile,
 *   explained variance of a point ‖L⁻¹ k‖²
 *
 * Several settings of hyperparameters (a batch) are one launch.  The result of each depends on the
 * observations and itself alone: the order of every sum follows from n and d, never from the batch
 * or from what runs beside it (contract 1).
 *
 * All pointers are device memory.  Launchers return a cudaError_t as an int. */
#ifndef GSOS_GP_KERNELS_H
#define GSOS_GP_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  GP_TILE = 32,
  GP_ROWS_MAX = 512,       /* observations, with those believed; one block factors a matrix */
  GP_AXES_MAX = 64,        /* as SPACE_MAX */
  GP_POINTS = 16,          /* points that a block predicts */
  GP_TOP_MAX = 32,         /* of the best candidates, in one answer */
  GP_CAPABILITY_90 = 9,    /* major, from which on gp_panel.cu, gp_at_cluster.cu and gp_evaluate.cu do the work */
  GP_CLUSTER = 8,          /* blocks of gp_evaluate.cu's clusters, whatever n is: its bits depend on it */
  GP_BLOCK_ROWS = 256,     /* rows that one block evaluates, where there are no clusters */
  GP_BLOCK_ROWS_SLOW = 64, /* and where a multiprocessor makes few products of FP64 */
  GP_BLOCK_AXES = 32,      /* dimensions whose sums such a block has in shared memory */
  GP_BLOCK_THREADS = 256,
  GP_TOP_SPAN = 4096, /* scores of which a block finds the best */
  GP_PARTS_MAX = 2,   /* parts of the scores, of each of which a launch finds the best */
};

struct device_gp_hyper {
  double weight[GP_AXES_MAX]; /* 1 / lengthscale² */
  double signal, noise, mean;
};

/* What the blocks of a cluster leave for each other, or one block for itself, of one setting of
 * hyperparameters. */
struct device_gp_scratch {
  double inverse[2][GP_TILE * GP_TILE]; /* of the diagonal's tile, by the step's parity */
  double diagonal[GP_ROWS_MAX];         /* of L */
  double part[GP_ROWS_MAX / GP_TILE * (GP_ROWS_MAX / GP_TILE + 1) / 2][GP_TILE]; /* of y and α, a tile's each */
  double sums[GP_CLUSTER][GP_AXES_MAX + 1];                                      /* of the gradient */
  double lanes[GP_AXES_MAX - GP_BLOCK_AXES][GP_BLOCK_THREADS]; /* its other dimensions, of one block's threads */
};

struct device_gp {
  int n, d, rows;
  int capability;                      /* gp_capability's: it decides which kernels do the work */
  int block_rows;                      /* gp_block_rows's: as does this, below GP_CAPABILITY_90 */
  uint64_t categorical;                /* bit i: dimension i is one */
  double *x;                           /* [d][GP_ROWS_MAX], 0 from observation n to `rows` */
  const double *z;                     /* [n] */
  const struct device_gp_hyper *hyper; /* [batch] */
  double *inverse;                     /* [batch][rows][rows] L⁻¹, with zeros above the diagonal of its tiles */
  double *factor;                      /* [batch][rows][rows] a kernel's own: L, or tiles of 32 × 32 */
  double *alpha;                       /* [batch][rows] */
  struct device_gp_scratch *scratch;   /* [batch] */
  double *sums;                        /* [batch][tiles][d + 1] of the gradient, gp_tiles(rows) tiles */
  double *result;                      /* [batch][d + 4] log likelihood, and its gradient as gp_log_likelihood has it */
  double *packed;                      /* [GP_ROWS_MAX]² L⁻¹ of the first of the batch as gp_panel.cu wants it */
  double *scaled;                      /* [d][GP_ROWS_MAX] and coordinates of the observations */
  int *failed; /* [batch] 1: the covariance is not positive definite, and the rest is undefined */
};

static inline int gp_tiles(int rows)
{
  return rows / GP_TILE * (rows / GP_TILE + 1) / 2;
}

/* Compute capability, major, of the present device, as far as kernels go by it: GP_CAPABILITY_90
 * and above only where a block may have the shared memory, and a cluster the multiprocessors, that
 * the kernels for it want at most.  GPUs of 12.0 give a block too little; a slice of a GPU may have
 * too few multiprocessors side by side. */
int gp_capability(int *capability);
/* Up to how many rows one block of the present device evaluates a matrix by itself, in one launch,
 * where there are no clusters: a property of its model, by how fast it is at FP64.  0: none, for
 * want of shared memory. */
int gp_block_rows(int *rows);

/* alpha, failed and result, for a batch, by the kernels that suit the device's capability and the
 * rows; the others' bits differ.  Rasmussen and Williams 2006, eq. 5.9. */
int gp_likelihood(const struct device_gp *g, int batch, void *stream);
/* inverse, alpha, failed and result[0], of one. */
int gp_condition(const struct device_gp *g, void *stream);
/* Both, of gp_evaluate.cu: with `gradient`, or for the posterior; by clusters, or by a block each,
 * at most g->block_rows rows.  That needs gp_evaluate_prepare once on its device. */
int gp_evaluate_prepare(int capability, int block_rows);
int gp_evaluate_by_cluster(const struct device_gp *g, int batch, int gradient, void *stream);
int gp_evaluate_by_block(const struct device_gp *g, int batch, int gradient, void *stream);

/* Whether evaluations are one launch each, and climbs can be. */
static inline int gp_is_one_launch(const struct device_gp *g)
{
  return g->capability >= GP_CAPABILITY_90 || g->rows <= g->block_rows;
}

/* What the hyperparameters are sought by: log ℓ_1 ... log ℓ_d, log signal, log (noise - floor),
 * mean.  Bounds are of these four kinds; the priors are those of host/samplers/gp/gp_fit.c. */
struct device_gp_prior {
  double narrowness, centre; /* of the lengthscales' prior */
  double noise_floor;
  double low[4], high[4];
  double tolerance; /* of the log posterior, where a climb ends */
  int evaluations;  /* of a climb, at most */
};
struct device_gp_fit_start {
  double at[GP_AXES_MAX + 3];
};
struct device_gp_fitted {
  double value, at[GP_AXES_MAX + 3]; /* the highest log posterior found, and where */
  int evaluations, unused;           /* value -INFINITY: of the start nothing is known */
};

/* Climbs from `count` starts side by side, in one launch, each by a cluster or a block; only where
 * gp_is_one_launch.
 *   starts, out  [count]; of g's batch are `count` settings' room, hyper is not used */
int gp_fit_climbs(const struct device_gp *g, int count, const struct device_gp_prior *prior,
                  const struct device_gp_fit_start *starts, struct device_gp_fitted *out, void *stream);

/* One point, by value. */
struct device_gp_point {
  double x[GP_AXES_MAX];
};

/* Posterior at one point under the first of the batch, by the kernel that suits the device's
 * capability; the other's bits differ.
 *   out  [2 + 2 d] mean, deviation, and where `gradients` is not 0 their gradients by the point's
 *        coordinates (as gp_model_predict_one has them) */
int gp_predict_one(const struct device_gp *g, const struct device_gp_point *point, int gradients, double *out,
                   void *stream);
/* The same at a few points, a block each, with the bits of gp_predict_one.
 *   points  [count],  out  [count][2] */
int gp_predict_each(const struct device_gp *g, int count, const struct device_gp_point *points, double *out,
                    void *stream);

/* Climbs of log expected improvement within [0, 1) by L-BFGS (lbfgs.cuh), all side by side: each by
 * a block or a cluster, so that none depends on the others. */
struct device_gp_climb {
  uint64_t smooth;         /* bit i: coordinate i moves */
  double best;             /* what is to be improved on */
  double tolerance, reach; /* ends where a step brings less; the first step's length at most */
  int evaluations;         /* at most, of each */
  int unused;
};

/*   points  [count] where they start, and then where they have come to: the best point of the
 *           climb, or the start where nothing is known of it (not finite) */
int gp_climb(const struct device_gp *g, const struct device_gp_climb *climb, int count, struct device_gp_point *points,
             void *stream);
int gp_climb_by_clusters(const struct device_gp *g, const struct device_gp_climb *climb, int count,
                         struct device_gp_point *points, void *stream);

/* Both, of gp_at_cluster.cu: at `point`, or at points[count] without gradients. */
int gp_predict_by_cluster(const struct device_gp *g, int count, const struct device_gp_point *point,
                          const struct device_gp_point *points, int gradients, double *out, void *stream);

/* Takes the posterior mean at a point for observation n: x, L⁻¹ and α get a row, which `rows` must
 * have room for; the caller counts n.
 *   out  [1] that mean */
int gp_believe(const struct device_gp *g, const struct device_gp_point *point, double *out, void *stream);

/* Posterior mean and deviation at `count` points, x [d][stride], by the kernels that suit the
 * device's capability; the others' bits differ.  Needs gp_predict_prepare once on its device, for
 * the same. */
int gp_predict(const struct device_gp *g, int count, int stride, const double *x, double *mean, double *sd,
               void *stream);
int gp_predict_prepare(int capability);
/* Those of gp_panel.cu. */
int gp_predict_panel(const struct device_gp *g, int count, int stride, const double *x, double *mean, double *sd,
                     void *stream);
int gp_predict_panel_prepare(void);
int gp_predict_panel_bytes(void); /* of shared memory, that a block takes at most */

/* Log expected improvement over `best` (expected_improvement.h). */
int gp_score(int count, const double *mean, const double *sd, double best, double *score, void *stream);

/* One of the best. */
struct device_gp_ranked {
  double score;
  int index; /* -1: there are no more */
  int unused;
};

/* Some of the scores: from ... to - 1 that come after `after` (index -1: all do). */
struct device_gp_part {
  int from, to;
  struct device_gp_ranked after;
};

/* The `most` (at most GP_TOP_MAX) best of each of `parts` (at most GP_PARTS_MAX) parts, the largest
 * first, of equal ones the first, in which order one comes after another.  NaN is the least.
 *   room  [parts][gp_top_room(n, most)], n the largest part's, for what spans of GP_TOP_SPAN scores
 *         have found
 *   out   [parts][most] */
int gp_top(const double *score, int parts, const struct device_gp_part *part, int most, struct device_gp_ranked *room,
           struct device_gp_ranked *out, void *stream);

static inline int gp_top_room(int count, int most)
{
  int room = 0;
  while (count > GP_TOP_SPAN) room += count = (count + GP_TOP_SPAN - 1) / GP_TOP_SPAN * most;
  return room;
}

#ifdef __cplusplus
}
#endif
#endif
