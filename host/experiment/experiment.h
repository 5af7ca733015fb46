/* An experiment: what an ini file describes, parsed, checked, with every default filled in.
 *
 * The keys, their defaults and their documentation are one table in experiment_keys.c;
 * configs/reference.ini is checked against it.  Every key is `search` (it decides the history) or
 * `machine` (it does not; contract 2). */
#ifndef GSOS_EXPERIMENT_H
#define GSOS_EXPERIMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "host/data/dataset.h"
#include "host/base/error.h"
#include "host/base/name_list.h"
#include "host/experiment/start.h"
#include "host/importance/groups_from_weights.h"
#include "host/importance/importance.h"
#include "host/network/class_metrics.h"
#include "host/network/plan.h"
#include "host/samplers/sampler.h"
#include "host/space/space.h"
#include "kernels/precision.h"

enum {
  STRATEGIES_MAX = 8,
  ENQUEUE_MAX = 64,
  DATASETS_MAX = 64,
  STUDIES_ALL_MAX = 10000,  /* strategies × rounds: a folder and twenty attributes each */
  TRIALS_ALL_MAX = 1000000, /* of all studies; a kilobyte each in memory, and each a network that is to be trained */
  REPEATS_AUTO = -1,        /* [experiment] repeats, of which there are at most RUN_REPEATS_MAX */
  RUN_REPEATS_MAX = 100,
  REPEATS_MAX = 1000, /* of gsos train */
  /* Repeat k of a configuration has the random numbers of trial REPEATS_FIRST + k of the round.  No
   * search has a trial of these numbers, so that none of the repeats has the luck that a winner was
   * chosen for, and each can be had again by [train] trial. */
  REPEATS_FIRST = TRIALS_ALL_MAX,
};
#define TRIAL_ORDERS(ROW) ROW(ORDER_SEQUENTIAL, "sequential") ROW(ORDER_ASYNCHRONOUS, "asynchronous")
#define STUDIES_RUNS(ROW) ROW(STUDIES_TOGETHER, "together") ROW(STUDIES_ONE_BY_ONE, "one_by_one")
#define UNLIKE_RANKS(ROW) ROW(UNLIKE_REFUSE, "refuse") ROW(UNLIKE_LEAVE_OUT, "leave_out")
enum trial_order { TRIAL_ORDERS(NAME_VALUE) };
enum studies_run { STUDIES_RUNS(NAME_VALUE) };
enum unlike_ranks { UNLIKE_RANKS(NAME_VALUE) };

/* How trials are ended early ([pruner]; sched/study/pruner.h). */
struct pruner_settings {
  double eta;   /* asha, hyperband: one trial in eta goes on at a rung */
  int first;    /* asha: epoch of the first rung */
  int smallest; /* hyperband: epochs that a trial has at least */
  int largest;  /* hyperband: epochs of the last rung; 0: as many as a trial may have */
  int startup;  /* median: other trials that must have reached an epoch before one is ended there */
  int warmup;   /* asha, median: epochs within which no trial is ended */
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
  char strategies[STRATEGIES_MAX][32]; /* grouped */
  int rounds;                          /* 1 */
  int cycle_trials;                    /* `trials` of the file: 100 a strategy and round, in each cycle */
  int cycles;                          /* 1 */
  int trials;                          /* of a study in all: cycle_trials * cycles */
  bool revisit;                        /* grouped: the model says which groups are gone back to; with gp yes */
  int revisit_trials;                  /* 5 */
  int baseline;                        /* 1: trial 0 of every study is the defaults; yes */
  char sampler[32];                    /* gp */
  char objective[32];                  /* cnn */
  enum metric metric;                  /* cnn: what the value of a trial is; accuracy */
  bool maximize;                       /* direction; cnn: the metric's; function, table: their own; command: as given */
  char direction[16];                  /* maximize | minimize | "" = the objective's own */
  int repeats;                         /* machine; of each study's winner; REPEATS_AUTO: where an epoch is short */
  char output[1024];                   /* machine; default results/NAME */
  double time_limit_s;                 /* machine; 0: none */
  bool has_target;
  double target;            /* stop a study when a trial reaches it */
  char start_from[4096];    /* databases of earlier studies, absolute, ", " between them; "": none */
  char start_studies[1024]; /* names of the studies in them that count, with commas between; "": all */
  int start_best;           /* 3: so many of their best configurations are tried first */
  int start_seen;           /* 1: proposals see their trials */
  struct start *start;      /* what comes of them; NULL: nothing yet (start_of_runs) */
  /* [datasets]: what a line says is in the experiment that experiment_load_dataset makes */
  int n_datasets;
  char datasets[DATASETS_MAX][64]; /* names, in the order of the file */
  /* [dataset], [model], [function], [command], [table] */
  struct dataset_options dataset;
  struct model_options model;
  enum precision precision;         /* of the CUDA trainer; fp32 */
  char function[64];                /* objective = function: its name */
  char command[1024];               /* objective = command: the program and its arguments (command_words.h) */
  char command_folder[1024];        /* machine; where it runs; default: the ini file's folder */
  char table[1024];                 /* machine; objective = table: the recorded trials, a study database (table.h) */
  char table_epoch[SPACE_NAME_MAX]; /* the hyperparameter that is the number of epochs; "": epoch, where there is one */
  int table_force;                  /* machine; 1: also where the table predicts badly */
  /* [space], [groups] */
  struct space space;
  /* Where `from` names a run, or is auto, there are none (n = 0): they come from its database
   * (groups_from_run), or in the study. */
  struct groups groups;
  char groups_from[1024]; /* "", weights, auto, or a path */
  /* [importance] */
  char importance_method[32]; /* one of IMPORTANCE_METHODS */
  double importance_top;
  struct groups_settings groups_settings;
  double warm_start; /* share of the trials */
  int sweep_trials;  /* greedy: trials of a sweep */
  /* [tpe], [gp], [grid] */
  struct sampler_settings sampler_settings;
  /* [enqueue] */
  int n_enqueued;
  struct enqueued enqueued[ENQUEUE_MAX];
  /* [scheduler] */
  int parallel;             /* search; 4: trials of a study that may be in flight */
  char devices[128];        /* machine; auto | cpu | cuda | cuda:0,1 (device_list.h) */
  int slots;                /* machine; trials at once on this machine; 0: auto, what makes use of it */
  int streams;              /* machine; cohorts on each GPU; 0: auto */
  enum trial_order order;   /* search; sequential */
  enum studies_run studies; /* machine; together */
  int64_t trial_memory;     /* search; bytes; 16 GiB */
  double timeout_s;         /* machine; 0: off */
  int unlike_ranks;         /* machine; enum unlike_ranks: what becomes of one whose results would be others */
  int stop_if_all_fail;     /* machine; 1: where the first trials of a study all fail alike, the run stops */
  /* [pruner] */
  char pruner[32];            /* none, or one of PRUNERS (names.h) */
  char pruned_strategies[32]; /* all, or the one whose studies are pruned */
  struct pruner_settings pruner_settings;
  /* [train]; machine: what `gsos train` begins with, no run reads it */
  int train_round, train_trial; /* 0, 0: the trial whose random numbers the network has */
  /* "section key LINE" of each line that was read, 0 for a setting: for messages
   * (experiment_locate); may be NULL */
  char *lines;
};

/* Reads `path`, applies `settings` ("section.key=value", later ones win), checks all.  Errors are
 * ERROR_CONFIG and name file, section, key, value and what would be right.  `path` NULL: defaults
 * and settings only.  An empty value in a setting takes the ini's line away ("dataset.path=": not
 * given; "groups.third=": without that group).  Paths of [dataset] and [command] start from the ini
 * file's folder (in a setting: from the current directory), `output` from the current directory.
 * After an error x owns nothing. */
int experiment_load(struct experiment *x, const char *path, const char *const *settings, int n_settings,
                    struct error *e);
void experiment_destroy(struct experiment *x);

/* The same for one of the data sets of [datasets], by its name: the values of its line stand in
 * [dataset], in place of the file's, but not in place of a setting's.  A setting of [dataset] path
 * is ERROR_CONFIG: it would make all sets the same. */
int experiment_load_dataset(struct experiment *x, const char *path, const char *const *settings, int n_settings,
                            const char *dataset, struct error *e);

/* Puts file and line of the key before a message about it that came after the file was read:
 * "[dataset] path = photos: ..." becomes "mine.ini:7: [dataset] path = photos: ...".  Leaves others
 * as they are.  Returns e->code. */
int experiment_locate(const struct experiment *x, struct error *e);

#define GROUPS_FROM_WEIGHTS "weights" /* [groups] from */
#define GROUPS_FROM_AUTO "auto"
/* Are the groups made in each study, from its own first trials? */
bool experiment_groups_auto(const struct experiment *x);
/* The run whose database tells the groups, as a folder or a file; NULL: none, or they are there. */
const char *experiment_groups_run(const struct experiment *x);
/* Trials of a study that nobody proposes: the defaults, where `baseline` says so, then the best of
 * what it starts from, then the configurations of [enqueue].  No hyperparameter is free in them. */
int experiment_given(const struct experiment *x);
/* Where there are more of them than trials: says so in text[size].  False: there are not. */
bool experiment_given_too_many(const struct experiment *x, char *text, size_t size);
/* Given trial i: its whole configuration, [x->space.n]. */
void experiment_given_values(const struct experiment *x, int i, double *values);
/* Is the loss that networks are trained with weighted ([model] class_weights)? */
bool experiment_weighs_classes(const struct experiment *x);
/* What is asked for that the objective has no use for, as a sentence; false: nothing. */
bool experiment_unused(const struct experiment *x, char *text, size_t size);
/* Does the sampler weigh improvement by cost ([gp] cost)? */
bool experiment_weighs_cost(const struct experiment *x);
/* The settings of [importance] for a measurement. */
struct importance_settings experiment_importance(const struct experiment *x);

/* Every key of the table at its default: what experiment_load starts from.  Space, groups and what
 * is derived (name, output) stay empty; nothing of it needs to be destroyed. */
int experiment_defaults(struct experiment *x, struct error *e);

/* All search keys as canonical "section.key = value" lines, sorted (malloc'ed; NULL without
 * memory): equal text, equal search.  Paths of the data set are left out (the data's fingerprint
 * stands for them).  The order of hyperparameters, groups and enqueued configurations belongs to
 * the search: the lines "space = NAME, ...", "groups = ..." and "enqueue = ..." hold it. */
char *experiment_search_text(const struct experiment *x);

/* The keys whose lines differ between two search texts, as "section.key (was A, is B), ...", cut
 * with "..." where size is too small.  Returns how many; 0 if none.  A key that one side lacks (a
 * program that did not have it yet) stands there at its default. */
int experiment_search_compare(const char *stored, const char *now, char *differences, size_t size);

/* The value of one key ("experiment.trials") in a search text, "" where it is not there. Returns
 * false then. */
bool experiment_search_get(const char *text, const char *key, char *value, size_t size);

/* Writes an ini that holds `values` as the defaults of the space, (round, trial) as those of
 * [train], and everything else of x.  `gsos train` on it trains that configuration with that
 * trial's random numbers, on the same data and machine to the same bits (contract 1); `gsos run`
 * searches from it, into an output of its own (name and output get "-best" appended).  Where x has
 * no baseline, the configuration is the first of [enqueue] as well, unless it stands there or there
 * are ENQUEUE_MAX.  Paths are absolute, so that it runs from anywhere.  Malloc'ed text; NULL
 * without memory. */
char *experiment_best_ini(const struct experiment *x, const double *values, int round, int trial);
#define EXPERIMENT_BEST_INI_BEGINS "# The best configuration found" /* its first bytes */

/* Writes an ini that reads back as x: every key with its value, those that are not given as
 * comments.  Paths, and `output`, are absolute.  Groups stand in lines wherever they came from but
 * auto; the data set of a line of [datasets] stands in [dataset].  Malloc'ed text; NULL without
 * memory. */
char *experiment_run_ini(const struct experiment *x);
#define EXPERIMENT_RUN_INI "run.ini"                                /* its name in an output folder */
#define EXPERIMENT_RUN_INI_BEGINS "# The experiment of this folder" /* its first bytes */

/* "16GiB", "500 MB", "1048576": a size in bytes, 1 or more.  ERROR_CONFIG says what would be
 * right. */
int size_parse(const char *text, int64_t *bytes, struct error *e);

/* For `--help`-like listings and the reference test: key number i, NULL past the end. */
struct experiment_key {
  const char *section, *key, *kind; /* kind: "search" or "machine" */
  const char *default_text;         /* "" where there is none */
  const char *help;                 /* one line */
};
const struct experiment_key *experiment_key(int i);
/* Name number `index` of those that key number i takes, NULL past the last one, where it takes
 * others, or where there is no key i. */
const char *experiment_key_choice(int i, int index);

#endif
