/* Starting, watching and ending a child process.  See child_process.h.
 *
 * fork and exec rather than posix_spawn, which knows no PR_SET_PDEATHSIG.  Between them the child
 * makes system calls alone: gsos has threads, and whatever lock one of them held is held in the
 * child for ever.  What goes wrong there comes back through a pipe that an exec closes. */
#include "host/base/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/base/text_escape.h"

enum { ASK_MS = 2000, STOP_MS = 1000, BURY_MS = 500, LOOK_MS = 5 };

/* ---- start ----------------------------------------------------------------------------------- */

enum stage { STAGE_FOLDER, STAGE_DESCRIPTORS, STAGE_EXEC };

/* What the child could not do. */
struct complaint {
  enum stage stage;
  int error;
};

/* The child's ends of the pipes. */
struct ends {
  int in, out, err, complaint;
};

static void complain(const struct ends *ends, enum stage stage)
{
  struct complaint c = {stage, errno};
  ssize_t written = write(ends->complaint, &c, sizeof c);
  _exit(written == (ssize_t)sizeof c ? 127 : 126);
}

/* In the child. */
static void become(const struct ends *ends, pid_t parent, const char *path, char *const *argv,
                   const struct child_setting *setting)
{
  static const int restored[] = {SIGINT, SIGTERM, SIGPIPE, SIGXFSZ};
  sigset_t none;
  setsid();
  child_keeper_tell(setting->keeper, getpid(), false); /* before it can start anything */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126); /* it was gone before */
  for (size_t i = 0; i < sizeof restored / sizeof *restored; i++) {
    struct sigaction action;
    bool ours = sigaction(restored[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN;
    if (ours || restored[i] == SIGPIPE || restored[i] == SIGXFSZ) signal(restored[i], SIG_DFL);
  }
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (chdir(setting->folder)) complain(ends, STAGE_FOLDER);
  if (dup2(ends->in, 0) < 0 || dup2(ends->out, 1) < 0 || dup2(ends->err, 2) < 0) complain(ends, STAGE_DESCRIPTORS);
  execve(path, argv, setting->environment ? setting->environment : environ);
  complain(ends, STAGE_EXEC);
}

/* A pipe of descriptors above the standard ones, which dup2 is to overwrite. */
static int make_pipe(int *ends, struct error *e)
{
  int low[2];
  ends[0] = ends[1] = -1;
  if (pipe2(low, O_CLOEXEC)) return error_errno(e, "no pipe to a program can be made");
  for (int i = 0; i < 2; i++) {
    ends[i] = low[i] > 2 ? low[i] : fcntl(low[i], F_DUPFD_CLOEXEC, 3);
    if (ends[i] != low[i]) close(low[i]);
  }
  if (ends[0] >= 0 && ends[1] >= 0) return 0;
  return error_errno(e, "no pipe to a program can be made");
}

static void close_end(int *fd)
{
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static int explain(const struct complaint *c, const char *path, const char *folder, struct error *e)
{
  char shown[1100];
  errno = c->error;
  if (c->stage == STAGE_DESCRIPTORS) return error_errno(e, "its standard input and output cannot be set up");
  if (c->stage == STAGE_FOLDER) return error_errno(e, "the folder %s", text_escape(shown, sizeof shown, folder));
  text_escape(shown, sizeof shown, path);
  if (c->error == ENOEXEC)
    return error_set(e, ERROR_FAILED, "%s is no program; a script says in its first line what runs it (#!/bin/sh)",
                     shown);
  if (c->error == ENOENT && (path[0] != '/' || access(path, F_OK) == 0))
    return error_set(e, ERROR_FAILED, "%s, or what its first line (#!...) names, is not there", shown);
  return error_errno(e, "%s", shown);
}

int child_start(struct child *c, const char *path, char *const *argv, const struct child_setting *setting,
                struct error *e)
{
  int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1}, complaint[2] = {-1, -1};
  int *const all[] = {in, out, err, complaint};
  struct complaint why;
  *c = (struct child){.in = -1, .out = -1, .err = -1, .keeper = setting->keeper};
  int code = 0;
  for (size_t i = 0; i < 4 && !code; i++) code = make_pipe(all[i], e);
  if (code) goto done;
  struct ends ends = {in[0], out[1], err[1], complaint[1]};
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) become(&ends, parent, path, argv, setting);
  if (pid < 0) {
    error_errno(e, "no process can be started");
    code = e->code = ERROR_MACHINE; /* EAGAIN: too many at once */
    goto done;
  }
  close_end(&complaint[1]);
  ssize_t n;
  while ((n = read(complaint[0], &why, sizeof why)) < 0 && errno == EINTR) continue;
  if (n == (ssize_t)sizeof why) {
    child_keeper_tell(setting->keeper, pid, true);
    waitpid(pid, NULL, 0);
    code = explain(&why, path, setting->folder, e);
    goto done;
  }
  c->pid = pid;
  c->in = in[1], in[1] = -1;
  c->out = out[0], out[0] = -1;
  c->err = err[0], err[0] = -1;
  fcntl(c->in, F_SETFL, O_NONBLOCK);
  fcntl(c->out, F_SETFL, O_NONBLOCK);
  fcntl(c->err, F_SETFL, O_NONBLOCK);
done:
  for (size_t i = 0; i < 4; i++) close_end(&all[i][0]), close_end(&all[i][1]);
  return code;
}

/* ---- while it runs --------------------------------------------------------------------------- */

bool child_has_ended(const struct child *c)
{
  siginfo_t info = {0};
  if (c->pid <= 0) return true;
  return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == c->pid;
}

bool child_wait(const struct child *c, int ms)
{
  for (int waited = 0; !child_has_ended(c); waited += LOOK_MS) {
    if (waited >= ms) return false;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
  }
  return true;
}

/* Linux counts what lies in a pipe from either end. */
int child_unread(const struct child *c)
{
  int bytes = 0;
  return c->in >= 0 && ioctl(c->in, FIONREAD, &bytes) == 0 ? bytes : 0;
}

ssize_t child_read(int fd, char *bytes, size_t size)
{
  ssize_t n;
  if (fd < 0) return 0;
  while ((n = read(fd, bytes, size)) < 0 && errno == EINTR) continue;
  return n < 0 && errno != EAGAIN && errno != EWOULDBLOCK ? 0 : n;
}

/* Of the children that it waited for: fields 16 and 17 of /proc/PID/stat, in ticks. */
static double waited_for_seconds(pid_t pid)
{
  char path[40], text[600];
  unsigned long user = 0, system = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = child_read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[n > 0 ? n : 0] = 0;
  const char *name_end = strrchr(text, ')'); /* a name may have spaces */
  if (!name_end ||
      sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
    return 0;
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

double child_cpu_seconds(struct child *c)
{
  clockid_t clock;
  struct timespec t;
  if (c->pid <= 0 || clock_getcpuclockid(c->pid, &clock) || clock_gettime(clock, &t)) return c->cpu_s;
  double seconds = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec + waited_for_seconds(c->pid);
  c->cpu_s = fmax(c->cpu_s, seconds);
  return c->cpu_s;
}

/* ---- end ------------------------------------------------------------------------------------- */

void child_end(struct child *c, enum child_end how)
{
  struct rusage usage;
  struct session session;
  if (c->pid <= 0) return;
  close_end(&c->in);
  bool ended = how == CHILD_ASK && child_wait(c, ASK_MS);
  if (!ended) {
    session_find(c->pid, &session);
    session_signal(&session, SIGTERM);
    child_wait(c, STOP_MS);
  }
  session_find(c->pid, &session);
  session_signal(&session, SIGKILL); /* before it is waited for: until then nobody else can have its number */
  child_keeper_tell(c->keeper, c->pid, true);
  while (wait4(c->pid, &c->status, 0, &usage) < 0) {
    if (errno == EINTR) continue;
    memset(&usage, 0, sizeof usage);
    break;
  }
  if (c->keeper) session_bury(&session, BURY_MS);
  double seconds = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                   1e-6 * ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec);
  c->cpu_s = fmax(c->cpu_s, seconds);
  c->pid = 0;
}

void child_tidy(const struct child *c)
{
  struct session session;
  if (c->pid <= 0 || !c->keeper) return;
  session_find(c->pid, &session);
  for (int i = 0; i < session.n; i++)
    if (session.pids[i] != c->pid) waitpid(session.pids[i], NULL, WNOHANG);
}

void child_close(struct child *c)
{
  close_end(&c->in);
  close_end(&c->out);
  close_end(&c->err);
}

void child_status_text(int status, char *text, size_t size)
{
  if (WIFSIGNALED(status))
    snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  else
    snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}
