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

FILE *file_open_to_read(const char *path)
{
  int fd = file_open(path, O_RDONLY);
  FILE *in = fd < 0 ? NULL : fdopen(fd, "rb");
  if (fd >= 0 && !in) {
    close(fd);
    errno = ENOMEM;
  }
  return in;
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
