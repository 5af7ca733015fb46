/* A random forest for regression: Breiman, "Random forests", Machine Learning 45, 2001; its trees
 * are those of Breiman, Friedman, Olshen and Stone, "Classification and regression trees", 1984.
 *
 * A feature is numeric, a coordinate in [0, 1], or categorical, with the coordinate (index + 0.5) /
 * choices: what param_to_unit makes of a hyperparameter.  A numeric node asks whether x <= cut, the
 * middle between two neighbouring values of its rows; a categorical one whether the choice is in a
 * subset.  The best of all subsets is found exactly, without trying them: it is a prefix of the
 * choices in the order of their means (Fisher, "On grouping for maximum homogeneity", 1958; Breiman
 * et al., theorem 4.5).  Subsets and not one-hot columns, since a leaf is then a box of the space
 * itself, whose volume and marginals are exact: a product of intervals and shares of choices.  The
 * cube of one-hot columns has corners that no configuration has, two choices at once or none, and a
 * split of one against all others takes K - 1 levels to tell K choices apart.
 *
 * A split is the one that reduces the weighted variance most, of the features tried; among equals
 * the first in a random order of features, then the least cut.  Rows are sorted once for the whole
 * forest, and a split hands the sorted lists down, so a level of a tree costs O(features * n).
 *
 * Tree t draws from the Philox subsequence `subsequence + t` of the key, so that a forest is a pure
 * function of data and settings, however many threads make it. */
#ifndef GSOS_FOREST_H
#define GSOS_FOREST_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/error.h"

enum { FOREST_CHOICES_MAX = 256 };

/* A set of choices, a bit each. */
struct choice_set {
  uint64_t word[FOREST_CHOICES_MAX / 64];
};

static inline bool choice_set_has(const struct choice_set *s, int choice)
{
  return s->word[choice / 64] >> choice % 64 & 1;
}

static inline void choice_set_add(struct choice_set *s, int choice)
{
  s->word[choice / 64] |= (uint64_t)1 << choice % 64;
}

struct forest_data {
  int n, n_features;
  const int *choices;   /* [n_features] of a categorical, 2 ... FOREST_CHOICES_MAX; 0: numeric */
  const double *x;      /* [n][n_features] in [0, 1], never NaN */
  const double *y;      /* [n] finite */
  const double *weight; /* [n] how much a row counts, > 0; NULL: all alike */
};

struct forest_settings {
  uint64_t key, subsequence; /* of the random numbers */
  int trees;
  bool bootstrap;           /* a tree is made of n rows drawn with replacement; else of all */
  int min_leaf;             /* different rows that a leaf has at least, >= 1 */
  int max_depth;            /* splits from the root to a leaf at most; 0: no limit */
  int tried;                /* features tried for a split, those that are constant in a node not counted; 0: all */
  int threads;              /* 0: as many as there are CPUs */
  const volatile int *stop; /* may be NULL; set: ERROR_INTERRUPTED */
};

struct forest_node {
  int feature;  /* -1: a leaf */
  int left;     /* the node where the answer is yes; the other one is the next */
  int set;      /* categorical: which of the tree's sets is left; else -1 */
  double cut;   /* numeric: x <= cut is left */
  double value; /* weighted mean of its rows */
};

struct forest_tree {
  int n_nodes, n_sets;
  struct forest_node *nodes; /* [n_nodes] the root first, a node before its children */
  struct choice_set *sets;   /* [n_sets] a choice that no row of the node has goes with the heavier child */
};

struct forest {
  int n_trees, n_features;
  int *choices; /* [n_features] as in the data */
  struct forest_tree *trees;
};

/* 64 trees with bootstrap, grown to the end, all features tried, all CPUs. */
struct forest_settings forest_settings_default(void);

/* n >= 1, n_features >= 1.  ERROR_MACHINE without memory, ERROR_INTERRUPTED: f owns nothing. */
int forest_fit(struct forest *f, const struct forest_data *data, const struct forest_settings *s, struct error *e);
void forest_destroy(struct forest *f); /* accepts a zero-initialised struct */

/* The choice that a coordinate means. */
static inline int forest_choice(double x, int choices)
{
  int choice = (int)(x * choices);
  return choice < choices ? choice : choices - 1;
}

/* What one tree says of a row x [n_features]. */
double forest_tree_predict(const struct forest *f, int tree, const double *x);
/* Mean over trees, and their variance about it (sum of squares / trees), which may be NULL. */
double forest_predict(const struct forest *f, const double *x, double *variance);

/* Calls work(context, i, e) for i = 0 ... n - 1, from `threads` threads at once (0: one a CPU).
 * The first error ends it, as does *stop (which may be NULL; ERROR_INTERRUPTED). */
typedef int (*forest_work)(void *context, int i, struct error *e);
int forest_share(int n, int threads, const volatile int *stop, forest_work work, void *context, struct error *e);

#endif
