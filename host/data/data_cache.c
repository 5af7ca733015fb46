/* The cache of unpacked data.  See data_cache.h for how a file comes to count. */
#include "host/data/data_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/base/file_open.h"
#include "host/base/folder.h"
#include "host/base/text_escape.h"

#define TEMPORARY_PREFIX ".tmp-"
#define PART_PREFIX ".part-"
#define TEXT_MAGIC "gsos-cache 2 "
enum { TEXT_BYTES_MAX = 64 << 20 }; /* a text is a few lines; a list of skipped images may be long */

/* ----------------------------------------------------------------------------------------- hash */

static inline uint64_t hash_step(uint64_t h, uint64_t word)
{
  h = (h ^ word) * 0x9E3779B185EBCA87ull;
  return h << 29 | h >> 35;
}

static inline uint64_t load64(const uint8_t *p)
{
  uint64_t w;
  memcpy(&w, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  w = __builtin_bswap64(w);
#endif
  return w;
}

uint64_t data_hash(uint64_t hash, const void *bytes, size_t size)
{
  const uint8_t *p = bytes;
  uint64_t h[4];
  for (int i = 0; i < 4; i++) h[i] = hash + (uint64_t)i * 0x9E3779B185EBCA87ull;
  size_t left = size;
  for (; left >= 32; left -= 32, p += 32)
    for (int i = 0; i < 4; i++) h[i] = hash_step(h[i], load64(p + 8 * i));
  if (left) {
    uint8_t tail[32] = {0};
    memcpy(tail, p, left);
    for (int i = 0; i < 4; i++) h[i] = hash_step(h[i], load64(tail + 8 * i));
  }
  uint64_t all = hash_step(h[0], size);
  for (int i = 1; i < 4; i++) all = hash_step(all, h[i]);
  return all ^ all >> 32;
}

/* --------------------------------------------------------------------------------------- folder */

void data_cache_find_folder(struct data_cache *c, const char *folder)
{
  memset(c, 0, sizeof *c);
  const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  if (!home || !*home) {
    const struct passwd *user = getpwuid(getuid());
    home = user ? user->pw_dir : NULL;
  }
  int n = 0;
  if (folder && *folder)
    n = snprintf(c->folder, sizeof c->folder, "%s", folder);
  else if (xdg && xdg[0] == '/') /* the XDG base directory specification: a relative path is to be ignored */
    n = snprintf(c->folder, sizeof c->folder, "%s/gsos", xdg);
  else if (home && *home)
    n = snprintf(c->folder, sizeof c->folder, "%s/.cache/gsos", home);
  if (n <= 0 || n >= (int)sizeof c->folder) {
    snprintf(c->why, sizeof c->why, n <= 0 ? "no home folder is known" : "the cache folder's name is too long");
    c->folder[0] = 0;
  }
}

int data_cache_go_on(const struct data_cache *c, struct error *e)
{
  if (!c->progress || !c->progress(c->progress_context, "", 0, 0)) return 0;
  return error_set(e, ERROR_INTERRUPTED, "interrupted while the data were read");
}

void data_cache_open(struct data_cache *c, const char *folder)
{
  data_cache_find_folder(c, folder);
  if (!c->folder[0]) return;
  if (folder_make(c->folder) != 0 || access(c->folder, W_OK | X_OK) != 0) {
    snprintf(c->why, sizeof c->why, "the cache folder %.*s cannot be used: %s", text_within(c->folder, 200), c->folder,
             strerror(errno));
    c->folder[0] = 0;
  }
}

static bool cached_path(char *path, size_t size, const struct data_cache *c, const char *name, const char *suffix)
{
  return c->folder[0] && snprintf(path, size, "%s/%s%s", c->folder, name, suffix) < (int)size;
}

/* A rename is only sure to be on disk when its folder is. */
static void sync_folder(const char *folder)
{
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

/* -------------------------------------------------------------------------------- making a file */

/* A file of a name that nobody has, with the mode that the user's umask gives (mkstemp's is the
 * user's alone). */
static int open_temporary(char *path, size_t size, const struct data_cache *c)
{
  static atomic_uint count;
  for (int i = 0; i < 100; i++) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t words[3] = {(uint64_t)getpid(), (uint64_t)now.tv_nsec, atomic_fetch_add(&count, 1)};
    int n = snprintf(path, size, "%s/" TEMPORARY_PREFIX "%016" PRIx64, c->folder, data_hash(0, words, sizeof words));
    if (n >= (int)size) break;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd >= 0) return fd;
    if (errno != EEXIST) break;
  }
  path[0] = 0;
  return -1;
}

/* Opens what was begun under this name, or begins it, locked.  -1 where another process is at
 * it. */
static int open_part(struct cache_file *f)
{
  struct stat opened, named;
  char name[sizeof PART_PREFIX + sizeof f->name];
  snprintf(name, sizeof name, PART_PREFIX "%s", f->name);
  if (!cached_path(f->temporary, sizeof f->temporary, f->cache, name, "")) return -1;
  int fd = open(f->temporary, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  /* The lock may have come from one who has published it meanwhile: then the name is another
   * file's. */
  bool ours = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &opened) == 0 && S_ISREG(opened.st_mode) &&
              stat(f->temporary, &named) == 0 && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
  if (!ours && fd >= 0) close(fd);
  if (!ours) f->temporary[0] = 0;
  return ours ? fd : -1;
}

/* Maps a file of `mapped` reserved bytes that is to become the cache's; false where the folder or
 * the disk does not allow it. */
static bool map_temporary(struct cache_file *f, size_t size, size_t mapped, bool pieces)
{
  struct stat st;
  if (!f->cache->folder[0]) return false;
  f->fd = pieces ? open_part(f) : -1;
  if (f->fd >= 0 && (fstat(f->fd, &st) != 0 || (st.st_size != 0 && (size_t)st.st_size != mapped)) &&
      ftruncate(f->fd, 0) != 0) {
    cache_file_abort(f);
    return false;
  }
  pieces = f->fd >= 0;
  if (!pieces) f->fd = open_temporary(f->temporary, sizeof f->temporary, f->cache);
  if (f->fd < 0) return false;
  /* Reserved, not only sized: writing to a mapping of a file on a full disk is SIGBUS. */
  void *p = posix_fallocate(f->fd, 0, (off_t)mapped) == 0
                ? mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0)
                : MAP_FAILED;
  if (p == MAP_FAILED) {
    cache_file_abort(f);
    return false;
  }
  f->bytes = p;
  f->size = size;
  f->mapped = mapped;
  if (pieces && mapped > size) f->pieces = (uint64_t *)((uint8_t *)p + (size + 7) / 8 * 8);
  return true;
}

uint64_t cache_piece_hash(const uint8_t *bytes, size_t size)
{
  return data_hash(3, bytes, size) | 1;
}

int cache_file_create_pieces(struct cache_file *f, const struct data_cache *c, const char *name, const char *from,
                             size_t size, int n_pieces, struct error *e)
{
  struct cache_file begun = {.fd = -1, .cache = c};
  char *real = realpath(from, NULL);
  snprintf(begun.name, sizeof begun.name, "%s", name);
  text_escape(begun.from, sizeof begun.from, real ? real : from);
  free(real);
  *f = begun;
  if (size == 0) return error_set(e, ERROR_FAILED, "nothing to keep: the data is empty");
  size_t mapped = n_pieces ? (size + 7) / 8 * 8 + (size_t)n_pieces * sizeof *f->pieces : size;
  if (map_temporary(f, size, mapped, n_pieces > 0)) return 0;
  *f = begun;
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  /* Memory is promised freely by the kernel and missed only when it is written: refuse what can
   * never be there. */
  bool fits = pages <= 0 || page <= 0 || size / (size_t)page < (size_t)pages / 4 * 3;
  void *p = fits ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
  if (p == MAP_FAILED)
    return error_set(e, ERROR_MACHINE,
                     "the unpacked data needs %.1f GB: there is no room for it in memory, and not on disk either (%s); "
                     "set [dataset] cache to a folder with room",
                     (double)size / 1e9, c->folder[0] ? c->folder : c->why);
  f->bytes = p;
  f->size = f->mapped = size;
  return 0;
}

int cache_file_create(struct cache_file *f, const struct data_cache *c, const char *name, const char *from, size_t size,
                      struct error *e)
{
  return cache_file_create_pieces(f, c, name, from, size, 0, e);
}

/* Writes all of it; false on any error. */
static bool write_all(int fd, const char *bytes, size_t size)
{
  while (size) {
    ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    size -= (size_t)n;
  }
  return true;
}

/* The text beside a file: a line on the bytes, the maker's lines, a line with the hash of all
 * that. */
static bool publish_text(const struct data_cache *c, const char *name, const char *from, const struct data_block *b,
                         const char *text)
{
  char path[CACHE_PATH_MAX], temporary[CACHE_PATH_MAX], head[128 + CACHE_FROM_MAX], tail[64];
  if (!cached_path(path, sizeof path, c, name, ".txt")) return false;
  int fd = open_temporary(temporary, sizeof temporary, c);
  if (fd < 0) return false;
  int n = snprintf(head, sizeof head, TEXT_MAGIC "bytes %zu hash %016" PRIx64 " from %s\n", b->size,
                   data_hash(0, b->bytes, b->size), from);
  uint64_t hash = data_hash(data_hash(0, head, (size_t)n), text, strlen(text));
  int m = snprintf(tail, sizeof tail, "text %016" PRIx64 "\n", hash);
  bool good = write_all(fd, head, (size_t)n) && write_all(fd, text, strlen(text)) && write_all(fd, tail, (size_t)m) &&
              fsync(fd) == 0;
  good = close(fd) == 0 && good && rename(temporary, path) == 0;
  if (!good) unlink(temporary);
  return good;
}

void cache_file_commit(struct cache_file *f, size_t size, const char *text, struct data_block *b)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (f->mapped + page - 1) / page * page;
  size_t kept = (size + page - 1) / page * page;
  if (kept < whole) munmap(f->bytes + kept, whole - kept);
  b->bytes = f->bytes;
  b->size = size;
  if (f->fd >= 0) {
    char path[CACHE_PATH_MAX];
    /* Sync before the rename, the data before its text: whatever the power does, a text never
     * speaks of bytes that are not there. */
    bool good = cached_path(path, sizeof path, f->cache, f->name, "") && ftruncate(f->fd, (off_t)size) == 0 &&
                fsync(f->fd) == 0 && rename(f->temporary, path) == 0;
    if (good) {
      f->temporary[0] = 0;
      publish_text(f->cache, f->name, f->from, b, text);
      sync_folder(f->cache->folder);
    }
  }
  mprotect(f->bytes, kept, PROT_READ);
  if (f->fd >= 0) {
    flock(f->fd, LOCK_UN); /* what watches it keeps it open */
    data_block_watch(b, f->fd);
  }
  f->bytes = NULL; /* the block owns the mapping now */
  cache_file_abort(f);
}

void cache_file_suspend(struct cache_file *f)
{
  if (f->pieces) f->temporary[0] = 0;
  cache_file_abort(f);
}

void cache_file_abort(struct cache_file *f)
{
  if (f->bytes) munmap(f->bytes, f->mapped);
  if (f->temporary[0]) unlink(f->temporary); /* before the lock goes with the descriptor */
  if (f->cache && f->fd >= 0) close(f->fd);
  memset(f, 0, sizeof *f);
  f->fd = -1;
}

/* ------------------------------------------------------------------------------- finding a file */

/* Reads NAME.txt, checks its hash, and returns the maker's lines (malloc'ed) or NULL. */
static char *read_text(const struct data_cache *c, const char *name, size_t *bytes, uint64_t *hash)
{
  char path[CACHE_PATH_MAX], *all = NULL, *text = NULL;
  struct stat st;
  if (!cached_path(path, sizeof path, c, name, ".txt")) return NULL;
  FILE *in = file_open_to_read(path);
  if (!in) return NULL;
  if (fstat(fileno(in), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > TEXT_BYTES_MAX) goto done;
  all = malloc((size_t)st.st_size + 1);
  if (!all || fread(all, 1, (size_t)st.st_size, in) != (size_t)st.st_size) goto done;
  all[st.st_size] = 0;
  size_t tail = strlen("text \n") + 16;
  if (memchr(all, 0, (size_t)st.st_size) || (size_t)st.st_size < tail) goto done;
  char *end = all + st.st_size - tail;
  char *lines = strchr(all, '\n');
  if (!lines || ++lines > end) goto done;
  uint64_t told, found = data_hash(data_hash(0, all, (size_t)(lines - all)), lines, (size_t)(end - lines));
  if (sscanf(end, "text %16" SCNx64, &told) != 1 || told != found) goto done;
  if (sscanf(all, TEXT_MAGIC "bytes %zu hash %16" SCNx64, bytes, hash) != 2) goto done;
  *end = 0;
  text = strdup(lines);
done:
  free(all);
  fclose(in);
  return text;
}

bool data_cache_find(const struct data_cache *c, const char *name, struct data_block *b, char **text)
{
  char path[CACHE_PATH_MAX];
  size_t bytes = 0;
  uint64_t hash = 0;
  struct stat st;
  *text = read_text(c, name, &bytes, &hash);
  if (!*text) return false;
  int fd = cached_path(path, sizeof path, c, name, "") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
  bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && bytes > 0 && (size_t)st.st_size == bytes &&
              data_block_map(b, fd, bytes, NULL) == 0;
  if (fd >= 0) close(fd);
  if (good && data_hash(0, b->bytes, b->size) != hash) {
    data_block_close(b);
    good = false;
  }
  if (!good) {
    free(*text);
    *text = NULL;
  } else if (cached_path(path, sizeof path, c, name, ".txt")) {
    utimensat(AT_FDCWD, path, NULL, 0); /* used now */
  }
  return good;
}

/* ------------------------------------------------------------------------------ what lies there */

/* Is a process at work on a file that was begun? */
static bool is_locked(int folder, const char *name)
{
  int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  bool locked = flock(fd, LOCK_SH | LOCK_NB) != 0;
  close(fd);
  return locked;
}

static bool begins(const char *text, const char *prefix)
{
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

void data_cache_clean(const struct data_cache *c, const char *prefix, const char *keep)
{
  enum { DAY = 24 * 3600 };
  DIR *folder = c->folder[0] ? opendir(c->folder) : NULL;
  if (!folder) return;
  const struct dirent *entry;
  time_t now = time(NULL);
  while ((entry = readdir(folder))) {
    struct stat st;
    bool part = begins(entry->d_name, PART_PREFIX), temporary = begins(entry->d_name, TEMPORARY_PREFIX);
    const char *name = entry->d_name + (part ? strlen(PART_PREFIX) : 0);
    bool old = begins(name, prefix) && !begins(name, keep);
    if ((part || temporary) && !old && fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
      old = now - st.st_mtime > (part ? 30 * DAY : DAY);
    if (old && !(part && is_locked(dirfd(folder), entry->d_name))) unlinkat(dirfd(folder), entry->d_name, 0);
  }
  closedir(folder);
}

/* Is this one of the names that the readers give: KIND-STEM[-KEY].idx or .npy?  A cache may be a
 * folder with other things in it. */
static bool is_cache_name(const char *name)
{
  static const char *const kinds[] = {"idx-", "npz-", "cifar-train-", "cifar-test-", "images-"};
  const char *at = NULL;
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds && !at; k++)
    if (begins(name, kinds[k])) at = name + strlen(kinds[k]);
  size_t digits = at ? strspn(at, "0123456789abcdef-") : 0;
  return digits == 33 && at[16] == '-' && (strcmp(at + digits, ".idx") == 0 || strcmp(at + digits, ".npy") == 0);
}

/* Is it what text_escape makes?  The file may be anybody's. */
static bool is_escaped(const char *text)
{
  for (; *text; text++)
    if ((unsigned char)*text < ' ' || *text == 127) return false;
  return true;
}

/* Fills in what the text says; it need not be there. */
static void read_entry(const struct data_cache *c, struct cache_entry *entry)
{
  char path[CACHE_PATH_MAX], line[128 + CACHE_FROM_MAX];
  struct stat st;
  if (!cached_path(path, sizeof path, c, entry->name, ".txt")) return;
  FILE *in = file_open_to_read(path);
  if (!in) return;
  if (fstat(fileno(in), &st) == 0 && S_ISREG(st.st_mode) && fgets(line, sizeof line, in) && begins(line, TEXT_MAGIC)) {
    line[strcspn(line, "\n")] = 0;
    const char *from = strstr(line, " from ");
    if (from && is_escaped(from)) snprintf(entry->from, sizeof entry->from, "%s", from + strlen(" from "));
    entry->used = st.st_mtime;
    entry->bytes += st.st_size;
  }
  fclose(in);
}

static int by_use(const void *a, const void *b)
{
  const struct cache_entry *x = a, *y = b;
  return x->used != y->used ? (x->used < y->used ? 1 : -1) : strcmp(x->name, y->name);
}

int data_cache_list(const struct data_cache *c, struct cache_entry **entries, int *n, struct error *e)
{
  int capacity = 0, code = 0;
  *entries = NULL;
  *n = 0;
  DIR *folder = opendir(c->folder);
  if (!folder && (errno == ENOENT || errno == ENOTDIR)) return 0;
  if (!folder) return error_errno(e, "cannot read the folder %s", c->folder);
  const struct dirent *found;
  while (!code && (errno = 0, found = readdir(folder))) {
    struct stat st;
    bool unfinished = begins(found->d_name, PART_PREFIX);
    if (!is_cache_name(found->d_name + (unfinished ? strlen(PART_PREFIX) : 0))) continue;
    if (fstatat(dirfd(folder), found->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) continue;
    if (*n == capacity) {
      capacity = capacity ? 2 * capacity : 16;
      struct cache_entry *more = realloc(*entries, (size_t)capacity * sizeof *more);
      if (!more) {
        code = error_set(e, ERROR_MACHINE, "no memory for a list of cached files");
        break;
      }
      *entries = more;
    }
    struct cache_entry *entry = &(*entries)[(*n)++];
    memset(entry, 0, sizeof *entry);
    snprintf(entry->name, sizeof entry->name, "%s", found->d_name);
    entry->bytes = (int64_t)st.st_blocks * 512;
    entry->used = st.st_mtime;
    entry->unfinished = unfinished;
    if (!unfinished) read_entry(c, entry);
  }
  if (!code && errno) code = error_errno(e, "reading the folder %s", c->folder);
  closedir(folder);
  if (code) {
    free(*entries);
    *entries = NULL;
    *n = 0;
  } else if (*n) {
    qsort(*entries, (size_t)*n, sizeof **entries, by_use);
  }
  return code;
}

bool data_cache_remove(const struct data_cache *c, const struct cache_entry *entry)
{
  char path[CACHE_PATH_MAX];
  if (entry->unfinished && (!cached_path(path, sizeof path, c, entry->name, "") || is_locked(AT_FDCWD, path)))
    return false;
  /* The text first: without it a file counts for nothing. */
  if (cached_path(path, sizeof path, c, entry->name, ".txt")) unlink(path);
  return cached_path(path, sizeof path, c, entry->name, "") && unlink(path) == 0;
}
