/* The header of a safetensors file as its reader knows it.  Private to the safetensors modules. */
#ifndef GSOS_SAFETENSORS_HEADER_H
#define GSOS_SAFETENSORS_HEADER_H

#include <stddef.h>

#include "host/network/safetensors.h"

enum {
  HEADER_MAX = 100 * 1000 * 1000, /* bytes; what the format's own reader allows */
  TENSORS_MAX = 65536,
  METADATA_MAX = 4096,
};

/* A tensor of the header, and where its bytes are in the data. */
struct entry {
  struct safetensor t;
  int64_t begin, end; /* end - begin is what the shape needs */
};

struct header {
  struct entry *entries; /* [n], malloc'ed */
  int n, capacity;
  char *(*metadata)[2]; /* [n_metadata] malloc'ed pairs; after an error the last one's value may be NULL */
  int n_metadata, metadata_capacity;
};

/* Reads the JSON text of `size` bytes into a zero-initialised `h`, which the caller frees in any
 * case.  Each tensor is sound by itself; names and offsets are yet to be held against one another.
 * ERROR_FAILED says what is wrong, without the file's name. */
int safetensors_header_scan(struct header *h, const char *text, size_t size, struct error *e);

/* Length of the well-formed UTF-8 character at p, which has `left` >= 1 bytes; 0 where there is
 * none. */
int safetensors_utf8_length(const unsigned char *p, size_t left);

#endif
