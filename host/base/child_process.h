/* Another program as a child process, with pipes to its standard input, output and error.
 *
 * It leads a session of its own, so that Ctrl-C at a terminal reaches gsos alone, which then ends
 * it.  It does not outlive gsos, whatever ends that: the kernel kills it with the thread that
 * started it, and its standard input ends.  All our descriptors are close-on-exec; it has three.
 * What it starts itself ends with it, also where gsos is killed (child_keeper.h). */
#ifndef GSOS_CHILD_PROCESS_H
#define GSOS_CHILD_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "host/base/child_keeper.h"
#include "host/base/error.h"

struct child {
  pid_t pid;        /* 0: there is none */
  int in, out, err; /* our ends, which do not block; -1: closed */
  int status;       /* as waitpid has it, from child_end on */
  const struct child_keeper *keeper;
  double cpu_s; /* CPU time, its own and that of the children that it waited for, as of the last look */
};

/* What a child is started with, beside its words. */
struct child_setting {
  const char *folder;
  char *const *environment;          /* ends with NULL; NULL: ours */
  const struct child_keeper *keeper; /* NULL: nobody sees to what it leaves when we are killed */
};

/* Starts the program `path` with the words `argv` (ends with NULL).  The setting must outlive the
 * child.  By the thread that will end it, and with SIGPIPE ignored where child_write is to be used.
 * ERROR_FAILED where it cannot be executed (why: no such file, not executable, a format that the
 * kernel does not know), ERROR_MACHINE for want of processes, memory or descriptors. */
int child_start(struct child *c, const char *path, char *const *argv, const struct child_setting *setting,
                struct error *e);

/* Has it ended?  It stays to be looked at until child_end. */
bool child_has_ended(const struct child *c);

/* Waits until it has ended, for so long at most.  False where it has not. */
bool child_wait(const struct child *c, int ms);

/* Bytes that were written to its standard input and that it has not read; still known when it has
 * ended. */
int child_unread(const struct child *c);

/* CPU time up to now, in seconds: its own and that of the children that it waited for. */
double child_cpu_seconds(struct child *c);

/* Bytes read from out or err: 0 at the end, -1 where there is nothing now. */
ssize_t child_read(int fd, char *bytes, size_t size);

enum child_end {
  CHILD_ASK,  /* its standard input ends, for which it has two seconds; then as CHILD_STOP */
  CHILD_STOP, /* SIGTERM to its session, for which it has a second; then SIGKILL */
};

/* Ends it and what is left of its session, takes its status and its CPU time, and closes the pipes
 * but `out` and `err`, whose rest can still be read.  What it writes meanwhile is kept there as far
 * as pipes hold it.  Nothing where there is no process. */
void child_end(struct child *c, enum child_end how);

/* Waits for what it has started, left to itself, and has ended since (session_bury).  Looks at
 * every process of the machine: not too often. */
void child_tidy(const struct child *c);

/* Closes what is left of the pipes, after child_end. */
void child_close(struct child *c);

/* "exit status 3", "killed by signal 11 (Segmentation fault)". */
void child_status_text(int status, char *text, size_t size);

#endif
