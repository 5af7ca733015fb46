/* Mapped files, watched.  See data_block.h.
 *
 * The handler of SIGBUS runs in whichever thread met the missing page: it looks through a table of
 * mappings that it can read without a lock, and puts a page of zeros where the file ended.  For any
 * other address it does what was done before. */
#include "host/data/data_block.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WATCHED_MAX = 256 }; /* more are mapped, but not watched: no program here comes near */

static struct watched {
  _Atomic uintptr_t begin; /* 0: free */
  _Atomic size_t size;
  atomic_bool lost;
  int fd;
  int64_t state[FILE_STATE_WORDS];
} table[WATCHED_MAX];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of changes of the table, and of the states */
static struct sigaction before;
static uintptr_t page_bytes;

void file_state(const struct stat *st, int64_t state[FILE_STATE_WORDS])
{
  state[0] = st->st_size;
  state[1] = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
  state[2] = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
  state[3] = (int64_t)st->st_ino;
}

/* ---- files that end -------------------------------------------------------------------------- */

static void on_bus_error(int number, siginfo_t *info, void *context)
{
  int saved = errno;
  uintptr_t at = (uintptr_t)info->si_addr;
  for (int i = 0; i < WATCHED_MAX; i++) {
    uintptr_t begin = atomic_load(&table[i].begin);
    if (!begin || at < begin || at - begin >= atomic_load(&table[i].size)) continue;
    void *page = (void *)(at & ~(page_bytes - 1));
    const void *zeros = mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros == MAP_FAILED) break;
    atomic_store(&table[i].lost, true);
    errno = saved;
    return;
  }
  errno = saved;
  if (before.sa_flags & SA_SIGINFO)
    before.sa_sigaction(number, info, context);
  else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
    before.sa_handler(number);
  else
    sigaction(SIGBUS, &before, NULL); /* it comes again, and ends the process */
}

/* Under the mutex.  Asked each time: whoever else has put a handler of their own there since comes
 * after ours. */
static void catch_bus_errors(void)
{
  struct sigaction now, action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
  if (sigaction(SIGBUS, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_bus_error)) return;
  before = now;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}

/* ---- the table ------------------------------------------------------------------------------- */

void data_block_watch(const struct data_block *b, int fd)
{
  struct stat st;
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy >= 0 && fstat(copy, &st) == 0) {
    pthread_mutex_lock(&mutex);
    catch_bus_errors();
    for (int i = 0; i < WATCHED_MAX && copy >= 0; i++) {
      struct watched *w = &table[i];
      if (atomic_load(&w->begin)) continue;
      w->fd = copy;
      file_state(&st, w->state);
      atomic_store(&w->lost, false);
      atomic_store(&w->size, b->size);
      atomic_store(&w->begin, (uintptr_t)b->bytes);
      copy = -1;
    }
    pthread_mutex_unlock(&mutex);
  }
  if (copy >= 0) close(copy);
}

/* The entry of a block, or NULL.  Under the mutex. */
static struct watched *entry_of(const struct data_block *b)
{
  for (int i = 0; b->bytes && i < WATCHED_MAX; i++)
    if (atomic_load(&table[i].begin) == (uintptr_t)b->bytes) return &table[i];
  return NULL;
}

enum data_block_state data_block_look(const struct data_block *b)
{
  enum data_block_state state = BLOCK_AS_IT_WAS;
  struct stat st;
  int64_t now[FILE_STATE_WORDS];
  pthread_mutex_lock(&mutex);
  struct watched *w = entry_of(b);
  if (w && atomic_load(&w->lost)) {
    state = BLOCK_CHANGED;
  } else if (w && fstat(w->fd, &st) == 0) {
    file_state(&st, now);
    if (now[0] != w->state[0] || now[1] != w->state[1])
      state = BLOCK_CHANGED;
    else if (memcmp(now, w->state, sizeof now) != 0)
      state = BLOCK_TOUCHED;
    if (state == BLOCK_TOUCHED) memcpy(w->state, now, sizeof now);
  }
  pthread_mutex_unlock(&mutex);
  return state;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

void data_block_close(struct data_block *b)
{
  pthread_mutex_lock(&mutex);
  struct watched *w = entry_of(b);
  int fd = w ? w->fd : -1;
  if (w) atomic_store(&w->begin, 0);
  pthread_mutex_unlock(&mutex);
  if (fd >= 0) close(fd);
  if (b->bytes && b->size) munmap((void *)b->bytes, b->size);
  memset(b, 0, sizeof *b);
}

int data_block_map(struct data_block *b, int fd, size_t size, struct error *e)
{
  void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (p == MAP_FAILED) return error_errno(e, "mapping %zu bytes of a file", size);
  b->bytes = p;
  b->size = size;
  data_block_watch(b, fd);
  return 0;
}
