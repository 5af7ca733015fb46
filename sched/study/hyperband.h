/* Hyperband's rule: which budget a trial begins with, and which of the trials that paused goes on.
 *
 * Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar, "Hyperband: A Novel Bandit-Based Approach to
 * Hyperparameter Optimization", JMLR 2018.  Budgets are epochs.  Of `largest` R and `eta` follow
 * rungs 0 ... n - 1, at which trials are compared: rung k is at R · eta^(k - n + 1) epochs,
 * rounded, and the last one is a trial's own end.  Bracket b is successive halving that begins at
 * rung b: its trials train to rung b, pause there, and one in eta of those that reached a rung
 * goes on to the next one.  The first bracket starts many trials with little, the last one trains
 * each to its end.
 *
 * The trials of a group are dealt to the brackets in the proportion of the paper's table 1: bracket
 * b of n gets ⌊n / (s + 1)⌋ · eta^s of them, s = n - 1 - b, of whatever number there is.
 *
 * Within a bracket halving is asynchronous (Li et al., "A System for Massively Parallel
 * Hyperparameter Tuning", MLSys 2020, algorithm 2): a trial goes on as soon as it is among the best
 * ⌊m / eta⌋ of the m that have reached its rung.
 *
 * What a trial trains from one rung to another, or from its start, is a *leg*.  A study is a
 * sequence of legs, and a decision for leg j sees what legs 0 ... j - P brought (contract 2).  So
 * these functions see a prefix of them. */
#ifndef GSOS_HYPERBAND_H
#define GSOS_HYPERBAND_H

#include <stdbool.h>

#include "host/base/error.h"

enum { RUNGS_MAX = 32 };

struct brackets {
  double eta;
  int n;                 /* brackets, and rungs: as many */
  int epochs[RUNGS_MAX]; /* [n - 1] of rung k; the last one is a trial's own end */
  int size[RUNGS_MAX];   /* [n] trials that begin bracket b, in the paper's proportion */
};

/* ERROR_CONFIG where eta is below 2 (rungs would coincide), or largest < eta · smallest: there is
 * but one bracket then, which halves nothing.  smallest, largest: epochs, from 1. */
int brackets_make(struct brackets *b, double eta, int smallest, int largest, struct error *e);

/* The bracket of trial i = 0, 1, ... of a group: the one that is furthest behind its share.  Of the
 * first n trials of any n, each has its share, to within a trial. */
int brackets_of_trial(const struct brackets *b, int i);

struct leg {
  int trial;
  int bracket, rung; /* where the trial began, and where this leg ends */
  bool ended;
  bool last;     /* the trial has ended with it: complete or failed */
  bool promoted; /* the next leg of its trial has begun */
  double value;  /* at its end, larger being better; NaN where it failed */
};

/* A leg after which its trial goes on, of the legs [from, seen), all of which have ended; -1: there
 * is none.  Rungs from the last one down, of a rung the first bracket that has one, of equal values
 * the lower number. */
int brackets_promotes(const struct brackets *b, const struct leg *legs, int from, int seen);

/* The same where no trial begins any more, and all legs [from, seen) there were by then have ended;
 * of legs [seen, n) it is known where they go.  Of each rung that nothing is on its way to one goes
 * on at least, so that every bracket trains a trial to its end. */
int brackets_closes(const struct brackets *b, const struct leg *legs, int from, int seen, int n);

#endif
