/* A study from within: what study.c and study_legs.c share.  For these alone. */
#ifndef GSOS_STUDY_INTERNAL_H
#define GSOS_STUDY_INTERNAL_H

#include "sched/study/study.h"

/* study.c */
/* A value of the objective such that larger is better, and back. */
double study_upward(const struct study *s, double value);
/* A trial as samplers and strategies see it, larger being better; `known`: its result may be looked
 * at. */
struct observation study_observe(const struct study *s, const struct stored_trial *t, bool known);
/* Is it a value of the experiment's target? */
bool study_hits_target(const struct study *s, const struct stored_trial *t);
/* The group of trial s->n.  All before its first must have ended where that is a new one: false
 * where they have not. */
bool study_enter_group(struct study *s);
/* The first trial that proposals of the present group learn from, but for its incumbent. */
int study_first_learnt(const struct study *s);
/* Puts trial i aside as seen for a proposal, after the others. */
void study_put_aside(struct study *s, int i, struct observation o);

/* study_legs.c, of a study whose trials pause. */
/* Its brackets; ERROR_CONFIG where there are none. */
int study_brackets(const struct experiment *x, struct objective *o, struct brackets *b, struct error *e);
enum study_state study_next_leg(struct study *s);
void study_look_at_legs(struct study *s);
void study_add_leg(struct study *s, int number);
int study_resume_legs(struct study *s, const struct stored_trial *trials, int n, struct error *e);

#endif
