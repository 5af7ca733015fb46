/* Replacing a file as a whole.  The order is the one that survives a power cut on every common file
 * system: data to disk, rename, folder to disk. */
#include "host/base/file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file_open.h"
#include "host/base/text_escape.h"

static int fail(struct error *e, const char *what, const char *path)
{
  char shown[512];
  int saved = errno;
  text_escape(shown, sizeof shown, path);
  errno = saved;
  return error_errno(e, "%s: %s", shown, what);
}

static void release(struct file_replace *f)
{
  if (f->out) fclose(f->out);
  free(f->path);
  free(f->temporary);
  memset(f, 0, sizeof *f);
}

/* A device or a pipe, /dev/null or /dev/stdout say, would be gone, and a file in its place. */
static bool is_special(const char *path)
{
  struct stat s;
  return stat(path, &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}

/* By its first bytes (SQLite, "Database File Format", 1.3.1). */
static bool is_database(const char *path)
{
  static const char begins[16] = "SQLite format 3";
  char bytes[sizeof begins];
  FILE *in = file_open_to_read(path);
  bool is = in && fread(bytes, 1, sizeof bytes, in) == sizeof bytes && !memcmp(bytes, begins, sizeof begins);
  if (in) fclose(in);
  return is;
}

int file_replace_check(const char *path, struct error *e)
{
  char shown[512];
  if (is_special(path))
    return error_set(e, ERROR_FAILED, "%s: is no regular file, so it is not written over; name a file",
                     text_escape(shown, sizeof shown, path));
  if (is_database(path))
    return error_set(e, ERROR_FAILED,
                     "%s: is a database, which holds a search, so it is not written over; name another file",
                     text_escape(shown, sizeof shown, path));
  return 0;
}

int file_replace_begin(struct file_replace *f, const char *path, struct error *e)
{
  memset(f, 0, sizeof *f);
  int refused = file_replace_check(path, e);
  if (refused) return refused;
  size_t size = strlen(path) + sizeof ".tmp";
  f->path = strdup(path);
  f->temporary = malloc(size);
  if (!f->path || !f->temporary) {
    release(f);
    return error_set(e, ERROR_MACHINE, "no memory to write %s", path);
  }
  snprintf(f->temporary, size, "%s.tmp", path);
  /* O_NOFOLLOW: a link under that name, in a folder that others write to, must not lead the data
   * elsewhere. */
  f->out = file_open_to_write(f->temporary, O_NOFOLLOW);
  if (f->out) return 0;
  bool made = errno == ENOMEM; /* and there was no room for a stream */
  int code = file_open_failed(e, f->temporary, "cannot be written");
  if (made) unlink(f->temporary);
  release(f);
  return code;
}

static int sync_folder(const char *path, struct error *e)
{
  const char *slash = strrchr(path, '/');
  char *folder = !slash ? strdup(".") : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
  if (!folder) return error_set(e, ERROR_MACHINE, "no memory to write %s", path);
  int code = 0;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* A folder that may be written but not read, and file systems that cannot sync a folder, lose
   * only that certainty. */
  if (fd >= 0) {
    if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS)
      code = fail(e, "its folder cannot be synced to the disk", path);
    close(fd);
  }
  free(folder);
  return code;
}

int file_replace_commit(struct file_replace *f, struct error *e)
{
  int code = 0;
  if (ferror(f->out) || fflush(f->out) != 0 || fsync(fileno(f->out)) != 0) {
    if (ferror(f->out) && errno == 0) errno = EIO;
    code = fail(e, "cannot be written", f->temporary);
  }
  if (fclose(f->out) != 0 && !code) code = fail(e, "cannot be written", f->temporary);
  f->out = NULL;
  if (!code && rename(f->temporary, f->path) != 0) code = fail(e, "cannot be replaced", f->path);
  if (code)
    unlink(f->temporary);
  else
    code = sync_folder(f->path, e);
  release(f);
  return code;
}

void file_replace_abort(struct file_replace *f)
{
  if (f->temporary) unlink(f->temporary);
  release(f);
}

int file_replace_text(const char *path, const char *text, struct error *e)
{
  struct file_replace f;
  if (file_replace_begin(&f, path, e)) return e ? e->code : ERROR_FAILED;
  fputs(text, f.out);
  return file_replace_commit(&f, e);
}
