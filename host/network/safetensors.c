/* safetensors files, written and read with suspicion.
 *
 *   8 bytes   n, the length of the header, little endian
 *   n bytes   JSON: {"__metadata__": {"key": "value"}, "name": {"dtype": "F32", "shape": [..],
 *             "data_offsets": [a, b]}, ..}, padded with spaces so that the data begins at a
 *             multiple of 8
 *   the rest  the tensors' bytes; offsets count from here, and together they cover all of it
 *             without gap or overlap
 *
 * Source: the format's description in the README of huggingface/safetensors, and what its reader
 * checks. */
#include "host/network/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file_open.h"
#include "host/base/file_replace.h"
#include "host/base/text_units.h"
#include "host/network/safetensors_header.h"
#include "host/base/text_escape.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are written and mapped as they lie in memory");

/* ---- writing --------------------------------------------------------------------------------- */

static int write_string(FILE *out, const char *text, struct error *e)
{
  size_t length = strlen(text);
  fputc('"', out);
  for (size_t i = 0; i < length;) {
    const unsigned char *p = (const unsigned char *)text + i;
    int n = safetensors_utf8_length(p, length - i);
    char shown[200];
    if (n == 0)
      return error_set(e, ERROR_FAILED, "\"%s\" is not UTF-8 and so cannot go into a safetensors header",
                       text_escape(shown, sizeof shown, text));
    if (*p == '"' || *p == '\\')
      fprintf(out, "\\%c", *p);
    else if (*p < 0x20 || *p == 0x7f)
      fprintf(out, "\\u%04x", *p);
    else
      fwrite(p, 1, (size_t)n, out);
    i += (size_t)n;
  }
  fputc('"', out);
  return 0;
}

static int write_header(FILE *out, const struct safetensor *tensors, int n, const char *const (*metadata)[2],
                        int n_metadata, struct error *e)
{
  const char *comma = "";
  fputc('{', out);
  if (n_metadata > 0) {
    fputs("\"__metadata__\":{", out);
    for (int i = 0; i < n_metadata; i++) {
      if (i) fputc(',', out);
      if (write_string(out, metadata[i][0], e)) return e->code;
      fputc(':', out);
      if (write_string(out, metadata[i][1], e)) return e->code;
    }
    fputc('}', out);
    comma = ",";
  }
  int64_t offset = 0;
  for (int i = 0; i < n; i++) {
    const struct safetensor *t = &tensors[i];
    fputs(comma, out);
    comma = ",";
    if (write_string(out, t->name, e)) return e->code;
    fputs(":{\"dtype\":\"F32\",\"shape\":[", out);
    for (int d = 0; d < t->n_dims; d++) fprintf(out, "%s%" PRId64, d ? "," : "", t->dims[d]);
    fprintf(out, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", offset, offset + 4 * t->count);
    offset += 4 * t->count;
  }
  fputc('}', out);
  return 0;
}

int safetensors_write(const char *path, const struct safetensor *tensors, int n, const char *const (*metadata)[2],
                      int n_metadata, struct error *e)
{
  struct error local;
  struct file_replace file = {0};
  char *header = NULL;
  size_t length = 0;
  if (!e) e = &local;
  e->code = 0;
  FILE *out = open_memstream(&header, &length);
  if (!out) return error_set(e, ERROR_MACHINE, "%s: no memory to write it", path);
  int code = write_header(out, tensors, n, metadata, n_metadata, e);
  while (!code && ftell(out) % 8) fputc(' ', out);
  bool short_of_memory = ferror(out);
  if (fclose(out) != 0 || short_of_memory)
    if (!code) code = error_set(e, ERROR_MACHINE, "%s: no memory to write it", path);
  if (!code && length > HEADER_MAX)
    code = error_set(e, ERROR_FAILED, "%s: a header of %zu bytes is more than the %d that readers take", path, length,
                     HEADER_MAX);
  if (!code) code = file_replace_begin(&file, path, e);
  if (!code) {
    uint64_t size = length;
    fwrite(&size, 1, sizeof size, file.out);
    fwrite(header, 1, length, file.out);
    for (int i = 0; i < n; i++) fwrite(tensors[i].data, sizeof(float), (size_t)tensors[i].count, file.out);
    code = file_replace_commit(&file, e);
  }
  free(header);
  return code;
}

/* ---- reading --------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
  return strcmp(((const struct entry *)a)->t.name, ((const struct entry *)b)->t.name);
}

static int by_begin(const void *a, const void *b)
{
  const struct entry *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

static int by_key(const void *a, const void *b)
{
  return strcmp(((char *const *)a)[0], ((char *const *)b)[0]);
}

/* No name twice; the tensors' bytes one behind the other, from the first to the last of the data.
 * Leaves the entries in the order of their bytes. */
static int check_layout(struct header *h, int64_t data_bytes, struct error *e)
{
  char shown[200];
  if (h->n > 0) qsort(h->entries, (size_t)h->n, sizeof *h->entries, by_name);
  for (int i = 1; i < h->n; i++)
    if (strcmp(h->entries[i - 1].t.name, h->entries[i].t.name) == 0)
      return error_set(e, ERROR_FAILED, "two tensors are called \"%s\"",
                       text_escape(shown, sizeof shown, h->entries[i].t.name));
  if (h->n_metadata > 0) qsort(h->metadata, (size_t)h->n_metadata, sizeof *h->metadata, by_key);
  for (int i = 1; i < h->n_metadata; i++)
    if (strcmp(h->metadata[i - 1][0], h->metadata[i][0]) == 0)
      return error_set(e, ERROR_FAILED, "the metadata key \"%s\" is repeated",
                       text_escape(shown, sizeof shown, h->metadata[i][0]));
  int64_t at = 0;
  if (h->n > 0) qsort(h->entries, (size_t)h->n, sizeof *h->entries, by_begin);
  for (int i = 0; i < h->n; at = h->entries[i++].end)
    if (h->entries[i].begin != at)
      return error_set(e, ERROR_FAILED, "the tensor \"%s\" begins at byte %" PRId64 " of the data, where %s",
                       text_escape(shown, sizeof shown, h->entries[i].t.name), h->entries[i].begin,
                       h->entries[i].begin < at ? "another has not ended" : "there is a gap before it");
  if (at > data_bytes)
    return error_set(e, ERROR_FAILED, "is cut off: its tensors are %" PRId64 " bytes, %" PRId64 " of them are there",
                     at, data_bytes);
  if (at < data_bytes)
    return error_set(e, ERROR_FAILED, "has %" PRId64 " byte%s behind its tensors that belong%s to none",
                     data_bytes - at, text_plural(data_bytes - at), data_bytes - at == 1 ? "s" : "");
  return 0;
}

static int map_file(struct safetensors_file *f, const char *path, struct error *e)
{
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* O_NONBLOCK: a pipe must not make it wait */
  if (fd < 0) return error_errno(e, "cannot be opened");
  int code = 0;
  if (fstat(fd, &st) != 0)
    code = error_errno(e, "cannot be read");
  else if (!S_ISREG(st.st_mode))
    code = error_set(e, ERROR_FAILED, "is not a file but a %s", file_kind(&st));
  else if (st.st_size < 8)
    code = error_set(e, ERROR_FAILED, "is cut off: %" PRId64 " byte%s no safetensors file", (int64_t)st.st_size,
                     st.st_size == 1 ? " is" : "s are");
  if (!code) {
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
      code = error_errno(e, "cannot be mapped");
    } else {
      f->map = map;
      f->map_bytes = st.st_size;
    }
  }
  close(fd);
  return code;
}

static int read_file(struct safetensors_file *f, struct header *h, struct error *e)
{
  uint64_t length;
  memcpy(&length, f->map, sizeof length);
  if (length > HEADER_MAX)
    return error_set(e, ERROR_FAILED,
                     "is no safetensors file: a header of %" PRIu64 " bytes is more than the %d allowed", length,
                     HEADER_MAX);
  int64_t data_at = 8 + (int64_t)length;
  if (data_at > f->map_bytes)
    return error_set(e, ERROR_FAILED, "is cut off: a header of %" PRIu64 " bytes does not fit into %" PRId64, length,
                     f->map_bytes);
  if (safetensors_header_scan(h, (const char *)f->map + 8, (size_t)length, e)) return e->code;
  if (check_layout(h, f->map_bytes - data_at, e)) return e->code;
  if (h->n > 0 && data_at % 4 != 0)
    return error_set(e, ERROR_FAILED,
                     "its tensors do not begin at a multiple of 4 bytes; save it again with a newer writer");
  f->tensors = calloc((size_t)h->n + 1, sizeof *f->tensors);
  if (!f->tensors) return error_set(e, ERROR_MACHINE, "no memory for its header");
  for (int i = 0; i < h->n; i++) {
    f->tensors[i] = h->entries[i].t;
    f->tensors[i].data = (const float *)((const char *)f->map + data_at + h->entries[i].begin);
  }
  f->n = h->n;
  return 0;
}

int safetensors_open(struct safetensors_file *f, const char *path, struct error *e)
{
  struct error local;
  struct header h = {0};
  if (!e) e = &local;
  memset(f, 0, sizeof *f);
  int code = map_file(f, path, e);
  if (!code) code = read_file(f, &h, e);
  f->metadata = h.metadata; /* freed by safetensors_close, whole or not */
  f->n_metadata = h.n_metadata;
  free(h.entries);
  if (code) {
    char shown[512];
    safetensors_close(f);
    error_prefix(e, "%s", text_escape(shown, sizeof shown, path));
  }
  return code;
}

const struct safetensor *safetensors_find(const struct safetensors_file *f, const char *name)
{
  for (int i = 0; i < f->n; i++)
    if (strcmp(f->tensors[i].name, name) == 0) return &f->tensors[i];
  return NULL;
}

const char *safetensors_metadata(const struct safetensors_file *f, const char *key)
{
  for (int i = 0; i < f->n_metadata; i++)
    if (strcmp(f->metadata[i][0], key) == 0) return f->metadata[i][1];
  return NULL;
}

void safetensors_close(struct safetensors_file *f)
{
  for (int i = 0; i < f->n_metadata; i++) {
    free(f->metadata[i][0]);
    free(f->metadata[i][1]);
  }
  free(f->metadata);
  free(f->tensors);
  if (f->map) munmap(f->map, (size_t)f->map_bytes);
  memset(f, 0, sizeof *f);
}
