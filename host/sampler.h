/* Samplers: given a history and what is fixed, propose the next configuration.
 *
 * A sampler keeps no state: a proposal is a pure function of its request (contract 2), so a resumed study proposes what
 * the undisturbed one would have.  All samplers are one table; a new one is one new file and one line in sampler.c. */
#ifndef GSOS_SAMPLER_H
#define GSOS_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "space.h"

enum observation_state { OBSERVATION_COMPLETE, OBSERVATION_FAILED, OBSERVATION_PRUNED, OBSERVATION_IN_FLIGHT };

/* One trial as a sampler may see it. */
struct observation {
  int number; /* trial number within the study */
  enum observation_state state;
  const double *values; /* [space->n] internal values */
  double
      value; /* the objective, larger is better always (the caller turns the sign for minimise); if COMPLETE or PRUNED */
  double loss; /* validation loss, the second key of `best`; 0 where there is none */
  int step;    /* PRUNED: the epoch it reached */
};

/* Higher value, then lower loss, then lower number (contract 5): true if a is better than b. Both COMPLETE. */
bool observation_better(const struct observation *a, const struct observation *b);

/* Is this configuration feasible?  `values` is complete. Thread-safe. */
typedef bool (*feasible_function)(void *context, const double *values);

struct gp_devices; /* gp_device.h */

enum gp_design { GP_DESIGN_SOBOL, GP_DESIGN_RANDOM };

struct sampler_settings {
  int tpe_startup;               /* random points at the start of a group (paper: 15) */
  double tpe_quantile;           /* share of the finished trials called good (paper: 0.25) */
  int tpe_candidates;            /* draws from l (24) */
  double tpe_prior_weight;       /* weight of the prior kernel beside each observation's 1 (1.0) */
  int gp_startup;                /* trials before the Gaussian process proposes (10) */
  int gp_design;                 /* which ones: enum gp_design (Sobol) */
  int gp_candidates;             /* configurations ranked for a proposal (4096) */
  int gp_evaluations;            /* likelihoods that a fit may cost, at most (200) */
  int grid_points;               /* values a float (and an int with more) takes on the grid (5) */
  struct gp_devices *gp_devices; /* the machine's: what sampler->open opened; NULL: the CPU */
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
  const struct sampler_settings *settings;
};

struct sampler {
  const char *name;    /* "random", "grid", "tpe", "gp" */
  const char *summary; /* one line for --help */
  bool sees_all;       /* default of `history`: false = the group's own trials, true = all of the study's */
  /* Writes a whole configuration [space->n] (fixed entries copied).  Only feasible ones; ERROR_CONFIG where none is. */
  int (*ask)(const struct sampler_request *request, double *values, struct error *e);
  /* Does this proposal depend on the configurations of the history alone, and not on what became of them?  Of the history only
   * n_history may be looked at. */
  bool (*is_blind)(const struct sampler_request *request);
  /* Opens what proposals are computed on besides the CPU, for as long as these settings are used; NULL: nothing.
   *   devices  the text of [scheduler] devices
   * ERROR_CONFIG where that cannot be had, ERROR_MACHINE without memory. */
  int (*open)(struct sampler_settings *settings, const struct space *space, const char *devices, struct error *e);
  void (*close)(struct sampler_settings *settings); /* whether or not it was opened */
  /* What a proposal depends on beyond its request: the libraries, and the device, that compute it.  NULL: nothing. */
  void (*description)(const struct sampler_settings *settings, char *text, size_t size);
};

extern const struct sampler *const samplers[]; /* ends with NULL */
const struct sampler *sampler_find(const char *name);
struct sampler_settings sampler_settings_default(void);

/* Draws uniformly over the free hyperparameters (log scale respected) until feasible; after 1,000 draws enumerates the
 * discrete part and draws among the feasible combinations.  ERROR_CONFIG where nothing is feasible.  Shared by samplers. */
struct rng;
int sampler_draw_random(const struct sampler_request *request, struct rng *rng, double *values, struct error *e);

#endif
