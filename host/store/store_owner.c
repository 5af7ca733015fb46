/* Who runs: no two runs write one database.
 *
 * On one machine the kernel knows: a run holds an flock on PATH.lock, released when the process is
 * gone, however it went.  What the lock cannot say goes as JSON into the database (and, for people,
 * into the lock file): host, boot id, process id, the process's start time (a process id is used
 * again; with its start time it is one process) and a heartbeat.  It is the system attribute
 * gsos:owner of the first study; a database without studies has nothing that a second run could
 * spoil.
 *
 *   the lock is held                        a run lives on this machine: refused
 *   same boot, process of that start time   it lives, its lock file was deleted: refused
 *   same boot otherwise                     dead
 *   same host, another boot                 dead
 *   another host                            refused while the heartbeat is younger than 120 s.  One
 *                                           that lies further than that in the future comes from a
 *                                           clock that is wrong: it is watched for a while, and
 *                                           alive if it changes
 *
 * Where file locks do not work (some network file systems) the rest decides.
 *
 * Every write checks, in its transaction, that the database still names this run (its random
 * token).  So one that was taken over, by --take-over or because it slept for minutes on a laptop,
 * stops at its next write and spoils nothing. */
#include "host/store/store_internal.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "host/base/text_escape.h"
#include "host/base/text_units.h"

/* An owner as JSON tells it. */
struct owner_record {
  char host[256], boot[64], space[64], token[STORE_TOKEN_SIZE];
  int64_t pid, start;
  double heartbeat; /* seconds since 1970; NaN where it is not said */
};

/* --------------------------------------------------------------------------------- this machine */

static void read_line(const char *path, char *text, size_t size)
{
  text[0] = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t n = read(fd, text, size - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  text[strcspn(text, "\n")] = 0;
}

/* Start time of a process, in clock ticks since the boot (proc(5), stat, field 22); -1 where there
 * is no such process, or one that has ended and only waits for its parent. */
static int64_t process_start(int64_t pid)
{
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
  read_line(path, text, sizeof text);
  const char *after = strrchr(text, ')'); /* the name before it may hold blanks and brackets */
  if (!after || after[1] != ' ' || strchr("ZXx", after[2])) return -1;
  const char *field = after + 2;
  for (int i = 3; i < 22 && field; i++)
    if ((field = strchr(field, ' '))) field++;
  return field ? strtoll(field, NULL, 10) : -1;
}

static void this_process(struct owner_record *r)
{
  memset(r, 0, sizeof *r);
  if (gethostname(r->host, sizeof r->host - 1)) r->host[0] = 0;
  read_line("/proc/sys/kernel/random/boot_id", r->boot, sizeof r->boot);
  ssize_t n = readlink("/proc/self/ns/pid", r->space, sizeof r->space - 1);
  r->space[n > 0 ? n : 0] = 0;
  r->pid = getpid();
  r->start = process_start(r->pid);
}

/* ----------------------------------------------------------------------------------- the record */

static void copy_string(const cJSON *json, const char *key, char *to, size_t size)
{
  const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
  text_format(to, size, "%s", text ? text : "");
}

static int64_t copy_number(const cJSON *json, const char *key)
{
  double value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, key));
  return fabs(value) < 9e15 ? (int64_t)value : -1; /* NaN: no number */
}

/* False where the text names nobody. */
static bool record_parse(const char *text, struct owner_record *r)
{
  char heartbeat[64];
  memset(r, 0, sizeof *r);
  cJSON *json = text ? cJSON_Parse(text) : NULL;
  bool ok = cJSON_IsObject(json);
  if (ok) {
    copy_string(json, "host", r->host, sizeof r->host);
    copy_string(json, "boot", r->boot, sizeof r->boot);
    copy_string(json, "pid_namespace", r->space, sizeof r->space);
    copy_string(json, "token", r->token, sizeof r->token);
    copy_string(json, "heartbeat", heartbeat, sizeof heartbeat);
    r->pid = copy_number(json, "pid");
    r->start = copy_number(json, "start");
    r->heartbeat = store_time_parse(heartbeat);
  }
  cJSON_Delete(json);
  return ok;
}

static char *record_format(const char *token)
{
  struct owner_record r;
  char now[STORE_TIME_SIZE];
  this_process(&r);
  store_now(now);
  cJSON *json = cJSON_CreateObject();
  bool ok = cJSON_AddStringToObject(json, "host", r.host) && cJSON_AddStringToObject(json, "boot", r.boot) &&
            cJSON_AddStringToObject(json, "pid_namespace", r.space) &&
            cJSON_AddNumberToObject(json, "pid", (double)r.pid) &&
            cJSON_AddNumberToObject(json, "start", (double)r.start) &&
            cJSON_AddStringToObject(json, "heartbeat", now) && cJSON_AddStringToObject(json, "token", token);
  char *text = ok ? cJSON_PrintUnformatted(json) : NULL;
  cJSON_Delete(json);
  return text;
}

static int read_record(struct store *s, char **text, struct error *e)
{
  return store_text(
      s, e, text,
      "SELECT value_json FROM study_system_attributes WHERE study_id = (SELECT min(study_id) FROM studies) "
      "AND \"key\" = 'gsos:owner'",
      "");
}

int store_owner_write(struct store *s, struct error *e)
{
  char *text = record_format(s->owner.token);
  if (!text) return error_set(e, ERROR_MACHINE, "%s: no memory", s->shown);
  int code = store_run(s, e,
                       "INSERT INTO study_system_attributes (study_id, \"key\", value_json) "
                       "SELECT min(study_id), 'gsos:owner', ?1 FROM studies HAVING count(*) > 0 "
                       "ON CONFLICT (study_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                       "t", text);
  cJSON_free(text);
  return code;
}

/* -------------------------------------------------------------------------------- the lock file */

enum lock_result { LOCK_HELD, LOCK_TAKEN, LOCK_UNKNOWN }; /* by another; by us; file locks do not work here */

static char *lock_path(const struct store *s)
{
  size_t size = strlen(s->path) + sizeof ".lock";
  char *path = malloc(size);
  if (path) snprintf(path, size, "%s.lock", s->path);
  return path;
}

static enum lock_result lock_take(struct store *s)
{
  enum lock_result result = LOCK_UNKNOWN;
  char *path = lock_path(s);
  for (int i = 0; path && i < 100; i++) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) break;
    if (flock(fd, LOCK_EX | LOCK_NB)) {
      result = errno == EWOULDBLOCK ? LOCK_HELD : LOCK_UNKNOWN;
      close(fd);
      break;
    }
    /* The one who had it may have removed the file between our open and our lock; then the lock is
     * on a file without a name. */
    struct stat ours, named;
    if (fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino &&
        ours.st_dev == named.st_dev) {
      s->owner.lock_fd = fd;
      result = LOCK_TAKEN;
      break;
    }
    close(fd);
  }
  free(path);
  return result;
}

/* For people, and for naming the owner of a database that has no study yet. */
static void lock_write(struct store *s)
{
  if (s->owner.lock_fd < 0) return;
  char *text = record_format(s->owner.token);
  if (text && ftruncate(s->owner.lock_fd, 0) == 0) {
    ssize_t ignored = pwrite(s->owner.lock_fd, text, strlen(text), 0);
    (void)ignored;
  }
  cJSON_free(text);
}

static bool lock_read(struct store *s, struct owner_record *r)
{
  char text[2048] = "";
  char *path = lock_path(s);
  if (path) read_line(path, text, sizeof text);
  free(path);
  return record_parse(text, r);
}

void store_owner_release(struct store *s)
{
  if (s->owner.lock_fd < 0) return;
  char *path = lock_path(s);
  if (path) unlink(path); /* while it is locked: nobody else can hold it */
  free(path);
  close(s->owner.lock_fd);
  s->owner.lock_fd = -1;
}

/* --------------------------------------------------------------------------------------- taking */

enum verdict { OWNER_DEAD, OWNER_ALIVE, OWNER_FROM_THE_FUTURE };

/* Does a host of that name exist once only? */
static bool names_a_host(const char *host)
{
  return host[0] && strcmp(host, "localhost") != 0 && strcmp(host, "localhost.localdomain") != 0 &&
         strcmp(host, "(none)") != 0;
}

static enum verdict judge(const struct owner_record *r, enum lock_result lock)
{
  struct owner_record here;
  this_process(&here);
  bool same_boot = here.boot[0] && !strcmp(r->boot, here.boot);
  bool same_host = names_a_host(here.host) && !strcmp(r->host, here.host);
  if (same_boot && (lock == LOCK_TAKEN || !strcmp(r->space, here.space))) {
    if (r->pid == here.pid && r->start == here.start) return OWNER_DEAD; /* ourselves, before */
    return process_start(r->pid) == r->start && r->start >= 0 ? OWNER_ALIVE : OWNER_DEAD;
  }
  if (same_host && !same_boot) return OWNER_DEAD;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  double age = (double)now.tv_sec + (double)now.tv_nsec * 1e-9 - r->heartbeat;
  if (isnan(age) || age >= STORE_SILENCE_S) return OWNER_DEAD;
  return age > -STORE_SILENCE_S ? OWNER_ALIVE : OWNER_FROM_THE_FUTURE;
}

struct taking {
  bool take_over;
  enum lock_result lock;
  struct owner_record found;
  enum verdict verdict;
  bool judged_dead; /* by having been watched */
  double watched;   /* its heartbeat then */
};

static int take_work(struct store *s, void *context, struct error *e)
{
  struct taking *t = context;
  char *text;
  int code = read_record(s, &text, e);
  if (code) return code;
  bool known = record_parse(text, &t->found);
  free(text);
  t->verdict = known ? judge(&t->found, t->lock) : OWNER_DEAD;
  if (t->verdict == OWNER_FROM_THE_FUTURE && t->judged_dead)
    t->verdict = t->found.heartbeat == t->watched ? OWNER_DEAD : OWNER_ALIVE;
  if (t->lock == LOCK_HELD) {
    if (!known) lock_read(s, &t->found);
    t->verdict = OWNER_ALIVE;
  }
  return t->take_over || t->verdict == OWNER_DEAD ? store_owner_write(s, e) : 0;
}

static int refuse(struct store *s, const struct owner_record *r, struct error *e)
{
  char host[300], heard[64] = "";
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  double age = (double)now.tv_sec - r->heartbeat;
  if (fabs(age) < 1e6) snprintf(heard, sizeof heard, ", last heard of %.0f s ago", age > 0 ? age : 0);
  text_escape(host, sizeof host, r->host[0] ? r->host : "(unknown)");
  return error_set(
      e, ERROR_FAILED,
      "%s: another gsos run works on this output (process %lld on host %s%s); wait for it or stop it, or use "
      "--take-over if you are sure that it is gone",
      s->shown, (long long)r->pid, host, heard);
}

/* Watches a heartbeat whose clock is wrong: a living run writes another one meanwhile. */
static int watch(struct store *s, struct error *e)
{
  int64_t end = store_monotonic_ms() + s->observe_ms;
  struct timespec nap = {0, 50000000};
  while (store_monotonic_ms() < end) {
    if (s->stop && __atomic_load_n(s->stop, __ATOMIC_RELAXED))
      return error_set(e, ERROR_INTERRUPTED, "%s: stopped before it was clear whether another run works on it",
                       s->shown);
    nanosleep(&nap, NULL);
  }
  return 0;
}

int store_own(struct store *s, bool take_over, struct error *e)
{
  unsigned char random[16];
  if (s->read_only) return error_set(e, ERROR_FAILED, "%s: is open for reading only", s->shown);
  store_lock(s);
  int code = 0;
  if (s->owner.owned) goto done;
  if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
    code = error_errno(e, "no random bytes for the owner's token");
    goto done;
  }
  for (int i = 0; i < 16; i++) snprintf(s->owner.token + 2 * i, 3, "%02x", random[i]);

  struct taking t = {.take_over = take_over};
  t.lock = s->owner.lock_fd >= 0 ? LOCK_TAKEN : lock_take(s);
  code = store_write(s, take_work, &t, e);
  if (!code && t.verdict == OWNER_FROM_THE_FUTURE && !take_over) {
    t.judged_dead = true;
    t.watched = t.found.heartbeat;
    code = watch(s, e);
    if (!code) code = store_write(s, take_work, &t, e);
  }
  if (!code && t.verdict != OWNER_DEAD && !take_over) code = refuse(s, &t.found, e);
  s->owner.owned = !code;
  if (code)
    store_owner_release(s);
  else
    lock_write(s);
done:
  store_unlock(s);
  return code;
}

/* -------------------------------------------------------------------------------------- telling */

static int look_work(struct store *s, void *context, struct error *e)
{
  char *text;
  struct owner_record *r = context;
  int code = read_record(s, &text, e);
  if (code) return code;
  if (!record_parse(text, r)) memset(r, 0, sizeof *r);
  free(text);
  return 0;
}

static void tell_gone(const struct owner_record *r, char *told, size_t size)
{
  struct owner_record here;
  char host[300], age[64] = "a while";
  struct timespec now;
  this_process(&here);
  clock_gettime(CLOCK_REALTIME, &now);
  text_escape(host, sizeof host, r->host[0] ? r->host : "(unknown)");
  if (here.boot[0] && !strcmp(r->boot, here.boot))
    snprintf(told, size, "process %lld is gone", (long long)r->pid);
  else if (names_a_host(here.host) && !strcmp(r->host, here.host))
    snprintf(told, size, "process %lld is gone: the machine was started anew since", (long long)r->pid);
  else
    text_format(told, size, "process %lld on host %s has not been heard of for %s", (long long)r->pid, host,
                isnan(r->heartbeat) ? age : text_seconds(age, sizeof age, (double)now.tv_sec - r->heartbeat));
}

int store_run_state(struct store *s, enum store_run_state *state, char *told, size_t size, struct error *e)
{
  struct owner_record r;
  told[0] = 0;
  *state = STORE_RUN_LIVES;
  store_lock(s);
  bool owned = s->owner.owned;
  int code = owned ? 0 : store_read(s, look_work, &r, e);
  store_unlock(s);
  if (code || owned) return code;
  if (!r.token[0])
    *state = STORE_RUN_UNKNOWN;
  else if (judge(&r, LOCK_UNKNOWN) == OWNER_DEAD)
    *state = STORE_RUN_GONE;
  if (*state == STORE_RUN_GONE) tell_gone(&r, told, size);
  return 0;
}

/* -------------------------------------------------------------------------------------- keeping */

int store_owner_check(struct store *s, struct error *e)
{
  char *text;
  int code = read_record(s, &text, e);
  if (code) return code;
  /* Nobody: no study yet, or someone deleted the first one; the next heartbeat says it again. */
  struct owner_record r;
  if (text && (!record_parse(text, &r) || strcmp(r.token, s->owner.token) != 0)) {
    char host[300];
    text_escape(host, sizeof host, r.host[0] ? r.host : "(unknown)");
    code = error_set(
        e, ERROR_FAILED,
        "%s: process %lld on host %s has taken this output over; this run stops here, and that one goes on with "
        "all that was finished",
        s->shown, (long long)r.pid, host);
  }
  free(text);
  return code;
}

static int heartbeat_work(struct store *s, void *context, struct error *e)
{
  (void)context;
  int code = store_owner_write(s, e);
  return code ? code : store_flush_epochs(s, e);
}

int store_heartbeat(struct store *s, struct error *e)
{
  store_lock(s);
  int code = 0;
  if (!s->owner.owned)
    code = error_set(e, ERROR_FAILED, "%s: a heartbeat of a run that does not own it", s->shown);
  else if (!(code = store_write(s, heartbeat_work, NULL, e)))
    store_flushed(s);
  if (!code && s->owner.lock_fd < 0 && lock_take(s) == LOCK_TAKEN)
    lock_write(s); /* the one taken over from has ended */
  store_unlock(s);
  return code;
}

static int disown_work(struct store *s, void *context, struct error *e)
{
  (void)context;
  int code = store_flush_epochs(s, e);
  return code ? code : store_run(s, e, "DELETE FROM study_system_attributes WHERE \"key\" = 'gsos:owner'", "");
}

int store_disown(struct store *s, struct error *e)
{
  store_lock(s);
  int code = 0;
  if (s->owner.owned && !(code = store_write(s, disown_work, NULL, e))) {
    store_flushed(s);
    s->owner.owned = false;
    store_owner_release(s);
  }
  store_unlock(s);
  return code;
}
