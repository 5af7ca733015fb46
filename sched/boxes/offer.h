/* What a rank brings to an experiment, and what follows from what all bring. */
#ifndef GSOS_OFFER_H
#define GSOS_OFFER_H

#include "host/experiment/experiment.h"
#include "sched/boxes/messages.h"

/* Of this process, for its own objective. */
void offer_make(struct offer *o, struct objective *objective);

/* Would a trial have the same result on both?  Else why not, both sides named: "rank 2 (beta) ...,
 * rank 0 (alpha) ...". */
bool offers_alike(const struct offer *ours, const struct offer *theirs, int rank, char *why, size_t size);

/* Places that each rank has, places[n].  Ranks of one host that may use the same cores share them;
 * a rank that has none of its own has one.
 *   taken   [n] which take part
 *   slots   [scheduler] slots, where trials run on cores: at least so many places in all; 0:
 * auto */
void offers_places(const struct offer *offers, const bool *taken, int n, int slots, int *places);

#endif
