/* Rank 0's talk with the others: a question to a slot of a rank, and its answer (messages.h). */
#ifndef GSOS_LEAD_H
#define GSOS_LEAD_H

#include "sched/boxes/boxes.h"
#include "sched/boxes/messages.h"

int boxes_ranks(const struct boxes *b);

/* A slot of a rank for a place, of its own until it is given back.  0: no memory. */
uint32_t lead_slot(struct boxes *b, int rank);
void lead_slot_free(struct boxes *b, int rank, uint32_t slot);

/* Asks; the answer has to be waited for before the slot is asked again. */
void lead_ask(struct boxes *b, int rank, uint32_t slot, enum message type, const struct wire_writer *body);
/* Waits for the answer, or that many milliseconds (< 0: for ever): false where there is none yet.
 * *answer: its body is the caller's; *e what it says went wrong.  Where the ranks cannot talk any
 * more, that is what went wrong.
 *   stop   is looked at meanwhile: where it is set, the other rank is told, once; may be NULL */
bool lead_wait(struct boxes *b, int rank, uint32_t slot, int ms, const volatile int *stop, struct wire_frame *answer,
               struct wire_fields *fields, struct error *e);
/* Both: an answer that has nothing but an error. */
int lead_call(struct boxes *b, int rank, uint32_t slot, enum message type, const struct wire_writer *body,
              struct error *e);
/* Tells what has no answer. */
void lead_tell(struct boxes *b, int rank, uint32_t slot, enum message type, const struct wire_writer *body);

/* What a rank wants the user to know: the next such text; false: nothing new. */
bool lead_notice(struct boxes *b, int *rank, char *text, size_t size);
/* Bytes sent and received so far. */
int64_t lead_bytes(struct boxes *b);

#endif
