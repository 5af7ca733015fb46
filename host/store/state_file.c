/* Writing and reading a kept state.  See state_file.h. */
#include "host/store/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "host/base/file_open.h"
#include "host/base/file_replace.h"
#include "host/base/text_escape.h"

enum { STUDY, SEARCH, DEPENDS_ON, BLOCK, PARTS };

struct head {
  char magic[8];
  uint32_t version;
  int32_t number;
  uint64_t key;
  int32_t epochs, n_params;
  int64_t n_values;
  double value, loss, seconds, wall_s, flops;
  int64_t images;
  uint64_t bytes[PARTS];
};
static const char magic[8] = "gsosstat";

void kept_state_free(struct kept_state *k)
{
  free(k->values);
  free(k->block);
  *k = (struct kept_state){0};
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Writes a piece and takes it into the checksum.  Errors of the stream are found at its end. */
static void put(FILE *out, uint32_t *sum, const void *piece, size_t bytes)
{
  *sum = (uint32_t)crc32_z(*sum, piece, bytes);
  fwrite(piece, 1, bytes, out);
}

int state_file_write(const char *path, const struct state_owner *owner, int n_params, const struct stored_trial *trial,
                     const struct kept_state *kept, struct error *e)
{
  const void *const parts[PARTS] = {owner->study, owner->search, owner->depends_on, kept->block};
  struct head h = {.version = STATE_FILE_VERSION,
                   .number = trial->number,
                   .key = trial->key,
                   .epochs = trial->epochs,
                   .n_params = n_params,
                   .n_values = kept->n,
                   .value = trial->value,
                   .loss = trial->loss,
                   .seconds = trial->seconds,
                   .wall_s = trial->wall_s,
                   .flops = trial->flops,
                   .images = trial->images,
                   .bytes = {strlen(owner->study), strlen(owner->search), strlen(owner->depends_on), kept->bytes}};
  struct file_replace f;
  uint32_t sum = (uint32_t)crc32_z(0, NULL, 0);
  memcpy(h.magic, magic, sizeof h.magic);
  int code = file_replace_begin(&f, path, e);
  if (code) return code;
  put(f.out, &sum, &h, sizeof h);
  put(f.out, &sum, trial->values, (size_t)n_params * sizeof(double));
  if (kept->n > 0) put(f.out, &sum, kept->values, (size_t)kept->n * sizeof(double));
  for (int i = 0; i < PARTS; i++)
    if (h.bytes[i] > 0) put(f.out, &sum, parts[i], h.bytes[i]);
  fwrite(&sum, 1, sizeof sum, f.out);
  return file_replace_commit(&f, e);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* A file in memory, and how far it has been read. */
struct reading {
  const char *shown;
  unsigned char *data;
  size_t size, at;
};

/* *r->data NULL: there is none. */
static int load(const char *path, struct reading *r, struct error *e)
{
  struct stat st;
  int fd = file_open(path, O_RDONLY), code = 0;
  if (fd < 0) return errno == ENOENT ? 0 : file_open_failed(e, path, "cannot be read");
  if (fstat(fd, &st) != 0) {
    code = error_errno(e, "%s: cannot be read", r->shown);
    goto done;
  }
  r->data = malloc((size_t)st.st_size + 1);
  if (!r->data) {
    code = error_set(e, ERROR_MACHINE, "%s: no memory to read it", r->shown);
    goto done;
  }
  for (ssize_t n = 1; n > 0 && r->size<(size_t)st.st_size; r->size += n> 0 ? (size_t)n : 0) {
    n = read(fd, r->data + r->size, (size_t)st.st_size - r->size);
    if (n < 0) code = error_errno(e, "%s: cannot be read", r->shown);
  }
done:
  close(fd);
  return code;
}

/* The next `bytes` of the file; NULL where there are fewer. */
static const void *next(struct reading *r, uint64_t bytes)
{
  if (bytes > r->size - r->at) return NULL;
  const void *piece = r->data + r->at;
  r->at += (size_t)bytes;
  return piece;
}

static int damaged(const struct reading *r, struct error *e)
{
  return error_set(e, ERROR_FAILED, "%s: is damaged", r->shown);
}

/* Looks at the file as a whole, and leaves the checksum out of it. */
static int check_whole(struct reading *r, struct head *h, struct error *e)
{
  uint32_t sum;
  if (r->size < sizeof h->magic + sizeof h->version || memcmp(r->data, magic, sizeof magic) != 0)
    return error_set(e, ERROR_FAILED, "%s: is no state of a trial", r->shown);
  memcpy(&h->version, r->data + sizeof magic, sizeof h->version);
  if (h->version != STATE_FILE_VERSION)
    return error_set(e, ERROR_FAILED, "%s: is of format %u; this program reads %d", r->shown, h->version,
                     STATE_FILE_VERSION);
  if (r->size < sizeof *h + sizeof sum) return damaged(r, e);
  r->size -= sizeof sum;
  memcpy(&sum, r->data + r->size, sizeof sum);
  if (sum != (uint32_t)crc32_z(crc32_z(0, NULL, 0), r->data, r->size)) return damaged(r, e);
  memcpy(h, next(r, sizeof *h), sizeof *h);
  return 0;
}

/* Is it this trial's? */
static int check_trial(struct reading *r, const struct head *h, int n_params, const struct stored_trial *t,
                       struct error *e)
{
  const void *values = h->n_params >= 0 ? next(r, (uint64_t)h->n_params * sizeof(double)) : NULL;
  if (!values || h->epochs < 0) return damaged(r, e);
  if (h->number != t->number || h->key != t->key || h->n_params != n_params ||
      memcmp(values, t->values, (size_t)n_params * sizeof(double)) != 0)
    return error_set(e, ERROR_FAILED, "%s: is of another trial", r->shown);
  return 0;
}

static int check_owner(struct reading *r, const struct head *h, const struct state_owner *owner, struct error *e)
{
  const char *const wanted[BLOCK] = {owner->study, owner->search, owner->depends_on};
  static const char *const differs[BLOCK] = {"is of another study", "is of another search",
                                             "was made with another processor, device, library or data set"};
  for (int i = 0; i < BLOCK; i++) {
    const char *text = next(r, h->bytes[i]);
    if (!text) return damaged(r, e);
    if (h->bytes[i] != strlen(wanted[i]) || memcmp(text, wanted[i], h->bytes[i]) != 0)
      return error_set(e, ERROR_FAILED, "%s: %s", r->shown, differs[i]);
  }
  return 0;
}

/* A copy of its own; of nothing, NULL. */
static int copy(struct reading *r, uint64_t bytes, void **to, struct error *e)
{
  const void *from = next(r, bytes);
  if (!from) return damaged(r, e);
  if (bytes == 0) return 0;
  *to = malloc((size_t)bytes);
  if (!*to) return error_set(e, ERROR_MACHINE, "%s: no memory to read it", r->shown);
  memcpy(*to, from, (size_t)bytes);
  return 0;
}

static int take(struct reading *r, const struct head *h, const struct state_owner *owner, int n_params,
                struct stored_trial *t, struct kept_state *kept, struct error *e)
{
  void *values = NULL;
  int code = check_trial(r, h, n_params, t, e);
  if (!code && (h->n_values < 0 || (uint64_t)h->n_values > r->size / sizeof(double))) code = damaged(r, e);
  if (!code) code = copy(r, (uint64_t)h->n_values * sizeof(double), &values, e);
  kept->values = values;
  if (!code) code = check_owner(r, h, owner, e);
  if (!code) code = copy(r, h->bytes[BLOCK], &kept->block, e);
  if (code) return code;
  kept->n = (int)h->n_values;
  kept->bytes = (size_t)h->bytes[BLOCK];
  t->epochs = h->epochs;
  t->value = h->value;
  t->loss = h->loss;
  t->seconds = h->seconds;
  t->wall_s = h->wall_s;
  t->flops = h->flops;
  t->images = h->images;
  return 0;
}

int state_file_read(const char *path, const struct state_owner *owner, int n_params, struct stored_trial *trial,
                    struct kept_state *kept, bool *found, struct error *e)
{
  char shown[1100];
  struct reading r = {.shown = text_escape(shown, sizeof shown, path)};
  struct head h;
  *kept = (struct kept_state){0};
  int code = load(path, &r, e);
  *found = r.data != NULL || code;
  if (!code && r.data) code = check_whole(&r, &h, e);
  if (!code && r.data) code = take(&r, &h, owner, n_params, trial, kept, e);
  if (code) kept_state_free(kept);
  free(r.data);
  return code;
}
