/* Errors: what went wrong, where, and what to do, handed up to whoever called.
 *
 * Nothing below `main` prints or exits.  A function that can fail returns 0, or a negative code
 * (one of `enum error_code` unless its comment says otherwise) and leaves a message a user can act
 * on in the caller's `struct error`.  The code decides the exit status (contract 6): wrong usage or
 * configuration is 2, everything else is 1. */
#ifndef GSOS_ERROR_H
#define GSOS_ERROR_H

#include <stdarg.h>
#include <stddef.h>

enum error_code {
  ERROR_FAILED = -1,      /* input, output, a library, a file that is not what it claims */
  ERROR_CONFIG = -2,      /* the user's ini file, command line or data-set layout: exit status 2 */
  ERROR_MACHINE = -3,     /* memory, disk, device: the same work may succeed later or elsewhere (contract 4) */
  ERROR_INTERRUPTED = -4, /* asked to stop: SIGINT or SIGTERM */
  ERROR_LOST = -5,        /* a device that is gone for good: the same work may succeed on another one (contract 4) */
};

enum { REASON_MAX = 500 }; /* bytes of the reason why a trial failed, the final 0 included */

struct error {
  int code; /* 0 or one of enum error_code */
  char message[2000];
};

/* Sets the message (printf style) and the code; returns the code, so that `return error_set(e,
 * ...)` reads well. `e` may be NULL: then only the code is returned. */
int error_set(struct error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "what: " in front of a message that is already there; keeps and returns its code. */
int error_prefix(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Like error_set with strerror(errno) appended after ": ".  ENOMEM, ENOSPC, EDQUOT, EIO, EMFILE
 * become ERROR_MACHINE. */
int error_errno(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
