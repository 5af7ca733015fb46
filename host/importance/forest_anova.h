/* The functional analysis of variance of a tree of a forest, exact: Hutter, Hoos, Leyton-Brown, "An
 * efficient approach for assessing hyperparameter importance", ICML 2014.
 *
 * A tree is a function f of the unit cube with uniform measure (of a categorical: every choice
 * alike).  Its marginal a_U(x_U) is the mean of f over all features that are not in U; then
 *
 *   V     = variance of f
 *   V_i   = variance of a_i(x_i)                      the main effect of i
 *   V_ij  = variance of a_ij(x_i, x_j) - V_i - V_j    what i and j explain beyond each of them
 *
 * A leaf is a box, so a marginal is constant between the cuts of its features: over a box of U it
 * rises by the leaf's value times the leaf's extent in all other features.  Where neither i nor j
 * is asked any more below a node, the node counts as a leaf with the mean over its volume. */
#ifndef GSOS_FOREST_ANOVA_H
#define GSOS_FOREST_ANOVA_H

#include "host/importance/forest.h"

enum { FOREST_ANOVA_FEATURES_MAX = 64 };

/* Writes V, and effect [n_features][n_features], symmetric: V_i on the diagonal, V_ij beside it (0
 * where `pairs` is false).  The forest has at most FOREST_ANOVA_FEATURES_MAX features.  With L
 * leaves and D features it takes O(D L log L) steps for the main effects and O(D^2 L log L) for all
 * pairs.  stop may be NULL.  ERROR_MACHINE without memory, ERROR_INTERRUPTED. */
int forest_anova(const struct forest *f, int tree, bool pairs, double *variance, double *effect,
                 const volatile int *stop, struct error *e);

#endif
