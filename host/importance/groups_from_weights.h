/* From the weights of hyperparameters to the groups that they are searched in.
 *
 * Two rules cut the hyperparameters, sorted by weight, into n groups:
 *
 *   share   the first groups are cut off where they hold so much of the weight that each leaves the
 *           same part of what was left, and the last group a tenth of all: group g of n ends where
 *           the sum of the weights so far reaches 1 - 0.1^(g / (n - 1)), g = 1 ... n - 1 (for three
 *           groups: 0.684 and 0.9).
 *   gap     cuts at the n - 1 largest differences between neighbours.
 *
 * Share is the default: measured weights are noisy, and of many small ones the largest difference
 * stands at a chance place, while a sum hardly moves; and of a gap nobody knows how much is left
 * behind it.  From the weights of Wang, Nabney and Golbabaee, "Grouped Sequential Optimization
 * Strategy", 2025, share makes the three groups of the paper, gap does not (it would search the
 * number of layers alone). */
#ifndef GSOS_GROUPS_FROM_WEIGHTS_H
#define GSOS_GROUPS_FROM_WEIGHTS_H

#include "host/base/error.h"
#include "host/base/name_list.h"
#include "host/space/space.h"

#define GROUPS_RULES(ROW) ROW(GROUPS_BY_SHARE, "share") ROW(GROUPS_BY_GAP, "gap")
enum groups_rule { GROUPS_RULES(NAME_VALUE) };

struct groups_settings {
  enum groups_rule rule;
  int n; /* groups; fewer where there are fewer hyperparameters with more than one value */
  /* The ratio of trials is that of the weights, but of no group less than half of an equal share: a
   * group of few trials finds nothing, whatever it is worth.  Else ratio [n_ratio] as given; a
   * group beyond them gets the last. */
  bool ratio_by_weight;
  int n_ratio;
  double ratio[SPACE_MAX];
};

struct groups_settings groups_settings_default(void); /* share, 3 groups, ratio by weight */

/* weight [s->n], finite and none negative; all 0 count as all alike.  Hyperparameters of one value
 * are left to the last group.  Ties go to the earlier hyperparameter.  The groups are called first,
 * second, ... and the order of their members is the space's.  ERROR_CONFIG where a weight is
 * negative or no number, or there is no group to make. */
int groups_from_weights(const struct space *s, const double *weight, const struct groups_settings *settings,
                        struct groups *out, struct error *e);

#endif
