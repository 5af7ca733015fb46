/* What becomes of children when gsos ends without having ended them: by kill -9, by a crash, by a
 * signal that nobody catches.
 *
 * The kernel kills a child whose parent ends (PR_SET_PDEATHSIG), but none of those that the child
 * has started: the workers of a data loader would stay.  So each child leads a session of its own,
 * and a small process beside us, the keeper, knows which.  It reads a pipe whose only other end is
 * ours; when that closes, it kills what is left of them, and ends. */
#ifndef GSOS_CHILD_KEEPER_H
#define GSOS_CHILD_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "host/base/error.h"

struct child_keeper {
  pid_t pid;
  int fd; /* close-on-exec */
};

/* Starts a keeper, which takes a copy of our memory along, so early is best.  From then on
 * processes whose parents have ended become our children (PR_SET_CHILD_SUBREAPER). */
int child_keeper_start(struct child_keeper *k, struct error *e);

/* Ends it, and with it whatever it was still told to keep an eye on.  Takes a zeroed one. */
void child_keeper_end(struct child_keeper *k);

/* `session` begins, or is over, and its number may soon be another's.  A system call alone, so also
 * between fork and exec.  NULL: nothing. */
void child_keeper_tell(const struct child_keeper *k, pid_t session, bool over);

enum { SESSION_MAX = 4096 };

/* The processes of a session, and the descendants of them that have left it, as far as they still
 * hang together. */
struct session {
  pid_t leader;
  int n;
  pid_t pids[SESSION_MAX];
  bool in_group[SESSION_MAX]; /* in the leader's process group */
};

void session_find(pid_t leader, struct session *s); /* safe after a fork, as the next one */
void session_signal(const struct session *s, int number);

/* Waits for those of them that have become ours because their parents have ended (a keeper makes us
 * their heir), for so long at most.  Until somebody waits for them, processes that have ended still
 * stand in every list. */
void session_bury(struct session *s, int ms);

#endif
