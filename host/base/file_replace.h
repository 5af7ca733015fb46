/* Files that are there whole or not at all: written aside as PATH.tmp, synced, renamed over PATH,
 * the folder synced.  After a crash at any moment PATH is the old file or the new one. */
#ifndef GSOS_FILE_REPLACE_H
#define GSOS_FILE_REPLACE_H

#include <stdio.h>

#include "host/base/error.h"

struct file_replace {
  FILE *out; /* to be written by the caller; write errors are found by file_replace_commit */
  char *path, *temporary;
};

/* Whether PATH may be written over, ERROR_FAILED: a device, a pipe and a database (study.db, of any
 * run) may not.  Asked by file_replace_begin as well; for whoever works long before that. */
int file_replace_check(const char *path, struct error *e);
/* Opens PATH.tmp.  On error nothing is left behind. */
int file_replace_begin(struct file_replace *f, const char *path, struct error *e);
/* Syncs and renames.  Frees `f` in any case; on error PATH is as it was and PATH.tmp is gone. */
int file_replace_commit(struct file_replace *f, struct error *e);
/* Gives up: PATH is as it was.  Accepts a zero-initialised or committed struct. */
void file_replace_abort(struct file_replace *f);

/* All three in one, for a text. */
int file_replace_text(const char *path, const char *text, struct error *e);

#endif
