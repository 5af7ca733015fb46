/* An experiment: what an ini file describes, parsed, checked, with every default filled in.
 *
 * The keys, their defaults and their documentation are one table in experiment_keys.c; configs/reference.ini is checked against it.
 * Every key is `search` (it decides the history) or `machine` (it does not; contract 2). */
#ifndef GSOS_EXPERIMENT_H
#define GSOS_EXPERIMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "cohort.h"
#include "dataset.h"
#include "error.h"
#include "plan.h"
#include "sampler.h"
#include "space.h"

enum { STRATEGIES_MAX = 8, ENQUEUE_MAX = 64 };
enum history_kind { HISTORY_DEFAULT, HISTORY_GROUP, HISTORY_ALL };
enum gp_history { GP_HISTORY_ALL, GP_HISTORY_GROUP };
enum trial_order { ORDER_SEQUENTIAL, ORDER_ASYNCHRONOUS };
enum studies_run { STUDIES_TOGETHER, STUDIES_ONE_BY_ONE };

/* How trials are ended early ([pruner]; sched/pruner.h). */
struct pruner_settings {
  double eta;  /* asha: one of so many goes on at a rung */
  int first;   /* asha: epoch of the first rung */
  int startup; /* median: other trials that must have reached an epoch before one is ended there */
  int warmup;  /* epochs within which no trial is ended */
};

/* A configuration to try first ([enqueue]): given values; the others stay at the defaults. */
struct enqueued {
  char name[SPACE_NAME_MAX];
  double values[SPACE_MAX];
};

struct experiment {
  char path[1024]; /* the ini file, as given */
  /* [experiment] */
  char name[128]; /* default: the ini file's name without .ini */
  uint64_t seed;  /* 0 */
  int n_strategies;
  char strategies[STRATEGIES_MAX][32]; /* grouped, simultaneous */
  int rounds;                          /* 1 */
  int trials;                          /* 100 a strategy and round */
  char sampler[32];                    /* tpe */
  char objective[32];                  /* cnn */
  bool maximize;                       /* direction; cnn: maximize; function: its own unless given; command: as given */
  char direction[16];                  /* maximize | minimize | "" = the objective's own */
  char output[1024];                   /* machine; default results/NAME */
  double time_limit_s;                 /* machine; 0: none */
  bool has_target;
  double target; /* stop a study when a trial reaches it */
  /* [dataset], [model], [function], [command] */
  struct dataset_options dataset;
  struct model_options model;
  enum cohort_precision precision; /* of the CUDA trainer; fp32 */
  char function[64];               /* objective = function: its name */
  char command[1024];              /* objective = command: the program and its arguments (command_words.h) */
  char command_folder[1024];       /* machine; where it runs; default: the ini file's folder */
  /* [space], [groups] */
  struct space space;
  struct groups groups;
  /* [tpe], [grid] */
  struct sampler_settings sampler_settings;
  enum history_kind history; /* of every sampler but gp */
  enum gp_history gp_history;
  /* [enqueue] */
  int n_enqueued;
  struct enqueued enqueued[ENQUEUE_MAX];
  /* [scheduler] */
  int parallel;             /* search; 4: trials of a study that may be in flight */
  char devices[128];        /* machine; auto | cpu | cuda | cuda:0,1 (devices.h) */
  int slots;                /* machine; trials at once on this machine; 0: auto, what makes use of it */
  int streams;              /* machine; cohorts on each GPU; 0: auto */
  enum trial_order order;   /* search; sequential */
  enum studies_run studies; /* machine; together */
  int64_t trial_memory;     /* search; bytes; 16 GiB */
  double timeout_s;         /* machine; 0: off */
  /* [pruner] */
  char pruner[32];            /* none | median | asha */
  char pruned_strategies[32]; /* all, or the one whose studies are pruned */
  struct pruner_settings pruner_settings;
};

/* Reads `path`, applies `settings` ("section.key=value", later ones win), checks all.  Errors are ERROR_CONFIG and name
 * file, section, key, value and what would be right.  `path` NULL: defaults and settings only.  An empty value in a setting takes
 * the ini's line away ("dataset.path=": not given; "groups.third=": without that group).  Paths of [dataset] and [command] start from the
 * ini file's folder (in a setting: from the current directory), `output` from the current directory.  After an error x owns
 * nothing. */
int experiment_load(struct experiment *x, const char *path, const char *const *settings, int n_settings,
                    struct error *e);
void experiment_destroy(struct experiment *x);

/* All search keys as canonical "section.key = value" lines, sorted (malloc'ed; NULL without memory): equal text, equal search.
 * Paths of the data set are left out (the data's fingerprint stands for them).  The order of hyperparameters, groups and
 * enqueued configurations belongs to the search: the lines "space = NAME, ...", "groups = ..." and "enqueue = ..." hold it. */
char *experiment_search_text(const struct experiment *x);

/* The keys whose lines differ between two search texts, as "section.key (was A, is B), ...", cut with "..." where size is too
 * small.  Returns how many; 0 if none.  A key that one side lacks (a program that did not have it yet) stands there at
 * its default. */
int experiment_search_compare(const char *stored, const char *now, char *differences, size_t size);

/* The value of one key ("experiment.trials") in a search text, "" where it is not there. Returns false then. */
bool experiment_search_get(const char *text, const char *key, char *value, size_t size);

/* Writes an ini that holds `values` as the defaults of the space, and everything else of x: `gsos train` on it trains that
 * configuration, `gsos run` searches from it, into an output of its own (name and output get "-best" appended). Paths are
 * absolute, so that it runs from anywhere.  Malloc'ed text; NULL without memory. */
char *experiment_best_ini(const struct experiment *x, const double *values);

/* For `--help`-like listings and the reference test: key number i, NULL past the end. */
struct experiment_key {
  const char *section, *key, *kind; /* kind: "search" or "machine" */
  const char *default_text;         /* "" where there is none */
  const char *help;                 /* one line */
};
const struct experiment_key *experiment_key(int i);

#endif
