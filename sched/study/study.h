/* A study: one strategy in one round, as a sequence of trials.  It decides which trial comes next
 * and when it may be proposed.
 *
 * With `parallel` = P the proposal for trial t sees exactly the results of trials 0 ... max(t - P,
 * g - 1), where g is the first trial of its group, and of the trials after those and before t only
 * the configurations (contract 2).  So the history is the same whatever finishes first and however
 * many run at once; what has ended but may not be seen yet is not looked at.
 *
 * A proposal that depends on no result, as a random one at the start of a group, need not wait for
 * any: such trials are known ahead, and may be run in any order without a change of the history
 * (study_is_blind).  Not so where a target or a pruner looks at results.
 *
 * Where the experiment starts from trials of earlier studies (start.h), every proposal sees them
 * before those of the study, and they count as proposed: so many trials fewer are random at the
 * start.  Strategies and pruners see the study's own alone.
 *
 * Where the pruner pauses (legs.h) the same holds of legs in place of trials: a trial that has
 * paused has ended as STORED_PRUNED, and study_next makes those that go on run again,
 * STORED_RUNNING, before it says what else there is.
 *
 * With `order = asynchronous` a proposal sees whatever has ended when it is made, and waits only
 * where P trials are in flight.
 *
 * Nothing here knows threads, files or how a trial is run.  The caller keeps two calls on one study
 * from overlapping, except that study_propose may run beside study_end: it reads what study_look
 * has put aside. */
#ifndef GSOS_STUDY_H
#define GSOS_STUDY_H

#include "host/experiment/experiment.h"
#include "host/objectives/objective.h"
#include "sched/study/legs.h"
#include "sched/study/pruner.h"
#include "host/store/store.h"
#include "sched/study/strategy.h"

struct study {
  const struct experiment *x;
  struct objective *objective; /* for its costs: a configuration that is infeasible is never proposed */
  const struct strategy *strategy;
  const struct sampler *sampler;
  const struct pruner *pruner; /* NULL: none */
  struct legs *legs;           /* of a pruner that pauses; else NULL */
  int round;                   /* from 0 */
  bool all;                    /* the sampler learns from the whole study, not from a group alone */

  struct group group;
  bool in_group;       /* `group` holds one */
  bool ended;          /* no trial will be proposed any more */
  bool target_reached; /* ... because the experiment's target was */

  struct stored_trial *trials; /* [n], room for x->trials; STORED_RUNNING: proposed, its end not yet known */
  int n;
  int known; /* trials 0 ... known - 1 have ended */
  /* [n_history] what study_look has put aside, first the trials that the study starts from; room
   * for those and x->trials + 1 */
  struct observation *history;
  int n_history;
  struct curve *curves;       /* [n] of a study with a pruner, larger being better, as far as they have come */
  struct curve *others;       /* [x->trials + 1] scratch of study_prunes */
  int *reached;               /* [x->trials] scratch of study_look where trials pause */
  int done, complete, failed; /* trials that have ended, in all and by how */
  int best;                   /* number of the best complete trial (contract 5); -1: none */
};

/* Can the experiment's studies be made of this objective?  ERROR_CONFIG where its settings ask for
 * what the objective has not, or where the baseline is infeasible. */
int study_check(const struct experiment *x, struct objective *o, struct error *e);

/* The pruner, where trials pause in any of the experiment's strategies; else NULL. */
const struct pruner *study_pausing(const struct experiment *x);

/* x, objective and whatever they point to must outlive the study. */
int study_create(struct study *s, const struct experiment *x, struct objective *o, const char *strategy, int round,
                 struct error *e);
void study_destroy(struct study *s); /* accepts a zero-initialised struct */

/* Takes up what an earlier run left: trials [n] by number.  Those that have not ended
 * (STORED_RUNNING, STORED_WAITING) keep their configuration and are to be run again.  Where there
 * is a pruner, study_epoch follows for what the others' epochs were; where it pauses, it comes
 * before, since what has gone on follows from them.  ERROR_FAILED where they cannot be this
 * study's. */
int study_resume(struct study *s, const struct stored_trial *trials, int n, struct error *e);
/* The same, not of one that pauses, of a study whose failed trials run again, so that trials
 * which have not ended may be anywhere among those that have.  What was proposed meanwhile took
 * them for failed, and so does the choice between groups that have begun. */
int study_resume_retried(struct study *s, const struct stored_trial *trials, int n, struct error *e);

enum study_state {
  STUDY_PROPOSE, /* study_propose may be called */
  STUDY_WAIT,    /* a trial has to end first */
  STUDY_ENDED    /* no more trials; some may still be running */
};
enum study_state study_next(struct study *s);

/* May trial s->n be proposed without a result of another one?  After study_next said
 * STUDY_PROPOSE. */
bool study_is_blind(const struct study *s);

/* Trials of all studies of an experiment that may run at once, at most: of each `parallel`, or as
 * many as are known ahead. */
int64_t study_trials_at_once(const struct experiment *x);

/* Puts aside what the proposal for trial s->n may see.  After study_next said STUDY_PROPOSE, and
 * before study_propose. */
void study_look(struct study *s);

/* Proposes trial s->n: everything in *trial that is known before it runs.  The study is unchanged;
 * study_add takes the trial in.  ERROR_CONFIG where no feasible configuration is left. */
int study_propose(const struct study *s, struct stored_trial *trial, struct error *e);
void study_add(struct study *s, const struct stored_trial *trial);

/* The end of a trial: COMPLETE, FAIL or PRUNED with all that is known of it. */
void study_end(struct study *s, const struct stored_trial *trial);

/* The value after an epoch (1, 2, ...) of a trial that runs, as the objective gives it; a trial
 * that runs again begins anew.  Does nothing where the study has no pruner.  ERROR_MACHINE without
 * memory. */
int study_epoch(struct study *s, int number, int epoch, double value, struct error *e);

/* Is a trial to end now, as STORED_PRUNED?  After study_epoch, but not after its last epoch. */
bool study_prunes(const struct study *s, int number);
/* Is a trial to pause after this epoch, which is not its last: to end as STORED_PRUNED, with its
 * state kept? */
bool study_pauses(const struct study *s, int number, int epoch);
/* Has a trial that runs paused before? */
bool study_has_paused(const struct study *s, int number);
/* Trials 0 ... n - 1 had been proposed when it was decided that the trial, which has paused, goes
 * on: a run that goes on can decide so again where the database has all of them. */
int study_proposed_before(const struct study *s, int number);
/* May a trial that has paused, of those from this one on, still go on?  Those before it do not. */
int study_first_paused(const struct study *s);

/* Have the trials from `first` on that have ended, as many as its sampler's startup and at least 4,
 * all failed for the same kind of reason (a reason's beginning, up to its colon), and has none ever
 * succeeded?  `first`: the first one that had not ended when the run began. */
bool study_only_fails(const struct study *s, int first);

/* Would this complete trial be the best so far (contract 5)? */
bool study_is_best(const struct study *s, const struct stored_trial *trial);

#endif
