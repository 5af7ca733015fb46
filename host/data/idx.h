/* IDX files of unsigned bytes, plain or gzip: the format of MNIST.
 *
 * Two zero bytes, a type byte (0x08: unsigned byte), the number of dimensions, each dimension as a
 * big-endian 32-bit number, then the bytes, row-major.  A plain file is mapped where it lies; a
 * gzip one is unpacked into the cache and mapped there.  A header is believed only after it was
 * held against the file's size. */
#ifndef GSOS_IDX_H
#define GSOS_IDX_H

#include <stdint.h>

#include "host/data/data_cache.h"
#include "host/base/error.h"

enum { IDX_DIMS_MAX = 4 };

struct idx {
  int n_dims;
  int32_t dims[IDX_DIMS_MAX]; /* each >= 1 */
  const uint8_t *data;        /* [product of dims] */
  int64_t count;              /* product of dims */
  struct data_block block;
};

/* Opens `path`.  ERROR_CONFIG where there is no such file, ERROR_FAILED where it is not a whole IDX
 * file of unsigned bytes, ERROR_MACHINE where memory or the disk fails. */
int idx_open(struct idx *x, const char *path, const struct data_cache *cache, struct error *e);
void idx_close(struct idx *x); /* accepts a zero-initialised struct */

/* The header of an IDX file of unsigned bytes: 4 + 4 n_dims bytes into out[20]; returns their
 * number. */
int idx_header_write(uint8_t *out, int n_dims, const int32_t *dims);

/* Reads a header from the first `size` bytes of a file; *header_bytes is where the data begins.
 * ERROR_FAILED says what is wrong, without the file's name. */
int idx_header_read(struct idx *x, int *header_bytes, const uint8_t *bytes, size_t size, struct error *e);

#endif
