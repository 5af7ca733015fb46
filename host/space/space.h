/* The search space: a list of hyperparameters, of any names, that samplers, strategies, store and
 * printers walk.
 *
 * A configuration is `double values[space->n]` in one *internal* representation everywhere, the one
 * that Optuna stores:
 *   float        the value itself (not its logarithm)
 *   int          the value itself, a whole number
 *   ordinal      the index into its ordered numbers
 *   categorical  the index into its labels
 * Only the network plan and the analytic functions give names a meaning. */
#ifndef GSOS_SPACE_H
#define GSOS_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/error.h"

enum {
  SPACE_MAX = 64,                                                 /* hyperparameters in a space */
  SPACE_NAME_MAX = 64,                                            /* bytes of a name or a label, the final 0 included */
  SPACE_CHOICES_MAX = 256,                                        /* choices of an ordinal or categorical */
  PARAM_TEXT_MAX = SPACE_CHOICES_MAX * (SPACE_NAME_MAX + 2) + 256 /* bytes that hold any param_format */
};

enum param_type { PARAM_FLOAT, PARAM_INT, PARAM_ORDINAL, PARAM_CATEGORICAL };

struct param {
  char name[SPACE_NAME_MAX];
  enum param_type type;
  bool log;                       /* float and int: searched in the logarithm */
  double low, high;               /* both inclusive; ordinal and categorical: 0 and n_choices - 1 */
  int n_choices;                  /* ordinal and categorical, else 0 */
  double *numbers;                /* [n_choices] ordinal: ascending numbers; else NULL */
  char (*labels)[SPACE_NAME_MAX]; /* [n_choices] ordinal and categorical: the text of each choice; else NULL */
  double default_value;           /* internal */
};

struct space {
  int n;
  struct param params[SPACE_MAX];
};

/* Parses one line of an ini file's [space] section into `p`.  The grammar, in which white space
 * separates and order of the words after the type is free but for the range coming first:
 *   lr              = float 1e-5 .. 1 log default 0.01
 *   num_conv_layers = int 2 .. 4 default 3
 *   num_fc_units    = int 64 .. 256 default 64          (`log` allowed)
 *   stride          = ordinal 1, 2 default 1
 *   optimizer       = categorical adam, sgd default adam
 *   momentum        = float 0.9 .. 0.9 default 0.9      (a range of one value: fixed)
 * A name or label is up to 63 bytes of printable UTF-8 without spaces, quotes, backslashes and any
 * of = : , ; # [ ].  Errors (ERROR_CONFIG) say what is wrong with the text and what would be right;
 * the caller prefixes file, section, key. p owns memory afterwards (param_destroy, space_destroy);
 * after an error it owns none. */
int param_parse(struct param *p, const char *name, const char *text, struct error *e);
/* Is the text a single value, which fixes a hyperparameter, rather than a line of the grammar
 * above: 0.01, adam? */
bool param_is_value(const char *text);
/* A hyperparameter that has this value and no other: of the type of `like`, of whose choices a
 * categorical's is one, or, where that is NULL, of the type that the text has (int, float,
 * categorical).  As param_parse otherwise. */
int param_fix(struct param *p, const char *name, const char *text, const struct param *like, struct error *e);
void param_destroy(struct param *p); /* accepts a zero-initialised struct */

/* The same line back, such that param_parse gives an equal param. */
void param_format(const struct param *p, char *text, size_t size);

void space_init(struct space *s);    /* empty */
void space_destroy(struct space *s); /* frees what the params own; accepts a zero-initialised struct */
int space_copy(struct space *to, const struct space *from, struct error *e);
int space_index(const struct space *s, const char *name); /* -1 where there is none */

/* Text of an internal value, as the ini file would say it ("0.01", "3", "adam"); floats round-trip
 * (%.17g shortest). */
void param_value_format(const struct param *p, double value, char *text, size_t size);

/* Internal value of a text as the ini file says it; ERROR_CONFIG where it is not one of p's values,
 * saying which are. */
int param_value_parse(const struct param *p, const char *text, double *value, struct error *e);

/* Hyperparameters that have more than one value. */
int space_varied(const struct space *s);

/* Number of different values: 0 for a float whose range is more than one value (1 where it is one),
 * else the count. */
int64_t param_count(const struct param *p);

/* What the value means as a number: ordinal → numbers[index], categorical → index, else itself. */
double param_number(const struct param *p, double value);

/* Brings a value to the nearest one that p allows (clamps, rounds int, ordinal and categorical). */
double param_clamp(const struct param *p, double value);

/* Unit-cube coordinate of a value and back: linear or log min-max; ints and ordinals as equal cells
 * ((i + 0.5)/count in their own (log or linear) scale is the centre of a cell); categoricals as
 * (index + 0.5)/count. unit in [0, 1). */
double param_to_unit(const struct param *p, double value);
double param_from_unit(const struct param *p, double unit);

void space_defaults(const struct space *s, double *values);
bool space_equal(const struct space *s, const double *a, const double *b);

/* Optuna's distribution_json of a param (FloatDistribution, IntDistribution,
 * CategoricalDistribution; an ordinal is a CategoricalDistribution whose choices are its numbers).
 * Returns malloc'ed text, NULL without memory. */
char *param_distribution_json(const struct param *p);

/* A name as a hyperparameter, a label, a group may have it (see param_parse)? */
bool space_name_ok(const char *name);

/* Finite decimal number, whole text, no hexadecimal, nan or inf; false otherwise. */
bool number_parse(const char *text, double *value);
/* Shortest decimal text that reads back as `value`: "0.1", "1e-05", "3". size >= 32. */
void number_format(double value, char *text, size_t size);

/* Importance groups: which hyperparameters are searched together, in which order, with what share
 * of the trials. */
struct groups {
  int n;
  char names[SPACE_MAX][SPACE_NAME_MAX];
  double ratio[SPACE_MAX];
  int of[SPACE_MAX]; /* [space.n] the group of each hyperparameter */
};

/* Splits `trials` by the ratio: first floors, then what is left one by one to the largest
 * remainders, ties to the earlier group.  count[groups->n]. */
void groups_split(const struct groups *g, int trials, int *count);
/* The same among the groups that have something to search: of a group whose hyperparameters all
 * have one value, every trial would be the same.  Where no group has, among all. */
void groups_share(const struct groups *g, const struct space *s, int trials, int *count);

#endif
