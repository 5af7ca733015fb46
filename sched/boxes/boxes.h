/* Several boxes: `mpirun -np N gsos run FILE.ini`.
 *
 * Rank 0 is a gsos as any: it holds the study, its database and the strategies.  To its runner the
 * other ranks are more devices: an objective whose places are on all of them (objective_boxes.c),
 * where open, add, advance ... are questions to a rank.  So nothing in sched/run and sched/study
 * knows of ranks, and a history cannot depend on them.
 *
 *   boxes.c            a command of rank 0, with the other ranks beside it
 *   lead.c             rank 0's talk with them: questions and answers
 *   objective_boxes*.c  the objective that rank 0's runner sees
 *   serve.c            what another rank does: it is sent the experiment, opens the same objective
 *                      with the data on its own disk, and runs a thread for each of its places
 *   offer.c            what a rank brings along, and whether it may take part
 *   messages.c         what they say to each other; pump.c moves it, host/link/ carries it
 *
 * A function that struct objective gets has to be passed on in objective_boxes*.c, and served.
 *
 * A rank that dies ends the job, which is MPI's way; the same command goes on where it stood
 * (contract 3): all that has to last is with rank 0. */
#ifndef GSOS_BOXES_H
#define GSOS_BOXES_H

#include "host/link/link.h"
#include "host/objectives/objective.h"

struct boxes;

/* Opens the link; in the thread that will use it. */
typedef int (*boxes_opener)(void *context, struct link **l, struct error *e);

/* ---- rank 0 ---- */

/* Runs a command that makes use of other ranks, where this process is one of several: on rank 0
 * `run`, on the others what rank 0 asks for.  Alone, `run`.  Returns the exit status. */
int boxes_command(int (*run)(int argc, char **argv), int argc, char **argv);
/* The boxes of this process's command; NULL: it is alone. */
struct boxes *boxes_here(void);

/* Joins the other ranks as rank 0. */
int boxes_open(struct boxes **b, boxes_opener opener, void *context, struct error *e);
/* The others end, too; NULL is taken. */
void boxes_close(struct boxes *b);

/* objective_create, on all ranks: places of the objective are on all devices of all of them.  The
 * others read the data set from their own disk meanwhile.  A rank that cannot, or whose results
 * would be others, is refused with both sides named, or left out ([scheduler] unlike_ranks).
 * `b` NULL: objective_create. */
int boxes_objective_create(struct objective **o, struct boxes *b, const struct experiment *x,
                           objective_progress progress, void *context, struct error *e);

/* ---- the other ranks ---- */

/* Does what rank 0 asks for until the job ends. */
int boxes_serve(struct link *link, struct error *e);

#endif
