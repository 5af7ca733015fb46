/* The winner of each study trained again, `repeats` times with other random numbers, when all
 * searches have ended: how much of its accuracy is chance ([experiment] repeats).
 *
 * The winner was chosen for being lucky among others, too; these trainings were not.  Repeat k has
 * the random numbers of trial REPEATS_FIRST + k of the round, as `gsos train best.ini --repeat`
 * gives them, whatever runs beside it (contract 1).  Each is committed to the database when it has
 * ended; a clean stop keeps the state of those that run, and a killed run begins them again
 * (contract 3).  They belong to no history: nothing learns from them, and what they cost is counted
 * apart. */
#ifndef GSOS_WINNER_REPEATS_H
#define GSOS_WINNER_REPEATS_H

#include "host/store/study_attributes.h"
#include "sched/run/runner.h"

enum { REPEATS_AUTO_N = 3 };
/* An epoch is short up to this many FLOPs: some seconds of a GPU's time, or half a minute of a core
 * with AVX2.  A number of the configuration's, so that every machine decides alike. */
#define REPEATS_EPOCH_FLOPS 1e12

/* Trainings of a configuration that the experiment asks for: 0 where the objective has no network,
 * and, with repeats = auto, where an epoch is not short. */
int winner_repeats_wanted(const struct experiment *x, const struct objective *o, const struct objective_cost *cost);

/* What a progress line tells. */
struct repeats_status {
  int all, done, running;
  /* Of the one that has run longest: */
  const char *study; /* its title; NULL: none runs */
  int repeat, epoch, epochs;
  double elapsed_s;
  int epochs_done; /* of all that run: grows while anything goes on */
};

/* A training that has ended, for the display. */
struct repeat_told {
  const char *study;
  int trial, repeat, n; /* repeat: from 0, of n */
  struct study_repeat result;
};

struct winner_repeats;
void winner_repeats_status(struct winner_repeats *w, struct repeats_status *status);
/* The next one that has ended after `seen` (0 at first) such; false: none.  From `tick`. */
bool winner_repeats_told(struct winner_repeats *w, int *seen, struct repeat_told *told);

/* What a user has to know at once, as of a state that is of no use: the next one after `seen` (0 at
 * first) such; false: none.  From `tick`. */
bool winner_repeats_notice(struct winner_repeats *w, int *seen, char *text, size_t size);

typedef void (*winner_repeats_tick)(void *context, struct winner_repeats *w);

/* Trains what is missing, after runner_run with this runner, in as many places as it had; `tick` is
 * called ten times a second where there is anything to train, and once at the end.
 *   note[n_note]   out: which study's winner was left out since its epochs are not short; "": none
 * Returns 0, ERROR_INTERRUPTED after a signal or the time limit (r->time_is_up), or what failed; in
 * all cases what has ended is committed. */
int winner_repeats_run(struct runner *r, winner_repeats_tick tick, void *context, char *note, size_t n_note,
                       struct error *e);

#endif
