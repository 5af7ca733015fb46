/* safetensors files: 8 bytes of header length (little endian), a JSON header, raw little-endian
 * tensors.  The format of Hugging Face's safetensors library; only F32 is written, only F32 is
 * read. */
#ifndef GSOS_SAFETENSORS_H
#define GSOS_SAFETENSORS_H

#include <stdint.h>

#include "host/base/error.h"

struct safetensor {
  char name[128];
  int n_dims;
  int64_t dims[8];
  int64_t count;
  const float *data; /* [count] */
};

/* Writes PATH.tmp, fsyncs, renames over PATH, fsyncs the folder.  metadata: n_metadata pairs of
 * strings (__metadata__). */
int safetensors_write(const char *path, const struct safetensor *tensors, int n, const char *const (*metadata)[2],
                      int n_metadata, struct error *e);

struct safetensors_file {
  int n;
  struct safetensor *tensors; /* data points into the mapping */
  int n_metadata;
  char *(*metadata)[2];
  void *map;
  int64_t map_bytes;
};
/* Refuses files that are cut, whose offsets overlap, leave gaps or leave the file, whose header is
 * over 100 MB or not JSON, whose shapes overflow, or whose names repeat. */
int safetensors_open(struct safetensors_file *f, const char *path, struct error *e);
const struct safetensor *safetensors_find(const struct safetensors_file *f, const char *name); /* NULL */
const char *safetensors_metadata(const struct safetensors_file *f, const char *key);           /* NULL */
void safetensors_close(struct safetensors_file *f);

#endif
