/* Analytic functions with known optima, to test samplers and strategies in seconds.  Private to
 * objective_function.c, function_space.c and the tests.
 *
 * A function names its hyperparameters.  Those of an experiment's [space] that bear the names are
 * handed over as numbers (param_number; a categorical as the place of its label among the
 * function's own labels), so a user may change ranges, leave out labels, or turn an int into an
 * ordinal. */
#ifndef GSOS_FUNCTIONS_H
#define GSOS_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FUNCTION_PARAMS_MAX = 20, FUNCTION_GROUPS = 3 };

struct function_param {
  const char *name;
  const char *line;  /* as in an ini file's [space] section */
  double optimum;    /* as a number; a categorical: the place of its label in `line` */
  double importance; /* a weight or a scale, as the function's formula says */
  int group;         /* by importance: 0 the most important */
};

struct function;

/* One epoch of an evaluation: what goes in and what comes out. */
struct function_call {
  const struct function *function;
  const double *x;          /* [n] numbers in the order of the function's params */
  uint64_t key;             /* of the trial: for noise alone */
  int epoch;                /* 1 ... epochs */
  uint64_t state;           /* carried from epoch to epoch, 0 before the first */
  double value;             /* out, in the native direction; not finite: the trial has diverged */
  double loss;              /* out; 0 where the function has none */
  const volatile int *stop; /* may be NULL; a slow function returns at once where it is set */
};

struct function {
  const char *name, *summary;
  bool maximize;  /* the native direction */
  double optimum; /* without noise */
  double noise;   /* its standard deviation, 0: none */
  int n, n_groups;
  const struct function_param *params; /* [n] */
  double ratio[FUNCTION_GROUPS];
  void (*value)(struct function_call *call);
  /* NULL: everything is feasible; else whether it is, with the reason where not. */
  bool (*feasible)(const double *x, char *reason, size_t size);
  int (*epochs)(const double *x); /* NULL: one */
};

/* Function i, NULL past the end. */
const struct function *function_at(int i);
const struct function *function_find(const char *name); /* NULL where there is none */

#define FUNCTION_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#endif
