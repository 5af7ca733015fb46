/* Sessions of processes, and who kills them when we are gone.  See child_keeper.h. */
#include "host/base/child_keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SESSIONS_MAX = 4096, LOOK_MS = 2 };

/* ---- sessions -------------------------------------------------------------------------------- */

struct process {
  pid_t parent, group, session;
};

/* Reads /proc/PID/stat: "PID (NAME) STATE PARENT GROUP SESSION ...". */
static bool look_at(pid_t pid, struct process *p)
{
  char path[40] = "/proc/", text[400], digits[16];
  int n = 0;
  for (pid_t left = pid; left > 0; left /= 10) digits[n++] = (char)('0' + left % 10);
  size_t used = 6;
  while (n > 0) path[used++] = digits[--n];
  memcpy(path + used, "/stat", 6);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  text[got > 0 ? got : 0] = 0;
  char *at = strrchr(text, ')'); /* a name may have spaces, and this sign */
  if (!at || !at[1]) return false;
  p->parent = (pid_t)strtol(at + 3, &at, 10);
  p->group = (pid_t)strtol(at, &at, 10);
  p->session = (pid_t)strtol(at, &at, 10);
  return true;
}

static bool is_among(const struct session *s, pid_t pid)
{
  for (int i = 0; i < s->n; i++)
    if (s->pids[i] == pid) return true;
  return false;
}

/* Adds those of the session, and children of those that are there already. */
static void find_more(struct session *s)
{
  char entries[4096] __attribute__((aligned(16)));
  ssize_t bytes;
  int folder = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (folder >= 0 && (bytes = getdents64(folder, entries, sizeof entries)) > 0) {
    for (ssize_t at = 0; at < bytes;) {
      const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
      struct process p;
      pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
      at += entry->d_reclen;
      if (pid <= 1 || s->n == SESSION_MAX || is_among(s, pid) || !look_at(pid, &p)) continue;
      if (p.session != s->leader && !is_among(s, p.parent)) continue;
      s->pids[s->n] = pid;
      s->in_group[s->n++] = p.group == s->leader;
    }
  }
  if (folder >= 0) close(folder);
}

void session_find(pid_t leader, struct session *s)
{
  int before;
  s->leader = leader;
  s->n = 0;
  do { /* a child may have a lower number than its parent */
    before = s->n;
    find_more(s);
  } while (s->n > before);
}

void session_signal(const struct session *s, int number)
{
  kill(-s->leader, number); /* all at once, and also without /proc */
  for (int i = 0; i < s->n; i++)
    if (!s->in_group[i]) kill(s->pids[i], number);
}

void session_bury(struct session *s, int ms)
{
  for (int waited = 0;; waited += LOOK_MS) {
    for (int i = s->n - 1; i >= 0; i--) {
      bool gone = waitpid(s->pids[i], NULL, WNOHANG) == s->pids[i] || (kill(s->pids[i], 0) && errno == ESRCH);
      if (gone) s->pids[i] = s->pids[--s->n];
    }
    if (s->n == 0 || waited >= ms) return;
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
  }
}

/* ---- the keeper ------------------------------------------------------------------------------ */

struct news {
  pid_t session;
  bool over;
};

static void close_from(unsigned first)
{
  if (close_range(first, ~0u, 0) == 0) return;
  for (int fd = (int)first; fd < 65536; fd++) close(fd); /* a kernel before 5.9 */
}

static void take_news(pid_t *sessions, int *n, const struct news *news)
{
  int i = 0;
  while (i < *n && sessions[i] != news->session) i++;
  if (news->over && i < *n)
    sessions[i] = sessions[--*n];
  else if (!news->over && i == *n && *n < SESSIONS_MAX)
    sessions[(*n)++] = news->session;
}

static void kill_session(pid_t leader)
{
  struct session s;
  session_find(leader, &s);
  session_signal(&s, SIGKILL);
}

/* The process, which reads from `fd` and does nothing else: whatever it held open would seem to be
 * open in gsos still. */
static void keep(int fd)
{
  static pid_t sessions[SESSIONS_MAX];
  struct news news;
  int n = 0;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  setsid(); /* Ctrl-C, or the end of a terminal, is not for it */
  prctl(PR_SET_NAME, "program-keeper");
  int nowhere = open("/dev/null", O_RDWR);
  dup2(nowhere, 1);
  dup2(nowhere, 2);
  dup2(fd, 0);
  close_from(3);
  while (read(0, &news, sizeof news) == (ssize_t)sizeof news) take_news(sessions, &n, &news);
  for (int i = 0; i < n; i++) kill_session(sessions[i]);
  _exit(0);
}

int child_keeper_start(struct child_keeper *k, struct error *e)
{
  int ends[2];
  *k = (struct child_keeper){.fd = -1};
  if (pipe2(ends, O_CLOEXEC)) return error_errno(e, "no pipe to a process beside gsos can be made");
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[1]);
    keep(ends[0]);
  }
  close(ends[0]);
  if (pid < 0) {
    close(ends[1]);
    error_errno(e, "no process can be started");
    return e->code = ERROR_MACHINE;
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  *k = (struct child_keeper){pid, ends[1]};
  return 0;
}

void child_keeper_end(struct child_keeper *k)
{
  if (k->pid <= 0) return;
  close(k->fd);
  while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR) continue;
  *k = (struct child_keeper){.fd = -1};
}

void child_keeper_tell(const struct child_keeper *k, pid_t session, bool over)
{
  struct news news;
  if (!k || k->pid <= 0) return;
  memset(&news, 0, sizeof news);
  news.session = session;
  news.over = over;
  while (write(k->fd, &news, sizeof news) < 0 && errno == EINTR) continue;
}
