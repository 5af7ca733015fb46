/* Bytes that are read and never written: a mapped file, or memory.
 *
 * A file is mapped for as long as a run lasts, and others may write to it meanwhile.  Where it is
 * cut, reading the mapping would kill the process (SIGBUS): here the missing page reads as zeros
 * instead, and the block says from then on that it is lost.  Where it is written to, its size and
 * times tell.  So whoever uses a block asks data_block_look before its bytes count for anything. */
#ifndef GSOS_DATA_BLOCK_H
#define GSOS_DATA_BLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "host/base/error.h"

/* Zeroed: empty. */
struct data_block {
  const uint8_t *bytes;
  size_t size;
};
void data_block_close(struct data_block *b); /* accepts a zero-initialised struct */

/* Maps the first `size` bytes of an open file, and watches it. */
int data_block_map(struct data_block *b, int fd, size_t size, struct error *e);
/* Watches a mapping of a file that was made elsewhere. */
void data_block_watch(const struct data_block *b, int fd);

enum data_block_state {
  BLOCK_AS_IT_WAS,
  BLOCK_TOUCHED, /* its name, mode or links changed, and perhaps more: the bytes must be looked at; said once */
  BLOCK_CHANGED, /* it was written to, or cut */
};
/* What became of a block since it was mapped; one in memory is as it was.  From any thread. */
enum data_block_state data_block_look(const struct data_block *b);

/* What tells one state of a file from another: size, times of the last change of the bytes and of
 * the file, inode.  The time of the bytes alone can be set at will, and archives do.  The device is
 * left out: its number is another after a restart. */
enum { FILE_STATE_WORDS = 4 };
void file_state(const struct stat *st, int64_t state[FILE_STATE_WORDS]);

#endif
