/* The cache of unpacked data.  See data_cache.h for how a file comes to count. */
#include "data_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEMPORARY_PREFIX ".tmp-"
enum { TEXT_BYTES_MAX = 64 << 20 }; /* a text is a few lines; a list of skipped images may be long */

/* ------------------------------------------------------------------------------------------------ hash */

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

/* ---------------------------------------------------------------------------------------------- blocks */

void data_block_close(struct data_block *b)
{
  if (b->bytes && b->size) munmap((void *)b->bytes, b->size);
  memset(b, 0, sizeof *b);
}

int data_block_map(struct data_block *b, int fd, size_t size, struct error *e)
{
  void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (p == MAP_FAILED) return error_errno(e, "mapping %zu bytes of a file", size);
  b->bytes = p;
  b->size = size;
  return 0;
}

/* ---------------------------------------------------------------------------------------------- folder */

/* mkdir -p, the last parts private to the user. */
static bool make_folder(const char *path)
{
  char part[1024];
  snprintf(part, sizeof part, "%s", path);
  for (char *p = part + 1; *p; p++) {
    if (*p != '/') continue;
    *p = 0;
    mkdir(part, 0777);
    *p = '/';
  }
  return mkdir(part, 0777) == 0 || errno == EEXIST;
}

void data_cache_open(struct data_cache *c, const char *folder)
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
    return;
  }
  struct stat st;
  bool usable = make_folder(c->folder) && stat(c->folder, &st) == 0;
  if (usable && !S_ISDIR(st.st_mode)) {
    usable = false;
    errno = ENOTDIR;
  }
  if (!usable || access(c->folder, W_OK | X_OK) != 0) {
    snprintf(c->why, sizeof c->why, "the cache folder %.200s cannot be used: %s", c->folder, strerror(errno));
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

/* --------------------------------------------------------------------------------------- making a file */

static int open_temporary(char *path, size_t size, const struct data_cache *c)
{
  if (snprintf(path, size, "%s/" TEMPORARY_PREFIX "XXXXXX", c->folder) >= (int)size) return -1;
  int fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0) path[0] = 0;
  return fd;
}

/* Maps a temporary file of `size` reserved bytes; false where the folder or the disk does not allow it. */
static bool map_temporary(struct cache_file *f, size_t size)
{
  if (!f->cache->folder[0]) return false;
  f->fd = open_temporary(f->temporary, sizeof f->temporary, f->cache);
  if (f->fd < 0) return false;
  /* Reserved, not only sized: writing to a mapping of a file on a full disk is SIGBUS. */
  void *p = posix_fallocate(f->fd, 0, (off_t)size) == 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0)
                                                        : MAP_FAILED;
  if (p == MAP_FAILED) {
    cache_file_abort(f);
    return false;
  }
  f->bytes = p;
  f->size = size;
  return true;
}

int cache_file_create(struct cache_file *f, const struct data_cache *c, const char *name, size_t size, struct error *e)
{
  memset(f, 0, sizeof *f);
  f->fd = -1;
  f->cache = c;
  snprintf(f->name, sizeof f->name, "%s", name);
  if (size == 0) return error_set(e, ERROR_FAILED, "nothing to keep: the data is empty");
  if (map_temporary(f, size)) return 0;
  f->cache = c;
  long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  /* Memory is promised freely by the kernel and missed only when it is written: refuse what can never be there. */
  bool fits = pages <= 0 || page <= 0 || size / (size_t)page < (size_t)pages / 4 * 3;
  void *p = fits ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
  if (p == MAP_FAILED)
    return error_set(e, ERROR_MACHINE,
                     "the unpacked data needs %.1f GB: there is no room for it in memory, and not on disk either (%s); "
                     "set [dataset] cache to a folder with room",
                     (double)size / 1e9, c->folder[0] ? c->folder : c->why);
  f->bytes = p;
  f->size = size;
  return 0;
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

/* The text beside a file: a line on the bytes, the maker's lines, a line with the hash of all that. */
static bool publish_text(const struct data_cache *c, const char *name, const struct data_block *b, const char *text)
{
  char path[1200], temporary[1200], head[128], tail[64];
  if (!cached_path(path, sizeof path, c, name, ".txt")) return false;
  int fd = open_temporary(temporary, sizeof temporary, c);
  if (fd < 0) return false;
  int n = snprintf(head, sizeof head, "gsos-cache 1 bytes %zu hash %016" PRIx64 "\n", b->size,
                   data_hash(0, b->bytes, b->size));
  uint64_t hash = data_hash(data_hash(0, head, (size_t)n), text, strlen(text));
  int m = snprintf(tail, sizeof tail, "text %016" PRIx64 "\n", hash);
  bool good = fchmod(fd, 0644) == 0 && write_all(fd, head, (size_t)n) && write_all(fd, text, strlen(text)) &&
              write_all(fd, tail, (size_t)m) && fsync(fd) == 0;
  good = close(fd) == 0 && good && rename(temporary, path) == 0;
  if (!good) unlink(temporary);
  return good;
}

void cache_file_commit(struct cache_file *f, size_t size, const char *text, struct data_block *b)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (f->size + page - 1) / page * page;
  size_t kept = (size + page - 1) / page * page;
  if (kept < whole) munmap(f->bytes + kept, whole - kept);
  b->bytes = f->bytes;
  b->size = size;
  if (f->fd >= 0) {
    char path[1200];
    /* Sync before the rename, the data before its text: whatever the power does, a text never speaks of bytes that are
     * not there. */
    bool good = cached_path(path, sizeof path, f->cache, f->name, "") && ftruncate(f->fd, (off_t)size) == 0 &&
                fchmod(f->fd, 0644) == 0 && fsync(f->fd) == 0 && rename(f->temporary, path) == 0;
    if (good) {
      f->temporary[0] = 0;
      publish_text(f->cache, f->name, b, text);
      sync_folder(f->cache->folder);
    }
  }
  mprotect(f->bytes, kept, PROT_READ);
  f->bytes = NULL; /* the block owns the mapping now */
  cache_file_abort(f);
}

void cache_file_abort(struct cache_file *f)
{
  if (f->bytes) munmap(f->bytes, f->size);
  if (f->cache && f->fd >= 0) close(f->fd);
  if (f->temporary[0]) unlink(f->temporary);
  memset(f, 0, sizeof *f);
  f->fd = -1;
}

/* -------------------------------------------------------------------------------------- finding a file */

/* Reads NAME.txt, checks its hash, and returns the maker's lines (malloc'ed) or NULL. */
static char *read_text(const struct data_cache *c, const char *name, size_t *bytes, uint64_t *hash)
{
  char path[1200], *all = NULL, *text = NULL;
  struct stat st;
  if (!cached_path(path, sizeof path, c, name, ".txt")) return NULL;
  FILE *in = fopen(path, "re");
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
  if (sscanf(all, "gsos-cache 1 bytes %zu hash %16" SCNx64, bytes, hash) != 2) goto done;
  *end = 0;
  text = strdup(lines);
done:
  free(all);
  fclose(in);
  return text;
}

bool data_cache_find(const struct data_cache *c, const char *name, struct data_block *b, char **text)
{
  char path[1200];
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
  }
  return good;
}

void data_cache_clean(const struct data_cache *c, const char *prefix, const char *keep)
{
  DIR *folder = c->folder[0] ? opendir(c->folder) : NULL;
  if (!folder) return;
  const struct dirent *entry;
  time_t now = time(NULL);
  while ((entry = readdir(folder))) {
    const char *name = entry->d_name;
    struct stat st;
    bool old = strncmp(name, prefix, strlen(prefix)) == 0 && strncmp(name, keep, strlen(keep)) != 0;
    bool left = strncmp(name, TEMPORARY_PREFIX, strlen(TEMPORARY_PREFIX)) == 0 &&
                fstatat(dirfd(folder), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && now - st.st_mtime > 24 * 3600;
    if (old || left) unlinkat(dirfd(folder), name, 0);
  }
  closedir(folder);
}
