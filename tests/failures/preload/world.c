/* A world that goes wrong, for a program that does not know of it: a library to be preloaded
 * (LD_PRELOAD), built by the test that uses it.  What goes wrong is set by files, so that it may
 * begin in the middle of a run and end again:
 *
 *   WORLD_CLOCK=FILE  the wall clock is off by the seconds that FILE says; "jumps N": it jumps a
 *                     day back, two days forwards and a day back again, each time it has been
 *                     looked at N times
 *   WORLD_FULL=FILE   files whose path contains FILE's first line cannot be written: no space is
 *                     left
 *   WORLD_STUCK=FILE  nor can those be synced to the disk that FILE's first line names: the call
 *                     does not return
 *   WORLD_ALARM=FILE  an alarm comes after a second, and FILE gets the seconds that were asked for
 *
 * A FILE that is not there, or empty, is a world that is well. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* The first line of the file that the environment names; false where there is none.  With calls of
 * the kernel alone: what stands here is called from everywhere. */
static int told(const char *variable, char *text, size_t size)
{
  const char *path = getenv(variable);
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return 0;
  ssize_t n = read(fd, text, size - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  text[strcspn(text, "\n")] = 0;
  return text[0] != 0;
}

/* Is the file one of those that `variable` tells of? */
static int is_meant(const char *variable, int fd)
{
  char part[256], link[64], path[4096];
  int saved = errno;
  int meant = told(variable, part, sizeof part);
  if (meant) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    meant = strstr(path, part) != NULL;
  }
  errno = saved;
  return meant;
}

/* ---- the clock ------------------------------------------------------------------------------- */

static time_t off(void)
{
  static int looks;
  static const time_t jumps[] = {0, -86400, 86400};
  char text[64];
  if (!told("WORLD_CLOCK", text, sizeof text)) return 0;
  if (strncmp(text, "jumps ", 6) != 0) return (time_t)strtoll(text, NULL, 10);
  return jumps[__atomic_fetch_add(&looks, 1, __ATOMIC_RELAXED) / atoi(text + 6) % 3];
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
  int code = REAL(clock_gettime)(clock, t);
  if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) t->tv_sec += off();
  return code;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
  int code = REAL(gettimeofday)(t, zone);
  if (code == 0) t->tv_sec += off();
  return code;
}

time_t time(time_t *out)
{
  time_t t = REAL(time)(NULL) + off();
  if (out) *out = t;
  return t;
}

unsigned alarm(unsigned seconds)
{
  const char *path = getenv("WORLD_ALARM");
  FILE *f = path && seconds ? fopen(path, "w") : NULL;
  if (!f) return REAL(alarm)(seconds);
  fprintf(f, "%u\n", seconds);
  fclose(f);
  return REAL(alarm)(1);
}

/* ---- the disk -------------------------------------------------------------------------------- */

static int no_room(int fd)
{
  if (!is_meant("WORLD_FULL", fd)) return 0;
  errno = ENOSPC;
  return 1;
}

ssize_t write(int fd, const void *from, size_t n)
{
  return no_room(fd) ? -1 : REAL(write)(fd, from, n);
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at)
{
  return no_room(fd) ? -1 : REAL(pwrite)(fd, from, n, at);
}

ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at)
{
  return no_room(fd) ? -1 : REAL(pwrite64)(fd, from, n, at);
}

static void stick(int fd)
{
  struct timespec nap = {0, 50000000};
  while (is_meant("WORLD_STUCK", fd)) nanosleep(&nap, NULL);
}

int fsync(int fd)
{
  stick(fd);
  return no_room(fd) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
  stick(fd);
  return no_room(fd) ? -1 : REAL(fdatasync)(fd);
}
