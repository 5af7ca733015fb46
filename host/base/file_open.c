/* Regular files alone.  See file_open.h. */
#include "host/base/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/text_escape.h"

int file_open(const char *path, int flags)
{
  struct stat st;
  /* O_NONBLOCK, which regular files do not know: opening a pipe does not wait for its other end. */
  int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
  if (fd < 0) {
    if (errno == EISDIR) errno = ENXIO;
    return -1;
  }
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) return fd;
  close(fd);
  errno = ENXIO;
  return -1;
}

static FILE *stream_of(int fd, const char *mode)
{
  FILE *stream = fd < 0 ? NULL : fdopen(fd, mode);
  if (fd >= 0 && !stream) {
    close(fd);
    errno = ENOMEM;
  }
  return stream;
}

FILE *file_open_to_read(const char *path)
{
  return stream_of(file_open(path, O_RDONLY), "rb");
}

FILE *file_open_to_write(const char *path, int flags)
{
  return stream_of(file_open(path, O_WRONLY | O_CREAT | O_TRUNC | flags), "wb");
}

int file_open_failed(struct error *e, const char *path, const char *what)
{
  char shown[512];
  int why = errno;
  text_escape(shown, sizeof shown, path);
  if (why == ENXIO) return error_set(e, ERROR_FAILED, "%s: %s: it is no regular file", shown, what);
  errno = why;
  return error_errno(e, "%s: %s", shown, what);
}

const char *file_kind(const struct stat *st)
{
  if (S_ISDIR(st->st_mode)) return "folder";
  if (S_ISFIFO(st->st_mode)) return "pipe";
  return S_ISSOCK(st->st_mode) ? "socket" : "device";
}
