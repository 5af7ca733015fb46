/* See table_unpack.h. */
#include "host/table/table_unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "host/base/file_open.h"

enum { PIECE = 1 << 16, BYTES_MAX = 1 << 30 };

static int gzip_error(gzFile in, const char *path, struct error *e)
{
  int code = Z_OK;
  const char *text = gzerror(in, &code);
  if (code == Z_ERRNO) return error_errno(e, "%s: cannot be read", path);
  if (code == Z_MEM_ERROR) return error_set(e, ERROR_MACHINE, "%s: no memory to unpack it", path);
  if (code == Z_BUF_ERROR) return error_set(e, ERROR_FAILED, "%s: is cut off: its gzip data has no end", path);
  return error_set(e, ERROR_FAILED, "%s: is damaged: the gzip data is bad (%s)", path, text);
}

static int write_all(int fd, const char *bytes, size_t n, const char *to, struct error *e)
{
  for (size_t done = 0; done < n;) {
    ssize_t wrote = write(fd, bytes + done, n - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return error_errno(e, "%s: cannot be written", to);
    done += (size_t)wrote;
  }
  return 0;
}

static int copy_unpacked(gzFile in, int fd, const char *path, const char *to, struct error *e)
{
  char piece[PIECE];
  int64_t total = 0;
  for (;;) {
    int n = gzread(in, piece, sizeof piece);
    if (n < 0) return gzip_error(in, path, e);
    if (n == 0) return 0;
    total += n;
    if (total > BYTES_MAX) return error_set(e, ERROR_FAILED, "%s: is larger than 1 GiB unpacked; unpack it", path);
    if (write_all(fd, piece, (size_t)n, to, e)) return e->code;
  }
}

/* False also where it cannot be read: opening it again says why. */
static bool is_packed(const char *path)
{
  unsigned char magic[2] = {0};
  FILE *f = file_open_to_read(path);
  bool packed = f && fread(magic, 1, sizeof magic, f) == sizeof magic && magic[0] == 0x1f && magic[1] == 0x8b;
  if (f) fclose(f);
  return packed;
}

int table_unpack(const char *path, char unpacked[TABLE_PATH_MAX], struct error *e)
{
  struct stat st;
  unpacked[0] = 0;
  if (stat(path, &st) != 0 && errno != ENOENT && errno != ENOTDIR) return error_errno(e, "%s: cannot be read", path);
  bool missing = stat(path, &st) != 0;
  if (missing || !S_ISREG(st.st_mode))
    return error_set(e, ERROR_CONFIG, "%s: %s%s; it is to be a study database, DIR/study.db, or one packed by gzip",
                     path, missing ? "there is no such file" : "is not a file but a ", missing ? "" : file_kind(&st));
  if (!is_packed(path)) return 0;
  const char *folder = getenv("TMPDIR");
  snprintf(unpacked, TABLE_PATH_MAX, "%.4000s/gsos-table-XXXXXX", folder && folder[0] ? folder : "/tmp");
  int fd = mkstemp(unpacked);
  if (fd < 0) {
    error_errno(e, "%s: cannot be made, to unpack %s", unpacked, path);
    unpacked[0] = 0;
    return e->code;
  }
  gzFile in = gzopen(path, "rb");
  int code = in ? copy_unpacked(in, fd, path, unpacked, e) : error_errno(e, "%s: cannot be read", path);
  if (in && gzclose(in) != Z_OK && !code)
    code = error_set(e, ERROR_FAILED, "%s: is cut off: its gzip data has no end", path);
  close(fd);
  if (!code) return 0;
  unlink(unpacked);
  unpacked[0] = 0;
  return code;
}
