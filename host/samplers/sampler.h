/* Samplers: given a history and what is fixed, propose the next configuration.
 *
 * A sampler keeps no state: a proposal is a pure function of its request (contract 2), so a resumed
 * study proposes what the undisturbed one would have.  All samplers are one table; a new one is one
 * new file and one line in SAMPLERS. */
#ifndef GSOS_SAMPLER_H
#define GSOS_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/error.h"
#include "host/base/name_list.h"
#include "host/space/space.h"

enum observation_state { OBSERVATION_COMPLETE, OBSERVATION_FAILED, OBSERVATION_PRUNED, OBSERVATION_IN_FLIGHT };

/* One trial as a sampler may see it. */
struct observation {
  int number; /* trial number within the study */
  enum observation_state state;
  const double *values; /* [space->n] internal values */
  /* If COMPLETE or PRUNED: the objective, larger is better always (the caller turns the sign for
   * minimise). */
  double value;
  double loss;    /* validation loss, the second key of `best`; 0 where there is none */
  int step;       /* PRUNED: the epoch it reached */
  double seconds; /* what it took (contract 8); 0: not known */
  int group;      /* of the study, by its place in the strategy's list; samplers do not look at it */
  /* [space->n] the hyperparameters that were searched; what was held stood where it stood before,
   * which says nothing of its other values.  NULL: all count. */
  const bool *free;
};

/* Higher value, then lower loss, then lower number (contract 5): true if a is better than b. Both
 * COMPLETE. */
bool observation_better(const struct observation *a, const struct observation *b);

/* Is this configuration feasible?  `values` is complete. Thread-safe. */
typedef bool (*feasible_function)(void *context, const double *values);

/* FLOPs of a configuration's whole trial; 0: not known.  `values` is complete.  Thread-safe. */
typedef double (*flops_function)(void *context, const double *values);

struct gp_devices; /* gp_device.h */
struct gp_fits;    /* gp_fits.h */

#define GP_DESIGNS(ROW) ROW(GP_DESIGN_SOBOL, "sobol") ROW(GP_DESIGN_RANDOM, "random")
#define GP_COSTS(ROW) ROW(GP_COST_NONE, "none") ROW(GP_COST_FLOPS, "flops") ROW(GP_COST_TIME, "time")
#define GP_HISTORIES(ROW) ROW(GP_HISTORY_ALL, "all") ROW(GP_HISTORY_GROUP, "group")
/* Which trials a proposal learns from, of samplers that have no key of their own for it; their
 * default is the group. */
#define HISTORIES(ROW) ROW(HISTORY_DEFAULT, "default") ROW(HISTORY_GROUP, "group") ROW(HISTORY_ALL, "all")
enum gp_design { GP_DESIGNS(NAME_VALUE) };
enum gp_cost_kind { GP_COSTS(NAME_VALUE) };
enum gp_history { GP_HISTORIES(NAME_VALUE) };
enum history_kind { HISTORIES(NAME_VALUE) };

struct sampler_settings {
  enum history_kind history;  /* of every sampler but gp */
  int tpe_startup;            /* random points at the start of a group (paper: 15) */
  double tpe_quantile;        /* share of the finished trials called good (paper: 0.25) */
  int tpe_candidates;         /* draws from l (24) */
  double tpe_prior_weight;    /* weight of the prior kernel beside each observation's 1 (1.0) */
  int gp_startup;             /* trials before the Gaussian process proposes (10) */
  int gp_design;              /* which ones: enum gp_design (Sobol) */
  int gp_candidates;          /* configurations ranked for a proposal (4096) */
  int gp_evaluations;         /* likelihoods that a fit may cost, at most (200) */
  enum gp_history gp_history; /* all of the study */
  enum gp_cost_kind gp_cost;  /* what expected improvement is weighed by: none */
  double gp_cost_weight;      /* the power of that cost at the start of a study (1) */
  int grid_points;            /* values a float (and an int with more) takes on the grid (5) */
  /* The machine's, what sampler->open opened: */
  struct gp_devices *gp_devices; /* NULL: the CPU */
  struct gp_fits *gp_fits;       /* NULL: none is remembered */
};

struct sampler_request {
  const struct space *space;
  const bool *free;                  /* [space->n] the hyperparameters to propose */
  const double *fixed;               /* [space->n] values of the others (entries of free ones are ignored) */
  const struct observation *history; /* [n_history] what this proposal may see, by trial number; in flight too */
  int n_history;
  int n_group;        /* trials of this group already proposed: 0 for its first. The startup and the grid count it */
  int group_size;     /* trials that this group gets in all */
  uint64_t key;       /* the trial's Philox key; use subsequence (PHILOX_SAMPLER, 0, 0) */
  uint64_t study_key; /* the same for all trials of a study: what they share, as a design of first points */
  feasible_function feasible;
  void *feasible_context;
  flops_function flops; /* NULL: of no configuration are they known */
  void *flops_context;
  double left; /* share of the cycle's trials that have not been proposed, this one among them */
  const struct sampler_settings *settings;
};

struct sampler {
  const char *name;    /* "random", "grid", "tpe", "gp" */
  const char *summary; /* one line for --help */
  /* Does a proposal learn from all of the study (else from the trials of its group alone), as the
   * settings have it? */
  bool (*sees_all)(const struct sampler_settings *settings);
  /* [NAME] startup: so many trials are proposed before it looks at results; NULL: none are. */
  int (*startup)(const struct sampler_settings *settings);
  bool startup_in_groups; /* ... random ones at the start of each group, not of the study alone */
  /* Writes a whole configuration [space->n] (fixed entries copied).  Only feasible ones;
   * ERROR_CONFIG where none is. */
  int (*ask)(const struct sampler_request *request, double *values, struct error *e);
  /* The largest improvement that it expects of a configuration in which free[k] are free (in place
   * of request->free), as a logarithm in expected[k], k = 0 ... n - 1: -INFINITY where nothing new
   * is feasible.  All of the history has ended.  ERROR_FAILED where there are too few trials to
   * say, ERROR_MACHINE without memory.  NULL: it cannot say. */
  int (*expect)(const struct sampler_request *request, int n, const bool (*free)[SPACE_MAX], double *expected,
                struct error *e);
  /* Does this proposal depend on the configurations of the history alone, and not on what became of
   * them?  Of the history only n_history may be looked at. */
  bool (*is_blind)(const struct sampler_request *request);
  /* Opens what proposals are computed on besides the CPU, for as long as these settings are used;
   * NULL: nothing.
   *   devices  the text of [scheduler] devices
   * ERROR_CONFIG where it is not available, ERROR_MACHINE without memory. */
  int (*open)(struct sampler_settings *settings, const struct space *space, const char *devices, struct error *e);
  void (*close)(struct sampler_settings *settings); /* whether or not it was opened */
  /* What a proposal depends on beyond its request: the libraries, and the device, that compute it.
   * NULL: nothing. */
  void (*description)(const struct sampler_settings *settings, char *text, size_t size);
};

/* sampler_NAME is in sampler_NAME.c. */
#define SAMPLERS(ROW)                                                                                                  \
  ROW(random)                                                                                                          \
  ROW(grid)                                                                                                            \
  ROW(tpe)                                                                                                             \
  ROW(gp)

extern const struct sampler sampler_random;    /* what strategies draw a warm start with */
extern const struct sampler *const samplers[]; /* in the order of the list; both end with NULL */
extern const char *const sampler_names[];
const struct sampler *sampler_find(const char *name);

/* Draws uniformly over the free hyperparameters (log scale respected) until feasible; after 1,000
 * draws enumerates the discrete part and draws among the feasible combinations.  ERROR_CONFIG where
 * nothing is feasible.  Shared by samplers. */
struct rng;
int sampler_draw_random(const struct sampler_request *request, struct rng *rng, double *values, struct error *e);

#endif
