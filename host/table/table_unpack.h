/* A database that gzip packed, as a file of its own for as long as it is read. */
#ifndef GSOS_TABLE_UNPACK_H
#define GSOS_TABLE_UNPACK_H

#include "host/base/error.h"

enum { TABLE_PATH_MAX = 4200 };

/* Where `path` is packed (its first two bytes tell), unpacks it to a new file in $TMPDIR, else in
 * /tmp, whose name is written to unpacked[TABLE_PATH_MAX], for the caller to remove; "" where it is
 * not packed.  ERROR_CONFIG: there is no such file; ERROR_FAILED: damaged, or unpacked larger than
 * 1 GiB; ERROR_MACHINE: no room.  After an error there is no file. */
int table_unpack(const char *path, char unpacked[TABLE_PATH_MAX], struct error *e);

#endif
