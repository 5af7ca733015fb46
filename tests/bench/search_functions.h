/* Eight analytic functions in mixed spaces of 5 to 20 dimensions, on which samplers are compared.
 *
 * Each is a classical function over coordinates z that are 0 at its optimum (Surjanovic and
 * Bingham's Virtual Library of Simulation Experiments; Hartmann's constants: Dixon and Szegő 1978),
 * with unequal weights.  A coordinate is the distance, in the unit cube of a hyperparameter of any
 * type, to a place that Philox draws: away from the bounds, the centre and the default, so that no
 * sampler profits from where it starts.  For a categorical every label has a distance of its own.
 *
 * There are two forms of each, which differ in the places, the labels' distances and in which
 * coordinates matter: `dev` to work on samplers with, `bench` for the record. */
#ifndef GSOS_TESTS_SEARCH_FUNCTIONS_H
#define GSOS_TESTS_SEARCH_FUNCTIONS_H

#include "host/space/space.h"

enum { SEARCH_FUNCTIONS = 8, SEARCH_DIMENSIONS = 20, SEARCH_LABELS = 4 };
enum search_form { SEARCH_DEV, SEARCH_BENCH, SEARCH_FORMS };

struct search_function {
  const char *name;
  enum search_form form;
  int index;
  struct space space;
  double place[SEARCH_DIMENSIONS];                /* unit coordinate of the optimum */
  double weight[SEARCH_DIMENSIONS];               /* as the formula says */
  double label[SEARCH_DIMENSIONS][SEARCH_LABELS]; /* categorical: each label's distance to the best, whose is 0 */
  double optimum[SEARCH_DIMENSIONS];              /* internal values: the regret there is 0 */
};

extern const char *const search_form_names[SEARCH_FORMS];

const char *search_function_name(int index);

/* Function 0 ... SEARCH_FUNCTIONS - 1.  The caller destroys its space. */
int search_function_make(struct search_function *f, int index, enum search_form form, struct error *e);

/* How far the value of a configuration lies above the smallest there is; >= 0. */
double search_function_regret(const struct search_function *f, const double *values);

#endif
