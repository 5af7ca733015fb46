/* The lines of [space], [groups], [weights] and [enqueue]: the user's names, in the order of the
 * file.  Inside the parser only. */
#ifndef GSOS_SPACE_SECTIONS_H
#define GSOS_SPACE_SECTIONS_H

#include "host/experiment/experiment.h"
#include "host/experiment/ini.h"

/* Builds x->space: the objective's own (the network's, the function's, or the table's), then the
 * [space] lines over it, by name; a new name goes to the end.  `standard`: the objective's groups,
 * for experiment_groups. */
int experiment_space(struct experiment *x, const struct ini *ini, struct groups *standard, struct error *e);

/* Are the hyperparameters those of the network, by name and by what they may be? */
bool experiment_is_network(const struct experiment *x);

/* Builds x->groups: the [groups] lines of the file in its order, where it has any, else `standard`;
 * settings replace and add by name. Every hyperparameter must be in exactly one.  Or, with [groups]
 * from, those that follow from [weights], or none yet. */
int experiment_groups(struct experiment *x, const struct ini *ini, const struct groups *standard, struct error *e);

/* Reads [enqueue], in the order of the file. */
int experiment_enqueue(struct experiment *x, const struct ini *ini, struct error *e);

/* A group as its line says it: "a, b ratio 4". size >= GROUP_TEXT_MAX */
enum { GROUP_TEXT_MAX = SPACE_MAX * (SPACE_NAME_MAX + 2) + 64 };
void group_format(const struct groups *g, int group, const struct space *s, char *text, size_t size);

/* "name value, name value" of the values that differ from `base` (NULL: of all). size >= 2 *
 * GROUP_TEXT_MAX */
void enqueued_format(const struct space *s, const double *values, const double *base, char *text, size_t size);

#endif
