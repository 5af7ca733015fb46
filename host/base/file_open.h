/* Opening files of folders that anybody may write to: regular files alone.  A pipe under the name
 * of one makes nothing wait, and no device is read or written. */
#ifndef GSOS_FILE_OPEN_H
#define GSOS_FILE_OPEN_H

#include <stdio.h>
#include <sys/stat.h>

#include "host/base/error.h"

/* A descriptor, close-on-exec, by the flags of open(2); what is made gets the mode 0666.  -1 with
 * errno, which is ENXIO where the name is no regular file's. */
int file_open(const char *path, int flags);

/* The same as a stream to read; NULL with errno. */
FILE *file_open_to_read(const char *path);

/* The same to write: made where there is none, emptied where there is.  `flags`: more of open(2),
 * or 0. */
FILE *file_open_to_write(const char *path, int flags);

/* Says why one of them has failed, by errno: "PATH: WHAT: why", or that it is no regular file.
 * Returns the code of error_errno. */
int file_open_failed(struct error *e, const char *path, const char *what);

/* What it is that is no regular file, for "is not a file but a ...": "folder", "pipe", "socket",
 * "device". */
const char *file_kind(const struct stat *st);

#endif
