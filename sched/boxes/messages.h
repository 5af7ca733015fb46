/* What rank 0 and the others say to each other: one type of frame each (host/link/wire.h).
 *
 * Rank 0 asks, for a slot of the other rank: 0 is the rank itself, 1 ... its places.  What is asked
 * is answered by MESSAGE_ANSWER with the same slot and call, whose body begins with an error code
 * and a message (0 and ""), and goes on with what the question says.  A slot has one question at a
 * time; those below that say "no answer" are told beside it.
 *
 * Bodies, in the order of their fields; `values` are a count and that many doubles. */
#ifndef GSOS_MESSAGES_H
#define GSOS_MESSAGES_H

#include "host/link/wire.h"
#include "host/objectives/objective.h"

enum message {
  MESSAGE_ANSWER = 1,
  /* slot 0 */
  MESSAGE_EXPERIMENT, /* ini text; answer: struct offer */
  MESSAGE_RESERVE,    /* places, capacity, trials, values of the largest */
  MESSAGE_SUMMARY,    /* answer: text */
  MESSAGE_END,        /* the experiment: its places have been closed */
  MESSAGE_BYE,        /* no answer: the job ends */
  /* slots of places */
  MESSAGE_OPEN,       /* device, capacity */
  MESSAGE_ADMIT,      /* values, or none; answer: u32 */
  MESSAGE_ADD,        /* trial; no answer: what goes wrong, the next MESSAGE_ADVANCE tells */
  MESSAGE_RESTORE,    /* trial, block */
  MESSAGE_ADVANCE,    /* events at most; answer: events, TRIAL_MACHINE_FAILED of one that was not added among them */
  MESSAGE_CHECKPOINT, /* id; answer: block */
  MESSAGE_SAVE,       /* id; answer: block, the network's file */
  MESSAGE_OVERTIME,   /* id; answer: text */
  MESSAGE_REMOVE,     /* id; no answer */
  MESSAGE_CLOSE,
  MESSAGE_STOP, /* no answer: the call of this number is to stop */
  /* of the others to rank 0, without a question */
  MESSAGE_NOTICE, /* text */
  MESSAGE_SIGNAL, /* u32: it was asked to stop by this signal */
};

enum { BOX_DEVICES_MAX = 64, BOX_PLACES_MAX = 100000, DEVICE_NAME_MAX = 64, DESCRIPTION_MAX = 600 };

/* What a rank brings to an experiment. */
struct offer {
  char host[256], version[64];
  int history; /* GSOS_HISTORY_VERSION */
  char description[DESCRIPTION_MAX];
  /* As of struct objective, for this rank's host: */
  int n_devices, places, capacity;
  char devices[BOX_DEVICES_MAX][DEVICE_NAME_MAX]; /* [n_devices] */
  int64_t memory;                                 /* bytes of the host that trials may take, those of all its ranks */
  uint64_t cores; /* a sum over the cores that it may use: ranks of a host with equal ones share them */
};

void message_put_offer(struct wire_writer *w, const struct offer *o);
void message_offer(struct wire_fields *f, struct offer *o);

void message_put_values(struct wire_writer *w, const double *values, int n); /* NULL: none */
/* Returns how many, at most SPACE_MAX. */
int message_values(struct wire_fields *f, double *values);

/* spec->values has n values; read, they are put into `values`, the strategy's name into
 * `strategy`. */
void message_put_trial(struct wire_writer *w, const struct trial_spec *spec, int n);
void message_trial(struct wire_fields *f, struct trial_spec *spec, double values[SPACE_MAX],
                   char strategy[SPACE_NAME_MAX]);

void message_put_events(struct wire_writer *w, const struct trial_event *events, int n);
/* Returns how many; more than `most` spoil the body. */
int message_events(struct wire_fields *f, struct trial_event *events, int most);

/* The beginning of an answer; the error's code is 0 where all is well. */
void message_put_error(struct wire_writer *w, const struct error *e);
int message_error(struct wire_fields *f, struct error *e);

#endif
