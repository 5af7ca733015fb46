/* Whose a device's busy time is (contract 8).
 *
 * Cohorts of one device work side by side, and the time from the start to the end of a piece of
 * one's work is then not its own alone: added up, such times are more than the time in which the
 * device was busy.  At every moment the device's time is therefore divided equally among the pieces
 * that run.  A piece's share is ∫ dt / (pieces that run at t) from its start to its end, and the
 * shares of all pieces add up to the time in which at least one of them ran.
 *
 * A piece's share is known when it ends: who has ended before is on record, and who still runs
 * began at a known time.  Starts and ends are moments of one clock, the device's.  Plain sums: the
 * caller holds one lock around each call. */
#ifndef GSOS_BUSY_TIME_H
#define GSOS_BUSY_TIME_H

/* A piece of work; in seconds. */
struct busy_piece {
  int owner; /* pieces of one owner follow each other */
  double from, to;
};

struct busy_time {
  struct busy_piece *ended; /* [n] those that may overlap with a piece that runs */
  int n, room;
  double total; /* shares so far */
};

void busy_time_destroy(struct busy_time *b); /* accepts a zero-initialised struct */

/* The share of `piece`, which has ended and joins those on record.  others [n]: the pieces that
 * have begun and are not on record, `to` INFINITY where they have not ended; what is later than
 * piece.to does not matter.  Without memory of the host's for the record the share stands, and
 * those of others that overlap with it are too large. */
double busy_time_end(struct busy_time *b, struct busy_piece piece, const struct busy_piece *others, int n);

#endif
