/* IDX files.  See idx.h for the format.
 *
 * What a header promises decides how much is mapped or reserved, so it is checked first: against
 * the size of a plain file; for gzip against 1,032 times the file's size, the most that deflate can
 * pack (zlib's technical notes).  Unpacking stops one byte past what the header promised. */
#include "host/data/idx.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "host/base/file_open.h"
#include "host/base/text_escape.h"
#include "host/base/text_units.h"

enum { IDX_HEADER_MAX = 4 + 4 * IDX_DIMS_MAX, DEFLATE_RATIO_MAX = 1032, SMALL_BYTES = 64 << 10 };

int idx_header_write(uint8_t *out, int n_dims, const int32_t *dims)
{
  int n = 0;
  out[n++] = 0;
  out[n++] = 0;
  out[n++] = 0x08;
  out[n++] = (uint8_t)n_dims;
  for (int d = 0; d < n_dims; d++)
    for (int shift = 24; shift >= 0; shift -= 8) out[n++] = (uint8_t)((uint32_t)dims[d] >> shift);
  return n;
}

static const char *type_name(uint8_t type)
{
  switch (type) {
  case 0x09:
    return "signed bytes";
  case 0x0b:
    return "16-bit numbers";
  case 0x0c:
    return "32-bit numbers";
  case 0x0d:
    return "floats";
  case 0x0e:
    return "doubles";
  default:
    return NULL;
  }
}

int idx_header_read(struct idx *x, int *header_bytes, const uint8_t *bytes, size_t size, struct error *e)
{
  if (size == 0) return error_set(e, ERROR_FAILED, "is empty");
  if (size < 4 || bytes[0] != 0 || bytes[1] != 0)
    return error_set(e, ERROR_FAILED,
                     "is not an IDX file: it does not begin with two zero bytes, a type and a number of "
                     "dimensions");
  if (bytes[2] != 0x08) {
    const char *type = type_name(bytes[2]);
    if (type)
      return error_set(e, ERROR_FAILED, "holds %s (IDX type 0x%02x); only unsigned bytes (0x08) are read", type,
                       bytes[2]);
    return error_set(e, ERROR_FAILED, "is not an IDX file: 0x%02x is no IDX type (unsigned bytes are 0x08)", bytes[2]);
  }
  int n_dims = bytes[3];
  if (n_dims < 1 || n_dims > IDX_DIMS_MAX)
    return error_set(e, ERROR_FAILED, "has %d dimensions; labels have 1, grey images 3, colour images 4", n_dims);
  *header_bytes = 4 + 4 * n_dims;
  if (size < (size_t)*header_bytes)
    return error_set(e, ERROR_FAILED, "is cut off in its header; fetch or make it again");
  x->n_dims = n_dims;
  x->count = 1;
  for (int d = 0; d < n_dims; d++) {
    const uint8_t *p = bytes + 4 + 4 * d;
    uint32_t dim = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    if (dim == 0) return error_set(e, ERROR_FAILED, "holds nothing: dimension %d is 0", d + 1);
    if (dim > INT32_MAX)
      return error_set(e, ERROR_FAILED, "is not a valid IDX file: dimension %d is negative (%" PRId32 ")", d + 1,
                       (int32_t)dim);
    x->dims[d] = (int32_t)dim;
    if (__builtin_mul_overflow(x->count, (int64_t)dim, &x->count) || x->count > INT64_MAX / 2)
      return error_set(e, ERROR_FAILED, "is not a valid IDX file: its dimensions multiply to more than 2^62 bytes");
  }
  return 0;
}

/* Maps a plain file. */
static int open_plain(struct idx *x, int fd, int64_t file_bytes, struct error *e)
{
  uint8_t head[IDX_HEADER_MAX];
  int header_bytes;
  ssize_t got = pread(fd, head, sizeof head, 0);
  if (got < 0) return error_errno(e, "cannot be read");
  if (idx_header_read(x, &header_bytes, head, (size_t)got, e)) return e->code;
  int64_t whole = header_bytes + x->count;
  if (file_bytes < whole)
    return error_set(e, ERROR_FAILED,
                     "is cut off: its header promises %" PRId64 " bytes, the file has %" PRId64
                     "; fetch or make it again",
                     whole, file_bytes);
  if (file_bytes > whole)
    return error_set(e, ERROR_FAILED,
                     "has %" PRId64 " byte%s more than its header promises (%" PRId64
                     "): it is damaged or not IDX; fetch or make it again",
                     file_bytes - whole, text_plural(file_bytes - whole), whole);
  if (data_block_map(&x->block, fd, (size_t)whole, e)) return e->code;
  x->data = x->block.bytes + header_bytes;
  return 0;
}

/* Reads up to `size` bytes of a gzip stream; the number of bytes, or a negative code with the
 * reason. */
static int64_t unpack(gzFile in, uint8_t *out, int64_t size, const struct data_cache *cache, struct error *e)
{
  int64_t done = 0;
  while (done < size) {
    if (data_cache_go_on(cache, e)) return e->code;
    unsigned piece = size - done < (1 << 22) ? (unsigned)(size - done) : 1u << 22;
    int n = gzread(in, out + done, piece);
    if (n < 0) break;
    done += n;
    if ((unsigned)n < piece) break;
  }
  if (done == size) return done; /* a fault that was met while reading ahead belongs to who reads on */
  int code = Z_OK;
  const char *text = gzerror(in, &code);
  if (code == Z_ERRNO) return error_errno(e, "cannot be read");
  if (code == Z_MEM_ERROR) return error_set(e, ERROR_MACHINE, "no memory to unpack it");
  if (code == Z_BUF_ERROR)
    return error_set(e, ERROR_FAILED,
                     "is cut off: the gzip data ends after %" PRId64 " unpacked byte%s; fetch it again", done,
                     text_plural(done));
  if (code != Z_OK && code != Z_STREAM_END)
    return error_set(e, ERROR_FAILED, "is damaged: the gzip data is bad (%s); fetch it again", text);
  return done;
}

/* Unpacks the rest of a gzip stream, behind a header that was read, into a new file of the
 * cache. */
static int unpack_into_cache(struct idx *x, gzFile in, const uint8_t *head, int header_bytes,
                             const struct data_cache *cache, const char *name, const char *from, struct error *e)
{
  struct cache_file file;
  int64_t whole = header_bytes + x->count;
  if (cache_file_create(&file, cache, name, from, (size_t)whole, e)) return e->code;
  memcpy(file.bytes, head, (size_t)header_bytes);
  uint8_t past;
  int64_t done = unpack(in, file.bytes + header_bytes, x->count, cache, e);
  int64_t more = done == x->count ? unpack(in, &past, 1, cache, e) : 0; /* also makes zlib check the trailing CRC */
  if (done < 0 || more < 0) {
    cache_file_abort(&file);
    return e->code;
  }
  if (done < x->count || more > 0) {
    cache_file_abort(&file);
    if (more)
      return error_set(e, ERROR_FAILED,
                       "unpacks to more than the %" PRId64 " bytes that its header promises; fetch or make it again",
                       whole);
    return error_set(e, ERROR_FAILED,
                     "is cut off: its header promises %" PRId64 " bytes, it unpacks to %" PRId64
                     "; fetch or make it again",
                     whole, header_bytes + done);
  }
  cache_file_commit(&file, (size_t)whole, "", &x->block);
  return 0;
}

static int open_gzip(struct idx *x, int fd, const struct stat *st, const char *path, const struct data_cache *cache,
                     struct error *e)
{
  char *real = realpath(path, NULL), name[64], stem[32], *text;
  const char *identity = real ? real : path;
  int64_t state[FILE_STATE_WORDS];
  file_state(st, state);
  snprintf(stem, sizeof stem, "idx-%016" PRIx64, data_hash(1, identity, strlen(identity)));
  snprintf(name, sizeof name, "%s-%016" PRIx64 ".idx", stem, data_hash(1, state, sizeof state));
  free(real);
  static const struct data_cache memory = {.why = "the file is small"};
  if (st->st_size < SMALL_BYTES) cache = &memory; /* unpacked sooner than looked up */

  uint8_t head[IDX_HEADER_MAX];
  int header_bytes = 0;
  if (data_cache_find(cache, name, &x->block, &text)) {
    free(text);
    struct error ignored;
    if (idx_header_read(x, &header_bytes, x->block.bytes, x->block.size, &ignored) == 0 &&
        (int64_t)x->block.size == header_bytes + x->count) {
      x->data = x->block.bytes + header_bytes;
      return 0;
    }
    data_block_close(&x->block);
  }

  int copy = dup(fd);
  gzFile in = copy < 0 ? NULL : gzdopen(copy, "rb");
  if (!in) {
    if (copy >= 0) close(copy);
    return error_set(e, ERROR_MACHINE, "no memory to unpack it");
  }
  gzbuffer(in, 1 << 17);
  int code = 0;
  int64_t got = unpack(in, head, 4, cache, e);
  if (got == 4 && head[3] >= 1 && head[3] <= IDX_DIMS_MAX) {
    int64_t more = unpack(in, head + 4, 4 * head[3], cache, e);
    got = more < 0 ? more : got + more;
  }
  if (got < 0)
    code = (int)got;
  else
    code = idx_header_read(x, &header_bytes, head, (size_t)got, e);
  if (!code && x->count / DEFLATE_RATIO_MAX > st->st_size)
    code = error_set(e, ERROR_FAILED,
                     "is cut off or not what it claims: its header promises %" PRId64 " bytes, more than %" PRId64
                     " bytes of gzip can hold",
                     x->count, (int64_t)st->st_size);
  if (!code) code = unpack_into_cache(x, in, head, header_bytes, cache, name, path, e);
  gzclose(in);
  if (code) return code;
  x->data = x->block.bytes + header_bytes;
  data_cache_clean(cache, stem, name);
  return 0;
}

int idx_open(struct idx *x, const char *path, const struct data_cache *cache, struct error *e)
{
  struct error local;
  if (!e) e = &local;
  memset(x, 0, sizeof *x);
  char shown[512];
  text_escape(shown, sizeof shown, path);
  /* O_NONBLOCK: a fifo must not hang. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code;
  if (fd < 0) {
    bool missing = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    code = error_errno(e, "cannot open %s", shown);
    if (missing) code = e->code = ERROR_CONFIG;
    return code;
  }
  struct stat st;
  uint8_t magic[2] = {0, 0};
  if (fstat(fd, &st) != 0)
    code = error_errno(e, "cannot be read");
  else if (!S_ISREG(st.st_mode))
    code = error_set(e, ERROR_CONFIG, "is not a file but a %s", file_kind(&st));
  else if (pread(fd, magic, 2, 0) == 2 && magic[0] == 0x1f && magic[1] == 0x8b)
    code = open_gzip(x, fd, &st, path, cache, e);
  else
    code = open_plain(x, fd, st.st_size, e);
  close(fd);
  if (code) {
    idx_close(x);
    error_prefix(e, "%s", shown);
  }
  return code;
}

void idx_close(struct idx *x)
{
  data_block_close(&x->block);
  memset(x, 0, sizeof *x);
}
