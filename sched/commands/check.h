/* The sections of `gsos check`, in the order in which it prints them.  Private to command_check.c
 * and check_*.c. */
#ifndef GSOS_CHECK_H
#define GSOS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/commands/estimate.h"
#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"

/* What the sections share. */
struct check {
  const struct experiment *x;
  struct objective *o;
  double defaults[SPACE_MAX];
  struct objective_cost default_cost;
  int64_t studies, trials; /* trials: of all studies */
  int cores;
  struct objective_at_once at; /* trials at once on this machine */
  struct rehearsal *rehearsal;
  bool has_longest;
  double longest[SPACE_MAX], largest[SPACE_MAX]; /* the configurations of the most work and of the most memory */
};

/* What is searched (check_search.c).  Each prints to standard output; a code other than 0 ends the
 * check. */
void check_print_experiment(const struct check *c);
void check_print_space(const struct space *s);
void check_print_groups(const struct experiment *x);
int check_print_feasibility(const struct check *c, struct error *e);
void check_print_start(const struct check *c);
int check_print_enqueued(const struct check *c, struct error *e); /* ERROR_CONFIG where one is infeasible */

/* "lr 0.001, optimizer sgd": as a line of [enqueue]; what is at its default is left out. */
enum { CHECK_TEXT_MAX = SPACE_MAX * (2 * SPACE_NAME_MAX + 3) };
void check_configuration_text(const struct check *c, const double *values, char *text, size_t size);

/* What it takes (check_cost.c): the networks and their memory, the time. */
int check_print_networks(struct check *c, struct error *e);
int check_print_run_time(const struct check *c, struct error *e);

#endif
